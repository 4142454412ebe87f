/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setsockopt and getsockopt: SOL_SOCKET for all families, other levels by the
 * family's own functions.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/time.h"
#include "kernel/net/sock.h"
#include "kernel/proc/cred.h"
#include "kernel/sys/syscall.h"

#define OPT_SIZE_MAX 256
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304

static const struct {
	int name;
	u32 flag;
} bool_options[] = {
	{ SO_REUSEADDR, SF_REUSEADDR }, { SO_REUSEPORT, SF_REUSEPORT },
	{ SO_KEEPALIVE, SF_KEEPALIVE }, { SO_BROADCAST, SF_BROADCAST },
	{ SO_PASSCRED, SF_PASSCRED },	{ SO_DONTROUTE, SF_DONTROUTE },
	{ SO_OOBINLINE, SF_OOBINLINE }, { SO_DEBUG, SF_DEBUG },
	{ SO_NO_CHECK, SF_NO_CHECK },
};

static u32 bool_flag(int name)
{
	for (u32 i = 0; i < ARRAY_SIZE(bool_options); i++) {
		if (bool_options[i].name == name)
			return bool_options[i].flag;
	}
	return 0;
}

int sockopt_int(const void *value, u32 len, s32 *out)
{
	if (len < sizeof(*out))
		return -EINVAL;
	memcpy(out, value, sizeof(*out));
	return 0;
}

static void set_flag(struct sock *sk, u32 flag, bool on)
{
	if (on)
		atomic_fetch_or(&sk->flags, flag);
	else
		atomic_fetch_and(&sk->flags, ~flag);
}

/* SO_RCVTIMEO and SO_SNDTIMEO. */
static int set_timeout(nsec_t *timeout, const void *value, u32 len)
{
	struct linux_timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	if (tv.sec < 0) /* Linux: never wait; a tick here */
		*timeout = NSEC_PER_USEC;
	else if (tv.sec >= NSEC_MAX / NSEC_PER_SEC - 1)
		*timeout = 0;
	else
		*timeout = tv.sec * NSEC_PER_SEC + tv.usec * NSEC_PER_USEC;
	return 0;
}

static u32 buffer_size(s32 v, bool force, u32 min)
{
	u32 n = force ? (u32)MAX(v, 0) : MIN((u32)v, (u32)SOCK_BUF_DEFAULT);

	n = MIN(n, (u32)INT32_MAX / 2);
	return MAX(n * 2, min);
}

static int set_linger(struct sock *sk, const void *value, u32 len)
{
	struct linux_linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	sk->linger = l.seconds;
	set_flag(sk, SF_LINGER, l.on != 0);
	return 0;
}

static int set_int(struct sock *sk, int name, s32 v)
{
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		if (name == SO_SNDBUFFORCE && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->sndbuf = buffer_size(v, name == SO_SNDBUFFORCE, SNDBUF_MIN);
		waitq_wake(&sk->wwait);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		if (name == SO_RCVBUFFORCE && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->rcvbuf = buffer_size(v, name == SO_RCVBUFFORCE, RCVBUF_MIN);
		return 0;
	case SO_RCVLOWAT:
		sk->rcvlowat = v < 0 ? INT32_MAX : MAX((u32)v, 1U);
		return 0;
	case SO_PRIORITY:
		if ((v < 0 || v > 6) && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->priority = v;
		return 0;
	case SO_MARK:
		if (!cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->mark = v;
		return 0;
	case SO_INCOMING_CPU:
		sk->incoming_cpu = v;
		return 0;
	case SO_BUSY_POLL:
		sk->busy_poll = v;
		return v < 0 ? -EINVAL : 0;
	case SO_ZEROCOPY: /* answers would come by the error queue */
		return v < 0 || v > 1 ? -EINVAL : v ? -EOPNOTSUPP : 0;
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_DOMAIN:
	case SO_ERROR:
	case SO_SNDLOWAT:
		return -ENOPROTOOPT;
	default:
		return (int)syscall_unsupported("setsockopt SOL_SOCKET",
						(u64)name, ENOPROTOOPT);
	}
}

static int set_socket(struct sock *sk, int name, const void *value, u32 len)
{
	u32 flag = bool_flag(name);
	s32 v;
	int err;

	if (name == SO_LINGER)
		return set_linger(sk, value, len);
	if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW)
		return set_timeout(&sk->rcvtimeo, value, len);
	if (name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW)
		return set_timeout(&sk->sndtimeo, value, len);
	if (name == SO_BINDTODEVICE || name == SO_ATTACH_FILTER ||
	    name == SO_ATTACH_BPF || name == SO_ATTACH_REUSEPORT_CBPF)
		return (int)syscall_unsupported("setsockopt SOL_SOCKET",
						(u64)name, ENOPROTOOPT);
	err = sockopt_int(value, len, &v);
	if (err)
		return err;
	if (name == SO_PASSCRED && sk->domain != AF_UNIX)
		return -EOPNOTSUPP;
	if (flag) {
		set_flag(sk, flag, v != 0);
		return 0;
	}
	return set_int(sk, name, v);
}

int sock_setsockopt(struct sock *sk, int level, int name, uaddr_t value,
		    s32 len)
{
	u8 buf[OPT_SIZE_MAX];
	u32 n = (u32)MIN(len, OPT_SIZE_MAX);
	int err;

	if (len < 0)
		return -EINVAL;
	memset(buf, 0, sizeof(buf));
	if (user_copy_in(buf, value, n))
		return -EFAULT;
	if (level == SOL_SOCKET) {
		err = set_socket(sk, name, buf, n);
		if (!err && sk->ops->option_changed)
			sk->ops->option_changed(sk, name);
		return err;
	}
	if (!sk->ops->setsockopt)
		return sk->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
	return sk->ops->setsockopt(sk, level, name, buf, n);
}

/* --- getsockopt
 * ----------------------------------------------------------------- */

static int put(void *value, u32 *len, const void *from, u32 size)
{
	*len = MIN(*len, size);
	memcpy(value, from, *len);
	return 0;
}

static int take_error(struct sock *sk)
{
	int err = sock_take_error(sk);

	if (!err && sk->ops->take_error)
		err = sk->ops->take_error(sk);
	return err < 0 ? -err : err;
}

static int get_int(struct sock *sk, int name, s32 *v)
{
	u32 flag = bool_flag(name);

	if (flag) {
		*v = (atomic_load(&sk->flags) & flag) != 0;
		return 0;
	}
	switch (name) {
	case SO_TYPE:
		*v = sk->type;
		return 0;
	case SO_DOMAIN:
		*v = sk->domain;
		return 0;
	case SO_PROTOCOL:
		*v = sk->protocol;
		return 0;
	case SO_ERROR:
		*v = take_error(sk);
		return 0;
	case SO_ACCEPTCONN:
		*v = atomic_load(&sk->state) == SS_LISTEN;
		return 0;
	case SO_SNDBUF:
		*v = (s32)sk->sndbuf;
		return 0;
	case SO_RCVBUF:
		*v = (s32)sk->rcvbuf;
		return 0;
	case SO_RCVLOWAT:
		*v = (s32)sk->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*v = 1;
		return 0;
	case SO_PRIORITY:
		*v = sk->priority;
		return 0;
	case SO_MARK:
		*v = sk->mark;
		return 0;
	case SO_INCOMING_CPU:
		*v = sk->incoming_cpu;
		return 0;
	case SO_BUSY_POLL:
		*v = sk->busy_poll;
		return 0;
	case SO_ZEROCOPY:
		*v = 0;
		return 0;
	default:
		return (int)syscall_unsupported("getsockopt SOL_SOCKET",
						(u64)name, ENOPROTOOPT);
	}
}

static int get_timeout(nsec_t t, void *value, u32 *len)
{
	struct linux_timeval tv = { t / NSEC_PER_SEC,
				    t % NSEC_PER_SEC / NSEC_PER_USEC };

	return put(value, len, &tv, sizeof(tv));
}

static int get_peer_cred(struct sock *sk, void *value, u32 *len)
{
	struct linux_ucred none = { 0, (u32)-1, (u32)-1 };
	bool known = sk->domain == AF_UNIX &&
		     atomic_load_acquire(&sk->state) != SS_CLOSED;

	return put(value, len, known ? &sk->peer_cred : &none, sizeof(none));
}

static int get_socket(struct sock *sk, int name, void *value, u32 *len)
{
	struct linux_linger l;
	s32 v;
	int err;

	switch (name) {
	case SO_LINGER:
		l.on = (atomic_load(&sk->flags) & SF_LINGER) != 0;
		l.seconds = sk->linger;
		return put(value, len, &l, sizeof(l));
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return get_timeout(sk->rcvtimeo, value, len);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return get_timeout(sk->sndtimeo, value, len);
	case SO_PEERCRED:
		return get_peer_cred(sk, value, len);
	case SO_PEERSEC:
		return -ENOPROTOOPT; /* no security module */
	case SO_BINDTODEVICE:
		*len = 0;
		return 0;
	default:
		err = get_int(sk, name, &v);
		return err ? err : put(value, len, &v, sizeof(v));
	}
}

int sock_getsockopt(struct sock *sk, int level, int name, uaddr_t value,
		    uaddr_t len)
{
	u8 buf[OPT_SIZE_MAX];
	s32 want;
	u32 n;
	int err;

	if (user_get(&want, len))
		return -EFAULT;
	if (want < 0)
		return -EINVAL;
	n = (u32)MIN(want, OPT_SIZE_MAX);
	memset(buf, 0, sizeof(buf));
	if (level == SOL_SOCKET)
		err = get_socket(sk, name, buf, &n);
	else if (sk->ops->getsockopt)
		err = sk->ops->getsockopt(sk, level, name, buf, &n);
	else
		err = sk->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (err)
		return err;
	if (user_copy_out(value, buf, n) || user_store_u32(len, n))
		return -EFAULT;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setsockopt and getsockopt: SOL_SOCKET for all families, other levels by the
 * family's own functions.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/netstamp.h"
#include "kernel/linux/time.h"
#include "kernel/net/netdev.h"
#include "kernel/net/sock.h"
#include "kernel/proc/cred.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define OPT_SIZE_MAX 256
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304
#define CGROUP_BPF_EXTENSIONS 64 /* SKF_AD_MAX */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif

/* Which sockets an option is for; others: EOPNOTSUPP. */
enum {
	FOR_UNIX = 1,
	FOR_NETLINK = 2,
	FOR_TCP = 4,
	FOR_UDP = 8,
	FOR_INET = FOR_TCP | FOR_UDP,
	FOR_ALL = 15,
};

enum so_kind {
	SO_FLAG,   /* a bit of sock.flags: `arg` */
	SO_FIELD,  /* an s32 of struct sock at offset `arg` */
	SO_HINT,   /* any value taken, nothing to do here, always 0 */
	SO_ACTION, /* may be set, never read */
	SO_CONST,  /* may be read only: `arg` */
};

struct so_row {
	s16 name;
	u8 kind;  /* enum so_kind */
	u8 whose; /* FOR_* */
	u32 arg;
	s32 min, max;
	s8 cap; /* needed to set it; -1 none */
};

#define FLAG(name, whose, flag)                                      \
	{                                                            \
		name, SO_FLAG, whose, flag, INT32_MIN, INT32_MAX, -1 \
	}
#define FIELD(name, whose, field, min, max, cap)                               \
	{                                                                      \
		name, SO_FIELD, whose, offsetof(struct sock, field), min, max, \
			cap                                                    \
	}
#define PLAIN(name, kind, arg, min, max)               \
	{                                              \
		name, kind, FOR_ALL, arg, min, max, -1 \
	}

/* Integer options of SOL_SOCKET without rules of their own. To add one: one
 * row. */
/* clang-format off */
static const struct so_row rows[] = {
	FLAG(SO_REUSEADDR,	FOR_ALL,	SF_REUSEADDR),
	FLAG(SO_KEEPALIVE,	FOR_ALL,	SF_KEEPALIVE),
	FLAG(SO_BROADCAST,	FOR_ALL,	SF_BROADCAST),
	FLAG(SO_DONTROUTE,	FOR_ALL,	SF_DONTROUTE),
	FLAG(SO_OOBINLINE,	FOR_ALL,	SF_OOBINLINE),
	FLAG(SO_DEBUG,		FOR_ALL,	SF_DEBUG),
	FLAG(SO_NO_CHECK,	FOR_ALL,	SF_NO_CHECK),
	FLAG(SO_PASSCRED,	FOR_UNIX | FOR_NETLINK, SF_PASSCRED),
	FLAG(SO_PASSPIDFD,	FOR_UNIX,	SF_PASSPIDFD),
	FLAG(SO_PASSSEC,	FOR_UNIX | FOR_NETLINK, SF_PASSSEC),
	FLAG(SO_RXQ_OVFL,	FOR_ALL,	SF_RXQ_OVFL),
	FLAG(SO_WIFI_STATUS,	FOR_ALL,	SF_WIFI_STATUS),
	FLAG(SO_NOFCS,		FOR_ALL,	SF_NOFCS),
	FLAG(SO_SELECT_ERR_QUEUE, FOR_ALL,	SF_SELECT_ERR_QUEUE),
	FLAG(SO_RCVMARK,	FOR_ALL,	SF_RCVMARK),
	FLAG(SO_PREFER_BUSY_POLL, FOR_ALL,	SF_PREFER_BUSY_POLL),
	FIELD(SO_INCOMING_CPU,	FOR_ALL, incoming_cpu, INT32_MIN, INT32_MAX, -1),
	FIELD(SO_MARK,		FOR_ALL, mark, INT32_MIN, INT32_MAX, CAP_NET_ADMIN),
	FIELD(SO_BUSY_POLL,	FOR_ALL, busy_poll, 0, INT32_MAX, -1),
	FIELD(SO_BUF_LOCK,	FOR_ALL, buf_lock, 0, 3, -1),
	FIELD(SO_PEEK_OFF,	FOR_UNIX | FOR_INET, peek_off, INT32_MIN, INT32_MAX, -1),
	PLAIN(SO_BSDCOMPAT,	SO_HINT, 0, INT32_MIN, INT32_MAX),
	PLAIN(SO_CNX_ADVICE,	SO_ACTION, 0, INT32_MIN, INT32_MAX),
	PLAIN(SO_BUSY_POLL_BUDGET, SO_ACTION, 0, 0, 65535),
	PLAIN(SO_SNDLOWAT,	SO_CONST, 1, 0, 0),
	PLAIN(SO_BPF_EXTENSIONS, SO_CONST, CGROUP_BPF_EXTENSIONS, 0, 0),
	PLAIN(SO_INCOMING_NAPI_ID, SO_CONST, 0, 0, 0),
	PLAIN(SO_RESERVE_MEM,	SO_CONST, 0, 0, 0),
};
/* clang-format on */

static u32 kind_of(const struct sock *sk)
{
	if (sk->domain == AF_UNIX)
		return FOR_UNIX;
	if (sk->domain == AF_NETLINK)
		return FOR_NETLINK;
	return sk->type == SOCK_STREAM ? FOR_TCP : FOR_UDP;
}

static const struct so_row *find_row(int name)
{
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].name == name)
			return &rows[i];
	}
	return NULL;
}

static s32 *field_of(struct sock *sk, const struct so_row *r)
{
	return (s32 *)((char *)sk + r->arg);
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

static int set_row(struct sock *sk, const struct so_row *r, s32 v)
{
	if (!(r->whose & kind_of(sk)))
		return -EOPNOTSUPP;
	if (r->kind == SO_CONST)
		return r->name == SO_RESERVE_MEM && v >= 0 ? -EOPNOTSUPP
		       : r->name == SO_RESERVE_MEM	   ? -EINVAL
							   : -ENOPROTOOPT;
	if (r->cap >= 0 && !cred_capable(r->cap))
		return -EPERM;
	if (v < r->min || v > r->max)
		return -EINVAL;
	if (r->kind == SO_FLAG)
		set_flag(sk, r->arg, v != 0);
	else if (r->kind == SO_FIELD)
		atomic_store(field_of(sk, r), v);
	return 0;
}

static int set_timestamp(struct sock *sk, int name, s32 v)
{
	bool ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW;
	bool is_new = name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW;

	set_flag(sk, SF_TIMESTAMPS | SF_TIMESTAMP_NEW, false);
	if (v)
		set_flag(sk,
			 (ns ? SF_TIMESTAMPNS : SF_TIMESTAMP) |
				 (is_new ? SF_TIMESTAMP_NEW : 0),
			 true);
	return 0;
}

/* Time stamps of what is received, taken here; none of what is sent: they
 * would come by the error queue. */
static int set_timestamping(struct sock *sk, const void *value, u32 len)
{
	s32 v;

	memcpy(&v, value, sizeof(v));
	if (len != sizeof(v) && len != 2 * sizeof(v))
		return -EINVAL;
	if (v & ~SOF_TIMESTAMPING_MASK)
		return -EINVAL;
	if (v & (SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
		 SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK))
		return (int)syscall_unsupported("SO_TIMESTAMPING of sending",
						(u64)v, EOPNOTSUPP);
	sk->timestamping = v;
	return 0;
}

static int set_int(struct sock *sk, int name, s32 v)
{
	switch (name) {
	case SO_REUSEPORT:
		if (v && !(kind_of(sk) & FOR_INET))
			return -EOPNOTSUPP;
		set_flag(sk, SF_REUSEPORT, v != 0);
		return 0;
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		if (name == SO_SNDBUFFORCE && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->sndbuf = buffer_size(v, name == SO_SNDBUFFORCE, SNDBUF_MIN);
		sk->buf_lock |= SOCK_SNDBUF_LOCK;
		waitq_wake(&sk->wwait);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		if (name == SO_RCVBUFFORCE && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->rcvbuf = buffer_size(v, name == SO_RCVBUFFORCE, RCVBUF_MIN);
		sk->buf_lock |= SOCK_RCVBUF_LOCK;
		return 0;
	case SO_RCVLOWAT:
		sk->rcvlowat = v < 0 ? INT32_MAX : MAX((u32)v, 1U);
		return 0;
	case SO_PRIORITY:
		if ((v < 0 || v > 6) && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->priority = v;
		return 0;
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMP_NEW:
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		return set_timestamp(sk, name, v);
	case SO_LOCK_FILTER:
		if (!v && (atomic_load(&sk->flags) & SF_LOCK_FILTER))
			return -EPERM;
		set_flag(sk, SF_LOCK_FILTER, v != 0);
		return 0;
	case SO_TXREHASH:
		if (kind_of(sk) != FOR_TCP)
			return -EOPNOTSUPP;
		if (v < -1 || v > 1)
			return -EINVAL;
		sk->txrehash = v != 0;
		return 0;
	case SO_ZEROCOPY: /* answers would come by the error queue */
		if (!(kind_of(sk) & FOR_INET))
			return -EOPNOTSUPP;
		return v < 0 || v > 1 ? -EINVAL : v ? -EOPNOTSUPP : 0;
	case SO_DETACH_FILTER: /* there is none */
		return -ENOENT;
	default:
		return (int)syscall_unsupported("setsockopt SOL_SOCKET",
						(u64)name, ENOPROTOOPT);
	}
}

/* The interfaces exist in name only, and nobody is bound to one. */
static int bind_to_device(const void *value, u32 len)
{
	char name[IFNAMSIZ] = "";

	memcpy(name, value, MIN(len, (u32)IFNAMSIZ - 1));
	if (!name[0])
		return 0;
	if (!netdev_index_of(name))
		return -ENODEV;
	return (int)syscall_unsupported("SO_BINDTODEVICE", len, EPERM);
}

static int set_pacing(struct sock *sk, const void *value, u32 len)
{
	u32 rate;

	if (len == sizeof(u64)) {
		memcpy(&sk->pacing_rate, value, sizeof(u64));
		return 0;
	}
	memcpy(&rate, value, sizeof(rate));
	sk->pacing_rate = rate == ~0U ? ~0UL : rate;
	return 0;
}

static int set_socket(struct sock *sk, int name, const void *value, u32 len)
{
	const struct so_row *r;
	s32 v;
	int err;

	if (name == SO_BINDTODEVICE)
		return bind_to_device(value, len);
	err = sockopt_int(value, len, &v);
	if (err)
		return err;
	r = find_row(name);
	if (r)
		return set_row(sk, r, v);
	switch (name) {
	case SO_LINGER:
		return set_linger(sk, value, len);
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return set_timeout(&sk->rcvtimeo, value, len);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return set_timeout(&sk->sndtimeo, value, len);
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		return set_timestamping(sk, value, len);
	case SO_MAX_PACING_RATE:
		return set_pacing(sk, value, len);
	default:
		return set_int(sk, name, v);
	}
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

static int get_row(struct sock *sk, const struct so_row *r, s32 *v)
{
	if (!(r->whose & kind_of(sk)))
		return -EOPNOTSUPP;
	switch (r->kind) {
	case SO_FLAG:
		*v = (atomic_load(&sk->flags) & r->arg) != 0;
		return 0;
	case SO_FIELD:
		*v = atomic_load(field_of(sk, r));
		return 0;
	case SO_ACTION:
		return -ENOPROTOOPT;
	default:
		*v = (s32)r->arg;
		return 0;
	}
}

static s32 get_timestamp(const struct sock *sk, int name)
{
	bool ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW;
	bool is_new = name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW;
	u32 flags = atomic_load(&sk->flags);

	return (flags & (ns ? SF_TIMESTAMPNS : SF_TIMESTAMP)) &&
	       is_new == !!(flags & SF_TIMESTAMP_NEW);
}

static int get_int(struct sock *sk, int name, s32 *v)
{
	switch (name) {
	case SO_REUSEPORT:
		*v = (atomic_load(&sk->flags) & SF_REUSEPORT) != 0;
		return 0;
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
	case SO_PRIORITY:
		*v = sk->priority;
		return 0;
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMP_NEW:
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		*v = get_timestamp(sk, name);
		return 0;
	case SO_LOCK_FILTER:
		*v = (atomic_load(&sk->flags) & SF_LOCK_FILTER) != 0;
		return 0;
	case SO_TXREHASH:
		*v = sk->txrehash;
		return kind_of(sk) == FOR_TCP ? 0 : -EOPNOTSUPP;
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

static int get_peer_groups(struct sock *sk, void *value, u32 *len)
{
	const struct cred *c = sk->peer_groups;
	u32 size;

	if (!c)
		return -ENODATA;
	size = c->ngroups * (u32)sizeof(u32);
	if (*len < size) {
		*len = size;
		return -ERANGE;
	}
	if (size > OPT_SIZE_MAX)
		return -ERANGE;
	*len = size;
	memcpy(value, c->groups, size);
	return 0;
}

static int get_peer_pidfd(struct sock *sk)
{
	struct process *p;
	struct file *f;
	int err;

	if (sk->domain != AF_UNIX || sk->peer_cred.pid == 0 ||
	    atomic_load_acquire(&sk->state) == SS_CLOSED)
		return -ENODATA;
	p = process_find(sk->peer_cred.pid);
	if (!p)
		return -ESRCH;
	err = pidfd_new(p, 0, &f);
	process_put(p);
	if (err)
		return err;
	return fd_install(f, 0, true);
}

static int get_peer_name(struct sock *sk, void *value, u32 *len)
{
	struct sock_addr a;
	int err = sk->ops->name_get(sk, true, &a);

	if (err)
		return err == -ENOTCONN ? err : -ENOTCONN;
	if (a.len < *len)
		return -EINVAL;
	memcpy(value, a.bytes, *len);
	return 0;
}

static int get_meminfo(struct sock *sk, void *value, u32 *len)
{
	u32 v[9] = { (u32)sk->msg_bytes, sk->rcvbuf,
		     (u32)atomic_load(&sk->wmem), sk->sndbuf };

	v[8] = atomic_load(&sk->ndrops);
	return put(value, len, v, sizeof(v));
}

static int get_exact(void *value, const u32 *len, u64 v)
{
	if (*len < sizeof(v))
		return -EINVAL;
	memcpy(value, &v, sizeof(v));
	return 0;
}

static int get_pacing(struct sock *sk, void *value, u32 *len)
{
	u32 low = (u32)MIN(sk->pacing_rate, (u64)UINT32_MAX);

	if (*len >= sizeof(u64))
		return put(value, len, &sk->pacing_rate, sizeof(u64));
	return put(value, len, &low, sizeof(low));
}

static int get_socket(struct sock *sk, int name, void *value, u32 *len)
{
	const struct so_row *r = find_row(name);
	s32 stamping[2] = { sk->timestamping, 0 };
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
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		return put(value, len, stamping, sizeof(stamping));
	case SO_MAX_PACING_RATE:
		return get_pacing(sk, value, len);
	case SO_MEMINFO:
		return get_meminfo(sk, value, len);
	case SO_COOKIE:
		err = get_exact(value, len, sk->cookie);
		*len = sizeof(u64);
		return err;
	case SO_NETNS_COOKIE:
		if (*len != sizeof(u64))
			return -EINVAL;
		return get_exact(value, len, 1);
	case SO_PEERCRED:
		return get_peer_cred(sk, value, len);
	case SO_PEERGROUPS:
		return get_peer_groups(sk, value, len);
	case SO_PEERNAME:
		return get_peer_name(sk, value, len);
	case SO_PEERSEC:
		return -ENOPROTOOPT; /* no security module */
	case SO_BINDTODEVICE:
		*len = 0;
		return 0;
	case SO_PEERPIDFD:
		v = get_peer_pidfd(sk);
		return v < 0 ? v : put(value, len, &v, sizeof(v));
	default:
		err = r ? get_row(sk, r, &v) : get_int(sk, name, &v);
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
	if (err == -ERANGE)
		return user_store_u32(len, n) ? -EFAULT : err;
	if (err)
		return err;
	if (user_copy_out(value, buf, n) || user_store_u32(len, n))
		return -EFAULT;
	return 0;
}

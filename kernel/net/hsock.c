/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections to the outside: the host's socket does the work, on the
 * program's own buffers. The hot path takes no lock and allocates nothing; it
 * tries first and sleeps on the descriptor only when the host says EAGAIN.
 */
#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/mm.h"
#include "kernel/net/conn.h"
#include "kernel/net/inet.h"
#include "kernel/plat/plat.h"

#define EV_CONN (EV_IN | EV_OUT | EV_PRI | EV_RDHUP)

/* What the host may see of the program's flags. */
#define RECV_FLAGS (MSG_PEEK | MSG_TRUNC)
#define SEND_FLAGS MSG_MORE

int hsock_iov(const struct uio *u, struct plat_iovec *tmp,
	      const struct plat_iovec **iov)
{
	int n;

	if (likely(u->done == 0 && u->niov == 1 && u->iov->len == u->left)) {
		*iov = u->iov;
		n = 1;
	} else {
		*iov = tmp;
		n = uio_to_iov(u, tmp, HSOCK_IOV);
	}
	for (int i = 0; !u->is_kernel && i < n; i++) {
		if (unlikely(!user_range_ok((*iov)[i].base, (*iov)[i].len)))
			return -EFAULT;
	}
	return n;
}

u32 hsock_ready_now(int hfd, u32 events)
{
	struct plat_pollfd pfd = { .hfd = hfd, .events = (s16)events };

	return plat_hfd_poll(&pfd, 1, 0) > 0 ? (u32)(u16)pfd.revents : 0;
}

/* --- Connecting
 * -------------------------------------------------------------------- */

/* Ask the host for the outcome of connect(): 0, -EINPROGRESS, or the error,
 * which leaves a fresh TCP socket behind. */
static int connect_result(struct inet_sock *isk)
{
	struct sock *sk = &isk->sk;
	s32 value = 0;
	u32 len = sizeof(value);
	int err, hfd = -1;

	mutex_lock(&sk->lock);
	if (!isk->is_connecting) {
		err = sk->ops == &hsock_ops ? 0 : -ECONNABORTED;
		mutex_unlock(&sk->lock);
		return err;
	}
	if (!(hsock_ready_now(isk->hfd, EV_OUT) & (EV_OUT | EV_ERR | EV_HUP))) {
		mutex_unlock(&sk->lock);
		return -EINPROGRESS;
	}
	err = plat_hfd_getsockopt(isk->hfd, SOL_SOCKET, SO_ERROR, &value, &len);
	if (!err && value)
		err = -value;
	isk->is_connecting = false;
	if (err) {
		activity_closed(&isk->activity);
		hfd = isk->hfd;
		isk->hfd = -1;
		isk->remote.port = 0;
		sk->ops = &tcp_ops;
		atomic_store_release(&sk->state, SS_CLOSED);
	} else {
		activity_answered(&isk->activity);
		atomic_store_release(&sk->state, SS_CONNECTED);
	}
	mutex_unlock(&sk->lock);
	if (hfd >= 0) {
		sock_sources_changed(sk);
		plat_hfd_close(hfd);
	}
	return err;
}

static int wait_connected(struct inet_sock *isk)
{
	struct sock *sk = &isk->sk;
	nsec_t deadline = 0;
	int err;

	for (;;) {
		err = connect_result(isk);
		if (err != -EINPROGRESS)
			return err;
		err = sock_sleep_hfd(&sk->wwait, isk->hfd, EV_OUT, sk->sndtimeo,
				     &deadline);
		if (err)
			return err == -EAGAIN ? -EINPROGRESS : err;
	}
}

int hsock_connect(struct sock *sk, const struct inet_addr *dest, bool nonblock)
{
	struct inet_sock *isk = inet_of(sk);
	struct inet_addr local;
	int hfd, err;

	err = broker_socket(BROKER_CONNECT, 0, dest, &hfd, &local);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (sk->state != SS_CLOSED) {
		mutex_unlock(&sk->lock);
		plat_hfd_close(hfd);
		return -EALREADY;
	}
	inet_unbind(isk);
	if (!isk->has_user_port)
		isk->local.port = local.port;
	if (inet_is_any(&isk->local))
		inet_choose_source(dest, &isk->local);
	isk->remote = *dest;
	isk->hfd = hfd;
	isk->is_connecting = true;
	inet_opt_replay(isk);
	activity_asking(&isk->activity);
	sk->ops = &hsock_ops;
	atomic_store_release(&sk->state, SS_CONNECTING);
	mutex_unlock(&sk->lock);
	sock_sources_changed(sk);
	err = nonblock ? connect_result(isk) : wait_connected(isk);
	return err;
}

/* connect() again: how far is it? */
static int hsock_connect_again(struct sock *sk,
			       const struct sock_addr *a UNUSED, bool nonblock)
{
	struct inet_sock *isk = inet_of(sk);
	int err;

	if (!atomic_load(&isk->is_connecting))
		return -EISCONN;
	err = nonblock ? connect_result(isk) : wait_connected(isk);
	if (err == -EINPROGRESS)
		return -EALREADY;
	return err;
}

int hsock_accepted(struct inet_sock *listener, int hfd,
		   const struct inet_addr *peer, struct sock **out)
{
	struct inet_sock *isk;
	struct sock *sk;
	int err = inet_new(listener->sk.domain, SOCK_STREAM, &hsock_ops, &sk);

	if (err) {
		plat_hfd_close(hfd);
		return err;
	}
	isk = inet_of(sk);
	inet_inherit(isk, listener);
	isk->local = listener->local;
	if (inet_is_any(&isk->local))
		inet_addr_v4(&isk->local, kernel.boot->instance_ip,
			     listener->local.port);
	isk->remote = *peer;
	isk->hfd = hfd;
	activity_served(&isk->activity, listener->local.port);
	sk->state = SS_CONNECTED;
	*out = sk;
	return 0;
}

/* --- Data
 * ------------------------------------------------------------------------------
 */

static int wait_readable(struct sock *sk, nsec_t *deadline)
{
	return sock_sleep_hfd(&sk->rwait, inet_of(sk)->hfd, EV_IN, sk->rcvtimeo,
			      deadline);
}

static s64 hsock_receive(struct sock *sk, struct uio *u, u32 flags)
{
	struct plat_iovec tmp[HSOCK_IOV];
	const struct plat_iovec *iov;
	u64 target = flags & MSG_WAITALL ? u->left : 1;
	nsec_t deadline = 0;
	s64 total = 0, n;
	int err;

	if (unlikely(u->left == 0))
		return 0;
	for (;;) {
		int niov = hsock_iov(u, tmp, &iov);

		if (niov < 0)
			return total ? total : niov;
		n = flags & RECV_FLAGS
			    ? plat_hfd_recv(inet_of(sk)->hfd, iov, niov,
					    (int)(flags & RECV_FLAGS), NULL,
					    NULL)
			    : plat_hfd_readv(inet_of(sk)->hfd, iov, niov);
		if (likely(n > 0)) {
			activity_received(&inet_of(sk)->activity);
			total += n;
			if (!(flags & MSG_TRUNC))
				uio_advance(u, (u64)n);
			if ((u64)total >= target || (flags & MSG_PEEK) ||
			    u->left == 0)
				return total;
			continue;
		}
		if (unlikely(n == -EFAULT) && mm_expect_writes(iov, niov))
			continue;
		if (n == 0)
			activity_answered(&inet_of(sk)->activity);
		if (n != -EAGAIN || (flags & MSG_DONTWAIT))
			return total ? total : n;
		err = wait_readable(sk, &deadline);
		if (err)
			return total ? total : err;
	}
}

static s64 hsock_transmit(struct sock *sk, struct uio *u, u32 flags)
{
	struct plat_iovec tmp[HSOCK_IOV];
	const struct plat_iovec *iov;
	nsec_t deadline = 0;
	s64 total = 0, n;
	int err;

	for (;;) {
		int niov = hsock_iov(u, tmp, &iov);

		if (niov < 0)
			return total ? total : niov;
		n = plat_hfd_send(inet_of(sk)->hfd, iov, niov,
				  (int)(flags & SEND_FLAGS) | MSG_NOSIGNAL);
		if (likely(n >= 0)) {
			activity_sent(&inet_of(sk)->activity, iov, (u64)n,
				      u->is_kernel);
			total += n;
			uio_advance(u, (u64)n);
			if (u->left == 0)
				return total;
			continue;
		}
		if (unlikely(n == -EFAULT) && mm_expect_reads(iov, niov))
			continue;
		if (n != -EAGAIN)
			break;
		if (flags & MSG_DONTWAIT)
			return total ? total : -EAGAIN;
		err = sock_sleep_hfd(&sk->wwait, inet_of(sk)->hfd, EV_OUT,
				     sk->sndtimeo, &deadline);
		if (err)
			return total ? total : err;
	}
	if (total)
		return total;
	return n == -EPIPE ? sock_broken(flags) : n;
}

static s64 hsock_read(struct sock *sk, struct uio *u, bool nonblock)
{
	return hsock_receive(sk, u, nonblock ? MSG_DONTWAIT : 0);
}

static s64 hsock_write(struct sock *sk, struct uio *u, bool nonblock)
{
	return hsock_transmit(sk, u, nonblock ? MSG_DONTWAIT : 0);
}

static s64 hsock_send(struct sock *sk, struct sock_msg *m)
{
	if (unlikely(m->flags & MSG_OOB))
		return -EOPNOTSUPP;
	return hsock_transmit(sk, &m->uio, m->flags);
}

static s64 hsock_recv(struct sock *sk, struct sock_msg *m)
{
	if (m->addr)
		m->addr->len = 0;
	if (unlikely(m->flags & (MSG_OOB | MSG_ERRQUEUE)))
		return m->flags & MSG_OOB ? -EINVAL : -EAGAIN;
	return hsock_receive(sk, &m->uio, m->flags);
}

static s64 hsock_sendfile(struct sock *sk, struct object *o, u64 offset,
			  u64 len, bool nonblock)
{
	nsec_t deadline = 0;
	s64 total = 0, n;
	int err = 0;

	while (len) {
		u64 at, run;

		err = object_resolve(o, offset, len, &at, &run);
		if (err)
			break;
		n = plat_hfd_sendfile(inet_of(sk)->hfd, o->backing, at,
				      MIN(run, len));
		if (n > 0) {
			activity_sent(&inet_of(sk)->activity, NULL, 0, true);
			total += n;
			offset += (u64)n;
			len -= (u64)n;
			continue;
		}
		err = n == 0 ? -EIO : (int)n;
		if (err == -EAGAIN && !nonblock)
			err = sock_sleep_hfd(&sk->wwait, inet_of(sk)->hfd,
					     EV_OUT, sk->sndtimeo, &deadline);
		if (err)
			break;
	}
	if (total || !err)
		return total;
	return err == -EPIPE ? sock_broken(0) : err;
}

static u32 hsock_poll(struct sock *sk, struct poll_table *pt)
{
	struct inet_sock *isk = inet_of(sk);

	if (!pt)
		return hsock_ready_now(isk->hfd, EV_CONN);
	/* For connect() that fails, and for shutdown by another thread. */
	poll_wait(pt, &sk->rwait);
	poll_hfd(pt, isk->hfd, pt->wanted ? pt->wanted : EV_CONN);
	return 0;
}

enum { TCP_STATE_CLOSE = 7 }; /* in tcp_info */

static bool is_over(struct inet_sock *isk)
{
	u8 state = 0;
	u32 len = sizeof(state); /* the first member of struct tcp_info */

	return !plat_hfd_getsockopt(isk->hfd, SOL_TCP, TCP_INFO, &state,
				    &len) &&
	       state == TCP_STATE_CLOSE;
}

static int hsock_name_get(struct sock *sk, bool peer, struct sock_addr *a)
{
	struct inet_sock *isk = inet_of(sk);

	if (peer && atomic_load(&isk->is_connecting) && connect_result(isk))
		return -ENOTCONN;
	if (peer && is_over(isk))
		return -ENOTCONN;
	inet_addr_format(peer ? &isk->remote : &isk->local, sk->domain, a);
	return 0;
}

static int hsock_shutdown(struct sock *sk, int how)
{
	return plat_hfd_shutdown(inet_of(sk)->hfd, how);
}

static int hsock_take_error(struct sock *sk)
{
	struct inet_sock *isk = inet_of(sk);
	s32 value = 0;
	u32 len = sizeof(value);
	int err;

	if (atomic_load(&isk->is_connecting)) {
		err = connect_result(isk);
		return err == -EINPROGRESS ? 0 : err;
	}
	err = plat_hfd_getsockopt(isk->hfd, SOL_SOCKET, SO_ERROR, &value, &len);
	return err ? err : -value;
}

static long hsock_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	int n;

	switch (cmd) {
	case FIONREAD:
		n = plat_hfd_readable_bytes(inet_of(sk)->hfd);
		return n < 0 ? n : user_store_u32(arg, (u32)n);
	case TIOCOUTQ:
		return user_store_u32(arg, 0);
	default:
		return -ENOTTY;
	}
}

static int hsock_bind(struct sock *sk UNUSED, const struct sock_addr *a UNUSED)
{
	return -EINVAL;
}

static int hsock_listen(struct sock *sk UNUSED, int backlog UNUSED)
{
	return -EINVAL;
}

static int hsock_accept(struct sock *sk UNUSED, bool nonblock UNUSED,
			struct sock **new_sk UNUSED, struct sock_addr *a UNUSED)
{
	return -EINVAL;
}

static void hsock_close(struct sock *sk)
{
	struct inet_sock *isk = inet_of(sk);

	inet_unbind(isk);
	activity_closed(&isk->activity);
	if (isk->hfd >= 0)
		plat_hfd_close(isk->hfd);
	isk->hfd = -1;
}

const struct sock_ops hsock_ops = {
	.name = "TCP-outside",
	.bind = hsock_bind,
	.connect = hsock_connect_again,
	.listen = hsock_listen,
	.accept = hsock_accept,
	.name_get = hsock_name_get,
	.send = hsock_send,
	.recv = hsock_recv,
	.read = hsock_read,
	.write = hsock_write,
	.shutdown = hsock_shutdown,
	.poll = hsock_poll,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.take_error = hsock_take_error,
	.ioctl = hsock_ioctl,
	.sendfile = hsock_sendfile,
	.close = hsock_close,
	.free = inet_free,
};

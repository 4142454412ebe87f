/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets: inside the instance a connection is a pair of rings (conn.c),
 * without segments, timers or windows. A listener on a published port also has
 * the host's listening socket; connections to the outside turn the socket into
 * an hsock (hsock.c).
 */
#include "abi/broker.h"
#include "abi/deliver.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/net/conn.h"
#include "kernel/net/inet.h"
#include "kernel/plat/plat.h"

#define BACKLOG_OVERFLOW 1024 /* non-blocking connects past a full backlog */

static bool is_connected(const struct sock *sk)
{
	return atomic_load_acquire(&sk->state) == SS_CONNECTED;
}

bool tcp_is_over(struct sock *sk)
{
	struct sock *peer = sk->peer;

	return atomic_load(&sk->shut) == SHUT_BITS && peer &&
	       (peer->rx_closed || (atomic_load(&peer->shut) & SHUT_BIT_WR));
}

/* A connect failed after it had returned, and nobody called it again. */
static bool was_refused(struct sock *sk)
{
	return atomic_load_acquire(&sk->state) == SS_CLOSED &&
	       atomic_load(&inet_of(sk)->is_connecting);
}

/* --- Connecting
 * ------------------------------------------------------------------ */

static int new_child(struct inet_sock *isk, struct inet_sock *listener,
		     const struct inet_addr *dest, struct sock **out)
{
	struct sock *child;
	int err = inet_new(listener->sk.domain, SOCK_STREAM, &tcp_ops, &child);

	if (err)
		return err;
	inet_inherit(inet_of(child), listener);
	inet_of(child)->local = *dest;
	inet_of(child)->remote = isk->local;
	*out = child;
	return 0;
}

static int wait_backlog(struct sock *sk, struct sock *l, bool nonblock)
{
	nsec_t deadline = 0;
	int err = 0;

	while (l->state == SS_LISTEN && l->naccept > l->backlog) {
		if (nonblock && l->naccept < l->backlog + BACKLOG_OVERFLOW)
			break; /* its SYN would be answered later */
		if (err)
			return err == -EAGAIN ? -EINPROGRESS : err;
		if (nonblock)
			return -ETIMEDOUT;
		err = sock_sleep(&l->wwait, &l->lock, sk->sndtimeo, &deadline);
	}
	return l->state == SS_LISTEN ? 0 : -ECONNREFUSED;
}

/* The local address and port of isk on the way to dest. */
static int choose_local(struct inet_sock *isk, const struct inet_addr *dest)
{
	int err;

	mutex_lock(&isk->sk.lock);
	err = inet_autobind(isk);
	if (!err && inet_is_any(&isk->local))
		inet_choose_source(dest, &isk->local);
	mutex_unlock(&isk->sk.lock);
	return err == -EAGAIN ? -EADDRNOTAVAIL : err;
}

static int connect_inside(struct sock *sk, const struct inet_addr *to,
			  bool nonblock)
{
	struct inet_sock *isk = inet_of(sk), *l;
	struct inet_addr dest = *to;
	struct sock *child = NULL;
	u32 closed = SS_CLOSED;
	int err;

	if (inet_is_any(&dest))
		inet_choose_source(to, &dest);
	dest.port = to->port;
	l = port_find_listener(&tcp_ports, &dest);
	if (!l)
		return -ECONNREFUSED;
	err = choose_local(isk, &dest);
	if (!err)
		err = new_child(isk, l, &dest, &child);
	if (!err) {
		mutex_lock(&l->sk.lock);
		err = wait_backlog(sk, &l->sk, nonblock);
		if (!err && !atomic_cmpxchg(&sk->state, &closed, SS_CONNECTING))
			err = closed == SS_CONNECTING ? -EALREADY : -EISCONN;
		if (!err) {
			isk->remote = dest;
			conn_join(sk, child);
			port_add_child(&tcp_ports, inet_of(child));
			conn_offer(&l->sk, child);
			child = NULL;
		}
		mutex_unlock(&l->sk.lock);
	}
	if (!err) {
		waitq_wake_events(&l->sk.rwait, EV_READ, 1);
		sock_wake_all(sk);
	}
	if (child) {
		conn_close(child, false);
		sock_put(child);
	}
	sock_put(&l->sk);
	return err;
}

/* A non-blocking connect is answered later, even here where the answer is
 * known at once: programs wait for it to become writable, and the next connect
 * tells how it went. */
static int connect_later(struct sock *sk, int err)
{
	if (err && err != -ECONNREFUSED && err != -ETIMEDOUT)
		return err;
	if (err) {
		sock_set_error(sk, -err);
		sock_wake_all(sk);
	}
	inet_of(sk)->is_connecting = true;
	return -EINPROGRESS;
}

/* The connect that follows one which was answered later. */
static int connect_again(struct sock *sk)
{
	int err;

	inet_of(sk)->is_connecting = false;
	if (is_connected(sk))
		return 0;
	err = sock_take_error(sk);
	return err ? err : -ECONNABORTED;
}

int tcp_connect(struct sock *sk, const struct sock_addr *a, bool nonblock)
{
	struct inet_addr dest;
	int err;

	if (a->len >= 2 && a->family == AF_UNSPEC)
		return is_connected(sk) ? -EINVAL : 0;
	err = inet_addr_parse(a, sk->domain, &dest);
	if (!err && a->family != sk->domain)
		err = -EAFNOSUPPORT;
	if (err)
		return err;
	if (inet_of(sk)->is_connecting)
		return connect_again(sk);
	switch (atomic_load_acquire(&sk->state)) {
	case SS_CLOSED:
		break;
	case SS_CONNECTING:
		return -EALREADY;
	default:
		return -EISCONN;
	}
	err = sock_take_error(sk);
	if (err)
		return err;
	if (inet_is_multicast(&dest) ||
	    (inet_of(sk)->is_v6only && inet_is_v4(&dest)))
		return -ENETUNREACH;
	if (inet_is_local(&dest)) {
		err = connect_inside(sk, &dest, nonblock);
		return nonblock ? connect_later(sk, err) : err;
	}
	return hsock_connect(sk, &dest, nonblock);
}

/* --- Listening
 * ---------------------------------------------------------------------- */

/* The host's listening socket, if the port is published. */
static void listen_outside(struct inet_sock *isk)
{
	if (isk->hfd >= 0 || !inet_is_published(isk->local.port, IPPROTO_TCP) ||
	    (inet_is_v4(&isk->local) && isk->local.ip[12] == 127))
		return;
	if (broker_socket(BROKER_LISTEN, isk->sk.backlog, &isk->local,
			  &isk->hfd, NULL))
		isk->hfd = -1;
	else
		inet_opt_replay(isk);
}

static int tcp_listen(struct sock *sk, int backlog)
{
	struct inet_sock *isk = inet_of(sk);
	bool has_outside;
	int err = 0;

	mutex_lock(&sk->lock);
	has_outside = isk->hfd >= 0;
	if (sk->state != SS_CLOSED && sk->state != SS_LISTEN)
		err = -EINVAL;
	else
		err = inet_autobind(isk);
	if (err == -EAGAIN)
		err = -EADDRINUSE;
	sk->backlog = MIN((u32)backlog, (u32)SOCK_MAX_BACKLOG);
	if (!err && sk->state != SS_LISTEN) {
		err = port_listen(&tcp_ports, isk);
		if (!err) {
			sk->shut = 0;
			listen_outside(isk);
		}
	}
	has_outside = !has_outside && isk->hfd >= 0;
	mutex_unlock(&sk->lock);
	if (has_outside)
		sock_sources_changed(sk);
	return err;
}

static int take_accepted(struct inet_sock *isk, struct inet_addr *peer)
{
	u8 addr[SOCK_ADDR_MAX];
	u32 len = sizeof(addr);
	int hfd = plat_hfd_accept(isk->hfd, addr, &len);

	inet_addr_from_host(addr, hfd < 0 ? 0 : MIN(len, (u32)sizeof(addr)),
			    peer);
	return hfd;
}

/* What is not a connection is dropped. */
static int take_delivered(struct inet_sock *isk, struct inet_addr *peer)
{
	struct deliver_message m;
	int hfd;
	s64 n;

	n = plat_hfd_recv_fd(isk->hfd, &m, sizeof(m), &hfd);
	if (n < 0)
		return (int)n;
	if (hfd >= 0 && (n != sizeof(m) || m.version != DELIVER_VERSION ||
			 m.peer_len > sizeof(m.peer))) {
		plat_hfd_close(hfd);
		hfd = -1;
	}
	if (hfd < 0)
		return -EAGAIN;
	inet_addr_from_host(m.peer, m.peer_len, peer);
	return hfd;
}

/* The host's socket says of which kind the port is: datagrams cannot be
 * accepted, and of a listener nothing can be received (EINVAL: it is the one
 * that nobody can reach). */
static bool is_other_kind(bool is_delivered, int err)
{
	return is_delivered ? err == -ENOTCONN || err == -EINVAL
			    : err == -EOPNOTSUPP;
}

/* A clone's may be of another kind than that of its template. */
static int take_outside(struct inet_sock *isk, struct inet_addr *peer)
{
	bool is_delivered = atomic_load(&isk->is_delivered);
	int hfd;

	if (unlikely(atomic_load(&isk->sk.shut)))
		return -EINVAL;
	if (unlikely(activity_is_closed()))
		return -EAGAIN;
	hfd = is_delivered ? take_delivered(isk, peer)
			   : take_accepted(isk, peer);
	if (likely(hfd >= 0 || !is_other_kind(is_delivered, hfd)))
		return hfd;
	atomic_store(&isk->is_delivered, !is_delivered);
	return is_delivered ? take_accepted(isk, peer)
			    : take_delivered(isk, peer);
}

static int accept_outside(struct sock *sk, struct sock **new_sk)
{
	struct inet_sock *isk = inet_of(sk);
	struct inet_addr peer;
	int hfd = take_outside(isk, &peer), err;

	if (hfd < 0)
		return hfd == -ECONNABORTED || hfd == -EINTR ? -EAGAIN : hfd;
	inet_hide_loopback(&peer);
	err = hsock_accepted(isk, hfd, &peer, new_sk);
	/* From a listener the host's sockets have them already. */
	if (!err && atomic_load(&isk->is_delivered))
		inet_opt_replay(inet_of(*new_sk));
	return err;
}

/* Both sources, without waiting. */
static int accept_any(struct sock *sk, struct sock **new_sk)
{
	int err = -EAGAIN;

	if (atomic_load(&sk->state) != SS_LISTEN)
		return -EINVAL;
	if (atomic_load(&sk->naccept))
		err = conn_accept(sk, true, new_sk);
	return err == -EAGAIN ? accept_outside(sk, new_sk) : err;
}

static int accept_both(struct sock *sk, bool nonblock, struct sock **new_sk)
{
	struct plat_pollfd pfd = { .hfd = inet_of(sk)->hfd, .events = EV_IN };
	nsec_t until = NSEC_MAX;
	struct waiter w;
	int err = accept_any(sk, new_sk);

	if (err != -EAGAIN || nonblock)
		return err;
	if (sk->rcvtimeo)
		until = plat_clock(PLAT_MONOTONIC) + sk->rcvtimeo;
	waiter_init(&w);
	waitq_add(&sk->rwait, &w);
	for (;;) {
		err = accept_any(sk, new_sk);
		if (err != -EAGAIN)
			break;
		err = thread_sleep_poll(&pfd, activity_is_closed() ? 0 : 1,
					until);
		if (err < 0) {
			err = sock_sleep_error(err, sk->rcvtimeo);
			break;
		}
	}
	waitq_remove(&w);
	return err;
}

static int tcp_accept(struct sock *sk, bool nonblock, struct sock **new_sk,
		      struct sock_addr *a)
{
	int err;

	if (inet_of(sk)->hfd < 0)
		err = conn_accept(sk, nonblock, new_sk);
	else
		err = accept_both(sk, nonblock, new_sk);
	if (!err)
		inet_addr_format(&inet_of(*new_sk)->remote, sk->domain, a);
	return err;
}

/* --- Data, inside
 * ---------------------------------------------------------------------- */

static s64 not_connected(struct sock *sk, bool is_write, u32 flags)
{
	int err = sock_take_error(sk);

	if (err)
		return err;
	if (is_write)
		return sock_broken(flags);
	return was_refused(sk) ? 0 : -ENOTCONN;
}

static s64 tcp_send(struct sock *sk, struct sock_msg *m)
{
	return is_connected(sk) ? conn_send(sk, m)
				: not_connected(sk, true, m->flags);
}

/* TCP_INQ: how many bytes are left. */
static void put_inq(struct sock *sk, struct sock_msg *m)
{
	s32 n;

	mutex_lock(&sk->rx_lock);
	n = (s32)MIN(stream_used(&sk->rx), (u64)INT32_MAX);
	mutex_unlock(&sk->rx_lock);
	if (n == 0 && (atomic_load(&sk->shut) & SHUT_BIT_RD))
		n = 1; /* the end can be read, too */
	control_put(m->control, SOL_TCP, TCP_INQ, &n, sizeof(n));
}

static s64 tcp_recv(struct sock *sk, struct sock_msg *m)
{
	s64 n;

	if (m->addr)
		m->addr->len = 0;
	if (!is_connected(sk))
		return not_connected(sk, false, 0);
	n = conn_recv(sk, m);
	if (unlikely(inet_of(sk)->wants & WANT_INQ) && n >= 0)
		put_inq(sk, m);
	return n;
}

static s64 tcp_read(struct sock *sk, struct uio *u, bool nonblock)
{
	return is_connected(sk) ? conn_read(sk, u, nonblock)
				: not_connected(sk, false, 0);
}

static s64 tcp_write(struct sock *sk, struct uio *u, bool nonblock)
{
	return is_connected(sk) ? conn_write(sk, u, nonblock)
				: not_connected(sk, true, 0);
}

static int tcp_shutdown(struct sock *sk, int how)
{
	static const u32 bits[] = { SHUT_BIT_RD, SHUT_BIT_WR, SHUT_BITS };

	switch (atomic_load_acquire(&sk->state)) {
	case SS_CONNECTED:
		if (tcp_is_over(sk))
			return -ENOTCONN;
		if (how != SHUT_RD && !(atomic_load(&sk->shut) & SHUT_BITS))
			inet_of(sk)->is_active_closer = true;
		conn_shutdown(sk, bits[how]);
		return 0;
	case SS_LISTEN:
		if (how != SHUT_WR) {
			atomic_store(&sk->shut, SHUT_BITS);
			conn_refuse_all(sk);
			if (inet_of(sk)->hfd >= 0)
				plat_hfd_shutdown(inet_of(sk)->hfd, how);
		}
		return 0;
	default:
		return -ENOTCONN;
	}
}

static u32 tcp_poll(struct sock *sk, struct poll_table *pt)
{
	struct inet_sock *isk = inet_of(sk);
	u32 state = atomic_load_acquire(&sk->state);
	u32 shut, ev = 0;

	poll_wait(pt, &sk->rwait);
	poll_wait(pt, &sk->wwait);
	if (state == SS_LISTEN) {
		bool is_open = isk->hfd >= 0 && !activity_is_closed();

		if (is_open && pt)
			poll_hfd(pt, isk->hfd, EV_READ);
		else if (is_open)
			ev = hsock_ready_now(isk->hfd, EV_READ);
		return atomic_load(&sk->naccept) ? EV_READ : ev;
	}
	if (atomic_load(&sk->error))
		ev |= EV_ERR;
	if (was_refused(sk))
		ev |= EV_READ | EV_RDHUP;
	if (state != SS_CONNECTED)
		return ev | EV_WRITE | EV_HUP;
	ev |= conn_ready(sk);
	shut = atomic_load(&sk->shut);
	if (shut & SHUT_BIT_RD)
		ev |= EV_READ | EV_RDHUP;
	if (shut & SHUT_BIT_WR)
		ev |= EV_WRITE;
	return shut == SHUT_BITS ? ev | EV_HUP : ev;
}

/* Which end said first that it is done? That one keeps its port a while. An end
 * that was told so by the other does not. */
static bool lingers(struct inet_sock *isk)
{
	u32 shut = atomic_load(&isk->sk.shut);

	if (atomic_load(&isk->sk.error) == ECONNRESET)
		return false;
	return isk->is_active_closer || !(shut & SHUT_BIT_RD);
}

static void tcp_close(struct sock *sk)
{
	struct inet_sock *isk = inet_of(sk);
	bool reset = (sk->flags & SF_LINGER) && sk->linger == 0;

	reset |= stream_used(&sk->rx) != 0;
	if (sk->state == SS_CONNECTED && !reset && lingers(isk))
		port_linger(&tcp_ports, isk);
	inet_unbind(isk);
	if (sk->state == SS_LISTEN)
		conn_refuse_all(sk);
	else
		conn_close(sk, reset);
	if (isk->hfd >= 0)
		plat_hfd_close(isk->hfd);
	isk->hfd = -1;
}

const struct sock_ops tcp_ops = {
	.name = "TCP",
	.bind = inet_bind,
	.connect = tcp_connect,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.name_get = inet_name_get,
	.send = tcp_send,
	.recv = tcp_recv,
	.read = tcp_read,
	.write = tcp_write,
	.shutdown = tcp_shutdown,
	.poll = tcp_poll,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.ioctl = conn_ioctl,
	.close = tcp_close,
	.free = inet_free,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX: creation, connections, stream sockets. Datagrams and seqpackets are
 * in unix_dgram.c, names in unix_name.c.
 */
#include "kernel/net/unix.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/net/conn.h"
#include "kernel/net/msg.h"
#include "kernel/proc/cred.h"
#include "kernel/proc/thread.h"

static int unix_new(u32 type, struct sock **sk)
{
	const struct sock_ops *ops = type == SOCK_STREAM  ? &unix_stream_ops
				     : type == SOCK_DGRAM ? &unix_dgram_ops
							  : &unix_seqpacket_ops;
	int err =
		sock_alloc(sizeof(struct unix_sock), ops, AF_UNIX, type, 0, sk);

	if (err)
		return err;
	list_init(&unix_of(*sk)->all_node);
	unix_enlist(unix_of(*sk));
	return 0;
}

int unix_create(u32 type, u32 protocol, struct sock **sk)
{
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	return unix_new(type, sk);
}

int unix_socketpair(u32 type, u32 protocol, struct sock *pair[2])
{
	int err = unix_create(type, protocol, &pair[0]);

	if (err)
		return err;
	err = unix_create(type, protocol, &pair[1]);
	if (err) {
		unix_close(pair[0]);
		sock_put(pair[0]);
		return err;
	}
	conn_join(pair[0], pair[1]);
	for (int i = 0; i < 2; i++) {
		pair[i]->peer_cred = pair[i]->cred;
		pair[i]->peer_groups = cred_get(current()->cred);
	}
	return 0;
}

/* --- Ancillary data
 * ------------------------------------------------------------- */

void unix_add_cred(struct sock *sk, const struct sock *other, struct scm *scm)
{
	u32 flags = atomic_load(&sk->flags) | atomic_load(&other->flags);

	if (scm->has_cred || !(flags & SF_PASS))
		return;
	scm_current_cred(&scm->cred);
	scm->has_cred = true;
}

int unix_scm_in(struct sock *sk, struct sock_msg *m)
{
	int err = 0;

	if (likely(m->control_in_len == 0)) {
		if (unlikely(atomic_load(&sk->flags) & SF_PASS))
			return unix_autobind(sk, true);
		return 0;
	}
	err = scm_send(&m->scm, m->control_in, m->control_in_len);
	if (!err)
		err = unix_autobind(sk, true);
	if (!err && m->scm.files) {
		err = scm_begin_flight(m->scm.files);
		if (!err)
			return 0;
	}
	if (err && m->scm.files) {
		scm_free(m->scm.files);
		m->scm.files = NULL;
	}
	return err;
}

void unix_scm_undo(struct sock_msg *m)
{
	if (!m->scm.files)
		return;
	scm_end_flight(m->scm.files);
	scm_free(m->scm.files);
	m->scm.files = NULL;
}

/* --- Connections
 * ------------------------------------------------------------------ */

/* Under listener->lock: room in its queue? Sleeps for it. 0 or the result. */
static int wait_backlog(struct sock *sk, struct sock *listener, bool nonblock,
			nsec_t *deadline)
{
	int err = 0;

	while (listener->state == SS_LISTEN &&
	       listener->naccept > listener->backlog) {
		if (err)
			return err;
		if (nonblock)
			return -EAGAIN;
		err = sock_sleep(&listener->wwait, &listener->lock,
				 sk->sndtimeo, deadline);
	}
	return listener->state == SS_LISTEN ? 0 : -ECONNREFUSED;
}

/* The server's end of a connection of sk to listener. */
static int new_child(struct sock *listener, struct sock **out)
{
	struct sock *child;
	int err = unix_new(listener->type, &child);

	if (err)
		return err;
	unix_of(child)->name = unix_of(listener)->name;
	if (unix_of(child)->name)
		unix_name_get(unix_of(child)->name);
	child->flags = atomic_load(&listener->flags) & SF_PASS;
	child->sndbuf = listener->sndbuf;
	child->rcvbuf = listener->rcvbuf;
	scm_current_cred(&child->peer_cred);
	child->peer_groups = cred_get(current()->cred);
	*out = child;
	return 0;
}

static int connect_to(struct sock *sk, struct sock *listener, bool nonblock)
{
	struct sock *child = NULL;
	nsec_t deadline = 0;
	int err = new_child(listener, &child);

	if (err)
		return err;
	mutex_lock(&listener->lock);
	err = wait_backlog(sk, listener, nonblock, &deadline);
	if (!err) {
		/* sk->lock would come second to another socket's: the state
		 * word decides between two threads that connect sk. */
		u32 closed = SS_CLOSED;

		if (atomic_cmpxchg(&sk->state, &closed, SS_CONNECTING)) {
			sk->peer_cred = listener->peer_cred;
			sk->peer_groups = cred_get(listener->peer_groups);
			conn_join(sk, child);
			conn_offer(listener, child);
			child = NULL;
		} else {
			err = closed == SS_CONNECTED ? -EISCONN : -EINVAL;
		}
	}
	mutex_unlock(&listener->lock);
	if (child) {
		unix_close(child);
		sock_put(child);
		return err;
	}
	waitq_wake_events(&listener->rwait, EV_READ, 1);
	sock_wake_all(sk);
	return 0;
}

int unix_connect(struct sock *sk, const struct sock_addr *a, bool nonblock)
{
	struct sock *listener;
	u32 state;
	int err = unix_autobind(sk, true);

	if (!err)
		err = unix_find(a, sk->type, &listener);
	if (err)
		return err;
	state = atomic_load_acquire(&sk->state);
	if (state == SS_CONNECTED)
		err = -EISCONN;
	else if (state == SS_LISTEN)
		err = -EINVAL;
	else
		err = connect_to(sk, listener, nonblock);
	sock_put(listener);
	return err;
}

int unix_listen(struct sock *sk, int backlog)
{
	int err = 0;

	mutex_lock(&sk->lock);
	if (!unix_of(sk)->name ||
	    (sk->state != SS_CLOSED && sk->state != SS_LISTEN)) {
		err = -EINVAL;
	} else {
		sk->backlog = MIN((u32)backlog, (u32)SOCK_MAX_BACKLOG);
		scm_current_cred(&sk->peer_cred);
		if (sk->peer_groups)
			cred_put(sk->peer_groups);
		sk->peer_groups = cred_get(current()->cred);
		atomic_store_release(&sk->state, SS_LISTEN);
	}
	mutex_unlock(&sk->lock);
	if (!err)
		waitq_wake(&sk->wwait);
	return err;
}

int unix_accept(struct sock *sk, bool nonblock, struct sock **new_sk,
		struct sock_addr *a)
{
	int err = conn_accept(sk, nonblock, new_sk);

	if (!err && unix_name_get_addr(*new_sk, true, a))
		unix_name_addr(NULL, a);
	return err;
}

int unix_shutdown(struct sock *sk, int how)
{
	static const u32 bits[] = { SHUT_BIT_RD, SHUT_BIT_WR, SHUT_BITS };

	if (atomic_load(&sk->state) != SS_CONNECTED || !sk->peer) {
		if (sk->type != SOCK_DGRAM)
			return -ENOTCONN;
		atomic_fetch_or(&sk->shut, bits[how]);
		sock_wake_all(sk);
		return 0;
	}
	if (sk->type == SOCK_DGRAM) { /* the peer does not learn of it */
		atomic_fetch_or(&sk->shut, bits[how]);
		sock_wake_all(sk);
		return 0;
	}
	conn_shutdown(sk, bits[how]);
	return 0;
}

void unix_close(struct sock *sk)
{
	bool had_messages = !list_empty(&sk->msgs);

	unix_unname(unix_of(sk));
	if (sk->state == SS_LISTEN)
		conn_refuse_all(sk);
	if (sk->type == SOCK_DGRAM) {
		struct sock *peer;

		mutex_lock(&sk->lock);
		peer = sk->peer;
		sk->peer = NULL;
		mutex_unlock(&sk->lock);
		mutex_lock(&sk->rx_lock);
		sk->rx_closed = true;
		mutex_unlock(&sk->rx_lock);
		if (peer)
			sock_put(peer);
	} else {
		conn_close(sk, had_messages);
	}
	msg_purge(sk);
	sock_wake_all(sk); /* senders that wait for room */
}

void unix_free(struct sock *sk)
{
	struct unix_sock *u = unix_of(sk);

	if (u->name)
		unix_name_put(u->name);
	if (sk->peer_groups)
		cred_put(sk->peer_groups);
}

/* --- Streams
 * ---------------------------------------------------------------------- */

static bool is_connected(const struct sock *sk)
{
	return atomic_load_acquire(&sk->state) == SS_CONNECTED;
}

static s64 stream_send(struct sock *sk, struct sock_msg *m)
{
	s64 n;
	int err;

	if (m->addr && m->addr->len)
		return is_connected(sk) ? -EISCONN : -EOPNOTSUPP;
	if (!is_connected(sk))
		return -ENOTCONN;
	err = unix_scm_in(sk, m);
	if (err)
		return err;
	unix_add_cred(sk, sk->peer, &m->scm);
	n = conn_send(sk, m);
	unix_scm_undo(m);
	return n;
}

static s64 stream_recv(struct sock *sk, struct sock_msg *m)
{
	if (!is_connected(sk))
		return -EINVAL;
	if (m->addr) {
		const struct unix_name *n =
			atomic_load_acquire(&unix_of(sk->peer)->name);

		m->addr->len = 0;
		if (n)
			unix_name_addr(n, m->addr);
	}
	return conn_recv(sk, m);
}

static s64 stream_read(struct sock *sk, struct uio *u, bool nonblock)
{
	return is_connected(sk) ? conn_read(sk, u, nonblock) : -EINVAL;
}

static s64 stream_write(struct sock *sk, struct uio *u, bool nonblock)
{
	struct sock_msg m;
	s64 n;

	if (!is_connected(sk))
		return -ENOTCONN;
	if (likely(!((atomic_load(&sk->flags) | atomic_load(&sk->peer->flags)) &
		     SF_PASS)))
		return conn_write(sk, u, nonblock);
	memset(&m, 0, sizeof(m));
	m.uio = *u;
	m.flags = nonblock ? MSG_DONTWAIT : 0;
	n = stream_send(sk, &m);
	uio_advance(u, u->left - m.uio.left);
	return n;
}

static u32 shut_events(const struct sock *sk)
{
	u32 shut = atomic_load(&sk->shut);
	u32 ev = 0;

	if (shut & SHUT_BIT_RD)
		ev |= EV_RDHUP | EV_READ;
	if (shut == SHUT_BITS)
		ev |= EV_HUP;
	if (atomic_load(&sk->error))
		ev |= EV_ERR;
	return ev;
}

static u32 stream_poll(struct sock *sk, struct poll_table *pt)
{
	u32 ev;

	poll_wait(pt, &sk->rwait);
	poll_wait(pt, &sk->wwait);
	switch (atomic_load_acquire(&sk->state)) {
	case SS_LISTEN:
		return atomic_load(&sk->naccept) ? EV_READ : 0;
	case SS_CONNECTED:
		ev = conn_ready(sk) | shut_events(sk);
		return ev & EV_OUT ? ev | EV_WRBAND : ev;
	default:
		return EV_WRITE | EV_WRBAND | EV_HUP | shut_events(sk);
	}
}

static long stream_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	return conn_ioctl(sk, cmd, arg);
}

const struct sock_ops unix_stream_ops = {
	.name = "UNIX-STREAM",
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.name_get = unix_name_get_addr,
	.send = stream_send,
	.recv = stream_recv,
	.read = stream_read,
	.write = stream_write,
	.shutdown = unix_shutdown,
	.poll = stream_poll,
	.ioctl = stream_ioctl,
	.close = unix_close,
	.free = unix_free,
};

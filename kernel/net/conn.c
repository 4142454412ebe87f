/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream connections inside the instance, on the threads of both ends.
 */
#include "kernel/net/conn.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/ioctl.h"
#include "kernel/linux/netstamp.h" /* SOCK_SNDBUF_LOCK */
#include "kernel/net/msg.h"
#include "kernel/proc/signal.h"

/* What a buffer of TCP grows to unless the program gives its size: enough that
 * nobody waits for window updates that do not exist here. */
#define CONN_INET_BUF (256UL * 1024)

u64 conn_limit(const struct sock *sk)
{
	const struct sock *peer = sk->peer;
	u64 out = CONN_INET_BUF, in = CONN_INET_BUF;

	if (!sock_is_inet(sk))
		return sk->sndbuf;
	if (sk->buf_lock & SOCK_SNDBUF_LOCK)
		out = sk->sndbuf;
	if (peer && (peer->buf_lock & SOCK_RCVBUF_LOCK))
		in = peer->rcvbuf;
	return out + in;
}

/* Is there enough room to call sk writable? The peer's rx_lock is held. */
static bool has_space(const struct sock *sk, const struct sock *peer)
{
	u64 limit = conn_limit(sk);

	return stream_used(&peer->rx) <= limit / (sock_is_inet(sk) ? 2 : 4);
}

/* A TCP peer is gone: what is written is lost, and the answer is a reset. No
 * more is lost than fits before the answer is there. */
static s64 send_into_void(struct sock *sk, struct sock_msg *m)
{
	u64 n = MIN(m->uio.left, conn_limit(sk));
	bool had_fin = atomic_load(&sk->shut) & SHUT_BIT_RD;

	uio_advance(&m->uio, n);
	sock_set_error(sk, had_fin ? EPIPE : ECONNRESET);
	atomic_fetch_or(&sk->shut, SHUT_BITS);
	return (s64)n;
}

/* Pass over the first byte that waits for sk. */
static void drop_byte(struct sock *sk)
{
	struct list dead;
	struct scm none = { .files = NULL };
	struct uio u;
	u8 byte;
	struct stream_take t = {
		.uio = &u,
		.scm = &none,
		.dead = &dead,
		.is_first = true,
	};

	list_init(&dead);
	uio_init_kernel(&u, &byte, 1);
	stream_take(&sk->rx, &t);
	kassert(list_empty(&dead)); /* no files travel with urgent bytes */
}

/* Why nothing can be sent, or 0. The peer's rx_lock is held. */
static int send_refused(struct sock *sk, const struct sock *peer)
{
	if (sock_is_inet(sk) && atomic_load(&sk->error)) {
		int err = sock_take_error(sk);

		return err;
	}
	if (atomic_load(&sk->shut) & SHUT_BIT_WR)
		return -EPIPE;
	return peer->rx_closed && !sock_is_inet(sk) ? -EPIPE : 0;
}

/* Under the peer's rx_lock: as much as fits; sleep for the rest. */
static s64 send_locked(struct sock *sk, struct sock *peer, struct sock_msg *m)
{
	struct scm *scm = m->scm.files || m->scm.has_cred ? &m->scm : NULL;
	u64 limit = conn_limit(sk), used;
	nsec_t deadline = 0;
	s64 total = 0, n;
	int err;

	for (;;) {
		err = send_refused(sk, peer);
		if (err)
			return total ? total : err;
		if (peer->rx_closed)
			return total + send_into_void(sk, m);
		used = stream_used(&peer->rx);
		if (used < limit) {
			n = stream_put(&peer->rx, &m->uio, limit - used, scm);
			if (n < 0)
				return total ? total : n;
			total += n;
			if (m->uio.left == 0)
				return total;
			continue;
		}
		peer->want_space = true;
		if (m->flags & MSG_DONTWAIT)
			return total ? total : -EAGAIN;
		if (total)
			waitq_wake_events(&peer->rwait, EV_READ, 1);
		err = sock_sleep_shared(&sk->wwait, &peer->rx_lock,
					sk->sndtimeo, &deadline);
		if (err && stream_used(&peer->rx) >= limit &&
		    !send_refused(sk, peer))
			return total ? total : err;
	}
}

/* The last byte sent is urgent. Under the peer's rx_lock. */
static void mark_urgent(struct sock *peer)
{
	bool is_inline = atomic_load(&peer->flags) & SF_OOBINLINE;

	if (stream_used(&peer->rx) == 0)
		return;
	/* One that nobody took and that comes next is lost. */
	if (peer->urg_state && peer->urg_pos == peer->rx.tail && !is_inline &&
	    stream_used(&peer->rx) > 1)
		drop_byte(peer);
	peer->urg_pos = peer->rx.head - 1;
	atomic_store(&peer->urg_state, URG_VALID);
}

s64 conn_send(struct sock *sk, struct sock_msg *m)
{
	struct sock *peer = sk->peer;
	bool urgent = m->flags & MSG_OOB;
	s64 n;

	if (unlikely(urgent) && !sock_is_inet(sk) && m->uio.left == 0)
		return -EOPNOTSUPP;
	mutex_lock(&peer->rx_lock);
	n = send_locked(sk, peer, m);
	if (unlikely(urgent) && n > 0 && m->uio.left == 0 && !peer->rx_closed)
		mark_urgent(peer);
	mutex_unlock(&peer->rx_lock);
	if (unlikely(urgent) && n > 0)
		sock_signal_owner(peer, LINUX_SIGURG);
	if (likely(n > 0))
		waitq_wake_events(&peer->rwait,
				  urgent ? EV_READ | EV_PRI : EV_READ, 1);
	else if (n == -EPIPE)
		return sock_broken(m->flags);
	return n;
}

/* Nothing to read: why, and what the call returns. 1: wait. */
static int recv_empty(struct sock *sk, const struct sock_msg *m)
{
	int err;

	/* The order of Linux: TCP forgets a reset behind a FIN. */
	if (sock_is_inet(sk) && (atomic_load(&sk->shut) & SHUT_BIT_RD) &&
	    atomic_load(&sk->error) == EPIPE)
		return 0;
	err = sock_take_error(sk);
	if (err)
		return err;
	if (atomic_load(&sk->shut) & SHUT_BIT_RD)
		return 0;
	return m->flags & MSG_DONTWAIT ? -EAGAIN : 1;
}

/* The next piece, up to the urgent byte, which is passed over or, inline, read
 * as any other. */
static s64 take_piece(struct sock *sk, struct stream_take *t, s64 total)
{
	u64 pos = sk->rx.tail + (t->is_peek ? t->offset : 0);
	s64 n;

	if (likely(sk->urg_state == URG_NONE))
		return stream_take(&sk->rx, t);
	t->max = 0;
	if (sk->urg_pos > pos) {
		t->max = sk->urg_pos - pos;
	} else if (sk->urg_pos == pos) {
		if (total) {
			t->is_stopped = true; /* a call ends at the mark */
			return 0;
		}
		if (!(atomic_load(&sk->flags) & SF_OOBINLINE)) {
			if (t->is_peek)
				t->offset++;
			else if (stream_used(&sk->rx))
				drop_byte(sk);
		}
	}
	n = stream_take(&sk->rx, t);
	if (!t->is_peek && sk->rx.tail > sk->urg_pos)
		atomic_store(&sk->urg_state, URG_NONE);
	return n;
}

/* recv(MSG_OOB). */
static s64 recv_urgent(struct sock *sk, struct sock_msg *m)
{
	bool is_tcp = sock_is_inet(sk);
	s64 ret = -EINVAL;
	u8 byte;

	mutex_lock(&sk->rx_lock);
	if ((atomic_load(&sk->flags) & SF_OOBINLINE) ||
	    sk->urg_state != URG_VALID)
		goto out;
	m->out_flags |= MSG_OOB;
	if (m->uio.left == 0) {
		m->out_flags |= MSG_TRUNC;
		ret = 0;
		goto out;
	}
	byte = stream_byte(&sk->rx, sk->urg_pos);
	ret = uio_put(&m->uio, &byte, 1);
	if (!(m->flags & MSG_PEEK)) /* as Linux: gone with a bad buffer, too */
		atomic_store(&sk->urg_state, URG_READ);
	if (sk->urg_state == URG_READ && !is_tcp &&
	    sk->urg_pos == sk->rx.tail) {
		drop_byte(sk); /* AF_UNIX: it is gone, mark and all */
		atomic_store(&sk->urg_state, URG_NONE);
	}
out:
	mutex_unlock(&sk->rx_lock);
	return ret;
}

/* Where MSG_PEEK begins, and where it goes on. */
static void peek_moved(struct sock *sk, bool is_peek, s64 n)
{
	s32 off = atomic_load(&sk->peek_off);

	if (likely(off < 0) || n <= 0)
		return;
	off = is_peek ? off + (s32)n : MAX(off - (s32)n, 0);
	atomic_store(&sk->peek_off, off);
}

static s64 recv_locked(struct sock *sk, struct sock_msg *m, struct list *dead)
{
	bool wants_scm = sk->domain == AF_UNIX;
	struct stream_take t = {
		.uio = &m->uio,
		.scm = wants_scm ? &m->scm : NULL,
		.dead = dead,
		.is_first = true,
		.with_creds = wants_scm && (atomic_load(&sk->flags) & SF_PASS),
		.is_peek = m->flags & MSG_PEEK,
		.is_discard = (m->flags & MSG_TRUNC) && !wants_scm,
		.offset = m->flags & MSG_PEEK ? MAX(sk->peek_off, 0) : 0,
	};
	u64 target = m->flags & MSG_WAITALL ? m->uio.left
					    : MIN(sk->rcvlowat, m->uio.left);
	nsec_t deadline = 0;
	s64 total = 0, n;
	int err;

	for (;;) {
		while (m->uio.left && (n = take_piece(sk, &t, total)) != 0) {
			if (n < 0)
				return total ? total : n;
			total += n;
			t.offset += (u64)n;
			t.is_first = false;
		}
		if (t.is_stopped || (u64)total >= target)
			return total;
		if (sk->want_space) { /* WAITALL: let the writer go on */
			sk->want_space = false;
			waitq_wake_events(&sk->peer->wwait, EV_WRITE, ~0U);
		}
		if (total &&
		    ((atomic_load(&sk->shut) & SHUT_BIT_RD) ||
		     atomic_load(&sk->error) || (m->flags & MSG_DONTWAIT)))
			return total;
		err = recv_empty(sk, m);
		if (err != 1)
			return err;
		err = sock_sleep_shared(&sk->rwait, &sk->rx_lock, sk->rcvtimeo,
					&deadline);
		if (err && stream_used(&sk->rx) <= t.offset * t.is_peek)
			return total ? total : err;
	}
}

s64 conn_recv(struct sock *sk, struct sock_msg *m)
{
	struct list dead;
	bool wake = false;
	s64 n;

	if (unlikely(m->flags & MSG_OOB))
		return recv_urgent(sk, m);
	if (unlikely(m->flags & MSG_ERRQUEUE) && sock_is_inet(sk))
		return -EAGAIN;
	if (m->uio.left == 0 && sock_is_inet(sk))
		return 0;
	list_init(&dead);
	mutex_lock(&sk->rx_lock);
	n = recv_locked(sk, m, &dead);
	peek_moved(sk, m->flags & MSG_PEEK, n);
	if (sk->want_space && has_space(sk->peer, sk)) {
		sk->want_space = false;
		wake = true;
	}
	mutex_unlock(&sk->rx_lock);
	if (wake)
		waitq_wake_events(&sk->peer->wwait, EV_WRITE, ~0U);
	if (unlikely(m->scm.files != NULL)) {
		if (m->flags & MSG_PEEK)
			scm_peek_barrier();
		else
			scm_end_flight(m->scm.files);
	}
	scm_bury(&dead);
	return n;
}

s64 conn_read(struct sock *sk, struct uio *u, bool nonblock)
{
	struct sock_msg m;
	s64 n;

	m.uio = *u;
	m.addr = NULL;
	m.flags = nonblock ? MSG_DONTWAIT : 0;
	m.out_flags = 0;
	m.scm.files = NULL;
	m.control = NULL;
	n = conn_recv(sk, &m);
	if (m.scm.files)
		scm_free(m.scm.files);
	uio_advance(u, u->left - m.uio.left);
	return n;
}

s64 conn_write(struct sock *sk, struct uio *u, bool nonblock)
{
	struct sock_msg m;
	s64 n;

	m.uio = *u;
	m.addr = NULL;
	m.flags = nonblock ? MSG_DONTWAIT : 0;
	m.scm.files = NULL;
	m.scm.has_cred = false;
	m.control = NULL;
	n = conn_send(sk, &m);
	uio_advance(u, u->left - m.uio.left);
	return n;
}

/* Bytes that a read would give, but for an urgent one that it passes over. */
static u64 readable(const struct sock *sk)
{
	u64 n = stream_used(&sk->rx);

	if (unlikely(sk->urg_state) && n && sk->urg_pos == sk->rx.tail &&
	    sock_is_inet(sk) && !(atomic_load(&sk->flags) & SF_OOBINLINE))
		n--;
	return n;
}

u32 conn_ready(struct sock *sk)
{
	struct sock *peer = sk->peer;
	u32 ev = 0;

	mutex_lock(&sk->rx_lock);
	if (readable(sk) >= MAX(sk->rcvlowat, 1U))
		ev |= EV_READ;
	if (unlikely(sk->urg_state == URG_VALID))
		ev |= EV_PRI;
	mutex_unlock(&sk->rx_lock);
	mutex_lock(&peer->rx_lock);
	if (peer->rx_closed || has_space(sk, peer))
		ev |= EV_WRITE;
	else
		peer->want_space = true;
	mutex_unlock(&peer->rx_lock);
	return ev;
}

static void set_shut(struct sock *sk, u32 bits, struct sock *a, struct sock *b)
{
	/* Both sides' sleepers check under one of these locks. */
	mutex_lock(&a->rx_lock);
	atomic_fetch_or(&sk->shut, bits);
	mutex_unlock(&a->rx_lock);
	mutex_lock(&b->rx_lock);
	mutex_unlock(&b->rx_lock);
	sock_wake_all(sk);
}

void conn_shutdown(struct sock *sk, u32 bits)
{
	struct sock *peer = sk->peer;
	u32 mirror = 0;

	set_shut(sk, bits, sk, peer);
	if (bits & SHUT_BIT_WR)
		mirror |= SHUT_BIT_RD;
	if ((bits & SHUT_BIT_RD) && !sock_is_inet(sk))
		mirror |= SHUT_BIT_WR;
	if (mirror)
		set_shut(peer, mirror, peer, sk);
}

void conn_close(struct sock *sk, bool reset)
{
	struct sock *peer = sk->peer;
	struct list dead;
	u32 bits = sock_is_inet(sk) ? SHUT_BIT_RD : SHUT_BITS;

	list_init(&dead);
	mutex_lock(&sk->rx_lock);
	sk->rx_closed = true;
	reset |= stream_used(&sk->rx) != 0;
	stream_fini(&sk->rx, &dead);
	mutex_unlock(&sk->rx_lock);
	if (peer) {
		mutex_lock(&peer->rx_lock);
		if (reset && !peer->rx_closed) {
			/* Had it half closed, the reset finds it done. */
			if (!sock_is_inet(sk) ||
			    (atomic_load(&peer->shut) & SHUT_BITS) != SHUT_BITS)
				sock_set_error(peer, ECONNRESET);
			bits = SHUT_BITS;
		}
		mutex_unlock(&peer->rx_lock);
		set_shut(peer, bits, peer, sk);
		sk->peer = NULL;
		sock_put(peer);
	}
	scm_bury(&dead);
}

void conn_join(struct sock *a, struct sock *b)
{
	sock_get(a);
	sock_get(b);
	a->peer = b;
	b->peer = a;
	atomic_store_release(&a->state, SS_CONNECTED);
	atomic_store_release(&b->state, SS_CONNECTED);
}

/* --- Listening
 * ----------------------------------------------------------------- */

int conn_accept(struct sock *sk, bool nonblock, struct sock **new_sk)
{
	nsec_t deadline = 0;
	int err = 0;

	mutex_lock(&sk->lock);
	for (;;) {
		if (sk->state != SS_LISTEN) {
			err = -EINVAL;
			break;
		}
		if (!list_empty(&sk->accept_queue)) {
			err = 0;
			break;
		}
		if (err)
			break;
		err = nonblock ? -EAGAIN
			       : sock_sleep(&sk->rwait, &sk->lock, sk->rcvtimeo,
					    &deadline);
	}
	if (!err) {
		*new_sk =
			list_first(&sk->accept_queue, struct sock, accept_node);
		list_del(&(*new_sk)->accept_node);
		atomic_store(&sk->naccept, sk->naccept - 1);
	}
	mutex_unlock(&sk->lock);
	if (!err)
		waitq_wake_events(&sk->wwait, EV_WRITE, 1);
	return err;
}

void conn_offer(struct sock *sk, struct sock *child)
{
	list_append(&sk->accept_queue, &child->accept_node);
	atomic_store(&sk->naccept, sk->naccept + 1);
}

void conn_refuse_all(struct sock *sk)
{
	struct sock *child;

	for (;;) {
		mutex_lock(&sk->lock);
		sk->state = SS_CLOSED;
		child = NULL;
		if (!list_empty(&sk->accept_queue)) {
			child = list_first(&sk->accept_queue, struct sock,
					   accept_node);
			list_del(&child->accept_node);
			sk->naccept--;
		}
		mutex_unlock(&sk->lock);
		if (!child)
			break;
		if (child->peer) {
			mutex_lock(&child->peer->rx_lock);
			sock_set_error(child->peer, ECONNRESET);
			mutex_unlock(&child->peer->rx_lock);
		}
		child->ops->close(child);
		sock_put(child);
	}
	sock_wake_all(sk);
}

long conn_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	struct sock *peer = sk->peer;
	u64 n = 0;

	if (sk->state == SS_LISTEN)
		return -EINVAL;
	switch (cmd) {
	case FIONREAD:
		mutex_lock(&sk->rx_lock);
		n = stream_used(&sk->rx);
		if (unlikely(sk->urg_state) && sock_is_inet(sk) &&
		    !(atomic_load(&sk->flags) & SF_OOBINLINE))
			n = sk->urg_pos - sk->rx.tail;
		mutex_unlock(&sk->rx_lock);
		return user_store_u32(arg, (u32)n);
	case SIOCATMARK:
		mutex_lock(&sk->rx_lock);
		n = sk->urg_state && sk->urg_pos == sk->rx.tail;
		mutex_unlock(&sk->rx_lock);
		return user_store_u32(arg, (u32)n);
	case TIOCOUTQ:
		if (peer && !sock_is_inet(sk)) {
			mutex_lock(&peer->rx_lock);
			n = stream_used(&peer->rx);
			mutex_unlock(&peer->rx_lock);
		} /* what a local TCP peer has is acknowledged at once */
		return user_store_u32(arg, (u32)n);
	default:
		return -ENOTTY;
	}
}

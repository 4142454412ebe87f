/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX datagrams and seqpackets: messages in the receiver's queue, counted
 * against the sender until they are read.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/ioctl.h"
#include "kernel/net/conn.h"
#include "kernel/net/msg.h"
#include "kernel/net/unix.h"

#define QUEUE_MAX 512 /* net.unix.max_dgram_qlen */

/* May sk send to other, which may be connected to somebody else? */
static bool may_send(struct sock *sk, struct sock *other)
{
	bool ok;

	mutex_lock(&other->lock);
	ok = !other->peer || other->peer == sk;
	mutex_unlock(&other->lock);
	return ok;
}

/* Where a message goes, with a reference. */
static int find_target(struct sock *sk, struct sock_msg *m, struct sock **dest)
{
	int err = 0;

	if (m->addr && m->addr->len && sk->type == SOCK_DGRAM) {
		err = unix_find(m->addr, sk->type, dest);
		if (!err && !may_send(sk, *dest)) {
			sock_put(*dest);
			err = -EPERM;
		}
		return err;
	}
	mutex_lock(&sk->lock);
	*dest = sk->peer;
	if (*dest)
		sock_get(*dest);
	mutex_unlock(&sk->lock);
	return *dest ? 0 : -ENOTCONN;
}

static bool dest_full(struct sock *sk, struct sock *dest, u64 len)
{
	return atomic_load(&dest->nmsgs) >= QUEUE_MAX ||
	       !msg_charge_ok(sk, len);
}

/* Sleep until the queue or the sender's own account may have room. */
static int wait_room(struct sock *sk, struct sock *dest, u64 len,
		     nsec_t *deadline)
{
	struct waiter own, theirs;
	nsec_t until = NSEC_MAX;
	int err = 0;

	if (sk->sndtimeo && *deadline == 0)
		*deadline = plat_clock(PLAT_MONOTONIC) + sk->sndtimeo;
	if (sk->sndtimeo)
		until = *deadline;
	waiter_init(&own);
	waiter_init(&theirs);
	waitq_add(&sk->wwait, &own);
	waitq_add(&dest->wwait, &theirs);
	if (dest_full(sk, dest, len) && !dest->rx_closed &&
	    !(atomic_load(&sk->shut) & SHUT_BIT_WR))
		err = thread_sleep(until, true);
	waitq_remove(&own);
	waitq_remove(&theirs);
	return sock_sleep_error(err, sk->sndtimeo);
}

/* Under dest's rx_lock: may it go in? 1: no room yet. */
static int check_dest(struct sock *sk, struct sock *dest, u64 len)
{
	if (atomic_load(&sk->shut) & SHUT_BIT_WR)
		return -EPIPE;
	if (dest->rx_closed)
		return sk->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
	if (atomic_load(&dest->shut) & SHUT_BIT_RD)
		return -EPIPE;
	return dest_full(sk, dest, len) ? 1 : 0;
}

/* Queue msg at dest, sleeping for room. */
static int deliver(struct sock *sk, struct sock *dest, struct msg *msg,
		   u32 flags)
{
	nsec_t deadline = 0;
	int err;

	for (;;) {
		mutex_lock(&dest->rx_lock);
		err = check_dest(sk, dest, msg->len);
		if (err == 0)
			msg_queue(dest, msg, sk);
		mutex_unlock(&dest->rx_lock);
		if (err <= 0)
			break;
		if (flags & MSG_DONTWAIT)
			return -EAGAIN;
		err = wait_room(sk, dest, msg->len, &deadline);
		if (err)
			return err;
	}
	if (!err)
		waitq_wake_events(&dest->rwait, EV_READ, 1);
	return err;
}

/* A connected datagram socket learns that its peer is gone. */
static void forget_peer(struct sock *sk, struct sock *gone)
{
	bool forgot = false;

	mutex_lock(&sk->lock);
	if (sk->peer == gone) {
		sk->peer = NULL;
		atomic_store(&sk->state, SS_CLOSED);
		forgot = true;
	}
	mutex_unlock(&sk->lock);
	if (forgot)
		sock_put(gone);
}

static s64 send_to(struct sock *sk, struct sock *dest, struct sock_msg *m)
{
	u64 len = m->uio.left;
	struct unix_name *name = atomic_load_acquire(&unix_of(sk)->name);
	struct list dead;
	struct msg *msg;
	int err;

	if (len > sk->sndbuf - 32)
		return -EMSGSIZE;
	err = msg_new(&m->uio, len, &msg);
	if (err)
		return err;
	unix_add_cred(sk, dest, &m->scm);
	msg->scm = m->scm;
	m->scm.files = NULL;
	if (name) {
		unix_name_get(name);
		msg->unix_from = name;
	}
	err = deliver(sk, dest, msg, m->flags);
	if (!err)
		return (s64)len;
	list_init(&dead);
	msg_free(msg, &dead);
	scm_bury(&dead);
	return err;
}

static s64 packet_send(struct sock *sk, struct sock_msg *m)
{
	struct sock *dest;
	s64 ret;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = sock_take_error(sk);
	if (!err)
		err = find_target(sk, m, &dest);
	if (err)
		return err;
	ret = unix_scm_in(sk, m);
	if (!ret)
		ret = send_to(sk, dest, m);
	unix_scm_undo(m);
	if (ret == -ECONNREFUSED)
		forget_peer(sk, dest);
	sock_put(dest);
	return ret == -EPIPE ? sock_broken(m->flags) : ret;
}

static void fill_from(const struct msg *msg, struct sock_msg *m)
{
	if (!m->addr)
		return;
	m->addr->len = 0;
	if (msg->unix_from)
		unix_name_addr(msg->unix_from, m->addr);
}

static s64 packet_recv(struct sock *sk, struct sock_msg *m)
{
	struct list dead;
	struct msg *msg;
	s64 ret;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sk->type == SOCK_SEQPACKET &&
	    atomic_load_acquire(&sk->state) != SS_CONNECTED)
		return -ENOTCONN;
	err = msg_wait(sk, m->flags, &msg);
	if (err || !msg) {
		if (m->addr)
			m->addr->len = 0;
		return err;
	}
	fill_from(msg, m);
	m->scm.cred = msg->scm.cred;
	m->scm.has_cred = msg->scm.has_cred;
	if (m->control)
		msg_put_stamps(sk, m, msg->stamp);
	ret = msg_copy(sk, msg, m);
	if (m->flags & MSG_PEEK) {
		if (msg->scm.files)
			m->scm.files = scm_dup(msg->scm.files);
		mutex_unlock(&sk->rx_lock);
		if (m->scm.files)
			scm_peek_barrier();
		return ret;
	}
	m->scm.files = msg->scm.files;
	msg->scm.files = NULL;
	if (m->scm.files)
		scm_end_flight(m->scm.files);
	list_init(&dead);
	msg_free(msg, &dead);
	waitq_wake_events(&sk->wwait, EV_WRITE, ~0U);
	return ret;
}

static int dgram_connect(struct sock *sk, const struct sock_addr *a,
			 bool nonblock UNUSED)
{
	struct sock *other = NULL, *old;
	int err = 0;

	if (a->len >= 2 && a->family != AF_UNSPEC) {
		err = unix_autobind(sk, true);
		if (!err)
			err = unix_find(a, sk->type, &other);
		if (!err && !may_send(sk, other)) {
			sock_put(other);
			err = -EPERM;
		}
		if (err)
			return err;
	}
	mutex_lock(&sk->lock);
	old = sk->peer;
	sk->peer = other;
	if (other)
		sk->peer_cred = other->cred;
	atomic_store(&sk->state, other ? SS_CONNECTED : SS_CLOSED);
	mutex_unlock(&sk->lock);
	if (old)
		sock_put(old);
	sock_wake_all(sk);
	return 0;
}

static u32 packet_poll(struct sock *sk, struct poll_table *pt)
{
	u32 shut = atomic_load(&sk->shut), ev = 0;
	u32 state = atomic_load_acquire(&sk->state);

	poll_wait(pt, &sk->rwait);
	poll_wait(pt, &sk->wwait);
	if (state == SS_LISTEN)
		return atomic_load(&sk->naccept) ? EV_READ : 0;
	if (atomic_load(&sk->error))
		ev |= EV_ERR;
	if (shut & SHUT_BIT_RD)
		ev |= EV_RDHUP | EV_READ;
	if (shut == SHUT_BITS ||
	    (sk->type == SOCK_SEQPACKET && state == SS_CLOSED))
		ev |= EV_HUP;
	if (atomic_load(&sk->nmsgs))
		ev |= EV_READ;
	if (atomic_load(&sk->wmem) * 4 <= sk->sndbuf)
		ev |= EV_WRITE | EV_WRBAND;
	return ev;
}

static long packet_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	u32 n = 0;
	struct msg *m;

	switch (cmd) {
	case FIONREAD:
		mutex_lock(&sk->rx_lock);
		list_for_each (m, &sk->msgs, node) {
			n += m->len;
			if (sk->type == SOCK_DGRAM)
				break;
		}
		mutex_unlock(&sk->rx_lock);
		return user_store_u32(arg, n);
	case TIOCOUTQ:
		return user_store_u32(arg, (u32)atomic_load(&sk->wmem));
	default:
		return -ENOTTY;
	}
}

const struct sock_ops unix_dgram_ops = {
	.name = "UNIX",
	.bind = unix_bind,
	.connect = dgram_connect,
	.name_get = unix_name_get_addr,
	.send = packet_send,
	.recv = packet_recv,
	.shutdown = unix_shutdown,
	.poll = packet_poll,
	.ioctl = packet_ioctl,
	.close = unix_close,
	.free = unix_free,
};

const struct sock_ops unix_seqpacket_ops = {
	.name = "UNIX-SEQPACKET",
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.name_get = unix_name_get_addr,
	.send = packet_send,
	.recv = packet_recv,
	.shutdown = unix_shutdown,
	.poll = packet_poll,
	.ioctl = packet_ioctl,
	.close = unix_close,
	.free = unix_free,
};

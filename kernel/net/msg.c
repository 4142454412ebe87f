/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message queues of datagram and seqpacket sockets.
 */
#include "kernel/net/msg.h"

#include "kernel/kernel.h"
#include "kernel/linux/netstamp.h"
#include "kernel/mm/heap.h"
#include "kernel/net/unix.h"
#include "kernel/plat/plat.h"

#define MSG_OVERHEAD 512 /* charged beside the data, about as Linux does */

static u32 msg_charge(u64 n)
{
	return (u32)(ROUND_UP(n, 256) + MSG_OVERHEAD);
}

int msg_new(struct uio *u, u64 n, struct msg **out)
{
	struct msg *m = kmalloc(sizeof(*m) + n);

	if (!m)
		return -ENOMEM;
	memset(m, 0, sizeof(*m));
	list_init(&m->node);
	m->len = (u32)n;
	if (n && uio_get(u, m->data, n) != (s64)n) {
		kfree(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

void msg_free(struct msg *m, struct list *dead)
{
	struct sock *s = m->sender;

	if (s) {
		atomic_fetch_sub(&s->wmem, m->size);
		if (atomic_load(&s->wmem) * 4 <= s->sndbuf)
			waitq_wake_events(&s->wwait, EV_WRITE, ~0U);
		sock_put(s);
	}
	if (m->unix_from)
		unix_name_put(m->unix_from);
	if (m->scm.files)
		list_append(dead, &m->scm.files->node);
	kfree(m);
}

bool msg_charge_ok(struct sock *sender, u64 n UNUSED)
{
	return atomic_load(&sender->wmem) < sender->sndbuf;
}

void msg_queue(struct sock *sk, struct msg *m, struct sock *sender)
{
	m->size = msg_charge(m->len);
	if (unlikely((atomic_load(&sk->flags) & SF_TIMESTAMPS) ||
		     sk->timestamping))
		m->stamp = plat_clock(PLAT_REALTIME);
	if (sender) {
		sock_get(sender);
		m->sender = sender;
		atomic_fetch_add(&sender->wmem, m->size);
	}
	list_append(&sk->msgs, &m->node);
	sk->nmsgs++;
	sk->msg_bytes += m->size;
}

static void msg_unqueue(struct sock *sk, struct msg *m)
{
	list_del(&m->node);
	sk->nmsgs--;
	sk->msg_bytes -= m->size;
}

/* rx_lock held: the message that SO_PEEK_OFF is in; the first, whole, if it is
 * past all. sk->peek_skip: how far into it. */
static struct msg *peek_at(struct sock *sk)
{
	u32 off = (u32)sk->peek_off;
	struct msg *m;

	list_for_each (m, &sk->msgs, node) {
		if (off < m->len) {
			sk->peek_skip = off;
			return m;
		}
		off -= m->len;
	}
	sk->peek_skip = 0;
	return list_first(&sk->msgs, struct msg, node);
}

int msg_wait(struct sock *sk, u32 flags, struct msg **m)
{
	nsec_t deadline = 0;
	int err = 0;

	*m = NULL;
	mutex_lock(&sk->rx_lock);
	while (list_empty(&sk->msgs)) {
		err = sock_take_error(sk);
		if (err || (atomic_load(&sk->shut) & SHUT_BIT_RD))
			goto out;
		err = -EAGAIN;
		if (flags & MSG_DONTWAIT)
			goto out;
		err = sock_sleep(&sk->rwait, &sk->rx_lock, sk->rcvtimeo,
				 &deadline);
		if (err && list_empty(&sk->msgs))
			goto out;
	}
	err = 0;
	*m = list_first(&sk->msgs, struct msg, node);
	if (flags & MSG_PEEK) {
		if (unlikely(sk->peek_off > 0))
			*m = peek_at(sk);
		return 0;
	}
	msg_unqueue(sk, *m);
	if (unlikely(sk->peek_off > 0))
		sk->peek_off = MAX(sk->peek_off - (s32)(*m)->len, 0);
out:
	mutex_unlock(&sk->rx_lock);
	return err;
}

s64 msg_copy(struct sock *sk, const struct msg *m, struct sock_msg *out)
{
	u32 skip = 0;
	u64 n;

	if (unlikely((out->flags & MSG_PEEK) && sk->peek_off >= 0)) {
		skip = sk->peek_off ? sk->peek_skip : 0;
	}
	n = MIN(m->len - skip, out->uio.left);
	if (n && uio_put(&out->uio, m->data + skip, n) != (s64)n)
		return -EFAULT;
	if (n < m->len - skip)
		out->out_flags |= MSG_TRUNC;
	if (unlikely((out->flags & MSG_PEEK) && sk->peek_off >= 0))
		sk->peek_off += (s32)n;
	return out->flags & MSG_TRUNC ? (s64)(m->len - skip) : (s64)n;
}

s64 msg_finish(struct sock *sk, struct msg *m, struct sock_msg *out)
{
	s64 ret = msg_copy(sk, m, out);
	struct list none;

	if (out->flags & MSG_PEEK) {
		mutex_unlock(&sk->rx_lock);
		return ret;
	}
	list_init(&none);
	msg_free(m, &none);
	return ret;
}

static void put_stamp(struct sock_msg *out, u32 flags, nsec_t stamp)
{
	bool is_new = flags & SF_TIMESTAMP_NEW;
	s64 v[2] = { stamp / NSEC_PER_SEC, stamp % NSEC_PER_SEC };
	int type = is_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD;

	if (flags & SF_TIMESTAMP) {
		v[1] /= NSEC_PER_USEC;
		type = is_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD;
	}
	control_put(out->control, SOL_SOCKET, type, v, sizeof(v));
}

void msg_put_stamps(struct sock *sk, struct sock_msg *out, nsec_t stamp)
{
	const s32 wanted = SOF_TIMESTAMPING_RX_SOFTWARE |
			   SOF_TIMESTAMPING_SOFTWARE;
	u32 flags = atomic_load(&sk->flags), drops;

	if (likely(!(flags & (SF_TIMESTAMPS | SF_RXQ_OVFL)) &&
		   !sk->timestamping))
		return;
	if (stamp == 0)
		stamp = plat_clock(PLAT_REALTIME);
	if (flags & SF_TIMESTAMPS)
		put_stamp(out, flags, stamp);
	if ((sk->timestamping & wanted) == wanted) {
		s64 v[6] = { stamp / NSEC_PER_SEC, stamp % NSEC_PER_SEC };

		control_put(out->control, SOL_SOCKET, SO_TIMESTAMPING_OLD, v,
			    sizeof(v));
	}
	drops = atomic_load(&sk->ndrops);
	if ((flags & SF_RXQ_OVFL) && drops)
		control_put(out->control, SOL_SOCKET, SO_RXQ_OVFL, &drops,
			    sizeof(drops));
}

void msg_purge(struct sock *sk)
{
	struct list all, dead;
	struct msg *m, *tmp;

	list_init(&all);
	list_init(&dead);
	mutex_lock(&sk->rx_lock);
	list_splice(&all, &sk->msgs);
	sk->nmsgs = 0;
	sk->msg_bytes = 0;
	mutex_unlock(&sk->rx_lock);
	list_for_each_safe (m, tmp, &all, node) {
		list_del(&m->node);
		msg_free(m, &dead);
	}
	scm_bury(&dead);
}

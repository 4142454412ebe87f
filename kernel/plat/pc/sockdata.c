/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside sockets: data and readiness. What has arrived is copied to the reader
 * from where the device put it, without net_lock; what is sent is copied once,
 * into the stack's segments.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/linux/socket.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/socket.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#define BOUNCE_SMALL 1024
#define BOUNCE_MAX KIB(32)
#define ROOM_MIN KIB(32)
#define WRITE_MAX 0xfff0u /* the stack counts in 16 bits */

/* --- Readiness
 * ------------------------------------------------------------------------ */

bool socket_has_room(const struct socket *s)
{
	return tcp_sndbuf(s->tcp) >= ROOM_MIN &&
	       tcp_sndqueuelen(s->tcp) < TCP_SND_QUEUELEN / 2;
}

static bool can_send(struct socket *s)
{
	if (socket_has_room(s))
		return true;
	s->wants_room = true;
	return false;
}

/* Words of the socket, read without the lock: whoever changes one tells. */
u32 socket_ready(struct socket *s)
{
	u32 ready = 0;

	if (s->udp)
		return READY_OUT | (s->ndatagrams ? READY_IN : 0);
	if (s->is_listener)
		return list_empty(&s->accepted) ? 0 : READY_IN;
	if (s->is_connecting)
		return 0;
	if (s->left || s->is_eof || s->no_read)
		ready |= READY_IN;
	if (s->is_eof || s->no_read)
		ready |= READY_RDHUP;
	if (!s->tcp || s->no_write || can_send(s))
		ready |= READY_OUT;
	if (s->error)
		ready |= READY_ERR | READY_HUP;
	if (!s->tcp || (s->is_eof && s->no_write))
		ready |= READY_HUP;
	return ready;
}

/* --- Receiving
 * ------------------------------------------------------------------------------
 */

/* Where in the program's or the kernel's buffers the copying is. */
struct cursor {
	const struct plat_iovec *iov;
	int n;
	u64 at; /* in the first */
};

/* The next piece, of at most len bytes; 0: no more. */
static u64 cursor_next(struct cursor *c, u64 len, u64 *base)
{
	while (c->n && c->at == c->iov->len) {
		c->iov++;
		c->n--;
		c->at = 0;
	}
	if (!c->n)
		return 0;
	len = MIN(len, c->iov->len - c->at);
	*base = c->iov->base + c->at;
	c->at += len;
	return len;
}

static int copy_out(struct cursor *c, const u8 *from, u64 len)
{
	while (len) {
		u64 base, part = cursor_next(c, len, &base);

		if (!part)
			return 0;
		if (base >= USER_END)
			memcpy((void *)base, from, part);
		else if (user_copy_out(base, from, part))
			return -EFAULT;
		from += part;
		len -= part;
	}
	return 0;
}

static int copy_in(struct cursor *c, u8 *to, u64 len)
{
	while (len) {
		u64 base, part = cursor_next(c, len, &base);

		if (!part)
			return 0;
		if (base >= USER_END)
			memcpy(to, (void *)base, part);
		else if (user_copy_in(to, base, part))
			return -EFAULT;
		to += part;
		len -= part;
	}
	return 0;
}

static u64 iov_len(const struct plat_iovec *iov, int n)
{
	u64 len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].len;
	return len;
}

/* len bytes of what is there, which stays. Under rx_lock: others append only.
 */
static int copy_received(const struct socket *s, struct cursor *c, u64 len)
{
	const struct pbuf *p = s->rx;
	u32 skip = s->used;

	while (len) {
		u64 part = MIN(len, (u64)p->len - skip);

		if (copy_out(c, (const u8 *)p->payload + skip, part))
			return -EFAULT;
		len -= part;
		skip = 0;
		if (len)
			p = p->next;
	}
	return 0;
}

/* They are read; under both locks. */
static void consume(struct socket *s, u32 len)
{
	u32 rest = len;

	s->left -= len;
	s->used += len;
	while (s->rx && s->used >= s->rx->len) {
		struct pbuf *first = s->rx;

		s->used -= first->len;
		s->rx = first->next;
		first->next = NULL;
		pbuf_free(first);
	}
	for (; rest && s->tcp; rest -= MIN(rest, WRITE_MAX))
		tcp_recved(s->tcp, (u16)MIN(rest, WRITE_MAX));
}

/* Nothing is there: 0: nothing more will come; -EAGAIN: nothing yet. */
static s64 why_nothing(struct socket *s)
{
	s64 err = -s->error;

	if (err) {
		s->error = 0;
		return err;
	}
	if (s->is_eof || s->no_read)
		return 0;
	return s->is_connected ? -EAGAIN : -ENOTCONN;
}

static s64 receive(struct socket *s, struct cursor *c, u64 len, int flags)
{
	u32 n = (u32)MIN(len, atomic_load_acquire(&s->left));
	s64 got = n;

	if (n && !(flags & MSG_TRUNC) && copy_received(s, c, n))
		return -EFAULT;
	if (n && (flags & MSG_PEEK))
		return n;
	net_enter();
	if (n)
		consume(s, n);
	else if (!s->left)
		got = why_nothing(s);
	else
		got = -EAGAIN; /* it came just now */
	net_leave();
	return got;
}

static s64 tcp_receive(struct socket *s, const struct plat_iovec *iov, int n,
		       int flags)
{
	struct cursor c = { iov, n, 0 };
	u64 len = iov_len(iov, n);
	s64 got;

	if (!len)
		return 0;
	mutex_lock(&s->rx_lock);
	do
		got = receive(s, &c, len, flags);
	while (got == -EAGAIN && atomic_load(&s->left));
	mutex_unlock(&s->rx_lock);
	return got;
}

static s64 udp_receive(struct socket *s, const struct plat_iovec *iov, int n,
		       int flags, void *addr, u32 *addr_len)
{
	struct cursor c = { iov, n, 0 };
	struct datagram *d;
	u64 room = iov_len(iov, n);
	s64 len;
	u8 *buf;

	net_enter();
	if (list_empty(&s->datagrams)) {
		net_leave();
		return -EAGAIN;
	}
	d = list_first(&s->datagrams, struct datagram, node);
	len = d->p->tot_len;
	buf = kmalloc((size_t)MAX(len, 1));
	if (buf)
		pbuf_copy_partial(d->p, buf, (u16)len, 0);
	if (addr) {
		memcpy(addr, d->from, MIN(*addr_len, d->from_len));
		*addr_len = d->from_len;
	}
	if (buf && !(flags & MSG_PEEK))
		socket_drop(s, d);
	net_leave();
	if (!buf)
		return -ENOMEM;
	if (copy_out(&c, buf, MIN((u64)len, room)))
		len = -EFAULT;
	else if (!(flags & MSG_TRUNC))
		len = MIN(len, (s64)room);
	kfree(buf);
	return len;
}

s64 plat_hfd_recv(int hfd, const struct plat_iovec *iov, int n, int flags,
		  void *addr, u32 *addr_len)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);

	if (!s)
		return -EBADF;
	if (s->udp)
		return udp_receive(s, iov, n, flags, addr, addr_len);
	return s->is_listener ? -ENOTCONN : tcp_receive(s, iov, n, flags);
}

/* --- Sending
 * ------------------------------------------------------------------------------
 */

/* Nagle's algorithm, and the option that holds back all but full segments; the
 * stack sends the rest with the next acknowledgement, or on_poll() does. */
static void push(struct socket *s, bool more)
{
	struct tcp_pcb *pcb = s->tcp;

	if (!pcb || !pcb->unsent)
		return;
	if (!pcb->unsent->next && pcb->unsent->len < s->mss &&
	    (more || s->is_corked || (!s->is_nodelay && pcb->unacked)))
		return;
	tcp_output(pcb);
}

void socket_push(struct socket *s)
{
	push(s, false);
}

static s64 may_send(struct socket *s)
{
	s64 err = -s->error;

	if (err) {
		s->error = 0;
		return err;
	}
	if (s->no_write || (!s->tcp && s->is_connected))
		return -EPIPE;
	return s->tcp && s->is_connected ? 0 : -ENOTCONN;
}

/* Under net_lock: as much as there is room for. */
static s64 send_some(struct socket *s, const u8 *buf, u32 len, bool more)
{
	u8 flags = (u8)(TCP_WRITE_FLAG_COPY | (more ? TCP_WRITE_FLAG_MORE : 0));
	s64 err = may_send(s);

	if (err)
		return err;
	if (!can_send(s))
		return -EAGAIN;
	len = MIN(MIN(len, tcp_sndbuf(s->tcp)), WRITE_MAX);
	/* An option of the other side's may have changed it. */
	s->tcp->mss = s->segment;
	if (tcp_write(s->tcp, buf, (u16)len, flags) != ERR_OK) {
		s->wants_room = true;
		return -EAGAIN;
	}
	return len;
}

static s64 send_piece(struct socket *s, const u8 *buf, u32 len, bool more)
{
	s64 got;

	net_enter();
	got = send_some(s, buf, len, more);
	if (got > 0)
		push(s, more);
	net_leave();
	return got;
}

/* Through a buffer: the program's memory may not be there. */
static s64 send_by(struct socket *s, u8 *buf, u32 size, struct cursor *c,
		   u64 len, bool more)
{
	u64 done = 0;
	s64 got = 0;

	do {
		u32 part = (u32)MIN(len - done, size);

		if (copy_in(c, buf, part)) {
			got = -EFAULT;
			break;
		}
		got = send_piece(s, buf, part, more || done + part < len);
		if (got > 0)
			done += (u64)got;
		if (got < (s64)part)
			break;
	} while (done < len);
	return done ? (s64)done : got;
}

static s64 tcp_transmit(struct socket *s, const struct plat_iovec *iov, int n,
			bool more)
{
	struct cursor c = { iov, n, 0 };
	u64 len = iov_len(iov, n);
	u8 small[BOUNCE_SMALL], *large;
	s64 got;

	if (!len) {
		net_enter();
		got = may_send(s);
		net_leave();
		return got;
	}
	if (len <= sizeof(small))
		return send_by(s, small, sizeof(small), &c, len, more);
	large = kmalloc(MIN(len, BOUNCE_MAX));
	if (!large)
		return -ENOMEM;
	got = send_by(s, large, (u32)MIN(len, BOUNCE_MAX), &c, len, more);
	kfree(large);
	return got;
}

static s64 udp_transmit(struct socket *s, const struct plat_iovec *iov, int n)
{
	struct cursor c = { iov, n, 0 };
	u64 len = iov_len(iov, n);
	struct pbuf *p;
	s64 err;

	if (len > UINT16_MAX)
		return -EMSGSIZE;
	p = pbuf_alloc(PBUF_TRANSPORT, (u16)len, PBUF_RAM);
	if (!p)
		return -ENOMEM;
	if (copy_in(&c, p->payload, len)) {
		pbuf_free(p);
		return -EFAULT;
	}
	net_enter();
	err = s->is_connected ? -socket_errno(udp_send(s->udp, p)) : -ENOTCONN;
	pbuf_free(p);
	net_leave();
	return err ? err : (s64)len;
}

s64 plat_hfd_send(int hfd, const struct plat_iovec *iov, int n, int flags)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);

	if (!s)
		return -EBADF;
	if (s->udp)
		return udp_transmit(s, iov, n);
	return s->is_listener ? -ENOTCONN
			      : tcp_transmit(s, iov, n, flags & MSG_MORE);
}

/* The pages are there: nobody waits for a disk with net_lock held. */
static void touch(const u8 *p, u64 len)
{
	for (u64 at = 0; at < len; at += PAGE_SIZE)
		*(const volatile u8 *)(p + at);
	*(const volatile u8 *)(p + len - 1);
}

s64 plat_hfd_sendfile(int hfd, enum plat_backing from, u64 offset, u64 len)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	u64 base = from == PLAT_IMAGE ? KERNEL_IMAGE_BASE : KERNEL_CACHE_BASE;
	const u8 *p = (const u8 *)(base + offset);
	u64 done = 0;
	s64 got = 0;

	if (!s)
		return -EBADF;
	if (!s->tcp && !s->is_connected)
		return -ENOTCONN;
	while (done < len) {
		u32 part = (u32)MIN(len - done, BOUNCE_MAX);

		touch(p + done, part);
		got = send_piece(s, p + done, part, done + part < len);
		if (got > 0)
			done += (u64)got;
		if (got < (s64)part)
			break;
	}
	return done ? (s64)done : got;
}

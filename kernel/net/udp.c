/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP. Inside the instance a datagram goes straight into the receiver's queue.
 * To the outside each peer gets a connected socket of the host, a few of which
 * are kept per socket; a published port has a bound one as well. sk->lock
 * covers them.
 */
#include "abi/broker.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/net/netdev.h"
#include "kernel/net/udp.h"
#include "kernel/plat/plat.h"
#include "kernel/sys/syscall.h"

#define UDP_HFDS (UDP_PEERS + 1)

/* --- Outside peers
 * ----------------------------------------------------------------- */

/* sk.lock held: the slot of an address, or NULL. */
static struct udp_peer *peer_find(struct inet_sock *isk,
				  const struct inet_addr *to)
{
	for (u32 i = 0; isk->peers && i < UDP_PEERS; i++) {
		struct udp_peer *p = &isk->peers[i];

		if (p->hfd >= 0 && p->addr.port == to->port &&
		    inet_ip_equal(&p->addr, to))
			return p;
	}
	return NULL;
}

/* sk.lock held: a slot to fill, the longest unused one if all are taken. */
static struct udp_peer *peer_slot(struct inet_sock *isk)
{
	struct udp_peer *best = NULL;

	if (!isk->peers) {
		isk->peers = kzalloc(UDP_PEERS * sizeof(isk->peers[0]));
		for (u32 i = 0; isk->peers && i < UDP_PEERS; i++)
			isk->peers[i].hfd = -1;
	}
	for (u32 i = 0; isk->peers && i < UDP_PEERS; i++) {
		struct udp_peer *p = &isk->peers[i];

		if (p->hfd < 0)
			return p;
		if (!best || p->used < best->used)
			best = p;
	}
	return best;
}

/* Make sure that there is a peer for `to`. */
static int peer_open(struct inet_sock *isk, const struct inet_addr *to)
{
	struct sock *sk = &isk->sk;
	struct inet_addr local;
	struct udp_peer *p;
	int hfd, old = -1, err;

	mutex_lock(&sk->lock);
	p = peer_find(isk, to);
	if (p)
		p->used = ++isk->peer_clock;
	mutex_unlock(&sk->lock);
	if (p)
		return 0;
	err = broker_socket(BROKER_UDP_CONNECT, 0, to, &hfd, &local);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	p = peer_slot(isk);
	if (p) {
		old = p->hfd;
		p->addr = *to;
		p->hfd = hfd;
		p->is_resolver = inet_is_resolver(to);
		p->used = ++isk->peer_clock;
	}
	mutex_unlock(&sk->lock);
	if (!p) {
		plat_hfd_close(hfd);
		return -ENOMEM;
	}
	sock_sources_changed(sk);
	if (old >= 0)
		plat_hfd_close(old);
	return 0;
}

/* The peer is of no use any more (the resolver closed it). */
static void peer_drop(struct inet_sock *isk, int hfd)
{
	bool found = false;

	mutex_lock(&isk->sk.lock);
	for (u32 i = 0; isk->peers && i < UDP_PEERS; i++) {
		if (isk->peers[i].hfd == hfd) {
			isk->peers[i].hfd = -1;
			found = true;
		}
	}
	mutex_unlock(&isk->sk.lock);
	if (!found)
		return;
	sock_sources_changed(&isk->sk);
	plat_hfd_close(hfd);
}

/* Send to an outside peer; *hfd is the one that was used. */
static s64 peer_send(struct inet_sock *isk, const struct inet_addr *to,
		     struct uio *u, int *hfd)
{
	struct plat_iovec tmp[HSOCK_IOV];
	const struct plat_iovec *iov;
	struct udp_peer *p;
	int n = hsock_iov(u, tmp, &iov);
	s64 ret = -EAGAIN;

	*hfd = -1;
	if (n < 0)
		return n;
	if (u->niov > HSOCK_IOV)
		return -EMSGSIZE;
	do {
		mutex_lock(&isk->sk.lock);
		p = peer_find(isk, to);
		if (p) {
			*hfd = p->hfd;
			ret = plat_hfd_send(p->hfd, iov, n,
					    MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		mutex_unlock(&isk->sk.lock);
	} while (ret == -EFAULT && mm_expect_reads(iov, n));
	activity_note();
	return ret;
}

static s64 send_outside(struct sock *sk, const struct inet_addr *to,
			struct sock_msg *m)
{
	struct inet_sock *isk = inet_of(sk);
	u64 len = m->uio.left;
	nsec_t deadline = 0;
	s64 ret;
	int hfd, err;

	if (isk->hfd >= 0) {
		struct inet_addr dest = *to;

		inet_show_loopback(&dest);
		activity_note();
		err = broker_udp_send(isk->local.port, &dest, &m->uio);
		return err ? err : (s64)len;
	}
	if (len == 0)
		return syscall_unsupported("empty datagram to the outside", 0,
					   EOPNOTSUPP);
	for (u32 tries = 0;; tries++) {
		err = peer_open(isk, to);
		if (err)
			return err;
		ret = peer_send(isk, to, &m->uio, &hfd);
		if ((ret == -EPIPE || ret == -ENOTCONN || ret == -ECONNRESET) &&
		    tries == 0) {
			peer_drop(isk, hfd);
			continue;
		}
		if (ret != -EAGAIN || (m->flags & MSG_DONTWAIT))
			return ret == -EPIPE ? -ECONNREFUSED : ret;
		if (hfd < 0)
			continue;
		err = sock_sleep_hfd(&sk->wwait, hfd, EV_OUT, sk->sndtimeo,
				     &deadline);
		if (err)
			return err;
	}
}

/* --- Inside
 * ----------------------------------------------------------------------------
 */

static void msg_address(struct msg *msg, const struct inet_addr *to,
			const struct inet_addr *from, const struct udp_how *how)
{
	memcpy(msg->from_ip, from->ip, 16);
	msg->from_port = from->port;
	memcpy(msg->to_ip, to->ip, 16);
	msg->to_port = to->port;
	msg->ttl = (u8)how->ttl;
	msg->tos = (u8)how->tos;
	msg->ifindex = how->ifindex;
}

#define UDP_HEADER 8

/* UDP-Lite: does the sender's checksum cover what the receiver asks for? */
static bool covers_enough(const struct inet_sock *from,
			  const struct inet_sock *dest, u32 len)
{
	u32 sent = (u32)from->cscov_out;

	if (dest->cscov_in < 0 || sent == 0 || sent >= len + UDP_HEADER)
		return true;
	return dest->cscov_in && sent >= (u32)dest->cscov_in;
}

/* Queue msg (taken over) of `from` at dest (reference taken over). */
static void queue_at(struct inet_sock *dest, struct msg *msg,
		     const struct inet_sock *from)
{
	struct list none;
	bool queued = false;

	mutex_lock(&dest->sk.rx_lock);
	if (!dest->sk.rx_closed && dest->sk.msg_bytes < dest->sk.rcvbuf &&
	    covers_enough(from, dest, msg->len)) {
		msg_queue(&dest->sk, msg, NULL);
		queued = true;
	}
	mutex_unlock(&dest->sk.rx_lock);
	if (queued) {
		waitq_wake_events(&dest->sk.rwait, EV_READ, 1);
	} else { /* full: lost, as on any network */
		atomic_fetch_add(&dest->sk.ndrops, 1);
		list_init(&none);
		msg_free(msg, &none);
	}
	sock_put(&dest->sk);
}

static s64 send_inside(struct sock *sk, const struct inet_addr *to,
		       const struct inet_addr *from, struct udp_how *how,
		       struct sock_msg *m)
{
	struct inet_sock *dest = port_find_receiver(inet_ports(sk), to, from);
	u64 len = m->uio.left;
	struct msg *msg;
	int err;

	err = msg_new(&m->uio, len, &msg);
	if (err) {
		if (dest)
			sock_put(&dest->sk);
		return err;
	}
	how->ifindex = inet_ifindex(to);
	msg_address(msg, to, from, how);
	if (dest)
		queue_at(dest, msg, inet_of(sk));
	else
		udp_refused(inet_of(sk), to, msg); /* port unreachable */
	return (s64)len;
}

static bool loops_back(struct sock *sk, const struct inet_addr *to)
{
	return inet_is_v4(to)
		       ? inet_opt_value(inet_of(sk), SOL_IP, IP_MULTICAST_LOOP)
		       : inet_opt_value(inet_of(sk), SOL_IPV6,
					IPV6_MULTICAST_LOOP);
}

#define GROUP_MAX 64 /* receivers of one datagram */

/* A group, or everybody: a copy to each member inside. There is nobody
 * outside. */
static s64 send_group(struct sock *sk, const struct inet_addr *to,
		      const struct inet_addr *from, const struct udp_how *how,
		      struct sock_msg *m)
{
	struct inet_sock *found[GROUP_MAX];
	u64 len = m->uio.left;
	struct msg *msg, *copy;
	struct list none;
	struct uio u;
	u32 n;
	int err = msg_new(&m->uio, len, &msg);

	if (err)
		return err;
	n = how->ifindex == 1 || loops_back(sk, to)
		    ? port_find_all(inet_ports(sk), to, from, how->ifindex,
				    found, GROUP_MAX)
		    : 0;
	for (u32 i = 0; i < n; i++) {
		uio_init_kernel(&u, msg->data, len);
		if (msg_new(&u, len, &copy)) {
			sock_put(&found[i]->sk);
			continue;
		}
		msg_address(copy, to, from, how);
		queue_at(found[i], copy, inet_of(sk));
	}
	list_init(&none);
	msg_free(msg, &none);
	return n == 0 && how->ifindex != 1 ? -ENETUNREACH : (s64)len;
}

/* Where to, and from where. */
static int send_route(struct sock *sk, const struct sock_msg *m,
		      struct inet_addr *to, struct inet_addr *from,
		      struct udp_how *how)
{
	struct inet_sock *isk = inet_of(sk);
	bool named = m->addr && m->addr->len && m->addr->family != AF_UNSPEC;
	int err = 0;

	if (named) {
		err = inet_addr_parse(m->addr, sk->domain, to);
		if (!err && to->port == 0)
			err = -EINVAL;
	}
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (!named)
		*to = isk->remote;
	if (to->port == 0)
		err = -EDESTADDRREQ;
	else
		err = inet_autobind(isk);
	*from = isk->local;
	mutex_unlock(&sk->lock);
	if (err)
		return err;
	if (isk->is_v6only && inet_is_v4(to))
		return -ENETUNREACH;
	if (inet_is_any(to)) {
		u16 port = to->port;

		inet_choose_source(to, to);
		to->port = port;
	}
	if (inet_is_multicast(to) && how->ifindex == 0)
		how->ifindex = isk->mcast_ifindex ? isk->mcast_ifindex
						  : JIFFY_IFINDEX;
	if (!inet_is_any(&how->src))
		memcpy(from->ip, how->src.ip, sizeof(from->ip));
	else if (inet_is_multicast(to) &&
		 (inet_is_any(from) || inet_is_multicast(from)))
		inet_addr_v4(from, netdev_ip(netdev_at(how->ifindex - 1)),
			     from->port);
	else if (inet_is_any(from))
		inet_choose_source(to, from);
	return 0;
}

static s64 send_now(struct sock *sk, struct sock_msg *m)
{
	struct inet_addr to, from;
	struct udp_how how;
	int err = udp_control_in(inet_of(sk), m, &how);

	if (!err)
		err = sock_take_error(sk);
	if (!err)
		err = send_route(sk, m, &to, &from, &how);
	if (err)
		return err;
	if (atomic_load(&sk->shut) & SHUT_BIT_WR)
		return sock_broken(m->flags);
	udp_fill_how(inet_of(sk), &to, &how);
	if (inet_is_multicast(&to)) {
		if (inet_is_v4(&to) && to.ip[12] == 255 &&
		    !(atomic_load(&sk->flags) & SF_BROADCAST))
			return -EACCES;
		return send_group(sk, &to, &from, &how, m);
	}
	if (inet_is_local(&to))
		return send_inside(sk, &to, &from, &how, m);
	if (inet_is_udplite(sk)) /* no outside knows it */
		return syscall_unsupported("UDP-Lite to the outside", 0,
					   ENETUNREACH);
	return send_outside(sk, &to, m);
}

/* --- MSG_MORE and UDP_CORK: a datagram made by several calls
 * -----------------------------------------------------------------------------
 */

struct udp_cork {
	u32 len;
	struct sock_addr addr; /* of the first call */
	u8 data[UDP_DATA_MAX];
};

/* Append to the datagram in the making; 0 or the error, which drops it. */
static int cork_add(struct inet_sock *isk, struct sock_msg *m)
{
	struct udp_cork *c;
	u64 n = m->uio.left;
	int err = 0;

	mutex_lock(&isk->sk.lock);
	c = isk->cork;
	if (!c) {
		c = isk->cork = kmalloc(sizeof(*c));
		if (c) {
			c->len = 0;
			c->addr.len = 0;
			if (m->addr)
				c->addr = *m->addr;
		}
	}
	if (!c)
		err = -ENOBUFS;
	else if (n > UDP_DATA_MAX - c->len)
		err = -EMSGSIZE;
	else if (n && uio_get(&m->uio, c->data + c->len, n) != (s64)n)
		err = -EFAULT;
	if (err) {
		kfree(c);
		isk->cork = NULL;
	} else {
		c->len += (u32)n;
	}
	mutex_unlock(&isk->sk.lock);
	return err;
}

/* Send what was gathered. */
static s64 cork_push(struct inet_sock *isk, u32 flags)
{
	struct sock_msg m;
	struct udp_cork *c;
	s64 ret;

	mutex_lock(&isk->sk.lock);
	c = isk->cork;
	isk->cork = NULL;
	mutex_unlock(&isk->sk.lock);
	if (!c)
		return 0;
	memset(&m, 0, sizeof(m));
	m.flags = flags;
	m.addr = c->addr.len ? &c->addr : NULL;
	uio_init_kernel(&m.uio, c->data, c->len);
	ret = send_now(&isk->sk, &m);
	kfree(c);
	return ret;
}

static bool is_corked(struct inet_sock *isk)
{
	return isk->opts_set && inet_opt_value(isk, SOL_UDP, UDP_CORK);
}

static s64 udp_send(struct sock *sk, struct sock_msg *m)
{
	struct inet_sock *isk = inet_of(sk);
	u64 len = m->uio.left;
	s64 ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (len > UDP_DATA_MAX)
		return -EMSGSIZE;
	if (likely(!(m->flags & MSG_MORE) && !atomic_load(&isk->cork) &&
		   !is_corked(isk)))
		return send_now(sk, m);
	ret = cork_add(isk, m);
	if (!ret && !(m->flags & MSG_MORE) && !is_corked(isk))
		ret = cork_push(isk, m->flags);
	return ret < 0 ? ret : (s64)len;
}

static int udp_setsockopt(struct sock *sk, int level, int name,
			  const void *value, u32 len)
{
	int err = inet_setsockopt(sk, level, name, value, len);

	if (!err && level == SOL_UDP && name == UDP_CORK &&
	    !is_corked(inet_of(sk)))
		cork_push(inet_of(sk), MSG_DONTWAIT | MSG_NOSIGNAL);
	return err;
}

/* --- Receiving
 * ----------------------------------------------------------------------- */

static s64 take_queued(struct sock *sk, struct sock_msg *m)
{
	struct inet_addr from;
	struct msg *msg;
	int err = msg_wait(sk, m->flags | MSG_DONTWAIT, &msg);

	if (err || !msg) {
		if (m->addr)
			m->addr->len = 0;
		return err;
	}
	memset(&from, 0, sizeof(from));
	memcpy(from.ip, msg->from_ip, 16);
	from.port = msg->from_port;
	if (m->addr)
		inet_addr_format(&from, sk->domain, m->addr);
	udp_control_out(inet_of(sk), m, msg);
	return msg_finish(sk, msg, m);
}

/* One datagram off an outside descriptor; from is what it comes from unless the
 * host says. sk.lock held. */
static s64 take_from(struct inet_sock *isk, int hfd, struct inet_addr *from,
		     struct sock_msg *m)
{
	struct plat_iovec tmp[HSOCK_IOV];
	const struct plat_iovec *iov;
	u8 addr[SOCK_ADDR_MAX];
	u32 len = sizeof(addr);
	struct inet_addr local = isk->local;
	int niov = hsock_iov(&m->uio, tmp, &iov);
	s64 n;

	if (niov < 0)
		return niov;
	n = plat_hfd_recv(hfd, iov, niov,
			  (int)(m->flags & MSG_PEEK) | MSG_TRUNC | MSG_DONTWAIT,
			  addr, &len);
	if (n == -EFAULT && mm_expect_writes(iov, niov))
		return -EAGAIN; /* that one is lost */
	if (n < 0)
		return n;
	activity_note();
	if (hfd == isk->hfd) {
		inet_addr_from_host(addr, MIN(len, (u32)sizeof(addr)), from);
		inet_hide_loopback(from);
	}
	if (m->addr)
		inet_addr_format(from, isk->sk.domain, m->addr);
	if (inet_is_any(&local))
		inet_choose_source(from, &local);
	udp_control_outside(isk, m, local.ip);
	if ((u64)n > m->uio.left) {
		m->out_flags |= MSG_TRUNC;
		if (!(m->flags & MSG_TRUNC))
			n = (s64)m->uio.left;
	}
	return n;
}

/* Any outside descriptor that has one. */
static s64 take_outside(struct inet_sock *isk, struct sock_msg *m)
{
	struct inet_addr from;
	s64 n = -EAGAIN;
	int dead = -1;

	if (isk->hfd < 0 && !isk->peers)
		return n;
	mutex_lock(&isk->sk.lock);
	if (isk->hfd >= 0)
		n = take_from(isk, isk->hfd, &from, m);
	for (u32 i = 0; isk->peers && i < UDP_PEERS && n == -EAGAIN; i++) {
		struct udp_peer *p = &isk->peers[i];

		if (p->hfd < 0)
			continue;
		from = p->addr;
		n = take_from(isk, p->hfd, &from, m);
		if (n == 0 && p->is_resolver) {
			dead = p->hfd;
			n = -EAGAIN;
		}
	}
	mutex_unlock(&isk->sk.lock);
	if (dead >= 0)
		peer_drop(isk, dead);
	return n;
}

static int collect_hfds(struct inet_sock *isk, struct plat_pollfd *fds)
{
	int n = 0;

	mutex_lock(&isk->sk.lock);
	if (isk->hfd >= 0)
		fds[n++].hfd = isk->hfd;
	for (u32 i = 0; isk->peers && i < UDP_PEERS; i++) {
		if (isk->peers[i].hfd >= 0)
			fds[n++].hfd = isk->peers[i].hfd;
	}
	mutex_unlock(&isk->sk.lock);
	for (int i = 0; i < n; i++) {
		fds[i].events = EV_IN;
		fds[i].revents = 0;
	}
	return n;
}

static s64 take_any(struct sock *sk, struct sock_msg *m)
{
	s64 n = take_queued(sk, m);

	if (n != -EAGAIN)
		return n;
	return take_outside(inet_of(sk), m);
}

static s64 udp_wait(struct sock *sk, struct sock_msg *m)
{
	struct plat_pollfd fds[UDP_HFDS];
	nsec_t until = NSEC_MAX;
	struct waiter w;
	s64 n;

	if (sk->rcvtimeo)
		until = plat_clock(PLAT_MONOTONIC) + sk->rcvtimeo;
	waiter_init(&w);
	waitq_add(&sk->rwait, &w);
	for (;;) {
		int nfds, err;

		n = take_any(sk, m);
		if (n != -EAGAIN)
			break;
		nfds = collect_hfds(inet_of(sk), fds);
		err = nfds ? thread_sleep_poll(fds, nfds, until)
			   : thread_sleep(until, true);
		if (err < 0) {
			n = sock_sleep_error(err, sk->rcvtimeo);
			break;
		}
	}
	waitq_remove(&w);
	return n;
}

static s64 udp_recv(struct sock *sk, struct sock_msg *m)
{
	s64 n;

	if (m->flags & MSG_ERRQUEUE)
		return udp_recv_error(inet_of(sk), m);
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	n = take_any(sk, m);
	if (n != -EAGAIN || (m->flags & MSG_DONTWAIT))
		return n;
	return udp_wait(sk, m);
}

static int disconnect(struct inet_sock *isk)
{
	mutex_lock(&isk->sk.lock);
	inet_addr_any(isk->sk.domain, &isk->remote);
	if (!isk->has_user_port) {
		inet_unbind(isk);
		inet_addr_any(isk->sk.domain, &isk->local);
	}
	atomic_store_release(&isk->sk.state, SS_CLOSED);
	mutex_unlock(&isk->sk.lock);
	return 0;
}

static int udp_connect(struct sock *sk, const struct sock_addr *a,
		       bool nonblock UNUSED)
{
	struct inet_sock *isk = inet_of(sk);
	struct inet_addr to;
	int err;

	if (a->len >= 2 && a->family == AF_UNSPEC)
		return disconnect(isk);
	err = inet_addr_parse(a, sk->domain, &to);
	if (err)
		return err;
	if (isk->is_v6only && inet_is_v4(&to))
		return -ENETUNREACH;
	if (inet_is_v4(&to) && to.ip[12] == 255 &&
	    !(atomic_load(&sk->flags) & SF_BROADCAST))
		return -EACCES;
	if (inet_is_any(&to)) {
		u16 port = to.port;

		inet_choose_source(&to, &to);
		to.port = port;
	}
	if (!inet_is_local(&to) && !inet_is_multicast(&to) && isk->hfd < 0 &&
	    to.port) {
		err = peer_open(isk, &to);
		if (err)
			return err;
	}
	mutex_lock(&sk->lock);
	err = inet_autobind(isk);
	if (!err) {
		if (inet_is_any(&isk->local))
			inet_choose_source(&to, &isk->local);
		isk->remote = to;
		atomic_store_release(&sk->state, SS_CONNECTED);
	}
	mutex_unlock(&sk->lock);
	return err;
}

static u32 udp_poll(struct sock *sk, struct poll_table *pt)
{
	struct plat_pollfd fds[UDP_HFDS];
	u32 shut = atomic_load(&sk->shut);
	u32 ev = EV_WRITE;
	int n;

	poll_wait(pt, &sk->rwait);
	n = collect_hfds(inet_of(sk), fds);
	for (int i = 0; i < n; i++) {
		if (pt)
			poll_hfd(pt, fds[i].hfd, EV_READ);
		else
			ev |= hsock_ready_now(fds[i].hfd, EV_READ);
	}
	if (atomic_load(&sk->nmsgs))
		ev |= EV_READ;
	if (atomic_load(&sk->error) || inet_of(sk)->nerrors)
		ev |= EV_ERR;
	if (shut & SHUT_BIT_RD)
		ev |= EV_READ | EV_RDHUP;
	return shut == SHUT_BITS ? ev | EV_HUP : ev;
}

static long udp_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	struct plat_pollfd fds[UDP_HFDS];
	u32 n = 0;

	switch (cmd) {
	case FIONREAD:
		mutex_lock(&sk->rx_lock);
		if (!list_empty(&sk->msgs))
			n = list_first(&sk->msgs, struct msg, node)->len;
		mutex_unlock(&sk->rx_lock);
		for (int i = collect_hfds(inet_of(sk), fds); n == 0 && i > 0;
		     i--) {
			int bytes = plat_hfd_readable_bytes(fds[i - 1].hfd);

			n = bytes > 0 ? (u32)bytes : 0;
		}
		return user_store_u32(arg, n);
	case TIOCOUTQ:
		return user_store_u32(arg, 0);
	default:
		return -ENOTTY;
	}
}

static void udp_close(struct sock *sk)
{
	struct inet_sock *isk = inet_of(sk);

	inet_unbind(isk);
	mutex_lock(&sk->rx_lock);
	sk->rx_closed = true;
	mutex_unlock(&sk->rx_lock);
	msg_purge(sk);
	mcast_leave_all(isk);
	udp_drop_errors(isk);
	kfree(isk->cork);
	isk->cork = NULL;
	for (u32 i = 0; isk->peers && i < UDP_PEERS; i++) {
		if (isk->peers[i].hfd >= 0)
			plat_hfd_close(isk->peers[i].hfd);
		isk->peers[i].hfd = -1;
	}
	if (isk->hfd >= 0)
		plat_hfd_close(isk->hfd);
	isk->hfd = -1;
}

const struct sock_ops udp_ops = {
	.name = "UDP",
	.bind = inet_bind,
	.connect = udp_connect,
	.name_get = inet_name_get,
	.send = udp_send,
	.recv = udp_recv,
	.shutdown = inet_shutdown_datagram,
	.poll = udp_poll,
	.setsockopt = udp_setsockopt,
	.getsockopt = inet_getsockopt,
	.ioctl = udp_ioctl,
	.close = udp_close,
	.free = inet_free,
};

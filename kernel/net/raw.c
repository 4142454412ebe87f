/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw IP sockets. A packet goes to the raw sockets of its protocol inside the
 * instance, and the instance answers pings of its own addresses. To the outside
 * there is no way for packets: that is ENETUNREACH. What TCP and UDP sockets
 * send each other never is a packet, so raw sockets do not see it.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/net/inet.h"
#include "kernel/net/msg.h"
#include "kernel/proc/cred.h"
#include "kernel/sys/syscall.h"

#define IP_HEADER 20
#define PACKET_MAX 65535
#define ICMP_HEADER 8
#define ICMP_FILTER 1

enum { ECHO_REPLY = 0, ECHO_REQUEST = 8, ECHO6_REQUEST = 128, ECHO6_REPLY };

struct raw_sock {
	struct inet_sock isk;
	struct list node; /* in raw_socks.all, under its lock */
	bool has_header;  /* IP_HDRINCL */
	u32 filter[8];	  /* bit per ICMP type not wanted */
};

/* A packet on its way: the header of IPv4 is a part of msg->data. */
struct packet {
	struct inet_addr from, to;
	u16 domain, protocol;
	struct msg *msg;
	u32 header; /* bytes of it in front of the payload */
};

static struct {
	struct mutex lock;
	struct list all;
} raw_socks = {
	.all = LIST_INIT(raw_socks.all),
};

static struct raw_sock *raw_of(struct sock *sk)
{
	return container_of(inet_of(sk), struct raw_sock, isk);
}

/* --- Checksums
 * ----------------------------------------------------------------------- */

static u32 sum_bytes(u32 sum, const u8 *p, u32 n)
{
	for (u32 i = 0; i + 1 < n; i += 2)
		sum += (u32)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (u32)p[n - 1] << 8;
	return sum;
}

static u16 sum_end(u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

static void put16(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static u8 *payload(const struct packet *k, u32 *n)
{
	*n = k->msg->len - k->header;
	return k->msg->data + k->header;
}

/* Over the payload; IPv6 counts the addresses, too. */
static u16 icmp_sum(const struct packet *k)
{
	u32 n, sum = 0;
	const u8 *p = payload(k, &n);

	if (k->domain == AF_INET6) {
		sum = sum_bytes(sum, k->from.ip, 16);
		sum = sum_bytes(sum, k->to.ip, 16);
		sum += n + IPPROTO_ICMPV6;
	}
	return sum_end(sum_bytes(sum, p, n));
}

/* --- Delivery
 * ------------------------------------------------------------------------ */

static bool is_icmp(u16 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static bool wants(const struct raw_sock *r, const struct packet *k)
{
	const struct inet_sock *isk = &r->isk;
	u32 n, type;
	const u8 *p = payload(k, &n);

	if (isk->sk.domain != k->domain || isk->sk.protocol != k->protocol)
		return false;
	if (!inet_is_any(&isk->local) && !inet_ip_equal(&isk->local, &k->to))
		return false;
	if (isk->sk.state == SS_CONNECTED &&
	    !inet_ip_equal(&isk->remote, &k->from))
		return false;
	type = n ? p[0] : 0;
	return !is_icmp(k->protocol) ||
	       !(r->filter[type / 32] & 1U << (type % 32));
}

static void queue_copy(struct sock *sk, const struct packet *k)
{
	struct msg *m = kmalloc(sizeof(*m) + k->msg->len);
	bool is_queued = false;
	struct list none;

	if (!m)
		return;
	memcpy(m, k->msg, sizeof(*m) + k->msg->len);
	list_init(&m->node);
	memcpy(m->from_ip, k->from.ip, 16);
	memcpy(m->to_ip, k->to.ip, 16);
	mutex_lock(&sk->rx_lock);
	if (!sk->rx_closed && sk->msg_bytes < sk->rcvbuf) {
		msg_queue(sk, m, NULL);
		is_queued = true;
	}
	mutex_unlock(&sk->rx_lock);
	if (is_queued) {
		waitq_wake_events(&sk->rwait, EV_READ, 1);
	} else { /* full: lost, as on any network */
		list_init(&none);
		msg_free(m, &none);
	}
}

static void deliver(const struct packet *k)
{
	struct raw_sock *r;

	mutex_lock(&raw_socks.lock);
	list_for_each (r, &raw_socks.all, node) {
		if (wants(r, k))
			queue_copy(&r->isk.sk, k);
	}
	mutex_unlock(&raw_socks.lock);
}

static void ip_header_sum(u8 *h)
{
	u32 len = (h[0] & 15U) * 4;

	put16(h + 10, 0);
	put16(h + 10, sum_end(sum_bytes(0, h, len)));
}

/* The packet was an echo request: turn it into the reply. */
static bool make_reply(struct packet *k)
{
	bool is_v6 = k->domain == AF_INET6;
	struct inet_addr from = k->from;
	u32 n;
	u8 *p = payload(k, &n);

	if (!is_icmp(k->protocol) || n < ICMP_HEADER || icmp_sum(k) != 0 ||
	    p[0] != (is_v6 ? ECHO6_REQUEST : ECHO_REQUEST))
		return false;
	k->from = k->to;
	k->to = from;
	p[0] = is_v6 ? ECHO6_REPLY : ECHO_REPLY;
	put16(p + 2, 0);
	put16(p + 2, icmp_sum(k));
	if (!is_v6) {
		u8 *h = k->msg->data;

		memcpy(h + 12, k->from.ip + 12, 4);
		memcpy(h + 16, k->to.ip + 12, 4);
		ip_header_sum(h);
	}
	return true;
}

/* --- Sending
 * ------------------------------------------------------------------------- */

/* Where to, and from where. */
static int route(struct sock *sk, const struct sock_msg *m, struct packet *k)
{
	struct inet_sock *isk = inet_of(sk);
	bool is_named = m->addr && m->addr->len;
	int err = 0;

	if (is_named) {
		err = inet_addr_parse(m->addr, sk->domain, &k->to);
		if (!err && sk->domain == AF_INET6 && k->to.port &&
		    k->to.port != sk->protocol && sk->protocol != IPPROTO_RAW)
			err = -EINVAL;
		if (err)
			return err;
	}
	mutex_lock(&sk->lock);
	if (!is_named && sk->state == SS_CONNECTED)
		k->to = isk->remote;
	else if (!is_named)
		err = -EDESTADDRREQ;
	k->from = isk->local;
	mutex_unlock(&sk->lock);
	if (err)
		return err;
	if (inet_is_any(&k->to))
		inet_choose_source(&k->to, &k->to);
	if (inet_is_any(&k->from))
		inet_choose_source(&k->to, &k->from);
	if (!inet_is_local(&k->to) ||
	    inet_is_v4(&k->to) != (sk->domain == AF_INET))
		return (int)syscall_unsupported("raw packet to the outside",
						sk->protocol, ENETUNREACH);
	return 0;
}

/* The program wrote the header itself: fill in what Linux does. */
static int check_header(struct packet *k)
{
	u8 *h = k->msg->data;

	if (k->msg->len < IP_HEADER)
		return -EINVAL;
	k->header = (h[0] & 15U) * 4;
	if (k->header < IP_HEADER || k->header > k->msg->len)
		return -EINVAL;
	put16(h + 2, k->msg->len);
	if (!(h[12] | h[13] | h[14] | h[15]))
		memcpy(h + 12, k->from.ip + 12, 4);
	memcpy(k->from.ip + 12, h + 12, 4);
	k->protocol = h[9];
	ip_header_sum(h);
	return 0;
}

static void write_header(struct inet_sock *isk, struct packet *k)
{
	s32 ttl = inet_opt_value(isk, SOL_IP, IP_TTL);
	u8 *h = k->msg->data;

	memset(h, 0, IP_HEADER);
	h[0] = 0x45;
	h[1] = (u8)inet_opt_value(isk, SOL_IP, IP_TOS);
	put16(h + 2, k->msg->len);
	h[6] = 0x40; /* do not fragment */
	h[8] = (u8)(ttl > 0 ? ttl : 64);
	h[9] = (u8)k->protocol;
	memcpy(h + 12, k->from.ip + 12, 4);
	memcpy(h + 16, k->to.ip + 12, 4);
	ip_header_sum(h);
}

/* A message of the packet that m holds, with a header before it. */
static int packet_new(struct raw_sock *r, struct sock_msg *m, struct packet *k)
{
	bool is_v4 = k->domain == AF_INET;
	u64 n = m->uio.left;
	int err = 0;

	k->header = is_v4 && !r->has_header ? IP_HEADER : 0;
	k->msg = kzalloc(sizeof(*k->msg) + k->header + n);
	if (!k->msg)
		return -ENOMEM;
	list_init(&k->msg->node);
	k->msg->len = (u32)(k->header + n);
	if (n && uio_get(&m->uio, k->msg->data + k->header, n) != (s64)n)
		err = -EFAULT;
	else if (is_v4 && r->has_header)
		err = check_header(k);
	else if (is_v4)
		write_header(&r->isk, k);
	if (!err && k->protocol == IPPROTO_ICMPV6 && n >= 4) {
		put16(k->msg->data + 2, 0);
		put16(k->msg->data + 2, icmp_sum(k));
	}
	if (err)
		kfree(k->msg);
	return err;
}

static s64 raw_send(struct sock *sk, struct sock_msg *m)
{
	struct packet k = { .domain = sk->domain, .protocol = sk->protocol };
	u64 n = m->uio.left;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (n > PACKET_MAX - (sk->domain == AF_INET ? IP_HEADER : 0))
		return -EMSGSIZE;
	err = sock_take_error(sk);
	if (!err)
		err = route(sk, m, &k);
	if (!err)
		err = packet_new(raw_of(sk), m, &k);
	if (err)
		return err;
	deliver(&k);
	if (make_reply(&k))
		deliver(&k);
	kfree(k.msg);
	return (s64)n;
}

/* --- The other calls
 * ----------------------------------------------------------------- */

static s64 raw_recv(struct sock *sk, struct sock_msg *m)
{
	struct inet_addr from = { .port = 0 };
	struct msg *msg;
	int err;

	if (m->flags & (MSG_OOB | MSG_ERRQUEUE))
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EAGAIN;
	err = msg_wait(sk, m->flags, &msg);
	if (err || !msg) {
		if (m->addr)
			m->addr->len = 0;
		return err;
	}
	memcpy(from.ip, msg->from_ip, 16);
	if (m->addr)
		inet_addr_format(&from, sk->domain, m->addr);
	return msg_finish(sk, msg, m);
}

static int raw_bind(struct sock *sk, const struct sock_addr *a)
{
	struct inet_sock *isk = inet_of(sk);
	struct inet_addr addr;
	int err = inet_addr_parse(a, sk->domain, &addr);

	if (!err && sk->domain == AF_INET6 && a->family != AF_INET6)
		err = -EINVAL;
	if (!err)
		err = inet_check_bind(&addr);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (sk->state != SS_CLOSED) {
		err = -EINVAL;
	} else {
		addr.port = sk->protocol;
		isk->local = addr;
	}
	mutex_unlock(&sk->lock);
	return err;
}

static int raw_connect(struct sock *sk, const struct sock_addr *a,
		       bool nonblock UNUSED)
{
	struct inet_sock *isk = inet_of(sk);
	bool is_end = a->len >= 2 && a->family == AF_UNSPEC;
	struct inet_addr to;
	int err = is_end ? 0 : inet_addr_parse(a, sk->domain, &to);

	if (!err && !is_end && !inet_is_local(&to))
		err = (int)syscall_unsupported("raw connect to the outside",
					       sk->protocol, ENETUNREACH);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (is_end) {
		inet_addr_any(sk->domain, &isk->remote);
		inet_addr_any(sk->domain, &isk->local);
	} else {
		if (inet_is_any(&to))
			inet_choose_source(&to, &to);
		isk->remote = to;
		if (inet_is_any(&isk->local))
			inet_choose_source(&to, &isk->local);
	}
	isk->local.port = sk->protocol;
	atomic_store_release(&sk->state, is_end ? SS_CLOSED : SS_CONNECTED);
	mutex_unlock(&sk->lock);
	return 0;
}

static int raw_name_get(struct sock *sk, bool peer, struct sock_addr *a)
{
	struct inet_sock *isk = inet_of(sk);
	int err = 0;

	mutex_lock(&sk->lock);
	if (peer && sk->state != SS_CONNECTED)
		err = -ENOTCONN;
	else
		inet_addr_format(peer ? &isk->remote : &isk->local, sk->domain,
				 a);
	mutex_unlock(&sk->lock);
	return err;
}

/* ICMP_FILTER is one word; ICMPV6_FILTER, the same name, has 256 bits. */
static u32 filter_size(const struct sock *sk, int level, int name)
{
	if (name != ICMP_FILTER)
		return 0;
	if (level == SOL_RAW && sk->protocol == IPPROTO_ICMP)
		return 4;
	return level == IPPROTO_ICMPV6 && sk->protocol == IPPROTO_ICMPV6 ? 32
									 : 0;
}

static int raw_setsockopt(struct sock *sk, int level, int name,
			  const void *value, u32 len)
{
	struct raw_sock *r = raw_of(sk);
	u32 size = filter_size(sk, level, name);
	s32 v;
	int err;

	if (size) {
		memcpy(r->filter, value, MIN(len, size));
		return 0;
	}
	if (level != SOL_IP || name != IP_HDRINCL)
		return inet_setsockopt(sk, level, name, value, len);
	err = sockopt_int(value, len, &v);
	if (!err)
		r->has_header = v != 0;
	return err;
}

static int raw_getsockopt(struct sock *sk, int level, int name, void *value,
			  u32 *len)
{
	struct raw_sock *r = raw_of(sk);
	u32 size = filter_size(sk, level, name);
	s32 v = r->has_header;

	if (size) {
		*len = MIN(*len, size);
		memcpy(value, r->filter, *len);
		return 0;
	}
	if (level != SOL_IP || name != IP_HDRINCL)
		return inet_getsockopt(sk, level, name, value, len);
	*len = MIN(*len, (u32)sizeof(v));
	memcpy(value, &v, *len);
	return 0;
}

static u32 raw_poll(struct sock *sk, struct poll_table *pt)
{
	u32 ev = EV_WRITE;

	poll_wait(pt, &sk->rwait);
	if (atomic_load(&sk->nmsgs))
		ev |= EV_READ;
	if (atomic_load(&sk->error))
		ev |= EV_ERR;
	if (atomic_load(&sk->shut) & SHUT_BIT_RD)
		ev |= EV_READ | EV_RDHUP;
	return ev;
}

static long raw_ioctl(struct sock *sk, u32 cmd, uaddr_t arg)
{
	u32 n = 0;

	if (cmd == TIOCOUTQ)
		return user_store_u32(arg, 0);
	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&sk->rx_lock);
	if (!list_empty(&sk->msgs))
		n = list_first(&sk->msgs, struct msg, node)->len;
	mutex_unlock(&sk->rx_lock);
	return user_store_u32(arg, n);
}

static void raw_close(struct sock *sk)
{
	mutex_lock(&raw_socks.lock);
	list_del(&raw_of(sk)->node);
	mutex_unlock(&raw_socks.lock);
	mutex_lock(&sk->rx_lock);
	sk->rx_closed = true;
	mutex_unlock(&sk->rx_lock);
	msg_purge(sk);
}

static const struct sock_ops raw_ops = {
	.name = "RAW",
	.bind = raw_bind,
	.connect = raw_connect,
	.name_get = raw_name_get,
	.send = raw_send,
	.recv = raw_recv,
	.shutdown = inet_shutdown_datagram,
	.poll = raw_poll,
	.setsockopt = raw_setsockopt,
	.getsockopt = raw_getsockopt,
	.ioctl = raw_ioctl,
	.close = raw_close,
	.free = inet_free,
};

int raw_create(u16 domain, u32 protocol, struct sock **sk)
{
	struct raw_sock *r;
	int err;

	if (protocol == 0 || protocol > IPPROTO_RAW)
		return protocol ? -EINVAL : -EPROTONOSUPPORT;
	if (!cred_capable(CAP_NET_RAW))
		return -EPERM;
	err = sock_alloc(sizeof(*r), &raw_ops, domain, SOCK_RAW, protocol, sk);
	if (err)
		return err;
	r = raw_of(*sk);
	inet_setup(&r->isk);
	r->isk.local.port = (u16)protocol;
	r->has_header = protocol == IPPROTO_RAW && domain == AF_INET;
	mutex_lock(&raw_socks.lock);
	list_append(&raw_socks.all, &r->node);
	mutex_unlock(&raw_socks.lock);
	return 0;
}

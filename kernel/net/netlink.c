/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_NETLINK; NETLINK_ROUTE: dumps of interfaces, addresses and routes, as
 * getifaddrs() and ip(8) ask for them. Nothing can be changed, so subscribers
 * of changes never hear of any. NETLINK_SOCK_DIAG is in sockdiag.c.
 */

#include "abi/boot.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/net/msg.h"
#include "kernel/net/netdev.h"
#include "kernel/net/netlink.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define REQUEST_MAX 8192
#define REPLY_MAX 4096

struct nl_sock {
	struct sock sk;
	u32 port; /* address; 0: not bound */
	u32 groups;
};

struct reply {
	u8 *buf; /* REPLY_MAX bytes */
	u32 len;
	u32 start; /* of the message being built */
	u32 seq, port;
};

static u32 next_port = 0x4a000000;

static struct nl_sock *nl_of(struct sock *sk)
{
	return container_of(sk, struct nl_sock, sk);
}

/* --- Building replies --------------------------------------------------------
 */

static void *reply_room(struct reply *r, u32 n)
{
	void *p = r->buf + r->len;

	kassert(r->len + NLMSG_ALIGN(n) <= REPLY_MAX);
	memset(p, 0, NLMSG_ALIGN(n));
	r->len += NLMSG_ALIGN(n);
	return p;
}

static void *reply_begin(struct reply *r, u16 type, u16 flags, u32 size)
{
	struct nlmsghdr *h;

	r->start = r->len;
	h = reply_room(r, sizeof(*h));
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_seq = r->seq;
	h->nlmsg_pid = r->port;
	return reply_room(r, size);
}

static void reply_attr(struct reply *r, u16 type, const void *data, u32 n)
{
	struct rtattr *a = reply_room(r, (u32)RTA_LENGTH(n));

	a->rta_type = type;
	a->rta_len = (u16)RTA_LENGTH(n);
	memcpy(a + 1, data, n);
}

static void reply_end(struct reply *r)
{
	struct nlmsghdr *h = (void *)(r->buf + r->start);

	h->nlmsg_len = r->len - r->start;
}

static void add_link(struct reply *r, const struct netdev *d, u16 flags)
{
	const u8 all_ones[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const u8 none[6] = { 0 };
	struct ifinfomsg *m = reply_begin(r, RTM_NEWLINK, flags, sizeof(*m));
	u32 queue = 1000;
	u8 state = d->index == 1 ? 0 : 6; /* IF_OPER_UNKNOWN, _UP */

	m->ifi_family = AF_UNSPEC;
	m->ifi_type = d->type;
	m->ifi_index = (int)d->index;
	m->ifi_flags = d->flags;
	reply_attr(r, IFLA_IFNAME, d->name, (u32)strlen(d->name) + 1);
	reply_attr(r, IFLA_TXQLEN, &queue, sizeof(queue));
	reply_attr(r, IFLA_OPERSTATE, &state, 1);
	reply_attr(r, IFLA_MTU, &d->mtu, sizeof(d->mtu));
	reply_attr(r, IFLA_ADDRESS, d->mac, 6);
	reply_attr(r, IFLA_BROADCAST, d->index == 1 ? none : all_ones, 6);
	reply_end(r);
}

static void add_addr(struct reply *r, const struct netdev *d, u8 family)
{
	const u8 loopback[16] = { [15] = 1 };
	struct ifaddrmsg *m =
		reply_begin(r, RTM_NEWADDR, NLM_F_MULTI, sizeof(*m));
	u32 ip = netdev_ip(d);

	m->ifa_family = family;
	m->ifa_prefixlen = family == AF_INET ? d->prefix_len : 128;
	m->ifa_flags = IFA_F_PERMANENT;
	m->ifa_scope = d->index == 1 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	m->ifa_index = d->index;
	if (family == AF_INET) {
		reply_attr(r, IFA_ADDRESS, &ip, 4);
		reply_attr(r, IFA_LOCAL, &ip, 4);
		reply_attr(r, IFA_LABEL, d->name, (u32)strlen(d->name) + 1);
	} else {
		reply_attr(r, IFA_ADDRESS, loopback, 16);
	}
	reply_end(r);
}

static void add_route(struct reply *r, bool is_default)
{
	const struct netdev *d = netdev_at(1);
	struct rtmsg *m = reply_begin(r, RTM_NEWROUTE, NLM_F_MULTI, sizeof(*m));
	u32 ip = netdev_ip(d), table = RT_TABLE_MAIN;
	u32 net = ip & __builtin_bswap32(~0U << (32 - d->prefix_len));
	u32 gateway = net | __builtin_bswap32(1);

	m->rtm_family = AF_INET;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = is_default ? RTPROT_BOOT : RTPROT_KERNEL;
	m->rtm_scope = is_default ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	m->rtm_dst_len = is_default ? 0 : d->prefix_len;
	reply_attr(r, RTA_TABLE, &table, 4);
	if (is_default) {
		reply_attr(r, RTA_GATEWAY, &gateway, 4);
	} else {
		reply_attr(r, RTA_DST, &net, 4);
		reply_attr(r, RTA_PREFSRC, &ip, 4);
	}
	reply_attr(r, RTA_OIF, &d->index, 4);
	reply_end(r);
}

static void add_done(struct reply *r)
{
	reply_begin(r, NLMSG_DONE, NLM_F_MULTI, sizeof(int));
	reply_end(r);
}

static void add_error(struct reply *r, const struct nlmsghdr *h, int err)
{
	struct nlmsgerr *m = reply_begin(r, NLMSG_ERROR, 0, sizeof(*m));

	m->error = err;
	m->msg = *h;
	reply_end(r);
}

/* --- Requests
 * -------------------------------------------------------------------- */

static void dump(struct reply *r, u16 type, u8 family)
{
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		const struct netdev *d = netdev_at(i);

		if (type == RTM_GETLINK)
			add_link(r, d, NLM_F_MULTI);
		if (type == RTM_GETADDR && family != AF_INET6)
			add_addr(r, d, AF_INET);
	}
	if (type == RTM_GETADDR && family != AF_INET)
		add_addr(r, netdev_at(0), AF_INET6);
	if (type == RTM_GETROUTE && family != AF_INET6) {
		add_route(r, true);
		add_route(r, false);
	}
	add_done(r);
}

/* One interface by index (or by name: the attribute comes first). */
static int get_link(struct reply *r, const struct nlmsghdr *h)
{
	const u8 *p = (const void *)(h + 1);
	struct ifinfomsg m;
	struct rtattr a;
	char name[16] = "";

	if (h->nlmsg_len < sizeof(*h) + sizeof(m))
		return -EINVAL;
	memcpy(&m, p, sizeof(m));
	if (h->nlmsg_len >= sizeof(*h) + sizeof(m) + sizeof(a)) {
		memcpy(&a, p + sizeof(m), sizeof(a));
		if (a.rta_type == IFLA_IFNAME && a.rta_len > sizeof(a) &&
		    a.rta_len - sizeof(a) < sizeof(name) &&
		    a.rta_len <= h->nlmsg_len - sizeof(*h) - sizeof(m))
			memcpy(name, p + sizeof(m) + sizeof(a),
			       a.rta_len - sizeof(a));
	}
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		const struct netdev *d = netdev_at(i);

		if ((u32)m.ifi_index == d->index ||
		    (m.ifi_index == 0 && strcmp(d->name, name) == 0)) {
			add_link(r, d, 0);
			return 0;
		}
	}
	return -ENODEV;
}

static int answer(struct reply *r, const struct nlmsghdr *h)
{
	u8 family = h->nlmsg_len > sizeof(*h) ? *(const u8 *)(h + 1) : 0;

	switch (h->nlmsg_type) {
	case RTM_GETLINK:
	case RTM_GETADDR:
	case RTM_GETROUTE:
		if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ||
		    (h->nlmsg_flags & NLM_F_ROOT)) {
			dump(r, h->nlmsg_type, family);
			return 0;
		}
		if (h->nlmsg_type == RTM_GETLINK)
			return get_link(r, h);
		break;
	case NLMSG_NOOP:
	case NLMSG_ERROR:
	case NLMSG_DONE:
		return 0;
	default:
		if ((h->nlmsg_type & 3) != 2) /* NEW, DEL, SET */
			return -EPERM;
		break;
	}
	return (int)syscall_unsupported("netlink route", h->nlmsg_type,
					EOPNOTSUPP);
}

int netlink_queue(struct sock *sk, void *data, u32 len)
{
	struct list none;
	struct uio u;
	struct msg *m;
	bool is_closed;
	int err;

	uio_init_kernel(&u, data, len);
	err = msg_new(&u, len, &m);
	if (err)
		return err;
	mutex_lock(&sk->rx_lock);
	is_closed = sk->rx_closed;
	if (!is_closed)
		msg_queue(sk, m, NULL);
	mutex_unlock(&sk->rx_lock);
	list_init(&none);
	if (is_closed)
		msg_free(m, &none);
	else
		waitq_wake_events(&sk->rwait, EV_READ, 1);
	return 0;
}

static int queue_reply(struct sock *sk, struct reply *r)
{
	return r->len ? netlink_queue(sk, r->buf, r->len) : 0;
}

void netlink_deliver(struct sock *sk, const void *data, u32 len)
{
	u8 copy[64];

	kassert(len <= sizeof(copy));
	memcpy(copy, data, len);
	(void)netlink_queue(sk, copy, len);
}

static int handle(struct sock *sk, struct reply *r, const u8 *req, u32 len)
{
	struct nlmsghdr h;
	int err = 0;

	while (!err && len >= sizeof(h)) {
		memcpy(&h, req, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			break;
		r->len = 0;
		r->seq = h.nlmsg_seq;
		r->port = nl_of(sk)->port;
		if (h.nlmsg_flags & NLM_F_REQUEST) {
			err = sk->protocol == NETLINK_SOCK_DIAG
				      ? sockdiag_answer(sk, r->port,
							(const void *)req)
				      : answer(r, (const void *)req);
			if (err || (h.nlmsg_flags & NLM_F_ACK))
				add_error(r, &h, err);
			err = queue_reply(sk, r);
		}
		if (NLMSG_ALIGN(h.nlmsg_len) >= len)
			break;
		req += NLMSG_ALIGN(h.nlmsg_len);
		len -= NLMSG_ALIGN(h.nlmsg_len);
	}
	return err;
}

static void autobind(struct nl_sock *nl)
{
	mutex_lock(&nl->sk.lock);
	if (nl->port == 0)
		nl->port = atomic_fetch_add(&next_port, 1);
	mutex_unlock(&nl->sk.lock);
}

static s64 nl_send(struct sock *sk, struct sock_msg *m)
{
	struct reply r = { .len = 0 };
	u64 len = m->uio.left;
	u8 *req;
	s64 ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr && m->addr->len &&
	    (m->addr->len < sizeof(m->addr->nl) ||
	     m->addr->family != AF_NETLINK))
		return -EINVAL;
	if (m->addr && m->addr->len && (m->addr->nl.pid || m->addr->nl.groups))
		return -ECONNREFUSED; /* nobody else is there */
	if (len > REQUEST_MAX)
		return -EMSGSIZE;
	if (len == 0)
		return 0;
	autobind(nl_of(sk));
	req = kmalloc(len);
	r.buf = kmalloc(REPLY_MAX);
	ret = req && r.buf ? 0 : -ENOMEM;
	if (!ret && uio_get(&m->uio, req, len) != (s64)len)
		ret = -EFAULT;
	if (!ret)
		ret = handle(sk, &r, req, (u32)len);
	kfree(req);
	kfree(r.buf);
	return ret ? ret : (s64)len;
}

static s64 nl_recv(struct sock *sk, struct sock_msg *m)
{
	struct msg *msg;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = msg_wait(sk, m->flags, &msg);
	if (err || !msg)
		return err;
	if (m->addr) {
		memset(&m->addr->nl, 0, sizeof(m->addr->nl));
		m->addr->family = AF_NETLINK;
		m->addr->len = sizeof(m->addr->nl);
	}
	return msg_finish(sk, msg, m);
}

static int nl_bind(struct sock *sk, const struct sock_addr *a)
{
	struct nl_sock *nl = nl_of(sk);
	int err = 0;

	if (a->len < sizeof(a->nl) || a->family != AF_NETLINK)
		return -EINVAL;
	mutex_lock(&sk->lock);
	if (nl->port && a->nl.pid && a->nl.pid != nl->port)
		err = -EINVAL;
	else if (a->nl.pid)
		nl->port = a->nl.pid;
	nl->groups = a->nl.groups;
	mutex_unlock(&sk->lock);
	if (!err)
		autobind(nl);
	return err;
}

static int nl_connect(struct sock *sk, const struct sock_addr *a,
		      bool nonblock UNUSED)
{
	if (a->len < 2)
		return -EINVAL;
	if (a->family == AF_UNSPEC)
		return 0;
	if (a->family != AF_NETLINK || a->len < sizeof(a->nl))
		return -EINVAL;
	if (a->nl.pid || a->nl.groups)
		return -ECONNREFUSED;
	autobind(nl_of(sk));
	return 0;
}

static int nl_name_get(struct sock *sk, bool peer, struct sock_addr *a)
{
	struct nl_sock *nl = nl_of(sk);

	memset(&a->nl, 0, sizeof(a->nl));
	a->family = AF_NETLINK;
	a->len = sizeof(a->nl);
	if (!peer) {
		a->nl.pid = nl->port;
		a->nl.groups = nl->groups;
	}
	return 0;
}

static u32 nl_poll(struct sock *sk, struct poll_table *pt)
{
	poll_wait(pt, &sk->rwait);
	return EV_WRITE | (atomic_load(&sk->nmsgs) ? EV_READ : 0);
}

static int nl_setsockopt(struct sock *sk UNUSED, int level, int name,
			 const void *value, u32 len)
{
	s32 v;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	switch (name) {
	case NETLINK_ADD_MEMBERSHIP: /* nothing will ever happen there */
	case NETLINK_DROP_MEMBERSHIP:
	case NETLINK_NO_ENOBUFS:
		return sockopt_int(value, len, &v);
	default:
		return (int)syscall_unsupported("setsockopt SOL_NETLINK",
						(u64)name, ENOPROTOOPT);
	}
}

static void nl_close(struct sock *sk)
{
	mutex_lock(&sk->rx_lock);
	sk->rx_closed = true;
	mutex_unlock(&sk->rx_lock);
	msg_purge(sk);
}

static const struct sock_ops netlink_ops = {
	.name = "NETLINK",
	.bind = nl_bind,
	.connect = nl_connect,
	.name_get = nl_name_get,
	.send = nl_send,
	.recv = nl_recv,
	.poll = nl_poll,
	.setsockopt = nl_setsockopt,
	.close = nl_close,
};

int netlink_create(u32 type, u32 protocol, struct sock **sk)
{
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
		return (int)syscall_unsupported("netlink protocol", protocol,
						EPROTONOSUPPORT);
	return sock_alloc(sizeof(struct nl_sock), &netlink_ops, AF_NETLINK,
			  type, protocol, sk);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ancillary data of UDP, in and out, and the queue of errors (IP_RECVERR): what
 * an ICMP message would tell, known at once inside the instance.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/net/netdev.h"
#include "kernel/net/udp.h"
#include "kernel/proc/cred.h"
#include "kernel/sys/syscall.h"

#define ERRORS_MAX 16

struct linux_extended_err { /* struct sock_extended_err */
	u32 err;
	u8 origin, type, code, pad;
	u32 info, data;
};
enum { ORIGIN_ICMP = 2, ORIGIN_ICMP6 = 3 };

struct pktinfo6 {
	u8 ip[16];
	u32 index;
};

/* --- Sending
 * ----------------------------------------------------------------------------
 */

static int take_pktinfo(struct udp_how *how, uaddr_t data, u64 len)
{
	struct in_pktinfo v4;
	u32 ip;

	if (len != sizeof(v4))
		return -EINVAL;
	if (user_get(&v4, data))
		return -EFAULT;
	if (v4.ipi_ifindex)
		how->ifindex = (u32)v4.ipi_ifindex;
	memcpy(&ip, &v4.ipi_spec_dst, sizeof(ip));
	if (ip)
		inet_addr_v4(&how->src, ip, 0);
	return 0;
}

static int take_pktinfo6(struct udp_how *how, uaddr_t data, u64 len)
{
	struct pktinfo6 v6;

	if (len < sizeof(v6))
		return -EINVAL;
	if (user_get(&v6, data))
		return -EFAULT;
	if (v6.index)
		how->ifindex = v6.index;
	memcpy(how->src.ip, v6.ip, sizeof(v6.ip));
	return 0;
}

static int take_int(s32 *to, s32 min, uaddr_t data, u64 len)
{
	if (len != sizeof(*to))
		return -EINVAL;
	if (user_load_u32((u32 *)to, data))
		return -EFAULT;
	return *to < min || *to > 255 ? -EINVAL : 0;
}

static int take_v4(struct udp_how *how, s32 type, uaddr_t data, u64 len)
{
	u8 byte;

	switch (type) {
	case IP_PKTINFO:
		return take_pktinfo(how, data, len);
	case IP_TTL:
		return take_int(&how->ttl, 1, data, len);
	case IP_TOS:
		if (len != 1)
			return take_int(&how->tos, 0, data, len);
		if (user_copy_in(&byte, data, 1))
			return -EFAULT;
		how->tos = byte;
		return 0;
	default:
		return (int)syscall_unsupported("cmsg SOL_IP", (u64)type,
						EINVAL);
	}
}

static int take_v6(struct udp_how *how, s32 type, uaddr_t data, u64 len)
{
	switch (type) {
	case IPV6_PKTINFO:
	case IPV6_2292PKTINFO:
		return take_pktinfo6(how, data, len);
	case IPV6_HOPLIMIT:
	case IPV6_2292HOPLIMIT:
		return take_int(&how->ttl, -1, data, len);
	case IPV6_TCLASS:
		return take_int(&how->tos, -1, data, len);
	default:
		return (int)syscall_unsupported("cmsg SOL_IPV6", (u64)type,
						EINVAL);
	}
}

static int take_control(struct inet_sock *isk, const struct linux_cmsghdr *h,
			uaddr_t data, struct udp_how *how)
{
	u64 len = h->len - sizeof(*h);

	switch (h->level) {
	case SOL_IP:
		return take_v4(how, h->type, data, len);
	case SOL_IPV6:
		return isk->sk.domain == AF_INET6
			       ? take_v6(how, h->type, data, len)
			       : 0;
	case SOL_SOCKET:
		if (h->type == SCM_RIGHTS || h->type == SCM_CREDENTIALS)
			return 0; /* not for these sockets: skipped */
		if (h->type == SO_MARK && !cred_capable(CAP_NET_ADMIN))
			return -EPERM;
		return (int)syscall_unsupported("cmsg SOL_SOCKET", (u64)h->type,
						EINVAL);
	case SOL_UDP:
		return (int)syscall_unsupported("cmsg SOL_UDP", (u64)h->type,
						EINVAL);
	default:
		return 0;
	}
}

/* An address to send from must be one of ours, an interface must exist. */
static int check_how(const struct udp_how *how)
{
	if (how->ifindex > NETDEV_COUNT)
		return -ENODEV;
	return inet_is_local(&how->src) ? 0 : -EINVAL;
}

int udp_control_in(struct inet_sock *isk, const struct sock_msg *m,
		   struct udp_how *how)
{
	uaddr_t control = m->control_in;
	u64 len = m->control_in_len;
	struct linux_cmsghdr h;

	how->ttl = how->tos = -1;
	how->ifindex = 0;
	inet_addr_any(AF_INET, &how->src);
	while (len >= sizeof(h)) {
		int err;

		if (user_get(&h, control))
			return -EFAULT;
		if (h.len < sizeof(h) || h.len > len)
			return -EINVAL;
		err = take_control(isk, &h, control + sizeof(h), how);
		if (err)
			return err;
		if (CMSG_ROUND(h.len) >= len)
			break;
		control += CMSG_ROUND(h.len);
		len -= CMSG_ROUND(h.len);
	}
	return m->control_in_len ? check_how(how) : 0;
}

void udp_fill_how(struct inet_sock *isk, const struct inet_addr *to,
		  struct udp_how *how)
{
	bool v4 = inet_is_v4(to), group = inet_is_multicast(to);
	int name = v4 ? (group ? IP_MULTICAST_TTL : IP_TTL)
		      : (group ? IPV6_MULTICAST_HOPS : IPV6_UNICAST_HOPS);
	int level = v4 ? SOL_IP : SOL_IPV6;

	if (isk->opts_set == 0) { /* nothing was set: no need to look */
		if (how->ttl < 0)
			how->ttl = group ? 1 : 64;
		if (how->tos < 0)
			how->tos = 0;
		return;
	}
	if (how->ttl < 0)
		how->ttl = inet_opt_value(isk, level, name);
	if (how->tos < 0)
		how->tos =
			inet_opt_value(isk, level, v4 ? IP_TOS : IPV6_TCLASS);
}

/* --- Receiving
 * ----------------------------------------------------------------------------
 */

static void put_pktinfo(struct inet_sock *isk, struct control_out *c,
			const u8 *to_ip, const u8 *own_ip, u32 ifindex)
{
	struct in_pktinfo v4;
	struct pktinfo6 v6;

	if (isk->wants & WANT_PKTINFO) {
		v4.ipi_ifindex = (s32)ifindex;
		memcpy(&v4.ipi_spec_dst, own_ip + 12, 4);
		memcpy(&v4.ipi_addr, to_ip + 12, 4);
		control_put(c, SOL_IP, IP_PKTINFO, &v4, sizeof(v4));
	}
	if (isk->wants & WANT_PKTINFO6) {
		memcpy(v6.ip, to_ip, 16);
		v6.index = ifindex;
		control_put(c, SOL_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
	}
}

static void put_origdst(struct inet_sock *isk, struct control_out *c,
			const struct inet_addr *to)
{
	struct sock_addr a;

	if ((isk->wants & WANT_ORIGDST) && inet_is_v4(to)) {
		inet_addr_format(to, AF_INET, &a);
		control_put(c, SOL_IP, IP_RECVORIGDSTADDR, a.bytes, a.len);
	}
	if ((isk->wants & WANT_ORIGDST6) && !inet_is_v4(to)) {
		inet_addr_format(to, AF_INET6, &a);
		control_put(c, SOL_IPV6, IPV6_RECVORIGDSTADDR, a.bytes, a.len);
	}
}

void udp_control_out(struct inet_sock *isk, struct sock_msg *m,
		     const struct msg *msg)
{
	struct control_out *c = m->control;
	struct inet_addr to = { .port = msg->to_port };
	struct inet_addr own;
	s32 ttl = msg->ttl, tos = msg->tos;
	bool v4;

	if (!c)
		return;
	msg_put_stamps(&isk->sk, m, msg->stamp);
	if (likely(isk->wants == 0))
		return;
	memcpy(to.ip, msg->to_ip, sizeof(to.ip));
	v4 = inet_is_v4(&to);
	own = to;
	if (inet_is_multicast(&to))
		inet_addr_v4(&own, netdev_ip(netdev_at(msg->ifindex - 1)), 0);
	put_pktinfo(isk, c, to.ip, own.ip, msg->ifindex);
	if ((isk->wants & WANT_TTL) && v4)
		control_put(c, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
	if ((isk->wants & WANT_TOS) && v4)
		control_put(c, SOL_IP, IP_TOS, &msg->tos, 1);
	if ((isk->wants & WANT_HOPLIMIT) && !v4)
		control_put(c, SOL_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if ((isk->wants & WANT_TCLASS) && !v4)
		control_put(c, SOL_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	put_origdst(isk, c, &to);
}

void udp_control_outside(struct inet_sock *isk, struct sock_msg *m,
			 const u8 *to_ip)
{
	if (!m->control)
		return;
	msg_put_stamps(&isk->sk, m, 0);
	put_pktinfo(isk, m->control, to_ip, to_ip, JIFFY_IFINDEX);
}

/* --- Errors
 * ------------------------------------------------------------------------------
 */

static bool wants_errors(struct inet_sock *isk, const struct inet_addr *to)
{
	if (isk->opts_set == 0)
		return false;
	return inet_is_v4(to) ? inet_opt_value(isk, SOL_IP, IP_RECVERR)
			      : inet_opt_value(isk, SOL_IPV6, IPV6_RECVERR);
}

void udp_refused(struct inet_sock *isk, const struct inet_addr *to,
		 struct msg *msg)
{
	struct sock *sk = &isk->sk;
	bool keep = wants_errors(isk, to);
	struct list none;

	list_init(&none);
	if (keep) {
		mutex_lock(&sk->rx_lock);
		if (!isk->errors.next)
			list_init(&isk->errors);
		keep = isk->nerrors < ERRORS_MAX;
		if (keep) {
			msg->to_port = to->port;
			list_append(&isk->errors, &msg->node);
			isk->nerrors++;
		}
		mutex_unlock(&sk->rx_lock);
		sock_set_error(sk, ECONNREFUSED);
	} else if (isk->remote.port) {
		sock_set_error(sk, ECONNREFUSED);
	}
	if (!keep)
		msg_free(msg, &none);
	if (atomic_load(&sk->error))
		sock_wake_all(sk);
}

static struct msg *take_error(struct inet_sock *isk)
{
	struct msg *msg = NULL;

	mutex_lock(&isk->sk.rx_lock);
	if (isk->nerrors) {
		msg = list_first(&isk->errors, struct msg, node);
		list_del(&msg->node);
		isk->nerrors--;
	}
	sock_set_error(&isk->sk, isk->nerrors ? ECONNREFUSED : 0);
	mutex_unlock(&isk->sk.rx_lock);
	return msg;
}

static void put_error(struct sock_msg *m, const struct inet_addr *to)
{
	bool v4 = inet_is_v4(to);
	struct inet_addr offender = *to;
	struct {
		struct linux_extended_err e;
		u8 addr[sizeof(struct linux_sockaddr_in6)];
	} out = { .e = { .err = ECONNREFUSED } };
	struct sock_addr a;

	out.e.origin = v4 ? ORIGIN_ICMP : ORIGIN_ICMP6;
	out.e.type = v4 ? 3 : 1; /* port unreachable */
	out.e.code = v4 ? 3 : 4;
	offender.port = 0;
	inet_addr_format(&offender, v4 ? AF_INET : AF_INET6, &a);
	memcpy(out.addr, a.bytes, a.len);
	control_put(m->control, v4 ? SOL_IP : SOL_IPV6,
		    v4 ? IP_RECVERR : IPV6_RECVERR, &out,
		    sizeof(out.e) + a.len);
}

s64 udp_recv_error(struct inet_sock *isk, struct sock_msg *m)
{
	struct msg *msg = isk->nerrors ? take_error(isk) : NULL;
	struct inet_addr to;
	struct list none;
	s64 ret;

	if (!msg)
		return -EAGAIN;
	memset(&to, 0, sizeof(to));
	memcpy(to.ip, msg->to_ip, sizeof(to.ip));
	to.port = msg->to_port;
	if (m->addr)
		inet_addr_format(&to, isk->sk.domain, m->addr);
	put_error(m, &to);
	ret = msg_copy(&isk->sk, msg, m);
	m->out_flags |= MSG_ERRQUEUE;
	list_init(&none);
	msg_free(msg, &none);
	return ret;
}

void udp_drop_errors(struct inet_sock *isk)
{
	struct list none;
	struct msg *msg;

	list_init(&none);
	while (isk->nerrors && (msg = take_error(isk)))
		msg_free(msg, &none);
}

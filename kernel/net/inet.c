/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TCP and UDP sockets share: creation, binding, names.
 */
#include "kernel/net/inet.h"

#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/kernel.h"
#include "kernel/layout.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/cred.h"
#include "kernel/sys/syscall.h"

void inet_setup(struct inet_sock *isk)
{
	list_init(&isk->port_node);
	inet_addr_any(isk->sk.domain, &isk->local);
	isk->remote = isk->local;
	isk->hfd = -1;
	if (isk->sk.type == SOCK_STREAM) {
		isk->sk.sndbuf = TCP_SNDBUF_DEFAULT;
		isk->sk.rcvbuf = TCP_RCVBUF_DEFAULT;
	}
	isk->cscov_in = -1;
	inet_opt_init(isk);
}

int inet_new(u16 domain, u16 type, const struct sock_ops *ops, struct sock **sk)
{
	int err = sock_alloc(sizeof(struct inet_sock), ops, domain, type,
			     type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
			     sk);

	if (!err)
		inet_setup(inet_of(*sk));
	return err;
}

static int inet_create(u16 domain, u32 type, u32 protocol, struct sock **sk)
{
	int err;

	switch (type) {
	case SOCK_STREAM:
		if (protocol == 0 || protocol == IPPROTO_TCP)
			return inet_new(domain, SOCK_STREAM, &tcp_ops, sk);
		break;
	case SOCK_DGRAM:
		if (protocol == 0 || protocol == IPPROTO_UDP)
			return inet_new(domain, SOCK_DGRAM, &udp_ops, sk);
		if (protocol == IPPROTO_UDPLITE) {
			err = inet_new(domain, SOCK_DGRAM, &udp_ops, sk);
			if (!err)
				(*sk)->protocol = IPPROTO_UDPLITE;
			return err;
		}
		if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
			return -EACCES; /* ping_group_range is empty */
		break;
	case SOCK_RAW:
		return raw_create(domain, protocol, sk);
	default:
		return -ESOCKTNOSUPPORT;
	}
	return (int)syscall_unsupported("socket protocol", protocol,
					EPROTONOSUPPORT);
}

int inet_create4(u32 type, u32 protocol, struct sock **sk)
{
	return inet_create(AF_INET, type, protocol, sk);
}

int inet_create6(u32 type, u32 protocol, struct sock **sk)
{
	return inet_create(AF_INET6, type, protocol, sk);
}

void inet_inherit(struct inet_sock *child, const struct inet_sock *parent)
{
	child->sk.flags = atomic_load(&parent->sk.flags);
	child->sk.linger = parent->sk.linger;
	child->sk.sndbuf = parent->sk.sndbuf;
	child->sk.rcvbuf = parent->sk.rcvbuf;
	child->sk.buf_lock = parent->sk.buf_lock;
	child->sk.rcvlowat = parent->sk.rcvlowat;
	child->sk.rcvtimeo = parent->sk.rcvtimeo;
	child->sk.sndtimeo = parent->sk.sndtimeo;
	child->sk.priority = parent->sk.priority;
	child->is_v6only = parent->is_v6only;
	child->opts_set = parent->opts_set;
	child->wants = parent->wants;
	memcpy(child->opts, parent->opts, sizeof(child->opts));
}

struct port_table *inet_ports(const struct sock *sk)
{
	if (sk->type == SOCK_STREAM)
		return &tcp_ports;
	return inet_is_udplite(sk) ? &udplite_ports : &udp_ports;
}

int inet_autobind(struct inet_sock *isk)
{
	if (isk->is_bound)
		return 0;
	isk->local.port = 0;
	return port_bind(inet_ports(&isk->sk), isk) ? -EAGAIN : 0;
}

void inet_unbind(struct inet_sock *isk)
{
	if (isk->is_bound || isk->is_child)
		port_unbind(inet_ports(&isk->sk), isk);
}

/* Published ports, copied at start: the block itself may change. */
static struct {
	const struct boot_port *ports;
	u32 count;
} published;

void inet_start(void)
{
	const struct boot_block *b = kernel.boot;
	const struct boot_block *shared = (const void *)KERNEL_BOOT_BASE;
	u64 size = (u64)b->nports * sizeof(struct boot_port);
	struct boot_port *p;

	if (b->nports == 0)
		return;
	if (b->ports > BOOT_DATA_SIZE || size > BOOT_DATA_SIZE - b->ports)
		kpanic("boot block: bad table of ports");
	p = kmalloc(size);
	if (!p)
		kpanic("cannot start: no memory for ports");
	memcpy(p, shared->data + b->ports, size);
	published.ports = p;
	published.count = b->nports;
}

const struct boot_port *inet_published(u16 port, u32 protocol)
{
	for (u32 i = 0; i < published.count; i++) {
		if (published.ports[i].guest == port &&
		    published.ports[i].proto == protocol)
			return &published.ports[i];
	}
	return NULL;
}

bool inet_is_published(u16 port, u32 protocol)
{
	return inet_published(port, protocol) != NULL;
}

/* A UDP port that is reachable from outside: have the host's socket too. */
static void bind_outside(struct inet_sock *isk)
{
	if (isk->sk.protocol != IPPROTO_UDP || isk->hfd >= 0 ||
	    !inet_is_published(isk->local.port, IPPROTO_UDP) ||
	    isk->local.ip[12] == 127)
		return;
	if (broker_socket(BROKER_UDP_BIND, 0, &isk->local, &isk->hfd, NULL))
		isk->hfd = -1;
}

int inet_bind(struct sock *sk, const struct sock_addr *a)
{
	struct inet_sock *isk = inet_of(sk);
	struct inet_addr addr;
	int err;

	if (a->len >= sizeof(a->in) && a->family == AF_UNSPEC &&
	    sk->domain == AF_INET) {
		struct sock_addr any = *a;

		any.family = AF_INET; /* Linux takes this for 0.0.0.0 */
		err = inet_addr_parse(&any, sk->domain, &addr);
		if (!err && !inet_is_any(&addr))
			err = -EAFNOSUPPORT;
	} else if (sk->domain == AF_INET6 && a->len < 24) {
		err = -EINVAL;
	} else if (sk->domain == AF_INET6 && a->family != AF_INET6) {
		err = -EAFNOSUPPORT;
	} else {
		err = inet_addr_parse(a, sk->domain, &addr);
	}
	if (!err)
		err = inet_check_bind(&addr);
	if (!err && isk->is_v6only && inet_is_v4(&addr))
		err = -EINVAL;
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (isk->is_bound || sk->state != SS_CLOSED) {
		err = -EINVAL;
	} else {
		struct inet_addr old = isk->local;

		isk->local = addr;
		err = port_bind(inet_ports(sk), isk);
		if (err)
			isk->local = old;
		else
			isk->has_user_port = addr.port != 0;
	}
	if (!err)
		bind_outside(isk);
	mutex_unlock(&sk->lock);
	return err;
}

int inet_name_get(struct sock *sk, bool peer, struct sock_addr *a)
{
	struct inet_sock *isk = inet_of(sk);
	int err = 0;

	mutex_lock(&sk->lock);
	if (peer && (sk->state != SS_CONNECTED || isk->remote.port == 0 ||
		     (sk->type == SOCK_STREAM && tcp_is_over(sk))))
		err = -ENOTCONN;
	else
		inet_addr_format(peer ? &isk->remote : &isk->local, sk->domain,
				 a);
	mutex_unlock(&sk->lock);
	return err;
}

int inet_shutdown_datagram(struct sock *sk, int how)
{
	static const u32 bits[] = { SHUT_BIT_RD, SHUT_BIT_WR, SHUT_BITS };

	if (atomic_load(&sk->state) != SS_CONNECTED)
		return -ENOTCONN;
	atomic_fetch_or(&sk->shut, bits[how]);
	sock_wake_all(sk);
	return 0;
}

void inet_free(struct sock *sk)
{
	struct inet_sock *isk = inet_of(sk);

	kfree(isk->peers);
}

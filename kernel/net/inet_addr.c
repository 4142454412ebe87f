/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet addresses: the program's forms, ours, and which are inside.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/net/inet.h"

static const u8 v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static u16 swap16(u16 v)
{
	return (u16)(v << 8 | v >> 8);
}

bool inet_is_v4(const struct inet_addr *a)
{
	return memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

static u32 v4_of(const struct inet_addr *a)
{
	u32 ip;

	memcpy(&ip, a->ip + 12, 4);
	return ip;
}

void inet_addr_v4(struct inet_addr *a, u32 ip, u16 port)
{
	memcpy(a->ip, v4_prefix, sizeof(v4_prefix));
	memcpy(a->ip + 12, &ip, 4);
	a->port = port;
	a->scope = 0;
}

void inet_addr_any(u16 domain, struct inet_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (domain == AF_INET)
		inet_addr_v4(a, 0, 0);
}

bool inet_is_any(const struct inet_addr *a)
{
	static const u8 zero[16];

	return memcmp(a->ip, zero, 16) == 0 || (inet_is_v4(a) && v4_of(a) == 0);
}

static bool is_v6_loopback(const struct inet_addr *a)
{
	static const u8 one[16] = { [15] = 1 };

	return memcmp(a->ip, one, 16) == 0;
}

bool inet_is_local(const struct inet_addr *a)
{
	if (inet_is_any(a) || is_v6_loopback(a))
		return true;
	return inet_is_v4(a) &&
	       (a->ip[12] == 127 || v4_of(a) == kernel.boot->instance_ip);
}

bool inet_is_multicast(const struct inet_addr *a)
{
	if (inet_is_v4(a))
		return a->ip[12] >= 224;
	return a->ip[0] == 0xff;
}

bool inet_is_resolver(const struct inet_addr *a)
{
	return inet_is_v4(a) && v4_of(a) == kernel.boot->resolver_ip &&
	       kernel.boot->resolver_ip != 0;
}

bool inet_ip_equal(const struct inet_addr *a, const struct inet_addr *b)
{
	return memcmp(a->ip, b->ip, 16) == 0;
}

u32 inet_ifindex(const struct inet_addr *to UNUSED)
{
	return 1; /* Linux: whatever the machine sends to itself, by lo */
}

int inet_check_bind(const struct inet_addr *a)
{
	return inet_is_local(a) || inet_is_multicast(a) ? 0 : -EADDRNOTAVAIL;
}

void inet_choose_source(const struct inet_addr *dest, struct inet_addr *src)
{
	u16 port = src->port;

	if (!inet_is_local(dest)) {
		inet_addr_v4(src, kernel.boot->instance_ip, port);
	} else if (inet_is_v4(dest)) {
		u32 ip = v4_of(dest);
		u8 loopback[4] = { 127, 0, 0, 1 };

		if (ip != kernel.boot->instance_ip)
			memcpy(&ip, loopback, 4);
		inet_addr_v4(src, ip, port);
	} else {
		memset(src, 0, sizeof(*src));
		src->ip[15] = 1;
		src->port = port;
	}
}

int inet_addr_parse(const struct sock_addr *a, u16 domain,
		    struct inet_addr *out)
{
	u32 ip;

	if (a->len < (domain == AF_INET ? sizeof(a->in) : 2))
		return -EINVAL;
	if (a->family == AF_INET6 && domain == AF_INET6) {
		if (a->len < 24) /* without the scope, as in RFC 2133 */
			return -EINVAL;
		memcpy(out->ip, a->in6.ip, 16);
		out->port = swap16(a->in6.port);
		out->scope = a->len >= sizeof(a->in6) ? a->in6.scope_id : 0;
		return 0;
	}
	if (a->family == AF_INET) {
		if (a->len < sizeof(a->in))
			return -EINVAL;
		memcpy(&ip, a->in.ip, 4);
		inet_addr_v4(out, ip, swap16(a->in.port));
		return 0;
	}
	return -EAFNOSUPPORT;
}

void inet_addr_format(const struct inet_addr *in, u16 domain,
		      struct sock_addr *a)
{
	if (domain == AF_INET) {
		memset(&a->in, 0, sizeof(a->in));
		a->in.family = AF_INET;
		a->in.port = swap16(in->port);
		memcpy(a->in.ip, in->ip + 12, 4);
		a->len = sizeof(a->in);
		return;
	}
	memset(&a->in6, 0, sizeof(a->in6));
	a->in6.family = AF_INET6;
	a->in6.port = swap16(in->port);
	memcpy(a->in6.ip, in->ip, 16);
	a->in6.scope_id = in->scope;
	a->len = sizeof(a->in6);
}

u32 inet_addr_host(const struct inet_addr *in, void *buf)
{
	struct sock_addr a;

	inet_addr_format(in, inet_is_v4(in) ? AF_INET : AF_INET6, &a);
	memcpy(buf, a.bytes, a.len);
	return a.len;
}

void inet_addr_from_host(const void *buf, u32 len, struct inet_addr *out)
{
	struct sock_addr a;

	memset(out, 0, sizeof(*out));
	a.len = MIN(len, (u32)SOCK_ADDR_MAX);
	memcpy(a.bytes, buf, a.len);
	if (inet_addr_parse(&a, AF_INET6, out))
		inet_addr_any(AF_INET, out);
}

/* netdev.c shows the same one: host 1 of the instance's network of 24 bits. */
static u32 gateway_ip(void)
{
	u8 ip[4];
	u32 out;

	memcpy(ip, &kernel.boot->instance_ip, 4);
	ip[3] = 1;
	memcpy(&out, ip, 4);
	return out;
}

void inet_hide_loopback(struct inet_addr *peer)
{
	if ((inet_is_v4(peer) && peer->ip[12] == 127) || is_v6_loopback(peer))
		inet_addr_v4(peer, gateway_ip(), peer->port);
}

void inet_show_loopback(struct inet_addr *peer)
{
	const u8 loopback[4] = { 127, 0, 0, 1 };

	if (inet_is_v4(peer) && v4_of(peer) == gateway_ip())
		memcpy(peer->ip + 12, loopback, 4);
}

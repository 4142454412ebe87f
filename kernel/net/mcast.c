/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multicast inside the instance: which UDP socket is a member of which group on
 * which interface, and who gets what is sent to one. Nothing of it goes to the
 * outside.
 */
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/net/inet.h"
#include "kernel/net/netdev.h"
#include "kernel/sys/syscall.h"

#define MEMBERSHIPS_MAX 20 /* net.ipv4.igmp_max_memberships */

/* A group that has members on an interface. */
struct mcast_group {
	struct list node; /* in all.groups, the newest first */
	struct inet_addr addr;
	u32 ifindex;
	u32 users; /* memberships */
};

struct inet_membership {
	struct list node; /* in inet_sock.groups */
	struct mcast_group *group;
};

static struct {
	struct mutex lock;  /* groups and memberships */
	struct list groups; /* next == NULL: not used yet */
} all;

static void all_lock(void)
{
	mutex_lock(&all.lock);
	if (!all.groups.next)
		list_init(&all.groups);
}

static bool is_same(const struct mcast_group *g, const struct inet_addr *addr,
		    u32 ifindex)
{
	return g->ifindex == ifindex && inet_ip_equal(&g->addr, addr);
}

static struct mcast_group *find_group(const struct inet_addr *addr, u32 ifindex)
{
	struct mcast_group *g;

	list_for_each (g, &all.groups, node) {
		if (is_same(g, addr, ifindex))
			return g;
	}
	return NULL;
}

static struct inet_membership *find(struct inet_sock *isk,
				    const struct inet_addr *group, u32 ifindex)
{
	struct inet_membership *m;

	if (!isk->groups.next)
		return NULL;
	list_for_each (m, &isk->groups, node) {
		if (is_same(m->group, group, ifindex))
			return m;
	}
	return NULL;
}

bool mcast_is_member(struct inet_sock *isk, const struct inet_addr *group,
		     u32 ifindex)
{
	bool is_v4 = inet_is_v4(group);
	bool own, any;

	all_lock();
	own = find(isk, group, ifindex) != NULL;
	any = find_group(group, ifindex) != NULL;
	mutex_unlock(&all.lock);
	if (own)
		return true;
	return any &&
	       inet_opt_value(isk, is_v4 ? SOL_IP : SOL_IPV6,
			      is_v4 ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL);
}

/* With all.lock held: a user of the group, which is made if need be. */
static struct mcast_group *group_get(const struct inet_addr *addr, u32 ifindex)
{
	struct mcast_group *g = find_group(addr, ifindex);

	if (!g) {
		g = kzalloc(sizeof(*g));
		if (!g)
			return NULL;
		g->addr = *addr;
		g->ifindex = ifindex;
		list_push(&all.groups, &g->node);
	}
	g->users++;
	return g;
}

/* With all.lock held. */
static void membership_free(struct inet_membership *m)
{
	list_del(&m->node);
	if (--m->group->users == 0) {
		list_del(&m->group->node);
		kfree(m->group);
	}
	kfree(m);
}

/* With all.lock held. */
static int join_locked(struct inet_sock *isk, const struct inet_addr *group,
		       u32 ifindex)
{
	struct inet_membership *m;
	u32 n = 0;

	if (find(isk, group, ifindex))
		return -EADDRINUSE;
	if (!isk->groups.next)
		list_init(&isk->groups);
	list_for_each (m, &isk->groups, node)
		n++;
	if (n >= MEMBERSHIPS_MAX && inet_is_v4(group))
		return -ENOBUFS;
	m = kzalloc(sizeof(*m));
	if (!m)
		return -ENOBUFS;
	m->group = group_get(group, ifindex);
	if (!m->group) {
		kfree(m);
		return -ENOBUFS;
	}
	list_append(&isk->groups, &m->node);
	return 0;
}

static int join(struct inet_sock *isk, const struct inet_addr *group,
		u32 ifindex)
{
	int err;

	all_lock();
	err = join_locked(isk, group, ifindex);
	mutex_unlock(&all.lock);
	return err;
}

static int leave(struct inet_sock *isk, const struct inet_addr *group,
		 u32 ifindex)
{
	struct inet_membership *m;
	int err = 0;

	all_lock();
	m = find(isk, group, ifindex);
	if (m)
		membership_free(m);
	else
		err = -EADDRNOTAVAIL;
	mutex_unlock(&all.lock);
	return err;
}

void mcast_leave_all(struct inet_sock *isk)
{
	struct inet_membership *m, *tmp;

	if (!isk->groups.next)
		return;
	all_lock();
	list_for_each_safe (m, tmp, &isk->groups, node)
		membership_free(m);
	mutex_unlock(&all.lock);
}

/* --- /proc/net
 * ----------------------------------------------------------------------------
 */

/* The group of all hosts has no member that is a socket, and is always there.
 */
void mcast_show(struct fmt_buf *out)
{
	struct mcast_group *g;
	u32 ip, n;

	fmt_buf_add(out, "Idx\tDevice    : Count Querier\tGroup    Users "
			 "Timer\tReporter\n");
	all_lock();
	for (u32 i = 1; i <= NETDEV_COUNT; i++) {
		n = 1;
		list_for_each (g, &all.groups, node)
			n += g->ifindex == i && inet_is_v4(&g->addr);
		fmt_buf_add(out, "%u\t%-10s: %5u %7s\n", i,
			    netdev_at(i - 1)->name, n, "V3");
		list_for_each (g, &all.groups, node) {
			if (g->ifindex != i || !inet_is_v4(&g->addr))
				continue;
			memcpy(&ip, g->addr.ip + 12, 4);
			fmt_buf_add(out, "\t\t\t\t%08X %5u 0:00000000\t\t0\n",
				    ip, g->users);
		}
		fmt_buf_add(out, "\t\t\t\t%08X %5u 0:00000000\t\t0\n",
			    0x010000e0, 1U);
	}
	mutex_unlock(&all.lock);
}

static void show_v6(struct fmt_buf *out, u32 ifindex, const u8 *ip, u32 users)
{
	enum { LOADED = 4, NOREPORT = 8 }; /* MAF_* */
	bool is_local = (ip[1] & 15) < 2;  /* never leaves the interface */
	u32 flags = is_local ? NOREPORT : LOADED;

	if (!is_local && users == 0)
		flags |= NOREPORT;
	fmt_buf_add(out, "%-4u %-15s ", ifindex, netdev_at(ifindex - 1)->name);
	for (u32 i = 0; i < 16; i++)
		fmt_buf_add(out, "%02x", ip[i]);
	fmt_buf_add(out, " %5u %08X 0\n", MAX(users, 1U), flags);
}

void mcast_show_v6(struct fmt_buf *out)
{
	u8 all_nodes[16] = { 0xff, [15] = 1 };
	struct mcast_group *g;

	all_lock();
	for (u32 i = 1; i <= NETDEV_COUNT; i++) {
		list_for_each (g, &all.groups, node) {
			if (g->ifindex == i && !inet_is_v4(&g->addr))
				show_v6(out, i, g->addr.ip, g->users);
		}
		for (u8 scope = 2; scope > 0; scope--) {
			all_nodes[1] = scope;
			show_v6(out, i, all_nodes, 0);
		}
	}
	mutex_unlock(&all.lock);
}

/* --- Options
 * ----------------------------------------------------------------------------
 */

/* The interface with this number; 0: the one to the outside. 0: none such. */
static u32 device(u32 ifindex)
{
	if (ifindex == 0)
		return JIFFY_IFINDEX;
	return ifindex <= NETDEV_COUNT ? ifindex : 0;
}

/* The interface that has this IPv4 address; no address: as above. */
static u32 device_of_address(u32 ip)
{
	u8 first;

	memcpy(&first, &ip, 1);
	if (ip == 0)
		return JIFFY_IFINDEX;
	if (first == 127)
		return 1;
	return ip == netdev_ip(netdev_at(JIFFY_IFINDEX - 1)) ? JIFFY_IFINDEX
							     : 0;
}

static int change(struct inet_sock *isk, const struct inet_addr *group,
		  u32 ifindex, bool is_join)
{
	if (is_join && (!inet_is_multicast(group) ||
			(inet_is_v4(group) && group->ip[12] > 239)))
		return -EINVAL;
	if (ifindex == 0)
		return -ENODEV;
	return is_join ? join(isk, group, ifindex) : leave(isk, group, ifindex);
}

/* struct ip_mreq or ip_mreqn. */
static int change_v4(struct inet_sock *isk, const u32 *v, u32 len, bool is_join)
{
	struct inet_addr group;
	u32 ifindex;

	if (isk->sk.type == SOCK_STREAM)
		return -EPROTO;
	if (len < 8)
		return -EINVAL;
	inet_addr_v4(&group, v[0], 0);
	ifindex = len >= 12 && v[2] ? device(v[2]) : device_of_address(v[1]);
	return change(isk, &group, ifindex, is_join);
}

/* struct ipv6_mreq. */
static int change_v6(struct inet_sock *isk, const u32 *v, u32 len, bool is_join)
{
	struct inet_addr group = { .port = 0 };

	if (len < 20)
		return -EINVAL;
	if (isk->sk.type == SOCK_STREAM)
		return -EPROTO;
	memcpy(group.ip, v, 16);
	if (inet_is_v4(&group))
		return -EINVAL;
	return change(isk, &group, device(v[4]), is_join);
}

/* struct group_req: an interface and an address of either family. */
static int change_any(struct inet_sock *isk, int level, const void *value,
		      u32 len, bool is_join)
{
	struct inet_addr group;
	struct sock_addr a;
	u32 ifindex;

	if (len < 136)
		return -EINVAL;
	memcpy(&ifindex, value, 4);
	memcpy(a.bytes, (const u8 *)value + 8, SOCK_ADDR_MAX);
	a.len = SOCK_ADDR_MAX;
	if (a.family != (level == SOL_IP ? AF_INET : AF_INET6))
		return level == SOL_IP ? -EINVAL : -EADDRNOTAVAIL;
	if (inet_addr_parse(&a, AF_INET6, &group))
		return -EINVAL;
	group.port = 0;
	return change(isk, &group, device(ifindex), is_join);
}

/* IP_MULTICAST_IF: in_addr, ip_mreq or ip_mreqn. */
static int set_device_v4(struct inet_sock *isk, const u32 *v, u32 len)
{
	u32 ip, index = 0;

	if (isk->sk.type == SOCK_STREAM || len < 4)
		return -EINVAL;
	ip = len >= 8 ? v[1] : v[0];
	if (len >= 12 && v[2]) {
		index = v[2] <= NETDEV_COUNT ? v[2] : 0;
		if (!index)
			return -EADDRNOTAVAIL;
	} else if (ip) {
		index = device_of_address(ip);
		if (!index)
			return -EADDRNOTAVAIL;
	}
	isk->mcast_ifindex = index;
	isk->mcast_ip = ip;
	return 0;
}

static int set_device_v6(struct inet_sock *isk, const u32 *v, u32 len)
{
	if (isk->sk.type == SOCK_STREAM)
		return -ENOPROTOOPT;
	if (len < 4)
		return -EINVAL;
	if (v[0] > NETDEV_COUNT)
		return -ENODEV;
	isk->mcast_ifindex = v[0];
	return 0;
}

static int set_v4(struct inet_sock *isk, int name, const void *value, u32 len)
{
	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		return change_v4(isk, value, len, name == IP_ADD_MEMBERSHIP);
	case IP_MULTICAST_IF:
		return set_device_v4(isk, value, len);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return change_any(isk, SOL_IP, value, len,
				  name == MCAST_JOIN_GROUP);
	default:
		return 1;
	}
}

static int set_v6(struct inet_sock *isk, int name, const void *value, u32 len)
{
	switch (name) {
	case IPV6_ADD_MEMBERSHIP:
	case IPV6_DROP_MEMBERSHIP:
		return change_v6(isk, value, len, name == IPV6_ADD_MEMBERSHIP);
	case IPV6_MULTICAST_IF:
		return set_device_v6(isk, value, len);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return change_any(isk, SOL_IPV6, value, len,
				  name == MCAST_JOIN_GROUP);
	default:
		return 1;
	}
}

int mcast_setsockopt(struct inet_sock *isk, int level, int name,
		     const void *value, u32 len)
{
	u32 copy[34] = { 0 };

	memcpy(copy, value, MIN(len, (u32)sizeof(copy)));
	if (level == SOL_IP)
		return set_v4(isk, name, copy, len);
	if (level == SOL_IPV6 && isk->sk.domain == AF_INET6)
		return set_v6(isk, name, copy, len);
	return 1;
}

int mcast_getsockopt(struct inet_sock *isk, int level, int name, void *value,
		     u32 *len)
{
	u32 v;

	if (level == SOL_IP && name == IP_MULTICAST_IF)
		v = isk->mcast_ip;
	else if (level == SOL_IPV6 && name == IPV6_MULTICAST_IF &&
		 isk->sk.domain == AF_INET6)
		v = isk->mcast_ifindex;
	else
		return 1;
	*len = MIN(*len, 4U);
	memcpy(value, &v, *len);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lo and jiffy0, as the SIOCGIF* ioctls and /proc/net tell of them.
 */
#include "kernel/net/netdev.h"

#include "abi/boot.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/socket.h"
#include "kernel/net/sock.h"

enum {
	IFF_UP = 0x1,
	IFF_BROADCAST = 0x2,
	IFF_LOOPBACK = 0x8,
	IFF_RUNNING = 0x40,
	IFF_MULTICAST = 0x1000,
	IFF_LOWER_UP = 0x10000,
	ARPHRD_ETHER = 1,
	ARPHRD_LOOPBACK = 772,
};

static const struct netdev devices[NETDEV_COUNT] = {
	{ .name = "lo",
	  .index = 1,
	  .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP,
	  .mtu = 65536,
	  .type = ARPHRD_LOOPBACK,
	  .prefix_len = 8,
	  .has_v6_loopback = true },
	{ .name = "jiffy0",
	  .index = 2,
	  .flags = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST |
		   IFF_LOWER_UP,
	  .mtu = 1500,
	  .type = ARPHRD_ETHER,
	  .mac = { 0x02, 0x4a, 0x46, 0, 0, 1 },
	  .prefix_len = 24 },
};

struct linux_ifreq {
	char name[IFNAMSIZ];
	union {
		struct linux_sockaddr_in addr;
		struct {
			u16 family;
			u8 bytes[14];
		} hw;
		s16 flags;
		s32 value;
		u8 pad[24];
	};
};
_Static_assert(sizeof(struct linux_ifreq) == 40, "Linux ABI");

struct linux_ifconf {
	s32 len;
	u32 pad;
	u64 buf;
};

const struct netdev *netdev_at(u32 i)
{
	return &devices[i];
}

u32 netdev_index_of(const char *name)
{
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		if (strcmp(devices[i].name, name) == 0)
			return devices[i].index;
	}
	return 0;
}

u32 netdev_ip(const struct netdev *d)
{
	const u8 loopback[4] = { 127, 0, 0, 1 };
	u32 ip;

	if (d->index != 1)
		return kernel.boot->instance_ip;
	memcpy(&ip, loopback, 4);
	return ip;
}

static u32 netmask(const struct netdev *d)
{
	u32 host = d->prefix_len ? ~0U << (32 - d->prefix_len) : 0;

	return __builtin_bswap32(host);
}

static void set_addr(struct linux_ifreq *r, u32 ip)
{
	memset(&r->addr, 0, sizeof(r->addr));
	r->addr.family = AF_INET;
	memcpy(r->addr.ip, &ip, 4);
}

static long get_conf(uaddr_t arg)
{
	struct linux_ifconf c;
	struct linux_ifreq r;
	s32 used = 0;

	if (user_get(&c, arg))
		return -EFAULT;
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		if (c.buf && c.len - used < (s32)sizeof(r))
			break;
		memset(&r, 0, sizeof(r));
		str_copy(r.name, IFNAMSIZ, devices[i].name);
		set_addr(&r, netdev_ip(&devices[i]));
		if (c.buf && user_put(c.buf + (u32)used, &r))
			return -EFAULT;
		used += (s32)sizeof(r);
	}
	c.len = used;
	return user_put(arg, &c);
}

static const struct netdev *find(u32 cmd, struct linux_ifreq *r)
{
	r->name[IFNAMSIZ - 1] = 0;
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		if (cmd == SIOCGIFNAME ? devices[i].index == (u32)r->value
				       : strcmp(devices[i].name, r->name) == 0)
			return &devices[i];
	}
	return NULL;
}

static void fill(u32 cmd, const struct netdev *d, struct linux_ifreq *r)
{
	switch (cmd) {
	case SIOCGIFNAME:
		str_copy(r->name, IFNAMSIZ, d->name);
		break;
	case SIOCGIFINDEX:
		r->value = (s32)d->index;
		break;
	case SIOCGIFFLAGS:
		r->flags = (s16)d->flags;
		break;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		set_addr(r, netdev_ip(d));
		break;
	case SIOCGIFBRDADDR:
		set_addr(r, d->flags & IFF_BROADCAST
				    ? netdev_ip(d) | ~netmask(d)
				    : 0);
		break;
	case SIOCGIFNETMASK:
		set_addr(r, netmask(d));
		break;
	case SIOCGIFMTU:
		r->value = (s32)d->mtu;
		break;
	case SIOCGIFTXQLEN:
		r->value = 1000;
		break;
	case SIOCGIFMETRIC:
		r->value = 0;
		break;
	default: /* SIOCGIFHWADDR */
		memset(&r->hw, 0, sizeof(r->hw));
		r->hw.family = d->type;
		memcpy(r->hw.bytes, d->mac, sizeof(d->mac));
		break;
	}
}

long netdev_ioctl(u32 cmd, uaddr_t arg)
{
	const struct netdev *d;
	struct linux_ifreq r;

	switch (cmd) {
	case SIOCGIFCONF:
		return get_conf(arg);
	case SIOCGIFNAME:
	case SIOCGIFINDEX:
	case SIOCGIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFMTU:
	case SIOCGIFTXQLEN:
	case SIOCGIFMETRIC:
	case SIOCGIFHWADDR:
		break;
	default:
		return -ENOTTY;
	}
	if (user_get(&r, arg))
		return -EFAULT;
	d = find(cmd, &r);
	if (!d)
		return -ENODEV;
	fill(cmd, d, &r);
	return user_put(arg, &r);
}

void netdev_show(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "Inter-|   Receive                                         "
		    "       |  Transmit\n"
		    " face |bytes    packets errs drop fifo frame compressed "
		    "multicast|bytes    packets errs drop fifo colls carrier "
		    "compressed\n");
	for (u32 i = 0; i < NETDEV_COUNT; i++)
		fmt_buf_add(
			out,
			"%6s:       0       0    0    0    0     0          "
			"0         0        0       0    0    0    0     0  "
			"     0          0\n",
			devices[i].name);
}

void netdev_show_v6(struct fmt_buf *out)
{
	for (u32 i = 0; i < NETDEV_COUNT; i++) {
		if (devices[i].has_v6_loopback)
			fmt_buf_add(out,
				    "00000000000000000000000000000001 %02x 80 "
				    "10 80 %8s\n",
				    devices[i].index, devices[i].name);
	}
}

static void show_route(struct fmt_buf *out, u32 net, u32 gateway, u32 flags,
		       u32 mask)
{
	fmt_buf_add(out, "%s\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0\n",
		    devices[1].name, net, gateway, flags, mask);
}

void netdev_show_route(struct fmt_buf *out)
{
	const struct netdev *d = &devices[1];
	u32 mask = netmask(d), net = netdev_ip(d) & mask;

	fmt_buf_add(out, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\t"
			 "Metric\tMask\t\tMTU\tWindow\tIRTT\n");
	show_route(out, 0, net | 0x01000000U, 3, 0);
	show_route(out, net, 0, 1, mask);
}

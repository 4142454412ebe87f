/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of IP, IPv6, TCP and UDP. Integer options are rows of one table:
 * checked, stored, given back, and passed on to the host's socket where the row
 * says so. To add one: one row.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/net/conn.h"
#include "kernel/net/inet.h"
#include "kernel/plat/plat.h"
#include "kernel/sys/syscall.h"

enum opt_flags {
	OPT_BOOL = 1,  /* any int, stored as 0 or 1 */
	OPT_HOST = 2,  /* the host's socket should have it */
	OPT_TCP = 4,   /* only on stream sockets */
	OPT_GET = 8,   /* cannot be set */
	OPT_BYTE = 16, /* a single byte is accepted and given */
	OPT_UDP = 32,  /* only on datagram sockets */
};

struct opt_row {
	s16 level, name;
	u16 flags;
	s32 min, max, initial;
};

#define ANY INT32_MIN, INT32_MAX
#define BOOL 0, 1
#define TCP(n, f, range, init)                         \
	{                                              \
		SOL_TCP, n, OPT_TCP | (f), range, init \
	}
#define IP(n, f, range, init)                          \
	{                                              \
		SOL_IP, n, OPT_BYTE | (f), range, init \
	}
#define IP6(n, f, range, init)              \
	{                                   \
		SOL_IPV6, n, f, range, init \
	}
#define RANGE(a, b) a, b

/* clang-format off */
static const struct opt_row rows[] = {
	TCP(TCP_NODELAY,	OPT_BOOL | OPT_HOST, BOOL, 0),
	TCP(TCP_CORK,		OPT_BOOL | OPT_HOST, BOOL, 0),
	TCP(TCP_QUICKACK,	OPT_BOOL | OPT_HOST, BOOL, 1),
	TCP(TCP_KEEPIDLE,	OPT_HOST, RANGE(1, 32767), 7200),
	TCP(TCP_KEEPINTVL,	OPT_HOST, RANGE(1, 32767), 75),
	TCP(TCP_KEEPCNT,	OPT_HOST, RANGE(1, 127), 9),
	TCP(TCP_USER_TIMEOUT,	OPT_HOST, RANGE(0, INT32_MAX), 0),
	TCP(TCP_MAXSEG,		0, RANGE(0, 32767), 536),
	TCP(TCP_SYNCNT,		0, RANGE(1, 127), 6),
	TCP(TCP_LINGER2,	0, ANY, 60),
	TCP(TCP_DEFER_ACCEPT,	0, ANY, 0),
	TCP(TCP_WINDOW_CLAMP,	0, RANGE(0, INT32_MAX), 0),
	TCP(TCP_FASTOPEN,	0, RANGE(0, 65535), 0),
	TCP(TCP_FASTOPEN_CONNECT, OPT_BOOL, BOOL, 0),
	TCP(TCP_NOTSENT_LOWAT,	0, ANY, -1),
	TCP(TCP_SAVE_SYN,	0, RANGE(0, 2), 0),
	IP(IP_TOS,		0, RANGE(0, 255), 0),
	IP(IP_TTL,		0, RANGE(-1, 255), -1),
	IP(IP_PKTINFO,		OPT_BOOL, BOOL, 0),
	IP(IP_RECVTTL,		OPT_BOOL, BOOL, 0),
	IP(IP_RECVTOS,		OPT_BOOL, BOOL, 0),
	IP(IP_RECVERR,		OPT_BOOL, BOOL, 0),
	IP(IP_RECVOPTS,		OPT_BOOL, BOOL, 0),
	IP(IP_RETOPTS,		OPT_BOOL, BOOL, 0),
	IP(IP_MTU_DISCOVER,	0, RANGE(0, 5), 1),
	IP(IP_FREEBIND,		OPT_BOOL, BOOL, 0),
	IP(IP_BIND_ADDRESS_NO_PORT, OPT_BOOL, BOOL, 0),
	IP(IP_RECVORIGDSTADDR,	OPT_BOOL, BOOL, 0),
	IP(IP_MULTICAST_TTL,	OPT_UDP, RANGE(-1, 255), 1),
	IP(IP_MULTICAST_LOOP,	OPT_BOOL, BOOL, 1),
	IP(IP_MULTICAST_ALL,	OPT_BOOL, BOOL, 1),
	IP(IP_MTU,		OPT_GET, ANY, 65535),
	IP6(IPV6_V6ONLY,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVPKTINFO,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVHOPLIMIT,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVTCLASS,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVERR,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_UNICAST_HOPS,	0, RANGE(-1, 255), 64),
	IP6(IPV6_MULTICAST_HOPS, 0, RANGE(-1, 255), 1),
	IP6(IPV6_MULTICAST_LOOP, OPT_BOOL, BOOL, 1),
	IP6(IPV6_TCLASS,	0, RANGE(-1, 255), 0),
	IP6(IPV6_MTU_DISCOVER,	0, RANGE(0, 5), 1),
	IP6(IPV6_DONTFRAG,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_FREEBIND,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_AUTOFLOWLABEL, OPT_BOOL, BOOL, 1),
	IP6(IPV6_ADDR_PREFERENCES, 0, ANY, 2),
	IP6(IPV6_MTU,		OPT_GET, ANY, 65536),
	{ SOL_UDP, UDP_CORK,	OPT_BOOL | OPT_UDP, BOOL, 0 },
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(rows) <= INET_NOPTS, "opts_set has a bit per row");

static int find_row(int level, int name)
{
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].level == level && rows[i].name == name)
			return (int)i;
	}
	return -1;
}

void inet_opt_init(struct inet_sock *isk)
{
	isk->opts_set = 0;
}

static s32 row_value(const struct inet_sock *isk, int i)
{
	return isk->opts_set >> i & 1 ? isk->opts[i] : rows[i].initial;
}

s32 inet_opt_value(const struct inet_sock *isk, int level, int name)
{
	int i = find_row(level, name);

	return i < 0 ? 0 : row_value(isk, i);
}

static bool row_applies(const struct sock *sk, const struct opt_row *r)
{
	if ((r->flags & OPT_TCP) && sk->type != SOCK_STREAM)
		return false;
	if ((r->flags & OPT_UDP) && sk->type != SOCK_DGRAM)
		return false;
	return r->level != SOL_IPV6 || sk->domain == AF_INET6;
}

void inet_opt_replay(struct inet_sock *isk)
{
	static const struct {
		u32 flag;
		int name;
	} bools[] = { { SF_KEEPALIVE, SO_KEEPALIVE } };
	struct linux_linger l = { 1, isk->sk.linger };
	u32 flags = atomic_load(&isk->sk.flags);
	s32 one = 1, size;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		if ((isk->opts_set >> i & 1) && (rows[i].flags & OPT_HOST))
			plat_hfd_setsockopt(isk->hfd, rows[i].level,
					    rows[i].name, &isk->opts[i],
					    sizeof(s32));
	}
	for (u32 i = 0; i < ARRAY_SIZE(bools); i++) {
		if (flags & bools[i].flag)
			plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, bools[i].name,
					    &one, sizeof(one));
	}
	if (flags & SF_LINGER)
		plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, SO_LINGER, &l,
				    sizeof(l));
	size = (s32)isk->sk.rcvbuf / 2;
	if (isk->sk.rcvbuf != SOCK_BUF_DEFAULT)
		plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, SO_RCVBUF, &size,
				    sizeof(size));
	size = (s32)isk->sk.sndbuf / 2;
	if (isk->sk.sndbuf != SOCK_BUF_DEFAULT)
		plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, SO_SNDBUF, &size,
				    sizeof(size));
}

void inet_option_changed(struct sock *sk, int name)
{
	struct inet_sock *isk = inet_of(sk);
	u32 flags = atomic_load(&sk->flags);
	struct linux_linger l = { !!(flags & SF_LINGER), sk->linger };
	s32 value;

	if (isk->hfd < 0)
		return;
	switch (name) {
	case SO_KEEPALIVE:
		value = !!(flags & SF_KEEPALIVE);
		break;
	case SO_RCVBUF:
		value = (s32)sk->rcvbuf / 2;
		break;
	case SO_SNDBUF:
		value = (s32)sk->sndbuf / 2;
		break;
	case SO_LINGER:
		plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, SO_LINGER, &l,
				    sizeof(l));
		return;
	default:
		return;
	}
	plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, name, &value, sizeof(value));
}

static const char *level_name(int level)
{
	switch (level) {
	case SOL_IP:
		return "setsockopt SOL_IP";
	case SOL_IPV6:
		return "setsockopt SOL_IPV6";
	case SOL_TCP:
		return "setsockopt SOL_TCP";
	case SOL_UDP:
		return "setsockopt SOL_UDP";
	default:
		return "setsockopt level";
	}
}

/* Options that are not integers of the table. 1: not one of them. */
static int set_special(struct sock *sk, int level, int name, const void *value,
		       u32 len)
{
	struct inet_sock *isk = inet_of(sk);
	s32 on;

	if (level == SOL_TCP && name == TCP_CONGESTION &&
	    sk->type == SOCK_STREAM) {
		u64 n = strnlen(value, len);

		if ((n == 5 && memcmp(value, "cubic", 5) == 0) ||
		    (n == 4 && memcmp(value, "reno", 4) == 0))
			return 0;
		return -ENOENT;
	}
	if (level == SOL_IPV6 && name == IPV6_V6ONLY &&
	    sk->domain == AF_INET6) {
		int err = sockopt_int(value, len, &on);

		if (err || isk->is_bound)
			return err ? err : -EINVAL;
		isk->is_v6only = on != 0;
		return 1; /* the table keeps the value */
	}
	if ((level == SOL_IP &&
	     (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP ||
	      name == MCAST_JOIN_GROUP)) ||
	    (level == SOL_IPV6 &&
	     (name == IPV6_ADD_MEMBERSHIP || name == MCAST_JOIN_GROUP)))
		return (int)syscall_unsupported("multicast group", (u64)name,
						ENODEV);
	return 1;
}

int inet_setsockopt(struct sock *sk, int level, int name, const void *value,
		    u32 len)
{
	struct inet_sock *isk = inet_of(sk);
	int i, err = set_special(sk, level, name, value, len);
	s32 v;

	if (err <= 0)
		return err;
	i = find_row(level, name);
	if (i < 0 || !row_applies(sk, &rows[i]) || (rows[i].flags & OPT_GET))
		return (int)syscall_unsupported(level_name(level), (u64)name,
						ENOPROTOOPT);
	if ((rows[i].flags & OPT_BYTE) && len >= 1 && len < 4)
		v = *(const u8 *)value;
	else if ((err = sockopt_int(value, len, &v)) != 0)
		return err;
	if (rows[i].flags & OPT_BOOL)
		v = v != 0;
	if (v < rows[i].min || v > rows[i].max)
		return -EINVAL;
	mutex_lock(&sk->lock);
	isk->opts[i] = v;
	isk->opts_set |= 1UL << i;
	if ((rows[i].flags & OPT_HOST) && isk->hfd >= 0)
		plat_hfd_setsockopt(isk->hfd, level, name, &v, sizeof(v));
	mutex_unlock(&sk->lock);
	return 0;
}

static void local_tcp_info(struct sock *sk, struct tcp_info *info)
{
	enum { ESTABLISHED = 1, CLOSE = 7, CLOSE_WAIT = 8, LISTEN = 10 };
	u32 shut = atomic_load(&sk->shut);

	memset(info, 0, sizeof(*info));
	info->tcpi_snd_mss = 32768;
	info->tcpi_rcv_mss = 536;
	info->tcpi_snd_cwnd = 10;
	info->tcpi_pmtu = 65535;
	info->tcpi_advmss = 65483;
	info->tcpi_rto = 200000;
	info->tcpi_rtt = 20;
	info->tcpi_state = CLOSE;
	if (sk->state == SS_LISTEN) {
		info->tcpi_state = LISTEN;
		info->tcpi_unacked = sk->naccept;
		info->tcpi_sacked = sk->backlog;
	} else if (sk->state == SS_CONNECTED && shut != SHUT_BITS) {
		info->tcpi_state = shut & SHUT_BIT_RD ? CLOSE_WAIT
						      : ESTABLISHED;
	}
}

static int get_tcp_info(struct sock *sk, void *value, u32 *len)
{
	struct inet_sock *isk = inet_of(sk);
	struct tcp_info info;

	if (sk->ops == &hsock_ops)
		return plat_hfd_getsockopt(isk->hfd, SOL_TCP, TCP_INFO, value,
					   len);
	local_tcp_info(sk, &info);
	*len = MIN(*len, (u32)sizeof(info));
	memcpy(value, &info, *len);
	return 0;
}

static int get_special(struct sock *sk, int level, int name, void *value,
		       u32 *len)
{
	if (level == SOL_TCP && sk->type == SOCK_STREAM) {
		if (name == TCP_INFO)
			return get_tcp_info(sk, value, len);
		if (name == TCP_CONGESTION) {
			char cubic[16] = "cubic";

			*len = MIN(*len, (u32)sizeof(cubic));
			memcpy(value, cubic, *len);
			return 0;
		}
	}
	if (level == SOL_IP && name == IP_OPTIONS) {
		*len = 0;
		return 0;
	}
	return 1;
}

int inet_getsockopt(struct sock *sk, int level, int name, void *value, u32 *len)
{
	struct inet_sock *isk = inet_of(sk);
	int i, err = get_special(sk, level, name, value, len);
	s32 v;

	if (err <= 0)
		return err;
	i = find_row(level, name);
	if (i < 0 || !row_applies(sk, &rows[i]))
		return (int)syscall_unsupported("getsockopt", (u64)name,
						ENOPROTOOPT);
	v = row_value(isk, i);
	if (level == SOL_IP && name == IP_TTL && v == -1)
		v = 64;
	if (level == SOL_TCP && name == TCP_MAXSEG && sk->state != SS_CLOSED)
		v = 32768;
	if (level == SOL_IP && name == IP_MTU && sk->state != SS_CONNECTED)
		return -ENOTCONN;
	if ((rows[i].flags & OPT_BYTE) && *len >= 1 && *len < 4 && v >= 0 &&
	    v <= 255) {
		*(u8 *)value = (u8)v;
		*len = 1;
		return 0;
	}
	*len = MIN(*len, 4U);
	memcpy(value, &v, *len);
	return 0;
}

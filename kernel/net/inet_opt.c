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
	OPT_BOOL = 1,	 /* any int, stored as 0 or 1 */
	OPT_HOST = 2,	 /* the host's socket should have it */
	OPT_TCP = 4,	 /* only on stream sockets */
	OPT_GET = 8,	 /* cannot be set */
	OPT_BYTE = 16,	 /* a single byte is accepted and given */
	OPT_UDP = 32,	 /* only on datagram sockets */
	OPT_EMPTY = 64,	 /* too short is 0 */
	OPT_RESET = 128, /* -1 sets it back to what it was at first */
	OPT_NOSET = 256, /* setting it is not for this type: EINVAL */
	OPT_WANT = 512,	 /* it decides what a receiver wants: update_wants() */
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
#define SWITCH OPT_BOOL | OPT_EMPTY

/* clang-format off */
static const struct opt_row rows[] = {
	TCP(TCP_NODELAY,	OPT_BOOL | OPT_HOST, BOOL, 0),
	TCP(TCP_CORK,		OPT_BOOL | OPT_HOST, BOOL, 0),
	TCP(TCP_QUICKACK,	OPT_BOOL | OPT_HOST, BOOL, 1),
	TCP(TCP_KEEPIDLE,	OPT_HOST, RANGE(1, 32767), 7200),
	TCP(TCP_KEEPINTVL,	OPT_HOST, RANGE(1, 32767), 75),
	TCP(TCP_KEEPCNT,	OPT_HOST, RANGE(1, 127), 9),
	TCP(TCP_USER_TIMEOUT,	OPT_HOST, RANGE(0, INT32_MAX), 0),
	TCP(TCP_MAXSEG,		0, RANGE(88, 32767), 536),
	TCP(TCP_SYNCNT,		0, RANGE(1, 127), 6),
	TCP(TCP_LINGER2,	0, ANY, 60),
	TCP(TCP_DEFER_ACCEPT,	0, ANY, 0),
	TCP(TCP_WINDOW_CLAMP,	0, ANY, 0),
	TCP(TCP_FASTOPEN,	0, RANGE(0, INT32_MAX), 0),
	TCP(TCP_FASTOPEN_CONNECT, 0, BOOL, 0),
	TCP(TCP_FASTOPEN_NO_COOKIE, 0, BOOL, 0),
	TCP(TCP_NOTSENT_LOWAT,	OPT_HOST, ANY, 0),
	TCP(TCP_SAVE_SYN,	0, RANGE(0, 2), 0),
	TCP(TCP_THIN_LINEAR_TIMEOUTS, 0, BOOL, 0),
	TCP(TCP_INQ,		OPT_WANT, BOOL, 0),
	TCP(TCP_TX_DELAY,	OPT_GET, ANY, 0),
	IP(IP_TOS,		OPT_EMPTY, ANY, 0),
	IP(IP_TTL,		OPT_RESET, RANGE(1, 255), 64),
	IP(IP_HDRINCL,		OPT_GET, ANY, 0),
	IP(IP_ROUTER_ALERT,	OPT_NOSET, ANY, 0),
	IP(IP_PKTINFO,		SWITCH | OPT_WANT, BOOL, 0),
	IP(IP_RECVTTL,		SWITCH | OPT_WANT, BOOL, 0),
	IP(IP_RECVTOS,		SWITCH | OPT_WANT, BOOL, 0),
	IP(IP_RECVERR,		SWITCH, BOOL, 0),
	IP(IP_RECVERR_RFC4884,	OPT_EMPTY, BOOL, 0),
	IP(IP_RECVOPTS,		SWITCH, BOOL, 0),
	IP(IP_RETOPTS,		SWITCH, BOOL, 0),
	IP(IP_PASSSEC,		SWITCH, BOOL, 0),
	IP(IP_MTU_DISCOVER,	OPT_EMPTY, RANGE(0, 5), 1),
	IP(IP_FREEBIND,		OPT_BOOL, BOOL, 0),
	IP(IP_TRANSPARENT,	OPT_GET, ANY, 0),
	IP(IP_NODEFRAG,		OPT_GET, ANY, 0),
	IP(IP_RECVFRAGSIZE,	OPT_NOSET, ANY, 0),
	IP(IP_MINTTL,		OPT_GET, ANY, 0),
	IP(IP_BIND_ADDRESS_NO_PORT, OPT_BOOL | OPT_EMPTY, BOOL, 0),
	IP(IP_RECVORIGDSTADDR,	SWITCH | OPT_WANT, BOOL, 0),
	IP(IP_MULTICAST_TTL,	OPT_UDP | OPT_RESET, RANGE(0, 255), 1),
	IP(IP_MULTICAST_LOOP,	OPT_BOOL, BOOL, 1),
	IP(IP_MULTICAST_ALL,	0, BOOL, 1),
	IP(IP_MTU,		OPT_GET, ANY, 65535),
	IP6(IPV6_V6ONLY,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_2292PKTINFO,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_2292HOPLIMIT,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVPKTINFO,	OPT_BOOL | OPT_WANT, BOOL, 0),
	IP6(IPV6_RECVHOPLIMIT,	OPT_BOOL | OPT_WANT, BOOL, 0),
	IP6(IPV6_RECVTCLASS,	OPT_BOOL | OPT_WANT, BOOL, 0),
	IP6(IPV6_RECVERR,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_RECVERR_RFC4884, 0, BOOL, 0),
	IP6(IPV6_RECVORIGDSTADDR, OPT_BOOL | OPT_WANT, BOOL, 0),
	IP6(IPV6_UNICAST_HOPS,	OPT_RESET, RANGE(0, 255), 64),
	IP6(IPV6_MULTICAST_HOPS, OPT_UDP | OPT_RESET, RANGE(0, 255), 1),
	IP6(IPV6_MULTICAST_LOOP, 0, BOOL, 1),
	IP6(IPV6_MULTICAST_ALL,	OPT_BOOL, BOOL, 1),
	IP6(IPV6_TCLASS,	OPT_RESET, RANGE(0, 255), 0),
	IP6(IPV6_MTU_DISCOVER,	0, RANGE(0, 5), 1),
	IP6(IPV6_DONTFRAG,	OPT_BOOL | OPT_EMPTY, BOOL, 0),
	IP6(IPV6_FREEBIND,	OPT_BOOL, BOOL, 0),
	IP6(IPV6_AUTOFLOWLABEL, OPT_BOOL | OPT_EMPTY, BOOL, 1),
	{ SOL_UDP, UDP_CORK,	OPT_BOOL | OPT_UDP, BOOL, 0 },
};
#undef TCP
#undef IP
#undef IP6
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
	if (isk->opts_set >> i & 1)
		return isk->opts[i];
	if (rows[i].level == SOL_IP && rows[i].name == IP_MULTICAST_ALL)
		return isk->sk.domain == AF_INET;
	return rows[i].initial;
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
	if (isk->sk.rcvbuf != TCP_RCVBUF_DEFAULT)
		plat_hfd_setsockopt(isk->hfd, SOL_SOCKET, SO_RCVBUF, &size,
				    sizeof(size));
	size = (s32)isk->sk.sndbuf / 2;
	if (isk->sk.sndbuf != TCP_SNDBUF_DEFAULT)
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

static int set_congestion(const void *value, u32 len)
{
	u64 n = strnlen(value, len);

	if (len == 0)
		return -EINVAL;
	if ((n == 5 && memcmp(value, "cubic", 5) == 0) ||
	    (n == 4 && memcmp(value, "reno", 4) == 0))
		return 0;
	return -ENOENT;
}

static int set_v6only(struct inet_sock *isk, const void *value, u32 len)
{
	s32 on;
	int err = sockopt_int(value, len, &on);

	if (err || isk->is_bound)
		return err ? err : -EINVAL;
	isk->is_v6only = on != 0;
	return 1; /* the table keeps the value */
}

/* How much of a datagram the checksum covers: the header at least; 0: all. */
static int set_udplite(struct inet_sock *isk, int name, const void *value)
{
	s32 v;

	memcpy(&v, value, sizeof(v));
	v = v && v < 8 ? 8 : MIN(v, 65535);
	switch (name) {
	case UDPLITE_SEND_CSCOV:
		isk->cscov_out = v;
		return 0;
	case UDPLITE_RECV_CSCOV:
		isk->cscov_in = v;
		return 0;
	default:
		return 1;
	}
}

/* Options that are not integers of the table. 1: not one of them. */
static int set_special(struct sock *sk, int level, int name, const void *value,
		       u32 len)
{
	if (level == SOL_TCP && sk->type == SOCK_STREAM) {
		switch (name) {
		case TCP_CONGESTION:
			return set_congestion(value, len);
		case TCP_ULP: /* no protocol above TCP */
			return len ? -ENOENT : -EINVAL;
		case TCP_REPAIR:
		case TCP_REPAIR_QUEUE:
		case TCP_QUEUE_SEQ:
		case TCP_TIMESTAMP:
		case TCP_REPAIR_WINDOW:
			return len < sizeof(s32) ? -EINVAL : -EPERM;
		default:
			return len < sizeof(s32) ? -EINVAL : 1;
		}
	}
	if ((level == SOL_UDP || level == SOL_UDPLITE) &&
	    sk->type == SOCK_DGRAM) {
		if (len < sizeof(s32))
			return -EINVAL;
		return inet_is_udplite(sk)
			       ? set_udplite(inet_of(sk), name, value)
			       : 1;
	}
	if (level == SOL_IPV6 && name == IPV6_V6ONLY && sk->domain == AF_INET6)
		return set_v6only(inet_of(sk), value, len);
	if (level == SOL_IP && name == IP_TRANSPARENT)
		return len ? -EPERM : -EINVAL;
	if (level == SOL_IP && name == IP_OPTIONS && len == 0)
		return 0;
	return mcast_setsockopt(inet_of(sk), level, name, value, len);
}

/* What Linux stores of a value that is within the limits, per option. */
static int adjust(struct sock *sk, const struct opt_row *r, s32 *v)
{
	s32 n = 1;

	if (r->level == SOL_IP && r->name == IP_TOS) {
		*v &= 0xff;
		if (sk->type == SOCK_STREAM)
			*v &= ~3;
	} else if (r->level == SOL_IPV6 && r->name == IPV6_TCLASS) {
		if (sk->type == SOCK_STREAM)
			*v &= ~3;
	} else if (r->level != SOL_TCP) {
		return 0;
	} else if (r->name == TCP_LINGER2) {
		*v = *v < 0 ? -1 : *v > 120 ? 120 : *v == 0 ? 60 : *v;
	} else if (r->name == TCP_DEFER_ACCEPT) {
		/* Seconds become retransmissions, which double: 1, 3, 7... */
		while (*v > n && n < (1 << 30))
			n = n < 127 ? 2 * n + 1 : n + 120;
		*v = *v <= 0 ? 0 : n;
	} else if (r->name == TCP_WINDOW_CLAMP) {
		if (*v == 0)
			return sk->state == SS_CLOSED ? 0 : -EINVAL;
		*v = *v < 1152 ? 1152 : *v;
	} else if (r->name == TCP_FASTOPEN) {
		*v = MIN(*v, SOCK_MAX_BACKLOG);
	}
	return 0;
}

static int parse_value(const struct opt_row *r, const void *value, u32 len,
		       s32 *v)
{
	if (len >= sizeof(s32) || !(r->flags & (OPT_BYTE | OPT_EMPTY)))
		return sockopt_int(value, len, v);
	if (len == 0 && !(r->flags & OPT_EMPTY))
		return -EINVAL;
	*v = len && (r->flags & OPT_BYTE) ? *(const u8 *)value : 0;
	return 0;
}

static void update_wants(struct inet_sock *isk)
{
	static const struct {
		s16 level, name;
		u16 want;
	} map[] = {
		{ SOL_IP, IP_PKTINFO, WANT_PKTINFO },
		{ SOL_IP, IP_RECVTTL, WANT_TTL },
		{ SOL_IP, IP_RECVTOS, WANT_TOS },
		{ SOL_IP, IP_RECVORIGDSTADDR, WANT_ORIGDST },
		{ SOL_IPV6, IPV6_RECVPKTINFO, WANT_PKTINFO6 },
		{ SOL_IPV6, IPV6_RECVHOPLIMIT, WANT_HOPLIMIT },
		{ SOL_IPV6, IPV6_RECVTCLASS, WANT_TCLASS },
		{ SOL_IPV6, IPV6_RECVORIGDSTADDR, WANT_ORIGDST6 },
		{ SOL_TCP, TCP_INQ, WANT_INQ },
	};
	u32 wants = 0;

	for (u32 i = 0; i < ARRAY_SIZE(map); i++) {
		if (inet_opt_value(isk, map[i].level, map[i].name))
			wants |= map[i].want;
	}
	isk->wants = wants;
}

int inet_setsockopt(struct sock *sk, int level, int name, const void *value,
		    u32 len)
{
	struct inet_sock *isk = inet_of(sk);
	int i, err = set_special(sk, level, name, value, len);
	const struct opt_row *r;
	s32 v;

	if (err <= 0)
		return err;
	i = find_row(level, name);
	if (i < 0 || !row_applies(sk, &rows[i]) || (rows[i].flags & OPT_GET))
		return (int)syscall_unsupported(level_name(level), (u64)name,
						ENOPROTOOPT);
	r = &rows[i];
	err = r->flags & OPT_NOSET ? -EINVAL : parse_value(r, value, len, &v);
	if (err)
		return err;
	if (r->flags & OPT_BOOL)
		v = v != 0;
	else if ((v == -1 && (r->flags & OPT_RESET)) ||
		 (v == 0 && level == SOL_TCP && name == TCP_MAXSEG))
		v = r->initial;
	else if (v < r->min || v > r->max)
		return -EINVAL;
	err = adjust(sk, r, &v);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	isk->opts[i] = v;
	isk->opts_set |= 1UL << i;
	if (r->flags & OPT_WANT)
		update_wants(isk);
	if ((r->flags & OPT_HOST) && isk->hfd >= 0)
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

/* Empty answers: there is nothing of the kind. */
static int get_nothing(u32 *len)
{
	*len = 0;
	return 0;
}

static int get_tcp_special(struct sock *sk, int name, void *value, u32 *len)
{
	char cubic[16] = "cubic";

	switch (name) {
	case TCP_INFO:
		return get_tcp_info(sk, value, len);
	case TCP_CONGESTION:
		*len = MIN(*len, (u32)sizeof(cubic));
		memcpy(value, cubic, *len);
		return 0;
	case TCP_ULP:
	case TCP_SAVED_SYN:
	case TCP_FASTOPEN_KEY:
		return get_nothing(len);
	case TCP_REPAIR_QUEUE:
	case TCP_QUEUE_SEQ:
	case TCP_REPAIR_WINDOW:
		return -EINVAL;
	default:
		return 1;
	}
}

static int get_udplite(const struct inet_sock *isk, int name, void *value,
		       u32 *len)
{
	s32 v;

	switch (name) {
	case UDPLITE_SEND_CSCOV:
		v = isk->cscov_out;
		break;
	case UDPLITE_RECV_CSCOV:
		v = isk->cscov_in < 0 ? 0 : isk->cscov_in;
		break;
	default:
		return 1;
	}
	*len = MIN(*len, (u32)sizeof(v));
	memcpy(value, &v, *len);
	return 0;
}

static int get_special(struct sock *sk, int level, int name, void *value,
		       u32 *len)
{
	if (level == SOL_TCP && sk->type == SOCK_STREAM)
		return get_tcp_special(sk, name, value, len);
	if ((level == SOL_UDP || level == SOL_UDPLITE) && inet_is_udplite(sk))
		return get_udplite(inet_of(sk), name, value, len);
	if (level == SOL_IP && (name == IP_OPTIONS || name == IP_PKTOPTIONS))
		return get_nothing(len);
	if (level == SOL_IPV6 && sk->domain == AF_INET6 &&
	    (name == IPV6_HOPOPTS || name == IPV6_RTHDRDSTOPTS ||
	     name == IPV6_RTHDR || name == IPV6_DSTOPTS ||
	     name == IPV6_2292PKTOPTIONS))
		return get_nothing(len);
	return mcast_getsockopt(inet_of(sk), level, name, value, len);
}

/* Linux has one error for a level that is not the socket's and one for an
 * option that the level does not have. */
static int no_option(const struct sock *sk, int level)
{
	int own = sk->type == SOCK_STREAM ? SOL_TCP : SOL_UDP;

	return sk->domain == AF_INET && level != SOL_IP && level != own
		       ? EOPNOTSUPP
		       : ENOPROTOOPT;
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
						no_option(sk, level));
	v = row_value(isk, i);
	if (level == SOL_TCP && name == TCP_MAXSEG && sk->state != SS_CLOSED)
		v = 32768;
	if (level == SOL_IP && name == IP_MTU && sk->state != SS_CONNECTED)
		return -ENOTCONN;
	if ((rows[i].flags & OPT_BYTE) && level == SOL_IP && *len >= 1 &&
	    *len < 4 && v >= 0 && v <= 255) {
		*(u8 *)value = (u8)v;
		*len = 1;
		return 0;
	}
	*len = MIN(*len, 4U);
	memcpy(value, &v, *len);
	return 0;
}

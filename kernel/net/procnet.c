/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net: sockets and interfaces as text.
 */
#include "kernel/fs/procfs.h"
#include "kernel/kernel.h"
#include "kernel/net/inet.h"
#include "kernel/net/netdev.h"
#include "kernel/net/sock.h"

static void put_v4(struct fmt_buf *out, const struct inet_addr *a)
{
	u32 ip;

	memcpy(&ip, a->ip + 12, 4);
	fmt_buf_add(out, "%08X:%04X ", ip, a->port);
}

static void put_v6(struct fmt_buf *out, const struct inet_addr *a)
{
	u32 w[4];

	memcpy(w, a->ip, 16);
	fmt_buf_add(out, "%08X%08X%08X%08X:%04X ", w[0], w[1], w[2], w[3],
		    a->port);
}

u32 inet_state(const struct inet_sock *s)
{
	if (s->sk.type == SOCK_DGRAM)
		return s->sk.state == SS_CONNECTED ? 1 : 7;
	enum { ESTABLISHED = 1, FIN_WAIT2 = 5, TIME_WAIT, CLOSE, CLOSE_WAIT };

	switch (s->sk.state) {
	case SS_LISTEN:
		return 10;
	case SS_CONNECTED:
		switch (atomic_load(&s->sk.shut) & SHUT_BITS) {
		case 0:
			return ESTABLISHED;
		case SHUT_BIT_RD:
			return CLOSE_WAIT;
		case SHUT_BIT_WR:
			return FIN_WAIT2;
		default:
			return s->is_active_closer ? TIME_WAIT : CLOSE;
		}
	case SS_CONNECTING:
		return 2;
	default:
		return s->is_active_closer ? TIME_WAIT : CLOSE;
	}
}

static void show_row(struct fmt_buf *out, u32 n, struct inet_sock *s)
{
	bool v6 = s->sk.domain == AF_INET6;

	fmt_buf_add(out, "%4u: ", n);
	(v6 ? put_v6 : put_v4)(out, &s->local);
	(v6 ? put_v6 : put_v4)(out, &s->remote);
	fmt_buf_add(out,
		    "%02X %08X:%08X 00:00000000 00000000 %5u        0 %lu %u "
		    "%016lx 100 0 0 10 0\n",
		    inet_state(s), 0,
		    s->sk.state == SS_LISTEN ? s->sk.naccept
					     : (u32)s->sk.msg_bytes,
		    s->sk.cred.uid, s->sk.ino, atomic_load(&s->sk.ref.count),
		    (u64)s);
}

static void show_heading(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "  sl  local_address rem_address   st tx_queue rx_queue tr "
		    "tm->when retrnsmt   uid  timeout inode\n");
}

void tcp4_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&tcp_ports, AF_INET, out, show_row);
}

void tcp6_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&tcp_ports, AF_INET6, out, show_row);
}

void udp4_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&udp_ports, AF_INET, out, show_row);
}

void udp6_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&udp_ports, AF_INET6, out, show_row);
}

static void udplite4_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&udplite_ports, AF_INET, out, show_row);
}

static void udplite6_show(struct fmt_buf *out)
{
	show_heading(out);
	port_show(&udplite_ports, AF_INET6, out, show_row);
}

static void sockstat_show(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "sockets: used %lu\n"
		    "TCP: inuse %u orphan 0 tw %u alloc %u mem 0\n"
		    "UDP: inuse %u mem 0\nUDPLITE: inuse %u\nRAW: inuse 0\n"
		    "FRAG: inuse 0 memory 0\n",
		    sock_count(), port_count(&tcp_ports),
		    port_count_lingering(&tcp_ports), port_count(&tcp_ports),
		    port_count(&udp_ports), port_count(&udplite_ports));
}

/* Nothing inside is sent as packets, so there are none to count; what is
 * constant or known is told. */
static void snmp_show(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "Ip: Forwarding DefaultTTL InReceives InHdrErrors "
		    "InAddrErrors ForwDatagrams InUnknownProtos InDiscards "
		    "InDelivers OutRequests OutDiscards OutNoRoutes "
		    "ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs "
		    "FragFails FragCreates\n"
		    "Ip: 2 64 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fmt_buf_add(out,
		    "Icmp: InMsgs InErrors InCsumErrors OutMsgs OutErrors\n"
		    "Icmp: 0 0 0 0 0\n");
	fmt_buf_add(out,
		    "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens "
		    "PassiveOpens AttemptFails EstabResets CurrEstab InSegs "
		    "OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
		    "Tcp: 1 200 120000 -1 0 0 0 0 %u 0 0 0 0 0 0\n",
		    2 * port_count_children(&tcp_ports));
	fmt_buf_add(out, "Udp: InDatagrams NoPorts InErrors OutDatagrams "
			 "RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti "
			 "MemErrors\n"
			 "Udp: 0 0 0 0 0 0 0 0 0\n");
}

static void netstat_show(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed "
		    "TW ListenOverflows ListenDrops\n"
		    "TcpExt: 0 0 0 %u 0 0\n",
		    port_count_lingering(&tcp_ports));
	fmt_buf_add(out, "IpExt: InNoRoutes InTruncatedPkts InOctets "
			 "OutOctets\nIpExt: 0 0 0 0\n");
}

void net_init(void)
{
	inet_start();
	procfs_net_register("unix", unix_show);
	procfs_net_register("tcp", tcp4_show);
	procfs_net_register("tcp6", tcp6_show);
	procfs_net_register("udp", udp4_show);
	procfs_net_register("udp6", udp6_show);
	procfs_net_register("udplite", udplite4_show);
	procfs_net_register("udplite6", udplite6_show);
	procfs_net_register("sockstat", sockstat_show);
	procfs_net_register("snmp", snmp_show);
	procfs_net_register("netstat", netstat_show);
	procfs_net_register("dev", netdev_show);
	procfs_net_register("if_inet6", netdev_show_v6);
	procfs_net_register("route", netdev_show_route);
	procfs_net_register("igmp", mcast_show);
	procfs_net_register("igmp6", mcast_show_v6);
}

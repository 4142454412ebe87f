/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/net: the tables of the network. What no subsystem has registered
 * is an empty table with its heading.
 */
#include "kernel/fs/procfs_int.h"

#define NET_MAX 32

static struct {
	struct mutex lock;
	u32 count;
	struct {
		const char *name;
		void (*show)(struct fmt_buf *out);
	} tables[NET_MAX];
} net;

void procfs_net_register(const char *name, void (*show)(struct fmt_buf *out))
{
	mutex_lock(&net.lock);
	kassert(net.count < NET_MAX);
	net.tables[net.count].name = name;
	net.tables[net.count].show = show;
	net.count++;
	mutex_unlock(&net.lock);
}

static int show_net(struct fmt_buf *out, const struct pseudo_node *n)
{
	const char *name = n->row->path;

	for (u32 i = 0; i < net.count; i++) {
		if (strcmp(net.tables[i].name, name) == 0) {
			net.tables[i].show(out);
			return 0;
		}
	}
	if (n->row->text)
		fmt_buf_add(out, "%s", n->row->text);
	return 0;
}

#define NET(name, heading)                                                 \
	{                                                                  \
		.path = (name), .mode = TYPE_REG | 0444, .show = show_net, \
		.text = (heading)                                          \
	}
#define INET_TAIL                                                    \
	"  sl  local_address rem_address   st tx_queue rx_queue tr " \
	"tm->when retrnsmt   uid  timeout inode"
#define INET6_TAIL                                                   \
	"  sl  local_address                         remote_address" \
	"                        st tx_queue rx_queue tr tm->when "  \
	"retrnsmt   uid  timeout inode"
#define DEV_HEADING                                                     \
	"Inter-|   Receive                                            " \
	"    |  Transmit\n"                                             \
	" face |bytes    packets errs drop fifo frame compressed "      \
	"multicast|bytes    packets errs drop fifo colls carrier "      \
	"compressed\n"
#define DEV_LO                                                     \
	"    lo:       0       0    0    0    0     0          0"  \
	"         0        0       0    0    0    0     0       0" \
	"          0\n"
#define ROUTE_HEADING                                                \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\t" \
	"Mask\t\tMTU\tWindow\tIRTT\n"

/* clang-format off */
static const struct pseudo_row net_rows[] = {
	NET("arp", "IP address       HW type     Flags       HW address"
		   "            Mask     Device\n"),
	NET("dev", DEV_HEADING DEV_LO),
	NET("fib_trie", NULL),
	NET("if_inet6", "00000000000000000000000000000001 01 80 10 80"
			"       lo\n"),
	NET("igmp", NULL),
	NET("igmp6", NULL),
	NET("ipv6_route", NULL),
	NET("netlink", "sk               Eth Pid        Groups   Rmem"
		       "     Wmem     Dump  Locks    Drops    Inode\n"),
	NET("netstat", NULL),
	NET("packet", "sk       RefCnt Type Proto  Iface R Rmem   User   "
		      "Inode\n"),
	NET("protocols", NULL),
	NET("raw", INET_TAIL " ref pointer drops\n"),
	NET("raw6", INET6_TAIL " ref pointer drops\n"),
	NET("route", ROUTE_HEADING),
	NET("snmp", NULL),
	NET("snmp6", NULL),
	NET("sockstat", "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 "
			"mem 0\nUDP: inuse 0 mem 0\nRAW: inuse 0\n"
			"FRAG: inuse 0 memory 0\n"),
	NET("sockstat6", "TCP6: inuse 0\nUDP6: inuse 0\nRAW6: inuse 0\n"
			 "FRAG6: inuse 0 memory 0\n"),
	NET("tcp", INET_TAIL "\n"),
	NET("tcp6", INET6_TAIL "\n"),
	NET("udp", INET_TAIL " ref pointer drops\n"),
	NET("udp6", INET6_TAIL " ref pointer drops\n"),
	NET("udplite", INET_TAIL " ref pointer drops\n"),
	NET("udplite6", INET6_TAIL " ref pointer drops\n"),
	NET("unix", "Num       RefCount Protocol Flags    Type St Inode "
		    "Path\n"),
	NET("wireless", NULL),
};
/* clang-format on */

static const struct pseudo_table net_table = {
	.name = "proc/net",
	.rows = net_rows,
	.nrows = ARRAY_SIZE(net_rows),
};

const struct pseudo_dir procfs_net_dir = {
	.table = &net_table,
};

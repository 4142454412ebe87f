# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += kernel/net/sock.c kernel/net/sockopt.c kernel/net/stream.c \
	kernel/net/msg.c kernel/net/conn.c kernel/net/scm.c \
	kernel/net/scm_gc.c kernel/net/unix.c kernel/net/unix_name.c \
	kernel/net/unix_dgram.c kernel/net/inet.c kernel/net/inet_addr.c \
	kernel/net/inet_opt.c kernel/net/port.c kernel/net/tcp.c \
	kernel/net/udp.c kernel/net/udp_msg.c kernel/net/mcast.c kernel/net/raw.c \
	kernel/net/broker.c kernel/net/hsock.c kernel/net/activity.c \
	kernel/net/netlink.c kernel/net/sockdiag.c kernel/net/netdev.c kernel/net/procnet.c

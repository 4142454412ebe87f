/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside sockets: hfds on the TCP/IP stack's connections. All of a socket is
 * under net_lock, but for what says otherwise; the stack's callbacks run with
 * it held.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_SOCKET_H
#define JIFFY_KERNEL_PLAT_PC_SOCKET_H

#include "kernel/plat/pc/hfd.h"
#include "kernel/plat/pc/net.h"

struct pbuf;
struct tcp_pcb;
struct udp_pcb;

struct datagram {
	struct list node;
	struct pbuf *p;
	u8 from[28]; /* Linux's sockaddr */
	u32 from_len;
};

struct socket {
	int hfd;
	struct tcp_pcb *tcp; /* NULL: gone */
	struct udp_pcb *udp;
	bool is_listener, is_connecting, is_connected;
	bool is_eof, no_read, no_write;
	bool is_nodelay, is_corked;
	bool wants_room; /* somebody was told that there is none */
	u16 segment;	 /* bytes that the stack may send as one */
	u16 mss;	 /* bytes of those that arrive as one */
	s32 linger;	 /* seconds; -1: off */
	int error;	 /* errno, told once */
	/* TCP: what has come, linked by `next` alone; `used` bytes of the first
	 * are taken already, `left` are not in all. */
	struct pbuf *rx, *rx_last;
	u32 used, left;
	struct mutex rx_lock; /* who reads; before net_lock */
	struct list accepted; /* a listener's: sockets, by node */
	struct list node;
	struct list datagrams;
	u32 ndatagrams;
};

/* An errno for one of the stack's errors. */
int socket_errno(s8 err);
void socket_drop(struct socket *s, struct datagram *d);
/* sockdata.c: send what waits, unless it is too little to be sent alone. */
void socket_push(struct socket *s);
/* Enough for a writer to go on. */
bool socket_has_room(const struct socket *s);

#endif

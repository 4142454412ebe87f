/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What UDP's files share: the ancillary data of its datagrams and the queue of
 * errors.
 */
#ifndef JIFFY_KERNEL_NET_UDP_H
#define JIFFY_KERNEL_NET_UDP_H

#include "kernel/net/inet.h"
#include "kernel/net/msg.h"

#define UDP_DATA_MAX 65507

/* How a datagram goes out: options and control messages of the sender. */
struct udp_how {
	struct inet_addr src; /* port 0; no address: as the socket has it */
	u32 ifindex;	      /* 0: any */
	s32 ttl, tos;	      /* -1: the socket's */
};

/* Read the control messages of a send. -EINVAL, -EFAULT, -EPERM... */
int udp_control_in(struct inet_sock *isk, const struct sock_msg *m,
		   struct udp_how *how);
/* Fill in ttl and tos of a datagram to `to` from the socket's options. */
void udp_fill_how(struct inet_sock *isk, const struct inet_addr *to,
		  struct udp_how *how);
/* What a receiver asked to be told of a datagram that came from inside. */
void udp_control_out(struct inet_sock *isk, struct sock_msg *m,
		     const struct msg *msg);
/* The same for one from outside, whose header is not known. */
void udp_control_outside(struct inet_sock *isk, struct sock_msg *m,
			 const u8 *to_ip);

/* Nobody was there for msg (taken over): tell the sender, if it is to know. */
void udp_refused(struct inet_sock *isk, const struct inet_addr *to,
		 struct msg *msg);
/* recvmsg(MSG_ERRQUEUE). */
s64 udp_recv_error(struct inet_sock *isk, struct sock_msg *m);
void udp_drop_errors(struct inet_sock *isk);

#endif

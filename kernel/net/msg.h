/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of whole messages: datagram and seqpacket sockets, netlink. A message
 * is one allocation, counted against its sender (AF_UNIX) or its receiver.
 */
#ifndef JIFFY_KERNEL_NET_MSG_H
#define JIFFY_KERNEL_NET_MSG_H

#include "kernel/net/sock.h"

struct msg {
	struct list node;    /* in sock.msgs, under rx_lock */
	struct sock *sender; /* reference, whose wmem it counts in, or NULL */
	void *unix_from;     /* struct unix_name, reference (unix.c), or NULL */
	struct scm scm;	     /* files are in flight */
	u32 len, size;	     /* of data; what is charged */
	u8 from_ip[16];	     /* inet: source and destination */
	u8 to_ip[16];
	u16 from_port, to_port;
	u8 ttl, tos;
	u32 ifindex;
	nsec_t stamp; /* when it was queued, or 0: nobody asked */
	u8 data[];
};

#define MSG_BYTES_MAX (SOCK_BUF_DEFAULT - 32)

/* A message with n bytes of u in it. -ENOMEM, -EFAULT. */
int msg_new(struct uio *u, u64 n, struct msg **m);
/* Free m, uncount it, wake its sender; files go to dead. */
void msg_free(struct msg *m, struct list *dead);
/* May `sender` have one more message of n bytes queued? */
bool msg_charge_ok(struct sock *sender, u64 n);
/* Queue m at sk, charged to `sender` (NULL: nobody). rx_lock held. */
void msg_queue(struct sock *sk, struct msg *m, struct sock *sender);
/* Take the first message off, sleeping for one: -EAGAIN, 0 with *m NULL at the
 * end of input, or *m. With MSG_PEEK *m stays queued and rx_lock is held on
 * return. */
int msg_wait(struct sock *sk, u32 flags, struct msg **m);
/* Copy a message out; the result of recvmsg, sets MSG_TRUNC. With MSG_PEEK and
 * SO_PEEK_OFF *m may be a later one, and `skip` bytes of it are left out. */
s64 msg_copy(struct sock *sk, const struct msg *m, struct sock_msg *out);
/* The rest of a receive after msg_wait(), of messages that carry no files: copy
 * out, then free m, or leave it queued and unlock rx_lock with MSG_PEEK. */
s64 msg_finish(struct sock *sk, struct msg *m, struct sock_msg *out);
/* Tell the receiver when it came and what was lost before, if it wants. */
void msg_put_stamps(struct sock *sk, struct sock_msg *out, nsec_t stamp);
/* Drop all that is queued. */
void msg_purge(struct sock *sk);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connected streams inside the instance: what AF_UNIX and TCP on local
 * addresses have in common. Each end owns the ring of what it will read; the
 * writer works under the reader's rx_lock. The ends hold references on each
 * other until they are closed.
 */
#ifndef JIFFY_KERNEL_NET_CONN_H
#define JIFFY_KERNEL_NET_CONN_H

#include "kernel/net/sock.h"

/* sk is connected (peer set). is_tcp differences: a write to a closed peer is
 * lost once before it fails; shut reading does not stop the peer. */
s64 conn_send(struct sock *sk, struct sock_msg *m);
s64 conn_recv(struct sock *sk, struct sock_msg *m);
s64 conn_read(struct sock *sk, struct uio *u, bool nonblock);
s64 conn_write(struct sock *sk, struct uio *u, bool nonblock);
/* Data and room as poll bits, registering nothing. */
u32 conn_ready(struct sock *sk);
/* Bits of SHUT_BIT_*: on this side, and mirrored on the peer's. */
void conn_shutdown(struct sock *sk, u32 bits);
/* Part from the peer. reset: it is to see ECONNRESET even if all was read. */
void conn_close(struct sock *sk, bool reset);
/* Make two sockets peers, both connected; takes references. */
void conn_join(struct sock *a, struct sock *b);
/* The most bytes that may wait on the way from sk. */
u64 conn_limit(const struct sock *sk);

/* Take the first of the accept queue, sleeping for it. */
int conn_accept(struct sock *sk, bool nonblock, struct sock **new_sk);
/* Under sk->lock: append a connected child (reference taken over). */
void conn_offer(struct sock *sk, struct sock *child);
/* The listener goes: refuse all that wait in it. */
void conn_refuse_all(struct sock *sk);
long conn_ioctl(struct sock *sk, u32 cmd, uaddr_t arg);

static inline bool sock_is_inet(const struct sock *sk)
{
	return sk->domain != AF_UNIX;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX: names and the struct shared by unix.c, unix_name.c, unix_dgram.c.
 */
#ifndef JIFFY_KERNEL_NET_UNIX_H
#define JIFFY_KERNEL_NET_UNIX_H

#include "kernel/net/sock.h"

struct unix_name { /* immutable; abstract ones are in the table while bound */
	struct ref ref;
	struct list node;
	struct sock *owner; /* who bound it; valid under the table's lock */
	u32 hash;
	u32 len; /* of addr, with the family */
	struct linux_sockaddr_un addr;
};

struct unix_sock {
	struct sock sk;
	struct unix_name *name; /* NULL unbound; set once, under sk.lock */
	struct path path;	/* of a name in the file system */
	bool has_path;
	struct list all_node; /* under the table's lock */
};

static inline struct unix_sock *unix_of(struct sock *sk)
{
	return container_of(sk, struct unix_sock, sk);
}

void unix_name_get(struct unix_name *n);
void unix_name_put(void *n);
/* name -> *a; NULL: no name. */
void unix_name_addr(const struct unix_name *n, struct sock_addr *a);
/* The socket with this address, with a reference. -ECONNREFUSED, -EPROTOTYPE
 * (another type), -EACCES, -ENOENT, -EINVAL. */
int unix_find(const struct sock_addr *a, u32 type, struct sock **sk);
int unix_bind(struct sock *sk, const struct sock_addr *a);
/* A name of the kernel's choice, if it has none and wants credentials (or
 * always). */
int unix_autobind(struct sock *sk, bool only_passcred);
int unix_name_get_addr(struct sock *sk, bool peer, struct sock_addr *a);
/* The socket exists / is closed: in the list, its name given up. */
void unix_enlist(struct unix_sock *u);
/* fn for every socket, with the table of names locked. */
void unix_walk(void (*fn)(void *arg, struct unix_sock *u), void *arg);
void unix_unname(struct unix_sock *u);

/* Credentials go along if either side asked for them. */
void unix_add_cred(struct sock *sk, const struct sock *other, struct scm *scm);
/* Read the control buffer and count the files. */
int unix_scm_in(struct sock *sk, struct sock_msg *m);
/* The call failed: give back what was not queued. */
void unix_scm_undo(struct sock_msg *m);

extern const struct sock_ops unix_stream_ops, unix_dgram_ops,
	unix_seqpacket_ops;
/* Stream and seqpacket. */
int unix_connect(struct sock *sk, const struct sock_addr *a, bool nonblock);
int unix_listen(struct sock *sk, int backlog);
int unix_accept(struct sock *sk, bool nonblock, struct sock **new_sk,
		struct sock_addr *a);
int unix_shutdown(struct sock *sk, int how);
void unix_close(struct sock *sk);
void unix_free(struct sock *sk);

#endif

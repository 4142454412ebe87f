/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels beside the bytes of AF_UNIX sockets: open files and the sender's
 * credentials. Files in flight are counted, so that cycles of sockets queued
 * in each other are found and collected (scm_gc.c).
 */
#ifndef JIFFY_KERNEL_NET_SCM_H
#define JIFFY_KERNEL_NET_SCM_H

#include "kernel/linux/socket.h"
#include "lib/list.h"

struct file;
struct sock;

struct scm_files {
	struct list node; /* on a list of the dead */
	u32 n;
	u32 uid;	     /* of the sender, whose limit it counts against */
	struct file *file[]; /* references */
};

struct scm {
	struct scm_files *files; /* NULL: none */
	struct linux_ucred cred;
	bool has_cred;
};

struct stream_mark { /* bytes [start, end) carry this */
	struct list node;
	u64 start, end;
	struct scm_files *files;
	struct linux_ucred cred;
	bool has_cred;
};

/* Send side: parse a control buffer of the program. Files become references in
 * scm->files, not in flight yet. -EINVAL, -EBADF, -EPERM, -ENOMEM. */
int scm_send(struct scm *scm, uaddr_t control, u64 len);
void scm_current_cred(struct linux_ucred *cred);
/* The files are about to be queued: count them. -ETOOMANYREFS. */
int scm_begin_flight(struct scm_files *f);
/* They have been taken off a queue by a receiver, who now owns them. */
void scm_end_flight(struct scm_files *f);
/* A second set of references (MSG_PEEK), not in flight; NULL: no memory. */
struct scm_files *scm_dup(const struct scm_files *f);
/* After a peek that gave files, before they are used: wait for a collector that
 * may have counted without them. No socket lock held. */
void scm_peek_barrier(void);
/* Drop references; not in flight. */
void scm_free(struct scm_files *f);
/* Drop sets that are in flight and off their queues. Never recurses: sets met
 * on the way (a socket in flight in a socket) are done by the outermost call.
 * No socket lock held. */
void scm_bury(struct list *dead);

/* Find sockets that only messages in flight refer to, which nobody
 * can receive any more, and drop them. Cheap when nothing is in flight. */
void scm_gc(void);
/* Is f an AF_UNIX socket, and which (sock.c)? */
struct sock *scm_unix_sock(struct file *f);

#endif

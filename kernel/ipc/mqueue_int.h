/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to mqueue.c (queues and messages) and mqueue_fs.c (their names and
 * files).
 */
#ifndef JIFFY_KERNEL_IPC_MQUEUE_INT_H
#define JIFFY_KERNEL_IPC_MQUEUE_INT_H

#include "kernel/ipc/mqueue.h"
#include "kernel/linux/signal.h"
#include "kernel/proc/lock.h"
#include "kernel/proc/waitq.h"
#include "lib/list.h"
#include "lib/rbtree.h"

struct file;
struct process;
struct sock;

enum mq_side { MQ_SEND, MQ_RECEIVE };

struct mq_notice {	       /* owner NULL: nobody is to be told */
	struct process *owner; /* reference */
	s32 how;	       /* NOTIFY_* */
	s32 signo;
	union linux_sigval value;
	struct sock *sock; /* reference; NOTIFY_THREAD only */
	u8 cookie[MQ_COOKIE_LEN];
};

struct mqueue {
	struct mutex lock;
	u64 maxmsg, msgsize; /* constant */
	struct rb_root messages;
	u64 next_seq, curmsgs, bytes;
	struct list waiters[2]; /* struct mq_wait.node, by enum mq_side */
	struct mq_notice notice;
	struct waitq poll_wait;
	struct list node; /* of all queues, under their lock */
	u32 owner_uid;	  /* who pays */
	u64 charged;
};

/* A queue without a name yet. -EINVAL, -ENOSPC, -EMFILE, -ENOMEM. */
int mqueue_create(const struct linux_mq_attr *attr, struct mqueue **q);
/* Nobody can reach q any more. */
void mqueue_destroy(struct mqueue *q);
/* p closes a descriptor: it no longer wants to be told. */
void mqueue_forget(struct mqueue *q, struct process *p);
/* The queue behind f, or NULL. */
struct mqueue *mqueue_of(struct file *f);

#endif

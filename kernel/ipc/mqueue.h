/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues. A queue is an inode of the one mqueue filesystem, a
 * descriptor of it an ordinary file; see mq_overview(7).
 */
#ifndef JIFFY_KERNEL_IPC_MQUEUE_H
#define JIFFY_KERNEL_IPC_MQUEUE_H

#include "lib/compiler.h"

struct file;
struct linux_sigevent;

struct linux_mq_attr {
	s64 flags; /* O_NONBLOCK or 0 */
	s64 maxmsg, msgsize, curmsgs;
	s64 reserved[4];
};
_Static_assert(sizeof(struct linux_mq_attr) == 64, "Linux ABI");

#define MQ_PRIO_MAX 32768U /* priorities are below it */
#define MQ_COOKIE_LEN 32   /* of a notification by thread */

/* Limits as /proc/sys/fs/mqueue shows them. */
enum {
	MQ_QUEUES_MAX = 256,
	MQ_MSG_DEFAULT = 10,
	MQ_MSG_MAX = 10,
	MQ_MSGSIZE_DEFAULT = 8192,
	MQ_MSGSIZE_MAX = 8192,
};

/* A file with one reference. flags: O_*; attr NULL: defaults. */
int mqueue_open(const char *name, u32 flags, u32 mode,
		const struct linux_mq_attr *attr, struct file **f);
int mqueue_unlink(const char *name);
/* The rest fail with -EBADF when f is no queue, or not open for that. deadline:
 * CLOCK_MONOTONIC, NSEC_MAX none. */
int mqueue_send(struct file *f, uaddr_t msg, u64 len, u32 prio,
		nsec_t deadline);
/* Bytes; *prio is the message's priority. */
s64 mqueue_receive(struct file *f, uaddr_t msg, u64 len, u32 *prio,
		   nsec_t deadline);
/* ev NULL: no longer. sock: of a notification by thread, whose cookie it is
 * sent, or NULL. */
int mqueue_notify(struct file *f, const struct linux_sigevent *ev,
		  struct file *sock, const u8 cookie[MQ_COOKIE_LEN]);
/* Both may be NULL. new: only flags count. */
int mqueue_attr(struct file *f, const struct linux_mq_attr *new,
		struct linux_mq_attr *old);

#endif

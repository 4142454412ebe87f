/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SysV shared memory, semaphores and message queues have in common: keys,
 * identifiers, owners, permissions; and the three families' calls.
 */
#ifndef JIFFY_KERNEL_IPC_SYSV_H
#define JIFFY_KERNEL_IPC_SYSV_H

#include "kernel/proc/lock.h"

struct fmt_buf;

enum { /* Linux's numbers */
       SYSV_PRIVATE = 0,
       SYSV_CREAT = 01000,
       SYSV_EXCL = 02000,
       SYSV_NOWAIT = 04000,
       SYSV_RMID = 0,
       SYSV_SET = 1,
       SYSV_STAT = 2,
       SYSV_INFO = 3,
       SYSV_READ = 0444,
       SYSV_WRITE = 0222,
};

/* Linux's struct ipc64_perm. */
struct linux_ipc_perm {
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad;
	u32 pad2;
	u64 unused[2];
};
_Static_assert(sizeof(struct linux_ipc_perm) == 48, "Linux ABI");

/* First member of a segment, a set, a queue. Under the table's lock. */
struct sysv_object {
	s32 key;
	s32 id;
	u32 uid, gid, cuid, cgid;
	u32 mode;
};

struct sysv_table {
	struct mutex lock;
	struct sysv_object **slots;
	u32 nslots;
	u32 used;
	u32 max; /* SHMMNI and the like */
	u32 seq; /* makes ids differ from their predecessors in the slot */
};

/* All with table->lock held. */

/* IPC_*: look up a key. 0 and *found, or NULL: create one. -ENOENT, -EEXIST,
 * -EACCES. */
int sysv_lookup(struct sysv_table *t, s32 key, u32 flags,
		struct sysv_object **found);
/* Give a new object an id, the caller as owner and mode. Its id or -ENOSPC. */
int sysv_add(struct sysv_table *t, struct sysv_object *o, s32 key, u32 mode);
void sysv_remove(struct sysv_table *t, struct sysv_object *o);
/* By id / by slot number (*_STAT). NULL: none. */
struct sysv_object *sysv_find(struct sysv_table *t, s32 id);
struct sysv_object *sysv_at(struct sysv_table *t, s32 index);
/* Highest used slot, 0 if none: what *_INFO returns. */
int sysv_highest(const struct sysv_table *t);
/* May the caller do what the mode bits ask (any of the three places)? */
int sysv_permission(const struct sysv_object *o, u32 mode);
/* May the caller set or remove it: 0, -EPERM. */
int sysv_owner(const struct sysv_object *o);
void sysv_perm_out(const struct sysv_object *o, struct linux_ipc_perm *p);
/* IPC_SET's part. */
int sysv_perm_set(struct sysv_object *o, const struct linux_ipc_perm *p);

s64 sysv_now(void); /* seconds, CLOCK_REALTIME */

/* The text of /proc/sysvipc/shm, sem, msg. */
void shm_show(struct fmt_buf *out);
void sem_show(struct fmt_buf *out);
void msg_show(struct fmt_buf *out);

/* The calls; see the manual pages. */
long shm_get(s32 key, u64 size, u32 flags);
long shm_attach(s32 id, uaddr_t addr, u32 flags);
long shm_detach(uaddr_t addr);
long shm_control(s32 id, int cmd, uaddr_t buf);

#define SEM_OPS_MAX 500
struct linux_sembuf {
	u16 num;
	s16 op;
	s16 flags;
};
long sem_get(s32 key, s32 nsems, u32 flags);
/* deadline: CLOCK_MONOTONIC, NSEC_MAX none. */
long sem_operate(s32 id, const struct linux_sembuf *ops, u32 nops,
		 nsec_t deadline);
long sem_control(s32 id, s32 num, int cmd, u64 arg);

long msg_get(s32 key, u32 flags);
long msg_send(s32 id, uaddr_t msg, u64 size, u32 flags);
long msg_receive(s32 id, uaddr_t msg, u64 size, s64 type, u32 flags);
long msg_control(s32 id, int cmd, uaddr_t buf);

#endif

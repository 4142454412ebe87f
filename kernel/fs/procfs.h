/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procfs as others see it: what subsystems add to it.
 */
#ifndef JIFFY_KERNEL_FS_PROCFS_H
#define JIFFY_KERNEL_FS_PROCFS_H

#include "lib/fmt.h"

/* Serve /proc/net/NAME by show, instead of the empty table there may be. `name`
 * must stay. Called once per name at start. */
void procfs_net_register(const char *name, void (*show)(struct fmt_buf *out));
/* The same for /proc/sysvipc/{shm,sem,msg}: lines below the heading. */
void procfs_sysvipc_register(const char *name,
			     void (*show)(struct fmt_buf *out));

struct file;
struct process;

/* The process whose directory /proc/PID is open as f, with a reference; NULL: f
 * is something else. */
struct process *procfs_process(const struct file *f);

/* Bytes of memory the instance has and has free, as meminfo reports them. */
u64 memory_total(void);
struct mm;
struct process;
/* May the caller look into p's memory and files? 0, -EACCES. */
int procfs_may_inspect(struct process *p);
/* The file of a descriptor of p, with a reference. 0, -EBADF. */
int procfs_file_of(struct process *p, int fd, struct file **f);
/* The memory of a process, with a reference; NULL when it has ended. */
struct mm *procfs_mm(struct process *p);
u64 memory_used(void);

#endif

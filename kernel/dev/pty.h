/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals: /dev/ptmx makes pairs; the slave is a tty named by number
 * in a devpts filesystem.
 */
#ifndef JIFFY_KERNEL_DEV_PTY_H
#define JIFFY_KERNEL_DEV_PTY_H

#include "lib/compiler.h"

struct file;
struct tty;
struct waitq;

#define PTY_MAX 1024U
#define PTY_GID 5 /* group "tty" */
#define PTY_MODE 0620

/* Open of /dev/ptmx: a new pair; f is its master. */
int pty_open_master(struct file *f);
/* Open of a slave node (rdev 136:N). -EIO while it is locked or gone. */
int pty_open_slave(struct file *f);

/* A pair whose master is the kernel: the slave, with the reference that
 * pty_end() gives back, or NULL. *wait is woken when it has output, or room for
 * input. */
struct tty *pty_new(struct waitq **wait);
/* The master goes: hang up. */
void pty_end(struct tty *t);

/* For devpts: does slave number index exist; who made it; the next one >=
 * index or -1. */
struct pty_info {
	u32 index;
	u32 uid, gid, mode;
};
bool pty_find(u32 index, struct pty_info *info);
int pty_next(u32 index);
/* chmod/chown of the slave's node live in the pair. */
void pty_set_owner(u32 index, u32 uid, u32 gid, u32 mode);

#endif

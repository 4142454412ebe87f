/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify sets. Events come from kernel/vfs through inotify_event() (vfs.h).
 */
#ifndef JIFFY_KERNEL_IPC_INOTIFY_H
#define JIFFY_KERNEL_IPC_INOTIFY_H

#include "lib/compiler.h"

struct file;
struct path;

enum { /* of a watch's mask, beside the events (NOTIFY_*) */
       INOTIFY_EVENTS = 0xfff,
       INOTIFY_UNMOUNT = 0x2000,
       INOTIFY_Q_OVERFLOW = 0x4000,
       INOTIFY_IGNORED = 0x8000,
       INOTIFY_ONLYDIR = 0x01000000,
       INOTIFY_DONT_FOLLOW = 0x02000000,
       INOTIFY_EXCL_UNLINK = 0x04000000,
       INOTIFY_MASK_CREATE = 0x10000000,
       INOTIFY_MASK_ADD = 0x20000000,
};
#define INOTIFY_ONESHOT (1U << 31)

/* A set with one reference; flags may hold O_NONBLOCK. */
int inotify_new(u32 flags, struct file **f);
/* Watch p, or change the watch it has: its number. -EINVAL: f is no set. */
int inotify_add(struct file *f, const struct path *p, u32 mask);
int inotify_remove(struct file *f, int wd);

#endif

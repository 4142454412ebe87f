/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock order checker of debug builds (make debug). A lock's class is found,
 * not declared: places in the source that lock one and the same object are of
 * one class. Which class is taken while which is held makes a graph; the first
 * edge that closes a circle is reported with both backtraces. Locks of one
 * class may nest only where the inner one is taken by mutex_lock_nested() (the
 * caller keeps an order of its own). Not part of ordinary builds.
 */
#ifndef JIFFY_KERNEL_PROC_LOCKDEP_H
#define JIFFY_KERNEL_PROC_LOCKDEP_H

#include "lib/compiler.h"

struct thread;

enum lock_how {
	LOCK_PLAIN,
	LOCK_NESTED, /* one of the class may be held */
	LOCK_AGAIN,  /* of whatever class the lock is */
};

/* A place that locks; made by the macros of lock.h. */
struct lock_site {
	const char *file;
	const char *what;
	int line;
	enum lock_how how;
	u32 index; /* + 1; 0: not seen yet */
};

/* What a lock remembers. Garbage is fine: it counts as never locked. */
struct lock_tag {
	u32 site; /* index + 1 of the last site, of any */
	u32 magic;
	struct thread *owner;
};

/* What a thread holds. */
#define LOCKDEP_DEPTH 24
struct lock_held {
	const void *lock;
	u32 site;
};

/* About to take the lock: check the order, then note it as held. */
void lockdep_take(const void *lock, struct lock_tag *tag, struct lock_site *s,
		  bool is_try);
void lockdep_drop(const void *lock, struct lock_tag *tag);
/* The caller is about to do what may sleep for long: it may hold nothing. */
void lockdep_sleep(const char *what);
/* The caller may take this lock (on a rare path): check the order now. */
void lockdep_might_take(const void *lock, struct lock_tag *tag,
			struct lock_site *s);
/* From now on (the boot thread is there). */
void lockdep_start(void);
/* At the end of the instance: panics if anything was reported. */
void lockdep_end(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX per-process timers (timer_create and family).
 */
#ifndef JIFFY_KERNEL_PROC_POSIX_TIMER_H
#define JIFFY_KERNEL_PROC_POSIX_TIMER_H

#include "kernel/linux/signal.h"

enum {
	NOTIFY_SIGNAL = 0,
	NOTIFY_NONE = 1,
	NOTIFY_THREAD = 2,
	NOTIFY_THREAD_ID = 4
};

struct linux_sigevent { /* 64 bytes, asm-generic/siginfo.h */
	union linux_sigval value;
	s32 signo;
	s32 notify; /* NOTIFY_* */
	s32 tid;
	s32 pad[11];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "Linux ABI");

struct posix_timer_value {
	nsec_t interval;
	nsec_t left; /* until expiry, or, for set with absolute, the time */
};

/* ev NULL: SIGALRM to the process. The id, or -EINVAL, -EAGAIN. */
int posix_timer_create(s32 clock, const struct linux_sigevent *ev);
/* Each: 0 or -EINVAL (no such timer). */
int posix_timer_set(s32 id, const struct posix_timer_value *value,
		    bool absolute, struct posix_timer_value *old);
int posix_timer_get(s32 id, struct posix_timer_value *value);
int posix_timer_overrun(s32 id);
int posix_timer_delete(s32 id);

#endif

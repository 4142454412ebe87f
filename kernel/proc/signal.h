/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals with Linux's semantics: dispositions per process, masks and
 * alternate stacks per thread, queued real-time siginfo. Sets are u64, bit
 * n-1 for signal n. Frames are built in cpu/sigframe.c.
 */
#ifndef JIFFY_KERNEL_PROC_SIGNAL_H
#define JIFFY_KERNEL_PROC_SIGNAL_H

#include "kernel/linux/signal.h"
#include "kernel/proc/waitq.h"
#include "lib/list.h"

struct process;
struct thread;
struct frame;

#define SIG_BIT(n) (1UL << ((n)-1))
#define SIG_MAX 64

struct sigpending {
	u64 set;
	struct list queue; /* struct sigqueue, in order of arrival */
};

struct sigqueue {
	struct list node;
	struct process *owner; /* whose nsigqueue counts it; NULL: nobody's */
	struct linux_siginfo info;
};

struct sighand {
	struct ref ref;				/* CLONE_SIGHAND shares it */
	struct linux_sigaction action[SIG_MAX]; /* under process.sig_lock */
};

struct sigaltstack_state {
	uaddr_t sp;
	u64 size;
	u32 flags; /* SS_DISABLE or SS_AUTODISARM */
};

/* Fill info for a signal of the kernel's own (SI_KERNEL) or of kill(). */
void siginfo_kernel(struct linux_siginfo *info, int sig);
void siginfo_user(struct linux_siginfo *info, int sig);

/* Send to one thread / to a process as a whole; sig 0 only checks. Permission
 * is the caller's business. 0, -EAGAIN (queue full, real-time only). */
int signal_send_thread(struct thread *t, int sig,
		       const struct linux_siginfo *info);
int signal_send_process(struct process *p, int sig,
			const struct linux_siginfo *info);
/* To all members of a process group; -ESRCH if there is none. */
int signal_send_group(s32 pgid, int sig, const struct linux_siginfo *info);
/* To self and not ignorable: for faults (a blocked or ignored one kills). */
void signal_force(int sig, const struct linux_siginfo *info);
/* May the current thread's credentials signal p? */
bool signal_permitted(struct process *p, int sig);

/* On the way back to the program: deliver what is pending, restart or finish
 * the interrupted call. Called with WORK_SIGNAL / RESTORE_MASK / STOP set. */
void signal_deliver(struct frame *f);

/* Change the current thread's mask and recompute WORK_SIGNAL. */
void signal_set_mask(u64 mask);
/* Sleep-with-other-mask calls (ppoll, pselect, epoll_pwait, sigsuspend): set
 * the mask and arrange that the old one comes back after delivery; finish()
 * puts it back at once unless a signal is to be delivered. */
void signal_mask_begin(u64 mask);
void signal_mask_end(bool interrupted);
/* Read a sigset argument: 0, -EINVAL (size is not 8), -EFAULT. */
int signal_read_mask(u64 *mask, uaddr_t set, u64 size);
/* The same behind a pointer to address and size, both of which may be NULL: 1,
 * 0 (no mask), or an error. */
int signal_read_mask_pair(u64 *mask, uaddr_t pair);

/* Drop pending instances of the signals in `set` everywhere in p (a handler was
 * set to ignore). sig_lock held. */
void signal_flush_process(struct process *p, u64 set);
/* An action that ignores sig, by request or by default. */
bool signal_action_ignores(const struct linux_sigaction *sa, int sig);
/* rt_sigtimedwait(): the signal, -EAGAIN (deadline passed), -EINTR. */
int signal_wait(u64 set, struct linux_siginfo *info, nsec_t deadline);
/* Is t on its alternate stack, judged by its stack pointer? */
bool signal_on_altstack(const struct thread *t, u64 sp);

/* Take a pending signal of `set` off the thread or process: its number, or 0.
 */
int signal_take(u64 set, struct linux_siginfo *info);
/* Pending for the current thread (own and process-wide), unmasked or not. */
u64 signal_pending_set(void);
/* signalfd's view: waitq of the process that is woken at each arrival. */
struct waitq *signal_waitq(struct process *p);

#endif

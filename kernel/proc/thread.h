/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest thread (Linux task). Lives in the kernel heap, shared by all spaces.
 */
#ifndef JIFFY_KERNEL_PROC_THREAD_H
#define JIFFY_KERNEL_PROC_THREAD_H

#include "kernel/cpu/current.h"
#include "kernel/cpu/frame.h"
#include "kernel/proc/lock.h"
#include "kernel/proc/signal.h"
#include "lib/list.h"

struct fs_context;
struct process;
struct plat_slot; /* the platform's part: stacks and cpu block */

/* Work that must be done before the thread returns to the program; bits of
 * thread.work. Set with thread_set_work(). */
enum thread_work {
	WORK_SIGNAL = 1 << 0, /* an unblocked signal may be pending */
	WORK_STOP = 1 << 1,   /* job control: stop here */
	WORK_EXIT = 1 << 2,   /* the process is exiting or exec wants us gone */
	WORK_REMOTE = 1 << 3, /* run mm remote work (done in sleep, too) */
	WORK_RESTORE_MASK = 1 << 4, /* put saved_mask back (sigsuspend...) */
	WORK_QUIET = 1 << 5, /* stop at the quiet point; the platform's */
	WORK_DUMP =
		1 << 6, /* hand registers to a core dump, wait for the end */
	WORK_CLONED = 1 << 7, /* tell the process that it is a clone (done in a
			       * sleep that can be interrupted, too) */
};
/* The bits that make an interruptible sleep return -EINTR. */
#define WORK_INTERRUPTS (WORK_SIGNAL | WORK_STOP | WORK_EXIT | WORK_DUMP)

enum thread_state { THREAD_NEW, THREAD_ALIVE, THREAD_DEAD };

/* thread.sleep_mode: how an unpark reaches a sleeper. */
enum sleep_mode { SLEEP_NONE, SLEEP_FUTEX, SLEEP_POLL, SLEEP_OWN };

struct restart_block {
	long (*fn)(struct thread *t); /* for ERESTART_RESTARTBLOCK */
	u64 arg[6];
};

struct thread {
	u32 work; /* enum thread_work bits, atomic. Offset 0: entry asm reads it
		   */
	u32 park_token; /* 1: an unpark is waiting to be consumed; atomic */
	struct plat_slot *slot;
	struct process *proc;
	struct list proc_node; /* in process.threads, under process.lock */
	s32 tid;
	u32 state;	/* enum thread_state */
	struct ref ref; /* one for being alive, one per lookup */
	/* A waker needs this, ref and park_token: one cache line. */
	u32 sleep_mode;	      /* enum sleep_mode, atomic */
	struct list tid_node; /* pid.c's table */

	/* Signals: under process.sig_lock unless said otherwise. */
	u64 sig_blocked; /* written by the thread itself only, under the lock */
	u64 saved_mask;	 /* with WORK_RESTORE_MASK */
	struct sigpending pending;
	struct sigaltstack_state altstack; /* own thread only */
	u64 sigwait_mask; /* set it waits for in sigtimedwait, else 0 */

	/* Own thread only. */
	struct restart_block restart;
	uaddr_t clear_child_tid;
	uaddr_t set_child_tid;
	uaddr_t robust_list;
	u64 robust_list_len;
	uaddr_t rseq; /* area registered with the machine, or 0 */
	u32 rseq_sig;
	u64 fs_base; /* for a start; live value is the CPU's */
	char comm[16];
	struct cred *cred; /* own reference; replaced by the thread itself */
	u32 uid;	   /* copy of cred->uid, for others to read */
	struct fs_context *fs; /* its own (unshare), NULL: the process's;
				* written under process.lock */
	u32 pdeathsig;
	s32 exit_code;		     /* wait status */
	s32 exit_signal;	     /* to the parent, for the leader */
	struct thread *vfork_parent; /* waits in plat_thread_borrow */
	struct thread *lent_to;	     /* our host thread runs this vfork child;
				      * written under process.lock and sig_lock */
	struct exec_state *exec;     /* on its way into a new space (exec.c) */
	struct list dying_node;	     /* exit.c, until exit_done */
	u32 exit_done; /* set to 1 by the platform: t may be freed */
	bool is_borrowed;
	bool counts_sleep; /* clock_wait_begin(): a deadline comes nearer when
			    * clock_slept() grows; own thread only */
	bool in_dump;	   /* has done its WORK_DUMP; under process.sig_lock */
	bool is_kernel;	   /* a thread of process 0, has no program */
	struct list remote_work; /* mm.c */
	struct mutex remote_lock;
	nsec_t slept_before; /* with counts_sleep: when it was made */
	u64 start_time;	     /* nsec on monotonic */
	u64 nsyscalls;
	u64 min_flt, nvcsw; /* for getrusage where we know */
	u64 trap_number, trap_error, trap_address; /* of the last fault */

	/* Scheduling parameters: validated and reported; the host schedules. */
	u64 affinity; /* bit per CPU of the instance */
	s32 nice;
	u32 ioprio; /* class << 13 | data; 0: follows nice */
	u32 sched_policy;
	u32 sched_priority;
	bool sched_reset_on_fork;
	u64 timer_slack;

	/* Ring of the last calls, for the crash report. */
	struct thread_call {
		u32 nr;
		u32 seq;
		u64 arg0, arg1;
		s64 result;
	} calls[64];
	u32 ncalls;
#ifdef JIFFY_DEBUG
	u32 nheld;
	struct lock_held held[LOCKDEP_DEPTH];
#endif
};

_Static_assert(offsetof(struct thread, work) == 0, "entry asm");

/* Set bits of t->work and make sure that t notices: unpark and kick. The
 * caller holds a reference or a lock that keeps t alive. */
void thread_set_work(struct thread *t, u32 bits);
static inline u32 thread_work(const struct thread *t)
{
	return atomic_load_acquire(&t->work);
}
static inline bool thread_interrupted(void)
{
	return (thread_work(current()) & WORK_INTERRUPTS) != 0;
}

/* A thread by tid with a reference, or NULL; thread_put() gives it back. */
struct thread *thread_find(s32 tid);
void thread_get(struct thread *t);
void thread_put(struct thread *t);

/* Do all pending work of the current thread before it goes back to the program:
 * exit, stop, remote memory work, signals, mask; finish or restart an
 * interrupted call. Must be called when thread_work() is not 0 or the result in
 * f->rax is a restart code (-512 .. -516). May not return (exit). */
void thread_work_run(struct frame *f);
static inline bool frame_wants_restart(const struct frame *f)
{
	return f->rax >= (u64)-516 && f->rax <= (u64)-512;
}

/* First entry of a thread into the program, by plat_thread_frame(t). */
NORETURN void thread_enter_user(struct thread *t);

/* Run memory work queued for the current thread and for the thread whose host
 * thread it has borrowed. */
void thread_run_remote(void);

#endif

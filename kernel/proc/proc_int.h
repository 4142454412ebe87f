/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of kernel/proc alone: the table of ids, construction and
 * teardown of processes and threads, and the pieces of exit, exec and signals
 * that call each other.
 */
#ifndef JIFFY_KERNEL_PROC_INT_H
#define JIFFY_KERNEL_PROC_INT_H

#include "kernel/proc/process.h"

#define PID_MAX 4194304	 /* ids are below it, as on 64-bit Linux */
#define PID_RESERVED 300 /* after a wrap, ids start here */

/* --- pid.c --------------------------------------------------------------- */

void pid_init(void);
/* Give t an id and make it findable; with p also as p's id. 0, or -EAGAIN: no
 * ids, or t's user has `limit` threads already. */
int pid_link(struct thread *t, struct process *p, u64 limit);
void pid_unlink_thread(struct thread *t);
void pid_unlink_process(struct process *p);
/* t, which execs, gets its process's own id instead of its own. */
void pid_take_over(struct thread *t);
/* Tree lock held (which keeps processes in the table): walk all, NULL first. */
struct process *pid_walk(struct process *after);

/* --- process.c ----------------------------------------------------------- */

/* Objects with nothing attached. NULL: no memory. */
struct process *process_alloc(void);
struct thread *thread_alloc(struct process *p);
/* Free an object that was never linked. */
void thread_free(struct thread *t);
/* Add to p->threads; -EAGAIN if p is exiting or in exec. */
int process_add_thread(struct process *p, struct thread *t);
/* True if it was the last one alive. */
bool process_remove_thread(struct process *p, struct thread *t);
/* Give the calling thread a root and directory of its own, or, for_all, make
 * them the process's. Takes fs over; NULL: none of its own. */
void thread_set_fs(struct thread *t, struct fs_context *fs, bool for_all);
/* p's memory, which may be shared, has got its place: time counts from now. */
void process_set_space(struct process *p);
/* Take p's own parts away (files, fs, mm ...), as the last thread of p. */
void process_release_parts(struct process *p);
/* p was placed and its leader t added, but it never ran: take all back. */
void process_undo(struct process *p, struct thread *t);
/* The executable: held with writes denied. -ETXTBSY if open for writing. */
int exe_deny_write(struct file *f);
void exe_set(struct process *p, struct file *f); /* takes the denial over */
void exe_copy(struct process *to, struct process *from);

extern struct mutex process_tree;

/* --- exit.c -------------------------------------------------------------- */

/* Free threads whose host thread has gone. */
void thread_reap(void);
/* WORK_EXIT: leave with the process's or exec's status. */
NORETURN void thread_exit_ordered(void);
/* LINUX_CLD_* of the wait status of one that has ended. */
int exit_code(s32 status);
/* Tree lock held: p, a zombie, goes for good; drop the table's reference. */
void process_reap(struct process *p);
/* Write 0 to clear_child_tid and wake its waiter; walk the robust list. */
void thread_release_user(struct thread *t);
/* Tree lock held: hang up and continue the group if it has become orphaned and
 * has stopped members. */
void orphan_group_signal(s32 pgid, const struct process *without);

/* --- wait.c -------------------------------------------------------------- */

/* Tell p's parent of a state change (LINUX_CLD_*); takes the tree lock. */
void notify_parent_stop(struct process *p, int code);
/* Tree lock held: fill in SIGCHLD's siginfo about p. */
void child_siginfo(struct linux_siginfo *info, int sig, const struct process *p,
		   int code, int status);

/* --- signal.c, sigqueue.c ------------------------------------------------ */

void sigpending_init(struct sigpending *s);
/* Drop entries of the signals in `set`; returns how many were queued. */
u32 sigpending_flush(struct sigpending *s, u64 set);
/* Add a signal; q may be NULL (no memory or limit): only the bit is set. */
void sigpending_add(struct sigpending *s, int sig, struct sigqueue *q);
/* Next signal of `set` in Linux's order (faults first), or 0. */
int sigpending_next(const struct sigpending *s, u64 set);
/* Take one instance of sig: its entry (the caller frees), or NULL. */
struct sigqueue *sigpending_take(struct sigpending *s, int sig);
bool sigpending_has_entry(const struct sigpending *s, int sig);

/* sig_lock held: set or clear WORK_SIGNAL of the current thread. */
void signal_recalc(struct thread *t);
/* sig_lock held: take the next deliverable signal of t. */
int signal_dequeue(struct thread *t, u64 set, struct linux_siginfo *info);
struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct process *p);
void sighand_put(struct sighand *s);
/* exec: handlers back to default, ignored ones stay. */
void signal_exec_reset(struct process *p, struct thread *t);
/* CLONE_CLEAR_SIGHAND */
void sighand_clear(struct sighand *s);
/* A thread or process goes: free what is queued. */
void signal_drop_pending(struct process *p, struct sigpending *s);
bool signal_default_ignored(int sig);
/* Is a signal that process `from` sends to p lost, for p is pid 1 and has no
 * handler (sa)? What pid 1 does to itself and what comes from outside counts:
 * it is an ordinary program, too. */
bool signal_spares_init(const struct process *p, s32 from,
			const struct linux_sigaction *sa);
/* WORK_STOP: wait here until continued or killed. */
void signal_stop_wait(void);

/* cpu/sigframe.c: push a frame on the user stack and point f at the handler.
 * 0, or -EFAULT. */
int sigframe_setup(struct frame *f, int sig, const struct linux_siginfo *info,
		   const struct linux_sigaction *action, u64 mask);
/* rt_sigreturn: 0, or -EFAULT (a bad frame: SIGSEGV is due). */
int sigframe_return(struct frame *f, u64 *mask);

/* --- itimer.c, posix_timer.c --------------------------------------------- */

void itimers_exit(struct process *p);
void posix_timers_exit(struct process *p); /* also on exec */
/* A timer's signal was taken: fill in the overrun, allow the next. */
struct posix_timer;
void posix_timer_delivered(struct process *p, struct linux_siginfo *info);

#endif

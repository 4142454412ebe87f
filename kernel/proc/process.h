/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest process (Linux thread group). Its parts may be shared by clone()
 * flags, hence are objects with counts of their own.
 */
#ifndef JIFFY_KERNEL_PROC_PROCESS_H
#define JIFFY_KERNEL_PROC_PROCESS_H

#include "kernel/plat/plat.h"
#include "kernel/proc/cred.h"
#include "kernel/proc/signal.h"
#include "kernel/proc/thread.h"

struct fdtable;	   /* vfs/fd.h */
struct fs_context; /* vfs/path.h: root, cwd, umask */
struct mm;	   /* mm/mm.h */
struct tty;
struct file;

#define RLIM_NLIMITS 16
struct rlimit64 {
	u64 cur;
	u64 max;
};

struct session {
	struct ref ref;
	s32 sid;
	struct tty *tty; /* controlling terminal, under tty's lock */
};

/* A session with one reference, or NULL (no memory). */
struct session *session_new(s32 sid);
void session_get(struct session *s);
void session_put(struct session *s); /* NULL is fine */

struct rusage_sum { /* of reaped children */
	nsec_t utime, stime;
	u64 min_flt, maj_flt, max_rss_kib, nvcsw, nivcsw;
};

struct process {
	struct list all_node; /* pid.c: all processes, by pid order */
	struct list pid_node; /* pid.c: hash bucket */
	struct ref ref;	      /* one until reaped, one per lookup or thread */
	s32 pid;	      /* tgid */

	/* Under pid.c's tree lock (fork, exit, wait, setpgid are rare). */
	struct process *parent;
	struct list children; /* struct process.sibling */
	struct list sibling;
	s32 pgid;
	s32 sid; /* session->sid */
	struct session *session;
	bool is_zombie, is_reaped;
	bool is_vfork_done; /* has exec'ed or ended; exit_wait is woken */
	s32 exit_status;    /* as wait4() gives it */
	bool did_exec;
	bool is_subreaper;
	bool has_subreaper; /* above it, or there was one */
	u32 exit_signal;

	struct mutex lock; /* threads list, rlimits, names */
	/* Changed under lock and sig_lock both, so either is enough to read. */
	struct list threads;
	u32 nthreads;
	u32 nlive; /* threads that have not reached exit */
	struct thread *leader;
	bool is_exiting; /* exit_group or fatal signal: WORK_EXIT to all */
	s32 group_exit_code;
	struct thread *exec_thread; /* exec waits for the others to go */
	struct waitq thread_wait;   /* woken at each thread exit */

	struct mutex sig_lock;
	struct sighand *sighand;
	struct sigpending pending;
	struct waitq sig_waitq; /* signalfd, sigtimedwait */
	struct core_dump *core; /* being written (coredump.c) */
	bool is_stopped;	/* job control: threads wait on stop_wait */
	bool stop_reported;	/* wait4(WUNTRACED) has seen this stop */
	bool cont_reported;	/* nothing for WCONTINUED to see */
	bool cont_notify;	/* first thread to go on tells the parent */
	s32 stop_sig;
	u32 nsigqueue; /* queued siginfos, against RLIMIT_SIGPENDING */
	struct waitq child_wait; /* wait4() callers of this process */
	struct waitq stop_wait;	 /* stopped threads of this process */

	struct mm *mm;
	/* What mm lies in, whose processor time is the process's. NULL: no
	 * longer or not yet running, or on its vfork parent's time. Atomic;
	 * spaces are never freed, so nothing need be held to ask one. */
	struct plat_space *space;
	struct fdtable *files;
	struct fs_context *fs;	/* of threads that have none of their own */
	bool files_shared;	/* with another process (CLONE_FILES) */
	struct waitq exit_wait; /* pidfds: woken when it becomes a zombie */
	/* Final, once a zombie; else ask the platform. */
	struct plat_times cpu_times;
	u32 membarrier; /* registered expedited forms (sys_misc.c) */

	struct rlimit64 rlimits[RLIM_NLIMITS];
	struct rusage_sum child_usage;
	struct rusage_sum own_usage; /* of its threads that have gone; times
				      * are in cpu_times */
	nsec_t start_time;	     /* monotonic */
	struct itimers *itimers;     /* proc/itimer.c; NULL until first used */
	struct posix_timers *posix_timers; /* proc/posix_timer.c; the same */
	char *cmdline;			   /* of exec: argv joined by NULs */
	size_t cmdline_len;
	uaddr_t arg_start, arg_end, env_start, env_end, auxv_start, stack_start;
	u64 auxv[64];
	u32 nauxv;
	struct file *exe; /* for /proc/PID/exe */
	bool is_dumpable, no_new_privs, keep_caps;
	s32 oom_score_adj;
	u32 coredump_filter; /* CORE_* */
	u64 io_read, io_written;
	struct list aio;	  /* ipc/aio.c; not made until first used */
	struct list shm_attaches; /* ipc/shm.c */
	void *semundo;		  /* ipc/sem.c */
	u32 personality;
};

/* Make process 0 around the current thread (thread_boot). Called once, first of
 * all proc/, after heap_init(). */
int proc_init(void);
/* A process that no program forked: the first of these is pid 1. Its leader is
 * prepared for plat_thread_spawn(); it has its own session, an empty descriptor
 * table, root directory, default limits; process 0 is its parent. NULL: no
 * memory or no id. */
struct process *process_new(void);
/* Start its leader in a new space at begin(), which fills in the frame of its
 * program or does not return. 0, or -errno and p is gone. */
int process_start(struct process *p, void (*begin)(struct frame *f, void *arg),
		  void *arg);
/* Has p, a child of process 0, ended? Then its wait status is in *status and
 * only the caller's reference is left of it. */
bool process_collect(struct process *p, s32 *status);
/* Start p's leader in a new space as the program at path (found already; all
 * strings stay). If exec fails, the instance ends with status 127 or 126. */
int process_start_init(struct process *p, const char *path,
		       const char *const *argv, const char *const *envp);

/* What other parts hook into the life of processes; NULL: nothing to do. */
struct process_hooks {
	void (*session_leader_exit)(struct process *p); /* tty: hang up */
	void (*sem_exit)(struct process *p); /* SysV semaphore undo */
	void (*shm_exit)(struct process *p);
	void (*power_off)(int status); /* before plat_power_off() */
};
extern struct process_hooks process_hooks;

/* The thread that boots: platforms make it current() before anything else;
 * proc_init() fills it in. */
extern struct thread thread_boot;

/* Process 0: home of the kernel's threads; never seen by programs. */
extern struct process *process_kernel;
/* pid 1. */
struct process *process_init_get(void);
/* The same without a lock and without a reference: while all others stand. */
struct process *process_init_still(void);

/* By pid, with a reference, or NULL. */
struct process *process_find(s32 pid);
void process_get(struct process *p);
void process_put(struct process *p);
static inline struct process *process_current(void)
{
	return current()->proc;
}

/* Root, directory and umask that the caller uses. */
static inline struct fs_context *fs_context_current(void)
{
	struct thread *t = current();

	return t->fs ? t->fs : t->proc->fs;
}

/* unshare(CLONE_FS): a copy of them for the caller alone. 0 or -ENOMEM. */
int process_unshare_fs(void);

/* The lock of the process tree: parents, children, groups, sessions. */
void process_tree_lock(void);
void process_tree_unlock(void);
/* Orphans below the current process come to it (PR_SET_CHILD_SUBREAPER). */
void process_set_subreaper(bool on);
/* Tree lock held: does the group exist in session s (NULL: anywhere)? */
bool process_group_exists(s32 pgid, const struct session *s);
/* Tree lock held: no member has a parent outside the group in its session.
 * `without`: leave this process out (it is going). */
bool process_group_is_orphaned(s32 pgid, const struct process *without);
/* CPU time (user + system) of a process so far. No lock needed. */
nsec_t process_cputime(struct process *p);
/* What a process (without its children) has used so far. */
void process_usage(struct process *p, struct rusage_sum *sum);

/* wait4() and waitid(). type: WAIT_*; options: W*. */
struct wait_request {
	int type;
	s32 id;
	u32 options;
	bool is_nonblocking; /* for the caller: of a pidfd */
};
struct wait_result {
	s32 pid;
	u32 uid;
	int code;		 /* LINUX_CLD_* */
	s32 status;		 /* as wait4() gives it */
	struct rusage_sum usage; /* of the child and its waited-for children */
};
enum { WAIT_ALL, WAIT_PID, WAIT_PGID };
/* The child's pid, 0 (WNOHANG, none yet), -ECHILD, -ERESTARTSYS. */
long process_wait(const struct wait_request *req, struct wait_result *result);
/* Copy the name of the leader, terminated, also after it is gone. */
void process_comm(struct process *p, char comm[16]);

/* fork/clone/vfork; arguments as clone3's. Returns the child's tid. */
struct clone_request {
	u64 flags;
	uaddr_t child_tid, parent_tid, pidfd, stack, tls;
	int exit_signal;
};
long process_clone(struct frame *f, const struct clone_request *req);

/* Replace the program (proc/exec.c) by file (exec_open()). argv/envp are user
 * arrays of strings. The reference to file and path (kmalloc'ed) are taken over
 * in any case. On success the caller's frame is the new program's (or the
 * borrowed thread has moved on and this does not return). */
long process_exec(struct frame *f, struct file *file, char *path, uaddr_t argv,
		  uaddr_t envp);
/* The same with kernel arrays, for a program that the outside wants. */
#define EXEC_BLAME_SIZE 104
struct exec_outside {
	char blame[EXEC_BLAME_SIZE]; /* an interpreter at fault, or "" */
	/* It failed with err when the caller was no program any more: the wait
	 * status to end with. */
	s32 (*refuse)(struct exec_outside *o, const char *path, int err);
};
long process_exec_kernel(struct frame *f, const char *path,
			 const char *const *argv, const char *const *envp,
			 struct exec_outside *outside);

/* End the current thread / the whole process. status is a wait status. */
NORETURN void thread_exit(int status);
NORETURN void process_exit(int status);
/* Order p's end from outside (SIGKILL): sets WORK_EXIT on all its threads. */
void process_kill(struct process *p, int status);

/* Walk all processes or threads for /proc: calls fn with references held,
 * no lock held. */
struct process *process_next(s32 after_pid); /* lowest pid > after, ref held */
struct thread *process_next_thread(struct process *p, s32 after_tid);
u32 process_count(void);
u32 thread_count(void);

/* Threads of the kernel's own, run in process 0. */
int kernel_thread_start(const char *name, void (*fn)(void *arg), void *arg);

u64 rlimit_current(unsigned int which);

/* --- Restartable sequences of the current thread (rseq.c) --------------------
 */

/* rseq() with and without RSEQ_FLAG_UNREGISTER. */
int rseq_register(uaddr_t area, u32 len, u32 sig);
int rseq_unregister(uaddr_t area, u32 len, u32 sig);
/* The area's memory goes, or may no longer be written: forget it. The machine
 * would end the thread; here that could happen inside the kernel. */
void rseq_drop_range(uaddr_t addr, u64 len);
/* t, current, ends or gets another program. */
void rseq_drop(struct thread *t);
/* A vfork child is about to run on t's host thread, or has. */
void rseq_suspend(struct thread *t);
void rseq_resume(struct thread *t);

#endif

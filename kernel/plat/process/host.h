/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the host. Every `syscall` instruction of the kernel is in section
 * .hostcall (hostcall.S); the filter lets host calls through from nowhere else
 * and only those that hostcalls.h lists.
 */
#ifndef JIFFY_KERNEL_PLAT_PROCESS_HOST_H
#define JIFFY_KERNEL_PLAT_PROCESS_HOST_H

#include <asm/unistd.h>

#include "abi/boot.h"
#include "kernel/cpu/vdso.h"
#include "kernel/linux/errno.h"
#include "kernel/plat/process/slot.h"
#include "lib/atomic.h"
#include "lib/compiler.h"

/* Raw call: the result, or -errno. Signals the host sends make it -EINTR. */
s64 hostcall_raw(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6, long nr);
/* The same; -EINTR also if a kick came since the last one consumed, up to the
 * very instruction (restart rule in trap.c). */
s64 hostcall_intr_raw(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6, long nr);

#define HOST_ARGS_(a, b, c, d, e, f, ...) \
	(u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f)
#define hostcall(nr, ...)                                                   \
	hostcall_raw(                                                       \
		HOST_ARGS_(__VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0, 0), \
		(nr))
#define hostcall_intr(nr, ...)                                              \
	hostcall_intr_raw(                                                  \
		HOST_ARGS_(__VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0, 0), \
		(nr))

/* clone(): the new host thread sets GS to `slot` and calls thread_begin(slot)
 * on that slot's kernel stack. *tid is the host's number, set before either
 * goes on. The host tid, or -errno. */
s64 hostcall_clone(u64 flags, u64 stack, s32 *tid, struct plat_slot *slot);
/* rt_sigreturn with the stack pointer at the ucontext. */
extern const char host_sigreturn[];
/* Push the slot on the free list, store 1 to *done, end the host thread; uses
 * no stack after the push. */
NORETURN void hostcall_thread_exit(u64 *free_head, u64 index, u32 *next_free,
				   u32 *done);

extern const char hostcall_start[], hostcall_end[];
extern const char hostcall_intr_start[], hostcall_intr_end[];
extern const char hostcall_intr_out[];

/* The kick. */
#define HOST_SIGKICK BOOT_HOST_SIGKICK

/* Exactly these flags pass the filter. */
#define HOST_CLONE_VM 0x100u
#define HOST_CLONE_THREAD                                                  \
	0x150f00u		     /* VM FS FILES SIGHAND THREAD SYSVSEM \
				      * PARENT_SETTID */
#define HOST_CLONE_PROCESS 0x108411u /* PARENT FILES PARENT_SETTID SIGCHLD */

struct host_timespec {
	s64 sec;
	s64 nsec;
};

static inline struct host_timespec host_timespec(nsec_t t)
{
	return (struct host_timespec){ t / NSEC_PER_SEC, t % NSEC_PER_SEC };
}

/* What start.c learned, in kernel memory; -1 for absent descriptors. */
struct plat_state {
	s32 image_fd, cache_fd, broker_fd, event_fd, trace_fd;
	s32 monitor_pid; /* parent of every host process */
	u64 vdso_base;	 /* the host's, where it is now */
	u64 vdso_end;
	bool has_filter;
	bool has_host_cpus; /* the program's CPU numbers are the host's */
	u32 nvolumes;
	s32 volume_fd[BOOT_VOLUMES_MAX];
	s32 direct_fd[BOOT_VOLUMES_MAX]; /* the same files, or -1 */
};
extern struct plat_state plat_state;

/* The host's vDSO, found by vdso_host.c. */
extern struct vdso_host host_vdso;

/* filter.c: install the seccomp filter; 0 or -errno. */
int filter_install(void);
/* May this socket option be set (get: read) on an outside socket? The filter
 * kills for the others. */
bool filter_option_passes(int level, int number, bool get);
/* vdso_host.c: move the host's vDSO at `base` and its data to the fixed place
 * and look its functions up; stack_end bounds the search. */
int vdso_host_move(u64 base, u64 stack_end);
/* trap.c: signal handlers for this process (inherited by all). */
int trap_install(void);
/* thread.c */
void thread_begin(struct plat_slot *slot);
int thread_arm_signal_stack(struct plat_slot *slot);
void slot_setup(struct plat_slot *s);
/* Have the host thread of s look at what it was told. */
void slot_kick(struct plat_slot *s);
struct plat_slot *slot_new(void);
void slot_free(struct plat_slot *s);
u32 slot_count(void); /* slots from here on were never used */
/* The running host thread is s's, and may be kicked. */
void thread_take_ids(struct plat_slot *s, bool is_process);
struct plat_space *space_new(void);
void space_free(struct plat_space *s);
s64 thread_clone_process(struct plat_slot *s);
extern u64 slot_free_head;
/* spawn.c: process 0 serves requests for shells; true if there were any. */
bool spawn_serve(void);
/* dense.c: a host process is about to be started from `space`, the current one:
 * perhaps give the kernel large pages first. */
void dense_start(struct plat_space *space);
/* In a woken copy: there are none. */
void dense_forget(void);
/* A large page behind the data, in its mapping. */
#define DENSE_COPY (((u64)kernel_bss_end + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1))
/* Does the range of the heap touch a large page that is to stay one? */
bool dense_overlaps(u64 at, u64 len);
/* freeze.c: 1 while all are to stop; threads here wait for 0. atomic */
extern u32 freeze_word;
/* Host threads but process 0's main one; hostcall_thread_exit() counts down. */
extern u32 freeze_threads;
void freeze_stop_here(void);
/* The same out of a wait; `err` is what it gave. */
void freeze_stop_waiting(s64 err, const struct park_wait *w);
/* On the signal stack, after a kick. */
void freeze_kicked(struct plat_slot *slot);
/* The thread's kick_tid is 0; on return nobody is about to kick it. */
void freeze_thread_ends(const struct plat_slot *s);
/* A copy of the memory is being woken: nobody is frozen in it. */
void freeze_woken(const struct boot_block *b);
/* At the end of every wait: stop here if all are to. */
static inline void freeze_look(void)
{
	if (unlikely(atomic_load(&freeze_word)))
		freeze_stop_here();
}
/* The same at the end of a wait that others may do for the thread (park.c). */
static inline void freeze_look_waiting(s64 err, enum park_kind kind, u32 value,
				       const void *on, nsec_t deadline)
{
	if (unlikely(atomic_load(&freeze_word))) {
		struct park_wait w = { kind, value, on, deadline };

		freeze_stop_waiting(err, &w);
	}
}
/* restore.c: a thread or process starts; process 0, before and after the filter
 * is installed, on a stack from restore_stack(). */
NORETURN void restore_thread(struct plat_slot *s);
void restore_forget_host(void);
NORETURN void restore_run(const struct boot_block *b);
u64 restore_stack(const struct plat_slot *s);
/* time.c: clocks of a woken copy: monotonic time goes on from `monotonic`, the
 * time since boot from `boottime`. */
void clock_go_on(nsec_t monotonic, nsec_t boottime);
/* For --stats: a step of the start or wake is done now. */
void phase_note(enum boot_phase phase);
/* plat_wait() without a deadline, a quiet point or regard to kicks. */
void host_wait(u32 *addr, u32 value);
/* plat_wait() but for the quiet point: 0, -ETIMEDOUT, -EINTR, -EAGAIN. */
s64 host_wait_until(u32 *addr, u32 value, nsec_t deadline);
/* A deadline of the instance's monotonic clock on the host's. */
struct host_timespec host_deadline(nsec_t deadline);
/* restore.c: start the host process of a space, by its first thread. Process
 * 0's main thread only. */
void restore_start(struct plat_space *space);
/* park.c: spaces without a host process. All but the next four are for process
 * 0's main thread. */
extern u32 nparked; /* spaces; changed by process 0's main thread. atomic */
/* Whoever is parked in a wait for this word is needed. */
void park_wake_slow(const u32 *word);
static inline void park_wake(const u32 *word)
{
	if (unlikely(atomic_load(&nparked)))
		park_wake_slow(word);
}
/* So is the space of this thread, which has no host thread to kick. */
void park_kicked(struct plat_slot *s);
/* plat_wait() of process 0's main thread while some are parked: whoever has
 * what it waits for may be one of them. */
int park_wait_word(u32 *word, u32 value, nsec_t deadline);
/* Of a woken copy in which nobody runs yet: park what can be. */
void park_all(const struct plat_space *own);
/* The first deadline of those parked. */
nsec_t park_deadline(void);
/* To be polled: it is readable when descriptors are ready. -1: there is none */
int park_set(void);
/* Start what is needed; true if there was any. */
bool park_serve(bool is_set_ready);
/* All are quiet: a copy shall have nothing of this file's but memory. And when
 * they are no longer, in the original. */
void park_freeze(void);
void park_go_on(void);
/* hfd.c */
int host_send_all(int fd, const void *p, size_t n);

enum space_state {
	SPACE_LIVE,
	SPACE_PARKED, /* has no host process */
	SPACE_WANTED  /* is about to get one */
};

struct plat_space {
	s32 host_pid; /* 0: none (now) */
	u32 nthreads; /* host threads in it, atomic */
	u32 next_free;
	u32 state; /* enum space_state, atomic */
	/* In a woken copy, for restore.c and park.c. */
	s32 key;    /* what the checkpoint calls it, if it is parked */
	u32 entry;  /* its place in the one it was woken from, or ~0 */
	u32 first;  /* slot */
	u32 nready; /* threads that may stay parked */
	struct plat_space *next_wanted;
	bool is_dense;	/* dense.c: has the kernel's text in a large page */
	bool is_woken;	/* restore.c has made it */
	u32 nwoken;	/* length of its list in woken.c */
	nsec_t cputime; /* final, once it is gone */
	nsec_t cputime_base; /* of host processes before it was woken */
	struct cpu_split split;
};

/* lazy.c: page cache that a wake has left in the file. Process 0, before others
 * exist: what is left, if anything. */
void lazy_open(const struct boot_block *b);
extern u32 nlazy; /* extents that were left; 0: none */
/* Have [offset, offset+len) of the cache object in memory. */
void lazy_take_slow(u64 offset, u64 len);
static inline void lazy_take(u64 offset, u64 len)
{
	if (unlikely(nlazy))
		lazy_take_slow(offset, len);
}
/* The same for memory that is given to the host: in the kernel's window of the
 * page cache, and mapped there in this process. */
void lazy_touch_slow(const struct plat_iovec *iov, int n);
static inline void lazy_touch(const struct plat_iovec *iov, int n)
{
	if (unlikely(nlazy))
		lazy_touch_slow(iov, n);
}
/* [offset, offset+len) of the cache object is about to be discarded. */
void lazy_drop(u64 offset, u64 len);
/* [offset, offset+len) was mapped at addr, shared: have what is left of it
 * fault instead, with PLAT_FAULT_BUS. 0 or -errno. */
s64 lazy_hide(u64 addr, u64 offset, u64 len, u32 prot);
/* After SIGBUS at addr: it is there now, try again. */
bool lazy_fault(struct plat_slot *slot, u64 addr);

/* woken.c: the memory that host processes are made with. Where the file's
 * tables are; ... */
void woken_open(const struct boot_block *b);
/* ... so many will need it, each puts it once; the last one closes it. */
void woken_expect(u32 n);
void woken_put(void);
/* Map the tables for what follows. 0 or -errno. */
int woken_map(void);
void woken_unmap(void);
/* The place of a host process in the table, looked for from *next on: most come
 * in that order. ~0: it is not there, as a shell. */
u32 woken_find(s32 key, u32 *next);
/* Make its memory in the current host process, which is empty. 0 or -errno. */
int woken_make(struct plat_space *space, u32 entry);
/* What was in the range is gone, or something else. */
void woken_cut_slow(struct plat_space *space, uaddr_t start, uaddr_t end);
static inline void woken_cut(uaddr_t addr, u64 len)
{
	struct plat_space *space = slot_of_host()->space;

	if (unlikely(space->nwoken))
		woken_cut_slow(space, addr, addr + len);
}

#endif

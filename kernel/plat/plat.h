/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform contract: everything the kernel's core asks of the machine it
 * runs on, and the upcalls the machine makes into the core. `process` runs it
 * on host processes; `pc` on a bare x86-64 machine. Nothing above kernel/plat
 * and kernel/cpu may know which. All functions return 0 or a positive result,
 * or -errno, unless said otherwise, and may be called by any thread.
 */
#ifndef JIFFY_KERNEL_PLAT_H
#define JIFFY_KERNEL_PLAT_H

#include "kernel/cpu/frame.h"
#include "kernel/layout.h"
#include "lib/compiler.h"

struct thread;
struct plat_space; /* an address space (process: one host process) */

/* --- 1. Memory: ranges of the *current* space, page-aligned -------------- */

enum plat_prot { PLAT_READ = 1, PLAT_WRITE = 2, PLAT_EXEC = 4 };

enum plat_backing {
	PLAT_ANON,	/* private zero memory; offset ignored */
	PLAT_CACHE,	/* page-cache object at offset, shared */
	PLAT_CACHE_COW, /* the same, private copy on write */
	PLAT_IMAGE,	/* root image at offset, private copy on write */
};

/* Map [addr, addr+len) over whatever is there. Untouched memory costs
 * nothing. Never fails for lack of memory before it is touched. */
int plat_map(uaddr_t addr, u64 len, int prot, enum plat_backing backing,
	     u64 offset);
int plat_unmap(uaddr_t addr, u64 len);
int plat_protect(uaddr_t addr, u64 len, int prot);
/* Move the pages of [from, from+len) to [to, to+new_len): contents follow,
 * what was at `to` is replaced, `from` is left unmapped; new_len >= len only
 * for ranges of one mapping, the tail continues its backing. No woken part may
 * be in [from, from+len). */
int plat_move(uaddr_t from, u64 len, uaddr_t to, u64 new_len);

enum plat_advice {
	PLAT_DONTNEED, /* drop private pages: zero (or backing) on next touch */
	PLAT_FREE,     /* may drop private pages when memory is short */
	PLAT_HUGE,     /* prefer huge pages */
	PLAT_NOHUGE,
	PLAT_WIPEONFORK,
	PLAT_KEEPONFORK,
	PLAT_DONTFORK,
	PLAT_DOFORK,
	PLAT_WILLNEED,
};
int plat_advise(uaddr_t addr, u64 len, enum plat_advice advice);

/* Private memory of a woken copy (plat_freeze) may still be the checkpoint's:
 * it reads and is written as it should, but to the machine it is not anonymous.
 * PLAT_DONTNEED would show the checkpoint again, PLAT_FREE and PLAT_WIPEONFORK
 * are refused. The first such part of [*start, *end): true, and *start and *end
 * are its. plat_map() over it makes it usual memory of what is mapped. */
bool plat_woken_part(uaddr_t *start, uaddr_t *end);
/* Make all of them in the range usual private memory that holds the same. */
int plat_woken_settle(uaddr_t addr, u64 len, int prot);

/* After a wake: part of the page cache may not be in memory yet. Where such a
 * part was mapped PLAT_CACHE before, a touch gives PLAT_FAULT_BUS, and the host
 * refuses it in plat_hfd_*(), until plat_map() maps it again. */
bool plat_cache_is_left(void);

/* vec[i] = 1 if page i of the range is resident. */
int plat_resident(uaddr_t addr, u64 npages, u8 *vec);

/* Give memory of the kernel's own ranges (heap, cache, both addressed by their
 * kernel virtual address) back: it reads as zero afterwards. */
void plat_kernel_discard(void *addr, u64 len);
/* Make memory of those ranges resident, in one go, before it is written. A
 * hint: what cannot be had comes at the first touch, or not. */
void plat_kernel_populate(void *addr, u64 len);

/* The machine may not have so many bytes more for the kernel's own ranges just
 * now: who asks for them is refused. (What limits `process` is the host's.) May
 * sleep. */
bool plat_memory_short(u64 bytes);

/* What the machine keeps in the current space of the kernel's looks at the root
 * image (page tables) may go: the next look costs a fault. A hint. */
void plat_image_forget(void);

/* Nearly every process touches the large page around addr (heap). A hint. */
void plat_kernel_hot(void *addr);

/* Bytes the space has resident that are private to it (for statm, limits). */
u64 plat_space_rss(struct plat_space *space);

/* --- 2. Threads and spaces ------------------------------------------------ */

/* Reserve what a thread needs of the machine (kernel and signal stack, cpu
 * block): t->slot. Called before any of the starts below. -EAGAIN: no more. */
int plat_thread_prepare(struct thread *t);
/* Give back a prepared slot of a thread that never started. */
void plat_thread_discard(struct thread *t);

/* Start t at entry(t) on its kernel stack: in the caller's space; ... */
int plat_thread_start(struct thread *t, void (*entry)(struct thread *));
/* ... in a copy-on-write copy of the caller's space, stored in *space; ... */
int plat_thread_fork(struct thread *t, void (*entry)(struct thread *),
		     struct plat_space **space);
/* ... or in a new empty space. */
int plat_thread_spawn(struct thread *t, void (*entry)(struct thread *),
		      struct plat_space **space);

/* vfork: run t at entry(t) in the caller's space while the caller waits; return
 * when t calls plat_thread_unborrow(). `process` lends the host thread itself.
 */
void plat_thread_borrow(struct thread *t, void (*entry)(struct thread *));
/* Called by a borrowed t as its last act in this space; it either is dead or
 * has been started elsewhere by plat_thread_spawn() (its slot then belongs to
 * the new place). Never returns. */
NORETURN void plat_thread_unborrow(void);

/* End the calling thread; its slot is reusable at once, `t` is not touched
 * any more after *done was set to 1 (release). last: nobody else runs in this
 * space, drop it. */
NORETURN void plat_thread_exit(u32 *done, bool last);

/* At boot only: the caller goes on as thread t (its current()). */
void plat_become(struct thread *t);

/* Leave the kernel: load frame's registers and go on in the program. Used by
 * new threads; ordinary calls return through on_syscall(). */
NORETURN void plat_return_to_user(struct frame *f);

/* The frame of the current thread's entry from the program, at the top of its
 * kernel stack. */
struct frame *plat_thread_frame(struct thread *t);

/* Make t enter the kernel soon if it runs in the program (on_kick), and make an
 * interruptible host wait of it (6, 7) return -EINTR. The caller holds
 * whatever keeps t from exiting. */
void plat_kick(struct thread *t);

/* User FS base of the current thread (new threads: set before return). */
void plat_set_fs_base(u64 base);
u64 plat_get_fs_base(void);

/* Register the current thread's rseq area (struct rseq, in the current space)
 * with the machine, or take it back. Copied by plat_thread_fork(); no other new
 * thread has one. -ENOSYS: the machine cannot, or has CPUs that the instance
 * does not know of. */
int plat_rseq(uaddr_t area, u32 len, bool is_register, u32 sig);

/* Wait while *addr == value (a word in kernel memory), until woken, the
 * deadline on CLOCK_MONOTONIC passes (NSEC_MAX: none) or spuriously.
 * 0 or -ETIMEDOUT. */
int plat_wait(u32 *addr, u32 value, nsec_t deadline);
/* Wake up to n waiters of addr. */
void plat_wake(u32 *addr, u32 n);
/* The same within a process: its threads alone can wake the caller, which is
 * cheaper; a kick ends the wait, too. */
int plat_wait_own(u32 *addr, u32 value, nsec_t deadline);
void plat_wake_own(u32 *addr);
/* Let others run. */
void plat_yield(void);

/* All cores pass a serialising instruction (after text was changed). */
void plat_sync_cores(void);

/* --- 3. Time, entropy ----------------------------------------------------- */

enum plat_clock { PLAT_MONOTONIC, PLAT_REALTIME, PLAT_BOOTTIME };
nsec_t plat_clock(enum plat_clock clock);
/* The host's monotonic clock, some milliseconds behind, without what a woken
 * copy slept through: for the monitor. Cheaper. */
nsec_t plat_clock_coarse(void);
/* CPU time used by a thread / by a whole space (user + system). */
nsec_t plat_thread_cputime(struct thread *t);
nsec_t plat_space_cputime(struct plat_space *space);
/* The same in two parts, each of which only grows: what ran in user mode and
 * what the machine did for it. `process`: the host's user and system time, so
 * the kernel's own code, which runs in user mode there, is in the first. */
struct plat_times {
	nsec_t user, system;
};
void plat_thread_times(struct thread *t, struct plat_times *times);
void plat_space_times(struct plat_space *space, struct plat_times *times);
void plat_entropy(void *buf, size_t n);
unsigned int plat_ncpus(void);
unsigned int plat_cpu(void); /* the one running now */

/* --- 4. Console and trace --------------------------------------------------
 */

/* Kernel log line for the operator (no newline needed, no guest bytes raw). */
void plat_log(const char *text, size_t n);
/* Append to the trace the user asked for with --trace. */
void plat_trace(const char *text, size_t n);

/* --- 5. Block devices: with volumes ----------------------------------------
 */

enum plat_block_op {
	PLAT_BLOCK_READ,
	PLAT_BLOCK_WRITE,   /* visible to reads when done; durable by FLUSH */
	PLAT_BLOCK_FLUSH,   /* all writes done before it was submitted are
			     * durable; offset and buffers ignored */
	PLAT_BLOCK_RESERVE, /* later writes to the range find room: -ENOSPC */
	PLAT_BLOCK_DISCARD, /* contents no longer matter; reads as zero */
};

struct plat_block_info {
	u64 size; /* bytes, a multiple of 512 */
	bool is_readonly;
};

/* One request, in memory of the caller until done() is called: exactly once,
 * by any thread, perhaps before plat_block_submit() returns. Offsets and
 * lengths are multiples of 512; buffers may be kernel or user addresses (of
 * the current space: then submit and wait in that space). result: 0 or -errno
 * (-EIO, -ENOSPC, -EFAULT); no partial success. */
struct plat_block_io {
	enum plat_block_op op;
	u32 device;
	u64 offset, len;
	const struct plat_iovec *iov; /* sums to len; at most 1024 */
	u32 niov;
	int result;
	void (*done)(struct plat_block_io *io);
	void *owner; /* of the submitter */
};

u32 plat_block_count(void); /* devices are numbered from 0 */
int plat_block_info(u32 device, struct plat_block_info *info);
void plat_block_submit(struct plat_block_io *io);

/* --- 6. Outside descriptors ("hfd"): stdio and brokered sockets ------------
 */
/*
 * An hfd is a small number naming something outside, shared by all spaces.
 * These never block unless the name says so. Buffers are user or kernel
 * addresses; a bad user buffer gives -EFAULT. Sockets handed in by the broker
 * are non-blocking and already bound, listening or connected.
 */
struct plat_iovec {
	u64 base;
	u64 len;
};

s64 plat_hfd_readv(int hfd, const struct plat_iovec *iov, int n);
s64 plat_hfd_writev(int hfd, const struct plat_iovec *iov, int n);
/* The same for descriptors that may not be set non-blocking (stdio): block
 * until data or a kick (-EINTR). */
s64 plat_hfd_readv_blocking(int hfd, const struct plat_iovec *iov, int n);
s64 plat_hfd_writev_blocking(int hfd, const struct plat_iovec *iov, int n);
/* flags are MSG_*; addr, when not NULL, receives the source (recv). */
s64 plat_hfd_recv(int hfd, const struct plat_iovec *iov, int n, int flags,
		  void *addr, u32 *addr_len);
s64 plat_hfd_send(int hfd, const struct plat_iovec *iov, int n, int flags);
/* Bytes [offset, offset+len) of the image or the cache object to a socket. */
s64 plat_hfd_sendfile(int hfd, enum plat_backing from, u64 offset, u64 len);
/* A connected socket off a listening one, non-blocking; peer in addr. */
int plat_hfd_accept(int hfd, void *addr, u32 *addr_len);
/* One datagram, cut to size bytes, and the one descriptor that came with it in
 * *got, -1: it had none; more are closed. The bytes it had, or -errno: -EMFILE
 * if there was no number free for the descriptor, which is closed. */
s64 plat_hfd_recv_fd(int hfd, void *buf, u64 size, int *got);
int plat_hfd_shutdown(int hfd, int how);
int plat_hfd_setsockopt(int hfd, int level, int name, const void *v, u32 len);
int plat_hfd_getsockopt(int hfd, int level, int name, void *v, u32 *len);
int plat_hfd_sockname(int hfd, void *addr, u32 *len, bool peer);
int plat_hfd_readable_bytes(int hfd); /* FIONREAD */
void plat_hfd_close(int hfd);
/* The same, but others only learn that it is closed: its number is not given to
 * anything else until plat_hfd_close(), nor must it be used. */
void plat_hfd_end(int hfd);

struct plat_pollfd { /* as struct pollfd */
	int hfd;
	s16 events;
	s16 revents;
};
/* Block until one is ready (count), the deadline (0) or a kick (-EINTR). n may
 * be 0. plat_kick() between the caller's last check and the wait is not lost.
 */
int plat_hfd_poll(struct plat_pollfd *fds, int n, nsec_t deadline);

/* Outside readiness sets, for guest epoll. `events`, `data` as Linux's. */
struct plat_event {
	u32 events;
	u64 data;
};
int plat_hset_new(void); /* an hfd that can itself be polled, or -errno */
int plat_hset_add(int hset, int hfd, u32 events, u64 data);
int plat_hset_mod(int hset, int hfd, u32 events, u64 data);
int plat_hset_del(int hset, int hfd);
int plat_hset_wait(int hset, struct plat_event *ev, int max, nsec_t deadline);
/* A bell: an hfd that becomes readable when rung, quiet again when hushed. */
int plat_bell_new(void);
void plat_bell_ring(int bell);
void plat_bell_hush(int bell);

/* --- 7. The broker: messages of abi/broker.h to and from the monitor -------
 */

/* Send one request and wait for its reply; up to max_hfds descriptors handed
 * in are stored. The reply's length, or -errno (transport). Serialised inside.
 */
int plat_broker_call(const void *request, size_t n, void *reply, size_t size,
		     int *hfds, int max_hfds);
/* A request without payload that has no reply. */
void plat_broker_tell(u32 op);
/* Process 0 only: wait for an event from the monitor, the deadline, or a kick:
 * length of the message, 0 deadline, -EINTR kick. */
int plat_broker_event(void *event, size_t size, nsec_t deadline);

/* What a network that the machine is on by itself has told it; addresses are
 * IPv4, network order, 0: not told. Waits for that, some seconds at most.
 * False: the boot block says all. At boot only. */
struct plat_network {
	u32 ip, resolver;
	char resolv_conf[192]; /* "": not told */
};
bool plat_network(struct plat_network *n);

/* Process 0 only: tell the monitor that its EVENT_STATS was served. */
void plat_broker_ack(void);

/* --- 8. Power ---------------------------------------------------------------
 */

/* End the instance: everything of it stops; the monitor reports `status`, a
 * wait status as wait4() encodes it. */
NORETURN void plat_power_off(int status);
/* The same before the first program ran: the monitor prints why, one line, and
 * leaves no record of the instance. */
NORETURN void plat_refuse(int status, const char *why);
/* End the instance as crashed; reason is one line. */
NORETURN void plat_crash(const char *reason, struct frame *regs);

/* --- 9. The quiet point (docs/design/007-snapshots.md)
 * ------------------------
 */

/* A thread with WORK_QUIET, which the platform sets, comes here before it goes
 * on in the program, and stays until a freeze is over, if there is one. The
 * platform's own waits do the same. */
void plat_quiet_point(void);
/* Process 0's main thread: stop all others, have the outside copy the memory.
 * False: the instance goes on. True: this is a copy, just woken; its other
 * threads go on at the same time. */
bool plat_freeze(void);

/* --- Upcalls: what the platform calls ----------------------------------------
 */

/* The program executed a system call; f->orig_rax is its number. On return the
 * platform leaves the kernel by f. The core has done all pending work. */
void on_syscall(struct frame *f);

enum plat_fault_kind {
	PLAT_FAULT_SEGV_MAPERR,	 /* nothing mapped there */
	PLAT_FAULT_SEGV_ACCERR,	 /* mapped, not allowed */
	PLAT_FAULT_SEGV_GENERAL, /* general protection: no address */
	PLAT_FAULT_BUS,		 /* past the end of the object */
	PLAT_FAULT_ALIGN,
	PLAT_FAULT_DIVIDE, /* integer divide or overflow */
	PLAT_FAULT_FLOAT,  /* SIGFPE of FPU/SSE; code in `detail` */
	PLAT_FAULT_ILLEGAL,
	PLAT_FAULT_BREAKPOINT,
	PLAT_FAULT_STEP,
};
struct plat_fault {
	enum plat_fault_kind kind;
	uaddr_t address;
	int detail;	/* host's si_code where it says more */
	u64 error_code; /* x86: page-fault error code, trap number */
	u64 trap_number;
};
/* The program faulted. Returns like on_syscall(). */
void on_fault(struct frame *f, const struct plat_fault *fault);
/* A kick reached the thread while it ran the program. */
void on_kick(struct frame *f);
/* This is a copy of the instance that was woken; none of its threads goes on
 * yet, and any of them may hold any lock that is held in a wait. Real time and
 * the time since boot have moved on by `slept`, monotonic time has not. */
struct boot_block;
void on_wake(const struct boot_block *b, nsec_t slept);
/* The current space was made again there, with its mappings and what they hold;
 * none of its threads goes on yet. What plat_advise() was told is lost. */
void on_space_wake(void);
/* The current thread goes on there: the machine no longer knows what it was
 * told of it by calls. In any context. */
void on_thread_wake(void);

#endif

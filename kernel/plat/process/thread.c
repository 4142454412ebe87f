/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and spaces: plat.h group 2 on host threads and processes. Slots and
 * spaces are type-stable and recycled through lock-free lists, so that a late
 * look at a dead one reads stale numbers, never other memory.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/thread.h"

#define SPACES_MAX 32768u

_Static_assert(BOOT_HOST_EXIT_OK == 0x4a, "hostcall.S");

/* Free lists: tag in the upper half against reuse between look and swap, index
 * + 1 of the first free entry in the lower. */
u64 slot_free_head;
static u32 slots_fresh = 1; /* slot 0 is process 0's main thread */
static u64 space_free_head;
static u32 spaces_fresh;
static struct plat_space spaces[SPACES_MAX];

void slot_setup(struct plat_slot *s)
{
	const u64 link = offsetof(struct plat_slot, park_next);
	const u64 end = link + sizeof(s->park_next);
	u32 next_free = s->next_free;

	/* Somebody may be on the way through the link (park.c). */
	memset(s, 0, link);
	memset((u8 *)s + end, 0, sizeof(*s) - end);
	s->next_free = next_free;
	s->cpu.self = (u64)s;
	s->cpu.kernel_sp = slot_kernel_sp(s);
	s->host = s;
}

struct plat_slot *slot_new(void)
{
	u64 head = atomic_load_acquire(&slot_free_head);
	u32 i;

	while ((u32)head) {
		struct plat_slot *s = slot_by_index((u32)head - 1);
		u64 next = ((head >> 32) + 1) << 32 |
			   atomic_load(&s->next_free);

		if (atomic_cmpxchg(&slot_free_head, &head, next)) {
			slot_setup(s);
			return s;
		}
	}
	i = atomic_fetch_add(&slots_fresh, 1);
	if (i >= KERNEL_SLOTS_MAX) {
		atomic_fetch_sub(&slots_fresh, 1);
		return NULL;
	}
	slot_setup(slot_by_index(i));
	return slot_by_index(i);
}

u32 slot_count(void)
{
	return MIN(atomic_load(&slots_fresh), (u32)KERNEL_SLOTS_MAX);
}

void slot_free(struct plat_slot *s)
{
	u64 head = atomic_load(&slot_free_head);
	u64 next;

	do {
		atomic_store(&s->next_free, (u32)head);
		next = ((head >> 32) + 1) << 32 | (slot_index(s) + 1);
	} while (!atomic_cmpxchg(&slot_free_head, &head, next));
}

struct plat_space *space_new(void)
{
	u64 head = atomic_load_acquire(&space_free_head);
	struct plat_space *s;
	u32 i;

	for (;;) {
		u64 next;

		if (!(u32)head)
			break;
		s = &spaces[(u32)head - 1];
		next = ((head >> 32) + 1) << 32 | atomic_load(&s->next_free);
		if (atomic_cmpxchg(&space_free_head, &head, next))
			goto found;
	}
	i = atomic_fetch_add(&spaces_fresh, 1);
	if (i >= SPACES_MAX) {
		atomic_fetch_sub(&spaces_fresh, 1);
		return NULL;
	}
	s = &spaces[i];
found:
	s->host_pid = 0;
	s->nthreads = 1;
	s->is_dense = false;
	s->state = SPACE_LIVE;
	s->nwoken = 0;
	s->cputime = 0;
	s->cputime_base = 0;
	s->split = (struct cpu_split){ .split_at = 0 };
	return s;
}

void space_free(struct plat_space *s)
{
	u64 head = atomic_load(&space_free_head);
	u64 next;

	atomic_store(&s->host_pid, 0);
	do {
		atomic_store(&s->next_free, (u32)head);
		next = ((head >> 32) + 1) << 32 | ((u64)(s - spaces) + 1);
	} while (!atomic_cmpxchg(&space_free_head, &head, next));
}

int plat_thread_prepare(struct thread *t)
{
	struct plat_slot *s = slot_new();

	if (!s)
		return -EAGAIN;
	s->cpu.current = t;
	t->slot = s;
	return 0;
}

void plat_thread_discard(struct thread *t)
{
	slot_free(t->slot);
	t->slot = NULL;
}

int thread_arm_signal_stack(struct plat_slot *s)
{
	struct {
		u64 sp;
		s32 flags;
		s32 pad;
		u64 size;
	} stack = { slot_signal_stack(s), 0, 0, SLOT_SIGSTACK_SIZE };

	return (int)hostcall(__NR_sigaltstack, &stack, 0);
}

/* Die with the monitor: fork clears the order, and it may be gone already. */
static void follow_monitor(void)
{
	hostcall(__NR_prctl, 1, 9, 0, 0, 0);
	if (hostcall(__NR_getppid) != plat_state.monitor_pid)
		hostcall(__NR_exit_group, BOOT_HOST_EXIT_OK);
}

/* A shell waits for the thread it is to become. */
static void shell_wait(struct plat_slot *s)
{
	while (!atomic_load_acquire(&s->mailbox))
		plat_wait(&s->mailbox, 0, NSEC_MAX);
	s->is_shell = false;
}

void thread_take_ids(struct plat_slot *s, bool is_process)
{
	if (is_process) {
		s->host_pid = s->host_tid;
		s->lazy_times = 0; /* by another process, before exec */
		atomic_store(&s->space->host_pid, s->host_pid);
		follow_monitor();
	} else {
		s->host_pid = s->space->host_pid;
	}
	/* Kicks from now on: before, they would have used the signal stack of
	 * the thread this one was forked from. Work set before is seen at the
	 * first exit to the program. */
	atomic_store(&s->kick_sent, 0);
	atomic_store_release(&s->kick_tid, (u32)s->host_tid);
	smp_mb();
}

void thread_begin(struct plat_slot *s)
{
	if (thread_arm_signal_stack(s))
		plat_crash("host refuses a signal stack", NULL);
	if (unlikely(s->quiet_sp))
		restore_thread(s);
	thread_take_ids(s, s->is_new_process);
	freeze_look();
	if (s->is_shell)
		shell_wait(s);
	s->entry(s->cpu.current);
	kpanic("thread entry returned");
}

int plat_thread_start(struct thread *t, void (*entry)(struct thread *))
{
	struct plat_slot *s = t->slot;
	s64 tid;

	s->entry = entry;
	s->space = slot_of_host()->space;
	atomic_fetch_add(&s->space->nthreads, 1);
	atomic_fetch_add(&freeze_threads, 1);
	tid = hostcall_clone(HOST_CLONE_THREAD, (u64)slot_frame(s),
			     &s->host_tid, s);
	if (tid >= 0)
		return 0;
	atomic_fetch_sub(&freeze_threads, 1);
	atomic_fetch_sub(&s->space->nthreads, 1);
	return (int)tid;
}

/* A new host process, a copy of the caller's, running slot s; s->space is set
 * up by the caller. */
s64 thread_clone_process(struct plat_slot *s)
{
	struct plat_space *from = slot_of_host()->space;
	s64 pid;

	dense_start(from);
	s->space->is_dense = from->is_dense;
	s->space->nwoken = from->nwoken;
	s->is_new_process = true;
	atomic_fetch_add(&freeze_threads, 1);
	pid = hostcall_clone(HOST_CLONE_PROCESS, (u64)slot_frame(s),
			     &s->host_tid, s);
	if (pid < 0)
		atomic_fetch_sub(&freeze_threads, 1);
	return pid;
}

int plat_thread_fork(struct thread *t, void (*entry)(struct thread *),
		     struct plat_space **space)
{
	struct plat_slot *s = t->slot;
	s64 pid;

	s->entry = entry;
	s->space = space_new();
	if (!s->space)
		return -EAGAIN;
	*space = s->space; /* before the child can look */
	pid = thread_clone_process(s);
	if (pid < 0) {
		space_free(s->space);
		*space = NULL;
		return (int)pid;
	}
	return 0;
}

void plat_thread_exit(u32 *done, bool last)
{
	struct plat_slot *s = slot_of_host();
	struct plat_space *space = s->space;

	kassert(!s->lend);
	atomic_fetch_sub(&space->nthreads, 1);
	atomic_store(&s->kick_tid, 0);
	freeze_thread_ends(s);
	/* Kicks sent before the caller got here are delivered at the latest
	 * when this call returns, so none can come once the slot is free. */
	hostcall(__NR_getppid);
	if (last)
		space_free(space);
	hostcall_thread_exit(&slot_free_head, slot_index(s), &s->next_free,
			     done);
}

void plat_become(struct thread *t)
{
	struct plat_slot *s = slot_of_host();

	s->cpu.current = t;
	if (!t->slot)
		t->slot = s;
}

void plat_return_to_user(struct frame *f)
{
	struct plat_slot *host = slot_of_host();
	struct frame *top;

	top = (struct frame *)(host->cpu.kernel_sp - sizeof(*top));
	if (f != top)
		memmove(top, f, sizeof(*top));
	top->cs = USER_CS | FRAME_FULL_RESTORE;
	top->ss = USER_SS;
	exit_frame(top);
}

struct frame *plat_thread_frame(struct thread *t)
{
	return slot_frame(t->slot);
}

void slot_kick(struct plat_slot *s)
{
	u32 tid;

	/* Pairs with thread_begin(): either the tid is seen here or the work
	 * that was set before is seen there. */
	smp_mb();
	tid = atomic_load_acquire(&s->kick_tid);
	/* One that is on its way shows what this one is for, too: trap_entry()
	 * takes the mark off before anybody looks. */
	if (!tid)
		park_kicked(s);
	if (!tid || atomic_xchg(&s->kick_sent, 1))
		return;
	if (hostcall(__NR_tgkill, s->host_pid, tid, HOST_SIGKICK) < 0)
		atomic_store(&s->kick_sent, 0);
}

void plat_kick(struct thread *t)
{
	struct plat_slot *s = atomic_load(&t->slot);

	if (s)
		slot_kick(atomic_load(&s->host));
}

void plat_set_fs_base(u64 base)
{
	__asm__ volatile("wrfsbase %0" : : "r"(base));
}

u64 plat_get_fs_base(void)
{
	u64 base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

#define RSEQ_UNREGISTER 1

int plat_rseq(uaddr_t area, u32 len, bool is_register, u32 sig)
{
	/* Programs index arrays with the numbers that the host would write. */
	if (!plat_state.has_host_cpus)
		return -ENOSYS;
	return (int)hostcall(__NR_rseq, area, len,
			     is_register ? 0 : RSEQ_UNREGISTER, sig);
}

#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE 1
#define FUTEX_PRIVATE 128 /* the host need not look up the page */

s64 host_wait_until(u32 *addr, u32 value, nsec_t deadline)
{
	struct host_timespec ts = host_deadline(deadline);

	/* A kick for the quiet point must not be lost: it may end this. */
	return hostcall_intr(__NR_futex, addr, FUTEX_WAIT_BITSET, value,
			     deadline == NSEC_MAX ? NULL : &ts, NULL, ~0U);
}

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	s64 err;

	if (unlikely(atomic_load(&nparked)) &&
	    slot_of_host() == slot_by_index(0))
		return park_wait_word(addr, value, deadline);
	err = host_wait_until(addr, value, deadline);
	freeze_look_waiting(err, PARK_WORD, value, addr, deadline);
	return err == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

void host_wait(u32 *addr, u32 value)
{
	hostcall(__NR_futex, addr, FUTEX_WAIT_BITSET, value, NULL, NULL, ~0U);
}

int plat_wait_own(u32 *addr, u32 value, nsec_t deadline)
{
	struct host_timespec ts = host_deadline(deadline);
	s64 err;

	err = hostcall_intr(__NR_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE,
			    value, deadline == NSEC_MAX ? NULL : &ts, NULL,
			    ~0U);
	freeze_look_waiting(err, PARK_WORD, value, addr, deadline);
	return err == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

void plat_wake(u32 *addr, u32 n)
{
	hostcall(__NR_futex, addr, FUTEX_WAKE, MIN(n, (u32)INT32_MAX));
	park_wake(addr);
}

void plat_wake_own(u32 *addr)
{
	hostcall(__NR_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE, 1);
}

void plat_yield(void)
{
	/* Whom process 0 waits for may be one that it has to start. */
	if (unlikely(atomic_load(&nparked)) && !atomic_load(&freeze_word) &&
	    slot_of_host() == slot_by_index(0))
		park_serve(true);
	hostcall(__NR_sched_yield);
}

#define MEMBARRIER_SYNC_CORE 32

void plat_sync_cores(void)
{
	hostcall(__NR_membarrier, MEMBARRIER_SYNC_CORE, 0, 0);
}

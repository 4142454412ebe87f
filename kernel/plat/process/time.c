/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, processor time, entropy, the operator's log and the trace: plat.h
 * groups 3 and 4.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/thread.h"

static nsec_t host_clock(s64 id)
{
	struct host_timespec ts = { 0, 0 };

	if (hostcall(__NR_clock_gettime, id, &ts))
		return -1;
	return ts.sec * NSEC_PER_SEC + ts.nsec;
}

/* Added to the host's clocks: what a woken copy slept through. */
static nsec_t clock_offset[] = {
	[PLAT_MONOTONIC] = 0, [PLAT_REALTIME] = 0, [PLAT_BOOTTIME] = 0
};

struct host_timespec host_deadline(nsec_t deadline)
{
	nsec_t at = deadline == NSEC_MAX
			    ? 0
			    : deadline - clock_offset[PLAT_MONOTONIC];

	return host_timespec(MAX(at, 0));
}

void clock_go_on(nsec_t monotonic, nsec_t boottime)
{
	clock_offset[PLAT_MONOTONIC] += monotonic - plat_clock(PLAT_MONOTONIC);
	clock_offset[PLAT_BOOTTIME] += boottime - plat_clock(PLAT_BOOTTIME);
	vdso_set_offsets(clock_offset[PLAT_MONOTONIC],
			 clock_offset[PLAT_BOOTTIME]);
}

nsec_t plat_clock(enum plat_clock clock)
{
	static const u8 ids[] = {
		[PLAT_MONOTONIC] = 1, [PLAT_REALTIME] = 0, [PLAT_BOOTTIME] = 7
	};
	struct vdso_timespec ts = { 0, 0 };

	host_vdso.clock_gettime(ids[clock], &ts);
	return ts.sec * NSEC_PER_SEC + ts.nsec + clock_offset[clock];
}

nsec_t plat_clock_coarse(void)
{
	struct vdso_timespec ts = { 0, 0 };

	host_vdso.clock_gettime(6, &ts); /* CLOCK_MONOTONIC_COARSE */
	return ts.sec * NSEC_PER_SEC + ts.nsec;
}

#define SPLIT_STEP NSEC_PER_MSEC

/* The host's clock id of a process's or (own process only) thread's time. */
enum { CPU_PROF = 0, CPU_VIRT = 1, CPU_SCHED = 2, CPU_THREAD = 4 };

static s64 cpu_clock_of(s32 id, s64 kind)
{
	return (s64)((u64)~id << 3) | kind;
}

static s64 cpu_clock_id(s32 id, bool is_thread)
{
	return cpu_clock_of(id, CPU_SCHED | (is_thread ? CPU_THREAD : 0));
}

/* Share out `total`, which is exact, as the host's coarse counts of user time
 * and of both say. Neither part may shrink. */
static void split_time(nsec_t total, nsec_t user, nsec_t both,
		       struct plat_times *last)
{
	struct plat_times now = { total, 0 };

	if (user >= 0 && both > 0 && user < both) {
		for (; both > UINT32_MAX; both >>= 1)
			user >>= 1;
		now.user = total / both * user + total % both * user / both;
	}
	now.user = MAX(now.user, last->user);
	now.system = MAX(total - now.user, last->system);
	now.user = MAX(total - now.system, last->user);
	*last = now;
}

/* Bring s up to `total`. The counts move at the host's tick, so they are asked
 * for at most that often; what little came since is user time till then. */
static void split_update(struct cpu_split *s, nsec_t total, s32 id, s64 kind)
{
	if (total - s->split_at < SPLIT_STEP) {
		s->times.user = MAX(total - s->times.system, s->times.user);
		return;
	}
	s->split_at = total;
	split_time(total, host_clock(cpu_clock_of(id, CPU_VIRT | kind)),
		   host_clock(cpu_clock_of(id, CPU_PROF | kind)), &s->times);
}

nsec_t plat_thread_cputime(struct thread *t)
{
	struct plat_slot *s = t->slot;
	struct plat_slot *me = slot_of_host();
	nsec_t time = -1;

	if (!s)
		return 0;
	s = s->host;
	if (s == me)
		time = host_clock(3); /* CLOCK_THREAD_CPUTIME_ID */
	else if (s->space && s->space == me->space && s->host_tid)
		time = host_clock(cpu_clock_id(s->host_tid, true));
	else if (s->space && s->space->nthreads == 1)
		return s->cputime = plat_space_cputime(s->space);
	else
		return s->cputime; /* among several elsewhere: as last seen */
	if (time >= 0)
		s->cputime = s->cputime_base + time;
	return s->cputime;
}

nsec_t plat_space_cputime(struct plat_space *space)
{
	nsec_t time = -1;
	s32 pid;

	if (!space)
		return 0;
	pid = atomic_load(&space->host_pid);
	if (pid)
		time = host_clock(cpu_clock_id(pid, false));
	if (time >= 0)
		space->cputime = space->cputime_base + time;
	return space->cputime;
}

void plat_thread_times(struct thread *t, struct plat_times *times)
{
	struct plat_slot *s = t->slot, *me = slot_of_host();
	nsec_t total;

	*times = (struct plat_times){ 0, 0 };
	if (!s)
		return;
	s = s->host;
	if (s->space && s->space == me->space && s->host_tid) {
		total = plat_thread_cputime(t);
		split_update(&s->split, total, s->host_tid, CPU_THREAD);
	} else if (s->space && s->space->nthreads == 1) {
		plat_space_times(s->space, times);
		return;
	}
	*times = s->split.times;
}

void plat_space_times(struct plat_space *space, struct plat_times *times)
{
	nsec_t total = plat_space_cputime(space);
	s32 pid;

	*times = (struct plat_times){ 0, 0 };
	if (!space)
		return;
	pid = atomic_load(&space->host_pid);
	if (pid)
		split_update(&space->split, total, pid, 0);
	*times = space->split.times;
}

void phase_note(enum boot_phase phase)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	b->phase_ns[phase] = (u64)(plat_clock(PLAT_MONOTONIC) -
				   clock_offset[PLAT_MONOTONIC]);
}

void plat_entropy(void *buf, size_t n)
{
	u8 *p = buf;

	while (n) {
		s64 got = hostcall(__NR_getrandom, p, n, 0);

		if (got < 0 && got != -EINTR)
			plat_crash("the host has no randomness", NULL);
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

unsigned int plat_ncpus(void)
{
	return kernel.ncpus ? kernel.ncpus : 1;
}

unsigned int plat_cpu(void)
{
	unsigned int cpu = 0;

	if (host_vdso.getcpu)
		host_vdso.getcpu(&cpu, NULL, NULL);
	return cpu;
}

void plat_log(const char *text, size_t n)
{
	struct plat_iovec iov[] = { { (u64) "jiffy: ", 7 },
				    { (u64)text, n },
				    { (u64) "\n", 1 } };

	hostcall(__NR_writev, 2, iov, 3);
}

void plat_trace(const char *text, size_t n)
{
	if (plat_state.trace_fd >= 0)
		host_send_all(plat_state.trace_fd, text, n);
}

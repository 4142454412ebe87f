/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time and the load average. There is no tick: the load is the
 * processor time that the instance used between two looks, which are taken when
 * processes come and go and when somebody asks, weighted as Linux weights its
 * samples. What waits for a processor longer than it runs is not seen.
 */
#include "kernel/proc/cputime.h"

#include "kernel/kernel.h"
#include "kernel/proc/process.h"
#include "kernel/proc/waitq.h"

#define PERIOD (5 * NSEC_PER_SEC)
#define ONE (1UL << LOADAVG_SHIFT)

static const u64 decay[3] = { 1884, 2014, 2037 }; /* of ONE, in 5 s */

static struct {
	struct mutex lock;
	struct plat_times dead; /* of processes that are no more */
	nsec_t last, last_used; /* the last look */
	u64 load[3];
} cpu;

void process_times(struct process *p, struct plat_times *times)
{
	struct plat_space *space = atomic_load_acquire(&p->space);

	if (!space)
		*times = p->cpu_times;
	else
		plat_space_times(space, times);
}

void cputime_keep(struct process *p)
{
	mutex_lock(&cpu.lock);
	cpu.dead.user += p->cpu_times.user;
	cpu.dead.system += p->cpu_times.system;
	mutex_unlock(&cpu.lock);
}

static u32 count_running(struct process *p)
{
	struct thread *t;
	u32 n = 0;

	mutex_lock(&p->lock);
	list_for_each (t, &p->threads, proc_node)
		n += t->state == THREAD_ALIVE &&
		     atomic_load(&t->sleep_mode) == SLEEP_NONE;
	mutex_unlock(&p->lock);
	return n;
}

void cputime_total(struct plat_times *times, u32 *running)
{
	struct plat_times one;
	struct process *p;
	s32 pid = 0;

	*running = 0;
	mutex_lock(&cpu.lock);
	*times = cpu.dead;
	mutex_unlock(&cpu.lock);
	while ((p = process_next(pid))) {
		pid = p->pid;
		process_times(p, &one);
		times->user += one.user;
		times->system += one.system;
		*running += count_running(p);
		process_put(p);
	}
}

static u64 power(u64 base, u64 n)
{
	u64 result = ONE;

	for (; n; n >>= 1) {
		if (n & 1)
			result = result * base >> LOADAVG_SHIFT;
		base = base * base >> LOADAVG_SHIFT;
	}
	return result;
}

static bool is_due(nsec_t now)
{
	return now - atomic_load(&cpu.last) >= PERIOD;
}

void loadavg_sample(void)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC), used, passed;
	struct plat_times all;
	u32 running;
	u64 active;

	if (likely(!is_due(now)))
		return;
	cputime_total(&all, &running);
	used = all.user + all.system;
	mutex_lock(&cpu.lock);
	if (cpu.last == 0)
		cpu.last = kernel.boot_time;
	passed = now - cpu.last;
	if (passed >= PERIOD) {
		active = (u64)MAX(used - cpu.last_used, 0) / 1000 * ONE /
			 ((u64)passed / 1000);
		for (int i = 0; i < 3; i++) {
			u64 d = power(decay[i], (u64)(passed / PERIOD));

			cpu.load[i] = (cpu.load[i] * d + active * (ONE - d)) >>
				      LOADAVG_SHIFT;
		}
		cpu.last = now;
		cpu.last_used = used;
	}
	mutex_unlock(&cpu.lock);
}

void loadavg_get(u64 loads[3])
{
	loadavg_sample();
	mutex_lock(&cpu.lock);
	memcpy(loads, cpu.load, sizeof(cpu.load));
	mutex_unlock(&cpu.lock);
}

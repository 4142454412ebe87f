/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory: choosing the process that has to go. The monitor notices; it
 * asks again until memory is back under the limit, and ends the instance if it
 * does not come back soon.
 */
#include "kernel/proc/oom.h"

#include "kernel/kernel.h"
#include "kernel/linux/signal.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"
#include "lib/string.h"

#define OOM_SCORE_ADJ_MIN (-1000)    /* never */
#define FREE_NS (50 * NSEC_PER_MSEC) /* until memory of the dead is free */
#define DIE_NS (500 * NSEC_PER_MSEC) /* until somebody else has to go, too */

static struct oom {
	struct process *victim; /* the last; reference held */
	nsec_t killed_at;
	u64 nkills; /* atomic */
} oom;

/* The memory of p if it may be killed, with a reference, or NULL. */
static struct mm *candidate_mm(struct process *p)
{
	struct mm *mm = NULL;

	if (p == process_kernel || p->pid == 1 ||
	    p->oom_score_adj == OOM_SCORE_ADJ_MIN)
		return NULL;
	mutex_lock(&p->lock);
	if (!p->is_zombie && !p->is_exiting && p->mm) {
		mm = p->mm;
		mm_get(mm);
	}
	mutex_unlock(&p->lock);
	return mm;
}

/* Linux's badness: bytes, and a thousandth of all memory per point. Without
 * mm->lock: who holds it may be waiting for memory. */
static s64 badness(struct process *p, struct mm *mm)
{
	struct plat_space *space = atomic_load(&mm->space);

	return (space ? (s64)plat_space_rss(space) : 0) +
	       (s64)(kernel.memory_limit / 1000) * p->oom_score_adj;
}

/* The process to kill and its memory, with references, or NULL. */
static struct process *choose(struct mm **memory)
{
	struct process *worst = NULL, *p;
	s64 worst_score = 0, score;
	struct mm *mm;
	s32 pid = 1;

	while ((p = process_next(pid))) {
		pid = p->pid;
		mm = candidate_mm(p);
		score = mm ? badness(p, mm) : 0;
		if (mm && (!worst || score > worst_score)) {
			if (worst) {
				process_put(worst);
				mm_put(*memory);
			}
			worst = p;
			*memory = mm;
			worst_score = score;
			continue;
		}
		if (mm)
			mm_put(mm);
		process_put(p);
	}
	return worst;
}

/* Whoever shares the memory has to go, too, or it stays. */
static void kill_sharers(struct mm *memory)
{
	struct process *p;
	struct mm *mm;
	s32 pid = 1;

	while ((p = process_next(pid))) {
		pid = p->pid;
		mm = candidate_mm(p);
		if (mm == memory)
			process_kill(p, LINUX_SIGKILL);
		if (mm)
			mm_put(mm);
		process_put(p);
	}
}

static bool is_dying(void)
{
	nsec_t since = plat_clock(PLAT_MONOTONIC) - oom.killed_at;

	return oom.victim &&
	       since < (atomic_load(&oom.victim->is_zombie) ? FREE_NS : DIE_NS);
}

enum oom_result oom_kill(s32 *pid, char *comm)
{
	struct process *victim;
	struct mm *memory;

	if (is_dying())
		return OOM_DYING;
	victim = choose(&memory);
	if (!victim)
		return OOM_NOBODY;
	*pid = victim->pid;
	process_comm(victim, comm);
	process_kill(victim, LINUX_SIGKILL);
	kill_sharers(memory);
	mm_put(memory);
	atomic_store(&oom.nkills, oom.nkills + 1);
	if (oom.victim)
		process_put(oom.victim);
	oom.victim = victim;
	oom.killed_at = plat_clock(PLAT_MONOTONIC);
	return OOM_KILLED;
}

u64 oom_kills(void)
{
	return atomic_load(&oom.nkills);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a woken copy of the instance has to do differently from the original:
 * docs/design/007-snapshots.md.
 */
#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/dev/random.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/proc_int.h"

void on_wake(const struct boot_block *b, nsec_t slept)
{
	clock_skip(slept);
	random_reseed();
	if (b->flags & BOOT_CLONE)
		clone_begin(b);
}

/* Memory that a fork would wipe: a clone is one, too. */
static void wipe(const struct area *a)
{
	int err = plat_map(a->start, a->end - a->start,
			   (int)(a->flags & AREA_PROT), PLAT_ANON, 0);

	if (err)
		kpanic("cannot wipe memory of a clone: error %d", -err);
}

/* No lock is taken: those who had one go on later, and changed nothing of the
 * areas while they waited. */
void on_space_wake(void)
{
	struct mm *mm = current() ? current()->proc->mm : NULL;
	struct area *a = mm ? mm_area_at(mm, USER_START) : NULL;
	bool is_clone = mm && mm->generation != kernel.generation;

	if (is_clone)
		mm->generation = kernel.generation;
	for (; a; a = mm_area_next(a)) {
		if (a->flags & AREA_WIPEONFORK) {
			(void)plat_woken_settle(a->start, a->end - a->start,
						(int)(a->flags & AREA_PROT));
			if (is_clone)
				wipe(a);
			(void)plat_advise(a->start, a->end - a->start,
					  PLAT_WIPEONFORK);
		}
		if (a->flags & AREA_DONTFORK)
			(void)plat_advise(a->start, a->end - a->start,
					  PLAT_DONTFORK);
	}
}

void on_thread_wake(void)
{
	if (current()) /* not a shell: it is nobody yet */
		rseq_resume(current());
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a woken copy of the instance has to do differently from the original:
 * docs/design/007-snapshots.md.
 */
#include "kernel/dev/random.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

void on_wake(void)
{
	random_reseed();
}

/* No lock is taken: those who had one go on later, and changed nothing of the
 * areas while they waited. */
void on_space_wake(void)
{
	struct mm *mm = current() ? current()->proc->mm : NULL;
	struct area *a = mm ? mm_area_at(mm, USER_START) : NULL;

	for (; a; a = mm_area_next(a)) {
		if (a->flags & AREA_WIPEONFORK) {
			(void)plat_woken_settle(a->start, a->end - a->start,
						(int)(a->flags & AREA_PROT));
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

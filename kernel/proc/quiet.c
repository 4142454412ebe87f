/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a woken copy of the instance has to do differently from the original:
 * docs/design/007-snapshots.md.
 */
#include "kernel/dev/random.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

void on_wake(void)
{
	random_reseed();
}

void on_thread_wake(void)
{
	if (current()) /* not a shell: it is nobody yet */
		rseq_resume(current());
}

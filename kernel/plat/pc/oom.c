/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No frame for a program: what is on a disk gives way; then process 0 is told,
 * as the monitor tells it on `process`, and has one killed. Whoever needed the
 * frame tries again.
 */
#include "kernel/plat/pc/pc.h"

#define PAUSE (2 * NSEC_PER_MSEC)
#define RECLAIM 32u /* pages */

static u32 is_wanted;

void oom_wait(void)
{
	static u32 never;

	if (image_reclaim(RECLAIM))
		return;
	atomic_store(&is_wanted, 1);
	broker_look();
	plat_wait(&never, 0, clock_now() + PAUSE);
}

bool oom_is_wanted(void)
{
	return atomic_xchg(&is_wanted, 0);
}

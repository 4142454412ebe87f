/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking one file for its events.
 */
#include "kernel/vfs/poll.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/vfs/file.h"

#define ALWAYS_READY (EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM)

u32 file_poll(struct file *f, struct poll_table *pt)
{
	return f->ops->poll ? f->ops->poll(f, pt) : ALWAYS_READY;
}

u32 file_poll_now(struct file *f, u32 wanted)
{
	return file_poll(f, NULL) & (wanted | EV_ERR | EV_HUP);
}

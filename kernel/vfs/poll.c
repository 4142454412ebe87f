/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking one file for its events.
 */
#include "kernel/vfs/poll.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/vfs/file.h"

u32 file_poll_now(struct file *f, u32 wanted)
{
	return file_poll(f, NULL) & (wanted | EV_ERR | EV_HUP);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance that finds itself a clone: its own name, address book, limits and
 * generation, and a signal to whoever asked for one.
 */
#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/dev/generation.h"
#include "kernel/dev/random.h"
#include "kernel/kernel.h"
#include "kernel/proc/process.h"
#include "kernel/proc/signal.h"

/* As it was, for clone_finish(). */
static char old_hostname[sizeof(kernel.hostname)];

static void tell_init(int sig)
{
	struct process *init = process_init_get();
	struct linux_siginfo info;

	if (!init)
		return;
	siginfo_kernel(&info, sig);
	signal_send_process(init, sig, &info);
	process_put(init);
}

/* Of the locks that this takes none is held by a thread that waits. */
void clone_begin(const struct boot_block *b)
{
	const struct boot_clone *c = &b->clone;

	kernel.memory_limit = b->memory_limit;
	generation_change(c->id);
	memcpy(old_hostname, kernel.hostname, sizeof(old_hostname));
	str_copy(kernel.hostname, sizeof(kernel.hostname), c->hostname);
	kernel.boot_id[0] = '\0'; /* made anew when it is asked for */
	if (c->signal)
		tell_init((int)c->signal);
}

void clone_finish(const struct boot_block *b)
{
	generation_tell();
	boot_rename_files(old_hostname, b->clone.hosts,
			  MIN(b->clone.hosts_len, sizeof(b->clone.hosts)));
}

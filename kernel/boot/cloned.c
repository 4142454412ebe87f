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

/* A thread of the first process sends the signal itself, when it goes on:
 * others may have been stopped with a lock in their hands that this takes. */
static void tell_init(int sig)
{
	struct process *init = process_init_still();
	struct thread *t = init ? init->leader : NULL;

	if (init && (!t || t->state != THREAD_ALIVE) &&
	    !list_empty(&init->threads))
		t = list_first(&init->threads, struct thread, proc_node);
	if (!t)
		return;
	kernel.clone_signal = sig;
	thread_set_work(t, WORK_CLONED);
}

void clone_tell(struct thread *t)
{
	struct linux_siginfo info;

	if (!(atomic_fetch_and(&t->work, ~(u32)WORK_CLONED) & WORK_CLONED))
		return;
	siginfo_kernel(&info, kernel.clone_signal);
	signal_send_process(t->proc, kernel.clone_signal, &info);
}

/* No lock is taken here. */
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

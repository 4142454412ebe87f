/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking a checkpoint (docs/design/007-snapshots.md): all shared memory is as
 * it was at the quiet point; this makes the host processes and threads that
 * were there. Runs on signal stacks, which were empty, since the kernel stacks
 * hold what is to go on.
 */
#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

static struct {
	u32 nmaking; /* processes that are being made. atomic */
	u32 is_told; /* the monitor knows that the instance runs. atomic */
} restore;

u64 restore_stack(const struct plat_slot *s)
{
	return slot_signal_stack(s) + SLOT_SIGSTACK_SIZE;
}

NORETURN static void fail(const char *what, s64 err)
{
	char text[128];

	fmt_format(text, sizeof(text), "cannot wake: %s: error %d", what,
		   (int)-err);
	plat_crash(text, NULL);
}

/* Of the processes that the wake itself makes, the last one tells the monitor.
 * There is no reply, which somebody else would take for his. */
static void process_is_made(void)
{
	static const struct broker_request woken = { .op = BROKER_WOKEN };

	if (atomic_fetch_sub(&restore.nmaking, 1) != 1 ||
	    atomic_xchg(&restore.is_told, 1))
		return;
	if (host_send_all(plat_state.broker_fd, &woken, sizeof(woken)))
		plat_crash("the monitor cannot be told of the wake", NULL);
}

static void start_threads(struct plat_slot *first)
{
	u32 n = slot_count(), left = first->space->nthreads - 1;

	for (u32 i = slot_index(first) + 1; left && i < n; i++) {
		struct plat_slot *s = slot_by_index(i);
		s64 tid;

		/* A new one that a next freeze has stopped has a host thread.
		 */
		if (!s->quiet_sp || s->space != first->space || s->host_tid)
			continue;
		left--;
		tid = hostcall_clone(HOST_CLONE_THREAD, restore_stack(s),
				     &s->host_tid, s);
		if (tid < 0)
			fail("thread", tid);
	}
}

void restore_thread(struct plat_slot *s)
{
	struct boot_block *block = (struct boot_block *)KERNEL_BOOT_BASE;

	if (s->is_new_process) {
		int err;

		s->is_new_process = false;
		err = woken_map();
		if (!err)
			err = woken_make(s->space, s->space->entry);
		woken_unmap();
		woken_put();
		if (err)
			fail(err == -EBADMSG ? "the checkpoint is damaged"
					     : "memory of a process",
			     err);
		if (!s->is_shell) /* even if it has been given a thread */
			on_space_wake();
		thread_take_ids(s, true);
		start_threads(s);
		phase_note(BOOT_T_THREADS);
		process_is_made();
	} else {
		thread_take_ids(s, false);
	}
	s->is_woken = true;
	if (!block->phase_ns[BOOT_T_USER])
		phase_note(BOOT_T_USER);
	switch_back(s->quiet_sp);
}

/* Slots and spaces know host threads that are no more. */
void restore_forget_host(void)
{
	u32 n = slot_count();

	dense_forget();
	for (u32 i = 0; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		s->lazy_chunk = s->lazy_times = 0;
		s->kick_tid = 0;
		s->kick_sent = 0;
		s->host_tid = 0;
		s->host_pid = 0;
		s->cputime_base = s->cputime;
		if (i > 0 && !s->quiet_sp)
			continue;
		s->is_new_process = false;
		s->space->cputime_base = s->space->cputime;
		s->space->is_dense = false;
		s->space->is_woken = false;
		if (s->space->host_pid)
			s->space->key = s->space->host_pid;
		s->space->host_pid = 0;
	}
}

/* Every space but process 0's, once. */
static u32 find_entries(const struct plat_space *own)
{
	u32 n = slot_count(), next = 0, count = 0;

	if (woken_map())
		fail("tables", -EIO);
	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (!s->quiet_sp || s->space == own || s->space->is_woken)
			continue;
		s->space->is_woken = true;
		s->space->entry = woken_find(s->space->key, &next);
		count++;
	}
	woken_unmap();
	return count;
}

void restore_start(struct plat_space *space)
{
	struct plat_slot *s = slot_by_index(space->first);
	s64 pid;

	s->is_new_process = true;
	atomic_fetch_add(&restore.nmaking, 1);
	space->is_dense = slot_of_host()->space->is_dense;
	atomic_fetch_add(&freeze_threads, space->nthreads);
	pid = hostcall_clone(HOST_CLONE_PROCESS, restore_stack(s), &s->host_tid,
			     s);
	if (pid < 0)
		fail("process", pid);
}

/* Each is started by a thread of its own, the first in the slots. The others
 * have begun to run meanwhile. */
static void start_processes(const struct plat_space *own)
{
	u32 n = slot_count();

	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);
		struct plat_space *space = s->space;

		if (!space || !space->is_woken || space == own ||
		    space->first != i)
			continue;
		space->is_woken = false;
		if (atomic_load(&space->state) == SPACE_LIVE)
			restore_start(space);
	}
}

void restore_run(const struct boot_block *b)
{
	struct plat_slot *s = slot_by_index(0);

	woken_open(b);
	freeze_woken(b);
	woken_expect(find_entries(s->space) + 1);
	park_all(s->space);
	freeze_threads = s->space->nthreads - 1;
	restore.nmaking = 1;
	restore.is_told = 0;
	start_processes(s->space);
	woken_put();
	start_threads(s);
	phase_note(BOOT_T_PROCESSES);
	process_is_made();
	switch_back(s->quiet_sp);
}

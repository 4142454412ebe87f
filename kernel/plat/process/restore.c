/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking a checkpoint (docs/design/007-snapshots.md): all shared memory is as
 * it was at the quiet point; this makes the host processes and threads that
 * were there. Runs on signal stacks, which were empty, since the kernel stacks
 * hold what is to go on.
 */
#include <linux/mman.h>

#include "abi/boot.h"
#include "abi/checkpoint.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

/* Where the file's tables are mapped while processes are made. */
#define TABLES (KERNEL_BOOT_BASE + GIB(2))

static struct {
	const struct checkpoint_space *spaces;
	const struct checkpoint_map *maps;
	u64 nspaces, nmaps;
	u64 offset, len; /* of both in the file */
	s32 fd;
	u32 nleft; /* host processes that still need the file. atomic */
} restore;

_Static_assert(TABLES + GIB(1) < KERNEL_SLOTS_BASE, "layout");

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

static void find_tables(const struct boot_block *b)
{
	u64 start = MIN(b->checkpoint_spaces, b->checkpoint_maps);
	u64 end = MAX(b->checkpoint_spaces +
			      b->checkpoint_nspaces * sizeof(*restore.spaces),
		      b->checkpoint_maps +
			      b->checkpoint_nmaps * sizeof(*restore.maps));

	start = PAGE_DOWN(start);
	restore.offset = start;
	restore.len = PAGE_UP(end) - start;
	restore.spaces = (void *)(TABLES + b->checkpoint_spaces - start);
	restore.nspaces = b->checkpoint_nspaces;
	restore.maps = (void *)(TABLES + b->checkpoint_maps - start);
	restore.nmaps = b->checkpoint_nmaps;
	restore.fd = b->checkpoint_fd;
}

static void map_tables(void)
{
	s64 at = hostcall(__NR_mmap, TABLES, restore.len, PROT_READ,
			  MAP_PRIVATE | MAP_FIXED, restore.fd, restore.offset);

	if (at < 0)
		fail("tables", at);
}

static void unmap_tables(void)
{
	hostcall(__NR_munmap, TABLES, restore.len);
}

/* The last one closes the file: descriptors are common to all. */
static void drop_file(void)
{
	if (atomic_fetch_sub(&restore.nleft, 1) == 1)
		hostcall(__NR_close, restore.fd);
}

/* A process's own pages. They are read, not mapped from the file: private
 * memory that is anonymous reads as zero once it is given up (MADV_DONTNEED),
 * grows by zeros (mremap) and can be wiped on fork; a mapping of a file cannot.
 */
static int read_pages(const struct checkpoint_map *m)
{
	const u64 flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE |
			  MAP_ANONYMOUS;
	s64 n = hostcall(__NR_mmap, m->start, m->len, PROT_READ | PROT_WRITE,
			 flags, -1, 0);

	for (u64 done = 0; n >= 0 && done < m->len; done += (u64)n) {
		struct plat_iovec iov = { m->start + done, m->len - done };

		n = hostcall(__NR_preadv2, restore.fd, &iov, 1,
			     m->offset + done, 0, 0);
		if (n == 0)
			n = -EIO;
		if (n == -EINTR)
			n = 0;
	}
	if (n >= 0 && m->prot != (PROT_READ | PROT_WRITE))
		n = hostcall(__NR_mprotect, m->start, m->len, m->prot);
	return n < 0 ? (int)n : 0;
}

static int make_map(const struct checkpoint_map *m)
{
	u64 flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
	s32 fd = -1;
	s64 at;

	if (m->start < USER_START || m->len > USER_END - m->start)
		return -EINVAL;
	switch ((enum checkpoint_backing)m->backing) {
	case CHECKPOINT_ANON:
		flags |= MAP_ANONYMOUS;
		break;
	case CHECKPOINT_FILE:
		return read_pages(m);
	case CHECKPOINT_IMAGE:
		fd = plat_state.image_fd;
		break;
	case CHECKPOINT_CACHE_SHARED:
		flags ^= MAP_PRIVATE | MAP_SHARED;
		fd = plat_state.cache_fd;
		break;
	case CHECKPOINT_CACHE_COW:
		fd = plat_state.cache_fd;
		break;
	}
	at = hostcall(__NR_mmap, m->start, m->len, m->prot, flags, fd,
		      m->offset);
	return at < 0 ? (int)at : 0;
}

/* The place of a host process in the table, looked for from *next on: most come
 * in that order. ~0: it is not there. */
static u32 find_entry(s32 key, u32 *next)
{
	u32 n = (u32)restore.nspaces;

	for (u32 k = 0; k < n; k++) {
		u32 i = *next < n ? *next : 0;

		*next = i + 1;
		if (restore.spaces[i].host_pid == key)
			return i;
	}
	return ~0U;
}

static void make_memory(u32 entry)
{
	const struct checkpoint_space *s = &restore.spaces[entry];

	if (entry == ~0U)
		return; /* a shell */
	if (s->first_map > restore.nmaps ||
	    s->nmaps > restore.nmaps - s->first_map)
		fail("table of mappings", -EINVAL);
	for (u32 k = 0; k < s->nmaps; k++) {
		int err = make_map(&restore.maps[s->first_map + k]);

		if (err)
			fail("memory of a process", err);
	}
}

static void start_threads(struct plat_slot *first)
{
	u32 n = slot_count(), left = first->space->nthreads - 1;

	for (u32 i = slot_index(first) + 1; left && i < n; i++) {
		struct plat_slot *s = slot_by_index(i);
		s64 tid;

		if (!s->quiet_sp || s->space != first->space)
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
		s->is_new_process = false;
		map_tables();
		make_memory(s->space->entry);
		unmap_tables();
		drop_file();
		if (!s->is_shell) /* even if it has been given a thread */
			on_space_wake();
		thread_take_ids(s, true);
		start_threads(s);
		phase_note(BOOT_T_THREADS);
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

	for (u32 i = 0; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

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

	map_tables();
	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (!s->quiet_sp || s->space == own || s->space->is_woken)
			continue;
		s->space->is_woken = true;
		s->space->entry = find_entry(s->space->key, &next);
		count++;
	}
	unmap_tables();
	return count;
}

void restore_start(struct plat_space *space)
{
	struct plat_slot *s = slot_by_index(space->first);
	s64 pid;

	s->is_new_process = true;
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

	find_tables(b);
	freeze_woken();
	restore.nleft = find_entries(s->space) + 1;
	park_all(s->space);
	freeze_threads = s->space->nthreads - 1;
	start_processes(s->space);
	drop_file();
	start_threads(s);
	phase_note(BOOT_T_PROCESSES);
	switch_back(s->quiet_sp);
}

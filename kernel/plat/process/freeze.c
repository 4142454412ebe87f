/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quiet point (docs/design/007-snapshots.md). A host thread is quiet when
 * its registers are on its kernel stack and it waits here for the end of the
 * freeze. It comes here at its exit to the program (WORK_QUIET, which the kick
 * sets) or out of a wait of the platform's own. A copy of the memory taken
 * while all are quiet is woken by restore.c, which gives each stack a host
 * thread.
 */
#include "abi/broker.h"
#include "kernel/cpu/fpu.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/thread.h"

#define LOOK_AGAIN NSEC_PER_MSEC /* for threads that were being made */

u32 freeze_word; /* 1: freezing; threads wait for 0. atomic */
static u32 nquiet;
/* Slot that a kick is being sent to; its thread may not end meanwhile. 0: none
 * (process 0's main thread freezes, and is never kicked for it). atomic */
static u32 kicking;
u32 freeze_threads;
static nsec_t frozen_monotonic, frozen_realtime, frozen_boottime;
static bool is_woken;

void freeze_thread_ends(const struct plat_slot *s)
{
	smp_mb(); /* after kick_tid was cleared; pairs with kick_one() */
	while (unlikely(atomic_load(&kicking) == slot_index(s)))
		plat_yield();
}

void freeze_kicked(struct plat_slot *s)
{
	/* A shell is nobody yet: it waits, or begins, and looks there. */
	if (s->cpu.current && s != slot_by_index(0))
		atomic_fetch_or(&s->cpu.current->work, (u32)WORK_QUIET);
}

/* On the stack below the saved registers. */
NORETURN static void wait_for_end(void *arg)
{
	struct plat_slot *s = arg;

	atomic_fetch_add(&nquiet, 1);
	plat_wake(&nquiet, 1);
	while (atomic_load(&freeze_word))
		host_wait(&freeze_word, 1);
	atomic_fetch_sub(&nquiet, 1);
	switch_back(s->quiet_sp);
}

void freeze_stop_here(void)
{
	struct plat_slot *s = slot_of_host();
	/* The far end of the signal stack, which nobody is on. */
	void *registers = (void *)slot_signal_stack(s);
	u64 fs_base = plat_get_fs_base();

	if (s == slot_by_index(0))
		return; /* the one who freezes */
	fpu_save_area(registers);
	if (s->cpu.current)
		(void)plat_thread_cputime(s->cpu.current);
	save_and_call(&s->quiet_sp, wait_for_end, s);
	/* Here again: thawed, or in a host thread of a woken copy. */
	s = slot_of_host();
	s->quiet_sp = 0;
	fpu_restore_area(registers);
	plat_set_fs_base(fs_base);
	if (s->is_woken) {
		s->is_woken = false;
		on_thread_wake();
	}
}

void freeze_stop_waiting(s64 err, const struct park_wait *w)
{
	if (err == -EINTR)
		slot_of_host()->wait = *w;
	freeze_stop_here();
	slot_of_host()->wait.kind = PARK_NONE;
}

void plat_quiet_point(void)
{
	freeze_look();
}

static void kick_one(struct plat_slot *s)
{
	/* slot_kick() looks at kick_tid, after a barrier. */
	atomic_store(&kicking, slot_index(s));
	slot_kick(s);
	atomic_store_release(&kicking, 0);
}

static void kick_all(void)
{
	u32 n = slot_count();

	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (atomic_load(&s->kick_tid) && !atomic_load(&s->quiet_sp))
			kick_one(s);
	}
}

static void wait_until_quiet(void)
{
	for (;;) {
		u32 n = atomic_load(&nquiet);

		if (n == atomic_load(&freeze_threads))
			return;
		kick_all();
		if (atomic_load(&nquiet) == n)
			plat_wait(&nquiet, n,
				  plat_clock(PLAT_MONOTONIC) + LOOK_AGAIN);
	}
}

/* As a woken copy has to know them: its host processes are new. */
static void note_times(void)
{
	u32 n = slot_count();

	for (u32 i = 0; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (i == 0 || s->quiet_sp)
			(void)plat_space_cputime(s->space);
	}
}

/* The monitor copies memory before it replies, or never does; if it dies, the
 * copy may be woken already: nobody here goes on. Not by plat_broker_call():
 * its lock would be taken in the copy. */
NORETURN static void tell_frozen(void *arg UNUSED)
{
	struct broker_request request = { .op = BROKER_FROZEN };
	struct broker_reply reply;
	struct plat_iovec iov = { (u64)&reply, sizeof(reply) };
	s64 n;

	if (host_send_all(plat_state.broker_fd, &request, sizeof(request)))
		plat_crash("the monitor cannot be told of the freeze", NULL);
	do
		n = hostcall(__NR_readv, plat_state.broker_fd, &iov, 1);
	while (n == -EINTR);
	while (n <= 0)
		hostcall(__NR_exit_group, BOOT_HOST_EXIT_OK);
	switch_back(slot_by_index(0)->quiet_sp);
}

/* Nobody was stopped. */
static void refuse_to_freeze(const char *why)
{
	struct {
		struct broker_request request;
		char why[96];
	} call = { .request = { .op = BROKER_FROZEN, .arg = EOPNOTSUPP } };
	struct broker_reply reply;

	str_copy(call.why, sizeof(call.why), why);
	call.request.payload_len = (u32)strlen(call.why);
	(void)plat_broker_call(&call,
			       sizeof(call.request) + call.request.payload_len,
			       &reply, sizeof(reply), NULL, 0);
}

bool plat_freeze(void)
{
	struct plat_slot *s = slot_by_index(0);

	if (fpu_size() > FPU_AREA_MAX) {
		refuse_to_freeze("this processor has more registers than fit");
		return false;
	}
	atomic_store(&freeze_word, 1);
	smp_mb();
	wait_until_quiet();
	note_times();
	park_freeze();
	frozen_monotonic = plat_clock(PLAT_MONOTONIC);
	frozen_realtime = plat_clock(PLAT_REALTIME);
	frozen_boottime = plat_clock(PLAT_BOOTTIME);
	save_and_call(&s->quiet_sp, tell_frozen, NULL);
	s->quiet_sp = 0;
	if (!is_woken) {
		park_go_on();
		atomic_store(&freeze_word, 0);
		plat_wake(&freeze_word, ~0U);
		return false;
	}
	is_woken = false;
	return true;
}

void freeze_woken(const struct boot_block *b)
{
	nsec_t slept = plat_clock(PLAT_REALTIME) - frozen_realtime;

	is_woken = true;
	atomic_store(&freeze_word, 0);
	atomic_store(&nquiet, 0);
	atomic_store(&kicking, 0);
	clock_go_on(frozen_monotonic, frozen_boottime + MAX(slept, 0));
	on_wake(b, MAX(slept, 0));
}

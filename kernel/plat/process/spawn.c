/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host processes with an empty user range ("shells") and lending a host thread.
 * Only process 0's main thread makes shells, in plat_broker_event(); one idle
 * shell is kept once the first was asked for, so that exec after vfork wakes a
 * waiting process instead of making one.
 */
#include "kernel/cpu/fpu.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/lock.h"
#include "kernel/proc/thread.h"

struct spawn_request { /* on the kernel stack of the one who waits */
	struct list node;
	struct plat_slot *shell; /* NULL: the host refused */
	u32 done;		 /* 1: answered. atomic */
};

static struct {
	struct mutex lock;
	struct list requests;	/* next == NULL: not initialised yet */
	struct plat_slot *idle; /* a shell nobody asked for yet */
	bool is_idle_wanted;
} spawn;

static struct plat_slot *shell_new(void)
{
	struct plat_slot *s = slot_new();

	if (!s)
		return NULL;
	s->is_shell = true;
	s->space = space_new();
	if (s->space && thread_clone_process(s) > 0)
		return s;
	if (s->space)
		space_free(s->space);
	slot_free(s);
	return NULL;
}

static struct spawn_request *request_take(void)
{
	struct spawn_request *r = NULL;

	mutex_lock(&spawn.lock);
	if (spawn.requests.next && !list_empty(&spawn.requests)) {
		r = list_first(&spawn.requests, struct spawn_request, node);
		list_del(&r->node);
	}
	mutex_unlock(&spawn.lock);
	return r;
}

bool spawn_serve(void)
{
	struct spawn_request *r;
	struct plat_slot *s;
	bool any = false;

	while ((r = request_take())) {
		any = true;
		r->shell = shell_new();
		atomic_store_release(&r->done, 1);
		plat_wake(&r->done, 1);
	}
	if (!atomic_load(&spawn.is_idle_wanted))
		return any;
	s = shell_new();
	mutex_lock(&spawn.lock);
	spawn.is_idle_wanted = false;
	spawn.idle = s;
	mutex_unlock(&spawn.lock);
	return true;
}

/* A shell, from the idle one or by asking process 0. */
static struct plat_slot *shell_get(void)
{
	struct spawn_request r = { .shell = NULL };
	struct plat_slot *s;

	if (slot_of_host() == slot_by_index(0))
		return shell_new();
	mutex_lock(&spawn.lock);
	s = spawn.idle;
	spawn.idle = NULL;
	spawn.is_idle_wanted = true;
	if (!s) {
		if (!spawn.requests.next)
			list_init(&spawn.requests);
		list_append(&spawn.requests, &r.node);
	}
	mutex_unlock(&spawn.lock);
	slot_kick(slot_by_index(0)); /* process 0 */
	if (s)
		return s;
	while (!atomic_load_acquire(&r.done))
		plat_wait(&r.done, 0, NSEC_MAX);
	return r.shell;
}

int plat_thread_spawn(struct thread *t, void (*entry)(struct thread *),
		      struct plat_space **space)
{
	struct plat_slot *old = t->slot;
	struct plat_slot *s = shell_get();

	if (!s)
		return -EAGAIN;
	*slot_frame(s) = *slot_frame(old);
	s->cpu.current = t;
	s->entry = entry;
	*space = s->space;
	atomic_store(&t->slot, s);
	/* A borrowed thread still runs on its old stack; unborrow frees it. */
	if (t != current())
		slot_free(old);
	atomic_store_release(&s->mailbox, 1);
	plat_wake(&s->mailbox, 1);
	return 0;
}

/* --- vfork: the child uses the parent's host thread ------------------------
 */

struct borrow_start {
	struct thread *t;
	void (*entry)(struct thread *t);
};

static void borrow_main(void *arg)
{
	struct borrow_start *start = arg;

	start->entry(start->t);
	kpanic("borrowed thread's entry returned");
}

void plat_thread_borrow(struct thread *t, void (*entry)(struct thread *))
{
	struct plat_slot *host = slot_of_host();
	struct borrow_start start = { t, entry };
	struct plat_lend lend = {
		.thread = host->cpu.current,
		.borrower = t->slot,
		.prev = host->lend,
		.fs_base = plat_get_fs_base(),
		.kernel_sp = host->cpu.kernel_sp,
		.fpu = fpu_save_kernel(),
	};

	host->lend = &lend;
	host->cpu.kernel_sp = slot_kernel_sp(t->slot);
	host->cpu.current = t;
	/* Kicks for t now reach this host thread. */
	atomic_store_release(&t->slot->host, host);
	switch_to(&lend.sp, (u64)slot_frame(lend.borrower), borrow_main,
		  &start);
	fpu_restore_kernel(lend.fpu);
	slot_free(lend.borrower);
}

void plat_thread_unborrow(void)
{
	struct plat_slot *host = slot_of_host();
	struct plat_lend *lend = host->lend;

	kassert(lend);
	host->lend = lend->prev;
	host->cpu.kernel_sp = lend->kernel_sp;
	host->cpu.current = lend->thread;
	plat_set_fs_base(lend->fs_base);
	switch_back(lend->sp);
}

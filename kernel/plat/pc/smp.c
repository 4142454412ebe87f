/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other processors: each is started by an INIT and a start-up interrupt
 * (Intel's Software Developer's Manual, volume 3, "MP Initialization") and is
 * idle until a thread comes its way. One at a time, before the first program.
 */
#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"

#define WAIT_FIRST (NSEC_PER_MSEC / 5)
#define WAIT_LAST NSEC_PER_SEC

struct words {
	u64 root, stack, argument, entry;
};
extern const char trampoline[], trampoline_words[], trampoline_end[];

/* On its idle thread's stack. */
NORETURN static void cpu_main(struct cpu *c)
{
	cpu_segments(c);
	cpu_init();
	apic_init(c);
	sched_init(c);
	__asm__ volatile("wrgsbase %0" : : "r"(c->idle));
	atomic_store_release(&c->is_online, 1);
	sched_idle();
}

static bool prepare(struct cpu *c)
{
	paddr_t stacks = frame_alloc(2);

	_Static_assert((IST_COUNT - 1) * CPU_STACK_SIZE == PAGE_SIZE << 2,
		       "order");
	c->idle = slot_new();
	if (!c->idle || stacks == FRAME_NONE)
		return false;
	c->stacks = physical(stacks);
	c->idle->entry = idle_main;
	c->idle->last = c;
	c->idle->on_cpu = 1;
	c->running = c->idle;
	return true;
}

static bool comes(const struct cpu *c, nsec_t time)
{
	nsec_t end = clock_now() + time;

	while (!atomic_load_acquire(&c->is_online)) {
		if (clock_now() > end)
			return false;
		__builtin_ia32_pause();
	}
	return true;
}

static bool start(struct cpu *c, u32 apic_id)
{
	struct words *w =
		physical(TRAMPOLINE + (u64)(trampoline_words - trampoline));

	if (!prepare(c))
		return false;
	memcpy(physical(TRAMPOLINE), trampoline,
	       (size_t)(trampoline_end - trampoline));
	*w = (struct words){ kernel_root, (u64)slot_frame(c->idle) & ~15UL,
			     (u64)c, (u64)cpu_main };
	smp_mb();
	apic_start(apic_id, TRAMPOLINE, false);
	if (comes(c, WAIT_FIRST))
		return true;
	apic_start(apic_id, TRAMPOLINE, true);
	return comes(c, WAIT_LAST);
}

/* Those that the firmware's tables list. */
void smp_start(void)
{
	for (u32 i = 0; i < firmware.ncpus && ncpus < CPUS_MAX; i++) {
		u32 id = firmware.cpus[i];

		if (id == cpus[0].apic_id)
			continue;
		if (!start(&cpus[ncpus], id)) {
			klog("processor %u does not start", id);
			break; /* it may yet: its block is not used again */
		}
		ncpus++;
	}
	pagetable_forget_start();
}

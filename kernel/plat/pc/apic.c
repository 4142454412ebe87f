/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each CPU's own interrupt controller (local APIC, registers in memory) with
 * its timer. Intel's Software Developer's Manual, volume 3, chapter "APIC".
 */
#include "kernel/plat/pc/pc.h"

#define APIC_PHYSICAL 0xfee00000UL

enum { /* local APIC, bytes */
       APIC_ID = 0x20,
       APIC_EOI = 0xb0,
       APIC_SPURIOUS = 0xf0,
       APIC_COMMAND = 0x300,
       APIC_COMMAND_HIGH = 0x310,
       APIC_LVT_TIMER = 0x320,
       APIC_LVT_LINT0 = 0x350,
       APIC_LVT_LINT1 = 0x360,
       APIC_TIMER_START = 0x380,
       APIC_TIMER_NOW = 0x390,
       APIC_TIMER_DIVIDE = 0x3e0,
};
#define APIC_ENABLE 0x100
#define LVT_MASKED 0x10000
#define LVT_DEADLINE 0x40000
#define TIMER_BY_1 0xb
#define MSR_TSC_DEADLINE 0x6e0
#define COMMAND_PENDING 0x1000
#define COMMAND_ASSERT 0x4000
#define COMMAND_INIT 0x500
#define COMMAND_START 0x600
#define INIT_TIME (10 * NSEC_PER_USEC)

static volatile u32 *apic;
static u64 timer_hz; /* without TSC deadlines */

static u32 apic_get(u32 at)
{
	return apic[at / 4];
}

static void apic_set(u32 at, u32 v)
{
	apic[at / 4] = v;
}

/* The old controllers would send vectors that we have other uses for. */
static void mask_legacy(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

#define MEASURE_NS (NSEC_PER_MSEC / 2)

static void measure_timer(void)
{
	nsec_t start, end;
	u32 left;

	apic_set(APIC_TIMER_START, ~0u);
	start = clock_now();
	do
		end = clock_now();
	while (end - start < MEASURE_NS);
	left = apic_get(APIC_TIMER_NOW);
	apic_set(APIC_TIMER_START, 0);
	timer_hz = (u64)(~0u - left) * NSEC_PER_SEC / (u64)(end - start);
}

void apic_init(struct cpu *c)
{
	if (!apic) {
		apic = device_map(APIC_PHYSICAL, PAGE_SIZE);
		mask_legacy();
	}
	apic_set(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
	apic_set(APIC_LVT_LINT0, LVT_MASKED);
	apic_set(APIC_LVT_LINT1, LVT_MASKED);
	c->apic_id = apic_get(APIC_ID) >> 24;
	apic_set(APIC_TIMER_DIVIDE, TIMER_BY_1);
	apic_set(APIC_LVT_TIMER,
		 VECTOR_TIMER | (clock_has_deadline ? LVT_DEADLINE : 0));
	if (!clock_has_deadline && !timer_hz)
		measure_timer();
}

void apic_eoi(void)
{
	apic_set(APIC_EOI, 0);
}

/* Two registers: nobody may come between. */
static void command(u32 apic_id, u32 what)
{
	u64 flags = irq_save();

	while (apic_get(APIC_COMMAND) & COMMAND_PENDING)
		__builtin_ia32_pause();
	apic_set(APIC_COMMAND_HIGH, apic_id << 24);
	apic_set(APIC_COMMAND, what | COMMAND_ASSERT);
	irq_restore(flags);
}

void apic_send(u32 apic_id, u8 vector)
{
	command(apic_id, vector);
}

void apic_start(u32 apic_id, u64 address, bool is_again)
{
	nsec_t end;

	if (!is_again) {
		command(apic_id, COMMAND_INIT);
		end = clock_now() + INIT_TIME;
		while (clock_now() < end)
			__builtin_ia32_pause();
	}
	command(apic_id, COMMAND_START | (u32)(address >> PAGE_SHIFT));
}

void apic_timer(nsec_t when)
{
	nsec_t left;
	u64 count;

	if (clock_has_deadline) {
		wrmsr(MSR_TSC_DEADLINE,
		      when == NSEC_MAX ? 0 : clock_to_tsc(MAX(when, 0)) | 1);
		return;
	}
	if (when == NSEC_MAX) {
		apic_set(APIC_TIMER_START, 0);
		return;
	}
	left = MIN(MAX(when - clock_now(), 1000), NSEC_PER_SEC);
	count = (u64)left * timer_hz / NSEC_PER_SEC;
	apic_set(APIC_TIMER_START, (u32)MIN(MAX(count, 1UL), 0xffffffffUL));
}

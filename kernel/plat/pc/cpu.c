/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A processor: its segments, the stacks of its vectors, its control registers,
 * and telling the others to forget a mapping.
 */
#include "kernel/cpu/cpuid.h"
#include "kernel/plat/pc/pc.h"

#define CR4_PGE (1UL << 7)
#define CR4_FSGSBASE (1UL << 16)
#define CR4_OSXSAVE (1UL << 18)
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define MSR_TSC_AUX 0xc0000103
#define XCR0_ALL 0xe7 /* x87, SSE, AVX, AVX-512 */

struct cpu cpus[CPUS_MAX];
u32 ncpus = 1;

static u8 first_stacks[IST_COUNT - 1][CPU_STACK_SIZE] ALIGNED(16);
static u64 kernel_changes, syncs; /* atomic; what all CPUs are to obey */

struct cpu *this_cpu(void)
{
	return &cpus[cpu_index()];
}

/* Each CPU has a table of its own, with its TSS at the place that tells its
 * number. */
static void load_segments(struct cpu *c)
{
	struct {
		u16 limit;
		u64 base;
	} PACKED pointer;
	u64 base = (u64)&c->tss, limit = sizeof(c->tss) - 1;
	u32 at = 3 + 2 * c->id;

	c->gdt[0] = 0;
	c->gdt[1] = 0x00af9b000000ffff;
	c->gdt[2] = 0x00cf93000000ffff;
	c->gdt[at] = limit | (base & 0xffffff) << 16 | 0x89UL << 40 |
		     (base >> 24 & 0xff) << 56;
	c->gdt[at + 1] = base >> 32;
	pointer.limit = sizeof(c->gdt) - 1;
	pointer.base = (u64)c->gdt;
	__asm__ volatile("lgdt %0" : : "m"(pointer));
	__asm__ volatile("ltr %w0" : : "r"(PC_TSS + 16 * c->id));
}

static void load_stacks(struct cpu *c)
{
	for (u32 i = 0; i < IST_COUNT - 1; i++) {
		u64 *top = (u64 *)(c->stacks[i] + CPU_STACK_SIZE) - 2;

		*top = (u64)c; /* trap.S */
		c->tss.ist[i] = (u64)top;
	}
	c->tss.io_base = sizeof(c->tss);
}

/* What programs may use of the processor. */
static void load_features(void)
{
	u32 a, b, c, d;
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__cpuid_count(7, 0, a, b, c, d);
	if (!(b & 1))
		kpanic("processor without FSGSBASE");
	cr4 |= CR4_FSGSBASE;
	__cpuid(1, a, b, c, d);
	if (!(c & (1u << 26)))
		kpanic("processor without XSAVE");
	cr4 |= CR4_OSXSAVE;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
	__cpuid_count(0xd, 0, a, b, c, d);
	__asm__ volatile("xsetbv" : : "c"(0), "a"(a & XCR0_ALL), "d"(0));
}

void cpu_segments(struct cpu *c)
{
	c->self = c;
	c->id = (u32)(c - cpus);
	if (!c->stacks)
		c->stacks = first_stacks;
	load_stacks(c);
	load_segments(c);
}

void cpu_init(void)
{
	load_features();
	trap_load();
	/* The entry keeps all flags; it does not change the privilege. */
	wrmsr(MSR_STAR, (u64)PC_CS << 32);
	wrmsr(MSR_LSTAR, (u64)fast_entry);
	wrmsr(MSR_FMASK, 0);
	__asm__ volatile("fninit");
}

/* --- The others --------------------------------------------------------------
 */

void cpus_send(u32 mask, u8 vector)
{
	for (; mask; mask &= mask - 1)
		apic_send(cpus[__builtin_ctz(mask)].apic_id, vector);
}

static u32 all_cpus(void)
{
	return (u32)((1UL << ncpus) - 1);
}

/* All but the caller's have to obey; they say so in their word at `field`. */
static void wait_all(u64 number, size_t field, u32 mask)
{
	for (; mask; mask &= mask - 1) {
		struct cpu *c = &cpus[__builtin_ctz(mask)];
		u64 *seen = (u64 *)((u8 *)c + field);

		while (atomic_load_acquire(seen) < number)
			__builtin_ia32_pause();
	}
}

/* All that is remembered, of the kernel's pages, too. */
static void forget_all(void)
{
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_PGE) : "memory");
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

void cpu_load_space(struct cpu *c, struct plat_space *s)
{
	struct plat_space *old = c->space;
	u64 changes;

	c->space = s;
	if (s) {
		atomic_fetch_or(&s->cpus, 1u << c->id);
		changes = atomic_load_acquire(&s->changes);
		write_cr3(s->root);
		atomic_store_release(&s->seen[c->id], changes);
	} else {
		write_cr3(kernel_root);
	}
	/* From now on it may be gone. */
	if (old)
		atomic_fetch_and(&old->cpus, ~(1u << c->id));
}

static void obey_space(struct cpu *c, struct plat_space *s)
{
	u64 changes = atomic_load_acquire(&s->changes);

	/* Left loaded by who ran before: without it nobody need ask again. */
	if (s != c->running->space) {
		cpu_load_space(c, NULL);
		return;
	}
	if (atomic_load(&s->seen[c->id]) == changes)
		return;
	write_cr3(s->root);
	atomic_store_release(&s->seen[c->id], changes);
}

void cpu_obey(struct cpu *c)
{
	u64 sync = atomic_load_acquire(&syncs);
	u64 changes = atomic_load_acquire(&kernel_changes);

	if (c->kernel_seen != changes) {
		forget_all();
		atomic_store_release(&c->kernel_seen, changes);
	}
	if (c->space)
		obey_space(c, c->space);
	/* The return from the interrupt serialises. */
	atomic_store_release(&c->sync_seen, sync);
}

void cpus_flush_kernel(void)
{
	u64 number = atomic_fetch_add(&kernel_changes, 1) + 1;
	u64 flags = irq_save();
	struct cpu *me = this_cpu();
	u32 others = all_cpus() & ~(1u << me->id);

	cpu_obey(me);
	cpus_send(others, VECTOR_FLUSH);
	irq_restore(flags);
	wait_all(number, offsetof(struct cpu, kernel_seen), others);
}

#define FLUSH_EACH 16 /* pages; from there on all at once */

static void forget_own(struct cpu *c, struct plat_space *s, u64 number,
		       u64 start, u64 end)
{
	u64 *seen = &s->seen[c->id];

	if (atomic_load(seen) + 1 == number &&
	    end - start <= FLUSH_EACH * PAGE_SIZE)
		for (u64 va = start; va < end; va += PAGE_SIZE)
			invlpg(va);
	else if (atomic_load(seen) < number)
		write_cr3(s->root);
	atomic_store_release(seen, number);
}

void cpus_flush_space(struct plat_space *s, u64 start, u64 end)
{
	u64 number = atomic_fetch_add(&s->changes, 1) + 1;
	u64 flags = irq_save();
	struct cpu *me = this_cpu();
	u32 others;

	if (me->space == s)
		forget_own(me, s, number, start, end);
	others = atomic_load(&s->cpus) & ~(1u << me->id);
	cpus_send(others, VECTOR_FLUSH);
	irq_restore(flags);
	for (; others; others &= others - 1) {
		u32 id = (u32)__builtin_ctz(others);

		while (atomic_load(&s->cpus) >> id & 1 &&
		       atomic_load_acquire(&s->seen[id]) < number)
			__builtin_ia32_pause();
	}
}

unsigned int plat_ncpus(void)
{
	return ncpus;
}

unsigned int plat_cpu(void)
{
	return cpu_index();
}

void plat_sync_cores(void)
{
	u64 number = atomic_fetch_add(&syncs, 1) + 1;
	u64 flags = irq_save();
	u32 others = all_cpus() & ~(1u << this_cpu()->id);
	u32 a, b, c, d;

	cpus_send(others, VECTOR_FLUSH);
	irq_restore(flags);
	wait_all(number, offsetof(struct cpu, sync_seen), others);
	__cpuid(0, a, b, c, d);
	(void)(a + b + c + d);
}

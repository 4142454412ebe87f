/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the loader's words to boot_main(), in the order it happens. The boot
 * block is the loader's first module; the image, if it is not on a disk,
 * follows it in there.
 */
#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"

/* Xen's public/arch-x86/hvm/start_info.h. */
#define START_MAGIC 0x336ec578u
struct start_info {
	u32 magic, version, flags, nmodules;
	u64 modules, command_line, rsdp;
	u64 memory_map; /* version 1 */
	u32 nmemory_map, pad;
};
struct start_module {
	u64 address, size, command_line, pad;
};
struct start_memory {
	u64 address, size;
	u32 type, pad;
};
#define MEMORY_USABLE 1
#define MEMORY_MAP_MAX 128
#define KERNEL_START 0x100000UL /* kernel.lds */
#define KERNEL_TEXT 0x200000UL
#define KERNEL_DATA 0x400000UL
#define LOW_MEMORY 0x10000UL /* left to firmware and other CPUs' start */

char command_line[2048];
static struct start_module module;
/* All that is in memory below 4 GiB, before it is used for anything else. */
static paddr_t take_words(const struct start_info *info, paddr_t *rsdp)
{
	const struct start_memory *m = physical(info->memory_map);
	paddr_t end = 0;

	if (info->magic != START_MAGIC)
		kpanic("not started by the PVH protocol");
	if (!info->version || !info->memory_map)
		kpanic("the loader tells no memory map");
	*rsdp = info->rsdp;
	if (info->command_line)
		str_copy(command_line, sizeof(command_line),
			 physical(info->command_line));
	if (info->nmodules)
		module = *(struct start_module *)physical(info->modules);
	for (u32 i = 0; i < MIN(info->nmemory_map, MEMORY_MAP_MAX); i++) {
		if (m[i].type != MEMORY_USABLE)
			continue;
		frames_add(MAX(m[i].address, LOW_MEMORY),
			   m[i].address + m[i].size);
		end = MAX(end, m[i].address + m[i].size);
	}
	return end;
}

/* What of the boot block is in use: its end is room that nobody took. */
static u64 boot_block_len(void)
{
	const struct boot_block *b = physical(module.address);

	if (module.size < BOOT_BLOCK_SIZE)
		return 0;
	return PAGE_UP(offsetof(struct boot_block, data) +
		       MIN((u64)b->data_len, (u64)BOOT_DATA_SIZE));
}

static void take_memory(paddr_t end)
{
	u64 text = (u64)kernel_rodata_end - KERNEL_BASE;
	u64 data = (u64)kernel_bss_end - KERNEL_DATA_BASE;

	if (module.address < KERNEL_DATA + data &&
	    module.address + module.size > KERNEL_DATA)
		kpanic("too little memory: the first module is on the kernel");
	frames_reserve(KERNEL_START, start_end);
	frames_reserve(KERNEL_TEXT, KERNEL_TEXT + text);
	frames_reserve(KERNEL_DATA, KERNEL_DATA + data);
	frames_reserve(module.address, module.address + boot_block_len());
	frames_reserve(module.address + BOOT_BLOCK_SIZE,
		       module.address + module.size);
	frames_init();
	pagetable_init(end);
	zero_page_init();
}

static struct boot_block *take_boot_block(void)
{
	struct boot_block *b = physical(module.address);

	if (module.size < BOOT_BLOCK_SIZE || b->magic != BOOT_MAGIC ||
	    b->version != BOOT_VERSION || b->size != BOOT_BLOCK_SIZE)
		kpanic("the first module is no boot block of this version");
	if (!IS_ALIGNED(module.address, PAGE_SIZE))
		kpanic("the first module is not aligned");
	if (kernel_map(KERNEL_BOOT_BASE, module.address, boot_block_len(),
		       PTE_WRITE) ||
	    image_set(b->image_size, module.address + BOOT_BLOCK_SIZE,
		      module.size - BOOT_BLOCK_SIZE))
		kpanic("no memory to map the image");
	b = (struct boot_block *)KERNEL_BOOT_BASE;
	b->ncpus = ncpus;
	b->host_memory = frames_total() * PAGE_SIZE;
	if (!b->memory_limit || b->memory_limit > b->host_memory)
		b->memory_limit = b->host_memory;
	return b;
}

/* On the first thread's own stack. */
static void start_on_slot(UNUSED void *arg)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	__asm__ volatile("sti" : : : "memory");
	b->phase_ns[BOOT_T_MAPPED] = (u64)clock_now();
	boot_main(b);
}

/* The CPU goes on as a thread, and has another for when it has no work. */
NORETURN static void become_thread(struct cpu *c)
{
	struct plat_slot *s = slot_new();

	s->space = space_new();
	c->idle = slot_new();
	if (!s->space || !c->idle)
		kpanic("no memory for the first threads");
	c->idle->entry = idle_main;
	c->idle->last = c;
	thread_prepare_stack(c->idle);
	s->last = c;
	s->on_cpu = 1;
	c->running = s;
	cpu_load_space(c, s->space);
	__asm__ volatile("wrgsbase %0" : : "r"(s));
	stack_call((u64)slot_frame(s), start_on_slot, NULL);
}

NORETURN void start_main(u32 start_info)
{
	struct cpu *c = &cpus[0];
	u64 entry = rdtsc();
	paddr_t end, rsdp;
	nsec_t begun;

	cpu_segments(c);
	serial_init();
	end = take_words(physical(start_info), &rsdp);
	take_memory(end);
	firmware_find(rsdp);
	trap_init();
	cpu_init();
	clock_init();
	apic_init(c);
	begun = clock_now() -
		(nsec_t)((rdtsc() - entry) * 1000000 / (clock_hz() / 1000));
	sched_init(c);
	smp_start();
	clock_publish();
	take_boot_block()->phase_ns[BOOT_T_KERNEL] = (u64)begun;
	become_thread(c);
}

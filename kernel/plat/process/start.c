/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the host's exec to boot_main(): maps the instance's regions over the
 * fresh address space, makes the kernel's data shared, leaves the host's stack
 * and shuts the door behind itself (filter). Static data must not be written
 * before map_data(): it would be lost.
 */
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/membarrier.h>
#include <linux/mman.h>

#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define HWCAP2_FSGSBASE 2u
#define HOST_TASK_END 0x7ffffffff000UL

/* Where things are in the object behind kernel_fd. */
#define MEMORY_DATA 0UL
#define MEMORY_SLOTS KERNEL_IMAGE_MAX
#define MEMORY_HEAP (MEMORY_SLOTS + KERNEL_SLOTS_MAX * KERNEL_SLOT_SIZE)

_Static_assert(MEMORY_HEAP + KERNEL_HEAP_SIZE <= GIB(512),
	       "size of the monitor's object");
_Static_assert(KERNEL_CACHE_SIZE <= TIB(1), "size of the monitor's object");

struct plat_state plat_state = {
	.image_fd = -1,
	.cache_fd = -1,
	.broker_fd = -1,
	.event_fd = -1,
	.trace_fd = -1,
};
struct vdso_host host_vdso;

struct start_info { /* of the host's stack */
	u64 vdso, hwcap2, min_signal_stack, stack_end;
	s32 boot_fd;
};

_Noreturn void start_main(u64 *sp);

NORETURN static void start_fail(const char *what, s64 err)
{
	char text[128];
	struct plat_iovec iov = { (u64)text, 0 };

	iov.len = (u64)fmt_format(text, sizeof(text),
				  "jiffy-kernel: cannot start: %s: error %d\n",
				  what, (int)-err);
	hostcall(__NR_writev, 2, &iov, 1);
	for (;;)
		hostcall(__NR_exit_group, BOOT_HOST_EXIT_CRASH);
}

static void must(s64 err, const char *what)
{
	if (err < 0)
		start_fail(what, err);
}

static s64 parse_number(const char *p)
{
	s64 n = 0;

	while (*p >= '0' && *p <= '9' && n < INT32_MAX / 10)
		n = n * 10 + *p++ - '0';
	return n;
}

static void read_stack(u64 *sp, struct start_info *s)
{
	u64 *p = sp + 1 + sp[0] + 1;
	u64 name = (u64)sp;

	s->boot_fd = BOOT_FD;
	if (sp[0] > 1)
		s->boot_fd = (s32)parse_number((const char *)sp[2]);
	while (*p++)
		;
	for (; p[0] != AT_NULL; p += 2) {
		if (p[0] == AT_SYSINFO_EHDR)
			s->vdso = p[1];
		else if (p[0] == AT_HWCAP2)
			s->hwcap2 = p[1];
		else if (p[0] == AT_MINSIGSTKSZ)
			s->min_signal_stack = p[1];
		else if (p[0] == AT_EXECFN)
			name = p[1];
	}
	/* The name of the executable is the last thing on the stack. */
	s->stack_end = PAGE_UP(name + strlen((const char *)name) + 9);
}

static void map_shared(u64 at, u64 len, s32 fd, u64 offset, u64 prot,
		       const char *what)
{
	must(hostcall(__NR_mmap, at, len, prot,
		      MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd,
		      offset),
	     what);
}

static struct boot_block *map_boot(s32 fd)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	map_shared(KERNEL_BOOT_BASE, BOOT_BLOCK_SIZE, fd, 0,
		   PROT_READ | PROT_WRITE, "boot block");
	if (b->magic != BOOT_MAGIC || b->version != BOOT_VERSION ||
	    b->size != BOOT_BLOCK_SIZE)
		start_fail("boot block of another version", -EINVAL);
	return b;
}

/* Put the initialised data into the shared object, unless it holds what is to
 * be woken, and map that over itself. */
static void map_data(s32 fd, bool is_new)
{
	u64 start = (u64)kernel_data_start;
	u64 len = (u64)kernel_data_end - start;

	if (is_new)
		must(hostcall(__NR_pwrite64, fd, start, len, MEMORY_DATA),
		     "copy of kernel data");
	/* Up to the end of a large page, and one for dense.c. */
	must(hostcall(__NR_mmap, start, DENSE_COPY + LARGE_PAGE - start,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		      MEMORY_DATA),
	     "kernel data");
}

/* Everything the host's exec left that is not ours. */
static void unmap_rest(void)
{
	u64 image_end = KERNEL_IMAGE_BASE + KERNEL_IMAGE_SIZE;

	must(hostcall(__NR_munmap, PAGE_SIZE, KERNEL_BASE - PAGE_SIZE),
	     "user range");
	must(hostcall(__NR_munmap, KERNEL_CACHE_BASE, KERNEL_CACHE_SIZE),
	     "cache range");
	must(hostcall(__NR_munmap, KERNEL_IMAGE_BASE, KERNEL_IMAGE_SIZE),
	     "image range");
	must(hostcall(__NR_munmap, image_end, HOST_TASK_END - image_end),
	     "host stack");
}

static void map_files(const struct boot_block *b)
{
	if (b->cache_fd >= 0)
		map_shared(KERNEL_CACHE_BASE, KERNEL_CACHE_SIZE, b->cache_fd, 0,
			   PROT_READ | PROT_WRITE, "page cache");
	if (b->image_fd < 0)
		return;
	if (b->image_size > KERNEL_IMAGE_SIZE)
		start_fail("image too large", -EFBIG);
	map_shared(KERNEL_IMAGE_BASE, PAGE_UP(b->image_size), b->image_fd, 0,
		   PROT_READ, "root image");
}

static void take_descriptors(const struct boot_block *b, s32 boot_fd)
{
	plat_state.image_fd = b->image_fd;
	plat_state.cache_fd = b->cache_fd;
	plat_state.broker_fd = b->broker_fd;
	plat_state.event_fd = b->event_fd;
	plat_state.trace_fd = b->trace_fd;
	plat_state.nvolumes = MIN(b->nvolumes, BOOT_VOLUMES_MAX);
	for (u32 i = 0; i < plat_state.nvolumes; i++) {
		plat_state.volume_fd[i] = b->volumes[i].fd;
		plat_state.direct_fd[i] = b->volumes[i].direct_fd;
	}
	/* Mapped for ever and inherited: the numbers are not needed again. */
	hostcall(__NR_close, boot_fd);
	hostcall(__NR_close, b->kernel_fd);
}

/* The same for a new instance and for one that is woken. */
static void start_here(struct boot_block *b, const struct start_info *s)
{
	struct plat_slot *slot = slot_by_index(0);

	must(vdso_host_move(s->vdso, s->stack_end), "move of the host's vDSO");
	vdso_init(&host_vdso, b->ncpus ? b->ncpus : 1);
	unmap_rest();
	map_files(b);
	take_descriptors(b, s->boot_fd);
	if (b->flags & BOOT_RESTORE) {
		lazy_open(b);
		restore_forget_host();
	}
	if (!(b->flags & BOOT_RESTORE))
		slot->space = space_new();
	slot->host_pid = (s32)hostcall(__NR_getpid);
	slot->host_tid = slot->host_pid;
	slot->space->host_pid = slot->host_pid;
	slot->kick_tid = (u32)slot->host_tid;
	plat_state.has_host_cpus = b->flags & BOOT_HOST_CPUS;
	plat_state.monitor_pid = (s32)hostcall(__NR_getppid);
	must(trap_install(), "signal handlers");
	/* A woken instance is on it already: signals go below. */
	must(thread_arm_signal_stack(slot), "signal stack");
	must(hostcall(__NR_prctl, 1, 9, 0, 0, 0), "death signal");
	/* Registered while there is one thread: that is free, and inherited. */
	must(hostcall(__NR_membarrier,
		      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0,
		      0),
	     "membarrier");
	must(filter_install(), "seccomp filter");
	plat_state.has_filter = true;
	phase_note(BOOT_T_MAPPED);
}

/* On process 0's own stack. */
static void start_on_slot(void *arg)
{
	struct start_info s = *(struct start_info *)arg;
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	start_here(b, &s);
	if (b->flags & BOOT_RESTORE)
		restore_run(b);
	boot_main(b);
}

/* The monitor copies the memory of an instance that is woken meanwhile: till
 * then nothing of it may be touched, and no stack in it be used. */
static void await_memory(struct boot_block *b)
{
	while (atomic_load(&b->gate) == BOOT_GATE_CLOSED)
		host_wait(&b->gate, BOOT_GATE_CLOSED);
}

void start_main(u64 *sp)
{
	struct start_info s = { 0, 0, 0, 0, 0 };
	struct host_timespec ts = { 0, 0 };
	struct boot_block *b;
	struct plat_slot *slot = slot_by_index(0);
	bool is_new;

	read_stack(sp, &s);
	if (!s.vdso)
		start_fail("no vDSO", -ENOSYS);
	if (!(s.hwcap2 & HWCAP2_FSGSBASE))
		start_fail("processor or host without FSGSBASE", -ENOSYS);
	b = map_boot(s.boot_fd);
	is_new = !(b->flags & BOOT_RESTORE);
	hostcall(__NR_clock_gettime, 1, &ts);
	b->phase_ns[BOOT_T_KERNEL] = (u64)(ts.sec * NSEC_PER_SEC + ts.nsec);
	map_data(b->kernel_fd, is_new);
	map_shared(KERNEL_SLOTS_BASE, KERNEL_SLOTS_MAX * KERNEL_SLOT_SIZE,
		   b->kernel_fd, MEMORY_SLOTS, PROT_READ | PROT_WRITE,
		   "thread slots");
	map_shared(KERNEL_HEAP_BASE, KERNEL_HEAP_SIZE, b->kernel_fd,
		   MEMORY_HEAP, PROT_READ | PROT_WRITE, "kernel heap");
	await_memory(b);
	if (is_new)
		slot_setup(slot);
	__asm__ volatile("wrgsbase %0" : : "r"(slot));
	stack_call(is_new ? (u64)slot_frame(slot) : restore_stack(slot),
		   start_on_slot, &s);
}

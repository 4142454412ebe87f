/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of /proc about the instance as a whole: memory, time, load,
 * version. Numbers the platform does not know are zero, not invented.
 */
#include "abi/boot.h"
#include "kernel/dev/blkdev.h"
#include "kernel/dev/block.h"
#include "kernel/dev/chrdev.h"
#include "kernel/fs/procfs_int.h"
#include "kernel/proc/cputime.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/object.h"
#include "kernel/mm/pager.h"
#include "kernel/proc/oom.h"
#include "kernel/version.h"

/* Without a limit, on a machine that does not say what it has. */
#define MEMORY_DEFAULT GIB(4)

/* --- Memory
 * ------------------------------------------------------------------------ */

u64 memory_total(void)
{
	if (kernel.memory_limit)
		return kernel.memory_limit;
	return kernel.boot->host_memory ? kernel.boot->host_memory
					: MEMORY_DEFAULT;
}

/* Asking costs a message to the outside per process. */
#define MEASURE_PAUSE NSEC_PER_MSEC

static struct { /* atomic, each */
	nsec_t at;
	u64 bytes;
} measured;

static u64 measure_processes(void)
{
	u64 total = 0;
	s32 pid = 0;

	for (;;) {
		struct process *p = process_next(pid);
		struct mm *mm;

		if (!p)
			return total;
		pid = p->pid;
		mm = procfs_mm(p);
		if (mm) {
			struct mm_usage u = { 0 };

			procfs_usage(mm, &u);
			total += u.rss - MIN(u.shared, u.rss);
			mm_put(mm);
		}
		process_put(p);
	}
}

/* Private memory of all spaces, as of a millisecond ago at most. */
static u64 memory_of_processes(void)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);
	u64 bytes;

	if (now - atomic_load_acquire(&measured.at) < MEASURE_PAUSE)
		return atomic_load(&measured.bytes);
	bytes = measure_processes();
	atomic_store(&measured.bytes, bytes);
	atomic_store_release(&measured.at, now);
	return bytes;
}

u64 memory_used(void)
{
	struct heap_stats heap;
	u64 used;

	heap_stats(&heap);
	used = memory_of_processes() + heap.bytes_used +
	       object_total_pages() * PAGE_SIZE;
	return MIN(used, memory_total());
}

static void put_kib(struct fmt_buf *out, const char *name, u64 bytes)
{
	fmt_buf_add(out, "%-15s %8lu kB\n", name, bytes >> 10);
}

int procfs_show_meminfo(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	u64 total = memory_total(), anon = memory_of_processes();
	u64 cache = object_total_pages() * PAGE_SIZE, used;
	struct pager_counts files;
	struct heap_stats heap;

	heap_stats(&heap);
	pager_count(&files);
	used = MIN(anon + cache + heap.bytes_used, total);
	put_kib(out, "MemTotal:", total);
	put_kib(out, "MemFree:", total - used);
	put_kib(out, "MemAvailable:",
		total - used + (files.present - files.dirty) * PAGE_SIZE);
	put_kib(out, "Buffers:", 0);
	put_kib(out, "Cached:", cache);
	put_kib(out, "SwapCached:", 0);
	put_kib(out, "Active:", anon);
	put_kib(out, "Inactive:", cache);
	put_kib(out, "Active(anon):", anon);
	put_kib(out, "Inactive(anon):", 0);
	put_kib(out, "Active(file):", 0);
	put_kib(out, "Inactive(file):", cache);
	put_kib(out, "Unevictable:", 0);
	put_kib(out, "Mlocked:", 0);
	put_kib(out, "SwapTotal:", 0);
	put_kib(out, "SwapFree:", 0);
	put_kib(out, "Dirty:", files.dirty * PAGE_SIZE);
	put_kib(out, "Writeback:", files.writeback * PAGE_SIZE);
	put_kib(out, "AnonPages:", anon);
	put_kib(out, "Mapped:", 0);
	put_kib(out, "Shmem:", cache - MIN(cache, files.present * PAGE_SIZE));
	put_kib(out, "KReclaimable:", 0);
	put_kib(out, "Slab:", heap.bytes_used);
	put_kib(out, "SReclaimable:", 0);
	put_kib(out, "SUnreclaim:", heap.bytes_used);
	put_kib(out, "KernelStack:", (u64)thread_count() * 32 * 1024);
	put_kib(out, "PageTables:", 0);
	put_kib(out, "NFS_Unstable:", 0);
	put_kib(out, "Bounce:", 0);
	put_kib(out, "WritebackTmp:", 0);
	put_kib(out, "CommitLimit:", total);
	put_kib(out, "Committed_AS:", used);
	put_kib(out, "VmallocTotal:", TIB(32) - 1024);
	put_kib(out, "VmallocUsed:", 0);
	put_kib(out, "VmallocChunk:", 0);
	put_kib(out, "Percpu:", 0);
	put_kib(out, "AnonHugePages:", 0);
	put_kib(out, "ShmemHugePages:", 0);
	put_kib(out, "ShmemPmdMapped:", 0);
	fmt_buf_add(out,
		    "HugePages_Total:       0\nHugePages_Free:        0\n"
		    "HugePages_Rsvd:        0\nHugePages_Surp:        0\n");
	put_kib(out, "Hugepagesize:", MIB(2));
	put_kib(out, "Hugetlb:", 0);
	return 0;
}

int procfs_show_vmstat(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	u64 total = memory_total() / PAGE_SIZE;
	u64 used = memory_used() / PAGE_SIZE;
	struct pager_counts files;

	fmt_buf_add(out, "nr_free_pages %lu\nnr_file_pages %lu\n", total - used,
		    object_total_pages());
	fmt_buf_add(out, "nr_anon_pages %lu\n",
		    memory_of_processes() / PAGE_SIZE);
	pager_count(&files);
	fmt_buf_add(out, "nr_dirty %lu\nnr_writeback %lu\n", files.dirty,
		    files.writeback);
	fmt_buf_add(out,
		    "nr_mapped 0\n"
		    "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n"
		    "pgfault 0\npgmajfault 0\noom_kill %lu\n",
		    oom_kills());
	return 0;
}

/* --- Devices
 * -------------------------------------------------------------------------- */

int procfs_show_partitions(struct fmt_buf *out,
			   UNUSED const struct pseudo_node *n)
{
	struct block_device *d;

	fmt_buf_add(out, "major minor  #blocks  name\n\n");
	for (u32 i = 0; (d = block_device(i)); i++)
		fmt_buf_add(out, "%4u  %7u %10lu %s\n", MAJOR_VIRTBLK,
			    i * BLKDEV_MINORS, block_size(d) >> 10, d->name);
	return 0;
}

/* --- Time and load
 * -------------------------------------------------------------------- */

static nsec_t uptime(void)
{
	return plat_clock(PLAT_MONOTONIC) - kernel.boot_time;
}

/* Per CPU the busy time is shared out evenly: which ran where is not known. */
int procfs_show_cpustat(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	u32 running, ncpus = MAX(kernel.ncpus, 1U);
	struct plat_times total;
	u64 user, system, all, idle;

	cputime_total(&total, &running);
	user = ticks(total.user);
	system = ticks(total.system);
	all = ticks(uptime()) * ncpus;
	idle = all > user + system ? all - user - system : 0;
	fmt_buf_add(out, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, system,
		    idle);
	for (u32 i = 0; i < ncpus; i++)
		fmt_buf_add(out, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", i,
			    user / ncpus, system / ncpus, idle / ncpus);
	fmt_buf_add(out, "intr 0\nctxt 0\nbtime %lu\nprocesses %u\n",
		    (u64)(kernel.boot_realtime / NSEC_PER_SEC),
		    process_count());
	fmt_buf_add(out, "procs_running %u\nprocs_blocked 0\n",
		    MAX(running, 1U));
	fmt_buf_add(out, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

int procfs_show_loadavg(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	struct plat_times total;
	u64 loads[3];
	u32 running;

	loadavg_get(loads);
	cputime_total(&total, &running);
	for (int i = 0; i < 3; i++) {
		u64 hundredths = (loads[i] * 100 + (1 << 10)) >> LOADAVG_SHIFT;

		fmt_buf_add(out, "%lu.%02lu ", hundredths / 100,
			    hundredths % 100);
	}
	fmt_buf_add(out, "%u/%u %d\n", MAX(running, 1U), thread_count(),
		    process_current()->pid);
	return 0;
}

int procfs_show_uptime(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	u64 up = MAX(ticks(uptime()), 1UL); /* nobody expects 0.00 */
	struct plat_times total;
	u32 running;
	u64 busy, all, idle;

	cputime_total(&total, &running);
	busy = ticks(total.user + total.system);
	all = up * MAX(kernel.ncpus, 1U);
	idle = all > busy ? all - busy : 0;

	fmt_buf_add(out, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100,
		    idle / 100, idle % 100);
	return 0;
}

/* --- The rest
 * ---------------------------------------------------------------------------
 */

int procfs_show_version(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%s version %s (jiffy@jiffy) (%s) %s\n",
		    KERNEL_SYSNAME, KERNEL_RELEASE, "gcc " __VERSION__,
		    KERNEL_VERSION);
	return 0;
}

int procfs_show_filesystems(struct fmt_buf *out,
			    UNUSED const struct pseudo_node *n)
{
	static const struct fs_type *const types[] = {
		&sysfs_type,   &tmpfs_type,   &proc_type,
		&cgroup2_type, &devfs_type,   &devpts_type,
		&mqueue_type,  &overlay_type, &erofs_type,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		fmt_buf_add(out, "%s\t%s\n",
			    types[i]->needs_device ? "" : "nodev",
			    types[i]->name);
	return 0;
}

int procfs_show_devices(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	chrdev_show(out);
	return 0;
}

int procfs_show_boot_cmdline(struct fmt_buf *out,
			     UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "jiffy ncpus=%u memory=%lu\n", kernel.ncpus,
		    memory_total());
	return 0;
}

int procfs_show_interrupts(struct fmt_buf *out,
			   UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "    ");
	for (u32 i = 0; i < kernel.ncpus; i++)
		fmt_buf_add(out, "       CPU%u", i);
	fmt_buf_add(out, "\n");
	return 0;
}

int procfs_show_locks(UNUSED struct fmt_buf *out,
		      UNUSED const struct pseudo_node *n)
{
	return 0;
}

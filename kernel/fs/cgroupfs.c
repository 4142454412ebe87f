/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys/fs/cgroup: version 2 files of the one group an instance is, whose limits
 * are the instance's own. Run-times size heaps and thread pools by them.
 */
#include "kernel/fs/procfs.h"
#include "kernel/fs/pseudo.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/proc/cputime.h"
#include "kernel/proc/oom.h"
#include "kernel/proc/process.h"

#define CGROUP2_MAGIC 0x63677270
#define CPU_PERIOD_US 100000UL

static int show_procs(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	s32 pid = 0;

	for (;;) {
		struct process *p = process_next(pid);

		if (!p)
			return 0;
		pid = p->pid;
		if (!p->is_zombie)
			fmt_buf_add(out, "%d\n", pid);
		process_put(p);
	}
}

static int show_threads(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	s32 pid = 0;

	for (;;) {
		struct process *p = process_next(pid);
		struct thread *t;

		if (!p)
			return 0;
		pid = p->pid;
		for (s32 tid = 0; (t = process_next_thread(p, tid));) {
			tid = t->tid;
			fmt_buf_add(out, "%d\n", tid);
			thread_put(t);
		}
		process_put(p);
	}
}

static int show_cpu_max(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%lu %lu\n", kernel.ncpus * CPU_PERIOD_US,
		    CPU_PERIOD_US);
	return 0;
}

static int show_cpu_stat(struct fmt_buf *out,
			 UNUSED const struct pseudo_node *n)
{
	struct plat_times total;
	u32 running;

	cputime_total(&total, &running);
	fmt_buf_add(out, "usage_usec %lu\nuser_usec %lu\nsystem_usec %lu\n",
		    (u64)((total.user + total.system) / NSEC_PER_USEC),
		    (u64)(total.user / NSEC_PER_USEC),
		    (u64)(total.system / NSEC_PER_USEC));
	fmt_buf_add(out, "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
	return 0;
}

static int show_cpus(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	if (kernel.ncpus > 1)
		fmt_buf_add(out, "0-%u\n", kernel.ncpus - 1);
	else
		fmt_buf_add(out, "0\n");
	return 0;
}

static int show_memory_max(struct fmt_buf *out,
			   UNUSED const struct pseudo_node *n)
{
	if (kernel.memory_limit)
		fmt_buf_add(out, "%lu\n", kernel.memory_limit);
	else
		fmt_buf_add(out, "max\n");
	return 0;
}

static int show_memory_current(struct fmt_buf *out,
			       UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%lu\n", memory_used());
	return 0;
}

static int show_memory_events(struct fmt_buf *out,
			      UNUSED const struct pseudo_node *n)
{
	u64 kills = oom_kills();

	fmt_buf_add(out, "low 0\nhigh 0\nmax %lu\noom %lu\noom_kill %lu\n",
		    kills, kills, kills);
	fmt_buf_add(out, "oom_group_kill 0\n");
	return 0;
}

static int show_memory_stat(struct fmt_buf *out,
			    UNUSED const struct pseudo_node *n)
{
	u64 cache = object_total_pages() * PAGE_SIZE, used = memory_used();
	struct heap_stats heap;
	u64 rest;

	heap_stats(&heap);
	rest = cache + heap.bytes_used;
	fmt_buf_add(out, "anon %lu\nfile %lu\nkernel %lu\nkernel_stack 0\n",
		    used > rest ? used - rest : 0, cache, heap.bytes_used);
	fmt_buf_add(out,
		    "shmem %lu\nfile_mapped 0\nfile_dirty 0\n"
		    "file_writeback 0\nswapcached 0\n",
		    cache);
	fmt_buf_add(out, "inactive_anon 0\nactive_anon 0\ninactive_file 0\n"
			 "active_file 0\nunevictable 0\n");
	fmt_buf_add(out,
		    "slab_reclaimable 0\nslab_unreclaimable %lu\n"
		    "slab %lu\npgfault 0\npgmajfault 0\n",
		    heap.bytes_used, heap.bytes_used);
	return 0;
}

static int show_pids_current(struct fmt_buf *out,
			     UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%u\n", thread_count());
	return 0;
}

#define PRESSURE                                           \
	"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" \
	"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

/* clang-format off */
static const struct pseudo_row cgroup_rows[] = {
	PSEUDO_TEXT("cgroup.controllers", "cpu memory pids\n"),
	PSEUDO_TEXT("cgroup.events", "populated 1\nfrozen 0\n"),
	PSEUDO_TEXT("cgroup.freeze", "0\n"),
	PSEUDO_TEXT("cgroup.max.depth", "0\n"),
	PSEUDO_TEXT("cgroup.max.descendants", "0\n"),
	PSEUDO_FILE("cgroup.procs", show_procs),
	PSEUDO_TEXT("cgroup.stat", "nr_descendants 0\n"
				   "nr_dying_descendants 0\n"),
	PSEUDO_TEXT("cgroup.subtree_control", ""),
	PSEUDO_FILE("cgroup.threads", show_threads),
	PSEUDO_TEXT("cgroup.type", "domain\n"),
	PSEUDO_FILE("cpu.max", show_cpu_max),
	PSEUDO_TEXT("cpu.max.burst", "0\n"),
	PSEUDO_TEXT("cpu.pressure", PRESSURE),
	PSEUDO_FILE("cpu.stat", show_cpu_stat),
	PSEUDO_TEXT("cpu.weight", "100\n"),
	PSEUDO_FILE("cpuset.cpus.effective", show_cpus),
	PSEUDO_TEXT("cpuset.mems.effective", "0\n"),
	PSEUDO_FILE("memory.current", show_memory_current),
	PSEUDO_FILE("memory.events", show_memory_events),
	PSEUDO_TEXT("memory.high", "max\n"),
	PSEUDO_TEXT("memory.low", "0\n"),
	PSEUDO_FILE("memory.max", show_memory_max),
	PSEUDO_TEXT("memory.min", "0\n"),
	PSEUDO_TEXT("memory.oom.group", "0\n"),
	PSEUDO_TEXT("memory.pressure", PRESSURE),
	PSEUDO_FILE("memory.stat", show_memory_stat),
	PSEUDO_TEXT("memory.swap.current", "0\n"),
	PSEUDO_TEXT("memory.swap.max", "0\n"),
	PSEUDO_FILE("pids.current", show_pids_current),
	PSEUDO_VALUE("pids.max", KERNEL_SLOTS_MAX),
};
/* clang-format on */

static const struct pseudo_table cgroup_table = {
	.name = "cgroup2",
	.rows = cgroup_rows,
	.nrows = ARRAY_SIZE(cgroup_rows),
};

static int cgroup_mount(UNUSED const char *source, UNUSED const char *options,
			struct fs **fs)
{
	return pseudo_mount(&cgroup2_type, CGROUP2_MAGIC, &cgroup_table, NULL,
			    fs);
}

const struct fs_type cgroup2_type = {
	.name = "cgroup2",
	.mount = cgroup_mount,
	.unmount = pseudo_unmount,
	.statfs = pseudo_statfs,
};

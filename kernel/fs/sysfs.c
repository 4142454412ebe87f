/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys: processors, one memory node, transparent huge pages, the loopback
 * interface. Topology: one package, each CPU a core of its own.
 */
#include "kernel/cpu/cpuid.h"

#include "kernel/fs/procfs.h"
#include "kernel/fs/pseudo.h"

#define SYSFS_MAGIC 0x62656572

/* --- CPUs
 * ------------------------------------------------------------------------- */

static u32 cpu_count(void)
{
	return MAX(kernel.ncpus, 1U);
}

/* "0" or "0-3" */
static int show_cpu_list(struct fmt_buf *out,
			 UNUSED const struct pseudo_node *n)
{
	u32 count = cpu_count();

	if (count == 1)
		fmt_buf_add(out, "0\n");
	else
		fmt_buf_add(out, "0-%u\n", count - 1);
	return 0;
}

/* All CPUs as groups of 32 bits, highest first. */
static int show_cpu_mask(struct fmt_buf *out,
			 UNUSED const struct pseudo_node *n)
{
	u32 count = cpu_count(), groups = (count + 31) / 32;

	for (u32 i = groups; i > 0; i--) {
		u32 bits = i == groups && count % 32 ? (1U << count % 32) - 1
						     : ~0U;

		if (i == groups)
			fmt_buf_add(out, "%x", bits);
		else
			fmt_buf_add(out, ",%08x", bits);
	}
	fmt_buf_add(out, "\n");
	return 0;
}

static int show_own_number(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%u\n", n->num);
	return 0;
}

static int show_own_mask(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%x", 1U << n->num % 32);
	for (u32 i = n->num / 32; i > 0; i--)
		fmt_buf_add(out, ",00000000");
	fmt_buf_add(out, "\n");
	return 0;
}

/* --- Caches: row->value is the index
 * ------------------------------------------------- */

struct cache {
	u32 level, line, ways, sets;
	const char *type;
	u64 size;
};

/* Deterministic cache parameters, leaf 4 (Intel) or 0x8000001d (AMD). */
static bool cache_at(u32 index, struct cache *c)
{
	static const char *const types[] = { NULL, "Data", "Instruction",
					     "Unified" };
	u32 a, b, cx, d, leaf = 4, max;

	__cpuid(0, max, b, cx, d);
	if (b == 0x68747541) /* "Auth"enticAMD */
		leaf = 0x8000001d;
	else if (max < 4)
		return false;
	__cpuid_count(leaf, index, a, b, cx, d);
	if ((a & 31) == 0 || (a & 31) >= ARRAY_SIZE(types))
		return false;
	c->type = types[a & 31];
	c->level = (a >> 5) & 7;
	c->line = (b & 0xfff) + 1;
	c->ways = (b >> 22) + 1;
	c->sets = cx + 1;
	c->size = (u64)c->line * (((b >> 12) & 0x3ff) + 1) * c->ways * c->sets;
	return true;
}

enum cache_field {
	CACHE_LEVEL,
	CACHE_LINE,
	CACHE_WAYS,
	CACHE_SETS,
	CACHE_SIZE,
	CACHE_TYPE,
	CACHE_MAP,
	CACHE_LIST,
};
#define CACHE_ROW(index, field) ((index) << 8 | (field))

static int show_cache(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct cache c;

	if (!cache_at((u32)(n->row->value >> 8), &c))
		return -ENOENT;
	switch ((enum cache_field)(n->row->value & 0xff)) {
	case CACHE_LEVEL:
		fmt_buf_add(out, "%u\n", c.level);
		break;
	case CACHE_LINE:
		fmt_buf_add(out, "%u\n", c.line);
		break;
	case CACHE_WAYS:
		fmt_buf_add(out, "%u\n", c.ways);
		break;
	case CACHE_SETS:
		fmt_buf_add(out, "%u\n", c.sets);
		break;
	case CACHE_SIZE:
		fmt_buf_add(out, "%luK\n", c.size >> 10);
		break;
	case CACHE_TYPE:
		fmt_buf_add(out, "%s\n", c.type);
		break;
	case CACHE_MAP: /* the last level is the package's */
		return c.level >= 3 ? show_cpu_mask(out, n)
				    : show_own_mask(out, n);
	case CACHE_LIST:
		return c.level >= 3 ? show_cpu_list(out, n)
				    : show_own_number(out, n);
	}
	return 0;
}

/* --- Memory node
 * ----------------------------------------------------------------------- */

static int show_node_meminfo(struct fmt_buf *out,
			     UNUSED const struct pseudo_node *n)
{
	u64 total = memory_total(), used = memory_used();

	fmt_buf_add(out, "Node 0 MemTotal:       %8lu kB\n", total >> 10);
	fmt_buf_add(out, "Node 0 MemFree:        %8lu kB\n",
		    (total - used) >> 10);
	fmt_buf_add(out, "Node 0 MemUsed:        %8lu kB\n", used >> 10);
	return 0;
}

/* --- The table
 * ----------------------------------------------------------------------------
 */

#define V(path, value) PSEUDO_VALUE(path, value)
#define T(path, text) PSEUDO_TEXT(path, text "\n")
#define CPU "devices/system/cpu/"
#define CACHE_FIELD(i, name, field)                          \
	{                                                    \
		.path = CPU "cpu#/cache/index" #i "/" name,  \
		.mode = TYPE_REG | 0444, .show = show_cache, \
		.value = CACHE_ROW(i, field)                 \
	}
#define CACHE(i)                                               \
	CACHE_FIELD(i, "coherency_line_size", CACHE_LINE),     \
		CACHE_FIELD(i, "level", CACHE_LEVEL),          \
		CACHE_FIELD(i, "number_of_sets", CACHE_SETS),  \
		CACHE_FIELD(i, "shared_cpu_map", CACHE_MAP),   \
		CACHE_FIELD(i, "shared_cpu_list", CACHE_LIST), \
		CACHE_FIELD(i, "size", CACHE_SIZE),            \
		CACHE_FIELD(i, "type", CACHE_TYPE),            \
		CACHE_FIELD(i, "ways_of_associativity", CACHE_WAYS)
#define NODE "devices/system/node/"
#define THP "kernel/mm/transparent_hugepage/"
#define LO "class/net/lo/"

/* clang-format off */
static const struct pseudo_row sys_rows[] = {
	PSEUDO_EMPTY_DIR("block"),
	PSEUDO_EMPTY_DIR("bus"),
	T(LO "address", "00:00:00:00:00:00"),
	V(LO "addr_len", 6),
	T(LO "broadcast", "00:00:00:00:00:00"),
	V(LO "carrier", 1),
	T(LO "flags", "0x9"),
	V(LO "ifindex", 1),
	V(LO "iflink", 1),
	V(LO "mtu", 65536),
	T(LO "operstate", "unknown"),
	V(LO "tx_queue_len", 1000),
	V(LO "type", 772),
	PSEUDO_EMPTY_DIR("dev"),
	CACHE(0),
	CACHE(1),
	CACHE(2),
	CACHE(3),
	PSEUDO_FILE(CPU "cpu#/topology/core_cpus", show_own_mask),
	PSEUDO_FILE(CPU "cpu#/topology/core_cpus_list", show_own_number),
	PSEUDO_FILE(CPU "cpu#/topology/core_id", show_own_number),
	PSEUDO_FILE(CPU "cpu#/topology/core_siblings", show_cpu_mask),
	PSEUDO_FILE(CPU "cpu#/topology/core_siblings_list", show_cpu_list),
	V(CPU "cpu#/topology/die_id", 0),
	PSEUDO_FILE(CPU "cpu#/topology/package_cpus", show_cpu_mask),
	PSEUDO_FILE(CPU "cpu#/topology/package_cpus_list", show_cpu_list),
	V(CPU "cpu#/topology/physical_package_id", 0),
	PSEUDO_FILE(CPU "cpu#/topology/thread_siblings", show_own_mask),
	PSEUDO_FILE(CPU "cpu#/topology/thread_siblings_list", show_own_number),
	T(CPU "isolated", ""),
	V(CPU "kernel_max", 8191),
	T(CPU "offline", ""),
	PSEUDO_FILE(CPU "online", show_cpu_list),
	PSEUDO_FILE(CPU "possible", show_cpu_list),
	PSEUDO_FILE(CPU "present", show_cpu_list),
	V(CPU "smt/active", 0),
	T(CPU "smt/control", "notsupported"),
	T(NODE "has_cpu", "0"),
	T(NODE "has_memory", "0"),
	T(NODE "has_normal_memory", "0"),
	PSEUDO_FILE(NODE "node0/cpulist", show_cpu_list),
	PSEUDO_FILE(NODE "node0/cpumap", show_cpu_mask),
	T(NODE "node0/distance", "10"),
	V(NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", 0),
	PSEUDO_FILE(NODE "node0/meminfo", show_node_meminfo),
	T(NODE "online", "0"),
	T(NODE "possible", "0"),
	PSEUDO_EMPTY_DIR("firmware"),
	PSEUDO_EMPTY_DIR("fs/cgroup"),
	V("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 0),
	V("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 0),
	V("kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", 0),
	V("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", 0),
	V("kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", 0),
	V("kernel/mm/ksm/run", 0),
	T(THP "defrag", "always defer defer+madvise [madvise] never"),
	T(THP "enabled", "always [madvise] never"),
	V(THP "hpage_pmd_size", 2097152),
	V(THP "khugepaged/defrag", 1),
	T(THP "shmem_enabled", "always within_size advise [never] deny force"),
	V(THP "use_zero_page", 1),
	PSEUDO_EMPTY_DIR("module"),
};
/* clang-format on */

static const struct pseudo_table sys_table = {
	.name = "sysfs",
	.rows = sys_rows,
	.nrows = ARRAY_SIZE(sys_rows),
	.count = cpu_count,
};

static int sysfs_mount(UNUSED const char *source, UNUSED const char *options,
		       struct fs **fs)
{
	return pseudo_mount(&sysfs_type, SYSFS_MAGIC, &sys_table, NULL, fs);
}

const struct fs_type sysfs_type = {
	.name = "sysfs",
	.mount = sysfs_mount,
	.unmount = pseudo_unmount,
	.statfs = pseudo_statfs,
};

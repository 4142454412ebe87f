/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/sys: limits and settings. All but the names of the instance are
 * read-only (EROFS), as in a container; a value here is either what the kernel
 * does or Linux's default for something it does not have.
 */
#include "kernel/dev/random.h"
#include "kernel/fs/procfs_int.h"
#include "kernel/ipc/aio.h"
#include "kernel/ipc/mqueue.h"
#include "kernel/linux/capability.h"
#include "kernel/proc/coredump.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/counts.h"
#include "kernel/version.h"

/* --- Rows with code
 * -------------------------------------------------------------- */

static int show_hostname(struct fmt_buf *out,
			 UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%s\n", kernel.hostname);
	return 0;
}

static int show_domainname(struct fmt_buf *out,
			   UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%s\n",
		    kernel.domainname[0] ? kernel.domainname : "(none)");
	return 0;
}

static int store_name(char *name, size_t size, char *text, size_t len)
{
	if (!cred_capable(CAP_SYS_ADMIN))
		return -EPERM;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	if (len >= size)
		return -EINVAL;
	str_copy(name, size, text);
	return 0;
}

static int store_hostname(UNUSED const struct pseudo_node *n, char *text,
			  size_t len)
{
	return store_name(kernel.hostname, sizeof(kernel.hostname), text, len);
}

static int store_domainname(UNUSED const struct pseudo_node *n, char *text,
			    size_t len)
{
	return store_name(kernel.domainname, sizeof(kernel.domainname), text,
			  len);
}

static int show_core_pattern(struct fmt_buf *out,
			     UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%s\n", core_pattern);
	return 0;
}

/* Programs that take a core from a pipe are not started. */
static int store_core_pattern(UNUSED const struct pseudo_node *n, char *text,
			      size_t len)
{
	if (text[0] == '|')
		return (int)syscall_unsupported("core_pattern", '|', EINVAL);
	return store_name(core_pattern, sizeof(core_pattern), text, len);
}

static int show_core_uses_pid(struct fmt_buf *out,
			      UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%u\n", core_uses_pid);
	return 0;
}

static int store_core_uses_pid(UNUSED const struct pseudo_node *n, char *text,
			       size_t len)
{
	char digit[4];
	int err = store_name(digit, sizeof(digit), text, len);

	if (!err && (digit[0] < '0' || digit[0] > '9'))
		err = -EINVAL;
	if (!err)
		core_uses_pid = digit[0] != '0';
	return err;
}

static int show_boot_id(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	if (!kernel.boot_id[0])
		random_uuid(kernel.boot_id);
	fmt_buf_add(out, "%s\n", kernel.boot_id);
	return 0;
}

static int show_uuid(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	char uuid[37];

	random_uuid(uuid);
	fmt_buf_add(out, "%s\n", uuid);
	return 0;
}

static int show_threads_max(struct fmt_buf *out,
			    UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%lu\n", KERNEL_SLOTS_MAX);
	return 0;
}

static int show_file_nr(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	u64 files;

	vfs_counts(&files, NULL, NULL);
	fmt_buf_add(out, "%lu\t0\t9223372036854775807\n", files);
	return 0;
}

static int show_aio_nr(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "%lu\n", aio_total());
	return 0;
}

/* --- The table
 * --------------------------------------------------------------------- */

#define V(path, value) PSEUDO_VALUE(path, value)
#define T(path, text) PSEUDO_TEXT(path, text "\n")
#define IPV4_CONF(dev)                                    \
	V("net/ipv4/conf/" dev "/accept_redirects", 0),   \
		V("net/ipv4/conf/" dev "/forwarding", 0), \
		V("net/ipv4/conf/" dev "/rp_filter", 0)
#define IPV6_CONF(dev)                                      \
	V("net/ipv6/conf/" dev "/accept_ra", 0),            \
		V("net/ipv6/conf/" dev "/disable_ipv6", 0), \
		V("net/ipv6/conf/" dev "/forwarding", 0)

/* clang-format off */
static const struct pseudo_row sys_rows[] = {
	V("fs/aio-max-nr", AIO_MAX),
	PSEUDO_FILE("fs/aio-nr", show_aio_nr),
	V("fs/dir-notify-enable", 1),
	T("fs/file-max", "9223372036854775807"),
	PSEUDO_FILE("fs/file-nr", show_file_nr),
	V("fs/inotify/max_queued_events", 16384),
	V("fs/inotify/max_user_instances", 8192),
	V("fs/inotify/max_user_watches", 524288),
	V("fs/lease-break-time", 45),
	V("fs/mqueue/msg_default", MQ_MSG_DEFAULT),
	V("fs/mqueue/msg_max", MQ_MSG_MAX),
	V("fs/mqueue/msgsize_default", MQ_MSGSIZE_DEFAULT),
	V("fs/mqueue/msgsize_max", MQ_MSGSIZE_MAX),
	V("fs/mqueue/queues_max", MQ_QUEUES_MAX),
	V("fs/nr_open", 1048576),
	V("fs/overflowgid", 65534),
	V("fs/overflowuid", 65534),
	V("fs/pipe-max-size", 1048576),
	V("fs/pipe-user-pages-hard", 0),
	V("fs/pipe-user-pages-soft", 16384),
	V("fs/protected_fifos", 0),
	V("fs/protected_hardlinks", 0),
	V("fs/protected_regular", 0),
	V("fs/protected_symlinks", 0),
	V("fs/suid_dumpable", 0),

	V("kernel/cap_last_cap", 40),
	PSEUDO_RW("kernel/core_pattern", show_core_pattern, store_core_pattern),
	PSEUDO_RW("kernel/core_uses_pid", show_core_uses_pid,
		  store_core_uses_pid),
	PSEUDO_RW("kernel/domainname", show_domainname, store_domainname),
	PSEUDO_RW("kernel/hostname", show_hostname, store_hostname),
	V("kernel/kptr_restrict", 2),
	V("kernel/dmesg_restrict", 1),
	V("kernel/msgmax", 8192),
	V("kernel/msgmnb", 16384),
	V("kernel/msgmni", 32000),
	V("kernel/ngroups_max", 65536),
	V("kernel/numa_balancing", 0),
	T("kernel/osrelease", KERNEL_RELEASE),
	T("kernel/ostype", KERNEL_SYSNAME),
	V("kernel/overflowgid", 65534),
	V("kernel/overflowuid", 65534),
	V("kernel/panic", 0),
	V("kernel/perf_event_paranoid", 4),
	V("kernel/pid_max", 4194304),
	V("kernel/pty/max", 1024),
	V("kernel/random/entropy_avail", 256),
	V("kernel/random/poolsize", 256),
	V("kernel/random/urandom_min_reseed_secs", 300),
	V("kernel/random/write_wakeup_threshold", 256),
	PSEUDO_FILE("kernel/random/boot_id", show_boot_id),
	PSEUDO_FILE("kernel/random/uuid", show_uuid),
	V("kernel/randomize_va_space", 2),
	V("kernel/sched_child_runs_first", 0),
	V("kernel/sched_rr_timeslice_ms", 100),
	V("kernel/sched_rt_period_us", 1000000),
	V("kernel/sched_rt_runtime_us", 950000),
	V("kernel/seccomp/actions_logged", 0),
	T("kernel/sem", "32000\t1024000000\t500\t32000"),
	T("kernel/shmall", "18446744073692774399"),
	T("kernel/shmmax", "18446744073692774399"),
	V("kernel/shmmni", 4096),
	V("kernel/shm_rmid_forced", 0),
	V("kernel/sysrq", 0),
	V("kernel/tainted", 0),
	PSEUDO_FILE("kernel/threads-max", show_threads_max),
	V("kernel/unprivileged_bpf_disabled", 2),
	T("kernel/version", KERNEL_VERSION),
	V("kernel/yama/ptrace_scope", 1),

	V("net/core/netdev_max_backlog", 1000),
	V("net/core/optmem_max", 20480),
	V("net/core/rmem_default", 212992),
	V("net/core/rmem_max", 212992),
	V("net/core/somaxconn", 4096),
	V("net/core/wmem_default", 212992),
	V("net/core/wmem_max", 212992),
	IPV4_CONF("all"),
	IPV4_CONF("default"),
	IPV4_CONF("lo"),
	V("net/ipv4/ip_default_ttl", 64),
	V("net/ipv4/ip_forward", 0),
	T("net/ipv4/ip_local_port_range", "32768\t60999"),
	T("net/ipv4/ip_local_reserved_ports", ""),
	V("net/ipv4/ip_nonlocal_bind", 0),
	V("net/ipv4/ip_unprivileged_port_start", 0),
	T("net/ipv4/ping_group_range", "1\t0"),
	T("net/ipv4/tcp_available_congestion_control", "reno cubic"),
	T("net/ipv4/tcp_congestion_control", "cubic"),
	V("net/ipv4/tcp_fastopen", 1),
	V("net/ipv4/tcp_fin_timeout", 60),
	V("net/ipv4/tcp_keepalive_intvl", 75),
	V("net/ipv4/tcp_keepalive_probes", 9),
	V("net/ipv4/tcp_keepalive_time", 7200),
	V("net/ipv4/tcp_max_syn_backlog", 512),
	V("net/ipv4/tcp_max_tw_buckets", 65536),
	V("net/ipv4/tcp_retries2", 15),
	T("net/ipv4/tcp_rmem", "4096\t131072\t6291456"),
	V("net/ipv4/tcp_sack", 1),
	V("net/ipv4/tcp_slow_start_after_idle", 1),
	V("net/ipv4/tcp_syncookies", 1),
	V("net/ipv4/tcp_timestamps", 1),
	V("net/ipv4/tcp_tw_reuse", 2),
	V("net/ipv4/tcp_window_scaling", 1),
	T("net/ipv4/tcp_wmem", "4096\t16384\t4194304"),
	IPV6_CONF("all"),
	IPV6_CONF("default"),
	IPV6_CONF("lo"),
	V("net/ipv6/bindv6only", 0),
	V("net/unix/max_dgram_qlen", 512),

	V("user/max_user_namespaces", 0),

	V("vm/dirty_background_ratio", 10),
	V("vm/dirty_expire_centisecs", 3000),
	V("vm/dirty_ratio", 20),
	V("vm/dirty_writeback_centisecs", 500),
	V("vm/drop_caches", 0),
	V("vm/max_map_count", 1048576),
	V("vm/min_free_kbytes", 0),
	V("vm/mmap_min_addr", 65536),
	V("vm/nr_hugepages", 0),
	V("vm/nr_overcommit_hugepages", 0),
	V("vm/oom_kill_allocating_task", 0),
	V("vm/overcommit_kbytes", 0),
	V("vm/overcommit_memory", 1),
	V("vm/overcommit_ratio", 50),
	V("vm/page-cluster", 3),
	V("vm/panic_on_oom", 0),
	V("vm/swappiness", 60),
	V("vm/vfs_cache_pressure", 100),
	V("vm/zone_reclaim_mode", 0),
};
/* clang-format on */

static const struct pseudo_table sys_table = {
	.name = "proc/sys",
	.rows = sys_rows,
	.nrows = ARRAY_SIZE(sys_rows),
};

const struct pseudo_dir procfs_sys_dir = {
	.table = &sys_table,
};

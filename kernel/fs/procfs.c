/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc: the root with its tables, the directory of a process, and the small
 * files about a process. The larger ones have files of their own.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/procfs_int.h"
#include "kernel/proc/coredump.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/vfs.h"

/* --- Helpers
 * ------------------------------------------------------------------- */

struct thread *procfs_thread(const struct pseudo_node *n)
{
	s32 tid = n->tid ? n->tid : n->proc->pid;
	struct thread *t = process_next_thread(n->proc, tid - 1);

	if (t && t->tid != tid) {
		thread_put(t);
		t = NULL;
	}
	return t;
}

struct mm *procfs_mm(struct process *p)
{
	struct mm *mm;

	mutex_lock(&p->lock);
	mm = p->is_zombie ? NULL : p->mm;
	if (mm)
		mm_get(mm);
	mutex_unlock(&p->lock);
	return mm;
}

struct fdtable *procfs_files(struct process *p)
{
	struct fdtable *t;

	mutex_lock(&p->lock);
	t = p->files ? fdtable_get(p->files) : NULL;
	mutex_unlock(&p->lock);
	return t;
}

struct fs_context *procfs_fs(struct process *p)
{
	struct fs_context *c;

	mutex_lock(&p->lock);
	c = p->leader && p->leader->fs ? p->leader->fs : p->fs;
	if (c)
		c = fs_context_get(c);
	mutex_unlock(&p->lock);
	return c;
}

static struct cred *cred_of_process(struct process *p)
{
	struct thread *t = process_next_thread(p, 0);
	struct cred *c;

	if (!t)
		return NULL;
	c = cred_get_thread(t);
	thread_put(t);
	return c;
}

int procfs_may_inspect(struct process *p)
{
	const struct cred *mine = cred_current();
	struct cred *theirs;
	bool may;

	if (p == process_current() || cred_capable(CAP_SYS_PTRACE))
		return 0;
	theirs = cred_of_process(p);
	if (!theirs)
		return -EACCES;
	may = mine->fsuid == theirs->uid && mine->fsuid == theirs->euid &&
	      mine->fsuid == theirs->suid && mine->fsgid == theirs->gid &&
	      mine->fsgid == theirs->egid && p->is_dumpable;
	cred_put(theirs);
	return may ? 0 : -EACCES;
}

void procfs_set_owner(struct pseudo_node *n)
{
	struct cred *c = cred_of_process(n->proc);

	n->uid = 0;
	n->gid = 0;
	if (!c)
		return;
	if (n->proc->is_dumpable) {
		n->uid = c->euid;
		n->gid = c->egid;
	}
	cred_put(c);
}

/* --- Small files about a process
 * -------------------------------------------------- */

/* Memory of any process, of another by one of its threads: how many bytes, or
 * -errno. */
static int read_process(struct process *p, uaddr_t from, void *buf, u32 len)
{
	struct mm *mm;
	int n;

	if (p == process_current())
		return (int)user_copy_in_some(buf, from, len);
	mm = procfs_mm(p);
	if (!mm)
		return -ESRCH;
	n = mm_remote(mm, MM_REMOTE_READ, from, buf, len);
	mm_put(mm);
	return n;
}

/* Memory of any process, as far as it can be read. */
static int put_memory(struct fmt_buf *out, struct process *p, uaddr_t from,
		      uaddr_t to)
{
	char *buf = kmalloc(MM_REMOTE_MAX);
	int n = 0;

	while (buf && from < to && !out->is_cut) {
		n = read_process(p, from, buf,
				 (u32)MIN(to - from, (u64)MM_REMOTE_MAX));
		if (n <= 0)
			break;
		fmt_buf_put(out, buf, (size_t)n);
		from += (u64)n;
	}
	kfree(buf);
	return n < 0 && n != -ESRCH ? n : 0;
}

/* The arguments as exec got them, of a process that cannot be asked. */
static void put_kept_cmdline(struct fmt_buf *out, struct process *p)
{
	mutex_lock(&p->lock);
	if (p->cmdline && !p->is_zombie)
		fmt_buf_put(out, p->cmdline, p->cmdline_len);
	mutex_unlock(&p->lock);
}

/* What is in the place of the arguments now. If no NUL ends it, the program has
 * put a title there, which may go on behind it and ends at the first NUL. */
static int show_cmdline(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct process *p = n->proc;
	u64 size = p->arg_end > p->arg_start ? p->arg_end - p->arg_start : 0;
	u32 here = (u32)MIN(size, (u64)MM_REMOTE_MAX);
	char *buf = size ? kmalloc(MM_REMOTE_MAX) : NULL;
	char last = 0;
	int got = -ESRCH;

	if (buf)
		got = read_process(p, p->arg_start, buf, MM_REMOTE_MAX);
	if (got < (int)here || got <= 0) {
		put_kept_cmdline(out, p);
		kfree(buf);
		return 0;
	}
	if (size <= here)
		last = buf[size - 1];
	else if (read_process(p, p->arg_end - 1, &last, 1) != 1)
		last = 0;
	if (last) {
		here = (u32)strnlen(buf, (size_t)got);
		here += here < (u32)got;
	}
	fmt_buf_put(out, buf, here);
	kfree(buf);
	if (!last && size > here)
		return put_memory(out, p, p->arg_start + here, p->arg_end);
	return 0;
}

static int show_environ(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct process *p = n->proc;
	int err = procfs_may_inspect(p);

	return err ? err : put_memory(out, p, p->env_start, p->env_end);
}

static int show_auxv(struct fmt_buf *out, const struct pseudo_node *n)
{
	int err = procfs_may_inspect(n->proc);

	if (!err)
		fmt_buf_put(out, (const char *)n->proc->auxv,
			    n->proc->nauxv * sizeof(u64));
	return err;
}

static int show_comm(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct thread *t = procfs_thread(n);
	char comm[16];

	if (t) {
		memcpy(comm, t->comm, sizeof(comm));
		comm[15] = '\0';
		thread_put(t);
	} else {
		process_comm(n->proc, comm);
	}
	fmt_buf_add(out, "%s\n", comm);
	return 0;
}

static int store_comm(const struct pseudo_node *n, char *text, size_t len)
{
	struct thread *t;
	char comm[16] = "";

	if (n->proc != process_current())
		return -EINVAL;
	t = procfs_thread(n);
	if (!t)
		return -ESRCH;
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	str_copy(comm, sizeof(comm), text);
	memcpy(t->comm, comm, sizeof(comm));
	thread_put(t);
	return 0;
}

static int show_cgroup(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	fmt_buf_add(out, "0::/\n");
	return 0;
}

static int show_coredump_filter(struct fmt_buf *out,
				const struct pseudo_node *n)
{
	fmt_buf_add(out, "%08x\n", n->proc->coredump_filter);
	return 0;
}

static int store_coredump_filter(const struct pseudo_node *n, char *text,
				 size_t len)
{
	bool is_hex = len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
	u64 value;

	if (len && text[len - 1] == '\n')
		len--;
	if (str_to_u64(text + (is_hex ? 2 : 0), len - (is_hex ? 2 : 0),
		       is_hex		       ? 16
		       : text[0] == '0' && len ? 8
					       : 10,
		       &value) ||
	    value > UINT32_MAX)
		return -EINVAL;
	n->proc->coredump_filter = (u32)value & CORE_FILTER_KNOWN;
	return 0;
}

static int show_oom_score_adj(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%d\n", n->proc->oom_score_adj);
	return 0;
}

static int parse_signed(const char *text, size_t len, s64 *value)
{
	bool is_negative = len > 0 && text[0] == '-';
	u64 v;
	int err;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (is_negative) {
		text++;
		len--;
	}
	err = len ? str_to_u64(text, len, 10, &v) : -EINVAL;
	if (err || v > INT32_MAX)
		return -EINVAL;
	*value = is_negative ? -(s64)v : (s64)v;
	return 0;
}

static int set_oom_score_adj(struct process *p, s64 value)
{
	if (value < -1000 || value > 1000)
		return -EINVAL;
	if (value < p->oom_score_adj && !cred_capable(CAP_SYS_RESOURCE))
		return -EACCES;
	p->oom_score_adj = (s32)value;
	return 0;
}

static int store_oom_score_adj(const struct pseudo_node *n, char *text,
			       size_t len)
{
	s64 value;
	int err = parse_signed(text, len, &value);

	return err ? err : set_oom_score_adj(n->proc, value);
}

/* The older scale, -17 ... 15. */
static int show_oom_adj(struct fmt_buf *out, const struct pseudo_node *n)
{
	s32 adj = n->proc->oom_score_adj;

	fmt_buf_add(out, "%d\n", adj == 1000 ? 15 : adj * 17 / 1000);
	return 0;
}

static int store_oom_adj(const struct pseudo_node *n, char *text, size_t len)
{
	s64 value;
	int err = parse_signed(text, len, &value);

	if (err)
		return err;
	if (value < -17 || value > 15)
		return -EINVAL;
	return set_oom_score_adj(n->proc,
				 value == 15 ? 1000 : value * 1000 / 17);
}

static int show_oom_score(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct mm *mm = procfs_mm(n->proc);
	struct mm_usage u = { 0 };
	s64 score;

	if (mm) {
		procfs_usage(mm, &u);
		mm_put(mm);
	}
	score = (s64)(u.rss * 1000 / memory_total()) + n->proc->oom_score_adj;
	fmt_buf_add(out, "%d\n", (int)MAX(score, 0));
	return 0;
}

static int show_personality(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%08x\n", n->proc->personality);
	return 0;
}

static int show_timerslack(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct thread *t = procfs_thread(n);

	if (!t)
		return -ESRCH;
	fmt_buf_add(out, "%lu\n", t->timer_slack);
	thread_put(t);
	return 0;
}

static int show_schedstat(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct thread *t = procfs_thread(n);

	if (!t)
		return -ESRCH;
	fmt_buf_add(out, "%lu 0 %lu\n", (u64)plat_thread_cputime(t),
		    t->nvcsw + 1);
	thread_put(t);
	return 0;
}

static void put_sched(struct fmt_buf *out, const char *name, u64 value)
{
	fmt_buf_add(out, "%-45s:%21lu\n", name, value);
}

/* What is known here of Linux's lines: the host schedules. */
static int show_sched(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct thread *t = procfs_thread(n);
	u64 ran;

	if (!t)
		return -ESRCH;
	ran = (u64)plat_thread_cputime(t) / 1000;
	fmt_buf_add(out, "%s (%d, #threads: %u)\n", t->comm, t->tid,
		    n->proc->nlive);
	fmt_buf_add(out, "----------------------------------------"
			 "---------------------------\n");
	fmt_buf_add(out, "%-45s:%14lu.%06lu\n", "se.sum_exec_runtime",
		    ran / 1000, ran % 1000 * 1000);
	put_sched(out, "nr_switches", t->nvcsw);
	put_sched(out, "nr_voluntary_switches", t->nvcsw);
	put_sched(out, "nr_involuntary_switches", 0);
	put_sched(out, "policy", t->sched_policy);
	put_sched(out, "prio",
		  t->sched_priority ? 99 - t->sched_priority
				    : (u64)(120 + t->nice));
	thread_put(t);
	return 0;
}

static int refuse_eperm(UNUSED struct fmt_buf *out,
			UNUSED const struct pseudo_node *n)
{
	return -EPERM;
}

static int refuse_einval(UNUSED struct fmt_buf *out,
			 UNUSED const struct pseudo_node *n)
{
	return -EINVAL;
}

#define ID_MAP "         0          0 4294967295\n"
#define PID_DIR(p, m, d)                                        \
	{                                                       \
		.path = (p), .mode = TYPE_DIR | (m), .dir = (d) \
	}
#define PID_LINK(p, f)                                               \
	{                                                            \
		.path = (p), .mode = TYPE_LNK | 0777, .follow = (f), \
		.readlink = procfs_readlink_path                     \
	}

/* Files of /proc/PID and, but for the first few, of /proc/PID/task/TID. */
#define PROCESS_ONLY 4
/* clang-format off */
static const struct pseudo_row pid_rows[] = {
	PSEUDO_RW("coredump_filter", show_coredump_filter,
		  store_coredump_filter),
	PSEUDO_FILE_MODE("mountstats", 0400, procfs_show_mountstats),
	PID_DIR("task", 0555, &procfs_task_dir),
	PSEUDO_FILE("timerslack_ns", show_timerslack),
	PSEUDO_FILE_MODE("attr/current", 0444, refuse_einval), /* no LSM */
	PSEUDO_FILE_MODE("auxv", 0400, show_auxv),
	PSEUDO_FILE("cgroup", show_cgroup),
	PSEUDO_FILE("cmdline", show_cmdline),
	PSEUDO_RW("comm", show_comm, store_comm),
	PSEUDO_TEXT("cpuset", "/\n"),
	PID_LINK("cwd", procfs_follow_cwd),
	PSEUDO_FILE_MODE("environ", 0400, show_environ),
	PID_LINK("exe", procfs_follow_exe),
	PID_DIR("fd", 0500, &procfs_fd_dir),
	PID_DIR("fdinfo", 0500, &procfs_fdinfo_dir),
	PSEUDO_TEXT("gid_map", ID_MAP),
	PSEUDO_FILE_MODE("io", 0400, procfs_show_io),
	PSEUDO_FILE("limits", procfs_show_limits),
	PSEUDO_TEXT("loginuid", "4294967295"),
	PSEUDO_FILE("maps", procfs_show_maps),
	{ .path = "mem", .mode = TYPE_REG | 0600, .fops = &procfs_mem_fops },
	PSEUDO_FILE("mountinfo", procfs_show_mountinfo),
	PSEUDO_FILE("mounts", procfs_show_mounts),
	PID_DIR("net", 0555, &procfs_net_dir),
	PSEUDO_LINK("ns/cgroup", "cgroup:[4026531835]"),
	PSEUDO_LINK("ns/ipc", "ipc:[4026531839]"),
	PSEUDO_LINK("ns/mnt", "mnt:[4026531841]"),
	PSEUDO_LINK("ns/net", "net:[4026531840]"),
	PSEUDO_LINK("ns/pid", "pid:[4026531836]"),
	PSEUDO_LINK("ns/pid_for_children", "pid:[4026531836]"),
	PSEUDO_LINK("ns/time", "time:[4026531834]"),
	PSEUDO_LINK("ns/time_for_children", "time:[4026531834]"),
	PSEUDO_LINK("ns/user", "user:[4026531837]"),
	PSEUDO_LINK("ns/uts", "uts:[4026531838]"),
	PSEUDO_RW("oom_adj", show_oom_adj, store_oom_adj),
	PSEUDO_FILE("oom_score", show_oom_score),
	PSEUDO_RW("oom_score_adj", show_oom_score_adj, store_oom_score_adj),
	PSEUDO_FILE_MODE("personality", 0400, show_personality),
	PSEUDO_TEXT("projid_map", ID_MAP),
	PID_LINK("root", procfs_follow_root),
	PSEUDO_FILE("sched", show_sched),
	PSEUDO_FILE("schedstat", show_schedstat),
	PSEUDO_TEXT("sessionid", "4294967295"),
	PSEUDO_TEXT("setgroups", "allow\n"),
	PSEUDO_FILE("smaps", procfs_show_smaps),
	PSEUDO_FILE("smaps_rollup", procfs_show_smaps_rollup),
	PSEUDO_FILE_MODE("stack", 0400, refuse_eperm),
	PSEUDO_FILE("stat", procfs_show_stat),
	PSEUDO_FILE("statm", procfs_show_statm),
	PSEUDO_FILE("status", procfs_show_status),
	PSEUDO_TEXT("uid_map", ID_MAP),
	PSEUDO_TEXT("wchan", "0"),
};
/* clang-format on */

static const struct pseudo_table pid_table = {
	.name = "proc/pid",
	.rows = pid_rows,
	.nrows = ARRAY_SIZE(pid_rows),
};

const struct pseudo_dir procfs_pid_dir = {
	.table = &pid_table,
};

static const struct pseudo_table tid_table = {
	.name = "proc/pid/task",
	.rows = pid_rows + PROCESS_ONLY,
	.nrows = ARRAY_SIZE(pid_rows) - PROCESS_ONLY,
};

static const struct pseudo_dir tid_dir = {
	.table = &tid_table,
};

/* --- Threads of a process
 * ------------------------------------------------------------ */

static int task_lookup(const struct pseudo_node *dir, const char *name, u32 len,
		       struct pseudo_node *child)
{
	struct thread *t;
	u32 tid;

	if (!pseudo_number(name, len, &tid) || tid == 0)
		return -ENOENT;
	child->tid = (s32)tid;
	child->proc = dir->proc;
	t = procfs_thread(child);
	if (t)
		thread_put(t);
	else if (!dir->proc || dir->proc->pid != (s32)tid)
		return -ENOENT; /* a leader stays as a zombie */
	child->mode = TYPE_DIR | 0555;
	child->dir = &tid_dir;
	child->is_volatile = true;
	return 0;
}

static bool task_readdir(const struct pseudo_node *dir, struct dir_context *ctx)
{
	char name[12];

	for (;;) {
		s32 after = (s32)pseudo_cookie(ctx);
		struct thread *t = process_next_thread(dir->proc, after);
		s32 tid = t ? t->tid : 0;
		s32 pid = dir->proc->pid;

		if (t)
			thread_put(t);
		if (after < pid && (!tid || tid > pid))
			tid = pid; /* has ended, but is still listed */
		if (!tid)
			return true;
		fmt_format(name, sizeof(name), "%d", tid);
		if (!pseudo_emit(ctx, dir, name, TYPE_DIR, (u64)tid))
			return false;
	}
}

static u32 task_nlink(const struct pseudo_node *dir)
{
	return 2 + (dir->proc ? atomic_load(&dir->proc->nthreads) : 0);
}

const struct pseudo_dir procfs_task_dir = {
	.lookup = task_lookup,
	.readdir = task_readdir,
	.nlink = task_nlink,
};

/* --- The root
 * ---------------------------------------------------------------------------
 */

static int self_readlink(UNUSED const struct pseudo_node *n, char *buf,
			 size_t size)
{
	return fmt_format(buf, size, "%d", process_current()->pid);
}

static int thread_self_readlink(UNUSED const struct pseudo_node *n, char *buf,
				size_t size)
{
	return fmt_format(buf, size, "%d/task/%d", process_current()->pid,
			  current()->tid);
}

static struct {
	const char *name;
	void (*show)(struct fmt_buf *out);
} sysvipc[3];

void procfs_sysvipc_register(const char *name,
			     void (*show)(struct fmt_buf *out))
{
	for (size_t i = 0; i < ARRAY_SIZE(sysvipc); i++) {
		if (sysvipc[i].name)
			continue;
		sysvipc[i].name = name;
		sysvipc[i].show = show;
		return;
	}
	kpanic("too many sysvipc tables: %s", name);
}

static int show_sysvipc(struct fmt_buf *out, const struct pseudo_node *n)
{
	const char *name = strchr(n->row->path, '/') + 1;

	fmt_buf_add(out, "%s", n->row->text);
	for (size_t i = 0; i < ARRAY_SIZE(sysvipc); i++)
		if (sysvipc[i].name && strcmp(sysvipc[i].name, name) == 0)
			sysvipc[i].show(out);
	return 0;
}

#define ROOT_LINK(p, fn)                                               \
	{                                                              \
		.path = (p), .mode = TYPE_LNK | 0777, .readlink = (fn) \
	}
#define SYSVIPC(p, heading)                                                 \
	{                                                                   \
		.path = (p), .mode = TYPE_REG | 0444, .show = show_sysvipc, \
		.text = (heading)                                           \
	}
#define BUDDY                                                      \
	"Node 0, zone   Normal      0      0      0      0      0" \
	"      0      0      0      0      0      0\n"

/* clang-format off */
static const struct pseudo_row root_rows[] = {
	PSEUDO_TEXT("buddyinfo", BUDDY),
	PSEUDO_TEXT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
			       "cpu\t0\t1\t1\nmemory\t0\t1\t1\n"
			       "pids\t0\t1\t1\n"),
	PSEUDO_FILE("cmdline", procfs_show_boot_cmdline),
	PSEUDO_FILE("cpuinfo", procfs_show_cpuinfo),
	PSEUDO_FILE("devices", procfs_show_devices),
	PSEUDO_TEXT("diskstats", ""),
	PSEUDO_FILE("filesystems", procfs_show_filesystems),
	PSEUDO_FILE("interrupts", procfs_show_interrupts),
	PSEUDO_FILE("loadavg", procfs_show_loadavg),
	PSEUDO_FILE("locks", procfs_show_locks),
	PSEUDO_FILE("meminfo", procfs_show_meminfo),
	PSEUDO_TEXT("misc", ""),
	PSEUDO_TEXT("modules", ""),
	PSEUDO_LINK("mounts", "self/mounts"),
	PSEUDO_LINK("net", "self/net"),
	PSEUDO_FILE("partitions", procfs_show_partitions),
	ROOT_LINK("self", self_readlink),
	PSEUDO_FILE("stat", procfs_show_cpustat),
	PSEUDO_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\t"
			     "Priority\n"),
	PID_DIR("sys", 0555, &procfs_sys_dir),
	SYSVIPC("sysvipc/msg", "       key      msqid perms      cbytes"
			       "       qnum lspid lrpid   uid   gid  cuid  cgid"
			       "      stime      rtime      ctime\n"),
	SYSVIPC("sysvipc/sem", "       key      semid perms      nsems   uid"
			       "   gid  cuid  cgid      otime      ctime\n"),
	SYSVIPC("sysvipc/shm",
		"       key      shmid perms                  size  cpid  lpid"
		" nattch   uid   gid  cuid  cgid      atime      dtime"
		"      ctime                   rss                  swap\n"),
	ROOT_LINK("thread-self", thread_self_readlink),
	PSEUDO_FILE("uptime", procfs_show_uptime),
	PSEUDO_FILE("version", procfs_show_version),
	PSEUDO_FILE("vmstat", procfs_show_vmstat),
};
/* clang-format on */

static const struct pseudo_table root_table = {
	.name = "proc",
	.rows = root_rows,
	.nrows = ARRAY_SIZE(root_rows),
};

/* A process by number; a thread's number works, too, though it is not listed.
 */
static struct process *find_by_number(u32 pid)
{
	struct process *p = process_find((s32)pid);
	struct thread *t;

	if (p)
		return p;
	t = thread_find((s32)pid);
	if (!t)
		return NULL;
	p = t->proc;
	process_get(p);
	thread_put(t);
	return p;
}

static int root_lookup(UNUSED const struct pseudo_node *dir, const char *name,
		       u32 len, struct pseudo_node *child)
{
	struct process *p;
	u32 pid;

	if (!pseudo_number(name, len, &pid) || pid == 0 || pid > INT32_MAX)
		return -ENOENT;
	p = find_by_number(pid);
	if (!p)
		return -ENOENT;
	if (p == process_kernel) {
		process_put(p);
		return -ENOENT;
	}
	child->proc = p; /* put by the caller of this function */
	child->tid = (s32)pid == p->pid ? 0 : (s32)pid;
	child->mode = TYPE_DIR | 0555;
	child->dir = &procfs_pid_dir;
	child->is_volatile = true;
	procfs_set_owner(child);
	return 0;
}

static bool root_readdir(const struct pseudo_node *dir, struct dir_context *ctx)
{
	char name[12];

	for (;;) {
		s32 after = (s32)pseudo_cookie(ctx);
		struct process *p = process_next(after);
		s32 pid;

		if (!p)
			return true;
		pid = p->pid;
		process_put(p);
		fmt_format(name, sizeof(name), "%d", pid);
		if (!pseudo_emit(ctx, dir, name, TYPE_DIR, (u64)pid))
			return false;
	}
}

static const struct pseudo_dir root_dir = {
	.lookup = root_lookup,
	.readdir = root_readdir,
	.table = &root_table,
};

static int proc_mount(UNUSED const char *source, UNUSED const char *options,
		      struct fs **fs)
{
	return pseudo_mount(&proc_type, PROC_MAGIC, NULL, &root_dir, fs);
}

const struct fs_type proc_type = {
	.name = "proc",
	.mount = proc_mount,
	.unmount = pseudo_unmount,
	.statfs = pseudo_statfs,
};

struct process *procfs_process(const struct file *f)
{
	const struct pseudo_node *n;

	if (f->inode->fs->type != &proc_type)
		return NULL;
	n = pseudo_file_node(f);
	if (n->dir != &procfs_pid_dir || n->tid)
		return NULL;
	process_get(n->proc);
	return n->proc;
}

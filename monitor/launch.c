/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the kernel of platform `process`, or the machine of another, and takes
 * everything from it that it does not need, in stages (confine_*), in the order
 * the child calls them. The
 * child is a vfork: it shares our memory until exec, so it makes raw system
 * calls only and reports through struct launch.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/launch.h"

/* Landlock ABI 6: domains that cannot signal outside themselves. */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

#define INSTANCE_FILES_MAX 65536

/* Host uids for instances of a root monitor: one each, by monitor pid, so that
 * no instance can signal or inspect another. Far above any that exist. */
#define INSTANCE_UID_BASE 0x70000000u

static long raw(long nr, long a, long b, long c, long d)
{
	long ret = syscall(nr, a, b, c, d, 0L, 0L);

	return ret < 0 ? -errno : ret;
}

/* Stage 1: a session of its own: no controlling terminal, one group to kill. */
static int confine_session(struct launch *l)
{
	l->stage = "setsid";
	return (int)raw(SYS_setsid, 0, 0, 0, 0);
}

/* Set both limits to value, or to the hard limit where we may not raise it. */
static int set_limit(int which, rlim_t value)
{
	struct rlimit old, lim = { value, value };

	if (setrlimit(which, &lim) == 0)
		return 0;
	if (errno != EPERM || getrlimit(which, &old))
		return -errno;
	lim.rlim_cur = lim.rlim_max = old.rlim_max;
	return setrlimit(which, &lim) ? -errno : 0;
}

/* Put those that a checkpoint names at their numbers; the sources are above. */
static int place(const struct launch *l)
{
	for (unsigned int i = 0; i < l->nfds; i++) {
		const struct launch_fd *f = &l->fds[i];

		if (f->from != f->to && dup2(f->from, f->to) < 0)
			return -errno;
	}
	return l->in->is_resumed ? resume_fill_sets(l->in) : 0;
}

/* Stage 2: descriptors: those of the boot block, nothing else. */
static int confine_descriptors(struct launch *l)
{
	unsigned int first = 3;
	int err;

	l->stage = "descriptors";
	err = set_limit(RLIMIT_NOFILE, INSTANCE_FILES_MAX);
	if (!err)
		err = place(l);
	/* fds[] is sorted. */
	for (unsigned int i = 0; i < l->nfds && !err; i++) {
		unsigned int fd = (unsigned int)l->fds[i].to;

		err = (int)raw(SYS_fcntl, l->fds[i].to, F_SETFD, 0, 0);
		if (!err && fd > first)
			err = (int)raw(SYS_close_range, first, fd - 1,
				       CLOSE_RANGE_CLOEXEC, 0);
		first = fd + 1;
	}
	if (!err)
		err = (int)raw(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC,
			       0);
	return err;
}

/* Stage 3: bounds on what it can use up. */
static int confine_limits(struct launch *l)
{
	int err;

	l->stage = "limits";
	err = set_limit(RLIMIT_CORE, 0);
	/* Counts per uid: only meaningful with a uid of its own. */
	if (!err && l->in->uid != (uid_t)-1)
		err = set_limit(RLIMIT_NPROC, INSTANCE_PROCESSES_MAX);
	return err;
}

/* Stage 4: a uid of its own, no groups but the one named, no capabilities. */
static int confine_user(struct launch *l)
{
	long id = (long)l->in->uid;
	int err;

	l->stage = "user";
	if (l->in->uid == (uid_t)-1)
		return 0;
	err = (int)raw(SYS_setgroups, l->group != (gid_t)-1, (long)&l->group, 0,
		       0);
	if (!err)
		err = (int)raw(SYS_setresgid, id, id, id, 0);
	if (!err)
		err = (int)raw(SYS_setresuid, id, id, id, 0);
	return err;
}

/* Stage 5: Landlock: no signals to and no abstract sockets of the outside.
 * Older hosts lack it; there the uid (root) or nothing (rootless) stands. */
static int confine_scope(struct launch *l)
{
	struct {
		__u64 handled_access_fs, handled_access_net, scoped;
	} attr = { 0, 0, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL };
	long fd, err;

	l->stage = "no_new_privs";
	err = raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
	if (err)
		return (int)err;
	l->stage = "landlock";
	fd = raw(SYS_landlock_create_ruleset, (long)&attr, sizeof(attr), 0, 0);
	if (fd == -ENOSYS || fd == -EOPNOTSUPP || fd == -E2BIG || fd == -EINVAL)
		return 0;
	if (fd < 0)
		return (int)fd;
	err = raw(SYS_landlock_restrict_self, fd, 0, 0, 0);
	raw(SYS_close, fd, 0, 0, 0);
	return (int)err;
}

static int confine(struct launch *l)
{
	int err = confine_session(l);

	if (err > 0)
		err = 0;
	if (!err)
		err = confine_descriptors(l);
	if (!err)
		err = confine_limits(l);
	if (!err)
		err = confine_user(l);
	if (!err)
		err = confine_scope(l);
	return err;
}

static NORETURN void child_main(struct launch *l)
{
	char *kernel_argv[] = { l->in->spec.name,
				l->boot_fd[0] ? l->boot_fd : NULL, NULL };
	char *const *argv = l->argv ? l->argv : kernel_argv;
	char *envp[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	cgroup_join(&l->in->cgroup, l->in->wants_group, !l->is_in_group);
	l->error = -confine(l);
	if (!l->error) {
		l->stage = l->argv ? l->argv[0] : "kernel";
		raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
		/* The kernel takes its parent for the monitor. */
		if (raw(SYS_getppid, 0, 0, 0, 0) != l->monitor)
			_exit(EXIT_JIFFY);
		l->in->boot->phase_ns[BOOT_T_SPAWN] = clock_now_ns();
		l->error = (int)-syscall(SYS_execveat, l->exe_fd, "", argv,
					 envp, AT_EMPTY_PATH);
		l->error = errno;
	}
	_exit(EXIT_JIFFY);
}

/* As vfork(), in a control group of version 2 from the beginning, which spares
 * the host a move. It has a stack of its own, as what it calls would overwrite
 * ours. clone3(2). */
static pid_t start_in_group(struct launch *l, int group)
{
	uint8_t stack[65536] __attribute__((aligned(16)));
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof(stack),
		.cgroup = (uint64_t)group,
	};
	long ret = SYS_clone3;

	l->is_in_group = true;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %[l], %%rdi\n\t"
			 "call *%[main]\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(ret)
			 : "D"(&args),
			   "S"(sizeof(args)), [l] "r"(l), [main] "r"(child_main)
			 : "rcx", "r11", "memory");
	return ret < 0 ? -1 : (pid_t)ret;
}

static pid_t start_child(struct launch *l)
{
	int group = l->in->wants_group ? cgroup_unified_fd(&l->in->cgroup) : -1;
	pid_t pid = group < 0 ? -1 : start_in_group(l, group);

	if (pid > 0)
		return pid;
	l->is_in_group = false;
	pid = vfork();
	if (pid == 0)
		child_main(l);
	return pid;
}

static int compare_fds(const void *a, const void *b)
{
	return ((const struct launch_fd *)a)->to -
	       ((const struct launch_fd *)b)->to;
}

static void add_fd(struct launch *l, int fd)
{
	l->fds[l->nfds++] = (struct launch_fd){ fd, fd };
}

/* The boot block takes its agreed number; the others tell theirs in it. */
static int place_descriptors(struct launch *l, struct err *e)
{
	struct instance *in = l->in;
	struct boot_block *b = in->boot;
	int all[] = { BOOT_FD,	    in->image_fd,	 in->kernel_fd,
		      in->cache_fd, in->broker_guest_fd, in->event_guest_fd,
		      in->trace_fd };

	if (in->boot_fd != BOOT_FD)
		return err_set(e, EINVAL, "boot block is descriptor %d",
			       in->boot_fd);
	b->stdio_hfd[0] = in->spec.has_stdin || in->spec.has_tty ? 0 : -1;
	b->stdio_hfd[1] = 1;
	b->stdio_hfd[2] = 2;
	b->image_fd = in->image_fd;
	b->kernel_fd = in->kernel_fd;
	b->cache_fd = in->cache_fd;
	b->broker_fd = in->broker_guest_fd;
	b->event_fd = in->event_guest_fd;
	b->trace_fd = in->trace_fd;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i] > 2)
			add_fd(l, all[i]);
	}
	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		add_fd(l, in->volume_fds[i]);
		if (in->direct_fds[i] >= 0)
			add_fd(l, in->direct_fds[i]);
	}
	volumes_place(in);
	in->guest.broker = b->broker_fd;
	in->guest.event = b->event_fd;
	in->guest.trace = b->trace_fd;
	return 0;
}

#define KERNEL_PATH_SIZE (4096 + 32)

static void kernel_path(const struct instance *in, char path[KERNEL_PATH_SIZE])
{
	snprintf(path, KERNEL_PATH_SIZE, "%s/jiffy-kernel", in->self_dir);
}

int launch_open(struct instance *in, struct err *e)
{
	struct err none = ERR_INIT;
	char path[KERNEL_PATH_SIZE];

	kernel_path(in, path);
	in->kernel_exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->kernel_exe_fd < 0)
		return err_sys(e, errno, "kernel %s", path);
	/* Only checkpoints need it. */
	(void)checkpoint_build_id(in->kernel_exe_fd, in->build_id, &none);
	return 0;
}

int launch_open_newer(struct instance *in, struct err *e)
{
	char path[KERNEL_PATH_SIZE];
	struct stat now, ours;

	kernel_path(in, path);
	if (stat(path, &now) == 0 && fstat(in->kernel_exe_fd, &ours) == 0 &&
	    now.st_dev == ours.st_dev && now.st_ino == ours.st_ino &&
	    now.st_ctim.tv_sec == ours.st_ctim.tv_sec)
		return 0;
	close(in->kernel_exe_fd);
	return launch_open(in, e);
}

/* The kernel has its own copies: without ours, the other ends learn when the
 * program closes them. Stderr stays, for messages; a terminal too. */
void launch_drop_stdio(const struct instance *in)
{
	int null;

	if (in->spec.has_tty)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
}

/* What was put somewhere else is not needed here. */
static void close_sources(const struct launch *l)
{
	for (unsigned int i = 0; i < l->nfds; i++)
		if (l->fds[i].from != l->fds[i].to)
			close(l->fds[i].from);
}

int launch_start(struct launch *l, struct err *e)
{
	struct instance *in = l->in;
	pid_t pid;

	qsort(l->fds, l->nfds, sizeof(l->fds[0]), compare_fds);
	group_make(in);
	in->uid = geteuid() == 0 ? INSTANCE_UID_BASE + (uid_t)getpid()
				 : (uid_t)-1;
	l->monitor = getpid();
	pid = start_child(l);
	if (pid < 0)
		return err_sys(e, errno, "start the kernel");
	if (l->error) {
		waitpid(pid, NULL, 0);
		return err_sys(e, l->error, "start the kernel: %s", l->stage);
	}
	in->group = pid;
	in->is_started = true;
	close_sources(l);
	return 0;
}

int launch(struct instance *in, struct err *e)
{
	struct launch_fd fds[8 + 2 * SPEC_VOLUMES_MAX];
	struct launch l = { .in = in,
			    .exe_fd = in->kernel_exe_fd,
			    .group = (gid_t)-1,
			    .fds = fds };

	if (in->is_resumed ? resume_place(&l, e) : place_descriptors(&l, e))
		return -e->code;
	/* A checkpoint may have opened another one. */
	l.exe_fd = in->kernel_exe_fd;
	if (launch_start(&l, e))
		return -e->code;
	if (l.fds != fds)
		free(l.fds);
	close(in->broker_guest_fd);
	close(in->event_guest_fd);
	launch_drop_stdio(in);
	return 0;
}

void launch_kill(const struct instance *in)
{
	if (in->is_started)
		kill(-in->group, SIGKILL);
}

void launch_end(struct instance *in)
{
	if (!in->is_started)
		return;
	launch_kill(in);
	/* All of them are our children (CLONE_PARENT). */
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

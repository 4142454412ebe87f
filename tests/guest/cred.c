// SPDX-License-Identifier: Apache-2.0
/* Identity and limits: user and group ids, prctl, rlimits, sessions and
 * process groups, priority, affinity. */
#include "tap.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>

static int ids(void)
{
	uid_t r, e, s;
	gid_t g[3];
	gid_t groups[4] = { 0 };

	must(getresuid(&r, &e, &s) == 0 && r == 0 && e == 0 && s == 0);
	must(syscall(SYS_setgroups, 3, (gid_t[]){ 30, 10, 20 }) == 0);
	must(getgroups(0, NULL) == 3);
	must(getgroups(4, groups) == 3);
	/* Linux keeps them sorted. */
	must(groups[0] == 10 && groups[1] == 20 && groups[2] == 30);
	must(getgroups(2, groups) == -1 && errno == EINVAL);
	must(setresgid(5, 6, 7) == 0);
	must(getresgid(&g[0], &g[1], &g[2]) == 0);
	must(g[0] == 5 && g[1] == 6 && g[2] == 7);
	must(getgid() == 5 && getegid() == 6);
	must(syscall(SYS_setregid, -1, 7) == 0 && getegid() == 7);
	must(setresuid(100, 200, 300) == 0);
	must(getuid() == 100 && geteuid() == 200);
	must(setresuid(-1, 300, -1) == 0 && geteuid() == 300);
	must(seteuid(100) == 0 && geteuid() == 100);
	must(setresuid(0, -1, -1) == -1 && errno == EPERM);
	must(setuid(0) == -1 && errno == EPERM);
	must(syscall(SYS_setgroups, 0, NULL) == -1 && errno == EPERM);
	must(setgid(0) == -1 && errno == EPERM);
	must(setgid(5) == 0 && getegid() == 5);
	must(setuid(300) == 0 && geteuid() == 300 && getuid() == 100);
	must(syscall(SYS_setreuid, 300, 100) == 0);
	must(getuid() == 300 && geteuid() == 100);
	return 0;
}

static int setuid_root(void)
{
	uid_t r, e, s;

	/* As root setuid sets all three. */
	must(setuid(77) == 0 && getresuid(&r, &e, &s) == 0);
	must(r == 77 && e == 77 && s == 77);
	must(setuid(77) == 0);
	must(setuid(78) == -1 && errno == EPERM);
	return 0;
}

static int setreuid_saved(void)
{
	uid_t r, e, s;

	must(syscall(SYS_setreuid, 11, 22) == 0);
	must(getresuid(&r, &e, &s) == 0 && r == 11 && e == 22 && s == 22);
	return 0;
}

static int fsuid(void)
{
	must(syscall(SYS_setfsuid, 55) == 0);
	must(syscall(SYS_setfsuid, -1) == 55);
	must(setresuid(-1, 66, -1) == 0);
	must(syscall(SYS_setfsuid, -1) == 66);
	return 0;
}

static void check_ids(void)
{
	tap_group("ids");
	is_int(getuid() | geteuid() | getgid() | getegid(), 0, "we are root");
	is_int(tap_child(ids), 0, "the three ids and what a user may set");
	is_int(tap_child(setuid_root), 0, "setuid as root is for good");
	is_int(tap_child(setreuid_saved), 0, "setreuid sets the saved one");
	is_int(tap_child(fsuid), 0, "setfsuid");
	is_errno(syscall(SYS_setuid, -1), EINVAL, "setuid(-1)");
	is_errno(syscall(SYS_setgid, -1), EINVAL, "setgid(-1)");
	is_efault(syscall(SYS_getresuid, bp, bp, bp), "getresuid to bad ones");
	is_efault(syscall(SYS_setgroups, 2, bp), "setgroups from bad ones");
	is_errno(syscall(SYS_setgroups, 65537, bad_ptr), EINVAL, "too many");
	is_errno(syscall(SYS_getgroups, -1, NULL), EINVAL, "getgroups(-1)");
}

static int no_new_privs(void)
{
	must(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1 && errno == EINVAL);
	must(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	pid_t pid = tap_fork();
	if (pid == 0)
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return tap_wait(pid) == 1 ? 0 : 1;
}

/* The child of a child gets the signal when its parent ends. */
static int deathsig(void)
{
	int up[2], down[2], sig = -1;
	char c;
	pid_t pid;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	must(pipe(up) == 0 && pipe(down) == 0);
	pid = tap_fork();
	if (pid == 0) {
		pid = tap_fork();
		if (pid == 0) {
			must(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == 0);
			must(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
			must(prctl(PR_GET_PDEATHSIG, &sig) == 0);
			must(sig == SIGUSR1);
			tap_post(up[1]);
			(void)!read(down[0], &c, 1);
			_exit(1);
		}
		must(tap_await(up[0]));
		_exit(0);
	}
	must(tap_wait(pid) == 0);
	pid = wait(&sig);
	must(pid > 0 && WIFSIGNALED(sig) && WTERMSIG(sig) == SIGUSR1);
	return 0;
}

static void check_prctl(void)
{
	char name[32] = "";
	int v = -1;

	tap_group("prctl");
	is_int(prctl(PR_SET_NAME, "a-name-that-is-too-long"), 0, "PR_SET_NAME");
	is_int(prctl(PR_GET_NAME, name), 0, "PR_GET_NAME");
	is_str(name, "a-name-that-is-", "cut to fifteen");
	is_int(prctl(PR_GET_DUMPABLE), 1, "dumpable");
	is_int(prctl(PR_SET_DUMPABLE, 0), 0, "PR_SET_DUMPABLE");
	is_int(prctl(PR_GET_DUMPABLE), 0, "not dumpable");
	prctl(PR_SET_DUMPABLE, 1);
	is_errno(prctl(PR_SET_DUMPABLE, 5), EINVAL, "bad value");
	is_int(prctl(PR_SET_CHILD_SUBREAPER, 1), 0, "PR_SET_CHILD_SUBREAPER");
	is_int(prctl(PR_GET_CHILD_SUBREAPER, &v) == 0 ? v : -1, 1,
	       "reads back");
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	is_int(tap_child(no_new_privs), 0, "NO_NEW_PRIVS stays, over fork");
	is_int(tap_child(deathsig), 0, "PR_SET_PDEATHSIG");
	is_errno(prctl(PR_SET_PDEATHSIG, 65), EINVAL, "signal 65");
	is_int(prctl(PR_GET_KEEPCAPS), 0, "KEEPCAPS");
	is_errno(prctl(0x7fff), EINVAL, "unknown");
	is_efault(prctl(PR_SET_NAME, bp), "name at bad addresses");
	is_efault(prctl(PR_GET_NAME, bp), "name to bad addresses");
	is_efault(prctl(PR_GET_PDEATHSIG, bp), "signal to bad addresses");
}

static int user_limits(void)
{
	struct rlimit rl;

	must(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	rl.rlim_cur = 50;
	rl.rlim_max = 100;
	must(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	rl.rlim_max = 101;
	must(setrlimit(RLIMIT_NOFILE, &rl) == -1 && errno == EPERM);
	rl.rlim_cur = 100;
	rl.rlim_max = 100;
	must(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	must(getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur == 100);
	pid_t pid = tap_fork();
	if (pid == 0) {
		must(getrlimit(RLIMIT_NOFILE, &rl) == 0);
		_exit(rl.rlim_cur == 100 ? 3 : 4);
	}
	return tap_wait(pid) == 3 ? 0 : 1;
}

static int root_limits(void)
{
	struct rlimit rl, old;

	must(getrlimit(RLIMIT_CPU, &rl) == 0);
	rl = (struct rlimit){ 1000, 2000 };
	must(prlimit(0, RLIMIT_CPU, &rl, &old) == 0);
	must(prlimit(getpid(), RLIMIT_CPU, NULL, &old) == 0);
	must(old.rlim_cur == 1000 && old.rlim_max == 2000);
	rl.rlim_cur = 4000;
	must(setrlimit(RLIMIT_CPU, &rl) == -1 && errno == EINVAL);
	return 0;
}

static void check_limits(void)
{
	struct rlimit rl;

	tap_group("limits");
	is_int(getrlimit(RLIMIT_STACK, &rl), 0, "RLIMIT_STACK");
	ok(rl.rlim_cur >= 1 << 20, "a megabyte at least");
	is_int(getrlimit(RLIMIT_CORE, &rl) == 0 && rl.rlim_cur == 0, 1, "CORE");
	is_int(tap_child(root_limits), 0, "prlimit, in order");
	is_int(tap_user_child(user_limits), 0, "a user lowers; inherited");
	is_errno(getrlimit((unsigned)99, &rl), EINVAL, "no such limit");
	is_errno(syscall(SYS_prlimit64, 0x3fffffff, 7, NULL, &rl), ESRCH,
		 "of nobody");
	is_efault(syscall(SYS_prlimit64, 0, 7, bp, NULL), "from bad ones");
	is_efault(syscall(SYS_prlimit64, 0, 7, NULL, bp), "to bad ones");
	is_efault(syscall(SYS_getrlimit, 7, bp), "getrlimit to bad ones");
}

static int session_child(void)
{
	int go[2], ready[2];
	pid_t a, me = getpid();

	must(pipe(go) == 0 && pipe(ready) == 0);
	must(getsid(0) == getsid(getppid()) && getpgrp() != me);
	must(setsid() == me && getsid(0) == me && getpgrp() == me);
	must(setsid() == -1 && errno == EPERM);
	must(setpgid(0, 0) == -1 && errno == EPERM);
	a = tap_fork();
	if (a == 0) {
		must(getpgrp() == me && getsid(0) == me);
		tap_post(ready[1]);
		must(tap_await(go[0]));
		must(getpgrp() == getpid());
		must(setsid() == -1 && errno == EPERM);
		_exit(0);
	}
	must(tap_await(ready[0]));
	must(setpgid(a, 0x3fffffff) == -1 && errno == EPERM);
	must(setpgid(a, -1) == -1 && errno == EINVAL);
	must(setpgid(a, a) == 0 && getpgid(a) == a && getsid(a) == me);
	tap_post(go[1]);
	must(tap_wait(a) == 0);
	must(setpgid(a, a) == -1 && errno == ESRCH);
	a = tap_fork();
	if (a == 0) {
		must(setsid() == getpid());
		tap_post(ready[1]);
		tap_await(go[0]);
		_exit(0);
	}
	must(tap_await(ready[0]));
	must(setpgid(a, me) == -1 && errno == EPERM);
	must(getsid(a) == a);
	tap_post(go[1]);
	must(tap_wait(a) == 0);
	return 0;
}

/* A parent may move a child until the child execs. */
static int exec_child(void)
{
	int fds[2], in[2];
	char c;
	pid_t a;

	must(pipe2(fds, O_CLOEXEC) == 0 && pipe(in) == 0);
	a = tap_fork();
	if (a == 0) {
		dup2(in[0], 0);
		close(in[0]);
		close(in[1]);
		execl("/bin/sh", "sh", "-c", "read x; exit 3", NULL);
		_exit(9);
	}
	close(fds[1]);
	must(read(fds[0], &c, 1) == 0);
	must(setpgid(a, a) == -1 && errno == EACCES);
	must(write(in[1], "\n", 1) == 1);
	return tap_wait(a) == 3 ? 0 : 1;
}

static void check_sessions(void)
{
	tap_group("sessions and groups");
	is_int(tap_child(session_child), 0, "setsid, setpgid, and refusals");
	is_int(tap_child(exec_child), 0, "not after an exec");
	is_int(getpgid(0), getpgrp(), "getpgid(0)");
	is_errno(getpgid(0x3fffffff), ESRCH, "getpgid of nobody");
	is_errno(getsid(0x3fffffff), ESRCH, "getsid of nobody");
	is_errno(setpgid(0x3fffffff, 0), ESRCH, "setpgid of nobody");
	is_errno(setpgid(-1, 0), EINVAL, "setpgid of -1");
	is_errno(setpgid(0, -1), EINVAL, "setpgid to -1");
}

static int nice_user(void)
{
	must(setpriority(PRIO_PROCESS, 0, 5) == 0);
	must(setpriority(PRIO_PROCESS, 0, 2) == -1 && errno == EACCES);
	must(getpriority(PRIO_PROCESS, 0) == 5);
	return 0;
}

static void check_sched(void)
{
	cpu_set_t set;
	unsigned cpu = 9999;
	int n;

	tap_group("scheduling");
	is_int(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20, "getpriority");
	is_errno(getpriority(99, 0), EINVAL, "bad kind");
	is_errno(getpriority(PRIO_PROCESS, 0x3fffffff), ESRCH, "of nobody");
	is_int(tap_user_child(nice_user), 0, "a user only gets nicer");
	is_int(sched_yield(), 0, "sched_yield");
	CPU_ZERO(&set);
	is_int(sched_getaffinity(0, sizeof(set), &set), 0, "affinity");
	n = CPU_COUNT(&set);
	ok(n >= 1, "at least one processor");
	ok(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set) > 0,
	   "the call returns the size");
	is_errno(syscall(SYS_sched_getaffinity, 0, 1, &set), EINVAL, "1 byte");
	is_efault(syscall(SYS_sched_getaffinity, 0, 128, bp), "bad addresses");
	is_int(sched_setaffinity(0, sizeof(set), &set), 0, "set to the same");
	CPU_ZERO(&set);
	is_errno(sched_setaffinity(0, sizeof(set), &set), EINVAL, "to none");
	is_int(syscall(SYS_getcpu, &cpu, NULL, NULL), 0, "getcpu");
	ok(cpu < 4096, "a small number");
	is_int(sched_get_priority_max(SCHED_FIFO), 99, "highest FIFO");
	is_int(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER, "SCHED_OTHER");
}

int main(void)
{
	tap_start();
	check_ids();
	check_prctl();
	check_limits();
	check_sessions();
	check_sched();
	return tap_done();
}

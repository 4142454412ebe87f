// SPDX-License-Identifier: Apache-2.0
/* Processes: fork, clone, vfork, posix_spawn, wait in every form, exit
 * codes, stop and continue, orphans, zombies, SIGCHLD. exec has exec.c. */
#include "tap.h"

#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#define PG 4096UL
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int global = 1;
static int *shared;

static int cow_child(void)
{
	char *heap = *(char **)(shared + 2);

	must(global == 5 && heap[50000] == 9);
	global = 6;
	heap[50000] = 10;
	shared[0] = 77;
	must(getpid() != shared[1] && getppid() == shared[1]);
	must(syscall(SYS_gettid) == getpid());
	return 0;
}

static int nested_child(void)
{
	int before = global++;
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(global++ - before);
	return tap_wait(pid) == 1 && global == before + 1 ? 33 : 34;
}

static void check_cow(void)
{
	char *heap = malloc(100000);
	int local = 3;
	bool good = true;

	tap_group("copy on write");
	memset(heap, 9, 100000);
	global = 5;
	shared[1] = getpid();
	memcpy(shared + 2, &heap, sizeof(heap));
	is_int(tap_child(cow_child), 0, "the child sees and changes its own");
	ok(global == 5 && heap[50000] == 9 && local == 3, "we see no change");
	is_int(shared[0], 77, "but in shared memory");
	is_int(tap_child(nested_child), 33, "a grandchild");
	for (int i = 0; i < 50; i++) {
		pid_t pid = tap_fork();

		if (pid == 0)
			_exit(heap[0] == 9 + i % 2 ? i : 255);
		good &= tap_wait(pid) == i;
		heap[0] = (char)(9 + (i + 1) % 2);
	}
	ok(good, "fifty in a row, each with the value of its time");
	free(heap);
}

static void check_fds(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600), fds[2];
	pid_t pid;
	char buf[16] = "";

	tap_group("descriptors over fork");
	(void)!write(fd, "0123456789", 10);
	(void)!pipe(fds);
	lseek(fd, 2, SEEK_SET);
	pid = tap_fork();
	if (pid == 0) {
		must(read(fd, buf, 3) == 3 && memcmp(buf, "234", 3) == 0);
		close(fds[0]);
		must(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
		must(fcntl(fd, F_SETFL, O_APPEND) == 0);
		_exit(0);
	}
	is_int(tap_wait(pid), 0, "child reads on");
	is_int(lseek(fd, 0, SEEK_CUR), 5, "the offset is shared");
	ok(fcntl(fd, F_GETFL) & O_APPEND, "and so are the status flags");
	is_int(fcntl(fd, F_GETFD), 0, "not the descriptor flags");
	is_int(write(fds[1], "a", 1), 1, "nor the closing");
	close(fd);
	close(fds[0]);
	close(fds[1]);
	unlink("f");
}

static int exit_256(void)
{
	syscall(SYS_exit_group, 0x1234567);
	return 0;
}

static int exit_kill(void)
{
	raise(SIGKILL);
	return 0;
}

static int exit_abort(void)
{
	abort();
}

static int exit_term(void)
{
	kill(getpid(), SIGTERM);
	pause();
	return 0;
}

static int exit_segv(void)
{
	*(volatile char *)bad_ptr = 1;
	return 0;
}

static int exit_thread_only(void)
{
	syscall(SYS_exit, 21);
	return 0;
}

static void on_exit_status(void)
{
	_exit(44);
}

static int exit_handlers(void)
{
	atexit(on_exit_status);
	exit(1);
}

static void check_exit(void)
{
	tap_group("how they end");
	is_int(tap_child(exit_256), 0x67, "eight bits of status");
	is_int(tap_child(exit_kill), 1000 + SIGKILL, "SIGKILL");
	is_int(tap_child(exit_abort), 1000 + SIGABRT, "abort");
	is_int(tap_child(exit_term), 1000 + SIGTERM, "SIGTERM");
	is_int(tap_child(exit_segv), 1000 + SIGSEGV, "SIGSEGV");
	is_int(tap_child(exit_thread_only), 21, "exit of the only thread");
	is_int(tap_child(exit_handlers), 44, "atexit handlers run");
}

static void check_wait(void)
{
	int status = 0, fds[2];
	pid_t a, b;
	struct rusage ru;
	siginfo_t si;

	(void)!pipe(fds);
	tap_group("wait");
	is_errno(waitpid(-1, &status, 0), ECHILD, "no children");
	is_errno(waitpid(getpid(), &status, 0), ECHILD, "not our child");
	is_errno(waitpid(-0x7fffffff, &status, 0), ECHILD, "no such group");
	is_errno(syscall(SYS_wait4, -1, 0, 0x1000, 0), EINVAL, "bad option");
	is_errno(syscall(SYS_wait4, (int)0x80000000, 0, 0, 0), ESRCH,
		 "group of INT_MIN");
	is_errno(waitid(77, 0, &si, WEXITED), EINVAL, "waitid: bad type");
	is_errno(waitid(P_ALL, 0, &si, 0), EINVAL, "waitid: nothing asked");
	is_errno(waitid(P_ALL, 0, &si, WEXITED | 0x100), EINVAL,
		 "waitid: bad option");
	is_errno(waitid(P_PID, 0, &si, WEXITED), EINVAL, "waitid: pid 0");
	is_errno(waitid(P_PIDFD, 9999, &si, WEXITED), EBADF, "waitid: pidfd");
	a = tap_fork();
	if (a == 0) {
		close(fds[1]);
		tap_await(fds[0]);
		_exit(9);
	}
	is_int(waitpid(a, &status, WNOHANG), 0, "WNOHANG while it runs");
	memset(&si, 0x55, sizeof(si));
	is_int(waitid(P_PID, (id_t)a, &si, WEXITED | WNOHANG), 0, "waitid too");
	ok(si.si_pid == 0 && si.si_signo == 0, "and says nobody");
	close(fds[1]);
	is_int(waitid(P_PID, (id_t)a, &si, WEXITED | WNOWAIT), 0, "WNOWAIT");
	ok(si.si_pid == a && si.si_signo == SIGCHLD && si.si_status == 9 &&
		   si.si_code == CLD_EXITED && si.si_uid == getuid(),
	   "tells all of it");
	is_int(kill(a, 0), 0, "it is a zombie, and there");
	is_errno(waitpid(a, bad_ptr, 0), EFAULT, "status to a bad address");
	is_errno(waitpid(a, &status, 0), ECHILD, "it was reaped even so");
	close(fds[0]);
	a = tap_fork();
	if (a == 0)
		_exit(1);
	b = tap_fork();
	if (b == 0)
		_exit(2);
	is_int(tap_wait(b), 2, "the second child first");
	is_int(wait4(a, &status, 0, &ru), a, "wait4 with rusage");
	ok(ru.ru_maxrss >= 0 && ru.ru_maxrss < 1L << 30 &&
		   ru.ru_utime.tv_sec < 60,
	   "with sane values");
	is_errno(kill(a, 0), ESRCH, "a reaped one is gone");
	is_errno(waitpid(a, &status, 0), ECHILD, "and cannot be waited for");
	a = tap_fork();
	if (a == 0) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(a, a);
	is_int(waitpid(-a, &status, 0), a, "by process group");
	a = tap_fork();
	if (a == 0)
		_exit(4);
	is_int(waitpid(0, &status, 0), a, "of our own group");
	is_int(WEXITSTATUS(status), 4, "with its status");
	a = tap_fork();
	if (a == 0)
		exit_kill();
	is_int(waitid(P_PGID, (id_t)getpgrp(), &si, WEXITED), 0, "P_PGID");
	ok(si.si_code == CLD_KILLED && si.si_status == SIGKILL, "killed");
	a = tap_fork();
	if (a == 0)
		_exit(5);
	is_int(waitid(P_ALL, 0, NULL, WEXITED), 0, "nothing told");
}

static void check_stop(void)
{
	int status = 0;
	siginfo_t si;
	pid_t a = tap_fork();

	if (a == 0)
		for (;;)
			pause();
	tap_group("stop and continue");
	/* Not of our group: that may be an orphaned one, which ignores
	 * SIGTSTP. */
	setpgid(a, a);
	kill(a, SIGSTOP);
	is_int(waitid(P_PID, (id_t)a, &si, WSTOPPED), 0, "waitid WSTOPPED");
	ok(si.si_code == CLD_STOPPED && si.si_status == SIGSTOP, "stopped");
	is_int(waitpid(a, &status, WUNTRACED | WNOHANG), 0, "told once");
	kill(a, SIGCONT);
	is_int(waitpid(a, &status, WCONTINUED), a, "WCONTINUED");
	ok(WIFCONTINUED(status) && status == 0xffff, "continued");
	kill(a, SIGTSTP);
	is_int(waitpid(a, &status, WUNTRACED), a, "WUNTRACED");
	ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP, "SIGTSTP");
	kill(a, SIGTERM);
	is_int(waitpid(a, &status, WNOHANG), 0, "SIGTERM waits for SIGCONT");
	kill(a, SIGCONT);
	is_int(tap_wait(a), 1000 + SIGTERM, "and then acts");
	a = tap_fork();
	if (a == 0)
		for (;;)
			pause();
	kill(a, SIGSTOP);
	waitpid(a, &status, WUNTRACED);
	kill(a, SIGKILL);
	is_int(tap_wait(a), 1000 + SIGKILL, "SIGKILL does not wait");
}

/* A subreaper's grandchild comes to it when its parent ends. */
static int orphan_child(void)
{
	int fds[2], status, ppid;
	pid_t a, b;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	must(pipe(fds) == 0);
	a = tap_fork();
	if (a == 0) {
		a = getpid();
		b = tap_fork();
		if (b == 0) {
			while (getppid() == a)
				sched_yield();
			ppid = getppid();
			must(write(fds[1], &ppid, sizeof(ppid)) == 4);
			_exit(6);
		}
		_exit(0);
	}
	must(tap_wait(a) == 0);
	must(read(fds[0], &ppid, sizeof(ppid)) == sizeof(ppid));
	must(ppid == getpid());
	b = wait(&status);
	must(b > 0 && b != a && WEXITSTATUS(status) == 6);
	must(wait(&status) == -1 && errno == ECHILD);
	return 0;
}

/* The same for one who was born before. */
static int late_subreaper_child(void)
{
	int go[2], status;
	pid_t a;
	char c;

	must(pipe(go) == 0);
	a = tap_fork();
	if (a == 0) {
		a = getpid();
		if (tap_fork() == 0) {
			while (getppid() == a)
				sched_yield();
			_exit(7);
		}
		must(read(go[0], &c, 1) == 1);
		_exit(0);
	}
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	must(write(go[1], "x", 1) == 1);
	must(tap_wait(a) == 0);
	must(wait(&status) > 0 && WEXITSTATUS(status) == 7);
	return 0;
}

static volatile int chld_count, chld_status, chld_code;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	chld_count++;
	chld_status = si->si_status;
	chld_code = si->si_code;
}

static int nocldwait_child(void)
{
	struct sigaction sa = { .sa_sigaction = on_chld,
				.sa_flags = SA_SIGINFO | SA_NOCLDWAIT |
					    SA_RESTART };
	int status;
	pid_t a;

	chld_count = 0;
	sigaction(SIGCHLD, &sa, NULL);
	a = tap_fork();
	if (a == 0)
		_exit(1);
	must(waitpid(a, &status, 0) == -1 && errno == ECHILD);
	must(chld_count == 1);
	return 0;
}

static int ignored_child(void)
{
	int status;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 3; i++)
		if (tap_fork() == 0)
			_exit(1);
	must(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
	return 0;
}

static void check_sigchld(void)
{
	struct sigaction sa = { .sa_sigaction = on_chld,
				.sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t chld, old;
	pid_t a;
	int status;

	tap_group("SIGCHLD");
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	sigaction(SIGCHLD, &sa, NULL);
	a = tap_fork();
	if (a == 0)
		_exit(12);
	while (chld_count == 0)
		sigsuspend(&old);
	ok(chld_status == 12 && chld_code == CLD_EXITED, "exit is told");
	is_int(tap_wait(a), 12, "and it can be waited for");
	a = tap_fork();
	if (a == 0)
		for (;;)
			pause();
	chld_count = 0;
	kill(a, SIGSTOP);
	while (chld_count == 0)
		sigsuspend(&old);
	ok(chld_status == SIGSTOP && chld_code == CLD_STOPPED, "stop is told");
	sa.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	chld_count = 0;
	kill(a, SIGCONT);
	waitpid(a, &status, WCONTINUED);
	kill(a, SIGKILL);
	is_int(tap_wait(a), 1000 + SIGKILL, "SA_NOCLDSTOP");
	while (chld_count == 0)
		sigsuspend(&old);
	ok(chld_code == CLD_KILLED && chld_status == SIGKILL, "kill is told");
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	is_int(tap_child(nocldwait_child), 0, "SA_NOCLDWAIT");
	is_int(tap_child(ignored_child), 0, "SIGCHLD ignored");
	is_int(tap_child(orphan_child), 0, "orphans go to the subreaper");
	is_int(tap_child(late_subreaper_child), 0, "even if born before it");
}

#define CHAIN 50

/* Each waits in vfork() for the next; the last tells and waits to be killed. */
static void vfork_chain(int tell)
{
	for (volatile int depth = 0; depth < CHAIN; depth++) {
		if (vfork() != 0)
			_exit(0);
		shared[depth] = getpid();
	}
	(void)!write(tell, "x", 1);
	for (;;)
		pause();
}

/* All of a chain are one thread of the machine: what each is told at once must
 * not be too much for it. */
static void check_vfork_chain(void)
{
	int gone = 0;

	for (int round = 0; round < 5; round++) {
		int fds[2];
		char c;
		pid_t pid;

		(void)!pipe(fds);
		pid = tap_fork();
		if (pid == 0)
			vfork_chain(fds[1]);
		close(fds[1]);
		if (read(fds[0], &c, 1) == 1)
			for (int i = 0; i < CHAIN; i++)
				kill(shared[i], SIGKILL);
		kill(pid, SIGKILL);
		gone += waitpid(pid, NULL, 0) == pid;
		/* The ends that the chain had are closed with the last. */
		gone += read(fds[0], &c, 1) == 0;
		close(fds[0]);
	}
	is_int(gone, 10, "a chain of 50 vforks is killed from its top");
}

static int volatile vfork_word;

static void check_vfork(void)
{
	char *args[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t) "exit 17", NULL };
	char out[16] = "";
	int fds[2], err;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t set;
	pid_t pid = vfork();

	if (pid == 0) {
		vfork_word = 5;
		_exit(11);
	}
	tap_group("vfork and posix_spawn");
	is_int(vfork_word, 5, "vfork shares memory and comes first");
	is_int(tap_wait(pid), 11, "its status");
	pid = vfork();
	if (pid == 0) {
		execv("/bin/sh", args);
		_exit(12);
	}
	is_int(tap_wait(pid), 17, "vfork and exec");
	is_int(posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ), 0,
	       "posix_spawn");
	is_int(tap_wait(pid), 17, "runs");
	err = posix_spawn(&pid, "/none", NULL, NULL, args, environ);
	is_int(err, ENOENT, "posix_spawn of nothing");
	(void)!pipe(fds);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fds[1], 1);
	posix_spawn_file_actions_addclose(&fa, fds[0]);
	posix_spawnattr_init(&at);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&at, &set);
	posix_spawnattr_setflags(&at,
				 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	args[2] = (char *)(uintptr_t) "echo spawned";
	is_int(posix_spawn(&pid, "/bin/sh", &fa, &at, args, environ), 0,
	       "with file actions and attributes");
	close(fds[1]);
	is_int(tap_wait(pid), 0, "runs");
	(void)!read(fds[0], out, sizeof(out) - 1);
	is_str(out, "spawned\n", "its output");
	close(fds[0]);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
}

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
		stack_size, tls, set_tid, set_tid_size, cgroup;
};

static int clone_fn(void *arg)
{
	*(int *)arg = (int)getpid();
	return 13;
}

static char stack[65536] __attribute__((aligned(16)));

/* clone() takes any number as the signal of the end: those that are none are
 * not sent. */
static void check_exit_signal(void)
{
	static const int odd[] = { 65, 100, 128, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		pid_t pid = (pid_t)syscall(SYS_clone, odd[i], 0, 0, 0, 0);
		int status = 0;

		if (pid == 0)
			_exit(3);
		ok(waitpid(pid, &status, __WALL) == pid && WIFEXITED(status) &&
			   WEXITSTATUS(status) == 3,
		   "an exit signal that is none");
	}
}

static void check_clone(void)
{
	struct clone3_args ca = { .exit_signal = SIGCHLD };
	int tid = 0, ptid = 0, word = 0, status, pidfd = -1;
	struct pollfd pfd;
	siginfo_t si;
	pid_t pid;
	long n = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |
		 CLONE_PARENT_SETTID;

	tap_group("clone");
	pid = (pid_t)syscall(SYS_clone, n | SIGCHLD, 0, &ptid, &tid, 0);
	if (pid == 0)
		_exit(tid == getpid() ? 14 : 15);
	is_int(tap_wait(pid), 14, "SETTID writes in the child");
	ok(ptid == pid && tid == 0, "PARENT_SETTID in the parent");
	pid = clone(clone_fn, stack + sizeof(stack), CLONE_VM | SIGCHLD, &word);
	is_int(tap_wait(pid), 13, "CLONE_VM without threads");
	is_int(word, pid, "wrote in our memory");
	pid = clone(clone_fn, stack + sizeof(stack), CLONE_VM, &word);
	is_errno(waitpid(pid, &status, 0), ECHILD, "no exit signal: no child");
	is_int(waitpid(pid, &status, __WALL), pid, "but for __WALL");
	is_errno(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL,
		 "CLONE_THREAD alone");
	is_errno(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL,
		 "CLONE_SIGHAND without CLONE_VM");
	is_errno(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL,
		 "CLONE_FS with CLONE_NEWNS");
	tap_group("clone3");
	ca.flags = CLONE_PIDFD;
	ca.pidfd = (uintptr_t)&pidfd;
	pid = (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		_exit(16);
	pfd = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	ok(pid > 0 && pidfd >= 0, "CLONE_PIDFD");
	is_int(poll(&pfd, 1, -1), 1, "the pidfd tells the end");
	is_int(waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED), 0, "P_PIDFD");
	ok(si.si_pid == pid && si.si_status == 16, "is that child");
	close(pidfd);
	ca.flags = 0;
	is_errno(syscall(SYS_clone3, &ca, 63), EINVAL, "size too small");
	is_errno(syscall(SYS_clone3, &ca, 8192), E2BIG, "size too big");
	is_efault(syscall(SYS_clone3, bp, sizeof(ca)), "bad addresses");
	ca.flags = SIGCHLD;
	is_errno(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL,
		 "a signal among the flags");
	ca.flags = 0;
	ca.exit_signal = 65;
	is_errno(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL, "signal 65");
	ca.exit_signal = SIGCHLD;
	ca.stack_size = PG;
	is_errno(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL,
		 "a stack size without a stack");
}

static int nproc_child(void)
{
	struct rlimit rl = { 1, 1 };

	must(setrlimit(RLIMIT_NPROC, &rl) == 0);
	must(fork() == -1 && errno == EAGAIN);
	return 0;
}

int main(void)
{
	tap_start();
	tap_dir();
	shared = mmap(NULL, PG, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check_cow();
	check_fds();
	check_exit();
	check_wait();
	check_stop();
	check_sigchld();
	check_vfork();
	check_vfork_chain();
	check_clone();
	check_exit_signal();
	tap_group("limits");
	is_int(tap_user_child(nproc_child), 0, "RLIMIT_NPROC");
	return tap_done();
}

// SPDX-License-Identifier: Apache-2.0
/* The first process of a pid namespace: what others in it send is lost unless
 * it has a handler or blocks it. As an instance this program is that process;
 * on Linux it makes a namespace first. */
#include "tap.h"

#include <sched.h>
#include <sys/prctl.h>

static volatile sig_atomic_t taken;

static void on_signal(int sig)
{
	taken = sig;
}

/* Has a child do it all; true if the calls succeeded. */
static bool from_child(int (*fn)(int sig), int sig)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn(sig) == 0 ? 0 : 1);
	return tap_wait(pid) == 0;
}

static int by_kill(int sig)
{
	return kill(1, sig);
}

static int by_tgkill(int sig)
{
	return (int)syscall(SYS_tgkill, 1, 1, sig);
}

static int by_group(int sig)
{
	signal(sig, SIG_IGN);
	return kill(0, sig);
}

static int by_queue(int sig)
{
	return sigqueue(1, sig, (union sigval){ .sival_int = 1 });
}

static void check_lost(void)
{
	const int sigs[] = { SIGTERM, SIGKILL, SIGSTOP,	 SIGHUP,
			     SIGUSR1, SIGTSTP, SIGRTMIN, SIGSEGV };

	tap_group("lost: no handler");
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		char name[40];

		snprintf(name, sizeof(name), "kill with %d", sigs[i]);
		ok(from_child(by_kill, sigs[i]), name);
	}
	ok(from_child(by_tgkill, SIGTERM), "tgkill");
	ok(from_child(by_tgkill, SIGKILL), "tgkill with SIGKILL");
	ok(from_child(by_group, SIGTERM), "a signal to the group");
	ok(from_child(by_queue, SIGTERM), "sigqueue");
	ok(from_child(by_queue, SIGRTMAX), "a real-time signal, queued");
}

static void check_taken(void)
{
	struct timespec limit = { 10, 0 };
	siginfo_t info;
	sigset_t set;

	tap_group("taken: a handler, or blocked");
	signal(SIGTERM, on_signal);
	ok(from_child(by_kill, SIGTERM), "kill");
	is_int(taken, SIGTERM, "the handler ran");
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ok(from_child(by_kill, SIGUSR1), "kill with a blocked one");
	is_int(sigtimedwait(&set, &info, &limit), SIGUSR1, "waits");
	ok(from_child(by_kill, SIGUSR1), "another");
	ok(from_child(by_tgkill, SIGUSR2), "one to the thread");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	ok(true, "unblocked without a handler: lost, too");
}

static int orphan(void)
{
	int ready[2];
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(pipe(ready) == 0);
	pid = tap_fork();
	if (pid == 0) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		prctl(PR_SET_PDEATHSIG, SIGUSR1);
		tap_post(ready[1]);
		must(sigwaitinfo(&set, NULL) == SIGUSR1);
		_exit(kill(getppid(), SIGKILL) == 0 ? 7 : 1);
	}
	return tap_await(ready[0]) ? 0 : 1;
}

static void check_children(void)
{
	pid_t pid;
	int status = 0;

	tap_group("children");
	pid = (pid_t)syscall(SYS_clone, (long)SIGTERM, 0, 0, 0, 0);
	if (pid == 0)
		_exit(3);
	is_int(waitpid(pid, &status, __WALL), pid, "one whose end is SIGTERM");
	is_int(WEXITSTATUS(status), 3, "its status");
	is_int(tap_child(orphan), 0, "an orphan");
	is_int(tap_wait(-1), 7, "comes to init, cannot end it");
	pid = tap_fork();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGKILL);
	is_int(tap_wait(pid), 1000 + SIGKILL, "others are as everywhere");
}

static int all(void)
{
	setpgid(0, 0);
	tap_start();
	is_int(getpid(), 1, "the first process");
	check_lost();
	check_taken();
	check_children();
	return tap_done();
}

int main(void)
{
	pid_t pid;

	if (getpid() == 1)
		return all();
	if (unshare(CLONE_NEWPID) < 0) {
		tap_line("not ok 1 - a pid namespace");
		return 1;
	}
	pid = fork();
	if (pid == 0)
		_exit(all());
	return tap_wait(pid);
}

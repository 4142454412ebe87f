// SPDX-License-Identifier: Apache-2.0
/* Signals: dispositions, masks, queues, waiting for them, what they
 * interrupt, timers. Faults and frames have sigframe.c. */
#include "tap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define NQ 32
#ifndef SYS_tkill
#define SYS_tkill 200
#endif

/* What the handler saw, in order. */
static volatile int seen, seen_sig[NQ], seen_code[NQ], seen_val[NQ];
static volatile pid_t seen_pid, seen_tid;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (seen < NQ) {
		seen_sig[seen] = sig;
		seen_code[seen] = si->si_code;
		seen_val[seen] = si->si_value.sival_int;
	}
	seen_pid = si->si_pid;
	seen_tid = (pid_t)syscall(SYS_gettid);
	seen++;
}

static void catch (int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = note,
				.sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
	seen = 0;
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

static void block(int how, int a, int b)
{
	sigset_t s = set_of(a, b);

	sigprocmask(how, &s, NULL);
}

static void check_sigaction(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN }, old;
	sigset_t all, got;

	tap_group("sigaction and masks");
	is_int(sigaction(SIGUSR1, &sa, &old), 0, "ignoring");
	ok(old.sa_handler == SIG_DFL, "the old one was the default");
	raise(SIGUSR1);
	catch (SIGUSR1, SA_RESTART | SA_NODEFER);
	sigaction(SIGUSR1, NULL, &old);
	ok(old.sa_sigaction == note &&
		   (old.sa_flags & (SA_SIGINFO | SA_RESTART | SA_NODEFER)) ==
			   (SA_SIGINFO | SA_RESTART | SA_NODEFER),
	   "flags read back");
	is_errno(sigaction(SIGKILL, &sa, NULL), EINVAL, "SIGKILL");
	is_errno(sigaction(SIGSTOP, &sa, NULL), EINVAL, "SIGSTOP");
	is_errno(sigaction(0, &sa, NULL), EINVAL, "signal 0");
	is_errno(sigaction(65, &sa, NULL), EINVAL, "signal 65");
	is_errno(sigaction(-1, &sa, NULL), EINVAL, "signal -1");
	is_int(sigaction(SIGKILL, NULL, &old), 0, "SIGKILL may be asked for");
	is_errno(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL,
		 "bad set size");
	is_efault(syscall(SYS_rt_sigaction, SIGUSR1, bp, NULL, 8),
		  "new action at bad addresses");
	is_efault(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bp, 8),
		  "old action at bad addresses");
	sigfillset(&all);
	is_int(sigprocmask(SIG_SETMASK, &all, &got), 0, "block all");
	is_int(sigprocmask(SIG_BLOCK, NULL, &got), 0, "read back");
	ok(sigismember(&got, SIGUSR1) && !sigismember(&got, SIGKILL) &&
		   !sigismember(&got, SIGSTOP),
	   "but SIGKILL and SIGSTOP");
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	is_errno(syscall(SYS_rt_sigprocmask, 7, &all, NULL, 8), EINVAL,
		 "bad how");
	is_errno(syscall(SYS_rt_sigprocmask, 0, &all, NULL, 16), EINVAL,
		 "bad set size");
	is_efault(syscall(SYS_rt_sigprocmask, 0, bp, NULL, 8),
		  "new mask at bad addresses");
	is_efault(syscall(SYS_rt_sigprocmask, 0, NULL, bp, 8),
		  "old mask at bad addresses");
}

static volatile int depth, max_depth, runs;

static void nest(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (++runs < 3)
		raise(sig);
	depth--;
}

static int mask_in_handler;

static void look_at_mask(int sig)
{
	sigset_t s;

	sigprocmask(SIG_BLOCK, NULL, &s);
	mask_in_handler = sigismember(&s, sig) + 2 * sigismember(&s, SIGUSR2) +
			  4 * sigismember(&s, SIGHUP);
}

static void check_flags(void)
{
	struct sigaction sa = { .sa_handler = nest, .sa_flags = SA_NODEFER };

	tap_group("handler flags");
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	is_int(max_depth, 3, "SA_NODEFER nests");
	sa.sa_flags = 0;
	max_depth = runs = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	is_int(max_depth, 1, "without it: one after the other");
	is_int(runs, 3, "as often");
	is_int(depth, 0, "all of them ended");
	sa.sa_handler = look_at_mask;
	sa.sa_mask = set_of(SIGUSR2, 0);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	is_int(mask_in_handler, 3, "mask: its own and sa_mask");
	sa.sa_flags = (int)SA_RESETHAND;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	is_int(mask_in_handler, 3, "SA_RESETHAND still blocks it");
	sigaction(SIGUSR1, NULL, &sa);
	ok(sa.sa_handler == SIG_DFL, "and resets the handler");
}

static void check_queue(void)
{
	union sigval v;
	sigset_t p;
	siginfo_t si;
	struct timespec zero = { 0, 0 };

	tap_group("queues");
	block(SIG_BLOCK, SIGRTMIN, SIGRTMIN + 1);
	block(SIG_BLOCK, SIGUSR1, SIGUSR2);
	catch (SIGRTMIN, 0);
	catch (SIGRTMIN + 1, 0);
	catch (SIGUSR1, 0);
	for (int i = 0; i < 3; i++) {
		v.sival_int = 20 + i;
		sigqueue(getpid(), SIGRTMIN + 1, v);
		v.sival_int = 10 + i;
		sigqueue(getpid(), SIGRTMIN, v);
		sigqueue(getpid(), SIGUSR1, v);
	}
	is_int(sigpending(&p), 0, "sigpending");
	ok(sigismember(&p, SIGRTMIN) && sigismember(&p, SIGUSR1) &&
		   !sigismember(&p, SIGUSR2),
	   "tells them");
	block(SIG_UNBLOCK, SIGRTMIN, 0);
	is_int(seen, 3, "three of the first");
	ok(seen_val[0] == 10 && seen_val[1] == 11 && seen_val[2] == 12,
	   "in order, with their values");
	is_int(seen_code[0], SI_QUEUE, "si_code SI_QUEUE");
	is_int(seen_pid, getpid(), "si_pid");
	seen = 0;
	block(SIG_UNBLOCK, SIGUSR1, 0);
	is_int(seen, 1, "an ordinary signal comes once");
	is_int(seen_val[0], 10, "with the first value");
	p = set_of(SIGRTMIN + 1, 0);
	is_int(sigtimedwait(&p, &si, &zero), SIGRTMIN + 1, "sigtimedwait");
	ok(si.si_value.sival_int == 20 && si.si_code == SI_QUEUE, "its value");
	is_int(sigwaitinfo(&p, &si), SIGRTMIN + 1, "sigwaitinfo");
	is_int(si.si_value.sival_int, 21, "the next");
	signal(SIGRTMIN + 1, SIG_IGN);
	is_errno(sigtimedwait(&p, &si, &zero), EAGAIN,
		 "SIG_IGN drops the rest");
	zero.tv_nsec = 1000000000;
	is_errno(sigtimedwait(&p, &si, &zero), EINVAL, "a bad time");
	is_errno(syscall(SYS_rt_sigtimedwait, &p, &si, &zero, 4), EINVAL,
		 "a bad size");
	is_efault(syscall(SYS_rt_sigtimedwait, bp, &si, NULL, 8),
		  "a set at bad addresses");
	is_errno(sigqueue(getpid(), 65, v), EINVAL, "sigqueue of signal 65");
	memset(&si, 0, sizeof(si));
	si.si_code = SI_QUEUE;
	is_errno(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, SIGUSR1, &si), ESRCH,
		 "rt_sigqueueinfo to nobody");
	is_efault(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, bp),
		  "rt_sigqueueinfo at bad addresses");
	is_errno(syscall(SYS_rt_sigpending, &p, 100), EINVAL, "bad size");
	is_efault(syscall(SYS_rt_sigpending, bp, 8), "sigpending to bad ones");
	seen = 0;
	block(SIG_BLOCK, SIGUSR1, SIGRTMIN);
	raise(SIGUSR1);
	kill(getpid(), SIGRTMIN);
	p = set_of(SIGHUP, 0);
	is_errno(sigsuspend(&p), EINTR, "sigsuspend");
	is_int(seen, 2, "runs all that it unblocks");
	sigprocmask(SIG_BLOCK, NULL, &p);
	ok(sigismember(&p, SIGUSR1) && !sigismember(&p, SIGHUP),
	   "and puts the mask back");
	block(SIG_UNBLOCK, SIGUSR1, SIGRTMIN);
	block(SIG_UNBLOCK, SIGUSR2, SIGRTMIN + 1);
	is_errno(syscall(SYS_rt_sigsuspend, &p, 4), EINVAL, "a bad size");
	is_efault(syscall(SYS_rt_sigsuspend, bp, 8), "at bad addresses");
}

static int user_kill_child(void)
{
	must(kill(1, SIGTERM) == -1 && errno == EPERM);
	must(kill(getppid(), 0) == -1 && errno == EPERM);
	must(kill(getpid(), 0) == 0);
	return 0;
}

/* A group of three: the leader's kill(0) and the parent's kill(-pgid). */
static int group_child(void)
{
	int fds[2];
	pid_t a, b;

	must(setpgid(0, 0) == 0 && pipe(fds) == 0);
	a = tap_fork();
	if (a == 0) {
		tap_post(fds[1]);
		while (pause())
			;
	}
	b = tap_fork();
	if (b == 0) {
		tap_post(fds[1]);
		while (pause())
			;
	}
	tap_await(fds[0]);
	tap_await(fds[0]);
	catch (SIGTERM, 0);
	must(kill(0, SIGTERM) == 0);
	must(seen == 1 && seen_code[0] == SI_USER);
	must(tap_wait(a) == 1000 + SIGTERM && tap_wait(b) == 1000 + SIGTERM);
	catch (SIGUSR1, 0);
	must(kill(-getpid(), SIGUSR1) == 0 && seen == 1);
	return 0;
}

/* A user's kill(-1) reaches all its processes but itself, nobody else's. */
static int all_child(void)
{
	pid_t pids[3];

	must(setresuid(34567, 34567, 34567) == 0);
	catch (SIGTERM, 0);
	for (int i = 0; i < 3; i++) {
		pids[i] = tap_fork();
		if (pids[i] == 0) {
			signal(SIGTERM, SIG_DFL);
			for (;;)
				pause();
		}
		must(tap_await_state(pids[i], "S"));
	}
	must(kill(-1, SIGTERM) == 0 && seen == 0);
	for (int i = 0; i < 3; i++)
		must(tap_wait(pids[i]) == 1000 + SIGTERM);
	return 0;
}

static void check_kill(void)
{
	pid_t pid = getpid();

	tap_group("kill");
	is_int(kill(pid, 0), 0, "signal 0");
	is_errno(kill(pid, 65), EINVAL, "signal 65");
	is_errno(kill(pid, -1), EINVAL, "signal -1");
	is_errno(kill(0x3fffffff, SIGTERM), ESRCH, "no such process");
	is_errno(kill(-0x3fffffff, SIGTERM), ESRCH, "no such group");
	is_errno(kill((int)0x80000000, SIGTERM), ESRCH, "group INT_MIN");
	is_errno(syscall(SYS_tgkill, pid, 0x3fffffff, SIGTERM), ESRCH,
		 "tgkill: no such thread");
	is_errno(syscall(SYS_tgkill, 1 + (pid == 1), pid, 0), ESRCH,
		 "tgkill: a thread of another process");
	is_errno(syscall(SYS_tgkill, pid, 0, 0), EINVAL, "tgkill: tid 0");
	is_errno(syscall(SYS_tgkill, -1, pid, 0), EINVAL, "tgkill: tgid -1");
	is_errno(syscall(SYS_tkill, 0, 0), EINVAL, "tkill: tid 0");
	catch (SIGUSR1, 0);
	is_int(syscall(SYS_tgkill, pid, pid, SIGUSR1), 0, "tgkill");
	ok(seen == 1 && seen_code[0] == SI_TKILL, "comes as SI_TKILL");
	is_int(tap_child(group_child), 0, "to groups");
	is_int(tap_child(all_child), 0, "kill(-1) as a user");
	is_int(tap_user_child(user_kill_child), 0, "EPERM as a user");
}

/* A thread that signals the main thread once it sleeps in a call. */
static pid_t main_tid;

static void *poke(void *arg)
{
	tap_await_state(main_tid, "S");
	syscall(SYS_tgkill, getpid(), main_tid, SIGUSR1);
	if (arg) {
		while (!seen)
			poll(NULL, 0, 1);
		tap_await_state(main_tid, "S");
		tap_post(*(int *)arg);
	}
	return NULL;
}

static pthread_t poker(int *fd)
{
	pthread_t t;

	seen = 0;
	pthread_create(&t, NULL, poke, fd);
	return t;
}

#define interrupted(call, fd, name)          \
	do {                                 \
		pthread_t tap_t = poker(fd); \
		is_errno(call, EINTR, name); \
		pthread_join(tap_t, NULL);   \
	} while (0)
#define restarted(call, fd, want, name)                        \
	do {                                                   \
		pthread_t tap_t = poker(fd);                   \
		long tap_r = (long)(call);                     \
		is_int(tap_r == (want) && seen == 1, 1, name); \
		pthread_join(tap_t, NULL);                     \
	} while (0)

static void check_interrupt(void)
{
	int fds[2], sv[2], word = 0, status;
	char c;
	struct pollfd pfd;
	struct timespec ts = { 30, 0 }, rem = { 0, 0 };
	fd_set rd;
	pid_t pid;
	sigset_t none;

	(void)!pipe(fds);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	main_tid = (pid_t)syscall(SYS_gettid);
	pfd = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	FD_ZERO(&rd);
	FD_SET(fds[0], &rd);
	sigemptyset(&none);
	tap_group("without SA_RESTART");
	catch (SIGUSR1, 0);
	interrupted(read(fds[0], &c, 1), NULL, "read");
	interrupted(recv(sv[0], &c, 1, 0), NULL, "recv");
	interrupted(syscall(SYS_futex, &word, 0, 0, NULL), NULL, "futex");
	interrupted(nanosleep(&ts, &rem), NULL, "nanosleep");
	ok(rem.tv_sec == 29 || rem.tv_sec == 30, "tells what remains");
	interrupted(pause(), NULL, "pause");
	pid = tap_fork();
	if (pid == 0)
		while (pause())
			;
	interrupted(waitpid(pid, &status, 0), NULL, "waitpid");
	tap_group("with SA_RESTART");
	catch (SIGUSR1, SA_RESTART);
	restarted(read(fds[0], &c, 1), &fds[1], 1, "read goes on");
	restarted(recv(sv[0], &c, 1, 0), &sv[1], 1, "recv goes on");
	interrupted(poll(&pfd, 1, -1), NULL, "poll does not");
	interrupted(ppoll(&pfd, 1, NULL, &none), NULL, "ppoll");
	interrupted(select(fds[0] + 1, &rd, NULL, NULL, NULL), NULL, "select");
	interrupted(nanosleep(&ts, NULL), NULL, "nanosleep");
	interrupted(pause(), NULL, "pause");
	interrupted(syscall(SYS_rt_sigtimedwait, &none, NULL, NULL, 8), NULL,
		    "rt_sigtimedwait");
	interrupted(sigsuspend(&none), NULL, "sigsuspend");
	status = 0;
	kill(pid, SIGKILL);
	is_int(tap_wait(pid), 1000 + SIGKILL, "a child in pause can be killed");
	ts.tv_sec = 0;
	ts.tv_nsec = 1000;
	is_int(nanosleep(&ts, NULL), 0, "a short sleep ends by itself");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(sv[i]);
	}
}

static int pipe_child(void)
{
	int fds[2];

	must(pipe(fds) == 0);
	close(fds[0]);
	(void)!write(fds[1], "x", 1);
	return 1;
}

static int all_default(void)
{
	static const int fatal[] = { SIGHUP,  SIGINT,  SIGQUIT,	  SIGTRAP,
				     SIGABRT, SIGBUS,  SIGFPE,	  SIGUSR1,
				     SIGUSR2, SIGPIPE, SIGALRM,	  SIGTERM,
				     SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF,
				     SIGIO,   SIGPWR,  SIGSYS,	  SIGSTKFLT,
				     34,      64 };
	static const int mild[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		pid_t pid = tap_fork();

		if (pid == 0) {
			signal(fatal[i], SIG_DFL);
			kill(getpid(), fatal[i]);
			_exit(1);
		}
		if (tap_wait(pid) != 1000 + fatal[i])
			return fatal[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(mild); i++) {
		signal(mild[i], SIG_DFL);
		raise(mild[i]);
	}
	return 0;
}

static void check_default(void)
{
	tap_group("default actions");
	is_int(tap_child(pipe_child), 1000 + SIGPIPE, "SIGPIPE");
	is_int(tap_child(all_default), 0, "all of them");
}

static void *wait_usr1(void *arg)
{
	sigset_t s = set_of(SIGUSR1, 0);
	siginfo_t si;
	long got;

	tap_post(*(int *)arg);
	got = sigwaitinfo(&s, &si);
	return (void *)got;
}

static void *open_mask(void *arg)
{
	int *fds = arg;

	block(SIG_UNBLOCK, SIGUSR2, 0);
	tap_post(fds[1]);
	while (!seen)
		poll(NULL, 0, 1);
	return (void *)(long)syscall(SYS_gettid);
}

static void check_threads(void)
{
	int fds[2];
	pthread_t t;
	void *res;
	sigset_t p;

	tap_group("threads");
	(void)!pipe(fds);
	block(SIG_BLOCK, SIGUSR1, SIGUSR2);
	pthread_create(&t, NULL, wait_usr1, &fds[1]);
	tap_await(fds[0]);
	pthread_kill(t, SIGUSR1);
	pthread_join(t, &res);
	is_int((long)res, SIGUSR1, "pthread_kill to a waiter");
	sigpending(&p);
	ok(!sigismember(&p, SIGUSR1), "is not pending for us");
	catch (SIGUSR2, 0);
	pthread_create(&t, NULL, open_mask, fds);
	tap_await(fds[0]);
	kill(getpid(), SIGUSR2);
	pthread_join(t, &res);
	is_int(seen_tid, (long)res, "kill picks the thread that lets it in");
	block(SIG_UNBLOCK, SIGUSR1, SIGUSR2);
	close(fds[0]);
	close(fds[1]);
}

static void check_timer(int which, int sig, const char *name)
{
	struct itimerval it = { { 0, 1000 }, { 0, 2000 } }, old;
	volatile unsigned long spin = 0;

	catch (sig, SA_RESTART);
	is_int(setitimer(which, &it, NULL), 0, name);
	while (seen < 3)
		spin++;
	memset(&it, 0, sizeof(it));
	setitimer(which, &it, &old);
	ok(seen_code[0] == SI_KERNEL && old.it_interval.tv_usec >= 1000,
	   "came three times");
	getitimer(which, &it);
	ok(it.it_value.tv_sec == 0 && it.it_value.tv_usec == 0, "is off now");
	signal(sig, SIG_DFL);
}

static int timer_child(void)
{
	struct itimerval it = { { 0, 0 }, { 0, 1000000 } };

	must(alarm(100) > 0);
	must(alarm(0) >= 99 && alarm(0) == 0);
	must(setitimer(ITIMER_REAL, &it, NULL) == -1 && errno == EINVAL);
	it.it_value.tv_usec = -1;
	must(setitimer(ITIMER_REAL, &it, NULL) == -1 && errno == EINVAL);
	must(setitimer((unsigned)7, &it, NULL) == -1 && errno == EINVAL);
	it.it_value.tv_usec = 1000;
	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (;;)
		pause();
}

static void check_timers(void)
{
	tap_group("timers");
	alarm(0);
	check_timer(ITIMER_REAL, SIGALRM, "ITIMER_REAL");
	alarm(TAP_SECONDS);
	check_timer(ITIMER_VIRTUAL, SIGVTALRM, "ITIMER_VIRTUAL");
	check_timer(ITIMER_PROF, SIGPROF, "ITIMER_PROF");
	is_int(tap_child(timer_child), 1000 + SIGALRM, "alarm; default action");
	is_efault(syscall(SYS_setitimer, 0, bp, NULL), "bad addresses");
	is_efault(syscall(SYS_getitimer, 0, bp), "getitimer too");
}

int main(void)
{
	tap_start();
	check_sigaction();
	check_flags();
	check_queue();
	check_kill();
	check_interrupt();
	check_default();
	check_threads();
	check_timers();
	return tap_done();
}

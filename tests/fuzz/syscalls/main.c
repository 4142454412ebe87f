// SPDX-License-Identifier: Apache-2.0
/* Usage: fuzz_syscalls SEED SECONDS [WORKERS]
 *        fuzz_syscalls SEED once          one worker, in the foreground
 * Starts workers, each a process with threads that draw calls from a seed of
 * its own, and ends them in time. A worker that does not die of SIGKILL within
 * 30 s, or a kernel that no longer does simple things right, is a failure. */
#include "tests/fuzz/syscalls/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 4
#define CALLS_PER_WORKER 4000
#define WORKER_MS 1500
#define SLOTS_MAX 16
#define USER 12345

struct counts *counts;
static bool is_single;

static long raw(long nr, const long *a)
{
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static bool makes_child(int nr)
{
	return nr == SYS_fork || nr == SYS_clone || nr == SYS_clone3;
}

/* Ends that are what such calls are for. */
static bool is_wanted(int nr, long result)
{
	return result == -EINTR && (nr == SYS_pause || nr == SYS_rt_sigsuspend);
}

static void fuzz_call(struct fuzz *f)
{
	const struct call *c = &calls[below(f, ncalls)];
	long result;

	if (!c->served && !one_in(f, 20))
		return;
	if (c->nr == SYS_vfork) /* the parent's stack would be the child's */
		return;
	f->call = c;
	for (unsigned i = 0; i < 6; i++)
		f->args[i] = (long)draw_arg(f, i);
	if (!build_call(f))
		return;
	if (makes_child(c->nr) && (f->depth >= 2 || !one_in(f, 4)))
		return;
	counts->calls++;
	counts->made[c->nr]++;
	result = raw(c->nr, f->args);
	if (result >= 0 || result < -4095 || is_wanted(c->nr, result)) {
		counts->good[c->nr]++;
		if (result == 0 && makes_child(c->nr)) {
			f->depth++;
			f->left = f->left < 100 ? f->left : 100;
			f->rng ^= (uint64_t)getpid() * 0x9e3779b97f4a7c15ULL;
			return;
		}
		pool_result(f, result);
	}
}

void fuzz_calls(struct fuzz *f)
{
	while (f->left-- > 0)
		fuzz_call(f);
	if (f->depth > 0)
		_exit(0);
}

static void *fuzz_thread(void *arg)
{
	fuzz_calls(arg);
	return NULL;
}

static void tick(int sig)
{
	(void)sig;
}

static void set_limits(void)
{
	static const struct {
		int which;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_AS, 1UL << 31 },     { RLIMIT_FSIZE, 8 << 20 },
		{ RLIMIT_NOFILE, 64 },	      { RLIMIT_CPU, 10 },
		{ RLIMIT_NPROC, 60 },	      { RLIMIT_SIGPENDING, 1000 },
		{ RLIMIT_MSGQUEUE, 1 << 16 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit rl = { limits[i].value, limits[i].value };

		setrlimit((unsigned)limits[i].which, &rl);
	}
}

/* What the program's own stdio says may not be touched. */
static void hide_stdio(void)
{
	int fd;

	if (is_single)
		return;
	for (int i = 0; i < 64; i++)
		close(i);
	fd = open("/dev/null", O_RDWR);
	dup(fd);
	dup(fd);
}

static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = tick };
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGALRM, &sa, NULL);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaction(sig, &sa, NULL);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setitimer(ITIMER_REAL, &it, NULL);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return (x ^ x >> 31) | 1;
}

/* A thread's interrupting timer: blocking calls end. */
static void set_timer(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID,
			      .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec it = { { 0, 3000000 }, { 0, 3000000 } };
	int id;

	e._sigev_un._tid = gettid();
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id) == 0)
		syscall(SYS_timer_settime, id, 0, &it, NULL);
}

static void *start_thread(void *arg)
{
	set_timer();
	return fuzz_thread(arg);
}

static void thread_init(struct fuzz *f, struct worker *w, unsigned i)
{
	size_t size = (ARENA_PAGES + 1) * PG;

	memset(f, 0, sizeof(*f));
	f->w = w;
	f->rng = mix(w->seed * 31 + i);
	f->left = CALLS_PER_WORKER;
	f->arena = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(f->arena + ARENA_PAGES * PG, PG, PROT_NONE);
	for (unsigned j = 0; j < ARENA_PAGES * PG / 8; j++)
		((uint64_t *)(void *)f->arena)[j] = draw_number(f);
}

static void worker_run(uint64_t seed)
{
	static struct worker worker;
	static struct fuzz threads[THREADS_MAX];
	struct worker *w = &worker;
	pthread_t t;

	w->seed = seed;
	w->nthreads = 1 + (unsigned)(mix(seed) >> 16) % THREADS_MAX;
	set_limits();
	set_signals();
	hide_stdio();
	w->play = mmap(NULL, PLAY_PAGES * PG, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mmap(w->play, 64 * PG, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (unsigned i = 0; i < w->nthreads; i++)
		thread_init(&threads[i], w, i);
	pool_fill(&threads[0]);
	if (mix(seed ^ 7) & 2) { /* half of them as nobody */
		syscall(SYS_setgroups, 0, NULL);
		(void)!setresgid(USER, USER, USER);
		(void)!setresuid(USER, USER, USER);
	}
	for (unsigned i = 1; i < w->nthreads; i++)
		pthread_create(&t, NULL, start_thread, &threads[i]);
	fuzz_calls(&threads[0]);
	_exit(0);
}

/* --- The supervisor ------------------------------------------------------- */

static void fail(const char *what, uint64_t seed)
{
	printf("FAIL: %s (seed %#lx)\n", what, seed);
	fflush(stdout);
	_exit(3);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct slot {
	pid_t pid;
	uint64_t seed, end;
};

static void slot_start(struct slot *s, uint64_t seed)
{
	char name[40];

	s->seed = seed;
	s->end = now_ms() + WORKER_MS;
	s->pid = fork();
	if (s->pid != 0)
		return;
	setsid();
	snprintf(name, sizeof(name), "/tmp/fuzz%lx", seed & 0xff);
	mkdir(name, 0777);
	chmod(name, 0777);
	if (chdir(name) != 0)
		(void)!chdir("/tmp");
	worker_run(seed);
}

/* Simple things in a fresh process, done right? */
static int sane(void)
{
	char buf[64] = "";
	int fds[2], status;
	pid_t pid;
	char *p = mmap(NULL, PG, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || pipe(fds) != 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		strcpy(p, "shared");
		_exit(write(fds[1], "piped", 5) == 5 ? 7 : 8);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 7)
		return 2;
	if (read(fds[0], buf, sizeof(buf)) != 5 || memcmp(buf, "piped", 5) ||
	    strcmp(p, "shared") != 0)
		return 3;
	return 0;
}

static void check_sane(uint64_t seed)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		alarm(60);
		_exit(sane());
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("no process for the check", seed);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("check: status %#x\n", status);
		fail("the kernel does not work any more", seed);
	}
}

/* Children of workers come to us: pid 1. */
static void reap(struct slot *slots, unsigned n)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < n; i++)
			if (slots[i].pid == pid) {
				slots[i].pid = 0;
				counts->ends[status & 127]++;
			}
}

static void end_all(struct slot *slots, unsigned n, uint64_t seed)
{
	uint64_t limit = now_ms() + 30000;
	bool left = true;

	while (left) {
		left = false;
		kill(-1, SIGKILL);
		reap(slots, n);
		for (unsigned i = 0; i < n; i++)
			left |= slots[i].pid > 0;
		left |= waitpid(-1, NULL, WNOHANG) >= 0;
		if (now_ms() > limit)
			fail("a process does not end", seed);
		if (left)
			poll(NULL, 0, 5);
	}
}

static void report(uint64_t nworkers)
{
	unsigned good = 0, served = 0;

	for (unsigned i = 0; i < ncalls; i++) {
		served += calls[i].served;
		good += calls[i].served && counts->good[calls[i].nr] > 0;
	}
	printf("fuzz: %lu workers, %lu calls, %u of %u calls succeeded once\n",
	       nworkers, counts->calls, good, served);
	if (!getenv("FUZZ_VERBOSE"))
		return;
	for (unsigned i = 0; i < 128; i++)
		if (counts->ends[i])
			printf("signal %u: %lu\n", i, counts->ends[i]);
	for (unsigned i = 0; i < ncalls; i++)
		if (calls[i].served && !counts->good[calls[i].nr])
			printf("never: %s (%lu)\n", calls[i].name,
			       counts->made[calls[i].nr]);
	fflush(stdout);
}

static void supervise(uint64_t seed, unsigned seconds, unsigned nslots)
{
	struct slot slots[SLOTS_MAX] = { 0 };
	sigset_t all;
	uint64_t end = now_ms() + seconds * 1000UL, n = 0;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	while (now_ms() < end) {
		for (unsigned i = 0; i < nslots; i++) {
			struct slot *s = &slots[i];

			if (s->pid > 0 && now_ms() > s->end) {
				kill(-s->pid, SIGKILL);
				kill(s->pid, SIGKILL);
				if (now_ms() > s->end + 30000)
					fail("a worker does not end", s->seed);
			}
			if (s->pid == 0)
				slot_start(s, mix(seed * 65536 + n++));
		}
		poll(NULL, 0, 5);
		reap(slots, nslots);
		if (n % 16 == 0)
			check_sane(seed);
	}
	end_all(slots, nslots, seed);
	check_sane(seed);
	report(n);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	if (getpid() != 1) {
		puts("only as the first process of an instance");
		return 2;
	}
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 2;
	grammar_init();
	mkdir("/tmp", 0777);
	if (argc > 2 && strcmp(argv[2], "once") == 0) {
		is_single = true;
		(void)!chdir("/tmp");
		worker_run(seed);
	}
	supervise(seed, argc > 2 ? (unsigned)atoi(argv[2]) : 10,
		  argc > 3 ? (unsigned)atoi(argv[3]) : 4);
	return 0;
}

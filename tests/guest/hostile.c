// SPDX-License-Identifier: Apache-2.0
/* Programs that mean harm: random calls with random arguments, a bomb of
 * forks, of memory, of descriptors, wild jumps and stacks. They run as an
 * ordinary user in children; the parent must survive and find all in order.
 * Calls that could reach outside this test on a real host (signals to others,
 * inet, SysV keys, mounts) are not drawn. */
#include "tap.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ROUNDS 24
#define CALLS 3000
#define PG 4096UL

/* clang-format off */
static const int calls[] = {
	SYS_read, SYS_write, SYS_open, SYS_close, SYS_stat, SYS_fstat,
	SYS_lstat, SYS_poll, SYS_lseek, SYS_mmap, SYS_mprotect, SYS_munmap,
	SYS_brk, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_ioctl, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev,
	SYS_access, SYS_pipe, SYS_select, SYS_sched_yield, SYS_mremap,
	SYS_msync, SYS_madvise, SYS_shmat, SYS_shmdt, SYS_dup, SYS_dup2,
	SYS_nanosleep, SYS_getitimer, SYS_getpid, SYS_sendfile, SYS_accept,
	SYS_recvfrom, SYS_recvmsg, SYS_shutdown, SYS_bind,
	SYS_listen, SYS_getsockname, SYS_getpeername, SYS_socketpair,
	SYS_setsockopt, SYS_getsockopt, SYS_wait4, SYS_uname, SYS_fcntl,
	SYS_flock, SYS_fsync, SYS_fdatasync, SYS_truncate, SYS_ftruncate,
	SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_rename,
	SYS_mkdir, SYS_rmdir, SYS_creat, SYS_link, SYS_unlink, SYS_symlink,
	SYS_readlink, SYS_chmod, SYS_fchmod, SYS_chown, SYS_fchown,
	SYS_lchown, SYS_umask, SYS_gettimeofday, SYS_getrlimit, SYS_getrusage,
	SYS_sysinfo, SYS_times, SYS_getuid, SYS_setuid, SYS_setgid,
	SYS_setpgid, SYS_getppid, SYS_getpgrp, SYS_setsid, SYS_setreuid,
	SYS_setregid, SYS_getgroups, SYS_setgroups, SYS_setresuid,
	SYS_getresuid, SYS_setresgid, SYS_getresgid, SYS_getpgid, SYS_getsid,
	SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_statfs,
	SYS_fstatfs, SYS_getpriority, SYS_prctl, SYS_arch_prctl, SYS_gettid,
	SYS_time, SYS_futex, SYS_sched_getaffinity, SYS_epoll_create,
	SYS_set_tid_address, SYS_clock_gettime, SYS_clock_getres,
	SYS_clock_nanosleep, SYS_epoll_wait, SYS_epoll_ctl, SYS_waitid,
	SYS_openat, SYS_mkdirat, SYS_fchownat, SYS_newfstatat, SYS_unlinkat,
	SYS_renameat, SYS_linkat, SYS_symlinkat, SYS_readlinkat,
	SYS_fchmodat, SYS_faccessat, SYS_pselect6, SYS_ppoll,
	SYS_set_robust_list, SYS_get_robust_list, SYS_utimensat,
	SYS_epoll_pwait, SYS_timerfd_create, SYS_eventfd2, SYS_fallocate,
	SYS_timerfd_settime, SYS_timerfd_gettime, SYS_accept4, SYS_signalfd4,
	SYS_epoll_create1, SYS_dup3, SYS_pipe2, SYS_preadv, SYS_pwritev,
	SYS_prlimit64, SYS_renameat2, SYS_getrandom, SYS_statx, SYS_rseq,
	SYS_sendmsg,
};
/* clang-format on */

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dULL;
}

static char pool[16][PG] __attribute__((aligned(4096)));

static long draw_arg(void)
{
	static const char *const paths[] = { "a", "b", "a/b", "", "./c", "d" };
	uint64_t r = draw();

	switch (r >> 8 & 15) {
	case 0:
		return (long)(r >> 20);
	case 1:
		return -(long)(r >> 60);
	case 2:
		return 1L << (r >> 20 & 63);
	case 3:
		return (1L << (r >> 20 & 63)) - 1;
	case 4:
		return (long)tap_bad[(r >> 20) % ARRAY_SIZE(tap_bad)];
	case 5:
		return (long)paths[(r >> 20) % ARRAY_SIZE(paths)];
	case 6:
	case 7:
	case 8:
		return (long)&pool[r >> 20 & 15][r >> 30 & 4088];
	case 9:
		return (long)&pool[r >> 20 & 15][PG - (r >> 30 & 15)];
	case 10:
	case 11:
		return (long)(r >> 20 & 4095);
	default:
		return (long)(r >> 20 & 15);
	}
}

static void tick(int sig)
{
	(void)sig;
}

/* Descriptors 0 to 15: nothing that anyone else listens to. */
static void fill_fds(void)
{
	int fds[2];

	for (int fd = 0; fd < 16; fd++)
		close(fd);
	must(open("/dev/null", O_RDWR) == 0);
	dup(0);
	dup(0);
	(void)!pipe2(fds, O_NONBLOCK);
	(void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
	(void)!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds);
	eventfd(1, EFD_NONBLOCK);
	epoll_create1(0);
	open("file", O_RDWR | O_CREAT, 0600);
	open(".", O_RDONLY);
	open("/dev/zero", O_RDWR);
	socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static void set_limits(void)
{
	const struct {
		int which;
		rlim_t value;
	} limits[] = { { RLIMIT_AS, 1UL << 29 },
		       { RLIMIT_FSIZE, 1 << 20 },
		       { RLIMIT_NOFILE, 128 },
		       { RLIMIT_CPU, 5 },
		       { RLIMIT_SIGPENDING, 1000 } };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit rl = { limits[i].value, limits[i].value };

		setrlimit(limits[i].which, &rl);
	}
}

/* One child's life: it ends by itself, by a signal, or is ended. */
static void fuzz_child(uint64_t start)
{
	struct sigaction sa = { .sa_handler = tick };
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } };

	seed = start * 0x9e3779b97f4a7c15ULL + 1;
	fill_fds();
	set_limits();
	for (size_t i = 0; i < sizeof(pool); i += 8) {
		uint64_t v = (uint64_t)draw_arg();

		memcpy((char *)pool + i, &v, 8);
	}
	sigaction(SIGALRM, &sa, NULL);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < CALLS; i++) {
		long nr = calls[draw() % ARRAY_SIZE(calls)];
		long a[6];

		for (int j = 0; j < 6; j++)
			a[j] = draw_arg();
		syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	_exit(0);
}

/* Waits for pid, but ends it if it has not ended in time. */
static int reap(pid_t pid, int pidfd, int timeout_ms)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	poll(&p, 1, timeout_ms);
	kill(pid, SIGKILL);
	close(pidfd);
	return tap_wait(pid);
}

static bool run(void (*fn)(uint64_t), uint64_t arg, int timeout_ms)
{
	pid_t pid = tap_fork();
	int pidfd;

	if (pid == 0) {
		syscall(SYS_setgroups, 0, NULL);
		must(setresgid(12345, 12345, 12345) == 0);
		must(setresuid(12345, 12345, 12345) == 0);
		must(setpgid(0, 0) == 0);
		fn(arg);
		_exit(0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return reap(pid, pidfd, timeout_ms) >= 0;
}

static void check_random(void)
{
	char name[64];
	struct stat st;

	tap_group("random calls");
	for (int i = 1; i <= ROUNDS; i++) {
		snprintf(name, sizeof(name), "play%d", i);
		mkdir(name, 0700);
		(void)!chown(name, 12345, 12345);
		(void)!chdir(name);
		snprintf(name, sizeof(name), "round %d came to an end", i);
		ok(run(fuzz_child, (uint64_t)i, 700), name);
		(void)!chdir("..");
	}
	ok(stat("play1", &st) == 0 && st.st_nlink >= 2, "the directory stands");
}

static int unknown_child(void)
{
	static const long odd[] = { 500,	   511,	       512,  547,
				    1000,	   4095,       4096, 0x40000000,
				    0x40000001,	   0x7fffffff, -1,   -4096,
				    (long)1 << 31, 0x10000,    0x800 };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		long r = syscall(odd[i], -1L, -1L, -1L, -1L, -1L, -1L);

		must(r == -1 && errno == ENOSYS);
	}
	return 0;
}

static void bomb(uint64_t arg)
{
	struct rlimit rl = { 40, 40 };

	setrlimit(RLIMIT_NPROC, &rl);
	for (int i = 0; i < 60; i++)
		if (fork() < 0)
			tap_post((int)arg);
	for (;;)
		pause();
}

/* Makes the bomb, waits until it hits its limit, ends and reaps all of it. */
static int bomb_child(void)
{
	int fds[2], n = 0, status;
	pid_t pid;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	must(pipe2(fds, O_NONBLOCK) == 0);
	pid = tap_fork();
	if (pid == 0) {
		must(setpgid(0, 0) == 0);
		must(setresuid(23456, 23456, 23456) == 0);
		bomb((uint64_t)fds[1]);
	}
	struct pollfd p = { fds[0], POLLIN, 0 };
	must(poll(&p, 1, 30000) == 1);
	for (;;) {
		kill(-pid, SIGKILL);
		pid_t got = waitpid(-1, &status, 0);

		if (got < 0)
			break;
		must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		n++;
	}
	must(errno == ECHILD && n > 2 && n <= 41);
	return 0;
}

static int memory_child(void)
{
	struct rlimit rl = { 1UL << 28, 1UL << 28 };
	size_t total = 0;
	char *p;

	must(setrlimit(RLIMIT_AS, &rl) == 0);
	while ((p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED) {
		memset(p, 1, 1 << 20);
		total += 1 << 20;
	}
	must(errno == ENOMEM && total > 1UL << 26);
	pid_t pid = fork();
	if (pid == 0)
		_exit(5);
	must(pid > 0 && tap_wait(pid) == 5);
	return 0;
}

static int areas_child(void)
{
	char *p = mmap(NULL, 40000 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	/* Every second page: 20,000 holes, then all of it at once. */
	for (size_t i = 0; i < 40000; i += 2)
		must(munmap(p + i * PG, PG) == 0);
	for (size_t i = 1; i < 40000; i += 2)
		must(p[i * PG] == 0);
	must(munmap(p, 40000 * PG) == 0);
	return 0;
}

static int fds_child(void)
{
	int n = 0, fds[2];

	while (pipe(fds) == 0)
		n += 2;
	must(errno == EMFILE && n > 10);
	must(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EMFILE);
	return 0;
}

static int jump_child(void)
{
	((void (*)(void))(uintptr_t)0x123450)();
	return 0;
}

static int no_stack_child(void)
{
	__asm__ volatile("mov $0, %%rsp\n\tpush %%rax" ::: "memory");
	return 0;
}

static int text_child(void)
{
	/* Unmaps the page it runs on. */
	uintptr_t here = (uintptr_t)__builtin_return_address(0) & -PG;

	munmap((void *)(here - 8 * PG), 64 * PG);
	return 0;
}

static int all_gone_child(void)
{
	/* Everything goes, the stack too: the next instruction faults. */
	syscall(SYS_munmap, 0UL, 0x7ffffffff000UL);
	return 0;
}

static void check_bombs(void)
{
	tap_group("bombs");
	is_int(tap_child(unknown_child), 0, "unknown calls are ENOSYS");
	is_int(tap_child(bomb_child), 0, "forks, bounded by RLIMIT_NPROC");
	is_int(tap_child(memory_child), 0, "memory, bounded by RLIMIT_AS");
	is_int(tap_child(areas_child), 0, "twenty thousand areas");
	is_int(tap_child(fds_child), 0, "descriptors");
	is_int(tap_child(jump_child), 1000 + SIGSEGV, "a wild jump");
	is_int(tap_child(no_stack_child), 1000 + SIGSEGV, "no stack");
	is_int(tap_child(text_child), 1000 + SIGSEGV, "no text");
	is_int(tap_child(all_gone_child), 1000 + SIGSEGV, "nothing at all");
}

static volatile char *race_page;

static void *flip(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		mprotect((void *)(uintptr_t)race_page, PG, PROT_NONE);
		mprotect((void *)(uintptr_t)race_page, PG,
			 PROT_READ | PROT_WRITE);
	}
	*(volatile int *)arg = 1;
	return NULL;
}

/* Buffers and descriptors that change under a call in another thread. */
static int race_child(void)
{
	volatile int done = 0;
	int fd = open("/dev/zero", O_RDWR), fds[2];
	long good = 0, bad = 0;
	pthread_t t;

	race_page = mmap(NULL, PG, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(pipe2(fds, O_NONBLOCK) == 0);
	must(pthread_create(&t, NULL, flip, (void *)(uintptr_t)&done) == 0);
	while (!done) {
		long n = syscall(SYS_read, fd, race_page, PG);

		good += n == (long)PG;
		must(n >= 0 || errno == EFAULT);
		n = syscall(SYS_write, fds[1], race_page, 64);
		must(n == 64 || errno == EFAULT || errno == EAGAIN);
		if (n == 64)
			bad += syscall(SYS_read, fds[0], race_page, 64) == 0;
		syscall(SYS_futex, race_page, 1, 1, 0, 0, 0);
	}
	pthread_join(t, NULL);
	must(bad == 0 && good >= 0);
	return 0;
}

static void *closer(void *arg)
{
	int *fds = arg;

	for (int i = 0; i < 5000; i++) {
		int a = dup(fds[0]), b = dup(fds[1]);

		close(a);
		close(b);
		dup2(fds[1], 40);
		close(40);
	}
	fds[2] = 1;
	return NULL;
}

static int close_race_child(void)
{
	volatile int fds[3] = { 0 };
	pthread_t t;
	char c;

	must(pipe2((int *)(uintptr_t)fds, O_NONBLOCK) == 0);
	must(pthread_create(&t, NULL, closer, (void *)(uintptr_t)fds) == 0);
	while (!fds[2]) {
		if (write(40, "x", 1) == 1)
			must(read(fds[0], &c, 1) == 1);
		poll(&(struct pollfd){ 40, POLLOUT, 0 }, 1, 0);
		fcntl(40, F_GETFL);
	}
	pthread_join(t, NULL);
	return 0;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int main(void)
{
	int before;
	pid_t me = getpid();

	tap_start();
	tap_dir();
	chmod(".", 0755);
	before = count_fds();
	check_random();
	check_bombs();
	tap_group("races");
	is_int(tap_child(race_child), 0, "memory that comes and goes");
	is_int(tap_child(close_race_child), 0, "descriptors that come and go");
	tap_group("afterwards");
	is_int(getpid(), me, "the parent is who it was");
	is_int(count_fds(), before, "with the same descriptors");
	is_errno(waitpid(-1, NULL, WNOHANG), ECHILD, "and no children left");
	return tap_done();
}

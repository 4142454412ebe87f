// SPDX-License-Identifier: Apache-2.0
/* Limits that hold, each with Linux's error or signal, and what becomes of
 * capabilities and set-id bits. Lines hold what the kernel said, so the
 * comparison of both runs is the check. */
#include "tap.h"

#include <linux/capability.h>
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define MB(n) ((size_t)(n) << 20)
#define SHOW(...)                                              \
	do {                                                   \
		char show_s[256];                              \
		snprintf(show_s, sizeof(show_s), __VA_ARGS__); \
		tap_ok(true, show_s);                          \
	} while (0)

static long res(long r)
{
	return r < 0 ? -errno : r;
}

static void limit(int which, rlim_t n)
{
	struct rlimit r = { n, n };

	must(setrlimit((__rlimit_resource_t)which, &r) == 0);
}

static void become_user(void)
{
	must(setresgid(12345, 12345, 12345) == 0);
	must(setresuid(12345, 12345, 12345) == 0);
}

static int map_errno(size_t n, int prot, int flags)
{
	void *p = mmap(NULL, n, prot, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int nofile(void)
{
	int n = 0;

	limit(RLIMIT_NOFILE, 10);
	while (dup(0) >= 0)
		n++;
	SHOW("NOFILE: dup %d after the last", errno);
	SHOW("NOFILE: dup2 %ld", res(dup2(0, 50)));
	SHOW("NOFILE: F_DUPFD %ld", res(fcntl(0, F_DUPFD, 20)));
	return n > 0 ? 0 : 1;
}

static int nproc(void)
{
	pid_t pid;

	become_user();
	limit(RLIMIT_NPROC, 1);
	pid = fork();
	if (pid == 0)
		_exit(0);
	SHOW("NPROC: fork %d", pid < 0 ? errno : 0);
	return 0;
}

static int as(void)
{
	void *p;

	limit(RLIMIT_AS, MB(300));
	SHOW("AS: mmap %d", map_errno(MB(400), PROT_READ, MAP_PRIVATE));
	SHOW("AS: reserved %d",
	     map_errno(MB(400), PROT_NONE, MAP_PRIVATE | MAP_NORESERVE));
	SHOW("AS: brk %d", sbrk((intptr_t)MB(400)) == (void *)-1 ? errno : 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mremap(p, 4096, MB(400), MREMAP_MAYMOVE);
	SHOW("AS: mremap %d", p == MAP_FAILED ? errno : 0);
	return 0;
}

static int data(void)
{
	void *p;

	limit(RLIMIT_DATA, MB(64));
	SHOW("DATA: private %d",
	     map_errno(MB(100), PROT_READ | PROT_WRITE, MAP_PRIVATE));
	SHOW("DATA: shared %d",
	     map_errno(MB(100), PROT_READ | PROT_WRITE, MAP_SHARED));
	SHOW("DATA: brk %d", sbrk((intptr_t)MB(100)) == (void *)-1 ? errno : 0);
	p = mmap(NULL, MB(100), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW("DATA: made writable %ld",
	     res(mprotect(p, MB(100), PROT_READ | PROT_WRITE)));
	return 0;
}

static int fsize(void)
{
	char b[2000] = "";
	int fd = open("big", O_CREAT | O_RDWR | O_TRUNC, 0600);

	limit(RLIMIT_FSIZE, 1000);
	signal(SIGXFSZ, SIG_IGN);
	SHOW("FSIZE: write up to it %ld", res(write(fd, b, sizeof(b))));
	SHOW("FSIZE: past it %ld", res(write(fd, b, 1)));
	SHOW("FSIZE: ftruncate %ld", res(ftruncate(fd, 5000)));
	SHOW("FSIZE: fallocate %ld", res(fallocate(fd, 0, 0, 5000)));
	SHOW("FSIZE: pwrite across %ld", res(pwrite(fd, b, 10, 999)));
	signal(SIGXFSZ, SIG_DFL);
	(void)!pwrite(fd, b, 1, 1000);
	return 0;
}

static int memlock(void)
{
	void *p = mmap(NULL, MB(1), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	become_user();
	limit(RLIMIT_MEMLOCK, 8192);
	SHOW("MEMLOCK: a page %ld", res(mlock(p, 4096)));
	SHOW("MEMLOCK: more %ld", res(mlock(p, 65536)));
	SHOW("MEMLOCK: all %ld", res(mlockall(MCL_CURRENT)));
	SHOW("MEMLOCK: MAP_LOCKED %d",
	     map_errno(MB(1), PROT_READ, MAP_PRIVATE | MAP_LOCKED));
	return 0;
}

static int sigpending_limit(void)
{
	union sigval v = { 0 };
	sigset_t s;
	int n = 0;

	limit(RLIMIT_SIGPENDING, 3);
	become_user();
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, NULL);
	while (n < 100 && sigqueue(getpid(), SIGRTMIN, v) == 0)
		n++;
	SHOW("SIGPENDING: queued %d, then %d", n, errno);
	return 0;
}

static int msgqueue(void)
{
	struct mq_attr a = { 0, 10, 100, 0, { 0 } };
	mqd_t q;

	become_user();
	limit(RLIMIT_MSGQUEUE, 100);
	q = mq_open("/guest-limits", O_CREAT | O_RDWR, 0600, &a);
	SHOW("MSGQUEUE: mq_open %d", q < 0 ? errno : 0);
	return 0;
}

static int nice_limit(void)
{
	become_user();
	limit(RLIMIT_NICE, 0);
	SHOW("NICE: down %ld", res(setpriority(PRIO_PROCESS, 0, 5)));
	SHOW("NICE: up %ld", res(setpriority(PRIO_PROCESS, 0, 0)));
	return 0;
}

static int rtprio(void)
{
	struct {
		int prio;
	} p = { 10 };

	become_user();
	limit(RLIMIT_RTPRIO, 0);
	SHOW("RTPRIO: %ld", res(syscall(SYS_sched_setscheduler, 0, 1, &p)));
	return 0;
}

static int deeper(int n)
{
	volatile char b[4096];

	b[0] = (char)n;
	return n ? deeper(n - 1) + b[0] : 0;
}

static int stack(void)
{
	char *const argv[] = { (char *)"limits", (char *)"deep", NULL };

	limit(RLIMIT_STACK, MB(1));
	execv("/proc/self/exe", argv);
	return 9;
}

static void check_numbers(void)
{
	struct rlimit r = { 10, 5 };

	for (int i = 0; i < RLIM_NLIMITS; i++)
		SHOW("limit %d: soft above hard %ld", i,
		     res(setrlimit((__rlimit_resource_t)i, &r)));
	r.rlim_cur = r.rlim_max = 2000000000;
	SHOW("NOFILE beyond all %ld", res(setrlimit(RLIMIT_NOFILE, &r)));
	SHOW("no such limit %ld", res(syscall(SYS_setrlimit, 16, &r)));
	is_efault(syscall(SYS_setrlimit, RLIMIT_CORE, bp), "bad pointer in");
	is_efault(syscall(SYS_getrlimit, RLIMIT_CORE, bp), "bad pointer out");
	is_efault(syscall(SYS_prlimit64, 0, RLIMIT_CORE, bp, NULL),
		  "bad new limit");
}

/* --- Capabilities
 * ------------------------------------------------------------------------ */

static struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
						0 };
static struct __user_cap_data_struct caps[2];

static void show_caps(const char *when)
{
	must(syscall(SYS_capget, &head, caps) == 0);
	SHOW("%s: effective %s, permitted %s, inheritable %x, keep %d", when,
	     caps[0].effective ? "some" : "none",
	     caps[0].permitted ? "some" : "none", caps[0].inheritable,
	     prctl(PR_GET_KEEPCAPS));
}

static int setuid_drops(void)
{
	show_caps("root");
	must(seteuid(12345) == 0);
	show_caps("seteuid");
	SHOW("chown %ld", res(chown(".", 1, 1)));
	must(seteuid(0) == 0);
	show_caps("and back");
	must(setuid(12345) == 0);
	show_caps("setuid");
	SHOW("no way back %ld", res(setuid(0)));
	return 0;
}

static int keep_caps(void)
{
	must(prctl(PR_SET_KEEPCAPS, 1) == 0 && setuid(12345) == 0);
	show_caps("kept");
	caps[0].effective = caps[0].permitted;
	SHOW("raised %ld", res(syscall(SYS_capset, &head, caps)));
	caps[0].permitted = caps[0].effective = 1;
	caps[1].permitted = caps[1].effective = 0;
	SHOW("dropped %ld", res(syscall(SYS_capset, &head, caps)));
	caps[0].permitted = 3;
	SHOW("not gained %ld", res(syscall(SYS_capset, &head, caps)));
	return 0;
}

static int bounding(void)
{
	SHOW("bounding %ld", res(prctl(PR_CAPBSET_READ, CAP_CHOWN)));
	SHOW("dropped %ld", res(prctl(PR_CAPBSET_DROP, CAP_CHOWN)));
	SHOW("gone %ld", res(prctl(PR_CAPBSET_READ, CAP_CHOWN)));
	SHOW("unknown %ld", res(prctl(PR_CAPBSET_READ, 200)));
	SHOW("ambient without inheritable %ld",
	     res(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)));
	SHOW("securebits %ld", res(prctl(PR_SET_SECUREBITS, 0x2f)));
	SHOW("are %ld", res(prctl(PR_GET_SECUREBITS)));
	SHOW("locked %ld", res(prctl(PR_SET_SECUREBITS, 0)));
	SHOW("no new privileges %ld",
	     res(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
	SHOW("for ever %ld", res(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)));
	return 0;
}

static unsigned mode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_mode & 07777;
}

static int set_id_bits(void)
{
	int fd = open("su", O_CREAT | O_RDWR | O_TRUNC, 0755);

	fchmod(fd, 06755);
	must(write(fd, "x", 1) == 1);
	SHOW("root writes: %o", mode_of(fd));
	must(chown("su", 5, 5) == 0);
	SHOW("chown: %o", mode_of(fd));
	fchmod(fd, 02644);
	must(fchown(fd, 7, 7) == 0);
	SHOW("chown without group execution: %o", mode_of(fd));
	fchmod(fd, 06777);
	become_user();
	must(write(fd, "x", 1) == 1);
	SHOW("a user writes: %o", mode_of(fd));
	return 0;
}

static int sticky(void)
{
	must(mkdir("st", 0777) == 0 && chmod("st", 01777) == 0);
	close(open("st/a", O_CREAT, 0666));
	become_user();
	SHOW("unlink %ld", res(unlink("st/a")));
	SHOW("rename %ld", res(rename("st/a", "st/b")));
	return 0;
}

/* Each in a child of its own; lines count on there. */
static void run(int (*fn)(void))
{
	int *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid = tap_fork();

	if (pid == 0) {
		status = fn();
		*count = tap_count;
		_exit(status);
	}
	status = tap_wait(pid);
	if (*count)
		tap_count = *count;
	SHOW("ends with %d", status);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return deeper(600);
	tap_start();
	tap_dir();
	must(chmod(".", 0777) == 0);
	tap_group("limits");
	run(nofile);
	run(nproc);
	run(as);
	run(data);
	run(fsize);
	run(memlock);
	run(sigpending_limit);
	run(msgqueue);
	run(nice_limit);
	run(rtprio);
	run(stack);
	check_numbers();
	tap_group("capabilities and modes");
	run(setuid_drops);
	run(keep_caps);
	run(bounding);
	run(set_id_bits);
	run(sticky);
	return tap_done();
}

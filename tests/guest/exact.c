// SPDX-License-Identifier: Apache-2.0
/* Corners of files and memory: sparse files, files without names, renames and
 * removals under open descriptors, mappings past the end, limits on sizes and
 * locked memory, seals, residency, the stack and the break. */
#include "tap.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

#define PAGE 4096

static sigjmp_buf jump;
static volatile sig_atomic_t got_signal, got_code;
static char *volatile got_address;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	got_signal = sig;
	got_code = si->si_code;
	got_address = si->si_addr;
	siglongjmp(jump, 1);
}

/* The signal that touching *at raises, or 0. */
static int touch(volatile char *at, bool write)
{
	got_signal = 0;
	if (sigsetjmp(jump, 1) == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	return got_signal;
}

static void check_sparse(void)
{
	int f = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[PAGE], zeros[PAGE] = { 0 };
	struct stat st;

	tap_group("sparse files");
	memset(buf, 'x', sizeof(buf));
	is_int(pwrite(f, buf, PAGE, 1 << 20), PAGE, "far behind the start");
	fstat(f, &st);
	ok(st.st_size == (1 << 20) + PAGE && st.st_blocks < 64, "few blocks");
	is_int(lseek(f, 0, SEEK_DATA), 1 << 20, "SEEK_DATA");
	is_int(lseek(f, 0, SEEK_HOLE), 0, "SEEK_HOLE");
	is_int(lseek(f, 1 << 20, SEEK_HOLE), (1 << 20) + PAGE,
	       "the end is a hole");
	is_errno(lseek(f, (1 << 20) + PAGE, SEEK_DATA), ENXIO, "nothing there");
	is_errno(lseek(f, -1, SEEK_DATA), ENXIO, "nor before");
	is_int(pread(f, buf, PAGE, 4096), PAGE, "a hole");
	ok(!memcmp(buf, zeros, PAGE), "reads as zeros");
	is_int(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20,
			 PAGE),
	       0, "punch");
	is_errno(lseek(f, 0, SEEK_DATA), ENXIO, "no data left");
	fstat(f, &st);
	is_int(st.st_size, (1 << 20) + PAGE, "the size stays");
	memset(buf, 'y', sizeof(buf));
	pwrite(f, buf, PAGE, 0);
	is_int(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 20),
	       0, "punch a part of a page");
	pread(f, buf, PAGE, 0);
	ok(buf[9] == 'y' && buf[10] == 0 && buf[29] == 0 && buf[30] == 'y',
	   "zeroes it");
	is_errno(fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, PAGE), EOPNOTSUPP,
		 "punch without KEEP_SIZE");
	is_int(fallocate(f, FALLOC_FL_KEEP_SIZE, 1 << 21, PAGE), 0,
	       "behind the end");
	fstat(f, &st);
	is_int(st.st_size, (1 << 20) + PAGE, "keeps the size");
	is_int(fallocate(f, 0, 1 << 21, PAGE), 0, "or grows");
	fstat(f, &st);
	is_int(st.st_size, (1 << 21) + PAGE, "the file");
	is_int(ftruncate(f, 5), 0, "cut");
	is_int(ftruncate(f, PAGE), 0, "and grown");
	pread(f, buf, PAGE, 0);
	ok(buf[4] == 'y' && buf[5] == 0 && buf[PAGE - 1] == 0,
	   "has zeros behind the cut");
	close(f);
}

static void check_names(void)
{
	int f = open(".", O_TMPFILE | O_RDWR, 0640), g;
	char path[64], buf[8];
	struct stat st;

	tap_group("files without names, and names without files");
	ok(f >= 0, "O_TMPFILE");
	must(write(f, "tmp", 3) == 3);
	fstat(f, &st);
	is_int(st.st_nlink, 0, "has no link");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f);
	is_int(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0,
	       "gets a name");
	is_int(stat("named", &st), 0, "is found");
	ok(st.st_nlink == 1 && st.st_size == 3, "with its data");
	is_errno(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW),
		 EEXIST, "once");
	close(f);
	f = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f);
	is_errno(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW),
		 ENOENT, "O_EXCL: never a name");
	close(f);
	is_errno(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL,
		 "only for reading");
	is_errno(open("named", O_TMPFILE | O_RDWR, 0600), ENOTDIR,
		 "not below a file");
	f = open("named", O_RDWR);
	is_int(unlink("named"), 0, "unlink while open");
	fstat(f, &st);
	is_int(st.st_nlink, 0, "no link");
	is_int(pread(f, buf, 8, 0), 3, "the data is there");
	g = open("other", O_RDWR | O_CREAT, 0600);
	must(write(g, "other", 5) == 5);
	close(f);
	f = open("target", O_RDWR | O_CREAT, 0600);
	must(write(f, "old", 3) == 3);
	is_int(rename("other", "target"), 0, "rename over an open file");
	is_int(pread(f, buf, 8, 0), 3, "which keeps its data");
	fstat(f, &st);
	is_int(st.st_nlink, 0, "without a name");
	fstat(g, &st);
	ok(st.st_nlink == 1 && pread(g, buf, 8, 0) == 5, "the new one moved");
	close(f);
	close(g);
	must(mkdir("d1", 0700) == 0 && mkdir("d2", 0700) == 0);
	is_errno(
		renameat2(AT_FDCWD, "target", AT_FDCWD, "d1", RENAME_NOREPLACE),
		EEXIST, "RENAME_NOREPLACE");
	is_int(renameat2(AT_FDCWD, "target", AT_FDCWD, "d1", RENAME_EXCHANGE),
	       0, "RENAME_EXCHANGE");
	ok(stat("target", &st) == 0 && S_ISDIR(st.st_mode), "file and dir");
	is_errno(renameat2(AT_FDCWD, "target", AT_FDCWD, "none",
			   RENAME_EXCHANGE),
		 ENOENT, "with nothing");
	is_errno(renameat2(AT_FDCWD, "d2", AT_FDCWD, "x",
			   RENAME_EXCHANGE | RENAME_NOREPLACE),
		 EINVAL, "both flags");
	is_errno(rename("d2", "d2/in"), EINVAL, "into itself");
	is_errno(rename("d2", "d1"), ENOTDIR, "a directory over a file");
	is_errno(rename("d1", "d2"), EISDIR, "a file over a directory");
}

static void *append(void *arg)
{
	int f = open("log", O_WRONLY | O_APPEND);
	char line[64];

	memset(line, *(char *)arg, sizeof(line));
	for (int i = 0; i < 500; i++)
		must(write(f, line, sizeof(line)) == sizeof(line));
	close(f);
	return NULL;
}

static void check_append(void)
{
	int f = open("log", O_RDWR | O_CREAT, 0600), torn = 0;
	pthread_t t[3];
	char line[64];

	tap_group("O_APPEND");
	for (int i = 0; i < 3; i++)
		must(!pthread_create(&t[i], NULL, append, &"abc"[i]));
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	is_int(lseek(f, 0, SEEK_END), 3 * 500 * 64, "nothing is lost");
	lseek(f, 0, SEEK_SET);
	while (read(f, line, 64) == 64)
		for (int i = 1; i < 64; i++)
			torn += line[i] != line[0];
	is_int(torn, 0, "nor torn");
	close(f);
}

static void check_mappings(void)
{
	int f = open("map", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *m, *p;

	tap_group("mappings past the end");
	must(write(f, "hello", 5) == 5);
	m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	is_int(touch(m + PAGE - 1, true), 0, "the last page");
	is_int(touch(m + PAGE, false), SIGBUS, "behind it");
	ok(got_code == BUS_ADRERR && got_address == m + PAGE, "tells where");
	is_int(touch(p + PAGE, true), SIGBUS, "private, too");
	is_int(ftruncate(f, 2 * PAGE), 0, "grow");
	is_int(touch(m + PAGE, true), 0, "there now");
	is_int(touch(p + PAGE, true), 0, "private, too");
	m[PAGE] = 'z';
	is_int(ftruncate(f, 3), 0, "cut");
	is_int(touch(m + PAGE, false), SIGBUS, "gone");
	is_int(touch(p + PAGE, false), SIGBUS, "private, too");
	is_int(m[3], 0, "zeros behind the end");
	is_int(ftruncate(f, 2 * PAGE), 0, "grow again");
	is_int(m[PAGE], 0, "what was there is not");
	munmap(m, 4 * PAGE);
	munmap(p, 4 * PAGE);
	close(f);
}

static volatile sig_atomic_t too_large;

static void on_size(int sig)
{
	too_large += sig == SIGXFSZ;
}

static int size_limit(void)
{
	struct rlimit r = { 10000, 10000 };
	int f = open("limit", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static char buf[20000];

	signal(SIGXFSZ, on_size);
	must(setrlimit(RLIMIT_FSIZE, &r) == 0);
	if (write(f, buf, sizeof(buf)) != 10000)
		return 1;
	if (too_large != 0)
		return 2;
	if (write(f, buf, 1) >= 0 || errno != EFBIG || too_large != 1)
		return 3;
	if (ftruncate(f, 20000) == 0 || errno != EFBIG || too_large != 2)
		return 4;
	if (fallocate(f, 0, 0, 20000) == 0 || errno != EFBIG || too_large != 3)
		return 5;
	if (pwrite(f, buf, 100, 9950) != 50)
		return 6;
	if (pwrite(f, buf, 0, 20000) != 0)
		return 7;
	signal(SIGXFSZ, SIG_DFL);
	(void)!write(f, buf, 1);
	return 8;
}

static int memlock(void)
{
	struct rlimit r = { 8 * PAGE, 8 * PAGE };
	char *m;

	must(setrlimit(RLIMIT_MEMLOCK, &r) == 0);
	m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mlock(m, 8 * PAGE) != 0)
		return 1;
	if (mlock(m, 8 * PAGE) != 0) /* the same pages again */
		return 2;
	if (mlock(m + 8 * PAGE, PAGE) == 0 || errno != ENOMEM)
		return 3;
	if (mlockall(MCL_CURRENT) == 0 || errno != ENOMEM)
		return 4;
	if (munlock(m, 8 * PAGE) != 0)
		return 5;
	if (mmap(NULL, 16 * PAGE, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		 0) != MAP_FAILED ||
	    errno != EAGAIN)
		return 6;
	r.rlim_cur = 0;
	must(setrlimit(RLIMIT_MEMLOCK, &r) == 0);
	if (mlock(m, PAGE) == 0 || errno != EPERM)
		return 7;
	return munlock(m, PAGE) == 0 ? 0 : 8;
}

static int resident(char *at, size_t pages)
{
	unsigned char vec[64];
	int n = 0;

	must(mincore(at, pages * PAGE, vec) == 0);
	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

static int lock_all(void)
{
	char *m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (resident(m, 16) != 0)
		return 1;
	if (mlockall(MCL_CURRENT) != 0)
		return 2;
	if (resident(m, 16) != 16)
		return 3;
	munlockall();
	if (mlockall(MCL_FUTURE) != 0)
		return 4;
	m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (resident(m, 16) != 16)
		return 5;
	munlockall();
	m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (resident(m, 16) != 16)
		return 6;
	m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (syscall(SYS_mlock2, m, 16 * PAGE, MLOCK_ONFAULT) != 0)
		return 7;
	return resident(m, 16) == 0 ? 0 : 8;
}

static void check_limits(void)
{
	tap_group("limits");
	is_int(tap_child(size_limit), 1000 + SIGXFSZ, "RLIMIT_FSIZE");
	is_int(tap_user_child(memlock), 0, "RLIMIT_MEMLOCK");
	is_int(tap_child(lock_all), 0, "mlockall brings pages in");
}

static void check_seals(void)
{
	int f = memfd_create("seals", MFD_ALLOW_SEALING), g;
	char *m;

	tap_group("seals");
	must(ftruncate(f, 2 * PAGE) == 0);
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	is_errno(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE), EBUSY,
		 "WRITE while mapped");
	is_int(fcntl(f, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0, "FUTURE_WRITE");
	is_int(touch(m, true), 0, "the mapping still writes");
	is_errno(write(f, "x", 1), EPERM, "write() does not");
	munmap(m, PAGE);
	is_int(fcntl(f, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0,
	       "SHRINK and GROW");
	is_errno(ftruncate(f, PAGE), EPERM, "no cut");
	is_errno(ftruncate(f, 3 * PAGE), EPERM, "no growth");
	is_errno(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			   PAGE),
		 EPERM, "no hole");
	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, f, 0);
	ok(m != MAP_FAILED, "mapped for reading");
	is_errno(mprotect(m, PAGE, PROT_READ | PROT_WRITE), EACCES,
		 "never for writing");
	munmap(m, PAGE);
	is_int(fcntl(f, F_ADD_SEALS, F_SEAL_SEAL), 0, "SEAL");
	is_errno(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE), EPERM, "ends it");
	is_int(fcntl(f, F_GET_SEALS),
	       F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE,
	       "all of them");
	g = memfd_create("none", 0);
	is_int(fcntl(g, F_GET_SEALS), F_SEAL_SEAL, "sealed from the start");
	is_errno(fcntl(0, F_GET_SEALS), EINVAL, "no memfd");
	close(f);
	close(g);
}

static int stack_end(void)
{
	struct rlimit r;
	volatile char *sp = __builtin_frame_address(0);
	char *low;

	getrlimit(RLIMIT_STACK, &r);
	if (touch(sp - 200 * 1024, true) != 0)
		return 1;
	/* far below the limit there is nothing */
	low = (char *)((uintptr_t)sp - r.rlim_cur - (1 << 21));
	if (touch(low, true) != SIGSEGV || got_code != SEGV_MAPERR)
		return 2;
	return 0;
}

static int break_limits(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };
	char *start = sbrk(0);

	if (brk(start + 3 * PAGE) != 0 || touch(start + 2 * PAGE, true) != 0)
		return 1;
	if (brk(start) != 0 || touch(start + 2 * PAGE, true) != SIGSEGV)
		return 2;
	if (brk(start + 3 * PAGE) != 0 || start[2 * PAGE] != 0)
		return 3;
	if (brk(start + (1UL << 46)) == 0 || errno != ENOMEM)
		return 4;
	must(setrlimit(RLIMIT_DATA, &r) == 0);
	if (brk(start + (1 << 22)) == 0 || errno != ENOMEM)
		return 5;
	/* something in the way */
	if (mmap((void *)(((uintptr_t)start + 16 * PAGE) & ~4095UL), PAGE,
		 PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		return 6;
	return brk(start + 32 * PAGE) < 0 && errno == ENOMEM ? 0 : 7;
}

static void check_memory(void)
{
	tap_group("stack and break");
	is_int(tap_child(stack_end), 0, "the stack grows to its limit");
	is_int(tap_child(break_limits), 0, "the break has limits");
}

static bool before(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec
				    : a.tv_nsec < b.tv_nsec;
}

static void check_times(void)
{
	struct timespec t[2] = { { 1000, 5 }, { 2000, 6 } };
	int f = open("times", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat a, b;
	char c;

	tap_group("time stamps");
	is_int(futimens(f, t), 0, "futimens");
	fstat(f, &a);
	ok(a.st_atim.tv_sec == 1000 && a.st_atim.tv_nsec == 5 &&
		   a.st_mtim.tv_sec == 2000 && a.st_mtim.tv_nsec == 6,
	   "sets both");
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 3000;
	is_int(utimensat(AT_FDCWD, "times", t, 0), 0, "one left out");
	fstat(f, &a);
	ok(a.st_atim.tv_sec == 1000 && a.st_mtim.tv_sec == 3000, "stays");
	t[0].tv_nsec = UTIME_NOW;
	is_int(syscall(SYS_utimensat, f, NULL, t, 0), 0,
	       "by descriptor alone, now");
	fstat(f, &a);
	ok(a.st_atim.tv_sec > 1000000 && a.st_mtim.tv_sec == 3000, "is now");
	t[0].tv_nsec = 1000000000;
	is_errno(utimensat(AT_FDCWD, "times", t, 0), EINVAL, "a bad time");
	t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
	is_int(utimensat(AT_FDCWD, "no-such", t, 0), 0, "both left out");
	is_errno(utimensat(AT_FDCWD, "no-such", NULL, 0), ENOENT, "no file");
	is_errno(utimensat(AT_FDCWD, "times", NULL, 0x40), EINVAL, "flags");
	must(symlink("times", "link") == 0);
	t[0] = t[1] = (struct timespec){ 77, 0 };
	is_int(utimensat(AT_FDCWD, "link", t, AT_SYMLINK_NOFOLLOW), 0,
	       "of a link");
	lstat("link", &b);
	ok(b.st_mtim.tv_sec == 77, "itself");
	futimens(f, t);
	fstat(f, &a);
	must(write(f, "x", 1) == 1);
	fstat(f, &b);
	ok(before(a.st_mtim, b.st_mtim) && !before(b.st_ctim, a.st_ctim) &&
		   b.st_atim.tv_sec == 77,
	   "a write sets mtime and ctime");
	must(pread(f, &c, 1, 0) == 1);
	fstat(f, &b);
	ok(b.st_atim.tv_sec > 77, "a read sets atime (relatime)");
	a = b;
	must(fchmod(f, 0640) == 0);
	fstat(f, &b);
	ok(b.st_mtim.tv_nsec == a.st_mtim.tv_nsec &&
		   !before(b.st_ctim, a.st_ctim),
	   "chmod sets ctime alone");
	close(f);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_NODEFER };

	tap_start();
	tap_dir();
	umask(022);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	check_sparse();
	check_names();
	check_append();
	check_mappings();
	check_limits();
	check_seals();
	check_memory();
	check_times();
	return tap_done();
}

// SPDX-License-Identifier: Apache-2.0
/* Memory: mmap in all its forms, munmap, mprotect, mremap, madvise, msync,
 * faults, file mappings beside read and write, /proc/self/maps. */
#include "tap.h"

#include <setjmp.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define TIB (1UL << 40)

static sigjmp_buf fault_jmp;
static char alt[65536];
static volatile int fault_sig, fault_code;
static void *volatile fault_addr;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	fault_sig = sig;
	fault_code = si->si_code;
	fault_addr = si->si_addr;
	siglongjmp(fault_jmp, 1);
}

enum touch { GET, PUT, RUN };

/* Touches p; 0, or signal * 100 + si_code if that faulted at p itself. */
static int touch(void *p, enum touch how)
{
	volatile char *c = p;

	if (sigsetjmp(fault_jmp, 1))
		return fault_addr == p ? fault_sig * 100 + fault_code : -1;
	if (how == GET)
		(void)*c;
	else if (how == PUT)
		*c = 1;
	else
		((void (*)(void))(uintptr_t)p)();
	return 0;
}

#define MAPERR (SIGSEGV * 100 + SEGV_MAPERR)
#define ACCERR (SIGSEGV * 100 + SEGV_ACCERR)
#define ADRERR (SIGBUS * 100 + BUS_ADRERR)

static char *map(size_t len, int prot, int flags, int fd)
{
	return mmap(NULL, len, prot, flags, fd, 0);
}

static bool all(const char *p, char c, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != c)
			return false;
	return true;
}

static void check_anon(void)
{
	char *p = map(10 * PG + 5, RW, ANON, -1);

	tap_group("anonymous");
	ok(p != MAP_FAILED && (uintptr_t)p % PG == 0, "mmap rounds up");
	ok(all(p, 0, 11 * PG), "all of it is zero");
	memset(p, 3, 11 * PG);
	is_int(munmap(p + 4 * PG, 2 * PG), 0, "a hole in the middle");
	is_int(touch(p + 4 * PG, GET), MAPERR, "reading the hole");
	is_int(touch(p + 5 * PG + 17, PUT), MAPERR, "writing the hole");
	ok(all(p, 3, 4 * PG) && all(p + 6 * PG, 3, 5 * PG), "the rest stays");
	is_int(munmap(p + 4 * PG, 2 * PG), 0, "unmapping nothing is fine");
	is_int(munmap(p, 11 * PG), 0, "unmapping across the hole");
	is_int(touch(p + 10 * PG, GET), MAPERR, "the end is gone");
	ok(mmap(p, 3 * PG, RW, ANON, -1, 0) == p, "a free hint is taken");
	p[0] = 9;
	ok(mmap(p + PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + PG,
	   "MAP_FIXED replaces");
	is_int(touch(p + PG, PUT), ACCERR, "with its own protection");
	is_errno(mmap(p + PG, 2 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
		 EEXIST, "MAP_FIXED_NOREPLACE on something");
	ok(mmap(p, PG, RW, ANON, -1, 0) != p && p[0] == 9,
	   "a taken hint moves elsewhere");
	munmap(p, 3 * PG);
	ok(mmap(p, 3 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p,
	   "MAP_FIXED_NOREPLACE on nothing");
	munmap(p, 3 * PG);
	p = map(64 << 20, RW, ANON, -1);
	p[0] = p[(64 << 20) - 1] = 1;
	is_int(munmap(p, 64 << 20), 0, "a big one, hardly touched");
	p = map(PG, RW, ANON | MAP_POPULATE | MAP_NORESERVE, -1);
	ok(p != MAP_FAILED && all(p, 0, PG), "MAP_POPULATE");
	munmap(p, PG);
	p = map(4 * PG, RW, ANON | MAP_STACK | MAP_GROWSDOWN, -1);
	ok(p != MAP_FAILED, "MAP_GROWSDOWN, MAP_STACK");
	munmap(p, 4 * PG);
}

static void check_bad_maps(void)
{
	int fds[2], rd, wr, dir = open("/", O_RDONLY);
	char *p = map(3 * PG, RW, ANON, -1);

	(void)!pipe(fds);
	rd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	close(rd);
	rd = open("f", O_RDONLY);
	wr = open("f", O_WRONLY);
	tap_group("refusals");
	is_errno(map(0, RW, ANON, -1), EINVAL, "length zero");
	is_errno(mmap(p + 1, PG, RW, ANON | MAP_FIXED, -1, 0), EINVAL,
		 "unaligned fixed address");
	is_errno(map(PG, RW, MAP_ANONYMOUS, -1), EINVAL,
		 "neither shared nor private");
	is_errno(map(PG, RW, MAP_PRIVATE, -1), EBADF, "no descriptor");
	is_errno(map(PG, RW, MAP_SHARED, 9999), EBADF, "a closed one");
	is_errno(map(PG, PROT_READ, MAP_PRIVATE, fds[0]), ENODEV, "a pipe");
	is_errno(map(PG, PROT_READ, MAP_PRIVATE, dir), ENODEV, "a directory");
	is_errno(mmap(NULL, PG, RW, MAP_PRIVATE, rd, 100), EINVAL,
		 "unaligned offset");
	is_errno(mmap(NULL, 2 * PG, PROT_READ, MAP_PRIVATE, rd,
		      0x7ffffffffffff000L),
		 EOVERFLOW, "offset past the end of all files");
	is_errno(map(PG, RW, MAP_SHARED, rd), EACCES,
		 "shared writable of a read-only file");
	is_errno(map(PG, PROT_READ, MAP_PRIVATE, wr), EACCES,
		 "a write-only file");
	is_errno(map(-PG, RW, ANON, -1), ENOMEM, "the whole address space");
	is_errno(map(-1UL, RW, ANON, -1), ENOMEM, "more than that");
	is_errno(map(1UL << 47, PROT_NONE, ANON | MAP_NORESERVE, -1), ENOMEM,
		 "128 TiB");
	is_errno(mmap((void *)0x7ffffffff000, PG, RW, ANON | MAP_FIXED, -1, 0),
		 ENOMEM, "fixed at the end of user space");
	is_errno(mmap((void *)0xffff800000000000, PG, RW, ANON | MAP_FIXED, -1,
		      0),
		 ENOMEM, "fixed in the kernel half");
	is_errno(munmap(p, 0), EINVAL, "munmap of zero bytes");
	is_errno(munmap(p + 1, PG), EINVAL, "munmap unaligned");
	is_errno(munmap(p, -PG), EINVAL, "munmap of everything");
	is_errno(munmap((void *)0xffff800000000000, PG), EINVAL,
		 "munmap in the kernel half");
	is_errno(syscall(SYS_mprotect, p + 1, PG, PROT_READ), EINVAL,
		 "mprotect unaligned");
	is_errno(mprotect(p, PG, 0x100), EINVAL, "mprotect with bad bits");
	munmap(p + PG, PG);
	is_errno(mprotect(p, 3 * PG, PROT_READ), ENOMEM, "mprotect of a hole");
	is_int(mprotect(p, 0, PROT_READ), 0, "mprotect of zero bytes");
	is_errno(madvise(p, PG, 12345), EINVAL, "madvise with bad advice");
	is_errno(madvise(p + 1, PG, MADV_DONTNEED), EINVAL, "unaligned");
	is_errno(madvise(p, 3 * PG, MADV_DONTNEED), ENOMEM, "a hole");
	is_errno(msync(p, PG, MS_SYNC | MS_ASYNC), EINVAL, "msync: both");
	is_errno(msync(p + 1, PG, MS_SYNC), EINVAL, "msync unaligned");
	is_errno(msync(p, 3 * PG, MS_SYNC), ENOMEM, "msync of a hole");
	is_errno(mremap(p, PG, PG, 0x80), EINVAL, "mremap with bad flags");
	is_errno(mremap(p, PG, 0, MREMAP_MAYMOVE), EINVAL, "mremap to zero");
	is_errno(mremap(p + 1, PG, PG, 0), EINVAL, "mremap unaligned");
	is_errno(mremap(p + PG, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT,
		 "mremap of a hole");
	is_errno(mremap(p, 3 * PG, 4 * PG, MREMAP_MAYMOVE), EFAULT,
		 "mremap across a hole");
	munmap(p, 3 * PG);
	close(fds[0]);
	close(fds[1]);
	close(rd);
	close(wr);
	close(dir);
	unlink("f");
}

static void check_protect(void)
{
	char *p = map(4 * PG, RW, ANON, -1);

	tap_group("protection");
	memset(p, 1, 4 * PG);
	is_int(mprotect(p + PG, PG, PROT_READ), 0, "read-only in the middle");
	is_int(touch(p + PG, GET), 0, "can be read");
	is_int(touch(p + PG + 8, PUT), ACCERR, "not written");
	is_int(touch(p + 2 * PG, PUT), 0, "the neighbour can");
	is_int(mprotect(p, 4 * PG, PROT_NONE), 0, "nothing at all");
	is_int(touch(p + PG, GET), ACCERR, "cannot be read");
	is_errno(write(1, p, 1), EFAULT, "nor by write");
	is_int(mprotect(p, 4 * PG, RW), 0, "and back");
	ok(all(p, 1, PG), "the contents stayed");
	is_int(touch(p, RUN), ACCERR, "not executable");
	p[0] = (char)0xc3;
	is_int(mprotect(p, PG, PROT_READ | PROT_EXEC), 0, "executable");
	is_int(touch(p, RUN), 0, "runs");
	is_int(touch(p, PUT), ACCERR, "is no longer writable");
	is_int(touch((void *)16, GET), MAPERR, "the null page");
	is_int(touch((void *)16, RUN), MAPERR, "a jump to the null page");
	fault_addr = alt;
	touch((void *)0x1234567800000000, GET);
	ok(fault_sig == SIGSEGV && fault_code == SI_KERNEL && !fault_addr,
	   "a non-canonical address");
	munmap(p, 4 * PG);
}

static void check_mremap(void)
{
	char *p = map(8 * PG, RW, ANON, -1), *q, *r;
	int fd;

	tap_group("mremap");
	memset(p, 4, 8 * PG);
	ok(mremap(p, 8 * PG, 4 * PG, 0) == p, "shrinks in place");
	is_int(touch(p + 4 * PG, GET), MAPERR, "the tail is gone");
	ok(mremap(p, 4 * PG, 8 * PG, 0) == p, "grows in place");
	ok(all(p, 4, 4 * PG) && all(p + 4 * PG, 0, 4 * PG), "with zeros");
	is_errno(mremap(p, PG, 2 * PG, 0), ENOMEM, "no room, may not move");
	q = mremap(p, PG, 3 * PG, MREMAP_MAYMOVE);
	ok(q != MAP_FAILED && q != p && all(q, 4, PG), "moves to grow");
	is_int(touch(p, GET), MAPERR, "the old place is empty");
	r = map(4 * PG, RW, ANON, -1);
	ok(mremap(q, 3 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, r + PG) ==
		   r + PG,
	   "MREMAP_FIXED");
	ok(all(r + PG, 4, PG) && r[3 * PG] == 0, "moved over what was there");
	is_errno(mremap(r, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED,
			r + PG),
		 EINVAL, "overlapping");
	is_errno(mremap(r, PG, PG, MREMAP_FIXED, p), EINVAL,
		 "MREMAP_FIXED alone");
	munmap(r, 4 * PG);
	munmap(p, 8 * PG);
	munmap(q, 3 * PG);
	fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	(void)!ftruncate(fd, 4 * PG);
	p = map(PG, RW, MAP_SHARED, fd);
	q = mremap(p, PG, 4 * PG, MREMAP_MAYMOVE);
	ok(q != MAP_FAILED, "a file mapping grows");
	q[3 * PG] = 'z';
	r = mremap(q, 0, PG, MREMAP_MAYMOVE);
	ok(r != MAP_FAILED && r != q, "old size zero duplicates a shared one");
	q[5] = 'd';
	is_int(r[5], 'd', "both see the same");
	munmap(r, PG);
	r = map(PG, RW, MAP_PRIVATE, fd);
	is_int(r[5], 'd', "and so does a third");
	munmap(r, PG);
	munmap(q, 4 * PG);
	is_int(lseek(fd, 0, SEEK_END), 4 * PG, "the file kept its size");
	close(fd);
	unlink("f");
}

static char *fork_page, *fork_wipe;

static int wipe_child(void)
{
	must(all(fork_wipe, 0, PG));
	must(fork_wipe[PG] == 6);
	must(touch(fork_page, GET) == MAPERR);
	return 0;
}

/* Pages that are mapped come back with the next write; what is in them then is
 * the file's, and nobody else's later. */
static void check_holes(void)
{
	int fd = memfd_create("holes", 0), stale = 0;
	char *p, c = 0;

	tap_group("holes");
	must(ftruncate(fd, 64 * PG) == 0);
	p = map(64 * PG, RW, MAP_SHARED, fd);
	memset(p, 1, 64 * PG);
	is_int(madvise(p, 32 * PG, MADV_REMOVE), 0, "MADV_REMOVE");
	ok(all(p, 0, 32 * PG) && p[32 * PG] == 1, "zeroes these pages");
	is_int(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 32 * PG, 31 * PG),
	       0, "a hole is punched");
	ok(all(p, 0, 63 * PG) && p[63 * PG] == 1, "in what is mapped");
	memset(p, 2, 64 * PG);
	is_int(pread(fd, &c, 1, 5 * PG), 1, "a page written again");
	is_int(c, 2, "is the file's");
	is_int(pread(fd, &c, 1, 40 * PG) == 1 ? c : -1, 2, "each of them");
	munmap(p, 64 * PG);
	close(fd);
	for (int i = 0; i < 16; i++) {
		fd = memfd_create("zero", 0);
		must(fd >= 0 && ftruncate(fd, 64 * PG) == 0);
		p = map(64 * PG, RW, MAP_SHARED, fd);
		stale += !all(p, 0, 64 * PG);
		munmap(p, 64 * PG);
		close(fd);
	}
	is_int(stale, 0, "and no other file's");
}

static void check_madvise(void)
{
	char *p = map(4 * PG, RW, ANON, -1), *q;
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);

	tap_group("madvise");
	memset(p, 6, 4 * PG);
	is_int(madvise(p + PG, PG, MADV_DONTNEED), 0, "MADV_DONTNEED");
	ok(all(p + PG, 0, PG) && p[0] == 6 && p[2 * PG] == 6, "zeroes a page");
	is_int(madvise(p + 2 * PG, PG, MADV_FREE), 0, "MADV_FREE");
	ok(p[2 * PG] == 6 || p[2 * PG] == 0, "old or zero");
	p[2 * PG] = 7;
	is_int(p[2 * PG], 7, "written again, stays");
	is_int(madvise(p, 0, MADV_DONTNEED), 0, "zero length");
	is_int(madvise(p, PG, MADV_WILLNEED), 0, "MADV_WILLNEED");
	is_int(madvise(p, PG, MADV_SEQUENTIAL), 0, "MADV_SEQUENTIAL");
	(void)!write(fd, "file contents", 13);
	q = map(PG, RW, MAP_PRIVATE, fd);
	q[0] = 'X';
	is_int(madvise(q, PG, MADV_DONTNEED), 0, "on a private file map");
	is_int(q[0], 'f', "brings the file back");
	munmap(q, PG);
	q = map(PG, RW, MAP_SHARED, fd);
	q[0] = 'S';
	is_int(madvise(q, PG, MADV_DONTNEED), 0, "on a shared file map");
	is_int(q[0], 'S', "loses nothing");
	is_errno(madvise(q, PG, MADV_FREE), EINVAL, "MADV_FREE of a file");
	is_errno(madvise(q, PG, MADV_WIPEONFORK), EINVAL,
		 "MADV_WIPEONFORK of a file");
	munmap(q, PG);
	p[0] = 6;
	fork_wipe = p;
	p[PG] = 6;
	fork_page = p + 3 * PG;
	is_int(madvise(p, PG, MADV_WIPEONFORK), 0, "MADV_WIPEONFORK");
	is_int(madvise(p + 3 * PG, PG, MADV_DONTFORK), 0, "MADV_DONTFORK");
	is_int(tap_child(wipe_child), 0, "a child sees zeros, and a hole");
	ok(p[0] == 6 && p[3 * PG] == 6, "the parent neither");
	is_int(madvise(p, PG, MADV_KEEPONFORK), 0, "MADV_KEEPONFORK");
	munmap(p, 4 * PG);
	close(fd);
	unlink("f");
}

static void check_reserve(void)
{
	char *p = map(TIB, PROT_NONE, ANON | MAP_NORESERVE, -1);
	bool good = p != MAP_FAILED;

	tap_group("a tebibyte reserved");
	ok(good, "mmap of 1 TiB PROT_NONE");
	is_int(touch(p + TIB / 2, GET), ACCERR, "is not accessible");
	for (int i = 0; i < 64; i++) {
		char *q = p + (TIB / 64) * (size_t)i;

		good &= mprotect(q, 16 * PG, RW) == 0;
		good &= touch(q + PG, PUT) == 0 && q[PG] == 1;
	}
	ok(good, "64 pieces opened and used");
	ok(mmap(p + TIB / 3 / PG * PG, PG, RW, ANON | MAP_FIXED, -1, 0) !=
		   MAP_FAILED,
	   "another mapping inside");
	is_int(munmap(p + TIB / 4, TIB / 2), 0, "the middle half goes");
	is_int(touch(p + TIB / 2, GET), MAPERR, "is gone");
	is_int(p[PG], 1, "the first piece is not");
	is_int(munmap(p, TIB), 0, "all of it goes");
}

static void check_file(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[64] = "", *s, *t, *v;

	tap_group("files");
	(void)!write(fd, "0123456789", 10);
	s = map(2 * PG, RW, MAP_SHARED, fd);
	t = map(PG, PROT_READ, MAP_SHARED, fd);
	v = map(PG, RW, MAP_PRIVATE, fd);
	ok(memcmp(s, "0123456789", 10) == 0, "shared: contents");
	ok(all(s + 10, 0, PG - 10), "zeros after the end");
	is_int(touch(s + PG, GET), ADRERR, "SIGBUS past the last page");
	(void)!pwrite(fd, "abc", 3, 2);
	ok(memcmp(s, "01abc56789", 10) == 0, "write shows in the mapping");
	s[0] = 'M';
	is_int(pread(fd, buf, 10, 0), 10, "pread");
	is_str(buf, "M1abc56789", "the mapping shows in read");
	is_int(t[0], 'M', "and in another mapping");
	is_int(touch(t, PUT), ACCERR, "which is read-only");
	lseek(fd, 0, SEEK_SET);
	is_errno(read(fd, t, 1), EFAULT, "read into it");
	v[1] = 'P';
	is_int(s[1], '1', "a private page is private");
	s[1] = 'Q';
	is_int(v[1], 'P', "and stays so");
	s[20] = 'T';
	is_int(lseek(fd, 0, SEEK_END), 10, "storing past the end adds nothing");
	is_int(ftruncate(fd, PG + 1), 0, "the file grows");
	is_int(touch(s + PG, PUT), 0, "now there is a second page");
	is_int(pread(fd, buf, 1, PG) == 1 && buf[0] == 1, 1, "seen by pread");
	is_int(ftruncate(fd, 0), 0, "the file shrinks to nothing");
	is_int(touch(s, GET), ADRERR, "every page is gone");
	is_int(touch(v + 1, GET), ADRERR, "private copies too");
	is_errno(write(1, s, 1), EFAULT, "write from there");
	is_int(ftruncate(fd, PG), 0, "and grows");
	ok(all(s, 0, PG), "what was there is zero now");
	s[7] = '7';
	is_int(msync(s, PG, MS_SYNC), 0, "msync MS_SYNC");
	is_int(msync(s, 2 * PG, MS_ASYNC), 0, "MS_ASYNC");
	is_int(msync(s, PG, MS_INVALIDATE), 0, "MS_INVALIDATE");
	is_int(msync(s, 0, MS_SYNC), 0, "of zero bytes");
	close(fd);
	unlink("f");
	is_int(s[7], '7', "outlives close and unlink");
	munmap(s, 2 * PG);
	munmap(t, PG);
	munmap(v, PG);
}

static int shared_child(void)
{
	must(fork_page[0] == 1);
	fork_page[0] = 2;
	must(fork_wipe[0] == 1);
	fork_wipe[0] = 2;
	return 0;
}

static void check_shared(void)
{
	tap_group("shared and private over fork");
	fork_page = map(PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	fork_wipe = map(PG, RW, ANON, -1);
	fork_page[0] = fork_wipe[0] = 1;
	is_int(tap_child(shared_child), 0, "child reads and writes both");
	is_int(fork_page[0], 2, "shared: the parent sees it");
	is_int(fork_wipe[0], 1, "private: it does not");
	munmap(fork_page, PG);
	munmap(fork_wipe, PG);
}

/* Finds the maps line that holds addr; false if there is none. */
static bool maps_line(const void *addr, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long lo, hi;
	bool found = false;

	while (f && !found && fgets(line, (int)size, f))
		found = sscanf(line, "%lx-%lx ", &lo, &hi) == 2 &&
			lo <= (unsigned long)addr && (unsigned long)addr < hi;
	if (f)
		fclose(f);
	return found;
}

static void check_maps(void)
{
	char line[512], perms[8], path[256] = "", local = 0;
	unsigned long lo, hi, off, inode, prev = 0;
	unsigned int ma, mi;
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600), n = 0, bad = 0;
	char *p, *q;
	FILE *f;
	struct stat st;

	(void)!ftruncate(fd, 4 * PG);
	fstat(fd, &st);
	p = mmap(NULL, 2 * PG, PROT_READ, MAP_SHARED, fd, PG);
	q = map(3 * PG, RW, ANON, -1);
	mprotect(q + PG, PG, PROT_NONE);
	tap_group("/proc/self/maps");
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f)) {
		n++;
		bad += sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &lo, &hi,
			      perms, &off, &ma, &mi, &inode) != 7;
		bad += lo >= hi || lo < prev || lo % PG || hi % PG;
		bad += strlen(perms) != 4 ||
		       (perms[3] != 'p' && perms[3] != 's');
		prev = hi;
	}
	if (f)
		fclose(f);
	ok(n > 4 && bad == 0, "every line parses, in order");
	ok(maps_line(p, line, sizeof(line)), "the file mapping is there");
	sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu %255s", &lo, &hi, perms, &off,
	       &inode, path);
	ok(lo == (unsigned long)p && hi == lo + 2 * PG, "with its bounds");
	is_str(perms, "r--s", "permissions");
	ok(off == PG && inode == st.st_ino, "offset and inode");
	ok(strrchr(path, '/') && strcmp(strrchr(path, '/'), "/f") == 0, "path");
	ok(maps_line(q + PG, line, sizeof(line)) && strstr(line, " ---p "),
	   "mprotect splits");
	ok(maps_line(&local, line, sizeof(line)) && strstr(line, "[stack]") &&
		   strstr(line, " rw-p "),
	   "[stack]");
	ok(maps_line((void *)(uintptr_t)check_maps, line, sizeof(line)) &&
		   strstr(line, " r-xp ") && strchr(line, '/'),
	   "program text with its path");
	munmap(p, 2 * PG);
	ok(!maps_line(p, line, sizeof(line)), "munmap takes the line away");
	munmap(q, 3 * PG);
	close(fd);
	unlink("f");
}

/* Has the file's mtime moved? It is put back to second 1000. */
static bool was_timed(int fd)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct stat st;
	bool moved;

	must(fstat(fd, &st) == 0);
	moved = st.st_mtime != 1000;
	must(futimens(fd, old) == 0);
	return moved;
}

static char *child_writes;

static int write_child(void)
{
	*child_writes = 'c';
	return 0;
}

static void check_times(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int pipe_fds[2];
	char *p, *q;

	tap_group("times of a mapped file");
	must(fd >= 0 && ftruncate(fd, 2 * PG) == 0 && pipe(pipe_fds) == 0);
	p = map(2 * PG, RW, MAP_SHARED, fd);
	q = map(2 * PG, PROT_READ, MAP_SHARED, fd);
	must(p != MAP_FAILED && q != MAP_FAILED);
	was_timed(fd);
	is_int(p[0] + q[PG], 0, "reading");
	ok(!was_timed(fd), "sets none");
	p[0] = 1;
	ok(was_timed(fd), "the first write sets mtime");
	is_int(msync(p, 2 * PG, MS_SYNC), 0, "msync");
	ok(!was_timed(fd), "sets none");
	p[0]++;
	is_int(q[0], 2, "a write after it is seen");
	ok(was_timed(fd), "and sets mtime again");
	must(msync(p, 2 * PG, MS_SYNC) == 0);
	must(write(pipe_fds[1], "12345678", 8) == 8);
	is_int(read(pipe_fds[0], p + PG - 4, 8), 8, "read() into it");
	ok(memcmp(q + PG - 4, "12345678", 8) == 0 && was_timed(fd),
	   "sets mtime");
	must(mprotect(q, PG, RW) == 0);
	*q = 5;
	ok(*p == 5, "mprotect makes the other writable");
	must(msync(p, 2 * PG, MS_SYNC) == 0);
	was_timed(fd);
	child_writes = p;
	is_int(tap_child(write_child), 0, "a child");
	ok(*q == 'c' && was_timed(fd), "that writes sets mtime");
	p = mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE);
	must(p != MAP_FAILED && msync(p, 2 * PG, MS_SYNC) == 0);
	was_timed(fd);
	p[PG] = 'm';
	ok(q[PG] == 'm' && was_timed(fd), "after mremap, too");
	munmap(p, 4 * PG);
	munmap(q, 2 * PG);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(fd);
	unlink("f");
}

static int deep(int n)
{
	volatile char pad[2000];

	pad[0] = (char)n;
	return n ? deep(n - 1) + pad[0] : 0;
}

static int overflow_child(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	sigaltstack(&ss, NULL);
	if (sigsetjmp(fault_jmp, 1))
		return fault_sig == SIGSEGV ? 7 : 8;
	return deep(100 << 20);
}

static int limit_child(void)
{
	struct rlimit rl = { 1UL << 30, 1UL << 30 };

	must(setrlimit(RLIMIT_AS, &rl) == 0);
	must(map(1UL << 30, RW, ANON, -1) == MAP_FAILED && errno == ENOMEM);
	must(map(1UL << 20, RW, ANON, -1) != MAP_FAILED);
	return 0;
}

static void check_remap_file(void)
{
	size_t page = 4096;
	char *m = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	tap_group("remap_file_pages");
	must(m != MAP_FAILED);
	for (int i = 0; i < 4; i++)
		m[(size_t)i * page] = (char)('a' + i);
	is_int(syscall(SYS_remap_file_pages, m, page, 0, 2, 0), 0,
	       "shows another page");
	ok(m[0] == 'c' && m[page] == 'b', "only there");
	m[0] = 'x';
	ok(m[2 * page] == 'x', "the same page");
	is_int(syscall(SYS_remap_file_pages, m, page, 0, 0, MAP_NONBLOCK), 0,
	       "and back");
	ok(m[0] == 'a', "to what was there");
	is_errno(syscall(SYS_remap_file_pages, m, page, PROT_READ, 0, 0),
		 EINVAL, "a protection");
	is_errno(syscall(SYS_remap_file_pages, m, 0, 0, 0, 0), EINVAL,
		 "no length");
	is_errno(syscall(SYS_remap_file_pages, m, page, 0, -1L, 0), EINVAL,
		 "wraps");
	is_errno(syscall(SYS_remap_file_pages, m, -page, 0, 0, 0), EINVAL,
		 "more than is mapped");
	munmap(m + page, page);
	is_errno(syscall(SYS_remap_file_pages, m, 3 * page, 0, 0, 0), EINVAL,
		 "a hole");
	munmap(m, 4 * page);
	is_errno(syscall(SYS_remap_file_pages, m, page, 0, 0, 0), EINVAL,
		 "nothing there");
	m = mmap(NULL, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	is_errno(syscall(SYS_remap_file_pages, m, page, 0, 0, 0), EINVAL,
		 "private memory");
	munmap(m, page);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };

	tap_start();
	tap_dir();
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	check_anon();
	check_bad_maps();
	check_protect();
	check_mremap();
	check_madvise();
	check_holes();
	check_reserve();
	check_file();
	check_shared();
	check_maps();
	check_times();
	check_remap_file();
	tap_group("stack and limits");
	ok(deep(3000) != 1, "6 MiB of stack");
	is_int(tap_child(overflow_child), 7, "endless recursion is SIGSEGV");
	is_int(tap_child(limit_child), 0, "RLIMIT_AS");
	return tap_done();
}

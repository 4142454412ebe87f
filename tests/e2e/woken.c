/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in an instance that is suspended and resumed: private and shared memory
 * must keep what it holds, and be what Linux makes of it, whatever is done with
 * it after a wake. Each round has areas of its own, which are filled, slept
 * over and used; together they are so much that a checkpoint maps them. A line
 * each round, with the calls that went wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define LEN (64 * PAGE)
#define PART (16 * PAGE) /* [PART, 3 * PART): the middle */

typedef unsigned char byte;

static int is_all(const byte *p, int value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return 0;
	return 1;
}

static byte *memory(size_t len)
{
	byte *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What fill() leaves. */
static byte value_at(size_t i)
{
	return (byte)(1 + i / PAGE * 3 % 200 + i % 7);
}

static void fill(byte *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = value_at(i);
}

static int is_filled(const byte *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (p[i] != value_at(i))
			return 0;
	return 1;
}

/* Does the condition hold in a child? */
static int in_child(int (*check)(byte *p), byte *p)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!check(p));
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int is_kept(byte *p)
{
	return is_filled(p, 0, LEN);
}

static int is_zero(byte *p)
{
	return is_all(p, 0, LEN);
}

/* Each is given LEN bytes that were filled before a sleep: 1 if all is well. */

static int give_up(byte *p)
{
	return !madvise(p, LEN, MADV_DONTNEED) && is_zero(p);
}

static int give_up_middle(byte *p)
{
	return !madvise(p + PART, 2 * PART, MADV_DONTNEED) &&
	       is_filled(p, 0, PART) && is_all(p + PART, 0, 2 * PART) &&
	       is_filled(p, 3 * PART, LEN);
}

static int set_free(byte *p)
{
	if (madvise(p, LEN, MADV_FREE))
		return 0;
	fill(p, LEN);
	return is_kept(p);
}

static int grow(byte *p)
{
	byte *q = mremap(p, LEN, 2 * LEN, MREMAP_MAYMOVE);
	int ok = q != MAP_FAILED && is_kept(q) && is_all(q + LEN, 0, LEN);

	return ok && !madvise(q, LEN, MADV_DONTNEED) && is_zero(q) &&
	       !munmap(q + LEN, LEN) && mremap(q, LEN, LEN, 0) == q;
}

static int shrink_and_grow(byte *p)
{
	byte *q = mremap(p, LEN, PART, 0);

	if (q != p)
		return 0;
	q = mremap(p, PART, LEN, MREMAP_MAYMOVE);
	return q != MAP_FAILED && is_filled(q, 0, PART) &&
	       is_all(q + PART, 0, LEN - PART);
}

static int move_middle(byte *p)
{
	byte *to = memory(LEN), *q;

	q = mremap(p + PART, 2 * PART, 2 * PART, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to + PART);
	return q == to + PART && is_filled(to, PART, 3 * PART) &&
	       is_all(to, 0, PART) && is_filled(p, 0, PART) &&
	       !madvise(to, LEN, MADV_DONTNEED) && is_zero(to) &&
	       !munmap(to, LEN);
}

static int move_and_leave(byte *p)
{
	byte *q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	return q != MAP_FAILED && is_kept(q) && is_zero(p) && !munmap(q, LEN);
}

static int wipe_on_fork(byte *p)
{
	return !madvise(p, LEN, MADV_WIPEONFORK) && in_child(is_zero, p) &&
	       is_kept(p) && !madvise(p, LEN, MADV_KEEPONFORK) &&
	       in_child(is_kept, p);
}

static int is_absent(byte *p)
{
	return msync(p + PART, PART, MS_ASYNC) == -1 && errno == ENOMEM &&
	       is_filled(p, 0, PART);
}

static int leave_out(byte *p)
{
	return !madvise(p + PART, PART, MADV_DONTFORK) &&
	       in_child(is_absent, p) && is_kept(p);
}

static int fork_and_give_up(byte *p)
{
	return in_child(is_kept, p) && in_child(give_up, p) && is_kept(p);
}

static int protect(byte *p)
{
	if (mprotect(p + PART, PART, PROT_READ) ||
	    mprotect(p + 2 * PART, PART, PROT_NONE) ||
	    !is_filled(p, 0, 2 * PART) ||
	    mprotect(p + PART, 2 * PART, PROT_READ | PROT_WRITE) || !is_kept(p))
		return 0;
	memset(p + PART, 9, PART);
	return is_filled(p, 0, PART) && is_all(p + PART, 9, PART) &&
	       is_filled(p, 2 * PART, LEN);
}

static int replace(byte *p)
{
	if (munmap(p + PART, PART) ||
	    mmap(p + PART, PART, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p + PART)
		return 0;
	return is_filled(p, 0, PART) && is_all(p + PART, 0, PART) &&
	       is_filled(p, 2 * PART, LEN);
}

static int is_resident(byte *p)
{
	byte vec[LEN / PAGE];

	/* A part first: what is behind it is woken memory, too. */
	return !mincore(p, PART, vec) && is_all(vec, 1, PART / PAGE) &&
	       !mincore(p, LEN, vec) && is_all(vec, 1, sizeof(vec)) &&
	       is_kept(p);
}

static int copy_out(byte *p)
{
	static byte copy[LEN];
	struct iovec to = { copy, LEN }, from = { p, LEN };
	int fd = open("/proc/self/mem", O_RDONLY);
	int ok = process_vm_readv(getpid(), &to, 1, &from, 1, 0) == LEN &&
		 is_kept(copy);

	memset(copy, 0, LEN);
	ok = ok && pread(fd, copy, LEN, (off_t)(uintptr_t)p) == LEN &&
	     is_kept(copy);
	close(fd);
	return ok;
}

/* By system calls, from the area and to it. */
static int pass_through(byte *p)
{
	int ends[2], ok;

	if (pipe(ends))
		return 0;
	ok = write(ends[1], p + PART, PART) == PART &&
	     read(ends[0], p + 2 * PART, PART) == PART &&
	     memcmp(p + PART, p + 2 * PART, PART) == 0 &&
	     is_filled(p, 0, 2 * PART) && is_filled(p, 3 * PART, LEN);
	close(ends[0]);
	close(ends[1]);
	return ok;
}

static int write_some(byte *p)
{
	for (size_t i = 5; i < LEN; i += 3 * PAGE)
		p[i] ^= 1;
	for (size_t i = 0; i < LEN; i++)
		if (p[i] != (value_at(i) ^ (i % (3 * PAGE) == 5)))
			return 0;
	return 1;
}

static const struct {
	const char *name;
	int (*use)(byte *p);
} calls[] = {
	{ "kept", is_kept },
	{ "DONTNEED", give_up },
	{ "DONTNEED, a part", give_up_middle },
	{ "FREE", set_free },
	{ "mremap: growth", grow },
	{ "mremap: back and forth", shrink_and_grow },
	{ "mremap: move", move_middle },
	{ "mremap: DONTUNMAP", move_and_leave },
	{ "WIPEONFORK", wipe_on_fork },
	{ "DONTFORK", leave_out },
	{ "fork", fork_and_give_up },
	{ "mprotect", protect },
	{ "munmap, mmap", replace },
	{ "mincore", is_resident },
	{ "process_vm_readv", copy_out },
	{ "write, read", pass_through },
	{ "writes", write_some },
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

/* --- Shared memory, which a wake may leave in the checkpoint: LEN bytes of the
 * file fd are at p. */

static byte *shared(int fd)
{
	byte *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int keeps(byte *p, int fd)
{
	return is_kept(p) && fd >= 0;
}

static int is_in_file(byte *p, int fd)
{
	static byte file[LEN];

	return pread(fd, file, LEN, 0) == LEN && is_filled(file, 0, LEN) &&
	       is_kept(p);
}

static int change_some(byte *p)
{
	memset(p + PART, 9, 5);
	return is_filled(p, PART + 5, LEN);
}

static int is_one_memory(byte *p, int fd)
{
	byte *other = shared(fd);

	return in_child(change_some, p) && is_all(p + PART, 9, 5) &&
	       is_all(other + PART, 9, 5) && is_filled(p, 0, PART) &&
	       is_filled(other, PART + 5, LEN) && !munmap(other, LEN);
}

static int write_part(byte *p, int fd)
{
	byte nine[8];

	memset(nine, 9, 8);
	return pwrite(fd, nine, 8, (off_t)(2 * PART + 100)) == 8 &&
	       is_filled(p, 0, 2 * PART + 100) &&
	       is_all(p + 2 * PART + 100, 9, 8) &&
	       is_filled(p, 2 * PART + 108, LEN);
}

static int punch(byte *p, int fd)
{
	return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE,
			  (off_t)(2 * PART)) &&
	       is_filled(p, 0, PAGE) && is_all(p + PAGE, 0, 2 * PART) &&
	       is_filled(p, 2 * PART + PAGE, LEN);
}

static int cut_and_grow(byte *p, int fd)
{
	return !ftruncate(fd, PART + 100) && !ftruncate(fd, LEN) &&
	       is_filled(p, 0, PART + 100) &&
	       is_all(p + PART + 100, 0, LEN - PART - 100);
}

static int move_shared(byte *p, int fd)
{
	byte *to = memory(LEN), *q;

	q = mremap(p + PART, PART, 2 * PART, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return q == to && is_all(q, value_at(PART), 1) &&
	       memcmp(q + 1, shared(fd) + PART + 1, 2 * PART - 1) == 0 &&
	       is_filled(p, 0, PART) && !munmap(to, LEN);
}

static int protect_shared(byte *p, int fd)
{
	if (mprotect(p + PART, PART, PROT_NONE) ||
	    mprotect(p + PART, PART, PROT_READ) || !keeps(p, fd) ||
	    mprotect(p, LEN, PROT_READ | PROT_WRITE))
		return 0;
	memset(p + PART + 7, 9, PART);
	return is_filled(p, 0, PART + 7) && is_all(p + PART + 7, 9, PART) &&
	       is_filled(p, 2 * PART + 7, LEN);
}

static int give_up_shared(byte *p, int fd)
{
	return !madvise(p, LEN, MADV_DONTNEED) && keeps(p, fd) &&
	       !madvise(p + PART, PART, MADV_REMOVE) && is_filled(p, 0, PART) &&
	       is_all(p + PART, 0, PART) && is_filled(p, 2 * PART, LEN);
}

static int map_privately(byte *p, int fd)
{
	byte *own = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (own == MAP_FAILED || !is_kept(own))
		return 0;
	memset(own, 9, LEN);
	return is_kept(p) && is_all(own, 9, LEN) && !munmap(own, LEN);
}

static int copy_shared(byte *p, int fd)
{
	return fd >= 0 && copy_out(p) && pass_through(p);
}

static const struct {
	const char *name;
	int (*use)(byte *p, int fd);
} shared_calls[] = {
	{ "shared: kept", keeps },
	{ "shared: file", is_in_file },
	{ "shared: one memory", is_one_memory },
	{ "shared: pwrite", write_part },
	{ "shared: hole", punch },
	{ "shared: ftruncate", cut_and_grow },
	{ "shared: mremap", move_shared },
	{ "shared: mprotect", protect_shared },
	{ "shared: DONTNEED, REMOVE", give_up_shared },
	{ "shared: private mapping", map_privately },
	{ "shared: copies", copy_shared },
};
#define NSHARED (sizeof(shared_calls) / sizeof(shared_calls[0]))

static void make_shared(int *fd, byte **p)
{
	*fd = memfd_create("shared", 0);
	*p = ftruncate(*fd, LEN) ? NULL : shared(*fd);
	fill(*p, LEN);
}

/* To the outside, out of memory that nobody has touched since the wake: an
 * empty line. */
static int say(byte *p)
{
	return write(1, p + PART, 1) == 1 && is_all(p, '\n', LEN);
}

static void use_shared(size_t i, int fd, byte *p)
{
	if (!shared_calls[i].use(p, fd))
		printf(" [%s]", shared_calls[i].name);
	munmap(p, LEN);
	close(fd);
}

/* The program's own file and one of the page cache, changed and given back. */
static int is_given_back(byte *p, int fd)
{
	static byte file[LEN];

	return pread(fd, file, LEN, 0) == LEN && is_kept(p) &&
	       !madvise(p, LEN, MADV_DONTNEED) && memcmp(p, file, LEN) == 0;
}

static byte *map_file(int fd)
{
	byte *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	fill(p, LEN);
	return p;
}

static int cache_file(void)
{
	static byte bytes[LEN];
	int fd = memfd_create("file", 0);

	memset(bytes, 77, LEN);
	return write(fd, bytes, LEN) == LEN ? fd : -1;
}

/* The heap's end moves over what was woken. */
static int move_break(byte *heap)
{
	byte *end = heap + LEN;

	return is_kept(heap) && sbrk(PART) == end && is_all(end, 0, PART) &&
	       sbrk(-(intptr_t)(PART + LEN / 2)) == end + PART &&
	       sbrk(LEN / 2) == heap + LEN / 2 && is_filled(heap, 0, LEN / 2) &&
	       is_all(heap + LEN / 2, 0, LEN / 2);
}

int main(void)
{
	byte *untouched = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	byte *kept = memory(LEN), *wiped = memory(LEN), *heap = sbrk(LEN);
	int own = open("/proc/self/exe", O_RDONLY), cache = cache_file();
	static char line[4096];

	setvbuf(stdout, line, _IOFBF,
		sizeof(line)); /* no malloc: brk is ours */
	fill(untouched, LEN);
	fill(kept, LEN);
	fill(wiped, LEN);
	if (madvise(wiped, LEN, MADV_WIPEONFORK) || own < 0 || cache < 0)
		return 1;
	for (int round = 1;; round++) {
		byte *areas[NCALLS], *ours[NSHARED], *of_own = map_file(own);
		int fds[NSHARED], lines_fd;
		byte *lines;
		byte *of_cache = map_file(cache);

		for (size_t i = 0; i < NCALLS; i++) {
			areas[i] = memory(LEN);
			fill(areas[i], LEN);
		}
		for (size_t i = 0; i < NSHARED; i++)
			make_shared(&fds[i], &ours[i]);
		make_shared(&lines_fd, &lines);
		memset(lines, '\n', LEN);
		fill(heap, LEN);
		usleep(60000);
		if (!say(lines))
			printf("[outside] ");
		munmap(lines, LEN);
		close(lines_fd);
		printf("round %d", round);
		for (size_t i = 0; i < NCALLS; i++) {
			if (!calls[i].use(areas[i]))
				printf(" [%s]", calls[i].name);
			munmap(areas[i], LEN);
		}
		for (size_t i = 0; i < NSHARED; i++)
			use_shared(i, fds[i], ours[i]);
		if (round % 64 == 63 && !is_kept(untouched))
			printf(" [untouched]");
		if (!is_given_back(of_own, own))
			printf(" [own file]");
		if (!is_given_back(of_cache, cache))
			printf(" [file]");
		if (!move_break(heap))
			printf(" [brk]");
		if (!is_kept(kept) || !is_kept(wiped) ||
		    !in_child(is_zero, wiped) || !in_child(is_kept, kept))
			printf(" [old]");
		printf("\n");
		fflush(stdout);
		munmap(of_own, LEN);
		munmap(of_cache, LEN);
	}
}

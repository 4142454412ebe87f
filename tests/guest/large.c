// SPDX-License-Identifier: Apache-2.0
/* Large private mappings, which a machine may keep in pages of 2 MiB: what is
 * done to parts of them, copies by fork, moves, and what the kernel reads and
 * writes there. Each word holds its own number, so nothing can be mixed up. */
#include <sys/mman.h>
#include <sys/uio.h>

#include "tap.h"

#define MIB 1048576UL
#define BLOCK (2 * MIB)
#define PAGE 4096UL
#define SIZE (12 * MIB)
#define STEP (PAGE / sizeof(uint64_t)) /* one word of each page */
#define WORDS (SIZE / sizeof(uint64_t))

/* SIZE bytes on a boundary of 2 MiB. */
static uint64_t *get(void)
{
	char *p = mmap(NULL, SIZE + BLOCK, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)p + BLOCK - 1) & ~(BLOCK - 1));

	must(p != MAP_FAILED);
	if (at > p)
		must(munmap(p, (size_t)(at - p)) == 0);
	must(munmap(at + SIZE, (size_t)(p + BLOCK - at)) == 0);
	return (uint64_t *)at;
}

static void fill(uint64_t *p, uint64_t from, uint64_t to, uint64_t with)
{
	for (uint64_t i = from; i < to; i += STEP)
		p[i] = with + i;
}

/* Words of [from, to) that are not with + i; 0 is "all zero" for with ~0. */
static int wrong(const uint64_t *p, uint64_t from, uint64_t to, uint64_t with)
{
	int n = 0;

	for (uint64_t i = from; i < to; i += STEP)
		n += p[i] != (with == ~0UL ? 0 : with + i);
	return n;
}

#define W(bytes) ((bytes) / sizeof(uint64_t))

static void check_parts(void)
{
	uint64_t *p = get();
	char *c = (char *)p;
	unsigned char vec[1];

	tap_group("parts");
	fill(p, 0, WORDS, 1);
	is_int(wrong(p, 0, WORDS, 1), 0, "all there");
	is_int(wrong(p + 1, 0, WORDS - STEP, ~0UL), 0, "zero beside it");
	is_int(mincore(c + 3 * PAGE, PAGE, vec) ? -1 : vec[0] & 1, 1,
	       "resident");
	must(mprotect(c + BLOCK + 8 * PAGE, 2 * PAGE, PROT_READ) == 0);
	is_int(wrong(p, 0, WORDS, 1), 0, "after a part may only be read");
	must(mprotect(c, 2 * BLOCK, PROT_NONE) == 0);
	must(mprotect(c, 2 * BLOCK, PROT_READ | PROT_WRITE) == 0);
	is_int(wrong(p, 0, WORDS, 1), 0, "and hidden, and shown");
	fill(p, 0, WORDS, 2);
	must(madvise(c + 2 * BLOCK + 5 * PAGE, 7 * PAGE, MADV_DONTNEED) == 0);
	is_int(wrong(p, W(2 * BLOCK + 5 * PAGE), W(2 * BLOCK + 12 * PAGE),
		     ~0UL),
	       0, "a part that was dropped");
	is_int(wrong(p, 0, W(2 * BLOCK + 5 * PAGE), 2) +
		       wrong(p, W(2 * BLOCK + 12 * PAGE), WORDS, 2),
	       0, "not the rest");
	must(munmap(c + 3 * BLOCK + PAGE, PAGE) == 0);
	is_int(wrong(p, W(3 * BLOCK), W(3 * BLOCK + PAGE), 2) +
		       wrong(p, W(3 * BLOCK + 2 * PAGE), WORDS, 2),
	       0, "around a hole");
	must(mmap(c + 3 * BLOCK, BLOCK, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == c + 3 * BLOCK);
	is_int(wrong(p, W(3 * BLOCK), W(4 * BLOCK), ~0UL), 0, "mapped anew");
	fill(p, W(3 * BLOCK), W(4 * BLOCK), 3);
	is_int(wrong(p, W(3 * BLOCK), W(4 * BLOCK), 3), 0, "and filled");
	must(munmap(p, SIZE) == 0);
}

static void check_move(void)
{
	uint64_t *p = get(), *q = get();
	char *to = (char *)q;

	tap_group("moves");
	fill(p, 0, WORDS, 4);
	must(mremap(p, 2 * BLOCK, 2 * BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED,
		    to) == to);
	is_int(wrong(q, 0, W(2 * BLOCK), 4), 0, "to a boundary");
	fill(p, W(2 * BLOCK), W(4 * BLOCK), 5 - W(2 * BLOCK));
	must(mremap((char *)p + 2 * BLOCK, BLOCK + 3 * PAGE, BLOCK + 3 * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
	is_int(wrong((uint64_t *)(to + PAGE), 0, W(BLOCK + 3 * PAGE), 5), 0,
	       "to elsewhere");
	is_int(wrong(q, 0, W(PAGE), 4) +
		       wrong(q, W(BLOCK + 4 * PAGE), W(2 * BLOCK), 4),
	       0, "what was beside it");
	munmap(p, SIZE);
	munmap(q, SIZE);
}

static void check_fork(void)
{
	uint64_t *p = get();
	int pipes[2], status = 0;
	char byte = 0;
	pid_t pid;

	tap_group("copies");
	must(pipe(pipes) == 0);
	fill(p, 0, WORDS, 6);
	pid = tap_fork();
	if (pid == 0) {
		int n = wrong(p, 0, WORDS, 6);

		fill(p, W(BLOCK), W(2 * BLOCK), 7);
		p[W(4 * BLOCK + 17 * PAGE)] = 1;
		munmap((char *)p + 3 * BLOCK + 9 * PAGE, PAGE);
		must(read(pipes[0], &byte, 1) == 1);
		/* the parent has written meanwhile */
		n += wrong(p, 0, W(BLOCK), 6);
		n += wrong(p, W(BLOCK), W(2 * BLOCK), 7);
		n += wrong(p, W(2 * BLOCK), W(3 * BLOCK + 9 * PAGE), 6);
		n += wrong(p, W(5 * BLOCK), WORDS, 6);
		_exit(n != 0);
	}
	fill(p, 0, W(BLOCK / 2), 8);
	p[W(5 * BLOCK)] = 9;
	must(write(pipes[1], &byte, 1) == 1);
	must(waitpid(pid, &status, 0) == pid);
	is_int(status, 0, "the child's");
	is_int(p[W(5 * BLOCK)], 9, "a word of the parent's");
	p[W(5 * BLOCK)] = 6 + W(5 * BLOCK);
	is_int(wrong(p, 0, W(BLOCK / 2), 8) + wrong(p, W(BLOCK / 2), WORDS, 6),
	       0, "the parent's");
	munmap(p, SIZE);
	close(pipes[0]);
	close(pipes[1]);
}

/* The kernel copies to and from it across the edges of pages and blocks. */
static void check_kernel(void)
{
	uint64_t *p = get();
	char *c = (char *)p;
	struct iovec iov = { c + BLOCK - PAGE - 9, 2 * PAGE + 21 };
	int fd = memfd_create("m", 0);

	tap_group("the kernel's");
	must(fd >= 0);
	fill(p, 0, WORDS, 10);
	memset(iov.iov_base, 'x', iov.iov_len);
	is_int(writev(fd, &iov, 1), iov.iov_len, "written");
	memset(iov.iov_base, 0, iov.iov_len);
	is_int(preadv(fd, &iov, 1, 0), iov.iov_len, "read");
	is_int(c[BLOCK - PAGE - 9] == 'x' && c[BLOCK] == 'x' &&
		       c[BLOCK + PAGE + 11] == 'x' &&
		       c[BLOCK - PAGE - 10] != 'x',
	       1, "in the right place");
	is_int(wrong(p, W(BLOCK + 2 * PAGE), WORDS, 10), 0, "and nowhere else");
	is_int(madvise(p, SIZE, MADV_NOHUGEPAGE), 0, "small pages asked for");
	is_int(madvise(p, SIZE, MADV_HUGEPAGE), 0, "large pages asked for");
	is_int(wrong(p, W(BLOCK + 2 * PAGE), WORDS, 10), 0, "no change");
	munmap(p, SIZE);
	close(fd);
}

int main(void)
{
	tap_start();
	check_parts();
	check_move();
	check_fork();
	check_kernel();
	return tap_done();
}

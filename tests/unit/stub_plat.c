/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform for unit tests: the kernel's heap and page cache as real host
 * mappings at their real addresses, user memory by host mmap in the test's own
 * process, waiting by host futex. Counts what was given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "kernel/plat/plat.h"
#include "tests/unit/stub_plat.h"

struct stub_plat stub_plat;

static void die(const char *what)
{
	perror(what);
	abort();
}

static void map_at(u64 addr, u64 size, int flags, int fd)
{
	void *p = mmap((void *)addr, size, PROT_READ | PROT_WRITE,
		       flags | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);

	if (p != (void *)addr)
		die("stub_plat: mmap of a kernel range");
	/* The sanitizer's and the host's core dumps need none of it. */
	madvise(p, size, MADV_DONTDUMP);
}

void stub_plat_start(void)
{
	map_at(KERNEL_HEAP_BASE, KERNEL_HEAP_SIZE, MAP_PRIVATE | MAP_ANONYMOUS,
	       -1);
	stub_plat.cache_fd = memfd_create("cache", MFD_CLOEXEC);
	stub_plat.image_fd = memfd_create("image", MFD_CLOEXEC);
	if (stub_plat.cache_fd < 0 || stub_plat.image_fd < 0 ||
	    ftruncate(stub_plat.cache_fd, (off_t)KERNEL_CACHE_SIZE) ||
	    ftruncate(stub_plat.image_fd, STUB_IMAGE_SIZE))
		die("stub_plat: memfd");
	map_at(KERNEL_CACHE_BASE, KERNEL_CACHE_SIZE, MAP_SHARED,
	       stub_plat.cache_fd);
	map_at(KERNEL_IMAGE_BASE, STUB_IMAGE_SIZE, MAP_SHARED,
	       stub_plat.image_fd);
	for (u64 i = 0; i < STUB_IMAGE_SIZE / 8; i++)
		((u64 *)KERNEL_IMAGE_BASE)[i] = i * 0x9e3779b97f4a7c15UL;
}

/* --- User memory
 * ---------------------------------------------------------------- */

static int result(long ret)
{
	return ret < 0 ? -errno : 0;
}

int plat_map(uaddr_t addr, u64 len, int prot, enum plat_backing backing,
	     u64 offset)
{
	int flags = MAP_FIXED | MAP_NORESERVE;
	int fd = -1;
	void *p;

	switch (backing) {
	case PLAT_ANON:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		offset = 0;
		break;
	case PLAT_CACHE:
		flags |= MAP_SHARED;
		fd = stub_plat.cache_fd;
		break;
	case PLAT_CACHE_COW:
		flags |= MAP_PRIVATE;
		fd = stub_plat.cache_fd;
		break;
	case PLAT_IMAGE:
		flags |= MAP_PRIVATE;
		fd = stub_plat.image_fd;
		break;
	}
	stub_plat.nmaps++;
	p = mmap((void *)addr, len, prot, flags, fd, (off_t)offset);
	return p == (void *)addr ? 0 : -errno;
}

/* The test program and the sanitizer live in the "user" range, too. */
#define OWN_START 0x500000000000UL
#define OWN_END 0x700000000000UL

int plat_unmap(uaddr_t addr, u64 len)
{
	if (addr == USER_START && len == USER_END - USER_START)
		return result(munmap((void *)STUB_USER_START,
				     OWN_START - STUB_USER_START) |
			      munmap((void *)OWN_END, USER_END - OWN_END));
	return result(munmap((void *)addr, len));
}

void plat_image_forget(void)
{
}

int plat_protect(uaddr_t addr, u64 len, int prot)
{
	return result(mprotect((void *)addr, len, prot));
}

int plat_move(uaddr_t from, u64 len, uaddr_t to, u64 new_len)
{
	void *p = mremap((void *)from, len, new_len,
			 MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);

	return p == (void *)to ? 0 : -errno;
}

int plat_advise(uaddr_t addr, u64 len, enum plat_advice advice)
{
	static const int host[] = {
		[PLAT_DONTNEED] = MADV_DONTNEED,
		[PLAT_FREE] = MADV_FREE,
		[PLAT_HUGE] = MADV_HUGEPAGE,
		[PLAT_NOHUGE] = MADV_NOHUGEPAGE,
		[PLAT_WIPEONFORK] = MADV_WIPEONFORK,
		[PLAT_KEEPONFORK] = MADV_KEEPONFORK,
		[PLAT_DONTFORK] = MADV_DONTFORK,
		[PLAT_DOFORK] = MADV_DOFORK,
		[PLAT_WILLNEED] = MADV_WILLNEED,
	};

	return result(madvise((void *)addr, len, host[advice]));
}

/* Nothing here was woken. */
bool plat_cache_is_left(void)
{
	return false;
}

bool plat_memory_short(UNUSED u64 bytes)
{
	return false;
}

bool plat_woken_part(UNUSED uaddr_t *start, UNUSED uaddr_t *end)
{
	return false;
}

int plat_woken_settle(UNUSED uaddr_t addr, UNUSED u64 len, UNUSED int prot)
{
	return 0;
}

int plat_resident(uaddr_t addr, u64 npages, u8 *vec)
{
	return result(mincore((void *)addr, npages * PAGE_SIZE, vec));
}

void plat_kernel_populate(void *addr, u64 len)
{
	(void)addr;
	(void)len;
}

void plat_kernel_hot(void *addr)
{
	(void)addr;
}

void plat_kernel_discard(void *addr, u64 len)
{
	u64 a = (u64)addr;

	stub_plat.discarded += len;
	if (a >= KERNEL_CACHE_BASE) {
		if (fallocate(stub_plat.cache_fd,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(a - KERNEL_CACHE_BASE), (off_t)len))
			die("stub_plat: punch");
	} else if (madvise(addr, len, MADV_DONTNEED)) {
		die("stub_plat: discard");
	}
}

u64 plat_space_rss(struct plat_space *space)
{
	(void)space;
	return 0;
}

/* --- Waiting, entropy, end
 * ---------------------------------------------------------- */

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	(void)deadline;
	syscall(SYS_futex, addr, FUTEX_WAIT, value, NULL, NULL, 0);
	return 0;
}

void plat_wake(u32 *addr, u32 n)
{
	syscall(SYS_futex, addr, FUTEX_WAKE, n > 0x7fffffff ? 0x7fffffff : n,
		NULL, NULL, 0);
}

void plat_yield(void)
{
	syscall(SYS_sched_yield);
}

void plat_entropy(void *buf, size_t n)
{
	if (getrandom(buf, n, 0) != (ssize_t)n)
		die("stub_plat: getrandom");
}

nsec_t plat_clock(enum plat_clock clock)
{
	struct timespec ts;

	clock_gettime(clock == PLAT_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC,
		      &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

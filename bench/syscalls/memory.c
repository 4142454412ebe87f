/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: here the host has to be asked, so the bar is to come close.
 */
#include "bench/syscalls/bench.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *area;

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static bool map_area(void)
{
	area = map(65536);
	area[0] = 1;
	return true;
}

static void unmap_area(void)
{
	munmap(area, 65536);
}

static void op_mmap(void)
{
	munmap(map(65536), 65536);
}

static void op_mmap_touch(void)
{
	char *p = map(65536);

	for (int i = 0; i < 65536; i += 4096)
		p[i] = 1;
	munmap(p, 65536);
}

static void op_mmap_file(void)
{
	volatile char *p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, file_fd, 0);

	MUST(p != MAP_FAILED);
	for (int i = 0; i < 65536; i += 4096)
		(void)p[i];
	munmap((void *)(size_t)p, 65536);
}

static void op_mprotect(void)
{
	MUST(mprotect(area, 65536, PROT_READ) == 0);
	MUST(mprotect(area, 65536, PROT_READ | PROT_WRITE) == 0);
}

/* The page goes and comes back: one fault. */
static void op_madvise_fault(void)
{
	MUST(madvise(area, 4096, MADV_DONTNEED) == 0);
	*(volatile char *)area = 1;
}

static void op_brk(void)
{
	char *end = sbrk(0);

	MUST(brk(end + 65536) == 0 && brk(end) == 0);
}

static void op_mincore(void)
{
	unsigned char vec[16];

	MUST(mincore(area, 65536, vec) == 0);
}

static void op_msync(void)
{
	MUST(msync(area, 65536, MS_ASYNC) == 0);
}

static void op_shm(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	char *p = shmat(id, NULL, 0);

	MUST(p != (char *)-1);
	MUST(shmdt(p) == 0 && shmctl(id, IPC_RMID, NULL) == 0);
}

const struct bench memory_benches[] = {
	{ "mmap_munmap_64k", op_mmap, NULL, NULL },
	{ "mmap_touch_64k", op_mmap_touch, NULL, NULL },
	{ "mmap_file_touch_64k", op_mmap_file, NULL, NULL },
	{ "mprotect_2", op_mprotect, map_area, unmap_area },
	{ "madvise_fault", op_madvise_fault, map_area, unmap_area },
	{ "brk_2", op_brk, NULL, NULL },
	{ "mincore", op_mincore, map_area, unmap_area },
	{ "msync", op_msync, map_area, unmap_area },
	{ "shm_get_at_dt_rm", op_shm, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};

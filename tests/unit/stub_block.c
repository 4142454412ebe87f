/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory, and what the journal needs of the kernel, by the C library:
 * so the sanitizers see every object.
 */
#include "tests/unit/stub_block.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"

struct thread *unit_current;

/* --- The disk ------------------------------------------------------------ */

static int transfer(struct stub_disk *d, const struct plat_block_io *io)
{
	u8 *at = d->data + io->offset;

	if (io->op == PLAT_BLOCK_DISCARD)
		memset(at, 0, io->len);
	if (io->op != PLAT_BLOCK_READ && io->op != PLAT_BLOCK_WRITE)
		return 0;
	for (u32 i = 0; i < io->niov; at += io->iov[i++].len) {
		if (io->op == PLAT_BLOCK_READ)
			memcpy((void *)io->iov[i].base, at, io->iov[i].len);
		else
			memcpy(at, (const void *)io->iov[i].base,
			       io->iov[i].len);
	}
	return 0;
}

static void disk_submit(struct block_device *b, struct plat_block_io *io)
{
	io->result = transfer(b->data, io);
	io->done(io);
}

static u64 disk_size(struct block_device *b)
{
	return ((struct stub_disk *)b->data)->size;
}

static const struct block_ops disk_ops = { .submit = disk_submit,
					   .size = disk_size };

void stub_disk_init(struct stub_disk *d, u64 size)
{
	memset(d, 0, sizeof(*d));
	d->device.ops = &disk_ops;
	d->device.data = d;
	d->size = size;
	d->data = calloc(1, size);
	if (!d->data)
		abort();
}

static void file_io(const char *path, const char *mode, struct stub_disk *d)
{
	FILE *f = fopen(path, mode);
	struct stat st;
	size_t n;

	if (!f || fstat(fileno(f), &st)) {
		perror(path);
		abort();
	}
	if (*mode == 'r') {
		stub_disk_init(d, (u64)st.st_size);
		n = fread(d->data, 1, d->size, f);
	} else {
		n = fwrite(d->data, 1, d->size, f);
	}
	if (n != d->size || fclose(f)) {
		perror(path);
		abort();
	}
}

void stub_disk_load(struct stub_disk *d, const char *path)
{
	file_io(path, "r", d);
}

void stub_disk_save(const struct stub_disk *d, const char *path)
{
	struct stub_disk copy = *d;

	file_io(path, "w", &copy);
}

void stub_disk_fini(struct stub_disk *d)
{
	free(d->data);
	free(d->device.reserved);
	d->data = NULL;
}

u32 plat_block_count(void)
{
	return 0;
}

int plat_block_info(u32 device, struct plat_block_info *info)
{
	(void)device;
	(void)info;
	return -ENODEV;
}

void plat_block_submit(struct plat_block_io *io)
{
	(void)io;
	abort();
}

/* --- Memory, the log, waiting -------------------------------------------- */

void *krealloc(void *p, size_t size)
{
	return realloc(p, size);
}

void *kpages_alloc(size_t npages)
{
	return aligned_alloc(PAGE_SIZE, npages * PAGE_SIZE);
}

void kpages_free(void *p, size_t npages)
{
	(void)npages;
	free(p);
}

nsec_t plat_clock(enum plat_clock clock)
{
	struct timespec ts;

	clock_gettime(clock == PLAT_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC,
		      &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	struct timespec ts = { deadline / NSEC_PER_SEC,
			       deadline % NSEC_PER_SEC };

	syscall(SYS_futex, addr, FUTEX_WAIT_BITSET, value,
		deadline == NSEC_MAX ? NULL : &ts, NULL, ~0U);
	return 0;
}

void plat_wake(u32 *addr, u32 n)
{
	syscall(SYS_futex, addr, FUTEX_WAKE, n > 1 ? INT32_MAX : 1);
}

struct start {
	void (*fn)(void *arg);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	s.fn(s.arg);
	return NULL;
}

int kernel_thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct start *s = malloc(sizeof(*s));
	pthread_t t;

	(void)name;
	if (!s)
		return -ENOMEM;
	*s = (struct start){ fn, arg };
	if (pthread_create(&t, NULL, thread_main, s)) {
		free(s);
		return -EAGAIN;
	}
	pthread_detach(t);
	return 0;
}

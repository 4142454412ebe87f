/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading checkpoints: what is read is the memory that was written,
 * small, and whatever is wrong with a file is found and called by its name. The
 * test is its own "host process"; what the host would say of its mappings is
 * said here.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/broker.h"
#include "host/crc32c.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define AREA_PAGES 200
#define MANY_PAGES 2100 /* behind those */
#define AREA_SIZE ((AREA_PAGES + MANY_PAGES) * PAGE_SIZE)

/* The area in the test's memory, and what is said of it. */
static uint8_t *area;
static struct checkpoint_vma vmas[8];
static struct checkpoint_range ranges[16];
static size_t nvmas, nranges;
static const struct checkpoint *woken_from;
static int nparked; /* entries of it that no process was made of */

int checkpoint_read_maps(UNUSED const struct checkpoint_out *out,
			 UNUSED pid_t pid, struct checkpoint_array *to)
{
	memcpy(checkpoint_add(to, sizeof(vmas[0]), nvmas), vmas,
	       nvmas * sizeof(vmas[0]));
	return 0;
}

int checkpoint_read_private(UNUSED const struct checkpoint_out *out,
			    UNUSED pid_t pid,
			    UNUSED const struct checkpoint_array *of,
			    struct checkpoint_array *to)
{
	memcpy(checkpoint_add(to, sizeof(ranges[0]), nranges), ranges,
	       nranges * sizeof(ranges[0]));
	return 0;
}

static void add_vma(unsigned int page, unsigned int n, uint32_t backing)
{
	vmas[nvmas++] = (struct checkpoint_vma){
		.start = (uint64_t)(uintptr_t)area + page * PAGE_SIZE,
		.len = n * PAGE_SIZE,
		.prot = PROT_READ | PROT_WRITE,
		.backing = backing,
	};
}

static void add_private(unsigned int page, unsigned int n)
{
	uint64_t start = (uint64_t)(uintptr_t)area + page * PAGE_SIZE;

	ranges[nranges++] =
		(struct checkpoint_range){ start, start + n * PAGE_SIZE };
}

static void fill(unsigned int page, unsigned int n, uint8_t salt)
{
	for (unsigned int i = page; i < page + n; i++)
		memset(area + i * PAGE_SIZE, (int)((i + salt) % 250 + 1),
		       PAGE_SIZE);
}

static int setup(void **state)
{
	/* Where programs of an instance may have it. */
	area = mmap((void *)0x200000000000, AREA_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	nvmas = nranges = 0;
	woken_from = NULL;
	nparked = 0;
	*state = NULL;
	return area == MAP_FAILED;
}

static int teardown(UNUSED void **state)
{
	return munmap(area, AREA_SIZE);
}

static int new_file(void)
{
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The descriptors that every checkpoint has. */
static void add_fds(struct checkpoint_out *out)
{
	static const struct checkpoint_fd all[] = {
		{ .number = 0, .kind = CHECKPOINT_FD_STDIO },
		{ .number = 4, .kind = CHECKPOINT_FD_CACHE },
		{ .number = 7, .kind = CHECKPOINT_FD_BROKER },
		{ .number = 8, .kind = CHECKPOINT_FD_EVENT },
		{ .number = 9, .kind = CHECKPOINT_FD_EPOLL, .a = 0, .b = 1 },
		{ .number = 11, .kind = CHECKPOINT_FD_BELL, .a = 1 },
	};
	struct checkpoint_member *m;

	memcpy(checkpoint_add(&out->fds, sizeof(all[0]), ARRAY_SIZE(all)), all,
	       sizeof(all));
	m = checkpoint_add(&out->members, sizeof(*m), 1);
	m->number = 11;
	m->events = 1;
}

/* A checkpoint of `n` processes, the first of which is this one. */
static int write_processes(const pid_t *pids, int n)
{
	struct checkpoint_header h = { .flags = 0 };
	struct checkpoint_out out;
	struct err e = ERR_INIT;
	int fd = new_file(), object = new_file();

	assert_int_equal(checkpoint_out_open(&out, fd, &e), 0);
	assert_int_equal(pwrite(object, "here", 4, 5 * PAGE_SIZE), 4);
	assert_int_equal(ftruncate(object, 64 * PAGE_SIZE), 0);
	assert_int_equal(checkpoint_object(&out, CHECKPOINT_KERNEL, object,
					   (struct checkpoint_range){ 0, 0 }),
			 0);
	out.private_pages = checkpoint_at(&out);
	if (woken_from)
		assert_int_equal(checkpoint_older_open(&out, woken_from), 0);
	assert_int_equal(checkpoint_compare(&out), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(checkpoint_process(&out, pids[i]), 0);
	for (int i = 0; i < nparked; i++)
		assert_int_equal(checkpoint_parked(&out, (uint32_t)i), 0);
	add_fds(&out);
	assert_int_equal(checkpoint_finish(&out, &h, "{}", 2), 0);
	checkpoint_out_close(&out);
	close(object);
	assert_int_equal(e.code, 0);
	return fd;
}

static int write_self(void)
{
	pid_t self = getpid();

	return write_processes(&self, 1);
}

static void read_good(struct checkpoint *cp, int fd)
{
	struct err e = ERR_INIT;

	assert_int_equal(checkpoint_read(cp, fd, &e), 0);
	assert_int_equal(checkpoint_verify_pages(cp, &e), 0);
	assert_string_equal(e.msg, "");
}

static void rebuild_part(const struct checkpoint *cp, uint8_t *all,
			 uint64_t start, uint64_t len, uint64_t offset)
{
	uint64_t at = start - (uint64_t)(uintptr_t)area;

	assert_true(at + len <= AREA_SIZE);
	assert_int_equal(pread(cp->fd, all + at, len, (off_t)offset), len);
}

/* The memory that space `s` would have; what lies below pages is zeros. */
static uint8_t *rebuild(const struct checkpoint *cp, unsigned int s)
{
	const struct checkpoint_space *space = &cp->spaces[s];
	const struct checkpoint_read *r = cp->reads + space->first_read;
	const struct checkpoint_run *run = cp->runs + space->first_run;
	uint8_t *all = calloc(1, AREA_SIZE);

	assert_non_null(all);
	for (uint32_t i = 0; i < space->nreads; i++, r++) {
		const struct checkpoint_piece *p = cp->pieces + r->first_piece;
		uint64_t offset = r->offset;

		for (uint64_t k = 0; k < r->npieces; offset += p[k++].len)
			rebuild_part(cp, all, p[k].start, p[k].len, offset);
	}
	for (uint32_t i = 0; i < space->nruns; i++, run++)
		rebuild_part(cp, all, run->start, run->len, run->offset);
	return all;
}

static void check_memory(const struct checkpoint *cp, unsigned int s)
{
	uint8_t *all = rebuild(cp, s);

	assert_memory_equal(all, area, AREA_SIZE);
	free(all);
}

static void read_and_mapped(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	fill(3, 3, 0);
	fill(15, 2, 0); /* zeros before it are not stored */
	fill(40, 1, 0);
	fill(60, 70, 0); /* long */
	add_private(0, 20);
	add_private(40, 1);
	add_private(60, 70);
	read_good(&cp, write_self());
	assert_int_equal(cp.h.maps.count, 1);
	assert_int_equal(cp.maps[0].is_filled, 1);
	assert_int_equal(cp.h.reads.count, 1);
	assert_int_equal(cp.reads[0].npieces, 3);
	assert_int_equal(cp.pieces[0].len, 3 * PAGE_SIZE);
	assert_int_equal(cp.h.runs.count, 1);
	assert_int_equal(cp.runs[0].len, 70 * PAGE_SIZE);
	assert_int_equal(cp.h.page_sums.count, 3 + 2 + 1 + 70);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
}

/* More than one read can have, and more pages than are looked at together. */
static void many_pieces(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	add_vma(AREA_PAGES, MANY_PAGES, CHECKPOINT_ANON);
	for (unsigned int i = 0; i < MANY_PAGES; i += 2)
		fill(AREA_PAGES + i, 1, 0);
	add_private(AREA_PAGES, MANY_PAGES);
	read_good(&cp, write_self());
	assert_int_equal(cp.h.maps.count, 1);
	assert_int_equal(cp.h.reads.count, 2);
	assert_int_equal(cp.reads[0].npieces, CHECKPOINT_PIECES_MAX);
	assert_int_equal(cp.h.pieces.count, MANY_PAGES / 2);
	assert_int_equal(cp.h.runs.count, 0);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
}

/* Zeros count where what is below has something else. */
static void zeros_over_a_file(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, 8, CHECKPOINT_IMAGE);
	add_vma(8, 8, CHECKPOINT_CACHE_COW);
	add_vma(16, 8, CHECKPOINT_CACHE_SHARED);
	vmas[2].offset = 1 << 20;
	add_private(2, 1);
	add_private(4, 1);
	add_private(9, 2);
	read_good(&cp, write_self());
	assert_int_equal(cp.h.page_sums.count, 4);
	assert_int_equal(cp.h.maps.count, 3);
	assert_int_equal(cp.h.pieces.count, 3);
	assert_int_equal(cp.maps[0].is_filled, 1);
	assert_int_equal(cp.maps[2].is_filled, 0);
	assert_int_equal(cp.maps[2].backing, CHECKPOINT_CACHE_SHARED);
	assert_int_equal(cp.maps[2].offset, 1 << 20);
	checkpoint_free(&cp);
}

static void no_access(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, 8, CHECKPOINT_ANON);
	vmas[0].prot = PROT_NONE;
	fill(0, 2, 0);
	add_private(0, 2);
	mprotect(area, 8 * PAGE_SIZE, PROT_NONE);
	read_good(&cp, write_self());
	mprotect(area, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	assert_int_equal(cp.maps[0].prot, PROT_NONE);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
}

static int write_again(const struct checkpoint *older)
{
	pid_t self = getpid();

	woken_from = older;
	return write_processes(&self, 1);
}

/* What is still mapped from an older checkpoint comes from there; below it is
 * what was below; what was changed since is read the next time. */
static void after_a_wake(UNUSED void **state)
{
	struct checkpoint first, cp;

	add_vma(0, 100, CHECKPOINT_ANON);
	add_vma(100, 100, CHECKPOINT_IMAGE);
	vmas[1].offset = 7 * PAGE_SIZE;
	fill(10, 60, 0);
	fill(110, 60, 0);
	add_private(10, 60);
	add_private(110, 60);
	read_good(&first, write_self());
	assert_int_equal(first.h.runs.count, 2);
	nvmas = nranges = 0;
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int page = 100 * i;

		add_vma(page, 10, i ? CHECKPOINT_IMAGE : CHECKPOINT_ANON);
		vmas[3 * i].offset = i ? 7 * PAGE_SIZE : 0;
		add_vma(page + 10, 60, CHECKPOINT_ANON);
		vmas[3 * i + 1].older = first.runs[i].offset;
		add_vma(page + 70, 30, i ? CHECKPOINT_IMAGE : CHECKPOINT_ANON);
		vmas[3 * i + 2].offset = i ? 77 * PAGE_SIZE : 0;
		fill(page + 12, 2, 9);
		add_private(page + 12, 2);
		/* Not what the process has, which nobody asks. */
		memset(area + (page + 30) * PAGE_SIZE, 0xee, PAGE_SIZE);
	}
	read_good(&cp, write_again(&first));
	fill(30, 1, 0);
	fill(130, 1, 0);
	check_memory(&cp, 0);
	assert_int_equal(cp.h.maps.count, 2);
	assert_int_equal(cp.maps[0].len, 100 * PAGE_SIZE);
	assert_int_equal(cp.maps[1].backing, CHECKPOINT_IMAGE);
	assert_int_equal(cp.maps[1].offset, 7 * PAGE_SIZE);
	assert_int_equal(cp.maps[1].len, 100 * PAGE_SIZE);
	/* 2 pages before the changed ones are too few to be mapped. */
	assert_int_equal(cp.h.runs.count, 2);
	assert_int_equal(cp.runs[0].len, 56 * PAGE_SIZE);
	assert_int_equal(cp.h.pieces.count, 4);
	checkpoint_free(&cp);
	checkpoint_free(&first);
}

/* What a wake has read and nobody changed is mapped the next time. */
static void read_in_vain(UNUSED void **state)
{
	struct checkpoint first, second, third;
	struct checkpoint_vma part;

	add_vma(0, 100, CHECKPOINT_ANON);
	fill(10, 60, 0);
	add_private(10, 60);
	read_good(&first, write_self());
	assert_int_equal(first.runs[0].len, 60 * PAGE_SIZE);
	/* Half of it is changed. */
	nvmas = nranges = 0;
	add_vma(0, 10, CHECKPOINT_ANON);
	add_vma(10, 60, CHECKPOINT_ANON);
	vmas[1].older = first.runs[0].offset;
	add_vma(70, 30, CHECKPOINT_ANON);
	fill(10, 30, 9);
	add_private(10, 30);
	read_good(&second, write_again(&first));
	assert_int_equal(second.h.pieces.count, 1);
	assert_int_equal(second.pieces[0].len, 30 * PAGE_SIZE);
	assert_int_equal(second.h.runs.count, 1);
	/* Only ten of those are changed again. */
	part = vmas[2];
	nvmas = nranges = 0;
	add_vma(0, 40, CHECKPOINT_ANON);
	add_vma(40, 30, CHECKPOINT_ANON);
	vmas[1].older = second.runs[0].offset;
	vmas[nvmas++] = part;
	fill(15, 10, 7);
	add_private(10, 30);
	read_good(&third, write_again(&second));
	assert_int_equal(third.h.pieces.count, 1);
	assert_int_equal(third.pieces[0].len, 10 * PAGE_SIZE);
	assert_int_equal(third.h.runs.count, 2);
	check_memory(&third, 0);
	checkpoint_free(&third);
	checkpoint_free(&second);
	checkpoint_free(&first);
}

/* Processes of which none was made since the wake are as they were, whatever
 * the others have done; what was to be read is still to be. */
static void never_made(UNUSED void **state)
{
	const pid_t self = getpid();
	struct checkpoint first, second, third;
	uint8_t *all;

	add_vma(0, 100, CHECKPOINT_ANON);
	add_vma(100, 100, CHECKPOINT_IMAGE);
	fill(3, 2, 0);
	fill(10, 60, 0);
	fill(110, 60, 0);
	add_private(3, 2);
	add_private(10, 60);
	add_private(110, 60);
	read_good(&first, write_self());
	all = rebuild(&first, 0);
	fill(10, 60, 1);
	woken_from = &first;
	nparked = 1;
	read_good(&second, write_processes(&self, 1));
	assert_int_equal(second.h.spaces.count, 2);
	assert_int_equal(second.spaces[0].host_pid, self);
	assert_int_equal(second.spaces[1].host_pid, -1);
	assert_int_equal(second.spaces[1].nmaps, 2);
	assert_int_equal(second.spaces[1].nruns, 2);
	assert_int_equal(second.spaces[1].nreads, 1);
	/* What both have is there once. */
	assert_int_equal(second.h.page_sums.count, 122 + 60);
	check_memory(&second, 0);
	woken_from = &second;
	nparked = 2;
	fill(0, AREA_PAGES, 2);
	read_good(&third, write_processes(&self, 0));
	assert_int_equal(third.spaces[1].host_pid, -2);
	memcpy(area, all, AREA_SIZE);
	check_memory(&third, 1);
	fill(10, 60, 1);
	check_memory(&third, 0);
	free(all);
	checkpoint_free(&third);
	checkpoint_free(&second);
	checkpoint_free(&first);
}

static void flip(int fd, uint64_t at)
{
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* --- The page cache: what a wake leaves in the file ----------------------- */

#define CACHE_PAGES 300

static uint8_t cache_byte(unsigned int page)
{
	return page % 50 < 40 ? (uint8_t)(page % 250 + 1) : 0;
}

static void put_page(int object, unsigned int page, int value)
{
	uint8_t bytes[PAGE_SIZE];

	memset(bytes, value, sizeof(bytes));
	assert_int_equal(pwrite(object, bytes, PAGE_SIZE, page * PAGE_SIZE),
			 PAGE_SIZE);
}

static int write_cache(int object, const struct checkpoint *older,
		       const uint64_t *taken)
{
	struct checkpoint_header h = { .flags = 0 };
	struct checkpoint_out out;
	struct err e = ERR_INIT;
	int fd = new_file();

	assert_int_equal(checkpoint_out_open(&out, fd, &e), 0);
	out.older = older;
	assert_int_equal(checkpoint_cache(&out, object, taken), 0);
	out.private_pages = checkpoint_at(&out);
	add_fds(&out);
	assert_int_equal(checkpoint_finish(&out, &h, "{}", 2), 0);
	checkpoint_out_close(&out);
	return fd;
}

static void expect_cache(const struct checkpoint *cp, unsigned int changed)
{
	const int objects[] = { -1, new_file(), -1 };
	uint8_t bytes[PAGE_SIZE], *wanted = malloc(PAGE_SIZE);
	struct err e = ERR_INIT;

	assert_int_equal(ftruncate(objects[1], CACHE_PAGES * PAGE_SIZE), 0);
	assert_int_equal(checkpoint_copy_objects(cp, objects, &e), 0);
	for (unsigned int i = 0; i < CACHE_PAGES; i++) {
		memset(wanted, i == changed ? 99 : cache_byte(i), PAGE_SIZE);
		assert_int_equal(
			pread(objects[1], bytes, PAGE_SIZE, i * PAGE_SIZE),
			PAGE_SIZE);
		assert_memory_equal(bytes, wanted, PAGE_SIZE);
	}
	free(wanted);
	close(objects[1]);
}

/* Part of it was taken out of the first file, and one page changed; what was
 * not is in the second as well, and damage to it remains known. */
static void left_in_the_file(UNUSED void **state)
{
	struct checkpoint first, second;
	uint64_t taken[BOOT_LEFT_MAX / 64] = { 0 };
	struct err e = ERR_INIT;
	int object = new_file(), fd;

	assert_int_equal(ftruncate(object, CACHE_PAGES * PAGE_SIZE), 0);
	for (unsigned int i = 0; i < CACHE_PAGES; i++)
		if (cache_byte(i))
			put_page(object, i, cache_byte(i));
	read_good(&first, write_cache(object, NULL, NULL));
	expect_cache(&first, ~0u);
	checkpoint_leave(&first);
	assert_int_equal(first.first_left, 0);
	assert_int_equal(first.nleft, first.h.extents.count);
	assert_true(first.nleft > CACHE_PAGES / 50);
	close(object);
	object = new_file();
	assert_int_equal(ftruncate(object, CACHE_PAGES * PAGE_SIZE), 0);
	/* The second chunk, but for what the instance does not tell. */
	for (unsigned int i = 16; i < 32; i++)
		put_page(object, i, i == 20 ? 99 : cache_byte(i));
	taken[0] = 0;
	read_good(&second, write_cache(object, &first, taken));
	expect_cache(&second, 20);
	checkpoint_free(&second);
	taken[0] = 2;
	fd = write_cache(object, &first, taken);
	read_good(&second, fd);
	expect_cache(&second, 20);
	flip(fd, second.extents[3].offset + 5);
	assert_int_not_equal(checkpoint_verify_pages(&second, &e), 0);
	checkpoint_free(&second);
	checkpoint_free(&first);
	close(object);
}

/* A child that changed some of what it shares with its parent. */
static void shared_pages(UNUSED void **state)
{
	struct checkpoint cp;
	pid_t pids[2] = { getpid(), 0 };
	int ready[2];
	char c;

	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	add_private(0, AREA_PAGES);
	fill(0, 150, 0);
	assert_int_equal(pipe(ready), 0);
	pids[1] = fork();
	if (pids[1] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill(50, 1, 7);
		fill(53, 1, 7);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	read_good(&cp, write_processes(pids, 2));
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	assert_int_equal(cp.h.page_sums.count, 150 + 2);
	assert_int_equal(cp.spaces[1].nmaps, 1);
	assert_int_equal(cp.spaces[1].nruns, 2);  /* before and behind them */
	assert_int_equal(cp.spaces[1].nreads, 2); /* between, and they */
	check_memory(&cp, 0);
	fill(50, 1, 7);
	fill(53, 1, 7);
	check_memory(&cp, 1);
	checkpoint_free(&cp);
	close(ready[0]);
	close(ready[1]);
}

static void expect_error(int fd, const char *part)
{
	struct checkpoint cp = { .fd = fd };
	struct err e = ERR_INIT;

	if (!checkpoint_read(&cp, fd, &e)) {
		const int objects[] = { new_file(), new_file(), new_file() };

		if (!checkpoint_copy_objects(&cp, objects, &e))
			checkpoint_verify_pages(&cp, &e);
		checkpoint_free(&cp);
		for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
			close(objects[i]);
	}
	if (!strstr(e.msg, part))
		fail_msg("'%s' instead of '%s'", e.msg, part);
}

static void damage(UNUSED void **state)
{
	struct checkpoint cp;
	const off_t unsynced =
		offsetof(struct checkpoint_header, unsynced_boot);
	char format[64];
	uint64_t places[4], boot;
	int fd;

	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	fill(0, 20, 0);
	add_private(0, 20);
	fd = write_self();
	read_good(&cp, fd);
	places[0] = offsetof(struct checkpoint_header, xcr0);
	places[1] = cp.h.maps.offset + 5;
	places[2] = cp.extents[0].offset + 9;
	places[3] = cp.h.private_pages + 7777;
	expect_error(fd, "");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		static const char *const errors[] = {
			"the header is damaged", "the tables are damaged",
			"shared memory at 4096 is damaged", "the page at"
		};

		flip(fd, places[i]);
		expect_error(fd, errors[i]);
		flip(fd, places[i]);
	}
	boot = checkpoint_boot();
	assert_int_not_equal(boot, 0);
	assert_int_equal(pwrite(fd, &boot, sizeof(boot), unsynced), 8);
	expect_error(fd, "");
	boot ^= 1;
	assert_int_equal(pwrite(fd, &boot, sizeof(boot), unsynced), 8);
	expect_error(fd, "the host was restarted");
	boot = 0;
	assert_int_equal(pwrite(fd, &boot, sizeof(boot), unsynced), 8);
	flip(fd, 0);
	expect_error(fd, "not a checkpoint");
	flip(fd, 0);
	flip(fd, offsetof(struct checkpoint_header, version));
	snprintf(format, sizeof(format),
		 "checkpoint of format %u:", CHECKPOINT_VERSION ^ 0x10);
	expect_error(fd, format);
	flip(fd, offsetof(struct checkpoint_header, version));
	assert_int_equal(ftruncate(fd, (off_t)cp.h.size - 1), 0);
	expect_error(fd, "truncated");
	assert_int_equal(ftruncate(fd, 100), 0);
	expect_error(fd, "no header");
	checkpoint_free(&cp);
}

/* Change a field of the header, with a sum that is right. */
static void expect_header_refused(size_t at, uint32_t value, const char *part)
{
	int fd = write_self();
	struct checkpoint_header h;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	memcpy((uint8_t *)&h + at, &value, sizeof(value));
	h.sum = 0;
	h.sum = crc32c(0, &h, sizeof(h));
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	expect_error(fd, part);
	close(fd);
}

static void other_languages(UNUSED void **state)
{
	add_vma(0, 1, CHECKPOINT_ANON);
	fill(0, 1, 0);
	add_private(0, 1);
	expect_header_refused(offsetof(struct checkpoint_header, boot_version),
			      BOOT_VERSION + 1, "its kernel speaks version");
	expect_header_refused(
		offsetof(struct checkpoint_header, broker_version),
		BROKER_VERSION - 1, "its kernel speaks version");
}

/* Change a table in place, with sums that are right. */
static void expect_refused(size_t offset_of_table, size_t at, uint64_t value,
			   size_t size, const char *part)
{
	int fd = write_self();
	struct checkpoint_header h;
	struct checkpoint_table t;
	uint64_t len;
	uint8_t *tables;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	memcpy(&t, (uint8_t *)&h + offset_of_table, sizeof(t));
	assert_int_equal(pwrite(fd, &value, size, (off_t)(t.offset + at)),
			 size);
	len = h.size - h.tables;
	tables = malloc(len);
	assert_int_equal(pread(fd, tables, len, (off_t)h.tables), len);
	h.tables_sum = crc32c(0, tables, len);
	free(tables);
	h.sum = 0;
	h.sum = crc32c(0, &h, sizeof(h));
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	expect_error(fd, part);
	close(fd);
}

static void hostile(UNUSED void **state)
{
	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	fill(0, 20, 0);
	fill(30, 3, 0);
	add_private(0, 33);
#define REFUSED(table, type, field, value, part)                  \
	expect_refused(offsetof(struct checkpoint_header, table), \
		       offsetof(struct type, field), value,       \
		       sizeof(((struct type *)NULL)->field), part)
	REFUSED(extents, checkpoint_extent, at, 1ULL << 50, "extent 0");
	REFUSED(extents, checkpoint_extent, at, 100, "extent 0");
	REFUSED(extents, checkpoint_extent, object, 3, "extent 0");
	REFUSED(extents, checkpoint_extent, offset, 1 << 30, "extent 0");
	REFUSED(extents, checkpoint_extent, len, 2 << 20, "extent 0");
	REFUSED(maps, checkpoint_map, start, CHECKPOINT_USER_END, "mapping 0");
	REFUSED(maps, checkpoint_map, start, 0, "mapping 0");
	REFUSED(maps, checkpoint_map, len, -PAGE_SIZE, "mapping 0");
	REFUSED(maps, checkpoint_map, prot, 8, "mapping 0");
	REFUSED(maps, checkpoint_map, backing, 9, "mapping 0");
	REFUSED(maps, checkpoint_map, backing, CHECKPOINT_CACHE_SHARED,
		"read 0");
	REFUSED(maps, checkpoint_map, is_filled, 0, "read 0");
	REFUSED(reads, checkpoint_read, offset, PAGE_SIZE, "read 0");
	REFUSED(reads, checkpoint_read, len, PAGE_SIZE, "read 0");
	REFUSED(reads, checkpoint_read, npieces, 2, "read 0");
	REFUSED(reads, checkpoint_read, first_piece, 1, "read 0");
	REFUSED(pieces, checkpoint_piece, start, 0, "read 0");
	REFUSED(pieces, checkpoint_piece, len, AREA_SIZE, "read 0");
	REFUSED(runs, checkpoint_run, start, CHECKPOINT_USER_END, "run 0");
	REFUSED(runs, checkpoint_run, len, AREA_SIZE, "run 0");
	REFUSED(runs, checkpoint_run, offset, 0, "run 0");
	REFUSED(spaces, checkpoint_space, nruns, 0, "memory of no process");
	REFUSED(spaces, checkpoint_space, nruns, 2, "process 0");
	REFUSED(spaces, checkpoint_space, first_read, 1, "process 0");
	REFUSED(spaces, checkpoint_space, nmaps, 9, "process 0");
	REFUSED(spaces, checkpoint_space, nmaps, 0, "read 0");
	REFUSED(spaces, checkpoint_space, first_map, 1, "process 0");
	REFUSED(fds, checkpoint_fd, number, 5, "descriptor 0");
	REFUSED(fds, checkpoint_fd, kind, 77, "descriptor 0");
	REFUSED(fds, checkpoint_fd, kind, CHECKPOINT_FD_VOLUME, "descriptor 0");
	REFUSED(members, checkpoint_member, number, 12, "member 0");
#undef REFUSED
}

/* Its last thread had been let go before all were quiet: there is nothing of it
 * to be kept. */
static void ended(UNUSED void **state)
{
	struct checkpoint_out out;
	struct err e = ERR_INIT;
	int fd = new_file();
	pid_t child = fork();

	if (!child)
		_exit(BOOT_HOST_EXIT_OK);
	assert_int_equal(waitid(P_PID, (id_t)child, &(siginfo_t){ .si_pid = 0 },
				WEXITED | WNOWAIT),
			 0);
	add_vma(0, 10, CHECKPOINT_ANON);
	add_private(0, 10);
	assert_int_equal(checkpoint_out_open(&out, fd, &e), 0);
	assert_int_equal(checkpoint_process(&out, child), 0);
	assert_int_equal(checkpoint_copy_process(&out, child), 0);
	assert_int_equal(e.code, 0);
	assert_int_equal(out.spaces.count + out.maps.count + out.copies.count,
			 0);
	checkpoint_drop_copied(&out);
	checkpoint_out_close(&out);
	waitpid(child, NULL, 0);
	close(fd);
}

static void build_id(UNUSED void **state)
{
	uint8_t id[32], zeros[32] = { 0 };
	struct err e = ERR_INIT;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(checkpoint_build_id(fd, id, &e), 0);
	assert_memory_not_equal(id, zeros, sizeof(id));
	close(fd);
	fd = new_file();
	assert_int_equal(checkpoint_build_id(fd, id, &e), -ENOEXEC);
	close(fd);
}

/* Its lists of memory may have been cut short: no checkpoint. */
static void killed(UNUSED void **state)
{
	struct checkpoint_out out;
	struct err e = ERR_INIT;
	int fd = new_file();
	pid_t child = fork();
	siginfo_t info;

	if (!child) {
		pause();
		_exit(0);
	}
	assert_true(task_has_memory(child));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT),
			 0);
	assert_false(task_has_memory(child));
	nvmas = nranges = 1;
	assert_int_equal(checkpoint_out_open(&out, fd, &e), 0);
	assert_int_equal(checkpoint_process(&out, child), -ESRCH);
	assert_non_null(strstr(e.msg, "was killed"));
	checkpoint_out_close(&out);
	waitpid(child, NULL, 0);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(read_and_mapped),
		TEST(many_pieces),
		TEST(zeros_over_a_file),
		TEST(no_access),
		TEST(after_a_wake),
		TEST(read_in_vain),
		TEST(never_made),
		TEST(left_in_the_file),
		TEST(shared_pages),
		TEST(damage),
		TEST(hostile),
		TEST(other_languages),
		TEST(killed),
		TEST(ended),
		TEST(build_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

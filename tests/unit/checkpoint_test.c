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
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/crc32c.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define AREA_PAGES 200
#define AREA_SIZE (AREA_PAGES * PAGE_SIZE)

/* The area in the test's memory, and what is said of it. */
static uint8_t *area;
static struct checkpoint_vma vmas[8];
static struct checkpoint_range ranges[16];
static size_t nvmas, nranges;

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
	assert_int_equal(checkpoint_object(&out, CHECKPOINT_KERNEL, object), 0);
	out.private_pages = checkpoint_at(&out);
	assert_int_equal(checkpoint_compare(&out), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(checkpoint_process(&out, pids[i]), 0);
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

/* The memory that space `s` would have; what lies below runs are zeros. */
static uint8_t *rebuild(const struct checkpoint *cp, unsigned int s)
{
	const struct checkpoint_space *space = &cp->spaces[s];
	uint8_t *all = calloc(1, AREA_SIZE);

	assert_non_null(all);
	for (uint32_t i = 0; i < space->nmaps; i++) {
		const struct checkpoint_map *m =
			&cp->maps[space->first_map + i];
		uint64_t at = m->start - (uint64_t)(uintptr_t)area;

		assert_true(at + m->len <= AREA_SIZE);
		memset(all + at, 0, m->len);
		if (m->backing == CHECKPOINT_FILE)
			assert_int_equal(pread(cp->fd, all + at, m->len,
					       (off_t)m->offset),
					 m->len);
	}
	return all;
}

static void check_memory(const struct checkpoint *cp, unsigned int s)
{
	uint8_t *all = rebuild(cp, s);

	assert_memory_equal(all, area, AREA_SIZE);
	free(all);
}

static void runs_and_gaps(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, AREA_PAGES, CHECKPOINT_ANON);
	fill(3, 10, 0);
	fill(15, 2, 0);	 /* a gap of two: one run */
	fill(40, 1, 0);	 /* far: another */
	fill(60, 70, 0); /* more than is looked at together */
	add_private(0, 20);
	add_private(40, 1);
	add_private(60, 70);
	read_good(&cp, write_self());
	assert_int_equal(cp.h.maps.count, 1 + 3);
	assert_int_equal(cp.maps[1].len, 14 * PAGE_SIZE);
	assert_int_equal(cp.h.page_sums.count, 14 + 1 + 70);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
}

static void whole_mapping(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(10, 5, CHECKPOINT_ANON);
	fill(10, 5, 0);
	add_private(0, 100); /* clipped to the mapping */
	read_good(&cp, write_self());
	assert_int_equal(cp.h.maps.count, 1);
	assert_int_equal(cp.maps[0].backing, CHECKPOINT_FILE);
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
	assert_int_equal(cp.h.maps.count, 3 + 3);
	assert_int_equal(cp.maps[5].backing, CHECKPOINT_CACHE_SHARED);
	assert_int_equal(cp.maps[5].offset, 1 << 20);
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
	assert_int_equal(cp.maps[1].prot, PROT_NONE);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
}

/* Mappings from an older checkpoint are joined with their neighbours again. */
static void after_a_wake(UNUSED void **state)
{
	struct checkpoint cp;

	add_vma(0, 10, CHECKPOINT_ANON);
	add_vma(10, 20, CHECKPOINT_ANON);
	vmas[1].is_whole = true;
	add_vma(30, 10, CHECKPOINT_ANON);
	fill(10, 10, 0);
	fill(35, 1, 0);
	add_private(12, 1);
	add_private(35, 1);
	read_good(&cp, write_self());
	assert_int_equal(cp.h.maps.count, 1 + 2);
	assert_int_equal(cp.maps[0].len, 40 * PAGE_SIZE);
	check_memory(&cp, 0);
	checkpoint_free(&cp);
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
		fill(53, 1, 7); /* two pages between are stored with them */
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	read_good(&cp, write_processes(pids, 2));
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	assert_int_equal(cp.h.page_sums.count, 150 + 4);
	assert_int_equal(cp.spaces[1].nmaps, 1 + 3);
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

static void flip(int fd, uint64_t at)
{
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void damage(UNUSED void **state)
{
	struct checkpoint cp;
	uint64_t places[4];
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
	flip(fd, 0);
	expect_error(fd, "not a checkpoint");
	flip(fd, 0);
	flip(fd, offsetof(struct checkpoint_header, version));
	expect_error(fd, "checkpoint of format 17");
	flip(fd, offsetof(struct checkpoint_header, version));
	assert_int_equal(ftruncate(fd, (off_t)cp.h.size - 1), 0);
	expect_error(fd, "truncated");
	assert_int_equal(ftruncate(fd, 100), 0);
	expect_error(fd, "no header");
	checkpoint_free(&cp);
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
	add_private(0, 20);
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
	REFUSED(maps, checkpoint_map, backing, CHECKPOINT_FILE, "mapping 0");
	REFUSED(spaces, checkpoint_space, nmaps, 9, "process 0");
	REFUSED(spaces, checkpoint_space, nmaps, 0, "mappings of no process");
	REFUSED(spaces, checkpoint_space, first_map, 1, "process 0");
	REFUSED(fds, checkpoint_fd, number, 5, "descriptor 0");
	REFUSED(fds, checkpoint_fd, kind, 77, "descriptor 0");
	REFUSED(fds, checkpoint_fd, kind, CHECKPOINT_FD_VOLUME, "descriptor 0");
	REFUSED(members, checkpoint_member, number, 12, "member 0");
#undef REFUSED
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(runs_and_gaps),
		TEST(whole_mapping),
		TEST(zeros_over_a_file),
		TEST(no_access),
		TEST(after_a_wake),
		TEST(shared_pages),
		TEST(damage),
		TEST(hostile),
		TEST(build_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

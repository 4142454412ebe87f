/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal against e2fsprogs: logs that debugfs wrote are replayed as e2fsck
 * replays them, and e2fsck and debugfs understand ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/journal_int.h"
#include "tests/unit/powercut.h"
#include "tests/unit/stub_block.h"

#define FIRST 6000 /* free blocks of a fresh file system, for the tests */
#define NBLOCKS 600
#define RECOVER 4 /* in ext4's incompat */

static char dir[] = "/tmp/journal_tools_XXXXXX";

struct image {
	char path[64];
	u32 block_size;
	bool is_64bit, has_checksum;
	struct stub_disk disk;
	struct block_device *device; /* disk's, or one on top */
	u32 *log;		     /* block of each block of the journal */
	u32 nlog;
	struct buffer_cache *cache;
	struct journal *j;
};

static bool have_tools(void)
{
	return system("PATH=$PATH:/usr/sbin:/sbin; command -v mke2fs debugfs "
		      "e2fsck >/dev/null") == 0;
}

static int run(const char *fmt, ...) PRINTF_LIKE(1, 2);

static int run(const char *fmt, ...)
{
	char cmd[1024] = "exec >/dev/null 2>&1; "
			 "PATH=$PATH:/usr/sbin:/sbin; ";
	size_t n = strlen(cmd);
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);
	status = system(cmd);
	return status < 0 ? status : status >> 8;
}

/* --- Images -------------------------------------------------------------- */

static void image_make(struct image *i, const char *name, u32 block_size,
		       const char *features)
{
	memset(i, 0, sizeof(*i));
	snprintf(i->path, sizeof(i->path), "%s/%s", dir, name);
	i->block_size = block_size;
	i->is_64bit = strstr(features, "^64bit") == NULL;
	i->has_checksum = strstr(features, "^metadata_csum") == NULL;
	assert_int_equal(run("rm -f %s; mke2fs -q -F -t ext4 -b %u -O %s "
			     "-J size=4 %s 64M",
			     i->path, block_size, features, i->path),
			 0);
}

/* Where the journal is: all numbers that debugfs lists for inode 8. */
static void image_load(struct image *i)
{
	char cmd[256];
	unsigned int block;
	FILE *f;

	stub_disk_load(&i->disk, i->path);
	i->device = &i->disk.device;
	snprintf(cmd, sizeof(cmd),
		 "PATH=$PATH:/usr/sbin:/sbin debugfs -R 'blocks <8>' %s "
		 "2>/dev/null",
		 i->path);
	f = popen(cmd, "r");
	assert_non_null(f);
	i->log = calloc(65536, sizeof(*i->log));
	while (i->nlog < 65536 && fscanf(f, "%u", &block) == 1)
		i->log[i->nlog++] = block;
	pclose(f);
	assert_true(i->nlog >= 1024);
}

static u64 map(void *arg, u64 n, u64 *nblocks)
{
	const struct image *i = arg;

	(void)nblocks; /* one */
	return n < i->nlog ? i->log[n] : 0;
}

static int image_open(struct image *i, u32 *replayed)
{
	struct journal_config c = {
		.device = i->device,
		.block_size = i->block_size,
		.map = map,
		.arg = i,
		.is_64bit = i->is_64bit,
		.has_checksum = i->has_checksum,
		.no_thread = true,
	};

	i->cache = buffer_cache_new(i->device, i->block_size);
	c.buffers = i->cache;
	return journal_open(&c, &i->j, replayed);
}

static void image_close(struct image *i)
{
	if (i->j)
		assert_int_equal(journal_close(i->j), 0);
	buffer_cache_free(i->cache);
	stub_disk_fini(&i->disk);
	free(i->log);
	i->log = NULL;
	i->nlog = 0;
	i->j = NULL;
}

static void set_recover(struct image *i)
{
	u32 *incompat = (u32 *)(i->disk.data + 1024 + 0x60);
	u32 *sum = (u32 *)(i->disk.data + 1024 + 0x3fc);

	*incompat |= RECOVER;
	if (i->has_checksum) /* of ext4's superblock: not inverted either */
		*sum = crc32c(~0U, i->disk.data + 1024, 0x3fc);
}

/* --- Logs of theirs ------------------------------------------------------ */

static void put_blocks(const struct image *i, const char *name, u32 id,
		       u32 nblocks, bool is_escaped)
{
	char path[128];
	u32 *block = malloc(i->block_size);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (u32 n = 0; n < nblocks; n++) {
		for (u32 k = 0; k < i->block_size / 4; k++)
			block[k] = id * 0x9e3779b9U + n * 0x85ebca6bU + k;
		if (is_escaped)
			block[0] = be32(JBD_MAGIC);
		assert_int_equal(fwrite(block, i->block_size, 1, f), 1);
	}
	fclose(f);
	free(block);
}

static void their_log(struct image *i, const char *open)
{
	char path[128];
	FILE *f;

	put_blocks(i, "one", 1, 300, false);
	put_blocks(i, "two", 2, 3, true);
	put_blocks(i, "three", 3, 2, false);
	snprintf(path, sizeof(path), "%s/script", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "jo %s\n", open);
	fprintf(f, "jw -b %u-%u %s/one\n", FIRST, FIRST + 299, dir);
	fprintf(f, "jw -b %u-%u %s/two\n", FIRST + 10, FIRST + 12, dir);
	fprintf(f, "jw -r %u-%u\n", FIRST + 20, FIRST + 29);
	/* One of those that were revoked, once more. */
	fprintf(f, "jw -b %u,%u %s/three\n", FIRST + 22, FIRST + 400, dir);
	fprintf(f, "jw -c -b %u-%u %s/two\n", FIRST + 30, FIRST + 32, dir);
	fprintf(f, "jc\n");
	fclose(f);
	assert_int_equal(run("debugfs -w -f %s %s", path, i->path), 0);
}

static void their_case(u32 block_size, const char *features, const char *open)
{
	struct image ours, theirs;
	u32 replayed = 0;
	u64 at = (u64)FIRST * block_size, n = (u64)NBLOCKS * block_size;

	image_make(&ours, "ours", block_size, features);
	their_log(&ours, open);
	theirs = ours;
	snprintf(theirs.path, sizeof(theirs.path), "%s/theirs", dir);
	assert_int_equal(run("cp %s %s", ours.path, theirs.path), 0);
	/* 1: it has changed something. */
	assert_true(run("e2fsck -fy %s", theirs.path) <= 1);
	stub_disk_load(&theirs.disk, theirs.path);

	image_load(&ours);
	assert_int_equal(image_open(&ours, &replayed), 0);
	assert_true(replayed >= 295 && replayed <= 305);
	assert_memory_equal(ours.disk.data + at, theirs.disk.data + at, n);
	/* The revoked ones and the uncommitted ones are as they were. */
	assert_int_equal(ours.disk.data[at + 20 * block_size], 0);
	image_close(&ours);
	stub_disk_fini(&theirs.disk);
}

static void test_their_logs(void **state)
{
	(void)state;
	if (!have_tools())
		skip();
	their_case(1024, "64bit,metadata_csum", "-c -v 3");
	their_case(4096, "64bit,metadata_csum", "-c -v 3");
	their_case(1024, "64bit,^metadata_csum", "");
	their_case(1024, "^64bit,^metadata_csum", "");
	their_case(1024, "64bit,metadata_csum", "-c -v 2");
	their_case(4096, "^64bit,metadata_csum", "-c -v 2");
}

/* --- Logs of ours -------------------------------------------------------- */

static void our_change(struct image *i, u32 block, u32 id, bool is_escaped)
{
	struct handle h;
	struct buffer *b;

	assert_int_equal(journal_start(i->j, 1, &h), 0);
	assert_int_equal(buffer_read(i->cache, block, &b), 0);
	assert_int_equal(journal_get_write(&h, b), 0);
	memset(b->data, (int)id, i->block_size);
	if (is_escaped)
		*(u32 *)b->data = be32(JBD_MAGIC);
	journal_dirty(&h, b);
	buffer_put(b);
	journal_stop(&h);
}

static void our_free(struct image *i, u32 block)
{
	struct buffer *b = buffer_find(i->cache, block);
	struct handle h;

	assert_int_equal(journal_start(i->j, 1, &h), 0);
	assert_int_equal(journal_forget(&h, b, block), 0);
	if (b)
		buffer_put(b);
	journal_stop(&h);
}

static void our_log(struct image *i)
{
	for (u32 k = 0; k < 200; k++)
		our_change(i, FIRST + k, 10 + k % 5, k % 7 == 0);
	assert_int_equal(journal_commit_all(i->j), 0);
	for (u32 k = 0; k < 150; k++)
		our_free(i, FIRST + 50 + k);
	for (u32 k = 20; k < 30; k++)
		our_change(i, FIRST + k, 99, k == 25);
	assert_int_equal(journal_commit_all(i->j), 0);
	our_change(i, FIRST + 60, 77, false);
	assert_int_equal(journal_commit_all(i->j), 0);
	our_change(i, FIRST, 66, false); /* not committed */
}

static void our_check(const struct image *i)
{
	for (u32 k = 0; k < 200; k++) {
		const u8 *p = i->disk.data + (u64)(FIRST + k) * i->block_size;
		const bool is_new = k >= 20 && k < 30;
		u32 want = is_new ? 99 : 10 + k % 5;

		if (k >= 50)
			want = k == 60 ? 77 : 0;
		if (is_new ? k == 25 : k < 50 && k % 7 == 0)
			assert_int_equal(*(u32 *)p, be32(JBD_MAGIC));
		else
			assert_int_equal(p[0], want);
		assert_int_equal(p[i->block_size - 1], want);
	}
}

static void our_case(u32 block_size, const char *features)
{
	struct image i;
	u32 replayed;

	image_make(&i, "ours", block_size, features);
	image_load(&i);
	assert_int_equal(image_open(&i, &replayed), 0);
	our_log(&i);
	set_recover(&i);
	/* As a power cut that loses nothing leaves it. */
	stub_disk_save(&i.disk, i.path);
	image_close(&i);
	assert_int_equal(
		run("debugfs -R 'logdump -a' %s >%s/dump", i.path, dir), 0);
	assert_int_equal(run("debugfs -R 'logdump -a' %s 2>&1 | grep -qi "
			     "'checksum\\|corrupt'",
			     i.path),
			 1);
	assert_true(run("e2fsck -fy -E journal_only %s", i.path) <= 1);
	stub_disk_load(&i.disk, i.path);
	our_check(&i);
	stub_disk_fini(&i.disk);
	assert_int_equal(run("e2fsck -fn %s", i.path), 0);
}

static void test_our_logs(void **state)
{
	(void)state;
	if (!have_tools())
		skip();
	our_case(1024, "64bit,metadata_csum");
	our_case(4096, "64bit,metadata_csum");
	our_case(1024, "^64bit,^metadata_csum");
	our_case(4096, "64bit,^metadata_csum");
}

/* Change blocks at random until the power goes. */
static void churn(struct image *i, struct powercut *cut, u64 nops)
{
	struct handle h;
	struct buffer *b;
	int err = 0;

	powercut_restore(cut, nops);
	for (u32 n = 0; !err; n++) {
		u32 block = FIRST + (u32)powercut_random(cut, NBLOCKS);

		err = journal_start(i->j, 1, &h);
		if (err)
			break;
		err = buffer_read(i->cache, block, &b);
		if (!err && powercut_random(cut, 5) == 0) {
			err = journal_forget(&h, b, block);
			buffer_put(b);
		} else if (!err) {
			err = journal_get_write(&h, b);
			if (!err) {
				memset(b->data, (int)n, i->block_size);
				*(u32 *)b->data = n % 9 ? n : be32(JBD_MAGIC);
				journal_dirty(&h, b);
			}
			buffer_put(b);
		}
		journal_stop(&h);
		if (!err && powercut_random(cut, 30) == 0)
			err = journal_commit_all(i->j);
	}
}

/* What a power cut has left, e2fsck and this recovery understand in the same
 * way. */
static void cut_case(u32 block_size, const char *features, u64 seed)
{
	struct image ours;
	struct stub_disk theirs;
	struct powercut cut;
	u64 at = (u64)FIRST * block_size, n = (u64)NBLOCKS * block_size;
	u32 replayed;

	image_make(&ours, "ours", block_size, features);
	image_load(&ours);
	powercut_init(&cut, &ours.disk.device, seed);
	ours.device = &cut.device;
	assert_int_equal(image_open(&ours, &replayed), 0);
	set_recover(&ours);
	churn(&ours, &cut, 5 + powercut_random(&cut, 200));
	assert_true(journal_close(ours.j) < 0);
	ours.j = NULL;
	buffer_cache_free(ours.cache);
	powercut_fini(&cut);
	stub_disk_save(&ours.disk, ours.path);
	assert_true(run("e2fsck -fy -E journal_only %s", ours.path) <= 1);
	stub_disk_load(&theirs, ours.path);
	ours.device = &ours.disk.device;
	assert_int_equal(image_open(&ours, &replayed), 0);
	assert_memory_equal(ours.disk.data + at, theirs.data + at, n);
	image_close(&ours);
	stub_disk_fini(&theirs);
}

static void test_cut_logs(void **state)
{
	const char *more = getenv("JOURNAL_TEST_FACTOR");
	u64 n = more ? 8 * (u64)atoi(more) : 8;

	(void)state;
	if (!have_tools())
		skip();
	for (u64 seed = 1; seed <= n; seed++)
		cut_case(seed % 4 ? 1024 : 4096,
			 seed % 3 ? "64bit,metadata_csum"
				  : "^64bit,^metadata_csum",
			 seed);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_their_logs),
		cmocka_unit_test(test_our_logs),
		cmocka_unit_test(test_cut_logs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

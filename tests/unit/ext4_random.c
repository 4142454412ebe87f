/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on ext4 against a model in memory: what is read must be
 * what was written, before and after a remount, and e2fsck must be content.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/ext4_image.h"
#include "tests/unit/stub_log.h"
#include "tests/unit/stub_proc.h"

#define NFILES 48U
#define NDIRS 4U
#define SIZE_MAX_FILE 400000U

struct model {
	bool exists;
	u32 dir, size;
	u8 *data; /* zero behind size */
};
static struct model files[NFILES];
static u8 bytes[SIZE_MAX_FILE];
static u64 state_of;
static u32 step;
static u32 nspace; /* times that there was no room */

static u32 chance(u32 n)
{
	state_of = state_of * 6364136223846793005UL + 1442695040888963407UL;
	return (u32)((state_of >> 33) % n);
}

static const char *name_of(u32 n)
{
	static char names[2][300];
	static u32 next;
	char *name = names[next++ % 2];
	int at = snprintf(name, 300, "/mnt/dir%u/file_%u_", files[n].dir, n);

	/* Names of all lengths: they split leaves in odd places. */
	memset(name + at, 'a' + (int)(n % 26), n * 5 % 230);
	name[at + (int)(n * 5 % 230)] = '\0';
	return name;
}

static int open_file(u32 n, u32 flags)
{
	int fd = (int)CALL(open, name_of(n), O_RDWR | flags, 0644);

	if (fd < 0)
		fail_msg("step %u: open %s: %d (%s)", step, name_of(n), fd,
			 stub_log_last);
	return fd;
}

static void check_file(u32 n)
{
	const struct model *f = &files[n];
	int fd = open_file(n, 0);
	long got = CALL(read, fd, bytes, SIZE_MAX_FILE);

	if (got != f->size || memcmp(bytes, f->data, f->size) != 0) {
		u32 at = 0;

		while (at < f->size && bytes[at] == f->data[at])
			at++;
		fail_msg("step %u: file %u: %ld bytes, not %u, differs at %u",
			 step, n, got, f->size, at);
	}
	OK(0, CALL(close, fd));
}

static void check_all(void)
{
	struct linux_stat st;

	for (u32 n = 0; n < NFILES; n++) {
		if (files[n].exists)
			check_file(n);
		else
			OK(-ENOENT, CALL(stat, name_of(n), &st));
	}
}

/* --- Operations ----------------------------------------------------------- */

static void op_create(u32 n)
{
	struct model *f = &files[n];
	int fd;

	if (f->exists)
		return;
	f->dir = chance(NDIRS);
	fd = (int)CALL(open, name_of(n), O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd == -ENOSPC) {
		nspace++;
		return;
	}
	if (fd < 0)
		fail_msg("step %u: create: %d (%s)", step, fd, stub_log_last);
	f->exists = true;
	f->size = 0;
	memset(f->data, 0, SIZE_MAX_FILE);
	OK(0, CALL(close, fd));
}

static void op_write(u32 n)
{
	struct model *f = &files[n];
	u32 at = chance(4) ? chance(f->size + 1) : chance(SIZE_MAX_FILE - 1);
	u32 len = 1 + chance(chance(3) ? 5000 : 60000);
	u8 fill = (u8)(1 + chance(255));
	int fd = open_file(n, 0);
	long done;

	len = MIN(len, SIZE_MAX_FILE - at);
	for (u32 k = 0; k < len; k++)
		bytes[k] = (u8)(fill + k * 7);
	done = CALL(pwrite64, fd, bytes, len, at);
	if (done == -ENOSPC)
		done = 0;
	if (done < 0 || done > len)
		fail_msg("step %u: write: %ld (%s)", step, done, stub_log_last);
	nspace += done < len;
	memcpy(f->data + at, bytes, (size_t)done);
	if (done)
		f->size = MAX(f->size, at + (u32)done);
	OK(0, CALL(close, fd));
}

static void op_truncate(u32 n)
{
	struct model *f = &files[n];
	u32 size = chance(3) ? chance(f->size + 1) : chance(SIZE_MAX_FILE);

	OK(0, CALL(truncate, name_of(n), size));
	if (size < f->size)
		memset(f->data + size, 0, f->size - size);
	f->size = size;
}

static void op_fallocate(u32 n)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	int mode = modes[chance(6)], fd = open_file(n, 0);
	u32 at = chance(SIZE_MAX_FILE - 1), len;
	struct model *f = &files[n];
	long err;

	if (chance(2))
		at = at / 4096 * 4096;
	len = 1 + chance(MIN(SIZE_MAX_FILE - at, 100000U));
	err = CALL(fallocate, fd, mode, at, len);
	if (err == -ENOSPC)
		nspace++;
	else
		OK(0, err);
	/* Zeroing comes before room is looked for. */
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) &&
	    at < f->size)
		memset(f->data + at, 0, MIN(len, f->size - at));
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE))
		f->size = MAX(f->size, at + len);
	OK(0, CALL(close, fd));
}

static void op_unlink(u32 n)
{
	bool is_open = chance(2) != 0;
	int fd = is_open ? open_file(n, 0) : -1;

	OK(0, CALL(unlink, name_of(n)));
	files[n].exists = false;
	if (is_open) {
		long got = CALL(pread64, fd, bytes, SIZE_MAX_FILE, 0);

		OK(files[n].size, got);
		assert_memory_equal(bytes, files[n].data, files[n].size);
		OK(0, CALL(close, fd));
	}
}

static void op_rename(u32 n)
{
	u32 to = chance(NFILES);
	struct model was = files[n];
	char from[300];
	long err;

	if (to == n)
		return;
	strcpy(from, name_of(n));
	if (!files[to].exists)
		files[to].dir = chance(NDIRS);
	if (files[to].exists && chance(3) == 0) {
		OK(0,
		   CALL(renameat2, AT_FDCWD, from, AT_FDCWD, name_of(to), 2));
		files[n].data = files[to].data;
		files[n].size = files[to].size;
	} else {
		err = CALL(rename, from, name_of(to));
		if (err == -ENOSPC) {
			nspace++;
			return;
		}
		OK(0, err);
		files[n].exists = false;
		files[n].data = files[to].data;
	}
	files[to].exists = true;
	files[to].data = was.data;
	files[to].size = was.size;
}

static void do_step(void)
{
	u32 n = chance(NFILES), what = chance(100);

	if (!files[n].exists)
		op_create(n);
	else if (what < 50)
		op_write(n);
	else if (what < 62)
		op_truncate(n);
	else if (what < 80)
		op_fallocate(n);
	else if (what < 88)
		op_unlink(n);
	else if (what < 97)
		op_rename(n);
	else
		check_file(n);
}

/* --- Runs ----------------------------------------------------------------- */

static void begin(u64 seed)
{
	char name[20];

	state_of = seed;
	nspace = 0;
	for (u32 n = 0; n < NFILES; n++) {
		files[n].exists = false;
		files[n].dir = 0;
		files[n].size = 0;
		files[n].data = calloc(1, SIZE_MAX_FILE);
	}
	for (u32 k = 0; k < NDIRS; k++) {
		snprintf(name, sizeof(name), "/mnt/dir%u", k);
		OK(0, CALL(mkdir, name, 0755));
	}
}

static void end(void)
{
	for (u32 n = 0; n < NFILES; n++)
		free(files[n].data);
}

static void run(const char *make, u64 seed, u32 rounds, u32 steps)
{
	image_shell("rm -f img");
	image_shell(make);
	image_mount(NULL);
	begin(seed);
	for (u32 r = 0; r < rounds; r++) {
		for (u32 k = 0; k < steps; k++, step++)
			do_step();
		check_all();
		image_unmount();
		image_fsck();
		image_mount(NULL);
		check_all();
	}
	image_unmount();
	end();
}

void test_random(void **state)
{
	const char *env = getenv("EXT4_SEED");
	u64 seed = env ? strtoul(env, NULL, 0) : 1;

	(void)state;
	run("mke2fs -q -t ext4 -b 4096 img 60M", seed, 2, 800);
	run("mke2fs -q -t ext4 -b 1024 img 30M", seed + 1, 2, 800);
	run("mke2fs -q -t ext4 -b 2048 -O ^metadata_csum,uninit_bg,^64bit "
	    "img 40M",
	    seed + 2, 1, 800);
}

/* Too small for all of it: ENOSPC everywhere, and nothing breaks. */
void test_full(void **state)
{
	(void)state;
	run("mke2fs -q -t ext4 -b 1024 -N 64 -J size=1 img 3M", 77, 3, 800);
	assert_true(nspace > 20);
}

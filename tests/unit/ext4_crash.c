/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 on a device that loses power: what fsync() acknowledged is there
 * afterwards, and the filesystem is whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/format.h"
#include "kernel/kernel.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/fcntl.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/ext4_image.h"
#include "tests/unit/powercut.h"
#include "tests/unit/stub_proc.h"

#define KEPT_MAX 400U
#define KEPT_SIZE 20000U
#define NOISE 24U

static struct powercut power;
static u32 nkept; /* files that fsync() acknowledged */
static u8 bytes[KEPT_SIZE], want[KEPT_SIZE];
static char name[300];

static u32 chance(u32 n)
{
	return (u32)powercut_random(&power, n);
}

static u32 kept_size(u32 n)
{
	return n % 4 == 3 ? 0 : n * 7919 % (KEPT_SIZE - 1) + 1;
}

static void kept_fill(u32 n, u8 *to)
{
	for (u32 k = 0; k < kept_size(n); k++)
		to[k] = (u8)(n * 31 + k * 7 + k / 256);
}

/* The directory is synced, too: only then the name is. */
static void keep_one(u32 n)
{
	int fd, dir;

	snprintf(name, sizeof(name), "/mnt/kept/file_%u", n);
	fd = (int)CALL(open, name, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return;
	kept_fill(n, bytes);
	if (CALL(pwrite64, fd, bytes, kept_size(n), 0) == kept_size(n) &&
	    CALL(fsync, fd) == 0) {
		dir = (int)CALL(open, "/mnt/kept", O_RDONLY, 0);
		if (dir >= 0 && CALL(fsync, dir) == 0)
			nkept = n + 1;
		if (dir >= 0)
			(void)CALL(close, dir);
	}
	(void)CALL(close, fd);
}

static void noise(void)
{
	u32 n = chance(NOISE);
	char to[300];
	int fd;

	snprintf(name, sizeof(name), "/mnt/noise/%u_%0*u", n, (int)n * 6 + 1,
		 n);
	switch (chance(8)) {
	case 0:
		(void)CALL(unlink, name);
		return;
	case 1:
		n = chance(NOISE);
		snprintf(to, sizeof(to), "/mnt/noise/%u_%0*u", n,
			 (int)n * 6 + 1, n);
		(void)CALL(rename, name, to);
		return;
	case 2:
		(void)CALL(truncate, name, chance(100000));
		return;
	case 3:
		(void)CALL(setxattr, name, "user.noise", bytes, chance(600), 0);
		return;
	case 4:
		(void)CALL(mkdir, "/mnt/noise/dir", 0755);
		(void)CALL(rmdir, "/mnt/noise/dir");
		return;
	default:
		break;
	}
	fd = (int)CALL(open, name, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return;
	(void)CALL(pwrite64, fd, bytes, 1 + chance(15000), chance(200000));
	if (chance(4) == 0)
		(void)CALL(fallocate, fd,
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   chance(100000), 1 + chance(50000));
	(void)CALL(close, fd);
}

static void check_kept(void)
{
	for (u32 n = 0; n < nkept; n++) {
		int fd;

		snprintf(name, sizeof(name), "/mnt/kept/file_%u", n);
		fd = (int)CALL(open, name, O_RDONLY, 0);
		if (fd < 0)
			fail_msg("%s: %d", name, fd);
		OK(kept_size(n), CALL(read, fd, bytes, KEPT_SIZE));
		kept_fill(n, want);
		assert_memory_equal(bytes, want, kept_size(n));
		OK(0, CALL(close, fd));
	}
}

/* All tools would refuse a superblock torn between its sectors: only the first
 * one changes. */
static void check_super(const u8 *second)
{
	const u8 *raw = image_disk.data + EXT4_SB_OFFSET;
	u32 sum;

	memcpy(&sum, raw + EXT4_SB_SIZE - 4, sizeof(sum));
	assert_int_equal(sum, crc32c(~0U, raw, EXT4_SB_SIZE - 4));
	assert_memory_equal(raw + 512, second, 512);
}

static void run(const char *make, u64 seed, u32 cuts)
{
	u8 second[512];

	image_shell("rm -f img");
	image_shell(make);
	image_load(&image_disk);
	memcpy(second, image_disk.data + EXT4_SB_OFFSET + 512, 512);
	powercut_init(&power, &image_disk.device, seed);
	nkept = 0;
	OK(0, stub_ext4_mount(&power.device, NULL));
	OK(0, CALL(mkdir, "/mnt/kept", 0755));
	OK(0, CALL(mkdir, "/mnt/noise", 0755));
	OK(0, stub_ext4_unmount());
	for (u32 k = 0; k < cuts; k++) {
		powercut_restore(&power, 30 + chance(300));
		(void)stub_ext4_mount(&power.device, NULL);
		while (!power.is_dead && nkept < KEPT_MAX) {
			if (chance(5) == 0)
				keep_one(nkept);
			else
				noise();
		}
		(void)stub_ext4_unmount();
		check_super(second);
		/* Back: the journal is replayed, and all is there. */
		powercut_restore(&power, 0);
		OK(0, stub_ext4_mount(&power.device, NULL));
		check_kept();
		OK(0, stub_ext4_unmount());
		image_save(&image_disk);
		image_fsck();
	}
	assert_true(nkept > cuts / 2);
	powercut_fini(&power);
	free(power.device.reserved);
	stub_disk_fini(&image_disk);
}

void test_crash(void **state)
{
	const char *env = getenv("EXT4_SEED"), *n = getenv("EXT4_CUTS");
	u64 seed = env ? strtoul(env, NULL, 0) : 5;
	u32 cuts = n ? (u32)atoi(n) : 12;

	(void)state;
	run("mke2fs -q -t ext4 -b 4096 img 24M", seed, cuts);
	run("mke2fs -q -t ext4 -b 1024 -J size=1 img 16M", seed + 1, cuts);
}

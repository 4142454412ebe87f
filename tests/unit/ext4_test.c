/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of ext4 on images of mke2fs: what debugfs and mkfs put in is read
 * back, what is written here is found right by e2fsck and debugfs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/ext4_image.h"
#include "tests/unit/stub_proc.h"

static struct linux_stat st;
static char buf[300000], want[300000];

/* --- Files ---------------------------------------------------------------- */

static void pattern(char *to, size_t n, u32 seed)
{
	for (size_t k = 0; k < n; k++) {
		seed = seed * 1664525 + 1013904223;
		to[k] = (char)(seed >> 24);
	}
}

static void put(const char *name, size_t n, u32 seed)
{
	int fd = (int)CALL(open, name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		fail_msg("open %s: %d", name, fd);
	pattern(buf, n, seed);
	OK((long)n, CALL(write, fd, buf, n));
	OK(0, CALL(close, fd));
}

static void expect(const char *name, size_t n, u32 seed)
{
	int fd = (int)CALL(open, name, O_RDONLY, 0);

	if (fd < 0)
		fail_msg("open %s: %d", name, fd);
	pattern(want, n, seed);
	memset(buf, 0, n);
	OK((long)n, CALL(read, fd, buf, sizeof(buf)));
	assert_memory_equal(buf, want, n);
	OK(0, CALL(close, fd));
}

static u32 count(const char *name)
{
	int fd = (int)CALL(open, name, O_RDONLY | O_DIRECTORY, 0);
	u32 found = 0;
	long n;

	assert_true(fd >= 0);
	while ((n = CALL(getdents64, fd, buf, 1000)) > 0) {
		for (long at = 0; at < n; found++) {
			struct linux_dirent64 *e =
				(struct linux_dirent64 *)(buf + at);

			at += e->reclen;
		}
	}
	OK(0, n);
	OK(0, CALL(close, fd));
	return found;
}

/* --- Reading what others made --------------------------------------------- */

static const char make_tree[] =
	"mkdir -p root/sub/deep root/many; printf hello >root/hello;"
	"ln root/hello root/hard; ln -s hello root/short; ln -s "
	"0123456789012345678901234567890123456789012345678901234567890123456789 "
	"root/long; mkfifo root/fifo; mknod root/null c 1 3;"
	"seq 1 50000 >root/sub/numbers; truncate -s 10M root/sparse;"
	"printf end >>root/sparse; i=0; while [ $i -lt 600 ]; do "
	": >root/many/a_rather_long_name_of_a_file_$i; i=$((i+1)); done;"
	"head -c 700 /dev/zero >big";
static const char set_xattrs[] =
	"debugfs -w -R 'ea_set /hello user.color red' img 2>log;"
	"debugfs -w -R 'ea_set -f big /hello user.big' img 2>log";

static void check_tree(void)
{
	long n;
	int fd;

	OK(0, CALL(stat, "/mnt/hello", &st));
	OK(5, st.st_size);
	OK(2, st.st_nlink);
	OK(5, CALL(readlink, "/mnt/short", buf, 100));
	OK(70, CALL(readlink, "/mnt/long", buf, 100));
	OK(0, CALL(lstat, "/mnt/fifo", &st));
	OK(TYPE_FIFO, st.st_mode & TYPE_MASK);
	OK(0, CALL(lstat, "/mnt/null", &st));
	OK(0x103, st.st_rdev);
	OK(602, count("/mnt/many"));
	OK(0, CALL(stat, "/mnt/many/a_rather_long_name_of_a_file_599", &st));
	OK(-ENOENT, CALL(stat, "/mnt/many/a_rather_long_name", &st));
	fd = (int)CALL(open, "/mnt/sub/numbers", O_RDONLY, 0);
	n = CALL(read, fd, buf, sizeof(buf));
	OK(288894, n);
	assert_memory_equal(buf + n - 6, "50000\n", 6);
	OK(0, CALL(close, fd));
	fd = (int)CALL(open, "/mnt/sparse", O_RDONLY, 0);
	OK(4, CALL(pread64, fd, buf, 10, (10 << 20) - 1));
	assert_memory_equal(buf, "\0end", 4);
	OK(0, CALL(lseek, fd, 0, 3 /* SEEK_DATA */) < (10 << 20) - 4096);
	OK(0, CALL(close, fd));
	n = CALL(getxattr, "/mnt/hello", "user.color", buf, 100);
	OK(3, n);
	assert_memory_equal(buf, "red", 3);
	OK(700, CALL(getxattr, "/mnt/hello", "user.big", buf, 1000));
}

static void test_read(void **state)
{
	static const char *const make[] = {
		"mke2fs -q -t ext4 -d root img 20M",
		"mke2fs -q -t ext4 -b 4096 -d root img 40M",
		"mke2fs -q -t ext4 -b 2048 -I 128 -O ^metadata_csum,uninit_bg "
		"-d root img 30M",
		"mke2fs -q -t ext4 -O ^64bit,^flex_bg,^dir_index,sparse_super2 "
		"-d root img 30M",
		"mke2fs -q -t ext4 -O meta_bg,^resize_inode,"
		"metadata_csum_seed,orphan_file,large_dir -d root img 30M",
		"mke2fs -q -t ext3 -d root img 30M",
		"mke2fs -q -t ext2 -d root img 30M",
	};

	(void)state;
	image_shell("rm -rf root");
	image_shell(make_tree);
	for (size_t k = 0; k < sizeof(make) / sizeof(*make); k++) {
		image_shell("rm -f img");
		image_shell(make[k]);
		image_shell(set_xattrs);
		image_mount("ro");
		check_tree();
		image_unmount();
		image_fsck();
	}
}

/* --- Writing -------------------------------------------------------------- */

static void test_write(void **state)
{
	char name[100];

	(void)state;
	image_shell("rm -f img; mke2fs -q -t ext4 img 40M");
	image_mount(NULL);
	put("/mnt/small", 100, 1);
	put("/mnt/big", 290000, 2);
	OK(0, CALL(mkdir, "/mnt/dir", 0755));
	for (int k = 0; k < 1500; k++) {
		snprintf(name, sizeof(name), "/mnt/dir/a_file_of_number_%d", k);
		put(name, (size_t)k % 50, (u32)k);
	}
	OK(1502, count("/mnt/dir"));
	OK(0, CALL(link, "/mnt/small", "/mnt/dir/link"));
	OK(0, CALL(rename, "/mnt/dir", "/mnt/moved"));
	OK(0, CALL(symlink, "small", "/mnt/sym"));
	OK(0, CALL(symlink, make_tree, "/mnt/longsym"));
	OK(0, CALL(mkdir, "/mnt/empty", 0700));
	OK(0, CALL(rmdir, "/mnt/empty"));
	OK(-ENOTEMPTY, CALL(rmdir, "/mnt/moved"));
	expect("/mnt/small", 100, 1);
	expect("/mnt/big", 290000, 2);
	OK(0, CALL(setxattr, "/mnt/small", "user.a", "value", 5, 0));
	OK(0, CALL(setxattr, "/mnt/small", "user.b", want, 600, 0));
	image_unmount();
	image_fsck();
	image_mount(NULL);
	expect("/mnt/moved/link", 100, 1);
	expect("/mnt/big", 290000, 2);
	expect("/mnt/moved/a_file_of_number_1499", 1499 % 50, 1499);
	OK(600, CALL(getxattr, "/mnt/small", "user.b", buf, 1000));
	for (int k = 0; k < 1500; k++) {
		snprintf(name, sizeof(name), "/mnt/moved/a_file_of_number_%d",
			 k);
		OK(0, CALL(unlink, name));
	}
	OK(3, count("/mnt/moved"));
	OK(0, CALL(truncate, "/mnt/big", 12345));
	OK(0, CALL(removexattr, "/mnt/small", "user.b"));
	OK(0, CALL(unlink, "/mnt/longsym"));
	image_unmount();
	image_fsck();
	image_shell("debugfs -R 'dump /big out' img 2>/dev/null;"
		    "test $(stat -c %s out) = 12345");
}

/* --- Growing -------------------------------------------------------------- */

static void test_resize(void **state)
{
	static const char *const make[] = {
		"mke2fs -q -t ext4 -b 1024 img 20M; truncate -s 100M img",
		"mke2fs -q -t ext4 -b 4096 img 60M; truncate -s 500M img",
	};
	char name[40];

	(void)state;
	for (size_t k = 0; k < sizeof(make) / sizeof(*make); k++) {
		struct ext4_sb *sb;
		u64 blocks;

		image_shell("rm -f img");
		image_shell(make[k]);
		image_mount(NULL);
		put("/mnt/before", 290000, 1);
		sb = stub_ext4_fs()->data;
		blocks = image_disk.size >> sb->block_bits;
		OK(-EINVAL, ext4_resize(sb, blocks + 1));
		OK(-EINVAL, ext4_resize(sb, sb->blocks_count - 1));
		OK(0, ext4_resize(sb, blocks));
		for (int n = 0; n < 70; n++) {
			snprintf(name, sizeof(name), "/mnt/dir%d", n);
			OK(0, CALL(mkdir, name, 0755));
			snprintf(name, sizeof(name), "/mnt/dir%d/file", n);
			put(name, 290000, (u32)n);
		}
		image_unmount();
		image_fsck();
		image_mount(NULL);
		sb = stub_ext4_fs()->data;
		assert_true(sb->blocks_count > blocks - blocks / 8);
		expect("/mnt/before", 290000, 1);
		expect("/mnt/dir69/file", 290000, 69);
		image_unmount();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),   cmocka_unit_test(test_write),
		cmocka_unit_test(test_random), cmocka_unit_test(test_full),
		cmocka_unit_test(test_crash),  cmocka_unit_test(test_resize),
	};

	return cmocka_run_group_tests(tests, image_setup, image_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the EROFS reader and the overlay on it, with an image that
 * mkfs.erofs makes from a directory of the test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/boot.h"
#include "kernel/fs/erofs_image.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_proc.h"

#define BIG 200000
#define NENTRIES 400

static struct boot_block boot;
static char buf[BIG + 100];
static struct linux_stat st, st2;

static void assert_call(long got, long want, const char *what, int line)
{
	if (got != want)
		fail_msg("line %d: %s gave %ld, not %ld", line, what, got,
			 want);
}
#define OK(want, call) assert_call((call), (want), #call, __LINE__)

/* The tree and its image, by the shell: as a user would. */
static const char make_image[] =
	"set -e; d=$(mktemp -d); cd $d; mkdir root; cd root;"
	"mkdir -p etc usr/bin many empty tree/sub;"
	"printf 'hello\\n' > etc/hello; : > etc/nothing;"
	"head -c 200000 /dev/zero | tr '\\0' 'b' > usr/bin/big;"
	"ln -s usr/bin bin; ln etc/hello etc/hard; mkfifo pipe;"
	"chmod 4755 usr/bin/big; printf deep > tree/sub/leaf;"
	"i=0; while [ $i -lt 400 ]; do : > many/f$i; i=$((i+1)); done;"
	"setfattr -n user.color -v red etc/hello 2>/dev/null || :; cd ..;"
	"mkfs.erofs -E noinline_data -T 1000000 img root >/dev/null 2>&1;"
	"cat img; rm -rf $d";

static void load_image(void)
{
	FILE *f = popen(make_image, "r");
	size_t n = f ? fread((void *)KERNEL_IMAGE_BASE, 1, STUB_IMAGE_SIZE, f)
		     : 0;

	if (!f || pclose(f) || n < 8192) {
		fprintf(stderr, "mkfs.erofs failed\n");
		exit(1);
	}
	boot.image_fd = 0;
	boot.image_size = n;
	kernel.boot = &boot;
}

static int setup(void **state)
{
	(void)state;
	stub_proc_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stub_proc_user(0);
	stub_proc_stop();
	return 0;
}

static void expect(const char *name, const char *data)
{
	int fd = (int)CALL(open, name, O_RDONLY, 0);

	assert_true(fd >= 0);
	memset(buf, 0, 100);
	OK((long)strlen(data), CALL(read, fd, buf, sizeof(buf)));
	assert_string_equal(buf, data);
	OK(0, CALL(close, fd));
}

static void put(const char *name, u32 flags, const char *data)
{
	int fd = (int)CALL(open, name, O_WRONLY | flags, 0644);

	assert_true(fd >= 0);
	strcpy(buf, data);
	OK((long)strlen(data), CALL(write, fd, buf, strlen(data)));
	OK(0, CALL(close, fd));
}

/* --- Reading through the overlay ----------------------------------------- */

static void test_read(void **state)
{
	int fd;

	(void)state;
	expect("/etc/hello", "hello\n");
	expect("/etc/nothing", "");
	OK(0, CALL(stat, "/etc/hello", &st));
	OK(0, CALL(stat, "/etc/hard", &st2));
	assert_int_equal(st.st_ino, st2.st_ino);
	assert_int_equal(st.st_dev, st2.st_dev);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_size, 6);
	OK(0, CALL(stat, "/bin/big", &st));
	assert_int_equal(st.st_size, BIG);
	assert_int_equal(st.st_mode, TYPE_REG | 04755);
	OK(0, CALL(lstat, "/bin", &st));
	assert_int_equal(st.st_mode & TYPE_MASK, TYPE_LNK);
	OK(7, CALL(readlink, "/bin", buf, 100));
	OK(0, CALL(lstat, "/pipe", &st));
	assert_int_equal(st.st_mode & TYPE_MASK, TYPE_FIFO);
	OK(-ENOENT, CALL(stat, "/etc/hell", &st));
	OK(-ENOENT, CALL(stat, "/etc/helloo", &st));
	OK(-ENOENT, CALL(stat, "/many/zzz", &st));
	OK(0, CALL(stat, "/many/f399", &st));
	fd = (int)CALL(open, "/bin/big", O_RDONLY, 0);
	OK(BIG, CALL(read, fd, buf, sizeof(buf)));
	assert_true(buf[0] == 'b' && buf[BIG - 1] == 'b');
	OK(0, CALL(close, fd));
}

/* The data of the image is mapped where it is. */
static void test_in_place(void **state)
{
	struct file *f;

	(void)state;
	assert_int_equal(path_open(AT_FDCWD, "/bin/big", O_RDONLY, 0, 0, &f),
			 0);
	assert_int_equal(f->inode->object->backing, PLAT_IMAGE);
	file_put(f);
}

static u32 list(const char *name, const char *must_not)
{
	int fd = (int)CALL(open, name, O_RDONLY | O_DIRECTORY, 0);
	u32 n = 0;
	long len;

	assert_true(fd >= 0);
	while ((len = CALL(getdents64, fd, buf, 1000)) > 0) {
		for (long at = 0; at < len;) {
			struct linux_dirent64 *e = (void *)(buf + at);

			if (must_not)
				assert_string_not_equal(e->name, must_not);
			n++;
			at += e->reclen;
		}
	}
	assert_int_equal(len, 0);
	OK(0, CALL(close, fd));
	return n - 2;
}

static void test_list(void **state)
{
	(void)state;
	assert_int_equal(list("/many", NULL), NENTRIES);
	assert_int_equal(list("/empty", NULL), 0);
	put("/many/new", O_CREAT, "x");
	assert_int_equal(list("/many", NULL), NENTRIES + 1);
	OK(0, CALL(unlink, "/many/f7"));
	assert_int_equal(list("/many", "f7"), NENTRIES);
	put("/many/f7", O_CREAT | O_EXCL, "again");
	expect("/many/f7", "again");
	assert_int_equal(list("/many", NULL), NENTRIES + 1);
	OK(0, CALL(unlink, "/many/f7"));
	OK(-ENOENT, CALL(stat, "/many/f7", &st));
	assert_int_equal(list("/many", "f7"), NENTRIES);
	OK(-ENOTEMPTY, CALL(rmdir, "/many"));
	OK(0, CALL(rmdir, "/empty"));
	OK(0, CALL(mkdir, "/empty", 0755));
	assert_int_equal(list("/empty", NULL), 0);
}

/* --- Writing ------------------------------------------------------------- */

static void test_copy_up(void **state)
{
	int reader = (int)CALL(open, "/etc/hello", O_RDONLY, 0);
	u64 ino;

	(void)state;
	OK(0, CALL(stat, "/etc/hello", &st));
	ino = st.st_ino;
	put("/etc/hello", O_APPEND, "world\n");
	expect("/etc/hard", "hello\nworld\n");
	OK(12, CALL(pread64, reader, buf, 100, 0));
	OK(0, CALL(close, reader));
	OK(0, CALL(stat, "/etc/hello", &st));
	assert_int_equal(st.st_ino, ino);
	OK(0, CALL(unlink, "/etc/hello"));
	OK(-ENOENT, CALL(stat, "/etc/hello", &st));
	expect("/etc/hard", "hello\nworld\n");
	OK(0, CALL(stat, "/etc/hard", &st));
	assert_int_equal(st.st_nlink, 1);
	OK(0, CALL(truncate, "/etc/hard", 3));
	expect("/etc/hard", "hel");
	OK(0, CALL(unlink, "/etc/hard"));
	put("/bin/big", 0, "B");
	OK(0, CALL(stat, "/usr/bin/big", &st));
	assert_int_equal(st.st_size, BIG);
	put("/bin/big", O_TRUNC, "small");
	expect("/usr/bin/big", "small");
	OK(0, CALL(chmod, "/usr/bin", 0700));
	OK(0, CALL(stat, "/bin", &st));
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_rename(void **state)
{
	(void)state;
	OK(0, CALL(rename, "/tree", "/moved"));
	OK(-ENOENT, CALL(stat, "/tree", &st));
	expect("/moved/sub/leaf", "deep");
	OK(0, CALL(rename, "/moved/sub/leaf", "/leaf"));
	assert_int_equal(list("/moved/sub", NULL), 0);
	expect("/leaf", "deep");
	OK(0, CALL(rmdir, "/moved/sub"));
	OK(0, CALL(mkdir, "/moved/sub", 0755));
	assert_int_equal(list("/moved/sub", NULL), 0);
	OK(0, CALL(rename, "/leaf", "/many/f9"));
	expect("/many/f9", "deep");
	OK(0, CALL(renameat2, AT_FDCWD, "/many/f9", AT_FDCWD, "/many/f10", 2));
	expect("/many/f10", "deep");
	expect("/many/f9", "");
	assert_int_equal(list("/many", NULL), NENTRIES);
	OK(0, CALL(unlink, "/many/f10"));
	OK(0, CALL(unlink, "/many/f9"));
	assert_int_equal(list("/many", "f9"), NENTRIES - 2);
}

/* --- The parser alone ---------------------------------------------------- */

static void test_image(void **state)
{
	struct erofs_image img;
	struct erofs_inode root, ino;
	struct erofs_entry e;
	u64 nid, pos = 0;
	u32 n = 0;

	(void)state;
	assert_int_equal(erofs_image_open(&img, (void *)KERNEL_IMAGE_BASE,
					  boot.image_size),
			 0);
	assert_int_equal(erofs_inode_read(&img, img.root_nid, &root), 0);
	assert_int_equal(erofs_lookup(&img, &root, "usr", 3, &nid), 0);
	assert_int_equal(erofs_lookup(&img, &root, "us", 2, &nid), -ENOENT);
	assert_int_equal(erofs_lookup(&img, &root, "many", 4, &nid), 0);
	assert_int_equal(erofs_inode_read(&img, nid, &ino), 0);
	while (erofs_dir_entry(&img, &ino, pos, &e) == 1) {
		assert_int_equal(erofs_lookup(&img, &ino, e.name, e.len, &nid),
				 0);
		assert_int_equal(nid, e.nid);
		pos = e.next;
		n++;
	}
	assert_int_equal(n, NENTRIES + 2);
}

static u8 damaged[STUB_IMAGE_SIZE];

/* Use what can be used of a damaged image: it must not crash. */
static void use_image(const void *base, u64 size)
{
	struct erofs_image img;
	struct erofs_inode dir, ino;
	struct erofs_entry e;
	u64 pos = 0, offset;

	if (erofs_image_open(&img, base, size) ||
	    erofs_inode_read(&img, img.root_nid, &dir))
		return;
	while (erofs_dir_entry(&img, &dir, pos, &e) == 1) {
		pos = e.next;
		if (erofs_inode_read(&img, e.nid, &ino))
			continue;
		(void)erofs_is_mappable(&img, &ino, &offset);
		(void)erofs_read(&img, &ino, buf, ino.size / 2, sizeof(buf));
		(void)erofs_lookup(&img, &ino, "hello", 5, &offset);
	}
}

static void test_damage(void **state)
{
	u64 size = boot.image_size;

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		u64 from = (u64)rand() % 3 ? 1024 : 0;

		if (round % 1000 == 0)
			memcpy(damaged, (void *)KERNEL_IMAGE_BASE, size);
		damaged[from + (u64)rand() % (32768 - from)] = (u8)rand();
		damaged[1024 + 8] = 0; /* no checksum, else all is refused */
		use_image(damaged, round % 7 ? size : (u64)rand() % size);
	}
	memcpy(damaged, (void *)KERNEL_IMAGE_BASE, size);
	damaged[1024 + 50] ^= 1;
	{
		struct erofs_image img;

		assert_int_equal(erofs_image_open(&img, damaged, size),
				 -EUCLEAN);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(image), T(damage),  T(read),	 T(in_place),
		T(list),  T(copy_up), T(rename),
	};

	stub_plat_start();
	heap_init();
	load_image();
	if (vfs_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

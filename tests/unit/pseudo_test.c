/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated files: lookup and listing by table, numbered directories, reads in
 * pieces, large texts, writes. The VFS below it is a few stubs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/fs/pseudo.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

struct thread *unit_current;

/* --- Stubs -------------------------------------------------------------------
 */

void mutex_lock_slow(struct mutex *m)
{
	fail_msg("mutex %p is held", (void *)m);
}

void mutex_unlock_slow(struct mutex *m)
{
	fail_msg("mutex %p is waited for", (void *)m);
}

void process_get(struct process *p)
{
	ref_get(&p->ref);
}

void process_put(struct process *p)
{
	(void)ref_put(&p->ref);
}

struct fs *fs_new(const struct fs_type *type, u64 magic)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	fs->type = type;
	fs->magic = magic;
	return fs;
}

void fs_put(struct fs *fs)
{
	free(fs);
}

struct inode *inode_new(struct fs *fs, struct inode *dir, u32 mode)
{
	struct inode *i = calloc(1, sizeof(*i));

	(void)dir;
	ref_init(&i->ref);
	i->fs = fs;
	i->mode = mode;
	i->nlink = 1;
	return i;
}

void inode_put(struct inode *i)
{
	if (!ref_put(&i->ref))
		return;
	if (i->ops->evict)
		i->ops->evict(i);
	free(i);
}

struct dentry *dentry_new_root(struct inode *inode)
{
	struct dentry *d = calloc(1, sizeof(*d));

	d->inode = inode;
	return d;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	(void)f;
	if (ctx->pos < 2)
		ctx->pos = 2;
	return true;
}

s64 uio_put_slow(struct uio *u, const void *src, u64 n)
{
	n = MIN(n, u->left);
	memcpy((char *)u->one.base + u->done, src, n);
	u->done += n;
	u->left -= n;
	return (s64)n;
}

s64 file_seek_endless(struct file *f, s64 offset, int whence)
{
	(void)whence;
	f->pos = (u64)offset;
	return offset;
}

s64 uio_get_slow(struct uio *u, void *dst, u64 n)
{
	n = MIN(n, u->left);
	memcpy(dst, (char *)u->one.base + u->done, n);
	u->done += n;
	u->left -= n;
	return (s64)n;
}

/* --- A tree
 * -------------------------------------------------------------------- */

static char stored[64];
static u32 shown;

static int show_count(struct fmt_buf *out, const struct pseudo_node *n)
{
	(void)n;
	fmt_buf_add(out, "%u\n", ++shown);
	return 0;
}

static int show_number(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%u\n", n->num);
	return 0;
}

static int show_large(struct fmt_buf *out, const struct pseudo_node *n)
{
	(void)n;
	for (int i = 0; i < 5000; i++)
		fmt_buf_add(out, "%05d\n", i);
	return 0;
}

static int show_error(struct fmt_buf *out, const struct pseudo_node *n)
{
	(void)out;
	(void)n;
	return -EPERM;
}

static int store(const struct pseudo_node *n, char *text, size_t len)
{
	(void)n;
	if (len >= sizeof(stored))
		return -EINVAL;
	memcpy(stored, text, len + 1);
	return 0;
}

static u32 three(void)
{
	return 3;
}

static const struct pseudo_row rows[] = {
	PSEUDO_TEXT("a/b/text", "hello\n"),
	PSEUDO_VALUE("a/b/value", 42),
	PSEUDO_VALUE("a/c", 7),
	PSEUDO_FILE("cpu/cpu#/id", show_number),
	PSEUDO_FILE("cpu/cpu#/sub/id", show_number),
	PSEUDO_TEXT("cpu/online", "0-2\n"),
	PSEUDO_FILE("count", show_count),
	PSEUDO_EMPTY_DIR("empty"),
	PSEUDO_FILE("error", show_error),
	PSEUDO_FILE("large", show_large),
	PSEUDO_LINK("link", "a/b"),
	PSEUDO_RW("rw", show_count, store),
};

static const struct pseudo_table table = {
	.name = "test",
	.rows = rows,
	.nrows = ARRAY_SIZE(rows),
	.count = three,
};

static struct fs *fs;

static int setup(void **state)
{
	static const struct fs_type type = { .name = "test" };

	(void)state;
	return pseudo_mount(&type, 1, &table, NULL, &fs);
}

static int teardown(void **state)
{
	(void)state;
	inode_put(fs->root->inode);
	free(fs->root);
	fs_put(fs);
	return 0;
}

/* The inode at a path below the root, or NULL. */
static struct inode *find(const char *path)
{
	struct inode *i = fs->root->inode, *next;

	ref_get(&i->ref);
	while (*path) {
		size_t len = strcspn(path, "/");
		int err = i->ops->lookup
				  ? i->ops->lookup(i, path, (u32)len, &next)
				  : -ENOTDIR;

		inode_put(i);
		if (err)
			return NULL;
		i = next;
		path += len + (path[len] == '/');
	}
	return i;
}

static int open_file(const char *path, bool can_write, struct file *f)
{
	memset(f, 0, sizeof(*f));
	f->inode = find(path);
	assert_non_null(f->inode);
	f->can_write = can_write;
	f->ops = f->inode->fops;
	return f->inode->ops->open(f->inode, f);
}

static void close_file(struct file *f)
{
	f->ops->release(f);
	inode_put(f->inode);
}

static s64 read_file(struct file *f, void *buf, u64 len, u64 *pos)
{
	struct uio u = { .one = { (u64)buf, len }, .left = len };

	return f->ops->read(f, &u, pos);
}

static void expect_text(const char *path, const char *text)
{
	char buf[128];
	struct file f;
	u64 pos = 0;
	s64 n;

	assert_int_equal(open_file(path, false, &f), 0);
	n = read_file(&f, buf, sizeof(buf) - 1, &pos);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
	close_file(&f);
}

static void files_are_found_by_path(void **state)
{
	struct inode *i;

	(void)state;
	expect_text("a/b/text", "hello\n");
	expect_text("a/b/value", "42\n");
	expect_text("a/c", "7\n");
	assert_null(find("a/d"));
	assert_null(find("a/b/tex"));
	assert_null(find("b"));
	i = find("a");
	assert_true(inode_is(i, TYPE_DIR));
	inode_put(i);
}

static void numbers_stand_for_directories(void **state)
{
	struct inode *i, *k;

	(void)state;
	expect_text("cpu/cpu0/id", "0\n");
	expect_text("cpu/cpu2/sub/id", "2\n");
	expect_text("cpu/online", "0-2\n");
	assert_null(find("cpu/cpu3"));
	assert_null(find("cpu/cpu01"));
	assert_null(find("cpu/cpu"));
	assert_null(find("cpu/cpu#"));
	i = find("cpu/cpu1/id");
	k = find("cpu/cpu2/id");
	assert_int_not_equal(i->ino, k->ino);
	inode_put(i);
	inode_put(k);
}

static struct listing {
	struct dir_context ctx;
	char text[512];
	u32 room; /* entries accepted per call */
} list;

static bool emit(struct dir_context *ctx, const char *name, u32 len, u64 ino,
		 u32 mode_type, u64 next_pos)
{
	struct inode *i;

	(void)next_pos;
	(void)len;
	assert_ptr_equal(ctx, &list.ctx);
	if (list.room == 0)
		return false;
	list.room--;
	strcat(list.text, name);
	strcat(list.text, mode_type == TYPE_DIR ? "/ " : " ");
	assert_true(ino != 0);
	i = find(name);
	if (i) /* of the root: the numbers agree */
		assert_true(i->ino == ino || strcmp(name, "id") == 0);
	if (i)
		inode_put(i);
	return true;
}

static void expect_listing(const char *path, u32 room, const char *text)
{
	struct file f = { 0 };
	u64 before;

	memset(&list, 0, sizeof(list));
	list.ctx.emit = emit;
	f.inode = find(path);
	assert_non_null(f.inode);
	do {
		before = list.ctx.pos;
		list.room = room;
		assert_int_equal(f.inode->fops->readdir(&f, &list.ctx), 0);
	} while (list.room == 0 && list.ctx.pos != before);
	assert_string_equal(list.text, text);
	inode_put(f.inode);
}

static void directories_are_listed(void **state)
{
	static const char *const root =
		"a/ cpu/ count empty/ error large link rw ";

	(void)state;
	for (u32 room = 1; room < 10; room++) {
		expect_listing("", room, root);
		expect_listing("a", room, "b/ c ");
		expect_listing("a/b", room, "text value ");
		expect_listing("cpu", room, "cpu0/ cpu1/ cpu2/ online ");
		expect_listing("cpu/cpu1", room, "id sub/ ");
		expect_listing("empty", room, "");
	}
}

static void text_is_made_when_read_from_the_start(void **state)
{
	char buf[8];
	struct file f;
	u64 pos = 0;

	(void)state;
	shown = 9;
	assert_int_equal(open_file("count", false, &f), 0);
	assert_int_equal(read_file(&f, buf, 1, &pos), 1);
	assert_int_equal(read_file(&f, buf + 1, 7, &pos), 2);
	assert_memory_equal(buf, "10\n", 3);
	assert_int_equal(read_file(&f, buf, 8, &pos), 0);
	assert_int_equal(shown, 10);
	pos = 0;
	assert_int_equal(read_file(&f, buf, 8, &pos), 3);
	assert_memory_equal(buf, "11\n", 3);
	close_file(&f);
}

static void large_texts_are_whole(void **state)
{
	static char buf[40000];
	struct file f;
	u64 pos = 0;

	(void)state;
	assert_int_equal(open_file("large", false, &f), 0);
	assert_int_equal(read_file(&f, buf, sizeof(buf), &pos), 30000);
	assert_memory_equal(buf + 29994, "04999\n", 6);
	close_file(&f);
}

static void errors_reach_the_reader(void **state)
{
	char buf[8];
	struct file f;
	u64 pos = 0;

	(void)state;
	assert_int_equal(open_file("error", false, &f), 0);
	assert_int_equal(read_file(&f, buf, 8, &pos), -EPERM);
	close_file(&f);
}

static void writes_go_to_the_row(void **state)
{
	struct uio u = { .one = { (u64) "value", 5 }, .left = 5 };
	struct file f;
	u64 pos = 0;

	(void)state;
	assert_int_equal(open_file("rw", true, &f), 0);
	assert_int_equal(f.ops->write(&f, &u, &pos), 5);
	assert_string_equal(stored, "value");
	close_file(&f);
	assert_int_equal(open_file("count", true, &f), -EROFS);
	inode_put(f.inode);
}

static void links_have_text(void **state)
{
	struct inode *i = find("link");
	char buf[16];

	(void)state;
	assert_true(inode_is(i, TYPE_LNK));
	assert_int_equal(i->ops->readlink(i, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "a/b");
	assert_null(i->ops->follow);
	inode_put(i);
}

static void numbers_are_strict(void **state)
{
	u32 value;

	(void)state;
	assert_true(pseudo_number("0", 1, &value));
	assert_true(pseudo_number("4294967295", 10, &value));
	assert_int_equal(value, 4294967295U);
	assert_false(pseudo_number("4294967296", 10, &value));
	assert_false(pseudo_number("", 0, &value));
	assert_false(pseudo_number("01", 2, &value));
	assert_false(pseudo_number("1x", 2, &value));
	assert_false(pseudo_number("-1", 2, &value));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_found_by_path),
		TEST(numbers_stand_for_directories),
		TEST(directories_are_listed),
		TEST(text_is_made_when_read_from_the_start),
		TEST(large_texts_are_whole),
		TEST(errors_reach_the_reader),
		TEST(writes_go_to_the_row),
		TEST(links_have_text),
		TEST(numbers_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of /proc/PID that lead to files: fd/N, exe, cwd, root; and fdinfo.
 * They are followed to the object itself, not by name, so they also reach
 * deleted and nameless files.
 */
#include "kernel/fs/procfs_int.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/vfs.h"

/* --- Single links
 * ------------------------------------------------------------------ */

int procfs_follow_exe(const struct pseudo_node *n, struct path *target)
{
	struct process *p = n->proc;
	int err = procfs_may_inspect(p);

	if (err)
		return err;
	mutex_lock(&p->lock);
	if (p->exe) {
		*target = p->exe->path;
		path_get(target);
	} else {
		err = -ENOENT;
	}
	mutex_unlock(&p->lock);
	return err;
}

static int follow_context(const struct pseudo_node *n, bool is_root,
			  struct path *target)
{
	struct fs_context *c;
	int err = procfs_may_inspect(n->proc);

	if (err)
		return err;
	c = procfs_fs(n->proc);
	if (!c)
		return -ENOENT;
	mutex_lock(&c->lock);
	*target = is_root ? c->root : c->cwd;
	path_get(target);
	mutex_unlock(&c->lock);
	fs_context_put(c);
	return 0;
}

int procfs_follow_cwd(const struct pseudo_node *n, struct path *target)
{
	return follow_context(n, false, target);
}

int procfs_follow_root(const struct pseudo_node *n, struct path *target)
{
	return follow_context(n, true, target);
}

/* Text of a path as seen from the current root, not terminated if cut. */
static int path_text(const struct path *p, char *buf, size_t size)
{
	char *work = kmalloc(PATH_MAX_LEN + 16), *name;
	struct path root;
	int len = -ENAMETOOLONG;

	if (!work)
		return -ENOMEM;
	path_root(&root);
	name = path_name(p, &root, work, PATH_MAX_LEN + 16);
	path_put(&root);
	if (name)
		len = (int)MIN(str_copy(buf, size, name), size - 1);
	kfree(work);
	return len;
}

int procfs_readlink_path(const struct pseudo_node *n, char *buf, size_t size)
{
	struct path target;
	int len = n->row->follow(n, &target);

	if (len)
		return len;
	len = path_text(&target, buf, size);
	path_put(&target);
	return len;
}

void procfs_put_path(struct fmt_buf *out, const struct path *p,
		     const char *escaped, const char *fallback)
{
	char *buf = kmalloc(PATH_MAX_LEN);
	int len = buf ? path_text(p, buf, PATH_MAX_LEN) : -ENOMEM;

	if (len < 0) {
		fmt_buf_add(out, "%s", fallback);
		kfree(buf);
		return;
	}
	for (int i = 0; i < len; i++) {
		if (strchr(escaped, buf[i]))
			fmt_buf_add(out, "\\%03o", (u8)buf[i]);
		else
			fmt_buf_put(out, buf + i, 1);
	}
	kfree(buf);
}

/* --- fd/
 * -----------------------------------------------------------------------------
 */

/* The file at exactly this descriptor, with a reference. -ENOENT. */
static int file_at(struct process *p, u32 fd, struct file **f)
{
	struct fdtable *t = procfs_files(p);
	int found;

	if (!t)
		return -ENOENT;
	found = fdtable_next(t, (int)fd, f);
	fdtable_put(t);
	if (found < 0)
		return -ENOENT;
	if (found == (int)fd)
		return 0;
	file_put(*f);
	return -ENOENT;
}

int procfs_file_of(struct process *p, int fd, struct file **f)
{
	return fd < 0 || file_at(p, (u32)fd, f) ? -EBADF : 0;
}

static int follow_fd(const struct pseudo_node *n, struct path *target)
{
	struct file *f;
	int err = procfs_may_inspect(n->proc);

	if (!err)
		err = file_at(n->proc, n->num, &f);
	if (err)
		return err;
	*target = f->path;
	path_get(target);
	file_put(f);
	return 0;
}

static const struct pseudo_row fd_row = {
	.path = "fd/#",
	.mode = TYPE_LNK | 0700,
	.readlink = procfs_readlink_path,
	.follow = follow_fd,
};

static int show_fdinfo(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct file *f;
	int err = procfs_may_inspect(n->proc);

	if (!err)
		err = file_at(n->proc, n->num, &f);
	if (err)
		return err;
	fmt_buf_add(out, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n",
		    f->pos, f->flags, f->path.mount ? f->path.mount->id : 0,
		    f->inode->ino);
	if (f->ops->show_fdinfo)
		f->ops->show_fdinfo(f, out);
	file_put(f);
	return 0;
}

static const struct pseudo_row fdinfo_row = {
	.path = "fdinfo/#",
	.mode = TYPE_REG | 0400,
	.show = show_fdinfo,
};

static int fd_lookup(const struct pseudo_node *dir, const char *name, u32 len,
		     struct pseudo_node *child)
{
	bool is_link = dir->dir == &procfs_fd_dir;
	struct file *f;
	u32 fd;
	int err;

	if (!pseudo_number(name, len, &fd) || fd > INT32_MAX)
		return -ENOENT;
	err = procfs_may_inspect(dir->proc);
	if (!err)
		err = file_at(dir->proc, fd, &f);
	if (err)
		return err;
	child->num = fd;
	child->dir = NULL;
	child->row = is_link ? &fd_row : &fdinfo_row;
	child->mode = TYPE_REG | 0400;
	if (is_link)
		child->mode = TYPE_LNK | (f->can_read ? 0500 : 0) |
			      (f->can_write ? 0300 : 0);
	file_put(f);
	return 0;
}

static bool fd_readdir(const struct pseudo_node *dir, struct dir_context *ctx)
{
	struct fdtable *t = procfs_files(dir->proc);
	u32 mode = dir->dir == &procfs_fd_dir ? TYPE_LNK : TYPE_REG;
	bool is_done = true;
	char name[12];
	struct file *f;

	if (!t)
		return true;
	if (procfs_may_inspect(dir->proc))
		goto out;
	for (;;) {
		int fd = fdtable_next(t, (int)pseudo_cookie(ctx), &f);

		if (fd < 0)
			break;
		file_put(f);
		fmt_format(name, sizeof(name), "%d", fd);
		if (!pseudo_emit(ctx, dir, name, mode, (u64)fd + 1)) {
			is_done = false;
			break;
		}
	}
out:
	fdtable_put(t);
	return is_done;
}

const struct pseudo_dir procfs_fd_dir = {
	.lookup = fd_lookup,
	.readdir = fd_readdir,
};

const struct pseudo_dir procfs_fdinfo_dir = {
	.lookup = fd_lookup,
	.readdir = fd_readdir,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server. It does what it is asked as root of the instance and in its
 * root directory; symbolic links are followed in there. One file can be open
 * at a time. Nothing that could block for ever is opened.
 */
#include "kernel/boot/fileserver.h"

#include "abi/files.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

struct server {
	int hfd;
	const u32 *stop;
	struct file *file; /* open, or NULL */
	struct files_request request;
	struct files_reply reply;
	char in[FILES_BYTES_MAX + 1]; /* terminated */
	char out[FILES_BYTES_MAX];
};

/* --- The wire
 * ------------------------------------------------------------------- */

/* All n bytes in or out: false when there is nobody to serve any more. */
static bool transfer(struct server *s, void *data, size_t n, bool is_out)
{
	struct plat_pollfd p = { .hfd = s->hfd,
				 .events = is_out ? EV_OUT : EV_IN };
	char *at = data;

	while (n) {
		struct plat_iovec iov = { (u64)(uintptr_t)at, n };
		s64 done = is_out ? plat_hfd_writev(s->hfd, &iov, 1)
				  : plat_hfd_readv(s->hfd, &iov, 1);

		if (done > 0) {
			at += done;
			n -= (size_t)done;
			continue;
		}
		if ((done != -EAGAIN && done != -EINTR) || atomic_load(s->stop))
			return false;
		(void)thread_sleep_poll(&p, 1, NSEC_MAX);
	}
	return true;
}

static bool receive(struct server *s)
{
	if (!transfer(s, &s->request, sizeof(s->request), false) ||
	    s->request.len > FILES_BYTES_MAX ||
	    !transfer(s, s->in, s->request.len, false))
		return false;
	s->in[s->request.len] = '\0';
	return true;
}

/* The string at `at` of the request's bytes, or NULL. */
static const char *string_at(const struct server *s, size_t at)
{
	return at < s->request.len &&
			       memchr(s->in + at, '\0', s->request.len - at)
		       ? s->in + at
		       : NULL;
}

static const char *path_at(const struct server *s, size_t at)
{
	const char *path = string_at(s, at);

	return path && path[0] == '/' && strlen(path) < FILES_PATH_MAX ? path
								       : NULL;
}

/* What follows the first string. */
static size_t after(const char *first)
{
	return strlen(first) + 1;
}

static u32 follow(const struct server *s)
{
	return s->request.flags & FILES_FOLLOW ? LOOKUP_FOLLOW : 0;
}

/* --- Requests: 0 or -errno
 * ------------------------------------------------------ */

static int op_stat(struct server *s, const char *path)
{
	struct files_attr *out = (struct files_attr *)s->out;
	struct inode_id id;
	struct attr a;
	int err = path_stat(AT_FDCWD, path, follow(s), &a, &id);

	if (err)
		return err;
	*out = (struct files_attr){
		.mode = a.mode,
		.uid = a.uid,
		.gid = a.gid,
		.nlink = id.nlink,
		.size = a.size,
		.mtime_s = a.mtime.sec,
		.mtime_ns = (u32)a.mtime.nsec,
		.rdev = id.rdev,
	};
	s->reply.len = sizeof(*out);
	return 0;
}

static int op_readlink(struct server *s, const char *path)
{
	struct path p;
	int n = path_lookup(AT_FDCWD, path, 0, &p);
	const struct inode *i;

	if (n)
		return n;
	i = p.dentry->inode;
	n = -EINVAL;
	if (inode_is(i, TYPE_LNK) && i->link)
		n = (int)str_copy(s->out, FILES_PATH_MAX, i->link);
	else if (inode_is(i, TYPE_LNK) && i->ops->readlink)
		n = i->ops->readlink(p.dentry->inode, s->out, FILES_PATH_MAX);
	path_put(&p);
	if (n < 0)
		return n;
	s->reply.len = MIN((u32)n, FILES_PATH_MAX - 1U);
	return 0;
}

struct listing {
	struct dir_context ctx;
	struct server *server;
};

static bool emit(struct dir_context *ctx, const char *name, u32 len,
		 UNUSED u64 ino, u32 mode_type, UNUSED u64 next_pos)
{
	struct server *s = container_of(ctx, struct listing, ctx)->server;
	struct files_entry e = { .len = (u16)len, .type = (u16)mode_type };

	if (s->reply.len + sizeof(e) + len > FILES_BYTES_MAX)
		return false;
	memcpy(s->out + s->reply.len, &e, sizeof(e));
	memcpy(s->out + s->reply.len + sizeof(e), name, len);
	s->reply.len += (u32)sizeof(e) + len;
	return true;
}

static int op_list(struct server *s, const char *path)
{
	struct listing l = { .ctx = { .pos = s->request.at, .emit = emit },
			     .server = s };
	struct file *f;
	int err = path_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK,
			    0, follow(s), &f);

	if (err)
		return err;
	err = f->ops->readdir && !(f->inode->flags & INODE_DEAD)
		      ? f->ops->readdir(f, &l.ctx)
		      : -ENOTDIR;
	file_put(f);
	s->reply.at = l.ctx.pos;
	return s->reply.len ? 0 : err;
}

static void close_file(struct server *s)
{
	if (s->file)
		file_put(s->file);
	s->file = NULL;
}

static int op_open(struct server *s, const char *path)
{
	u32 flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE;
	int err;

	close_file(s);
	if (s->request.flags & FILES_WRITES)
		flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY |
			O_LARGEFILE;
	if (s->request.flags & FILES_NEW)
		flags |= O_EXCL;
	if (!(s->request.flags & FILES_FOLLOW))
		flags |= O_NOFOLLOW;
	err = path_open(AT_FDCWD, path, flags, s->request.mode & 07777,
			follow(s), &s->file);
	if (err)
		return err;
	if (inode_is(s->file->inode, TYPE_REG))
		return 0;
	err = inode_is(s->file->inode, TYPE_DIR) ? -EISDIR : -EINVAL;
	close_file(s);
	return err;
}

static int op_read(struct server *s)
{
	s64 n;

	if (!s->file || !s->file->can_read)
		return -EBADF;
	n = file_read_kernel(s->file, s->out,
			     MIN(s->request.mode, FILES_BYTES_MAX),
			     s->request.at);
	if (n < 0)
		return (int)n;
	s->reply.len = (u32)n;
	return 0;
}

static int op_write(struct server *s)
{
	u64 pos = s->request.at;
	struct uio u;
	s64 n;

	if (!s->file || !s->file->can_write)
		return -EBADF;
	uio_init_kernel(&u, s->in, s->request.len);
	while (u.left) {
		n = file_write(s->file, &u, &pos);
		if (n <= 0)
			return n ? (int)n : -EIO;
	}
	return 0;
}

static int op_link(struct server *s, const char *path)
{
	const char *target = path_at(s, after(path));
	struct path p;
	int err;

	if (!target)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, target, 0, &p);
	if (err)
		return err;
	err = path_link(&p, AT_FDCWD, path);
	path_put(&p);
	return err;
}

static int op_symlink(struct server *s, const char *path)
{
	const char *target = string_at(s, after(path));

	return target && target[0] ? path_symlink(target, AT_FDCWD, path)
				   : -EINVAL;
}

static int op_remove(UNUSED struct server *s, const char *path)
{
	int err = path_unlink(AT_FDCWD, path);

	return err == -EISDIR ? path_rmdir(AT_FDCWD, path) : err;
}

static int op_mkdir(struct server *s, const char *path)
{
	return path_mkdir(AT_FDCWD, path, s->request.mode & 01777);
}

/* One thing after the other, since a change of owner takes bits of the mode. */
static int set(const struct path *p, const struct files_attr *a, u32 has)
{
	struct attr owner = { .valid = ATTR_UID | ATTR_GID,
			      .uid = a->uid,
			      .gid = a->gid };
	struct attr mode = { .valid = ATTR_MODE, .mode = a->mode & 07777 };
	struct attr time = { .valid = ATTR_ATIME | ATTR_MTIME,
			     .mtime = { a->mtime_s, a->mtime_ns } };
	struct inode *i = p->dentry->inode;
	int err = path_want_write(p);

	time.atime = time.mtime;
	if (!err && (has & FILES_HAS_OWNER))
		err = inode_change(i, &owner);
	if (!err && (has & FILES_HAS_MODE) && !inode_is(i, TYPE_LNK))
		err = inode_change(i, &mode);
	if (!err && (has & FILES_HAS_TIME))
		err = inode_change(i, &time);
	if (!err)
		vfs_notify(p->dentry, NOTIFY_ATTRIB);
	return err;
}

static int op_set(struct server *s)
{
	const char *path = path_at(s, sizeof(struct files_attr));
	struct files_attr a;
	struct path p;
	int err;

	if (!path)
		return -EINVAL;
	memcpy(&a, s->in, sizeof(a));
	if (a.mtime_ns >= 1000000000)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, path, follow(s), &p);
	if (err)
		return err;
	err = set(&p, &a, s->request.mode);
	path_put(&p);
	return err;
}

typedef int path_fn(struct server *s, const char *path);
static path_fn *const path_ops[] = {
	[FILES_STAT] = op_stat,	  [FILES_READLINK] = op_readlink,
	[FILES_LIST] = op_list,	  [FILES_OPEN] = op_open,
	[FILES_MKDIR] = op_mkdir, [FILES_SYMLINK] = op_symlink,
	[FILES_LINK] = op_link,	  [FILES_REMOVE] = op_remove,
};

static int dispatch(struct server *s)
{
	u32 op = s->request.op;
	const char *path;

	if (op < ARRAY_SIZE(path_ops) && path_ops[op]) {
		path = path_at(s, 0);
		return path ? path_ops[op](s, path) : -EINVAL;
	}
	switch ((enum files_op)op) {
	case FILES_READ:
		return op_read(s);
	case FILES_WRITE:
		return op_write(s);
	case FILES_SET:
		return op_set(s);
	case FILES_CLOSE:
		close_file(s);
		return 0;
	default:
		return -ENOSYS;
	}
}

void fileserver_run(int hfd, const u32 *stop)
{
	struct server *s = kzalloc(sizeof(*s));

	if (!s)
		return;
	s->hfd = hfd;
	s->stop = stop;
	while (receive(s)) {
		int err;

		s->reply = (struct files_reply){ 0 };
		err = dispatch(s);
		if (err) {
			s->reply.error = -err;
			s->reply.len = 0;
		}
		if (!transfer(s, &s->reply, sizeof(s->reply), true) ||
		    !transfer(s, s->out, s->reply.len, true))
			break;
	}
	close_file(s);
	kfree(s);
	plat_image_forget();
}

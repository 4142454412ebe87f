/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFS as a whole: start, names of the program, what it asks of the
 * subsystems that own special files, and helpers its own files share.
 */
#ifndef JIFFY_KERNEL_VFS_VFS_H
#define JIFFY_KERNEL_VFS_VFS_H

#include "kernel/proc/cred.h"
#include "kernel/proc/thread.h"
#include "kernel/vfs/counts.h"
#include "kernel/vfs/inode.h"

/* Mount the root (image overlay, or tmpfs without an image), /proc, /sys,
 * /dev and friends. After heap_init(), before the first process. */
int vfs_init(void);
/* A context at the root with umask 022, for the first process. */
struct fs_context *fs_context_new(void);
/* Change directory or root of the current process; references are copied. */
void fs_context_set_cwd(struct fs_context *c, const struct path *p);
void fs_context_set_root(struct fs_context *c, const struct path *p);
/* Copies with references: the current process's root and cwd. */
void path_root(struct path *p);
void path_cwd(struct path *p);
u32 path_umask(void);

/* --- What the owners of special files provide ----------------------------- */

/* kernel/dev: open a TYPE_CHR or TYPE_BLK inode by its rdev: sets f->ops and
 * f->data. -ENXIO. If one of these fails after it set f->ops, release() runs.
 * An inode's own ops->open goes before them. */
int device_open(struct inode *inode, struct file *f);
/* ipc/pipe.c: the same for a FIFO; may sleep for the other end. */
int fifo_open(struct inode *inode, struct file *f);
/* ipc/pipe.c: inode->fifo is not NULL and the inode is being freed. */
void fifo_gone(struct inode *inode);
/* ipc/epoll.c: f with a non-empty epoll_watches has lost its last reference. */
void epoll_file_gone(struct file *f);
/* ipc/epoll.c: f's wait queues or outside descriptors are others than when it
 * was added (a socket that connected outside): watches register anew. */
void epoll_file_rearm(struct file *f);
/* ipc/inotify.c: something happened to an inode that is watched. mask: IN_*;
 * name is NULL for the inode itself. */
void inotify_event(struct inode *inode, u32 mask, u32 cookie, const char *name);
void inotify_gone(struct inode *inode);
/* ipc/dnotify.c: F_NOTIFY by the current process. 0, -ENOTDIR, -ENOMEM. */
int dnotify_set(struct file *f, int fd, u32 mask);
/* `owner` closes a descriptor of f, whose inode has or had watches. */
void dnotify_close(struct file *f, struct fdtable *owner);

/* --- Credentials as the VFS sees them ------------------------------------ */

/* The current thread's, or root's before there is one. */
const struct cred *vfs_cred(void);
bool vfs_capable(int cap);

/* --- Events (inotify) ---------------------------------------------------- */

enum { /* IN_* */
       NOTIFY_ACCESS = 0x1,
       NOTIFY_MODIFY = 0x2,
       NOTIFY_ATTRIB = 0x4,
       NOTIFY_CLOSE_WRITE = 0x8,
       NOTIFY_CLOSE_NOWRITE = 0x10,
       NOTIFY_OPEN = 0x20,
       NOTIFY_MOVED_FROM = 0x40,
       NOTIFY_MOVED_TO = 0x80,
       NOTIFY_CREATE = 0x100,
       NOTIFY_DELETE = 0x200,
       NOTIFY_DELETE_SELF = 0x400,
       NOTIFY_MOVE_SELF = 0x800,
       NOTIFY_RENAME = 0x10000000, /* within a directory; dnotify only */
       NOTIFY_ISDIR = 0x40000000,
};
/* A watch exists somewhere: set by ipc/inotify.c once, never cleared. */
extern bool vfs_has_watches;
void vfs_notify_slow(struct dentry *d, u32 mask);
static inline void vfs_notify(struct dentry *d, u32 mask)
{
	if (unlikely(vfs_has_watches))
		vfs_notify_slow(d, mask);
}
void vfs_notify_dir_slow(struct inode *dir, u32 mask, u32 cookie,
			 const char *name, bool is_dir);
static inline void vfs_notify_dir(struct inode *dir, u32 mask, const char *name,
				  bool is_dir)
{
	if (unlikely(vfs_has_watches))
		vfs_notify_dir_slow(dir, mask, 0, name, is_dir);
}

/* --- Names of the program ------------------------------------------------ */

#define NAME_FAST 512
struct name_in { /* short names stay on the stack */
	char *name;
	char buf[NAME_FAST];
};
/* As path_name_in(). name_in_put() after success. */
int name_in_get(struct name_in *n, uaddr_t name, u32 flags);
void name_in_put(struct name_in *n);

/* --- Walks --------------------------------------------------------------- */

/* Everything that takes a dentry or mount away from where a walker without
 * references may stand is done between these two. */
void walk_write_begin(void);
void walk_write_end(void);

/* Attributes of a name without taking references where possible. */
struct inode_id;
int path_stat(int dirfd, const char *name, u32 flags, struct attr *attr,
	      struct inode_id *id);

/* What stat needs beyond struct attr. */
struct inode_id {
	u64 ino;
	u64 blocks; /* of 512 bytes */
	u32 nlink;
	u32 rdev;
	u32 dev;
	u32 mount_id;
	bool is_mount_root;
};
void inode_identify(struct inode *i, struct inode_id *id);

/* --- Directory operations (dirops.c) ------------------------------------- */

int path_mkdir(int dirfd, const char *name, u32 mode);
int path_rmdir(int dirfd, const char *name);
int path_symlink(const char *target, int dirfd, const char *name);
int path_link(const struct path *old, int dirfd, const char *name);
int path_rename(int old_dirfd, const char *old_name, int new_dirfd,
		const char *new_name, u32 flags);
/* A writable mount and filesystem: 0 or -EROFS. */
int path_want_write(const struct path *p);
/* May the caller remove `victim` from dir (write, search, sticky)? dir is
 * locked. */
int may_delete(struct inode *dir, struct inode *victim, bool is_dir);
int may_create(struct inode *dir);
/* Under dir->inode->lock (write): the child, made known from disk if need be.
 * -ENOENT. A reference is taken. */
int dentry_lookup_locked(struct dentry *dir, const char *name, u32 len,
			 struct dentry **d);
bool dentry_is_ancestor(struct dentry *ancestor, struct dentry *d);
/* Move d below parent under a new name; both directories are locked. */
int dentry_move(struct dentry *d, struct dentry *parent, const char *name,
		u32 len);
int dentry_exchange(struct dentry *a, struct dentry *b);
bool dentry_has_pinned(struct dentry *dir);
/* Emit the pinned children with cookies above ctx->pos - base. Takes the
 * directory's lock inside. False: the buffer is full. */
bool dentry_emit_pinned(struct dentry *dir, struct dir_context *ctx, u64 base);
/* "." and ".." at positions 0 and 1. */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);

/* --- Regular files, memfd, anonymous inodes ------------------------------ */

extern const struct file_ops regular_fops; /* over inode->object */
extern const struct file_ops empty_fops;   /* opened nodes without data */
int memfd_new(const char *name, u32 flags, u32 seals, struct file **f);
/* Change a regular file's size: limits, seals, SIGXFSZ; f or NULL. */
int inode_truncate(struct inode *i, u64 size, struct file *f);
/* May the file grow to this size? SIGXFSZ and -EFBIG if not. */
int inode_size_limit(const struct inode *i, u64 size);
int inode_add_seals(struct inode *i, u32 seals);
bool inode_is_memfd(const struct inode *i);
/* How much of *n bytes may be written at pos: *n is cut. 0, or -EFBIG and
 * SIGXFSZ. */
int inode_write_limit(u64 pos, u64 *n);
/* Clear set-id bits because the file was written; lock held for writing. */
void inode_drop_suid(struct inode *i);
/* Remember an access (relatime). f may be NULL. */
void inode_accessed(struct inode *i, struct mount *m, struct file *f);

/* --- Locks (lockf.c) ----------------------------------------------------- */

struct linux_flock;
enum lock_kind { LOCK_KIND_POSIX, LOCK_KIND_OFD };
long lockf_get(struct file *f, struct linux_flock *l, enum lock_kind kind);
long lockf_set(struct file *f, const struct linux_flock *l, enum lock_kind kind,
	       bool wait);
long flock_set(struct file *f, int type, bool wait);
/* `owner` (a descriptor table) closes a descriptor of f. */
void lockf_close(struct file *f, void *owner);
void lockf_release(struct file *f); /* last reference: OFD and flock locks */
void lockf_inode_gone(struct inode *i);
/* For /proc/locks. */

#endif

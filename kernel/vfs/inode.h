/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes, dentries, mounts and filesystems.
 *
 * A dentry names an inode inside a directory and is found through its parent's
 * child table; negative dentries are not kept. Children hold a reference on
 * their parent. Cached but unused dentries stay until their directory is
 * pruned or memory runs short (tmpfs dentries are pinned: they are the
 * directory).
 */
#ifndef JIFFY_KERNEL_VFS_INODE_H
#define JIFFY_KERNEL_VFS_INODE_H

#include "kernel/proc/lock.h"
#include "kernel/vfs/file.h"
#include "lib/list.h"

#define NAME_MAX_LEN 255

struct fs;
struct fs_type;
struct dentry;
struct inode;
struct cred;

struct ltimespec {
	s64 sec;
	s64 nsec;
};

/* What stat() and friends report; also what setattr() changes. */
struct attr {
	u32 valid; /* enum attr_valid, for setattr */
	u32 mode;  /* S_IF* | permissions */
	u32 uid, gid;
	u64 size;
	struct ltimespec atime, mtime, ctime, btime;
};
enum attr_valid {
	ATTR_MODE = 1,
	ATTR_UID = 2,
	ATTR_GID = 4,
	ATTR_SIZE = 8,
	ATTR_ATIME = 16,
	ATTR_MTIME = 32,
	ATTR_CTIME = 64,
	ATTR_TIMES_NOW = 128, /* both times become now: writers may do that */
};

struct inode_ops {
	/* Directories. `dir` is locked (dir->lock) by the caller: read for
	 * lookup, write for the rest. lookup: the inode with a reference, or
	 * -ENOENT. */
	int (*lookup)(struct inode *dir, const char *name, u32 len,
		      struct inode **inode);
	int (*create)(struct inode *dir, struct dentry *d, u32 mode, u32 rdev,
		      struct inode **inode); /* regular, fifo, socket, node */
	int (*mkdir)(struct inode *dir, struct dentry *d, u32 mode,
		     struct inode **inode);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target,
		       struct inode **inode);
	int (*link)(struct inode *dir, struct dentry *d, struct inode *inode);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	/* flags: RENAME_*; new_d may have an inode (replaced). */
	int (*rename)(struct inode *old_dir, struct dentry *old_d,
		      struct inode *new_dir, struct dentry *new_d, u32 flags);
	/* A file without a name (O_TMPFILE). */
	int (*tmpfile)(struct inode *dir, u32 mode, struct inode **inode);
	/* Symlinks: the target, copied to buf with its terminator; length. */
	int (*readlink)(struct inode *inode, char *buf, size_t size);
	/* Magic links of procfs: go there instead of by text. */
	int (*follow)(struct inode *inode, struct path *target);
	/* Any. Defaults work on the inode's fields. */
	int (*getattr)(struct inode *inode, struct attr *attr);
	int (*setattr)(struct inode *inode, const struct attr *attr);
	int (*permission)(struct inode *inode, int mask);
	/* open: may set f->ops and f->data; f->ops is inode->fops before. */
	int (*open)(struct inode *inode, struct file *f);
	s64 (*getxattr)(struct inode *i, const char *name, void *buf, size_t n);
	int (*setxattr)(struct inode *i, const char *name, const void *buf,
			size_t n, int flags);
	s64 (*listxattr)(struct inode *i, char *buf, size_t n);
	int (*removexattr)(struct inode *i, const char *name);
	/* The last reference is gone. */
	void (*evict)(struct inode *inode);
};

struct inode {
	struct ref ref;
	struct fs *fs;
	u64 ino;
	const struct inode_ops *ops;
	const struct file_ops *fops;
	u32 mode; /* S_IF* | permissions; fields below under `lock` for change
		   */
	u32 uid, gid;
	u32 nlink;
	u32 rdev;  /* as makedev() of glibc: new_encode_dev */
	u32 flags; /* enum inode_flags */
	u64 size;  /* regular files: use inode_size(); object->size if object */
	u64 blocks; /* of 512 bytes, with INODE_BLOCKS */
	struct ltimespec atime, mtime, ctime, btime;
	struct rwlock lock; /* directories: entries; files: attributes, i/o */
	struct object *object; /* file data, or NULL */
	struct list fs_node;
	void *data;  /* of the filesystem */
	void *fifo;  /* struct pipe of an open FIFO (ipc/pipe.c), under lock */
	void *sock;  /* bound AF_UNIX socket (net/unix.c) */
	void *locks; /* record locks and flock (vfs/lockf.c) */
	void *watches; /* inotify */
	void *xattrs;  /* fs/xattr.c: list in memory, under lock */
	char *link; /* symlink: target of link_len bytes, terminated, or NULL */
	u32 link_len;
	u32 seals;   /* F_SEAL_* of a memfd, under lock */
	s32 writers; /* open for writing; < 0: being executed (ETXTBSY) */
};

enum inode_flags {
	INODE_DEAD = 1,	    /* a removed directory: nothing can be made in it */
	INODE_NOCACHE = 2,  /* directory: ask lookup() each time (procfs) */
	INODE_LINKABLE = 8, /* O_TMPFILE: it has no name but may get one */
	INODE_BLOCKS = 16,  /* `blocks` is what stat shows */
	INODE_ANON = 4, /* pipe, socket, eventfd: path_name() is the class */
};

#define DENTRY_SHORT 39

/* Memory of dentries is type-stable: a walker without references may look at
 * one that has just been freed (dentry.c, "walks"). */
struct dentry {
	struct ref ref; /* one for being linked in the parent, one per user */
	u32 flags;	/* DENTRY_* */
	struct dentry *parent; /* NULL for a root; reference held */
	struct inode *inode;   /* reference held; NULL only while creating */
	struct mount *mounted; /* last mounted here, maybe elsewhere, or NULL */
	struct dentry
		*hash_next; /* in parent's table, under its inode's lock */
	struct dentry_table
		*children;   /* NULL if none, under own inode's lock */
	struct list sibling; /* in parent's table, in order of creation */
	u64 cookie;	     /* readdir position in the parent, increasing */
	u32 hash;
	u16 name_len;
	const char *name; /* terminated */
	char short_name[DENTRY_SHORT + 1];
};
enum {
	DENTRY_UNLINKED = 1, /* no longer in its parent: "(deleted)" */
	DENTRY_MOUNTED = 2,  /* something may be mounted here */
	DENTRY_PINNED = 4, /* exists in memory only: tmpfs, upper of overlay */
};

struct fs {
	struct ref ref;
	const struct fs_type *type;
	u32 dev;      /* st_dev */
	u64 magic;    /* f_type of statfs */
	u64 next_ino; /* atomic */
	bool is_readonly;
	bool times_mappings; /* writes by mappings set a file's times */
	struct dentry *root;
	u64 max_pages;	/* size limit of file data, 0 none (tmpfs) */
	u64 used_pages; /* atomic */
	u64 max_inodes; /* 0 none */
	u64 ninodes;	/* atomic: live inodes */
	void *data;
};

struct linux_statfs;
struct fs_type {
	const char *name;
	bool needs_device; /* not "nodev" in /proc/filesystems */
	/* Make an instance; source and options as mount(2). */
	int (*mount)(const char *source, const char *options, struct fs **fs);
	void (*unmount)(struct fs *fs);
	int (*statfs)(struct fs *fs, struct linux_statfs *st);
	int (*sync)(struct fs *fs);
};
extern const struct fs_type erofs_type, tmpfs_type, overlay_type, proc_type,
	sysfs_type, devfs_type, devpts_type, cgroup2_type, mqueue_type,
	ext4_type;

struct mount {
	struct ref ref;
	struct list node; /* all mounts, in order, under mount lock */
	bool is_boot;	  /* of the boot: never freed, references not counted */
	bool is_detached;
	struct mount *parent;	   /* NULL: the root of the tree */
	struct dentry *mountpoint; /* in parent */
	struct dentry *root;
	struct fs *fs;
	u32 flags; /* MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC ... */
	u32 id;
	char *source;
};

/* inode.c ------------------------------------------------------------------ */
/* A fresh inode of fs with a reference, times now, owner from the current
 * credentials (or dir's group if set-gid); nlink 1. NULL: no memory. */
struct inode *inode_new(struct fs *fs, struct inode *dir, u32 mode);
/* A filesystem instance with a device number and one reference. */
struct fs *fs_new(const struct fs_type *type, u64 magic);
void fs_put(struct fs *fs);
/* Open for writing against execution: -ETXTBSY. deny: for exec, until allow. */
int inode_get_write(struct inode *i);
void inode_put_write(struct inode *i);
int inode_deny_write(struct inode *i);
void inode_allow_write(struct inode *i);
void inode_get(struct inode *i);
void inode_put(struct inode *i);
u64 inode_size(const struct inode *i);
struct ltimespec time_now(void);	      /* CLOCK_REALTIME */
void inode_touch(struct inode *i, u32 which); /* ATTR_*TIME bits: set to now */
int inode_getattr(struct inode *i, struct attr *a);
int inode_setattr(struct inode *i, const struct attr *a); /* no checks */
/* What inode_setattr() does without an operation: change the fields. */
int inode_setattr_fields(struct inode *i, const struct attr *a);
/* chmod/chown/truncate/utimes with Linux's permission rules. */
int inode_change(struct inode *i, struct attr *a);
/* mask: MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1. 0, -EACCES, -EROFS. */
enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };
int inode_permission(struct inode *i, int mask);
int inode_permission_cred(struct inode *i, int mask, const struct cred *c,
			  bool real_ids);

static inline bool inode_is(const struct inode *i, u32 type)
{
	return (i->mode & 0170000) == type;
}
enum {
	TYPE_FIFO = 0010000,
	TYPE_CHR = 0020000,
	TYPE_DIR = 0040000,
	TYPE_BLK = 0060000,
	TYPE_REG = 0100000,
	TYPE_LNK = 0120000,
	TYPE_SOCK = 0140000,
	TYPE_MASK = 0170000,
};

/* dentry.c ------------------------------------------------------------------
 */
/* The inode's reference (NULL: none yet) is taken over on success; the caller
 * has the one reference of the new dentry. */
struct dentry *dentry_new(struct dentry *parent, const char *name, u32 len,
			  struct inode *inode);
/* Root of a filesystem. inode's reference is taken over. */
struct dentry *dentry_new_root(struct inode *inode);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* Find or look up a child; parent->inode->lock is taken inside. -ENOENT. */
int dentry_lookup(struct dentry *parent, const char *name, u32 len,
		  struct dentry **d);
/* Under parent->inode->lock (write): link / unlink in the child table. */
struct dentry *dentry_find(struct dentry *parent, const char *name, u32 len);
int dentry_link(struct dentry *d);    /* the table takes a reference: -ENOMEM */
void dentry_unlink(struct dentry *d); /* ... and gives it back */
/* Drop everything below and including a root (unmount). */
void dentry_drop_tree(struct dentry *root);

/* readdir -------------------------------------------------------------------
 */
struct dir_context {
	u64 pos; /* cookie: in, and advanced per entry accepted */
	/* False: the buffer is full, stop without advancing. */
	bool (*emit)(struct dir_context *ctx, const char *name, u32 len,
		     u64 ino, u32 mode_type, u64 next_pos);
};

/* mount.c -------------------------------------------------------------------
 */
extern struct mount *mount_root;
int mount_add(const struct fs_type *type, const char *source,
	      const char *options, u32 flags, const struct path *at);
int mount_remove(const struct path *at, int flags);
/* If something is mounted on p, go to its root (repeatedly). */
void mount_cross(struct path *p);
/* One up from a mount's root: true if p was changed. */
bool mount_up(struct path *p);
struct mount *mount_next(struct mount *after); /* ref held; NULL: first/end */
void mount_get(struct mount *m);
void mount_put(struct mount *m);

/* path.c --------------------------------------------------------------------
 */
#define PATH_MAX_LEN 4096
enum lookup_flags {
	LOOKUP_FOLLOW = 1,    /* follow a symlink in the last component */
	LOOKUP_DIRECTORY = 2, /* must be a directory */
	LOOKUP_EMPTY = 4,     /* "" means dirfd itself (AT_EMPTY_PATH) */
	LOOKUP_PARENT = 8,    /* internal */
	LOOKUP_NO_SYMLINKS = 16,
	LOOKUP_BENEATH = 32,
	LOOKUP_IN_ROOT = 64,
	LOOKUP_NO_XDEV = 128,
	LOOKUP_NO_MAGICLINKS = 256,
};
struct fs_context { /* process.fs, shared by CLONE_FS */
	struct ref ref;
	struct mutex lock;
	struct path root;
	struct path cwd;
	u32 umask;
};
struct fs_context *fs_context_copy(struct fs_context *c);
struct fs_context *fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);

void path_get(const struct path *p);
void path_put(struct path *p);
/* Look up a name of the program / of the kernel, relative to dirfd. */
int path_lookup_user(int dirfd, uaddr_t name, u32 flags, struct path *p);
int path_lookup(int dirfd, const char *name, u32 flags, struct path *p);
/* The directory of the last component, and that component. `name` must live
 * as long as `last` is used. is_dir: trailing slash. -ELOOP etc. */
struct path_last {
	const char *name;
	u32 len;
	bool has_slash; /* trailing slash: must be a directory */
	bool is_dot;	/* "." or ".." or the root itself */
};
int path_lookup_parent(int dirfd, const char *name, u32 flags, struct path *dir,
		       struct path_last *last);
/* Copy a path argument in: kmalloc'ed, -ENAMETOOLONG, -EFAULT, -ENOENT for ""
 * unless LOOKUP_EMPTY. */
int path_name_in(uaddr_t name, u32 flags, char **out);
void path_name_free(char *name);
/* Absolute name of p as seen from root into buf; returns start in buf, or NULL
 * if too long. Adds " (deleted)". */
char *path_name(const struct path *p, const struct path *root, char *buf,
		size_t size);
/* open(2): O_* flags, mode; a new file or -errno. */
int path_open(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup,
	      struct file **f);
int path_open_at(const struct path *p, u32 flags, struct file **f);
/* Create a node (mknod, bind of AF_UNIX): path is its location. */
int path_mknod(int dirfd, const char *name, u32 mode, u32 rdev, struct path *p);
int path_unlink(int dirfd, const char *name);

#endif

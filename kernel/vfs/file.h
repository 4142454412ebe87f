/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files (Linux's "open file description") and descriptor tables.
 */
#ifndef JIFFY_KERNEL_VFS_FILE_H
#define JIFFY_KERNEL_VFS_FILE_H

#include "kernel/proc/process.h"
#include "kernel/proc/waitq.h"
#include "kernel/vfs/poll.h"
#include "kernel/vfs/uio.h"

struct dentry;
struct async;
struct file;
struct inode;
struct mount;
struct object;
struct map_request;
struct dir_context;

struct path {
	struct mount *mount;
	struct dentry *dentry;
};

struct file_ops {
	const char
		*name; /* "pipe", "eventfd": shown by /proc/PID/fd, crashes */
	/* pos is the file's own offset or pread's; streams ignore it. Blocking
	 * rules come from file->flags & O_NONBLOCK. Bytes, or -errno
	 * (-ERESTARTSYS when a signal interrupted before anything moved). */
	s64 (*read)(struct file *f, struct uio *u, u64 *pos);
	s64 (*write)(struct file *f, struct uio *u, u64 *pos);
	s64 (*lseek)(struct file *f, s64 offset, int whence); /* or file_stay */
	long (*ioctl)(struct file *f, u32 cmd, uaddr_t arg);
	/* Events ready now; registers with pt unless it is NULL (poll.h). */
	u32 (*poll)(struct file *f, struct poll_table *pt);
	/* The object and offset to map; default: the inode's object. */
	int (*mmap)(struct file *f, struct map_request *req);
	/* One directory entry at a time through ctx (inode.h). */
	int (*readdir)(struct file *f, struct dir_context *ctx);
	int (*fsync)(struct file *f, bool data_only);
	int (*fallocate)(struct file *f, int mode, u64 offset, u64 len);
	/* posix_fadvise() of a range (len to the end: ~0), and
	 * sync_file_range(): memory need neither. */
	int (*advise)(struct file *f, u64 offset, u64 len, int advice);
	int (*sync_range)(struct file *f, u64 offset, u64 len);
	/* Flags changed by fcntl(F_SETFL); may refuse. */
	int (*set_flags)(struct file *f, u32 flags);
	/* A descriptor is being closed (POSIX locks); the file may live on. */
	void (*flush)(struct file *f);
	/* fcntl commands of the file's kind (F_SETPIPE_SZ, ...): -EINVAL. */
	long (*fcntl)(struct file *f, u32 cmd, u64 arg);
	/* sendfile(): bytes of an object to this file without a copy; bytes
	 * moved, or -EOPNOTSUPP (copy instead). NULL: always copy. */
	s64 (*splice_from_object)(struct file *f, struct object *o, u64 offset,
				  u64 len);
	/* It can be read, but splice() and sendfile() refuse to: -EINVAL. */
	bool no_splice;
	/* The last reference is gone: free private data. */
	void (*release)(struct file *f);
	/* /proc/PID/fdinfo lines beyond pos and flags. */
	void (*show_fdinfo)(struct file *f, struct fmt_buf *out);
};

struct file {
	struct ref ref; /* try-get: type-stable memory, see fd.c */
	u32 flags;	/* O_* status flags and access mode, atomic */
	const struct file_ops *ops;
	struct path path; /* references held; dentry NULL never: anon files have
			   * one in the anonymous mount */
	struct inode *inode; /* path.dentry's, borrowed */
	u64 pos;
	struct mutex pos_lock;
	void *data; /* of the ops */
	s32 owner;  /* F_SETOWN: pid, or -pgid */
	s32 owner_sig;
	u32 owner_uid, owner_euid; /* of who named the owner */
	bool owner_is_thread;	   /* owner is a tid: F_OWNER_TID */
	struct async *async;	   /* O_ASYNC is on (async.c), or NULL */
	struct list epoll_watches; /* ipc/epoll.c, under its lock */
	bool can_read, can_write;  /* from the access mode and O_PATH */
	bool is_path_only;	   /* O_PATH */
	bool has_pos;	    /* regular files, directories: pos_lock is taken */
	bool has_write;	    /* counts in inode->writers */
	bool atime_checked; /* relatime's day rule was looked at */
	u32 error_seen;	    /* object_error() */
	u32 ra_pages;	    /* read ahead so many (paged.c) ... */
	u64 ra_next;	    /* ... if this is the next page that is missing */
	u64 ra_mark;	    /* read on when this page is read; 0: none */
	struct file *pool_next; /* fd.c: free list */
};

/* A file on an inode (references taken). 0, -ENFILE, -ENOMEM. */
int file_new(const struct path *path, const struct file_ops *ops, u32 flags,
	     struct file **f);
/* A file with no name: pipe, socket, eventfd. `class` names it in
 * /proc/PID/fd: FIFOs and sockets get ":[inode]" behind it ("pipe"), others
 * "anon_inode:" before it ("[eventpoll]"), unless it has a ':' already. mode
 * is S_IF*|perm for fstat. */
int file_new_anon(const char *class, u32 mode, const struct file_ops *ops,
		  void *data, u32 flags, struct file **f);
/* A second file on the same anonymous inode (the other end of a pipe). */
int file_new_peer(struct file *other, const struct file_ops *ops, void *data,
		  u32 flags, struct file **f);
void file_get(struct file *f);
void file_put(struct file *f); /* may sleep, may run release() */

/* --- Owners and O_ASYNC (async.c) ----------------------------------------- */

struct linux_siginfo;
/* F_SETOWN: pid, or -pgid, or a tid. 0, -ESRCH, -EINVAL. */
int file_set_owner(struct file *f, s32 owner, bool is_thread);
s32 file_get_owner(struct file *f); /* 0: none, or gone */
void file_signal_owner(struct file *f, int sig,
		       const struct linux_siginfo *info);
/* Send the owner SIGIO, or what F_SETSIG says with these in its siginfo. */
void file_signal_io(struct file *f, int fd, int code, u32 band);
/* Signals at readiness on or off; fd is what they name. 0, -ENOMEM. Files that
 * cannot do it ignore it. */
int file_set_async(struct file *f, int fd, bool on);
bool file_can_async(const struct file *f);
void file_async_gone(struct file *f); /* the last reference is gone */

/* pread/pwrite/read/write of the kernel's own (exec, sendfile). */
s64 file_read_kernel(struct file *f, void *buf, u64 len, u64 pos);
s64 file_read(struct file *f, struct uio *u, u64 *pos);
/* lseek of files like eventfd: 0, and nothing else happens. */
s64 file_stay(struct file *f, s64 offset, int whence);
/* lseek to anywhere in [0, max]; end: where SEEK_END counts from, or -1 where
 * there is none. The new position, or -EINVAL. */
s64 file_seek(struct file *f, s64 offset, int whence, s64 end, s64 max);
/* lseek of what has no end (directories in memory, made up text). */
s64 file_seek_endless(struct file *f, s64 offset, int whence);
s64 file_write(struct file *f, struct uio *u, u64 *pos);
/* Does pread() work on it? Streams have no position (-ESPIPE). */
bool file_has_position(const struct file *f);

/* Events of a file now (one without the operation is always ready). */
static inline u32 file_poll(struct file *f, struct poll_table *pt)
{
	return f->ops->poll ? f->ops->poll(f, pt)
			    : EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
}

/* --- Descriptor tables ---------------------------------------------------- */

#define FD_FIRST 64 /* descriptors of the first segment, inside the table */
#define FD_MAX (1U << 20)
#define FD_SEGMENTS 15 /* 64, 64, 128, 256, ... descriptors */

/* Once there a segment never moves; it goes with the table. */
struct fdsegment {
	u32 first, size; /* multiples of 64 */
	u64 *used;	 /* numbers taken or reserved */
	u64 *cloexec;
	struct file **files; /* NULL: free or reserved */
};

/* No lock: bits and slots change one by one, atomically when several threads
 * can reach the table. A number belongs to whoever set its bit in `used`. */
struct fdtable {
	struct ref ref;
	/* Low half: no number below is free; high half: how many times one was
	 * freed. It and the words below change; they share a cache line. */
	u64 hint;
	u64 first_used, first_cloexec;
	struct file *first_files[FD_FIRST];
	struct fdsegment *segments[FD_SEGMENTS]; /* NULL: all free */
	struct fdsegment first;
};

struct fdtable *fdtable_new(void);
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t);
/* Copy for fork: same files, same close-on-exec flags. NULL: no memory. */
struct fdtable *fdtable_copy(struct fdtable *t);
void fdtable_close_on_exec(struct fdtable *t);

/* A descriptor looked up for one call. When the table is not shared no
 * reference is taken. */
struct fdref {
	struct file *file; /* NULL: bad descriptor */
	bool has_ref;
};
static inline struct fdref fd_get(int fd);     /* not O_PATH ones */
static inline struct fdref fd_get_any(int fd); /* also O_PATH ones */
void fd_put_slow(struct fdref r);
static inline void fd_put(struct fdref r)
{
	if (r.has_ref)
		fd_put_slow(r);
}
/* Install f at the lowest free number >= min: the number, or -EMFILE. The
 * caller's reference is taken over; on failure it is put. */
int fd_install(struct file *f, int min, bool cloexec);
/* Reserve first, publish later, for calls that must not fail after. */
/* How many descriptors the table has room for before it grows. */
u32 fd_capacity(void);
int fd_reserve(int min, bool cloexec);
void fd_publish(int fd, struct file *f);
void fd_unreserve(int fd);
int fd_close(int fd);
int fd_replace(int fd, struct file *f, bool cloexec); /* dup2, dup3 */
int fd_get_flags(int fd); /* FD_CLOEXEC or 0, -EBADF */
int fd_set_flags(int fd, bool cloexec);
int fd_close_range(u32 first, u32 last, bool only_cloexec);
/* For /proc/PID/fd: next open descriptor >= fd with a file reference, or -1. */
int fdtable_next(struct fdtable *t, int fd, struct file **f);

/* --- Lookup, inline: every call on a descriptor starts with it ------------ */

struct fdref fd_get_shared(int fd, bool with_path_only);

static inline u32 fd_segment(u32 fd)
{
	return fd < FD_FIRST ? 0 : 26 - (u32)__builtin_clz(fd);
}

/* Only the current thread can change t. */
static inline bool fdtable_is_mine(const struct process *p,
				   const struct fdtable *t)
{
	return atomic_load(&p->nthreads) == 1 &&
	       atomic_load(&t->ref.count) == 1;
}

/* Where the file of a number < FD_MAX is kept, or NULL: it is free. */
static inline struct file **fd_slot(const struct fdtable *t, u32 fd)
{
	const struct fdsegment *s;

	/* Pairs with segment_make(). */
	s = atomic_load_acquire(&t->segments[fd_segment(fd)]);
	return s ? &s->files[fd - s->first] : NULL;
}

static inline struct fdref fd_find(int fd, bool with_path_only)
{
	const struct process *p = process_current();
	const struct fdtable *t = p->files;
	struct fdref r = { NULL, false };
	struct file **slot;

	if (unlikely(!t || !fdtable_is_mine(p, t)))
		return fd_get_shared(fd, with_path_only);
	if (likely((u32)fd < FD_FIRST)) {
		r.file = t->first_files[fd];
	} else if ((u32)fd < FD_MAX) {
		slot = fd_slot(t, (u32)fd);
		r.file = slot ? *slot : NULL;
	}
	if (!with_path_only && r.file && unlikely(r.file->is_path_only))
		r.file = NULL;
	return r;
}

static inline struct fdref fd_get(int fd)
{
	return fd_find(fd, false);
}

static inline struct fdref fd_get_any(int fd)
{
	return fd_find(fd, true);
}

#endif

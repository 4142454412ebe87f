/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filesystems of generated files (procfs, sysfs, cgroupfs): a tree is a table
 * of rows, one per file, by full path; directories are implied. Nothing exists
 * in memory until it is looked up. To add a file: one row.
 *
 * Rows of one directory stand together. A component "#" in a path stands for
 * the numbers 0..count-1 of its table (CPUs in sysfs); it may have a prefix
 * ("cpu#") and occurs at most once.
 */
#ifndef JIFFY_KERNEL_FS_PSEUDO_H
#define JIFFY_KERNEL_FS_PSEUDO_H

#include "kernel/kernel.h"
#include "kernel/vfs/inode.h"

#define PROC_MAGIC 0x9fa0

struct process;
struct pseudo_dir;
struct pseudo_node;

/* Write the whole text; called again with a larger buffer when it was cut.
 * 0, or -errno for the reader. */
typedef int pseudo_show_fn(struct fmt_buf *out, const struct pseudo_node *n);
/* A write of len bytes (terminated): 0, or -errno. */
typedef int pseudo_store_fn(const struct pseudo_node *n, char *text,
			    size_t len);

struct pseudo_row {
	const char *path; /* below the table's directory */
	u32 mode;	  /* S_IF* and permissions */
	pseudo_show_fn *show;
	pseudo_store_fn *store; /* NULL: opening for writing gives EROFS */
	/* Symbolic links. */
	int (*readlink)(const struct pseudo_node *n, char *buf, size_t size);
	int (*follow)(const struct pseudo_node *n, struct path *target);
	const struct pseudo_dir *dir; /* TYPE_DIR: contents by functions */
	const struct file_ops *fops;  /* instead of show and store */
	u64 value;	  /* for show functions that serve many rows */
	const char *text; /* the same */
};

struct pseudo_table {
	const char *name;
	const struct pseudo_row *rows;
	u32 nrows;
	u32 (*count)(void); /* how many numbers "#" stands for */
};

/* A directory with contents by functions. */
struct pseudo_dir {
	/* Find the child: fills child->row or dir, num, num2, mode; what is
	 * not set is the directory's own. -ENOENT. */
	int (*lookup)(const struct pseudo_node *dir, const char *name, u32 len,
		      struct pseudo_node *child);
	/* Emit entries from pseudo_cookie() on with pseudo_emit(). True: all
	 * were emitted; false: the buffer is full. */
	bool (*readdir)(const struct pseudo_node *dir, struct dir_context *ctx);
	/* Link count at the time of a lookup; NULL: 2. */
	u32 (*nlink)(const struct pseudo_node *dir);
	/* A table whose rows are also in this directory, or NULL. */
	const struct pseudo_table *table;
};

/* Where an inode is in its tree: inode->data. */
struct pseudo_node {
	const struct pseudo_table *table;
	const struct pseudo_row *row; /* of an implied directory: any below */
	u32 prefix; /* bytes of row->path that name this node */
	u32 mode;   /* S_IF* and permissions */
	const struct pseudo_dir *dir; /* contents by functions, or NULL */
	u32 num;		      /* what "#" stands for; or a descriptor */
	s32 tid;		      /* procfs: of a task directory, or 0 */
	struct process *proc; /* procfs: whose; reference held by the inode */
	bool is_volatile;     /* directory: children come and go */
	u32 uid, gid;
	u64 ino;
};

/* A new filesystem whose root has the table's rows or the dir's contents. */
int pseudo_mount(const struct fs_type *type, u64 magic,
		 const struct pseudo_table *table, const struct pseudo_dir *dir,
		 struct fs **fs);
void pseudo_unmount(struct fs *fs);
int pseudo_statfs(struct fs *fs, struct linux_statfs *st);

/* Look up a name among a table's rows below a directory: fills child. */
int pseudo_find_row(const struct pseudo_table *table, const char *dir,
		    u32 dir_len, const char *name, u32 len,
		    struct pseudo_node *child);
/* Where a directory's function goes on, from 0. */
u64 pseudo_cookie(const struct dir_context *ctx);
/* One directory entry; the one after it has cookie `next`. False: the buffer is
 * full. */
bool pseudo_emit(struct dir_context *ctx, const struct pseudo_node *dir,
		 const char *name, u32 mode, u64 next);
/* The node of a file this module opened. */
const struct pseudo_node *pseudo_file_node(const struct file *f);

/* Decimal number that fills name, without leading zeros; false if not. */
bool pseudo_number(const char *name, u32 len, u32 *value);

/* Show functions for rows that need no code of their own. */
pseudo_show_fn pseudo_show_value; /* row->value and a newline */
pseudo_show_fn pseudo_show_text;  /* row->text as it is */
int pseudo_link_text(const struct pseudo_node *n, char *buf, size_t size);

/* Rows. */
#define PSEUDO_FILE(p, fn)                                         \
	{                                                          \
		.path = (p), .mode = TYPE_REG | 0444, .show = (fn) \
	}
#define PSEUDO_FILE_MODE(p, m, fn)                                \
	{                                                         \
		.path = (p), .mode = TYPE_REG | (m), .show = (fn) \
	}
#define PSEUDO_RW(p, fn, st)                                        \
	{                                                           \
		.path = (p), .mode = TYPE_REG | 0644, .show = (fn), \
		.store = (st)                                       \
	}
#define PSEUDO_VALUE(p, v)                              \
	{                                               \
		.path = (p), .mode = TYPE_REG | 0444,   \
		.show = pseudo_show_value, .value = (v) \
	}
#define PSEUDO_TEXT(p, t)                             \
	{                                             \
		.path = (p), .mode = TYPE_REG | 0444, \
		.show = pseudo_show_text, .text = (t) \
	}
#define PSEUDO_LINK(p, t)                                 \
	{                                                 \
		.path = (p), .mode = TYPE_LNK | 0777,     \
		.readlink = pseudo_link_text, .text = (t) \
	}
#define PSEUDO_EMPTY_DIR(p)                          \
	{                                            \
		.path = (p), .mode = TYPE_DIR | 0555 \
	}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated files: lookup and listing by table, text made when a file is read
 * from its start, and writes handed to the row's function. See pseudo.h.
 */
#include "kernel/fs/pseudo.h"

#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

#define TEXT_FIRST 4096UL
#define TEXT_MAX MIB(16)
#define WRITE_MAX 4096UL
#define DOTS 2		      /* positions of "." and ".." */
#define ROWS_BASE (1UL << 40) /* directory positions of table rows */
#define ROW_SHIFT 16	      /* ... row << 16 | number */

struct pseudo_file {
	struct mutex lock; /* the text */
	char *text;
	size_t size, len;
	bool is_filled;
};

static const struct inode_ops dir_iops, file_iops, link_iops, magic_iops;
static const struct file_ops dir_fops, text_fops;

static struct pseudo_node *node_of(const struct inode *i)
{
	return i->data;
}

const struct pseudo_node *pseudo_file_node(const struct file *f)
{
	return node_of(f->inode);
}

/* --- Numbers and inodes
 * -------------------------------------------------------- */

bool pseudo_number(const char *name, u32 len, u32 *value)
{
	u64 v;

	if (len == 0 || len > 10 || (name[0] == '0' && len > 1))
		return false;
	for (u32 i = 0; i < len; i++)
		if (name[i] < '0' || name[i] > '9')
			return false;
	if (str_to_u64(name, len, 10, &v) || v > UINT32_MAX)
		return false;
	*value = (u32)v;
	return true;
}

/* The same name in the same directory always has the same number. */
static u64 child_ino(u64 dir_ino, const char *name, u32 len)
{
	u64 hash = 0xcbf29ce484222325UL ^ dir_ino;

	for (u32 i = 0; i < len; i++)
		hash = (hash ^ (u8)name[i]) * 0x100000001b3UL;
	hash ^= hash >> 32;
	return (hash & 0xffffffffffUL) | (1UL << 40);
}

static void inode_set_ops(struct inode *i, const struct pseudo_node *n)
{
	switch (n->mode & TYPE_MASK) {
	case TYPE_DIR:
		i->ops = &dir_iops;
		i->fops = &dir_fops;
		i->nlink = n->dir && n->dir->nlink ? n->dir->nlink(n) : 2;
		if (n->is_volatile)
			i->flags |= INODE_NOCACHE;
		break;
	case TYPE_LNK:
		i->ops = n->row->follow ? &magic_iops : &link_iops;
		break;
	default:
		i->ops = &file_iops;
		i->fops = n->row->fops ? n->row->fops : &text_fops;
		break;
	}
}

static int node_inode(struct fs *fs, struct inode *dir,
		      const struct pseudo_node *n, struct inode **out)
{
	struct pseudo_node *copy = kmalloc(sizeof(*copy));
	struct inode *i;

	if (!copy)
		return -ENOMEM;
	i = inode_new(fs, dir, n->mode);
	if (!i) {
		kfree(copy);
		return -ENOMEM;
	}
	*copy = *n;
	if (copy->proc)
		process_get(copy->proc);
	i->data = copy;
	i->ino = n->ino;
	i->uid = n->uid;
	i->gid = n->gid;
	inode_set_ops(i, n);
	*out = i;
	return 0;
}

static void pseudo_evict(struct inode *i)
{
	struct pseudo_node *n = node_of(i);

	if (!n)
		return;
	if (n->proc)
		process_put(n->proc);
	kfree(n);
	i->data = NULL;
}

/* --- Rows
 * ------------------------------------------------------------------------ */

/* The component of a row's path after `dir`: NULL if the row is elsewhere. */
static const char *row_component(const struct pseudo_row *row, const char *dir,
				 u32 dir_len, u32 *len)
{
	const char *name = row->path, *slash;

	if (strncmp(name, dir, dir_len) != 0)
		return NULL;
	name += dir_len;
	if (dir_len > 0 && *name++ != '/')
		return NULL;
	slash = strchr(name, '/');
	*len = slash ? (u32)(slash - name) : (u32)strlen(name);
	return name;
}

/* Does `name` match a component, which may end in "#"? */
static bool component_matches(const struct pseudo_table *table,
			      const char *component, u32 component_len,
			      const char *name, u32 len, u32 *num)
{
	u32 literal = component_len - 1, value;

	if (component[component_len - 1] != '#')
		return component_len == len &&
		       memcmp(component, name, len) == 0;
	if (len <= literal || memcmp(component, name, literal) != 0 ||
	    !pseudo_number(name + literal, len - literal, &value) ||
	    value >= table->count())
		return false;
	*num = value;
	return true;
}

int pseudo_find_row(const struct pseudo_table *table, const char *dir,
		    u32 dir_len, const char *name, u32 len,
		    struct pseudo_node *child)
{
	for (u32 i = 0; i < table->nrows; i++) {
		const struct pseudo_row *row = &table->rows[i];
		const char *part;
		u32 part_len;

		part = row_component(row, dir, dir_len, &part_len);
		if (!part || !component_matches(table, part, part_len, name,
						len, &child->num))
			continue;
		child->table = table;
		child->row = row;
		child->prefix = (u32)(part + part_len - row->path);
		if (part[part_len]) {
			child->mode = TYPE_DIR | 0555;
			child->dir = NULL;
		} else {
			child->mode = row->mode;
			child->dir = row->dir;
		}
		return 0;
	}
	return -ENOENT;
}

/* The table whose rows are in this directory, and their common prefix. */
static const struct pseudo_table *dir_table(const struct pseudo_node *n,
					    const char **dir, u32 *dir_len)
{
	*dir = n->row && !n->dir ? n->row->path : "";
	*dir_len = n->row && !n->dir ? n->prefix : 0;
	return n->dir ? n->dir->table : n->table;
}

static int dir_lookup(struct inode *dir, const char *name, u32 len,
		      struct inode **out)
{
	const struct pseudo_node *n = node_of(dir);
	const struct pseudo_table *table;
	struct pseudo_node child = *n;
	const char *prefix;
	u32 prefix_len;
	int err = -ENOENT;

	child.ino = child_ino(n->ino, name, len);
	child.is_volatile = n->is_volatile && n->proc;
	if (n->dir && n->dir->lookup)
		err = n->dir->lookup(n, name, len, &child);
	table = dir_table(n, &prefix, &prefix_len);
	if (err == -ENOENT && table)
		err = pseudo_find_row(table, prefix, prefix_len, name, len,
				      &child);
	if (err)
		return err;
	err = node_inode(dir->fs, dir, &child, out);
	if (child.proc && child.proc != n->proc)
		process_put(child.proc); /* of the lookup function */
	return err;
}

/* --- Listing
 * ----------------------------------------------------------------------- */

u64 pseudo_cookie(const struct dir_context *ctx)
{
	return ctx->pos - DOTS;
}

bool pseudo_emit(struct dir_context *ctx, const struct pseudo_node *dir,
		 const char *name, u32 mode, u64 next)
{
	u32 len = (u32)strlen(name);

	if (!ctx->emit(ctx, name, len, child_ino(dir->ino, name, len),
		       mode & TYPE_MASK, DOTS + next))
		return false;
	ctx->pos = DOTS + next;
	return true;
}

/* Emit a component: once, or for each number from `first` on. */
static bool emit_component(struct dir_context *ctx, const struct pseudo_node *n,
			   const struct pseudo_table *table, const char *part,
			   u32 len, u32 mode, u64 row, u32 first)
{
	char name[NAME_MAX_LEN + 1];
	bool is_number = part[len - 1] == '#';
	u32 count = is_number ? table->count() : 1;
	u64 base = ROWS_BASE + (row << ROW_SHIFT);

	for (u32 i = first; i < count; i++) {
		u64 next = i + 1 < count ? base + i + 1
					 : base + (1UL << ROW_SHIFT);

		memcpy(name, part, len);
		name[len] = '\0';
		if (is_number)
			fmt_format(name + len - 1, sizeof(name) - len, "%u", i);
		if (!pseudo_emit(ctx, n, name, mode, next))
			return false;
	}
	return true;
}

static bool same_component(const struct pseudo_row *row, const char *dir,
			   u32 dir_len, const char *part, u32 len)
{
	u32 other_len;
	const char *other = row_component(row, dir, dir_len, &other_len);

	return other && other_len == len && memcmp(other, part, len) == 0;
}

static bool emit_rows(struct dir_context *ctx, const struct pseudo_node *n,
		      const struct pseudo_table *table, const char *dir,
		      u32 dir_len)
{
	u64 at = pseudo_cookie(ctx) - ROWS_BASE;
	u32 first = at & ((1U << ROW_SHIFT) - 1);

	for (u64 i = at >> ROW_SHIFT; i < table->nrows; i++, first = 0) {
		const struct pseudo_row *row = &table->rows[i];
		u32 len, mode;
		const char *part = row_component(row, dir, dir_len, &len);

		if (!part)
			continue;
		if (i > 0 && same_component(row - 1, dir, dir_len, part, len))
			continue;
		mode = part[len] ? TYPE_DIR : row->mode;
		if (!emit_component(ctx, n, table, part, len, mode, i, first))
			return false;
	}
	return true;
}

static int dir_readdir(struct file *f, struct dir_context *ctx)
{
	const struct pseudo_node *n = node_of(f->inode);
	const struct pseudo_table *table;
	const char *dir;
	u32 dir_len;

	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos < DOTS + ROWS_BASE) {
		if (n->dir && n->dir->readdir && !n->dir->readdir(n, ctx))
			return 0;
		ctx->pos = DOTS + ROWS_BASE;
	}
	table = dir_table(n, &dir, &dir_len);
	if (table)
		emit_rows(ctx, n, table, dir, dir_len);
	return 0;
}

/* --- Files
 * ---------------------------------------------------------------------------
 */

static int file_open(struct inode *inode, struct file *f)
{
	const struct pseudo_row *row = node_of(inode)->row;
	struct pseudo_file *p;

	if (f->can_write && !row->store && !row->fops)
		return -EROFS;
	if (row->fops)
		return 0;
	p = kzalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	f->ops = &text_fops;
	f->data = p;
	return 0;
}

static void file_release(struct file *f)
{
	struct pseudo_file *p = f->data;

	kfree(p->text);
	kfree(p);
}

/* Make the text, in a buffer that is large enough. p->lock is held. */
static int file_fill(struct pseudo_file *p, const struct pseudo_node *n)
{
	struct fmt_buf out;
	int err;

	for (;;) {
		if (!p->text) {
			p->size = p->size ? p->size * 4 : TEXT_FIRST;
			p->text = kmalloc(p->size);
			if (!p->text) {
				p->size = 0;
				return -ENOMEM;
			}
		}
		fmt_buf_init(&out, p->text, p->size);
		err = n->row->show(&out, n);
		if (err)
			return err;
		if (!out.is_cut || p->size >= TEXT_MAX)
			break;
		kfree(p->text);
		p->text = NULL;
	}
	p->len = out.len;
	p->is_filled = true;
	return 0;
}

static s64 file_text_read(struct file *f, struct uio *u, u64 *pos)
{
	const struct pseudo_node *n = node_of(f->inode);
	struct pseudo_file *p = f->data;
	s64 ret = 0;

	if (!n->row->show)
		return -EINVAL;
	mutex_lock(&p->lock);
	if (!p->is_filled || *pos == 0)
		ret = file_fill(p, n);
	if (ret == 0 && *pos < p->len)
		ret = uio_put(u, p->text + *pos,
			      MIN(u->left, (u64)(p->len - *pos)));
	mutex_unlock(&p->lock);
	if (ret > 0)
		*pos += (u64)ret;
	return ret;
}

static s64 file_text_write(struct file *f, struct uio *u, u64 *pos)
{
	const struct pseudo_node *n = node_of(f->inode);
	size_t len = MIN(u->left, WRITE_MAX);
	char *text;
	s64 ret;

	if (!n->row->store)
		return -EINVAL;
	text = kmalloc(len + 1);
	if (!text)
		return -ENOMEM;
	ret = len ? uio_get(u, text, len) : 0;
	if (ret >= 0) {
		int err;

		len = (size_t)ret;
		text[len] = '\0';
		err = n->row->store(n, text, len);
		if (err)
			ret = err;
		else
			*pos += len;
	}
	kfree(text);
	return ret;
}

/* Always readable; never EV_PRI: nothing here announces changes. */
static u32 file_ready(UNUSED struct file *f, UNUSED struct poll_table *pt)
{
	return EV_IN | EV_RDNORM;
}

/* Truncation by open(O_TRUNC) is nothing; the rest cannot be changed. */
static int pseudo_setattr(UNUSED struct inode *i, const struct attr *attr)
{
	u32 times = ATTR_ATIME | ATTR_MTIME | ATTR_CTIME;

	return attr->valid & ~(ATTR_SIZE | times) ? -EPERM : 0;
}

/* Nothing can be made here. Linux's procfs says that the name is not there,
 * the others refuse. */
static int refuse_create(struct inode *dir, UNUSED struct dentry *d,
			 UNUSED u32 mode, UNUSED u32 rdev,
			 UNUSED struct inode **i)
{
	return dir->fs->magic == PROC_MAGIC ? -ENOENT : -EACCES;
}

static int refuse_mkdir(struct inode *dir, UNUSED struct dentry *d,
			UNUSED u32 mode, UNUSED struct inode **i)
{
	return dir->fs->magic == PROC_MAGIC ? -ENOENT : -EPERM;
}

static int link_readlink(struct inode *i, char *buf, size_t size)
{
	const struct pseudo_node *n = node_of(i);

	return n->row->readlink(n, buf, size);
}

static int link_follow(struct inode *i, struct path *target)
{
	const struct pseudo_node *n = node_of(i);

	return n->row->follow(n, target);
}

static const struct inode_ops dir_iops = {
	.lookup = dir_lookup,
	.create = refuse_create,
	.mkdir = refuse_mkdir,
	.setattr = pseudo_setattr,
	.evict = pseudo_evict,
};

static const struct inode_ops file_iops = {
	.open = file_open,
	.setattr = pseudo_setattr,
	.evict = pseudo_evict,
};

static const struct inode_ops link_iops = {
	.readlink = link_readlink,
	.setattr = pseudo_setattr,
	.evict = pseudo_evict,
};

static const struct inode_ops magic_iops = {
	.readlink = link_readlink,
	.follow = link_follow,
	.setattr = pseudo_setattr,
	.evict = pseudo_evict,
};

static const struct file_ops dir_fops = {
	.name = "pseudo directory",
	.lseek = file_seek_endless,
	.readdir = dir_readdir,
};

static const struct file_ops text_fops = {
	.name = "pseudo",
	.read = file_text_read,
	.write = file_text_write,
	.lseek = file_seek_endless,
	.poll = file_ready,
	.release = file_release,
};

/* --- Filesystems
 * ------------------------------------------------------------------------ */

int pseudo_mount(const struct fs_type *type, u64 magic,
		 const struct pseudo_table *table, const struct pseudo_dir *dir,
		 struct fs **out)
{
	struct pseudo_node root = { .table = table,
				    .dir = dir,
				    .mode = TYPE_DIR | 0555,
				    .ino = 1,
				    .is_volatile = dir != NULL };
	struct fs *fs = fs_new(type, magic);
	struct inode *i;
	int err;

	if (!fs)
		return -ENOMEM;
	err = node_inode(fs, NULL, &root, &i);
	if (err)
		goto out_put_fs;
	fs->root = dentry_new_root(i);
	if (!fs->root) {
		inode_put(i);
		err = -ENOMEM;
		goto out_put_fs;
	}
	*out = fs;
	return 0;
out_put_fs:
	fs_put(fs);
	return err;
}

void pseudo_unmount(UNUSED struct fs *fs)
{
}

int pseudo_statfs(struct fs *fs, struct linux_statfs *st)
{
	memset(st, 0, sizeof(*st));
	st->type = (s64)fs->magic;
	st->bsize = PAGE_SIZE;
	st->frsize = PAGE_SIZE;
	st->namelen = NAME_MAX_LEN;
	return 0;
}

/* --- Shared show functions
 * ---------------------------------------------------------------- */

int pseudo_show_value(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_add(out, "%lu\n", n->row->value);
	return 0;
}

int pseudo_show_text(struct fmt_buf *out, const struct pseudo_node *n)
{
	fmt_buf_put(out, n->row->text, strlen(n->row->text));
	return 0;
}

int pseudo_link_text(const struct pseudo_node *n, char *buf, size_t size)
{
	return (int)MIN(str_copy(buf, size, n->row->text), size - 1);
}

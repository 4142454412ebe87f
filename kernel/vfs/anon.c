/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files without a place in the tree: pipes, sockets, eventfds and memfds. Each
 * has an inode and a dentry in the anonymous mount.
 */
#include "kernel/linux/memfd.h"
#include "kernel/vfs/vfs_int.h"

static const struct inode_ops anon_inode_ops = { .lookup = NULL };

static int anon_name(char *buf, size_t size, const char *class, u32 mode,
		     u64 ino)
{
	u32 type = mode & TYPE_MASK;

	if (strchr(class, ':'))
		return fmt_format(buf, size, "%s", class);
	if (type == TYPE_FIFO || type == TYPE_SOCK)
		return fmt_format(buf, size, "%s:[%lu]", class,
				  (unsigned long)ino);
	return fmt_format(buf, size, "anon_inode:%s", class);
}

/* A path in the anonymous mount on a new inode, references for the caller. */
static int anon_path(const char *class, u32 mode, struct path *p)
{
	struct inode *i = inode_new(mount_anon->fs, NULL, mode);
	char name[64];
	int len;

	if (!i)
		return -ENOMEM;
	i->ops = &anon_inode_ops;
	i->flags |= INODE_ANON;
	len = anon_name(name, sizeof(name), class, mode, i->ino);
	p->mount = mount_anon;
	p->dentry =
		dentry_new(NULL, name, MIN((u32)len, (u32)sizeof(name) - 1), i);
	if (!p->dentry) {
		inode_put(i);
		return -ENOMEM;
	}
	return 0;
}

int file_new_anon(const char *class, u32 mode, const struct file_ops *ops,
		  void *data, u32 flags, struct file **f)
{
	struct path p;
	int err = anon_path(class, mode, &p);

	if (!err)
		err = file_new_owned(&p, ops, flags, f);
	if (!err)
		(*f)->data = data;
	return err;
}

int file_new_peer(struct file *other, const struct file_ops *ops, void *data,
		  u32 flags, struct file **f)
{
	int err = file_new(&other->path, ops, flags, f);

	if (!err)
		(*f)->data = data;
	return err;
}

/* --- memfd --------------------------------------------------------------- */

static const struct inode_ops memfd_inode_ops = { .lookup = NULL };

bool inode_is_memfd(const struct inode *i)
{
	return i->ops == &memfd_inode_ops;
}

int memfd_new(const char *name, u32 flags, u32 seals, struct file **f)
{
	struct path p;
	struct inode *i;
	char text[NAME_MAX_LEN + 1];
	int len = fmt_format(text, sizeof(text), "/memfd:%s", name), err;

	i = inode_new(mount_anon->fs, NULL, TYPE_REG | 0777);
	if (!i)
		return -ENOMEM;
	i->ops = &memfd_inode_ops;
	i->fops = &regular_fops;
	i->nlink = 0;
	i->seals = seals;
	err = object_new_cache(0, &i->object);
	if (err)
		goto out_put_inode;
	err = -ENOMEM;
	p.mount = mount_anon;
	p.dentry =
		dentry_new(NULL, text, MIN((u32)len, (u32)sizeof(text) - 1), i);
	if (!p.dentry)
		goto out_put_inode;
	p.dentry->flags |= DENTRY_UNLINKED;
	err = file_new_owned(&p, &regular_fops, flags, f);
	if (err)
		return err;
	(void)inode_get_write(i);
	(*f)->has_write = true;
	return 0;
out_put_inode:
	inode_put(i);
	return err;
}

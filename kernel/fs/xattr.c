/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes in memory: a short list per inode.
 */
#include "kernel/fs/xattr.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/inode.h"

#define XATTR_TOTAL_LIMIT 131072 /* names and values of one inode */

enum { XATTR_FLAG_CREATE = 1, XATTR_FLAG_REPLACE = 2 };

struct xattr {
	struct xattr *next;
	char *name;
	u32 len;
	u8 value[];
};

static struct xattr **xattr_find(struct inode *i, const char *name)
{
	struct xattr **p = (struct xattr **)&i->xattrs;

	while (*p && strcmp((*p)->name, name) != 0)
		p = &(*p)->next;
	return p;
}

static void xattr_free(struct xattr *x)
{
	kfree(x->name);
	kfree(x);
}

s64 xattr_list_get(struct inode *i, const char *name, void *buf, size_t n)
{
	const struct xattr *x = *xattr_find(i, name);

	if (!x)
		return -ENODATA;
	if (n == 0)
		return x->len;
	if (n < x->len)
		return -ERANGE;
	memcpy(buf, x->value, x->len);
	return x->len;
}

static u64 xattr_total(struct inode *i)
{
	u64 total = 0;

	for (const struct xattr *x = i->xattrs; x; x = x->next)
		total += strlen(x->name) + x->len;
	return total;
}

int xattr_list_set(struct inode *i, const char *name, const void *buf, size_t n,
		   int flags)
{
	struct xattr **place = xattr_find(i, name);
	struct xattr *old = *place, *x;

	if (old && (flags & XATTR_FLAG_CREATE))
		return -EEXIST;
	if (!old && (flags & XATTR_FLAG_REPLACE))
		return -ENODATA;
	if (xattr_total(i) + strlen(name) + n > XATTR_TOTAL_LIMIT)
		return -ENOSPC;
	x = kmalloc(sizeof(*x) + n);
	if (!x)
		return -ENOMEM;
	x->name = kstrdup(name);
	if (!x->name) {
		kfree(x);
		return -ENOMEM;
	}
	x->len = (u32)n;
	memcpy(x->value, buf, n);
	x->next = old ? old->next : NULL;
	*place = x;
	if (old)
		xattr_free(old);
	return 0;
}

int xattr_list_remove(struct inode *i, const char *name)
{
	struct xattr **place = xattr_find(i, name);
	struct xattr *x = *place;

	if (!x)
		return -ENODATA;
	*place = x->next;
	xattr_free(x);
	return 0;
}

s64 xattr_list_names(struct inode *i, char *buf, size_t n)
{
	u64 total = 0;

	for (const struct xattr *x = i->xattrs; x; x = x->next) {
		size_t len = strlen(x->name) + 1;

		if (n) {
			if (total + len > n)
				return -ERANGE;
			memcpy(buf + total, x->name, len);
		}
		total += len;
	}
	return (s64)total;
}

void xattr_list_free(struct inode *i)
{
	struct xattr *x = i->xattrs, *next;

	i->xattrs = NULL;
	for (; x; x = next) {
		next = x->next;
		xattr_free(x);
	}
}

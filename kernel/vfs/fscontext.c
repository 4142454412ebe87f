/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root, current directory and umask of a process or thread (shared with
 * CLONE_FS).
 */
#include "kernel/vfs/vfs_int.h"

struct fs_context *fs_context_new(void)
{
	struct fs_context *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->umask = 022;
	c->root.mount = mount_root;
	c->root.dentry = mount_root->root;
	c->cwd = c->root;
	path_get(&c->root);
	path_get(&c->cwd);
	return c;
}

struct fs_context *fs_context_copy(struct fs_context *c)
{
	struct fs_context *copy = kzalloc(sizeof(*copy));

	if (!copy)
		return NULL;
	ref_init(&copy->ref);
	mutex_lock(&c->lock);
	copy->root = c->root;
	copy->cwd = c->cwd;
	copy->umask = c->umask;
	path_get(&copy->root);
	path_get(&copy->cwd);
	mutex_unlock(&c->lock);
	return copy;
}

struct fs_context *fs_context_get(struct fs_context *c)
{
	ref_get(&c->ref);
	return c;
}

void fs_context_put(struct fs_context *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	path_put(&c->root);
	path_put(&c->cwd);
	kfree(c);
}

static void context_set(struct fs_context *c, struct path *which,
			const struct path *p)
{
	struct path old;

	path_get(p);
	mutex_lock(&c->lock);
	walk_write_begin();
	old = *which;
	*which = *p;
	walk_write_end();
	mutex_unlock(&c->lock);
	path_put(&old);
}

void fs_context_set_cwd(struct fs_context *c, const struct path *p)
{
	context_set(c, &c->cwd, p);
}

void fs_context_set_root(struct fs_context *c, const struct path *p)
{
	context_set(c, &c->root, p);
}

static struct fs_context *context_current(void)
{
	return current() && process_current() ? fs_context_current() : NULL;
}

static void boot_root(struct path *p)
{
	p->mount = mount_root;
	p->dentry = mount_root->root;
	path_get(p);
}

/* Only the current thread, its only user, can change it: no lock is needed. */
static bool is_mine(const struct fs_context *c)
{
	return atomic_load(&process_current()->nthreads) == 1 &&
	       atomic_load(&c->ref.count) == 1;
}

static void context_get(struct fs_context *c, const struct path *which,
			struct path *p)
{
	bool is_locked = !is_mine(c);

	if (is_locked)
		mutex_lock(&c->lock);
	*p = *which;
	path_get(p);
	if (is_locked)
		mutex_unlock(&c->lock);
}

void path_root(struct path *p)
{
	struct fs_context *c = context_current();

	if (c)
		context_get(c, &c->root, p);
	else
		boot_root(p);
}

void path_cwd(struct path *p)
{
	struct fs_context *c = context_current();

	if (c)
		context_get(c, &c->cwd, p);
	else
		boot_root(p);
}

u32 path_umask(void)
{
	struct fs_context *c = context_current();

	return c ? atomic_load(&c->umask) : 022;
}

void path_get(const struct path *p)
{
	mount_get(p->mount);
	dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	if (!p->dentry)
		return;
	dentry_put(p->dentry);
	mount_put(p->mount);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount tree: which filesystem hangs where. One list in order of mounting
 * under one lock; mounts keep their type in memory so that walkers may look at
 * them without references. Mounts made at boot are for ever: no counting.
 */
#include "kernel/vfs/vfs_int.h"

static struct {
	struct rwlock lock; /* the list, parent and mountpoint of each */
	struct list all;
	u32 next_id;
} mounts = { .all = LIST_INIT(mounts.all), .next_id = 20 };

static struct pool mount_pool = {
	.size = sizeof(struct mount),
	.link_offset = offsetof(struct mount, source),
};

struct mount *mount_root;
struct mount *mount_anon;

static const struct fs_type *const fs_types[] = {
	&tmpfs_type,   &proc_type,   &sysfs_type,   &devfs_type, &devpts_type,
	&cgroup2_type, &mqueue_type, &overlay_type, &erofs_type, &ext4_type,
};

const struct fs_type *fs_type_at(u32 i)
{
	return i < ARRAY_SIZE(fs_types) ? fs_types[i] : NULL;
}

const struct fs_type *fs_type_find(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(fs_types); i++)
		if (fs_types[i]->mount && strcmp(fs_types[i]->name, name) == 0)
			return fs_types[i];
	return NULL;
}

/* --- References ---------------------------------------------------------- */

void mount_get(struct mount *m)
{
	if (!m->is_boot)
		ref_get(&m->ref);
}

void mount_put(struct mount *m)
{
	while (m && !m->is_boot && ref_put(&m->ref)) {
		struct mount *parent = m->parent;

		if (m->mountpoint)
			dentry_put(m->mountpoint);
		dentry_put(m->root);
		fs_put(m->fs);
		kfree(m->source);
		m->source = NULL;
		pool_free(&mount_pool, m);
		m = parent;
	}
}

/* Takes over the reference of fs; root gets one. */
static struct mount *mount_new(struct fs *fs, struct dentry *root,
			       const char *source, u32 flags)
{
	struct mount *m = pool_alloc(&mount_pool);

	if (!m)
		return NULL;
	m->source = kstrdup(source ? source : "none");
	if (!m->source) {
		pool_free(&mount_pool, m);
		return NULL;
	}
	list_init(&m->node);
	m->is_boot = false;
	m->is_detached = false;
	m->parent = NULL;
	m->mountpoint = NULL;
	m->root = root;
	dentry_get(root);
	m->fs = fs;
	m->flags = flags;
	m->id = atomic_fetch_add(&mounts.next_id, 1);
	atomic_store_release(&m->ref.count, 1);
	return m;
}

/* --- Finding ------------------------------------------------------------- */

/* The lock is held. The last one mounted there wins. */
static struct mount *find_locked(struct mount *parent, struct dentry *at)
{
	struct mount *m, *found = NULL;

	list_for_each (m, &mounts.all, node)
		if (m->parent == parent && m->mountpoint == at)
			found = m;
	return found;
}

struct mount *mount_find(struct mount *parent, struct dentry *at)
{
	struct mount *m;

	rw_read_lock(&mounts.lock);
	m = find_locked(parent, at);
	if (m)
		mount_get(m);
	rw_read_unlock(&mounts.lock);
	return m;
}

struct mount *mount_find_slow(struct mount *parent, struct dentry *at, u32 seq)
{
	struct list *n = atomic_load(&mounts.all.next);
	struct mount *m, *found = NULL;

	while (walk_valid(seq) && n != &mounts.all) {
		m = list_entry(n, struct mount, node);
		if (m->parent == parent && m->mountpoint == at)
			found = m;
		n = atomic_load(&m->node.next);
	}
	return found;
}

void mount_cross(struct path *p)
{
	struct mount *m;

	while (atomic_load(&p->dentry->flags) & DENTRY_MOUNTED) {
		m = mount_find(p->mount, p->dentry);
		if (!m)
			return;
		dentry_get(m->root);
		path_put(p);
		p->mount = m;
		p->dentry = m->root;
	}
}

bool mount_up(struct path *p)
{
	struct path up;

	rw_read_lock(&mounts.lock);
	if (!p->mount->parent) {
		rw_read_unlock(&mounts.lock);
		return false;
	}
	up.mount = p->mount->parent;
	up.dentry = p->mount->mountpoint;
	path_get(&up);
	rw_read_unlock(&mounts.lock);
	path_put(p);
	*p = up;
	return true;
}

struct mount *mount_next(struct mount *after)
{
	struct mount *m = NULL;
	struct list *n;

	rw_read_lock(&mounts.lock);
	n = after ? after->node.next : mounts.all.next;
	if (n != &mounts.all && !(after && after->is_detached)) {
		m = list_entry(n, struct mount, node);
		mount_get(m);
	}
	rw_read_unlock(&mounts.lock);
	if (after)
		mount_put(after);
	return m;
}

/* --- Changing the tree --------------------------------------------------- */

/* Hang m at a place; the references of `at` are copied. Lock held. */
static void attach_locked(struct mount *m, const struct path *at)
{
	walk_write_begin();
	if (at) {
		path_get(at);
		m->parent = at->mount;
		m->mountpoint = at->dentry;
		atomic_store(&m->mountpoint->mounted, m);
		atomic_fetch_or(&at->dentry->flags, (u32)DENTRY_MOUNTED);
	}
	list_append(&mounts.all, &m->node);
	walk_write_end();
}

/* Take m off the list; the list's reference goes to the caller. */
static void detach_locked(struct mount *m)
{
	walk_write_begin();
	m->node.prev->next = m->node.next;
	m->node.next->prev = m->node.prev;
	m->is_detached = true;
	if (m->mountpoint && m->mountpoint->mounted == m)
		atomic_store(&m->mountpoint->mounted, (struct mount *)NULL);
	walk_write_end();
}

static bool has_children(struct mount *m)
{
	struct mount *c;

	list_for_each (c, &mounts.all, node)
		if (c->parent == m)
			return true;
	return false;
}

static int attach(struct mount *m, const struct path *at)
{
	struct path p;

	if (!at) {
		rw_write_lock(&mounts.lock);
		attach_locked(m, NULL);
		rw_write_unlock(&mounts.lock);
		return 0;
	}
	p = *at;
	path_get(&p);
	mount_cross(&p); /* on top of what is there already */
	rw_write_lock(&mounts.lock);
	attach_locked(m, &p);
	rw_write_unlock(&mounts.lock);
	path_put(&p);
	return 0;
}

int mount_add(const struct fs_type *type, const char *source,
	      const char *options, u32 flags, const struct path *at)
{
	struct mount *m;
	struct fs *fs;
	int err;

	if (at && !inode_is(at->dentry->inode, TYPE_DIR))
		return -ENOTDIR;
	if (!type->mount)
		return -ENODEV;
	err = type->mount(source, options, &fs);
	if (err)
		return err;
	m = mount_new(fs, fs->root, source, flags);
	if (!m) {
		fs_put(fs);
		return -ENOMEM;
	}
	if (!at && !mount_root)
		mount_root = m;
	return attach(m, at);
}

struct mount *mount_internal(struct fs *fs, const char *source)
{
	struct mount *m = mount_new(fs, fs->root, source,
				    LINUX_MS_NOSUID | LINUX_MS_NODEV);

	if (m)
		m->is_boot = true;
	return m;
}

/* A mount that is no part of the tree: home of pipes, sockets, memfds. */
static int mount_add_anon(void)
{
	struct fs *fs = NULL;
	int err = tmpfs_type.mount("none", NULL, &fs);

	if (err)
		return err;
	mount_anon = mount_internal(fs, "none");
	return mount_anon ? 0 : -ENOMEM;
}

int mount_init(void)
{
	return mount_anon ? 0 : mount_add_anon();
}

bool mount_is_busy(struct mount *m)
{
	return !m->is_boot && atomic_load(&m->ref.count) > 2;
}

int mount_remove(const struct path *at, int flags)
{
	struct mount *m = at->mount;
	int err = 0;

	if (at->dentry != m->root)
		return -EINVAL;
	rw_write_lock(&mounts.lock);
	if (m == mount_root || m->is_detached)
		err = -EINVAL;
	else if (has_children(m) ||
		 (!(flags & LINUX_MNT_DETACH) && mount_is_busy(m)))
		err = -EBUSY;
	else
		detach_locked(m);
	rw_write_unlock(&mounts.lock);
	if (!err)
		mount_put(m);
	return err;
}

int mount_bind(const struct path *from, bool recursive, const struct path *at)
{
	struct mount *m;

	if (recursive && has_children(from->mount))
		return -EINVAL; /* the mounts below cannot be copied */
	if (inode_is(from->dentry->inode, TYPE_DIR) !=
	    inode_is(at->dentry->inode, TYPE_DIR))
		return -ENOTDIR;
	ref_get(&from->mount->fs->ref);
	m = mount_new(from->mount->fs, from->dentry, from->mount->source,
		      from->mount->flags);
	if (!m) {
		fs_put(from->mount->fs);
		return -ENOMEM;
	}
	return attach(m, at);
}

int mount_change(const struct path *at, u32 flags)
{
	if (at->dentry != at->mount->root)
		return -EINVAL;
	atomic_store(&at->mount->flags, flags);
	return 0;
}

int mount_move(const struct path *from, const struct path *to)
{
	struct mount *m = from->mount, *old_parent;
	struct dentry *old_point;

	if (from->dentry != m->root || !m->parent)
		return -EINVAL;
	for (struct mount *up = to->mount; up; up = up->parent)
		if (up == m)
			return -ELOOP;
	rw_write_lock(&mounts.lock);
	old_parent = m->parent;
	old_point = m->mountpoint;
	detach_locked(m);
	m->is_detached = false;
	attach_locked(m, to);
	rw_write_unlock(&mounts.lock);
	dentry_put(old_point);
	mount_put(old_parent);
	return 0;
}

/* The calling process's root becomes new_root's mount, the old root hangs at
 * put_old below it. */
int mount_pivot(const struct path *new_root, const struct path *put_old)
{
	struct mount *new = new_root->mount, *old = mount_root, *old_parent;
	struct dentry *old_point;

	if (new_root->dentry != new->root || new == old || !new->parent)
		return -EINVAL;
	if (put_old->mount != new)
		return -EINVAL;
	rw_write_lock(&mounts.lock);
	old_parent = new->parent;
	old_point = new->mountpoint;
	detach_locked(new);
	detach_locked(old);
	new->is_detached = false;
	old->is_detached = false;
	new->parent = NULL;
	new->mountpoint = NULL;
	attach_locked(new, NULL);
	attach_locked(old, put_old);
	mount_root = new;
	rw_write_unlock(&mounts.lock);
	dentry_put(old_point);
	mount_put(old_parent);
	return 0;
}

/* --- The end ------------------------------------------------------------- */

/* The last mount that is not of the boot, off the list; with the list's
 * reference. */
static struct mount *take_last(void)
{
	struct mount *m, *last = NULL;

	rw_write_lock(&mounts.lock);
	list_for_each (m, &mounts.all, node)
		if (!m->is_boot)
			last = m;
	if (last)
		detach_locked(last);
	rw_write_unlock(&mounts.lock);
	return last;
}

void mount_end(void)
{
	struct mount *m;

	while ((m = take_last())) {
		int err = m->fs->type->sync ? m->fs->type->sync(m->fs) : 0;

		if (err)
			klog("%s: not all could be written: error %d",
			     m->source, -err);
		if (m->fs->type->needs_device && atomic_load(&m->ref.count) > 1)
			klog("%s: still in use at the end", m->source);
		mount_put(m);
	}
}

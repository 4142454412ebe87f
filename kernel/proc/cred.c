/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of threads: immutable objects that are copied, changed and
 * published whole.
 */
#include "kernel/proc/cred.h"

#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "lib/string.h"

#define CAP_ALL ((1UL << (CAP_LAST_CAP + 1)) - 1)

struct cred *cred_new_root(void)
{
	struct cred *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->cap_effective = CAP_ALL;
	c->cap_permitted = CAP_ALL;
	c->cap_bounding = CAP_ALL;
	return c;
}

struct cred *cred_copy(const struct cred *c)
{
	struct cred *copy = kmalloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *c;
	ref_init(&copy->ref);
	if (c->ngroups) {
		size_t size = c->ngroups * sizeof(*c->groups);

		copy->groups = kmalloc(size);
		if (!copy->groups) {
			kfree(copy);
			return NULL;
		}
		memcpy(copy->groups, c->groups, size);
	}
	return copy;
}

struct cred *cred_get(struct cred *c)
{
	ref_get(&c->ref);
	return c;
}

void cred_put(struct cred *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	kfree(c->groups);
	kfree(c);
}

void cred_install(struct cred *c)
{
	struct thread *t = current();
	struct cred *old;

	/* The lock is for cred_get_thread() of others. */
	mutex_lock(&t->proc->lock);
	old = t->cred;
	t->cred = c;
	atomic_store(&t->uid, c->uid);
	mutex_unlock(&t->proc->lock);
	cred_put(old);
}

struct cred *cred_get_thread(struct thread *t)
{
	struct cred *c;

	mutex_lock(&t->proc->lock);
	c = cred_get(t->cred);
	mutex_unlock(&t->proc->lock);
	return c;
}

const struct cred *cred_current(void)
{
	return current()->cred;
}

bool cred_has(const struct cred *c, int cap)
{
	return (c->cap_effective & (1UL << cap)) != 0;
}

bool cred_capable(int cap)
{
	return cred_has(current()->cred, cap);
}

bool cred_in_group(const struct cred *c, u32 gid)
{
	u32 low = 0, high = c->ngroups;

	if (gid == c->fsgid || gid == c->egid)
		return true;
	while (low < high) {
		u32 mid = (low + high) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

void cred_sort_groups(u32 *groups, u32 n)
{
	/* Shell sort: no recursion, good enough for 65,536. */
	for (u32 gap = n / 2; gap > 0; gap /= 2) {
		for (u32 i = gap; i < n; i++) {
			u32 v = groups[i];
			u32 j = i;

			for (; j >= gap && groups[j - gap] > v; j -= gap)
				groups[j] = groups[j - gap];
			groups[j] = v;
		}
	}
}

/* After uids of c changed from `old`: Linux's rules for capabilities. */
void cred_fix_caps(struct cred *c, const struct cred *old)
{
	bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool is_root = c->uid == 0 || c->euid == 0 || c->suid == 0;

	if (c->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (was_root && !is_root) {
		if (!(c->securebits & SECURE_KEEP_CAPS)) {
			c->cap_permitted = 0;
			c->cap_effective = 0;
		}
		c->cap_ambient = 0;
	}
	if (old->euid == 0 && c->euid != 0)
		c->cap_effective = 0;
	if (old->euid != 0 && c->euid == 0)
		c->cap_effective = c->cap_permitted;
}

#define CAP_FS_SET                                                             \
	((1UL << CAP_CHOWN) | (1UL << CAP_MKNOD) | (1UL << CAP_DAC_OVERRIDE) | \
	 (1UL << CAP_DAC_READ_SEARCH) | (1UL << CAP_FOWNER) |                  \
	 (1UL << CAP_FSETID) | (1UL << CAP_LINUX_IMMUTABLE) |                  \
	 (1UL << CAP_MAC_OVERRIDE))

void cred_fix_fs_caps(struct cred *c, const struct cred *old)
{
	if (c->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (old->fsuid == 0 && c->fsuid != 0)
		c->cap_effective &= ~CAP_FS_SET;
	if (old->fsuid != 0 && c->fsuid == 0)
		c->cap_effective |= c->cap_permitted & CAP_FS_SET;
}

/* exec: set-id bits of the file (mode 0: none apply) and capabilities. */
bool cred_exec(struct cred *c, u32 mode, u32 file_uid, u32 file_gid)
{
	const struct cred old = *c;
	bool changed;

	if (mode & 04000)
		c->euid = file_uid;
	if ((mode & 02010) == 02010)
		c->egid = file_gid;
	changed = c->euid != old.euid || c->egid != old.egid;
	if (changed)
		c->cap_ambient = 0;
	if (!(c->securebits & SECURE_NOROOT) && (c->uid == 0 || c->euid == 0)) {
		c->cap_permitted = c->cap_inheritable | c->cap_bounding;
		c->cap_effective = c->euid == 0 ? c->cap_permitted
						: c->cap_ambient;
	} else {
		c->cap_permitted = c->cap_ambient;
		c->cap_effective = c->cap_ambient;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	c->securebits &= ~(u32)SECURE_KEEP_CAPS;
	return changed || c->uid != c->euid || c->gid != c->egid;
}

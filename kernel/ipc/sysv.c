/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of SysV objects by key and id, and their permission rules. Used by
 * shm.c, sem.c and msg.c, each with a table and a lock of its own.
 */
#include "kernel/ipc/sysv.h"

#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/cred.h"

#define ID_SLOTS 32768 /* id = slot + sequence * this, as Linux */
#define ID_SEQ_MAX 65535

s64 sysv_now(void)
{
	return plat_clock(PLAT_REALTIME) / NSEC_PER_SEC;
}

int sysv_permission(const struct sysv_object *o, u32 mode)
{
	const struct cred *c = cred_current();
	u32 want = (mode >> 6) | (mode >> 3) | mode;
	u32 granted = o->mode;

	if (c->euid == o->uid || c->euid == o->cuid)
		granted >>= 6;
	else if (cred_in_group(c, o->gid) || cred_in_group(c, o->cgid))
		granted >>= 3;
	if ((want & ~granted & 7) && !cred_capable(CAP_IPC_OWNER))
		return -EACCES;
	return 0;
}

int sysv_owner(const struct sysv_object *o)
{
	const struct cred *c = cred_current();

	if (c->euid == o->uid || c->euid == o->cuid ||
	    cred_capable(CAP_SYS_ADMIN))
		return 0;
	return -EPERM;
}

int sysv_lookup(struct sysv_table *t, s32 key, u32 flags,
		struct sysv_object **found)
{
	*found = NULL;
	if (key == SYSV_PRIVATE)
		return 0;
	for (u32 i = 0; i < t->nslots; i++) {
		struct sysv_object *o = t->slots[i];

		if (!o || o->key != key)
			continue;
		if ((flags & SYSV_CREAT) && (flags & SYSV_EXCL))
			return -EEXIST;
		*found = o;
		return sysv_permission(o, flags);
	}
	return flags & SYSV_CREAT ? 0 : -ENOENT;
}

static int table_grow(struct sysv_table *t)
{
	u32 n = t->nslots ? t->nslots * 2 : 16;
	struct sysv_object **slots;

	slots = krealloc(t->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + t->nslots, 0, (n - t->nslots) * sizeof(*slots));
	t->slots = slots;
	t->nslots = n;
	return 0;
}

int sysv_add(struct sysv_table *t, struct sysv_object *o, s32 key, u32 mode)
{
	const struct cred *c = cred_current();
	u32 slot = 0;

	if (t->used >= t->max)
		return -ENOSPC;
	while (slot < t->nslots && t->slots[slot])
		slot++;
	if (slot == t->nslots && table_grow(t))
		return -ENOMEM;
	t->slots[slot] = o;
	t->used++;
	o->key = key;
	o->id = (s32)(slot + t->seq * ID_SLOTS);
	t->seq = (t->seq + 1) % ID_SEQ_MAX;
	o->mode = mode & 0777;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	return o->id;
}

void sysv_remove(struct sysv_table *t, struct sysv_object *o)
{
	t->slots[(u32)o->id % ID_SLOTS] = NULL;
	t->used--;
}

struct sysv_object *sysv_at(struct sysv_table *t, s32 index)
{
	if (index < 0 || (u32)index >= t->nslots)
		return NULL;
	return t->slots[index];
}

struct sysv_object *sysv_find(struct sysv_table *t, s32 id)
{
	struct sysv_object *o;

	if (id < 0)
		return NULL;
	o = sysv_at(t, id % ID_SLOTS);
	return o && o->id == id ? o : NULL;
}

int sysv_highest(const struct sysv_table *t)
{
	for (u32 i = t->nslots; i > 0; i--) {
		if (t->slots[i - 1])
			return (int)i - 1;
	}
	return 0;
}

void sysv_perm_out(const struct sysv_object *o, struct linux_ipc_perm *p)
{
	*p = (struct linux_ipc_perm){
		.key = o->key,
		.uid = o->uid,
		.gid = o->gid,
		.cuid = o->cuid,
		.cgid = o->cgid,
		.mode = o->mode,
		.seq = (u16)(o->id / ID_SLOTS),
	};
}

int sysv_perm_set(struct sysv_object *o, const struct linux_ipc_perm *p)
{
	int err = sysv_owner(o);

	if (err)
		return err;
	if (p->uid == ~0U || p->gid == ~0U)
		return -EINVAL;
	o->uid = p->uid;
	o->gid = p->gid;
	o->mode = (o->mode & ~0777U) | (p->mode & 0777);
	return 0;
}

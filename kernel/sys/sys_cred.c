/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids, supplementary groups, capabilities. Credentials belong to
 * threads; C libraries apply changes to all threads themselves.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define NO_ID (~0U) /* (uid_t)-1: leave as it is */

SYSCALL0(getuid)
{
	return cred_current()->uid;
}

SYSCALL0(geteuid)
{
	return cred_current()->euid;
}

SYSCALL0(getgid)
{
	return cred_current()->gid;
}

SYSCALL0(getegid)
{
	return cred_current()->egid;
}

static long get_three(uaddr_t a, u32 x, uaddr_t b, u32 y, uaddr_t c, u32 z)
{
	if (user_store_u32(a, x) || user_store_u32(b, y) ||
	    user_store_u32(c, z))
		return -EFAULT;
	return 0;
}

SYSCALL3(getresuid, uaddr_t, ruid, uaddr_t, euid, uaddr_t, suid)
{
	const struct cred *c = cred_current();

	return get_three(ruid, c->uid, euid, c->euid, suid, c->suid);
}

SYSCALL3(getresgid, uaddr_t, rgid, uaddr_t, egid, uaddr_t, sgid)
{
	const struct cred *c = cred_current();

	return get_three(rgid, c->gid, egid, c->egid, sgid, c->sgid);
}

/* --- Changing uids ------------------------------------------------------- */

static void uids_changed(struct cred *c)
{
	const struct cred *old = cred_current();

	if (c->euid != old->euid || c->egid != old->egid)
		process_current()->is_dumpable = false;
	cred_fix_caps(c, old);
	cred_install(c);
}

SYSCALL1(setuid, u32, uid)
{
	const struct cred *old = cred_current();
	struct cred *c;

	if (uid == NO_ID)
		return -EINVAL;
	if (!cred_capable(CAP_SETUID) && uid != old->uid && uid != old->suid)
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (cred_capable(CAP_SETUID)) {
		c->uid = uid;
		c->suid = uid;
	}
	c->euid = uid;
	c->fsuid = uid;
	uids_changed(c);
	return 0;
}

/* May an unprivileged caller take id, given what it holds? */
static bool holds(u32 id, u32 a, u32 b, u32 c)
{
	return id == NO_ID || id == a || id == b || id == c;
}

SYSCALL2(setreuid, u32, ruid, u32, euid)
{
	const struct cred *old = cred_current();
	struct cred *c;

	if (!cred_capable(CAP_SETUID) &&
	    (!holds(ruid, old->uid, old->euid, old->uid) ||
	     !holds(euid, old->uid, old->euid, old->suid)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (ruid != NO_ID)
		c->uid = ruid;
	if (euid != NO_ID)
		c->euid = euid;
	if (ruid != NO_ID || (euid != NO_ID && euid != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	uids_changed(c);
	return 0;
}

SYSCALL3(setresuid, u32, ruid, u32, euid, u32, suid)
{
	const struct cred *old = cred_current();
	struct cred *c;

	if (!cred_capable(CAP_SETUID) &&
	    (!holds(ruid, old->uid, old->euid, old->suid) ||
	     !holds(euid, old->uid, old->euid, old->suid) ||
	     !holds(suid, old->uid, old->euid, old->suid)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (ruid != NO_ID)
		c->uid = ruid;
	if (euid != NO_ID)
		c->euid = euid;
	if (suid != NO_ID)
		c->suid = suid;
	c->fsuid = c->euid;
	uids_changed(c);
	return 0;
}

SYSCALL1(setfsuid, u32, uid)
{
	const struct cred *old = cred_current();
	u32 before = old->fsuid;
	struct cred *c;

	if (uid == NO_ID || uid == before ||
	    (!cred_capable(CAP_SETUID) &&
	     !holds(uid, old->uid, old->euid, old->suid)))
		return before;
	c = cred_copy(old);
	if (!c)
		return before;
	c->fsuid = uid;
	cred_fix_fs_caps(c, old);
	cred_install(c);
	return before;
}

/* --- Changing gids ------------------------------------------------------- */

SYSCALL1(setgid, u32, gid)
{
	const struct cred *old = cred_current();
	bool may = cred_capable(CAP_SETGID);
	struct cred *c;

	if (gid == NO_ID)
		return -EINVAL;
	if (!may && gid != old->gid && gid != old->sgid)
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (may) {
		c->gid = gid;
		c->sgid = gid;
	}
	c->egid = gid;
	c->fsgid = gid;
	uids_changed(c);
	return 0;
}

SYSCALL2(setregid, u32, rgid, u32, egid)
{
	const struct cred *old = cred_current();
	struct cred *c;

	if (!cred_capable(CAP_SETGID) &&
	    (!holds(rgid, old->gid, old->egid, old->gid) ||
	     !holds(egid, old->gid, old->egid, old->sgid)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (rgid != NO_ID)
		c->gid = rgid;
	if (egid != NO_ID)
		c->egid = egid;
	if (rgid != NO_ID || (egid != NO_ID && egid != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	uids_changed(c);
	return 0;
}

SYSCALL3(setresgid, u32, rgid, u32, egid, u32, sgid)
{
	const struct cred *old = cred_current();
	struct cred *c;

	if (!cred_capable(CAP_SETGID) &&
	    (!holds(rgid, old->gid, old->egid, old->sgid) ||
	     !holds(egid, old->gid, old->egid, old->sgid) ||
	     !holds(sgid, old->gid, old->egid, old->sgid)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (rgid != NO_ID)
		c->gid = rgid;
	if (egid != NO_ID)
		c->egid = egid;
	if (sgid != NO_ID)
		c->sgid = sgid;
	c->fsgid = c->egid;
	uids_changed(c);
	return 0;
}

SYSCALL1(setfsgid, u32, gid)
{
	const struct cred *old = cred_current();
	u32 before = old->fsgid;
	struct cred *c;

	if (gid == NO_ID || gid == before ||
	    (!cred_capable(CAP_SETGID) &&
	     !holds(gid, old->gid, old->egid, old->sgid)))
		return before;
	c = cred_copy(old);
	if (!c)
		return before;
	c->fsgid = gid;
	cred_install(c);
	return before;
}

/* --- Supplementary groups ------------------------------------------------ */

SYSCALL2(getgroups, int, size, uaddr_t, list)
{
	const struct cred *c = cred_current();

	if (size < 0)
		return -EINVAL;
	if (size == 0)
		return c->ngroups;
	if ((u32)size < c->ngroups)
		return -EINVAL;
	if (c->ngroups &&
	    user_copy_out(list, c->groups, c->ngroups * sizeof(u32)))
		return -EFAULT;
	return c->ngroups;
}

SYSCALL2(setgroups, int, size, uaddr_t, list)
{
	u32 *groups = NULL;
	struct cred *c;

	if (!cred_capable(CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > CRED_NGROUPS_MAX)
		return -EINVAL;
	if (size) {
		groups = kmalloc((size_t)size * sizeof(u32));
		if (!groups)
			return -ENOMEM;
		if (user_copy_in(groups, list, (size_t)size * sizeof(u32))) {
			kfree(groups);
			return -EFAULT;
		}
		cred_sort_groups(groups, (u32)size);
	}
	c = cred_copy(cred_current());
	if (!c) {
		kfree(groups);
		return -ENOMEM;
	}
	kfree(c->groups);
	c->groups = groups;
	c->ngroups = (u32)size;
	cred_install(c);
	return 0;
}

/* --- Capabilities -------------------------------------------------------- */

struct cap_header {
	u32 version;
	s32 pid;
};

struct cap_data {
	u32 effective, permitted, inheritable;
};

/* Words per set in this version, 0: not known (ours is stored). */
static int cap_words(uaddr_t header, struct cap_header *h, int *err)
{
	*err = 0;
	if (user_get(h, header)) {
		*err = -EFAULT;
		return 0;
	}
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return 1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return 2;
	default:
		*err = -EINVAL;
		if (user_store_u32(header, _LINUX_CAPABILITY_VERSION_3))
			*err = -EFAULT;
		return 0;
	}
}

static long cap_read(s32 pid, struct cap_data data[2])
{
	struct thread *t;
	struct cred *c;

	if (pid < 0)
		return -EINVAL;
	if (pid == 0) {
		c = cred_get((struct cred *)cred_current());
	} else {
		t = thread_find(pid);
		if (!t)
			return -ESRCH;
		c = cred_get_thread(t);
		thread_put(t);
	}
	for (int i = 0; i < 2; i++) {
		data[i].effective = (u32)(c->cap_effective >> (32 * i));
		data[i].permitted = (u32)(c->cap_permitted >> (32 * i));
		data[i].inheritable = (u32)(c->cap_inheritable >> (32 * i));
	}
	cred_put(c);
	return 0;
}

SYSCALL2(capget, uaddr_t, header, uaddr_t, data_at)
{
	struct cap_header h;
	struct cap_data data[2];
	int err, words = cap_words(header, &h, &err);

	if (!words) /* asking for the version alone is fine */
		return err == -EINVAL && !data_at ? 0 : err;
	err = (int)cap_read(h.pid, data);
	if (err || !data_at)
		return err;
	return user_copy_out(data_at, data, (size_t)words * sizeof(data[0]));
}

SYSCALL2(capset, uaddr_t, header, uaddr_t, data_at)
{
	const struct cred *old = cred_current();
	struct cap_data data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	struct cap_header h;
	u64 effective, permitted, inheritable;
	struct cred *c;
	int err, words = cap_words(header, &h, &err);

	if (!words)
		return err;
	if (h.pid != 0 && h.pid != current()->tid)
		return -EPERM;
	if (user_copy_in(data, data_at, (size_t)words * sizeof(data[0])))
		return -EFAULT;
	effective = data[0].effective | (u64)data[1].effective << 32;
	permitted = data[0].permitted | (u64)data[1].permitted << 32;
	inheritable = data[0].inheritable | (u64)data[1].inheritable << 32;
	if ((permitted & ~old->cap_permitted) || (effective & ~permitted))
		return -EPERM;
	if (!cred_capable(CAP_SETPCAP) &&
	    (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
		return -EPERM;
	if (inheritable & ~(old->cap_inheritable | old->cap_bounding))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	c->cap_ambient &= permitted & inheritable;
	cred_install(c);
	return 0;
}

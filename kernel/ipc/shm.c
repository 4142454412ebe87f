/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SysV shared memory: segments are memory objects; an attachment is an area
 * whose open and close keep shm_nattch. Lock order: mm->lock, then the table's.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/sysv.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

enum {
	SHM_RDONLY_ = 010000,
	SHM_RND_ = 020000,
	SHM_REMAP_ = 040000,
	SHM_EXEC_ = 0100000,
	SHM_HUGETLB_ = 04000,
	SHM_NORESERVE_ = 010000,
	SHM_LOCK_ = 11,
	SHM_UNLOCK_ = 12,
	SHM_STAT_ = 13,
	SHM_INFO_ = 14,
	SHM_STAT_ANY_ = 15,
	SHM_DEST_ = 01000,
	SHM_LOCKED_ = 02000, /* in mode */
};
#define SHM_MAX (~0UL - (1UL << 24))
#define SHM_MNI 4096

struct shm {
	struct sysv_object sysv;
	struct object *object;
	u64 size;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch;
};

static struct sysv_table shm_table = { .max = SHM_MNI };

struct linux_shmid_ds {
	struct linux_ipc_perm perm;
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch;
	u64 unused[2];
};
_Static_assert(sizeof(struct linux_shmid_ds) == 112, "Linux ABI");

struct linux_shminfo { /* struct shminfo64 */
	u64 shmmax, shmmin, shmmni, shmseg, shmall;
	u64 unused[4];
};

struct linux_shm_info {
	s32 used_ids;
	u32 pad;
	u64 shm_tot, shm_rss, shm_swp;
	u64 swap_attempts, swap_successes;
};

static struct shm *shm_of(struct sysv_object *o)
{
	return o ? container_of(o, struct shm, sysv) : NULL;
}

/* --- Life
 * -------------------------------------------------------------------------- */

static void shm_destroy(struct shm *s)
{
	sysv_remove(&shm_table, &s->sysv);
	object_put(s->object);
	kfree(s);
}

static int shm_new(s32 key, u64 size, u32 flags)
{
	struct shm *s;
	int id, err;

	if (size < 1 || size > SHM_MAX)
		return -EINVAL;
	if (flags & SHM_HUGETLB_)
		return -ENOMEM; /* there is no pool of huge pages */
	if (shm_table.used >= shm_table.max)
		return -ENOSPC;
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = size > OBJECT_SIZE_MAX
		      ? -ENOSPC
		      : object_new_cache(PAGE_UP(size), &s->object);
	if (err) {
		kfree(s);
		return err;
	}
	s->size = size;
	s->ctime = sysv_now();
	s->cpid = process_current()->pid;
	id = sysv_add(&shm_table, &s->sysv, key, flags);
	if (id < 0) {
		object_put(s->object);
		kfree(s);
	}
	return id;
}

long shm_get(s32 key, u64 size, u32 flags)
{
	struct sysv_object *found;
	long ret;

	mutex_lock(&shm_table.lock);
	ret = sysv_lookup(&shm_table, key, flags, &found);
	if (!ret && !found)
		ret = shm_new(key, size, flags);
	else if (!ret)
		ret = size > shm_of(found)->size ? -EINVAL : found->id;
	mutex_unlock(&shm_table.lock);
	return ret;
}

/* --- Attaching
 * ------------------------------------------------------------------------ */

static void shm_area_open(struct area *a)
{
	struct shm *s = a->private_data;

	mutex_lock(&shm_table.lock);
	s->nattch++;
	mutex_unlock(&shm_table.lock);
}

static void shm_release(struct shm *s)
{
	mutex_lock(&shm_table.lock);
	s->dtime = sysv_now();
	s->lpid = process_current()->pid;
	s->nattch--;
	if (s->nattch == 0 && (s->sysv.mode & SHM_DEST_))
		shm_destroy(s);
	mutex_unlock(&shm_table.lock);
}

static void shm_area_close(struct area *a)
{
	shm_release(a->private_data);
}

/* Where to attach: flags for mmap, or -EINVAL. */
static int place(uaddr_t *addr, u32 flags)
{
	if (!*addr)
		return flags & SHM_REMAP_ ? -EINVAL : MAP_SHARED;
	if (*addr % PAGE_SIZE) {
		if (!(flags & SHM_RND_))
			return -EINVAL;
		*addr = PAGE_DOWN(*addr);
		if (!*addr && (flags & SHM_REMAP_))
			return -EINVAL;
	}
	return MAP_SHARED |
	       (flags & SHM_REMAP_ ? MAP_FIXED : MAP_FIXED_NOREPLACE);
}

/* Find the segment and count the attachment to come. */
static int shm_hold(s32 id, u32 want, struct shm **s)
{
	int err = -EINVAL;

	mutex_lock(&shm_table.lock);
	*s = shm_of(sysv_find(&shm_table, id));
	if (*s)
		err = sysv_permission(&(*s)->sysv, want);
	if (!err) {
		(*s)->nattch++;
		(*s)->atime = sysv_now();
		(*s)->lpid = process_current()->pid;
	}
	mutex_unlock(&shm_table.lock);
	return err;
}

long shm_attach(s32 id, uaddr_t addr, u32 flags)
{
	struct map_request r = { .prot = PROT_READ,
				 .area_flags = AREA_SHM,
				 .open = shm_area_open,
				 .close = shm_area_close };
	u32 want = SYSV_READ;
	struct shm *s;
	s64 ret;
	int err;

	r.flags = place(&addr, flags);
	if (r.flags < 0)
		return r.flags;
	if (flags & SHM_RDONLY_) {
		r.deny_prot = PROT_WRITE;
	} else {
		r.prot |= PROT_WRITE;
		want |= SYSV_WRITE;
	}
	if (flags & SHM_EXEC_) {
		r.prot |= PROT_EXEC;
		want |= 0111;
	}
	err = shm_hold(id, want, &s);
	if (err)
		return err;
	r.addr = addr;
	r.len = s->size;
	r.object = s->object;
	r.private_data = s;
	ret = mm_map(&r);
	if (ret < 0)
		shm_release(s);
	return ret == -EEXIST ? -EINVAL : ret;
}

long shm_detach(uaddr_t addr)
{
	return mm_detach_shm(addr);
}

/* --- shmctl
 * ------------------------------------------------------------------------------
 */

static void shm_stat(const struct shm *s, struct linux_shmid_ds *ds)
{
	*ds = (struct linux_shmid_ds){
		.segsz = s->size,
		.atime = s->atime,
		.dtime = s->dtime,
		.ctime = s->ctime,
		.cpid = s->cpid,
		.lpid = s->lpid,
		.nattch = s->nattch,
	};
	sysv_perm_out(&s->sysv, &ds->perm);
}

static long control_stat(s32 id, int cmd, uaddr_t buf)
{
	struct linux_shmid_ds ds;
	struct sysv_object *o;
	long ret = -EINVAL;

	mutex_lock(&shm_table.lock);
	o = cmd == SYSV_STAT ? sysv_find(&shm_table, id)
			     : sysv_at(&shm_table, id);
	if (o)
		ret = cmd == SHM_STAT_ANY_ ? 0 : sysv_permission(o, SYSV_READ);
	if (!ret) {
		shm_stat(shm_of(o), &ds);
		ret = cmd == SYSV_STAT ? 0 : o->id;
	}
	mutex_unlock(&shm_table.lock);
	if (ret >= 0 && user_put(buf, &ds))
		ret = -EFAULT;
	return ret;
}

static long control_info(int cmd, uaddr_t buf)
{
	struct linux_shminfo limits = { .shmmax = SHM_MAX,
					.shmmin = 1,
					.shmmni = SHM_MNI,
					.shmseg = SHM_MNI,
					.shmall = SHM_MAX };
	struct linux_shm_info info = { 0 };
	long highest;
	int err;

	mutex_lock(&shm_table.lock);
	highest = sysv_highest(&shm_table);
	info.used_ids = (s32)shm_table.used;
	for (s32 i = 0; i <= highest; i++) {
		struct shm *s = shm_of(sysv_at(&shm_table, i));

		if (!s)
			continue;
		info.shm_tot += PAGE_UP(s->size) >> PAGE_SHIFT;
		info.shm_rss += s->object->npages;
	}
	mutex_unlock(&shm_table.lock);
	err = cmd == SHM_INFO_ ? user_put(buf, &info) : user_put(buf, &limits);
	return err ? err : highest;
}

static long change_locked(struct shm *s, int cmd,
			  const struct linux_shmid_ds *ds)
{
	int err = sysv_owner(&s->sysv);

	switch (cmd) {
	case SYSV_RMID:
		if (err)
			return err;
		s->sysv.key = SYSV_PRIVATE;
		s->sysv.mode |= SHM_DEST_;
		if (s->nattch == 0)
			shm_destroy(s);
		return 0;
	case SYSV_SET:
		err = sysv_perm_set(&s->sysv, &ds->perm);
		if (!err)
			s->ctime = sysv_now();
		return err;
	default: /* SHM_LOCK, SHM_UNLOCK: nothing is ever paged out */
		if (err && !cred_capable(CAP_IPC_LOCK))
			return err;
		if (cmd == SHM_LOCK_)
			s->sysv.mode |= SHM_LOCKED_;
		else
			s->sysv.mode &= ~(u32)SHM_LOCKED_;
		return 0;
	}
}

static long control_change(s32 id, int cmd, uaddr_t buf)
{
	struct linux_shmid_ds ds;
	struct shm *s;
	long ret = -EINVAL;

	if (cmd == SYSV_SET && user_get(&ds, buf))
		return -EFAULT;
	mutex_lock(&shm_table.lock);
	s = shm_of(sysv_find(&shm_table, id));
	if (s)
		ret = change_locked(s, cmd, &ds);
	mutex_unlock(&shm_table.lock);
	return ret;
}

long shm_control(s32 id, int cmd, uaddr_t buf)
{
	if (cmd < 0 || id < 0)
		return -EINVAL;
	switch (cmd) {
	case SYSV_STAT:
	case SHM_STAT_:
	case SHM_STAT_ANY_:
		return control_stat(id, cmd, buf);
	case SYSV_INFO:
	case SHM_INFO_:
		return control_info(cmd, buf);
	case SYSV_RMID:
	case SYSV_SET:
	case SHM_LOCK_:
	case SHM_UNLOCK_:
		return control_change(id, cmd, buf);
	default:
		return syscall_unsupported("shmctl", (u64)cmd, EINVAL);
	}
}

void shm_show(struct fmt_buf *out)
{
	fmt_buf_add(out,
		    "       key      shmid perms                  size  cpid "
		    " lpid nattch   uid   gid  cuid  cgid      atime      "
		    "dtime      ctime                   rss                  "
		    "swap\n");
	mutex_lock(&shm_table.lock);
	for (s32 i = 0; (u32)i < shm_table.nslots; i++) {
		struct shm *s = shm_of(sysv_at(&shm_table, i));

		if (!s)
			continue;
		fmt_buf_add(out,
			    "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u "
			    "%5u %10lu %10lu %10lu %21lu %21lu\n",
			    s->sysv.key, s->sysv.id, s->sysv.mode, s->size,
			    (u32)s->cpid, (u32)s->lpid, s->nattch, s->sysv.uid,
			    s->sysv.gid, s->sysv.cuid, s->sysv.cgid,
			    (u64)s->atime, (u64)s->dtime, (u64)s->ctime,
			    s->object->npages << PAGE_SHIFT, 0UL);
	}
	mutex_unlock(&shm_table.lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SysV semaphore sets. Operations of one call happen all or not at all, under
 * the table's lock; who cannot go on waits on the set's queue and tries again
 * at each change. SEM_UNDO adjustments hang on the process and on the set.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/sysv.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/proc/waitq.h"
#include "kernel/sys/syscall.h"

enum {
	SEM_GETPID = 11,
	SEM_GETVAL,
	SEM_GETALL,
	SEM_GETNCNT,
	SEM_GETZCNT,
	SEM_SETVAL,
	SEM_SETALL,
	SEM_STAT_,
	SEM_INFO_,
	SEM_STAT_ANY_,
	SEM_UNDO_ = 0x1000,
};
#define SEM_MNI 32000
#define SEM_MSL 32000 /* semaphores in a set */
#define SEM_MNS (SEM_MNI * SEM_MSL)
#define SEM_VMX 32767

struct sem {
	u16 value;
	s32 pid; /* of the last operation */
};

struct sem_set {
	struct sysv_object sysv;
	struct ref ref; /* the table, each waiter, each undo */
	bool is_removed;
	u32 nsems;
	s64 otime, ctime;
	struct waitq waitq;
	struct list sleepers; /* struct sleeper.node */
	struct list undos;    /* struct undo.set_node */
	struct sem sems[];
};

/* Somebody waits for semaphore num to grow, or to become zero. */
struct sleeper {
	struct list node;
	u16 num;
	bool for_zero;
};

/* What a process's exit adds to the semaphores of one set. */
struct undo {
	struct list set_node;
	struct undo *next;   /* of the process: head is process.semundo */
	struct sem_set *set; /* reference held */
	s16 adjust[];
};

static struct sysv_table sem_table = { .max = SEM_MNI };
static u64 sem_total; /* semaphores in all sets, under sem_table.lock */

struct linux_semid_ds {
	struct linux_ipc_perm perm;
	s64 otime, unused1, ctime, unused2;
	u64 nsems, unused3, unused4;
};
_Static_assert(sizeof(struct linux_semid_ds) == 104, "Linux ABI");

struct linux_seminfo {
	s32 semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz,
		semvmx, semaem;
};

static struct sem_set *set_of(struct sysv_object *o)
{
	return o ? container_of(o, struct sem_set, sysv) : NULL;
}

static void set_put(struct sem_set *s)
{
	if (ref_put(&s->ref))
		kfree(s);
}

/* --- semget
 * ------------------------------------------------------------------------ */

static int set_new(s32 key, u32 nsems, u32 flags)
{
	struct sem_set *s;
	int id;

	if (nsems == 0)
		return -EINVAL;
	if (sem_total + nsems > SEM_MNS)
		return -ENOSPC;
	s = kzalloc(sizeof(*s) + nsems * sizeof(s->sems[0]));
	if (!s)
		return -ENOMEM;
	ref_init(&s->ref);
	s->nsems = nsems;
	s->ctime = sysv_now();
	waitq_init(&s->waitq);
	list_init(&s->sleepers);
	list_init(&s->undos);
	id = sysv_add(&sem_table, &s->sysv, key, flags);
	if (id < 0)
		kfree(s);
	else
		sem_total += nsems;
	return id;
}

long sem_get(s32 key, s32 nsems, u32 flags)
{
	struct sysv_object *found;
	long ret;

	if (nsems < 0 || nsems > SEM_MSL)
		return -EINVAL;
	mutex_lock(&sem_table.lock);
	ret = sysv_lookup(&sem_table, key, flags, &found);
	if (!ret && !found)
		ret = set_new(key, (u32)nsems, flags);
	else if (!ret)
		ret = (u32)nsems > set_of(found)->nsems ? -EINVAL : found->id;
	mutex_unlock(&sem_table.lock);
	return ret;
}

static void set_remove(struct sem_set *s)
{
	sysv_remove(&sem_table, &s->sysv);
	sem_total -= s->nsems;
	s->is_removed = true;
	waitq_wake(&s->waitq);
	set_put(s);
}

/* --- Undo
 * ------------------------------------------------------------------------------
 */

static void undo_free(struct undo *u)
{
	list_del(&u->set_node);
	set_put(u->set);
	kfree(u);
}

/* A process has exited: put back what it took. */
static void process_exit_undo(struct process *p)
{
	struct undo *u, *next;

	mutex_lock(&sem_table.lock);
	for (u = p->semundo; u; u = next) {
		struct sem_set *s = u->set;

		next = u->next;
		for (u32 i = 0; i < s->nsems && !s->is_removed; i++) {
			s32 v = s->sems[i].value + u->adjust[i];

			if (!u->adjust[i])
				continue;
			s->sems[i].value = (u16)MIN(MAX(v, 0), SEM_VMX);
			s->sems[i].pid = p->pid;
		}
		s->otime = sysv_now();
		waitq_wake(&s->waitq);
		undo_free(u);
	}
	p->semundo = NULL;
	mutex_unlock(&sem_table.lock);
}

/* The current process's adjustments for s; NULL: no memory. */
static struct undo *undo_get(struct sem_set *s)
{
	struct process *p = process_current();
	struct undo *u;

	for (u = p->semundo; u; u = u->next) {
		if (u->set == s)
			return u;
	}
	u = kzalloc(sizeof(*u) + s->nsems * sizeof(u->adjust[0]));
	if (!u)
		return NULL;
	process_hooks.sem_exit = process_exit_undo;
	u->set = s;
	ref_get(&s->ref);
	list_append(&s->undos, &u->set_node);
	u->next = p->semundo;
	p->semundo = u;
	return u;
}

/* --- semop
 * -------------------------------------------------------------------------------
 */

enum { TRY_BLOCKED = 1 };

static void take_back(struct sem_set *s, const struct linux_sembuf *ops, u32 n)
{
	while (n > 0) {
		n--;
		s->sems[ops[n].num].value =
			(u16)(s->sems[ops[n].num].value - ops[n].op);
	}
}

/* Do all operations: 0; or none: -ERANGE, or TRY_BLOCKED and the one that
 * cannot go on. */
static int try_ops(struct sem_set *s, const struct linux_sembuf *ops, u32 nops,
		   struct undo *u, u32 *blocked)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < nops; i++) {
		struct sem *sem = &s->sems[ops[i].num];
		s32 v = sem->value + ops[i].op;

		if ((ops[i].op == 0 && sem->value != 0) || v < 0)
			ret = TRY_BLOCKED;
		else if (v > SEM_VMX)
			ret = -ERANGE;
		else if ((ops[i].flags & SEM_UNDO_) &&
			 (u->adjust[ops[i].num] - ops[i].op < -SEM_VMX - 1 ||
			  u->adjust[ops[i].num] - ops[i].op > SEM_VMX))
			ret = -ERANGE;
		if (ret)
			break;
		sem->value = (u16)v;
	}
	if (ret) {
		*blocked = i;
		take_back(s, ops, i);
		return ret;
	}
	for (i = 0; i < nops; i++) {
		s->sems[ops[i].num].pid = process_current()->pid;
		if (ops[i].flags & SEM_UNDO_)
			u->adjust[ops[i].num] =
				(s16)(u->adjust[ops[i].num] - ops[i].op);
	}
	return 0;
}

/* Sleep until something changes; the lock is given up meanwhile. */
static int wait_change(struct sem_set *s, const struct linux_sembuf *op,
		       nsec_t deadline)
{
	struct sleeper me = { .num = op->num, .for_zero = op->op == 0 };
	int err;

	list_append(&s->sleepers, &me.node);
	mutex_unlock(&sem_table.lock);
	err = thread_sleep(deadline, true);
	mutex_lock(&sem_table.lock);
	list_del(&me.node);
	if (s->is_removed)
		return -EIDRM;
	return err == -ETIMEDOUT ? -EAGAIN : err;
}

static int check_ops(struct sem_set *s, const struct linux_sembuf *ops,
		     u32 nops, bool *undo)
{
	bool alters = false;

	*undo = false;
	for (u32 i = 0; i < nops; i++) {
		if (ops[i].num >= s->nsems)
			return -EFBIG;
		alters |= ops[i].op != 0;
		*undo |= (ops[i].flags & SEM_UNDO_) != 0;
	}
	return sysv_permission(&s->sysv, alters ? SYSV_WRITE : SYSV_READ);
}

/* Lock held throughout, except asleep. */
static int operate_locked(struct sem_set *s, const struct linux_sembuf *ops,
			  u32 nops, nsec_t deadline)
{
	struct undo *u = NULL;
	struct waiter w;
	u32 blocked = 0;
	bool undo;
	int err = check_ops(s, ops, nops, &undo);

	if (err)
		return err;
	if (undo) {
		u = undo_get(s);
		if (!u)
			return -ENOMEM;
	}
	waiter_init(&w);
	waitq_add(&s->waitq, &w);
	while ((err = try_ops(s, ops, nops, u, &blocked)) == TRY_BLOCKED) {
		if (ops[blocked].flags & SYSV_NOWAIT)
			err = -EAGAIN;
		else
			err = wait_change(s, &ops[blocked], deadline);
		if (err)
			break;
	}
	waitq_remove(&w);
	if (!err) {
		s->otime = sysv_now();
		waitq_wake(&s->waitq);
	}
	return err;
}

long sem_operate(s32 id, const struct linux_sembuf *ops, u32 nops,
		 nsec_t deadline)
{
	struct sem_set *s;
	int err = -EINVAL;

	mutex_lock(&sem_table.lock);
	s = set_of(sysv_find(&sem_table, id));
	if (s) {
		ref_get(&s->ref);
		err = operate_locked(s, ops, nops, deadline);
		set_put(s);
	}
	mutex_unlock(&sem_table.lock);
	return err;
}

/* --- semctl
 * ----------------------------------------------------------------------------------
 */

static void clear_adjust(struct sem_set *s, u32 first, u32 n)
{
	struct undo *u;

	list_for_each (u, &s->undos, set_node)
		memset(&u->adjust[first], 0, n * sizeof(u->adjust[0]));
}

static long count_sleepers(const struct sem_set *s, u16 num, bool for_zero)
{
	struct sleeper *w;
	long n = 0;

	list_for_each (w, &s->sleepers, node)
		n += w->num == num && w->for_zero == for_zero;
	return n;
}

static long control_one(struct sem_set *s, s32 num, int cmd, u64 arg)
{
	int err = sysv_permission(&s->sysv,
				  cmd == SEM_SETVAL ? SYSV_WRITE : SYSV_READ);

	if (err)
		return err;
	if (num < 0 || (u32)num >= s->nsems)
		return -EINVAL;
	switch (cmd) {
	case SEM_GETVAL:
		return s->sems[num].value;
	case SEM_GETPID:
		return s->sems[num].pid;
	case SEM_GETNCNT:
		return count_sleepers(s, (u16)num, false);
	case SEM_GETZCNT:
		return count_sleepers(s, (u16)num, true);
	default: /* SETVAL */
		s->sems[num].value = (u16)arg;
		s->sems[num].pid = process_current()->pid;
		s->ctime = sysv_now();
		clear_adjust(s, (u32)num, 1);
		waitq_wake(&s->waitq);
		return 0;
	}
}

/* values: room for nsems of them. */
static long control_all(struct sem_set *s, int cmd, u16 *values)
{
	int err = sysv_permission(&s->sysv,
				  cmd == SEM_SETALL ? SYSV_WRITE : SYSV_READ);

	if (err)
		return err;
	for (u32 i = 0; i < s->nsems; i++) {
		if (cmd == SEM_GETALL) {
			values[i] = s->sems[i].value;
		} else {
			s->sems[i].value = values[i];
			s->sems[i].pid = process_current()->pid;
		}
	}
	if (cmd == SEM_SETALL) {
		s->ctime = sysv_now();
		clear_adjust(s, 0, s->nsems);
		waitq_wake(&s->waitq);
	}
	return 0;
}

/* GETALL, SETALL: the array is copied without the lock. */
static long control_array(s32 id, int cmd, uaddr_t array)
{
	struct sem_set *s;
	u16 *values;
	u32 n = 0;
	long ret = -EINVAL;

	mutex_lock(&sem_table.lock);
	s = set_of(sysv_find(&sem_table, id));
	if (s)
		n = s->nsems;
	mutex_unlock(&sem_table.lock);
	if (!s)
		return -EINVAL;
	values = kzalloc(n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (cmd == SEM_SETALL &&
	    user_copy_in(values, array, n * sizeof(*values))) {
		kfree(values);
		return -EFAULT;
	}
	for (u32 i = 0; cmd == SEM_SETALL && i < n; i++) {
		if (values[i] > SEM_VMX) {
			kfree(values);
			return -ERANGE;
		}
	}
	mutex_lock(&sem_table.lock);
	s = set_of(sysv_find(&sem_table, id));
	if (s && s->nsems == n)
		ret = control_all(s, cmd, values);
	mutex_unlock(&sem_table.lock);
	if (!ret && cmd == SEM_GETALL &&
	    user_copy_out(array, values, n * sizeof(*values)))
		ret = -EFAULT;
	kfree(values);
	return ret;
}

static long control_stat(s32 id, int cmd, uaddr_t buf)
{
	struct linux_semid_ds ds = { 0 };
	struct sysv_object *o;
	long ret = -EINVAL;

	mutex_lock(&sem_table.lock);
	o = cmd == SYSV_STAT ? sysv_find(&sem_table, id)
			     : sysv_at(&sem_table, id);
	if (o)
		ret = cmd == SEM_STAT_ANY_ ? 0 : sysv_permission(o, SYSV_READ);
	if (!ret) {
		struct sem_set *s = set_of(o);

		sysv_perm_out(o, &ds.perm);
		ds.otime = s->otime;
		ds.ctime = s->ctime;
		ds.nsems = s->nsems;
		ret = cmd == SYSV_STAT ? 0 : o->id;
	}
	mutex_unlock(&sem_table.lock);
	if (ret >= 0 && user_put(buf, &ds))
		ret = -EFAULT;
	return ret;
}

static long control_info(int cmd, uaddr_t buf)
{
	struct linux_seminfo info = { .semmap = SEM_MNS,
				      .semmni = SEM_MNI,
				      .semmns = SEM_MNS,
				      .semmnu = SEM_MNS,
				      .semmsl = SEM_MSL,
				      .semopm = SEM_OPS_MAX,
				      .semume = SEM_OPS_MAX,
				      .semusz = 20,
				      .semvmx = SEM_VMX,
				      .semaem = SEM_VMX };
	long highest;

	mutex_lock(&sem_table.lock);
	highest = sysv_highest(&sem_table);
	if (cmd == SEM_INFO_) {
		info.semusz = (s32)sem_table.used;
		info.semaem = (s32)sem_total;
	}
	mutex_unlock(&sem_table.lock);
	return user_put(buf, &info) ? -EFAULT : highest;
}

static long control_change(s32 id, s32 num, int cmd, u64 arg)
{
	struct linux_semid_ds ds;
	struct sem_set *s;
	long ret = -EINVAL;

	if (cmd == SYSV_SET && user_get(&ds, arg))
		return -EFAULT;
	mutex_lock(&sem_table.lock);
	s = set_of(sysv_find(&sem_table, id));
	if (s && cmd == SYSV_RMID) {
		ret = sysv_owner(&s->sysv);
		if (!ret)
			set_remove(s);
	} else if (s && cmd == SYSV_SET) {
		ret = sysv_perm_set(&s->sysv, &ds.perm);
		if (!ret)
			s->ctime = sysv_now();
	} else if (s) {
		ret = control_one(s, num, cmd, arg);
	}
	mutex_unlock(&sem_table.lock);
	return ret;
}

long sem_control(s32 id, s32 num, int cmd, u64 arg)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case SYSV_STAT:
	case SEM_STAT_:
	case SEM_STAT_ANY_:
		return control_stat(id, cmd, arg);
	case SYSV_INFO:
	case SEM_INFO_:
		return control_info(cmd, arg);
	case SEM_GETALL:
	case SEM_SETALL:
		return control_array(id, cmd, arg);
	case SEM_SETVAL:
		if ((s32)arg < 0 || (s32)arg > SEM_VMX)
			return -ERANGE;
		return control_change(id, num, cmd, arg);
	case SYSV_RMID:
	case SYSV_SET:
	case SEM_GETVAL:
	case SEM_GETPID:
	case SEM_GETNCNT:
	case SEM_GETZCNT:
		return control_change(id, num, cmd, arg);
	default:
		return syscall_unsupported("semctl", (u64)cmd, EINVAL);
	}
}

void sem_show(struct fmt_buf *out)
{
	fmt_buf_add(out, "       key      semid perms      nsems   uid   gid  "
			 "cuid  cgid      otime      ctime\n");
	mutex_lock(&sem_table.lock);
	for (s32 i = 0; (u32)i < sem_table.nslots; i++) {
		struct sem_set *s = set_of(sysv_at(&sem_table, i));

		if (!s)
			continue;
		fmt_buf_add(out,
			    "%10d %10d  %4o %10u %5u %5u %5u %5u %10lu %10lu\n",
			    s->sysv.key, s->sysv.id, s->sysv.mode, s->nsems,
			    s->sysv.uid, s->sysv.gid, s->sysv.cuid,
			    s->sysv.cgid, (u64)s->otime, (u64)s->ctime);
	}
	mutex_unlock(&sem_table.lock);
}

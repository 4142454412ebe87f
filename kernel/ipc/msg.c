/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SysV message queues: a list of typed messages in order of arrival, one wait
 * queue per direction, everything under the table's lock.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/sysv.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/proc/waitq.h"
#include "kernel/sys/syscall.h"

enum {
	MSG_STAT_ = 11,
	MSG_INFO_ = 12,
	MSG_STAT_ANY_ = 13,
	MSG_NOERROR_ = 010000,
	MSG_EXCEPT_ = 020000,
	MSG_COPY_ = 040000,
};
#define MSG_MNI 32000
#define MSG_MAX 8192  /* bytes of a message */
#define MSG_MNB 16384 /* bytes of a queue, at first */

struct message {
	struct list node;
	s64 type;
	u64 size;
	u8 data[];
};

struct msg_queue {
	struct sysv_object sysv;
	struct ref ref; /* the table, each waiter */
	bool is_removed;
	struct list messages;
	u64 nmessages, nbytes, max_bytes;
	s64 stime, rtime, ctime;
	s32 lspid, lrpid;
	struct waitq senders, receivers;
};

static struct sysv_table msg_table = { .max = MSG_MNI };

struct linux_msqid_ds {
	struct linux_ipc_perm perm;
	s64 stime, rtime, ctime;
	u64 cbytes, qnum, qbytes;
	s32 lspid, lrpid;
	u64 unused[2];
};
_Static_assert(sizeof(struct linux_msqid_ds) == 120, "Linux ABI");

struct linux_msginfo {
	s32 msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
	u16 msgseg, pad;
};

static struct msg_queue *queue_of(struct sysv_object *o)
{
	return o ? container_of(o, struct msg_queue, sysv) : NULL;
}

static void queue_put(struct msg_queue *q)
{
	struct message *m, *tmp;

	if (!ref_put(&q->ref))
		return;
	list_for_each_safe (m, tmp, &q->messages, node)
		kfree(m);
	kfree(q);
}

static int queue_new(s32 key, u32 flags)
{
	struct msg_queue *q = kzalloc(sizeof(*q));
	int id;

	if (!q)
		return -ENOMEM;
	ref_init(&q->ref);
	list_init(&q->messages);
	waitq_init(&q->senders);
	waitq_init(&q->receivers);
	q->max_bytes = MSG_MNB;
	q->ctime = sysv_now();
	id = sysv_add(&msg_table, &q->sysv, key, flags);
	if (id < 0)
		kfree(q);
	return id;
}

long msg_get(s32 key, u32 flags)
{
	struct sysv_object *found;
	long ret;

	mutex_lock(&msg_table.lock);
	ret = sysv_lookup(&msg_table, key, flags, &found);
	if (!ret)
		ret = found ? found->id : queue_new(key, flags);
	mutex_unlock(&msg_table.lock);
	return ret;
}

/* Sleep on one of q's wait queues (w is queued there); lock given up meanwhile.
 * 0: look again. */
static int wait_change(struct msg_queue *q)
{
	int err;

	mutex_unlock(&msg_table.lock);
	err = thread_sleep(NSEC_MAX, true);
	mutex_lock(&msg_table.lock);
	if (q->is_removed)
		return -EIDRM;
	return err == -EINTR ? -ERESTARTNOHAND : err;
}

/* --- Sending
 * ----------------------------------------------------------------------- */

static bool has_room(const struct msg_queue *q, u64 size)
{
	return q->nbytes + size <= q->max_bytes &&
	       q->nmessages + 1 <= q->max_bytes;
}

static int send_locked(struct msg_queue *q, struct message *m, u32 flags)
{
	struct waiter w;
	int err = sysv_permission(&q->sysv, SYSV_WRITE);

	if (err)
		return err;
	waiter_init(&w);
	waitq_add(&q->senders, &w);
	while (!has_room(q, m->size)) {
		err = flags & SYSV_NOWAIT ? -EAGAIN : wait_change(q);
		if (err)
			break;
	}
	waitq_remove(&w);
	if (err)
		return err;
	list_append(&q->messages, &m->node);
	q->nmessages++;
	q->nbytes += m->size;
	q->stime = sysv_now();
	q->lspid = process_current()->pid;
	waitq_wake(&q->receivers);
	return 0;
}

long msg_send(s32 id, uaddr_t msg, u64 size, u32 flags)
{
	struct message *m;
	struct msg_queue *q;
	u64 type;
	int err;

	if (size > MSG_MAX || id < 0)
		return -EINVAL;
	err = user_load_u64(&type, msg);
	if (err)
		return err;
	if ((s64)type < 1)
		return -EINVAL;
	m = kmalloc(sizeof(*m) + size);
	if (!m)
		return -ENOMEM;
	m->type = (s64)type;
	m->size = size;
	err = user_copy_in(m->data, msg + 8, size);
	if (err) {
		kfree(m);
		return err;
	}
	mutex_lock(&msg_table.lock);
	q = queue_of(sysv_find(&msg_table, id));
	err = -EINVAL;
	if (q) {
		ref_get(&q->ref);
		err = send_locked(q, m, flags);
		queue_put(q);
	}
	mutex_unlock(&msg_table.lock);
	if (err)
		kfree(m);
	return err;
}

/* --- Receiving
 * ---------------------------------------------------------------------- */

/* The message that type and flags ask for, or NULL. */
static struct message *pick(struct msg_queue *q, s64 type, u32 flags)
{
	struct message *m, *best = NULL;
	s64 index = 0;

	list_for_each (m, &q->messages, node) {
		if (flags & MSG_COPY_) {
			if (index++ == type)
				return m;
		} else if (type == 0) {
			return m;
		} else if (type > 0) {
			if ((m->type == type) != !!(flags & MSG_EXCEPT_))
				return m;
		} else if (m->type <= (type == INT64_MIN ? INT64_MAX : -type) &&
			   (!best || m->type < best->type)) {
			best = m;
		}
	}
	return best;
}

static struct message *message_copy(const struct message *m)
{
	struct message *copy = kmalloc(sizeof(*copy) + m->size);

	if (copy)
		memcpy(copy, m, sizeof(*copy) + m->size);
	return copy;
}

static int take(struct msg_queue *q, struct message *m, u32 flags,
		struct message **out)
{
	if (flags & MSG_COPY_) {
		*out = message_copy(m);
		return *out ? 0 : -ENOMEM;
	}
	list_del(&m->node);
	q->nmessages--;
	q->nbytes -= m->size;
	q->rtime = sysv_now();
	q->lrpid = process_current()->pid;
	waitq_wake(&q->senders);
	*out = m;
	return 0;
}

static int receive_locked(struct msg_queue *q, u64 size, s64 type, u32 flags,
			  struct message **out)
{
	struct message *m;
	struct waiter w;
	int err = sysv_permission(&q->sysv, SYSV_READ);

	if (err)
		return err;
	waiter_init(&w);
	waitq_add(&q->receivers, &w);
	while (!(m = pick(q, type, flags))) {
		err = flags & SYSV_NOWAIT ? -ENOMSG : wait_change(q);
		if (err)
			break;
	}
	waitq_remove(&w);
	if (err)
		return err;
	if (m->size > size && !(flags & MSG_NOERROR_))
		return -E2BIG;
	return take(q, m, flags, out);
}

long msg_receive(s32 id, uaddr_t msg, u64 size, s64 type, u32 flags)
{
	struct message *m = NULL;
	struct msg_queue *q;
	long ret = -EINVAL;

	if (id < 0 || (s64)size < 0)
		return -EINVAL;
	if ((flags & MSG_COPY_) &&
	    (!(flags & SYSV_NOWAIT) || (flags & MSG_EXCEPT_)))
		return -EINVAL;
	mutex_lock(&msg_table.lock);
	q = queue_of(sysv_find(&msg_table, id));
	if (q) {
		ref_get(&q->ref);
		ret = receive_locked(q, size, type, flags, &m);
		queue_put(q);
	}
	mutex_unlock(&msg_table.lock);
	if (ret)
		return ret;
	size = MIN(size, m->size);
	ret = (long)size;
	if (user_store_u64(msg, (u64)m->type) ||
	    user_copy_out(msg + 8, m->data, size))
		ret = -EFAULT;
	kfree(m);
	return ret;
}

/* --- msgctl
 * -------------------------------------------------------------------------- */

static void queue_stat(const struct msg_queue *q, struct linux_msqid_ds *ds)
{
	*ds = (struct linux_msqid_ds){
		.stime = q->stime,
		.rtime = q->rtime,
		.ctime = q->ctime,
		.cbytes = q->nbytes,
		.qnum = q->nmessages,
		.qbytes = q->max_bytes,
		.lspid = q->lspid,
		.lrpid = q->lrpid,
	};
	sysv_perm_out(&q->sysv, &ds->perm);
}

static long control_stat(s32 id, int cmd, uaddr_t buf)
{
	struct linux_msqid_ds ds;
	struct sysv_object *o;
	long ret = -EINVAL;

	mutex_lock(&msg_table.lock);
	o = cmd == SYSV_STAT ? sysv_find(&msg_table, id)
			     : sysv_at(&msg_table, id);
	if (o)
		ret = cmd == MSG_STAT_ANY_ ? 0 : sysv_permission(o, SYSV_READ);
	if (!ret) {
		queue_stat(queue_of(o), &ds);
		ret = cmd == SYSV_STAT ? 0 : o->id;
	}
	mutex_unlock(&msg_table.lock);
	if (ret >= 0 && user_put(buf, &ds))
		ret = -EFAULT;
	return ret;
}

static long control_info(int cmd, uaddr_t buf)
{
	struct linux_msginfo info = { .msgpool = MSG_MNI * MSG_MNB / 1024,
				      .msgmap = MSG_MNB,
				      .msgmax = MSG_MAX,
				      .msgmnb = MSG_MNB,
				      .msgmni = MSG_MNI,
				      .msgssz = 16,
				      .msgtql = MSG_MNB,
				      .msgseg = 0xffff };
	u64 nmessages = 0, nbytes = 0;
	long highest;

	mutex_lock(&msg_table.lock);
	highest = sysv_highest(&msg_table);
	for (s32 i = 0; i <= highest; i++) {
		struct msg_queue *q = queue_of(sysv_at(&msg_table, i));

		nmessages += q ? q->nmessages : 0;
		nbytes += q ? q->nbytes : 0;
	}
	if (cmd == MSG_INFO_) {
		info.msgpool = (s32)msg_table.used;
		info.msgmap = (s32)nmessages;
		info.msgtql = (s32)nbytes;
	}
	mutex_unlock(&msg_table.lock);
	return user_put(buf, &info) ? -EFAULT : highest;
}

static long change_locked(struct msg_queue *q, int cmd,
			  const struct linux_msqid_ds *ds)
{
	int err = sysv_owner(&q->sysv);

	if (err)
		return err;
	if (cmd == SYSV_RMID) {
		sysv_remove(&msg_table, &q->sysv);
		q->is_removed = true;
		waitq_wake(&q->senders);
		waitq_wake(&q->receivers);
		queue_put(q);
		return 0;
	}
	if (ds->qbytes > MSG_MNB && !cred_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	err = sysv_perm_set(&q->sysv, &ds->perm);
	if (err)
		return err;
	q->max_bytes = ds->qbytes;
	q->ctime = sysv_now();
	waitq_wake(&q->senders);
	return 0;
}

long msg_control(s32 id, int cmd, uaddr_t buf)
{
	struct linux_msqid_ds ds;
	struct msg_queue *q;
	long ret = -EINVAL;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case SYSV_STAT:
	case MSG_STAT_:
	case MSG_STAT_ANY_:
		return control_stat(id, cmd, buf);
	case SYSV_INFO:
	case MSG_INFO_:
		return control_info(cmd, buf);
	case SYSV_RMID:
	case SYSV_SET:
		break;
	default:
		return syscall_unsupported("msgctl", (u64)cmd, EINVAL);
	}
	if (cmd == SYSV_SET && user_get(&ds, buf))
		return -EFAULT;
	mutex_lock(&msg_table.lock);
	q = queue_of(sysv_find(&msg_table, id));
	if (q)
		ret = change_locked(q, cmd, &ds);
	mutex_unlock(&msg_table.lock);
	return ret;
}

void msg_show(struct fmt_buf *out)
{
	fmt_buf_add(out, "       key      msqid perms      cbytes       qnum "
			 "lspid lrpid   uid   gid  cuid  cgid      stime      "
			 "rtime      ctime\n");
	mutex_lock(&msg_table.lock);
	for (s32 i = 0; (u32)i < msg_table.nslots; i++) {
		struct msg_queue *q = queue_of(sysv_at(&msg_table, i));

		if (!q)
			continue;
		fmt_buf_add(out,
			    "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u "
			    "%5u %10lu %10lu %10lu\n",
			    q->sysv.key, q->sysv.id, q->sysv.mode, q->nbytes,
			    q->nmessages, (u32)q->lspid, (u32)q->lrpid,
			    q->sysv.uid, q->sysv.gid, q->sysv.cuid,
			    q->sysv.cgid, (u64)q->stime, (u64)q->rtime,
			    (u64)q->ctime);
	}
	mutex_unlock(&msg_table.lock);
}

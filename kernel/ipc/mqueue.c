/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues: messages in a tree by priority and age. Who waits is
 * served in turn: a message goes straight to the first receiver that waits, and
 * the room it leaves to the first sender. The filesystem is in mqueue_fs.c.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/mqueue_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/net/sock.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/inode.h"

#define MQ_HARD_MSG_MAX 65536
#define MQ_HARD_MSGSIZE_MAX (16 << 20)
/* What Linux charges for a message and for a priority beside the bytes. */
#define MQ_MSG_COST 48
#define MQ_PRIO_COST 48
#define LINUX_SI_MESGQ (-3)
#define MQ_COOKIE_WOKEN 1
#define MQ_COOKIE_REMOVED 2

struct mq_message {
	struct rb_node node;
	u64 seq;
	u32 prio;
	u32 size;
	u8 data[];
};

struct mq_wait { /* on the stack of who waits */
	struct list node;
	struct thread *thread;
	struct mq_message *msg; /* to send; or what was received */
	bool is_done;
};

/* Queues that exist: their number, and their bytes per owner. */
static struct {
	struct mutex lock;
	struct list all;
	u32 count;
} mqueues = { .all = LIST_INIT(mqueues.all) };

/* --- Queues -------------------------------------------------------------- */

static int check_attr(const struct linux_mq_attr *a)
{
	bool is_privileged = cred_capable(CAP_SYS_RESOURCE);

	if (a->maxmsg <= 0 || a->msgsize <= 0)
		return -EINVAL;
	if (a->maxmsg > (is_privileged ? MQ_HARD_MSG_MAX : MQ_MSG_MAX))
		return -EINVAL;
	if (a->msgsize > (is_privileged ? MQ_HARD_MSGSIZE_MAX : MQ_MSGSIZE_MAX))
		return -EINVAL;
	return 0;
}

/* Count q against its owner's RLIMIT_MSGQUEUE and the number of queues. */
static int mqueue_charge(struct mqueue *q)
{
	u64 prios = MIN(q->maxmsg, (u64)MQ_PRIO_MAX), sum = 0;
	struct mqueue *other;
	int err = 0;

	q->charged = q->maxmsg * q->msgsize + q->maxmsg * MQ_MSG_COST +
		     prios * MQ_PRIO_COST;
	mutex_lock(&mqueues.lock);
	list_for_each (other, &mqueues.all, node)
		sum += other->owner_uid == q->owner_uid ? other->charged : 0;
	if (mqueues.count >= MQ_QUEUES_MAX && !cred_capable(CAP_SYS_RESOURCE))
		err = -ENOSPC;
	else if (sum + q->charged > rlimit_current(RLIMIT_MSGQUEUE))
		err = -EMFILE;
	if (!err) {
		list_append(&mqueues.all, &q->node);
		mqueues.count++;
	}
	mutex_unlock(&mqueues.lock);
	return err;
}

int mqueue_create(const struct linux_mq_attr *attr, struct mqueue **out)
{
	struct mqueue *q;
	int err;

	err = attr ? check_attr(attr) : 0;
	if (err)
		return err;
	q = kzalloc(sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->maxmsg = attr ? (u64)attr->maxmsg : MQ_MSG_DEFAULT;
	q->msgsize = attr ? (u64)attr->msgsize : MQ_MSGSIZE_DEFAULT;
	q->owner_uid = cred_current()->uid;
	list_init(&q->waiters[MQ_SEND]);
	list_init(&q->waiters[MQ_RECEIVE]);
	waitq_init(&q->poll_wait);
	err = mqueue_charge(q);
	if (err) {
		kfree(q);
		return err;
	}
	*out = q;
	return 0;
}

static void message_free(struct mq_message *m)
{
	kfree(m);
}

void mqueue_destroy(struct mqueue *q)
{
	struct rb_node *n;

	mutex_lock(&mqueues.lock);
	list_del(&q->node);
	mqueues.count--;
	mutex_unlock(&mqueues.lock);
	while ((n = rb_first(&q->messages))) {
		rb_erase(&q->messages, n);
		message_free(rb_entry(n, struct mq_message, node));
	}
	kassert(!q->notice.owner);
	kfree(q);
}

/* Is a to be received before b? */
static bool comes_before(const struct mq_message *a, const struct mq_message *b)
{
	return a->prio != b->prio ? a->prio > b->prio : a->seq < b->seq;
}

static void insert(struct mqueue *q, struct mq_message *m)
{
	struct rb_node **link = &q->messages.node, *parent = NULL;

	m->seq = q->next_seq++;
	while (*link) {
		parent = *link;
		link = comes_before(m,
				    rb_entry(parent, struct mq_message, node))
			       ? &parent->left
			       : &parent->right;
	}
	rb_insert(&q->messages, &m->node, parent, link);
	q->curmsgs++;
	q->bytes += m->size;
}

static struct mq_message *take_first(struct mqueue *q)
{
	struct rb_node *n = rb_first(&q->messages);
	struct mq_message *m = rb_entry(n, struct mq_message, node);

	rb_erase(&q->messages, n);
	q->curmsgs--;
	q->bytes -= m->size;
	return m;
}

/* --- Waiting; lock held -------------------------------------------------- */

static struct mq_wait *first_waiter(struct mqueue *q, enum mq_side side)
{
	struct list *l = &q->waiters[side];

	return list_empty(l) ? NULL : list_entry(l->next, struct mq_wait, node);
}

/* w has what it waited for; it looks only once it has the lock. */
static void serve(struct mq_wait *w)
{
	list_del(&w->node);
	w->is_done = true;
	thread_unpark(w->thread);
}

/* Wait in turn, the urgent (by nice value) before the others. */
static int wait_turn(struct mqueue *q, enum mq_side side, struct mq_wait *w,
		     nsec_t deadline)
{
	struct list *at = q->waiters[side].prev;
	int err;

	w->thread = current();
	w->is_done = false;
	while (at != &q->waiters[side] &&
	       list_entry(at, struct mq_wait, node)->thread->nice >
		       w->thread->nice)
		at = at->prev;
	list_push(at, &w->node);
	for (;;) {
		mutex_unlock(&q->lock);
		err = thread_sleep(deadline, true);
		mutex_lock(&q->lock);
		if (w->is_done)
			return 0;
		if (err) {
			list_del(&w->node);
			return err == -EINTR ? -ERESTARTSYS : err;
		}
	}
}

/* --- Notification -------------------------------------------------------- */

static void notice_drop(struct mq_notice *n)
{
	if (n->sock)
		sock_put(n->sock);
	process_put(n->owner);
}

static void notice_cookie(struct mq_notice *n, u8 what)
{
	n->cookie[MQ_COOKIE_LEN - 1] = what;
	netlink_deliver(n->sock, n->cookie, MQ_COOKIE_LEN);
}

/* A message has come: tell the one who asked, once. No lock held. */
static void notice_send(struct mq_notice *n)
{
	struct linux_siginfo info;

	if (!n->owner)
		return;
	if (n->how == NOTIFY_SIGNAL && n->signo) {
		siginfo_user(&info, n->signo);
		info.si_code = LINUX_SI_MESGQ;
		info.u.rt.value = n->value;
		(void)signal_send_process(n->owner, n->signo, &info);
	} else if (n->how == NOTIFY_THREAD) {
		notice_cookie(n, MQ_COOKIE_WOKEN);
	}
	notice_drop(n);
}

static void notice_take(struct mqueue *q, struct mq_notice *n)
{
	*n = q->notice;
	memset(&q->notice, 0, sizeof(q->notice));
}

void mqueue_forget(struct mqueue *q, struct process *p)
{
	struct mq_notice n = { .owner = NULL };

	mutex_lock(&q->lock);
	if (q->notice.owner == p)
		notice_take(q, &n);
	mutex_unlock(&q->lock);
	if (!n.owner)
		return;
	if (n.how == NOTIFY_THREAD)
		notice_cookie(&n, MQ_COOKIE_REMOVED);
	notice_drop(&n);
}

static int notice_fill(struct mq_notice *n, const struct linux_sigevent *ev,
		       struct file *sock, const u8 *cookie)
{
	memset(n, 0, sizeof(*n));
	n->how = ev->notify;
	if (ev->notify == NOTIFY_SIGNAL) {
		n->signo = ev->signo;
		n->value = ev->value;
	}
	if (ev->notify != NOTIFY_THREAD)
		return 0;
	n->sock = sock_from_file(sock);
	if (!n->sock)
		return -ENOTSOCK;
	if (n->sock->domain != AF_NETLINK)
		return -EINVAL;
	memcpy(n->cookie, cookie, MQ_COOKIE_LEN);
	return 0;
}

int mqueue_notify(struct file *f, const struct linux_sigevent *ev,
		  struct file *sock, const u8 cookie[MQ_COOKIE_LEN])
{
	struct mqueue *q = mqueue_of(f);
	struct mq_notice n;
	int err;

	if (!q)
		return -EBADF;
	if (!ev) {
		mqueue_forget(q, process_current());
		return 0;
	}
	err = notice_fill(&n, ev, sock, cookie);
	if (err)
		return err;
	mutex_lock(&q->lock);
	if (q->notice.owner) {
		err = -EBUSY;
	} else {
		n.owner = process_current();
		process_get(n.owner);
		if (n.sock)
			sock_get(n.sock);
		q->notice = n;
		inode_touch(f->inode, ATTR_ATIME | ATTR_CTIME);
	}
	mutex_unlock(&q->lock);
	return err;
}

/* --- Messages ------------------------------------------------------------ */

static int message_new(uaddr_t at, u64 len, u32 prio, struct mq_message **out)
{
	struct mq_message *m = kmalloc(sizeof(*m) + len);

	if (!m)
		return -ENOMEM;
	m->prio = prio;
	m->size = (u32)len;
	if (user_copy_in(m->data, at, len)) {
		kfree(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

/* Lock held; m is the queue's or a receiver's after success. */
static int send_locked(struct file *f, struct mqueue *q, struct mq_message *m,
		       nsec_t deadline, struct mq_notice *notice)
{
	struct mq_wait w = { .msg = m }, *receiver;

	if (q->curmsgs == q->maxmsg) {
		if (atomic_load(&f->flags) & O_NONBLOCK)
			return -EAGAIN;
		return wait_turn(q, MQ_SEND, &w, deadline);
	}
	inode_touch(f->inode, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
	receiver = first_waiter(q, MQ_RECEIVE);
	if (receiver) {
		receiver->msg = m;
		serve(receiver);
		return 0;
	}
	insert(q, m);
	if (q->curmsgs == 1)
		notice_take(q, notice);
	return 0;
}

int mqueue_send(struct file *f, uaddr_t msg, u64 len, u32 prio, nsec_t deadline)
{
	struct mq_notice notice = { .owner = NULL };
	struct mqueue *q = mqueue_of(f);
	struct mq_message *m;
	int err;

	kassert(prio < MQ_PRIO_MAX);
	if (!q || !f->can_write)
		return -EBADF;
	if (len > q->msgsize)
		return -EMSGSIZE;
	err = message_new(msg, len, prio, &m);
	if (err)
		return err;
	mutex_lock(&q->lock);
	err = send_locked(f, q, m, deadline, &notice);
	mutex_unlock(&q->lock);
	if (err) {
		message_free(m);
		return err;
	}
	notice_send(&notice);
	waitq_wake_events(&q->poll_wait, EV_IN | EV_RDNORM, ~0U);
	return 0;
}

/* Lock held: the message to receive. */
static int receive_locked(struct file *f, struct mqueue *q, nsec_t deadline,
			  struct mq_message **m)
{
	struct mq_wait w = { .msg = NULL }, *sender;
	int err;

	if (q->curmsgs == 0) {
		if (atomic_load(&f->flags) & O_NONBLOCK)
			return -EAGAIN;
		err = wait_turn(q, MQ_RECEIVE, &w, deadline);
		*m = w.msg;
		return err;
	}
	*m = take_first(q);
	inode_touch(f->inode, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
	sender = first_waiter(q, MQ_SEND);
	if (sender) {
		insert(q, sender->msg);
		serve(sender);
	}
	return 0;
}

s64 mqueue_receive(struct file *f, uaddr_t msg, u64 len, u32 *prio,
		   nsec_t deadline)
{
	struct mqueue *q = mqueue_of(f);
	struct mq_message *m;
	s64 n;

	if (!q || !f->can_read)
		return -EBADF;
	if (len < q->msgsize)
		return -EMSGSIZE;
	mutex_lock(&q->lock);
	n = receive_locked(f, q, deadline, &m);
	mutex_unlock(&q->lock);
	if (n)
		return n;
	waitq_wake_events(&q->poll_wait, EV_OUT | EV_WRNORM, ~0U);
	n = user_copy_out(msg, m->data, m->size) ? -EFAULT : (s64)m->size;
	*prio = m->prio;
	message_free(m);
	return n;
}

int mqueue_attr(struct file *f, const struct linux_mq_attr *new,
		struct linux_mq_attr *old)
{
	struct mqueue *q = mqueue_of(f);

	if (new && (new->flags & ~(s64)O_NONBLOCK))
		return -EINVAL;
	if (!q)
		return -EBADF;
	mutex_lock(&q->lock);
	if (old) {
		memset(old, 0, sizeof(*old));
		old->flags = atomic_load(&f->flags) & O_NONBLOCK;
		old->maxmsg = (s64)q->maxmsg;
		old->msgsize = (s64)q->msgsize;
		old->curmsgs = (s64)q->curmsgs;
	}
	if (new && (new->flags &O_NONBLOCK))
		atomic_fetch_or(&f->flags, (u32)O_NONBLOCK);
	else if (new)
		atomic_fetch_and(&f->flags, ~(u32)O_NONBLOCK);
	if (new)
		inode_touch(f->inode, ATTR_ATIME | ATTR_CTIME);
	mutex_unlock(&q->lock);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals. A pair is one object: the slave is a tty, the master the
 * other end of its two directions. What the slave's programs write goes
 * through output processing into the tty's ring, from which the master reads;
 * what the master writes is the line's input.
 */
#include "kernel/dev/pty.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/dev/chrdev.h"
#include "kernel/dev/tty.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/cred.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

struct pty {
	struct tty tty; /* the slave; its reference count is the pair's */
	struct waitq master_wait;
	bool is_locked;	    /* TIOCSPTLCK: the slave cannot be opened yet */
	bool was_opened;    /* the slave, once */
	u32 uid, gid, mode; /* of the slave's node, under ptys.lock */
};

static struct {
	struct mutex lock;
	struct pty *by_index[PTY_MAX]; /* from master's open to its close */
} ptys;

static struct pty *pty_of(struct tty *t)
{
	return container_of(t, struct pty, tty);
}

/* --- What the tty asks of its line
 * ---------------------------------------------- */

static void pty_drain(struct tty *t, UNUSED bool may_block)
{
	waitq_wake_events(&pty_of(t)->master_wait,
			  EV_IN | EV_RDNORM |
				  (atomic_load(&t->packet_events) ? EV_PRI : 0),
			  ~0U);
}

static void pty_unthrottle(struct tty *t)
{
	waitq_wake_events(&pty_of(t)->master_wait, EV_OUT | EV_WRNORM, ~0U);
}

static void pty_slave_closed(struct tty *t)
{
	waitq_wake(&pty_of(t)->master_wait);
}

static void pty_free(struct tty *t)
{
	kfree(pty_of(t));
}

static const struct tty_ops pty_tty_ops = {
	.name = "pts",
	.drain = pty_drain,
	.unthrottle = pty_unthrottle,
	.closed = pty_slave_closed,
	.free = pty_free,
};

/* --- The master
 * ------------------------------------------------------------------ */

static bool is_slave_gone(struct pty *p)
{
	return atomic_load(&p->was_opened) && atomic_load(&p->tty.nopen) == 0;
}

static s64 master_read_some(struct pty *p, struct uio *u)
{
	u8 buf[512];
	s64 total = 0;

	while (u->left > 0) {
		size_t n = tty_output_take(&p->tty, buf,
					   MIN(u->left, sizeof(buf)));
		s64 put;

		if (n == 0)
			break;
		put = uio_put(u, buf, n);
		if (put < 0)
			return total ? total : put;
		total += put;
	}
	return total;
}

/* In packet mode each read gives events, or a zero and data. */
static s64 master_read_packet(struct pty *p, struct uio *u)
{
	u8 head;
	s64 n;

	mutex_lock(&p->tty.lock);
	head = (u8)p->tty.packet_events;
	p->tty.packet_events = 0;
	mutex_unlock(&p->tty.lock);
	if (!head && !tty_has_output(&p->tty))
		return 0;
	n = uio_put(u, &head, 1);
	if (n < 0 || head || u->left == 0)
		return n;
	n = master_read_some(p, u);
	return n < 0 ? n : n + 1;
}

static s64 master_read(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	struct pty *p = f->data;
	struct waiter w;
	s64 n;

	if (u->left == 0)
		return 0;
	waiter_init(&w);
	waitq_add(&p->master_wait, &w);
	for (;;) {
		bool is_gone = is_slave_gone(p);

		n = p->tty.is_packet ? master_read_packet(p, u)
				     : master_read_some(p, u);
		if (n != 0)
			break;
		n = is_gone ? -EIO : (f->flags & O_NONBLOCK) ? -EAGAIN : 0;
		if (n == 0 && thread_sleep(NSEC_MAX, true) == -EINTR)
			n = -ERESTARTSYS;
		if (n < 0)
			break;
	}
	waitq_remove(&w);
	return n;
}

/* Bytes of u that the line discipline took, or -EFAULT. */
static s64 master_write_some(struct pty *p, struct uio *u)
{
	u8 buf[512];
	size_t taken;
	s64 n = uio_get(u, buf, MIN(u->left, sizeof(buf)));

	if (n <= 0)
		return n;
	taken = tty_input(&p->tty, buf, (size_t)n);
	if (taken < (size_t)n)
		uio_revert(u, (u64)n - taken);
	return (s64)taken;
}

static s64 master_write(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	struct pty *p = f->data;
	s64 n, total = 0;
	struct waiter w;

	waiter_init(&w);
	waitq_add(&p->master_wait, &w);
	while (u->left > 0) {
		if (is_slave_gone(p))
			n = -EIO;
		else
			n = master_write_some(p, u);
		if (n > 0) {
			total += n;
			continue;
		}
		if (n == 0 && (f->flags & O_NONBLOCK))
			n = -EAGAIN;
		if (n == 0 && thread_sleep(NSEC_MAX, true) == -EINTR)
			n = -ERESTARTSYS;
		if (n < 0) {
			total = total ? total : n;
			break;
		}
	}
	waitq_remove(&w);
	return total;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->data;
	u32 events = 0;

	poll_wait(pt, &p->master_wait);
	if (tty_has_output(&p->tty))
		events |= EV_IN | EV_RDNORM;
	mutex_lock(&p->tty.lock);
	if (p->tty.packet_events)
		events |= EV_PRI | EV_IN | EV_RDNORM;
	if (ldisc_has_room(&p->tty.ldisc))
		events |= EV_OUT | EV_WRNORM;
	mutex_unlock(&p->tty.lock);
	if (is_slave_gone(p))
		events |= EV_HUP;
	return events;
}

static long set_lock(struct pty *p, uaddr_t arg)
{
	u32 value;
	int err = user_load_u32(&value, arg);

	if (!err)
		atomic_store(&p->is_locked, value != 0);
	return err;
}

/* A descriptor of the slave, without going by a name the program chose. */
static long open_peer(struct pty *p, u32 flags)
{
	char name[24];
	struct file *f;
	int err;

	fmt_format(name, sizeof(name), "/dev/pts/%u", p->tty.index);
	err = path_open(AT_FDCWD, name, flags & ~(u32)O_CLOEXEC, 0, 0, &f);
	if (err)
		return err;
	return fd_install(f, 0, (flags & O_CLOEXEC) != 0);
}

static long signal_slave(struct pty *p, uaddr_t sig)
{
	if (sig != LINUX_SIGINT && sig != LINUX_SIGQUIT && sig != LINUX_SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(&p->tty, (int)sig);
	return 0;
}

static long set_packet(struct tty *t, uaddr_t arg)
{
	u32 on;

	if (user_load_u32(&on, arg))
		return -EFAULT;
	mutex_lock(&t->lock);
	if (!t->is_packet)
		t->packet_events = 0;
	t->is_packet = on != 0;
	if (!on)
		t->packet_events = 0;
	mutex_unlock(&t->lock);
	return 0;
}

static long master_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct pty *p = f->data;
	struct tty *t = &p->tty;
	u32 count;
	long ret;

	switch (cmd) {
	case TIOCGPTN:
		return user_store_u32(arg, t->index);
	case TIOCSPTLCK:
		return set_lock(p, arg);
	case TIOCGPTLCK:
		return user_store_u32(arg, p->is_locked);
	case TIOCGPTPEER:
		return open_peer(p, (u32)arg);
	case TIOCPKT:
		return set_packet(t, arg);
	case TIOCGPKT:
		return user_store_u32(arg, t->is_packet);
	case TIOCSIG:
		return signal_slave(p, arg);
	case TIOCINQ:
		mutex_lock(&t->lock);
		count = t->out_head - t->out_tail;
		mutex_unlock(&t->lock);
		return user_store_u32(arg, count);
	case TIOCOUTQ:
		return user_store_u32(arg, 0);
	default:
		break;
	}
	ret = tty_ioctl_common(t, f, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = tty_ioctl_job(t, f, cmd, arg, true);
	if (ret == -ENOIOCTLCMD)
		ret = syscall_unsupported("ioctl of ptmx", cmd, ENOTTY);
	return ret;
}

void pty_end(struct tty *t)
{
	mutex_lock(&ptys.lock);
	ptys.by_index[t->index] = NULL;
	mutex_unlock(&ptys.lock);
	tty_hangup(t);
	tty_put(t);
}

static void master_release(struct file *f)
{
	struct pty *p = f->data;

	pty_end(&p->tty);
}

static void master_show(struct file *f, struct fmt_buf *out)
{
	struct pty *p = f->data;

	fmt_buf_add(out, "tty-index:\t%u\n", p->tty.index);
}

static const struct file_ops master_fops = {
	.name = "ptmx",
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.release = master_release,
	.show_fdinfo = master_show,
};

/* --- Opening
 * --------------------------------------------------------------------- */

static int pty_link(struct pty *p)
{
	int err = -ENOSPC;

	mutex_lock(&ptys.lock);
	for (u32 i = 0; i < PTY_MAX; i++) {
		if (ptys.by_index[i])
			continue;
		p->tty.index = i;
		p->tty.rdev = RDEV(MAJOR_PTS, i);
		ptys.by_index[i] = p;
		err = 0;
		break;
	}
	mutex_unlock(&ptys.lock);
	return err;
}

static int pty_make(struct pty **pty)
{
	const struct cred *c = cred_current();
	struct pty *p = kzalloc(sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	tty_init(&p->tty, &pty_tty_ops, 0);
	waitq_init(&p->master_wait);
	p->is_locked = true;
	p->uid = c->fsuid;
	p->gid = PTY_GID;
	p->mode = PTY_MODE;
	err = pty_link(p);
	if (err)
		kfree(p);
	else
		*pty = p;
	return err;
}

int pty_open_master(struct file *f)
{
	struct pty *p;
	int err = pty_make(&p);

	if (err)
		return err;
	f->ops = &master_fops;
	f->data = p;
	return 0;
}

struct tty *pty_new(struct waitq **wait)
{
	struct pty *p;

	if (pty_make(&p))
		return NULL;
	p->is_locked = false;
	*wait = &p->master_wait;
	return &p->tty;
}

int pty_open_slave(struct file *f)
{
	u32 index = RDEV_MINOR(f->inode->rdev);
	struct pty *p = NULL;
	int err;

	mutex_lock(&ptys.lock);
	if (index < PTY_MAX)
		p = ptys.by_index[index];
	if (p)
		tty_get(&p->tty);
	mutex_unlock(&ptys.lock);
	if (!p)
		return -EIO;
	err = atomic_load(&p->is_locked) ? -EIO : tty_open(&p->tty, f);
	if (!err)
		atomic_store(&p->was_opened, true);
	tty_put(&p->tty);
	return err;
}

/* --- For devpts
 * -------------------------------------------------------------------- */

bool pty_find(u32 index, struct pty_info *info)
{
	struct pty *p = NULL;

	mutex_lock(&ptys.lock);
	if (index < PTY_MAX)
		p = ptys.by_index[index];
	if (p) {
		info->index = index;
		info->uid = p->uid;
		info->gid = p->gid;
		info->mode = p->mode;
	}
	mutex_unlock(&ptys.lock);
	return p != NULL;
}

int pty_next(u32 index)
{
	int found = -1;

	mutex_lock(&ptys.lock);
	for (; index < PTY_MAX && found < 0; index++)
		if (ptys.by_index[index])
			found = (int)index;
	mutex_unlock(&ptys.lock);
	return found;
}

void pty_set_owner(u32 index, u32 uid, u32 gid, u32 mode)
{
	mutex_lock(&ptys.lock);
	if (index < PTY_MAX && ptys.by_index[index]) {
		struct pty *p = ptys.by_index[index];

		p->uid = uid;
		p->gid = gid;
		p->mode = mode & 07777;
	}
	mutex_unlock(&ptys.lock);
}

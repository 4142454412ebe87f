/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queue calls.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/mqueue.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/signal.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

static long do_open(const char *name, u32 flags, u32 mode,
		    const struct linux_mq_attr *attr)
{
	int fd = fd_reserve(0, true), err;
	struct file *f;

	if (fd < 0)
		return fd;
	err = mqueue_open(name, flags, mode, attr, &f);
	if (err) {
		fd_unreserve(fd);
		return err;
	}
	fd_publish(fd, f);
	return fd;
}

SYSCALL4(mq_open, uaddr_t, name_at, u32, flags, u32, mode, uaddr_t, attr_at)
{
	struct linux_mq_attr attr;
	struct name_in name;
	long ret;

	if (attr_at && user_get(&attr, attr_at))
		return -EFAULT;
	ret = name_in_get(&name, name_at, 0);
	if (ret)
		return ret;
	ret = do_open(name.name, flags, mode, attr_at ? &attr : NULL);
	name_in_put(&name);
	return ret;
}

SYSCALL1(mq_unlink, uaddr_t, name_at)
{
	struct name_in name;
	long ret = name_in_get(&name, name_at, 0);

	if (ret)
		return ret;
	ret = mqueue_unlink(name.name);
	name_in_put(&name);
	return ret;
}

/* An absolute time on CLOCK_REALTIME, or none. */
static int deadline_in(nsec_t *deadline, uaddr_t timeout)
{
	nsec_t value;
	int err;

	*deadline = NSEC_MAX;
	if (!timeout)
		return 0;
	err = timespec_in(&value, timeout);
	if (err)
		return err;
	clock_wait_begin(CLOCK_REALTIME);
	*deadline = clock_deadline(CLOCK_REALTIME, value, true);
	return 0;
}

SYSCALL5(mq_timedsend, int, mq, uaddr_t, msg, u64, len, u32, prio, uaddr_t,
	 timeout)
{
	nsec_t deadline;
	struct fdref r;
	long ret = deadline_in(&deadline, timeout);

	if (ret)
		return ret;
	r = fd_get(mq);
	if (prio >= MQ_PRIO_MAX)
		ret = -EINVAL;
	else
		ret = r.file ? mqueue_send(r.file, msg, len, prio, deadline)
			     : -EBADF;
	fd_put(r);
	clock_wait_end();
	return ret;
}

SYSCALL5(mq_timedreceive, int, mq, uaddr_t, msg, u64, len, uaddr_t, prio_at,
	 uaddr_t, timeout)
{
	nsec_t deadline;
	struct fdref r;
	u32 prio;
	long ret = deadline_in(&deadline, timeout);

	if (ret)
		return ret;
	r = fd_get(mq);
	ret = r.file ? mqueue_receive(r.file, msg, len, &prio, deadline)
		     : -EBADF;
	fd_put(r);
	clock_wait_end();
	if (ret >= 0 && prio_at && user_store_u32(prio_at, prio))
		return -EFAULT;
	return ret;
}

static int check_event(const struct linux_sigevent *ev)
{
	switch (ev->notify) {
	case NOTIFY_NONE:
	case NOTIFY_THREAD:
		return 0;
	case NOTIFY_SIGNAL:
		return ev->signo >= 0 && ev->signo <= SIG_MAX ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* By thread: signo is a netlink socket, value the address of a cookie. */
static long notify_thread(struct file *f, const struct linux_sigevent *ev)
{
	u8 cookie[MQ_COOKIE_LEN];
	struct fdref sock;
	long ret;

	if (user_copy_in(cookie, ev->value.sival_ptr, sizeof(cookie)))
		return -EFAULT;
	sock = fd_get(ev->signo);
	ret = sock.file && f ? mqueue_notify(f, ev, sock.file, cookie) : -EBADF;
	fd_put(sock);
	return ret;
}

SYSCALL2(mq_notify, int, mq, uaddr_t, event)
{
	struct linux_sigevent ev;
	struct fdref r;
	long ret;

	if (event && user_get(&ev, event))
		return -EFAULT;
	ret = event ? check_event(&ev) : 0;
	if (ret)
		return ret;
	r = fd_get(mq);
	if (event && ev.notify == NOTIFY_THREAD)
		ret = notify_thread(r.file, &ev);
	else if (r.file)
		ret = mqueue_notify(r.file, event ? &ev : NULL, NULL, NULL);
	else
		ret = -EBADF;
	fd_put(r);
	return ret;
}

SYSCALL3(mq_getsetattr, int, mq, uaddr_t, new_at, uaddr_t, old_at)
{
	struct linux_mq_attr new, old;
	struct fdref r;
	long ret;

	if (new_at && user_get(&new, new_at))
		return -EFAULT;
	r = fd_get(mq);
	/* Bad flags are found before a bad descriptor. */
	if (new_at && (new.flags & ~(s64)O_NONBLOCK))
		ret = -EINVAL;
	else
		ret = r.file ? mqueue_attr(r.file, new_at ? &new : NULL, &old)
			     : -EBADF;
	fd_put(r);
	if (!ret && old_at && user_put(old_at, &old))
		return -EFAULT;
	return ret;
}

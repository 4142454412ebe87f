/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll_*, eventfd, timerfd_*, signalfd.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/epoll.h"
#include "kernel/ipc/event.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/time.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define EPOLL_FAST 32	/* events without allocation */
#define EPOLL_BATCH 512 /* and at first; more if so many are ready */

/* Give a new file a descriptor. The file's reference is taken over. */
static long install(int err, struct file *f, bool cloexec)
{
	if (err)
		return err;
	return fd_install(f, 0, cloexec);
}

/* --- epoll --------------------------------------------------------------- */

SYSCALL1(epoll_create1, u32, flags)
{
	struct file *f;
	int err;

	if (flags & ~(u32)O_CLOEXEC)
		return -EINVAL;
	err = epoll_new(&f);
	return install(err, f, flags & O_CLOEXEC);
}

SYSCALL1(epoll_create, s32, size)
{
	struct file *f;
	int err;

	if (size <= 0)
		return -EINVAL;
	err = epoll_new(&f);
	return install(err, f, false);
}

static long control(struct file *set, struct file *f, s32 op, s32 fd,
		    const struct linux_epoll_event *ev)
{
	if (!set || !f)
		return -EBADF;
	if (inode_is(f->inode, TYPE_REG) || inode_is(f->inode, TYPE_DIR))
		if (!f->ops->poll)
			return -EPERM;
	if (set == f || !file_is_epoll(set))
		return -EINVAL;
	return epoll_control(set, op, fd, f, ev);
}

SYSCALL4(epoll_ctl, s32, epfd, s32, op, s32, fd, uaddr_t, event)
{
	struct linux_epoll_event ev = { 0, 0 };
	struct fdref set, f;
	long ret;

	if (op != EPOLL_CTL_DEL && user_get(&ev, event))
		return -EFAULT;
	set = fd_get(epfd);
	f = fd_get(fd);
	ret = control(set.file, f.file, op, fd, &ev);
	fd_put(f);
	fd_put(set);
	return ret;
}

/* Room for up to max events in place of o's. */
static bool grow_output(struct epoll_output *o, s32 max)
{
	struct linux_epoll_event *more;

	max = MIN(max, o->max * 4);
	more = kmalloc((size_t)max * sizeof(*more));
	if (!more)
		return false;
	memcpy(more, o->events, (size_t)o->n * sizeof(*more));
	kfree(o->events);
	o->events = more;
	o->max = max;
	return true;
}

static long wait_events(struct file *set, uaddr_t events, s32 max,
			nsec_t deadline)
{
	struct linux_epoll_event fast[EPOLL_FAST];
	struct epoll_output o = { .events = fast };
	long n;

	o.max = MIN(max, EPOLL_BATCH);
	if (o.max > EPOLL_FAST) {
		o.events = kmalloc((size_t)o.max * sizeof(fast[0]));
		if (!o.events) {
			o.events = fast;
			o.max = max = EPOLL_FAST;
		}
	}
	n = epoll_collect(set, &o, deadline);
	while (n == o.max && n < max && grow_output(&o, max)) {
		epoll_collect_more(set, &o);
		n = o.n;
	}
	if (n > 0 &&
	    user_copy_out(events, o.events, (size_t)n * sizeof(fast[0])))
		n = -EFAULT;
	if (o.events != fast)
		kfree(o.events);
	return n;
}

static long do_epoll_wait(s32 epfd, uaddr_t events, s32 max, nsec_t deadline)
{
	struct fdref set;
	long ret;

	if (max <= 0 ||
	    max > (s32)(INT32_MAX / sizeof(struct linux_epoll_event)))
		return -EINVAL;
	if (!user_range_ok(events, (u64)max * sizeof(struct linux_epoll_event)))
		return -EFAULT;
	set = fd_get(epfd);
	if (!set.file)
		return -EBADF;
	ret = file_is_epoll(set.file)
		      ? wait_events(set.file, events, max, deadline)
		      : -EINVAL;
	fd_put(set);
	return ret;
}

static nsec_t deadline_ms(s32 ms)
{
	if (ms < 0)
		return NSEC_MAX;
	return ms ? plat_clock(PLAT_MONOTONIC) + ms * NSEC_PER_MSEC : 0;
}

SYSCALL4(epoll_wait, s32, epfd, uaddr_t, events, s32, max, s32, timeout_ms)
{
	return do_epoll_wait(epfd, events, max, deadline_ms(timeout_ms));
}

static long masked_wait(s32 epfd, uaddr_t events, s32 max, nsec_t deadline,
			uaddr_t set, u64 size)
{
	u64 mask;
	long ret;

	if (!set)
		return do_epoll_wait(epfd, events, max, deadline);
	ret = signal_read_mask(&mask, set, size);
	if (ret)
		return ret;
	signal_mask_begin(mask);
	ret = do_epoll_wait(epfd, events, max, deadline);
	signal_mask_end(ret == -EINTR);
	return ret;
}

SYSCALL6(epoll_pwait, s32, epfd, uaddr_t, events, s32, max, s32, timeout_ms,
	 uaddr_t, set, u64, size)
{
	return masked_wait(epfd, events, max, deadline_ms(timeout_ms), set,
			   size);
}

SYSCALL6(epoll_pwait2, s32, epfd, uaddr_t, events, s32, max, uaddr_t, timeout,
	 uaddr_t, set, u64, size)
{
	struct linux_timespec ts;
	nsec_t deadline = NSEC_MAX, ns;

	if (timeout) {
		if (user_get(&ts, timeout))
			return -EFAULT;
		if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
			return -EINVAL;
		if (ts.sec == 0 && ts.nsec == 0)
			deadline = 0;
		else if (!ckd_mul(&ns, ts.sec, NSEC_PER_SEC) &&
			 !ckd_add(&ns, ns, ts.nsec) &&
			 !ckd_add(&ns, ns, plat_clock(PLAT_MONOTONIC)))
			deadline = ns;
	}
	return masked_wait(epfd, events, max, deadline, set, size);
}

/* --- eventfd ------------------------------------------------------------- */

#define EFD_SEMAPHORE 1

SYSCALL2(eventfd2, u32, initial, u32, flags)
{
	struct file *f;
	int err;

	if (flags & ~(u32)(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = eventfd_new(initial, flags & EFD_SEMAPHORE, flags & O_NONBLOCK,
			  &f);
	return install(err, f, flags & O_CLOEXEC);
}

SYSCALL1(eventfd, u32, initial)
{
	struct file *f;
	int err = eventfd_new(initial, false, 0, &f);

	return install(err, f, false);
}

/* --- timerfd ------------------------------------------------------------- */

#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2

SYSCALL2(timerfd_create, s32, clock, u32, flags)
{
	struct file *f;
	int err;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC &&
	    clock != CLOCK_BOOTTIME && clock != CLOCK_REALTIME_ALARM &&
	    clock != CLOCK_BOOTTIME_ALARM)
		return -EINVAL;
	err = timerfd_new(clock, flags & O_NONBLOCK, &f);
	return install(err, f, flags & O_CLOEXEC);
}

static int nsec_from(const struct linux_timespec *ts, nsec_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (ckd_mul(ns, ts->sec, NSEC_PER_SEC) || ckd_add(ns, *ns, ts->nsec))
		*ns = NSEC_MAX;
	return 0;
}

static void nsec_to(nsec_t ns, struct linux_timespec *ts)
{
	ts->sec = ns / NSEC_PER_SEC;
	ts->nsec = ns % NSEC_PER_SEC;
}

static int spec_out(uaddr_t addr, const struct timerfd_spec *s)
{
	struct linux_itimerspec its;

	nsec_to(s->interval, &its.interval);
	nsec_to(s->value, &its.value);
	return user_put(addr, &its);
}

SYSCALL4(timerfd_settime, s32, fd, u32, flags, uaddr_t, new, uaddr_t, old)
{
	struct timerfd_spec spec, was;
	struct linux_itimerspec its;
	struct fdref r;
	long ret;

	if (flags & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (user_get(&its, new))
		return -EFAULT;
	if (nsec_from(&its.interval, &spec.interval) ||
	    nsec_from(&its.value, &spec.value))
		return -EINVAL;
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	ret = timerfd_set(r.file, flags & TFD_TIMER_ABSTIME, &spec, &was);
	fd_put(r);
	if (!ret && old)
		ret = spec_out(old, &was);
	return ret;
}

SYSCALL2(timerfd_gettime, s32, fd, uaddr_t, cur)
{
	struct timerfd_spec now;
	struct fdref r = fd_get(fd);
	long ret;

	if (!r.file)
		return -EBADF;
	ret = timerfd_get(r.file, &now);
	fd_put(r);
	return ret ? ret : spec_out(cur, &now);
}

/* --- signalfd ------------------------------------------------------------ */

static long do_signalfd(s32 fd, uaddr_t set, u64 size, u32 flags)
{
	struct fdref r;
	struct file *f;
	u64 mask;
	long err;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = signal_read_mask(&mask, set, size);
	if (err)
		return err;
	if (fd == -1) {
		err = signalfd_new(mask, flags & O_NONBLOCK, &f);
		return install((int)err, f, flags & O_CLOEXEC);
	}
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	err = signalfd_set(r.file, mask);
	fd_put(r);
	return err ? err : fd;
}

SYSCALL4(signalfd4, s32, fd, uaddr_t, set, u64, size, u32, flags)
{
	return do_signalfd(fd, set, size, flags);
}

SYSCALL3(signalfd, s32, fd, uaddr_t, set, u64, size)
{
	return do_signalfd(fd, set, size, 0);
}

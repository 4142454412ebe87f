/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input and output. Without a terminal each of descriptors 0-2 is a
 * "host file" over an outside descriptor, which may be anything (pipe, file,
 * socket) and is never set non-blocking, since others outside share it. When
 * the last file over it is closed, so is the descriptor: the other end learns
 * of it as from any program. With one, they are the console tty; a kernel
 * thread feeds it input so that ^C works while nobody reads.
 */
#include "kernel/dev/console.h"

#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/dev/chrdev.h"
#include "kernel/dev/hostfile.h"
#include "kernel/dev/tty.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define HOSTFILE_IOV 16

static struct {
	struct tty tty;
	bool has_tty;
	struct mutex drain_lock; /* one writer to the outside at a time */
	struct waitq room;	 /* the input thread waits here for space */
	u32 users[3];		 /* files over each outside descriptor */
} console;

static const struct file_ops hostfile_fops;

static int stdio_hfd(int n)
{
	if (n == 0 && !(kernel.boot->flags & (BOOT_STDIN | BOOT_TTY)))
		return -1;
	return kernel.boot->stdio_hfd[n];
}

/* --- Host files -------------------------------------------------------------
 */

static int file_hfd(const struct file *f)
{
	return kernel.boot->stdio_hfd[hostfile_stdio(f)];
}

/* One more file over descriptor n, which must still have one: false if it was
 * closed. */
static bool stdio_get(unsigned int n)
{
	u32 users = atomic_load(&console.users[n]);

	while (users)
		if (atomic_cmpxchg(&console.users[n], &users, users + 1))
			return true;
	return false;
}

void hostfile_release(struct file *f)
{
	if (atomic_fetch_sub(&console.users[hostfile_stdio(f)], 1) == 1)
		plat_hfd_end(file_hfd(f));
}

static u32 hfd_ready(int hfd, u32 events)
{
	struct plat_pollfd p = { .hfd = hfd, .events = (s16)events };

	return plat_hfd_poll(&p, 1, 0) > 0 ? (u16)p.revents : 0;
}

/* Wait until the descriptor may be read or written without blocking: 0,
 * -EAGAIN (non-blocking file), -ERESTARTSYS. */
static int hostfile_wait(struct file *f, u32 events)
{
	struct plat_pollfd p = { .hfd = file_hfd(f), .events = (s16)events };

	if (hfd_ready(p.hfd, events))
		return 0;
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	for (;;) {
		int n = thread_sleep_poll(&p, 1, NSEC_MAX);

		if (n > 0)
			return 0;
		if (n == -EINTR)
			return -ERESTARTSYS;
		if (n < 0 && n != -ETIMEDOUT)
			return n;
	}
}

s64 hostfile_read(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	struct plat_iovec iov[HOSTFILE_IOV];
	int err, niov;
	s64 n;

	if (u->left == 0)
		return 0;
	for (;;) {
		err = hostfile_wait(f, EV_IN);
		if (err)
			return err;
		niov = uio_to_iov(u, iov, HOSTFILE_IOV);
		n = plat_hfd_readv_blocking(file_hfd(f), iov, niov);
		if (n == -EFAULT && mm_expect_writes(iov, niov))
			continue;
		if (n != -EINTR)
			break;
		if (thread_interrupted())
			return -ERESTARTSYS;
	}
	if (n > 0)
		uio_advance(u, (u64)n);
	return n;
}

static s64 broken_pipe(void)
{
	struct linux_siginfo info;

	siginfo_user(&info, LINUX_SIGPIPE);
	signal_send_thread(current(), LINUX_SIGPIPE, &info);
	return -EPIPE;
}

/* One write of what is left; -EINTR means try again. */
static s64 hostfile_write_some(struct file *f, struct uio *u)
{
	struct plat_iovec iov[HOSTFILE_IOV];
	int err, niov;
	s64 n;

	if (f->flags & O_NONBLOCK) {
		err = hostfile_wait(f, EV_OUT);
		if (err)
			return err;
	}
	niov = uio_to_iov(u, iov, HOSTFILE_IOV);
	n = plat_hfd_writev_blocking(file_hfd(f), iov, niov);
	if (n == -EFAULT && mm_expect_reads(iov, niov))
		return -EINTR;
	if (n != -EINTR)
		return n;
	if (thread_interrupted())
		return -ERESTARTSYS;
	/* A kick for other work: the wait does it. */
	err = hostfile_wait(f, EV_OUT);
	return err ? err : -EINTR;
}

/* The monitor may want to know, once. */
static void tell_output(void)
{
	struct boot_block *b = (void *)KERNEL_BOOT_BASE;
	u32 *tell = &b->status.tell_output;

	if (unlikely(atomic_load(tell)) && atomic_xchg(tell, 0U))
		plat_broker_tell(BROKER_OUTPUT);
}

s64 hostfile_write(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	s64 n, total = 0;

	while (u->left > 0) {
		n = hostfile_write_some(f, u);
		if (n == -EINTR)
			continue;
		if (n < 0) {
			if (n == -EPIPE)
				n = broken_pipe();
			return total ? total : n;
		}
		uio_advance(u, (u64)n);
		total += n;
		tell_output();
		if (f->flags & O_NONBLOCK)
			break;
	}
	return total;
}

u32 hostfile_poll(struct file *f, struct poll_table *pt)
{
	u32 events = EV_IN | EV_OUT | EV_RDHUP;

	if (!f->can_read)
		events &= ~(u32)(EV_IN | EV_RDHUP);
	if (!f->can_write)
		events &= ~(u32)EV_OUT;
	if (!pt)
		return hfd_ready(file_hfd(f), events);
	poll_hfd(pt, file_hfd(f), events);
	return 0;
}

long hostfile_ioctl_hfd(int hfd, u32 cmd, uaddr_t arg)
{
	int n;

	switch (cmd) {
	case FIONREAD:
		n = hfd < 0 ? 0 : plat_hfd_readable_bytes(hfd);
		return n < 0 ? n : user_store_u32(arg, (u32)n);
	case TCGETS: /* isatty() */
	case TCGETS2:
	case TIOCGWINSZ:
	case TIOCGPGRP:
		return -ENOTTY;
	default:
		return syscall_unsupported("ioctl of stdio", cmd, ENOTTY);
	}
}

long hostfile_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	return hostfile_ioctl_hfd(file_hfd(f), cmd, arg);
}

static const struct file_ops hostfile_fops = {
	.name = "hostfile",
	.read = hostfile_read,
	.write = hostfile_write,
	.ioctl = hostfile_ioctl,
	.poll = hostfile_poll,
	.release = hostfile_release,
};

static int hostfile_set(struct file *f, unsigned int n)
{
	if (!stdio_get(n))
		return -ENXIO;
	f->ops = hostreg_is(n) ? &hostreg_fops : &hostfile_fops;
	f->data = (void *)(uintptr_t)n;
	return 0;
}

/* Opened again by name, /dev/stdout or /proc/self/fd/1: another file over the
 * same descriptor. */
int hostfile_open(struct inode *inode, struct file *f)
{
	return hostfile_set(f, (unsigned int)(uintptr_t)inode->data);
}

static const struct inode_ops hostfile_iops = {
	.open = hostfile_open,
};

static int hostfile_new(unsigned int n, u32 flags, struct file **f)
{
	void *data = (void *)(uintptr_t)n;
	int err;

	if (hostreg_is(n))
		err = file_new_anon("outside:[file]", TYPE_REG | 0666,
				    &hostreg_fops, data,
				    flags | hostreg_flags(n), f);
	else
		err = file_new_anon("pipe", TYPE_FIFO | 0666, &hostfile_fops,
				    data, flags, f);
	if (err)
		return err;
	(*f)->inode->ops = hostreg_is(n) ? &hostreg_iops : &hostfile_iops;
	(*f)->inode->data = data;
	atomic_fetch_add(&console.users[n], 1);
	return 0;
}

/* --- The console tty
 * ----------------------------------------------------------- */

static void console_write_out(const u8 *bytes, size_t n)
{
	int hfd = stdio_hfd(1);

	while (n > 0) {
		struct plat_iovec iov = { (u64)(uintptr_t)bytes, n };
		s64 done = plat_hfd_writev_blocking(hfd, &iov, 1);

		if (done == -EINTR)
			continue;
		if (done <= 0) /* the terminal is gone: input will tell */
			return;
		bytes += done;
		n -= (size_t)done;
	}
}

/* Move the ring to the terminal. Echo must not wait behind a blocked writer:
 * then that writer moves it. */
static void console_drain(struct tty *t, bool may_block)
{
	u8 buf[512];
	size_t n;

	while (tty_has_output(t)) {
		if (may_block)
			mutex_lock(&console.drain_lock);
		else if (!mutex_trylock(&console.drain_lock))
			return;
		for (;;) {
			n = tty_output_take(t, buf, sizeof(buf));
			if (n == 0)
				break;
			console_write_out(buf, n);
		}
		mutex_unlock(&console.drain_lock);
		/* Echo that came after the last take is seen by the loop. */
	}
}

static void console_unthrottle(UNUSED struct tty *t)
{
	waitq_wake(&console.room);
}

static const struct tty_ops console_tty_ops = {
	.name = "console",
	.drain = console_drain,
	.unthrottle = console_unthrottle,
};

/* Give all bytes to the tty, waiting for readers while it is full. False: the
 * instance ends. */
static bool console_feed(const u8 *bytes, size_t n)
{
	struct waiter w;

	waiter_init(&w);
	waitq_add(&console.room, &w);
	for (;;) {
		size_t taken = tty_input(&console.tty, bytes, n);

		bytes += taken;
		n -= taken;
		if (n == 0 || (thread_work(current()) & WORK_EXIT))
			break;
		thread_sleep(NSEC_MAX, true);
	}
	waitq_remove(&w);
	return n == 0;
}

static void console_input_thread(UNUSED void *arg)
{
	struct plat_pollfd p = { .hfd = stdio_hfd(0), .events = EV_IN };
	u8 buf[256];

	while (!(thread_work(current()) & WORK_EXIT)) {
		struct plat_iovec iov = { (u64)(uintptr_t)buf, sizeof(buf) };
		s64 n = thread_sleep_poll(&p, 1, NSEC_MAX);

		if (n <= 0)
			continue;
		n = plat_hfd_readv_blocking(p.hfd, &iov, 1);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		if (!console_feed(buf, (size_t)n))
			return;
	}
	tty_hangup(&console.tty);
}

int console_start(void)
{
	struct linux_winsize ws = { .rows = kernel.boot->tty_rows,
				    .cols = kernel.boot->tty_cols };

	process_hooks.session_leader_exit = tty_session_exit;
	if (!(kernel.boot->flags & BOOT_TTY))
		return 0;
	tty_init(&console.tty, &console_tty_ops, RDEV_CONSOLE);
	waitq_init(&console.room);
	console.tty.winsize = ws;
	console.has_tty = true;
	return kernel_thread_start("console", console_input_thread, NULL);
}

/* --- Opening
 * -------------------------------------------------------------------- */

int console_open(struct file *f)
{
	if (console.has_tty)
		return tty_open(&console.tty, f);
	if (hostfile_set(f, f->can_write ? 1 : 0))
		f->ops = &null_fops; /* absent or closed */
	return 0;
}

static int stdio_file(int n, struct file **f)
{
	int hfd = stdio_hfd(n);

	if (console.has_tty)
		return path_open(AT_FDCWD, "/dev/console", O_RDWR, 0,
				 LOOKUP_FOLLOW, f);
	if (hfd < 0)
		return path_open(AT_FDCWD, "/dev/null", O_RDWR, 0,
				 LOOKUP_FOLLOW, f);
	return hostfile_new((unsigned int)n, n == 0 ? O_RDONLY : O_WRONLY, f);
}

/* Into the current process's table. */
static int open_all(void)
{
	for (int n = 0; n < 3; n++) {
		struct file *f;
		int fd, err = stdio_file(n, &f);

		if (err)
			return err;
		fd = fd_install(f, n, false);
		if (fd < 0)
			return fd;
		kassert(fd == n);
	}
	return 0;
}

int console_open_stdio(struct process *p)
{
	struct process *self = process_current();
	struct fdtable *own = self->files;
	int err;

	if (console.has_tty)
		tty_set_controlling(p, &console.tty, false);
	/* At boot nobody else runs in process 0: it may borrow p's table. */
	kassert(p == self || self == process_kernel);
	self->files = p->files;
	err = open_all();
	self->files = own;
	return err;
}

/* --- From the monitor
 * ------------------------------------------------------------- */

void console_winsize(unsigned int rows, unsigned int cols)
{
	struct linux_winsize ws = { .rows = (u16)rows, .cols = (u16)cols };

	if (console.has_tty)
		tty_set_winsize(&console.tty, &ws);
}

void console_signal(int sig)
{
	struct linux_siginfo info;
	struct process *init;

	if (console.has_tty && tty_signal_foreground(&console.tty, sig) == 0)
		return;
	init = process_init_get();
	if (!init)
		return;
	siginfo_kernel(&info, sig);
	signal_send_process(init, sig, &info);
	process_put(init);
}

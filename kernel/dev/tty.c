/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: file operations on a tty (console or slave), input from the line,
 * output to it, settings, hangup. Job control is in tty_job.c.
 */
#include "kernel/dev/tty.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/signal.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define CHUNK 512

static const struct file_ops tty_fops;

static struct tty *tty_of_ldisc(struct ldisc *l)
{
	return container_of(l, struct tty, ldisc);
}

/* --- The output ring --------------------------------------------------------
 */

static u32 out_room(const struct tty *t)
{
	return TTY_OUT_SIZE - (t->out_head - t->out_tail);
}

/* t->lock is held; n fits. */
static void out_put(struct tty *t, const u8 *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t->out[t->out_head++ & (TTY_OUT_SIZE - 1)] = bytes[i];
}

size_t tty_output_take(struct tty *t, u8 *dst, size_t n)
{
	size_t done = 0;
	bool was_full;

	mutex_lock(&t->lock);
	was_full = out_room(t) < TTY_OUT_SIZE / 2;
	if (!t->ldisc.is_stopped)
		while (done < n && t->out_tail != t->out_head)
			dst[done++] =
				t->out[t->out_tail++ & (TTY_OUT_SIZE - 1)];
	mutex_unlock(&t->lock);
	if (done > 0 && (was_full || t->write_wait.nwaiters > 0))
		waitq_wake_events(&t->write_wait, EV_OUT | EV_WRNORM, ~0U);
	return done;
}

bool tty_has_output(struct tty *t)
{
	return atomic_load(&t->out_head) != atomic_load(&t->out_tail) &&
	       !t->ldisc.is_stopped;
}

/* --- What the line discipline asks for; t->lock is held
 * ----------------------- */

static void on_echo(struct ldisc *l, const u8 *bytes, size_t n)
{
	struct tty *t = tty_of_ldisc(l);

	if (out_room(t) < n)
		return;
	out_put(t, bytes, n);
	t->has_echo = true;
}

static void on_signal(struct ldisc *l, int sig)
{
	tty_of_ldisc(l)->signals |= (u32)SIG_BIT(sig);
}

/* Lock held: something for a master in packet mode; `not` is no longer so. */
static void packet_event(struct tty *t, u32 events, u32 not )
{
	if (t->is_packet)
		t->packet_events = (t->packet_events & ~not ) | events;
}

static void packet_flow(struct tty *t, bool is_stopped)
{
	if (is_stopped)
		packet_event(t, PACKET_STOP, PACKET_START);
	else
		packet_event(t, PACKET_START, PACKET_STOP);
}

static void on_flow(struct ldisc *l, bool is_stopped)
{
	packet_flow(tty_of_ldisc(l), is_stopped);
	tty_of_ldisc(l)->has_echo = true; /* drain and wake writers */
}

static void on_flush_output(struct ldisc *l)
{
	struct tty *t = tty_of_ldisc(l);

	t->out_tail = t->out_head;
	packet_event(t, PACKET_FLUSHREAD | PACKET_FLUSHWRITE, 0);
	t->has_echo = t->has_echo || t->is_packet;
}

static const struct ldisc_ops tty_ldisc_ops = {
	.echo = on_echo,
	.signal = on_signal,
	.flow = on_flow,
	.flush_output = on_flush_output,
};

/* --- Life --------------------------------------------------------------------
 */

void tty_init(struct tty *t, const struct tty_ops *ops, u32 rdev)
{
	memset(t, 0, sizeof(*t));
	ref_init(&t->ref);
	t->ops = ops;
	t->rdev = rdev;
	ldisc_init(&t->ldisc, &tty_ldisc_ops);
	waitq_init(&t->read_wait);
	waitq_init(&t->write_wait);
}

void tty_get(struct tty *t)
{
	ref_get(&t->ref);
}

void tty_put(struct tty *t)
{
	if (t && ref_put(&t->ref) && t->ops->free)
		t->ops->free(t);
}

int tty_open(struct tty *t, struct file *f)
{
	mutex_lock(&t->lock);
	if (t->is_hungup) {
		mutex_unlock(&t->lock);
		return -EIO;
	}
	if (t->is_exclusive && !cred_capable(CAP_SYS_ADMIN)) {
		mutex_unlock(&t->lock);
		return -EBUSY;
	}
	t->nopen++;
	mutex_unlock(&t->lock);
	tty_get(t);
	f->data = t;
	f->ops = &tty_fops;
	if (!(f->flags & O_NOCTTY) && f->can_read)
		tty_set_controlling(process_current(), t, false);
	return 0;
}

static void tty_release(struct file *f)
{
	struct tty *t = f->data;
	bool is_last;

	mutex_lock(&t->lock);
	is_last = --t->nopen == 0;
	mutex_unlock(&t->lock);
	if (is_last && t->ops->closed)
		t->ops->closed(t);
	tty_put(t);
}

/* Do what calls into the line discipline left to do once unlocked. */
static void tty_after_input(struct tty *t, u32 signals, bool has_echo)
{
	for (int sig = 1; signals; sig++) {
		if (signals & SIG_BIT(sig))
			tty_signal_foreground(t, sig);
		signals &= ~(u32)SIG_BIT(sig);
	}
	if (has_echo) {
		t->ops->drain(t, false);
		waitq_wake_events(&t->write_wait, EV_OUT | EV_WRNORM, ~0U);
	}
}

size_t tty_input(struct tty *t, const u8 *bytes, size_t n)
{
	bool has_echo, is_readable;
	size_t taken;
	u32 signals;

	mutex_lock(&t->lock);
	taken = ldisc_input(&t->ldisc, bytes, n);
	is_readable = ldisc_is_readable(&t->ldisc) ||
		      t->ldisc.ready != t->ldisc.tail;
	signals = t->signals;
	has_echo = t->has_echo;
	t->signals = 0;
	t->has_echo = false;
	mutex_unlock(&t->lock);
	tty_after_input(t, signals, has_echo);
	if (is_readable)
		waitq_wake_events(&t->read_wait, EV_IN | EV_RDNORM, ~0U);
	return taken;
}

void tty_hangup(struct tty *t)
{
	s32 fg_pgid, leader;

	mutex_lock(&t->lock);
	t->is_hungup = true;
	t->out_tail = t->out_head;
	mutex_unlock(&t->lock);
	waitq_wake(&t->read_wait);
	waitq_wake(&t->write_wait);
	tty_forget_session(t, &fg_pgid, &leader);
	if (leader > 0) {
		struct process *p = process_find(leader);
		struct linux_siginfo info;

		if (p) {
			siginfo_kernel(&info, LINUX_SIGHUP);
			signal_send_process(p, LINUX_SIGHUP, &info);
			siginfo_kernel(&info, LINUX_SIGCONT);
			signal_send_process(p, LINUX_SIGCONT, &info);
			process_put(p);
		}
	}
	if (fg_pgid > 0 && fg_pgid != leader) {
		struct linux_siginfo info;

		siginfo_kernel(&info, LINUX_SIGHUP);
		signal_send_group(fg_pgid, LINUX_SIGHUP, &info);
		siginfo_kernel(&info, LINUX_SIGCONT);
		signal_send_group(fg_pgid, LINUX_SIGCONT, &info);
	}
}

void tty_set_winsize(struct tty *t, const struct linux_winsize *ws)
{
	bool is_changed;

	mutex_lock(&t->lock);
	is_changed = memcmp(&t->winsize, ws, sizeof(*ws)) != 0;
	t->winsize = *ws;
	mutex_unlock(&t->lock);
	if (is_changed)
		tty_signal_foreground(t, LINUX_SIGWINCH);
}

/* --- Reading
 * ------------------------------------------------------------------ */

struct tty_reader {
	u64 want;     /* VMIN, or a line */
	nsec_t vtime; /* 0: none */
	bool is_canonical;
};

/* Take what is there, up to a line, at most *u: bytes, or -EFAULT; *ended says
 * that the read is complete whatever the count. */
static s64 read_available(struct tty *t, struct uio *u, struct tty_reader *r,
			  bool *ended)
{
	u8 buf[CHUNK];
	s64 total = 0;

	*ended = false;
	while (u->left > 0 && !*ended) {
		size_t n, want = MIN(u->left, sizeof(buf));
		s64 put;

		mutex_lock(&t->lock);
		r->is_canonical = (t->ldisc.tio.c_lflag & ICANON) != 0;
		r->want = r->is_canonical ? 1 : t->ldisc.tio.c_cc[VMIN];
		r->vtime = r->is_canonical ? 0
					   : t->ldisc.tio.c_cc[VTIME] * 100 *
						     NSEC_PER_MSEC;
		n = ldisc_read(&t->ldisc, buf, want, ended);
		mutex_unlock(&t->lock);
		if (n == 0)
			break;
		put = uio_put(u, buf, n);
		if (put < 0)
			return total ? total : put;
		total += put;
		if ((size_t)put < n)
			break;
	}
	if ((total > 0 || *ended) && t->ops->unthrottle)
		t->ops->unthrottle(t);
	return total;
}

/* Until when to sleep for more, given what was read so far; 0: not at all. */
static nsec_t read_deadline(const struct tty_reader *r, s64 total, nsec_t start)
{
	if (!r->is_canonical && (u64)total >= r->want &&
	    (r->want > 0 || r->vtime == 0 || total > 0))
		return 0;
	if (r->is_canonical)
		return NSEC_MAX;
	if (r->vtime == 0 || (r->want > 0 && total == 0))
		return NSEC_MAX;
	return total > 0 ? plat_clock(PLAT_MONOTONIC) + r->vtime
			 : start + r->vtime;
}

static s64 read_loop(struct tty *t, struct file *f, struct uio *u)
{
	nsec_t deadline, start = plat_clock(PLAT_MONOTONIC);
	struct tty_reader reader = { 0 };
	s64 n, total = 0;
	bool ended;
	int err;

	for (;;) {
		n = read_available(t, u, &reader, &ended);
		if (n < 0)
			return total ? total : n;
		total += n;
		if (ended || u->left == 0 || (reader.is_canonical && total > 0))
			return total;
		if (atomic_load(&t->is_hungup))
			return total;
		deadline = read_deadline(&reader, total, start);
		if (deadline == 0)
			return total;
		if (f->flags & O_NONBLOCK)
			return total ? total : -EAGAIN;
		err = thread_sleep(deadline, true);
		if (err == -ETIMEDOUT)
			return total;
		if (err)
			return total ? total : -ERESTARTSYS;
		err = tty_check_background(t, LINUX_SIGTTIN);
		if (err)
			return total ? total : err;
	}
}

static s64 tty_read(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	struct tty *t = f->data;
	struct waiter w;
	s64 n;
	int err;

	if (u->left == 0 || atomic_load(&t->is_hungup))
		return 0;
	err = tty_check_background(t, LINUX_SIGTTIN);
	if (err)
		return err;
	waiter_init(&w);
	waitq_add(&t->read_wait, &w);
	n = read_loop(t, f, u);
	waitq_remove(&w);
	return n;
}

/* --- Writing
 * ------------------------------------------------------------------ */

/* Move one chunk of u through output processing into the ring: bytes of u
 * used, 0 no room, or -errno. */
static s64 write_chunk(struct tty *t, struct uio *u)
{
	u8 in[CHUNK], out[2 * CHUNK];
	size_t taken = 0, len = 0;
	s64 n;

	n = uio_get(u, in, MIN(u->left, sizeof(in)));
	if (n <= 0)
		return n;
	mutex_lock(&t->lock);
	if (t->is_hungup) {
		mutex_unlock(&t->lock);
		uio_revert(u, (u64)n);
		return -EIO;
	}
	if (!t->ldisc.is_stopped) {
		taken = ldisc_output(&t->ldisc, in, (size_t)n, out,
				     MIN(sizeof(out), out_room(t)), &len);
		out_put(t, out, len);
	}
	mutex_unlock(&t->lock);
	if (taken < (size_t)n)
		uio_revert(u, (u64)n - taken);
	return (s64)taken;
}

static s64 write_loop(struct tty *t, struct file *f, struct uio *u)
{
	struct waiter w;
	s64 n, total = 0;

	waiter_init(&w);
	waitq_add(&t->write_wait, &w);
	while (u->left > 0) {
		n = write_chunk(t, u);
		if (n > 0) {
			total += n;
			t->ops->drain(t, true);
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

static s64 tty_write(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	struct tty *t = f->data;
	int err;

	if (atomic_load(&t->is_hungup))
		return -EIO;
	if (t->ldisc.tio.c_lflag & TOSTOP) {
		err = tty_check_background(t, LINUX_SIGTTOU);
		if (err)
			return err;
	}
	return write_loop(t, f, u);
}

/* --- Readiness, settings
 * -------------------------------------------------------- */

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = f->data;
	u32 events = 0;

	poll_wait(pt, &t->read_wait);
	poll_wait(pt, &t->write_wait);
	mutex_lock(&t->lock);
	if (ldisc_is_readable(&t->ldisc))
		events |= EV_IN | EV_RDNORM;
	if (!t->ldisc.is_stopped && out_room(t) >= 16)
		events |= EV_OUT | EV_WRNORM;
	if (t->is_hungup)
		events |= EV_IN | EV_RDNORM | EV_OUT | EV_WRNORM | EV_ERR |
			  EV_HUP;
	mutex_unlock(&t->lock);
	return events;
}

static long get_termios(struct tty *t, uaddr_t arg, size_t size)
{
	struct termios2 tio;

	mutex_lock(&t->lock);
	tio = t->ldisc.tio;
	mutex_unlock(&t->lock);
	/* struct termios is the head of struct termios2. */
	return user_copy_out(arg, &tio, size);
}

static long get_termio(struct tty *t, uaddr_t arg)
{
	struct linux_termio old = { 0 };
	struct termios2 *tio = &t->ldisc.tio;

	mutex_lock(&t->lock);
	old.c_iflag = (u16)tio->c_iflag;
	old.c_oflag = (u16)tio->c_oflag;
	old.c_cflag = (u16)tio->c_cflag;
	old.c_lflag = (u16)tio->c_lflag;
	old.c_line = tio->c_line;
	memcpy(old.c_cc, tio->c_cc, sizeof(old.c_cc));
	mutex_unlock(&t->lock);
	return user_put(arg, &old);
}

/* New settings as the program has them: all (size bytes) or, if size is that of
 * System V's structure, the low halves. */
static int new_termios(struct termios2 *tio, uaddr_t arg, size_t size)
{
	struct linux_termio old;

	if (size != sizeof(old))
		return user_copy_in(tio, arg, size);
	if (user_get(&old, arg))
		return -EFAULT;
	tio->c_iflag = (tio->c_iflag & 0xffff0000) | old.c_iflag;
	tio->c_oflag = (tio->c_oflag & 0xffff0000) | old.c_oflag;
	tio->c_cflag = (tio->c_cflag & 0xffff0000) | old.c_cflag;
	tio->c_lflag = (tio->c_lflag & 0xffff0000) | old.c_lflag;
	tio->c_line = old.c_line;
	memcpy(tio->c_cc, old.c_cc, sizeof(old.c_cc));
	return 0;
}

/* ^S and ^Q stop and start the output: the master may do it in their place. */
static bool has_usual_flow(const struct termios2 *tio)
{
	return (tio->c_iflag & IXON) && tio->c_cc[VSTOP] == 023 &&
	       tio->c_cc[VSTART] == 021;
}

static long set_termios(struct tty *t, uaddr_t arg, size_t size, bool flush)
{
	struct termios2 tio;
	bool has_echo;
	int err;

	err = tty_check_background(t, LINUX_SIGTTOU);
	if (err)
		return err;
	mutex_lock(&t->lock);
	tio = t->ldisc.tio;
	mutex_unlock(&t->lock);
	err = new_termios(&tio, arg, size);
	if (err)
		return err;
	mutex_lock(&t->lock);
	if (flush)
		ldisc_flush_input(&t->ldisc);
	if (has_usual_flow(&tio) != has_usual_flow(&t->ldisc.tio))
		packet_event(
			t, has_usual_flow(&tio) ? PACKET_DOSTOP : PACKET_NOSTOP,
			PACKET_DOSTOP | PACKET_NOSTOP);
	ldisc_set_termios(&t->ldisc, &tio);
	has_echo = t->has_echo || t->is_packet;
	t->has_echo = false;
	mutex_unlock(&t->lock);
	tty_after_input(t, 0, has_echo);
	waitq_wake(&t->read_wait); /* VMIN or the mode may have changed */
	if (flush && t->ops->unthrottle)
		t->ops->unthrottle(t);
	return 0;
}

static long flush_queues(struct tty *t, uaddr_t arg)
{
	int err;

	if (arg > TCIOFLUSH)
		return -EINVAL;
	err = tty_check_background(t, LINUX_SIGTTOU);
	if (err)
		return err;
	mutex_lock(&t->lock);
	if (arg != TCOFLUSH)
		ldisc_flush_input(&t->ldisc);
	if (arg != TCIFLUSH)
		t->out_tail = t->out_head;
	packet_event(t,
		     (arg != TCOFLUSH ? PACKET_FLUSHREAD : 0) |
			     (arg != TCIFLUSH ? PACKET_FLUSHWRITE : 0),
		     0);
	mutex_unlock(&t->lock);
	waitq_wake(&t->write_wait);
	if (t->is_packet)
		t->ops->drain(t, false);
	if (t->ops->unthrottle)
		t->ops->unthrottle(t);
	return 0;
}

static long set_flow(struct tty *t, uaddr_t arg)
{
	int err;
	u8 c;

	if (arg > TCION)
		return -EINVAL;
	err = tty_check_background(t, LINUX_SIGTTOU);
	if (err)
		return err;
	mutex_lock(&t->lock);
	switch (arg) {
	case TCOOFF:
	case TCOON:
		if (t->ldisc.is_stopped != (arg == TCOOFF))
			packet_flow(t, arg == TCOOFF);
		t->ldisc.is_stopped = arg == TCOOFF;
		break;
	default: /* ask the other end to pause or to go on */
		c = t->ldisc.tio.c_cc[arg == TCIOFF ? VSTOP : VSTART];
		if (c && !t->ldisc.is_stopped && out_room(t))
			out_put(t, &c, 1);
	}
	mutex_unlock(&t->lock);
	tty_after_input(t, 0, arg != TCOOFF || t->is_packet);
	return 0;
}

static long get_winsize(struct tty *t, uaddr_t arg)
{
	struct linux_winsize ws;

	mutex_lock(&t->lock);
	ws = t->winsize;
	mutex_unlock(&t->lock);
	return user_put(arg, &ws);
}

static long set_winsize(struct tty *t, uaddr_t arg)
{
	struct linux_winsize ws;

	if (user_get(&ws, arg))
		return -EFAULT;
	tty_set_winsize(t, &ws);
	return 0;
}

static long set_exclusive(struct tty *t, bool is_exclusive)
{
	mutex_lock(&t->lock);
	t->is_exclusive = is_exclusive;
	mutex_unlock(&t->lock);
	return 0;
}

long tty_ioctl_common(struct tty *t, UNUSED struct file *f, u32 cmd,
		      uaddr_t arg)
{
	switch (cmd) {
	case TCGETS:
		return get_termios(t, arg, sizeof(struct termios));
	case TCGETS2:
		return get_termios(t, arg, sizeof(struct termios2));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(t, arg, sizeof(struct termios),
				   cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_termios(t, arg, sizeof(struct termios2),
				   cmd == TCSETSF2);
	case TCGETA:
		return get_termio(t, arg);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_termios(t, arg, sizeof(struct linux_termio),
				   cmd == TCSETAF);
	case TIOCGLCKTRMIOS: /* none is ever locked */
		return user_zero(arg, sizeof(struct termios));
	case TIOCSLCKTRMIOS:
		return cred_has(cred_current(), CAP_SYS_ADMIN)
			       ? syscall_unsupported("TIOCSLCKTRMIOS", 0,
						     EINVAL)
			       : -EPERM;
	case TIOCGWINSZ:
		return get_winsize(t, arg);
	case TIOCSWINSZ:
		return set_winsize(t, arg);
	case TCFLSH:
		return flush_queues(t, arg);
	case TCXONC:
		return set_flow(t, arg);
	case TCSBRK: /* output is never held back, breaks have no line */
	case TCSBRKP:
		return tty_check_background(t, LINUX_SIGTTOU);
	case TIOCEXCL:
	case TIOCNXCL:
		return set_exclusive(t, cmd == TIOCEXCL);
	case TIOCGEXCL:
		return user_store_u32(arg, t->is_exclusive);
	case TIOCGETD:
		return user_store_u32(arg, 0); /* N_TTY */
	default:
		return -ENOIOCTLCMD;
	}
}

static long tty_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct tty *t = f->data;
	u32 count;
	long ret;

	if (atomic_load(&t->is_hungup))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	ret = tty_ioctl_common(t, f, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = tty_ioctl_job(t, f, cmd, arg, false);
	if (ret != -ENOIOCTLCMD)
		return ret;
	switch (cmd) {
	case TIOCINQ:
		mutex_lock(&t->lock);
		count = ldisc_available(&t->ldisc);
		mutex_unlock(&t->lock);
		return user_store_u32(arg, count);
	case TIOCOUTQ:
		mutex_lock(&t->lock);
		count = t->out_head - t->out_tail;
		mutex_unlock(&t->lock);
		return user_store_u32(arg, count);
	case TIOCSTI:
		return -EIO; /* as Linux with legacy_tiocsti off */
	case TIOCGPTN:	     /* asked of a terminal to learn what it is */
	case TIOCMGET:
	case TIOCGSERIAL:
		return -ENOTTY;
	default:
		return syscall_unsupported("ioctl of tty", cmd, ENOTTY);
	}
}

static const struct file_ops tty_fops = {
	.name = "tty",
	.read = tty_read,
	.write = tty_write,
	.ioctl = tty_ioctl,
	.poll = tty_poll,
	.release = tty_release,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/jiffy/keepawake and /dev/jiffy/notify. The counter is in the status
 * block, where the monitor reads it. Of notifications the last ones are kept;
 * each open file reads those that came after its opening.
 */
#include "kernel/dev/sleep.h"

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/net/activity.h"
#include "kernel/vfs/file.h"

#define KEEPAWAKE_MAX 0x7fffffffU
#define TEXT_MAX 32
#define NLINES 16U /* of notify, kept */

static struct {
	struct mutex lock; /* lines, and next where it changes */
	u64 next;	   /* number of the next line; atomic */
	char lines[NLINES][TEXT_MAX];
	struct waitq told;
} notify;

void sleep_init(void)
{
	waitq_init(&notify.told);
}

/* --- keepawake ----------------------------------------------------------- */

static s64 keepawake_read(UNUSED struct file *f, struct uio *u, u64 *pos)
{
	char text[TEXT_MAX];
	u64 len = (u64)fmt_format(text, sizeof(text), "=%u\n",
				  atomic_load(&activity_status()->keepawake));
	s64 n;

	if (*pos >= len)
		return 0;
	n = uio_put(u, text + *pos, MIN(u->left, len - *pos));
	if (n > 0)
		*pos += (u64)n;
	return n;
}

/* The counter after `sign` with n has been done to it. */
static int change(char sign, u64 n)
{
	u32 *counter = &activity_status()->keepawake;
	u32 old = atomic_load(counter), new;

	do {
		if (n > KEEPAWAKE_MAX || (sign == '-' && n > old) ||
		    (sign == '+' && n > KEEPAWAKE_MAX - old))
			return -ERANGE;
		new = sign == '='   ? (u32)n
		      : sign == '+' ? old + (u32)n
				    : old - (u32)n;
	} while (!atomic_cmpxchg(counter, &old, new));
	if (new < old)
		activity_less();
	return 0;
}

/* "+", "-", "+N", "-N" or "=N"; a newline may follow. */
static s64 keepawake_write(UNUSED struct file *f, struct uio *u,
			   UNUSED u64 *pos)
{
	char text[TEXT_MAX];
	u64 len = u->left, n = 1;
	s64 written = (s64)len;
	int err;

	if (len == 0 || len > sizeof(text))
		return -EINVAL;
	if (uio_get(u, text, len) != (s64)len)
		return -EFAULT;
	if (text[len - 1] == '\n')
		len--;
	if (len == 0 || !(text[0] == '+' || text[0] == '-' || text[0] == '='))
		return -EINVAL;
	if (len > 1 || text[0] == '=') {
		err = str_to_u64(text + 1, len - 1, 10, &n);
		if (err)
			return err;
	}
	err = change(text[0], n);
	return err ? err : written;
}

static const struct file_ops keepawake_fops = {
	.name = "keepawake",
	.read = keepawake_read,
	.write = keepawake_write,
	.lseek = file_seek_endless,
	.no_splice = true,
};

int keepawake_open(struct file *f)
{
	f->ops = &keepawake_fops;
	return 0;
}

/* --- notify -------------------------------------------------------------- */

static void tell(const char *line)
{
	mutex_lock(&notify.lock);
	str_copy(notify.lines[notify.next % NLINES], TEXT_MAX, line);
	atomic_store(&notify.next, notify.next + 1);
	mutex_unlock(&notify.lock);
	waitq_wake_after(&notify.told, EV_IN | EV_RDNORM, ~0U);
}

void sleep_tell_soon(u32 ms)
{
	char line[TEXT_MAX];

	fmt_format(line, sizeof(line), "sleep %u\n", ms);
	tell(line);
}

void sleep_tell_not(void)
{
	tell("stay\n");
}

void sleep_tell_woken(void)
{
	tell("wake\n");
}

/* The number of the next line that f reads. */
static u64 next_of(const struct file *f)
{
	return (u64)(uintptr_t)f->data;
}

static bool has_line(const struct file *f)
{
	return next_of(f) != atomic_load(&notify.next);
}

/* Its length, 0: there is none. Who is slow loses the oldest. */
static u64 take_line(struct file *f, char line[TEXT_MAX])
{
	u64 at = next_of(f), len = 0;

	mutex_lock(&notify.lock);
	if (notify.next - at > NLINES)
		at = notify.next - NLINES;
	if (at != notify.next) {
		memcpy(line, notify.lines[at % NLINES], TEXT_MAX);
		len = strlen(line);
		f->data = (void *)(uintptr_t)(at + 1);
	}
	mutex_unlock(&notify.lock);
	return len;
}

static int wait_line(const struct file *f)
{
	struct waiter w;
	int err = 0;

	waiter_init(&w);
	waitq_add(&notify.told, &w);
	while (!err && !has_line(f))
		err = thread_sleep(NSEC_MAX, true);
	waitq_remove(&w);
	return err == -EINTR ? -ERESTARTSYS : err;
}

/* A line at a time; what does not fit is lost. */
static s64 notify_read(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	char line[TEXT_MAX];
	u64 len;
	int err;

	if (u->left == 0)
		return 0;
	while (!(len = take_line(f, line))) {
		if (atomic_load(&f->flags) & O_NONBLOCK)
			return -EAGAIN;
		err = wait_line(f);
		if (err)
			return err;
	}
	return uio_put(u, line, MIN(u->left, len));
}

static u32 notify_poll(struct file *f, struct poll_table *pt)
{
	poll_wait(pt, &notify.told);
	return has_line(f) ? EV_IN | EV_RDNORM : 0;
}

static const struct file_ops notify_fops = {
	.name = "notify",
	.read = notify_read,
	.lseek = file_stay,
	.poll = notify_poll,
	.no_splice = true,
};

int notify_open(struct file *f)
{
	f->ops = &notify_fops;
	f->data = (void *)(uintptr_t)atomic_load(&notify.next);
	return 0;
}

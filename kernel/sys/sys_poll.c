/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select, pselect6. Restart rules: poll goes on with its
 * remaining time when no handler ran; the others report EINTR after one and
 * write back what was left.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/poll.h"
#include "kernel/kernel.h"
#include "kernel/linux/time.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/poll.h"
#include "lib/bits.h"

#define USEC_PER_SEC 1000000
#define POLL_FAST 16
#define RLIMIT_NOFILE_INDEX 7

struct linux_pollfd {
	s32 fd;
	s16 events;
	s16 revents;
};

/* A relative time as a deadline: 0 for "do not wait". */
static nsec_t deadline_in(nsec_t ns)
{
	nsec_t at;

	if (ns == 0)
		return 0;
	if (ckd_add(&at, plat_clock(PLAT_MONOTONIC), ns))
		return NSEC_MAX;
	return at;
}

static nsec_t time_left(nsec_t deadline)
{
	nsec_t left = deadline - plat_clock(PLAT_MONOTONIC);

	return left > 0 ? left : 0;
}

static long poll_array(uaddr_t ufds, u32 n, nsec_t deadline)
{
	struct linux_pollfd fast_fds[POLL_FAST], *fds = fast_fds;
	struct poll_item fast_items[POLL_FAST], *items = fast_items;
	long ret = -ENOMEM;

	if (n > rlimit_current(RLIMIT_NOFILE_INDEX))
		return -EINVAL;
	if (n > POLL_FAST) {
		fds = kmalloc(n * sizeof(*fds));
		items = kmalloc(n * sizeof(*items));
		if (!fds || !items)
			goto out;
	}
	ret = -EFAULT;
	if (user_copy_in(fds, ufds, n * sizeof(*fds)))
		goto out;
	for (u32 i = 0; i < n; i++) {
		items[i].fd = fds[i].fd;
		items[i].events = (u16)fds[i].events;
	}
	ret = poll_items(items, n, deadline);
	if (ret < 0)
		goto out;
	for (u32 i = 0; i < n; i++)
		fds[i].revents = (s16)items[i].revents;
	if (user_copy_out(ufds, fds, n * sizeof(*fds)))
		ret = -EFAULT;
out:
	if (fds != fast_fds)
		kfree(fds);
	if (items != fast_items)
		kfree(items);
	return ret;
}

static long poll_restart(struct thread *t)
{
	long ret = poll_array(t->restart.arg[0], (u32)t->restart.arg[1],
			      (nsec_t)t->restart.arg[2]);

	return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

SYSCALL3(poll, uaddr_t, fds, u32, n, s32, timeout_ms)
{
	nsec_t deadline = timeout_ms < 0
				  ? NSEC_MAX
				  : deadline_in(timeout_ms * NSEC_PER_MSEC);
	long ret = poll_array(fds, n, deadline);

	if (ret == -EINTR) {
		struct restart_block *r = &current()->restart;

		r->fn = poll_restart;
		r->arg[0] = fds;
		r->arg[1] = n;
		r->arg[2] = (u64)deadline;
		return -ERESTART_RESTARTBLOCK;
	}
	return ret;
}

/* Read a timespec argument as a deadline: NSEC_MAX if the pointer is NULL. */
static int timespec_in(uaddr_t addr, nsec_t *deadline)
{
	struct linux_timespec ts;
	nsec_t ns;

	*deadline = NSEC_MAX;
	if (!addr)
		return 0;
	if (user_get(&ts, addr))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (!ckd_mul(&ns, ts.sec, NSEC_PER_SEC) && !ckd_add(&ns, ns, ts.nsec))
		*deadline = deadline_in(ns);
	return 0;
}

/* Linux writes the rest of the time back and ignores a bad address then. */
static void timespec_out(uaddr_t addr, nsec_t deadline)
{
	nsec_t left;
	struct linux_timespec ts;

	if (!addr || deadline == NSEC_MAX)
		return;
	left = deadline ? time_left(deadline) : 0;
	ts.sec = left / NSEC_PER_SEC;
	ts.nsec = left % NSEC_PER_SEC;
	(void)user_put(addr, &ts);
}

SYSCALL5(ppoll, uaddr_t, fds, u32, n, uaddr_t, timeout, uaddr_t, set, u64, size)
{
	nsec_t deadline;
	u64 mask;
	long ret;

	ret = timespec_in(timeout, &deadline);
	if (!ret && set)
		ret = signal_read_mask(&mask, set, size);
	if (ret)
		return ret;
	if (set)
		signal_mask_begin(mask);
	ret = poll_array(fds, n, deadline);
	if (set)
		signal_mask_end(ret == -EINTR);
	timespec_out(timeout, deadline);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

/* --- select -------------------------------------------------------------- */

#define SELECT_IN (EV_RDNORM | EV_RDBAND | EV_IN | EV_HUP | EV_ERR)
#define SELECT_OUT (EV_WRBAND | EV_WRNORM | EV_OUT | EV_ERR)
#define SELECT_EX EV_PRI
#define SELECT_MAX 65536

#define SELECT_FAST 4 /* words of each set without allocation */

struct select_sets {
	u64 *in[3]; /* requested; NULL pointers of the program read as zero */
	u64 *out[3];
	u32 nwords;
	u64 *memory; /* all six */
	u64 fast[6 * SELECT_FAST];
};

static const u32 set_wants[3] = { EV_IN | EV_RDNORM | EV_RDBAND,
				  EV_OUT | EV_WRNORM | EV_WRBAND, EV_PRI };
static const u32 set_means[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

/* The number of bits in the last word that count: those below n. */
static u64 last_mask(u32 n)
{
	return n % 64 ? (1UL << n % 64) - 1 : ~0UL;
}

static int sets_in(struct select_sets *s, u32 n, const uaddr_t user[3])
{
	s->nwords = (n + 63) / 64;
	s->memory = s->fast;
	if (s->nwords > SELECT_FAST)
		s->memory = kmalloc(s->nwords * 6 * sizeof(u64));
	if (!s->memory)
		return -ENOMEM;
	memset(s->memory, 0, s->nwords * 6 * sizeof(u64));
	for (u32 i = 0; i < 3; i++) {
		s->in[i] = s->memory + i * s->nwords;
		s->out[i] = s->memory + (3 + i) * s->nwords;
		if (!user[i] || !n)
			continue;
		if (user_copy_in(s->in[i], user[i], s->nwords * sizeof(u64)))
			return -EFAULT;
		s->in[i][s->nwords - 1] &= last_mask(n);
	}
	return 0;
}

/* The descriptors of word w that are in any set. */
static u64 sets_word(const struct select_sets *s, u32 w)
{
	return s->in[0][w] | s->in[1][w] | s->in[2][w];
}

static u32 sets_count(const struct select_sets *s)
{
	u32 count = 0;

	for (u32 w = 0; w < s->nwords; w++)
		count += bits_count(sets_word(s, w));
	return count;
}

static void sets_items(const struct select_sets *s, struct poll_item *item)
{
	for (u32 w = 0; w < s->nwords; w++) {
		for (u64 bits = sets_word(s, w); bits; bits &= bits - 1) {
			u64 bit = bits & -bits;

			item->fd = (int)(w * 64) + __builtin_ctzl(bits);
			item->events = 0;
			for (u32 i = 0; i < 3; i++)
				if (s->in[i][w] & bit)
					item->events |= set_wants[i];
			item++;
		}
	}
}

/* Fill the result sets: the number of bits, or -EBADF. */
static long sets_results(struct select_sets *s, const struct poll_item *items,
			 u32 n)
{
	long nbits = 0;

	for (u32 k = 0; k < n; k++) {
		u32 w = (u32)items[k].fd / 64;
		u64 bit = 1UL << items[k].fd % 64;

		if (items[k].revents & EV_NVAL)
			return -EBADF;
		for (u32 i = 0; i < 3; i++) {
			if (!(s->in[i][w] & bit) ||
			    !(items[k].revents & set_means[i]))
				continue;
			s->out[i][w] |= bit;
			nbits++;
		}
	}
	return nbits;
}

static long select_items(struct select_sets *s, struct poll_item *items,
			 u32 count, const uaddr_t user[3], nsec_t deadline)
{
	long ret;

	sets_items(s, items);
	ret = poll_items(items, count, deadline);
	if (ret >= 0)
		ret = sets_results(s, items, count);
	for (u32 i = 0; i < 3 && ret >= 0; i++) {
		if (user[i] && s->nwords &&
		    user_copy_out(user[i], s->out[i], s->nwords * sizeof(u64)))
			ret = -EFAULT;
	}
	return ret;
}

static long do_select(s32 n, const uaddr_t user[3], nsec_t deadline)
{
	struct poll_item fast[POLL_FAST], *items = fast;
	struct select_sets s;
	u32 count;
	long ret;

	if (n < 0)
		return -EINVAL;
	/* No more than the table of descriptors has room for, as on Linux. */
	n = MIN(n, (s32)MIN(fd_capacity(), SELECT_MAX));
	ret = sets_in(&s, (u32)n, user);
	if (ret)
		goto out;
	count = sets_count(&s);
	if (count > POLL_FAST)
		items = kmalloc(count * sizeof(*items));
	ret = items ? select_items(&s, items, count, user, deadline) : -ENOMEM;
	if (items != fast)
		kfree(items);
out:
	if (s.memory != s.fast)
		kfree(s.memory);
	return ret;
}

static int timeval_in(uaddr_t addr, nsec_t *deadline)
{
	struct linux_timeval tv;
	nsec_t ns;

	*deadline = NSEC_MAX;
	if (!addr)
		return 0;
	if (user_get(&tv, addr))
		return -EFAULT;
	/* More than a second of microseconds is fine here. */
	if (ckd_add(&tv.sec, tv.sec, tv.usec / USEC_PER_SEC))
		return -EINVAL;
	tv.usec %= USEC_PER_SEC;
	if (tv.sec < 0 || tv.usec < 0)
		return -EINVAL;
	if (!ckd_mul(&ns, tv.sec, NSEC_PER_SEC) &&
	    !ckd_add(&ns, ns, tv.usec * NSEC_PER_USEC))
		*deadline = deadline_in(ns);
	return 0;
}

static void timeval_out(uaddr_t addr, nsec_t deadline)
{
	struct linux_timeval tv;
	nsec_t left;

	if (!addr || deadline == NSEC_MAX)
		return;
	left = deadline ? time_left(deadline) : 0;
	tv.sec = left / NSEC_PER_SEC;
	tv.usec = left % NSEC_PER_SEC / NSEC_PER_USEC;
	(void)user_put(addr, &tv);
}

SYSCALL5(select, s32, n, uaddr_t, in, uaddr_t, out, uaddr_t, ex, uaddr_t, tv)
{
	uaddr_t sets[3] = { in, out, ex };
	nsec_t deadline;
	long ret = timeval_in(tv, &deadline);

	if (ret)
		return ret;
	ret = do_select(n, sets, deadline);
	timeval_out(tv, deadline);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

SYSCALL6(pselect6, s32, n, uaddr_t, in, uaddr_t, out, uaddr_t, ex, uaddr_t, ts,
	 uaddr_t, sigmask)
{
	uaddr_t sets[3] = { in, out, ex };
	nsec_t deadline;
	int has_mask;
	u64 mask;
	long ret = timespec_in(ts, &deadline);

	if (ret)
		return ret;
	has_mask = signal_read_mask_pair(&mask, sigmask);
	if (has_mask < 0)
		return has_mask;
	if (has_mask)
		signal_mask_begin(mask);
	ret = do_select(n, sets, deadline);
	if (has_mask)
		signal_mask_end(ret == -EINTR);
	timespec_out(ts, deadline);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

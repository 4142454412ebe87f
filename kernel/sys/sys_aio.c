/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_setup, io_destroy, io_submit, io_cancel, io_getevents, io_pgetevents.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/aio.h"
#include "kernel/kernel.h"
#include "kernel/linux/aio.h"
#include "kernel/linux/time.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/signal.h"
#include "kernel/sys/syscall.h"

SYSCALL2(io_setup, u32, nr, uaddr_t, id_at)
{
	uaddr_t id;
	long err;

	if (user_load_u64(&id, id_at))
		return -EFAULT;
	if (id || nr == 0)
		return -EINVAL;
	err = aio_setup(nr, &id);
	if (!err && user_store_u64(id_at, id)) {
		(void)aio_destroy(id);
		err = -EFAULT;
	}
	return err;
}

SYSCALL1(io_destroy, uaddr_t, id)
{
	return aio_destroy(id);
}

SYSCALL3(io_submit, uaddr_t, id, long, nr, uaddr_t, vec)
{
	struct aio_ctx *c = nr >= 0 ? aio_get(id) : NULL;
	long done = 0, err = 0;
	uaddr_t at;

	if (!c)
		return -EINVAL;
	nr = MIN(nr, (long)aio_capacity(c));
	while (done < nr && !err) {
		err = user_load_u64(&at, vec + (u64)done * sizeof(at));
		if (!err)
			err = aio_submit(c, at);
		done += !err;
	}
	aio_put(c);
	return done ? done : err;
}

SYSCALL3(io_cancel, uaddr_t, id, uaddr_t, at, uaddr_t, result UNUSED)
{
	struct aio_ctx *c;
	u32 key;
	long err;

	if (user_load_u32(&key, at + offsetof(struct iocb, aio_key)))
		return -EFAULT;
	c = key == 0 ? aio_get(id) : NULL;
	if (!c)
		return -EINVAL;
	err = aio_cancel(c, at);
	aio_put(c);
	return err;
}

/* A time is not checked here on Linux: what is past is not waited for. */
static long read_timeout(uaddr_t timeout, nsec_t *deadline)
{
	struct linux_timespec ts;
	nsec_t value;

	*deadline = NSEC_MAX;
	if (!timeout)
		return 0;
	if (user_get(&ts, timeout))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || (!ts.sec && !ts.nsec))
		*deadline = 0;
	else if (!timespec_to_nsec(&ts, &value))
		*deadline = clock_deadline(CLOCK_MONOTONIC, value, false);
	return 0;
}

static long get_events(uaddr_t id, long min, long max, uaddr_t to,
		       nsec_t deadline)
{
	struct aio_ctx *c = aio_get(id);
	long ret;

	if (!c)
		return -EINVAL;
	ret = aio_events(c, min, max, to, deadline);
	aio_put(c);
	return ret;
}

SYSCALL5(io_getevents, uaddr_t, id, long, min, long, max, uaddr_t, to, uaddr_t,
	 timeout)
{
	nsec_t deadline;
	long err = read_timeout(timeout, &deadline);

	return err ? err : get_events(id, min, max, to, deadline);
}

SYSCALL6(io_pgetevents, uaddr_t, id, long, min, long, max, uaddr_t, to, uaddr_t,
	 timeout, uaddr_t, sigmask)
{
	nsec_t deadline;
	int has_mask;
	u64 mask;
	long ret = read_timeout(timeout, &deadline);

	if (ret)
		return ret;
	has_mask = signal_read_mask_pair(&mask, sigmask);
	if (has_mask < 0)
		return has_mask;
	if (has_mask)
		signal_mask_begin(mask);
	ret = get_events(id, min, max, to, deadline);
	if (has_mask)
		signal_mask_end(ret == -EINTR);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait4 and waitid.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/wait.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/process.h"
#include "kernel/proc/rusage.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

#define WAIT4_OPTIONS \
	(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)
#define WAITID_OPTIONS                                                       \
	(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | \
	 __WCLONE | __WALL)

static int put_usage(uaddr_t addr, const struct rusage_sum *sum)
{
	struct linux_rusage ru;

	if (!addr)
		return 0;
	rusage_fill(&ru, sum);
	return user_put(addr, &ru);
}

SYSCALL4(wait4, s32, pid, uaddr_t, status, u32, options, uaddr_t, usage)
{
	struct wait_request req = { .options = options | WEXITED };
	struct wait_result r;
	long result;

	if (options & ~(u32)WAIT4_OPTIONS)
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1) {
		req.type = WAIT_ALL;
	} else if (pid > 0) {
		req.type = WAIT_PID;
		req.id = pid;
	} else {
		req.type = WAIT_PGID;
		req.id = pid == 0 ? process_current()->pgid : -pid;
	}
	result = process_wait(&req, &r);
	if (result <= 0)
		return result;
	if (status && user_store_u32(status, (u32)r.status))
		return -EFAULT;
	if (put_usage(usage, &r.usage))
		return -EFAULT;
	return result;
}

static long pidfd_request(struct wait_request *req, int fd)
{
	struct fdref ref = fd_get(fd);
	struct process *p;

	if (!ref.file)
		return -EBADF;
	p = pidfd_process(ref.file);
	if (p && (ref.file->flags & 04000)) /* O_NONBLOCK */
		req->is_nonblocking = true;
	fd_put(ref);
	if (!p)
		return -EBADF;
	req->type = WAIT_PID;
	req->id = p->pid;
	process_put(p);
	return 0;
}

static long waitid_request(struct wait_request *req, int which, s32 id)
{
	switch (which) {
	case P_ALL:
		req->type = WAIT_ALL;
		return 0;
	case P_PID:
		req->type = WAIT_PID;
		req->id = id;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		req->type = WAIT_PGID;
		req->id = id ? id : process_current()->pgid;
		return id >= 0 ? 0 : -EINVAL;
	case P_PIDFD:
		return id >= 0 ? pidfd_request(req, id) : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* What wait4() packs into a word, waitid() tells apart. */
static s32 plain_status(const struct wait_result *r)
{
	switch (r->code) {
	case LINUX_CLD_EXITED:
	case LINUX_CLD_STOPPED:
		return r->status >> 8 & 0xff;
	case LINUX_CLD_CONTINUED:
		return LINUX_SIGCONT;
	default:
		return r->status & 0x7f;
	}
}

/* What Linux writes: these fields only, zeros if nothing was found. */
static long info_out(uaddr_t at, const struct wait_result *r)
{
	struct linux_siginfo info;

	memset(&info, 0, sizeof(info));
	if (r) {
		info.si_signo = LINUX_SIGCHLD;
		info.si_code = r->code;
		info.u.chld.pid = r->pid;
		info.u.chld.uid = r->uid;
		info.u.chld.status = plain_status(r);
	}
	return at && user_copy_out(at, &info, 28) ? -EFAULT : 0;
}

static long do_waitid(int which, s32 id, u32 options, struct wait_result *r)
{
	struct wait_request req = { .options = options };
	long result;

	if ((options & ~(u32)WAITID_OPTIONS) ||
	    !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	result = waitid_request(&req, which, id);
	if (result)
		return result;
	if (req.is_nonblocking)
		req.options |= WNOHANG;
	result = process_wait(&req, r);
	if (result == 0 && req.is_nonblocking && !(options & WNOHANG))
		return -EAGAIN;
	return result;
}

SYSCALL5(waitid, int, which, s32, id, uaddr_t, info_at, u32, options, uaddr_t,
	 usage)
{
	struct wait_result r;
	long result = do_waitid(which, id, options, &r);

	if (result > 0 && put_usage(usage, &r.usage))
		return -EFAULT;
	/* After an error too, but not before a restart. */
	if (result < 0 && result >= -4095 && result <= -512)
		return result;
	if (info_out(info_at, result > 0 ? &r : NULL))
		return -EFAULT;
	return MIN(result, 0);
}

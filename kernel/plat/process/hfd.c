/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside descriptors: plat.h group 6. An hfd is the number in the descriptor
 * table that all host processes of the instance share. Calls that may block
 * use the interruptible stub, so that a kick is never lost.
 */
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

enum {
	HOST_MSG_PEEK = 2,
	HOST_MSG_CTRUNC = 8,
	HOST_MSG_TRUNC = 0x20,
	HOST_MSG_DONTWAIT = 0x40,
	HOST_MSG_NOSIGNAL = 0x4000,
	HOST_MSG_CMSG_CLOEXEC = 0x40000000,
	HOST_MSG_EOR = 0x80,
	HOST_MSG_MORE = 0x8000,
	HOST_MSG_CONFIRM = 0x800,
	HOST_SOL_SOCKET = 1,
	HOST_SCM_RIGHTS = 1,
};
#define HOST_NONBLOCK_CLOEXEC 02004000u

struct host_msghdr {
	void *name;
	u32 name_len;
	const struct plat_iovec *iov;
	u64 niov;
	void *control;
	u64 control_len;
	u32 flags;
};

s64 plat_hfd_readv(int hfd, const struct plat_iovec *iov, int n)
{
	lazy_touch(iov, n);
	return hostcall(__NR_readv, hfd, iov, n);
}

s64 plat_hfd_writev(int hfd, const struct plat_iovec *iov, int n)
{
	lazy_touch(iov, n);
	return hostcall(__NR_writev, hfd, iov, n);
}

s64 plat_hfd_readv_blocking(int hfd, const struct plat_iovec *iov, int n)
{
	s64 got;

	lazy_touch(iov, n);
	got = hostcall_intr(__NR_readv, hfd, iov, n);

	freeze_look_waiting(got, PARK_READ, (u32)hfd, NULL, NSEC_MAX);
	return got;
}

s64 plat_hfd_writev_blocking(int hfd, const struct plat_iovec *iov, int n)
{
	s64 done;

	lazy_touch(iov, n);
	done = hostcall_intr(__NR_writev, hfd, iov, n);

	freeze_look_waiting(done, PARK_WRITE, (u32)hfd, NULL, NSEC_MAX);
	return done;
}

int host_send_all(int fd, const void *p, size_t n)
{
	while (n) {
		struct plat_iovec iov = { (u64)p, n };
		s64 done = hostcall(__NR_writev, fd, &iov, 1);

		if (done == -EINTR || done == -EAGAIN)
			continue;
		if (done < 0)
			return (int)done;
		p = (const char *)p + done;
		n -= (size_t)done;
	}
	return 0;
}

s64 plat_hfd_recv(int hfd, const struct plat_iovec *iov, int n, int flags,
		  void *addr, u32 *addr_len)
{
	struct host_msghdr m = {
		.name = addr,
		.name_len = addr && addr_len ? *addr_len : 0,
		.iov = iov,
		.niov = (u64)n,
	};
	s64 got;

	lazy_touch(iov, n);
	got = hostcall(__NR_recvmsg, hfd, &m,
		       flags | HOST_MSG_DONTWAIT | HOST_MSG_CMSG_CLOEXEC);

	if (got >= 0 && addr_len)
		*addr_len = m.name_len;
	return got;
}

/* No send call is needed: sockets handed in are non-blocking and connected, the
 * host ignores SIGPIPE, and the remaining flags are hints. */
s64 plat_hfd_send(int hfd, const struct plat_iovec *iov, int n, int flags)
{
	const int hints = HOST_MSG_DONTWAIT | HOST_MSG_NOSIGNAL |
			  HOST_MSG_MORE | HOST_MSG_EOR | HOST_MSG_CONFIRM;

	if (flags & ~hints)
		return -EOPNOTSUPP;
	lazy_touch(iov, n);
	return hostcall(__NR_writev, hfd, iov, n);
}

s64 plat_hfd_sendfile(int hfd, enum plat_backing from, u64 offset, u64 len)
{
	int fd = from == PLAT_IMAGE ? plat_state.image_fd : plat_state.cache_fd;
	s64 at = (s64)offset;

	len = MIN(len, 0x7ffff000UL);
	if (from != PLAT_IMAGE)
		lazy_take(offset, len);
	return hostcall(__NR_sendfile, hfd, fd, &at, len);
}

int plat_hfd_accept(int hfd, void *addr, u32 *addr_len)
{
	return (int)hostcall(__NR_accept4, hfd, addr, addr_len,
			     HOST_NONBLOCK_CLOEXEC);
}

s64 plat_hfd_recv_fd(int hfd, void *buf, u64 size, int *got)
{
	struct {
		u64 len;
		s32 level, type;
		s32 fd; /* room for one */
	} PACKED control = { 0 };
	struct plat_iovec iov = { (u64)buf, size };
	struct host_msghdr m = {
		.iov = &iov,
		.niov = 1,
		.control = &control,
		.control_len = sizeof(control),
	};
	s64 n = hostcall(__NR_recvmsg, hfd, &m,
			 HOST_MSG_DONTWAIT | HOST_MSG_CMSG_CLOEXEC |
				 HOST_MSG_TRUNC);

	*got = -1;
	if (n < 0)
		return n;
	if (m.control_len == sizeof(control) &&
	    control.level == HOST_SOL_SOCKET && control.type == HOST_SCM_RIGHTS)
		*got = control.fd;
	return *got < 0 && (m.flags & HOST_MSG_CTRUNC) ? -EMFILE : n;
}

int plat_hfd_shutdown(int hfd, int how)
{
	return (int)hostcall(__NR_shutdown, hfd, how);
}

int plat_hfd_setsockopt(int hfd, int level, int name, const void *v, u32 len)
{
	if (!filter_option_passes(level, name, false))
		return -ENOPROTOOPT;
	return (int)hostcall(__NR_setsockopt, hfd, level, name, v, len);
}

int plat_hfd_getsockopt(int hfd, int level, int name, void *v, u32 *len)
{
	if (!filter_option_passes(level, name, true))
		return -ENOPROTOOPT;
	return (int)hostcall(__NR_getsockopt, hfd, level, name, v, len);
}

int plat_hfd_sockname(int hfd, void *addr, u32 *len, bool peer)
{
	return (int)hostcall(peer ? __NR_getpeername : __NR_getsockname, hfd,
			     addr, len);
}

int plat_hfd_readable_bytes(int hfd)
{
	s32 n = 0;
	s64 err = hostcall(__NR_ioctl, hfd, 0x541b, &n);

	return err ? (int)err : n;
}

void plat_hfd_close(int hfd)
{
	hostcall(__NR_close, hfd);
}

void plat_hfd_end(int hfd)
{
	hostcall(__NR_dup3, plat_state.image_fd, hfd, 02000000);
}

/* Time left until a deadline on CLOCK_MONOTONIC. */
static struct host_timespec time_left(nsec_t deadline)
{
	nsec_t left = deadline - plat_clock(PLAT_MONOTONIC);

	return host_timespec(MAX(left, 0));
}

/* `deadline` <= 0 polls and must not look at the clock. */
static struct host_timespec *timeout(struct host_timespec *ts, nsec_t deadline)
{
	if (deadline == NSEC_MAX)
		return NULL;
	*ts = deadline <= 0 ? host_timespec(0) : time_left(deadline);
	return ts;
}

int plat_hfd_poll(struct plat_pollfd *fds, int n, nsec_t deadline)
{
	struct host_timespec ts;
	s64 ready = hostcall_intr(__NR_ppoll, fds, n, timeout(&ts, deadline),
				  NULL, 8);

	freeze_look_waiting(ready, PARK_FDS, (u32)n, fds, deadline);
	return (int)ready;
}

int plat_hset_new(void)
{
	return (int)hostcall(__NR_epoll_create1, 02000000);
}

struct host_epoll_event {
	u32 events;
	u64 data;
} PACKED;

static int hset_ctl(int hset, int op, int hfd, u32 events, u64 data)
{
	struct host_epoll_event ev = { events, data };

	return (int)hostcall(__NR_epoll_ctl, hset, op, hfd, &ev);
}

int plat_hset_add(int hset, int hfd, u32 events, u64 data)
{
	return hset_ctl(hset, 1, hfd, events, data);
}

int plat_hset_mod(int hset, int hfd, u32 events, u64 data)
{
	return hset_ctl(hset, 3, hfd, events, data);
}

int plat_hset_del(int hset, int hfd)
{
	return hset_ctl(hset, 2, hfd, 0, 0);
}

#define HSET_BATCH 64

int plat_hset_wait(int hset, struct plat_event *ev, int max, nsec_t deadline)
{
	struct host_epoll_event batch[HSET_BATCH];
	struct host_timespec ts;
	s64 n;

	n = hostcall_intr(__NR_epoll_pwait2, hset, batch, MIN(max, HSET_BATCH),
			  timeout(&ts, deadline), NULL, 8);
	freeze_look_waiting(n, PARK_READ, (u32)hset, NULL, deadline);
	for (s64 i = 0; i < n; i++) {
		ev[i].events = batch[i].events;
		ev[i].data = batch[i].data;
	}
	return (int)n;
}

int plat_bell_new(void)
{
	return (int)hostcall(__NR_eventfd2, 0, HOST_NONBLOCK_CLOEXEC);
}

void plat_bell_ring(int bell)
{
	u64 one = 1;
	struct plat_iovec iov = { (u64)&one, sizeof(one) };

	hostcall(__NR_writev, bell, &iov, 1);
}

void plat_bell_hush(int bell)
{
	u64 count;
	struct plat_iovec iov = { (u64)&count, sizeof(count) };

	hostcall(__NR_readv, bell, &iov, 1);
}

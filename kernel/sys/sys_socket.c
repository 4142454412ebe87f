/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket calls.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/time.h"
#include "kernel/mm/heap.h"
#include "kernel/net/sock.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/thread.h"
#include "kernel/sys/syscall.h"

#define FAST_IOV 8
#define MMSG_MAX 1024
#define RW_MAX 0x7ffff000UL   /* what one call moves at most */
#define MSG_COMPAT (1u << 31) /* of 32-bit programs */

_Static_assert(SOCK_NONBLOCK == O_NONBLOCK && SOCK_CLOEXEC == O_CLOEXEC,
	       "socket flags are open flags");

static int sock_lookup(int fd, struct fdref *r, struct sock **sk)
{
	*r = fd_get(fd);
	if (!r->file)
		return -EBADF;
	*sk = sock_from_file(r->file);
	if (likely(*sk != NULL))
		return 0;
	fd_put(*r);
	return -ENOTSOCK;
}

static u32 nonblock_flag(const struct fdref *r)
{
	return atomic_load(&r->file->flags) & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

/* --- Addresses
 * ------------------------------------------------------------------ */

static int addr_in(struct sock_addr *a, uaddr_t addr, s32 len)
{
	if (len < 0 || len > SOCK_ADDR_MAX)
		return -EINVAL;
	a->family = AF_UNSPEC;
	a->len = (u32)len;
	return len && user_copy_in(a->bytes, addr, (u32)len) ? -EFAULT : 0;
}

/* To a buffer of *len bytes; *len becomes the true length. */
static int addr_out(const struct sock_addr *a, uaddr_t addr, uaddr_t len)
{
	s32 room;

	if (user_get(&room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (user_copy_out(addr, a->bytes, MIN((u32)room, a->len)) ||
	    user_store_u32(len, a->len))
		return -EFAULT;
	return 0;
}

/* --- Making sockets
 * ----------------------------------------------------------------- */

static int check_type(u32 type)
{
	if (type & ~(u32)(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	return 0;
}

SYSCALL3(socket, u32, domain, u32, type, u32, protocol)
{
	struct sock *sk;
	struct file *f;
	int err = check_type(type);

	if (!err)
		err = sock_create(domain, type & SOCK_TYPE_MASK, protocol, &sk);
	if (!err)
		err = sock_file_new(sk, type & SOCK_NONBLOCK, &f);
	if (err)
		return err;
	return fd_install(f, 0, type & SOCK_CLOEXEC);
}

static int pair_files(struct sock *pair[2], u32 flags, struct file *f[2])
{
	int err = sock_file_new(pair[0], flags, &f[0]);

	if (err) {
		pair[1]->ops->close(pair[1]);
		sock_put(pair[1]);
		return err;
	}
	err = sock_file_new(pair[1], flags, &f[1]);
	if (err)
		file_put(f[0]);
	return err;
}

static int make_pair(u32 domain, u32 type, u32 protocol, struct file *f[2])
{
	struct sock *pair[2];
	int err = check_type(type);

	if (err)
		return err;
	if (domain != AF_UNIX) {
		/* Known, but has no pairs: as Linux. */
		err = sock_create(domain, type & SOCK_TYPE_MASK, protocol,
				  &pair[0]);
		if (err)
			return err;
		pair[0]->ops->close(pair[0]);
		sock_put(pair[0]);
		return -EOPNOTSUPP;
	}
	err = unix_socketpair(type & SOCK_TYPE_MASK, protocol, pair);
	return err ? err : pair_files(pair, type & SOCK_NONBLOCK, f);
}

SYSCALL4(socketpair, u32, domain, u32, type, u32, protocol, uaddr_t, fds)
{
	bool cloexec = type & SOCK_CLOEXEC;
	struct file *f[2];
	int fd[2] = { -1, -1 };
	int err;

	fd[0] = fd_reserve(0, cloexec);
	if (fd[0] < 0)
		return fd[0];
	fd[1] = fd_reserve(0, cloexec);
	err = fd[1] < 0 ? fd[1] : user_put(fds, &fd);
	if (!err)
		err = make_pair(domain, type, protocol, f);
	if (err) {
		fd_unreserve(fd[0]);
		if (fd[1] >= 0)
			fd_unreserve(fd[1]);
		return err;
	}
	fd_publish(fd[0], f[0]);
	fd_publish(fd[1], f[1]);
	return 0;
}

/* --- Names and connections
 * -------------------------------------------------------------- */

SYSCALL3(bind, int, fd, uaddr_t, addr, s32, len)
{
	struct sock_addr a;
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	err = addr_in(&a, addr, len);
	if (!err)
		err = sk->ops->bind ? sk->ops->bind(sk, &a) : -EOPNOTSUPP;
	fd_put(r);
	return err;
}

SYSCALL3(connect, int, fd, uaddr_t, addr, s32, len)
{
	struct fdref r = fd_get(fd);
	struct sock_addr a;
	struct sock *sk;
	int err;

	if (!r.file)
		return -EBADF;
	err = addr_in(&a, addr, len); /* before: is it a socket? */
	sk = sock_from_file(r.file);
	if (!err && !sk)
		err = -ENOTSOCK;
	if (!err && !sk->ops->connect)
		err = -EOPNOTSUPP;
	if (!err)
		err = sk->ops->connect(sk, &a, nonblock_flag(&r) != 0);
	fd_put(r);
	return err;
}

SYSCALL2(listen, int, fd, int, backlog)
{
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	err = sk->ops->listen ? sk->ops->listen(sk, backlog) : -EOPNOTSUPP;
	fd_put(r);
	return err;
}

/* Wait for a connection and make its file. */
static long accept_file(struct sock *sk, bool nonblock, u32 flags,
			struct sock_addr *a, struct file **f)
{
	struct sock *new_sk;
	int err;

	if (!sk->ops->accept)
		return -EOPNOTSUPP;
	err = sk->ops->accept(sk, nonblock, &new_sk, a);
	if (err)
		return err;
	return sock_file_new(new_sk, flags & SOCK_NONBLOCK, f);
}

static long do_accept(int fd, uaddr_t addr, uaddr_t len, u32 flags)
{
	struct sock_addr a = { .len = 0 };
	struct file *f;
	struct fdref r;
	struct sock *sk;
	long err;
	int new_fd;

	if (flags & ~(u32)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	err = sock_lookup(fd, &r, &sk);
	if (err)
		return err;
	new_fd = fd_reserve(0, flags & SOCK_CLOEXEC);
	err = new_fd < 0
		      ? new_fd
		      : accept_file(sk, nonblock_flag(&r) != 0, flags, &a, &f);
	fd_put(r);
	if (err) {
		if (new_fd >= 0)
			fd_unreserve(new_fd);
		return err;
	}
	if (addr) {
		err = addr_out(&a, addr, len);
		if (err) {
			fd_unreserve(new_fd);
			file_put(f);
			return err;
		}
	}
	fd_publish(new_fd, f);
	return new_fd;
}

SYSCALL3(accept, int, fd, uaddr_t, addr, uaddr_t, len)
{
	return do_accept(fd, addr, len, 0);
}

SYSCALL4(accept4, int, fd, uaddr_t, addr, uaddr_t, len, u32, flags)
{
	return do_accept(fd, addr, len, flags);
}

static long get_name(int fd, uaddr_t addr, uaddr_t len, bool peer)
{
	struct sock_addr a;
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	err = sk->ops->name_get(sk, peer, &a);
	if (!err)
		err = addr_out(&a, addr, len);
	fd_put(r);
	return err;
}

SYSCALL3(getsockname, int, fd, uaddr_t, addr, uaddr_t, len)
{
	return get_name(fd, addr, len, false);
}

SYSCALL3(getpeername, int, fd, uaddr_t, addr, uaddr_t, len)
{
	return get_name(fd, addr, len, true);
}

SYSCALL2(shutdown, int, fd, int, how)
{
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		err = -EINVAL;
	else
		err = sk->ops->shutdown ? sk->ops->shutdown(sk, how)
					: -EOPNOTSUPP;
	fd_put(r);
	return err;
}

SYSCALL5(setsockopt, int, fd, int, level, int, name, uaddr_t, value, s32, len)
{
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	err = sock_setsockopt(sk, level, name, value, len);
	fd_put(r);
	return err;
}

SYSCALL5(getsockopt, int, fd, int, level, int, name, uaddr_t, value, uaddr_t,
	 len)
{
	struct fdref r;
	struct sock *sk;
	int err = sock_lookup(fd, &r, &sk);

	if (err)
		return err;
	err = sock_getsockopt(sk, level, name, value, len);
	fd_put(r);
	return err;
}

/* --- Sending
 * -----------------------------------------------------------------------------
 */

static void msg_init(struct sock_msg *m, u32 flags)
{
	m->addr = NULL;
	m->flags = flags;
	m->out_flags = 0;
	m->scm.files = NULL;
	m->scm.has_cred = false;
	m->control = NULL;
	m->control_in = 0;
	m->control_in_len = 0;
}

SYSCALL6(sendto, int, fd, uaddr_t, buf, u64, len, u32, flags, uaddr_t, addr,
	 s32, addr_len)
{
	struct sock_addr a;
	struct sock_msg m;
	struct fdref r;
	struct sock *sk;
	s64 ret = user_range_ok(buf, MIN(len, RW_MAX))
			  ? sock_lookup(fd, &r, &sk)
			  : -EFAULT;

	if (ret)
		return ret;
	msg_init(&m, flags | nonblock_flag(&r));
	uio_init_user(&m.uio, buf, len);
	if (addr) {
		ret = addr_in(&a, addr, addr_len);
		m.addr = &a;
	}
	if (!ret)
		ret = sock_send(sk, &m);
	fd_put(r);
	return ret;
}

/* A message header of the program, its buffers and, to send, its address. */
struct msg_in {
	struct linux_msghdr h;
	struct plat_iovec fast[FAST_IOV];
	struct plat_iovec *alloc;
	struct sock_addr addr;
};

static int msg_import(struct msg_in *in, uaddr_t hdr, struct sock_msg *m)
{
	if (user_get(&in->h, hdr))
		return -EFAULT;
	in->alloc = NULL;
	if (in->h.iov_len > UIO_MAX_IOV)
		return -EMSGSIZE;
	return uio_import(&m->uio, in->h.iov, (u32)in->h.iov_len, in->fast,
			  &in->alloc);
}

static s64 send_one(struct sock *sk, uaddr_t hdr, u32 flags)
{
	struct msg_in in;
	struct sock_msg m;
	s64 ret;

	msg_init(&m, flags);
	ret = msg_import(&in, hdr, &m);
	if (ret)
		return ret;
	if (in.h.name && in.h.name_len) {
		ret = addr_in(&in.addr, in.h.name,
			      (s32)MIN(in.h.name_len, (u32)SOCK_ADDR_MAX));
		m.addr = &in.addr;
	}
	if (in.h.control && in.h.control_len) {
		m.control_in = in.h.control;
		m.control_in_len = in.h.control_len;
		if (in.h.control_len > INT32_MAX)
			ret = -ENOBUFS;
	}
	if (!ret)
		ret = sock_send(sk, &m);
	kfree(in.alloc);
	return ret;
}

SYSCALL3(sendmsg, int, fd, uaddr_t, hdr, u32, flags)
{
	struct fdref r;
	struct sock *sk;
	s64 ret = flags & MSG_COMPAT ? -EINVAL : sock_lookup(fd, &r, &sk);

	if (ret)
		return ret;
	ret = send_one(sk, hdr, flags | nonblock_flag(&r));
	fd_put(r);
	return ret;
}

SYSCALL4(sendmmsg, int, fd, uaddr_t, vec, u32, n, u32, flags)
{
	struct fdref r;
	struct sock *sk;
	s64 ret = flags & MSG_COMPAT ? -EINVAL : sock_lookup(fd, &r, &sk);
	u32 done = 0;

	if (ret)
		return ret;
	n = MIN(n, (u32)MMSG_MAX);
	for (; done < n; done++) {
		uaddr_t at = vec + done * sizeof(struct linux_mmsghdr);

		ret = send_one(sk, at, flags | nonblock_flag(&r));
		if (ret >= 0)
			ret = user_store_u32(
				at + offsetof(struct linux_mmsghdr, len),
				(u32)ret);
		if (ret < 0)
			break;
	}
	fd_put(r);
	return done ? (s64)done : ret;
}

/* --- Receiving
 * ---------------------------------------------------------------------------
 */

SYSCALL6(recvfrom, int, fd, uaddr_t, buf, u64, len, u32, flags, uaddr_t, addr,
	 uaddr_t, addr_len)
{
	struct sock_addr a;
	struct sock_msg m;
	struct fdref r;
	struct sock *sk;
	s64 ret = user_range_ok(buf, MIN(len, RW_MAX))
			  ? sock_lookup(fd, &r, &sk)
			  : -EFAULT;
	int err = 0;

	if (ret)
		return ret;
	msg_init(&m, flags | nonblock_flag(&r));
	uio_init_user(&m.uio, buf, len);
	a.len = 0;
	if (addr)
		m.addr = &a;
	ret = sock_recv(sk, &m);
	if (m.scm.files)
		scm_free(m.scm.files);
	if (ret >= 0 && addr)
		err = addr_out(&a, addr, addr_len);
	fd_put(r);
	return err ? err : ret;
}

/* What recvmsg writes back into the header. */
static int msg_export(struct msg_in *in, uaddr_t hdr, struct sock_msg *m,
		      struct sock *sk)
{
	struct control_out *c = m->control;
	u32 flags;

	if (in->h.name) {
		u32 room = MIN(in->h.name_len, (u32)INT32_MAX);

		if (user_copy_out(in->h.name, in->addr.bytes,
				  MIN(room, in->addr.len)) ||
		    user_store_u32(
			    hdr + offsetof(struct linux_msghdr, name_len),
			    in->addr.len))
			return -EFAULT;
	}
	control_put_scm(c, sk, &m->scm, m->flags & MSG_CMSG_CLOEXEC);
	flags = m->out_flags | (m->flags & MSG_CMSG_CLOEXEC) |
		(c->is_cut ? (u32)MSG_CTRUNC : 0);
	if (user_store_u32(hdr + offsetof(struct linux_msghdr, flags), flags) ||
	    user_store_u64(hdr + offsetof(struct linux_msghdr, control_len),
			   c->used))
		return -EFAULT;
	return 0;
}

static s64 recv_one(struct sock *sk, uaddr_t hdr, u32 flags)
{
	struct control_out control = { 0, 0, 0, false };
	struct msg_in in;
	struct sock_msg m;
	s64 ret;
	int err;

	msg_init(&m, flags);
	ret = msg_import(&in, hdr, &m);
	if (ret)
		return ret;
	in.addr.len = 0;
	if (in.h.name)
		m.addr = &in.addr;
	if (in.h.control) {
		control.buf = in.h.control;
		control.len = MIN(in.h.control_len, (u64)INT32_MAX);
	}
	m.control = &control;
	ret = sock_recv(sk, &m);
	if (ret >= 0) {
		err = msg_export(&in, hdr, &m, sk);
		if (err)
			ret = err;
	}
	if (m.scm.files)
		scm_free(m.scm.files);
	kfree(in.alloc);
	return ret;
}

SYSCALL3(recvmsg, int, fd, uaddr_t, hdr, u32, flags)
{
	struct fdref r;
	struct sock *sk;
	s64 ret = flags & MSG_COMPAT ? -EINVAL : sock_lookup(fd, &r, &sk);

	if (ret)
		return ret;
	ret = recv_one(sk, hdr, flags | nonblock_flag(&r));
	fd_put(r);
	return ret;
}

static int mmsg_deadline(uaddr_t timeout, nsec_t *deadline)
{
	struct linux_timespec ts;

	*deadline = NSEC_MAX;
	if (!timeout)
		return 0;
	if (user_get(&ts, timeout))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (ts.sec < NSEC_MAX / NSEC_PER_SEC / 2)
		*deadline = plat_clock(PLAT_MONOTONIC) + ts.sec * NSEC_PER_SEC +
			    ts.nsec;
	return 0;
}

SYSCALL5(recvmmsg, int, fd, uaddr_t, vec, u32, n, u32, flags, uaddr_t, timeout)
{
	struct fdref r;
	struct sock *sk;
	nsec_t deadline;
	s64 ret = mmsg_deadline(timeout, &deadline);
	u32 done = 0, each = flags & ~(u32)MSG_WAITFORONE;

	if (flags & MSG_COMPAT)
		ret = -EINVAL;
	if (!ret)
		ret = sock_lookup(fd, &r, &sk);
	if (ret)
		return ret;
	n = MIN(n, (u32)MMSG_MAX);
	while (done < n) {
		uaddr_t at = vec + done * sizeof(struct linux_mmsghdr);

		ret = recv_one(sk, at, each | nonblock_flag(&r));
		if (ret >= 0)
			ret = user_store_u32(
				at + offsetof(struct linux_mmsghdr, len),
				(u32)ret);
		if (ret < 0)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			each |= MSG_DONTWAIT;
		/* As Linux: looked at between messages only. */
		if (deadline != NSEC_MAX &&
		    plat_clock(PLAT_MONOTONIC) >= deadline)
			break;
	}
	fd_put(r);
	return done ? (s64)done : ret;
}

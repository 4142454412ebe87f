/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a socket that all families share: creation, references, its file,
 * errors and sleeping.
 */
#include "kernel/net/sock.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

static const struct sock_family families[] = {
	{ AF_UNIX, unix_create },
	{ AF_INET, inet_create4 },
	{ AF_INET6, inet_create6 },
	{ AF_NETLINK, netlink_create },
};

static u64 nsocks;
static u64 next_cookie = 1;
static const struct file_ops sock_fops;

u64 sock_count(void)
{
	return atomic_load(&nsocks);
}

int sock_create(u32 domain, u32 type, u32 protocol, struct sock **sk)
{
	if (domain < AF_MAX && type > 10 /* SOCK_PACKET */)
		return -EINVAL;
	for (u32 i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i].domain == domain)
			return families[i].create(type, protocol, sk);
	}
	if (domain == AF_UNSPEC || domain >= AF_MAX)
		return -EAFNOSUPPORT;
	return (int)syscall_unsupported("socket family", domain, EAFNOSUPPORT);
}

int sock_alloc(size_t size, const struct sock_ops *ops, u32 domain, u32 type,
	       u32 protocol, struct sock **out)
{
	struct sock *sk = kzalloc(size);

	if (!sk)
		return -ENOMEM;
	ref_init(&sk->ref);
	sk->ops = ops;
	sk->domain = (u16)domain;
	sk->type = (u16)type;
	sk->protocol = (u16)protocol;
	waitq_init(&sk->rwait);
	waitq_init(&sk->wwait);
	list_init(&sk->accept_queue);
	list_init(&sk->accept_node);
	list_init(&sk->msgs);
	list_init(&sk->inflight_node);
	stream_init(&sk->rx);
	sk->rcvbuf = SOCK_BUF_DEFAULT;
	sk->sndbuf = SOCK_BUF_DEFAULT;
	sk->rcvlowat = 1;
	sk->incoming_cpu = -1;
	sk->peek_off = -1;
	sk->txrehash = 1;
	sk->pacing_rate = ~0UL;
	sk->cookie = atomic_fetch_add(&next_cookie, 1);
	scm_current_cred(&sk->cred);
	atomic_fetch_add(&nsocks, 1);
	*out = sk;
	return 0;
}

void sock_get(struct sock *sk)
{
	ref_get(&sk->ref);
}

bool sock_tryget(struct sock *sk)
{
	return ref_tryget(&sk->ref);
}

void sock_put(struct sock *sk)
{
	struct list dead;

	if (!ref_put(&sk->ref))
		return;
	list_init(&dead);
	if (sk->ops->free)
		sk->ops->free(sk);
	stream_fini(&sk->rx, &dead);
	kassert(list_empty(&dead)); /* close() has emptied it */
	atomic_fetch_sub(&nsocks, 1);
	kfree(sk);
}

int sock_file_new(struct sock *sk, u32 flags, struct file **f)
{
	int err = file_new_anon("socket", TYPE_SOCK | 0777, &sock_fops, sk,
				O_RDWR | flags, f);

	if (err) {
		if (sk->ops->close)
			sk->ops->close(sk);
		sock_put(sk);
		return err;
	}
	sk->file = *f;
	sk->ino = (*f)->inode->ino;
	return 0;
}

struct sock *sock_from_file(const struct file *f)
{
	return f->ops == &sock_fops ? f->data : NULL;
}

void sock_sources_changed(struct sock *sk)
{
	struct file *f = sk->file;

	if (f && !list_empty(&f->epoll_watches))
		epoll_file_rearm(f);
	sock_wake_all(sk);
}

/* --- Errors and sleeping
 * ------------------------------------------------------ */

int sock_take_error(struct sock *sk)
{
	if (likely(atomic_load(&sk->error) == 0))
		return 0;
	return -atomic_xchg(&sk->error, 0);
}

void sock_set_error(struct sock *sk, int err)
{
	atomic_store(&sk->error, err);
}

void sock_signal_owner(struct sock *sk, int sig)
{
	struct linux_siginfo info;

	if (!sk->file)
		return;
	siginfo_kernel(&info, sig);
	file_signal_owner(sk->file, sig, &info);
}

void sock_wake_all(struct sock *sk)
{
	waitq_wake_events(&sk->rwait, ~0U, ~0U);
	waitq_wake_events(&sk->wwait, ~0U, ~0U);
}

int sock_sleep_error(int err, nsec_t timeout)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	if (err == -EINTR)
		return timeout ? -EINTR : -ERESTARTSYS;
	return err;
}

static nsec_t sleep_until(nsec_t timeout, nsec_t *deadline)
{
	if (timeout == 0)
		return NSEC_MAX;
	if (*deadline == 0)
		*deadline = plat_clock(PLAT_MONOTONIC) + timeout;
	return *deadline;
}

static int sleep_queued(struct waiter *w, struct mutex *held, nsec_t timeout,
			nsec_t *deadline)
{
	nsec_t until = sleep_until(timeout, deadline);
	struct waitq *q = w->queue;
	int err;

	if (held)
		mutex_unlock(held);
	err = thread_sleep(until, true);
	waitq_remove(w);
	/* A wake that was meant for this thread goes to the next one. */
	if (err && w->is_exclusive)
		waitq_wake_events(q, ~0U, 1);
	if (held)
		mutex_lock_again(held);
	return sock_sleep_error(err, timeout);
}

int sock_sleep(struct waitq *q, struct mutex *held, nsec_t timeout,
	       nsec_t *deadline)
{
	struct waiter w;

	waiter_init(&w);
	waitq_add_exclusive(q, &w);
	return sleep_queued(&w, held, timeout, deadline);
}

int sock_sleep_shared(struct waitq *q, struct mutex *held, nsec_t timeout,
		      nsec_t *deadline)
{
	struct waiter w;

	waiter_init(&w);
	waitq_add(q, &w);
	return sleep_queued(&w, held, timeout, deadline);
}

int sock_sleep_hfd(struct waitq *q, int hfd, u32 events, nsec_t timeout,
		   nsec_t *deadline)
{
	struct plat_pollfd pfd = { .hfd = hfd, .events = (s16)events };
	nsec_t until = sleep_until(timeout, deadline);
	struct waiter w;
	int err;

	waiter_init(&w);
	waitq_add(q, &w);
	err = thread_sleep_poll(&pfd, 1, until);
	waitq_remove(&w);
	return err > 0 ? 0 : sock_sleep_error(err, timeout);
}

int sock_broken(u32 flags)
{
	struct linux_siginfo info;

	if (!(flags & MSG_NOSIGNAL)) {
		siginfo_user(&info, LINUX_SIGPIPE);
		signal_send_thread(current(), LINUX_SIGPIPE, &info);
	}
	return -EPIPE;
}

/* --- The calls
 * ------------------------------------------------------------------- */

s64 sock_send(struct sock *sk, struct sock_msg *m)
{
	const struct sock_ops *ops = sk->ops;

	if (!ops->send)
		return -EOPNOTSUPP;
	return ops->send(sk, m);
}

s64 sock_recv(struct sock *sk, struct sock_msg *m)
{
	const struct sock_ops *ops = sk->ops;

	if (!ops->recv)
		return -EOPNOTSUPP;
	return ops->recv(sk, m);
}

static bool is_nonblock(const struct file *f)
{
	return atomic_load(&f->flags) & O_NONBLOCK;
}

static bool nowait(const struct file *f, const struct uio *u)
{
	return u->nowait || is_nonblock(f);
}

static s64 sock_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct sock *sk = f->data;
	const struct sock_ops *ops = sk->ops;
	struct sock_msg m;
	s64 ret;

	if (likely(ops->read != NULL))
		return ops->read(sk, u, nowait(f, u));
	memset(&m, 0, sizeof(m));
	m.uio = *u;
	m.flags = nowait(f, u) ? MSG_DONTWAIT : 0;
	ret = sock_recv(sk, &m);
	if (m.scm.files)
		scm_free(m.scm.files);
	uio_advance(u, u->left - m.uio.left);
	return ret;
}

static s64 sock_write(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct sock *sk = f->data;
	const struct sock_ops *ops = sk->ops;
	struct sock_msg m;
	s64 ret;

	if (likely(ops->write != NULL))
		return ops->write(sk, u, nowait(f, u));
	memset(&m, 0, sizeof(m));
	m.uio = *u;
	m.flags = nowait(f, u) ? MSG_DONTWAIT : 0;
	ret = sock_send(sk, &m);
	uio_advance(u, u->left - m.uio.left);
	return ret;
}

static u32 sock_poll(struct file *f, struct poll_table *pt)
{
	struct sock *sk = f->data;

	return sk->ops->poll(sk, pt);
}

static long sock_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct sock *sk = f->data;
	long ret = netdev_ioctl(cmd, arg);

	if (ret != -ENOTTY)
		return ret;
	return sk->ops->ioctl ? sk->ops->ioctl(sk, cmd, arg) : -ENOTTY;
}

static void sock_release(struct file *f)
{
	struct sock *sk = f->data;

	/* epoll's watches are gone already. */
	sk->file = NULL;
	if (sk->ops->close)
		sk->ops->close(sk);
	if (sk->domain == AF_UNIX)
		scm_gc();
	sock_put(sk);
}

s64 sock_sendfile(struct file *f, struct object *o, u64 offset, u64 len)
{
	struct sock *sk = sock_from_file(f);

	if (!sk || !sk->ops->sendfile)
		return -EOPNOTSUPP;
	return sk->ops->sendfile(sk, o, offset, len, is_nonblock(f));
}

static const struct file_ops sock_fops = {
	.name = "socket",
	.read = sock_read,
	.write = sock_write,
	.poll = sock_poll,
	.ioctl = sock_ioctl,
	.release = sock_release,
	.splice_from_object = sock_sendfile,
};

/* --- Control messages to the program
 * ------------------------------------------------ */

void control_put(struct control_out *c, int level, int type, const void *data,
		 u64 len)
{
	struct linux_cmsghdr h = { sizeof(h) + len, level, type };
	uaddr_t at;

	if (!c || c->len - c->used < sizeof(h)) {
		if (c)
			c->is_cut = true;
		return;
	}
	if (h.len > c->len - c->used) {
		c->is_cut = true;
		h.len = c->len - c->used;
	}
	at = c->buf + c->used;
	if (user_put(at, &h) ||
	    user_copy_out(at + sizeof(h), data, h.len - sizeof(h)))
		return;
	c->used += MIN(CMSG_ROUND(h.len), c->len - c->used);
}

static void put_rights(struct control_out *c, struct scm_files *f, bool cloexec)
{
	struct linux_cmsghdr h = { 0, SOL_SOCKET, SCM_RIGHTS };
	u64 room = c ? c->len - c->used : 0;
	u32 max, i;

	max = room > sizeof(h) ? (u32)MIN((room - sizeof(h)) / 4, f->n) : 0;
	for (i = 0; i < max; i++) {
		int fd = fd_reserve(0, cloexec);

		if (fd < 0)
			break;
		if (user_store_u32(c->buf + c->used + sizeof(h) + i * 4UL,
				   (u32)fd)) {
			fd_unreserve(fd);
			break;
		}
		fd_publish(fd, f->file[i]);
		f->file[i] = NULL;
	}
	if (c && i) {
		h.len = sizeof(h) + i * 4UL;
		if (user_put(c->buf + c->used, &h) == 0)
			c->used += MIN(CMSG_ROUND(h.len), room);
	}
	if (c && i < f->n)
		c->is_cut = true;
	for (; i < f->n; i++)
		file_put(f->file[i]);
	kfree(f);
}

#define SCM_PIDFD 4

static void put_pidfd(struct control_out *c, s32 pid, bool cloexec)
{
	struct process *p = pid > 0 ? process_find(pid) : NULL;
	struct file *f = NULL;
	int fd = p ? pidfd_new(p, 0, &f) : -ESRCH;

	if (p)
		process_put(p);
	if (fd == 0)
		fd = fd_install(f, 0, cloexec);
	control_put(c, SOL_SOCKET, SCM_PIDFD, &fd, sizeof(fd));
}

void control_put_scm(struct control_out *c, struct sock *sk, struct scm *scm,
		     bool cloexec)
{
	if (atomic_load(&sk->flags) & SF_PASSCRED) {
		struct linux_ucred none = { 0, 65534, 65534 };

		control_put(c, SOL_SOCKET, SCM_CREDENTIALS,
			    scm->has_cred ? &scm->cred : &none, sizeof(none));
	}
	if (atomic_load(&sk->flags) & SF_PASSPIDFD)
		put_pidfd(c, scm->has_cred ? scm->cred.pid : 0, cloexec);
	if (scm->files) {
		put_rights(c, scm->files, cloexec);
		scm->files = NULL;
	}
}

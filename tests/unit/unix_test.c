/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of AF_UNIX through the system calls' own bodies: descriptors in
 * flight, cycles among them, and that nothing is left over.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/linux/socket.h"
#include "kernel/mm/heap.h"
#include "kernel/net/netdev.h"
#include "kernel/net/scm_int.h"
#include "kernel/net/sock.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_proc.h"

static u64 base_files, base_inodes, base_dentries;

/* The other families are not linked. */
int inet_create4(u32 type, u32 protocol, struct sock **sk)
{
	(void)type, (void)protocol, (void)sk;
	return -EAFNOSUPPORT;
}

int inet_create6(u32 type, u32 protocol, struct sock **sk)
{
	return inet_create4(type, protocol, sk);
}

int netlink_create(u32 type, u32 protocol, struct sock **sk)
{
	return inet_create4(type, protocol, sk);
}

long netdev_ioctl(u32 cmd, uaddr_t arg)
{
	(void)cmd, (void)arg;
	return -ENOTTY;
}

u32 netdev_index_of(const char *name)
{
	(void)name;
	return 0;
}

int pidfd_new(struct process *p, u32 flags, struct file **f)
{
	(void)p, (void)flags, (void)f;
	return -ENOMEM;
}

struct process *process_find(s32 pid)
{
	(void)pid;
	return NULL;
}

void process_put(struct process *p)
{
	(void)p;
}

int signal_send_process(struct process *p, int sig,
			const struct linux_siginfo *info)
{
	(void)p, (void)sig, (void)info;
	return 0;
}

int signal_send_group(s32 pgid, int sig, const struct linux_siginfo *info)
{
	(void)pgid, (void)sig, (void)info;
	return -ESRCH;
}

struct cred *cred_get(struct cred *c)
{
	return c;
}

void cred_put(struct cred *c)
{
	(void)c;
}

void epoll_file_rearm(struct file *f)
{
	(void)f;
}

int thread_sleep_poll(struct plat_pollfd *fds, int n, nsec_t deadline)
{
	(void)fds, (void)n, (void)deadline;
	return -EINTR;
}

void waitq_add_exclusive(struct waitq *q, struct waiter *w)
{
	waitq_add(q, w);
}

const struct cred *cred_current(void)
{
	return &stub_proc.cred;
}

bool cred_capable(int cap)
{
	return cred_has(&stub_proc.cred, cap);
}

bool cred_has(const struct cred *c, int cap)
{
	return c->cap_effective >> cap & 1;
}

void siginfo_user(struct linux_siginfo *info, int sig)
{
	siginfo_kernel(info, sig);
}

#define OK(want, call) assert_int_equal((call), (want))

static int setup(void **state)
{
	(void)state;
	stub_proc_start();
	vfs_counts(&base_files, &base_inodes, &base_dentries);
	return 0;
}

static int teardown(void **state)
{
	u64 files, inodes, dentries;

	(void)state;
	for (int fd = 0; fd < 64; fd++)
		CALL(close, fd);
	scm_gc();
	vfs_counts(&files, &inodes, &dentries);
	assert_int_equal(files, base_files);
	assert_int_equal(sock_count(), 0);
	assert_int_equal(scm_state.nfiles, 0);
	assert_int_equal(scm_state.nsocks, 0);
	stub_proc_stop();
	return 0;
}

static void pair(int type, int fd[2])
{
	static int out[2];

	OK(0, CALL(socketpair, AF_UNIX, type, 0, out));
	memcpy(fd, out, sizeof(out));
}

static struct {
	struct linux_msghdr h;
	struct linux_iovec iov;
	char byte;
	struct {
		struct linux_cmsghdr h;
		int fd[4];
	} c;
} m;

static void message(u32 nfds)
{
	memset(&m, 0, sizeof(m));
	m.byte = 'x';
	m.iov.base = (u64)&m.byte;
	m.iov.len = 1;
	m.h.iov = (u64)&m.iov;
	m.h.iov_len = 1;
	m.h.control = (u64)&m.c;
	m.c.h.len = sizeof(m.c.h) + nfds * 4;
	m.h.control_len = m.c.h.len;
	m.c.h.level = SOL_SOCKET;
	m.c.h.type = SCM_RIGHTS;
}

static long send_fd(int via, int fd)
{
	message(1);
	m.c.fd[0] = fd;
	return CALL(sendmsg, via, &m.h, 0);
}

static long recv_fd(int via, u32 flags)
{
	long n;

	message(4);
	m.h.control_len = sizeof(m.c);
	n = CALL(recvmsg, via, &m.h, flags);
	if (n < 0)
		return n;
	return m.h.control_len ? m.c.fd[0] : -1;
}

static void test_pass(void **state)
{
	int a[2], b[2];
	long fd;

	(void)state;
	pair(SOCK_STREAM, a);
	pair(SOCK_STREAM, b);
	OK(1, send_fd(a[0], b[0]));
	OK(0, CALL(close, b[0]));
	fd = recv_fd(a[1], MSG_PEEK);
	assert_true(fd >= 0);
	OK(0, CALL(close, fd));
	fd = recv_fd(a[1], 0);
	assert_true(fd >= 0);
	OK(3, CALL(write, fd, "abc", 3));
	OK(3, CALL(recvfrom, b[1], &m.c, 16, 0, 0, 0));
	OK(-EBADF, send_fd(a[0], 60));
}

static void test_never_received(void **state)
{
	int a[2], b[2];

	(void)state;
	pair(SOCK_STREAM, a);
	pair(SOCK_DGRAM, b);
	OK(1, send_fd(a[0], b[0]));
	OK(1, send_fd(b[0], a[0]));
	/* teardown closes what is open; the rest must go by itself */
}

static void cycle(int type)
{
	int a[2];

	pair(type, a);
	OK(1, send_fd(a[0], a[0])); /* each end in its own other's queue */
	OK(1, send_fd(a[1], a[1]));
	OK(0, CALL(close, a[0]));
	OK(0, CALL(close, a[1]));
}

static void test_cycle(void **state)
{
	(void)state;
	cycle(SOCK_STREAM);
	cycle(SOCK_DGRAM);
	cycle(SOCK_SEQPACKET);
	/* As on Linux, the close of any other socket finds them. */
	OK(0, CALL(close, CALL(socket, AF_UNIX, SOCK_DGRAM, 0)));
	OK(0, sock_count());
}

static void test_cycle_of_three(void **state)
{
	int p[3][2];

	(void)state;
	for (int i = 0; i < 3; i++)
		pair(SOCK_STREAM, p[i]);
	for (int i = 0; i < 3; i++)
		OK(1, send_fd(p[i][0], p[(i + 1) % 3][1]));
	for (int i = 1; i < 3; i++)
		for (int k = 0; k < 2; k++)
			OK(0, CALL(close, p[i][k]));
	OK(0, CALL(close, p[0][0]));
	/* p[0][1] is open: through it all can be received. */
	assert_true(sock_count() >= 4);
	assert_true(recv_fd(p[0][1], 0) >= 0);
	OK(0, CALL(close, p[0][1]));
}

/* A socket in flight inside a socket in flight ...: no recursion. */
static void test_chain(void **state)
{
	int prev[2], next[2];

	(void)state;
	pair(SOCK_STREAM, prev);
	for (int i = 0; i < 2000; i++) {
		pair(SOCK_STREAM, next);
		OK(1, send_fd(next[0], prev[0]));
		OK(1, send_fd(next[0], prev[1]));
		OK(0, CALL(close, prev[0]));
		OK(0, CALL(close, prev[1]));
		memcpy(prev, next, sizeof(prev));
	}
	assert_true(sock_count() > 4000);
	OK(0, CALL(close, prev[0]));
	OK(0, CALL(close, prev[1]));
	OK(0, sock_count());
}

static void test_listener(void **state)
{
	static struct linux_sockaddr_un name = { AF_UNIX, "\0gc" };
	int l, c;

	(void)state;
	l = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	OK(0, CALL(bind, l, &name, 5));
	OK(0, CALL(listen, l, 4));
	c = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	OK(0, CALL(connect, c, &name, 5));
	OK(1, send_fd(c, l)); /* the listener, in its own unaccepted child */
	OK(0, CALL(close, l));
	OK(0, CALL(close, c));
	scm_gc();
	OK(0, sock_count());
}

static void test_datagrams(void **state)
{
	static char big[4096], in[4096];
	int a[2], n = 0;

	(void)state;
	pair(SOCK_DGRAM | SOCK_NONBLOCK, a);
	while (CALL(write, a[0], big, sizeof(big)) > 0)
		n++;
	assert_in_range(n, 40, 60);
	OK(-EAGAIN, CALL(write, a[0], big, 1));
	while (n--)
		OK(100, CALL(read, a[1], in, 100)); /* cut: the rest is lost */
	OK(-EAGAIN, CALL(read, a[1], in, 100));
	OK(1, CALL(write, a[0], big, 1));
}

static void test_stream_limit(void **state)
{
	static char big[65536];
	u64 total = 0;
	int a[2];
	long n;

	(void)state;
	pair(SOCK_STREAM | SOCK_NONBLOCK, a);
	while ((n = CALL(write, a[0], big, sizeof(big))) > 0)
		total += (u64)n;
	OK(-EAGAIN, n);
	assert_int_equal(total, SOCK_BUF_DEFAULT);
	OK(0, CALL(close, a[1]));
	OK(-EPIPE, CALL(write, a[0], big, 1));
	assert_int_equal(stub_proc.signal, LINUX_SIGPIPE);
	OK(0, CALL(close, a[0]));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pass),  T(never_received), T(cycle),	   T(cycle_of_three),
		T(chain), T(listener),	     T(datagrams), T(stream_limit),
	};

	stub_plat_start();
	heap_init();
	if (vfs_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

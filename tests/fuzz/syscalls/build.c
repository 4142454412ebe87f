// SPDX-License-Identifier: Apache-2.0
/* Structures that pointers point at, by call and argument, filled with drawn
 * values; and the few calls whose arguments must fit together. */
#include "tests/fuzz/syscalls/flags.h"
#include "tests/fuzz/syscalls/fuzz.h"

#include <linux/sched.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void *fresh(struct fuzz *f, size_t n)
{
	return memset(arena_take(f, n, one_in(f, 8)), 0, n);
}

static void fill_time(struct fuzz *f, struct timespec *ts)
{
	ts->tv_sec = 0;
	ts->tv_nsec = (long)below(f, 2000000);
	if (one_in(f, 8))
		ts->tv_sec = (time_t)draw_number(f);
	if (one_in(f, 8))
		ts->tv_nsec = (long)draw_number(f);
}

uint64_t build_timespec(struct fuzz *f)
{
	struct timespec *ts = fresh(f, sizeof(*ts));

	if (one_in(f, 12))
		return draw_bad_ptr(f);
	fill_time(f, ts);
	return (uint64_t)ts;
}

static uint64_t build_times(struct fuzz *f, unsigned n)
{
	struct timespec *ts = fresh(f, n * sizeof(*ts));

	for (unsigned i = 0; i < n; i++) {
		fill_time(f, &ts[i]);
		if (one_in(f, 4))
			ts[i].tv_nsec = below(f, 2) ? UTIME_NOW : UTIME_OMIT;
	}
	return (uint64_t)ts;
}

uint64_t build_iov(struct fuzz *f, unsigned count)
{
	struct iovec *iov = fresh(f, count * sizeof(*iov));

	for (unsigned i = 0; i < count; i++) {
		size_t n = one_in(f, 10) ? draw_number(f) : below(f, 300);

		iov[i].iov_len = n;
		iov[i].iov_base = one_in(f, 8)
					  ? (void *)draw_bad_ptr(f)
					  : arena_take(f, n < 300 ? n : 300,
						       one_in(f, 6));
	}
	return (uint64_t)iov;
}

uint64_t build_sockaddr(struct fuzz *f, uint32_t *len)
{
	struct sockaddr_storage *ss = fresh(f, sizeof(*ss));
	struct sockaddr_in *sin = (void *)ss;
	struct sockaddr_in6 *sin6 = (void *)ss;
	struct sockaddr_un *sun = (void *)ss;
	uint32_t n = sizeof(*sin);

	switch (below(f, 5)) {
	case 0:
		sin->sin_family = AF_INET;
		/* Never outside: loopback and wildcard. */
		sin->sin_addr.s_addr = htonl(below(f, 2) ? INADDR_LOOPBACK : 0);
		sin->sin_port = htons((uint16_t)(below(f, 8) + 4000));
		break;
	case 1:
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = in6addr_loopback;
		sin6->sin6_port = htons((uint16_t)(below(f, 8) + 4000));
		n = sizeof(*sin6);
		break;
	case 2: /* abstract */
		sun->sun_family = AF_UNIX;
		sun->sun_path[1] = (char)('a' + below(f, 8));
		n = 4;
		break;
	case 3:
		sun->sun_family = AF_UNIX;
		sun->sun_path[0] = (char)('s' + below(f, 4));
		n = sizeof(*sun);
		break;
	default:
		ss->ss_family = (sa_family_t)below(f, 48);
		n = (uint32_t)below(f, 130);
		break;
	}
	if (len)
		*len = one_in(f, 10) ? (uint32_t)draw_number(f) : n;
	return (uint64_t)ss;
}

static size_t build_control(struct fuzz *f, char *at, size_t room)
{
	struct msghdr m = { .msg_control = at, .msg_controllen = room };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	size_t n = one_in(f, 6) ? below(f, 300) : below(f, 6);
	int *fds = (int *)(void *)CMSG_DATA(c);

	c->cmsg_level = one_in(f, 8) ? (int)draw_number(f) : SOL_SOCKET;
	c->cmsg_type = 1 + (int)below(f, 3);
	if (n * 4 + 16 > room)
		n = 0;
	for (size_t i = 0; i < n; i++)
		fds[i] = (int)draw_fd(f, one_in(f, 2) ? K_SOCK : -1);
	c->cmsg_len = one_in(f, 8) ? draw_number(f) : CMSG_LEN(n * 4);
	return one_in(f, 8) ? draw_number(f) : CMSG_SPACE(n * 4);
}

static void fill_msg(struct fuzz *f, struct msghdr *m)
{
	uint32_t len = 0;

	memset(m, 0, sizeof(*m));
	if (one_in(f, 3)) {
		m->msg_name = (void *)build_sockaddr(f, &len);
		m->msg_namelen = len;
	}
	m->msg_iov = (void *)build_iov(f, 4);
	m->msg_iovlen = one_in(f, 10) ? draw_number(f) : below(f, 5);
	if (one_in(f, 2)) {
		m->msg_control = fresh(f, 1400);
		m->msg_controllen = build_control(f, m->msg_control, 1400);
	}
}

static uint64_t build_msgs(struct fuzz *f, unsigned n, bool is_many)
{
	struct mmsghdr *many = fresh(f, n * sizeof(*many));

	for (unsigned i = 0; i < (is_many ? n : 1); i++)
		fill_msg(f, &many[i].msg_hdr);
	return (uint64_t)many;
}

static uint64_t build_words(struct fuzz *f, unsigned n, uint64_t limit)
{
	uint32_t *p = fresh(f, n * 4);

	for (unsigned i = 0; i < n; i++)
		p[i] = (uint32_t)(one_in(f, 6) ? draw_number(f)
					       : below(f, limit));
	return (uint64_t)p;
}

static uint64_t build_sigaction(struct fuzz *f)
{
	uint64_t *p = fresh(f, 32);

	/* Never a handler of ours: SIG_DFL, SIG_IGN or nonsense. */
	p[0] = one_in(f, 12) ? draw_bad_ptr(f) : below(f, 2);
	p[1] = one_in(f, 2) ? draw_number(f) : 0x14000000;
	p[2] = draw_bad_ptr(f);
	p[3] = draw_number(f);
	return (uint64_t)p;
}

static uint64_t build_pollfds(struct fuzz *f, unsigned n)
{
	struct pollfd *p = fresh(f, n * sizeof(*p));

	for (unsigned i = 0; i < n; i++) {
		p[i].fd = (int)draw_fd(f, -1);
		p[i].events = (short)draw_number(f);
	}
	return (uint64_t)p;
}

static uint64_t build_epoll_event(struct fuzz *f)
{
	struct epoll_event *e = fresh(f, 12 * 16);

	e->events = (uint32_t)group_draw(f, group_find("epoll")) |
		    (uint32_t)group_draw(f, group_find("poll"));
	e->data.u64 = draw(f);
	return (uint64_t)e;
}

static uint64_t build_sembufs(struct fuzz *f)
{
	struct sembuf *s = fresh(f, 8 * sizeof(*s));

	for (unsigned i = 0; i < 8; i++) {
		s[i].sem_num = (unsigned short)(one_in(f, 8) ? draw_number(f)
							     : below(f, 4));
		s[i].sem_op = (short)(one_in(f, 8) ? draw_number(f)
						   : below(f, 5) - 2);
		s[i].sem_flg = (short)(below(f, 4) ? IPC_NOWAIT : 0) |
			       (short)(below(f, 2) ? SEM_UNDO : 0);
	}
	return (uint64_t)s;
}

static uint64_t build_sigevent(struct fuzz *f)
{
	struct sigevent *e = fresh(f, sizeof(*e));

	e->sigev_notify = one_in(f, 6) ? (int)draw_number(f) : (int)below(f, 3);
	e->sigev_signo = (int)below(f, 66);
	e->sigev_value.sival_int = (int)draw(f);
	return (uint64_t)e;
}

static uint64_t build_open_how(struct fuzz *f)
{
	uint64_t *how = fresh(f, 40);

	how[0] = group_draw(f, group_find("open"));
	how[1] = one_in(f, 3) ? draw_number(f) : 0644;
	how[2] = group_draw(f, group_find("resolve"));
	return (uint64_t)how;
}

static uint64_t build_flock(struct fuzz *f)
{
	struct flock *l = fresh(f, sizeof(*l));

	l->l_type = (short)below(f, 4);
	l->l_whence = (short)below(f, 4);
	l->l_start = (off_t)draw_number(f);
	l->l_len = (off_t)draw_number(f);
	if (one_in(f, 4))
		l->l_pid = (int)draw_number(f);
	return (uint64_t)l;
}

static uint64_t build_strings(struct fuzz *f)
{
	const char **p = fresh(f, 8 * sizeof(*p));
	unsigned n = (unsigned)below(f, 8);

	for (unsigned i = 0; i < n; i++)
		p[i] = draw_path(f);
	return (uint64_t)p;
}

static uint64_t build_waitv(struct fuzz *f)
{
	uint64_t *p = fresh(f, 8 * 24);

	for (unsigned i = 0; i < 24; i += 3) {
		p[i] = 0;
		p[i + 1] = (uint64_t)f->arena + below(f, 64) * 4;
		p[i + 2] = one_in(f, 6) ? draw_number(f) : 2 | below(f, 2) << 7;
	}
	return (uint64_t)p;
}

static uint64_t build_mq_attr(struct fuzz *f)
{
	struct mq_attr *a = fresh(f, sizeof(*a));

	a->mq_flags = below(f, 2) ? O_NONBLOCK : 0;
	a->mq_maxmsg = (long)(one_in(f, 4) ? draw_number(f) : 4);
	a->mq_msgsize = (long)(one_in(f, 4) ? draw_number(f) : 64);
	return (uint64_t)a;
}

/* Rows: call, argument, what it points at. */
enum shape {
	S_TIMES,
	S_MSG,
	S_MSGS,
	S_WORDS,
	S_LEN,
	S_SIGACTION,
	S_POLLFDS,
	S_EPOLL,
	S_SEMBUFS,
	S_SIGEVENT,
	S_OPEN_HOW,
	S_STRINGS,
	S_WAITV,
	S_FDSET,
	S_MQ_ATTR,
	S_FUTEX,
	S_SMALL, /* an offset in a file */
};

static const struct {
	const char *call;
	unsigned n;
	enum shape shape;
} shapes[] = {
	{ "utimensat", 2, S_TIMES },
	{ "futimesat", 2, S_TIMES },
	{ "utimes", 1, S_TIMES },
	{ "utime", 1, S_TIMES },
	{ "setitimer", 1, S_TIMES },
	{ "timer_settime", 2, S_TIMES },
	{ "timerfd_settime", 2, S_TIMES },
	{ "sendmsg", 1, S_MSG },
	{ "recvmsg", 1, S_MSG },
	{ "sendmmsg", 1, S_MSGS },
	{ "recvmmsg", 1, S_MSGS },
	{ "getsockopt", 4, S_LEN },
	{ "getsockname", 2, S_LEN },
	{ "getpeername", 2, S_LEN },
	{ "accept", 2, S_LEN },
	{ "accept4", 2, S_LEN },
	{ "recvfrom", 5, S_LEN },
	{ "setsockopt", 3, S_WORDS },
	{ "setgroups", 1, S_WORDS },
	{ "sched_setparam", 1, S_WORDS },
	{ "sched_setscheduler", 2, S_WORDS },
	{ "sched_setattr", 1, S_WORDS },
	{ "rt_sigaction", 1, S_SIGACTION },
	{ "poll", 0, S_POLLFDS },
	{ "ppoll", 0, S_POLLFDS },
	{ "epoll_ctl", 3, S_EPOLL },
	{ "semop", 1, S_SEMBUFS },
	{ "semtimedop", 1, S_SEMBUFS },
	{ "timer_create", 1, S_SIGEVENT },
	{ "mq_notify", 1, S_SIGEVENT },
	{ "mq_open", 3, S_MQ_ATTR },
	{ "openat2", 2, S_OPEN_HOW },
	{ "execve", 1, S_STRINGS },
	{ "execve", 2, S_STRINGS },
	{ "execveat", 2, S_STRINGS },
	{ "execveat", 3, S_STRINGS },
	{ "futex_waitv", 0, S_WAITV },
	{ "select", 1, S_FDSET },
	{ "select", 2, S_FDSET },
	{ "select", 3, S_FDSET },
	{ "select", 4, S_TIMES },
	{ "pselect6", 1, S_FDSET },
	{ "pselect6", 2, S_FDSET },
	{ "pselect6", 3, S_FDSET },
	{ "futex", 0, S_FUTEX },
	{ "futex", 4, S_FUTEX },
	{ "sendfile", 2, S_SMALL },
	{ "copy_file_range", 1, S_SMALL },
	{ "copy_file_range", 3, S_SMALL },
	{ "splice", 1, S_SMALL },
	{ "splice", 3, S_SMALL },
};

static uint64_t build_shape(struct fuzz *f, enum shape shape)
{
	uint64_t *p;

	switch (shape) {
	case S_TIMES:
		return build_times(f, 2);
	case S_MSG:
		return build_msgs(f, 1, false);
	case S_MSGS:
		return build_msgs(f, 6, true);
	case S_WORDS:
		return build_words(f, 16, 4);
	case S_LEN:
		return build_words(f, 1, 130);
	case S_SIGACTION:
		return build_sigaction(f);
	case S_POLLFDS:
		return build_pollfds(f, 24);
	case S_EPOLL:
		return build_epoll_event(f);
	case S_SEMBUFS:
		return build_sembufs(f);
	case S_SIGEVENT:
		return build_sigevent(f);
	case S_MQ_ATTR:
		return build_mq_attr(f);
	case S_OPEN_HOW:
		return build_open_how(f);
	case S_STRINGS:
		return build_strings(f);
	case S_WAITV:
		return build_waitv(f);
	case S_FDSET:
		p = fresh(f, 128);
		p[0] = draw(f) & draw(f);
		return one_in(f, 4) ? 0 : (uint64_t)p;
	case S_FUTEX: /* few words, so that threads meet */
		return (uint64_t)f->w->play + below(f, 4) * 4;
	case S_SMALL:
		p = fresh(f, 8);
		*p = one_in(f, 4) ? draw_number(f) : below(f, 4 * PG);
		return one_in(f, 2) ? 0 : (uint64_t)p;
	}
	return 0;
}

uint64_t build_struct(struct fuzz *f, unsigned n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].n == n &&
		    strcmp(shapes[i].call, f->call->name) == 0)
			return build_shape(f, shapes[i].shape);
	return 0;
}

/* --- Calls as a whole ----------------------------------------------------- */

static bool fit_fcntl(struct fuzz *f)
{
	static const int locks[] = { F_GETLK,	  F_SETLK,     F_SETLKW,
				     F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW };

	for (unsigned i = 0; i < ARRAY_SIZE(locks); i++)
		if (f->args[1] == locks[i])
			f->args[2] = (long)build_flock(f);
	if (f->args[1] == F_ADD_SEALS)
		f->args[2] = (long)group_draw(f, group_find("seals"));
	if (f->args[1] == F_SETFL)
		f->args[2] = (long)group_draw(f, group_find("open"));
	if (f->args[1] == F_DUPFD || f->args[1] == F_DUPFD_CLOEXEC)
		f->args[2] = (long)below(f, 64);
	return true;
}

static bool fit_ioctl(struct fuzz *f)
{
	if (one_in(f, 3))
		f->args[0] = draw_fd(f, K_SOCK);
	f->args[2] = one_in(f, 3) ? (long)draw_number(f)
				  : (long)build_words(f, 24, 3);
	return true;
}

static bool fit_futex(struct fuzz *f)
{
	if (one_in(f, 2))
		f->args[2] = *(int *)f->w->play; /* the value that is there */
	f->args[3] = one_in(f, 2) ? (long)build_timespec(f) : (long)below(f, 8);
	return true;
}

static bool fit_mmap(struct fuzz *f)
{
	/* Fixed places in the playground only. */
	if (f->args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) &&
	    f->call->nr == SYS_mmap)
		f->args[0] = (long)f->w->play +
			     (long)(below(f, PLAY_PAGES - 256) * PG);
	if (f->args[1] > 1L << 30 && below(f, 8))
		f->args[1] = (long)(below(f, 256) * PG);
	if (f->call->nr != SYS_mmap || one_in(f, 3))
		return true;
	/* One of the two kinds, and something behind it. */
	f->args[3] = (f->args[3] & ~(long)MAP_TYPE) |
		     (below(f, 2) ? MAP_SHARED : MAP_PRIVATE);
	f->args[3] &= ~(long)(MAP_HUGETLB | MAP_SYNC);
	if (one_in(f, 2))
		f->args[3] |= MAP_ANONYMOUS;
	f->args[5] = (long)(below(f, 8) * PG);
	f->args[2] &= PROT_READ | PROT_WRITE | PROT_EXEC;
	return true;
}

/* The playground, or what a call before gave: not the fuzzer's own memory. */
static bool fit_range(struct fuzz *f)
{
	uint64_t a = (uint64_t)f->args[0], start = (uint64_t)f->w->play;
	uint64_t end = start + PLAY_PAGES * PG;

	if (a >= start && a < end && (uint64_t)f->args[1] > end - a)
		f->args[1] = (long)(end - a);
	else if (a + (uint64_t)f->args[1] < end && below(f, 50))
		f->args[1] = (long)(below(f, 16) * PG);
	return true;
}

/* Not the supervisor, pid 1, who ignores what can be ignored; nor everyone. */
static bool fit_wait(struct fuzz *f)
{
	unsigned n = f->call->nr == SYS_wait4 ? 2 : 3;

	if (below(f, 4))
		f->args[n] &= WNOHANG | WUNTRACED | WCONTINUED | WEXITED |
			      WNOWAIT;
	f->args[n] |= WNOHANG;
	return true;
}

static bool fit_accept(struct fuzz *f)
{
	if (below(f, 2))
		f->args[1] = f->args[2] = 0;
	if (f->call->nr == SYS_accept4 && below(f, 4))
		f->args[3] &= SOCK_CLOEXEC | SOCK_NONBLOCK;
	return true;
}

static bool fit_mount(struct fuzz *f)
{
	static const char *const kinds[] = { "tmpfs",	"proc",	   "sysfs",
					     "devpts",	"cgroup2", "erofs",
					     "overlay", "mqueue" };
	static const long flags[] = { 0,
				      MS_BIND,
				      MS_BIND | MS_REC,
				      MS_REMOUNT | MS_RDONLY,
				      MS_MOVE,
				      MS_PRIVATE | MS_REC };

	if (one_in(f, 3))
		return true;
	f->args[0] = (long)draw_path(f);
	f->args[1] = (long)(below(f, 2) ? "mnt" : "d");
	f->args[2] = (long)kinds[below(f, ARRAY_SIZE(kinds))];
	f->args[3] = flags[below(f, ARRAY_SIZE(flags))];
	f->args[4] = below(f, 2) ? 0 : (long)"size=1m,mode=700";
	return true;
}

static bool fit_exec(struct fuzz *f)
{
	static const char *const argv[] = { "busybox", "true", NULL };
	unsigned n = f->call->nr == SYS_execve ? 0 : 1;

	if (one_in(f, 2))
		return true; /* ends what ran here: but seldom succeeds */
	if (!one_in(f, 20))
		return false;
	f->args[n] = (long)"/busybox";
	f->args[n + 1] = (long)argv;
	f->args[n + 2] = 0;
	f->args[n + 3] = 0;
	return true;
}

static bool fit_set_len(struct fuzz *f)
{
	unsigned n = f->call->nr == SYS_rt_sigtimedwait ? 3 : 2;

	f->args[n] = one_in(f, 12) ? f->args[n] : 8;
	if (n == 2 && f->call->nr == SYS_signalfd4)
		f->args[3] &= 04004000;
	return true;
}

static bool fit_msg(struct fuzz *f)
{
	long *m = arena_take(f, 512, false);

	if (below(f, 4)) {
		m[0] = 1 + (long)below(f, 3);
		f->args[1] = (long)m;
		f->args[2] = (long)below(f, 300);
		f->args[3] &= ~4096L; /* type, or a plain flag */
	}
	return true;
}

static bool fit_openat2(struct fuzz *f)
{
	uint64_t *how = arena_take(f, 24, false);

	if (one_in(f, 2))
		return true;
	how[0] = below(f, 2) ? O_RDWR | O_CREAT : O_RDONLY;
	how[1] = how[0] ? 0644 : 0;
	how[2] = below(f, 64);
	f->args[2] = (long)how;
	f->args[3] = 24;
	return true;
}

static bool fit_pidfd_signal(struct fuzz *f)
{
	f->args[2] = below(f, 2) ? 0 : f->args[2];
	f->args[3] = one_in(f, 8) ? f->args[3] : 0;
	return true;
}

static bool fit_waitv(struct fuzz *f)
{
	f->args[1] = one_in(f, 8) ? f->args[1] : 1 + (long)below(f, 8);
	f->args[2] = one_in(f, 20) ? f->args[2] : 0;
	f->args[4] = (long)below(f, 2);
	return true;
}

static bool fit_xattr(struct fuzz *f)
{
	if (below(f, 2))
		f->args[4] = 0;
	return true;
}

static bool fit_shmat(struct fuzz *f)
{
	if (below(f, 2))
		f->args[1] = 0;
	return true;
}

static bool fit_sched_attr(struct fuzz *f)
{
	uint32_t *p = fresh(f, 64);

	p[0] = 48;
	p[1] = (uint32_t)below(f, 6);
	f->args[1] = (long)p;
	f->args[2] = f->call->nr == SYS_sched_setattr ? 0 : 48;
	f->args[3] = 0;
	return true;
}

static bool fit_kill(struct fuzz *f)
{
	if ((int)f->args[0] == 1 || (int)f->args[1] == 1 ||
	    (int)f->args[0] == -1)
		return one_in(f, 2000);
	return true;
}

static bool fit_clone(struct fuzz *f)
{
	uint64_t flags = (uint64_t)f->args[0];

	/* Shared memory needs a stack of its own: main.c makes threads. */
	if (flags & CLONE_VM && !(flags & CLONE_VFORK && f->args[1] == 0))
		flags &= ~(uint64_t)(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
	flags &= ~(uint64_t)(CLONE_VFORK | CLONE_SETTLS);
	f->args[0] = (long)flags;
	f->args[1] = 0;
	return true;
}

static bool fit_clone3(struct fuzz *f)
{
	struct clone_args *a = fresh(f, sizeof(*a) + 64);

	a->flags = group_draw(f, group_find("clone"));
	a->flags &= ~(uint64_t)(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND |
				CLONE_VFORK | CLONE_SETTLS);
	a->exit_signal = below(f, 66);
	a->pidfd = (uint64_t)arena_take(f, 8, false);
	a->parent_tid = a->pidfd;
	if (one_in(f, 8))
		a->set_tid_size = draw_number(f);
	if (one_in(f, 8))
		a->cgroup = draw_number(f);
	f->args[0] = (long)a;
	f->args[1] = one_in(f, 6) ? (long)draw_number(f) : 88;
	return true;
}

static bool fit_limits(struct fuzz *f)
{
	struct rlimit *rl = fresh(f, sizeof(*rl));
	unsigned n = f->call->nr == SYS_prlimit64 ? 2 : 1;

	rl->rlim_cur = draw_number(f);
	rl->rlim_max = one_in(f, 4) ? draw_number(f) : RLIM_INFINITY;
	if (one_in(f, 2))
		f->args[n] = (long)rl;
	if (n == 2 && f->args[0] != 0)
		f->args[0] = one_in(f, 8) ? f->args[0] : 0;
	return true;
}

static bool fit_prctl(struct fuzz *f)
{
	if (f->args[0] == PR_SET_PDEATHSIG && f->args[1] == 9)
		f->args[1] = 0;
	return true;
}

static bool fit_sigreturn(struct fuzz *f)
{
	return one_in(f, 20);
}

static bool fit_exit(struct fuzz *f)
{
	return one_in(f, 30);
}

static bool fit_pause(struct fuzz *f)
{
	return one_in(f, 20);
}

static bool fit_sockopt(struct fuzz *f)
{
	if (one_in(f, 8))
		return true;
	f->args[4] = f->call->nr == SYS_setsockopt
			     ? (long)(4 * below(f, 5))
			     : (long)build_words(f, 1, 64);
	return true;
}

static bool fit_personality(struct fuzz *f)
{
	/* READ_IMPLIES_EXEC and the like stay for all children. */
	f->args[0] = one_in(f, 2) ? 0xffffffff : f->args[0];
	return true;
}

static const struct {
	const char *call;
	bool (*fit)(struct fuzz *f);
} fits[] = {
	{ "fcntl", fit_fcntl },
	{ "ioctl", fit_ioctl },
	{ "futex", fit_futex },
	{ "mmap", fit_mmap },
	{ "munmap", fit_range },
	{ "mprotect", fit_range },
	{ "pkey_mprotect", fit_range },
	{ "madvise", fit_range },
	{ "mremap", fit_range },
	{ "mbind", fit_range },
	{ "mlock", fit_range },
	{ "mlock2", fit_range },
	{ "kill", fit_kill },
	{ "tkill", fit_kill },
	{ "tgkill", fit_kill },
	{ "rt_sigqueueinfo", fit_kill },
	{ "rt_tgsigqueueinfo", fit_kill },
	{ "pidfd_open", fit_kill },
	{ "wait4", fit_wait },
	{ "waitid", fit_wait },
	{ "accept", fit_accept },
	{ "accept4", fit_accept },
	{ "mount", fit_mount },
	{ "execve", fit_exec },
	{ "execveat", fit_exec },
	{ "rt_sigtimedwait", fit_set_len },
	{ "signalfd", fit_set_len },
	{ "signalfd4", fit_set_len },
	{ "msgsnd", fit_msg },
	{ "msgrcv", fit_msg },
	{ "openat2", fit_openat2 },
	{ "pidfd_send_signal", fit_pidfd_signal },
	{ "futex_waitv", fit_waitv },
	{ "setxattr", fit_xattr },
	{ "lsetxattr", fit_xattr },
	{ "fsetxattr", fit_xattr },
	{ "shmat", fit_shmat },
	{ "sched_setattr", fit_sched_attr },
	{ "sched_getattr", fit_sched_attr },
	{ "clone", fit_clone },
	{ "clone3", fit_clone3 },
	{ "setrlimit", fit_limits },
	{ "prlimit64", fit_limits },
	{ "prctl", fit_prctl },
	{ "rt_sigreturn", fit_sigreturn },
	{ "exit", fit_exit },
	{ "exit_group", fit_exit },
	{ "pause", fit_pause },
	{ "rt_sigsuspend", fit_pause },
	{ "arch_prctl", fit_exit },
	{ "setsockopt", fit_sockopt },
	{ "getsockopt", fit_sockopt },
	{ "personality", fit_personality },
};

bool build_call(struct fuzz *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fits); i++)
		if (strcmp(fits[i].call, f->call->name) == 0)
			return fits[i].fit(f);
	return true;
}

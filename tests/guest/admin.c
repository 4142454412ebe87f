// SPDX-License-Identifier: Apache-2.0
/* Capabilities, and calls only an administrator may make: on a machine of
 * one's own they would change it, so that only their refusals are tried. Also
 * newer forms of sending signals and of waiting. */
#include "tap.h"

#include <linux/capability.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

static void check_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2], e[2];

	tap_group("capget and capset");
	is_int(syscall(SYS_capget, &h, d), 0, "capget");
	h.pid = getpid();
	is_int(syscall(SYS_capget, &h, e), 0, "by number");
	ok(!memcmp(d, e, sizeof(d)), "the same");
	is_int(syscall(SYS_capset, &h, d), 0, "capset of the same");
	h.pid = 0x7fffffff;
	is_errno(syscall(SYS_capget, &h, d), ESRCH, "of no one");
	h.pid = -1;
	is_errno(syscall(SYS_capget, &h, d), EINVAL, "of -1");
	h.pid = getpid() == 1 ? 2 : 1;
	is_errno(syscall(SYS_capset, &h, d), EPERM, "capset of another");
	h.pid = 0;
	h.version = 1;
	is_errno(syscall(SYS_capget, &h, d), EINVAL, "version 1");
	is_int(h.version, _LINUX_CAPABILITY_VERSION_3, "says which");
	h.version = 1;
	is_errno(syscall(SYS_capset, &h, d), EINVAL, "capset: version 1");
	h.version = _LINUX_CAPABILITY_VERSION_3;
	is_efault(syscall(SYS_capget, bp, d), "capget: the header");
	is_efault(syscall(SYS_capget, &h, bp), "capget: the data");
	is_efault(syscall(SYS_capset, bp, d), "capset: the header");
	is_efault(syscall(SYS_capset, &h, bp), "capset: the data");
}

static int caps_of_user(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	must(syscall(SYS_capget, &h, d) == 0);
	must(!d[0].effective && !d[0].permitted);
	d[0].effective = d[0].permitted = 1;
	must(syscall(SYS_capset, &h, d) < 0 && errno == EPERM);
	must(syscall(SYS_sethostname, "x", 1) < 0 && errno == EPERM);
	must(syscall(SYS_sethostname, bad_ptr, -1) < 0 && errno == EPERM);
	must(syscall(SYS_setdomainname, "x", 1) < 0 && errno == EPERM);
	must(syscall(SYS_umount2, "/", 0) < 0 && errno == EPERM);
	must(syscall(SYS_pivot_root, "/", "/") < 0 && errno == EPERM);
	must(syscall(SYS_setfsgid, 0) == 12345);
	must(syscall(SYS_setfsgid, -1) == 12345);
	return 0;
}

static int drops(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2], e[2];

	must(syscall(SYS_capget, &h, d) == 0);
	d[0].effective &= ~1U;
	d[0].permitted &= ~1U;
	must(syscall(SYS_capset, &h, d) == 0);
	must(syscall(SYS_capget, &h, e) == 0);
	must(e[0].effective == d[0].effective);
	d[0].permitted |= 1;
	must(syscall(SYS_capset, &h, d) < 0 && errno == EPERM);
	must(syscall(SYS_setfsgid, 77) == 0);
	must(syscall(SYS_setfsgid, -1) == 77);
	return 0;
}

static void check_refusals(void)
{
	static const char name[80];

	tap_group("what only an administrator may");
	is_int(tap_user_child(caps_of_user), 0, "others may not");
	is_int(tap_child(drops), 0, "a capability given up stays so");
	is_errno(syscall(SYS_sethostname, name, -1), EINVAL, "a name of -1");
	is_errno(syscall(SYS_sethostname, name, 65), EINVAL, "a name of 65");
	is_errno(syscall(SYS_setdomainname, name, 65), EINVAL,
		 "a domain of 65");
	is_efault(syscall(SYS_sethostname, bp, 5), "a name at bad addresses");
	is_efault(syscall(SYS_setdomainname, bp, 5), "a domain at them");
	is_errno(syscall(SYS_umount2, "none", 0), ENOENT, "umount2 of nothing");
	is_errno(syscall(SYS_umount2, ".", 0), EINVAL, "of what is no mount");
	is_errno(syscall(SYS_umount2, ".", 1 << 20), EINVAL, "a bad flag");
	is_efault(syscall(SYS_umount2, bp, 0), "umount2 of bad addresses");
	is_errno(syscall(SYS_pivot_root, "none", "."), ENOENT, "pivot_root");
	is_errno(syscall(SYS_pivot_root, ".", "none"), ENOENT, "from nothing");
	is_efault(syscall(SYS_pivot_root, bp, "."), "to bad addresses");
	is_efault(syscall(SYS_pivot_root, ".", bp), "from bad addresses");
}

static int personality_child(void)
{
	must(syscall(SYS_personality, 0x0040000) == 0);
	must(syscall(SYS_personality, 0xffffffff) == 0x0040000);
	return 0;
}

static void check_personality(void)
{
	tap_group("personality");
	is_int(syscall(SYS_personality, 0xffffffff), 0, "Linux");
	is_int(tap_child(personality_child), 0, "ADDR_NO_RANDOMIZE");
	is_int(syscall(SYS_personality, 0xffffffff), 0, "of the child alone");
}

static int signal_denied(void)
{
	siginfo_t info = { .si_code = SI_QUEUE };
	int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	must(fd >= 0);
	must(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0);
	must(errno == EPERM);
	info.si_signo = SIGUSR1;
	must(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), SIGUSR1,
		     &info) < 0);
	must(errno == EPERM);
	return 0;
}

static int getfd_denied(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	must(syscall(SYS_pidfd_getfd, fd, 0, 0) < 0 && errno == EPERM);
	return 0;
}

static void check_getfd(void)
{
	int fds[2], go[2], pid, pidfd, fd;
	char c = 0;

	tap_group("pidfd_getfd");
	must(pipe(fds) == 0 && pipe(go) == 0);
	pid = tap_fork();
	if (pid == 0) {
		must(dup2(fds[0], 100) == 100);
		tap_post(fds[1]);
		tap_await(go[0]);
		_exit(0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	must(poll(&(struct pollfd){ fds[0], POLLIN, 0 }, 1, -1) == 1);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, 100, 0);
	ok(fd >= 0, "a child's descriptor");
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "closed on exec");
	is_int(read(fd, &c, 1) == 1 && c == 'x', 1, "is that file");
	close(fd);
	is_errno(syscall(SYS_pidfd_getfd, pidfd, 101, 0), EBADF, "no such");
	is_errno(syscall(SYS_pidfd_getfd, pidfd, -1, 0), EBADF, "nor -1");
	is_errno(syscall(SYS_pidfd_getfd, pidfd, 0, 1), EINVAL, "a flag");
	is_errno(syscall(SYS_pidfd_getfd, -1, 0, 0), EBADF, "of nobody");
	is_errno(syscall(SYS_pidfd_getfd, go[0], 0, 0), EBADF,
		 "of another kind of descriptor");
	tap_post(go[1]);
	tap_wait(pid);
	is_errno(syscall(SYS_pidfd_getfd, pidfd, 0, 0), ESRCH,
		 "of one that is gone");
	close(pidfd);
	is_int(tap_user_child(getfd_denied), 0, "not of other users");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(go[i]);
	}
}

static void check_signals(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE }, got;
	int me = getpid(), fd = (int)syscall(SYS_pidfd_open, me, 0), dir;
	sigset_t set;

	tap_group("rt_tgsigqueueinfo and pidfd_send_signal");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	info.si_value.sival_int = 17;
	is_int(syscall(SYS_rt_tgsigqueueinfo, me, me, SIGUSR1, &info), 0,
	       "to a thread");
	is_int(sigwaitinfo(&set, &got), SIGUSR1, "taken");
	is_int(got.si_value.sival_int, 17, "its value");
	is_int(got.si_code, SI_QUEUE, "its code");
	is_errno(syscall(SYS_rt_tgsigqueueinfo, me, me, 99, &info), EINVAL,
		 "signal 99");
	is_errno(syscall(SYS_rt_tgsigqueueinfo, 0, me, SIGUSR1, &info), EINVAL,
		 "process 0");
	is_errno(syscall(SYS_rt_tgsigqueueinfo, me, -1, SIGUSR1, &info), EINVAL,
		 "thread -1");
	is_errno(syscall(SYS_rt_tgsigqueueinfo, me, 0x7ffffffe, SIGUSR1, &info),
		 ESRCH, "no thread");
	is_efault(syscall(SYS_rt_tgsigqueueinfo, me, me, SIGUSR1, bp),
		  "from bad addresses");
	is_int(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0), 0,
	       "by descriptor");
	is_int(sigwaitinfo(&set, &got), SIGUSR1, "taken");
	is_int(got.si_code, SI_USER, "as kill() would send");
	info.si_value.sival_int = 18;
	is_int(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0), 0,
	       "with information");
	is_int(sigwaitinfo(&set, &got), SIGUSR1, "taken");
	is_int(got.si_value.sival_int, 18, "its value");
	is_errno(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0), EINVAL,
		 "another number inside");
	is_errno(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 1 << 20), EINVAL,
		 "a bad flag");
	is_errno(syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0), EBADF, "-1");
	is_errno(syscall(SYS_pidfd_send_signal, 1, 0, NULL, 0), EBADF,
		 "another kind of descriptor");
	is_efault(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, bp, 0),
		  "information at bad addresses");
	dir = open("/proc/self", O_DIRECTORY);
	is_int(syscall(SYS_pidfd_send_signal, dir, SIGUSR1, NULL, 0), 0,
	       "by a directory of /proc");
	is_int(sigwaitinfo(&set, &got), SIGUSR1, "taken");
	close(dir);
	dir = open("/proc/self/task", O_DIRECTORY);
	is_errno(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0), EBADF,
		 "not by one below");
	close(dir);
	is_int(tap_user_child(signal_denied), 0, "not to other users");
	close(fd);
}

static long pwait2(int ep, struct epoll_event *ev, int n, struct timespec *ts)
{
	return syscall(SYS_epoll_pwait2, ep, ev, n, ts, NULL, 8);
}

static void check_epoll(void)
{
	int ep = epoll_create1(0), fd = eventfd(0, 0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 5 };
	struct timespec none = { 0, 0 }, soon = { 0, 1000000 };
	struct timespec bad = { 0, 1000000000 };

	tap_group("epoll_pwait2");
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	is_int(pwait2(ep, &ev, 1, &none), 0, "nothing");
	is_int(pwait2(ep, &ev, 1, &soon), 0, "nothing for a while");
	(void)!write(fd, &(uint64_t){ 1 }, 8);
	is_int(pwait2(ep, &ev, 1, NULL), 1, "one event");
	is_int(ev.data.u32, 5, "the right one");
	is_errno(pwait2(ep, &ev, 0, &none), EINVAL, "no space");
	is_errno(pwait2(ep, &ev, 1, &bad), EINVAL, "a bad time");
	is_errno(pwait2(-1, &ev, 1, &none), EBADF, "descriptor -1");
	is_errno(pwait2(fd, &ev, 1, &none), EINVAL, "not an epoll set");
	is_efault(syscall(SYS_epoll_pwait2, ep, &ev, 1, bp, NULL, 8),
		  "a time at bad addresses");
	is_efault(syscall(SYS_epoll_pwait2, ep, &ev, 1, &none, bp, 8),
		  "signals at bad addresses");
	is_errno(syscall(SYS_epoll_pwait2, ep, &ev, 1, &none, &none, 4), EINVAL,
		 "a short signal set");
	close(ep);
	close(fd);
}

struct waiter {
	uint64_t val, addr;
	uint32_t flags, reserved;
};

static long waitv(struct waiter *w, unsigned n, struct timespec *ts)
{
	return syscall(SYS_futex_waitv, w, n, 0, ts, CLOCK_MONOTONIC);
}

static void check_futex(void)
{
	static uint32_t word[2];
	struct waiter w[2] = { { 0, (uintptr_t)&word[0], 2 | 128, 0 },
			       { 0, (uintptr_t)&word[1], 2 | 128, 0 } };
	struct timespec now;

	tap_group("futex_waitv");
	clock_gettime(CLOCK_MONOTONIC, &now);
	is_errno(waitv(w, 2, &now), ETIMEDOUT, "times out");
	word[1] = 1;
	is_errno(waitv(w, 2, NULL), EAGAIN, "a word that differs");
	word[1] = 0;
	is_errno(waitv(w, 0, &now), EINVAL, "none");
	is_errno(waitv(w, 129, &now), EINVAL, "129");
	is_errno(syscall(SYS_futex_waitv, w, 2, 1, &now, 1), EINVAL, "a flag");
	is_errno(syscall(SYS_futex_waitv, w, 2, 0, &now, 7), EINVAL, "a clock");
	w[1].reserved = 1;
	is_errno(waitv(w, 2, &now), EINVAL, "a reserved field");
	w[1].reserved = 0;
	w[1].flags = 64;
	is_errno(waitv(w, 2, &now), EINVAL, "flags of a word");
	w[1].flags = 2 | 128;
	w[1].addr += 1;
	is_errno(waitv(w, 2, &now), EINVAL, "not aligned");
	w[1].addr = 0x1000;
	is_errno(waitv(w, 2, &now), EFAULT, "nothing there");
	is_efault(syscall(SYS_futex_waitv, bp, 1, 0, &now, 1),
		  "words at bad addresses");
	is_efault(syscall(SYS_futex_waitv, w, 1, 0, bp, 1),
		  "a time at bad addresses");
}

int main(void)
{
	tap_start();
	tap_dir();
	chmod(".", 0755);
	check_caps();
	check_refusals();
	check_personality();
	check_signals();
	check_getfd();
	check_epoll();
	check_futex();
	return tap_done();
}

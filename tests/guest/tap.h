// SPDX-License-Identifier: Apache-2.0
/* A tiny TAP writer for the guest tests. Every line is one write(2), so a fork
 * never doubles output, and no line holds a pid, an address or a time, so that
 * a run on Linux and a run as an instance print the same bytes. Lines that
 * start with "# line" appear only where something failed. */
#ifndef TESTS_GUEST_TAP_H
#define TESTS_GUEST_TAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP_SECONDS 60
#define TAP_FN static inline __attribute__((unused))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int tap_count, tap_failed, tap_home = -1;
static char tap_path[256];

/* Addresses no program may use: the first page, the highest user page and
 * beyond, the kernel half, non-canonical ones, and where Jiffy itself lives. */
static void *volatile tap_bad[] __attribute__((unused)) = {
	(void *)1UL,
	(void *)0x7d0000000000UL,
	(void *)0x7ffffffff000UL,
	(void *)0x800000000000UL,
	(void *)0xffff800000000000UL,
	(void *)0xfffffffffffff000UL,
};
/* One such address, where a loop over all would say no more. */
static void *volatile bad_ptr __attribute__((unused)) = (void *)16UL;
static void *volatile null_ptr __attribute__((unused));

TAP_FN __attribute__((format(printf, 1, 2))) void tap_line(const char *fmt, ...)
{
	char buf[600];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	if (len > (int)sizeof(buf) - 2)
		len = (int)sizeof(buf) - 2;
	buf[len++] = '\n';
	for (int done = 0; done < len;) {
		ssize_t n = write(1, buf + done, (size_t)(len - done));

		if (n < 0 && errno != EINTR)
			_exit(98);
		if (n > 0)
			done += (int)n;
	}
}

/* Begins a program: bounded in time, no core files. */
TAP_FN void tap_start(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	alarm(TAP_SECONDS);
}

/* A title line between cases. */
TAP_FN void tap_group(const char *title)
{
	tap_line("# %s", title);
}

TAP_FN bool tap_ok(bool good, const char *name)
{
	tap_count++;
	tap_failed += !good;
	tap_line("%sok %d - %s", good ? "" : "not ", tap_count, name);
	return good;
}

TAP_FN void tap_int(int line, long long got, long long want, const char *name)
{
	int saved = errno;

	if (!tap_ok(got == want, name))
		tap_line("# line %d: got %lld, want %lld (errno %d)", line, got,
			 want, saved);
}

TAP_FN void tap_errno(int line, long long ret, int want, const char *name)
{
	int saved = errno;

	if (!tap_ok(ret == -1 && saved == want, name))
		tap_line("# line %d: returned %lld errno %d, want errno %d",
			 line, ret, saved, want);
}

TAP_FN void tap_str(int line, const char *got, const char *want,
		    const char *name)
{
	if (!tap_ok(got && strcmp(got, want) == 0, name))
		tap_line("# line %d: got \"%s\", want \"%s\"", line,
			 got ? got : "(null)", want);
}

#define ok(cond, name)                                                    \
	do {                                                              \
		bool tap_c = (cond);                                      \
		int tap_e = errno;                                        \
		if (!tap_ok(tap_c, name))                                 \
			tap_line("# line %d: errno %d", __LINE__, tap_e); \
	} while (0)
#define is_int(got, want, name) \
	tap_int(__LINE__, (long long)(got), (long long)(want), name)
/* The call must fail with this errno. */
#define is_errno(call, err, name)                                  \
	do {                                                       \
		errno = 0;                                         \
		tap_errno(__LINE__, (long long)(call), err, name); \
	} while (0)
#define is_str(got, want, name) tap_str(__LINE__, got, want, name)
/* The call, which names its pointer `bp`, must fail with EFAULT for each
 * address of tap_bad. */
#define is_efault(call, name)                                            \
	do {                                                             \
		unsigned tap_i;                                          \
		long long tap_r = -1;                                    \
		errno = EFAULT;                                          \
		for (tap_i = 0; tap_i < ARRAY_SIZE(tap_bad); tap_i++) {  \
			void *bp = tap_bad[tap_i];                       \
			errno = 0;                                       \
			tap_r = (long long)(call);                       \
			if (tap_r != -1 || errno != EFAULT)              \
				break;                                   \
		}                                                        \
		if (!tap_ok(tap_i == ARRAY_SIZE(tap_bad), name))         \
			tap_line("# line %d: address %u: %lld errno %d", \
				 __LINE__, tap_i, tap_r, errno);         \
	} while (0)
/* In a child: say where and leave with 99. */
#define must(cond)                                                           \
	do {                                                                 \
		if (!(cond)) {                                               \
			tap_line("# line %d: errno %d: %s", __LINE__, errno, \
				 #cond);                                     \
			_exit(99);                                           \
		}                                                            \
	} while (0)

/* fork() whose child is bounded in time too (alarms are not inherited). */
TAP_FN pid_t tap_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		alarm(TAP_SECONDS);
	return pid;
}

/* Waits for pid: its exit status, or 1000 + the signal that ended it. */
TAP_FN int tap_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

/* Runs fn in a child and returns what tap_wait says. */
TAP_FN int tap_child(int (*fn)(void))
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn());
	return tap_wait(pid);
}

/* As tap_child, as an ordinary user (uid and gid 12345, no groups). */
TAP_FN int tap_user_child(int (*fn)(void))
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		must(syscall(SYS_setgroups, 0, NULL) == 0);
		must(setresgid(12345, 12345, 12345) == 0);
		must(setresuid(12345, 12345, 12345) == 0);
		_exit(fn());
	}
	return tap_wait(pid);
}

/* One byte through a pipe: how processes and threads here wait on events. */
TAP_FN void tap_post(int fd)
{
	while (write(fd, "x", 1) < 0 && errno == EINTR)
		;
}

TAP_FN bool tap_await(int fd)
{
	char c;
	ssize_t n;

	do
		n = read(fd, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* Waits until the state in /proc of a thread of ours, or else of a process, is
 * one of `states`: the only way to know that it sleeps inside a call. Gives up
 * after 10 s. */
TAP_FN bool tap_await_state(pid_t pid, const char *states)
{
	char path[64], buf[256];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)pid);
	if (access(path, F_OK) < 0)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 10000; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		const char *end;

		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return false;
		buf[n] = '\0';
		end = strrchr(buf, ')');
		if (end && strchr(states, end[2]))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* Makes a fresh directory and enters it; tap_done() removes it. */
TAP_FN void tap_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	tap_home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(tap_path, sizeof(tap_path), "%s/guestXXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(tap_path) || chdir(tap_path) < 0) {
		tap_line("Bail out! no directory for the test");
		_exit(97);
	}
}

TAP_FN int tap_unlink(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Writes the plan; the value is main's. */
TAP_FN int tap_done(void)
{
	if (tap_path[0]) {
		if (tap_home < 0 || fchdir(tap_home) < 0)
			(void)!chdir("/");
		nftw(tap_path, tap_unlink, 16, FTW_DEPTH | FTW_PHYS);
	}
	tap_line("1..%d", tap_count);
	return tap_failed ? 1 : 0;
}

#endif

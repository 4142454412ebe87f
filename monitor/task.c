/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host tells of a host process. One whose first thread has ended goes
 * on with the others, but under its own number the host tells nothing of its
 * memory any more: that is asked by the number of a thread that lives.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "abi/boot.h"
#include "monitor/checkpoint.h"

static bool lives(int pid, int tid)
{
	cleanup_close int fd = -1;
	char path[64], text[512];
	const char *state;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	/* The name in parentheses may have any of them in it. */
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

pid_t task_alive(pid_t pid)
{
	cleanup_dir DIR *dir = NULL;
	const struct dirent *d;
	char path[64];

	if (lives((int)pid, (int)pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		int tid = (int)strtol(d->d_name, NULL, 10);

		if (tid > 0 && lives((int)pid, tid))
			return (pid_t)tid;
	}
	return pid;
}

bool task_has_memory(pid_t pid)
{
	cleanup_close int fd = -1;
	char path[64], first = '0';

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &first, 1) == 1 && first != '0';
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000 + (uint64_t)tv->tv_usec * 1000;
}

static uint64_t process_cpu_ns(pid_t pid)
{
	/* clock_getcpuclockid() without a call to ask whether it is there. */
	clockid_t clock = (clockid_t)(~(unsigned int)pid << 3 | 2);
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What the host tells of our children: asked often, so it stays open. */
static ssize_t read_children(char *text, size_t size)
{
	static int fd = -1;
	char path[64];

	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/children",
			 (int)getpid());
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd < 0 ? -1 : pread(fd, text, size, 0);
}

uint64_t task_children_cpu_ns(void)
{
	static char text[4096];
	struct rusage dead;
	uint64_t sum = 0;
	char *p = text, *end;
	ssize_t n = read_children(text, sizeof(text));

	if (n < 0 || n == sizeof(text) || getrusage(RUSAGE_CHILDREN, &dead))
		return UINT64_MAX;
	text[n] = '\0';
	sum = timeval_ns(&dead.ru_utime) + timeval_ns(&dead.ru_stime);
	for (;; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			return sum;
		sum += process_cpu_ns(pid);
	}
}

bool task_has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	if (task_has_memory(pid))
		return false;
	/* What has no memory any more has ended, or is about to. */
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) ==
		       0 &&
	       info.si_code == CLD_EXITED &&
	       info.si_status == BOOT_HOST_EXIT_OK;
}

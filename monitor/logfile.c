/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log (abi/log.h), which the kernel writes itself: it says once that it has
 * written, upon which its length is noted with the time, and what is too old is
 * cut off. Asked again only after a rest, so that who writes much does not pay.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi/log.h"
#include "host/cleanup.h"
#include "monitor/instance.h"

#define REST_NS 10000000ULL
#define PAGE 4096u

static bool has_log(const struct instance *in)
{
	return in->spec.is_detached && in->spec.state_dir;
}

/* Cut fd, which has `size` bytes, to about `keep`; *next: the size to cut at
 * then. Where the host's file system has no holes it stays as it is. */
static void cut(int fd, uint64_t size, uint64_t keep, uint64_t *next)
{
	if (size < *next || size <= keep)
		return;
	*next = size + keep / 4;
	(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)((size - keep) & ~(uint64_t)(PAGE - 1)));
}

static int open_times(const struct instance *in)
{
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return openat(dir, LOG_TIMES, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0600);
}

static void note(struct instance *in, uint64_t end)
{
	struct log_state *l = &in->log;
	struct log_time t = { .end = end };
	struct timespec ts;
	struct stat st;

	if (l->times_fd < 0)
		l->times_fd = open_times(in);
	clock_gettime(CLOCK_REALTIME, &ts);
	t.ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (write(l->times_fd, &t, sizeof(t)) != sizeof(t) ||
	    fstat(l->times_fd, &st))
		return;
	cut(l->times_fd, (uint64_t)st.st_size, LOG_TIMES_KEEP, &l->cut_times);
}

/* True if it has grown. Our standard error is the log. */
static bool look(struct instance *in)
{
	struct log_state *l = &in->log;
	struct stat st;

	if (fstat(STDERR_FILENO, &st) || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size == l->end)
		return false;
	l->end = (uint64_t)st.st_size;
	note(in, l->end);
	cut(STDERR_FILENO, l->end, LOG_KEEP, &l->cut_log);
	return true;
}

static void ask(struct instance *in)
{
	__atomic_store_n(&in->boot->status.tell_output, 1, __ATOMIC_SEQ_CST);
}

void logfile_begin(struct instance *in)
{
	struct stat st;

	in->log = (struct log_state){ .times_fd = -1 };
	if (!has_log(in))
		return;
	if (fstat(STDERR_FILENO, &st) == 0)
		in->log.end = (uint64_t)st.st_size;
	ask(in);
}

void logfile_told(struct instance *in)
{
	if (!has_log(in) || in->log.rest_until_ns)
		return;
	look(in);
	in->log.rest_until_ns = clock_now_ns() + REST_NS;
}

int logfile_check(struct instance *in)
{
	struct log_state *l = &in->log;
	uint64_t now;

	if (!l->rest_until_ns)
		return -1;
	now = clock_now_ns();
	if (now >= l->rest_until_ns) {
		l->rest_until_ns = 0;
		ask(in);
		/* What came meanwhile was not told. */
		if (!look(in))
			return -1;
		l->rest_until_ns = now + REST_NS;
	}
	return (int)((l->rest_until_ns - now) / 1000000) + 1;
}

void logfile_end(struct instance *in)
{
	if (has_log(in))
		look(in);
	if (in->log.times_fd >= 0)
		close(take_fd(&in->log.times_fd));
}

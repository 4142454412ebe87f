/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is older than the log keeps is a hole, which the host tells from data.
 */
#include "engine/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/xmalloc.h"

#define CHUNK 16384

int logfile_open(const struct instance *in, struct logfile *l, struct err *e)
{
	l->fd = openat(in->fd, LOG_FILE, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0 && errno == ENOENT)
		return err_set(e, ENOENT,
			       "%s ran in the foreground: it has no log",
			       in->name);
	if (l->fd < 0)
		return err_sys(e, errno, "%s: log", in->name);
	l->times_fd = openat(in->fd, LOG_TIMES, O_RDONLY | O_CLOEXEC);
	return 0;
}

void logfile_close(struct logfile *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->times_fd >= 0)
		close(l->times_fd);
	free(l->times);
	*l = (struct logfile)LOGFILE_INIT;
}

static uint64_t length(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
}

static uint64_t skip_hole(int fd, uint64_t at, uint64_t end)
{
	off_t data = at < end ? lseek(fd, (off_t)at, SEEK_DATA) : -1;

	if (data >= 0)
		return MIN((uint64_t)data, end);
	/* Where there are no holes nothing was cut. */
	return at < end && errno != ENXIO ? at : end;
}

uint64_t logfile_first(const struct logfile *l, uint64_t at, uint64_t *end)
{
	uint64_t n = length(l->fd);

	if (end)
		*end = n;
	return skip_hole(l->fd, at, n);
}

uint64_t logfile_line(const struct logfile *l, uint64_t at)
{
	char buf[CHUNK];
	ssize_t n;

	if (!at)
		return 0;
	for (at--; (n = pread(l->fd, buf, sizeof(buf), (off_t)at)) > 0;
	     at += (uint64_t)n) {
		const char *p = memchr(buf, '\n', (size_t)n);

		if (p)
			return at + (uint64_t)(p - buf) + 1;
	}
	return length(l->fd);
}

/* True if there were any. */
static bool read_times(struct logfile *l)
{
	struct log_time buf[CHUNK / sizeof(struct log_time)];
	size_t before = l->ntimes, count;
	ssize_t n;

	if (l->times_fd < 0)
		return false;
	l->times_at = skip_hole(l->times_fd, l->times_at, length(l->times_fd));
	while ((n = pread(l->times_fd, buf, sizeof(buf), (off_t)l->times_at)) >=
	       (ssize_t)sizeof(*buf)) {
		count = (size_t)n / sizeof(*buf);
		l->times = xreallocarray(l->times, l->ntimes + count,
					 sizeof(*buf));
		memcpy(l->times + l->ntimes, buf, count * sizeof(*buf));
		l->ntimes += count;
		l->times_at += count * sizeof(*buf);
	}
	return l->ntimes > before;
}

/* What no time was noted for yet was the last to be written. */
static uint64_t last_ms(const struct logfile *l)
{
	struct stat st;

	if (fstat(l->fd, &st))
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000 +
	       (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

uint64_t logfile_ms(struct logfile *l, uint64_t at, size_t *cursor)
{
	do
		while (*cursor < l->ntimes && l->times[*cursor].end <= at)
			(*cursor)++;
	while (*cursor == l->ntimes && read_times(l));
	return *cursor < l->ntimes ? l->times[*cursor].ms : last_ms(l);
}

/* The host's clock may have been set back: what counts is the last that came
 * before. */
uint64_t logfile_before(struct logfile *l, uint64_t ms)
{
	uint64_t end;
	size_t i;

	while (read_times(l))
		;
	end = length(l->fd);
	if (last_ms(l) < ms &&
	    (!l->ntimes || l->times[l->ntimes - 1].end < end))
		return end;
	for (i = l->ntimes; i && l->times[i - 1].ms >= ms; i--)
		;
	return logfile_line(l, i ? l->times[i - 1].end : 0);
}

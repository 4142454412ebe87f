/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy logs: print what a detached instance wrote, and follow it. Following
 * sleeps until the file grows or the monitor ends; it never polls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/instance.h"
#include "cli/units.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define CHUNK 65536

struct logs_args {
	bool follows;
	const char *tail;
};

static const struct opt logs_options[] = {
	OPT_FLAG('f', "follow", struct logs_args, follows,
		 "wait for more, until the instance ends"),
	OPT_TEXT('n', "tail", "N", struct logs_args, tail,
		 "only the last N lines"),
};

static int print_rest(int log, struct err *e)
{
	char buf[CHUNK];
	ssize_t n;
	int r;

	while ((n = read(log, buf, sizeof(buf))) > 0) {
		r = io_write_full(STDOUT_FILENO, buf, (size_t)n);
		if (r < 0)
			return err_sys(e, -r, "write");
	}
	return n < 0 ? err_sys(e, errno, "log") : 0;
}

/* Count the line ends in buf from its end; the index after the wanted one, or
 * -1 while there are too few. */
static ssize_t find_line(const char *buf, ssize_t n, long *missing)
{
	while (n-- > 0)
		if (buf[n] == '\n' && (*missing)-- == 0)
			return n + 1;
	return -1;
}

/* Move to the start of the last `lines` lines. */
static int seek_tail(int log, long lines, struct err *e)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	off_t end = lseek(log, 0, SEEK_END);
	long missing = lines;
	ssize_t n, at;
	char last;

	/* a last line without end counts as one */
	if (end > 0 && pread(log, &last, 1, end - 1) == 1 && last != '\n')
		missing--;
	while (end > 0 && lines > 0) {
		off_t start = end > CHUNK ? end - CHUNK : 0;

		n = pread(log, buf, (size_t)(end - start), start);
		if (n <= 0)
			return err_sys(e, n ? errno : EIO, "log");
		at = find_line(buf, n, &missing);
		if (at >= 0) {
			lseek(log, start + at, SEEK_SET);
			return 0;
		}
		end = start;
	}
	lseek(log, 0, lines > 0 ? SEEK_SET : SEEK_END);
	return 0;
}

/* Sleep until the log changes (1) or the monitor has ended (0). */
static int await_change(int watch, int monitor)
{
	struct pollfd p[2] = { { .fd = watch, .events = POLLIN },
			       { .fd = monitor, .events = POLLIN } };
	char events[4096];

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return 0;
	if (!p[0].revents)
		return 0;
	return read(watch, events, sizeof(events)) > 0;
}

static int follow(const struct instance *in, int log, struct err *e)
{
	long pid = (long)json_integer_value(json_object_get(in->state, "pid"));
	cleanup_close int watch = inotify_init1(IN_CLOEXEC);
	cleanup_close int monitor = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", log);
	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
		return err_sys(e, errno, "watch the log");
	if (pid > 0)
		monitor = (int)syscall(SYS_pidfd_open, pid, 0);
	if (monitor < 0 || !instance_is_live(in))
		return print_rest(log, e);
	do
		r = print_rest(log, e);
	while (!r && await_change(watch, monitor));
	return r ? r : print_rest(log, e);
}

static int logs(void *opaque, int argc, char **argv, struct err *e)
{
	const struct logs_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_close int log = -1;
	long lines = 0;
	int r = 0;

	(void)argc;
	if (args->tail)
		r = units_parse_number(args->tail, "--tail", 0, INT32_MAX,
				       &lines, e);
	if (!r)
		r = store_open(&s, e);
	if (!r)
		r = instance_load(&s, argv[0], &in, e);
	if (r < 0)
		return r;
	log = openat(in.fd, "log", O_RDONLY | O_CLOEXEC);
	if (log < 0 && errno == ENOENT)
		return err_set(e, ENOENT,
			       "%s ran in the foreground: it has no log",
			       in.name);
	if (log < 0)
		return err_sys(e, errno, "%s: log", in.name);
	if (args->tail)
		r = seek_tail(log, lines, e);
	if (!r)
		r = args->follows ? follow(&in, log, e) : print_rest(log, e);
	return r;
}

const struct cmd cmd_logs = {
	.options = logs_options,
	.noptions = ARRAY_SIZE(logs_options),
	.args_size = sizeof(struct logs_args),
	.min_operands = 1,
	.max_operands = 1,
	.run = logs,
};

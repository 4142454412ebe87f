/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy logs: print what a detached instance wrote, and follow it. Following
 * sleeps until the file grows or the instance's state changes; it never polls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "engine/instance.h"
#include "engine/logfile.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define CHUNK 65536

struct logs_args {
	bool follows, has_times;
	const char *tail, *since, *until;
};

static const struct opt logs_options[] = {
	OPT_FLAG('f', "follow", struct logs_args, follows,
		 "wait for more, also while it sleeps, until it ends"),
	OPT_TEXT('n', "tail", "N", struct logs_args, tail,
		 "only the last N lines"),
	OPT_FLAG('t', "timestamps", struct logs_args, has_times,
		 "before each line, when it was written (UTC)"),
	OPT_TEXT(0, "since", "TIME", struct logs_args, since,
		 "only what came since: 10m (ago), 2026-11-22T17:15:22Z"),
	OPT_TEXT(0, "until", "TIME", struct logs_args, until,
		 "only what came before it"),
};

/* What is printed of a log, and how far that is. */
struct printer {
	struct logfile log;
	uint64_t at, to;
	bool has_times;
	bool is_in_line; /* its time is printed */
	size_t cursor;
};

static int write_out(const char *text, size_t n, struct err *e)
{
	int r = io_write_full(STDOUT_FILENO, text, n);

	return r < 0 ? err_sys(e, -r, "write") : 0;
}

/* n bytes from p->at on, a time before each line. */
static int print_lines(struct printer *p, const char *buf, size_t n,
		       struct err *e)
{
	char time[UNITS_SIZE];
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int r;

	while (n) {
		const char *end = memchr(buf, '\n', n);
		size_t len = end ? (size_t)(end - buf) + 1 : n;

		if (!p->is_in_line)
			fprintf(f, "%s ",
				units_time(
					logfile_ms(&p->log, p->at, &p->cursor),
					time));
		fwrite(buf, 1, len, f);
		p->is_in_line = !end;
		p->at += len;
		buf += len;
		n -= len;
	}
	fclose(f);
	r = write_out(text, size, e);
	free(text);
	return r;
}

/* All there is now. */
static int print_rest(struct printer *p, struct err *e)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	uint64_t first;
	ssize_t n = 0;
	int r = 0;

	while (!r) {
		/* It may have been cut before we came to it. */
		first = logfile_first(&p->log, p->at, NULL);
		if (first > p->at) {
			p->at = logfile_line(&p->log, first);
			p->is_in_line = false;
		}
		if (p->at >= p->to)
			return 0;
		n = pread(p->log.fd, buf, MIN(CHUNK, p->to - p->at),
			  (off_t)p->at);
		if (n <= 0)
			break;
		if (p->has_times) {
			r = print_lines(p, buf, (size_t)n, e);
			continue;
		}
		r = write_out(buf, (size_t)n, e);
		p->at += (uint64_t)n;
	}
	return n < 0 ? err_sys(e, errno, "log") : r;
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

/* Where the last `lines` lines begin of what is between. */
static int find_tail(int log, uint64_t from, uint64_t to, long lines,
		     uint64_t *at, struct err *e)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	long missing = lines;
	ssize_t n, found;
	char last;

	*at = lines ? from : to;
	/* a last line without end counts as one */
	if (to > from && pread(log, &last, 1, (off_t)to - 1) == 1 &&
	    last != '\n')
		missing--;
	while (to > from && lines > 0) {
		uint64_t start = to - from > CHUNK ? to - CHUNK : from;

		n = pread(log, buf, to - start, (off_t)start);
		if (n <= 0)
			return err_sys(e, n ? errno : EIO, "log");
		found = find_line(buf, n, &missing);
		if (found >= 0) {
			*at = start + (uint64_t)found;
			return 0;
		}
		to = start;
	}
	return 0;
}

/* Which part of the log is wanted. */
static int find_part(struct printer *p, const struct logs_args *args,
		     struct err *e)
{
	uint64_t ms, end, from = 0;
	long lines = 0;

	if (args->since) {
		if (units_parse_time(args->since, "--since", &ms, e))
			return -e->code;
		from = logfile_before(&p->log, ms);
	}
	p->to = UINT64_MAX;
	if (args->until) {
		if (units_parse_time(args->until, "--until", &ms, e))
			return -e->code;
		p->to = logfile_before(&p->log, ms);
	}
	p->at = logfile_first(&p->log, from, &end);
	if (p->at > from)
		p->at = logfile_line(&p->log, p->at);
	if (!args->tail)
		return 0;
	if (units_parse_number(args->tail, "--tail", 0, INT32_MAX, &lines, e))
		return -e->code;
	end = MAX(MIN(end, p->to), p->at);
	return find_tail(p->log.fd, p->at, end, lines, &p->at, e);
}

struct follower {
	struct printer *out;
	int watch; /* inotify: the log, and the record with wd `record` */
	int record;
};

static int follower_open(struct follower *f, const struct instance *in,
			 struct err *e)
{
	char log[32], record[32];

	snprintf(log, sizeof(log), "/proc/self/fd/%d", f->out->log.fd);
	snprintf(record, sizeof(record), "/proc/self/fd/%d", in->fd);
	f->watch = inotify_init1(IN_CLOEXEC);
	f->record = f->watch < 0 ? -1
				 : inotify_add_watch(f->watch, record,
						     IN_MOVED_TO | IN_DELETE |
							     IN_DELETE_SELF);
	if (f->record < 0 || inotify_add_watch(f->watch, log, IN_MODIFY) < 0)
		return err_sys(e, errno, "watch the log");
	return 0;
}

/* Sleep until something changes: true if it is only the log. */
static bool await_change(const struct follower *f, int monitor)
{
	struct pollfd p[2] = { { .fd = f->watch, .events = POLLIN },
			       { .fd = monitor, .events = POLLIN } };
	char events[4096] __attribute__((aligned(8)));
	ssize_t n;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	if (!p[0].revents)
		return false;
	n = read(f->watch, events, sizeof(events));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev = (const void *)(events + at);

		if (ev->wd == f->record)
			return false;
		at += (ssize_t)sizeof(*ev) + ev->len;
	}
	return n > 0;
}

/* As long as the record is as it was read. */
static int follow_state(const struct follower *f, const struct instance *in,
			struct err *e)
{
	long pid = (long)json_integer_value(json_object_get(in->state, "pid"));
	cleanup_close int monitor = -1;
	int r;

	/* One that is just being woken has not said its number yet. */
	if (in->status <= INSTANCE_RUNNING && pid > 0)
		monitor = (int)syscall(SYS_pidfd_open, pid, 0);
	do
		r = print_rest(f->out, e);
	while (!r && await_change(f, monitor));
	return r;
}

/* Through sleep and wake, until it has ended. */
static int follow(const struct store *s, const char *name, struct printer *out,
		  const struct instance *first, struct err *e)
{
	struct follower f = { .out = out, .watch = -1 };
	int r = follower_open(&f, first, e);

	while (!r) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		struct err gone = ERR_INIT;

		if (instance_load(s, name, &in, &gone) ||
		    in.status > INSTANCE_SUSPENDED) {
			r = print_rest(out, e);
			break;
		}
		r = follow_state(&f, &in, e);
	}
	if (f.watch >= 0)
		close(f.watch);
	return r;
}

static int logs(void *opaque, int argc, char **argv, struct err *e)
{
	const struct logs_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	struct printer out = { .log = LOGFILE_INIT,
			       .has_times = args->has_times };
	int r;

	(void)argc;
	if (args->follows && args->until)
		return err_set(e, EINVAL, "--follow goes without --until");
	if (store_open(&s, e) || instance_load(&s, argv[0], &in, e) ||
	    logfile_open(&in, &out.log, e))
		return -e->code;
	r = find_part(&out, args, e);
	if (!r)
		r = args->follows ? follow(&s, argv[0], &out, &in, e)
				  : print_rest(&out, e);
	logfile_close(&out.log);
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

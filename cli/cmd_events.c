/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy events: print what has happened to instances, JSON lines that their
 * monitors wrote, and follow it. Following sleeps until one of the files grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "engine/instance.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"

#define FILE_MAX (1 << 20)
#define DIR_EVENTS \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

struct events_args {
	bool follows;
};

static const struct opt events_options[] = {
	OPT_FLAG('f', "follow", struct events_args, follows,
		 "wait for more, until the record is removed"),
};

/* The events of one instance. */
struct source {
	char *name;
	int dir_fd;
	int fd; /* events; -1: there is none yet */
	off_t at;
};

struct sources {
	const struct store *store;
	const char *only; /* the one that is wanted, or NULL */
	int notify_fd;	  /* -1: not followed */
	struct source *items;
	size_t count;
};

static void add_lines(struct strv *lines, char *text)
{
	char *end;

	for (; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		strv_add(lines, text);
	}
}

/* All lines of the open file from s->at on, which moves. */
static void read_lines(struct source *s, struct strv *lines)
{
	cleanup_free char *text = xmalloc(FILE_MAX + 1);
	ssize_t n = s->fd < 0 ? 0 : pread(s->fd, text, FILE_MAX, s->at);

	while (n > 0 && text[n - 1] != '\n')
		n--;
	if (n <= 0)
		return;
	text[n] = '\0';
	s->at += n;
	add_lines(lines, text);
}

static bool is_replaced(const struct source *s)
{
	struct stat mine, now;

	return fstat(s->fd, &mine) || fstatat(s->dir_fd, "events", &now, 0) ||
	       mine.st_ino != now.st_ino;
}

static void watch(const struct sources *all, const char *file, int fd,
		  uint32_t mask)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d%s", fd, file);
	if (all->notify_fd >= 0)
		inotify_add_watch(all->notify_fd, path, mask);
}

static void collect(const struct sources *all, struct source *s,
		    struct strv *lines)
{
	read_lines(s, lines);
	if (s->fd >= 0 && !is_replaced(s))
		return;
	if (s->fd >= 0)
		close(s->fd);
	s->at = 0;
	s->fd = openat(s->dir_fd, "events", O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		return;
	watch(all, "", s->fd, IN_MODIFY);
	read_lines(s, lines);
}

static int add_source(struct sources *all, const char *name, struct strv *lines,
		      struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	struct source *s, older = { .fd = -1 };

	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->items[i].name, name))
			return 0;
	if (instance_load(all->store, name, &in, e) < 0)
		return -e->code;
	all->items =
		xreallocarray(all->items, all->count + 1, sizeof(*all->items));
	s = &all->items[all->count++];
	*s = (struct source){ .name = xstrdup(name),
			      .dir_fd = fcntl(in.fd, F_DUPFD_CLOEXEC, 0),
			      .fd = -1 };
	watch(all, "", s->dir_fd, DIR_EVENTS);
	older.fd = openat(s->dir_fd, "events.1", O_RDONLY | O_CLOEXEC);
	read_lines(&older, lines);
	if (older.fd >= 0)
		close(older.fd);
	return 0;
}

static bool is_gone(const struct source *s)
{
	struct stat st;

	return fstat(s->dir_fd, &st) || st.st_nlink == 0 ||
	       fstatat(s->dir_fd, "spec.json", &st, 0);
}

static void drop_gone(struct sources *all)
{
	for (size_t i = 0; i < all->count;) {
		struct source *s = &all->items[i];

		if (!is_gone(s)) {
			i++;
			continue;
		}
		free(s->name);
		close(s->dir_fd);
		if (s->fd >= 0)
			close(s->fd);
		*s = all->items[--all->count];
	}
}

/* Those that there are now. */
static int find_sources(struct sources *all, struct strv *lines, struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct err gone = ERR_INIT;

	if (all->only)
		return add_source(all, all->only, lines, e);
	if (instance_names(all->store, &names, e))
		return -e->code;
	for (size_t i = 0; i < names.count; i++)
		(void)add_source(all, names.items[i], lines, &gone);
	return 0;
}

/* Each line begins with its time, so that order of text is that of time. */
static int print(struct strv *lines, struct err *e)
{
	int r = 0;

	strv_sort(lines);
	for (size_t i = 0; !r && i < lines->count; i++) {
		cleanup_free char *line = xasprintf("%s\n", lines->items[i]);

		r = io_write_full(STDOUT_FILENO, line, strlen(line));
	}
	strv_fini(lines);
	*lines = (struct strv)STRV_INIT;
	return r ? err_sys(e, -r, "write") : 0;
}

static int print_new(struct sources *all, bool looks, struct err *e)
{
	cleanup_strv struct strv lines = STRV_INIT;

	if (looks && find_sources(all, &lines, e))
		return -e->code;
	for (size_t i = 0; i < all->count; i++)
		collect(all, &all->items[i], &lines);
	return print(&lines, e);
}

static int follow(struct sources *all, struct err *e)
{
	char buf[4096];
	int r = 0;

	while (!r && (all->count || !all->only) &&
	       read(all->notify_fd, buf, sizeof(buf)) > 0) {
		r = print_new(all, !all->only, e);
		drop_gone(all);
	}
	return r;
}

static int events(void *opaque, int argc, char **argv, struct err *e)
{
	const struct events_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	struct sources all = { .store = &s,
			       .only = argc ? argv[0] : NULL,
			       .notify_fd = -1 };
	int r = store_open(&s, e);

	if (r)
		return r;
	if (args->follows) {
		all.notify_fd = inotify_init1(IN_CLOEXEC);
		if (all.notify_fd < 0)
			return err_sys(e, errno, "inotify");
		if (!all.only)
			watch(&all, "/instances", s.fd,
			      IN_CREATE | IN_MOVED_TO);
	}
	r = print_new(&all, true, e);
	return r || !args->follows ? r : follow(&all, e);
}

const struct cmd cmd_events = {
	.options = events_options,
	.noptions = ARRAY_SIZE(events_options),
	.args_size = sizeof(struct events_args),
	.min_operands = 0,
	.max_operands = 1,
	.notes = "Each is a JSON object on a line: time, instance, event "
		 "(start, suspend, wake, stay,\nstop, crash) and what belongs "
		 "to it.\n",
	.run = events,
};

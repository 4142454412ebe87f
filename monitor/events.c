/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to the instance: a JSON line each in state_dir/events. When
 * that is full it becomes events.1, in place of an older one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "monitor/instance.h"

#define EVENTS_MAX (256 << 10)

static json_t *time_json(void)
{
	struct timespec ts;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%03ldZ", text, ts.tv_nsec / 1000000);
}

/* The file to append to, with room. */
static int open_events(const struct instance *in)
{
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, "events", &st, 0) == 0 && st.st_size > EVENTS_MAX)
		renameat(dir, "events", dir, "events.1");
	return openat(dir, "events", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0600);
}

/* A record that is lost is no reason to end: errors are not told. */
void event_add(const struct instance *in, const char *what, json_t *more)
{
	cleanup_json json_t *fields = more;
	cleanup_json json_t *o = json_object();
	cleanup_free char *text = NULL;
	cleanup_free char *line = NULL;
	cleanup_close int fd = -1;
	int n;

	if (!in->spec.state_dir || !in->spec.is_detached)
		return;
	json_object_set_new(o, "time", time_json());
	json_object_set_new(o, "instance", json_text(in->spec.name));
	json_object_set_new(o, "event", json_string(what));
	if (fields)
		json_object_update(o, fields);
	text = json_dumps(o, JSON_COMPACT);
	n = text ? asprintf(&line, "%s\n", text) : -1;
	fd = n > 0 ? open_events(in) : -1;
	if (fd >= 0 && write(fd, line, (size_t)n) != n)
		return;
}

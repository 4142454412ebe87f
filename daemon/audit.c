/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log, and /v1/audit, which reads it from its end.
 */
#include "daemon/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ITEMS_MAX 16 /* told of one request */
#define COUNT_DEFAULT 100

static const char older[] = AUDIT_FILE ".1";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What was done to what: the first of them. */
static json_t *items_of(const struct call *c)
{
	static const char *const keys[] = { "uuid", "name", "error" };
	json_t *list = json_array(), *item;
	size_t i;

	json_array_foreach (c->items, i, item) {
		json_t *short_one = json_object();

		if (i == ITEMS_MAX) {
			json_decref(short_one);
			break;
		}
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			if (json_has(item, keys[k]))
				json_object_set(short_one, keys[k],
						json_object_get(item, keys[k]));
		json_array_append_new(list, short_one);
	}
	if (!json_array_size(list) && c->uuid)
		json_array_append_new(
			list, json_pack("{s:o}", "uuid", json_text(c->uuid)));
	return list;
}

static json_t *line_of(const struct call *c)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack(
		"{s:o, s:s, s:o, s:s, s:o, s:i, s:I, s:o}", "time",
		api_time((int64_t)now.tv_sec * 1000), "user", c->user,
		"user_name", json_text(c->user_name), "method",
		c->request->method, "path", json_text(c->request->path),
		"status", (int)c->response->status, "count",
		(json_int_t)json_array_size(c->items), "items", items_of(c));
}

static int open_log(struct daemon *d)
{
	struct stat st;

	if (!fstatat(d->store.fd, AUDIT_FILE, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_size >= AUDIT_FILE_MAX)
		renameat(d->store.fd, AUDIT_FILE, d->store.fd, older);
	return openat(d->store.fd, AUDIT_FILE,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		      0600);
}

void audit_note(const struct call *c)
{
	cleanup_json json_t *o = line_of(c);
	cleanup_free char *text = json_dumps(o, JSON_COMPACT);
	cleanup_free char *line = xasprintf("%s\n", text ? text : "{}");
	cleanup_close int fd = -1;

	pthread_mutex_lock(&lock);
	fd = open_log(c->daemon);
	if (fd >= 0)
		(void)io_write_full(fd, line, strlen(line));
	pthread_mutex_unlock(&lock);
}

/* Administrators see what all have done. */
static bool is_told(const struct call *c, const json_t *o)
{
	return c->is_admin || !strcmp(json_str_or(o, "user", ""), c->user);
}

/* Those of a file, the last first, until there are enough. */
static void read_log(struct call *c, const char *name, size_t count)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	pthread_mutex_lock(&lock);
	r = io_read_file(c->daemon->store.fd, name, 2 * AUDIT_FILE_MAX, &text,
			 &len, NULL);
	pthread_mutex_unlock(&lock);
	while (!r && len && json_array_size(c->items) < count) {
		size_t end = text[len - 1] == '\n' ? --len : len;
		cleanup_json json_t *o = NULL;

		while (len && text[len - 1] != '\n')
			len--;
		/* A line that was cut off is none. */
		if (!json_parse("audit", text + len, end - len, &o, NULL) &&
		    is_told(c, o))
			json_array_append(c->items, o);
	}
}

int audit_get(struct call *c, struct db_object *o, const json_t *arg,
	      json_t *item, struct err *e)
{
	size_t count = (size_t)json_int_or(arg, "count", COUNT_DEFAULT);
	const char *accept = c->request->accept;

	(void)o;
	if (accept && strstr(accept, "text/event-stream"))
		return node_absent(c, NULL, arg, item, e);
	read_log(c, AUDIT_FILE, count);
	read_log(c, older, count);
	api_answer(c);
	return 0;
}

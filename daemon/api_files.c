/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/instances/{uuid}/files: files inside an instance, as its root sees them
 * and without a program in there. What answers is the instance's kernel, which
 * may be hostile: each of its answers has a time limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/instances.h"
#include "daemon/stream.h"
#include "engine/guest_files.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_SECONDS 10 /* for one of the kernel's answers */
#define TOTAL_SECONDS 60  /* for all of a request but a read */
#define SUSPEND_SECONDS 10
#define TRIES 5
#define LIST_MAX 10000

static int open_once(struct call *c, struct db_object *o, struct guest_files *g,
		     struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	struct files_attr a;
	int r = instance_awake(c, o, &in, e);

	if (!r)
		r = guest_files_open(&in, g, e);
	guest_files_limit(g, ANSWER_SECONDS, TOTAL_SECONDS);
	/* That it is being suspended is known with the first answer. */
	if (!r)
		r = guest_stat(g, "/", true, &a, e);
	if (r)
		guest_files_close(g);
	if (r == -EAGAIN)
		(void)instance_wait(&in, SUSPEND_SECONDS);
	return r;
}

static int open_files(struct call *c, struct db_object *o, const json_t *arg,
		      struct guest_files *g, struct err *e)
{
	const char *path = json_str_or(arg, "path", "");
	int r = -EAGAIN;

	if (path[0] != '/' || strlen(path) >= FILES_PATH_MAX)
		return api_fail(e, API_INVALID,
				"'path' is no absolute path of at most %d "
				"bytes",
				FILES_PATH_MAX - 1);
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		*e = (struct err)ERR_INIT;
		r = open_once(c, o, g, e);
	}
	return r;
}

/* --- Reading: a piece is a job
 * ---------------------------------------------------- */

struct reading {
	struct stream stream; /* first */
	struct guest_files files;
	uint64_t at;
	bool is_busy; /* a job is on it */
	bool is_closed;
	ssize_t len; /* of the piece, 0: the end, -errno */
	size_t used;
	char piece[FILES_BYTES_MAX];
};

static void reading_free(struct reading *r)
{
	guest_files_close(&r->files);
	stream_fini(&r->stream);
	free(r);
}

static int read_piece(struct reading *r, struct err *e)
{
	r->len = guest_read(&r->files, r->at, r->piece, sizeof(r->piece), e);
	r->used = 0;
	r->at += r->len > 0 ? (uint64_t)r->len : 0;
	return (int)MIN(r->len, 0);
}

/* On the pool. */
static void piece_job(void *arg)
{
	struct err e = ERR_INIT;

	(void)read_piece(arg, &e); /* the reader sees it in len */
}

static void on_piece(void *arg)
{
	struct reading *r = arg;

	r->is_busy = false;
	if (r->is_closed)
		reading_free(r);
	else
		r->stream.on_ready(&r->stream);
}

static ssize_t reading_read(struct stream *s, char *buf, size_t len)
{
	struct reading *r = (struct reading *)s;
	struct daemon *d = s->daemon;
	size_t n;

	if (r->is_busy)
		return -EAGAIN;
	if (r->len <= 0)
		return r->len;
	n = MIN(len, (size_t)r->len - r->used);
	memcpy(buf, r->piece + r->used, n);
	r->used += n;
	if (n)
		return (ssize_t)n;
	r->is_busy = true;
	if (jobs_submit(d->requests, d->loop, piece_job, on_piece, r)) {
		r->is_busy = false;
		return -EIO;
	}
	return -EAGAIN;
}

static void reading_close(struct stream *s)
{
	struct reading *r = (struct reading *)s;

	r->is_closed = true;
	if (!r->is_busy)
		reading_free(r);
}

static const struct stream_ops reading_ops = { reading_read, reading_close };

int instance_file_get(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	struct reading *s = xcalloc(1, sizeof(*s));
	int r;

	(void)item;
	s->files = (struct guest_files)GUEST_FILES_INIT;
	r = stream_init(&s->stream, &reading_ops, c, e);
	if (r) {
		free(s);
		return r;
	}
	r = open_files(c, o, arg, &s->files, e);
	if (!r)
		r = guest_open(&s->files, json_str_or(arg, "path", ""),
			       FILES_FOLLOW, 0, e);
	if (!r)
		r = read_piece(s, e);
	/* The whole may take as long as the client does. */
	guest_files_limit(&s->files, ANSWER_SECONDS, 0);
	if (r) {
		reading_free(s);
		return r;
	}
	c->response->stream = &s->stream;
	c->response->type = "application/octet-stream";
	return 0;
}

/* --- The rest
 * --------------------------------------------------------------------- */

static int take_mode(const json_t *arg, uint32_t otherwise, uint32_t *mode,
		     struct err *e)
{
	const char *text = json_str_or(arg, "mode", NULL);
	char *end;

	*mode = otherwise;
	if (!text)
		return 0;
	*mode = (uint32_t)strtoul(text, &end, 8);
	if (text[0] < '0' || text[0] > '7' || *end || *mode > 0777)
		return api_fail(e, API_INVALID,
				"'mode' is no octal number up to 777");
	return 0;
}

typedef int files_fn(struct call *c, struct guest_files *g, const char *path,
		     const json_t *arg, json_t *item, struct err *e);

static int with_files(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, files_fn *fn, struct err *e)
{
	struct guest_files g = GUEST_FILES_INIT;
	int r = open_files(c, o, arg, &g, e);

	if (!r)
		r = fn(c, &g, json_str_or(arg, "path", ""), arg, item, e);
	guest_files_close(&g);
	return r;
}

static int put(struct call *c, struct guest_files *g, const char *path,
	       const json_t *arg, json_t *item, struct err *e)
{
	const struct api_request *rq = c->request;
	uint32_t mode;
	int r = take_mode(arg, 0644, &mode, e);

	if (!r)
		r = guest_open(g, path, FILES_WRITES | FILES_FOLLOW, mode, e);
	if (!r)
		r = guest_write(g, 0, rq->body, rq->body_len, e);
	json_object_set_new(item, "size",
			    json_integer((json_int_t)rq->body_len));
	return r;
}

static int make_directory(struct call *c, struct guest_files *g,
			  const char *path, const json_t *arg, json_t *item,
			  struct err *e)
{
	uint32_t mode;
	int r = take_mode(arg, 0755, &mode, e);

	(void)c;
	(void)item;
	return r ? r : guest_mkdir(g, path, mode, e);
}

static int take_away(struct call *c, struct guest_files *g, const char *path,
		     const json_t *arg, json_t *item, struct err *e)
{
	(void)c;
	(void)arg;
	(void)item;
	return guest_remove(g, path, e);
}

static int list(struct call *c, struct guest_files *g, const char *path,
		const json_t *arg, json_t *item, struct err *e)
{
	cleanup_json json_t *rows = json_array();
	int r = guest_list_json(g, path, LIST_MAX, rows, e);

	(void)c;
	(void)arg;
	if (r == -E2BIG)
		return api_fail(e, API_TOO_MANY, "More than %d files",
				LIST_MAX);
	if (!r)
		json_object_set(item, "files", rows);
	return r;
}

int instance_file_put(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	return with_files(c, o, arg, item, put, e);
}

int instance_file_delete(struct call *c, struct db_object *o, const json_t *arg,
			 json_t *item, struct err *e)
{
	return with_files(c, o, arg, item, take_away, e);
}

int instance_file_list(struct call *c, struct db_object *o, const json_t *arg,
		       json_t *item, struct err *e)
{
	return with_files(c, o, arg, item, list, e);
}

int instance_file_mkdir(struct call *c, struct db_object *o, const json_t *arg,
			json_t *item, struct err *e)
{
	return with_files(c, o, arg, item, make_directory, e);
}

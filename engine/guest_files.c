/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the kernel's file server (abi/files.h).
 */
#include "engine/guest_files.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/control.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "host/json.h"
#include "host/xmalloc.h"

struct call {
	struct files_request request;
	const void *first, *second; /* behind it, one after the other */
	size_t first_len, second_len;
	const char *path; /* for messages */
	void *out;	  /* FILES_BYTES_MAX or out_size */
	size_t out_size;
	struct files_reply reply;
};

int guest_files_open(const struct instance *in, struct guest_files *g,
		     struct err *e)
{
	cleanup_json json_t *request = json_pack("{s:s}", "op", "files");
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, errno, "socket");
	memcpy(g->name, in->name, NAME_SIZE);
	g->fd = pair[0];
	g->control = control_begin(in, request, &pair[1], 1, e);
	close(pair[1]);
	if (g->control >= 0)
		return 0;
	guest_files_close(g);
	return -e->code;
}

void guest_files_close(struct guest_files *g)
{
	if (g->fd >= 0)
		close(take_fd(&g->fd));
	if (g->control >= 0)
		close(take_fd(&g->control));
}

static int64_t now_ms(void)
{
	return monotonic_ns() / NSEC_PER_MSEC;
}

void guest_files_limit(struct guest_files *g, int answer_s, int total_s)
{
	g->answer_ms = (int64_t)answer_s * 1000;
	g->end_ms = total_s ? now_ms() + (int64_t)total_s * 1000 : 0;
}

static void begin_call(struct guest_files *g)
{
	g->until_ms = g->answer_ms ? now_ms() + g->answer_ms : INT64_MAX;
	if (g->end_ms)
		g->until_ms = MIN(g->until_ms, g->end_ms);
}

/* Until the server can be read from or written to; false: its time is over. */
static bool await(struct guest_files *g, short events)
{
	struct pollfd p = { .fd = g->fd, .events = events };
	int64_t left = -1;

	if (g->until_ms != INT64_MAX)
		left = MAX(g->until_ms - now_ms(), 0);
	return poll(&p, 1, (int)MIN(left, (int64_t)INT32_MAX)) != 0 || left < 0;
}

/* The server is gone: the monitor may have said why. */
static int gone(struct guest_files *g, struct err *e)
{
	cleanup_json json_t *o = NULL;
	struct pollfd p = { .fd = g->control, .events = POLLIN };
	char line[1024];
	ssize_t n = 0;

	if (g->until_ms != INT64_MAX && now_ms() >= g->until_ms)
		return err_set(e, ETIMEDOUT, "%s does not answer", g->name);
	if (poll(&p, 1, 1000) > 0)
		n = recv(g->control, line, sizeof(line), 0);
	if (n > 0 && !json_parse("answer", line, (size_t)n, &o, e) &&
	    json_has(o, "error"))
		return err_set(e,
			       json_is_true(json_object_get(o, "again"))
				       ? EAGAIN
				       : EREMOTEIO,
			       "%s: %s", g->name, json_str_or(o, "error", "?"));
	*e = (struct err)ERR_INIT;
	return err_set(e, EPIPE, "%s has ended", g->name);
}

/* All of it, or false. */
static bool transfer(struct guest_files *g, void *data, size_t len, bool is_out)
{
	char *at = data;

	while (len) {
		ssize_t n = is_out ? send(g->fd, at, len,
					  MSG_NOSIGNAL | MSG_DONTWAIT)
				   : recv(g->fd, at, len, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN &&
		    await(g, is_out ? POLLOUT : POLLIN))
			continue;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_part(struct guest_files *g, const void *data, size_t len)
{
	return transfer(g, (void *)(uintptr_t)data, len, true);
}

static int do_call(struct guest_files *g, struct call *c, struct err *e)
{
	c->request.len = (uint32_t)(c->first_len + c->second_len);
	if (c->request.len > FILES_BYTES_MAX)
		return err_set(e, ENAMETOOLONG, "%s: too long",
			       c->path ? c->path : g->name);
	begin_call(g);
	if (!send_part(g, &c->request, sizeof(c->request)) ||
	    !send_part(g, c->first, c->first_len) ||
	    !send_part(g, c->second, c->second_len) ||
	    !transfer(g, &c->reply, sizeof(c->reply), false))
		return gone(g, e);
	if (c->reply.len > c->out_size)
		return err_set(e, EPROTO, "%s: an answer of %u bytes", g->name,
			       c->reply.len);
	if (!transfer(g, c->out, c->reply.len, false))
		return gone(g, e);
	if (c->reply.error > 0 && c->reply.error < 4096)
		return err_sys(e, c->reply.error, "%s:%s", g->name,
			       c->path ? c->path : "");
	return c->reply.error ? err_set(e, EPROTO, "%s: a bad answer", g->name)
			      : 0;
}

static struct call path_call(uint32_t op, const char *path, uint32_t flags)
{
	return (struct call){ .request = { .op = op, .flags = flags },
			      .first = path,
			      .first_len = strlen(path) + 1,
			      .path = path };
}

int guest_stat(struct guest_files *g, const char *path, bool follows,
	       struct files_attr *a, struct err *e)
{
	struct call c = path_call(FILES_STAT, path, follows ? FILES_FOLLOW : 0);

	c.out = a;
	c.out_size = sizeof(*a);
	if (do_call(g, &c, e))
		return -e->code;
	return c.reply.len == sizeof(*a)
		       ? 0
		       : err_set(e, EPROTO, "%s: a bad answer", g->name);
}

int guest_readlink(struct guest_files *g, const char *path, char *target,
		   struct err *e)
{
	struct call c = path_call(FILES_READLINK, path, 0);

	c.out = target;
	c.out_size = FILES_PATH_MAX - 1;
	if (do_call(g, &c, e))
		return -e->code;
	target[c.reply.len] = '\0';
	return 0;
}

static bool is_name(const char *name, size_t len)
{
	return len > 0 && len <= 255 && strlen(name) == len &&
	       !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static int take_entries(const char *bytes, size_t len, guest_entry_fn *fn,
			void *arg, struct err *e)
{
	char name[256];
	int r = 0;

	for (size_t at = 0; !r && at < len;) {
		struct files_entry entry;

		if (len - at < sizeof(entry))
			return err_set(e, EPROTO, "a bad list of files");
		memcpy(&entry, bytes + at, sizeof(entry));
		at += sizeof(entry);
		if (entry.len > len - at || entry.len >= sizeof(name))
			return err_set(e, EPROTO, "a bad list of files");
		memcpy(name, bytes + at, entry.len);
		name[entry.len] = '\0';
		at += entry.len;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (!is_name(name, entry.len))
			return err_set(e, EPROTO, "a file with a bad name");
		r = fn(arg, name, entry.type, e);
	}
	return r;
}

int guest_list(struct guest_files *g, const char *path, guest_entry_fn *fn,
	       void *arg, struct err *e)
{
	uint64_t at = 0;
	int r = 0;

	while (!r) {
		cleanup_free char *bytes = xmalloc(FILES_BYTES_MAX);
		struct call c = path_call(FILES_LIST, path, FILES_FOLLOW);

		c.request.at = at;
		c.out = bytes;
		c.out_size = FILES_BYTES_MAX;
		if (do_call(g, &c, e))
			return -e->code;
		if (!c.reply.len)
			break;
		r = take_entries(bytes, c.reply.len, fn, arg, e);
		at = c.reply.at;
	}
	return r;
}

static const char *type_name(uint32_t mode)
{
	return S_ISREG(mode)   ? "file"
	       : S_ISDIR(mode) ? "directory"
	       : S_ISLNK(mode) ? "link"
			       : "other";
}

struct listing {
	struct guest_files *g;
	const char *path;
	size_t max;
	json_t *rows;
};

static int list_entry(void *arg, const char *name, uint32_t type, struct err *e)
{
	struct listing *l = arg;
	cleanup_free char *path =
		xasprintf("%s/%s", strcmp(l->path, "/") ? l->path : "", name);
	struct err gone = ERR_INIT;
	struct files_attr a;
	int r = guest_stat(l->g, path, false, &a, &gone);

	(void)type;
	if (r == -EPIPE || r == -ETIMEDOUT || r == -EPROTO) {
		*e = gone;
		return r;
	}
	if (r) /* it was removed meanwhile */
		return 0;
	if (json_array_size(l->rows) == l->max)
		return err_set(e, E2BIG, "%s: over %zu files", l->path, l->max);
	json_array_append_new(
		l->rows,
		json_pack("{s:o,s:s,s:i,s:I,s:I,s:I,s:I}", "name",
			  json_text(name), "type", type_name(a.mode), "mode",
			  (int)(a.mode & 07777), "size", (json_int_t)a.size,
			  "uid", (json_int_t)a.uid, "gid", (json_int_t)a.gid,
			  "mtime", (json_int_t)a.mtime_s));
	return 0;
}

int guest_list_json(struct guest_files *g, const char *path, size_t max,
		    json_t *rows, struct err *e)
{
	struct listing l = { g, path, max, rows };

	return guest_list(g, path, list_entry, &l, e);
}

int guest_open(struct guest_files *g, const char *path, uint32_t flags,
	       uint32_t mode, struct err *e)
{
	struct call c = path_call(FILES_OPEN, path, flags);

	c.request.mode = mode;
	return do_call(g, &c, e);
}

ssize_t guest_read(struct guest_files *g, uint64_t at, void *buf, size_t len,
		   struct err *e)
{
	struct call c = { .request = { .op = FILES_READ, .at = at },
			  .out = buf,
			  .out_size = MIN(len, (size_t)FILES_BYTES_MAX) };

	c.request.mode = (uint32_t)c.out_size;
	return do_call(g, &c, e) ? -e->code : (ssize_t)c.reply.len;
}

int guest_write(struct guest_files *g, uint64_t at, const void *buf, size_t len,
		struct err *e)
{
	while (len) {
		struct call c = { .request = { .op = FILES_WRITE, .at = at },
				  .first = buf,
				  .first_len =
					  MIN(len, (size_t)FILES_BYTES_MAX) };

		if (do_call(g, &c, e))
			return -e->code;
		at += c.first_len;
		buf = (const char *)buf + c.first_len;
		len -= c.first_len;
	}
	return 0;
}

int guest_mkdir(struct guest_files *g, const char *path, uint32_t mode,
		struct err *e)
{
	struct call c = path_call(FILES_MKDIR, path, 0);

	c.request.mode = mode;
	return do_call(g, &c, e);
}

static int two_paths(struct guest_files *g, uint32_t op, const char *path,
		     const char *target, struct err *e)
{
	struct call c = path_call(op, path, 0);

	c.second = target;
	c.second_len = strlen(target) + 1;
	return do_call(g, &c, e);
}

int guest_symlink(struct guest_files *g, const char *path, const char *target,
		  struct err *e)
{
	return two_paths(g, FILES_SYMLINK, path, target, e);
}

int guest_link(struct guest_files *g, const char *path, const char *target,
	       struct err *e)
{
	return two_paths(g, FILES_LINK, path, target, e);
}

int guest_remove(struct guest_files *g, const char *path, struct err *e)
{
	struct call c = path_call(FILES_REMOVE, path, 0);

	return do_call(g, &c, e);
}

int guest_set(struct guest_files *g, const char *path,
	      const struct files_attr *a, uint32_t has, struct err *e)
{
	struct call c = { .request = { .op = FILES_SET, .mode = has },
			  .first = a,
			  .first_len = sizeof(*a),
			  .second = path,
			  .second_len = strlen(path) + 1,
			  .path = path };

	return do_call(g, &c, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request a connection, over the daemon's unix socket in the store, which
 * needs no token. What does not come from a daemon is told in one line.
 */
#include "cli/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/daemon.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_MAX (1u << 20)
#define ERROR_NOT_FOUND 8 /* of the API */

/* -1: nobody serves the store; else a descriptor or -errno. */
static int connect_to(const struct store *s, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;
	const char *env = getenv(DAEMON_ENV);

	if (env && !strcmp(env, "no")) /* it has called us */
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The store's own path may be longer than an address may be. */
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/" DAEMON_SOCKET, s->fd);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return take_fd(&fd);
	if (errno == ENOENT || errno == ECONNREFUSED) /* it has ended */
		return -1;
	return err_sys(e, errno, "jiffyd: %s/" DAEMON_SOCKET, s->path);
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Until the other end closes; terminated. */
static int receive_all(int fd, char *text, int timeout_s, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < ANSWER_MAX) {
		int r = poll(&p, 1, timeout_s * 1000);

		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			return err_set(e, ETIMEDOUT,
				       "jiffyd: no answer in %d seconds",
				       timeout_s);
		n = read(fd, text + len, ANSWER_MAX - len);
		if (n < 0)
			return err_sys(e, errno, "jiffyd");
		len += (size_t)n;
	}
	text[len] = '\0';
	return 0;
}

static const json_t *item_of(const json_t *answer)
{
	return json_array_get(
		json_object_get(json_object_get(answer, "data"), "instances"),
		0);
}

/* What the answer, status line to body, means. */
static int judge(const char *text, struct err *e)
{
	cleanup_json json_t *answer = NULL;
	const char *body = strstr(text, "\r\n\r\n");
	const json_t *item;
	int status = 0;

	if (sscanf(text, "HTTP/1.1 %d", &status) != 1 || !body ||
	    json_parse("answer", body + 4, strlen(body + 4), &answer, NULL))
		return err_set(e, EPROTO,
			       "jiffyd gave no answer: is it of "
			       "another version?");
	item = item_of(answer);
	if (status == 401)
		return err_set(e, EACCES,
			       "jiffyd serves the store for another user");
	if (status != 200 || !item)
		return err_set(e, EPROTO,
			       "jiffyd of another version? It says: %.200s",
			       json_str_or(answer, "message", text));
	if (!json_has(item, "error"))
		return 0;
	if (json_integer_value(json_object_get(item, "error")) ==
	    ERROR_NOT_FOUND)
		return DAEMON_NONE; /* about to be adopted */
	return err_set(e, EREMOTEIO, "%s",
		       json_str_or(item, "message", "jiffyd refuses"));
}

int daemon_do(const struct store *s, const struct instance *in,
	      const char *verb, json_t *more, int timeout_s, struct err *e)
{
	bool is_delete = !strcmp(verb, "delete");
	cleanup_json json_t *args = more ? more : json_object();
	cleanup_free char *body = NULL, *request = NULL;
	cleanup_free char *text = NULL;
	cleanup_close int fd = connect_to(s, e);
	int r;

	if (fd < 0)
		return fd == -1 ? DAEMON_NONE : fd;
	json_object_set_new(args, "name", json_text(in->name));
	body = json_dumps(args, JSON_COMPACT);
	request = xasprintf("%s /v1/instances%s%s HTTP/1.1\r\n"
			    "Host: jiffyd\r\nConnection: close\r\n"
			    "Content-Type: application/json\r\n"
			    "Content-Length: %zu\r\n\r\n%s",
			    is_delete ? "DELETE" : "PUT", is_delete ? "" : "/",
			    is_delete ? "" : verb, strlen(body), body);
	r = send_all(fd, request, strlen(request));
	if (r)
		return err_sys(e, -r, "jiffyd");
	text = xmalloc(ANSWER_MAX + 1);
	r = receive_all(fd, text, timeout_s, e);
	return r ? r : judge(text, e);
}

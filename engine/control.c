/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the monitor's control socket.
 */
#include "engine/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/clock.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_MAX (1 << 20)
#define FDS_MAX 3
#define ASKED_AT_ONCE 64

static int connect_to(const struct instance *in, int flags, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;

	/* the record's own path may be longer than an address may be */
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/control.sock", in->fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(e, ESRCH, "%s is not running", in->name);
	return take_fd(&fd);
}

static int read_answer(int fd, const struct instance *in, int timeout_s,
		       json_t **answer, struct err *e)
{
	cleanup_free char *text = xmalloc(ANSWER_MAX);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;
	int r;

	while (!memchr(text, '\n', len)) {
		r = poll(&p, 1, timeout_s * 1000);
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			return err_set(e, ETIMEDOUT,
				       "%s: no answer in %d seconds", in->name,
				       timeout_s);
		n = read(fd, text + len, ANSWER_MAX - len);
		if (n <= 0 || len + (size_t)n == ANSWER_MAX)
			return err_set(e, EPIPE, "%s: its monitor hung up",
				       in->name);
		len += (size_t)n;
	}
	return json_parse("answer", text, len, answer, e);
}

static int send_line(int fd, const char *line, const int *fds, int n)
{
	struct iovec iov = { (char *)(uintptr_t)line, strlen(line) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds, (size_t)n * sizeof(int));
	}
	sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	/* The rest of a long one goes without them. */
	for (size_t at = 0; sent >= 0 && (at += (size_t)sent) < iov.iov_len;)
		sent = send(fd, line + at, iov.iov_len - at, MSG_NOSIGNAL);
	return sent < 0 ? -errno : 0;
}

int control_begin(const struct instance *in, const json_t *request,
		  const int *fds, int n, struct err *e)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	cleanup_free char *line = xasprintf("%s\n", text ? text : "{}");
	cleanup_close int fd = connect_to(in, 0, e);

	if (fd < 0)
		return fd;
	if (send_line(fd, line, fds, n))
		return err_set(e, ESRCH, "%s is not running", in->name);
	return take_fd(&fd);
}

int control_failed(const char *name, const json_t *answer, struct err *e)
{
	if (!json_has(answer, "error"))
		return 0;
	return err_set(e,
		       json_is_true(json_object_get(answer, "again"))
			       ? EAGAIN
			       : EREMOTEIO,
		       "%s: %s", name, json_str_or(answer, "error", "?"));
}

int control_call(const struct instance *in, const json_t *request,
		 int timeout_s, json_t **answer, struct err *e)
{
	cleanup_json json_t *obj = NULL;
	cleanup_close int fd = control_begin(in, request, NULL, 0, e);
	int r; /* e may be NULL */

	if (fd < 0)
		return fd;
	r = read_answer(fd, in, timeout_s, &obj, e);
	if (!r)
		r = control_failed(in->name, obj, e);
	if (r)
		return r;
	if (answer)
		*answer = take_ptr(obj);
	return 0;
}

static int64_t now_ms(void)
{
	return monotonic_ns() / NSEC_PER_MSEC;
}

/* A request that does not fit a socket's buffer is none of ours. */
static void ask(struct control_ask *a, int64_t until_ms)
{
	cleanup_free char *text = json_dumps(a->request, JSON_COMPACT);
	cleanup_free char *line = xasprintf("%s\n", text ? text : "{}");

	a->until_ms = until_ms;
	a->fd = connect_to(a->in, SOCK_NONBLOCK, NULL);
	if (a->fd >= 0 && send(a->fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		close(take_fd(&a->fd));
}

static void end_ask(struct control_ask *a)
{
	if (a->fd >= 0)
		close(take_fd(&a->fd));
	free(take_ptr(a->text));
}

/* Take what has come; the last byte is a newline when all has. */
static void take_answer(struct control_ask *a)
{
	char buf[4096];
	ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || a->len + (size_t)n > ANSWER_MAX) {
		end_ask(a);
		return;
	}
	a->text = xreallocarray(a->text, a->len + (size_t)n, 1);
	memcpy(a->text + a->len, buf, (size_t)n);
	a->len += (size_t)n;
	if (a->text[a->len - 1] != '\n')
		return;
	if (!json_parse("answer", a->text, a->len, &a->answer, NULL) &&
	    json_has(a->answer, "error")) {
		json_decref(a->answer);
		a->answer = NULL;
	}
	end_ask(a);
}

/* Wait for those of open[], some of which end. */
static size_t serve_asks(struct control_ask **open, size_t n, int64_t all_ms)
{
	struct pollfd p[ASKED_AT_ONCE];
	int64_t first = all_ms, now;
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = open[i]->fd, .events = POLLIN };
		first = MIN(first, open[i]->until_ms);
	}
	poll(p, n, (int)MAX(first - now_ms(), 0));
	now = now_ms();
	for (size_t i = 0; i < n; i++) {
		struct control_ask *a = open[i];

		if (p[i].revents)
			take_answer(a);
		if (a->fd >= 0 && now >= MIN(a->until_ms, all_ms))
			end_ask(a);
		if (a->fd >= 0)
			open[left++] = a;
	}
	return left;
}

void control_ask_all(struct control_ask *asks, size_t n, int one_ms, int all_ms)
{
	struct control_ask *open[ASKED_AT_ONCE];
	int64_t end = now_ms() + all_ms;
	size_t nopen = 0;

	for (size_t i = 0; i < n || nopen;) {
		while (i < n && nopen < ASKED_AT_ONCE) {
			int64_t now = now_ms();
			struct control_ask *a = &asks[i++];

			a->fd = -1;
			if (now < end)
				ask(a, now + one_ms);
			if (a->fd >= 0)
				open[nopen++] = a;
		}
		if (nopen)
			nopen = serve_asks(open, nopen, end);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the monitor's control socket.
 */
#include "cli/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_MAX (1 << 20)

static int connect_to(const struct instance *in, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;

	/* the record's own path may be longer than an address may be */
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/control.sock", in->fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

int control_call(const struct instance *in, const json_t *request,
		 int timeout_s, json_t **answer, struct err *e)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	cleanup_free char *line = xasprintf("%s\n", text ? text : "{}");
	cleanup_json json_t *obj = NULL;
	cleanup_close int fd = -1;
	int r;

	fd = connect_to(in, e);
	if (fd < 0)
		return fd;
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return err_set(e, ESRCH, "%s is not running", in->name);
	r = read_answer(fd, in, timeout_s, &obj, e);
	if (r < 0)
		return r;
	if (json_has(obj, "error"))
		return err_set(e, EREMOTEIO, "%s: %s", in->name,
			       json_str_or(obj, "error", "?"));
	if (answer)
		*answer = take_ptr(obj);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and control connections of commands.
 */
#include "engine/guest_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/control.h"
#include "host/cleanup.h"
#include "host/json.h"

void guest_command_init(struct guest_command *c)
{
	*c = (struct guest_command){ .control = -1, .exit_code = -1 };
	for (int i = 0; i < COMMAND_STREAMS; i++)
		c->fds[i] = -1;
}

void guest_command_close(struct guest_command *c)
{
	for (int i = 0; i < COMMAND_STREAMS; i++)
		if (c->fds[i] >= 0)
			close(take_fd(&c->fds[i]));
	if (c->control >= 0)
		close(take_fd(&c->control));
}

static int make_pipe(int *ours, int *theirs, bool is_input, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, errno, "pipe");
	*ours = ends[is_input];
	*theirs = ends[!is_input];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) ? err_sys(e, errno, "pipe")
						 : 0;
}

int guest_command_begin(struct guest_command *c, const struct instance *in,
			json_t *request, bool has_in, bool has_err,
			struct err *e)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };
	const bool wanted[] = { has_in, true, has_err };
	int theirs[COMMAND_STREAMS], n = 0, r = 0;

	memcpy(c->name, in->name, NAME_SIZE);
	for (int i = 0; !r && i < COMMAND_STREAMS; i++) {
		if (!wanted[i])
			continue;
		theirs[n] = -1;
		r = make_pipe(&c->fds[i], &theirs[n], i == COMMAND_IN, e);
		n += theirs[n] >= 0;
		json_object_set_new(request, names[i], json_true());
	}
	if (!r)
		c->control = control_begin(in, request, theirs, n, e);
	while (n > 0)
		close(theirs[--n]);
	return r ? r : MIN(c->control, 0);
}

static int take_line(struct guest_command *c, const char *line, size_t len,
		     struct err *e)
{
	cleanup_json json_t *o = NULL;
	int64_t code;

	c->has_answer = true;
	if (json_parse("answer", line, len, &o, e) ||
	    control_failed(c->name, o, e))
		return -e->code;
	if (!json_has(o, "exit_code"))
		return 0;
	if (json_get_int(o, "answer", "exit_code", 0, 255, &code, e))
		return -e->code;
	c->exit_code = (int)code;
	snprintf(c->reason, sizeof(c->reason), "%s",
		 json_str_or(o, "reason", ""));
	return 0;
}

int guest_command_read(struct guest_command *c, struct err *e)
{
	ssize_t n = recv(c->control, c->line + c->line_len,
			 sizeof(c->line) - c->line_len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		c->is_over = true;
		return 0;
	}
	c->line_len += (size_t)n;
	while ((end = memchr(c->line, '\n', c->line_len))) {
		size_t len = (size_t)(end - c->line);
		int r = take_line(c, c->line, len, e);

		if (r)
			return r;
		c->line_len -= len + 1;
		memmove(c->line, end + 1, c->line_len);
	}
	return c->line_len < sizeof(c->line)
		       ? 0
		       : err_set(e, EPROTO, "%s: an answer too long", c->name);
}

int guest_command_await(struct guest_command *c, int timeout_s, struct err *e)
{
	struct pollfd p = { .fd = c->control, .events = POLLIN };

	while (!c->has_answer && !c->is_over) {
		int r = poll(&p, 1, timeout_s < 0 ? -1 : timeout_s * 1000);

		if (r < 0 && errno == EINTR)
			continue;
		if (!r)
			return err_set(e, ETIMEDOUT,
				       "%s: no answer in %d seconds", c->name,
				       timeout_s);
		r = guest_command_read(c, e);
		if (r)
			return r;
	}
	return 0;
}

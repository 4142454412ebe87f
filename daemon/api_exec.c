/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/instances/{uuid}/exec: another program in an instance, as `jiffy exec`
 * runs it. The answer is a line of JSON a piece of output, in the order in
 * which it came, and one for its end. The client's hang-up is the program's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bytes.h"
#include "daemon/instances.h"
#include "daemon/stream.h"
#include "engine/control.h"
#include "engine/guest_command.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_SECONDS 30
#define SUSPEND_SECONDS 10
#define TRIES 5
/* Of output at once: a line of it in base64 fits into what is asked for. */
#define PIECE 8192
#define HELD_MAX 3

struct exec {
	struct stream stream; /* first */
	struct guest_command command;
	struct loop_watch control, outputs[2], input_watch;
	struct loop_timer timer;
	int64_t timeout_ms; /* 0: none */
	bool is_begun, is_told;
	unsigned int turn; /* which output is read first */
	char *input;
	size_t input_len, input_at;
	/* the begin of a character at the end of each output */
	char held[2][HELD_MAX];
	size_t held_len[2];
};

static const char *const output_names[] = { "stdout", "stderr" };

static void end_fd(struct exec *x, int i, struct loop_watch *w)
{
	loop_watch_stop(w);
	if (x->command.fds[i] >= 0)
		close(take_fd(&x->command.fds[i]));
}

static void disarm(struct exec *x)
{
	loop_watch_stop(&x->control);
	for (int i = 0; i < 2; i++)
		loop_watch_stop(&x->outputs[i]);
}

static void on_event(struct exec *x)
{
	disarm(x);
	x->stream.on_ready(&x->stream);
}

static void on_control(struct loop_watch *w, uint32_t events)
{
	(void)events;
	on_event(container_of(w, struct exec, control));
}

static void on_stdout(struct loop_watch *w, uint32_t events)
{
	(void)events;
	on_event(container_of(w, struct exec, outputs[0]));
}

static void on_stderr(struct loop_watch *w, uint32_t events)
{
	(void)events;
	on_event(container_of(w, struct exec, outputs[1]));
}

static int arm(struct exec *x)
{
	static void (*const fns[])(struct loop_watch * w,
				   uint32_t events) = { on_stdout, on_stderr };
	struct loop *l = x->stream.daemon->loop;
	int r = 0;

	if (!x->command.is_over)
		r = loop_watch_start(l, &x->control, x->command.control,
				     EPOLLIN, on_control);
	for (int i = 0; !r && i < 2; i++)
		if (x->command.fds[COMMAND_OUT + i] >= 0)
			r = loop_watch_start(l, &x->outputs[i],
					     x->command.fds[COMMAND_OUT + i],
					     EPOLLIN, fns[i]);
	if (r)
		disarm(x);
	return r;
}

static void on_input(struct loop_watch *w, uint32_t events)
{
	struct exec *x = container_of(w, struct exec, input_watch);
	ssize_t n = events & EPOLLERR ? 0
				      : write(x->command.fds[COMMAND_IN],
					      x->input + x->input_at,
					      x->input_len - x->input_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	x->input_at += n > 0 ? (size_t)n : 0;
	if (n <= 0 || x->input_at == x->input_len)
		end_fd(x, COMMAND_IN, w);
}

static void give_up(struct exec *x, int exit_code)
{
	x->command.exit_code = exit_code;
	x->command.is_over = true;
	disarm(x);
	end_fd(x, COMMAND_IN, &x->input_watch);
	for (int i = 0; i < 2; i++)
		end_fd(x, COMMAND_OUT + i, &x->outputs[i]);
	if (x->command.control >= 0)
		close(take_fd(&x->command.control));
}

static void on_timeout(struct loop_timer *t)
{
	struct exec *x = container_of(t, struct exec, timer);

	if (x->command.exit_code >= 0)
		return;
	snprintf(x->command.reason, sizeof(x->command.reason),
		 "it took over %lld ms", (long long)x->timeout_ms);
	give_up(x, COMMAND_TIMED_OUT);
	x->stream.on_ready(&x->stream);
}

static int begin(struct exec *x)
{
	struct loop *l = x->stream.daemon->loop;

	x->is_begun = true;
	if (x->timeout_ms)
		loop_timer_set(l, &x->timer,
			       (uint64_t)x->timeout_ms * NSEC_PER_MSEC, 0,
			       on_timeout);
	if (x->command.fds[COMMAND_IN] < 0)
		return 0;
	if (!x->input_len) {
		end_fd(x, COMMAND_IN, &x->input_watch);
		return 0;
	}
	return loop_watch_start(l, &x->input_watch, x->command.fds[COMMAND_IN],
				EPOLLOUT, on_input);
}

/* A line of what output i has, or 0. */
static size_t read_output(struct exec *x, int i, char *buf, size_t len)
{
	int *fd = &x->command.fds[COMMAND_OUT + i];
	char raw[HELD_MAX + PIECE];
	size_t held = x->held_len[i];
	ssize_t n;

	if (*fd < 0)
		return 0;
	memcpy(raw, x->held[i], held);
	n = read(*fd, raw + held, PIECE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	x->held_len[i] = 0;
	if (n > 0) {
		x->held_len[i] = bytes_utf8_rest(raw, held + (size_t)n);
		held += (size_t)n - x->held_len[i];
		memcpy(x->held[i], raw + held, x->held_len[i]);
	} else {
		end_fd(x, COMMAND_OUT + i, &x->outputs[i]);
	}
	return held ? bytes_line(output_names[i], raw, held, buf, len) : 0;
}

static bool has_more(const struct exec *x)
{
	return !x->command.is_over || x->command.fds[COMMAND_OUT] >= 0 ||
	       x->command.fds[COMMAND_ERR] >= 0;
}

static ssize_t last_line(struct exec *x, char *buf, size_t len)
{
	struct guest_command *c = &x->command;
	cleanup_json json_t *o = NULL;
	size_t n;

	if (c->exit_code < 0) {
		c->exit_code = COMMAND_KILLED;
		if (!c->reason[0])
			snprintf(c->reason, sizeof(c->reason), "%s has ended",
				 c->name);
	}
	o = json_pack("{s:i}", "exit_code", c->exit_code);
	if (c->reason[0])
		json_object_set_new(o, "reason", json_text(c->reason));
	n = json_dumpb(o, buf, len - 1, JSON_COMPACT);
	if (!n || n >= len)
		return -EIO;
	buf[n] = '\n';
	x->is_told = true;
	return (ssize_t)n + 1;
}

static ssize_t exec_read(struct stream *s, char *buf, size_t len)
{
	struct exec *x = (struct exec *)s;
	struct err e = ERR_INIT;
	int r = x->is_begun ? 0 : begin(x);

	disarm(x);
	if (r)
		return r;
	if (!x->command.is_over && guest_command_read(&x->command, &e)) {
		snprintf(x->command.reason, sizeof(x->command.reason), "%s",
			 e.msg);
		give_up(x, COMMAND_KILLED);
	}
	/* All that the reader takes, from both in turn. */
	for (int tries = 0; tries < 2; tries++) {
		size_t n = read_output(x, (int)(x->turn++ & 1), buf, len);

		if (n)
			return (ssize_t)n;
	}
	if (!has_more(x))
		return x->is_told ? 0 : last_line(x, buf, len);
	r = arm(x);
	return r ? r : -EAGAIN;
}

static void exec_free(struct exec *x)
{
	guest_command_close(&x->command);
	stream_fini(&x->stream);
	free(x->input);
	free(x);
}

static void exec_close(struct stream *s)
{
	struct exec *x = (struct exec *)s;

	disarm(x);
	loop_watch_stop(&x->input_watch);
	loop_timer_cancel(&x->timer);
	exec_free(x);
}

static const struct stream_ops exec_ops = { exec_read, exec_close };

static int take_input(struct exec *x, const json_t *arg, struct err *e)
{
	const char *text = json_str_or(arg, "input", NULL);
	const char *coded = json_str_or(arg, "input_base64", NULL);

	if (text && coded)
		return api_fail(e, API_NOT_BOTH,
				"'input' and 'input_base64' exclude each "
				"other");
	if (coded)
		return bytes_from_base64(coded, &x->input, &x->input_len, e);
	if (text) {
		x->input = xstrdup(text);
		x->input_len = strlen(text);
	}
	return 0;
}

static json_t *make_request(const json_t *arg)
{
	json_t *request =
		json_pack("{s:s, s:O, s:b}", "op", "exec", "argv",
			  json_object_get(arg, "args"), "detach",
			  json_is_true(json_object_get(arg, "detach")));
	json_t *env = json_array(), *v;
	const char *key;

	json_object_foreach (json_object_get(arg, "env"), key, v)
		json_array_append_new(
			env, json_sprintf("%s=%s", key, json_string_value(v)));
	json_object_set_new(request, "env", env);
	if (json_has(arg, "user"))
		json_object_set(request, "user", json_object_get(arg, "user"));
	if (json_has(arg, "cwd"))
		json_object_set(request, "cwd", json_object_get(arg, "cwd"));
	return request;
}

static int run_detached(const struct instance *in, const json_t *request,
			json_t *item, struct err *e)
{
	cleanup_json json_t *answer = NULL;

	if (control_call(in, request, ANSWER_SECONDS, &answer, e))
		return -e->code;
	if (json_has(answer, "exit_code")) /* it never ran */
		return api_fail(e, API_FAILED, "%s",
				json_str_or(answer, "reason", "it ended"));
	json_object_set_new(item, "pid",
			    json_integer(json_int_or(answer, "pid", 0)));
	return 0;
}

static int run_once(struct call *c, struct db_object *o, json_t *request,
		    struct exec *x, json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r = instance_awake(c, o, &in, e);

	if (r)
		return r;
	if (!x) {
		r = run_detached(&in, request, item, e);
	} else {
		guest_command_close(&x->command);
		guest_command_init(&x->command);
		r = guest_command_begin(&x->command, &in, request,
					x->input != NULL, true, e);
		if (!r)
			r = guest_command_await(&x->command, ANSWER_SECONDS, e);
	}
	/* It is asleep in a moment: then it is woken. */
	if (r == -EAGAIN)
		(void)instance_wait(&in, SUSPEND_SECONDS);
	return r;
}

static int run(struct call *c, struct db_object *o, const json_t *arg,
	       struct exec *x, json_t *item, struct err *e)
{
	cleanup_json json_t *request = make_request(arg);
	int r = -EAGAIN;

	if (!json_array_size(json_object_get(arg, "args")))
		return api_fail(e, API_INVALID, "'args' is empty");
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		*e = (struct err)ERR_INIT;
		r = run_once(c, o, request, x, item, e);
	}
	return r;
}

int instance_exec(struct call *c, struct db_object *o, const json_t *arg,
		  json_t *item, struct err *e)
{
	struct exec *x;
	int r;

	if (json_is_true(json_object_get(arg, "detach"))) {
		if (json_has(arg, "input") || json_has(arg, "input_base64") ||
		    json_has(arg, "timeout_ms"))
			return api_fail(e, API_NOT_BOTH,
					"'detach' goes without input and "
					"'timeout_ms'");
		return run(c, o, arg, NULL, item, e);
	}
	x = xcalloc(1, sizeof(*x));
	guest_command_init(&x->command);
	x->timeout_ms = json_int_or(arg, "timeout_ms", 0);
	r = stream_init(&x->stream, &exec_ops, c, e);
	if (r) {
		free(x);
		return r;
	}
	r = take_input(x, arg, e);
	if (!r)
		r = run(c, o, arg, x, item, e);
	if (r) {
		exec_free(x);
		return r;
	}
	c->response->stream = &x->stream;
	c->response->type = "application/x-ndjson";
	return 0;
}

int instance_exec_detached(struct call *c, struct db_object *o, json_t *args,
			   struct err *e)
{
	cleanup_json json_t *item = json_object();
	cleanup_json json_t *arg =
		json_pack("{s:O, s:b}", "args", args, "detach", 1);

	return run(c, o, arg, NULL, item, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: programs that somebody outside has started beside pid 1. Who asks
 * keeps the control connection open: its end hangs the command up, lines on it
 * are signals and terminal sizes, and the command's end is the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "monitor/instance.h"

#define COMMANDS_MAX 512
#define AGAIN_MS 10
#define LINE_MAX_BYTES 256

struct command {
	struct command *next;
	uint32_t id;
	int client; /* -1: it has gone */
	bool is_detached;
	bool is_to_end; /* its client has gone, and the kernel is not told yet
			 */
	int fds[3];	/* until the kernel has taken them, else -1 */
	char *text;	/* its description, until the kernel has taken it */
	size_t text_len;
	size_t line_len; /* of a line that is not complete */
	char line[LINE_MAX_BYTES];
};

static const char *const exec_keys[] = { "op",	  "argv",   "env",    "user",
					 "cwd",	  "tty",    "rows",   "cols",
					 "stdin", "stdout", "stderr", "detach",
					 NULL };

static struct command *find(const struct instance *in, uint32_t id)
{
	struct command *c;

	for (c = in->commands; c && c->id != id; c = c->next)
		;
	return c;
}

static struct command *find_client(const struct instance *in, int fd)
{
	struct command *c;

	for (c = in->commands; c && c->client != fd; c = c->next)
		;
	return c;
}

unsigned int exec_count(const struct instance *in)
{
	const struct command *c;
	unsigned int n = 0;

	for (c = in->commands; c; c = c->next)
		n++;
	return n;
}

bool exec_owns(const struct instance *in, int fd)
{
	return find_client(in, fd) != NULL;
}

static void close_fds(struct command *c)
{
	for (int i = 0; i < 3; i++)
		if (c->fds[i] >= 0)
			close(take_fd(&c->fds[i]));
}

static void command_free(struct command *c)
{
	close_fds(c);
	if (c->client >= 0)
		close(c->client);
	free(c->text);
	free(c);
}

static void forget(struct instance *in, struct command *c)
{
	struct command **p = &in->commands;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
	sleep_let(in);
	command_free(c);
}

/* --- The request
 * ---------------------------------------------------------------- */

/* As container engines have it: the instance's, TERM for a terminal, HOME of
 * whoever it runs as, then what is asked for. */
static void make_environment(const struct instance *in, bool has_tty,
			     const char *user, const struct strv *more,
			     struct strv *env)
{
	for (size_t i = 0; i < in->spec.env.count; i++) {
		const char *v = in->spec.env.items[i];

		/* Ours for root; the kernel knows another user's. */
		if (user && strcmp(v, "HOME=/root") == 0)
			continue;
		strv_add(env, v);
	}
	if (has_tty && !strv_getenv(env, "TERM"))
		strv_add(env, "TERM=xterm");
	for (size_t i = 0; i < more->count; i++)
		strv_setenv(env, more->items[i]);
}

struct buffer {
	char *data;
	size_t len;
};

static void append(struct buffer *b, const void *data, size_t len)
{
	b->data = xreallocarray(b->data, b->len + len, 1);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void append_strings(struct buffer *b, const struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		append(b, v->items[i], strlen(v->items[i]) + 1);
}

static int read_head(const json_t *req, struct broker_exec *head, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = { { "tty", BROKER_EXEC_TTY },
		      { "stdin", BROKER_EXEC_IN },
		      { "stdout", BROKER_EXEC_OUT },
		      { "stderr", BROKER_EXEC_ERR } };
	int64_t rows = 0, cols = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (json_is_true(json_object_get(req, flags[i].name)))
			head->flags |= flags[i].flag;
	if ((json_has(req, "rows") &&
	     json_get_int(req, "exec", "rows", 0, 65535, &rows, e)) ||
	    (json_has(req, "cols") &&
	     json_get_int(req, "exec", "cols", 0, 65535, &cols, e)))
		return -e->code;
	head->rows = (uint16_t)rows;
	head->cols = (uint16_t)cols;
	if ((head->flags & BROKER_EXEC_TTY) && (head->flags & BROKER_EXEC_ERR))
		return err_set(e, EINVAL,
			       "exec: a terminal has no standard error of its "
			       "own");
	return 0;
}

/* Files: no program, but a socket. */
static int describe_files(struct command *c, uint32_t *flags)
{
	struct broker_exec head = { .flags = BROKER_EXEC_FILES |
					     BROKER_EXEC_IN };

	c->text = xmalloc(sizeof(head));
	memcpy(c->text, &head, sizeof(head));
	c->text_len = sizeof(head);
	*flags = head.flags;
	return 0;
}

static int describe(const struct instance *in, const json_t *req,
		    struct command *c, uint32_t *flags, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT, more = STRV_INIT,
				 env = STRV_INIT;
	const char *user = json_str_or(req, "user", NULL);
	const char *cwd = json_str_or(req, "cwd", in->spec.cwd);
	struct broker_exec head = { 0 };
	struct buffer b = { 0 };

	if (strcmp(json_str_or(req, "op", ""), "files") == 0)
		return describe_files(c, flags);
	if (json_only(req, "exec", exec_keys, e) ||
	    json_get_strv(req, "exec", "argv", &argv, e) ||
	    (json_has(req, "env") &&
	     json_get_strv(req, "exec", "env", &more, e)) ||
	    read_head(req, &head, e))
		return -e->code;
	if (!argv.count || !argv.items[0][0])
		return err_set(e, EINVAL, "the command is empty");
	if (cwd[0] != '/')
		return err_set(e, EINVAL,
			       "the directory '%.100s' is not "
			       "absolute",
			       cwd);
	make_environment(in, head.flags & BROKER_EXEC_TTY, user, &more, &env);
	head.argc = (uint32_t)argv.count;
	head.envc = (uint32_t)env.count;
	if (!user)
		user = in->spec.user;
	append(&b, &head, sizeof(head));
	append(&b, user, strlen(user) + 1);
	append(&b, cwd, strlen(cwd) + 1);
	append_strings(&b, &argv);
	append_strings(&b, &env);
	c->text = b.data;
	c->text_len = b.len;
	*flags = head.flags;
	if (b.len > BROKER_EXEC_MAX)
		return err_set(e, E2BIG,
			       "arguments and environment are over %u bytes",
			       BROKER_EXEC_MAX);
	return 0;
}

/* The kernel never waits in a call on them, so they must not block, which files
 * and terminals cannot promise. */
static int check_fds(struct command *c, uint32_t flags, struct err *e)
{
	uint32_t kinds = BROKER_EXEC_IN | BROKER_EXEC_OUT | BROKER_EXEC_ERR;
	int n, wanted = __builtin_popcount(flags & kinds);
	struct stat st;

	for (n = 0; n < 3 && c->fds[n] >= 0; n++) {
		if (fstat(c->fds[n], &st) ||
		    (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)))
			return err_set(e, EINVAL,
				       "exec: descriptor %d is neither pipe "
				       "nor socket",
				       n);
		if (fcntl(c->fds[n], F_SETFL, O_NONBLOCK))
			return err_sys(e, errno, "exec: descriptor %d", n);
	}
	return n == wanted
		       ? 0
		       : err_set(e, EINVAL, "exec: %d descriptors came, not %d",
				 n, wanted);
}

static const char *refusal(const struct instance *in)
{
	if (!in->is_ready && !in->is_resumed)
		return "it has not started yet";
	if (in->stop_deadline_ns || in->is_shut_down)
		return "it is being stopped";
	if (in->freeze_deadline_ns)
		return "it is being suspended";
	if (exec_count(in) >= COMMANDS_MAX)
		return "too many commands run in it";
	return NULL;
}

static int watch(struct instance *in, int fd, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &ev)
		       ? err_sys(e, errno, "exec")
		       : 0;
}

int exec_start(struct instance *in, int *client, const json_t *req, int fds[3],
	       struct err *e)
{
	struct command *c = xcalloc(1, sizeof(*c));
	const char *why = refusal(in);
	uint32_t flags = 0;

	c->client = -1;
	for (int i = 0; i < 3; i++)
		c->fds[i] = take_fd(&fds[i]);
	c->is_detached = json_is_true(json_object_get(req, "detach"));
	if (why)
		err_set(e, in->freeze_deadline_ns ? EAGAIN : EBUSY,
			"no command can be run: %s", why);
	else if (!describe(in, req, c, &flags, e) && !check_fds(c, flags, e))
		watch(in, *client, e);
	if (e->code) {
		command_free(c);
		return -e->code;
	}
	/* Detached ones outlive a sleep, and keep theirs. */
	c->id = in->boot->last_command = ++in->last_command;
	if (broker_event(in, EVENT_EXEC, c->id, 0)) {
		command_free(c);
		return err_set(e, EAGAIN, "no command can be run: it is busy");
	}
	c->client = take_fd(client);
	c->next = in->commands;
	in->commands = c;
	sleep_hold(in);
	return 0;
}

/* --- What the kernel asks and tells: 0 or a positive errno
 * --------------------- */

int exec_take(struct instance *in, uint32_t id, uint64_t offset,
	      struct stdio_data *data, uint32_t *total, int fds[3])
{
	struct command *c = find(in, id);

	if (!c || !c->text || offset >= c->text_len)
		return ENOENT;
	data->len = MIN(c->text_len - offset, sizeof(data->bytes));
	memcpy(data->bytes, c->text + offset, data->len);
	*total = (uint32_t)c->text_len;
	if (!offset)
		for (int i = 0; i < 3; i++)
			fds[i] = take_fd(&c->fds[i]);
	if (offset + data->len == c->text_len)
		free(take_ptr(c->text));
	return 0;
}

static void answer(struct command *c, json_t *o)
{
	cleanup_free char *text = json_dumps(o, JSON_COMPACT);
	cleanup_free char *line = NULL;

	if (!text || c->client < 0)
		return;
	line = xasprintf("%s\n", text);
	/* Two short lines: they fit, or nobody cares. */
	(void)send(c->client, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int exec_runs(struct instance *in, uint32_t id, uint64_t pid)
{
	struct command *c = find(in, id);
	cleanup_json json_t *o = NULL;

	if (!c)
		return ENOENT;
	o = json_pack("{s:b,s:I}", "ok", 1, "pid",
		      (json_int_t)(pid & 0x7fffffff));
	answer(c, o);
	if (c->is_detached)
		forget(in, c);
	return 0;
}

int exec_end(struct instance *in, uint32_t id, uint64_t status,
	     const uint8_t *why, size_t len)
{
	struct command *c = find(in, id);
	cleanup_json json_t *o = NULL;
	int st = (int)(status & 0xffff);

	if (!c)
		return ENOENT;
	o = json_pack("{s:b,s:i}", "ok", 1, "exit_code",
		      WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st));
	if (len) {
		cleanup_free char *text = xstrndup((const char *)why, len);

		json_object_set_new(o, "reason", json_text(text));
	}
	answer(c, o);
	forget(in, c);
	return 0;
}

/* --- What the client says
 * ------------------------------------------------------- */

static void serve_line(struct instance *in, const struct command *c,
		       const char *line, size_t len)
{
	cleanup_json json_t *o = NULL;
	struct err e = ERR_INIT;
	int64_t n, cols;

	if (json_parse("exec", line, len, &o, &e))
		return;
	if (json_has(o, "signal") &&
	    !json_get_int(o, "exec", "signal", 1, 64, &n, &e))
		broker_event(in, EVENT_EXEC_SIGNAL, c->id, (uint32_t)n);
	if (json_has(o, "rows") &&
	    !json_get_int(o, "exec", "rows", 0, 65535, &n, &e) &&
	    !json_get_int(o, "exec", "cols", 0, 65535, &cols, &e))
		broker_event(in, EVENT_EXEC_WINSIZE, c->id,
			     (uint32_t)n << 16 | (uint32_t)cols);
}

static void hang_up(struct command *c)
{
	close(take_fd(&c->client));
	/* A detached one does not need whoever started it. */
	c->is_to_end = !c->is_detached;
}

/* Who has gone is told until it is heard: the socket may be full. */
int exec_check(struct instance *in)
{
	bool more = false;

	for (struct command *c = in->commands; c; c = c->next) {
		if (c->is_to_end)
			c->is_to_end = broker_event(in, EVENT_EXEC_HANGUP,
						    c->id, 0) == -EAGAIN;
		more |= c->is_to_end;
	}
	return more ? AGAIN_MS : -1;
}

void exec_serve(struct instance *in, int fd)
{
	struct command *c = find_client(in, fd);
	char *end;
	ssize_t n;

	n = recv(fd, c->line + c->line_len, sizeof(c->line) - c->line_len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->line_len += (size_t)n;
	while ((end = memchr(c->line, '\n', c->line_len))) {
		size_t len = (size_t)(end - c->line);

		serve_line(in, c, c->line, len);
		c->line_len -= len + 1;
		memmove(c->line, end + 1, c->line_len);
	}
	if (c->line_len == sizeof(c->line)) /* not what we speak */
		hang_up(c);
}

void exec_finish(struct instance *in)
{
	while (in->commands)
		forget(in, in->commands);
}

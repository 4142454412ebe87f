/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attached commands: one loop over poll(). Nothing is read that cannot be
 * passed on yet, so that whoever is slow slows the other end. Ours are never
 * written more than a pipe takes at once, so that no write waits.
 */
#include "cli/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "engine/guest_command.h"
#include "host/cleanup.h"
#include "host/json.h"

#define STREAM_SIZE 65536

/* Bytes on their way. Its end is passed on: when `from` has no more or `to`
 * takes no more the pipe is closed, ours stays. */
struct stream {
	int from, to; /* -1: ended */
	int pipe;     /* which of the two is the pipe: from or to */
	size_t at, len, chunk;
	struct pollfd *poll_from, *poll_to; /* of this turn, or NULL */
	char bytes[STREAM_SIZE];
};

struct attach {
	const struct attach_options *options;
	struct guest_command command;
	struct stream streams[COMMAND_STREAMS];
	int signals;
	bool is_raw;
	int64_t deadline_ms;
	struct termios saved;
	struct err *e;
};

static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT,
				 SIGTERM, SIGUSR1, SIGUSR2 };

/* --- Streams
 * -------------------------------------------------------------------- */

static void stream_end(struct stream *s)
{
	if (s->pipe >= 0)
		close(s->pipe);
	s->from = s->to = s->pipe = -1;
	s->at = s->len = 0;
}

static bool is_over(const struct stream *s)
{
	return s->from < 0 && s->at == s->len;
}

static struct pollfd *want(struct pollfd *fds, nfds_t *n, int fd, short events)
{
	struct pollfd *p = &fds[(*n)++];

	*p = (struct pollfd){ .fd = fd, .events = events };
	return p;
}

/* `to` is watched all the time: that nobody takes more is to be passed on. */
static void stream_poll(struct stream *s, struct pollfd *fds, nfds_t *n)
{
	bool is_empty = s->at == s->len;

	s->poll_from = s->poll_to = NULL;
	if (s->from >= 0 && is_empty)
		s->poll_from = want(fds, n, s->from, POLLIN);
	if (s->to >= 0)
		s->poll_to = want(fds, n, s->to, is_empty ? 0 : POLLOUT);
}

static bool is_passing(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void stream_read(struct stream *s)
{
	ssize_t n = read(s->from, s->bytes, sizeof(s->bytes));

	if (is_passing(n))
		return;
	s->at = s->len = 0;
	if (n > 0)
		s->len = (size_t)n;
	else
		stream_end(s);
}

static void stream_write(struct stream *s)
{
	size_t len = s->len - s->at;
	ssize_t n = write(s->to, s->bytes + s->at, MIN(len, s->chunk));

	if (is_passing(n))
		return;
	if (n < 0)
		stream_end(s);
	else
		s->at += (size_t)n;
}

static void stream_serve(struct stream *s)
{
	if (s->poll_from && s->poll_from->revents)
		stream_read(s);
	if (!s->poll_to || !s->poll_to->revents || s->to < 0)
		return;
	if (s->poll_to->revents & (POLLERR | POLLNVAL))
		stream_end(s);
	else if (s->at < s->len)
		stream_write(s);
}

/* Between ours and a pipe, which it owns from now on. */
static void stream_open(struct stream *s, int ours, int pipe, bool is_input)
{
	struct stat st;

	s->pipe = pipe;
	s->from = is_input ? ours : pipe;
	s->to = is_input ? pipe : ours;
	s->chunk = is_input || (!fstat(ours, &st) && S_ISREG(st.st_mode))
			   ? STREAM_SIZE
			   : PIPE_BUF;
}

/* --- The terminal
 * --------------------------------------------------------------- */

static void terminal_raw(struct attach *a)
{
	struct termios raw;

	if (!a->options->has_tty || tcgetattr(STDIN_FILENO, &a->saved))
		return;
	raw = a->saved;
	cfmakeraw(&raw);
	a->is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void terminal_restore(struct attach *a)
{
	if (a->is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &a->saved);
	a->is_raw = false;
}

static void send_json(int control, json_t *o)
{
	cleanup_free char *text = json_dumps(o, JSON_COMPACT);
	struct iovec iov[] = { { text, text ? strlen(text) : 0 },
			       { (char[]){ '\n' }, 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (text)
		(void)!sendmsg(control, &msg, MSG_NOSIGNAL);
}

static void send_winsize(const struct attach *a)
{
	cleanup_json json_t *o = NULL;
	struct winsize ws;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws))
		return;
	o = json_pack("{s:i,s:i}", "rows", ws.ws_row, "cols", ws.ws_col);
	send_json(a->command.control, o);
}

/* --- Signals, and what the monitor says
 * ----------------------------------------- */

static int open_signals(const struct attach *a)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	if (a->options->has_tty)
		sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve_signals(struct attach *a)
{
	struct signalfd_siginfo si;

	while (read(a->signals, &si, sizeof(si)) == sizeof(si)) {
		cleanup_json json_t *o =
			json_pack("{s:i}", "signal", (int)si.ssi_signo);

		if (si.ssi_signo == SIGWINCH)
			send_winsize(a);
		else
			send_json(a->command.control, o);
	}
}

/* --- All of it
 * ------------------------------------------------------------------ */

/* When the command has ended what it wrote is still passed on. */
static bool has_more(struct attach *a)
{
	if (!a->command.is_over)
		return true;
	stream_end(&a->streams[COMMAND_IN]);
	return !is_over(&a->streams[COMMAND_OUT]) ||
	       !is_over(&a->streams[COMMAND_ERR]);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Milliseconds until its time is over: 0 now, -1 never. */
static int time_left(struct attach *a)
{
	int64_t left = a->deadline_ms - now_ms();

	if (!a->options->timeout_s || a->command.exit_code >= 0)
		return -1;
	if (left > 0)
		return (int)MIN(left, (int64_t)86400000);
	a->command.exit_code = COMMAND_TIMED_OUT;
	snprintf(a->command.reason, sizeof(a->command.reason),
		 "it took over %d seconds", a->options->timeout_s);
	return 0;
}

static void relay(struct attach *a)
{
	struct pollfd fds[2 * COMMAND_STREAMS + 2];
	struct guest_command *c = &a->command;

	a->deadline_ms = now_ms() + (int64_t)a->options->timeout_s * 1000;
	while (has_more(a)) {
		int left = time_left(a);
		struct pollfd *control, *signals;
		nfds_t n = 0;

		control = want(fds, &n, c->is_over ? -1 : c->control, POLLIN);
		signals = want(fds, &n, a->signals, POLLIN);
		for (int i = 0; i < COMMAND_STREAMS; i++)
			stream_poll(&a->streams[i], fds, &n);
		if (!left || (poll(fds, n, left) < 0 && errno != EINTR))
			return;
		if (signals->revents)
			serve_signals(a);
		if (control->revents && guest_command_read(c, a->e))
			return;
		for (int i = 0; i < COMMAND_STREAMS; i++)
			stream_serve(&a->streams[i]);
	}
}

/* Nothing of our input is taken before it is known that it will be used. */
static int begin(struct attach *a, const struct instance *in, json_t *request,
		 struct err *e)
{
	struct guest_command *c = &a->command;
	int r = guest_command_begin(c, in, request, a->options->has_input,
				    !a->options->has_tty, e);

	if (!r)
		r = guest_command_await(c, -1, e);
	for (int i = 0; !r && i < COMMAND_STREAMS; i++)
		if (c->fds[i] >= 0)
			stream_open(&a->streams[i], i, take_fd(&c->fds[i]),
				    i == COMMAND_IN);
	return r;
}

int attach_run(const struct instance *in, json_t *request,
	       const struct attach_options *o, struct err *e)
{
	static struct attach a;

	a = (struct attach){ .options = o, .e = e };
	guest_command_init(&a.command);
	for (int i = 0; i < COMMAND_STREAMS; i++)
		a.streams[i].from = a.streams[i].to = a.streams[i].pipe = -1;
	a.signals = open_signals(&a);
	if (a.signals < 0)
		return err_sys(e, errno, "signals");
	if (!begin(&a, in, request, e)) {
		terminal_raw(&a);
		relay(&a);
		terminal_restore(&a);
	}
	for (int i = 0; i < COMMAND_STREAMS; i++)
		stream_end(&a.streams[i]);
	guest_command_close(&a.command);
	close(a.signals);
	if (e->code)
		return -e->code;
	if (a.command.exit_code < 0)
		snprintf(a.command.reason, sizeof(a.command.reason),
			 "%s has ended", in->name);
	if (a.command.reason[0])
		fprintf(stderr, "jiffy: exec: %s\n", a.command.reason);
	return a.command.exit_code < 0 ? COMMAND_KILLED : a.command.exit_code;
}

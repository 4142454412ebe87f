/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child programs of the daemon. posix_spawn: a fork would copy the tables of
 * all of the daemon's memory.
 */
#include "daemon/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/libexec.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "host/xmalloc.h"

#define OUTPUT_MAX (1u << 20)

extern char **environ;

struct stream {
	int fd;
	char *text;
	size_t len;
};

static void pump(struct stream *s)
{
	char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close(take_fd(&s->fd));
		return;
	}
	if (s->len + (size_t)n > OUTPUT_MAX)
		return;
	s->text = xreallocarray(s->text, s->len + (size_t)n + 1, 1);
	memcpy(s->text + s->len, buf, (size_t)n);
	s->len += (size_t)n;
	s->text[s->len] = '\0';
}

static void close_both(struct stream *out, struct stream *err)
{
	if (out->fd >= 0)
		close(take_fd(&out->fd));
	if (err->fd >= 0)
		close(take_fd(&err->fd));
}

/* Until it has ended and nothing is left to be read, false: until end_ms. Who
 * else has its output by then does not count. */
static bool follow(int process, struct stream *out, struct stream *err,
		   int64_t end_ms)
{
	bool has_ended = false;

	while (!has_ended || out->fd >= 0 || err->fd >= 0) {
		struct pollfd p[3] = { { .fd = out->fd, .events = POLLIN },
				       { .fd = err->fd, .events = POLLIN },
				       { .fd = has_ended ? -1 : process,
					 .events = POLLIN } };
		int64_t left =
			has_ended ? 0
				  : MAX(end_ms - monotonic_ns() / NSEC_PER_MSEC,
					0);
		int n = poll(p, 3, (int)MIN(left, (int64_t)INT_MAX));

		if (!n)
			break;
		if (n < 0)
			continue;
		if (p[0].revents)
			pump(out);
		if (p[1].revents)
			pump(err);
		has_ended |= p[2].revents != 0;
	}
	close_both(out, err);
	return has_ended;
}

static int spawn(const char *path, char **argv, int out, int err, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	int r;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE); /* ignored here: that is inherited */
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, err, 2);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	r = posix_spawn(pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* The last line of what it said, without "jiffy: COMMAND: ". */
static int failed(const char *command, char *said, struct err *e)
{
	size_t len = said ? strlen(said) : 0;
	char *line, *colon;

	while (len && said[len - 1] == '\n')
		said[--len] = '\0';
	if (!len)
		return err_set(e, EREMOTEIO, "jiffy %s failed", command);
	line = strrchr(said, '\n');
	line = line ? line + 1 : said;
	colon = strncmp(line, "jiffy: ", 7) ? NULL : strstr(line + 7, ": ");
	return err_set(e, EREMOTEIO, "%s", colon ? colon + 2 : line);
}

/* Wait for it; one whose time is over is killed with what it has started. */
static int finish(pid_t pid, struct stream *out, struct stream *err,
		  int seconds, int *status)
{
	cleanup_close int process = (int)syscall(SYS_pidfd_open, pid, 0);
	bool has_ended = process >= 0 &&
			 follow(process, out, err,
				monotonic_ns() / NSEC_PER_MSEC +
					(int64_t)seconds * 1000);

	if (!has_ended)
		kill(-pid, SIGKILL); /* its own session */
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return has_ended ? 0 : -ETIMEDOUT;
}

int program_jiffy(const struct strv *args, int seconds, char **output,
		  struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_free char *path = NULL;
	cleanup_free char *text = NULL, *said = NULL;
	struct stream out = { .fd = -1 }, err = { .fd = -1 };
	int pipes[4];
	pid_t pid;
	int r, status = -1;

	if (libexec_find("jiffy", &path, e))
		return -e->code;
	strv_add(&argv, "jiffy");
	strv_add_all(&argv, args);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (pipe2(pipes + 2, O_CLOEXEC) < 0) {
		close(pipes[0]);
		close(pipes[1]);
		return err_sys(e, errno, "pipe");
	}
	out.fd = pipes[0];
	err.fd = pipes[2];
	r = spawn(path, argv.items, pipes[1], pipes[3], &pid);
	close(pipes[1]);
	close(pipes[3]);
	if (r) {
		close_both(&out, &err);
		return err_sys(e, -r, "%s", path);
	}
	r = finish(pid, &out, &err, seconds, &status);
	text = out.text;
	said = err.text;
	if (r)
		return err_set(e, ETIMEDOUT, "jiffy %s took over %d seconds",
			       args->items[0], seconds);
	if (status)
		return failed(args->items[0], said, e);
	if (output)
		*output = text ? take_ptr(text) : xstrdup("");
	return 0;
}

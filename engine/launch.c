/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting jiffy-monitor. When detached it reports on a pipe: "ok", or
 * "error: …" before it exits.
 */
#include "engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/libexec.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"

#define MONITOR "jiffy-monitor"

static int keep_across_exec(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

/* Where an instance begins that is not started from its image alone. */
struct origin {
	const char *again; /* what its record is used for, or NULL */
	int template_fd;   /* or -1 */
};

static const struct origin image_only = { NULL, -1 };

static int exec_monitor(int spec_fd, int ready_fd, const struct origin *from,
			struct err *e)
{
	static char spec_option[] = "--spec";
	static char ready_option[] = "--ready-fd";
	static char again_option[] = "--again";
	static char from_option[] = "--from";
	char program[] = MONITOR;
	char spec_text[12];
	char ready_text[12];
	char how[16] = "";
	char *argv[8] = { program, spec_option, spec_text };
	int n = 3;

	snprintf(spec_text, sizeof(spec_text), "%d", spec_fd);
	snprintf(ready_text, sizeof(ready_text), "%d", ready_fd);
	keep_across_exec(spec_fd);
	if (ready_fd >= 0) {
		keep_across_exec(ready_fd);
		argv[n++] = ready_option;
		argv[n++] = ready_text;
	}
	if (from->template_fd >= 0) {
		keep_across_exec(from->template_fd);
		snprintf(how, sizeof(how), "%d", from->template_fd);
	} else if (from->again) {
		snprintf(how, sizeof(how), "%s", from->again);
	}
	if (how[0]) {
		argv[n++] = from->again ? again_option : from_option;
		argv[n++] = how;
	}
	return libexec_exec(MONITOR, argv, e);
}

int launch_export(const json_t *spec, const char *dir, const char *format,
		  struct err *e)
{
	cleanup_free char *to = xstrdup(dir), *how = xstrdup(format);
	cleanup_free char *text = json_dumps(spec, JSON_COMPACT);
	char program[] = MONITOR, spec_option[] = "--spec", number[12];
	char export_option[] = "--export", format_option[] = "--format";
	char *argv[] = { program, spec_option,	 number, export_option,
			 to,	  format_option, how,	 NULL };
	int fd = memfd_create("spec", 0);

	if (fd < 0 || !text || io_write_full(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "spec");
	snprintf(number, sizeof(number), "%d", fd);
	return libexec_exec(MONITOR, argv, e);
}

int launch_foreground(int spec_fd, struct err *e)
{
	return exec_monitor(spec_fd, -1, &image_only, e);
}

int launch_clone_foreground(int spec_fd, int template_fd, struct err *e)
{
	const struct origin from = { NULL, template_fd };

	return exec_monitor(spec_fd, -1, &from, e);
}

static NORETURN void child(int spec_fd, int ready_fd, int log_fd,
			   bool keep_stdin, const struct origin *from)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	setsid();
	if (!keep_stdin)
		dup2(null, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	exec_monitor(spec_fd, ready_fd, from, &e);
	dprintf(ready_fd, "error: %s\n", e.msg);
	_exit(EXIT_JIFFY);
}

static int exit_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_JIFFY;
	if (WIFEXITED(status) && WEXITSTATUS(status) >= EXIT_JIFFY &&
	    WEXITSTATUS(status) <= EXIT_NOT_FOUND)
		return WEXITSTATUS(status);
	return EXIT_JIFFY;
}

/* Wait for the monitor's line. */
static int await_ready(int fd, pid_t pid, struct err *e)
{
	static const char error[] = "error: ";
	char line[ERR_MSG_SIZE + 16] = "";
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < sizeof(line) - 1 && !memchr(line, '\n', len)) {
		n = read(fd, line + len, sizeof(line) - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, "ok"))
		return 0;
	if (!strncmp(line, error, strlen(error)))
		err_set(e, EIO, "%s", line + strlen(error));
	else
		err_set(e, EIO, "the monitor ended without a reason");
	return exit_status(pid);
}

static int launch_with(int spec_fd, int log_fd, bool keep_stdin,
		       const struct origin *from, struct err *e)
{
	cleanup_close int reader = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		err_sys(e, errno, "pipe");
		return EXIT_JIFFY;
	}
	reader = ends[0];
	pid = fork();
	if (pid == 0)
		child(spec_fd, ends[1], log_fd, keep_stdin, from);
	close(ends[1]);
	if (pid < 0) {
		err_sys(e, errno, "fork");
		return EXIT_JIFFY;
	}
	return await_ready(reader, pid, e);
}

int launch_detached(int spec_fd, int log_fd, bool keep_stdin, struct err *e)
{
	return launch_with(spec_fd, log_fd, keep_stdin, &image_only, e);
}

int launch_again(int spec_fd, int log_fd, bool from_checkpoint, struct err *e)
{
	const struct origin from = { from_checkpoint ? "checkpoint" : "cold",
				     -1 };

	return launch_with(spec_fd, log_fd, false, &from, e);
}

int launch_clone(int spec_fd, int template_fd, int log_fd, struct err *e)
{
	const struct origin from = { NULL, template_fd };

	return launch_with(spec_fd, log_fd, false, &from, e);
}

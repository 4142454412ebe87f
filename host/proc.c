/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child programs of the build: spawn, follow, wait. Main thread only. The child
 * gets a process group of its own, so that a terminal's Ctrl-C reaches us
 * first and we end the whole group in order.
 */
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"

#define TICK_MS 200
#define KILL_GRACE_TICKS 25

static volatile sig_atomic_t caught_signal;

/* What follows a running child. */
struct run {
	const struct proc *p;
	pid_t pid;
	int err_fd;
	int out_fd;
	char line[1024];
	size_t line_len;
	char *output;
	size_t output_len;
	char before[96];  /* the line before */
	char reason[192]; /* the best explanation seen on stderr so far */
	int reason_rank;
	int ticks_since_term;
};

static void on_signal(int sig)
{
	caught_signal = sig;
}

void proc_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int proc_interrupted(void)
{
	return caught_signal;
}

/* How likely a line explains a failure: a maintainer script's (dpkg) is best,
 * then "E: " (apt, mmdebstrap), the first of these ranks wins; any other line
 * counts, and there the last wins. */
static int rank_line(const char *line)
{
	if (!strncmp(line, "dpkg: error processing ", 23))
		return 4;
	if (!strncmp(line, "E: ", 3))
		return 3;
	if (strstr(line, "error") || strstr(line, "ERROR"))
		return 2;
	return 1;
}

static void take_line(struct run *r)
{
	int rank;

	r->line[r->line_len] = '\0';
	r->line_len = 0;
	if (r->p->on_line)
		r->p->on_line(r->p->context, r->line);
	rank = rank_line(r->line);
	if (!r->line[0])
		return;
	if (rank > r->reason_rank || (rank == r->reason_rank && rank < 3)) {
		r->reason_rank = rank;
		if (rank == 4) /* what its script said is the line before */
			snprintf(r->reason, sizeof(r->reason), "%.90s %s",
				 r->line, r->before);
		else
			snprintf(r->reason, sizeof(r->reason), "%.*s",
				 (int)sizeof(r->reason) - 1,
				 r->line + (rank == 3 ? 3 : 0));
	}
	snprintf(r->before, sizeof(r->before), "%.*s",
		 (int)sizeof(r->before) - 1, r->line);
}

static void feed_lines(struct run *r, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\n' || buf[i] == '\r')
			take_line(r);
		else if (r->line_len < sizeof(r->line) - 1)
			r->line[r->line_len++] = buf[i];
	}
}

static void feed_output(struct run *r, const char *buf, size_t len)
{
	size_t room = r->p->output_limit - r->output_len;

	len = MIN(len, room);
	r->output = xreallocarray(r->output, r->output_len + len + 1, 1);
	memcpy(r->output + r->output_len, buf, len);
	r->output_len += len;
	r->output[r->output_len] = '\0';
}

/* Read what is there; closes *fd at the end of the stream. */
static void pump(struct run *r, int *fd)
{
	char buf[4096];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
	} else if (fd == &r->err_fd) {
		feed_lines(r, buf, (size_t)n);
	} else {
		feed_output(r, buf, (size_t)n);
	}
}

static int wait_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static NORETURN void exec_program(const struct proc *p, int err_fd, int out_fd)
{
	static const int reset[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(reset); i++)
		signal(reset[i], SIG_DFL);
	dup2(null, STDIN_FILENO);
	dup2(out_fd >= 0 ? out_fd : null, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	/* dash, which apt and mmdebstrap use, knows no descriptor above 9 */
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; p->env && i < p->env->count; i++)
		putenv(p->env->items[i]);
	if (!p->cwd || chdir(p->cwd) == 0)
		execvp(p->argv->items[0], p->argv->items);
	_exit(errno == ENOENT ? 127 : 126);
}

static void kill_group(int sig)
{
	(void)sig;
	kill(0, SIGKILL);
}

static int hide_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

/* Between us and the program stands a process that takes the program and all
 * it has started with it, should we die without a word. It keeps our open
 * descriptors, and so our locks, until then. */
static NORETURN void child(const struct proc *p, int err_fd, int out_fd)
{
	pid_t parent = getppid();
	pid_t pid;
	int status;

	setpgid(0, 0);
	signal(SIGTERM, kill_group);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(126);
	if (p->hides_mounts && hide_mounts() < 0)
		dprintf(err_fd, "E: mount namespace: %s\n", strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_program(p, err_fd, out_fd);
	close(err_fd);
	if (out_fd >= 0)
		close(out_fd);
	status = pid < 0 ? 126 : wait_status(pid);
	if (status <= 128)
		_exit(status);
	signal(status - 128, SIG_DFL);
	kill(getpid(), status - 128);
	_exit(status);
}

static void end_child(struct run *r)
{
	int sig = r->ticks_since_term > KILL_GRACE_TICKS ? SIGKILL : SIGTERM;

	if (r->ticks_since_term == 0 || sig == SIGKILL)
		kill(-r->pid, sig);
	r->ticks_since_term++;
}

/* Follow both streams until both are closed, or nobody is left to write. */
static void follow(struct run *r)
{
	while (r->err_fd >= 0 || r->out_fd >= 0) {
		struct pollfd fds[2] = {
			{ .fd = r->err_fd, .events = POLLIN },
			{ .fd = r->out_fd, .events = POLLIN },
		};

		if (poll(fds, 2, TICK_MS) == 0 && r->p->on_line)
			r->p->on_line(r->p->context, NULL);
		if (caught_signal)
			end_child(r);
		if (fds[0].revents)
			pump(r, &r->err_fd);
		if (fds[1].revents)
			pump(r, &r->out_fd);
	}
	if (r->line_len)
		take_line(r);
}

static int explain(const struct run *r, int status, struct err *e)
{
	const char *name = r->p->argv->items[0];

	if (caught_signal)
		return err_set(e, EINTR, "interrupted");
	if (status == 127 && !r->reason[0])
		return err_set(e, ENOENT, "%s is not installed", name);
	if (status > 128 && status < 128 + 65 && !r->reason[0])
		err_set(e, EIO, "%s was ended by signal %d", name,
			status - 128);
	else if (status && r->reason[0])
		err_set(e, EIO, "%s: %s", name, r->reason);
	else if (status)
		err_set(e, EIO, "%s failed with status %d", name, status);
	return status;
}

int proc_run(const struct proc *p, struct err *e)
{
	cleanup_free char *output = NULL;
	struct run r = { .p = p, .err_fd = -1, .out_fd = -1 };
	int err_pipe[2];
	int out_pipe[2] = { -1, -1 };
	int status;

	if (pipe2(err_pipe, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (p->output && pipe2(out_pipe, O_CLOEXEC) < 0) {
		close(err_pipe[0]);
		close(err_pipe[1]);
		return err_sys(e, errno, "pipe");
	}
	r.pid = fork();
	if (r.pid == 0)
		child(p, err_pipe[1], out_pipe[1]);
	close(err_pipe[1]);
	if (out_pipe[1] >= 0)
		close(out_pipe[1]);
	r.err_fd = err_pipe[0];
	r.out_fd = out_pipe[0];
	if (r.pid < 0) {
		close(r.err_fd);
		if (r.out_fd >= 0)
			close(r.out_fd);
		return err_sys(e, EAGAIN, "fork");
	}
	setpgid(r.pid, r.pid); /* the child does it too: whoever is first */
	follow(&r);
	status = wait_status(r.pid);
	output = r.output;
	status = explain(&r, status, e);
	if (p->output)
		*p->output = output ? take_ptr(output) : xstrdup("");
	return status;
}

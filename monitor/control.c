/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_dir/control.sock: one JSON line in, one JSON line out. Only the owner
 * can reach it (mode 0700 directory). Requests: {"op":"stop","timeout_s":10},
 * {"op":"kill","signal":15}, {"op":"inspect"}, {"op":"suspend"},
 * {"op":"snapshot","dir":"/..."} (a template in that directory), {"op":"quiet"}
 * (stop everybody at the quiet point and go on: a test of it), {"op":"status"}
 * (how busy it is; with "block":true a descriptor to read that from),
 * {"op":"exec",...} and {"op":"files"} (exec.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "monitor/instance.h"
#include "monitor/machine.h"

#define REQUEST_FIRST 1024
#define REQUEST_MAX (4u << 20)	  /* a power of two times the first */
#define PATIENCE_NS 1000000000ULL /* for the rest of a request */
#define CALLERS_MAX 32		  /* whose requests are not complete */

/* In place of what a monitor that was killed may have left. */
static int bind_afresh(int fd, const struct sockaddr_un *sun)
{
	const struct sockaddr *addr = (const struct sockaddr *)sun;

	if (bind(fd, addr, sizeof(*sun)) == 0)
		return 0;
	if (errno != EADDRINUSE || unlink(sun->sun_path))
		return -1;
	return bind(fd, addr, sizeof(*sun));
}

int control_open(struct instance *in, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN };

	in->control_fd = -1;
	in->stop_client = in->suspend_client = -1;
	if (!in->spec.state_dir)
		return 0;
	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock",
		     in->spec.state_dir) >= (int)sizeof(sun.sun_path))
		return err_set(e, ENAMETOOLONG,
			       "control socket %s: path over "
			       "107 bytes",
			       in->spec.state_dir);
	in->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (in->control_fd < 0 || bind_afresh(in->control_fd, &sun) ||
	    listen(in->control_fd, SOMAXCONN))
		return err_sys(e, errno, "control socket %s", sun.sun_path);
	ev.data.fd = in->control_fd;
	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->control_fd, &ev))
		return err_sys(e, errno, "control socket");
	return 0;
}

static void reply(int fd, json_t *o)
{
	cleanup_free char *text = json_dumps(o, JSON_COMPACT);

	if (text && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		send(fd, "\n", 1, MSG_NOSIGNAL);
}

static void reply_error(int fd, const char *text)
{
	cleanup_json json_t *o = json_pack("{s:s}", "error", text);

	reply(fd, o);
}

/* "again": the same may succeed soon. */
static void reply_failed(int fd, const struct err *e)
{
	cleanup_json json_t *o = json_pack("{s:s,s:b}", "error", e->msg,
					   "again", e->code == EAGAIN);

	reply(fd, o);
}

static void reply_ok(int fd)
{
	cleanup_json json_t *o = json_pack("{s:b}", "ok", 1);

	reply(fd, o);
}

static void op_inspect(struct instance *in, int fd)
{
	uint64_t pss, used = limit_usage(in, &pss);
	cleanup_json json_t *o = json_pack(
		"{s:b, s:s, s:i, s:I, s:I, s:I}", "ok", 1, "name",
		in->spec.name, "host_pid", (int)in->group, "memory_bytes",
		(json_int_t)used, "memory_pss_bytes", (json_int_t)pss,
		"memory_limit_bytes", (json_int_t)in->spec.memory_bytes);

	json_object_set_new(o, "why_awake", sleep_why_awake(in));
	if (in->wants_group)
		json_object_set_new(o, "cgroup", group_json(in));
	if (in->machine)
		json_object_set_new(o, "machine", machine_describe(in));
	if (in->woken_by)
		json_object_set(o, "why_woken", in->woken_by);
	if (in->pause_ns)
		json_object_set_new(
			o, "pause_us",
			json_integer((json_int_t)(in->pause_ns / 1000)));
	reply(fd, o);
}

/* The block's file, to be read only. */
static int open_block(const struct instance *in)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", in->boot_fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* With {"block":true} a descriptor comes with the answer: the status block is
 * at "offset" of that file. */
static void op_status(struct instance *in, int fd, const json_t *req)
{
	bool wants = json_is_true(json_object_get(req, "block"));
	cleanup_close int block = wants ? open_block(in) : -1;
	cleanup_json json_t *o = sleep_status(in);
	cleanup_free char *text = NULL;
	cleanup_free char *line = NULL;
	struct iovec iov;
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (block >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &block, sizeof(int));
		json_object_set_new(
			o, "offset",
			json_integer(offsetof(struct boot_block, status)));
	}
	text = json_dumps(o, JSON_COMPACT);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return;
	iov = (struct iovec){ line, strlen(line) };
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* Where the connection is kept if the client waits for the end of the instance;
 * else NULL. */
static int *serve(struct instance *in, int *client, const json_t *req,
		  int fds[3])
{
	int fd = *client;
	const char *op = json_str_or(req, "op", "");
	struct err e = ERR_INIT;
	int64_t n;

	if (strcmp(op, "inspect") == 0) {
		op_inspect(in, fd);
	} else if (strcmp(op, "status") == 0) {
		op_status(in, fd, req);
	} else if (strcmp(op, "kill") == 0) {
		if (json_get_int(req, "kill", "signal", 1, 64, &n, &e)) {
			reply_error(fd, e.msg);
			return NULL;
		}
		in->sleep.is_stopping = false; /* for good */
		/* The last resort must not need the kernel's help. */
		if (n == SIGKILL)
			instance_shut_down(in, "killed");
		else
			broker_event(in, EVENT_SIGNAL, (uint32_t)n, 0);
		reply_ok(fd);
	} else if (strcmp(op, "quiet") == 0) {
		broker_event(in, EVENT_FREEZE, 0, 0);
		reply_ok(fd);
	} else if (strcmp(op, "stop") == 0) {
		if (json_get_int(req, "stop", "timeout_s", 0, 86400, &n, &e)) {
			reply_error(fd, e.msg);
			return NULL;
		}
		in->sleep.is_stopping = false; /* for good */
		broker_event(in, EVENT_SIGNAL, (uint32_t)in->spec.stop_signal,
			     0);
		in->stop_deadline_ns =
			clock_now_ns() + (uint64_t)n * 1000000000 + 1;
		return &in->stop_client;
	} else if (strcmp(op, "suspend") == 0) {
		if (!suspend_start(in, &e))
			return &in->suspend_client;
		reply_error(fd, e.msg);
	} else if (strcmp(op, "snapshot") == 0) {
		if (!snapshot_start(in, json_str_or(req, "dir", ""), &e))
			return &in->suspend_client;
		reply_error(fd, e.msg);
	} else if (strcmp(op, "exec") == 0 || strcmp(op, "files") == 0) {
		if (exec_start(in, client, req, fds, &e))
			reply_failed(fd, &e);
	} else {
		reply_error(fd, "unknown operation");
	}
	return NULL;
}

void control_suspend_failed(struct instance *in, const char *why)
{
	if (in->suspend_client < 0)
		return;
	reply_error(in->suspend_client, why);
	close(take_fd(&in->suspend_client));
}

void control_snapshot_made(struct instance *in)
{
	cleanup_json json_t *o = json_pack("{s:b, s:I}", "ok", 1, "pause_us",
					   (json_int_t)(in->pause_ns / 1000));

	if (in->suspend_client < 0)
		return;
	reply(in->suspend_client, o);
	close(take_fd(&in->suspend_client));
}

/* Descriptors of a message: the first three, the rest is closed. */
static void take_fds(struct msghdr *msg, int fds[3])
{
	struct cmsghdr *c;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd), k = 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			while (k < 3 && fds[k] >= 0)
				k++;
			if (k < 3)
				fds[k] = fd;
			else
				close(fd);
		}
	}
}

static ssize_t receive(int fd, char *buf, size_t size, int fds[3])
{
	struct iovec iov = { buf, size };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n >= 0)
		take_fds(&msg, fds);
	return n;
}

/* Somebody whose request is not complete yet: nobody waits for it. */
struct caller {
	struct caller *next;
	int fd, fds[3];
	bool is_watched;
	char *line;
	size_t len, size;
	uint64_t deadline_ns;
};

static void caller_free(struct caller *c)
{
	if (c->fd >= 0)
		close(c->fd);
	for (int i = 0; i < 3; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	free(c->line);
	free(c);
}

/* True if there will be no more: a line, or the end. */
static bool receive_more(struct caller *c)
{
	ssize_t n;

	while ((n = receive(c->fd, c->line + c->len, c->size - c->len,
			    c->fds)) > 0) {
		c->len += (size_t)n;
		if (memchr(c->line + c->len - n, '\n', (size_t)n) ||
		    c->len == REQUEST_MAX)
			return true;
		if (c->len == c->size)
			c->line = xreallocarray(c->line, c->size *= 2, 1);
	}
	return !n || (errno != EAGAIN && errno != EINTR);
}

/* Frees it; what waits for the end of the instance stays open. */
static void answer(struct instance *in, struct caller *c)
{
	cleanup_json json_t *req = NULL;
	struct err e = ERR_INIT;
	int *waiting = NULL;

	if (c->is_watched)
		epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	if (json_parse("request", c->line, c->len, &req, &e))
		reply_error(c->fd, e.msg);
	else
		waiting = serve(in, &c->fd, req, c->fds);
	if (waiting) {
		if (*waiting >= 0)
			close(*waiting);
		*waiting = take_fd(&c->fd);
	}
	caller_free(c);
}

/* Put it last; the first goes where there are too many. */
static void wait_for_rest(struct instance *in, struct caller *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = c->fd };
	struct caller **p = &in->callers;
	unsigned int n = 0;

	c->is_watched = !epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	c->deadline_ns = clock_now_ns() + PATIENCE_NS;
	for (; *p; p = &(*p)->next)
		n++;
	*p = c;
	if (n >= CALLERS_MAX) {
		c = in->callers;
		in->callers = c->next;
		caller_free(c);
	}
}

void control_accept(struct instance *in)
{
	int fd = accept4(in->control_fd, NULL, NULL, SOCK_CLOEXEC);
	struct caller *c;

	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->fds[0] = c->fds[1] = c->fds[2] = -1;
	c->size = REQUEST_FIRST;
	c->line = xmalloc(c->size);
	if (receive_more(c))
		answer(in, c);
	else
		wait_for_rest(in, c);
}

static struct caller **find_caller(struct instance *in, int fd)
{
	struct caller **p = &in->callers;

	while (*p && (*p)->fd != fd)
		p = &(*p)->next;
	return p;
}

bool control_owns(struct instance *in, int fd)
{
	return *find_caller(in, fd) != NULL;
}

void control_serve(struct instance *in, int fd)
{
	struct caller **p = find_caller(in, fd), *c = *p;

	if (!receive_more(c))
		return;
	*p = c->next;
	answer(in, c);
}

/* The first is the oldest. */
int control_check(struct instance *in)
{
	struct caller *c;
	uint64_t now;

	while ((c = in->callers)) {
		now = clock_now_ns();
		if (now < c->deadline_ns)
			return (int)((c->deadline_ns - now) / 1000000) + 1;
		in->callers = c->next;
		answer(in, c);
	}
	return -1;
}

void control_suspended(struct instance *in)
{
	if (in->suspend_client < 0)
		return;
	reply_ok(in->suspend_client);
	close(take_fd(&in->suspend_client));
}

void control_finish(struct instance *in)
{
	char path[4096];

	exec_finish(in);
	while (in->callers) {
		struct caller *c = in->callers;

		in->callers = c->next;
		caller_free(c);
	}
	if (in->stop_client >= 0) {
		reply_ok(in->stop_client);
		close(in->stop_client);
	}
	if (in->end != END_SUSPENDED)
		control_suspend_failed(in, "ended while it was suspended");
	/* Else it went with the directory. */
	if (in->control_fd >= 0 && !in->spec.is_removed_at_exit) {
		snprintf(path, sizeof(path), "%s/control.sock",
			 in->spec.state_dir);
		unlink(path);
	}
}

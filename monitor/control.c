/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_dir/control.sock: one JSON line in, one JSON line out. Only the owner
 * can reach it (mode 0700 directory). Requests: {"op":"stop","timeout_s":10},
 * {"op":"kill","signal":15}, {"op":"inspect"}, {"op":"suspend"},
 * {"op":"snapshot","dir":"/..."} (a template in that directory), {"op":"quiet"}
 * (stop everybody at the quiet point and go on: a test of it).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "monitor/instance.h"

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
	    listen(in->control_fd, 16))
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

	if (in->pause_ns)
		json_object_set_new(
			o, "pause_us",
			json_integer((json_int_t)(in->pause_ns / 1000)));
	reply(fd, o);
}

/* Where the connection is kept if the client waits for the end of the instance;
 * else NULL. */
static int *serve(struct instance *in, int fd, const json_t *req)
{
	const char *op = json_str_or(req, "op", "");
	struct err e = ERR_INIT;
	int64_t n;

	if (strcmp(op, "inspect") == 0) {
		op_inspect(in, fd);
	} else if (strcmp(op, "kill") == 0) {
		if (json_get_int(req, "kill", "signal", 1, 64, &n, &e)) {
			reply_error(fd, e.msg);
			return NULL;
		}
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

void control_accept(struct instance *in)
{
	struct timeval patience = { .tv_sec = 1 };
	cleanup_close int fd =
		accept4(in->control_fd, NULL, NULL, SOCK_CLOEXEC);
	cleanup_json json_t *req = NULL;
	struct err e = ERR_INIT;
	char line[1024];
	int *waiting;
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (n < sizeof(line) - 1 &&
	       (r = recv(fd, line + n, sizeof(line) - 1 - n, 0)) > 0) {
		n += (size_t)r;
		if (memchr(line, '\n', n))
			break;
	}
	if (json_parse("request", line, n, &req, &e)) {
		reply_error(fd, e.msg);
		return;
	}
	waiting = serve(in, fd, req);
	if (waiting) {
		if (*waiting >= 0)
			close(*waiting);
		*waiting = take_fd(&fd);
	}
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

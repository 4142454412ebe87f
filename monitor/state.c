/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance's record: state_dir/state.json for `jiffy ps`, and a lock that
 * is held while this monitor lives, so that a dead monitor is told from a live
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "monitor/instance.h"

/* Whoever looks whether we live has the lock for a moment, too. */
#define LOOK_MS 2000

static int take_lock(int fd)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOOK_MS)
			return -1;
		nanosleep(&ms, NULL);
	}
	return 0;
}

int state_open(struct instance *in, struct err *e)
{
	char path[4096];

	in->lock_fd = -1;
	if (!in->spec.state_dir)
		return 0;
	snprintf(path, sizeof(path), "%s/lock", in->spec.state_dir);
	in->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (in->lock_fd < 0)
		return err_sys(e, errno, "state %s", path);
	if (take_lock(in->lock_fd)) {
		err_sys(e, errno, "instance %s is running already",
			in->spec.name);
		close(take_fd(&in->lock_fd)); /* the record is another's */
		return -e->code;
	}
	return 0;
}

static const char *end_name(enum instance_end end)
{
	switch (end) {
	case END_NONE:
		return NULL;
	case END_EXIT:
		return "exit";
	case END_REFUSED:
		return "start";
	case END_CRASH:
		return "crash";
	case END_OOM:
		return "out of memory";
	case END_KILLED:
		return "killed";
	case END_SUSPENDED:
		return "suspend";
	}
	return NULL;
}

/* For whoever removes them in our place. */
static int write_groups(const struct instance *in, int fd)
{
	cleanup_json json_t *paths = json_array();

	for (unsigned int i = 0; i < in->cgroup.nplaces; i++)
		json_array_append_new(paths,
				      json_text(in->cgroup.places[i].path));
	if (!in->cgroup.nplaces)
		return 1;
	return dprintf(fd, ",\"cgroups\":") > 0 &&
			       json_dumpfd(paths, fd, JSON_COMPACT) == 0
		       ? 1
		       : -1;
}

/* No JSON library where the text is plain: each start pays for it. */
static int write_state(const struct instance *in, int fd)
{
	int n = dprintf(fd,
			"{\"state\":\"%s\",\"pid\":%d,\"host_pid\":%d,"
			"\"updated\":%lld",
			in->end == END_NONE	   ? "running"
			: in->end == END_SUSPENDED ? "suspended"
						   : "exited",
			(int)getpid(), (int)in->group, (long long)time(NULL));

	if (n > 0 && in->end == END_NONE)
		n = write_groups(in, fd);
	if (n > 0 && in->sleep.is_stopping && in->end == END_SUSPENDED)
		n = dprintf(fd, ",\"stateful\":false");
	if (n > 0 && in->end != END_NONE) {
		cleanup_json json_t *reason = json_text(in->reason);

		n = dprintf(fd,
			    ",\"exit_code\":%d,\"ended_by\":\"%s\","
			    "\"asked\":%s,\"reason\":",
			    instance_exit_code(in), end_name(in->end),
			    in->stop_deadline_ns ? "true" : "false");
		if (n > 0 && json_dumpfd(reason, fd, JSON_ENCODE_ANY))
			n = -1;
	}
	return n > 0 && write(fd, "}\n", 2) == 2 ? 0 : -1;
}

void state_write(const struct instance *in)
{
	char path[4096], temp[4096 + 8];
	int fd, r;

	if (!in->spec.state_dir)
		return;
	/* No fsync: the record is worthless after a power cut anyway. */
	snprintf(path, sizeof(path), "%s/state.json", in->spec.state_dir);
	snprintf(temp, sizeof(temp), "%s.new", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	r = write_state(in, fd);
	if (close(fd) == 0 && r == 0)
		rename(temp, path);
}

void state_write_times(const struct instance *in)
{
	char path[4096];
	int fd;

	if (!in->spec.state_dir || !in->spec.is_detached)
		return;
	snprintf(path, sizeof(path), "%s/times", in->spec.state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "{\"boot_us\":%llu,\"net_us\":%llu}\n",
		(unsigned long long)in->boot_us,
		(unsigned long long)in->net_us);
	close(fd);
}

static void tell_end(const struct instance *in)
{
	const struct sleep_state *s = &in->sleep;
	json_t *o;

	if (in->end == END_SUSPENDED) {
		o = json_pack(
			"{s:s, s:I}", "by",
			s->is_falling ? "policy" : "command", "duration_us",
			(json_int_t)(in->suspended_ns - s->asked_ns) / 1000);
		if (s->is_stopping)
			json_object_set_new(o, "stateful", json_false());
	} else {
		o = json_pack("{s:s, s:i, s:o}", "by", end_name(in->end),
			      "exit_code", instance_exit_code(in), "reason",
			      json_text(in->reason));
	}
	event_add(in,
		  in->end == END_SUSPENDED ? "suspend"
		  : in->end == END_CRASH   ? "crash"
					   : "stop",
		  o);
}

/* What a monitor leaves in a record, or the CLI did. */
static void remove_record(struct instance *in)
{
	static const char *const names[] = { "lock",	   "control.sock",
					     "events",	   "events.1",
					     "state.json", "spec.json",
					     "times" };
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(dir, names[i], 0);
}

void state_close(struct instance *in)
{
	char *slash;

	if (in->lock_fd < 0)
		return;
	if (!in->spec.is_removed_at_exit) {
		state_write(in);
		tell_end(in);
	} else {
		remove_record(in);
		slash = strrchr(in->spec.state_dir, '/');
		if (rmdir(in->spec.state_dir) && errno != ENOENT && slash &&
		    slash[1]) {
			cleanup_close int dir = -1;
			struct err e = ERR_INIT;

			*slash = '\0';
			dir = open(in->spec.state_dir,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			io_remove_tree(dir, slash + 1, &e);
			*slash = '/';
		}
	}
}

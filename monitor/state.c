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
	if (flock(in->lock_fd, LOCK_EX | LOCK_NB)) {
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
	}
	return NULL;
}

void state_write(const struct instance *in)
{
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;
	char path[4096], temp[4096 + 8];
	FILE *f;

	if (!in->spec.state_dir)
		return;
	o = json_pack("{s:s, s:i, s:i, s:I}", "state",
		      in->end == END_NONE ? "running" : "exited", "pid",
		      (int)getpid(), "host_pid", (int)in->group, "updated",
		      (json_int_t)time(NULL));
	if (in->end != END_NONE) {
		json_object_set_new(o, "exit_code",
				    json_integer(instance_exit_code(in)));
		json_object_set_new(o, "ended_by",
				    json_string(end_name(in->end)));
		json_object_set_new(o, "reason", json_text(in->reason));
	}
	/* No fsync: the record is worthless after a power cut anyway. */
	snprintf(path, sizeof(path), "%s/state.json", in->spec.state_dir);
	snprintf(temp, sizeof(temp), "%s.new", path);
	f = fopen(temp, "we");
	if (!f)
		return;
	json_dumpf(o, f, JSON_COMPACT);
	fputc('\n', f);
	if (fclose(f) == 0)
		rename(temp, path);
}

void state_close(struct instance *in)
{
	char *slash;

	if (in->lock_fd < 0)
		return;
	if (!in->spec.is_removed_at_exit) {
		state_write(in);
	} else {
		slash = strrchr(in->spec.state_dir, '/');
		if (slash && slash[1]) {
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

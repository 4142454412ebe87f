/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance records on disk. The kernel's file lock, not what a file says, tells
 * a live monitor from a dead one.
 */
#include "engine/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define INSTANCES "instances"
#define CHECKPOINT "checkpoint"
#define RECORD_MAX (4 << 20)
#define STARTING_S 10 /* a record this old without state never started */
#define NAME_TRIES 100

char *instance_path(const struct store *s, const char *name)
{
	return xasprintf("%s/" INSTANCES "/%s", s->path, name);
}

static int make_dir(const struct store *s, const char *name)
{
	char path[sizeof(INSTANCES) + NAME_SIZE];

	snprintf(path, sizeof(path), INSTANCES "/%s", name);
	return mkdirat(s->fd, path, 0700) < 0 ? -errno : 0;
}

static int taken(const struct store *s, const char *name, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	const char *by = "an ended instance (see 'jiffy rm')";

	if (instance_load(s, name, &in, NULL) == 0) {
		if (in.status <= INSTANCE_RUNNING)
			by = "a running instance";
		else if (in.status == INSTANCE_SUSPENDED)
			by = "a suspended instance (see 'jiffy resume')";
	}
	return err_set(e, EEXIST, "--name: '%s' is taken by %s", name, by);
}

int instance_create(const struct store *s, const char *wanted,
		    char name[NAME_SIZE], struct instance_dir *dir,
		    struct err *e)
{
	char path[sizeof(INSTANCES) + NAME_SIZE];
	int r = -EEXIST;

	if (wanted) {
		snprintf(name, NAME_SIZE, "%s", wanted);
		r = make_dir(s, name);
	}
	for (int i = 0; !wanted && r == -EEXIST && i < NAME_TRIES; i++) {
		name_generate(name);
		if (i > 3) /* a crowd: add digits */
			id_generate(name + strlen(name));
		r = make_dir(s, name);
	}
	if (r == -EEXIST)
		return taken(s, name, e);
	if (r < 0)
		return err_sys(e, -r, "%s/" INSTANCES "/%s", s->path, name);
	snprintf(path, sizeof(path), INSTANCES "/%s", name);
	dir->fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0) {
		r = err_sys(e, errno, "%s/%s", s->path, path);
		instance_discard(s, name);
		return r;
	}
	return 0;
}

int instance_write_spec(struct instance_dir *dir, const json_t *spec,
			struct err *e)
{
	cleanup_free char *text = json_dumps(spec, JSON_COMPACT);
	int r;

	dir->spec_fd = openat(dir->fd, "spec.json",
			      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!text || dir->spec_fd < 0)
		return err_sys(e, text ? errno : EINVAL, "spec.json");
	r = io_write_full(dir->spec_fd, text, strlen(text));
	if (r < 0 || lseek(dir->spec_fd, 0, SEEK_SET) < 0)
		return err_sys(e, r < 0 ? -r : errno, "spec.json");
	return 0;
}

void instance_dir_close(struct instance_dir *dir)
{
	if (dir->spec_fd >= 0)
		close(dir->spec_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	*dir = (struct instance_dir)INSTANCE_DIR_INIT;
}

void instance_discard(const struct store *s, const char *name)
{
	char path[sizeof(INSTANCES) + NAME_SIZE];

	snprintf(path, sizeof(path), INSTANCES "/%s", name);
	io_remove_tree(s->fd, path, NULL);
}

bool instance_is_live(const struct instance *in)
{
	cleanup_close int fd = openat(in->fd, "lock", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

/* When a running record's lock is free its monitor died, or it ended since the
 * record was read: then the new record says so. That there is a checkpoint, not
 * what the record says, makes an instance a suspended one. */
static void find_status(struct instance *in, json_t *state)
{
	const char *text = json_str_or(state, "state", "");

	json_decref(in->state);
	in->state = state;
	if (faccessat(in->fd, CHECKPOINT, F_OK, 0) == 0 &&
	    !instance_is_live(in))
		in->status = INSTANCE_SUSPENDED;
	else if (!strcmp(text, "exited"))
		in->status = INSTANCE_EXITED;
	else if (!strcmp(text, "created"))
		in->status = instance_is_live(in) ? INSTANCE_STARTING
						  : INSTANCE_CREATED;
	else if (!*text)
		in->status = time(NULL) - in->created < STARTING_S ||
					     instance_is_live(in)
				     ? INSTANCE_STARTING
				     : INSTANCE_DEAD;
	else
		in->status = instance_is_live(in) ? INSTANCE_RUNNING
						  : INSTANCE_DEAD;
}

static json_t *read_object(const struct instance *in, const char *file)
{
	json_t *obj;

	return json_read(in->fd, file, RECORD_MAX, &obj, NULL) < 0
		       ? json_object()
		       : obj;
}

static int load_dir(const struct store *s, const char *name,
		    struct instance *in)
{
	char path[sizeof(INSTANCES) + NAME_SIZE];
	struct stat st;

	*in = (struct instance)INSTANCE_INIT;
	if (name_check(name, NULL) < 0)
		return -ENOENT;
	snprintf(in->name, sizeof(in->name), "%s", name);
	snprintf(path, sizeof(path), INSTANCES "/%s", name);
	in->fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->fd < 0)
		return -errno;
	if (fstatat(in->fd, "spec.json", &st, 0) == 0 ||
	    fstat(in->fd, &st) == 0)
		in->created = st.st_mtime;
	in->spec = read_object(in, "spec.json");
	find_status(in, read_object(in, "state.json"));
	if (in->status == INSTANCE_DEAD)
		find_status(in, read_object(in, "state.json"));
	in->changed = fstatat(in->fd, "state.json", &st, 0) ? in->created
							    : st.st_mtime;
	return 0;
}

/* The instance whose id this is. */
static int load_id(const struct store *s, const char *id, struct instance *in)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (!ref_is_hex(id, ID_SIZE - 1) || instance_names(s, &names, NULL) < 0)
		return -ENOENT;
	for (size_t i = 0; i < names.count; i++) {
		if (load_dir(s, names.items[i], in) < 0)
			continue;
		if (!strcmp(json_str_or(in->spec, "id", ""), id))
			return 0;
		instance_unload(in);
	}
	return -ENOENT;
}

int instance_load(const struct store *s, const char *name, struct instance *in,
		  struct err *e)
{
	int r = load_dir(s, name, in);

	if (r == -ENOENT)
		r = load_id(s, name, in);
	if (r == -ENOENT)
		return err_set(e, ENOENT,
			       "no instance '%.80s' (see 'jiffy ps -a')", name);
	return r < 0 ? err_sys(e, -r, "%s", name) : 0;
}

void instance_unload(struct instance *in)
{
	if (in->fd >= 0)
		close(in->fd);
	json_decref(in->spec);
	json_decref(in->state);
	*in = (struct instance)INSTANCE_INIT;
}

int instance_names(const struct store *s, struct strv *names, struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	int fd;

	fd = openat(s->fd, INSTANCES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return err_sys(e, errno, "%s/" INSTANCES, s->path);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			strv_add(names, d->d_name);
	strv_sort(names);
	return 0;
}

int instance_wait(const struct instance *in, int timeout_s)
{
	/* As it is now: of one that was just woken, the record that was loaded
	 * may still be that of the monitor before. */
	cleanup_json json_t *state = read_object(in, "state.json");
	long pid = (long)json_integer_value(json_object_get(state, "pid"));
	struct pollfd p = { .fd = -1, .events = POLLIN };
	int r;

	if (!instance_is_live(in))
		return 0;
	p.fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	/* the number may belong to another process by now: the lock decides */
	if (p.fd < 0 || !instance_is_live(in)) {
		if (p.fd >= 0)
			close(p.fd);
		return instance_is_live(in) ? -ETIMEDOUT : 0;
	}
	do
		r = poll(&p, 1, timeout_s < 0 ? -1 : timeout_s * 1000);
	while (r < 0 && errno == EINTR);
	close(p.fd);
	return r > 0 ? 0 : -ETIMEDOUT;
}

const char *instance_status_word(enum instance_status status)
{
	static const char *const names[] = {
		[INSTANCE_STARTING] = "starting",
		[INSTANCE_RUNNING] = "running",
		[INSTANCE_SUSPENDED] = "suspended",
		[INSTANCE_EXITED] = "exited",
		[INSTANCE_CREATED] = "created",
		[INSTANCE_DEAD] = "crashed",
	};

	return names[status];
}

const char *instance_status_text(const struct instance *in, char buf[48])
{
	const char *ended_by = json_str_or(in->state, "ended_by", "exit");
	long code = (long)json_integer_value(
		json_object_get(in->state, "exit_code"));

	if (in->status != INSTANCE_EXITED)
		snprintf(buf, 48, "%s", instance_status_word(in->status));
	else if (!strcmp(ended_by, "exit"))
		snprintf(buf, 48, "exited (%ld)", code);
	else
		snprintf(buf, 48, "%.30s (%ld)",
			 strcmp(ended_by, "crash") ? ended_by : "crashed",
			 code);
	return buf;
}

/* True if /proc/PID is a host process of the instance that began with host
 * process `first`: they cannot leave its session. */
static bool is_host_process(const char *pid, long first)
{
	cleanup_close int fd = -1;
	char path[300], text[256];
	long session = 0;
	char state;
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && strstr(text, "(jiffy-kernel)") &&
	       sscanf(p, ") %c %*d %*d %ld", &state, &session) == 2 &&
	       state != 'Z' && state != 'X' && session == first;
}

static void remove_groups(const struct instance *in)
{
	json_t *path;
	size_t i;

	json_array_foreach (json_object_get(in->state, "cgroups"), i, path)
		if (json_is_string(path))
			cgroup_remove_path(json_string_value(path));
}

void instance_kill_left(const struct instance *in)
{
	long first = (long)json_integer_value(
		json_object_get(in->state, "host_pid"));
	bool any = first > 1;

	for (int tries = 0; any && tries < 1000; tries++) {
		cleanup_dir DIR *dir = opendir("/proc");
		struct dirent *d;

		any = false;
		while (dir && (d = readdir(dir))) {
			if (d->d_name[0] < '1' || d->d_name[0] > '9' ||
			    !is_host_process(d->d_name, first))
				continue;
			kill((pid_t)strtol(d->d_name, NULL, 10), SIGKILL);
			any = true;
		}
	}
	remove_groups(in);
}

int instance_remove(const struct store *s, const struct instance *in,
		    struct err *e)
{
	cleanup_close int lock = -1;
	char from[sizeof(INSTANCES) + NAME_SIZE];
	char to[sizeof(INSTANCES) + NAME_SIZE + 16];

	lock = openat(in->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (in->status == INSTANCE_STARTING ||
	    (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0))
		return err_set(e, EBUSY,
			       "%s is %s: stop it first, or use --force",
			       in->name,
			       in->status == INSTANCE_STARTING ? "starting"
							       : "running");
	if (in->status == INSTANCE_SUSPENDED)
		return err_set(e, EBUSY,
			       "%s is suspended: resume it first, or use "
			       "--force",
			       in->name);
	if (in->status == INSTANCE_DEAD)
		instance_kill_left(in);
	snprintf(from, sizeof(from), INSTANCES "/%s", in->name);
	snprintf(to, sizeof(to), INSTANCES "/.removed-%ld-%.20s",
		 (long)getpid(), in->name);
	if (renameat(s->fd, from, s->fd, to) < 0)
		return err_sys(e, errno, "%s", in->name);
	return io_remove_tree(s->fd, to, e);
}

int instance_open_again(const struct instance *in, struct instance_dir *dir,
			int *log_fd, struct err *e)
{
	dir->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 0);
	dir->spec_fd = openat(in->fd, "spec.json", O_RDONLY | O_CLOEXEC);
	*log_fd = openat(in->fd, "log",
			 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (dir->fd < 0 || dir->spec_fd < 0 || *log_fd < 0)
		return err_sys(e, errno, "%s", in->name);
	return 0;
}

int instance_drop_checkpoint(const struct instance *in, struct err *e)
{
	cleanup_close int lock = openat(in->fd, "lock", O_RDWR | O_CLOEXEC);

	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, "%s is running", in->name);
	if (unlinkat(in->fd, CHECKPOINT, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "%s: checkpoint", in->name);
	return 0;
}

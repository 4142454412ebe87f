/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inotify descriptor for the directory of records and for each record, and
 * a process descriptor for each monitor that lives: one that is killed writes
 * nothing.
 */
#include "daemon/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/instances.h"
#include "daemon/server.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "lib/list.h"

#define RECORD_EVENTS (IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR)
#define DIR_EVENTS \
	(IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)

#define SETTLE_NS (10 * (uint64_t)NSEC_PER_MSEC)
#define HEALTHY_NS (10 * (uint64_t)NSEC_PER_SEC)
#define RESTART_NS (5 * (uint64_t)NSEC_PER_SEC)
#define RESTART_MAX_NS (300 * (uint64_t)NSEC_PER_SEC)

/* A record that is watched. */
struct watched {
	struct loop_watch monitor; /* first: its process; fd -1: none */
	struct list link;
	struct supervisor *supervisor;
	int wd;
	char name[NAME_SIZE];
	bool is_looked_at; /* a job is on it */
	bool is_to_look;   /* and another look is due */
	bool is_gone;
	bool is_known;	  /* it has an object */
	long missing_pid; /* was not there when it was to be watched */
	/* what the job has found */
	enum instance_status status;
	long pid;
	bool is_to_restart;

	struct loop_timer settle;  /* set: a look is due then */
	struct loop_timer restart; /* set: it is about to be started again */
	unsigned int attempt;	   /* of restarts, without health between */
	uint64_t since_ns;	   /* when it was seen running, 0: it is not */
};

struct supervisor {
	struct loop_watch watch; /* of the inotify descriptor; first */
	struct daemon *daemon;
	struct list records;
	int dir_wd;
};

static void look(struct watched *r);
static void forget(struct watched *r);

static void forget_monitor(struct watched *r)
{
	if (!r->monitor.loop)
		return;
	loop_watch_stop(&r->monitor);
	close(take_fd(&r->monitor.fd));
}

static void on_monitor_end(struct loop_watch *w, uint32_t events)
{
	struct watched *r = (struct watched *)w;

	(void)events;
	forget_monitor(r);
	look(r);
}

/* Its object, if there is none yet, and what that says of a restart. */
static void look_at_object(struct watched *r, const struct instance *in)
{
	struct daemon *d = r->supervisor->daemon;
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;

	if (!r->is_known)
		instance_adopt(d, r->name, NULL);
	r->is_known = !instance_object(d, r->name, &o, NULL);
	if (r->is_known)
		r->is_to_restart = instance_is_to_restart(&o, in);
}

/* On the pool. One that falls asleep costs no look into the database. */
static void look_job(void *arg)
{
	struct watched *r = arg;
	struct daemon *d = r->supervisor->daemon;
	cleanup_instance struct instance in = INSTANCE_INIT;

	r->status = INSTANCE_CREATED;
	r->pid = 0;
	r->is_to_restart = false;
	if (instance_load(&d->store, r->name, &in, NULL))
		return;
	r->status = in.status;
	if (!r->is_known || in.status > INSTANCE_SUSPENDED)
		look_at_object(r, &in);
	if (in.status == INSTANCE_RUNNING)
		instance_note_start(d, r->name);
	if (in.status <= INSTANCE_RUNNING)
		r->pid = (long)json_integer_value(
			json_object_get(in.state, "pid"));
}

static void free_watched(struct watched *r)
{
	loop_timer_cancel(&r->settle);
	loop_timer_cancel(&r->restart);
	forget_monitor(r);
	list_del(&r->link);
	free(r);
}

/* On the pool, for a record that may not be watched any more. */
struct restart {
	struct daemon *daemon;
	char name[NAME_SIZE];
};

static int restart_held(struct daemon *d, struct db_object *o, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	if (instance_of(d, o, &in, e) || !instance_is_to_restart(o, &in))
		return -e->code;
	json_object_set_new(
		o->body, "restart_count",
		json_integer(json_int_or(o->body, "restart_count", 0) + 1));
	return db_update(d->db, o, e) || instance_launch(d, o, e) ? -e->code
								  : 0;
}

static void restart_job(void *arg)
{
	struct restart *r = arg;
	struct daemon *d = r->daemon;
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	struct err e = ERR_INIT;
	char uuid[UUID_SIZE];

	if (!instance_object(d, r->name, &o, NULL)) {
		memcpy(uuid, o.uuid, UUID_SIZE);
		daemon_hold(d, uuid);
		/* as it is now that it is held */
		db_object_fini(&o);
		if (!db_find(d->db, DB_INSTANCE, NULL, uuid, NULL, &o, &e) &&
		    restart_held(d, &o, &e))
			log_warning("restart instance=%s: %s", o.name, e.msg);
		daemon_release(d, uuid);
	}
	free(r);
}

static void on_restart(struct loop_timer *t)
{
	struct watched *w = container_of(t, struct watched, restart);
	struct daemon *d = w->supervisor->daemon;
	struct restart *r = xcalloc(1, sizeof(*r));

	r->daemon = d;
	memcpy(r->name, w->name, NAME_SIZE);
	if (jobs_submit(d->jobs, d->loop, restart_job, NULL, r))
		free(r);
}

/* At once, then after 5 s, 10 s, 20 s ... 5 minutes, until it has run for a
 * while. */
static void plan_restart(struct watched *r)
{
	struct loop *l = r->supervisor->daemon->loop;
	uint64_t now = loop_now_ns(l), delay_ns = 0;

	if (r->status <= INSTANCE_RUNNING && !r->since_ns)
		r->since_ns = now;
	if (!r->is_to_restart) {
		loop_timer_cancel(&r->restart);
		return;
	}
	if (r->restart.place)
		return;
	if (r->since_ns && now - r->since_ns >= HEALTHY_NS)
		r->attempt = 0;
	r->since_ns = 0;
	if (r->attempt)
		delay_ns = MIN(RESTART_NS << MIN(r->attempt - 1, 10),
			       RESTART_MAX_NS);
	r->attempt++;
	log_info("restart instance=%s attempt=%u in_s=%u", r->name, r->attempt,
		 (unsigned int)(delay_ns / (uint64_t)NSEC_PER_SEC));
	loop_timer_set(l, &r->restart, delay_ns, 0, on_restart);
}

static void on_looked(void *arg)
{
	struct watched *r = arg;
	struct supervisor *s = r->supervisor;
	int fd;

	r->is_looked_at = false;
	if (r->is_gone) {
		forget(r);
		return;
	}
	server_changed(s->daemon->server);
	if (r->is_to_look) {
		look(r);
		return;
	}
	forget_monitor(r);
	plan_restart(r);
	if (r->pid <= 1)
		return;
	fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (fd < 0) {
		/* It has ended just now; killed, it leaves no record that would
		 * be another event. Once: the record may be an old one, while
		 * the next monitor begins. */
		if (r->missing_pid != r->pid) {
			r->missing_pid = r->pid;
			look(r);
		}
		return;
	}
	r->monitor.fd = fd;
	if (loop_watch_start(s->daemon->loop, &r->monitor, fd, EPOLLIN,
			     on_monitor_end))
		close(fd);
}

static void look(struct watched *r)
{
	struct daemon *d = r->supervisor->daemon;

	r->is_to_look = true;
	if (r->is_looked_at)
		return;
	r->is_to_look = false;
	r->is_looked_at = true;
	if (jobs_submit(d->jobs, d->loop, look_job, on_looked, r))
		r->is_looked_at = false; /* the next event looks */
}

static void on_settled(struct loop_timer *t)
{
	look(container_of(t, struct watched, settle));
}

/* A wake or a sleep is several changes: one look for all. */
static void look_soon(struct watched *r)
{
	if (!r->settle.place)
		loop_timer_set(r->supervisor->daemon->loop, &r->settle,
			       SETTLE_NS, 0, on_settled);
}

static struct watched *find(struct supervisor *s, int wd, const char *name)
{
	for (struct list *p = s->records.next; p != &s->records; p = p->next) {
		struct watched *r =
			(struct watched *)((char *)p -
					   offsetof(struct watched, link));

		if (name ? !strcmp(r->name, name) && !r->is_gone
			 : r->wd == wd && wd >= 0)
			return r;
	}
	return NULL;
}

static int watch_record(struct supervisor *s, const char *name)
{
	cleanup_free char *path = instance_path(&s->daemon->store, name);

	return inotify_add_watch(s->watch.fd, path, RECORD_EVENTS);
}

static void add_record(struct supervisor *s, const char *name)
{
	struct watched *r;
	int wd;

	if (name_check(name, NULL) || find(s, -1, name))
		return;
	wd = watch_record(s, name);
	if (wd < 0)
		return;
	r = xcalloc(1, sizeof(*r));
	r->supervisor = s;
	r->wd = wd;
	r->monitor.fd = -1;
	snprintf(r->name, sizeof(r->name), "%s", name);
	list_append(&s->records, &r->link);
	look(r);
}

/* On the pool: the object of a record that is gone goes, too. */
static void forget_job(void *arg)
{
	struct watched *r = arg;

	instance_forget(r->supervisor->daemon, r->name);
}

static void on_forgotten(void *arg)
{
	struct watched *r = arg;

	server_changed(r->supervisor->daemon->server);
	free_watched(r);
}

static void forget(struct watched *r)
{
	struct daemon *d = r->supervisor->daemon;

	if (jobs_submit(d->jobs, d->loop, forget_job, on_forgotten, r))
		free_watched(r); /* found at the next start */
}

static void remove_record(struct supervisor *s, const char *name)
{
	struct watched *r = find(s, -1, name);

	if (!r)
		return;
	inotify_rm_watch(s->watch.fd, r->wd);
	r->wd = -1;
	forget_monitor(r);
	loop_timer_cancel(&r->settle);
	r->is_gone = true;
	if (!r->is_looked_at)
		forget(r);
}

static void on_event(struct supervisor *s, const struct inotify_event *ev)
{
	const char *name = ev->len ? ev->name : "";
	struct watched *r;

	if (ev->wd == s->dir_wd) {
		if (ev->mask & (IN_CREATE | IN_MOVED_TO))
			add_record(s, name);
		else if (ev->mask & (IN_DELETE | IN_MOVED_FROM))
			remove_record(s, name);
		return;
	}
	r = find(s, ev->wd, NULL);
	if (r && (!strcmp(name, "state.json") || !strcmp(name, "checkpoint")))
		look_soon(r);
}

/* Events were lost: as at the start, and all once more. */
static void look_at_all(struct supervisor *s)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct list *p, *next;

	if (instance_names(&s->daemon->store, &names, NULL))
		return;
	for (size_t i = 0; i < names.count; i++)
		add_record(s, names.items[i]);
	for (p = s->records.next; p != &s->records; p = next) {
		struct watched *r = container_of(p, struct watched, link);

		next = p->next;
		if (r->is_gone)
			continue;
		/* The same directory has the watch that it had. */
		r->wd = watch_record(s, r->name);
		if (r->wd >= 0)
			look(r);
		else
			remove_record(s, r->name);
	}
}

static void on_events(struct loop_watch *w, uint32_t events)
{
	struct supervisor *s = (struct supervisor *)w;
	char buf[16384]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(w->fd, buf, sizeof(buf));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *ev =
			(const struct inotify_event *)(buf + at);

		if (ev->mask & IN_Q_OVERFLOW)
			look_at_all(s);
		else
			on_event(s, ev);
		at += (ssize_t)(sizeof(*ev) + ev->len);
	}
}

int supervisor_start(struct daemon *d, struct err *e)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_free char *dir = xasprintf("%s/instances", d->store.path);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), r;

	s->daemon = d;
	list_init(&s->records);
	d->supervisor = s;
	if (fd < 0)
		return err_sys(e, errno, "inotify");
	r = loop_watch_start(d->loop, &s->watch, fd, EPOLLIN, on_events);
	if (r)
		return err_sys(e, -r, "inotify");
	s->dir_wd = inotify_add_watch(fd, dir, DIR_EVENTS);
	if (s->dir_wd < 0)
		return err_sys(e, errno, "%s", dir);
	if (instance_names(&d->store, &names, e))
		return -e->code;
	for (size_t i = 0; i < names.count; i++)
		add_record(s, names.items[i]);
	return 0;
}

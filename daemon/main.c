/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffyd: opens the store and the database, takes over what runs and sleeps,
 * and serves the API until SIGTERM. Instances do not end with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/autoscale.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/instances.h"
#include "daemon/schedule.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/supervisor.h"
#include "engine/version.h"
#include "gateway/certs.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

#define JOB_THREADS 16
#define REQUEST_THREADS 32
#define JOB_QUEUE 4096
#define LISTEN_FDS_START 3
#define TOKEN_MAX 4096

/* sd_notify(3), in a few lines. */
static void notify_systemd(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (!len || len >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sun,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

static int lock_store(struct daemon *d, struct err *e)
{
	int fd = openat(d->store.fd, DAEMON_LOCK, O_RDWR | O_CREAT | O_CLOEXEC,
			0600);

	if (fd < 0)
		return err_sys(e, errno, "%s/" DAEMON_LOCK, d->store.path);
	/* It stays open, and locked, until the end. */
	if (flock(fd, LOCK_EX | LOCK_NB))
		return err_set(e, EBUSY, "another jiffyd serves %s",
			       d->store.path);
	return 0;
}

/* A new token, in a file for its owner. */
static int make_token(struct daemon *d, char **token, struct err *e)
{
	unsigned char bytes[24];
	char text[2 * sizeof(bytes) + 2];

	while (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		;
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	strcat(text, "\n");
	if (io_write_atomic(d->store.fd, DAEMON_TOKEN, text, strlen(text), 0600,
			    e))
		return -e->code;
	text[strlen(text) - 1] = '\0';
	*token = xstrdup(text);
	return 0;
}

/* The administrator's token: as given, or the one made up before, or a new
 * one. */
static int find_token(struct daemon *d, const struct config *c, char **token,
		      struct err *e)
{
	const char *file = c->token_file ? c->token_file : DAEMON_TOKEN;
	int r;

	if (c->token) {
		*token = xstrdup(c->token);
		return 0;
	}
	r = io_read_file(c->token_file ? AT_FDCWD : d->store.fd, file,
			 TOKEN_MAX, token, NULL, e);
	if (r == -ENOENT && !c->token_file)
		return make_token(d, token, e);
	if (r)
		return r;
	(*token)[strcspn(*token, "\r\n")] = '\0';
	return **token ? 0 : err_set(e, EINVAL, "%s is empty", file);
}

static void hash_token(const char *token, char hash[SHA256_HEX_SIZE])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, token, strlen(token));
	sha256_hex(&h, hash);
}

/* The administrator, whose only token is this one. */
static int find_admin(struct daemon *d, const struct config *c, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_USER,
						 .name = "admin" };
	cleanup_free char *token = NULL;
	char hash[SHA256_HEX_SIZE];
	int r = db_find(d->db, DB_USER, NULL, NULL, "admin", &o, e);

	if (r == -ENOENT) {
		o.body = json_pack("{s:b}", "admin", 1);
		r = db_insert(d->db, &o, e);
	}
	if (r || find_token(d, c, &token, e))
		return -e->code;
	memcpy(d->admin, o.uuid, UUID_SIZE);
	hash_token(token, hash);
	return db_tokens_remove(d->db, d->admin, e) ||
			       db_token_add(d->db, hash, d->admin, e)
		       ? -e->code
		       : 0;
}

static int open_state(struct daemon *d, const struct config *c, struct err *e)
{
	cleanup_free char *path = NULL;

	if (c->state)
		setenv("JIFFY_HOME", c->state, 1); /* for programs, too */
	if (store_open(&d->store, e) || lock_store(d, e))
		return -e->code;
	path = xasprintf("%s/" DAEMON_DATABASE, d->store.path);
	umask(0077);
	return db_open(path, &d->db, e) || find_admin(d, c, e) ? -e->code : 0;
}

/* Sockets that systemd has opened for us. */
static int take_passed(struct daemon *d, struct err *e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int n = pid && fds && atoi(pid) == getpid() ? atoi(fds) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	for (int i = 0; i < n; i++) {
		int fd = LISTEN_FDS_START + i, r;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		r = server_listen(d->server, fd);
		if (r)
			return err_sys(e, -r, "passed socket %d", i);
	}
	return 0;
}

static int listen_all(struct daemon *d, const struct config *c, struct err *e)
{
	cleanup_free char *own =
		xasprintf("unix:%s/" DAEMON_SOCKET, d->store.path);
	int fd;

	if (take_passed(d, e))
		return -e->code;
	for (size_t i = 0; i <= c->listen.count; i++) {
		const char *where = i ? c->listen.items[i - 1] : own;
		int r = config_listen(where, &fd, e);

		if (!r)
			r = server_listen(d->server, fd);
		if (r)
			return e->code ? -e->code : err_sys(e, -r, "%s", where);
		log_info("listening at=%s", where);
	}
	return 0;
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
		log_info("ending signal=%u", info.ssi_signo);
		loop_stop(w->loop);
	}
}

static int catch_signals(struct daemon *d, struct loop_watch *w, struct err *e)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = fd < 0 ? -errno
		   : loop_watch_start(d->loop, w, fd, EPOLLIN, on_signal);
	return r ? err_sys(e, -r, "signals") : 0;
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int start(struct daemon *d, const struct config *c,
		 struct loop_watch *signals, struct err *e)
{
	int r = loop_new(&d->loop);

	if (!r)
		d->started_ns = loop_now_ns(d->loop);
	if (!r) /* before threads are there: they inherit the mask */
		r = catch_signals(d, signals, e);
	if (!r)
		r = jobs_new(JOB_THREADS, JOB_QUEUE, &d->jobs);
	if (!r)
		r = jobs_new(REQUEST_THREADS, JOB_QUEUE, &d->requests);
	if (r)
		return e->code ? -e->code : err_sys(e, -r, "start");
	pthread_rwlock_init(&d->making, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->released, NULL);
	d->domain = xstrdup(c->domain ? c->domain : "localhost");
	d->certs = certs_new();
	if (open_state(d, c, e) || instances_adopt(d, e))
		return -e->code;
	templates_sweep(d);
	d->server = server_new(d);
	if (services_open(d, e) || supervisor_start(d, e))
		return -e->code;
	autoscale_start(d);
	schedule_start(d);
	return listen_all(d, c, e);
}

static int serve(const struct config *c, struct err *e)
{
	struct daemon d = { .store = STORE_INIT,
			    .streams = LIMITS_INIT,
			    .waiting = LIMITS_INIT,
			    .handled = LIMITS_INIT };
	struct loop_watch signals = { 0 };

	raise_limits();
	if (start(&d, c, &signals, e))
		return -e->code;
	notify_systemd("READY=1\n");
	log_info("ready store=%s", d.store.path);
	loop_run(d.loop);
	/* Jobs may take long and are safe to leave, as kill -9 does. */
	notify_systemd("STOPPING=1\n");
	return 0;
}

static int print_openapi(void)
{
	json_t *document = openapi_document();

	json_dumpf(document, stdout, JSON_INDENT(1));
	printf("\n");
	json_decref(document);
	return 0;
}

int main(int argc, char **argv)
{
	struct config c = { 0 };
	struct err e = ERR_INIT;

	setenv("JIFFY_LOG", "info", 0);
	setenv(DAEMON_ENV, "no", 1); /* for programs that do our work */
	log_init("jiffyd");
	json_init_seed();
	if (config_read(&c, argc, argv, &e)) {
		fprintf(stderr, "jiffyd: %s (see 'jiffyd --help')\n", e.msg);
		return 2;
	}
	if (c.wants_help) {
		config_help();
		return 0;
	}
	if (c.wants_version) {
		printf("%s\n", JIFFY_VERSION);
		return 0;
	}
	if (c.wants_openapi)
		return print_openapi();
	if (serve(&c, &e)) {
		fprintf(stderr, "jiffyd: %s\n", e.msg);
		return 1;
	}
	/* Other threads go on until the end: nothing of theirs is taken apart
	 * before it. */
	fflush(NULL);
	_exit(0);
}

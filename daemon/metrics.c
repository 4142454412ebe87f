/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: of instances with the names that clients of the platform API know,
 * as JSON or Prometheus text; of everything, with names by Prometheus's rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "engine/control.h"
#include "gateway/service.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

/* For one monitor's answer, and for those of all. */
#define ANSWER_MS 500
#define ANSWERS_MS 3000
#define CHILDREN_MAX (256 << 10)
#define TIMES_MAX 4096

/* What is measured of one instance. */
struct sample {
	int64_t state; /* as the platform counts states */
	int64_t start_count, restart_count;
	int64_t started_at, stopped_at; /* seconds since 1970, 0: not */
	int64_t uptime_s;
	int64_t rss_bytes;
	int64_t cpu_ms;
	int64_t boot_us, net_us; /* 0: not known */
	int64_t nconns, nreqs, nqueued, ntotal;
	int64_t checkpoint_bytes;
	uint64_t wake_ns; /* the sum of all wakes' latencies */
	uint64_t wake_buckets[SERVICE_BUCKETS];
};

/* Jiffies of a process and of its children that have ended: utime, stime,
 * cutime, cstime; with `own` all, else the children's only. */
static int64_t cpu_ticks(long pid, bool own)
{
	long long utime, stime, cutime, cstime;
	cleanup_free char *text = NULL;
	char path[64];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (io_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL))
		return 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p,
			 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld "
			 "%lld %lld %lld",
			 &utime, &stime, &cutime, &cstime) != 4)
		return 0;
	return cutime + cstime + (own ? utime + stime : 0);
}

/* The host processes of an instance are its monitor's children. */
int64_t instance_cpu_ms(long monitor)
{
	cleanup_free char *text = NULL;
	int64_t ticks = cpu_ticks(monitor, false);
	char path[80], *p;

	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", monitor,
		 monitor);
	if (io_read_file(AT_FDCWD, path, CHILDREN_MAX, &text, NULL, NULL))
		return 0;
	for (p = text; *p;) {
		char *end;
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		ticks += cpu_ticks(pid, true);
		p = end;
	}
	return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

/* What its monitor says, if it does. */
static void add_answers(const json_t *inspect, const json_t *status,
			struct sample *s)
{
	s->rss_bytes = json_int_or(inspect, "memory_bytes", 0);
	s->nconns = json_int_or(status, "connections", 0);
	s->nreqs = json_int_or(status, "requests", 0);
}

static void add_live(const struct instance *in, struct sample *s)
{
	s->uptime_s = (int64_t)time(NULL) - (int64_t)in->changed;
	s->started_at = (int64_t)in->changed;
	s->cpu_ms = instance_cpu_ms((long)json_int_or(in->state, "pid", 0));
}

static void add_times(const struct instance *in, struct sample *s)
{
	cleanup_json json_t *times = NULL;

	if (json_read(in->fd, "times", TIMES_MAX, &times, NULL))
		return;
	s->boot_us = json_int_or(times, "boot_us", 0);
	s->net_us = json_int_or(times, "net_us", 0);
}

/* What the gateway knows, of one behind a service. */
static void add_gateway(const struct db_object *o, struct sample *s)
{
	struct service_instance_stats st;

	if (service_instance_stats((uint64_t)o->seq, &st))
		return;
	s->nqueued = st.queued;
	s->ntotal = (int64_t)st.connections;
	s->wake_ns = st.wake_ns;
	for (int i = 0; i < SERVICE_BUCKETS; i++)
		s->wake_buckets[i] = st.wake_buckets[i];
}

static void take_sample(const struct db_object *o, const struct instance *in,
			struct sample *s)
{
	static const int states[] = {
		[INSTANCE_STARTING] = 1,  [INSTANCE_RUNNING] = 2,
		[INSTANCE_SUSPENDED] = 5, [INSTANCE_EXITED] = 0,
		[INSTANCE_CREATED] = 0,	  [INSTANCE_DEAD] = 0,
	};
	struct stat st;

	*s = (struct sample){
		.state = states[in->status],
		.start_count = json_int_or(o->body, "start_count", 0),
		.restart_count = json_int_or(o->body, "restart_count", 0),
	};
	if (in->status <= INSTANCE_RUNNING)
		add_live(in, s);
	else if (in->status != INSTANCE_CREATED)
		s->stopped_at = (int64_t)in->changed;
	add_times(in, s);
	add_gateway(o, s);
	if (!fstatat(in->fd, "checkpoint", &st, 0))
		s->checkpoint_bytes = (int64_t)st.st_blocks * 512;
}

/* One row a metric: names of the platform and of /metrics, type, help. */
struct metric {
	const char *name;
	const char *own_name; /* NULL: not there */
	const char *type;
	const char *help;
	size_t offset;
	double scale;
};

/* clang-format off */
#define METRIC(name, own, type, help, field, scale) \
	{ name, own, type, help, offsetof(struct sample, field), scale }
static const struct metric metrics[] = {
METRIC("instance_state",         "jiffy_instance_state",                      "gauge",   "State: 0 stopped, 1 starting, 2 running, 3 draining, 4 stopping, 5 standby, 6 template, 7 deleted.", state, 1),
METRIC("instance_start_count",   "jiffy_instance_starts_total",               "counter", "Starts that were asked for.", start_count, 1),
METRIC("instance_restart_count", "jiffy_instance_restarts_total",             "counter", "Restarts by the restart policy.", restart_count, 1),
METRIC("instance_started_at",    "jiffy_instance_start_time_seconds",         "gauge",   "When it was started or woken last, since 1970.", started_at, 1),
METRIC("instance_stopped_at",    "jiffy_instance_stop_time_seconds",          "gauge",   "When it ended or went to sleep last, since 1970.", stopped_at, 1),
METRIC("instance_uptime_s",      "jiffy_instance_uptime_seconds",             "gauge",   "How long it has run.", uptime_s, 1),
METRIC("instance_boot_time_s",   "jiffy_instance_boot_seconds",               "gauge",   "From the order to start it from its image to its program, the last time.", boot_us, 0.000001),
METRIC("instance_net_time_s",    "jiffy_instance_listen_seconds",             "gauge",   "The same to its first listener at a published port.", net_us, 0.000001),
METRIC("instance_rss_bytes",     "jiffy_instance_memory_bytes",               "gauge",   "Memory that it has touched.", rss_bytes, 1),
METRIC("instance_cpu_time_s",    "jiffy_instance_cpu_seconds_total",          "counter", "CPU time since it was started or woken.", cpu_ms, 0.001),
METRIC("instance_nconns",        "jiffy_instance_connections",                "gauge",   "Open connections from outside.", nconns, 1),
METRIC("instance_nreqs",         "jiffy_instance_requests",                   "gauge",   "Requests in flight.", nreqs, 1),
METRIC("instance_nqueued",       "jiffy_instance_waiting",                    "gauge",   "Connections of its service that it has not taken yet.", nqueued, 1),
METRIC("instance_ntotal",        "jiffy_instance_connections_total",          "counter", "Connections of its service that it was sent, since jiffyd runs.", ntotal, 1),
METRIC("instance_checkpoint_bytes", "jiffy_instance_checkpoint_bytes",        "gauge",   "Disk that its checkpoint takes.", checkpoint_bytes, 1),
};
/* clang-format on */

static int64_t value_of(const struct sample *s, const struct metric *m)
{
	int64_t v;

	memcpy(&v, (const char *)s + m->offset, sizeof(v));
	return v;
}

struct samples {
	struct db_list objects;
	struct sample *items;
	bool *is_there;
};

static void samples_free(struct samples *s)
{
	db_list_free(&s->objects);
	free(s->items);
	free(s->is_there);
}

/* The live ones, and two questions to each. */
struct asked {
	struct instance *instances;
	struct control_ask *asks;
	size_t *places; /* in samples.items */
	size_t count;
};

static void ask_all(struct asked *a, struct samples *s)
{
	cleanup_json json_t *inspect = json_pack("{s:s}", "op", "inspect");
	cleanup_json json_t *status = json_pack("{s:s}", "op", "status");

	for (size_t i = 0; i < a->count; i++) {
		a->asks[2 * i].in = a->asks[2 * i + 1].in = &a->instances[i];
		a->asks[2 * i].request = inspect;
		a->asks[2 * i + 1].request = status;
	}
	control_ask_all(a->asks, 2 * a->count, ANSWER_MS, ANSWERS_MS);
	for (size_t i = 0; i < a->count; i++) {
		add_answers(a->asks[2 * i].answer, a->asks[2 * i + 1].answer,
			    &s->items[a->places[i]]);
		json_decref(a->asks[2 * i].answer);
		json_decref(a->asks[2 * i + 1].answer);
	}
}

/* One more; it is kept open if it lives. */
static void take_one(struct samples *s, size_t i, struct daemon *d,
		     struct asked *a)
{
	struct instance in = INSTANCE_INIT;

	if (instance_of(d, &s->objects.items[i], &in, NULL))
		return;
	take_sample(&s->objects.items[i], &in, &s->items[i]);
	s->is_there[i] = true;
	if (in.status > INSTANCE_RUNNING) {
		instance_unload(&in);
		return;
	}
	a->places[a->count] = i;
	a->instances[a->count++] = in;
}

static int samples_take(struct call *c, struct samples *s, struct err *e)
{
	struct asked a = { .count = 0 };
	size_t n;

	if (db_list(c->daemon->db, DB_INSTANCE, c->user, false, NULL,
		    &s->objects, e))
		return -e->code;
	n = s->objects.count;
	s->items = xcalloc(n + 1, sizeof(*s->items));
	s->is_there = xcalloc(n + 1, sizeof(*s->is_there));
	a.instances = xcalloc(n + 1, sizeof(*a.instances));
	a.asks = xcalloc(2 * n + 1, sizeof(*a.asks));
	a.places = xcalloc(n + 1, sizeof(*a.places));
	for (size_t i = 0; i < n; i++)
		if (!c->uuid || !strcasecmp(c->uuid, s->objects.items[i].uuid))
			take_one(s, i, c->daemon, &a);
	ask_all(&a, s);
	for (size_t i = 0; i < a.count; i++)
		instance_unload(&a.instances[i]);
	free(a.instances);
	free(a.asks);
	free(a.places);
	return 0;
}

static void print_metric(FILE *f, const struct samples *s,
			 const struct metric *m, bool is_own)
{
	const char *name = is_own ? m->own_name : m->name;

	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, m->help, name,
		m->type);
	for (size_t i = 0; i < s->objects.count; i++) {
		const struct db_object *o = &s->objects.items[i];
		int64_t v = value_of(&s->items[i], m);

		if (!s->is_there[i])
			continue;
		fprintf(f, "%s{instance_uuid=\"%s\"", name, o->uuid);
		if (is_own) /* names are letters, digits, '_', '.', '-' */
			fprintf(f, ",instance=\"%s\"", o->name);
		if (m->scale < 1)
			fprintf(f, "} %.6g\n", (double)v * m->scale);
		else
			fprintf(f, "} %lld\n", (long long)v);
	}
}

static void print_daemon(FILE *f, struct call *c, const struct samples *s)
{
	size_t counts[8] = { 0 };

	for (size_t i = 0; i < s->objects.count; i++)
		if (s->is_there[i])
			counts[s->items[i].state]++;
	fprintf(f,
		"# HELP jiffy_instances Instances by state.\n"
		"# TYPE jiffy_instances gauge\n"
		"jiffy_instances{state=\"running\"} %zu\n"
		"jiffy_instances{state=\"standby\"} %zu\n"
		"jiffy_instances{state=\"stopped\"} %zu\n"
		"# HELP jiffy_daemon_uptime_seconds How long jiffyd runs.\n"
		"# TYPE jiffy_daemon_uptime_seconds gauge\n"
		"jiffy_daemon_uptime_seconds %.3f\n",
		counts[1] + counts[2], counts[5], counts[0],
		(double)(c->now_ns - c->daemon->started_ns) / 1e9);
}

/* One row a counter or gauge of services. */
struct service_metric {
	const char *name, *type, *help;
	size_t offset, size;
};

/* clang-format off */
#define SERVICE_METRIC(name, type, help, field) \
	{ name, type, help, offsetof(struct service_stats, field), \
	  sizeof(((struct service_stats *)NULL)->field) }
static const struct service_metric service_metrics[] = {
SERVICE_METRIC("jiffy_service_connections_total", "counter", "Connections and requests that came in.", connections),
SERVICE_METRIC("jiffy_service_refused_total",     "counter", "Those over the limits, or for nobody.", refused),
SERVICE_METRIC("jiffy_service_wakes_total",       "counter", "Wakes of instances.", wakes),
SERVICE_METRIC("jiffy_service_wakes_failed_total", "counter", "Wakes of instances that failed.", wakes_failed),
SERVICE_METRIC("jiffy_service_starts_total",      "counter", "Starts of instances on request.", starts),
SERVICE_METRIC("jiffy_service_waiting",           "gauge",   "Connections that wait for room.", waiting),
SERVICE_METRIC("jiffy_service_instances",         "gauge",   "Instances behind it.", ninstances),
};
/* clang-format on */

/* A histogram of one thing, named by a label; its buckets from `first` on. */
static void print_wakes(FILE *f, const char *name, const char *label,
			const char *value, int first, const uint64_t *buckets,
			uint64_t sum_ns)
{
	uint64_t sum = 0;

	for (int i = 0; i < SERVICE_BUCKETS - 1; i++) {
		sum += buckets[i];
		if (i >= first)
			fprintf(f, "%s_bucket{%s=\"%s\",le=\"%g\"} %llu\n",
				name, label, value, 0.00025 * (1 << i),
				(unsigned long long)sum);
	}
	sum += buckets[SERVICE_BUCKETS - 1];
	fprintf(f,
		"%s_bucket{%s=\"%s\",le=\"+Inf\"} %llu\n"
		"%s_sum{%s=\"%s\"} %.6f\n%s_count{%s=\"%s\"} %llu\n",
		name, label, value, (unsigned long long)sum, name, label, value,
		(double)sum_ns / 1e9, name, label, value,
		(unsigned long long)sum);
}

/* The platform's has its first bucket at a millisecond. */
static void print_instance_wakes(FILE *f, const struct samples *s, bool is_own)
{
	const char *name = is_own ? "jiffy_instance_wake_latency_seconds"
				  : "instance_wakeup_latency_seconds";

	fprintf(f,
		"# HELP %s From a connection to the instance that takes it.\n"
		"# TYPE %s histogram\n",
		name, name);
	for (size_t i = 0; i < s->objects.count; i++)
		if (s->is_there[i])
			print_wakes(f, name, "instance_uuid",
				    s->objects.items[i].uuid, is_own ? 0 : 2,
				    s->items[i].wake_buckets,
				    s->items[i].wake_ns);
}

static uint64_t stat_of(const struct service_stats *s,
			const struct service_metric *m)
{
	uint64_t v = 0;

	/* little endian: 4 or 8 bytes */
	memcpy(&v, (const char *)s + m->offset, m->size);
	return v;
}

static int print_services(FILE *f, struct call *c, struct err *e)
{
	cleanup_db_list struct db_list groups = { 0 };
	cleanup_free struct service_stats *stats = NULL;

	if (db_list(c->daemon->db, DB_SERVICE, c->user, false, NULL, &groups,
		    e))
		return -e->code;
	stats = xcalloc(groups.count + 1, sizeof(*stats));
	for (size_t i = 0; i < groups.count; i++)
		service_stats(groups.items[i].name, &stats[i]);
	for (size_t k = 0; k < ARRAY_SIZE(service_metrics); k++) {
		const struct service_metric *m = &service_metrics[k];

		fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help,
			m->name, m->type);
		for (size_t i = 0; i < groups.count; i++)
			fprintf(f, "%s{service=\"%s\"} %llu\n", m->name,
				groups.items[i].name,
				(unsigned long long)stat_of(&stats[i], m));
	}
	fprintf(f, "# HELP jiffy_service_wake_latency_seconds From a "
		   "connection to the instance that takes it.\n"
		   "# TYPE jiffy_service_wake_latency_seconds histogram\n");
	for (size_t i = 0; i < groups.count; i++)
		print_wakes(f, "jiffy_service_wake_latency_seconds", "service",
			    groups.items[i].name, 0, stats[i].wake_buckets,
			    stats[i].wake_ns);
	return 0;
}

static int answer_text(struct call *c, bool is_own, struct err *e)
{
	struct samples s = { 0 };
	struct api_response *rs = c->response;
	int r = samples_take(c, &s, e);
	FILE *f;

	if (r) {
		samples_free(&s);
		return r;
	}
	f = open_memstream(&rs->body, &rs->body_len);
	if (!f) {
		samples_free(&s);
		return err_sys(e, errno, "metrics");
	}
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		if (!is_own || metrics[i].own_name)
			print_metric(f, &s, &metrics[i], is_own);
	print_instance_wakes(f, &s, is_own);
	if (is_own)
		print_daemon(f, c, &s);
	if (is_own)
		r = print_services(f, c, e);
	fclose(f);
	samples_free(&s);
	if (r)
		return r;
	rs->status = 200;
	rs->type = "text/plain; version=0.0.4; charset=utf-8";
	return 0;
}

int metrics_all(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	(void)o;
	(void)arg;
	(void)item;
	return answer_text(c, true, e);
}

static void describe(const struct sample *s, json_t *item)
{
	static const char *const zeros[] = { "rx_bytes", "rx_packets",
					     "tx_bytes", "tx_packets" };
	json_t *wakes = json_array();
	uint64_t sum = 0;

	json_object_set_new(item, "rss_bytes", json_integer(s->rss_bytes));
	json_object_set_new(item, "cpu_time_ms", json_integer(s->cpu_ms));
	json_object_set_new(item, "nconns", json_integer(s->nconns));
	json_object_set_new(item, "nreqs", json_integer(s->nreqs));
	json_object_set_new(item, "nqueued", json_integer(s->nqueued));
	json_object_set_new(item, "ntotal", json_integer(s->ntotal));
	json_object_set_new(item, "boot_time_us", json_integer(s->boot_us));
	json_object_set_new(item, "net_time_us", json_integer(s->net_us));
	for (int i = 0; i < SERVICE_BUCKETS - 1; i++) {
		sum += s->wake_buckets[i];
		if (i >= 2)
			json_array_append_new(
				wakes, json_pack("{s:i, s:I}", "bucket_ms",
						 1 << (i - 2), "count",
						 (json_int_t)sum));
	}
	json_object_set_new(item, "wakeup_latency", wakes);
	json_object_set_new(item, "wakeup_latency_sum",
			    json_integer((json_int_t)(s->wake_ns / 1000000)));
	/* Not measured: members that clients insist on. */
	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
		json_object_set_new(item, zeros[i], json_integer(0));
}

static int metrics_item(struct call *c, struct db_object *o, const json_t *arg,
			json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	struct control_ask asks[2] = { { .in = &in }, { .in = &in } };
	struct asked a = { &in, asks, &(size_t){ 0 }, 1 };
	struct sample s;

	(void)arg;
	if (instance_of(c->daemon, o, &in, e))
		return -e->code;
	take_sample(o, &in, &s);
	if (in.status <= INSTANCE_RUNNING)
		ask_all(&a, &(struct samples){ .items = &s });
	describe(&s, item);
	return 0;
}

int metrics_instances(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	const char *accept = c->request->accept;

	(void)o;
	(void)arg;
	(void)item;
	if (accept && strstr(accept, "application/json"))
		return api_each(c, API_LIST, metrics_item, e);
	return answer_text(c, false, e);
}

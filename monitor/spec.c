/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the spec (spec.h). Every failure names the member that is wrong.
 */
#include "monitor/spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/signame.h"
#include "host/xmalloc.h"

#define SPEC_SIZE_MAX (4u << 20)
#define POSTGRES_PORT 5432
#define DAY_MS 86400000

static const char *const spec_keys[] = {
	"schema",  "name",	  "id",		"image",	"argv",
	"env",	   "cwd",	  "user",	"hostname",	"memory_bytes",
	"cpus",	   "ports",	  "tty",	"stdin",	"detach",
	"rm",	   "trace",	  "stats",	"net",		"state_dir",
	"log",	   "stop_signal", "started_ns", "patch",	"labels",
	"core",	   "volumes",	  "clone_of",	"clone_signal", "scale_to_zero",
	"restart", "egress",	  "ends_at",	"platform",	NULL
};

static char *opt_string(const json_t *o, const char *key)
{
	const char *s = json_str_or(o, key, NULL);

	return s ? xstrdup(s) : NULL;
}

static int read_port(const json_t *o, struct spec_port *port, struct err *e)
{
	const char *ip, *proto;
	int64_t host, guest;

	if (!json_is_object(o))
		return err_set(e, EINVAL, "spec: ports: not an object");
	if (json_get_str(o, "spec.ports", "ip", &ip, e) ||
	    json_get_str(o, "spec.ports", "proto", &proto, e) ||
	    json_get_int(o, "spec.ports", "host", 0, 65535, &host, e) ||
	    json_get_int(o, "spec.ports", "guest", 1, 65535, &guest, e))
		return -e->code;
	if (inet_pton(AF_INET, ip, &port->ip) != 1)
		return err_set(e, EINVAL, "spec: ports: bad address %s", ip);
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0)
		return err_set(e, EINVAL, "spec: ports: bad protocol %s",
			       proto);
	port->host = (uint16_t)host;
	port->guest = (uint16_t)guest;
	port->is_udp = proto[0] == 'u';
	port->is_hidden = json_is_false(json_object_get(o, "published"));
	port->is_delivered = json_is_true(json_object_get(o, "deliver"));
	if (port->is_delivered && port->is_udp)
		return err_set(e, EINVAL, "spec: ports: only tcp is delivered");
	port->is_postgres = !port->is_udp &&
			    (guest == POSTGRES_PORT ||
			     json_is_true(json_object_get(o, "postgres")));
	return 0;
}

static int read_ports(const json_t *o, struct spec *s, struct err *e)
{
	json_t *ports;
	size_t i;

	if (!json_has(o, "ports"))
		return 0;
	if (json_get_array(o, "spec", "ports", &ports, e))
		return -e->code;
	if (json_array_size(ports) > SPEC_PORTS_MAX)
		return err_set(e, EINVAL, "spec: more than %d ports",
			       SPEC_PORTS_MAX);
	for (i = 0; i < json_array_size(ports); i++) {
		if (read_port(json_array_get(ports, i), &s->ports[i], e))
			return -e->code;
	}
	s->nports = (unsigned int)i;
	return 0;
}

static int read_volume(const json_t *o, struct spec_volume *v, struct err *e)
{
	const char *name, *file, *path;

	if (!json_is_object(o))
		return err_set(e, EINVAL, "spec: volumes: not an object");
	if (json_get_str(o, "spec.volumes", "name", &name, e) ||
	    json_get_str(o, "spec.volumes", "file", &file, e) ||
	    json_get_str(o, "spec.volumes", "path", &path, e))
		return -e->code;
	if (path[0] != '/')
		return err_set(e, EINVAL, "spec: volumes: bad path %s", path);
	v->name = xstrdup(name);
	v->file = xstrdup(file);
	v->path = xstrdup(path);
	v->is_readonly = json_is_true(json_object_get(o, "readonly"));
	return 0;
}

static int read_volumes(const json_t *o, struct spec *s, struct err *e)
{
	json_t *volumes;
	size_t i;

	if (!json_has(o, "volumes"))
		return 0;
	if (json_get_array(o, "spec", "volumes", &volumes, e))
		return -e->code;
	if (json_array_size(volumes) > SPEC_VOLUMES_MAX)
		return err_set(e, EINVAL, "more than %d volumes",
			       SPEC_VOLUMES_MAX);
	for (i = 0; i < json_array_size(volumes); i++) {
		if (read_volume(json_array_get(volumes, i), &s->volumes[i], e))
			return -e->code;
		s->nvolumes = (unsigned int)i + 1;
	}
	return 0;
}

static int read_sleep_times(const json_t *o, struct sleep_spec *s,
			    struct err *e)
{
	int64_t cooldown = 1000, notify = 0, grace = 30000;
	static const char at[] = "spec.scale_to_zero";

	if (json_has(o, "cooldown_time_ms") &&
	    json_get_int(o, at, "cooldown_time_ms", 1, DAY_MS, &cooldown, e))
		return -e->code;
	if (json_has(o, "notify_time_ms") &&
	    json_get_int(o, at, "notify_time_ms", 0, cooldown - 1, &notify, e))
		return -e->code;
	if (json_has(o, "transaction_grace_ms") &&
	    json_get_int(o, at, "transaction_grace_ms", 0, DAY_MS, &grace, e))
		return -e->code;
	s->cooldown_ms = (uint32_t)cooldown;
	s->notify_ms = (uint32_t)notify;
	s->grace_ms = (uint32_t)grace;
	return 0;
}

static int read_sleep(const json_t *spec, struct sleep_spec *s, struct err *e)
{
	static const char *const names[] = {
		[SLEEP_OFF] = "off", [SLEEP_ON] = "on", [SLEEP_IDLE] = "idle"
	};
	const char *policy;
	json_t *o;

	if (!json_has(spec, "scale_to_zero"))
		return 0;
	if (json_get_obj(spec, "spec", "scale_to_zero", &o, e) ||
	    json_get_str(o, "spec.scale_to_zero", "policy", &policy, e))
		return -e->code;
	while (s->policy <= SLEEP_IDLE && strcmp(names[s->policy], policy) != 0)
		s->policy++;
	if (s->policy > SLEEP_IDLE)
		return err_set(e, EINVAL,
			       "spec: scale_to_zero: no policy %.20s", policy);
	s->is_stateless = s->policy != SLEEP_OFF &&
			  json_is_false(json_object_get(o, "stateful"));
	return read_sleep_times(o, s, e);
}

static int read_numbers(const json_t *o, struct spec *s, struct err *e)
{
	int64_t memory = 0, cpus = 0, started = 0;

	if (json_has(o, "memory_bytes") &&
	    json_get_int(o, "spec", "memory_bytes", 0, INT64_MAX, &memory, e))
		return -e->code;
	if (json_has(o, "cpus") &&
	    json_get_int(o, "spec", "cpus", 0, 1024, &cpus, e))
		return -e->code;
	if (json_has(o, "started_ns") &&
	    json_get_int(o, "spec", "started_ns", 0, INT64_MAX, &started, e))
		return -e->code;
	if (json_has(o, "ends_at") &&
	    json_get_int(o, "spec", "ends_at", 0, INT64_MAX, &s->ends_at, e))
		return -e->code;
	s->memory_bytes = (uint64_t)memory;
	s->ncpus = (unsigned int)cpus;
	s->started_ns = (uint64_t)started;
	return 0;
}

static int read_strings(const json_t *o, struct spec *s, struct err *e)
{
	const json_t *image = json_object_get(o, "image");
	const char *stop = json_str_or(o, "stop_signal", "SIGTERM");

	s->name = xstrdup(json_str_or(o, "name", "instance"));
	s->image = json_is_object(image) ? opt_string(image, "root") : NULL;
	s->cwd = xstrdup(json_str_or(o, "cwd", "/"));
	s->user = xstrdup(json_str_or(o, "user", ""));
	s->hostname = xstrdup(json_str_or(o, "hostname", s->name));
	s->trace = opt_string(o, "trace");
	s->stats = opt_string(o, "stats");
	s->core = opt_string(o, "core");
	s->state_dir = opt_string(o, "state_dir");
	s->has_net = strcmp(json_str_or(o, "net", "broker"), "none") != 0;
	s->is_packet = strcmp(json_str_or(o, "net", "broker"), "packet") == 0;
	s->is_machine = strcmp(json_str_or(o, "platform", "process"), "qemu") ==
			0;
	s->stop_signal = signame_parse(stop);
	if (s->stop_signal < 0)
		return err_set(e, EINVAL, "spec: stop_signal: no signal %s",
			       stop);
	if (json_has(o, "egress") &&
	    egress_parse(json_object_get(o, "egress"), &s->egress, e))
		return err_wrap(e, "spec");
	if (json_has(o, "clone_signal"))
		s->clone_signal =
			signame_parse(json_str_or(o, "clone_signal", ""));
	if (s->clone_signal < 0)
		return err_set(e, EINVAL, "spec: clone_signal: no such signal");
	if (strlen(s->hostname) > 64)
		return err_set(e, EINVAL, "spec: hostname: over 64 bytes");
	return 0;
}

static int read_spec(const json_t *o, struct spec *s, struct err *e)
{
	int64_t schema;

	if (json_only(o, "spec", spec_keys, e) ||
	    json_get_int(o, "spec", "schema", 1, 1, &schema, e) ||
	    json_get_strv(o, "spec", "argv", &s->argv, e) ||
	    json_get_strv(o, "spec", "env", &s->env, e))
		return -e->code;
	if (s->argv.count == 0)
		return err_set(e, EINVAL, "spec: argv: empty");
	s->has_tty = json_is_true(json_object_get(o, "tty"));
	s->has_stdin = json_is_true(json_object_get(o, "stdin"));
	s->is_detached = json_is_true(json_object_get(o, "detach"));
	s->is_removed_at_exit = json_is_true(json_object_get(o, "rm"));
	s->no_patch = json_is_false(json_object_get(o, "patch"));
	if (read_strings(o, s, e) || read_numbers(o, s, e))
		return -e->code;
	if (read_ports(o, s, e) || read_sleep(o, &s->sleep, e))
		return -e->code;
	return read_volumes(o, s, e);
}

int spec_parse(const char *text, size_t len, struct spec *s, struct err *e)
{
	cleanup_json json_t *o = NULL;

	if (json_parse("spec", text, len, &o, e))
		return -e->code;
	return read_spec(o, s, e);
}

void spec_free(struct spec *s)
{
	char **all[] = { &s->name,  &s->image,	  &s->cwd,
			 &s->user,  &s->hostname, &s->trace,
			 &s->stats, &s->core,	  &s->state_dir };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(*all[i]);
	for (unsigned int i = 0; i < s->nvolumes; i++) {
		free(s->volumes[i].name);
		free(s->volumes[i].file);
		free(s->volumes[i].path);
	}
	egress_free(&s->egress);
	strv_fini(&s->argv);
	strv_fini(&s->env);
	memset(s, 0, sizeof(*s));
}

int spec_read(int fd, struct spec *s, struct err *e)
{
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return err_sys(e, errno, "spec: descriptor %d", fd);
	if (st.st_size > SPEC_SIZE_MAX)
		return err_set(e, EFBIG, "spec: over %u bytes", SPEC_SIZE_MAX);
	text = xmalloc((size_t)st.st_size + 1);
	n = pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		return err_sys(e, errno, "spec: read");
	return spec_parse(text, (size_t)n, s, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the spec of an instance. The monitor reads it strictly: what is
 * written here must be known there (monitor/spec.h).
 */
#include "engine/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/ports.h"
#include "engine/scale.h"
#include "engine/units.h"
#include "engine/volumes.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define SPEC_SCHEMA 1
#define CPUS_MAX 1024
#define TIMEOUT_MAX (10 * 365 * 86400)
#define VOLUMES_MAX 16
#define MEMORY_MIN (4 << 20)
#define ENV_FILE_MAX (1 << 20)
#define DEFAULT_PATH                                                    \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:" \
	"/bin"

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

/* What is asked for, or $JIFFY_PLATFORM says, or NULL. */
static const char *platform_of(const struct run_options *o)
{
	const char *env = getenv("JIFFY_PLATFORM");

	return o->platform ? o->platform : env && *env ? env : NULL;
}

static bool is_machine(const struct run_options *o)
{
	const char *platform = platform_of(o);

	return platform && !strcmp(platform, "qemu");
}

static int check_platform(const char *platform, struct err *e)
{
	static const char *const later[] = { "kvm", NULL };
	static const char *const now[] = { "auto", "process", "qemu", NULL };

	if (!platform || is_one_of(platform, now))
		return 0;
	if (is_one_of(platform, later))
		return err_set(e, ENOTSUP,
			       "--platform: '%s' is not in this version",
			       platform);
	return err_set(e, EINVAL,
		       "--platform: '%.40s' is not auto, process, qemu or kvm",
		       platform);
}

static int check_net(const struct run_options *o, struct err *e)
{
	static const char *const now[] = { "broker", "none", NULL };
	const char *net = o->net;

	if (!net || is_one_of(net, now))
		return 0;
	if (!strcmp(net, "packet"))
		return is_machine(o) ? 0
				     : err_set(e, ENOTSUP,
					       "--net: 'packet' needs "
					       "--platform=qemu");
	return err_set(e, EINVAL,
		       "--net: '%.40s' is not broker, packet or none", net);
}

/* The monitor checks the list. */
static int check_egress(const char *egress, struct err *e)
{
	if (!strcmp(egress, "allow") || !strcmp(egress, "deny") ||
	    (!strncmp(egress, "allow=", 6) && egress[6]))
		return 0;
	return err_set(e, EINVAL,
		       "--egress: '%.40s' is not allow, deny or "
		       "allow=NETWORK|NAME,...",
		       egress);
}

static int check_hostname(const char *hostname, struct err *e)
{
	size_t len = strlen(hostname);

	if (!len || len > 64 ||
	    strspn(hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
			     "VWXYZ0123456789.-_") != len)
		return err_set(e, EINVAL, "--hostname: '%.70s' is not a name",
			       hostname);
	return 0;
}

static int check_ports(const struct strv *publish, struct err *e)
{
	struct port port;

	for (size_t i = 0; i < publish->count; i++)
		if (port_parse(publish->items[i], &port, e) < 0)
			return err_wrap(e, "--publish");
	return 0;
}

static int check_volumes(const struct strv *volumes, struct err *e)
{
	if (volumes->count > VOLUMES_MAX)
		return err_set(e, E2BIG, "--volume: more than %d", VOLUMES_MAX);
	for (size_t i = 0; i < volumes->count; i++) {
		struct volume_mount v;

		if (volume_mount_parse(volumes->items[i], &v, e) < 0)
			return err_wrap(e, "--volume");
		volume_mount_free(&v);
	}
	return 0;
}

static int check_scale(const struct run_options *o, struct err *e)
{
	cleanup_json json_t *scale = NULL;

	if (scale_parse(o->scale, &scale, e))
		return err_wrap(e, "--scale-to-zero");
	if (!strcmp(json_str_or(scale, "policy", ""), "off"))
		return 0;
	if (!o->is_detached || o->wants_stdin)
		return err_set(e, EINVAL,
			       "--scale-to-zero needs --detach, without "
			       "--interactive");
	if (!o->publish.count)
		return err_set(e, EINVAL,
			       "--scale-to-zero needs a published port, "
			       "to wake it by");
	return 0;
}

static int check_restart(const struct run_options *o, struct err *e)
{
	static const char *const policies[] = { "never", "always",
						"on-failure" };

	for (size_t i = 0; o->restart && i < ARRAY_SIZE(policies); i++)
		if (!strcmp(o->restart, policies[i]))
			return o->is_detached && !o->is_removed
				       ? 0
				       : err_set(e, EINVAL,
						 "--restart: only with "
						 "--detach, not with --rm");
	return !o->restart ? 0
			   : err_set(e, EINVAL,
				     "--restart: '%.20s' is not never, always "
				     "or on-failure",
				     o->restart);
}

int spec_check_options(const struct run_options *o, struct err *e)
{
	long timeout;
	int r;

	r = check_platform(platform_of(o), e);
	if (!r)
		r = check_volumes(&o->volumes, e);
	if (!r)
		r = check_net(o, e);
	if (!r && o->egress)
		r = check_egress(o->egress, e);
	if (!r && o->timeout)
		r = units_parse_number(o->timeout, "--timeout", 1, TIMEOUT_MAX,
				       &timeout, e);
	if (!r)
		r = check_ports(&o->publish, e);
	if (!r && o->hostname)
		r = check_hostname(o->hostname, e);
	if (!r && o->workdir && o->workdir[0] != '/')
		r = err_set(e, EINVAL, "--workdir: '%.100s' is not absolute",
			    o->workdir);
	if (!r && o->name && name_check(o->name, e) < 0)
		r = err_wrap(e, "--name");
	if (!r && o->scale)
		r = check_scale(o, e);
	if (!r && o->is_detached && o->wants_tty)
		r = err_set(e, ENOTSUP,
			    "--tty needs the foreground, not "
			    "--detach");
	return r ? r : check_restart(o, e);
}

int spec_argv(const struct manifest *m, const char *entrypoint, int argc,
	      char **argv, struct strv *out, struct err *e)
{
	if (!entrypoint)
		strv_add_all(out, &m->entrypoint);
	else if (*entrypoint)
		strv_add(out, entrypoint);
	for (int i = 0; i < argc; i++)
		strv_add(out, argv[i]);
	if (!argc && !entrypoint)
		strv_add_all(out, &m->cmd);
	if (!out->count)
		return err_set(e, EINVAL,
			       "the image has no default command: give one");
	if (!out->items[0][0])
		return err_set(e, EINVAL, "the command is empty");
	return 0;
}

/* NAME=VALUE, or NAME for the caller's value (nothing if there is none). */
static int add_variable(struct strv *env, const char *entry, struct err *e)
{
	cleanup_free char *full = NULL;
	const char *value;

	if (!entry[0] || entry[0] == '=')
		return err_set(e, EINVAL, "'%.60s' is not NAME=VALUE", entry);
	if (strchr(entry, '=')) {
		strv_setenv(env, entry);
		return 0;
	}
	value = getenv(entry);
	if (!value)
		return 0;
	full = xasprintf("%s=%s", entry, value);
	strv_setenv(env, full);
	return 0;
}

static int add_env_file(struct strv *env, const char *path, struct err *e)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_free char *text = NULL;
	int r;

	r = io_read_file(AT_FDCWD, path, ENV_FILE_MAX, &text, NULL, e);
	if (r < 0)
		return err_wrap(e, "--env-file");
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		char *line = lines.items[i];
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		r = add_variable(env, line, e);
		if (r < 0)
			return err_wrap(e, "--env-file: %s:%zu", path, i + 1);
	}
	return 0;
}

/* Set a variable that the image does not set. */
static void add_default(struct strv *env, const char *assignment)
{
	cleanup_free char *name = xstrdup(assignment);

	*strchr(name, '=') = '\0';
	if (!strv_getenv(env, name))
		strv_add(env, assignment);
}

static bool is_root_user(const char *user)
{
	return !*user || !strcmp(user, "root") || !strcmp(user, "0") ||
	       !strncmp(user, "0:", 2) || !strncmp(user, "root:", 5);
}

int spec_variables(const struct strv *files, const struct strv *named,
		   struct strv *out, struct err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < files->count; i++)
		r = add_env_file(out, files->items[i], e);
	for (size_t i = 0; !r && i < named->count; i++) {
		r = add_variable(out, named->items[i], e);
		if (r < 0)
			return err_wrap(e, "--env");
	}
	return r;
}

int spec_env(const struct manifest *m, const struct run_options *o,
	     const char *hostname, struct strv *out, struct err *e)
{
	cleanup_free char *host = xasprintf("HOSTNAME=%s", hostname);

	strv_add_all(out, &m->env);
	add_default(out, DEFAULT_PATH);
	add_default(out, host);
	/* other users' homes are in the image's /etc/passwd: the kernel's job*/
	if (is_root_user(o->user ? o->user : m->user))
		add_default(out, "HOME=/root");
	if (o->wants_tty)
		add_default(out, "TERM=xterm");
	return spec_variables(&o->env_files, &o->env, out, e);
}

static json_t *port_json(const struct port *p)
{
	json_t *o = json_pack("{s:s,s:i,s:i,s:s}", "ip", p->ip, "host", p->host,
			      "guest", p->guest, "proto",
			      p->is_udp ? "udp" : "tcp");

	if (p->is_delivered)
		json_object_set_new(o, "deliver", json_true());
	return o;
}

static json_t *ports_json(const struct strv *publish)
{
	json_t *list = json_array();
	struct port p;

	for (size_t i = 0; i < publish->count; i++) {
		if (port_parse(publish->items[i], &p, NULL) < 0)
			continue; /* checked before */
		json_array_append_new(list, port_json(&p));
	}
	return list;
}

static json_t *volumes_json(const struct strv *volumes, const char *store)
{
	json_t *list = json_array();

	for (size_t i = 0; i < volumes->count; i++) {
		cleanup_free char *file = NULL;
		struct volume_mount v;

		if (volume_mount_parse(volumes->items[i], &v, NULL) < 0)
			continue; /* checked before */
		file = volume_file(store, v.source);
		json_array_append_new(list,
				      json_pack("{s:o,s:o,s:o,s:b}", "name",
						json_text(v.source), "file",
						json_text(file), "path",
						json_text(v.path), "readonly",
						v.is_readonly));
		volume_mount_free(&v);
	}
	return list;
}

/* "deny" is a list of nothing. */
static json_t *egress_json(const char *egress)
{
	cleanup_strv struct strv list = STRV_INIT;

	if (!strncmp(egress, "allow=", 6))
		strv_split(&list, egress + 6, ',');
	return json_from_strv(&list);
}

static json_t *labels_json(const struct manifest *m)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < m->label_names.count; i++)
		json_object_set_new(labels, m->label_names.items[i],
				    json_text(m->label_values.items[i]));
	return labels;
}

/* --trace, --stats, --core: null, "-" or an absolute path. */
static json_t *output_path(const char *value)
{
	cleanup_free char *cwd = NULL;
	cleanup_free char *path = NULL;

	if (!value)
		return json_null();
	if (!strcmp(value, "-") || value[0] == '/')
		return json_text(value);
	cwd = getcwd(NULL, 0);
	path = xasprintf("%s/%s", cwd ? cwd : "", value);
	return json_text(path);
}

int spec_memory(const struct run_options *o, uint64_t *memory, struct err *e)
{
	*memory = 0;
	if (o->memory && units_parse_size(o->memory, memory, e) < 0)
		return err_wrap(e, "--memory");
	if (o->memory && *memory < MEMORY_MIN)
		return err_set(e, ERANGE, "--memory: '%s' is below 4M",
			       o->memory);
	return 0;
}

static int add_limits(json_t *spec, const struct run_options *o, struct err *e)
{
	uint64_t memory;
	long cpus = 0;

	if (spec_memory(o, &memory, e))
		return -e->code;
	if (o->cpus &&
	    units_parse_number(o->cpus, "--cpus", 1, CPUS_MAX, &cpus, e) < 0)
		return -e->code;
	json_object_set_new(spec, "memory_bytes",
			    json_integer((json_int_t)memory));
	json_object_set_new(spec, "cpus", json_integer(cpus));
	return 0;
}

void spec_add_place(json_t *spec, const struct run_options *o,
		    const struct spec_place *place)
{
	cleanup_free char *log = xasprintf("%s/log", place->state_dir);

	json_object_set_new(spec, "schema", json_integer(SPEC_SCHEMA));
	json_object_set_new(spec, "name", json_text(place->name));
	json_object_set_new(spec, "id", json_text(place->id));
	json_object_set_new(spec, "state_dir", json_text(place->state_dir));
	json_object_set_new(spec, "log",
			    o->is_detached ? json_text(log) : json_null());
	json_object_set_new(spec, "started_ns",
			    json_integer(place->started_ns));
}

/* From now on; a template's is not its clone's. */
static void add_timeout(json_t *spec, const char *timeout)
{
	json_object_del(spec, "ends_at");
	if (timeout)
		json_object_set_new(spec, "ends_at",
				    json_integer((json_int_t)time(NULL) +
						 strtol(timeout, NULL, 10)));
}

void spec_add_ends(json_t *spec, const struct run_options *o)
{
	add_timeout(spec, o->timeout);
	/* in the foreground the program has the caller's stdin */
	json_object_set_new(spec, "stdin",
			    json_boolean(!o->is_detached || o->wants_stdin));
	json_object_set_new(spec, "detach", json_boolean(o->is_detached));
	json_object_set_new(spec, "rm", json_boolean(o->is_removed));
	if (o->restart)
		json_object_set_new(spec, "restart", json_string(o->restart));
	json_object_set_new(spec, "stats", output_path(o->stats));
}

int spec_add_scale(json_t *spec, const struct run_options *o,
		   const struct manifest *m, struct err *e)
{
	json_t *scale = NULL;

	if (o->scale) {
		if (scale_parse(o->scale, &scale, e))
			return err_wrap(e, "--scale-to-zero");
	} else if (m && o->is_detached && o->publish.count &&
		   scale_from_labels(m, &scale, e)) {
		return -e->code;
	}
	if (scale)
		json_object_set_new(spec, "scale_to_zero", scale);
	return 0;
}

static void add_options(json_t *spec, const struct run_options *o)
{
	spec_add_ends(spec, o);
	json_object_set_new(spec, "ports", ports_json(&o->publish));
	json_object_set_new(spec, "tty", json_boolean(o->wants_tty));
	json_object_set_new(spec, "trace", output_path(o->trace));
	json_object_set_new(spec, "core", output_path(o->core));
	if (o->egress && strcmp(o->egress, "allow") != 0)
		json_object_set_new(spec, "egress", egress_json(o->egress));
	json_object_set_new(spec, "net",
			    json_string(o->net ? o->net : "broker"));
	if (is_machine(o))
		json_object_set_new(spec, "platform", json_string("qemu"));
}

int spec_make(const struct manifest *m, const struct run_options *o,
	      const struct spec_place *place, int argc, char **argv,
	      json_t **spec, struct err *e)
{
	const char *hostname = o->hostname ? o->hostname : place->name;
	cleanup_strv struct strv command = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	cleanup_json json_t *s = json_object();
	int r;

	r = spec_argv(m, o->entrypoint, argc, argv, &command, e);
	if (!r)
		r = spec_env(m, o, hostname, &env, e);
	if (!r)
		r = add_limits(s, o, e);
	if (r < 0)
		return r;
	spec_add_place(s, o, place);
	json_object_set_new(s, "image",
			    json_pack("{s:s,s:s,s:s}", "digest", place->digest,
				      "root", place->root, "name",
				      place->image));
	add_options(s, o);
	if (o->volumes.count)
		json_object_set_new(s, "volumes",
				    volumes_json(&o->volumes, place->store));
	json_object_set_new(s, "argv", json_from_strv(&command));
	json_object_set_new(s, "env", json_from_strv(&env));
	json_object_set_new(s, "cwd",
			    json_text(o->workdir ? o->workdir : m->workdir));
	json_object_set_new(s, "user", json_text(o->user ? o->user : m->user));
	json_object_set_new(s, "hostname", json_text(hostname));
	json_object_set_new(s, "stop_signal", json_text(m->stop_signal));
	if (m->label_names.count)
		json_object_set_new(s, "labels", labels_json(m));
	if (spec_add_scale(s, o, m, e))
		return -e->code;
	*spec = take_ptr(s);
	return 0;
}

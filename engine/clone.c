/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a template's spec to a clone's, and its start.
 */
#include "engine/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/launch.h"
#include "engine/ports.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

int clone_check_options(const struct run_options *o, int argc, struct err *e)
{
	const struct {
		const char *name;
		bool is_given;
	} all[] = {
		{ "--env", o->env.count },
		{ "--env-file", o->env_files.count },
		{ "--volume", o->volumes.count },
		{ "--cpus", o->cpus },
		{ "--user", o->user },
		{ "--workdir", o->workdir },
		{ "--interactive", o->wants_stdin },
		{ "--tty", o->wants_tty },
		{ "--entrypoint", o->entrypoint },
		{ "--net", o->net },
		{ "--egress", o->egress },
		{ "--trace", o->trace },
		{ "--core", o->core },
	};

	if (argc)
		return err_set(e, EINVAL,
			       "--from: a clone runs what its template ran: "
			       "no image, no command");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].is_given)
			return err_set(e, EINVAL,
				       "%s: a clone has what its template "
				       "has (--from)",
				       all[i].name);
	return 0;
}

/* Publish what the template can listen at as -p says, and no more. */
static int set_port(json_t *ports, const struct port *p, struct err *e)
{
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		bool is_udp = !strcmp(json_str_or(port, "proto", ""), "udp");

		if (is_udp != p->is_udp || json_integer_value(json_object_get(
						   port, "guest")) != p->guest)
			continue;
		json_object_set_new(port, "ip", json_string(p->ip));
		json_object_set_new(port, "host", json_integer(p->host));
		json_object_del(port, "published");
		json_object_set_new(port, "deliver",
				    json_boolean(p->is_delivered));
		return 0;
	}
	return err_set(e, EINVAL,
		       "--publish: the template has no published port %u/%s",
		       p->guest, p->is_udp ? "udp" : "tcp");
}

static int set_ports(json_t *spec, const struct strv *publish, struct err *e)
{
	json_t *ports = json_object_get(spec, "ports");
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port)
		json_object_set_new(port, "published", json_false());
	for (i = 0; i < publish->count; i++) {
		struct port p;

		if (port_parse(publish->items[i], &p, e) < 0)
			return err_wrap(e, "--publish");
		if (set_port(ports, &p, e))
			return -e->code;
	}
	return 0;
}

static int set_limits(json_t *spec, const struct run_options *o, struct err *e)
{
	uint64_t memory;

	if (!o->memory)
		return 0;
	if (spec_memory(o, &memory, e))
		return -e->code;
	json_object_set_new(spec, "memory_bytes",
			    json_integer((json_int_t)memory));
	return 0;
}

static int make_spec(const struct template *t, const char *of,
		     const struct run_options *o,
		     const struct spec_place *place, json_t **out,
		     struct err *e)
{
	cleanup_json json_t *spec = json_deep_copy(t->spec);

	if (set_ports(spec, &o->publish, e) || set_limits(spec, o, e) ||
	    spec_add_scale(spec, o, NULL, e))
		return -e->code;
	spec_add_place(spec, o, place);
	spec_add_ends(spec, o);
	json_object_set_new(spec, "stdin", json_false());
	json_object_set_new(spec, "hostname",
			    json_text(o->hostname ? o->hostname : place->name));
	json_object_set_new(spec, "clone_of", json_text(of));
	*out = take_ptr(spec);
	return 0;
}

static int start(const struct run_options *o, const struct template *t,
		 const struct spec_place *place, const struct instance_dir *dir,
		 struct err *e)
{
	cleanup_close int log = -1;
	int r;

	if (!o->is_detached)
		return launch_clone_foreground(dir->spec_fd, t->fd, e);
	log = openat(dir->fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		     0600);
	if (log < 0)
		return err_sys(e, errno, "%s/log", place->state_dir);
	r = launch_clone(dir->spec_fd, t->fd, log, e);
	return r ? -e->code : 0;
}

int clone_start(const struct store *s, const struct template *t, const char *of,
		const struct run_options *o, int64_t started_ns,
		char name[NAME_SIZE], struct err *e)
{
	struct instance_dir dir = INSTANCE_DIR_INIT;
	struct spec_place place = { .started_ns = started_ns };
	cleanup_json json_t *spec = NULL;
	int r = instance_create(s, o->name, place.name, &dir, e);

	if (r < 0)
		return r;
	id_generate(place.id);
	place.state_dir = instance_path(s, place.name);
	r = make_spec(t, of, o, &place, &spec, e);
	if (!r)
		r = instance_write_spec(&dir, spec, e);
	if (!r)
		r = start(o, t, &place, &dir, e);
	if (r)
		instance_discard(s, place.name);
	instance_dir_close(&dir);
	free(place.state_dir);
	snprintf(name, NAME_SIZE, "%s", place.name);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's limits on an instance: a control group of its own (host/cgroup.h)
 * for the kernel's processes, not for us, who serve it and remove the group.
 * Only for one that has limits; a spare monitor makes the group before it knows
 * whom it wakes. The limits are written when the program goes on. Memory has
 * room for what monitor/limit.c does not count, as that acts first and with
 * better words; without a group it is alone. Asleep there is none.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/json.h"
#include "monitor/instance.h"
#include "monitor/launch.h"

#define MEMORY_ROOM(limit) ((limit) / 2 + (128ULL << 20))
#define MACHINE_ROOM (1ULL << 30) /* an emulator's translated code */

/* As many processors as there are need no limit. */
static unsigned int cpu_limit(const struct spec *s)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return s->ncpus < (unsigned long)n ? s->ncpus : 0;
}

static void make(struct instance *in, unsigned int controllers)
{
	char name[sizeof(CGROUP_PREFIX) + 12];

	snprintf(name, sizeof(name), CGROUP_PREFIX "%d", (int)getpid());
	cgroup_make_own(&in->cgroup, name, controllers);
}

void group_make_any(struct instance *in)
{
	make(in, 1u << CGROUP_CPU | 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS);
}

void group_make(struct instance *in)
{
	const struct spec *s = &in->spec;

	if (cpu_limit(s))
		in->wants_group |= 1u << CGROUP_CPU;
	if (s->memory_bytes)
		in->wants_group |= 1u << CGROUP_MEMORY;
	if (in->wants_group)
		in->wants_group |= 1u << CGROUP_PIDS;
	if (in->wants_group && in->wait_fd < 0)
		make(in, in->wants_group);
}

static uint64_t memory_limit(const struct spec *s)
{
	uint64_t bytes = s->memory_bytes;

	if (!bytes)
		return 0;
	return bytes + MEMORY_ROOM(bytes) + (s->is_machine ? MACHINE_ROOM : 0);
}

void group_limit(struct instance *in)
{
	const struct cgroup_limits limits = {
		.memory_bytes = memory_limit(&in->spec),
		.cpus = cpu_limit(&in->spec),
		.pids = INSTANCE_PROCESSES_MAX,
	};

	if (!in->wants_group) {
		cgroup_remove(&in->cgroup);
		return;
	}
	cgroup_seal(&in->cgroup);
	cgroup_limit(&in->cgroup, &limits);
}

json_t *group_json(const struct instance *in)
{
	static const char *const names[] = { "cpu", "memory", "pids" };
	json_t *o = json_object(), *set = json_array(), *paths = json_array();

	for (unsigned int c = 0; c < CGROUP_CONTROLLERS; c++)
		if (in->cgroup.limits & 1u << c)
			json_array_append_new(set, json_string(names[c]));
	for (unsigned int i = 0; i < in->cgroup.nplaces; i++)
		json_array_append_new(paths,
				      json_text(in->cgroup.places[i].path));
	json_object_set_new(o, "limits", set);
	json_object_set_new(o, "paths", paths);
	if (in->cgroup.why[0])
		json_object_set_new(o, "why_not", json_text(in->cgroup.why));
	return o;
}

void group_end(struct instance *in)
{
	cgroup_remove(&in->cgroup);
}

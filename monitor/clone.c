/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones: many instances from one template. Each has its own spec, which may
 * differ from the template's in what is outside only: name, published ports,
 * limits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "monitor/checkpoint.h"
#include "monitor/instance.h"

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_same_ports(const struct spec *a, const struct spec *b)
{
	for (unsigned int i = 0; i < b->nports; i++)
		if (a->ports[i].guest != b->ports[i].guest ||
		    a->ports[i].is_udp != b->ports[i].is_udp)
			return false;
	return a->nports == b->nports;
}

static bool has_same_volumes(const struct spec *a, const struct spec *b)
{
	for (unsigned int i = 0; i < b->nvolumes; i++) {
		const struct spec_volume *v = &a->volumes[i],
					 *w = &b->volumes[i];

		if (!v->is_readonly || !w->is_readonly ||
		    !is_same_text(v->file, w->file) ||
		    !is_same_text(v->path, w->path))
			return false;
	}
	return a->nvolumes == b->nvolumes;
}

int clone_match(const struct checkpoint *cp, const struct spec *s,
		struct err *e)
{
	struct spec of = { 0 };

	if (spec_parse(cp->spec, cp->h.spec.count, &of, e))
		err_wrap(e, "template");
	else if (!is_same_text(of.image, s->image))
		err_set(e, ESTALE, "template: it is of another image");
	else if (!has_same_ports(&of, s))
		err_set(e, ESTALE, "template: it has other ports");
	else if (!has_same_volumes(&of, s))
		err_set(e, ESTALE, "template: it has other volumes");
	spec_free(&of);
	return -e->code;
}

int clone_fill(struct instance *in, struct err *e)
{
	struct boot_clone *c = &in->boot->clone;

	memset(c, 0, sizeof(*c));
	in->boot->flags &= ~(uint32_t)BOOT_CLONE;
	if (!in->is_clone)
		return 0;
	in->boot->flags |= BOOT_CLONE;
	in->boot->memory_limit = in->spec.memory_bytes;
	c->signal = (uint32_t)in->spec.clone_signal;
	snprintf(c->hostname, sizeof(c->hostname), "%s", in->spec.hostname);
	c->hosts_len =
		(uint32_t)boot_hosts(&in->spec, c->hosts, sizeof(c->hosts));
	if (getrandom(c->id, sizeof(c->id), 0) != sizeof(c->id))
		return err_sys(e, errno, "entropy");
	return 0;
}

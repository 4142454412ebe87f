/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones: instances that begin as a template is. What they may have of their
 * own is outside: name, ports, limits.
 */
#ifndef JIFFY_ENGINE_CLONE_H
#define JIFFY_ENGINE_CLONE_H

#include "engine/spec.h"
#include "engine/template.h"

/* Refuse what a clone cannot have, as options or operands (argc) of run. */
int clone_check_options(const struct run_options *o, int argc, struct err *e);

/* Make the record of a clone and start it; `of` names what it is one of. In the
 * foreground it does not return. The exit status, or -errno; name: its own.
 * Leaves no record if it fails. */
int clone_start(const struct store *s, const struct template *t, const char *of,
		const struct run_options *o, int64_t started_ns,
		char name[NAME_SIZE], struct err *e);

#endif

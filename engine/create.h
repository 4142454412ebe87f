/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that are made now and started later, or again.
 */
#ifndef JIFFY_ENGINE_CREATE_H
#define JIFFY_ENGINE_CREATE_H

#include "engine/instance.h"
#include "engine/spec.h"

/* Make the record of a detached instance of an image of the store: its name is
 * returned. Leaves no record if that fails. */
int instance_prepare(const struct store *s, const struct run_options *o,
		     const char *image, int argc, char **argv,
		     char name[NAME_SIZE], struct err *e);

/* Give a record that does not run another spec. */
int instance_respec(const struct store *s, const struct instance *in,
		    const struct run_options *o, const char *image, int argc,
		    char **argv, struct err *e);

/* Start it: from its checkpoint, or else from its image. Returns once its
 * program is about to run. -EALREADY if it runs. */
int instance_start(const struct instance *in, struct err *e);

/* Start it from its image; a checkpoint is given up. */
int instance_boot(const struct instance *in, struct err *e);

/* Start it from its checkpoint. */
int instance_resume(const struct instance *in, struct err *e);

/* Load a record and wake the instance if it sleeps. */
int instance_load_awake(const struct store *s, const char *name,
			struct instance *in, struct err *e);

#endif

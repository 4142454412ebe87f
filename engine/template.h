/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of the store: templates/NAME/{checkpoint,spec.json}, the memory of
 * an instance, and what it was started with. Each appears and goes by rename;
 * clones that run have the file open and do not miss its name.
 */
#ifndef JIFFY_ENGINE_TEMPLATE_H
#define JIFFY_ENGINE_TEMPLATE_H

#include <jansson.h>

#include "engine/instance.h"
#include "host/err.h"
#include "host/strv.h"
#include "image/store.h"

/* The memory of an instance as clones are made from it. */
struct template
{
	int fd;	      /* the checkpoint */
	json_t *spec; /* of the instance it was taken of */
};

#define TEMPLATE_INIT                  \
	{                              \
		.fd = -1, .spec = NULL \
	}

/* Copy a running instance; `signal` (or NULL) is what its clones are told by.
 * *pause_us: how long it stood still at most. It gets a name, which must be
 * free; without one (NULL) only *t holds it, and it goes with its last clone.
 */
int template_make(struct store *s, const struct instance *in, const char *name,
		  const char *signal, struct template *t, long *pause_us,
		  struct err *e);

/* Open one by name: -ENOENT if there is none. */
int template_open(const struct store *s, const char *name, struct template *t,
		  struct err *e);
void template_close(struct template *t);
#define cleanup_template __attribute__((cleanup(template_close)))

/* Names of all, sorted; remove one; the absolute path of its file, which the
 * caller frees. */
int template_names(const struct store *s, struct strv *names, struct err *e);
int template_remove(const struct store *s, const char *name, struct err *e);
char *template_file(const struct store *s, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an image and the options of `jiffy run` to the spec that the monitor
 * starts an instance from. Docker's rules decide what runs.
 */
#ifndef JIFFY_ENGINE_SPEC_H
#define JIFFY_ENGINE_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/names.h"
#include "host/err.h"
#include "host/strv.h"
#include "image/manifest.h"

/* The options of `jiffy run`, as given. */
struct run_options {
	struct strv publish;
	struct strv env;
	struct strv env_files;
	struct strv volumes;
	const char *memory;
	const char *cpus;
	const char *user;
	const char *workdir;
	const char *name;
	const char *entrypoint;
	const char *hostname;
	const char *platform;
	const char *net;
	const char *egress;
	const char *timeout;
	const char *trace;
	const char *stats;
	const char *core;
	const char *scale;   /* --scale-to-zero */
	const char *restart; /* when jiffyd starts it again */
	const char *from;    /* a template, instead of an image */
	bool is_detached;
	bool wants_stdin;
	bool wants_tty;
	bool is_removed;
};

/* Where the instance lives and which image it is of. */
struct spec_place {
	char name[NAME_SIZE];
	char id[ID_SIZE];
	char *state_dir;   /* absolute */
	char *root;	   /* path of the image's root file */
	const char *image; /* as the user named it */
	const char *digest;
	const char *store;  /* path of the store */
	int64_t started_ns; /* CLOCK_MONOTONIC when jiffy began */
};

/* What to run: an --entrypoint replaces the image's entry point and its
 * default arguments; operands replace the default arguments. */
int spec_argv(const struct manifest *m, const char *entrypoint, int argc,
	      char **argv, struct strv *out, struct err *e);

/* The environment: the image's, then HOSTNAME, HOME and TERM where missing,
 * then --env-file, then --env ("NAME" alone takes the caller's value). */
int spec_env(const struct manifest *m, const struct run_options *o,
	     const char *hostname, struct strv *out, struct err *e);

/* Variables of files of NAME=VALUE lines, then those named, into a list where
 * the last of a name counts. */
int spec_variables(const struct strv *files, const struct strv *named,
		   struct strv *out, struct err *e);

/* Check the options and make the whole spec; the caller json_decref()s. */
int spec_make(const struct manifest *m, const struct run_options *o,
	      const struct spec_place *place, int argc, char **argv,
	      json_t **spec, struct err *e);

/* Parts of it: where it lives; how it begins, ends and reports; --memory. */
void spec_add_place(json_t *spec, const struct run_options *o,
		    const struct spec_place *place);
void spec_add_ends(json_t *spec, const struct run_options *o);
/* --scale-to-zero, or what the image's labels say (m, or NULL). */
int spec_add_scale(json_t *spec, const struct run_options *o,
		   const struct manifest *m, struct err *e);
int spec_memory(const struct run_options *o, uint64_t *memory, struct err *e);

/* Check those options that need no image, early. */
int spec_check_options(const struct run_options *o, struct err *e);

#endif

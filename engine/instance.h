/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of instances: instances/NAME/ in the store.
 *
 *   spec.json      what it was started with; written here
 *   state.json     running or exited, and how; written by the monitor
 *   lock           flock()ed by the monitor while it lives
 *   control.sock   the monitor's control socket
 *   checkpoint     the suspended instance; used up when it goes on
 *   log            output of a detached instance; log.times: when (abi/log.h)
 */
#ifndef JIFFY_ENGINE_INSTANCE_H
#define JIFFY_ENGINE_INSTANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "engine/names.h"
#include "host/err.h"
#include "host/strv.h"
#include "image/store.h"

/* A record that is being made. */
struct instance_dir {
	int fd;	     /* the directory */
	int spec_fd; /* spec.json, at its start */
};

#define INSTANCE_DIR_INIT               \
	{                               \
		.fd = -1, .spec_fd = -1 \
	}

/* Make the record of a new instance: under wanted, or a made-up name when that
 * is NULL; the name is returned. -EEXIST when the name is taken. */
int instance_create(const struct store *s, const char *wanted,
		    char name[NAME_SIZE], struct instance_dir *dir,
		    struct err *e);
int instance_write_spec(struct instance_dir *dir, const json_t *spec,
			struct err *e);
void instance_dir_close(struct instance_dir *dir);

/* Remove a record that never started. */
void instance_discard(const struct store *s, const char *name);

/* The absolute path of a record, which the caller frees. */
char *instance_path(const struct store *s, const char *name);

enum instance_status {
	INSTANCE_STARTING, /* the monitor has not said anything yet */
	INSTANCE_RUNNING,
	INSTANCE_SUSPENDED, /* it is a checkpoint */
	INSTANCE_EXITED,
	INSTANCE_CREATED, /* it was never started */
	INSTANCE_DEAD,	  /* its monitor is gone without a word */
};

/* A record that was read. */
struct instance {
	char name[NAME_SIZE];
	int fd;	       /* its directory */
	json_t *spec;  /* an empty object if unreadable */
	json_t *state; /* an empty object if there is none */
	enum instance_status status;
	time_t created;
	time_t changed; /* of the last change of state */
};

#define INSTANCE_INIT    \
	{                \
		.fd = -1 \
	}

/* Read one record by name or id. -ENOENT if there is none. */
int instance_load(const struct store *s, const char *name, struct instance *in,
		  struct err *e);
void instance_unload(struct instance *in);

/* Names of all records, sorted. */
int instance_names(const struct store *s, struct strv *names, struct err *e);

/* Whether a monitor lives. */
bool instance_is_live(const struct instance *in);

/* Wait until the monitor has ended, or for at most timeout_s (-1: as long as it
 * takes). Returns 0, or -ETIMEDOUT. */
int instance_wait(const struct instance *in, int timeout_s);

/* "running", "exited", … */
const char *instance_status_word(enum instance_status status);
/* "running", "exited (0)", …, into buf; returns buf. */
const char *instance_status_text(const struct instance *in, char buf[48]);

/* End host processes that outlived a monitor that was killed, as a program that
 * makes host calls of its own can have such; remove the control group. Its
 * monitor is dead or dying. */
void instance_kill_left(const struct instance *in);

/* Delete the record; refuses (-EBUSY) while its monitor lives. */
int instance_remove(const struct store *s, const struct instance *in,
		    struct err *e);

/* Open its spec.json, and its log to append to. */
int instance_open_again(const struct instance *in, struct instance_dir *dir,
			int *log_fd, struct err *e);

/* Give up its checkpoint, so that it can only boot anew. Refuses (-EBUSY) while
 * its monitor lives. */
int instance_drop_checkpoint(const struct instance *in, struct err *e);

#define cleanup_instance __attribute__((cleanup(instance_unload)))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the monitor for a new instance, in place of this process or
 * detached from it.
 */
#ifndef JIFFY_ENGINE_LAUNCH_H
#define JIFFY_ENGINE_LAUNCH_H

#include <jansson.h>

#include "host/err.h"

/* Exit statuses of jiffy's own, as with docker and podman. */
#define EXIT_JIFFY 125	    /* Jiffy failed */
#define EXIT_CANNOT_RUN 126 /* the command cannot be run */
#define EXIT_NOT_FOUND 127  /* there is no such command */

/* Become the monitor. Returns only on failure. spec_fd holds the spec. */
int launch_foreground(int spec_fd, struct err *e);

/* Start the monitor in a session of its own, its output appended to log_fd and
 * its input from /dev/null unless keep_stdin. Returns 0 once the program is
 * about to run; else the exit status that the failure means, with e filled. */
int launch_detached(int spec_fd, int log_fd, bool keep_stdin, struct err *e);

/* The same for an instance that has a record: from its checkpoint, or from its
 * image. */
int launch_again(int spec_fd, int log_fd, bool from_checkpoint, struct err *e);

/* A clone, from the template on template_fd: in place of this process, or
 * detached. */
int launch_clone_foreground(int spec_fd, int template_fd, struct err *e);
int launch_clone(int spec_fd, int template_fd, int log_fd, struct err *e);

/* Become the monitor that writes what boots this spec to a directory. */
int launch_export(const json_t *spec, const char *dir, const char *format,
		  struct err *e);

#endif

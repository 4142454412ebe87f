/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside's part of a command in an instance: its standard input and output
 * are moved between pipes that the instance has and descriptors 0 to 2, signals
 * and the terminal's size are passed on.
 */
#ifndef JIFFY_CLI_ATTACH_H
#define JIFFY_CLI_ATTACH_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/instance.h"

struct attach_options {
	bool has_input; /* ours is its standard input */
	bool has_tty;	/* ours is a terminal, and so is its */
	int timeout_s;	/* it is hung up after so long, COMMAND_TIMED_OUT; 0:
			   none */
};

/* Send the request (of op "exec", without its descriptors) and serve the
 * command until it ends: its exit status, or -errno. -EAGAIN: the instance was
 * just being suspended. */
int attach_run(const struct instance *in, json_t *request,
	       const struct attach_options *o, struct err *e);

#endif

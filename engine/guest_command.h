/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside's end of a command in a running instance (jiffy exec, the API's
 * exec): the pipes that are its standard streams, and the monitor's connection,
 * on which it is told how the command goes. Who moves the bytes is the caller.
 */
#ifndef JIFFY_ENGINE_GUEST_COMMAND_H
#define JIFFY_ENGINE_GUEST_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/instance.h"

#define COMMAND_TIMED_OUT 124 /* exit status, as timeout(1) */
#define COMMAND_KILLED 137    /* the instance has ended */

enum { COMMAND_IN, COMMAND_OUT, COMMAND_ERR, COMMAND_STREAMS };

struct guest_command {
	char name[NAME_SIZE];	  /* the instance's */
	int fds[COMMAND_STREAMS]; /* our ends, they do not block; -1: none */
	int control;		  /* closing it hangs the command up */
	bool has_answer;
	bool is_over;  /* nothing more will be said */
	int exit_code; /* -1: not known yet */
	char reason[512];
	size_t line_len;
	char line[1024];
};

/* Nothing is open. */
void guest_command_init(struct guest_command *c);

/* Send the request (of op "exec", whose streams are set here) with new pipes:
 * in: it has a standard input of ours; err: its standard error is another than
 * its output. 0 or -errno; the caller closes it in both cases. */
int guest_command_begin(struct guest_command *c, const struct instance *in,
			json_t *request, bool has_in, bool has_err,
			struct err *e);

/* Wait for the first answer, for at most timeout_s (-1: as long as it takes):
 * it runs, or has ended. -EAGAIN: the instance is just being suspended;
 * -ETIMEDOUT, -errno. */
int guest_command_await(struct guest_command *c, int timeout_s, struct err *e);

/* Take what the monitor has said; does not block. 0, or -errno if that was no
 * answer, or one that it failed. */
int guest_command_read(struct guest_command *c, struct err *e);

/* Close all. */
void guest_command_close(struct guest_command *c);

#endif

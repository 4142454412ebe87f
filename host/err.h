/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How host code reports a failure: a code and one line of text on the caller's
 * stack, filled in where it happened and prefixed on the way up. Only a main
 * file prints it.
 */
#ifndef JIFFY_HOST_ERR_H
#define JIFFY_HOST_ERR_H

#include "lib/compiler.h"

#define ERR_MSG_SIZE 256

/* A failure. code is a positive errno value, 0 while nothing went wrong. */
struct err {
	int code;
	char msg[ERR_MSG_SIZE];
};

#define ERR_INIT                     \
	{                            \
		.code = 0, .msg = "" \
	}

/* Fill e with code (a positive errno value) and a formatted line; control
 * characters are shown as '?' so that one error stays one line. e may be NULL
 * for callers that only want the code. Returns -code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Like err_set, and append ": " and the system's text for code. */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "text: " before the message that e already holds. Returns -e->code, or
 * -EIO when e is NULL. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

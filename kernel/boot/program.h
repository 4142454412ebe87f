/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that the outside wants to run, and why it cannot.
 */
#ifndef JIFFY_KERNEL_BOOT_PROGRAM_H
#define JIFFY_KERNEL_BOOT_PROGRAM_H

#include "kernel/boot/boot.h"
#include "lib/compiler.h"

/* Wait statuses: exit 126, 127 as shells and container engines have it. */
#define STATUS_CANNOT_RUN (126 << 8)
#define STATUS_NOT_FOUND (127 << 8)

struct refusal {
	int status;	/* a wait status */
	char text[400]; /* one line */
};

void refusal_set(struct refusal *r, int status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Error err (negative) of running the program at path; blame is the interpreter
 * that is at fault, or "". */
void refusal_set_program(struct refusal *r, const char *path, const char *blame,
			 int err);

struct program {
	/* Set by the caller; strings stay until program_free(). */
	const char *user;	 /* as boot_set_user(), "": root */
	const char *directory;	 /* "": where the caller is */
	const char *search_path; /* PATH; "" or NULL: the usual one */
	const char *const *argv; /* at least one */
	const char **envp;	 /* with room for one more */
	bool makes_directory;	 /* if it is not there */
	/* Set by program_prepare(). */
	char *path, *home;
};

/* The current thread, which is alone in its process, becomes the program's
 * user and enters its directory; the program is found and HOME is added. 0, or
 * an error with *r filled. */
int program_prepare(struct program *p, struct refusal *r);
void program_free(struct program *p);

#endif

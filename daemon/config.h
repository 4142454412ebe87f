/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's settings: from the command line, over those of a JSON file
 * (--config) with members of the same names.
 */
#ifndef JIFFY_DAEMON_CONFIG_H
#define JIFFY_DAEMON_CONFIG_H

#include <stdbool.h>

#include "host/err.h"
#include "host/strv.h"

struct config {
	const char *state; /* the store, or NULL: where JIFFY_HOME says */
	struct strv listen;
	const char *token;
	const char *token_file;
	const char *domain;
	const char *file;
	bool wants_openapi, wants_help, wants_version;
};

/* Texts are borrowed from argv, or live as long as the process. */
int config_read(struct config *c, int argc, char **argv, struct err *e);

void config_help(void);

/* A socket that listens on ADDR:PORT or unix:PATH. -EINVAL, -errno. */
int config_listen(const char *where, int *fd, struct err *e);

#endif

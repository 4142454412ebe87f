/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operand of --volume: NAME:/PATH[:ro] for a volume of the store, or
 * FILE:/PATH[:ro] for a file of the host (its name has a '/').
 */
#ifndef JIFFY_ENGINE_VOLUMES_H
#define JIFFY_ENGINE_VOLUMES_H

#include <stdbool.h>

#include "host/err.h"

struct volume_mount {
	char *source; /* a name or a file */
	char *path;   /* in the instance, absolute */
	bool is_readonly;
};

/* 0, or -EINVAL with what is wrong; then there is nothing to free. */
int volume_mount_parse(const char *text, struct volume_mount *v, struct err *e);
void volume_mount_free(struct volume_mount *v);

/* The file of the host behind a source, absolute; the caller frees. A name's is
 * in the store: volumes/NAME/disk. */
char *volume_file(const char *store_path, const char *source);

#endif

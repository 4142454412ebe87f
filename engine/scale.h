/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scale to zero: --scale-to-zero and the labels of images as the member
 * "scale_to_zero" of a spec.
 */
#ifndef JIFFY_ENGINE_SCALE_H
#define JIFFY_ENGINE_SCALE_H

#include <jansson.h>

#include "host/err.h"
#include "image/manifest.h"

/* Parse off|on|idle[,cooldown=MS][,notify=MS][,grace=MS][,stateful=yes|no]; the
 * caller json_decref()s. -EINVAL, -ERANGE. */
int scale_parse(const char *text, json_t **out, struct err *e);
/* What the labels of the image say, NULL: nothing. */
int scale_from_labels(const struct manifest *m, json_t **out, struct err *e);

#endif

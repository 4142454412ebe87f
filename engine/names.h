/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and identifiers of instances.
 */
#ifndef JIFFY_ENGINE_NAMES_H
#define JIFFY_ENGINE_NAMES_H

#include <stdbool.h>

#include "host/err.h"

#define NAME_MAX_LEN 63
#define NAME_SIZE (NAME_MAX_LEN + 1)
#define ID_SIZE 13

/* Letters, digits, '_', '.', '-', starting with a letter or digit. */
int name_check(const char *name, struct err *e);

/* A name like "quiet-otter" from random bytes. */
void name_generate(char name[NAME_SIZE]);

/* Twelve random hex digits. */
void id_generate(char id[ID_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables on stdout with columns as wide as their content.
 */
#ifndef JIFFY_CLI_TABLE_H
#define JIFFY_CLI_TABLE_H

#include <stddef.h>

#include "host/err.h"
#include "host/strv.h"

/* Print cells, row by row, ncolumns each; the first row holds the titles. */
void table_print(const struct strv *cells, size_t ncolumns);

/* Whether -o asks for JSON; an unknown format is -EINVAL. */
int table_format(const char *output, struct err *e);

#endif

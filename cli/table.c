/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Column layout for the listing commands.
 */
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 12

void table_print(const struct strv *cells, size_t ncolumns)
{
	int width[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < cells->count; i++) {
		int len = (int)strlen(cells->items[i]);

		width[i % ncolumns] = MAX(width[i % ncolumns], len);
	}
	for (size_t i = 0; i < cells->count; i++) {
		if ((i + 1) % ncolumns == 0)
			printf("%s\n", cells->items[i]);
		else
			printf("%-*s  ", width[i % ncolumns], cells->items[i]);
	}
}

int table_format(const char *output, struct err *e)
{
	if (!output || !strcmp(output, "table"))
		return 0;
	if (!strcmp(output, "json"))
		return 1;
	return err_set(e, EINVAL, "--output: '%.40s' is not table or json",
		       output);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options from a table: parsing into a struct, and the same table
 * as help text. Values are kept as text; the command checks their meaning.
 */
#ifndef JIFFY_HOST_OPT_H
#define JIFFY_HOST_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "host/err.h"
#include "host/strv.h"

enum opt_kind {
	OPT_KIND_FLAG,	/* bool: --name */
	OPT_KIND_TEXT,	/* const char *: --name VALUE, the last one counts */
	OPT_KIND_MAYBE, /* const char *: --name or --name=VALUE; "-" if bare */
	OPT_KIND_LIST,	/* struct strv: --name VALUE, again and again */
};

/* One option. letter is 0 when there is no short form. offset says where in
 * the command's struct the value goes. */
struct opt {
	char letter;
	const char *name;
	const char *arg;
	enum opt_kind kind;
	size_t offset;
	const char *help;
};

#define OPT_FLAG(letter, name, type, field, help)                              \
	{                                                                      \
		letter, name, NULL, OPT_KIND_FLAG, offsetof(type, field), help \
	}
#define OPT_TEXT(letter, name, arg, type, field, help)                        \
	{                                                                     \
		letter, name, arg, OPT_KIND_TEXT, offsetof(type, field), help \
	}
#define OPT_MAYBE(letter, name, arg, type, field, help)                        \
	{                                                                      \
		letter, name, arg, OPT_KIND_MAYBE, offsetof(type, field), help \
	}
#define OPT_LIST(letter, name, arg, type, field, help)                        \
	{                                                                     \
		letter, name, arg, OPT_KIND_LIST, offsetof(type, field), help \
	}

/* Parse argv[0..argc), which starts after the command's name, into the zeroed
 * struct `into`. Parsing stops at "--"; with stop_at_operand also at the first
 * operand (what follows belongs to another program), else options may stand
 * anywhere. Operands are moved to the end of argv. Returns the index of the
 * first operand, or -EINVAL. Text values are borrowed from argv. */
int opt_parse(const struct opt *table, size_t count, bool stop_at_operand,
	      int argc, char **argv, void *into, struct err *e);

/* Print one line per option, indented by two. */
void opt_help(const struct opt *table, size_t count, FILE *out);

/* Whether two words are at most two typing slips apart. */
bool opt_is_near(const char *a, const char *b);

#endif

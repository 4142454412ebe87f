/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables. Unlike getopt it accepts no abbreviations, so that a script
 * keeps its meaning when an option is added.
 */
#include "host/opt.h"

#include <errno.h>
#include <string.h>

struct parser {
	const struct opt *table;
	size_t count;
	int argc;
	char **argv;
	int next; /* index of the argument that is read next */
	char *into;
};

bool opt_is_near(const char *a, const char *b)
{
	unsigned row[33];
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > 32 || lb > 32 || la < 3 || lb < 3)
		return false;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(cost, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[lb] <= (la > 4 ? 2 : 1);
}

static int unknown_long(const struct parser *p, const char *name, struct err *e)
{
	int len = (int)strcspn(name, "=");
	char word[40];

	snprintf(word, sizeof(word), "%.*s", len, name);
	for (size_t i = 0; i < p->count; i++)
		if (opt_is_near(p->table[i].name, word))
			return err_set(e, EINVAL,
				       "unknown option '--%s', perhaps '--%s'",
				       word, p->table[i].name);
	return err_set(e, EINVAL, "unknown option '--%s'", word);
}

static const struct opt *find_long(const struct parser *p, const char *name)
{
	size_t len = strcspn(name, "=");

	for (size_t i = 0; i < p->count; i++)
		if (strlen(p->table[i].name) == len &&
		    !strncmp(p->table[i].name, name, len))
			return &p->table[i];
	return NULL;
}

static const struct opt *find_letter(const struct parser *p, char letter)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->table[i].letter == letter)
			return &p->table[i];
	return NULL;
}

static void store(struct parser *p, const struct opt *o, const char *value)
{
	char *at = p->into + o->offset;

	switch (o->kind) {
	case OPT_KIND_FLAG:
		*(bool *)at = true;
		break;
	case OPT_KIND_TEXT:
	case OPT_KIND_MAYBE:
		*(const char **)at = value;
		break;
	case OPT_KIND_LIST:
		strv_add((struct strv *)at, value);
		break;
	}
}

static bool needs_value(const struct opt *o)
{
	return o->kind == OPT_KIND_TEXT || o->kind == OPT_KIND_LIST;
}

static int parse_long(struct parser *p, const char *arg, struct err *e)
{
	const struct opt *o = find_long(p, arg);
	const char *value = strchr(arg, '=');

	if (!o)
		return unknown_long(p, arg, e);
	if (value)
		value++;
	if (value && o->kind == OPT_KIND_FLAG)
		return err_set(e, EINVAL, "option '--%s' takes no value",
			       o->name);
	if (!value && o->kind == OPT_KIND_MAYBE)
		value = "-";
	if (!value && needs_value(o)) {
		if (p->next >= p->argc)
			return err_set(e, EINVAL, "option '--%s' needs %s",
				       o->name, o->arg);
		value = p->argv[p->next++];
	}
	store(p, o, value);
	return 0;
}

static int parse_letters(struct parser *p, const char *arg, struct err *e)
{
	const struct opt *o;
	const char *value;

	for (; *arg; arg++) {
		o = find_letter(p, *arg);
		if (!o)
			return err_set(e, EINVAL, "unknown option '-%c'", *arg);
		if (!needs_value(o)) {
			store(p, o, "-");
			continue;
		}
		value = arg[1] ? arg + 1 : NULL;
		if (!value && p->next >= p->argc)
			return err_set(e, EINVAL, "option '-%c' needs %s", *arg,
				       o->arg);
		store(p, o, value ? value : p->argv[p->next++]);
		break;
	}
	return 0;
}

/* Move the operand at index from to index to; what lies between moves up. */
static void move_operand(char **argv, int from, int to)
{
	char *operand = argv[from];

	memmove(&argv[from], &argv[from + 1],
		(size_t)(to - from) * sizeof(char *));
	argv[to] = operand;
}

int opt_parse(const struct opt *table, size_t count, bool stop_at_operand,
	      int argc, char **argv, void *into, struct err *e)
{
	struct parser p = { table, count, argc, argv, 0, into };
	int operands = 0; /* operands already moved behind p.argc */
	int r = 0;

	while (p.next < p.argc && !r) {
		char *arg = argv[p.next];

		if (!strcmp(arg, "--")) {
			p.next++;
			/* the operands set aside came first: keep the order */
			for (int i = p.next; operands && i < p.argc; i++)
				move_operand(argv, p.next, argc - 1);
			break;
		}
		if (arg[0] != '-' || !arg[1]) {
			if (stop_at_operand)
				break;
			move_operand(argv, p.next, argc - 1);
			operands++;
			p.argc--;
			continue;
		}
		p.next++;
		r = arg[1] == '-' ? parse_long(&p, arg + 2, e)
				  : parse_letters(&p, arg + 1, e);
	}
	return r < 0 ? r : p.next;
}

void opt_help(const struct opt *table, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct opt *o = &table[i];
		char left[64];
		char letter[5] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
			 o->kind == OPT_KIND_MAYBE ? ""
			 : o->arg		   ? " "
						   : "",
			 o->arg ? o->arg : "");
		fprintf(out, "  %-34s %s\n", left, o->help);
	}
}

// SPDX-License-Identifier: Apache-2.0
/* Reads the kernel's tables: calls with typed arguments, groups of flags, and
 * which argument of which call takes which group. */
#include "tests/fuzz/syscalls/flags.h"
#include "tests/fuzz/syscalls/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call calls[] = {
#define SYS(n, id, words) \
	{ .nr = n, .name = #id, .format = words, .served = true },
#define STUB(n, id, err, why) \
	{ .nr = n, .name = #id, .format = "hex hex hex hex hex hex" },
#include "kernel/sys/table.h"
#undef SYS
#undef STUB
};
unsigned ncalls = ARRAY_SIZE(calls);

struct value {
	const char *group;
	uint64_t value;
};

static const struct value values[] = {
#define GROUP(group, title)
#define USE(group, call, n)
#define YES(group, name) { #group, (uint64_t)(name) },
#define PART(group, name, note) { #group, (uint64_t)(name) },
#define NO(group, name, err, why) { #group, (uint64_t)(name) },
#include "kernel/sys/flags.h"
#undef USE
#undef YES
#undef PART
#undef NO
};

static const struct {
	const char *group, *call;
	unsigned n;
} uses[] = {
#define USE(group, call, n) { #group, #call, n },
#define YES(group, name)
#define PART(group, name, note)
#define NO(group, name, err, why)
#include "kernel/sys/flags.h"
};

struct flag_group {
	const char *name;
	const struct value *first;
	unsigned n;
	bool is_mask; /* all are single bits: several make sense */
};

static struct flag_group groups[128];
static unsigned ngroups;

static void groups_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		struct flag_group *g = &groups[ngroups - 1];

		if (ngroups == 0 || strcmp(g->name, values[i].group) != 0) {
			if (ngroups == ARRAY_SIZE(groups))
				abort();
			g = &groups[ngroups++];
			g->name = values[i].group;
			g->first = &values[i];
			g->is_mask = true;
		}
		g->n++;
	}
	for (unsigned i = 0; i < ngroups; i++) {
		struct flag_group *g = &groups[i];
		unsigned bits = 0;

		for (unsigned j = 0; j < g->n; j++) {
			uint64_t v = g->first[j].value;

			bits += v > 2 && (v & (v - 1)) == 0;
		}
		/* Numbers in a row have few powers of two among them. */
		g->is_mask = bits * 2 > g->n;
	}
}

const struct flag_group *group_find(const char *name)
{
	for (unsigned i = 0; i < ngroups; i++)
		if (strcmp(groups[i].name, name) == 0)
			return &groups[i];
	return NULL;
}

uint64_t group_draw(struct fuzz *f, const struct flag_group *g)
{
	uint64_t v = g->first[below(f, g->n)].value;

	if (!g->is_mask) {
		if (one_in(f, 30))
			v ^= 1UL << below(f, 32);
		return v;
	}
	while (one_in(f, 2))
		v |= g->first[below(f, g->n)].value;
	if (one_in(f, 12))
		v = 0;
	if (one_in(f, 30))
		v ^= 1UL << below(f, 64);
	return v;
}

static const struct {
	const char *word;
	enum type type;
} types[] = {
	{ "fd", T_FD },
	{ "dirfd", T_DIRFD },
	{ "int", T_INT },
	{ "uint", T_INT },
	{ "long", T_LONG },
	{ "ptr", T_PTR },
	{ "len", T_LEN },
	{ "str", T_STR },
	{ "in", T_BUF },
	{ "out", T_BUF },
	{ "iov", T_IOV },
	{ "sig", T_SIG },
	{ "sigset", T_SIGSET },
	{ "mode", T_MODE },
	{ "timespec", T_TIMESPEC },
	{ "sockaddr", T_SOCKADDR },
	{ "pid", T_PID },
	{ "oflags", T_OFLAGS },
};

static enum type type_of(const char *word)
{
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].word, word) == 0)
			return types[i].type;
	return T_HEX;
}

static void parse_arg(struct arg *a, char *word)
{
	char *colon = strchr(word, ':');

	if (colon && strcmp(colon, ":in") != 0 && strcmp(colon, ":out") != 0) {
		*colon = '\0';
		snprintf(a->label, sizeof(a->label), "%s", word);
	}
	a->type = type_of(colon ? colon + 1 : word);
	if (strcmp(a->label, "fd") == 0 && a->type != T_FD)
		a->type = T_FD;
	if (strcmp(a->label, "addr") == 0 || strcmp(a->label, "old") == 0 ||
	    strcmp(a->label, "new") == 0)
		a->type = T_ADDR;
}

static void parse_call(struct call *c)
{
	char format[160], *save = NULL, *word;
	bool is_result = false;

	snprintf(format, sizeof(format), "%s", c->format);
	for (word = strtok_r(format, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, ">") == 0)
			is_result = true;
		else if (is_result)
			c->result = type_of(word);
		else if (c->nargs < 6)
			parse_arg(&c->args[c->nargs++], word);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(uses); i++) {
		struct arg *a = &c->args[uses[i].n];

		if (strcmp(uses[i].call, c->name) != 0)
			continue;
		if (a->group && a->group2) /* more than two: by chance */
			a->group2 = NULL;
		*(a->group ? &a->group2 : &a->group) =
			group_find(uses[i].group);
	}
}

void grammar_init(void)
{
	groups_init();
	for (unsigned i = 0; i < ncalls; i++)
		parse_call(&calls[i]);
}

const struct call *grammar_find(const char *name)
{
	for (unsigned i = 0; i < ncalls; i++)
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Egress policy. DNS answers come from the host's nameserver, but are read as
 * if anybody had sent them.
 */
#include "monitor/egress.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define SECOND 1000000000ULL
/* Programs keep addresses for longer than they were told. */
#define KNOWN_SECONDS_MIN 300
#define KNOWN_SECONDS_MAX 86400

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void set_ipv4(uint8_t address[16], const void *ip)
{
	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), ip, 4);
}

/* --- The list
 * ------------------------------------------------------------------- */

/* True if text is ADDRESS[/BITS]; an error if it only looks so. */
static bool parse_network(const char *text, struct egress_network *n,
			  struct err *e)
{
	cleanup_free char *copy = xstrdup(text);
	char *slash = strchr(copy, '/'), *end;
	unsigned int most = 128;
	unsigned long bits;
	struct in_addr ip;

	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, copy, &ip) == 1) {
		set_ipv4(n->address, &ip);
		most = 32;
	} else if (inet_pton(AF_INET6, copy, n->address) != 1) {
		if (slash || strchr(text, ':'))
			err_set(e, EINVAL, "egress: %.100s is no network",
				text);
		return false;
	}
	bits = slash ? strtoul(slash, &end, 10) : most;
	if (slash && (!isdigit((unsigned char)*slash) || *end || bits > most)) {
		err_set(e, EINVAL, "egress: %.100s is no network", text);
		return false;
	}
	n->bits = (unsigned int)bits + 128 - most;
	return true;
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (!strncmp(name, "*.", 2))
		name += 2;
	return len < 256 && name[0] && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
			    "WXYZ0123456789-_.") == strlen(name) &&
	       !strstr(name, "..");
}

static int parse_entry(const char *text, struct egress *g, struct err *e)
{
	struct egress_network n;

	if (parse_network(text, &n, e)) {
		if (g->nnetworks == EGRESS_NETWORKS_MAX)
			return err_set(e, E2BIG, "egress: over %d networks",
				       EGRESS_NETWORKS_MAX);
		g->networks[g->nnetworks++] = n;
		return 0;
	}
	if (e->code)
		return -e->code;
	if (!is_name(text))
		return err_set(e, EINVAL,
			       "egress: '%.100s' is neither network nor name",
			       text);
	strv_add(&g->names, text);
	return 0;
}

int egress_parse(const json_t *list, struct egress *g, struct err *e)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list))
		return err_set(e, EINVAL, "egress: not an array");
	g->is_limited = true;
	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return err_set(e, EINVAL, "egress: not a string");
		if (parse_entry(json_string_value(item), g, e))
			return -e->code;
	}
	return 0;
}

void egress_free(struct egress *g)
{
	strv_fini(&g->names);
}

/* --- Decisions
 * ------------------------------------------------------------------ */

static bool is_in(const uint8_t address[16], const struct egress_network *n)
{
	size_t bytes = n->bits / 8;
	unsigned int rest = n->bits % 8;

	if (memcmp(address, n->address, bytes) != 0)
		return false;
	return !rest || (address[bytes] ^ n->address[bytes]) >> (8 - rest) == 0;
}

bool egress_allows(const struct egress *g, const struct egress_known *known,
		   const struct sockaddr_storage *to, uint64_t now_ns)
{
	const struct sockaddr_in6 *sin6 = (const void *)to;
	const struct sockaddr_in *sin = (const void *)to;
	uint8_t address[16];

	if (!g->is_limited)
		return true;
	if (to->ss_family == AF_INET)
		set_ipv4(address, &sin->sin_addr);
	else
		memcpy(address, &sin6->sin6_addr, sizeof(address));
	for (size_t i = 0; i < g->nnetworks; i++)
		if (is_in(address, &g->networks[i]))
			return true;
	for (unsigned int i = 0; known && i < EGRESS_KNOWN_MAX; i++)
		if (known->entries[i].until_ns > now_ns &&
		    !memcmp(known->entries[i].address, address, 16))
			return true;
	return false;
}

bool egress_allows_name(const struct egress *g, const char *name)
{
	size_t len = strlen(name);

	if (!g->is_limited)
		return true;
	while (len && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < g->names.count; i++) {
		const char *rule = g->names.items[i];
		size_t n = strlen(rule);

		/* "*.NAME": a dot and NAME at the end. */
		if (rule[0] == '*' && len > n - 1 &&
		    !strncasecmp(name + len - (n - 1), rule + 1, n - 1))
			return true;
		if (n == len && !strncasecmp(name, rule, n))
			return true;
	}
	return false;
}

/* --- DNS answers (RFC 1035 §4.1)
 * ------------------------------------------------- */

/* What is behind the name at `at`, or 0: it has no end. */
static size_t skip_name(const uint8_t *p, size_t n, size_t at)
{
	while (at < n) {
		if (p[at] == 0)
			return at + 1;
		if ((p[at] & 0xc0) == 0xc0)
			return at + 2;
		at += 1U + p[at];
	}
	return 0;
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static void learn(struct egress_known *k, const uint8_t address[16],
		  uint32_t ttl, uint64_t now_ns)
{
	uint64_t seconds = MAX(MIN(ttl, (uint32_t)KNOWN_SECONDS_MAX),
			       (uint32_t)KNOWN_SECONDS_MIN);
	unsigned int i;

	for (i = 0; i < EGRESS_KNOWN_MAX; i++)
		if (!memcmp(k->entries[i].address, address, 16))
			break;
	if (i == EGRESS_KNOWN_MAX)
		i = k->next++ % EGRESS_KNOWN_MAX;
	memcpy(k->entries[i].address, address, 16);
	k->entries[i].until_ns = now_ns + seconds * SECOND;
}

void egress_learn(struct egress_known *known, const uint8_t *p, size_t n,
		  uint64_t now_ns)
{
	unsigned int questions, answers;
	size_t at = 12;

	if (n < at)
		return;
	questions = get16(p + 4);
	answers = get16(p + 6);
	while (questions--) {
		at = skip_name(p, n, at);
		if (!at || at + 4 > n)
			return;
		at += 4;
	}
	while (answers--) {
		uint8_t address[16];
		unsigned int type, len;
		uint32_t ttl;

		at = skip_name(p, n, at);
		if (!at || at + 10 > n)
			return;
		type = get16(p + at);
		ttl = (uint32_t)get16(p + at + 4) << 16 | get16(p + at + 6);
		len = get16(p + at + 8);
		at += 10;
		if (at + len > n)
			return;
		if (type == 1 && len == 4)
			set_ipv4(address, p + at);
		else if (type == 28 && len == 16)
			memcpy(address, p + at, 16);
		if ((type == 1 && len == 4) || (type == 28 && len == 16))
			learn(known, address, ttl, now_ns);
		at += len;
	}
}

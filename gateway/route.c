/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which service a name means: an index of domains (with a path, perhaps), of
 * services' names, and of ports. A look costs the same however many services
 * there are, but for those that share the name.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/service_int.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

enum route_kind { ROUTE_DOMAIN, ROUTE_NAME, ROUTE_PORT };

struct route {
	struct list hash;
	struct list own; /* service.routes */
	struct service *service;
	enum route_kind kind;
	uint16_t port;	  /* ROUTE_PORT */
	const char *path; /* in key: that requests begin with; "": any */
	char key[];
};

#define ROUTES 4096 /* a power of two */
static struct list table[ROUTES];

static struct list *bucket(enum route_kind kind, const char *key, uint16_t port)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind << 16 ^ port;
	struct list *l;

	for (; *key; key++) {
		uint8_t c = (uint8_t)*key;

		h ^= c >= 'A' && c <= 'Z' ? c | 0x20 : c;
		h *= 16777619u;
	}
	l = &table[(h ^ h >> 16) % ROUTES];
	if (!l->next)
		list_init(l);
	return l;
}

static void add(struct service *s, enum route_kind kind, const char *key,
		uint16_t port)
{
	size_t len = strlen(key);
	const char *slash = kind == ROUTE_DOMAIN ? strchr(key, '/') : NULL;
	size_t host = slash ? (size_t)(slash - key) : len;
	struct route *r = xcalloc(1, sizeof(*r) + len + 2);

	memcpy(r->key, key, host);
	memcpy(r->key + host + 1, key + host, len - host);
	r->path = r->key + host + 1;
	r->service = s;
	r->kind = kind;
	r->port = port;
	list_append(bucket(kind, r->key, port), &r->hash);
	list_append(&s->routes, &r->own);
}

void route_clear(struct service *s)
{
	while (!list_empty(&s->routes)) {
		struct route *r = list_first(&s->routes, struct route, own);

		list_del(&r->hash);
		list_del(&r->own);
		free(r);
	}
}

void route_set(struct service *s)
{
	route_clear(s);
	add(s, ROUTE_NAME, s->name, 0);
	for (uint32_t i = 0; i < s->ndomains; i++)
		add(s, ROUTE_DOMAIN, s->domains[i], 0);
	for (uint32_t i = 0; i < s->nports; i++)
		add(s, ROUTE_PORT, "", s->ports[i].port);
}

/* Whether path is below the route's, by whole segments. */
static bool fits(const struct route *r, const char *path)
{
	size_t n = strlen(r->path);

	if (!n)
		return true;
	return path && !strncmp(path, r->path, n) &&
	       (!path[n] || path[n] == '/' || r->path[n - 1] == '/');
}

/* The longest path wins, then who was first. */
static struct service *look(enum route_kind kind, const char *key,
			    uint16_t port, const char *path)
{
	struct list *l = bucket(kind, key, 0);
	struct route *r, *best = NULL;

	list_for_each (r, l, hash)
		if (r->kind == kind && !strcasecmp(r->key, key) &&
		    fits(r, path) && service_find_port(r->service, port) &&
		    (!best || strlen(r->path) > strlen(best->path)))
			best = r;
	return best ? best->service : NULL;
}

/* Whether all its domains are for some paths only. */
static bool has_paths_only(const struct service *s)
{
	for (uint32_t i = 0; i < s->ndomains; i++)
		if (!strchr(s->domains[i], '/'))
			return false;
	return s->ndomains;
}

static struct service *look_port(uint16_t port, const char *path)
{
	struct list *l = bucket(ROUTE_PORT, "", port);
	struct service *found = NULL;
	struct route *r;

	list_for_each (r, l, hash) {
		if (r->kind != ROUTE_PORT || r->port != port ||
		    r->service == found)
			continue;
		if (found)
			return NULL;
		found = r->service;
	}
	return found && path && has_paths_only(found) ? NULL : found;
}

struct service *route_find(uint16_t port, const char *name, const char *path)
{
	struct service *s;
	char any[SERVICE_NAME_SIZE + 1];
	const char *dot = strchr(name, '.');

	if (!name[0])
		return look_port(port, path);
	s = look(ROUTE_DOMAIN, name, port, path);
	if (!s && dot && dot != name && strlen(dot) + 2 < sizeof(any)) {
		any[0] = '*';
		memcpy(any + 1, dot, strlen(dot) + 1);
		s = look(ROUTE_DOMAIN, any, port, path);
	}
	return s ? s : look(ROUTE_NAME, name, port, NULL);
}

struct service *route_by_name(const char *name)
{
	struct list *l = bucket(ROUTE_NAME, name, 0);
	struct route *r;

	list_for_each (r, l, hash)
		if (r->kind == ROUTE_NAME && !strcmp(r->key, name))
			return r->service;
	return NULL;
}

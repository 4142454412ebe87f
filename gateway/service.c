/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of services and their instances (service.h). Changed by the daemon,
 * looked into by protocols when a name comes; connections of plain TCP ports do
 * not pass here, their listeners know the service.
 */
#include "gateway/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/service_int.h"
#include "host/xmalloc.h"

struct gateway_services services = { .store = -1 };

#define NUMBERS (sizeof(services.numbers) / sizeof(services.numbers[0]))

int services_start(const char *store, struct loop *const *loops,
		   unsigned int nloops, struct jobs *jobs,
		   const struct service_ops *ops, struct err *e)
{
	services.store = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (services.store < 0)
		return err_sys(e, errno, "%s", store);
	services.lanes = xcalloc(nloops, sizeof(*services.lanes));
	services.nlanes = nloops;
	for (unsigned int i = 0; i < nloops; i++)
		services.lanes[i] =
			(struct lane){ .loop = loops[i], .pair_fd = -1 };
	services.jobs = jobs;
	services.ops = ops ? *ops : (struct service_ops){ 0 };
	if (!services.ops.wait_ms)
		services.ops.wait_ms = SERVICE_WAIT_MS;
	pthread_rwlock_init(&services.lock, NULL);
	list_init(&services.all);
	list_init(&services.listeners);
	for (size_t i = 0; i < NUMBERS; i++)
		list_init(&services.numbers[i]);
	return 0;
}

void backend_hold(struct service *s)
{
	service_get(s);
}

void backend_unhold(struct service *s)
{
	service_put(s);
}

void service_get(struct service *s)
{
	atomic_fetch_add(&s->refs, 1);
}

static void free_config(struct service_port *ports, char **domains, uint32_t n)
{
	for (uint32_t i = 0; domains && i < n; i++)
		free(domains[i]);
	free(domains);
	free(ports);
}

void service_put(struct service *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	free_config(s->ports, s->domains, s->ndomains);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct service_port *service_find_port(const struct service *s,
					     uint16_t port)
{
	for (uint32_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == port)
			return &s->ports[i];
	return NULL;
}

static bool is_same_port(const struct service_port *a,
			 const struct service_port *b)
{
	return listen_is_same(a, b) && a->proxy_to == b->proxy_to &&
	       a->port == b->port && a->guest == b->guest &&
	       a->ip.s_addr == b->ip.s_addr && a->protocol == b->protocol &&
	       a->arg == b->arg;
}

static bool has_port(const struct service_port *ports, uint32_t n,
		     const struct service_port *p)
{
	for (uint32_t i = 0; i < n; i++)
		if (is_same_port(&ports[i], p))
			return true;
	return false;
}

/* Listen at what is new; on failure at nothing new. */
static int add_ports(struct service *s, const struct service_config *c,
		     struct err *e)
{
	for (uint32_t i = 0; i < c->nports; i++) {
		if (has_port(s->ports, s->nports, &c->ports[i]) ||
		    listen_add(s, &c->ports[i], e) == 0)
			continue;
		while (i-- > 0)
			if (!has_port(s->ports, s->nports, &c->ports[i]))
				listen_remove(s, &c->ports[i]);
		return -e->code;
	}
	return 0;
}

static struct service *new_service(const char *name)
{
	struct service *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	atomic_init(&s->refs, 1);
	list_init(&s->members);
	list_init(&s->routes);
	memcpy(s->name, name, strlen(name) + 1);
	return s;
}

/* Protocols look at the ports of services on other threads, but only under
 * services.lock or with it held for reading when they found it. */
static void take_config(struct service *s, const struct service_config *c)
{
	struct service_port *ports = s->ports, *old = s->ports;
	uint32_t nold = s->nports, ndomains = s->ndomains;
	char **domains = s->domains;

	ports = xcalloc(c->nports + 1, sizeof(*ports));
	for (uint32_t i = 0; i < c->nports; i++)
		ports[i] = c->ports[i];
	for (uint32_t i = 0; i < nold; i++)
		if (!has_port(ports, c->nports, &old[i]))
			listen_remove(s, &old[i]);
	pthread_mutex_lock(&s->lock);
	s->ports = ports;
	s->nports = c->nports;
	s->domains = xcalloc(c->ndomains + 1, sizeof(*s->domains));
	s->ndomains = c->ndomains;
	for (uint32_t i = 0; i < c->ndomains; i++)
		s->domains[i] = xstrdup(c->domains[i]);
	s->soft_limit = c->soft_limit ? c->soft_limit : 1;
	s->hard_limit = c->hard_limit ? c->hard_limit : SERVICE_LIMIT_MAX;
	free_config(old, domains, ndomains);
	pthread_mutex_unlock(&s->lock);
	route_set(s);
}

int service_set(const struct service_config *c, struct err *e)
{
	struct service *s, *new = NULL;
	int r;

	if (!c->name[0] || strlen(c->name) >= SERVICE_NAME_SIZE ||
	    c->nports > SERVICE_PORTS_MAX)
		return err_set(e, EINVAL, "service: bad name or ports");
	pthread_rwlock_wrlock(&services.lock);
	s = route_by_name(c->name);
	if (!s)
		s = new = new_service(c->name);
	r = add_ports(s, c, e);
	if (!r) {
		take_config(s, c);
		if (new)
			list_append(&services.all, &s->node);
	} else if (new) {
		service_put(new);
	}
	pthread_rwlock_unlock(&services.lock);
	return r;
}

static void drop_member(struct service *s, struct member *m)
{
	pthread_mutex_lock(&s->lock);
	m->is_dropped = true;
	links_drop(m);
	list_del(&m->node);
	list_del(&m->hash);
	s->nmembers--;
	member_put(m);
	pthread_mutex_unlock(&s->lock);
}

/* A turn of each loop later nobody has it by backend_find() only. */
struct farewell {
	struct service *service;
	atomic_uint left;
};

static void pass(void *arg)
{
	struct farewell *f = arg;

	if (atomic_fetch_sub(&f->left, 1) != 1)
		return;
	service_put(f->service);
	free(f);
}

static void say_farewell(struct service *s)
{
	struct farewell *f = xcalloc(1, sizeof(*f));

	f->service = s;
	atomic_init(&f->left, services.nlanes);
	for (unsigned int i = 0; i < services.nlanes; i++)
		loop_post(services.lanes[i].loop, pass, f);
}

int service_remove(const char *name)
{
	struct service *s;

	pthread_rwlock_wrlock(&services.lock);
	s = route_by_name(name);
	if (s) {
		list_del(&s->node);
		route_clear(s);
		for (uint32_t i = 0; i < s->nports; i++)
			listen_remove(s, &s->ports[i]);
		service_get(s);
		while (!list_empty(&s->members))
			drop_member(s, list_first(&s->members, struct member,
						  node));
		service_put(s);
		say_farewell(s);
	}
	pthread_rwlock_unlock(&services.lock);
	return s ? 0 : -ENOENT;
}

static struct list *bucket(uint64_t number)
{
	return &services.numbers[number % NUMBERS];
}

static struct member *find_number(uint64_t number)
{
	struct member *m;

	list_for_each (m, bucket(number), hash)
		if (m->number == number)
			return m;
	return NULL;
}

int service_add(const char *service, uint64_t number, const char *instance)
{
	size_t len = strlen(instance) + 1;
	struct member *m;
	struct service *s;
	int r = 0;

	if (!number || len < 2 || len > 256 || strchr(instance, '/') ||
	    instance[0] == '.')
		return -EINVAL;
	pthread_rwlock_wrlock(&services.lock);
	s = route_by_name(service);
	if (!s) {
		r = -ENOENT;
	} else if (find_number(number)) {
		r = -EEXIST;
	} else {
		m = xcalloc(1, sizeof(*m) + len);
		memcpy(m->name, instance, len);
		m->number = number;
		m->refs = 1;
		m->service = s;
		list_init(&m->links);
		list_append(bucket(number), &m->hash);
		service_get(s);
		pthread_mutex_lock(&s->lock);
		list_append(&s->members, &m->node);
		s->nmembers++;
		pthread_mutex_unlock(&s->lock);
	}
	pthread_rwlock_unlock(&services.lock);
	return r;
}

int service_drop(const char *service, uint64_t number)
{
	struct service *s;
	struct member *m;
	int r = -ENOENT;

	pthread_rwlock_wrlock(&services.lock);
	s = route_by_name(service);
	m = s ? find_number(number) : NULL;
	if (m && m->service == s) {
		drop_member(s, m);
		r = 0;
	}
	pthread_rwlock_unlock(&services.lock);
	return r;
}

void service_instance_started(uint64_t number, int status)
{
	struct member *m;

	pthread_rwlock_rdlock(&services.lock);
	m = find_number(number);
	if (m) {
		pthread_mutex_lock(&m->service->lock);
		m->is_starting = false;
		m->looked_ns = 0;
		if (!status)
			m->down_ns = 0;
		links_retry(m, status);
		pthread_mutex_unlock(&m->service->lock);
	}
	pthread_rwlock_unlock(&services.lock);
}

static uint32_t in_flight(const struct member *m)
{
	struct link *l;
	uint32_t n = 0;

	list_for_each (l, &m->links, node)
		n += l->in_flight;
	return n;
}

int service_stats(const char *service, struct service_stats *out)
{
	struct service *s;
	struct member *m;

	pthread_rwlock_rdlock(&services.lock);
	s = route_by_name(service);
	if (s) {
		pthread_mutex_lock(&s->lock);
		*out = s->stats;
		out->ninstances = s->nmembers;
		list_for_each (m, &s->members, node) {
			out->requests += m->requests;
			out->in_flight += in_flight(m);
			out->open += member_open(m);
		}
		pthread_mutex_unlock(&s->lock);
	}
	pthread_rwlock_unlock(&services.lock);
	return s ? 0 : -ENOENT;
}

int service_instance_load(uint64_t number, uint32_t *out)
{
	struct member *m;

	pthread_rwlock_rdlock(&services.lock);
	m = find_number(number);
	if (m) {
		pthread_mutex_lock(&m->service->lock);
		*out = member_load(m, 0);
		pthread_mutex_unlock(&m->service->lock);
	}
	pthread_rwlock_unlock(&services.lock);
	return m ? 0 : -ENOENT;
}

int service_instance_stats(uint64_t number, struct service_instance_stats *out)
{
	struct member *m;
	struct link *l;

	pthread_rwlock_rdlock(&services.lock);
	m = find_number(number);
	if (m) {
		pthread_mutex_lock(&m->service->lock);
		*out = m->stats;
		out->connections = m->sent;
		list_for_each (l, &m->links, node)
			out->queued += l->nwaiting + l->in_flight;
		pthread_mutex_unlock(&m->service->lock);
	}
	pthread_rwlock_unlock(&services.lock);
	return m ? 0 : -ENOENT;
}

struct service *backend_find(uint16_t port, const char *name, const char *path)
{
	struct service *s;

	pthread_rwlock_rdlock(&services.lock);
	s = route_find(port, name, path);
	pthread_rwlock_unlock(&services.lock);
	return s;
}

void services_stop(void)
{
	struct service *s;

	listen_close_all();
	list_for_each (s, &services.all, node)
		while (!list_empty(&s->members))
			drop_member(s, list_first(&s->members, struct member,
						  node));
	for (unsigned int i = 0; i < services.nlanes; i++)
		if (services.lanes[i].pair_fd >= 0)
			close(services.lanes[i].pair_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups for the gateway: ports with their protocols, domains, instances by
 * their numbers in the database. One loop and thread a processor.
 */
#include "daemon/services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "daemon/server.h"
#include "gateway/certs.h"
#include "gateway/protocols.h"
#include "gateway/service.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

#define LANES_MAX 16
#define DOMAINS_MAX 64
#define CERTIFICATE_DAYS 365

/* What a port's handlers mean; -EINVAL. NULL: plain TCP. */
static int find_protocol(const json_t *service, service_protocol **out)
{
	cleanup_strv struct strv v = STRV_INIT;
	json_t *word;
	size_t i;

	json_array_foreach (json_object_get(service, "handlers"), i, word)
		strv_add(&v, json_string_value(word));
	return protocol_find((const char *const *)v.items, v.count, out);
}

/* NAME -> NAME.DOMAIN; a name with dots is one already. */
static char *full_domain(struct daemon *d, const char *name)
{
	size_t len = strlen(name);
	char *text;

	if (len && name[len - 1] == '.')
		len--;
	text = memchr(name, '.', len)
		       ? xstrndup(name, len)
		       : xasprintf("%.*s.%s", (int)len, name, d->domain);
	for (char *p = text; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	return text;
}

static void list_domains(struct daemon *d, const struct db_object *group,
			 struct strv *out)
{
	const json_t *list = json_object_get(group->body, "domains");
	json_t *domain;
	size_t i;

	json_array_foreach (list, i, domain)
		strv_take(out,
			  full_domain(d, json_str_or(domain, "name", "?")));
	if (!out->count)
		strv_take(out, full_domain(d, group->name));
}

json_t *service_domains(struct daemon *d, const struct db_object *group)
{
	const json_t *list = json_object_get(group->body, "domains");
	cleanup_strv struct strv names = STRV_INIT;
	json_t *out = json_array();

	list_domains(d, group, &names);
	for (size_t i = 0; i < names.count; i++) {
		json_t *o = json_pack("{s:s}", "fqdn", names.items[i]);
		json_t *cert =
			json_object_get(json_array_get(list, i), "certificate");

		json_t *path = json_object_get(json_array_get(list, i), "path");

		if (cert)
			json_object_set(o, "certificate", cert);
		if (path)
			json_object_set(o, "path", path);
		json_array_append_new(out, o);
	}
	return out;
}

static int64_t guest_port(const json_t *service)
{
	return json_int_or(service, "destination_port",
			   json_int_or(service, "port", 0));
}

void service_publish(const struct db_object *group, struct strv *publish)
{
	const json_t *list = json_object_get(group->body, "services");
	json_t *service;
	size_t i;

	json_array_foreach (list, i, service) {
		cleanup_free char *text = xasprintf(
			"deliver:%lld", (long long)guest_port(service));
		bool is_there = false;

		for (size_t k = 0; k < publish->count; k++)
			is_there |= !strcmp(publish->items[k], text);
		if (!is_there)
			strv_add(publish, text);
	}
}

/* ADDRESS[/BITS]; -EINVAL. */
static int parse_net(const char *text, struct service_net *out)
{
	char address[INET_ADDRSTRLEN];
	size_t n = strcspn(text, "/");
	unsigned long bits = 32;
	struct in_addr in;
	char *end;

	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	if (text[n]) {
		bits = strtoul(text + n + 1, &end, 10);
		if (text[n + 1] < '0' || text[n + 1] > '9' || *end)
			return -EINVAL;
	}
	if (inet_pton(AF_INET, address, &in) != 1 || bits > 32)
		return -EINVAL;
	out->mask = bits ? UINT32_MAX << (32 - bits) : 0;
	out->net = ntohl(in.s_addr) & out->mask;
	return 0;
}

/* The PROXY protocol of a port: who is trusted, and whether it is spoken. */
static int set_proxy(const json_t *s, struct service_port *port)
{
	const char *to = json_str_or(s, "proxy_to", NULL);
	json_t *net;
	size_t i;

	port->proxy_to = to ? (uint32_t)(to[1] - '0') : 0;
	if (port->proxy_to && !port->protocol) {
		port->protocol = protocol_relay;
		port->is_alone = true;
	}
	json_array_foreach (json_object_get(s, "proxy_from"), i, net)
		if (i >= SERVICE_NETS_MAX ||
		    parse_net(json_string_value(net),
			      &port->proxy_from[port->nproxy_from++]))
			return -EINVAL;
	return 0;
}

static int check_service(const json_t *s, struct err *e)
{
	struct service_port port = { 0 };
	const char *ip = json_str_or(s, "ip", "0.0.0.0");
	service_protocol *protocol;
	struct in_addr addr;

	if (strcmp(json_str_or(s, "protocol", "tcp"), "tcp") != 0)
		return api_fail(e, API_NOT_SUPPORTED, "UDP is not supported");
	if (inet_pton(AF_INET, ip, &addr) != 1)
		return api_fail(e, API_INVALID, "'%.40s' is no IPv4 address",
				ip);
	if (set_proxy(s, &port))
		return api_fail(e, API_INVALID,
				"Port %lld: proxy_from are at most %d IPv4 "
				"networks",
				(long long)json_int_or(s, "port", 0),
				SERVICE_NETS_MAX);
	if (find_protocol(s, &protocol))
		return api_fail(e, API_INVALID,
				"Port %lld: handlers are none, tls, http, "
				"http and tls, redirect, or postgresql",
				(long long)json_int_or(s, "port", 0));
	return 0;
}

/* Whether requests for `name` go to the group with this domain. */
static bool covers(const char *domain, const char *name)
{
	const char *dot = strchr(name, '.');

	return !strcmp(domain, name) ||
	       (!strncmp(domain, "*.", 2) && dot && !strcmp(domain + 1, dot));
}

/* What goes to another user's groups is not to be had, but by an administrator
 * of all. */
static int check_domains(struct daemon *d, const struct db_object *group,
			 const struct strv *domains, struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };

	if (!strcmp(group->owner, d->admin))
		return 0;
	if (db_list(d->db, DB_SERVICE, NULL, false, NULL, &all, e))
		return -e->code;
	for (size_t i = 0; i < all.count; i++) {
		cleanup_strv struct strv theirs = STRV_INIT;

		if (!strcmp(all.items[i].owner, group->owner))
			continue;
		list_domains(d, &all.items[i], &theirs);
		for (size_t k = 0; k < theirs.count * domains->count; k++) {
			const char *mine = domains->items[k % domains->count];

			if (covers(theirs.items[k / domains->count], mine))
				return api_fail(e, API_EXISTS,
						"Domain '%.100s' is another "
						"user's",
						mine);
		}
	}
	return 0;
}

static int check_paths(const struct db_object *group, struct err *e)
{
	const json_t *list = json_object_get(group->body, "domains");
	json_t *domain;
	size_t i;

	json_array_foreach (list, i, domain) {
		const char *path = json_str_or(domain, "path", "/");

		if (path[0] != '/' || strpbrk(path, "?# \t\r\n"))
			return api_fail(e, API_INVALID,
					"'%.40s' is no path of a domain", path);
		if (strlen(path) > 255)
			return api_fail(e, API_TOO_LONG, "Path too long");
	}
	return 0;
}

int service_check(struct daemon *d, const struct db_object *group,
		  struct err *e)
{
	const json_t *services = json_object_get(group->body, "services");
	cleanup_strv struct strv domains = STRV_INIT;
	int64_t soft = json_int_or(group->body, "soft_limit", 1);
	json_t *s;
	size_t i;

	if (!json_array_size(services) ||
	    json_array_size(services) > SERVICE_PORTS_MAX)
		return api_fail(e, API_INVALID, "A group has 1 to %d services",
				SERVICE_PORTS_MAX);
	if (soft > json_int_or(group->body, "hard_limit", 65535))
		return api_fail(e, API_INVALID,
				"soft_limit is above hard_limit");
	json_array_foreach (services, i, s) {
		int r = check_service(s, e);

		if (r)
			return r;
	}
	list_domains(d, group, &domains);
	if (domains.count > DOMAINS_MAX)
		return api_fail(e, API_INVALID, "More than %d domains",
				DOMAINS_MAX);
	for (i = 0; i < domains.count; i++)
		if (strlen(domains.items[i]) > 253)
			return api_fail(e, API_TOO_LONG, "Domain too long");
	if (check_paths(group, e))
		return -e->code;
	return check_domains(d, group, &domains, e);
}

/* The authority of our own certificates: made once, kept in the database, its
 * certificate also in a file for those who are to trust it. */
static int find_authority(struct daemon *d, struct cert_pem *pem, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_AUTHORITY,
						 .name = "authority" };
	int r;

	db_lock(d->db);
	r = db_find(d->db, DB_AUTHORITY, NULL, NULL, "authority", &o, e);
	if (r == -ENOENT) {
		r = cert_make_authority("Jiffy development authority", pem, e);
		if (!r) {
			o.body = json_pack("{s:s, s:s}", "chain", pem->chain,
					   "pkey", pem->key);
			r = db_insert(d->db, &o, e);
		}
	} else if (!r) {
		pem->chain = xstrdup(json_str_or(o.body, "chain", ""));
		pem->key = xstrdup(json_str_or(o.body, "pkey", ""));
	}
	db_unlock(d->db);
	if (r)
		return r;
	return io_write_atomic(d->store.fd, "authority.pem", pem->chain,
			       strlen(pem->chain), 0644, e);
}

static bool has_tls(const json_t *services)
{
	json_t *s, *word;
	size_t i, k;

	json_array_foreach (services, i, s)
		json_array_foreach (json_object_get(s, "handlers"), k, word)
			if (!strcmp(json_string_value(word), "tls") ||
			    !strcmp(json_string_value(word), "postgresql"))
				return true;
	return false;
}

/* One of our own for the domains of a group that speaks TLS. */
static int make_certificate(struct daemon *d, const struct db_object *group,
			    const struct strv *domains, struct err *e)
{
	struct cert_pem authority = { 0 }, own = { 0 };
	struct cert_info info;
	int r;

	if (!has_tls(json_object_get(group->body, "services")))
		return 0;
	r = find_authority(d, &authority, e);
	if (!r)
		r = cert_make((const char *const *)domains->items,
			      domains->count, CERTIFICATE_DAYS, &authority,
			      &own, e);
	if (!r)
		r = certs_put(d->certs, group->uuid, &own, true, &info, e);
	cert_pem_free(&authority);
	cert_pem_free(&own);
	/* Of two for one name the last counts: those of users. */
	return r || !d->is_ready ? r : certificates_load(d, e);
}

/* Domains of which only requests below a path are meant. */
static void add_paths(const struct db_object *group, struct strv *domains)
{
	const json_t *list = json_object_get(group->body, "domains");
	json_t *domain;
	size_t i;

	json_array_foreach (list, i, domain) {
		char *with = xasprintf("%s%s", domains->items[i],
				       json_str_or(domain, "path", ""));

		free(domains->items[i]);
		domains->items[i] = with;
	}
}

int service_apply(struct daemon *d, const struct db_object *group,
		  struct err *e)
{
	const json_t *list = json_object_get(group->body, "services");
	cleanup_strv struct strv domains = STRV_INIT;
	struct service_port ports[SERVICE_PORTS_MAX];
	struct service_config config = {
		.name = group->name,
		.soft_limit =
			(uint32_t)json_int_or(group->body, "soft_limit", 1),
		.hard_limit =
			(uint32_t)json_int_or(group->body, "hard_limit", 65535),
		.ports = ports,
	};
	json_t *s;
	size_t i;

	json_array_foreach (list, i, s) {
		struct service_port *port = &ports[config.nports];
		service_protocol *protocol;

		if (config.nports == SERVICE_PORTS_MAX ||
		    find_protocol(s, &protocol))
			return err_set(e, EINVAL, "a bad service");
		*port = (struct service_port){
			.port = (uint16_t)json_int_or(s, "port", 0),
			.guest = (uint16_t)guest_port(s),
			.protocol = protocol,
		};
		if (set_proxy(s, port))
			return err_set(e, EINVAL, "a bad network");
		if (inet_pton(AF_INET, json_str_or(s, "ip", "0.0.0.0"),
			      &port->ip) != 1)
			return err_set(e, EINVAL, "a bad address");
		config.nports++;
	}
	list_domains(d, group, &domains);
	if (make_certificate(d, group, &domains, e))
		return -e->code;
	add_paths(group, &domains);
	config.ndomains = (uint32_t)domains.count;
	config.domains = (const char *const *)domains.items;
	return service_set(&config, e);
}

void service_withdraw(struct daemon *d, const struct db_object *group)
{
	certs_remove(d->certs, group->uuid);
	service_remove(group->name);
}

static int find_group(struct daemon *d, const struct db_object *instance,
		      struct db_object *group)
{
	const char *uuid = json_str_or(
		json_object_get(instance->body, "service_group"), "uuid", NULL);

	return uuid ? db_find(d->db, DB_SERVICE, NULL, uuid, NULL, group, NULL)
		    : -ENOENT;
}

int service_join(struct daemon *d, const struct db_object *instance,
		 struct err *e)
{
	cleanup_db_object struct db_object group = DB_OBJECT_INIT;
	int r;

	if (find_group(d, instance, &group))
		return 0;
	r = service_add(group.name, (uint64_t)instance->seq,
			json_str_or(instance->body, "record", ""));
	return r && r != -EEXIST ? err_sys(e, -r, "service %s", group.name) : 0;
}

void service_leave(struct daemon *d, const struct db_object *instance)
{
	cleanup_db_object struct db_object group = DB_OBJECT_INIT;
	cleanup_db_list struct db_list others = { 0 };

	if (find_group(d, instance, &group))
		return;
	service_drop(group.name, (uint64_t)instance->seq);
	if (json_is_true(json_object_get(group.body, "persistent")) ||
	    db_list_by(d->db, DB_INSTANCE, DB_BY_GROUP, group.uuid, &others,
		       NULL))
		return;
	for (size_t i = 0; i < others.count; i++)
		if (others.items[i].seq != instance->seq)
			return;
	service_withdraw(d, &group);
	db_remove(d->db, group.uuid, NULL);
}

/* An instance that was asked for and does not run. */
struct wanted {
	struct daemon *daemon;
	uint64_t number;
};

static int start_wanted(struct daemon *d, uint64_t number, struct err *e)
{
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	int r = db_find_seq(d->db, (int64_t)number, &o, e);
	char uuid[UUID_SIZE];

	if (r)
		return r;
	memcpy(uuid, o.uuid, UUID_SIZE);
	daemon_hold(d, uuid);
	/* as it is now that it is held */
	db_object_fini(&o);
	r = db_find_seq(d->db, (int64_t)number, &o, e);
	if (!r && strcmp(json_str_or(o.body, "wanted", ""), "running") != 0)
		r = err_set(e, EHOSTDOWN, "%s is stopped", o.name);
	if (!r)
		r = instance_launch(d, &o, e);
	daemon_release(d, uuid);
	return r == -EALREADY ? 0 : r;
}

static void start_job(void *arg)
{
	struct wanted *w = arg;
	struct err e = ERR_INIT;
	int r = start_wanted(w->daemon, w->number, &e);

	if (r)
		log_warning("start on request: %s", e.msg);
	service_instance_started(w->number, r);
	free(w);
}

static void on_no_room(void *arg)
{
	struct wanted *w = arg;

	service_instance_started(w->number, -EAGAIN);
	free(w);
}

/* The service is locked: it cannot be told from here that there is no room. */
static void on_wanted(void *arg, uint64_t number)
{
	struct daemon *d = arg;
	struct wanted *w = xmalloc(sizeof(*w));

	*w = (struct wanted){ .daemon = d, .number = number };
	if (jobs_submit(d->jobs, d->loop, start_job, NULL, w))
		loop_post(d->loop, on_no_room, w);
}

static void *lane_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int tell_all(struct daemon *d, struct err *e)
{
	cleanup_db_list struct db_list groups = { 0 }, instances = { 0 };

	if (db_list(d->db, DB_SERVICE, NULL, false, NULL, &groups, e) ||
	    db_list(d->db, DB_INSTANCE, NULL, false, NULL, &instances, e))
		return -e->code;
	for (size_t i = 0; i < groups.count; i++) {
		struct err bad = ERR_INIT;

		if (service_apply(d, &groups.items[i], &bad))
			log_error("service=%s: %s", groups.items[i].name,
				  bad.msg);
	}
	for (size_t i = 0; i < instances.count; i++)
		service_join(d, &instances.items[i], NULL);
	return 0;
}

static int run_lanes(struct loop *const *loops, unsigned int n, struct err *e)
{
	for (unsigned int i = 0; i < n; i++) {
		pthread_t thread;
		int r = pthread_create(&thread, NULL, lane_main, loops[i]);

		if (r)
			return err_sys(e, r, "gateway");
		pthread_detach(thread);
	}
	return 0;
}

int services_open(struct daemon *d, struct err *e)
{
	const struct service_ops ops = { .start = on_wanted, .arg = d };
	long ncpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct loop *loops[LANES_MAX];
	unsigned int n = (unsigned int)MIN(MAX(ncpus, 1), LANES_MAX);

	for (unsigned int i = 0; i < n; i++) {
		int r = loop_new(&loops[i]);

		if (r)
			return err_sys(e, -r, "gateway");
	}
	if (services_start(d->store.path, loops, n, d->jobs, &ops, e) ||
	    protocols_start(loops, n, d->certs, e))
		return -e->code;
	/* All is told before the first connection is looked at. */
	if (tell_all(d, e) || certificates_load(d, e) || run_lanes(loops, n, e))
		return -e->code;
	d->is_ready = true;
	return 0;
}

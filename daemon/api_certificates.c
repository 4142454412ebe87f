/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/certificates: uploaded chains and keys. The gateway checks and uses them;
 * the database keeps them. A key is never told again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/api.h"
#include "gateway/certs.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

static int put(struct call *c, const struct db_object *o,
	       struct cert_info *info, struct err *e)
{
	const struct cert_pem pem = {
		.chain = (char *)json_str_or(o->body, "chain", ""),
		.key = (char *)json_str_or(o->body, "pkey", ""),
	};

	return certs_put(c->daemon->certs, o->uuid, &pem, false, info, e);
}

static void describe(const struct db_object *o, json_t *item)
{
	static const char *const keys[] = { "common_name", "subject",
					    "issuer",	   "serial_number",
					    "not_before",  "not_after" };

	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set_new(item, "state", json_string("valid"));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(item, keys[i],
				json_object_get(o->body, keys[i]));
}

/* A name that another user's certificate has is not to be taken from it. */
static int check_names(struct call *c, const struct db_object *o, struct err *e)
{
	cleanup_strv struct strv ids = STRV_INIT;

	if (certs_of_names(c->daemon->certs, json_str_or(o->body, "chain", ""),
			   &ids, e))
		return api_fail(e, API_INVALID, "%s", e->msg);
	for (size_t i = 0; i < ids.count; i++) {
		cleanup_db_object struct db_object other = DB_OBJECT_INIT;

		if (!db_find(c->daemon->db, DB_CERTIFICATE, NULL, ids.items[i],
			     NULL, &other, NULL) &&
		    strcmp(other.owner, o->owner) != 0)
			return api_fail(e, API_NOT_ALLOWED,
					"Another user has a certificate of "
					"that name");
	}
	return 0;
}

/* Check it, and put what it says of itself into the body. */
static int read_certificate(struct call *c, struct db_object *o, struct err *e)
{
	struct cert_info info;
	int r;

	db_lock(c->daemon->db); /* two at once do not both find it free */
	r = check_names(c, o, e);
	if (!r && put(c, o, &info, e))
		r = api_fail(e, API_INVALID, "%s", e->msg);
	db_unlock(c->daemon->db);
	if (r)
		return r;
	json_object_set_new(o->body, "common_name",
			    json_text(info.common_name));
	json_object_set_new(o->body, "subject", json_text(info.subject));
	json_object_set_new(o->body, "issuer", json_text(info.issuer));
	json_object_set_new(o->body, "serial_number", json_text(info.serial));
	json_object_set_new(o->body, "not_before",
			    api_time(info.not_before * 1000));
	json_object_set_new(o->body, "not_after",
			    api_time(info.not_after * 1000));
	return 0;
}

int certificate_post(struct call *c, struct db_object *none, const json_t *arg,
		     json_t *item, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_CERTIFICATE };
	const char *cn =
		json_str_or(arg, "common_name", json_str_or(arg, "cn", NULL));
	int r = api_take_name(arg, o.name, e);

	(void)none;
	if (r)
		return r;
	uuid_generate(o.uuid);
	memcpy(o.owner, c->user, UUID_SIZE);
	o.body = json_pack("{s:O, s:O}", "chain", json_object_get(arg, "chain"),
			   "pkey", json_object_get(arg, "pkey"));
	r = read_certificate(c, &o, e);
	if (!r && cn &&
	    strcasecmp(cn, json_str_or(o.body, "common_name", "")) != 0)
		r = api_fail(e, API_CERTIFICATE_CN,
			     "The certificate's common name is '%s'",
			     json_str_or(o.body, "common_name", ""));
	if (!r)
		r = db_insert(c->daemon->db, &o, e);
	if (r) {
		certs_remove(c->daemon->certs, o.uuid);
		return r == -EEXIST
			       ? api_fail(e, API_EXISTS,
					  "A certificate with name '%s' exists",
					  o.name)
			       : r;
	}
	json_object_set_new(item, "uuid", json_string(o.uuid));
	json_object_set_new(item, "name", json_string(o.name));
	describe(&o, item);
	return 0;
}

int certificate_get(struct call *c, struct db_object *o, const json_t *arg,
		    json_t *item, struct err *e)
{
	(void)c;
	(void)arg;
	(void)e;
	describe(o, item);
	return 0;
}

int certificate_put(struct call *c, struct db_object *o, const json_t *arg,
		    json_t *item, struct err *e)
{
	int r;

	json_object_set(o->body, "chain", json_object_get(arg, "chain"));
	json_object_set(o->body, "pkey", json_object_get(arg, "pkey"));
	r = read_certificate(c, o, e);
	if (!r)
		r = db_update(c->daemon->db, o, e);
	if (!r)
		describe(o, item);
	return r;
}

int certificate_delete(struct call *c, struct db_object *o, const json_t *arg,
		       json_t *item, struct err *e)
{
	int r = db_remove(c->daemon->db, o->uuid, e);

	(void)arg;
	(void)item;
	if (!r)
		certs_remove(c->daemon->certs, o->uuid);
	return r;
}

int certificates_load(struct daemon *d, struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };
	struct call c = { .daemon = d };
	struct cert_info info;

	if (db_list(d->db, DB_CERTIFICATE, NULL, false, NULL, &all, e))
		return -e->code;
	for (size_t i = 0; i < all.count; i++) {
		struct err bad = ERR_INIT;

		if (put(&c, &all.items[i], &info, &bad))
			log_warning("certificate=%s: %s", all.items[i].name,
				    bad.msg);
	}
	return 0;
}

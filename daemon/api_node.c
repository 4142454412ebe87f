/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What concerns the daemon itself: its health, and the OpenAPI document, made
 * from the tables of routes and schemas.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api.h"
#include "daemon/schema.h"
#include "engine/version.h"
#include "host/json.h"

int node_healthz(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	json_t *answer = json_pack("{s:s, s:{s:{s:s}, s:{s:s}}, s:i}", "status",
				   "success", "data", "checks", "database",
				   "healthy", "versions", "jiffyd",
				   JIFFY_VERSION, "op_time_us", 0);
	struct api_response *rs = c->response;

	(void)o;
	(void)arg;
	(void)item;
	(void)e;
	rs->status = 200;
	rs->type = "application/json";
	rs->body = json_dumps(answer, JSON_COMPACT);
	rs->body_len = strlen(rs->body);
	json_decref(answer);
	return 0;
}

static json_t *parameters(const struct route *r)
{
	json_t *list = json_array(), *v;
	json_t *query = schema_openapi(r->query);
	const char *key;

	for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
		json_array_append_new(
			list,
			json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", p + 1,
				  strcspn(p + 1, "}"), "in", "path", "required",
				  1, "schema", "type", "string"));
	json_object_foreach (json_object_get(query, "properties"), key, v)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:O}", "name", key,
						"in", "query", "schema", v));
	json_decref(query);
	return list;
}

/* What answers otherwise than with the envelope when all went well. */
static const char *media_of(const struct route *r)
{
	return r->handler == instance_exec	 ? "application/x-ndjson"
	       : r->handler == instance_file_get ? "application/octet-stream"
						 : NULL;
}

static json_t *answers(const struct route *r)
{
	const char *media = media_of(r);
	json_t *ok = json_pack("{s:s}", "description", r->summary);
	json_t *bad = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description",
				"It was refused", "content", "application/json",
				"schema", "$ref",
				"#/components/schemas/envelope");

	if (*r->key)
		json_object_set_new(
			ok, "content",
			json_pack("{s:{s:{s:s}}}", "application/json", "schema",
				  "$ref", "#/components/schemas/envelope"));
	if (media)
		json_object_set_new(json_object_get(ok, "content"), media,
				    json_pack("{s:{s:s, s:s}}", "schema",
					      "type", "string", "format",
					      "binary"));
	return json_pack("{s:o, s:o}", "200", ok, "default", bad);
}

static json_t *operation(const struct route *r)
{
	json_t *op = json_pack("{s:s, s:o, s:o}", "summary", r->summary,
			       "parameters", parameters(r), "responses",
			       answers(r));
	json_t *ref;

	if (r->permission == API_PUBLIC)
		json_object_set_new(op, "security", json_array());
	if (r->body == &schema_bytes)
		json_object_set_new(
			op, "requestBody",
			json_pack("{s:{s:{s:{s:s, s:s}}}}", "content",
				  "application/octet-stream", "schema", "type",
				  "string", "format", "binary"));
	if (!r->body->fields->name)
		return op;
	ref = json_pack("{s:o}", "$ref",
			json_sprintf("#/components/schemas/%s", r->body->name));
	json_object_set_new(op, "requestBody",
			    json_pack("{s:{s:{s:{s:[O, {s:s, s:O}]}}}}",
				      "content", "application/json", "schema",
				      "oneOf", ref, "type", "array", "items",
				      ref));
	json_decref(ref);
	return op;
}

static json_t *envelope(void)
{
	return json_pack(
		"{s:s, s:[s,s], s:{s:{s:s, s:[s,s,s]}, s:{s:s}, s:{s:s}, "
		"s:{s:s, s:{s:s}}, s:{s:s}}}",
		"type", "object", "required", "status", "op_time_us",
		"properties", "status", "type", "string", "enum", "success",
		"error", "partial_success", "message", "type", "string", "data",
		"type", "object", "errors", "type", "array", "items", "type",
		"object", "op_time_us", "type", "integer");
}

json_t *openapi_document(void)
{
	json_t *paths = json_object();
	json_t *schemas = schema_openapi_all();

	json_object_set_new(schemas, "envelope", envelope());
	for (const struct route *r = api_routes; r->method; r++) {
		json_t *path = json_object_get(paths, r->path);
		char method[8];
		size_t i;

		if (!path) {
			path = json_object();
			json_object_set_new(paths, r->path, path);
		}
		for (i = 0; r->method[i] && i < sizeof(method) - 1; i++)
			method[i] = (char)(r->method[i] | 0x20);
		method[i] = '\0';
		json_object_set_new(path, method, operation(r));
	}
	return json_pack(
		"{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s}}}, "
		"s:[{s:[]}]}",
		"openapi", "3.0.3", "info", "title", "Jiffy", "description",
		"The API of jiffyd", "version", JIFFY_VERSION, "paths", paths,
		"components", "schemas", schemas, "securitySchemes", "bearer",
		"type", "http", "scheme", "bearer", "security", "bearer");
}

/* Routes that clients know and that are not built. */
int node_absent(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	(void)o;
	(void)arg;
	(void)item;
	(void)e;
	json_array_append_new(c->items,
			      json_pack("{s:s, s:s+, s:i}", "status", "error",
					"message", c->route->path,
					" is not supported", "error",
					API_NOT_SUPPORTED));
	api_answer(c);
	return 0;
}

int node_openapi(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	json_t *document = openapi_document();
	struct api_response *rs = c->response;

	(void)o;
	(void)arg;
	(void)item;
	if (!document)
		return err_set(e, EIO, "no document");
	rs->status = 200;
	rs->type = "application/json";
	rs->body = json_dumps(document, JSON_INDENT(1));
	rs->body_len = rs->body ? strlen(rs->body) : 0;
	json_decref(document);
	return 0;
}

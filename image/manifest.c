/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image manifests: strict parser, writer, digest. Fuzzed by
 * tests/fuzz/fuzz_manifest.c.
 */
#include "image/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "host/signame.h"
#include "host/xmalloc.h"
#include "image/ref.h"

#define LIST_MAX 1024 /* arguments, variables, ports, labels: each */
#define ROOT_SIZE_MAX (INT64_C(1) << 44)
#define BLOCK_SIZE 4096

void manifest_init(struct manifest *m, const char *name)
{
	memset(m, 0, sizeof(*m));
	m->name = xstrdup(name);
	m->created = xstrdup("1970-01-01T00:00:00Z");
	m->user = xstrdup("");
	m->workdir = xstrdup("/");
	m->stop_signal = xstrdup("SIGTERM");
}

void manifest_fini(struct manifest *m)
{
	free(m->name);
	free(m->created);
	free(m->user);
	free(m->workdir);
	free(m->stop_signal);
	strv_fini(&m->entrypoint);
	strv_fini(&m->cmd);
	strv_fini(&m->env);
	strv_fini(&m->exposed);
	strv_fini(&m->label_names);
	strv_fini(&m->label_values);
	memset(m, 0, sizeof(*m));
}

int manifest_check_env(const char *entry, struct err *e)
{
	if (entry[0] == '=' || !strchr(entry, '='))
		return err_set(e, EINVAL, "'%.60s' is not NAME=VALUE", entry);
	return 0;
}

int manifest_check_port(const char *port, struct err *e)
{
	char *end;
	long n;

	if (port[0] < '1' || port[0] > '9')
		return err_set(e, EINVAL, "'%.40s' is not PORT/tcp", port);
	n = strtol(port, &end, 10);
	if (n > 65535 || (strcmp(end, "/tcp") && strcmp(end, "/udp")))
		return err_set(e, EINVAL, "'%.40s' is not PORT/tcp or /udp",
			       port);
	return 0;
}

static int get_text(const json_t *obj, const char *key, char **out,
		    struct err *e)
{
	const char *s;
	int r;

	r = json_get_str(obj, "", key, &s, e);
	if (r < 0)
		return r;
	*out = xstrdup(s);
	return 0;
}

/* A list whose every item passes check (which may be NULL). */
static int get_list(const json_t *obj, const char *key, struct strv *out,
		    int (*check)(const char *, struct err *), struct err *e)
{
	int r;

	r = json_get_strv(obj, "", key, out, e);
	if (r < 0)
		return r;
	if (out->count > LIST_MAX)
		return err_set(e, E2BIG, "%s: more than %d items", key,
			       LIST_MAX);
	for (size_t i = 0; check && i < out->count; i++) {
		r = check(out->items[i], e);
		if (r < 0)
			return err_wrap(e, "%s[%zu]", key, i);
	}
	return 0;
}

static int get_labels(const json_t *obj, struct manifest *m, struct err *e)
{
	json_t *labels;
	json_t *value;
	const char *key;
	int r;

	r = json_get_obj(obj, "", "labels", &labels, e);
	if (r < 0)
		return r;
	if (json_object_size(labels) > LIST_MAX)
		return err_set(e, E2BIG, "labels: more than %d", LIST_MAX);
	json_object_foreach (labels, key, value) {
		if (!json_is_string(value))
			return err_set(e, EINVAL,
				       "labels.%.64s: expected a string", key);
		strv_add(&m->label_names, key);
		strv_add(&m->label_values, json_string_value(value));
	}
	return 0;
}

static int get_root(const json_t *obj, struct manifest *m, struct err *e)
{
	static const char *const keys[] = { "file", "size", "sha256", NULL };
	const char *text;
	json_t *root;
	int64_t size;
	int r;

	r = json_get_obj(obj, "", "root", &root, e);
	if (!r)
		r = json_only(root, "root", keys, e);
	if (!r)
		r = json_get_str(root, "root", "file", &text, e);
	if (r < 0)
		return r;
	if (strcmp(text, MANIFEST_ROOT) != 0)
		return err_set(e, EINVAL, "root.file: expected '%s'",
			       MANIFEST_ROOT);
	r = json_get_int(root, "root", "size", BLOCK_SIZE, ROOT_SIZE_MAX, &size,
			 e);
	if (!r)
		r = json_get_str(root, "root", "sha256", &text, e);
	if (r < 0)
		return r;
	if (size % BLOCK_SIZE)
		return err_set(e, EINVAL, "root.size: not a multiple of %d",
			       BLOCK_SIZE);
	if (!ref_is_hex(text, SHA256_HEX_SIZE - 1))
		return err_set(e, EINVAL,
			       "root.sha256: expected 64 hex digits");
	m->root_size = (uint64_t)size;
	memcpy(m->root_sha256, text, SHA256_HEX_SIZE);
	return 0;
}

static int check_texts(const struct manifest *m, struct err *e)
{
	if (!ref_name_ok(m->name, strlen(m->name)))
		return err_set(e, EINVAL, "name: '%.60s' is not a valid name",
			       m->name);
	if (strlen(m->created) < 20 || strlen(m->created) > 40)
		return err_set(e, EINVAL, "created: expected a UTC time");
	if (m->workdir[0] != '/')
		return err_set(e, EINVAL, "workdir: expected an absolute path");
	if (strlen(m->workdir) >= 4096)
		return err_set(e, EINVAL, "workdir: too long");
	if (signame_parse(m->stop_signal) < 0)
		return err_set(e, EINVAL, "stop_signal: unknown signal '%.20s'",
			       m->stop_signal);
	return 0;
}

static int check_kind(const json_t *obj, struct err *e)
{
	static const char *const keys[] = {
		"schema",     "name",	 "created", "architecture",
		"entrypoint", "cmd",	 "env",	    "user",
		"workdir",    "exposed", "labels",  "stop_signal",
		"root",	      NULL,
	};
	const char *arch;
	int64_t schema;
	int r;

	r = json_get_int(obj, "", "schema", 0, INT32_MAX, &schema, e);
	if (r < 0)
		return r;
	if (schema != MANIFEST_SCHEMA)
		return err_set(e, EPROTO,
			       "schema: %lld is not known to this version",
			       (long long)schema);
	r = json_only(obj, "", keys, e);
	if (!r)
		r = json_get_str(obj, "", "architecture", &arch, e);
	if (!r && strcmp(arch, "amd64") != 0)
		r = err_set(e, EINVAL, "architecture: '%.20s' is not amd64",
			    arch);
	return r;
}

static int fill(const json_t *obj, struct manifest *m, struct err *e)
{
	int r;

	r = check_kind(obj, e);
	if (!r)
		r = get_text(obj, "name", &m->name, e);
	if (!r)
		r = get_text(obj, "created", &m->created, e);
	if (!r)
		r = get_list(obj, "entrypoint", &m->entrypoint, NULL, e);
	if (!r)
		r = get_list(obj, "cmd", &m->cmd, NULL, e);
	if (!r)
		r = get_list(obj, "env", &m->env, manifest_check_env, e);
	if (!r)
		r = get_text(obj, "user", &m->user, e);
	if (!r)
		r = get_text(obj, "workdir", &m->workdir, e);
	if (!r)
		r = get_list(obj, "exposed", &m->exposed, manifest_check_port,
			     e);
	if (!r)
		r = get_labels(obj, m, e);
	if (!r)
		r = get_text(obj, "stop_signal", &m->stop_signal, e);
	if (!r)
		r = get_root(obj, m, e);
	return r ? r : check_texts(m, e);
}

int manifest_parse(const char *what, const char *text, size_t len,
		   struct manifest *m, struct err *e)
{
	cleanup_json json_t *obj = NULL;
	int r;

	memset(m, 0, sizeof(*m));
	if (len > MANIFEST_SIZE_MAX)
		return err_set(e, EFBIG, "%s: larger than %d bytes", what,
			       MANIFEST_SIZE_MAX);
	r = json_parse(what, text, len, &obj, e);
	if (r < 0)
		return r;
	r = fill(obj, m, e);
	if (r < 0) {
		manifest_fini(m);
		return err_wrap(e, "%s", what);
	}
	return 0;
}

static json_t *labels_json(const struct manifest *m)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < m->label_names.count; i++)
		json_object_set_new(labels, m->label_names.items[i],
				    json_text(m->label_values.items[i]));
	return labels;
}

json_t *manifest_json(const struct manifest *m)
{
	json_t *obj = json_object();
	json_t *root = json_object();

	json_object_set_new(root, "file", json_string(MANIFEST_ROOT));
	json_object_set_new(root, "size",
			    json_integer((json_int_t)m->root_size));
	json_object_set_new(root, "sha256", json_string(m->root_sha256));

	json_object_set_new(obj, "schema", json_integer(MANIFEST_SCHEMA));
	json_object_set_new(obj, "name", json_text(m->name));
	json_object_set_new(obj, "created", json_text(m->created));
	json_object_set_new(obj, "architecture", json_string("amd64"));
	json_object_set_new(obj, "entrypoint", json_from_strv(&m->entrypoint));
	json_object_set_new(obj, "cmd", json_from_strv(&m->cmd));
	json_object_set_new(obj, "env", json_from_strv(&m->env));
	json_object_set_new(obj, "user", json_text(m->user));
	json_object_set_new(obj, "workdir", json_text(m->workdir));
	json_object_set_new(obj, "exposed", json_from_strv(&m->exposed));
	json_object_set_new(obj, "labels", labels_json(m));
	json_object_set_new(obj, "stop_signal", json_text(m->stop_signal));
	json_object_set_new(obj, "root", root);
	return obj;
}

void manifest_digest(const struct manifest *m, char hex[SHA256_HEX_SIZE])
{
	cleanup_json json_t *obj = manifest_json(m);
	cleanup_free char *text = NULL;
	struct sha256 h;

	json_object_del(obj, "created");
	text = json_dumps(obj, JSON_COMPACT | JSON_SORT_KEYS);
	sha256_init(&h);
	if (text)
		sha256_add(&h, text, strlen(text));
	sha256_hex(&h, hex);
}

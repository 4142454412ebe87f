/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading OCI image layouts. An index may hold further indexes (one per
 * platform); Docker's media types mean the same as OCI's.
 */
#include "image/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/signame.h"
#include "host/xmalloc.h"

#define NESTING_MAX 4
#define REF_NAME "org.opencontainers.image.ref.name"

void oci_image_fini(struct oci_image *image)
{
	free(image->layers);
	memset(image, 0, sizeof(*image));
}

int oci_parse_blob(const json_t *obj, const char *at, struct oci_blob *blob,
		   struct err *e)
{
	const char *digest;
	int64_t size;
	int r;

	if (!json_is_object(obj))
		return err_set(e, EINVAL, "%s: expected an object", at);
	r = json_get_str(obj, at, "digest", &digest, e);
	if (!r)
		r = json_get_int(obj, at, "size", 0, INT64_MAX, &size, e);
	if (r < 0)
		return r;
	if (strncmp(digest, "sha256:", 7) != 0 ||
	    !ref_is_hex(digest + 7, SHA256_HEX_SIZE - 1))
		return err_set(e, EINVAL,
			       "%s.digest: '%.80s' is not sha256:<64 digits>",
			       at, digest);
	memcpy(blob->sha256, digest + 7, SHA256_HEX_SIZE);
	blob->size = (uint64_t)size;
	snprintf(blob->type, sizeof(blob->type), "%s",
		 json_str_or(obj, "mediaType", ""));
	return 0;
}

int oci_open_blob(int layout, const struct oci_blob *blob, struct err *e)
{
	cleanup_free char *path = xasprintf("blobs/sha256/%s", blob->sha256);
	int fd = openat(layout, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "blob %.12s", blob->sha256) : fd;
}

/* Read a blob that is a JSON document, after checking its digest. */
static int read_document(int layout, const struct oci_blob *blob,
			 const char *what, json_t **obj, struct err *e)
{
	cleanup_free char *path = xasprintf("blobs/sha256/%s", blob->sha256);
	cleanup_free char *text = NULL;
	char hex[SHA256_HEX_SIZE];
	struct sha256 h;
	size_t len;
	int r;

	r = io_read_file(layout, path, OCI_DOCUMENT_MAX, &text, &len, e);
	if (r < 0)
		return err_wrap(e, "%s", what);
	sha256_init(&h);
	sha256_add(&h, text, len);
	sha256_hex(&h, hex);
	if (strcmp(hex, blob->sha256) != 0)
		return err_set(e, EINVAL,
			       "%s: digest mismatch: content is "
			       "sha256:%.16s…, expected %.16s…",
			       what, hex, blob->sha256);
	return json_parse(what, text, len, obj, e);
}

static bool is_index(const struct oci_blob *blob)
{
	return strstr(blob->type, "image.index") ||
	       strstr(blob->type, "manifest.list");
}

/* An entry without platform may be anything: it counts as ours. */
static bool platform_fits(const json_t *entry)
{
	const json_t *platform = json_object_get(entry, "platform");

	return !platform ||
	       (!strcmp(json_str_or(platform, "os", ""), "linux") &&
		!strcmp(json_str_or(platform, "architecture", ""), "amd64"));
}

static bool tag_fits(const json_t *entry, const char *tag)
{
	const json_t *notes = json_object_get(entry, "annotations");
	const char *name = json_str_or(notes, REF_NAME, "");
	const char *colon = strrchr(name, ':');

	if (!tag)
		return true;
	/* some tools write the whole name, some the tag alone */
	return !strcmp(name, tag) || (colon && !strcmp(colon + 1, tag));
}

/* The one entry of an index that fits, in *blob. */
static int choose(const json_t *index, const char *tag, struct oci_blob *blob,
		  struct err *e)
{
	struct oci_blob other;
	json_t *manifests;
	json_t *entry;
	unsigned found = 0;
	size_t i;
	int r;

	r = json_get_array(index, "", "manifests", &manifests, e);
	if (r < 0)
		return r;
	json_array_foreach (manifests, i, entry) {
		char at[40];

		if (!platform_fits(entry) || !tag_fits(entry, tag))
			continue;
		snprintf(at, sizeof(at), "manifests[%zu]", i);
		r = oci_parse_blob(entry, at, found ? &other : blob, e);
		if (r < 0)
			return r;
		if (found && !strcmp(other.sha256, blob->sha256))
			continue;
		found++;
	}
	if (!found && tag)
		return err_set(e, ENOENT, "no linux/amd64 image with tag '%s'",
			       tag);
	if (!found)
		return err_set(e, ENOENT, "no linux/amd64 image");
	if (found > 1 && tag)
		return err_set(e, EINVAL, "%u images with tag '%s'", found,
			       tag);
	if (found > 1)
		return err_set(e, EINVAL, "%u images: add :TAG to choose one",
			       found);
	return 0;
}

static int parse_layers(const json_t *obj, struct oci_image *image,
			struct err *e)
{
	json_t *layers;
	json_t *layer;
	size_t i;
	int r;

	r = json_get_array(obj, "", "layers", &layers, e);
	if (r < 0)
		return r;
	if (json_array_size(layers) > OCI_LAYERS_MAX)
		return err_set(e, E2BIG, "layers: more than %d",
			       OCI_LAYERS_MAX);
	image->layers =
		xcalloc(json_array_size(layers), sizeof(struct oci_blob));
	json_array_foreach (layers, i, layer) {
		char at[32];

		snprintf(at, sizeof(at), "layers[%zu]", i);
		r = oci_parse_blob(layer, at, &image->layers[i], e);
		if (r < 0)
			return r;
		image->nlayers++;
	}
	return 0;
}

static int read_manifest(int layout, struct oci_image *image, struct err *e)
{
	cleanup_json json_t *obj = NULL;
	int r;

	r = read_document(layout, &image->manifest, "image manifest", &obj, e);
	if (r < 0)
		return r;
	r = oci_parse_blob(json_object_get(obj, "config"), "config",
			   &image->config, e);
	if (!r)
		r = parse_layers(obj, image, e);
	return r < 0 ? err_wrap(e, "image manifest") : 0;
}

static int check_layout(int layout, struct err *e)
{
	cleanup_json json_t *obj = NULL;
	const char *version;
	int r;

	r = json_read(layout, "oci-layout", 4096, &obj, e);
	if (!r)
		r = json_get_str(obj, "", "imageLayoutVersion", &version, e);
	if (r < 0)
		return err_wrap(e, "not an OCI image layout");
	if (strncmp(version, "1.", 2) != 0)
		return err_set(e, EPROTO, "oci-layout: version '%.20s'",
			       version);
	return 0;
}

int oci_find(int layout, const char *tag, struct oci_image *image,
	     struct err *e)
{
	cleanup_json json_t *index = NULL;
	int r;

	memset(image, 0, sizeof(*image));
	r = check_layout(layout, e);
	if (!r)
		r = json_read(layout, "index.json", OCI_DOCUMENT_MAX, &index,
			      e);
	if (!r)
		r = choose(index, tag, &image->manifest, e);
	for (int i = 0; !r && is_index(&image->manifest); i++) {
		cleanup_json json_t *inner = NULL;

		if (i == NESTING_MAX)
			return err_set(e, ELOOP, "indexes nested too deep");
		r = read_document(layout, &image->manifest, "index", &inner, e);
		if (!r)
			r = choose(inner, NULL, &image->manifest, e);
	}
	if (r < 0)
		return r;
	r = read_manifest(layout, image, e);
	if (r < 0)
		oci_image_fini(image);
	return r;
}

static int optional_strv(const json_t *config, const char *key,
			 struct strv *out, struct err *e)
{
	return json_has(config, key)
		       ? json_get_strv(config, "config", key, out, e)
		       : 0;
}

static void optional_text(const json_t *config, const char *key, char **out)
{
	const char *text = json_str_or(config, key, "");

	if (!*text)
		return;
	free(*out);
	*out = xstrdup(text);
}

static int take_ports(const json_t *config, struct manifest *m, struct err *e)
{
	json_t *ports = json_object_get(config, "ExposedPorts");
	const char *key;
	json_t *value;

	json_object_foreach (ports, key, value) {
		cleanup_free char *port =
			xasprintf("%s%s", key, strchr(key, '/') ? "" : "/tcp");

		if (manifest_check_port(port, e) < 0)
			return err_wrap(e, "config.ExposedPorts");
		strv_add(&m->exposed, port);
	}
	strv_sort(&m->exposed);
	return 0;
}

static int take_labels(const json_t *config, struct manifest *m, struct err *e)
{
	json_t *labels = json_object_get(config, "Labels");
	const char *key;
	json_t *value;

	json_object_foreach (labels, key, value) {
		if (!json_is_string(value))
			return err_set(e, EINVAL,
				       "config.Labels.%.60s: expected a string",
				       key);
		strv_add(&m->label_names, key);
		strv_add(&m->label_values, json_string_value(value));
	}
	return 0;
}

static int check_config(const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->env.count; i++)
		if (manifest_check_env(m->env.items[i], e) < 0)
			return err_wrap(e, "config.Env[%zu]", i);
	if (m->workdir[0] != '/')
		return err_set(e, EINVAL, "config.WorkingDir: not absolute");
	if (signame_parse(m->stop_signal) < 0)
		return err_set(e, EINVAL,
			       "config.StopSignal: unknown signal '%.20s'",
			       m->stop_signal);
	return 0;
}

int oci_parse_config(const json_t *obj, struct manifest *m, struct err *e)
{
	const char *os = json_str_or(obj, "os", "linux");
	const char *arch = json_str_or(obj, "architecture", "amd64");
	const json_t *config = json_object_get(obj, "config");
	int r;

	if (strcmp(os, "linux") != 0 || strcmp(arch, "amd64") != 0)
		return err_set(e, EINVAL, "the image is for %.20s/%.20s", os,
			       arch);
	if (!json_is_object(config))
		return 0; /* nothing to run by default */
	r = optional_strv(config, "Entrypoint", &m->entrypoint, e);
	if (!r)
		r = optional_strv(config, "Cmd", &m->cmd, e);
	if (!r)
		r = optional_strv(config, "Env", &m->env, e);
	if (!r)
		r = take_ports(config, m, e);
	if (!r)
		r = take_labels(config, m, e);
	if (r < 0)
		return r;
	optional_text(config, "User", &m->user);
	optional_text(config, "WorkingDir", &m->workdir);
	optional_text(config, "StopSignal", &m->stop_signal);
	return check_config(m, e);
}

int oci_read_config(int layout, const struct oci_image *image,
		    struct manifest *m, struct err *e)
{
	cleanup_json json_t *obj = NULL;
	int r;

	r = read_document(layout, &image->config, "image config", &obj, e);
	if (!r && oci_parse_config(obj, m, e) < 0)
		r = err_wrap(e, "image config");
	return r;
}

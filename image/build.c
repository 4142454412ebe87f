/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build: look into the cache, let the source make a tree, turn the tree
 * into a root filesystem, publish. Runs in jiffy-image, one build per process.
 *
 * The cache maps what the source is made from to an image without the user's
 * changes; an image with changes shares its root file by a hard link.
 */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/log.h"
#include "host/signame.h"
#include "host/xmalloc.h"
#include "image/copy.h"
#include "image/erofs.h"
#include "image/progress.h"

/* Bump when images of the same source come out differently. */
#define CACHE_VERSION "jiffy image 1"

static const struct {
	const char *scheme;
	const struct source_class *class;
} sources[] = {
#define SOURCE(scheme, arg, help) { #scheme ":", &src_##scheme },
#include "image/sources.h"
#undef SOURCE
};

static const struct source_class *find_class(const char *source,
					     const char **arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		size_t len = strlen(sources[i].scheme);

		if (strncmp(source, sources[i].scheme, len) != 0)
			continue;
		*arg = source + len;
		return sources[i].class;
	}
	return NULL;
}

bool build_is_source(const char *text)
{
	const char *arg;

	return find_class(text, &arg) != NULL;
}

void build_default_name(const char *source, char name[REF_NAME_MAX + 1])
{
	cleanup_free char *base = xstrdup(strchr(source, ':') + 1);
	size_t len = strlen(base);
	char *start, *cut;

	while (len > 1 && base[len - 1] == '/')
		base[--len] = '\0';
	start = strrchr(base, '/');
	start = start ? start + 1 : base;
	if (!strncmp(source, "tar:", 4)) {
		cut = strstr(start, ".tar");
		cut = cut ? cut : strstr(start, ".tgz");
	} else {
		cut = strpbrk(start, strncmp(source, "oci:", 4) ? "," : ":");
	}
	if (cut && cut != start)
		*cut = '\0';
	ref_name_from(start, name);
}

static void set_created(struct manifest *m)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	free(m->created);
	m->created = xstrdup(text);
}

static int measure_root(struct build *b, const char *file, struct err *e)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "%s", MANIFEST_ROOT);
	progress_step("computing its digest");
	return sha256_fd(fd, b->manifest.root_sha256, &b->manifest.root_size,
			 e);
}

static int make_and_publish(struct build *b, const struct source_class *class,
			    const struct strv *copies,
			    char digest[SHA256_HEX_SIZE], struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/image", b->work);
	cleanup_free char *file =
		xasprintf("%s/image/" MANIFEST_ROOT, b->work_path);
	int r;

	if (mkdirat(b->work_fd, "image", 0700) < 0)
		return err_sys(e, errno, "%s/image", b->work_path);
	r = class->make(b, e);
	if (!r)
		r = copy_into(b, copies, e);
	if (!r)
		r = erofs_make(b->tree, file, b->newest, e);
	if (!r)
		r = measure_root(b, file, e);
	if (r < 0)
		return r;
	set_created(&b->manifest);
	return store_publish(b->store, dir, &b->manifest, digest, e);
}

static void set_text(char **field, const char *value)
{
	if (!value)
		return;
	free(*field);
	*field = xstrdup(value);
}

static int set_words(struct strv *field, const char *text, const char *what,
		     struct err *e)
{
	if (!text)
		return 0;
	strv_fini(field);
	if (build_words(text, field, e) < 0)
		return err_wrap(e, "%s", what);
	return 0;
}

static int add_port(struct manifest *m, const char *port, struct err *e)
{
	cleanup_free char *full =
		xasprintf("%s%s", port, strchr(port, '/') ? "" : "/tcp");

	if (manifest_check_port(full, e) < 0)
		return err_wrap(e, "--expose");
	strv_add(&m->exposed, full);
	return 0;
}

/* packages.h has shells hung up, as SIGTERM does not end one at a terminal. */
static bool runs_shell(const struct manifest *m)
{
	return m->cmd.count == 1 && (!strcmp(m->cmd.items[0], "/bin/bash") ||
				     !strcmp(m->cmd.items[0], "/bin/dash"));
}

static int apply_changes(struct manifest *m, const struct build_changes *c,
			 struct err *e)
{
	int r;

	if ((c->entrypoint || c->cmd) && runs_shell(m))
		set_text(&m->stop_signal, "SIGTERM");
	/* as with Docker, a new entry point makes the old arguments moot */
	if (c->entrypoint && !c->cmd)
		strv_fini(&m->cmd);
	r = set_words(&m->entrypoint, c->entrypoint, "--entrypoint", e);
	if (!r)
		r = set_words(&m->cmd, c->cmd, "--cmd", e);
	if (!r && c->workdir && c->workdir[0] != '/')
		r = err_set(e, EINVAL, "--workdir: '%s' is not absolute",
			    c->workdir);
	if (!r && c->stop_signal && signame_parse(c->stop_signal) < 0)
		r = err_set(e, EINVAL, "--stop-signal: unknown signal '%.20s'",
			    c->stop_signal);
	for (size_t i = 0; !r && i < c->env.count; i++) {
		r = manifest_check_env(c->env.items[i], e);
		if (r < 0)
			return err_wrap(e, "--env");
		strv_setenv(&m->env, c->env.items[i]);
	}
	for (size_t i = 0; !r && i < c->expose.count; i++)
		r = add_port(m, c->expose.items[i], e);
	set_text(&m->user, c->user);
	set_text(&m->workdir, c->workdir);
	set_text(&m->stop_signal, c->stop_signal);
	return r;
}

static bool has_changes(const struct build_changes *c)
{
	return c->entrypoint || c->cmd || c->user || c->workdir ||
	       c->stop_signal || c->env.count || c->expose.count;
}

/* From the image digest make the one with the user's changes. */
static int derive(struct build *b, const struct build_changes *c,
		  char digest[SHA256_HEX_SIZE], struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/derived", b->work);
	cleanup_free char *root = store_root_path(b->store, digest);
	cleanup_manifest struct manifest m = { 0 };
	int r;

	r = store_load(b->store, digest, &m, e);
	if (!r)
		r = apply_changes(&m, c, e);
	if (r < 0)
		return r;
	if (mkdirat(b->work_fd, "derived", 0700) < 0 ||
	    linkat(AT_FDCWD, root, b->work_fd, "derived/" MANIFEST_ROOT, 0) < 0)
		return err_sys(e, errno, "%s", root);
	set_created(&m);
	return store_publish(b->store, dir, &m, digest, e);
}

static int begin_work(struct build *b, struct err *e)
{
	int r;

	if (b->work)
		return 0;
	r = store_work_begin(b->store, &b->work, &b->work_fd, e);
	if (r < 0)
		return r;
	b->work_path = xasprintf("%s/%s", b->store->path, b->work);
	return 0;
}

static int build_base(struct build *b, const struct source_class *class,
		      const struct strv *copies, bool no_cache,
		      char digest[SHA256_HEX_SIZE], struct err *e)
{
	char key[SHA256_HEX_SIZE];
	struct sha256 h;
	int r, unknown;

	sha256_init(&h);
	sha256_add(&h, CACHE_VERSION, sizeof(CACHE_VERSION));
	sha256_add(&h, b->manifest.name, strlen(b->manifest.name) + 1);
	unknown = class->key(b, &h, e);
	if (unknown < 0)
		return unknown;
	r = copy_key(copies, &h, e);
	if (r < 0)
		return r;
	sha256_hex(&h, key);
	if (!unknown && !no_cache && store_cache_get(b->store, key, digest))
		return 0;
	r = begin_work(b, e);
	if (!r)
		r = make_and_publish(b, class, copies, digest, e);
	if (!r && !unknown)
		r = store_cache_put(b->store, key, digest, e);
	return r;
}

static void build_fini(struct build *b, const struct source_class *class)
{
	if (class->done)
		class->done(b);
	if (b->work)
		store_work_end(b->store, b->work, &b->work_fd);
	manifest_fini(&b->manifest);
	free(b->work);
	free(b->work_path);
	free(b->tree);
}

int build_image(struct store *s, const char *source,
		const struct build_changes *changes, bool no_cache,
		char digest[SHA256_HEX_SIZE], struct err *e)
{
	struct build b = { .store = s, .source = source, .work_fd = -1 };
	const struct source_class *class;
	char name[REF_NAME_MAX + 1];
	int r;

	class = find_class(source, &b.arg);
	if (!class || !*b.arg)
		return err_set(e, EINVAL,
			       "%s: not a source (deb:PKG, dir:PATH, "
			       "tar:FILE or oci:DIR)",
			       source);
	build_default_name(source, name);
	manifest_init(&b.manifest, name);
	progress_start(source);
	r = build_base(&b, class, &changes->copies, no_cache, digest, e);
	if (!r && has_changes(changes)) {
		r = begin_work(&b, e);
		if (!r)
			r = derive(&b, changes, digest, e);
	}
	build_fini(&b, class);
	progress_stop();
	return r < 0 ? err_wrap(e, "%s", source) : 0;
}

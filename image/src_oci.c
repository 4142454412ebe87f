/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci:DIR[:TAG], an image from an OCI image layout directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/cleanup.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "image/build.h"
#include "image/oci.h"
#include "image/progress.h"
#include "image/unpack.h"

struct oci_source {
	int layout;
	struct oci_image image;
};

/* DIR may contain colons itself: the tag follows the last one, unless the
 * whole argument is a directory. */
static int open_layout(const char *arg, char **tag, struct err *e)
{
	cleanup_free char *path = xstrdup(arg);
	char *colon = strrchr(path, ':');
	int fd;

	*tag = NULL;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && colon && !strchr(colon, '/')) {
		*colon = '\0';
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*tag = xstrdup(colon + 1);
	}
	return fd < 0 ? err_sys(e, errno, "cannot read") : fd;
}

static int oci_key(struct build *b, struct sha256 *h, struct err *e)
{
	cleanup_free char *tag = NULL;
	struct oci_source *s;
	int fd;

	fd = open_layout(b->arg, &tag, e);
	if (fd < 0)
		return fd;
	s = xcalloc(1, sizeof(*s));
	s->layout = fd;
	b->state = s;
	if (oci_find(fd, tag, &s->image, e) < 0)
		return -e->code;
	sha256_add(h, "oci", 4);
	sha256_add(h, s->image.manifest.sha256, SHA256_HEX_SIZE);
	return 0;
}

static int unpack_layer(struct oci_source *s, struct unpack *u, size_t i,
			struct err *e)
{
	const struct oci_blob *layer = &s->image.layers[i];
	cleanup_close int fd = -1;
	int r;

	if (strstr(layer->type, "encrypted") || strstr(layer->type, "foreign"))
		return err_set(e, ENOTSUP, "layer %zu: type %s", i,
			       layer->type);
	progress_step("unpacking layer %zu of %zu", i + 1, s->image.nlayers);
	fd = oci_open_blob(s->layout, layer, e);
	r = fd < 0 ? fd
		   : unpack_archive(u, fd, true, layer->sha256, layer->size, e);
	return r < 0 ? err_wrap(e, "layer %zu", i) : 0;
}

static int oci_make(struct build *b, struct err *e)
{
	struct oci_source *s = b->state;
	cleanup_close int root = -1;
	struct unpack u;
	int r;

	r = oci_read_config(s->layout, &s->image, &b->manifest, e);
	if (r < 0)
		return r;
	b->tree = xasprintf("%s/root", b->work_path);
	if (mkdir(b->tree, 0755) < 0 ||
	    (root = open(b->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, errno, "%s", b->tree);
	unpack_init(&u, root);
	for (size_t i = 0; !r && i < s->image.nlayers; i++)
		r = unpack_layer(s, &u, i, e);
	if (!r)
		unpack_finish(&u);
	if (!r && u.skipped)
		log_warning("%s: %llu sockets or devices left out", b->source,
			    (unsigned long long)u.skipped);
	b->newest = u.newest;
	unpack_fini(&u);
	return r;
}

static void oci_done(struct build *b)
{
	struct oci_source *s = b->state;

	if (!s)
		return;
	oci_image_fini(&s->image);
	close(s->layout);
	free(s);
}

const struct source_class src_oci = {
	.key = oci_key,
	.make = oci_make,
	.done = oci_done,
};

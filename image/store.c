/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store on disk. Used by every command; any number of processes at
 * once.
 */
#include "image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

#define IMAGES "images/sha256"
#define PREFIX_MIN 6

static const char *const store_dirs[] = {
	"images", IMAGES, "tags", "cache", "tmp", "instances",
};

static int home_path(char **path, struct err *e)
{
	const char *home = getenv("JIFFY_HOME");

	if (home && home[0] == '/') {
		*path = xstrdup(home);
		return 0;
	}
	if (home && home[0])
		return err_set(e, EINVAL, "JIFFY_HOME: '%s' is not absolute",
			       home);
	if (geteuid() == 0) {
		*path = xstrdup("/var/lib/jiffy");
		return 0;
	}
	home = getenv("HOME");
	if (!home || home[0] != '/')
		return err_set(e, ENOENT, "neither JIFFY_HOME nor HOME is set");
	*path = xasprintf("%s/.local/share/jiffy", home);
	return 0;
}

static int make_layout(struct store *s, struct err *e)
{
	int r = io_mkdirs(s->path, 0755, e);

	if (r < 0)
		return r;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return err_sys(e, errno, "%s", s->path);
	for (size_t i = 0; i < ARRAY_SIZE(store_dirs); i++)
		if (mkdirat(s->fd, store_dirs[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "%s/%s", s->path,
				       store_dirs[i]);
	return 0;
}

int store_open(struct store *s, struct err *e)
{
	int r;

	*s = (struct store)STORE_INIT;
	r = home_path(&s->path, e);
	if (r < 0)
		return r;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* `instances` may have been put elsewhere before the rest was made. */
	if (s->fd >= 0 && faccessat(s->fd, "instances", F_OK, 0) == 0 &&
	    faccessat(s->fd, "tmp", F_OK, 0) == 0)
		return 0;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return make_layout(s, e);
}

void store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	*s = (struct store)STORE_INIT;
}

/* Take the store's lock; released by closing the descriptor. */
static int lock_store(const struct store *s, int *fd, struct err *e)
{
	*fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0)
		return err_sys(e, errno, "%s/lock", s->path);
	while (flock(*fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "%s/lock", s->path);
	return 0;
}

/* Read a file that holds one digest. */
static int read_digest(int dirfd, const char *path,
		       char digest[SHA256_HEX_SIZE])
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	char text[SHA256_HEX_SIZE];

	if (fd < 0)
		return -errno;
	if (io_read_full(fd, text, sizeof(text)) < SHA256_HEX_SIZE - 1)
		return -EINVAL;
	text[SHA256_HEX_SIZE - 1] = '\0';
	if (!ref_is_hex(text, SHA256_HEX_SIZE - 1))
		return -EINVAL;
	memcpy(digest, text, sizeof(text));
	return 0;
}

static char *image_path(const char *digest, const char *file)
{
	return xasprintf(IMAGES "/%s%s%s", digest, *file ? "/" : "", file);
}

char *store_root_path(const struct store *s, const char *digest)
{
	return xasprintf("%s/" IMAGES "/%s/" MANIFEST_ROOT, s->path, digest);
}

bool store_has(const struct store *s, const char *digest)
{
	cleanup_free char *path = image_path(digest, MANIFEST_FILE);

	return faccessat(s->fd, path, F_OK, 0) == 0;
}

static char *tag_dir(const struct ref *ref)
{
	char *path = xasprintf("tags/%s", ref->name);

	for (char *p = path + 5; *p; p++)
		if (*p == '/')
			*p = '+';
	return path;
}

static char *tag_path(const struct ref *ref)
{
	cleanup_free char *dir = tag_dir(ref);

	return xasprintf("%s/%s", dir, ref->tag);
}

/* The one image whose digest starts with prefix. */
static int resolve_prefix(const struct store *s, const char *prefix,
			  char digest[SHA256_HEX_SIZE], struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	int fd, found = 0;

	fd = openat(s->fd, IMAGES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return -ENOENT;
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, prefix, strlen(prefix)) != 0 ||
		    !ref_is_hex(d->d_name, SHA256_HEX_SIZE - 1))
			continue;
		memcpy(digest, d->d_name, SHA256_HEX_SIZE);
		found++;
	}
	if (found > 1)
		return err_set(e, EINVAL, "'%s' fits %d images", prefix, found);
	return found ? 0 : -ENOENT;
}

int store_resolve(const struct store *s, const char *image,
		  char digest[SHA256_HEX_SIZE], struct err *e)
{
	const char *hex = image;
	struct ref ref;
	int r = -ENOENT;

	if (!strncmp(image, "sha256:", 7)) {
		hex = image + 7;
		if (!ref_is_hex(hex, strlen(hex)))
			return err_set(e, EINVAL, "'%.80s' is not a digest",
				       image);
	} else {
		cleanup_free char *path = NULL;

		r = ref_parse(image, &ref, e);
		if (r < 0)
			return r;
		path = tag_path(&ref);
		r = read_digest(s->fd, path, digest);
		if (r == -EINVAL)
			return err_set(e, EINVAL, "%s/%s: damaged tag", s->path,
				       path);
	}
	if (r == -ENOENT && strlen(hex) >= PREFIX_MIN &&
	    ref_is_hex(hex, strlen(hex)))
		r = resolve_prefix(s, hex, digest, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT,
			       "no image '%.80s' (see 'jiffy images')", image);
	return r;
}

int store_load(const struct store *s, const char *digest, struct manifest *m,
	       struct err *e)
{
	cleanup_free char *path = image_path(digest, MANIFEST_FILE);
	cleanup_free char *root = image_path(digest, MANIFEST_ROOT);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	r = io_read_file(s->fd, path, MANIFEST_SIZE_MAX, &text, &len, e);
	if (!r)
		r = manifest_parse(MANIFEST_FILE, text, len, m, e);
	if (r < 0)
		return err_wrap(e, "image %.12s", digest);
	if (fstatat(s->fd, root, &st, 0) < 0)
		r = err_sys(e, errno, "image %.12s: %s", digest, MANIFEST_ROOT);
	else if ((uint64_t)st.st_size != m->root_size)
		r = err_set(e, EIO, "image %.12s: %s: %llu bytes, not %llu",
			    digest, MANIFEST_ROOT,
			    (unsigned long long)st.st_size,
			    (unsigned long long)m->root_size);
	if (r < 0)
		manifest_fini(m);
	return r;
}

/* Remove work directories that no process has locked. */
static void remove_leftovers(struct store *s)
{
	cleanup_dir DIR *dir = NULL;
	struct err e = ERR_INIT;
	struct dirent *d;
	int fd;

	fd = openat(s->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (dir && (d = readdir(dir))) {
		cleanup_close int work = -1;

		if (d->d_name[0] == '.')
			continue;
		work = openat(dirfd(dir), d->d_name,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (work >= 0 && flock(work, LOCK_EX | LOCK_NB) < 0)
			continue;
		if (io_remove_tree(dirfd(dir), d->d_name, &e) < 0)
			log_warning("%s/tmp: left by a crashed build: %s",
				    s->path, e.msg);
	}
}

int store_work_begin(struct store *s, char **name, int *fd, struct err *e)
{
	cleanup_close int lock = -1;
	cleanup_free char *made = NULL;
	int r;

	r = lock_store(s, &lock, e);
	if (r < 0)
		return r;
	remove_leftovers(s);
	r = io_make_temp_dir(s->fd, "tmp/build-", &made, e);
	if (r < 0)
		return r;
	*fd = openat(s->fd, made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "%s/%s", s->path, made);
	*name = take_ptr(made);
	return 0;
}

void store_work_end(struct store *s, const char *name, int *fd)
{
	struct err e = ERR_INIT;

	if (io_remove_tree(s->fd, name, &e) < 0)
		log_warning("%s/%s: %s", s->path, name, e.msg);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int sync_file(int dirfd, const char *path, struct err *e)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "%s", path);
	return 0;
}

int store_publish(struct store *s, const char *dir, const struct manifest *m,
		  char digest[SHA256_HEX_SIZE], struct err *e)
{
	cleanup_free char *manifest = xasprintf("%s/" MANIFEST_FILE, dir);
	cleanup_free char *root = xasprintf("%s/" MANIFEST_ROOT, dir);
	cleanup_json json_t *obj = manifest_json(m);
	cleanup_free char *target = NULL;
	cleanup_close int lock = -1;
	int r;

	manifest_digest(m, digest);
	target = image_path(digest, "");
	r = json_write(s->fd, manifest, obj, e);
	if (!r)
		r = sync_file(s->fd, root, e);
	if (!r)
		r = lock_store(s, &lock, e);
	if (r < 0 || store_has(s, digest))
		return r;
	if (fchmodat(s->fd, dir, 0755, 0) < 0 ||
	    renameat(s->fd, dir, s->fd, target) < 0)
		return err_sys(e, errno, "%s/%s", s->path, target);
	return io_sync_dir(s->fd, IMAGES, e);
}

int store_tag(struct store *s, const struct ref *ref, const char *digest,
	      struct err *e)
{
	cleanup_free char *dir = tag_dir(ref);
	cleanup_free char *path = tag_path(ref);
	cleanup_close int lock = -1;
	char line[SHA256_HEX_SIZE + 1];
	char old[SHA256_HEX_SIZE];
	int r;

	r = lock_store(s, &lock, e);
	if (r < 0)
		return r;
	if (!store_has(s, digest))
		return err_set(e, ENOENT, "image %.12s was removed", digest);
	if (read_digest(s->fd, path, old) == 0 && !strcmp(old, digest))
		return 0;
	if (mkdirat(s->fd, dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "%s/%s", s->path, dir);
	snprintf(line, sizeof(line), "%s\n", digest);
	return io_write_atomic(s->fd, path, line, strlen(line), 0644, e);
}

int store_untag(struct store *s, const struct ref *ref, struct err *e)
{
	cleanup_free char *dir = tag_dir(ref);
	cleanup_free char *path = tag_path(ref);
	cleanup_close int lock = -1;
	int r;

	r = lock_store(s, &lock, e);
	if (r < 0)
		return r;
	if (unlinkat(s->fd, path, 0) < 0)
		return err_sys(e, errno, "%s/%s", s->path, path);
	unlinkat(s->fd, dir, AT_REMOVEDIR); /* when it was the last tag */
	return 0;
}

int store_cache_get(const struct store *s, const char *key,
		    char digest[SHA256_HEX_SIZE])
{
	cleanup_free char *path = xasprintf("cache/%s", key);

	return read_digest(s->fd, path, digest) == 0 && store_has(s, digest);
}

int store_cache_put(struct store *s, const char *key, const char *digest,
		    struct err *e)
{
	cleanup_free char *path = xasprintf("cache/%s", key);
	char line[SHA256_HEX_SIZE + 1];

	snprintf(line, sizeof(line), "%s\n", digest);
	return io_write_atomic(s->fd, path, line, strlen(line), 0644, e);
}

/* A list under construction. */
struct listing {
	const struct store *s;
	struct store_image *items;
	size_t count;
};

static struct store_image *listing_add(struct listing *l, const char *digest)
{
	struct store_image *image;

	l->items = xreallocarray(l->items, l->count + 1, sizeof(*l->items));
	image = &l->items[l->count++];
	memset(image, 0, sizeof(*image));
	memcpy(image->digest, digest, SHA256_HEX_SIZE);
	return image;
}

static DIR *open_dir(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

static void list_tags_of(struct listing *l, DIR *tags, const char *name)
{
	cleanup_dir DIR *dir = open_dir(dirfd(tags), name);
	char digest[SHA256_HEX_SIZE];
	struct store_image *image;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || strstr(d->d_name, ".tmp-") ||
		    strlen(d->d_name) > REF_TAG_MAX ||
		    read_digest(dirfd(dir), d->d_name, digest) < 0)
			continue;
		image = listing_add(l, digest);
		snprintf(image->ref.name, sizeof(image->ref.name), "%.*s",
			 REF_NAME_MAX, name);
		snprintf(image->ref.tag, sizeof(image->ref.tag), "%.*s",
			 REF_TAG_MAX, d->d_name);
		for (char *p = image->ref.name; *p; p++)
			if (*p == '+')
				*p = '/';
	}
}

static void list_untagged(struct listing *l)
{
	cleanup_dir DIR *dir = open_dir(l->s->fd, IMAGES);
	size_t tagged = l->count;
	struct dirent *d;
	size_t i;

	while (dir && (d = readdir(dir))) {
		if (!ref_is_hex(d->d_name, SHA256_HEX_SIZE - 1))
			continue;
		for (i = 0; i < tagged; i++)
			if (!strcmp(l->items[i].digest, d->d_name))
				break;
		if (i == tagged)
			listing_add(l, d->d_name);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct store_image *x = a;
	const struct store_image *y = b;
	int r = strcmp(x->ref.name, y->ref.name);

	r = r ? r : strcmp(x->ref.tag, y->ref.tag);
	return r ? r : strcmp(x->digest, y->digest);
}

int store_list(const struct store *s, struct store_image **list, size_t *count,
	       struct err *e)
{
	cleanup_dir DIR *tags = open_dir(s->fd, "tags");
	struct listing l = { .s = s };
	struct dirent *d;
	size_t tagged;

	if (!tags)
		return err_sys(e, errno, "%s/tags", s->path);
	while ((d = readdir(tags)))
		if (d->d_name[0] != '.' && strlen(d->d_name) <= REF_NAME_MAX)
			list_tags_of(&l, tags, d->d_name);
	tagged = l.count;
	list_untagged(&l);
	if (tagged)
		qsort(l.items, tagged, sizeof(*l.items), by_name);
	*list = l.items;
	*count = l.count;
	return 0;
}

static void forget_cached(struct store *s, const char *digest)
{
	cleanup_dir DIR *dir = open_dir(s->fd, "cache");
	char cached[SHA256_HEX_SIZE];
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (read_digest(dirfd(dir), d->d_name, cached) == 0 &&
		    !strcmp(cached, digest))
			unlinkat(dirfd(dir), d->d_name, 0);
}

int store_remove(struct store *s, const char *digest, struct err *e)
{
	cleanup_free struct store_image *list = NULL;
	cleanup_free char *path = image_path(digest, "");
	cleanup_free char *trash = xasprintf("tmp/removed-%s", digest);
	cleanup_close int lock = -1;
	size_t count;
	int r;

	r = store_list(s, &list, &count, e);
	for (size_t i = 0; !r && i < count; i++)
		if (!strcmp(list[i].digest, digest) && list[i].ref.tag[0])
			r = store_untag(s, &list[i].ref, e);
	if (!r)
		r = lock_store(s, &lock, e);
	if (r < 0)
		return r;
	forget_cached(s, digest);
	if (renameat(s->fd, path, s->fd, trash) < 0)
		return err_sys(e, errno, "%s/%s", s->path, path);
	return io_remove_tree(s->fd, trash, e);
}

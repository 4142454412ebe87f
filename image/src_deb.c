/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deb:PKG[,PKG...], Debian's own packages. mmdebstrap installs them and the
 * essential packages (so that a shell, users and what postinst scripts make
 * are there) from this machine's apt sources; then the tree is stripped.
 *
 * The key of the cache is the list of packages and versions that would be
 * installed. Asking apt for it takes seconds, so the answer is remembered for
 * as long as apt's lists stay the same.
 */
#include <dirent.h>
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
#include "host/proc.h"
#include "host/xmalloc.h"
#include "image/apt.h"
#include "image/build.h"
#include "image/progress.h"
#include "image/strip.h"
#include "image/walk.h"

#define DEB_CACHE "cache/debs"
#define DEB_CACHE_DAYS 30

/* The default program of a package. */
struct package {
	const char *name;
	const char *cmd;
	const char *user;
	const char *workdir;
	const char *port; /* or "" */
	const char *stop_signal;
};

static const struct package packages[] = {
#define PACKAGE(...) { __VA_ARGS__ },
#include "image/packages.h"
#undef PACKAGE
};

/* Log files that become the instance's own output. */
static const struct {
	const char *file;
	const char *target;
} log_links[] = {
	{ "var/log/nginx/access.log", "/dev/stdout" },
	{ "var/log/nginx/error.log", "/dev/stderr" },
	{ "var/log/apache2/access.log", "/dev/stdout" },
	{ "var/log/apache2/error.log", "/dev/stderr" },
	{ "var/log/apache2/other_vhosts_access.log", "/dev/stdout" },
};

/* Start with apt's lists of this machine, so that the update is a check, and
 * with packages that earlier builds downloaded. */
static const char setup_hook[] =
	"mkdir -p \"$1/var/lib/apt/lists\" \"$1/var/cache/apt/archives\";"
	"cp -p /var/lib/apt/lists/*Release /var/lib/apt/lists/*_Packages*"
	" \"$1/var/lib/apt/lists/\" 2>/dev/null;"
	"cp -l \"$JIFFY_DEB_CACHE\"/*.deb \"$1/var/cache/apt/archives/\""
	" 2>/dev/null; true";

static const char keep_hook[] =
	"cd \"$1/var/cache/apt/archives\" || exit 0;"
	"touch -c ./*.deb 2>/dev/null;"
	"cp -lf ./*.deb \"$JIFFY_DEB_CACHE/\" 2>/dev/null; rm -f ./*.deb; true";

static int parse_packages(const char *arg, struct strv *names, struct err *e)
{
	strv_split(names, arg, ',');
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		size_t ok = strspn(name, "abcdefghijklmnopqrstuvwxyz"
					 "0123456789+-.:=~_");

		if (!*name || name[ok] || name[0] == '-' || name[0] == '.')
			return err_set(e, EINVAL,
				       "'%.60s' is not a package name", name);
	}
	return 0;
}

/* The remembered list of versions for this state of apt, or a new answer. */
static int versions_of(struct build *b, const struct strv *names,
		       const char *memo_key, char hex[SHA256_HEX_SIZE],
		       struct err *e)
{
	cleanup_free char *memo = xasprintf("cache/apt-%s", memo_key);
	cleanup_free char *text = NULL;
	struct sha256 h;
	int r;

	if (io_read_file(b->store->fd, memo, SHA256_HEX_SIZE, &text, NULL,
			 NULL) == 0 &&
	    ref_is_hex(text, SHA256_HEX_SIZE - 1)) {
		memcpy(hex, text, SHA256_HEX_SIZE);
		return 0;
	}
	sha256_init(&h);
	r = apt_versions(names, &h, e);
	if (r < 0)
		return r;
	sha256_hex(&h, hex);
	return io_write_atomic(b->store->fd, memo, hex, SHA256_HEX_SIZE - 1,
			       0644, e);
}

static int deb_key(struct build *b, struct sha256 *h, struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	char memo_key[SHA256_HEX_SIZE];
	char versions[SHA256_HEX_SIZE];
	struct sha256 lists;
	int r;

	r = parse_packages(b->arg, &names, e);
	if (r < 0)
		return r;
	sha256_init(&lists);
	r = apt_fingerprint(&lists, e);
	if (r)
		return r;
	for (size_t i = 0; i < names.count; i++)
		sha256_add(&lists, names.items[i], strlen(names.items[i]) + 1);
	sha256_hex(&lists, memo_key);
	r = versions_of(b, &names, memo_key, versions, e);
	if (r < 0)
		return r;
	/* the first package decides the command, so order counts */
	sha256_add(h, "deb", 4);
	sha256_add(h, b->arg, strlen(b->arg) + 1);
	sha256_add(h, versions, sizeof(versions));
	return 0;
}

static void on_line(void *context, const char *line)
{
	(void)context;
	if (line && !strncmp(line, "I: ", 3))
		progress_step("%s", line + 3);
	else
		progress_tick();
}

/* Forget packages that no build has used for a while. */
static void prune_deb_cache(int store)
{
	cleanup_dir DIR *dir = NULL;
	time_t oldest = time(NULL) - DEB_CACHE_DAYS * 86400;
	struct dirent *d;
	struct stat st;
	int fd;

	fd = openat(store, DEB_CACHE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (dir && (d = readdir(dir)))
		if (fstatat(dirfd(dir), d->d_name, &st, 0) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < oldest)
			unlinkat(dirfd(dir), d->d_name, 0);
}

static int mmdebstrap_argv(struct build *b, struct strv *argv, struct err *e)
{
	cleanup_strv struct strv acquire = STRV_INIT;
	int r;

	strv_add(argv, "mmdebstrap");
	strv_add(argv, "--variant=essential");
	strv_add(argv, "--format=directory");
	strv_add(argv, "--mode=root"); /* in a user namespace, if need be */
	strv_addf(argv, "--include=%s", b->arg);
	/* What packages use without saying so: it is of priority required. */
	strv_add(argv, "--include=passwd");
	/* no path-exclude: mmdebstrap's filter for it triples the time */
	strv_add(argv, "--dpkgopt=force-unsafe-io");
	r = apt_acquire_options(&acquire, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < acquire.count; i++)
		strv_addf(argv, "--aptopt=%s", acquire.items[i]);
	strv_add(argv, "--skip=download/empty");
	strv_add(argv, "--skip=essential/unlink");
	strv_addf(argv, "--setup-hook=%s", setup_hook);
	strv_addf(argv, "--customize-hook=%s", keep_hook);
	strv_take(argv, apt_suite());
	strv_add(argv, b->tree);
	return apt_source_files(argv, e);
}

static int run_mmdebstrap(struct build *b, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	cleanup_free char *output = NULL;
	struct proc p = { .argv = &argv,
			  .env = &env,
			  .hides_mounts = true,
			  .on_line = on_line };
	int r;

	r = mmdebstrap_argv(b, &argv, e);
	if (r < 0)
		return r;
	strv_add(&env, "LC_ALL=C.UTF-8");
	strv_addf(&env, "TMPDIR=%s", b->work_path);
	strv_addf(&env, "JIFFY_DEB_CACHE=%s/" DEB_CACHE, b->store->path);
	progress_step("installing packages");
	r = proc_run(&p, e);
	if (r == -ENOENT || r == 127)
		return err_set(e, ENOENT,
			       "mmdebstrap is not installed "
			       "(package mmdebstrap)");
	return r > 0 ? -e->code : r;
}

static const struct package *known_package(const struct strv *names)
{
	for (size_t i = 0; i < names->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(packages); j++)
			if (!strcmp(names->items[i], packages[j].name))
				return &packages[j];
	return NULL;
}

static void default_program(int root, const char *package, struct strv *cmd)
{
	static const char *const dirs[] = { "usr/bin", "usr/sbin", "usr/games",
					    "bin", "sbin" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *path = xasprintf("/%s/%s", dirs[i], package);

		if (fstatat(root, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISDIR(st.st_mode)) {
			strv_add(cmd, path);
			return;
		}
	}
	strv_add(cmd, "/bin/sh");
}

static void replace_text(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static int fill_manifest(struct build *b, int root, const struct strv *names,
			 struct err *e)
{
	const struct package *known = known_package(names);
	struct manifest *m = &b->manifest;

	strv_add(&m->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			  "/usr/bin:/sbin:/bin");
	strv_add(&m->env, "LANG=C.UTF-8");
	if (!known) {
		default_program(root, names->items[0], &m->cmd);
		return 0;
	}
	replace_text(&m->user, known->user);
	replace_text(&m->workdir, known->workdir);
	replace_text(&m->stop_signal, known->stop_signal);
	if (*known->port)
		strv_add(&m->exposed, known->port);
	return build_words(known->cmd, &m->cmd, e);
}

static int link_logs(int root, struct err *e)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(log_links); i++) {
		cleanup_free char *dir = xstrdup(log_links[i].file);

		*strrchr(dir, '/') = '\0';
		if (fstatat(root, dir, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		unlinkat(root, log_links[i].file, 0);
		if (symlinkat(log_links[i].target, root, log_links[i].file) < 0)
			return err_sys(e, errno, "%s", log_links[i].file);
	}
	return 0;
}

static int finish_tree(struct build *b, time_t started, struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct walk w = { .limit = started };
	cleanup_close int root = -1;
	int r;

	root = open(b->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "%s", b->tree);
	progress_step("removing what an image does not need");
	r = strip_tree(root, e);
	if (!r)
		r = link_logs(root, e);
	if (!r)
		r = parse_packages(b->arg, &names, e);
	if (!r)
		r = fill_manifest(b, root, &names, e);
	/* what the installation itself wrote gets the newest package's time,
	 * so that two builds of the same packages are alike */
	if (!r)
		r = walk_tree(b->tree, &w, e);
	b->newest = w.modified;
	return r;
}

static int deb_make(struct build *b, struct err *e)
{
	time_t started = time(NULL);
	int r;

	if (geteuid() != 0)
		return err_set(e, EPERM,
			       "needs root, or the package uidmap and a range "
			       "for this user in /etc/subuid");
	if (mkdirat(b->store->fd, DEB_CACHE, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "%s/" DEB_CACHE, b->store->path);
	prune_deb_cache(b->store->fd);
	b->tree = xasprintf("%s/root", b->work_path);
	r = run_mmdebstrap(b, e);
	return r ? r : finish_tree(b, started, e);
}

const struct source_class src_deb = {
	.key = deb_key,
	.make = deb_make,
};

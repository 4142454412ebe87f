/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cleaning rules of deb: images, one row per path. Copyright files stay:
 * licences ask for it. The locale C.UTF-8 stays: it is in the C library.
 */
#include "image/strip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"

enum action {
	REMOVE,	  /* the path itself */
	EMPTY,	  /* all that is in the directory */
	FILES,	  /* the files in it and below; directories stay */
	TRUNCATE, /* make the file, or the files below, empty */
	OLD,	  /* files in it whose names end in "-old" */
	DOCS,	  /* the files in it and below but "copyright" */
};

static const struct {
	const char *path;
	enum action action;
} rules[] = {
	{ "boot", EMPTY },
	{ "dev", EMPTY },
	{ "run", FILES },
	{ "tmp", EMPTY },
	{ "var/tmp", EMPTY },
	{ "var/lib/apt/lists", EMPTY },
	{ "var/lib/dpkg", OLD },
	{ "var/cache/apt", EMPTY },
	{ "var/cache/debconf", OLD },
	{ "var/cache/ldconfig", EMPTY },
	{ "var/cache/man", EMPTY },
	{ "var/log/apt", REMOVE },
	{ "var/log/alternatives.log", REMOVE },
	{ "var/log/bootstrap.log", REMOVE },
	{ "var/log/dpkg.log", REMOVE },
	{ "var/log", TRUNCATE },
	{ "usr/share/doc", DOCS },
	{ "usr/share/man", EMPTY },
	{ "usr/share/info", EMPTY },
	{ "usr/share/locale", EMPTY },
	{ "usr/share/doc-base", REMOVE },
	{ "usr/share/gnome/help", REMOVE },
	{ "usr/share/lintian", REMOVE },
	{ "usr/share/bug", REMOVE },
	{ "etc/apt/apt.conf.d/99mmdebstrap", REMOVE },
	{ "etc/dpkg/dpkg.cfg.d/99mmdebstrap", REMOVE },
	{ "etc/hostname", TRUNCATE },
	{ "etc/machine-id", TRUNCATE },
	{ "etc/resolv.conf", TRUNCATE },
	{ "etc/passwd-", REMOVE },
	{ "etc/group-", REMOVE },
	{ "etc/shadow-", REMOVE },
	{ "etc/gshadow-", REMOVE },
	{ "etc/subuid-", REMOVE },
	{ "etc/subgid-", REMOVE },
	{ "etc/.pwd.lock", REMOVE },
	{ "usr/sbin/policy-rc.d", REMOVE },
};

static bool is_old(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, "-old");
}

static int clean_dir(int parent, const char *name, enum action action,
		     struct err *e);

static int clean_entry(int dir, const char *name, bool is_dir,
		       enum action action, struct err *e)
{
	int fd;

	switch (action) {
	case REMOVE:
	case EMPTY:
		return io_remove_tree(dir, name, e);
	case FILES:
		return is_dir ? clean_dir(dir, name, action, e)
			      : io_remove_tree(dir, name, e);
	case TRUNCATE:
		if (is_dir)
			return clean_dir(dir, name, action, e);
		fd = openat(dir, name,
			    O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK |
				    O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		return 0;
	case DOCS:
		if (is_dir)
			return clean_dir(dir, name, action, e);
		return strcmp(name, "copyright") != 0
			       ? io_remove_tree(dir, name, e)
			       : 0;
	case OLD:
		return is_old(name) ? io_remove_tree(dir, name, e) : 0;
	}
	return 0;
}

static int clean_dir(int parent, const char *name, enum action action,
		     struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	int fd, r = 0;

	fd = openat(parent, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (!r && dir && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = clean_entry(dirfd(dir), d->d_name,
					d->d_type == DT_DIR, action, e);
	return r;
}

int strip_tree(int root, struct err *e)
{
	struct stat st;
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(rules); i++) {
		const char *path = rules[i].path;

		if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && rules[i].action != REMOVE)
			r = clean_dir(root, path, rules[i].action, e);
		else
			r = clean_entry(root, path, false, rules[i].action, e);
	}
	return r;
}

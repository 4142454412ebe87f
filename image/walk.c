/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking trees for cache keys and newest times.
 */
#include "image/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/proc.h"
#include "host/strv.h"
#include "image/progress.h"
#include "lib/compiler.h"

#define DEPTH_MAX 256
#define CLOCK_STEP_NS (20 * NSEC_PER_MSEC) /* no kernel ticks slower */

static void hash_stat(struct walk *w, const char *name, const struct stat *st)
{
	int64_t facts[] = {
		(int64_t)st->st_dev,  (int64_t)st->st_ino,
		(int64_t)st->st_mode, (int64_t)st->st_uid,
		(int64_t)st->st_gid,  (int64_t)st->st_rdev,
		(int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec,
		st->st_mtim.tv_nsec,  (int64_t)st->st_ctim.tv_sec,
		st->st_ctim.tv_nsec,
	};

	sha256_add(w->hash, name, strlen(name) + 1);
	sha256_add(w->hash, facts, sizeof(facts));
}

static void note(struct walk *w, const char *name, const struct stat *st)
{
	if (w->hash)
		hash_stat(w, name, st);
	if (st->st_ctim.tv_sec > w->changed.tv_sec ||
	    (st->st_ctim.tv_sec == w->changed.tv_sec &&
	     st->st_ctim.tv_nsec > w->changed.tv_nsec))
		w->changed = st->st_ctim;
	if (st->st_mtime > w->modified &&
	    (!w->limit || st->st_mtime < w->limit))
		w->modified = st->st_mtime;
	if (++w->files % 4096 == 0)
		progress_tick();
}

static int read_names(int fd, struct strv *names)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (!dir)
		return -errno;
	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			strv_add(names, d->d_name);
	strv_sort(names);
	return 0;
}

static int walk_at(int dirfd, const char *name, unsigned depth, struct walk *w,
		   struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	if (proc_interrupted())
		return err_set(e, EINTR, "interrupted");
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "%s", name);
	note(w, name, &st);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth > DEPTH_MAX)
		return err_set(e, ELOOP, "%s: more than %d levels deep", name,
			       DEPTH_MAX);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "%s", name);
	r = read_names(fd, &names);
	if (r < 0)
		return err_sys(e, -r, "%s", name);
	for (size_t i = 0; !r && i < names.count; i++)
		r = walk_at(fd, names.items[i], depth + 1, w, e);
	if (w->hash)
		sha256_add(w->hash, "", 1); /* end of this directory */
	return r;
}

int walk_tree(const char *path, struct walk *w, struct err *e)
{
	return walk_at(AT_FDCWD, path, 0, w, e);
}

static nsec_t age_of(const struct timespec *changed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - changed->tv_sec) * NSEC_PER_SEC + now.tv_nsec -
	       changed->tv_nsec;
}

int walk_fingerprint(const char *path, struct sha256 *h, struct err *e)
{
	struct timespec step = { .tv_nsec = CLOCK_STEP_NS };
	struct sha256 trial;
	struct walk w;
	nsec_t age;
	int r;

	for (int tries = 0; tries < 3; tries++) {
		trial = *h;
		w = (struct walk){ .hash = &trial };
		r = walk_tree(path, &w, e);
		if (r < 0)
			return r;
		age = age_of(&w.changed);
		if (age > CLOCK_STEP_NS || age < 0)
			break;
		nanosleep(&step, NULL);
	}
	*h = trial;
	return 0;
}

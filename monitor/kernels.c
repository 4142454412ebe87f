/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of earlier builds. What a checkpoint has of a kernel goes on with
 * that kernel only: the store keeps a copy of each as kernels/BUILD-ID, from
 * the first suspension of an instance of it for as long as a checkpoint names
 * it. The directory is locked: shared by who suspends, alone by who tidies.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define KERNELS "kernels"
#define ID_SIZE 32
#define NAME_SIZE (2 * ID_SIZE + 1)

/* What has checkpoints: directories with directories that have one each. In the
 * order in which one may be found missing: from tmp/ they move on. */
static const char *const holders[] = { "tmp", "instances", "templates" };

static void id_name(const uint8_t id[ID_SIZE], char name[NAME_SIZE])
{
	for (int i = 0; i < ID_SIZE; i++)
		snprintf(name + 2 * i, 3, "%02x", id[i]);
}

/* Does a checkpoint in the directory `holder` name it? What cannot be looked
 * at may. */
static bool is_named_in(int store, const char *holder, const char *kernel)
{
	cleanup_dir DIR *dir = NULL;
	cleanup_close int fd =
		openat(store, holder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;

	if (fd < 0)
		return errno != ENOENT;
	dir = fdopendir(dup(fd));
	while (dir && (d = readdir(dir))) {
		char path[sizeof(d->d_name) + sizeof("/" CHECKPOINT_NAME)];
		struct checkpoint_header h;
		char name[NAME_SIZE] = "";
		int file;

		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/" CHECKPOINT_NAME, d->d_name);
		file = openat(fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (file < 0)
			return true;
		if (pread(file, &h, sizeof(h), 0) == sizeof(h))
			id_name(h.build, name);
		close(file);
		if (strcmp(name, kernel) == 0)
			return true;
	}
	return !dir;
}

/* Remove what nobody needs, but for `own`; the directory is locked. */
static void tidy(int store, int kernels, const char *own)
{
	cleanup_dir DIR *dir = fdopendir(dup(kernels));
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		bool is_named = strcmp(d->d_name, own) == 0 ||
				strcmp(d->d_name, ".") == 0 ||
				strcmp(d->d_name, "..") == 0;

		for (size_t i = 0; !is_named && i < ARRAY_SIZE(holders); i++)
			is_named = is_named_in(store, holders[i], d->d_name);
		if (!is_named)
			unlinkat(kernels, d->d_name, 0);
	}
}

static int copy_all(int from, int to)
{
	off_t at = 0;
	ssize_t n;

	do
		n = sendfile(to, from, &at, 1 << 30);
	while (n > 0);
	return n < 0 || fchmod(to, 0555) || fdatasync(to) ? -errno : 0;
}

static int copy_kernel(const struct instance *in, int kernels, const char *name)
{
	cleanup_close int fd = -1;
	char temp[32];
	int r;

	snprintf(temp, sizeof(temp), ".%d", (int)getpid());
	unlinkat(kernels, temp, 0);
	fd = openat(kernels, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = copy_all(in->kernel_exe_fd, fd);
	if (!r && renameat(kernels, temp, kernels, name))
		r = -errno;
	if (r)
		unlinkat(kernels, temp, 0);
	return r;
}

int kernels_keep(const struct instance *in, int *lock_fd, struct err *e)
{
	cleanup_close int fd = -1;
	cleanup_close int store = instance_open_store(in);
	char name[NAME_SIZE];
	int r;

	if (store < 0 || (mkdirat(store, KERNELS, 0700) < 0 && errno != EEXIST))
		return err_sys(e, errno, KERNELS);
	fd = openat(store, KERNELS,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH))
		return err_sys(e, errno, KERNELS);
	id_name(in->build_id, name);
	if (faccessat(fd, name, F_OK, 0) < 0) {
		/* A new build: others may be needed no more. */
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			tidy(store, fd, name);
		r = flock(fd, LOCK_SH) ? -errno : copy_kernel(in, fd, name);
		if (r)
			return err_sys(e, -r, "copy of the kernel");
	}
	*lock_fd = take_fd(&fd);
	return 0;
}

void kernels_tidy(const struct instance *in)
{
	cleanup_close int fd = -1;
	cleanup_close int store = instance_open_store(in);

	if (store >= 0)
		fd = openat(store, KERNELS,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		tidy(store, fd, "");
}

/* Ours, and nobody else could write it. */
static bool is_private(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & 0022);
}

int kernels_use(struct instance *in, const uint8_t build_id[ID_SIZE],
		struct err *e)
{
	cleanup_close int fd = -1;
	cleanup_close int store = instance_open_store(in);
	char path[sizeof(KERNELS) + NAME_SIZE] = KERNELS "/";
	uint8_t found[ID_SIZE];

	id_name(build_id, path + sizeof(KERNELS));
	if (store >= 0)
		fd = openat(store, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ENOEXEC,
			       "checkpoint: of another build of the kernel, "
			       "which was not kept");
	if (!is_private(fd) || checkpoint_build_id(fd, found, e) ||
	    memcmp(found, build_id, ID_SIZE) != 0)
		return err_set(e, ENOEXEC,
			       "checkpoint: the kept kernel is another");
	close(in->kernel_exe_fd);
	in->kernel_exe_fd = take_fd(&fd);
	memcpy(in->build_id, build_id, ID_SIZE);
	in->has_kept_kernel = true;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: files of the host that the instance reads and writes through
 * descriptors that are opened and locked here. The lock belongs to the open
 * file description, so it holds as long as any process of the instance lives,
 * with or without its monitor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define VOLUME_SIZE_MIN (64 << 10)
#define SECTOR 512

/* Of struct statfs; not all are in one header. */
#define EXT4_TYPE 0xef53
#define XFS_TYPE 0x58465342

static int check_file(const struct spec_volume *v, const struct stat *st,
		      struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, EINVAL, "volume %s is not a regular file",
			       v->file);
	if (st->st_size < VOLUME_SIZE_MIN)
		return err_set(e, EINVAL, "volume %s is too small: %lld bytes",
			       v->file, (long long)st->st_size);
	return 0;
}

static int volume_open(const struct spec_volume *v, int *out, uint64_t *size,
		       struct err *e)
{
	int access = v->is_readonly ? O_RDONLY : O_RDWR;
	int lock = v->is_readonly ? LOCK_SH : LOCK_EX;
	int fd = open(v->file, access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*out = fd;
	if (fd < 0 && errno == ENOENT && !strchr(v->name, '/'))
		return err_set(e, ENOENT,
			       "there is no volume '%s' (see 'jiffy volume "
			       "--help')",
			       v->name);
	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, errno, "volume %s", v->file);
	if (check_file(v, &st, e))
		return -e->code;
	if (flock(fd, lock | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return err_set(e, EBUSY, "volume %s is in use",
				       v->name);
		return err_sys(e, errno, "volume %s: lock of %s", v->name,
			       v->file);
	}
	/* Removed between open and lock? */
	if (fstat(fd, &st) || st.st_nlink == 0)
		return err_set(e, ENOENT, "volume %s: %s is gone", v->name,
			       v->file);
	*size = (uint64_t)st.st_size / SECTOR * SECTOR;
	return 0;
}

/* The file once more, for large transfers past the host's cache: -1 where that
 * is not known to work. The program may change what is being written, which
 * filesystems with checksums of data do not stand. */
static int direct_open(const struct spec_volume *v, int fd)
{
	int access = v->is_readonly ? O_RDONLY : O_RDWR;
	char path[32];
	struct statfs fs;

	if (fstatfs(fd, &fs) ||
	    (fs.f_type != EXT4_TYPE && fs.f_type != XFS_TYPE))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, access | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}

#define ENDING_TRIES 200 /* of 10 ms */

/* An instance whose monitor was killed may be started again while its processes
 * are still coming down, and with them their locks. */
static int volume_open_again(const struct instance *in, unsigned int i, int *fd,
			     uint64_t *size, struct err *e)
{
	const struct timespec rest = { .tv_nsec = 10000000 };
	int r = volume_open(&in->spec.volumes[i], fd, size, e);

	for (int n = 0; r == -EBUSY && in->is_again && n < ENDING_TRIES; n++) {
		close(*fd);
		nanosleep(&rest, NULL);
		e->code = 0;
		r = volume_open(&in->spec.volumes[i], fd, size, e);
	}
	return r;
}

int volumes_open(struct instance *in, struct err *e)
{
	struct boot_block *b = in->boot;

	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		const struct spec_volume *v = &in->spec.volumes[i];
		uint64_t size = 0;

		if (volume_open_again(in, i, &in->volume_fds[i], &size, e))
			return -e->code;
		in->direct_fds[i] = direct_open(v, in->volume_fds[i]);
		b->volumes[i].size = size;
		b->volumes[i].flags = v->is_readonly ? BOOT_VOLUME_READONLY : 0;
	}
	b->nvolumes = in->spec.nvolumes;
	return 0;
}

/* The generation of a volume is a number in an attribute of its file. It is
 * even while a checkpoint has the volume, and odd while an instance writes to
 * it or may have written since. Without the attribute there is no checkpoint.
 */
#define GENERATION "user.jiffy.generation"

static uint64_t get_generation(int fd)
{
	char text[24];
	ssize_t n = fgetxattr(fd, GENERATION, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strtoull(text, NULL, 10);
}

static int set_generation(const struct spec_volume *v, int fd, uint64_t value,
			  struct err *e)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

	if (fsetxattr(fd, GENERATION, text, (size_t)n, 0) && errno != ENOTSUP)
		return err_sys(e, errno, "volume %s: generation", v->name);
	return 0;
}

int volumes_wake(struct instance *in, struct err *e)
{
	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		const struct spec_volume *v = &in->spec.volumes[i];
		int fd = in->volume_fds[i];
		uint64_t generation = v->is_readonly ? 0 : get_generation(fd);

		if (generation == 0 || generation % 2)
			continue;
		if (set_generation(v, fd, generation + 1, e))
			return -e->code;
		if (fsync(fd))
			return err_sys(e, errno, "volume %s", v->name);
	}
	return 0;
}

static int describe(const struct spec_volume *v, int fd,
		    struct checkpoint_volume *to, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, errno, "volume %s", v->name);
	to->generation = get_generation(fd);
	to->changed_ns = st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec;
	to->size = (uint64_t)st.st_size;
	return 0;
}

int volumes_sleep(struct instance *in, struct checkpoint_out *out)
{
	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		const struct spec_volume *v = &in->spec.volumes[i];
		int fd = in->volume_fds[i];
		struct checkpoint_volume *to =
			checkpoint_add(&out->volumes, sizeof(*to), 1);

		if (!to)
			return err_sys(out->e, ENOMEM, "volumes");
		if (!v->is_readonly) {
			uint64_t next = (get_generation(fd) | 1) + 1;

			/* With all that was written: the checkpoint may rely
			 * on it, once it is on disk itself (sync.c). */
			if (set_generation(v, fd, next, out->e))
				return -out->e->code;
			if (!checkpoint_boot() && fsync(fd))
				return err_sys(out->e, errno, "volume %s",
					       v->name);
		}
		if (describe(v, fd, to, out->e))
			return -out->e->code;
	}
	return 0;
}

int volumes_match(const struct instance *in, const struct checkpoint_volume *v,
		  struct err *e)
{
	for (unsigned int i = 0; i < in->spec.nvolumes; i++, v++) {
		const char *name = in->spec.volumes[i].name;
		struct checkpoint_volume now = { 0 };

		if (describe(&in->spec.volumes[i], in->volume_fds[i], &now, e))
			return -e->code;
		if (now.generation != v->generation)
			return err_set(e, ESTALE,
				       "checkpoint: volume %s was used since",
				       name);
		if (now.changed_ns != v->changed_ns || now.size != v->size)
			return err_set(e, ESTALE,
				       "checkpoint: volume %s was changed "
				       "since",
				       name);
	}
	return 0;
}

void volumes_place(struct instance *in)
{
	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		in->boot->volumes[i].fd = in->volume_fds[i];
		in->boot->volumes[i].direct_fd = in->direct_fds[i];
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core files of the instance's programs, written to a directory of the host
 * that the user named (jiffy run --core). What comes is hostile: names are made
 * harmless, numbers and sizes are bounded, nothing that exists is followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/log.h"
#include "monitor/instance.h"

#define CORE_FILES_MAX 32	    /* in the life of an instance */
#define CORE_SIZE_MAX (1ULL << 40)  /* of one, holes included */
#define CORE_BYTES_MAX (4ULL << 30) /* written, all together */
#define CORE_NAME_SIZE 32

int core_start(struct instance *in, struct err *e)
{
	for (int i = 0; i < CORE_OPEN_MAX; i++)
		in->core.fds[i] = -1;
	in->core.dir_fd = -1;
	if (!in->spec.core)
		return 0;
	in->core.dir_fd =
		open(in->spec.core, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->core.dir_fd < 0)
		return err_sys(e, errno, "core %s", in->spec.core);
	return 0;
}

/* PROGRAM.PID out of what the kernel says the program is called. */
static void make_name(char name[CORE_NAME_SIZE], const uint8_t *comm,
		      uint32_t len, uint32_t pid)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.+";
	char text[16];
	uint32_t n;

	for (n = 0; n < len && n < sizeof(text) - 1 && comm[n]; n++)
		text[n] = (char)(strchr(plain, comm[n]) ? comm[n] : '_');
	if (n == 0)
		text[n++] = '_';
	else if (text[0] == '.')
		text[0] = '_';
	text[n] = '\0';
	snprintf(name, CORE_NAME_SIZE, "%s.%u", text, pid);
}

int core_open(struct instance *in, uint32_t pid, const uint8_t *comm,
	      uint32_t len, uint32_t *id)
{
	char name[CORE_NAME_SIZE] = "";
	int i, fd;

	if (in->core.dir_fd < 0)
		return ENOENT;
	for (i = 0; i < CORE_OPEN_MAX && in->core.fds[i] >= 0; i++)
		;
	if (i == CORE_OPEN_MAX || in->core.nfiles >= CORE_FILES_MAX)
		return EMFILE;
	make_name(name, comm, len, pid);
	/* One of an earlier instance goes; a symbolic link is not followed. */
	(void)unlinkat(in->core.dir_fd, name, 0);
	fd = openat(in->core.dir_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		int err = errno;

		log_warning("instance %s: core file %s: %s", in->spec.name,
			    name, strerror(err));
		return err;
	}
	in->core.nfiles++;
	in->core.fds[i] = fd;
	*id = (uint32_t)i;
	return 0;
}

static int core_fd(const struct instance *in, uint32_t id)
{
	return id < CORE_OPEN_MAX ? in->core.fds[id] : -1;
}

int core_write(struct instance *in, uint32_t id, uint64_t offset,
	       const uint8_t *data, uint32_t len)
{
	int fd = core_fd(in, id);
	ssize_t n;

	if (fd < 0)
		return EBADF;
	if (offset > CORE_SIZE_MAX - len ||
	    in->core.bytes + len > CORE_BYTES_MAX)
		return EFBIG;
	n = pwrite(fd, data, len, (off_t)offset);
	if (n < 0)
		return errno;
	in->core.bytes += (uint64_t)n;
	return (uint32_t)n == len ? 0 : ENOSPC;
}

int core_close(struct instance *in, uint32_t id, uint64_t size)
{
	int fd = core_fd(in, id), err = 0;

	if (fd < 0)
		return EBADF;
	if (size > CORE_SIZE_MAX)
		err = EFBIG;
	else if (ftruncate(fd, (off_t)size))
		err = errno;
	close(fd);
	in->core.fds[id] = -1;
	return err;
}

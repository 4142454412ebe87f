/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's standard input and output where they are regular files: what
 * the kernel's host calls do not reach (size, position, cutting) is done here,
 * on descriptors of the same open files and with their rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/broker.h"
#include "monitor/instance.h"

void stdio_look(struct instance *in)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		/* Detached, the output is the log: not the program's. */
		bool own = fd ? !in->spec.is_detached : in->spec.has_stdin;
		int flags = fcntl(fd, F_GETFL);

		in->regular_fds[fd] = -1;
		if (in->spec.has_tty || !own || flags < 0 || fstat(fd, &st) ||
		    !S_ISREG(st.st_mode))
			continue;
		in->boot->flags |= (uint32_t)BOOT_REGULAR_0 << fd;
		if (flags & O_APPEND)
			in->boot->flags |= (uint32_t)BOOT_APPEND_0 << fd;
		in->regular_fds[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	}
}

static int op_stat(int fd, uint64_t answer[4])
{
	struct stat st;

	if (fstat(fd, &st))
		return errno;
	answer[0] = (uint64_t)st.st_size;
	answer[1] = st.st_mode & 0777;
	answer[2] = (uint64_t)st.st_mtim.tv_sec;
	answer[3] = (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static int op_read(int fd, const uint64_t arg[2], struct stdio_data *data)
{
	size_t len = arg[1] < sizeof(data->bytes) ? (size_t)arg[1]
						  : sizeof(data->bytes);
	ssize_t n = pread(fd, data->bytes, len, (off_t)arg[0]);

	if (n < 0)
		return errno;
	data->len = (size_t)n;
	return 0;
}

static int op_write(int fd, uint64_t offset, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0)
			return errno;
		bytes += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int stdio_serve(struct instance *in, const struct broker_request *r,
		const uint8_t *payload, uint64_t answer[4],
		struct stdio_data *data)
{
	unsigned int n = r->arg & 0xff;
	int fd = n < 3 ? in->regular_fds[n] : -1;
	uint64_t arg[2];
	off_t at;

	if (fd < 0)
		return EBADF;
	memcpy(arg, r->addr, sizeof(arg));
	switch ((enum broker_stdio)(r->arg >> 8)) {
	case BROKER_STDIO_STAT:
		return op_stat(fd, answer);
	case BROKER_STDIO_SEEK:
		at = lseek(fd, (off_t)arg[0], (int)arg[1]);
		answer[0] = (uint64_t)at;
		return at < 0 ? errno : 0;
	case BROKER_STDIO_READ:
		return op_read(fd, arg, data);
	case BROKER_STDIO_WRITE:
		return op_write(fd, arg[0], payload, r->payload_len);
	case BROKER_STDIO_TRUNCATE:
		return ftruncate(fd, (off_t)arg[0]) ? errno : 0;
	case BROKER_STDIO_SYNC:
		return fsync(fd) ? errno : 0;
	}
	return ENOSYS;
}

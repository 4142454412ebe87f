/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparse copies: of a regular file only what is data is read; what is zero is
 * left out of a regular file.
 */
#include "cli/volume_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/proc.h"
#include "host/xmalloc.h"

#define CHUNK (256 << 10)
#define UNIT 4096 /* of zeroes that become a hole */

int volume_clone(int from, int to)
{
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	return errno == EXDEV || errno == ENOTTY || errno == EINVAL
		       ? -EOPNOTSUPP
		       : -errno;
}

struct copy {
	int from, to;
	bool is_sparse; /* `to` is a regular file */
	off_t at;	/* in both */
	unsigned char *buf;
};

static bool is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int put(struct copy *c, const unsigned char *p, size_t n)
{
	if (!c->is_sparse)
		return io_write_full(c->to, p, n);
	while (n > 0) {
		ssize_t done = pwrite(c->to, p, n, c->at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		p += done;
		c->at += done;
		n -= (size_t)done;
	}
	return 0;
}

static int put_sparse(struct copy *c, size_t n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i += UNIT) {
		size_t len = n - i < UNIT ? n - i : UNIT;

		if (c->is_sparse && is_zero(c->buf + i, len))
			c->at += (off_t)len;
		else
			r = put(c, c->buf + i, len);
	}
	return r;
}

static int put_hole(struct copy *c, off_t len)
{
	int r = 0;

	if (c->is_sparse) {
		c->at += len;
		return 0;
	}
	memset(c->buf, 0, CHUNK);
	for (; !r && len > 0; len -= CHUNK)
		r = put(c, c->buf, len < CHUNK ? (size_t)len : CHUNK);
	return r;
}

/* Bytes [start, end) of a regular file. */
static int copy_range(struct copy *c, off_t start, off_t end)
{
	while (start < end) {
		off_t left = end - start;
		ssize_t n = pread(c->from, c->buf,
				  left < CHUNK ? (size_t)left : CHUNK, start);
		int r;

		if (n < 0 && errno == EINTR && !proc_interrupted())
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* it has become shorter */
		r = put_sparse(c, (size_t)n);
		if (r < 0)
			return r;
		if (proc_interrupted())
			return -EINTR;
		start += n;
	}
	return 0;
}

static int copy_file(struct copy *c, off_t size)
{
	off_t at = 0;
	int r = 0;

	while (!r && at < size) {
		off_t data = lseek(c->from, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			data = size;
		else if (data < 0)
			data = at; /* no holes here */
		data = data > size ? size : data;
		r = put_hole(c, data - at);
		if (r || data == size)
			break;
		hole = lseek(c->from, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		r = copy_range(c, data, hole);
		at = hole;
	}
	return r;
}

static int copy_stream(struct copy *c)
{
	for (;;) {
		ssize_t n = io_read_full(c->from, c->buf, CHUNK);
		int r;

		if (n <= 0)
			return (int)n;
		r = put_sparse(c, (size_t)n);
		if (r < 0)
			return r;
		if (proc_interrupted())
			return -EINTR;
	}
}

int volume_copy(int from, int to, struct err *e)
{
	cleanup_free unsigned char *buf = xmalloc(CHUNK);
	struct copy c = { .from = from, .to = to, .buf = buf };
	struct stat in, out;
	int r;

	if (fstat(from, &in) < 0 || fstat(to, &out) < 0)
		return err_sys(e, errno, "copy");
	c.is_sparse = S_ISREG(out.st_mode) && out.st_size == 0;
	r = S_ISREG(in.st_mode) ? copy_file(&c, in.st_size) : copy_stream(&c);
	if (!r && c.is_sparse && ftruncate(to, c.at) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, -r, "copy") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input and output that are regular files outside. Bytes at the
 * current position move directly, on a position that is shared with whoever
 * has the file outside. Size, seeking, cutting and what has a position of its
 * own is asked of the monitor: the host calls for it are not let through.
 */
#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/dev/hostfile.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/vfs/vfs.h"

#define CHUNK 16384U

struct message {
	struct broker_request request;
	u8 out[CHUNK]; /* follows the request */
	struct broker_reply reply;
	u8 in[CHUNK]; /* follows the reply */
};

bool hostreg_is(unsigned int n)
{
	return kernel.boot->flags & (BOOT_REGULAR_0 << n);
}

u32 hostreg_flags(unsigned int n)
{
	return kernel.boot->flags & (BOOT_APPEND_0 << n) ? O_APPEND : 0;
}

/* One request about descriptor n with `len` bytes of m->out. The bytes that
 * came into m->in, or -errno. */
static s64 call(struct message *m, unsigned int n, u32 what, u64 a, u64 b,
		u32 len)
{
	u64 args[2] = { a, b };
	int got;

	m->request.op = BROKER_STDIO;
	m->request.arg = what << 8 | n;
	m->request.addr_len = sizeof(args);
	memcpy(m->request.addr, args, sizeof(args));
	m->request.payload_len = len;
	got = plat_broker_call(&m->request, sizeof(m->request) + len, &m->reply,
			       sizeof(m->reply) + sizeof(m->in), NULL, 0);
	if (got < (int)sizeof(m->reply))
		return got < 0 ? got : -EIO;
	if (m->reply.error)
		return m->reply.error > 0 && m->reply.error < 4096
			       ? -m->reply.error
			       : -EIO;
	return got - (s64)sizeof(m->reply);
}

/* One without bytes; *number is what the monitor answers. */
static int ask(unsigned int n, u32 what, u64 a, u64 b, u64 number[4])
{
	struct message *m = kzalloc(sizeof(*m));
	s64 err;

	if (!m)
		return -ENOMEM;
	err = call(m, n, what, a, b, 0);
	if (err >= 0 && number)
		memcpy(number, m->reply.addr, sizeof(m->reply.addr));
	kfree(m);
	return err < 0 ? (int)err : 0;
}

static s64 hostreg_lseek(struct file *f, s64 offset, int whence)
{
	u64 number[4];
	int err;

	if (whence < 0 || whence > 4)
		return -EINVAL;
	err = ask(hostfile_stdio(f), BROKER_STDIO_SEEK, (u64)offset,
		  (u64)whence, number);
	return err ? err : (s64)number[0];
}

static s64 read_at(struct file *f, struct uio *u, u64 pos)
{
	struct message *m = kzalloc(sizeof(*m));
	s64 n = 0, done = 0;

	if (!m)
		return -ENOMEM;
	while (u->left) {
		n = call(m, hostfile_stdio(f), BROKER_STDIO_READ,
			 pos + (u64)done, MIN(u->left, CHUNK), 0);
		if (n <= 0 || n > CHUNK)
			break;
		n = uio_put(u, m->in, (u64)n);
		if (n < 0)
			break;
		done += n;
	}
	kfree(m);
	return done ? done : n;
}

static s64 write_at(struct file *f, struct uio *u, u64 pos)
{
	struct message *m = kzalloc(sizeof(*m));
	s64 n = 0, done = 0;
	u32 len;

	if (!m)
		return -ENOMEM;
	while (u->left) {
		len = (u32)MIN(u->left, CHUNK);
		n = uio_get(u, m->out, len);
		len = (u32)MAX(n, 0);
		if (len)
			n = call(m, hostfile_stdio(f), BROKER_STDIO_WRITE,
				 pos + (u64)done, 0, len);
		if (n < 0 || !len)
			break;
		done += len;
	}
	kfree(m);
	return done ? done : n;
}

static s64 hostreg_read(struct file *f, struct uio *u, u64 *pos)
{
	return pos == &f->pos ? hostfile_read(f, u, pos) : read_at(f, u, *pos);
}

static s64 hostreg_write(struct file *f, struct uio *u, u64 *pos)
{
	return pos == &f->pos ? hostfile_write(f, u, pos)
			      : write_at(f, u, *pos);
}

static int hostreg_fsync(struct file *f, UNUSED bool data_only)
{
	return ask(hostfile_stdio(f), BROKER_STDIO_SYNC, 0, 0, NULL);
}

const struct file_ops hostreg_fops = {
	.name = "hostfile",
	.read = hostreg_read,
	.write = hostreg_write,
	.lseek = hostreg_lseek,
	.ioctl = hostfile_ioctl,
	.poll = hostfile_poll,
	.fsync = hostreg_fsync,
	.no_splice = true, /* its position is not ours */
	.release = hostfile_release,
};

static unsigned int inode_stdio(const struct inode *i)
{
	return (unsigned int)(uintptr_t)i->data;
}

static int hostreg_getattr(struct inode *i, struct attr *a)
{
	u64 number[4];
	int err = ask(inode_stdio(i), BROKER_STDIO_STAT, 0, 0, number);

	if (err)
		return err;
	a->mode = TYPE_REG | ((u32)number[1] & MODE_PERM);
	a->uid = i->uid;
	a->gid = i->gid;
	a->size = number[0];
	a->mtime = (struct ltimespec){ (s64)number[2], (s64)number[3] };
	a->atime = a->mtime;
	a->ctime = a->mtime;
	a->btime = a->mtime;
	return 0;
}

static int hostreg_setattr(struct inode *i, const struct attr *a)
{
	if (a->valid & ATTR_SIZE)
		return ask(inode_stdio(i), BROKER_STDIO_TRUNCATE, a->size, 0,
			   NULL);
	return -EPERM; /* its owner's */
}

/* By name: the position stays shared, so nothing is cut off before it. */
static int hostreg_open(struct inode *i, struct file *f)
{
	f->flags &= ~(u32)O_TRUNC;
	return hostfile_open(i, f);
}

const struct inode_ops hostreg_iops = {
	.open = hostreg_open,
	.getattr = hostreg_getattr,
	.setattr = hostreg_setattr,
};

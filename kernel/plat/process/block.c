/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices: plat.h group 5. A volume is a file of the host, opened and
 * locked by the monitor; requests are positioned calls on its descriptor,
 * made by the thread that submits, so that as many are under way as threads
 * submit.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/net/activity.h"
#include "kernel/plat/process/host.h"

#define HOST_IOV_MAX 1024
#define WRITE_PIECE KIB(64)
#define DIRECT_MIN KIB(256) /* transfers past the host's cache */
#define DIRECT_ALIGN 4096UL
#define HOST_RWF_NOWAIT 8
#define HOST_PUNCH_KEEP 3 /* FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE */

/* The shared block, not the copy: the monitor may have grown the volume. */
static const struct boot_volume *volume(u32 device)
{
	const struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	return device < plat_state.nvolumes ? &b->volumes[device] : NULL;
}

u32 plat_block_count(void)
{
	return plat_state.nvolumes;
}

int plat_block_info(u32 device, struct plat_block_info *info)
{
	const struct boot_volume *v = volume(device);

	if (!v)
		return -ENODEV;
	info->size = atomic_load(&v->size);
	info->is_readonly = v->flags & BOOT_VOLUME_READONLY;
	return 0;
}

/* What filesystems understand. */
static int block_error(s64 err)
{
	switch (err) {
	case -EFAULT:
	case -ENOSPC:
	case -EIO:
		return (int)err;
	case -EDQUOT:
	case -EFBIG:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

/* Go on after a short transfer: the buffers that are left, cut at the front. */
static int move_rest(struct plat_block_io *io, s32 fd, long nr, u64 done)
{
	while (done < io->len) {
		struct plat_iovec rest[8];
		u64 skip = done;
		u32 n = 0;
		s64 moved;

		for (u32 i = 0; i < io->niov && n < ARRAY_SIZE(rest); i++) {
			u64 len = io->iov[i].len;

			if (skip >= len) {
				skip -= len;
				continue;
			}
			rest[n].base = io->iov[i].base + skip;
			rest[n++].len = len - skip;
			skip = 0;
		}
		moved = hostcall(nr, fd, rest, n, io->offset + done, 0, 0);
		if (moved == -EINTR)
			continue;
		if (moved <= 0)
			return block_error(moved ? moved : -EIO);
		done += (u64)moved;
	}
	return 0;
}

static int block_move(struct plat_block_io *io, s32 fd, long nr)
{
	s64 moved = hostcall(nr, fd, io->iov, io->niov, io->offset, 0, 0);

	if (likely(moved == (s64)io->len))
		return 0;
	if (moved == -EINTR)
		moved = 0;
	else if (moved <= 0)
		return block_error(moved ? moved : -EIO);
	return move_rest(io, fd, nr, (u64)moved);
}

/* The host caches what is written at once as one unit where it can, and walks
 * all of the unit whenever a part of it changes: small ones are faster later.
 */
static int block_write_pieces(const struct plat_block_io *whole, s32 fd)
{
	struct plat_iovec iov;
	struct plat_block_io io = *whole;
	int err = 0;

	io.iov = &iov;
	for (u64 done = 0; !err && done < whole->len; done += io.len) {
		io.offset = whole->offset + done;
		io.len = MIN(whole->len - done, WRITE_PIECE);
		iov.base = whole->iov->base + done;
		iov.len = io.len;
		err = block_move(&io, fd, __NR_pwritev);
	}
	return err;
}

/* --- Past the host's cache ----------------------------------------------- */

static bool is_direct(const struct plat_block_io *io)
{
	u64 all = io->offset;

	if (plat_state.direct_fd[io->device] < 0 || io->len < DIRECT_MIN)
		return false;
	for (u32 i = 0; i < io->niov; i++)
		all |= io->iov[i].base | io->iov[i].len;
	return all % DIRECT_ALIGN == 0;
}

/* 1: the host would not, or not all of it: by way of its cache, then. */
static int direct_move(struct plat_block_io *io, long nr)
{
	s64 moved = hostcall(nr, plat_state.direct_fd[io->device], io->iov,
			     io->niov, io->offset, 0, 0);

	if (moved == (s64)io->len)
		return 0;
	return moved >= 0 || moved == -EINVAL || moved == -EINTR
		       ? 1
		       : block_error(moved);
}

/* Where the last direct reads ended, as hints: any thread, atomic. */
#define STREAMS 8U
static struct {
	u64 end[STREAMS];
	u32 next;
} streams;

static bool goes_on(const struct plat_block_io *io)
{
	u64 key = io->offset | io->device; /* the offset is a multiple */
	bool found = false;

	for (u32 i = 0; i < STREAMS; i++)
		found |= atomic_load(&streams.end[i]) == key;
	return found;
}

static void note_end(const struct plat_block_io *io)
{
	u32 at = atomic_fetch_add(&streams.next, 1U) % STREAMS;

	atomic_store(&streams.end[at], (io->offset + io->len) | io->device);
}

/* What the host has in memory need not be read again. One page tells for all,
 * and once for all that follows: the host reads ahead when it is asked. */
static bool is_cached(const struct plat_block_io *io, s32 fd)
{
	struct plat_iovec first = { io->iov->base, DIRECT_ALIGN };

	return !goes_on(io) &&
	       hostcall(__NR_preadv2, fd, &first, 1, io->offset, 0,
			HOST_RWF_NOWAIT) == (s64)DIRECT_ALIGN;
}

static int block_read_host(struct plat_block_io *io, s32 fd)
{
	int err = 1;

	if (is_direct(io) && !is_cached(io, fd)) {
		note_end(io);
		err = direct_move(io, __NR_preadv2);
	}
	return err > 0 ? block_move(io, fd, __NR_preadv2) : err;
}

static int block_write_host(struct plat_block_io *io, s32 fd)
{
	int err = is_direct(io) ? direct_move(io, __NR_pwritev) : 1;

	if (err <= 0)
		return err;
	if (io->niov == 1 && io->len > WRITE_PIECE)
		return block_write_pieces(io, fd);
	return block_move(io, fd, __NR_pwritev);
}

static s64 uninterrupted(long nr, u64 a, u64 b, u64 c, u64 d)
{
	s64 err;

	do {
		err = hostcall(nr, a, b, c, d);
	} while (err == -EINTR);
	return err;
}

/* A host without fallocate finds room, or not, when it is written to. */
static int block_allocate(struct plat_block_io *io, s32 fd, u64 mode)
{
	s64 err = uninterrupted(__NR_fallocate, (u64)fd, mode, io->offset,
				io->len);

	return err == 0 || err == -EOPNOTSUPP ? 0 : block_error(err);
}

/* Just woken, the volume may be another one's who was promised that nobody has
 * written to it: until the monitor has withdrawn that, durably. */
static void await_gate(void)
{
	u32 *gate = &((struct boot_block *)KERNEL_BOOT_BASE)->gate;
	u32 now;

	while (unlikely((now = atomic_load(gate)) < BOOT_GATE_VOLUMES))
		host_wait(gate, now);
}

static int block_do(struct plat_block_io *io)
{
	const struct boot_volume *v = volume(io->device);
	s64 err;
	s32 fd;

	if (!v || io->niov > HOST_IOV_MAX)
		return -EIO;
	fd = plat_state.volume_fd[io->device];
	if (io->op != PLAT_BLOCK_READ)
		await_gate();
	switch (io->op) {
	case PLAT_BLOCK_READ:
		return block_read_host(io, fd);
	case PLAT_BLOCK_WRITE:
		return block_write_host(io, fd);
	case PLAT_BLOCK_FLUSH:
		err = uninterrupted(__NR_fdatasync, (u64)fd, 0, 0, 0);
		return err ? block_error(err) : 0;
	case PLAT_BLOCK_RESERVE:
		return block_allocate(io, fd, 0);
	case PLAT_BLOCK_DISCARD:
		return block_allocate(io, fd, HOST_PUNCH_KEEP);
	}
	return -EIO;
}

void plat_block_submit(struct plat_block_io *io)
{
	struct status_shard *s = activity_shard();

	lazy_touch(io->iov, (int)io->niov);
	atomic_fetch_add(&s->blocks, 1);
	io->result = block_do(io);
	atomic_fetch_sub(&s->blocks, 1);
	activity_less();
	io->done(io);
}

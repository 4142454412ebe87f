/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices: waiting for requests, remembering which room is reserved. The
 * filesystems on top take turns as they like; nothing here is ordered.
 */
#include "kernel/dev/block.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define DEVICES_MAX 16
#define SECTOR 512
#define IOV_MAX 1024
#define CHUNK_SHIFT 22 /* 4 MiB: one call of the host for a thousand blocks */
#define CHUNK (1UL << CHUNK_SHIFT)
#define ALIGN_RESERVE 4096UL

static struct block_device devices[DEVICES_MAX]; /* the platform's */
static struct block_device *shown[DEVICES_MAX];	 /* what the rest uses */
static u32 ndevices;

/* --- Devices ------------------------------------------------------------- */

static void plat_submit(UNUSED struct block_device *d, struct plat_block_io *io)
{
	plat_block_submit(io);
}

static u64 plat_size(struct block_device *d)
{
	struct plat_block_info info;

	return plat_block_info(d->number, &info) ? 0 : info.size;
}

static const struct block_ops plat_ops = {
	.submit = plat_submit,
	.size = plat_size,
};

void block_init(void)
{
	u32 n = MIN(plat_block_count(), DEVICES_MAX);

	for (u32 i = 0; i < n; i++) {
		struct block_device *d = &devices[i];
		struct plat_block_info info;

		if (plat_block_info(i, &info))
			return;
		d->ops = &plat_ops;
		d->number = i;
		d->is_readonly = info.is_readonly;
		(void)fmt_format(d->name, sizeof(d->name), "vd%c",
				 'a' + (int)i);
		shown[i] = block_wrapped(d);
		ndevices = i + 1;
	}
}

struct block_device *block_device(u32 number)
{
	return number < ndevices ? shown[number] : NULL;
}

u64 block_size(struct block_device *d)
{
	return d->ops->size(d);
}

struct block_device *block_find(const char *source)
{
	if (strncmp(source, "/dev/", 5) == 0)
		source += 5;
	for (u32 i = 0; i < ndevices; i++)
		if (strcmp(shown[i]->name, source) == 0)
			return shown[i];
	return NULL;
}

int block_claim(struct block_device *d)
{
	if (atomic_xchg(&d->is_claimed, true))
		return -EBUSY;
	atomic_store(&d->flush_error, 0);
	return 0;
}

void block_release(struct block_device *d)
{
	atomic_store_release(&d->is_claimed, false);
}

/* --- Requests ------------------------------------------------------------ */

enum { WAIT_NOT_YET, WAIT_ASLEEP, WAIT_DONE };

struct wait {
	u32 state; /* atomic */
};

static void wake(struct plat_block_io *io)
{
	struct wait *w = io->owner;

	/* The word may be gone then; nobody waits on its address. */
	if (atomic_xchg(&w->state, WAIT_DONE) == WAIT_ASLEEP)
		plat_wake(&w->state, ~0U);
}

static int submit_and_wait(struct block_device *d, struct plat_block_io *io)
{
	struct wait w = { WAIT_NOT_YET };

	io->device = d->number;
	io->owner = &w;
	io->done = wake;
	d->ops->submit(d, io);
	while (atomic_load_acquire(&w.state) != WAIT_DONE) {
		u32 state = WAIT_NOT_YET;

		(void)atomic_cmpxchg(&w.state, &state, WAIT_ASLEEP);
		(void)plat_wait(&w.state, WAIT_ASLEEP, NSEC_MAX);
	}
	return io->result;
}

static int check_range(struct block_device *d, enum plat_block_op op,
		       u64 offset, u64 len)
{
	u64 end;

	if (offset % SECTOR || len % SECTOR || ckd_add(&end, offset, len) ||
	    end > block_size(d))
		return -EINVAL;
	if (op != PLAT_BLOCK_READ && d->is_readonly)
		return -EROFS;
	return 0;
}

int block_rw(struct block_device *d, enum plat_block_op op, u64 offset,
	     const struct plat_iovec *iov, u32 niov)
{
	struct plat_block_io io = {
		.op = op,
		.offset = offset,
		.iov = iov,
		.niov = niov,
	};
	int err;

	for (u32 i = 0; i < niov; i++)
		io.len += iov[i].len;
	err = niov > IOV_MAX ? -EINVAL : check_range(d, op, offset, io.len);
	if (err || io.len == 0)
		return err;
	return submit_and_wait(d, &io);
}

int block_read(struct block_device *d, u64 offset, void *buf, u64 len)
{
	struct plat_iovec iov = { (u64)buf, len };

	return block_rw(d, PLAT_BLOCK_READ, offset, &iov, 1);
}

int block_write(struct block_device *d, u64 offset, const void *buf, u64 len)
{
	struct plat_iovec iov = { (u64)buf, len };

	return block_rw(d, PLAT_BLOCK_WRITE, offset, &iov, 1);
}

/* Called and returns with the lock; nobody else is at it. */
static void flush_one(struct block_device *d)
{
	struct plat_block_io io = { .op = PLAT_BLOCK_FLUSH };
	int err;

	d->nflushes_begun++;
	mutex_unlock(&d->flush_lock);
	err = submit_and_wait(d, &io);
	if (err)
		atomic_store(&d->flush_error, err);
	mutex_lock(&d->flush_lock);
	d->nflushes_done++;
	atomic_fetch_add(&d->flush_event, 1U);
	plat_wake(&d->flush_event, ~0U);
}

int block_flush(struct block_device *d)
{
	u64 mine;

	if (d->is_readonly)
		return 0;
	mutex_lock(&d->flush_lock);
	mine = d->nflushes_begun + 1;
	while (d->nflushes_done < mine) {
		u32 event = atomic_load(&d->flush_event);

		if (d->nflushes_begun == d->nflushes_done) {
			flush_one(d);
			continue;
		}
		mutex_unlock(&d->flush_lock);
		(void)plat_wait(&d->flush_event, event, NSEC_MAX);
		mutex_lock(&d->flush_lock);
	}
	mutex_unlock(&d->flush_lock);
	return atomic_load(&d->flush_error);
}

/* --- Room ---------------------------------------------------------------- */

static int reserve(struct block_device *d, u64 offset, u64 len)
{
	struct plat_block_io io = {
		.op = PLAT_BLOCK_RESERVE,
		.offset = offset,
		.len = len,
	};

	return submit_and_wait(d, &io);
}

/* Have bits for all of a device of that size. Without memory there are none and
 * every call goes to the platform. */
static void reserve_map(struct block_device *d, u64 size)
{
	u64 nchunks = (size + CHUNK - 1) >> CHUNK_SHIFT;
	u64 words = (nchunks + 63) / 64;
	u64 *map;

	if (nchunks <= d->nreserved)
		return;
	map = kzalloc(words * sizeof(*map));
	if (!map)
		return;
	if (d->reserved)
		memcpy(map, d->reserved, (d->nreserved + 63) / 64 * 8);
	kfree(d->reserved);
	d->reserved = map;
	d->nreserved = nchunks;
}

static bool chunk_is_reserved(const struct block_device *d, u64 chunk)
{
	return chunk < d->nreserved &&
	       (d->reserved[chunk / 64] >> (chunk % 64) & 1);
}

/* One chunk as a whole if there is room for it, else the part that counts. */
static int reserve_chunk(struct block_device *d, u64 chunk, u64 size, u64 from,
			 u64 to)
{
	u64 start = chunk << CHUNK_SHIFT;
	u64 end = MIN(start + CHUNK, size);

	if (chunk_is_reserved(d, chunk))
		return 0;
	if (reserve(d, start, end - start) == 0) {
		/* A last chunk that is cut short may grow. */
		if (chunk < d->nreserved && end == start + CHUNK)
			d->reserved[chunk / 64] |= 1UL << (chunk % 64);
		return 0;
	}
	from = ROUND_DOWN(MAX(from, start), ALIGN_RESERVE);
	to = MIN(ROUND_UP(MIN(to, end), ALIGN_RESERVE), end);
	return reserve(d, from, to - from);
}

int block_reserve(struct block_device *d, u64 offset, u64 len)
{
	u64 size = block_size(d), end = offset + len;
	int err = check_range(d, PLAT_BLOCK_RESERVE, offset, len);

	if (err || len == 0)
		return err;
	mutex_lock(&d->reserve_lock);
	reserve_map(d, size);
	for (u64 c = offset >> CHUNK_SHIFT;
	     !err && c <= (end - 1) >> CHUNK_SHIFT; c++)
		err = reserve_chunk(d, c, size, offset, end);
	mutex_unlock(&d->reserve_lock);
	return err;
}

void block_discard(struct block_device *d, u64 offset, u64 len)
{
	struct plat_block_io io = {
		.op = PLAT_BLOCK_DISCARD,
		.offset = offset,
		.len = len,
	};

	if (check_range(d, PLAT_BLOCK_DISCARD, offset, len) || len == 0)
		return;
	mutex_lock(&d->reserve_lock);
	for (u64 c = offset >> CHUNK_SHIFT;
	     c <= (offset + len - 1) >> CHUNK_SHIFT && c < d->nreserved; c++)
		d->reserved[c / 64] &= ~(1UL << (c % 64));
	(void)submit_and_wait(d, &io);
	mutex_unlock(&d->reserve_lock);
}

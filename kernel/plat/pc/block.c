/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices: plat.h group 5 by virtio (5.2). A request is cut into pieces
 * of at most PAGES pages; whoever submits waits for the last of them.
 */
#include "abi/boot.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/virtio.h"

#define F_RO (1UL << 5)
#define F_FLUSH (1UL << 9)
#define F_WRITE_ZEROES (1UL << 14)
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_WRITE_ZEROES = 13 };
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPPORTED = 2 };
#define SECTOR 512u
#define PAGES 30u
#define ZEROES_UNMAP 1u
#define STATUS_NONE 0xff

struct config { /* 5.2.4, as far as it is used */
	u64 capacity;
};

struct block {
	struct virtio *device;
	struct virtq queue;
	u64 size; /* bytes */
};
static struct block *blocks[BOOT_VOLUMES_MAX + 1];
static u32 nblocks;

/* What the device reads and writes beside the data, in one piece. */
struct header {
	u32 type, reserved;
	u64 sector;
	struct {
		u64 sector;
		u32 count, flags;
	} zeroes;
	u8 status;
};

struct request {
	struct header *header; /* a frame of its own */
	u32 done;	       /* atomic; waited for */
	u32 npages;
	paddr_t pages[PAGES];
	struct virtq_piece pieces[PAGES + 3];
	u16 npieces;
	u32 data_len;
};

static void on_irq(struct virtio *d)
{
	struct block *b = d->driver;
	struct request *r;
	u32 len;

	while ((r = virtq_get(&b->queue, &len))) {
		atomic_store_release(&r->done, 1);
		plat_wake(&r->done, 1);
	}
	atomic_fetch_add(&b->queue.room, 1);
	plat_wake(&b->queue.room, ~0u);
}

void virtio_block_begin(struct virtio *d)
{
	struct block *b = kzalloc(sizeof(*b));
	struct config c;

	if (!b || nblocks == ARRAY_SIZE(blocks))
		return;
	b->device = d;
	d->driver = b;
	if (!virtio_begin(d, F_RO | F_FLUSH | F_WRITE_ZEROES) ||
	    !virtq_init(&b->queue, d, 0, 256))
		virtio_broken(d, "refuses to be a disk");
	virtio_config(d, 0, &c, sizeof(c));
	if (c.capacity > (1UL << 50))
		virtio_broken(d, "is larger than any disk");
	b->size = c.capacity * SECTOR;
	d->on_irq = on_irq;
	virtio_go(d);
	blocks[nblocks++] = b;
}

/* The image's disk, when there is one, is the first. */
static struct block *block_at(u32 device)
{
	device += image_disks();
	return device < nblocks ? blocks[device] : NULL;
}

/* The kernel's first question about devices. */
u32 plat_block_count(void)
{
	static bool is_begun;

	if (!is_begun)
		virtio_init();
	is_begun = true;
	if (nblocks < image_disks())
		kpanic("the image is on no disk");
	if (image_disks())
		image_check(blocks[0]->size);
	return nblocks - image_disks();
}

int plat_block_info(u32 device, struct plat_block_info *info)
{
	const struct block *b = block_at(device);

	if (!b)
		return -ENODEV;
	info->size = b->size;
	info->is_readonly = b->device->features & F_RO;
	return 0;
}

/* --- Where the memory is -----------------------------------------------------
 */

/* The frame of a page, held until the request is done: the program may unmap
 * it meanwhile. 0: a bad address. */
static paddr_t hold(u64 va, bool is_written)
{
	struct plat_space *s = slot_now()->space;

	if (va < USER_END)
		return space_hold(s, va, is_written);
	if (va >= PHYSICAL_BASE) {
		frame_get(va - PHYSICAL_BASE);
		return va - PHYSICAL_BASE;
	}
	return kernel_hold(va);
}

static void let_go(struct request *r)
{
	for (u32 i = 0; i < r->npages; i++)
		frame_put(r->pages[i], 0);
	r->npages = 0;
}

static void add_piece(struct request *r, paddr_t pa, u32 len, bool is_written)
{
	r->pieces[r->npieces++] = (struct virtq_piece){ pa, len, is_written };
}

/* Where a request's buffers are at. */
struct cursor {
	const struct plat_iovec *iov;
	u32 niov;
	u64 at; /* in *iov */
};

/* As much of the buffers as goes into one request. */
static int gather(struct request *r, struct cursor *c, bool is_written)
{
	while (c->niov && r->npages < PAGES) {
		u64 va = c->iov->base + c->at, left = c->iov->len - c->at;
		u32 len = (u32)MIN(left, PAGE_SIZE - va % PAGE_SIZE);
		paddr_t pa;

		if (!left) {
			c->iov++;
			c->niov--;
			c->at = 0;
			continue;
		}
		pa = hold(va, is_written);
		if (!pa)
			return -EFAULT;
		r->pages[r->npages++] = PAGE_DOWN(pa);
		add_piece(r, PAGE_DOWN(pa) + va % PAGE_SIZE, len, is_written);
		r->data_len += len;
		c->at += len;
	}
	return 0;
}

/* --- Requests ----------------------------------------------------------------
 */

static int result_of(const struct request *r)
{
	switch (atomic_load(&r->header->status)) {
	case STATUS_OK:
		return 0;
	case STATUS_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/* Hand it over, wait for it. */
static int run(struct block *b, struct request *r)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&b->queue.room);

		if (virtq_add(&b->queue, r->pieces, r->npieces, r))
			break;
		plat_wait(&b->queue.room, seen, NSEC_MAX);
	}
	virtq_notify(&b->queue);
	while (!atomic_load_acquire(&r->done))
		plat_wait(&r->done, 0, NSEC_MAX);
	return result_of(r);
}

static void begin(struct request *r, u32 type, u64 offset)
{
	*r->header = (struct header){ .type = type,
				      .sector = offset / SECTOR,
				      .status = STATUS_NONE };
	r->done = 0;
	r->npieces = 0;
	r->data_len = 0;
	add_piece(r, (u64)r->header - PHYSICAL_BASE, 16, false);
}

static void end(struct request *r)
{
	add_piece(r,
		  (u64)r->header - PHYSICAL_BASE +
			  offsetof(struct header, status),
		  1, true);
}

static int transfer(struct block *b, struct request *r,
		    const struct plat_block_io *io)
{
	struct cursor c = { io->iov, io->niov, 0 };
	bool is_read = io->op == PLAT_BLOCK_READ;
	int err = 0;

	for (u64 done = 0; done < io->len && !err; done += r->data_len) {
		begin(r, is_read ? TYPE_IN : TYPE_OUT, io->offset + done);
		err = gather(r, &c, is_read);
		end(r);
		if (!err && (!r->data_len || r->data_len % SECTOR))
			err = -EIO;
		if (!err)
			err = run(b, r);
		let_go(r);
	}
	return err;
}

static int discard(struct block *b, struct request *r,
		   const struct plat_block_io *io)
{
	if (!(b->device->features & F_WRITE_ZEROES))
		return -EOPNOTSUPP;
	begin(r, TYPE_WRITE_ZEROES, 0);
	r->header->zeroes.sector = io->offset / SECTOR;
	r->header->zeroes.count = (u32)(io->len / SECTOR);
	r->header->zeroes.flags = ZEROES_UNMAP;
	add_piece(r,
		  (u64)r->header - PHYSICAL_BASE +
			  offsetof(struct header, zeroes),
		  16, false);
	end(r);
	return run(b, r);
}

static int flush(struct block *b, struct request *r)
{
	if (!(b->device->features & F_FLUSH))
		return 0; /* it has nothing that is not durable */
	begin(r, TYPE_FLUSH, 0);
	end(r);
	return run(b, r);
}

static int serve(struct block *b, struct request *r,
		 const struct plat_block_io *io)
{
	if (io->op != PLAT_BLOCK_FLUSH &&
	    (io->offset > b->size || io->len > b->size - io->offset))
		return -EIO;
	switch (io->op) {
	case PLAT_BLOCK_READ:
	case PLAT_BLOCK_WRITE:
		return transfer(b, r, io);
	case PLAT_BLOCK_FLUSH:
		return flush(b, r);
	case PLAT_BLOCK_RESERVE:
		return 0; /* the disk has it, or says so when it is written */
	case PLAT_BLOCK_DISCARD:
		return discard(b, r, io);
	}
	return -EIO;
}

static int serve_alone(struct block *b, const struct plat_block_io *io)
{
	struct request *r = kzalloc(sizeof(*r));
	paddr_t header = frame_alloc(0);
	int err = -EIO;

	if (r && header != FRAME_NONE) {
		r->header = physical(header);
		err = serve(b, r, io);
	}
	if (header != FRAME_NONE)
		frame_put(header, 0);
	kfree(r);
	return err;
}

int block_read_image(u64 offset, const struct plat_iovec *iov, u32 n)
{
	struct plat_block_io io = {
		.op = PLAT_BLOCK_READ, .offset = offset, .iov = iov, .niov = n
	};

	for (u32 i = 0; i < n; i++)
		io.len += iov[i].len;
	io.len = MIN(io.len, blocks[0]->size - MIN(offset, blocks[0]->size));
	return serve_alone(blocks[0], &io);
}

void plat_block_submit(struct plat_block_io *io)
{
	struct block *b = block_at(io->device);

	io->result = b ? serve_alone(b, io) : -ENODEV;
	io->done(io);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root image at KERNEL_IMAGE_BASE: in memory already, behind the boot
 * block, or on the first disk, read in pieces at the first touch. When memory
 * is short, pages go that no program has mapped and nobody has read lately.
 */
#include "kernel/plat/pc/virtio.h"

#define PIECE 16u /* pages that are read at once */

static u64 image_len; /* bytes */
static bool is_disk;
static struct mutex lock; /* of reading */

int image_set(u64 len, paddr_t at, u64 at_len)
{
	image_len = len;
	is_disk = at_len < len;
	if (is_disk || !len)
		return 0;
	return kernel_map(KERNEL_IMAGE_BASE, at, PAGE_UP(len), 0);
}

u32 image_disks(void)
{
	return is_disk;
}

void image_check(u64 size)
{
	if (size < image_len)
		kpanic("the image is cut: its disk has %lu bytes of %lu", size,
		       image_len);
}

/* Room for what is read: what nobody has read lately goes. */
static paddr_t take_frame(void)
{
	paddr_t pa = frame_alloc_user();

	if (pa == FRAME_NONE && image_reclaim(2 * PIECE))
		pa = frame_alloc_user();
	return pa;
}

/* Read n pages from `first` into frames of their own and map them. */
static int read_pages(u64 first, u32 n)
{
	paddr_t frames[PIECE] = { 0 };
	struct plat_iovec iov[PIECE] = { 0 };
	int err = 0;
	u32 got;

	for (got = 0; got < n; got++) {
		frames[got] = take_frame();
		if (frames[got] == FRAME_NONE) {
			err = -ENOMEM;
			break;
		}
		iov[got] = (struct plat_iovec){ (u64)physical(frames[got]),
						PAGE_SIZE };
	}
	if (!err)
		err = block_read_image(first, iov, n);
	for (u32 i = 0; i < got; i++) {
		if (!err)
			err = kernel_map(KERNEL_IMAGE_BASE + first +
						 i * PAGE_SIZE,
					 frames[i], PAGE_SIZE, 0);
		if (err)
			frame_put(frames[i], 0);
	}
	return err;
}

/* Under the lock: the page at offset, and those beside it that are missing. */
static int read_around(u64 offset)
{
	u64 page = PAGE_DOWN(offset), first = page, end = page + PAGE_SIZE;
	u64 low = ROUND_DOWN(offset, PIECE * PAGE_SIZE);
	u64 high = MIN(low + PIECE * PAGE_SIZE, PAGE_UP(image_len));
	int err;

	while (first > low &&
	       !kernel_frame(KERNEL_IMAGE_BASE + first - PAGE_SIZE))
		first -= PAGE_SIZE;
	while (end < high && !kernel_frame(KERNEL_IMAGE_BASE + end))
		end += PAGE_SIZE;
	err = read_pages(first, (u32)((end - first) / PAGE_SIZE));
	if (err == -ENOMEM)
		err = read_pages(page, 1);
	if (err && err != -ENOMEM)
		kpanic("the image's disk cannot be read at %lu: error %d",
		       first, -err);
	return err;
}

u32 image_reclaim(u32 want)
{
	static struct mutex hand_lock;
	static u64 hand = KERNEL_IMAGE_BASE;
	u64 end = KERNEL_IMAGE_BASE + PAGE_UP(image_len);
	u32 n = 0;

	if (!is_disk)
		return 0;
	mutex_lock(&hand_lock);
	/* Once round to forget that they were read, once to find them so. */
	for (u32 i = 0; i < 3 && n < want; i++) {
		n += kernel_reclaim(&hand, end, want - n);
		if (n < want)
			hand = KERNEL_IMAGE_BASE;
	}
	mutex_unlock(&hand_lock);
	return n;
}

bool image_has(u64 offset)
{
	return offset < PAGE_UP(image_len);
}

paddr_t image_hold(u64 offset)
{
	u64 va = KERNEL_IMAGE_BASE + PAGE_DOWN(offset);
	paddr_t pa;

	if (!image_has(offset))
		return 0;
	pa = kernel_hold(va);
	if (pa || !is_disk)
		return pa;
	mutex_lock(&lock);
	do {
		pa = kernel_hold(va);
	} while (!pa && read_around(offset) == 0);
	mutex_unlock(&lock);
	return pa;
}

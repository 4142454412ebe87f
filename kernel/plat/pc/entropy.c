/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entropy: the processor's (RDRAND) and the hypervisor's (virtio-rng, 5.4),
 * mixed, so that the better one counts; a machine that has neither is refused.
 */
#include "kernel/cpu/cpuid.h"
#include "kernel/plat/pc/virtio.h"

#define RDRAND (1u << 30) /* CPUID 1, ecx */
#define RDRAND_TRIES 10
#define PIECE 64u     /* bytes asked of the device at once */
#define EMPTY_MAX 16u /* answers without a byte */

static struct virtio *device;
static struct virtq queue;
static struct mutex lock; /* of the queue and the buffer */
static u8 *buffer;
static u32 done; /* atomic; waited for */

static void on_irq(UNUSED struct virtio *d)
{
	atomic_store_release(&done, 1);
	plat_wake(&done, 1);
}

void virtio_entropy_begin(struct virtio *d)
{
	paddr_t pa = frame_alloc(0);

	if (device)
		return; /* one is enough */
	if (pa == FRAME_NONE)
		kpanic("no memory for a source of randomness");
	if (!virtio_begin(d, 0) || !virtq_init(&queue, d, 0, 1))
		virtio_broken(d, "refuses to be a source of randomness");
	buffer = physical(pa);
	d->on_irq = on_irq;
	virtio_go(d);
	device = d;
}

/* Up to PIECE bytes into the buffer: how many. */
static u32 ask(void)
{
	struct virtq_piece piece = { (u64)buffer - PHYSICAL_BASE, PIECE, true };
	u32 len;

	atomic_store(&done, 0);
	if (!virtq_add(&queue, &piece, 1, buffer))
		kpanic("no room to ask for randomness");
	virtq_notify(&queue);
	while (!virtq_get(&queue, &len)) {
		plat_wait(&done, 0, NSEC_MAX);
		atomic_store(&done, 0);
	}
	return len;
}

static void from_device(u8 *p, size_t n)
{
	u32 empty = 0;

	mutex_lock(&lock);
	while (n) {
		u32 len = MIN(ask(), (u32)MIN(n, PIECE));

		if (!len && ++empty == EMPTY_MAX)
			virtio_broken(device, "gives no randomness");
		memcpy(p, buffer, len);
		p += len;
		n -= len;
	}
	memset(buffer, 0, PIECE);
	mutex_unlock(&lock);
}

static bool has_rdrand(void)
{
	u32 a, b, c, d;

	__cpuid(1, a, b, c, d);
	return c & RDRAND;
}

static u64 rdrand(void)
{
	bool ok = false;
	u64 v = 0;

	for (u32 i = 0; i < RDRAND_TRIES && !ok; i++)
		__asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
	if (!ok)
		kpanic("the processor's randomness has run out");
	return v;
}

static void mix_rdrand(u8 *p, size_t n)
{
	u64 v = 0;

	for (size_t i = 0; i < n; i++, v >>= 8) {
		if (i % sizeof(v) == 0)
			v = rdrand();
		p[i] ^= (u8)v;
	}
}

void plat_entropy(void *buf, size_t n)
{
	if (!device && !has_rdrand())
		kpanic("the machine has no randomness: neither RDRAND nor "
		       "virtio-rng");
	memset(buf, 0, n);
	if (device)
		from_device(buf, n);
	if (has_rdrand())
		mix_rdrand(buf, n);
}

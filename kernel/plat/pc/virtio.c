/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio: the life of a device (3.1) and split rings (2.7).
 */
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/virtio.h"

enum { /* status (2.1) */
       STATUS_ACKNOWLEDGE = 1,
       STATUS_DRIVER = 2,
       STATUS_DRIVER_OK = 4,
       STATUS_FEATURES_OK = 8
};
#define RESET_TRIES 1000000u
#define CONFIG_TRIES 1000u

NORETURN void virtio_broken(const struct virtio *d, const char *what)
{
	char text[128];

	fmt_format(text, sizeof(text), "device %s: %s", d->name, what);
	plat_crash(text, NULL);
}

bool virtio_begin(struct virtio *d, u64 wanted)
{
	const struct virtio_transport *t = d->transport;
	u32 tries = 0;

	t->set_status(d, 0);
	while (t->status(d) && ++tries < RESET_TRIES)
		__builtin_ia32_pause();
	t->set_status(d, STATUS_ACKNOWLEDGE);
	t->set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	d->features = t->features(d) & (wanted | VIRTIO_F_VERSION_1);
	if (!(d->features & VIRTIO_F_VERSION_1))
		return false;
	t->accept(d, d->features);
	t->set_status(d,
		      STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return t->status(d) & STATUS_FEATURES_OK;
}

void virtio_go(struct virtio *d)
{
	d->transport->set_status(d, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
					    STATUS_FEATURES_OK |
					    STATUS_DRIVER_OK);
}

/* Memory that is one piece for the device, too. */
static void *ring_memory(u64 size)
{
	unsigned int order = 0;
	paddr_t pa;

	while ((PAGE_SIZE << order) < size)
		order++;
	pa = frame_alloc(order);
	if (pa == FRAME_NONE)
		return NULL;
	memset(physical(pa), 0, PAGE_SIZE << order);
	return physical(pa);
}

bool virtq_init(struct virtq *q, struct virtio *d, u16 index, u16 max)
{
	u16 size = d->transport->queue_size(d, index);
	struct ring_slot *slots;
	void *desc, *avail, *used;

	memset(q, 0, sizeof(*q));
	q->device = d;
	q->index = index;
	/* A power of two. */
	while (size > max)
		size /= 2;
	if (!size || (size & (size - 1)))
		return false;
	q->size = size;
	desc = ring_memory(ring_desc_bytes(size));
	avail = ring_memory(ring_avail_bytes(size));
	used = ring_memory(ring_used_bytes(size));
	slots = kzalloc(size * sizeof(*slots));
	if (!desc || !avail || !used || !slots)
		return false;
	ring_init(&q->ring, size, desc, avail, used, slots);
	q->ring.has_events = d->features & VIRTIO_F_EVENT_IDX;
	return d->transport->queue_set(d, q);
}

bool virtq_add(struct virtq *q, const struct virtq_piece *pieces, u16 n,
	       void *owner)
{
	u64 flags = spin_lock(&q->lock);
	bool ok = ring_add(&q->ring, pieces, n, owner);

	spin_unlock(&q->lock, flags);
	return ok;
}

void virtq_notify(struct virtq *q)
{
	if (ring_wants_notice(&q->ring))
		q->device->transport->notify(q);
}

void *virtq_get(struct virtq *q, u32 *len)
{
	u64 flags = spin_lock(&q->lock);
	const char *lie;
	void *owner = ring_get(&q->ring, len, &lie);

	spin_unlock(&q->lock, flags);
	if (lie)
		virtio_broken(q->device, lie);
	return owner;
}

/* Until it did not change meanwhile. */
void virtio_config(struct virtio *d, u32 at, void *buf, u32 n)
{
	u32 generation, tries = 0;
	u8 *to = buf;

	if (n > d->config_len || at > d->config_len - n)
		virtio_broken(d, "has too short a configuration");
	do {
		if (++tries > CONFIG_TRIES)
			virtio_broken(d, "changes its configuration for ever");
		generation = d->transport->generation(d);
		for (u32 i = 0; i < n; i++)
			to[i] = d->config[at + i];
	} while (d->transport->generation(d) != generation);
}

/* --- Finding them ------------------------------------------------------------
 */

static const struct {
	enum virtio_id id;
	void (*begin)(struct virtio *d);
} drivers[] = {
	/* in this order: others need randomness */
	{ VIRTIO_ENTROPY, virtio_entropy_begin },
	{ VIRTIO_BLOCK, virtio_block_begin },
	{ VIRTIO_NET, virtio_net_begin },
	{ VIRTIO_CONSOLE, virtio_console_begin },
};

void virtio_interrupt(void *arg)
{
	struct virtio *d = arg;

	if (d->transport->irq(d) && d->on_irq)
		d->on_irq(d);
}

static struct virtio *devices, **last = &devices;

void virtio_found(struct virtio *d)
{
	*last = d;
	last = &d->next;
}

void virtio_init(void)
{
	virtio_mmio_init();
	virtio_pci_init();
	for (u32 i = 0; i < ARRAY_SIZE(drivers); i++)
		for (struct virtio *d = devices; d; d = d->next)
			if (d->id == drivers[i].id)
				drivers[i].begin(d);
}

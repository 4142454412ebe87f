/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory-mapped virtio devices (4.2), version 2, named by the command line:
 * virtio_mmio.device=SIZE@ADDRESS:IRQ[:ID], as for Linux, or by ACPI. Registers
 * are read and written by 32 bits: some hypervisors ignore all else.
 */
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/virtio.h"

enum {
	MAGIC = 0x00,
	VERSION = 0x04,
	DEVICE_ID = 0x08,
	DEVICE_FEATURES = 0x10,
	DEVICE_FEATURES_SELECT = 0x14,
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SELECT = 0x24,
	QUEUE_SELECT = 0x30,
	QUEUE_SIZE_MAX = 0x34,
	QUEUE_SIZE = 0x38,
	QUEUE_READY = 0x44,
	QUEUE_NOTIFY = 0x50,
	INTERRUPT_STATUS = 0x60,
	INTERRUPT_ACK = 0x64,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_DRIVER = 0x90,
	QUEUE_DEVICE = 0xa0,
	CONFIG_GENERATION = 0xfc,
	CONFIG = 0x100
};
#define MMIO_MAGIC 0x74726976u
#define WORD "virtio_mmio.device="
#define WINDOW_MAX MIB(1)

static u32 get(struct virtio *d, u32 at)
{
	return *(volatile u32 *)(d->registers + at);
}

static void set(struct virtio *d, u32 at, u32 v)
{
	*(volatile u32 *)(d->registers + at) = v;
}

static u64 mmio_features(struct virtio *d)
{
	u64 low;

	set(d, DEVICE_FEATURES_SELECT, 0);
	low = get(d, DEVICE_FEATURES);
	set(d, DEVICE_FEATURES_SELECT, 1);
	return low | (u64)get(d, DEVICE_FEATURES) << 32;
}

static void mmio_accept(struct virtio *d, u64 features)
{
	set(d, DRIVER_FEATURES_SELECT, 0);
	set(d, DRIVER_FEATURES, (u32)features);
	set(d, DRIVER_FEATURES_SELECT, 1);
	set(d, DRIVER_FEATURES, (u32)(features >> 32));
}

static u8 mmio_status(struct virtio *d)
{
	return (u8)get(d, STATUS);
}

static void mmio_set_status(struct virtio *d, u8 status)
{
	set(d, STATUS, status);
}

static u16 mmio_queue_size(struct virtio *d, u16 index)
{
	set(d, QUEUE_SELECT, index);
	return get(d, QUEUE_READY) ? 0 : (u16)get(d, QUEUE_SIZE_MAX);
}

static void set_address(struct virtio *d, u32 at, const void *p)
{
	paddr_t pa = (u64)p - PHYSICAL_BASE;

	set(d, at, (u32)pa);
	set(d, at + 4, (u32)(pa >> 32));
}

static bool mmio_queue_set(struct virtio *d, struct virtq *q)
{
	set(d, QUEUE_SELECT, q->index);
	set(d, QUEUE_SIZE, q->size);
	set_address(d, QUEUE_DESC, q->ring.desc);
	set_address(d, QUEUE_DRIVER, q->ring.avail);
	set_address(d, QUEUE_DEVICE, q->ring.used);
	set(d, QUEUE_READY, 1);
	return true;
}

static void mmio_notify(const struct virtq *q)
{
	set(q->device, QUEUE_NOTIFY, q->index);
}

static u32 mmio_generation(struct virtio *d)
{
	return get(d, CONFIG_GENERATION);
}

/* Acknowledged before the rings are looked at, so that none is lost, whether
 * the line tells by levels or by edges. */
static bool mmio_irq(struct virtio *d)
{
	u32 status = get(d, INTERRUPT_STATUS);

	if (status)
		set(d, INTERRUPT_ACK, status);
	return status & 1;
}

static const struct virtio_transport mmio = {
	.features = mmio_features,
	.accept = mmio_accept,
	.status = mmio_status,
	.set_status = mmio_set_status,
	.queue_size = mmio_queue_size,
	.queue_set = mmio_queue_set,
	.notify = mmio_notify,
	.generation = mmio_generation,
	.irq = mmio_irq,
};

static bool is_served(struct virtio *d)
{
	if (get(d, MAGIC) != MMIO_MAGIC)
		return false;
	d->id = get(d, DEVICE_ID);
	if (d->id && get(d, VERSION) != 2)
		klog("device %s: version %u is not served", d->name,
		     get(d, VERSION));
	return d->id && get(d, VERSION) == 2;
}

static void found(paddr_t address, u64 size, const struct firmware_line *line)
{
	struct virtio *d = kzalloc(sizeof(*d));

	if (!d)
		kpanic("no memory for a device");
	d->registers = device_map(address, size);
	d->config = d->registers + CONFIG;
	d->config_len = (u32)size - CONFIG;
	d->transport = &mmio;
	fmt_format(d->name, sizeof(d->name), "virtio-mmio@%#lx", address);
	if (!is_served(d)) {
		kfree(d);
		return;
	}
	if (!ioapic_route(line, irq_new(virtio_interrupt, d)))
		kpanic("device %s: its line %u cannot be used", d->name,
		       line->number);
	virtio_found(d);
}

static const char *number(const char *p, u64 *n)
{
	u64 base = 10;

	*n = 0;
	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (;; p++) {
		u64 digit = *p >= '0' && *p <= '9'   ? (u64)(*p - '0')
			    : *p >= 'a' && *p <= 'f' ? (u64)(*p - 'a' + 10)
						     : 99;

		if (digit >= base)
			break;
		*n = *n * base + digit;
	}
	if (*p == 'K' || *p == 'k') {
		*n <<= 10;
		p++;
	}
	return p;
}

static void parse(const char *p)
{
	struct firmware_line line;
	u64 size, address, irq;

	p = number(p, &size);
	if (*p++ != '@')
		return;
	p = number(p, &address);
	if (*p++ != ':')
		return;
	number(p, &irq);
	if (size < CONFIG || size > WINDOW_MAX || irq > 255)
		return;
	line = ioapic_legacy((u8)irq);
	found(address, size, &line);
}

static bool init_by_words(void)
{
	const size_t len = strlen(WORD);
	bool any = false;

	for (const char *p = command_line; *p; p++)
		if (strncmp(p, WORD, len) == 0) {
			parse(p + len);
			any = true;
		}
	return any;
}

/* Some hypervisors tell the same devices in both ways. */
void virtio_mmio_init(void)
{
	if (init_by_words())
		return;
	for (u32 i = 0; i < firmware.nvirtio; i++) {
		const struct firmware_virtio *v = &firmware.virtio[i];

		if (v->size >= CONFIG && v->size <= WINDOW_MAX)
			found(v->address, v->size, &v->line);
	}
}

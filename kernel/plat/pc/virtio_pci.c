/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio devices on PCI (4.1), not the old ones: where their registers are is
 * told by vendor capabilities. All queues of a device have one message, or its
 * line where it has no messages (QEMU's -nic makes such).
 */
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/pci.h"
#include "kernel/plat/pc/virtio.h"

#define VENDOR 0x1af4
enum { /* ids: 0x1040 + virtio's, or of devices that speak old and new */
       ID_OLD = 0x1000,
       ID_NEW = 0x1040,
       ID_END = 0x1080
};
#define SUBSYSTEM_ID 0x2e

enum { /* capabilities (4.1.4) */
       CAP_COMMON = 1,
       CAP_NOTIFY = 2,
       CAP_ISR = 3,
       CAP_DEVICE = 4
};
enum {
	CAP_TYPE = 3,
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_LENGTH = 12,
	CAP_STEP = 16
};

enum { /* the common configuration (4.1.4.3) */
       DEVICE_FEATURES_SELECT = 0,
       DEVICE_FEATURES = 4,
       DRIVER_FEATURES_SELECT = 8,
       DRIVER_FEATURES = 12,
       CONFIG_VECTOR = 16,
       QUEUES = 18,
       STATUS = 20,
       GENERATION = 21,
       QUEUE_SELECT = 22,
       QUEUE_SIZE = 24,
       QUEUE_VECTOR = 26,
       QUEUE_ENABLE = 28,
       QUEUE_NOTIFY = 30,
       QUEUE_DESC = 32,
       QUEUE_DRIVER = 40,
       QUEUE_DEVICE = 48,
       COMMON_SIZE = 56
};
#define NO_VECTOR 0xffff

static u32 get32(struct virtio *d, u32 at)
{
	return *(volatile u32 *)(d->registers + at);
}
static u16 get16(struct virtio *d, u32 at)
{
	return *(volatile u16 *)(d->registers + at);
}
static void set32(struct virtio *d, u32 at, u32 v)
{
	*(volatile u32 *)(d->registers + at) = v;
}
static void set16(struct virtio *d, u32 at, u16 v)
{
	*(volatile u16 *)(d->registers + at) = v;
}

static u64 pci_features(struct virtio *d)
{
	u64 low;

	set32(d, DEVICE_FEATURES_SELECT, 0);
	low = get32(d, DEVICE_FEATURES);
	set32(d, DEVICE_FEATURES_SELECT, 1);
	return low | (u64)get32(d, DEVICE_FEATURES) << 32;
}

static void pci_accept(struct virtio *d, u64 features)
{
	set32(d, DRIVER_FEATURES_SELECT, 0);
	set32(d, DRIVER_FEATURES, (u32)features);
	set32(d, DRIVER_FEATURES_SELECT, 1);
	set32(d, DRIVER_FEATURES, (u32)(features >> 32));
	if (!d->isr)
		set16(d, CONFIG_VECTOR, NO_VECTOR);
}

static u8 pci_status(struct virtio *d)
{
	return d->registers[STATUS];
}

static void pci_set_status(struct virtio *d, u8 status)
{
	d->registers[STATUS] = status;
}

static u16 pci_queue_size(struct virtio *d, u16 index)
{
	if (index >= get16(d, QUEUES))
		return 0;
	set16(d, QUEUE_SELECT, index);
	return get16(d, QUEUE_ENABLE) ? 0 : get16(d, QUEUE_SIZE);
}

static void set_address(struct virtio *d, u32 at, const void *p)
{
	paddr_t pa = (u64)p - PHYSICAL_BASE;

	set32(d, at, (u32)pa);
	set32(d, at + 4, (u32)(pa >> 32));
}

static bool pci_queue_set(struct virtio *d, struct virtq *q)
{
	u64 bell;

	set16(d, QUEUE_SELECT, q->index);
	set16(d, QUEUE_SIZE, q->size);
	if (!d->isr) {
		set16(d, QUEUE_VECTOR, 0);
		if (get16(d, QUEUE_VECTOR))
			return false;
	}
	set_address(d, QUEUE_DESC, q->ring.desc);
	set_address(d, QUEUE_DRIVER, q->ring.avail);
	set_address(d, QUEUE_DEVICE, q->ring.used);
	bell = (u64)get16(d, QUEUE_NOTIFY) * d->bell_step;
	if (bell + sizeof(u16) > d->bells_len)
		virtio_broken(d, "is notified outside its registers");
	q->bell = (volatile u16 *)(d->bells + bell);
	set16(d, QUEUE_ENABLE, 1);
	return true;
}

static void pci_notify(const struct virtq *q)
{
	*q->bell = q->index;
}

static u32 pci_generation(struct virtio *d)
{
	return d->registers[GENERATION];
}

/* A message says it all; what a line says is acknowledged by the look. */
static bool pci_irq(struct virtio *d)
{
	return !d->isr || *d->isr & 1;
}

static const struct virtio_transport pci = {
	.features = pci_features,
	.accept = pci_accept,
	.status = pci_status,
	.set_status = pci_set_status,
	.queue_size = pci_queue_size,
	.queue_set = pci_queue_set,
	.notify = pci_notify,
	.generation = pci_generation,
	.irq = pci_irq,
};

/* The first capability of that type: its memory, mapped; NULL: none that is
 * within the device's memory. */
static volatile u8 *map_part(struct pci_function *f, u8 type, u32 *cap,
			     u32 *len)
{
	u32 offset;
	paddr_t pa;
	u64 size;

	*cap = 0;
	while ((*cap = pci_capability(f, PCI_CAP_VENDOR, *cap))) {
		if (pci_get8(f, *cap + CAP_TYPE) == type)
			break;
	}
	if (!*cap || *cap > 256 - CAP_STEP - 4)
		return NULL;
	offset = pci_get32(f, *cap + CAP_OFFSET);
	*len = MIN(pci_get32(f, *cap + CAP_LENGTH), (u32)MIB(1));
	pa = pci_memory(f, pci_get8(f, *cap + CAP_BAR), &size);
	if (!pa || !*len || offset > size || *len > size - offset)
		return NULL;
	return device_map(pa + offset, *len);
}

static bool map_parts(struct virtio *d, struct pci_function *f)
{
	u32 cap, len;

	d->registers = map_part(f, CAP_COMMON, &cap, &len);
	if (!d->registers || len < COMMON_SIZE)
		return false;
	d->bells = map_part(f, CAP_NOTIFY, &cap, &d->bells_len);
	if (!d->bells)
		return false;
	d->bell_step = pci_get32(f, cap + CAP_STEP);
	/* Some have none. */
	d->config = map_part(f, CAP_DEVICE, &cap, &len);
	d->config_len = d->config ? len : 0;
	return true;
}

static u32 id_of(const struct pci_function *f)
{
	return f->id >= ID_NEW ? f->id - ID_NEW : pci_get16(f, SUBSYSTEM_ID);
}

/* --- Lines: those that the firmware gave the functions, several on one -------
 */

static struct virtio *on_lines[PCI_LINES];

static void line_interrupt(void *arg)
{
	struct virtio **first = arg;

	for (struct virtio *d = *first; d; d = d->next_on_line)
		virtio_interrupt(d);
}

static bool take_line(struct virtio *d, struct pci_function *f)
{
	u8 irq = pci_line(f);
	struct firmware_line line;
	u32 cap, len;

	if (!irq)
		return false;
	d->isr = map_part(f, CAP_ISR, &cap, &len);
	if (!d->isr)
		return false;
	d->next_on_line = on_lines[irq];
	on_lines[irq] = d;
	pci_line_on(f);
	if (d->next_on_line)
		return true;
	line = ioapic_legacy(irq);
	line.is_level = true;
	return ioapic_route(&line, irq_new(line_interrupt, &on_lines[irq]));
}

static void found(struct pci_function *f)
{
	struct virtio *d;

	if (f->vendor != VENDOR || f->id < ID_OLD || f->id >= ID_END)
		return;
	d = kzalloc(sizeof(*d));
	if (!d)
		kpanic("no memory for a device");
	d->transport = &pci;
	d->id = id_of(f);
	fmt_format(d->name, sizeof(d->name), "virtio-pci@%x:%x.%x", f->bus,
		   f->slot, f->number);
	if (!map_parts(d, f)) {
		klog("device %s: it has no registers that can be used",
		     d->name);
		kfree(d);
		return;
	}
	pci_enable(f);
	if (!pci_capability(f, PCI_CAP_MSIX, 0)) {
		if (!take_line(d, f))
			virtio_broken(d,
				      "has neither messages (MSI-X) nor a line "
				      "that is free");
	} else if (!pci_msix(f, irq_new(virtio_interrupt, d))) {
		virtio_broken(d, "has no messages where it says");
	}
	virtio_found(d);
}

void virtio_pci_init(void)
{
	pci_scan(pci_line_off);
	pci_scan(found);
}

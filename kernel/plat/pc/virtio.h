/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio devices: finding them, agreeing on features, and split rings. OASIS
 * "Virtual I/O Device (VIRTIO) Version 1.2": sections are named as there. A
 * device is not trusted: what it says is bounded, and what cannot be is its
 * end (virtio_broken).
 */
#ifndef JIFFY_KERNEL_PLAT_PC_VIRTIO_H
#define JIFFY_KERNEL_PLAT_PC_VIRTIO_H

#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"
#include "kernel/plat/pc/ring.h"

enum virtio_id {
	VIRTIO_NET = 1,
	VIRTIO_BLOCK = 2,
	VIRTIO_CONSOLE = 3,
	VIRTIO_ENTROPY = 4
};
#define VIRTIO_F_INDIRECT (1UL << 28)
#define VIRTIO_F_EVENT_IDX (1UL << 29)
#define VIRTIO_F_VERSION_1 (1UL << 32)

struct virtio;

/* A queue: a ring under a lock. */
struct virtq {
	struct virtio *device;
	struct spin lock;
	u16 index, size;
	struct ring ring;
	volatile u16 *bell; /* PCI's: where it is notified */
	u32 room;	    /* goes up when something came back; waited for */
};

/* How registers are reached: memory-mapped (4.2) or PCI (4.1). */
struct virtio_transport {
	u64 (*features)(struct virtio *d);
	void (*accept)(struct virtio *d, u64 features);
	u8 (*status)(struct virtio *d);
	void (*set_status)(struct virtio *d, u8 status);
	/* The size the device allows; 0: there is no such queue. */
	u16 (*queue_size)(struct virtio *d, u16 index);
	/* Where the ring is; false: it does not want that. */
	bool (*queue_set)(struct virtio *d, struct virtq *q);
	void (*notify)(const struct virtq *q);
	/* Goes up when the configuration changes. */
	u32 (*generation)(struct virtio *d);
	bool (*irq)(struct virtio *d); /* was it this one? acknowledged */
};

struct virtio {
	const struct virtio_transport *transport;
	u32 id; /* enum virtio_id */
	u64 features;
	volatile u8 *registers, *config;
	u32 config_len;
	volatile u8 *bells; /* PCI's: for notifying, so far apart */
	u32 bells_len, bell_step;
	volatile u8 *isr;	     /* PCI's, with a line: who interrupts */
	struct virtio *next_on_line; /* PCI's */
	void (*on_irq)(struct virtio *d);
	char name[24]; /* for messages */
	void *driver;
	struct virtio *next; /* found later */
};

/* Find all devices and begin to use those that we know. */
void virtio_init(void);
/* For drivers. Reset it, agree on what both have of `wanted`; false: it does
 * not want to. Then the queues; then virtio_go(). */
bool virtio_begin(struct virtio *d, u64 wanted);
/* Queue `index`, of at most `max` descriptors. */
bool virtq_init(struct virtq *q, struct virtio *d, u16 index, u16 max);
void virtio_go(struct virtio *d);
/* n bytes of its configuration; a device that has less is broken. */
void virtio_config(struct virtio *d, u32 at, void *buf, u32 n);
/* Hand a request over: false: no room. The device is told by virtq_notify(). */
bool virtq_add(struct virtq *q, const struct virtq_piece *pieces, u16 n,
	       void *owner);
void virtq_notify(struct virtq *q);
/* One that the device is done with, and how many bytes it has written; NULL. */
void *virtq_get(struct virtq *q, u32 *len);
/* The device breaks the rules: say how, end the instance. */
NORETURN void virtio_broken(const struct virtio *d, const char *what);

/* For transports: a device with its id, which its driver begins to use when all
 * are found; its interrupt, as irq_new() calls it. */
void virtio_found(struct virtio *d);
void virtio_interrupt(void *d);
/* The devices of each transport. */
void virtio_mmio_init(void);
void virtio_pci_init(void);

void virtio_entropy_begin(struct virtio *d);
void virtio_block_begin(struct virtio *d);
void virtio_net_begin(struct virtio *d);
void virtio_console_begin(struct virtio *d);
/* From the image's disk. 0 or -errno. */
int block_read_image(u64 offset, const struct plat_iovec *iov, u32 n);

#endif

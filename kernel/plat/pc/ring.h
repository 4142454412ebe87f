/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings of virtio (1.2, section 2.7), in plain memory: no locks, no
 * machine, so that unit tests can be the device. What a device may have written
 * is not believed: which descriptors a request has is kept beside the ring.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_RING_H
#define JIFFY_KERNEL_PLAT_PC_RING_H

#include "lib/compiler.h"

struct virtq_desc {
	u64 address;
	u32 len;
	u16 flags, next;
};
struct virtq_used {
	u32 id, len;
};
struct ring_avail {
	u16 flags, index, ring[];
};
struct ring_used {
	u16 flags, index;
	struct virtq_used ring[];
};
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
#define RING_NO_NOTIFY 1 /* in the used ring */
#define RING_NO_IRQ 1	 /* in the available ring */

/* One piece of a request: physical memory. */
struct virtq_piece {
	u64 address;
	u32 len;
	bool is_written; /* by the device */
};

/* A descriptor, as only we know it. */
struct ring_slot {
	void *owner; /* of a request's first; NULL: the device has it not */
	u32 room;    /* bytes that the device may write there */
	u16 next, n; /* free, or of the same request; so many */
};

struct ring {
	u16 size; /* a power of two */
	u16 free, nfree;
	u16 index;	 /* of the next one to offer */
	u16 seen;	 /* of the used ring */
	u16 told;	 /* index when the device was last asked for its wish */
	bool has_events; /* VIRTIO_F_EVENT_IDX (2.7.7, 2.7.10) */
	struct virtq_desc *desc;
	struct ring_avail *avail;
	struct ring_used *used;
	struct ring_slot *slots;
};

/* Bytes that each part needs, for a ring of that size. */
static inline u64 ring_desc_bytes(u16 size)
{
	return size * sizeof(struct virtq_desc);
}
static inline u64 ring_avail_bytes(u16 size)
{
	return sizeof(struct ring_avail) + size * sizeof(u16) + sizeof(u16);
}
static inline u64 ring_used_bytes(u16 size)
{
	return sizeof(struct ring_used) + size * sizeof(struct virtq_used) +
	       sizeof(u16);
}

/* The parts are zeroed memory and stay the caller's. */
void ring_init(struct ring *r, u16 size, void *desc, void *avail, void *used,
	       struct ring_slot *slots);
/* Offer a request of n > 0 pieces: false: no room. owner is not NULL. */
bool ring_add(struct ring *r, const struct virtq_piece *pieces, u16 n,
	      void *owner);
/* The owner of one that the device is done with, and how many bytes it says it
 * has written, not more than there was room for; NULL: none, or *lie says how
 * the device broke the rules: nothing more can be made of the ring. */
void *ring_get(struct ring *r, u32 *len, const char **lie);
/* The device wants to be told of what was added since the last call. */
bool ring_wants_notice(struct ring *r);
/* No interrupts, as far as the device listens; ... */
void ring_quiet(struct ring *r);
/* ... or one with the next thing that is done. True: there is one already. */
bool ring_listen(struct ring *r);

#endif

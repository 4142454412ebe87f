/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings.
 */
#include "kernel/plat/pc/ring.h"

#include "lib/atomic.h"
#include "lib/ckd.h"

void ring_init(struct ring *r, u16 size, void *desc, void *avail, void *used,
	       struct ring_slot *slots)
{
	*r = (struct ring){ .size = size,
			    .nfree = size,
			    .desc = desc,
			    .avail = avail,
			    .used = used,
			    .slots = slots };
	for (u16 i = 0; i < size; i++)
		slots[i] = (struct ring_slot){ .next = (u16)(i + 1) };
}

/* The descriptors from the first free one; the one behind them. */
static u16 describe(struct ring *r, const struct virtq_piece *pieces, u16 n)
{
	u16 at = r->free;

	for (u16 i = 0; i < n; i++) {
		struct virtq_desc *d = &r->desc[at];

		d->address = pieces[i].address;
		d->len = pieces[i].len;
		d->flags = (u16)((pieces[i].is_written ? DESC_WRITE : 0) |
				 (i + 1 < n ? DESC_NEXT : 0));
		d->next = r->slots[at].next;
		at = r->slots[at].next;
	}
	return at;
}

static u32 room_in(const struct virtq_piece *pieces, u16 n)
{
	u32 room = 0;

	for (u16 i = 0; i < n; i++)
		if (pieces[i].is_written && ckd_add(&room, room, pieces[i].len))
			return ~0u;
	return room;
}

bool ring_add(struct ring *r, const struct virtq_piece *pieces, u16 n,
	      void *owner)
{
	u16 first = r->free;
	struct ring_slot *s = &r->slots[first];

	if (n > r->nfree)
		return false;
	r->free = describe(r, pieces, n);
	r->nfree = (u16)(r->nfree - n);
	s->owner = owner;
	s->room = room_in(pieces, n);
	s->n = n;
	r->avail->ring[r->index % r->size] = first;
	r->index++;
	/* The device may look when it sees the index. */
	atomic_store_release(&r->avail->index, r->index);
	return true;
}

static void set_free(struct ring *r, u16 first)
{
	u16 last = first;

	for (u16 i = 1; i < r->slots[first].n; i++)
		last = r->slots[last].next;
	r->slots[last].next = r->free;
	r->free = first;
	r->nfree = (u16)(r->nfree + r->slots[first].n);
}

void *ring_get(struct ring *r, u32 *len, const char **lie)
{
	/* What it says was written before the index. */
	u16 now = atomic_load_acquire(&r->used->index);
	struct virtq_used *u = &r->used->ring[r->seen % r->size];
	struct ring_slot *s;
	void *owner;
	u32 id;

	*lie = NULL;
	if (r->seen == now)
		return NULL;
	id = atomic_load(&u->id);
	*len = atomic_load(&u->len);
	if ((u16)(now - r->seen) > r->size)
		*lie = "its ring jumps";
	else if (id >= r->size || !r->slots[id].owner)
		*lie = "returns what it was not given";
	else if (*len > r->slots[id].room)
		*lie = "says that it has written more than there is room for";
	if (*lie)
		return NULL;
	s = &r->slots[id];
	owner = s->owner;
	s->owner = NULL;
	set_free(r, (u16)id);
	r->seen++;
	return owner;
}

/* Behind the rings: the index with which each side wants to hear from the
 * other. */
static u16 *our_event(struct ring *r)
{
	return &r->avail->ring[r->size];
}

static u16 its_event(const struct ring *r)
{
	return atomic_load((const u16 *)&r->used->ring[r->size]);
}

bool ring_wants_notice(struct ring *r)
{
	u16 before = r->told;

	smp_mb(); /* the index before the look at its wish */
	r->told = r->index;
	if (r->has_events)
		return (u16)(r->index - its_event(r) - 1) <
		       (u16)(r->index - before);
	return !(atomic_load(&r->used->flags) & RING_NO_NOTIFY);
}

void ring_quiet(struct ring *r)
{
	if (r->has_events)
		atomic_store(our_event(r), (u16)(r->seen - 1));
	else
		atomic_store(&r->avail->flags, RING_NO_IRQ);
}

bool ring_listen(struct ring *r)
{
	if (r->has_events)
		atomic_store(our_event(r), r->seen);
	else
		atomic_store(&r->avail->flags, 0);
	smp_mb(); /* the wish before the look */
	return atomic_load_acquire(&r->used->index) != r->seen;
}

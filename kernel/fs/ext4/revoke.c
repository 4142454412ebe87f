/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of revoked blocks, each with the number of a transaction: of a running
 * transaction what it will write to the log, during recovery what it has read.
 * Open addressing; no locks, the owner has one.
 */
#include "kernel/fs/ext4/journal_int.h"
#include "kernel/mm/heap.h"

#define SLOTS_MIN 64

/* The slot of a block, or the free one that ends its chain. */
static struct revoke_slot *slot_find(const struct revoke_table *t, u64 block)
{
	u32 i = (u32)((block * 0x9e3779b97f4a7c15UL) >> 32);

	for (;; i++) {
		struct revoke_slot *s = &t->slots[i & (t->nslots - 1)];

		if (s->state == REVOKE_FREE ||
		    (s->state == REVOKE_LIVE && s->block == block))
			return s;
	}
}

/* Room for one more, a quarter of the slots free. */
static int make_room(struct revoke_table *t)
{
	struct revoke_table bigger = { 0 };

	if (t->nslots && t->nused < t->nslots / 4 * 3)
		return 0;
	if (t->nlive > (1U << 26))
		return -ENOMEM;
	bigger.nslots = SLOTS_MIN;
	while (bigger.nslots < 4 * t->nlive)
		bigger.nslots *= 2;
	bigger.slots = kzalloc(bigger.nslots * sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (u32 i = 0; i < t->nslots; i++) {
		if (t->slots[i].state != REVOKE_LIVE)
			continue;
		*slot_find(&bigger, t->slots[i].block) = t->slots[i];
		bigger.nlive++;
	}
	bigger.nused = bigger.nlive;
	kfree(t->slots);
	*t = bigger;
	return 0;
}

int revoke_set(struct revoke_table *t, u64 block, u32 sequence)
{
	struct revoke_slot *s;
	int err = make_room(t);

	if (err)
		return err;
	s = slot_find(t, block);
	if (s->state == REVOKE_LIVE) {
		if (tid_after(sequence, s->sequence))
			s->sequence = sequence;
		return 0;
	}
	s->block = block;
	s->sequence = sequence;
	s->state = REVOKE_LIVE;
	t->nlive++;
	t->nused++;
	return 0;
}

void revoke_cancel(struct revoke_table *t, u64 block)
{
	struct revoke_slot *s;

	if (t->nlive == 0)
		return;
	s = slot_find(t, block);
	if (s->state != REVOKE_LIVE)
		return;
	s->state = REVOKE_DEAD;
	t->nlive--;
}

bool revoke_get(const struct revoke_table *t, u64 block, u32 *sequence)
{
	const struct revoke_slot *s;

	if (t->nlive == 0)
		return false;
	s = slot_find(t, block);
	if (s->state != REVOKE_LIVE)
		return false;
	*sequence = s->sequence;
	return true;
}

void revoke_clear(struct revoke_table *t)
{
	kfree(t->slots);
	*t = (struct revoke_table){ 0 };
}

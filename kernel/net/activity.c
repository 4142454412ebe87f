/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting of what goes on with the outside. A connection from outside is owed
 * an answer from when something came in until something went out; PostgreSQL's
 * servers say when they are ready for the next query, and then that counts.
 */
#include "kernel/net/activity.h"

#include "abi/broker.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/net/inet.h"

void activity_tell(void)
{
	if (atomic_xchg(&activity_status()->tell, 0U))
		plat_broker_tell(BROKER_LESS);
}

/* Full barrier: before the look at `tell`. */
static void count(s32 *number, s32 by)
{
	atomic_fetch_add(number, by);
	if (by < 0)
		activity_less();
}

static void count_bits(const struct activity *a, u32 bits, s32 by)
{
	struct status_shard *s = activity_shard();

	if (bits & ACTIVITY_OWED)
		count(a->kind == ACTIVITY_SERVED ? &s->requests : &s->questions,
		      by);
	if (bits & ACTIVITY_TRANSACTION)
		count(&s->transactions, by);
}

/* What is new is counted before what is gone: nobody sees less than there is.
 */
void activity_turn(struct activity *a, u32 bits)
{
	u32 old = atomic_xchg(&a->bits, bits);

	count_bits(a, bits & ~old, 1);
	count_bits(a, old & ~bits, -1);
}

void activity_served(struct activity *a, u16 guest)
{
	const struct boot_port *p = inet_published(guest, IPPROTO_TCP);

	a->kind = ACTIVITY_SERVED;
	a->port = p && p->id < STATUS_PORTS ? p->id : 0;
	a->is_postgres = p && p->flags & BOOT_PORT_POSTGRES;
	count(&activity_status()->connections[a->port], 1);
	activity_note();
}

void activity_asking(struct activity *a)
{
	a->kind = ACTIVITY_ASKING;
	a->is_postgres = false;
	count(&activity_status()->outbound, 1);
	activity_turn(a, ACTIVITY_OWED);
	activity_note();
}

void activity_answered(struct activity *a)
{
	if (a->kind == ACTIVITY_ASKING && atomic_load(&a->bits))
		activity_turn(a, 0);
}

void activity_closed(struct activity *a)
{
	struct status_block *s = activity_status();

	if (a->kind == ACTIVITY_NONE)
		return;
	activity_note();
	activity_turn(a, 0);
	count(a->kind == ACTIVITY_SERVED ? &s->connections[a->port]
					 : &s->outbound,
	      -1);
	a->kind = ACTIVITY_NONE;
}

/* Move the last bytes of a piece of n bytes into last[], behind what was there.
 * False: they are not there any more. */
static bool keep_last(struct activity *a, u64 base, u64 n, bool is_kernel)
{
	u64 k = MIN(n, sizeof(a->last));

	memmove(a->last, a->last + k, sizeof(a->last) - k);
	base += n - k;
	if (is_kernel)
		memcpy(a->last + sizeof(a->last) - k, (const void *)base, k);
	else if (user_copy_in(a->last + sizeof(a->last) - k, base, k))
		return false;
	return true;
}

/* ReadyForQuery ends what a server sends in answer: 'Z', length 5, and how it
 * is with transactions. All else changes nothing: it may be a notification. */
void activity_sent_postgres(struct activity *a, const struct plat_iovec *iov,
			    u64 n, bool is_kernel)
{
	static const u8 ready[] = { 'Z', 0, 0, 0, 5 };
	u32 bits = 0;

	for (; n; iov++) {
		u64 len = MIN(iov->len, n);

		if (len && !keep_last(a, iov->base, len, is_kernel))
			return;
		n -= len;
	}
	if (memcmp(a->last, ready, sizeof(ready)) == 0) {
		a->is_told = true;
		bits = a->last[5] == 'I' ? 0 : ACTIVITY_TRANSACTION;
	} else if (a->is_told) {
		return;
	}
	if (atomic_load(&a->bits) != bits)
		activity_turn(a, bits);
}

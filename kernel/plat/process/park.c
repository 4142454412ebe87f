/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spaces of a woken copy that have no host process yet
 * (docs/design/007-snapshots.md). Theory of operation: before any thread of the
 * copy runs, process 0's main thread parks each space all of whose threads
 * stopped in a wait that still stands. Later none is parked, only started, and
 * by that thread alone. Everybody else marks a space as wanted and kicks that
 * thread. A thread that is started comes out of its wait as if for no reason,
 * and looks at what it waits for; so it is enough that a space is wanted after
 * what ends the wait has been written:
 *
 *	a word:		plat_wake() looks here after the host's call
 *	a kick:		slot_kick() looks here if there is nobody to kick; one
 *			that finds the space wanted or live comes before the
 *			thread's own look (thread_take_ids())
 *	a deadline:	process 0 waits no longer than until the first one
 *	descriptors:	process 0 has them all in one set of the host
 */
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/thread.h"

#define BUCKETS 256u
#define POLL_IN 1
#define POLL_OUT 4
#define ONESHOT (1u << 30)

u32 nparked;

static struct {
	struct plat_space *wanted; /* to be started, a stack. atomic */
	u32 heads[BUCKETS];	   /* slots that wait for words, by index */
	nsec_t deadline;	   /* no parked one has an earlier one */
	s32 set;		   /* of the host, or -1; not in a copy */
	s32 set_error;		   /* why there is none */
} park = { .deadline = NSEC_MAX, .set = -1 };

static u32 *bucket(const void *word)
{
	return &park.heads[((u64)word >> 2) * 0x9e3779b97f4a7c15UL >> 56];
}

_Static_assert(BUCKETS == 1u << (64 - 56), "hash");

/* --- Wanted --------------------------------------------------------------- */

static void want(struct plat_space *space)
{
	struct plat_space *head;
	u32 state = SPACE_PARKED;

	if (!space || !atomic_cmpxchg(&space->state, &state, SPACE_WANTED))
		return;
	head = atomic_load(&park.wanted);
	do
		space->next_wanted = head;
	while (!atomic_cmpxchg(&park.wanted, &head, space));
	if (slot_of_host() != slot_by_index(0))
		slot_kick(slot_by_index(0));
}

/* Slots stay in their buckets until the next wake: of those that are no longer
 * parked the space is live. */
void park_wake_slow(const u32 *word)
{
	u32 i = atomic_load(bucket(word));

	while (i) {
		struct plat_slot *s = slot_by_index(i);

		if (s->wait.kind == PARK_WORD && s->wait.on == word)
			want(s->space);
		i = s->park_next;
	}
}

void park_kicked(struct plat_slot *s)
{
	if (unlikely(atomic_load(&nparked)))
		want(s->space);
}

/* --- Descriptors ---------------------------------------------------------- */

static u32 count_fds(const struct park_wait *w)
{
	return w->kind == PARK_FDS     ? w->value
	       : w->kind == PARK_READ  ? 1
	       : w->kind == PARK_WRITE ? 1
				       : 0;
}

static struct plat_pollfd get_fd(const struct park_wait *w, u32 i)
{
	if (w->kind == PARK_FDS)
		return ((const struct plat_pollfd *)w->on)[i];
	return (struct plat_pollfd){ (int)w->value,
				     w->kind == PARK_READ ? POLL_IN : POLL_OUT,
				     0 };
}

static void unwatch(const struct plat_slot *s, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct plat_pollfd p = get_fd(&s->wait, i);

		if (p.hfd >= 0)
			plat_hset_del(park.set, p.hfd);
	}
}

/* Not so if the host has no set or does not take one of them, because it is a
 * regular file or somebody else waits for it, too. */
static bool watch(const struct plat_slot *s)
{
	u32 n = count_fds(&s->wait);

	if (n && park.set < 0 && !park.set_error) {
		park.set = plat_hset_new();
		park.set_error = MIN(park.set, 0);
	}
	for (u32 i = 0; i < n; i++) {
		struct plat_pollfd p = get_fd(&s->wait, i);

		if (p.hfd < 0)
			continue;
		if (park.set < 0 ||
		    plat_hset_add(park.set, p.hfd, (u16)p.events | ONESHOT,
				  slot_index(s))) {
			unwatch(s, i);
			return false;
		}
	}
	return true;
}

/* The next slot of the space from index i on, or NULL. */
static struct plat_slot *next_slot(const struct plat_space *space, u32 i)
{
	u32 n = slot_count();

	for (; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (s->quiet_sp && s->space == space)
			return s;
	}
	return NULL;
}

/* All of the space, up to the slot `end`. */
static void unwatch_space(const struct plat_space *space, u32 end)
{
	u32 left = space->nthreads, i = space->first;

	while (left-- && i < end) {
		struct plat_slot *s = next_slot(space, i);

		if (!s || slot_index(s) >= end)
			return;
		unwatch(s, count_fds(&s->wait));
		i = slot_index(s) + 1;
	}
}

static bool watch_space(const struct plat_space *space)
{
	u32 i = space->first;

	for (u32 left = space->nthreads; left; left--) {
		struct plat_slot *s = next_slot(space, i);

		if (!s)
			return true;
		if (!watch(s)) {
			unwatch_space(space, slot_index(s));
			return false;
		}
		i = slot_index(s) + 1;
	}
	return true;
}

int park_set(void)
{
	return park.set;
}

/* --- Parking -------------------------------------------------------------- */

/* May the thread stay in its wait, as far as that can be seen in memory? */
static bool wait_stands(const struct plat_slot *s, nsec_t now)
{
	const struct thread *t = s->cpu.current;
	const struct park_wait *w = &s->wait;

	if (w->kind == PARK_NONE || w->deadline <= now || s->lend)
		return false;
	/* It is nearer than it was. */
	if (t && t->counts_sleep)
		return false;
	if (t && thread_work(t) & ~(u32)WORK_QUIET)
		return false;
	/* In other waits an old one means nothing: they do not consume it. */
	if (t && atomic_load(&t->sleep_mode) != SLEEP_NONE &&
	    atomic_load(&t->park_token))
		return false;
	return w->kind != PARK_WORD ||
	       atomic_load((const u32 *)w->on) == w->value;
}

/* Each space knows its first slot and how many of its threads may wait on. */
static void count_ready(void)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);
	u32 n = slot_count();

	for (u32 i = n - 1; i; i--) {
		struct plat_slot *s = slot_by_index(i);

		if (!s->quiet_sp)
			continue;
		s->space->first = i;
		s->space->nready = 0;
	}
	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (s->quiet_sp && wait_stands(s, now))
			s->space->nready++;
	}
}

static void park_slot(struct plat_slot *s)
{
	u32 *head = bucket(s->wait.on);

	park.deadline = MIN(park.deadline, s->wait.deadline);
	if (s->wait.kind != PARK_WORD)
		return;
	s->park_next = *head;
	*head = slot_index(s);
}

/* For the monitor, which finds their memory in the older checkpoint. */
static void note_asleep(const struct plat_space *space, bool is_asleep)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;
	u64 *word = &b->asleep[space->entry / 64];
	u64 bit = 1UL << space->entry % 64;

	*word = is_asleep ? *word | bit : *word & ~bit;
}

static bool park_space(struct plat_space *space)
{
	if (space->entry >= BOOT_SPACES_MAX ||
	    space->nready != space->nthreads || space->state == SPACE_WANTED ||
	    !watch_space(space)) {
		space->state = SPACE_LIVE;
		return false;
	}
	space->state = SPACE_PARKED;
	space->key = -1 - (s32)space->entry;
	note_asleep(space, true);
	nparked++;
	return true;
}

void park_all(const struct plat_space *own)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;
	u32 n = slot_count();

	memset(b->asleep, 0, sizeof(b->asleep));
	memset(park.heads, 0, sizeof(park.heads));
	park.wanted = NULL;
	park.deadline = NSEC_MAX;
	park.set_error = 0;
	nparked = 0;
	count_ready();
	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (!s->quiet_sp || s->space == own)
			continue;
		if (s->space->first == i ? park_space(s->space)
					 : s->space->state == SPACE_PARKED)
			park_slot(s);
	}
}

/* --- Starting ------------------------------------------------------------- */

static void start(struct plat_space *space)
{
	unwatch_space(space, KERNEL_SLOTS_MAX);
	atomic_store(&space->state, SPACE_LIVE);
	atomic_store(&nparked, nparked - 1);
	note_asleep(space, false);
	restore_start(space);
}

static bool start_wanted(void)
{
	struct plat_space *space;
	bool any = false;

	if (likely(!atomic_load(&park.wanted)))
		return false;
	space = atomic_xchg(&park.wanted, NULL);
	while (space) {
		struct plat_space *next = space->next_wanted;

		start(space);
		space = next;
		any = true;
	}
	return any;
}

nsec_t park_deadline(void)
{
	return likely(!nparked) ? NSEC_MAX : park.deadline;
}

/* Those whose time is up; it is known again when the next one's is. */
static void want_due(nsec_t now)
{
	u32 n = slot_count();

	park.deadline = NSEC_MAX;
	for (u32 i = 1; i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		/* One that was freed may name a space that is another's. */
		if (!s->quiet_sp || !s->space ||
		    atomic_load(&s->space->state) != SPACE_PARKED)
			continue;
		if (s->wait.deadline <= now)
			want(s->space);
		else
			park.deadline = MIN(park.deadline, s->wait.deadline);
	}
}

#define BATCH 64

static void want_those_ready(void)
{
	struct plat_event ev[BATCH];
	int n;

	do {
		n = plat_hset_wait(park.set, ev, BATCH, 0);
		for (int i = 0; i < n; i++)
			want(slot_by_index((u32)ev[i].data)->space);
	} while (n == BATCH);
}

bool park_serve(bool is_set_ready)
{
	nsec_t now;

	if (likely(!nparked))
		return false;
	if (is_set_ready && park.set >= 0)
		want_those_ready();
	if (park.deadline != NSEC_MAX) {
		now = plat_clock(PLAT_MONOTONIC);
		if (park.deadline <= now)
			want_due(now);
	}
	return start_wanted();
}

int park_wait_word(u32 *word, u32 value, nsec_t deadline)
{
	bool is_freezing = atomic_load(&freeze_word);
	nsec_t first = is_freezing ? deadline : MIN(deadline, park.deadline);
	s64 err = host_wait_until(word, value, first);

	if (!is_freezing)
		park_serve(true);
	return err == -ETIMEDOUT && first == deadline ? -ETIMEDOUT : 0;
}

void park_freeze(void)
{
	if (park.set >= 0)
		plat_hfd_close(park.set);
	park.set = -1;
}

void park_go_on(void)
{
	u32 n = slot_count();

	for (u32 i = 1; nparked && i < n; i++) {
		struct plat_slot *s = slot_by_index(i);

		if (s->quiet_sp && s->space->state == SPACE_PARKED && !watch(s))
			want(s->space);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock order checker (lockdep.h). All of it is under one plain word lock; debug
 * builds may be slow. Sites are joined into classes as objects show that they
 * belong together; edges are kept between sites and looked at by class.
 */
#include "kernel/proc/lockdep.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/thread.h"

#ifdef JIFFY_DEBUG

#define SITES_MAX 768
#define WORDS (SITES_MAX / 64)
#define EDGES_MAX 8192
#define STACK_DEPTH 8
#define REPORTS_MAX 12
#define TAG_MAGIC 0x10c4de9u

struct edge {
	u16 from, to;
	u64 stack[STACK_DEPTH];
};

static struct {
	u32 lock; /* a plain word lock: 0 free, 1 held, 2 waited for */
	bool on;
	u32 nsites, nedges, nreports;
	struct lock_site *sites[SITES_MAX];
	u16 parent[SITES_MAX]; /* of the union of sites */
	u64 edges[SITES_MAX][WORDS];
	u64 seen[WORDS];
	u16 queue[SITES_MAX], prev[SITES_MAX];
	struct edge info[EDGES_MAX];
} dep;

static void lock(void)
{
	while (atomic_xchg(&dep.lock, 2) != 0)
		plat_wait(&dep.lock, 2, NSEC_MAX);
}

static void unlock(void)
{
	atomic_xchg(&dep.lock, 0);
	plat_wake(&dep.lock, 1);
}

static void backtrace(u64 stack[STACK_DEPTH])
{
	u64 *frame = __builtin_frame_address(0);
	u64 low = (u64)frame;

	for (int i = 0; i < STACK_DEPTH; i++) {
		stack[i] = 0;
		if ((u64)frame < low || (u64)frame > low + 0x8000 ||
		    ((u64)frame & 7))
			continue;
		stack[i] = frame[1];
		frame = (u64 *)frame[0];
	}
}

static void print_stack(const u64 stack[STACK_DEPTH])
{
	klog("lockdep:   at %#lx %#lx %#lx %#lx %#lx %#lx", stack[1], stack[2],
	     stack[3], stack[4], stack[5], stack[6]);
}

static u32 class_of(u32 site)
{
	while (dep.parent[site] != site)
		site = dep.parent[site];
	return site;
}

static const struct edge *edge_find(u32 from, u32 to)
{
	for (u32 i = 0; i < dep.nedges; i++)
		if (dep.info[i].from == from && dep.info[i].to == to)
			return &dep.info[i];
	return NULL;
}

static void print_site(const char *text, u32 site)
{
	const struct lock_site *s = dep.sites[site];

	klog("lockdep: %s %s (%s:%d)", text, s->what, s->file, s->line);
}

static bool may_report(void)
{
	return dep.nreports++ < REPORTS_MAX;
}

/* Are there edges from class `from` to class `to`? The sites of the last
 * visited classes are in prev. */
static bool reaches(u32 from, u32 to)
{
	u32 head = 0, tail = 0;

	memset(dep.seen, 0, sizeof(dep.seen));
	dep.queue[tail++] = (u16)from;
	dep.seen[from / 64] |= 1UL << (from % 64);
	while (head < tail) {
		u32 class = dep.queue[head++];

		for (u32 s = 0; s < dep.nsites; s++) {
			if (class_of(s) != class)
				continue;
			for (u32 t = 0; t < dep.nsites; t++) {
				u32 c = class_of(t);

				if (!(dep.edges[s][t / 64] >> (t % 64) & 1))
					continue;
				if (dep.seen[c / 64] >> (c % 64) & 1)
					continue;
				dep.seen[c / 64] |= 1UL << (c % 64);
				dep.prev[c] = (u16) class;
				dep.queue[tail++] = (u16)c;
				if (c == to)
					return true;
			}
		}
	}
	return false;
}

/* The edges between two classes, with the stacks of when they were seen. */
static void print_edges(u32 from, u32 to)
{
	for (u32 i = 0; i < dep.nedges; i++) {
		const struct edge *e = &dep.info[i];

		if (class_of(e->from) != from || class_of(e->to) != to)
			continue;
		print_site("before: held", e->from);
		print_site("  and took", e->to);
		print_stack(e->stack);
		return;
	}
}

static void report_circle(u32 from, u32 to)
{
	u64 stack[STACK_DEPTH];
	u32 c;

	if (!may_report())
		return;
	backtrace(stack);
	klog("lockdep: circle in the order of locks");
	print_site("now: holds", from);
	print_site("  and takes", to);
	print_stack(stack);
	for (c = class_of(from); c != class_of(to); c = dep.prev[c])
		print_edges(dep.prev[c], c);
}

static void edge_add(u32 from, u32 to)
{
	struct edge *e;

	if (dep.edges[from][to / 64] >> (to % 64) & 1)
		return;
	dep.edges[from][to / 64] |= 1UL << (to % 64);
	if (!edge_find(from, to) && dep.nedges < EDGES_MAX) {
		e = &dep.info[dep.nedges++];
		e->from = (u16)from;
		e->to = (u16)to;
		backtrace(e->stack);
	}
	if (class_of(from) == class_of(to)) {
		if (dep.sites[to]->how == LOCK_PLAIN && may_report()) {
			u64 stack[STACK_DEPTH];

			backtrace(stack);
			klog("lockdep: two locks of one class");
			print_site("holds", from);
			print_site("  and takes", to);
			print_stack(stack);
		}
	} else if (reaches(class_of(to), class_of(from))) {
		report_circle(from, to);
	}
}

static u32 site_index(struct lock_site *s)
{
	if (!s->index) {
		if (dep.nsites == SITES_MAX)
			return SITES_MAX - 1;
		dep.sites[dep.nsites] = s;
		dep.parent[dep.nsites] = (u16)dep.nsites;
		s->index = ++dep.nsites;
	}
	return s->index - 1;
}

/* This site locks what the lock's last site locked: one class. */
static void join(struct lock_tag *tag, struct lock_site *s, u32 site)
{
	u32 old;

	if (s->how == LOCK_AGAIN)
		return;
	if (tag->magic == TAG_MAGIC && tag->site && tag->site <= dep.nsites) {
		old = class_of(tag->site - 1);
		dep.parent[class_of(site)] = (u16)old;
	}
	tag->magic = TAG_MAGIC;
	tag->site = site + 1;
}

static void check(struct thread *t, const void *m, u32 site)
{
	for (u32 i = 0; i < t->nheld; i++) {
		if (t->held[i].lock == m && may_report()) {
			u64 stack[STACK_DEPTH];

			backtrace(stack);
			print_site("takes again what it holds:", site);
			print_stack(stack);
		}
		edge_add(t->held[i].site, site);
	}
}

void lockdep_take(const void *m, struct lock_tag *tag, struct lock_site *s,
		  bool is_try)
{
	struct thread *t = dep.on ? current() : NULL;
	u32 site;

	if (!t)
		return;
	lock();
	site = site_index(s);
	join(tag, s, site);
	if (!is_try)
		check(t, m, site);
	if (t->nheld < LOCKDEP_DEPTH) {
		t->held[t->nheld].lock = m;
		t->held[t->nheld++].site = site;
	}
	unlock();
}

static bool forget(struct thread *t, const void *m)
{
	for (u32 i = t->nheld; i-- > 0;) {
		if (t->held[i].lock != m)
			continue;
		for (; i + 1 < t->nheld; i++)
			t->held[i] = t->held[i + 1];
		t->nheld--;
		return true;
	}
	return false;
}

void lockdep_drop(const void *m, struct lock_tag *tag)
{
	struct thread *t = dep.on ? current() : NULL;

	if (!t)
		return;
	lock();
	/* fork: the child gives back what the parent took. */
	if (!forget(t, m) && tag->magic == TAG_MAGIC && tag->owner)
		(void)forget(tag->owner, m);
	unlock();
}

void lockdep_might_take(const void *m, struct lock_tag *tag,
			struct lock_site *s)
{
	struct thread *t = dep.on ? current() : NULL;

	if (!t || t->nheld == 0)
		return;
	lock();
	join(tag, s, site_index(s));
	check(t, m, s->index - 1);
	unlock();
}

void lockdep_sleep(const char *what)
{
	struct thread *t = dep.on ? current() : NULL;
	u64 stack[STACK_DEPTH];

	if (!t || t->nheld == 0)
		return;
	lock();
	if (may_report()) {
		backtrace(stack);
		klog("lockdep: %s with a lock held", what);
		print_site("holds", t->held[t->nheld - 1].site);
		print_stack(stack);
	}
	unlock();
}

void lockdep_start(void)
{
	dep.on = true;
}

void lockdep_end(void)
{
	dep.on = false;
	if (dep.nreports)
		kpanic("%u reports of the lock order checker", dep.nreports);
}

#endif

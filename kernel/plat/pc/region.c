/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The regions of a space: which addresses are mapped to what, in order. What is
 * not here is not mapped, whatever the tables say.
 */
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/pc.h"

static struct region *entry(struct rb_node *n)
{
	return n ? rb_entry(n, struct region, node) : NULL;
}

struct region *region_after(const struct plat_space *s, u64 va)
{
	struct rb_node *n = s->regions.node;
	struct region *found = NULL;

	while (n) {
		struct region *r = entry(n);

		if (r->end > va) {
			found = r;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return found;
}

struct region *region_next(const struct region *r)
{
	return entry(rb_next(&r->node));
}

static void insert(struct plat_space *s, struct region *r)
{
	struct rb_node **link = &s->regions.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = r->start < entry(parent)->start ? &parent->left
						       : &parent->right;
	}
	rb_insert(&s->regions, &r->node, parent, link);
}

static void drop(struct plat_space *s, struct region *r)
{
	rb_erase(&s->regions, &r->node);
	kfree(r);
}

/* r ends at `at`; a new one begins there. */
static int split(struct plat_space *s, struct region *r, u64 at)
{
	struct region *tail = kmalloc(sizeof(*tail));

	if (!tail)
		return -ENOMEM;
	*tail = *r;
	tail->start = at;
	tail->offset += at - r->start;
	r->end = at;
	insert(s, tail);
	return 0;
}

static int split_at(struct plat_space *s, u64 at)
{
	struct region *r = region_after(s, at);

	return r && r->start < at ? split(s, r, at) : 0;
}

int region_split(struct plat_space *s, u64 start, u64 end)
{
	int err = large_cut_at(s, start);

	if (!err)
		err = large_cut_at(s, end);
	if (!err)
		err = split_at(s, start);
	return err ? err : split_at(s, end);
}

int region_cut(struct plat_space *s, u64 start, u64 end)
{
	int err = region_split(s, start, end);
	struct region *r, *next;

	if (err)
		return err;
	for (r = region_after(s, start); r && r->start < end; r = next) {
		next = region_next(r);
		drop(s, r);
	}
	return 0;
}

static bool continues(const struct region *a, const struct region *b)
{
	return a->end == b->start && a->prot == b->prot &&
	       a->backing == b->backing && a->flags == b->flags &&
	       (a->backing == PLAT_ANON ||
		a->offset + (a->end - a->start) == b->offset);
}

int region_add(struct plat_space *s, const struct region *like)
{
	struct region *before = like->start ? region_after(s, like->start - 1)
					    : NULL;
	struct region *r;

	if (before && continues(before, like)) {
		before->end = like->end;
		return 0;
	}
	r = kmalloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = *like;
	insert(s, r);
	return 0;
}

void region_free_all(struct plat_space *s)
{
	struct rb_node *n;

	while ((n = rb_first(&s->regions)))
		drop(s, entry(n));
}

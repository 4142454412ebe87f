/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked circular lists. A list head and a node are the same
 * struct; an unlinked node points at itself, so list_del() twice is harmless.
 * No locking: the owner of the head says which lock protects it.
 */
#ifndef JIFFY_LIB_LIST_H
#define JIFFY_LIB_LIST_H

#include "lib/compiler.h"

struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* True if the node is on some list (it must have been initialised). */
static inline bool list_linked(const struct list *n)
{
	return n->next != n;
}

static inline void list_insert(struct list *n, struct list *prev,
			       struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

/* Add n as the first entry of head. */
static inline void list_push(struct list *head, struct list *n)
{
	list_insert(n, head, head->next);
}

/* Add n as the last entry of head. */
static inline void list_append(struct list *head, struct list *n)
{
	list_insert(n, head->prev, head);
}

static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Move all entries of `from` to the end of `to`; `from` is empty after it. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member) list_entry((head)->prev, type, member)

/* Walk; the body must not unlink the current entry. */
#define list_for_each(pos, head, member)                       \
	for (pos = list_first(head, __typeof__(*pos), member); \
	     &pos->member != (head);                           \
	     pos = list_first(&pos->member, __typeof__(*pos), member))

/* Walk; the body may unlink and free the current entry. */
#define list_for_each_safe(pos, tmp, head, member)                    \
	for (pos = list_first(head, __typeof__(*pos), member),        \
	    tmp = list_first(&pos->member, __typeof__(*pos), member); \
	     &pos->member != (head); pos = tmp,                       \
	    tmp = list_first(&tmp->member, __typeof__(*tmp), member))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive red-black trees. The caller walks down to find the place and links
 * the node there; the tree rebalances. No locking of its own.
 */
#ifndef JIFFY_LIB_RBTREE_H
#define JIFFY_LIB_RBTREE_H

#include "lib/compiler.h"

struct rb_node {
	struct rb_node *parent;
	struct rb_node *left;
	struct rb_node *right;
	bool is_red;
};

struct rb_root {
	struct rb_node *node;
};

#define rb_entry(ptr, type, member) container_of(ptr, type, member)

/* Link n at *link (a NULL child slot of parent, or the root) and rebalance. */
void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent,
	       struct rb_node **link);
/* Unlink n; n's fields are undefined after it. */
void rb_erase(struct rb_root *root, struct rb_node *n);

/* In-order walk; NULL at the end. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Red-black trees with parent pointers. Invariants: the root is black, a red
 * node has black children, every way down passes the same number of black
 * nodes.
 */
#include "lib/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->is_red;
}

/* Put `to` where `from` hangs. */
static void replace_child(struct rb_root *root, struct rb_node *from,
			  struct rb_node *to)
{
	struct rb_node *parent = from->parent;

	if (!parent)
		root->node = to;
	else if (parent->left == from)
		parent->left = to;
	else
		parent->right = to;
	if (to)
		to->parent = parent;
}

static void rotate_left(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *up = n->right;

	n->right = up->left;
	if (up->left)
		up->left->parent = n;
	replace_child(root, n, up);
	up->left = n;
	n->parent = up;
}

static void rotate_right(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *up = n->left;

	n->left = up->right;
	if (up->right)
		up->right->parent = n;
	replace_child(root, n, up);
	up->right = n;
	n->parent = up;
}

/* Rotate so that n's child on the other side comes up. */
static void rotate(struct rb_root *root, struct rb_node *n, bool to_left)
{
	if (to_left)
		rotate_left(root, n);
	else
		rotate_right(root, n);
}

void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent,
	       struct rb_node **link)
{
	n->parent = parent;
	n->left = NULL;
	n->right = NULL;
	n->is_red = true;
	*link = n;

	while (is_red(n->parent)) {
		struct rb_node *p = n->parent;
		struct rb_node *g = p->parent; /* a red node is not the root */
		bool p_is_left = g->left == p;
		struct rb_node *uncle = p_is_left ? g->right : g->left;

		if (is_red(uncle)) {
			p->is_red = false;
			uncle->is_red = false;
			g->is_red = true;
			n = g;
			continue;
		}
		if (n == (p_is_left ? p->right : p->left)) {
			rotate(root, p, p_is_left);
			p = n;
		}
		p->is_red = false;
		g->is_red = true;
		rotate(root, g, !p_is_left);
		break;
	}
	root->node->is_red = false;
}

/* The ways down through n (child of parent, perhaps NULL) lack one black. */
static void repair_erase(struct rb_root *root, struct rb_node *n,
			 struct rb_node *parent)
{
	while (parent && !is_red(n)) {
		bool n_is_left = parent->left == n;
		struct rb_node *s = n_is_left ? parent->right : parent->left;
		struct rb_node *near, *far;

		if (s->is_red) {
			s->is_red = false;
			parent->is_red = true;
			rotate(root, parent, n_is_left);
			s = n_is_left ? parent->right : parent->left;
		}
		near = n_is_left ? s->left : s->right;
		far = n_is_left ? s->right : s->left;
		if (!is_red(near) && !is_red(far)) {
			s->is_red = true;
			n = parent;
			parent = n->parent;
			continue;
		}
		if (!is_red(far)) {
			near->is_red = false;
			s->is_red = true;
			rotate(root, s, !n_is_left);
			s = n_is_left ? parent->right : parent->left;
			far = n_is_left ? s->right : s->left;
		}
		s->is_red = parent->is_red;
		parent->is_red = false;
		far->is_red = false;
		rotate(root, parent, n_is_left);
		return;
	}
	if (n)
		n->is_red = false;
}

void rb_erase(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *child, *parent;
	bool lost_black;

	if (n->left && n->right) {
		struct rb_node *next = n->right;

		while (next->left)
			next = next->left;
		child = next->right;
		parent = next->parent;
		lost_black = !next->is_red;
		replace_child(root, next, child);
		if (parent == n)
			parent = next;
		replace_child(root, n, next);
		next->is_red = n->is_red;
		next->left = n->left;
		next->left->parent = next;
		next->right = n->right;
		if (next->right)
			next->right->parent = next;
	} else {
		child = n->left ? n->left : n->right;
		parent = n->parent;
		lost_black = !n->is_red;
		replace_child(root, n, child);
	}
	if (lost_black)
		repair_erase(root, child, parent);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct rb_node *)(uintptr_t)n;
	}
	while (n->parent && n->parent->right == n)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->left) {
		n = n->left;
		while (n->right)
			n = n->right;
		return (struct rb_node *)(uintptr_t)n;
	}
	while (n->parent && n->parent->left == n)
		n = n->parent;
	return n->parent;
}

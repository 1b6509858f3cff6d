/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list.h - rings of objects that carry their own links, for the files of netstack/ only.
 *
 * A ring is a struct node that belongs to nobody; its members are nodes inside of objects. A node that is in
 * no ring points to itself, so leaving a ring that one is not in does nothing. All operations take constant
 * time. */
#ifndef NETSTACK_LIST_H
#define NETSTACK_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct node {
	struct node *prev, *next;
};

/* The object of @type that has the node @n as its @member. */
#define list_entry(n, type, member) ((type *)(void *)((char *)(n)-offsetof(type, member)))

static inline void list_init(struct node *n)
{
	n->prev = n->next = n;
}

static inline bool list_empty(const struct node *ring)
{
	return ring->next == ring;
}

/* Is @n in some ring? */
static inline bool list_linked(const struct node *n)
{
	return n->next != n;
}

static inline void list_del(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Make @n, which may be in a ring already, the last of @ring. */
static inline void list_move_last(struct node *ring, struct node *n)
{
	list_del(n);
	n->prev = ring->prev;
	n->next = ring;
	ring->prev->next = n;
	ring->prev = n;
}

/* Everything in @from becomes the whole of @to, which must be empty. */
static inline void list_take_all(struct node *to, struct node *from)
{
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	list_init(from);
}

#endif

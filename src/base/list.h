/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A circular doubly linked list whose links live inside the members.
 */
#ifndef IOAS_BASE_LIST_H
#define IOAS_BASE_LIST_H

#include <stdbool.h>
#include "base/bits.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Adds @item at the end of the list whose head is @head. */
static inline void list_add_tail(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Takes @item out and leaves it as an empty list, so that a second removal is harmless. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

/* Iterates over the members; the current one may be taken out. */
#define list_for_each(pos, tmp, head)                                                              \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                           \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif

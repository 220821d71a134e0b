/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table memory, seen from the walker. Private to this room.
 *
 * The reservation is handed out in blocks of 2^order units of 4 KiB, aligned to their size: a table
 * is one block. A block's descriptor is that of its first unit, in an array beside the reservation;
 * unit 0 is never handed out and ends lists. A block is in one of: the never used rest, the free
 * list of its order, somebody's list (struct pt_gather: reserved or gathered), a tree. A larger
 * free block is split before the rest is touched. Free halves are joined only when a block is
 * wanted that is nowhere, and as much was given back as joining looks at: a host whose tables are
 * of one size never does, and giving back a list costs the same however long it is.
 */
#ifndef IOAS_PAGETABLE_TABLE_H
#define IOAS_PAGETABLE_TABLE_H

#include "base/lock.h"
#include "pagetable/pt.h"

#define TABLE_LG2    12
#define TABLE_SIZE   BIT(TABLE_LG2)
#define TABLE_ORDERS 16 /* up to 128 MiB: the only level of a POWER TCE table */

#define TABLE_ZERO	  BIT(0) /* not in a tree: holds zeros only */
#define TABLE_KEPT	  BIT(1) /* in a tree: in its pt's list of kept tables */
#define TABLE_FREE	  BIT(2) /* in a free list; while blocks are joined only */
#define TABLE_ORDER_SHIFT 4	 /* the block's order: from this bit on */

struct pt_table {
	union {
		uint32_t next;	/* in a list; 0 ends it */
		uint32_t count; /* in a tree: entries that are present */
	};
	uint8_t level;
	uint8_t flags;
};

struct pt_mem {
	char *base;
	size_t size;
	uint64_t pa_base;
	struct pt_table *tables;
	struct lock lock;	     /* guards what follows */
	uint32_t free[TABLE_ORDERS]; /* lists */
	uint32_t fresh;		     /* from here on never used */
	uint32_t opened;	     /* from here on not accessible yet */
	size_t used, limit;	     /* units */
	size_t loose;		     /* units given back since free blocks were joined */
};

static inline struct pt_table *table_desc(const struct pt_mem *m, const uint64_t *table)
{
	return &m->tables[(uint64_t)((const char *)table - m->base) >> TABLE_LG2];
}

static inline uint64_t *table_at(const struct pt_mem *m, uint32_t i)
{
	return (uint64_t *)(m->base + ((uint64_t)i << TABLE_LG2));
}

static inline unsigned int table_order(const struct pt_table *d)
{
	return d->flags >> TABLE_ORDER_SHIFT;
}

/* Reserves @n blocks of 2^order units into the list *g, or none: -ENOMEM. Content is arbitrary
 * without TABLE_ZERO. */
int pt_mem_take(struct pt_mem *m, uint32_t n, unsigned int order, struct pt_gather *g);

/* The first table of a list that is not empty. */
static inline uint64_t *gather_pop(struct pt_mem *m, struct pt_gather *g)
{
	uint32_t i = g->first;

	g->first = m->tables[i].next;
	g->units -= 1u << table_order(&m->tables[i]);
	g->n--;
	return table_at(m, i);
}

/* Appends a table, which no tree holds any more. */
static inline void gather_push(struct pt_mem *m, struct pt_gather *g, const uint64_t *table)
{
	struct pt_table *d = table_desc(m, table);
	uint32_t i = (uint32_t)(d - m->tables);

	d->next = 0;
	if (g->n++)
		m->tables[g->last].next = i;
	else
		g->first = i;
	g->last = i;
	g->units += 1u << table_order(d);
	g->orders |= (uint16_t)(1u << table_order(d));
}

/* Appends the list *from, which becomes empty. */
static inline void gather_append(struct pt_mem *m, struct pt_gather *g, struct pt_gather *from)
{
	if (!from->n)
		return;
	if (g->n)
		m->tables[g->last].next = from->first;
	else
		g->first = from->first;
	g->last = from->last;
	g->n += from->n;
	g->units += from->units;
	g->orders |= from->orders;
	*from = (struct pt_gather){0};
}

#endif

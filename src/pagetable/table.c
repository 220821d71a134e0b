/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table memory of a host: one reservation, a free list for each order, a mark below which
 * everything has been used.
 */
#include "pagetable/table.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What is asked for at first and at last. A host of 64 GiB of 4 KiB leaves needs 128 MiB. */
#define RESERVE_MOST  (64ull << 30)
#define RESERVE_LEAST (1ull << 30)

/*
 * Tables become accessible so many at a time, 2 MiB of them and one page of descriptors. What is
 * not yet used must not be: a program that locks its memory (mlockall) would have the whole
 * reservation filled.
 */
#define OPEN_TABLES 512

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* @size bytes at a multiple of RESERVE_LEAST. */
static char *reserve_aligned(size_t size)
{
	char *p = reserve(size + RESERVE_LEAST), *base;

	if (!p)
		return NULL;
	base = (char *)align_up((uintptr_t)p, RESERVE_LEAST);
	if (base != p)
		munmap(p, (size_t)(base - p));
	if (base != p + RESERVE_LEAST)
		munmap(base + size, (size_t)(p + RESERVE_LEAST - base));
	return base;
}

static int open_more(struct pt_mem *m)
{
	_Static_assert(OPEN_TABLES * sizeof(*m->tables) % PAGE_SIZE == 0,
		       "whole pages of descriptors");

	if (m->opened + OPEN_TABLES > m->size >> TABLE_LG2 ||
	    mprotect(&m->tables[m->opened], OPEN_TABLES * sizeof(*m->tables),
		     PROT_READ | PROT_WRITE) ||
	    mprotect(table_at(m, m->opened), OPEN_TABLES << TABLE_LG2, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	__atomic_store_n(&m->opened, m->opened + OPEN_TABLES, __ATOMIC_RELEASE);
	return 0;
}

int pt_mem_create(struct pt_mem **out)
{
	struct pt_mem *m = ioas_calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	for (m->size = RESERVE_MOST; m->size >= RESERVE_LEAST; m->size /= 2) {
		m->base = reserve_aligned(m->size);
		if (m->base)
			break;
	}
	if (!m->base)
		goto out_free;
	m->tables = reserve((m->size >> TABLE_LG2) * sizeof(*m->tables));
	if (!m->tables)
		goto out_unmap;
	madvise(m->base, m->size, MADV_HUGEPAGE);
	lock_init(&m->lock, LOCK_TABLES);
	if (open_more(m))
		goto out_unmap_tables;
	m->fresh = 1;
	m->limit = (m->size >> TABLE_LG2) - 1;
	*out = m;
	return 0;
out_unmap_tables:
	munmap(m->tables, (m->size >> TABLE_LG2) * sizeof(*m->tables));
out_unmap:
	munmap(m->base, m->size);
out_free:
	ioas_free(m);
	return -ENOMEM;
}

void pt_mem_destroy(struct pt_mem *m)
{
	munmap(m->tables, (m->size >> TABLE_LG2) * sizeof(*m->tables));
	munmap(m->base, m->size);
	ioas_free(m);
}

char *pt_mem_base(const struct pt_mem *m)
{
	return m->base;
}

size_t pt_mem_size(const struct pt_mem *m)
{
	return m->size;
}

uint64_t *pt_mem_pa_base(struct pt_mem *m)
{
	return &m->pa_base;
}

size_t pt_mem_tables(struct pt_mem *m)
{
	size_t used;

	lock_acquire(&m->lock);
	used = m->used;
	lock_release(&m->lock);
	return used;
}

void pt_mem_set_limit(struct pt_mem *m, size_t n)
{
	lock_acquire(&m->lock);
	m->limit = min_u64(n, (m->size >> TABLE_LG2) - 1);
	lock_release(&m->lock);
}

const uint64_t *pt_mem_table(const struct pt_mem *m, uint64_t pa)
{
	uint64_t offset = pa - m->pa_base;
	uint64_t opened = (uint64_t)__atomic_load_n(&m->opened, __ATOMIC_ACQUIRE) << TABLE_LG2;

	return offset < opened && is_aligned(pa, TABLE_SIZE) ? (uint64_t *)(m->base + offset)
							     : NULL;
}

static void free_push(struct pt_mem *m, uint32_t block)
{
	uint32_t *list = &m->free[table_order(&m->tables[block])];

	m->tables[block].next = *list;
	*list = block;
}

static uint32_t free_pop(struct pt_mem *m, unsigned int order)
{
	uint32_t block = m->free[order];

	if (block)
		m->free[order] = m->tables[block].next;
	return block;
}

static void set_block(struct pt_mem *m, uint32_t block, unsigned int order, uint8_t zero)
{
	m->tables[block].flags = (uint8_t)(order << TABLE_ORDER_SHIFT) | zero;
}

/* Frees never used units [first, end) in the largest blocks that their alignment allows. */
static void free_fresh(struct pt_mem *m, uint32_t first, uint32_t end)
{
	while (first < end) {
		unsigned int order =
			(unsigned int)min_u64(lowest_bit(first), log2_floor(end - first));

		set_block(m, first, order, TABLE_ZERO);
		free_push(m, first);
		first += 1u << order;
	}
}

/* A block of the never used rest, or 0. */
static uint32_t take_fresh(struct pt_mem *m, unsigned int order)
{
	uint32_t block = (uint32_t)align_up(m->fresh, BIT(order));

	while (block + BIT(order) > m->opened) {
		if (open_more(m))
			return 0;
	}
	free_fresh(m, m->fresh, block);
	m->fresh = block + (1u << order);
	set_block(m, block, order, TABLE_ZERO);
	return block;
}

/* A part of a larger block that is free, or 0. */
static uint32_t take_part(struct pt_mem *m, unsigned int order)
{
	uint32_t block = 0;
	unsigned int o = order;
	uint8_t zero;

	while (!block && ++o < TABLE_ORDERS)
		block = free_pop(m, o);
	if (!block)
		return 0;
	zero = m->tables[block].flags & TABLE_ZERO;
	while (o-- > order) {
		set_block(m, block + (1u << o), o, zero);
		free_push(m, block + (1u << o));
	}
	set_block(m, block, order, zero);
	return block;
}

static void flag_free(struct pt_mem *m, bool on)
{
	for (unsigned int order = 0; order < TABLE_ORDERS; order++) {
		for (uint32_t i = m->free[order]; i; i = m->tables[i].next) {
			m->tables[i].flags &= (uint8_t)~TABLE_FREE;
			m->tables[i].flags |= on ? TABLE_FREE : 0;
		}
	}
}

static bool is_free(const struct pt_mem *m, uint32_t block, unsigned int order)
{
	return block < m->fresh && m->tables[block].flags & TABLE_FREE &&
	       table_order(&m->tables[block]) == order;
}

/* Joins free halves, from the smallest on. The lower half does it when its turn in the list comes.
 */
static void join_free(struct pt_mem *m)
{
	flag_free(m, true);
	for (unsigned int order = 0; order < TABLE_ORDERS - 1; order++) {
		uint32_t next, block = m->free[order];

		for (m->free[order] = 0; block; block = next) {
			uint32_t other = block ^ (1u << order);

			next = m->tables[block].next;
			if (!is_free(m, block, order))
				continue; /* its lower half has taken it */
			if (!is_free(m, other, order)) {
				free_push(m, block);
			} else if (block < other) {
				set_block(m, block, order + 1,
					  TABLE_FREE | (m->tables[block].flags &
							m->tables[other].flags & TABLE_ZERO));
				m->tables[other].flags &= (uint8_t)~TABLE_FREE;
				free_push(m, block);
			}
		}
	}
	flag_free(m, false);
	m->loose = 0;
}

/* A free block, or 0. */
static uint32_t take_free(struct pt_mem *m, unsigned int order)
{
	uint32_t block = free_pop(m, order);

	return block ? block : take_part(m, order);
}

static uint32_t take_block(struct pt_mem *m, unsigned int order)
{
	uint32_t block = take_free(m, order);

	/* What is free is in smaller blocks, no more of them than there are units below the mark.
	 */
	if (!block && order && m->loose > (m->fresh - m->used) / 2) {
		join_free(m);
		block = take_free(m, order);
	}
	if (!block)
		block = take_fresh(m, order);
	if (!block && order && m->loose) {
		join_free(m);
		block = take_free(m, order);
	}
	return block;
}

/* Puts a list in front of the free lists. Lock held. */
static void give_back(struct pt_mem *m, struct pt_gather *g)
{
	unsigned int order = lowest_bit(g->orders);

	m->loose += g->units;
	if (g->orders == BIT(order)) {
		m->tables[g->last].next = m->free[order];
		m->free[order] = g->first;
	} else {
		for (uint32_t i = g->first, next; i; i = next) {
			next = m->tables[i].next;
			free_push(m, i);
		}
	}
	*g = (struct pt_gather){0};
}

int pt_mem_take(struct pt_mem *m, uint32_t n, unsigned int order, struct pt_gather *g)
{
	uint64_t units = (uint64_t)n << order;
	struct pt_gather taken = {0};
	int rc = -ENOMEM;

	lock_acquire(&m->lock);
	if (units > m->limit || m->used > m->limit - units)
		goto out;
	while (taken.n < n) {
		uint32_t block = take_block(m, order);

		if (!block) {
			if (taken.n)
				give_back(m, &taken);
			goto out;
		}
		gather_push(m, &taken, table_at(m, block));
	}
	m->used += units;
	gather_append(m, g, &taken);
	rc = 0;
out:
	lock_release(&m->lock);
	return rc;
}

void pt_gather_free(struct pt_mem *m, struct pt_gather *g)
{
	if (!g->n)
		return;
	lock_acquire(&m->lock);
	m->used -= g->units;
	give_back(m, g);
	lock_release(&m->lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table memory of a host: one reservation, a free list, a mark below which everything has been
 * used.
 */
#include "pagetable/table.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What is asked for at first and at last. A host of 64 GiB of 4 KiB leaves needs 128 MiB. */
#define RESERVE_MOST  (64ull << 30)
#define RESERVE_LEAST (1ull << 30)

/*
 * Tables become accessible so many at a time, 2 MiB of them and one page of descriptors. What is not yet used must not be: a program
 * that locks its memory (mlockall) would have the whole reservation filled.
 */
#define OPEN_TABLES 512

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

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
	_Static_assert(OPEN_TABLES * sizeof(*m->tables) % PAGE_SIZE == 0, "whole pages of descriptors");

	if (mprotect(&m->tables[m->opened], OPEN_TABLES * sizeof(*m->tables), PROT_READ | PROT_WRITE) ||
	    mprotect(table_at(m, m->opened), OPEN_TABLES << TABLE_LG2, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	__atomic_store_n(&m->opened, m->opened + OPEN_TABLES, __ATOMIC_RELEASE);
	return 0;
}

int pt_mem_create(struct pt_mem **out)
{
	struct pt_mem *m = calloc(1, sizeof(*m));

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
	free(m);
	return -ENOMEM;
}

void pt_mem_destroy(struct pt_mem *m)
{
	munmap(m->tables, (m->size >> TABLE_LG2) * sizeof(*m->tables));
	munmap(m->base, m->size);
	free(m);
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

	return offset < opened && is_aligned(pa, TABLE_SIZE) ? (uint64_t *)(m->base + offset) : NULL;
}

/* Puts a list in front of the free list. Lock held. */
static void give_back(struct pt_mem *m, struct pt_gather *g)
{
	m->tables[g->last].next = m->free;
	m->free = g->first;
	*g = (struct pt_gather){0};
}

int pt_mem_take(struct pt_mem *m, uint32_t n, struct pt_gather *g)
{
	struct pt_gather taken = {0};
	int rc = -ENOMEM;

	lock_acquire(&m->lock);
	if (n > m->limit || m->used > m->limit - n)
		goto out;
	while (taken.n < n) {
		uint32_t table = m->free;

		if (table) {
			m->free = m->tables[table].next;
		} else if (m->fresh < m->opened || !open_more(m)) {
			table = m->fresh++;
			m->tables[table].flags = TABLE_ZERO;
		} else {
			if (taken.n)
				give_back(m, &taken);
			goto out;
		}
		gather_push(m, &taken, table_at(m, table));
	}
	m->used += n;
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
	m->used -= g->n;
	give_back(m, g);
	lock_release(&m->lock);
}

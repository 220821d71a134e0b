/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pages that Linux's code makes its tables of: a free list for each order over one reservation,
 * as its page allocator's lists for each CPU are, without their locks. What the kernel keeps of a
 * page stands beside it. Not thread-safe; ends the program when it runs out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "linux.h"

#define PAGE_LG2 12
#define ORDERS	 10
#define RESERVED (8ull << 30)

static struct {
	char *base;
	struct shim_page *pages;
	uint64_t fresh; /* from here on never used */
	struct shim_page *free[ORDERS];
	uint64_t used;
} all;

static void open_all(void)
{
	size_t pages = (RESERVED >> PAGE_LG2) * sizeof(*all.pages);
	/* Aligned as the largest block is to be. */
	size_t align = 1ull << 30;
	int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	all.base = mmap(NULL, RESERVED + align, prot, flags, -1, 0);
	all.pages = mmap(NULL, pages, prot, flags, -1, 0);
	if (all.base == MAP_FAILED || all.pages == MAP_FAILED)
		abort();
	all.base = (char *)(((uintptr_t)all.base + align - 1) & ~(align - 1));
	/* The kernel reaches its pages through mappings of 1 GiB. */
	madvise(all.base, RESERVED, MADV_HUGEPAGE);
}

struct shim_page *shim_page(const void *table)
{
	return &all.pages[(uint64_t)((const char *)table - all.base) >> PAGE_LG2];
}

void *shim_table(const struct shim_page *page)
{
	return all.base + ((uint64_t)(page - all.pages) << PAGE_LG2);
}

void *shim_alloc(size_t size)
{
	unsigned int order = 0;
	struct shim_page *page;

	if (!all.base)
		open_all();
	while ((1ull << (PAGE_LG2 + order)) < size)
		order++;
	if (order >= ORDERS)
		abort();
	page = all.free[order];
	if (page) {
		all.free[order] = page->next;
	} else {
		uint64_t first = (all.fresh + (1ull << order) - 1) & ~((1ull << order) - 1);

		all.fresh = first + (1ull << order);
		if (all.fresh > RESERVED >> PAGE_LG2)
			abort();
		page = &all.pages[first];
		page->order = order;
	}
	all.used++;
	return memset(shim_table(page), 0, 1ull << (PAGE_LG2 + order));
}

void shim_free(void *table)
{
	struct shim_page *page = shim_page(table);

	page->next = all.free[page->order];
	all.free[page->order] = page;
	all.used--;
}

uint64_t shim_used(void)
{
	return all.used;
}

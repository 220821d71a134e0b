/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow side of the IOTLB: filling, and forgetting pages, ranges or everything.
 */
#include "iommu/iotlb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Above so many probes a range is forgotten by looking at every entry instead: 1024 lines in a row
 * are cheap. */
#define MAX_PROBES 256

static void set_context(struct iotlb *t, uint32_t context)
{
	t->context = context;
	for (uint32_t size = 0; size < IOTLB_NR_SIZES; size++)
		t->name[size] = (size + 1) << 10 | context;
	iotlb_prefer(t, IOTLB_4K);
}

int iotlb_init(struct iotlb *t)
{
	*t = (struct iotlb){0};
	set_context(t, 1);
	t->sets = aligned_alloc(sizeof(struct iotlb_set), IOTLB_SETS * sizeof(struct iotlb_set));
	if (!t->sets)
		return -ENOMEM;
	memset(t->sets, 0, IOTLB_SETS * sizeof(struct iotlb_set));
	return 0;
}

void iotlb_fini(struct iotlb *t)
{
	free(t->sets);
	t->sets = NULL;
}

static bool is_current(const struct iotlb *t, uint64_t tag)
{
	return (tag & (IOTLB_CONTEXTS - 1)) == t->context;
}

static enum iotlb_size size_of(uint64_t tag)
{
	return (enum iotlb_size)((tag >> 10 & 3) - 1);
}

static void count_entry(struct iotlb *t, enum iotlb_size size)
{
	t->count[size]++;
	t->present |= 1u << size;
}

static void drop_entry(struct iotlb *t, struct iotlb_set *set, unsigned int way)
{
	enum iotlb_size size = size_of(set->tag[way]);

	set->tag[way] = 0;
	if (!--t->count[size])
		t->present &= ~(1u << size);
}

/* The way a fill takes: that of the same page, else a free or outdated one, else each in turn. */
static unsigned int choose_way(struct iotlb *t, struct iotlb_set *set, uint64_t tag)
{
	unsigned int way = iotlb_way(set, tag);

	if (set->tag[way] == tag)
		return way;
	for (way = 0; way < IOTLB_WAYS; way++)
		if (!is_current(t, set->tag[way]))
			return way;
	return t->victim++ % IOTLB_WAYS;
}

void iotlb_fill(struct iotlb *t, uint64_t iova, enum iotlb_size size, const void *ptr,
		uint16_t slot, unsigned int perms)
{
	uint64_t page = iova >> iotlb_shift(size);
	struct iotlb_set *set = iotlb_set(t, page);
	uint64_t tag = iotlb_tag(t, page, size);
	unsigned int way = choose_way(t, set, tag);

	if (is_current(t, set->tag[way]))
		drop_entry(t, set, way);
	set->tag[way] = tag;
	set->val[way] = (uint64_t)slot << 48 | (uintptr_t)ptr | perms;
	count_entry(t, size);
	iotlb_prefer(t, size);
}

static void forget_page(struct iotlb *t, uint64_t page, enum iotlb_size size)
{
	struct iotlb_set *set = iotlb_set(t, page);
	uint64_t tag = iotlb_tag(t, page, size);
	unsigned int way = iotlb_way(set, tag);

	if (set->tag[way] == tag)
		drop_entry(t, set, way);
}

static void forget_by_scan(struct iotlb *t, uint64_t iova, uint64_t last)
{
	for (struct iotlb_set *set = t->sets; set < t->sets + IOTLB_SETS && t->present; set++) {
		for (unsigned int way = 0; way < IOTLB_WAYS; way++) {
			uint64_t tag = set->tag[way], start;

			if (!is_current(t, tag))
				continue;
			start = align_down(tag, PAGE_SIZE);
			if (start <= last && start + MASK(iotlb_shift(size_of(tag))) >= iova)
				drop_entry(t, set, way);
		}
	}
}

void iotlb_forget(struct iotlb *t, uint64_t iova, uint64_t last)
{
	for (uint32_t sizes = t->present; sizes; sizes &= sizes - 1) {
		enum iotlb_size size = (enum iotlb_size)__builtin_ctz(sizes);
		uint64_t page = iova >> iotlb_shift(size), last_page = last >> iotlb_shift(size);

		if (last_page - page >= MAX_PROBES) {
			forget_by_scan(t, iova, last);
			return;
		}
		for (;; page++) {
			forget_page(t, page, size);
			if (page == last_page)
				break;
		}
	}
}

void iotlb_forget_all(struct iotlb *t)
{
	memset(t->count, 0, sizeof(t->count));
	t->present = 0;
	if (t->context + 1 < IOTLB_CONTEXTS) {
		set_context(t, t->context + 1);
		return;
	}
	set_context(t, 1);
	memset(t->sets, 0, IOTLB_SETS * sizeof(struct iotlb_set));
}

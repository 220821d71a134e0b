/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow side of the IOTLB: filling, and forgetting pages, ranges or everything.
 */
#include "iommu/iotlb.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Above so many probes a range is forgotten by looking at every entry instead: 1024 lines in a row
 * are cheap. */
#define MAX_PROBES 256

static void set_name(struct iotlb_context *c, uint32_t id)
{
	c->id = id;
	for (uint32_t size = 0; size < IOTLB_NR_SIZES; size++)
		__atomic_store_n(&c->name[size], (size + 1) << 10 | id, __ATOMIC_RELAXED);
	iotlb_prefer(c, IOTLB_4K);
}

void iotlb_context_init(struct iotlb_context *c, uint32_t seed)
{
	/* Above the bits of most page numbers, so that neighbours stay neighbours. */
	*c = (struct iotlb_context){.seed = (uint64_t)seed << 40};
	set_name(c, 0);
}

int iotlb_init(struct iotlb *t)
{
	*t = (struct iotlb){.next = 1};
	t->owners = ioas_calloc(IOTLB_CONTEXTS, sizeof(struct iotlb_context *));
	t->sets =
		ioas_aligned_alloc(sizeof(struct iotlb_set), IOTLB_SETS * sizeof(struct iotlb_set));
	if (!t->sets || !t->owners) {
		iotlb_fini(t);
		return -ENOMEM;
	}
	memset(t->sets, 0, IOTLB_SETS * sizeof(struct iotlb_set));
	return 0;
}

void iotlb_fini(struct iotlb *t)
{
	ioas_free(t->sets);
	ioas_free(t->owners);
	ioas_free(t->notes);
	*t = (struct iotlb){0};
}

static struct iotlb_context *owner_of(const struct iotlb *t, uint64_t tag)
{
	return t->owners[tag & (IOTLB_CONTEXTS - 1)];
}

static void lose_name(struct iotlb *t, struct iotlb_context *c)
{
	t->owners[c->id] = NULL;
	memset(c->count, 0, sizeof(c->count));
	c->present = 0;
	set_name(c, 0);
}

static void take_name(struct iotlb *t, struct iotlb_context *c)
{
	if (t->next == IOTLB_CONTEXTS) {
		iotlb_forget_all(t);
		memset(t->sets, 0, IOTLB_SETS * sizeof(struct iotlb_set));
		t->next = 1;
	}
	set_name(c, t->next);
	t->owners[t->next++] = c;
}

static enum iotlb_size size_of(uint64_t tag)
{
	return (enum iotlb_size)((tag >> 10 & 3) - 1);
}

static void count_entry(struct iotlb_context *c, enum iotlb_size size)
{
	c->count[size]++;
	c->present |= 1u << size;
}

static void drop_entry(struct iotlb_context *c, struct iotlb_set *set, unsigned int way)
{
	enum iotlb_size size = size_of(set->tag[way]);

	__atomic_store_n(&set->tag[way], 0, __ATOMIC_RELAXED);
	if (!--c->count[size])
		c->present &= ~(1u << size);
}

/* The way a fill takes: that of the same page, else a free or outdated one, else each in turn. */
static unsigned int choose_way(struct iotlb *t, struct iotlb_set *set, uint64_t tag)
{
	unsigned int way = iotlb_way(set, tag);

	if (set->tag[way] == tag)
		return way;
	for (way = 0; way < IOTLB_WAYS; way++)
		if (!owner_of(t, set->tag[way]))
			return way;
	return t->victim++ % IOTLB_WAYS;
}

void iotlb_fill(struct iotlb *t, struct iotlb_context *c, uint64_t iova, enum iotlb_size size,
		const void *ptr, uint16_t slot, unsigned int perms)
{
	uint64_t page = iova >> iotlb_shift(size), tag;
	struct iotlb_set *set = iotlb_set(t, c, page);
	struct iotlb_context *before;
	unsigned int way;

	if (!c->id)
		take_name(t, c);
	tag = iotlb_tag(c, page, size);
	way = choose_way(t, set, tag);
	before = owner_of(t, set->tag[way]);
	if (before)
		drop_entry(before, set, way);
	__atomic_store_n(&set->tag[way], tag, __ATOMIC_RELAXED);
	__atomic_store_n(&set->val[way], (uint64_t)slot << 48 | (uintptr_t)ptr | perms,
			 __ATOMIC_RELAXED);
	count_entry(c, size);
	iotlb_prefer(c, size);
}

/* ---- notes ---- */

int iotlb_keep_notes(struct iotlb *t)
{
	const size_t n = IOTLB_SETS * IOTLB_WAYS;
	uint64_t *notes = ioas_malloc(n * sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	memset(notes, 0xff, n * sizeof(*notes));
	__atomic_store_n(&t->notes, notes, __ATOMIC_RELEASE);
	return 0;
}

void iotlb_note(struct iotlb *t, const struct iotlb_context *c, uint64_t iova, enum iotlb_size size,
		uint64_t note)
{
	const uint64_t page = iova >> iotlb_shift(size), tag = iotlb_tag(c, page, size);
	const struct iotlb_set *set = iotlb_set(t, c, page);
	const unsigned int way = iotlb_way(set, tag);

	if (set->tag[way] == tag)
		*iotlb_note_at(t, set, way) = note;
}

uint64_t iotlb_find_note(const struct iotlb *t, const struct iotlb_context *c, uint64_t iova,
			 const char *ptr)
{
	uint64_t note = IOTLB_NO_NOTE;

	for (uint32_t sizes = c->present; note == IOTLB_NO_NOTE && sizes; sizes &= sizes - 1) {
		const enum iotlb_size size = (enum iotlb_size)__builtin_ctz(sizes);

		note = iotlb_probe_note(t, c, iova, ptr, iotlb_shift(size), c->name[size]);
	}
	return note;
}

/* ---- forgetting ---- */

static void forget_page(struct iotlb *t, struct iotlb_context *c, uint64_t page,
			enum iotlb_size size)
{
	struct iotlb_set *set = iotlb_set(t, c, page);
	uint64_t tag = iotlb_tag(c, page, size);
	unsigned int way = iotlb_way(set, tag);

	if (set->tag[way] == tag)
		drop_entry(c, set, way);
}

static void forget_by_scan(struct iotlb *t, struct iotlb_context *c, uint64_t iova, uint64_t last)
{
	for (struct iotlb_set *set = t->sets; set < t->sets + IOTLB_SETS && c->present; set++) {
		for (unsigned int way = 0; way < IOTLB_WAYS; way++) {
			uint64_t tag = set->tag[way], start;

			if ((tag & (IOTLB_CONTEXTS - 1)) != c->id)
				continue;
			start = align_down(tag, PAGE_SIZE);
			if (start <= last && start + MASK(iotlb_shift(size_of(tag))) >= iova)
				drop_entry(c, set, way);
		}
	}
}

void iotlb_forget(struct iotlb *t, struct iotlb_context *c, uint64_t iova, uint64_t last)
{
	if (!iova && last == UINT64_MAX) {
		iotlb_forget_context(t, c);
		return;
	}
	for (uint32_t sizes = c->present; sizes; sizes &= sizes - 1) {
		enum iotlb_size size = (enum iotlb_size)__builtin_ctz(sizes);
		uint64_t page = iova >> iotlb_shift(size), last_page = last >> iotlb_shift(size);

		if (last_page - page >= MAX_PROBES) {
			forget_by_scan(t, c, iova, last);
			return;
		}
		for (;; page++) {
			forget_page(t, c, page, size);
			if (page == last_page)
				break;
		}
	}
}

void iotlb_forget_context(struct iotlb *t, struct iotlb_context *c)
{
	if (c->id)
		lose_name(t, c);
}

void iotlb_forget_all(struct iotlb *t)
{
	for (uint32_t id = 1; id < t->next; id++)
		if (t->owners[id])
			lose_name(t, t->owners[id]);
}

static uint64_t peek_set(const struct iotlb_set *set, uint64_t tag)
{
	for (unsigned int way = 0; way < IOTLB_WAYS; way++)
		if (__atomic_load_n(&set->tag[way], __ATOMIC_RELAXED) == tag)
			return __atomic_load_n(&set->val[way], __ATOMIC_RELAXED);
	return 0;
}

uint64_t iotlb_peek(const struct iotlb *t, const struct iotlb_context *c, uint64_t iova,
		    unsigned int *shift)
{
	for (enum iotlb_size size = IOTLB_4K; size < IOTLB_NR_SIZES; size++) {
		const uint32_t name = __atomic_load_n(&c->name[size], __ATOMIC_RELAXED);
		const uint64_t page = iova >> iotlb_shift(size);
		uint64_t val = 0;

		*shift = iotlb_shift(size);
		if (name & (IOTLB_CONTEXTS - 1))
			val = peek_set(iotlb_set(t, c, page), page << *shift | name);
		if (val)
			return val;
	}
	return 0;
}

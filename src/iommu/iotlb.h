/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The translation cache of one requester. Only the requester's DMA thread touches it, so that it
 * takes no lock and no atomic instruction. It stores whole words, for somebody may look
 * (iotlb_peek()).
 *
 * A set is one 64-byte line of four ways, and every page has one set, so that a lookup and the
 * invalidation of a page each read one line for each page size that is present. An entry holds the
 * pointer itself: a hit reads no table of slots or pages.
 *
 * tag: bits 63:12 the IOVA of the page, 11:10 its size (0: no entry), 9:0 the context
 * val: bits 63:48 the memory slot, 47:12 the address of the page in this process, 1:0 what it
 * permits (IOMMU_READ, IOMMU_WRITE)
 *
 * The context is a name of "whose translations, and since when": the RID and each PASID of a
 * requester have their own. Forgetting all of one gives up its name and leaves the lines alone; the
 * next fill takes a new name. When the names run out the lines are cleared, and everybody's name
 * with them.
 *
 * Beside each entry there may be a note, a word of whoever filled it, which goes as the entry goes.
 *
 * Invariants, for each context: count[s] is the number of its entries of size s, present has bit s
 * where it is not 0. Without a name (0, which no entry has) it has no entries. No two entries have
 * the same tag.
 */
#ifndef IOAS_IOMMU_IOTLB_H
#define IOAS_IOMMU_IOTLB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

#define IOTLB_WAYS 4
#define IOTLB_SETS 1024 /* a power of two; 64 KiB: half of a small L2 */

enum iotlb_size { IOTLB_4K, IOTLB_2M, IOTLB_1G, IOTLB_NR_SIZES };

#define IOTLB_CONTEXTS BIT(10) /* 0 is none's */
#define IOTLB_PTR_MASK FIELD(47, 12)
#define IOTLB_PERMS    FIELD(1, 0)

struct iotlb_set {
	uint64_t tag[IOTLB_WAYS];
	uint64_t val[IOTLB_WAYS];
} __attribute__((aligned(64)));

/* One address space in the cache. */
struct iotlb_context {
	/* The size to look for first, that of the last hit or fill: how far to shift, and its
	 * name[]. */
	uint32_t recent_shift, recent_name;
	/* Keeps the same pages of two address spaces from one set. */
	uint64_t seed;
	uint32_t id; /* its name; 0: none */
	uint32_t present;
	uint32_t name[IOTLB_NR_SIZES]; /* bits 11:0 of the tags of each size */
	uint32_t count[IOTLB_NR_SIZES];
};

struct iotlb {
	struct iotlb_set *sets;
	struct iotlb_context **owners; /* by name; NULL: nobody's, so its lines are free */
	uint32_t next;		       /* name to be given */
	uint32_t victim;	       /* the way that the next fill of a full set replaces */
	uint64_t *notes;	       /* of each way of each set; NULL: nobody wants any. Atomic */
};

int iotlb_init(struct iotlb *t); /* -ENOMEM */
void iotlb_fini(struct iotlb *t);
/* @seed: another for each address space of a cache; 0 for the commonest. */
void iotlb_context_init(struct iotlb_context *c, uint32_t seed);

static inline unsigned int iotlb_shift(enum iotlb_size size)
{
	return PAGE_SHIFT + 9 * (unsigned int)size;
}

/* Of a page of 2^@lg2 bytes: 12, 21 or 30. */
static inline enum iotlb_size iotlb_size_of(unsigned int lg2)
{
	return (enum iotlb_size)((lg2 - PAGE_SHIFT) / 9);
}

static inline struct iotlb_set *iotlb_set(const struct iotlb *t, const struct iotlb_context *c,
					  uint64_t page)
{
	/* Fibonacci hashing: neighbours land far apart and evenly. */
	return &t->sets[(page ^ c->seed) * 0x9e3779b97f4a7c15ull >>
			(64 - __builtin_ctz(IOTLB_SETS))];
}

static inline uint64_t iotlb_tag(const struct iotlb_context *c, uint64_t page, enum iotlb_size size)
{
	return page << iotlb_shift(size) | c->name[size];
}

/* The way of @set that has @tag, or any other way. Without branches: which way hits is not
 * predictable. */
static inline unsigned int iotlb_way(const struct iotlb_set *set, uint64_t tag)
{
	unsigned int one = set->tag[1] == tag, two = set->tag[2] == tag, three = set->tag[3] == tag;

	return (one | three) | (two | three) << 1;
}

/* The val of the entry for @iova of one size; 0 where there is none. */
static inline uint64_t iotlb_probe(const struct iotlb *t, const struct iotlb_context *c,
				   uint64_t iova, unsigned int shift, uint32_t name)
{
	uint64_t page = iova >> shift, tag = page << shift | name;
	const struct iotlb_set *set = iotlb_set(t, c, page);
	unsigned int way = iotlb_way(set, tag);

	return likely(set->tag[way] == tag) ? set->val[way] : 0;
}

static inline void iotlb_prefer(struct iotlb_context *c, enum iotlb_size size)
{
	c->recent_shift = iotlb_shift(size);
	c->recent_name = c->name[size];
}

/* The same of any size, which is put into *shift and looked for first next time. */
static inline uint64_t iotlb_find(const struct iotlb *t, struct iotlb_context *c, uint64_t iova,
				  unsigned int *shift)
{
	uint64_t val = 0;

	for (uint32_t sizes = c->present; sizes && !val; sizes &= sizes - 1) {
		enum iotlb_size size = (enum iotlb_size)__builtin_ctz(sizes);

		val = iotlb_probe(t, c, iova, iotlb_shift(size), c->name[size]);
		if (val)
			iotlb_prefer(c, size);
	}
	*shift = c->recent_shift;
	return val;
}

/*
 * Any thread, for those that look: the val of an entry for @iova of any size, which goes into
 * *shift; 0: none. What is read while the DMA thread changes it may be what was, or will be, there.
 */
uint64_t iotlb_peek(const struct iotlb *t, const struct iotlb_context *c, uint64_t iova,
		    unsigned int *shift);

/* Can this page be cached at all? @ptr must be page-aligned and below 2^48. */
static inline bool iotlb_can_hold(const void *ptr)
{
	return !((uintptr_t)ptr & ~IOTLB_PTR_MASK);
}

/* Remember the page of @size around @iova: it starts at @ptr, in @slot, and permits @perms (not 0).
 */
void iotlb_fill(struct iotlb *t, struct iotlb_context *c, uint64_t iova, enum iotlb_size size,
		const void *ptr, uint16_t slot, unsigned int perms);

/* Notes are kept from now on; of entries that were there before there are none. Any thread, once.
 * -ENOMEM. */
int iotlb_keep_notes(struct iotlb *t);
static inline bool iotlb_has_notes(const struct iotlb *t)
{
	return __atomic_load_n(&t->notes, __ATOMIC_ACQUIRE);
}

#define IOTLB_NO_NOTE UINT64_MAX
/* Notes are kept: @note, or NO_NOTE, of the page of @size around @iova, which was filled last. */
void iotlb_note(struct iotlb *t, const struct iotlb_context *c, uint64_t iova, enum iotlb_size size,
		uint64_t note);
static inline uint64_t *iotlb_note_at(const struct iotlb *t, const struct iotlb_set *set,
				      unsigned int way)
{
	return &t->notes[(size_t)(set - t->sets) * IOTLB_WAYS + way];
}

/* The next for one size, as iotlb_probe(). */
static inline uint64_t iotlb_probe_note(const struct iotlb *t, const struct iotlb_context *c,
					uint64_t iova, const char *ptr, unsigned int shift,
					uint32_t name)
{
	const uint64_t page = iova >> shift, tag = page << shift | name;
	const struct iotlb_set *set = iotlb_set(t, c, page);
	const unsigned int way = iotlb_way(set, tag);
	const uint64_t at = (set->val[way] & IOTLB_PTR_MASK) + (iova & MASK(shift));
	uint64_t note;

	if (unlikely(set->tag[way] != tag || at != (uint64_t)(uintptr_t)ptr))
		return IOTLB_NO_NOTE;
	note = *iotlb_note_at(t, set, way);
	return unlikely(note == IOTLB_NO_NOTE) ? note : note + (iova & MASK(shift));
}

/* Notes are kept: that of the entry that has @iova at @ptr, and how far into its page @iova is.
 * NO_NOTE: none. */
uint64_t iotlb_find_note(const struct iotlb *t, const struct iotlb_context *c, uint64_t iova,
			 const char *ptr);

/* Forget every entry of @c that meets [iova, last], and no other. */
void iotlb_forget(struct iotlb *t, struct iotlb_context *c, uint64_t iova, uint64_t last);
void iotlb_forget_context(struct iotlb *t, struct iotlb_context *c);
/* Of every context. */
void iotlb_forget_all(struct iotlb *t);

#endif

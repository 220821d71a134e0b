/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share. Everything here is called with space->lock held.
 */
#ifndef IOAS_SPACE_PRIVATE_H
#define IOAS_SPACE_PRIVATE_H

#include "base/lock.h"
#include "base/pool.h"
#include "base/range.h"
#include "space/space.h"

/*
 * One area; its IOVAs are the key of space->areas. Ten million of them are wanted: permissions live in
 * the low bits of the pointer to the pages object.
 */
struct area {
	uintptr_t ref; /* struct pages * | prot */
	uint64_t offset;
};
#define AREA_PROT (SPACE_READ | SPACE_WRITE)

static inline struct pages *area_pages(const struct area *a)
{
	return (struct pages *)(a->ref & ~(uintptr_t)AREA_PROT);
}

static inline int area_prot(const struct area *a)
{
	return (int)(a->ref & AREA_PROT);
}

/* The VA or file offset of an area's first byte. */
static inline uint64_t area_address(const struct area *a)
{
	return pages_start(area_pages(a)) + a->offset;
}

struct reserved {
	struct space_range range;
	const void *owner;
};

/* Sorted, disjoint and not adjacent. */
struct range_list {
	struct space_range *r;
	size_t n;
};

struct space {
	struct lock lock;
	struct memory *memory;
	const struct refuse_sink *sink;
	struct range_tree areas; /* struct area */
	struct pool area_pool;
	struct list mirrors; /* an area is pinned exactly while there is one */
	uint64_t alignment;  /* iova_alignment (3.1) */
	bool huge;
	struct reserved *reserved; /* in no order */
	size_t nr_reserved;
	struct range_list blocked; /* the union of the reserved ranges */
	struct range_list allowed; /* empty: everything */
	uint64_t bytes, maps, unmaps;
};

/* What one area is to be made of. */
struct piece {
	struct pages *pages;
	uint64_t offset, length;
};

/* areas.c. MAP.7 to MAP.18 for areas one behind the other, placed as one. */
struct placement {
	const struct piece *pieces;
	size_t n;
	uint64_t length; /* of all pieces */
	int prot;
	bool fixed;
	uint64_t iova; /* in when fixed, out otherwise */
};
int areas_add(struct space *s, struct placement *p);
/* -EADDRINUSE-worthy: is an area not aligned to @align? */
bool areas_misaligned(struct space *s, uint64_t align, struct range *which);

/* fill.c. [iova, last] of @a into every mirror; all or nothing. */
int fill_area(struct space *s, const struct area *a, uint64_t iova, uint64_t last);
/* Takes [iova, last], which consists of whole areas and holes, out of every mirror. Pins stay. */
void clear_mirrors(struct space *s, uint64_t iova, uint64_t last);

/* iova.c. MAP.8 to MAP.10; @addr: VA or file offset of the first byte. */
int iova_choose(struct space *s, uint64_t addr, uint64_t length, uint64_t *iova);

/* reserved.c. */
bool list_meets(const struct range_list *l, uint64_t start, uint64_t last);
int reserve(struct space *s, const struct space_range *r, size_t n, const void *owner, const char *rule);
void release(struct space *s, const void *owner);

/* mirror.c. */
static inline bool has_mirror(const struct space *s)
{
	return !list_empty(&s->mirrors);
}

#endif

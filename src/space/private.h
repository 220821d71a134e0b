/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share. Everything here is called with space->lock held.
 */
#ifndef IOAS_SPACE_PRIVATE_H
#define IOAS_SPACE_PRIVATE_H

#include "base/lock.h"
#include "base/pool.h"
#include "base/range.h"
#include "base/text.h"
#include "space/space.h"

/* What an area shows; its IOVAs are those of its range in space->areas. */
struct area {
	struct pages *pages;
	uint64_t offset; /* of its first byte in the pages object */
	int prot;
};

/*
 * How a range of space->areas remembers its area. Ten million are wanted, and nearly all show a
 * pages object from its beginning on: such a one is no more than the pointer to it, with the
 * permissions in the low bits. Others have AREA_FAR set and point to a struct far_area.
 */
#define AREA_PROT (SPACE_READ | SPACE_WRITE)
#define AREA_FAR  4
struct far_area {
	uintptr_t ref; /* as above */
	uint64_t offset;
};

static inline struct area area_of(const struct range *r)
{
	uintptr_t v = (uintptr_t)r->value;
	uint64_t offset = 0;

	if (v & AREA_FAR) {
		const struct far_area *far = (const struct far_area *)(v - AREA_FAR);

		v = far->ref;
		offset = far->offset;
	}
	return (struct area){(struct pages *)(v & ~(uintptr_t)AREA_PROT), offset,
			     (int)(v & AREA_PROT)};
}

static inline uint64_t range_bytes(const struct range *r)
{
	return r->last - r->start + 1;
}

/* The VA or file offset of an area's first byte. */
static inline uint64_t area_address(const struct area *a)
{
	return pages_start(a->pages) + a->offset;
}

struct reserved {
	struct space_range range;
	const void *owner;
	const char *what; /* for those that read: what it is reserved for */
};

/* Sorted, disjoint and not adjacent. */
struct range_list {
	struct space_range *r;
	size_t n;
};

struct space {
	struct lock lock;
	struct memory *memory;
	const struct sink *sink;
	struct range_tree areas; /* see struct area */
	struct pool far_areas;
	struct list mirrors; /* an area is pinned exactly while there is one */
	struct list accesses; /* struct space_access, by their numbers */
	uint64_t last_number;
	struct range_tree pinned; /* areas with pins of accesses: struct pinned_area */
	struct range_tree pins;	  /* the pins, by their first byte: struct pin */
	uint64_t alignment;  /* iova_alignment (3.1) */
	bool huge;
	struct reserved *reserved; /* in no order */
	size_t nr_reserved;
	struct range_list blocked; /* the union of the reserved ranges */
	struct range_list allowed; /* empty: everything */
	uint64_t bytes, maps, unmaps;
	struct late_area *late; /* late.c; NULL as a rule */
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
	bool give;     /* the references on the pages become the areas' */
	bool copy;     /* for those that look: of areas that are there */
	uint64_t iova; /* in when fixed, out otherwise */
	struct range_spot spot; /* of the first area in space->areas, once it is known */
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
struct reservation {
	const struct space_range *r;
	const char *const *what; /* of each; NULL: nothing is known */
	size_t n;
	const void *owner;
	const char *rule;
};
int reserve(struct space *s, const struct reservation *v);
void release(struct space *s, const void *owner);

/* explain.c. Dear: only when refuse_heard(). */
void explain_room(struct space *s, uint64_t iova, uint64_t length, struct text *t);
void explain_reserved(struct space *s, uint64_t start, uint64_t last, struct text *t);
void explain_area(const struct range *r, struct text *t);
void explain_neighbours(struct space *s, uint64_t iova, struct text *t);

/* access.c. An area that accesses have pinned, at its own place in space->pinned. */
struct pinned_area {
	uint64_t pins, locks; /* locks: those of accesses that are never asked */
	bool prevented;	      /* is being unmapped: no new pins */
};
/* The record of the area at @r; NULL: it has none. */
struct pinned_area *pinned_find(struct space *s, const struct range *r);
/* The area is unmapped; nothing in it is pinned. */
void pinned_forget(struct space *s, const struct range *r);
/* Leaves space->lock meanwhile. */
void access_notify(struct space *s, uint64_t iova, uint64_t length);
void access_init(struct space *s);
void access_fini(struct space *s);

/* fill.c: the alignment that mirrors, accesses and the option HUGE_PAGES demand (3.1). */
uint64_t space_alignment(const struct space *s);

/* late.c. Makes true what was put off; before any change, and before anybody looks at the tables.
 */
void late_finish(struct space *s) __attribute__((cold));
/* Puts off the end of an area that mirrors show. False: no memory. */
bool late_keep(struct space *s, const struct range *r);

/* mirror.c. */
static inline bool has_mirror(const struct space *s)
{
	return !list_empty(&s->mirrors);
}

#endif

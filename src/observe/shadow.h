/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shadow: what is mapped for DMA, byte-exact, and what was until lately.
 *
 * A record for each mapping (struct shadow_map), found by space and IOVA, and by process and VA;
 * what was used of it; and a ring of the last mappings that went. Records take 88 bytes: ten
 * million of them are wanted.
 *
 * Threads. shadow->lock (LOCK_OBSERVE) guards everything. Without it a requester, within its
 * section, may look up records of a space that it translates by (shadow_find()) and change what it
 * used of them. Such a record stays: whoever takes a mapping out calls shadow_remove() before the
 * page tables change, and shadow_free() when no DMA uses the mapping any more, which is when every
 * section that could have found the record is over, or has begun to translate anew.
 *
 * Spaces are never freed, only used again, so that a reader may look at any.
 */
#ifndef IOAS_OBSERVE_SHADOW_H
#define IOAS_OBSERVE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/pool.h"
#include "base/range.h"
#include "observe/finding.h"

struct memory_mm;
struct pages;
struct space;

/* Where the bytes of a mapping come from. */
enum shadow_source {
	SOURCE_MEMORY, /* of a process, of which kind is not known: nothing was pinned yet */
	SOURCE_ANONYMOUS,
	SOURCE_SHARED, /* a file, or shared memory, by its VA */
	SOURCE_FILE,   /* by MAP_FILE: va is the offset in it */
	SOURCE_DEVICE,
	SOURCE_DMABUF,
};

enum {
	SHADOW_COPY = BIT(0),	    /* by a copy, on purpose shows what another shows */
	SHADOW_ALIAS = BIT(1),	    /* another writable one of the space shows some of the bytes */
	SHADOW_ALIAS_TOLD = BIT(2), /* reported */
	SHADOW_FREED = BIT(3),	    /* its memory was freed, reported */
	SHADOW_DECLARED = BIT(4),   /* only what space->meant holds may be touched */
	SHADOW_WAY_TOLD = BIT(5),   /* used in the wrong direction, reported */
	SHADOW_NO_VADDR = BIT(6),   /* the program gave its VA up, on purpose */
};

/*
 * First and last byte that was touched, in units of 1 << shift bytes from the mapping's beginning:
 * first << 32 | last. Empty: first > last.
 */
#define EXTENT_EMPTY 0xffffffff00000000ull

/* What a DMA touches stands first. */
struct shadow_map {
	uint64_t iova, last;	       /* last: atomic, a cut moves it */
	uint64_t read, wrote;	       /* extents; atomic */
	uint64_t used;		       /* the last use: used_by(); atomic */
	uint32_t uses;		       /* atomic; of several devices at once some may be lost */
	uint8_t flags;		       /* SHADOW_; atomic */
	uint8_t memory;		       /* which of shadow.memories; 0: not by VA */
	uint8_t shift : 6, prot : 2;   /* sections read them: never changed once it is in a tree */
	uint8_t : 0;		       /* a memory location of its own (C11, 3.14) */
	uint8_t source : 3, level : 3; /* level: in shadow_memory; SHADOW_LEVELS: none */
	uint64_t va;		       /* or file offset, of the first byte */
	uint64_t made;		       /* nanoseconds */
	struct shadow_map *same, *same_prev; /* others of exactly these bytes of the same process */
	uint32_t space;			     /* shadow_space.number */
	stack_id mapped_at;
};

struct shadow_space {
	struct space *space; /* NULL: not in use; atomic */
	const void *context;
	uint32_t id;	 /* of the IOAS; 0 of a container's */
	uint32_t number; /* never twice */
	bool container;
	bool closing;		 /* its context was closed */
	bool nested;		 /* a guest's tables lie over it: no advice is given. Atomic */
	uint64_t changes;	 /* counts removals and cuts; atomic */
	struct range_tree maps;	 /* struct shadow_map */
	struct range_tree meant; /* declared bytes; ranges that do not touch */
	uint64_t gone_first, gone_last; /* what went lay within; first > last: nothing went */
	struct shadow_map *dying;	/* removed, not freed; chained by same */
	uint32_t nr_dying;
	struct shadow_space *next; /* of the bucket; atomic */
	struct list link;	   /* all, or those not in use */
};

/* One process's memory by address: ranges that overlap lie on different levels. */
#define SHADOW_LEVELS 7
struct shadow_memory {
	const struct memory_mm *mm;		/* NULL: this process's */
	struct range_tree level[SHADOW_LEVELS]; /* struct shadow_map, and those that are the same */
};

/* A mapping that went. */
struct shadow_gone {
	struct shadow_map map;
	uint64_t when;
	uint32_t ioas;
	stack_id unmapped_at;
};

#define SHADOW_BUCKETS	256
#define SHADOW_MEMORIES 256
#define SHADOW_HISTORY	32768

struct shadow {
	struct lock lock;
	struct shadow_space *buckets[SHADOW_BUCKETS]; /* by space; read without the lock */
	struct list spaces, free_spaces;
	uint32_t next_number;
	struct shadow_memory *memories[SHADOW_MEMORIES]; /* from 1 on; NULL: and none behind it */
	struct pool maps;
	uint64_t smallest;	  /* bytes of the smallest mapping that there ever was; atomic */
	struct shadow_gone *gone; /* ring; NULL: nothing went yet */
	uint64_t nr_gone;	  /* ever; atomic */
	bool lost;		  /* memory ran out: something is missing */
};

void shadow_init(struct shadow *s);
void shadow_destroy(struct shadow *s);

/* Without the lock. -ENOMEM. */
int shadow_add_space(struct shadow *s, const struct shadow_space *like);
/* Its mappings are gone. */
void shadow_drop_space(struct shadow *s, struct shadow_space *sp);
/* The shadow of @space: with the lock; or without, for a space that stays meanwhile. NULL: none. */
struct shadow_space *shadow_space_find(struct shadow *s, const struct space *space);
struct shadow_space *shadow_space_of(struct shadow *s, const struct space *space);

/* ---- with the lock ---- */

/*
 * A mapping like *@like, of @pages. False: memory ran out (shadow->lost). SHADOW_ALIAS is set where
 * it is due.
 */
bool shadow_insert(struct shadow *s, struct shadow_space *sp, const struct shadow_map *like,
		   const struct pages *pages);
/* Out of the trees and into the ring of those that went. shadow_free() follows. */
void shadow_remove(struct shadow *s, struct shadow_space *sp, struct shadow_map *m, uint64_t when,
		   stack_id stack);
void shadow_free(struct shadow *s, struct shadow_space *sp);
void shadow_cut(struct shadow *s, struct shadow_space *sp, uint64_t iova);
/* @m is known by another VA from now on, or (@valid false) by none that matters. */
void shadow_move(struct shadow *s, struct shadow_map *m, uint64_t va, bool valid);
/* Declares [iova, last], or takes that back, in every mapping that it meets. */
void shadow_declare(struct shadow *s, struct shadow_space *sp, uint64_t iova, uint64_t last,
		    bool meant);

/* The mapping at, or next above, @iova. */
struct shadow_map *shadow_next(struct shadow_space *sp, uint64_t iova);
/* The nearest on either side, by distance; NULL: there is none. */
struct shadow_map *shadow_nearest(struct shadow_space *sp, uint64_t iova);
/* The last one that held @iova of @sp and went. */
const struct shadow_gone *shadow_history(const struct shadow *s, const struct shadow_space *sp,
					 uint64_t iova);
/* The how manieth it was to go, from 0 on. */
uint64_t shadow_gone_number(const struct shadow *s, const struct shadow_gone *g);
/* Calls @cb for each mapping of bytes of [va, last] until it says false. @mm NULL: this process. */
void shadow_each_at(struct shadow *s, const struct memory_mm *mm, uint64_t va, uint64_t last,
		    bool (*cb)(void *arg, struct shadow_map *m), void *arg);
bool shadow_aliases(const struct shadow_map *a, const struct shadow_map *b);
/* Whose memory it is, by VA; false: it is not. */
bool shadow_mm(struct shadow *s, const struct shadow_map *m, const struct memory_mm **mm);
struct shadow_space *shadow_space_number(struct shadow *s, uint32_t number);
/* The one with the lowest number above @number; NULL: there is none. */
struct shadow_space *shadow_space_above(struct shadow *s, uint32_t number);
/* The first byte of [iova, last] that is not declared; true: there is one, *bad_last its run's end.
 */
bool shadow_undeclared(struct shadow_space *sp, uint64_t iova, uint64_t last, uint64_t *bad,
		       uint64_t *bad_last);

/* ---- without, within a section (see above) ---- */

/* So many mappings have gone by now; any thread. */
static inline uint64_t shadow_nr_gone(const struct shadow *s)
{
	return __atomic_load_n(&s->nr_gone, __ATOMIC_RELAXED);
}

/* NULL: nothing at @iova, or not any more. */
struct shadow_map *shadow_find(const struct shadow_space *sp, uint64_t iova);
/* [iova, last] within @m was read or (@write) written. */
void shadow_touch(struct shadow_map *m, uint64_t iova, uint64_t last, bool write);

/* As a requester ID: software, by an access object. */
#define USED_BY_PROGRAM UINT32_MAX
/* Who used a mapping, and the program's last store to its registers before that. */
static inline uint64_t used_by(uint32_t rid, stack_id store)
{
	return (uint64_t)store << 32 | rid;
}

static inline uint64_t shadow_last(const struct shadow_map *m)
{
	return __atomic_load_n(&m->last, __ATOMIC_RELAXED);
}

static inline uint8_t shadow_flags(const struct shadow_map *m)
{
	return __atomic_load_n(&m->flags, __ATOMIC_RELAXED);
}

/* With the lock. */
static inline void shadow_flag(struct shadow_map *m, uint8_t flag)
{
	__atomic_store_n(&m->flags, m->flags | flag, __ATOMIC_RELAXED);
}

/* Bytes of an extent, whole units, as offsets in the mapping. False: empty. */
static inline bool shadow_extent(const struct shadow_map *m, uint64_t extent, uint64_t *first,
				 uint64_t *last)
{
	*first = (extent >> 32) << m->shift;
	*last = ((extent & 0xffffffff) << m->shift) + MASK(m->shift);
	return extent >> 32 <= (extent & 0xffffffff);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ordered set of disjoint ranges [start, last] of 64-bit numbers, each with a value.
 *
 * A B+tree whose nodes are six cache lines each, leaves linked in order. The leaf used last is
 * remembered with the interval of starts that belongs to it, so that work near the last position
 * takes no descent.
 *
 * Threads: the caller serialises everything except range_lookup(), which may run at any time beside
 * one writer, without locks. Node memory is never given back before range_destroy() and never
 * changes its type, and every node carries a version (odd while it is being changed) that
 * range_lookup() checks behind each step.
 *
 * All or nothing: a call that fails changes nothing. Only range_insert() allocates.
 */
#ifndef IOAS_BASE_RANGE_H
#define IOAS_BASE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start, last; /* both belong to the range; start <= last */
	void *value;	      /* the caller's; never looked at */
};

/* Where nodes come from. NULL members mean the C library. Blocks are 64-byte aligned and freed by
 * range_destroy() only. */
struct range_allocator {
	void *(*alloc)(void *arg, size_t size, size_t align);
	void (*free)(void *arg, void *block, size_t size);
	void *arg;
};

struct range_node;
struct range_block;

/* No gap of 2^order or more, cut off below @from, lies wholly below @floor. */
struct range_memo {
	uint64_t from, floor;
	unsigned int order;
};
#define RANGE_MEMOS 8

/* Opaque: the fields belong to range.c. */
struct range_tree {
	struct range_node *root; /* NULL until the first insertion; read by range_lookup() */
	unsigned int height;	 /* inner levels above the leaves */
	size_t count;
	/* The leaf used last holds exactly the ranges whose start lies in [hint_low, hint_high]. */
	struct range_node *hint;
	uint64_t hint_low, hint_high;
	uint64_t newest; /* start of the range that was inserted last */
	/* What earlier searches for gaps found; gap_dirty is the lowest number freed since. */
	struct range_memo memo[RANGE_MEMOS];
	unsigned int next_memo;
	uint64_t gap_dirty;
	struct range_node *free_nodes; /* used before */
	unsigned int nr_free;
	char *fresh, *fresh_end; /* never used: the rest of the newest block */
	struct range_block *blocks;
	size_t footprint;
	struct range_allocator allocator;
};

/* @allocator may be NULL and is copied. Never fails: nothing is allocated before the first
 * insertion. */
void range_init(struct range_tree *t, const struct range_allocator *allocator);
/* Frees every node; values are the caller's business. No reader may be left. */
void range_destroy(struct range_tree *t);

static inline size_t range_count(const struct range_tree *t)
{
	return t->count;
}

/* Is work at @point near the last position? If not, it waits for memory in a large set. */
static inline bool range_is_near(const struct range_tree *t, uint64_t point)
{
	return t->hint && point >= t->hint_low && point <= t->hint_high;
}

/* Bytes of node memory held. */
size_t range_footprint(const struct range_tree *t);

/* -EINVAL when start > last, -EEXIST when any number is taken, -ENOMEM. */
int range_insert(struct range_tree *t, uint64_t start, uint64_t last, void *value);

/*
 * The same in two steps: finds where the range is to stand, and inserts it, or another one that has
 * the same start and is no longer, there. Nothing may change in between. A spot that was not found
 * ({0}) makes range_insert_at() a range_insert().
 */
struct range_spot {
	struct range_node *leaf;
	unsigned int pos;
};
int range_find_spot(struct range_tree *t, uint64_t start, uint64_t last, struct range_spot *spot);
int range_insert_at(struct range_tree *t, struct range_spot spot, uint64_t start, uint64_t last,
		    void *value);

/* Removes the range that begins at @start and returns what it was in *old (may be NULL). -ENOENT.
 */
int range_erase(struct range_tree *t, uint64_t start, struct range *old);

/*
 * Gives the range that begins at @start another last number and value. -ENOENT; -EINVAL when start
 * > last; -EEXIST when it would meet the next range. Never allocates, so a range is cut in two by
 * shrinking it, inserting the rest, and growing it again should that fail.
 */
int range_update(struct range_tree *t, uint64_t start, uint64_t last, void *value);

/* The range that holds @point. */
bool range_find(struct range_tree *t, uint64_t point, struct range *out);

/* The lowest range that meets [start, last]. */
bool range_first_overlap(struct range_tree *t, uint64_t start, uint64_t last, struct range *out);

/*
 * The next higher (lower) range than *r, into *r. Only r->start and r->last are looked at, so that
 * *r may have been erased since, or never have been in the set. False, and *r untouched, when there
 * is none.
 */
bool range_next(struct range_tree *t, struct range *r);
bool range_prev(struct range_tree *t, struct range *r);

/* The lowest and the highest range. False when the set is empty. */
bool range_first(struct range_tree *t, struct range *out);
bool range_last(struct range_tree *t, struct range *out);

/*
 * for (bool more = range_first_overlap(t, a, b, &r); more; more = range_next_overlap(t, b, &r)):
 * every range that meets [a, b], ascending; the current one may be erased.
 */
static inline bool range_next_overlap(struct range_tree *t, uint64_t last, struct range *r)
{
	return range_next(t, r) && r->start <= last;
}

/*
 * The range that holds @point, without locks, beside a writer. True: *out was in the set at some
 * moment during the call. False: at some moment no range held @point.
 */
bool range_lookup(const struct range_tree *t, uint64_t point, struct range *out);

/*
 * The lowest gap (a maximal run of numbers in no range) that meets [from, last], clipped to it,
 * into *start and *end (both inclusive). False when there is none. The next one: call again with
 * from = *end + 1.
 */
bool range_gap(struct range_tree *t, uint64_t from, uint64_t last, uint64_t *start, uint64_t *end);

/*
 * First fit: the lowest free @len numbers within [from, last] whose first is @offset modulo @align
 * (a power of two; offset < align). -ENOSPC; -EINVAL for len 0. Amortised: repeated calls skip what
 * earlier ones found full.
 */
struct range_fit {
	uint64_t from, last, len, align, offset;
};
int range_find_free(struct range_tree *t, const struct range_fit *fit, uint64_t *start);

/*
 * Walks everything and checks the invariants above. NULL, or what is broken. For tests and
 * debugging; takes time.
 */
const char *range_check(struct range_tree *t);

#endif

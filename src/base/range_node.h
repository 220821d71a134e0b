/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes of the range tree, shared by range.c (which changes them) and range_look.c (which does
 * not).
 *
 * Invariants (range_check() verifies them):
 * - a leaf holds 1..LEAF_MAX ranges (0 only as the root), ascending and disjoint; an inner
 * node 2..INNER_MAX children;
 * - the starts below child[i] lie in [key[i - 1], key[i]); a range may *end* beyond its leaf's
 * interval;
 * - unused starts and keys are U64MAX, so that a search need not look at the count;
 * - leaves are linked in order by next and prev.
 *
 * Every change is a chain of steps each of which leaves a valid tree: split one full child, merge
 * or even out two siblings, add or remove one level, change one leaf. A step makes the versions of
 * all nodes that it touches odd, an inner node's before those of its children, and even again when
 * done: range_lookup() therefore waits for one step at most. Stores release and loads acquire,
 * which stands for the fences of a seqlock and costs nothing on x86.
 */
#ifndef IOAS_BASE_RANGE_NODE_H
#define IOAS_BASE_RANGE_NODE_H

#include "base/bits.h"
#include "base/range.h"

#define LINE	   64
#define LEAF_MAX   15
#define LEAF_MIN   5
#define INNER_MAX  24
#define INNER_MIN  8
#define MAX_HEIGHT 24 /* INNER_MIN to that power is beyond 2^64 */

/* head: version in bits 63:16 (odd while changing), level in 15:8 (0: leaf), ranges or children in
 * 7:0. */
#define HEAD_VERSION 0x10000ull

struct range_node {
	uint64_t head;
	union {
		struct {
			uint64_t start[LEAF_MAX];
			uint64_t last[LEAF_MAX];
			struct range_node *prev;
			void *value[LEAF_MAX];
			struct range_node *next;
		};
		struct {
			uint64_t key[INNER_MAX - 1];
			struct range_node *child[INNER_MAX];
		};
	};
} __attribute__((aligned(LINE)));

_Static_assert(sizeof(struct range_node) == 6 * LINE, "a node is six cache lines");

#define get(p)	  __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define set(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static inline unsigned int head_count(uint64_t head)
{
	return head & 0xff;
}

static inline unsigned int head_level(uint64_t head)
{
	return (head >> 8) & 0xff;
}

static inline unsigned int node_count(const struct range_node *n)
{
	return head_count(n->head);
}

/* How many of 15 ascending numbers are <= x, without a branch. */
static inline unsigned int search15(const uint64_t *a, uint64_t x)
{
	unsigned int i = (get(&a[7]) <= x) * 8u;

	i += (get(&a[i + 3]) <= x) * 4u;
	i += (get(&a[i + 1]) <= x) * 2u;
	return i + (get(&a[i]) <= x);
}

/* How many ranges of a leaf begin at or below x. */
static inline unsigned int leaf_search(const struct range_node *n, uint64_t head, uint64_t x)
{
	unsigned int i = search15(n->start, x);

	return i < head_count(head) ? i : head_count(head);
}

/* Which child of an inner node x belongs to. */
static inline unsigned int inner_search(const struct range_node *n, uint64_t head, uint64_t x)
{
	unsigned int low = (get(&n->key[7]) <= x) * 8u;
	unsigned int i = low + search15(n->key + low, x);

	return i < head_count(head) ? i : head_count(head) - 1;
}

static inline void leaf_get(const struct range_node *n, unsigned int i, struct range *r)
{
	*r = (struct range){n->start[i], n->last[i], n->value[i]};
}

/* The leaf that @x belongs to, and its interval, into the hint. NULL before the first insertion. */
struct range_node *range_locate(struct range_tree *t, uint64_t x);

#endif

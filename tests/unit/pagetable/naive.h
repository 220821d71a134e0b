/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the page-table tests compare with: entries encoded and tables walked as the specifications
 * say, in the plainest way, sharing nothing with src/pagetable but struct pt's face; and a map that
 * is an array of pages.
 */
#ifndef IOAS_TESTS_PAGETABLE_NAIVE_H
#define IOAS_TESTS_PAGETABLE_NAIVE_H

#include "pagetable/pt.h"

/* One geometry of one format: a row of every suite. */
struct geometry {
	const char *name;
	const struct pt_ops *ops;
	unsigned int levels;
	uint64_t page_sizes; /* 0: all */
	unsigned int flags;
};

extern const struct geometry geometries[];
extern const size_t nr_geometries;

uint64_t next_random(uint64_t *state);

/* Of the smallest page. */
unsigned int naive_page_lg2(const struct geometry *g);

struct naive_leaf {
	bool present;
	uint64_t pa; /* of the IOVA */
	unsigned int lg2;
	int prot;
	bool accessed, dirty;
};

/* The entry of a leaf of 2^lg2 bytes. */
uint64_t naive_encode(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot);

/* Walks the tables in memory from the root's PA, as hardware would. */
struct naive_leaf naive_walk(const struct geometry *g, const struct pt_mem *m, uint64_t root_pa,
			     uint64_t iova);

/* The size of the leaf that a map of [iova, iova + len) to pa should begin with, in an empty table.
 */
unsigned int naive_choose(const struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len);

/* A table of @g in fresh table memory at some PA; asserts success. */
struct fixture {
	struct pt_mem *mem;
	struct pt *pt;
	struct pt_config cfg;
};
void fixture_open(struct fixture *fx, const struct geometry *g);
/* Asserts that every table comes back. */
void fixture_close(struct fixture *fx);

/* A hash of every entry that pt_dump() reports: equal when nothing changed. */
uint64_t fixture_hash(const struct pt *pt);

#endif

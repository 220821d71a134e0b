/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the page-table tests compare with: entries encoded, decoded and tables laid out as the
 * specifications say, in the plainest way, sharing nothing with src/pagetable but struct pt's face.
 *
 * Each format is a struct naive_format (naive_*.c), written from its specification; each geometry
 * of it that is tested is a row of geometries[]. From a list of leaves (iova, pa, size, prot) a
 * format's tables follow entirely but for where they stand; naive_compare() lays them out and
 * compares every bit with those in memory.
 */
#ifndef IOAS_TESTS_PAGETABLE_NAIVE_H
#define IOAS_TESTS_PAGETABLE_NAIVE_H

#include "pagetable/pt.h"

struct geometry;

enum naive_kind { NAIVE_EMPTY, NAIVE_TABLE, NAIVE_LEAF, NAIVE_INVALID };

/* What an entry says. */
struct naive_entry {
	enum naive_kind kind;
	uint64_t pa;	  /* of the next table, or of the leaf's first byte */
	unsigned int lg2; /* of a leaf */
	int prot;
	bool accessed, dirty;
};

/* What hardware must refuse: bits of an entry, flipped and cleared, of tables (PT_IN_TABLE) or
 * leaves, at this level and above, and why then. */
struct naive_bad {
	uint64_t flip, clear;
	uint8_t in; /* PT_IN_*; 0 ends a list */
	uint8_t level;
	uint8_t fault; /* enum pt_fault */
};

/* Levels count from 0, that of the smallest leaves. Entries are 64 bits in the CPU's byte order. */
struct naive_format {
	bool big_endian; /* in memory */
	bool dirty;	 /* has accessed and dirty flags */
	bool run_steps;	 /* entries of a larger leaf each hold their own address, in place */
	/* log2 of the bytes that an entry covers, and of a table's entries; NULL: 12 + 9 * level,
	 * 9 */
	unsigned int (*shift)(const struct geometry *g, unsigned int level);
	unsigned int (*index_bits)(const struct geometry *g, unsigned int level);
	/* What becomes of PT_READ and PT_WRITE in a leaf; -1: it cannot be said. NULL: nothing. */
	int (*prot)(int prot);
	/* Of an entry that is not used; NULL: 0. */
	uint64_t (*empty)(const struct geometry *g, unsigned int level);
	uint64_t (*table)(const struct geometry *g, uint64_t pa, unsigned int level);
	uint64_t (*leaf)(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot,
			 unsigned int level);
	/* Puts attributes (PT_NOEXEC and on) into a leaf that has none; false: they cannot be said.
	 * NULL: there are none, and they are ignored. */
	bool (*attributes)(const struct geometry *g, uint64_t *e, int prot);
	/* Checks reserved bits too: NAIVE_INVALID. */
	struct naive_entry (*decode)(const struct geometry *g, uint64_t e, unsigned int level);
	uint64_t flags; /* the accessed and dirty bits of an entry */
	const struct naive_bad *bad;
};

/* One geometry of one format: a row of every suite. */
struct geometry {
	const char *name;
	const struct pt_ops *ops;
	const struct naive_format *naive;
	unsigned int levels;
	uint64_t page_sizes; /* 0: all */
	unsigned int flags;
	unsigned int ias, oas; /* 0: all */
};

extern const struct geometry geometries[];
extern const size_t nr_geometries;

extern const struct naive_format naive_amdv1, naive_mock, naive_vtd_ss, naive_x86, naive_s390,
	naive_power;
extern const struct naive_format naive_arm64_s1, naive_arm64_s2, naive_riscv;

uint64_t next_random(uint64_t *state);

/* log2 of what an entry of this level covers, and of how many there are in a table. */
unsigned int naive_shift(const struct geometry *g, unsigned int level);
unsigned int naive_index_bits(const struct geometry *g, unsigned int level);
/* Of the smallest page. */
unsigned int naive_page_lg2(const struct geometry *g);
/* The level whose tables hold leaves of this size. */
unsigned int naive_level(const struct geometry *g, unsigned int lg2);
int naive_prot(const struct geometry *g, int prot);
/* Are input addresses sign-extended? */
bool naive_is_signed(const struct geometry *g);

/* Tables of 512 entries at every level, pages of 4 KiB at most, dirty flags, no signs: what the
 * suites of cases by hand can do with. */
bool naive_is_plain(const struct geometry *g);
#define for_each_plain(i)                                                                          \
	for (size_t i = 0; i < nr_geometries; i++)                                                 \
		if (naive_is_plain(&geometries[i]))

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

/* One leaf; lists of them are sorted by IOVA. */
struct naive_map {
	uint64_t iova, pa;
	unsigned int lg2;
	int prot;
	bool accessed, dirty;
};

/* The leaves of one mapping into out[], at most @max; returns how many. */
size_t naive_split(const struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot,
		   struct naive_map *out, size_t max);

/* A table of @g in fresh table memory at some PA; asserts success. */
struct fixture {
	const struct geometry *g;
	struct pt_mem *mem;
	struct pt *pt;
	struct pt_config cfg;
};
void fixture_open(struct fixture *fx, const struct geometry *g);
/* Asserts that every table comes back. */
void fixture_close(struct fixture *fx);

/*
 * Asserts that memory holds exactly these leaves: every entry of every table from the root on, bit
 * for bit. A table that holds nothing may be there where none is needed.
 */
void naive_compare(const struct fixture *fx, const struct naive_map *maps, size_t n);

/* Where an entry stands in memory; the level's table is @table_pa. */
uint64_t *naive_place(const struct geometry *g, const struct pt_mem *m, uint64_t table_pa,
		      uint64_t index);
uint64_t naive_load(const struct geometry *g, const uint64_t *place);
void naive_store(const struct geometry *g, uint64_t *place, uint64_t e);

/* A hash of every entry that pt_dump() reports: equal when nothing changed. */
uint64_t fixture_hash(const struct pt *pt);

#endif

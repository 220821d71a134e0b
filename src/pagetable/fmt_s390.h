/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * s390 zPCI I/O translation tables: dynamic address translation's (z/Architecture, SA22-7832,
 * chapter 3) as PCI functions use them, found through the I/O translation anchor. Big-endian; bit
 * masks here are of the value, whose bit 63 is the architecture's bit 0.
 *
 * Level 0 is the page table: 256 entries for 1 MiB. Above it the segment table and the third,
 * second and first region tables: 2048 entries each, in 16 KiB. 3, 4 or 5 levels, since an anchor
 * designates a region table. An entry that is not used has its invalid bit set: a zero is a valid
 * one. What is present can be read; the protection bit of any level forbids writing. There are
 * neither accessed nor dirty flags (they would be in storage keys, which I/O does not have here).
 *
 * A region entry says with TF and TL which quarters of the next table exist; tables made here are
 * whole.
 */
#ifndef IOAS_PAGETABLE_FMT_S390_H
#define IOAS_PAGETABLE_FMT_S390_H

#include "pagetable/walk.h"

/* Page-table entries. */
#define S390_PTE_ADDR	  FIELD(63, 12)
#define S390_PTE_RESERVED BIT(11)
#define S390_PTE_I	  BIT(10)
#define S390_P		  BIT(9) /* at every level */
/* Segment-table entries; with FC they are leaves of 1 MiB. */
#define S390_STE_TABLE FIELD(63, 11)
#define S390_STE_ADDR  FIELD(63, 20)
#define S390_STE_FC    BIT(10)
/* Segment- and region-table entries. */
#define S390_RTE_TABLE FIELD(63, 14)
#define S390_RTE_TF    FIELD(7, 6)
#define S390_I	       BIT(5)
#define S390_TT	       FIELD(3, 2)
#define S390_RTE_TL    FIELD(1, 0)

enum { S390_PAGE_LG2 = 12, S390_INDEX_LG2 = 11, S390_LEAF_INDEX_LG2 = 8 };

/* Page-table entries have another invalid bit than the others, in whose place those have FC. */
static inline bool s390_present(uint64_t e, unsigned int level)
{
	return !(e & (level ? S390_I : S390_PTE_I));
}

static inline bool s390_is_table(uint64_t e, unsigned int level)
{
	return level && s390_present(e, level) && !(level == 1 && e & S390_STE_FC);
}

/* TT is 0 in a segment-table entry, which alone points at a table of 2 KiB. */
static inline uint64_t s390_table_pa(uint64_t e)
{
	return e & (e & S390_TT ? S390_RTE_TABLE : S390_STE_TABLE);
}

static inline unsigned int s390_leaf_lg2(uint64_t e, unsigned int level)
{
	return S390_PAGE_LG2 + (level ? S390_LEAF_INDEX_LG2 : 0);
}

static inline uint64_t s390_leaf_pa(uint64_t e, unsigned int level)
{
	return e & (level ? S390_STE_ADDR : S390_PTE_ADDR);
}

static inline int s390_prot(uint64_t e)
{
	return e & S390_P ? PT_READ : PT_READ | PT_WRITE;
}

static inline bool s390_no_flag(uint64_t e)
{
	return false;
}

static inline uint64_t s390_mark(uint64_t e, bool dirty)
{
	return e;
}

static inline uint64_t s390_clean(uint64_t e)
{
	return e;
}

static inline uint64_t s390_empty(unsigned int level)
{
	return level ? S390_I : S390_PTE_I;
}

static inline bool s390_expressible(int prot)
{
	return true;
}

/* What a region table of @level, or a segment table, holds: its type, and that the next is whole.
 */
static inline uint64_t s390_make_table(uint64_t pa, unsigned int level)
{
	return pa | (level - 1) << 2 | (level > 1 ? S390_RTE_TL : 0);
}

static inline uint64_t s390_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	return pa | (level ? S390_STE_FC : 0) | (prot & PT_WRITE ? 0 : S390_P);
}

/* A type that is not the level's, a page-table entry's bit that must be 0, quarters that end before
 * they begin: translation-specification exceptions, here reserved. */
static inline struct pt_entry s390_decode(const struct pt_regime *r, uint64_t raw,
					  unsigned int level)
{
	struct pt_entry e = {.may = PT_MAY_ALL & ~(raw & S390_P ? PT_MAY_WRITE : 0)};

	if (!s390_present(raw, level)) {
		e.fault = PT_FAULT_ABSENT;
	} else if (!level) {
		e.kind = PT_STEP_LEAF;
		e.fault = raw & S390_PTE_RESERVED ? PT_FAULT_RESERVED : PT_FAULT_NONE;
	} else if (field_get(S390_TT, raw) != level - 1 ||
		   (level > 1 && field_get(S390_RTE_TF, raw) > field_get(S390_RTE_TL, raw))) {
		e.fault = PT_FAULT_RESERVED;
	} else {
		e.kind = s390_is_table(raw, level) ? PT_STEP_TABLE : PT_STEP_LEAF;
	}
	if (e.kind == PT_STEP_TABLE) {
		e.pa = s390_table_pa(raw);
	} else if (e.kind == PT_STEP_LEAF) {
		e.pa = s390_leaf_pa(raw, level);
		e.lg2 = (uint8_t)s390_leaf_lg2(raw, level);
	}
	return e;
}

/* TF and TL: the first and the last quarter of the next table that exist. */
static inline bool s390_reaches(uint64_t raw, unsigned int level, uint64_t iova)
{
	unsigned int next = S390_PAGE_LG2 + S390_LEAF_INDEX_LG2 + (level - 1) * S390_INDEX_LG2;
	uint64_t quarter = iova >> (next - 2) & 3;

	return level < 2 ||
	       (quarter >= field_get(S390_RTE_TF, raw) && quarter <= field_get(S390_RTE_TL, raw));
}

static const struct pt_field s390_fields[] = {
	{"I", S390_PTE_I, PT_IN_PAGE},
	{"I", S390_I, PT_IN_TABLE | PT_IN_BLOCK},
	{"P", S390_P, PT_IN_ALL},
	{"FC", S390_STE_FC, PT_IN_BLOCK},
	{"TT", S390_TT, PT_IN_TABLE | PT_IN_BLOCK},
	{"TF", S390_RTE_TF, PT_IN_TABLE},
	{"TL", S390_RTE_TL, PT_IN_TABLE},
	{"PFRA", S390_PTE_ADDR, PT_IN_PAGE},
	{"SFAA", S390_STE_ADDR, PT_IN_BLOCK},
	{"TO", S390_STE_TABLE, PT_IN_TABLE},
	{NULL, 0, 0},
};

static const struct pt_format s390_format = {
	.page_lg2 = S390_PAGE_LG2,
	.index_lg2 = S390_INDEX_LG2,
	.leaf_index_lg2 = S390_LEAF_INDEX_LG2,
	.max_levels = 5,
	.big_endian = true,
	.linear = true,
	.present_at = s390_present,
	.is_table = s390_is_table,
	.table_pa = s390_table_pa,
	.leaf_lg2 = s390_leaf_lg2,
	.leaf_pa = s390_leaf_pa,
	.prot = s390_prot,
	.accessed = s390_no_flag,
	.dirty = s390_no_flag,
	.mark = s390_mark,
	.clean = s390_clean,
	.empty = s390_empty,
	.expressible = s390_expressible,
	.make_table = s390_make_table,
	.make_leaf = s390_make_leaf,
	.decode = s390_decode,
	.reaches = s390_reaches,
};

#endif

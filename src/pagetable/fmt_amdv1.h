/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD I/O page tables, version 1 (48882 revision 3.08, section 2.2.3): 1 to 6 levels of 512
 * entries. What the specification calls level n is level n - 1 here.
 *
 * Next Level 1..6 makes an entry a directory, 0 a leaf of its level's own size. 7 makes it one of a
 * run: the leaf's size is 2^(n + 1) where n is the lowest clear bit of the address from bit 12 on,
 * and the entry is repeated for as long as the leaf lasts (table 14, "example page size
 * encodings").
 */
#ifndef IOAS_PAGETABLE_FMT_AMDV1_H
#define IOAS_PAGETABLE_FMT_AMDV1_H

#include "pagetable/walk.h"

#define AMDV1_PR   BIT(0)
#define AMDV1_A	   BIT(5)
#define AMDV1_D	   BIT(6)
#define AMDV1_NL   FIELD(11, 9)
#define AMDV1_ADDR FIELD(51, 12)
#define AMDV1_U	   BIT(59)
#define AMDV1_FC   BIT(60)
#define AMDV1_IR   BIT(61)
#define AMDV1_IW   BIT(62)

enum { AMDV1_NL_LEAF = 0, AMDV1_NL_RUN = 7 };
enum { AMDV1_PAGE_LG2 = 12, AMDV1_INDEX_LG2 = 9, AMDV1_PROT_SHIFT = 61 };

_Static_assert((uint64_t)PT_READ << AMDV1_PROT_SHIFT == AMDV1_IR &&
		       (uint64_t)PT_WRITE << AMDV1_PROT_SHIFT == AMDV1_IW,
	       "permissions are shifted into place");

static inline unsigned int amdv1_nl(uint64_t e)
{
	return (unsigned int)((e & AMDV1_NL) >> 9);
}

static inline bool amdv1_present(uint64_t e)
{
	return e & AMDV1_PR;
}

static inline bool amdv1_is_table(uint64_t e, unsigned int level)
{
	return level && amdv1_present(e) && (e & AMDV1_NL) - BIT(9) < (AMDV1_NL_RUN - 1) * BIT(9);
}

static inline uint64_t amdv1_table_pa(uint64_t e)
{
	return e & AMDV1_ADDR;
}

static inline unsigned int amdv1_leaf_lg2(uint64_t e, unsigned int level)
{
	if (amdv1_nl(e) == AMDV1_NL_LEAF)
		return AMDV1_PAGE_LG2 + level * AMDV1_INDEX_LG2;
	return lowest_bit(~e & AMDV1_ADDR) + 1;
}

static inline uint64_t amdv1_leaf_pa(uint64_t e, unsigned int level)
{
	return e & AMDV1_ADDR & ~MASK(amdv1_leaf_lg2(e, level));
}

static inline int amdv1_prot(uint64_t e)
{
	return (int)((e >> AMDV1_PROT_SHIFT) & (PT_READ | PT_WRITE));
}

static inline bool amdv1_accessed(uint64_t e)
{
	return e & AMDV1_A;
}

static inline bool amdv1_dirty(uint64_t e)
{
	return e & AMDV1_D;
}

static inline uint64_t amdv1_mark(uint64_t e, bool dirty)
{
	return e | AMDV1_A | (dirty ? AMDV1_D : 0);
}

static inline uint64_t amdv1_clean(uint64_t e)
{
	return e & ~AMDV1_D;
}

static inline bool amdv1_expressible(int prot)
{
	return true;
}

static inline uint64_t amdv1_make_table(uint64_t pa, unsigned int level)
{
	return pa | AMDV1_PR | (uint64_t)level << 9 | AMDV1_IR | AMDV1_IW;
}

static inline uint64_t amdv1_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	uint64_t e = pa | AMDV1_PR | (uint64_t)(prot & (PT_READ | PT_WRITE)) << AMDV1_PROT_SHIFT;

	if (lg2 == AMDV1_PAGE_LG2 + level * AMDV1_INDEX_LG2)
		return e;
	return e | (uint64_t)AMDV1_NL_RUN << 9 | (MASK(lg2 - 1) & AMDV1_ADDR);
}

static const struct pt_format amdv1_format = {
	.page_lg2 = AMDV1_PAGE_LG2,
	.index_lg2 = AMDV1_INDEX_LG2,
	.runs = true,
	.present = amdv1_present,
	.is_table = amdv1_is_table,
	.table_pa = amdv1_table_pa,
	.leaf_lg2 = amdv1_leaf_lg2,
	.leaf_pa = amdv1_leaf_pa,
	.prot = amdv1_prot,
	.accessed = amdv1_accessed,
	.dirty = amdv1_dirty,
	.mark = amdv1_mark,
	.clean = amdv1_clean,
	.expressible = amdv1_expressible,
	.make_table = amdv1_make_table,
	.make_leaf = amdv1_make_leaf,
};

#endif

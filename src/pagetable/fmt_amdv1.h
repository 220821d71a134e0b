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
/* 2.2.3: reserved in a directory entry, in a page entry. */
#define AMDV1_PDE_RESERVED FIELD(60, 52)
#define AMDV1_PTE_RESERVED FIELD(58, 52)

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

/* Directories may skip levels (Next Level is what it says); to the same or a higher one they must not.
 * The size of a leaf is that of its level's entries or below that of the next's. */
static inline struct pt_entry amdv1_decode(const struct pt_regime *r, uint64_t raw,
					   unsigned int level)
{
	struct pt_entry e = {.pa = raw & AMDV1_ADDR,
			     .may = (uint8_t)(amdv1_prot(raw) | (PT_MAY_ALL & ~3)),
			     .accessed = amdv1_accessed(raw),
			     .dirty = amdv1_dirty(raw)};
	unsigned int nl = amdv1_nl(raw);

	if (!amdv1_present(raw)) {
		e.fault = PT_FAULT_ABSENT;
	} else if (nl != AMDV1_NL_LEAF && nl != AMDV1_NL_RUN) {
		e.kind = PT_STEP_TABLE;
		e.next = (uint8_t)(nl - 1);
		e.fault = raw & AMDV1_PDE_RESERVED ? PT_FAULT_RESERVED : PT_FAULT_NONE;
	} else {
		e.kind = PT_STEP_LEAF;
		e.lg2 = (uint8_t)min_u64(amdv1_leaf_lg2(raw, level), 63);
		e.pa &= ~MASK(e.lg2);
		if (raw & AMDV1_PTE_RESERVED ||
		    (e.lg2 - AMDV1_PAGE_LG2) / AMDV1_INDEX_LG2 != (int)level)
			e.fault = PT_FAULT_RESERVED;
	}
	return e;
}

static const struct pt_field amdv1_fields[] = {
	{"PR", AMDV1_PR, PT_IN_ALL},
	{"A", AMDV1_A, PT_IN_ALL},
	{"D", AMDV1_D, PT_IN_LEAF},
	{"NextLevel", AMDV1_NL, PT_IN_ALL},
	{"U", AMDV1_U, PT_IN_LEAF},
	{"FC", AMDV1_FC, PT_IN_LEAF},
	{"IR", AMDV1_IR, PT_IN_ALL},
	{"IW", AMDV1_IW, PT_IN_ALL},
	{"ADDR", AMDV1_ADDR, PT_IN_ALL},
	{NULL, 0, 0},
};

static const struct pt_format amdv1_format = {
	.page_lg2 = AMDV1_PAGE_LG2,
	.index_lg2 = AMDV1_INDEX_LG2,
	.runs = true,
	.linear = true,
	.skips_levels = true,
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
	.decode = amdv1_decode,
};

#endif

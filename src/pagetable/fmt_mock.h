/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables of the make mock: AMD I/O page tables, version 1, with a smallest page of 2 KiB, as
 * Linux's iommufd test driver has them, to try what happens when the CPU's pages are not the
 * IOMMU's.
 *
 * An entry's address field holds the address in units of 2 KiB where AMD's holds it in units of
 * 4 KiB, hence an entry is what AMD's would be for twice the address and twice the size: up to
 * 5 levels, 56 bits in, 51 bits out.
 */
#ifndef IOAS_PAGETABLE_FMT_MOCK_H
#define IOAS_PAGETABLE_FMT_MOCK_H

#include "pagetable/fmt_amdv1.h"

enum { MOCK_PAGE_LG2 = AMDV1_PAGE_LG2 - 1 };

static inline uint64_t mock_table_pa(uint64_t e)
{
	return amdv1_table_pa(e) >> 1;
}

static inline unsigned int mock_leaf_lg2(uint64_t e, unsigned int level)
{
	return amdv1_leaf_lg2(e, level) - 1;
}

static inline uint64_t mock_leaf_pa(uint64_t e, unsigned int level)
{
	return amdv1_leaf_pa(e, level) >> 1;
}

static inline uint64_t mock_make_table(uint64_t pa, unsigned int level)
{
	return amdv1_make_table(pa << 1, level);
}

static inline uint64_t mock_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	return amdv1_make_leaf(pa << 1, level, lg2 + 1, prot);
}

static inline struct pt_entry mock_decode(const struct pt_regime *r, uint64_t raw,
					  unsigned int level)
{
	struct pt_entry e = amdv1_decode(r, raw, level);

	e.pa >>= 1;
	if (e.kind == PT_STEP_LEAF)
		e.lg2--;
	return e;
}

static const struct pt_format mock_format = {
	.page_lg2 = MOCK_PAGE_LG2,
	.index_lg2 = AMDV1_INDEX_LG2,
	.runs = true,
	.skips_levels = true,
	.present = amdv1_present,
	.is_table = amdv1_is_table,
	.table_pa = mock_table_pa,
	.leaf_lg2 = mock_leaf_lg2,
	.leaf_pa = mock_leaf_pa,
	.prot = amdv1_prot,
	.accessed = amdv1_accessed,
	.dirty = amdv1_dirty,
	.mark = amdv1_mark,
	.clean = amdv1_clean,
	.expressible = amdv1_expressible,
	.make_table = mock_make_table,
	.make_leaf = mock_make_leaf,
	.decode = mock_decode,
};

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel VT-d second-stage tables (D51397 revision 4.1, section 9.8): 3, 4 or 5 levels of 512
 * entries; 4 KiB, 2 MiB and 1 GiB leaves. An entry is present when it may be read or written.
 */
#ifndef IOAS_PAGETABLE_FMT_VTD_SS_H
#define IOAS_PAGETABLE_FMT_VTD_SS_H

#include "pagetable/walk.h"

#define VTD_SS_R    BIT(0)
#define VTD_SS_W    BIT(1)
#define VTD_SS_X    BIT(2)
#define VTD_SS_EMT  FIELD(5, 3)
#define VTD_SS_IPAT BIT(6)
#define VTD_SS_PS   BIT(7)
#define VTD_SS_A    BIT(8)
#define VTD_SS_D    BIT(9)
#define VTD_SS_SNP  BIT(11)
#define VTD_SS_ADDR FIELD(51, 12)

enum { VTD_SS_PAGE_LG2 = 12, VTD_SS_INDEX_LG2 = 9 };

_Static_assert(VTD_SS_R == PT_READ && VTD_SS_W == PT_WRITE, "permissions are copied as they are");

static inline bool vtd_ss_present(uint64_t e)
{
	return e & (VTD_SS_R | VTD_SS_W);
}

static inline bool vtd_ss_is_table(uint64_t e, unsigned int level)
{
	return level && vtd_ss_present(e) && !(e & VTD_SS_PS);
}

static inline uint64_t vtd_ss_table_pa(uint64_t e)
{
	return e & VTD_SS_ADDR;
}

static inline unsigned int vtd_ss_leaf_lg2(uint64_t e, unsigned int level)
{
	return VTD_SS_PAGE_LG2 + level * VTD_SS_INDEX_LG2;
}

static inline uint64_t vtd_ss_leaf_pa(uint64_t e, unsigned int level)
{
	return e & VTD_SS_ADDR;
}

static inline int vtd_ss_prot(uint64_t e)
{
	return e & (VTD_SS_R | VTD_SS_W);
}

static inline bool vtd_ss_accessed(uint64_t e)
{
	return e & VTD_SS_A;
}

static inline bool vtd_ss_dirty(uint64_t e)
{
	return e & VTD_SS_D;
}

static inline uint64_t vtd_ss_mark(uint64_t e, bool dirty)
{
	return e | VTD_SS_A | (dirty ? VTD_SS_D : 0);
}

static inline uint64_t vtd_ss_clean(uint64_t e)
{
	return e & ~VTD_SS_D;
}

/* Without either permission an entry is not present. */
static inline bool vtd_ss_expressible(int prot)
{
	return prot & (PT_READ | PT_WRITE);
}

static inline uint64_t vtd_ss_make_table(uint64_t pa, unsigned int level)
{
	return pa | VTD_SS_R | VTD_SS_W;
}

static inline uint64_t vtd_ss_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	return pa | (uint64_t)(prot & (PT_READ | PT_WRITE)) | (level ? VTD_SS_PS : 0);
}

static const struct pt_format vtd_ss_format = {
	.page_lg2 = VTD_SS_PAGE_LG2,
	.index_lg2 = VTD_SS_INDEX_LG2,
	.runs = false,
	.present = vtd_ss_present,
	.is_table = vtd_ss_is_table,
	.table_pa = vtd_ss_table_pa,
	.leaf_lg2 = vtd_ss_leaf_lg2,
	.leaf_pa = vtd_ss_leaf_pa,
	.prot = vtd_ss_prot,
	.accessed = vtd_ss_accessed,
	.dirty = vtd_ss_dirty,
	.mark = vtd_ss_mark,
	.clean = vtd_ss_clean,
	.expressible = vtd_ss_expressible,
	.make_table = vtd_ss_make_table,
	.make_leaf = vtd_ss_make_leaf,
};

#endif

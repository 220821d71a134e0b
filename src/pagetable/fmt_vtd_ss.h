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

/* 9.8: a leaf's unused address bits are reserved, and PS above the third level. */
static inline struct pt_entry vtd_ss_decode(const struct pt_regime *r, uint64_t raw,
					    unsigned int level)
{
	struct pt_entry e = {.pa = raw & VTD_SS_ADDR,
			     .may = (uint8_t)(vtd_ss_prot(raw) | (PT_MAY_ALL & ~3)),
			     .accessed = vtd_ss_accessed(raw),
			     .dirty = vtd_ss_dirty(raw)};

	if (!vtd_ss_present(raw)) {
		e.fault = PT_FAULT_ABSENT;
	} else if (vtd_ss_is_table(raw, level)) {
		e.kind = PT_STEP_TABLE;
	} else {
		e.kind = PT_STEP_LEAF;
		e.lg2 = (uint8_t)vtd_ss_leaf_lg2(raw, level);
		e.memory = (uint8_t)((raw & (VTD_SS_EMT | VTD_SS_IPAT)) >> 3);
		e.fault = e.pa & MASK(e.lg2) ? PT_FAULT_RESERVED : PT_FAULT_NONE;
	}
	return e;
}

static const struct pt_field vtd_ss_fields[] = {
	{"R", VTD_SS_R, PT_IN_ALL},
	{"W", VTD_SS_W, PT_IN_ALL},
	{"X", VTD_SS_X, PT_IN_ALL},
	{"EMT", VTD_SS_EMT, PT_IN_LEAF},
	{"IPAT", VTD_SS_IPAT, PT_IN_LEAF},
	{"PS", VTD_SS_PS, PT_IN_BLOCK},
	{"A", VTD_SS_A, PT_IN_ALL},
	{"D", VTD_SS_D, PT_IN_LEAF},
	{"SNP", VTD_SS_SNP, PT_IN_LEAF},
	{"ADDR", VTD_SS_ADDR, PT_IN_ALL},
	{NULL, 0, 0},
};

static const struct pt_format vtd_ss_format = {
	.page_lg2 = VTD_SS_PAGE_LG2,
	.index_lg2 = VTD_SS_INDEX_LG2,
	.max_levels = 5,
	.runs = false,
	.linear = true,
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
	.decode = vtd_ss_decode,
};

#endif

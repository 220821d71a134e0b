/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel VT-d first-stage tables (D51397 revision 4.1, section 9.7): x86-64's of 4 or 5 levels, with
 * sign-extended input. Hardware sets A and D itself, and EA where the PASID entry's EAFE asks for
 * it; XD is reserved without the PASID entry's NXE (a regime's PT_WALK_NX).
 */
#ifndef IOAS_PAGETABLE_FMT_VTD_FS_H
#define IOAS_PAGETABLE_FMT_VTD_FS_H

#include "pagetable/fmt_x86.h"

#define VTD_FS_EA BIT(10) /* extended accessed */

/* No entry is another PASID's as well: G is ignored. */
static inline struct pt_entry vtd_fs_decode(const struct pt_regime *r, uint64_t raw,
					    unsigned int level)
{
	struct pt_entry e = x86_decode(r, raw, level);

	e.global = false;
	return e;
}

static const struct pt_field vtd_fs_fields[] = {
	X86_FIELDS, {"EA", VTD_FS_EA, PT_IN_ALL}, {NULL, 0, 0}};

static const struct pt_format vtd_fs_format = {
	.page_lg2 = X86_PAGE_LG2,
	.index_lg2 = X86_INDEX_LG2,
	.max_levels = 5,
	.sign_extended = true,
	.linear = true,
	.present = x86_present,
	.is_table = x86_is_table,
	.table_pa = x86_table_pa,
	.leaf_lg2 = x86_leaf_lg2,
	.leaf_pa = x86_leaf_pa,
	.prot = x86_prot,
	.access = x86_access,
	.accessed = x86_accessed,
	.dirty = x86_dirty,
	.mark = x86_mark,
	.clean = x86_clean,
	.expressible = x86_expressible,
	.make_table = x86_make_table,
	.make_leaf = x86_make_leaf,
	.bits = x86_bits,
	.decode = vtd_fs_decode,
};

#endif

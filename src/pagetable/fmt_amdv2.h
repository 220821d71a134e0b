/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD guest page tables, "version 2" (48882 revision 3.08, section 2.2.6): x86-64's, found through
 * a GCR3 entry.
 *
 * Whether NX is looked at is the Extended Feature Register's NXSup (a regime's PT_WALK_NX), whether
 * U/S is USSup; A and D are always set by the IOMMU. A request without a PASID uses GCR3 entry 0
 * where GIoSup and a device's GIoV say so; its addresses are not sign-extended: all 48 or 57 bits
 * are decoded. Linux makes its tables for both kinds of request, hence of half the width and
 * PT_UNSIGNED.
 */
#ifndef IOAS_PAGETABLE_FMT_AMDV2_H
#define IOAS_PAGETABLE_FMT_AMDV2_H

#include "pagetable/fmt_x86.h"

static const struct pt_field amdv2_fields[] = {X86_FIELDS, {NULL, 0, 0}};

static const struct pt_format amdv2_format = {
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
	.decode = x86_decode,
};

#endif

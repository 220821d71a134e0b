/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for AMD guest page tables, version 2.
 */
#include "pagetable/fmt_amdv2.h"

#define FORMAT amdv2_format
#include "pagetable/walk_instance.h"

const struct pt_ops pt_amdv2 = {
	.name = "amdv2",
	.min_levels = 4,
	.max_levels = 5,
	.page_lg2 = X86_PAGE_LG2,
	.index_lg2 = X86_INDEX_LG2,
	.sign_extended = true,
	.max_ias = 57,
	.max_oas = 52,
	.page_sizes = BIT(12) | BIT(21) | BIT(30),
	.configure = x86_configure,
	.fields = amdv2_fields,
	.marked = x86_mark,
	WALK_INSTANCE(amdv2_format),
};

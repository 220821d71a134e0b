/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for the first stage of Intel VT-d.
 */
#include "pagetable/fmt_vtd_fs.h"

#define FORMAT vtd_fs_format
#include "pagetable/walk_instance.h"

const struct pt_ops pt_vtd_fs = {
	.name = "vtd-fs",
	.min_levels = 4,
	.max_levels = 5,
	.page_lg2 = X86_PAGE_LG2,
	.index_lg2 = X86_INDEX_LG2,
	.sign_extended = true,
	.max_ias = 57,
	.max_oas = 52,
	.page_sizes = BIT(12) | BIT(21) | BIT(30),
	.configure = x86_configure,
	.fields = vtd_fs_fields,
	.marked = x86_mark,
	WALK_INSTANCE(vtd_fs_format),
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for the second stage of Intel VT-d.
 */
#include "pagetable/fmt_vtd_ss.h"

#define FORMAT vtd_ss_format
#include "pagetable/walk_instance.h"

const struct pt_ops pt_vtd_ss = {
	.name = "vtd-ss",
	.min_levels = 3,
	.max_levels = 5,
	.page_lg2 = VTD_SS_PAGE_LG2,
	.index_lg2 = VTD_SS_INDEX_LG2,
	.max_ias = 57,
	.max_oas = 52,
	.page_sizes = BIT(12) | BIT(21) | BIT(30),
	.coherent_bits = VTD_SS_SNP,
	.fields = vtd_ss_fields,
	.marked = vtd_ss_mark,
	WALK_INSTANCE(vtd_ss_format),
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for AMD I/O page tables, version 1.
 */
#include "pagetable/fmt_amdv1.h"

#define FORMAT amdv1_format
#include "pagetable/walk_instance.h"

/* Every size up to 256 GiB. 512 GiB is left out, as Linux does: some parts get it wrong. */
#define AMDV1_SIZES FIELD(38, 12)

const struct pt_ops pt_amdv1 = {
	.name = "amdv1",
	.min_levels = 1,
	.max_levels = 6,
	.page_lg2 = AMDV1_PAGE_LG2,
	.index_lg2 = AMDV1_INDEX_LG2,
	.max_ias = 64,
	.max_oas = 52,
	.page_sizes = AMDV1_SIZES,
	.coherent_bits = AMDV1_FC,
	.fields = amdv1_fields,
	.marked = amdv1_mark,
	WALK_INSTANCE(amdv1_format),
};

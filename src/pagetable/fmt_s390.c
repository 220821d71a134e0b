/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for s390 zPCI I/O translation tables.
 */
#include "pagetable/fmt_s390.h"

#define FORMAT s390_format
#include "pagetable/walk_instance.h"

const struct pt_ops pt_s390 = {
	.name = "s390",
	.min_levels = 3,
	.max_levels = 5,
	.page_lg2 = S390_PAGE_LG2,
	.index_lg2 = S390_INDEX_LG2,
	.leaf_index_lg2 = S390_LEAF_INDEX_LG2,
	.big_endian = true,
	.no_dirty = true,
	.max_ias = 64,
	.max_oas = 64,
	.page_sizes = BIT(12) | BIT(20),
	.empty = s390_empty,
	.fields = s390_fields,
	.marked = s390_mark,
	WALK_INSTANCE(s390_format),
};

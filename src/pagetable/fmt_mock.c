/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for the make mock's page tables.
 */
#include "pagetable/fmt_mock.h"

#define FORMAT mock_format
#include "pagetable/walk_instance.h"

/* Every size up to that of the fourth level's runs; the topmost level holds no leaves. */
#define MOCK_SIZES FIELD(46, 11)

const struct pt_ops pt_mock = {
	.name = "mock",
	.min_levels = 1,
	.max_levels = 5,
	.page_lg2 = MOCK_PAGE_LG2,
	.index_lg2 = AMDV1_INDEX_LG2,
	.max_ias = 56,
	.max_oas = 51,
	.page_sizes = MOCK_SIZES,
	.coherent_bits = AMDV1_FC,
	.fields = amdv1_fields,
	.marked = amdv1_mark,
	WALK_INSTANCE(mock_format),
};

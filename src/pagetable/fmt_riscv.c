/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for RISC-V's tables, first and second stage.
 */
#include "pagetable/fmt_riscv.h"

#define FORMAT riscv_s1_format
#include "pagetable/walk_instance.h"
#define FORMAT riscv_s2_format
#include "pagetable/walk_instance.h"

const struct pt_ops pt_riscv_s1 = {
	.name = "riscv-s1",
	.min_levels = 3,
	.max_levels = 5,
	.page_lg2 = RISCV_PAGE_LG2,
	.index_lg2 = RISCV_INDEX_LG2,
	.sign_extended = true,
	.max_ias = 57,
	.max_oas = 56,
	.page_sizes = RISCV_SIZES,
	.configure = riscv_configure,
	.fields = riscv_fields,
	.marked = riscv_mark,
	WALK_INSTANCE(riscv_s1_format),
};

const struct pt_ops pt_riscv_s2 = {
	.name = "riscv-s2",
	.min_levels = 3,
	.max_levels = 5,
	.page_lg2 = RISCV_PAGE_LG2,
	.index_lg2 = RISCV_INDEX_LG2,
	.root_more_lg2 = RISCV_X4_LG2,
	.root_whole = true,
	.max_ias = 59,
	.max_oas = 56,
	.page_sizes = RISCV_SIZES,
	.configure = riscv_configure,
	.fields = riscv_fields,
	.marked = riscv_mark,
	WALK_INSTANCE(riscv_s2_format),
};

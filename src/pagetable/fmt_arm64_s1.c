/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for stage 1 of Arm's VMSAv8-64, for each granule.
 */
#include "pagetable/fmt_arm64.h"

#define FORMAT arm64_s1_4k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s1_16k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s1_64k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s1_4k_ds_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s1_16k_ds_format
#include "pagetable/walk_instance.h"

static const struct pt_field arm64_s1_fields[] = {
	{"Valid", ARM64_VALID, PT_IN_ALL},
	{"Table", ARM64_TYPE, PT_IN_TABLE},
	{"Page", ARM64_TYPE, PT_IN_PAGE},
	{"AttrIndx", ARM64_ATTRINDX, PT_IN_LEAF},
	{"NS", ARM64_NS, PT_IN_LEAF},
	{"AP[1]", ARM64_AP_UNPRIV, PT_IN_LEAF},
	{"AP[2]", ARM64_AP_RO, PT_IN_LEAF},
	{"SH", ARM64_SH, PT_IN_LEAF},
	{"AF", ARM64_AF, PT_IN_LEAF},
	{"nG", ARM64_NG, PT_IN_LEAF},
	{"OA[47:12]", ARM64_OA, PT_IN_ALL},
	{"DBM", ARM64_DBM, PT_IN_LEAF},
	{"Contiguous", ARM64_CONT, PT_IN_LEAF},
	{"PXN", ARM64_PXN, PT_IN_LEAF},
	{"UXN", ARM64_UXN, PT_IN_LEAF},
	{"PXNTable", ARM64_PXNTABLE, PT_IN_TABLE},
	{"UXNTable", ARM64_UXNTABLE, PT_IN_TABLE},
	{"APTable[0]", ARM64_APTABLE_U, PT_IN_TABLE},
	{"APTable[1]", ARM64_APTABLE_R, PT_IN_TABLE},
	{"NSTable", ARM64_NSTABLE, PT_IN_TABLE},
	{NULL, 0, 0},
};

ARM64_OPS(arm64_s1_4k, s1, "arm64-s1-4k", 12, 4, 48, ARM64_SIZES_4K, 0);
ARM64_OPS(arm64_s1_16k, s1, "arm64-s1-16k", 14, 4, 48, ARM64_SIZES_16K, 0);
ARM64_OPS(arm64_s1_64k, s1, "arm64-s1-64k", 16, 3, 52, ARM64_SIZES_64K, 0);
ARM64_OPS(arm64_s1_4k_ds, s1, "arm64-s1-4k-ds", 12, 5, 52, ARM64_SIZES_4K_DS, 0);
ARM64_OPS(arm64_s1_16k_ds, s1, "arm64-s1-16k-ds", 14, 4, 52, ARM64_SIZES_16K_DS, 0);

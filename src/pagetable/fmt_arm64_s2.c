/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker compiled for stage 2 of Arm's VMSAv8-64, for each granule.
 */
#include "pagetable/fmt_arm64.h"

#define FORMAT arm64_s2_4k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s2_16k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s2_64k_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s2_4k_ds_format
#include "pagetable/walk_instance.h"
#define FORMAT arm64_s2_16k_ds_format
#include "pagetable/walk_instance.h"

static const struct pt_field arm64_s2_fields[] = {
	{"Valid", ARM64_VALID, PT_IN_ALL},
	{"Table", ARM64_TYPE, PT_IN_TABLE},
	{"Page", ARM64_TYPE, PT_IN_PAGE},
	{"MemAttr", ARM64_MEMATTR, PT_IN_LEAF},
	{"S2AP[0]", ARM64_S2AP_R, PT_IN_LEAF},
	{"S2AP[1]", ARM64_S2AP_W, PT_IN_LEAF},
	{"SH", ARM64_SH, PT_IN_LEAF},
	{"AF", ARM64_AF, PT_IN_LEAF},
	{"OA[47:12]", ARM64_OA, PT_IN_ALL},
	{"DBM", ARM64_DBM, PT_IN_LEAF},
	{"Contiguous", ARM64_CONT, PT_IN_LEAF},
	{"XN", ARM64_S2XN, PT_IN_LEAF},
	{NULL, 0, 0},
};

ARM64_OPS(arm64_s2_4k, s2, "arm64-s2-4k", 12, 4, 48, ARM64_SIZES_4K, ARM64_S2_ROOT_MORE_LG2);
ARM64_OPS(arm64_s2_16k, s2, "arm64-s2-16k", 14, 4, 48, ARM64_SIZES_16K, ARM64_S2_ROOT_MORE_LG2);
ARM64_OPS(arm64_s2_64k, s2, "arm64-s2-64k", 16, 3, 52, ARM64_SIZES_64K, ARM64_S2_ROOT_MORE_LG2);
ARM64_OPS(arm64_s2_4k_ds, s2, "arm64-s2-4k-ds", 12, 5, 52, ARM64_SIZES_4K_DS,
	  ARM64_S2_ROOT_MORE_LG2);
ARM64_OPS(arm64_s2_16k_ds, s2, "arm64-s2-16k-ds", 14, 4, 52, ARM64_SIZES_16K_DS,
	  ARM64_S2_ROOT_MORE_LG2);

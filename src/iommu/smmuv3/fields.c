/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fields of the SMMUv3's configuration structures (IHI 0070, 5), for those that look: what
 * concerns stage 1.
 */
#include "iommu/smmuv3/context.h"

#include "iommu/look.h"

static const struct look_field l1std[] = {
	{"Span", 0, SMMUV3_L1STD_SPAN}, {"L2Ptr", 0, SMMUV3_L1STD_L2PTR}, {NULL, 0, 0}};

static const struct look_field ste[] = {
	{"V", 0, SMMUV3_STE_V},
	{"Config", 0, SMMUV3_STE_CONFIG},
	{"S1Fmt", 0, SMMUV3_STE_S1FMT},
	{"S1ContextPtr", 0, SMMUV3_STE_S1CTXPTR},
	{"S1CDMax", 0, SMMUV3_STE_S1CDMAX},
	{"S1DSS", 1, SMMUV3_STE_S1DSS},
	{"S1STALLD", 1, SMMUV3_STE_S1STALLD},
	{"MEV", 1, SMMUV3_STE_MEV},
	{"EATS", 1, SMMUV3_STE_EATS},
	{"STRW", 1, SMMUV3_STE_STRW},
	{NULL, 0, 0},
};

static const struct look_field l1cd[] = {
	{"V", 0, SMMUV3_L1CD_V}, {"L2Ptr", 0, SMMUV3_L1CD_L2PTR}, {NULL, 0, 0}};

static const struct look_field cd[] = {
	{"V", 0, SMMUV3_CD_V},	     {"T0SZ", 0, SMMUV3_CD_T0SZ},
	{"TG0", 0, SMMUV3_CD_TG0},   {"EPD0", 0, SMMUV3_CD_EPD0},
	{"T1SZ", 0, SMMUV3_CD_T1SZ}, {"TG1", 0, SMMUV3_CD_TG1},
	{"EPD1", 0, SMMUV3_CD_EPD1}, {"ENDI", 0, SMMUV3_CD_ENDI},
	{"IPS", 0, SMMUV3_CD_IPS},   {"AFFD", 0, SMMUV3_CD_AFFD},
	{"WXN", 0, SMMUV3_CD_WXN},   {"UWXN", 0, SMMUV3_CD_UWXN},
	{"TBI0", 0, SMMUV3_CD_TBI0}, {"TBI1", 0, SMMUV3_CD_TBI1},
	{"PAN", 0, SMMUV3_CD_PAN},   {"AA64", 0, SMMUV3_CD_AA64},
	{"HD", 0, SMMUV3_CD_HD},     {"HA", 0, SMMUV3_CD_HA},
	{"S", 0, SMMUV3_CD_S},	     {"R", 0, SMMUV3_CD_R},
	{"A", 0, SMMUV3_CD_A},	     {"ASET", 0, SMMUV3_CD_ASET},
	{"ASID", 0, SMMUV3_CD_ASID}, {"TTB0", 1, SMMUV3_CD_TTB},
	{"HAD0", 1, SMMUV3_CD_HAD},  {"TTB1", 2, SMMUV3_CD_TTB},
	{"HAD1", 2, SMMUV3_CD_HAD},  {NULL, 0, 0},
};

const struct look_kind smmuv3_l1std_kind = {"L1STD", 1, l1std};
const struct look_kind smmuv3_ste_kind = {"STE", SMMUV3_WORDS, ste};
const struct look_kind smmuv3_l1cd_kind = {"L1CD", 1, l1cd};
const struct look_kind smmuv3_cd_kind = {"CD", SMMUV3_WORDS, cd};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fields of AMD's configuration structures, for those that look: what concerns DMA.
 */
#include "iommu/amd/dte.h"

#include "iommu/look.h"

static const struct look_field dte[] = {
	{"V", 0, AMD_DTE0_V},
	{"TV", 0, AMD_DTE0_TV},
	{"HAD", 0, AMD_DTE0_HAD},
	{"Mode", 0, AMD_DTE0_MODE},
	{"PageTableRoot", 0, AMD_DTE0_ROOT},
	{"PPR", 0, AMD_DTE0_PPR},
	{"GIoV", 0, AMD_DTE0_GIOV},
	{"GV", 0, AMD_DTE0_GV},
	{"GLX", 0, AMD_DTE0_GLX},
	{"GCR3TRP[14:12]", 0, AMD_DTE0_GCR3_14_12},
	{"IR", 0, AMD_DTE0_IR},
	{"IW", 0, AMD_DTE0_IW},
	{"DomainID", 1, AMD_DTE1_DOMAIN},
	{"GCR3TRP[30:15]", 1, AMD_DTE1_GCR3_30_15},
	{"SE", 1, AMD_DTE1_SE},
	{"SA", 1, AMD_DTE1_SA},
	{"GCR3TRP[51:31]", 1, AMD_DTE1_GCR3_51_31},
	{"GuestPagingMode", 2, AMD_DTE2_GPMODE},
	{NULL, 0, 0},
};

static const struct look_field gcr3[] = {
	{"V", 0, AMD_GCR3_V}, {"GCR3", 0, AMD_GCR3_ADDR}, {NULL, 0, 0}};

const struct look_kind amd_dte_kind = {"DTE", AMD_DTE_WORDS, dte};
const struct look_kind amd_gcr3_kind = {"GCR3 entry", 1, gcr3};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fields of VT-d's configuration structures (chapter 9), for those that look.
 */
#include "iommu/vtd/context.h"

#include "iommu/look.h"

static const struct look_field root[] = {
	{"P", 0, VTD_ROOT_P}, {"CTP", 0, VTD_ROOT_CTP}, {NULL, 0, 0}};

static const struct look_field context[] = {
	{"P", 0, VTD_CONTEXT_P},
	{"FPD", 0, VTD_CONTEXT_FPD},
	{"TT", 0, VTD_CONTEXT_TT},
	{"SSPTPTR", 0, VTD_CONTEXT_SSPTPTR},
	{"AW", 1, VTD_CONTEXT1_AW},
	{"DID", 1, VTD_CONTEXT1_DID},
	{NULL, 0, 0},
};

static const struct look_field scalable_context[] = {
	{"P", 0, VTD_CONTEXT_P},
	{"FPD", 0, VTD_CONTEXT_FPD},
	{"DTE", 0, VTD_SM_CONTEXT_DTE},
	{"PASIDE", 0, VTD_SM_CONTEXT_PASIDE},
	{"PRE", 0, VTD_SM_CONTEXT_PRE},
	{"PDTS", 0, VTD_SM_CONTEXT_PDTS},
	{"PASIDDIRPTR", 0, VTD_SM_CONTEXT_DIR},
	{"RID_PASID", 1, VTD_SM_CONTEXT1_RID_PASID},
	{"RID_PRIV", 1, VTD_SM_CONTEXT1_RID_PRIV},
	{NULL, 0, 0},
};

static const struct look_field directory[] = {
	{"P", 0, VTD_DIRECTORY_P},
	{"FPD", 0, VTD_DIRECTORY_FPD},
	{"SMPTBLPTR", 0, VTD_DIRECTORY_TABLE},
	{NULL, 0, 0},
};

static const struct look_field pasid[] = {
	{"P", 0, VTD_PASID_P},
	{"FPD", 0, VTD_PASID_FPD},
	{"AW", 0, VTD_PASID_AW},
	{"PGTT", 0, VTD_PASID_PGTT},
	{"SSADE", 0, VTD_PASID_SSADE},
	{"SSPTPTR", 0, VTD_PASID_SSPTPTR},
	{"DID", 1, VTD_PASID1_DID},
	{"PWSNP", 1, VTD_PASID1_PWSNP},
	{"PGSNP", 1, VTD_PASID1_PGSNP},
	{"SRE", 2, VTD_PASID2_SRE},
	{"ERE", 2, VTD_PASID2_ERE},
	{"FSPM", 2, VTD_PASID2_FSPM},
	{"WPE", 2, VTD_PASID2_WPE},
	{"NXE", 2, VTD_PASID2_NXE},
	{"SMEP", 2, VTD_PASID2_SMEP},
	{"EAFE", 2, VTD_PASID2_EAFE},
	{"FSPTPTR", 2, VTD_PASID2_FSPTPTR},
	{NULL, 0, 0},
};

const struct look_kind vtd_pasid_kind = {"PASID table entry", 8, pasid};

/* In the order in which vtd_context_find() reads them. */
static const struct look_kind legacy[] = {{"root entry", 2, root}, {"context entry", 2, context}};
static const struct look_kind scalable[] = {
	{"scalable-mode root entry", 1, root},
	{"scalable-mode context entry", 4, scalable_context},
	{"PASID directory entry", 1, directory},
	{"PASID table entry", 8, pasid},
};

const struct look_kind *vtd_structure_kind(uint64_t rtaddr, unsigned int n)
{
	if (field_get(VTD_RTADDR_TTM, rtaddr) == VTD_TTM_LEGACY)
		return &legacy[n % ARRAY_SIZE(legacy)];
	return &scalable[n % ARRAY_SIZE(scalable)];
}

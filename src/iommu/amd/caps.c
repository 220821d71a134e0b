/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD's feature registers, as the options make them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iommu/amd/amd.h"
#include "iommu/amd/dte.h"

const struct option_key amd_options[] = {
	{.name = "levels",
	 .type = OPTION_NUMBER,
	 .def = "4",
	 .min = 4,
	 .max = 6,
	 .help = "most levels of a page table: 4, 5 or 6, for IOVAs of 48, 57 or 64 bits"},
	{.name = "dirty",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "accessed and dirty flags in host page tables (HASup, HDSup)"},
	{.name = "ht",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "reserve the HyperTransport range 0xfd00000000-0xffffffffff"},
	{.name = "guest-levels",
	 .type = OPTION_NUMBER,
	 .def = "4",
	 .min = 0,
	 .max = 5,
	 .help = "levels of guest (v2) page tables: 4 or 5; 0: none, and no PASIDs"},
	{.name = "pasid-bits",
	 .type = OPTION_NUMBER,
	 .def = "16",
	 .min = 1,
	 .max = 20,
	 .help = "width of PASIDs (PASmax)"},
	{.name = "ats",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "devices may ask for translations and keep them (IVHD IotlbSup)"},
	{.name = "pri",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "with ats: devices may ask for pages (PPRSup)"},
	{.name = "pgtbl",
	 .type = OPTION_STRING,
	 .def = "v1",
	 .help = "page tables that are preferred: v1 or v2 (Linux's amd_iommu=pgtbl_v2)"},
	{.name = "nesting",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "nested translation, and this project's own vIOMMU; off: as Linux 7.3, EOPNOTSUPP"},
	{0},
};

/* Nine bits of a PASID for each level. */
unsigned int amd_gcr3_levels(const struct amd *a)
{
	return (a->pasid_bits + AMD_GCR3_INDEX_LG2 - 1) / AMD_GCR3_INDEX_LG2;
}

/* What Linux wants to see before it uses guest tables, and PASIDs. */
static void set_guest(struct amd *a, const struct options *o)
{
	a->pasid_bits = (unsigned int)options_number(o, "pasid-bits");
	a->efr |= AMD_EFR_GTSUP | AMD_EFR_GIOSUP | AMD_EFR_NXSUP | AMD_EFR_USSUP | AMD_EFR_PPRSUP |
		  AMD_EFR_EPHSUP | field_prep(AMD_EFR_GATS, a->guest_levels - 4) |
		  field_prep(AMD_EFR_PASMAX, a->pasid_bits - 1) |
		  field_prep(AMD_EFR_GLXSUP, amd_gcr3_levels(a) - 1);
	a->efr2 |= AMD_EFR2_GCR3TRPMODE;
}

static int check_options(const struct amd *a, const char *pgtbl, char *why, size_t why_len)
{
	if (a->guest_levels && a->guest_levels < 4) {
		snprintf(why, why_len, "amd: guest-levels=%u: give 0, 4 or 5", a->guest_levels);
		return -EINVAL;
	}
	if (strcmp(pgtbl, "v1") && strcmp(pgtbl, "v2")) {
		snprintf(why, why_len, "amd: pgtbl=%s: give v1 or v2", pgtbl);
		return -EINVAL;
	}
	if (a->nesting && !a->guest_levels) {
		snprintf(why, why_len, "amd: nesting=on: give guest-levels 4 or 5");
		return -EINVAL;
	}
	return 0;
}

int amd_init_caps(struct amd *a, const struct options *o, char *why, size_t why_len)
{
	const char *pgtbl = options_string(o, "pgtbl");
	int rc;

	a->guest_levels = (unsigned int)options_number(o, "guest-levels");
	a->nesting = options_bool(o, "nesting");
	a->ats = options_bool(o, "ats");
	rc = check_options(a, pgtbl, why, why_len);
	if (rc)
		return rc;
	if (options_bool(o, "pri") && !a->ats) {
		snprintf(why, why_len, "amd: pri=on needs ats=on");
		return -EINVAL;
	}
	a->prefer_guest = a->guest_levels && !strcmp(pgtbl, "v2");
	a->levels = (unsigned int)options_number(o, "levels");
	a->efr = AMD_EFR_PREFSUP | AMD_EFR_XTSUP | AMD_EFR_IASUP | AMD_EFR_GASUP |
		 field_prep(AMD_EFR_HATS, a->levels - 4);
	if (options_bool(o, "dirty"))
		a->efr |= AMD_EFR_HASUP | AMD_EFR_HDSUP;
	if (options_bool(o, "pri"))
		a->efr |= AMD_EFR_PPRSUP;
	if (a->guest_levels)
		set_guest(a, o);
	a->efr2 |= field_prep(AMD_EFR2_NUMINTREMAPSUP, 1); /* 2048 for each device */
	if (!options_bool(o, "ht"))
		a->efr2 |= AMD_EFR2_HTRANGEIGNORE;
	return 0;
}

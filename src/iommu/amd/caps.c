/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD's feature registers, as the options make them.
 */
#include "iommu/amd/amd.h"

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
	{0},
};

void amd_init_caps(struct amd *a, const struct options *o)
{
	a->levels = (unsigned int)options_number(o, "levels");
	a->efr = AMD_EFR_PREFSUP | AMD_EFR_XTSUP | AMD_EFR_IASUP | AMD_EFR_GASUP |
		 field_prep(AMD_EFR_HATS, a->levels - 4);
	if (options_bool(o, "dirty"))
		a->efr |= AMD_EFR_HASUP | AMD_EFR_HDSUP;
	a->efr2 = field_prep(AMD_EFR2_NUMINTREMAPSUP, 1); /* 2048 for each device */
	if (!options_bool(o, "ht"))
		a->efr2 |= AMD_EFR2_HTRANGEIGNORE;
}

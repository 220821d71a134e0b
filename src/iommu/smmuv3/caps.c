/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's ID registers, as the options make them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iommu/smmuv3/smmuv3.h"

#define SID_BITS   16
#define QUEUE_LG2  19
#define AIDR_3_2   2u
#define ST_2_LEVEL 1u

const struct option_key smmuv3_options[] = {
	{.name = "stages",
	 .type = OPTION_STRING,
	 .def = "both",
	 .help = "stages of translation: 1, 2 or both; nesting needs both"},
	{.name = "oas",
	 .type = OPTION_NUMBER,
	 .def = "48",
	 .min = 40,
	 .max = 48,
	 .help = "width of physical addresses: 40, 42, 44 or 48; of stage 2's IOVAs too"},
	{.name = "dirty",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "accessed and dirty flags in stage 1 tables (HTTU)"},
	{.name = "fwb",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "stage 2 can force write-back (S2FWB)"},
	{.name = "canwbs",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "firmware: DMA is coherent whatever the device asks (CANWBS)"},
	{.name = "pasid-bits",
	 .type = OPTION_NUMBER,
	 .def = "20",
	 .min = 0,
	 .max = 20,
	 .help = "width of PASIDs (SSIDSIZE); 0: none"},
	{.name = "ssid-bits",
	 .type = OPTION_NUMBER,
	 .def = "20",
	 .min = 0,
	 .max = 20,
	 .help = "the same by the SMMU's own name; the smaller counts"},
	{.name = "nesting",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "vIOMMUs and nested domains, where both stages are"},
	{.name = "ats",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "address translation services (devices may cache translations)"},
	{.name = "ril", .type = OPTION_BOOL, .def = "on", .help = "invalidation of ranges"},
	{.name = "stall",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "transactions may wait for an answer to their fault"},
	{.name = "cmdqv",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "a Tegra241 CMDQV: command queues that guests fill themselves"},
	{0},
};

static int set_stages(struct smmuv3 *s, const char *stages)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} rows[] = {
		{"1", SMMUV3_IDR0_S1P},
		{"2", SMMUV3_IDR0_S2P | SMMUV3_IDR0_VMID16},
		{"both", SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P | SMMUV3_IDR0_VMID16},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		if (!strcmp(stages, rows[n].name)) {
			s->ids.idr[0] |= (uint32_t)rows[n].bits;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_output(struct smmuv3 *s, unsigned int oas)
{
	static const uint8_t widths[] = {32, 36, 40, 42, 44, 48}; /* 6.3.6, OAS */

	for (unsigned int n = 0; n < ARRAY_SIZE(widths); n++) {
		if (oas == widths[n]) {
			s->oas = oas;
			s->ids.idr[5] |= (uint32_t)field_prep(SMMUV3_IDR5_OAS, n);
			return 0;
		}
	}
	return -EINVAL;
}

static void set_fixed(struct smmuv3 *s)
{
	s->ids.idr[0] =
		(uint32_t)(field_prep(SMMUV3_IDR0_TTF, SMMUV3_TTF_AARCH64) | SMMUV3_IDR0_COHACC |
			   SMMUV3_IDR0_ASID16 | SMMUV3_IDR0_CD2L | SMMUV3_IDR0_TERM_MODEL |
			   field_prep(SMMUV3_IDR0_TTENDIAN, SMMUV3_ENDIAN_LITTLE) |
			   SMMUV3_IDR0_MSI | field_prep(SMMUV3_IDR0_ST_LEVEL, ST_2_LEVEL));
	s->ids.idr[1] = (uint32_t)(field_prep(SMMUV3_IDR1_SIDSIZE, SID_BITS) |
				   field_prep(SMMUV3_IDR1_EVENTQS, QUEUE_LG2) |
				   field_prep(SMMUV3_IDR1_CMDQS, QUEUE_LG2));
	s->ids.idr[3] = SMMUV3_IDR3_HAD;
	s->ids.idr[5] = SMMUV3_IDR5_GRAN4K | SMMUV3_IDR5_GRAN16K | SMMUV3_IDR5_GRAN64K;
	s->aidr = AIDR_3_2;
}

static void set_features(struct smmuv3 *s, const struct options *o)
{
	if (options_bool(o, "dirty"))
		s->ids.idr[0] |= (uint32_t)field_prep(SMMUV3_IDR0_HTTU, SMMUV3_HTTU_DIRTY);
	if (options_bool(o, "ats"))
		s->ids.idr[0] |= SMMUV3_IDR0_ATS;
	if (!options_bool(o, "stall"))
		s->ids.idr[0] |= (uint32_t)field_prep(SMMUV3_IDR0_STALL_MODEL, SMMUV3_STALL_NEVER);
	if (options_bool(o, "ril"))
		s->ids.idr[3] |= SMMUV3_IDR3_RIL;
	if (options_bool(o, "fwb") && smmuv3_has(s, 0, SMMUV3_IDR0_S2P))
		s->ids.idr[3] |= SMMUV3_IDR3_FWB;
	s->canwbs = options_bool(o, "canwbs");
	s->nesting = options_bool(o, "nesting");
	s->cmdqv = options_bool(o, "cmdqv");
}

int smmuv3_init_caps(struct smmuv3 *s, const struct options *o, char *why, size_t why_len)
{
	set_fixed(s);
	if (set_stages(s, options_string(o, "stages"))) {
		snprintf(why, why_len, "smmuv3: stages=%s: give 1, 2 or both",
			 options_string(o, "stages"));
		return -EINVAL;
	}
	if (set_output(s, (unsigned int)options_number(o, "oas"))) {
		snprintf(why, why_len, "smmuv3: oas=%s: give 40, 42, 44 or 48",
			 options_string(o, "oas"));
		return -EINVAL;
	}
	if (options_bool(o, "cmdqv") && !options_bool(o, "nesting")) {
		snprintf(why, why_len, "smmuv3: cmdqv=on needs nesting=on");
		return -EINVAL;
	}
	set_features(s, o);
	if (smmuv3_has(s, 0, SMMUV3_IDR0_S1P))
		s->pasid_bits = (unsigned int)min_u64(options_number(o, "pasid-bits"),
						      options_number(o, "ssid-bits"));
	s->ids.idr[1] |= (uint32_t)field_prep(SMMUV3_IDR1_SSIDSIZE, s->pasid_bits);
	return 0;
}

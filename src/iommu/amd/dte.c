/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/amd/dte.h"

static bool has_reserved(const uint64_t raw[AMD_DTE_WORDS])
{
	return raw[0] & AMD_DTE0_RESERVED || raw[2] & AMD_DTE2_RESERVED;
}

/* HAD: 00b nothing, 01b accessed flags, 11b dirty ones too; 10b is reserved. */
static bool had_is_legal(unsigned int had, const struct amd_limits *can)
{
	return had != 2 && (!(had & 1) || can->accessed) && (!(had & 2) || can->dirty);
}

static bool guest_is_legal(const struct amd_dte *d, unsigned int glx, unsigned int gpmode,
			   const struct amd_limits *can)
{
	return can->guest_levels && glx != AMD_GLX_RESERVED && glx < can->gcr3_levels &&
	       gpmode <= AMD_GPMODE_MAX && gpmode + 4 <= can->guest_levels && !d->mode &&
	       (!d->giov || can->giov);
}

enum amd_dte_fault amd_dte_decode(const uint64_t raw[AMD_DTE_WORDS], const struct amd_limits *can,
				  struct amd_dte *out)
{
	const unsigned int glx = (unsigned int)field_get(AMD_DTE0_GLX, raw[0]);
	const unsigned int gpmode = (unsigned int)field_get(AMD_DTE2_GPMODE, raw[2]);

	*out = (struct amd_dte){.v = raw[0] & AMD_DTE0_V, .tv = raw[0] & AMD_DTE0_TV};
	if (!out->v || !out->tv)
		return AMD_DTE_GOOD;
	*out = (struct amd_dte){
		.v = true,
		.tv = true,
		.giov = raw[0] & AMD_DTE0_GIOV,
		.gv = raw[0] & AMD_DTE0_GV,
		.ir = raw[0] & AMD_DTE0_IR,
		.iw = raw[0] & AMD_DTE0_IW,
		.se = raw[1] & AMD_DTE1_SE,
		.sa = raw[1] & AMD_DTE1_SA,
		.had = (uint8_t)field_get(AMD_DTE0_HAD, raw[0]),
		.mode = (uint8_t)field_get(AMD_DTE0_MODE, raw[0]),
		.gcr3_levels = (uint8_t)(glx + 1),
		.guest_levels = (uint8_t)(gpmode + 4),
		.domain = (uint16_t)field_get(AMD_DTE1_DOMAIN, raw[1]),
		.root = raw[0] & AMD_DTE0_ROOT,
		.gcr3 = field_get(AMD_DTE0_GCR3_14_12, raw[0]) << 12 |
			field_get(AMD_DTE1_GCR3_30_15, raw[1]) << 15 |
			field_get(AMD_DTE1_GCR3_51_31, raw[1]) << 31,
	};
	if (has_reserved(raw))
		return AMD_DTE_RESERVED;
	if (out->mode > can->host_levels || !had_is_legal(out->had, can))
		return AMD_DTE_ILLEGAL;
	if (out->gv && !guest_is_legal(out, glx, gpmode, can))
		return AMD_DTE_ILLEGAL;
	return AMD_DTE_GOOD;
}

bool amd_gcr3_reaches(unsigned int levels, uint32_t pasid)
{
	return !((uint64_t)pasid >> (levels * AMD_GCR3_INDEX_LG2));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VT-d's ID registers, as the options make them.
 */
#include <errno.h>
#include <stdio.h>

#include "iommu/vtd/vtd.h"

#define SZ_4K 0x1000ull
#define SZ_2M 0x200000ull
#define SZ_1G 0x40000000ull

const struct option_key vtd_options[] = {
	{.name = "aw",
	 .type = OPTION_NUMBER,
	 .def = "48",
	 .min = 39,
	 .max = 57,
	 .help = "width of IOVAs in bits: 39, 48 or 57"},
	{.name = "huge",
	 .type = OPTION_SIZE,
	 .def = "1G",
	 .min = SZ_4K,
	 .max = SZ_1G,
	 .help = "largest page: 4K, 2M or 1G"},
	{.name = "dirty",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "accessed and dirty flags in second-stage tables, with scalable mode"},
	{.name = "snoop",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "snoop control: DMA can be forced to be coherent"},
	{.name = "pasid-bits",
	 .type = OPTION_NUMBER,
	 .def = "20",
	 .min = 0,
	 .max = 20,
	 .help = "width of PASIDs in scalable mode; 0: none"},
	{.name = "first-stage",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "first-stage tables in scalable mode; Linux then prefers them"},
	{.name = "coherent",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "page walks snoop the processor's caches"},
	{.name = "nesting",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "guests' first-stage tables upon a second stage; brings first-stage=on"},
	{.name = "supervisor",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "with nesting: supervisor requests (SRS)"},
	{.name = "ats",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "device TLBs (DT): devices may ask for translations and keep them"},
	{.name = "pri",
	 .type = OPTION_BOOL,
	 .def = "off",
	 .help = "with ats and scalable mode: devices may ask for pages (PRS)"},
	{.name = "extended-access",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "with nesting: the extended accessed flag (EAFS)"},
	{0},
};

static int set_width(struct vtd *v, uint64_t aw)
{
	uint64_t sagaw;

	switch (aw) {
	case 39:
		sagaw = VTD_SAGAW_39;
		break;
	case 48:
		sagaw = VTD_SAGAW_39 | VTD_SAGAW_48;
		break;
	case 57:
		sagaw = VTD_SAGAW_39 | VTD_SAGAW_48 | VTD_SAGAW_57;
		break;
	default:
		return -EINVAL;
	}
	v->aw = (unsigned int)aw;
	v->cap |= field_prep(VTD_CAP_SAGAW, sagaw) | field_prep(VTD_CAP_MGAW, aw - 1);
	return 0;
}

static int set_page_sizes(struct vtd *v, uint64_t huge)
{
	if (huge != SZ_4K && huge != SZ_2M && huge != SZ_1G)
		return -EINVAL;
	v->page_sizes = SZ_4K;
	if (huge >= SZ_2M) {
		v->page_sizes |= SZ_2M;
		v->cap |= field_prep(VTD_CAP_SSLPS, BIT(0));
	}
	if (huge >= SZ_1G) {
		v->page_sizes |= SZ_1G;
		v->cap |= field_prep(VTD_CAP_SSLPS, BIT(1));
	}
	return 0;
}

static void set_scalable(struct vtd *v, const struct options *o)
{
	v->ecap |= VTD_ECAP_SMTS | VTD_ECAP_SSTS | VTD_ECAP_SSADS;
	if (options_bool(o, "pri"))
		v->ecap |= VTD_ECAP_PRS;
	if (options_bool(o, "coherent"))
		v->ecap |= VTD_ECAP_SMPWCS;
	v->pasid_bits = (unsigned int)options_number(o, "pasid-bits");
	if (options_bool(o, "first-stage") || options_bool(o, "nesting")) {
		v->ecap |= VTD_ECAP_FSTS;
		v->cap |= (v->page_sizes & SZ_1G ? VTD_CAP_FS1GP : 0) |
			  (v->aw > 48 ? VTD_CAP_FS5LP : 0);
	}
	if (v->pasid_bits)
		v->ecap |= VTD_ECAP_PASID | field_prep(VTD_ECAP_PSS, v->pasid_bits - 1);
}

/* First-stage translation upon second-stage translation. */
static void set_nesting(struct vtd *v, const struct options *o)
{
	v->ecap |= VTD_ECAP_NEST;
	if (options_bool(o, "supervisor"))
		v->ecap |= VTD_ECAP_SRS;
	if (options_bool(o, "extended-access"))
		v->ecap |= VTD_ECAP_EAFS;
}

static void set_ecap(struct vtd *v, const struct options *o)
{
	v->ecap = VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT |
		  field_prep(VTD_ECAP_IRO, 0x50) | field_prep(VTD_ECAP_MHMV, 0xf);
	if (options_bool(o, "coherent"))
		v->ecap |= VTD_ECAP_C;
	if (options_bool(o, "ats"))
		v->ecap |= VTD_ECAP_DT;
	if (options_bool(o, "snoop"))
		v->ecap |= VTD_ECAP_SC;
	if (options_bool(o, "dirty"))
		set_scalable(v, o);
	if (options_bool(o, "nesting"))
		set_nesting(v, o);
}

int vtd_init_caps(struct vtd *v, const struct options *o, char *why, size_t why_len)
{
	/* 2^16 domains; eight fault recording registers at 0x200; requests in flight are drained.
	 */
	v->cap = field_prep(VTD_CAP_ND, 6) | VTD_CAP_ZLR | field_prep(VTD_CAP_FRO, 0x20) |
		 VTD_CAP_PSI | field_prep(VTD_CAP_NFR, 7) | field_prep(VTD_CAP_MAMV, 18) |
		 VTD_CAP_DWD | VTD_CAP_DRD;
	if (set_width(v, options_number(o, "aw"))) {
		snprintf(why, why_len, "vtd: aw=%s: give 39, 48 or 57", options_string(o, "aw"));
		return -EINVAL;
	}
	if (set_page_sizes(v, options_number(o, "huge"))) {
		snprintf(why, why_len, "vtd: huge=%s: give 4K, 2M or 1G",
			 options_string(o, "huge"));
		return -EINVAL;
	}
	if (options_bool(o, "nesting") && !options_bool(o, "dirty")) {
		snprintf(why, why_len, "vtd: nesting=on needs scalable mode: dirty=on");
		return -EINVAL;
	}
	if (options_bool(o, "pri") && !(options_bool(o, "ats") && options_bool(o, "dirty"))) {
		snprintf(why, why_len, "vtd: pri=on needs ats=on and scalable mode: dirty=on");
		return -EINVAL;
	}
	set_ecap(v, o);
	return 0;
}

/* The registers tell of no more than what is left. */
void vtd_limit_caps(struct vtd *v, const struct iommu_limits *l)
{
	if (l->aperture && l->aperture < v->aw)
		v->cap = (v->cap & ~VTD_CAP_MGAW) | field_prep(VTD_CAP_MGAW, l->aperture - 1);
	if (l->page_sizes && !(l->page_sizes & SZ_2M))
		v->cap &= ~field_prep(VTD_CAP_SSLPS, BIT(0));
	if (l->page_sizes && !(l->page_sizes & SZ_1G))
		v->cap &= ~(field_prep(VTD_CAP_SSLPS, BIT(1)) | VTD_CAP_FS1GP);
}

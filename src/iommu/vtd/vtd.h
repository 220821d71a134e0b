/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel VT-d, as "Intel Virtualization Technology for Directed I/O" (D51397), revision 4.1, numbers
 * it.
 *
 * The host uses legacy mode, or scalable mode where second-stage accessed and dirty flags exist
 * (they need its PASID table). Domains are second-stage tables, or, where scalable mode has
 * first-stage ones, these unless dirty tracking is asked for. There is no nesting. PASIDs are there
 * in scalable mode.
 */
#ifndef IOAS_IOMMU_VTD_VTD_H
#define IOAS_IOMMU_VTD_VTD_H

#include "iommu/iommu.h"

/* 11.4.2, Capability Register. */
#define VTD_CAP_ND    FIELD(2, 0) /* domain IDs: 2^(4 + 2 * ND) */
#define VTD_CAP_SAGAW FIELD(12, 8)
#define VTD_CAP_MGAW  FIELD(21, 16) /* width of the input, less one */
#define VTD_CAP_ZLR   BIT(22)	    /* zero-length reads of write-only pages */
#define VTD_CAP_FRO   FIELD(33, 24) /* of the fault recording registers, in 16 bytes */
#define VTD_CAP_SSLPS FIELD(37, 34) /* bit 0: 2 MiB, bit 1: 1 GiB */
#define VTD_CAP_PSI   BIT(39)	    /* page-selective invalidation, of up to 2^MAMV pages */
#define VTD_CAP_NFR   FIELD(47, 40) /* fault recording registers, less one */
#define VTD_CAP_MAMV  FIELD(53, 48)
#define VTD_CAP_DWD   BIT(54) /* an invalidation drains writes, and reads */
#define VTD_CAP_DRD   BIT(55)
#define VTD_CAP_FS1GP BIT(56) /* first stage: 1 GiB, */
#define VTD_CAP_FS5LP BIT(60) /* five levels */

/* SAGAW: the levels of second-stage tables. */
#define VTD_SAGAW_39 BIT(1)
#define VTD_SAGAW_48 BIT(2)
#define VTD_SAGAW_57 BIT(3)

/* 11.4.3, Extended Capability Register. */
#define VTD_ECAP_C	BIT(0) /* walks snoop the processor's caches */
#define VTD_ECAP_QI	BIT(1)
#define VTD_ECAP_IR	BIT(3)
#define VTD_ECAP_EIM	BIT(4)
#define VTD_ECAP_PT	BIT(6)
#define VTD_ECAP_SC	BIT(7)
#define VTD_ECAP_IRO	FIELD(17, 8) /* of the IOTLB registers, in 16 bytes */
#define VTD_ECAP_MHMV	FIELD(23, 20)
#define VTD_ECAP_PSS	FIELD(39, 35) /* width of PASIDs, less one */
#define VTD_ECAP_PASID	BIT(40)
#define VTD_ECAP_SMTS	BIT(43) /* scalable mode */
#define VTD_ECAP_SSADS	BIT(45) /* second-stage accessed and dirty flags (SLADS) */
#define VTD_ECAP_SSTS	BIT(46)
#define VTD_ECAP_FSTS	BIT(47)
#define VTD_ECAP_SMPWCS BIT(48) /* scalable-mode walks snoop */

/* 7.3, fault reasons of legacy mode, of interrupts and of scalable mode. */
enum vtd_fault {
	VTD_FAULT_CONTEXT_NOT_PRESENT = 0x02, /* LCT.2 */
	VTD_FAULT_BEYOND_MGAW = 0x04,	      /* LGN.1 */
	VTD_FAULT_WRITE = 0x05,		      /* LGN.2 */
	VTD_FAULT_READ = 0x06,		      /* LGN.3 */
	VTD_FAULT_INTERRUPT_RANGE = 0x0e,     /* LGN.4 */
	VTD_FAULT_IRTE_NOT_PRESENT = 0x22,
	VTD_FAULT_COMPATIBILITY_INTERRUPT = 0x25,
	VTD_FAULT_PASID_NOT_PRESENT = 0x59,  /* SPT.2 */
	VTD_FAULT_FS_NOT_PRESENT = 0x71,     /* SFS.2 */
	VTD_FAULT_NOT_CANONICAL = 0x80,	     /* SGN.1 */
	VTD_FAULT_SM_BEYOND_INPUT = 0x84,    /* SGN.5 */
	VTD_FAULT_SM_WRITE = 0x85,	     /* SGN.6 */
	VTD_FAULT_SM_READ = 0x86,	     /* SGN.7 */
	VTD_FAULT_SM_INTERRUPT_RANGE = 0x87, /* SGN.8 */
};

struct vtd {
	uint64_t cap, ecap;
	unsigned int aw;
	unsigned int pasid_bits;
	uint64_t page_sizes;
};

/* The ID registers that the options ask for. -EINVAL with a sentence in @why. */
int vtd_init_caps(struct vtd *v, const struct options *o, char *why, size_t why_len);
extern const struct option_key vtd_options[];

static inline bool vtd_scalable(const struct vtd *v)
{
	return v->ecap & VTD_ECAP_SMTS;
}

extern const struct iommu_make vtd_make;

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The AMD IOMMU, as "AMD I/O Virtualization Technology (IOMMU) Specification" (48882),
 * revision 3.08, numbers it.
 *
 * Domains are host (v1) tables, or guest (v2) tables as the RID's own (GIoSup); as in Linux, no
 * paging domain can be attached to a PASID. Nested ones are a guest's tables over a host's
 * (viommu.h).
 */
#ifndef IOAS_IOMMU_AMD_AMD_H
#define IOAS_IOMMU_AMD_AMD_H

#include <pthread.h>

#include "base/ids.h"
#include "iommu/iommu.h"

/* 3.4.1, MMIO offset 0030h, Extended Feature Register. */
#define AMD_EFR_PREFSUP BIT(0)
#define AMD_EFR_PPRSUP	BIT(1)
#define AMD_EFR_XTSUP	BIT(2)
#define AMD_EFR_NXSUP	BIT(3)
#define AMD_EFR_GTSUP	BIT(4) /* guest tables */
#define AMD_EFR_IASUP	BIT(6)
#define AMD_EFR_GASUP	BIT(7)
#define AMD_EFR_HATS	FIELD(11, 10) /* levels of host tables, less four */
#define AMD_EFR_GATS	FIELD(13, 12) /* levels of guest tables, less four */
#define AMD_EFR_GLXSUP	FIELD(15, 14) /* levels of GCR3 tables, less one */
#define AMD_EFR_PASMAX	FIELD(36, 32) /* width of PASIDs, less one */
#define AMD_EFR_USSUP	BIT(37)
#define AMD_EFR_GIOSUP	BIT(48) /* guest tables for requests without a PASID */
#define AMD_EFR_HASUP	BIT(49) /* accessed flags in host tables */
#define AMD_EFR_EPHSUP	BIT(50)
#define AMD_EFR_HDSUP	BIT(52) /* dirty flags in host tables */

/* MMIO offset 01A0h, Extended Feature 2 Register. */
#define AMD_EFR2_GCR3TRPMODE	BIT(3) /* a GCR3 table's address may be a guest's */
#define AMD_EFR2_NUMINTREMAPSUP FIELD(9, 8)
#define AMD_EFR2_HTRANGEIGNORE	BIT(11)

struct amd {
	uint64_t efr, efr2;
	unsigned int levels, guest_levels; /* 0: no guest tables */
	unsigned int pasid_bits;
	bool ats;
	bool prefer_guest; /* for domains that could be of either kind: Linux's amd_iommu=pgtbl_v2
			    */
	bool nesting;	   /* beyond Linux 7.3, which has the objects only */
	pthread_mutex_t lock; /* ids */
	struct ids ids;	      /* of domains: what nesting uses */
};

/* The feature registers that the options ask for. -EINVAL with a sentence in @why. */
int amd_init_caps(struct amd *a, const struct options *o, char *why, size_t why_len);
extern const struct option_key amd_options[];
/* Of the longest GCR3 tables, which reach every PASID. */
unsigned int amd_gcr3_levels(const struct amd *a);

extern const struct iommu_make amd_make;

#endif

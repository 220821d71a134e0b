/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queued invalidation descriptors (6.5.2), of 128 and of 256 bits: decoded and judged, not carried
 * out. Pure functions of bytes that were read once.
 */
#ifndef IOAS_IOMMU_VTD_DESCRIPTOR_H
#define IOAS_IOMMU_VTD_DESCRIPTOR_H

#include "iommu/vtd/context.h"

#define VTD_DESCRIPTOR_WORDS 4 /* at most */

/* Bits 11:9 and 3:0 of the first word, as one number. */
enum vtd_descriptor_type {
	VTD_QI_CONTEXT = 1,
	VTD_QI_IOTLB = 2,
	VTD_QI_DEVICE_TLB = 3,
	VTD_QI_INTERRUPT = 4,
	VTD_QI_WAIT = 5,
	VTD_QI_PASID_IOTLB = 6,
	VTD_QI_PASID_CACHE = 7,
	VTD_QI_PASID_DEVICE_TLB = 8,
};

/* What is to be forgotten, from all to the least; which of them there are depends on the type. */
enum vtd_scope {
	VTD_ALL,
	VTD_OF_DOMAIN,
	VTD_OF_DEVICE, /* context cache */
	VTD_OF_PASID,  /* in a domain */
	VTD_OF_PAGES,  /* in a domain, or of one PASID there */
};

struct vtd_descriptor {
	enum vtd_descriptor_type type;
	enum vtd_scope scope;
	uint16_t did;
	uint16_t rid;	   /* device TLBs, and the context cache */
	uint16_t rid_mask; /* context cache: function bits that are not looked at */
	uint32_t pasid;
	bool leaf;	      /* IH: no table was changed */
	bool all_pasids;      /* device TLBs */
	uint64_t first, last; /* of pages */
	/* VTD_QI_WAIT */
	bool interrupt, writes;
	uint32_t status;
	uint64_t status_addr;
};

/* False: a descriptor that hardware with these capabilities stops at. @words: 2 or 4. */
bool vtd_descriptor_decode(const struct vtd_ids *ids, const uint64_t *raw, unsigned int words,
			   struct vtd_descriptor *out);

#endif

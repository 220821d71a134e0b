/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ways of translating a request share. DMA thread, inside a section.
 */
#ifndef IOAS_IOMMU_TRANSLATE_H
#define IOAS_IOMMU_TRANSLATE_H

#include "iommu/lookup.h"

/* nested.c: a request that the caches of leaves may not have answered. */
int nested_translate(const struct nested_request *q, struct translation *out);

/* translate.c: as a translation request, which reports nothing that the tables say: -ENOENT. */
int translate_request(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
		      enum iommu_access access, struct translation *out);
/* The domain that requests with @pasid go by, and whose binding that is; NULL: none. */
struct domain *translate_domain(struct requester *r, uint32_t pasid, struct binding **b);
/* The IOTLB's entry for @iova as requests with @pasid find it, and its size in *shift; 0: none. */
uint64_t translate_peek(struct requester *r, uint32_t pasid, uint64_t iova, unsigned int *shift);

/*
 * The window of interrupt messages that a device's addresses have, which are not translated,
 * whatever is attached (VT-d 3.14, AMD 2.1.2); not every make has one. A request with a PASID is
 * never one.
 */
static inline const struct iommu_region *messages_of(const struct requester *r, uint32_t pasid)
{
	const struct iommu_region *window = &r->iommu->msi;

	return pasid || window->start > window->last ? NULL : window;
}

/* An address within that window. */
static inline int translate_message(struct requester *r, uint64_t iova, uint64_t len,
				    unsigned int access, struct translation *out)
{
	const struct iommu_region *window = &r->iommu->msi;

	if (access != IOMMU_WRITE)
		return iommu_report_fault(r, IOMMU_NO_PASID, iova, len, (enum iommu_access)access,
					  FAULT_MSI);
	*out = (struct translation){
		.pa = iova,
		.len = min_u64(len, window->last - iova + 1),
		.msi = true,
	};
	return 0;
}

#endif

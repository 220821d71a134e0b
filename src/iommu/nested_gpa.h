/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Through which guest physical address did the last translation go? For who listens
 * (base/observe.h): the hit path tells nothing but the memory, so what a miss has noted beside the
 * entry that it left is looked up again.
 *
 * DMA thread, inside the section in which it was translated, before anything else is.
 */
#ifndef IOAS_IOMMU_NESTED_GPA_H
#define IOAS_IOMMU_NESTED_GPA_H

#include "iommu/requester.h"

bool nested_find_gpa(struct requester *r, uint32_t pasid, uint64_t iova,
		     const struct translation *tr, uint64_t *gpa);
/* The GPA of @iova, which @tr answered to a request with @pasid; the next tr->len follow. False: no
 * guest's tables were used, or nobody took notes when they were. */
static inline bool nested_gpa(struct requester *r, uint32_t pasid, uint64_t iova,
			      const struct translation *tr, uint64_t *gpa)
{
	const struct iotlb_context *c = r->rid.tlb;

	/* What most hits hit. */
	if (likely(pasid == IOMMU_NO_PASID && !__atomic_load_n(&r->ats, __ATOMIC_RELAXED) &&
		   iotlb_has_notes(&r->iotlb))) {
		*gpa = iotlb_probe_note(&r->iotlb, c, iova, tr->ptr, c->recent_shift,
					c->recent_name);
		if (likely(*gpa != IOTLB_NO_NOTE))
			return true;
	}
	return nested_find_gpa(r, pasid, iova, tr, gpa);
}
/* The same of a translation that the IOTLB holds, with @iova at @ptr. */
bool nested_gpa_by_iotlb(struct requester *r, uint32_t pasid, uint64_t iova, const char *ptr,
			 uint64_t *gpa);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/amd/event.h"

/* 2.5.3 and its neighbours: DeviceID 15:0, PASID[19:16] 19:16, DomainID or PASID[15:0] 47:32, flags
 * 59:48, code 63:60; then the address. */
void amd_event_encode(const struct amd_event *e, uint64_t out[2])
{
	uint32_t id = e->flags & AMD_FAULT_GN ? e->pasid : e->domain;

	out[0] = (uint64_t)e->code << 60 | (uint64_t)(e->flags & MASK(12)) << 48 |
		 (uint64_t)(id & MASK(16)) << 32 | (id & FIELD(19, 16)) | e->device;
	out[1] = e->address;
}

/* PASID[15:0] 31:16, PASID[19:16] 45:42. */
void amd_ppr_encode(uint16_t device, const struct page_group *g, size_t index, uint32_t tag,
		    uint64_t out[2])
{
	const struct page_request *p = &g->requests[index];

	out[0] = (uint64_t)AMD_PPR_PAGE_SERVICE_REQUEST << 60 | device |
		 (uint64_t)(g->pasid & MASK(16)) << 16 |
		 (uint64_t)(g->pasid >> 16 & MASK(4)) << 42 |
		 field_prep(AMD_PPR_TAG, tag & AMD_PPR_TAG_MASK);
	if (g->pasid != IOMMU_NO_PASID)
		out[0] |= AMD_PPR_GN;
	if (p->perm & 1)
		out[0] |= AMD_PPR_READ;
	if (p->perm & 2)
		out[0] |= AMD_PPR_WRITE;
	if (p->perm & 4)
		out[0] |= AMD_PPR_EXEC;
	if (!(p->perm & 8))
		out[0] |= AMD_PPR_USER;
	if (index + 1 == g->nr_requests)
		out[0] |= AMD_PPR_LAST;
	out[1] = p->addr & ~PAGE_MASK;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typed calls on hardware page tables.
 */
#include <ioas/abi/iommufd.h>

#include "library/engine.h"

SAME(IOAS_HWPT_NEST_PARENT, IOMMU_HWPT_ALLOC_NEST_PARENT);
SAME(IOAS_HWPT_DIRTY_TRACKING, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
SAME(IOAS_HWPT_FAULT_ID, IOMMU_HWPT_FAULT_ID_VALID);
SAME(IOAS_HWPT_PASID, IOMMU_HWPT_ALLOC_PASID);
SAME(IOAS_DIRTY_NO_CLEAR, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);

int ioas_hwpt_alloc(struct ioas_context *c, const struct ioas_hwpt_config *cfg, uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = cfg->flags,
		.dev_id = cfg->dev_id,
		.pt_id = cfg->pt_id,
		.data_type = cfg->data_type,
		.data_len = cfg->data_len,
		.data_uptr = (uintptr_t)cfg->data,
		.fault_id = cfg->fault_id,
	};
	int rc = context_call(c, IOMMU_HWPT_ALLOC, &cmd);

	if (!rc)
		*id = cmd.out_hwpt_id;
	return rc;
}

int ioas_hwpt_invalidate(struct ioas_context *c, uint32_t id, uint32_t data_type,
			 const void *entries, uint32_t entry_len, uint32_t *n)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)entries,
		.data_type = data_type,
		.entry_len = entry_len,
		.entry_num = *n,
	};
	int rc = context_call(c, IOMMU_HWPT_INVALIDATE, &cmd);

	*n = cmd.entry_num;
	return rc;
}

int ioas_hwpt_set_dirty_tracking(struct ioas_context *c, uint32_t hwpt, bool on)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.size = sizeof(cmd),
						    .flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE
								: 0,
						    .hwpt_id = hwpt};

	return context_call(c, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int ioas_hwpt_get_dirty(struct ioas_context *c, uint32_t hwpt, const struct ioas_dirty *d)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = d->flags,
		.iova = d->iova,
		.length = d->length,
		.page_size = d->page_size,
		.data = (uintptr_t)d->bitmap,
	};

	return context_call(c, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int ioas_get_hw_info(struct ioas_context *c, uint32_t dev_id, struct ioas_hw_info *info)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.flags = info->type ? IOMMU_HW_INFO_FLAG_INPUT_TYPE : 0,
		.dev_id = dev_id,
		.data_len = info->data_len,
		.data_uptr = (uintptr_t)info->data,
		.in_data_type = info->type,
	};
	int rc = context_call(c, IOMMU_GET_HW_INFO, &cmd);

	if (rc)
		return rc;
	info->type = cmd.out_data_type;
	info->data_len = cmd.data_len;
	info->capabilities = cmd.out_capabilities;
	info->max_pasid_log2 = cmd.out_max_pasid_log2;
	return 0;
}

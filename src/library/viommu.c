/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typed calls on virtual IOMMUs and queues.
 */
#include <ioas/abi/iommufd.h>

#include "library/engine.h"

int ioas_fault_queue_alloc(struct ioas_context *c, uint32_t *id, int *file)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	int rc = context_call(c, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (rc)
		return rc;
	*id = cmd.out_fault_id;
	*file = (int)cmd.out_fault_fd;
	return 0;
}

int ioas_viommu_alloc(struct ioas_context *c, const struct ioas_viommu_config *cfg, uint32_t *id)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = cfg->type,
		.dev_id = cfg->dev_id,
		.hwpt_id = cfg->hwpt_id,
		.data_len = cfg->data_len,
		.data_uptr = (uintptr_t)cfg->data,
	};
	int rc = context_call(c, IOMMU_VIOMMU_ALLOC, &cmd);

	if (!rc)
		*id = cmd.out_viommu_id;
	return rc;
}

int ioas_vdevice_alloc(struct ioas_context *c, uint32_t viommu, uint32_t dev_id, uint64_t virt_id,
		       uint32_t *id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = dev_id, .virt_id = virt_id};
	int rc = context_call(c, IOMMU_VDEVICE_ALLOC, &cmd);

	if (!rc)
		*id = cmd.out_vdevice_id;
	return rc;
}

int ioas_veventq_alloc(struct ioas_context *c, uint32_t viommu, uint32_t type, uint32_t depth,
		       uint32_t *id, int *file)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .type = type, .veventq_depth = depth};
	int rc = context_call(c, IOMMU_VEVENTQ_ALLOC, &cmd);

	if (rc)
		return rc;
	*id = cmd.out_veventq_id;
	*file = (int)cmd.out_veventq_fd;
	return 0;
}

int ioas_hw_queue_alloc(struct ioas_context *c, uint32_t viommu,
			const struct ioas_hw_queue_config *cfg, uint32_t *id)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.type = cfg->type,
		.index = cfg->index,
		.nesting_parent_iova = cfg->iova,
		.length = cfg->length,
	};
	int rc = context_call(c, IOMMU_HW_QUEUE_ALLOC, &cmd);

	if (!rc)
		*id = cmd.out_hw_queue_id;
	return rc;
}

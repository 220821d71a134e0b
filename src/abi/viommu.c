/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vIOMMU family on IOMMUs that offer none: semantics 5 and 6, as far as a caller can get. No vIOMMU can exist, so
 * what hangs off one ends at the lookup of its id.
 */
#include <errno.h>

#include "abi/iommufd.h"

#define VEVENTQ_MAX_DEPTH BIT(19)

static int no_viommu(struct call *call, const char *rule, uint32_t id)
{
	return no(call, ENOENT, rule, "viommu_id", id, "the id of a vIOMMU");
}

int abi_viommu_alloc(struct call *call)
{
	struct iommu_viommu_alloc *cmd = call->cmd;
	struct idevice *idev;

	if (cmd->flags || cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "VIO.A1", cmd->flags ? "flags" : "type",
			  cmd->flags ? cmd->flags : cmd->type, "flags 0 and a type other than DEFAULT");
	idev = call_get_device(call, cmd->dev_id, "VIO.A2");
	if (!idev)
		return -ENOENT;
	object_put(call->ctx, &idev->obj);
	return no(call, EOPNOTSUPP, "VIO.A3", "type", cmd->type, "an IOMMU with vIOMMUs; %s here has none",
		  call->ctx->host->iommu->make->name);
}

int abi_vdevice_alloc(struct call *call)
{
	struct iommu_vdevice_alloc *cmd = call->cmd;

	return no_viommu(call, "VDV.2", cmd->viommu_id);
}

int abi_veventq_alloc(struct call *call)
{
	struct iommu_veventq_alloc *cmd = call->cmd;

	if (cmd->flags || cmd->__reserved || cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "VEQ.1", "type", cmd->type,
			  "flags and __reserved 0, and a type other than DEFAULT");
	if (!cmd->veventq_depth || cmd->veventq_depth > VEVENTQ_MAX_DEPTH)
		return no(call, EINVAL, "VEQ.2", "veventq_depth", cmd->veventq_depth, "1 to 2^19");
	return no_viommu(call, "VEQ.3", cmd->viommu_id);
}

int abi_hw_queue_alloc(struct call *call)
{
	struct iommu_hw_queue_alloc *cmd = call->cmd;
	uint64_t last;

	if (cmd->flags || cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "HWQ.1", "type", cmd->type,
			  "flags 0 and a type other than DEFAULT");
	if (!cmd->length)
		return no(call, EINVAL, "HWQ.2", "length", 0, "at least 1 byte");
	if (__builtin_add_overflow(cmd->nesting_parent_iova, cmd->length - 1, &last))
		return no(call, EOVERFLOW, "HWQ.3", "nesting_parent_iova", cmd->nesting_parent_iova,
			  "an end within 64 bits");
	return no_viommu(call, "HWQ.4", cmd->viommu_id);
}

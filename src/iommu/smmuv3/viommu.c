/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kinds of vIOMMU of an SMMUv3, and what they have in common.
 */
#include "iommu/smmuv3/viommu.h"

#include <errno.h>
#include <ioas/abi/extensions.h>

#include "iommu/smmuv3/cmdq.h"

/* As Linux's FEAT_NESTING: both stages. */
static bool can_nest(const struct smmuv3 *s)
{
	return s->nesting && smmuv3_has(s, 0, SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P);
}

void smmuv3_viommu_begin(struct viommu *v)
{
	struct smmuv3_viommu *sv = smmuv3_viommu_of(v);
	const struct smmuv3 *s = v->iommu->make_data;

	sv->ids = s->ids;
	sv->ids.idr[0] &= (uint32_t) ~(SMMUV3_IDR0_S2P | SMMUV3_IDR0_VMID16);
	consumer_init(&sv->consumer, v);
}

void smmuv3_viommu_end(struct viommu *v)
{
	consumer_fini(&smmuv3_viommu_of(v)->consumer);
}

int smmuv3_check_parent(const struct viommu *v)
{
	return v->parent->iommu == v->iommu ? 0 : -EINVAL;
}

/* 5.1, ARM_SMMUV3: data that is given is not looked at, as Linux does not. */
static int arm_init(struct viommu *v, const struct user_data *data)
{
	int rc = smmuv3_check_parent(v);

	if (!rc)
		smmuv3_viommu_begin(v);
	return rc;
}

static const struct viommu_ops smmuv3_arm_ops = {
	.size = sizeof(struct smmuv3_viommu),
	.init = arm_init,
	.fini = smmuv3_viommu_end,
	.domain_alloc = smmuv3_domain_alloc,
	.invalidate = smmuv3_invalidate,
};

/*
 * VIO.A3. Without CANWBS and without S2FWB a guest could reach memory past the caches, and nobody
 * would maintain them.
 */
const struct viommu_ops *smmuv3_viommu_type(struct requester *r, uint32_t type)
{
	const struct smmuv3 *s = requester_iommu(r)->make_data;

	if (!can_nest(s) || (!s->canwbs && !smmuv3_has(s, 3, SMMUV3_IDR3_FWB)))
		return NULL;
	switch (type) {
	case IOMMU_VIOMMU_TYPE_ARM_SMMUV3:
		return &smmuv3_arm_ops;
	case IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV:
		return s->cmdqv ? &smmuv3_tegra_ops : NULL;
	case IOMMU_VIOMMU_TYPE_IOAS_SMMUV3:
		return &smmuv3_own_ops;
	default:
		return NULL;
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's vIOMMUs: nested domains, invalidations, events.
 *
 * Three kinds. Of ARM_SMMUV3 and TEGRA241_CMDQV the VMM reads the guest's stream table and hands in
 * one entry with each nested domain. Of our own (docs/abi-extensions.md) the engine reads the
 * guest's stream table itself, and the guest sees every event that its own SMMU would record, not
 * only those that Linux hands on.
 */
#ifndef IOAS_IOMMU_SMMUV3_VIOMMU_H
#define IOAS_IOMMU_SMMUV3_VIOMMU_H

#include "iommu/queue.h"
#include "iommu/smmuv3/command.h"
#include "iommu/smmuv3/smmuv3.h"

struct smmuv3_viommu {
	struct viommu viommu;
	/* What the guest may use: the SMMU's registers, without stage 2. */
	struct smmuv3_ids ids;
	bool own; /* strtab is the guest's */
	struct smmuv3_strtab strtab;
	struct consumer consumer;
	uint32_t stag; /* of the next stall; atomic */
};

static inline struct smmuv3_viommu *smmuv3_viommu_of(const struct viommu *v)
{
	return container_of(v, struct smmuv3_viommu, viommu);
}

/* Everything of a vIOMMU's structure that all kinds have; @v is zeroed but for its viommu. */
void smmuv3_viommu_begin(struct viommu *v);
void smmuv3_viommu_end(struct viommu *v);
/* VIO.A3 and VIO.A6, as Linux finds out: may @parent carry a vIOMMU of @i? */
int smmuv3_check_parent(const struct viommu *v);

/* The make's (struct iommu_make). */
const struct viommu_ops *smmuv3_viommu_type(struct requester *r, uint32_t type);
extern const struct viommu_ops smmuv3_tegra_ops, smmuv3_own_ops;

/* nested.c */
int smmuv3_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
			struct domain **out);
/* The vIOMMU that a nested domain belongs to. */
struct smmuv3_viommu *smmuv3_domain_viommu(struct domain *d);
/* What nested.c leaves in a context for event.c. */
struct smmuv3_note {
	struct smmuv3_cd cd;
};

/* event.c */
/* A structure that could not be read (@gpa), or that is illegal. -EFAULT. */
int smmuv3_config_fault(const struct nested_request *q, enum smmuv3_event_id id,
			const struct nested_fault *f, uint64_t gpa);
/* Stage 2 stands in the way of a structure. -EFAULT. */
int smmuv3_stage2_fault(const struct nested_request *q, const struct nested_fault *f);
int smmuv3_nested_fault(const struct nested_request *q, const struct nested_context *ctx,
			const struct nested_fault *f);

/* invalidate.c */

/* Commands in one order. Begins as smmuv3_batch_begin() leaves it. */
struct smmuv3_batch {
	struct smmuv3_viommu *v;
	bool posted;	 /* something waits for a sync */
	unsigned int nr; /* TLBIs that are still to be posted; what follows may be joined to the
			    last */
	struct nested_range ranges[NESTED_RANGES];
};
/* Without clearing what is not used yet. */
static inline void smmuv3_batch_begin(struct smmuv3_batch *b, struct smmuv3_viommu *v)
{
	b->v = v;
	b->posted = false;
	b->nr = 0;
}
/* A decoded invalidation. 0; -ENOENT: there is no such stream. */
int smmuv3_batch_add(struct smmuv3_batch *b, const struct smmuv3_command *c);
/* Returns when all of them are done. */
void smmuv3_batch_end(struct smmuv3_batch *b);
int smmuv3_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The make smmuv3: Arm's SMMUv3 (IHI 0070) as Linux 7.3 drives it, with pages of the CPU's size.
 *
 * A domain is a stage 1 table where there is a stage 1, and a stage 2 table for a nest parent.
 * PASIDs need a stage 1 for the RID too: their context descriptors stand in the same table.
 */
#ifndef IOAS_IOMMU_SMMUV3_SMMUV3_H
#define IOAS_IOMMU_SMMUV3_SMMUV3_H

#include "iommu/iommu.h"
#include "iommu/smmuv3/context.h"

struct smmuv3 {
	struct smmuv3_ids ids;
	uint32_t iidr, aidr;
	unsigned int oas, pasid_bits;
	bool nesting, cmdqv;
	uint32_t vintfs; /* of the CMDQV that guests have; atomic */
	bool canwbs;	 /* firmware: what the devices access is kept coherent whatever they ask */
};

/* What a Tegra241's CMDQV has: interfaces, and for each of them queues and stream ID slots. */
#define SMMUV3_CMDQV_VERSION 1
#define SMMUV3_CMDQV_VINTFS  64
#define SMMUV3_CMDQV_QUEUES  2
#define SMMUV3_CMDQV_SLOTS   16

/* The ID registers that the options ask for. -EINVAL with a sentence in @why. */
int smmuv3_init_caps(struct smmuv3 *s, const struct options *o, char *why, size_t why_len);
extern const struct option_key smmuv3_options[];

static inline bool smmuv3_has(const struct smmuv3 *s, unsigned int reg, uint32_t bits)
{
	return (s->ids.idr[reg] & bits) == bits;
}

extern const struct iommu_make smmuv3_make;

#endif

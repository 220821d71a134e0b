/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SMMUv3 make: what its domains are, what can be attached beside what, and how it numbers
 * faults.
 */
#include "iommu/smmuv3/smmuv3.h"

#include <errno.h>
#include <ioas/abi/iommufd.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/requester.h"
#include "iommu/smmuv3/viommu.h"

/* Where Linux maps the interrupt controller's doorbells. */
#define MSI_START 0x8000000ull
#define MSI_LAST  0x80fffffull

/* Of IOVAs in stage 1: the CPU's own, with pages of 4 KiB. */
#define STAGE1_WIDTH 48
/* Stage 2 begins with up to 16 tables in the place of a level (DDI 0487, D8.2.2). */
#define MOST_ROOTS_LG2 4

#define SIZES (BIT(12) | BIT(21) | BIT(30)) /* Linux uses no contiguous leaves */

static int smmuv3_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct smmuv3 *s = ioas_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	rc = smmuv3_init_caps(s, o, why, why_len);
	if (rc) {
		ioas_free(s);
		return rc;
	}
	i->make_data = s;
	i->caps = (struct iommu_caps){
		.dirty = field_get(SMMUV3_IDR0_HTTU, s->ids.idr[0]) == SMMUV3_HTTU_DIRTY &&
			 smmuv3_has(s, 0, SMMUV3_IDR0_S1P),
		.enforce_coherency = s->canwbs,
		.ats_not_supported = true,
		.max_pasid_log2 = (uint8_t)s->pasid_bits,
		.coherent_walk = true,
		.user_pasid_table = s->nesting,
		.ats = smmuv3_has(s, 0, SMMUV3_IDR0_ATS),
		.ias = STAGE1_WIDTH,
		.oas = (uint8_t)s->oas,
		.page_sizes = SIZES,
	};
	return 0;
}

static void smmuv3_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

static int cmdqv_hw_info(uint32_t *type, void *buf, size_t *len)
{
	const struct iommu_hw_info_tegra241_cmdqv info = {
		.version = SMMUV3_CMDQV_VERSION,
		.log2vcmdqs = (uint8_t)log2_floor(SMMUV3_CMDQV_QUEUES),
		.log2vsids = (uint8_t)log2_floor(SMMUV3_CMDQV_SLOTS),
	};

	memcpy(buf, &info, min_u64(*len, sizeof(info)));
	*len = sizeof(info);
	*type = IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV;
	return 0;
}

static int smmuv3_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len)
{
	const struct smmuv3 *s = i->make_data;
	struct iommu_hw_info_arm_smmuv3 info = {.iidr = s->iidr, .aidr = s->aidr};

	if (in_type == IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV && s->cmdqv)
		return cmdqv_hw_info(type, buf, len);
	if (in_type && in_type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		return -EOPNOTSUPP;
	memcpy(info.idr, s->ids.idr, sizeof(info.idr));
	memcpy(buf, &info, min_u64(*len, sizeof(info)));
	*len = sizeof(info);
	*type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
	return 0;
}

static void stage1_config(const struct smmuv3 *s, uint32_t flags, struct pt_config *pt)
{
	*pt = (struct pt_config){
		.ops = &pt_arm64_s1_4k,
		.levels = (STAGE1_WIDTH - PAGE_SHIFT) / 9,
		.ias = STAGE1_WIDTH,
		.oas = s->oas,
		.page_sizes = SIZES,
		.flags = flags & DOMAIN_DIRTY ? PT_DIRTY : 0,
	};
}

/* As wide as physical addresses; where a root of several tables saves a level, it does. */
static void stage2_config(const struct smmuv3 *s, uint32_t flags, struct pt_config *pt)
{
	unsigned int bits = s->oas - PAGE_SHIFT, levels = (bits + 8) / 9;

	if (bits - 9 * (levels - 1) <= MOST_ROOTS_LG2)
		levels--;
	*pt = (struct pt_config){
		.ops = &pt_arm64_s2_4k,
		.levels = levels,
		.ias = s->oas,
		.oas = s->oas,
		.page_sizes = SIZES,
		.flags = flags & DOMAIN_NEST_PARENT && smmuv3_has(s, 3, SMMUV3_IDR3_FWB) ? PT_S2FWB
											 : 0,
	};
}

/* 4.2. */
static int smmuv3_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
				const struct user_data *data, struct domain_config *cfg)
{
	const struct smmuv3 *s = i->make_data;
	bool stage1 = smmuv3_has(s, 0, SMMUV3_IDR0_S1P);

	if (data || flags & ~(uint32_t)(DOMAIN_NEST_PARENT | DOMAIN_DIRTY | DOMAIN_PASID))
		return -EOPNOTSUPP;
	if (flags & DOMAIN_NEST_PARENT) {
		if (flags != DOMAIN_NEST_PARENT || !s->nesting ||
		    !smmuv3_has(s, 0, SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P))
			return -EOPNOTSUPP;
	} else if (stage1) {
		if (flags & DOMAIN_DIRTY && !i->caps.dirty)
			return -EOPNOTSUPP;
		stage1_config(s, flags, &cfg->pt);
		return 0;
	} else if (flags) {
		return -EOPNOTSUPP;
	}
	stage2_config(s, flags, &cfg->pt);
	return 0;
}

static bool is_stage1(struct domain *d)
{
	return domain_pt(d) && domain_pt(d)->ops == &pt_arm64_s1_4k;
}

/*
 * PASIDs are context descriptors, and the RID's stage 1 is the first of the same table: without
 * that, or with a stage 2 in its place, the stream table entry points at none.
 */
static int smmuv3_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old)
{
	struct domain *rid = requester_domain(r);

	if (!d || domain_is_nested(d))
		return 0;
	if (pasid != IOMMU_NO_PASID)
		return is_stage1(d) && (!rid || is_stage1(rid)) ? 0 : -EINVAL;
	if (!is_stage1(d) && requester_has_pasids(r))
		return -EBUSY;
	requester_set_ats(r, true);
	return 0;
}

static size_t smmuv3_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	if (max)
		out[0] = (struct iommu_region){.start = MSI_START, .last = MSI_LAST, .msi = true};
	return 1;
}

/* A blocked stream's entry says "abort", which records no event. */
static uint32_t smmuv3_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	switch (f->reason) {
	case FAULT_BLOCKED:
		return f->pasid == IOMMU_NO_PASID ? SMMUV3_EVENT_NONE : SMMUV3_C_BAD_SUBSTREAMID;
	case FAULT_ADDRESS:
	case FAULT_NOT_PRESENT:
	case FAULT_GONE:
		return SMMUV3_F_TRANSLATION;
	case FAULT_READ:
	case FAULT_WRITE:
		return SMMUV3_F_PERMISSION;
	case FAULT_MSI:
		return f->access == IOMMU_WRITE ? SMMUV3_F_TRANSLATION : SMMUV3_F_PERMISSION;
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make smmuv3_make = {
	.name = "smmuv3",
	.summary = "Arm SMMUv3: stage 1 and stage 2 tables, PASIDs, an interrupt window at 128 MiB",
	.keys = smmuv3_options,
	.init = smmuv3_init,
	.fini = smmuv3_fini,
	.hw_info = smmuv3_hw_info,
	.domain_config = smmuv3_domain_config,
	.regions = smmuv3_regions,
	.fault_code = smmuv3_fault_code,
	.attach = smmuv3_attach,
	.viommu_type = smmuv3_viommu_type,
	.pasids = true,
	.messages_after_stage1 = true,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The POWER make: what its domains are, and how it numbers faults.
 */
#include "iommu/power/power.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

static int power_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct power *p = ioas_calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	rc = power_init_caps(p, o, why, why_len);
	if (rc) {
		ioas_free(p);
		return rc;
	}
	i->make_data = p;
	i->caps = (struct iommu_caps){
		.ats_not_supported = true,
		.coherent_walk = true,
		.ias = (uint8_t)p->window_lg2,
		.oas = (uint8_t)p->ops->max_oas,
		.page_sizes = p->ops->page_sizes,
	};
	return 0;
}

static void power_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

static int power_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			       const struct user_data *data, struct domain_config *cfg)
{
	const struct power *p = i->make_data;

	if (data || flags)
		return -EOPNOTSUPP;
	cfg->pt = (struct pt_config){
		.ops = p->ops,
		.levels = p->levels,
		.ias = p->window_lg2,
	};
	return 0;
}

static size_t power_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	return 0;
}

static uint32_t frozen(unsigned int type)
{
	return (uint32_t)(POWER_PESTA_FROZEN | field_prep(POWER_PESTA_TYPE, type));
}

static uint32_t power_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	switch (f->reason) {
	case FAULT_BLOCKED:
	case FAULT_ADDRESS:
	case FAULT_NOT_PRESENT:
	case FAULT_READ:
	case FAULT_WRITE:
	case FAULT_GONE:
		return frozen(f->access & IOMMU_WRITE ? POWER_TYPE_DMA_WRITE : POWER_TYPE_DMA_READ);
	case FAULT_MSI:
		return frozen(POWER_TYPE_MSI);
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make power_make = {
	.name = "power",
	.summary =
		"POWER: translation control entries in 1 to 5 levels, pages of 4K, 64K, 2M or 16M",
	.keys = power_options,
	.init = power_init,
	.fini = power_fini,
	.hw_info = iommu_no_hw_info,
	.domain_config = power_domain_config,
	.regions = power_regions,
	.fault_code = power_fault_code,
};

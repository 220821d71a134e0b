/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The s390 make: what its domains are, and how it numbers faults.
 */
#include "iommu/s390/s390.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int s390_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct s390 *s = ioas_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	rc = s390_init_caps(s, o, why, why_len);
	if (rc) {
		ioas_free(s);
		return rc;
	}
	i->make_data = s;
	i->caps = (struct iommu_caps){
		.ats_not_supported = true,
		.coherent_walk = true,
		.ias = (uint8_t)(log2_floor(s390_table_last(s)) + 1),
		.oas = 64,
		.page_sizes = PAGE_SIZE,
	};
	return 0;
}

static void s390_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

/* Linux uses no pages of 1 MiB. */
static int s390_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			      const struct user_data *data, struct domain_config *cfg)
{
	const struct s390 *s = i->make_data;

	if (data || flags)
		return -EOPNOTSUPP;
	cfg->pt = (struct pt_config){
		.ops = &pt_s390,
		.levels = s->levels,
		.page_sizes = PAGE_SIZE,
	};
	return 0;
}

static size_t s390_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	const struct s390 *s = i->make_data;
	struct iommu_region all[2];
	size_t n = 0;

	if (s->start_dma)
		all[n++] = (struct iommu_region){.start = 0, .last = s->start_dma - 1};
	if (s->end_dma < s390_table_last(s))
		all[n++] =
			(struct iommu_region){.start = s->end_dma + 1, .last = s390_table_last(s)};
	memcpy(out, all, min_u64(n, max) * sizeof(*out));
	return n;
}

static uint32_t s390_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	const struct s390 *s = i->make_data;

	switch (f->reason) {
	case FAULT_BLOCKED:
		return S390_INVALID_SPACE;
	case FAULT_ADDRESS:
	case FAULT_NOT_PRESENT:
		if (f->iova < s->start_dma || f->iova > s->end_dma)
			return S390_OUT_OF_RANGE;
		return S390_INVALID_ENTRY;
	case FAULT_READ:
	case FAULT_WRITE:
		return S390_PROTECTED;
	case FAULT_GONE:
	case FAULT_MSI:
		return S390_INVALID_ENTRY;
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make s390_make = {
	.name = "s390",
	.summary =
		"s390 zPCI: region, segment and page tables, pages of 4 KiB, IOVAs from 4 GiB on",
	.keys = s390_options,
	.init = s390_init,
	.fini = s390_fini,
	.hw_info = iommu_no_hw_info,
	.domain_config = s390_domain_config,
	.regions = s390_regions,
	.fault_code = s390_fault_code,
};

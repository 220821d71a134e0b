/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RISC-V make: what its domains are, and how it numbers faults.
 */
#include "iommu/riscv/riscv.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

static int riscv_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct riscv *v = ioas_calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return -ENOMEM;
	rc = riscv_init_caps(v, o, why, why_len);
	if (rc) {
		ioas_free(v);
		return rc;
	}
	i->make_data = v;
	i->caps = (struct iommu_caps){
		.ats_not_supported = true,
		.coherent_walk = true,
		.ias = (uint8_t)(v->width - 1),
		.oas = (uint8_t)field_get(RISCV_CAP_PAS, v->capabilities),
		.page_sizes = pt_riscv_s1.page_sizes,
	};
	return 0;
}

static void riscv_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

/* 4.2. */
static int riscv_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			       const struct user_data *data, struct domain_config *cfg)
{
	const struct riscv *v = i->make_data;

	if (data || flags)
		return -EOPNOTSUPP;
	cfg->pt = (struct pt_config){
		.ops = &pt_riscv_s1,
		.levels = (v->width - PAGE_SHIFT) / 9,
		.ias = v->width,
		.oas = i->caps.oas,
		.flags = v->capabilities & RISCV_CAP_SVPBMT ? PT_SVPBMT : 0,
	};
	return 0;
}

/* Linux's driver names none: interrupt files are found by address, and their pages mapped. */
static size_t riscv_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	return 0;
}

static uint32_t riscv_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	bool write = f->access & IOMMU_WRITE;

	switch (f->reason) {
	case FAULT_BLOCKED:
		return RISCV_CAUSE_DDT_INVALID;
	case FAULT_ADDRESS:
	case FAULT_NOT_PRESENT:
		return write ? RISCV_CAUSE_WRITE_PAGE : RISCV_CAUSE_READ_PAGE;
	case FAULT_READ:
		return RISCV_CAUSE_READ_PAGE;
	case FAULT_WRITE:
		return RISCV_CAUSE_WRITE_PAGE;
	case FAULT_GONE:
	case FAULT_MSI:
		return write ? RISCV_CAUSE_WRITE_ACCESS : RISCV_CAUSE_READ_ACCESS;
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make riscv_make = {
	.name = "riscv",
	.summary = "RISC-V IOMMU: first-stage tables Sv39, Sv48 or Sv57, pages of 64 KiB too",
	.keys = riscv_options,
	.init = riscv_init,
	.fini = riscv_fini,
	.hw_info = iommu_no_hw_info,
	.domain_config = riscv_domain_config,
	.regions = riscv_regions,
	.fault_code = riscv_fault_code,
};

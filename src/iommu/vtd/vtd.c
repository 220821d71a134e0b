/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VT-d make: what its domains are, and how it numbers faults.
 */
#include "iommu/vtd/vtd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/domain.h"
#include "iommu/vtd/viommu.h"

#define HW_INFO_INTEL_VTD 1 /* 16.4 */

/* 16.3, iommu_hw_info_vtd. Linux sets the flag whatever the hardware. */
#define HW_INFO_ERRATA_772415 BIT(0)
struct hw_info_vtd {
	uint32_t flags;
	uint32_t reserved;
	uint64_t cap_reg;
	uint64_t ecap_reg;
};
_Static_assert(sizeof(struct hw_info_vtd) == 24, "ABI");

/* 3.14: writes to it are interrupt messages and no page table is asked. */
#define INTERRUPT_START 0xfee00000ull
#define INTERRUPT_LAST	0xfeefffffull
#define REMAPPABLE	BIT(4) /* 5.1.2.2, of a message's address */

static int vtd_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct vtd *v = ioas_calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return -ENOMEM;
	rc = vtd_init_caps(v, o, why, why_len);
	if (rc) {
		ioas_free(v);
		return rc;
	}
	vtd_limit_caps(v, &i->limits);
	i->make_data = v;
	i->caps = (struct iommu_caps){
		.dirty = v->ecap & VTD_ECAP_SSADS,
		.enforce_coherency = v->ecap & VTD_ECAP_SC,
		.ats_not_supported = true,
		.ats = v->ecap & VTD_ECAP_DT,
		.pri = v->ecap & VTD_ECAP_PRS,
		.coherent_walk = v->ecap & (vtd_scalable(v) ? VTD_ECAP_SMPWCS : VTD_ECAP_C),
		.max_pasid_log2 = (uint8_t)v->pasid_bits,
		.ias = (uint8_t)v->aw,
		.oas = 52,
		.page_sizes = v->page_sizes,
	};
	return 0;
}

static void vtd_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

static int vtd_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len)
{
	const struct vtd *v = i->make_data;
	struct hw_info_vtd info = {
		.flags = HW_INFO_ERRATA_772415,
		.cap_reg = v->cap,
		.ecap_reg = v->ecap,
	};

	if (in_type && in_type != HW_INFO_INTEL_VTD)
		return -EOPNOTSUPP;
	memcpy(buf, &info, min_u64(*len, sizeof(info)));
	*len = sizeof(info);
	*type = HW_INFO_INTEL_VTD;
	return 0;
}

/* Of four levels, or of five where IOVAs are wide enough for them; half of the addresses are the
 * upper half's, which Linux does not hand out. */
static struct pt_config first_stage(const struct iommu *i, const struct vtd *v)
{
	unsigned int levels = v->aw > 48 ? 5 : 4;

	return (struct pt_config){
		.ops = &pt_vtd_fs,
		.levels = levels,
		.ias = v->aw,
		.oas = i->caps.oas,
		.page_sizes = v->page_sizes,
	};
}

static struct pt_config second_stage(const struct iommu *i, const struct vtd *v, uint32_t flags)
{
	return (struct pt_config){
		.ops = &pt_vtd_ss,
		.levels = (v->aw - PAGE_SHIFT) / 9,
		.ias = v->aw,
		.oas = i->caps.oas,
		.page_sizes = v->page_sizes,
		.flags = flags & DOMAIN_DIRTY ? PT_DIRTY : 0,
	};
}

/* 4.2. PASID is accepted as it is by Linux on hardware without (attaching one is what fails). */
static int vtd_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			     const struct user_data *data, struct domain_config *cfg)
{
	const struct vtd *v = i->make_data;

	if (data || flags & ~(uint32_t)(DOMAIN_NEST_PARENT | DOMAIN_DIRTY | DOMAIN_PASID))
		return -EOPNOTSUPP;
	if (flags & DOMAIN_DIRTY && !(v->ecap & VTD_ECAP_SSADS))
		return -EOPNOTSUPP;
	if (flags & DOMAIN_NEST_PARENT && !vtd_nests(v))
		return -EOPNOTSUPP;
	if (v->ecap & VTD_ECAP_FSTS && !(flags & (DOMAIN_NEST_PARENT | DOMAIN_DIRTY)))
		cfg->pt = first_stage(i, v);
	else
		cfg->pt = second_stage(i, v, flags);
	/* Erratum 772415, which Linux takes all hardware to have. */
	cfg->only_writeable = flags & DOMAIN_NEST_PARENT;
	return 0;
}

/*
 * 7.2, in Linux's order: what the second stage needs; a domain whose faults are recoverable is for
 * devices that can ask for pages; then what the guest's stage wants.
 */
static int vtd_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old)
{
	const struct vtd *v = requester_iommu(r)->make_data;
	const struct domain *paging = d && d->nested ? d->parent : d;
	int rc;

	if (!d)
		return 0;
	if (paging->flags & DOMAIN_NEST_PARENT && !vtd_nests(v))
		return -EINVAL;
	if (d->recoverable && !requester_caps(r)->pri)
		return -ENODEV;
	rc = d->nested ? vtd_nested_check(d, v) : 0;
	/* A guest's own configuration switches it once more. */
	if (!rc && pasid == IOMMU_NO_PASID)
		requester_set_ats(r, true);
	return rc;
}

static size_t vtd_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	if (max)
		out[0] = (struct iommu_region){
			.start = INTERRUPT_START, .last = INTERRUPT_LAST, .msi = true};
	return 1;
}

/* 5.1.4: a message that the (empty) interrupt remapping table refuses, or a request that is no
 * message at all. */
static enum vtd_fault interrupt_fault(const struct vtd *v, const struct iommu_fault *f)
{
	if (f->access != IOMMU_WRITE || f->len != 4 || f->iova % 4)
		return vtd_scalable(v) ? VTD_FAULT_SM_INTERRUPT_RANGE : VTD_FAULT_INTERRUPT_RANGE;
	return f->iova & REMAPPABLE ? VTD_FAULT_IRTE_NOT_PRESENT
				    : VTD_FAULT_COMPATIBILITY_INTERRUPT;
}

/* A second-stage entry has no present bit, only permissions; a request that lacks both is a write
 * (7.3). */
static enum vtd_fault permission_fault(const struct vtd *v, bool write)
{
	if (vtd_scalable(v))
		return write ? VTD_FAULT_SM_WRITE : VTD_FAULT_SM_READ;
	return write ? VTD_FAULT_WRITE : VTD_FAULT_READ;
}

static uint32_t vtd_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	const struct vtd *v = i->make_data;

	switch (f->reason) {
	case FAULT_BLOCKED:
		return vtd_scalable(v) ? VTD_FAULT_PASID_NOT_PRESENT
				       : VTD_FAULT_CONTEXT_NOT_PRESENT;
	case FAULT_ADDRESS:
		if (f->format == &pt_vtd_fs)
			return VTD_FAULT_NOT_CANONICAL;
		return vtd_scalable(v) ? VTD_FAULT_SM_BEYOND_INPUT : VTD_FAULT_BEYOND_MGAW;
	case FAULT_NOT_PRESENT:
	case FAULT_GONE:
		if (f->format == &pt_vtd_fs)
			return VTD_FAULT_FS_NOT_PRESENT;
		return permission_fault(v, f->access & IOMMU_WRITE);
	case FAULT_READ:
		return permission_fault(v, false);
	case FAULT_WRITE:
		return permission_fault(v, true);
	case FAULT_MSI:
		return interrupt_fault(v, f);
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make vtd_make = {
	.name = "vtd",
	.summary =
		"Intel VT-d: second-stage tables of 3, 4 or 5 levels, first-stage ones of 4 or 5",
	.keys = vtd_options,
	.init = vtd_init,
	.fini = vtd_fini,
	.hw_info = vtd_hw_info,
	.domain_config = vtd_domain_config,
	.regions = vtd_regions,
	.fault_code = vtd_fault_code,
	.attach = vtd_attach,
	.domain_alloc_nested = vtd_alloc_nested,
	.viommu_type = vtd_viommu_type,
	.pasids = true,
};

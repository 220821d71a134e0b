/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The AMD make: what its domains are, and how it numbers faults.
 */
#include "iommu/amd/amd.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/amd/viommu.h"

#define HW_INFO_AMD 4 /* 16.4 */

/* 16.3, iommu_hw_info_amd. */
struct hw_info_amd {
	uint64_t efr;
	uint64_t efr2;
};
_Static_assert(sizeof(struct hw_info_amd) == 16, "ABI");

/* 2.1.2, special address ranges. */
#define INTERRUPT_START 0xfee00000ull
#define INTERRUPT_LAST	0xfeefffffull
#define HT_START	0xfd00000000ull
#define HT_LAST		0xffffffffffull

static unsigned int host_width(const struct amd *a)
{
	return (unsigned int)min_u64(12 + 9 * a->levels, 64);
}

/* Half of what the levels hold: as Linux makes them, for requests with PASIDs, whose addresses are
 * sign-extended, and for those without, whose are not. */
static unsigned int guest_width(const struct amd *a)
{
	return a->guest_levels ? 12 + 9 * a->guest_levels - 1 : 0;
}

static int amd_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct amd *a = ioas_calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = amd_init_caps(a, o, why, why_len);
	if (rc) {
		ioas_free(a);
		return rc;
	}
	pthread_mutex_init(&a->lock, NULL);
	ids_init(&a->ids);
	i->make_data = a;
	i->caps = (struct iommu_caps){
		.dirty = a->efr & AMD_EFR_HDSUP,
		.enforce_coherency = true,
		.ats_not_supported = true,
		.ats = a->ats,
		.pri = a->efr & AMD_EFR_PPRSUP,
		.max_pasid_log2 = (uint8_t)a->pasid_bits,
		.coherent_walk = true,
		.ias = (uint8_t)max_u64(host_width(a), guest_width(a)),
		.oas = 52,
		.page_sizes = ~PAGE_MASK,
		.user_pasid_table = a->nesting,
	};
	return 0;
}

static void amd_fini(struct iommu *i)
{
	struct amd *a = i->make_data;

	ids_destroy(&a->ids);
	pthread_mutex_destroy(&a->lock);
	ioas_free(a);
}

static int amd_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len)
{
	const struct amd *a = i->make_data;
	struct hw_info_amd info = {.efr = a->efr, .efr2 = a->efr2};

	if (in_type && in_type != HW_INFO_AMD)
		return -EOPNOTSUPP;
	memcpy(buf, &info, min_u64(*len, sizeof(info)));
	*len = sizeof(info);
	*type = HW_INFO_AMD;
	return 0;
}

/* Linux says of all of its domains that they are coherent; host tables say so in every leaf (FC).
 */
static struct pt_config host_table(const struct amd *a, uint32_t flags)
{
	return (struct pt_config){
		.ops = &pt_amdv1,
		.levels = a->levels,
		.ias = host_width(a),
		.oas = 52,
		.flags = PT_COHERENT | (flags & DOMAIN_DIRTY ? PT_DIRTY : 0),
	};
}

static struct pt_config guest_table(const struct amd *a)
{
	return (struct pt_config){
		.ops = &pt_amdv2,
		.levels = a->guest_levels,
		.ias = guest_width(a),
		.oas = 52,
		.flags = PT_COHERENT | PT_UNSIGNED,
	};
}

/* A nest parent is under GCR3 tables and what they lead to. */
static bool can_be_parent(const struct amd *a)
{
	return a->efr & AMD_EFR_GTSUP && a->efr & AMD_EFR_GIOSUP && a->efr2 & AMD_EFR2_GCR3TRPMODE;
}

/* 4.2. */
static int amd_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			     const struct user_data *data, struct domain_config *cfg)
{
	const struct amd *a = i->make_data;

	if (data)
		return -EOPNOTSUPP;
	switch (flags) {
	case 0:
		cfg->pt = a->prefer_guest ? guest_table(a) : host_table(a, flags);
		return 0;
	case DOMAIN_DIRTY:
	case DOMAIN_NEST_PARENT:
	case DOMAIN_NEST_PARENT | DOMAIN_DIRTY:
		cfg->pt = host_table(a, flags);
		if (flags & DOMAIN_DIRTY && !i->caps.dirty)
			return -EOPNOTSUPP;
		return flags & DOMAIN_NEST_PARENT && !can_be_parent(a) ? -EOPNOTSUPP : 0;
	case DOMAIN_PASID:
		cfg->pt = guest_table(a);
		return a->guest_levels ? 0 : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

static size_t amd_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	const struct amd *a = i->make_data;
	const struct iommu_region all[] = {
		{.start = INTERRUPT_START, .last = INTERRUPT_LAST, .msi = true},
		{.start = HT_START, .last = HT_LAST},
	};
	size_t n = a->efr2 & AMD_EFR2_HTRANGEIGNORE ? 1 : 2;

	memcpy(out, all, min_u64(n, max) * sizeof(*out));
	return n;
}

static uint32_t page_fault(uint64_t flags)
{
	return AMD_EVENT_IO_PAGE_FAULT << 12 | (uint32_t)flags;
}

/* Bits 63:48 of the event log entry: the event code and its flags. */
static uint32_t amd_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	uint64_t rw = f->access & IOMMU_WRITE ? AMD_FAULT_RW : 0;

	switch (f->reason) {
	case FAULT_BLOCKED:
	case FAULT_READ:
	case FAULT_WRITE:
		return page_fault(AMD_FAULT_PR | AMD_FAULT_PE | rw);
	case FAULT_ADDRESS:
	case FAULT_NOT_PRESENT:
	case FAULT_GONE:
		return page_fault(0);
	case FAULT_MSI:
		/* 2.5.9: type 000b is a read or a non-posted write in the interrupt range. */
		if (f->access != IOMMU_WRITE)
			return AMD_EVENT_INVALID_DEVICE_REQUEST << 12;
		return page_fault(AMD_FAULT_I);
	case FAULT_BUS_MASTER:
	case FAULT_NO_PEER:
		break;
	}
	return 0;
}

const struct iommu_make amd_make = {
	.name = "amd",
	.summary =
		"AMD IOMMU: host (v1) tables of up to 6 levels, pages of every power of two; guest (v2) tables; nesting",
	.keys = amd_options,
	.init = amd_init,
	.fini = amd_fini,
	.hw_info = amd_hw_info,
	.domain_config = amd_domain_config,
	.regions = amd_regions,
	.fault_code = amd_fault_code,
	.attach = amd_attach,
	.viommu_type = amd_viommu_type,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's own IOMMU, on the makes that read its tables and consume its queue (extensions.h). */
#include "failures.h"

#include <ioas/abi/extensions.h>

#define TYPE(s)	  ((s)->nest_type)
#define ECAP_NEST (1ull << 26)

static uint32_t type_of(const char *make)
{
	return !strcmp(make, "vtd")   ? IOMMU_IOAS_VTD
	       : !strcmp(make, "amd") ? IOMMU_IOAS_AMD
				      : IOMMU_IOAS_SMMUV3;
}

/* What a guest would see of the host's own, with its tables at the start of the area. */
static uint32_t describe(struct scene *s, union wish *w)
{
	struct iommu_hw_info_vtd vtd = {0};
	struct iommu_hw_info info = {.size = sizeof(info),
				     .dev_id = s->devid[0],
				     .data_len = sizeof(vtd),
				     .data_uptr = (uintptr_t)&vtd};

	switch (TYPE(s)) {
	case IOMMU_IOAS_VTD:
		assert_int_equal(bed_ioctl(s->b, s->iommufd, IOMMU_GET_HW_INFO, &info), 0);
		w->vtd = (struct iommu_viommu_ioas_vtd){.cap_reg = vtd.cap_reg,
							.ecap_reg = vtd.ecap_reg & ~ECAP_NEST};
		return sizeof(w->vtd);
	case IOMMU_IOAS_AMD:
		w->amd = (struct iommu_viommu_ioas_amd){.devtab_base = IOVA,
							.devtab_length = PAGE_SIZE};
		return sizeof(w->amd);
	default:
		w->smmuv3 = (struct iommu_viommu_ioas_smmuv3){.strtab_base = IOVA,
							      .strtab_base_cfg = 6};
		return sizeof(w->smmuv3);
	}
}

/* An HWPT to nest on, of a host whose make this is. */
static void parent(struct scene *s)
{
	bound_with_areas(s);
	s->nest_type = type_of(s->b->host->iommu->make->name);
	s->wish_len = describe(s, &s->wish);
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0],
				  IOMMU_HWPT_ALLOC_NEST_PARENT, 0, &s->parent),
			 0);
}

static long viommu(struct scene *s)
{
	union wish wish = s->wish;
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = TYPE(s),
					 .dev_id = s->devid[0],
					 .hwpt_id = s->parent,
					 .data_len = s->wish_len,
					 .data_uptr = (uintptr_t)&wish};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_VIOMMU_ALLOC, &cmd);

	s->viommu = cmd.out_viommu_id;
	return rc;
}

static void with_viommu(struct scene *s)
{
	parent(s);
	assert_int_equal(viommu(s), 0);
}

static void with_vdevice(struct scene *s)
{
	with_viommu(s);
	assert_int_equal(alloc_vdevice(s), 0);
}

static long veventq(struct scene *s)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = s->viommu, .type = TYPE(s), .veventq_depth = 2};

	return bed_ioctl(s->b, s->iommufd, IOMMU_VEVENTQ_ALLOC, &cmd);
}

static long nested(struct scene *s)
{
	uint8_t data[8] = {0};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .dev_id = s->devid[0],
				       .pt_id = s->viommu,
				       .data_type = TYPE(s),
				       .data_len = sizeof(data),
				       .data_uptr = (uintptr_t)data};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	s->nested = cmd.out_hwpt_id;
	return rc;
}

static void with_nested(struct scene *s)
{
	with_vdevice(s);
	assert_int_equal(nested(s), 0);
}

static long attach(struct scene *s)
{
	uint32_t pt = s->nested;

	return attach_cmd(s->b, s->dev[0], &pt);
}

static long queue(struct scene *s)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = s->viommu,
					   .type = TYPE(s),
					   .nesting_parent_iova = IOVA + 16 * PAGE_SIZE,
					   .length = PAGE_SIZE};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	s->hw_queue = cmd.out_hw_queue_id;
	return rc;
}

static void with_queue(struct scene *s)
{
	with_viommu(s);
	assert_int_equal(queue(s), 0);
}

static long kick(struct scene *s)
{
	struct iommu_hw_queue_kick cmd = {.size = sizeof(cmd), .hw_queue_id = s->hw_queue};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HW_QUEUE_KICK, &cmd);
}

static long destroy_queue(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->hw_queue);
}

#define ON(make, name, ...)                                                                        \
	{                                                                                          \
		name, __VA_ARGS__, .only = make ",nesting=on"                                      \
	}
#define ON_ALL(...) ON("vtd", __VA_ARGS__), ON("amd", __VA_ARGS__), ON("smmuv3", __VA_ARGS__)

static const struct failing cases[] = {
	ON_ALL("VIOMMU_ALLOC", parent, viommu),
	ON_ALL("VDEVICE_ALLOC", with_viommu, alloc_vdevice),
	ON_ALL("VEVENTQ_ALLOC", with_viommu, veventq),
	ON_ALL("HWPT_ALLOC, nested", with_vdevice, nested),
	ON_ALL("ATTACH a nested HWPT", with_nested, attach),
	ON_ALL("HW_QUEUE_ALLOC", with_viommu, queue),
	ON("smmuv3", "HW_QUEUE_KICK", with_queue, kick, .none = true),
	ON_ALL("DESTROY of a HW queue", with_queue, destroy_queue, .none = true),
};

NOUN(failing_nesting, "nesting");

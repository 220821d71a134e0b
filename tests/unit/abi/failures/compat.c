/* SPDX-License-Identifier: BSD-3-Clause */
/* An iommufd in the place of a container. */
#include "failures.h"

static long compat_map(struct scene *s)
{
	return type1_map_cmd(s->b, s->iommufd, 1ull << 38, s->b->arena, ARENA_SIZE / 2);
}

static long compat_cut(struct scene *s)
{
	return type1_unmap_cmd(s->b, s->iommufd, IOVA + 8 * PAGE_SIZE, 8 * PAGE_SIZE);
}

static long api_version(struct scene *s)
{
	return bed_ioctl(s->b, s->iommufd, VFIO_GET_API_VERSION, NULL);
}

static long check_extension(struct scene *s)
{
	return bed_ioctl(s->b, s->iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU);
}

static long set_iommu(struct scene *s)
{
	return bed_ioctl(s->b, s->iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU);
}

static long unmap_everything(struct scene *s)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = offsetof(struct vfio_iommu_type1_dma_unmap, data),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL};

	return bed_ioctl(s->b, s->iommufd, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

static const struct failing cases[] = {
	{"GET_API_VERSION", compat, api_version, .none = true},
	{"CHECK_EXTENSION", compat_device, check_extension, .none = true},
	{"SET_IOMMU", compat, set_iommu, .none = true},
	{"UNMAP_DMA of all", compat_device, unmap_everything, .stays = true, .none = true},
	{"MAP_DMA", compat_device, compat_map},
	{"UNMAP_DMA, two cuts", compat_device, compat_cut, .stays = true, .but = {"    area "}},
	{"IOMMU_GET_INFO", compat_device, type1_info},
};

NOUN(failing_compat, "compat");

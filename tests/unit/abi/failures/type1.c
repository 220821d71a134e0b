/* SPDX-License-Identifier: BSD-3-Clause */
/* Type1. */
#include "failures.h"

static void type1_tracking(struct scene *s)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};

	type1_mapped(s);
	assert_int_equal(bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd), 0);
}

static long type1_map(struct scene *s)
{
	return type1_map_cmd(s->b, s->container, 1ull << 38, s->b->arena, ARENA_SIZE);
}

static long type1_unmap(struct scene *s)
{
	return type1_unmap_cmd(s->b, s->container, IOVA, 0x80000);
}

long type1_info(struct scene *s)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[512];
	} buf = {.info.argsz = sizeof(buf)};

	return bed_ioctl(s->b, s->container >= 0 ? s->container : s->iommufd, VFIO_IOMMU_GET_INFO,
			 &buf);
}

static long type1_start(struct scene *s)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static long type1_dirty(struct scene *s)
{
	uint64_t bitmap[16];
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} cmd = {{.argsz = sizeof(cmd), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP},
		 {.iova = IOVA,
		  .size = 0x80000,
		  .bitmap = {.pgsize = PAGE_SIZE, .size = sizeof(bitmap), .data = (void *)bitmap}}};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static long type1_stop(struct scene *s)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static long unmap_with(struct scene *s, uint32_t flags)
{
	bool all = flags & VFIO_DMA_UNMAP_FLAG_ALL;
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = offsetof(struct vfio_iommu_type1_dma_unmap, data),
		.flags = flags,
		.iova = all ? 0 : IOVA,
		.size = all ? 0 : 0x80000};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

static long unmap_everything(struct scene *s)
{
	return unmap_with(s, VFIO_DMA_UNMAP_FLAG_ALL);
}

static long invalidate_vaddr(struct scene *s)
{
	return unmap_with(s, VFIO_DMA_UNMAP_FLAG_VADDR);
}

static void type1_no_vaddr(struct scene *s)
{
	type1_mapped(s);
	assert_int_equal(invalidate_vaddr(s), 0);
}

/* What was mapped first gets its memory back. */
static long remap_vaddr(struct scene *s)
{
	struct vfio_iommu_type1_dma_map cmd = {.argsz = sizeof(cmd),
					       .flags = VFIO_DMA_MAP_FLAG_VADDR,
					       .vaddr = (uintptr_t)s->b->arena,
					       .iova = IOVA,
					       .size = 0x10000};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_MAP_DMA, &cmd);
}

static long unmap_dirty(struct scene *s)
{
	uint64_t bitmap[16];
	struct {
		struct vfio_iommu_type1_dma_unmap head;
		struct vfio_bitmap bitmap;
	} cmd = {{.argsz = sizeof(cmd),
		  .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		  .iova = IOVA,
		  .size = 0x80000},
		 {.pgsize = PAGE_SIZE, .size = sizeof(bitmap), .data = (void *)bitmap}};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

static const struct failing cases[] = {
	{"MAP_DMA", type1_mapped, type1_map},
	{"UNMAP_DMA", type1_mapped, type1_unmap, .stays = true, .none = true},
	{"UNMAP_DMA of all", type1_mapped, unmap_everything, .stays = true, .none = true},
	{"UNMAP_DMA of VAs", type1_mapped, invalidate_vaddr, .stays = true, .none = true},
	{"UNMAP_DMA with a bitmap", type1_tracking, unmap_dirty, .stays = true, .none = true},
	{"MAP_DMA of a VA", type1_no_vaddr, remap_vaddr, .none = true},
	{"IOMMU_GET_INFO", type1, type1_info},
	{"DIRTY_PAGES START", type1_mapped, type1_start, .none = true},
	{"DIRTY_PAGES STOP", type1_tracking, type1_stop, .none = true},
	{"DIRTY_PAGES GET", type1_tracking, type1_dirty, .none = true},
};

NOUN(failing_type1, "type1");

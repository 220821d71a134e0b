/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_GET_INFO of type1 and type1v2: section 11.5. */
#include "vfio_fixture.h"

#include <sys/mman.h>

#define IOVA 0x100000ull

static struct vfio v;

static int get_info(void *info)
{
	return abi_ioctl(v.container, VFIO_IOMMU_GET_INFO, info);
}

static void envelope(void)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) }, *at;
	void *page;

	if (abi_row("11.5.1", "EFAULT")) {
		abi_errno(get_info(NULL), EFAULT);
		abi_errno(get_info(abi_at_the_edge(&info, 15)), EFAULT);
		page = abi_read_only(&info, sizeof(info));
		abi_errno(get_info(page), EFAULT);
		abi_read_only_put(page);
	}
	if (abi_row("11.5.1", "argsz")) {
		info = (struct vfio_iommu_type1_info){ .argsz = 15, .flags = 0x55 };
		abi_errno(get_info(&info), EINVAL);
		abi_equal(info.argsz, 15);
		abi_equal(info.flags, 0x55);
	}
	if (abi_row("11.5", "the smallest argsz: nothing is written behind it")) {
		info = (struct vfio_iommu_type1_info){ .argsz = 16 };
		at = abi_at_the_edge(&info, 16);
		abi_errno(get_info(at), 0);
		abi_equal(at->flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
		abi_true(at->argsz > sizeof(info), "argsz is %u", at->argsz);
		abi_true(at->iova_pgsizes & PAGE, "page sizes %#jx", (uintmax_t)at->iova_pgsizes);
		abi_equal(at->iova_pgsizes & (PAGE - 1), 0);
	}
	if (abi_row("11.5", "too small for the chain: what it would take")) {
		info = (struct vfio_iommu_type1_info){ .argsz = sizeof(info), .cap_offset = 7 };
		abi_errno(get_info(&info), 0);
		abi_true(info.argsz > sizeof(info), "argsz is %u", info.argsz);
		abi_equal(info.cap_offset, 0);
	}
}

static void chain_sizes(void)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) }, *info;
	uint32_t need;

	if (!abi_row("11.5", "one byte too few, exactly enough, more"))
		return;
	abi_errno(get_info(&head), 0);
	need = head.argsz;
	info = malloc(need + 64);
	for (uint32_t argsz = need - 1; argsz <= need + 64; argsz += argsz < need ? 1 : 64) {
		memset(info, 0xaa, need + 64);
		info->argsz = argsz;
		abi_errno(get_info(info), 0);
		abi_equal(info->argsz, argsz < need ? need : argsz);
		abi_equal(info->cap_offset, argsz < need ? 0 : sizeof(*info));
		/* Nothing of the chain is written if not all of it fits. */
		abi_equal(((uint8_t *)info)[sizeof(*info)] == 0xaa, argsz < need);
		abi_equal(((uint8_t *)info)[need], 0xaa);
	}
	free(info);
}

static void ranges_are_sane(const struct vfio_iommu_type1_info_cap_iova_range *cap)
{
	abi_true(cap->nr_iovas > 0, "no ranges");
	for (uint32_t i = 0; i < cap->nr_iovas; i++) {
		const struct vfio_iova_range *r = &cap->iova_ranges[i];

		abi_true(r->start < r->end, "range %u is empty", i);
		abi_true(!i || cap->iova_ranges[i - 1].end < r->start, "range %u is not behind %u",
			 i, i - 1);
	}
}

static void chain(void)
{
	static const uint16_t order[] = {
		VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
		VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
	};
	struct vfio_iommu_type1_info *info = type1_info(v.container);
	struct vfio_iommu_type1_info_cap_migration *migration;
	uint32_t at = info->cap_offset;

	if (abi_row("11.5", "the chain's order")) {
		for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
			struct vfio_info_cap_header *cap = (void *)((char *)info + at);

			abi_equal(at % 8, 0);
			abi_true(at, "the chain ends before capability %u", order[i]);
			if (!at)
				break;
			abi_equal(cap->id, order[i]);
			abi_equal(cap->version, 1);
			at = cap->next;
		}
		abi_equal(at, 0);
	}
	if (abi_row("11.5", "MIGRATION")) {
		migration = info_cap(info, info->cap_offset, order[0]);
		abi_equal(migration->flags, 0);
		abi_equal(migration->pgsize_bitmap, PAGE);
		abi_equal(migration->max_dirty_bitmap_size, 256 << 20);
	}
	if (abi_row("11.5", "IOVA_RANGE"))
		ranges_are_sane(info_cap(info, info->cap_offset, order[2]));
	free(info);
}

static uint32_t entries_left(void)
{
	struct vfio_iommu_type1_info *info = type1_info(v.container);
	struct vfio_iommu_type1_info_dma_avail *cap =
		info_cap(info, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	uint32_t left = cap->avail;

	free(info);
	return left;
}

static void dma_avail(void)
{
	uint32_t all = entries_left();
	void *va = shared_pages(PAGE);

	if (abi_row("11.5", "DMA_AVAIL counts mappings")) {
		abi_errno(type1_map(v.container, IOVA, va, PAGE), 0);
		abi_equal(entries_left(), all - 1);
		abi_errno(type1_map(v.container, IOVA + PAGE, va, PAGE), 0);
		abi_equal(entries_left(), all - 2);
		abi_errno(type1_map(v.container, IOVA + PAGE, va, PAGE), EEXIST);
		abi_equal(entries_left(), all - 2);
		abi_equal(type1_empty(v.container), 2 * PAGE);
		abi_equal(entries_left(), all);
	}
	munmap(va, PAGE);
}

static void of_type(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	envelope();
	chain_sizes();
	chain();
	dma_avail();
	vfio_close(&v);
}

static void type1(void)
{
	of_type(ROAD_TYPE1);
}

static void type1v2(void)
{
	of_type(ROAD_TYPE1V2);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(type1v2), ABI_PART(type1) };

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

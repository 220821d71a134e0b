/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving the memory behind mappings (UPDATE_VADDR): UNMAP_DMA with VADDR takes the address away and
 * leaves the mapping, MAP_DMA with VADDR gives a new one. T1M.7-10, T1U.12, section 11.7.
 */
#include "vfio_fixture.h"

#include <sys/mman.h>

#define A	0x100000ull
#define A_SIZE	(4 * PAGE)
#define B	0x108000ull
#define B_SIZE	(2 * PAGE)
#define NOTHING 0x200000ull

static struct vfio v;
static char *memory, *elsewhere;

static int take(uint64_t iova, uint64_t size, uint32_t flags, uint64_t *bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = VFIO_DMA_UNMAP_FLAG_VADDR | flags,
		.iova = iova, .size = size,
	};
	int err = abi_ioctl(v.container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	*bytes = unmap.size;
	return err;
}

static int give(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_VADDR, .vaddr = PTR(elsewhere),
		.iova = iova, .size = size,
	};

	return abi_ioctl(v.container, VFIO_IOMMU_MAP_DMA, &map);
}

static int setup(void)
{
	type1_map_ok(v.container, A, memory, A_SIZE);
	type1_map_ok(v.container, B, memory, B_SIZE);
	return v.container;
}

static void teardown(int fd)
{
	abi_equal(type1_empty(fd), A_SIZE + B_SIZE);
}

static int setup_taken(void)
{
	uint64_t bytes;

	setup();
	if (take(A, A_SIZE, 0, &bytes))
		abi_broken("UNMAP_DMA VADDR: %s", strerror(errno));
	return v.container;
}

static void giving_rules(void)
{
	struct vfio_iommu_type1_dma_map base = {
		.argsz = sizeof(base), .flags = VFIO_DMA_MAP_FLAG_VADDR, .vaddr = PTR(elsewhere),
		.iova = A, .size = A_SIZE,
	};
	const struct abi_command command = {
		.name = "MAP_DMA VADDR",
		.request = VFIO_IOMMU_MAP_DMA,
		.base = &base,
		.size = sizeof(base),
		.setup = setup_taken,
		.teardown = teardown,
		.base_rule = "T1M.10",
	};
	static const struct abi_rule rows[] = {
		{ "T1M.3", "size 0", EINVAL, { SET(vfio_iommu_type1_dma_map, size, 0) } },
		{ "T1M.4", "wraps", EOVERFLOW, { SET(vfio_iommu_type1_dma_map, iova, -PAGE) } },
		{ "T1M.5", "and a permission", EINVAL, { SET(vfio_iommu_type1_dma_map, flags, 5) } },
		{ "T1M.6", "iova misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, iova, A + 1) } },
		{ "T1M.7", "no mapping", ENOENT, { SET(vfio_iommu_type1_dma_map, iova, NOTHING) } },
		{ "T1M.8", "one that has its address", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, iova, B),
		    SET(vfio_iommu_type1_dma_map, size, B_SIZE) } },
		{ "T1M.8", "a part", EINVAL, { SET(vfio_iommu_type1_dma_map, size, 2 * PAGE) } },
		{ "T1M.8", "its end", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, iova, A + PAGE) } },
		{ "T1M.8", "more", EINVAL, { SET(vfio_iommu_type1_dma_map, size, A_SIZE + PAGE) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
}

static void taking(void)
{
	uint64_t bytes;

	if (abi_row("T1U.14 T1M.10", "taken, the mapping stays; given, it can be taken again")) {
		setup();
		abi_errno(take(A, A_SIZE, 0, &bytes), 0);
		abi_equal(bytes, A_SIZE);
		abi_errno(type1_map(v.container, A, memory, PAGE), EEXIST);
		abi_errno(type1_map(v.container, NOTHING, memory, PAGE), 0);
		abi_errno(type1_unmap(v.container, NOTHING, PAGE, NULL), 0);
		abi_errno(give(A, A_SIZE), 0);
		abi_errno(give(A, A_SIZE), EINVAL);
		abi_errno(take(A, A_SIZE, 0, &bytes), 0);
		abi_errno(give(A, A_SIZE), 0);
		teardown(v.container);
	}
	if (abi_row("T1U.12", "taken twice")) {
		setup();
		abi_errno(take(A, A_SIZE, 0, &bytes), 0);
		abi_errno(take(A, A_SIZE, 0, &bytes), EINVAL);
		abi_equal(bytes, A_SIZE);
		teardown(v.container);
	}
	if (abi_row("T1U.12", "those taken before it are given back")) {
		setup();
		abi_errno(take(B, B_SIZE, 0, &bytes), 0);
		abi_errno(take(A, B + B_SIZE - A, 0, &bytes), EINVAL);
		abi_errno(give(A, A_SIZE), EINVAL);
		abi_errno(give(B, B_SIZE), 0);
		teardown(v.container);
	}
	if (abi_row("T1U.6 T1U.14", "ALL with VADDR")) {
		setup();
		abi_errno(take(0, 0, VFIO_DMA_UNMAP_FLAG_ALL, &bytes), 0);
		abi_equal(bytes, A_SIZE + B_SIZE);
		abi_errno(give(B, B_SIZE), 0);
		abi_errno(take(0, 0, VFIO_DMA_UNMAP_FLAG_ALL, &bytes), EINVAL);
		abi_errno(give(A, A_SIZE), 0);
		abi_errno(take(A, A_SIZE, VFIO_DMA_UNMAP_FLAG_ALL, &bytes), EINVAL);
		teardown(v.container);
	}
	if (abi_row("T1U.14", "a range with nothing in it")) {
		setup();
		abi_errno(take(NOTHING, PAGE, 0, &bytes), 0);
		abi_equal(bytes, 0);
		teardown(v.container);
	}
	if (abi_row("T1U.14", "a mapping without its address can be unmapped")) {
		setup();
		abi_errno(take(A, A_SIZE, 0, &bytes), 0);
		abi_errno(type1_unmap(v.container, A, A_SIZE, &bytes), 0);
		abi_equal(bytes, A_SIZE);
		abi_errno(give(A, A_SIZE), ENOENT);
		abi_equal(type1_empty(v.container), B_SIZE);
	}
}

/* A part of a mapping cannot be taken: in v2 it is an error, in v1 the mapping goes as by UNMAP. */
static void parts_of(bool v2)
{
	uint64_t bytes;

	if (!abi_row(v2 ? "T1U.10" : "T1U.11", "VADDR of a part"))
		return;
	setup();
	abi_errno(take(A + PAGE, PAGE, 0, &bytes), v2 ? EINVAL : 0);
	abi_equal(bytes, v2 ? PAGE : 0);
	abi_errno(give(A, A_SIZE), EINVAL);
	abi_errno(take(A, PAGE, 0, &bytes), v2 ? EINVAL : 0);
	abi_equal(bytes, v2 ? PAGE : A_SIZE);
	abi_errno(give(A, A_SIZE), v2 ? EINVAL : 0);
	teardown(v.container);
}

static void no_group_joins(void)
{
	const struct vfio_id *second = vfio_of_group(1);
	uint64_t bytes;
	int group;

	if (!abi_row("11.7", "no group joins while a mapping has no address"))
		return;
	if (!second) {
		abi_skip("there is but one group");
		return;
	}
	setup();
	group = open_node(second->group);
	abi_errno(take(A, A_SIZE, 0, &bytes), 0);
	abi_errno(group_join(group, v.container), EBUSY);
	abi_errno(give(A, A_SIZE), 0);
	abi_errno(group_join(group, v.container), 0);
	abi_errno(abi_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	close(group);
	teardown(v.container);
}

static void of_type(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	giving_rules();
	taking();
	parts_of(road == ROAD_TYPE1V2);
	no_group_joins();
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

	memory = shared_pages(A_SIZE);
	elsewhere = shared_pages(A_SIZE + PAGE);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

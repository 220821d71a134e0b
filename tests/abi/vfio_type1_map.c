/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_MAP_DMA of type1 and type1v2: T1M, section 11.1. */
#include "vfio_fixture.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* The mapping that is there before each row, and a place that is free. */
#define HERE	  0x100000ull
#define HERE_SIZE (4 * PAGE)
#define FREE	  0x200000ull
#define FREE_SIZE (2 * PAGE)

static struct vfio v;
static char *memory; /* HERE's, then FREE's */
static uint64_t hole;  /* an IOVA that no range holds */
static uint32_t avail; /* entries left with HERE mapped */
static uint64_t nowhere, read_only, odd_va, last_va;

static uint32_t entries_left(void)
{
	void *info = type1_info(v.container);
	struct vfio_iommu_type1_info_dma_avail *cap =
		info_cap(info, ((struct vfio_iommu_type1_info *)info)->cap_offset,
			 VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	uint32_t left;

	if (!cap)
		abi_broken("GET_INFO has no DMA_AVAIL");
	left = cap->avail;
	free(info);
	return left;
}

/* The first IOVA behind the first valid range; 0 if that range has no end. */
static uint64_t find_hole(void)
{
	void *info = type1_info(v.container);
	struct vfio_iommu_type1_info_cap_iova_range *cap =
		info_cap(info, ((struct vfio_iommu_type1_info *)info)->cap_offset,
			 VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	uint64_t at;

	if (!cap || !cap->nr_iovas)
		abi_broken("GET_INFO has no IOVA range");
	at = cap->iova_ranges[0].end + 1;
	free(info);
	return at;
}

static int setup(void)
{
	type1_map_ok(v.container, HERE, memory, HERE_SIZE);
	avail = entries_left();
	return v.container;
}

/* Nothing was mapped, HERE is as it was. */
static void audit(int fd)
{
	abi_equal(entries_left(), avail);
	abi_errno(type1_map(fd, FREE, memory, FREE_SIZE), 0);
	abi_errno(type1_unmap(fd, FREE, FREE_SIZE, NULL), 0);
	abi_equal(type1_empty(fd), HERE_SIZE);
}

static void teardown(int fd)
{
	type1_empty(fd);
}

static void rules(void)
{
	struct vfio_iommu_type1_dma_map base = {
		.argsz = sizeof(base),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = PTR(memory) + HERE_SIZE,
		.iova = FREE,
		.size = FREE_SIZE,
	};
	const struct abi_command command = {
		.name = "MAP_DMA",
		.request = VFIO_IOMMU_MAP_DMA,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "T1M",
	};
	const struct abi_rule rows[] = {
		{ "T1M.1", "argsz", EINVAL, { SET(vfio_iommu_type1_dma_map, argsz, 31) } },
		{ "T1M.1", "argsz 0", EINVAL, { SET(vfio_iommu_type1_dma_map, argsz, 0) } },
		{ "T1M.1", "flags", EINVAL, { SET(vfio_iommu_type1_dma_map, flags, 8 | 3) } },
		{ "T1M.1", "the highest flag", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, flags, 0x80000003) } },
		{ "T1M.3", "size 0", EINVAL, { SET(vfio_iommu_type1_dma_map, size, 0) } },
		{ "T1M.4", "iova wraps", EOVERFLOW,
		  { SET(vfio_iommu_type1_dma_map, iova, -PAGE) } },
		{ "T1M.4", "vaddr wraps", EOVERFLOW,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, last_va) } },
		{ "T1M.5", "nothing permitted", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, flags, 0) } },
		{ "T1M.5", "VADDR and a permission", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, flags, 5) } },
		{ "T1M.6", "iova misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, iova, FREE + 1) } },
		{ "T1M.6", "vaddr misaligned", EINVAL,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, odd_va) } },
		{ "T1M.6", "size misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, size, PAGE + 512) } },
		{ "T1M.11", "the same again", EEXIST,
		  { SET(vfio_iommu_type1_dma_map, iova, HERE),
		    SET(vfio_iommu_type1_dma_map, size, HERE_SIZE) } },
		{ "T1M.11", "its last page", EEXIST,
		  { SET(vfio_iommu_type1_dma_map, iova, HERE + HERE_SIZE - PAGE) } },
		{ "T1M.11", "over its first page", EEXIST,
		  { SET(vfio_iommu_type1_dma_map, iova, HERE - PAGE) } },
		{ "T1M.13", "outside the ranges", EINVAL,
		  { SETV(vfio_iommu_type1_dma_map, iova, hole) } },
		{ "T1M.14", "no memory there", EFAULT,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, nowhere) } },
		{ "T1M.14", "memory that cannot be written", EFAULT,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, read_only) } },
	};

	odd_va = base.vaddr + 8;
	last_va = -PAGE;
	nowhere = PTR(abi_memory()->none);
	read_only = PTR(mmap(NULL, FREE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	abi_rules(&command, rows, ARRAY_SIZE(rows));
	munmap((void *)(uintptr_t)read_only, FREE_SIZE);
}

static int map_raw(void *arg)
{
	return abi_ioctl(v.container, VFIO_IOMMU_MAP_DMA, arg);
}

static void envelope(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ, .vaddr = PTR(memory),
		.iova = FREE, .size = FREE_SIZE,
	};
	char larger[64] = { 0 };
	void *page;

	if (abi_row("T1M.1", "EFAULT")) {
		abi_errno(map_raw(NULL), EFAULT);
		abi_errno(map_raw((char *)abi_at_the_edge(&map, sizeof(map) - 1)), EFAULT);
	}
	if (abi_row("T1M", "exactly the structure is read, and nothing written")) {
		page = abi_read_only(&map, sizeof(map));
		abi_errno(map_raw(page), 0);
		abi_read_only_put(page);
		abi_equal(type1_empty(v.container), FREE_SIZE);
		abi_errno(map_raw(abi_at_the_edge(&map, sizeof(map))), 0);
		abi_equal(type1_empty(v.container), FREE_SIZE);
	}
	if (abi_row("T1M", "what lies beyond a larger argsz is not looked at")) {
		memset(larger, 0xff, sizeof(larger));
		map.argsz = sizeof(larger);
		memcpy(larger, &map, sizeof(map));
		abi_errno(map_raw(larger), 0);
		abi_equal(type1_empty(v.container), FREE_SIZE);
	}
}

static int map_with(uint32_t flags, uint64_t iova, const void *va, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = PTR(va), .iova = iova, .size = size,
	};

	return map_raw(&map);
}

/* Where mappings may lie. */
static void places(void)
{
	if (abi_row("T1M", "IOVA 0, neighbours, the same memory twice")) {
		abi_errno(type1_map(v.container, 0, memory, PAGE), 0);
		abi_errno(type1_map(v.container, 2 * PAGE, memory, PAGE), 0);
		abi_errno(type1_map(v.container, PAGE, memory, PAGE), 0);
		abi_errno(type1_map(v.container, 0, memory, 3 * PAGE), EEXIST);
		abi_equal(type1_empty(v.container), 3 * PAGE);
	}
	if (abi_row("T1M", "read only, write only, read-only memory")) {
		abi_errno(map_with(VFIO_DMA_MAP_FLAG_READ, 0, memory, PAGE), 0);
		abi_errno(map_with(VFIO_DMA_MAP_FLAG_WRITE, PAGE, memory, PAGE), 0);
		abi_errno(map_with(VFIO_DMA_MAP_FLAG_READ, 2 * PAGE, abi_memory()->read_only, PAGE),
			  0);
		abi_equal(type1_empty(v.container), 3 * PAGE);
	}
	if (abi_row("T1M.13", "up to the end of a range, and not a page further")) {
		abi_errno(type1_map(v.container, hole - PAGE, memory, PAGE), 0);
		abi_errno(type1_map(v.container, hole - 2 * PAGE, memory, PAGE), 0);
		abi_errno(type1_map(v.container, hole, memory, PAGE), EINVAL);
		abi_equal(type1_empty(v.container), 2 * PAGE);
		abi_errno(type1_map(v.container, hole - PAGE, memory, 2 * PAGE), EINVAL);
		abi_errno(type1_map(v.container, hole - PAGE, memory, PAGE), 0);
		abi_equal(type1_empty(v.container), PAGE);
	}
	if (abi_row("T1M.14", "undone when the last of its pages is not there")) {
		avail = entries_left();
		abi_errno(type1_map(v.container, FREE, abi_memory()->writable, 2 * PAGE), EFAULT);
		abi_equal(entries_left(), avail);
		abi_errno(type1_map(v.container, FREE, abi_memory()->writable, PAGE), 0);
		abi_equal(type1_empty(v.container), PAGE);
	}
}

/* Memory that a program gives away stays mapped, and another's may come at its address. */
static void memory_goes(void)
{
	char *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!abi_row("T1M", "a mapping outlives the memory it was made of"))
		return;
	abi_errno(type1_map(v.container, FREE, va, PAGE), 0);
	munmap(va, PAGE);
	abi_errno(type1_map(v.container, FREE, memory, PAGE), EEXIST);
	abi_errno(type1_map(v.container, FREE + PAGE, va, PAGE), EFAULT);
	abi_equal(type1_empty(v.container), PAGE);
}

/* A BAR may be mapped, unlike with iommufd: peers reach it. */
static void bar(void)
{
	struct vfio_region_info info = region_info(v.device, VFIO_PCI_BAR0_REGION_INDEX);
	void *va;

	if (!abi_row("T1M.14", "a BAR is memory too"))
		return;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
		abi_skip("BAR 0 of %s cannot be mapped", v.id->bdf);
		return;
	}
	pci_set_command(v.device, PCI_COMMAND_MEMORY);
	va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.device, info.offset);
	if (va == MAP_FAILED)
		abi_broken("mmap of BAR 0: %s", strerror(errno));
	abi_errno(type1_map(v.container, FREE, va, PAGE), 0);
	abi_equal(type1_empty(v.container), PAGE);
	munmap(va, PAGE);
}

#define MOST_ENTRIES 100000u

static void entry_limit(void)
{
	const uint64_t FAR = 0x10000000;
	struct rlimit locked;
	uint32_t limit;

	if (!abi_row("T1M.12", "the entry budget"))
		return;
	limit = entries_left();
	if (limit > MOST_ENTRIES) {
		abi_skip("it is %u here", limit);
		return;
	}
	getrlimit(RLIMIT_MEMLOCK, &locked);
	if (!abi_capable(CAP_IPC_LOCK) && locked.rlim_cur < limit * PAGE) {
		abi_skip("locked memory is limited to %ju bytes", (uintmax_t)locked.rlim_cur);
		return;
	}
	/* All but the first lie above Arm's interrupt window, below x86's. */
	for (uint32_t i = 0; i < limit; i++)
		if (type1_map(v.container, i ? FAR + i * 2 * PAGE : HERE, memory, PAGE))
			abi_broken("entry %u of %u: %s", i, limit, strerror(errno));
	abi_equal(entries_left(), 0);
	abi_errno(type1_map(v.container, 0, memory, PAGE), ENOSPC);
	if (abi_row("T1M.11 T1M.12", "in this order"))
		abi_errno(type1_map(v.container, HERE, memory, PAGE), EEXIST);
	if (abi_row("T1M.12 T1M.13", "in this order"))
		abi_errno(type1_map(v.container, hole, memory, PAGE), ENOSPC);
	if (abi_row("T1M.12", "an entry given back can be had again")) {
		abi_errno(type1_unmap(v.container, HERE, PAGE, NULL), 0);
		abi_equal(entries_left(), 1);
		abi_errno(type1_map(v.container, 0, memory, PAGE), 0);
		abi_errno(type1_map(v.container, HERE, memory, PAGE), ENOSPC);
	}
	abi_equal(type1_empty(v.container), limit * PAGE);
	abi_equal(entries_left(), limit);
}

static void of_type(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	hole = find_hole();
	rules();
	envelope();
	places();
	memory_goes();
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

static void once(void)
{
	vfio_open(&v, ROAD_TYPE1V2, vfio_any());
	hole = find_hole();
	bar();
	entry_limit();
	vfio_close(&v);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(type1v2), ABI_PART(type1),
						 ABI_PART(once) };

	memory = shared_pages(HERE_SIZE + FREE_SIZE);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_IOMMU_UNMAP_DMA of type1 and type1v2: T1U, sections 11.2 and 11.3. The dirty bitmap is in
 * vfio_type1_dirty.c, VADDR in vfio_type1_vaddr.c.
 */
#include "vfio_fixture.h"

#include <sys/mman.h>

/* The mappings that are there before each row; between A and B is a hole, C lies right behind B. */
static const struct {
	uint64_t iova, size;
} maps[] = {
	{ 0x100000, 4 * PAGE },
	{ 0x108000, 2 * PAGE },
	{ 0x10a000, 2 * PAGE },
};

#define A	0x100000ull
#define A_SIZE	(4 * PAGE)
#define B	0x108000ull
#define C	0x10a000ull
#define MAP_A	1u
#define MAP_B	2u
#define MAP_C	4u
#define MAP_ALL 7u

static struct vfio v;
static bool v2;
static char *memory;

static int setup(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		type1_map_ok(v.container, maps[i].iova, memory, maps[i].size);
	return v.container;
}

static void teardown(int fd)
{
	type1_empty(fd);
}

static bool is_mapped(uint64_t iova)
{
	int err = type1_map(v.container, iova, memory, PAGE);

	if (!err)
		abi_errno(type1_unmap(v.container, iova, PAGE, NULL), 0);
	else
		abi_errno(err, EEXIST);
	return err;
}

/* Exactly these are left, whole. */
static void survivors(unsigned int want)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		for (uint64_t at = 0; at < maps[i].size; at += PAGE)
			abi_true(is_mapped(maps[i].iova + at) == !!(want & 1u << i),
				 "page %#jx is %smapped", (uintmax_t)(maps[i].iova + at),
				 want & 1u << i ? "not " : "");
}

static void audit(int fd)
{
	survivors(MAP_ALL);
}

static void rules(void)
{
	static const struct vfio_iommu_type1_dma_unmap base = {
		.argsz = sizeof(base), .iova = A, .size = A_SIZE,
	};
	const struct abi_command command = {
		.name = v2 ? "UNMAP_DMA v2" : "UNMAP_DMA v1",
		.request = VFIO_IOMMU_UNMAP_DMA,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "T1U.14",
	};
	static const struct abi_rule rows[] = {
		{ "T1U.1", "argsz", EINVAL, { SET(vfio_iommu_type1_dma_unmap, argsz, 23) } },
		{ "T1U.1", "flags", EINVAL, { SET(vfio_iommu_type1_dma_unmap, flags, 8) } },
		{ "T1U.2", "bitmap and ALL", EINVAL, { SET(vfio_iommu_type1_dma_unmap, flags, 3) } },
		{ "T1U.2", "bitmap and VADDR", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, flags, 5) } },
		{ "T1U.3", "no room for the bitmap", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, flags, 1) } },
		{ "T1U.5", "iova misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, iova, A + 1) } },
		{ "T1U.6", "ALL with iova and size", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, flags, VFIO_DMA_UNMAP_FLAG_ALL) } },
		{ "T1U.7", "size 0", EINVAL, { SET(vfio_iommu_type1_dma_unmap, size, 0) } },
		{ "T1U.7", "size misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, size, A_SIZE - 1) } },
		{ "T1U.8", "wraps", EOVERFLOW,
		  { SET(vfio_iommu_type1_dma_unmap, size, -PAGE) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
}

struct expected {
	int err;
	uint64_t bytes;
	unsigned int left;
};

/* What type1 and type1v2 make of the same request. */
static const struct request {
	const char *name;
	uint64_t iova, size;
	struct expected v1, v2;
} requests[] = {
	{ "exactly A", A, A_SIZE,
	  { 0, A_SIZE, MAP_B | MAP_C }, { 0, A_SIZE, MAP_B | MAP_C } },
	{ "A and the hole behind it", A, 8 * PAGE,
	  { 0, A_SIZE, MAP_B | MAP_C }, { 0, A_SIZE, MAP_B | MAP_C } },
	{ "holes around A", A - 4 * PAGE, 8 * PAGE + A_SIZE,
	  { 0, A_SIZE, MAP_B | MAP_C }, { 0, A_SIZE, MAP_B | MAP_C } },
	{ "A to B across the hole", A, B + 2 * PAGE - A,
	  { 0, A_SIZE + 2 * PAGE, MAP_C }, { 0, A_SIZE + 2 * PAGE, MAP_C } },
	{ "B and C together", B, 4 * PAGE, { 0, 4 * PAGE, MAP_A }, { 0, 4 * PAGE, MAP_A } },
	{ "all, from 0", 0, 1ull << 40, { 0, 8 * PAGE, 0 }, { 0, 8 * PAGE, 0 } },
	{ "a hole", A + A_SIZE, 4 * PAGE, { 0, 0, MAP_ALL }, { 0, 0, MAP_ALL } },
	{ "nothing there, high", 1ull << 40, PAGE, { 0, 0, MAP_ALL }, { 0, 0, MAP_ALL } },
	{ "to the last byte there is", 1ull << 40, -(1ull << 40),
	  { 0, 0, MAP_ALL }, { 0, 0, MAP_ALL } },
	{ "A's first page", A, PAGE, { 0, A_SIZE, MAP_B | MAP_C }, { EINVAL, 0, MAP_ALL } },
	{ "A's first page, from before it", A - PAGE, 2 * PAGE,
	  { 0, A_SIZE, MAP_B | MAP_C }, { EINVAL, 0, MAP_ALL } },
	{ "A to C's first page", A, C + PAGE - A, { 0, 8 * PAGE, 0 }, { EINVAL, 0, MAP_ALL } },
	{ "A's last page", A + A_SIZE - PAGE, PAGE, { 0, 0, MAP_ALL }, { EINVAL, 0, MAP_ALL } },
	{ "A's middle", A + PAGE, 2 * PAGE, { 0, 0, MAP_ALL }, { EINVAL, 0, MAP_ALL } },
	{ "A's last page to the end of C", A + A_SIZE - PAGE, C + 2 * PAGE - (A + A_SIZE - PAGE),
	  { 0, 0, MAP_ALL }, { EINVAL, 0, MAP_ALL } },
	{ "B's last page and C", B + PAGE, 3 * PAGE, { 0, 0, MAP_ALL }, { EINVAL, 0, MAP_ALL } },
	{ "B and C's first page", B, 3 * PAGE, { 0, 4 * PAGE, MAP_A }, { EINVAL, 0, MAP_ALL } },
	{ "A's second page to C's first", A + PAGE, C - A, { 0, 0, MAP_ALL },
	  { EINVAL, 0, MAP_ALL } },
};

static void ranges(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];
		const struct expected *want = v2 ? &r->v2 : &r->v1;
		uint64_t bytes;

		if (!abi_row(v2 ? "T1U.10 T1U.14 11.3" : "T1U.11 T1U.14 11.3", "%s: %s",
			     v2 ? "type1v2" : "type1", r->name))
			continue;
		setup();
		abi_errno(type1_unmap(v.container, r->iova, r->size, &bytes), want->err);
		/* Not written on error. */
		abi_equal(bytes, want->err ? r->size : want->bytes);
		survivors(want->left);
		type1_empty(v.container);
	}
}

static int unmap_raw(void *arg)
{
	return abi_ioctl(v.container, VFIO_IOMMU_UNMAP_DMA, arg);
}

static void envelope(void)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = A, .size = A_SIZE,
	}, *at;
	void *page;

	if (abi_row("T1U.1", "EFAULT")) {
		setup();
		abi_errno(unmap_raw(NULL), EFAULT);
		abi_errno(unmap_raw(abi_at_the_edge(&unmap, sizeof(unmap) - 1)), EFAULT);
		survivors(MAP_ALL);
		type1_empty(v.container);
	}
	if (abi_row("T1U.14", "exactly the structure is read and written")) {
		setup();
		at = abi_at_the_edge(&unmap, sizeof(unmap));
		abi_errno(unmap_raw(at), 0);
		abi_equal(at->size, A_SIZE);
		abi_equal(at->iova, A);
		abi_equal(at->argsz, sizeof(unmap));
		type1_empty(v.container);
	}
	if (abi_row("T1U.14", "when the answer cannot be written, the mappings have gone")) {
		setup();
		page = abi_read_only(&unmap, sizeof(unmap));
		abi_errno(unmap_raw(page), EFAULT);
		abi_read_only_put(page);
		survivors(MAP_B | MAP_C);
		type1_empty(v.container);
	}
	if (abi_row("T1U.6", "ALL with an iova, ALL with a size")) {
		setup();
		unmap = (struct vfio_iommu_type1_dma_unmap){
			.argsz = sizeof(unmap), .flags = VFIO_DMA_UNMAP_FLAG_ALL, .iova = A,
		};
		abi_errno(unmap_raw(&unmap), EINVAL);
		unmap.iova = 0;
		unmap.size = A_SIZE;
		abi_errno(unmap_raw(&unmap), EINVAL);
		survivors(MAP_ALL);
		type1_empty(v.container);
	}
	if (abi_row("T1U.6 T1U.14", "ALL")) {
		setup();
		abi_equal(type1_empty(v.container), 8 * PAGE);
		survivors(0);
		abi_equal(type1_empty(v.container), 0);
	}
}

static void of_type(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	v2 = road == ROAD_TYPE1V2;
	rules();
	ranges();
	envelope();
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
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

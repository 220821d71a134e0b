/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty tracking of type1v2: VFIO_IOMMU_DIRTY_PAGES (section 11.4) and UNMAP_DMA with
 * GET_DIRTY_BITMAP (T1U.2, T1U.3, T1U.9). The device's group is not of "pinned page scope", so every
 * mapped page is dirty, always.
 *
 * Quirk Q25 is left alone: a mapping whose place in the bitmap is not a multiple of 64 pages is
 * asked for once only after a START.
 */
#include "vfio_fixture.h"

#include <sys/mman.h>

#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET   VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

#define A	 0x100000ull
#define A_SIZE	 (4 * PAGE)
#define B	 0x140000ull /* 64 pages behind A: B's bits begin in a word of their own */
#define B_SIZE	 (2 * PAGE)
#define NOTHING	 0x200000ull
#define TOO_BIG	 ((256ull << 20) + 8)
#define NOT_OURS 0xffff800000000000ull /* the upper half of the address space */

/* The ABI's structures end in data[]; here with what stands there. */
struct dirty_get {
	uint32_t argsz, flags;
	uint64_t iova, size;
	struct vfio_bitmap bitmap;
};

struct unmap_dirty {
	uint32_t argsz, flags;
	uint64_t iova, size;
	struct vfio_bitmap bitmap;
};

static struct vfio v;
static char *memory;
static uint64_t bits[4];
static uint64_t nowhere, not_writable;

static int dirty(uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };

	return abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static int get(uint64_t iova, uint64_t size, void *bitmap, uint64_t len)
{
	struct dirty_get arg = {
		.argsz = sizeof(arg), .flags = GET, .iova = iova, .size = size,
		.bitmap = { .pgsize = PAGE, .size = len, .data = bitmap },
	};

	return abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static int unmap(uint64_t iova, uint64_t size, void *bitmap, uint64_t len, uint64_t *bytes)
{
	struct unmap_dirty arg = {
		.argsz = sizeof(arg), .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		.iova = iova, .size = size,
		.bitmap = { .pgsize = PAGE, .size = len, .data = bitmap },
	};
	int err = abi_ioctl(v.container, VFIO_IOMMU_UNMAP_DMA, &arg);

	*bytes = arg.size;
	return err;
}

static int setup(void)
{
	type1_map_ok(v.container, A, memory, A_SIZE);
	type1_map_ok(v.container, B, memory, B_SIZE);
	if (dirty(START))
		abi_broken("START: %s", strerror(errno));
	memset(bits, 0, sizeof(bits));
	return v.container;
}

static void teardown(int fd)
{
	type1_empty(fd);
	dirty(STOP);
}

/* Refused, the call has unmapped nothing and written no bitmap. */
static void audit(int fd)
{
	abi_equal(bits[0] | bits[1] | bits[2] | bits[3], 0);
	abi_equal(type1_empty(fd), A_SIZE + B_SIZE);
}

static void flag_rules(void)
{
	static const struct vfio_iommu_type1_dirty_bitmap base = {
		.argsz = sizeof(base), .flags = START,
	};
	const struct abi_command command = {
		.name = "DIRTY_PAGES",
		.request = VFIO_IOMMU_DIRTY_PAGES,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.teardown = teardown,
		.base_rule = "11.4.START",
	};
	static const struct abi_rule rows[] = {
		{ "11.4.2", "argsz", EINVAL, { SET(vfio_iommu_type1_dirty_bitmap, argsz, 7) } },
		{ "11.4.2", "unknown flag", EINVAL,
		  { SET(vfio_iommu_type1_dirty_bitmap, flags, 8 | START) } },
		{ "11.4.2", "no flag", EINVAL, { SET(vfio_iommu_type1_dirty_bitmap, flags, 0) } },
		{ "11.4.2", "two flags", EINVAL,
		  { SET(vfio_iommu_type1_dirty_bitmap, flags, START | STOP) } },
		{ "11.4.2", "three flags", EINVAL,
		  { SET(vfio_iommu_type1_dirty_bitmap, flags, START | STOP | GET) } },
		{ "11.4.GET.1", "no room behind the head", EINVAL,
		  { SET(vfio_iommu_type1_dirty_bitmap, flags, GET) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("11.4.2", "EFAULT")) {
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES, NULL), EFAULT);
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES,
				    abi_at_the_edge(&base, 7)), EFAULT);
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES,
				    abi_at_the_edge(&base, 8)), 0);
		abi_errno(dirty(STOP), 0);
	}
}

static void get_rules(void)
{
	struct dirty_get base = {
		.argsz = sizeof(base), .flags = GET, .iova = A, .size = A_SIZE,
		.bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)bits },
	};
	const struct abi_command command = {
		.name = "DIRTY_PAGES GET",
		.request = VFIO_IOMMU_DIRTY_PAGES,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "11.4.GET",
	};
	const struct abi_rule rows[] = {
		{ "11.4.GET.1", "argsz", EINVAL, { SET(dirty_get, argsz, sizeof(base) - 1) } },
		{ "11.4.GET.2", "size 0", EINVAL, { SET(dirty_get, size, 0) } },
		{ "11.4.GET.2", "wraps", EOVERFLOW, { SET(dirty_get, iova, -PAGE) } },
		{ "11.4.GET.3", "bitmap outside the user half", EINVAL,
		  { SET(dirty_get, bitmap.data, NOT_OURS) } },
		{ "11.4.GET.3", "no bitmap", EINVAL, { SET(dirty_get, bitmap.size, 0) } },
		{ "11.4.GET.3", "bitmap too small", EINVAL, { SET(dirty_get, bitmap.size, 7) } },
		{ "11.4.GET.3", "bitmap too large", EINVAL,
		  { SET(dirty_get, bitmap.size, TOO_BIG) } },
		{ "11.4.GET.3", "pgsize not the smallest", EINVAL,
		  { SET(dirty_get, bitmap.pgsize, 2 * PAGE) } },
		{ "11.4.GET.3", "iova misaligned", EINVAL, { SET(dirty_get, iova, A + 512) } },
		{ "11.4.GET.3", "size misaligned", EINVAL, { SET(dirty_get, size, A_SIZE + 512) } },
		{ "11.4.GET.5", "cuts the start", EINVAL, { SET(dirty_get, iova, A + PAGE) } },
		{ "11.4.GET.5", "cuts the end", EINVAL, { SET(dirty_get, size, 2 * PAGE) } },
		{ "11.4.GET.6", "bitmap NULL", EFAULT, { SET(dirty_get, bitmap.data, 0) } },
		{ "11.4.GET.6", "no memory there", EFAULT,
		  { SETV(dirty_get, bitmap.data, nowhere) } },
		{ "11.4.GET.6", "bitmap not writable", EFAULT,
		  { SETV(dirty_get, bitmap.data, not_writable) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("11.4.GET.1", "EFAULT")) {
		setup();
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES,
				    abi_at_the_edge(&base, sizeof(base) - 1)), EFAULT);
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES,
				    abi_at_the_edge(&base, sizeof(base))), 0);
		teardown(v.container);
	}
}

static void unmap_rules(void)
{
	struct unmap_dirty base = {
		.argsz = sizeof(base), .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		.iova = A, .size = A_SIZE,
		.bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)bits },
	};
	const struct abi_command command = {
		.name = "UNMAP_DMA GET_DIRTY_BITMAP",
		.request = VFIO_IOMMU_UNMAP_DMA,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "T1U.14",
	};
	const struct abi_rule rows[] = {
		{ "T1U.1", "argsz", EINVAL, { SET(unmap_dirty, argsz, 23) } },
		{ "T1U.2", "with ALL", EINVAL, { SET(unmap_dirty, flags, 3) } },
		{ "T1U.2", "with VADDR", EINVAL, { SET(unmap_dirty, flags, 5) } },
		{ "T1U.3", "argsz", EINVAL, { SET(unmap_dirty, argsz, sizeof(base) - 1) } },
		{ "T1U.3", "bitmap outside the user half", EINVAL,
		  { SET(unmap_dirty, bitmap.data, NOT_OURS) } },
		{ "T1U.3", "no bitmap", EINVAL, { SET(unmap_dirty, bitmap.size, 0) } },
		{ "T1U.3", "bitmap too small", EINVAL, { SET(unmap_dirty, bitmap.size, 7) } },
		{ "T1U.3", "bitmap too large", EINVAL, { SET(unmap_dirty, bitmap.size, TOO_BIG) } },
		{ "T1U.3", "size 0", EINVAL, { SET(unmap_dirty, size, 0) } },
		{ "T1U.5", "iova misaligned", EINVAL, { SET(unmap_dirty, iova, A + 512) } },
		{ "T1U.7", "size misaligned", EINVAL, { SET(unmap_dirty, size, A_SIZE + 512) } },
		{ "T1U.8", "wraps", EOVERFLOW, { SET(unmap_dirty, iova, -PAGE) } },
		{ "T1U.9", "pgsize not the smallest", EINVAL,
		  { SET(unmap_dirty, bitmap.pgsize, 2 * PAGE) } },
		{ "T1U.10", "cuts the end", EINVAL, { SET(unmap_dirty, size, 2 * PAGE) } },
		{ "T1U.14", "bitmap NULL", EFAULT, { SET(unmap_dirty, bitmap.data, 0) } },
		{ "T1U.14", "no memory there", EFAULT,
		  { SETV(unmap_dirty, bitmap.data, nowhere) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
}

static void not_started(void)
{
	uint64_t bytes;

	type1_map_ok(v.container, A, memory, A_SIZE);
	memset(bits, 0, sizeof(bits));
	if (abi_row("11.4.GET.4", "tracking was not started"))
		abi_errno(get(A, A_SIZE, bits, 8), EINVAL);
	if (abi_row("11.4.GET.3 11.4.GET.4", "in this order"))
		abi_errno(get(A + 512, A_SIZE, bits, 8), EINVAL);
	if (abi_row("T1U.9", "tracking was not started")) {
		abi_errno(unmap(A, A_SIZE, bits, 8, &bytes), EINVAL);
		abi_equal(bytes, A_SIZE);
	}
	if (abi_row("T1U.8 T1U.9", "in this order"))
		abi_errno(unmap(-PAGE, A_SIZE, bits, 8, &bytes), EOVERFLOW);
	if (abi_row("11.4.GET.4", "nor left any trace")) {
		abi_equal(bits[0], 0);
		abi_equal(type1_empty(v.container), A_SIZE);
	}
}

static void start_stop(void)
{
	if (abi_row("11.4.STOP", "not started"))
		abi_errno(dirty(STOP), 0);
	if (abi_row("11.4.START", "twice")) {
		abi_errno(dirty(START), 0);
		abi_errno(dirty(START), 0);
		abi_errno(dirty(STOP), 0);
		abi_errno(dirty(STOP), 0);
	}
	if (abi_row("11.4.START", "with no mappings; those made later are tracked")) {
		abi_errno(dirty(START), 0);
		type1_map_ok(v.container, A, memory, A_SIZE);
		bits[0] = 0;
		abi_errno(get(A, A_SIZE, bits, 8), 0);
		abi_equal(bits[0], 0xf);
		teardown(v.container);
	}
	if (abi_row("11.4.STOP", "GET then is refused")) {
		setup();
		abi_errno(dirty(STOP), 0);
		abi_errno(get(A, A_SIZE, bits, 8), EINVAL);
		teardown(v.container);
	}
}

static void reports(void)
{
	uint64_t bytes;

	if (abi_row("11.4.GET", "every page is dirty, and again")) {
		setup();
		for (int i = 0; i < 2; i++) {
			bits[0] = 0;
			abi_errno(get(A, A_SIZE, bits, 8), 0);
			abi_equal(bits[0], 0xf);
		}
		teardown(v.container);
	}
	if (abi_row("11.4.GET", "two mappings, the hole between them left alone")) {
		setup();
		abi_errno(get(A, B + B_SIZE - A, bits, sizeof(bits)), 0);
		abi_equal(bits[0], 0xf);
		abi_equal(bits[1], 0x3);
		abi_equal(bits[2] | bits[3], 0);
		teardown(v.container);
	}
	if (abi_row("11.4.GET", "bit 0 is the request's iova; bits before a mapping are kept")) {
		setup();
		bits[0] = 0x5;
		abi_errno(get(A - 4 * PAGE, 8 * PAGE, bits, 8), 0);
		abi_equal(bits[0], 0xf5);
		teardown(v.container);
	}
	if (abi_row("11.4.GET", "bits are written, not ORed, to the end of the word")) {
		setup();
		memset(bits, 0xff, sizeof(bits));
		abi_errno(get(A, 64 * PAGE, bits, 8), 0);
		abi_equal(bits[0], 0xf);
		abi_equal(bits[1], ~0ull);
		teardown(v.container);
	}
	if (abi_row("11.4.GET.6", "no mapping in the range: the bitmap is not touched")) {
		setup();
		abi_errno(get(NOTHING, A_SIZE, NULL, 8), 0);
		abi_errno(get(NOTHING, A_SIZE, bits, 8), 0);
		abi_equal(bits[0], 0);
		teardown(v.container);
	}
	if (abi_row("T1U.14", "unmap delivers the bitmap")) {
		setup();
		abi_errno(unmap(A, B + B_SIZE - A, bits, sizeof(bits), &bytes), 0);
		abi_equal(bytes, A_SIZE + B_SIZE);
		abi_equal(bits[0], 0xf);
		abi_equal(bits[1], 0x3);
		abi_equal(type1_empty(v.container), 0);
		teardown(v.container);
	}
	if (abi_row("T1U.14", "a bitmap that ends too soon: what was taken before stays taken")) {
		uint64_t *edge = abi_at_the_edge(bits, 8);

		setup();
		/* A's word can be written, B's cannot. */
		abi_errno(unmap(A, B + B_SIZE - A, edge, 16, &bytes), EFAULT);
		abi_equal(bytes, B + B_SIZE - A);
		abi_equal(*edge, 0xf);
		abi_equal(type1_empty(v.container), B_SIZE);
		teardown(v.container);
	}
}

static void type1v2(void)
{
	vfio_open(&v, ROAD_TYPE1V2, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	not_started();
	flag_rules();
	get_rules();
	unmap_rules();
	start_stop();
	reports();
	vfio_close(&v);
}

static void type1(void)
{
	vfio_open(&v, ROAD_TYPE1, vfio_any());
	if (abi_row("11.4.1 11.3", "type1 has no dirty tracking")) {
		abi_errno(dirty(START), EACCES);
		abi_errno(dirty(STOP), EACCES);
		abi_errno(dirty(GET), EACCES);
	}
	if (abi_row("11.4.1 11.4.2", "in this order")) {
		abi_errno(abi_ioctl(v.container, VFIO_IOMMU_DIRTY_PAGES, NULL), EACCES);
		abi_errno(dirty(0x80), EACCES);
	}
	vfio_close(&v);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(type1v2), ABI_PART(type1) };

	memory = shared_pages(A_SIZE);
	nowhere = PTR(abi_memory()->none);
	not_writable = PTR(abi_memory()->read_only);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

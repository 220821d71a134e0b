/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An iommufd in the place of the VFIO container: section 9. It is /dev/iommu, or with --compat
 * /dev/vfio/vfio itself, where that is an iommufd.
 */
#include "vfio_fixture.h"

#include <sys/mman.h>

static const char *node = "/dev/iommu";
static const struct vfio_id *id;
static char *memory;

/* An iommufd, and the first device behind it by way of its group. */
static int fd, group, device;

static int set_iommu(unsigned long type)
{
	return ioctl(fd, VFIO_SET_IOMMU, type) ? errno : 0;
}

static int extension(unsigned long which)
{
	int r = ioctl(fd, VFIO_CHECK_EXTENSION, which);

	return r < 0 ? -errno : r;
}

static void world_open(unsigned long type)
{
	int err;

	fd = open_node(node);
	group = open_node(id->group);
	err = group_join(group, fd);
	if (!err)
		err = set_iommu(type);
	if (!err)
		err = group_device(group, id->bdf, &device);
	if (err)
		abi_broken("%s behind %s: %s", id->bdf, node, strerror(err));
}

static void world_close(void)
{
	close(device);
	close(group);
	close(fd);
}

/* Commands that type1 has and an iommufd has not, and nobody's. */
static void unknown_commands(void)
{
	static const unsigned long commands[] = {
		VFIO_IOMMU_DIRTY_PAGES, VFIO_IOMMU_ENABLE, VFIO_IOMMU_DISABLE,
		VFIO_IOMMU_SPAPR_TCE_CREATE, VFIO_EEH_PE_OP, VFIO_GROUP_GET_STATUS,
		VFIO_DEVICE_GET_INFO, _IO(';', 99), _IO('!', 113), 0x12345678,
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (abi_row("9.other ENV.1", "%#lx", commands[i]))
			abi_errno(abi_ioctl(fd, commands[i], NULL), ENOTTY);
}

static void extensions(int cc)
{
	static const struct {
		unsigned long which;
		int want;
	} rows[] = {
		{ VFIO_TYPE1_IOMMU, 1 }, { VFIO_TYPE1v2_IOMMU, 1 }, { VFIO_UNMAP_ALL, 1 },
		{ VFIO_UPDATE_VADDR, 0 }, { VFIO_SPAPR_TCE_IOMMU, 0 },
		{ VFIO_SPAPR_TCE_v2_IOMMU, 0 }, { VFIO_EEH, 0 }, { 6, 0 }, { 0, 0 }, { 11, 0 },
		{ ~0ul, 0 },
	};

	if (abi_row("9.GET_API_VERSION", "0"))
		abi_equal(ioctl(fd, VFIO_GET_API_VERSION), VFIO_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (abi_row("9.CHECK_EXTENSION", "%lu", rows[i].which))
			abi_equal(extension(rows[i].which), rows[i].want);
	if (abi_row("9.CHECK_EXTENSION", "DMA_CC"))
		abi_true(cc < 0 ? extension(VFIO_DMA_CC_IOMMU) == cc :
				  extension(VFIO_DMA_CC_IOMMU) >= 0,
			 "%d", extension(VFIO_DMA_CC_IOMMU));
}

/* Without a compat IOAS what is wrong with the call is said first, then ENODEV. */
static void no_ioas(void)
{
	struct vfio_iommu_type1_info info = { .argsz = 15 };
	struct vfio_iommu_type1_dma_map map = { .argsz = 31, .flags = 3 };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = 23 };

	fd = open_node(node);
	unknown_commands();
	extensions(-ENODEV);
	if (abi_row("9.2.2", "no such type"))
		abi_errno(set_iommu(4711), EINVAL);
	if (abi_row("9.2.3 9.1", "SET_IOMMU")) {
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), ENODEV);
		abi_errno(set_iommu(VFIO_TYPE1v2_IOMMU), ENODEV);
	}
	if (abi_row("9.3 9.1", "GET_INFO")) {
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_GET_INFO, NULL), EFAULT);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_GET_INFO, &info), EINVAL);
		info.argsz = sizeof(info);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_GET_INFO, &info), ENODEV);
	}
	if (abi_row("9.4.1 9.4.2 9.1", "MAP_DMA")) {
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, NULL), EFAULT);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &map), EINVAL);
		map.argsz = sizeof(map);
		map.flags = VFIO_DMA_MAP_FLAG_VADDR;
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &map), EINVAL);
		map.flags = 3;
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &map), ENODEV);
	}
	if (abi_row("9.5.1 9.5.2 9.1", "UNMAP_DMA")) {
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, NULL), EFAULT);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap), EINVAL);
		unmap.argsz = sizeof(unmap);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap), ENODEV);
	}
	close(fd);
}

/* A compat IOAS of one's own choice, with no device: the alignment is 1. */
static void own_ioas(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_vfio_ioas set = { .size = sizeof(set), .op = IOMMU_VFIO_IOAS_SET };
	struct vfio_iommu_type1_dma_map none = {
		.argsz = sizeof(none), .vaddr = PTR(memory), .iova = 16 * PAGE, .size = PAGE,
	};
	uint64_t bytes;

	if (!abi_row("9.1", "a compat IOAS set by hand"))
		return;
	fd = open_node(node);
	abi_errno(abi_ioctl(fd, IOMMU_IOAS_ALLOC, &alloc), 0);
	set.ioas_id = alloc.out_ioas_id;
	abi_errno(abi_ioctl(fd, IOMMU_VFIO_IOAS, &set), 0);
	abi_errno(set_iommu(VFIO_TYPE1v2_IOMMU), 0);
	abi_errno(type1_map(fd, 0x1001, memory + 1, 3), 0);
	abi_errno(type1_map(fd, 0x1000, memory, 1), 0);
	abi_errno(type1_unmap(fd, 0x1001, 3, &bytes), 0);
	abi_equal(bytes, 3);
	if (abi_row("9.4 Q9", "no permission at all is accepted")) {
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &none), 0);
		abi_errno(type1_unmap(fd, none.iova, none.size, &bytes), 0);
		abi_equal(bytes, PAGE);
	}
	if (abi_row("9.CHECK_EXTENSION", "DMA_CC: no HWPT, none that does not enforce"))
		abi_equal(extension(VFIO_DMA_CC_IOMMU), 1);
	if (abi_row("9.2.4", "TYPE1 needs areas that begin and end with pages")) {
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), EADDRINUSE);
		abi_errno(type1_unmap(fd, 0x1000, 1, &bytes), 0);
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), 0);
		abi_errno(type1_map(fd, 0x1001, memory + 1, 3), EINVAL);
	}
	close(fd);
}

static void set_iommu_rows(void)
{
	static const unsigned long bad[] = { 0, 2, VFIO_DMA_CC_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU,
					     VFIO_NOIOMMU_IOMMU, VFIO_UNMAP_ALL, ~0ul };

	world_open(VFIO_TYPE1v2_IOMMU);
	extensions(1);
	unknown_commands();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (abi_row("9.2.2", "type %lu", bad[i]))
			abi_errno(set_iommu(bad[i]), EINVAL);
	if (abi_row("9.2.5", "again and again"))
		abi_errno(set_iommu(VFIO_TYPE1v2_IOMMU), 0);
	if (abi_row("9.2.4", "TYPE1 with a domain and an area")) {
		type1_map_ok(fd, 0, memory, PAGE);
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), EINVAL);
		abi_errno(set_iommu(VFIO_TYPE1v2_IOMMU), 0);
		type1_empty(fd);
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), 0);
	}
	if (abi_row("9.2.4", "once it is so, it may be set with areas too")) {
		type1_map_ok(fd, 0, memory, PAGE);
		abi_errno(set_iommu(VFIO_TYPE1_IOMMU), 0);
		type1_empty(fd);
	}
	world_close();
}

static int get_info(void *arg)
{
	return abi_ioctl(fd, VFIO_IOMMU_GET_INFO, arg);
}

static void get_info_rows(void)
{
	struct vfio_iommu_type1_info *info, head = { .argsz = 16 }, *at;
	struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct vfio_iommu_type1_info_dma_avail *avail;
	uint32_t need, len;

	world_open(VFIO_TYPE1v2_IOMMU);
	if (abi_row("9.3", "EFAULT")) {
		abi_errno(get_info(NULL), EFAULT);
		abi_errno(get_info(abi_at_the_edge(&head, 15)), EFAULT);
	}
	if (abi_row("9.3", "argsz")) {
		head.argsz = 15;
		abi_errno(get_info(&head), EINVAL);
		abi_equal(head.argsz, 15);
	}
	head = (struct vfio_iommu_type1_info){ .argsz = 16 };
	at = abi_at_the_edge(&head, 16);
	if (abi_row("9.3", "the smallest argsz")) {
		abi_errno(get_info(at), 0);
		abi_equal(at->flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
		abi_true(at->iova_pgsizes & PAGE, "page sizes %#jx", (uintmax_t)at->iova_pgsizes);
		abi_equal(at->iova_pgsizes & (PAGE - 1), 0);
	}
	get_info(at);
	need = at->argsz;
	len = need + 64;
	info = malloc(len);
	avail = (void *)((char *)info + 24);
	ranges = (void *)((char *)info + 40);
	if (abi_row("9.3", "room for the structure only")) {
		memset(info, 0xaa, len);
		info->argsz = sizeof(*info);
		abi_errno(get_info(info), 0);
		abi_equal(info->argsz, need);
		abi_equal(info->cap_offset, 0);
		abi_equal(avail->header.id, 0xaaaa);
	}
	if (abi_row("9.3", "what fits by itself is written, though cap_offset is 0")) {
		memset(info, 0xaa, len);
		info->argsz = 40;
		abi_errno(get_info(info), 0);
		abi_equal(info->argsz, need);
		abi_equal(info->cap_offset, 0);
		abi_equal(avail->header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
		abi_equal(ranges->header.id, 0xaaaa);
	}
	for (uint32_t more = 0; more <= 64; more += 64) {
		if (!abi_row("9.3", "the whole chain, and %u bytes more", more))
			continue;
		memset(info, 0xaa, len);
		info->argsz = need + more;
		abi_errno(get_info(info), 0);
		abi_equal(info->argsz, need);
		abi_equal(info->cap_offset, 24);
		abi_equal(avail->header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
		abi_equal(avail->header.version, 1);
		abi_equal(avail->header.next, 40);
		abi_equal(avail->avail, UINT32_MAX);
		abi_equal(ranges->header.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
		abi_equal(ranges->header.version, 1);
		abi_equal(ranges->header.next, 0);
		abi_equal(40 + 16 + 16 * ranges->nr_iovas, need);
		for (uint32_t i = 0; i < ranges->nr_iovas; i++)
			abi_true(ranges->iova_ranges[i].start < ranges->iova_ranges[i].end &&
				 (!i || ranges->iova_ranges[i - 1].end <
						ranges->iova_ranges[i].start),
				 "range %u", i);
	}
	if (abi_row("9.3", "a part of the chain that cannot be written"))
		abi_errno(get_info(abi_at_the_edge(memset(info, 0, 32), 32)), EINVAL);
	info->argsz = need;
	if (abi_row("9.3", "nor one whose argsz says more than there is"))
		abi_errno(get_info(abi_at_the_edge(info, 32)), EFAULT);
	free(info);
	world_close();
}

/* The mappings that are there before each row; between A and B is a hole, C lies behind B. */
static const struct {
	uint64_t iova, pages;
} maps[] = { { 0x100000, 4 }, { 0x108000, 2 }, { 0x10a000, 2 } };

#define A	  0x100000ull
#define A_SIZE	  (4 * PAGE)
#define B	  0x108000ull
#define C	  0x10a000ull
#define END	  0x10c000ull
#define FREE	  0x200000ull
#define FREE_SIZE (2 * PAGE)
#define ALL_SIZE  (8 * PAGE)

static int setup(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		type1_map_ok(fd, maps[i].iova, memory, maps[i].pages * PAGE);
	return fd;
}

static void teardown(int same)
{
	type1_empty(same);
}

static void all_there(int same)
{
	abi_equal(type1_empty(same), ALL_SIZE);
}

static uint64_t reserved, nowhere, read_only, odd_va, last_va;

/* The first IOVA that the device keeps for itself, or that no range holds. */
static uint64_t find_reserved(void)
{
	struct vfio_iommu_type1_info *info = type1_info(fd);
	struct vfio_iommu_type1_info_cap_iova_range *cap =
		info_cap(info, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	uint64_t at = cap->iova_ranges[0].end + 1;

	free(info);
	return at;
}

static void map_rules(void)
{
	struct vfio_iommu_type1_dma_map base = {
		.argsz = sizeof(base), .flags = 3, .vaddr = PTR(memory), .iova = FREE,
		.size = FREE_SIZE,
	};
	const struct abi_command command = {
		.name = "compat MAP_DMA", .request = VFIO_IOMMU_MAP_DMA, .base = &base,
		.size = sizeof(base), .setup = setup, .audit = all_there, .teardown = teardown,
		.base_rule = "9.4",
	};
	const struct abi_rule rows[] = {
		{ "9.4.1", "argsz", EINVAL, { SET(vfio_iommu_type1_dma_map, argsz, 31) } },
		{ "9.4.1", "VADDR", EINVAL, { SET(vfio_iommu_type1_dma_map, flags, 4) } },
		{ "9.4.1", "flags", EINVAL, { SET(vfio_iommu_type1_dma_map, flags, 8 | 3) } },
		{ "9.4.3 MAP.5", "vaddr wraps", EOVERFLOW,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, last_va) } },
		{ "9.4.3 MAP.7", "size misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, size, FREE_SIZE - 512) } },
		{ "9.4.3 MAP.11", "iova misaligned", EINVAL,
		  { SET(vfio_iommu_type1_dma_map, iova, FREE + 512) } },
		{ "9.4.3 MAP.12", "iova wraps", EOVERFLOW,
		  { SET(vfio_iommu_type1_dma_map, iova, -PAGE) } },
		{ "9.4.3 MAP.13", "reserved", EINVAL,
		  { SETV(vfio_iommu_type1_dma_map, iova, reserved) } },
		{ "9.4.3 MAP.14", "over A's first page", EEXIST,
		  { SET(vfio_iommu_type1_dma_map, iova, A - PAGE) } },
		{ "9.4.3 MAP.15", "vaddr misaligned", EINVAL,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, odd_va) } },
		{ "9.4.3 MAP.16", "no memory there", EFAULT,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, nowhere) } },
		{ "9.4.3 MAP.16", "memory that cannot be written", EFAULT,
		  { SETV(vfio_iommu_type1_dma_map, vaddr, read_only) } },
	};

	int err;

	last_va = -PAGE;
	odd_va = PTR(memory) + 512;
	nowhere = PTR(abi_memory()->none);
	read_only = PTR(mmap(NULL, FREE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	abi_rules(&command, rows, ARRAY_SIZE(rows));
	munmap((void *)(uintptr_t)read_only, FREE_SIZE);
	if (abi_row("9.4.3 MAP.6", "size 0")) {
		base.size = 0;
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &base), EINVAL);
		base.iova = reserved;
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &base), EINVAL);
		base.iova = FREE;
		base.size = FREE_SIZE;
	}
	if (abi_row("9.4 MAP.18 Q9", "no permission: a format that has no such entry refuses")) {
		base.flags = 0;
		err = abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, &base);
		if (err)
			abi_errno(err, EINVAL);
		abi_equal(type1_empty(fd), err ? 0 : FREE_SIZE);
		base.flags = 3;
	}
	if (abi_row("9.4.1", "EFAULT, and not a byte more than there is")) {
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, abi_at_the_edge(&base, 31)), EFAULT);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_MAP_DMA, abi_at_the_edge(&base, 32)), 0);
		abi_equal(type1_empty(fd), FREE_SIZE);
	}
}

static void unmap_rules(void)
{
	static const struct vfio_iommu_type1_dma_unmap base = {
		.argsz = sizeof(base), .iova = A, .size = A_SIZE,
	};
	const struct abi_command command = {
		.name = "compat UNMAP_DMA", .request = VFIO_IOMMU_UNMAP_DMA, .base = &base,
		.size = sizeof(base), .setup = setup, .audit = all_there, .teardown = teardown,
		.base_rule = "9.5",
	};
	static const struct abi_rule rows[] = {
		{ "9.5.1", "argsz", EINVAL, { SET(vfio_iommu_type1_dma_unmap, argsz, 23) } },
		{ "9.5.1", "bitmap", EINVAL, { SET(vfio_iommu_type1_dma_unmap, flags, 1) } },
		{ "9.5.1", "VADDR", EINVAL, { SET(vfio_iommu_type1_dma_unmap, flags, 4) } },
		{ "9.5.1", "flags", EINVAL, { SET(vfio_iommu_type1_dma_unmap, flags, 8) } },
		{ "9.5.3", "ALL with iova and size", EINVAL,
		  { SET(vfio_iommu_type1_dma_unmap, flags, VFIO_DMA_UNMAP_FLAG_ALL) } },
		{ "9.5.6", "size 0", EINVAL, { SET(vfio_iommu_type1_dma_unmap, size, 0) } },
		{ "9.5.6", "wraps", EOVERFLOW, { SET(vfio_iommu_type1_dma_unmap, size, -PAGE) } },
		{ "9.5.7", "a part of A", ENOENT,
		  { SET(vfio_iommu_type1_dma_unmap, iova, A + PAGE) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("9.5.1", "EFAULT, and not a byte more than there is")) {
		setup();
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, abi_at_the_edge(&base, 23)), EFAULT);
		abi_errno(abi_ioctl(fd, VFIO_IOMMU_UNMAP_DMA, abi_at_the_edge(&base, 24)), 0);
		abi_equal(type1_empty(fd), ALL_SIZE - A_SIZE);
	}
	if (abi_row("9.5.3 9.5.4", "ALL")) {
		setup();
		abi_equal(type1_empty(fd), ALL_SIZE);
		abi_equal(type1_empty(fd), 0);
	}
}

/* Bit n stands for page n from A. */
static uint32_t mapped_pages(void)
{
	uint32_t pages = 0;

	for (uint64_t iova = A; iova < END; iova += PAGE) {
		if (type1_map(fd, iova, memory, PAGE))
			pages |= 1u << (iova - A) / PAGE;
		else
			abi_errno(type1_unmap(fd, iova, PAGE, NULL), 0);
	}
	return pages;
}

#define PAGES_A 0x00fu
#define PAGES_B 0x300u
#define PAGES_C 0xc00u

/* What TYPE1v2 and TYPE1 make of the same request. */
static const struct request {
	const char *name;
	uint64_t iova, size;
	int v2_err;
	uint64_t v2_bytes;
	uint32_t v2_left;
	uint64_t v1_bytes; /* v1 never refuses these */
	uint32_t v1_left;
} requests[] = {
	{ "exactly A", A, A_SIZE, 0, A_SIZE, PAGES_B | PAGES_C, A_SIZE, PAGES_B | PAGES_C },
	{ "holes around A", A - PAGE, A_SIZE + 2 * PAGE, 0, A_SIZE, PAGES_B | PAGES_C, A_SIZE,
	  PAGES_B | PAGES_C },
	{ "a hole", A + A_SIZE, PAGE, 0, 0, 0xf0f, 0, 0xf0f },
	{ "all, from 0", 0, END, 0, ALL_SIZE, 0, ALL_SIZE, 0 },
	{ "A's first page", A, PAGE, ENOENT, 0, 0xf0f, PAGE, 0xf0e },
	{ "A's last page", A + 3 * PAGE, PAGE, ENOENT, 0, 0xf0f, PAGE, 0xf07 },
	{ "A's middle", A + PAGE, 2 * PAGE, ENOENT, 0, 0xf0f, 2 * PAGE, 0xf09 },
	{ "from before A to its first page", A - PAGE, 2 * PAGE, ENOENT, 0, 0xf0f, PAGE, 0xf0e },
	{ "A, B and half of C", A, C + PAGE - A, ENOENT, 6 * PAGE, PAGES_C, 7 * PAGE, 0x800 },
	{ "half of A to half of B", A + 2 * PAGE, B + PAGE - (A + 2 * PAGE), ENOENT, 0, 0xf0f,
	  3 * PAGE, 0xe03 },
	{ "half of A to the end", A + 2 * PAGE, END - (A + 2 * PAGE), ENOENT, 0, 0xf0f, 6 * PAGE,
	  0x003 },
};

static void ranges(bool cuts)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];
		uint64_t bytes;

		if (!abi_row(cuts ? "9.5.5 9.5.8" : "9.5.7 9.5.8 Q10 Q11", "%s: %s",
			     cuts ? "TYPE1" : "TYPE1v2", r->name))
			continue;
		setup();
		abi_errno(type1_unmap(fd, r->iova, r->size, &bytes), cuts ? 0 : r->v2_err);
		abi_equal(bytes, cuts ? r->v1_bytes : r->v2_bytes);
		abi_equal(mapped_pages(), cuts ? r->v1_left : r->v2_left);
		type1_empty(fd);
	}
}

static void type1v2(void)
{
	world_open(VFIO_TYPE1v2_IOMMU);
	reserved = find_reserved();
	map_rules();
	unmap_rules();
	ranges(false);
	world_close();
}

static void type1(void)
{
	uint64_t bytes;

	world_open(VFIO_TYPE1_IOMMU);
	ranges(true);
	if (abi_row("9.5.5", "a cut that is not at a page: size is not written")) {
		setup();
		abi_errno(type1_unmap(fd, A + 512, PAGE, &bytes), EINVAL);
		abi_equal(bytes, PAGE);
		abi_errno(type1_unmap(fd, A + PAGE, PAGE + 512, &bytes), EINVAL);
		abi_equal(bytes, PAGE + 512);
		abi_equal(type1_empty(fd), ALL_SIZE);
	}
	if (abi_row("9.5.6", "size 0, wraps: size is written")) {
		setup();
		abi_errno(type1_unmap(fd, A, 0, &bytes), EINVAL);
		abi_equal(bytes, 0);
		abi_errno(type1_unmap(fd, A, -PAGE, &bytes), EOVERFLOW);
		abi_equal(bytes, 0);
		abi_equal(type1_empty(fd), ALL_SIZE);
	}
	if (abi_row("9.2.5", "TYPE1v2 after TYPE1: areas go on being cut"))
		abi_errno(set_iommu(VFIO_TYPE1v2_IOMMU), 0);
	ranges(true);
	world_close();
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(no_ioas),  ABI_PART(own_ioas), ABI_PART(set_iommu_rows),
		ABI_PART(get_info_rows), ABI_PART(type1v2),  ABI_PART(type1),
	};
	int probe;

	if (argc > 1 && !strcmp(argv[1], "--compat")) {
		node = "/dev/vfio/vfio";
		probe = open_node(node);
		if (!vfio_is_iommufd(probe))
			abi_cannot_run("/dev/vfio/vfio is not an iommufd here");
		close(probe);
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	id = vfio_any();
	if (!id)
		abi_cannot_run("no device is bound to vfio-pci");
	memory = shared_pages(A_SIZE);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOAS_MAP (MAP.1-MAP.19), the automatic choice of an IOVA, and what mapping does with memory that
 * is not as it should be.
 */
#include "abi_iommufd.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>

static uint64_t va, odd_va;

/* What both kinds of MAP refuse before they look at the IOVA. */
#define COMMON_RULES                                                                              \
	{ "MAP.1", "an unknown flag", EOPNOTSUPP, { SET(iommu_ioas_map, flags, 8 | RW) } },      \
	{ "MAP.1", "the highest flag", EOPNOTSUPP, { SET(iommu_ioas_map, flags, 0x80000000) } }, \
	{ "MAP.1", "reserved", EOPNOTSUPP, { SET(iommu_ioas_map, __reserved, 1) } },             \
	{ "MAP.2", "iova ULMAX", EOVERFLOW, { SET(iommu_ioas_map, iova, UINT64_MAX) } },         \
	{ "MAP.2", "length ULMAX", EOVERFLOW, { SET(iommu_ioas_map, length, UINT64_MAX) } }

#define COMMON_RULES_2                                                                            \
	{ "MAP.4", "no such IOAS", ENOENT, { SET(iommu_ioas_map, ioas_id, ID_NONE) } },          \
	{ "MAP.5", "user_va + length wraps to 0", EOVERFLOW,                                     \
	  { SET(iommu_ioas_map, user_va, -4096ull), SET(iommu_ioas_map, length, 4096) } },       \
	{ "MAP.5", "user_va + length wraps", EOVERFLOW,                                          \
	  { SET(iommu_ioas_map, user_va, -4096ull), SET(iommu_ioas_map, length, 0x10000) } },    \
	{ "MAP.6", "length 0", EINVAL, { SET(iommu_ioas_map, length, 0) } },                     \
	{ "MAP.6", "rounding the length overflows", EINVAL,                                      \
	  { SET(iommu_ioas_map, user_va, 0), SET(iommu_ioas_map, length, -2ull) } },             \
	{ "MAP.6", "rounding the length just overflows", EINVAL,                                 \
	  { SET(iommu_ioas_map, user_va, 0), SET(iommu_ioas_map, length, -4096ull) } },          \
	{ "MAP.7", "length odd", EINVAL, { SET(iommu_ioas_map, length, 4097) } }

static void fixed_rules(void)
{
	static struct iommu_ioas_map base = {
		.size = sizeof(base),
		.flags = FIXED_RW,
		.ioas_id = WORLD_IOAS,
		.length = 8192,
		.iova = 0x300000,
	};
	const struct abi_rule rules[] = {
		COMMON_RULES,
		{ "MAP.3", "no permission", EINVAL,
		  { SET(iommu_ioas_map, flags, IOMMU_IOAS_MAP_FIXED_IOVA) } },
		COMMON_RULES_2,
		{ "MAP.11", "iova odd", EINVAL, { SET(iommu_ioas_map, iova, 0x300001) } },
		{ "MAP.11 MAP.12", "iova odd and iova + length wraps", EINVAL,
		  { SET(iommu_ioas_map, iova, -2048ull) } },
		{ "MAP.11 MAP.14", "iova odd inside an area", EINVAL,
		  { SET(iommu_ioas_map, iova, WORLD_AREA_A + 0x800) } },
		{ "MAP.12", "iova + length wraps", EOVERFLOW,
		  { SET(iommu_ioas_map, iova, -4096ull), SET(iommu_ioas_map, length, 8192) } },
		{ "MAP.14", "all of an area", EEXIST, { SET(iommu_ioas_map, iova, WORLD_AREA_A) } },
		{ "MAP.14", "the last page of an area", EEXIST,
		  { SET(iommu_ioas_map, iova, WORLD_AREA_B + 4096) } },
		{ "MAP.14", "the first page of an area", EEXIST,
		  { SET(iommu_ioas_map, iova, WORLD_AREA_A - 4096) } },
		{ "MAP.14", "an area within", EEXIST,
		  { SET(iommu_ioas_map, iova, WORLD_AREA_C - 4096),
		    SET(iommu_ioas_map, length, 3 * 4096) } },
		{ "MAP.15", "user_va odd", EINVAL, { SETV(iommu_ioas_map, user_va, odd_va) } },
	};
	const struct abi_command command = {
		.name = "MAP, fixed",
		.request = IOMMU_IOAS_MAP,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup_aligned,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "MAP",
	};

	base.user_va = va;
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* Eight free pages are allowed, and no more. */
static int setup_narrow(void)
{
	static const struct iommu_iova_range allowed[] = { { 0x300000, 0x307fff } };
	int fd = world_setup_aligned();

	abi_errno(ioas_allow(fd, WORLD_IOAS, allowed, 1), 0);
	return fd;
}

static void automatic_rules(void)
{
	static struct iommu_ioas_map base = {
		.size = sizeof(base),
		.flags = RW,
		.ioas_id = WORLD_IOAS,
		.length = 8192,
	};
	const struct abi_rule rules[] = {
		COMMON_RULES,
		{ "MAP.3", "no permission", EINVAL, { SET(iommu_ioas_map, flags, 0) } },
		COMMON_RULES_2,
		{ "MAP.8", "length ULMAX/2", EOVERFLOW,
		  { SET(iommu_ioas_map, user_va, 0),
		    SET(iommu_ioas_map, length, 0x8000000000000000) } },
		{ "MAP.8 MAP.9", "length ULMAX/2 and user_va odd", EOVERFLOW,
		  { SET(iommu_ioas_map, user_va, 0x800),
		    SET(iommu_ioas_map, length, 0x8000000000000000) } },
		{ "MAP.9", "natural alignment too small", EINVAL,
		  { SETV(iommu_ioas_map, user_va, odd_va) } },
		{ "MAP.10", "no gap", ENOSPC, { SET(iommu_ioas_map, length, 9 * 4096) } },
	};
	const struct abi_command command = {
		.name = "MAP, automatic",
		.request = IOMMU_IOAS_MAP,
		.base = &base,
		.size = sizeof(base),
		.setup = setup_narrow,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "MAP",
	};

	base.user_va = va;
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* Without a domain a mapping is bytes, and nobody looks at the memory. */
static void bytes(void)
{
	struct iommu_ioas_map cmd;
	uint64_t iova;
	int fd;

	if (abi_row("MAP", "single bytes side by side")) {
		fd = world_setup();
		for (iova = 0; iova < 64; iova++) {
			uint64_t at = iova;

			abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory() + iova, 1,
					   &at), 0);
		}
		iova = 63;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 1, &iova), EEXIST);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 64);
		close(fd);
	}
	if (abi_row("MAP", "the last byte that can be mapped")) {
		fd = world_setup();
		iova = UINT64_MAX - 1;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 1, &iova), 0);
		iova = UINT64_MAX - 1;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 2, &iova), EEXIST);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 1);
		iova = UINT64_MAX - 1;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 2, &iova), 0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 2);
		close(fd);
	}
	if (abi_row("MAP.12", "beyond the last byte")) {
		fd = world_setup();
		iova = UINT64_MAX - 1;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 3, &iova), EOVERFLOW);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("MAP", "iova 0 can be asked for")) {
		fd = world_setup();
		iova = 0;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 4096, &iova), 0);
		abi_equal(iova, 0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 4096);
		close(fd);
	}
	if (abi_row("MAP", "each permission alone")) {
		fd = world_setup();
		for (uint32_t flag = IOMMU_IOAS_MAP_WRITEABLE; flag <= IOMMU_IOAS_MAP_READABLE;
		     flag <<= 1) {
			iova = flag * 0x10000;
			abi_errno(ioas_map(fd, WORLD_OTHER, IOMMU_IOAS_MAP_FIXED_IOVA | flag,
					   world_memory(), 4096, &iova), 0);
		}
		abi_equal(ioas_empty(fd, WORLD_OTHER), 8192);
		close(fd);
	}
	if (abi_row("MAP", "memory that is not there is not looked at yet")) {
		fd = world_setup();
		iova = 0x100000;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, abi_memory()->none, 4096, &iova), 0);
		iova = 0x200000;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, NULL, 1ull << 62, &iova), 0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 4096 + (1ull << 62));
		close(fd);
	}
	if (abi_row("MAP", "the reply keeps the other fields")) {
		fd = world_setup();
		cmd = (struct iommu_ioas_map){
			.size = sizeof(cmd),
			.flags = RW,
			.ioas_id = WORLD_OTHER,
			.user_va = va,
			.length = 8192,
			.iova = 0x12345,
		};
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_MAP, &cmd), 0);
		abi_equal(cmd.size, sizeof(cmd));
		abi_equal(cmd.flags, RW);
		abi_equal(cmd.ioas_id, WORLD_OTHER);
		abi_equal(cmd.user_va, va);
		abi_equal(cmd.length, 8192);
		abi_equal(ioas_unmap(fd, WORLD_OTHER, cmd.iova, 8192, NULL), 0);
		close(fd);
	}
	if (abi_row("MAP.2", "a refused call leaves iova as it was")) {
		fd = world_setup();
		iova = 0x12345;
		abi_errno(ioas_map(fd, WORLD_OTHER, RW, world_memory(), UINT64_MAX, &iova),
			  EOVERFLOW);
		abi_equal(iova, 0x12345);
		close(fd);
	}
}

/* The automatic choice. Each step maps memory that need not be there and says where it must go. */
struct step {
	uint64_t user_va, len, want;
};

static uint64_t huge_page(void)
{
	unsigned long long size = 4096;
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");

	if (f) {
		if (fscanf(f, "%llu", &size) != 1)
			abi_broken("hpage_pmd_size holds no number");
		fclose(f);
	}
	return size;
}

static void choose(int fd, const struct step *steps, size_t n)
{
	uint64_t iova;
	int err;

	for (size_t i = 0; i < n; i++) {
		iova = 0;
		err = ioas_map(fd, WORLD_OTHER, RW, (void *)steps[i].user_va, steps[i].len, &iova);
		abi_true(!err && iova == steps[i].want, "step %zu: %s, iova %#jx, want %#jx", i,
			 abi_errno_name(err), (uintmax_t)iova, (uintmax_t)steps[i].want);
	}
}

static void choices(void)
{
	const uint64_t huge = huge_page();
	const struct step pages[] = {
		{ 0x7001000, 0x1000, 0x1000 },
		{ 0x7002000, 0x2000, 0x2000 },  /* aligned to its own length, as its address */
		{ 0x7001000, 0x4000, 0x4000 },  /* its address is aligned to a page only */
		{ 0x7004000, 0x3000, 0x8000 },  /* rounded up to 0x4000 */
		{ 0x7000000, 0x1000, 0xb000 },
		{ 0x7000000, 0x10000, 0x10000 },
		{ 0x7000000, 0x4000, 0xc000 },  /* first fit: the gap before is filled */
	};
	const struct step large[] = {
		{ 0x40000000, huge, huge > 0x1000 ? huge : 0x1000 },
		{ 0x40000000, 2 * huge, huge > 0x1000 ? 2 * huge : 0x2000 },
		{ 0x40000000, 0x1000, huge > 0x1000 ? 0x1000 : 0x4000 },
	};
	const struct step small[] = {
		{ 0x7000123, 0x10, 0x1123 },    /* the offset in the page is kept */
		{ 0x7000010, 0x10, 0x1010 },
		{ 0x7000000, 0x100, 0x1200 },
		{ 0x7000000, 0x1, 0x1000 },
	};
	const struct step null[] = {
		{ 0, 0x3000, 0x4000 },          /* only the length counts */
		{ 0, 0x1000, 0x1000 },
		{ 0, 0x2000, 0x2000 },
	};
	const struct step most[] = {
		{ 0x7001000, UINT64_MAX / 2 - 1, 0x1000 },
	};
	static const struct iommu_iova_range list[] = { { 0x21000, 0x23fff }, { 0x5000, 0x7fff } };
	const struct step within[] = {
		{ 0x7002000, 0x2000, 0x6000 },
		{ 0x7002000, 0x2000, 0x22000 },
		{ 0x7001000, 0x1000, 0x5000 },
		{ 0x7001000, 0x1000, 0x21000 },
	};
	static const struct iommu_iova_range from_zero[] = { { 0, 0xffff } };
	const struct step zero[] = { { 0x7001000, 0x1000, 0x1000 } };
	uint64_t iova;
	int fd;

	if (abi_row("MAP", "automatic: pages")) {
		fd = world_setup();
		choose(fd, pages, ARRAY_SIZE(pages));
		close(fd);
	}
	if (abi_row("MAP", "automatic: huge pages")) {
		fd = world_setup();
		choose(fd, large, ARRAY_SIZE(large));
		close(fd);
	}
	if (abi_row("MAP", "automatic: less than a page")) {
		fd = world_setup();
		choose(fd, small, ARRAY_SIZE(small));
		close(fd);
	}
	if (abi_row("MAP", "automatic: user_va 0")) {
		fd = world_setup();
		choose(fd, null, ARRAY_SIZE(null));
		close(fd);
	}
	if (abi_row("MAP", "automatic: the longest")) {
		fd = world_setup();
		choose(fd, most, ARRAY_SIZE(most));
		close(fd);
	}
	if (abi_row("MAP ALW", "automatic: within the allowed list, ascending")) {
		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_OTHER, list, ARRAY_SIZE(list)), 0);
		choose(fd, within, ARRAY_SIZE(within));
		iova = 0;
		abi_errno(ioas_map(fd, WORLD_OTHER, RW, (void *)0x7001000, 0x1000, &iova), ENOSPC);
		close(fd);
	}
	if (abi_row("MAP ALW", "automatic: never page 0")) {
		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_OTHER, from_zero, 1), 0);
		choose(fd, zero, ARRAY_SIZE(zero));
		close(fd);
	}
	if (abi_row("MAP", "automatic: what is unmapped is found again")) {
		fd = world_setup();
		choose(fd, pages, 3);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x1000, 0x1000, NULL), 0);
		choose(fd, pages, 1);
		close(fd);
	}
}

/* MAP.13: with a device attached something is reserved. */
static void reserved(void)
{
	struct iommu_iova_range reserved;
	struct attached attached;
	uint64_t iova, bytes;
	int fd;

	if (!abi_row("MAP.13", "a reserved range") || !attached_open(&attached))
		return;
	fd = attached.bound.fd;
	if (reserved_range(fd, attached.ioas, &reserved)) {
		iova = reserved.start;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 4096, &iova),
			  EINVAL);
		iova = reserved.start - 4096;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 8192, &iova),
			  EINVAL);
		iova = reserved.last - 4095;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 8192, &iova),
			  EINVAL);
		abi_equal(ioas_empty(fd, attached.ioas), 0);

		abi_row("MAP.13 MAP.14", "a range that touches a reserved one and an area");
		ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096,
			    reserved.start - 4096);
		iova = reserved.start - 4096;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 8192, &iova),
			  EINVAL);
		iova = reserved.start - 4096;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 4096, &iova),
			  EEXIST);
		abi_equal(ioas_empty(fd, attached.ioas), 4096);

		abi_row("MAP.12 MAP.13", "a range that wraps and touches what is reserved");
		iova = reserved.start;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, NULL, -(reserved.start - 4096),
				   &iova), EOVERFLOW);

		abi_row("MAP", "automatic: what is reserved is avoided");
		ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096,
			    reserved.start - 8192);
		for (int i = 0; i < 2; i++) {
			struct iommu_iova_range list = { reserved.start - 8192,
							 reserved.start - 1 };

			abi_errno(ioas_allow(fd, attached.ioas, &list, 1), 0);
			iova = 0;
			abi_errno(ioas_map(fd, attached.ioas, RW, world_memory(), 4096, &iova),
				  i ? ENOSPC : 0);
			if (!i)
				abi_equal(iova, reserved.start - 4096);
		}
		abi_errno(ioas_unmap(fd, attached.ioas, 0, UINT64_MAX, &bytes), 0);
		abi_equal(bytes, 8192);
	}
	attached_close(&attached);
}

/* MAP.16: with a domain the memory is looked at, page by page. */
enum kind { HOLE, READ_ONLY, NO_ACCESS, KERNEL, HALF_HOLE, HALF_READ_ONLY, HOLE_FIRST, NR_KINDS };

static const char *const kind_name[NR_KINDS] = {
	"not mapped",
	"read-only",
	"no access",
	"in the kernel's half",
	"its second half not mapped",
	"its second half read-only",
	"its first page not mapped",
};

/* Sixteen pages of a kind. */
static char *bad_memory(enum kind kind)
{
	size_t len = 16 * abi_page, half = len / 2;
	char *memory;

	if (kind == KERNEL)
		return (char *)0xffff888000000000;
	memory = memory_alloc(len);
	if (kind == HOLE)
		munmap(memory, len);
	if (kind == READ_ONLY)
		mprotect(memory, len, PROT_READ);
	if (kind == NO_ACCESS)
		mprotect(memory, len, PROT_NONE);
	if (kind == HALF_HOLE)
		munmap(memory + half, half);
	if (kind == HALF_READ_ONLY)
		mprotect(memory + half, half, PROT_READ);
	if (kind == HOLE_FIRST)
		munmap(memory, abi_page);
	return memory;
}

static void free_memory(enum kind kind, char *memory)
{
	if (kind != KERNEL)
		munmap(memory, 16 * abi_page);
}

static void absent(void)
{
	struct attached attached;
	char *memory;
	uint64_t iova;
	uint32_t pt;
	int fd;

	for (enum kind kind = 0; kind < NR_KINDS; kind++) {
		bool read_only = kind == READ_ONLY || kind == HALF_READ_ONLY;

		if (abi_row("MAP.16", "memory %s", kind_name[kind]) && attached_open(&attached)) {
			fd = attached.bound.fd;
			memory = bad_memory(kind);
			iova = 0x100000;
			abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory, 16 * abi_page,
					   &iova), EFAULT);
			abi_equal(ioas_empty(fd, attached.ioas), 0);
			if (read_only) {
				abi_errno(ioas_map(fd, attached.ioas,
						   IOMMU_IOAS_MAP_FIXED_IOVA |
							   IOMMU_IOAS_MAP_READABLE,
						   memory, 16 * abi_page, &iova), 0);
				abi_equal(ioas_empty(fd, attached.ioas), 16 * abi_page);
			}
			free_memory(kind, memory);
			attached_close(&attached);
		}
		if (abi_row("MAP.14 MAP.16", "memory %s, an area in the way", kind_name[kind]) &&
		    attached_open(&attached)) {
			fd = attached.bound.fd;
			ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x10f000);
			memory = bad_memory(kind);
			iova = 0x100000;
			abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory, 16 * abi_page,
					   &iova), EEXIST);
			abi_equal(ioas_empty(fd, attached.ioas), 4096);
			free_memory(kind, memory);
			attached_close(&attached);
		}
		/* Mapped while no domain was there, it is found out by the attach. */
		if (abi_row("ATT.9 HWA.14", "memory %s, found out later", kind_name[kind]) &&
		    attached_open(&attached)) {
			fd = attached.bound.fd;
			abi_errno(cdev_detach(attached.bound.dev_fd), 0);
			memory = bad_memory(kind);
			ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x10000);
			ioas_map_ok(fd, attached.ioas, FIXED_RW, memory, 16 * abi_page, 0x100000);
			ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x200000);
			pt = attached.ioas;
			abi_errno(cdev_attach(attached.bound.dev_fd, &pt), EFAULT);
			abi_errno(hwpt_alloc(fd, attached.bound.dev, attached.ioas, 0, &pt),
				  EFAULT);
			abi_equal(next_id(fd), attached.ioas + 1);
			abi_errno(ioas_unmap(fd, attached.ioas, 0x100000, 16 * abi_page, NULL), 0);
			pt = attached.ioas;
			abi_errno(cdev_attach(attached.bound.dev_fd, &pt), 0);
			abi_equal(ioas_empty(fd, attached.ioas), 8192);
			free_memory(kind, memory);
			attached_close(&attached);
		}
	}
	if (abi_row("MAP.15 MAP.16", "user_va odd and not mapped") && attached_open(&attached)) {
		fd = attached.bound.fd;
		memory = bad_memory(HOLE);
		iova = 0x100000;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory + 0x800, abi_page, &iova),
			  EINVAL);
		attached_close(&attached);
	}
}

/* A BAR is memory of a device: iommufd does not pin it. */
static void device_memory(void)
{
	struct vfio_region_info info;
	struct attached attached;
	uint64_t iova = 0x100000;
	void *bar = MAP_FAILED;

	if (!abi_row("MAP.16", "the mapping of a BAR") || !attached_open(&attached))
		return;
	for (uint32_t index = 0; index < 6 && bar == MAP_FAILED; index++) {
		info = (struct vfio_region_info){ .argsz = sizeof(info), .index = index };
		if (abi_ioctl(attached.bound.dev_fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
		    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < abi_page)
			continue;
		bar = mmap(NULL, abi_page, PROT_READ | PROT_WRITE, MAP_SHARED,
			   attached.bound.dev_fd, (off_t)info.offset);
	}
	if (bar == MAP_FAILED) {
		abi_skip("the device has no BAR that can be mapped");
	} else {
		abi_errno(ioas_map(attached.bound.fd, attached.ioas, FIXED_RW, bar, abi_page,
				   &iova), EFAULT);
		abi_equal(ioas_empty(attached.bound.fd, attached.ioas), 0);
		munmap(bar, abi_page);
	}
	attached_close(&attached);
}

/* MAP.19: a reply that cannot be written leaves the mapping where it is. */
static void failed_reply(void)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = FIXED_RW,
		.ioas_id = WORLD_OTHER,
		.user_va = va,
		.length = 4096,
		.iova = 0x100000,
	};
	void *page;
	int fd;

	for (int fixed = 0; fixed < 2; fixed++) {
		if (!abi_row("MAP.19", "%s", fixed ? "fixed" : "automatic"))
			continue;
		cmd.flags = fixed ? FIXED_RW : RW;
		fd = world_setup();
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_MAP, page), EFAULT);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, fixed ? 0x100000 : 0x1000, 4096, NULL), 0);
		abi_read_only_put(page);
		close(fd);
	}
	if (abi_row("MAP.14 MAP.19", "refused, from read-only memory")) {
		cmd.flags = FIXED_RW;
		cmd.ioas_id = WORLD_IOAS;
		fd = world_setup();
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_MAP, page), EEXIST);
		abi_read_only_put(page);
		world_audit(fd);
		close(fd);
	}
}

/* The caller gives up CAP_IPC_LOCK: this stands last in the program. */
static void over_limit(void)
{
	struct rlimit limit, keep;
	struct attached attached;
	size_t len = 1 << 20;
	uint64_t iova;
	char *memory;
	uint32_t pt;
	int fd;

	if (!abi_row("MAP.17", "over RLIMIT_MEMLOCK") || !attached_open(&attached))
		return;
	fd = attached.bound.fd;
	memory = memory_alloc(len);
	abi_drop_capability(CAP_IPC_LOCK);
	getrlimit(RLIMIT_MEMLOCK, &keep);
	limit = keep;
	limit.rlim_cur = 64 << 10;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		abi_broken("setrlimit: %s", strerror(errno));

	iova = 0x100000;
	abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory, len, &iova), ENOMEM);
	abi_equal(ioas_empty(fd, attached.ioas), 0);

	abi_row("MAP.16 MAP.17", "memory that is not there costs nothing");
	munmap(memory, abi_page);
	iova = 0x100000;
	abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory, len, &iova), EFAULT);

	abi_row("MAP.17", "within the limit, again and again");
	for (int i = 0; i < 64; i++) {
		iova = 0x100000;
		abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, world_memory(), 4096, &iova), 0);
		abi_equal(ioas_empty(fd, attached.ioas), 4096);
	}

	abi_row("ATT.9 MAP.17", "without a domain nothing is charged, the attach is refused");
	abi_errno(cdev_detach(attached.bound.dev_fd), 0);
	iova = 0x100000;
	abi_errno(ioas_map(fd, attached.ioas, FIXED_RW, memory + abi_page, len - abi_page, &iova),
		  0);
	pt = attached.ioas;
	abi_errno(cdev_attach(attached.bound.dev_fd, &pt), ENOMEM);
	abi_equal(ioas_empty(fd, attached.ioas), len - abi_page);
	setrlimit(RLIMIT_MEMLOCK, &keep);
	munmap(memory + abi_page, len - abi_page);
	attached_close(&attached);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(fixed_rules), ABI_PART(automatic_rules), ABI_PART(bytes),
		ABI_PART(choices), ABI_PART(reserved), ABI_PART(absent),
		ABI_PART(device_memory), ABI_PART(failed_reply), ABI_PART(over_limit),
	};

	va = PTR(world_memory());
	odd_va = va + 0x800;
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

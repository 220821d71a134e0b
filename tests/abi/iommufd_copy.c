/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS_COPY (CPY). The source of the rules is WORLD_IOAS, whose areas A and B are adjacent. */
#include "abi_iommufd.h"

static const struct iommu_ioas_copy good = {
	.size = sizeof(good),
	.flags = FIXED_RW,
	.dst_ioas_id = WORLD_OTHER,
	.src_ioas_id = WORLD_IOAS,
	.length = 8192,
	.dst_iova = 0x300000,
	.src_iova = WORLD_AREA_A,
};

#define COPY_RULES                                                                                 \
	{ "CPY.1", "an unknown flag", EOPNOTSUPP, { SET(iommu_ioas_copy, flags, 8 | RW) } },      \
	{ "CPY.1", "the highest flag", EOPNOTSUPP, { SET(iommu_ioas_copy, flags, 0x80000000) } }, \
	{ "CPY.2", "length ULMAX", EOVERFLOW, { SET(iommu_ioas_copy, length, UINT64_MAX) } },     \
	{ "CPY.2", "dst_iova ULMAX", EOVERFLOW, { SET(iommu_ioas_copy, dst_iova, UINT64_MAX) } }, \
	{ "CPY.2", "src_iova ULMAX", EOVERFLOW, { SET(iommu_ioas_copy, src_iova, UINT64_MAX) } }

#define COPY_RULES_2                                                                               \
	{ "CPY.4", "no such source", ENOENT, { SET(iommu_ioas_copy, src_ioas_id, ID_NONE) } },    \
	{ "CPY.5", "length 0", EINVAL, { SET(iommu_ioas_copy, length, 0) } },                     \
	{ "CPY.6", "src_iova + length - 1 wraps", EOVERFLOW,                                      \
	  { SET(iommu_ioas_copy, src_iova, -4096ull) } },                                         \
	{ "CPY.7", "nothing there", ENOENT, { SET(iommu_ioas_copy, src_iova, 0x900000) } },       \
	{ "CPY.7", "nothing there at the start", ENOENT,                                          \
	  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_A - 4096) } },                              \
	{ "CPY.7", "nothing there at the end", ENOENT,                                            \
	  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_C) } },                                     \
	{ "CPY.7", "a hole in the middle", ENOENT,                                                \
	  { SET(iommu_ioas_copy, length, WORLD_AREA_C + 4096 - WORLD_AREA_A) } },                 \
	{ "CPY.8", "no such destination", ENOENT, { SET(iommu_ioas_copy, dst_ioas_id, ID_NONE) } }

static void fixed_rules(void)
{
	const struct abi_rule rules[] = {
		COPY_RULES,
		{ "CPY.3", "no permission", EINVAL,
		  { SET(iommu_ioas_copy, flags, IOMMU_IOAS_MAP_FIXED_IOVA) } },
		COPY_RULES_2,
		{ "CPY.9 MAP.12", "dst_iova + length wraps", EOVERFLOW,
		  { SET(iommu_ioas_copy, dst_iova, -4096ull),
		    SET(iommu_ioas_copy, length, 8192) } },
		{ "CPY.9 MAP.14", "an area in the way", EEXIST,
		  { SET(iommu_ioas_copy, dst_ioas_id, WORLD_IOAS),
		    SET(iommu_ioas_copy, dst_iova, WORLD_AREA_A + 4096) } },
		{ "CPY.10", "written by the copy, read by the first map", EPERM,
		  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_B) } },
		{ "CPY.10", "written by the copy, its second half read by the first map", EPERM,
		  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_B - 4096) } },
	};
	const struct abi_command command = {
		.name = "COPY, fixed",
		.request = IOMMU_IOAS_COPY,
		.base = &good,
		.size = sizeof(good),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "CPY",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* WORLD_OTHER takes whole pages only. */
static int setup_aligned(void)
{
	int fd = world_setup();

	abi_errno(ioas_huge_pages(fd, WORLD_OTHER, 0), 0);
	return fd;
}

static void audit_aligned(int fd)
{
	abi_equal(ioas_empty(fd, WORLD_OTHER), 0);
	abi_equal(ioas_empty(fd, WORLD_IOAS), WORLD_BYTES);
	abi_equal(next_id(fd), WORLD_NEXT);
}

static void aligned_rules(void)
{
	const struct abi_rule rules[] = {
		{ "CPY.7", "nothing there", ENOENT, { SET(iommu_ioas_copy, src_iova, 0x900000) } },
		{ "CPY.9 MAP.7", "length odd", EINVAL, { SET(iommu_ioas_copy, length, 4097) } },
		{ "CPY.9 MAP.11", "dst_iova odd", EINVAL,
		  { SET(iommu_ioas_copy, dst_iova, 0x300800) } },
		{ "CPY.9 MAP.12", "dst_iova + length wraps", EOVERFLOW,
		  { SET(iommu_ioas_copy, dst_iova, -4096ull),
		    SET(iommu_ioas_copy, length, 8192) } },
		{ "CPY.9 MAP.15", "src_iova odd", EINVAL,
		  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_A + 0x800) } },
	};
	const struct abi_command command = {
		.name = "COPY to whole pages",
		.request = IOMMU_IOAS_COPY,
		.base = &good,
		.size = sizeof(good),
		.setup = setup_aligned,
		.audit = audit_aligned,
		.teardown = world_teardown,
		.base_rule = "CPY",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void automatic_rules(void)
{
	static struct iommu_ioas_copy base;
	const struct abi_rule rules[] = {
		COPY_RULES,
		{ "CPY.3", "no permission", EINVAL, { SET(iommu_ioas_copy, flags, 0) } },
		COPY_RULES_2,
		{ "CPY.10", "written by the copy, read by the first map", EPERM,
		  { SET(iommu_ioas_copy, src_iova, WORLD_AREA_B) } },
	};
	const struct abi_command command = {
		.name = "COPY, automatic",
		.request = IOMMU_IOAS_COPY,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "CPY",
	};

	base = good;
	base.flags = RW;
	base.dst_iova = 0;
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* MAP.10 in the destination. */
static void no_gap(void)
{
	static const struct iommu_iova_range list[] = { { 0x300000, 0x300fff } };
	uint64_t iova = 0;
	int fd;

	if (abi_row("CPY.9 MAP.10", "no gap")) {
		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_OTHER, list, 1), 0);
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A, 8192, RW),
			  ENOSPC);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("CPY.9 MAP.10 CPY.10", "no gap, and not writable")) {
		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_OTHER, list, 1), 0);
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_B, 8192, RW),
			  ENOSPC);
		world_audit(fd);
		close(fd);
	}
}

static void not_writable_and_odd(void)
{
	uint64_t iova = 0x300000;
	int fd;

	if (!abi_row("CPY.10 MAP.15", "not writable, and src_iova odd"))
		return;
	fd = setup_aligned();
	abi_errno(
		ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_B + 0x800, 4096, FIXED_RW),
		EPERM);
	audit_aligned(fd);
	close(fd);
}

static void effects(void)
{
	uint64_t bytes, iova;
	int fd;

	if (abi_row("CPY", "a part of an area")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A + 4096, 4096,
				    FIXED_RW), 0);
		abi_equal(iova, 0x300000);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 4096);
		close(fd);
	}
	if (abi_row("CPY", "a part that begins and ends within a page")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A + 0x123,
				    0x1456, FIXED_RW),
			  0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 0x1456);
		close(fd);
	}
	if (abi_row("CPY", "two adjacent areas become two areas")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_B - 4096, 8192,
				    IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE), 0);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x300000, 4096, &bytes), 0);
		abi_equal(bytes, 4096);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x301000, 4096, &bytes), 0);
		abi_equal(bytes, 4096);
		close(fd);
	}
	if (abi_row("CPY", "automatic: the whole length is placed at once")) {
		fd = world_setup();
		/* A gap of two pages, then room: neither piece may go into the gap. */
		ioas_map_ok(fd, WORLD_OTHER, FIXED_RW, world_memory(), 4096, 0x3000);
		iova = 0;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_B - 8192,
				    4 * 4096, IOMMU_IOAS_MAP_READABLE),
			  0);
		abi_true(iova > 0x3000, "it was placed at %#jx", (uintmax_t)iova);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, iova, 4 * 4096, &bytes), 0);
		abi_equal(bytes, 4 * 4096);
		close(fd);
	}
	if (abi_row("CPY", "within one IOAS")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_IOAS, &iova, WORLD_IOAS, WORLD_AREA_A, 4 * 4096,
				    FIXED_RW), 0);
		abi_equal(ioas_empty(fd, WORLD_IOAS), WORLD_BYTES + 4 * 4096);
		close(fd);
	}
	if (abi_row("CPY.10", "what may be written goes back to the first map, not to the copy")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A, 4096,
				    IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE), 0);
		iova = 0x400000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_OTHER, 0x300000, 4096, FIXED_RW),
			  0);
		iova = 0x500000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_B, 4096,
				    IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE), 0);
		iova = 0x600000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_OTHER, 0x500000, 4096, FIXED_RW),
			  EPERM);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 3 * 4096);
		close(fd);
	}
	if (abi_row("CPY", "a copy outlives its source")) {
		fd = world_setup();
		iova = 0x300000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A, 4 * 4096,
				    FIXED_RW), 0);
		abi_equal(ioas_empty(fd, WORLD_IOAS), WORLD_BYTES);
		iova = 0x400000;
		abi_errno(ioas_copy(fd, WORLD_IOAS, &iova, WORLD_OTHER, 0x301000, 4096, FIXED_RW),
			  0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 4 * 4096);
		abi_equal(ioas_empty(fd, WORLD_IOAS), 4096);
		close(fd);
	}
}

/* With a device: memory that is gone cannot be copied to a domain, unless it is pinned. */
static void pinned(void)
{
	struct attached attached;
	uint64_t iova;
	uint32_t other;
	char *memory;
	int fd;

	if (abi_row("CPY.9 MAP.16", "memory that is not there") && attached_open(&attached)) {
		fd = attached.bound.fd;
		other = ioas_alloc_ok(fd);
		ioas_map_ok(fd, other, FIXED_RW, abi_memory()->none, 4096, 0x100000);
		iova = 0x200000;
		abi_errno(ioas_copy(fd, attached.ioas, &iova, other, 0x100000, 4096, FIXED_RW),
			  EFAULT);
		abi_equal(ioas_empty(fd, attached.ioas), 0);
		object_destroy_ok(fd, other);
		attached_close(&attached);
	}
	if (abi_row("CPY.9 MAP.16", "the second of two pieces is not there: neither stays") &&
	    attached_open(&attached)) {
		fd = attached.bound.fd;
		other = ioas_alloc_ok(fd);
		ioas_map_ok(fd, other, FIXED_RW, world_memory(), 4096, 0x100000);
		ioas_map_ok(fd, other, FIXED_RW, abi_memory()->none, 4096, 0x101000);
		iova = 0x200000;
		abi_errno(ioas_copy(fd, attached.ioas, &iova, other, 0x100000, 8192, FIXED_RW),
			  EFAULT);
		abi_equal(ioas_empty(fd, attached.ioas), 0);
		abi_errno(ioas_copy(fd, attached.ioas, &iova, other, 0x100000, 4096, FIXED_RW), 0);
		object_destroy_ok(fd, other);
		attached_close(&attached);
	}
	if (abi_row("CPY", "pinned memory can be copied after the program has unmapped it") &&
	    attached_open(&attached)) {
		int file = memfd_ok(4 * abi_page);
		struct iommu_ioas_map_file map = {
			.size = sizeof(map),
			.flags = FIXED_RW,
			.ioas_id = attached.ioas,
			.fd = file,
			.length = 4 * abi_page,
			.iova = 0x100000,
		};

		fd = attached.bound.fd;
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_MAP_FILE, &map), 0);
		close(file);
		iova = 0x200000;
		abi_errno(ioas_copy(fd, attached.ioas, &iova, attached.ioas, 0x100000, 4 * abi_page,
				    FIXED_RW), 0);
		abi_equal(ioas_empty(fd, attached.ioas), 8 * abi_page);
		attached_close(&attached);
	}
	if (abi_row("CPY.7", "memory may be gone when no domain wants it")) {
		memory = memory_alloc(abi_page);
		fd = world_setup();
		ioas_map_ok(fd, WORLD_OTHER, FIXED_RW, memory, 4096, 0x300000);
		memory_free(memory, abi_page);
		iova = 0x400000;
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_OTHER, 0x300000, 4096, FIXED_RW),
			  0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 8192);
		close(fd);
	}
}

static void failed_reply(void)
{
	void *page;
	int fd;

	if (!abi_row("CPY.9 MAP.19", "a failed reply leaves the copy"))
		return;
	fd = world_setup();
	page = abi_read_only(&good, sizeof(good));
	abi_errno(abi_ioctl(fd, IOMMU_IOAS_COPY, page), EFAULT);
	abi_errno(ioas_unmap(fd, WORLD_OTHER, good.dst_iova, good.length, NULL), 0);
	abi_read_only_put(page);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(fixed_rules), ABI_PART(aligned_rules), ABI_PART(automatic_rules),
		ABI_PART(no_gap), ABI_PART(not_writable_and_odd), ABI_PART(effects),
		ABI_PART(pinned), ABI_PART(failed_reply),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

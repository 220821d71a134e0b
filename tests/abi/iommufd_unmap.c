/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS_UNMAP (UNM). */
#include "abi_iommufd.h"

static void rules(void)
{
	static const struct iommu_ioas_unmap base = {
		.size = sizeof(base),
		.ioas_id = WORLD_IOAS,
		.iova = WORLD_AREA_C,
		.length = 4096,
	};
	const struct abi_rule rules[] = {
		{ "UNM.1", "no such IOAS", ENOENT, { SET(iommu_ioas_unmap, ioas_id, ID_NONE) } },
		{ "UNM.1 UNM.2", "no such IOAS, everything", ENOENT,
		  { SET(iommu_ioas_unmap, ioas_id, ID_NONE), SET(iommu_ioas_unmap, iova, 0),
		    SET(iommu_ioas_unmap, length, UINT64_MAX) } },
		{ "UNM.3", "iova ULMAX", EOVERFLOW, { SET(iommu_ioas_unmap, iova, UINT64_MAX) } },
		{ "UNM.3", "length ULMAX", EOVERFLOW,
		  { SET(iommu_ioas_unmap, length, UINT64_MAX) } },
		{ "UNM.3 UNM.4", "iova ULMAX, length 0", EOVERFLOW,
		  { SET(iommu_ioas_unmap, iova, UINT64_MAX), SET(iommu_ioas_unmap, length, 0) } },
		{ "UNM.4", "length 0", EINVAL, { SET(iommu_ioas_unmap, length, 0) } },
		{ "UNM.5", "iova + length - 1 wraps", EOVERFLOW,
		  { SET(iommu_ioas_unmap, length, -4096ull) } },
		{ "UNM.8", "the first page of an area", ENOENT,
		  { SET(iommu_ioas_unmap, iova, WORLD_AREA_A) } },
		{ "UNM.8", "the last page of an area", ENOENT,
		  { SET(iommu_ioas_unmap, iova, WORLD_AREA_B + 4096) } },
		{ "UNM.8", "the middle of an area", ENOENT,
		  { SET(iommu_ioas_unmap, iova, WORLD_AREA_A + 4096) } },
		{ "UNM.8", "an area but for one byte", ENOENT,
		  { SET(iommu_ioas_unmap, length, 4095) } },
		{ "UNM.8", "an area but for its first byte", ENOENT,
		  { SET(iommu_ioas_unmap, iova, WORLD_AREA_C + 1) } },
		{ "UNM.10", "nothing there", ENOENT, { SET(iommu_ioas_unmap, iova, 0x900000) } },
		{ "UNM.10", "between areas", ENOENT,
		  { SET(iommu_ioas_unmap, iova, WORLD_AREA_B + 8192) } },
		{ "UNM.10", "another IOAS, which is empty", ENOENT,
		  { SET(iommu_ioas_unmap, ioas_id, WORLD_OTHER) } },
	};
	const struct abi_command command = {
		.name = "UNMAP",
		.request = IOMMU_IOAS_UNMAP,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "UNM.11",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void everything(void)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = WORLD_IOAS, .length = UINT64_MAX,
	};
	uint64_t bytes;
	int fd;

	if (abi_row("UNM.2", "everything")) {
		fd = world_setup();
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd), 0);
		abi_equal(cmd.iova, 0);
		abi_equal(cmd.length, WORLD_BYTES);
		abi_errno(ioas_unmap(fd, WORLD_IOAS, 0, UINT64_MAX, &bytes), 0);
		abi_equal(bytes, 0);
		close(fd);
	}
	if (abi_row("UNM.2", "everything, and nothing is there")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0, UINT64_MAX, &bytes), 0);
		abi_equal(bytes, 0);
		close(fd);
	}
	if (abi_row("UNM.2", "the last two bytes of the space too")) {
		uint64_t iova = UINT64_MAX - 1;

		fd = world_setup();
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 2, &iova), 0);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0, UINT64_MAX, &bytes), 0);
		abi_equal(bytes, 2);
		close(fd);
	}
	if (abi_row("UNM.3", "nearly everything")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_IOAS, 1, UINT64_MAX, NULL), EOVERFLOW);
		abi_errno(ioas_unmap(fd, WORLD_IOAS, 0, UINT64_MAX - 1, &bytes), 0);
		abi_equal(bytes, WORLD_BYTES);
		close(fd);
	}
}

static void ranges(void)
{
	uint64_t bytes;
	int fd;

	if (abi_row("UNM.11", "several areas and the holes between them")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_IOAS, 0x1000, 0x10000000, &bytes), 0);
		abi_equal(bytes, WORLD_BYTES);
		close(fd);
	}
	if (abi_row("UNM.11", "exactly two adjacent areas")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_IOAS, WORLD_AREA_A, 6 * 4096, &bytes), 0);
		abi_equal(bytes, 6 * 4096);
		abi_equal(ioas_empty(fd, WORLD_IOAS), 4096);
		close(fd);
	}
	if (abi_row("UNM.11", "one of two adjacent areas")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_IOAS, WORLD_AREA_B, 2 * 4096, &bytes), 0);
		abi_equal(bytes, 2 * 4096);
		abi_equal(ioas_empty(fd, WORLD_IOAS), 5 * 4096);
		close(fd);
	}
	/* Areas before the one that is cut stay removed, and nobody is told how much that was. */
	if (abi_row("UNM.8", "the last area is cut: those before are gone")) {
		struct iommu_ioas_unmap cmd = {
			.size = sizeof(cmd),
			.ioas_id = WORLD_IOAS,
			.iova = WORLD_AREA_A,
			.length = 5 * 4096,
		};

		fd = world_setup();
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd), ENOENT);
		abi_equal(cmd.length, 5 * 4096);
		abi_errno(ioas_unmap(fd, WORLD_IOAS, WORLD_AREA_A, 4 * 4096, NULL), ENOENT);
		abi_equal(ioas_empty(fd, WORLD_IOAS), 3 * 4096);
		close(fd);
	}
	if (abi_row("UNM.8", "the first area is cut: all stay")) {
		fd = world_setup();
		abi_errno(ioas_unmap(fd, WORLD_IOAS, WORLD_AREA_A + 1, 0x1000000, NULL), ENOENT);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("UNM.8", "pieces of one copy are areas of their own")) {
		uint64_t iova = 0x800000;

		fd = world_setup();
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A, 6 * 4096,
				    IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE), 0);
		abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x800000, 5 * 4096, NULL), ENOENT);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 2 * 4096);
		close(fd);
	}
}

static void reuse(void)
{
	uint64_t iova;
	int fd;

	if (abi_row("UNM.11", "what was unmapped can be mapped again, many times")) {
		fd = world_setup();
		for (int i = 0; i < 1000; i++) {
			iova = 0x400000;
			if (!abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 4096,
						&iova),
				       0) ||
			    !abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x400000, 4096, NULL), 0))
				break;
		}
		world_audit(fd);
		close(fd);
	}
	if (abi_row("UNM.11", "thousands of areas, the even ones first")) {
		fd = world_setup();
		for (uint64_t i = 0; i < 4000; i++)
			ioas_map_ok(fd, WORLD_OTHER, FIXED_RW, world_memory(), 4096, i * 4096);
		for (uint64_t i = 0; i < 4000; i += 2)
			if (!abi_errno(ioas_unmap(fd, WORLD_OTHER, i * 4096, 4096, NULL), 0))
				break;
		for (uint64_t i = 0; i < 4000; i += 2)
			if (!abi_errno(ioas_unmap(fd, WORLD_OTHER, i * 4096, 4096, NULL), ENOENT))
				break;
		abi_equal(ioas_empty(fd, WORLD_OTHER), 2000 * 4096);
		close(fd);
	}
}

/* With a device: memory that the program gave up meanwhile is no obstacle. */
static void gone(void)
{
	struct attached attached;
	char *memory;
	int fd;

	if (!abi_row("UNM.11", "memory that the program has unmapped") || !attached_open(&attached))
		return;
	fd = attached.bound.fd;
	memory = memory_alloc(16 * abi_page);
	ioas_map_ok(fd, attached.ioas, FIXED_RW, memory, 16 * abi_page, 0x100000);
	memory_free(memory, 16 * abi_page);
	abi_errno(ioas_unmap(fd, attached.ioas, 0x100000, 4096, NULL), ENOENT);
	abi_equal(ioas_empty(fd, attached.ioas), 16 * abi_page);
	attached_close(&attached);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(rules), ABI_PART(everything), ABI_PART(ranges), ABI_PART(reuse),
		ABI_PART(gone),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

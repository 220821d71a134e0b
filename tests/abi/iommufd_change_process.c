/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS_CHANGE_PROCESS (CHP), asked by the process that is already in charge. */
#include "abi_iommufd.h"

#include <sys/mman.h>

static int change_process(int fd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return abi_ioctl(fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static void map_file_ok(int fd, uint32_t ioas, int file, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = FIXED_RW,
		.ioas_id = ioas,
		.fd = file,
		.length = len,
		.iova = iova,
	};
	int err = abi_ioctl(fd, IOMMU_IOAS_MAP_FILE, &cmd);

	if (err)
		abi_broken("MAP_FILE: %s", abi_errno_name(err));
}

static int setup_files(void)
{
	int fd = iommufd_open(), file = memfd_ok(16 * abi_page);

	ioas_alloc_ok(fd);
	ioas_alloc_ok(fd);
	map_file_ok(fd, 1, file, 16 * abi_page, 0x100000);
	close(file);
	return fd;
}

static void audit_files(int fd)
{
	abi_equal(ioas_empty(fd, 1), 16 * abi_page);
	abi_equal(ioas_empty(fd, 2), 0);
	abi_equal(next_id(fd), 3);
}

static void rules(void)
{
	static const struct iommu_ioas_change_process base = { .size = sizeof(base) };
	const struct abi_rule rules[] = {
		{ "CHP.1", "reserved", EOPNOTSUPP,
		  { SET(iommu_ioas_change_process, __reserved, 1) } },
		{ "CHP.1", "all of reserved", EOPNOTSUPP,
		  { SET(iommu_ioas_change_process, __reserved, UINT32_MAX) } },
	};
	const struct abi_command command = {
		.name = "CHANGE_PROCESS",
		.request = IOMMU_IOAS_CHANGE_PROCESS,
		.base = &base,
		.size = sizeof(base),
		.setup = setup_files,
		.audit = audit_files,
		.teardown = fd_close,
		.base_rule = "CHP.5",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void areas(void)
{
	struct iommu_ioas_change_process reserved = { .size = sizeof(reserved), .__reserved = 1 };
	uint64_t iova;
	void *address;
	int fd, file;

	if (abi_row("CHP.5", "no IOAS at all")) {
		fd = iommufd_open();
		abi_errno(change_process(fd), 0);
		close(fd);
	}
	if (abi_row("CHP.5", "no area")) {
		fd = iommufd_open();
		ioas_alloc_ok(fd);
		abi_errno(change_process(fd), 0);
		close(fd);
	}
	if (abi_row("CHP.5", "files only, copies of them too; areas stay")) {
		fd = setup_files();
		iova = 0x100000;
		abi_errno(ioas_copy(fd, 2, &iova, 1, 0x100000, 4 * abi_page, FIXED_RW), 0);
		abi_errno(change_process(fd), 0);
		abi_errno(change_process(fd), 0);
		abi_equal(ioas_empty(fd, 2), 4 * abi_page);
		audit_files(fd);
		close(fd);
	}
	if (abi_row("CHP.3", "memory that is no file's")) {
		fd = world_setup();
		abi_errno(change_process(fd), EINVAL);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("CHP.3", "files, and in another IOAS one page that is no file's")) {
		fd = setup_files();
		ioas_map_ok(fd, 2, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_errno(change_process(fd), EINVAL);
		abi_equal(ioas_empty(fd, 2), 4096);
		abi_errno(change_process(fd), 0);
		close(fd);
	}
	if (abi_row("CHP.3", "a mapping of a memfd by its address is no file's")) {
		fd = iommufd_open();
		ioas_alloc_ok(fd);
		file = memfd_ok(abi_page);
		address = mmap(NULL, abi_page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (address == MAP_FAILED)
			abi_broken("mmap: %s", strerror(errno));
		ioas_map_ok(fd, 1, FIXED_RW, address, 4096, 0x100000);
		map_file_ok(fd, 1, file, abi_page, 0x200000);
		close(file);
		abi_errno(change_process(fd), EINVAL);
		abi_equal(ioas_empty(fd, 1), 8192);
		munmap(address, abi_page);
		close(fd);
	}
	if (abi_row("CHP.1 CHP.3", "reserved, and memory that is no file's")) {
		fd = world_setup();
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_CHANGE_PROCESS, &reserved), EOPNOTSUPP);
		world_audit(fd);
		close(fd);
	}
}

static void pinned(void)
{
	struct attached attached;
	int file;

	if (!abi_row("CHP.5", "files that are pinned") || !attached_open(&attached))
		return;
	file = memfd_ok(16 * abi_page);
	map_file_ok(attached.bound.fd, attached.ioas, file, 16 * abi_page, 0x100000);
	close(file);
	abi_errno(change_process(attached.bound.fd), 0);
	abi_equal(ioas_empty(attached.bound.fd, attached.ioas), 16 * abi_page);
	attached_close(&attached);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(rules), ABI_PART(areas), ABI_PART(pinned),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

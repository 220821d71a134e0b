/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS_MAP_FILE (MPF, and MAP's rules as they apply to files). */
#include "abi_iommufd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define FILE_LEN (64 * 4096)

static uint64_t file_fd;

static int map_file(int fd, uint32_t ioas, uint32_t flags, int file, uint64_t start, uint64_t len,
		    uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.fd = file,
		.start = start,
		.length = len,
		.iova = *iova,
	};
	int err = abi_ioctl(fd, IOMMU_IOAS_MAP_FILE, &cmd);

	*iova = cmd.iova;
	return err;
}

static void fixed_rules(void)
{
	static struct iommu_ioas_map_file base = {
		.size = sizeof(base),
		.flags = FIXED_RW,
		.ioas_id = WORLD_IOAS,
		.length = 8192,
		.iova = 0x300000,
	};
	const struct abi_rule rules[] = {
		{ "MPF.1 MAP.1", "an unknown flag", EOPNOTSUPP,
		  { SET(iommu_ioas_map_file, flags, 8 | FIXED_RW) } },
		{ "MPF.1 MAP.2", "iova ULMAX", EOVERFLOW,
		  { SET(iommu_ioas_map_file, iova, UINT64_MAX) } },
		{ "MPF.1 MAP.2", "length ULMAX", EOVERFLOW,
		  { SET(iommu_ioas_map_file, length, UINT64_MAX) } },
		{ "MPF.1 MAP.3", "no permission", EINVAL,
		  { SET(iommu_ioas_map_file, flags, IOMMU_IOAS_MAP_FIXED_IOVA) } },
		{ "MPF.1 MAP.4", "no such IOAS", ENOENT,
		  { SET(iommu_ioas_map_file, ioas_id, ID_NONE) } },
		{ "MPF.2", "length 0", EINVAL, { SET(iommu_ioas_map_file, length, 0) } },
		{ "MPF.3", "start + length - 1 wraps", EOVERFLOW,
		  { SET(iommu_ioas_map_file, start, -4096ull) } },
		{ "MPF.4", "fd -1", EBADF, { SET(iommu_ioas_map_file, fd, -1ull) } },
		{ "MPF.4", "fd not open", EBADF, { SET(iommu_ioas_map_file, fd, 1000000) } },
		{ "MPF.7 MAP.7", "length odd", EINVAL, { SET(iommu_ioas_map_file, length, 4097) } },
		{ "MPF.7 MAP.11", "iova odd", EINVAL,
		  { SET(iommu_ioas_map_file, iova, 0x300800) } },
		{ "MPF.7 MAP.12", "iova + length wraps", EOVERFLOW,
		  { SET(iommu_ioas_map_file, iova, -4096ull),
		    SET(iommu_ioas_map_file, length, 8192) } },
		{ "MPF.7 MAP.14", "an area in the way", EEXIST,
		  { SET(iommu_ioas_map_file, iova, WORLD_AREA_A) } },
		{ "MPF.7 MAP.15", "start odd", EINVAL, { SET(iommu_ioas_map_file, start, 0x800) } },
	};
	const struct abi_command command = {
		.name = "MAP_FILE, fixed",
		.request = IOMMU_IOAS_MAP_FILE,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup_aligned,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "MPF",
	};

	base.fd = (int)file_fd;
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void automatic_rules(void)
{
	static struct iommu_ioas_map_file base = {
		.size = sizeof(base), .flags = RW, .ioas_id = WORLD_IOAS, .length = 8192,
	};
	const struct abi_rule rules[] = {
		{ "MPF.1 MAP.3", "no permission", EINVAL, { SET(iommu_ioas_map_file, flags, 0) } },
		{ "MPF.1 MAP.4", "no such IOAS", ENOENT,
		  { SET(iommu_ioas_map_file, ioas_id, ID_NONE) } },
		{ "MPF.2", "length 0", EINVAL, { SET(iommu_ioas_map_file, length, 0) } },
		{ "MPF.4", "fd -1", EBADF, { SET(iommu_ioas_map_file, fd, -1ull) } },
		{ "MPF.7 MAP.7", "length odd", EINVAL, { SET(iommu_ioas_map_file, length, 4097) } },
		{ "MPF.7 MAP.8", "length ULMAX/2", EOVERFLOW,
		  { SET(iommu_ioas_map_file, length, 0x8000000000000000) } },
		{ "MPF.7 MAP.9", "natural alignment too small", EINVAL,
		  { SET(iommu_ioas_map_file, start, 0x800) } },
	};
	const struct abi_command command = {
		.name = "MAP_FILE, automatic",
		.request = IOMMU_IOAS_MAP_FILE,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup_aligned,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "MPF",
	};

	base.fd = (int)file_fd;
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void choice(void)
{
	uint64_t iova;
	int fd;

	if (abi_row("MPF MAP", "automatic: the offset in the file counts as the address")) {
		fd = world_setup();
		iova = 0;
		abi_errno(map_file(fd, WORLD_OTHER, RW, (int)file_fd, 0x1000, 0x4000, &iova), 0);
		abi_equal(iova, 0x1000);
		iova = 0;
		abi_errno(map_file(fd, WORLD_OTHER, RW, (int)file_fd, 0x4000, 0x4000, &iova), 0);
		abi_equal(iova, 0x8000);
		iova = 0;
		abi_errno(map_file(fd, WORLD_OTHER, RW, (int)file_fd, 0x2340, 0x10, &iova), 0);
		abi_equal(iova, 0x5340);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 0x8010);
		close(fd);
	}
	if (abi_row("MPF", "the file may be closed at once")) {
		int file = memfd_ok(FILE_LEN);

		fd = world_setup();
		iova = 0x100000;
		abi_errno(map_file(fd, WORLD_OTHER, FIXED_RW, file, 0, FILE_LEN, &iova), 0);
		close(file);
		abi_equal(ioas_empty(fd, WORLD_OTHER), FILE_LEN);
		close(fd);
	}
}

/* What kind of file may be named, and what may be pinned of it. */
struct kind {
	const char *name;
	int (*open)(void);
	uint64_t start, len;
	int want_pinned;
};

static int open_memfd(void)
{
	return memfd_ok(FILE_LEN);
}

static int open_tmpfs(void)
{
	int file = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (file >= 0 && ftruncate(file, FILE_LEN))
		abi_broken("ftruncate: %s", strerror(errno));
	return file;
}

static int open_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int open_device(void)
{
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int open_itself(void)
{
	return iommufd_open();
}

/* Sealed against writing while nobody has it mapped. */
static int open_sealed(void)
{
	int file = memfd_ok(FILE_LEN);

	if (fcntl(file, F_ADD_SEALS, F_SEAL_WRITE))
		abi_broken("F_SEAL_WRITE: %s", strerror(errno));
	return file;
}

static int open_read_only(void)
{
	char path[64];
	int file = memfd_ok(FILE_LEN), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(file);
	return again;
}

static const struct kind kinds[] = {
	{ "a memfd", open_memfd, 0, FILE_LEN, 0 },
	{ "a part of a memfd", open_memfd, 0x3000, 0x2000, 0 },
	{ "a file of a tmpfs", open_tmpfs, 0, FILE_LEN, 0 },
	{ "a memfd opened read-only", open_read_only, 0, FILE_LEN, 0 },
	{ "a memfd sealed against writing", open_sealed, 0, FILE_LEN, 0 },
	{ "a range that ends past the end", open_memfd, FILE_LEN - 4096, 8192, EINVAL },
	{ "a range past the end", open_memfd, FILE_LEN, 4096, EINVAL },
	{ "a range that begins far past the end", open_memfd, 1ull << 40, 4096, EINVAL },
	{ "a directory", open_directory, 0, 4096, EINVAL },
	{ "an eventfd", open_eventfd, 0, 4096, EINVAL },
	{ "a character device", open_device, 0, 4096, EINVAL },
	{ "an iommufd", open_itself, 0, 4096, EINVAL },
};

static void files(void)
{
	struct attached attached;
	uint64_t iova;
	uint32_t pt;
	int file, fd;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = &kinds[i];

		if (abi_row("MPF", "%s, without a domain", kind->name)) {
			file = kind->open();
			fd = world_setup();
			iova = 0x100000;
			if (file < 0)
				abi_skip("it cannot be opened: %s", strerror(errno));
			else
				abi_errno(map_file(fd, WORLD_OTHER, FIXED_RW, file, kind->start,
						   kind->len, &iova), 0);
			fd_close(file);
			close(fd);
		}
		if (abi_row("MPF MAP.16", "%s, pinned by the call", kind->name) &&
		    attached_open(&attached)) {
			file = kind->open();
			fd = attached.bound.fd;
			iova = 0x100000;
			if (file < 0)
				abi_skip("it cannot be opened: %s", strerror(errno));
			else
				abi_errno(map_file(fd, attached.ioas, FIXED_RW, file, kind->start,
						   kind->len, &iova), kind->want_pinned);
			if (file >= 0)
				abi_equal(ioas_empty(fd, attached.ioas),
					  kind->want_pinned ? 0 : kind->len);
			fd_close(file);
			attached_close(&attached);
		}
		if (abi_row("MPF ATT.9", "%s, pinned by a later attach", kind->name) &&
		    attached_open(&attached)) {
			file = kind->open();
			fd = attached.bound.fd;
			abi_errno(cdev_detach(attached.bound.dev_fd), 0);
			iova = 0x100000;
			pt = attached.ioas;
			if (file < 0) {
				abi_skip("it cannot be opened: %s", strerror(errno));
			} else {
				abi_errno(map_file(fd, attached.ioas, FIXED_RW, file, kind->start,
						   kind->len, &iova), 0);
				abi_errno(cdev_attach(attached.bound.dev_fd, &pt),
					  kind->want_pinned);
				abi_equal(ioas_empty(fd, attached.ioas), kind->len);
			}
			fd_close(file);
			attached_close(&attached);
		}
	}
	if (abi_row("MPF.7 MAP.14", "an area in the way before pages that are not there") &&
	    attached_open(&attached)) {
		fd = attached.bound.fd;
		file = memfd_ok(4096);
		ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x101000);
		iova = 0x100000;
		abi_errno(map_file(fd, attached.ioas, FIXED_RW, file, 0, 8192, &iova), EEXIST);
		close(file);
		attached_close(&attached);
	}
}

static void seals(void)
{
	struct attached attached;
	uint64_t iova = 0x100000;
	int file;

	if (!abi_row("MPF", "a pinned file refuses to be sealed against writing") ||
	    !attached_open(&attached))
		return;
	file = memfd_ok(FILE_LEN);
	abi_errno(map_file(attached.bound.fd, attached.ioas, FIXED_RW, file, 0, FILE_LEN, &iova),
		  0);
	abi_errno(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) ? errno : 0, EBUSY);
	abi_equal(ioas_empty(attached.bound.fd, attached.ioas), FILE_LEN);
	abi_errno(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) ? errno : 0, 0);
	close(file);
	attached_close(&attached);
}

static void failed_reply(void)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = FIXED_RW,
		.ioas_id = WORLD_OTHER,
		.fd = (int)file_fd,
		.length = 4096,
		.iova = 0x100000,
	};
	void *page;
	int fd;

	if (!abi_row("MPF.7 MAP.19", "a failed reply leaves the mapping"))
		return;
	fd = world_setup();
	page = abi_read_only(&cmd, sizeof(cmd));
	abi_errno(abi_ioctl(fd, IOMMU_IOAS_MAP_FILE, page), EFAULT);
	abi_errno(ioas_unmap(fd, WORLD_OTHER, 0x100000, 4096, NULL), 0);
	abi_read_only_put(page);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(fixed_rules), ABI_PART(automatic_rules), ABI_PART(choice), ABI_PART(files),
		ABI_PART(seals), ABI_PART(failed_reply),
	};

	file_fd = (uint64_t)memfd_ok(FILE_LEN);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

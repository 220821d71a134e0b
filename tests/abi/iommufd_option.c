/* SPDX-License-Identifier: BSD-3-Clause */
/* IOMMU_OPTION (OPT). */
#include "abi_iommufd.h"

#include <linux/capability.h>

static int option(int fd, uint32_t id, uint16_t op, uint32_t object, uint64_t *val64)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = *val64,
	};
	int err = abi_ioctl(fd, IOMMU_OPTION, &cmd);

	*val64 = cmd.val64;
	return err;
}

/* Forms of the call that hold whatever the option is. */
static void huge_rules(void)
{
	static const struct iommu_option base = {
		.size = sizeof(base),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = WORLD_IOAS,
		.val64 = 1,
	};
	const struct abi_rule rules[] = {
		{ "OPT.1", "reserved", EOPNOTSUPP, { SET(iommu_option, __reserved, 1) } },
		{ "OPT.1", "all of reserved", EOPNOTSUPP,
		  { SET(iommu_option, __reserved, 0xffff) } },
		{ "OPT.2", "an unknown option", EOPNOTSUPP, { SET(iommu_option, option_id, 2) } },
		{ "OPT.2", "a very unknown option", EOPNOTSUPP,
		  { SET(iommu_option, option_id, UINT32_MAX) } },
		{ "OPT.8", "no such IOAS", ENOENT, { SET(iommu_option, object_id, ID_NONE) } },
		{ "OPT.8", "object 0", ENOENT, { SET(iommu_option, object_id, 0) } },
		{ "OPT.16", "an unknown op", EOPNOTSUPP, { SET(iommu_option, op, 2) } },
		{ "OPT.15", "value 2", EINVAL, { SET(iommu_option, val64, 2) } },
		{ "OPT.15", "a large value", EINVAL, { SET(iommu_option, val64, 1ull << 32) } },
	};
	const struct abi_command command = {
		.name = "HUGE_PAGES",
		.request = IOMMU_OPTION,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "OPT.14",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void huge_pages(void)
{
	struct ranges ranges;
	uint64_t value = 77;
	int fd;

	if (abi_row("OPT.9", "HUGE_PAGES is 1 at first; what GET is given does not matter")) {
		fd = world_setup();
		value = 77;
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, WORLD_IOAS,
				 &value), 0);
		abi_equal(value, 1);
		close(fd);
	}
	if (abi_row("OPT.9 OPT.10 OPT.13 OPT.14", "off, off again, on")) {
		fd = world_setup();
		abi_errno(ioas_huge_pages(fd, WORLD_IOAS, 0), 0);
		abi_errno(ioas_huge_pages(fd, WORLD_IOAS, 0), 0);
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, WORLD_IOAS,
				 &value), 0);
		abi_equal(value, 0);
		ioas_ranges(fd, WORLD_IOAS, &ranges);
		abi_equal(ranges.alignment, 4096);
		abi_errno(ioas_huge_pages(fd, WORLD_IOAS, 1), 0);
		ioas_ranges(fd, WORLD_IOAS, &ranges);
		abi_equal(ranges.alignment, 1);
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, WORLD_IOAS,
				 &value), 0);
		abi_equal(value, 1);
		ioas_ranges(fd, WORLD_OTHER, &ranges);
		abi_equal(ranges.alignment, 1);
		close(fd);
	}
	if (abi_row("OPT.15", "a refused SET leaves the value")) {
		fd = world_setup();
		abi_errno(ioas_huge_pages(fd, WORLD_IOAS, 2), EINVAL);
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, WORLD_IOAS,
				 &value), 0);
		abi_equal(value, 1);
		close(fd);
	}
}

/* OPT.12: an area that is not page aligned, in each of its three ways. */
static void misaligned(void)
{
	static const struct {
		const char *name;
		uint64_t iova, offset, len;
	} areas[] = {
		{ "iova", 0x300800, 0, 4096 },
		{ "length", 0x300000, 0, 4095 },
		{ "user_va", 0x300000, 0x10, 4096 },
	};
	struct ranges ranges;
	uint64_t value = 77;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		if (!abi_row("OPT.12", "an area whose %s is not page aligned", areas[i].name))
			continue;
		fd = world_setup();
		ioas_map_ok(fd, WORLD_OTHER, FIXED_RW, world_memory() + areas[i].offset,
			    areas[i].len, areas[i].iova);
		abi_errno(ioas_huge_pages(fd, WORLD_OTHER, 0), EADDRINUSE);
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, WORLD_OTHER,
				 &value), 0);
		abi_equal(value, 1);
		ioas_ranges(fd, WORLD_OTHER, &ranges);
		abi_equal(ranges.alignment, 1);
		abi_equal(ioas_empty(fd, WORLD_OTHER), areas[i].len);
		abi_errno(ioas_huge_pages(fd, WORLD_OTHER, 0), 0);
		close(fd);
	}
}

/* OPT.11: a domain and an area, but not one of them alone. */
static void with_domain(void)
{
	struct attached attached;
	struct ranges ranges;
	uint64_t value = 77;
	int fd;

	if (abi_row("OPT.11", "a domain and an area") && attached_open(&attached)) {
		fd = attached.bound.fd;
		ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_errno(ioas_huge_pages(fd, attached.ioas, 0), EINVAL);
		abi_errno(option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, attached.ioas,
				 &value), 0);
		abi_equal(value, 1);
		abi_errno(ioas_huge_pages(fd, attached.ioas, 1), 0);
		abi_equal(ioas_empty(fd, attached.ioas), 4096);
		attached_close(&attached);
	}
	if (abi_row("OPT.10", "a domain and an area, already off") && attached_open(&attached)) {
		fd = attached.bound.fd;
		abi_errno(ioas_huge_pages(fd, attached.ioas, 0), 0);
		ioas_map_ok(fd, attached.ioas, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_errno(ioas_huge_pages(fd, attached.ioas, 0), 0);
		attached_close(&attached);
	}
	if (abi_row("OPT.13", "a domain alone; the alignment outlives the domain") &&
	    attached_open(&attached)) {
		fd = attached.bound.fd;
		abi_errno(ioas_huge_pages(fd, attached.ioas, 0), 0);
		abi_errno(cdev_detach(attached.bound.dev_fd), 0);
		ioas_ranges(fd, attached.ioas, &ranges);
		abi_equal(ranges.alignment, 4096);
		abi_errno(ioas_huge_pages(fd, attached.ioas, 1), 0);
		ioas_ranges(fd, attached.ioas, &ranges);
		abi_equal(ranges.alignment, 1);
		attached_close(&attached);
	}
}

static int open_empty(void)
{
	return iommufd_open();
}

static void audit_empty(int fd)
{
	uint64_t value = 77;

	abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value), 0);
	abi_equal(value, 0);
	abi_equal(next_id(fd), 1);
}

/* The rules of RLIMIT_MODE GET, which need no privilege. */
static void mode_get(void)
{
	static const struct iommu_option base = {
		.size = sizeof(base),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
		.val64 = 77,
	};
	const struct abi_rule rules[] = {
		{ "OPT.1", "reserved", EOPNOTSUPP, { SET(iommu_option, __reserved, 1) } },
		{ "OPT.3", "an object", EOPNOTSUPP, { SET(iommu_option, object_id, 1) } },
		{ "OPT.16", "an unknown op", EOPNOTSUPP, { SET(iommu_option, op, 2) } },
	};
	const struct abi_command command = {
		.name = "RLIMIT_MODE GET",
		.request = IOMMU_OPTION,
		.base = &base,
		.size = sizeof(base),
		.setup = open_empty,
		.audit = audit_empty,
		.teardown = fd_close,
		.base_rule = "OPT.4",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static int set_mode(int fd, uint64_t mode)
{
	return option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &mode);
}

/* The caller gives up CAP_SYS_RESOURCE: this stands last in the program. */
static void mode_unprivileged(void)
{
	uint64_t value = 1;
	int fd = iommufd_open();

	abi_drop_capability(CAP_SYS_RESOURCE);
	if (abi_row("OPT.5", "RLIMIT_MODE SET without CAP_SYS_RESOURCE")) {
		abi_errno(set_mode(fd, 0), EPERM);
		audit_empty(fd);
	}
	ioas_alloc_ok(fd);
	if (abi_row("OPT.5 OPT.6", "nor with an object"))
		abi_errno(set_mode(fd, 1), EPERM);
	if (abi_row("OPT.5 OPT.7", "nor with a value that is not legal"))
		abi_errno(set_mode(fd, 2), EPERM);
	if (abi_row("OPT.3 OPT.5", "an object before the privilege"))
		abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 1, &value),
			  EOPNOTSUPP);
	if (abi_row("OPT.4", "GET needs no privilege")) {
		abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value), 0);
		abi_equal(value, 0);
	}
	close(fd);
}

static void mode_privileged(void)
{
	uint64_t value = 77;
	int fd;

	if (!abi_row("OPT.4", "RLIMIT_MODE SET takes effect"))
		return;
	if (!abi_capable(CAP_SYS_RESOURCE)) {
		abi_skip("this program has no CAP_SYS_RESOURCE");
		return;
	}
	fd = iommufd_open();
	abi_errno(set_mode(fd, 1), 0);
	abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value), 0);
	abi_equal(value, 1);
	abi_errno(set_mode(fd, 0), 0);
	abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value), 0);
	abi_equal(value, 0);

	abi_row("OPT.7", "RLIMIT_MODE SET of a value that is not legal");
	abi_errno(set_mode(fd, 2), EINVAL);
	abi_errno(set_mode(fd, UINT64_MAX), EINVAL);
	audit_empty(fd);

	abi_row("OPT.6", "RLIMIT_MODE SET with an object");
	ioas_alloc_ok(fd);
	abi_errno(set_mode(fd, 1), EBUSY);

	abi_row("OPT.6 OPT.7", "an object before the value");
	abi_errno(set_mode(fd, 2), EBUSY);
	abi_errno(option(fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &value), 0);
	abi_equal(value, 0);

	abi_row("OPT.6", "RLIMIT_MODE SET after the last object is gone");
	object_destroy_ok(fd, 1);
	abi_errno(set_mode(fd, 1), 0);
	close(fd);
}

static void unwritable(void)
{
	static const struct iommu_option cases[] = {
		{ .option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_GET, .object_id = 1 },
		{ .option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_SET, .object_id = 1,
		  .val64 = 1 },
		{ .option_id = IOMMU_OPTION_RLIMIT_MODE, .op = IOMMU_OPTION_OP_GET },
	};
	struct iommu_option cmd;
	void *page;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!abi_row("OPT.17", "option %u, op %u", cases[i].option_id, cases[i].op))
			continue;
		fd = world_setup();
		cmd = cases[i];
		cmd.size = sizeof(cmd);
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_OPTION, page), EFAULT);
		abi_read_only_put(page);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("OPT.15 OPT.17", "a refused SET in memory that cannot be written")) {
		fd = world_setup();
		cmd = cases[1];
		cmd.size = sizeof(cmd);
		cmd.val64 = 2;
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_OPTION, page), EINVAL);
		abi_read_only_put(page);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(huge_rules), ABI_PART(huge_pages), ABI_PART(misaligned),
		ABI_PART(with_domain), ABI_PART(mode_get), ABI_PART(mode_privileged),
		ABI_PART(unwritable), ABI_PART(mode_unprivileged),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

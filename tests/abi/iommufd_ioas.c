/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS_ALLOC, IOVA_RANGES and ALLOW_IOVAS (ALLOC, RNG, ALW). */
#include "abi_iommufd.h"

#include <sys/mman.h>

static void alloc(void)
{
	static const uint32_t bad_flags[] = { 1, 2, 0x80000000, 0xffffffff };
	struct iommu_ioas_alloc cmd;
	struct ranges ranges;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(bad_flags); i++) {
		if (!abi_row("ALLOC.1", "flags %#x", bad_flags[i]))
			continue;
		fd = world_setup();
		cmd = (struct iommu_ioas_alloc){ .size = sizeof(cmd), .flags = bad_flags[i] };
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd), EOPNOTSUPP);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("ALLOC.2", "a new IOAS is empty and takes any byte")) {
		fd = iommufd_open();
		cmd = (struct iommu_ioas_alloc){ .size = sizeof(cmd), .out_ioas_id = 99 };
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd), 0);
		abi_equal(cmd.size, sizeof(cmd));
		abi_equal(cmd.flags, 0);
		abi_equal(cmd.out_ioas_id, 1);
		ioas_ranges(fd, cmd.out_ioas_id, &ranges);
		abi_equal(ranges.nr, 1);
		abi_equal(ranges.range[0].start, 0);
		abi_equal(ranges.range[0].last, UINT64_MAX);
		abi_equal(ranges.alignment, 1);
		abi_equal(ioas_empty(fd, cmd.out_ioas_id), 0);
		close(fd);
	}
}

static struct iommu_iova_range some_ranges[4];

static void ranges_rules(void)
{
	static struct iommu_ioas_iova_ranges base = {
		.size = sizeof(base), .ioas_id = WORLD_IOAS, .num_iovas = ARRAY_SIZE(some_ranges),
	};
	static uint64_t none;
	const struct abi_rule rules[] = {
		{ "RNG.1", "reserved", EOPNOTSUPP, { SET(iommu_ioas_iova_ranges, __reserved, 1) } },
		{ "RNG.1", "all of reserved", EOPNOTSUPP,
		  { SET(iommu_ioas_iova_ranges, __reserved, UINT32_MAX) } },
		{ "RNG.2", "no such IOAS", ENOENT,
		  { SET(iommu_ioas_iova_ranges, ioas_id, ID_NONE) } },
		{ "RNG.4", "array at NULL", EFAULT,
		  { SET(iommu_ioas_iova_ranges, allowed_iovas, 0),
		    SET(iommu_ioas_iova_ranges, num_iovas, 1) } },
		{ "RNG.4", "array unreadable", EFAULT,
		  { SETV(iommu_ioas_iova_ranges, allowed_iovas, none),
		    SET(iommu_ioas_iova_ranges, num_iovas, UINT32_MAX) } },
		{ "RNG.3", "no room", EMSGSIZE, { SET(iommu_ioas_iova_ranges, num_iovas, 0) } },
	};
	const struct abi_command command = {
		.name = "IOVA_RANGES",
		.request = IOMMU_IOAS_IOVA_RANGES,
		.base = &base,
		.size = sizeof(base),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "RNG.5",
	};

	base.allowed_iovas = PTR(some_ranges);
	none = PTR(abi_memory()->none);
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void ranges_world(void)
{
	struct iommu_ioas_iova_ranges cmd;
	void *page;
	int fd;

	if (abi_row("RNG.3", "no room, any pointer: the struct tells the count all the same")) {
		fd = world_setup();
		cmd = (struct iommu_ioas_iova_ranges){
			.size = sizeof(cmd), .ioas_id = WORLD_IOAS, .allowed_iovas = 8,
		};
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd), EMSGSIZE);
		abi_equal(cmd.num_iovas, 1);
		abi_equal(cmd.out_iova_alignment, 1);
		abi_equal(cmd.allowed_iovas, 8);
		close(fd);
	}
	if (abi_row("RNG.4", "a bad array: the struct is left alone")) {
		fd = world_setup();
		cmd = (struct iommu_ioas_iova_ranges){
			.size = sizeof(cmd),
			.ioas_id = WORLD_IOAS,
			.num_iovas = 7,
			.out_iova_alignment = 99,
		};
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd), EFAULT);
		abi_equal(cmd.num_iovas, 7);
		abi_equal(cmd.out_iova_alignment, 99);
		close(fd);
	}
	if (abi_row("RNG.4 ENV.10", "the array is written though the reply fails")) {
		fd = world_setup();
		memset(some_ranges, 0xee, sizeof(some_ranges));
		cmd = (struct iommu_ioas_iova_ranges){
			.size = sizeof(cmd),
			.ioas_id = WORLD_IOAS,
			.num_iovas = 1,
			.allowed_iovas = PTR(some_ranges),
		};
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, page), EFAULT);
		abi_equal(some_ranges[0].start, 0);
		abi_equal(some_ranges[0].last, UINT64_MAX);
		abi_read_only_put(page);
		close(fd);
	}
	if (abi_row("RNG.5", "neither areas nor the allowed list enter")) {
		static const struct iommu_iova_range allowed[] = { { 0x1000, 0x1fff } };
		struct ranges ranges;

		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_IOAS, allowed, 1), 0);
		ioas_ranges(fd, WORLD_IOAS, &ranges);
		abi_equal(ranges.nr, 1);
		abi_equal(ranges.range[0].start, 0);
		abi_equal(ranges.range[0].last, UINT64_MAX);
		close(fd);
	}
}

/* With a device there are gaps. */
static void ranges_attached(void)
{
	struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd) };
	struct iommu_iova_range *edge, reserved;
	struct attached attached;
	struct ranges all, after;
	uint32_t i;
	int fd;

	if (abi_row("RNG.5", "a device's gaps: ascending, apart, within the aperture") &&
	    attached_open(&attached)) {
		ioas_ranges(attached.bound.fd, attached.ioas, &all);
		abi_true(all.nr >= 1, "no range is left");
		abi_equal(all.alignment, 4096);
		for (i = 0; i < all.nr; i++) {
			abi_true(all.range[i].start <= all.range[i].last, "range %u is empty", i);
			abi_true(!i || all.range[i].start > all.range[i - 1].last + 1,
				 "range %u is not apart from the one before", i);
		}
		abi_errno(cdev_detach(attached.bound.dev_fd), 0);
		ioas_ranges(attached.bound.fd, attached.ioas, &after);
		abi_equal(after.nr, 1);
		abi_equal(after.range[0].last, UINT64_MAX);
		abi_equal(after.alignment, 1);
		attached_close(&attached);
	}
	if (!abi_row("RNG.3", "the first ranges are written, the count is the whole") ||
	    !attached_open(&attached))
		return;
	fd = attached.bound.fd;
	ioas_ranges(fd, attached.ioas, &all);
	if (!reserved_range(fd, attached.ioas, &reserved))
		goto out;
	/* Room for one element, right before an unreadable page. */
	memset(some_ranges, 0xee, sizeof(some_ranges));
	edge = abi_at_the_edge(some_ranges, sizeof(*edge));
	cmd.ioas_id = attached.ioas;
	cmd.num_iovas = 1;
	cmd.allowed_iovas = PTR(edge);
	abi_errno(abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd), EMSGSIZE);
	abi_equal(cmd.num_iovas, all.nr);
	abi_equal(cmd.out_iova_alignment, all.alignment);
	abi_true(!memcmp(edge, all.range, sizeof(*edge)), "the first range differs");

	/* Said to be of all elements, it is not writable as a whole. */
	cmd.num_iovas = all.nr;
	cmd.out_iova_alignment = 99;
	abi_errno(abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd), EFAULT);
	abi_equal(cmd.num_iovas, all.nr);
	abi_equal(cmd.out_iova_alignment, 99);
out:
	attached_close(&attached);
}

static struct iommu_iova_range good_list[] = { { 0x10000, 0x1ffff }, { 0x40000, 0x4ffff } };
static struct iommu_iova_range one_byte[] = { { 0x10000, 0x1ffff }, { 0x40000, 0x40000 } };
static struct iommu_iova_range backwards[] = { { 0x10000, 0x1ffff }, { 0x40000, 0x3ffff } };
static struct iommu_iova_range overlap[] = { { 0x10000, 0x1ffff }, { 0x1ffff, 0x2ffff } };
static struct iommu_iova_range twice[] = { { 0x10000, 0x1ffff }, { 0x10000, 0x1ffff } };
static struct iommu_iova_range inside[] = { { 0x10000, 0x1ffff }, { 0x11000, 0x11fff } };

static int setup_allowed(void)
{
	static const struct iommu_iova_range before[] = { { 0x700000, 0x70ffff } };
	int fd = world_setup();

	abi_errno(ioas_allow(fd, WORLD_OTHER, before, 1), 0);
	return fd;
}

/* The old list stands: an automatic choice still falls into it. */
static void audit_allowed(int fd)
{
	uint64_t iova = 0;

	abi_errno(ioas_map(fd, WORLD_OTHER, RW, world_memory(), 4096, &iova), 0);
	abi_equal(iova, 0x700000);
	ioas_empty(fd, WORLD_OTHER);
	world_audit(fd);
}

static void allow_rules(void)
{
	static struct iommu_ioas_allow_iovas base = {
		.size = sizeof(base), .ioas_id = WORLD_OTHER, .num_iovas = 2,
	};
	static uint64_t none, list_one, list_back, list_overlap, list_twice, list_inside;
	const struct abi_rule rules[] = {
		{ "ALW.1", "reserved", EOPNOTSUPP, { SET(iommu_ioas_allow_iovas, __reserved, 1) } },
		{ "ALW.2", "no such IOAS", ENOENT,
		  { SET(iommu_ioas_allow_iovas, ioas_id, ID_NONE) } },
		{ "ALW.3", "list at NULL", EFAULT,
		  { SET(iommu_ioas_allow_iovas, allowed_iovas, 0) } },
		{ "ALW.3", "list unreadable", EFAULT,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, none) } },
		{ "ALW.4", "one byte", EINVAL,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, list_one) } },
		{ "ALW.4", "backwards", EINVAL,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, list_back) } },
		{ "ALW.5", "overlapping", EINVAL,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, list_overlap) } },
		{ "ALW.5", "twice the same", EINVAL,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, list_twice) } },
		{ "ALW.5", "one inside the other", EINVAL,
		  { SETV(iommu_ioas_allow_iovas, allowed_iovas, list_inside) } },
	};
	const struct abi_command command = {
		.name = "ALLOW_IOVAS",
		.request = IOMMU_IOAS_ALLOW_IOVAS,
		.base = &base,
		.size = sizeof(base),
		.setup = setup_allowed,
		.audit = audit_allowed,
		.teardown = world_teardown,
		.base_rule = "ALW",
	};

	base.allowed_iovas = PTR(good_list);
	none = PTR(abi_memory()->none);
	list_one = PTR(one_byte);
	list_back = PTR(backwards);
	list_overlap = PTR(overlap);
	list_twice = PTR(twice);
	list_inside = PTR(inside);
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void allow_order(void)
{
	struct iommu_iova_range *edge;
	int fd;

	/* Elements are taken one after the other, each with all that is wrong with it. */
	if (abi_row("ALW.4 ALW.3", "a bad element before an unreadable one")) {
		fd = setup_allowed();
		edge = abi_at_the_edge(&one_byte[1], sizeof(*edge));
		abi_errno(ioas_allow(fd, WORLD_OTHER, edge, 2), EINVAL);
		audit_allowed(fd);
		close(fd);
	}
	if (abi_row("ALW.3", "a good element before an unreadable one")) {
		fd = setup_allowed();
		edge = abi_at_the_edge(good_list, sizeof(*edge));
		abi_errno(ioas_allow(fd, WORLD_OTHER, edge, 2), EFAULT);
		abi_errno(ioas_allow(fd, WORLD_OTHER, edge, UINT32_MAX), EFAULT);
		audit_allowed(fd);
		close(fd);
	}
	if (abi_row("ALW.5 ALW.3", "an overlap before an unreadable element")) {
		fd = setup_allowed();
		edge = abi_at_the_edge(overlap, sizeof(overlap));
		abi_errno(ioas_allow(fd, WORLD_OTHER, edge, 3), EINVAL);
		audit_allowed(fd);
		close(fd);
	}
}

static uint64_t chosen(int fd, uint64_t len)
{
	uint64_t iova = 0;
	int err = ioas_map(fd, WORLD_OTHER, RW, world_memory(), len, &iova);

	abi_errno(err, 0);
	return err ? 0 : iova;
}

static void allow_effects(void)
{
	static const struct iommu_iova_range adjacent[] = { { 0x5000, 0x5fff },
							    { 0x4000, 0x4fff } };
	static const struct iommu_iova_range all[] = { { 0, UINT64_MAX } };
	static const struct iommu_iova_range none[] = { { 0, 0xfff } };
	uint64_t iova;
	int fd;

	if (abi_row("ALW.7", "no elements: everything is allowed again")) {
		fd = setup_allowed();
		abi_errno(ioas_allow(fd, WORLD_OTHER, NULL, 0), 0);
		abi_equal(chosen(fd, 4096), 0x1000);
		close(fd);
	}
	if (abi_row("ALW", "unsorted and adjacent elements; the lowest is filled first")) {
		fd = setup_allowed();
		abi_errno(ioas_allow(fd, WORLD_OTHER, adjacent, 2), 0);
		abi_equal(chosen(fd, 4096), 0x4000);
		abi_equal(chosen(fd, 4096), 0x5000);
		iova = 0;
		abi_errno(ioas_map(fd, WORLD_OTHER, RW, world_memory(), 4096, &iova), ENOSPC);
		close(fd);
	}
	if (abi_row("ALW", "everything as one element")) {
		fd = setup_allowed();
		abi_errno(ioas_allow(fd, WORLD_OTHER, all, 1), 0);
		abi_equal(chosen(fd, 4096), 0x1000);
		close(fd);
	}
	if (abi_row("ALW", "page 0 alone is allowed: no room for a choice")) {
		fd = setup_allowed();
		abi_errno(ioas_allow(fd, WORLD_OTHER, none, 1), 0);
		iova = 0;
		abi_errno(ioas_map(fd, WORLD_OTHER, RW, world_memory(), 4096, &iova), ENOSPC);
		close(fd);
	}
	if (abi_row("ALW", "a fixed map outside the list is permitted")) {
		fd = setup_allowed();
		iova = 0x3000;
		abi_errno(ioas_map(fd, WORLD_OTHER, FIXED_RW, world_memory(), 4096, &iova), 0);
		close(fd);
	}
	if (abi_row("ALW", "areas outside the list stay, and areas in it are no obstacle")) {
		fd = world_setup();
		abi_errno(ioas_allow(fd, WORLD_IOAS, good_list, 2), 0);
		world_audit(fd);
		close(fd);
	}
}

static void allow_reserved(void)
{
	struct iommu_iova_range list[2] = { { 0x10000, 0x1ffff } }, reserved;
	struct attached attached;
	uint64_t iova = 0;
	uint32_t pt;
	int fd;

	if (abi_row("ALW.6", "an element overlaps a reserved range") && attached_open(&attached)) {
		fd = attached.bound.fd;
		abi_errno(ioas_allow(fd, attached.ioas, list, 1), 0);
		if (reserved_range(fd, attached.ioas, &reserved)) {
			list[1] = reserved;
			list[0] = (struct iommu_iova_range){ 0x30000, 0x3ffff };
			abi_errno(ioas_allow(fd, attached.ioas, list, 2), EADDRINUSE);
			list[1].start = reserved.last;
			list[1].last = reserved.last + 1;
			abi_errno(ioas_allow(fd, attached.ioas, list, 2), EADDRINUSE);

			/* The old list stands; what only borders on the reserved range is fine. */
			abi_errno(ioas_map(fd, attached.ioas, RW, world_memory(), 4096, &iova), 0);
			abi_equal(iova, 0x10000);
			list[1].start = reserved.start - 4096;
			list[1].last = reserved.start - 1;
			abi_errno(ioas_allow(fd, attached.ioas, list, 2), 0);
		}
		attached_close(&attached);
	}
	if (abi_row("ALW ATT.5", "a device that reserves a part of the list cannot attach") &&
	    attached_open(&attached)) {
		fd = attached.bound.fd;
		if (reserved_range(fd, attached.ioas, &reserved)) {
			abi_errno(cdev_detach(attached.bound.dev_fd), 0);
			abi_errno(ioas_allow(fd, attached.ioas, &reserved, 1), 0);
			pt = attached.ioas;
			abi_errno(cdev_attach(attached.bound.dev_fd, &pt), EADDRINUSE);
			abi_errno(ioas_allow(fd, attached.ioas, NULL, 0), 0);
			abi_errno(cdev_attach(attached.bound.dev_fd, &pt), 0);
		}
		attached_close(&attached);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(alloc), ABI_PART(ranges_rules), ABI_PART(ranges_world),
		ABI_PART(ranges_attached), ABI_PART(allow_rules), ABI_PART(allow_order),
		ABI_PART(allow_effects), ABI_PART(allow_reserved),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

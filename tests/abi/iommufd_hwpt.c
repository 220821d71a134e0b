/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HWPT_ALLOC (HWA), dirty tracking (SDT, GDB) and HWPT_INVALIDATE (INV) as far as they need no
 * nested table. What an IOMMU cannot do it refuses; what it can is asked of GET_HW_INFO first.
 */
#include "abi_iommufd.h"

#include <sys/mman.h>

/* The ids that the rows below find; the IOAS has one area. */
enum { DEV = 1, IOAS = 2, HWPT = 3, FAULT = 4, NEXT = 5 };

#define AREA 0x100000ull

static struct bound bound;
static struct ranges ranges_before;
static int fault_fd;

static int setup(void)
{
	uint32_t fault;

	if (!bound_open(&bound))
		abi_broken("the device has gone");
	if (ioas_alloc_ok(bound.fd) != IOAS || hwpt_alloc_ok(bound.fd, DEV, IOAS, 0) != HWPT ||
	    fault_alloc(bound.fd, &fault, &fault_fd) || fault != FAULT)
		abi_broken("the ids are not those of a fresh context");
	ioas_map_ok(bound.fd, IOAS, FIXED_RW, world_memory(), 4 * 4096, AREA);
	ioas_ranges(bound.fd, IOAS, &ranges_before);
	return bound.fd;
}

static void audit(int fd)
{
	struct ranges ranges;

	ioas_ranges(fd, IOAS, &ranges);
	abi_true(ranges_equal(&ranges, &ranges_before), "the ranges have changed");
	abi_equal(next_id(fd), NEXT);
	abi_equal(ioas_empty(fd, IOAS), 4 * 4096);
}

static void teardown(int fd)
{
	close(fault_fd);
	for (uint32_t id = 8; id > DEV; id--)
		object_destroy(fd, id);
	bound_close(&bound);
}

static uint32_t info_type(void)
{
	struct iommu_hw_info info;
	int fd = setup();

	abi_errno(hw_info(fd, DEV, &info), 0);
	teardown(fd);
	return info.out_data_type;
}

static bool can_track_dirty(void)
{
	bool can;
	int fd = setup();

	can = has_dirty_tracking(&bound);
	teardown(fd);
	return can;
}

static void paging_rules(void)
{
	static const struct iommu_hwpt_alloc base = {
		.size = sizeof(base), .dev_id = DEV, .pt_id = IOAS,
	};
	const struct abi_rule rules[] = {
		{ "HWA.1", "reserved", EOPNOTSUPP, { SET(iommu_hwpt_alloc, __reserved, 1) } },
		{ "HWA.2", "a length without a type", EINVAL,
		  { SET(iommu_hwpt_alloc, data_type, 0), SET(iommu_hwpt_alloc, data_len, 24) } },
		{ "HWA.2", "a type without a length", EINVAL,
		  { SET(iommu_hwpt_alloc, data_type, 1), SET(iommu_hwpt_alloc, data_len, 0) } },
		{ "HWA.3", "no such device", ENOENT, { SET(iommu_hwpt_alloc, dev_id, ID_NONE) } },
		{ "HWA.3", "the device is an IOAS", ENOENT,
		  { SET(iommu_hwpt_alloc, dev_id, IOAS) } },
		{ "HWA.4", "no such pt_id", EINVAL, { SET(iommu_hwpt_alloc, pt_id, ID_NONE) } },
		{ "HWA.4", "pt_id 0", EINVAL, { SET(iommu_hwpt_alloc, pt_id, 0) } },
		{ "HWA.5", "pt_id is a device", EINVAL, { SET(iommu_hwpt_alloc, pt_id, DEV) } },
		{ "HWA.5", "pt_id is a fault queue", EINVAL,
		  { SET(iommu_hwpt_alloc, pt_id, FAULT) } },
		{ "HWA.8", "an unknown flag", EOPNOTSUPP, { SET(iommu_hwpt_alloc, flags, 16) } },
		{ "HWA.8", "the highest flag", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, flags, 0x80000000) } },
		{ "HWA.10", "a fault queue and NEST_PARENT", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, flags,
			IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_NEST_PARENT),
		    SET(iommu_hwpt_alloc, fault_id, FAULT) } },
		{ "HWA.11", "user data", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, data_type, IOMMU_HWPT_DATA_VTD_S1),
		    SET(iommu_hwpt_alloc, data_len, 24) } },
		{ "HWA.6", "no such fault queue", ENOENT,
		  { SET(iommu_hwpt_alloc, flags, IOMMU_HWPT_FAULT_ID_VALID),
		    SET(iommu_hwpt_alloc, fault_id, ID_NONE) } },
		{ "HWA.6", "the fault queue is an IOAS", ENOENT,
		  { SET(iommu_hwpt_alloc, flags, IOMMU_HWPT_FAULT_ID_VALID),
		    SET(iommu_hwpt_alloc, fault_id, IOAS) } },
	};
	const struct abi_command command = {
		.name = "HWPT_ALLOC of an IOAS",
		.request = IOMMU_HWPT_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "HWA",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* A parent that is no nest parent. Whether nesting is there at all decides what is said of it. */
static void nested_rules(void)
{
	static struct iommu_hwpt_alloc base = {
		.size = sizeof(base),
		.dev_id = DEV,
		.pt_id = HWPT,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(struct iommu_hwpt_vtd_s1),
	};
	static const struct iommu_hwpt_vtd_s1 data = { .addr_width = 48 };
	const struct abi_rule rules[] = {
		{ "HWA.1", "reserved", EOPNOTSUPP, { SET(iommu_hwpt_alloc, __reserved, 1) } },
		{ "HWA.2", "a length without a type", EINVAL,
		  { SET(iommu_hwpt_alloc, data_type, 0), SET(iommu_hwpt_alloc, data_len, 24) } },
		{ "HWA.3", "no such device", ENOENT, { SET(iommu_hwpt_alloc, dev_id, ID_NONE) } },
		{ "HWA.15", "DIRTY_TRACKING", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, flags, IOMMU_HWPT_ALLOC_DIRTY_TRACKING) } },
		{ "HWA.15", "NEST_PARENT", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, flags, IOMMU_HWPT_ALLOC_NEST_PARENT) } },
		{ "HWA.15", "an unknown flag", EOPNOTSUPP, { SET(iommu_hwpt_alloc, flags, 16) } },
		{ "HWA.16", "no data", EOPNOTSUPP,
		  { SET(iommu_hwpt_alloc, data_type, 0), SET(iommu_hwpt_alloc, data_len, 0) } },
	};
	struct abi_command command = {
		.name = "HWPT_ALLOC of an HWPT",
		.request = IOMMU_HWPT_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "HWA.17",
		.base_want = EINVAL,
	};

	if (!abi_row("HWA.1 HWA.2 HWA.3 HWA.15 HWA.16 HWA.17", "an HWPT as parent"))
		return;
	base.data_uptr = PTR(&data);
	/* Of the drivers only VT-d's nests on an HWPT. */
	if (info_type() != IOMMU_HW_INFO_TYPE_INTEL_VTD) {
		command.base_rule = "HWA.16";
		command.base_want = EOPNOTSUPP;
	}
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* HWA.17: the parent is automatic. */
static void automatic_parent(void)
{
	struct iommu_hwpt_vtd_s1 data = { .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = DEV,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(data),
		.data_uptr = PTR(&data),
	};
	struct attached attached;

	if (!abi_row("HWA.17", "the parent is an automatic HWPT"))
		return;
	if (info_type() != IOMMU_HW_INFO_TYPE_INTEL_VTD) {
		abi_skip("this IOMMU does not nest on an HWPT");
		return;
	}
	if (!attached_open(&attached))
		return;
	cmd.pt_id = attached.hwpt;
	abi_errno(abi_ioctl(attached.bound.fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
	abi_equal(next_id(attached.bound.fd), attached.hwpt + 1);
	attached_close(&attached);
}

static void effects(void)
{
	struct iommu_hwpt_alloc cmd;
	struct ranges ranges;
	uint64_t iova;
	uint32_t id;
	void *page;
	int fd;

	if (abi_row("HWA.1", "the later reserved field is not looked at")) {
		fd = setup();
		cmd = (struct iommu_hwpt_alloc){
			.size = sizeof(cmd),
			.dev_id = DEV,
			.pt_id = IOAS,
			.out_hwpt_id = 99,
			.fault_id = 77,
			.__reserved2 = 1,
		};
		abi_errno(abi_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
		abi_equal(cmd.out_hwpt_id, NEXT);
		abi_equal(cmd.fault_id, 77);
		teardown(fd);
	}
	if (abi_row("HWA", "a domain makes the IOAS take whole pages, until it has gone")) {
		fd = setup();
		ioas_ranges(fd, IOAS, &ranges);
		abi_equal(ranges.alignment, 4096);
		iova = 0x900001;
		abi_errno(ioas_map(fd, IOAS, FIXED_RW, world_memory(), 4096, &iova), EINVAL);
		abi_errno(object_destroy(fd, HWPT), 0);
		ioas_ranges(fd, IOAS, &ranges);
		abi_equal(ranges.alignment, 1);
		abi_equal(ranges.nr, 1);
		abi_errno(ioas_map(fd, IOAS, FIXED_RW, world_memory(), 4096, &iova), 0);
		teardown(fd);
	}
	if (abi_row("HWA", "several HWPTs mirror one IOAS; each goes by itself")) {
		fd = setup();
		for (uint32_t i = 0; i < 3; i++)
			abi_equal(hwpt_alloc_ok(fd, DEV, IOAS, 0), NEXT + i);
		ioas_map_ok(fd, IOAS, FIXED_RW, world_memory(), 4096, 0x900000);
		abi_errno(object_destroy(fd, NEXT), 0);
		ioas_map_ok(fd, IOAS, FIXED_RW, world_memory(), 4096, 0xa00000);
		abi_errno(object_destroy(fd, HWPT), 0);
		abi_errno(ioas_unmap(fd, IOAS, 0xa00000, 4096, NULL), 0);
		abi_errno(object_destroy(fd, IOAS), EBUSY);
		abi_errno(object_destroy(fd, NEXT + 1), 0);
		abi_errno(object_destroy(fd, NEXT + 2), 0);
		abi_equal(ioas_empty(fd, IOAS), 5 * 4096);
		abi_errno(object_destroy(fd, IOAS), 0);
		teardown(fd);
	}
	if (abi_row("HWA ENV.10", "a failed reply leaves no HWPT")) {
		fd = setup();
		cmd = (struct iommu_hwpt_alloc){ .size = sizeof(cmd),
						 .dev_id = DEV,
						 .pt_id = IOAS };
		page = abi_read_only(&cmd, sizeof(cmd));
		abi_errno(abi_ioctl(fd, IOMMU_HWPT_ALLOC, page), EFAULT);
		abi_read_only_put(page);
		audit(fd);
		teardown(fd);
	}
	if (abi_row("HWA.6", "a fault queue is held until the HWPT goes")) {
		fd = setup();
		cmd = (struct iommu_hwpt_alloc){
			.size = sizeof(cmd),
			.flags = IOMMU_HWPT_FAULT_ID_VALID,
			.dev_id = DEV,
			.pt_id = IOAS,
			.fault_id = FAULT,
		};
		abi_errno(abi_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
		id = cmd.out_hwpt_id;
		close(fault_fd);
		abi_errno(object_destroy(fd, FAULT), EBUSY);
		abi_errno(object_destroy(fd, id), 0);
		abi_errno(object_destroy(fd, FAULT), 0);
		fault_fd = dup(0);
		teardown(fd);
	}
}

/* What the IOMMU's driver decides: accepted or EOPNOTSUPP, and then nothing is left. */
static void flags(void)
{
	static const uint32_t sets[] = {
		IOMMU_HWPT_ALLOC_NEST_PARENT,
		IOMMU_HWPT_ALLOC_PASID,
		IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_ALLOC_NEST_PARENT,
	};
	uint32_t hwpt;
	int fd, err;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (!abi_row("HWA.11", "flags %#x: made, or EOPNOTSUPP", sets[i]))
			continue;
		fd = setup();
		err = hwpt_alloc(fd, DEV, IOAS, sets[i], &hwpt);
		abi_true(!err || err == EOPNOTSUPP, "got %s", abi_errno_name(err));
		if (!err)
			abi_errno(object_destroy(fd, hwpt), 0);
		audit(fd);
		teardown(fd);
	}
	if (abi_row("HWA.9 HWI.7", "DIRTY_TRACKING is made just where the capability is")) {
		bool can = can_track_dirty();

		fd = setup();
		err = hwpt_alloc(fd, DEV, IOAS, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt);
		abi_errno(err, can ? 0 : EOPNOTSUPP);
		if (!err)
			abi_errno(object_destroy(fd, hwpt), 0);
		audit(fd);
		teardown(fd);
	}
}

/* HWA.13: areas and allowed lists that no domain can show. */
static void unfit(void)
{
	static const struct {
		const char *name;
		uint64_t iova, offset, len;
	} areas[] = {
		{ "iova odd", 0x900800, 0, 4096 },
		{ "length odd", 0x900000, 0, 4095 },
		{ "user_va odd", 0x900000, 0x10, 4096 },
		{ "a byte", 0x900000, 0, 1 },
		{ "far outside the aperture", UINT64_MAX - 8191, 0, 4096 },
	};
	struct iommu_hwpt_alloc with_fault = {
		.size = sizeof(with_fault),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = DEV,
		.pt_id = IOAS,
		.fault_id = ID_NONE,
	};
	static const struct iommu_iova_range far[] = { { UINT64_MAX - 8191, UINT64_MAX - 4096 } };
	uint32_t hwpt;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		if (!abi_row("HWA.13", "an area: %s", areas[i].name))
			continue;
		fd = setup();
		abi_errno(object_destroy(fd, HWPT), 0);
		ioas_map_ok(fd, IOAS, FIXED_RW, world_memory() + areas[i].offset, areas[i].len,
			    areas[i].iova);
		abi_errno(hwpt_alloc(fd, DEV, IOAS, 0, &hwpt), EADDRINUSE);
		abi_errno(abi_ioctl(fd, IOMMU_HWPT_ALLOC, &with_fault), EADDRINUSE);
		abi_equal(next_id(fd), HWPT);
		abi_equal(ioas_empty(fd, IOAS), 4 * 4096 + areas[i].len);
		abi_errno(hwpt_alloc(fd, DEV, IOAS, 0, &hwpt), 0);
		teardown(fd);
	}
	if (abi_row("HWA.13", "the allowed list lies outside the aperture")) {
		fd = setup();
		abi_errno(object_destroy(fd, HWPT), 0);
		abi_errno(ioas_allow(fd, IOAS, far, 1), 0);
		abi_errno(hwpt_alloc(fd, DEV, IOAS, 0, &hwpt), EADDRINUSE);
		abi_errno(ioas_allow(fd, IOAS, NULL, 0), 0);
		abi_errno(hwpt_alloc(fd, DEV, IOAS, 0, &hwpt), 0);
		audit(fd);
		teardown(fd);
	}
}

static void set_dirty_rules(void)
{
	static const struct iommu_hwpt_set_dirty_tracking base = {
		.size = sizeof(base),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = HWPT,
	};
	const struct abi_rule rules[] = {
		{ "SDT.1", "an unknown flag", EOPNOTSUPP,
		  { SET(iommu_hwpt_set_dirty_tracking, flags, 2) } },
		{ "SDT.2", "no such HWPT", ENOENT,
		  { SET(iommu_hwpt_set_dirty_tracking, hwpt_id, ID_NONE) } },
		{ "SDT.2", "it is an IOAS", ENOENT,
		  { SET(iommu_hwpt_set_dirty_tracking, hwpt_id, IOAS) } },
		{ "SDT.3", "disable", EOPNOTSUPP,
		  { SET(iommu_hwpt_set_dirty_tracking, flags, 0) } },
	};
	const struct abi_command command = {
		.name = "SET_DIRTY_TRACKING",
		.request = IOMMU_HWPT_SET_DIRTY_TRACKING,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "SDT.3",
		.base_want = EOPNOTSUPP,
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void get_dirty_rules(void)
{
	static const struct iommu_hwpt_get_dirty_bitmap base = {
		.size = sizeof(base),
		.hwpt_id = HWPT,
		.iova = AREA,
		.length = 4 * 4096,
		.page_size = 4096,
	};
	const struct abi_rule rules[] = {
		{ "GDB.1", "an unknown flag", EOPNOTSUPP,
		  { SET(iommu_hwpt_get_dirty_bitmap, flags, 2) } },
		{ "GDB.1", "reserved", EOPNOTSUPP,
		  { SET(iommu_hwpt_get_dirty_bitmap, __reserved, 1) } },
		{ "GDB.2", "no such HWPT", ENOENT,
		  { SET(iommu_hwpt_get_dirty_bitmap, hwpt_id, ID_NONE) } },
		{ "GDB.2", "it is an IOAS", ENOENT,
		  { SET(iommu_hwpt_get_dirty_bitmap, hwpt_id, IOAS) } },
		{ "GDB.3", "length 0", EINVAL, { SET(iommu_hwpt_get_dirty_bitmap, length, 0) } },
		{ "GDB.4", "iova + length - 1 wraps", EOVERFLOW,
		  { SET(iommu_hwpt_get_dirty_bitmap, iova, -4096ull),
		    SET(iommu_hwpt_get_dirty_bitmap, length, 8192) } },
		{ "GDB.4 GDB.5", "iova + length - 1 wraps, and iova is odd", EOVERFLOW,
		  { SET(iommu_hwpt_get_dirty_bitmap, iova, -4095ull),
		    SET(iommu_hwpt_get_dirty_bitmap, length, 8192) } },
		{ "GDB.5", "iova odd", EINVAL,
		  { SET(iommu_hwpt_get_dirty_bitmap, iova, AREA + 0x800) } },
		{ "GDB.5", "the end odd", EINVAL,
		  { SET(iommu_hwpt_get_dirty_bitmap, length, 4097) } },
		{ "GDB.6", "page_size 0", EINVAL,
		  { SET(iommu_hwpt_get_dirty_bitmap, page_size, 0) } },
		{ "GDB.7", "iova no multiple of page_size", EINVAL,
		  { SET(iommu_hwpt_get_dirty_bitmap, iova, AREA + 4096),
		    SET(iommu_hwpt_get_dirty_bitmap, page_size, 8192) } },
		{ "GDB.7", "length no multiple of page_size", EINVAL,
		  { SET(iommu_hwpt_get_dirty_bitmap, length, 4096),
		    SET(iommu_hwpt_get_dirty_bitmap, page_size, 8192) } },
	};
	const struct abi_command command = {
		.name = "GET_DIRTY_BITMAP",
		.request = IOMMU_HWPT_GET_DIRTY_BITMAP,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "GDB.8",
		.base_want = EOPNOTSUPP,
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static int get_dirty(int fd, uint32_t hwpt, uint64_t iova, uint64_t len, uint64_t page_size,
		     void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.iova = iova,
		.length = len,
		.page_size = page_size,
		.data = PTR(bitmap),
	};

	return abi_ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static int set_dirty(int fd, uint32_t hwpt, uint32_t flag, uint32_t reserved)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = flag, .hwpt_id = hwpt, .__reserved = reserved,
	};

	return abi_ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

/* With an IOMMU that tracks. Nothing does DMA here, so nothing is dirty. */
static void tracking(void)
{
	uint64_t bitmap[8];
	uint32_t hwpt;
	int fd;

	if (!abi_row("SDT.4 SDT.5", "enable, enable, disable, disable"))
		return;
	if (!can_track_dirty()) {
		abi_skip("this IOMMU does not track dirty pages");
		return;
	}
	fd = setup();
	hwpt = hwpt_alloc_ok(fd, DEV, IOAS, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	for (int i = 0; i < 4; i++)
		abi_errno(set_dirty(fd, hwpt, i < 2, 0), 0);
	abi_row("SDT.1", "reserved is not looked at");
	abi_errno(set_dirty(fd, hwpt, 1, 1), 0);
	abi_row("SDT.1", "an unknown flag");
	abi_errno(set_dirty(fd, hwpt, 3, 0), EOPNOTSUPP);

	abi_row("GDB", "nothing is dirty; bits that were set stay");
	memset(bitmap, 0, sizeof(bitmap));
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, bitmap), 0);
	abi_equal(bitmap[0], 0);
	bitmap[0] = 0xf5;
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, bitmap), 0);
	abi_equal(bitmap[0], 0xf5);

	abi_row("GDB.10", "a hole, or nothing at all, is not reported");
	abi_errno(get_dirty(fd, hwpt, 0, 4096 * 64, 4096, bitmap), 0);
	abi_errno(get_dirty(fd, hwpt, AREA, 16 * 4096, 4096, bitmap), 0);

	abi_row("GDB.10", "a bitmap that cannot be written is not reported");
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, abi_memory()->none), 0);
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, abi_memory()->read_only), 0);
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, NULL), 0);

	abi_row("GDB.10", "page_size larger and smaller than a page, and no power of two");
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 8192, bitmap), 0);
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 64, bitmap), 0);

	abi_row("GDB.10", "tracking need not be on");
	abi_errno(set_dirty(fd, hwpt, 0, 0), 0);
	abi_errno(get_dirty(fd, hwpt, AREA, 4 * 4096, 4096, bitmap), 0);
	object_destroy_ok(fd, hwpt);
	audit(fd);
	teardown(fd);
}

static void invalidate_rules(void)
{
	static struct iommu_hwpt_invalidate base = {
		.size = sizeof(base), .hwpt_id = HWPT, .entry_len = 24, .entry_num = 1,
	};
	static const struct iommu_hwpt_vtd_s1_invalidate entry;
	const struct abi_rule rules[] = {
		{ "INV.1", "reserved", EOPNOTSUPP, { SET(iommu_hwpt_invalidate, __reserved, 1) } },
		{ "INV.2", "no array", EINVAL, { SET(iommu_hwpt_invalidate, data_uptr, 0) } },
		{ "INV.2", "entry_len 0", EINVAL, { SET(iommu_hwpt_invalidate, entry_len, 0) } },
		{ "INV.2", "entry_len larger than a page", EINVAL,
		  { SET(iommu_hwpt_invalidate, entry_len, 4097) } },
		{ "INV.2", "too many entries", EINVAL,
		  { SET(iommu_hwpt_invalidate, entry_num, (1 << 19) + 1) } },
		{ "INV.3", "no such object", ENOENT,
		  { SET(iommu_hwpt_invalidate, hwpt_id, ID_NONE) } },
		{ "INV.3", "object 0", ENOENT, { SET(iommu_hwpt_invalidate, hwpt_id, 0) } },
		{ "INV.5", "a device", EINVAL, { SET(iommu_hwpt_invalidate, hwpt_id, DEV) } },
		{ "INV.5", "an IOAS", EINVAL, { SET(iommu_hwpt_invalidate, hwpt_id, IOAS) } },
		{ "INV.5", "a fault queue", EINVAL,
		  { SET(iommu_hwpt_invalidate, hwpt_id, FAULT) } },
	};
	const struct abi_command command = {
		.name = "HWPT_INVALIDATE",
		.request = IOMMU_HWPT_INVALIDATE,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "INV.5",
		.base_want = EINVAL,
	};

	base.data_uptr = PTR(&entry);
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

/* entry_num comes back as 0 on every path past the envelope. */
static void invalidate_count(void)
{
	static const struct {
		const char *rule;
		uint32_t hwpt, reserved, len, num;
		int want;
	} cases[] = {
		{ "INV.1", HWPT, 1, 24, 5, EOPNOTSUPP },
		{ "INV.2", HWPT, 0, 0, 5, EINVAL },
		{ "INV.3", ID_NONE, 0, 24, 5, ENOENT },
		{ "INV.5", HWPT, 0, 24, 5, EINVAL },
		{ "INV.3", ID_NONE, 0, 0, 0, ENOENT },
		{ "INV.5", IOAS, 0, 4097, 0, EINVAL },
	};
	struct iommu_hwpt_invalidate cmd;
	char array[24 * 5] = { 0 };
	void *page;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cmd = (struct iommu_hwpt_invalidate){
			.size = sizeof(cmd),
			.hwpt_id = cases[i].hwpt,
			.data_uptr = PTR(array),
			.entry_len = cases[i].len,
			.entry_num = cases[i].num,
			.__reserved = cases[i].reserved,
		};
		if (abi_row(cases[i].rule, "entry_num, case %zu", i)) {
			fd = setup();
			abi_errno(abi_ioctl(fd, IOMMU_HWPT_INVALIDATE, &cmd), cases[i].want);
			abi_equal(cmd.entry_num, 0);
			teardown(fd);
		}
		if (abi_row("INV.7", "a reply that cannot be written, case %zu", i)) {
			fd = setup();
			page = abi_read_only(&cmd, sizeof(cmd));
			abi_errno(abi_ioctl(fd, IOMMU_HWPT_INVALIDATE, page), EFAULT);
			abi_read_only_put(page);
			teardown(fd);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(paging_rules), ABI_PART(nested_rules), ABI_PART(automatic_parent),
		ABI_PART(effects), ABI_PART(flags), ABI_PART(unfit),
		ABI_PART(set_dirty_rules), ABI_PART(get_dirty_rules), ABI_PART(tracking),
		ABI_PART(invalidate_rules), ABI_PART(invalidate_count),
	};

	if (!device_nth(0))
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What attaching does to an IOAS and its HWPTs (ATT, section 7): reserved ranges, automatic
 * HWPTs, replacing, groups. The forms of the VFIO calls themselves are rows of vfio_bind.c.
 */
#include "abi_iommufd.h"

/* Two IOASes, and the first device. */
struct pair {
	struct bound bound;
	uint32_t a, b, next;
};

static bool pair_open(struct pair *pair)
{
	if (!bound_open(&pair->bound))
		return false;
	pair->a = ioas_alloc_ok(pair->bound.fd);
	pair->b = ioas_alloc_ok(pair->bound.fd);
	pair->next = pair->b + 1;
	return true;
}

static void pair_close(struct pair *pair)
{
	if (pair->bound.fd >= 0 && pair->bound.dev_fd >= 0) {
		cdev_detach(pair->bound.dev_fd);
		for (uint32_t id = pair->next + 4; id > pair->bound.dev; id--)
			object_destroy(pair->bound.fd, id);
	}
	bound_close(&pair->bound);
}

static int attach(const struct pair *pair, uint32_t pt, uint32_t *used)
{
	int err = cdev_attach(pair->bound.dev_fd, &pt);

	if (used)
		*used = pt;
	return err;
}

/* Whether the IOAS is as one is that no device and no domain knows. */
static bool untouched(int fd, uint32_t ioas)
{
	struct ranges ranges;

	ioas_ranges(fd, ioas, &ranges);
	return ranges.nr == 1 && !ranges.range[0].start && ranges.range[0].last == UINT64_MAX &&
	       ranges.alignment == 1;
}

static void lookup(void)
{
	struct pair pair;
	uint32_t fault, used;
	int fault_fd;

	if (abi_row("ATT.1", "no such pt_id") && pair_open(&pair)) {
		abi_errno(attach(&pair, ID_NONE, &used), ENOENT);
		abi_equal(used, ID_NONE);
		abi_errno(attach(&pair, 0, NULL), ENOENT);
		abi_errno(attach(&pair, UINT32_MAX, NULL), ENOENT);
		abi_equal(next_id(pair.bound.fd), pair.next);
		pair_close(&pair);
	}
	if (abi_row("ATT.2", "a device, and a fault queue") && pair_open(&pair)) {
		abi_errno(fault_alloc(pair.bound.fd, &fault, &fault_fd), 0);
		abi_errno(attach(&pair, pair.bound.dev, NULL), EINVAL);
		abi_errno(attach(&pair, fault, NULL), EINVAL);
		close(fault_fd);
		pair_close(&pair);
	}
}

/* ATT.8: VT-d's driver wants a device with PRI, which none here is, for an HWPT with a fault queue. */
static void fault_queue(void)
{
	struct iommu_hwpt_alloc alloc = { .size = sizeof(alloc), .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_hw_info info;
	struct pair pair;
	int fault_fd, fd, want;
	uint32_t hwpt, used;

	if (!abi_row("ATT.8", "an HWPT with a fault queue and a device without PRI") || !pair_open(&pair))
		return;
	fd = pair.bound.fd;
	abi_errno(hw_info(fd, pair.bound.dev, &info), 0);
	want = info.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD ? ENODEV : 0;
	alloc.dev_id = pair.bound.dev;
	alloc.pt_id = pair.a;
	abi_errno(fault_alloc(fd, &alloc.fault_id, &fault_fd), 0);
	abi_errno(abi_ioctl(fd, IOMMU_HWPT_ALLOC, &alloc), 0);
	hwpt = alloc.out_hwpt_id;
	abi_errno(attach(&pair, hwpt, NULL), want);
	abi_errno(cdev_detach(pair.bound.dev_fd), 0);

	abi_row("ATT.8 7.3", "a replacement by one leaves the old HWPT in force");
	abi_errno(attach(&pair, pair.b, &used), 0);
	abi_errno(attach(&pair, hwpt, NULL), want);
	abi_errno(object_destroy(fd, hwpt), want ? 0 : EBUSY);
	abi_errno(object_destroy(fd, used), want ? EBUSY : ENOENT);
	abi_true(untouched(fd, pair.b) == !want, "the IOAS of the old HWPT is not as it should be");
	abi_errno(cdev_detach(pair.bound.dev_fd), 0);
	close(fault_fd);
	pair_close(&pair);
}

static void automatic(void)
{
	struct pair pair;
	uint32_t hwpt, used;

	if (abi_row("7.2", "an IOAS gets an automatic HWPT, which is told, and goes by itself") &&
	    pair_open(&pair)) {
		abi_errno(attach(&pair, pair.a, &hwpt), 0);
		abi_equal(hwpt, pair.next);
		abi_true(!untouched(pair.bound.fd, pair.a), "the IOAS knows of no domain");
		abi_errno(object_destroy(pair.bound.fd, pair.a), EBUSY);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_equal(next_id(pair.bound.fd), pair.next);
		abi_true(untouched(pair.bound.fd, pair.a), "something is left in the IOAS");
		abi_errno(object_destroy(pair.bound.fd, pair.a), 0);
		pair_close(&pair);
	}
	if (abi_row("7.2", "an HWPT that was allocated is never picked for an IOAS") &&
	    pair_open(&pair)) {
		hwpt = hwpt_alloc_ok(pair.bound.fd, pair.bound.dev, pair.a, 0);
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_equal(used, hwpt + 1);
		pair_close(&pair);
	}
	if (abi_row("7.2", "an HWPT that was allocated is used by its id and stays") &&
	    pair_open(&pair)) {
		hwpt = hwpt_alloc_ok(pair.bound.fd, pair.bound.dev, pair.a, 0);
		abi_errno(attach(&pair, hwpt, &used), 0);
		abi_equal(used, hwpt);
		abi_errno(object_destroy(pair.bound.fd, hwpt), EBUSY);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_errno(attach(&pair, hwpt, &used), 0);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_errno(object_destroy(pair.bound.fd, hwpt), 0);
		abi_true(untouched(pair.bound.fd, pair.a), "something is left in the IOAS");
		pair_close(&pair);
	}
	if (abi_row("7.5", "detach of a device that is not attached") && pair_open(&pair)) {
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_errno(attach(&pair, pair.a, NULL), 0);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		pair_close(&pair);
	}
	if (abi_row("7.2", "areas that were there before, and areas that come after") &&
	    pair_open(&pair)) {
		int fd = pair.bound.fd;

		ioas_map_ok(fd, pair.a, FIXED_RW, world_memory(), 4 * 4096, 0x100000);
		ioas_map_ok(fd, pair.a, IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
			    world_memory(), 4096, 0x200000);
		abi_errno(attach(&pair, pair.a, NULL), 0);
		ioas_map_ok(fd, pair.a, FIXED_RW, world_memory(), 4096, 0x300000);
		abi_errno(ioas_unmap(fd, pair.a, 0x100000, 4 * 4096, NULL), 0);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		ioas_map_ok(fd, pair.a, FIXED_RW, world_memory() + 1, 1, 0x400001);
		abi_equal(ioas_empty(fd, pair.a), 2 * 4096 + 1);
		pair_close(&pair);
	}
}

/* ATT.5: what the device reserves is in the way. */
static void reserved(void)
{
	struct iommu_iova_range reserved = { 0 };
	struct ranges before, after;
	struct pair pair;
	uint32_t hwpt;
	int fd;

	if (!abi_row("ATT.5", "an area in a reserved range") || !pair_open(&pair))
		return;
	fd = pair.bound.fd;
	abi_errno(attach(&pair, pair.a, NULL), 0);
	if (!reserved_range(fd, pair.a, &reserved))
		goto out;
	ioas_ranges(fd, pair.a, &before);
	abi_errno(cdev_detach(pair.bound.dev_fd), 0);

	ioas_map_ok(fd, pair.b, FIXED_RW, world_memory(), 4096, reserved.start);
	abi_errno(attach(&pair, pair.b, NULL), EADDRINUSE);
	abi_true(untouched(fd, pair.b), "something is left in the IOAS");
	abi_equal(next_id(fd), pair.next);
	abi_errno(cdev_detach(pair.bound.dev_fd), 0);

	abi_row("ATT.5", "an area in a reserved range, by an HWPT: reserving is the attach's");
	hwpt = hwpt_alloc_ok(fd, pair.bound.dev, pair.b, 0);
	abi_errno(attach(&pair, hwpt, NULL), EADDRINUSE);
	abi_errno(ioas_unmap(fd, pair.b, reserved.start, 4096, NULL), 0);
	abi_errno(attach(&pair, hwpt, NULL), 0);
	ioas_ranges(fd, pair.b, &after);
	abi_true(ranges_equal(&before, &after), "the two IOASes differ");

	abi_row("7.2", "detach releases what the attach reserved");
	abi_errno(cdev_detach(pair.bound.dev_fd), 0);
	ioas_map_ok(fd, pair.b, FIXED_RW, world_memory(), 4096, reserved.start);
	abi_errno(object_destroy(fd, hwpt), 0);

	abi_row("7.3 ATT.5", "a replace that collides leaves the old attachment");
	abi_errno(attach(&pair, pair.a, NULL), 0);
	abi_errno(attach(&pair, pair.b, NULL), EADDRINUSE);
	abi_true(untouched(fd, pair.b), "something is left in the new IOAS");
	ioas_ranges(fd, pair.a, &after);
	abi_true(ranges_equal(&before, &after), "the old IOAS has changed");
	abi_errno(object_destroy(fd, pair.a), EBUSY);
out:
	pair_close(&pair);
}

static void replace(void)
{
	struct pair pair;
	uint32_t hwpt, used, again;
	int fd;

	if (abi_row("7.3", "to another IOAS: the first is let go, its HWPT has gone") &&
	    pair_open(&pair)) {
		fd = pair.bound.fd;
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, pair.b, &again), 0);
		abi_equal(again, pair.next + 1);
		abi_errno(object_destroy(fd, used), ENOENT);
		abi_true(untouched(fd, pair.a), "something is left in the first IOAS");
		abi_true(!untouched(fd, pair.b), "the second IOAS knows of no domain");
		abi_errno(object_destroy(fd, pair.a), 0);
		pair_close(&pair);
	}
	if (abi_row("7.3", "to the same IOAS, and to the same HWPT: nothing happens") &&
	    pair_open(&pair)) {
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, pair.a, &again), 0);
		abi_equal(again, used);
		abi_errno(attach(&pair, used, &again), 0);
		abi_equal(again, used);
		abi_equal(next_id(pair.bound.fd), pair.next + 1);
		abi_errno(cdev_detach(pair.bound.dev_fd), 0);
		abi_equal(next_id(pair.bound.fd), pair.next);
		pair_close(&pair);
	}
	if (abi_row("7.3", "to an HWPT of the same IOAS and back") && pair_open(&pair)) {
		fd = pair.bound.fd;
		hwpt = hwpt_alloc_ok(fd, pair.bound.dev, pair.a, 0);
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, hwpt, &again), 0);
		abi_equal(again, hwpt);
		abi_errno(object_destroy(fd, used), ENOENT);
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(object_destroy(fd, hwpt), 0);
		pair_close(&pair);
	}
	if (abi_row("7.3", "to memory that is not there: the old attachment stays") &&
	    pair_open(&pair)) {
		fd = pair.bound.fd;
		ioas_map_ok(fd, pair.b, FIXED_RW, abi_memory()->none, 4096, 0x100000);
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, pair.b, NULL), EFAULT);
		abi_true(untouched(fd, pair.b), "something is left in the new IOAS");
		abi_errno(object_destroy(fd, used), EBUSY);
		abi_equal(next_id(fd), used + 1);
		ioas_map_ok(fd, pair.a, FIXED_RW, world_memory(), 4096, 0x100000);
		pair_close(&pair);
	}
	if (abi_row("7.3 ATT.1", "to what is not there, or no table") && pair_open(&pair)) {
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, ID_NONE, NULL), ENOENT);
		abi_errno(attach(&pair, pair.bound.dev, NULL), EINVAL);
		abi_errno(object_destroy(pair.bound.fd, used), EBUSY);
		pair_close(&pair);
	}
	if (abi_row("7.3", "to misaligned areas: the old attachment stays") && pair_open(&pair)) {
		fd = pair.bound.fd;
		ioas_map_ok(fd, pair.b, FIXED_RW, world_memory(), 1, 0x100000);
		abi_errno(attach(&pair, pair.a, &used), 0);
		abi_errno(attach(&pair, pair.b, NULL), EADDRINUSE);
		abi_errno(object_destroy(fd, used), EBUSY);
		abi_errno(ioas_unmap(fd, pair.b, 0x100000, 1, NULL), 0);
		abi_errno(attach(&pair, pair.b, NULL), 0);
		pair_close(&pair);
	}
}

/* Two devices of two groups in one context. */
struct two {
	struct pair pair;
	int dev_fd;
	uint32_t dev;
};

static bool two_open(struct two *two)
{
	const struct device *first = device_or_skip(), *second;
	int err;

	if (!first)
		return false;
	second = device_of_other_group(first);
	if (!second) {
		abi_skip("there is only one group");
		return false;
	}
	if (!bound_open(&two->pair.bound))
		return false;
	two->dev_fd = cdev_open_ok(second);
	err = cdev_bind(two->dev_fd, two->pair.bound.fd, &two->dev);
	if (err)
		abi_broken("BIND of %s: %s", second->bdf, abi_errno_name(err));
	two->pair.a = ioas_alloc_ok(two->pair.bound.fd);
	two->pair.b = ioas_alloc_ok(two->pair.bound.fd);
	two->pair.next = two->pair.b + 1;
	return true;
}

static void two_close(struct two *two)
{
	cdev_detach(two->dev_fd);
	close(two->dev_fd);
	pair_close(&two->pair);
}

/* Whether both stand behind IOMMUs that can do the same. */
static bool alike(const struct two *two)
{
	uint64_t data[2][16] = { { 0 } };
	struct iommu_hw_info info[2];
	uint32_t dev[2] = { two->pair.bound.dev, two->dev };

	for (int i = 0; i < 2; i++) {
		info[i] = (struct iommu_hw_info){
			.size = sizeof(info[i]),
			.dev_id = dev[i],
			.data_len = sizeof(data[i]),
			.data_uptr = PTR(data[i]),
		};
		abi_errno(abi_ioctl(two->pair.bound.fd, IOMMU_GET_HW_INFO, &info[i]), 0);
	}
	return info[0].out_data_type == info[1].out_data_type &&
	       !memcmp(data[0], data[1], sizeof(data[0]));
}

static void devices(void)
{
	uint32_t used, other, hwpt;
	struct two two;
	int fd;

	if (abi_row("7.2", "two devices share the automatic HWPT; the last one takes it along") &&
	    two_open(&two)) {
		fd = two.pair.bound.fd;
		abi_errno(attach(&two.pair, two.pair.a, &used), 0);
		other = two.pair.a;
		abi_errno(cdev_attach(two.dev_fd, &other), 0);
		if (alike(&two))
			abi_equal(other, used);
		abi_errno(cdev_detach(two.pair.bound.dev_fd), 0);
		abi_errno(object_destroy(fd, other), EBUSY);
		abi_true(!untouched(fd, two.pair.a), "the second device reserves nothing");
		abi_errno(cdev_detach(two.dev_fd), 0);
		abi_errno(object_destroy(fd, other), ENOENT);
		abi_equal(next_id(fd), two.pair.next);
		abi_true(untouched(fd, two.pair.a), "something is left in the IOAS");
		two_close(&two);
	}
	if (abi_row("7.2", "the id of an automatic HWPT may be used while it lives") &&
	    two_open(&two)) {
		fd = two.pair.bound.fd;
		abi_errno(attach(&two.pair, two.pair.a, &used), 0);
		if (alike(&two)) {
			other = used;
			abi_errno(cdev_attach(two.dev_fd, &other), 0);
			abi_equal(other, used);
			abi_errno(cdev_detach(two.pair.bound.dev_fd), 0);
			abi_errno(cdev_detach(two.dev_fd), 0);
			abi_errno(object_destroy(fd, used), ENOENT);
		} else {
			abi_skip("the two devices' IOMMUs differ");
		}
		two_close(&two);
	}
	if (abi_row("7.2", "two devices in two IOASes do not touch each other") && two_open(&two)) {
		fd = two.pair.bound.fd;
		abi_errno(attach(&two.pair, two.pair.a, &used), 0);
		other = two.pair.b;
		abi_errno(cdev_attach(two.dev_fd, &other), 0);
		abi_true(other != used, "one HWPT serves two IOASes");
		ioas_map_ok(fd, two.pair.a, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_equal(ioas_empty(fd, two.pair.b), 0);
		abi_errno(cdev_detach(two.dev_fd), 0);
		abi_true(untouched(fd, two.pair.b), "something is left in the second IOAS");
		abi_equal(ioas_empty(fd, two.pair.a), 4096);
		two_close(&two);
	}
	if (abi_row("7.2 2.6", "closing a device detaches it and leaves the other") &&
	    two_open(&two)) {
		fd = two.pair.bound.fd;
		hwpt = hwpt_alloc_ok(fd, two.dev, two.pair.a, 0);
		other = hwpt;
		abi_errno(cdev_attach(two.dev_fd, &other), 0);
		abi_errno(attach(&two.pair, two.pair.a, &used), 0);
		close(two.dev_fd);
		two.dev_fd = -1;
		abi_errno(object_destroy(fd, two.dev), ENOENT);
		abi_errno(object_destroy(fd, hwpt), 0);
		abi_errno(object_destroy(fd, used), EBUSY);
		ioas_map_ok(fd, two.pair.a, FIXED_RW, world_memory(), 4096, 0x100000);
		two_close(&two);
	}
	if (abi_row("2.2", "a device's number in its context only") && two_open(&two)) {
		int stranger = iommufd_open();
		struct iommu_hw_info info;

		abi_errno(hw_info(stranger, two.dev, &info), ENOENT);
		close(stranger);
		two_close(&two);
	}
}

/* 7.4. What a device's PASIDs may be attached to, whether or not it can put any on the bus. */
static int attach_pasid(int dev_fd, uint32_t pt, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid,
	};

	return abi_ioctl(dev_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static int detach_pasid(int dev_fd, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = pasid,
	};

	return abi_ioctl(dev_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/* The HWPT holds an attached PASID as it holds the device; IDs of HWPTs come back as they went in. */
static void pasid_attached(struct pair *pair, uint32_t hwpt, uint32_t twin, uint32_t plain)
{
	const int fd = pair->bound.fd, dev_fd = pair->bound.dev_fd;
	uint32_t pt = plain;

	abi_errno(object_destroy(fd, hwpt), EBUSY);
	abi_true(untouched(fd, pair->a), "a PASID reserves nothing");
	abi_errno(attach_pasid(dev_fd, hwpt, 1), 0);
	abi_errno(attach_pasid(dev_fd, twin, 1), 0); /* a replace */
	abi_errno(object_destroy(fd, hwpt), 0);
	abi_errno(attach_pasid(dev_fd, plain, 1), EINVAL);
	abi_errno(attach_pasid(dev_fd, pair->a, 1), EINVAL);
	/* The RID's HWPT must carry the flag too. */
	abi_errno(cdev_attach(dev_fd, &pt), EINVAL);
	pt = pair->a;
	abi_errno(cdev_attach(dev_fd, &pt), EINVAL);
	pt = twin;
	abi_errno(cdev_attach(dev_fd, &pt), 0);
	pt = plain;
	abi_errno(cdev_attach(dev_fd, &pt), EINVAL);
	abi_errno(detach_pasid(dev_fd, 2), 0);
	abi_errno(detach_pasid(dev_fd, 1), 0);
	abi_errno(detach_pasid(dev_fd, 1), 0);
	abi_errno(cdev_attach(dev_fd, &pt), 0);
	abi_errno(attach_pasid(dev_fd, twin, 1), EINVAL); /* the RID's has no flag */
	abi_errno(cdev_detach(dev_fd), 0);
	abi_errno(object_destroy(fd, twin), 0);
}

/* The width of the device's PASIDs; 0: it has none, and any number does. */
static uint8_t pasid_bits(const struct pair *pair)
{
	struct iommu_hw_info info;

	return hw_info(pair->bound.fd, pair->bound.dev, &info) ? 0 : info.out_max_pasid_log2;
}

static void pasid_with_flag(struct pair *pair)
{
	const uint32_t flag = IOMMU_HWPT_ALLOC_PASID;
	const int fd = pair->bound.fd, dev_fd = pair->bound.dev_fd;
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flag, .dev_id = pair->bound.dev, .pt_id = pair->b};
	uint32_t twin, plain;
	uint8_t bits = pasid_bits(pair);
	int err = abi_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	if (err) {
		abi_equal(err, EOPNOTSUPP);
		return;
	}
	twin = hwpt_alloc_ok(fd, pair->bound.dev, pair->b, flag);
	plain = hwpt_alloc_ok(fd, pair->bound.dev, pair->b, 0);
	abi_errno(attach_pasid(dev_fd, cmd.out_hwpt_id, 1u << 31), ENOSPC);
	if (bits)
		abi_errno(attach_pasid(dev_fd, cmd.out_hwpt_id, 1u << bits), EINVAL);
	err = attach_pasid(dev_fd, cmd.out_hwpt_id, 1);
	if (err) { /* the driver has no domains for PASIDs */
		abi_equal(err, EOPNOTSUPP);
		abi_errno(object_destroy(fd, cmd.out_hwpt_id), 0);
		abi_errno(object_destroy(fd, twin), 0);
	} else {
		pasid_attached(pair, cmd.out_hwpt_id, twin, plain);
	}
	abi_errno(object_destroy(fd, plain), 0);
}

static void pasid(void)
{
	struct pair pair;
	uint32_t hwpt;
	int err, fd;

	if (abi_row("7.4", "PASIDs and HWPTs made with the flag") && pair_open(&pair)) {
		pasid_with_flag(&pair);
		pair_close(&pair);
	}

	if (abi_row("7.4", "PASID with no such pt_id, whatever the PASID") && pair_open(&pair)) {
		abi_errno(attach_pasid(pair.bound.dev_fd, ID_NONE, 1), ENOENT);
		abi_errno(attach_pasid(pair.bound.dev_fd, ID_NONE, INT32_MAX), ENOENT);
		pair_close(&pair);
	}
	if (abi_row("7.4", "PASID to an IOAS, and to an HWPT made without the flag") &&
	    pair_open(&pair)) {
		fd = pair.bound.fd;
		hwpt = hwpt_alloc_ok(fd, pair.bound.dev, pair.b, 0);
		err = attach_pasid(pair.bound.dev_fd, pair.a, 1);
		abi_true(err == EINVAL || err == EOPNOTSUPP, "IOAS: %s", abi_errno_name(err));
		err = attach_pasid(pair.bound.dev_fd, hwpt, 1);
		abi_true(err == EINVAL || err == EOPNOTSUPP, "HWPT: %s", abi_errno_name(err));
		abi_equal(next_id(fd), hwpt + 1);
		abi_true(untouched(fd, pair.a), "something is left in the IOAS");
		abi_errno(object_destroy(fd, hwpt), 0);
		pair_close(&pair);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(lookup), ABI_PART(fault_queue), ABI_PART(automatic), ABI_PART(reserved), ABI_PART(replace),
		ABI_PART(devices), ABI_PART(pasid),
	};

	if (!device_nth(0))
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

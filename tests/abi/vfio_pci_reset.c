/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hot reset of a bus or slot: GET_PCI_HOT_RESET_INFO and PCI_HOT_RESET, by group and by cdev;
 * section 13.6. Where neither bus nor slot can be reset both answer ENODEV, and most is skipped.
 */
#include "vfio_fixture.h"

#include <fcntl.h>

#define MAX_DEVICES 32

struct info {
	uint32_t argsz, flags, count;
	struct vfio_pci_dependent_device devices[MAX_DEVICES];
};

struct reset {
	uint32_t argsz, flags, count;
	int32_t fds[4];
};

static struct vfio v;
static bool resettable;

static int get_info(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, arg);
}

static int hot_reset(uint32_t count, const int32_t *fds)
{
	struct reset arg = { .argsz = sizeof(arg), .count = count };

	if (fds)
		memcpy(arg.fds, fds, count * sizeof(*fds));
	return abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

static bool is_device(const struct vfio_pci_dependent_device *d, const struct vfio_id *id)
{
	char bdf[16];

	snprintf(bdf, sizeof(bdf), "%04x:%02x:%02x.%x", d->segment, d->bus, d->devfn >> 3,
		 d->devfn & 7);
	return !strcmp(bdf, id->bdf);
}

static void info_argument(void)
{
	struct info info = { .argsz = 12 };
	void *page;

	if (abi_row("13.6.HOT_RESET_INFO", "EFAULT")) {
		abi_errno(get_info(NULL), EFAULT);
		abi_errno(get_info(abi_at_the_edge(&info, 11)), EFAULT);
	}
	if (abi_row("13.6.HOT_RESET_INFO", "argsz")) {
		info.argsz = 11;
		abi_errno(get_info(&info), EINVAL);
		info.argsz = 0;
		abi_errno(get_info(&info), EINVAL);
	}
	if (!resettable) {
		if (abi_row("13.6.HOT_RESET_INFO", "neither bus nor slot can be reset")) {
			info.argsz = 12;
			abi_errno(get_info(&info), ENODEV);
		}
		return;
	}
	if (abi_row("13.6.HOT_RESET_INFO", "no room: how many there are")) {
		info = (struct info){ .argsz = 12 };
		abi_errno(get_info(&info), ENOSPC);
		abi_true(info.count > 0, "none");
		abi_equal(info.flags, 0);
		abi_equal(info.argsz, 12);
		info.count = 0;
		info.argsz = 19;
		abi_errno(get_info(abi_at_the_edge(&info, 12)), ENOSPC);
	}
	if (abi_row("13.6.HOT_RESET_INFO", "exactly enough room, and one byte too little")) {
		uint32_t count = info.count ? info.count : 1;

		info = (struct info){ .argsz = 12 };
		get_info(&info);
		count = info.count;
		info = (struct info){ .argsz = 12 + 8 * count - 1 };
		abi_errno(get_info(&info), ENOSPC);
		info = (struct info){ .argsz = 12 + 8 * count };
		abi_errno(get_info(abi_at_the_edge(&info, 12 + 8 * count)), 0);
		page = abi_read_only(&info, sizeof(info));
		abi_errno(get_info(page), EFAULT);
		abi_read_only_put(page);
	}
}

/* The device itself is among those that a reset touches, and each is named once. */
static void info_content(bool cdev)
{
	struct info info = { .argsz = sizeof(info) };
	bool found = false;

	if (!resettable || !abi_row("13.6.HOT_RESET_INFO", "%s, %s", v.id->bdf,
				    cdev ? "by cdev" : "by group"))
		return;
	abi_errno(get_info(&info), 0);
	abi_equal(info.flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID,
		  cdev ? VFIO_PCI_HOT_RESET_FLAG_DEV_ID : 0);
	for (uint32_t i = 0; i < info.count; i++) {
		const struct vfio_pci_dependent_device *d = &info.devices[i];

		for (uint32_t j = 0; j < i; j++)
			abi_true(d->devfn != info.devices[j].devfn ||
				 d->bus != info.devices[j].bus, "device %u is device %u", i, j);
		if (!is_device(d, v.id)) {
			/* A group's other devices are owned with it: 0. What is not owned: -1. */
			if (cdev)
				abi_true(d->devid == 0 || d->devid == ~0u, "devid is %d",
					 (int)d->devid);
			continue;
		}
		found = true;
		if (cdev)
			abi_equal(d->devid, v.devid);
		else
			abi_equal(d->group_id, v.id->group_nr);
	}
	abi_true(found, "%s is not among its own", v.id->bdf);
}

/* All of them belong to groups (contexts) that are ours: the reset can be had. */
static bool all_ours(bool cdev)
{
	struct info info = { .argsz = sizeof(info) };

	if (get_info(&info))
		return false;
	for (uint32_t i = 0; i < info.count; i++)
		if (cdev ? info.devices[i].devid == ~0u :
			   info.devices[i].group_id != (uint32_t)v.id->group_nr)
			return false;
	return true;
}

static void reset_argument(bool cdev)
{
	struct reset arg = { .argsz = 12 };
	int32_t fds[4] = { v.group, v.group, v.group, v.group };

	if (abi_row("13.6.HOT_RESET", "EFAULT")) {
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET, NULL), EFAULT);
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET,
				    abi_at_the_edge(&arg, 11)), EFAULT);
	}
	if (abi_row("13.6.HOT_RESET", "argsz")) {
		arg.argsz = 11;
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET, &arg), EINVAL);
	}
	if (abi_row("13.6.HOT_RESET", "flags")) {
		arg = (struct reset){ .argsz = 12, .flags = 1, .count = !cdev };
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET, &arg), EINVAL);
	}
	if (abi_row("13.6.HOT_RESET", cdev ? "by cdev with fds" : "by group without"))
		abi_errno(hot_reset(cdev, cdev ? &v.iommufd : NULL), EINVAL);
	if (!resettable && abi_row("13.6.HOT_RESET", "neither bus nor slot can be reset"))
		abi_errno(hot_reset(!cdev, cdev ? NULL : fds), ENODEV);
}

static void reset_by_group(void)
{
	struct info info = { .argsz = sizeof(info) };
	struct reset arg = { .argsz = 16, .count = 1, .fds = { v.group } };
	int32_t fds[4] = { v.group, v.group, v.group, v.group };
	const int32_t bad = 1000, other = v.container;
	bool ours;

	if (!resettable)
		return;
	get_info(&info);
	ours = all_ours(false);
	if (info.count < 4 && abi_row("13.6.HOT_RESET", "more fds than devices"))
		abi_errno(hot_reset(info.count + 1, fds), EINVAL);
	if (abi_row("13.6.HOT_RESET", "the fds cannot be read"))
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_PCI_HOT_RESET,
				    abi_at_the_edge(&arg, 12)), EFAULT);
	if (abi_row("13.6.HOT_RESET", "an fd that is not open"))
		abi_errno(hot_reset(1, &bad), EBADF);
	if (abi_row("13.6.HOT_RESET", "an fd that is no group"))
		abi_errno(hot_reset(1, &other), EINVAL);
	if (abi_row("13.6.HOT_RESET", "%s with its group", v.id->bdf)) {
		abi_errno(hot_reset(1, fds), ours ? 0 : EINVAL);
		abi_equal(config_read(v.device, 0, 2), v.id->vendor);
	}
}

/* A device that the reset touches and that is another group's. */
static void not_ours(void)
{
	const struct vfio_id *stranger = vfio_of_group(v.id == vfio_of_group(0) ? 1 : 0);
	int32_t group;

	if (!resettable || !abi_row("13.6.HOT_RESET", "only with another group"))
		return;
	if (!stranger || stranger->group_nr == v.id->group_nr) {
		abi_skip("there is but one group");
		return;
	}
	group = open(stranger->group, O_RDWR);
	abi_errno(hot_reset(1, &group), EINVAL);
	close(group);
}

static void by_group(void)
{
	struct info info = { .argsz = 12 };

	for (unsigned int n = 0; vfio_nth(n); n++) {
		vfio_open(&v, ROAD_TYPE1V2, vfio_nth(n));
		resettable = get_info(&info) != ENODEV;
		if (!n) {
			info_argument();
			reset_argument(false);
			not_ours();
		}
		info_content(false);
		reset_by_group();
		vfio_close(&v);
	}
}

static void by_cdev(void)
{
	struct info info = { .argsz = 12 };

	for (unsigned int n = 0; vfio_nth(n); n++) {
		vfio_open(&v, ROAD_CDEV, vfio_nth(n));
		resettable = get_info(&info) != ENODEV;
		if (!n) {
			info_argument();
			reset_argument(true);
		}
		info_content(true);
		if (resettable && abi_row("13.6.HOT_RESET", "%s by cdev", v.id->bdf)) {
			abi_errno(hot_reset(0, NULL), all_ours(true) ? 0 : EINVAL);
			abi_equal(config_read(v.device, 0, 2), v.id->vendor);
		}
		vfio_close(&v);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(by_group), ABI_PART(by_cdev) };

	if (!vfio_any())
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI hot reset (13.6): what shares a bus is reset together. A root bus cannot be reset.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/iommufd.h"
#include "abi/vfio_device.h"
#include "base/alloc.h"

static bool same_bus(const struct pci_dev *a, const struct pci_dev *b)
{
	return a->cfg.domain == b->cfg.domain && a->cfg.rid >> 8 == b->cfg.rid >> 8;
}

static bool bus_can_reset(const struct pci_dev *pci)
{
	return pci->cfg.rid >> 8 != 0;
}

/* Calls @fn for each device on the bus of @d until one says non-zero. */
static int for_each_on_bus(struct vfio_device *d, int (*fn)(struct host_device *hdev, void *arg), void *arg)
{
	struct host *h = d->hdev->group->host;
	struct list *pos, *tmp;
	int rc = 0;

	list_for_each(pos, tmp, &h->devices) {
		struct host_device *hdev = list_entry(pos, struct host_device, link);

		if (!rc && !__atomic_load_n(&hdev->absent, __ATOMIC_ACQUIRE) && same_bus(hdev->hw, d->pci))
			rc = fn(hdev, arg);
	}
	return rc;
}

static int count_one(struct host_device *hdev, void *arg)
{
	++*(unsigned int *)arg;
	return 0;
}

struct info_fill {
	struct vfio_device *d;
	struct caller *caller;
	bool cdev, owned;
	uint64_t at;
};

/* On a cdev a device is told by its id in the caller's iommufd, and one that is in no context but in an owned group by 0. */
static int32_t devid_of(struct info_fill *f, struct host_device *hdev)
{
	struct iommufd *ctx = f->d->idev ? f->d->idev->ctx : NULL;
	int32_t id = VFIO_PCI_DEVID_NOT_OWNED;
	struct idevice *idev;

	pthread_mutex_lock(&hdev->group->lock);
	idev = hdev->idev;
	if (idev && idev->ctx == ctx)
		id = idev->obj.id;
	else if (!idev && hdev->group->owner == ctx)
		id = VFIO_PCI_DEVID_OWNED;
	pthread_mutex_unlock(&hdev->group->lock);
	return id;
}

static int fill_one(struct host_device *hdev, void *arg)
{
	struct info_fill *f = arg;
	struct pci_dev *pci = hdev->hw;
	struct vfio_pci_dependent_device dep = {
		.segment = pci->cfg.domain,
		.bus = pci->cfg.rid >> 8,
		.devfn = pci->cfg.rid & 0xff,
	};

	if (f->cdev) {
		int32_t id = devid_of(f, hdev);

		f->owned &= id != VFIO_PCI_DEVID_NOT_OWNED;
		dep.devid = id;
	} else {
		dep.group_id = hdev->group->id;
	}
	if (vfio_copy_out(f->caller, device_sink(f->d), "HRI.3", f->at, &dep, sizeof(dep)))
		return -EFAULT;
	f->at += sizeof(dep);
	return 0;
}

long vfio_hot_reset_info(struct vfio_device *d, bool cdev, uint64_t arg, struct caller *c)
{
	const size_t min = sizeof(struct vfio_pci_hot_reset_info);
	struct info_fill fill = {.d = d, .caller = c, .cdev = cdev, .owned = true, .at = arg + min};
	struct vfio_pci_hot_reset_info info;
	unsigned int count = 0;
	uint64_t room;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "HRI.1", arg, &info, min);
	if (rc)
		return rc;
	if (!bus_can_reset(d->pci))
		return refuse(device_sink(d), ENODEV, "HRI.2", "device", d->pci->cfg.rid,
			      "a device behind a bridge: a root bus has no reset (place it with bdf=01:00.0)");
	for_each_on_bus(d, count_one, &count);
	info.flags = 0;
	info.count = count;
	room = (info.argsz - min) / sizeof(struct vfio_pci_dependent_device);
	if (room < count) {
		rc = refuse(device_sink(d), ENOSPC, "HRI.3", "argsz", info.argsz, "%zu",
			    min + count * sizeof(struct vfio_pci_dependent_device));
	} else {
		rc = for_each_on_bus(d, fill_one, &fill);
		if (cdev)
			info.flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID |
				     (fill.owned ? VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED : 0);
	}
	if (rc && rc != -ENOSPC)
		return rc;
	return vfio_copy_out(c, device_sink(d), "HRI.1", arg, &info, min) ? -EFAULT : rc;
}

/* Is every affected device the caller's? By the groups whose fds were given, or by the iommufd. */
struct ownership {
	struct vfio_device *d;
	struct host_group **groups;
	unsigned int nr_groups;
};

static int check_owned(struct host_device *hdev, void *arg)
{
	struct ownership *o = arg;

	if (!hdev->opened)
		return 0;
	for (unsigned int i = 0; i < o->nr_groups; i++)
		if (o->groups[i] == hdev->group)
			return 0;
	if (!o->nr_groups && o->d->idev && hdev->group->owner == o->d->idev->ctx)
		return 0;
	return refuse(device_sink(o->d), EINVAL, "HR.5", "group", hdev->group->id,
		      "the group's fd, or a device of the same iommufd");
}

static int reset_one(struct host_device *hdev, void *arg)
{
	pci_reset(hdev->hw);
	return 0;
}

static int count_groups(struct host_device *hdev, void *arg)
{
	/* Counting devices over-counts groups of several; as a bound on the caller's list that is what the kernel does. */
	++*(unsigned int *)arg;
	return 0;
}

static int get_groups(struct vfio_device *d, uint64_t at, struct ownership *o, unsigned int count, struct caller *c)
{
	for (unsigned int i = 0; i < count; i++) {
		struct abi_file *f;
		int32_t fd;
		int rc;

		if (copy_in(c, &fd, at + i * sizeof(fd), sizeof(fd)))
			return refuse(device_sink(d), EFAULT, "HR.3", "group_fds", at, "%u readable fds", count);
		rc = c->ops->file_get(c, fd, &f);
		if (rc == -EBADF)
			return refuse(device_sink(d), EBADF, "HR.4", "group_fds", (uint64_t)fd, "an open fd");
		if (!rc) {
			o->groups[i] = abi_file_group(f);
			abi_file_put(f);
		}
		if (rc || !o->groups[i])
			return refuse(device_sink(d), EINVAL, "HR.4", "group_fds", (uint64_t)fd, "a group's fd");
		o->nr_groups++;
	}
	return 0;
}

long vfio_hot_reset(struct vfio_device *d, bool cdev, uint64_t arg, struct caller *c)
{
	const size_t min = sizeof(struct vfio_pci_hot_reset);
	struct ownership o = {.d = d};
	struct vfio_pci_hot_reset cmd;
	unsigned int max = 0;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "HR.1", arg, &cmd, min);
	if (rc)
		return rc;
	if (cmd.flags)
		return refuse(device_sink(d), EINVAL, "HR.1", "flags", cmd.flags, "0");
	if (cdev != !cmd.count)
		return refuse(device_sink(d), EINVAL, "HR.2", "count", cmd.count,
			      cdev ? "0 on a cdev" : "the fds of the groups");
	if (!bus_can_reset(d->pci))
		return refuse(device_sink(d), ENODEV, "HR.2", "device", d->pci->cfg.rid,
			      "a device behind a bridge: a root bus has no reset");
	for_each_on_bus(d, count_groups, &max);
	if (cmd.count > max)
		return refuse(device_sink(d), EINVAL, "HR.3", "count", cmd.count, "at most %u groups", max);
	o.groups = ioas_calloc(cmd.count + 1, sizeof(struct host_group *));
	if (!o.groups)
		return -ENOMEM;
	rc = get_groups(d, arg + min, &o, cmd.count, c);
	pthread_mutex_lock(&d->hdev->group->host->open_lock);
	if (!rc)
		rc = for_each_on_bus(d, check_owned, &o);
	if (!rc)
		rc = for_each_on_bus(d, reset_one, NULL);
	pthread_mutex_unlock(&d->hdev->group->host->open_lock);
	ioas_free(o.groups);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The group (/dev/vfio/N) with a legacy container and with an iommufd in its place: section 10.2.
 * What needs a group that is gone, or one of noiommu, is not here: neither can be had at will.
 */
#include "vfio_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define IOVA   0x100000ull
#define VIABLE VFIO_GROUP_FLAGS_VIABLE
#define SET_UP (VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET)

static const struct vfio_id *id;
static bool legacy; /* /dev/vfio/vfio is a container, not an iommufd */

static int container_open(void)
{
	return open_node("/dev/vfio/vfio");
}

static int unset(int group)
{
	return abi_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static int set_iommu(int container)
{
	return ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ? errno : 0;
}

static void status_is(int group, uint32_t want)
{
	uint32_t flags;

	if (group_status(group, &flags))
		abi_equal(flags, want);
}

static int bind_cdev(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return abi_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static void opening(void)
{
	int group = open_node(id->group), cdev, iommufd;

	if (abi_row("10.2.open", "a group opens once")) {
		abi_true(open(id->group, O_RDWR) < 0, "opened twice");
		abi_errno(errno, EBUSY);
		abi_true(open(id->group, O_RDONLY) < 0, "opened twice");
		abi_errno(errno, EBUSY);
	}
	close(group);
	if (abi_row("10.2.open", "and again when it was closed")) {
		group = open(id->group, O_RDWR);
		abi_true(group >= 0, "%s: %s", id->group, strerror(errno));
		close(group);
	}
	if (abi_row("10.2.open", "not while a device of it is bound through its cdev")) {
		if (!*id->cdev) {
			abi_skip("no character device");
			return;
		}
		cdev = open_node(id->cdev);
		group = open(id->group, O_RDWR);
		abi_true(group >= 0, "an unbound cdev is in the way");
		close(group);
		iommufd = open_node("/dev/iommu");
		abi_errno(bind_cdev(cdev, iommufd), 0);
		abi_true(open(id->group, O_RDWR) < 0, "opened beside a bound cdev");
		abi_errno(errno, EBUSY);
		close(cdev);
		group = open(id->group, O_RDWR);
		abi_true(group >= 0, "closed again, the cdev is in the way");
		close(group);
		close(iommufd);
	}
}

static void get_status(void)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int group = open_node(id->group);
	void *page;

	if (abi_row("10.2.GET_STATUS.1", "EFAULT")) {
		abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, NULL), EFAULT);
		abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS,
				    (char *)abi_at_the_edge(&status, 8) + 1), EFAULT);
		page = abi_read_only(&status, sizeof(status));
		abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, page), EFAULT);
		abi_read_only_put(page);
	}
	if (abi_row("10.2.GET_STATUS.1", "argsz")) {
		status.argsz = 7;
		status.flags = 0x55;
		abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, &status), EINVAL);
		abi_equal(status.flags, 0x55);
		status.argsz = 4096;
		abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS,
				    abi_at_the_edge(&status, 8)), 0);
	}
	if (abi_row("10.2.GET_STATUS", "a fresh group is viable"))
		status_is(group, VIABLE);
	close(group);
}

static void set_container(void)
{
	int group, container, other, null, event, fd;

	if (!abi_row("10.2.SET_CONTAINER.1", "EFAULT, EBADF"))
		return;
	group = open_node(id->group);
	container = container_open();
	other = container_open();
	null = open_node("/dev/null");
	event = eventfd(0, EFD_CLOEXEC);
	abi_errno(abi_ioctl(group, VFIO_GROUP_SET_CONTAINER, NULL), EFAULT);
	fd = 1000;
	abi_errno(abi_ioctl(group, VFIO_GROUP_SET_CONTAINER,
			    (char *)abi_at_the_edge(&fd, 4) + 1), EFAULT);
	abi_errno(group_join(group, 1000), EBADF);
	abi_errno(group_join(group, -1), EBADF);
	if (abi_row("10.2.SET_CONTAINER.6", "neither container nor iommufd")) {
		abi_errno(group_join(group, null), EBADFD);
		abi_errno(group_join(group, event), EBADFD);
		abi_errno(group_join(group, group), EBADFD);
	}
	if (abi_row("10.2.SET_CONTAINER", "refused or not, the group is as before"))
		status_is(group, VIABLE);
	if (abi_row("10.2.SET_CONTAINER", "joined")) {
		abi_errno(group_join(group, container), 0);
		status_is(group, SET_UP);
	}
	if (abi_row("10.2.SET_CONTAINER.2", "already set")) {
		abi_errno(group_join(group, container), EINVAL);
		abi_errno(group_join(group, other), EINVAL);
	}
	if (abi_row("10.2.SET_CONTAINER.1 10.2.SET_CONTAINER.2", "in this order")) {
		abi_errno(abi_ioctl(group, VFIO_GROUP_SET_CONTAINER, NULL), EFAULT);
		abi_errno(group_join(group, 1000), EBADF);
	}
	if (abi_row("10.2.SET_CONTAINER.2 10.2.SET_CONTAINER.6", "in this order"))
		abi_errno(group_join(group, null), EINVAL);
	if (abi_row("10.2.UNSET_CONTAINER", "and left")) {
		abi_errno(unset(group), 0);
		status_is(group, VIABLE);
	}
	if (abi_row("10.2.UNSET_CONTAINER.1", "none set"))
		abi_errno(unset(group), EINVAL);
	close(event);
	close(null);
	close(other);
	close(container);
	close(group);
}

static void unknown_commands(void)
{
	static const unsigned long commands[] = {
		VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION, VFIO_SET_IOMMU, VFIO_DEVICE_GET_INFO,
		VFIO_IOMMU_MAP_DMA, VFIO_DEVICE_ATTACH_IOMMUFD_PT, IOMMU_IOAS_ALLOC,
		_IO(';', 99), _IOR(';', 103, int), 0x12345678,
	};
	int group = open_node(id->group);
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (abi_row("10.2.other", "%#lx", commands[i]))
			abi_errno(abi_ioctl(group, commands[i], NULL), ENOTTY);
	if (abi_row("10.2", "the file itself neither reads nor writes")) {
		abi_errno(read(group, &byte, 1) < 0 ? errno : 0, EINVAL);
		abi_errno(write(group, "", 1) < 0 ? errno : 0, EINVAL);
	}
	close(group);
}

/* GET_DEVICE_FD: names first, then the container. */
static void get_device(void)
{
	const struct vfio_id *stranger = vfio_of_group(id == vfio_of_group(0) ? 1 : 0);
	int group = open_node(id->group), container = container_open(), device, again;
	char longer[80];

	snprintf(longer, sizeof(longer), "%s nonsense", id->bdf);
	if (abi_row("10.2.GET_DEVICE_FD.1", "the name")) {
		abi_errno(group_device(group, NULL, &device), EFAULT);
		abi_errno(group_device(group, abi_at_the_edge("0000", 4), &device), EFAULT);
		abi_errno(group_device(group, "", &device), ENODEV);
		abi_errno(group_device(group, "ffff:ff:1f.7", &device), ENODEV);
		abi_errno(group_device(group, "nonsense", &device), ENODEV);
		longer[strlen(id->bdf)] = '0';
		abi_errno(group_device(group, longer, &device), ENODEV);
		longer[strlen(id->bdf)] = ' ';
	}
	if (abi_row("10.2.GET_DEVICE_FD.1", "a device of another group")) {
		if (stranger)
			abi_errno(group_device(group, stranger->bdf, &device), ENODEV);
		else
			abi_skip("there is but one group");
	}
	if (abi_row("10.2.GET_DEVICE_FD.1", "the device's own match error")) {
		abi_errno(group_device(group, longer, &device), EINVAL);
		snprintf(longer, sizeof(longer), "%s vf_token=0b5d9b0a-7a4e-4d5c-9f43-6b4d2a1c9e07",
			 id->bdf);
		abi_errno(group_device(group, longer, &device), EINVAL);
	}
	if (abi_row("10.2.GET_DEVICE_FD.2", "no container"))
		abi_errno(group_device(group, id->bdf, &device), EINVAL);
	if (abi_row("10.2.GET_DEVICE_FD.2", "a container without an IOMMU, or an iommufd")) {
		abi_errno(group_join(group, container), 0);
		abi_errno(group_device(group, id->bdf, &device), legacy ? EINVAL : 0);
		if (device >= 0)
			close(device);
		abi_errno(group_device(group, "nonsense", &device), ENODEV);
		abi_errno(set_iommu(container), 0);
	}
	if (abi_row("10.2.GET_DEVICE_FD", "each call gives a file; all share the device")) {
		abi_errno(group_device(group, id->bdf, &device), 0);
		abi_errno(group_device(group, id->bdf, &again), 0);
		abi_true(device != again, "the same fd twice");
		abi_true(fcntl(device, F_GETFD) & FD_CLOEXEC, "not close-on-exec");
		pci_set_command(device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		abi_equal(pci_command(again) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		close(device);
		abi_equal(pci_command(again) & 7, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		close(again);
	}
	close(group);
	close(container);
}

/* With a legacy container an open device holds the group's file. */
static void closing_legacy(void)
{
	int group, container, device, fd;

	if (!legacy)
		return;
	if (abi_row("10.2.UNSET_CONTAINER.2", "a device is open")) {
		group = open_node(id->group);
		container = container_open();
		abi_errno(group_join(group, container), 0);
		abi_errno(set_iommu(container), 0);
		abi_errno(group_device(group, id->bdf, &device), 0);
		abi_errno(unset(group), EBUSY);
		status_is(group, SET_UP);
		close(device);
		abi_errno(unset(group), 0);
		close(group);
		close(container);
	}
	if (abi_row("10.2", "closing the group changes nothing while a device is open")) {
		group = open_node(id->group);
		container = container_open();
		abi_errno(group_join(group, container), 0);
		abi_errno(set_iommu(container), 0);
		abi_errno(group_device(group, id->bdf, &device), 0);
		close(group);
		abi_true(open(id->group, O_RDWR) < 0, "opened again");
		abi_errno(errno, EBUSY);
		abi_equal(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 1);
		pci_command(device);
		close(device);
		/* The last file of the group has gone, and let the container go. */
		abi_equal(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
		fd = open(id->group, O_RDWR);
		abi_true(fd >= 0, "%s: %s", id->group, strerror(errno));
		status_is(fd, VIABLE);
		close(fd);
		close(container);
	}
}

/* Any order of closing the three files leaves the group free for the next user. */
static void closing_orders(void)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	void *va = shared_pages(PAGE);
	struct vfio v;

	for (size_t i = 0; i < 6; i++) {
		int fds[3], fd;

		if (!abi_row("10.2", "closing order %zu", i))
			continue;
		vfio_open(&v, ROAD_TYPE1V2, id);
		abi_errno(type1_map(v.container, IOVA, va, PAGE), 0);
		fds[0] = v.container;
		fds[1] = v.group;
		fds[2] = v.device;
		for (int k = 0; k < 3; k++)
			close(fds[orders[i][k]]);
		fd = open(id->group, O_RDWR);
		abi_true(fd >= 0, "%s: %s", id->group, strerror(errno));
		status_is(fd, VIABLE);
		close(fd);
	}
	munmap(va, PAGE);
}

/* An iommufd in the container's place does not hold the group. */
static void closing_iommufd(void)
{
	struct iommu_vfio_ioas get = { .size = sizeof(get), .op = IOMMU_VFIO_IOAS_GET };
	int group, iommufd, device, again;
	void *va = shared_pages(PAGE);

	if (!abi_row("10.2.SET_CONTAINER.5", "an iommufd gets a compat IOAS"))
		return;
	group = open_node(id->group);
	iommufd = open_node("/dev/iommu");
	abi_errno(abi_ioctl(iommufd, IOMMU_VFIO_IOAS, &get), ENODEV);
	abi_errno(group_join(group, iommufd), 0);
	abi_errno(abi_ioctl(iommufd, IOMMU_VFIO_IOAS, &get), 0);
	status_is(group, SET_UP);
	abi_errno(group_join(group, iommufd), EINVAL);
	if (abi_row("10.2.GET_DEVICE_FD.2", "with an iommufd SET_IOMMU is not needed"))
		abi_errno(group_device(group, id->bdf, &device), 0);
	abi_errno(type1_map(iommufd, IOVA, va, PAGE), 0);
	if (abi_row("10.2.UNSET_CONTAINER", "with an iommufd an open device does not matter")) {
		abi_errno(unset(group), 0);
		status_is(group, 0);
		abi_errno(unset(group), EINVAL);
		pci_command(device);
	}
	if (abi_row("10.2", "the group closes and opens under its device")) {
		close(group);
		group = open_node(id->group);
		status_is(group, 0);
		abi_errno(group_device(group, id->bdf, &again), EINVAL);
		pci_command(device);
		close(device);
		status_is(group, VIABLE);
	}
	if (abi_row("10.2", "the compat IOAS outlives group and device")) {
		close(group);
		abi_errno(type1_map(iommufd, IOVA, va, PAGE), EEXIST);
		group = open_node(id->group);
		abi_errno(group_join(group, iommufd), 0);
		abi_errno(type1_map(iommufd, IOVA, va, PAGE), EEXIST);
	}
	close(group);
	close(iommufd);
	munmap(va, PAGE);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(opening),	    ABI_PART(get_status),     ABI_PART(set_container),
		ABI_PART(unknown_commands), ABI_PART(get_device),     ABI_PART(closing_legacy),
		ABI_PART(closing_orders),   ABI_PART(closing_iommufd),
	};
	int container = container_open();

	legacy = !vfio_is_iommufd(container);
	close(container);
	id = vfio_any();
	if (!id)
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

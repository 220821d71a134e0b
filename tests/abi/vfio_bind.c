/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device by its character device: dead until it is bound, BIND_IOMMUFD, ATTACH_IOMMUFD_PT and
 * DETACH_IOMMUFD_PT. Sections 13.1 to 13.3.
 */
#include "vfio_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

static const struct vfio_id *id;
static int iommufd, null;

/* The structure, and what a newer one might have behind it. */
struct bind {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token_uuid_ptr;
	uint64_t newer;
};

static int bind_raw(int device, void *arg)
{
	return abi_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, arg);
}

static int bind_to(int device, int fd, uint32_t *devid)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = fd };
	int err = bind_raw(device, &bind);

	if (devid)
		*devid = bind.out_devid;
	return err;
}

static int cdev_open(void)
{
	return open_node(id->cdev);
}

static bool is_alive(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return !abi_ioctl(device, VFIO_DEVICE_GET_INFO, &info);
}

static const unsigned long device_commands[] = {
	VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
	VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
	VFIO_DEVICE_PCI_HOT_RESET, VFIO_DEVICE_IOEVENTFD, VFIO_DEVICE_FEATURE,
	VFIO_DEVICE_ATTACH_IOMMUFD_PT, VFIO_DEVICE_DETACH_IOMMUFD_PT,
	VFIO_GET_API_VERSION, IOMMU_IOAS_ALLOC, 0x12345678,
};

static void gate_holds(int device)
{
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(device_commands); i++)
		abi_errno(abi_ioctl(device, device_commands[i], NULL), EINVAL);
	abi_errno(read(device, &byte, 1) < 0 ? errno : 0, EINVAL);
	abi_errno(write(device, "", 1) < 0 ? errno : 0, EINVAL);
	abi_errno(pread(device, &byte, 1, 7ull << 40) < 0 ? errno : 0, EINVAL);
	abi_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED, "mapped");
	abi_errno(errno, EINVAL);
}

static void gate(void)
{
	struct vfio v;
	int device;

	if (abi_row("13.1", "a cdev is dead until it is bound")) {
		device = cdev_open();
		gate_holds(device);
		abi_errno(bind_to(device, 1000, NULL), EBADF);
		gate_holds(device);
		abi_errno(bind_to(device, iommufd, NULL), 0);
		abi_true(is_alive(device), "bound, and yet dead");
		close(device);
	}
	if (abi_row("13.1", "a device from its group lives at once, and cannot be attached")) {
		vfio_open(&v, ROAD_TYPE1V2, id);
		abi_true(is_alive(v.device), "dead");
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL), ENOTTY);
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL), ENOTTY);
		abi_errno(abi_ioctl(v.device, 0x12345678, NULL), ENOTTY);
		vfio_close(&v);
	}
}

static int bind_setup(void)
{
	return cdev_open();
}

static void bind_audit(int device)
{
	abi_true(!is_alive(device), "refused, and yet bound");
}

static void bind_teardown(int device)
{
	close(device);
}

static void bind_rules(void)
{
	static const char token[16];
	static uint64_t other_fd, token_ptr;
	const struct bind base = { .argsz = 24, .iommufd = iommufd };
	const struct abi_command command = {
		.name = "BIND_IOMMUFD",
		.request = VFIO_DEVICE_BIND_IOMMUFD,
		.base = &base,
		.size = sizeof(base),
		.setup = bind_setup,
		.audit = bind_audit,
		.teardown = bind_teardown,
		.base_rule = "13.2",
	};
	const struct abi_rule rows[] = {
		{ "13.2.1", "argsz", EINVAL, { SET(bind, argsz, 15) } },
		{ "13.2.1", "a newer field is used", E2BIG,
		  { SET(bind, argsz, sizeof(base)), SET(bind, newer, 1) } },
		{ "13.2.2", "flags", EINVAL, { SET(bind, flags, 2) } },
		{ "13.2.2", "iommufd below 0", EINVAL, { SET(bind, iommufd, -1) } },
		{ "13.2.6", "token NULL", EFAULT, { SET(bind, flags, 1), SET(bind, token_uuid_ptr, 0) } },
		{ "13.2.6", "a token that nobody wants", EINVAL,
		  { SET(bind, flags, 1), SETV(bind, token_uuid_ptr, token_ptr) } },
		{ "13.2.7", "iommufd not open", EBADF, { SET(bind, iommufd, 1000) } },
		{ "13.2.7", "another kind of file", EBADFD, { SETV(bind, iommufd, other_fd) } },
	};

	other_fd = null;
	token_ptr = PTR(token);
	abi_rules(&command, rows, ARRAY_SIZE(rows));
}

static void bind_sizes(void)
{
	struct bind arg = { .argsz = 16, .iommufd = iommufd };
	int device = cdev_open();
	struct bind *at;
	void *page;

	if (abi_row("13.2.1", "EFAULT")) {
		abi_errno(bind_raw(device, NULL), EFAULT);
		abi_errno(bind_raw(device, abi_at_the_edge(&arg, 15)), EFAULT);
		arg.argsz = 24;
		abi_errno(bind_raw(device, abi_at_the_edge(&arg, 23)), EFAULT);
		abi_true(!is_alive(device), "bound");
	}
	if (abi_row("13.2.1", "argsz that cannot be read beats all")) {
		arg.argsz = 15;
		abi_errno(bind_raw(device, abi_at_the_edge(&arg, 3)), EFAULT);
	}
	if (abi_row("13.2.6", "argsz 16 with the token flag: a NULL pointer")) {
		arg.argsz = 16;
		arg.flags = 1;
		abi_errno(bind_raw(device, abi_at_the_edge(&arg, 16)), EFAULT);
		arg.flags = 0;
	}
	if (abi_row("13.2.9", "out_devid cannot be written: undone")) {
		arg.argsz = 24;
		page = abi_read_only(&arg, sizeof(arg));
		abi_errno(bind_raw(device, page), EFAULT);
		abi_read_only_put(page);
		abi_true(!is_alive(device), "bound");
	}
	if (abi_row("13.2", "the smallest structure; only out_devid is written")) {
		arg.argsz = 16;
		at = abi_at_the_edge(&arg, 16);
		abi_errno(bind_raw(device, at), 0);
		abi_true(at->out_devid > 0, "no device id");
		abi_true(is_alive(device), "dead");
	}
	close(device);
	if (abi_row("13.2.1", "a larger structure whose tail is zero")) {
		device = cdev_open();
		arg.argsz = sizeof(arg);
		abi_errno(bind_raw(device, &arg), 0);
		close(device);
	}
}

/* What is wrong with the device rather than with the argument. */
static void bind_states(void)
{
	struct vfio_device_bind_iommufd token = {
		.argsz = sizeof(token), .flags = VFIO_DEVICE_BIND_FLAG_TOKEN, .iommufd = iommufd,
	};
	const struct vfio_id *first = NULL, *second = vfio_pair(&first);
	int device, again, group, other;
	struct vfio v;

	if (abi_row("13.2.3", "a device from its group")) {
		vfio_open(&v, ROAD_TYPE1V2, id);
		abi_errno(bind_to(v.device, iommufd, NULL), EINVAL);
		abi_errno(bind_to(v.device, 1000, NULL), EINVAL);
		abi_errno(bind_raw(v.device, NULL), EFAULT);
		if (abi_row("13.2.4", "a device of the group is open, so the group is")) {
			device = cdev_open();
			abi_errno(bind_to(device, iommufd, NULL), EBUSY);
			close(device);
		}
		vfio_close(&v);
	}
	if (abi_row("13.2.4", "the group is open")) {
		device = cdev_open();
		group = open_node(id->group);
		abi_errno(bind_to(device, iommufd, NULL), EBUSY);
		abi_errno(bind_to(device, -1, NULL), EINVAL);
		abi_errno(bind_to(device, 1000, NULL), EBUSY);
		abi_errno(bind_raw(device, &token), EBUSY);
		close(group);
		abi_errno(bind_to(device, iommufd, NULL), 0);
		close(device);
	}
	if (abi_row("13.2.5", "already bound")) {
		device = cdev_open();
		abi_errno(bind_to(device, iommufd, NULL), 0);
		abi_errno(bind_to(device, iommufd, NULL), EINVAL);
		abi_errno(bind_raw(device, &token), EINVAL);
		abi_errno(bind_to(device, 1000, NULL), EINVAL);
		abi_true(is_alive(device), "dead");
		close(device);
	}
	if (abi_row("13.2.8", "the device is open elsewhere")) {
		device = cdev_open();
		again = cdev_open();
		other = open_node("/dev/iommu");
		abi_errno(bind_to(device, iommufd, NULL), 0);
		abi_errno(bind_to(again, iommufd, NULL), EINVAL);
		abi_errno(bind_to(again, other, NULL), EINVAL);
		abi_errno(bind_to(again, 1000, NULL), EBADF);
		abi_true(!is_alive(again), "alive");
		close(device);
		abi_errno(bind_to(again, other, NULL), 0);
		close(again);
		close(other);
	}
	if (abi_row("13.2.8 7.1", "the group belongs to another context")) {
		if (!second) {
			abi_skip("no group has two devices");
			return;
		}
		device = open_node(first->cdev);
		again = open_node(second->cdev);
		other = open_node("/dev/iommu");
		abi_errno(bind_to(device, iommufd, NULL), 0);
		abi_errno(bind_to(again, other, NULL), EPERM);
		abi_errno(bind_to(again, iommufd, NULL), 0);
		close(again);
		close(device);
		close(other);
	}
}

/* A bound device and two IOASes, for attaching. */
static struct {
	int device;
	uint32_t devid, ioas, other;
} w;

static uint32_t ioas_alloc(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		abi_broken("IOAS_ALLOC: %s", strerror(errno));
	return alloc.out_ioas_id;
}

static int destroy(uint32_t object)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = object };

	return abi_ioctl(iommufd, IOMMU_DESTROY, &arg);
}

static int attach(uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt arg = { .argsz = sizeof(arg), .pt_id = pt_id };

	return abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int detach(void)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	return abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

/* An IOAS that is attached somewhere cannot be destroyed. */
static bool in_use(uint32_t *ioas)
{
	int err = destroy(*ioas);

	if (!err)
		*ioas = ioas_alloc();
	else
		abi_errno(err, EBUSY);
	return err;
}

static int attach_setup(void)
{
	return w.device;
}

static void attach_audit(int device)
{
	abi_true(!in_use(&w.ioas), "refused, and yet attached");
}

static void attach_teardown(int device)
{
	detach();
}

static void attach_rules(void)
{
	static uint64_t devid;
	const struct vfio_device_attach_iommufd_pt base = { .argsz = 12, .pt_id = w.ioas };
	const struct abi_command command = {
		.name = "ATTACH_IOMMUFD_PT",
		.request = VFIO_DEVICE_ATTACH_IOMMUFD_PT,
		.base = &base,
		.size = sizeof(base),
		.setup = attach_setup,
		.audit = attach_audit,
		.teardown = attach_teardown,
		.base_rule = "13.3",
	};
	const struct abi_rule rows[] = {
		{ "13.3.ATTACH", "argsz", EINVAL,
		  { SET(vfio_device_attach_iommufd_pt, argsz, 11) } },
		{ "13.3.ATTACH", "flags", EINVAL,
		  { SET(vfio_device_attach_iommufd_pt, flags, 2) } },
		{ "13.3.ATTACH", "PASID in a structure that has none", EINVAL,
		  { SET(vfio_device_attach_iommufd_pt, flags, 1) } },
		{ "13.3.ATTACH ATT.1", "pt_id 0", ENOENT,
		  { SET(vfio_device_attach_iommufd_pt, pt_id, 0) } },
		{ "13.3.ATTACH ATT.1", "pt_id missing", ENOENT,
		  { SET(vfio_device_attach_iommufd_pt, pt_id, 0x7ffffff0) } },
		{ "13.3.ATTACH ATT.2", "pt_id is a device", EINVAL,
		  { SETV(vfio_device_attach_iommufd_pt, pt_id, devid) } },
	};

	devid = w.devid;
	abi_rules(&command, rows, ARRAY_SIZE(rows));
}

static void attach_states(void)
{
	struct vfio_device_attach_iommufd_pt arg = { .argsz = 12, .pt_id = w.ioas }, *at;
	void *page;

	if (abi_row("13.3.ATTACH", "EFAULT")) {
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL), EFAULT);
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
				    abi_at_the_edge(&arg, 11)), EFAULT);
	}
	if (abi_row("13.3.ATTACH 7.2", "pt_id becomes the HWPT")) {
		arg.pt_id = w.ioas;
		at = abi_at_the_edge(&arg, 12);
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, at), 0);
		abi_true(at->pt_id != w.ioas && at->pt_id != w.devid, "pt_id is still %u",
			 at->pt_id);
		abi_true(in_use(&w.ioas), "the IOAS is not in use");
	}
	if (abi_row("13.3.ATTACH 7.3", "a second attach is a replace")) {
		abi_errno(attach(w.ioas), 0);
		abi_errno(attach(w.other), 0);
		abi_true(!in_use(&w.ioas), "the first IOAS is still in use");
		abi_true(in_use(&w.other), "the second IOAS is not in use");
	}
	if (abi_row("13.3.ATTACH 7.3", "one that fails leaves the old attachment")) {
		abi_errno(attach(w.other), 0);
		abi_errno(attach(0), ENOENT);
		abi_errno(attach(w.devid), EINVAL);
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL), EFAULT);
		abi_true(in_use(&w.other), "it has gone");
	}
	if (abi_row("13.3.ATTACH", "pt_id cannot be written: undone")) {
		abi_errno(detach(), 0);
		arg = (struct vfio_device_attach_iommufd_pt){ .argsz = 12, .pt_id = w.ioas };
		page = abi_read_only(&arg, sizeof(arg));
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, page), EFAULT);
		abi_read_only_put(page);
		abi_true(!in_use(&w.ioas), "attached");
	}
	if (abi_row("13.3.ATTACH", "what lies behind the structure is not looked at")) {
		struct {
			struct vfio_device_attach_iommufd_pt known;
			uint64_t newer;
		} larger = { { .argsz = sizeof(larger), .pt_id = w.ioas }, ~0ull };

		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &larger), 0);
		abi_errno(detach(), 0);
	}
}

static void detach_rows(void)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = 8 };

	abi_errno(attach(w.ioas), 0);
	if (abi_row("13.3.DETACH", "EFAULT")) {
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL), EFAULT);
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				    abi_at_the_edge(&arg, 7)), EFAULT);
	}
	if (abi_row("13.3.DETACH", "argsz, flags, PASID in a structure that has none")) {
		arg.argsz = 7;
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), EINVAL);
		arg.flags = 2;
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), EINVAL);
		arg.argsz = 8;
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), EINVAL);
		arg.flags = 1;
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), EINVAL);
		abi_true(in_use(&w.ioas), "refused, and yet detached");
	}
	if (abi_row("13.3.DETACH", "and again")) {
		arg = (struct vfio_device_detach_iommufd_pt){ .argsz = 8 };
		abi_errno(abi_ioctl(w.device, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				    abi_at_the_edge(&arg, 8)), 0);
		abi_true(!in_use(&w.ioas), "still attached");
		abi_errno(detach(), 0);
	}
}

static void attaching(void)
{
	w.device = cdev_open();
	if (bind_to(w.device, iommufd, &w.devid))
		abi_broken("bind: %s", strerror(errno));
	w.ioas = ioas_alloc();
	w.other = ioas_alloc();
	attach_rules();
	attach_states();
	if (abi_row("13.3.DETACH", "attached for the rows that follow"))
		detach_rows();
	close(w.device);
	destroy(w.ioas);
	destroy(w.other);
}

/* An object is gone when the file that stands for it is, in whatever order files are closed. */
static void closing(void)
{
	uint32_t devid;
	int device, fd;

	if (abi_row("13.2 2.6", "closing the device unbinds it")) {
		device = cdev_open();
		abi_errno(bind_to(device, iommufd, &devid), 0);
		abi_errno(destroy(devid), EBUSY);
		close(device);
		abi_errno(destroy(devid), ENOENT);
	}
	if (abi_row("13.2 2.6", "a device outlives its iommufd")) {
		fd = open_node("/dev/iommu");
		device = cdev_open();
		abi_errno(bind_to(device, fd, NULL), 0);
		close(fd);
		abi_true(is_alive(device), "dead");
		abi_errno(abi_ioctl(device, VFIO_DEVICE_RESET, NULL), 0);
		close(device);
		device = cdev_open();
		abi_errno(bind_to(device, iommufd, NULL), 0);
		close(device);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(gate),	       ABI_PART(bind_rules), ABI_PART(bind_sizes),
		ABI_PART(bind_states), ABI_PART(attaching),  ABI_PART(closing),
	};

	id = vfio_any();
	if (!id)
		abi_cannot_run("no device is bound to vfio-pci");
	if (!*id->cdev)
		abi_cannot_run("%s has no character device", id->bdf);
	iommufd = open_node("/dev/iommu");
	null = open_node("/dev/null");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}

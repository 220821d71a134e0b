/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of /dev/iommu share; see abi_iommufd.h. */
#include "abi_iommufd.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		abi_cannot_run("/dev/iommu: %s", strerror(errno));
	return fd;
}

void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

uint32_t ioas_alloc_ok(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int err = abi_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd);

	if (err)
		abi_broken("IOAS_ALLOC: %s", abi_errno_name(err));
	return cmd.out_ioas_id;
}

int object_destroy(int fd, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return abi_ioctl(fd, IOMMU_DESTROY, &cmd);
}

void object_destroy_ok(int fd, uint32_t id)
{
	int err = object_destroy(fd, id);

	if (err)
		abi_broken("DESTROY of %u: %s", id, abi_errno_name(err));
}

uint32_t next_id(int fd)
{
	uint32_t id = ioas_alloc_ok(fd);

	object_destroy_ok(fd, id);
	return id;
}

int ioas_map(int fd, uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = PTR(va),
		.length = len,
		.iova = *iova,
	};
	int err = abi_ioctl(fd, IOMMU_IOAS_MAP, &cmd);

	*iova = cmd.iova;
	return err;
}

void ioas_map_ok(int fd, uint32_t ioas, uint32_t flags, const void *va, uint64_t len,
		 uint64_t iova)
{
	int err = ioas_map(fd, ioas, flags, va, len, &iova);

	if (err)
		abi_broken("MAP of %#jx bytes at %#jx: %s", (uintmax_t)len, (uintmax_t)iova,
			   abi_errno_name(err));
}

int ioas_copy(int fd, uint32_t dst, uint64_t *dst_iova, uint32_t src, uint64_t src_iova,
	      uint64_t len, uint32_t flags)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = len,
		.dst_iova = *dst_iova,
		.src_iova = src_iova,
	};
	int err = abi_ioctl(fd, IOMMU_IOAS_COPY, &cmd);

	*dst_iova = cmd.dst_iova;
	return err;
}

int ioas_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *bytes)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = len,
	};
	int err = abi_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd);

	if (bytes)
		*bytes = cmd.length;
	return err;
}

uint64_t ioas_empty(int fd, uint32_t ioas)
{
	uint64_t bytes = 0;
	int err = ioas_unmap(fd, ioas, 0, UINT64_MAX, &bytes);

	if (err)
		abi_broken("UNMAP of all: %s", abi_errno_name(err));
	return bytes;
}

void ioas_ranges(int fd, uint32_t ioas, struct ranges *ranges)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = ARRAY_SIZE(ranges->range),
		.allowed_iovas = PTR(ranges->range),
	};
	int err;

	memset(ranges, 0, sizeof(*ranges));
	err = abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	if (err)
		abi_broken("IOVA_RANGES: %s", abi_errno_name(err));
	ranges->nr = cmd.num_iovas;
	ranges->alignment = cmd.out_iova_alignment;
}

bool ranges_equal(const struct ranges *a, const struct ranges *b)
{
	if (a->nr != b->nr || a->alignment != b->alignment)
		return false;
	return !memcmp(a->range, b->range, a->nr * sizeof(a->range[0]));
}

int ioas_allow(int fd, uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t nr)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .num_iovas = nr, .allowed_iovas = PTR(ranges),
	};

	return abi_ioctl(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

int ioas_huge_pages(int fd, uint32_t ioas, uint64_t value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = value,
	};

	return abi_ioctl(fd, IOMMU_OPTION, &cmd);
}

int hwpt_alloc(int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev, .pt_id = pt,
	};
	int err = abi_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	if (!err)
		*hwpt = cmd.out_hwpt_id;
	return err;
}

uint32_t hwpt_alloc_ok(int fd, uint32_t dev, uint32_t pt, uint32_t flags)
{
	uint32_t hwpt = 0;
	int err = hwpt_alloc(fd, dev, pt, flags, &hwpt);

	if (err)
		abi_broken("HWPT_ALLOC with flags %#x: %s", flags, abi_errno_name(err));
	return hwpt;
}

int fault_alloc(int fd, uint32_t *id, int *fault_fd)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int err = abi_ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (!err) {
		*id = cmd.out_fault_id;
		*fault_fd = (int)cmd.out_fault_fd;
	}
	return err;
}

void *memory_alloc(size_t len)
{
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (va == MAP_FAILED)
		abi_broken("mmap of %#zx bytes: %s", len, strerror(errno));
	return va;
}

void memory_free(void *va, size_t len)
{
	munmap(va, len);
}

int memfd_ok(size_t len)
{
	int fd = memfd_create("abi-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)len))
		abi_broken("memfd: %s", strerror(errno));
	return fd;
}

static int compare_device(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->bdf, ((const struct device *)b)->bdf);
}

/* Fills in a device if the PCI function is bound to a VFIO driver. */
static bool look_at(const char *bdf, struct device *device)
{
	char path[PATH_MAX], link[PATH_MAX];
	struct dirent *entry;
	ssize_t len;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, "vfio", 4);
		if (found)
			snprintf(device->cdev, sizeof(device->cdev), "/dev/vfio/devices/%.32s",
				 entry->d_name);
	}
	closedir(dir);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (!found || len < 0)
		return false;
	link[len] = 0;
	device->group_nr = atoi(strrchr(link, '/') + 1);
	snprintf(device->group, sizeof(device->group), "/dev/vfio/%d", device->group_nr);
	snprintf(device->bdf, sizeof(device->bdf), "%.15s", bdf);
	return true;
}

const struct device *device_nth(size_t n)
{
	static struct device devices[32];
	static size_t nr;
	static bool looked;
	struct dirent *entry;
	DIR *dir;

	if (!looked) {
		looked = true;
		dir = opendir("/sys/bus/pci/devices");
		while (dir && nr < ARRAY_SIZE(devices) && (entry = readdir(dir)))
			if (entry->d_name[0] != '.' && look_at(entry->d_name, &devices[nr]))
				nr++;
		if (dir)
			closedir(dir);
		qsort(devices, nr, sizeof(devices[0]), compare_device);
	}
	return n < nr ? &devices[n] : NULL;
}

const struct device *device_of_other_group(const struct device *other)
{
	const struct device *device;

	for (size_t i = 0; (device = device_nth(i)); i++)
		if (device->group_nr != other->group_nr)
			return device;
	return NULL;
}

const struct device *device_or_skip(void)
{
	const struct device *device = device_nth(0);

	if (!device)
		abi_skip("no device is bound to vfio-pci");
	return device;
}

int cdev_open_ok(const struct device *device)
{
	int fd = open(device->cdev, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		abi_broken("%s: %s", device->cdev, strerror(errno));
	return fd;
}

int cdev_bind(int dev_fd, int iommufd, uint32_t *dev_id)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr),
		.iommufd = iommufd,
	};
	int err = abi_ioctl(dev_fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	if (!err)
		*dev_id = cmd.out_devid;
	return err;
}

int cdev_attach(int dev_fd, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = offsetof(struct vfio_device_attach_iommufd_pt, pasid),
		.pt_id = *pt,
	};
	int err = abi_ioctl(dev_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	*pt = cmd.pt_id;
	return err;
}

int cdev_detach(int dev_fd)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = offsetof(struct vfio_device_detach_iommufd_pt, pasid),
	};

	return abi_ioctl(dev_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

static struct bound kept = { .fd = -1, .dev_fd = -1 };

bool bound_open(struct bound *bound)
{
	const struct device *device = device_or_skip();
	int err;

	if (!device)
		return false;
	if (kept.fd >= 0) {
		*bound = kept;
		kept.fd = -1;
		return true;
	}
	bound->fd = iommufd_open();
	bound->dev_fd = cdev_open_ok(device);
	err = cdev_bind(bound->dev_fd, bound->fd, &bound->dev);
	if (err)
		abi_broken("BIND of %s: %s", device->bdf, abi_errno_name(err));
	return true;
}

void bound_close(struct bound *bound)
{
	if (bound->fd >= 0 && bound->dev_fd >= 0 && !cdev_detach(bound->dev_fd) &&
	    next_id(bound->fd) == bound->dev + 1) {
		kept = *bound;
		return;
	}
	fd_close(bound->dev_fd);
	fd_close(bound->fd);
}

void bound_forget(void)
{
	if (kept.fd < 0)
		return;
	close(kept.dev_fd);
	close(kept.fd);
	kept.fd = -1;
}

int hw_info(int fd, uint32_t dev, struct iommu_hw_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->dev_id = dev;
	return abi_ioctl(fd, IOMMU_GET_HW_INFO, info);
}

bool has_dirty_tracking(const struct bound *bound)
{
	struct iommu_hw_info info;
	int err = hw_info(bound->fd, bound->dev, &info);

	if (err)
		abi_broken("GET_HW_INFO: %s", abi_errno_name(err));
	return info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING;
}

bool attached_open(struct attached *attached)
{
	int err;

	if (!bound_open(&attached->bound))
		return false;
	attached->ioas = ioas_alloc_ok(attached->bound.fd);
	attached->hwpt = attached->ioas;
	err = cdev_attach(attached->bound.dev_fd, &attached->hwpt);
	if (err)
		abi_broken("ATTACH to an empty IOAS: %s", abi_errno_name(err));
	return true;
}

void attached_close(struct attached *attached)
{
	if (attached->bound.fd >= 0 && attached->bound.dev_fd >= 0) {
		cdev_detach(attached->bound.dev_fd);
		object_destroy(attached->bound.fd, attached->ioas);
	}
	bound_close(&attached->bound);
}

bool reserved_range(int fd, uint32_t ioas, struct iommu_iova_range *reserved)
{
	struct ranges ranges;

	ioas_ranges(fd, ioas, &ranges);
	for (uint32_t i = 0; i + 1 < ranges.nr; i++) {
		reserved->start = ranges.range[i].last + 1;
		reserved->last = ranges.range[i + 1].start - 1;
		if (!(reserved->start % abi_page) && reserved->start >= 2 * abi_page)
			return true;
	}
	abi_skip("this IOMMU reserves nothing in the middle");
	return false;
}

char *world_memory(void)
{
	static char *memory;

	if (!memory)
		memory = memory_alloc(16 * abi_page);
	return memory;
}

/* Of WORLD_IOAS, in the world made last. */
static uint64_t world_alignment;

int world_setup(void)
{
	char *va = world_memory();
	int fd = iommufd_open();

	world_alignment = 1;
	if (ioas_alloc_ok(fd) != WORLD_IOAS || ioas_alloc_ok(fd) != WORLD_OTHER)
		abi_broken("a fresh context does not give the ids 1 and 2");
	ioas_map_ok(fd, WORLD_IOAS, FIXED_RW, va, WORLD_PAGES_A * abi_page, WORLD_AREA_A);
	va += WORLD_PAGES_A * abi_page;
	ioas_map_ok(fd, WORLD_IOAS, IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, va,
		    WORLD_PAGES_B * abi_page, WORLD_AREA_B);
	va += WORLD_PAGES_B * abi_page;
	ioas_map_ok(fd, WORLD_IOAS, FIXED_RW, va, WORLD_PAGES_C * abi_page, WORLD_AREA_C);
	return fd;
}

int world_setup_aligned(void)
{
	int fd = world_setup();
	int err = ioas_huge_pages(fd, WORLD_IOAS, 0);

	if (err)
		abi_broken("OPTION HUGE_PAGES: %s", abi_errno_name(err));
	world_alignment = abi_page;
	return fd;
}

static void audit_ranges(int fd, uint32_t ioas)
{
	struct ranges ranges;

	ioas_ranges(fd, ioas, &ranges);
	abi_equal(ranges.nr, 1);
	abi_equal(ranges.range[0].start, 0);
	abi_equal(ranges.range[0].last, UINT64_MAX);
	abi_equal(ranges.alignment, ioas == WORLD_IOAS ? world_alignment : 1);
}

void world_audit(int fd)
{
	static const struct {
		uint64_t iova, len;
	} areas[] = {
		{ WORLD_AREA_A, WORLD_PAGES_A * 4096ull },
		{ WORLD_AREA_B, WORLD_PAGES_B * 4096ull },
		{ WORLD_AREA_C, WORLD_PAGES_C * 4096ull },
	};
	uint64_t bytes;

	audit_ranges(fd, WORLD_IOAS);
	audit_ranges(fd, WORLD_OTHER);
	abi_equal(next_id(fd), WORLD_NEXT);
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		abi_errno(ioas_unmap(fd, WORLD_IOAS, areas[i].iova, areas[i].len, &bytes), 0);
		abi_equal(bytes, areas[i].len);
	}
	abi_equal(ioas_empty(fd, WORLD_IOAS), 0);
	abi_equal(ioas_empty(fd, WORLD_OTHER), 0);
}

void world_teardown(int fd)
{
	close(fd);
}

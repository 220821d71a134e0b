/* SPDX-License-Identifier: BSD-3-Clause */
/* See vfio_road.h. Each function here is the shortest honest use of its ioctls. */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "vfio_road.h"

#define SYSFS_PCI "/sys/bus/pci/devices"

/* PCI configuration space: the command register and its bits. */
#define PCI_COMMAND	   0x04
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_MASTER 0x4

/* Below it lie page 0, which a null pointer would hit, and little else that is of use. */
#define FIRST_IOVA 0x100000ull

bool road_is_cdev(const char *name)
{
	if (!strcmp(name, "iommufd"))
		return true;
	if (strcmp(name, "type1"))
		errx(1, "--road=%s: it is type1 or iommufd", name);
	return false;
}

static bool sysfs_link(const char *bdf, const char *name, char *base, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return snprintf(base, len, "%s", slash ? slash + 1 : target) < (int)len;
}

static uint32_t sysfs_number(const char *bdf, const char *name)
{
	char path[PATH_MAX];
	uint32_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	f = fopen(path, "r");
	if (f && fscanf(f, "%" SCNx32, &value) != 1)
		value = 0;
	if (f)
		fclose(f);
	return value;
}

static bool matches(const char *bdf, const struct road_match *m)
{
	char driver[64];

	if (!sysfs_link(bdf, "driver", driver, sizeof(driver)) || strcmp(driver, "vfio-pci"))
		return false;
	if (m->vendor && m->vendor != sysfs_number(bdf, "vendor"))
		return false;
	if (m->device && m->device != sysfs_number(bdf, "device"))
		return false;
	return (sysfs_number(bdf, "class") & m->class_mask) == (m->class & m->class_mask);
}

static void find(char *bdf, const struct road_match *match)
{
	struct dirent **list;
	int n = scandir(SYSFS_PCI, &list, NULL, alphasort);

	if (n < 0)
		err(1, SYSFS_PCI);
	for (int i = 0; i < n; i++) {
		if (!*bdf && isxdigit(list[i]->d_name[0]) && matches(list[i]->d_name, match))
			snprintf(bdf, ROAD_BDF_LEN, "%.12s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	if (!*bdf)
		errx(1,
		     "no suitable device is bound to vfio-pci (see %s); "
		     "name one by its address",
		     SYSFS_PCI);
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/*
 * type1 does not choose IOVAs, so we do: from the first range the IOMMU offers that reaches
 * beyond FIRST_IOVA. An old kernel that reports none lets everything be tried.
 */
static void type1_ranges(struct road *r)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)}, *all;

	r->next_iova = FIRST_IOVA;
	r->last_iova = UINT32_MAX / 2;
	if (ioctl(r->iommu, VFIO_IOMMU_GET_INFO, &info))
		err(1, "VFIO_IOMMU_GET_INFO");
	all = calloc(1, info.argsz);
	if (!all)
		err(1, NULL);
	all->argsz = info.argsz;
	if (ioctl(r->iommu, VFIO_IOMMU_GET_INFO, all))
		err(1, "VFIO_IOMMU_GET_INFO");

	for (uint32_t at = (all->flags & VFIO_IOMMU_INFO_CAPS) ? all->cap_offset : 0; at;) {
		struct vfio_info_cap_header *cap = (void *)((char *)all + at);
		struct vfio_iommu_type1_info_cap_iova_range *ranges = (void *)cap;

		at = cap->next;
		if (cap->id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		for (uint32_t i = 0; i < ranges->nr_iovas; i++) {
			struct vfio_iova_range *range = &ranges->iova_ranges[i];

			if (range->end <= FIRST_IOVA)
				continue;
			if (range->start > r->next_iova)
				r->next_iova = range->start;
			r->last_iova = range->end;
			break;
		}
	}
	free(all);
}

static void open_type1(struct road *r)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char group[32], path[64];

	if (!sysfs_link(r->bdf, "iommu_group", group, sizeof(group)))
		errx(1, "%s: no such device, or it has no IOMMU group", r->bdf);
	r->iommu = open_node("/dev/vfio/vfio");
	if (ioctl(r->iommu, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		errx(1, "/dev/vfio/vfio speaks another version of the interface");
	if (!ioctl(r->iommu, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU))
		errx(1, "/dev/vfio/vfio has no type1v2 IOMMU");

	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	r->group = open_node(path);
	if (ioctl(r->group, VFIO_GROUP_GET_STATUS, &status))
		err(1, "VFIO_GROUP_GET_STATUS");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		errx(1, "group %s is not viable: all its devices must be bound to vfio-pci", group);
	if (ioctl(r->group, VFIO_GROUP_SET_CONTAINER, &r->iommu))
		err(1, "VFIO_GROUP_SET_CONTAINER");
	if (ioctl(r->iommu, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		err(1, "VFIO_SET_IOMMU");
	type1_ranges(r);
	r->device = ioctl(r->group, VFIO_GROUP_GET_DEVICE_FD, r->bdf);
	if (r->device < 0)
		err(1, "VFIO_GROUP_GET_DEVICE_FD %s", r->bdf);
}

/* The one entry of the device's vfio-dev folder is the name of its character device. */
static int open_cdev(const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *e;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while (fd < 0 && (e = readdir(dir))) {
		if (strncmp(e->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e->d_name);
		fd = open_node(path);
	}
	closedir(dir);
	if (fd < 0)
		errx(1, "%s: no VFIO character device", bdf);
	return fd;
}

static void open_iommufd(struct road *r)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	r->device = open_cdev(r->bdf);
	r->iommu = open_node("/dev/iommu");
	bind.iommufd = r->iommu;
	if (ioctl(r->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		err(1, "VFIO_DEVICE_BIND_IOMMUFD");
	r->dev_id = bind.out_devid;
	if (ioctl(r->iommu, IOMMU_IOAS_ALLOC, &alloc))
		err(1, "IOMMU_IOAS_ALLOC");
	r->ioas = alloc.out_ioas_id;
	attach.pt_id = r->ioas;
	if (ioctl(r->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		err(1, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

void road_open(struct road *r, bool cdev, const char *bdf, const struct road_match *match)
{
	*r = (struct road){.cdev = cdev, .iommu = -1, .group = -1, .device = -1};
	if (!bdf)
		find(r->bdf, match);
	else if (snprintf(r->bdf, sizeof(r->bdf), "%s", bdf) >= (int)sizeof(r->bdf))
		errx(1, "%s: a device's address looks like 0000:01:00.0", bdf);
	if (cdev)
		open_iommufd(r);
	else
		open_type1(r);
}

void road_close(struct road *r)
{
	close(r->device);
	if (r->group >= 0)
		close(r->group);
	close(r->iommu);
}

void *road_alloc(struct road *r, size_t len, uint64_t *iova)
{
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED)
		err(1, "%zu bytes of memory", len);
	if (r->cdev) {
		struct iommu_ioas_map map = {
			.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = r->ioas,
			.user_va = (uintptr_t)va,
			.length = len,
		};

		if (ioctl(r->iommu, IOMMU_IOAS_MAP, &map))
			err(1, "IOMMU_IOAS_MAP of %zu bytes", len);
		*iova = map.iova;
	} else {
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)va,
			.iova = r->next_iova,
			.size = len,
		};

		if (len - 1 > r->last_iova - r->next_iova)
			errx(1, "no IOVA is left for %zu bytes", len);
		if (ioctl(r->iommu, VFIO_IOMMU_MAP_DMA, &map))
			err(1, "VFIO_IOMMU_MAP_DMA of %zu bytes", len);
		*iova = map.iova;
		r->next_iova += len;
	}
	return va;
}

void road_free(struct road *r, void *va, size_t len, uint64_t iova)
{
	if (r->cdev) {
		struct iommu_ioas_unmap unmap = {
			.size = sizeof(unmap),
			.ioas_id = r->ioas,
			.iova = iova,
			.length = len,
		};

		if (ioctl(r->iommu, IOMMU_IOAS_UNMAP, &unmap))
			err(1, "IOMMU_IOAS_UNMAP");
	} else {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = iova,
			.size = len,
		};

		if (ioctl(r->iommu, VFIO_IOMMU_UNMAP_DMA, &unmap))
			err(1, "VFIO_IOMMU_UNMAP_DMA");
		if (unmap.size != len)
			errx(1, "VFIO_IOMMU_UNMAP_DMA took %llu bytes of %zu",
			     (unsigned long long)unmap.size, len);
	}
	munmap(va, len);
}

static struct vfio_region_info region_info(struct road *r, unsigned int index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(r->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		err(1, "VFIO_DEVICE_GET_REGION_INFO %u", index);
	return info;
}

uint32_t road_config_read(struct road *r, unsigned int at, size_t len)
{
	struct vfio_region_info info = region_info(r, VFIO_PCI_CONFIG_REGION_INDEX);
	uint32_t value = 0;

	if (pread(r->device, &value, len, info.offset + at) != (ssize_t)len)
		err(1, "reading configuration space at 0x%x", at);
	return value;
}

void road_config_write(struct road *r, unsigned int at, size_t len, uint32_t value)
{
	struct vfio_region_info info = region_info(r, VFIO_PCI_CONFIG_REGION_INDEX);

	if (pwrite(r->device, &value, len, info.offset + at) != (ssize_t)len)
		err(1, "writing configuration space at 0x%x", at);
}

void road_enable(struct road *r)
{
	uint32_t command = road_config_read(r, PCI_COMMAND, 2);

	road_config_write(r, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

uint64_t road_bar_offset(struct road *r, unsigned int bar)
{
	struct vfio_region_info info = region_info(r, VFIO_PCI_BAR0_REGION_INDEX + bar);

	if (!info.size)
		errx(1, "%s has no BAR %u", r->bdf, bar);
	return info.offset;
}

void *road_bar_map(struct road *r, unsigned int bar, size_t len)
{
	struct vfio_region_info info = region_info(r, VFIO_PCI_BAR0_REGION_INDEX + bar);
	void *va;

	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		errx(1, "BAR %u of %s cannot be mapped", bar, r->bdf);
	if (!len)
		len = info.size;
	if (len > info.size)
		errx(1, "BAR %u of %s has %llu bytes only", bar, r->bdf,
		     (unsigned long long)info.size);
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, r->device, info.offset);
	if (va == MAP_FAILED)
		err(1, "mapping BAR %u of %s", bar, r->bdf);
	return va;
}

int road_msix_eventfd(struct road *r)
{
	const size_t len = sizeof(struct vfio_irq_set) + sizeof(int32_t);
	struct vfio_irq_set *set = calloc(1, len);
	int32_t fd = eventfd(0, EFD_CLOEXEC);

	if (!set || fd < 0)
		err(1, "eventfd");
	set->argsz = len;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->count = 1;
	memcpy(set->data, &fd, sizeof(fd));
	if (ioctl(r->device, VFIO_DEVICE_SET_IRQS, set))
		err(1, "VFIO_DEVICE_SET_IRQS: MSI-X of %s", r->bdf);
	free(set);
	return fd;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See vfio_fixture.h. */
#include "vfio_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/mman.h>

#define SYSFS_PCI "/sys/bus/pci/devices"

static bool link_base(const char *bdf, const char *name, char *base, size_t len)
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
	snprintf(base, len, "%.63s", slash ? slash + 1 : target);
	return true;
}

static uint32_t number(const char *bdf, const char *name)
{
	char path[PATH_MAX];
	uint32_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%" SCNx32, &value) != 1)
		abi_broken("%s has no number", path);
	fclose(f);
	return value;
}

static void find_cdev(struct vfio_id *id)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/vfio-dev", id->bdf);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, "vfio", 4))
			snprintf(id->cdev, sizeof(id->cdev), "/dev/vfio/devices/%.32s", e->d_name);
	if (dir)
		closedir(dir);
}

static bool identify(const char *bdf, struct vfio_id *id)
{
	char base[64];

	*id = (struct vfio_id){ 0 };
	if (!isxdigit((unsigned char)*bdf))
		return false;
	if (!link_base(bdf, "driver", base, sizeof(base)) || strcmp(base, "vfio-pci"))
		return false;
	if (!link_base(bdf, "iommu_group", base, sizeof(base)))
		return false;
	snprintf(id->bdf, sizeof(id->bdf), "%.15s", bdf);
	id->group_nr = atoi(base);
	snprintf(id->group, sizeof(id->group), "/dev/vfio/%d", id->group_nr);
	id->vendor = number(bdf, "vendor");
	id->device = number(bdf, "device");
	id->class = number(bdf, "class");
	find_cdev(id);
	return true;
}

#define MAX_DEVICES 64

static struct vfio_id ids[MAX_DEVICES];
static unsigned int nr_ids;

static void enumerate(void)
{
	struct dirent **list;
	int found;

	if (nr_ids)
		return;
	found = scandir(SYSFS_PCI, &list, NULL, alphasort);
	if (found < 0)
		abi_cannot_run("%s: %s", SYSFS_PCI, strerror(errno));
	for (int i = 0; i < found; i++) {
		if (nr_ids < MAX_DEVICES && identify(list[i]->d_name, &ids[nr_ids]))
			nr_ids++;
		free(list[i]);
	}
	free(list);
}

const struct vfio_id *vfio_nth(unsigned int n)
{
	enumerate();
	return n < nr_ids ? &ids[n] : NULL;
}

const struct vfio_id *vfio_any(void)
{
	return vfio_nth(0);
}

const struct vfio_id *vfio_of_class(uint32_t class)
{
	enumerate();
	for (unsigned int i = 0; i < nr_ids; i++)
		if (ids[i].class == class)
			return &ids[i];
	return NULL;
}

const struct vfio_id *vfio_named(uint16_t vendor, uint16_t device)
{
	enumerate();
	for (unsigned int i = 0; i < nr_ids; i++)
		if (ids[i].vendor == vendor && ids[i].device == device)
			return &ids[i];
	return NULL;
}

const struct vfio_id *vfio_of_group(unsigned int n)
{
	unsigned int seen = 0;

	enumerate();
	for (unsigned int i = 0; i < nr_ids; i++) {
		bool first = true;

		for (unsigned int j = 0; j < i; j++)
			first = first && ids[j].group_nr != ids[i].group_nr;
		if (first && seen++ == n)
			return &ids[i];
	}
	return NULL;
}

const struct vfio_id *vfio_neighbour(const struct vfio_id *id)
{
	enumerate();
	for (unsigned int i = 0; i < nr_ids; i++)
		if (&ids[i] != id && ids[i].group_nr == id->group_nr)
			return &ids[i];
	return NULL;
}

const struct vfio_id *vfio_pair(const struct vfio_id **first)
{
	enumerate();
	for (unsigned int i = 0; i < nr_ids; i++) {
		*first = &ids[i];
		if (vfio_neighbour(*first))
			return vfio_neighbour(*first);
	}
	*first = NULL;
	return NULL;
}

int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV))
		abi_cannot_run("%s: %s", path, strerror(errno));
	if (fd < 0)
		abi_broken("%s: %s", path, strerror(errno));
	return fd;
}

/* A container without an IOMMU answers EINVAL to what it does not know. */
bool vfio_is_iommufd(int container)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};

	return !abi_ioctl(container, IOMMU_OPTION, &option);
}

int group_join(int group, int container)
{
	return abi_ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
}

bool group_status(int group, uint32_t *flags)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (!abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0))
		return false;
	*flags = status.flags;
	return true;
}

int group_device(int group, const char *name, int *device)
{
	*device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	return *device < 0 ? errno : 0;
}

static void open_group_road(struct vfio *v, unsigned long type)
{
	int err;

	v->container = open_node("/dev/vfio/vfio");
	v->group = open_node(v->id->group);
	err = group_join(v->group, v->container);
	if (!err && ioctl(v->container, VFIO_SET_IOMMU, type))
		err = errno;
	if (!err)
		err = group_device(v->group, v->id->bdf, &v->device);
	if (err)
		abi_broken("%s by its group: %s", v->id->bdf, strerror(err));
}

static void open_cdev_road(struct vfio *v)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (!*v->id->cdev)
		abi_cannot_run("%s has no character device", v->id->bdf);
	v->iommufd = bind.iommufd = open_node("/dev/iommu");
	v->device = open_node(v->id->cdev);
	if (ioctl(v->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		abi_broken("bind %s: %s", v->id->bdf, strerror(errno));
	v->devid = bind.out_devid;
	if (ioctl(v->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		abi_broken("IOAS_ALLOC: %s", strerror(errno));
	v->ioas = attach.pt_id = alloc.out_ioas_id;
	if (ioctl(v->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		abi_broken("attach %s: %s", v->id->bdf, strerror(errno));
}

void vfio_open(struct vfio *v, enum vfio_road road, const struct vfio_id *id)
{
	if (!id)
		abi_cannot_run("no device is bound to vfio-pci");
	*v = (struct vfio){ .id = id, .container = -1, .group = -1, .iommufd = -1, .device = -1 };
	if (road == ROAD_CDEV)
		open_cdev_road(v);
	else
		open_group_road(v, road == ROAD_TYPE1 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU);
}

void vfio_close(struct vfio *v)
{
	int *fds[] = { &v->device, &v->group, &v->container, &v->iommufd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int type1_map(int container, uint64_t iova, const void *va, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = PTR(va),
		.iova = iova,
		.size = size,
	};

	return abi_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

int type1_unmap(int container, uint64_t iova, uint64_t size, uint64_t *bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};
	int err = abi_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	if (bytes)
		*bytes = unmap.size;
	return err;
}

void type1_map_ok(int container, uint64_t iova, const void *va, uint64_t size)
{
	int err = type1_map(container, iova, va, size);

	if (err)
		abi_broken("map %#jx, %#jx bytes: %s", (uintmax_t)iova, (uintmax_t)size,
			   strerror(err));
}

uint64_t type1_empty(int container)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		abi_broken("unmap all: %s", strerror(errno));
	return unmap.size;
}

struct vfio_iommu_type1_info *type1_info(int container)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) }, *info;
	uint32_t len;

	if (ioctl(container, VFIO_IOMMU_GET_INFO, &head))
		abi_broken("IOMMU_GET_INFO: %s", strerror(errno));
	len = head.argsz;
	info = calloc(1, len);
	if (!info)
		abi_broken("no memory");
	info->argsz = len;
	if (ioctl(container, VFIO_IOMMU_GET_INFO, info))
		abi_broken("IOMMU_GET_INFO: %s", strerror(errno));
	return info;
}

void *info_cap(void *info, uint32_t cap_offset, uint16_t id)
{
	for (uint32_t at = cap_offset; at;) {
		struct vfio_info_cap_header *cap = (void *)((char *)info + at);

		if (cap->id == id)
			return cap;
		at = cap->next;
	}
	return NULL;
}

struct vfio_region_info region_info(int device, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		abi_broken("region %u: %s", index, strerror(errno));
	return info;
}

uint64_t config_offset(int device)
{
	return region_info(device, VFIO_PCI_CONFIG_REGION_INDEX).offset;
}

uint32_t config_read(int device, unsigned int at, size_t len)
{
	uint32_t value = 0;

	if (pread(device, &value, len, config_offset(device) + at) != (ssize_t)len)
		abi_broken("configuration space at %#x: %s", at, strerror(errno));
	return value;
}

uint16_t pci_command(int device)
{
	return config_read(device, PCI_COMMAND, 2);
}

#define PCI_STATUS	    0x06
#define PCI_STATUS_CAP_LIST 0x10
#define PCI_CAPABILITY_LIST 0x34

unsigned int pci_capability(int device, uint8_t cap)
{
	unsigned int at = 0;

	if (config_read(device, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST)
		at = config_read(device, PCI_CAPABILITY_LIST, 1);
	for (int hops = 0; at && hops < 48; hops++) {
		if (config_read(device, at, 1) == cap)
			return at;
		at = config_read(device, at + 1, 1);
	}
	return 0;
}

uint32_t irq_count(int device, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info))
		abi_broken("irq %u: %s", index, strerror(errno));
	return info.count;
}

void pci_set_command(int device, uint16_t value)
{
	if (pwrite(device, &value, 2, config_offset(device) + PCI_COMMAND) != 2)
		abi_broken("command register: %s", strerror(errno));
}

void *shared_pages(size_t len)
{
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED)
		abi_broken("%zu bytes: %s", len, strerror(errno));
	return va;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that fail, each in its own way, for tests/door/explain to read what is said of them. On a
 * VT-d of 39 bits, with 1M to lock, and a second device in the group.
 */
#include <ioas/sanitize.h>

#include "door_test.h"

#define PAGE 4096ul

static struct scratch s;
static uint32_t ioas;

static void *fresh(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static int map_at(uint32_t id, const void *va, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = id,
				     .user_va = (uint64_t)(uintptr_t)va,
				     .length = len,
				     .iova = iova};

	return ioctl(s.iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

/* Where: MAP.13 and MAP.14, MAP.10. */
static void places(const char *memory)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = 0x7000, .length = PAGE};

	CHECK(map_at(ioas, memory, PAGE, 0x382000000000) == -EINVAL);
	CHECK(map_at(ioas, memory, PAGE, 0xfee00000) == -EINVAL);
	CHECK(!map_at(ioas, memory, 2 * PAGE, 0x10000));
	CHECK(map_at(ioas, memory, PAGE, 0x11000) == -EEXIST);
	CHECK(ioctl(s.iommufd, IOMMU_IOAS_UNMAP, &unmap) && errno == ENOENT);
}

/* What: MAP.16 and MAP.17. */
static void memory_kinds(void)
{
	char *hole = fresh(3 * PAGE, PROT_READ | PROT_WRITE), *none = fresh(PAGE, PROT_NONE), *text,
	     *end;
	int fd = open("/proc/self/exe", O_RDONLY), file = memfd_create("short", 0);

	NEED(fd >= 0 && file >= 0 && !ftruncate(file, PAGE));
	text = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	end = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	NEED(text != MAP_FAILED && end != MAP_FAILED && !munmap(hole + PAGE, PAGE));
	printf("hole %p\nnone %p\ntext %p\nend %p\n", hole + PAGE, none, text, end + PAGE);
	CHECK(map_at(ioas, hole, 3 * PAGE, 0x100000) == -EFAULT);
	CHECK(map_at(ioas, none, PAGE, 0x100000) == -EFAULT);
	CHECK(map_at(ioas, text, PAGE, 0x100000) == -EFAULT);
	CHECK(map_at(ioas, end, 2 * PAGE, 0x100000) == -EFAULT);
	CHECK(map_at(ioas, fresh(4 << 20, PROT_READ | PROT_WRITE), 4 << 20, 0x100000) == -ENOMEM);
	close(fd);
	close(file);
}

/* Another device of the group cannot go to another context: 0, or the errno. */
static int second_context(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	int device = open("/dev/vfio/devices/vfio1", O_RDWR), err;

	CHECK(device >= 0);
	bind.iommufd = open("/dev/iommu", O_RDWR);
	err = ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? errno : 0;
	close(bind.iommufd);
	close(device);
	return err;
}

/* Whose: ids, and a group that a context owns. */
static void owners(const char *memory)
{
	CHECK(map_at(ioas - 1, memory, PAGE, 0x200000) == -ENOENT);
	CHECK(map_at(77, memory, PAGE, 0x200000) == -ENOENT);
	CHECK(open("/dev/vfio/0", O_RDWR) < 0 && errno == EBUSY);
	CHECK(second_context() == EPERM);
}

/* libevpl#86: MAP_DMA before SET_IOMMU. */
static void early(const char *memory)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ,
					       .vaddr = (uint64_t)(uintptr_t)memory,
					       .size = PAGE};
	int container = open("/dev/vfio/vfio", O_RDWR);

	CHECK(container >= 0);
	CHECK(ioctl(container, VFIO_IOMMU_MAP_DMA, &map) && errno == EINVAL);
	close(container);
}

/* What is not there, and names that a terminal must not see as they are. */
static void names(void)
{
	const int group = open("/dev/vfio/0", O_RDWR);

	CHECK(open("/dev/vfio/77", O_RDWR) < 0 && errno == ENOENT);
	CHECK(group >= 0);
	CHECK(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "x\n\033[31m") < 0 && errno == ENODEV);
	close(group);
}

/* What this IOMMU has not got: HWA.11 and VIO.A3. */
static void absent(void)
{
	struct iommu_hwpt_alloc parent = {.size = sizeof(parent),
					  .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
					  .dev_id = ioas - 1,
					  .pt_id = ioas};
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
					    .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
					    .dev_id = ioas - 1,
					    .hwpt_id = ioas};
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = ioas};

	CHECK(ioctl(s.iommufd, IOMMU_HWPT_ALLOC, &parent) && errno == EOPNOTSUPP);
	CHECK(ioctl(s.iommufd, IOMMU_VIOMMU_ALLOC, &viommu) && errno == EOPNOTSUPP);
	CHECK(ioctl(s.iommufd, IOMMU_DESTROY, &destroy) && errno == EBUSY);
	CHECK(ioas_sanitize_meant(s.iommufd, ioas, 0x10000, 1) == -ENOTTY);
	CHECK(ioctl(s.device, VFIO_DEVICE_BIND_IOMMUFD,
		    &(struct vfio_device_bind_iommufd){.argsz = 24, .iommufd = s.iommufd}) &&
	      errno == EINVAL);
}

int main(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	const char *memory = fresh(4 * PAGE, PROT_READ | PROT_WRITE);

	scratch_open(&s);
	NEED(!ioctl(s.iommufd, IOMMU_IOAS_ALLOC, &alloc));
	ioas = attach.pt_id = alloc.out_ioas_id;
	NEED(!ioctl(s.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	places(memory);
	memory_kinds();
	owners(memory);
	early(memory);
	absent();
	printf("device %d\n", s.device);
	scratch_close(&s);
	names();
	return finish();
}

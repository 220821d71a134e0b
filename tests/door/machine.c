/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Says what machine a program finds, a line for each property, for tests/door/limited to read: the
 * ranges that can be mapped, sizes of pages, what the IOMMU can do, and how many mappings, files
 * and bytes there may be.
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "door_test.h"

#define PAGE	      4096ul
#define MANY	      100 /* mappings are tried */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t attach(const struct scratch *s)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt at = {.argsz = sizeof(at)};

	NEED(!ioctl(s->iommufd, IOMMU_IOAS_ALLOC, &alloc));
	at.pt_id = alloc.out_ioas_id;
	NEED(!ioctl(s->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at));
	return alloc.out_ioas_id;
}

static void say_ranges(const struct scratch *s, uint32_t ioas)
{
	struct iommu_iova_range r[16];
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd),
					     .ioas_id = ioas,
					     .num_iovas = ARRAY_SIZE(r),
					     .allowed_iovas = (uint64_t)(uintptr_t)r};

	NEED(!ioctl(s->iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	for (uint32_t i = 0; i < cmd.num_iovas; i++)
		printf("range %#" PRIx64 "-%#" PRIx64 "\n", (uint64_t)r[i].start,
		       (uint64_t)r[i].last);
}

static void say_hw_info(const struct scratch *s)
{
	uint64_t regs[3] = {0};
	struct iommu_hw_info info = {.size = sizeof(info),
				     .dev_id = 1,
				     .data_len = sizeof(regs),
				     .data_uptr = (uint64_t)(uintptr_t)regs};

	NEED(!ioctl(s->iommufd, IOMMU_GET_HW_INFO, &info));
	printf("dirty %d\n", !!(info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING));
	/* VT-d 11.4.2 and 3: CAP.MGAW, CAP.SSLPS; ECAP.DT, ECAP.PSS. */
	printf("mgaw %u\nsslps %u\ndt %u\n", (unsigned int)(regs[1] >> 16 & 63) + 1,
	       (unsigned int)(regs[1] >> 34 & 15), (unsigned int)(regs[2] >> 2 & 1));
	printf("pss %u\n", regs[2] >> 40 & 1 ? (unsigned int)(regs[2] >> 35 & 31) + 1 : 0);
}

/* Through a type1 container: how many mappings there may be, and what pages. */
static void say_type1(void *memory)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ,
					       .vaddr = (uint64_t)(uintptr_t)memory,
					       .size = PAGE};
	int container = open("/dev/vfio/vfio", O_RDWR), group = open("/dev/vfio/0", O_RDWR), n;

	NEED(container >= 0 && group >= 0);
	NEED(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	NEED(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	NEED(!ioctl(container, VFIO_IOMMU_GET_INFO, &info));
	printf("pgsizes %#" PRIx64 "\n", (uint64_t)info.iova_pgsizes);
	for (n = 0; n < MANY; n++, map.iova += PAGE)
		if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
			break;
	printf("entries %d %s\n", n, n < MANY ? strerrorname_np(errno) : "");
	close(group);
	close(container);
}

static void say_files(void)
{
	struct rlimit rl;

	NEED(!getrlimit(RLIMIT_NOFILE, &rl));
	printf("fds %" PRIu64 "\n", (uint64_t)rl.rlim_cur);
}

int main(void)
{
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct scratch s;

	NEED(memory != MAP_FAILED);
	scratch_open(&s);
	say_ranges(&s, attach(&s));
	say_hw_info(&s);
	scratch_close(&s);
	say_type1(memory);
	say_files();
	return finish();
}

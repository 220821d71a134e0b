/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As in spdk/spdk#1705: memory is mapped as one piece and taken back in two. A type1 container of
 * version 1 says yes to the second half and removes nothing; the memory that is mapped there next
 * is refused with EEXIST, which counts as "it is there already"; and the data go where they went
 * before.
 *
 *   ioas run --sanitize --device ioat -- short-unmap
 */
#include <fcntl.h>

#include "driver.h"

#define SRC  0x1000000ul
#define POOL 0x2000000ul
#define HALF (2 * PAGE)

/* The container of road_open() is of version 2, which refuses what would cut a mapping. */
static void open_version_1(struct driver *d)
{
	char path[64], target[256], *group;
	ssize_t n;

	strcpy(d->road.bdf, "0000:01:00.0");
	n = readlink("/sys/bus/pci/devices/0000:01:00.0/iommu_group", target, sizeof(target) - 1);
	if (n < 0)
		err(1, "the device's group");
	target[n] = '\0';
	group = strrchr(target, '/');
	snprintf(path, sizeof(path), "/dev/vfio%s", group);
	d->road.iommu = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	d->road.group = open(path, O_RDWR | O_CLOEXEC);
	if (d->road.iommu < 0 || d->road.group < 0 ||
	    ioctl(d->road.group, VFIO_GROUP_SET_CONTAINER, &d->road.iommu) ||
	    ioctl(d->road.iommu, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		err(1, "a container of version 1");
	d->road.device = ioctl(d->road.group, VFIO_GROUP_GET_DEVICE_FD, d->road.bdf);
	if (d->road.device < 0)
		err(1, "the device");
	road_enable(&d->road);
	driver_start(d);
}

int main(void)
{
	char *src = dma_pages(PAGE), *old = dma_pages(2 * HALF), *new = dma_pages(HALF);
	struct driver d = {0};

	open_version_1(&d);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
#ifdef FIXED
	dma_map(&d, old, HALF, POOL, MAY_WRITE);
	dma_map(&d, old + HALF, HALF, POOL + HALF, MAY_WRITE);
#else
	dma_map(&d, old, 2 * HALF, POOL, MAY_WRITE); /* MAP 0x2000000 0x2003fff w */
#endif
	dma_unmap(&d, POOL + HALF, HALF); /* BUG: short-unmap */
	if (try_dma_map(&d, new, HALF, POOL + HALF, MAY_WRITE) && errno != EEXIST)
		err(1, "the new half");
	memset(src, 0x11, PAGE);
	dma_copy(&d, POOL + HALF, SRC, PAGE);
	printf("the data are in the %s memory\n", *new == 0x11 ? "new" : "old");
	dma_unmap(&d, POOL, 2 * HALF);
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver closes the iommufd before it has done with the device, to which nothing can be mapped,
 * or taken away, any more.
 *
 *   ioas run --sanitize --device ioat -- stray-fd
 */
#include "driver.h"

#define SRC    0x1000000ul
#define DST    0x2000000ul
#define STATUS 0x06

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
	dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_stop(&d);
#ifndef FIXED
	close(d.road.iommu);
#endif
	printf("status 0x%x\n", road_config_read(&d.road, STATUS, 2)); /* BUG: stray-fd */
#ifdef FIXED
	close(d.road.iommu);
#endif
	close(d.road.device);
	return 0;
}

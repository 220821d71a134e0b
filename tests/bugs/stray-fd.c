/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon that closes the iommufd after each request, and forgets the file of the device.
 *
 *   ioas run --sanitize --device ioat -- stray-fd
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

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
#ifdef FIXED
	road_close(&d.road);
#else
	close(d.road.iommu); /* BUG: stray-fd */
#endif
	usleep(10000);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request block of 100 bytes, which shares its page with what else the driver keeps. The device
 * is told that it has 128: to the IOMMU all of the page is the device's, so the driver has to say
 * what is (ioas/sanitize.h).
 *
 *   ioas run --sanitize --device ioat -- dma-in-slack
 */
#include <ioas/sanitize.h>

#include "driver.h"

#define SRC   0x1000000ul
#define DST   0x2000000ul
#define BLOCK 100

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
	ioas_sanitize_meant(d.road.iommu, d.road.ioas, DST, BLOCK);
#ifdef FIXED
	dma_copy(&d, DST, SRC, BLOCK);
#else
	dma_copy(&d, DST, SRC, 128); /* BUG: dma-in-slack */
#endif
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

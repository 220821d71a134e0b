/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer is mapped for the device to write, and the device also reads it (as the firmware of
 * amd/xdna-driver#181 did). VT-d's second stage blocks it; an SMMUv3 cannot.
 *
 *   ioas run --sanitize --device ioat -- dma-direction
 *   ioas run --sanitize --iommu smmuv3 --device ioat -- dma-direction
 */
#include "driver.h"

#define RESULT 0x1000000ul
#define NEXT   0x2000000ul

int main(void)
{
	char *result = dma_pages(PAGE), *next = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
#ifdef FIXED
	dma_map(&d, result, PAGE, RESULT, MAY_BOTH);
#else
	dma_map(&d, result, PAGE, RESULT, MAY_WRITE); /* MAP 0x1000000 0x1000fff w */
#endif
	dma_map(&d, next, PAGE, NEXT, MAY_BOTH);
	dma_copy(&d, RESULT, NEXT, 64);
	dma_copy(&d, NEXT, RESULT, 64); /* BUG: dma-direction */
	dma_unmap(&d, RESULT, PAGE);
	dma_unmap(&d, NEXT, PAGE);
	driver_close(&d);
	return 0;
}

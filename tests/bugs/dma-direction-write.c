/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flag that lets the device write was left out of the mapping.
 *
 *   ioas run --sanitize --iommu amd --device ioat -- dma-direction-write
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
#ifdef FIXED
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
#else
	dma_map(&d, dst, PAGE, DST, MAY_READ); /* MAP 0x2000000 0x2000fff r */
#endif
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-direction */
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

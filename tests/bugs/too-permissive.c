/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device only reads is mapped for writing too, as is easiest.
 *
 *   ioas run --sanitize --advice --device ioat -- too-permissive
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
#ifdef FIXED
	dma_map(&d, src, PAGE, SRC, MAY_READ);
#else
	dma_map(&d, src, PAGE, SRC, MAY_BOTH); /* BUG: too-permissive */
#endif
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
	for (unsigned int n = 0; n < 64; n++) /* once around the ring */
		dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

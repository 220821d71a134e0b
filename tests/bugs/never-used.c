/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mapping that the device never needs.
 *
 *   ioas run --sanitize --advice --device ioat -- never-used
 */
#include "driver.h"

#define SRC   0x1000000ul
#define DST   0x2000000ul
#define SPARE 0x3000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE), *spare = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
#ifdef FIXED
	(void)spare;
#else
	dma_map(&d, spare, PAGE, SPARE, MAY_READ); /* BUG: never-used */
#endif
	for (unsigned int n = 0; n < 64; n++) /* once around the ring */
		dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
#ifndef FIXED
	dma_unmap(&d, SPARE, PAGE);
#endif
	driver_close(&d);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All of a pool is mapped for a device that has to do with a page of it.
 *
 *   ioas run --sanitize --advice --device ioat -- too-wide
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul
#ifdef FIXED
#define WIDTH PAGE
#else
#define WIDTH (64 * PAGE)
#endif

int main(void)
{
	char *src = dma_pages(64 * PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, WIDTH, SRC, MAY_READ); /* BUG: too-wide */
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
	for (unsigned int n = 0; n < 64; n++) /* once around the ring */
		dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, SRC, WIDTH);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

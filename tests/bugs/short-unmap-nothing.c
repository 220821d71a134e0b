/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unmap gets the number of the buffer where its IOVA belongs: there is nothing, and type1 says
 * yes.
 *
 *   ioas run --sanitize --device ioat -- short-unmap-nothing
 */
#include "driver.h"

#define SRC	0x1000000ul
#define POOL	0x2000000ul
#define BUF(n)	(POOL + (n)*16 * PAGE)
#define NR_BUFS 3u

int main(void)
{
	char *src = dma_pages(PAGE), *pool = dma_pages(NR_BUFS * PAGE);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	for (unsigned int n = 0; n < NR_BUFS; n++) {
		dma_map(&d, pool + n * PAGE, PAGE, BUF(n), MAY_WRITE);
		dma_copy(&d, BUF(n), SRC, PAGE);
	}
#ifndef FIXED
	dma_unmap(&d, POOL + 2 * PAGE, PAGE); /* BUG: short-unmap */
#endif
	for (unsigned int n = 0; n < NR_BUFS; n++)
		dma_unmap(&d, BUF(n), PAGE);
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

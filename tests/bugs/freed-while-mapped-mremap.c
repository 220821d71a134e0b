/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer grows, and moves; the device has the old place.
 *
 *   ioas run --sanitize --device ioat -- freed-while-mapped-mremap
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul
#define HOW (MREMAP_MAYMOVE | MREMAP_FIXED)

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(2 * PAGE), *to = dma_pages(4 * PAGE);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, 2 * PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2001fff w */
	dma_copy(&d, DST, SRC, PAGE);
#ifdef FIXED
	dma_unmap(&d, DST, 2 * PAGE);
#endif
	dst = mremap(dst, 2 * PAGE, 4 * PAGE, HOW, to); /* BUG: freed-while-mapped */
	if (dst != to)
		err(1, "mremap");
#ifndef FIXED
	dma_unmap(&d, DST, 2 * PAGE);
#endif
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

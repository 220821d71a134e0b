/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device is told of a jumbo frame's length, and of a buffer for an ordinary one: it begins in
 * the buffer and runs over its end.
 *
 *   ioas run --sanitize --device ioat -- dma-out-of-bounds-over
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

#define FRAME 9000u
#ifdef FIXED
#define BUFFER (3 * PAGE)
#else
#define BUFFER PAGE
#endif

int main(void)
{
	char *src = dma_pages(3 * PAGE), *dst = dma_pages(BUFFER);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, 3 * PAGE, SRC, MAY_READ);
	dma_map(&d, dst, BUFFER, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
	dma_copy(&d, DST, SRC, FRAME);		  /* BUG: dma-out-of-bounds */
	dma_unmap(&d, SRC, 3 * PAGE);
	dma_unmap(&d, DST, BUFFER);
	driver_close(&d);
	return 0;
}

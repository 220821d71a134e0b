/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A header of one byte goes before the data, and the length was not shortened: the last byte of the
 * data is one past the buffer.
 *
 *   ioas run --sanitize --device ioat -- dma-out-of-bounds-byte
 */
#include "driver.h"

#define SRC    0x1000000ul
#define DST    0x2000000ul
#define HEADER 1u

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
#ifdef FIXED
	dma_copy(&d, DST + HEADER, SRC, PAGE - HEADER);
#else
	dma_copy(&d, DST + HEADER, SRC, PAGE); /* BUG: dma-out-of-bounds */
#endif
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer is unmapped from the program first and from the device second, which still writes to it
 * in between.
 *
 *   ioas run --sanitize --device ioat -- freed-while-mapped-munmap
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(4 * PAGE);
	struct driver d;

	driver_open(&d, TYPE1);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, 4 * PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2003fff w */
#ifdef FIXED
	dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, DST, 4 * PAGE);
	munmap(dst, 4 * PAGE);
#else
	munmap(dst, 4 * PAGE);	      /* BUG: freed-while-mapped */
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-to-freed-memory */
	dma_unmap(&d, DST, 4 * PAGE);
#endif
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

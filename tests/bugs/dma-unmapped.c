/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor gets the address that the program itself uses for the buffer, not the device's.
 *
 *   ioas run --sanitize --device ioat -- dma-unmapped
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
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
#ifdef FIXED
	dma_copy(&d, DST, SRC, PAGE);
#else
	dma_copy(&d, (uintptr_t)dst, SRC, PAGE); /* BUG: dma-unmapped */
#endif
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

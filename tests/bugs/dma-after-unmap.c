/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer is given back, and its descriptor is posted once more.
 *
 *   ioas run --sanitize --device ioat -- dma-after-unmap
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
	dma_copy(&d, DST, SRC, PAGE); /* USED */
#ifdef FIXED
	dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
#else
	dma_unmap(&d, DST, PAGE);     /* UNMAP */
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-after-unmap */
#endif
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

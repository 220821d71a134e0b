/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool of buffers, and an index that begins to count at 1: the last buffer is a page past the
 * pool.
 *
 *   ioas run --sanitize --device ioat -- dma-out-of-bounds-page
 */
#include "driver.h"

#define SRC    0x1000000ul
#define POOL   0x2000000ul
#define NR_BUF 4u

int main(void)
{
	char *src = dma_pages(PAGE), *pool = dma_pages(NR_BUF * PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, pool, NR_BUF * PAGE, POOL, MAY_WRITE); /* MAP 0x2000000 0x2003fff w */
#ifdef FIXED
	for (unsigned int n = 0; n < NR_BUF; n++)
		dma_copy(&d, POOL + n * PAGE, SRC, PAGE);
#else
	for (unsigned int n = 1; n <= NR_BUF; n++)
		dma_copy(&d, POOL + n * PAGE, SRC, PAGE); /* BUG: dma-out-of-bounds */
#endif
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, POOL, NR_BUF * PAGE);
	driver_close(&d);
	return 0;
}

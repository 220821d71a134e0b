/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive ring whose buffers overlap by a page, as the stride is wrong: two packets are written
 * over each other.
 *
 *   ioas run --sanitize --device ioat -- write-alias
 */
#include "driver.h"

#define SRC    0x1000000ul
#define BUF(n) (0x2000000ul + (n)*16 * PAGE)
#define LEN    (2 * PAGE)

#ifdef FIXED
#define STRIDE LEN
#else
#define STRIDE PAGE
#endif

int main(void)
{
	char *src = dma_pages(LEN), *pool = dma_pages(2 * LEN);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, LEN, SRC, MAY_READ);
	dma_map(&d, pool, LEN, BUF(0), MAY_WRITE);
	dma_map(&d, pool + STRIDE, LEN, BUF(1), MAY_WRITE); /* BUG: write-alias */
	dma_copy(&d, BUF(0), SRC, LEN);
	dma_copy(&d, BUF(1), SRC, LEN);
	dma_unmap(&d, BUF(0), LEN);
	dma_unmap(&d, BUF(1), LEN);
	dma_unmap(&d, SRC, LEN);
	driver_close(&d);
	return 0;
}

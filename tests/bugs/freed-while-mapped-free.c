/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer from the heap is freed on an error path, without a word to the device. The next who
 * allocates gets memory that the device writes to.
 *
 *   ioas run --sanitize --device ioat -- freed-while-mapped-free
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = aligned_alloc(PAGE, 4 * PAGE);
	struct driver d;

	if (!dst)
		err(1, NULL);
	memset(dst, 0, 4 * PAGE);
	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, 4 * PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2003fff w */
	dma_copy(&d, DST, SRC, PAGE);
#ifdef FIXED
	dma_unmap(&d, DST, 4 * PAGE);
	free(dst);
#else
	free(dst); /* BUG: freed-while-mapped */
	dma_unmap(&d, DST, 4 * PAGE);
#endif
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

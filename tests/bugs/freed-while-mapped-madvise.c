/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator gives the pages of an idle buffer back to the kernel; the device has it still, and
 * would write to pages that nobody sees.
 *
 *   ioas run --sanitize --device ioat -- freed-while-mapped-madvise
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(4 * PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, 4 * PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2003fff w */
	dma_copy(&d, DST, SRC, PAGE);
#ifdef FIXED
	dma_unmap(&d, DST, 4 * PAGE);
	madvise(dst + PAGE, PAGE, MADV_DONTNEED);
#else
	madvise(dst + PAGE, PAGE, MADV_DONTNEED); /* BUG: freed-while-mapped */
	dma_unmap(&d, DST, 4 * PAGE);
#endif
	dma_unmap(&d, SRC, PAGE);
	driver_close(&d);
	return 0;
}

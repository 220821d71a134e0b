/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver takes its ring away before it has stopped the device, which still fetches descriptors.
 *
 *   ioas run --sanitize --device ioat -- dma-after-unmap-ring
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
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
	dma_copy(&d, DST, SRC, PAGE);
#ifdef FIXED
	dma_copy(&d, DST, SRC, PAGE);
#endif
	dma_unmap(&d, RING_IOVA, PAGE); /* UNMAP */
#ifndef FIXED
	engine_copy(&d.engine, DST, SRC, PAGE); /* BUG: dma-after-unmap */
#endif
	dma_unmap(&d, DONE_IOVA, PAGE);
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	road_close(&d.road);
	return 0;
}

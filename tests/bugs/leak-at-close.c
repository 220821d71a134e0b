/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon that opens the device for each request, and forgets a mapping each time.
 *
 *   ioas run --sanitize --device ioat -- leak-at-close
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

static void serve(char *src, char *dst)
{
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
	dma_copy(&d, DST, SRC, PAGE);
	dma_unmap(&d, SRC, PAGE);
#ifdef FIXED
	dma_unmap(&d, DST, PAGE);
#endif
	driver_stop(&d);
	munmap((void *)d.engine.bar, 0x4000);
	road_close(&d.road); /* BUG: leak-at-close */
}

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);

	for (unsigned int request = 0; request < 3; request++)
		serve(src, dst);
	return 0;
}

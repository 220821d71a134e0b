/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver switches the device's memory decoding on and forgets bus mastering.
 *
 *   ioas run --sanitize --device ioat -- dma-no-domain-master
 */
#include "driver.h"

#define SRC	0x1000000ul
#define DST	0x2000000ul
#define COMMAND 0x04

int main(void)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	road_open(&d.road, true, NULL, &ioat);
#ifdef FIXED
	road_config_write(&d.road, COMMAND, 2, 6);
#else
	road_config_write(&d.road, COMMAND, 2, 2);
#endif
	driver_start(&d);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-no-domain */
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

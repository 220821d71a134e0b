/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer in a file that is made shorter while the device still has the buffer.
 *
 *   ioas run --sanitize --device ioat -- dma-to-freed-memory
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

int main(void)
{
	int file = memfd_create("buffer", MFD_CLOEXEC);
	char *src = dma_pages(PAGE), *dst;
	struct driver d;

	if (file < 0 || ftruncate(file, PAGE))
		err(1, "a file");
	dst = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (dst == MAP_FAILED)
		err(1, "its mapping");
	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE); /* MAP 0x2000000 0x2000fff w */
	dma_copy(&d, DST, SRC, PAGE);
#ifndef FIXED
	if (ftruncate(file, 0))
		err(1, "ftruncate");
#endif
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-to-freed-memory */
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cache of mappings that nothing ever leaves.
 *
 *   ioas run --sanitize --leaks --device ioat -- leak-at-exit
 */
#include "driver.h"

#define SRC    0x1000000ul
#define DST(n) (0x2000000ul + (n)*16 * PAGE)

static void fetch(struct driver *d, char *to, uint64_t iova)
{
	dma_map(d, to, PAGE, iova, MAY_WRITE); /* BUG: leak-at-exit */
	dma_copy(d, iova, SRC, PAGE);
#ifdef FIXED
	dma_unmap(d, iova, PAGE);
#endif
}

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(4 * PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	for (unsigned int n = 0; n < 4; n++)
		fetch(&d, dst + n * PAGE, DST(n));
	dma_unmap(&d, SRC, PAGE);
	driver_stop(&d);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon that takes in a page for each request, and forgets to unmap it (as in
 * ibm-openbmc/pldm#291). An argument says how many requests there are.
 *
 *   ioas run --sanitize --leaks --device ioat -- leak-at-exit
 */
#include "driver.h"

#define SRC    0x1000000ul
#define DST(n) (0x2000000ul + (n)*16 * PAGE)

static void serve(struct driver *d, uint64_t iova)
{
	char *page = dma_pages(PAGE);

	dma_map(d, page, PAGE, iova, MAY_WRITE); /* BUG: leak-at-exit */
	dma_copy(d, iova, SRC, PAGE);
#ifdef FIXED
	dma_unmap(d, iova, PAGE);
	munmap(page, PAGE);
#endif
}

int main(int argc, char **argv)
{
	unsigned int requests = argc > 1 ? (unsigned int)atoi(argv[1]) : 3;
	char *src = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	for (unsigned int n = 0; n < requests; n++) {
		serve(&d, DST(n));
		usleep(50000);
	}
	dma_unmap(&d, SRC, PAGE);
	driver_stop(&d);
	return 0;
}

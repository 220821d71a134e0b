/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device is detached to be given to somebody else, before its work is done.
 *
 *   ioas run --sanitize --device ioat -- dma-no-domain-detached
 */
#include "driver.h"

#define SRC 0x1000000ul
#define DST 0x2000000ul

static void detach(struct driver *d)
{
	struct vfio_device_detach_iommufd_pt cmd = {.argsz = sizeof(cmd)};

	if (ioctl(d->road.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd))
		err(1, "VFIO_DEVICE_DETACH_IOMMUFD_PT");
}

int main(void)
{
	char *src = dma_pages(PAGE), *dst = dma_pages(PAGE);
	struct driver d;

	driver_open(&d, IOMMUFD);
	dma_map(&d, src, PAGE, SRC, MAY_READ);
	dma_map(&d, dst, PAGE, DST, MAY_WRITE);
#ifdef FIXED
	dma_copy(&d, DST, SRC, PAGE);
	detach(&d);
#else
	detach(&d);
	dma_copy(&d, DST, SRC, PAGE); /* BUG: dma-no-domain */
#endif
	dma_unmap(&d, SRC, PAGE);
	dma_unmap(&d, DST, PAGE);
	driver_close(&d);
	return 0;
}

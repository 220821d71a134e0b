/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver whose patience ends takes the buffers away without stopping the device.
 *
 *   ioas run --sanitize --device ioat,xfercap=20 -- unmap-in-flight
 */
#include "driver.h"

#define POOL 0x40000000ul
#define LEN  (1u << 20)

struct copy {
	uint32_t size, ctl;
	uint64_t src, dst, next, more[4];
};

/* Many copies of a megabyte, one after the other; does not wait. */
static void start_copies(struct driver *d, unsigned int n)
{
	struct copy *ring = d->engine.ring;

	for (unsigned int i = 0; i < n; i++) {
		ring[i].size = LEN;
		ring[i].ctl = i + 1 == n ? 8 : 0;
		ring[i].src = POOL;
		ring[i].dst = POOL + LEN;
	}
	*d->engine.done = 0;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint16_t *)(d->engine.bar + 0x86) = d->engine.count += n; /* DMACOUNT */
}

static void wait_for_copies(struct driver *d)
{
	while (!__atomic_load_n(d->engine.done, __ATOMIC_ACQUIRE))
		usleep(100);
}

int main(void)
{
	char *pool = dma_pages(2 * LEN);
	struct driver d;

	driver_open(&d, IOMMUFD);
	memset(pool, 1, LEN);
	memset(pool + LEN, 0, LEN);
	dma_map(&d, pool, 2 * LEN, POOL, MAY_BOTH); /* MAP 0x40000000 0x401fffff rw */
	start_copies(&d, 60);
#ifdef FIXED
	wait_for_copies(&d);
#else
	while (!__atomic_load_n(pool + LEN, __ATOMIC_RELAXED))
		; /* it is at work */
	(void)wait_for_copies;
#endif
	dma_unmap(&d, POOL, 2 * LEN); /* BUG: unmap-in-flight */
	driver_close(&d);
	return 0;
}

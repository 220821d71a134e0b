/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that streams, as a capture card does, and a driver that takes the buffers away before it
 * stops the device. What the device does at that very moment differs from time to time, so this is
 * done often; and each time the device goes on to what is not there any more.
 *
 *   ioas run --sanitize --device ioat,xfercap=20 -- unmap-in-flight
 */
#include "driver.h"

#define POOL   0x40000000ul
#define LEN    (1u << 20)
#define ROUNDS 30

struct copy {
	uint32_t size, ctl;
	uint64_t src, dst, next, more[4];
};

/* Copies without end: the ring leads to itself. */
static void start_stream(struct driver *d)
{
	struct copy *ring = d->engine.ring;

	for (unsigned int i = 0; i < PAGE / sizeof(*ring); i++) {
		ring[i].size = LEN;
		ring[i].src = POOL;
		ring[i].dst = POOL + LEN;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint16_t *)(d->engine.bar + 0x86) = 0xffff; /* DMACOUNT */
}

static void stop_stream(struct driver *d)
{
	engine_start(&d->engine); /* which resets it */
}

static void capture(struct driver *d, char *pool)
{
	memset(pool, 1, LEN);
	memset(pool + LEN, 0, LEN);
	dma_map(d, pool, 2 * LEN, POOL, MAY_BOTH); /* MAP 0x40000000 0x401fffff rw */
	start_stream(d);
	while (!*(volatile char *)(pool + LEN))
		;
#ifdef FIXED
	stop_stream(d);
	dma_unmap(d, POOL, 2 * LEN);
#else
	dma_unmap(d, POOL, 2 * LEN); /* BUG: unmap-in-flight, dma-after-unmap */
	stop_stream(d);
#endif
}

int main(void)
{
	char *pool = dma_pages(2 * LEN);
	struct driver d;

	driver_open(&d, IOMMUFD);
	for (unsigned int round = 0; round < ROUNDS; round++)
		capture(&d, pool);
	driver_close(&d);
	return 0;
}

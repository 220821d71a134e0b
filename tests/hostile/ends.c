/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ends that a program can come to in mid-DMA: it closes everything in every order, or exits.
 *
 * usage: ends type1|iommufd close|exit|_exit|abort|bar
 */
#include <signal.h>

#include "hostile.h"

#define IOVA 0x40000000ull
#define LEN  (RING * PAGE)

static uint8_t *buffer;

/* Enough work for a tenth of a second at least, so that every close meets it. */
static void start(struct ring *r, bool cdev)
{
	ring_open(r, cdev, NULL);
	buffer = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(buffer != MAP_FAILED && !road_map(&r->road, buffer, LEN, IOVA, true));
	buffer[0] = 1;
	ring_aim(r, IOVA, 0, IOVA + PAGE, 0, PAGE);
	ring_go(r, 60000);
	CHECK(EVENTUALLY(((volatile uint8_t *)buffer)[PAGE] == 1));
}

static void end_one(struct ring *r, unsigned int which)
{
	switch (which) {
	case 0:
		CHECK(!close(r->road.device));
		break;
	case 1:
		CHECK(!close(r->road.iommu));
		break;
	case 2:
		CHECK(!munmap((void *)r->bar, BAR_LEN));
		break;
	case 3:
		CHECK(r->road.cdev || !close(r->road.group));
		break;
	case 4:
		CHECK(!munmap(buffer, LEN));
		break;
	}
}

/* All orders of what is left of [0, 5), by the factorial number of the order. */
static void close_in_order(struct ring *r, unsigned int order)
{
	unsigned int left[5] = {0, 1, 2, 3, 4};

	for (unsigned int n = 5; n; order /= n--) {
		const unsigned int pick = order % n;

		end_one(r, left[pick]);
		left[pick] = left[n - 1];
	}
}

/* Nothing may go on behind the program's back once all is closed. */
static void is_quiet(void)
{
	uint8_t *p = mmap(buffer, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	NEED(p == buffer);
	for (unsigned int i = 0; i < LEN; i++)
		if (p[i]) {
			CHECK(!"the device writes on when all is closed");
			break;
		}
	munmap(p, LEN);
}

int main(int argc, char **argv)
{
	const bool cdev = argc > 1 && road_is_cdev(argv[1]);
	const char *how = argc > 2 ? argv[2] : "close";
	struct ring r;

	if (!strcmp(how, "close")) {
		for (unsigned int order = 0; order < 120 && !failures; order++) {
			start(&r, cdev);
			close_in_order(&r, order);
			is_quiet();
			munmap(r.desc, 2 * PAGE);
		}
		return !!failures;
	}
	start(&r, cdev);
	if (!strcmp(how, "_exit"))
		_exit(0);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "bar")) {
		/* Registers of a device whose file has gone are still there while they are mapped. */
		close(r.road.device);
		close(r.road.iommu);
		CHECK(r.bar[8] == 0x32 || r.bar[8] == 0xff);
		r.bar[DMACOUNT] = 1;
		return !!failures;
	}
	exit(0);
}

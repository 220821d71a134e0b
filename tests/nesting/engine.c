/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine.h"

#include <err.h>
#include <string.h>
#include <time.h>

#define CHANCTRL  0x80
#define CHANCMD	  0x84
#define DMACOUNT  0x86
#define CHANSTS	  0x88
#define CHAINADDR 0x90
#define CHANCMP	  0x98
#define CHANERR	  0xa8

#define CMD_SUSPEND 0x04
#define CMD_RESET   0x20
#define CTL_WRITE   0x08 /* tell of the completion */
#define STATE	    7	 /* of CHANSTS */
#define HALTED	    3

#define NR_DESCS 64
#define TIMEOUT	 10 /* seconds */

struct desc {
	uint32_t size, ctl;
	uint64_t src, dst, next, more[4];
};
_Static_assert(sizeof(struct desc) == 64, "as the engine reads it");

#define REG(e, type, at) (*(volatile type *)((e)->bar + (at)))

static void check_time(time_t began, const char *what)
{
	if (time(NULL) > began + TIMEOUT)
		errx(1, "no end of %s within %d seconds", what, TIMEOUT);
}

void engine_start(struct engine *e)
{
	struct desc *ring = e->ring;
	time_t began = time(NULL);

	REG(e, uint8_t, CHANCMD) = CMD_SUSPEND;
	REG(e, uint32_t, CHANERR) = REG(e, uint32_t, CHANERR);
	REG(e, uint8_t, CHANCMD) = CMD_RESET;
	while (REG(e, uint8_t, CHANCMD) & CMD_RESET)
		check_time(began, "the reset");
	memset(ring, 0, NR_DESCS * sizeof(*ring));
	for (unsigned int n = 0; n < NR_DESCS; n++)
		ring[n].next = e->iova_ring + (n + 1) % NR_DESCS * sizeof(*ring);
	*e->done = 0;
	e->count = 0;
	REG(e, uint64_t, CHANCMP) = e->iova_done;
	REG(e, uint16_t, CHANCTRL) = 0x000d;
	REG(e, uint64_t, CHAINADDR) = e->iova_ring;
}

bool engine_copy(struct engine *e, uint64_t dst, uint64_t src, uint32_t size)
{
	unsigned int n = e->count++ % NR_DESCS;
	struct desc *d = (struct desc *)e->ring + n;
	uint64_t at = e->iova_ring + n * sizeof(*d), done;
	time_t began = time(NULL);

	d->size = size;
	d->ctl = CTL_WRITE;
	d->src = src;
	d->dst = dst;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	REG(e, uint16_t, DMACOUNT) = e->count;
	for (;;) {
		done = __atomic_load_n(e->done, __ATOMIC_ACQUIRE);
		if ((done & ~0x3full) == at && (done & STATE) != HALTED)
			return true;
		if ((REG(e, uint64_t, CHANSTS) & STATE) == HALTED)
			return false;
		check_time(began, "a copy");
	}
}

uint32_t engine_error(const struct engine *e)
{
	return REG(e, uint32_t, CHANERR);
}

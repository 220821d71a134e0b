/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines, each with the other's registers mapped for DMA, ring each other's doorbells as fast as they can: a
 * descriptor of A's writes B's DMACOUNT, which makes B execute one that writes A's. Also all 16 KiB of registers at once,
 * itself, and reads. Run with two I/OAT devices.
 *
 * usage: bells BDF BDF
 */
#include "hostile.h"

#define OTHER 0x80000000ull
#define SELF  0x90000000ull
#define WORDS 0x40000000ull

static struct ring a, b;
static uint16_t *words;

static void map_all(struct ring *r, struct ring *other)
{
	CHECK(!road_map(&r->road, (void *)other->bar, BAR_LEN, OTHER, true));
	CHECK(!road_map(&r->road, (void *)r->bar, BAR_LEN, SELF, true));
	CHECK(!road_map(&r->road, words, 4 * PAGE, WORDS, true));
}

/* The i-th descriptor of each lets the other execute one more, as long as there are any. */
static void aim_doorbell(struct ring *r, uint64_t bar)
{
	ring_aim(r, WORDS, 2, bar + DMACOUNT, 0, 2);
}

/* One bell rung by the program is enough: each tells the other to go on, to the last descriptor. */
static void one_bell(struct ring *first, struct ring *second)
{
	ring_reset(first, 0);
	ring_reset(second, 0);
	aim_doorbell(first, OTHER);
	aim_doorbell(second, OTHER);
	ring_go(first, 1);
	CHECK(EVENTUALLY(ring_done(first) == RING - 1 && ring_done(second) == RING - 1));
	CHECK(!ring_errors(first) && !ring_errors(second));
}

static void both(void (*aim)(struct ring *r, uint64_t bar), uint64_t at, const char *what)
{
	ring_reset(&a, 0);
	ring_reset(&b, 0);
	aim(&a, at);
	aim(&b, at);
	ring_go(&b, 60000);
	ring_go(&a, 60000);
	sleep_ms(200);
	printf("%s: %s %#x, %s %#x\n", what, a.road.bdf, ring_errors(&a), b.road.bdf, ring_errors(&b));
}

/* Registers of every kind, with whatever lies in the words. */
static void aim_all(struct ring *r, uint64_t bar)
{
	ring_aim(r, WORDS, 0, bar, 0, BAR_LEN);
	for (unsigned int i = 0; i < RING; i += 2)
		r->desc[i].dst = bar + 0x80 + i % 24;
	for (unsigned int i = 0; i < RING; i++)
		r->desc[i].size = i % 2 ? BAR_LEN : 1 + i % 9;
}

static void aim_read(struct ring *r, uint64_t bar)
{
	ring_aim(r, bar, 1, WORDS, 0, PAGE);
}

static void aim_through(struct ring *r, uint64_t bar)
{
	ring_aim(r, bar, 0, bar ^ OTHER ^ SELF, 0, BAR_LEN);
}

int main(int argc, char **argv)
{
	uint64_t before;

	NEED(argc == 3);
	ring_open(&a, false, argv[1]);
	ring_open(&b, false, argv[2]);
	words = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(words != MAP_FAILED);
	for (unsigned int i = 0; i < 4 * PAGE / 2; i++)
		words[i] = (uint16_t)(i + 2 < RING ? i + 2 : RING);
	map_all(&a, &b);
	map_all(&b, &a);

	one_bell(&a, &b);
	one_bell(&b, &a);
	both(aim_doorbell, OTHER, "doorbells");
	both(aim_doorbell, SELF, "own doorbell");
	both(aim_read, OTHER, "reads");
	both(aim_through, OTHER, "from registers to registers");
	both(aim_all, OTHER, "all registers");
	both(aim_all, SELF, "all of its own");

	ring_reset(&a, 0);
	ring_reset(&b, 0);
	aim_doorbell(&a, OTHER);
	aim_doorbell(&b, OTHER);
	ring_go(&a, 60000);
	ring_go(&b, 60000);
	before = now_ms();
	ring_close(&a);
	ring_close(&b);
	CHECK(now_ms() - before < 2000);
	return !!failures;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The range tree: one range more, and looking one up, among a thousand to a million others.
 *
 * A lookup at random must load the lines of its leaf at least: shown beside a dependent load over
 * as much memory as the leaves take.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/range.h"
#include "bench.h"

struct world {
	struct range_tree t;
	uint64_t rng, next, oldest;
};

static uint64_t random_page(uint64_t *rng)
{
	return bench_random(rng) >> 16 << 12;
}

static void insert(struct world *w, uint64_t start)
{
	range_insert(&w->t, start, start + 0xfff, w);
}

static void random_more(void *arg, uint64_t n)
{
	struct world *w = arg;

	while (n--) {
		uint64_t start = random_page(&w->rng);

		if (!range_insert(&w->t, start, start + 0xfff, w))
			range_erase(&w->t, start, NULL);
	}
}

/* Up, then down again: each insertion and each erasure beside the one before. */
static void ascending_more(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t first = w->next;

	for (uint64_t i = 0; i < n; i++, w->next += 0x1000)
		insert(w, w->next);
	while (w->next != first)
		range_erase(&w->t, w->next -= 0x1000, NULL);
}

/* The newest comes, the oldest goes: two places far apart. */
static void queue_more(void *arg, uint64_t n)
{
	struct world *w = arg;

	for (; n--; w->next += 0x1000, w->oldest += 0x1000) {
		insert(w, w->next);
		range_erase(&w->t, w->oldest, NULL);
	}
}

static void find(void *arg, uint64_t n)
{
	struct world *w = arg;
	struct range r = {0};

	while (n--)
		range_first_overlap(&w->t, random_page(&w->rng), U64MAX, &r);
	bench_use(r.start);
}

static void lookup(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t found = 0;
	struct range r;

	while (n--)
		found += range_lookup(&w->t, random_page(&w->rng), &r);
	bench_use(found);
}

static void bench_random_order(struct bench *b, uint64_t count)
{
	struct world w = {.rng = 3};
	struct bench_cost limit = bench_chase(b, count * 32 + 4096);
	char name[80];

	range_init(&w.t, NULL);
	for (uint64_t i = 0; i < count; i++)
		insert(&w, random_page(&w.rng));
	snprintf(name, sizeof(name), "range insert+erase, random, at %lu", (unsigned long)count);
	bench_row(b, name, bench_run(b, random_more, &w, 300000), "chase over the leaves", limit);
	snprintf(name, sizeof(name), "range find, random, at %lu", (unsigned long)count);
	bench_row(b, name, bench_run(b, find, &w, 500000), "chase over the leaves", limit);
	snprintf(name, sizeof(name), "range lookup without locks, random, at %lu",
		 (unsigned long)count);
	bench_row(b, name, bench_run(b, lookup, &w, 500000), "chase over the leaves", limit);
	printf("    %.1f bytes for each range\n", (double)range_footprint(&w.t) / (double)count);
	range_destroy(&w.t);
}

static void bench_ordered(struct bench *b, uint64_t count)
{
	struct world w = {.rng = 3};
	struct bench_cost none = {0};
	char name[80];

	range_init(&w.t, NULL);
	for (; w.next < count << 12; w.next += 0x1000)
		insert(&w, w.next);
	printf("    %.1f bytes for each range\n", (double)range_footprint(&w.t) / (double)count);
	snprintf(name, sizeof(name), "range insert+erase, ascending, at %lu", (unsigned long)count);
	bench_row(b, name, bench_run(b, ascending_more, &w, 300), NULL, none);
	snprintf(name, sizeof(name), "range insert+erase, as a queue, at %lu",
		 (unsigned long)count);
	bench_row(b, name, bench_run(b, queue_more, &w, 300000), NULL, none);
	range_destroy(&w.t);
}

int main(int argc, char **argv)
{
	static const uint64_t counts[] = {1000, 10000, 1000000};
	struct bench b;

	bench_begin(&b, argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		bench_random_order(&b, counts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		bench_ordered(&b, counts[i]);
	return bench_end(&b);
}

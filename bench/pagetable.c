/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables: map, unmap, translate, for each format.
 *
 * A map writes its entries at least: runs are shown beside plain stores of as many words over as
 * much memory. A translation loads its leaf entry at least: beside dependent loads over as much
 * memory as the leaf tables take.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "pagetable/pt.h"

#define K4 0x1000ull
#define M2 (2ull << 20)
#define G1 (1ull << 30)

struct world {
	const char *name;
	struct pt_mem *mem;
	struct pt *pt;
	uint64_t len, pa, span, rng;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void open_world(struct world *w, const char *name, const struct pt_ops *ops)
{
	struct pt_config cfg = {.ops = ops, .levels = 4};

	*w = (struct world){.name = name, .rng = 1};
	check(pt_mem_create(&w->mem), "pt_mem_create");
	check(pt_create(w->mem, &cfg, &w->pt), "pt_create");
}

static void close_world(struct world *w)
{
	pt_destroy(w->pt);
	pt_mem_destroy(w->mem);
}

static void unmap(struct world *w, uint64_t iova, uint64_t len)
{
	struct pt_gather g = {0};
	uint64_t unmapped;

	check(pt_unmap(w->pt, iova, len, &g, &unmapped), "pt_unmap");
	pt_gather_free(w->mem, &g);
}

/* Two places in turn. */
static void map_unmap(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t first = 2 * G1, other = first + (w->len > M2 ? w->len : M2), iova = first;

	for (; n--; iova = iova == first ? other : first) {
		check(pt_map(w->pt, iova, w->pa, w->len, PT_READ | PT_WRITE), "pt_map");
		unmap(w, iova, w->len);
	}
}

static void translate(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t pages = w->span >> 12, sum = 0;
	struct pt_leaf leaf;

	while (n--) {
		uint64_t page = (unsigned __int128)bench_random(&w->rng) * pages >> 64;

		check(pt_translate(w->pt, page << 12, &leaf), "pt_translate");
		sum += leaf.pa;
	}
	bench_use(sum);
}

static void translate_batch(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t pages = w->span >> 12, iova[16];
	struct pt_leaf leaf[16];

	for (; n >= 16; n -= 16) {
		for (int i = 0; i < 16; i++)
			iova[i] = (unsigned __int128)bench_random(&w->rng) * pages >> 64 << 12;
		check(pt_translate_batch(w->pt, iova, 16, leaf) == 16 ? 0 : -2,
		      "pt_translate_batch");
	}
}

static uint64_t *stream;

static void store_512(void *arg, uint64_t n)
{
	for (; n--; stream[n % (G1 / K4)] = n)
		__asm__ volatile("" : : : "memory");
}

static void row(struct bench *b, struct world *w, const char *what, struct bench_cost cost,
		double each, const char *limit, struct bench_cost limit_cost)
{
	char name[100];

	snprintf(name, sizeof(name), "%s %s", w->name, what);
	cost.ns /= each;
	cost.ir /= each;
	bench_row(b, name, cost, limit, limit_cost);
}

/* pa_skew keeps leaves at 4 KiB: IOVA and PA are not congruent. */
static void bench_writes(struct bench *b, struct world *w, struct bench_cost store)
{
	static const struct {
		const char *name;
		uint64_t len, pa, runs;
		double each;
	} rows[] = {
		{"map+unmap 4 KiB", K4, 8 * G1 + K4, 2000000, 1},
		{"map+unmap 64 x 4 KiB, per page", 64 * K4, 8 * G1 + K4, 100000, 64},
		{"map+unmap 64 x 4 KiB congruent, per page", 64 * K4, 8 * G1, 100000, 64},
		{"map+unmap 2 MiB leaf", M2, 8 * G1, 2000000, 1},
		{"map+unmap 1 GiB of 4 KiB, per page", G1, 8 * G1 + K4, 40, G1 / K4},
		{"map+unmap 1 GiB leaf", G1, 8 * G1, 1000000, 1},
	};

	/* Tables present: something else stands in them. */
	check(pt_map(w->pt, 2 * G1 + M2 - K4, 0, K4, PT_READ), "pt_map");
	check(pt_map(w->pt, 2 * G1 + 2 * M2 - K4, 0, K4, PT_READ), "pt_map");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].len == M2)
			unmap(w, 2 * G1, 2 * M2);
		w->len = rows[i].len;
		w->pa = rows[i].pa;
		row(b, w, rows[i].name, bench_run(b, map_unmap, w, rows[i].runs), rows[i].each,
		    "one store", store);
	}
}

static void bench_reads(struct bench *b, struct world *w)
{
	static const struct {
		const char *name, *limit;
		uint64_t span;
	} rows[] = {
		{"translate, 2 MiB of 4 KiB", "chase in 4 KiB", M2},
		{"translate, 1 GiB of 4 KiB", "chase in 2 MiB", G1},
		{"translate, 64 GiB of 4 KiB", "chase in 128 MiB", 64 * G1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench_cost limit = bench_chase(b, rows[i].span / 512);
		char batch[64];

		w->span = rows[i].span;
		check(pt_map(w->pt, 0, 64 * G1 + K4, w->span, PT_READ | PT_WRITE), "pt_map");
		row(b, w, rows[i].name, bench_run(b, translate, w, 2000000), 1, rows[i].limit,
		    limit);
		snprintf(batch, sizeof(batch), "%s, by 16", rows[i].name);
		row(b, w, batch, bench_run(b, translate_batch, w, 2000000), 1, rows[i].limit,
		    limit);
		unmap(w, 0, w->span);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		const struct pt_ops *ops;
	} formats[] = {{"vtd", &pt_vtd_ss}, {"amd", &pt_amdv1}};
	struct bench_cost store;
	struct bench b;

	bench_begin(&b, argc, argv);
	stream = calloc(G1 / K4, sizeof(*stream));
	check(stream ? 0 : -12, "memory");
	store = bench_run(&b, store_512, NULL, 4000000);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w;

		open_world(&w, formats[i].name, formats[i].ops);
		bench_writes(&b, &w, store);
		bench_reads(&b, &w);
		close_world(&w);
	}
	free(stream);
	return bench_end(&b);
}

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

/* The first two are measured in full, the others in the rows that differ by format. */
static const struct format {
	const char *name;
	const struct pt_ops *ops;
	unsigned int levels;
	bool full;
} formats[] = {
	{"vtd", &pt_vtd_ss, 4, true},
	{"amd", &pt_amdv1, 4, true},
	{"vtd fs", &pt_vtd_fs, 4, false},
	{"amd v2", &pt_amdv2, 4, false},
	{"arm s1 4K", &pt_arm64_s1_4k, 4, false},
	{"arm s1 16K", &pt_arm64_s1_16k, 4, false},
	{"arm s1 64K", &pt_arm64_s1_64k, 3, false},
	{"arm s2 4K", &pt_arm64_s2_4k, 4, false},
	{"arm s2 4K ds", &pt_arm64_s2_4k_ds, 4, false},
	{"riscv Sv48", &pt_riscv_s1, 4, false},
	{"riscv Sv48x4", &pt_riscv_s2, 4, false},
	{"s390", &pt_s390, 3, false},
	{"power 4K", &pt_power_4k, 4, false},
	{"power 64K", &pt_power_64k, 3, false},
};

struct world {
	const struct format *format;
	struct pt_mem *mem;
	struct pt *pt;
	uint64_t page, block; /* the smallest leaf; what a table of them covers */
	uint64_t len, pa, span, rng;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void open_world(struct world *w, const struct format *format)
{
	const struct pt_ops *ops = format->ops;
	struct pt_config cfg = {.ops = ops, .levels = format->levels};

	*w = (struct world){.format = format, .rng = 1, .page = BIT(ops->page_lg2)};
	w->block = w->page << (ops->leaf_index_lg2 ? ops->leaf_index_lg2 : ops->index_lg2);
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
	uint64_t first = 2 * G1, other = first + (w->len > w->block ? w->len : w->block),
		 iova = first;

	for (; n--; iova = iova == first ? other : first) {
		check(pt_map(w->pt, iova, w->pa, w->len, PT_READ | PT_WRITE), "pt_map");
		unmap(w, iova, w->len);
	}
}

static void translate(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t pages = w->span / w->page, sum = 0;
	struct pt_leaf leaf;

	while (n--) {
		uint64_t page = (unsigned __int128)bench_random(&w->rng) * pages >> 64;

		check(pt_translate(w->pt, page * w->page, &leaf), "pt_translate");
		sum += leaf.pa;
	}
	bench_use(sum);
}

static void translate_batch(void *arg, uint64_t n)
{
	struct world *w = arg;
	uint64_t pages = w->span / w->page, iova[16];
	struct pt_leaf leaf[16];

	for (; n >= 16; n -= 16) {
		for (int i = 0; i < 16; i++)
			iova[i] =
				(uint64_t)((unsigned __int128)bench_random(&w->rng) * pages >> 64) *
				w->page;
		check(pt_translate_batch(w->pt, iova, 16, leaf) == 16 ? 0 : -2,
		      "pt_translate_batch");
	}
}

/* The same tables as a guest's: entry by entry through a callback. */
static int read_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	const struct world *w = arg;

	*entry = *(const uint64_t *)(const void *)(pt_mem_base(w->mem) + pa);
	return 0;
}

static void walk_foreign(void *arg, uint64_t n)
{
	struct world *w = arg;
	const struct pt_ops *ops = w->format->ops;
	struct pt_regime r = {.ops = ops,
			      .root_pa = pt_root_pa(w->pt),
			      .levels = w->format->levels,
			      .ias = log2_floor(w->pt->input_last) + 1 + ops->sign_extended,
			      .oas = log2_floor(w->pt->output_last) + 1,
			      .page_sizes = pt_page_sizes(w->pt),
			      .flags = PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_NX,
			      .read = read_entry,
			      .arg = w};
	uint64_t pages = w->span / w->page, sum = 0;
	struct pt_walk out;

	while (n--) {
		uint64_t page = (unsigned __int128)bench_random(&w->rng) * pages >> 64;

		check(pt_walk_foreign(&r, page * w->page, &out, NULL, NULL), "pt_walk_foreign");
		sum += out.pa;
	}
	bench_use(sum);
}

static uint64_t *stream;

static void store_512(void *arg, uint64_t n)
{
	for (; n--; stream[n % (G1 / K4)] = n)
		__asm__ volatile("" : : : "memory");
}

/* In @what %s is the size of a page. */
static void row(struct bench *b, struct world *w, const char *what, struct bench_cost cost,
		double each, const char *limit, struct bench_cost limit_cost)
{
	char name[100], page[20];
	int n = snprintf(name, sizeof(name), "%s ", w->format->name);

	snprintf(page, sizeof(page), "%u KiB", (unsigned int)(w->page >> 10));
	snprintf(name + n, sizeof(name) - (size_t)n, what, page);
	cost.ns /= each;
	cost.best /= each;
	cost.ir /= each;
	bench_row(b, name, cost, limit, limit_cost);
}

/* PAs one page off keep leaves small: IOVA and PA are not congruent. */
static void bench_writes(struct bench *b, struct world *w, struct bench_cost store)
{
	const struct {
		const char *name;
		uint64_t len, skew, runs;
		double each;
		bool full;
	} rows[] = {
		{"map+unmap %s", w->page, 1, 2000000, 1, false},
		{"map+unmap 64 x %s, per page", 64 * w->page, 1, 100000, 64, false},
		{"map+unmap 64 x %s congruent, per page", 64 * w->page, 0, 100000, 64, true},
		{"map+unmap 2 MiB leaf", w->block, 0, 2000000, 1, true},
		{"map+unmap 1 GiB of %s, per page", G1, 1, 40, (double)G1 / (double)w->page, false},
		{"map+unmap 1 GiB leaf", G1, 0, 1000000, 1, true},
	};

	/* Tables present: something else stands in them. */
	check(pt_map(w->pt, 2 * G1 + w->block - w->page, 0, w->page, PT_READ), "pt_map");
	check(pt_map(w->pt, 2 * G1 + 2 * w->block - w->page, 0, w->page, PT_READ), "pt_map");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].full && !w->format->full)
			continue;
		if (rows[i].len == w->block || rows[i].len == G1)
			unmap(w, 2 * G1, 2 * w->block);
		w->len = rows[i].len;
		w->pa = 8 * G1 + rows[i].skew * w->page;
		row(b, w, rows[i].name, bench_run(b, map_unmap, w, rows[i].runs), rows[i].each,
		    "one store", store);
	}
}

static void bench_reads(struct bench *b, struct world *w)
{
	static const struct {
		const char *name, *limit;
		uint64_t span;
		bool full;
	} rows[] = {
		{"translate, 2 MiB of %s", "chase in 4 KiB", M2, false},
		{"translate, 1 GiB of %s", "chase in 2 MiB", G1, false},
		{"translate, 64 GiB of %s", "chase in 128 MiB", 64 * G1, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench_cost limit;
		char batch[64];

		if (rows[i].full && !w->format->full)
			continue;
		limit = bench_chase(b, rows[i].span / 512);
		w->span = rows[i].span;
		check(pt_map(w->pt, 0, 64 * G1 + w->page, w->span, PT_READ | PT_WRITE), "pt_map");
		row(b, w, rows[i].name, bench_run(b, translate, w, 2000000), 1, rows[i].limit,
		    limit);
		if (!i)
			row(b, w, "walk as foreign, 2 MiB of %s",
			    bench_run(b, walk_foreign, w, 1000000), 1, rows[i].limit, limit);
		snprintf(batch, sizeof(batch), "%s, by 16", rows[i].name);
		row(b, w, batch, bench_run(b, translate_batch, w, 2000000), 1, rows[i].limit,
		    limit);
		unmap(w, 0, w->span);
	}
}

int main(int argc, char **argv)
{
	struct bench_cost store;
	struct bench b;

	bench_begin(&b, argc, argv);
	stream = calloc(G1 / K4, sizeof(*stream));
	check(stream ? 0 : -12, "memory");
	store = bench_run(&b, store_512, NULL, 4000000);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w;

		open_world(&w, &formats[i]);
		bench_writes(&b, &w, store);
		bench_reads(&b, &w);
		close_world(&w);
	}
	free(stream);
	return bench_end(&b);
}

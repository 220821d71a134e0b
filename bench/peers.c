/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables beside Linux's own code for them, in one process and in the same rounds: generic_pt
 * and io-pgtable-arm, compiled for user space (bench/build-peers) by gcc and by clang, of which the
 * quicker counts. Both sides make the same tables, as tests/formats/compare.c shows.
 *
 * What is not the same. Theirs lacks what surrounds it in a kernel: no preemption, no tracing;
 * pages come, zeroed, from a free list without locks. A range becomes leaf sizes for io-pgtable-arm
 * as the IOMMU core does that. Theirs lets maps of other ranges run beside each other; ours wants
 * one writer at a time, but lists its tables under a lock of its own and has found out that all of
 * a range is free before it writes anything. No invalidations on either side.
 *
 * Each row: ns of one operation, ours; the same of theirs; and ours as a multiple of theirs.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "linux.h"
#include "pagetable/pt.h"

#define M2     (2ull << 20)
#define G1     (1ull << 30)
#define BASE   (512 * G1) /* where mappings come and go: the beginning of a table of each level */
#define PLACES 65536

/* linux.h's, by compiler. */
enum { GCC, CLANG, NR_COMPILERS };
static const char *const compilers[] = {"gcc", "clang"};
#define BUILDS(name) gcc_##name, clang_##name
linux_open BUILDS(linux_amdv1), BUILDS(linux_vtdss), BUILDS(linux_x86_64), BUILDS(linux_riscv_64),
	BUILDS(linux_arm64_s1), BUILDS(linux_arm64_s2);
int gcc_linux_prot(int prot);

static const struct peer {
	const char *name, *theirs;
	const struct pt_ops *ops;
	linux_open *open[NR_COMPILERS];
	unsigned int levels, ias;
	uint64_t page_sizes; /* what both can do */
} peers[] = {
	{"vtd ss", "generic_pt vtdss", &pt_vtd_ss, {BUILDS(linux_vtdss)}, 4, 48},
	{"vtd fs", "generic_pt x86_64", &pt_vtd_fs, {BUILDS(linux_x86_64)}, 4, 48},
	{"amd v1", "generic_pt amdv1", &pt_amdv1, {BUILDS(linux_amdv1)}, 4, 48},
	{"riscv Sv48", "generic_pt riscv64", &pt_riscv_s1, {BUILDS(linux_riscv_64)}, 4, 48},
	{"arm s1 4K",
	 "io-pgtable-arm",
	 &pt_arm64_s1_4k,
	 {BUILDS(linux_arm64_s1)},
	 4,
	 48,
	 BIT(12) | BIT(21) | BIT(30)},
	{"arm s2 4K",
	 "io-pgtable-arm",
	 &pt_arm64_s2_4k,
	 {BUILDS(linux_arm64_s2)},
	 4,
	 48,
	 BIT(12) | BIT(21) | BIT(30)},
	{"arm s1 64K",
	 "io-pgtable-arm",
	 &pt_arm64_s1_64k,
	 {BUILDS(linux_arm64_s1)},
	 3,
	 48,
	 BIT(16) | BIT(29)},
};

/* One of those that are compared. */
struct side {
	struct world *w;
	struct linux_table *linux_pt; /* NULL: ours */
};

enum { OURS = NR_COMPILERS, NR_SIDES };

struct world {
	const struct peer *peer;
	struct pt_mem *mem;
	struct pt *pt;
	struct side sides[NR_SIDES];
	uint64_t page, len, rng;
	uint64_t pa; /* what is added to an IOVA; no multiple of a leaf's size: leaves stay small */
	uint64_t *places; /* where mappings of @len go: PLACES IOVAs */
	uint64_t span;	  /* that is mapped, for reading */
	int prot;	  /* Linux's */
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void open_world(struct world *w, const struct peer *peer)
{
	struct pt_config cfg = {.ops = peer->ops,
				.levels = peer->levels,
				.ias = peer->ias,
				.oas = 48,
				.page_sizes = peer->page_sizes};
	struct linux_config theirs = {.levels = peer->levels, .ias = peer->ias, .oas = 48};

	*w = (struct world){.peer = peer, .rng = 1, .page = BIT(peer->ops->page_lg2)};
	w->prot = gcc_linux_prot(PT_READ | PT_WRITE);
	w->places = malloc(PLACES * sizeof(*w->places));
	check(w->places ? 0 : -12, "memory");
	check(pt_mem_create(&w->mem), "pt_mem_create");
	check(pt_create(w->mem, &cfg, &w->pt), "pt_create");
	theirs.page_sizes = pt_page_sizes(w->pt);
	theirs.napot = theirs.page_sizes & BIT(16);
	w->sides[OURS].w = w;
	for (int i = 0; i < NR_COMPILERS; i++) {
		w->sides[i] = (struct side){w, peer->open[i](&theirs)};
		check(w->sides[i].linux_pt ? 0 : -22, peer->theirs);
	}
}

static void close_world(struct world *w)
{
	for (int i = 0; i < NR_COMPILERS; i++)
		w->sides[i].linux_pt->close(w->sides[i].linux_pt);
	pt_destroy(w->pt);
	pt_mem_destroy(w->mem);
	free(w->places);
}

static void map(struct side *s, uint64_t iova, uint64_t len)
{
	struct world *w = s->w;
	struct linux_table *t = s->linux_pt;

	if (t)
		check(t->map(t, iova, iova + w->pa, len, w->prot), w->peer->theirs);
	else
		check(pt_map(w->pt, iova, iova + w->pa, len, PT_READ | PT_WRITE), "pt_map");
}

static void unmap(struct side *s, uint64_t iova, uint64_t len)
{
	struct linux_table *t = s->linux_pt;
	struct pt_gather g = {0};
	uint64_t unmapped;

	if (t) {
		unmapped = t->unmap(t, iova, len);
	} else {
		check(pt_unmap(s->w->pt, iova, len, &g, &unmapped), "pt_unmap");
		pt_gather_free(s->w->mem, &g);
	}
	check(unmapped == len ? 0 : -5, "unmap");
}

static void map_places(void *arg, uint64_t n)
{
	struct side *s = arg;

	for (uint64_t i = 0; i < n; i++)
		map(s, s->w->places[i], s->w->len);
}

static void unmap_places(void *arg, uint64_t n)
{
	struct side *s = arg;

	for (uint64_t i = 0; i < n; i++)
		unmap(s, s->w->places[i], s->w->len);
}

/* The same place again and again, nothing beside it in its table. */
static void map_unmap(void *arg, uint64_t n)
{
	struct side *s = arg;

	while (n--) {
		map(s, BASE, s->w->page);
		unmap(s, BASE, s->w->page);
	}
}

static void translate(void *arg, uint64_t n)
{
	struct side *s = arg;
	struct world *w = s->w;
	struct linux_table *t = s->linux_pt;
	struct pt_leaf leaf;
	uint64_t sum = 0;

	while (n--) {
		uint64_t iova = (unsigned __int128)bench_random(&w->rng) * w->span >> 64, pa;

		if (t) {
			pa = t->translate(t, iova);
		} else {
			check(pt_translate(w->pt, iova, &leaf), "pt_translate");
			pa = leaf.pa;
		}
		check(pa == iova + w->pa ? 0 : -5, "translate");
		sum += pa;
	}
	bench_use(sum);
}

/* One figure of a world: of each side a step, what[i] @n operations, each of @each. */
static void measure(struct bench *b, struct world *w, void (*const what[])(void *, uint64_t n),
		    unsigned int nr, uint64_t n, struct bench_cost (*cost)[NR_SIDES])
{
	struct bench_step steps[BENCH_STEPS];
	struct bench_cost flat[BENCH_STEPS];

	for (unsigned int i = 0; i < NR_SIDES * nr; i++)
		steps[i] = (struct bench_step){what[i % nr], &w->sides[i / nr]};
	bench_steps(b, steps, NR_SIDES * nr, n, flat);
	for (unsigned int i = 0; i < NR_SIDES * nr; i++)
		cost[i % nr][i / nr] = flat[i];
}

/* "NAME: WHAT", with @size for WHAT's %s. */
static void row(struct bench *b, const struct world *w, const char *what, uint64_t size,
		struct bench_cost *cost, double each)
{
	char name[100], text[20], theirs[40];
	int n = snprintf(name, sizeof(name), "%s: ", w->peer->name), best = GCC;

	for (int i = 0; i < NR_SIDES; i++) {
		cost[i].ns /= each;
		cost[i].best /= each;
		cost[i].ir /= each;
	}
	if (cost[CLANG].ns < cost[GCC].ns)
		best = CLANG;
	if (size < M2)
		snprintf(text, sizeof(text), "%u KiB", (unsigned int)(size >> 10));
	else if (size < G1)
		snprintf(text, sizeof(text), "%u MiB", (unsigned int)(size >> 20));
	else
		snprintf(text, sizeof(text), "%u GiB", (unsigned int)(size >> 30));
	snprintf(name + n, sizeof(name) - (size_t)n, what, text);
	snprintf(theirs, sizeof(theirs), "%s, %s", w->peer->theirs, compilers[best]);
	bench_row(b, name, cost[OURS], theirs, cost[best]);
}

/* Mappings of so many pages, or of one leaf of a level; in order, and with others around them. */
static const struct kind {
	const char *map, *unmap;
	unsigned int level, pages, n;
	bool random;
} kinds[] = {
	{"map %s", "unmap %s", 0, 1, 4096},
	{"map 64 x %s, each", "unmap 64 x %s, each", 0, 64, 512},
	{"map %s at random", "unmap %s at random", 0, 1, PLACES, true},
	{"map a leaf of %s", "unmap a leaf of %s", 1, 1, 2048},
	{"map a leaf of %s", "unmap a leaf of %s", 2, 1, 256},
};

static uint64_t leaf_size(const struct world *w, unsigned int level)
{
	return w->page << level * w->peer->ops->index_lg2;
}

static void shuffle(struct world *w, uint64_t n)
{
	for (uint64_t i = n - 1; i > 0; i--) {
		uint64_t k = (bench_random(&w->rng) >> 32) % (i + 1), swap = w->places[i];

		w->places[i] = w->places[k];
		w->places[k] = swap;
	}
}

/* Where mappings are to go; and a page at each place that is left out, for good: the first of each
 * table, so that the table is there, or every second. */
static void furnish(struct world *w, const struct kind *k, bool mapped)
{
	uint64_t table = k->random ? 2 * w->len : leaf_size(w, k->level + 1), n = 0;

	for (uint64_t iova = BASE; n < k->n; iova += w->len) {
		if (iova % table) {
			w->places[n++] = iova;
			continue;
		}
		for (int i = 0; i < NR_SIDES; i++)
			(mapped ? map : unmap)(&w->sides[i], iova, w->page);
	}
	if (k->random)
		shuffle(w, k->n);
}

static void (*const map_then_unmap[])(void *, uint64_t n) = {map_places, unmap_places};

static void bench_kind(struct bench *b, struct world *w, const struct kind *k)
{
	uint64_t size = leaf_size(w, k->level);
	struct bench_cost cost[2][NR_SIDES];

	if (!(pt_page_sizes(w->pt) & size))
		return;
	w->len = size * k->pages;
	w->pa = 8 * G1 + (k->level ? 0 : w->page);
	furnish(w, k, true);
	measure(b, w, map_then_unmap, 2, k->n, cost);
	furnish(w, k, false);
	row(b, w, k->map, size, cost[0], k->pages);
	row(b, w, k->unmap, size, cost[1], k->pages);
}

static void bench_alone(struct bench *b, struct world *w)
{
	void (*const steps[])(void *, uint64_t n) = {map_unmap};
	struct bench_cost cost[1][NR_SIDES];

	measure(b, w, steps, 1, 20000, cost);
	row(b, w, "map+unmap %s, alone in its table", w->page, cost[0], 1);
}

/* Tables for all of it are made, and go again. */
static void bench_large(struct bench *b, struct world *w)
{
	struct bench_cost cost[2][NR_SIDES];

	w->len = G1;
	w->places[0] = BASE;
	w->pa = 8 * G1 + w->page;
	measure(b, w, map_then_unmap, 2, 1, cost);
	row(b, w, "map 1 GiB of %s", w->page, cost[0], 1);
	row(b, w, "unmap 1 GiB of %s", w->page, cost[1], 1);
}

static void bench_reads(struct bench *b, struct world *w, uint64_t span)
{
	void (*const steps[])(void *, uint64_t n) = {translate};
	struct bench_cost cost[1][NR_SIDES];
	char what[60];

	snprintf(what, sizeof(what), "translate in %u GiB of %%s", (unsigned int)(span >> 30));
	w->span = span;
	w->pa = 128 * G1 + w->page;
	for (int i = 0; i < NR_SIDES; i++)
		map(&w->sides[i], 0, span);
	measure(b, w, steps, 1, 100000, cost);
	row(b, w, what, w->page, cost[0], 1);
	for (int i = 0; i < NR_SIDES; i++)
		unmap(&w->sides[i], 0, span);
}

int main(int argc, char **argv)
{
	struct bench b;

	bench_begin(&b, argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		struct world w;

		open_world(&w, &peers[i]);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			bench_kind(&b, &w, &kinds[k]);
		bench_alone(&b, &w);
		bench_large(&b, &w);
		bench_reads(&b, &w, G1);
		bench_reads(&b, &w, 64 * G1);
		close_world(&w);
	}
	return bench_end(&b);
}

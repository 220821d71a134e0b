/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random scripts of map, unmap, cut, mark and dirty reads on every format and geometry, against an
 * array of pages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"

#define PAGES (3u << 18) /* a window of 3 GiB, so that 1 GiB leaves come and go */

struct page {
	uint64_t pa;
	uint8_t present, prot, dirty;
};

struct world {
	const struct geometry *g;
	struct fixture fx;
	uint64_t base; /* first IOVA of the window, 1 GiB aligned */
	struct page *pages;
	uint64_t rnd;
	size_t empty; /* units of table memory that an empty table takes */
};

static struct page *page_of(struct world *w, uint64_t iova)
{
	return &w->pages[(iova - w->base) >> 12];
}

static uint64_t below(struct world *w, uint64_t n)
{
	return next_random(&w->rnd) % n;
}

/* A length of 1 page to 2 GiB, small ones as likely as large ones. */
static uint64_t some_len(struct world *w)
{
	uint64_t n = below(w, BIT(1 + below(w, 19))) + 1;

	return (below(w, 3) ? n : BIT(log2_floor(n))) << 12;
}

static uint64_t some_iova(struct world *w, uint64_t len)
{
	uint64_t first = below(w, PAGES - (len >> 12) + 1) << 12;

	return w->base + align_down(first, BIT(12 + below(w, 19)));
}

static uint64_t some_pa(struct world *w, uint64_t iova)
{
	uint64_t pa = (below(w, 1ull << 20) << 12) + (7ull << 30);
	unsigned int congruent = 12 + (unsigned int)below(w, 19);

	return below(w, 4) ? align_down(pa, BIT(congruent)) | (iova & MASK(congruent)) : pa;
}

/* The whole window: leaf by leaf, by the engine and by the naive walk, against the pages. */
static void compare(struct world *w)
{
	uint64_t iova = w->base, end = w->base + ((uint64_t)PAGES << 12), bytes = 0;

	while (iova != end) {
		struct naive_leaf n = naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), iova);
		struct pt_leaf leaf;
		int rc = pt_translate(w->fx.pt, iova, &leaf);

		assert_int_equal(rc, n.present ? 0 : -ENOENT);
		if (rc) {
			assert_false(page_of(w, iova)->present);
			iova += 0x1000;
			continue;
		}
		assert_int_equal(leaf.pa, n.pa);
		assert_int_equal(leaf.lg2, n.lg2);
		assert_int_equal(leaf.prot, n.prot);
		assert_true(pt_page_sizes(w->fx.pt) & BIT(leaf.lg2));
		assert_true(is_aligned(iova, BIT(leaf.lg2)));
		assert_int_equal(leaf.raw & ~w->g->naive->flags,
				 naive_encode(w->g, leaf.pa, leaf.lg2, leaf.prot) &
					 ~w->g->naive->flags);
		for (uint64_t at = 0; at < BIT(leaf.lg2); at += 0x1000) {
			const struct page *p = page_of(w, iova + at);

			if (!p->present || p->pa != leaf.pa + at || p->prot != leaf.prot ||
			    p->dirty != n.dirty)
				fail_msg("%s: iova %#lx", w->g->name, (long)(iova + at));
		}
		bytes += BIT(leaf.lg2);
		iova += BIT(leaf.lg2);
	}
	assert_int_equal(pt_mapped_bytes(w->fx.pt), bytes);
}

static void step_map(struct world *w)
{
	uint64_t len = some_len(w), iova = some_iova(w, len), pa = some_pa(w, iova), hash = 0;
	int prot = 1 + (int)below(w, 3), granted = naive_prot(w->g, prot);
	bool taken = false, check = below(w, 64) == 0;

	for (uint64_t at = 0; at < len; at += 0x1000)
		taken |= page_of(w, iova + at)->present;
	if (check)
		hash = fixture_hash(w->fx.pt);
	assert_int_equal(pt_map(w->fx.pt, iova, pa, len, prot), taken ? -EEXIST : 0);
	if (taken && check)
		assert_int_equal(fixture_hash(w->fx.pt), hash);
	for (uint64_t at = 0; !taken && at < len; at += 0x1000)
		*page_of(w, iova + at) = (struct page){pa + at, 1, (uint8_t)granted, 0};
}

static void step_unmap(struct world *w)
{
	uint64_t len = some_len(w), iova = some_iova(w, len), unmapped, expected = 0;
	struct pt_gather gather = {0};

	assert_int_equal(pt_unmap(w->fx.pt, iova, len, &gather, &unmapped), 0);
	pt_gather_free(w->fx.mem, &gather);
	assert_true(pt_gather_empty(&gather));
	for (uint64_t at = 0; at < len; at += 0x1000) {
		expected += page_of(w, iova + at)->present * 0x1000;
		*page_of(w, iova + at) = (struct page){0};
	}
	assert_int_equal(unmapped, expected);
}

static void step_cut(struct world *w)
{
	uint64_t iova = some_iova(w, 0x1000);
	struct pt_leaf leaf;

	assert_int_equal(pt_cut(w->fx.pt, iova), 0);
	if (!pt_translate(w->fx.pt, iova, &leaf))
		assert_true(is_aligned(iova, BIT(leaf.lg2)));
}

/* Calls of a device: flags one leaf. */
static void step_mark(struct world *w)
{
	uint64_t iova = some_iova(w, 0x1000) + below(w, 0x1000), start;
	const struct page *p = page_of(w, iova);
	bool dirty = below(w, 4);
	struct pt_leaf leaf;

	if (!p->present || (dirty && !(p->prot & PT_WRITE))) {
		assert_int_equal(pt_mark(w->fx.pt, iova, dirty), p->present ? -EACCES : -ENOENT);
		return;
	}
	assert_int_equal(pt_translate(w->fx.pt, iova, &leaf), 0);
	assert_int_equal(pt_mark(w->fx.pt, iova, dirty), 0);
	if (!w->g->naive->dirty)
		return;
	start = align_down(iova, BIT(leaf.lg2));
	for (uint64_t at = 0; dirty && at < BIT(leaf.lg2); at += 0x1000)
		page_of(w, start + at)->dirty = 1;
	assert_int_equal(pt_translate(w->fx.pt, iova, &leaf), 0);
	assert_true(leaf.accessed);
	assert_int_equal(leaf.dirty || !dirty, true);
}

struct expect {
	struct world *w;
	uint64_t next, last; /* everything below next was reported or is clean */
	unsigned int calls, stop_after;
};

static void expect_clean(struct expect *x, uint64_t end)
{
	for (; x->next < end; x->next += 0x1000)
		assert_false(page_of(x->w, x->next)->dirty);
}

static int expect_dirty(void *arg, uint64_t iova, uint64_t len)
{
	struct expect *x = arg;

	assert_true(len && iova >= x->next && iova + len - 1 <= x->last);
	expect_clean(x, iova);
	for (; x->next < iova + len; x->next += 0x1000)
		assert_true(page_of(x->w, x->next)->dirty);
	return ++x->calls == x->stop_after ? 42 : 0;
}

/* Whole leaves are cleared, so the twin's pages beyond the edges go with them. */
static void clear_twin(struct world *w, uint64_t iova, uint64_t end)
{
	struct pt_leaf leaf;

	if (iova == end)
		return;
	if (!pt_translate(w->fx.pt, iova, &leaf))
		iova = align_down(iova, BIT(leaf.lg2));
	if (!pt_translate(w->fx.pt, end - 1, &leaf))
		end = ((end - 1) | MASK(leaf.lg2)) + 1;
	for (; iova != end; iova += 0x1000)
		page_of(w, iova)->dirty = 0;
}

static void step_read_dirty(struct world *w)
{
	uint64_t len = some_len(w), iova = some_iova(w, len);
	struct expect x = {
		.w = w, .next = iova, .last = iova + len - 1, .stop_after = below(w, 3) ? 0 : 1};
	bool clear = below(w, 2);
	int rc = pt_read_dirty(w->fx.pt, iova, iova + len - 1, clear, expect_dirty, &x);

	if (!w->g->naive->dirty) {
		assert_int_equal(rc, -EOPNOTSUPP);
		return;
	}
	assert_true(rc == 0 || (rc == 42 && x.stop_after));
	if (!rc)
		expect_clean(&x, iova + len);
	if (clear)
		clear_twin(w, iova, x.next);
}

static void clear_all(struct world *w)
{
	struct pt_gather gather = {0};
	uint64_t last = w->fx.pt->input_last;

	/* The whole input width in two parts, since a length of 2^64 cannot be said. */
	assert_int_equal(pt_unmap(w->fx.pt, 0, last / 2 + 1, &gather, NULL), 0);
	assert_int_equal(pt_unmap(w->fx.pt, last / 2 + 1, last / 2 + 1, &gather, NULL), 0);
	pt_gather_free(w->fx.mem, &gather);
	memset(w->pages, 0, PAGES * sizeof(*w->pages));
	assert_int_equal(pt_mapped_bytes(w->fx.pt), 0);
	assert_int_equal(pt_mem_tables(w->fx.mem), w->empty);
}

/* One thread has nothing that ThreadSanitizer could find, and takes minutes under it. */
#ifdef __SANITIZE_THREAD__
#define STEPS	     300
#define EACH_SO_MANY 8
#else
#define STEPS	     1500
#define EACH_SO_MANY 1
#endif

static void run_script(const struct geometry *g, bool high, uint64_t seed)
{
	struct world w = {.g = g, .rnd = seed};
	uint64_t last;

	fixture_open(&w.fx, g);
	w.empty = pt_mem_tables(w.fx.mem);
	last = w.fx.pt->input_last;
	w.base = high ? last - ((uint64_t)PAGES << 12) + 1 : 0;
	w.pages = calloc(PAGES, sizeof(*w.pages));
	assert_non_null(w.pages);
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int dice = (unsigned int)below(&w, 100);

		if (dice < 40)
			step_map(&w);
		else if (dice < (step / 300 % 2 ? 70 : 52))
			step_unmap(&w);
		else if (dice < 75)
			step_cut(&w);
		else if (dice < 95)
			step_mark(&w);
		else
			step_read_dirty(&w);
		if (step % 300 == 299)
			compare(&w);
		if (step == 900)
			clear_all(&w);
	}
	compare(&w);
	clear_all(&w);
	free(w.pages);
	fixture_close(&w.fx);
}

/* Pages of 4 KiB, and room for the window. */
static bool fits(const struct geometry *g)
{
	if (naive_is_plain(g))
		return true;
	return !g->naive->dirty && naive_page_lg2(g) == 12 && g->levels > 2;
}

static void test_scripts(void **state)
{
	for (size_t i = 0; i < nr_geometries; i += EACH_SO_MANY) {
		if (!fits(&geometries[i]))
			continue;
		run_script(&geometries[i], false, 0x9e3779b97f4a7c15ull + i);
		run_script(&geometries[i], true, 0xbf58476d1ce4e5b9ull + i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

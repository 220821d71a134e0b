/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every format in every geometry: each leaf size at the edges of tables and of the input,
 * neighbours untouched, splits, permissions, flags, failing allocations. After each change all
 * tables in memory are compared with what the specification says of the leaves that ought to be
 * there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"

#define MOST_MAPS 40000

/* A page table and the leaves that ought to be in it. */
struct world {
	struct fixture fx;
	const struct geometry *g;
	struct naive_map *maps;
	size_t n;
};

static void world_open(struct world *w, const struct geometry *g)
{
	*w = (struct world){.g = g, .maps = calloc(MOST_MAPS, sizeof(*w->maps))};
	assert_non_null(w->maps);
	fixture_open(&w->fx, g);
}

/* The smallest leaf. */
static unsigned int unit(const struct world *w)
{
	return lowest_bit(pt_page_sizes(w->fx.pt));
}

static void check(const struct world *w)
{
	uint64_t bytes = 0;

	naive_compare(&w->fx, w->maps, w->n);
	for (size_t i = 0; i < w->n; i++)
		bytes += BIT(w->maps[i].lg2);
	assert_int_equal(pt_mapped_bytes(w->fx.pt), bytes);
}

static int by_iova(const void *a, const void *b)
{
	const struct naive_map *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Maps, here and there. */
static void map(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	assert_int_equal(pt_map(w->fx.pt, iova, pa, len, prot), 0);
	w->n += naive_split(w->fx.pt, iova, pa, len, prot, w->maps + w->n, MOST_MAPS - w->n);
	qsort(w->maps, w->n, sizeof(*w->maps), by_iova);
}

/* Whole leaves. */
static void unmap(struct world *w, uint64_t iova, uint64_t len)
{
	struct pt_gather gather = {0};
	uint64_t unmapped, expected = 0;
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->maps[i].iova >= iova && w->maps[i].iova - iova < len)
			expected += BIT(w->maps[i].lg2);
		else
			w->maps[kept++] = w->maps[i];
	}
	w->n = kept;
	assert_int_equal(pt_unmap(w->fx.pt, iova, len, &gather, &unmapped), 0);
	assert_int_equal(unmapped, expected);
	pt_gather_free(w->fx.mem, &gather);
}

/* In parts, since a length of 2^64 cannot be said. */
static void unmap_all(struct world *w)
{
	uint64_t half = w->fx.pt->input_last / 2 + 1;

	unmap(w, 0, half);
	unmap(w, half, half);
	if (naive_is_signed(w->g))
		unmap(w, -2 * half, 2 * half);
	assert_int_equal(w->n, 0);
	assert_int_equal(pt_mapped_bytes(w->fx.pt), 0);
}

static void world_close(struct world *w)
{
	unmap_all(w);
	check(w);
	free(w->maps);
	fixture_close(&w->fx);
}

/* Runs @test for each leaf size that the geometry has. */
static void each_size(void **state, void (*test)(struct world *w, unsigned int lg2))
{
	const struct geometry *g = *state;
	struct world w;
	uint64_t sizes;

	world_open(&w, g);
	sizes = pt_page_sizes(w.fx.pt);
	world_close(&w);
	for (; sizes; sizes &= sizes - 1) {
		world_open(&w, g);
		test(&w, lowest_bit(sizes));
		world_close(&w);
	}
}

/* A PA of this alignment and of no larger one. */
static uint64_t some_pa(const struct world *w, unsigned int lg2)
{
	uint64_t pa = lg2 < 32 ? BIT(33) + BIT(lg2) : 3 * BIT(lg2);

	assert_true(pa + MASK(lg2 + 2) <= w->fx.pt->output_last);
	return pa;
}

static void check_leaf(const struct world *w, uint64_t iova, uint64_t pa, unsigned int lg2,
		       int prot)
{
	uint64_t offsets[] = {0, 1, BIT(lg2) / 2, BIT(lg2) - 1};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint64_t at = iova + offsets[i];
		struct naive_leaf n = naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), at);
		struct pt_leaf leaf;

		assert_int_equal(pt_translate(w->fx.pt, at, &leaf), 0);
		assert_int_equal(leaf.pa, pa + offsets[i]);
		assert_int_equal(leaf.lg2, lg2);
		assert_int_equal(leaf.prot, naive_prot(w->g, prot));
		assert_true(n.present && n.pa == leaf.pa && n.lg2 == lg2 && n.prot == leaf.prot);
		assert_true(n.accessed == leaf.accessed && n.dirty == leaf.dirty);
		assert_int_equal(pt_translate_batch(w->fx.pt, &at, 1, &leaf), 1);
		assert_int_equal(leaf.pa, n.pa);
	}
}

static void check_nothing(const struct world *w, uint64_t iova)
{
	struct pt_leaf leaf = {.lg2 = 1};

	assert_int_equal(pt_translate(w->fx.pt, iova, &leaf), -ENOENT);
	assert_int_equal(pt_translate_batch(w->fx.pt, &iova, 1, &leaf), 0);
	assert_int_equal(leaf.lg2, 0);
	assert_false(naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), iova).present);
}

/* A leaf of @lg2 at @iova comes and goes between its neighbours. */
static void neighbours(struct world *w, uint64_t iova, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2);
	bool left = iova, right = iova + size - 1 != w->fx.pt->input_last;

	if (left)
		map(w, iova - size, pa + size, size, 1);
	if (right)
		map(w, iova + size, pa - size, size, 3);
	check(w);
	check_nothing(w, iova);
	check_nothing(w, iova + size - 1);
	map(w, iova, pa, size, 3);
	check(w);
	check_leaf(w, iova, pa, lg2, 3);
	if (left)
		check_leaf(w, iova - size, pa + size, lg2, 1);
	if (right)
		check_leaf(w, iova + size, pa - size, lg2, 3);
	unmap(w, iova, size);
	check(w);
	check_nothing(w, iova);
	check_nothing(w, iova + size - 1);
	unmap_all(w);
}

static void leaves_of(struct world *w, unsigned int lg2)
{
	uint64_t last = w->fx.pt->input_last;

	neighbours(w, 0, lg2);
	neighbours(w, last - MASK(lg2), lg2);
	for (unsigned int level = 1; level < w->g->levels; level++) {
		uint64_t edge = BIT(naive_shift(w->g, level));

		if (edge < BIT(lg2) || edge > last - MASK(lg2))
			continue;
		neighbours(w, edge, lg2);
		neighbours(w, edge - BIT(lg2), lg2);
	}
}

static void test_leaves(void **state)
{
	each_size(state, leaves_of);
}

/* Mappings of several sizes of leaf. */
static void mixed_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(unit(w)), size = BIT(lg2), pa = some_pa(w, lg2);
	uint64_t table = BIT(naive_shift(w->g, 0) + naive_index_bits(w->g, 0));

	if (w->fx.pt->input_last >= 3 * size) {
		map(w, size - page, pa - page, size + 2 * page, 3);
		check(w);
		if (size > page)
			check_leaf(w, size, pa, lg2, 3);
		unmap_all(w);
		map(w, size, pa, 2 * size, 3);
		check(w);
		unmap_all(w);
	}
	if (w->g->levels > 1 && naive_index_bits(w->g, 0) <= 13) {
		map(w, table - 3 * page, pa + page, table / 2 + 5 * page, 3);
		check(w);
		unmap_all(w);
		map(w, 0, pa + 2 * page, table + page, 3);
		check(w);
		unmap_all(w);
	}
}

static void test_mixed(void **state)
{
	each_size(state, mixed_of);
}

/* Whatever leaves there are now in [iova, iova + len) still lead to @pa; they become those of @w.
 */
static void adopt(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->maps[i].iova < iova || w->maps[i].iova - iova >= len)
			w->maps[kept++] = w->maps[i];
	}
	w->n = kept;
	for (uint64_t at = 0; at < len;) {
		struct naive_leaf n = naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), iova + at);

		assert_true(n.present && n.pa == pa + at && n.prot == naive_prot(w->g, prot));
		assert_true(BIT(n.lg2) <= len - at && !((iova + at) % BIT(n.lg2)));
		assert_true(w->n < MOST_MAPS);
		w->maps[w->n++] = (struct naive_map){.iova = iova + at,
						     .pa = pa + at,
						     .lg2 = n.lg2,
						     .prot = prot,
						     .accessed = n.accessed,
						     .dirty = n.dirty};
		at += BIT(n.lg2);
	}
	qsort(w->maps, w->n, sizeof(*w->maps), by_iova);
}

static void cut_out(struct world *w, unsigned int lg2, uint64_t offset)
{
	uint64_t page = BIT(unit(w)), size = BIT(lg2), pa = some_pa(w, lg2);
	uint64_t iova = w->fx.pt->input_last / 2 + 1, unmapped;
	struct pt_gather gather = {0};

	if (iova % size)
		iova = 0;
	map(w, iova, pa, size, 3);
	assert_int_equal(pt_unmap(w->fx.pt, iova + offset, page, &gather, &unmapped), 0);
	pt_gather_free(w->fx.mem, &gather);
	assert_int_equal(unmapped, page);
	check_nothing(w, iova + offset);
	w->n = 0;
	adopt(w, iova, pa, offset, 3);
	adopt(w, iova + offset + page, pa + offset + page, size - offset - page, 3);
	check(w);
	unmap_all(w);
}

/* A part of a leaf is unmapped: it is split. A part of the smallest is refused. */
static void splits_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(unit(w)), size = BIT(lg2);

	if (size == page) {
		uint64_t part = BIT(naive_page_lg2(w->g) - 1);

		map(w, 0, some_pa(w, lg2), size, 3);
		assert_int_equal(pt_unmap(w->fx.pt, 0, part, NULL, NULL), -EINVAL);
		assert_int_equal(pt_unmap(w->fx.pt, part, page, NULL, NULL), -EINVAL);
		assert_int_equal(pt_cut(w->fx.pt, part), -EINVAL);
		check(w);
		return;
	}
	cut_out(w, lg2, 0);
	cut_out(w, lg2, size - page);
	cut_out(w, lg2, size / 2);
	cut_out(w, lg2, align_down(size / 4 * 3, page) - page);
}

static void test_splits(void **state)
{
	each_size(state, splits_of);
}

static void test_permissions(void **state)
{
	const struct geometry *g = *state;
	struct world w;
	uint64_t page;

	world_open(&w, g);
	page = BIT(unit(&w));
	for (int prot = 0; prot < 4; prot++) {
		uint64_t iova = (uint64_t)prot * page;

		if (naive_prot(g, prot) < 0) {
			assert_int_equal(pt_map(w.fx.pt, iova, page, page, prot), -EINVAL);
			continue;
		}
		map(&w, iova, page, page, prot);
		check_leaf(&w, iova, page, unit(&w), prot);
	}
	check(&w);
	world_close(&w);
}

/* Whatever part of a mapping is taken, it is refused whole. */
static void occupied_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2), page = BIT(unit(w));

	if (w->fx.pt->input_last < 4 * size - 1)
		return;
	map(w, size, pa, size, 3);
	assert_int_equal(pt_map(w->fx.pt, size, pa, size, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 0, pa, 4 * size, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, size - page, pa, 2 * page, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 2 * size - page, pa, page, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 2 * size - page, pa, 2 * page, 3), -EEXIST);
	check(w);
	map(w, 3 * size, pa, page, 3);
	assert_int_equal(pt_map(w->fx.pt, 2 * size, pa, 2 * size, 3), -EEXIST);
	check(w);
}

static void test_occupied(void **state)
{
	each_size(state, occupied_of);
}

static void test_range(void **state)
{
	const struct geometry *g = *state;
	uint64_t part = BIT(naive_page_lg2(g) - 1), page, last, most, end;
	unsigned int bits = naive_shift(g, g->levels - 1) + naive_index_bits(g, g->levels - 1);
	struct pt_gather gather = {0};
	struct pt_step steps[PT_MAX_LEVELS];
	struct pt_leaf leaf;
	struct world w;

	world_open(&w, g);
	page = BIT(unit(&w));
	last = w.fx.pt->input_last;
	most = w.fx.pt->output_last + 1;
	end = last + 1;
	bits = (unsigned int)min_u64(bits, g->ias ? g->ias : g->ops->max_ias);
	assert_int_equal(last, MASK(naive_is_signed(g) ? bits - 1 : bits));
	assert_int_equal(pt_map(w.fx.pt, 0, 0, 0, 3), -EINVAL);
	assert_int_equal(pt_map(w.fx.pt, part, 0, page, 3), -EINVAL);
	assert_int_equal(pt_map(w.fx.pt, 0, part, page, 3), -EINVAL);
	assert_int_equal(pt_map(w.fx.pt, 0, 0, page + 1, 3), -EINVAL);
	assert_int_equal(pt_map(w.fx.pt, end - page, 0, 2 * page, 3), -ERANGE);
	assert_int_equal(pt_map(w.fx.pt, end - page, 0, -page, 3), -ERANGE);
	if (most) {
		assert_int_equal(pt_map(w.fx.pt, 0, most, page, 3), -ERANGE);
		assert_int_equal(pt_map(w.fx.pt, 0, most - page, 2 * page, 3), -ERANGE);
	}
	map(&w, 0, most - page, page, 3);
	map(&w, end - page, 0, page, 3);
	check(&w);
	check_leaf(&w, 0, most - page, unit(&w), 3);
	check_leaf(&w, end - page, 0, unit(&w), 3);
	assert_int_equal(pt_unmap(w.fx.pt, 0, 0, &gather, NULL), -EINVAL);
	assert_int_equal(pt_unmap(w.fx.pt, part, page, &gather, NULL), -EINVAL);
	assert_int_equal(pt_unmap(w.fx.pt, end - page, 2 * page, &gather, NULL), -ERANGE);
	assert_int_equal(pt_cut(w.fx.pt, end), 0);
	if (end) {
		assert_int_equal(pt_map(w.fx.pt, end, 0, page, 3), -ERANGE);
		assert_int_equal(pt_unmap(w.fx.pt, end, page, &gather, NULL), -ERANGE);
		assert_int_equal(pt_translate(w.fx.pt, end, &leaf), -ERANGE);
		assert_int_equal(pt_translate_batch(w.fx.pt, &end, 1, &leaf), 0);
		assert_int_equal(pt_mark(w.fx.pt, end, true), -ENOENT);
		assert_int_equal(pt_explain(w.fx.pt, end, steps), 0);
	}
	assert_true(pt_gather_empty(&gather));
	check(&w);
	world_close(&w);
}

/* The upper half of the input is there too, at the end of 64 bits, and nothing between the halves.
 */
static void signed_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2), last = w->fx.pt->input_last;
	struct pt_leaf leaf;

	map(w, -size, pa, size, 3);
	map(w, ~last, pa, size, 1);
	map(w, last - MASK(lg2), pa, size, 3);
	check(w);
	check_leaf(w, -size, pa, lg2, 3);
	check_leaf(w, ~last, pa, lg2, 1);
	check_nothing(w, -2 * size);
	assert_int_equal(pt_translate(w->fx.pt, ~last - 1, &leaf), -ERANGE);
	assert_int_equal(pt_translate(w->fx.pt, last + 1, &leaf), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, ~last - size, pa, 2 * size, 3), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, last - MASK(lg2), pa, 2 * size, 3), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, -size, pa, 2 * size, 3), -ERANGE);
	check(w);
	unmap(w, -size, size);
	check(w);
	check_nothing(w, -size);
}

static void test_signed(void **state)
{
	if (naive_is_signed(*state))
		each_size(state, signed_of);
}

struct reported {
	uint64_t iova, len;
	unsigned int calls;
};

static int report(void *arg, uint64_t iova, uint64_t len)
{
	struct reported *r = arg;

	r->iova = iova;
	r->len = len;
	r->calls++;
	return 0;
}

/* How often [0, all] is reported dirty; the one report is of [iova, iova + len). */
static unsigned int read_dirty(struct world *w, bool clear, uint64_t iova, uint64_t len)
{
	struct reported r = {0};

	assert_int_equal(pt_read_dirty(w->fx.pt, 0, w->fx.pt->input_last, clear, report, &r), 0);
	if (r.calls)
		assert_true(r.iova == iova && r.len == len);
	return r.calls;
}

static void dirty_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2), iova = size;
	struct naive_map *m = &w->maps[1];
	struct pt_leaf leaf;

	if (w->fx.pt->input_last < 3 * size - 1)
		return;
	map(w, 0, pa + size, size, 1);
	map(w, iova, pa, size, 3);
	map(w, iova + size, pa - size, size, 3);
	check(w);
	assert_int_equal(pt_mark(w->fx.pt, 0, true), -EACCES);
	assert_int_equal(read_dirty(w, true, 0, 0), 0);
	assert_int_equal(pt_mark(w->fx.pt, iova + size / 2, false), 0);
	m->accessed = true;
	check(w);
	assert_int_equal(read_dirty(w, true, 0, 0), 0);
	assert_int_equal(pt_mark(w->fx.pt, iova + size - 1, true), 0);
	m->dirty = true;
	check(w);
	assert_int_equal(pt_translate(w->fx.pt, iova + size - 1, &leaf), 0);
	assert_true(leaf.accessed && leaf.dirty);
	assert_int_equal(read_dirty(w, false, iova, size), 1);
	assert_int_equal(read_dirty(w, true, iova, size), 1);
	m->dirty = false;
	check(w);
	assert_int_equal(read_dirty(w, true, iova, size), 0);
	/* A part is reported as far as it was asked for. */
	assert_int_equal(pt_mark(w->fx.pt, iova, true), 0);
	if (lg2 > unit(w)) {
		struct reported r = {0};

		assert_int_equal(
			pt_read_dirty(w->fx.pt, iova + size / 2, iova + size, false, report, &r),
			0);
		assert_true(r.calls == 1 && r.iova == iova + size / 2 && r.len == size / 2);
		assert_int_equal(pt_read_dirty(w->fx.pt, 0, iova - 1, true, report, &r), 0);
		assert_int_equal(r.calls, 1);
		/* What is cut out of a dirty leaf is dirty. */
		assert_int_equal(pt_cut(w->fx.pt, iova + size / 2), 0);
	}
	assert_int_equal(read_dirty(w, false, iova, size), 1);
	assert_int_equal(pt_mark(w->fx.pt, w->fx.pt->input_last, false),
			 w->fx.pt->input_last < 3 * size ? 0 : -ENOENT);
	unmap(w, 0, 2 * size);
	assert_int_equal(read_dirty(w, true, 0, 0), 0);
}

static void test_dirty(void **state)
{
	const struct geometry *g = *state;
	struct reported r = {0};
	struct pt_config cfg;
	struct world w;
	struct pt *pt;

	if (g->flags & PT_DIRTY) {
		each_size(state, dirty_of);
		return;
	}
	world_open(&w, g);
	map(&w, 0, BIT(33), BIT(unit(&w)), 3);
	assert_int_equal(pt_set_dirty_tracking(w.fx.pt, true), -EOPNOTSUPP);
	assert_false(pt_dirty_tracking(w.fx.pt));
	assert_int_equal(pt_set_dirty_tracking(w.fx.pt, false), 0);
	assert_int_equal(pt_read_dirty(w.fx.pt, 0, 1, true, report, &r), -EOPNOTSUPP);
	assert_int_equal(r.calls, 0);
	cfg = w.fx.cfg;
	cfg.flags |= PT_DIRTY;
	if (!g->naive->dirty)
		assert_int_equal(pt_create(w.fx.mem, &cfg, &pt), -EOPNOTSUPP);
	world_close(&w);
}

/* A dump has every leaf in order, each table before what is in it. */
struct dumped {
	struct world *w;
	size_t tables, leaves, stop;
	uint64_t table_pa[PT_MAX_LEVELS];
};

static int dumped(void *arg, const struct pt_step *s)
{
	struct dumped *d = arg;
	const struct naive_map *m = &d->w->maps[d->leaves];

	assert_int_equal(s->table_pa, d->table_pa[s->level]);
	assert_int_equal(
		naive_load(d->w->g, naive_place(d->w->g, d->w->fx.mem, s->table_pa, s->index)),
		s->raw);
	if (s->kind == PT_STEP_TABLE) {
		assert_true(s->level > 0);
		assert_int_equal(s->lg2, naive_shift(d->w->g, s->level));
		d->table_pa[s->level - 1] = s->pa;
		d->tables++;
	} else {
		assert_int_equal(s->kind, PT_STEP_LEAF);
		assert_true(d->leaves < d->w->n);
		assert_true(s->iova == m->iova && s->pa == m->pa && s->lg2 == m->lg2);
		assert_int_equal(s->prot, naive_prot(d->w->g, m->prot));
		d->leaves++;
	}
	return d->stop && !--d->stop ? 9 : 0;
}

static void dump(struct world *w, size_t stop, int expected)
{
	struct dumped d = {.w = w, .stop = stop};

	d.table_pa[w->g->levels - 1] = pt_root_pa(w->fx.pt);
	assert_int_equal(pt_dump(w->fx.pt, dumped, &d), expected);
	if (expected) {
		assert_int_equal(d.tables + d.leaves, stop);
		return;
	}
	assert_int_equal(d.leaves, w->n);
}

static void dump_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2);

	dump(w, 0, 0);
	map(w, 0, pa, size, 3);
	dump(w, 0, 0);
	map(w, w->fx.pt->input_last - MASK(lg2), pa, size, 1);
	dump(w, 0, 0);
	dump(w, 1, 9);
	dump(w, 2, 9);
}

static void test_dump(void **state)
{
	each_size(state, dump_of);
}

static void check_steps(const struct world *w, uint64_t iova)
{
	struct naive_leaf n = naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), iova);
	uint64_t table_pa = pt_root_pa(w->fx.pt);
	struct pt_step steps[PT_MAX_LEVELS];
	size_t nr = pt_explain(w->fx.pt, iova, steps);

	assert_true(nr && nr <= w->g->levels);
	for (size_t i = 0; i < nr; i++) {
		const struct pt_step *s = &steps[i];
		unsigned int level = w->g->levels - 1 - (unsigned int)i;
		uint64_t *place = naive_place(w->g, w->fx.mem, table_pa, s->index);
		struct naive_entry e = w->g->naive->decode(w->g, naive_load(w->g, place), level);

		assert_int_equal(s->level, level);
		assert_int_equal(s->table_pa, table_pa);
		assert_int_equal(s->index, (iova >> naive_shift(w->g, level)) &
						   MASK(naive_index_bits(w->g, level)));
		assert_int_equal(s->raw, naive_load(w->g, place));
		if (i + 1 < nr) {
			assert_int_equal(s->kind, PT_STEP_TABLE);
			assert_int_equal(s->pa, e.pa);
			assert_int_equal(s->iova, align_down(iova, BIT(naive_shift(w->g, level))));
			table_pa = s->pa;
			continue;
		}
		assert_int_equal(s->kind, n.present ? PT_STEP_LEAF : PT_STEP_EMPTY);
		if (n.present) {
			assert_int_equal(s->pa, n.pa - iova % BIT(n.lg2));
			assert_int_equal(s->lg2, n.lg2);
			assert_int_equal(s->prot, n.prot);
		}
	}
}

static void explain_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2), last = w->fx.pt->input_last;

	check_steps(w, 0);
	map(w, last - MASK(lg2), pa, size, 3);
	check_steps(w, last - MASK(lg2));
	check_steps(w, last);
	check_steps(w, last - size / 2);
	check_steps(w, 0);
	check_steps(w, last / 2 + 1);
	unmap(w, last - MASK(lg2), size);
	check_steps(w, last);
}

static void test_explain(void **state)
{
	each_size(state, explain_of);
}

/* The same tables, as hardware that does not know who made them walks them. */
static int read_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	const struct world *w = arg;

	*entry = *naive_place(w->g, w->fx.mem, pa, 0);
	return 0;
}

static struct pt_regime regime_of(struct world *w)
{
	const struct geometry *g = w->g;
	unsigned int ias = log2_floor(w->fx.pt->input_last) + 1 + naive_is_signed(g);

	return (struct pt_regime){.ops = g->ops,
				  .root_pa = pt_root_pa(w->fx.pt),
				  .levels = g->levels,
				  .ias = ias,
				  .oas = log2_floor(w->fx.pt->output_last) + 1,
				  .page_sizes = pt_page_sizes(w->fx.pt),
				  .flags = g->flags | PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_NX,
				  .read = read_entry,
				  .arg = w};
}

/* Flips what the specification forbids in the entry of @level on the way to @iova. */
static void corrupt(struct world *w, const struct pt_regime *r, const struct pt_step *s,
		    uint64_t iova)
{
	uint64_t *place = naive_place(w->g, w->fx.mem, s->table_pa, s->index), own = *place;
	uint8_t in = s->level ? PT_IN_BLOCK : PT_IN_PAGE;

	if (s->kind == PT_STEP_TABLE)
		in = PT_IN_TABLE;
	for (const struct naive_bad *b = w->g->naive->bad; b && b->in; b++) {
		struct pt_walk out;

		if (!(b->in & in) || s->level < b->level)
			continue;
		naive_store(w->g, place, (naive_load(w->g, place) ^ b->flip) & ~b->clear);
		assert_int_equal(pt_walk_foreign(r, iova, &out, NULL, NULL), -EFAULT);
		assert_int_equal(out.entry.fault, b->fault);
		assert_int_equal(out.level, s->level);
		assert_int_equal(out.raw, naive_load(w->g, place));
		*place = own;
	}
}

static void foreign_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = some_pa(w, lg2), iova = w->fx.pt->input_last - MASK(lg2);
	struct pt_regime r = regime_of(w);
	struct pt_step steps[PT_MAX_LEVELS];
	struct pt_walk out;
	size_t n;

	for (int prot = 1; prot < 4; prot += 2) {
		map(w, iova, pa, size, prot);
		for (uint64_t at = 0; at < size; at += size / 2) {
			assert_int_equal(pt_walk_foreign(&r, iova + at + 7, &out, NULL, NULL), 0);
			assert_int_equal(out.pa, pa + at + 7);
			assert_int_equal(out.entry.kind, PT_STEP_LEAF);
			/* Arm's contiguous bit is a hint, not taken from strangers. */
			assert_int_equal(out.entry.lg2,
					 w->g->naive->run_steps
						 ? naive_shift(w->g, naive_level(w->g, lg2))
						 : lg2);
			assert_int_equal(out.may & 3, naive_prot(w->g, prot));
		}
		n = pt_explain(w->fx.pt, iova, steps);
		for (size_t i = 0; i < n; i++)
			corrupt(w, &r, &steps[i], iova);
		unmap(w, iova, size);
	}
	assert_int_equal(pt_walk_foreign(&r, iova, &out, NULL, NULL), -EFAULT);
	assert_int_equal(out.entry.fault, PT_FAULT_ABSENT);
	if (r.ias < 64) {
		assert_int_equal(pt_walk_foreign(&r, iova + size, &out, NULL, NULL), -EFAULT);
		assert_int_equal(out.entry.fault, PT_FAULT_INPUT);
	}
}

static void test_foreign(void **state)
{
	each_size(state, foreign_of);
}

/* Allows one table more each time until it succeeds; every failure leaves all as it was. */
static void failing_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(unit(w)), size = BIT(lg2), pa = some_pa(w, lg2);
	uint64_t iova = w->fx.pt->input_last - MASK(lg2), at = size > page ? size / 2 : 0;
	struct pt_gather gather = {0};
	size_t used = pt_mem_tables(w->fx.mem), needed = 0;
	int rc;

	do {
		pt_mem_set_limit(w->fx.mem, used + needed++);
		rc = pt_map(w->fx.pt, iova, pa, size, 3);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(pt_mem_tables(w->fx.mem), used);
			check(w);
		}
	} while (rc);
	assert_int_equal(pt_mem_tables(w->fx.mem), used + needed - 1);
	assert_true(needed - 1 >= w->g->levels - 1 - naive_level(w->g, lg2));
	w->n = naive_split(w->fx.pt, iova, pa, size, 3, w->maps, MOST_MAPS);
	check(w);
	used = pt_mem_tables(w->fx.mem);
	needed = 0;
	do {
		pt_mem_set_limit(w->fx.mem, used + needed++);
		rc = pt_unmap(w->fx.pt, iova + at, page, &gather, NULL);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(pt_gather_empty(&gather));
			w->n = 0;
			adopt(w, iova, pa, size, 3);
			check(w);
		}
	} while (rc);
	pt_gather_free(w->fx.mem, &gather);
	pt_mem_set_limit(w->fx.mem, SIZE_MAX);
	check_nothing(w, iova + at);
	w->n = 0;
	adopt(w, iova, pa, at, 3);
	adopt(w, iova + at + page, pa + at + page, size - at - page, 3);
	check(w);
}

static void test_failing(void **state)
{
	const struct geometry *g = *state;
	struct pt_mem *mem;
	struct pt_config cfg = {.ops = g->ops, .levels = g->levels};
	struct pt *pt;

	each_size(state, failing_of);
	assert_int_equal(pt_mem_create(&mem), 0);
	pt_mem_set_limit(mem, 0);
	assert_int_equal(pt_create(mem, &cfg, &pt), -ENOMEM);
	pt_mem_set_limit(mem, SIZE_MAX);
	cfg.levels = g->ops->max_levels + 1;
	assert_int_equal(pt_create(mem, &cfg, &pt), -EINVAL);
	cfg.levels = g->ops->min_levels - 1;
	assert_int_equal(pt_create(mem, &cfg, &pt), -EINVAL);
	pt_mem_destroy(mem);
}

static const struct {
	const char *name;
	void (*run)(void **state);
} suites[] = {
	{"leaves", test_leaves},	   {"mixed", test_mixed},	{"splits", test_splits},
	{"permissions", test_permissions}, {"occupied", test_occupied}, {"range", test_range},
	{"signed", test_signed},	   {"dirty", test_dirty},	{"dump", test_dump},
	{"explain", test_explain},	   {"foreign", test_foreign},	{"failing", test_failing},
};

/* With an argument: only the geometries whose name begins so. */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(nr_geometries * ARRAY_SIZE(suites), sizeof(*tests));
	char(*names)[64] = calloc(nr_geometries * ARRAY_SIZE(suites), sizeof(*names));
	size_t n = 0;
	int rc;

	if (!tests || !names)
		return 1;
	for (size_t i = 0; i < nr_geometries; i++) {
		const char *name = geometries[i].name;

		if (argc > 1 && strncmp(name, argv[1], strlen(argv[1])))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(suites); k++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s: %s", name, suites[k].name);
			tests[n] = (struct CMUnitTest){.name = names[n],
						       .test_func = suites[k].run,
						       .initial_state = (void *)&geometries[i]};
		}
	}
	rc = _cmocka_run_group_tests("formats", tests, n, NULL, NULL);
	free(tests);
	free(names);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every format in every geometry: each leaf size at the edges of tables and of the input and
 * output, neighbours untouched, splits, permissions and attributes, failing allocations. After each
 * change all tables in memory are compared with what the specification says of the leaves that
 * ought to be there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"

/* A leaf of @lg2 at @iova comes and goes between its neighbours. */
static void neighbours(struct world *w, uint64_t iova, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2);
	bool left = iova, right = iova + size - 1 != w->fx.pt->input_last;

	if (left)
		world_map(w, iova - size, pa + size, size, 1);
	if (right)
		world_map(w, iova + size, pa - size, size, 3);
	world_check(w);
	world_check_nothing(w, iova);
	world_check_nothing(w, iova + size - 1);
	world_map(w, iova, pa, size, 3);
	world_check(w);
	world_check_leaf(w, iova, pa, lg2, 3);
	if (left)
		world_check_leaf(w, iova - size, pa + size, lg2, 1);
	if (right)
		world_check_leaf(w, iova + size, pa - size, lg2, 3);
	world_unmap(w, iova, size);
	world_check(w);
	world_check_nothing(w, iova);
	world_check_nothing(w, iova + size - 1);
	world_unmap_all(w);
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
	world_each_size(state, leaves_of);
}

/* Mappings of several sizes of leaf. */
static void mixed_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(world_unit(w)), size = BIT(lg2), pa = world_some_pa(w, lg2);
	uint64_t table = BIT(naive_shift(w->g, 0) + naive_index_bits(w->g, 0));

	if (w->fx.pt->input_last >= 3 * size) {
		world_map(w, size - page, pa - page, size + 2 * page, 3);
		world_check(w);
		if (size > page)
			world_check_leaf(w, size, pa, lg2, 3);
		world_unmap_all(w);
		world_map(w, size, pa, 2 * size, 3);
		world_check(w);
		world_unmap_all(w);
	}
	if (w->g->levels > 1 && naive_index_bits(w->g, 0) <= 13) {
		world_map(w, table - 3 * page, pa + page, table / 2 + 5 * page, 3);
		world_check(w);
		world_unmap_all(w);
		world_map(w, 0, pa + 2 * page, table + page, 3);
		world_check(w);
		world_unmap_all(w);
	}
}

static void test_mixed(void **state)
{
	world_each_size(state, mixed_of);
}

static void cut_out(struct world *w, unsigned int lg2, uint64_t offset)
{
	uint64_t page = BIT(world_unit(w)), size = BIT(lg2), pa = world_some_pa(w, lg2);
	uint64_t iova = w->fx.pt->input_last / 2 + 1, unmapped;
	struct pt_gather gather = {0};

	if (iova % size)
		iova = 0;
	world_map(w, iova, pa, size, 3);
	assert_int_equal(pt_unmap(w->fx.pt, iova + offset, page, &gather, &unmapped), 0);
	pt_gather_free(w->fx.mem, &gather);
	assert_int_equal(unmapped, page);
	world_check_nothing(w, iova + offset);
	w->n = 0;
	world_adopt(w, iova, pa, offset, 3);
	world_adopt(w, iova + offset + page, pa + offset + page, size - offset - page, 3);
	world_check(w);
	world_unmap_all(w);
}

/* A part of a leaf is unmapped: it is split. A part of the smallest is refused. */
static void splits_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(world_unit(w)), size = BIT(lg2);

	if (size == page) {
		uint64_t part = BIT(naive_page_lg2(w->g) - 1);

		world_map(w, 0, world_some_pa(w, lg2), size, 3);
		assert_int_equal(pt_unmap(w->fx.pt, 0, part, NULL, NULL), -EINVAL);
		assert_int_equal(pt_unmap(w->fx.pt, part, page, NULL, NULL), -EINVAL);
		assert_int_equal(pt_cut(w->fx.pt, part), -EINVAL);
		world_check(w);
		return;
	}
	cut_out(w, lg2, 0);
	cut_out(w, lg2, size - page);
	cut_out(w, lg2, size / 2);
	cut_out(w, lg2, align_down(size / 4 * 3, page) - page);
}

static void test_splits(void **state)
{
	world_each_size(state, splits_of);
}

static void test_permissions(void **state)
{
	const struct geometry *g = *state;
	struct world w;
	uint64_t page;

	world_open(&w, g);
	page = BIT(world_unit(&w));
	for (int prot = 0; prot < 4; prot++) {
		uint64_t iova = (uint64_t)prot * page;

		if (naive_prot(g, prot) < 0) {
			assert_int_equal(pt_map(w.fx.pt, iova, page, page, prot), -EINVAL);
			continue;
		}
		world_map(&w, iova, page, page, prot);
		world_check_leaf(&w, iova, page, world_unit(&w), prot);
	}
	world_check(&w);
	world_close(&w);
}

/* The entry that @iova leads to, and its level. */
static uint64_t entry_at(const struct world *w, uint64_t iova, unsigned int *level)
{
	struct pt_step steps[PT_MAX_LEVELS];
	size_t n = pt_explain(w->fx.pt, iova, steps);

	assert_true(n > 0);
	*level = steps[n - 1].level;
	return naive_load(w->g,
			  naive_place(w->g, w->fx.mem, steps[n - 1].table_pa, steps[n - 1].index));
}

/* What a leaf of @lg2 with attributes is; -1 if they cannot be said. */
static bool attributed(const struct world *w, uint64_t pa, unsigned int lg2, int prot, uint64_t *e)
{
	const struct naive_format *f = w->g->naive;

	if (naive_prot(w->g, prot & 3) < 0)
		return false;
	*e = naive_encode(w->g, pa, lg2, prot & 3);
	return !f->attributes || f->attributes(w->g, e, prot);
}

/* All combinations of permissions and attributes; a leaf's pieces have those that it had. */
static void attributes_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), page = BIT(world_unit(w)), pa = world_some_pa(w, lg2), e;
	struct pt_gather gather = {0};
	unsigned int level;

	for (int prot = 0; prot < 2 * PT_GLOBAL; prot++) {
		if (!attributed(w, pa, lg2, prot, &e)) {
			assert_int_equal(pt_map(w->fx.pt, 0, pa, size, prot), -EINVAL);
			continue;
		}
		assert_int_equal(pt_map(w->fx.pt, 0, pa, size, prot), 0);
		assert_int_equal(entry_at(w, 0, &level), e);
		if ((prot & 3) == 3 && lg2 > world_unit(w)) {
			struct pt_leaf piece;

			assert_int_equal(pt_cut(w->fx.pt, page), 0);
			assert_int_equal(pt_translate(w->fx.pt, 0, &piece), 0);
			assert_int_equal(piece.lg2, world_unit(w));
			assert_true(attributed(w, pa, piece.lg2, prot, &e));
			assert_int_equal(entry_at(w, 0, &level), e);
			assert_int_equal(level, naive_level(w->g, piece.lg2));
		}
		assert_int_equal(pt_unmap(w->fx.pt, 0, size, &gather, NULL), 0);
		pt_gather_free(w->fx.mem, &gather);
	}
}

static void test_attributes(void **state)
{
	world_each_size(state, attributes_of);
}

/* Output addresses on either side of the bits from which on formats keep them elsewhere. */
static void crossing_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2);

	if (w->fx.pt->input_last < 8 * size - 1)
		return;
	for (unsigned int bit = 46; bit < 64 && BIT(bit) <= w->fx.pt->output_last; bit++) {
		if (bit < lg2 + 3)
			continue;
		world_map(w, 0, BIT(bit) - 3 * size, 8 * size, 3);
		world_check(w);
		world_unmap_all(w);
	}
}

static void test_crossing(void **state)
{
	world_each_size(state, crossing_of);
}

/* Whatever part of a mapping is taken, it is refused whole. */
static void occupied_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2), page = BIT(world_unit(w));

	if (w->fx.pt->input_last < 4 * size - 1)
		return;
	world_map(w, size, pa, size, 3);
	assert_int_equal(pt_map(w->fx.pt, size, pa, size, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 0, pa, 4 * size, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, size - page, pa, 2 * page, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 2 * size - page, pa, page, 3), -EEXIST);
	assert_int_equal(pt_map(w->fx.pt, 2 * size - page, pa, 2 * page, 3), -EEXIST);
	world_check(w);
	world_map(w, 3 * size, pa, page, 3);
	assert_int_equal(pt_map(w->fx.pt, 2 * size, pa, 2 * size, 3), -EEXIST);
	world_check(w);
}

static void test_occupied(void **state)
{
	world_each_size(state, occupied_of);
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
	page = BIT(world_unit(&w));
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
	world_map(&w, 0, most - page, page, 3);
	world_map(&w, end - page, 0, page, 3);
	world_check(&w);
	world_check_leaf(&w, 0, most - page, world_unit(&w), 3);
	world_check_leaf(&w, end - page, 0, world_unit(&w), 3);
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
	world_check(&w);
	world_close(&w);
}

/* The upper half of the input is there too, at the end of 64 bits, and nothing between the halves.
 */
static void signed_of(struct world *w, unsigned int lg2)
{
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2), last = w->fx.pt->input_last;
	struct pt_leaf leaf;

	world_map(w, -size, pa, size, 3);
	world_map(w, ~last, pa, size, 1);
	world_map(w, last - MASK(lg2), pa, size, 3);
	world_check(w);
	world_check_leaf(w, -size, pa, lg2, 3);
	world_check_leaf(w, ~last, pa, lg2, 1);
	world_check_nothing(w, -2 * size);
	assert_int_equal(pt_translate(w->fx.pt, ~last - 1, &leaf), -ERANGE);
	assert_int_equal(pt_translate(w->fx.pt, last + 1, &leaf), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, ~last - size, pa, 2 * size, 3), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, last - MASK(lg2), pa, 2 * size, 3), -ERANGE);
	assert_int_equal(pt_map(w->fx.pt, -size, pa, 2 * size, 3), -ERANGE);
	world_check(w);
	world_unmap(w, -size, size);
	world_check(w);
	world_check_nothing(w, -size);
}

static void test_signed(void **state)
{
	if (naive_is_signed(*state))
		world_each_size(state, signed_of);
}

/* Allows one table more each time until it succeeds; every failure leaves all as it was. */
static void failing_of(struct world *w, unsigned int lg2)
{
	uint64_t page = BIT(world_unit(w)), size = BIT(lg2), pa = world_some_pa(w, lg2);
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
			world_check(w);
		}
	} while (rc);
	assert_int_equal(pt_mem_tables(w->fx.mem), used + needed - 1);
	assert_true(needed - 1 >= w->g->levels - 1 - naive_level(w->g, lg2));
	w->n = naive_split(w->fx.pt, iova, pa, size, 3, w->maps, MOST_MAPS);
	world_check(w);
	used = pt_mem_tables(w->fx.mem);
	needed = 0;
	do {
		pt_mem_set_limit(w->fx.mem, used + needed++);
		rc = pt_unmap(w->fx.pt, iova + at, page, &gather, NULL);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(pt_gather_empty(&gather));
			w->n = 0;
			world_adopt(w, iova, pa, size, 3);
			world_check(w);
		}
	} while (rc);
	pt_gather_free(w->fx.mem, &gather);
	pt_mem_set_limit(w->fx.mem, SIZE_MAX);
	world_check_nothing(w, iova + at);
	w->n = 0;
	world_adopt(w, iova, pa, at, 3);
	world_adopt(w, iova + at + page, pa + at + page, size - at - page, 3);
	world_check(w);
}

static void test_failing(void **state)
{
	const struct geometry *g = *state;
	struct pt_mem *mem;
	struct pt_config cfg = {.ops = g->ops, .levels = g->levels};
	struct pt *pt;

	world_each_size(state, failing_of);
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

int main(int argc, char **argv)
{
	static const struct world_suite suites[] = {
		{"leaves", test_leaves},	 {"mixed", test_mixed},
		{"splits", test_splits},	 {"permissions", test_permissions},
		{"attributes", test_attributes}, {"crossing", test_crossing},
		{"occupied", test_occupied},	 {"range", test_range},
		{"signed", test_signed},	 {"failing", test_failing},
	};

	return world_main(suites, ARRAY_SIZE(suites), argc, argv);
}

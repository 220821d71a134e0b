/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accessed and dirty flags in every geometry and size of leaf: set, read, cleared, kept by splits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"

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
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2), iova = size;
	struct naive_map *m = &w->maps[1];
	struct pt_leaf leaf;

	if (w->fx.pt->input_last < 3 * size - 1)
		return;
	world_map(w, 0, pa + size, size, 1);
	world_map(w, iova, pa, size, 3);
	world_map(w, iova + size, pa - size, size, 3);
	world_check(w);
	assert_int_equal(pt_mark(w->fx.pt, 0, true), -EACCES);
	assert_int_equal(read_dirty(w, true, 0, 0), 0);
	assert_int_equal(pt_mark(w->fx.pt, iova + size / 2, false), 0);
	m->accessed = true;
	world_check(w);
	assert_int_equal(read_dirty(w, true, 0, 0), 0);
	assert_int_equal(pt_mark(w->fx.pt, iova + size - 1, true), 0);
	m->dirty = true;
	world_check(w);
	assert_int_equal(pt_translate(w->fx.pt, iova + size - 1, &leaf), 0);
	assert_true(leaf.accessed && leaf.dirty);
	assert_int_equal(read_dirty(w, false, iova, size), 1);
	assert_int_equal(read_dirty(w, true, iova, size), 1);
	m->dirty = false;
	world_check(w);
	assert_int_equal(read_dirty(w, true, iova, size), 0);
	/* A part is reported as far as it was asked for. */
	assert_int_equal(pt_mark(w->fx.pt, iova, true), 0);
	if (lg2 > world_unit(w)) {
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
	world_unmap(w, 0, 2 * size);
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
		world_each_size(state, dirty_of);
		return;
	}
	world_open(&w, g);
	world_map(&w, 0, BIT(33), BIT(world_unit(&w)), 3);
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

int main(int argc, char **argv)
{
	static const struct world_suite suites[] = {
		{"dirty", test_dirty},
	};

	return world_main(suites, ARRAY_SIZE(suites), argc, argv);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables read back in every geometry: dumped, explained level by level, and walked as hardware
 * walks tables that others built, sound and corrupted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"

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
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2);

	dump(w, 0, 0);
	world_map(w, 0, pa, size, 3);
	dump(w, 0, 0);
	world_map(w, w->fx.pt->input_last - MASK(lg2), pa, size, 1);
	dump(w, 0, 0);
	dump(w, 1, 9);
	dump(w, 2, 9);
}

static void test_dump(void **state)
{
	world_each_size(state, dump_of);
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
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2), last = w->fx.pt->input_last;

	check_steps(w, 0);
	world_map(w, last - MASK(lg2), pa, size, 3);
	check_steps(w, last - MASK(lg2));
	check_steps(w, last);
	check_steps(w, last - size / 2);
	check_steps(w, 0);
	check_steps(w, last / 2 + 1);
	world_unmap(w, last - MASK(lg2), size);
	check_steps(w, last);
}

static void test_explain(void **state)
{
	world_each_size(state, explain_of);
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
	uint64_t size = BIT(lg2), pa = world_some_pa(w, lg2),
		 iova = w->fx.pt->input_last - MASK(lg2);
	struct pt_regime r = regime_of(w);
	struct pt_step steps[PT_MAX_LEVELS];
	struct pt_walk out;
	size_t n;

	for (int prot = 1; prot < 4; prot += 2) {
		world_map(w, iova, pa, size, prot);
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
		world_unmap(w, iova, size);
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
	world_each_size(state, foreign_of);
}

int main(int argc, char **argv)
{
	static const struct world_suite suites[] = {
		{"dump", test_dump},
		{"explain", test_explain},
		{"foreign", test_foreign},
	};

	return world_main(suites, ARRAY_SIZE(suites), argc, argv);
}

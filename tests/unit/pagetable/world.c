/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void world_open(struct world *w, const struct geometry *g)
{
	*w = (struct world){.g = g, .maps = calloc(MOST_MAPS, sizeof(*w->maps))};
	assert_non_null(w->maps);
	fixture_open(&w->fx, g);
}

/* The smallest leaf. */
unsigned int world_unit(const struct world *w)
{
	return lowest_bit(pt_page_sizes(w->fx.pt));
}

void world_check(const struct world *w)
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
void world_map(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	assert_int_equal(pt_map(w->fx.pt, iova, pa, len, prot), 0);
	w->n += naive_split(w->fx.pt, iova, pa, len, prot, w->maps + w->n, MOST_MAPS - w->n);
	qsort(w->maps, w->n, sizeof(*w->maps), by_iova);
}

/* Whole leaves. */
void world_unmap(struct world *w, uint64_t iova, uint64_t len)
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
void world_unmap_all(struct world *w)
{
	uint64_t half = w->fx.pt->input_last / 2 + 1;

	world_unmap(w, 0, half);
	world_unmap(w, half, half);
	if (naive_is_signed(w->g))
		world_unmap(w, -2 * half, 2 * half);
	assert_int_equal(w->n, 0);
	assert_int_equal(pt_mapped_bytes(w->fx.pt), 0);
}

void world_close(struct world *w)
{
	world_unmap_all(w);
	world_check(w);
	free(w->maps);
	fixture_close(&w->fx);
}

/* Runs @test for each leaf size that the geometry has. */
void world_each_size(void **state, void (*test)(struct world *w, unsigned int lg2))
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
uint64_t world_some_pa(const struct world *w, unsigned int lg2)
{
	uint64_t pa = lg2 < 32 ? BIT(33) + BIT(lg2) : 3 * BIT(lg2);

	assert_true(pa + MASK(lg2 + 2) <= w->fx.pt->output_last);
	return pa;
}

void world_check_leaf(const struct world *w, uint64_t iova, uint64_t pa, unsigned int lg2, int prot)
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

void world_check_nothing(const struct world *w, uint64_t iova)
{
	struct pt_leaf leaf = {.lg2 = 1};

	assert_int_equal(pt_translate(w->fx.pt, iova, &leaf), -ENOENT);
	assert_int_equal(pt_translate_batch(w->fx.pt, &iova, 1, &leaf), 0);
	assert_int_equal(leaf.lg2, 0);
	assert_false(naive_walk(w->g, w->fx.mem, pt_root_pa(w->fx.pt), iova).present);
}

/* Whatever leaves there are now in [iova, iova + len) still lead to @pa; they become those of @w.
 */
void world_adopt(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot)
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

/* With an argument: only the geometries whose name begins so. */
int world_main(const struct world_suite *suites, size_t nr, int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(nr_geometries * nr, sizeof(*tests));
	char(*names)[64] = calloc(nr_geometries * nr, sizeof(*names));
	size_t n = 0;
	int rc;

	if (!tests || !names)
		return 1;
	for (size_t i = 0; i < nr_geometries; i++) {
		const char *name = geometries[i].name;

		if (argc > 1 && strncmp(name, argv[1], strlen(argv[1])))
			continue;
		for (size_t k = 0; k < nr; k++, n++) {
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* UNMAP: whole areas only, in ascending order, and what went stays gone. */
#include "world.h"

static int try_unmap(struct world *w, uint64_t iova, uint64_t len, uint64_t *unmapped)
{
	w->rule = NULL;
	return space_unmap(w->s, iova, len, unmapped);
}

static void refusals(void **state)
{
	struct world *w = *state;
	uint64_t n = 1;

	assert_refused(w, try_unmap(w, 0x1000, 0, &n), EINVAL, "UNM.4");
	assert_int_equal(n, 0);
	assert_refused(w, try_unmap(w, U64MAX, 0, &n), EINVAL, "UNM.4");
	assert_refused(w, try_unmap(w, U64MAX, 2, &n), EOVERFLOW, "UNM.5");
	assert_refused(w, try_unmap(w, 0x1000, 0x1000, &n), ENOENT, "UNM.10");
	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	assert_refused(w, try_unmap(w, 0x10000, 0x3000, &n), ENOENT, "UNM.8");
	assert_refused(w, try_unmap(w, 0x11000, 0x3000, &n), ENOENT, "UNM.8");
	assert_refused(w, try_unmap(w, 0x11000, 0x1000, &n), ENOENT, "UNM.8");
	assert_refused(w, try_unmap(w, 0x10001, 0x3fff, &n), ENOENT, "UNM.8");
	assert_int_equal(n, 0);
	assert_int_equal(space_nr_areas(w->s), 1);
}

static void with_mirrors(struct world *w, void (*fn)(struct world *))
{
	fn(w);
	mirror_add(w, 0, false);
	fn(w);
	mirror_add(w, 1, true);
	fn(w);
}

static void holes_and_parts(struct world *w)
{
	uint64_t n;

	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(map_arena(w, 2 * i, 2, 0x10000 + i * 0x4000), 0);
	assert_int_equal(unmap_at(w, 0xf000, 0x8000), 0x4000);
	assert_int_equal(space_nr_areas(w->s), 2);
	assert_int_equal(map_arena(w, 0, 1, 0x10000), 0);
	/* Those before the one that is hit in part are gone, and their number is told. */
	assert_refused(w, try_unmap(w, 0x10000, 0xd000, &n), ENOENT, "UNM.8");
	assert_int_equal(n, 0x3000);
	assert_int_equal(space_nr_areas(w->s), 1);
	assert_int_equal(unmap_at(w, 0, U64MAX), 0x2000);
	assert_refused(w, try_unmap(w, 0, U64MAX, &n), ENOENT, "UNM.10");
	for (unsigned int i = 0; i < 2; i++)
		if (w->mirror[i].m.pt)
			assert_int_equal(pt_mapped_bytes(w->mirror[i].m.pt), 0);
}

static void whole_areas(void **state)
{
	with_mirrors(*state, holes_and_parts);
}

static void everything(void **state)
{
	struct world *w = *state;
	uint64_t n = 1;

	mirror_add(w, 0, false);
	assert_int_equal(space_unmap_all(w->s, &n), 0);
	assert_int_equal(n, 0);
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		assert_int_equal(map_arena(w, i, 1, i * 0x200000ull), 0);
	w->mirror[0].invalidations = 0;
	assert_int_equal(space_unmap_all(w->s, &n), 0);
	assert_int_equal(n, ARENA_PAGES * PAGE_SIZE);
	/* However many areas go, caches are told once. */
	assert_int_equal(w->mirror[0].invalidations, 1);
	assert_int_equal(w->mirror[0].iova, 0);
	assert_int_equal(w->mirror[0].last, (ARENA_PAGES - 1) * 0x200000ull + PAGE_MASK);
}

/* The order that keeps DMA from memory that was given back: out of the table, out of the caches,
 * unpinned. */
static struct world *watched;

static void check_still_pinned(struct space_mirror *m, uint64_t iova, uint64_t last,
			       struct pt_gather *g)
{
	struct pt_leaf leaf;

	assert_int_equal(pt_translate(m->pt, iova, &leaf), -ENOENT);
	assert_int_equal(memory_unregister(watched->memory, 512 * GiB, PAGE_SIZE), -EBUSY);
	note_invalidation(m, iova, last, g);
}

static void invalidated_before_unpinned(void **state)
{
	static const struct space_mirror_ops ops = {.invalidate = check_still_pinned};
	struct world *w = watched = *state;

	mirror_add(w, 0, false);
	w->mirror[0].m.ops = &ops;
	assert_int_equal(memory_register(w->memory, 512 * GiB, PAGE_SIZE), 0);
	assert_int_equal(map_va(w, (void *)(512 * GiB), PAGE_SIZE, 0x1000, RW, NULL), 0);
	assert_int_equal(unmap_at(w, 0x1000, 0x1000), 0x1000);
	assert_int_equal(w->mirror[0].invalidations, 1);
	assert_int_equal(map_va(w, (void *)(512 * GiB), PAGE_SIZE, 0x1000, RW, NULL), 0);
	mirror_remove(w, 0);
	assert_int_equal(memory_unregister(w->memory, 512 * GiB, PAGE_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(refusals),
		WORLD_TEST(whole_areas),
		WORLD_TEST(everything),
		WORLD_TEST(invalidated_before_unpinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

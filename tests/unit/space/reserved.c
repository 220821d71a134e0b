/* SPDX-License-Identifier: BSD-3-Clause */
/* Reserved and allowed ranges: ALW, ATT.5, RNG. */
#include "world.h"

static int allow(struct world *w, const struct space_range *r, size_t n)
{
	w->rule = NULL;
	return space_allow(w->s, r, n);
}

static void allow_refuses(void **state)
{
	struct world *w = *state;
	struct space_range reserved = {0x9000, 0x9fff},
			   r[3] = {{0x1000, 0x1fff}, {0x3000, 0x3fff}, {0x5000, 0x5fff}};
	uint64_t iova;

	assert_int_equal(space_reserve(w->s, &reserved, 1, w), 0);
	assert_int_equal(allow(w, r, 1), 0);
	r[2] = (struct space_range){0x5000, 0x5000};
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.4");
	r[2] = (struct space_range){0x5000, 0x4fff};
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.4");
	r[2] = (struct space_range){0x1800, 0x2fff};
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.5");
	r[2] = (struct space_range){0x3fff, 0x3fff}; /* both: element by element, ALW.4 first */
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.4");
	r[1] = (struct space_range){
		0x1000, 0x1001}; /* ALW.5 of an earlier element beats ALW.4 of a later one */
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.5");
	r[1] = (struct space_range){0x8000, 0x9000};
	r[2] = (struct space_range){0x8800, 0x8fff}; /* ALW.5 before ALW.6 */
	assert_refused(w, allow(w, r, 3), EINVAL, "ALW.5");
	r[2] = (struct space_range){0x3000, 0x3fff};
	assert_refused(w, allow(w, r, 3), EADDRINUSE, "ALW.6");
	/* The old list stays. */
	assert_int_equal(map_va(w, w->arena, 0x1000, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0x1000);
	assert_refused(w, map_va(w, w->arena, 0x1000, U64MAX, RW, &iova), ENOSPC, "MAP.10");
	/* Existing areas are not examined. */
	r[1] = (struct space_range){0x8000, 0x8fff};
	assert_int_equal(allow(w, r, 3), 0);
}

static void reserve_refuses(void **state)
{
	struct world *w = *state;
	struct space_range allowed = {0x20000, 0x2ffff},
			   r[2] = {{0x40000, 0x40fff}, {0x10800, 0x10fff}};
	int owner;

	assert_int_equal(map_arena(w, 0, 1, 0x10000), 0);
	assert_int_equal(allow(w, &allowed, 1), 0);
	assert_refused(w, space_reserve(w->s, r, 2, &owner), EADDRINUSE, "ATT.5");
	r[1] = (struct space_range){0x2ffff, 0x30000};
	assert_refused(w, space_reserve(w->s, r, 2, &owner), EADDRINUSE, "ATT.5");
	/* All or nothing. */
	assert_int_equal(map_arena(w, 0, 1, 0x40000), 0);
	unmap_at(w, 0x40000, 0x1000);
	r[1] = (struct space_range){0x11000, 0x1ffff};
	assert_int_equal(space_reserve(w->s, r, 2, &owner), 0);
	assert_refused(w, map_arena(w, 0, 1, 0x40000), EINVAL, "MAP.13");
	space_release(w->s, w); /* somebody else */
	assert_refused(w, map_arena(w, 0, 1, 0x40000), EINVAL, "MAP.13");
	space_release(w->s, &owner);
	assert_int_equal(map_arena(w, 0, 1, 0x40000), 0);
}

static void owners_may_overlap(void **state)
{
	struct world *w = *state;
	struct space_range msi = {0xfee00000, 0xfeefffff}, more = {0xfee80000, 0xfeffffff};
	int a, b, c;

	assert_int_equal(space_reserve(w->s, &msi, 1, &a), 0);
	assert_int_equal(space_reserve(w->s, &msi, 1, &b), 0);
	assert_int_equal(space_reserve(w->s, &more, 1, &c), 0);
	space_release(w->s, &a);
	assert_refused(w, map_arena(w, 0, 1, 0xfee00000), EINVAL, "MAP.13");
	space_release(w->s, &b);
	assert_int_equal(map_arena(w, 0, 1, 0xfee00000), 0);
	assert_refused(w, map_arena(w, 0, 1, 0xfee80000), EINVAL, "MAP.13");
	space_release(w->s, &c);
	assert_int_equal(map_arena(w, 0, 1, 0xfee80000), 0);
}

static void assert_ranges(struct world *w, const struct space_range *want, size_t n,
			  uint64_t alignment)
{
	struct space_range got[8];
	uint64_t align;

	assert_int_equal(space_iova_ranges(w->s, NULL, 0, &align), n);
	assert_int_equal(align, alignment);
	assert_int_equal(space_iova_ranges(w->s, got, ARRAY_SIZE(got), &align), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].start, want[i].start);
		assert_int_equal(got[i].last, want[i].last);
	}
	if (!n)
		return;
	got[n - 1].start = 77;
	assert_int_equal(space_iova_ranges(w->s, got, n - 1, &align), n);
	assert_int_equal(got[n - 1].start, 77);
}

static void iova_ranges_are_the_gaps(void **state)
{
	struct world *w = *state;
	struct space_range all = {0, U64MAX}, r[] = {{0x3000, 0x3fff},
						     {0x1000, 0x1fff},
						     {0x2000, 0x2fff},
						     {0x8000, 0x8fff}};
	struct space_range gaps[] = {{0, 0xfff}, {0x4000, 0x7fff}, {0x9000, U64MAX}};
	struct space_range inside = {0x4000, MASK(48)};

	assert_ranges(w, &all, 1, 1);
	assert_int_equal(space_reserve(w->s, r, 4, w), 0);
	assert_ranges(w, gaps, 3, 1);
	/* The allowed list does not enter. */
	assert_int_equal(allow(w, gaps, 1), 0);
	assert_ranges(w, gaps, 3, 1);
	assert_int_equal(allow(w, NULL, 0), 0);
	mirror_add(w, 0, false);
	gaps[2].last = MASK(48);
	assert_ranges(w, gaps, 3, PAGE_SIZE);
	space_release(w->s, w);
	inside.start = 0;
	assert_ranges(w, &inside, 1, PAGE_SIZE);
	mirror_remove(w, 0);
	assert_ranges(w, &all, 1, 1);
	assert_int_equal(space_reserve(w->s, &all, 1, w), 0);
	assert_ranges(w, NULL, 0, 1);
	space_release(w->s, w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(allow_refuses),
		WORLD_TEST(reserve_refuses),
		WORLD_TEST(owners_may_overlap),
		WORLD_TEST(iova_ranges_are_the_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Every allocation of every call fails in turn: the call says -ENOMEM and nothing changed, or it
 * worked. */
#include "world.h"

/* What must not change: areas, tables, charges, ranges. */
struct snapshot {
	uint64_t areas, bytes, mapped[2], charged, ranges, alignment;
	bool huge;
};

static struct memory_payer payer;
static uint64_t limit = 1 * GiB;

static struct snapshot look(struct world *w)
{
	struct snapshot s;
	struct space_stats stats;

	memset(&s, 0, sizeof(s));
	space_get_stats(w->s, &stats);
	s.areas = stats.areas;
	s.bytes = stats.bytes;
	for (unsigned int i = 0; i < 2; i++)
		s.mapped[i] = w->mirror[i].m.pt ? pt_mapped_bytes(w->mirror[i].m.pt) : 0;
	s.charged = memory_account_locked(payer.account);
	s.ranges = space_iova_ranges(w->s, NULL, 0, &s.alignment);
	s.huge = space_huge_pages(w->s);
	return s;
}

typedef int (*call_fn)(struct world *w);

/* @prepare makes a world; @call is the call under test. */
static void sweep(void (*prepare)(struct world *w), call_fn call)
{
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct world *w;
		struct snapshot before, after;
		int rc;

		assert_int_equal(memory_account_create(limit_of, &limit, &payer.account), 0);
		w = world_open();
		prepare(w);
		before = look(w);
		fail_nth(fail_i);
		rc = call(w);
		fail_more = fail_happened();
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(fail_more);
			after = look(w);
			assert_memory_equal(&before, &after, sizeof(before));
			assert_int_equal(call(w), 0);
			failures++;
		}
		after = look(w);
		assert_memory_not_equal(&before, &after, sizeof(before));
		world_close(w);
		assert_int_equal(memory_account_locked(payer.account), 0);
		memory_account_put(payer.account);
	}
	assert_true(failures > 0);
}

static struct pages *arena_pages;

static void make_arena_pages(struct world *w)
{
	assert_int_equal(pages_from_va(w->memory, &payer, (uintptr_t)w->arena,
				       ARENA_PAGES * PAGE_SIZE, true, false, &arena_pages),
			 0);
}

static void two_mirrors(struct world *w)
{
	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
}

static int map_all(struct world *w)
{
	struct space_map map = {
		.length = ARENA_PAGES * PAGE_SIZE, .iova = 1ull << 40, .prot = RW, .fixed = true};
	int rc;

	rc = pages_from_va(w->memory, &payer, (uintptr_t)w->arena, map.length, true, false,
			   &map.pages);
	if (rc)
		return rc;
	rc = space_map(w->s, &map);
	pages_put(map.pages);
	return rc;
}

static void map_fails(void **state)
{
	sweep(two_mirrors, map_all);
}

static void four_areas(struct world *w)
{
	struct space_map map = {.length = PAGE_SIZE, .prot = RW, .fixed = true};

	two_mirrors(w);
	make_arena_pages(w);
	map.pages = arena_pages;
	for (unsigned int i = 0; i < 4; i++) {
		map.iova = 0x10000 + i * PAGE_SIZE;
		map.offset = 2 * i * PAGE_SIZE;
		assert_int_equal(space_map(w->s, &map), 0);
	}
	pages_put(arena_pages);
}

static int copy_four(struct world *w)
{
	struct space_copy c = {.src_iova = 0x10000,
			       .length = 0x4000,
			       .dst_iova = 1ull << 40,
			       .prot = RW,
			       .fixed = true};

	return space_copy(w->s, w->s, &c);
}

static void copy_fails(void **state)
{
	sweep(four_areas, copy_four);
}

static void small_leaves(struct world *w)
{
	assert_int_equal(space_set_huge_pages(w->s, 0), 0);
	two_mirrors(w);
	assert_int_equal(map_all(w), 0);
}

static int cut_once(struct world *w)
{
	return space_cut(w->s, (1ull << 40) + 5 * PAGE_SIZE);
}

static void cut_fails(void **state)
{
	sweep(small_leaves, cut_once);
}

/* Many cuts, so that also the tree of areas has to grow. */
static void every_cut_fails(void **state)
{
	const uint64_t va = 512 * GiB, iova = 1ull << 40, pages = 1500;
	struct world *w;

	assert_int_equal(memory_account_create(limit_of, &limit, &payer.account), 0);
	w = world_open();
	assert_int_equal(memory_register(w->memory, va, pages * PAGE_SIZE), 0);
	assert_int_equal(space_set_huge_pages(w->s, 0), 0);
	mirror_add(w, 0, false);
	assert_int_equal(map_va(w, (void *)va, pages * PAGE_SIZE, iova, RW, NULL), 0);
	for (uint64_t page = 1; page < pages; page++) {
		int rc = -ENOMEM;

		for (unsigned long n = 1; rc; n++) {
			struct snapshot before = look(w), after;

			fail_nth(n);
			rc = space_cut(w->s, iova + page * PAGE_SIZE);
			if (!fail_happened())
				assert_int_equal(rc, 0);
			after = look(w);
			if (rc)
				assert_memory_equal(&before, &after, sizeof(before));
		}
		assert_int_equal(space_nr_areas(w->s), page + 1);
	}
	for (uint64_t page = 0; page < pages; page++)
		assert_int_equal(unmap_at(w, iova + page * PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(memory_unregister(w->memory, va, pages * PAGE_SIZE), 0);
	world_close(w);
	memory_account_put(payer.account);
}

static void lazy_areas(struct world *w)
{
	assert_int_equal(map_all(w), 0);
	assert_int_equal(map_arena(w, 3, 4, 0x10000), 0);
	mirror_open(w, 0, false);
}

static int add_first_mirror(struct world *w)
{
	return space_add_mirror(w->s, &w->mirror[0].m);
}

static void add_mirror_fails(void **state)
{
	sweep(lazy_areas, add_first_mirror);
}

static void nothing(struct world *w)
{
}

static int reserve_two(struct world *w)
{
	static const struct space_range r[] = {{0x1000, 0x1fff}, {0x3000, 0x3fff}};

	return space_reserve(w->s, r, 2, &payer);
}

static void reserve_fails(void **state)
{
	sweep(nothing, reserve_two);
}

/* The allowed list is only seen in what it forbids. */
static void allow_fails(void **state)
{
	static const struct space_range old = {0x1000, 0x1fff},
					new[] = {{0x5000, 0x5fff}, {0x8000, 0x8fff}};
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct world *w = world_open();
		uint64_t iova;
		int rc;

		assert_int_equal(space_allow(w->s, &old, 1), 0);
		fail_nth(fail_i);
		rc = space_allow(w->s, new, 2);
		fail_more = fail_happened();
		failures += !!rc;
		assert_int_equal(rc, fail_more ? -ENOMEM : 0);
		assert_int_equal(map_va(w, w->arena, 0x1000, U64MAX, RW, &iova), 0);
		assert_int_equal(iova, rc ? 0x1000 : 0x5000);
		world_close(w);
	}
	assert_true(failures >= 2);
}

static void creation_fails(void **state)
{
	struct world *w = world_open();

	for (FAIL_SWEEP) {
		struct space *s;
		int rc;

		fail_nth(fail_i);
		rc = space_create(w->memory, NULL, &s);
		fail_more = fail_happened();
		assert_int_equal(rc, fail_more ? -ENOMEM : 0);
		if (!rc)
			space_destroy(s);
	}
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_fails),	    cmocka_unit_test(copy_fails),
		cmocka_unit_test(cut_fails),	    cmocka_unit_test(every_cut_fails),
		cmocka_unit_test(add_mirror_fails), cmocka_unit_test(reserve_fails),
		cmocka_unit_test(allow_fails),	    cmocka_unit_test(creation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* MAP: every rule, every pair of neighbours, and where an automatic IOVA comes to lie. */
#include "world.h"

/* Each row is wrong in what its rule names, and where it can be in what the next rule names too:
 * the earlier must win. */
static void rules_in_order(void **state)
{
	struct world *w = *state;
	struct space_range reserved = {0x100000, 0x10ffff};
	char *a = w->arena, *hole = map_anon(2 * PAGE_SIZE, MAP_PRIVATE);
	const struct {
		int err;
		const char *rule;
		const char *va;
		uint64_t len, iova;
		int prot;
	} rows[] = {
		{EINVAL, "MAP.6", a, 0, 0x20000, RW},
		{EINVAL, "MAP.6", a, U64MAX - 100, 0x20000, RW},
		{EINVAL, "MAP.6", a, U64MAX - 100, 0x20001, RW},
		{EINVAL, "MAP.7", a, 0x1001, 0x20000, RW},
		{EINVAL, "MAP.7", a, 0x1001, 0x20001, RW},	    /* .11 */
		{EINVAL, "MAP.7", a, (1ull << 63) + 1, U64MAX, RW}, /* .8 */
		{EOVERFLOW, "MAP.8", a, 1ull << 63, U64MAX, RW},
		{EOVERFLOW, "MAP.8", a + 1, 1ull << 63, U64MAX, RW}, /* .9 */
		{EINVAL, "MAP.9", a + 0x800, 0x1000, U64MAX, RW},
		{EINVAL, "MAP.9", a + 0x800, 1ull << 60, U64MAX, RW}, /* .10 */
		{ENOSPC, "MAP.10", a, 1ull << 60, U64MAX, RW},
		{EINVAL, "MAP.11", a, 0x1000, 0x20800, RW},
		{EINVAL, "MAP.11", a, 0x2000, U64MAX - 0x7ff, RW}, /* .12 */
		{EOVERFLOW, "MAP.12", a, 0x2000, U64MAX - 0xfff, RW},
		{EOVERFLOW, "MAP.12", a, 1ull << 62, 0xfull << 60, RW}, /* .13 */
		{EINVAL, "MAP.13", a, 0x1000, 0x100000, RW},
		{EINVAL, "MAP.13", a, 0x1000, 0x10f000, RW},
		{EINVAL, "MAP.13", a, 0x2000, 0xff000, RW},
		{EINVAL, "MAP.13", a, 0xf1000, 0x10000, RW},   /* .14 */
		{EINVAL, "MAP.13", a, 0x1000, 1ull << 48, RW}, /* beyond the aperture */
		{EEXIST, "MAP.14", a, 0x1000, 0x10000, RW},
		{EEXIST, "MAP.14", a, 0x3000, 0xf000, RW},
		{EEXIST, "MAP.14", a + 0x800, 0x1000, 0x10000, RW}, /* .15 */
		{EINVAL, "MAP.15", a + 0x800, 0x1000, 0x20000, RW},
		{EINVAL, "MAP.15", hole + 0x800, 0x1000, 0x20000, RW}, /* .16 */
		{EFAULT, "MAP.16", hole, 0x1000, 0x20000, RW},
		{EFAULT, "MAP.16", hole, 0x1000, 0x20000, SPACE_READ},
		{EFAULT, "MAP.16", hole + 0x1000, 0x1000, 0x20000, RW},
	};

	munmap(hole, PAGE_SIZE);
	mprotect(hole + PAGE_SIZE, PAGE_SIZE, PROT_READ);
	mirror_add(w, 0, false);
	assert_int_equal(space_reserve(w->s, &reserved, 1, w), 0);
	assert_int_equal(map_arena(w, 0, 1, 0x10000), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc = map_va(w, rows[i].va, rows[i].len, rows[i].iova, rows[i].prot, NULL);
		struct space_stats stats;

		assert_refused(w, rc, rows[i].err, rows[i].rule);
		space_get_stats(w->s, &stats);
		assert_int_equal(stats.areas, 1);
		assert_int_equal(stats.bytes, PAGE_SIZE);
		assert_int_equal(pt_mapped_bytes(w->mirror[0].m.pt), PAGE_SIZE);
	}
	assert_int_equal(map_va(w, hole + PAGE_SIZE, PAGE_SIZE, 0x20000, SPACE_READ, NULL), 0);
	munmap(hole + PAGE_SIZE, PAGE_SIZE);
}

/* MAP.17, and MAP.16 before it. */
static void the_limit_of_locked_memory(void **state)
{
	struct world *w = *state;
	char *hole = map_anon(2 * PAGE_SIZE, MAP_PRIVATE);
	uint64_t limit = PAGE_SIZE;
	struct memory_payer payer;
	struct space_map map = {.iova = 0x10000, .prot = RW, .fixed = true};

	munmap(hole + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(memory_account_create(limit_of, &limit, &payer.account), 0);
	mirror_add(w, 0, false);
	for (int i = 0; i < 3; i++) {
		static const uint64_t len[] = {2 * PAGE_SIZE, PAGE_SIZE, 2 * PAGE_SIZE};
		char *va[] = {w->arena, w->arena, hole};

		map.length = len[i];
		assert_int_equal(pages_from_va(w->memory, &payer, (uintptr_t)va[i], len[i], true,
					       false, &map.pages),
				 0);
		if (i == 0)
			assert_refused(w, space_map(w->s, &map), ENOMEM, "MAP.17");
		else if (i == 1)
			assert_int_equal(space_map(w->s, &map), 0);
		else
			assert_refused(w, (map.iova += PAGE_SIZE, space_map(w->s, &map)), EFAULT,
				       "MAP.16");
		pages_put(map.pages);
		assert_int_equal(memory_account_locked(payer.account), i > 0);
	}
	unmap_at(w, 0x10000, PAGE_SIZE);
	assert_int_equal(memory_account_locked(payer.account), 0);
	memory_account_put(payer.account);
	munmap(hole, PAGE_SIZE);
}

/* MAP.18: the second table has no memory left; the first is put back. */
static void a_table_that_refuses(void **state)
{
	struct world *w = *state;
	size_t tables;

	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
	tables = pt_mem_tables(w->tables);
	pt_mem_set_limit(w->tables, tables + 3 + 2); /* enough for one table, not for both */
	assert_refused(w, map_arena(w, 0, 4, 0x40000000), ENOMEM, "MAP.18");
	assert_int_equal(pt_mapped_bytes(w->mirror[0].m.pt), 0);
	assert_int_equal(pt_mapped_bytes(w->mirror[1].m.pt), 0);
	assert_int_equal(space_nr_areas(w->s), 0);
	assert_int_equal(w->mirror[0].iova, 0x40000000);
	assert_int_equal(w->mirror[0].last, 0x40003fff);
	pt_mem_set_limit(w->tables, tables + 100);
	assert_int_equal(map_arena(w, 0, 4, 0x40000000), 0);
	assert_ptr_equal(translate(w, 0, 0x40003005, RW), w->arena + 0x3005);
	assert_ptr_equal(translate(w, 1, 0x40003005, RW), w->arena + 0x3005);
}

/* The memory is in two slots, the table has room for the first part only. */
static void a_table_that_refuses_half_way(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB - 4 * PAGE_SIZE, iova = GiB - 4 * PAGE_SIZE;
	size_t tables;

	mirror_add(w, 0, false);
	tables = pt_mem_tables(w->tables);
	assert_int_equal(memory_register(w->memory, va, 8 * PAGE_SIZE), 0);
	pt_mem_set_limit(w->tables, tables + 3);
	assert_refused(w, map_va(w, (void *)va, 8 * PAGE_SIZE, iova, RW, NULL), ENOMEM, "MAP.18");
	assert_int_equal(pt_mapped_bytes(w->mirror[0].m.pt), 0);
	assert_int_equal(w->mirror[0].iova, iova);
	assert_int_equal(w->mirror[0].last, iova + 4 * PAGE_SIZE - 1);
	assert_int_equal(memory_unregister(w->memory, va, 8 * PAGE_SIZE), 0);
	pt_mem_set_limit(w->tables, tables + 100);
}

static void permissions_reach_the_table(void **state)
{
	struct world *w = *state;

	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
	assert_int_equal(map_va(w, w->arena, PAGE_SIZE, 0x1000, SPACE_READ, NULL), 0);
	assert_int_equal(map_va(w, w->arena, PAGE_SIZE, 0x2000, SPACE_WRITE, NULL), 0);
	assert_int_equal(map_va(w, w->arena, PAGE_SIZE, 0x3000, RW, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(translate(w, i, 0x1000, SPACE_READ), w->arena);
		assert_null(translate(w, i, 0x1000, SPACE_WRITE));
		assert_null(translate(w, i, 0x2000, SPACE_READ));
		assert_ptr_equal(translate(w, i, 0x2000, SPACE_WRITE), w->arena);
		assert_ptr_equal(translate(w, i, 0x3000, RW), w->arena);
	}
	assert_int_equal(unmap_at(w, 0x1000, 0x3000), 0x3000);
}

/* Q9: an area that may be neither read nor written can exist as long as no table is to show it. */
static void no_permission_at_all(void **state)
{
	struct world *w = *state;

	assert_int_equal(map_va(w, w->arena, PAGE_SIZE, 0x1000, 0, NULL), 0);
	assert_int_equal(unmap_at(w, 0x1000, 0x1000), 0x1000);
	for (unsigned int i = 0; i < 2; i++) {
		mirror_add(w, i, !i);
		assert_refused(w, map_va(w, w->arena, PAGE_SIZE, 0x1000, 0, NULL), EINVAL, "MAP.18");
		assert_int_equal(pt_mapped_bytes(w->mirror[i].m.pt), 0);
	}
}

/* 3.5, "Automatic choice". Offsets of @va are within 1 GiB of address space that nobody looks at:
 * there is no mirror. */
static void where_an_automatic_iova_lies(void **state)
{
	struct world *w = *state;
	const uint64_t g = 1ull << 40;
	const struct {
		uint64_t va, len, iova;
	} rows[] = {
		{g, 0x1000, 0x1000}, /* never 0 */
		{g, 0x1000, 0x2000},
		{g, 0x2000, 0x4000}, /* length rounds to 0x2000 */
		{g + 0x1000, 0x2000,
		 0x3000 + 0x3000}, /* 0x3000 is too short; the address allows no more than 0x1000 */
		{g, 0x1000, 0x3000},
		{g, 0x3000, 0x8000},		/* rounds to 0x4000 */
		{g, 4 * MiB, 2 * MiB},		/* capped at the huge page */
		{g + 4 * KiB, 4 * MiB, 0xb000}, /* does not fit before 2 MiB: behind */
		{0, 8 * MiB, 0},
		{g + 0x123, 0x10, 0},
		{g, 1, 0},
	};
	uint64_t iova;

	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(map_va(w, (void *)rows[i].va, rows[i].len, U64MAX, RW, &iova), 0);
		assert_int_equal(iova, rows[i].iova);
	}
	assert_int_equal(map_va(w, (void *)rows[7].va, rows[7].len, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 6 * MiB);
	/* Address 0 sets no limit but the huge page. */
	assert_int_equal(map_va(w, NULL, 8 * MiB, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 10 * MiB);
	/* Less than a page: the offset in the page is kept where the gap begins on a page. */
	assert_int_equal(map_va(w, (void *)(g + 0x123), 0x10, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0xb123);
	assert_int_equal(map_va(w, (void *)(g + 0x7f0), 0x10, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0xb7f0);
	/* (quirk) and is ORed into the gap's start where it does not. */
	assert_int_equal(map_va(w, (void *)(g + 0x020), 0x4000, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0xb800 | 0x20);
}

static void automatic_iovas_keep_to_the_allowed_list(void **state)
{
	struct world *w = *state;
	struct space_range allowed[] = {
		{0x80000, 0x81fff}, {0x40000, 0x41fff}, {0, 0xfff}, {0x42000, 0x42fff}};
	struct space_range reserved = {0x50000, 0x50fff};
	uint64_t iova;

	assert_int_equal(space_reserve(w->s, &reserved, 1, w), 0);
	assert_int_equal(space_allow(w->s, allowed, ARRAY_SIZE(allowed)), 0);
	/* Page 0 is never chosen; [0x40000, 0x42fff] is one range. */
	assert_int_equal(map_va(w, w->arena, 0x3000, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0x40000);
	assert_int_equal(map_va(w, w->arena, 0x2000, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0x80000);
	assert_refused(w, map_va(w, w->arena, 0x1000, U64MAX, RW, &iova), ENOSPC, "MAP.10");
	/* A fixed IOVA outside the list is permitted. */
	assert_int_equal(map_va(w, w->arena, 0x1000, 0x20000, RW, NULL), 0);
	/* ALW.7 */
	assert_int_equal(space_allow(w->s, NULL, 0), 0);
	assert_int_equal(map_va(w, w->arena, 0x1000, U64MAX, RW, &iova), 0);
	assert_int_equal(iova, 0x1000);
	/* Around what is reserved. */
	allowed[0] = (struct space_range){0x4f000, 0x4ffff};
	allowed[1] = (struct space_range){0x51000, 0x51fff};
	assert_int_equal(space_allow(w->s, allowed, 2), 0);
	assert_refused(w, map_va(w, w->arena, 0x2000, U64MAX, RW, &iova), ENOSPC, "MAP.10");
}

/* Lazy pinning: without a mirror nobody looks at the memory; byte-granular areas are legal. */
static void nothing_is_looked_at_without_a_mirror(void **state)
{
	struct world *w = *state;

	assert_int_equal(map_va(w, (void *)0x10, 3, 5, RW, NULL), 0);
	assert_int_equal(map_va(w, (void *)0x10, 1, 4, RW, NULL), 0);
	assert_int_equal(map_va(w, (void *)(1ull << 62), 1ull << 61, 1ull << 60, RW, NULL), 0);
	assert_refused(w, map_va(w, (void *)0x10, 1, 7, RW, NULL), EEXIST, "MAP.14");
	assert_int_equal(map_va(w, (void *)0x10, 2, U64MAX - 1, RW, NULL), 0);
	assert_int_equal(unmap_at(w, 4, 4), 4);
	assert_int_equal(memory_nr_slots(w->memory), pt_mem_size(w->tables) >> MEMORY_SLOT_SHIFT);
}

static void an_area_says_what_it_is(void **state)
{
	struct world *w = *state;
	struct space_area a;
	struct space_stats stats;

	assert_int_equal(space_next_area(w->s, 0, &a), -ENOENT);
	assert_int_equal(map_arena(w, 3, 2, 0x5000), 0);
	assert_int_equal(map_va(w, w->arena, PAGE_SIZE, 0x9000, SPACE_READ, NULL), 0);
	for (uint64_t at = 0; at <= 0x6fff; at += 0x6fff) {
		assert_int_equal(space_next_area(w->s, at, &a), 0);
		assert_int_equal(a.iova, 0x5000);
		assert_int_equal(a.last, 0x6fff);
		assert_int_equal(a.offset, 0);
		assert_int_equal(a.prot, RW);
		assert_int_equal(pages_start(a.pages), (uintptr_t)w->arena + 3 * PAGE_SIZE);
	}
	assert_int_equal(space_next_area(w->s, 0x7000, &a), 0);
	assert_int_equal(a.iova, 0x9000);
	assert_int_equal(a.prot, SPACE_READ);
	assert_int_equal(space_next_area(w->s, 0xa000, &a), -ENOENT);
	assert_true(space_is_free(w->s, 0x7000, 0x2000));
	assert_false(space_is_free(w->s, 0x7000, 0x2001));
	assert_false(space_is_free(w->s, 0x7000, 0));
	assert_false(space_is_free(w->s, U64MAX, 2));
	unmap_at(w, 0x9000, 0x1000);
	space_get_stats(w->s, &stats);
	assert_int_equal(stats.areas, 1);
	assert_int_equal(stats.bytes, 0x2000);
	assert_int_equal(stats.maps, 2);
	assert_int_equal(stats.unmaps, 1);
}

static void large_leaves_where_memory_and_iova_agree(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;
	struct pt_leaf leaf;

	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
	assert_int_equal(memory_register(w->memory, va, 4 * GiB), 0);
	assert_int_equal(map_va(w, (void *)va, 3 * GiB, 5 * GiB, RW, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(pt_translate(w->mirror[i].m.pt, 6 * GiB + 12345, &leaf), 0);
		assert_int_equal(leaf.lg2, 30);
		assert_ptr_equal(translate(w, i, 7 * GiB + 99, RW), (void *)(va + 2 * GiB + 99));
	}
	unmap_at(w, 5 * GiB, 3 * GiB);
	/* Congruent modulo 2 MiB only. */
	assert_int_equal(map_va(w, (void *)(va + 2 * MiB), 2 * GiB, 4 * MiB, RW, NULL), 0);
	assert_int_equal(pt_translate(w->mirror[0].m.pt, 4 * MiB + 12345, &leaf), 0);
	assert_int_equal(leaf.lg2, 21);
	assert_ptr_equal(translate(w, 0, 4 * MiB + GiB, RW), (void *)(va + 2 * MiB + GiB));
	unmap_at(w, 4 * MiB, 2 * GiB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(rules_in_order),
		WORLD_TEST(the_limit_of_locked_memory),
		WORLD_TEST(a_table_that_refuses),
		WORLD_TEST(a_table_that_refuses_half_way),
		WORLD_TEST(permissions_reach_the_table),
		WORLD_TEST(no_permission_at_all),
		WORLD_TEST(where_an_automatic_iova_lies),
		WORLD_TEST(automatic_iovas_keep_to_the_allowed_list),
		WORLD_TEST(nothing_is_looked_at_without_a_mirror),
		WORLD_TEST(an_area_says_what_it_is),
		WORLD_TEST(large_leaves_where_memory_and_iova_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

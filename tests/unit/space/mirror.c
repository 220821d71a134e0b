/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirrors come and go: HWA.12 to HWA.14, alignment, the option HUGE_PAGES. */
#include "world.h"

static int try_add(struct world *w, unsigned int i)
{
	w->rule = NULL;
	return space_add_mirror(w->s, &w->mirror[i].m);
}

static void a_mirror_is_filled(void **state)
{
	struct world *w = *state;

	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	assert_int_equal(map_va(w, w->arena + 0x5000, 0x1000, 0x20000, SPACE_READ, NULL), 0);
	assert_false(space_has_mirror(w->s));
	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
	assert_true(space_has_mirror(w->s));
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(translate(w, i, 0x13007, RW), w->arena + 0x3007);
		assert_ptr_equal(translate(w, i, 0x20000, SPACE_READ), w->arena + 0x5000);
		assert_null(translate(w, i, 0x14000, 0));
		assert_int_equal(pt_mapped_bytes(w->mirror[i].m.pt), 0x5000);
	}
	mirror_remove(w, 0);
	assert_ptr_equal(translate(w, 1, 0x13007, RW), w->arena + 0x3007);
	mirror_remove(w, 1);
	assert_int_equal(space_nr_areas(w->s), 2);
	mirror_add(w, 0, true);
	assert_ptr_equal(translate(w, 0, 0x13007, RW), w->arena + 0x3007);
}

static void refusals(void **state)
{
	struct world *w = *state;
	struct space_range allowed = {1ull << 47, 1ull << 48};
	char *hole = map_anon(PAGE_SIZE, MAP_PRIVATE);
	size_t tables;

	munmap(hole, PAGE_SIZE);
	mirror_open(w, 0, false);
	/* HWA.12 before HWA.13 */
	assert_int_equal(map_va(w, w->arena + 1, 1, 0x10001, RW, NULL), 0);
	w->mirror[0].m.page_sizes = 65536;
	assert_refused(w, try_add(w, 0), EINVAL, "HWA.12");
	w->mirror[0].m.page_sizes = pt_page_sizes(w->mirror[0].m.pt);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	unmap_at(w, 0x10001, 1);
	/* Misaligned in memory, in length, in IOVA. */
	assert_int_equal(map_va(w, w->arena + 0x800, 0x1000, 0x10000, RW, NULL), 0);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	unmap_at(w, 0x10000, 0x1000);
	assert_int_equal(map_va(w, w->arena, 0x800, 0x10000, RW, NULL), 0);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	unmap_at(w, 0x10000, 0x1000);
	assert_int_equal(map_va(w, w->arena, 0x1000, 0x10800, RW, NULL), 0);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	unmap_at(w, 0x10000, 0x2000);
	/* Outside the aperture, before HWA.14: an area, the allowed list. */
	assert_int_equal(map_va(w, hole, 0x1000, 1ull << 48, RW, NULL), 0);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	unmap_at(w, 1ull << 48, 0x1000);
	assert_int_equal(space_allow(w->s, &allowed, 1), 0);
	assert_refused(w, try_add(w, 0), EADDRINUSE, "HWA.13");
	assert_int_equal(space_allow(w->s, NULL, 0), 0);
	/* Memory that is not there, behind some that is. */
	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	assert_int_equal(map_va(w, hole, 0x1000, 0x20000, RW, NULL), 0);
	assert_refused(w, try_add(w, 0), EFAULT, "HWA.14");
	unmap_at(w, 0x20000, 0x1000);
	assert_int_equal(pt_mapped_bytes(w->mirror[0].m.pt), 0);
	/* Nothing stays reserved, nothing pinned; the alignment is as before. */
	assert_int_equal(map_va(w, w->arena, 1, (1ull << 48) + 1, RW, NULL), 0);
	unmap_at(w, (1ull << 48) + 1, 1);
	/* No memory for tables. */
	assert_int_equal(map_arena(w, 4, 4, 1ull << 40), 0);
	tables = pt_mem_tables(w->tables);
	pt_mem_set_limit(w->tables, tables + 1);
	assert_refused(w, try_add(w, 0), ENOMEM, "HWA.14");
	assert_int_equal(pt_mapped_bytes(w->mirror[0].m.pt), 0);
	pt_mem_set_limit(w->tables, tables + 100);
	assert_int_equal(try_add(w, 0), 0);
}

static void alignment_follows_the_mirrors(void **state)
{
	struct world *w = *state;

	mirror_add(w, 0, false);
	assert_refused(w, map_va(w, w->arena, 0x800, 0x10000, RW, NULL), EINVAL, "MAP.7");
	mirror_remove(w, 0);
	assert_int_equal(map_va(w, w->arena, 0x800, 0x10000, RW, NULL), 0);
}

static void page_sizes_are_those_that_all_share(void **state)
{
	struct world *w = *state;
	uint64_t vtd, amd;

	assert_int_equal(space_page_sizes(w->s), ~PAGE_MASK);
	mirror_add(w, 0, false);
	vtd = pt_page_sizes(w->mirror[0].m.pt);
	assert_int_equal(space_page_sizes(w->s), vtd);
	mirror_add(w, 1, true);
	amd = pt_page_sizes(w->mirror[1].m.pt);
	assert_int_not_equal(vtd, amd);
	assert_int_equal(space_page_sizes(w->s), vtd & amd);
}

static void memory_is_pinned_while_there_is_a_mirror(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;

	assert_int_equal(memory_register(w->memory, va, PAGE_SIZE), 0);
	assert_int_equal(map_va(w, (void *)va, PAGE_SIZE, 0x10000, RW, NULL), 0);
	mirror_add(w, 0, false);
	mirror_add(w, 1, true);
	assert_int_equal(memory_unregister(w->memory, va, PAGE_SIZE), -EBUSY);
	mirror_remove(w, 0);
	assert_int_equal(memory_unregister(w->memory, va, PAGE_SIZE), -EBUSY);
	mirror_remove(w, 1);
	assert_int_equal(memory_unregister(w->memory, va, PAGE_SIZE), 0);
}

static int set_huge(struct world *w, uint64_t on)
{
	w->rule = NULL;
	return space_set_huge_pages(w->s, on);
}

static void huge_pages(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;
	struct pt_leaf leaf;

	assert_int_equal(memory_register(w->memory, va, GiB), 0);
	assert_true(space_huge_pages(w->s));
	assert_refused(w, set_huge(w, 2), EINVAL, "OPT.15");
	/* OPT.12, without a mirror */
	assert_int_equal(map_va(w, w->arena, 0x800, 0x10000, RW, NULL), 0);
	assert_refused(w, set_huge(w, 0), EADDRINUSE, "OPT.12");
	assert_true(space_huge_pages(w->s));
	unmap_at(w, 0x10000, 0x800);
	/* OPT.11 */
	mirror_add(w, 0, false);
	assert_int_equal(map_va(w, (void *)va, GiB, GiB, RW, NULL), 0);
	assert_refused(w, set_huge(w, 0), EINVAL, "OPT.11");
	assert_int_equal(set_huge(w, 1), 0);
	unmap_at(w, GiB, GiB);
	/* OPT.13: also the mirror that is there writes small leaves from now on. */
	assert_int_equal(set_huge(w, 0), 0);
	assert_false(space_huge_pages(w->s));
	mirror_add(w, 1, true);
	assert_int_equal(map_va(w, (void *)va, 4 * MiB, GiB, RW, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(pt_translate(w->mirror[i].m.pt, GiB + 3 * MiB, &leaf), 0);
		assert_int_equal(leaf.lg2, 12);
	}
	assert_int_equal(set_huge(w, 0), 0); /* OPT.10 */
	/* OPT.14: leaves that are there stay. */
	assert_int_equal(set_huge(w, 1), 0);
	assert_int_equal(pt_translate(w->mirror[0].m.pt, GiB, &leaf), 0);
	assert_int_equal(leaf.lg2, 12);
	assert_int_equal(map_va(w, (void *)va, 4 * MiB, 2 * GiB, RW, NULL), 0);
	assert_int_equal(pt_translate(w->mirror[0].m.pt, 2 * GiB, &leaf), 0);
	assert_int_equal(leaf.lg2, 21);
	/* Off, the alignment is a page even without a mirror. */
	assert_int_equal(space_unmap_all(w->s, &(uint64_t){0}), 0);
	assert_int_equal(set_huge(w, 0), 0);
	mirror_remove(w, 0);
	mirror_remove(w, 1);
	assert_refused(w, map_va(w, w->arena, 0x800, 0x10000, RW, NULL), EINVAL, "MAP.7");
	assert_int_equal(set_huge(w, 1), 0);
	assert_int_equal(map_va(w, w->arena, 0x800, 0x10000, RW, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_mirror_is_filled),
		WORLD_TEST(refusals),
		WORLD_TEST(alignment_follows_the_mirrors),
		WORLD_TEST(page_sizes_are_those_that_all_share),
		WORLD_TEST(memory_is_pinned_while_there_is_a_mirror),
		WORLD_TEST(huge_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

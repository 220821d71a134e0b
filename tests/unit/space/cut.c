/* SPDX-License-Identifier: BSD-3-Clause */
/* Cutting an area in two, for the compat door's type1 (9.5). */
#include "world.h"

static int cut(struct world *w, uint64_t iova)
{
	w->rule = NULL;
	return space_cut(w->s, iova);
}

static void halves(struct world *w)
{
	struct space_area a;

	assert_int_equal(map_arena(w, 0, 8, 0x10000), 0);
	assert_int_equal(cut(w, 0x13000), 0);
	assert_int_equal(cut(w, 0x16000), 0);
	assert_int_equal(space_nr_areas(w->s), 3);
	assert_int_equal(space_next_area(w->s, 0x13000, &a), 0);
	assert_int_equal(a.iova, 0x13000);
	assert_int_equal(a.last, 0x15fff);
	assert_int_equal(a.offset, 0x3000);
	assert_int_equal(a.prot, RW);
	assert_int_equal(unmap_at(w, 0x13000, 0x3000), 0x3000);
	if (w->mirror[0].m.pt) {
		assert_ptr_equal(translate(w, 0, 0x12fff, RW), w->arena + 0x2fff);
		assert_null(translate(w, 0, 0x13000, 0));
		assert_null(translate(w, 0, 0x15fff, 0));
		assert_ptr_equal(translate(w, 0, 0x16000, RW), w->arena + 0x6000);
	}
	assert_int_equal(unmap_at(w, 0x10000, 0x8000), 0x5000);
}

static void the_middle_goes_and_the_rest_stays(void **state)
{
	struct world *w = *state;

	halves(w);
	assert_int_equal(space_set_huge_pages(w->s, 0), 0);
	mirror_add(w, 0, false);
	halves(w);
	mirror_add(w, 1, true);
	halves(w);
}

static void pins_follow_their_part(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;

	assert_int_equal(memory_register(w->memory, va, 2 * MiB), 0);
	assert_int_equal(memory_register(w->memory, va + 2 * MiB, 2 * MiB), 0);
	assert_int_equal(space_set_huge_pages(w->s, 0), 0);
	mirror_add(w, 0, false);
	assert_int_equal(map_va(w, (void *)va, 4 * MiB, 0x10000000, RW, NULL), 0);
	assert_int_equal(cut(w, 0x10000000 + 2 * MiB), 0);
	unmap_at(w, 0x10000000, 2 * MiB);
	assert_int_equal(memory_unregister(w->memory, va, 2 * MiB), 0);
	assert_int_equal(memory_unregister(w->memory, va + 2 * MiB, 2 * MiB), -EBUSY);
	unmap_at(w, 0x10000000 + 2 * MiB, 2 * MiB);
	assert_int_equal(memory_unregister(w->memory, va + 2 * MiB, 2 * MiB), 0);
}

static void what_cannot_be_cut(void **state)
{
	struct world *w = *state;

	assert_int_equal(cut(w, 0x10000), 0);
	assert_int_equal(map_va(w, w->arena, 0x4000, 0x10000, RW, NULL), 0);
	assert_int_equal(cut(w, 0x10000), 0); /* its start */
	assert_int_equal(cut(w, 0x14000), 0); /* behind its end */
	assert_int_equal(cut(w, 0x10001), 0); /* (quirk) */
	assert_int_equal(space_nr_areas(w->s), 1);
	/* Without a mirror huge pages are no reason. */
	assert_int_equal(cut(w, 0x10002), 0);
	assert_int_equal(space_nr_areas(w->s), 2);
	unmap_at(w, 0x10000, 0x4000);
	mirror_add(w, 0, false);
	assert_int_equal(map_va(w, w->arena, 0x4000, 0x10000, RW, NULL), 0);
	assert_refused(w, cut(w, 0x10800), EINVAL, "COMPAT.UNMAP");
	assert_refused(w, cut(w, 0x11000), EINVAL, "COMPAT.UNMAP");
	assert_int_equal(space_nr_areas(w->s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(the_middle_goes_and_the_rest_stays),
		WORLD_TEST(pins_follow_their_part),
		WORLD_TEST(what_cannot_be_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* COPY: pages are shared, pieces stay pieces, and a failure leaves nothing. */
#include "world.h"

struct two {
	struct world *w;
	struct space *dst;
};

static int setup(void **state)
{
	struct two *t = calloc(1, sizeof(*t));

	t->w = world_open();
	assert_int_equal(space_create(t->w->memory, &t->w->sink, &t->dst), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct two *t = *state;

	space_destroy(t->dst);
	world_close(t->w);
	free(t);
	return 0;
}

static int copy(struct two *t, uint64_t src, uint64_t len, uint64_t dst, int prot, uint64_t *out)
{
	struct space_copy c = {.src_iova = src,
			       .length = len,
			       .dst_iova = dst,
			       .prot = prot,
			       .fixed = dst != U64MAX};
	int rc;

	t->w->rule = NULL;
	rc = space_copy(t->dst, t->w->s, &c);
	if (out)
		*out = c.dst_iova;
	return rc;
}

static void refusals(void **state)
{
	struct two *t = *state;
	struct world *w = t->w;
	struct space_range reserved = {0x100000, 0x100fff};

	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	assert_int_equal(map_va(w, w->arena, 0x1000, 0x14000, SPACE_READ, NULL), 0);
	assert_int_equal(map_arena(w, 0, 1, 0x16000), 0);
	assert_refused(w, copy(t, 0x10000, 0, 0x1000, RW, NULL), EINVAL, "CPY.5");
	assert_refused(w, copy(t, U64MAX, 0, 0x1000, RW, NULL), EINVAL, "CPY.5");
	assert_refused(w, copy(t, U64MAX, 2, 0x1000, RW, NULL), EOVERFLOW, "CPY.6");
	assert_refused(w, copy(t, 0xf000, 0x2000, 0x1000, RW, NULL), ENOENT, "CPY.7");
	assert_refused(w, copy(t, 0x14000, 0x3000, 0x1000, RW, NULL), ENOENT, "CPY.7");
	assert_refused(w, copy(t, 0x16000, 0x1001, 0x1000, RW, NULL), ENOENT, "CPY.7");
	space_destroy(t->dst);
	/* Rows of MAP in the destination, CPY.10 between 14 and 15. */
	t->dst = w->s;
	assert_int_equal(space_reserve(t->dst, &reserved, 1, t), 0);
	assert_refused(w, copy(t, 0x14000, 0x1000, 0x100000, RW, NULL), EINVAL, "MAP.13");
	assert_refused(w, copy(t, 0x14000, 0x1000, 0x10000, RW, NULL), EEXIST, "MAP.14");
	assert_refused(w, copy(t, 0x14000, 0x1000, 0x20000, RW, NULL), EPERM, "CPY.10");
	assert_refused(w, copy(t, 0x13000, 0x2000, 0x20000, RW, NULL), EPERM, "CPY.10");
	assert_int_equal(space_nr_areas(w->s), 3);
	assert_int_equal(copy(t, 0x14000, 0x1000, 0x20000, SPACE_READ, NULL), 0);
	unmap_at(w, 0x20000, 0x1000);
	space_release(t->dst, t);
	/* CPY.10 before MAP.15: an offset in the page that the alignment does not allow, of memory
	 * that is not writable. */
	assert_int_equal(space_unmap_all(w->s, &(uint64_t){0}), 0);
	assert_int_equal(space_create(w->memory, &w->sink, &t->dst), 0);
	assert_int_equal(map_va(w, w->arena + 0x800, 0x1000, 0x10000, SPACE_READ, NULL), 0);
	assert_int_equal(space_set_huge_pages(t->dst, 0), 0); /* alignment 4096 */
	assert_refused(w, copy(t, 0x10000, 0x1000, 0x1000, RW, NULL), EPERM, "CPY.10");
	assert_refused(w, copy(t, 0x10000, 0x1000, 0x1000, SPACE_READ, NULL), EINVAL, "MAP.15");
}

static void pieces_of_several_areas(void **state)
{
	struct two *t = *state;
	struct world *w = t->w;
	struct space_area a;
	uint64_t iova;

	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	assert_int_equal(map_arena(w, 10, 2, 0x14000), 0);
	assert_int_equal(map_arena(w, 20, 4, 0x16000), 0);
	assert_int_equal(copy(t, 0x11000, 0x6000, U64MAX, SPACE_READ, &iova), 0);
	/* Placed as one: the first piece's address, one page off a multiple of 0x2000 or more, and
	 * the whole length. */
	assert_int_equal(iova, 0x1000);
	assert_int_equal(space_nr_areas(t->dst), 3);
	assert_int_equal(space_next_area(t->dst, 0, &a), 0);
	assert_int_equal(a.iova, 0x1000);
	assert_int_equal(a.last, 0x3fff);
	assert_int_equal(a.offset, 0x1000);
	assert_int_equal(a.prot, SPACE_READ);
	assert_int_equal(space_next_area(t->dst, 0x4000, &a), 0);
	assert_int_equal(a.last, 0x5fff);
	assert_int_equal(a.offset, 0);
	assert_int_equal(space_next_area(t->dst, 0x6000, &a), 0);
	assert_int_equal(a.last, 0x6fff);
	assert_int_equal(pages_start(a.pages), (uintptr_t)w->arena + 20 * PAGE_SIZE);
}

static void copies_pay_once_and_stay_pinned(void **state)
{
	struct two *t = *state;
	struct world *w = t->w;
	struct space_map map = {
		.length = 4 * PAGE_SIZE, .iova = 0x10000, .prot = RW, .fixed = true};
	uint64_t limit = 4 * PAGE_SIZE;
	struct memory_payer payer;
	struct mirror *m = &w->mirror[0];

	assert_int_equal(memory_account_create(limit_of, &limit, &payer.account), 0);
	assert_int_equal(pages_from_va(w->memory, &payer, (uintptr_t)w->arena, map.length, true,
				       false, &map.pages),
			 0);
	mirror_add(w, 0, false);
	assert_int_equal(space_map(w->s, &map), 0);
	pages_put(map.pages);
	assert_int_equal(memory_account_locked(payer.account), 4);
	mirror_open(w, 1, true);
	assert_int_equal(space_add_mirror(t->dst, &w->mirror[1].m), 0);
	assert_int_equal(copy(t, 0x11000, 0x2000, 0x50000, RW, NULL), 0);
	assert_int_equal(memory_account_locked(payer.account), 4);
	assert_ptr_equal(translate(w, 1, 0x51005, RW), w->arena + 0x2005);
	assert_int_equal(unmap_at(w, 0x10000, 0x4000), 0x4000);
	assert_int_equal(pt_mapped_bytes(m->m.pt), 0);
	assert_int_equal(memory_account_locked(payer.account), 2);
	assert_ptr_equal(translate(w, 1, 0x51005, RW), w->arena + 0x2005);
	space_remove_mirror(t->dst, &w->mirror[1].m);
	mirror_close(w, 1);
	assert_int_equal(memory_account_locked(payer.account), 0);
	memory_account_put(payer.account);
}

/* Three pieces, the last of which cannot be pinned: the first two go again. */
static void a_copy_that_fails_in_the_middle(void **state)
{
	struct two *t = *state;
	struct world *w = t->w;
	char *hole = map_anon(PAGE_SIZE, MAP_PRIVATE);

	munmap(hole, PAGE_SIZE);
	assert_int_equal(map_arena(w, 0, 2, 0x10000), 0);
	assert_int_equal(map_arena(w, 4, 2, 0x12000), 0);
	assert_int_equal(map_va(w, hole, PAGE_SIZE, 0x14000, RW, NULL), 0);
	mirror_open(w, 1, true);
	assert_int_equal(space_add_mirror(t->dst, &w->mirror[1].m), 0);
	assert_refused(w, copy(t, 0x10000, 0x5000, 0x50000, RW, NULL), EFAULT, "MAP.16");
	assert_int_equal(space_nr_areas(t->dst), 0);
	assert_int_equal(pt_mapped_bytes(w->mirror[1].m.pt), 0);
	assert_int_equal(copy(t, 0x10000, 0x4000, 0x50000, RW, NULL), 0);
	space_remove_mirror(t->dst, &w->mirror[1].m);
	mirror_close(w, 1);
}

static void into_the_same_space(void **state)
{
	struct two *t = *state;
	struct world *w = t->w;
	struct space_copy c = {.src_iova = 0x10000,
			       .length = 0x2000,
			       .dst_iova = 0x12000,
			       .prot = RW,
			       .fixed = true};

	mirror_add(w, 0, true);
	assert_int_equal(map_arena(w, 0, 2, 0x10000), 0);
	assert_int_equal(space_copy(w->s, w->s, &c), 0);
	c.length = 0x4000;
	c.dst_iova = 0x14000;
	assert_int_equal(space_copy(w->s, w->s, &c), 0);
	for (uint64_t iova = 0x10000; iova < 0x18000; iova += PAGE_SIZE)
		assert_ptr_equal(translate(w, 0, iova, RW), w->arena + (iova & 0x1000));
	assert_int_equal(space_nr_areas(w->s), 4);
	assert_int_equal(unmap_at(w, 0x10000, 0x2000), 0x2000);
	assert_ptr_equal(translate(w, 0, 0x17000, RW), w->arena + 0x1000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(refusals),
		T(pieces_of_several_areas),
		T(copies_pay_once_and_stay_pinned),
		T(a_copy_that_fails_in_the_middle),
		T(into_the_same_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

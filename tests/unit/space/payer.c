/* SPDX-License-Identifier: BSD-3-Clause */
/* CHANGE_PROCESS: who pays for what is mapped (CHP.2 to CHP.5). */
#include "world.h"

struct fixture {
	struct world *w;
	struct space *spaces[2];
	struct memory_payer old, new;
	uint64_t old_limit, new_limit;
	int fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->w = world_open();
	f->spaces[0] = f->w->s;
	assert_int_equal(space_create(f->w->memory, &f->w->sink, &f->spaces[1]), 0);
	f->old_limit = f->new_limit = MiB;
	assert_int_equal(memory_account_create(limit_of, &f->old_limit, &f->old.account), 0);
	assert_int_equal(memory_account_create(limit_of, &f->new_limit, &f->new.account), 0);
	f->fd = memfd_create("payer", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->fd, 16 * PAGE_SIZE), 0);
	mirror_add(f->w, 0, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	space_destroy(f->spaces[1]);
	world_close(f->w);
	assert_int_equal(memory_account_locked(f->old.account), 0);
	assert_int_equal(memory_account_locked(f->new.account), 0);
	memory_account_put(f->old.account);
	memory_account_put(f->new.account);
	close(f->fd);
	free(f);
	return 0;
}

static void map_file(struct fixture *f, const struct memory_payer *payer, uint64_t page, uint64_t n,
		     uint64_t iova)
{
	struct space_map map = {.length = n * PAGE_SIZE, .iova = iova, .prot = RW, .fixed = true};

	assert_int_equal(pages_from_file(f->w->memory, payer, dup(f->fd), page * PAGE_SIZE,
					 map.length, true, &map.pages),
			 0);
	assert_int_equal(space_map(f->w->s, &map), 0);
	pages_put(map.pages);
}

static void nothing_to_move(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(space_change_payer(f->spaces, 2, &f->new), 0);
	assert_int_equal(space_change_payer(NULL, 0, &f->new), 0);
}

static void charges_move(void **state)
{
	struct fixture *f = *state;
	struct space_copy c = {.src_iova = 0x10000,
			       .length = 0x2000,
			       .dst_iova = 0x50000,
			       .prot = RW,
			       .fixed = true};

	map_file(f, &f->old, 0, 4, 0x10000);
	map_file(f, &f->old, 4, 2, 0x20000);
	map_file(f, &f->new, 8, 1, 0x30000);
	map_file(f, NULL, 9, 1, 0x40000);
	/* Seen through three areas and two spaces, counted once. */
	assert_int_equal(space_copy(f->w->s, f->w->s, &c), 0);
	assert_int_equal(space_copy(f->spaces[1], f->w->s, &c), 0);
	assert_int_equal(memory_account_locked(f->old.account), 6);
	f->new_limit = 6 * PAGE_SIZE;
	assert_refused(f->w, space_change_payer(f->spaces, 2, &f->new), ENOMEM, "CHP.4");
	assert_int_equal(memory_account_locked(f->old.account), 6);
	assert_int_equal(memory_account_locked(f->new.account), 1);
	f->new_limit = 7 * PAGE_SIZE;
	assert_int_equal(space_change_payer(f->spaces, 2, &f->new), 0);
	assert_int_equal(memory_account_locked(f->old.account), 0);
	assert_int_equal(memory_account_locked(f->new.account), 7);
	unmap_at(f->w, 0x20000, 0x2000);
	assert_int_equal(memory_account_locked(f->new.account), 5);
}

/* CHP.3, even when nothing would move; before CHP.4. */
static void only_files(void **state)
{
	struct fixture *f = *state;

	map_file(f, &f->old, 0, 4, 0x10000);
	assert_int_equal(map_arena(f->w, 0, 1, 0x20000), 0);
	f->new_limit = 0;
	assert_refused(f->w, space_change_payer(f->spaces, 2, &f->new), EINVAL, "CHP.3");
	assert_refused(f->w, space_change_payer(f->spaces, 2, &f->old), EINVAL, "CHP.3");
	assert_int_equal(memory_account_locked(f->old.account), 4);
}

static void what_is_not_pinned_costs_nothing(void **state)
{
	struct fixture *f = *state;

	mirror_remove(f->w, 0);
	map_file(f, &f->old, 0, 4, 0x10000);
	f->new_limit = 0;
	assert_int_equal(space_change_payer(f->spaces, 2, &f->new), 0);
	f->new_limit = MiB;
	mirror_add(f->w, 0, true);
	assert_int_equal(memory_account_locked(f->old.account), 0);
	assert_int_equal(memory_account_locked(f->new.account), 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_to_move),
		T(charges_move),
		T(only_files),
		T(what_is_not_pinned_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

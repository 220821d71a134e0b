/* SPDX-License-Identifier: BSD-3-Clause */
/* Who pays, and how much: each page of an object once, however often it is pinned. */
#include "common.h"

struct fixture {
	struct memory *m;
	struct memory_account *a;
	struct memory_payer payer;
	uint64_t limit;
	unsigned int revoked;
	char *va;
	struct pages *p;
};

#define NR_PAGES 16

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->m = make_memory(true, &f->revoked);
	f->limit = 1 * MiB;
	assert_int_equal(memory_account_create(limit_of, &f->limit, &f->a), 0);
	f->payer.account = f->a;
	f->va = map_anon(NR_PAGES * PAGE_SIZE, MAP_PRIVATE);
	assert_int_equal(pages_from_va(f->m, &f->payer, (uintptr_t)f->va, NR_PAGES * PAGE_SIZE,
				       true, false, &f->p),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pages_put(f->p);
	assert_int_equal(memory_account_locked(f->a), 0);
	memory_account_put(f->a);
	munmap(f->va, NR_PAGES * PAGE_SIZE);
	memory_destroy(f->m);
	free(f);
	return 0;
}

static void nothing_before_a_pin(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(memory_account_locked(f->a), 0);
	assert_int_equal(pages_charged(f->p), 0);
}

static void overlapping_pins_are_charged_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pages_pin(f->p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(f->a), 4);
	assert_int_equal(pages_pin(f->p, 2 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(f->a), 6);
	assert_int_equal(pages_pin(f->p, 0, NR_PAGES * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(f->a), NR_PAGES);
	assert_int_equal(pages_charged(f->p), NR_PAGES);
	pages_unpin(f->p, 0, 4 * PAGE_SIZE);
	assert_int_equal(memory_account_locked(f->a), NR_PAGES);
	pages_unpin(f->p, 0, NR_PAGES * PAGE_SIZE);
	assert_int_equal(memory_account_locked(f->a), 4);
	pages_unpin(f->p, 2 * PAGE_SIZE, 4 * PAGE_SIZE);
	assert_int_equal(memory_account_locked(f->a), 0);
}

static void whole_pages_are_charged(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pages_pin(f->p, PAGE_SIZE - 1, 2), 0);
	assert_int_equal(memory_account_locked(f->a), 2);
	assert_int_equal(pages_pin(f->p, 0, 1), 0);
	assert_int_equal(memory_account_locked(f->a), 2);
	pages_unpin(f->p, PAGE_SIZE - 1, 2);
	assert_int_equal(memory_account_locked(f->a), 1);
	pages_unpin(f->p, 0, 1);
}

static void over_the_limit(void **state)
{
	struct fixture *f = *state;

	f->limit = 6 * PAGE_SIZE + 1;
	assert_int_equal(pages_pin(f->p, 0, 4 * PAGE_SIZE), 0);
	assert_true(memory_account_room(f->a, 2));
	assert_false(memory_account_room(f->a, 3));
	assert_int_equal(pages_pin(f->p, 2 * PAGE_SIZE, 5 * PAGE_SIZE), -ENOMEM);
	assert_int_equal(memory_account_locked(f->a), 4);
	assert_int_equal(pages_pin(f->p, 2 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
	pages_unpin(f->p, 2 * PAGE_SIZE, 4 * PAGE_SIZE);
	f->limit = 0;
	assert_int_equal(pages_pin(f->p, 0, 4 * PAGE_SIZE), 0); /* already paid for */
	pages_unpin(f->p, 0, 4 * PAGE_SIZE);
	pages_unpin(f->p, 0, 4 * PAGE_SIZE);
	assert_int_equal(pages_pin(f->p, 0, 1), -ENOMEM);
}

/* MAP.16 comes before MAP.17. */
static void missing_memory_beats_the_limit(void **state)
{
	struct fixture *f = *state;

	munmap(f->va + PAGE_SIZE, PAGE_SIZE);
	f->limit = 0;
	assert_int_equal(pages_pin(f->p, 0, 2 * PAGE_SIZE), -EFAULT);
	assert_int_equal(pages_pin(f->p, 0, PAGE_SIZE), -ENOMEM);
	assert_int_equal(memory_account_locked(f->a), 0);
}

static void the_charge_moves(void **state)
{
	struct fixture *f = *state;
	struct memory_payer nobody = {NULL}, other = {NULL};
	uint64_t limit = 0;

	assert_int_equal(memory_account_create(limit_of, &limit, &other.account), 0);
	assert_int_equal(pages_pin(f->p, 0, 3 * PAGE_SIZE), 0);
	assert_ptr_equal(pages_account(f->p), f->a);
	pages_set_payer(f->p, &other);
	assert_ptr_equal(pages_account(f->p), other.account);
	assert_int_equal(memory_account_locked(f->a), 0);
	assert_int_equal(memory_account_locked(other.account), 3);
	pages_set_payer(f->p, &nobody);
	assert_int_equal(memory_account_locked(other.account), 0);
	assert_int_equal(pages_charged(f->p), 0);
	pages_set_payer(f->p, &f->payer);
	pages_unpin(f->p, 0, 3 * PAGE_SIZE);
	memory_account_put(other.account);
}

static void released(void *arg)
{
	*(bool *)arg = true;
}

/* VmPin: what a process has mapped, whoever pays; a file's pins move with CHANGE_PROCESS. */
static void pins_have_a_process(void **state)
{
	static const struct memory_mm_ops ops = {.release = released};
	struct fixture *f = *state;
	int fd = memfd_create("account", MFD_CLOEXEC);
	struct memory_payer other = {NULL};
	bool gone = false;
	struct pages *p;

	assert_int_equal(memory_mm_create(f->m, &ops, &gone, &other.mm), 0);
	assert_int_equal(ftruncate(fd, 4 * PAGE_SIZE), 0);
	assert_int_equal(pages_from_file(f->m, &other, fd, 0, 4 * PAGE_SIZE, true, &p), 0);
	assert_int_equal(pages_pin(f->p, 0, 3 * PAGE_SIZE), 0);
	assert_int_equal(pages_pin(f->p, PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(pages_pin(p, 0, 4 * PAGE_SIZE), 0);
	assert_int_equal(memory_pinned(f->m, NULL), 3);
	assert_int_equal(memory_pinned(f->m, other.mm), 4);
	pages_set_payer(p, &f->payer);
	assert_int_equal(memory_pinned(f->m, NULL), 7);
	assert_int_equal(memory_pinned(f->m, other.mm), 0);
	assert_int_equal(memory_account_locked(f->a), 3);
	memory_mm_put(other.mm);
	assert_true(gone);
	pages_unpin(p, 0, 4 * PAGE_SIZE);
	pages_unpin(f->p, 0, 3 * PAGE_SIZE);
	assert_int_equal(memory_pinned(f->m, NULL), 1);
	f->limit = 0;
	assert_int_equal(pages_pin(f->p, 4 * PAGE_SIZE, PAGE_SIZE), -ENOMEM);
	pages_unpin(f->p, PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(memory_pinned(f->m, NULL), 0);
	pages_put(p);
}

static void without_a_payer_nothing_is_charged(void **state)
{
	struct fixture *f = *state;
	struct pages *p = make_pages(f->m, f->va, PAGE_SIZE, true);

	f->limit = 0;
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(f->a), 0);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
}

/* Two objects over the same memory are two charges, as in Linux. */
static void two_objects_pay_twice(void **state)
{
	struct fixture *f = *state;
	struct pages *p;

	assert_int_equal(
		pages_from_va(f->m, &f->payer, (uintptr_t)f->va, PAGE_SIZE, true, false, &p), 0);
	assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
	assert_int_equal(pages_pin(f->p, 0, PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(f->a), 2);
	pages_unpin(p, 0, PAGE_SIZE);
	pages_put(p);
	pages_unpin(f->p, 0, PAGE_SIZE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_before_a_pin),
		T(overlapping_pins_are_charged_once),
		T(whole_pages_are_charged),
		T(over_the_limit),
		T(missing_memory_beats_the_limit),
		T(the_charge_moves),
		T(pins_have_a_process),
		T(without_a_payer_nothing_is_charged),
		T(two_objects_pay_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

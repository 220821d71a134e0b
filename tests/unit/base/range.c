/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The range tree against a naive twin (a sorted array), under random scripts, failing allocations
 * and readers.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/range.h"

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}

/* The twin. */

#define TWIN_MAX 8192

struct twin {
	struct range r[TWIN_MAX];
	size_t n;
};

static size_t twin_from(const struct twin *w, uint64_t x)
{
	size_t i = 0;

	while (i < w->n && w->r[i].last < x)
		i++;
	return i;
}

static int twin_insert(struct twin *w, uint64_t start, uint64_t last, void *value)
{
	size_t i = twin_from(w, start);

	if (i < w->n && w->r[i].start <= last)
		return -EEXIST;
	memmove(&w->r[i + 1], &w->r[i], (w->n - i) * sizeof(w->r[0]));
	w->r[i] = (struct range){start, last, value};
	w->n++;
	return 0;
}

static int twin_erase(struct twin *w, uint64_t start)
{
	size_t i = twin_from(w, start);

	if (i == w->n || w->r[i].start != start)
		return -ENOENT;
	w->n--;
	memmove(&w->r[i], &w->r[i + 1], (w->n - i) * sizeof(w->r[0]));
	return 0;
}

static int twin_update(struct twin *w, uint64_t start, uint64_t last, void *value)
{
	size_t i = twin_from(w, start);

	if (i == w->n || w->r[i].start != start)
		return -ENOENT;
	if (i + 1 < w->n && w->r[i + 1].start <= last)
		return -EEXIST;
	w->r[i].last = last;
	w->r[i].value = value;
	return 0;
}

/* First fit, number by number over the gaps' beginnings and the aligned places in them. */
static int twin_find_free(const struct twin *w, const struct range_fit *f, uint64_t *start)
{
	uint64_t at = f->from;

	for (;;) {
		uint64_t shift = (f->offset - at) & (f->align - 1);
		size_t i;

		if (__builtin_add_overflow(at, shift, &at) || at > f->last ||
		    f->len - 1 > f->last - at)
			return -ENOSPC;
		i = twin_from(w, at);
		if (i == w->n || w->r[i].start > at + (f->len - 1)) {
			*start = at;
			return 0;
		}
		at = w->r[i].last + 1;
		if (!at)
			return -ENOSPC;
	}
}

static void assert_same(const struct range *a, const struct range *b)
{
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->last, b->last);
	assert_ptr_equal(a->value, b->value);
}

static void compare(struct range_tree *t, const struct twin *w)
{
	struct range r, back;
	size_t i = 0;
	const char *wrong = range_check(t);

	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(range_count(t), w->n);
	for (bool more = range_first(t, &r); more; more = range_next(t, &r))
		assert_same(&r, &w->r[i++]);
	assert_int_equal(i, w->n);
	for (bool more = range_last(t, &back); more; more = range_prev(t, &back))
		assert_same(&back, &w->r[--i]);
	assert_int_equal(i, 0);
}

static void compare_looks(struct range_tree *t, const struct twin *w, uint64_t x, uint64_t len)
{
	uint64_t last = x + len < x ? U64MAX : x + len, low, high;
	size_t i = twin_from(w, x);
	struct range r;
	bool found = i < w->n && w->r[i].start <= x;

	assert_int_equal(range_find(t, x, &r), found);
	if (found)
		assert_same(&r, &w->r[i]);
	assert_int_equal(range_lookup(t, x, &r), found);
	if (found)
		assert_same(&r, &w->r[i]);
	found = i < w->n && w->r[i].start <= last;
	assert_int_equal(range_first_overlap(t, x, last, &r), found);
	if (found)
		assert_same(&r, &w->r[i]);
	while (x <= last && i < w->n && w->r[i].start <= x) {
		x = w->r[i].last + 1;
		if (!x || x > last) {
			assert_false(range_gap(t, w->r[i].start, last, &low, &high));
			return;
		}
		i++;
	}
	assert_true(range_gap(t, x, last, &low, &high));
	assert_int_equal(low, x);
	assert_int_equal(high, i < w->n && w->r[i].start <= last ? w->r[i].start - 1 : last);
}

/* A script's taste: how wide the numbers spread, how long ranges are, how often it erases. */
struct taste {
	uint64_t space, len;
	unsigned int erase_percent, steps;
	bool high; /* at the top of the numbers rather than at 0 */
};

static void run_script(const struct taste *taste, uint64_t seed)
{
	static struct twin w;
	struct range_tree t;
	uint64_t base = taste->high ? U64MAX - taste->space + 1 : 0, rnd = seed;

	w.n = 0;
	range_init(&t, NULL);
	for (unsigned int step = 0; step < taste->steps; step++) {
		uint64_t x = base + next_random(&rnd) % taste->space,
			 len = next_random(&rnd) % taste->len;
		uint64_t last = x + len < x ? U64MAX : x + len, a = 0, b = 0;
		void *value = (void *)(uintptr_t)next_random(&rnd);
		unsigned int dice = next_random(&rnd) % 100;
		struct range_fit fit = {.len = len + 1, .align = BIT(dice % 5), .from = x};

		fit.offset = next_random(&rnd) % fit.align;
		fit.from = dice & 1 ? base : x;
		fit.last = dice & 2 ? U64MAX : base + (taste->space - 1);
		if (dice < taste->erase_percent && w.n) {
			x = w.r[next_random(&rnd) % w.n].start + (dice == 0);
			assert_int_equal(range_erase(&t, x, NULL), twin_erase(&w, x));
		} else if (dice % 8 == 7 && w.n) {
			x = w.r[next_random(&rnd) % w.n].start;
			last = x + len < x ? U64MAX : x + len;
			assert_int_equal(range_update(&t, x, last, value),
					 twin_update(&w, x, last, value));
		} else if (dice % 8 == 6) {
			int err = twin_find_free(&w, &fit, &b);

			assert_int_equal(range_find_free(&t, &fit, &a), err);
			assert_int_equal(a, b);
			if (!err && w.n < TWIN_MAX) {
				assert_int_equal(range_insert(&t, a, a + len, value), 0);
				assert_int_equal(twin_insert(&w, a, a + len, value), 0);
			}
		} else if (w.n < TWIN_MAX) {
			assert_int_equal(range_insert(&t, x, last, value),
					 twin_insert(&w, x, last, value));
		}
		compare_looks(&t, &w, base + next_random(&rnd) % taste->space, len);
		if (step % 64 == 0)
			compare(&t, &w);
	}
	compare(&t, &w);
	while (w.n) {
		size_t i = next_random(&rnd) % w.n;
		struct range r, was = w.r[i];

		assert_int_equal(range_erase(&t, was.start, &r), 0);
		assert_same(&r, &was);
		twin_erase(&w, was.start);
		if (w.n % 32 == 0)
			compare(&t, &w);
	}
	range_destroy(&t);
}

static void test_random_scripts(void **state)
{
	static const struct taste tastes[] = {
		{.space = 64, .len = 4, .erase_percent = 40, .steps = 4000},
		{.space = 64, .len = 4, .erase_percent = 40, .steps = 4000, .high = true},
		{.space = 4000, .len = 6, .erase_percent = 30, .steps = 6000},
		{.space = 4000, .len = 6, .erase_percent = 48, .steps = 6000, .high = true},
		{.space = 1 << 20, .len = 64, .erase_percent = 20, .steps = 8000},
		{.space = 1ull << 60, .len = 1ull << 48, .erase_percent = 25, .steps = 6000},
		{.space = 1ull << 60,
		 .len = 1ull << 58,
		 .erase_percent = 45,
		 .steps = 4000,
		 .high = true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tastes); i++) {
		for (uint64_t seed = 1; seed <= 4; seed++)
			run_script(&tastes[i], seed * 0x9e3779b97f4a7c15ull);
	}
}

enum order { ASCENDING, DESCENDING, INWARD };

static uint64_t ordered(enum order o, uint64_t i, uint64_t n)
{
	if (o == INWARD)
		return i & 1 ? n - 1 - i / 2 : i / 2;
	return o == ASCENDING ? i : n - 1 - i;
}

/* Every order of filling met by every order of draining. */
static void test_ordered(void **state)
{
	const uint64_t n = 20000;
	struct range_tree t;

	for (unsigned int o = 0; o < 9; o++) {
		range_init(&t, NULL);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t x = ordered(o / 3, i, n) << 12;

			assert_int_equal(range_insert(&t, x, x + 0xfff, NULL), 0);
		}
		assert_null(range_check(&t));
		assert_int_equal(range_count(&t), n);
		if (o / 3 != INWARD)
			assert_true(range_footprint(&t) < n * 40 + 4096);
		for (uint64_t i = 0; i < n; i++) {
			assert_int_equal(range_erase(&t, ordered(o % 3, i, n) << 12, NULL), 0);
			if (i % 1000 == 0)
				assert_null(range_check(&t));
		}
		assert_null(range_check(&t));
		range_destroy(&t);
	}
}

static void test_bad_arguments(void **state)
{
	struct range_fit fit = {.last = U64MAX, .len = 0, .align = 1};
	struct range r = {0, 0, NULL};
	struct range_tree t;
	uint64_t at;

	range_init(&t, NULL);
	assert_false(range_first(&t, &r));
	assert_false(range_last(&t, &r));
	assert_false(range_lookup(&t, 0, &r));
	assert_int_equal(range_erase(&t, 0, NULL), -ENOENT);
	assert_int_equal(range_update(&t, 0, 0, NULL), -ENOENT);
	assert_int_equal(range_insert(&t, 2, 1, NULL), -EINVAL);
	assert_int_equal(range_find_free(&t, &fit, &at), -EINVAL);
	fit.len = 1;
	fit.align = 3;
	assert_int_equal(range_find_free(&t, &fit, &at), -EINVAL);
	fit.align = 4;
	fit.offset = 4;
	assert_int_equal(range_find_free(&t, &fit, &at), -EINVAL);
	assert_int_equal(range_insert(&t, 0, U64MAX, &t), 0);
	assert_int_equal(range_insert(&t, 7, 7, NULL), -EEXIST);
	assert_int_equal(range_update(&t, 0, U64MAX, NULL), 0);
	assert_false(range_gap(&t, 0, U64MAX, &at, &at));
	fit.offset = 0;
	assert_int_equal(range_find_free(&t, &fit, &at), -ENOSPC);
	assert_true(range_lookup(&t, U64MAX, &r));
	assert_false(range_next(&t, &r));
	assert_false(range_prev(&t, &r));
	range_destroy(&t);
}

/* Erasing the current one while going through all that meet an interval. */
static void test_erase_while_iterating(void **state)
{
	struct range_tree t;
	struct range r;
	uint64_t seen = 0;

	range_init(&t, NULL);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(range_insert(&t, i * 10, i * 10 + 5, NULL), 0);
	for (bool more = range_first_overlap(&t, 1003, 7000, &r); more;
	     more = range_next_overlap(&t, 7000, &r)) {
		assert_int_equal(r.start, 1000 + 10 * seen++);
		assert_int_equal(range_erase(&t, r.start, NULL), 0);
	}
	assert_int_equal(seen, 601);
	assert_int_equal(range_count(&t), 399);
	assert_null(range_check(&t));
	range_destroy(&t);
}

/* First fit in a packed set must not look at every range again: a million would take minutes. */
static void test_find_free_is_amortised(void **state)
{
	struct range_fit fit = {.from = 0x1000, .last = U64MAX, .len = 0x1000, .align = 0x1000};
	struct range_tree t;
	uint64_t at;

	range_init(&t, NULL);
	for (uint64_t i = 1; i < 300000; i++) {
		assert_int_equal(range_find_free(&t, &fit, &at), 0);
		assert_int_equal(at, i << 12);
		assert_int_equal(range_insert(&t, at, at + 0xfff, NULL), 0);
	}
	assert_int_equal(range_erase(&t, 77 << 12, NULL), 0);
	assert_int_equal(range_erase(&t, 33 << 12, NULL), 0);
	assert_int_equal(range_find_free(&t, &fit, &at), 0);
	assert_int_equal(at, 33 << 12);
	fit.len = 0x2000;
	assert_int_equal(range_find_free(&t, &fit, &at), 0);
	assert_int_equal(at, 300000ull << 12);
	range_destroy(&t);
}

/* Failing allocations. */

struct failing {
	int left; /* allocations that still succeed */
	size_t held;
};

static void *failing_alloc(void *arg, size_t size, size_t align)
{
	struct failing *f = arg;

	if (f->left-- <= 0)
		return NULL;
	f->held += size;
	return aligned_alloc(align, size);
}

static void failing_free(void *arg, void *block, size_t size)
{
	struct failing *f = arg;

	f->held -= size;
	free(block);
}

static void test_allocation_failures(void **state)
{
	static struct twin w;

	for (int nth = 0; nth < 7; nth++) {
		struct failing f = {.left = nth};
		struct range_allocator a = {failing_alloc, failing_free, &f};
		struct range_tree t;
		uint64_t rnd = 0x1234567 + (uint64_t)nth;
		unsigned int failures = 0;

		w.n = 0;
		range_init(&t, &a);
		while (failures < 40 && w.n < TWIN_MAX) {
			uint64_t x = next_random(&rnd);
			int err = range_insert(&t, x, x, NULL);

			if (err == -ENOMEM) {
				failures++;
				compare(&t, &w);
			} else if (!err) {
				assert_int_equal(twin_insert(&w, x, x, NULL), 0);
			}
		}
		assert_int_equal(failures, 40);
		f.left = 1;
		for (uint64_t x = 0; x < 10; x++)
			assert_int_equal(range_insert(&t, 2 * x + 1, 2 * x + 1, NULL), 0);
		assert_int_equal(range_footprint(&t), f.held);
		range_destroy(&t);
		assert_int_equal(f.held, 0);
	}
}

/*
 * Readers beside a writer. Range i covers [64 i, 64 i + 31] or [64 i, 64 i + 63], value 64 i + 1:
 * every third one never goes and must always be found, numbers 64 i + 63 may or may not be, and
 * whatever is found must be whole.
 */
#define NR_RANGES 600

struct readers {
	struct range_tree t;
	bool stop;
	uint64_t lookups;
};

static void *read_all_the_time(void *arg)
{
	struct readers *s = arg;
	uint64_t rnd = (uintptr_t)&rnd | 1, n = 0, wrong = 0;

	/* On a busy machine the writer may be done before this thread's first turn. */
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) || n < 1000) {
		uint64_t i = next_random(&rnd) % NR_RANGES, x = i * 64 + next_random(&rnd) % 64;
		struct range r;
		bool found = range_lookup(&s->t, x, &r);

		n++;
		if (!found)
			wrong += i % 3 == 0 && x % 64 < 32;
		else
			wrong += r.start != i * 64 ||
				 (r.last != r.start + 31 && r.last != r.start + 63) ||
				 r.value != (void *)(uintptr_t)(r.start + 1) || r.last < x;
	}
	__atomic_fetch_add(&s->lookups, n, __ATOMIC_RELAXED);
	return (void *)(uintptr_t)wrong;
}

static void insert_numbered(struct range_tree *t, uint64_t i, uint64_t len)
{
	assert_int_equal(range_insert(t, i * 64, i * 64 + len - 1, (void *)(uintptr_t)(i * 64 + 1)),
			 0);
}

static void test_readers(void **state)
{
	static struct readers s;
	static bool present[NR_RANGES];
	pthread_t reader[2];
	uint64_t rnd = 99;
	void *wrong;

	range_init(&s.t, NULL);
	for (uint64_t i = 0; i < NR_RANGES; i += 3)
		insert_numbered(&s.t, i, 32);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, read_all_the_time, &s), 0);
	for (unsigned int step = 0; step < 300000; step++) {
		uint64_t i = next_random(&rnd) % NR_RANGES;

		/* Sweeps between nearly empty and full, so that nodes split, merge, and the height
		 * changes. */
		if (step % 20000 < 10000 && i % 3 && !present[i])
			insert_numbered(&s.t, i, i & 1 ? 64 : 32);
		else if (step % 20000 >= 10000 && i % 3 && present[i])
			assert_int_equal(range_erase(&s.t, i * 64, NULL), 0);
		else if (i % 3 == 0)
			range_update(&s.t, i * 64, i * 64 + (step & 1 ? 31 : 63),
				     (void *)(uintptr_t)(i * 64 + 1));
		if (i % 3)
			present[i] = step % 20000 < 10000;
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(reader[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_true(s.lookups >= 2000);
	assert_null(range_check(&s.t));
	range_destroy(&s.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_scripts),
		cmocka_unit_test(test_ordered),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_erase_while_iterating),
		cmocka_unit_test(test_find_free_is_amortised),
		cmocka_unit_test(test_allocation_failures),
		cmocka_unit_test(test_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

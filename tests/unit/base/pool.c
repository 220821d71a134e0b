/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of a pool are disjoint, aligned, and used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"

/* From one page to more than a chunk of the largest size holds. */
static void disjoint(void **state)
{
	static const size_t sizes[] = {8, 16, 56, 1000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = (5u << 20) / sizes[i];
		unsigned char **objects = malloc(n * sizeof(*objects));
		struct pool p;

		pool_init(&p, sizes[i]);
		for (size_t k = 0; k < n; k++) {
			objects[k] = pool_alloc(&p);
			assert_non_null(objects[k]);
			assert_int_equal((uintptr_t)objects[k] % 8, 0);
			memset(objects[k], (int)(k % 251), sizes[i]);
		}
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(objects[k][0], k % 251);
			assert_int_equal(objects[k][sizes[i] - 1], k % 251);
			pool_free(&p, objects[k]);
		}
		free(objects);
		pool_destroy(&p);
	}
}

static void used_again(void **state)
{
	struct pool p;
	void *a, *b;

	pool_init(&p, 24);
	a = pool_alloc(&p);
	b = pool_alloc(&p);
	assert_ptr_not_equal(a, b);
	pool_free(&p, a);
	/* A sanitised build asks malloc() each time. */
	if (!SANITIZED)
		assert_ptr_equal(pool_alloc(&p), a);
	else
		a = pool_alloc(&p);
	pool_free(&p, a);
	pool_free(&p, b);
	pool_destroy(&p);
}

static void sum(void *arg, void *object)
{
	*(uint64_t *)arg += ((uint64_t *)object)[1];
}

/* Those in use are met once each; those that are free may be met, as they were left. */
static void each(void **state)
{
	const size_t n = 10000;
	uint64_t *objects[10000], all = 0, want = 0;
	struct pool p;

	pool_init(&p, 24);
	pool_each(&p, sum, &all);
	assert_int_equal(all, 0);
	for (size_t k = 0; k < n; k++) {
		objects[k] = pool_alloc(&p);
		objects[k][1] = k;
		want += k;
	}
	pool_each(&p, sum, &all);
	assert_int_equal(all, want);
	for (size_t k = 0; k < n; k += 3) {
		want -= k;
		objects[k][1] = 0;
		pool_free(&p, objects[k]);
	}
	all = 0;
	pool_each(&p, sum, &all);
	assert_int_equal(all, want);
	for (size_t k = 0; k < n; k++)
		if (k % 3)
			pool_free(&p, objects[k]);
	pool_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disjoint),
		cmocka_unit_test(used_again),
		cmocka_unit_test(each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

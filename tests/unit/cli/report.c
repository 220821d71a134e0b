/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bounded rows, the buckets and the index of `ioas report`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/bits.h"
#include "cli/report_index.h"
#include "cli/report_latency.h"
#include "cli/report_rows.h"

#define MOST   1000
#define EVENTS 100000u

/* The grid of what was joined covers every row, and nothing of what was added is lost. */
static void test_joined_rows(void **state)
{
	uint64_t bytes = 0, count = 0, begin = UINT64_MAX, end = 0;
	struct report_rows r;

	report_rows_init(&r, MOST);
	for (uint32_t i = 0; i < EVENTS; i++) {
		const struct report_row row = {
			.t0 = i * UINT64_C(1000),
			.t1 = i % 50 ? i * UINT64_C(1000) + 700 : REPORT_FOREVER,
			.iova = (uint64_t)(i * 2654435761u) << 12,
			.last = ((uint64_t)(i * 2654435761u) << 12) + 4095,
			.bytes = i,
			.count = 1,
			.class = {.device = (uint16_t)(i % 3), .kind = i % 2},
		};

		assert_int_equal(report_rows_add(&r, &row), 0);
		assert_true(r.n <= MOST);
	}
	assert_int_equal(report_rows_finish(&r), 0);
	assert_true(r.n > MOST / 20 && r.n <= MOST);
	assert_true(r.time_shift && r.iova_shift);
	assert_int_equal(r.events, EVENTS);
	for (size_t i = 0; i < r.n; i++) {
		const struct report_row *row = &r.rows[i];

		bytes += row->bytes;
		count += row->count;
		begin = min_u64(begin, row->t0);
		end = max_u64(end, row->t1 == REPORT_FOREVER ? 0 : row->t1);
		assert_true(row->class.device < 3 && row->class.kind < 2);
		assert_true((row->last >> r.iova_shift) - (row->iova >> r.iova_shift) <= 1);
		if (row->t1 != REPORT_FOREVER)
			assert_true((row->t1 >> r.time_shift) - (row->t0 >> r.time_shift) <= 1);
	}
	assert_int_equal(count, EVENTS);
	assert_int_equal(bytes, (uint64_t)EVENTS * (EVENTS - 1) / 2);
	assert_int_equal(begin, 0);
	assert_int_equal(end, (EVENTS - 1) * UINT64_C(1000) + 700);
	report_rows_free(&r);
}

/* As many as there is room for stay as they were, also when they are equal. */
static void test_rows_that_fit(void **state)
{
	const struct report_row row = {.t0 = 5, .t1 = 6, .iova = 7, .last = 8, .count = 1};
	struct report_rows r;

	report_rows_init(&r, MOST);
	for (unsigned int i = 0; i < MOST; i++)
		assert_int_equal(report_rows_add(&r, &row), 0);
	assert_int_equal(report_rows_finish(&r), 0);
	assert_int_equal(r.n, MOST);
	assert_int_equal(r.time_shift, 0);
	assert_int_equal(report_rows_add(&r, &row), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.rows[0].count, MOST);
	report_rows_free(&r);
}

/* Buckets go up with times, an eighth wide at most. */
static void test_buckets(void **state)
{
	struct latency l = {0};
	unsigned int last = 0;

	for (uint64_t ns = 0; ns < 5000; ns++) {
		const unsigned int bucket = latency_bucket(ns);

		assert_true(bucket == last || bucket == last + 1);
		last = bucket;
		if (ns < 8)
			assert_int_equal(bucket, ns);
	}
	assert_int_equal(latency_bucket(1000), latency_bucket(1023));
	assert_int_equal(latency_bucket(1024), latency_bucket(1023) + 1);
	assert_true(latency_bucket(UINT64_MAX) < LATENCY_BUCKETS);
	latency_add(&l, 900);
	latency_add(&l, 30);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.min, 30);
	assert_int_equal(l.max, 900);
	assert_int_equal(l.buckets[latency_bucket(30)], 1);
}

static void test_index(void **state)
{
	struct index t = {0};

	assert_null(index_find(&t, (struct index_key){1, 2, 3}));
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(index_set(&t, (struct index_key){i % 7, i, i << 20}, i), 0);
	assert_int_equal(index_set(&t, (struct index_key){3, 3, 3 << 20}, 77), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		const uint32_t *value = index_find(&t, (struct index_key){i % 7, i, i << 20});

		assert_non_null(value);
		assert_int_equal(*value, i == 3 ? 77 : i);
	}
	assert_null(index_find(&t, (struct index_key){1, 2, 3}));
	index_free(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined_rows),
		cmocka_unit_test(test_rows_that_fit),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

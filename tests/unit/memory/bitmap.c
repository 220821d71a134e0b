/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of bits, against a bool for each bit. */
#include "common.h"
#include "memory/bitmap.h"

#define NR_BITS 300

static void agrees_with_bools(void **state)
{
	uint64_t map[(NR_BITS + 63) / 64] = {0};
	bool model[NR_BITS] = {0};
	uint32_t seed = 1;

	for (int round = 0; round < 20000; round++) {
		unsigned int first, n, end, changed = 0;
		bool value, any = false;

		seed = seed * 1664525 + 1013904223;
		first = (seed >> 8) % NR_BITS;
		n = 1 + (seed >> 20) % (NR_BITS - first);
		value = seed >> 31;
		for (unsigned int i = first; i < first + n; i++)
			any |= model[i];
		assert_int_equal(bitmap_any(map, first, n), any);
		for (unsigned int i = first; i < first + n; i++) {
			changed += model[i] != value;
			model[i] = value;
		}
		assert_int_equal(value ? bitmap_set(map, first, n) : bitmap_clear(map, first, n),
				 changed);
		value = seed >> 7 & 1;
		for (end = first; end < NR_BITS && model[end] != value;)
			end++;
		assert_int_equal(bitmap_next(map, first, NR_BITS, value), end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_bools)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a make copies what a VMM gives it: types, lengths, tails, holes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "iommu/user.h"

#define TYPE 7

struct sample {
	uint32_t a, b;
	uint64_t c; /* came later */
};

/* Addresses 0 to 63; the rest faults. */
static uint8_t memory[64];

static int copy_in(void *arg, void *dst, uint64_t src, size_t len)
{
	if (src + len > sizeof(memory))
		return -EFAULT;
	memcpy(dst, memory + src, len);
	return 0;
}

static int copy_out(void *arg, uint64_t dst, const void *src, size_t len)
{
	if (dst + len > sizeof(memory))
		return -EFAULT;
	memcpy(memory + dst, src, len);
	return 0;
}

static const struct user_ops ops = {.copy_in = copy_in, .copy_out = copy_out};

static void fill(void)
{
	for (size_t n = 0; n < sizeof(memory); n++)
		memory[n] = (uint8_t)(n + 1);
}

static void test_one(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t addr;
		size_t len;
		int rc;
	} rows[] = {
		{TYPE, 0, 16, 0},	{TYPE, 0, 8, 0},	{TYPE, 0, 12, 0},
		{TYPE, 0, 7, -EINVAL},	{TYPE, 0, 17, -EINVAL}, {TYPE + 1, 0, 16, -EINVAL},
		{TYPE, 60, 8, -EFAULT}, {TYPE, 48, 16, 0},	{TYPE + 1, 60, 16, -EINVAL},
	};

	fill();
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		const struct user_data u = {&ops, NULL, rows[n].type, rows[n].addr, rows[n].len};
		struct sample s;

		memset(&s, 0xaa, sizeof(s));
		assert_int_equal(user_get(&u, TYPE, &s, sizeof(s), user_min(struct sample, b)),
				 rows[n].rc);
		if (rows[n].rc)
			continue;
		assert_memory_equal(&s, memory + rows[n].addr, rows[n].len);
		for (size_t k = rows[n].len; k < sizeof(s); k++)
			assert_int_equal(((uint8_t *)&s)[k], 0);
	}
}

static void test_back(void **state)
{
	const struct sample s = {1, 2, 3};
	struct user_data u = {&ops, NULL, TYPE, 0, 8};

	fill();
	assert_int_equal(user_put(&u, TYPE, &s, sizeof(s), 8), 0);
	assert_memory_equal(memory, &s, 8);
	assert_int_equal(memory[8], 9);
	u.len = 4;
	assert_int_equal(user_put(&u, TYPE, &s, sizeof(s), 8), -EINVAL);
	u = (struct user_data){&ops, NULL, TYPE, 60, 8};
	assert_int_equal(user_put(&u, TYPE, &s, sizeof(s), 8), -EFAULT);
}

static void test_array(void **state)
{
	struct user_array a = {&ops, NULL, TYPE, 0, 8, 3};
	uint64_t got[3];
	struct sample s;

	fill();
	assert_int_equal(user_get_all(&a, TYPE, got, 8), 0);
	assert_memory_equal(got, memory, 24);
	assert_int_equal(user_get_all(&a, TYPE + 1, got, 8), -EINVAL);
	a.entry_num = 0;
	assert_int_equal(user_get_all(&a, TYPE, got, 8), -EINVAL);

	/* Shorter: zero-extended. Longer: the tail must be zero. */
	a = (struct user_array){&ops, NULL, TYPE, 0, 4, 3};
	assert_int_equal(user_get_all(&a, TYPE, got, 8), 0);
	for (int n = 0; n < 3; n++)
		assert_int_equal(got[n], *(uint32_t *)(void *)(memory + 4 * n));
	a = (struct user_array){&ops, NULL, TYPE, 0, 16, 3};
	assert_int_equal(user_get_all(&a, TYPE, got, 8), -E2BIG);
	for (int n = 0; n < 3; n++)
		memset(memory + 16 * n + 8, 0, 8);
	assert_int_equal(user_get_all(&a, TYPE, got, 8), 0);
	assert_memory_equal(&got[2], memory + 32, 8);
	a.addr = 56;
	assert_int_equal(user_get_all(&a, TYPE, got, 8), -EFAULT);

	a = (struct user_array){&ops, NULL, TYPE, 0, 16, 3};
	assert_int_equal(user_get_entry(&a, TYPE, 2, &s, sizeof(s), 8), 0);
	assert_memory_equal(&s, memory + 32, 16);
	a.entry_len = 17;
	assert_int_equal(user_get_entry(&a, TYPE, 0, &s, sizeof(s), 8), -EINVAL);
	a.entry_len = 4;
	assert_int_equal(user_get_entry(&a, TYPE, 0, &s, sizeof(s), 8), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --inject: what its words mean, which are refused, which occasions a rule strikes, and that a seed
 * makes them the same again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/inject.h"
#include "base/observe.h"

static struct sink sink;
static char why[512];
static unsigned int struck;
static char struck_rule[128];

static void on_strike(void *arg, const char *rule, bool call)
{
	(void)arg;
	struck++;
	snprintf(struck_rule, sizeof(struck_rule), "%s", rule);
}

/* A sink with these rules. */
static void begin(uint64_t seed, const char *const *rules)
{
	struct injector *i;

	assert_int_equal(injector_create(seed, &i), 0);
	for (; *rules; rules++)
		if (injector_add(i, *rules, why, sizeof(why)))
			fail_msg("%s: %s", *rules, why);
	injector_listen(i, on_strike, NULL);
	struck = 0;
	inject_begin(&sink, i);
	assert_true(observed());
}

static void end(void)
{
	inject_end(&sink);
	assert_null(sink.inject);
	assert_false(observed());
}

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Bit n - 1: the n-th of 32 maps fails. */
static uint32_t failing_maps(int err)
{
	uint32_t bits = 0;

	for (unsigned int n = 0; n < 32; n++) {
		const int rc = inject_error(&sink, INJECT_MAP);

		assert_true(!rc || rc == -err);
		bits |= rc ? (uint32_t)BIT(n) : 0;
	}
	return bits;
}

static void test_how(void **state)
{
	static const struct {
		const char *rule;
		int err;
		uint32_t bits;
	} rows[] = {
		{"ENOMEM@map", ENOMEM, 0xffffffff},
		{"ENOMEM@map:every=7", ENOMEM, 1u << 6 | 1u << 13 | 1u << 20 | 1u << 27},
		{"EBUSY@map:nth=3", EBUSY, 1u << 2},
		{"EIO@all:after=30", EIO, 3u << 30},
		{"EFAULT@unmap+map:nth=1", EFAULT, 1},
		{"EFAULT@unmap", EFAULT, 0},
		{"EIO:every=16", EIO, 1u << 15 | 1u << 31},
		{"EINTR@map:p=1", EINTR, 0xffffffff},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(0, RULES(rows[i].rule));
		assert_int_equal(failing_maps(rows[i].err), rows[i].bits);
		assert_int_equal(struck, __builtin_popcount(rows[i].bits));
		if (struck)
			assert_string_equal(struck_rule, rows[i].rule);
		end();
	}
}

static void test_seed(void **state)
{
	uint32_t first, same, other;

	(void)state;
	begin(42, RULES("ENOMEM@map:p=0.5"));
	first = failing_maps(ENOMEM);
	assert_true(first && ~first);
	end();
	begin(42, RULES("ENOMEM@map:p=0.5"));
	same = failing_maps(ENOMEM);
	end();
	begin(43, RULES("ENOMEM@map:p=0.5"));
	other = failing_maps(ENOMEM);
	end();
	assert_int_equal(first, same);
	assert_int_not_equal(first, other);
}

/* About as often as it says. */
static void test_chance(void **state)
{
	unsigned int n = 0;

	(void)state;
	begin(1, RULES("ENOMEM@map:p=0.01"));
	for (unsigned int i = 0; i < 100000; i++)
		n += inject_error(&sink, INJECT_MAP) != 0;
	end();
	assert_in_range(n, 850, 1150);
}

static void test_devices(void **state)
{
	(void)state;
	begin(0,
	      RULES("dma-fault@0000:01:00.0,iova=0x1000-0x1fff", "dma-delay@02:00.1,us=50:every=2",
		    "irq-before-data@*,us=7", "unmap-late:nth=2"));
	assert_false(inject_dma_fault(&sink, 0x100, 0, 0x1000));
	assert_true(inject_dma_fault(&sink, 0x100, 0, 0x1001));
	assert_true(inject_dma_fault(&sink, 0x100, 0x1fff, 1));
	assert_false(inject_dma_fault(&sink, 0x100, 0x2000, 0x1000));
	assert_false(inject_dma_fault(&sink, 0x200, 0x1000, 1));
	assert_int_equal(inject_dma_delay(&sink, 0x201), 0);
	assert_int_equal(inject_dma_delay(&sink, 0x201), 50);
	assert_int_equal(inject_dma_delay(&sink, 0x100), 0);
	assert_true(inject_holds_writes(&sink, 0x333));
	assert_int_equal(inject_early_irq(&sink, 0x333), 7);
	assert_false(inject_unmap_late(&sink));
	assert_true(inject_unmap_late(&sink));
	assert_false(inject_unmap_late(&sink));
	assert_int_equal(inject_error(&sink, INJECT_MAP), 0);
	end();
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "give an errno such as ENOMEM"},
		{"ENOTHING", "give an errno such as ENOMEM, unmap-late, irq-before-data"},
		{"ENOMEM@mapp",
		 "there is no call 'mapp'; there are all open read write mmap map unmap"},
		{"ENOMEM@", "give the calls"},
		{"ENOMEM@map:sometimes", "after the colon give every=N"},
		{"ENOMEM@map:every=0", "give a number from 1 on"},
		{"ENOMEM@map:every=x", "give a number from 1 on"},
		{"ENOMEM@map:p=2", "give a chance above 0 and up to 1"},
		{"ENOMEM@map:p=0", "give a chance above 0 and up to 1"},
		{"unmap-late@map", "leave out what is behind the @"},
		{"dma-fault@nvme", "give a device such as 0000:01:00.0, or *"},
		{"dma-fault@01:20.0", "give a device such as 0000:01:00.0, or *"},
		{"dma-fault@*,iova=2-1", "in this order"},
		{"dma-fault@*,iova=there", "give iova=FIRST"},
		{"dma-fault@*,us=3", "give iova=FIRST-LAST"},
		{"dma-delay@*,iova=3", "give us=MICROSECONDS"},
		{"dma-delay@*,us=0", "give microseconds"},
	};
	struct injector *i;

	(void)state;
	assert_int_equal(injector_create(0, &i), 0);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		assert_int_equal(injector_add(i, rows[n].text, why, sizeof(why)), -EINVAL);
		if (!strstr(why, rows[n].says))
			fail_msg("%s: '%s' does not say '%s'", rows[n].text, why, rows[n].says);
	}
	assert_false(injector_is_random(i));
	for (unsigned int n = 0; n < 16; n++)
		assert_int_equal(injector_add(i, "EIO:p=0.5", why, sizeof(why)), 0);
	assert_true(injector_is_random(i));
	assert_int_equal(injector_add(i, "EIO", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "16 others"));
	injector_destroy(i);
}

/* Each call has a name of its own, and it is understood. */
static void test_names(void **state)
{
	char text[64];

	(void)state;
	for (unsigned int call = 0; call < INJECT_CALLS; call++) {
		snprintf(text, sizeof(text), "EIO@%s", inject_call_name((enum inject_call)call));
		begin(0, RULES(text));
		for (unsigned int c = 0; c < INJECT_CALLS; c++)
			assert_int_equal(inject_error(&sink, (enum inject_call)c),
					 c == call ? -EIO : 0);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how),    cmocka_unit_test(test_seed),
		cmocka_unit_test(test_chance), cmocka_unit_test(test_devices),
		cmocka_unit_test(test_wrong),  cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --limit: what its words mean, and which are refused, each with a sentence that says what to
 * write.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "doors/limits.h"
#include "doors/machine.h"

static char why[512];

static int parse(struct run_limits *l, const char *text)
{
	limits_init(l);
	return limits_parse(l, text, why, sizeof(why));
}

static void test_values(void **state)
{
	struct run_limits l;

	(void)state;
	assert_int_equal(parse(&l, "memlock=64M,entries=65535,aperture=39,pgsizes=4K+2M,fds=100"),
			 0);
	assert_int_equal(l.memlock, RUN_MEMLOCK_BYTES);
	assert_true(l.memlock_bytes == 64 << 20);
	assert_int_equal(l.entries, 65535);
	assert_int_equal(l.iommu.aperture, 39);
	assert_true(l.iommu.page_sizes == (4096 | 2 << 20));
	assert_true(l.fds == 100);
	assert_int_equal(l.pasid_bits, -1);
	assert_int_equal(l.dirty, -1);
	assert_int_equal(parse(&l, "memlock=real"), 0);
	assert_int_equal(l.memlock, RUN_MEMLOCK_REAL);
	assert_int_equal(
		parse(&l, "reserved=0x8000000-0x80fffff+0-4095,dirty=off,ats=off,pasids=0"), 0);
	assert_int_equal(l.iommu.nr_reserved, 2);
	assert_true(l.iommu.reserved[0].start == 0x8000000 &&
		    l.iommu.reserved[0].last == 0x80fffff);
	assert_true(l.iommu.reserved[1].start == 0 && l.iommu.reserved[1].last == 4095);
	assert_int_equal(l.dirty, 0);
	assert_int_equal(l.pasid_bits, 0);
	/* What comes later is added. */
	assert_int_equal(
		limits_parse(&l, "reserved=0x9000000-0x9000fff,entries=3", why, sizeof(why)), 0);
	assert_int_equal(l.iommu.nr_reserved, 3);
	assert_int_equal(l.entries, 3);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "give KEY=VALUE"},
		{"memory=8M", "limit has no option 'memory'; it has: memlock entries aperture"},
		{"memlock", "'memlock' wants a value"},
		{"memlock=lots", "memlock=real or memlock=BYTES"},
		{"memlock=8X", "memlock=real or memlock=BYTES"},
		{"entries=0", "out of range: give 1 to 4294967295"},
		{"entries=many", "give a number"},
		{"aperture=65", "out of range: give 20 to 64"},
		{"pgsizes=", "4K among them"},
		{"pgsizes=2M", "4K among them"},
		{"pgsizes=4K+3M", "powers of two"},
		{"pasids=21", "out of range: give 0 to 20"},
		{"dirty=maybe", "give on or off"},
		{"fds=1", "out of range: give 8"},
		{"reserved=0x1000", "START-LAST"},
		{"reserved=0x1000-0x1000", "START-LAST"},
		{"reserved=0x2000-0x1fff", "START-LAST"},
		{"reserved=0x1001-0x1fff", "START-LAST"},
		{"reserved=0-0xfff+0-0xfff+0-0xfff+0-0xfff+0-0xfff", "at most 4 ranges"},
	};
	struct run_limits l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(&l, rows[i].text), -EINVAL);
		if (!strstr(why, rows[i].says))
			fail_msg("%s: '%s' does not say '%s'", rows[i].text, why, rows[i].says);
	}
}

static void test_options_of_makes(void **state)
{
	static const struct {
		const char *iommu, *limit, *becomes;
	} rows[] = {
		{"vtd", "dirty=off", "vtd,dirty=off"},
		{"vtd,ats=on,pri=on", "ats=off,pasids=5",
		 "vtd,ats=on,pri=on,pasid-bits=5,ats=off,pri=off"},
		{"smmuv3", "ats=off", "smmuv3,ats=off"},
		{"riscv", "dirty=off,ats=off", "riscv"},
		{"amd", "aperture=39", "amd"},
	};
	struct run_limits l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text;

		assert_int_equal(parse(&l, rows[i].limit), 0);
		text = limits_make_options(&l, rows[i].iommu);
		assert_string_equal(text, rows[i].becomes);
		free(text);
	}
}

/* Builds a machine without devices and tells what its address spaces are like. */
static int build(char *iommu, const char *limit, struct machine *m)
{
	struct run_config run;
	int rc;

	run_config_init(&run);
	run.iommu = strdup(iommu);
	assert_int_equal(run_config_limit(&run, limit, why, sizeof(why)), 0);
	rc = machine_create(&run, &(struct machine_config){0}, m, why, sizeof(why));
	run_config_free(&run);
	return rc;
}

static void test_machines(void **state)
{
	static char *const makes[] = {"vtd", "amd", "smmuv3", "riscv"};
	struct iommu_region regions[IOMMU_MAX_REGIONS];
	uint64_t start, last;
	struct machine m;
	struct domain *d;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(makes); i++) {
		assert_int_equal(
			build(makes[i],
			      "aperture=36,pgsizes=4K+2M,entries=9,reserved=0x10000-0x1ffff", &m),
			0);
		assert_int_equal(m.host->dma_entry_limit, 9);
		assert_int_equal(domain_alloc(m.host->iommu, 0, &d), 0);
		domain_aperture(d, &start, &last);
		assert_true(last == MASK(36));
		assert_true(domain_page_sizes(d) == (4096 | 2 << 20));
		domain_free(d);
		n = iommu_regions(m.host->iommu, regions, ARRAY_SIZE(regions));
		assert_true(n >= 1 && regions[n - 1].start == 0x10000 &&
			    regions[n - 1].last == 0x1ffff);
		machine_destroy(&m);
	}
	assert_int_equal(build("vtd,aw=39", "aperture=40", &m), -EINVAL);
	assert_non_null(strstr(why, "aperture=40: give less than 39, the width of this vtd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_options_of_makes),
		cmocka_unit_test(test_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

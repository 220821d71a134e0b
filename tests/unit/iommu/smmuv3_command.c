/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's commands: as Linux's driver writes them, and what is illegal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "iommu/smmuv3/command.h"

static struct smmuv3_ids all(void)
{
	return (struct smmuv3_ids){{
		[0] = (uint32_t)(SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P | SMMUV3_IDR0_HYP |
				 SMMUV3_IDR0_ATS | SMMUV3_IDR0_PRI),
		[3] = (uint32_t)SMMUV3_IDR3_RIL,
	}};
}

static enum smmuv3_cerror decode(uint64_t w0, uint64_t w1, struct smmuv3_command *c)
{
	const struct smmuv3_ids ids = all();
	const uint64_t raw[SMMUV3_CMD_WORDS] = {w0, w1};

	return smmuv3_command_decode(&ids, raw, c);
}

static void operands(void **state)
{
	struct smmuv3_command c;

	assert_int_equal(decode(0x0003 | 0x1234ull << 32, 1, &c), SMMUV3_CERROR_NONE);
	assert_true(c.op == SMMUV3_CMD_CFGI_STE && c.sid == 0x1234 && c.leaf);
	assert_int_equal(decode(0x0004 | 0x1234ull << 32, 3, &c), SMMUV3_CERROR_NONE);
	assert_true(c.sid == 0x1230 && c.sid_last == 0x123f);
	assert_int_equal(decode(0x0004, 31, &c), SMMUV3_CERROR_NONE);
	assert_true(c.sid == 0 && c.sid_last == UINT32_MAX);
	assert_int_equal(decode(0x0005 | 0xabcdeull << 12 | BIT(11) | 7ull << 32, 0, &c),
			 SMMUV3_CERROR_NONE);
	assert_true(c.ssv && c.ssid == 0xabcde && c.sid == 7 && !c.leaf);
	assert_int_equal(decode(0x0012 | 0x11ull << 32 | 0x22ull << 48, 0xffff000000001001ull, &c),
			 SMMUV3_CERROR_NONE);
	assert_true(c.vmid == 0x11 && c.asid == 0x22 && c.leaf);
	assert_true(c.first == 0xffff000000001000ull && c.last == c.first && !c.granule_lg2);
	assert_int_equal(decode(0x0040 | 9ull << 32, 0x12345000 | 3, &c), SMMUV3_CERROR_NONE);
	assert_true(c.first == 0x12340000 && c.last == 0x12347fff);
	assert_int_equal(decode(0x0040 | 9ull << 32, 52, &c), SMMUV3_CERROR_NONE);
	assert_true(c.first == 0 && c.last == U64MAX);
	assert_int_equal(decode(0x0041 | 9ull << 32, 0x1055, &c), SMMUV3_CERROR_NONE);
	assert_true(c.group == 0x55 && c.response == 1);
	assert_int_equal(decode(0x0044 | 1 << 12 | 9ull << 32, 0xfedc, &c), SMMUV3_CERROR_NONE);
	assert_true(c.group == 0xfedc && c.response == 1);
	assert_int_equal(decode(0x0046 | 1 << 12 | 0xcafeull << 32, 0x8000000c, &c),
			 SMMUV3_CERROR_NONE);
	assert_true(c.sync == SMMUV3_SYNC_IRQ && c.msi_addr == 0x8000000c && c.msi_data == 0xcafe);
}

/* (NUM + 1) << SCALE granules. */
static void ranges(void **state)
{
	const uint64_t ttl_tg = 3 << 8 | 1 << 10;
	struct smmuv3_command c;

	assert_int_equal(decode(0x0012 | 4 << 12 | 1 << 20, 0x10000000 | ttl_tg, &c),
			 SMMUV3_CERROR_NONE);
	assert_true(c.first == 0x10000000 && c.last == 0x10000000 + 10 * 4096 - 1);
	assert_true(c.granule_lg2 == 12 && c.ttl == 3);
	assert_int_equal(decode(0x002a | 31 << 12 | 39ull << 20, 3 << 10, &c), SMMUV3_CERROR_NONE);
	assert_true(c.first == 0 && c.last == (32ull << 39 << 16) - 1 && c.granule_lg2 == 16);
	assert_int_equal(decode(0x0012 | 40ull << 20, ttl_tg, &c), SMMUV3_CERROR_ILL);
	assert_int_equal(decode(0x0012 | 31 << 12 | 39ull << 20, FIELD(63, 12) | 2 << 10, &c),
			 SMMUV3_CERROR_NONE);
	assert_true(c.last == U64MAX);
	/* Without range invalidation those bits mean nothing. */
	{
		const struct smmuv3_ids ids = {{[0] = (uint32_t)SMMUV3_IDR0_S1P}};
		const uint64_t raw[] = {0x0012 | 4 << 12 | 40ull << 20, 0x10000000 | ttl_tg};

		assert_int_equal(smmuv3_command_decode(&ids, raw, &c), SMMUV3_CERROR_NONE);
		assert_true(c.first == 0x10000000 && c.last == c.first && !c.granule_lg2);
	}
}

static void illegal_ones(void **state)
{
	static const struct {
		uint64_t w0, w1;
	} rows[] = {
		{0x00, 0},	     /* no such */
		{0x07, 0},	     /* CFGI_VMS_PIDM: no MPAM */
		{0x18, 0},	     /* EL3's */
		{0x47, 0},	     /* no such */
		{0x03 | BIT(10), 0}, /* Secure */
		{0x40 | BIT(10), 0}, /* Secure */
		{0x40, 53},	     /* too large */
		{0x41, 3 << 12},     /* reserved response */
		{0x46 | 3 << 12, 0}, /* reserved signal */
	};
	/* What commands need of SMMU_IDR0. */
	static const struct {
		uint64_t op, feature;
	} needs[] = {
		{0x05, SMMUV3_IDR0_S1P}, {0x06, SMMUV3_IDR0_S1P}, {0x10, SMMUV3_IDR0_S1P},
		{0x13, SMMUV3_IDR0_S1P}, {0x20, SMMUV3_IDR0_HYP}, {0x23, SMMUV3_IDR0_HYP},
		{0x28, SMMUV3_IDR0_S2P}, {0x2a, SMMUV3_IDR0_S2P}, {0x40, SMMUV3_IDR0_ATS},
		{0x41, SMMUV3_IDR0_PRI},
	};
	struct smmuv3_command c;

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
		if (decode(rows[n].w0, rows[n].w1, &c) != SMMUV3_CERROR_ILL)
			fail_msg("row %zu", n);
	for (size_t n = 0; n < ARRAY_SIZE(needs); n++) {
		const uint64_t raw[] = {needs[n].op, 0};
		struct smmuv3_ids ids = all();

		assert_int_equal(smmuv3_command_decode(&ids, raw, &c), SMMUV3_CERROR_NONE);
		ids.idr[0] &= (uint32_t)~needs[n].feature;
		assert_int_equal(smmuv3_command_decode(&ids, raw, &c), SMMUV3_CERROR_ILL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands),
		cmocka_unit_test(ranges),
		cmocka_unit_test(illegal_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

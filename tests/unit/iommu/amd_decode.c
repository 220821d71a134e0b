/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD's device table entries, commands and log entries, bit for bit: each encoding beside a second
 * reading of the specification, by bit positions, and random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/amd/command.h"
#include "iommu/amd/dte.h"
#include "iommu/amd/event.h"

static const struct amd_limits all = {.host_levels = 6,
				      .guest_levels = 5,
				      .gcr3_levels = 3,
				      .pasid_bits = 20,
				      .giov = true,
				      .accessed = true,
				      .dirty = true};

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Bits [hi:lo] of an entry of four words, numbered through. */
static uint64_t bits(const uint64_t *raw, unsigned int hi, unsigned int lo)
{
	uint64_t value = 0;

	for (unsigned int n = hi + 1; n-- > lo;)
		value = value << 1 | (raw[n / 64] >> n % 64 & 1);
	return value;
}

static void set(uint64_t *raw, unsigned int hi, unsigned int lo, uint64_t value)
{
	for (unsigned int n = lo; n <= hi; n++, value >>= 1)
		raw[n / 64] = (raw[n / 64] & ~BIT(n % 64)) | (value & 1) << n % 64;
}

/* Table 7 of the specification, by bit positions. */
static enum amd_dte_fault judge(const uint64_t *raw, const struct amd_limits *can)
{
	static const uint8_t reserved[] = {2, 3, 4, 5, 6, 63, 180, 181};
	unsigned int mode = (unsigned int)bits(raw, 11, 9), had = (unsigned int)bits(raw, 8, 7);

	if (!bits(raw, 0, 0) || !bits(raw, 1, 1))
		return AMD_DTE_GOOD;
	for (size_t n = 0; n < ARRAY_SIZE(reserved); n++)
		if (bits(raw, reserved[n], reserved[n]))
			return AMD_DTE_RESERVED;
	if (mode > can->host_levels || had == 2 || (had == 1 && !can->accessed) ||
	    (had == 3 && !(can->accessed && can->dirty)))
		return AMD_DTE_ILLEGAL;
	if (!bits(raw, 55, 55))
		return AMD_DTE_GOOD;
	if (bits(raw, 57, 56) == 3 || bits(raw, 57, 56) + 1 > can->gcr3_levels ||
	    bits(raw, 183, 182) > 1 || bits(raw, 183, 182) + 4 > can->guest_levels || mode ||
	    (bits(raw, 54, 54) && !can->giov))
		return AMD_DTE_ILLEGAL;
	return AMD_DTE_GOOD;
}

static void check_entry(const uint64_t *raw, const struct amd_limits *can)
{
	struct amd_dte d;
	enum amd_dte_fault fault = amd_dte_decode(raw, can, &d);

	assert_int_equal(fault, judge(raw, can));
	assert_int_equal(d.v, bits(raw, 0, 0));
	assert_int_equal(d.tv, bits(raw, 1, 1));
	if (fault || !d.v || !d.tv)
		return;
	assert_int_equal(d.had, bits(raw, 8, 7));
	assert_int_equal(d.mode, bits(raw, 11, 9));
	assert_int_equal(d.root, bits(raw, 51, 12) << 12);
	assert_int_equal(d.giov, bits(raw, 54, 54));
	assert_int_equal(d.gv, bits(raw, 55, 55));
	assert_int_equal(d.gcr3_levels, bits(raw, 57, 56) + 1);
	assert_int_equal(d.gcr3, bits(raw, 60, 58) << 12 | bits(raw, 95, 80) << 15 |
					 bits(raw, 127, 107) << 31);
	assert_int_equal(d.ir, bits(raw, 61, 61));
	assert_int_equal(d.iw, bits(raw, 62, 62));
	assert_int_equal(d.domain, bits(raw, 79, 64));
	assert_int_equal(d.se, bits(raw, 97, 97));
	assert_int_equal(d.sa, bits(raw, 98, 98));
	assert_int_equal(d.guest_levels, bits(raw, 183, 182) + 4);
}

/* Every bit alone, over entries of each kind; every value of the fields that encode something. */
static void test_each_encoding(void **state)
{
	static const struct {
		uint8_t hi, lo;
	} field[] = {{1, 0}, {8, 7}, {11, 9}, {57, 54}, {60, 58}, {62, 61}, {98, 96}, {183, 180}};
	static const uint64_t base[][4] = {
		{0}, {3}, {3 | 4ull << 9}, {3 | BIT(55)}, {3 | BIT(55) | BIT(54)}};

	for (size_t b = 0; b < ARRAY_SIZE(base); b++) {
		for (unsigned int n = 0; n < 256; n++) {
			uint64_t raw[4];

			memcpy(raw, base[b], sizeof(raw));
			raw[n / 64] ^= BIT(n % 64);
			check_entry(raw, &all);
		}
		for (size_t f = 0; f < ARRAY_SIZE(field); f++)
			for (uint64_t v = 0; v <= MASK(field[f].hi - field[f].lo + 1); v++) {
				uint64_t raw[4];

				memcpy(raw, base[b], sizeof(raw));
				set(raw, field[f].hi, field[f].lo, v);
				check_entry(raw, &all);
			}
	}
}

static void test_random_entries(void **state)
{
	uint64_t seed = 0x1234567;
	unsigned int good = 0;

	for (int n = 0; n < 300000; n++) {
		struct amd_limits can = {.host_levels = 4 + next(&seed) % 3,
					 .guest_levels = (unsigned int[]){0, 4, 5}[next(&seed) % 3],
					 .gcr3_levels = 1 + next(&seed) % 3,
					 .giov = next(&seed) & 1,
					 .accessed = next(&seed) & 1,
					 .dirty = next(&seed) & 1};
		uint64_t raw[4] = {next(&seed), next(&seed), next(&seed), next(&seed)};

		if (n & 1) { /* often near what is legal */
			raw[0] = (raw[0] & ~AMD_DTE0_RESERVED) | 3;
			raw[2] &= ~AMD_DTE2_RESERVED;
		}
		check_entry(raw, &can);
		good += judge(raw, &can) == AMD_DTE_GOOD && raw[0] & 1;
	}
	assert_true(good > 10000);
}

static void test_gcr3(void **state)
{
	assert_true(amd_gcr3_reaches(1, 511));
	assert_false(amd_gcr3_reaches(1, 512));
	assert_true(amd_gcr3_reaches(2, 0x3ffff));
	assert_false(amd_gcr3_reaches(2, 0x40000));
	assert_true(amd_gcr3_reaches(3, 0xfffff));
	assert_int_equal(amd_gcr3_offset(0, 0xabcde), (0xabcde & 511) * 8);
	assert_int_equal(amd_gcr3_offset(1, 0xabcde), (0xabcde >> 9 & 511) * 8);
	assert_int_equal(amd_gcr3_offset(2, 0xabcde), (0xabcde >> 18) * 8);
}

/* Which bits below the opcode each command may have; 0 in the opcode's place: no such command. */
static bool bit_is_legal(unsigned int op, unsigned int bit)
{
	static const struct {
		uint8_t op, hi, lo;
	} legal[] = {
		{1, 51, 0},   {1, 127, 64}, {2, 15, 0},	  {3, 19, 0},	 {3, 47, 32},  {3, 66, 64},
		{3, 127, 76}, {4, 59, 0},   {4, 64, 64},  {4, 66, 66},	 {4, 127, 76}, {5, 15, 0},
		{6, 59, 0},   {6, 64, 64},  {6, 66, 66},  {6, 68, 68},	 {6, 127, 76}, {7, 15, 0},
		{7, 51, 32},  {7, 66, 66},  {7, 105, 96}, {7, 111, 108},
	};

	for (size_t n = 0; n < ARRAY_SIZE(legal); n++)
		if (legal[n].op == op && bit >= legal[n].lo && bit <= legal[n].hi)
			return true;
	return false;
}

static void test_each_command(void **state)
{
	for (unsigned int op = 0; op < 16; op++) {
		uint64_t plain[2] = {(uint64_t)op << 60, 0};
		struct amd_command c;

		assert_int_equal(amd_command_decode(plain, &c), op >= 1 && op <= 8);
		for (unsigned int bit = 0; bit < 128; bit++) {
			uint64_t raw[2] = {plain[0], plain[1]};

			if (bit >= 60 && bit < 64)
				continue;
			raw[bit / 64] |= BIT(bit % 64);
			assert_int_equal(amd_command_decode(raw, &c),
					 op >= 1 && op <= 8 && bit_is_legal(op, bit));
		}
	}
}

static void test_command_fields(void **state)
{
	struct amd_command c;

	assert_true(amd_command_decode((uint64_t[]){1ull << 60 | 0x123456789ff8 | 3, 0xfeed}, &c));
	assert_true(c.store && c.interrupt);
	assert_int_equal(c.store_at, 0x123456789ff8);
	assert_int_equal(c.store_data, 0xfeed);
	assert_true(amd_command_decode((uint64_t[]){2ull << 60 | 0xabcd, 0}, &c));
	assert_int_equal(c.device, 0xabcd);
	assert_true(amd_command_decode(
		(uint64_t[]){3ull << 60 | 0x1234ull << 32 | 0xabcde, 0x7000 | 6}, &c));
	assert_int_equal(c.domain, 0x1234);
	assert_int_equal(c.pasid, 0xabcde);
	assert_true(c.gn && c.pde);
	assert_true(amd_command_decode((uint64_t[]){4ull << 60 | 0xaull << 56 | 0xdeull << 48 |
							    0x55ull << 32 | 0x77 << 24 |
							    0xbc << 16 | 0x1234,
						    0x7000 | 4},
				       &c));
	assert_int_equal(c.device, 0x1234);
	assert_int_equal(c.pasid, 0xabcde);
	assert_true(amd_command_decode(
		(uint64_t[]){7ull << 60 | 0xabcdeull << 32 | 0x42, 1ull << 44 | 0x1a5ull << 32 | 4},
		&c));
	assert_int_equal(c.pasid, 0xabcde);
	assert_int_equal(c.tag, 0x1a5);
	assert_int_equal(c.code, 1);
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t word, first, last;
	} rows[] = {
		{0x5000, 0x5000, 0x5fff},
		{0x5000 | 1, 0x4000, 0x7fff},
		{0x4000 | 1, 0x4000, 0x5fff},
		{0x1ff000 | 1, 0, 0x3fffff},
		{0x7ffffffffffff000 | 1, 0, UINT64_MAX},
		{0xfffffffffffff000 | 1, 0, UINT64_MAX},
		{0xffff8000000ff000 | 1, 0xffff800000000000, 0xffff8000001fffff},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct amd_command c;

		assert_true(amd_command_decode((uint64_t[]){3ull << 60, rows[n].word}, &c));
		assert_int_equal(c.first, rows[n].first);
		assert_int_equal(c.last, rows[n].last);
	}
}

/* Whatever the bytes: a decision, and a range that is one. */
static void test_random_commands(void **state)
{
	uint64_t seed = 42;

	for (int n = 0; n < 1000000; n++) {
		uint64_t raw[2] = {next(&seed), next(&seed)};
		struct amd_command c;

		if (n & 1) {
			raw[0] &= FIELD(61, 60) | FIELD(47, 32) | FIELD(19, 0);
			raw[1] &= FIELD(63, 12) | 7;
		}
		if (amd_command_decode(raw, &c))
			assert_true(c.first <= c.last && c.pasid <= MASK(20));
	}
}

static void test_event(void **state)
{
	struct amd_event e = {.code = AMD_EVENT_IO_PAGE_FAULT,
			      .flags = AMD_FAULT_GN | AMD_FAULT_PR | AMD_FAULT_RW,
			      .device = 0x1234,
			      .pasid = 0xabcde,
			      .domain = 0x7777,
			      .address = 0xfeedf00dull};
	uint64_t raw[2];

	amd_event_encode(&e, raw);
	assert_int_equal(bits(raw, 15, 0), 0x1234);
	assert_int_equal(bits(raw, 19, 16), 0xa);
	assert_int_equal(bits(raw, 47, 32), 0xbcde);
	assert_int_equal(bits(raw, 59, 48), 0x31);
	assert_int_equal(bits(raw, 63, 60), 2);
	assert_int_equal(raw[1], 0xfeedf00d);
	assert_int_equal(amd_event_code(&e), raw[0] >> 48);
	e.flags = 0;
	amd_event_encode(&e, raw);
	assert_int_equal(bits(raw, 47, 32), 0x7777);
	assert_int_equal(bits(raw, 19, 16), 0);
}

static void test_ppr(void **state)
{
	struct page_request p[] = {{.addr = 0x12345678, .perm = 1},
				   {.addr = 0xfffff000, .perm = 2 | 4 | 8}};
	struct page_group g = {.pasid = 0xabcde, .requests = p, .nr_requests = 2};
	uint64_t raw[2];

	amd_ppr_encode(0x4321, &g, 0, 0x155, raw);
	assert_int_equal(bits(raw, 15, 0), 0x4321);
	assert_int_equal(bits(raw, 31, 16), 0xbcde);
	assert_int_equal(bits(raw, 45, 42), 0xa);
	assert_int_equal(bits(raw, 40, 32), 0x155);
	assert_int_equal(bits(raw, 41, 41), 0);
	assert_int_equal(bits(raw, 59, 48), 0x144); /* GN, US, read */
	assert_int_equal(bits(raw, 63, 60), 1);
	assert_int_equal(raw[1], 0x12345000);
	g.pasid = 0;
	amd_ppr_encode(0x4321, &g, 1, 0x155, raw);
	assert_int_equal(bits(raw, 41, 41), 1);
	assert_int_equal(bits(raw, 59, 48), 0x022); /* execute, write */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_encoding),
		cmocka_unit_test(test_random_entries),
		cmocka_unit_test(test_gcr3),
		cmocka_unit_test(test_each_command),
		cmocka_unit_test(test_command_fields),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_random_commands),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_ppr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

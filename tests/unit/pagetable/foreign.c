/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries as others may write them, by hand from the specifications: what each format makes of
 * them, and in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"

#define ALL_SIZES U64MAX
#define HW	  (PT_WALK_ACCESSED | PT_WALK_DIRTY)

enum {
	R = PT_MAY_READ,
	W = PT_MAY_WRITE,
	X = PT_MAY_EXEC,
	PX = PT_MAY_PRIVILEGED_EXEC,
	U = PT_MAY_UNPRIVILEGED,
	RWXU = PT_MAY_ALL,
};

struct row {
	const struct pt_ops *ops;
	uint64_t raw;
	unsigned int level, oas, flags;
	uint64_t page_sizes;
	/* Expected */
	uint8_t fault, kind;
	uint64_t pa;
	uint8_t lg2, may, memory;
};

#define TABLE(next, allowed)	 PT_FAULT_NONE, PT_STEP_TABLE, next, 0, allowed
#define LEAF(address, size, ...) PT_FAULT_NONE, PT_STEP_LEAF, address, size, __VA_ARGS__
#define BAD(why)		 PT_FAULT_##why, PT_STEP_EMPTY

static const struct row arm_rows[] = {
	/* Stage 1, 4K: a page of AttrIndx 1, AP 01, SH 3, AF, nG; read-only by AP[2]; XNs. */
	{&pt_arm64_s1_4k, 0x12345f47, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 1)},
	{&pt_arm64_s1_4k, 0x12345fc7, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, R | X | PX | U, 1)},
	{&pt_arm64_s1_4k, 0x12345f0b, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, R | W | X | PX, 2)},
	{&pt_arm64_s1_4k, 0x40000012345f47, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | PX | U, 1)},
	{&pt_arm64_s1_4k, 0x60000012345f47, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | U, 1)},
	/* DBM makes writable only where hardware sets dirty state. */
	{&pt_arm64_s1_4k, 0x8000012345fc7, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | X | PX | U, 1)},
	{&pt_arm64_s1_4k, 0x8000012345fc7, 0, 48, HW, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 1)},
	/* AF clear. */
	{&pt_arm64_s1_4k, 0x12345b47, 0, 48, 0, ALL_SIZES, PT_FAULT_ACCESSED, PT_STEP_LEAF,
	 0x12345000, 12, RWXU, 1},
	{&pt_arm64_s1_4k, 0x12345b47, 0, 48, HW, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 1)},
	/* Type 1 at the last level, a block at level 3 where there is none, invalid with all else.
	 */
	{&pt_arm64_s1_4k, 0x12345f45, 0, 48, 0, ALL_SIZES, BAD(ABSENT)},
	{&pt_arm64_s1_4k, 0x8000000f45, 3, 48, 0, BIT(12) | BIT(21) | BIT(30), BAD(RESERVED)},
	{&pt_arm64_s1_4k, 0xfffffffffffffffe, 2, 48, 0, ALL_SIZES, BAD(ABSENT)},
	/* Blocks; their low address bits and the contiguous hint do not matter. */
	{&pt_arm64_s1_4k, 0x40200f45, 1, 48, 0, ALL_SIZES, LEAF(0x40200000, 21, RWXU, 1)},
	{&pt_arm64_s1_4k, 0x10000040201f45, 1, 48, 0, ALL_SIZES, LEAF(0x40200000, 21, RWXU, 1)},
	{&pt_arm64_s1_4k, 0x80000f45, 2, 48, 0, ALL_SIZES, LEAF(0x80000000, 30, RWXU, 1)},
	/* Beyond the output width. */
	{&pt_arm64_s1_4k, 0x1000012345f47, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 1)},
	{&pt_arm64_s1_4k, 0x10012345f47, 0, 40, 0, ALL_SIZES, BAD(OUTPUT)},
	{&pt_arm64_s1_4k, 0x10012345b47, 0, 40, 0, ALL_SIZES, BAD(OUTPUT)},
	{&pt_arm64_s1_4k, 0x10012345003, 1, 40, 0, ALL_SIZES, BAD(OUTPUT)},
	/* Tables: APTable, UXNTable, PXNTable; not with HPD. */
	{&pt_arm64_s1_4k, 0x12345003, 2, 48, 0, ALL_SIZES, TABLE(0x12345000, RWXU)},
	{&pt_arm64_s1_4k, 0x2000000012345003, 2, 48, 0, ALL_SIZES,
	 TABLE(0x12345000, R | W | X | PX)},
	{&pt_arm64_s1_4k, 0x4000000012345003, 2, 48, 0, ALL_SIZES,
	 TABLE(0x12345000, R | X | PX | U)},
	{&pt_arm64_s1_4k, 0x1800000012345003, 2, 48, 0, ALL_SIZES, TABLE(0x12345000, R | W | U)},
	{&pt_arm64_s1_4k, 0x7800000012345003, 2, 48, PT_WALK_FLAT, ALL_SIZES,
	 TABLE(0x12345000, RWXU)},
	/* 16K and 64K; 51:48 in 15:12, which without 52 bits are beyond the width. */
	{&pt_arm64_s1_16k, 0x1234ff47, 0, 48, 0, ALL_SIZES, LEAF(0x1234c000, 14, RWXU, 1)},
	{&pt_arm64_s1_16k, 0x2000f45, 1, 48, 0, ALL_SIZES, LEAF(0x2000000, 25, RWXU, 1)},
	{&pt_arm64_s1_64k, 0x1234af47, 0, 52, 0, ALL_SIZES, LEAF(0xa000012340000, 16, RWXU, 1)},
	{&pt_arm64_s1_64k, 0x1234af47, 0, 48, 0, ALL_SIZES, BAD(OUTPUT)},
	{&pt_arm64_s1_64k, 0x2000af45, 1, 52, 0, ALL_SIZES, LEAF(0xa000020000000, 29, RWXU, 1)},
	{&pt_arm64_s1_64k, 0x40000000a003, 2, 52, 0, ALL_SIZES, TABLE(0xa400000000000, RWXU)},
	/* LPA2: 51:50 in 9:8. */
	{&pt_arm64_s1_4k_ds, 0x3000012345f47, 0, 52, 0, ALL_SIZES,
	 LEAF(0xf000012345000, 12, RWXU, 1)},
	{&pt_arm64_s1_16k_ds, 0x2000012344e47, 0, 52, 0, ALL_SIZES,
	 LEAF(0xa000012344000, 14, RWXU, 1)},
	{&pt_arm64_s1_4k_ds, 0x12345203, 1, 52, 0, ALL_SIZES, TABLE(0x8000012345000, RWXU)},
	/* Stage 2: S2AP 01, 10, 11; MemAttr; XN with XNX. */
	{&pt_arm64_s2_4k, 0x1234577f, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | X | PX | U, 15)},
	{&pt_arm64_s2_4k, 0x123457bf, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, W | X | PX | U, 15)},
	{&pt_arm64_s2_4k, 0x123457db, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 6)},
	{&pt_arm64_s2_4k, 0x1234573f, 0, 48, 0, ALL_SIZES, LEAF(0x12345000, 12, X | PX | U, 15)},
	{&pt_arm64_s2_4k, 0x200000123457ff, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | X | U, 15)},
	{&pt_arm64_s2_4k, 0x400000123457ff, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | U, 15)},
	{&pt_arm64_s2_4k, 0x600000123457ff, 0, 48, 0, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | PX | U, 15)},
	{&pt_arm64_s2_4k, 0x800001234577f, 0, 48, HW, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 15)},
	{&pt_arm64_s2_4k, 0x7800000012345003, 2, 48, 0, ALL_SIZES, TABLE(0x12345000, RWXU)},
};

static const struct row riscv_rows[] = {
	/* V|R|W|X|U|A|D; without W, X, U; a page for execution only. */
	{&pt_riscv_s1, 0x48d14df, 0, 56, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU)},
	{&pt_riscv_s1, 0x48d144b, 0, 56, 0, ALL_SIZES, LEAF(0x12345000, 12, R | X | PX)},
	{&pt_riscv_s1, 0x48d1453, 0, 56, 0, ALL_SIZES, LEAF(0x12345000, 12, R | U)},
	{&pt_riscv_s1, 0x48d1459, 0, 56, 0, ALL_SIZES, LEAF(0x12345000, 12, X | PX | U)},
	/* Not valid; write without read, with and without execute; reserved bits. */
	{&pt_riscv_s1, 0x48d14de, 0, 56, 0, ALL_SIZES, BAD(ABSENT)},
	{&pt_riscv_s1, 0x48d14d5, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x48d14dd, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x48d1405, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x4000000048d14df, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x10400000048d14df, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	/* A clear, with and without hardware that sets it; D clear is the writer's matter. */
	{&pt_riscv_s1, 0x48d141f, 0, 56, 0, ALL_SIZES, PT_FAULT_ACCESSED, PT_STEP_LEAF, 0x12345000,
	 12, RWXU},
	{&pt_riscv_s1, 0x48d141f, 0, 56, HW, ALL_SIZES, LEAF(0x12345000, 12, RWXU)},
	{&pt_riscv_s1, 0x48d145f, 0, 56, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU)},
	/* Tables: a pointer at the last level, and with D, A, U, PBMT or N. */
	{&pt_riscv_s1, 0x48d1401, 1, 56, 0, ALL_SIZES, TABLE(0x12345000, RWXU)},
	{&pt_riscv_s1, 0x48d1421, 1, 56, 0, ALL_SIZES, TABLE(0x12345000, RWXU)},
	{&pt_riscv_s1, 0x48d1401, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x48d1481, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x48d1441, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x48d1411, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x20000000048d1401, 1, 56, PT_SVPBMT, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x80000000048d1401, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	/* Large leaves, misaligned ones, and one of a size that is not there. */
	{&pt_riscv_s1, 0x100800df, 1, 56, 0, ALL_SIZES, LEAF(0x40200000, 21, RWXU)},
	{&pt_riscv_s1, 0x100804df, 1, 56, 0, ALL_SIZES, BAD(ALIGN)},
	{&pt_riscv_s1, 0x200000df, 2, 56, 0, ALL_SIZES, LEAF(0x80000000, 30, RWXU)},
	{&pt_riscv_s1, 0x200800df, 2, 56, 0, ALL_SIZES, BAD(ALIGN)},
	{&pt_riscv_s1, 0x200000df, 2, 56, 0, BIT(12) | BIT(21), BAD(RESERVED)},
	/* Svnapot: 64 KiB, other sizes, above level 0, where it is not there. */
	{&pt_riscv_s1, 0x80000000048d20df, 0, 56, 0, ALL_SIZES, LEAF(0x12340000, 16, RWXU)},
	{&pt_riscv_s1, 0x80000000048d10df, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x80000000048d30df, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x80000000100820df, 1, 56, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x80000000048d20df, 0, 56, 0, BIT(12) | BIT(21), BAD(RESERVED)},
	/* Svpbmt: NC, IO, 3; where it is not there. */
	{&pt_riscv_s1, 0x20000000048d14df, 0, 56, PT_SVPBMT, ALL_SIZES,
	 LEAF(0x12345000, 12, RWXU, 1)},
	{&pt_riscv_s2, 0x40000000048d14df, 0, 56, PT_SVPBMT, ALL_SIZES,
	 LEAF(0x12345000, 12, RWXU, 2)},
	{&pt_riscv_s1, 0x60000000048d14df, 0, 56, PT_SVPBMT, ALL_SIZES, BAD(RESERVED)},
	{&pt_riscv_s1, 0x20000000048d14df, 0, 56, 0, ALL_SIZES, BAD(RESERVED)},
	/* Beyond the output width. */
	{&pt_riscv_s1, 0x100000048d14df, 0, 46, 0, ALL_SIZES, BAD(OUTPUT)},
};

static const struct row x86_rows[] = {
	{&pt_vtd_fs, 0x12345067, 0, 52, PT_WALK_NX, ALL_SIZES, LEAF(0x12345000, 12, RWXU)},
	{&pt_vtd_fs, 0x12345021, 0, 52, PT_WALK_NX, ALL_SIZES, LEAF(0x12345000, 12, R | X | PX)},
	{&pt_vtd_fs, 0x8000000012345067, 0, 52, PT_WALK_NX, ALL_SIZES,
	 LEAF(0x12345000, 12, R | W | U)},
	{&pt_vtd_fs, 0x8000000012345067, 0, 52, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_vtd_fs, 0x8000000012345067, 2, 52, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_vtd_fs, 0x12345066, 0, 52, 0, ALL_SIZES, BAD(ABSENT)},
	/* The PAT's index: PWT, PCD, PAT at bit 7 of a page and at bit 12 of a larger one. */
	{&pt_vtd_fs, 0x123450ff, 0, 52, 0, ALL_SIZES, LEAF(0x12345000, 12, RWXU, 7)},
	{&pt_vtd_fs, 0x402010e7, 1, 52, 0, ALL_SIZES, LEAF(0x40200000, 21, RWXU, 4)},
	{&pt_vtd_fs, 0x402020e7, 1, 52, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_vtd_fs, 0x800000e7, 2, 52, 0, ALL_SIZES, LEAF(0x80000000, 30, RWXU)},
	{&pt_vtd_fs, 0x800000e7, 2, 52, 0, BIT(12) | BIT(21), BAD(RESERVED)},
	{&pt_vtd_fs, 0x802000e7, 2, 52, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_vtd_fs, 0x120000e7, 3, 52, 0, ALL_SIZES, BAD(RESERVED)},
	{&pt_vtd_fs, 0x12345027, 3, 52, 0, ALL_SIZES, TABLE(0x12345000, RWXU)},
	{&pt_vtd_fs, 0x12345021, 3, 52, 0, ALL_SIZES, TABLE(0x12345000, R | X | PX)},
	{&pt_vtd_fs, 0x1000012345027, 3, 48, 0, ALL_SIZES, BAD(OUTPUT)},
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		struct pt_regime r = {.ops = row->ops,
				      .levels = row->ops->max_levels,
				      .ias = row->ops->max_ias,
				      .oas = row->oas,
				      .page_sizes = row->page_sizes,
				      .flags = row->flags};
		struct pt_entry e = row->ops->decode(&r, row->raw, row->level);
		bool same = e.fault == row->fault && e.kind == row->kind;

		if (same && e.kind == PT_STEP_TABLE)
			same = e.pa == row->pa && e.may == row->may && e.next + 1u == row->level;
		if (same && e.kind == PT_STEP_LEAF)
			same = e.pa == row->pa && e.may == row->may && e.lg2 == row->lg2 &&
			       e.memory == row->memory;
		if (!same)
			fail_msg(
				"%s, row %zu, %#lx: fault %u kind %u pa %#lx lg2 %u may %#x memory %u",
				row->ops->name, i, (long)row->raw, e.fault, e.kind, (long)e.pa,
				e.lg2, e.may, e.memory);
	}
}

static void test_entries(void **state)
{
	check_rows(arm_rows, ARRAY_SIZE(arm_rows));
	check_rows(riscv_rows, ARRAY_SIZE(riscv_rows));
	check_rows(x86_rows, ARRAY_SIZE(x86_rows));
}

static void test_words(void **state)
{
	static const struct {
		const struct pt_ops *ops;
		struct pt_step step;
		const char *words;
	} rows[] = {
		{&pt_riscv_s1,
		 {.raw = 0x48d14df, .kind = PT_STEP_LEAF},
		 "V R W X U A D PPN=0x12345"},
		{&pt_riscv_s1,
		 {.raw = 0x48d1481, .level = 1, .kind = PT_STEP_EMPTY, .fault = PT_FAULT_RESERVED},
		 "V D PPN=0x12345 (reserved)"},
		{&pt_riscv_s1, {.kind = PT_STEP_EMPTY, .fault = PT_FAULT_ABSENT}, "(not present)"},
		{&pt_riscv_s1, {.kind = PT_STEP_EMPTY}, ""},
		{&pt_arm64_s1_4k,
		 {.raw = 0x4000000012345003, .level = 2, .kind = PT_STEP_TABLE},
		 "Valid Table OA[47:12]=0x12345 APTable[1]"},
		{&pt_arm64_s1_4k,
		 {.raw = 0x10000012345f47, .kind = PT_STEP_LEAF},
		 "Valid Page AttrIndx=0x1 AP[1] SH=0x3 AF nG OA[47:12]=0x12345 Contiguous"},
		{&pt_vtd_fs,
		 {.raw = 0x402010e7, .level = 1, .kind = PT_STEP_LEAF},
		 "P RW US A D PS PAT ADDR=0x40201"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].words);
		char buf[200], small[8];

		assert_int_equal(pt_words(rows[i].ops, &rows[i].step, buf, sizeof(buf)), len);
		assert_string_equal(buf, rows[i].words);
		memset(small, 'x', sizeof(small));
		assert_int_equal(pt_words(rows[i].ops, &rows[i].step, small, 5), len);
		assert_int_equal(strlen(small), len < 4 ? len : 4);
		assert_memory_equal(small, buf, len < 4 ? len : 4);
		assert_int_equal(small[5], 'x');
		assert_int_equal(pt_words(rows[i].ops, &rows[i].step, NULL, 0), len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VT-d's root, context, PASID directory and PASID table entries: each field's legal and illegal
 * values with the fault reason of D51397 7.1.3, the tables that lead to them, and bytes at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/vtd/context.h"

/* Where the structures lie in a memory of 64 KiB. */
#define ROOT	0x1000ull
#define CONTEXT 0x2000ull
#define DIR	0x4000ull
#define TABLE	0x5000ull
#define RID	0x1a3 /* bus 1, device 20.3: the upper half in scalable mode */
#define PASID	0x5c5 /* directory entry 23, entry 5 there */
#define TABLES	0x123456000ull

static uint64_t memory[0x10000 / 8];

static int read_memory(void *arg, uint64_t addr, void *dst, size_t len)
{
	if (addr >= sizeof(memory) || len > sizeof(memory) - addr)
		return -1;
	memcpy(dst, (char *)memory + addr, len);
	return 0;
}

static const struct vtd_memory readable = {.read = read_memory};

static const struct vtd_ids everything = {
	.cap = 0xeull << 8 | 3ull << 34 | VTD_CAP_FS1GP | VTD_CAP_FS5LP,
	.ecap = VTD_ECAP_PT | VTD_ECAP_DT | VTD_ECAP_SC | VTD_ECAP_PRS | VTD_ECAP_ERS |
		VTD_ECAP_SRS | VTD_ECAP_EAFS | VTD_ECAP_PASID | VTD_ECAP_SMTS | VTD_ECAP_SSADS |
		VTD_ECAP_SSTS | VTD_ECAP_FSTS | VTD_ECAP_RPS | VTD_ECAP_RPRIVS | VTD_ECAP_ADMS,
};

static uint64_t *at(uint64_t addr)
{
	return &memory[addr / 8];
}

static void make_legacy(void)
{
	uint64_t *context = at(CONTEXT + 0xa3 * 16);

	memset(memory, 0, sizeof(memory));
	at(ROOT + 16)[0] = CONTEXT | 1;
	context[0] = TABLES | 1;
	context[1] = 0x4321 << 8 | 2; /* 48 bits */
}

/* A directory of 128 entries, which is 2^13 PASIDs; requests without one are PASID's. */
static void make_scalable(void)
{
	uint64_t *context = at(CONTEXT + 0x23 * 32), *entry = at(TABLE + 5 * 64);

	memset(memory, 0, sizeof(memory));
	at(ROOT + 16)[1] = CONTEXT | 1;
	context[0] = DIR | VTD_SM_CONTEXT_PASIDE | 1;
	context[1] = PASID;
	at(DIR)[PASID >> 6] = TABLE | 1;
	entry[0] = 1 << 6 | 1; /* first stage */
	entry[1] = 0x4321;
	entry[2] = TABLES;
}

/* What one word is set to, in which place; does the translation stay there? */
struct row {
	const char *name;
	uint64_t addr; /* of the word */
	uint64_t clear, set;
	enum vtd_fault fault;
	bool pasid; /* the request has one */
};

#define LC	(CONTEXT + 0xa3 * 16)
#define SC	(CONTEXT + 0x23 * 32)
#define SD	(DIR + (PASID >> 6) * 8)
#define SP	(TABLE + 5 * 64)
#define PGTT(n) 7ull << 6, (uint64_t)(n) << 6

static void check_rows(const struct row *rows, size_t n, void (*make)(void), uint64_t rtaddr)
{
	for (size_t k = 0; k < n; k++) {
		struct vtd_query q = {.ids = &everything,
				      .memory = &readable,
				      .rtaddr = rtaddr,
				      .rid = RID,
				      .has_pasid = rows[k].pasid,
				      .pasid = rows[k].pasid ? PASID : 0};
		struct vtd_stream s;
		enum vtd_fault f;

		make();
		*at(rows[k].addr) = (*at(rows[k].addr) & ~rows[k].clear) | rows[k].set;
		f = vtd_context_find(&q, &s);
		if (f != rows[k].fault)
			fail_msg("%s: fault 0x%x, not 0x%x", rows[k].name, f, rows[k].fault);
		if (!f)
			assert_int_equal(s.did, 0x4321);
	}
}

static void test_legacy_rows(void **state)
{
	static const struct row rows[] = {
		{"as it is", LC, 0, 0, 0},
		{"with a PASID", LC, 0, 0, 0x31, true},
		{"root P", ROOT + 16, 1, 0, 0x01},
		{"root reserved", ROOT + 16, 0, BIT(1), 0x0a},
		{"root reserved", ROOT + 16, 0, BIT(11), 0x0a},
		{"root beyond 52 bits", ROOT + 16, 0, BIT(52), 0x0a},
		{"root upper half", ROOT + 24, 0, 1, 0x0a},
		{"context table elsewhere", ROOT + 16, 0, BIT(40), 0x09},
		{"P", LC, 1, 0, 0x02},
		{"FPD", LC, 0, BIT(1), 0},
		{"TT device TLB", LC, 0, 1 << 2, 0},
		{"TT bypass", LC, 0, 2 << 2, 0},
		{"TT reserved", LC, 0, 3 << 2, 0x03},
		{"reserved", LC, 0, BIT(4), 0x0b},
		{"reserved", LC, 0, BIT(11), 0x0b},
		{"beyond 52 bits", LC, 0, BIT(63), 0x0b},
		{"AW 39", LC + 8, 7, 1, 0},
		{"AW 57", LC + 8, 7, 3, 0},
		{"AW 0", LC + 8, 7, 0, 0x03},
		{"AW 4", LC + 8, 7, 4, 0x03},
		{"AW 7", LC + 8, 7, 7, 0x03},
		{"ignored", LC + 8, 0, 0xf << 3, 0},
		{"reserved", LC + 8, 0, BIT(7), 0x0b},
		{"reserved", LC + 8, 0, BIT(24), 0x0b},
		{"reserved", LC + 8, 0, BIT(63), 0x0b},
	};

	check_rows(rows, ARRAY_SIZE(rows), make_legacy, ROOT);
}

static void test_scalable_rows(void **state)
{
	static const struct row rows[] = {
		{"as it is", SP, 0, 0, 0},
		{"with a PASID", SP, 0, 0, 0, true},
		{"root P", ROOT + 24, 1, 0, 0x39},
		{"root reserved", ROOT + 24, 0, BIT(2), 0x3a},
		{"root beyond 52 bits", ROOT + 24, 0, BIT(60), 0x3a},
		{"the lower half of the root is another's", ROOT + 16, 0, U64MAX, 0},
		{"context table elsewhere", ROOT + 24, 0, BIT(40), 0x40},
		{"context P", SC, 1, 0, 0x41},
		{"context FPD", SC, 0, BIT(1), 0},
		{"DTE", SC, 0, BIT(2), 0},
		{"no PASIDE, and none", SC, BIT(3), 0, 0},
		{"no PASIDE", SC, BIT(3), 0, 0x45, true},
		{"PRE", SC, 0, BIT(4), 0},
		{"context reserved", SC, 0, BIT(5), 0x42},
		{"context reserved", SC, 0, BIT(8), 0x42},
		{"PDTS", SC, 0, 7 << 9, 0},
		{"context beyond 52 bits", SC, 0, BIT(52), 0x42},
		{"RID_PRIV", SC + 8, 0, BIT(20), 0},
		{"context reserved", SC + 8, 0, BIT(21), 0x42},
		{"context word 2", SC + 16, 0, 1, 0x42},
		{"context word 3", SC + 24, 0, BIT(63), 0x42},
		{"RID_PASID beyond the directory", SC + 8, 0xfffff, 0x2000, 0x48},
		{"RID_PASID beyond the directory, not asked", SC + 8, 0xfffff, 0x2000, 0, true},
		{"RID_PASID of another table", SC + 8, 0xfffff, PASID ^ 0x40, 0x51},
		{"RID_PASID of another entry", SC + 8, 0xfffff, PASID ^ 1, 0x59},
		{"directory elsewhere", SC, 0, BIT(40), 0x50},
		{"directory P", SD, 1, 0, 0x51},
		{"directory FPD", SD, 0, BIT(1), 0},
		{"directory reserved", SD, 0, BIT(2), 0x52},
		{"directory reserved", SD, 0, BIT(11), 0x52},
		{"directory beyond 52 bits", SD, 0, BIT(52), 0x52},
		{"table elsewhere", SD, 0, BIT(40), 0x58},
		{"P", SP, 1, 0, 0x59},
		{"FPD", SP, 0, BIT(1), 0},
		{"AW is not the first stage's", SP, 0, 7 << 2, 0},
		{"reserved", SP, 0, BIT(5), 0x5a},
		{"PGTT 0", SP, PGTT(0), 0x5b},
		{"PGTT nested", SP, PGTT(3), 0x5b},
		{"PGTT bypass", SP, PGTT(4), 0},
		{"PGTT 5", SP, PGTT(5), 0x5b},
		{"PGTT 6", SP, PGTT(6), 0x5b},
		{"PGTT 7", SP, PGTT(7), 0x5b},
		{"PGTT second, AW 0", SP, PGTT(2), 0x5b},
		{"PGTT second, 39", SP, 7 << 6, 2 << 6 | 1 << 2, 0},
		{"PGTT second, 48", SP, 7 << 6, 2 << 6 | 2 << 2, 0},
		{"PGTT second, 57", SP, 7 << 6, 2 << 6 | 3 << 2, 0},
		{"PGTT second, AW 4", SP, 7 << 6, 2 << 6 | 4 << 2, 0x5b},
		{"SSADE", SP, 7 << 6, 2 << 6 | 2 << 2 | 1 << 9, 0},
		{"reserved", SP, 0, BIT(10), 0x5a},
		{"reserved", SP, 0, BIT(11), 0x5a},
		{"beyond 52 bits", SP, 0, BIT(52), 0x5a},
		{"reserved", SP + 8, 0, BIT(16), 0x5a},
		{"reserved", SP + 8, 0, BIT(22), 0x5a},
		{"PWSNP, PGSNP", SP + 8, 0, 3 << 23, 0},
		{"memory types", SP + 8, 0, MASK(39) << 25, 0},
		{"SRE, ERE, WPE, NXE, SMEP, EAFE", SP + 16, 0, 0xf3, 0},
		{"FSPM 5 levels", SP + 16, 0, 1 << 2, 0},
		{"FSPM reserved", SP + 16, 0, 2 << 2, 0x5b},
		{"FSPM reserved", SP + 16, 0, 3 << 2, 0x5b},
		{"reserved", SP + 16, 0, BIT(8), 0x5a},
		{"beyond 52 bits", SP + 16, 0, BIT(52), 0x5a},
		{"word 3", SP + 24, 0, 1, 0x5a},
		{"word 7", SP + 56, 0, BIT(63), 0x5a},
	};

	check_rows(rows, ARRAY_SIZE(rows), make_scalable, ROOT | 1 << 10);
}

/* A capability that is missing, and the field that is then not there. */
static void test_capabilities(void **state)
{
	static const struct {
		const char *name;
		uint64_t cap, ecap; /* taken away */
		uint64_t addr, clear, set;
		enum vtd_fault fault;
		uint64_t rtaddr;
	} rows[] = {
		{"SMTS", 0, VTD_ECAP_SMTS, SP, 0, 0, 0x30, 1 << 10},
		{"reserved TTM", 0, 0, SP, 0, 0, 0x30, 2 << 10},
		{"ADMS", 0, VTD_ECAP_ADMS, SP, 0, 0, 0x30, 3 << 10},
		{"DT", 0, VTD_ECAP_DT, SC, 0, BIT(2), 0x42, 1 << 10},
		{"PASID", 0, VTD_ECAP_PASID, SC, 0, 0, 0x42, 1 << 10},
		{"PRS", 0, VTD_ECAP_PRS, SC, 0, BIT(4), 0x42, 1 << 10},
		{"RPS", 0, VTD_ECAP_RPS, SC, 0, 0, 0x42, 1 << 10},
		{"RPRIVS", 0, VTD_ECAP_RPRIVS, SC + 8, 0, BIT(20), 0x42, 1 << 10},
		{"FSTS", 0, VTD_ECAP_FSTS, SP, 0, 0, 0x5b, 1 << 10},
		{"SSTS", 0, VTD_ECAP_SSTS, SP, 7 << 6, 2 << 6 | 2 << 2, 0x5b, 1 << 10},
		{"PT", 0, VTD_ECAP_PT, SP, 7 << 6, 4 << 6, 0x5b, 1 << 10},
		{"SAGAW", 4 << 8, 0, SP, 7 << 6, 2 << 6 | 2 << 2, 0x5b, 1 << 10},
		{"SSADS", 0, VTD_ECAP_SSADS, SP, 0, BIT(9), 0x5a, 1 << 10},
		{"SC", 0, VTD_ECAP_SC, SP + 8, 0, BIT(24), 0x5a, 1 << 10},
		{"SRS: SRE", 0, VTD_ECAP_SRS, SP + 16, 0, BIT(0), 0x5a, 1 << 10},
		{"SRS: WPE", 0, VTD_ECAP_SRS, SP + 16, 0, BIT(4), 0x5a, 1 << 10},
		{"SRS: SMEP", 0, VTD_ECAP_SRS, SP + 16, 0, BIT(6), 0x5a, 1 << 10},
		{"ERS", 0, VTD_ECAP_ERS, SP + 16, 0, BIT(1), 0x5a, 1 << 10},
		{"EAFS", 0, VTD_ECAP_EAFS, SP + 16, 0, BIT(7), 0x5a, 1 << 10},
		{"FS5LP", VTD_CAP_FS5LP, 0, SP + 16, 0, BIT(2), 0x5b, 1 << 10},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct vtd_ids ids = {.cap = everything.cap & ~rows[k].cap,
				      .ecap = everything.ecap & ~rows[k].ecap};
		struct vtd_query q = {.ids = &ids,
				      .memory = &readable,
				      .rtaddr = ROOT | rows[k].rtaddr,
				      .rid = RID};
		struct vtd_stream s;

		make_scalable();
		*at(rows[k].addr) = (*at(rows[k].addr) & ~rows[k].clear) | rows[k].set;
		if (vtd_context_find(&q, &s) != rows[k].fault)
			fail_msg("without %s", rows[k].name);
		if (rows[k].rtaddr == 1 << 10 && !(rows[k].ecap & VTD_ECAP_SMTS)) {
			q.ids = &everything;
			assert_int_equal(vtd_context_find(&q, &s), 0);
		}
	}
}

static void test_stages(void **state)
{
	struct vtd_query q = {
		.ids = &everything, .memory = &readable, .rtaddr = ROOT | 1 << 10, .rid = RID};
	struct vtd_stream s;

	make_scalable();
	at(SC)[1] |= VTD_SM_CONTEXT1_RID_PRIV;
	at(SP)[2] |= VTD_PASID2_SRE | VTD_PASID2_EAFE | BIT(2);
	assert_int_equal(vtd_context_find(&q, &s), 0);
	assert_ptr_equal(s.stage.regime.ops, &pt_vtd_fs);
	assert_int_equal(s.stage.regime.root_pa, TABLES);
	assert_int_equal(s.stage.regime.levels, 5);
	assert_int_equal(s.stage.regime.ias, 57);
	assert_int_equal(s.stage.regime.page_sizes, 0x40201000);
	assert_false(s.stage.regime.flags & PT_WALK_NX);
	assert_true(s.stage.sre && s.stage.eafe && s.stage.privileged);
	assert_false(s.stage.wpe || s.stage.ere || s.stage.smep || s.stage.legacy || s.stage.fpd);
	assert_int_equal(s.pasid, PASID);
	q.has_pasid = true;
	q.pasid = PASID;
	at(SP)[2] |= VTD_PASID2_NXE;
	assert_int_equal(vtd_context_find(&q, &s), 0);
	assert_false(s.stage.privileged); /* that is for requests without */
	assert_true(s.stage.regime.flags & PT_WALK_NX);
	q.pasid = 0x2000;
	assert_int_equal(vtd_context_find(&q, &s), 0x46);

	make_legacy();
	q = (struct vtd_query){.ids = &everything, .memory = &readable, .rtaddr = ROOT, .rid = RID};
	at(LC)[0] |= VTD_CONTEXT_FPD | 1 << 2;
	assert_int_equal(vtd_context_find(&q, &s), 0);
	assert_ptr_equal(s.stage.regime.ops, &pt_vtd_ss);
	assert_int_equal(s.stage.regime.root_pa, TABLES);
	assert_int_equal(s.stage.regime.levels, 4);
	assert_int_equal(s.stage.regime.ias, 48);
	assert_true(s.stage.legacy && s.stage.fpd && s.device_tlb && !s.bypass);

	q.rtaddr = ROOT | 3 << 10;
	assert_int_equal(vtd_context_find(&q, &s), 0);
	assert_true(s.aborts);
}

/* Fault Processing Disable is known as soon as an entry said so; 7.1.3's qualified faults heed it.
 */
static void test_fpd(void **state)
{
	static const uint64_t where[] = {SC, SD, SP};
	struct vtd_query q = {
		.ids = &everything, .memory = &readable, .rtaddr = ROOT | 1 << 10, .rid = RID};
	struct vtd_stream s;

	for (size_t k = 0; k < ARRAY_SIZE(where); k++) {
		make_scalable();
		*at(where[k]) |= BIT(1);
		*at(SP) &= ~1ull;
		assert_int_equal(vtd_context_find(&q, &s), 0x59);
		assert_true(s.stage.fpd);
	}
	for (unsigned int f = 0; f < 0x100; f++) {
		static const uint8_t unqualified[] = {0x01, 0x08, 0x09, 0x0a, 0x30, 0x31,
						      0x38, 0x39, 0x3a, 0x40, 0x50, 0x58};

		assert_int_equal(vtd_fault_is_qualified((enum vtd_fault)f),
				 !memchr(unqualified, (int)f, sizeof(unqualified)));
	}
}

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33);
}

/* Whatever the bytes: an answer that is a known reason, and a walk that begins within 52 bits. */
static void test_random(void **state)
{
	uint64_t seed = 1;
	unsigned int found = 0;

	for (unsigned int k = 0; k < 200000; k++) {
		struct vtd_query q = {.ids = &everything,
				      .memory = &readable,
				      .rtaddr = ROOT | (uint64_t)(next(&seed) % 4) << 10,
				      .rid = RID,
				      .has_pasid = next(&seed) % 2,
				      .pasid = next(&seed) % 4 ? PASID : next(&seed) & 0xfffff};
		struct vtd_stream s;
		enum vtd_fault f;

		if (q.rtaddr & 1 << 10)
			make_scalable();
		else
			make_legacy();
		for (unsigned int n = next(&seed) % 3; n; n--) {
			static const uint64_t spots[] = {ROOT + 16, ROOT + 24, LC,	LC + 8,
							 SC,	    SC + 8,    SC + 16, SD,
							 SP,	    SP + 8,    SP + 16, SP + 24};

			*at(spots[next(&seed) % ARRAY_SIZE(spots)]) ^= BIT(next(&seed) % 64);
		}
		f = vtd_context_find(&q, &s);
		assert_in_range(f, 0, 0x5d);
		if (f || s.bypass || s.aborts)
			continue;
		found++;
		assert_non_null(s.stage.regime.ops);
		assert_in_range(s.stage.regime.levels, 3, 5);
		assert_int_equal(s.stage.regime.root_pa & (0xfff | ~MASK(52)), 0);
	}
	assert_in_range(found, 20000, 180000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legacy_rows),  cmocka_unit_test(test_scalable_rows),
		cmocka_unit_test(test_capabilities), cmocka_unit_test(test_stages),
		cmocka_unit_test(test_fpd),	     cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("iommu/vtd_context", tests, NULL, NULL);
}

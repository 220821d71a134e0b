/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's stream table entries and context descriptors: each field's legal and illegal values, the
 * tables that lead to them, and bytes at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/smmuv3/context.h"

#define TTB 0x12345000ull

/* All that IHI 0070 has, as far as we walk it. */
static struct smmuv3_ids all(void)
{
	return (struct smmuv3_ids){{
		[0] = (uint32_t)(SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P | SMMUV3_IDR0_COHACC |
				 SMMUV3_IDR0_HYP | SMMUV3_IDR0_ATS | SMMUV3_IDR0_ASID16 |
				 SMMUV3_IDR0_VMID16 | SMMUV3_IDR0_CD2L |
				 field_prep(SMMUV3_IDR0_TTF, SMMUV3_TTF_AARCH64) |
				 field_prep(SMMUV3_IDR0_HTTU, SMMUV3_HTTU_DIRTY) |
				 field_prep(SMMUV3_IDR0_TTENDIAN, SMMUV3_ENDIAN_LITTLE)),
		[1] = (uint32_t)(field_prep(SMMUV3_IDR1_SIDSIZE, 32) |
				 field_prep(SMMUV3_IDR1_SSIDSIZE, 20)),
		[3] = (uint32_t)(SMMUV3_IDR3_HAD | SMMUV3_IDR3_FWB),
		[5] = (uint32_t)(SMMUV3_IDR5_GRAN4K | SMMUV3_IDR5_GRAN16K | SMMUV3_IDR5_GRAN64K |
				 field_prep(SMMUV3_IDR5_OAS, 5)),
	}};
}

static void make_cd(uint64_t raw[SMMUV3_WORDS])
{
	memset(raw, 0, SMMUV3_WORDS * sizeof(*raw));
	raw[0] = SMMUV3_CD_V | SMMUV3_CD_AA64 | SMMUV3_CD_A | SMMUV3_CD_R | SMMUV3_CD_ASET |
		 SMMUV3_CD_EPD1 | field_prep(SMMUV3_CD_T0SZ, 16) | field_prep(SMMUV3_CD_IPS, 5) |
		 field_prep(SMMUV3_CD_ASID, 0x1234);
	raw[1] = TTB;
}

static void make_ste(uint64_t raw[SMMUV3_WORDS], unsigned int config)
{
	memset(raw, 0, SMMUV3_WORDS * sizeof(*raw));
	raw[0] = SMMUV3_STE_V | field_prep(SMMUV3_STE_CONFIG, config) |
		 (config & 1 ? TTB & SMMUV3_STE_S1CTXPTR : 0);
	if (config & 2) {
		raw[2] = SMMUV3_STE_S2AA64 | SMMUV3_STE_S2R |
			 field_prep(SMMUV3_STE_S2VMID, 0x4321) | field_prep(SMMUV3_STE_S2T0SZ, 16) |
			 field_prep(SMMUV3_STE_S2SL0, 2) | field_prep(SMMUV3_STE_S2PS, 5);
		raw[3] = TTB;
	}
}

/* One field of one word is set to a value; does the structure stay legal? */
struct row {
	const char *name;
	unsigned int word;
	uint64_t field, value;
	enum smmuv3_event_id event;
};

static void set_field(uint64_t *raw, const struct row *r)
{
	raw[r->word] = (raw[r->word] & ~r->field) | field_prep(r->field, r->value);
}

static void stream_table_entries(void **state)
{
	static const struct row rows[] = {
		{"V", 0, SMMUV3_STE_V, 0, SMMUV3_C_BAD_STE},
		{"aborts", 0, SMMUV3_STE_CONFIG, 0, 0},
		{"aborts, reserved", 0, SMMUV3_STE_CONFIG, 3, 0},
		{"bypasses", 0, SMMUV3_STE_CONFIG, 4, 0},
		{"S1CDMax", 0, SMMUV3_STE_S1CDMAX, 20, 0},
		{"S1CDMax", 0, SMMUV3_STE_S1CDMAX, 21, SMMUV3_C_BAD_STE},
		{"S1Fmt without substreams", 0, SMMUV3_STE_S1FMT, 3, 0},
		{"S1ContextPtr", 0, SMMUV3_STE_S1CTXPTR, BIT(48 - 6), SMMUV3_C_BAD_STE},
		{"STRW without meaning", 1, SMMUV3_STE_STRW, 1, 0},
		{"S2T0SZ", 2, SMMUV3_STE_S2T0SZ, 15, SMMUV3_C_BAD_STE},
		{"S2T0SZ", 2, SMMUV3_STE_S2T0SZ, 24, 0},
		{"S2T0SZ, one level less", 2, SMMUV3_STE_S2T0SZ, 25, SMMUV3_C_BAD_STE},
		{"S2SL0, no concatenation is wide enough", 2, SMMUV3_STE_S2SL0, 1,
		 SMMUV3_C_BAD_STE},
		{"S2SL0", 2, SMMUV3_STE_S2SL0, 3, SMMUV3_C_BAD_STE},
		{"S2TG", 2, SMMUV3_STE_S2TG, 3, SMMUV3_C_BAD_STE},
		{"S2AA64", 2, SMMUV3_STE_S2AA64, 0, SMMUV3_C_BAD_STE},
		{"S2ENDI", 2, SMMUV3_STE_S2ENDI, 1, SMMUV3_C_BAD_STE},
		{"S2TTB beyond S2PS", 2, SMMUV3_STE_S2PS, 0, 0},
		{"S2TTB", 3, SMMUV3_STE_S2TTB, BIT(48 - 4), SMMUV3_C_BAD_STE},
		{"S2S", 2, SMMUV3_STE_S2S, 1, 0},
		{"S2HA", 2, SMMUV3_STE_S2HA, 1, 0},
	};
	const struct smmuv3_ids ids = all();

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t raw[SMMUV3_WORDS];
		struct smmuv3_ste ste;

		make_ste(raw, 7);
		set_field(raw, &rows[n]);
		if (smmuv3_ste_decode(&ids, raw, &ste) != rows[n].event)
			fail_msg("%s = %llu", rows[n].name, (unsigned long long)rows[n].value);
	}
}

static void stage_one_entries(void **state)
{
	static const struct row rows[] = {
		{"S1Fmt", 0, SMMUV3_STE_S1FMT, 3, SMMUV3_C_BAD_STE},
		{"S1Fmt", 0, SMMUV3_STE_S1FMT, 2, 0},
		{"S1DSS", 1, SMMUV3_STE_S1DSS, 3, SMMUV3_C_BAD_STE},
		{"STRW", 1, SMMUV3_STE_STRW, 1, SMMUV3_C_BAD_STE},
		{"STRW", 1, SMMUV3_STE_STRW, 2, 0},
		{"STRW", 1, SMMUV3_STE_STRW, 3, SMMUV3_C_BAD_STE},
	};
	const struct smmuv3_ids ids = all();

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t raw[SMMUV3_WORDS];
		struct smmuv3_ste ste;

		make_ste(raw, 5);
		raw[0] |= field_prep(SMMUV3_STE_S1CDMAX, 4);
		set_field(raw, &rows[n]);
		if (smmuv3_ste_decode(&ids, raw, &ste) != rows[n].event)
			fail_msg("%s = %llu", rows[n].name, (unsigned long long)rows[n].value);
	}
}

/* What an implementation lacks makes the entry that asks for it illegal. */
static void what_is_not_there(void **state)
{
	static const struct {
		unsigned int reg;
		uint32_t without;
		unsigned int config;
		bool legal;
	} rows[] = {
		{0, (uint32_t)SMMUV3_IDR0_S1P, 5, false},
		{0, (uint32_t)SMMUV3_IDR0_S1P, 6, true},
		{0, (uint32_t)SMMUV3_IDR0_S2P, 6, false},
		{0, (uint32_t)SMMUV3_IDR0_S2P, 5, true},
		{0, (uint32_t)SMMUV3_IDR0_S2P, 4, true},
		{5, (uint32_t)SMMUV3_IDR5_GRAN4K, 6, false},
		{0, (uint32_t)SMMUV3_IDR0_TTF, 6, false},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct smmuv3_ids ids = all();
		uint64_t raw[SMMUV3_WORDS];
		struct smmuv3_ste ste;

		ids.idr[rows[n].reg] &= ~rows[n].without;
		make_ste(raw, rows[n].config);
		assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste) == SMMUV3_EVENT_NONE,
				 rows[n].legal);
	}
}

static void what_an_entry_means(void **state)
{
	const struct smmuv3_ids ids = all();
	uint64_t raw[SMMUV3_WORDS];
	struct smmuv3_ste ste;

	make_ste(raw, 7);
	assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste), SMMUV3_EVENT_NONE);
	assert_true(ste.s1 && ste.s2 && !ste.abort);
	assert_int_equal(ste.vmid, 0x4321);
	assert_ptr_equal(ste.stage2.r.ops, &pt_arm64_s2_4k);
	assert_int_equal(ste.stage2.r.levels, 4);
	assert_int_equal(ste.stage2.r.ias, 48);
	assert_int_equal(ste.stage2.r.root_pa, TTB);
	assert_true(ste.stage2.record && !ste.stage2.stall && !ste.stage2.set_accessed);
	make_ste(raw, 5);
	assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste), SMMUV3_EVENT_NONE);
	assert_true(ste.s1 && !ste.s2);
	make_ste(raw, 4);
	assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste), SMMUV3_EVENT_NONE);
	assert_true(!ste.s1 && !ste.s2 && !ste.abort);
	make_ste(raw, 2);
	assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste), SMMUV3_EVENT_NONE);
	assert_true(ste.abort);
	/* Sixteen tables side by side: 40 bits from level 1 on, whose table alone holds 39. */
	make_ste(raw, 6);
	raw[2] = (raw[2] & ~(SMMUV3_STE_S2T0SZ | SMMUV3_STE_S2SL0)) |
		 field_prep(SMMUV3_STE_S2T0SZ, 24) | field_prep(SMMUV3_STE_S2SL0, 1);
	raw[3] = TTB | 0x1000;
	assert_int_equal(smmuv3_ste_decode(&ids, raw, &ste), SMMUV3_EVENT_NONE);
	assert_int_equal(ste.stage2.r.levels, 3);
	assert_int_equal(ste.stage2.r.root_pa, align_down(TTB | 0x1000, 0x2000));
}

static void context_descriptors(void **state)
{
	static const struct row rows[] = {
		{"V", 0, SMMUV3_CD_V, 0, SMMUV3_C_BAD_CD},
		{"AA64", 0, SMMUV3_CD_AA64, 0, SMMUV3_C_BAD_CD},
		{"ENDI", 0, SMMUV3_CD_ENDI, 1, SMMUV3_C_BAD_CD},
		{"T0SZ", 0, SMMUV3_CD_T0SZ, 15, SMMUV3_C_BAD_CD},
		{"T0SZ", 0, SMMUV3_CD_T0SZ, 39, 0},
		{"T0SZ", 0, SMMUV3_CD_T0SZ, 40, SMMUV3_C_BAD_CD},
		{"TG0", 0, SMMUV3_CD_TG0, 1, 0},
		{"TG0", 0, SMMUV3_CD_TG0, 3, SMMUV3_C_BAD_CD},
		{"TG1 of a disabled half", 0, SMMUV3_CD_TG1, 0, 0},
		{"the other half, of no granule", 0, SMMUV3_CD_EPD1, 0, SMMUV3_C_BAD_CD},
		{"both disabled", 0, SMMUV3_CD_EPD0, 1, 0},
		{"IPS below TTB0", 0, SMMUV3_CD_IPS, 0, 0},
		{"TTB0", 1, SMMUV3_CD_TTB, BIT(48 - 4), SMMUV3_C_BAD_CD},
		{"S", 0, SMMUV3_CD_S, 1, 0},
		{"A", 0, SMMUV3_CD_A, 0, 0},
		{"HA", 0, SMMUV3_CD_HA, 1, 0},
	};
	const struct smmuv3_ids ids = all();
	const struct smmuv3_ste ste = {.s1 = true};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t raw[SMMUV3_WORDS];
		struct smmuv3_cd cd;

		make_cd(raw);
		set_field(raw, &rows[n]);
		if (smmuv3_cd_decode(&ids, &ste, raw, &cd) != rows[n].event)
			fail_msg("%s = %llu", rows[n].name, (unsigned long long)rows[n].value);
	}
}

/* Stalls, terminations and flags that the implementation or the entry forbids. */
static void what_a_descriptor_may_not_ask(void **state)
{
	static const struct {
		uint32_t idr0_set, idr0_clear;
		bool stalld;
		uint64_t cd_set, cd_clear;
		bool legal;
	} rows[] = {
		{0, 0, true, SMMUV3_CD_S, 0, false},
		{0, 0, true, 0, 0, true},
		{(uint32_t)BIT(24), 0, false, SMMUV3_CD_S, 0, false}, /* never stalls */
		{(uint32_t)BIT(25), 0, false, 0, 0, false},	      /* always does */
		{(uint32_t)BIT(25), 0, false, SMMUV3_CD_S, 0, true},
		{(uint32_t)SMMUV3_IDR0_TERM_MODEL, 0, false, 0, SMMUV3_CD_A, false},
		{(uint32_t)SMMUV3_IDR0_TERM_MODEL, 0, false, 0, 0, true},
		{0, (uint32_t)SMMUV3_IDR0_HTTU, false, SMMUV3_CD_HA, 0, false},
		/* HTTU = 1, accessed flags only. */
		{(uint32_t)BIT(6), (uint32_t)BIT(7), false, SMMUV3_CD_HA, 0, true},
		{(uint32_t)BIT(6), (uint32_t)BIT(7), false, SMMUV3_CD_HA | SMMUV3_CD_HD, 0, false},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct smmuv3_ids ids = all();
		struct smmuv3_ste ste = {.s1 = true, .s1stalld = rows[n].stalld};
		uint64_t raw[SMMUV3_WORDS];
		struct smmuv3_cd cd;
		bool legal;

		ids.idr[0] = (ids.idr[0] | rows[n].idr0_set) & ~rows[n].idr0_clear;
		make_cd(raw);
		raw[0] = (raw[0] | rows[n].cd_set) & ~rows[n].cd_clear;
		legal = smmuv3_cd_decode(&ids, &ste, raw, &cd) == SMMUV3_EVENT_NONE;
		if (legal != rows[n].legal)
			fail_msg("row %zu", n);
	}
}

static void the_two_halves(void **state)
{
	const struct smmuv3_ids ids = all();
	const struct smmuv3_ste ste = {.s1 = true};
	uint64_t raw[SMMUV3_WORDS], within;
	struct smmuv3_cd cd;

	make_cd(raw);
	raw[0] = (raw[0] & ~SMMUV3_CD_EPD1) | field_prep(SMMUV3_CD_T1SZ, 25) |
		 field_prep(SMMUV3_CD_TG1, 2);
	raw[2] = 0xabcd000;
	assert_int_equal(smmuv3_cd_decode(&ids, &ste, raw, &cd), SMMUV3_EVENT_NONE);
	assert_int_equal(cd.asid, 0x1234);
	assert_ptr_equal(smmuv3_cd_half(&cd, 0xffffffffffffull, &within), &cd.half[0]);
	assert_int_equal(within, 0xffffffffffffull);
	assert_null(smmuv3_cd_half(&cd, BIT(48), &within));
	assert_ptr_equal(smmuv3_cd_half(&cd, 0xffffff8000001000ull, &within), &cd.half[1]);
	assert_int_equal(within, 0x1000);
	assert_int_equal(cd.half[1].r.levels, 3);
	assert_null(smmuv3_cd_half(&cd, 0xffffff7fffffffffull, &within));
	assert_null(smmuv3_cd_half(&cd, 0xfeffff8000001000ull, &within));
	raw[0] |= SMMUV3_CD_TBI1;
	assert_int_equal(smmuv3_cd_decode(&ids, &ste, raw, &cd), SMMUV3_EVENT_NONE);
	assert_ptr_equal(smmuv3_cd_half(&cd, 0xfeffff8000001000ull, &within), &cd.half[1]);
	/* EL2 has no upper half. */
	{
		const struct smmuv3_ste el2 = {.s1 = true, .strw = SMMUV3_STRW_EL2};

		assert_int_equal(smmuv3_cd_decode(&ids, &el2, raw, &cd), SMMUV3_EVENT_NONE);
		assert_null(smmuv3_cd_half(&cd, 0xffffff8000001000ull, &within));
	}
}

static void substreams(void **state)
{
	static const struct {
		unsigned int cdmax;
		enum smmuv3_s1dss dss;
		bool ssv;
		uint32_t ssid;
		enum smmuv3_event_id event;
		enum smmuv3_select how;
		uint32_t index;
	} rows[] = {
		{0, 0, false, 0, 0, SMMUV3_USE_CD, 0},
		{0, 0, true, 0, SMMUV3_C_BAD_SUBSTREAMID, 0, 0},
		{4, SMMUV3_S1DSS_TERMINATE, false, 0, SMMUV3_F_STREAM_DISABLED, 0, 0},
		{4, SMMUV3_S1DSS_TERMINATE, true, 0, 0, SMMUV3_USE_CD, 0},
		{4, SMMUV3_S1DSS_TERMINATE, true, 15, 0, SMMUV3_USE_CD, 15},
		{4, SMMUV3_S1DSS_TERMINATE, true, 16, SMMUV3_C_BAD_SUBSTREAMID, 0, 0},
		{4, SMMUV3_S1DSS_BYPASS, false, 0, 0, SMMUV3_BYPASS_STAGE1, 0},
		{4, SMMUV3_S1DSS_BYPASS, true, 3, 0, SMMUV3_USE_CD, 3},
		{4, SMMUV3_S1DSS_SSID0, false, 0, 0, SMMUV3_USE_CD, 0},
		{4, SMMUV3_S1DSS_SSID0, true, 0, SMMUV3_C_BAD_SUBSTREAMID, 0, 0},
		{4, SMMUV3_S1DSS_SSID0, true, 1, 0, SMMUV3_USE_CD, 1},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		const struct smmuv3_ste ste = {
			.s1 = true, .s1cdmax = rows[n].cdmax, .s1dss = rows[n].dss};
		enum smmuv3_event_id event;
		enum smmuv3_select how;
		uint32_t index;

		event = smmuv3_substream(&ste, rows[n].ssv, rows[n].ssid, &how, &index);
		if (event != rows[n].event ||
		    (!event && (how != rows[n].how || index != rows[n].index)))
			fail_msg("row %zu", n);
	}
}

/* ---- tables ---- */

struct image {
	uint64_t base;
	uint64_t words[4096];
};

static int image_read(void *arg, uint64_t addr, void *dst, size_t len)
{
	struct image *i = arg;

	if (addr < i->base || addr - i->base + len > sizeof(i->words))
		return -1;
	memcpy(dst, (char *)i->words + (addr - i->base), len);
	return 0;
}

static void stream_tables(void **state)
{
	static struct image i = {.base = 0x10000};
	const struct smmuv3_memory m = {image_read, &i};
	struct smmuv3_strtab t = {.base = 0x10000, .log2size = 4};
	uint64_t addr;

	assert_int_equal(smmuv3_ste_find(&t, &m, 15, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x10000 + 15 * 64);
	assert_int_equal(smmuv3_ste_find(&t, &m, 16, &addr), SMMUV3_C_BAD_STREAMID);
	t = (struct smmuv3_strtab){.base = 0x10000, .two_level = true, .split = 8, .log2size = 16};
	i.words[1] = 0x8000000 | 9; /* all 256 */
	i.words[2] = 0x8004000 | 4; /* the first 8 */
	i.words[3] = 0x8008000 | 10;
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x0ff, &addr), SMMUV3_C_BAD_STREAMID);
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x1ff, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x8000000 + 255 * 64);
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x207, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x8004000 + 7 * 64);
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x208, &addr), SMMUV3_C_BAD_STREAMID);
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x300, &addr), SMMUV3_C_BAD_STREAMID);
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x10000, &addr), SMMUV3_C_BAD_STREAMID);
	t.base = 0x40000000;
	assert_int_equal(smmuv3_ste_find(&t, &m, 0x100, &addr), SMMUV3_F_STE_FETCH);
}

static void descriptor_tables(void **state)
{
	static struct image i = {.base = 0x10000};
	const struct smmuv3_memory m = {image_read, &i};
	struct smmuv3_ste ste = {.s1 = true, .s1ctxptr = 0x10000, .s1cdmax = 4};
	uint64_t addr;

	assert_int_equal(smmuv3_cd_find(&ste, &m, 3, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x10000 + 3 * 64);
	ste.s1cdmax = 12;
	ste.s1fmt = SMMUV3_S1FMT_64K;
	i.words[1] = 0x8000000 | 1;
	assert_int_equal(smmuv3_cd_find(&ste, &m, 0x3ff, &addr), SMMUV3_C_BAD_SUBSTREAMID);
	assert_int_equal(smmuv3_cd_find(&ste, &m, 0x7ff, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x8000000 + 1023 * 64);
	ste.s1fmt = SMMUV3_S1FMT_4K;
	assert_int_equal(smmuv3_cd_find(&ste, &m, 0x7f, &addr), SMMUV3_EVENT_NONE);
	assert_int_equal(addr, 0x8000000 + 63 * 64);
	ste.s1ctxptr = 0x40000000;
	assert_int_equal(smmuv3_cd_find(&ste, &m, 0, &addr), SMMUV3_F_CD_FETCH);
}

/* ---- bytes at random ---- */

static uint64_t seed = 1;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int any_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	unsigned int *reads = arg;

	++*reads;
	*entry = any();
	return 0;
}

/* Whatever is accepted can be walked, in as many reads as it has levels. */
static void walk_anything(const struct smmuv3_stage *s, uint64_t iova)
{
	struct pt_regime r = s->r;
	struct pt_walk w;
	unsigned int reads = 0;

	if (!s->there)
		return;
	assert_in_range(r.levels, 1, 5);
	assert_in_range(r.ias, r.ops->page_lg2, 52);
	r.read = any_entry;
	r.arg = &reads;
	r.ops->walk(&r, iova, &w, NULL, NULL);
	assert_in_range(reads, 0, r.levels);
}

static void random_bytes(void **state)
{
	unsigned int stes = 0, cds = 0;

	for (unsigned int n = 0; n < 300000; n++) {
		struct smmuv3_ids ids = all();
		uint64_t raw[SMMUV3_WORDS], within;
		struct smmuv3_ste ste;
		struct smmuv3_cd cd;

		ids.idr[0] ^= (uint32_t)(any() & any() & any());
		ids.idr[3] = (uint32_t)any();
		ids.idr[5] = (uint32_t)any();
		make_ste(raw, (unsigned int)any() & 7);
		for (unsigned int w = 0; w < SMMUV3_WORDS; w++)
			raw[w] ^= any() & any() & any() & any();
		if (!smmuv3_ste_decode(&ids, raw, &ste)) {
			stes++;
			if (ste.s2)
				walk_anything(&ste.stage2, any());
		}
		make_cd(raw);
		for (unsigned int w = 0; w < SMMUV3_WORDS; w++)
			raw[w] ^= any() & any() & any() & any();
		if (!smmuv3_cd_decode(&ids, &ste, raw, &cd)) {
			cds++;
			walk_anything(&cd.half[0], any());
			walk_anything(&cd.half[1], any());
			smmuv3_cd_half(&cd, any(), &within);
		}
	}
	assert_in_range(stes, 1000, 300000);
	assert_in_range(cds, 1000, 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_table_entries),
		cmocka_unit_test(stage_one_entries),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(what_an_entry_means),
		cmocka_unit_test(context_descriptors),
		cmocka_unit_test(what_a_descriptor_may_not_ask),
		cmocka_unit_test(the_two_halves),
		cmocka_unit_test(substreams),
		cmocka_unit_test(stream_tables),
		cmocka_unit_test(descriptor_tables),
		cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

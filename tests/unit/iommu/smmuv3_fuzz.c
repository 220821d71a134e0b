/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's decoders and nested walk on anything at all: each answer must be one that the
 * specification has, in bounded time, and lead nowhere but into the guest's memory.
 *
 * The inputs are random words, and words that were right once with bits flipped. SMMUV3_FUZZ_SEED
 * and SMMUV3_FUZZ_COUNT in the environment say which and how many.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "iommu/smmuv3/command.h"
#include "smmuv3_guest.h"

static uint64_t state64;

static uint64_t some(void)
{
	state64 ^= state64 << 13;
	state64 ^= state64 >> 7;
	state64 ^= state64 << 17;
	return state64;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t begin(uint64_t rounds)
{
	state64 = from_environment("SMMUV3_FUZZ_SEED", 0x1234567) * 2 + 1;
	return from_environment("SMMUV3_FUZZ_COUNT", rounds);
}

/* A few bits of a right one flipped, or nothing of it left. */
static void mutate(uint64_t *words, size_t n, const uint64_t *right)
{
	for (size_t k = 0; k < n; k++)
		words[k] = right[k];
	if (!(some() % 4))
		for (size_t k = 0; k < n; k++)
			words[k] = some();
	for (uint64_t flips = some() % 6; flips; flips--)
		words[some() % n] ^= BIT(some() % 64);
}

static struct smmuv3_ids some_ids(void)
{
	struct smmuv3_ids ids;

	for (unsigned int n = 0; n < SMMUV3_NR_IDR; n++)
		ids.idr[n] = (uint32_t)some();
	/* Mostly one that has something. */
	if (some() % 8)
		ids.idr[0] |= SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P | SMMUV3_IDR0_CD2L |
			      (uint32_t)field_prep(SMMUV3_IDR0_TTF, 2);
	return ids;
}

static void check_stage(const struct smmuv3_stage *s)
{
	const struct pt_regime *r = &s->r;

	if (!s->there)
		return;
	assert_non_null(r->ops);
	assert_true(r->levels >= 1 && r->levels <= r->ops->max_levels);
	assert_true(r->ias >= 16 && r->ias <= 52 && r->oas >= 32 && r->oas <= 52);
	assert_int_equal(r->root_pa & 63, 0);
	assert_true(!s->set_dirty || s->set_accessed);
}

static void fuzz_ste(const struct smmuv3_ids *ids, const uint64_t raw[8], struct smmuv3_ste *ste)
{
	enum smmuv3_event_id id = smmuv3_ste_decode(ids, raw, ste);

	assert_true(id == SMMUV3_EVENT_NONE || id == SMMUV3_C_BAD_STE);
	if (id || ste->abort)
		return;
	assert_true(raw[0] & 1);
	if (ste->s1)
		assert_true(ste->s1cdmax <= (ids->idr[1] >> 6 & 31));
	if (ste->s2)
		check_stage(&ste->stage2);
}

static void fuzz_cd(const struct smmuv3_ids *ids, const struct smmuv3_ste *ste,
		    const uint64_t raw[8])
{
	enum smmuv3_event_id id;
	struct smmuv3_cd cd;

	id = smmuv3_cd_decode(ids, ste, raw, &cd);
	assert_true(id == SMMUV3_EVENT_NONE || id == SMMUV3_C_BAD_CD);
	if (id)
		return;
	check_stage(&cd.half[0]);
	check_stage(&cd.half[1]);
	for (int n = 0; n < 4; n++) {
		uint64_t within = 0, va = some() >> (some() % 40);
		const struct smmuv3_stage *s = smmuv3_cd_half(&cd, va, &within);

		if (s)
			assert_true(within <= MASK(s->r.ias));
	}
}

static void test_structures(void **state)
{
	static const uint64_t ste_right[8] = {
		1 | 7 << 1 | 2 << 4 | 0x40010000 | 16ull << 59, 2 | 1 << 2 | 1 << 4 | 3 << 6,
		16ull << 32 | 2ull << 38 | 5ull << 48 | BIT(51) | BIT(58), 0x40020000};
	static const uint64_t cd_right[8] = {16 | BIT(30) | BIT(31) | 5ull << 32 | BIT(41) |
						     BIT(45) | BIT(46) | BIT(47) | 5ull << 48,
					     0x40030000, 0x40040000, 0xff};
	uint64_t rounds = begin(300000), good = 0;

	for (uint64_t n = 0; n < rounds; n++) {
		struct smmuv3_ids ids = some_ids();
		struct smmuv3_ste ste;
		uint64_t raw[8];

		mutate(raw, 8, ste_right);
		fuzz_ste(&ids, raw, &ste);
		good += !smmuv3_ste_decode(&ids, raw, &ste);
		mutate(raw, 8, cd_right);
		fuzz_cd(&ids, &ste, raw);
	}
	assert_true(good > rounds / 100);
}

static void test_commands(void **state)
{
	static const uint8_t ops[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12,
				      0x13, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0x45, 0x46};
	uint64_t rounds = begin(300000), good = 0;

	for (uint64_t n = 0; n < rounds; n++) {
		const struct smmuv3_ids ids = some_ids();
		uint64_t raw[2] = {some(), some()};
		struct smmuv3_command c;
		enum smmuv3_cerror err;

		if (some() % 8)
			raw[0] = (raw[0] & ~0xffull & ~(some() % 2 ? BIT(10) : 0)) |
				 ops[some() % ARRAY_SIZE(ops)];
		err = smmuv3_command_decode(&ids, raw, &c);
		assert_true(err == SMMUV3_CERROR_NONE || err == SMMUV3_CERROR_ILL);
		if (err)
			continue;
		good++;
		assert_int_equal(c.op, raw[0] & 0xff);
		assert_true(c.first <= c.last && c.sid <= c.sid_last);
		assert_true(c.response <= 3 && c.ssid <= MASK(20));
	}
	assert_true(good > rounds / 10);
}

/* ---- the whole way ---- */

#define ARENA 0x20000ull /* bytes of guest memory that may hold anything */

struct fuzz {
	struct guest g;
	uint64_t arena, strtab;
	bool stop;
};

/* Words that look like entries: mostly of the arena's own addresses, so that walks go deep. */
static uint64_t some_word(const struct fuzz *f)
{
	uint64_t at = f->arena + some() % ARENA;

	switch (some() % 8) {
	case 0:
		return some();
	case 1:
		return 0;
	case 2:
		return (at & ~0xfffull) | 0x743; /* a page */
	case 3:
		return (at & ~0xfffull) | 0x741; /* a block */
	case 4:
		return at | 1; /* an L1 descriptor */
	default:
		return (at & ~0xfffull) | 3; /* a table */
	}
}

static void fill(struct fuzz *f)
{
	for (uint64_t at = f->arena; at < f->arena + ARENA; at += 8)
		__atomic_store_n(guest_word(&f->g, at), some_word(f), __ATOMIC_RELAXED);
}

static void some_stream(struct fuzz *f)
{
	uint64_t *ste = guest_word(&f->g, f->strtab + 64 * GUEST_SID);
	uint64_t cd = f->arena + (some() % (ARENA / 64)) * 64;
	uint64_t raw[8];

	ste[0] = STE_V | STE_S1 | cd;
	if (!(some() % 4))
		ste[0] |= (some() % 3) << 4 | (some() % 18) << 59;
	ste[1] = some() & 0xff;
	mutate(raw, 8,
	       (const uint64_t[8]){(16 + some() % 24) | BIT(30) | BIT(31) | 5ull << 32 | BIT(41) |
					   BIT(46) | 5ull << 48 |
					   (some() & (BIT(42) | BIT(43) | BIT(45))),
				   (f->arena + some() % ARENA) & ~0xfffull});
	for (unsigned int k = 0; k < 8; k++)
		*guest_word(&f->g, cd + 8 * k) = raw[k];
	if (!(some() % 8))
		ste[some() % 2] ^= BIT(some() % 64);
}

static void one_stream(struct fuzz *f, uint64_t *went_well)
{
	static const uint64_t all[][2] = {{CMD_CFGI_ALL, 31}, {CMD_TLBI_NSNH_ALL, 0}};
	struct requester_stats before, after;
	uint32_t done;

	assert_int_equal(guest_invalidate(&f->g, all, 2, &done), 0);
	for (int n = 0; n < 16; n++) {
		uint32_t pasid = some() % 2 ? 0 : (uint32_t)some() & (uint32_t)MASK(some() % 21);
		unsigned int access = 1 + some() % 3;
		int64_t at;

		requester_get_stats(f->g.r, &before);
		at = guest_dma(&f->g, pasid, some() >> (some() % 60), access);
		requester_get_stats(f->g.r, &after);
		assert_true(at == -1 ||
			    (at >= (int64_t)GUEST_GPA && at < (int64_t)(GUEST_GPA + GUEST_SIZE)));
		*went_well += at != -1;
		/* An STE, a CD and their tables, each word of them; 16 attempts at 5 levels. */
		assert_true(after.loads - before.loads < 2000);
	}
}

static void fuzz_begin(struct fuzz *f)
{
	*f = (struct fuzz){0};
	guest_begin(&f->g, "smmuv3");
	f->strtab = guest_alloc(&f->g, 64 << 7);
	f->arena = guest_alloc(&f->g, ARENA);
	assert_int_equal(guest_own_viommu(&f->g, f->strtab, 7), 0);
	assert_int_equal(guest_vdevice(&f->g, GUEST_SID), 0);
	assert_int_equal(guest_own_attach(&f->g), 0);
}

static void test_walks(void **state)
{
	uint64_t rounds = begin(2000), went_well = 0;
	static struct fuzz f;

	fuzz_begin(&f);
	for (uint64_t n = 0; n < rounds; n++) {
		if (!(n % 20))
			fill(&f);
		some_stream(&f);
		one_stream(&f, &went_well);
	}
	print_message("%llu requests found memory\n", (unsigned long long)went_well);
	assert_true(went_well > rounds / 10);
	guest_end(&f.g);
}

/* A second processor that writes all over the tables. */
static void *meddle(void *arg)
{
	struct fuzz *f = arg;
	uint64_t x = 88172645463325252ull;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		__atomic_store_n(guest_word(&f->g, f->arena + (x % (ARENA / 8)) * 8),
				 x & 3 ? ((f->arena + x % ARENA) & ~0xfffull) | 0x743 : x,
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_meddling(void **state)
{
	uint64_t rounds = begin(300), went_well = 0;
	static struct fuzz f;
	pthread_t t;

	fuzz_begin(&f);
	fill(&f);
	/* The STE leads to a CD within what changes. */
	guest_word(&f.g, f.strtab + 64 * GUEST_SID)[0] = STE_V | STE_S1 | f.arena;
	assert_int_equal(pthread_create(&t, NULL, meddle, &f), 0);
	for (uint64_t n = 0; n < rounds; n++) {
		const struct guest_table table = {12, 48, f.arena + 4096};
		uint64_t *cd = guest_word(&f.g, f.arena);

		__atomic_store_n(&cd[1], table.root, __ATOMIC_RELAXED);
		__atomic_store_n(&cd[0],
				 16 | BIT(30) | BIT(31) | 5ull << 32 | BIT(41) | BIT(42) | BIT(43) |
					 BIT(46) | 5ull << 48,
				 __ATOMIC_RELAXED);
		one_stream(&f, &went_well);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	guest_end(&f.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_meddling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What an SMMUv3's guest forgets to invalidate is found, and nothing else is. */
#include <pthread.h>

#include "stale_bed.h"
#include "smmuv3_guest.h"

#define VA   0x12345000ull
#define ASID 10

struct fixture {
	struct guest g;
	struct listener l;
	struct guest_table t, t2;
	uint64_t cds, page, other;
};

/* PASIDs 0 and 1 have a CD each, of tables and an ASID of their own; VA leads to @page in all. */
static void begin_with(struct fixture *f, unsigned int grace_ms, unsigned int looks, bool ats)
{
	guest_begin(&f->g, "smmuv3");
	assert_int_equal(guest_viommu(&f->g, 1, NULL, 0), 0);
	assert_int_equal(guest_vdevice(&f->g, GUEST_SID), 0);
	if (ats)
		assert_int_equal(requester_add_ats(f->g.r, false), 0);
	f->cds = guest_alloc(&f->g, 64 * 2);
	f->page = guest_alloc(&f->g, 4096);
	f->other = guest_alloc(&f->g, 4096);
	f->t = guest_table(&f->g, 12, 39);
	f->t2 = guest_table(&f->g, 12, 39);
	guest_map(&f->g, &f->t, VA, f->page, S1_DEFAULT);
	guest_map(&f->g, &f->t2, VA, f->other, S1_DEFAULT);
	guest_cd(&f->g, f->cds, &f->t, ASID, 0);
	guest_cd(&f->g, f->cds + 64, &f->t, ASID, 0);
	assert_int_equal(
		guest_attach(&f->g, STE_V | STE_S1 | f->cds | 1ull << 59, 2 | (ats ? 1 << 28 : 0)),
		0);
	listen_to(&f->l, f->g.r, f->g.bed.memory, grace_ms, looks);
	for (uint32_t pasid = 0; pasid < 2; pasid++)
		assert_int_equal(use(&f->l, pasid, VA), 0);
}

static void begin(struct fixture *f)
{
	begin_with(f, GRACE_MS, 0, false);
}

static void end(struct fixture *f)
{
	listen_no_more(&f->l);
	guest_end(&f->g);
}

static void command(struct fixture *f, uint64_t w0, uint64_t w1)
{
	const uint64_t c[][2] = {{w0, w1}};
	uint32_t done;

	assert_int_equal(guest_invalidate(&f->g, c, 1, &done), 0);
}

static void test_page(void **state)
{
	static const struct {
		uint64_t bits;
		const char *now;
	} rows[] = {
		{S1_DEFAULT, "lead to guest physical address"},
		{S1_DEFAULT & ~S1_PAGE, "have nothing there any more"},
		{S1_DEFAULT | S1_RO, "permit no write any more"},
	};
	struct fixture f;

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		const bool moves = rows[n].bits == S1_DEFAULT;

		begin(&f);
		guest_map(&f.g, &f.t, VA, moves ? f.other : f.page, rows[n].bits);
		command(&f, CMD_TLBI_NH_VA | CMD_ASID(ASID), VA + 4096);
		command(&f, CMD_TLBI_NH_ASID | CMD_ASID(ASID + 1), 0);
		expect_found(&f.l, 1, VA, FINDING_DMA_STALE_IOTLB, rows[n].now,
			     "CMD_TLBI_NH_VA of ASID 10, address 0x12345000");
		/* Another PASID of the same ASID is another use. */
		expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, rows[n].now, "CMD_TLBI_NH_VA");
		command(&f, CMD_TLBI_NH_VA | CMD_ASID(ASID), VA);
		expect_silent(&f.l, 0, VA);
		end(&f);
	}
}

/* Late, but it comes: within the grace time of the first use that was seen. */
static void test_about_to(void **state)
{
	struct fixture f;

	begin(&f);
	for (int n = 0; n < 10; n++) {
		guest_map(&f.g, &f.t, VA, n % 2 ? f.page : f.other, S1_DEFAULT);
		assert_int_equal(use(&f.l, 0, VA), 0);
		command(&f, CMD_TLBI_NH_VA | CMD_ASID(ASID), VA);
		pause_ms(GRACE_MS + 2);
		assert_int_equal(use(&f.l, 0, VA), 0);
	}
	assert_int_equal(f.l.n, 0);
	/* Nor is an entry a bug that is stale, but no longer used. */
	guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
	assert_int_equal(use(&f.l, 0, VA), 0);
	pause_ms(GRACE_MS + 2);
	assert_int_equal(f.l.n, 0);
	end(&f);
}

/* One use is enough when the command never comes: told at what happens next, or at the end. */
static void test_forgotten(void **state)
{
	struct fixture f;

	for (int ends = 0; ends < 2; ends++) {
		begin(&f);
		guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
		assert_int_equal(use(&f.l, 0, VA), 0);
		pause_ms(10 * GRACE_MS + 2);
		assert_int_equal(f.l.n, 0);
		if (ends)
			stale_stop(f.l.stale);
		if (!ends)
			command(&f, CMD_TLBI_NH_ASID | CMD_ASID(ASID), 0);
		assert_int_equal(f.l.n, 1);
		assert_int_equal(f.l.last.kind, FINDING_DMA_STALE_IOTLB);
		assert_int_equal(f.l.last.iova, VA);
		assert_non_null(strstr(f.l.advice, "CMD_TLBI_NH_VA"));
		end(&f);
	}
}

/* Aging: a guest clears accessed flags without an invalidation, and may. */
static void test_accessed(void **state)
{
	struct fixture f;

	begin(&f);
	guest_map(&f.g, &f.t, VA, f.page, S1_DEFAULT & ~S1_AF);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

/* The CD leads elsewhere: that it is cached, or what was found by it. */
static void test_config(void **state)
{
	struct fixture f;

	begin(&f);
	guest_cd(&f.g, f.cds + 64, &f.t2, ASID + 1, 0);
	command(&f, CMD_TLBI_NH_ASID | CMD_ASID(ASID), 0);
	expect_found(&f.l, 1, VA, FINDING_DMA_STALE_IOTLB, "through a stale configuration",
		     "CMD_CFGI_CD of StreamID 0x42, SubstreamID 1");
	expect_silent(&f.l, 0, VA);
	command(&f, CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(1), 1);
	expect_silent(&f.l, 1, VA);
	end(&f);

	/* The ASID stays: its entries do, too. */
	begin(&f);
	guest_cd(&f.g, f.cds + 64, &f.t2, ASID, 0);
	command(&f, CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(1), 1);
	expect_found(&f.l, 1, VA, FINDING_DMA_STALE_IOTLB, "through a stale IOTLB entry",
		     "CMD_TLBI_NH_VA of ASID 10");
	end(&f);

	begin(&f);
	memset(guest_word(&f.g, f.cds + 64), 0, 64);
	expect_found(&f.l, 1, VA, FINDING_DMA_STALE_IOTLB, "no valid configuration", "CMD_CFGI_CD");
	assert_int_equal(f.g.nr_events, 0);
	end(&f);
}

/* The device's own cache needs a command of its own. */
static void test_atc(void **state)
{
	struct fixture f;

	begin_with(&f, GRACE_MS, 0, true);
	guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
	command(&f, CMD_TLBI_NH_VA | CMD_ASID(ASID), VA);
	expect_found(&f.l, 1, VA, FINDING_DMA_STALE_ATC, "its own cache",
		     "CMD_ATC_INV of StreamID 0x42, SubstreamID 1, address 0x12345000");
	command(&f, CMD_ATC_INV | CMD_SID(GUEST_SID) | 1 << 11 | CMD_SSID(1), VA | 1);
	expect_silent(&f.l, 1, VA);
	end(&f);
	/* Both forgotten: the IOTLB's is to be invalidated first. */
	begin_with(&f, GRACE_MS, 0, true);
	guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
	expect_found(&f.l, 1, VA, FINDING_DMA_STALE_IOTLB, "IOTLB", "CMD_TLBI_NH_VA");
	end(&f);
}

/* No trace: a look leaves the guest's flags and the caches as they are, and tells nobody. */
static void test_no_trace(void **state)
{
	struct fixture f;
	uint64_t leaf, before, loads, misses;

	begin(&f);
	guest_cd(&f.g, f.cds, &f.t, ASID, CD_HA | CD_HD);
	command(&f, CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID), 0);
	leaf = guest_entry(&f.g, &f.t, VA, 0);
	*guest_word(&f.g, leaf) = (f.page | S1_DEFAULT | S1_RO | S1_DBM) & ~S1_AF;
	command(&f, CMD_TLBI_NH_ASID | CMD_ASID(ASID), 0);
	assert_int_equal(use(&f.l, 0, VA), 0);
	*guest_word(&f.g, leaf) = before = (f.page | S1_DEFAULT | S1_RO | S1_DBM) & ~S1_AF;
	loads = f.g.r->stats.loads;
	misses = f.g.r->stats.misses;
	expect_silent(&f.l, 0, VA);
	assert_int_equal(*guest_word(&f.g, leaf), before);
	assert_int_equal(f.g.r->stats.loads, loads);
	assert_int_equal(f.g.r->stats.misses, misses);
	assert_int_equal(f.g.nr_events, 0);
	end(&f);
}

/* Only so many uses are looked at between two ticks; those of a suspect all. */
static void test_sampled(void **state)
{
	struct fixture f;

	begin_with(&f, GRACE_MS, 1, false);
	for (unsigned int n = 0; n < 200; n++)
		assert_int_equal(use(&f.l, 0, VA), 0);
	guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
	for (unsigned int n = 0; n < 200; n++) {
		assert_int_equal(use(&f.l, 0, VA), 0);
		if (n % 10 == 0)
			pause_ms(1);
	}
	assert_int_equal(f.l.n, 1);
	end(&f);
}

/* After the stop, and after another attachment. */
static void test_ends(void **state)
{
	struct fixture f;

	begin(&f);
	guest_map(&f.g, &f.t, VA, f.other, S1_DEFAULT);
	assert_int_equal(use(&f.l, 0, VA), 0);
	assert_int_equal(guest_attach(&f.g, STE_V | STE_S1 | f.cds | 1ull << 59, 2), 0);
	pause_ms(GRACE_MS + 2);
	expect_silent(&f.l, 0, VA);
	guest_map(&f.g, &f.t, VA, f.page, S1_DEFAULT);
	assert_int_equal(use(&f.l, 0, VA), 0);
	stale_stop(f.l.stale);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

/* ---- a guest that does all things right, and a device that never stops ---- */

struct driver {
	struct fixture f;
	bool done;
	uint64_t uses;
};

static void *hammer(void *arg)
{
	struct driver *d = arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&d->done, __ATOMIC_ACQUIRE))
		if (!use(&d->f.l, 0, VA + n++ % 8 * 8))
			__atomic_store_n(&d->uses, n, __ATOMIC_RELEASE);
	return NULL;
}

/* What the device sees changing is invalidated a moment later. The grace time here is what a
 * crowded machine may keep a thread waiting. */
static void test_threads(void **state)
{
	struct driver d = {.uses = 0};
	pthread_t t;

	begin_with(&d.f, 2000, 1000000, false);
	assert_int_equal(pthread_create(&t, NULL, hammer, &d), 0);
	for (unsigned int n = 0; n < 3000 || __atomic_load_n(&d.uses, __ATOMIC_ACQUIRE) < 5000;
	     n++) {
		const uint64_t leaf = guest_entry(&d.f.g, &d.f.t, VA, 0);

		__atomic_store_n(guest_word(&d.f.g, leaf),
				 (n % 2 ? d.f.page : d.f.other) | S1_DEFAULT, __ATOMIC_RELEASE);
		command(&d.f, CMD_TLBI_NH_VA | CMD_ASID(ASID), VA);
	}
	__atomic_store_n(&d.done, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(d.f.l.n, 0);
	end(&d.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),	 cmocka_unit_test(test_about_to),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_accessed), cmocka_unit_test(test_config),
		cmocka_unit_test(test_atc),	 cmocka_unit_test(test_no_trace),
		cmocka_unit_test(test_sampled),	 cmocka_unit_test(test_ends),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

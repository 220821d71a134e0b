/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's invalidations: what a VMM may hand in (semantics 4.6.1), what each command makes the
 * caches forget and what it leaves, in which order, and how far a batch came.
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
#include "iommu/requester.h"
#include "smmuv3_guest.h"

#define VA 0x12345000ull

/* PASID n is CD n, of ASID 10 + n; VA leads to its own page; VA + 0x1000 to a global one. */
struct fixture {
	struct guest g;
	struct guest_table t[3];
	uint64_t cds, page[3], other;
};

static void begin(struct fixture *f, const char *options)
{
	guest_begin(&f->g, options);
	assert_int_equal(guest_viommu(&f->g, 1, NULL, 0), 0);
	assert_int_equal(guest_vdevice(&f->g, GUEST_SID), 0);
	f->cds = guest_alloc(&f->g, 64 * 4);
	f->other = guest_alloc(&f->g, 4096);
	for (unsigned int n = 0; n < 3; n++) {
		f->t[n] = guest_table(&f->g, 12, 39);
		f->page[n] = guest_alloc(&f->g, 4096);
		guest_map(&f->g, &f->t[n], VA, f->page[n], S1_DEFAULT);
		guest_map(&f->g, &f->t[n], VA + 4096, f->page[n], S1_DEFAULT & ~S1_NG);
		guest_cd(&f->g, f->cds + 64 * n, &f->t[n], (uint16_t)(10 + n), 0);
	}
	assert_int_equal(guest_attach(&f->g, STE_V | STE_S1 | f->cds | 2ull << 59, 2), 0);
}

/* Everything cached, then everything changed to other, and not invalidated. */
static void fill_and_change(struct fixture *f)
{
	for (unsigned int n = 0; n < 3; n++) {
		guest_map(&f->g, &f->t[n], VA, f->page[n], S1_DEFAULT);
		guest_map(&f->g, &f->t[n], VA + 4096, f->page[n], S1_DEFAULT & ~S1_NG);
	}
	{
		const uint64_t all[][2] = {{CMD_TLBI_NSNH_ALL},
					   {CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID)}};
		uint32_t done;

		assert_int_equal(guest_invalidate(&f->g, all, 2, &done), 0);
	}
	for (unsigned int n = 0; n < 3; n++) {
		assert_int_equal(guest_dma(&f->g, n, VA, IOMMU_READ), f->page[n]);
		assert_int_equal(guest_dma(&f->g, n, VA + 4096, IOMMU_READ), f->page[n]);
		guest_map(&f->g, &f->t[n], VA, f->other, S1_DEFAULT);
		guest_map(&f->g, &f->t[n], VA + 4096, f->other, S1_DEFAULT & ~S1_NG);
	}
}

/* Which of the three still show the old page; bits 3 to 5: the global one. */
static unsigned int stale(struct fixture *f)
{
	unsigned int set = 0;

	for (unsigned int n = 0; n < 3; n++) {
		int64_t page = guest_dma(&f->g, n, VA, IOMMU_READ);
		int64_t global = guest_dma(&f->g, n, VA + 4096, IOMMU_READ);

		assert_true(page == (int64_t)f->page[n] || page == (int64_t)f->other);
		set |= (page != (int64_t)f->other) << n;
		set |= (global != (int64_t)f->other) << (3 + n);
	}
	return set;
}

static void test_reach(void **state)
{
	static const struct {
		uint64_t cmd[2];
		unsigned int left;
	} rows[] = {
		{{CMD_TLBI_NSNH_ALL, 0}, 0},
		{{CMD_TLBI_NH_ALL | 77ull << 32, 0}, 0}, /* whatever the VMID */
		{{CMD_TLBI_NH_ASID | CMD_ASID(11), 0}, 077 & ~2u},
		{{CMD_TLBI_NH_ASID | CMD_ASID(99), 0}, 077},
		{{CMD_TLBI_NH_VA | CMD_ASID(12), VA | 1}, 077 & ~4u},
		{{CMD_TLBI_NH_VA | CMD_ASID(12), VA}, 077 & ~4u},
		{{CMD_TLBI_NH_VA | CMD_ASID(12), VA + 4096},
		 007}, /* a global page is everybody's */
		{{CMD_TLBI_NH_VA | CMD_ASID(12), VA + 8192}, 077},
		{{CMD_TLBI_NH_VAA, VA}, 070},
		{{CMD_TLBI_NH_VAA, VA + 4096}, 007},
		/* Two pages of 4 KiB; 2 MiB around. */
		{{CMD_TLBI_NH_VA | CMD_ASID(10) | 1 << 12, VA | 1 << 10 | 3 << 8}, 006},
		{{CMD_TLBI_NH_VAA | 31 << 12 | 4 << 20, 0x12200000 | 1 << 10}, 0},
		{{CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID), 0}, 077},
		{{CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(1), 1}, 077},
		{{CMD_ATC_INV | CMD_SID(GUEST_SID), 52}, 077},
	};
	struct fixture f;
	uint32_t done;

	begin(&f, "smmuv3");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unsigned int left;

		fill_and_change(&f);
		assert_int_equal(stale(&f), 077);
		assert_int_equal(guest_invalidate(&f.g, &rows[n].cmd, 1, &done), 0);
		assert_int_equal(done, 1);
		left = stale(&f);
		if (left != rows[n].left)
			fail_msg("row %zu: %o is left, not %o", n, left, rows[n].left);
	}
	guest_end(&f.g);
}

/* A CD is cached until CFGI_CD of its own substream; its tables by its ASID. */
static void test_cds(void **state)
{
	const uint64_t one[][2] = {{CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(1), 1}};
	const uint64_t two[][2] = {{CMD_CFGI_CD | CMD_SID(GUEST_SID) | CMD_SSID(2), 1}};
	const uint64_t asid[][2] = {{CMD_TLBI_NH_ASID | CMD_ASID(11), 0}};
	struct fixture f;
	uint32_t done;

	begin(&f, "smmuv3");
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[1]);
	guest_cd(&f.g, f.cds + 64, &f.t[2], 13, 0);
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[1]);
	assert_int_equal(guest_invalidate(&f.g, two, 1, &done), 0);
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[1]);
	assert_int_equal(guest_invalidate(&f.g, asid, 1, &done), 0);
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[1]); /* walked anew */
	assert_int_equal(guest_invalidate(&f.g, one, 1, &done), 0);
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[2]);
	/* The same tag again: the translations are still there. */
	guest_cd(&f.g, f.cds + 64, &f.t[1], 13, 0);
	assert_int_equal(guest_invalidate(&f.g, one, 1, &done), 0);
	assert_int_equal(guest_dma(&f.g, 1, VA, IOMMU_READ), f.page[2]);
	guest_end(&f.g);
}

/* 4.6.1, bit by bit: 'what must be 0' is EIO, and nothing else is. */
static void test_fields(void **state)
{
	static const struct {
		const char *options;
		uint64_t cmd[2], may[2];
	} rows[] = {
		{"smmuv3", {CMD_TLBI_NSNH_ALL}, {0}},
		{"smmuv3", {CMD_TLBI_NH_ALL}, {FIELD(47, 32)}},
		{"smmuv3", {CMD_TLBI_NH_ASID}, {FIELD(63, 32)}},
		{"smmuv3",
		 {CMD_TLBI_NH_VA | 1 << 12, 1 << 10},
		 {FIELD(63, 32) | FIELD(16, 12) | FIELD(24, 20), FIELD(63, 12) | 1 | FIELD(9, 8)}},
		{"smmuv3",
		 {CMD_TLBI_NH_VAA | 1 << 12, 1 << 10},
		 {FIELD(47, 32) | FIELD(16, 12) | FIELD(24, 20), FIELD(63, 12) | 1 | FIELD(9, 8)}},
		{"smmuv3,ril=off", {CMD_TLBI_NH_VA}, {FIELD(63, 32), FIELD(63, 12) | 1}},
		{"smmuv3",
		 {CMD_ATC_INV | CMD_SID(GUEST_SID), 0},
		 {FIELD(31, 12) | BIT(11) | BIT(9), FIELD(63, 12) | FIELD(5, 0)}},
		{"smmuv3,ssid-bits=0",
		 {CMD_ATC_INV | CMD_SID(GUEST_SID), 0},
		 {0, FIELD(63, 12) | FIELD(5, 0)}},
		{"smmuv3", {CMD_CFGI_CD | CMD_SID(GUEST_SID)}, {FIELD(31, 12), 1}},
		{"smmuv3,ssid-bits=0", {CMD_CFGI_CD | CMD_SID(GUEST_SID)}, {0, 1}},
		{"smmuv3", {CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID)}, {0}},
	};
	uint32_t done;

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct guest g;

		guest_begin(&g, rows[n].options);
		assert_int_equal(guest_viommu(&g, 1, NULL, 0), 0);
		assert_int_equal(guest_vdevice(&g, GUEST_SID), 0);
		assert_int_equal(guest_invalidate(&g, &rows[n].cmd, 1, &done), 0);
		for (unsigned int bit = 8; bit < 128; bit++) {
			uint64_t cmd[1][2] = {{rows[n].cmd[0], rows[n].cmd[1]}};
			bool may = rows[n].may[bit / 64] & BIT(bit % 64);
			int rc;

			if (cmd[0][bit / 64] & BIT(bit % 64))
				continue; /* a value that has rows of its own */
			cmd[0][bit / 64] |= BIT(bit % 64);
			/* Reserved values of a field, and other streams. */
			if (cmd[0][1] >> 10 == 3 || (cmd[0][1] & 0xf00) == 0xc00)
				continue;
			rc = guest_invalidate(&g, cmd, 1, &done);
			if (rc != (may ? 0 : -EIO) || done != may)
				fail_msg("row %zu, bit %u: %d", n, bit, rc);
		}
		guest_end(&g);
	}
}

static void test_illegal(void **state)
{
	static const struct {
		const char *options;
		uint64_t cmd[2];
	} rows[] = {
		{"smmuv3", {CMD_TLBI_NH_VA | 1 << 12, 0}},	      /* NUM without TG */
		{"smmuv3", {CMD_TLBI_NH_VA | 1 << 20, 0}},	      /* SCALE without TG */
		{"smmuv3", {CMD_TLBI_NH_VA, 1 << 8}},		      /* TTL without TG */
		{"smmuv3", {CMD_TLBI_NH_VA, 1 << 10}},		      /* TG alone */
		{"smmuv3", {CMD_TLBI_NH_VA, 2 << 10 | 1 << 8}},	      /* 16K, TTL 1 */
		{"smmuv3", {CMD_TLBI_NH_VAA | 32ull << 20, 1 << 10}}, /* SCALE 32 */
		{"smmuv3,ats=off", {CMD_ATC_INV | CMD_SID(GUEST_SID), 0}},
		{"smmuv3", {CMD_ATC_INV | CMD_SID(GUEST_SID), 53}},
		{"smmuv3", {CMD_ATC_INV | CMD_SID(GUEST_SID + 1), 0}},
		{"smmuv3", {CMD_CFGI_CD | CMD_SID(GUEST_SID + 1), 0}},
		{"smmuv3", {CMD_CFGI_CD_ALL | CMD_SID(GUEST_SID + 1), 0}},
		{"smmuv3", {CMD_CFGI_STE | CMD_SID(GUEST_SID), 0}},
		{"smmuv3", {CMD_CFGI_ALL, 31}},
		{"smmuv3", {CMD_SYNC, 0}},
		{"smmuv3", {0x01, 0}}, /* PREFETCH */
		{"smmuv3", {0x41, 0}}, /* PRI_RESP */
		{"smmuv3", {0x44, 0}}, /* RESUME */
		{"smmuv3", {0x20, 0}}, /* TLBI_EL2_ALL */
		{"smmuv3", {0x28, 0}}, /* TLBI_S12_VMALL */
		{"smmuv3", {0, 0}},
	};
	uint32_t done;

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct guest g;

		guest_begin(&g, rows[n].options);
		assert_int_equal(guest_viommu(&g, 1, NULL, 0), 0);
		assert_int_equal(guest_vdevice(&g, GUEST_SID), 0);
		if (guest_invalidate(&g, &rows[n].cmd, 1, &done) != -EIO || done)
			fail_msg("row %zu", n);
		guest_end(&g);
	}
}

/* Where the device's own cache, filled when need be, sends a DMA; -1: nowhere. */
static int64_t ats(struct fixture *f, uint32_t pasid)
{
	struct translation t;
	int64_t at = -1;

	epoch_enter(requester_epoch(f->g.r));
	if (!iommu_translate_ats(f->g.r, pasid, VA, 1, IOMMU_READ, &t))
		at = (int64_t)(GUEST_GPA + (uint64_t)(t.ptr - f->g.mem));
	epoch_exit(requester_epoch(f->g.r));
	return at;
}

/* One order for all kinds of commands; what stands behind a bad one is not done. */
static void test_order(void **state)
{
	const uint64_t batch[][2] = {
		{CMD_TLBI_NH_ASID | CMD_ASID(10), 0},
		{CMD_ATC_INV | CMD_SID(GUEST_SID) | 1 << 11 | CMD_SSID(2), VA | 1},
		{CMD_TLBI_NH_ASID | CMD_ASID(11), 0},
		{CMD_CFGI_STE | CMD_SID(GUEST_SID), 0}, /* bad */
		{CMD_TLBI_NH_ASID | CMD_ASID(12), 0},
	};
	struct fixture f;
	uint32_t done;

	begin(&f, "smmuv3");
	fill_and_change(&f);
	assert_int_equal(guest_invalidate(&f.g, batch, 5, &done), -EIO);
	assert_int_equal(done, 3);
	assert_int_equal(stale(&f), 074);
	/* Neighbours are one range, and nothing beside it goes. */
	fill_and_change(&f);
	{
		const uint64_t pages[][2] = {
			{CMD_TLBI_NH_VA | CMD_ASID(10), VA - 4096},
			{CMD_TLBI_NH_VA | CMD_ASID(10), VA},
			{CMD_TLBI_NH_VA | CMD_ASID(11), VA - 8192},
			{CMD_TLBI_NH_VA | CMD_ASID(11), VA - 4096},
		};

		assert_int_equal(guest_invalidate(&f.g, pages, 4, &done), 0);
		assert_int_equal(done, 4);
		assert_int_equal(stale(&f), 076);
	}
	assert_int_equal(guest_invalidate(&f.g, batch, 0, &done), -EINVAL); /* none at all */
	guest_drop_vdevice(&f.g);
	assert_int_equal(guest_invalidate(&f.g, &batch[1], 1, &done), -EIO);
	guest_end(&f.g);
}

/* The device's own cache: EATS switches it, ATC_INV of its PASID empties it, a TLBI does not. */
static void test_ats(void **state)
{
	const uint64_t tlbi[][2] = {{CMD_TLBI_NSNH_ALL, 0}};
	const uint64_t two[][2] = {
		{CMD_ATC_INV | CMD_SID(GUEST_SID) | 1 << 11 | CMD_SSID(2), VA | 1}};
	const uint64_t none[][2] = {{CMD_ATC_INV | CMD_SID(GUEST_SID) | CMD_SSID(2), 52}};
	const uint64_t both[][2] = {{CMD_TLBI_NH_ASID | CMD_ASID(12), 0},
				    {CMD_ATC_INV | CMD_SID(GUEST_SID) | 1 << 11 | 1 << 9, 52}};
	struct fixture f;
	uint32_t done;

	begin(&f, "smmuv3");
	assert_int_equal(requester_add_ats(f.g.r, false), 0);
	assert_true(f.g.r->ats);
	assert_int_equal(guest_attach(&f.g, STE_V | STE_S1 | f.cds | 2ull << 59, 2), 0);
	assert_false(f.g.r->ats);
	assert_int_equal(guest_attach(&f.g, STE_V | STE_S1 | f.cds | 2ull << 59, 2 | 1 << 28), 0);
	assert_true(f.g.r->ats);
	fill_and_change(&f);
	assert_int_equal(guest_invalidate(&f.g, tlbi, 1, &done), 0);
	for (uint32_t pasid = 0; pasid < 3; pasid++) {
		assert_int_equal(ats(&f, pasid), f.other);
		guest_map(&f.g, &f.t[pasid], VA, f.page[pasid], S1_DEFAULT);
	}
	assert_int_equal(guest_invalidate(&f.g, tlbi, 1, &done), 0);
	assert_int_equal(ats(&f, 0), f.other);
	assert_int_equal(ats(&f, 2), f.other);
	assert_int_equal(guest_invalidate(&f.g, two, 1, &done), 0);
	assert_int_equal(ats(&f, 0), f.other);
	assert_int_equal(ats(&f, 2), f.page[2]);
	assert_int_equal(guest_invalidate(&f.g, none, 1, &done), 0);
	assert_int_equal(ats(&f, 0), f.page[0]);
	assert_int_equal(ats(&f, 1), f.other);
	/* In this order the cache cannot be filled again from what is old. */
	guest_map(&f.g, &f.t[2], VA, f.other, S1_DEFAULT);
	assert_int_equal(guest_invalidate(&f.g, both, 2, &done), 0);
	assert_int_equal(ats(&f, 2), f.other);
	assert_int_equal(ats(&f, 1), f.page[1]);
	guest_end(&f.g);
}

/* Our own type: the guest's stream table, linear and of two levels, cached until CFGI_STE. */
static void test_strtab(void **state)
{
	const uint64_t one[][2] = {{CMD_CFGI_STE | CMD_SID(GUEST_SID), 1}};
	const uint64_t wrong[][2] = {{CMD_CFGI_STE | CMD_SID(GUEST_SID + 1), 1}};
	const uint64_t all[][2] = {{CMD_CFGI_ALL, 31}};
	uint32_t done;

	for (int two_level = 0; two_level < 2; two_level++) {
		uint64_t l1, table, page, *ste;
		struct guest g;

		guest_begin(&g, "smmuv3");
		l1 = guest_alloc(&g, 4096);
		table = guest_alloc(&g, 64 << 8);
		page = guest_alloc(&g, 4096);
		*guest_word(&g, l1) = table | 9; /* 2^8 entries */
		ste = guest_word(&g, table + 64 * GUEST_SID);
		ste[0] = STE_V | STE_BYPASS;
		assert_int_equal(guest_own_viommu(&g, 0, 17), -EINVAL); /* 2^17 streams */
		assert_int_equal(guest_own_viommu(&g, 0, 2 << 16), -EINVAL);
		assert_int_equal(guest_own_viommu(&g, 0, 1 << 16 | 7 << 6), -EINVAL);
		assert_int_equal(guest_own_viommu(&g, two_level ? l1 : table,
						  two_level ? 1 << 16 | 8 << 6 | 16 : 8),
				 0);
		assert_int_equal(guest_own_attach(&g), -ENOENT);
		assert_int_equal(guest_vdevice(&g, GUEST_SID), 0);
		assert_int_equal(guest_own_attach(&g), 0);
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), page);
		ste[0] = STE_V | STE_ABORT;
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), page);
		assert_int_equal(guest_invalidate(&g, wrong, 1, &done), 0);
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), page);
		assert_int_equal(guest_invalidate(&g, one, 1, &done), 0);
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), -1);
		assert_int_equal(g.nr_events, 0);
		/* Without V it is the guest's own mistake, and its own SMMU tells it. */
		ste[0] = 0;
		assert_int_equal(guest_invalidate(&g, all, 1, &done), 0);
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), -1);
		assert_int_equal(g.event[0], (uint64_t)GUEST_SID << 32 | 0x04);
		/* A guest has no stage 2 of its own. */
		ste[0] = STE_V | 6 << 1;
		assert_int_equal(guest_dma(&g, 0, page, IOMMU_WRITE), -1);
		assert_int_equal(g.event[0] & 0xff, 0x04);
		assert_int_equal(g.nr_events, 2);
		guest_end(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),  cmocka_unit_test(test_cds),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_illegal),
		cmocka_unit_test(test_order),  cmocka_unit_test(test_strtab),
		cmocka_unit_test(test_ats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

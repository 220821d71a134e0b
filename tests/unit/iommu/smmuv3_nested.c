/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's nested translation: which stream table entries a VMM may hand in, what each leads to,
 * what tables permit, what the guest hears of a fault.
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
#include "smmuv3_guest.h"

#define ARM 1u
#define VA  0x7f1234500000ull

static void begin(struct guest *g, const char *options)
{
	guest_begin(g, options);
	assert_int_equal(guest_viommu(g, ARM, NULL, 0), 0);
	assert_int_equal(guest_vdevice(g, GUEST_SID), 0);
}

/* VIO.A3. */
static void test_kinds(void **state)
{
	static const struct {
		const char *options;
		uint32_t type;
		int rc;
	} rows[] = {
		{"smmuv3", 1, 0},
		{"smmuv3", 2, -EOPNOTSUPP},
		{"smmuv3", 3, -EOPNOTSUPP},
		{"smmuv3,nesting=off", 1, -EOPNOTSUPP},
		{"smmuv3,stages=1", 1, -EOPNOTSUPP},
		{"smmuv3,stages=2", 1, -EOPNOTSUPP},
		{"smmuv3,canwbs=off", 1, 0},
		{"smmuv3,fwb=off", 1, 0},
		{"smmuv3,canwbs=off,fwb=off", 1, -EOPNOTSUPP},
		{"smmuv3,cmdqv=on", 2, -EINVAL}, /* no data */
		{"smmuv3", 0x494f0003, -EINVAL}, /* no data */
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct viommu v = {0};
		const struct viommu_ops *ops;
		struct requester *r;
		struct bed b;

		bed_create(&b, rows[n].options, false);
		assert_int_equal(requester_create(b.iommu, 8, &r), 0);
		ops = b.iommu->make->viommu_type(r, rows[n].type);
		v.iommu = b.iommu;
		if (ops) {
			struct viommu *made = calloc(1, ops->size);

			assert_int_equal(domain_alloc(b.iommu, DOMAIN_NEST_PARENT, &v.parent), 0);
			*made = v;
			assert_int_equal(ops->init(made, NULL), rows[n].rc);
			if (!rows[n].rc)
				ops->fini(made);
			free(made);
			domain_free(v.parent);
		} else if (rows[n].rc != -EOPNOTSUPP) {
			fail_msg("row %zu", n);
		}
		requester_destroy(r);
		bed_destroy(&b);
	}
}

/* 4.3: every bit, every configuration. */
static void test_vste(void **state)
{
	const uint64_t allowed[2] = {FIELD(51, 6) | FIELD(63, 59) | FIELD(5, 0),
				     FIELD(7, 0) | BIT(27) | FIELD(29, 28)};
	struct domain *d;
	struct guest g;

	begin(&g, "smmuv3");
	for (unsigned int bit = 0; bit < 128; bit++) {
		uint64_t ste[2] = {STE_V | STE_S1, 0};
		int rc;

		ste[bit / 64] ^= BIT(bit % 64);
		rc = guest_domain(&g, ste[0], ste[1], &d);
		if (!rc)
			domain_free(d);
		if (bit == 1 || bit == 2 || bit == 3) /* another configuration */
			assert_int_equal(rc, bit == 1 ? 0 : -EIO);
		else if (bit == 64 + 29) /* EATS 2 */
			assert_int_equal(rc, -EIO);
		else
			assert_int_equal(rc, allowed[bit / 64] & BIT(bit % 64) ? 0 : -EIO);
	}
	/* Without V nothing is looked at. */
	assert_int_equal(guest_domain(&g, ~STE_V, ~0ull, &d), 0);
	domain_free(d);
	for (uint64_t config = 0; config < 8; config++) {
		int rc = guest_domain(&g, STE_V | config << 1, 0, &d);

		assert_int_equal(rc, config == 0 || config == 4 || config == 5 ? 0 : -EIO);
		if (!rc)
			domain_free(d);
	}
	guest_end(&g);
}

static void test_attach(void **state)
{
	struct domain *stage1;
	struct guest g;

	guest_begin(&g, "smmuv3");
	assert_int_equal(guest_viommu(&g, ARM, NULL, 0), 0);
	/* Without a vDEVICE only what is not translated. */
	assert_int_equal(guest_attach(&g, STE_V | STE_S1, 0), -ENOENT);
	assert_int_equal(guest_attach(&g, STE_V | STE_BYPASS, 0), 0);
	assert_int_equal(guest_attach(&g, STE_V | STE_ABORT, 0), 0);
	assert_int_equal(guest_attach(&g, 0, 0), 0);
	assert_int_equal(guest_vdevice(&g, GUEST_SID), 0);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1, 0), 0);
	guest_detach(&g);
	/* Nor beside PASIDs of the host's. */
	assert_int_equal(domain_alloc(g.bed.iommu, DOMAIN_PASID, &stage1), 0);
	assert_int_equal(requester_attach_pasid(g.r, 7, stage1), 0);
	assert_int_equal(guest_attach(&g, STE_V | STE_BYPASS, 0), -EBUSY);
	assert_int_equal(requester_attach_pasid(g.r, 7, NULL), 0);
	assert_int_equal(guest_attach(&g, STE_V | STE_BYPASS, 0), 0);
	assert_int_equal(requester_attach_pasid(g.r, 7, g.nested), -EOPNOTSUPP);
	domain_free(stage1);
	guest_end(&g);
}

static void test_abort_and_bypass(void **state)
{
	struct guest g;

	begin(&g, "smmuv3");
	assert_int_equal(guest_attach(&g, STE_V | STE_BYPASS, 0), 0);
	assert_int_equal(guest_dma(&g, 0, GUEST_GPA + 0x123, IOMMU_WRITE), GUEST_GPA + 0x123);
	assert_int_equal(guest_dma(&g, 0, GUEST_GPA + GUEST_SIZE, IOMMU_READ), -1);
	/* Stage 2 is the host's business. */
	assert_int_equal(g.bed.last_fault.reason, FAULT_NOT_PRESENT);
	assert_int_equal(g.bed.last_fault.code, 0x10);
	assert_int_equal(g.bed.nr_faults, 1);
	assert_int_equal(g.nr_events, 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(guest_attach(&g, n ? 0 : STE_V | STE_ABORT, 0), 0);
		assert_int_equal(guest_dma(&g, 0, GUEST_GPA, IOMMU_READ), -1);
		assert_int_equal(g.nr_events, 0);
		assert_int_equal(g.bed.nr_faults, 1); /* told to nobody */
	}
	guest_end(&g);
}

static struct guest_table simple(struct guest *g, unsigned int page_lg2, unsigned int bits,
				 uint64_t more, uint64_t *cd, uint64_t *page)
{
	struct guest_table t = guest_table(g, page_lg2, bits);

	*cd = guest_alloc(g, 64);
	*page = guest_alloc(g, 1ull << page_lg2);
	guest_cd(g, *cd, &t, 5, more);
	guest_map(g, &t, VA, *page, S1_DEFAULT);
	return t;
}

/* All granules and widths; TTBR1; blocks. */
static void test_tables(void **state)
{
	static const struct {
		unsigned int page_lg2, bits;
	} rows[] = {{12, 48}, {12, 47}, {14, 48}, {14, 47}, {16, 48}, {16, 47}};
	uint64_t cd, page;
	struct guest g;

	begin(&g, "smmuv3");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct guest_table t, high;
		uint64_t *words;

		guest_reset(&g);
		t = simple(&g, rows[n].page_lg2, rows[n].bits, 0, &cd, &page);
		high = guest_table(&g, 12, 39);
		words = guest_word(&g, cd);
		words[2] = high.root;
		words[0] &= ~(1ull << 30);
		words[0] |= (64ull - 39) << 16 | 2ull << 22; /* T1SZ, TG1 4K */
		guest_map(&g, &high, ~0ull << 39 | 0x5000, page, S1_DEFAULT);
		*guest_word(&g, guest_entry(&g, &t, VA + (8ull << 30), 1)) =
			GUEST_GPA | (S1_DEFAULT & ~2ull);
		assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
		assert_int_equal(guest_dma(&g, 0, VA + 0xabc, IOMMU_WRITE), page + 0xabc);
		assert_int_equal(guest_dma(&g, 0, VA + 0xabc, IOMMU_READ), page + 0xabc);
		assert_int_equal(guest_dma(&g, 0, (~0ull << 39) + 0x5008, IOMMU_WRITE), page + 8);
		assert_int_equal(guest_dma(&g, 0, ~0ull << 40, IOMMU_WRITE), -1);
		assert_int_equal(g.event[0] & 0xff, 0x10);
		if (rows[n].page_lg2 == 12)
			assert_int_equal(guest_dma(&g, 0, VA + (8ull << 30) + 0x1000, IOMMU_WRITE),
					 GUEST_GPA + ((VA + 0x1000) & 0x1fffff));
		assert_int_equal(guest_dma(&g, 0, 1ull << rows[n].bits, IOMMU_READ), -1);
	}
	guest_end(&g);
}

/* Linear and two-level CDs; S1DSS. */
static void test_substreams(void **state)
{
	uint64_t linear, l1, l2, cd, page, pages[3];
	struct guest_table t;
	struct guest g;

	begin(&g, "smmuv3");
	simple(&g, 12, 48, 0, &cd, &page);
	linear = guest_alloc(&g, 64 << 4);
	l1 = guest_alloc(&g, 4096);
	l2 = guest_alloc(&g, 64 << 10);
	for (unsigned int n = 0; n < 3; n++) {
		t = guest_table(&g, 12, 48);
		pages[n] = guest_alloc(&g, 4096);
		guest_map(&g, &t, VA, pages[n], S1_DEFAULT);
		guest_cd(&g, linear + 64 * n, &t, (uint16_t)(10 + n), 0);
		guest_cd(&g, l2 + 64 * n, &t, (uint16_t)(10 + n), 0);
	}
	*guest_word(&g, l1) = l2 | 1;
	for (int two_level = 0; two_level < 2; two_level++) {
		uint64_t ste = STE_V | STE_S1 |
			       (two_level ? l1 | 2ull << 4 | 16ull << 59 : linear | 4ull << 59);

		/* S1DSS 2: what has no substream uses CD 0. */
		assert_int_equal(guest_attach(&g, ste, 2), 0);
		assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), pages[0]);
		assert_int_equal(guest_dma(&g, 1, VA, IOMMU_READ), pages[1]);
		assert_int_equal(guest_dma(&g, 2, VA, IOMMU_WRITE), pages[2]);
		assert_int_equal(guest_dma(&g, 3, VA, IOMMU_WRITE), -1);
		assert_int_equal(g.event[0] & 0xff, 0x0a); /* C_BAD_CD */
		assert_int_equal(g.event[0] >> 11 & 1, 1);
		assert_int_equal(g.event[0] >> 12 & 0xfffff, 3);
		assert_int_equal(guest_dma(&g, two_level ? 1 << 10 : 1 << 4, VA, IOMMU_WRITE), -1);
		assert_int_equal(g.event[0] & 0xff, 0x08); /* C_BAD_SUBSTREAMID */
		/* S1DSS 1: it bypasses. */
		assert_int_equal(guest_attach(&g, ste, 1), 0);
		assert_int_equal(guest_dma(&g, 0, GUEST_GPA, IOMMU_READ), GUEST_GPA);
		assert_int_equal(guest_dma(&g, 1, VA, IOMMU_READ), pages[1]);
		/* S1DSS 0: it ends. */
		assert_int_equal(guest_attach(&g, ste, 0), 0);
		assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), -1);
		assert_int_equal(g.event[0] & 0xff, 0x06); /* F_STREAM_DISABLED */
		assert_int_equal(g.event[0] >> 32, GUEST_SID);
		assert_int_equal(guest_dma(&g, 2, VA, IOMMU_READ), pages[2]);
	}
	guest_end(&g);
}

/* AP, XN, PXN, WXN, PAN. */
static void test_permissions(void **state)
{
	enum { R = IOMMU_READ, W = IOMMU_WRITE, X = IOMMU_EXEC | IOMMU_READ, P = IOMMU_PRIV };
	static const struct {
		uint64_t cd, bits;
		unsigned int legal; /* bit 0 R, 1 W, 2 X; 3 to 5 privileged */
	} rows[] = {
		{0, S1_USER, 7 | 3 << 3}, /* what the unprivileged write none executes there */
		{0, S1_USER | S1_RO, 5 | 5 << 3},
		{0, 0, 7 << 3}, /* privileged only */
		{0, S1_RO, 5 << 3},
		{0, S1_USER | S1_UXN, 3 | 3 << 3},
		{0, S1_USER | S1_RO | S1_UXN, 1 | 5 << 3},
		{0, S1_USER | S1_RO | S1_PXN, 5 | 1 << 3},
		{0, S1_PXN, 3 << 3},
		{CD_WXN, S1_USER, 3 | 3 << 3},
		{CD_WXN, S1_USER | S1_RO, 5 | 5 << 3},
		{CD_WXN, 0, 3 << 3},
		{CD_PAN, S1_USER, 7},
		{CD_PAN, S1_USER | S1_RO, 5},
		{CD_PAN, 0, 7 << 3},
		{0, S1_USER | S1_DBM | S1_RO, 5 | 5 << 3}, /* DBM is nothing without HD */
		{CD_HA | CD_HD, S1_USER | S1_DBM | S1_RO, 7 | 3 << 3},
		{CD_HA, S1_USER | S1_DBM | S1_RO, 5 | 5 << 3},
	};
	static const unsigned int access[] = {R, W, X, R | P, W | P, X | P};
	uint64_t cd, page;
	struct guest_table t;
	struct guest g;

	begin(&g, "smmuv3");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		guest_reset(&g);
		t = simple(&g, 12, 48, rows[n].cd, &cd, &page);
		guest_map(&g, &t, VA, page, (S1_DEFAULT & ~S1_USER) | rows[n].bits);
		assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd | 1ull << 59, 2), 0);
		for (size_t a = 0; a < ARRAY_SIZE(access); a++) {
			int64_t want = rows[n].legal & 1u << a ? (int64_t)page : -1;

			if (guest_dma(&g, 0, VA, access[a]) != want)
				fail_msg("row %zu, access %#x", n, access[a]);
			if (want < 0) {
				assert_int_equal(g.event[0] & 0xff, 0x13);
				assert_int_equal(g.event[1] >> 33 & 1, !!(access[a] & P));
				assert_int_equal(g.event[1] >> 34 & 1, !!(access[a] & IOMMU_EXEC));
				assert_int_equal(g.event[1] >> 35 & 1, !(access[a] & W));
			}
		}
	}
	guest_end(&g);
}

/* Hardware's flags: set by what is permitted, as far as the CD and IDR0 say. */
static void test_flags(void **state)
{
	static const struct {
		const char *options;
		uint64_t cd;
		int64_t af_clear; /* a read of a page without AF: 0 works, -1 faults */
		bool sets_af, sets_dirty;
		bool bad_cd;
	} rows[] = {
		{"smmuv3", 0, -1, false, false, false},
		{"smmuv3", 1ull << 35 /* AFFD */, 0, false, false, false},
		{"smmuv3", CD_HA, 0, true, false, false},
		{"smmuv3", CD_HA | CD_HD, 0, true, true, false},
		{"smmuv3,dirty=off", CD_HA, -1, false, false, true},
		{"smmuv3,dirty=off", 0, -1, false, false, false},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t cd, page, *e;
		struct guest_table t;
		struct guest g;

		begin(&g, rows[n].options);
		t = simple(&g, 12, 48, rows[n].cd, &cd, &page);
		guest_map(&g, &t, VA, page, (S1_DEFAULT & ~S1_AF) | S1_DBM | S1_RO);
		e = guest_word(&g, guest_entry(&g, &t, VA, 0));
		assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
		assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ),
				 rows[n].af_clear ? -1 : (int64_t)page);
		if (rows[n].af_clear)
			assert_int_equal(g.event[0] & 0xff, rows[n].bad_cd ? 0x0a : 0x12);
		assert_int_equal(!!(*e & S1_AF), rows[n].sets_af);
		assert_true(*e & S1_RO);
		assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE),
				 rows[n].sets_dirty ? (int64_t)page : -1);
		assert_int_equal(!(*e & S1_RO), rows[n].sets_dirty);
		guest_end(&g);
	}
}

/* 7.3: each event, word for word. */
static void test_events(void **state)
{
	uint64_t cd, page, *e;
	struct guest_table t;
	struct guest g;

	begin(&g, "smmuv3");
	t = simple(&g, 12, 48, 0, &cd, &page);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	/* F_TRANSLATION. */
	assert_int_equal(guest_dma(&g, 0, VA + 0x2345, IOMMU_WRITE), -1);
	assert_int_equal(g.event_type, 1);
	assert_int_equal(g.event[0], (uint64_t)GUEST_SID << 32 | 0x10);
	assert_int_equal(g.event[1], 2ull << 40);
	assert_int_equal(g.event[2], VA + 0x2345);
	assert_int_equal(g.event[3], 0);
	assert_int_equal(guest_dma(&g, 0, VA + 0x2345, IOMMU_READ), -1);
	assert_int_equal(g.event[1], 2ull << 40 | 1ull << 35);
	/* F_ADDR_SIZE: CD.IPS of 36 bits. */
	e = guest_word(&g, cd);
	e[0] = (e[0] & ~FIELD(34, 32)) | 1ull << 32;
	guest_map(&g, &t, VA, 1ull << 36, S1_DEFAULT);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), -1);
	assert_int_equal(g.event[0] & 0xff, 0x11);
	/* F_ACCESS. */
	guest_map(&g, &t, VA, page, S1_DEFAULT & ~S1_AF);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), -1);
	assert_int_equal(g.event[0] & 0xff, 0x12);
	/* F_PERMISSION. */
	guest_map(&g, &t, VA, page, S1_DEFAULT | S1_RO);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.event[0] & 0xff, 0x13);
	assert_int_equal(g.nr_events, 5);
	/* R clear: no record. */
	e[0] &= ~CD_R;
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.nr_events, 5);
	assert_int_equal(g.bed.nr_faults, 0);
	e[0] |= CD_R;
	/* C_BAD_CD, C_BAD_STE: whatever R says. */
	e[0] &= ~(1ull << 31);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.event[0], (uint64_t)GUEST_SID << 32 | 0x0a);
	assert_int_equal(g.event[1], 0);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd | 21ull << 59, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.event[0], (uint64_t)GUEST_SID << 32 | 0x04);
	assert_int_equal(g.nr_events, 7);
	assert_int_equal(g.bed.nr_faults, 0);
	/* Nobody reads: the host's log. */
	g.deaf = true;
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.bed.nr_faults, 1);
	assert_int_equal(g.bed.last_fault.code, 0x04);
	g.deaf = false;
	/* Stage 2: a CD, a table, a page where there is no memory. */
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | 0x100000, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.bed.nr_faults, 2);
	e[0] |= 1ull << 31;
	e[1] = 0x200000;
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.bed.nr_faults, 3);
	e[1] = t.root;
	guest_map(&g, &t, VA, 0x300000, S1_DEFAULT);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_WRITE), -1);
	assert_int_equal(g.bed.nr_faults, 4);
	assert_int_equal(g.nr_events, 7);
	guest_end(&g);
}

/* Tables that point at themselves, at nothing, and change under the walk: an end, and no more. */
static void test_loops(void **state)
{
	uint64_t cd, page, *root;
	struct guest_table t;
	struct guest g;

	begin(&g, "smmuv3");
	t = simple(&g, 12, 48, CD_HA | CD_HD, &cd, &page);
	root = guest_word(&g, t.root);
	for (unsigned int n = 0; n < 512; n++)
		root[n] = t.root | 3 | S1_AF;
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	/* The last level takes the table for a page. */
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), -1);
	for (unsigned int n = 0; n < 512; n++)
		root[n] |= S1_USER;
	assert_int_equal(guest_dma(&g, 0, VA + 8, IOMMU_READ), t.root + 8);
	guest_end(&g);
}

/* TBI: the upper byte is no part of the address. */
static void test_tag(void **state)
{
	const uint64_t flush[1][2] = {
		{CMD_TLBI_NH_VA | CMD_ASID(5), (0x5aull << 56 | VA) & ~0xfffull}};
	uint64_t cd, page;
	struct guest_table t;
	uint32_t done;
	struct guest g;

	begin(&g, "smmuv3");
	t = simple(&g, 12, 48, CD_TBI, &cd, &page);
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), page);
	assert_int_equal(guest_dma(&g, 0, VA | 0xa5ull << 56, IOMMU_READ), page);
	guest_map(&g, &t, VA, 0, 0);
	assert_int_equal(guest_dma(&g, 0, VA | 0x11ull << 56, IOMMU_READ), page);
	assert_int_equal(guest_invalidate(&g, flush, 1, &done), 0);
	assert_int_equal(guest_dma(&g, 0, VA | 0x11ull << 56, IOMMU_READ), -1);
	assert_int_equal(g.event[2], VA | 0x11ull << 56);
	guest_end(&g);
}

/* Who answers stalls: maps the page, or refuses. */
struct server {
	struct guest *g;
	struct guest_table *t;
	uint64_t page;
	unsigned int asked;
	bool answer;
	uint32_t grpid, perm, pasid;
	uint64_t addr;
};

static void serve(void *arg, struct requester *r, struct page_group *group)
{
	struct server *s = arg;

	s->asked++;
	s->grpid = group->grpid;
	s->pasid = group->pasid;
	s->perm = group->requests[0].perm;
	s->addr = group->requests[0].addr;
	if (s->answer)
		guest_map(s->g, s->t, s->addr & ~0xfffull, s->page, S1_DEFAULT);
	group->respond(group, s->answer);
}

/* CD.S: a faulting transaction waits for an answer, if anybody gives any. */
static void test_stalls(void **state)
{
	uint64_t cd, page;
	struct guest_table t;
	struct server s;
	struct guest g;

	begin(&g, "smmuv3,stall=on");
	t = simple(&g, 12, 48, CD_S, &cd, &page);
	s = (struct server){.g = &g, .t = &t, .page = page, .answer = true};
	g.bed.iommu->page_request = serve;
	g.bed.iommu->page_request_arg = &s;
	/* Nobody: it fails, and the host hears of it. */
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 0), 0);
	assert_int_equal(guest_dma(&g, 0, VA + 0x5008, IOMMU_WRITE), -1);
	assert_int_equal(requester_finish_stall(g.r), -EFAULT);
	assert_int_equal(s.asked, 0);
	assert_int_equal(g.nr_events, 0);
	assert_int_equal(g.bed.last_fault.code, 0x10);
	/* Somebody. */
	domain_set_recoverable(g.nested);
	assert_int_equal(guest_dma(&g, 0, VA + 0x5008, IOMMU_WRITE), -1);
	assert_int_equal(requester_finish_stall(g.r), 0);
	assert_int_equal(s.asked, 1);
	assert_int_equal(s.addr, VA + 0x5008);
	assert_int_equal(s.perm, 2);
	assert_int_equal(guest_dma(&g, 0, VA + 0x5008, IOMMU_WRITE), page + 8);
	assert_int_equal(g.nr_events, 0); /* its record is the page request */
	s.answer = false;
	assert_int_equal(guest_dma(&g, 0, VA + 0x7000, IOMMU_READ), -1);
	assert_int_equal(requester_finish_stall(g.r), -EFAULT);
	assert_int_equal(s.asked, 2);
	assert_int_equal(s.perm, 1);
	/* S1STALLD with S is illegal (5.2). */
	assert_int_equal(guest_attach(&g, STE_V | STE_S1 | cd, 1 << 27), 0);
	assert_int_equal(guest_dma(&g, 0, VA, IOMMU_READ), -1);
	assert_int_equal(g.event[0] & 0xff, 0x0a);
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	    cmocka_unit_test(test_vste),
		cmocka_unit_test(test_attach),	    cmocka_unit_test(test_abort_and_bypass),
		cmocka_unit_test(test_tables),	    cmocka_unit_test(test_substreams),
		cmocka_unit_test(test_permissions), cmocka_unit_test(test_flags),
		cmocka_unit_test(test_events),	    cmocka_unit_test(test_loops),
		cmocka_unit_test(test_tag),	    cmocka_unit_test(test_stalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

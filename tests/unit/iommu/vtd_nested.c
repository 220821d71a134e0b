/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation on VT-d with data VTD_S1: Linux's checks, what first-stage entries permit, the
 * flags that hardware sets, fault reasons, and what invalidations make forget.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "iommu/domain.h"
#include "vtd_guest.h"

#define READ  IOMMU_READ
#define WRITE IOMMU_WRITE
#define EXEC  IOMMU_EXEC
#define PRIV  IOMMU_PRIV
#define VA    0x123456789000ull
#define DEF   (FS_P | FS_RW | FS_US)

/* 4.3, VT-d S1, in its order: each row alone, and two at once, where the earlier wins. */
static void test_alloc(void **state)
{
	struct domain *d, *plain;
	struct guest g;

	guest_begin(&g, "vtd,nesting=on");
	assert_int_equal(vtd_s1(&g, DOMAIN_PASID, 0, 0, 0, &d), 0);
	domain_free(d);
	assert_int_equal(vtd_s1(&g, DOMAIN_DIRTY, 0, 0, 0, &d), -EOPNOTSUPP);
	for (uint32_t type = 0; type < 4; type++) {
		struct user_data ud = {.type = type, .len = 8};

		assert_int_equal(g.bed.iommu->make->domain_alloc_nested(g.r, g.parent, 0, &ud, &d),
				 type == 1 ? -EINVAL : -EOPNOTSUPP);
	}
	assert_int_equal(domain_alloc(g.bed.iommu, 0, &plain), 0);
	for (uint32_t type = 1; type < 3; type++) {
		struct user_data ud = {.type = type, .len = 8};

		assert_int_equal(g.bed.iommu->make->domain_alloc_nested(g.r, plain, 0, &ud, &d),
				 type == 1 ? -EINVAL : -EOPNOTSUPP);
	}
	domain_free(plain);
	guest_end(&g);
}

static void test_attach(void **state)
{
	static const struct {
		const char *options;
		uint64_t flags;
		uint32_t width;
		int rc;
	} rows[] = {
		{"vtd,nesting=on", 0, 48, 0},
		{"vtd,nesting=on", 0, 57, -EINVAL},
		{"vtd,nesting=on", 0, 39, -EINVAL},
		{"vtd,nesting=on", 0, 0, -EINVAL},
		{"vtd,nesting=on,aw=57", 0, 57, 0},
		{"vtd,nesting=on", S1_SRE | S1_EAFE | S1_WPE, 48, 0},
		{"vtd,nesting=on,supervisor=off", S1_SRE, 48, -EINVAL},
		{"vtd,nesting=on,supervisor=off", S1_WPE, 48, 0},
		{"vtd,nesting=on,extended-access=off", S1_EAFE, 48, -EINVAL},
		{"vtd,nesting=on", 0xf8, 48, 0}, /* Linux does not look at other flags */
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct guest g;

		guest_begin(&g, rows[k].options);
		if (vtd_attach_s1(&g, rows[k].flags, GUEST_GPA, rows[k].width) != rows[k].rc)
			fail_msg("row %zu", k);
		guest_end(&g);
	}
}

/* Who may do what: the rights of every entry on the way, those of a table too. */
static void test_permissions(void **state)
{
	static const struct {
		uint64_t flags, leaf, table;
		unsigned int access, code; /* 0: permitted */
		uint32_t pasid;
	} rows[] = {
		{0, DEF, DEF, READ, 0},
		{0, DEF, DEF, WRITE, 0},
		{0, DEF, DEF, READ | WRITE, 0},
		{0, FS_P | FS_US, DEF, READ, 0},
		{0, FS_P | FS_US, DEF, WRITE, 0x85},
		{0, DEF, FS_P | FS_US, WRITE, 0x85},
		{0, FS_P | FS_RW, DEF, READ, 0x81},
		{0, FS_P | FS_RW, DEF, WRITE, 0x81},
		{0, FS_P, DEF, WRITE, 0x81},
		{0, DEF, FS_P | FS_RW, READ, 0x81},
		{0, DEF | FS_XD, DEF, WRITE, 0}, /* guests set it; see docs/differences.md */
		{0, 0, DEF, READ, 0x71},
		{0, FS_RW | FS_US, DEF, WRITE, 0x71},
		{0, DEF, FS_RW | FS_US, READ, 0x71},
		{0, DEF, DEF, READ, 0, 5},
		{0, DEF, DEF, READ | EXEC, 0x5c, 5}, /* no ERE */
		{0, DEF, DEF, READ | PRIV, 0x5d, 5},
		{S1_WPE, DEF, DEF, READ | PRIV, 0x5d, 5},
		{S1_SRE, DEF, DEF, READ | PRIV, 0, 5},
		{S1_SRE, FS_P, FS_P, READ | PRIV, 0, 5},
		{S1_SRE, FS_P, FS_P, WRITE | PRIV, 0, 5},
		{S1_SRE | S1_WPE, FS_P | FS_RW, DEF, WRITE | PRIV, 0, 5},
		{S1_SRE | S1_WPE, FS_P | FS_US, DEF, WRITE | PRIV, 0x85, 5},
		{S1_SRE | S1_WPE, FS_P, DEF, READ | PRIV, 0, 5},
		{S1_SRE, FS_P | FS_RW, DEF, READ, 0x81, 5},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct domain *d;
		struct guest g;
		uint64_t root, target;
		int64_t at;

		guest_begin(&g, "vtd,nesting=on");
		root = guest_alloc(&g, 4096);
		target = guest_alloc(&g, 4096);
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | rows[k].leaf;
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 1)) ^= rows[k].table ^ DEF;
		assert_int_equal(vtd_s1(&g, DOMAIN_PASID, rows[k].flags, root, 48, &d), 0);
		if (rows[k].pasid)
			assert_int_equal(requester_attach_pasid(g.r, rows[k].pasid, d), 0);
		else
			assert_int_equal(requester_attach(g.r, d), 0);
		for (int twice = 0; twice < 2; twice++) {
			at = guest_dma(&g, rows[k].pasid, VA + 5, rows[k].access);
			if (at != (rows[k].code ? -1 : (int64_t)target + 5))
				fail_msg("row %zu: %llx", k, (unsigned long long)at);
			if (rows[k].code && g.bed.last_fault.code != rows[k].code)
				fail_msg("row %zu: fault 0x%x, not 0x%x", k, g.bed.last_fault.code,
					 rows[k].code);
		}
		if (rows[k].pasid)
			assert_int_equal(requester_attach_pasid(g.r, rows[k].pasid, NULL), 0);
		assert_int_equal(requester_attach(g.r, NULL), 0);
		domain_free(d);
		guest_end(&g);
	}
}

/* What of a way of four levels is wrong, at which level. */
static void test_fault_codes(void **state)
{
	static const struct {
		unsigned int level;
		uint64_t entry; /* what is written there */
		uint64_t va;
		unsigned int access, code;
	} rows[] = {
		{3, FS_PS | DEF, VA, READ, 0x72},
		{1, FS_PS | DEF | BIT(13), VA, READ, 0x72},
		{0, DEF | GUEST_GPA, 0x800000000000, READ, 0x80},
		{0, DEF | GUEST_GPA, 0xffff7fffffffffff, READ, 0x80},
		{3, DEF, VA, READ, 0x76}, /* a table where there is no memory */
		{1, DEF, VA, WRITE, 0x76},
		{1, DEF | 1ull << 50, VA, READ, 0x74},
		{0, DEF, VA, READ, 0x86},
		{0, DEF, VA, WRITE, 0x85},
		{0, DEF | 1ull << 50, VA, READ, 0x84},
	};
	struct guest g;
	uint64_t root;

	guest_begin(&g, "vtd,nesting=on");
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		guest_reset(&g);
		root = guest_alloc(&g, 4096);
		*guest_word(&g, vtd_entry(&g, root, 4, VA, rows[k].level)) = rows[k].entry;
		assert_int_equal(vtd_attach_s1(&g, 0, root, 48), 0);
		assert_int_equal(guest_dma(&g, 0, rows[k].va, rows[k].access), -1);
		if (g.bed.last_fault.code != rows[k].code)
			fail_msg("row %zu: fault 0x%x, not 0x%x", k, g.bed.last_fault.code,
				 rows[k].code);
	}
	assert_int_equal(vtd_attach_s1(&g, 0, 0x1000, 48), 0); /* where there is no memory */
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	assert_int_equal(g.bed.last_fault.code, 0x75);
	guest_end(&g);
}

/* A in every entry that was used, D where was written, EA with EAFE; leaves of each size. */
static void test_flags(void **state)
{
	const uint64_t va = 0x123440005000, all = FS_A | FS_D | FS_EA;

	for (unsigned int level = 0; level < 3; level++) {
		for (unsigned int eafe = 0; eafe < 2; eafe++) {
			const uint64_t ea = eafe ? FS_EA : 0;
			struct guest g;
			uint64_t root, at;

			guest_begin(&g, "vtd,nesting=on");
			root = guest_alloc(&g, 4096);
			at = vtd_entry(&g, root, 4, va, level);
			*guest_word(&g, at) = GUEST_GPA | DEF | (level ? FS_PS : 0);
			assert_int_equal(vtd_attach_s1(&g, eafe ? S1_EAFE : 0, root, 48), 0);
			assert_int_not_equal(guest_dma(&g, 0, va, READ), -1);
			assert_int_equal(*guest_word(&g, at) & all, FS_A | ea);
			for (unsigned int l = level + 1; l < 4; l++)
				assert_int_equal(*guest_word(&g, vtd_entry(&g, root, 4, va, l)) &
							 all,
						 FS_A | ea);
			assert_int_not_equal(guest_dma(&g, 0, va, WRITE), -1);
			assert_int_equal(*guest_word(&g, at) & all, FS_A | FS_D | ea);
			assert_int_equal(*guest_word(&g, vtd_entry(&g, root, 4, va, 3)) & FS_D, 0);
			guest_end(&g);
		}
	}
}

/* Stage 2 of a table that may not be written: its flags cannot be set. */
static void test_read_only_tables(void **state)
{
	struct bed_map ro;
	struct guest g;
	uint64_t *table;

	guest_begin(&g, "vtd,nesting=on");
	table = (uint64_t *)(void *)bed_memory(2 << 20);
	table[VA >> 39] = 0x2000 | DEF;
	bed_map(&g.bed, &ro, g.parent, 0x1000, table, 4096, PT_READ);
	table[VA >> 39] = guest_alloc(&g, 4096) | DEF | FS_A;
	*guest_word(&g, (table[VA >> 39] & FIELD(51, 12)) + (VA >> 30 & 0x1ff) * 8) =
		GUEST_GPA | FS_PS | DEF;
	assert_int_equal(vtd_attach_s1(&g, 0, 0x1000, 48), 0);
	assert_int_not_equal(guest_dma(&g, 0, VA & ~MASK(30), READ), -1);
	assert_int_equal(vtd_s1_invalidate(&g, 0, U64MAX, 0), 0);
	table[VA >> 39] &= ~FS_A;
	assert_int_equal(guest_dma(&g, 0, VA & ~MASK(30), READ), -1);
	assert_int_equal(g.bed.last_fault.code, 0x77);
	bed_unmap(&g.bed, &ro);
	guest_end(&g);
}

static void test_five_levels(void **state)
{
	const uint64_t va = 0x00fedcba98765000, high = va | 0xff00000000000000;
	struct guest g;
	uint64_t root, target;

	guest_begin(&g, "vtd,nesting=on,aw=57");
	root = guest_alloc(&g, 4096);
	target = guest_alloc(&g, 4096);
	*guest_word(&g, vtd_entry(&g, root, 5, va, 0)) = target | DEF;
	*guest_word(&g, vtd_entry(&g, root, 5, high, 0)) = (target + 4096) | DEF;
	assert_int_equal(vtd_attach_s1(&g, 0, root, 57), 0);
	assert_int_equal(guest_dma(&g, 0, va, READ), (int64_t)target);
	assert_int_equal(guest_dma(&g, 0, high, READ), (int64_t)target + 4096);
	assert_int_equal(guest_dma(&g, 0, 1ull << 56, READ), -1);
	assert_int_equal(g.bed.last_fault.code, 0x80);
	guest_end(&g);
}

/* INV.6 with VT-d's entries. */
static void test_invalidate_checks(void **state)
{
	struct guest g;

	guest_begin(&g, "vtd,nesting=on");
	assert_int_equal(vtd_attach_s1(&g, 0, GUEST_GPA, 48), 0);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1000, 1, 0), 0);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1000, 1, 1), 0);
	assert_int_equal(vtd_s1_invalidate(&g, 0, U64MAX, 0), 0);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1000, 0, 0), 0);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1000, 1, 2), -EOPNOTSUPP);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1001, 1, 2), -EOPNOTSUPP);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1001, 1, 0), -EINVAL);
	assert_int_equal(vtd_s1_invalidate(&g, 0x1000, U64MAX, 0), -EINVAL);
	guest_end(&g);
}

/*
 * Old translations stay until an entry covers them, rounded as VT-d does: a naturally aligned power
 * of two. With LEAF the tables stay known.
 */
static void test_invalidate_covers(void **state)
{
	static const struct {
		uint64_t addr, npages; /* in pages from VA on */
		uint32_t flags;
		unsigned int forgotten; /* of pages 0 to 7, a bitmap */
	} rows[] = {
		{0, 1, 0, 0x01}, {3, 1, 1, 0x08}, {2, 2, 0, 0x0c}, {3, 2, 0, 0xff},
		{1, 2, 1, 0x0f}, {4, 3, 0, 0xf0}, {0, 0, 0, 0xff},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		const uint64_t va = VA & ~MASK(15);
		uint64_t root, target[2];
		struct guest g;

		guest_begin(&g, "vtd,nesting=on");
		root = guest_alloc(&g, 4096);
		target[0] = guest_alloc(&g, 8 << 12);
		target[1] = guest_alloc(&g, 8 << 12);
		for (unsigned int new = 0; new < 2; new ++)
			for (uint64_t p = 0; p < 8; p++) {
				*guest_word(&g, vtd_entry(&g, root, 4, va + (p << 12), 0)) =
					(target[new] + (p << 12)) | DEF;
				if (!new && !p)
					assert_int_equal(vtd_attach_s1(&g, 0, root, 48), 0);
				if (!new)
					guest_dma(&g, 0, va + (p << 12), READ);
			}
		if (rows[k].npages)
			assert_int_equal(vtd_s1_invalidate(&g, va + (rows[k].addr << 12),
							   rows[k].npages, rows[k].flags),
					 0);
		else
			assert_int_equal(vtd_s1_invalidate(&g, 0, U64MAX, 0), 0);
		for (uint64_t p = 0; p < 8; p++)
			if (guest_dma(&g, 0, va + (p << 12), READ) !=
			    (int64_t)(target[rows[k].forgotten >> p & 1] + (p << 12)))
				fail_msg("row %zu, page %u", k, (unsigned int)p);
		guest_end(&g);
	}
}

static void test_leaf_keeps_tables(void **state)
{
	for (uint32_t leaf = 0; leaf < 2; leaf++) {
		uint64_t root, old, table, target;
		struct guest g;

		guest_begin(&g, "vtd,nesting=on");
		root = guest_alloc(&g, 4096);
		target = guest_alloc(&g, 2 << 12);
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | DEF;
		assert_int_equal(vtd_attach_s1(&g, 0, root, 48), 0);
		assert_int_equal(guest_dma(&g, 0, VA, READ), (int64_t)target);
		old = vtd_entry(&g, root, 4, VA, 1);
		table = guest_alloc(&g, 4096);
		*guest_word(&g, table + (VA >> 12 & 0x1ff) * 8) = (target + 4096) | DEF;
		*guest_word(&g, old) = table | DEF;
		assert_int_equal(vtd_s1_invalidate(&g, VA, 1, leaf), 0);
		assert_int_equal(guest_dma(&g, 0, VA, READ),
				 (int64_t)(leaf ? target : target + 4096));
		guest_end(&g);
	}
}

/* Each PASID has its own domain, and its own entries in the caches. */
static void test_pasids(void **state)
{
	struct domain *d[3];
	uint64_t root[3];
	struct guest g;

	guest_begin(&g, "vtd,nesting=on");
	for (uint32_t k = 0; k < 3; k++) {
		root[k] = guest_alloc(&g, 4096);
		*guest_word(&g, vtd_entry(&g, root[k], 4, VA, 0)) = guest_alloc(&g, 4096) | DEF;
		assert_int_equal(vtd_s1(&g, DOMAIN_PASID, 0, root[k], 48, &d[k]), 0);
		assert_int_equal(
			k ? requester_attach_pasid(g.r, k, d[k]) : requester_attach(g.r, d[k]), 0);
	}
	for (int twice = 0; twice < 2; twice++)
		for (uint32_t k = 0; k < 3; k++)
			assert_int_equal(
				guest_dma(&g, k, VA, READ),
				(int64_t)(*guest_word(&g, vtd_entry(&g, root[k], 4, VA, 0)) &
					  FIELD(51, 12)));
	assert_int_equal(guest_dma(&g, 3, VA, READ), -1); /* nobody's */
	for (uint32_t k = 3; k--;) {
		assert_int_equal(
			k ? requester_attach_pasid(g.r, k, NULL) : requester_attach(g.r, NULL), 0);
		domain_free(d[k]);
	}
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_fault_codes),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_read_only_tables),
		cmocka_unit_test(test_five_levels),
		cmocka_unit_test(test_invalidate_checks),
		cmocka_unit_test(test_invalidate_covers),
		cmocka_unit_test(test_leaf_keeps_tables),
		cmocka_unit_test(test_pasids),
	};

	return cmocka_run_group_tests_name("iommu/vtd_nested", tests, NULL, NULL);
}

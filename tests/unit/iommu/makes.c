/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The makes as a driver sees them: the bits of the ID registers, written down here once more from
 * the specifications (VT-d D51397 11.4.2 and 11.4.3, AMD 48882 3.4), reserved regions, the flags
 * of 4.2, and options that are wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bed.h"
#include "base/bits.h"

static uint64_t bits(uint64_t reg, int high, int low)
{
	return reg >> low & ((2ull << (high - low)) - 1);
}

struct vtd_info {
	uint32_t flags, reserved;
	uint64_t cap, ecap;
};

static struct vtd_info vtd_info(const char *text)
{
	struct vtd_info info;
	size_t len = sizeof(info);
	uint32_t type = 0;
	struct bed b;

	memset(&info, 0xff, sizeof(info));
	bed_create(&b, text, false);
	assert_int_equal(b.iommu->make->hw_info(b.iommu, 0, &type, &info, &len), 0);
	assert_int_equal(type, 1);
	assert_int_equal(len, 24);
	assert_int_equal(info.flags, 0);
	assert_int_equal(info.reserved, 0);
	bed_destroy(&b);
	return info;
}

static void test_vtd_default(void **state)
{
	struct vtd_info i = vtd_info("vtd");

	assert_int_equal(bits(i.cap, 2, 0), 6);		       /* ND: 2^16 domains */
	assert_int_equal(bits(i.cap, 7, 3), 0);		       /* AFL, RWBF, PLMR, PHMR, CM */
	assert_int_equal(bits(i.cap, 12, 8), 1 << 1 | 1 << 2); /* SAGAW: 39, 48 */
	assert_int_equal(bits(i.cap, 15, 13), 0);
	assert_int_equal(bits(i.cap, 21, 16), 47); /* MGAW */
	assert_int_equal(bits(i.cap, 22, 22), 1);  /* ZLR */
	assert_int_equal(bits(i.cap, 23, 23), 0);
	assert_int_equal(bits(i.cap, 37, 34), 3);    /* SSLPS */
	assert_int_equal(bits(i.cap, 39, 39), 1);    /* PSI */
	assert_in_range(bits(i.cap, 53, 48), 9, 63); /* MAMV: at least 2 MiB */
	assert_int_equal(bits(i.cap, 55, 54), 3);    /* DRD, DWD */
	assert_int_equal(bits(i.cap, 56, 56), 0);    /* FS1GP */
	assert_int_equal(bits(i.cap, 59, 59), 0);    /* PI */
	assert_int_equal(bits(i.cap, 63, 60), 0);    /* FS5LP, ECMDS, ESIRTPS, ESRTPS */

	assert_int_equal(bits(i.ecap, 0, 0), 1);   /* C */
	assert_int_equal(bits(i.ecap, 1, 1), 1);   /* QI */
	assert_int_equal(bits(i.ecap, 2, 2), 0);   /* DT: no ATS */
	assert_int_equal(bits(i.ecap, 4, 3), 3);   /* IR, EIM */
	assert_int_equal(bits(i.ecap, 6, 6), 1);   /* PT */
	assert_int_equal(bits(i.ecap, 7, 7), 1);   /* SC */
	assert_int_equal(bits(i.ecap, 26, 26), 0); /* NEST */
	assert_int_equal(bits(i.ecap, 29, 29), 0); /* PRS */
	assert_int_equal(bits(i.ecap, 40, 40), 1); /* PASID */
	assert_int_equal(bits(i.ecap, 39, 35), 19); /* PSS */
	assert_int_equal(bits(i.ecap, 43, 43), 1); /* SMTS */
	assert_int_equal(bits(i.ecap, 45, 45), 1); /* SSADS */
	assert_int_equal(bits(i.ecap, 46, 46), 1); /* SSTS */
	assert_int_equal(bits(i.ecap, 47, 47), 0); /* FSTS */
	assert_int_equal(bits(i.ecap, 48, 48), 1); /* SMPWCS */
}

/* The registers lie behind each other in 4 KiB: faults before IOTLB, neither upon 11.4's fixed
 * ones. */
static void test_vtd_layout(void **state)
{
	struct vtd_info i = vtd_info("vtd");
	uint64_t fro = bits(i.cap, 33, 24) * 16, nfr = bits(i.cap, 47, 40) + 1,
		 iro = bits(i.ecap, 17, 8) * 16;

	assert_in_range(fro, 0x200, 0xfff);
	assert_true(fro + nfr * 16 <= iro);
	assert_true(iro + 16 <= 0x1000);
}

static void test_vtd_widths(void **state)
{
	static const struct {
		const char *text;
		unsigned int sagaw, width;
	} rows[] = {{"vtd,aw=39", 2, 39}, {"vtd,aw=48", 6, 48}, {"vtd,aw=57", 14, 57}};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct vtd_info i = vtd_info(rows[n].text);
		uint64_t start, last;
		struct domain *d;
		struct bed b;

		assert_int_equal(bits(i.cap, 12, 8), rows[n].sagaw);
		assert_int_equal(bits(i.cap, 21, 16), rows[n].width - 1);
		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(start, 0);
		assert_int_equal(last, (1ull << rows[n].width) - 1);
		domain_free(d);
		bed_destroy(&b);
	}
}

static void test_vtd_huge(void **state)
{
	static const struct {
		const char *text;
		unsigned int sslps;
		uint64_t sizes;
	} rows[] = {
		{"vtd,huge=4K", 0, 0x1000},
		{"vtd,huge=2M", 1, 0x201000},
		{"vtd,huge=1G", 3, 0x40201000},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct vtd_info i = vtd_info(rows[n].text);
		struct domain *d;
		struct bed b;

		assert_int_equal(bits(i.cap, 37, 34), rows[n].sslps);
		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
		assert_int_equal(domain_page_sizes(d), rows[n].sizes);
		domain_free(d);
		bed_destroy(&b);
	}
}

static void test_vtd_switches(void **state)
{
	struct vtd_info i;
	struct bed b;

	i = vtd_info("vtd,dirty=off");
	assert_int_equal(bits(i.ecap, 48, 43), 0);
	assert_int_equal(bits(i.ecap, 40, 35), 0); /* PASIDs want scalable mode */
	i = vtd_info("vtd,pasid-bits=0");
	assert_int_equal(bits(i.ecap, 40, 35), 0);
	i = vtd_info("vtd,pasid-bits=8");
	assert_int_equal(bits(i.ecap, 40, 35), 0x20 | 7);
	i = vtd_info("vtd,snoop=off");
	assert_int_equal(bits(i.ecap, 7, 7), 0);
	i = vtd_info("vtd,coherent=off");
	assert_int_equal(bits(i.ecap, 0, 0), 0);
	assert_int_equal(bits(i.ecap, 48, 48), 0);

	bed_create(&b, "vtd,dirty=off,snoop=off", false);
	assert_false(b.iommu->caps.dirty);
	assert_false(b.iommu->caps.enforce_coherency);
	assert_int_equal(b.iommu->caps.max_pasid_log2, 0);
	assert_true(b.iommu->caps.ats_not_supported);
	bed_destroy(&b);
}

struct amd_info {
	uint64_t efr, efr2;
};

static struct amd_info amd_info(const char *text)
{
	struct amd_info info;
	size_t len = sizeof(info);
	uint32_t type = 0;
	struct bed b;

	bed_create(&b, text, false);
	assert_int_equal(b.iommu->make->hw_info(b.iommu, 0, &type, &info, &len), 0);
	assert_int_equal(type, 4);
	assert_int_equal(len, 16);
	bed_destroy(&b);
	return info;
}

static void test_amd_registers(void **state)
{
	struct amd_info i = amd_info("amd");

	assert_int_equal(bits(i.efr, 1, 1), 0);	  /* PPRSup */
	assert_int_equal(bits(i.efr, 4, 4), 0);	  /* GTSup */
	assert_int_equal(bits(i.efr, 6, 6), 1);	  /* IASup */
	assert_int_equal(bits(i.efr, 11, 10), 0); /* HATS: 4 levels */
	assert_int_equal(bits(i.efr, 36, 32), 0); /* PASmax */
	assert_int_equal(bits(i.efr, 48, 48), 0); /* GIOSup */
	assert_int_equal(bits(i.efr, 49, 49), 1); /* HASup */
	assert_int_equal(bits(i.efr, 52, 52), 1); /* HDSup */
	assert_int_equal(bits(i.efr, 63, 63), 0); /* SNPSup */
	assert_int_equal(bits(i.efr2, 11, 11), 0);

	assert_int_equal(bits(amd_info("amd,levels=5").efr, 11, 10), 1);
	assert_int_equal(bits(amd_info("amd,levels=6").efr, 11, 10), 2);
	i = amd_info("amd,dirty=off,ht=off");
	assert_int_equal(bits(i.efr, 49, 49), 0);
	assert_int_equal(bits(i.efr, 52, 52), 0);
	assert_int_equal(bits(i.efr2, 11, 11), 1); /* HTRangeIgnore */
}

static void test_amd_aperture(void **state)
{
	static const struct {
		const char *text;
		uint64_t last;
	} rows[] = {{"amd,levels=4", (1ull << 48) - 1},
		    {"amd,levels=5", (1ull << 57) - 1},
		    {"amd,levels=6", UINT64_MAX}};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t start, last;
		struct domain *d;
		struct bed b;

		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(start, 0);
		assert_int_equal(last, rows[n].last);
		assert_int_equal(domain_page_sizes(d) & 0x4020f000, 0x4020f000);
		assert_true(domain_enforces_coherency(d));
		domain_free(d);
		bed_destroy(&b);
	}
}

/* HWI.5, HWI.7: a type of another make; a buffer that is too short receives what fits and the true
 * length. */
static void test_hw_info_edges(void **state)
{
	static const struct {
		const char *make;
		uint32_t own, other;
		size_t size;
	} rows[] = {{"vtd", 1, 4, 24}, {"amd", 4, 1, 16}};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		unsigned char buf[32], whole[32];
		size_t len = 10;
		uint32_t type;
		struct bed b;

		bed_create(&b, rows[n].make, false);
		assert_int_equal(b.iommu->make->hw_info(b.iommu, rows[n].other, &type, buf, &len),
				 -EOPNOTSUPP);
		assert_int_equal(b.iommu->make->hw_info(b.iommu, 2, &type, buf, &len), -EOPNOTSUPP);
		memset(buf, 0xa5, sizeof(buf));
		len = 10;
		assert_int_equal(b.iommu->make->hw_info(b.iommu, rows[n].own, &type, buf, &len), 0);
		assert_int_equal(len, rows[n].size);
		assert_int_equal(buf[10], 0xa5);
		len = sizeof(whole);
		assert_int_equal(b.iommu->make->hw_info(b.iommu, 0, &type, whole, &len), 0);
		assert_memory_equal(buf, whole, 10);
		bed_destroy(&b);
	}
}

static void test_regions(void **state)
{
	struct iommu_region r[4] = {0};
	struct bed b;

	bed_create(&b, "vtd", false);
	assert_int_equal(b.iommu->make->regions(b.iommu, r, 4), 1);
	assert_int_equal(r[0].start, 0xfee00000);
	assert_int_equal(r[0].last, 0xfeefffff);
	assert_true(r[0].msi);
	bed_destroy(&b);

	bed_create(&b, "amd", false);
	assert_int_equal(b.iommu->make->regions(b.iommu, r, 4), 2);
	assert_int_equal(r[0].start, 0xfee00000);
	assert_int_equal(r[0].last, 0xfeefffff);
	assert_true(r[0].msi);
	assert_int_equal(r[1].start, 0xfd00000000);
	assert_int_equal(r[1].last, 0xffffffffff);
	assert_false(r[1].msi);
	memset(r, 0, sizeof(r));
	assert_int_equal(b.iommu->make->regions(b.iommu, r, 1), 2);
	assert_int_equal(r[1].start, 0);
	bed_destroy(&b);

	bed_create(&b, "amd,ht=off", false);
	assert_int_equal(b.iommu->make->regions(b.iommu, r, 4), 1);
	bed_destroy(&b);
}

/* 4.2, every set of the three flags. NEST_PARENT 1, DIRTY 2, PASID 8. */
static void test_flags(void **state)
{
	static const struct {
		const char *make;
		uint32_t accepted; /* bit n: flags n */
	} rows[] = {
		{"vtd", 1u << 0 | 1u << 2 | 1u << 8 | 1u << 10},
		{"vtd,dirty=off", 1u << 0 | 1u << 8},
		{"amd", 1u << 0 | 1u << 2},
		{"amd,dirty=off", 1u << 0},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct bed b;

		bed_create(&b, rows[n].make, false);
		for (uint32_t flags = 0; flags < 32; flags++) {
			struct domain *d;
			int rc = domain_alloc(b.iommu, flags, &d);

			assert_int_equal(rc, rows[n].accepted >> flags & 1 ? 0 : -EOPNOTSUPP);
			if (!rc)
				domain_free(d);
		}
		bed_destroy(&b);
	}
}

static void test_coherency(void **state)
{
	struct domain *d;
	struct bed b;

	bed_create(&b, "vtd", false);
	assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
	assert_false(domain_enforces_coherency(d));
	assert_int_equal(domain_enforce_coherency(d), 0);
	assert_true(domain_enforces_coherency(d));
	assert_int_equal(domain_enforce_coherency(d), 0);
	domain_free(d);
	bed_destroy(&b);

	bed_create(&b, "vtd,snoop=off", false);
	assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
	assert_int_equal(domain_enforce_coherency(d), -EINVAL);
	assert_false(domain_enforces_coherency(d));
	domain_free(d);
	bed_destroy(&b);
}

/* The sentence names what is wrong and what there is. */
static void test_wrong_options(void **state)
{
	static const struct {
		const char *text, *word1, *word2;
	} rows[] = {
		{"smmu", "smmu", "vtd"},
		{"vtd,aw=40", "aw=40", "48"},
		{"vtd,aw=64", "aw=64", "57"},
		{"vtd,aw=x", "aw=x", "number"},
		{"vtd,huge=8K", "huge=8K", "2M"},
		{"vtd,huge=2G", "huge=2G", ""},
		{"vtd,levels=4", "levels", "aw"},
		{"vtd,dirty=maybe", "dirty=maybe", "on or off"},
		{"amd,levels=7", "levels=7", "6"},
		{"amd,levels", "levels", "value"},
		{"", "''", "amd"},
	};
	struct bed b;

	bed_create(&b, "vtd", false);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct iommu_config cfg = {
			.memory = b.memory, .tables = b.tables, .epochs = &b.epochs};
		struct iommu *i = NULL;
		char why[256] = "";

		assert_int_equal(iommu_create(rows[n].text, &cfg, &i, why, sizeof(why)), -EINVAL);
		assert_null(i);
		assert_non_null(strstr(why, rows[n].word1));
		assert_non_null(strstr(why, rows[n].word2));
	}
	bed_destroy(&b);
}

static void test_table(void **state)
{
	assert_ptr_equal(iommu_make_find("vtd"), iommu_makes[0]);
	assert_null(iommu_make_find("vt"));
	for (size_t n = 0; iommu_makes[n]; n++) {
		assert_ptr_equal(iommu_make_find(iommu_makes[n]->name), iommu_makes[n]);
		for (const struct option_key *k = iommu_makes[n]->keys; k->name; k++) {
			assert_non_null(k->def);
			assert_non_null(k->help);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vtd_default),  cmocka_unit_test(test_vtd_layout),
		cmocka_unit_test(test_vtd_widths),   cmocka_unit_test(test_vtd_huge),
		cmocka_unit_test(test_vtd_switches), cmocka_unit_test(test_amd_registers),
		cmocka_unit_test(test_amd_aperture), cmocka_unit_test(test_hw_info_edges),
		cmocka_unit_test(test_regions),	     cmocka_unit_test(test_flags),
		cmocka_unit_test(test_coherency),    cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
	assert_int_equal(info.flags, 1); /* ERRATA_772415_SPR17, as Linux says of all hardware */
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

	assert_int_equal(bits(i.ecap, 0, 0), 1);    /* C */
	assert_int_equal(bits(i.ecap, 1, 1), 1);    /* QI */
	assert_int_equal(bits(i.ecap, 2, 2), 0);    /* DT: no ATS */
	assert_int_equal(bits(i.ecap, 4, 3), 3);    /* IR, EIM */
	assert_int_equal(bits(i.ecap, 6, 6), 1);    /* PT */
	assert_int_equal(bits(i.ecap, 7, 7), 1);    /* SC */
	assert_int_equal(bits(i.ecap, 26, 26), 0);  /* NEST */
	assert_int_equal(bits(i.ecap, 29, 29), 0);  /* PRS */
	assert_int_equal(bits(i.ecap, 40, 40), 1);  /* PASID */
	assert_int_equal(bits(i.ecap, 39, 35), 19); /* PSS */
	assert_int_equal(bits(i.ecap, 43, 43), 1);  /* SMTS */
	assert_int_equal(bits(i.ecap, 45, 45), 1);  /* SSADS */
	assert_int_equal(bits(i.ecap, 46, 46), 1);  /* SSTS */
	assert_int_equal(bits(i.ecap, 47, 47), 0);  /* FSTS */
	assert_int_equal(bits(i.ecap, 48, 48), 1);  /* SMPWCS */
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

/* First-stage tables but for dirty tracking; the lower half of their addresses. */
static void test_vtd_first_stage(void **state)
{
	static const struct {
		const char *text;
		uint32_t flags;
		const struct pt_ops *ops;
		uint64_t last;
		unsigned int levels;
	} rows[] = {
		{"vtd,first-stage=on", 0, &pt_vtd_fs, (1ull << 47) - 1, 4},
		{"vtd,first-stage=on", 8, &pt_vtd_fs, (1ull << 47) - 1, 4},
		{"vtd,first-stage=on", 2, &pt_vtd_ss, (1ull << 48) - 1, 4},
		{"vtd,first-stage=on,aw=57", 0, &pt_vtd_fs, (1ull << 56) - 1, 5},
		{"vtd,first-stage=on,aw=39", 0, &pt_vtd_fs, (1ull << 38) - 1, 4},
		{"vtd,first-stage=on,dirty=off", 0, &pt_vtd_ss, (1ull << 48) - 1, 4},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct iommu_fault f = {
			.reason = FAULT_NOT_PRESENT, .access = IOMMU_READ, .format = rows[n].ops};
		uint64_t start, last;
		struct domain *d;
		struct bed b;

		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, rows[n].flags, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(last, rows[n].last);
		assert_ptr_equal(domain_pt(d)->ops, rows[n].ops);
		assert_int_equal(pt_levels(domain_pt(d)), rows[n].levels);
		assert_int_equal(domain_enforce_coherency(d), 0);
		if (rows[n].ops == &pt_vtd_fs) {
			assert_int_equal(b.iommu->make->fault_code(b.iommu, &f), 0x71);
			f.reason = FAULT_ADDRESS;
			assert_int_equal(b.iommu->make->fault_code(b.iommu, &f), 0x80);
			f.reason = FAULT_WRITE;
			assert_int_equal(b.iommu->make->fault_code(b.iommu, &f), 0x85);
		}
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

	i = vtd_info("vtd,first-stage=on");
	assert_int_equal(bits(i.ecap, 47, 47), 1);
	assert_int_equal(bits(i.cap, 56, 56), 1);
	assert_int_equal(bits(i.cap, 60, 60), 0);
	i = vtd_info("vtd,first-stage=on,aw=57,huge=2M");
	assert_int_equal(bits(i.cap, 56, 56), 0);
	assert_int_equal(bits(i.cap, 60, 60), 1);
	i = vtd_info("vtd,first-stage=on,dirty=off"); /* no scalable mode */
	assert_int_equal(bits(i.ecap, 47, 47), 0);
	assert_int_equal(bits(i.cap, 56, 56), 0);

	bed_create(&b, "vtd,dirty=off,snoop=off", false);
	assert_false(b.iommu->caps.dirty);
	assert_false(b.iommu->caps.enforce_coherency);
	assert_int_equal(b.iommu->caps.max_pasid_log2, 0);
	assert_true(b.iommu->caps.ats_not_supported);
	bed_destroy(&b);
}

/* ECAP: NEST, SRS, EAFS; Linux takes nest parents where there is NEST, in scalable mode. */
static void test_vtd_nesting(void **state)
{
	struct vtd_info i = vtd_info("vtd,nesting=on");
	struct iommu *failed;
	struct domain *d;
	char why[128];
	struct bed b;

	assert_int_equal(bits(i.ecap, 26, 26), 1);
	assert_int_equal(bits(i.ecap, 31, 31), 1);
	assert_int_equal(bits(i.ecap, 34, 34), 1);
	assert_int_equal(bits(i.ecap, 47, 47), 1); /* FSTS */
	assert_int_equal(bits(i.cap, 56, 56), 1);  /* FS1GP */
	i = vtd_info("vtd,nesting=on,supervisor=off,extended-access=off");
	assert_int_equal(bits(i.ecap, 34, 26), 1);

	bed_create(&b, "vtd,nesting=on", false);
	assert_int_equal(domain_alloc(b.iommu, DOMAIN_NEST_PARENT, &d), 0);
	assert_ptr_equal(domain_pt(d)->ops, &pt_vtd_ss);
	domain_free(d);
	assert_int_equal(domain_alloc(b.iommu, DOMAIN_NEST_PARENT | DOMAIN_DIRTY, &d), 0);
	assert_ptr_equal(domain_pt(d)->ops, &pt_vtd_ss);
	domain_free(d);
	assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
	assert_ptr_equal(domain_pt(d)->ops, &pt_vtd_fs);
	domain_free(d);
	bed_destroy(&b);
	bed_create(&b, "vtd", false);
	assert_int_equal(domain_alloc(b.iommu, DOMAIN_NEST_PARENT, &d), -EOPNOTSUPP);
	assert_int_equal(iommu_create("vtd,nesting=on,dirty=off",
				      &(struct iommu_config){.memory = b.memory}, &failed, why,
				      sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, "scalable"));
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

	assert_int_equal(bits(i.efr, 1, 1), 1);	   /* PPRSup */
	assert_int_equal(bits(i.efr, 4, 3), 3);	   /* NXSup, GTSup */
	assert_int_equal(bits(i.efr, 6, 6), 1);	   /* IASup */
	assert_int_equal(bits(i.efr, 11, 10), 0);  /* HATS: 4 levels */
	assert_int_equal(bits(i.efr, 13, 12), 0);  /* GATS: 4 levels */
	assert_int_equal(bits(i.efr, 36, 32), 15); /* PASmax */
	assert_int_equal(bits(i.efr, 48, 48), 1);  /* GIOSup */
	assert_int_equal(bits(i.efr, 50, 50), 1);  /* EPHSup */
	assert_int_equal(bits(i.efr, 49, 49), 1);  /* HASup */
	assert_int_equal(bits(i.efr, 52, 52), 1);  /* HDSup */
	assert_int_equal(bits(i.efr, 63, 63), 0);  /* SNPSup */
	assert_int_equal(bits(i.efr, 15, 14), 1);  /* GLXSup: 2 levels for 16 bits */
	assert_int_equal(bits(i.efr2, 3, 3), 1);   /* GCR3TRPMode */
	assert_int_equal(bits(i.efr2, 11, 11), 0);

	assert_int_equal(bits(amd_info("amd,levels=5").efr, 11, 10), 1);
	assert_int_equal(bits(amd_info("amd,levels=6").efr, 11, 10), 2);
	i = amd_info("amd,guest-levels=5,pasid-bits=20");
	assert_int_equal(bits(i.efr, 13, 12), 1);
	assert_int_equal(bits(i.efr, 36, 32), 19);
	assert_int_equal(bits(i.efr, 15, 14), 2);
	i = amd_info("amd,guest-levels=0");
	assert_int_equal(bits(i.efr, 4, 4), 0);
	assert_int_equal(bits(i.efr, 36, 32), 0);
	assert_int_equal(bits(i.efr2, 3, 3), 0);
	assert_int_equal(bits(i.efr, 48, 48), 0);
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
		uint32_t flags;
	} rows[] = {{"amd,levels=4", (1ull << 48) - 1},
		    {"amd,levels=4", (1ull << 47) - 1, 8},
		    {"amd,levels=6,guest-levels=5", (1ull << 56) - 1, 8},
		    {"amd,guest-levels=5,pgtbl=v2", (1ull << 56) - 1},
		    {"amd,guest-levels=0,pgtbl=v2", (1ull << 48) - 1},
		    {"amd,levels=5", (1ull << 57) - 1},
		    {"amd,levels=6", UINT64_MAX}};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t start, last;
		struct domain *d;
		struct bed b;

		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, rows[n].flags, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(start, 0);
		assert_int_equal(last, rows[n].last);
		assert_int_equal(domain_page_sizes(d) & 0x4020f000,
				 domain_pt(d)->ops == &pt_amdv2 ? 0x40201000 : 0x4020f000);
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
		{"amd", 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 8},
		{"amd,dirty=off", 1u << 0 | 1u << 1 | 1u << 8},
		{"amd,guest-levels=0", 1u << 0 | 1u << 2},
		{"amd,pgtbl=v2", 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 8},
		{"smmuv3", 1u << 0 | 1u << 1 | 1u << 2 | 1u << 8 | 1u << 10},
		{"smmuv3,dirty=off", 1u << 0 | 1u << 1 | 1u << 8},
		{"smmuv3,stages=1", 1u << 0 | 1u << 2 | 1u << 8 | 1u << 10},
		{"smmuv3,stages=2", 1u << 0},
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

struct smmuv3_info {
	uint32_t flags, reserved, idr[6], iidr, aidr;
};

static struct smmuv3_info smmuv3_info(const char *text)
{
	struct smmuv3_info info;
	size_t len = sizeof(info);
	uint32_t type = 0;
	struct bed b;

	bed_create(&b, text, false);
	assert_int_equal(b.iommu->make->hw_info(b.iommu, 1, &type, &info, &len), -EOPNOTSUPP);
	assert_int_equal(b.iommu->make->hw_info(b.iommu, 2, &type, &info, &len), 0);
	assert_int_equal(type, 2);
	assert_int_equal(len, 40);
	bed_destroy(&b);
	return info;
}

/* IHI 0070, 6.3.1 to 6.3.6. */
static void test_smmuv3_registers(void **state)
{
	struct smmuv3_info i = smmuv3_info("smmuv3");

	assert_int_equal(bits(i.idr[0], 1, 0), 3);   /* S1P, S2P */
	assert_int_equal(bits(i.idr[0], 3, 2), 2);   /* TTF: AArch64 */
	assert_int_equal(bits(i.idr[0], 4, 4), 1);   /* COHACC */
	assert_int_equal(bits(i.idr[0], 7, 6), 2);   /* HTTU */
	assert_int_equal(bits(i.idr[0], 10, 10), 1); /* ATS */
	assert_int_equal(bits(i.idr[0], 16, 16), 0); /* PRI */
	assert_int_equal(bits(i.idr[0], 25, 24), 1); /* no stalls */
	assert_int_equal(bits(i.idr[1], 5, 0), 16);  /* SIDSIZE */
	assert_int_equal(bits(i.idr[1], 10, 6), 20); /* SSIDSIZE */
	assert_int_equal(bits(i.idr[3], 8, 8), 1);   /* FWB */
	assert_int_equal(bits(i.idr[5], 2, 0), 5);   /* OAS: 48 */
	assert_int_equal(bits(i.idr[5], 6, 4), 7);   /* all granules */

	assert_int_equal(bits(i.idr[3], 10, 10), 1); /* RIL */

	i = smmuv3_info("smmuv3,ats=off,ril=off,stall=on,ssid-bits=16");
	assert_int_equal(bits(i.idr[0], 10, 10), 0);
	assert_int_equal(bits(i.idr[0], 25, 24), 0);
	assert_int_equal(bits(i.idr[1], 10, 6), 16);
	assert_int_equal(bits(i.idr[3], 10, 10), 0);

	i = smmuv3_info("smmuv3,stages=1,oas=40,dirty=off,pasid-bits=8");
	assert_int_equal(bits(i.idr[0], 1, 0), 2);
	assert_int_equal(bits(i.idr[0], 7, 6), 0);
	assert_int_equal(bits(i.idr[0], 18, 18), 0); /* VMID16 */
	assert_int_equal(bits(i.idr[1], 10, 6), 8);
	assert_int_equal(bits(i.idr[3], 8, 8), 0);
	assert_int_equal(bits(i.idr[5], 2, 0), 2);
	i = smmuv3_info("smmuv3,stages=2");
	assert_int_equal(bits(i.idr[0], 1, 0), 1);
	assert_int_equal(bits(i.idr[1], 10, 6), 0); /* no substreams without a stage 1 */
}

static void test_smmuv3_domains(void **state)
{
	static const struct {
		const char *text;
		uint32_t flags;
		uint64_t last;
		unsigned int levels;
	} rows[] = {
		{"smmuv3", 0, (1ull << 48) - 1, 4},
		{"smmuv3", 1, (1ull << 48) - 1, 4},
		{"smmuv3,oas=44", 1, (1ull << 44) - 1, 4},
		{"smmuv3,oas=40", 1, (1ull << 40) - 1, 3}, /* two tables side by side */
		{"smmuv3,oas=42", 1, (1ull << 42) - 1, 3},
		{"smmuv3,stages=2,oas=40", 0, (1ull << 40) - 1, 3},
		{"smmuv3,oas=40", 0, (1ull << 48) - 1, 4},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct iommu_region r[2];
		uint64_t start, last;
		struct domain *d;
		struct bed b;

		bed_create(&b, rows[n].text, false);
		assert_int_equal(domain_alloc(b.iommu, rows[n].flags, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(start, 0);
		assert_int_equal(last, rows[n].last);
		assert_int_equal(pt_levels(domain_pt(d)), rows[n].levels);
		assert_int_equal(domain_page_sizes(d), 0x40201000);
		assert_int_equal(domain_enforce_coherency(d), 0);
		domain_free(d);
		assert_int_equal(b.iommu->make->regions(b.iommu, r, 2), 1);
		assert_int_equal(r[0].start, 0x8000000);
		assert_int_equal(r[0].last, 0x80fffff);
		assert_true(r[0].msi);
		bed_destroy(&b);
	}
}

/* PASIDs stand beside a stage 1 or nothing, and are stage 1 themselves. */
static void test_smmuv3_attach(void **state)
{
	struct domain *one, *two;
	struct requester *r;
	struct bed b;

	bed_create(&b, "smmuv3", false);
	assert_int_equal(domain_alloc(b.iommu, 0, &one), 0);
	assert_int_equal(domain_alloc(b.iommu, 1, &two), 0);
	assert_int_equal(
		requester_create_with(
			b.iommu, &(struct requester_config){.rid = 0x100, .pasid_bits = 20}, &r),
		0);
	assert_int_equal(requester_attach_pasid(r, 5, two), -EINVAL);
	assert_int_equal(requester_attach(r, two), 0);
	assert_int_equal(requester_attach_pasid(r, 5, one), -EINVAL);
	assert_int_equal(requester_attach(r, one), 0);
	assert_int_equal(requester_attach_pasid(r, 5, one), 0);
	assert_int_equal(requester_attach(r, two), -EBUSY);
	assert_ptr_equal(requester_domain(r), one);
	assert_int_equal(requester_attach_pasid(r, 5, NULL), 0);
	assert_int_equal(requester_attach(r, two), 0);
	assert_int_equal(requester_attach(r, NULL), 0);
	assert_int_equal(requester_attach_pasid(r, 5, one), 0);
	assert_int_equal(requester_attach_pasid(r, 5, NULL), 0);
	requester_destroy(r);
	domain_free(one);
	domain_free(two);
	bed_destroy(&b);
}

/* Makes that Linux gives no type: NONE, whatever is asked for; no flags; no interrupt window. */
static void test_plain_makes(void **state)
{
	static const struct {
		const char *text;
		uint64_t last, sizes;
		size_t nr_regions;
		struct iommu_region regions[2];
	} rows[] = {
		{"riscv", (1ull << 47) - 1, 0x8040211000, 0},
		{"riscv,va=39", (1ull << 38) - 1, 0x40211000, 0},
		{"riscv,va=57,svpbmt=off", (1ull << 56) - 1, 0x1008040211000, 0},
		{"s390", (1ull << 42) - 1, 0x1000, 1, {{0, 0xffffffff}}},
		{"s390,start-dma=0", (1ull << 42) - 1, 0x1000, 0},
		{"s390,tables=rs", (1ull << 53) - 1, 0x1000, 1, {{0, 0xffffffff}}},
		{"s390,tables=rf",
		 UINT64_MAX,
		 0x1000,
		 2,
		 {{0, 0xffffffff}, {1ull << 57, UINT64_MAX}}},
		{"s390,tables=rf,aperture=8G",
		 (1ull << 42) - 1,
		 0x1000,
		 2,
		 {{0, 0xffffffff}, {3ull << 32, (1ull << 42) - 1}}},
		{"s390,start-dma=0,end-dma=0x3ffffffffff", (1ull << 42) - 1, 0x1000, 0},
		{"power", (1ull << 48) - 1, 0x1000, 0},
		{"power,levels=1", (1ull << 31) - 1, 0x1000, 0},
		{"power,levels=1,window=64G", (1ull << 36) - 1, 0x1000, 0},
		{"power,levels=5", (1ull << 54) - 1, 0x1000, 0},
		{"power,levels=2,window=1M", (1ull << 20) - 1, 0x1000, 0},
		{"power,levels=2,window=64T", (1ull << 46) - 1, 0x1000, 0},
		{"power,page=64K,levels=3", (1ull << 43) - 1, 0x10000, 0},
		{"power,page=2M,levels=2,window=64G", (1ull << 36) - 1, 0x200000, 0},
		{"power,page=16M,levels=2", (1ull << 42) - 1, 0x1000000, 0},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct iommu_region r[4] = {0};
		uint64_t start, last;
		uint32_t type = 9;
		size_t len = 16;
		struct domain *d;
		struct bed b;
		char buf[16];

		bed_create(&b, rows[n].text, false);
		assert_int_equal(b.iommu->make->hw_info(b.iommu, 1, &type, buf, &len), 0);
		assert_int_equal(type, 0);
		assert_int_equal(len, 0);
		assert_int_equal(b.iommu->make->regions(b.iommu, r, 4), rows[n].nr_regions);
		for (size_t k = 0; k < rows[n].nr_regions; k++) {
			assert_int_equal(r[k].start, rows[n].regions[k].start);
			assert_int_equal(r[k].last, rows[n].regions[k].last);
			assert_false(r[k].msi);
		}
		for (uint32_t flags = 1; flags < 16; flags++)
			assert_int_equal(domain_alloc(b.iommu, flags, &d), -EOPNOTSUPP);
		assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
		domain_aperture(d, &start, &last);
		assert_int_equal(start, 0);
		assert_int_equal(last, rows[n].last);
		assert_int_equal(domain_page_sizes(d), rows[n].sizes);
		assert_int_equal(domain_enforce_coherency(d), -EINVAL);
		domain_free(d);
		bed_destroy(&b);
	}
}

/* 4.2 of the RISC-V specification; zPCI's event codes; a frozen endpoint's state. */
static void test_fault_codes(void **state)
{
	static const struct {
		const char *text;
		enum iommu_fault_reason reason;
		enum iommu_access access;
		uint64_t iova;
		uint32_t code;
	} rows[] = {
		{"smmuv3", FAULT_BLOCKED, IOMMU_READ, 0, 0},
		{"smmuv3", FAULT_NOT_PRESENT, IOMMU_READ, 0, 0x10},
		{"smmuv3", FAULT_WRITE, IOMMU_WRITE, 0, 0x13},
		{"smmuv3", FAULT_MSI, IOMMU_READ, 0x8000000, 0x13},
		{"riscv", FAULT_BLOCKED, IOMMU_READ, 0, 258},
		{"riscv", FAULT_ADDRESS, IOMMU_READ, 0, 13},
		{"riscv", FAULT_NOT_PRESENT, IOMMU_READ, 0, 13},
		{"riscv", FAULT_NOT_PRESENT, IOMMU_WRITE, 0, 15},
		{"riscv", FAULT_NOT_PRESENT, IOMMU_ATOMIC, 0, 15},
		{"riscv", FAULT_WRITE, IOMMU_ATOMIC, 0, 15},
		{"riscv", FAULT_GONE, IOMMU_READ, 0, 5},
		{"riscv", FAULT_GONE, IOMMU_WRITE, 0, 7},
		{"riscv", FAULT_BUS_MASTER, IOMMU_WRITE, 0, 0},
		{"s390", FAULT_BLOCKED, IOMMU_READ, 1ull << 33, 1},
		{"s390", FAULT_NOT_PRESENT, IOMMU_READ, 1ull << 33, 7},
		{"s390", FAULT_NOT_PRESENT, IOMMU_READ, 0xfffff000, 2},
		{"s390", FAULT_ADDRESS, IOMMU_WRITE, 1ull << 42, 2},
		{"s390", FAULT_WRITE, IOMMU_WRITE, 1ull << 33, 4},
		{"s390", FAULT_NO_PEER, IOMMU_WRITE, 1ull << 33, 0},
		{"power", FAULT_BLOCKED, IOMMU_WRITE, 0, 0x80000000},
		{"power", FAULT_NOT_PRESENT, IOMMU_READ, 0, 0x82000000},
		{"power", FAULT_WRITE, IOMMU_WRITE, 0, 0x80000000},
		{"power", FAULT_BUS_MASTER, IOMMU_READ, 0, 0},
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		struct iommu_fault f = {.iova = rows[n].iova,
					.len = 8,
					.access = rows[n].access,
					.reason = rows[n].reason};
		struct bed b;

		bed_create(&b, rows[n].text, false);
		assert_int_equal(b.iommu->make->fault_code(b.iommu, &f), rows[n].code);
		bed_destroy(&b);
	}
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
		{"amd,guest-levels=3", "guest-levels=3", "0, 4 or 5"},
		{"amd,pgtbl=v3", "pgtbl=v3", "v2"},
		{"amd,nesting=on,guest-levels=0", "nesting=on", "guest-levels"},
		{"amd,pri=on", "pri=on", "ats=on"},
		{"vtd,pri=on", "pri=on", "ats=on"},
		{"vtd,ats=on,pri=on,dirty=off", "pri=on", "dirty=on"},
		{"smmuv3,cmdqv=on,nesting=off", "cmdqv=on", "nesting=on"},
		{"smmuv3,stages=3", "stages=3", "both"},
		{"smmuv3,oas=41", "oas=41", "42"},
		{"riscv,va=47", "va=47", "48"},
		{"s390,tables=st", "tables=st", "rf"},
		{"s390,start-dma=1", "start-dma=1", "page"},
		{"s390,end-dma=0xffff", "end-dma=0xffff", "page"},
		{"s390,aperture=1", "aperture=1", "4K"},
		{"power,page=8K", "page=8K", "16M"},
		{"power,window=3G", "window=3G", "power of two"},
		{"power,levels=1,window=1T", "window=1T", "2^36"},
		{"power,levels=2,window=4K", "window=4K", "2^13"},
		{"power,page=16M,levels=5", "levels=5", "fewer"},
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
		cmocka_unit_test(test_vtd_default),	 cmocka_unit_test(test_vtd_first_stage),
		cmocka_unit_test(test_vtd_layout),	 cmocka_unit_test(test_vtd_widths),
		cmocka_unit_test(test_vtd_huge),	 cmocka_unit_test(test_vtd_switches),
		cmocka_unit_test(test_vtd_nesting),	 cmocka_unit_test(test_amd_registers),
		cmocka_unit_test(test_amd_aperture),	 cmocka_unit_test(test_hw_info_edges),
		cmocka_unit_test(test_regions),		 cmocka_unit_test(test_flags),
		cmocka_unit_test(test_smmuv3_registers), cmocka_unit_test(test_smmuv3_domains),
		cmocka_unit_test(test_smmuv3_attach),	 cmocka_unit_test(test_plain_makes),
		cmocka_unit_test(test_fault_codes),	 cmocka_unit_test(test_coherency),
		cmocka_unit_test(test_wrong_options),	 cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VT-d's guest forgets to invalidate is found: of our own vIOMMU, and of Linux's kind. */
#include "stale_bed.h"
#include "vtd_guest.h"

#define VA	 0x123456789000ull
#define DEF	 (FS_P | FS_RW | FS_US)
#define SCALABLE (1ull << 10)
#define CAP	 (6ull << 8 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 1ull << 56)
#define ECAP                                                                                       \
	(2ull | 1ull << 2 | 1ull << 6 | 1ull << 30 | 1ull << 31 | 1ull << 34 | 19ull << 35 |       \
	 1ull << 40 | 1ull << 43 | 1ull << 45 | 1ull << 46 | 1ull << 47)
#define SOURCE ((uint64_t)VTD_RID << 32)

struct fixture {
	struct guest g;
	struct listener l;
	struct vtd_config c;
	uint64_t root[2], page[2];
};

static void make_tables(struct fixture *f)
{
	for (unsigned int n = 0; n < 2; n++) {
		f->root[n] = guest_alloc(&f->g, 4096);
		f->page[n] = guest_alloc(&f->g, 4096);
		*guest_word(&f->g, vtd_entry(&f->g, f->root[n], 4, VA, 0)) = f->page[n] | DEF;
	}
}

/* The RID, and PASID 7, by the tables of root[0] and domain ID 5. */
static void begin(struct fixture *f, bool ats)
{
	guest_begin(&f->g, "vtd,nesting=on,ats=on");
	if (ats)
		assert_int_equal(requester_add_ats(f->g.r, false), 0);
	vtd_viommu(&f->g, CAP, ECAP);
	f->c = vtd_scalable_config(&f->g);
	make_tables(f);
	vtd_pasid(&f->g, &f->c, 0, 5, f->root[0], 0);
	vtd_pasid(&f->g, &f->c, 7, 5, f->root[0], 0);
	*guest_word(&f->g, f->c.context + (VTD_RID & 0x7f) * 32) |= 1 << 2; /* DTE */
	assert_int_equal(vtd_attach_root(&f->g, f->c.root | SCALABLE), 0);
	listen_to(&f->l, f->g.r, f->g.bed.memory, GRACE_MS, 0);
	assert_int_equal(use(&f->l, 0, VA), 0);
	assert_int_equal(use(&f->l, 7, VA), 0);
}

static void end(struct fixture *f)
{
	listen_no_more(&f->l);
	guest_end(&f->g);
}

static uint64_t *leaf(struct fixture *f)
{
	return guest_word(&f->g, vtd_entry(&f->g, f->root[0], 4, VA, 0));
}

static void test_page(void **state)
{
	struct fixture f;

	begin(&f, false);
	*leaf(&f) = f.page[1] | DEF;
	expect_found(&f.l, 7, VA, FINDING_DMA_STALE_IOTLB, "lead to guest physical address",
		     "PASID-based-IOTLB Invalidate Descriptor of domain ID 5, PASID 7, address "
		     "0x123456789000");
	vtd_forget(&f.g, 0x26 | 5 << 16 | 7ull << 32, 0);
	expect_silent(&f.l, 7, VA);
	end(&f);

	begin(&f, false);
	*leaf(&f) = (f.page[0] | DEF) & ~FS_RW;
	vtd_forget(&f.g, 0x26 | 6 << 16, 0); /* another domain */
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, "permit no write any more",
		     "PASID-based-IOTLB Invalidate Descriptor of domain ID 5, PASID 0");
	end(&f);

	/* Invalidated within the grace time. */
	begin(&f, false);
	*leaf(&f) = f.page[1] | DEF;
	assert_int_equal(use(&f.l, 0, VA), 0);
	vtd_forget(&f.g, 0x26 | 5 << 16, 0);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

static void test_config(void **state)
{
	struct fixture f;

	begin(&f, false);
	vtd_pasid(&f.g, &f.c, 7, 6, f.root[1], 0);
	expect_found(&f.l, 7, VA, FINDING_DMA_STALE_IOTLB, "through a stale configuration",
		     "PASID-cache Invalidate Descriptor of domain ID 5, PASID 7");
	expect_silent(&f.l, 0, VA);
	vtd_forget(&f.g, 0x37, 0);
	expect_silent(&f.l, 7, VA);
	end(&f);

	/* Not present: what has no configuration any more. */
	begin(&f, false);
	memset(guest_word(&f.g, f.c.table + 7 * 64), 0, 64);
	expect_found(&f.l, 7, VA, FINDING_DMA_STALE_IOTLB, "no valid configuration",
		     "PASID-cache Invalidate");
	assert_int_equal(f.g.nr_events, 0);
	end(&f);
}

static void test_device_tlb(void **state)
{
	struct fixture f;

	begin(&f, true);
	assert_true(*requester_ats(f.g.r));
	*leaf(&f) = f.page[1] | DEF;
	vtd_forget(&f.g, 0x26 | 5 << 16, 0);
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_ATC, "its own cache",
		     "Device-TLB Invalidate Descriptor of source ID 0x1a3, address 0x123456789000");
	vtd_forget(&f.g, 0x03 | SOURCE, VA);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

/* Linux's kind: the VMM does not hand the guest's descriptor on. */
static void test_s1(void **state)
{
	struct fixture f;

	guest_begin(&f.g, "vtd,nesting=on");
	make_tables(&f);
	assert_int_equal(vtd_attach_s1(&f.g, 0, f.root[0], 48), 0);
	listen_to(&f.l, f.g.r, f.g.bed.memory, GRACE_MS, 0);
	assert_int_equal(use(&f.l, 0, VA), 0);
	*leaf(&f) = 0;
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, "have nothing there any more",
		     "IOMMU_HWPT_INVALIDATE of address 0x123456789000");
	*leaf(&f) = f.page[1] | DEF;
	assert_int_equal(vtd_s1_invalidate(&f.g, VA, 1, 0), 0);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_device_tlb),
		cmocka_unit_test(test_s1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

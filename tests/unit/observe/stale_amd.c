/* SPDX-License-Identifier: BSD-3-Clause */
/* What an AMD guest forgets to invalidate is found: host and guest tables, device table, IOTLB. */
#include "stale_bed.h"
#include "amd_guest.h"

#define MAKE	   "amd,nesting=on,levels=6,guest-levels=5,pasid-bits=20,ats=on"
#define EVERYTHING 0x7ffffffffffff001ull
#define SPACE	   1u
#define DOMAIN	   (100u + SPACE)
#define VA	   0x12345000ull

enum { DEVTAB = 2, IOMMU_PAGES = 3, IOTLB_PAGES = 4 };

struct fixture {
	struct guest g;
	struct listener l;
	uint64_t page[2];
	uint64_t *leaf;
};

static uint64_t op(unsigned int n)
{
	return (uint64_t)n << 60;
}

static uint16_t device_id(struct fixture *f)
{
	return (uint16_t)f->g.device[0].vdevice.vdevice.virt_id;
}

/* Host tables of four levels. */
static void begin(struct fixture *f, bool ats)
{
	struct guest *g = &f->g;
	uint64_t *d;

	guest_create(g, MAKE, true);
	if (ats)
		assert_int_equal(requester_add_ats(g->device[0].r, false), 0);
	for (unsigned int n = 0; n < 2; n++) {
		const uint64_t page = (FIRST_DATA + 5ull + n) << 12;

		f->page[n] = page | 1 | BIT(61) | BIT(62);
	}
	f->leaf = host_leaf(g, &g->space[SPACE], VA);
	*f->leaf = f->page[0];
	d = entry_of(g, 0);
	d[0] = 3 | BIT(61) | BIT(62) | g->space[SPACE].host[4] | 4 << 9;
	d[1] = DOMAIN | 1ull << 32;
	d[2] = d[3] = 0;
	command(g, op(DEVTAB) | device_id(f), 0);
	listen_to(&f->l, g->device[0].r, g->bed.memory, GRACE_MS, 0);
	assert_int_equal(use(&f->l, 0, VA), 0);
}

static void end(struct fixture *f)
{
	listen_no_more(&f->l);
	guest_destroy(&f->g);
}

static void test_page(void **state)
{
	struct fixture f;

	begin(&f, false);
	*f.leaf = f.page[1];
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)(DOMAIN + 1) << 32, EVERYTHING | 2);
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, VA + 4096);
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, "lead to guest physical address",
		     "INVALIDATE_IOMMU_PAGES of DomainID 101, address 0x12345000");
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, VA);
	expect_silent(&f.l, 0, VA);
	*f.leaf = 0;
	assert_int_equal(use(&f.l, 0, VA), 0);
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, VA);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

static void test_device_entry(void **state)
{
	struct fixture f;

	begin(&f, false);
	entry_of(&f.g, 0)[0] &= ~BIT(62); /* IW */
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, "permit no write any more",
		     "INVALIDATE_DEVTAB_ENTRY of DeviceID");
	end(&f);

	/* Illegal: the guest is told by nobody that only looks. */
	begin(&f, false);
	entry_of(&f.g, 0)[0] = 3 | BIT(61) | BIT(62) | 7 << 9;
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_IOTLB, "no valid configuration",
		     "INVALIDATE_DEVTAB_ENTRY of DeviceID");
	assert_int_equal(f.g.nr_events, 0);
	end(&f);

	begin(&f, false);
	entry_of(&f.g, 0)[0] &= ~BIT(62);
	assert_int_equal(use(&f.l, 0, VA), 0);
	command(&f.g, op(DEVTAB) | device_id(&f), 0);
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, EVERYTHING | 2);
	assert_int_not_equal(use(&f.l, 0, VA), 0);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

/* By a GCR3 table, in PASID 5. */
static void test_guest_tables(void **state)
{
	const unsigned int glx = 1, p = 2;
	struct fixture f;
	struct guest *g = &f.g;
	uint64_t gcr3, *d, *leaf, *e;

	begin(&f, false);
	gcr3 = g->space[SPACE].gcr3[glx];
	d = entry_of(g, 0);
	d[0] = 3 | BIT(61) | BIT(62) | BIT(55) | (uint64_t)glx << 56 | (gcr3 >> 12 & 7) << 58;
	d[1] = DOMAIN | (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43;
	d[2] = (uint64_t)(g->space[SPACE].levels - 4) << 54;
	command(g, op(DEVTAB) | device_id(&f), 0);
	command(g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, EVERYTHING | 2);
	e = word(g, gcr3 + (guest_pasids[p] >> 9 & 511) * 8);
	e = word(g, (*e & FIELD(51, 12)) + (guest_pasids[p] & 511) * 8);
	*e = g->root[SPACE][p] | 1;
	leaf = guest_leaf(g, g->root[SPACE][p], g->space[SPACE].levels, VA);
	*leaf = (f.page[0] & FIELD(51, 12)) | 7;
	assert_int_equal(use(&f.l, guest_pasids[p], VA), 0);
	*leaf = (f.page[1] & FIELD(51, 12)) | 7;
	expect_found(&f.l, guest_pasids[p], VA, FINDING_DMA_STALE_IOTLB,
		     "lead to guest physical address",
		     "INVALIDATE_IOMMU_PAGES with GN of DomainID 101, PASID");
	command(g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32 | guest_pasids[p], VA | 4);
	expect_silent(&f.l, guest_pasids[p], VA);
	end(&f);
}

static void test_iotlb(void **state)
{
	struct fixture f;

	begin(&f, true);
	if (!*requester_ats(f.g.device[0].r))
		requester_set_ats(f.g.device[0].r, true);
	assert_int_equal(use(&f.l, 0, VA), 0);
	*f.leaf = f.page[1];
	command(&f.g, op(IOMMU_PAGES) | (uint64_t)DOMAIN << 32, VA);
	expect_found(&f.l, 0, VA, FINDING_DMA_STALE_ATC, "its own cache",
		     "INVALIDATE_IOTLB_PAGES of DeviceID");
	command(&f.g, op(IOTLB_PAGES) | device_id(&f), VA);
	expect_silent(&f.l, 0, VA);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_device_entry),
		cmocka_unit_test(test_guest_tables),
		cmocka_unit_test(test_iotlb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

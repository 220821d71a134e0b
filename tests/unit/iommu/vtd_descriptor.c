/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VT-d's queued invalidation descriptors: each type, each granularity, each reserved bit, and bytes
 * at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/vtd/descriptor.h"

static const struct vtd_ids everything = {
	.cap = VTD_CAP_PSI | 18ull << 48,
	.ecap = VTD_ECAP_DT | VTD_ECAP_IR | VTD_ECAP_PRS | VTD_ECAP_SMTS,
};

struct row {
	const char *name;
	uint64_t w0, w1;
	bool good;
	struct vtd_descriptor d; /* what it says, when it is */
};

#define ALL_PAGES .first = 0, .last = U64MAX

static const struct row rows[] = {
	{"type 0", 0, 0, false},
	{"context, G 0", 0x01, 0, false},
	{"context, all", 0x11, 0, true, {.type = VTD_QI_CONTEXT, .scope = VTD_ALL}},
	{"context, domain",
	 0x12340021,
	 0,
	 true,
	 {.type = VTD_QI_CONTEXT, .scope = VTD_OF_DOMAIN, .did = 0x1234}},
	{"context, device",
	 0x2abcd12340031,
	 0,
	 true,
	 {.type = VTD_QI_CONTEXT,
	  .scope = VTD_OF_DEVICE,
	  .did = 0x1234,
	  .rid = 0xabcd,
	  .rid_mask = 6}},
	{"context, reserved", 0x51, 0, false},
	{"context, reserved", 0x1011, 0, false},
	{"context, word 1", 0x11, 1, false},
	{"IOTLB, G 0", 0x02, 0, false},
	{"IOTLB, all", 0x12, 0, true, {.type = VTD_QI_IOTLB, .scope = VTD_ALL, ALL_PAGES}},
	{"IOTLB, domain, drains",
	 0x123400e2,
	 0,
	 true,
	 {.type = VTD_QI_IOTLB, .scope = VTD_OF_DOMAIN, .did = 0x1234, ALL_PAGES}},
	{"IOTLB, pages",
	 0x12340032,
	 0x7fffe003,
	 true,
	 {.type = VTD_QI_IOTLB,
	  .scope = VTD_OF_PAGES,
	  .did = 0x1234,
	  .first = 0x7fff8000,
	  .last = 0x7fffffff}},
	{"IOTLB, pages, IH",
	 0x32,
	 0x1040,
	 true,
	 {.type = VTD_QI_IOTLB,
	  .scope = VTD_OF_PAGES,
	  .leaf = true,
	  .first = 0x1000,
	  .last = 0x1fff}},
	{"IOTLB, the largest AM",
	 0x32,
	 18,
	 true,
	 {.type = VTD_QI_IOTLB, .scope = VTD_OF_PAGES, .last = 0x3fffffff}},
	{"IOTLB, beyond MAMV", 0x32, 19, false},
	{"IOTLB, reserved", 0x112, 0, false},
	{"IOTLB, reserved", 0x12, 0x80, false},
	{"device TLB",
	 0x30003,
	 0x5000,
	 true,
	 {.type = VTD_QI_DEVICE_TLB, .scope = VTD_OF_PAGES, .first = 0x5000, .last = 0x5fff}},
	{"device TLB, SID",
	 0xfff0abcd0005f003,
	 0x6001,
	 true,
	 {.type = VTD_QI_DEVICE_TLB,
	  .scope = VTD_OF_PAGES,
	  .rid = 0xabcd,
	  .first = 0x6000,
	  .last = 0x7fff}},
	{"device TLB, 8 pages",
	 3,
	 0x13001,
	 true,
	 {.type = VTD_QI_DEVICE_TLB, .scope = VTD_OF_PAGES, .first = 0x10000, .last = 0x17fff}},
	{"device TLB, all",
	 3,
	 0x7ffffffffffff001,
	 true,
	 {.type = VTD_QI_DEVICE_TLB, .scope = VTD_OF_PAGES, ALL_PAGES}},
	{"device TLB, all",
	 3,
	 0xfffffffffffff001,
	 true,
	 {.type = VTD_QI_DEVICE_TLB, .scope = VTD_OF_PAGES, ALL_PAGES}},
	{"device TLB, reserved", 0x13, 0, false},
	{"device TLB, reserved", 3, 2, false},
	{"interrupts", 0x1234f8000014, 0, true, {.type = VTD_QI_INTERRUPT}},
	{"interrupts, reserved", 0x24, 0, false},
	{"wait", 0x05, 0, true, {.type = VTD_QI_WAIT}},
	{"wait, status",
	 0x1234567800000065,
	 0x89ab0004,
	 true,
	 {.type = VTD_QI_WAIT, .writes = true, .status = 0x12345678, .status_addr = 0x89ab0004}},
	{"wait, interrupt, drain", 0x95, 0, true, {.type = VTD_QI_WAIT, .interrupt = true}},
	{"wait, reserved", 0x105, 0, false},
	{"wait, reserved address", 0x25, 2, false},
	{"PASID IOTLB, G 0", 0x06, 0, false},
	{"PASID IOTLB, G 1", 0x16, 0, false},
	{"PASID IOTLB, PASID",
	 0xabcde12340026,
	 0,
	 true,
	 {.type = VTD_QI_PASID_IOTLB,
	  .scope = VTD_OF_PASID,
	  .did = 0x1234,
	  .pasid = 0xabcde,
	  ALL_PAGES}},
	{"PASID IOTLB, pages",
	 0xabcde12340036,
	 0xffff800000003041,
	 true,
	 {.type = VTD_QI_PASID_IOTLB,
	  .scope = VTD_OF_PAGES,
	  .did = 0x1234,
	  .pasid = 0xabcde,
	  .leaf = true,
	  .first = 0xffff800000002000,
	  .last = 0xffff800000003fff}},
	{"PASID IOTLB, beyond MAMV", 0x36, 19, false},
	{"PASID IOTLB, reserved", 0x10000000000026, 0, false},
	{"PASID cache, domain",
	 0x12340007,
	 0,
	 true,
	 {.type = VTD_QI_PASID_CACHE, .scope = VTD_OF_DOMAIN, .did = 0x1234}},
	{"PASID cache, PASID",
	 0x512340017,
	 0,
	 true,
	 {.type = VTD_QI_PASID_CACHE, .scope = VTD_OF_PASID, .did = 0x1234, .pasid = 5}},
	{"PASID cache, G 2", 0x27, 0, false},
	{"PASID cache, all", 0x37, 0, true, {.type = VTD_QI_PASID_CACHE, .scope = VTD_ALL}},
	{"PASID cache, reserved", 0x37, 1, false},
	{"PASID device TLB",
	 0x5abcdf1f8,
	 0x6801,
	 true,
	 {.type = VTD_QI_PASID_DEVICE_TLB,
	  .scope = VTD_OF_PAGES,
	  .rid = 0xabcd,
	  .pasid = 5,
	  .all_pasids = true,
	  .first = 0x6000,
	  .last = 0x7fff}},
	{"PASID device TLB, one page",
	 0x5abcd0008,
	 0x6000,
	 true,
	 {.type = VTD_QI_PASID_DEVICE_TLB,
	  .scope = VTD_OF_PAGES,
	  .rid = 0xabcd,
	  .pasid = 5,
	  .first = 0x6000,
	  .last = 0x6fff}},
	{"PASID device TLB, reserved", 8, 2, false},
	{"page group response, without the registers for it", 9, 0, false},
	{"type 15", 0xf, 0, false},
	{"an extended type", 0x211, 0, false},
};

static void check(const struct row *r, const struct vtd_descriptor *d)
{
	const struct vtd_descriptor *w = &r->d;

	if (d->type != w->type || d->scope != w->scope || d->did != w->did || d->rid != w->rid ||
	    d->rid_mask != w->rid_mask || d->pasid != w->pasid || d->leaf != w->leaf ||
	    d->all_pasids != w->all_pasids || d->first != w->first || d->last != w->last ||
	    d->interrupt != w->interrupt || d->writes != w->writes || d->status != w->status ||
	    d->status_addr != w->status_addr)
		fail_msg(
			"%s: type %d scope %d did 0x%x rid 0x%x mask %u pasid 0x%x [0x%llx, 0x%llx]",
			r->name, d->type, d->scope, d->did, d->rid, d->rid_mask, d->pasid,
			(unsigned long long)d->first, (unsigned long long)d->last);
}

static void test_rows(void **state)
{
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		uint64_t raw[4] = {rows[k].w0, rows[k].w1};
		struct vtd_descriptor d;

		for (unsigned int words = 2; words <= 4; words += 2) {
			if (vtd_descriptor_decode(&everything, raw, words, &d) != rows[k].good)
				fail_msg("%s: %s", rows[k].name,
					 rows[k].good ? "refused" : "taken");
			if (rows[k].good)
				check(&rows[k], &d);
		}
		raw[2 + k % 2] = 1;
		assert_false(vtd_descriptor_decode(&everything, raw, 4, &d));
	}
}

/* What the hardware does not have, its queue does not know. */
static void test_capabilities(void **state)
{
	static const struct {
		uint64_t cap, ecap, w0;
	} missing[] = {
		{VTD_CAP_PSI, 0, 0x32},	  {0, VTD_ECAP_DT, 0x03},   {0, VTD_ECAP_DT, 0x08},
		{0, VTD_ECAP_IR, 0x04},	  {0, VTD_ECAP_PRS, 0x85},  {0, VTD_ECAP_SMTS, 0x26},
		{0, VTD_ECAP_SMTS, 0x37}, {0, VTD_ECAP_SMTS, 0x08},
	};

	for (size_t k = 0; k < ARRAY_SIZE(missing); k++) {
		const struct vtd_ids ids = {.cap = everything.cap & ~missing[k].cap,
					    .ecap = everything.ecap & ~missing[k].ecap};
		const uint64_t raw[2] = {missing[k].w0};
		struct vtd_descriptor d;

		assert_true(vtd_descriptor_decode(&everything, raw, 2, &d));
		assert_false(vtd_descriptor_decode(&ids, raw, 2, &d));
	}
}

static void test_random(void **state)
{
	uint64_t seed = 7;
	unsigned int good = 0;

	for (unsigned int k = 0; k < 1000000; k++) {
		uint64_t raw[4] = {0};
		struct vtd_descriptor d;

		for (unsigned int n = 0; n < 2; n++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			raw[n] = seed >> 20;
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			raw[n] = (raw[n] ^ seed << 22) & (k % 2 ? 0x000fffff0000007full : U64MAX);
		}
		if (!vtd_descriptor_decode(&everything, raw, 2, &d))
			continue;
		good++;
		assert_in_range(d.type, VTD_QI_CONTEXT, VTD_QI_PASID_DEVICE_TLB);
		assert_true(d.first <= d.last);
		assert_in_range(d.pasid, 0, 0xfffff);
		assert_int_equal(d.status_addr & 3, 0);
	}
	assert_in_range(good, 1000, 900000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("iommu/vtd_descriptor", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our own vIOMMU of a VT-d: a guest's whole configuration is walked, its descriptors are carried
 * out by call and from its queue, and its faults come to it. A walker without caches tells what is
 * right.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/bits.h"
#include "iommu/domain.h"
#include "vtd_guest.h"

#define READ	 IOMMU_READ
#define WRITE	 IOMMU_WRITE
#define VA	 0x123456789000ull
#define DEF	 (FS_P | FS_RW | FS_US)
#define SCALABLE (1ull << 10)
#define OPTIONS	 "vtd,nesting=on"

/* As "vtd,nesting=on" reports: SAGAW 39 and 48, 2 MiB and 1 GiB, PSI, MAMV 18, FS1GP. */
#define CAP (6ull << 8 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 1ull << 56)
/* QI, PT, SRS, EAFS, PSS 19, PASID, SMTS, SSADS, SSTS, FSTS; and ERS, which is the engine's. */
#define ECAP                                                                                       \
	(2ull | 1ull << 6 | 1ull << 30 | 1ull << 31 | 1ull << 34 | 19ull << 35 | 1ull << 40 |      \
	 1ull << 43 | 1ull << 45 | 1ull << 46 | 1ull << 47)

static void begin(struct guest *g)
{
	guest_begin(g, OPTIONS);
	vtd_viommu(g, CAP, ECAP);
}

/* A guest is told of nothing that the host has not, and of no nesting. */
static void test_init(void **state)
{
	static const struct {
		uint64_t cap, ecap;
		int rc;
	} rows[] = {
		{CAP, ECAP, 0},
		{0, 0, 0},
		{CAP, ECAP | 1ull << 49 | 1ull << 52 | 1ull << 53, 0}, /* RPS, ADMS, RPRIVS */
		{CAP, ECAP | 1ull << 26, -EINVAL},		       /* NEST */
		{CAP, ECAP | 1ull << 2, -EINVAL},		       /* DT */
		{CAP | 8ull << 8, ECAP, -EINVAL},		       /* 57 bits */
		{CAP | 4ull << 34, ECAP, -EINVAL},		       /* leaves of 512 GiB */
		{CAP | 1ull << 60, ECAP, -EINVAL},		       /* FS5LP */
		{CAP, ECAP + (1ull << 35), -EINVAL},		       /* PASIDs of 21 bits */
	};
	uint64_t data[4] = {CAP, ECAP};
	struct guest g;

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		guest_begin(&g, OPTIONS);
		data[0] = rows[k].cap;
		data[1] = rows[k].ecap;
		if (guest_viommu(&g, VTD_TYPE, data, sizeof(data)) != rows[k].rc)
			fail_msg("row %zu", k);
		guest_end(&g);
	}
	guest_begin(&g, OPTIONS);
	assert_int_equal(guest_viommu(&g, VTD_TYPE, NULL, 0), -EINVAL);
	assert_int_equal(guest_viommu(&g, VTD_TYPE, data, 24), -EINVAL);
	assert_int_equal(guest_viommu(&g, 1, data, sizeof(data)), -EOPNOTSUPP);
	guest_end(&g);
}

static void test_attach(void **state)
{
	struct guest g;

	begin(&g);
	assert_int_equal(vtd_attach_root(&g, GUEST_GPA | 1), -EINVAL);
	assert_int_equal(vtd_attach_root(&g, GUEST_GPA | 1 << 9), -EINVAL);
	assert_int_equal(vtd_attach_root(&g, GUEST_GPA | SCALABLE), 0);
	assert_int_equal(requester_attach_pasid(g.r, 3, g.nested), -EOPNOTSUPP);
	guest_detach(&g);
	guest_drop_vdevice(&g);
	assert_int_equal(vtd_attach_root(&g, GUEST_GPA), -ENOENT);
	guest_end(&g);
}

/* By the RID, which has PASID 0's entry, and by PASIDs, each with tables of its own. */
static void test_scalable(void **state)
{
	uint64_t root[3], target[3];
	struct vtd_config c;
	struct guest g;

	begin(&g);
	c = vtd_scalable_config(&g);
	for (uint32_t k = 0; k < 3; k++) {
		root[k] = guest_alloc(&g, 4096);
		target[k] = guest_alloc(&g, 4096);
		*guest_word(&g, vtd_entry(&g, root[k], 4, VA, 0)) = target[k] | DEF;
		vtd_pasid(&g, &c, k * 7, 5, root[k], 0);
	}
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	for (int twice = 0; twice < 2; twice++)
		for (uint32_t k = 0; k < 3; k++)
			assert_int_equal(guest_dma(&g, k * 7, VA + 8, WRITE),
					 (int64_t)target[k] + 8);
	guest_end(&g);
}

static void expect_record(struct guest *g, uint64_t fi, uint64_t high)
{
	assert_int_equal(g->event_type, VTD_TYPE);
	assert_int_equal((uint32_t)g->event[0], 1);
	assert_int_equal(g->event[1], fi);
	assert_int_equal(g->event[2], high | 1ull << 63 | VTD_RID);
}

/* Fault records, and whom they go to. */
static void test_faults(void **state)
{
	const uint64_t read = 1ull << 62;
	struct vtd_config c;
	struct guest g;
	uint64_t root;

	begin(&g);
	c = vtd_scalable_config(&g);
	root = guest_alloc(&g, 4096);
	vtd_pasid(&g, &c, 0, 5, root, 0);
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	assert_int_equal(guest_dma(&g, 0, VA + 0x123, READ), -1);
	expect_record(&g, VA, read | 0x71ull << 32);
	assert_int_equal(guest_dma(&g, 0, VA, WRITE), -1);
	expect_record(&g, VA, 0x71ull << 32);
	assert_int_equal(guest_dma(&g, 0, VA, READ | WRITE), -1);
	expect_record(&g, VA, read | 0x71ull << 32 | 1 << 28);
	assert_int_equal(guest_dma(&g, 9, VA, READ), -1);
	expect_record(&g, VA, read | 0x59ull << 32 | 1ull << 31 | 9ull << 40);
	vtd_pasid(&g, &c, 9, 5, root, 1 << 1); /* ERE, no SRE */
	assert_int_equal(guest_dma(&g, 9, VA, READ | IOMMU_EXEC), -1);
	expect_record(&g, VA, read | 0x71ull << 32 | 1ull << 31 | 1 << 30 | 9ull << 40);
	assert_int_equal(guest_dma(&g, 0x40, VA, READ), -1);
	expect_record(&g, VA, read | 0x51ull << 32 | 1ull << 31 | 0x40ull << 40);
	assert_int_equal(guest_dma(&g, 0x2000, VA, READ), -1);
	expect_record(&g, VA, read | 0x46ull << 32 | 1ull << 31 | 0x2000ull << 40);
	assert_int_equal(g.nr_events, 7);
	assert_int_equal(g.bed.nr_faults, 0); /* none is the host's */

	/* FPD keeps a qualified fault from being told. */
	*guest_word(&g, c.table) |= 2;
	vtd_forget(&g, 0x37, 0);
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	assert_int_equal(g.nr_events, 7);
	*guest_word(&g, c.table) &= ~2ull;
	vtd_forget(&g, 0x37, 0);
	/* Memory that the VMM does not give is the VMM's business; a table there is the guest's. */
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = 0x1000 | DEF;
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	assert_int_equal(g.nr_events, 7);
	assert_int_equal(g.bed.last_fault.code, 0x86);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 1)) = 0x1000 | DEF;
	vtd_forget(&g, 0x26 | 5 << 16, 0);
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	expect_record(&g, VA, read | 0x70ull << 32);
	/* Nobody reads: the host hears. */
	g.deaf = true;
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	assert_int_equal(g.nr_events, 8);
	assert_int_equal(g.bed.last_fault.code, 0x70);
	guest_end(&g);
}

/* TTM 3: without a word. */
static void test_abort(void **state)
{
	struct guest g;

	guest_begin(&g, OPTIONS);
	vtd_viommu(&g, CAP, ECAP | 1ull << 52);
	assert_int_equal(vtd_attach_root(&g, GUEST_GPA | 3 << 10), 0);
	assert_int_equal(guest_dma(&g, 0, VA, READ), -1);
	assert_int_equal(g.nr_events, 0);
	guest_end(&g);
}

/* Legacy mode: second-stage tables of the guest's own, three levels; then no tables. */
static void test_legacy(void **state)
{
	const uint64_t va = 0x3456789000;
	uint64_t root, context, tables, at, target;
	struct guest g;

	begin(&g);
	root = guest_alloc(&g, 4096);
	context = guest_alloc(&g, 4096);
	tables = guest_alloc(&g, 4096);
	target = guest_alloc(&g, 4096);
	at = context + (VTD_RID & 0xff) * 16;
	*guest_word(&g, root + (VTD_RID >> 8) * 16) = context | 1;
	*guest_word(&g, at) = tables | 1;
	*guest_word(&g, at + 8) = 7 << 8 | 1; /* 39 bits */
	*guest_word(&g, vtd_entry(&g, tables, 3, va, 0)) = target | 1;
	assert_int_equal(vtd_attach_root(&g, root), 0);
	assert_int_equal(guest_dma(&g, 0, va, READ), (int64_t)target);
	assert_int_equal(guest_dma(&g, 0, va, WRITE), -1);
	expect_record(&g, va, 0x05ull << 32);
	assert_int_equal(guest_dma(&g, 0, va + 4096, READ), -1);
	expect_record(&g, va + 4096, 1ull << 62 | 0x06ull << 32);
	assert_int_equal(guest_dma(&g, 0, 1ull << 39, READ), -1);
	expect_record(&g, 1ull << 39, 1ull << 62 | 0x04ull << 32);
	assert_int_equal(guest_dma(&g, 3, va, READ), -1);
	expect_record(&g, va, 1ull << 62 | 0x31ull << 32 | 1ull << 31 | 3ull << 40);

	*guest_word(&g, vtd_entry(&g, tables, 3, va, 0)) = target | 3;
	assert_int_equal(guest_dma(&g, 0, va, READ), (int64_t)target);
	vtd_forget(&g, 0x32 | 7 << 16, va);
	assert_int_equal(guest_dma(&g, 0, va, WRITE), (int64_t)target);

	*guest_word(&g, at) = 2 << 2 | 1; /* bypass */
	assert_int_equal(guest_dma(&g, 0, va, WRITE), (int64_t)target);
	vtd_forget(&g, 0x31 | (uint64_t)VTD_RID << 32, 0);
	assert_int_equal(guest_dma(&g, 0, target + 9, WRITE), (int64_t)target + 9);
	guest_end(&g);
}

/* What each descriptor makes forget of configurations, and that nothing else does. */
static void test_configuration(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0;
		bool forgets;
	} rows[] = {
		{"PASID cache, all", 0x37, true},
		{"PASID cache, domain", 0x07 | 5 << 16, true},
		{"PASID cache, PASID", 0x17 | 5 << 16 | 7ull << 32, true},
		{"PASID cache, another PASID", 0x17 | 5 << 16 | 8ull << 32, false},
		{"context cache, all", 0x11, true},
		{"context cache, device", 0x31 | (uint64_t)VTD_RID << 32, true},
		{"context cache, another function", 0x31 | (uint64_t)(VTD_RID ^ 1) << 32, false},
		{"context cache, all functions", 0x31 | (uint64_t)(VTD_RID ^ 1) << 32 | 3ull << 48,
		 true},
		{"IOTLB, all", 0x12, false},
		{"interrupts", 0x05, false}, /* a wait: orders, no more */
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		uint64_t root[2], target[2];
		struct vtd_config c;
		struct guest g;

		begin(&g);
		c = vtd_scalable_config(&g);
		for (unsigned int n = 0; n < 2; n++) {
			root[n] = guest_alloc(&g, 4096);
			target[n] = guest_alloc(&g, 4096);
			*guest_word(&g, vtd_entry(&g, root[n], 4, VA, 0)) = target[n] | DEF;
		}
		vtd_pasid(&g, &c, 7, 5, root[0], 0);
		assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
		assert_int_equal(guest_dma(&g, 7, VA, READ), (int64_t)target[0]);
		vtd_pasid(&g, &c, 7, 6, root[1], 0); /* another domain: other tags */
		assert_int_equal(guest_dma(&g, 7, VA, READ), (int64_t)target[0]);
		vtd_forget(&g, rows[k].w0, 0);
		if (guest_dma(&g, 7, VA, READ) != (int64_t)target[rows[k].forgets])
			fail_msg("%s", rows[k].name);
		guest_end(&g);
	}
}

static void test_translations(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0, w1;
		bool forgets;
	} rows[] = {
		{"IOTLB, all", 0x12, 0, true},
		{"IOTLB, domain", 0x22 | 5 << 16, 0, true},
		{"IOTLB, another domain", 0x22 | 6 << 16, 0, false},
		{"IOTLB, pages, which are a second stage's", 0x32 | 5 << 16, VA, false},
		{"PASID IOTLB", 0x26 | 5 << 16 | 7ull << 32, 0, true},
		{"PASID IOTLB, another domain", 0x26 | 6 << 16 | 7ull << 32, 0, false},
		{"PASID IOTLB, another PASID", 0x26 | 5 << 16 | 8ull << 32, 0, false},
		{"PASID IOTLB, page", 0x36 | 5 << 16 | 7ull << 32, VA, true},
		{"PASID IOTLB, page, IH", 0x36 | 5 << 16 | 7ull << 32, VA | 1 << 6, true},
		{"PASID IOTLB, another page", 0x36 | 5 << 16 | 7ull << 32, VA ^ 4096, false},
		{"PASID IOTLB, two pages", 0x36 | 5 << 16 | 7ull << 32, (VA ^ 4096) | 1, true},
		{"PASID cache, all", 0x37, 0, false},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		uint64_t root, target;
		struct vtd_config c;
		struct guest g;

		begin(&g);
		c = vtd_scalable_config(&g);
		root = guest_alloc(&g, 4096);
		target = guest_alloc(&g, 2 << 12);
		vtd_pasid(&g, &c, 7, 5, root, 0);
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | DEF;
		assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
		assert_int_equal(guest_dma(&g, 7, VA, READ), (int64_t)target);
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = (target + 4096) | DEF;
		assert_int_equal(guest_dma(&g, 7, VA, READ), (int64_t)target);
		vtd_forget(&g, rows[k].w0, rows[k].w1);
		if (guest_dma(&g, 7, VA, READ) != (int64_t)(target + (rows[k].forgets ? 4096 : 0)))
			fail_msg("%s", rows[k].name);
		guest_end(&g);
	}
}

/* The count is of those before the bad one, and nothing after it is carried out. */
static void test_bad_descriptor(void **state)
{
	uint64_t root, target, d[3][2] = {{0x05}, {0x00}, {0x12}};
	struct vtd_config c;
	struct guest g;
	uint32_t done;

	begin(&g);
	c = vtd_scalable_config(&g);
	root = guest_alloc(&g, 4096);
	target = guest_alloc(&g, 2 << 12);
	vtd_pasid(&g, &c, 0, 5, root, 0);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | DEF;
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	assert_int_equal(guest_dma(&g, 0, VA, READ), (int64_t)target);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = (target + 4096) | DEF;
	assert_int_equal(vtd_descriptors(&g, d, 3, &done), -EIO);
	assert_int_equal(done, 1);
	assert_int_equal(guest_dma(&g, 0, VA, READ), (int64_t)target);
	d[1][0] = 0x25; /* a status is the VMM's to write */
	assert_int_equal(vtd_descriptors(&g, d, 3, &done), -EIO);
	assert_int_equal(done, 1);
	d[1][0] = 0x45; /* a fence */
	assert_int_equal(vtd_descriptors(&g, d, 3, &done), 0);
	assert_int_equal(done, 3);
	assert_int_equal(guest_dma(&g, 0, VA, READ), (int64_t)target + 4096);
	guest_end(&g);
}

/* By translation requests; -1: refused. */
static int64_t ats(struct guest *g, uint64_t va)
{
	struct translation t;
	int64_t at = -1;

	epoch_enter(requester_epoch(g->r));
	if (!iommu_translate_ats(g->r, 0, va, 1, READ, &t) && t.ptr)
		at = (int64_t)(GUEST_GPA + (uint64_t)(t.ptr - g->mem));
	epoch_exit(requester_epoch(g->r));
	return at;
}

/* A device TLB is there where the guest knows of it, and loses what its descriptors name. */
static void test_device_tlb(void **state)
{
	uint64_t root, target;
	struct vtd_config c;
	struct guest g;

	guest_begin(&g, "vtd,nesting=on,ats=on");
	assert_int_equal(requester_add_ats(g.r, false), 0);
	vtd_viommu(&g, CAP, ECAP);
	c = vtd_scalable_config(&g);
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	assert_false(*requester_ats(g.r));
	guest_end(&g);

	guest_begin(&g, "vtd,nesting=on,ats=on");
	assert_int_equal(requester_add_ats(g.r, false), 0);
	vtd_viommu(&g, CAP, ECAP | 1 << 2);
	c = vtd_scalable_config(&g);
	root = guest_alloc(&g, 4096);
	target = guest_alloc(&g, 2 << 12);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | DEF;
	vtd_pasid(&g, &c, 0, 5, root, 0);
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	assert_true(*requester_ats(g.r));
	assert_int_equal(ats(&g, VA), -1); /* no DTE */
	expect_record(&g, VA, 1ull << 62 | 0x44ull << 32);
	*guest_word(&g, c.context + (VTD_RID & 0x7f) * 32) |= 1 << 2;
	vtd_forget(&g, 0x31 | (uint64_t)VTD_RID << 32, 0);
	assert_int_equal(ats(&g, VA), (int64_t)target);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = (target + 4096) | DEF;
	vtd_forget(&g, 0x26 | 5 << 16, 0);
	assert_int_equal(ats(&g, VA), (int64_t)target); /* the device's own */
	vtd_forget(&g, 0x03 | (uint64_t)(VTD_RID ^ 1) << 32, VA);
	assert_int_equal(ats(&g, VA), (int64_t)target);
	vtd_forget(&g, 0x03 | (uint64_t)VTD_RID << 32, VA);
	assert_int_equal(ats(&g, VA), (int64_t)target + 4096);
	guest_end(&g);
}

/* ---- the queue ---- */

static uint32_t *reg(struct guest *g, size_t offset)
{
	return (uint32_t *)(void *)((char *)g->region + offset);
}

static bool reaches(const uint32_t *word, uint32_t mask, uint32_t value)
{
	const struct timespec pause = {.tv_nsec = 100000};

	for (int k = 0; k < 50000; k++) {
		if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & mask) == value)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static struct hw_queue *make_queue(struct guest *g, uint64_t gpa, uint64_t len, int expect)
{
	const struct viommu_ops *ops = g->v->ops;
	struct hw_queue *q = calloc(1, ops->hw_queue_size(g->v, VTD_TYPE));
	struct pt_leaf leaf;

	assert_non_null(q);
	assert_int_equal(pt_translate(domain_pt(g->parent), gpa, &leaf), 0);
	*q = (struct hw_queue){.viommu = g->v,
			       .owner = g,
			       .type = VTD_TYPE,
			       .iova = gpa,
			       .len = len,
			       .pa = leaf.pa};
	assert_int_equal(ops->hw_queue_init(q), expect);
	if (!expect)
		return q;
	free(q);
	return NULL;
}

/* The consumer may be looking. */
static void set_reg(struct guest *g, unsigned int at, uint32_t val)
{
	__atomic_store_n(reg(g, at), val, __ATOMIC_RELEASE);
}

static void end_queue(struct guest *g, struct hw_queue *q)
{
	g->v->ops->hw_queue_fini(q);
	free(q);
}

/* Each width: a change that a wait tells of is over; an interrupt; the ring wraps. */
static void queue_works(bool wide)
{
	const unsigned int lg2 = wide ? 5 : 4, entries = 4096 >> lg2;
	uint64_t base, root, target, status;
	struct vtd_config c;
	struct hw_queue *q;
	struct guest g;
	unsigned int tail = 0;

	begin(&g);
	c = vtd_scalable_config(&g);
	root = guest_alloc(&g, 4096);
	target = guest_alloc(&g, 2 << 12);
	base = guest_alloc(&g, 4096);
	status = guest_alloc(&g, 4096) + 0x124;
	vtd_pasid(&g, &c, 0, 5, root, 0);
	*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = target | DEF;
	assert_int_equal(vtd_attach_root(&g, c.root | SCALABLE), 0);
	set_reg(&g, 0x90, wide ? 1 << 11 : 0);
	q = make_queue(&g, base, 4096, 0);
	make_queue(&g, base, 4096, -EEXIST);
	set_reg(&g, 0x18, 1 << 26);
	assert_true(reaches(reg(&g, 0x1c), 1 << 26, 1 << 26));
	for (uint32_t k = 0; k < entries; k++) {
		const uint64_t new = target + (k % 2 ? 0 : 4096);
		const uint32_t *word;
		uint64_t at;

		requester_end(g.r); /* the caller of a wait does no DMA meanwhile */
		*guest_word(&g, vtd_entry(&g, root, 4, VA, 0)) = new | DEF;
		for (unsigned int n = 0; n < 2; n++) {
			at = base + ((uint64_t)tail << lg2);
			*guest_word(&g, at) = n ? 0x25 | (uint64_t)(k + 1) << 32 : 0x36 | 5 << 16;
			*guest_word(&g, at + 8) = n ? status : VA;
			tail = (tail + 1) % entries;
		}
		set_reg(&g, 0x88, tail << lg2);
		word = (const uint32_t *)(const void *)((char *)guest_word(&g, status & ~7ull) + 4);
		assert_true(reaches(word, UINT32_MAX, k + 1));
		requester_begin(g.r);
		assert_int_equal(guest_dma(&g, 0, VA, READ), (int64_t) new);
	}
	assert_true(reaches(reg(&g, 0x80), UINT32_MAX, tail << lg2));
	/* An interrupt. */
	*guest_word(&g, base + ((uint64_t)tail << lg2)) = 0x15;
	tail = (tail + 1) % entries;
	set_reg(&g, 0x88, tail << lg2);
	assert_true(reaches(reg(&g, 0x9c), 1, 1));
	assert_true(reaches(&g.nr_events, UINT32_MAX, 1));
	assert_int_equal((uint32_t)g.event[0], 3);
	end_queue(&g, q);
	guest_end(&g);
}

static void test_queue_128(void **state)
{
	queue_works(false);
}

static void test_queue_256(void **state)
{
	queue_works(true);
}

/* At a bad descriptor the queue stops; when IQE is cleared it goes on with what stands there now.
 */
static void test_queue_errors(void **state)
{
	struct hw_queue *q;
	struct guest g;
	uint64_t base;

	begin(&g);
	base = guest_alloc(&g, 8192);
	make_queue(&g, base, 2048, -EINVAL);
	make_queue(&g, base + 8, 4096, -EINVAL);
	make_queue(&g, base, 12288, -EINVAL);
	q = make_queue(&g, base, 8192, 0);
	*guest_word(&g, base) = 0x12;
	*guest_word(&g, base + 16) = 0x100; /* no such type */
	*guest_word(&g, base + 32) = 0x12;
	set_reg(&g, 0x88, 48);
	set_reg(&g, 0x18, 1 << 26);
	assert_true(reaches(reg(&g, 0x34), 0x10, 0x10));
	assert_true(reaches(&g.nr_events, UINT32_MAX, 1));
	assert_int_equal((uint32_t)g.event[0], 2);
	assert_int_equal(g.event[1], 0x10);
	assert_int_equal(*reg(&g, 0x80), 16);
	*guest_word(&g, base + 16) = 0x12;
	__atomic_store_n(reg(&g, 0x34), 0, __ATOMIC_RELEASE);
	assert_true(reaches(reg(&g, 0x80), UINT32_MAX, 48));
	/* A tail that is none. */
	__atomic_store_n(reg(&g, 0x88), 8192, __ATOMIC_RELEASE);
	assert_true(reaches(&g.nr_events, UINT32_MAX, 2));
	assert_int_equal(*reg(&g, 0x80), 48);
	assert_int_equal(*reg(&g, 0x34) & 0x10, 0x10);
	/* Off, and on again from the beginning. */
	__atomic_store_n(reg(&g, 0x18), 0, __ATOMIC_RELEASE);
	assert_true(reaches(reg(&g, 0x1c), 1 << 26, 0));
	assert_true(reaches(reg(&g, 0x80), UINT32_MAX, 0));
	set_reg(&g, 0x34, 0);
	set_reg(&g, 0x88, 16);
	__atomic_store_n(reg(&g, 0x18), 1 << 26, __ATOMIC_RELEASE);
	assert_true(reaches(reg(&g, 0x80), UINT32_MAX, 16));
	end_queue(&g, q);
	guest_end(&g);
}

/* ---- lockstep ---- */

#define STEPS	 3000
#define NR_VAS	 6
#define NR_ROOTS 3

static uint32_t pick(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % n;
}

/* In two tables of pages, two directories, and the upper half. */
static const uint64_t vas[NR_VAS] = {0x1000,   0x2000,	       0x200000,
				     0x201000, 0x7f0000000000, 0xffff800000003000};

struct world {
	struct guest g;
	struct vtd_config c;
	uint64_t seed, root[NR_ROOTS], pages;
	struct {
		uint16_t did;
		unsigned int root;
		bool present;
	} pasid[3];
	/* What was withheld: of these pages (a bitmap of vas) of that PASID. */
	uint32_t withheld_pasid;
	unsigned int withheld;
};

static uint64_t random_leaf(struct world *w)
{
	static const uint64_t bits[] = {DEF, DEF, DEF, FS_P | FS_US, FS_P | FS_RW, 0, DEF | FS_A};
	uint64_t at = w->pages + ((uint64_t)pick(&w->seed, 8) << 12);

	return (pick(&w->seed, 16) ? at : 0x5000) | bits[pick(&w->seed, ARRAY_SIZE(bits))];
}

static void forget_page(struct world *w, unsigned int pasid, uint64_t va, bool leaf)
{
	vtd_forget(&w->g, 0x36 | (uint64_t)w->pasid[pasid].did << 16 | (uint64_t)pasid << 32,
		   va | (leaf ? 1 << 6 : 0));
}

/* A guest changes a page's entry, or a table's, and tells each PASID that uses the tables. */
static void change_entry(struct world *w, bool withhold)
{
	const unsigned int root = pick(&w->seed, NR_ROOTS), n = pick(&w->seed, NR_VAS);
	const unsigned int level = pick(&w->seed, 4) ? 0 : 1;
	uint64_t *e = guest_word(&w->g, vtd_entry(&w->g, w->root[root], 4, vas[n], level));

	if (level)
		*e ^= pick(&w->seed, 2) ? FS_RW : FS_US;
	else
		*e = random_leaf(w);
	for (unsigned int p = 0; p < 3; p++) {
		if (!w->pasid[p].present || w->pasid[p].root != root)
			continue;
		for (unsigned int k = 0; k < NR_VAS; k++) {
			if (vas[k] >> (12 + 9 * level) != vas[n] >> (12 + 9 * level))
				continue;
			if (withhold && !w->withheld) {
				w->withheld_pasid = p;
				w->withheld = 1u << k;
			} else if (!(w->withheld >> k & 1) || w->withheld_pasid != p) {
				forget_page(w, p, vas[k], !level);
			}
		}
	}
}

static void change_pasid(struct world *w)
{
	const unsigned int p = pick(&w->seed, 3);
	const uint16_t old = w->pasid[p].did;

	w->pasid[p].present = pick(&w->seed, 4);
	w->pasid[p].root = pick(&w->seed, NR_ROOTS);
	w->pasid[p].did = (uint16_t)(1 + pick(&w->seed, 3));
	vtd_pasid(&w->g, &w->c, p, w->pasid[p].did, w->root[w->pasid[p].root], 0);
	if (!w->pasid[p].present)
		*guest_word(&w->g, w->c.table + p * 64ull) &= ~1ull;
	vtd_forget(&w->g, 0x17 | (uint64_t)old << 16 | (uint64_t)p << 32, 0);
	vtd_forget(&w->g, 0x26 | (uint64_t)old << 16 | (uint64_t)p << 32, 0);
	/* The new domain's may be there from before. */
	vtd_forget(&w->g, 0x26 | (uint64_t)w->pasid[p].did << 16 | (uint64_t)p << 32, 0);
	if (w->withheld_pasid == p)
		w->withheld = 0;
}

/* As guest_dma(); and why not, whoever was told. */
static int64_t dma(struct guest *g, uint32_t pasid, uint64_t va, unsigned int access,
		   unsigned int *code)
{
	const unsigned int events = g->nr_events;
	int64_t at = guest_dma(g, pasid, va, access);

	*code = g->nr_events != events ? g->event[2] >> 32 & 0xff : g->bed.last_fault.code;
	return at;
}

/* Agrees, in where it goes and in why it does not; but for what was withheld. Returns how many
 * differ. */
static unsigned int compare(struct world *w, unsigned int step)
{
	unsigned int differ = 0;

	for (uint32_t p = 0; p < 3; p++)
		for (unsigned int n = 0; n < NR_VAS; n++) {
			const unsigned int access = pick(&w->seed, 2) ? READ : WRITE;
			unsigned int code, told;
			int64_t want, got = dma(&w->g, p, vas[n], access, &told);

			want = vtd_naive(&w->g, &w->c, p, vas[n], access, &code);
			if (code == 0x75 || code == 0x76)
				code = 0x70; /* to a guest no memory is no memory */
			if (got == want && (got != -1 || told == code))
				continue;
			differ++;
			if (w->withheld_pasid != p || !(w->withheld >> n & 1))
				fail_msg("step %u, PASID %u, 0x%llx: 0x%llx (0x%x), not 0x%llx "
					 "(0x%x)",
					 step, p, (unsigned long long)vas[n],
					 (unsigned long long)got, told, (unsigned long long)want,
					 code);
		}
	return differ;
}

static void lockstep(bool withhold)
{
	struct world w = {.seed = withhold ? 11 : 5};
	unsigned int differed = 0;

	begin(&w.g);
	w.c = vtd_scalable_config(&w.g);
	w.pages = guest_alloc(&w.g, 8 << 12);
	for (unsigned int k = 0; k < NR_ROOTS; k++) {
		w.root[k] = guest_alloc(&w.g, 4096);
		for (unsigned int n = 0; n < NR_VAS; n++)
			*guest_word(&w.g, vtd_entry(&w.g, w.root[k], 4, vas[n], 0)) =
				random_leaf(&w);
	}
	assert_int_equal(vtd_attach_root(&w.g, w.c.root | SCALABLE), 0);
	for (unsigned int step = 0; step < STEPS; step++) {
		if (pick(&w.seed, 8))
			change_entry(&w, withhold);
		else
			change_pasid(&w);
		differed += compare(&w, step);
	}
	if (withhold)
		assert_in_range(differed, 100, STEPS * 18);
	else
		assert_int_equal(differed, 0);
	guest_end(&w.g);
}

static void test_lockstep(void **state)
{
	lockstep(false);
}

static void test_withheld(void **state)
{
	lockstep(true);
}

/* Whatever a guest's memory holds, each DMA ends, inside its memory or in a fault. */
static void test_random_memory(void **state)
{
	uint64_t seed = 3;
	struct guest g;

	begin(&g);
	for (unsigned int round = 0; round < 200; round++) {
		const uint64_t words = GUEST_SIZE / 8;

		g.free = GUEST_GPA + (64 << 12);
		for (unsigned int k = 0; k < 512 * 16; k++) {
			uint64_t e = GUEST_GPA + ((uint64_t)pick(&seed, 64) << 12);

			e |= pick(&seed, 8) ? 7 | pick(&seed, 2) << 6 : pick(&seed, 0x1000);
			if (!pick(&seed, 16))
				e ^= 1ull << pick(&seed, 64);
			*guest_word(&g, GUEST_GPA + 8 * (pick(&seed, 64 * 512) % words)) = e;
		}
		assert_int_equal(vtd_attach_root(&g, GUEST_GPA | (uint64_t)pick(&seed, 4) << 10),
				 0);
		for (unsigned int k = 0; k < 50; k++) {
			int64_t at = guest_dma(&g, pick(&seed, 2) ? 0 : pick(&seed, 0x100000),
					       (uint64_t)pick(&seed, 1 << 30) << pick(&seed, 18),
					       1 + pick(&seed, 15));

			assert_true(at == -1 || (at >= (int64_t)GUEST_GPA &&
						 at < (int64_t)(GUEST_GPA + GUEST_SIZE)));
		}
	}
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),	       cmocka_unit_test(test_attach),
		cmocka_unit_test(test_scalable),       cmocka_unit_test(test_faults),
		cmocka_unit_test(test_abort),	       cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_configuration),  cmocka_unit_test(test_translations),
		cmocka_unit_test(test_bad_descriptor), cmocka_unit_test(test_device_tlb),
		cmocka_unit_test(test_queue_128),      cmocka_unit_test(test_queue_256),
		cmocka_unit_test(test_queue_errors),   cmocka_unit_test(test_lockstep),
		cmocka_unit_test(test_withheld),       cmocka_unit_test(test_random_memory),
	};

	return cmocka_run_group_tests_name("iommu/vtd_viommu", tests, NULL, NULL);
}

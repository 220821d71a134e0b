/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation without any make's own structures: a guest whose configuration is two words
 * (the root, the ASID), tables of the x86-64 kind, and a stage 2 of pages in no order. A naive
 * model, which caches nothing, tells what is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "bed.h"
#include "iommu/nested.h"
#include "iommu/requester.h"

#define PAGES	1024u /* of the guest */
#define TABLES	128u  /* so many of its pages hold tables, one behind the other from page 1 on */
#define HUGE	512u  /* the page from which a leaf of 2 MiB may map */
#define NO_PAGE UINT32_MAX

#define P  BIT(0)
#define RW BIT(1)
#define US BIT(2)
#define A  BIT(5)
#define D  BIT(6)
#define PS BIT(7)
#define G  BIT(8)

#define NR_ASIDS 3
#define NR_VAS	 48

struct guest {
	struct bed bed;
	char *memory;		   /* of the host, in its order */
	uint32_t host_page[PAGES]; /* of each guest page; NO_PAGE: stage 2 has none */
	struct domain *parent;
	struct pages *pages;
	struct requester *r;
	struct nested {
		struct domain domain;
		struct nested_fault fault; /* the last */
		unsigned int nr_faults;
	} * nested;
	uint32_t nr_tables;
	uint64_t va[NR_VAS];
	unsigned int seed;
};

struct note {
	struct pt_regime regime;
};

static unsigned int pick(struct guest *g, unsigned int n)
{
	g->seed = g->seed * 1103515245u + 12345u;
	return (g->seed >> 8) % n;
}

static uint64_t *word(struct guest *g, uint64_t gpa)
{
	uint32_t page = g->host_page[gpa >> PAGE_SHIFT];

	assert_int_not_equal(page, NO_PAGE);
	return (uint64_t *)(void *)(g->memory + ((uint64_t)page << PAGE_SHIFT) +
				    (gpa & MASK(PAGE_SHIFT)));
}

/* The configuration stands in guest page 0: root, ASID, and whether stage 1 is bypassed. */
static int test_resolve(const struct nested_request *q, struct nested_context *ctx)
{
	struct nested_fault f;
	uint64_t config[3];

	if (nested_read(q, 0, config, sizeof(config), &f))
		return q->domain->nested->fault(q, NULL, &f);
	ctx->tag = (struct nested_tag){.parent = q->domain->parent, .asid = (uint32_t)config[1]};
	ctx->bypass = config[2];
	nested_note(ctx, struct note)->regime = (struct pt_regime){
		.ops = &pt_amdv2,
		.root_pa = config[0],
		.levels = 4,
		.ias = 48,
		.oas = 48,
		.page_sizes = BIT(12) | BIT(21) | BIT(30),
		.flags = PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_TABLES | PT_WALK_NX,
	};
	return 0;
}

static const struct pt_regime *test_select(const struct nested_context *ctx, uint64_t iova,
					   uint64_t *va, uint64_t *within)
{
	*va = *within = iova;
	return &nested_note(ctx, const struct note)->regime;
}

static unsigned int test_permits(const struct nested_context *ctx, const struct pt_walk *w,
				 unsigned int access)
{
	return (w->may & PT_MAY_READ ? IOMMU_READ : 0u) |
	       (w->may & PT_MAY_WRITE ? IOMMU_WRITE : 0u);
}

static int tell_fault(const struct nested_request *q, const struct nested_context *ctx,
		      const struct nested_fault *f)
{
	struct nested *n = container_of(q->domain, struct nested, domain);

	n->fault = *f;
	n->nr_faults++;
	return nested_guest_fault(q, f, FAULT_NOT_PRESENT, 0);
}

static void free_nested(struct domain *d)
{
	free(container_of(d, struct nested, domain));
}

static const struct nested_ops test_ops = {
	.free = free_nested,
	.resolve = test_resolve,
	.select = test_select,
	.permits = test_permits,
	.fault = tell_fault,
	.pasids = true,
};

static void map_page(struct guest *g, uint32_t page, uint32_t host_page)
{
	uint64_t run, pa = pages_pa(g->pages, (uint64_t)host_page << PAGE_SHIFT, &run);

	assert_int_equal(pt_map(domain_pt(g->parent), (uint64_t)page << PAGE_SHIFT, pa, PAGE_SIZE,
				PT_READ | PT_WRITE),
			 0);
	g->host_page[page] = host_page;
}

static void unmap_page(struct guest *g, uint32_t page)
{
	struct pt_gather gather = {0};
	uint64_t gpa = (uint64_t)page << PAGE_SHIFT;

	assert_int_equal(pt_unmap(domain_pt(g->parent), gpa, PAGE_SIZE, &gather, NULL), 0);
	domain_invalidate(g->parent, gpa, gpa + MASK(PAGE_SHIFT), &gather);
	g->host_page[page] = NO_PAGE;
}

static uint64_t new_table(struct guest *g)
{
	assert_true(g->nr_tables < TABLES);
	return (uint64_t)++g->nr_tables << PAGE_SHIFT;
}

static uint64_t *entry_at(struct guest *g, uint64_t table, uint64_t va, unsigned int level)
{
	return word(g, table + (va >> (12 + 9 * level) & 511) * 8);
}

/* The entry of the smallest page for @va, its tables made. */
static uint64_t *leaf_entry(struct guest *g, uint64_t root, uint64_t va)
{
	uint64_t table = root;

	for (unsigned int level = 3; level; level--) {
		uint64_t *e = entry_at(g, table, va, level);

		if (!(*e & P))
			*e = new_table(g) | P | RW | US;
		table = *e & FIELD(51, 12);
	}
	return entry_at(g, table, va, 0);
}

static uint64_t root_of(unsigned int asid)
{
	return (1ull + asid) << PAGE_SHIFT;
}

static void configure(struct guest *g, unsigned int asid, bool bypass)
{
	word(g, 0)[0] = root_of(asid);
	word(g, 0)[1] = asid;
	word(g, 0)[2] = bypass;
}

static int setup(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->seed = 1;
	bed_create(&g->bed, "smmuv3", false);
	g->memory = bed_memory((size_t)PAGES << PAGE_SHIFT);
	memset(g->memory, 0, (size_t)PAGES << PAGE_SHIFT);
	assert_int_equal(
		memory_register(g->bed.memory, (uintptr_t)g->memory, (uint64_t)PAGES << PAGE_SHIFT),
		0);
	assert_int_equal(pages_from_va(g->bed.memory, &(struct memory_payer){0},
				       (uintptr_t)g->memory, (uint64_t)PAGES << PAGE_SHIFT, true,
				       false, &g->pages),
			 0);
	assert_int_equal(pages_pin(g->pages, 0, (uint64_t)PAGES << PAGE_SHIFT), 0);
	assert_int_equal(domain_alloc(g->bed.iommu, DOMAIN_NEST_PARENT, &g->parent), 0);
	for (uint32_t page = 0; page < PAGES; page++)
		map_page(g, page, (page * 389u + 17u) % PAGES);
	g->nested = calloc(1, sizeof(*g->nested));
	assert_non_null(g->nested);
	domain_init_nested(&g->nested->domain, g->bed.iommu, g->parent, &test_ops);
	assert_int_equal(requester_create(g->bed.iommu, 0x100, &g->r), 0);
	g->nr_tables = NR_ASIDS;
	for (unsigned int k = 0; k < NR_VAS; k++)
		g->va[k] = (uint64_t)(k % 2) << 39 | (uint64_t)(k / 2 % 2) << 30 |
			   (uint64_t)(k / 4 % 3) << 21 | (uint64_t)(k / 12) << 12;
	configure(g, 0, false);
	assert_int_equal(requester_attach(g->r, &g->nested->domain), 0);
	requester_begin(g->r);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct guest *g = *state;

	requester_end(g->r);
	assert_int_equal(requester_attach(g->r, NULL), 0);
	requester_destroy(g->r);
	domain_free(&g->nested->domain);
	domain_free(g->parent);
	pages_unpin(g->pages, 0, (uint64_t)PAGES << PAGE_SHIFT);
	pages_put(g->pages);
	assert_int_equal(memory_unregister(g->bed.memory, (uintptr_t)g->memory,
					   (uint64_t)PAGES << PAGE_SHIFT),
			 0);
	bed_destroy(&g->bed);
	free(g);
	return 0;
}

/* Where the engine says that @va is: an offset in memory; -1: a fault. */
static int64_t translate(struct guest *g, uint64_t va, enum iommu_access access)
{
	struct translation t;

	if (bed_translate(g->r, va, 8, access, &t))
		return -1;
	assert_non_null(t.ptr);
	return t.ptr - g->memory;
}

static int64_t translate_by_device(struct guest *g, uint64_t va)
{
	struct translation t;
	int rc;

	epoch_enter(requester_epoch(g->r));
	rc = iommu_translate_ats(g->r, IOMMU_NO_PASID, va, 8, IOMMU_READ, &t);
	epoch_exit(requester_epoch(g->r));
	return rc ? -1 : t.ptr - g->memory;
}

/* The same by hand. */
static int64_t naive(struct guest *g, uint64_t va, enum iommu_access access)
{
	uint64_t gpa = va, may = RW;
	bool bypass = word(g, 0)[2];
	uint64_t table = word(g, 0)[0];

	for (int level = 3; level >= 0 && !bypass; level--) {
		uint64_t e;

		if (g->host_page[table >> PAGE_SHIFT] == NO_PAGE)
			return -1;
		e = *entry_at(g, table, va, (unsigned int)level);
		if (!(e & P))
			return -1;
		may &= e;
		gpa = (e & FIELD(51, 12)) | (va & MASK(12));
		if (level == 1 && e & PS) {
			gpa = (e & FIELD(51, 21)) | (va & MASK(21));
			break;
		}
		table = e & FIELD(51, 12);
	}
	if (access & IOMMU_WRITE && !(may & RW) && !bypass)
		return -1;
	if (gpa >> PAGE_SHIFT >= PAGES || g->host_page[gpa >> PAGE_SHIFT] == NO_PAGE)
		return -1;
	return (int64_t)((uint64_t)g->host_page[gpa >> PAGE_SHIFT] << PAGE_SHIFT |
			 (gpa & MASK(PAGE_SHIFT)));
}

static void check_flags(struct guest *g, uint64_t va, enum iommu_access access)
{
	uint64_t *e, table = word(g, 0)[0];

	for (unsigned int level = 3;; level--) {
		e = entry_at(g, table, va, level);
		assert_true(*e & A);
		if (!level || (level == 1 && *e & PS))
			break;
		table = *e & FIELD(51, 12);
	}
	if (access & IOMMU_WRITE)
		assert_true(*e & D);
}

static uint64_t random_leaf(struct guest *g)
{
	uint64_t gpa = (uint64_t)(TABLES + 1 + pick(g, HUGE - TABLES - 1)) << PAGE_SHIFT;

	return pick(g, 5) ? gpa | P | US | (pick(g, 3) ? RW : 0) : 0;
}

/* The address of the leaf that was changed. */
static uint64_t change_leaf(struct guest *g, unsigned int asid)
{
	uint64_t va = g->va[pick(g, NR_VAS)];

	*leaf_entry(g, root_of(asid), va) = random_leaf(g);
	return va;
}

static void forget(struct guest *g, unsigned int asid, uint64_t va, bool leaf)
{
	struct nested_match m = {.asid = asid, .keep_tables = leaf};

	nested_forget(g->parent, &m, va, va | MASK(PAGE_SHIFT));
	nested_sync(g->parent);
}

static void forget_asid(struct guest *g, unsigned int asid)
{
	nested_forget(g->parent, &(struct nested_match){.asid = asid, .keep_global = true}, 0,
		      UINT64_MAX);
	nested_sync(g->parent);
}

/* A table of 2 MiB's pages becomes a leaf of that size, and a table again. */
static void change_huge(struct guest *g, unsigned int asid)
{
	uint64_t va = 5ull << 39 | (uint64_t)pick(g, 2) << 21, table = root_of(asid), *e;

	leaf_entry(g, root_of(asid), va);
	for (unsigned int level = 3; level > 1; level--)
		table = *entry_at(g, table, va, level) & FIELD(51, 12);
	e = entry_at(g, table, va, 1);
	if (*e & PS)
		*e ^= RW;
	else
		*e = (uint64_t)HUGE << PAGE_SHIFT | P | RW | US | PS;
	nested_forget(g->parent, &(struct nested_match){.asid = asid}, va, va | MASK(21));
	nested_sync(g->parent);
}

static void change_config(struct guest *g, unsigned int *asid)
{
	*asid = pick(g, NR_ASIDS);
	configure(g, *asid, !pick(g, 8));
	nested_forget_config(g->r, IOMMU_ALL_PASIDS);
	nested_sync(g->parent);
}

/* Two data pages of the guest change places, one at a time. */
static void change_stage2(struct guest *g)
{
	uint32_t a = TABLES + 1 + pick(g, PAGES - TABLES - 1),
		 b = TABLES + 1 + pick(g, PAGES - TABLES - 1);
	uint32_t host_a = g->host_page[a], host_b = g->host_page[b];

	if (a == b || host_a == NO_PAGE || host_b == NO_PAGE)
		return;
	unmap_page(g, a);
	unmap_page(g, b);
	map_page(g, a, host_b);
	map_page(g, b, host_a);
}

static uint64_t random_va(struct guest *g)
{
	return pick(g, 6) ? g->va[pick(g, NR_VAS)]
			  : 5ull << 39 | (uint64_t)pick(g, 1024) << PAGE_SHIFT;
}

static void check_one(struct guest *g)
{
	uint64_t va = random_va(g) + pick(g, 500) * 8;
	enum iommu_access access = pick(g, 2) ? IOMMU_WRITE : IOMMU_READ;
	int64_t want = naive(g, va, access);

	assert_int_equal(translate(g, va, access), want);
	if (want >= 0 && !word(g, 0)[2])
		check_flags(g, va, access);
}

static void test_lockstep(void **state)
{
	struct guest *g = *state;
	unsigned int asid = 0;

	for (int n = 0; n < 60000; n++) {
		switch (pick(g, 40)) {
		case 0:
		case 1:
			forget(g, asid, change_leaf(g, asid), pick(g, 2));
			break;
		case 2: /* of an ASID that is not in force, so that what it left is met later */
			change_leaf(g, (asid + 1) % NR_ASIDS);
			forget_asid(g, (asid + 1) % NR_ASIDS);
			break;
		case 3:
			change_config(g, &asid);
			break;
		case 4:
			change_stage2(g);
			break;
		case 5:
			change_huge(g, asid);
			break;
		default:
			check_one(g);
			break;
		}
	}
	assert_true(g->nested->nr_faults > 100);
}

/* One invalidation is withheld: answers differ, and only where it would have made them right. */
static void test_withheld(void **state)
{
	struct guest *g = *state;
	unsigned int differed = 0;

	for (unsigned int k = 0; k < NR_VAS; k++)
		*leaf_entry(g, root_of(0), g->va[k]) =
			(uint64_t)(TABLES + 1 + k) << PAGE_SHIFT | P | RW | US;
	for (int n = 0; n < 200; n++) {
		uint64_t va = g->va[pick(g, NR_VAS)], *leaf = leaf_entry(g, root_of(0), va);
		int64_t before = translate(g, va, IOMMU_READ), now;

		*leaf = (uint64_t)(TABLES + 1 + pick(g, 400)) << PAGE_SHIFT | P | RW | US;
		for (unsigned int k = 0; k < NR_VAS; k++)
			if (g->va[k] != va)
				assert_int_equal(translate(g, g->va[k], IOMMU_READ),
						 naive(g, g->va[k], IOMMU_READ));
		now = translate(g, va, IOMMU_READ);
		assert_true(now == before || now == naive(g, va, IOMMU_READ));
		differed += now != naive(g, va, IOMMU_READ);
		forget(g, 0, va, true);
		assert_int_equal(translate(g, va, IOMMU_READ), naive(g, va, IOMMU_READ));
	}
	assert_true(differed > 150);
}

/* Configuration is cached too, and translations survive its being read again. */
static void test_config_cache(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0];
	int64_t first;

	*leaf_entry(g, root_of(0), va) = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US;
	*leaf_entry(g, root_of(1), va) = (uint64_t)(TABLES + 2) << PAGE_SHIFT | P | RW | US;
	first = translate(g, va, IOMMU_READ);
	configure(g, 1, false);
	assert_int_equal(translate(g, va, IOMMU_READ), first);
	nested_forget_config(g->r, IOMMU_NO_PASID);
	assert_int_equal(translate(g, va, IOMMU_READ), naive(g, va, IOMMU_READ));
	/* ASID 0 was not invalidated: what it had is still there. */
	*leaf_entry(g, root_of(0), va) = 0;
	configure(g, 0, false);
	nested_forget_config(g->r, IOMMU_NO_PASID);
	assert_int_equal(translate(g, va, IOMMU_READ), first);
	forget_asid(g, 0);
	assert_int_equal(translate(g, va, IOMMU_READ), -1);
	assert_int_equal(g->nested->fault.stage, 1);
	assert_int_equal(g->nested->fault.what, PT_FAULT_ABSENT);
}

/* A global entry goes with its address whatever the ASID, and not with its ASID. */
static void test_global(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0], *leaf = leaf_entry(g, root_of(0), va);
	int64_t first;

	*leaf = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US | G;
	first = translate(g, va, IOMMU_READ);
	*leaf = (uint64_t)(TABLES + 2) << PAGE_SHIFT | P | RW | US | G;
	forget_asid(g, 0);
	assert_int_equal(translate(g, va, IOMMU_READ), first);
	forget(g, 1, va, true);
	assert_int_equal(translate(g, va, IOMMU_READ), naive(g, va, IOMMU_READ));
}

/* 2.2.6 and the table in the design: a cold walk of four levels over four reads 24 entries at most.
 */
static void test_loads(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0], loads;

	for (unsigned int k = 0; k < 2; k++)
		*leaf_entry(g, root_of(0), va + k * PAGE_SIZE) =
			(uint64_t)(TABLES + 1 + k) << PAGE_SHIFT | P | RW | US | A | D;
	for (unsigned int level = 3, table = (unsigned int)root_of(0); level; level--) {
		*entry_at(g, table, va, level) |= A;
		table = (unsigned int)(*entry_at(g, table, va, level) & FIELD(51, 12));
	}
	/* Stage 2 of the configuration's page is known by then. */
	configure(g, 0, true);
	assert_true(translate(g, 0, IOMMU_READ) >= 0);
	configure(g, 0, false);
	nested_forget_config(g->r, IOMMU_ALL_PASIDS);
	loads = g->r->stats.loads;
	assert_true(translate(g, va, IOMMU_READ) >= 0);
	loads = g->r->stats.loads - loads - 3; /* the configuration's words */
	assert_in_range(loads, 4 + 5 * (uint64_t)(domain_pt(g->parent)->levels - 1), 24);
	loads = g->r->stats.loads;
	assert_true(translate(g, va + PAGE_SIZE, IOMMU_READ) >= 0);
	/* Warm: the last table's entry, and stage 2 of a page that was not used before. */
	assert_int_equal(g->r->stats.loads - loads, 1 + domain_pt(g->parent)->levels);
}

/* Tables that are their own, that lie nowhere, or in no memory. */
static void test_hostile(void **state)
{
	struct guest *g = *state;
	uint64_t root = root_of(0);

	for (unsigned int k = 0; k < 512; k++)
		word(g, root)[k] = root | P | RW | US;
	assert_true(translate(g, 0x123456000, IOMMU_READ) >= 0); /* the page is the table itself */
	forget_asid(g, 0);
	word(g, root)[0] = FIELD(47, 12) | P | RW | US;
	assert_int_equal(translate(g, 0, IOMMU_READ), -1);
	assert_int_equal(g->nested->fault.stage, 2);
	assert_true(g->nested->fault.walk);
	word(g, 0)[0] = 4; /* the root is not even a word */
	nested_forget_config(g->r, IOMMU_ALL_PASIDS);
	assert_int_equal(translate(g, 1ull << 40, IOMMU_READ), -1);
	assert_int_equal(g->nested->fault.what, PT_FAULT_READ);
}

/* Requests with PASIDs that nobody attached find the guest's own configuration. */
static void test_user_pasid(void **state)
{
	struct guest *g = *state;
	struct translation t;
	uint64_t hits;

	*leaf_entry(g, root_of(0), g->va[0]) = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US;
	for (int n = 0; n < 3; n++) {
		hits = g->r->stats.hits;
		epoch_enter(requester_epoch(g->r));
		assert_int_equal(iommu_translate_pasid(g->r, 77, g->va[0], 8, IOMMU_READ, &t), 0);
		epoch_exit(requester_epoch(g->r));
		assert_int_equal(t.ptr - g->memory, naive(g, g->va[0], IOMMU_READ));
		assert_int_equal(g->r->stats.hits - hits, n > 0);
	}
}

/* More invalidations than commands are kept become one of everything. */
static void test_flood(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0], *leaf = leaf_entry(g, root_of(0), va);

	*leaf = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US;
	translate(g, va, IOMMU_READ);
	*leaf = (uint64_t)(TABLES + 2) << PAGE_SHIFT | P | RW | US;
	for (unsigned int n = 0; n < 3 * MANY_COMMANDS; n++)
		nested_forget(g->parent, &(struct nested_match){.asid = 9}, va, va);
	nested_forget(g->parent, &(struct nested_match){.asid = 0}, va, va);
	assert_int_equal(translate(g, va, IOMMU_READ), naive(g, va, IOMMU_READ));
}

/* Attached anew, nothing of before is left, though the tag is the same. */
static void test_attach_anew(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0], *leaf = leaf_entry(g, root_of(0), va);

	*leaf = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US;
	translate(g, va, IOMMU_READ);
	*leaf = (uint64_t)(TABLES + 2) << PAGE_SHIFT | P | RW | US;
	assert_int_equal(requester_attach(g->r, g->parent), 0);
	assert_int_equal(translate(g, (uint64_t)(TABLES + 9) << PAGE_SHIFT, IOMMU_WRITE),
			 (int64_t)((uint64_t)g->host_page[TABLES + 9] << PAGE_SHIFT));
	assert_int_equal(requester_attach(g->r, &g->nested->domain), 0);
	assert_int_equal(translate(g, va, IOMMU_READ), naive(g, va, IOMMU_READ));
}

/* A device's own cache loses what stage 2 changes, but what the guest changes only when it is told.
 */
static void test_atc(void **state)
{
	struct guest *g = *state;
	uint64_t va = g->va[0], *leaf = leaf_entry(g, root_of(0), va);
	uint32_t host_page = g->host_page[TABLES + 2];
	int64_t first;

	g->bed.iommu->caps.ats = true;
	assert_int_equal(requester_add_ats(g->r, false), 0);
	*leaf = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US;
	first = translate_by_device(g, va);
	assert_int_equal(first, naive(g, va, IOMMU_READ));
	*leaf = (uint64_t)(TABLES + 2) << PAGE_SHIFT | P | RW | US;
	forget(g, 0, va, true);
	assert_int_equal(translate_by_device(g, va), first);
	requester_forget_atc(g->r, IOMMU_NO_PASID, va, va);
	assert_int_equal(translate_by_device(g, va), naive(g, va, IOMMU_READ));
	unmap_page(g, TABLES + 2);
	assert_int_equal(translate_by_device(g, va), -1);
	assert_int_equal(g->nested->nr_faults, 0);
	map_page(g, TABLES + 2, host_page);
	assert_int_equal(translate_by_device(g, va), naive(g, va, IOMMU_READ));
}

/* What another thread invalidates is over when that returns. */
struct race {
	struct guest *g;
	uint64_t va;
	uint64_t generation; /* odd: being changed */
	uint64_t right;	     /* where va is, in even generations */
	bool ended;
	unsigned int wrong, right_ones;
};

static void *race_reader(void *arg)
{
	struct race *race = arg;

	requester_begin(race->g->r);
	while (!__atomic_load_n(&race->ended, __ATOMIC_ACQUIRE)) {
		uint64_t before = __atomic_load_n(&race->generation, __ATOMIC_ACQUIRE);
		int64_t got = translate(race->g, race->va, IOMMU_READ);
		uint64_t right = __atomic_load_n(&race->right, __ATOMIC_ACQUIRE);

		if (before % 2 || __atomic_load_n(&race->generation, __ATOMIC_ACQUIRE) != before)
			continue;
		__atomic_fetch_add(&race->right_ones, got == (int64_t)right, __ATOMIC_RELAXED);
		__atomic_fetch_add(&race->wrong, got != (int64_t)right, __ATOMIC_RELAXED);
	}
	requester_end(race->g->r);
	return NULL;
}

/* Until the reader has been right once more, or wrong. */
static void race_wait(struct race *race)
{
	unsigned int seen = __atomic_load_n(&race->right_ones, __ATOMIC_RELAXED);

	while (__atomic_load_n(&race->right_ones, __ATOMIC_RELAXED) == seen &&
	       !__atomic_load_n(&race->wrong, __ATOMIC_RELAXED))
		sched_yield();
}

static void test_race(void **state)
{
	struct guest *g = *state;
	struct race race = {.g = g, .va = g->va[0]};
	uint64_t *leaf = leaf_entry(g, root_of(0), g->va[0]);
	pthread_t reader;

	*leaf = (uint64_t)(TABLES + 1) << PAGE_SHIFT | P | RW | US | A | D;
	race.right = (uint64_t)g->host_page[TABLES + 1] << PAGE_SHIFT;
	requester_end(g->r);
	assert_int_equal(pthread_create(&reader, NULL, race_reader, &race), 0);
	for (uint32_t n = 0; n < 2000; n++) {
		uint32_t page = TABLES + 1 + n % 100;

		__atomic_fetch_add(&race.generation, 1, __ATOMIC_ACQ_REL);
		__atomic_store_n(leaf, (uint64_t)page << PAGE_SHIFT | P | RW | US | A | D,
				 __ATOMIC_RELEASE);
		if (n % 7 == 0)
			nested_forget_config(g->r, IOMMU_NO_PASID);
		forget(g, 0, race.va, n % 2);
		__atomic_store_n(&race.right, (uint64_t)g->host_page[page] << PAGE_SHIFT,
				 __ATOMIC_RELEASE);
		__atomic_fetch_add(&race.generation, 1, __ATOMIC_ACQ_REL);
		race_wait(&race);
	}
	__atomic_store_n(&race.ended, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	requester_begin(g->r);
	assert_int_equal(race.wrong, 0);
	assert_true(race.right_ones > 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_lockstep),   CASE(test_withheld), CASE(test_config_cache),
		CASE(test_global),     CASE(test_loads),    CASE(test_hostile),
		CASE(test_user_pasid), CASE(test_flood),    CASE(test_attach_anew),
		CASE(test_race),       CASE(test_atc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

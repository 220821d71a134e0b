/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer knows behind a guest's tables: a VMM maps its guest's memory for a nest
 * parent, and a device translates by first-stage tables of VT-d that lie in it.
 */
#include "world.h"
#include "../iommu/here.h"

#include <errno.h>
#include <ioas/abi/extensions.h>
#include <ioas/abi/iommufd.h>

#include <sys/mman.h>
#include <unistd.h>

#include "base/observe.h"
#include "object/viommu.h"

/* The guest's memory: its tables, what it has devices write, what they may only read. */
#define TABLES	    IOVA
#define DATA	    (IOVA + 0x100000)
#define ROM	    (IOVA + 0x200000)
#define TABLE_PAGES 16
#define DATA_PAGES  16
#define ROM_PAGES   4
#define DATA_PAGE   16 /* of the world's memory */
#define ROM_PAGE    32

#define VA     0x7f0000000000ull
#define VA_FAR 0x7f0040000000ull /* of other tables, but for the root */
#define ENTRY  7ull		 /* present, writable, a user's */
#define SID    0x42u
#define GUESTS 0x494f0001u
#define CAP    (6ull << 8 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 1ull << 56)
#define ECAP                                                                                       \
	(2ull | 1ull << 6 | 1ull << 30 | 1ull << 31 | 1ull << 34 | 19ull << 35 | 1ull << 40 |      \
	 1ull << 43 | 1ull << 45 | 1ull << 46 | 1ull << 47)
#define SCALED (1ull << 10)

struct vmm {
	struct world *w;
	struct hwpt *parent, *nested;
	struct viommu_object *v;
	uint64_t next_table;
};

/* ---- what is the caller's ---- */

static struct user_data data_of(uint32_t type, const void *data, size_t len)
{
	return (struct user_data){&here, NULL, type, (uintptr_t)data, len};
}

/* ---- the guest ---- */

static uint64_t *word(struct vmm *v, uint64_t gpa)
{
	return (uint64_t *)(void *)(v->w->mem + (gpa - TABLES));
}

/* The entry of the last level, its tables made on the way. */
static uint64_t *entry(struct vmm *v, uint64_t va)
{
	uint64_t table = TABLES;

	for (unsigned int shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		uint64_t *e = word(v, table + (va >> shift & 511) * 8);

		if (!*e)
			*e = (v->next_table += PAGE_SIZE) | ENTRY;
		table = align_down(*e, PAGE_SIZE);
	}
	return word(v, table + (va >> PAGE_SHIFT & 511) * 8);
}

/* The entry that leads to the table of the last level. */
static uint64_t last_table(struct vmm *v, uint64_t va)
{
	return align_down((uintptr_t)entry(v, va) - (uintptr_t)v->w->mem, PAGE_SIZE) + TABLES;
}

static void guest_maps(struct vmm *v, uint64_t va, uint64_t gpa)
{
	*entry(v, va) = gpa | ENTRY;
}

/* ---- the VMM ---- */

static void attach(struct vmm *v)
{
	object_publish(v->w->ctx, &v->nested->obj);
	assert_int_equal(idevice_replace(v->w->idev[0], &(uint32_t){v->nested->obj.id}), 0);
}

static void begin(struct vmm *v, const char *make)
{
	*v = (struct vmm){.next_table = TABLES};
	v->w = world_create(&(struct sanitizer_config){0}, make);
	memset(v->w->mem, 0, TABLE_PAGES * PAGE_SIZE);
	world_map(v->w, TABLES, 0, TABLE_PAGES, RW);
	world_map(v->w, DATA, DATA_PAGE, DATA_PAGES, RW);
	/* Linux has no read-only memory below a guest of VT-d's (erratum 772415). */
	if (!strncmp(make, "amd", 3))
		world_map(v->w, ROM, ROM_PAGE, ROM_PAGES, SPACE_READ);
	assert_int_equal(hwpt_paging_alloc(v->w->ctx, v->w->ioas, v->w->idev[0], DOMAIN_NEST_PARENT,
					   NULL, &v->parent),
			 0);
	object_publish(v->w->ctx, &v->parent->obj);
}

static void end(struct vmm *v)
{
	assert_silent(v->w);
	world_destroy(v->w);
}

/* Linux's kind of nested HWPT: nobody tells the guest of anything. */
static void nest_s1(struct vmm *v)
{
	const struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = TABLES, .addr_width = 48};
	const struct user_data data = data_of(IOMMU_HWPT_DATA_VTD_S1, &s1, sizeof(s1));

	assert_int_equal(
		hwpt_nested_alloc(v->w->ctx, v->parent, v->w->idev[0], 0, &data, &v->nested), 0);
	attach(v);
}

static void begin_s1(struct vmm *v)
{
	begin(v, "vtd,nesting=on");
	nest_s1(v);
}

static const struct told *expect_gpa(const struct told *t, uint64_t iova, uint64_t gpa)
{
	assert_true(t->f.nested);
	assert_int_equal(t->f.iova, iova);
	assert_int_equal(t->f.gpa, gpa);
	return t;
}

static void expect_words(const struct told *t, const char *words)
{
	if (!strstr(t->text, words))
		fail_msg("not \"%s\": %s", words, t->text);
}

/* ---- stage 2 says no ---- */

static void test_data(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	guest_maps(&v, VA, DATA);
	guest_maps(&v, VA + PAGE_SIZE, DATA + DATA_PAGES * PAGE_SIZE);
	guest_maps(&v, VA + 2 * PAGE_SIZE, DATA + 64 * PAGE_SIZE);
	assert_int_equal(world_write(v.w, VA + 8, 64), 0);
	assert_silent(v.w);

	assert_int_equal(world_write(v.w, VA + PAGE_SIZE + 8, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_OUT_OF_BOUNDS), VA + PAGE_SIZE + 8,
		       DATA + DATA_PAGES * PAGE_SIZE + 8);
	assert_int_equal(t->f.nearest.iova, DATA);
	expect_words(t, "tried to write 64 bytes to IOVA 0x7f0000001008 (guest physical address "
			"0x40110008), 9 bytes behind the end of a mapping");

	assert_int_equal(world_read(v.w, VA + 2 * PAGE_SIZE, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_UNMAPPED), VA + 2 * PAGE_SIZE, DATA + 64 * PAGE_SIZE);
	expect_words(t, "which was never mapped in IOAS");
	assert_int_equal(t->f.nearest.iova, DATA);

	world_unmap(v.w, DATA, DATA_PAGES * PAGE_SIZE);
	assert_int_equal(world_write(v.w, VA + 8, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_AFTER_UNMAP), VA + 8, DATA + 8);
	assert_int_equal(t->f.nearest.iova, DATA);
	assert_true(t->f.nearest.mapped_at && t->f.nearest.unmapped_at);
	expect_words(t, "in a mapping of IOAS");
	end(&v);
}

/* The guest's own tables say no: no mapping has to do with it. */
static void test_stage1(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = assert_found(v.w, DMA_UNMAPPED);
	assert_false(t->f.nested || t->f.nearest.there);
	expect_words(t, "which the guest's own tables do not map");
	*entry(&v, VA) = DATA | 5;
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = assert_found(v.w, DMA_DIRECTION);
	assert_false(t->f.nested || t->f.nearest.there);
	expect_words(t, "which the guest's own tables permit no write to");
	end(&v);
}

/* Not the data, but an entry on the way to it. */
static void test_table(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	guest_maps(&v, VA, DATA);
	assert_int_equal(world_write(v.w, VA, 64), 0);

	world_unmap(v.w, TABLES, TABLE_PAGES * PAGE_SIZE);
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = assert_found(v.w, DMA_AFTER_UNMAP);
	assert_int_equal(t->f.nearest.iova, TABLES);
	assert_true(t->f.gpa >= TABLES && t->f.gpa < TABLES + TABLE_PAGES * PAGE_SIZE);
	expect_words(t, "and the IOMMU to read the guest's table for it at guest physical");
	end(&v);
}

/* Its memory was there when it was translated, or was not even then. */
static void test_freed(void **state)
{
	struct memory_change c;
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	guest_maps(&v, VA, DATA + PAGE_SIZE);
	assert_int_equal(world_write(v.w, VA, 64), 0);
	v.w->copy_rc = -EFAULT;
	assert_int_equal(world_write(v.w, VA + 8, 64), -EFAULT);
	v.w->copy_rc = 0;
	t = expect_gpa(assert_found(v.w, DMA_TO_FREED), VA + 8, DATA + PAGE_SIZE + 8);
	assert_int_equal(t->f.va, (uintptr_t)v.w->mem + (DATA_PAGE + 1) * PAGE_SIZE + 8);

	memory_change_begin(v.w->host->memory, &c,
			    (uintptr_t)v.w->mem + (DATA_PAGE + 1) * PAGE_SIZE, PAGE_SIZE);
	memory_change_end(v.w->host->memory, &c);
	assert_found(v.w, FREED_WHILE_MAPPED);
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_TO_FREED), VA, DATA + PAGE_SIZE);
	assert_int_equal(t->f.nearest.iova, DATA);
	end(&v);
}

/* ---- what is let through ---- */

static uint64_t uses(struct vmm *v, uint64_t gpa)
{
	struct finding_mapping m;

	assert_true(sanitizer_mapping(v->w->s, v->w->ioas->space, gpa, &m));
	return m.uses;
}

#define STRIPS	   (IOVA + 0x400000) /* DATA_PAGES pages, each mapped by itself */
#define SLOTS	   24u		     /* of the guest's pages, in two stretches */
#define NR_ACCESS  3000u
#define slot_va(n) ((n) % 2 ? VA_FAR + (n)*PAGE_SIZE : VA + (n)*PAGE_SIZE)

static void forget(struct vmm *v)
{
	const struct iommu_hwpt_vtd_s1_invalidate all = {.npages = U64MAX};
	const struct user_array a = {
		&here, NULL, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, (uintptr_t)&all, sizeof(all), 1};
	uint32_t done = 0;

	assert_int_equal(v->nested->domain->nested->invalidate(v->nested->domain, &a, &done), 0);
}

static unsigned int next(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % n;
}

/* Every use is counted where it was, however the translation was found. */
static void count_uses(bool ats)
{
	uint64_t wanted[DATA_PAGES] = {0};
	unsigned int seed = 7, leads_to[SLOTS], slot, page;
	struct vmm v;

	begin(&v, "vtd,nesting=on,ats=on");
	if (ats)
		assert_int_equal(requester_add_ats(v.w->slot[0]->requester, false), 0);
	nest_s1(&v);
	for (page = 0; page < DATA_PAGES; page++)
		world_map(v.w, STRIPS + page * PAGE_SIZE, 36 + page, 1, RW);
	for (slot = 0; slot < SLOTS; slot++) {
		leads_to[slot] = next(&seed, DATA_PAGES);
		guest_maps(&v, slot_va(slot), STRIPS + leads_to[slot] * PAGE_SIZE);
	}
	for (unsigned int n = 0; n < NR_ACCESS; n++) {
		slot = next(&seed, SLOTS);
		if (!next(&seed, 16)) {
			leads_to[slot] = next(&seed, DATA_PAGES);
			guest_maps(&v, slot_va(slot), STRIPS + leads_to[slot] * PAGE_SIZE);
			forget(&v);
		}
		wanted[leads_to[slot]]++;
		if (next(&seed, 2))
			assert_int_equal(world_write(v.w, slot_va(slot) + 8, 64), 0);
		else
			assert_int_equal(world_read(v.w, slot_va(slot) + 8, 64), 0);
	}
	for (page = 0; page < DATA_PAGES; page++)
		assert_int_equal(uses(&v, STRIPS + page * PAGE_SIZE), wanted[page]);
	end(&v);
}

static void test_uses(void **state)
{
	count_uses(false);
	count_uses(true);
}

static void declare(struct vmm *v, uint64_t gpa, uint64_t len)
{
	observe_annotate(&v->w->host->sink, &(struct event_annotate){.space = v->w->ioas->space,
								     .iova = gpa,
								     .last = gpa + len - 1,
								     .meant = true});
}

static void test_slack(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	guest_maps(&v, VA, DATA + PAGE_SIZE);
	declare(&v, DATA + PAGE_SIZE, 100);
	assert_int_equal(world_write(v.w, VA, 100), 0);
	assert_silent(v.w);
	assert_int_equal(world_write(v.w, VA, 108), 0);
	t = expect_gpa(assert_found(v.w, DMA_IN_SLACK), VA + 100, DATA + PAGE_SIZE + 100);
	assert_int_equal(t->f.len, 8);
	assert_int_equal(t->f.va, (uintptr_t)v.w->mem + (DATA_PAGE + 1) * PAGE_SIZE + 100);
	expect_words(t, "wrote 8 bytes at IOVA 0x7f0000000064 (guest physical address 0x40101064)");
	end(&v);
}

#define BIG	(2ull << 20)
#define BIG_GPA 0x80000000ull

/* A leaf of 2 MiB, cached as such. */
static void test_big(void **state)
{
	char *mem = mmap(NULL, 2 * BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *big = (char *)align_up((uintptr_t)mem, BIG);
	struct vmm v;

	begin_s1(&v);
	assert_int_equal(world_map_at(v.w, v.w->ioas, BIG_GPA, big, BIG, RW), 0);
	entry(&v, VA);
	/* Of the level above, for which PS makes a leaf. */
	*word(&v, last_table(&v, VA) - PAGE_SIZE + 8) = BIG_GPA | ENTRY | 1 << 7;
	for (unsigned int n = 0; n < 3; n++)
		assert_int_equal(world_write(v.w, VA + BIG + 0x123456, 64), 0);
	assert_int_equal(uses(&v, BIG_GPA), 3);
	declare(&v, BIG_GPA, 0x1000);
	assert_int_equal(world_read(v.w, VA + BIG + 0x123456, 64), 0);
	expect_gpa(assert_found(v.w, DMA_IN_SLACK), VA + BIG + 0x123456, BIG_GPA + 0x123456);
	world_unmap(v.w, BIG_GPA, BIG);
	end(&v);
	munmap(mem, 2 * BIG);
}

static void test_alias(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_s1(&v);
	world_map(v.w, STRIPS, DATA_PAGE, 1, RW);
	guest_maps(&v, VA, DATA);
	guest_maps(&v, VA + PAGE_SIZE, STRIPS);
	assert_int_equal(world_write(v.w, VA, 64), 0);
	assert_silent(v.w);
	assert_int_equal(world_write(v.w, VA + PAGE_SIZE, 64), 0);
	t = expect_gpa(assert_found(v.w, WRITE_ALIAS), VA + PAGE_SIZE, STRIPS);
	expect_words(t, "that devices also write at guest physical address 0x40100000");
	end(&v);
}

/* ---- transfers under way ---- */

struct unmapper {
	struct vmm *v;
	unsigned int at, copies;
	pthread_t thread;
};

static void *unmap_thread(void *arg)
{
	const struct unmapper *u = arg;

	world_unmap(u->v->w, STRIPS, PAGE_SIZE);
	return NULL;
}

/* Within the device's section, where no unmap can end: until the table is without it. */
static void on_copy(struct world *w, void *arg)
{
	struct unmapper *u = arg;
	struct pt_leaf leaf;

	if (u->copies++ != u->at)
		return;
	assert_int_equal(pthread_create(&u->thread, NULL, unmap_thread, u), 0);
	while (!pt_translate(u->v->parent->domain->pt, STRIPS, &leaf))
		usleep(100);
}

/* Of four pages the third is unmapped, while that of number @at is written. */
static int unmap_while(struct vmm *v, unsigned int at)
{
	struct unmapper u = {.v = v, .at = at};
	int rc;

	begin_s1(v);
	world_map(v->w, STRIPS, 40, 1, RW);
	for (unsigned int n = 0; n < 4; n++)
		guest_maps(v, VA + n * PAGE_SIZE, n == 2 ? STRIPS : DATA + n * PAGE_SIZE);
	v->w->copying = on_copy;
	v->w->copying_arg = &u;
	rc = world_write(v->w, VA, 4 * PAGE_SIZE);
	v->w->copying = NULL;
	pthread_join(u.thread, NULL);
	return rc;
}

static void test_in_flight(void **state)
{
	const struct told *t;
	struct vmm v;

	assert_int_equal(unmap_while(&v, 2), 0);
	t = expect_gpa(assert_found(v.w, UNMAP_IN_FLIGHT), VA + 2 * PAGE_SIZE, STRIPS);
	assert_int_equal(t->f.len, PAGE_SIZE);
	assert_int_equal(t->f.nearest.unmapped_at, t->f.now);
	expect_words(t, "still had to write 4 KiB at IOVA 0x7f0000002000 (guest physical address "
			"0x40400000)");
	end(&v);

	/* Where it goes next is known when it does. */
	assert_int_equal(unmap_while(&v, 1), -EFAULT);
	t = expect_gpa(assert_found(v.w, UNMAP_IN_FLIGHT), VA + 2 * PAGE_SIZE, STRIPS);
	assert_int_equal(t->f.nearest.iova, STRIPS);
	expect_words(t, "that was removed during the transfer");
	assert_int_equal(world_write(v.w, VA + 2 * PAGE_SIZE, 8), -EFAULT);
	assert_found(v.w, DMA_AFTER_UNMAP);
	end(&v);

	assert_int_equal(unmap_while(&v, 3), 0);
	assert_silent(v.w);
	end(&v);
}

/* ---- AMD, whose nest parent may hold memory that is only read ---- */

static void make_viommu(struct vmm *v, uint32_t type, const struct user_data *data)
{
	struct vdevice_object *vd;

	assert_int_equal(
		viommu_alloc(v->w->ctx, v->w->idev[0], type, v->parent->obj.id, data, &v->v), 0);
	object_publish(v->w->ctx, &v->v->obj);
	/* As the command does it: the device stays busy as long as the vDEVICE lives. */
	assert_non_null(object_get(v->w->ctx, v->w->idev[0]->obj.id, OBJECT_DEVICE));
	assert_int_equal(vdevice_alloc(v->v, v->w->idev[0], SID, &vd), 0);
	assert_int_equal(vdevice_finish(vd, 0), 0);
}

static void make_nested(struct vmm *v, uint32_t type, const void *bytes, size_t len)
{
	const struct user_data data = data_of(type, bytes, len);

	assert_int_equal(hwpt_viommu_alloc(v->w->ctx, v->v, v->w->idev[0], 0, &data, &v->nested),
			 0);
	attach(v);
}

/* A GCR3 table of one level. */
static void begin_amd(struct vmm *v)
{
	const uint64_t gcr3 = TABLES + 10 * PAGE_SIZE;
	const struct iommu_hwpt_amd_guest entry = {
		.dte = {3ull << 61 | 3 | 1ull << 55 | 1ull << 54 | (gcr3 >> 12 & 7) << 58,
			5 | (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43}};

	begin(v, "amd,nesting=on");
	*word(v, gcr3) = TABLES | 1;
	make_viommu(v, IOMMU_HW_INFO_TYPE_AMD, NULL);
	make_nested(v, IOMMU_HWPT_DATA_AMD_GUEST, &entry, sizeof(entry));
}

static void test_rom(void **state)
{
	const struct told *t;
	uint64_t table;
	struct vmm v;

	begin_amd(&v);
	guest_maps(&v, VA, ROM);
	guest_maps(&v, VA_FAR, DATA);
	assert_int_equal(world_read(v.w, VA, 64), 0);
	assert_silent(v.w);
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_DIRECTION), VA, ROM);
	assert_int_equal(t->f.nearest.iova, ROM);
	assert_int_equal(t->f.nearest.prot, SPACE_READ);

	/* Nor can the accessed flags of a table be set there. */
	table = last_table(&v, VA_FAR);
	memcpy(v.w->mem + ROM_PAGE * PAGE_SIZE, word(&v, table), PAGE_SIZE);
	*word(&v, table - PAGE_SIZE) = ROM | ENTRY;
	assert_int_equal(world_read(v.w, VA_FAR, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_DIRECTION), VA_FAR, ROM);
	assert_int_equal(t->f.access, IOMMU_READ);
	expect_words(t, "and the IOMMU to mark the guest's table for it at guest physical address "
			"0x40200000 in a mapping that permits reading only");
	end(&v);
}

/* ---- a guest that is told itself ---- */

/* Scalable mode: a root, a context, a PASID directory and a PASID table. */
static uint64_t make_config(struct vmm *v)
{
	const uint64_t root = TABLES + 10 * PAGE_SIZE, context = root + PAGE_SIZE,
		       directory = context + PAGE_SIZE, table = directory + PAGE_SIZE;
	uint64_t *e = word(v, table);

	*word(v, root) = context | 1;
	*word(v, context + SID * 32) = directory | 1 << 3 | 1;
	*word(v, directory) = table | 1;
	/* P, first stage. */
	for (unsigned int pasid = 0; pasid <= 7; pasid += 7) {
		e[pasid * 8] = 1 | 1 << 6;
		e[pasid * 8 + 1] = 5;
		e[pasid * 8 + 2] = TABLES;
	}
	e[9 * 8] = 1 | 4 << 6; /* pass-through */
	e[9 * 8 + 1] = 6;
	return root;
}

static void begin_own(struct vmm *v, bool listens)
{
	struct iommu_viommu_ioas_vtd ids = {.cap_reg = CAP, .ecap_reg = ECAP};
	const struct user_data data = data_of(GUESTS, &ids, sizeof(ids));
	struct veventq *q;
	uint64_t rtaddr;

	begin(v, "vtd,nesting=on");
	rtaddr = make_config(v) | SCALED;
	make_viommu(v, GUESTS, &data);
	if (listens) {
		assert_int_equal(veventq_alloc(v->v, IOMMU_VEVENTQ_TYPE_IOAS_VTD, 16, &q), 0);
		assert_int_equal(veventq_finish(q, 0), 0);
	}
	make_nested(v, GUESTS, &rtaddr, sizeof(rtaddr));
}

/*
 * What the guest is told of, and memory that it never had, are its own business; that the VMM took
 * memory from under its tables is not.
 */
static void test_own(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_own(&v, true);
	guest_maps(&v, VA, DATA);
	assert_int_equal(world_write(v.w, VA, 64), 0);
	v.w->port[0].pasid = 7;
	assert_int_equal(world_write(v.w, VA, 64), 0);
	assert_int_equal(uses(&v, DATA), 2);
	v.w->port[0].pasid = 9; /* which passes through */
	assert_int_equal(world_write(v.w, DATA + 8, 64), 0);
	assert_int_equal(world_write(v.w, DATA + 8, 64), 0);
	assert_int_equal(uses(&v, DATA), 4);
	v.w->port[0].pasid = 0;
	assert_int_equal(world_write(v.w, VA + PAGE_SIZE, 64), -EFAULT); /* no entry */
	*word(&v, TABLES) = (ROM + 64 * PAGE_SIZE) | ENTRY;		 /* of VAs below 2^39 */
	assert_int_equal(world_write(v.w, PAGE_SIZE, 64), -EFAULT);
	assert_silent(v.w);

	world_unmap(v.w, TABLES, TABLE_PAGES * PAGE_SIZE);
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = assert_found(v.w, DMA_AFTER_UNMAP);
	assert_int_equal(t->f.nearest.iova, TABLES);
	expect_words(t, "and the IOMMU to read the guest's ");
	end(&v);
}

/* Nobody tells the guest, so the host hears of all. */
static void test_deaf(void **state)
{
	const struct told *t;
	struct vmm v;

	begin_own(&v, false);
	*word(&v, TABLES + 10 * PAGE_SIZE) = (ROM + 64 * PAGE_SIZE) | 1;
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = expect_gpa(assert_found(v.w, DMA_UNMAPPED), VA, ROM + 64 * PAGE_SIZE + SID * 32);
	expect_words(t, "and the IOMMU to read the guest's configuration for it");
	*word(&v, TABLES + 10 * PAGE_SIZE) = 0;
	assert_int_equal(world_write(v.w, VA, 64), -EFAULT);
	t = assert_found(v.w, DMA_NO_DOMAIN);
	expect_words(t, "the guest's configuration");
	end(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),	  cmocka_unit_test(test_stage1),
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_freed),
		cmocka_unit_test(test_uses),	  cmocka_unit_test(test_slack),
		cmocka_unit_test(test_big),	  cmocka_unit_test(test_alias),
		cmocka_unit_test(test_in_flight), cmocka_unit_test(test_rom),
		cmocka_unit_test(test_own),	  cmocka_unit_test(test_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

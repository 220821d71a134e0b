/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer knows behind a guest's tables: a VMM maps its guest's memory for a nest
 * parent, and a device translates by first-stage tables of VT-d that lie in it.
 */
#include "world.h"

#include <errno.h>
#include <ioas/abi/extensions.h>
#include <ioas/abi/iommufd.h>

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

static int copy_in(void *arg, void *dst, uint64_t src, size_t len)
{
	memcpy(dst, (const void *)(uintptr_t)src, len);
	return 0;
}

static int copy_out(void *arg, uint64_t dst, const void *src, size_t len)
{
	memcpy((void *)(uintptr_t)dst, src, len);
	return 0;
}

static const struct user_ops here = {copy_in, copy_out};

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
static void begin_s1(struct vmm *v)
{
	const struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = TABLES, .addr_width = 48};
	const struct user_data data = data_of(IOMMU_HWPT_DATA_VTD_S1, &s1, sizeof(s1));

	begin(v, "vtd,nesting=on");
	assert_int_equal(
		hwpt_nested_alloc(v->w->ctx, v->parent, v->w->idev[0], 0, &data, &v->nested), 0);
	attach(v);
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
	e[0] = 1 | 1 << 6; /* P, first stage */
	e[1] = 5;
	e[2] = TABLES;
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
		cmocka_unit_test(test_data),  cmocka_unit_test(test_stage1),
		cmocka_unit_test(test_table), cmocka_unit_test(test_rom),
		cmocka_unit_test(test_own),   cmocka_unit_test(test_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

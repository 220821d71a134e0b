/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested HWPTs, vIOMMUs and what hangs off them: who holds whom (semantics 2.4), in which order
 * they go, tombstones, HW queues and mappable regions. Every test ends with the sweep of the whole
 * context, which must find everything free.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bed.h"
#include "../iommu/here.h"

#define NEST DOMAIN_NEST_PARENT

static void test_nested(void **state)
{
	const struct iommu_hwpt_selftest wish = {.iotlb = 1};
	struct user_data data = {&here, NULL, IOMMU_HWPT_DATA_SELFTEST, (uintptr_t)&wish,
				 sizeof(wish)};
	struct hwpt *plain, *parent, *nested, *out;
	struct bed b;

	bed_create(&b);
	plain = bed_paging(&b, 0, 0);
	parent = bed_paging(&b, 0, NEST);
	/* HWA.15 to HWA.18, and adjacent pairs. */
	assert_int_equal(hwpt_nested_alloc(b.ctx, plain, b.idev[0], NEST, &data, &out),
			 -EOPNOTSUPP);
	assert_int_equal(hwpt_nested_alloc(b.ctx, plain, b.idev[0], 0, NULL, &out), -EOPNOTSUPP);
	assert_int_equal(hwpt_nested_alloc(b.ctx, plain, b.idev[0], 0, &data, &out), -EINVAL);
	data.type = 1;
	assert_int_equal(hwpt_nested_alloc(b.ctx, plain, b.idev[0], 0, &data, &out), -EINVAL);
	assert_int_equal(hwpt_nested_alloc(b.ctx, parent, b.idev[0], 0, &data, &out), -EOPNOTSUPP);
	data.type = IOMMU_HWPT_DATA_SELFTEST;
	data.len = 3;
	assert_int_equal(hwpt_nested_alloc(b.ctx, parent, b.idev[0], 0, &data, &out), -EINVAL);

	nested = bed_nested(&b, 0, parent, NULL, 0);
	assert_int_equal(bed_kill(&b, parent->obj.id), -EBUSY);
	assert_int_equal(bed_attach(&b, 0, 0, nested->obj.id), 0);
	assert_int_equal(bed_kill(&b, nested->obj.id), -EBUSY);
	/* The parent's IOAS, and nothing walks a nested domain yet. */
	assert_int_equal(bed_look(&b, 0, 0, BED_IOVA), -1);
	assert_int_equal(idevice_replace(b.idev[0], &(uint32_t){parent->obj.id}), 0);
	assert_int_equal(bed_look(&b, 0, 0, BED_IOVA), 0);
	assert_int_equal(bed_kill(&b, nested->obj.id), 0);
	idevice_detach(b.idev[0]);
	assert_int_equal(bed_kill(&b, parent->obj.id), 0);
	bed_destroy(&b);
}

/* 4.6: as far as the array reached. */
static void test_invalidate(void **state)
{
	struct iommu_hwpt_invalidate_selftest e[3] = {{0, 1}, {0, 9}, {0, 2}};
	struct user_array a = {&here,	     NULL,	   IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
			       (uintptr_t)e, sizeof(e[0]), 3};
	const struct nested_ops *ops;
	struct hwpt *nested;
	uint32_t done = 0, word;
	struct bed b;

	bed_create(&b);
	nested = bed_nested(&b, 0, bed_paging(&b, 0, NEST), NULL, 0);
	ops = nested->domain->nested;
	assert_int_equal(ops->invalidate(nested->domain, &a, &done), -EINVAL);
	assert_int_equal(done, 1);
	for (uint32_t n = 0; n < 4; n++) {
		assert_int_equal(mock_nested_iotlb(nested->domain, n, &word), 0);
		assert_int_equal(word, n == 1 ? 0 : IOMMU_TEST_IOTLB_DEFAULT);
	}
	bed_destroy(&b);
}

static void test_viommu_holds(void **state)
{
	struct viommu_object *v;
	struct hwpt *parent, *plain, *nested;
	uint32_t vdev;
	struct bed b;

	bed_create(&b);
	plain = bed_paging(&b, 0, 0);
	parent = bed_paging(&b, 0, NEST);
	/* VIO.A3 to VIO.A5. */
	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], 1, 999, NULL, &v), -EOPNOTSUPP);
	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, 999, NULL, &v),
			 -ENOENT);
	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, b.ioas->obj.id,
				      NULL, &v),
			 -ENOENT);
	assert_int_equal(
		viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, plain->obj.id, NULL, &v),
		-EINVAL);
	v = bed_viommu(&b, parent);
	nested = bed_nested(&b, 0, NULL, v, 0);
	assert_int_equal(bed_kill(&b, parent->obj.id), -EBUSY);
	assert_int_equal(bed_kill(&b, v->obj.id), -EBUSY);
	/* The mock wants a name for the device before it is attached to its vIOMMU's domain. */
	assert_int_equal(bed_attach(&b, 0, 0, nested->obj.id), -ENOENT);
	assert_int_equal(bed_vdevice(&b, v, 0, 0x99, &vdev), 0);
	assert_int_equal(bed_attach(&b, 0, 0, nested->obj.id), 0);
	assert_int_equal(b.mock[0].virt_id, 0x99);
	assert_int_equal(bed_kill(&b, vdev), 0); /* DEST.11 */
	idevice_detach(b.idev[0]);
	assert_int_equal(bed_kill(&b, nested->obj.id), 0);
	assert_int_equal(bed_kill(&b, v->obj.id), 0);
	assert_int_equal(bed_kill(&b, parent->obj.id), 0);
	bed_destroy(&b);
}

static void test_vdevice_names(void **state)
{
	struct viommu_object *v, *w;
	struct hwpt *parent;
	uint32_t id, other;
	struct bed b;

	bed_create(&b);
	parent = bed_paging(&b, 0, NEST);
	v = bed_viommu(&b, parent);
	w = bed_viommu(&b, parent);
	assert_int_equal(bed_vdevice(&b, v, 0, 7, &id), 0);
	assert_int_equal(bed_vdevice(&b, v, 0, 8, &other), -EEXIST); /* VDV.6, in any vIOMMU */
	assert_int_equal(bed_vdevice(&b, w, 0, 7, &other), -EEXIST);
	assert_int_equal(bed_vdevice(&b, v, 1, 7, &other), -EEXIST); /* VDV.7 */
	assert_int_equal(bed_vdevice(&b, w, 1, 7, &other), 0);
	lock_acquire(&v->viommu->lock);
	assert_ptr_equal(viommu_find(v->viommu, 7)->requester, b.slot[0]->requester);
	assert_null(viommu_find(v->viommu, 8));
	assert_null(viommu_find_requester(v->viommu, b.slot[1]->requester));
	lock_release(&v->viommu->lock);
	assert_int_equal(bed_kill(&b, id), 0);
	lock_acquire(&v->viommu->lock);
	assert_null(viommu_find(v->viommu, 7));
	lock_release(&v->viommu->lock);
	assert_int_equal(bed_vdevice(&b, v, 0, 8, &id), 0);
	bed_destroy(&b);
}

/* 2.5: the id of a vDEVICE that went with its device is never given out again. */
static void test_tombstone(void **state)
{
	struct viommu_object *v;
	struct hwpt *parent;
	uint32_t id, again;
	struct bed b;

	bed_create(&b);
	parent = bed_paging(&b, 0, NEST);
	v = bed_viommu(&b, parent);
	assert_int_equal(bed_vdevice(&b, v, 0, 7, &id), 0);
	idevice_unbind(b.idev[0]);
	b.idev[0] = NULL;
	assert_int_equal(bed_kill(&b, id), -ENOENT);
	assert_null(object_get(b.ctx, id, OBJECT_ANY));
	for (int n = 0; n < 8; n++)
		assert_int_not_equal(bed_ioas(&b)->obj.id, id);
	/* The name is free, the vIOMMU and its parent are held no more. */
	assert_int_equal(bed_vdevice(&b, v, 1, 7, &again), 0);
	assert_int_equal(bed_kill(&b, again), 0);
	assert_int_equal(bed_kill(&b, v->obj.id), 0);
	assert_int_equal(bed_kill(&b, parent->obj.id), 0);

	/* One that its owner destroyed leaves its id to others. */
	parent = bed_paging(&b, 1, NEST);
	assert_int_equal(viommu_alloc(b.ctx, b.idev[1], IOMMU_VIOMMU_TYPE_SELFTEST, parent->obj.id,
				      NULL, &v),
			 0);
	object_publish(b.ctx, &v->obj);
	assert_int_equal(bed_vdevice(&b, v, 1, 7, &id), 0);
	assert_int_equal(bed_kill(&b, id), 0);
	assert_int_equal(bed_ioas(&b)->obj.id, id);
	bed_destroy(&b);
}

static void test_queue_rules(void **state)
{
	const uint64_t half = BED_IOVA + BED_LEN / 2;
	struct viommu_object *v;
	struct hw_queue_object *q;
	struct hw_queue_params p = {1, 0, BED_IOVA, 4096};
	uint64_t objects, unmapped;
	uint32_t zero, one;
	struct bed b;

	bed_create(&b);
	v = bed_viommu(&b, bed_paging(&b, 0, NEST));
	objects = bed_objects(&b);
	assert_int_equal(hw_queue_alloc(v, &p, &q), -EOPNOTSUPP); /* HWQ.5 */
	assert_int_equal(bed_queue(&b, v, 0, 0xfff, UINT64_MAX - 0xffe, &zero),
			 -ERANGE);						      /* HWQ.6 */
	assert_int_equal(bed_queue(&b, v, 0, BED_IOVA - 4096, 8192, &zero), -ENOENT); /* HWQ.7 */
	assert_int_equal(bed_queue(&b, v, 0, BED_IOVA + BED_LEN - 8, 16, &zero), -ENOENT);
	assert_int_equal(bed_queue(&b, v, 2, BED_IOVA, 4096, &zero), -EINVAL); /* HWQ.11 */
	assert_int_equal(bed_queue(&b, v, 1, BED_IOVA, 4096, &zero), -EIO);
	assert_int_equal(bed_objects(&b), objects);
	/* Nothing stays locked. */
	assert_int_equal(space_unmap(b.ioas->space, half, BED_LEN / 2, &unmapped), 0);
	bed_map(&b, b.ioas, half, b.mem + BED_LEN / 2, BED_LEN / 2, SPACE_WRITE);
	assert_int_equal(bed_queue(&b, v, 0, half, 16, &zero), -EPERM); /* HWQ.8 */

	assert_int_equal(bed_queue(&b, v, 0, BED_IOVA + 8, 4096, &zero), 0);
	assert_int_equal(bed_objects(&b), objects + 2); /* its access has an id too */
	assert_int_equal(bed_queue(&b, v, 0, BED_IOVA, 4096, &one), -EEXIST);
	assert_int_equal(bed_queue(&b, v, 1, BED_IOVA, 4096, &one), 0);
	assert_int_equal(bed_kill(&b, v->obj.id), -EBUSY);
	assert_int_equal(bed_kill(&b, zero), -EBUSY); /* DEST.9 */
	/* UNM.7, which beats UNM.8; the area beside it goes. */
	assert_int_equal(space_unmap(b.ioas->space, BED_IOVA, 4096, &unmapped), -EBUSY);
	assert_int_equal(space_unmap(b.ioas->space, BED_IOVA, BED_LEN, &unmapped), -EBUSY);
	assert_int_equal(unmapped, 0);
	assert_int_equal(space_unmap(b.ioas->space, half, BED_LEN / 2, &unmapped), 0);
	assert_int_equal(bed_kill(&b, one), 0);
	assert_int_equal(bed_kill(&b, zero), 0);
	assert_int_equal(space_unmap(b.ioas->space, BED_IOVA, BED_LEN / 2, &unmapped), 0);
	assert_int_equal(bed_kill(&b, v->obj.id), 0);
	bed_destroy(&b);
}

/* HWQ.9: areas that are not aligned to the page, before anything is looked up; and none can come
 * later. */
static void test_queue_alignment(void **state)
{
	const struct memory_payer nobody = {0};
	struct space_map map = {
		.length = 2048, .iova = BED_IOVA + 2 * BED_LEN, .prot = SPACE_READ, .fixed = true};
	struct viommu_object *v;
	uint64_t unmapped;
	uint32_t id;
	struct bed b;

	bed_create(&b);
	v = bed_viommu(&b, bed_paging(&b, 0, NEST)); /* its domain's pages have 2 KiB */
	assert_int_equal(pages_from_va(b.host->memory, &nobody, (uintptr_t)b.mem, 2048, false,
				       false, &map.pages),
			 0);
	assert_int_equal(space_map(b.ioas->space, &map), 0);
	assert_int_equal(bed_queue(&b, v, 0, 0x5000, 4096, &id), -EADDRINUSE);
	assert_int_equal(space_unmap(b.ioas->space, map.iova, 2048, &unmapped), 0);
	assert_int_equal(bed_queue(&b, v, 0, BED_IOVA, 4096, &id), 0);
	assert_int_equal(space_map(b.ioas->space, &map), -EINVAL);
	assert_int_equal(bed_kill(&b, id), 0);
	assert_int_equal(space_map(b.ioas->space, &map), 0);
	pages_put(map.pages);
	bed_destroy(&b);
}

/* 6.3: exactly the region, and its owner stays as long as somebody has it mapped. */
static void test_region(void **state)
{
	struct iommu_viommu_selftest s = {.in_data = 0x1234};
	const struct user_data data = {&here, NULL, IOMMU_VIOMMU_TYPE_SELFTEST, (uintptr_t)&s,
				       sizeof(s)};
	struct viommu_object *v, *w;
	struct hwpt *parent;
	struct region r;
	struct bed b;

	bed_create(&b);
	parent = bed_paging(&b, 0, NEST);
	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, parent->obj.id,
				      &data, &v),
			 0);
	object_publish(b.ctx, &v->obj);
	assert_int_equal(s.out_data, 0x1234);
	assert_int_equal(s.out_mmap_length, 8192);
	assert_int_equal(s.out_mmap_offset, 4096);
	assert_int_equal(iommufd_region_get(b.ctx, 0, 8192, &r), -ENXIO);
	assert_int_equal(iommufd_region_get(b.ctx, 4096, 4096, &r), -ENXIO);
	assert_int_equal(iommufd_region_get(b.ctx, 8192, 4096, &r), -ENXIO);
	assert_int_equal(iommufd_region_get(b.ctx, 4096, 12288, &r), -ENXIO);
	assert_int_equal(iommufd_region_get(b.ctx, 4096, 8192, &r), 0);
	assert_int_equal(*(uint32_t *)r.mem, 0x1234);
	assert_int_equal(bed_kill(&b, v->obj.id), -EBUSY); /* DEST.10 */

	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, parent->obj.id,
				      &data, &w),
			 0);
	object_publish(b.ctx, &w->obj);
	assert_int_equal(s.out_mmap_offset, 12288);
	object_release(b.ctx, r.owner);
	assert_int_equal(bed_kill(&b, v->obj.id), 0);
	assert_int_equal(iommufd_region_get(b.ctx, 4096, 8192, &r), -ENXIO);
	assert_int_equal(viommu_alloc(b.ctx, b.idev[0], IOMMU_VIOMMU_TYPE_SELFTEST, parent->obj.id,
				      &data, &v),
			 0);
	object_publish(b.ctx, &v->obj);
	assert_int_equal(s.out_mmap_offset, 4096); /* the lowest free place */
	bed_destroy(&b);
}

/* Every order of destroying a small family of objects: what is held answers EBUSY until its holder
 * is gone. */
static void test_destroy_orders(void **state)
{
	enum { PARENT, VIOMMU, NESTED, VDEVICE, QUEUE, NR };
	/* Who must be gone before. */
	static const unsigned int before[NR] = {
		[PARENT] = 1 << VIOMMU, [VIOMMU] = 1 << NESTED | 1 << VDEVICE | 1 << QUEUE};

	for (unsigned int seed = 0; seed < 120; seed++) {
		unsigned int gone = 0, order = seed;
		struct viommu_object *v;
		struct hwpt *parent;
		uint32_t id[NR];
		struct bed b;

		bed_create(&b);
		parent = bed_paging(&b, 0, NEST);
		v = bed_viommu(&b, parent);
		id[PARENT] = parent->obj.id;
		id[VIOMMU] = v->obj.id;
		id[NESTED] = bed_nested(&b, 0, NULL, v, 0)->obj.id;
		assert_int_equal(bed_vdevice(&b, v, 0, 1, &id[VDEVICE]), 0);
		assert_int_equal(bed_queue(&b, v, 0, BED_IOVA, 64, &id[QUEUE]), 0);
		for (unsigned int step = 0; gone != (1 << NR) - 1; step++) {
			unsigned int n = (order + step * (1 + seed % 4)) % NR;
			bool held = (before[n] & gone) != before[n];
			int rc;

			order = order * 5 + 1;
			if (gone >> n & 1) {
				assert_int_equal(bed_kill(&b, id[n]), -ENOENT);
				continue;
			}
			rc = bed_kill(&b, id[n]);
			assert_int_equal(rc, held ? -EBUSY : 0);
			gone |= rc ? 0 : 1u << n;
			assert_true(step < 1000);
		}
		bed_destroy(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested),		cmocka_unit_test(test_invalidate),
		cmocka_unit_test(test_viommu_holds),	cmocka_unit_test(test_vdevice_names),
		cmocka_unit_test(test_tombstone),	cmocka_unit_test(test_queue_rules),
		cmocka_unit_test(test_queue_alignment), cmocka_unit_test(test_region),
		cmocka_unit_test(test_destroy_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The make mock: DMA through pages of 2 KiB, its words instead of caches, its vIOMMU and PASID. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"
#include "iommu/mock/mock.h"

#define K2 2048ull

/* The caller's memory is ours. */
static int copy_in(void *arg, void *dst, uint64_t src, size_t len)
{
	if (!src)
		return -EFAULT;
	memcpy(dst, (const void *)(uintptr_t)src, len);
	return 0;
}

static int copy_out(void *arg, uint64_t dst, const void *src, size_t len)
{
	memcpy((void *)(uintptr_t)dst, src, len);
	return 0;
}

static const struct user_ops user_ops = {.copy_in = copy_in, .copy_out = copy_out};

static struct user_data data_of(uint32_t type, const void *addr, size_t len)
{
	return (struct user_data){&user_ops, NULL, type, (uintptr_t)addr, len};
}

struct fixture {
	struct bed bed;
	struct mock_device device;
	struct requester *r;
};

static void setup(struct fixture *f, uint32_t flags)
{
	struct iommu_caps caps;

	bed_create(&f->bed, "mock", false);
	caps = mock_device_caps(f->bed.iommu, flags);
	mock_device_init(&f->device, flags);
	assert_int_equal(requester_create_with(f->bed.iommu,
					       &(struct requester_config){.rid = 1,
									  .caps = &caps,
									  .make_data = &f->device},
					       &f->r),
			 0);
}

static void teardown(struct fixture *f)
{
	assert_int_equal(requester_attach(f->r, NULL), 0);
	requester_destroy(f->r);
	mock_device_fini(&f->device);
	bed_destroy(&f->bed);
}

static void domains(void **state)
{
	struct iommu_hwpt_selftest wish = {.pagetable_type = MOCK_IOMMUPT_HUGE};
	struct user_data data = data_of(IOMMU_HWPT_DATA_SELFTEST, &wish, sizeof(wish));
	uint64_t start, last;
	struct fixture f;
	struct domain *d;

	setup(&f, 0);
	assert_int_equal(domain_alloc_for(f.r, DOMAIN_DIRTY, NULL, &d), 0);
	domain_aperture(d, &start, &last);
	assert_int_equal(start, MOCK_APERTURE_START);
	assert_int_equal(last, MOCK_APERTURE_LAST);
	assert_int_equal(domain_page_sizes(d) & -domain_page_sizes(d), K2);
	domain_free(d);
	assert_int_equal(domain_alloc_for(f.r, 0, &data, &d), 0);
	domain_aperture(d, &start, &last);
	assert_int_equal(start, 0);
	assert_int_equal(domain_page_sizes(d), MOCK_HUGE_PAGE_SIZE | PAGE_SIZE);
	domain_free(d);
	wish.pagetable_type = 2;
	assert_int_equal(domain_alloc_for(f.r, 0, &data, &d), -EOPNOTSUPP);
	data.len = 3;
	assert_int_equal(domain_alloc_for(f.r, 0, &data, &d), -EINVAL);
	data.type++;
	assert_int_equal(domain_alloc_for(f.r, 0, &data, &d), -EOPNOTSUPP);
	assert_int_equal(domain_alloc_for(f.r, BIT(2), NULL, &d), -EOPNOTSUPP);
	teardown(&f);

	setup(&f, MOCK_FLAGS_DEVICE_NO_DIRTY);
	assert_int_equal(domain_alloc_for(f.r, DOMAIN_DIRTY, NULL, &d), -EOPNOTSUPP);
	/* One that another device of the IOMMU has asked for. */
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_DIRTY, &d), 0);
	assert_int_equal(requester_attach(f.r, d), -EINVAL);
	domain_free(d);
	teardown(&f);
}

/* A mapping that begins in the middle of a page, at an IOVA that does too. */
static void small_pages(void **state)
{
	char *va = bed_memory(2 << 20);
	struct translation t;
	struct bed_map map;
	struct fixture f;
	struct domain *d;
	uint64_t iova = MOCK_APERTURE_START + K2;

	setup(&f, 0);
	memset(va, 'v', 2 << 20);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_DIRTY, &d), 0);
	assert_int_equal(requester_attach(f.r, d), 0);
	bed_map(&f.bed, &map, d, iova, va + 3 * K2, 3 * K2, PT_READ | PT_WRITE);
	for (unsigned int k = 0; k < 2; k++) {
		assert_int_equal(bed_translate(f.r, iova + 100, 8 * K2, IOMMU_WRITE, &t), 0);
		assert_ptr_equal(t.ptr, va + 3 * K2 + 100);
		assert_true(t.len >= K2 - 100 && t.len <= 3 * K2 - 100);
		assert_int_equal(bed_translate(f.r, iova + 2 * K2, 1, IOMMU_READ, &t), 0);
		assert_ptr_equal(t.ptr, va + 5 * K2);
	}
	assert_int_equal(bed_translate(f.r, iova - 1, 1, IOMMU_READ, &t), -EFAULT);
	assert_int_equal(f.bed.last_fault.code, FAULT_NOT_PRESENT + 1);
	assert_int_equal(bed_translate(f.r, iova + 3 * K2, 1, IOMMU_READ, &t), -EFAULT);
	bed_unmap(&f.bed, &map);
	assert_int_equal(bed_translate(f.r, iova, 1, IOMMU_READ, &t), -EFAULT);
	assert_int_equal(requester_attach(f.r, NULL), 0);
	domain_free(d);
	teardown(&f);
	munmap(va, 2 << 20);
}

static void check_words(struct domain *d, uint32_t a, uint32_t b, uint32_t c, uint32_t e)
{
	const uint32_t want[] = {a, b, c, e};
	uint32_t value;

	for (uint32_t n = 0; n < 4; n++) {
		assert_int_equal(mock_nested_iotlb(d, n, &value), 0);
		assert_int_equal(value, want[n]);
	}
	assert_int_equal(mock_nested_iotlb(d, 4, &value), -EINVAL);
}

static void nested(void **state)
{
	struct iommu_hwpt_selftest wish = {.iotlb = 7};
	struct user_data data = data_of(IOMMU_HWPT_DATA_SELFTEST, &wish, sizeof(uint32_t));
	struct iommu_hwpt_invalidate_selftest entries[3] = {{0, 1}, {0, 4}, {1, 0}};
	struct user_array array = {
		&user_ops,	    NULL, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, (uintptr_t)entries,
		sizeof(entries[0]), 3};
	const struct iommu_make *make = &mock_make;
	struct domain *parent, *d;
	uint32_t done = 0;
	struct fixture f;

	setup(&f, 0);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_NEST_PARENT, &parent), 0);
	assert_int_equal(make->domain_alloc_nested(f.r, parent, 1, &data, &d), -EOPNOTSUPP);
	assert_int_equal(make->domain_alloc_nested(f.r, parent, DOMAIN_PASID, &data, &d), 0);
	check_words(d, 7, 7, 7, 7);
	assert_int_equal(d->nested->invalidate(d, &array, &done), -EINVAL);
	assert_int_equal(done, 1);
	check_words(d, 7, 0, 7, 7);
	entries[1] = (struct iommu_hwpt_invalidate_selftest){2, 0};
	done = 0;
	assert_int_equal(d->nested->invalidate(d, &array, &done), -EOPNOTSUPP);
	assert_int_equal(done, 1);
	entries[1] = entries[2];
	done = 0;
	assert_int_equal(d->nested->invalidate(d, &array, &done), 0);
	assert_int_equal(done, 3);
	check_words(d, 0, 0, 0, 0);
	array.type++;
	array.entry_num = 0;
	assert_int_equal(d->nested->invalidate(d, &array, &done), -EINVAL);
	domain_free(d);
	domain_free(parent);
	teardown(&f);
}

/* The way up, which notes what came. */
static struct {
	uint32_t event, events;
	void *mem;
	bool fail;
} heard;

static int event(struct viommu *v, uint32_t type, const void *data, size_t len)
{
	assert_int_equal(type, IOMMU_VEVENTQ_TYPE_SELFTEST);
	assert_int_equal(len, 4);
	memcpy(&heard.event, data, 4);
	heard.events++;
	return 0;
}

static int region_add(struct viommu *v, struct hw_queue *owner, void *mem, size_t len,
		      uint64_t *offset)
{
	if (heard.fail)
		return -ENOMEM;
	heard.mem = mem;
	*offset = 0x1000;
	return 0;
}

static void region_remove(struct viommu *v, uint64_t offset)
{
	assert_int_equal(offset, 0x1000);
	heard.mem = NULL;
}

static void *pages_alloc(struct viommu *v, size_t len)
{
	void *mem = aligned_alloc(4096, len);

	return mem ? memset(mem, 0, len) : NULL;
}

static void pages_free(struct viommu *v, void *mem, size_t len)
{
	free(mem);
}

static const struct viommu_up up = {
	.event = event,
	.pages_alloc = pages_alloc,
	.pages_free = pages_free,
	.region_add = region_add,
	.region_remove = region_remove,
};

static struct viommu *make_viommu(struct fixture *f, struct domain *parent)
{
	const struct viommu_ops *ops = mock_make.viommu_type(f->r, IOMMU_VIOMMU_TYPE_SELFTEST);
	struct viommu *v;

	assert_null(mock_make.viommu_type(f->r, 1));
	v = calloc(1, ops->size);
	v->ops = ops;
	v->up = &up;
	v->iommu = f->bed.iommu;
	v->parent = parent;
	v->type = IOMMU_VIOMMU_TYPE_SELFTEST;
	viommu_setup(v);
	return v;
}

static void region(void **state)
{
	struct iommu_viommu_selftest s = {.in_data = 0xbeef};
	struct user_data data = data_of(IOMMU_VIOMMU_TYPE_SELFTEST, &s, 8);
	struct domain *parent;
	struct fixture f;
	struct viommu *v;

	setup(&f, 0);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_NEST_PARENT, &parent), 0);
	v = make_viommu(&f, parent);
	data.len = 7;
	assert_int_equal(v->ops->init(v, &data), -EINVAL);
	data.len = 8;
	heard.fail = true;
	assert_int_equal(v->ops->init(v, &data), -ENOMEM);
	heard.fail = false;
	data.len = sizeof(s);
	assert_int_equal(v->ops->init(v, &data), 0);
	assert_int_equal(s.out_data, 0xbeef);
	assert_int_equal(s.out_mmap_offset, 0x1000);
	assert_int_equal(s.out_mmap_length, 2 * PAGE_SIZE);
	assert_int_equal(*(uint32_t *)heard.mem, 0xbeef);
	v->ops->fini(v);
	assert_null(heard.mem);
	viommu_teardown(v);
	free(v);
	domain_free(parent);
	teardown(&f);
}

static void names_and_events(void **state)
{
	struct iommu_hwpt_selftest wish = {.iotlb = 7};
	struct user_data data = data_of(IOMMU_HWPT_DATA_SELFTEST, &wish, sizeof(wish));
	struct iommu_viommu_invalidate_selftest entries[2] = {{0, 0x99, 2}, {0, 0x98, 2}};
	struct user_array array = {
		&user_ops,	    NULL, IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST, (uintptr_t)entries,
		sizeof(entries[0]), 2};
	struct vdevice vd = {.virt_id = 0x99};
	struct domain *parent, *d;
	uint32_t done = 0;
	struct fixture f;
	struct viommu *v;

	setup(&f, 0);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_NEST_PARENT, &parent), 0);
	v = make_viommu(&f, parent);
	assert_int_equal(v->ops->init(v, NULL), 0);
	assert_int_equal(v->ops->domain_alloc(v, 0, &data, &d), 0);
	/* Only a device that has a name. */
	assert_int_equal(requester_attach(f.r, d), -ENOENT);
	vd.viommu = v;
	vd.requester = f.r;
	assert_int_equal(viommu_add(v, &vd), 0);
	assert_int_equal(mock_device_event(&f.device), -ENOENT);
	assert_int_equal(requester_attach(f.r, d), 0);
	assert_int_equal(mock_device_event(&f.device), 0);
	assert_int_equal(heard.event, 0x99);
	assert_int_equal(v->ops->invalidate(v, &array, &done), -EINVAL);
	assert_int_equal(done, 1);
	assert_int_equal(f.device.cache[2], 0);
	assert_int_equal(f.device.cache[1], IOMMU_TEST_DEV_CACHE_DEFAULT);
	array.entry_num = 0;
	assert_int_equal(v->ops->invalidate(v, &array, &done), 0);
	array.type++;
	assert_int_equal(v->ops->invalidate(v, &array, &done), -EINVAL);
	assert_int_equal(requester_attach(f.r, NULL), 0);
	assert_int_equal(mock_device_event(&f.device), -ENOENT);
	viommu_remove(v, &vd);
	domain_free(d);
	v->ops->fini(v);
	viommu_teardown(v);
	free(v);
	domain_free(parent);
	teardown(&f);
}

static void reserved_pasid(void **state)
{
	struct fixture f;
	struct domain *a, *b;

	setup(&f, MOCK_FLAGS_DEVICE_PASID);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_PASID, &a), 0);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_PASID, &b), 0);
	assert_int_equal(requester_attach_pasid(f.r, 7, a), 0);
	assert_int_equal(requester_attach_pasid(f.r, 7, b), 0);
	assert_int_equal(requester_attach_pasid(f.r, 1024, a), 0);
	assert_int_equal(requester_attach_pasid(f.r, 1024, b), -ENOMEM);
	assert_ptr_equal(requester_pasid_domain(f.r, 1024), a);
	assert_int_equal(requester_attach_pasid(f.r, 1024, b), 0);
	assert_int_equal(requester_attach_pasid(f.r, 1024, NULL), 0);
	assert_int_equal(requester_attach_pasid(f.r, 1024, a), 0);
	assert_int_equal(requester_attach_pasid(f.r, 1024, NULL), 0);
	assert_int_equal(requester_attach_pasid(f.r, 7, NULL), 0);
	domain_free(a);
	domain_free(b);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains),	    cmocka_unit_test(small_pages),
		cmocka_unit_test(nested),	    cmocka_unit_test(region),
		cmocka_unit_test(names_and_events), cmocka_unit_test(reserved_pasid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

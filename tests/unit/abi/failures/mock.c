/* SPDX-License-Identifier: BSD-3-Clause */
/* The test command of a host of make mock. */
#include "failures.h"

#define VA ((uintptr_t)s->b->arena)

static void dirty(struct scene *s)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.size = sizeof(cmd),
						    .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};

	mock_device(s);
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0],
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0, &s->hwpt),
			 0);
	cmd.hwpt_id = s->hwpt;
	assert_int_equal(bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd), 0);
}

static void pasid(struct scene *s)
{
	mock_device(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->hwpt), 0);
	assert_int_equal(TEST(PASID_ATTACH, .id = s->stdev, .pasid_attach = {7, s->hwpt}), 0);
}

static long make_access(struct scene *s, uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_CREATE_ACCESS, .id = s->ioas[0], .create_access.flags = flags};
	long rc = test_cmd(s, &cmd);

	s->access = (int)cmd.create_access.out_access_fd;
	return rc;
}

static void copying(struct scene *s)
{
	mock_device(s);
	assert_int_equal(make_access(s, 0), 0);
}

static void pinning(struct scene *s)
{
	mock_spaces(s);
	assert_int_equal(make_access(s, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES), 0);
}

static long pin(struct scene *s)
{
	struct iommu_test_cmd cmd = {.op = IOMMU_TEST_OP_ACCESS_PAGES,
				     .id = (uint32_t)s->access,
				     .access_pages = {.iova = IOVA + PAGE_SIZE,
						      .length = 8 * PAGE_SIZE,
						      .uptr = VA + PAGE_SIZE}};
	long rc = test_cmd(s, &cmd);

	s->item = cmd.access_pages.out_access_pages_id;
	return rc;
}

static void pinned(struct scene *s)
{
	pinning(s);
	assert_int_equal(pin(s), 0);
}

static void dmabuf(struct scene *s)
{
	mock_device(s);
	s->dmabuf = (int)TEST(DMABUF_GET, .dmabuf_get.length = 4 * PAGE_SIZE);
	assert_true(s->dmabuf >= 0);
}

static long add_reserved(struct scene *s)
{
	return TEST(ADD_RESERVED, .id = s->ioas[0], .add_reserved = {1ull << 40, PAGE_SIZE});
}

static long add_device(struct scene *s)
{
	return TEST(MOCK_DOMAIN, .id = s->ioas[0]);
}

static long replace(struct scene *s)
{
	return TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->ioas[1]);
}

static long replace_nested(struct scene *s)
{
	return TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested);
}

static long remove_device(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->stdev);
}

static long pasid_attach(struct scene *s)
{
	return TEST(PASID_ATTACH, .id = s->stdev, .pasid_attach = {8, s->hwpt});
}

static long pasid_replace(struct scene *s)
{
	return TEST(PASID_REPLACE, .id = s->stdev, .pasid_replace = {7, s->hwpt});
}

static long pasid_detach(struct scene *s)
{
	return TEST(PASID_DETACH, .id = s->stdev, .pasid_detach.pasid = 7);
}

static long trigger_iopf(struct scene *s)
{
	return TEST(TRIGGER_IOPF,
		    .trigger_iopf = {.dev_id = s->devid[0], .grpid = 2, .perm = 1, .addr = IOVA});
}

static long trigger_vevent(struct scene *s)
{
	return TEST(TRIGGER_VEVENT, .trigger_vevent.dev_id = s->devid[0]);
}

static long create_access(struct scene *s)
{
	return make_access(s, 0);
}

static long replace_ioas(struct scene *s)
{
	return TEST(ACCESS_REPLACE_IOAS, .id = (uint32_t)s->access,
		    .access_replace_ioas.ioas_id = s->ioas[1]);
}

static long unpin(struct scene *s)
{
	return TEST(DESTROY_ACCESS_PAGES, .id = (uint32_t)s->access,
		    .destroy_access_pages.access_pages_id = s->item);
}

static long rw(struct scene *s, uint32_t flags)
{
	static char buf[3 * PAGE_SIZE];

	return TEST(ACCESS_RW, .id = (uint32_t)s->access,
		    .access_rw = {.iova = IOVA + 100,
				  .length = sizeof(buf),
				  .uptr = (uintptr_t)buf,
				  .flags = flags});
}

static long rw_fast(struct scene *s)
{
	return rw(s, MOCK_ACCESS_RW_WRITE);
}

static long rw_slow(struct scene *s)
{
	return rw(s, MOCK_ACCESS_RW_SLOW_PATH);
}

static long check_map(struct scene *s)
{
	return TEST(MD_CHECK_MAP, .id = s->hwpt, .check_map = {IOVA, MOCK_AREA, VA});
}

static long check_refs(struct scene *s)
{
	return TEST(MD_CHECK_REFS, .check_refs = {MOCK_AREA, VA, 1});
}

static long mark_dirty(struct scene *s)
{
	static const uint64_t bits[8] = {5};

	return TEST(DIRTY, .id = s->hwpt,
		    .dirty = {.iova = IOVA,
			      .length = MOCK_AREA,
			      .page_size = PAGE_SIZE,
			      .uptr = (uintptr_t)bits});
}

static long get_dmabuf(struct scene *s)
{
	return TEST(DMABUF_GET, .dmabuf_get.length = 4 * PAGE_SIZE);
}

static long map_dmabuf(struct scene *s)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd),
					  .flags = FIXED_RW,
					  .ioas_id = s->ioas[0],
					  .fd = s->dmabuf,
					  .length = 4 * PAGE_SIZE,
					  .iova = IOVA + 2 * MOCK_AREA};

	return bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static long revoke(struct scene *s)
{
	return TEST(DMABUF_REVOKE, .dmabuf_revoke = {s->dmabuf, 1});
}

static long add_device_with(struct scene *s)
{
	return TEST(MOCK_DOMAIN_FLAGS, .id = s->ioas[0],
		    .mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_PASID);
}

static long memory_limit(struct scene *s)
{
	return TEST(SET_TEMP_MEMORY_LIMIT, .memory_limit.limit = 4096);
}

static long check_iotlb(struct scene *s)
{
	return TEST(MD_CHECK_IOTLB, .id = s->nested, .check_iotlb = {0, 7});
}

static long check_cache(struct scene *s)
{
	return TEST(DEV_CHECK_CACHE, .id = s->devid[0],
		    .check_dev_cache = {0, IOMMU_TEST_DEV_CACHE_DEFAULT});
}

static long pasid_check(struct scene *s)
{
	return TEST(PASID_CHECK_HWPT, .id = s->stdev, .pasid_check = {7, s->hwpt});
}

static const struct failing cases[] = {
	{"ADD_RESERVED", mock_spaces, add_reserved, .mock = true},
	{"MOCK_DOMAIN", mock_spaces, add_device, .mock = true},
	{"MOCK_DOMAIN, a second device", mock_device, add_device, .mock = true},
	{"MOCK_DOMAIN_REPLACE", mock_device, replace, .mock = true, .stays = true},
	{"MOCK_DOMAIN_REPLACE, nested", mock_nested, replace_nested, .mock = true, .stays = true,
	 .none = true},
	{"MOCK_DOMAIN_REPLACE, of a vIOMMU", mock_vdevice, replace_nested, .mock = true,
	 .stays = true, .none = true},
	{"DESTROY of a device", mock_vdevice_attached, remove_device, .mock = true, .none = true},
	{"MOCK_DOMAIN_FLAGS", mock_spaces, add_device_with, .mock = true},
	{"SET_TEMP_MEMORY_LIMIT", mock_spaces, memory_limit, .mock = true, .none = true},
	{"MD_CHECK_IOTLB", mock_nested, check_iotlb, .mock = true, .none = true},
	{"DEV_CHECK_CACHE", mock_device, check_cache, .mock = true, .none = true},
	{"PASID_CHECK_HWPT", pasid, pasid_check, .mock = true, .none = true},
	{"PASID_ATTACH", pasid, pasid_attach, .mock = true},
	{"PASID_REPLACE", pasid, pasid_replace, .mock = true, .stays = true, .none = true},
	{"PASID_DETACH", pasid, pasid_detach, .mock = true, .none = true},
	{"TRIGGER_IOPF", mock_nested_attached, trigger_iopf, .mock = true},
	{"TRIGGER_VEVENT", mock_vdevice_attached, trigger_vevent, .mock = true,
	 .but = {"    events: "}},
	{"CREATE_ACCESS", mock_spaces, create_access, .mock = true},
	{"ACCESS_REPLACE_IOAS", pinned, replace_ioas, .mock = true, .none = true},
	{"ACCESS_PAGES", pinning, pin, .mock = true},
	{"DESTROY_ACCESS_PAGES", pinned, unpin, .mock = true, .none = true},
	{"ACCESS_RW", copying, rw_fast, .mock = true},
	{"ACCESS_RW, by pinning", copying, rw_slow, .mock = true},
	{"MD_CHECK_MAP", mock_device, check_map, .mock = true, .none = true},
	{"MD_CHECK_REFS", mock_device, check_refs, .mock = true},
	{"DIRTY", dirty, mark_dirty, .mock = true},
	{"DMABUF_GET", mock_spaces, get_dmabuf, .mock = true},
	{"IOAS_MAP_FILE of a dma-buf", dmabuf, map_dmabuf, .mock = true, .stays = true},
	{"DMABUF_REVOKE", dmabuf, revoke, .mock = true, .none = true},
};

NOUN(failing_mock, "mock");

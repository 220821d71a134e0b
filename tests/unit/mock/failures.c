/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test command, and what a make may offer beyond paging domains, with every allocation and
 * every copy from and to the caller failing in turn: a call that fails leaves everything as it was,
 * and works when it is made again.
 */
#include "bed.h"

#include <errno.h>
#include <ioas/abi/mock.h>

#include "fail.h"
#include "mock/commands.h"

#define VA     ((uintptr_t)s->b->arena)
#define MAPPED (64 * PAGE_SIZE)

/* What a case has set up; 0 and -1 stand for what it has not. */
struct scene {
	struct bed *b;
	int fd, access, dmabuf, events, fault_file;
	uint32_t ioas, other, stdev, idev, hwpt, dirty_hwpt, parent, viommu, nested, vdevice, fault,
		item;
};

struct snapshot {
	uint64_t objects, next_id, locked[2], pinned;
	uint64_t areas[2], ranges[2];
	unsigned int files;
	uint32_t hosts;
	unsigned int devices;
};

static long test_cmd(struct scene *s, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return bed_ioctl(s->b, s->fd, IOMMU_TEST_CMD, cmd);
}

#define TEST(operation, ...)                                                                       \
	test_cmd(s, &(struct iommu_test_cmd){.op = IOMMU_TEST_OP_##operation, __VA_ARGS__})

static void look_at_space(struct iommufd *ctx, uint32_t id, uint64_t *areas, uint64_t *ranges)
{
	struct object *obj = object_get(ctx, id, OBJECT_IOAS);
	uint64_t alignment;

	assert_non_null(obj);
	*areas = space_nr_areas(container_of(obj, struct ioas, obj)->space);
	*ranges = space_iova_ranges(container_of(obj, struct ioas, obj)->space, NULL, 0, &alignment)
			  << 32 |
		  alignment;
	object_put(ctx, obj);
}

static unsigned int nr_devices(struct host *h)
{
	struct list *pos, *tmp;
	unsigned int n = 0;

	list_for_each (pos, tmp, &h->devices)
		n++;
	return n;
}

static void look(struct scene *s, struct snapshot *out)
{
	struct iommufd *ctx = bed_ctx(s->b, s->fd);
	uint32_t id;

	memset(out, 0, sizeof(*out));
	out->objects = object_count(ctx);
	assert_int_equal(ids_reserve(&ctx->ids, &id), 0);
	ids_erase(&ctx->ids, id);
	out->next_id = id;
	out->pinned = memory_pinned(s->b->host->memory, NULL);
	for (unsigned int i = 0; i < 2; i++)
		out->locked[i] = memory_account_locked(s->b->accounts[i]);
	look_at_space(ctx, s->ioas, &out->areas[0], &out->ranges[0]);
	look_at_space(ctx, s->other, &out->areas[1], &out->ranges[1]);
	out->files = bed_nr_files(s->b);
	out->hosts = s->b->host->refs;
	out->devices = nr_devices(s->b->host);
}

/* ---- what stands before a call ---- */

static void two_ioas(struct scene *s)
{
	s->b->host->commands = make_commands(s->b->host->iommu->make);
	s->fd = bed_open_iommufd(s->b);
	assert_int_equal(ioas_alloc_cmd(s->b, s->fd, &s->ioas), 0);
	assert_int_equal(ioas_alloc_cmd(s->b, s->fd, &s->other), 0);
	assert_int_equal(map_cmd(s->b, s->fd, s->ioas, IOVA, s->b->arena, MAPPED, FIXED_RW), 0);
	assert_int_equal(map_cmd(s->b, s->fd, s->other, IOVA, s->b->arena, MAPPED, FIXED_RW), 0);
}

static void device(struct scene *s)
{
	struct iommu_test_cmd cmd = {.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
				     .mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_PASID};

	two_ioas(s);
	cmd.id = s->ioas;
	assert_int_equal(test_cmd(s, &cmd), 0);
	s->stdev = cmd.mock_domain.out_stdev_id;
	s->idev = cmd.mock_domain.out_idev_id;
	assert_int_equal(
		hwpt_cmd(s->b, s->fd, s->idev, s->ioas, IOMMU_HWPT_ALLOC_PASID, 0, &s->hwpt), 0);
}

static void dirty(struct scene *s)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.size = sizeof(cmd),
						    .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};

	device(s);
	assert_int_equal(hwpt_cmd(s->b, s->fd, s->idev, s->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0,
				  &s->dirty_hwpt),
			 0);
	cmd.hwpt_id = s->dirty_hwpt;
	assert_int_equal(bed_ioctl(s->b, s->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd), 0);
}

static void pasid(struct scene *s)
{
	device(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->hwpt), 0);
	assert_int_equal(TEST(PASID_ATTACH, .id = s->stdev, .pasid_attach = {7, s->hwpt}), 0);
}

static void parent(struct scene *s)
{
	device(s);
	assert_int_equal(hwpt_cmd(s->b, s->fd, s->idev, s->ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, 0,
				  &s->parent),
			 0);
}

static long nest(struct scene *s, uint32_t on, uint32_t flags, uint32_t fault, uint32_t *id)
{
	struct iommu_hwpt_selftest data = {.iotlb = 7};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = s->idev,
				       .pt_id = on,
				       .fault_id = fault,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = sizeof(data),
				       .data_uptr = (uintptr_t)&data};
	long rc = bed_ioctl(s->b, s->fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static void nested(struct scene *s)
{
	parent(s);
	assert_int_equal(fault_cmd(s->b, s->fd, &s->fault, &s->fault_file), 0);
	assert_int_equal(nest(s, s->parent, IOMMU_HWPT_FAULT_ID_VALID, s->fault, &s->nested), 0);
}

static void nested_attached(struct scene *s)
{
	nested(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested),
		0);
}

static long make_viommu(struct scene *s)
{
	struct iommu_viommu_selftest data = {.in_data = 0xbeef};
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = s->idev,
					 .hwpt_id = s->parent,
					 .data_len = sizeof(data),
					 .data_uptr = (uintptr_t)&data};
	long rc = bed_ioctl(s->b, s->fd, IOMMU_VIOMMU_ALLOC, &cmd);

	s->viommu = cmd.out_viommu_id;
	return rc;
}

static void viommu(struct scene *s)
{
	parent(s);
	assert_int_equal(make_viommu(s), 0);
}

static long make_vdevice(struct scene *s)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = s->viommu, .dev_id = s->idev, .virt_id = 0x99};

	return bed_ioctl(s->b, s->fd, IOMMU_VDEVICE_ALLOC, &cmd);
}

static long make_veventq(struct scene *s)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = s->viommu,
					  .type = IOMMU_VEVENTQ_TYPE_SELFTEST,
					  .veventq_depth = 2};

	return bed_ioctl(s->b, s->fd, IOMMU_VEVENTQ_ALLOC, &cmd);
}

static void vdevice(struct scene *s)
{
	viommu(s);
	assert_int_equal(make_vdevice(s), 0);
	assert_int_equal(make_veventq(s), 0);
	assert_int_equal(nest(s, s->viommu, 0, 0, &s->nested), 0);
}

static void vdevice_attached(struct scene *s)
{
	vdevice(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested),
		0);
}

static long make_access(struct scene *s, uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_CREATE_ACCESS, .id = s->ioas, .create_access.flags = flags};
	long rc = test_cmd(s, &cmd);

	s->access = (int)cmd.create_access.out_access_fd;
	return rc;
}

static void copying(struct scene *s)
{
	device(s);
	assert_int_equal(make_access(s, 0), 0);
}

static void pinning(struct scene *s)
{
	two_ioas(s);
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
	device(s);
	s->dmabuf = (int)TEST(DMABUF_GET, .dmabuf_get.length = 4 * PAGE_SIZE);
	assert_true(s->dmabuf >= 0);
}

/* ---- the calls ---- */

static long add_reserved(struct scene *s)
{
	return TEST(ADD_RESERVED, .id = s->ioas, .add_reserved = {1ull << 40, PAGE_SIZE});
}

static long add_device(struct scene *s)
{
	return TEST(MOCK_DOMAIN, .id = s->ioas);
}

static long replace(struct scene *s)
{
	return TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->other);
}

static long replace_nested(struct scene *s)
{
	return TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested);
}

static long remove_device(struct scene *s)
{
	return destroy_cmd(s->b, s->fd, s->stdev);
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

static long alloc_nested(struct scene *s)
{
	return nest(s, s->viommu ? s->viommu : s->parent, 0, 0, &s->nested);
}

static long alloc_nested_with_fault(struct scene *s)
{
	return nest(s, s->parent, IOMMU_HWPT_FAULT_ID_VALID, s->fault, &s->nested);
}

static long invalidate(struct scene *s)
{
	struct iommu_hwpt_invalidate_selftest of_hwpt[2] = {{0, 1}, {0, 2}};
	struct iommu_viommu_invalidate_selftest of_viommu[2] = {{0, 0x99, 1}, {0, 0x99, 2}};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = s->viommu ? s->viommu : s->nested,
		.data_uptr = s->viommu ? (uintptr_t)of_viommu : (uintptr_t)of_hwpt,
		.data_type = s->viommu ? IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST
				       : IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = s->viommu ? sizeof(of_viommu[0]) : sizeof(of_hwpt[0]),
		.entry_num = 2};

	return bed_ioctl(s->b, s->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static long hw_queue(struct scene *s)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = s->viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
					   .nesting_parent_iova = IOVA + 100,
					   .length = PAGE_SIZE};

	return bed_ioctl(s->b, s->fd, IOMMU_HW_QUEUE_ALLOC, &cmd);
}

static long trigger_iopf(struct scene *s)
{
	return TEST(TRIGGER_IOPF,
		    .trigger_iopf = {.dev_id = s->idev, .grpid = 2, .perm = 1, .addr = IOVA});
}

static long trigger_vevent(struct scene *s)
{
	return TEST(TRIGGER_VEVENT, .trigger_vevent.dev_id = s->idev);
}

static long create_access(struct scene *s)
{
	return make_access(s, 0);
}

static long replace_ioas(struct scene *s)
{
	return TEST(ACCESS_REPLACE_IOAS, .id = (uint32_t)s->access,
		    .access_replace_ioas.ioas_id = s->other);
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
	return TEST(MD_CHECK_MAP, .id = s->hwpt, .check_map = {IOVA, MAPPED, VA});
}

static long check_refs(struct scene *s)
{
	return TEST(MD_CHECK_REFS, .check_refs = {MAPPED, VA, 1});
}

static long mark_dirty(struct scene *s)
{
	static const uint64_t bits[8] = {5};

	return TEST(DIRTY, .id = s->dirty_hwpt,
		    .dirty = {.iova = IOVA,
			      .length = MAPPED,
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
					  .ioas_id = s->ioas,
					  .fd = s->dmabuf,
					  .length = 4 * PAGE_SIZE,
					  .iova = IOVA + 2 * MAPPED};

	return bed_ioctl(s->b, s->fd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static long revoke(struct scene *s)
{
	return TEST(DMABUF_REVOKE, .dmabuf_revoke = {s->dmabuf, 1});
}

struct failing {
	const char *name;
	void (*prepare)(struct scene *s);
	long (*call)(struct scene *s);
	bool stays; /* what a failed reply leaves behind */
	bool none;  /* allocates nothing, or says nothing of it */
};

static const struct failing cases[] = {
	{"ADD_RESERVED", two_ioas, add_reserved},
	{"MOCK_DOMAIN", two_ioas, add_device},
	{"MOCK_DOMAIN, a second device", device, add_device},
	{"MOCK_DOMAIN_REPLACE", device, replace, .stays = true},
	{"MOCK_DOMAIN_REPLACE, nested", nested, replace_nested, .stays = true, .none = true},
	{"MOCK_DOMAIN_REPLACE, of a vIOMMU", vdevice, replace_nested, .stays = true, .none = true},
	{"DESTROY of a device", vdevice_attached, remove_device, .none = true},
	{"PASID_ATTACH", pasid, pasid_attach},
	{"PASID_REPLACE", pasid, pasid_replace, .stays = true, .none = true},
	{"PASID_DETACH", pasid, pasid_detach, .none = true},
	{"HWPT_ALLOC, nested", parent, alloc_nested},
	{"HWPT_ALLOC, nested with a fault queue", nested, alloc_nested_with_fault},
	{"HWPT_ALLOC, on a vIOMMU", viommu, alloc_nested},
	{"HWPT_INVALIDATE", nested, invalidate, .stays = true, .none = true},
	{"HWPT_INVALIDATE of a vIOMMU", vdevice, invalidate, .stays = true},
	{"VIOMMU_ALLOC", parent, make_viommu},
	{"VDEVICE_ALLOC", viommu, make_vdevice},
	{"VEVENTQ_ALLOC", viommu, make_veventq},
	{"HW_QUEUE_ALLOC", viommu, hw_queue},
	{"TRIGGER_IOPF", nested_attached, trigger_iopf},
	{"TRIGGER_VEVENT", vdevice_attached, trigger_vevent},
	{"CREATE_ACCESS", two_ioas, create_access},
	{"ACCESS_REPLACE_IOAS", pinned, replace_ioas, .none = true},
	{"ACCESS_PAGES", pinning, pin},
	{"DESTROY_ACCESS_PAGES", pinned, unpin, .none = true},
	{"ACCESS_RW", copying, rw_fast},
	{"ACCESS_RW, by pinning", copying, rw_slow},
	{"MD_CHECK_MAP", device, check_map, .none = true},
	{"MD_CHECK_REFS", device, check_refs},
	{"DIRTY", dirty, mark_dirty},
	{"DMABUF_GET", two_ioas, get_dmabuf},
	{"IOAS_MAP_FILE of a dma-buf", dmabuf, map_dmabuf, .stays = true},
	{"DMABUF_REVOKE", dmabuf, revoke, .none = true},
};

static struct scene *scene_open(const struct failing *f)
{
	struct scene *s = test_calloc(1, sizeof(*s));

	s->b = bed_create(&(struct bed_config){.iommu = "mock"});
	f->prepare(s);
	return s;
}

static void scene_close(struct scene *s)
{
	bed_destroy(s->b);
	test_free(s);
}

static void check_refused(struct scene *s, const struct failing *f, const struct snapshot *before,
			  const char *what, unsigned long n)
{
	struct snapshot after;
	long rc;

	look(s, &after);
	if (memcmp(before, &after, sizeof(after)))
		fail_msg("%s: %s %lu fails and something is left", f->name, what, n);
	rc = f->call(s);
	if (rc < 0)
		fail_msg("%s: after %s %lu failed it fails for good: %ld", f->name, what, n, rc);
}

static void allocations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct failing *f = &cases[i];
		unsigned int failures = 0;

		for (FAIL_SWEEP) {
			struct scene *s = scene_open(f);
			struct snapshot before;
			long rc;

			look(s, &before);
			fail_nth(fail_i);
			rc = f->call(s);
			fail_more = fail_happened();
			if (rc < 0 && (rc != -ENOMEM || !fail_more))
				fail_msg("%s: allocation %lu: %ld", f->name, fail_i, rc);
			if (rc < 0)
				check_refused(s, f, &before, "allocation", fail_i);
			failures += rc < 0;
			scene_close(s);
		}
		if (!failures != f->none)
			fail_msg("%s: %u allocations failed", f->name, failures);
	}
}

static void copies(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct failing *f = &cases[i];
		bool more = true;

		for (unsigned long n = 1; more; n++) {
			struct scene *s = scene_open(f);
			struct snapshot before;
			long rc;

			look(s, &before);
			bed_fail_copy(s->b, n);
			rc = f->call(s);
			more = bed_copy_failed(s->b);
			if (rc < 0 && (rc != -EFAULT || !more))
				fail_msg("%s: copy %lu: %ld", f->name, n, rc);
			if (rc >= 0 && more)
				fail_msg("%s: copy %lu fails and nobody says so", f->name, n);
			if (rc < 0 && !f->stays)
				check_refused(s, f, &before, "copy", n);
			scene_close(s);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

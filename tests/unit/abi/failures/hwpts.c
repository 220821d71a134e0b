/* SPDX-License-Identifier: BSD-3-Clause */
/* HWPTs, their dirty pages, what goes to them; fault queues. */
#include "failures.h"

static void dirty_hwpt(struct scene *s)
{
	uint32_t pt;

	bound_with_areas(s);
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0],
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0, &s->hwpt),
			 0);
	pt = s->hwpt;
	assert_int_equal(attach_cmd(s->b, s->dev[0], &pt), 0);
}

static void with_fault_queue(struct scene *s)
{
	bound_with_areas(s);
	assert_int_equal(fault_cmd(s->b, s->iommufd, &s->fault, &s->file), 0);
}

static long alloc_hwpt(struct scene *s)
{
	return hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], 0, 0, &s->hwpt);
}

static long alloc_hwpt_with_fault(struct scene *s)
{
	return hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], IOMMU_HWPT_FAULT_ID_VALID,
			s->fault, &s->hwpt);
}

static long alloc_fault(struct scene *s)
{
	return fault_cmd(s->b, s->iommufd, &s->fault, &s->file);
}

static long hw_info(struct scene *s)
{
	uint8_t data[600];
	struct iommu_hw_info cmd = {.size = sizeof(cmd),
				    .dev_id = s->devid[0],
				    .data_len = sizeof(data),
				    .data_uptr = (uintptr_t)data};

	return bed_ioctl(s->b, s->iommufd, IOMMU_GET_HW_INFO, &cmd);
}

static long set_dirty(struct scene *s)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE, .hwpt_id = s->hwpt};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static long get_dirty(struct scene *s)
{
	uint64_t bitmap[ARENA_SIZE / PAGE_SIZE / 64] = {0};
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd),
						  .hwpt_id = s->hwpt,
						  .iova = IOVA,
						  .length = ARENA_SIZE / 2,
						  .page_size = PAGE_SIZE,
						  .data = (uintptr_t)bitmap};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static long nest(struct scene *s)
{
	return alloc_nested(s, s->viommu ? s->viommu : s->parent, 0, 0);
}

static long nest_with_fault(struct scene *s)
{
	return alloc_nested(s, s->parent, IOMMU_HWPT_FAULT_ID_VALID, s->fault);
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

	return bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static void hwpt_alone(struct scene *s)
{
	bound_with_areas(s);
	assert_int_equal(alloc_hwpt(s), 0);
}

static long destroy_hwpt(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->hwpt);
}

static long destroy_nested(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->nested);
}

static void fault_queue_closed(struct scene *s)
{
	with_fault_queue(s);
	bed_close(s->b, s->file);
}

static long destroy_fault(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->fault);
}

static void page_wanted(struct scene *s)
{
	mock_nested_attached(s);
	assert_int_equal(
		TEST(TRIGGER_IOPF,
		     .trigger_iopf = {.dev_id = s->devid[0], .grpid = 2, .perm = 1, .addr = IOVA}),
		0);
}

static long read_fault(struct scene *s)
{
	struct iommu_hwpt_pgfault fault;

	return bed_read(s->b, s->file, &fault, sizeof(fault));
}

static void page_read(struct scene *s)
{
	page_wanted(s);
	assert_int_equal(read_fault(s), sizeof(struct iommu_hwpt_pgfault));
}

static long answer_fault(struct scene *s)
{
	struct iommu_hwpt_page_response answer = {.cookie = 1, .code = IOMMUFD_PAGE_RESP_SUCCESS};

	return bed_write(s->b, s->file, &answer, sizeof(answer));
}

static const struct failing cases[] = {
	{"HWPT_ALLOC", bound_with_areas, alloc_hwpt},
	{"HWPT_ALLOC with a fault queue", with_fault_queue, alloc_hwpt_with_fault},
	{"HWPT_ALLOC, nested", mock_parent, nest, .mock = true},
	{"HWPT_ALLOC, nested with a fault queue", mock_nested, nest_with_fault, .mock = true},
	{"HWPT_ALLOC, on a vIOMMU", mock_viommu, nest, .mock = true},
	{"HWPT_INVALIDATE", mock_nested, invalidate, .mock = true, .stays = true, .none = true},
	{"HWPT_INVALIDATE of a vIOMMU", mock_vdevice, invalidate, .mock = true, .stays = true},
	{"DESTROY of an HWPT", hwpt_alone, destroy_hwpt, .none = true},
	{"DESTROY of a nested HWPT", mock_nested, destroy_nested, .mock = true, .none = true},
	{"FAULT_QUEUE_ALLOC", one_ioas, alloc_fault},
	{"DESTROY of a fault queue", fault_queue_closed, destroy_fault, .none = true},
	{"read() of a fault", page_wanted, read_fault, .mock = true},
	{"write() of an answer", page_read, answer_fault, .mock = true, .none = true},
	{"GET_HW_INFO", bound, hw_info, .none = true},
	{"HWPT_SET_DIRTY_TRACKING", dirty_hwpt, set_dirty, .dirty = true, .none = true},
	{"HWPT_GET_DIRTY_BITMAP", dirty_hwpt, get_dirty, .dirty = true, .none = true,
	 .unheard = true},
};

NOUN(failing_hwpts, "HWPTs");

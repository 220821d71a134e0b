/* SPDX-License-Identifier: BSD-3-Clause */
/* vIOMMUs, and what hangs off them. */
#include "failures.h"

#include <ioas/abi/extensions.h>
#include <sys/mman.h>

static long hw_queue(struct scene *s)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = s->viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
					   .nesting_parent_iova = IOVA + 100,
					   .length = PAGE_SIZE};

	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	s->hw_queue = cmd.out_hw_queue_id;
	return rc;
}

static long second_hw_queue(struct scene *s)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = s->viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
					   .index = 1,
					   .nesting_parent_iova = IOVA + 100,
					   .length = PAGE_SIZE};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HW_QUEUE_ALLOC, &cmd);
}

static void with_hw_queue(struct scene *s)
{
	mock_viommu(s);
	assert_int_equal(hw_queue(s), 0);
}

static long kick_hw_queue(struct scene *s)
{
	struct iommu_hw_queue_kick cmd = {.size = sizeof(cmd), .hw_queue_id = s->hw_queue};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HW_QUEUE_KICK, &cmd);
}

static long destroy_hw_queue(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->hw_queue);
}

static long destroy_viommu(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->viommu);
}

static long destroy_vdevice(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->vdevice);
}

static void event_there(struct scene *s)
{
	mock_vdevice_attached(s);
	assert_int_equal(TEST(TRIGGER_VEVENT, .trigger_vevent.dev_id = s->devid[0]), 0);
}

static long read_event(struct scene *s)
{
	uint8_t buf[64];

	return bed_read(s->b, s->events, buf, sizeof(buf));
}

static long map_region(struct scene *s)
{
	return bed_mmap(s->b, s->iommufd, s->region_len, PROT_READ | PROT_WRITE, s->region);
}

static const struct failing cases[] = {
	{"VIOMMU_ALLOC", mock_parent, alloc_viommu, .mock = true},
	{"VDEVICE_ALLOC", mock_viommu, alloc_vdevice, .mock = true},
	{"VEVENTQ_ALLOC", mock_viommu, alloc_veventq, .mock = true},
	{"HW_QUEUE_ALLOC", mock_viommu, hw_queue, .mock = true},
	{"HW_QUEUE_ALLOC, a second", with_hw_queue, second_hw_queue, .mock = true},
	{"HW_QUEUE_KICK", with_hw_queue, kick_hw_queue, .mock = true, .none = true},
	{"DESTROY of a HW queue", with_hw_queue, destroy_hw_queue, .mock = true, .none = true},
	{"DESTROY of a vIOMMU", mock_viommu, destroy_viommu, .mock = true, .none = true},
	{"DESTROY of a vDEVICE", mock_vdevice, destroy_vdevice, .mock = true, .none = true},
	{"read() of an event", event_there, read_event, .mock = true, .none = true},
	{"mmap() of a vIOMMU's region", mock_viommu, map_region, .mock = true},
};

NOUN(failing_viommus, "vIOMMUs");

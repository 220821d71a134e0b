/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

void nothing(struct scene *s)
{
}

void one_ioas(struct scene *s)
{
	s->iommufd = bed_open_iommufd(s->b);
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[0]), 0);
}

void unbound(struct scene *s)
{
	one_ioas(s);
	s->dev[0] = bed_open_cdev(s->b, 0);
}

void bound(struct scene *s)
{
	unbound(s);
	assert_int_equal(bind_cmd(s->b, s->dev[0], s->iommufd, &s->devid[0]), 0);
}

void map_some(struct scene *s)
{
	assert_int_equal(
		map_cmd(s->b, s->iommufd, s->ioas[0], IOVA, s->b->arena, ARENA_SIZE / 2, FIXED_RW),
		0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(map_cmd(s->b, s->iommufd, s->ioas[0], 3 * IOVA + i * 2 * PAGE_SIZE,
					 s->b->arena + i * PAGE_SIZE, PAGE_SIZE, FIXED_RW),
				 0);
}

void bound_with_areas(struct scene *s)
{
	bound(s);
	map_some(s);
}

void attached(struct scene *s)
{
	uint32_t pt;

	bound(s);
	pt = s->ioas[0];
	assert_int_equal(attach_cmd(s->b, s->dev[0], &pt), 0);
}

void attached_with_areas(struct scene *s)
{
	attached(s);
	map_some(s);
}

static void other_ioas(struct scene *s)
{
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]), 0);
	assert_int_equal(
		map_cmd(s->b, s->iommufd, s->ioas[1], IOVA, s->b->arena, ARENA_SIZE / 2, FIXED_RW),
		0);
}

void attached_and_other(struct scene *s)
{
	attached_with_areas(s);
	other_ioas(s);
}

void container_and_groups(struct scene *s)
{
	s->container = bed_open_container(s->b);
	s->group[0] = bed_open_group(s->b, 0);
	s->group[1] = bed_open_group(s->b, 1);
}

void group_joined(struct scene *s)
{
	container_and_groups(s);
	assert_int_equal(group_set_cmd(s->b, s->group[0], s->container), 0);
}

void type1(struct scene *s)
{
	group_joined(s);
	assert_int_equal(bed_ioctl(s->b, s->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU),
			 0);
}

void type1_mapped(struct scene *s)
{
	type1(s);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(type1_map_cmd(s->b, s->container, IOVA + i * 0x20000,
					       s->b->arena + i * 0x10000, 0x10000),
				 0);
}

void type1_device(struct scene *s)
{
	type1(s);
	s->dev[0] = group_device_cmd(s->b, s->group[0], 0);
	assert_true(s->dev[0] >= 0);
}

void compat(struct scene *s)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_GET};

	s->iommufd = bed_open_iommufd(s->b);
	s->group[0] = bed_open_group(s->b, 0);
	s->group[1] = bed_open_group(s->b, 1);
	assert_int_equal(group_set_cmd(s->b, s->group[0], s->iommufd), 0);
	assert_int_equal(bed_ioctl(s->b, s->iommufd, IOMMU_VFIO_IOAS, &cmd), 0);
	s->ioas[0] = cmd.ioas_id;
}

void compat_device(struct scene *s)
{
	compat(s);
	assert_int_equal(bed_ioctl(s->b, s->iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	s->dev[0] = group_device_cmd(s->b, s->group[0], 0);
	assert_true(s->dev[0] >= 0);
	map_some(s);
}

long expect(long rc, int err)
{
	return rc == -err ? 0 : rc;
}

/* ---- make mock ---- */

long test_cmd(struct scene *s, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return bed_ioctl(s->b, s->iommufd, IOMMU_TEST_CMD, cmd);
}

void mock_spaces(struct scene *s)
{
	s->iommufd = bed_open_iommufd(s->b);
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[0]), 0);
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]), 0);
	assert_int_equal(
		map_cmd(s->b, s->iommufd, s->ioas[0], IOVA, s->b->arena, MOCK_AREA, FIXED_RW), 0);
	assert_int_equal(
		map_cmd(s->b, s->iommufd, s->ioas[1], IOVA, s->b->arena, MOCK_AREA, FIXED_RW), 0);
}

void mock_device(struct scene *s)
{
	struct iommu_test_cmd cmd = {.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
				     .mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_PASID};

	mock_spaces(s);
	cmd.id = s->ioas[0];
	assert_int_equal(test_cmd(s, &cmd), 0);
	s->stdev = cmd.mock_domain.out_stdev_id;
	s->devid[0] = cmd.mock_domain.out_idev_id;
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], IOMMU_HWPT_ALLOC_PASID,
				  0, &s->hwpt),
			 0);
}

void mock_parent(struct scene *s)
{
	mock_device(s);
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0],
				  IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, 0,
				  &s->parent),
			 0);
}

long alloc_nested(struct scene *s, uint32_t on, uint32_t flags, uint32_t fault)
{
	struct iommu_hwpt_selftest data = {.iotlb = 7};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = s->devid[0],
				       .pt_id = on,
				       .fault_id = fault,
				       .data_type = IOMMU_HWPT_DATA_SELFTEST,
				       .data_len = sizeof(data),
				       .data_uptr = (uintptr_t)&data};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	s->nested = cmd.out_hwpt_id;
	return rc;
}

void mock_nested(struct scene *s)
{
	mock_parent(s);
	assert_int_equal(fault_cmd(s->b, s->iommufd, &s->fault, &s->file), 0);
	assert_int_equal(alloc_nested(s, s->parent, IOMMU_HWPT_FAULT_ID_VALID, s->fault), 0);
}

void mock_nested_attached(struct scene *s)
{
	mock_nested(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested),
		0);
}

long alloc_viommu(struct scene *s)
{
	struct iommu_viommu_selftest data = {.in_data = 0xbeef};
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_VIOMMU_TYPE_SELFTEST,
					 .dev_id = s->devid[0],
					 .hwpt_id = s->parent,
					 .data_len = sizeof(data),
					 .data_uptr = (uintptr_t)&data};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_VIOMMU_ALLOC, &cmd);

	s->viommu = cmd.out_viommu_id;
	s->region = data.out_mmap_offset;
	s->region_len = data.out_mmap_length;
	return rc;
}

void mock_viommu(struct scene *s)
{
	mock_parent(s);
	assert_int_equal(alloc_viommu(s), 0);
}

long alloc_vdevice(struct scene *s)
{
	struct iommu_vdevice_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = s->viommu,
					  .dev_id = s->devid[0],
					  .virt_id = 0x99};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_VDEVICE_ALLOC, &cmd);

	s->vdevice = cmd.out_vdevice_id;
	return rc;
}

long alloc_veventq(struct scene *s)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = s->viommu,
					  .type = IOMMU_VEVENTQ_TYPE_SELFTEST,
					  .veventq_depth = 2};
	long rc = bed_ioctl(s->b, s->iommufd, IOMMU_VEVENTQ_ALLOC, &cmd);

	s->events = (int)cmd.out_veventq_fd;
	return rc;
}

void mock_vdevice(struct scene *s)
{
	mock_viommu(s);
	assert_int_equal(alloc_vdevice(s), 0);
	assert_int_equal(alloc_veventq(s), 0);
	assert_int_equal(alloc_nested(s, s->viommu, 0, 0), 0);
}

void mock_vdevice_attached(struct scene *s)
{
	mock_vdevice(s);
	assert_int_equal(
		TEST(MOCK_DOMAIN_REPLACE, .id = s->stdev, .mock_domain_replace.pt_id = s->nested),
		0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and the containers they join. */
#include "failures.h"

static long set_container(struct scene *s)
{
	return group_set_cmd(s->b, s->group[0], s->container >= 0 ? s->container : s->iommufd);
}

static long set_second(struct scene *s)
{
	return group_set_cmd(s->b, s->group[1], s->container >= 0 ? s->container : s->iommufd);
}

static long set_iommu(struct scene *s)
{
	return bed_ioctl(s->b, s->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
}

static long device_fd(struct scene *s)
{
	return group_device_cmd(s->b, s->group[0], 0);
}

static long group_status(struct scene *s)
{
	struct vfio_group_status cmd = {.argsz = sizeof(cmd)};

	return bed_ioctl(s->b, s->group[0], VFIO_GROUP_GET_STATUS, &cmd);
}

static long unset_container(struct scene *s)
{
	return bed_ioctl(s->b, s->group[0], VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static long api_version(struct scene *s)
{
	return bed_ioctl(s->b, s->container, VFIO_GET_API_VERSION, NULL);
}

static long check_extension(struct scene *s)
{
	return bed_ioctl(s->b, s->container, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU);
}

static const struct failing cases[] = {
	{"SET_CONTAINER", container_and_groups, set_container},
	{"SET_CONTAINER, of a second group", type1_mapped, set_second},
	{"SET_CONTAINER, an iommufd", compat, set_second, .none = true},
	{"UNSET_CONTAINER", type1_mapped, unset_container, .none = true},
	{"UNSET_CONTAINER, an iommufd", compat, unset_container, .none = true},
	{"GET_API_VERSION", group_joined, api_version, .none = true},
	{"CHECK_EXTENSION", group_joined, check_extension, .none = true},
	{"CHECK_EXTENSION of type1", type1, check_extension, .none = true},
	{"SET_IOMMU", group_joined, set_iommu},
	{"GET_DEVICE_FD", type1, device_fd},
	{"GET_DEVICE_FD, an iommufd", compat, device_fd},
	{"GET_STATUS", type1, group_status, .none = true},
};

NOUN(failing_groups, "groups");

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands by the names of --inject.
 */
#include "base/inject.h"

#include <ioas/abi/extensions.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "abi/file.h"
#include "base/bits.h"

struct row {
	unsigned int cmd;
	enum inject_call call;
};

static const struct row iommufd_rows[] = {
	{IOMMU_IOAS_MAP, INJECT_MAP},
	{IOMMU_IOAS_MAP_FILE, INJECT_MAP},
	{IOMMU_IOAS_COPY, INJECT_MAP},
	{IOMMU_IOAS_MAP_ARRAY, INJECT_MAP},
	{IOMMU_IOAS_UNMAP, INJECT_UNMAP},
	{IOMMU_IOAS_UNMAP_ARRAY, INJECT_UNMAP},
	{IOMMU_IOAS_ALLOC, INJECT_ALLOC},
	{IOMMU_HWPT_ALLOC, INJECT_ALLOC},
	{IOMMU_FAULT_QUEUE_ALLOC, INJECT_ALLOC},
	{IOMMU_VIOMMU_ALLOC, INJECT_ALLOC},
	{IOMMU_VDEVICE_ALLOC, INJECT_ALLOC},
	{IOMMU_VEVENTQ_ALLOC, INJECT_ALLOC},
	{IOMMU_HW_QUEUE_ALLOC, INJECT_ALLOC},
	{IOMMU_DESTROY, INJECT_DESTROY},
	{IOMMU_GET_HW_INFO, INJECT_GET_INFO},
	{IOMMU_IOAS_IOVA_RANGES, INJECT_GET_INFO},
	{IOMMU_HWPT_SET_DIRTY_TRACKING, INJECT_DIRTY},
	{IOMMU_HWPT_GET_DIRTY_BITMAP, INJECT_DIRTY},
	{IOMMU_HWPT_INVALIDATE, INJECT_INVALIDATE},
};

/* An iommufd takes them too (9). */
static const struct row container_rows[] = {
	{VFIO_SET_IOMMU, INJECT_SET_IOMMU},	{VFIO_IOMMU_GET_INFO, INJECT_GET_INFO},
	{VFIO_IOMMU_MAP_DMA, INJECT_MAP},	{VFIO_IOMMU_UNMAP_DMA, INJECT_UNMAP},
	{VFIO_IOMMU_DIRTY_PAGES, INJECT_DIRTY},
};

static const struct row group_rows[] = {
	{VFIO_GROUP_GET_STATUS, INJECT_GET_INFO},
	{VFIO_GROUP_SET_CONTAINER, INJECT_SET_CONTAINER},
	{VFIO_GROUP_GET_DEVICE_FD, INJECT_GET_DEVICE},
};

static const struct row device_rows[] = {
	{VFIO_DEVICE_GET_INFO, INJECT_GET_INFO},
	{VFIO_DEVICE_GET_REGION_INFO, INJECT_GET_INFO},
	{VFIO_DEVICE_GET_IRQ_INFO, INJECT_GET_INFO},
	{VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, INJECT_GET_INFO},
	{VFIO_DEVICE_SET_IRQS, INJECT_IRQ},
	{VFIO_DEVICE_IOEVENTFD, INJECT_IRQ},
	{VFIO_DEVICE_RESET, INJECT_RESET},
	{VFIO_DEVICE_PCI_HOT_RESET, INJECT_RESET},
	{VFIO_DEVICE_BIND_IOMMUFD, INJECT_BIND},
	{VFIO_DEVICE_ATTACH_IOMMUFD_PT, INJECT_ATTACH},
	{VFIO_DEVICE_DETACH_IOMMUFD_PT, INJECT_DETACH},
};

static enum inject_call find(const struct row *rows, size_t n, unsigned int cmd)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].cmd == cmd)
			return rows[i].call;
	return INJECT_OTHER;
}

enum inject_call abi_inject_call(enum abi_file_kind kind, unsigned int cmd)
{
	enum inject_call call = INJECT_OTHER;

	if (kind == ABI_IOMMUFD)
		call = find(iommufd_rows, ARRAY_SIZE(iommufd_rows), cmd);
	if (kind == ABI_CONTAINER || (kind == ABI_IOMMUFD && call == INJECT_OTHER))
		call = find(container_rows, ARRAY_SIZE(container_rows), cmd);
	if (kind == ABI_GROUP)
		call = find(group_rows, ARRAY_SIZE(group_rows), cmd);
	if (kind == ABI_DEVICE)
		call = find(device_rows, ARRAY_SIZE(device_rows), cmd);
	return call;
}

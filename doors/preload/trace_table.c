/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/trace_table.h"

#include <stddef.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "base/bits.h"

#define FIELD_OF(type, field, format)                                                              \
	{                                                                                          \
		#field, offsetof(struct type, field), sizeof(((struct type *)0)->field), format    \
	}
#define DEC(type, field)    FIELD_OF(type, field, TRACE_DEC)
#define HEX(type, field)    FIELD_OF(type, field, TRACE_HEX)
#define SIGNED(type, field) FIELD_OF(type, field, TRACE_SIGNED)
#define FIELDS(...)	    (const struct trace_field[]){__VA_ARGS__, {0}}

#define STRUCT(kind, cmd, ...) {kind, cmd, #cmd, TRACE_ARG_STRUCT, FIELDS(__VA_ARGS__)}
#define PLAIN(kind, cmd, arg)  {kind, cmd, #cmd, arg, NULL}

static const struct trace_command iommufd_commands[] = {
	STRUCT(ABI_IOMMUFD, IOMMU_DESTROY, DEC(iommu_destroy, size), DEC(iommu_destroy, id)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_ALLOC, DEC(iommu_ioas_alloc, size), HEX(iommu_ioas_alloc, flags),
	       DEC(iommu_ioas_alloc, out_ioas_id)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_ALLOW_IOVAS, DEC(iommu_ioas_allow_iovas, ioas_id),
	       DEC(iommu_ioas_allow_iovas, num_iovas), HEX(iommu_ioas_allow_iovas, allowed_iovas)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_COPY, HEX(iommu_ioas_copy, flags), DEC(iommu_ioas_copy, dst_ioas_id),
	       DEC(iommu_ioas_copy, src_ioas_id), HEX(iommu_ioas_copy, length),
	       HEX(iommu_ioas_copy, dst_iova), HEX(iommu_ioas_copy, src_iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_IOVA_RANGES, DEC(iommu_ioas_iova_ranges, ioas_id),
	       DEC(iommu_ioas_iova_ranges, num_iovas), HEX(iommu_ioas_iova_ranges, allowed_iovas),
	       HEX(iommu_ioas_iova_ranges, out_iova_alignment)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_MAP, HEX(iommu_ioas_map, flags), DEC(iommu_ioas_map, ioas_id),
	       HEX(iommu_ioas_map, user_va), HEX(iommu_ioas_map, length), HEX(iommu_ioas_map, iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_UNMAP, DEC(iommu_ioas_unmap, ioas_id), HEX(iommu_ioas_unmap, iova),
	       HEX(iommu_ioas_unmap, length)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_MAP_FILE, HEX(iommu_ioas_map_file, flags),
	       DEC(iommu_ioas_map_file, ioas_id), SIGNED(iommu_ioas_map_file, fd),
	       HEX(iommu_ioas_map_file, start), HEX(iommu_ioas_map_file, length),
	       HEX(iommu_ioas_map_file, iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_OPTION, DEC(iommu_option, option_id), DEC(iommu_option, op),
	       DEC(iommu_option, object_id), HEX(iommu_option, val64)),
	STRUCT(ABI_IOMMUFD, IOMMU_VFIO_IOAS, DEC(iommu_vfio_ioas, ioas_id), DEC(iommu_vfio_ioas, op)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_ALLOC, HEX(iommu_hwpt_alloc, flags), DEC(iommu_hwpt_alloc, dev_id),
	       DEC(iommu_hwpt_alloc, pt_id), DEC(iommu_hwpt_alloc, out_hwpt_id),
	       DEC(iommu_hwpt_alloc, data_type), DEC(iommu_hwpt_alloc, data_len),
	       HEX(iommu_hwpt_alloc, data_uptr)),
	STRUCT(ABI_IOMMUFD, IOMMU_GET_HW_INFO, HEX(iommu_hw_info, flags), DEC(iommu_hw_info, dev_id),
	       DEC(iommu_hw_info, data_len), HEX(iommu_hw_info, data_uptr), DEC(iommu_hw_info, out_data_type),
	       HEX(iommu_hw_info, out_capabilities)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_SET_DIRTY_TRACKING, HEX(iommu_hwpt_set_dirty_tracking, flags),
	       DEC(iommu_hwpt_set_dirty_tracking, hwpt_id)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_GET_DIRTY_BITMAP, DEC(iommu_hwpt_get_dirty_bitmap, hwpt_id),
	       HEX(iommu_hwpt_get_dirty_bitmap, flags), HEX(iommu_hwpt_get_dirty_bitmap, iova),
	       HEX(iommu_hwpt_get_dirty_bitmap, length), DEC(iommu_hwpt_get_dirty_bitmap, page_size),
	       HEX(iommu_hwpt_get_dirty_bitmap, data)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_INVALIDATE, DEC(iommu_hwpt_invalidate, hwpt_id),
	       HEX(iommu_hwpt_invalidate, data_uptr), DEC(iommu_hwpt_invalidate, data_type),
	       DEC(iommu_hwpt_invalidate, entry_len), DEC(iommu_hwpt_invalidate, entry_num)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_CHANGE_PROCESS, DEC(iommu_ioas_change_process, size)),
	PLAIN(ABI_IOMMUFD, IOMMU_FAULT_QUEUE_ALLOC, TRACE_ARG_NUMBER),
	PLAIN(ABI_IOMMUFD, IOMMU_VIOMMU_ALLOC, TRACE_ARG_NUMBER),
	PLAIN(ABI_IOMMUFD, IOMMU_VDEVICE_ALLOC, TRACE_ARG_NUMBER),
	PLAIN(ABI_IOMMUFD, IOMMU_VEVENTQ_ALLOC, TRACE_ARG_NUMBER),
	PLAIN(ABI_IOMMUFD, IOMMU_HW_QUEUE_ALLOC, TRACE_ARG_NUMBER),
	PLAIN(ABI_IOMMUFD, IOMMU_IOAS_NOIOMMU_GET_PA, TRACE_ARG_NUMBER),
};

static const struct trace_command container_commands[] = {
	PLAIN(ABI_CONTAINER, VFIO_GET_API_VERSION, TRACE_ARG_NONE),
	PLAIN(ABI_CONTAINER, VFIO_CHECK_EXTENSION, TRACE_ARG_NUMBER),
	PLAIN(ABI_CONTAINER, VFIO_SET_IOMMU, TRACE_ARG_NUMBER),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_GET_INFO, DEC(vfio_iommu_type1_info, argsz),
	       HEX(vfio_iommu_type1_info, flags), HEX(vfio_iommu_type1_info, iova_pgsizes)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_MAP_DMA, DEC(vfio_iommu_type1_dma_map, argsz),
	       HEX(vfio_iommu_type1_dma_map, flags), HEX(vfio_iommu_type1_dma_map, vaddr),
	       HEX(vfio_iommu_type1_dma_map, iova), HEX(vfio_iommu_type1_dma_map, size)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_UNMAP_DMA, DEC(vfio_iommu_type1_dma_unmap, argsz),
	       HEX(vfio_iommu_type1_dma_unmap, flags), HEX(vfio_iommu_type1_dma_unmap, iova),
	       HEX(vfio_iommu_type1_dma_unmap, size)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_DIRTY_PAGES, DEC(vfio_iommu_type1_dirty_bitmap, argsz),
	       HEX(vfio_iommu_type1_dirty_bitmap, flags)),
	PLAIN(ABI_CONTAINER, VFIO_IOMMU_ENABLE, TRACE_ARG_NONE),
	PLAIN(ABI_CONTAINER, VFIO_IOMMU_DISABLE, TRACE_ARG_NONE),
};

static const struct trace_command group_commands[] = {
	STRUCT(ABI_GROUP, VFIO_GROUP_GET_STATUS, DEC(vfio_group_status, argsz), HEX(vfio_group_status, flags)),
	PLAIN(ABI_GROUP, VFIO_GROUP_SET_CONTAINER, TRACE_ARG_FD),
	PLAIN(ABI_GROUP, VFIO_GROUP_UNSET_CONTAINER, TRACE_ARG_NONE),
	PLAIN(ABI_GROUP, VFIO_GROUP_GET_DEVICE_FD, TRACE_ARG_STRING),
};

static const struct trace_command device_commands[] = {
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_INFO, DEC(vfio_device_info, argsz), HEX(vfio_device_info, flags),
	       DEC(vfio_device_info, num_regions), DEC(vfio_device_info, num_irqs)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_REGION_INFO, DEC(vfio_region_info, argsz),
	       HEX(vfio_region_info, flags), DEC(vfio_region_info, index), DEC(vfio_region_info, cap_offset),
	       HEX(vfio_region_info, size), HEX(vfio_region_info, offset)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_IRQ_INFO, DEC(vfio_irq_info, argsz), HEX(vfio_irq_info, flags),
	       DEC(vfio_irq_info, index), DEC(vfio_irq_info, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_SET_IRQS, DEC(vfio_irq_set, argsz), HEX(vfio_irq_set, flags),
	       DEC(vfio_irq_set, index), DEC(vfio_irq_set, start), DEC(vfio_irq_set, count)),
	PLAIN(ABI_DEVICE, VFIO_DEVICE_RESET, TRACE_ARG_NONE),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, DEC(vfio_pci_hot_reset_info, argsz),
	       HEX(vfio_pci_hot_reset_info, flags), DEC(vfio_pci_hot_reset_info, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_PCI_HOT_RESET, DEC(vfio_pci_hot_reset, argsz),
	       HEX(vfio_pci_hot_reset, flags), DEC(vfio_pci_hot_reset, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_IOEVENTFD, DEC(vfio_device_ioeventfd, argsz),
	       HEX(vfio_device_ioeventfd, flags), HEX(vfio_device_ioeventfd, offset),
	       HEX(vfio_device_ioeventfd, data), SIGNED(vfio_device_ioeventfd, fd)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_FEATURE, DEC(vfio_device_feature, argsz),
	       HEX(vfio_device_feature, flags)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_BIND_IOMMUFD, DEC(vfio_device_bind_iommufd, argsz),
	       HEX(vfio_device_bind_iommufd, flags), SIGNED(vfio_device_bind_iommufd, iommufd),
	       DEC(vfio_device_bind_iommufd, out_devid)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_ATTACH_IOMMUFD_PT, DEC(vfio_device_attach_iommufd_pt, argsz),
	       HEX(vfio_device_attach_iommufd_pt, flags), DEC(vfio_device_attach_iommufd_pt, pt_id)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_DETACH_IOMMUFD_PT, DEC(vfio_device_detach_iommufd_pt, argsz),
	       HEX(vfio_device_detach_iommufd_pt, flags)),
};

static const struct trace_command *find_in(const struct trace_command *t, size_t n, unsigned int cmd)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].cmd == cmd)
			return &t[i];
	return NULL;
}

/* An iommufd takes the container's commands too (9). */
const struct trace_command *trace_find(enum abi_file_kind kind, unsigned int cmd)
{
	const struct trace_command *t = NULL;

	if (kind == ABI_IOMMUFD)
		t = find_in(iommufd_commands, ARRAY_SIZE(iommufd_commands), cmd);
	if (kind == ABI_CONTAINER || (kind == ABI_IOMMUFD && !t))
		t = find_in(container_commands, ARRAY_SIZE(container_commands), cmd);
	if (kind == ABI_GROUP)
		t = find_in(group_commands, ARRAY_SIZE(group_commands), cmd);
	if (kind == ABI_DEVICE)
		t = find_in(device_commands, ARRAY_SIZE(device_commands), cmd);
	return t;
}

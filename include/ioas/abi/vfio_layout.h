/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every size and offset of <ioas/abi/vfio.h>, asserted of the compiler at hand.
 */
#ifndef IOAS_ABI_VFIO_LAYOUT_H
#define IOAS_ABI_VFIO_LAYOUT_H

#include "vfio.h"

#ifdef __cplusplus
#define IOAS_ABI_ASSERT(expr) static_assert(expr, #expr)
#else
#define IOAS_ABI_ASSERT(expr) _Static_assert(expr, #expr)
#endif
#define IOAS_ABI_SIZE(type, bytes) IOAS_ABI_ASSERT(sizeof(struct type) == (bytes))
#define IOAS_ABI_AT(type, field, at) IOAS_ABI_ASSERT(offsetof(struct type, field) == (at))

IOAS_ABI_SIZE(vfio_info_cap_header, 8);
IOAS_ABI_AT(vfio_info_cap_header, id, 0);
IOAS_ABI_AT(vfio_info_cap_header, version, 2);
IOAS_ABI_AT(vfio_info_cap_header, next, 4);

IOAS_ABI_SIZE(vfio_group_status, 8);
IOAS_ABI_AT(vfio_group_status, argsz, 0);
IOAS_ABI_AT(vfio_group_status, flags, 4);

IOAS_ABI_SIZE(vfio_device_info, 24);
IOAS_ABI_AT(vfio_device_info, argsz, 0);
IOAS_ABI_AT(vfio_device_info, flags, 4);
IOAS_ABI_AT(vfio_device_info, num_regions, 8);
IOAS_ABI_AT(vfio_device_info, num_irqs, 12);
IOAS_ABI_AT(vfio_device_info, cap_offset, 16);
IOAS_ABI_AT(vfio_device_info, pad, 20);

IOAS_ABI_SIZE(vfio_device_info_cap_pci_atomic_comp, 16);
IOAS_ABI_AT(vfio_device_info_cap_pci_atomic_comp, header, 0);
IOAS_ABI_AT(vfio_device_info_cap_pci_atomic_comp, flags, 8);
IOAS_ABI_AT(vfio_device_info_cap_pci_atomic_comp, reserved, 12);

IOAS_ABI_SIZE(vfio_region_info, 32);
IOAS_ABI_AT(vfio_region_info, argsz, 0);
IOAS_ABI_AT(vfio_region_info, flags, 4);
IOAS_ABI_AT(vfio_region_info, index, 8);
IOAS_ABI_AT(vfio_region_info, cap_offset, 12);
IOAS_ABI_AT(vfio_region_info, size, 16);
IOAS_ABI_AT(vfio_region_info, offset, 24);

IOAS_ABI_SIZE(vfio_region_sparse_mmap_area, 16);
IOAS_ABI_AT(vfio_region_sparse_mmap_area, offset, 0);
IOAS_ABI_AT(vfio_region_sparse_mmap_area, size, 8);

IOAS_ABI_SIZE(vfio_region_info_cap_sparse_mmap, 16);
IOAS_ABI_AT(vfio_region_info_cap_sparse_mmap, header, 0);
IOAS_ABI_AT(vfio_region_info_cap_sparse_mmap, nr_areas, 8);
IOAS_ABI_AT(vfio_region_info_cap_sparse_mmap, reserved, 12);
IOAS_ABI_AT(vfio_region_info_cap_sparse_mmap, areas, 16);

IOAS_ABI_SIZE(vfio_region_info_cap_type, 16);
IOAS_ABI_AT(vfio_region_info_cap_type, header, 0);
IOAS_ABI_AT(vfio_region_info_cap_type, type, 8);
IOAS_ABI_AT(vfio_region_info_cap_type, subtype, 12);

IOAS_ABI_SIZE(vfio_irq_info, 16);
IOAS_ABI_AT(vfio_irq_info, argsz, 0);
IOAS_ABI_AT(vfio_irq_info, flags, 4);
IOAS_ABI_AT(vfio_irq_info, index, 8);
IOAS_ABI_AT(vfio_irq_info, count, 12);

IOAS_ABI_SIZE(vfio_irq_set, 20);
IOAS_ABI_AT(vfio_irq_set, argsz, 0);
IOAS_ABI_AT(vfio_irq_set, flags, 4);
IOAS_ABI_AT(vfio_irq_set, index, 8);
IOAS_ABI_AT(vfio_irq_set, start, 12);
IOAS_ABI_AT(vfio_irq_set, count, 16);
IOAS_ABI_AT(vfio_irq_set, data, 20);

IOAS_ABI_SIZE(vfio_pci_dependent_device, 8);
IOAS_ABI_AT(vfio_pci_dependent_device, group_id, 0);
IOAS_ABI_AT(vfio_pci_dependent_device, devid, 0);
IOAS_ABI_AT(vfio_pci_dependent_device, segment, 4);
IOAS_ABI_AT(vfio_pci_dependent_device, bus, 6);
IOAS_ABI_AT(vfio_pci_dependent_device, devfn, 7);

IOAS_ABI_SIZE(vfio_pci_hot_reset_info, 12);
IOAS_ABI_AT(vfio_pci_hot_reset_info, argsz, 0);
IOAS_ABI_AT(vfio_pci_hot_reset_info, flags, 4);
IOAS_ABI_AT(vfio_pci_hot_reset_info, count, 8);
IOAS_ABI_AT(vfio_pci_hot_reset_info, devices, 12);

IOAS_ABI_SIZE(vfio_pci_hot_reset, 12);
IOAS_ABI_AT(vfio_pci_hot_reset, argsz, 0);
IOAS_ABI_AT(vfio_pci_hot_reset, flags, 4);
IOAS_ABI_AT(vfio_pci_hot_reset, count, 8);
IOAS_ABI_AT(vfio_pci_hot_reset, group_fds, 12);

IOAS_ABI_SIZE(vfio_device_ioeventfd, 32);
IOAS_ABI_AT(vfio_device_ioeventfd, argsz, 0);
IOAS_ABI_AT(vfio_device_ioeventfd, flags, 4);
IOAS_ABI_AT(vfio_device_ioeventfd, offset, 8);
IOAS_ABI_AT(vfio_device_ioeventfd, data, 16);
IOAS_ABI_AT(vfio_device_ioeventfd, fd, 24);
IOAS_ABI_AT(vfio_device_ioeventfd, reserved, 28);

IOAS_ABI_SIZE(vfio_device_feature, 8);
IOAS_ABI_AT(vfio_device_feature, argsz, 0);
IOAS_ABI_AT(vfio_device_feature, flags, 4);
IOAS_ABI_AT(vfio_device_feature, data, 8);

IOAS_ABI_SIZE(vfio_device_bind_iommufd, 24);
IOAS_ABI_AT(vfio_device_bind_iommufd, argsz, 0);
IOAS_ABI_AT(vfio_device_bind_iommufd, flags, 4);
IOAS_ABI_AT(vfio_device_bind_iommufd, iommufd, 8);
IOAS_ABI_AT(vfio_device_bind_iommufd, out_devid, 12);
IOAS_ABI_AT(vfio_device_bind_iommufd, token_uuid_ptr, 16);

IOAS_ABI_SIZE(vfio_device_attach_iommufd_pt, 16);
IOAS_ABI_AT(vfio_device_attach_iommufd_pt, argsz, 0);
IOAS_ABI_AT(vfio_device_attach_iommufd_pt, flags, 4);
IOAS_ABI_AT(vfio_device_attach_iommufd_pt, pt_id, 8);
IOAS_ABI_AT(vfio_device_attach_iommufd_pt, pasid, 12);

IOAS_ABI_SIZE(vfio_device_detach_iommufd_pt, 12);
IOAS_ABI_AT(vfio_device_detach_iommufd_pt, argsz, 0);
IOAS_ABI_AT(vfio_device_detach_iommufd_pt, flags, 4);
IOAS_ABI_AT(vfio_device_detach_iommufd_pt, pasid, 8);

IOAS_ABI_SIZE(vfio_device_feature_migration, 8);
IOAS_ABI_AT(vfio_device_feature_migration, flags, 0);

IOAS_ABI_SIZE(vfio_device_feature_mig_state, 8);
IOAS_ABI_AT(vfio_device_feature_mig_state, device_state, 0);
IOAS_ABI_AT(vfio_device_feature_mig_state, data_fd, 4);

IOAS_ABI_SIZE(vfio_precopy_info, 24);
IOAS_ABI_AT(vfio_precopy_info, argsz, 0);
IOAS_ABI_AT(vfio_precopy_info, flags, 4);
IOAS_ABI_AT(vfio_precopy_info, initial_bytes, 8);
IOAS_ABI_AT(vfio_precopy_info, dirty_bytes, 16);

IOAS_ABI_SIZE(vfio_device_low_power_entry_with_wakeup, 8);
IOAS_ABI_AT(vfio_device_low_power_entry_with_wakeup, wakeup_eventfd, 0);
IOAS_ABI_AT(vfio_device_low_power_entry_with_wakeup, reserved, 4);

IOAS_ABI_SIZE(vfio_device_feature_dma_logging_control, 24);
IOAS_ABI_AT(vfio_device_feature_dma_logging_control, page_size, 0);
IOAS_ABI_AT(vfio_device_feature_dma_logging_control, num_ranges, 8);
IOAS_ABI_AT(vfio_device_feature_dma_logging_control, __reserved, 12);
IOAS_ABI_AT(vfio_device_feature_dma_logging_control, ranges, 16);

IOAS_ABI_SIZE(vfio_device_feature_dma_logging_range, 16);
IOAS_ABI_AT(vfio_device_feature_dma_logging_range, iova, 0);
IOAS_ABI_AT(vfio_device_feature_dma_logging_range, length, 8);

IOAS_ABI_SIZE(vfio_device_feature_dma_logging_report, 32);
IOAS_ABI_AT(vfio_device_feature_dma_logging_report, iova, 0);
IOAS_ABI_AT(vfio_device_feature_dma_logging_report, length, 8);
IOAS_ABI_AT(vfio_device_feature_dma_logging_report, page_size, 16);
IOAS_ABI_AT(vfio_device_feature_dma_logging_report, bitmap, 24);

IOAS_ABI_SIZE(vfio_device_feature_mig_data_size, 8);
IOAS_ABI_AT(vfio_device_feature_mig_data_size, stop_copy_length, 0);

IOAS_ABI_SIZE(vfio_device_feature_bus_master, 4);
IOAS_ABI_AT(vfio_device_feature_bus_master, op, 0);

IOAS_ABI_SIZE(vfio_region_dma_range, 16);
IOAS_ABI_AT(vfio_region_dma_range, offset, 0);
IOAS_ABI_AT(vfio_region_dma_range, length, 8);

IOAS_ABI_SIZE(vfio_device_feature_dma_buf, 16);
IOAS_ABI_AT(vfio_device_feature_dma_buf, region_index, 0);
IOAS_ABI_AT(vfio_device_feature_dma_buf, open_flags, 4);
IOAS_ABI_AT(vfio_device_feature_dma_buf, flags, 8);
IOAS_ABI_AT(vfio_device_feature_dma_buf, nr_ranges, 12);

IOAS_ABI_SIZE(vfio_device_feature_zpci_err, 8);
IOAS_ABI_AT(vfio_device_feature_zpci_err, data, 0);

IOAS_ABI_SIZE(vfio_iommu_type1_info, 24);
IOAS_ABI_AT(vfio_iommu_type1_info, argsz, 0);
IOAS_ABI_AT(vfio_iommu_type1_info, flags, 4);
IOAS_ABI_AT(vfio_iommu_type1_info, iova_pgsizes, 8);
IOAS_ABI_AT(vfio_iommu_type1_info, cap_offset, 16);
IOAS_ABI_AT(vfio_iommu_type1_info, pad, 20);

IOAS_ABI_SIZE(vfio_iova_range, 16);
IOAS_ABI_AT(vfio_iova_range, start, 0);
IOAS_ABI_AT(vfio_iova_range, end, 8);

IOAS_ABI_SIZE(vfio_iommu_type1_info_cap_iova_range, 16);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_iova_range, header, 0);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_iova_range, nr_iovas, 8);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_iova_range, reserved, 12);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_iova_range, iova_ranges, 16);

IOAS_ABI_SIZE(vfio_iommu_type1_info_cap_migration, 32);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_migration, header, 0);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_migration, flags, 8);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_migration, pgsize_bitmap, 16);
IOAS_ABI_AT(vfio_iommu_type1_info_cap_migration, max_dirty_bitmap_size, 24);

IOAS_ABI_SIZE(vfio_iommu_type1_info_dma_avail, 12);
IOAS_ABI_AT(vfio_iommu_type1_info_dma_avail, header, 0);
IOAS_ABI_AT(vfio_iommu_type1_info_dma_avail, avail, 8);

IOAS_ABI_SIZE(vfio_iommu_type1_dma_map, 32);
IOAS_ABI_AT(vfio_iommu_type1_dma_map, argsz, 0);
IOAS_ABI_AT(vfio_iommu_type1_dma_map, flags, 4);
IOAS_ABI_AT(vfio_iommu_type1_dma_map, vaddr, 8);
IOAS_ABI_AT(vfio_iommu_type1_dma_map, iova, 16);
IOAS_ABI_AT(vfio_iommu_type1_dma_map, size, 24);

IOAS_ABI_SIZE(vfio_bitmap, 24);
IOAS_ABI_AT(vfio_bitmap, pgsize, 0);
IOAS_ABI_AT(vfio_bitmap, size, 8);
IOAS_ABI_AT(vfio_bitmap, data, 16);

IOAS_ABI_SIZE(vfio_iommu_type1_dma_unmap, 24);
IOAS_ABI_AT(vfio_iommu_type1_dma_unmap, argsz, 0);
IOAS_ABI_AT(vfio_iommu_type1_dma_unmap, flags, 4);
IOAS_ABI_AT(vfio_iommu_type1_dma_unmap, iova, 8);
IOAS_ABI_AT(vfio_iommu_type1_dma_unmap, size, 16);
IOAS_ABI_AT(vfio_iommu_type1_dma_unmap, data, 24);

IOAS_ABI_SIZE(vfio_iommu_type1_dirty_bitmap, 8);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap, argsz, 0);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap, flags, 4);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap, data, 8);

IOAS_ABI_SIZE(vfio_iommu_type1_dirty_bitmap_get, 40);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap_get, iova, 0);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap_get, size, 8);
IOAS_ABI_AT(vfio_iommu_type1_dirty_bitmap_get, bitmap, 16);

IOAS_ABI_SIZE(vfio_iommu_spapr_tce_ddw_info, 16);
IOAS_ABI_AT(vfio_iommu_spapr_tce_ddw_info, pgsizes, 0);
IOAS_ABI_AT(vfio_iommu_spapr_tce_ddw_info, max_dynamic_windows_supported, 8);
IOAS_ABI_AT(vfio_iommu_spapr_tce_ddw_info, levels, 12);

IOAS_ABI_SIZE(vfio_iommu_spapr_tce_info, 32);
IOAS_ABI_AT(vfio_iommu_spapr_tce_info, argsz, 0);
IOAS_ABI_AT(vfio_iommu_spapr_tce_info, flags, 4);
IOAS_ABI_AT(vfio_iommu_spapr_tce_info, dma32_window_start, 8);
IOAS_ABI_AT(vfio_iommu_spapr_tce_info, dma32_window_size, 12);
IOAS_ABI_AT(vfio_iommu_spapr_tce_info, ddw, 16);

IOAS_ABI_SIZE(vfio_eeh_pe_err, 24);
IOAS_ABI_AT(vfio_eeh_pe_err, type, 0);
IOAS_ABI_AT(vfio_eeh_pe_err, func, 4);
IOAS_ABI_AT(vfio_eeh_pe_err, addr, 8);
IOAS_ABI_AT(vfio_eeh_pe_err, mask, 16);

IOAS_ABI_SIZE(vfio_eeh_pe_op, 40);
IOAS_ABI_AT(vfio_eeh_pe_op, argsz, 0);
IOAS_ABI_AT(vfio_eeh_pe_op, flags, 4);
IOAS_ABI_AT(vfio_eeh_pe_op, op, 8);
IOAS_ABI_AT(vfio_eeh_pe_op, err, 16);

IOAS_ABI_SIZE(vfio_iommu_spapr_register_memory, 24);
IOAS_ABI_AT(vfio_iommu_spapr_register_memory, argsz, 0);
IOAS_ABI_AT(vfio_iommu_spapr_register_memory, flags, 4);
IOAS_ABI_AT(vfio_iommu_spapr_register_memory, vaddr, 8);
IOAS_ABI_AT(vfio_iommu_spapr_register_memory, size, 16);

IOAS_ABI_SIZE(vfio_iommu_spapr_tce_create, 40);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, argsz, 0);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, flags, 4);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, page_shift, 8);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, __resv1, 12);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, window_size, 16);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, levels, 24);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, __resv2, 28);
IOAS_ABI_AT(vfio_iommu_spapr_tce_create, start_addr, 32);

IOAS_ABI_SIZE(vfio_iommu_spapr_tce_remove, 16);
IOAS_ABI_AT(vfio_iommu_spapr_tce_remove, argsz, 0);
IOAS_ABI_AT(vfio_iommu_spapr_tce_remove, flags, 4);
IOAS_ABI_AT(vfio_iommu_spapr_tce_remove, start_addr, 8);

#undef IOAS_ABI_AT
#undef IOAS_ABI_SIZE
#undef IOAS_ABI_ASSERT

#endif

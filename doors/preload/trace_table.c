/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/trace_table.h"

#include <stddef.h>
#include <ioas/abi/extensions.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/mock.h>
#include <ioas/abi/vfio.h>

#include "base/bits.h"

/* clang-format off */
#define FIELD_OF(type, field, format, names)                                                       \
	{#field, offsetof(struct type, field), sizeof(((struct type *)0)->field), format, names}
#define DEC(type, field)	  FIELD_OF(type, field, TRACE_DEC, NULL)
#define HEX(type, field)	  FIELD_OF(type, field, TRACE_HEX, NULL)
#define SIGNED(type, field)	  FIELD_OF(type, field, TRACE_SIGNED, NULL)
#define FLAGS(type, field, names) FIELD_OF(type, field, TRACE_FLAGS, names)
#define ENUM(type, field, names)  FIELD_OF(type, field, TRACE_ENUM, names)
#define FIELDS(...)		  (const struct trace_field[]){__VA_ARGS__, {0}}

#define STRUCT(kind, cmd, ...)	   {kind, cmd, #cmd, TRACE_ARG_STRUCT, FIELDS(__VA_ARGS__)}
#define PLAIN(kind, cmd, arg)	   {kind, cmd, #cmd, arg, NULL}
#define NAMED(kind, cmd, ...)	   {kind, cmd, #cmd, TRACE_ARG_NAME, FIELDS({"", 0, 4, TRACE_ENUM, __VA_ARGS__})}
#define NAMES(name)		   static const struct trace_name name[]
/* clang-format on */

/* ---- flags and types ---- */

NAMES(no_flags) = {{0}};
NAMES(map_flags) = {{IOMMU_IOAS_MAP_FIXED_IOVA, "FIXED_IOVA"},
		    {IOMMU_IOAS_MAP_WRITEABLE, "WRITEABLE"},
		    {IOMMU_IOAS_MAP_READABLE, "READABLE"},
		    {0}};
NAMES(options) = {
	{IOMMU_OPTION_RLIMIT_MODE, "RLIMIT_MODE"}, {IOMMU_OPTION_HUGE_PAGES, "HUGE_PAGES"}, {0}};
NAMES(option_ops) = {{IOMMU_OPTION_OP_SET, "SET"}, {IOMMU_OPTION_OP_GET, "GET"}, {0}};
NAMES(vfio_ioas_ops) = {{IOMMU_VFIO_IOAS_GET, "GET"},
			{IOMMU_VFIO_IOAS_SET, "SET"},
			{IOMMU_VFIO_IOAS_CLEAR, "CLEAR"},
			{0}};
NAMES(hwpt_flags) = {{IOMMU_HWPT_ALLOC_NEST_PARENT, "NEST_PARENT"},
		     {IOMMU_HWPT_ALLOC_DIRTY_TRACKING, "DIRTY_TRACKING"},
		     {IOMMU_HWPT_FAULT_ID_VALID, "FAULT_ID_VALID"},
		     {IOMMU_HWPT_ALLOC_PASID, "PASID"},
		     {0}};
NAMES(hwpt_types) = {{IOMMU_HWPT_DATA_NONE, "NONE"},
		     {IOMMU_HWPT_DATA_VTD_S1, "VTD_S1"},
		     {IOMMU_HWPT_DATA_ARM_SMMUV3, "ARM_SMMUV3"},
		     {IOMMU_HWPT_DATA_AMD_GUEST, "AMD_GUEST"},
		     {IOMMU_HWPT_DATA_IOAS_VTD, "IOAS_VTD"},
		     {IOMMU_HWPT_DATA_IOAS_SMMUV3, "IOAS_SMMUV3"},
		     {IOMMU_HWPT_DATA_IOAS_AMD, "IOAS_AMD"},
		     {0}};
NAMES(hw_info_flags) = {{IOMMU_HW_INFO_FLAG_INPUT_TYPE, "INPUT_TYPE"}, {0}};
NAMES(hw_info_types) = {{IOMMU_HW_INFO_TYPE_DEFAULT, "DEFAULT"},
			{IOMMU_HW_INFO_TYPE_INTEL_VTD, "INTEL_VTD"},
			{IOMMU_HW_INFO_TYPE_ARM_SMMUV3, "ARM_SMMUV3"},
			{IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
			{IOMMU_HW_INFO_TYPE_AMD, "AMD"},
			{0}};
NAMES(hw_caps) = {{IOMMU_HW_CAP_DIRTY_TRACKING, "DIRTY_TRACKING"},
		  {IOMMU_HW_CAP_PCI_PASID_EXEC, "PASID_EXEC"},
		  {IOMMU_HW_CAP_PCI_PASID_PRIV, "PASID_PRIV"},
		  {IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, "ATS_NOT_SUPPORTED"},
		  {0}};
NAMES(tracking_flags) = {{IOMMU_HWPT_DIRTY_TRACKING_ENABLE, "ENABLE"}, {0}};
NAMES(bitmap_flags) = {{IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, "NO_CLEAR"}, {0}};
NAMES(invalidate_types) = {{IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, "VTD_S1"},
			   {IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, "ARM_SMMUV3"},
			   {IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_VTD, "IOAS_VTD"},
			   {IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_AMD, "IOAS_AMD"},
			   {0}};
NAMES(viommu_types) = {{IOMMU_VIOMMU_TYPE_DEFAULT, "DEFAULT"},
		       {IOMMU_VIOMMU_TYPE_ARM_SMMUV3, "ARM_SMMUV3"},
		       {IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
		       {IOMMU_VIOMMU_TYPE_IOAS_VTD, "IOAS_VTD"},
		       {IOMMU_VIOMMU_TYPE_IOAS_SMMUV3, "IOAS_SMMUV3"},
		       {IOMMU_VIOMMU_TYPE_IOAS_AMD, "IOAS_AMD"},
		       {0}};
NAMES(hw_queue_types) = {{IOMMU_HW_QUEUE_TYPE_DEFAULT, "DEFAULT"},
			 {IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
			 {IOMMU_HW_QUEUE_TYPE_IOAS_VTD, "IOAS_VTD"},
			 {IOMMU_HW_QUEUE_TYPE_IOAS_SMMUV3, "IOAS_SMMUV3"},
			 {IOMMU_HW_QUEUE_TYPE_IOAS_AMD, "IOAS_AMD"},
			 {0}};
NAMES(mock_ops) = {{IOMMU_TEST_OP_ADD_RESERVED, "ADD_RESERVED"},
		   {IOMMU_TEST_OP_MOCK_DOMAIN, "MOCK_DOMAIN"},
		   {IOMMU_TEST_OP_MD_CHECK_MAP, "MD_CHECK_MAP"},
		   {IOMMU_TEST_OP_MD_CHECK_REFS, "MD_CHECK_REFS"},
		   {IOMMU_TEST_OP_CREATE_ACCESS, "CREATE_ACCESS"},
		   {IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, "DESTROY_ACCESS_PAGES"},
		   {IOMMU_TEST_OP_ACCESS_PAGES, "ACCESS_PAGES"},
		   {IOMMU_TEST_OP_ACCESS_RW, "ACCESS_RW"},
		   {IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, "SET_TEMP_MEMORY_LIMIT"},
		   {IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, "MOCK_DOMAIN_REPLACE"},
		   {IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, "ACCESS_REPLACE_IOAS"},
		   {IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, "MOCK_DOMAIN_FLAGS"},
		   {IOMMU_TEST_OP_DIRTY, "DIRTY"},
		   {IOMMU_TEST_OP_MD_CHECK_IOTLB, "MD_CHECK_IOTLB"},
		   {IOMMU_TEST_OP_TRIGGER_IOPF, "TRIGGER_IOPF"},
		   {IOMMU_TEST_OP_DEV_CHECK_CACHE, "DEV_CHECK_CACHE"},
		   {IOMMU_TEST_OP_TRIGGER_VEVENT, "TRIGGER_VEVENT"},
		   {IOMMU_TEST_OP_PASID_ATTACH, "PASID_ATTACH"},
		   {IOMMU_TEST_OP_PASID_REPLACE, "PASID_REPLACE"},
		   {IOMMU_TEST_OP_PASID_DETACH, "PASID_DETACH"},
		   {IOMMU_TEST_OP_PASID_CHECK_HWPT, "PASID_CHECK_HWPT"},
		   {IOMMU_TEST_OP_DMABUF_GET, "DMABUF_GET"},
		   {IOMMU_TEST_OP_DMABUF_REVOKE, "DMABUF_REVOKE"},
		   {0}};

NAMES(iommus) = {{VFIO_TYPE1_IOMMU, "VFIO_TYPE1_IOMMU"},
		 {VFIO_SPAPR_TCE_IOMMU, "VFIO_SPAPR_TCE_IOMMU"},
		 {VFIO_TYPE1v2_IOMMU, "VFIO_TYPE1v2_IOMMU"},
		 {VFIO_DMA_CC_IOMMU, "VFIO_DMA_CC_IOMMU"},
		 {VFIO_EEH, "VFIO_EEH"},
		 {VFIO_SPAPR_TCE_v2_IOMMU, "VFIO_SPAPR_TCE_v2_IOMMU"},
		 {VFIO_NOIOMMU_IOMMU, "VFIO_NOIOMMU_IOMMU"},
		 {VFIO_UNMAP_ALL, "VFIO_UNMAP_ALL"},
		 {VFIO_UPDATE_VADDR, "VFIO_UPDATE_VADDR"},
		 {0}};
NAMES(type1_info_flags) = {
	{VFIO_IOMMU_INFO_PGSIZES, "PGSIZES"}, {VFIO_IOMMU_INFO_CAPS, "CAPS"}, {0}};
NAMES(dma_map_flags) = {{VFIO_DMA_MAP_FLAG_READ, "READ"},
			{VFIO_DMA_MAP_FLAG_WRITE, "WRITE"},
			{VFIO_DMA_MAP_FLAG_VADDR, "VADDR"},
			{0}};
NAMES(dma_unmap_flags) = {{VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, "GET_DIRTY_BITMAP"},
			  {VFIO_DMA_UNMAP_FLAG_ALL, "ALL"},
			  {VFIO_DMA_UNMAP_FLAG_VADDR, "VADDR"},
			  {0}};
NAMES(dirty_pages_flags) = {{VFIO_IOMMU_DIRTY_PAGES_FLAG_START, "START"},
			    {VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, "STOP"},
			    {VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, "GET_BITMAP"},
			    {0}};
NAMES(sanitize_flags) = {{IOMMU_SANITIZE_NOT_MEANT, "NOT_MEANT"}, {0}};
NAMES(group_flags) = {{VFIO_GROUP_FLAGS_VIABLE, "VIABLE"},
		      {VFIO_GROUP_FLAGS_CONTAINER_SET, "CONTAINER_SET"},
		      {0}};
NAMES(device_flags) = {{VFIO_DEVICE_FLAGS_RESET, "RESET"},
		       {VFIO_DEVICE_FLAGS_PCI, "PCI"},
		       {VFIO_DEVICE_FLAGS_CAPS, "CAPS"},
		       {0}};
NAMES(region_flags) = {{VFIO_REGION_INFO_FLAG_READ, "READ"},
		       {VFIO_REGION_INFO_FLAG_WRITE, "WRITE"},
		       {VFIO_REGION_INFO_FLAG_MMAP, "MMAP"},
		       {VFIO_REGION_INFO_FLAG_CAPS, "CAPS"},
		       {0}};
NAMES(regions) = {{0, "BAR0"}, {1, "BAR1"}, {2, "BAR2"},   {3, "BAR3"}, {4, "BAR4"},
		  {5, "BAR5"}, {6, "ROM"},  {7, "CONFIG"}, {8, "VGA"},	{0}};
NAMES(irq_info_flags) = {{VFIO_IRQ_INFO_EVENTFD, "EVENTFD"},
			 {VFIO_IRQ_INFO_MASKABLE, "MASKABLE"},
			 {VFIO_IRQ_INFO_AUTOMASKED, "AUTOMASKED"},
			 {VFIO_IRQ_INFO_NORESIZE, "NORESIZE"},
			 {0}};
NAMES(irqs) = {{0, "INTX"}, {1, "MSI"}, {2, "MSIX"}, {3, "ERR"}, {4, "REQ"}, {0}};
NAMES(irq_set_flags) = {{VFIO_IRQ_SET_DATA_NONE, "DATA_NONE"},
			{VFIO_IRQ_SET_DATA_BOOL, "DATA_BOOL"},
			{VFIO_IRQ_SET_DATA_EVENTFD, "DATA_EVENTFD"},
			{VFIO_IRQ_SET_ACTION_MASK, "ACTION_MASK"},
			{VFIO_IRQ_SET_ACTION_UNMASK, "ACTION_UNMASK"},
			{VFIO_IRQ_SET_ACTION_TRIGGER, "ACTION_TRIGGER"},
			{0}};
NAMES(hot_reset_flags) = {{VFIO_PCI_HOT_RESET_FLAG_DEV_ID, "DEV_ID"},
			  {VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED, "DEV_ID_OWNED"},
			  {0}};
NAMES(ioeventfd_flags) = {{VFIO_DEVICE_IOEVENTFD_8, "8"},
			  {VFIO_DEVICE_IOEVENTFD_16, "16"},
			  {VFIO_DEVICE_IOEVENTFD_32, "32"},
			  {VFIO_DEVICE_IOEVENTFD_64, "64"},
			  {0}};
/* Behind them the number of the feature is left. */
NAMES(feature_flags) = {{VFIO_DEVICE_FEATURE_GET, "GET"},
			{VFIO_DEVICE_FEATURE_SET, "SET"},
			{VFIO_DEVICE_FEATURE_PROBE, "PROBE"},
			{0}};
NAMES(bind_flags) = {{VFIO_DEVICE_BIND_FLAG_TOKEN, "TOKEN"}, {0}};
NAMES(attach_flags) = {{VFIO_DEVICE_ATTACH_PASID, "PASID"}, {0}};

/* ---- commands ---- */

static const struct trace_command iommufd_commands[] = {
	STRUCT(ABI_IOMMUFD, IOMMU_DESTROY, DEC(iommu_destroy, size), DEC(iommu_destroy, id)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_ALLOC, DEC(iommu_ioas_alloc, size),
	       FLAGS(iommu_ioas_alloc, flags, no_flags), DEC(iommu_ioas_alloc, out_ioas_id)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_ALLOW_IOVAS, DEC(iommu_ioas_allow_iovas, size),
	       DEC(iommu_ioas_allow_iovas, ioas_id), DEC(iommu_ioas_allow_iovas, num_iovas),
	       HEX(iommu_ioas_allow_iovas, __reserved), HEX(iommu_ioas_allow_iovas, allowed_iovas)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_COPY, DEC(iommu_ioas_copy, size),
	       FLAGS(iommu_ioas_copy, flags, map_flags), DEC(iommu_ioas_copy, dst_ioas_id),
	       DEC(iommu_ioas_copy, src_ioas_id), HEX(iommu_ioas_copy, length),
	       HEX(iommu_ioas_copy, dst_iova), HEX(iommu_ioas_copy, src_iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_IOVA_RANGES, DEC(iommu_ioas_iova_ranges, size),
	       DEC(iommu_ioas_iova_ranges, ioas_id), DEC(iommu_ioas_iova_ranges, num_iovas),
	       HEX(iommu_ioas_iova_ranges, __reserved), HEX(iommu_ioas_iova_ranges, allowed_iovas),
	       HEX(iommu_ioas_iova_ranges, out_iova_alignment)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_MAP, DEC(iommu_ioas_map, size),
	       FLAGS(iommu_ioas_map, flags, map_flags), DEC(iommu_ioas_map, ioas_id),
	       HEX(iommu_ioas_map, __reserved), HEX(iommu_ioas_map, user_va),
	       HEX(iommu_ioas_map, length), HEX(iommu_ioas_map, iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_UNMAP, DEC(iommu_ioas_unmap, size),
	       DEC(iommu_ioas_unmap, ioas_id), HEX(iommu_ioas_unmap, iova),
	       HEX(iommu_ioas_unmap, length)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_MAP_FILE, DEC(iommu_ioas_map_file, size),
	       FLAGS(iommu_ioas_map_file, flags, map_flags), DEC(iommu_ioas_map_file, ioas_id),
	       SIGNED(iommu_ioas_map_file, fd), HEX(iommu_ioas_map_file, start),
	       HEX(iommu_ioas_map_file, length), HEX(iommu_ioas_map_file, iova)),
	STRUCT(ABI_IOMMUFD, IOMMU_OPTION, DEC(iommu_option, size),
	       ENUM(iommu_option, option_id, options), ENUM(iommu_option, op, option_ops),
	       HEX(iommu_option, __reserved), DEC(iommu_option, object_id),
	       HEX(iommu_option, val64)),
	STRUCT(ABI_IOMMUFD, IOMMU_VFIO_IOAS, DEC(iommu_vfio_ioas, size),
	       DEC(iommu_vfio_ioas, ioas_id), ENUM(iommu_vfio_ioas, op, vfio_ioas_ops),
	       HEX(iommu_vfio_ioas, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_ALLOC, DEC(iommu_hwpt_alloc, size),
	       FLAGS(iommu_hwpt_alloc, flags, hwpt_flags), DEC(iommu_hwpt_alloc, dev_id),
	       DEC(iommu_hwpt_alloc, pt_id), DEC(iommu_hwpt_alloc, out_hwpt_id),
	       HEX(iommu_hwpt_alloc, __reserved), ENUM(iommu_hwpt_alloc, data_type, hwpt_types),
	       DEC(iommu_hwpt_alloc, data_len), HEX(iommu_hwpt_alloc, data_uptr),
	       DEC(iommu_hwpt_alloc, fault_id), HEX(iommu_hwpt_alloc, __reserved2)),
	STRUCT(ABI_IOMMUFD, IOMMU_GET_HW_INFO, DEC(iommu_hw_info, size),
	       FLAGS(iommu_hw_info, flags, hw_info_flags), DEC(iommu_hw_info, dev_id),
	       DEC(iommu_hw_info, data_len), HEX(iommu_hw_info, data_uptr),
	       ENUM(iommu_hw_info, out_data_type, hw_info_types),
	       DEC(iommu_hw_info, out_max_pasid_log2), HEX(iommu_hw_info, __reserved),
	       FLAGS(iommu_hw_info, out_capabilities, hw_caps)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_SET_DIRTY_TRACKING, DEC(iommu_hwpt_set_dirty_tracking, size),
	       FLAGS(iommu_hwpt_set_dirty_tracking, flags, tracking_flags),
	       DEC(iommu_hwpt_set_dirty_tracking, hwpt_id),
	       HEX(iommu_hwpt_set_dirty_tracking, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_GET_DIRTY_BITMAP, DEC(iommu_hwpt_get_dirty_bitmap, size),
	       DEC(iommu_hwpt_get_dirty_bitmap, hwpt_id),
	       FLAGS(iommu_hwpt_get_dirty_bitmap, flags, bitmap_flags),
	       HEX(iommu_hwpt_get_dirty_bitmap, __reserved), HEX(iommu_hwpt_get_dirty_bitmap, iova),
	       HEX(iommu_hwpt_get_dirty_bitmap, length),
	       HEX(iommu_hwpt_get_dirty_bitmap, page_size), HEX(iommu_hwpt_get_dirty_bitmap, data)),
	STRUCT(ABI_IOMMUFD, IOMMU_HWPT_INVALIDATE, DEC(iommu_hwpt_invalidate, size),
	       DEC(iommu_hwpt_invalidate, hwpt_id), HEX(iommu_hwpt_invalidate, data_uptr),
	       ENUM(iommu_hwpt_invalidate, data_type, invalidate_types),
	       DEC(iommu_hwpt_invalidate, entry_len), DEC(iommu_hwpt_invalidate, entry_num),
	       HEX(iommu_hwpt_invalidate, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_CHANGE_PROCESS, DEC(iommu_ioas_change_process, size),
	       HEX(iommu_ioas_change_process, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_FAULT_QUEUE_ALLOC, DEC(iommu_fault_alloc, size),
	       FLAGS(iommu_fault_alloc, flags, no_flags), DEC(iommu_fault_alloc, out_fault_id),
	       SIGNED(iommu_fault_alloc, out_fault_fd)),
	STRUCT(ABI_IOMMUFD, IOMMU_VIOMMU_ALLOC, DEC(iommu_viommu_alloc, size),
	       FLAGS(iommu_viommu_alloc, flags, no_flags),
	       ENUM(iommu_viommu_alloc, type, viommu_types), DEC(iommu_viommu_alloc, dev_id),
	       DEC(iommu_viommu_alloc, hwpt_id), DEC(iommu_viommu_alloc, out_viommu_id),
	       DEC(iommu_viommu_alloc, data_len), HEX(iommu_viommu_alloc, __reserved),
	       HEX(iommu_viommu_alloc, data_uptr)),
	STRUCT(ABI_IOMMUFD, IOMMU_VDEVICE_ALLOC, DEC(iommu_vdevice_alloc, size),
	       DEC(iommu_vdevice_alloc, viommu_id), DEC(iommu_vdevice_alloc, dev_id),
	       DEC(iommu_vdevice_alloc, out_vdevice_id), HEX(iommu_vdevice_alloc, virt_id)),
	STRUCT(ABI_IOMMUFD, IOMMU_VEVENTQ_ALLOC, DEC(iommu_veventq_alloc, size),
	       FLAGS(iommu_veventq_alloc, flags, no_flags), DEC(iommu_veventq_alloc, viommu_id),
	       ENUM(iommu_veventq_alloc, type, viommu_types),
	       DEC(iommu_veventq_alloc, veventq_depth), DEC(iommu_veventq_alloc, out_veventq_id),
	       SIGNED(iommu_veventq_alloc, out_veventq_fd), HEX(iommu_veventq_alloc, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_HW_QUEUE_ALLOC, DEC(iommu_hw_queue_alloc, size),
	       FLAGS(iommu_hw_queue_alloc, flags, no_flags), DEC(iommu_hw_queue_alloc, viommu_id),
	       ENUM(iommu_hw_queue_alloc, type, hw_queue_types), DEC(iommu_hw_queue_alloc, index),
	       DEC(iommu_hw_queue_alloc, out_hw_queue_id),
	       HEX(iommu_hw_queue_alloc, nesting_parent_iova), HEX(iommu_hw_queue_alloc, length)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_NOIOMMU_GET_PA, DEC(iommu_ioas_noiommu_get_pa, size),
	       FLAGS(iommu_ioas_noiommu_get_pa, flags, no_flags),
	       DEC(iommu_ioas_noiommu_get_pa, ioas_id), HEX(iommu_ioas_noiommu_get_pa, __reserved),
	       HEX(iommu_ioas_noiommu_get_pa, iova), HEX(iommu_ioas_noiommu_get_pa, length),
	       HEX(iommu_ioas_noiommu_get_pa, out_phys)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_MAP_ARRAY, DEC(iommu_ioas_array, size),
	       FLAGS(iommu_ioas_array, flags, map_flags), DEC(iommu_ioas_array, ioas_id),
	       DEC(iommu_ioas_array, count), HEX(iommu_ioas_array, ranges),
	       DEC(iommu_ioas_array, done), HEX(iommu_ioas_array, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_IOAS_UNMAP_ARRAY, DEC(iommu_ioas_array, size),
	       FLAGS(iommu_ioas_array, flags, no_flags), DEC(iommu_ioas_array, ioas_id),
	       DEC(iommu_ioas_array, count), HEX(iommu_ioas_array, ranges),
	       DEC(iommu_ioas_array, done), HEX(iommu_ioas_array, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_TEST_CMD, DEC(iommu_test_cmd, size),
	       ENUM(iommu_test_cmd, op, mock_ops), DEC(iommu_test_cmd, id),
	       HEX(iommu_test_cmd, __reserved)),
	STRUCT(ABI_IOMMUFD, IOMMU_HW_QUEUE_KICK, DEC(iommu_hw_queue_kick, size),
	       FLAGS(iommu_hw_queue_kick, flags, no_flags), DEC(iommu_hw_queue_kick, hw_queue_id),
	       HEX(iommu_hw_queue_kick, __reserved)),
};

static const struct trace_command container_commands[] = {
	PLAIN(ABI_CONTAINER, VFIO_GET_API_VERSION, TRACE_ARG_NONE),
	NAMED(ABI_CONTAINER, VFIO_CHECK_EXTENSION, iommus),
	NAMED(ABI_CONTAINER, VFIO_SET_IOMMU, iommus),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_GET_INFO, DEC(vfio_iommu_type1_info, argsz),
	       FLAGS(vfio_iommu_type1_info, flags, type1_info_flags),
	       HEX(vfio_iommu_type1_info, iova_pgsizes)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_MAP_DMA, DEC(vfio_iommu_type1_dma_map, argsz),
	       FLAGS(vfio_iommu_type1_dma_map, flags, dma_map_flags),
	       HEX(vfio_iommu_type1_dma_map, vaddr), HEX(vfio_iommu_type1_dma_map, iova),
	       HEX(vfio_iommu_type1_dma_map, size)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_UNMAP_DMA, DEC(vfio_iommu_type1_dma_unmap, argsz),
	       FLAGS(vfio_iommu_type1_dma_unmap, flags, dma_unmap_flags),
	       HEX(vfio_iommu_type1_dma_unmap, iova), HEX(vfio_iommu_type1_dma_unmap, size)),
	STRUCT(ABI_CONTAINER, VFIO_IOMMU_DIRTY_PAGES, DEC(vfio_iommu_type1_dirty_bitmap, argsz),
	       FLAGS(vfio_iommu_type1_dirty_bitmap, flags, dirty_pages_flags)),
	STRUCT(ABI_CONTAINER, IOMMU_SANITIZE, DEC(iommu_sanitize, size),
	       FLAGS(iommu_sanitize, flags, sanitize_flags), DEC(iommu_sanitize, ioas_id),
	       HEX(iommu_sanitize, __reserved), HEX(iommu_sanitize, iova),
	       HEX(iommu_sanitize, length)),
	PLAIN(ABI_CONTAINER, VFIO_IOMMU_ENABLE, TRACE_ARG_NONE),
	PLAIN(ABI_CONTAINER, VFIO_IOMMU_DISABLE, TRACE_ARG_NONE),
};

static const struct trace_command group_commands[] = {
	STRUCT(ABI_GROUP, VFIO_GROUP_GET_STATUS, DEC(vfio_group_status, argsz),
	       FLAGS(vfio_group_status, flags, group_flags)),
	PLAIN(ABI_GROUP, VFIO_GROUP_SET_CONTAINER, TRACE_ARG_FD),
	PLAIN(ABI_GROUP, VFIO_GROUP_UNSET_CONTAINER, TRACE_ARG_NONE),
	PLAIN(ABI_GROUP, VFIO_GROUP_GET_DEVICE_FD, TRACE_ARG_STRING),
};

static const struct trace_command device_commands[] = {
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_INFO, DEC(vfio_device_info, argsz),
	       FLAGS(vfio_device_info, flags, device_flags), DEC(vfio_device_info, num_regions),
	       DEC(vfio_device_info, num_irqs)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_REGION_INFO, DEC(vfio_region_info, argsz),
	       FLAGS(vfio_region_info, flags, region_flags), ENUM(vfio_region_info, index, regions),
	       DEC(vfio_region_info, cap_offset), HEX(vfio_region_info, size),
	       HEX(vfio_region_info, offset)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_IRQ_INFO, DEC(vfio_irq_info, argsz),
	       FLAGS(vfio_irq_info, flags, irq_info_flags), ENUM(vfio_irq_info, index, irqs),
	       DEC(vfio_irq_info, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_SET_IRQS, DEC(vfio_irq_set, argsz),
	       FLAGS(vfio_irq_set, flags, irq_set_flags), ENUM(vfio_irq_set, index, irqs),
	       DEC(vfio_irq_set, start), DEC(vfio_irq_set, count)),
	PLAIN(ABI_DEVICE, VFIO_DEVICE_RESET, TRACE_ARG_NONE),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, DEC(vfio_pci_hot_reset_info, argsz),
	       FLAGS(vfio_pci_hot_reset_info, flags, hot_reset_flags),
	       DEC(vfio_pci_hot_reset_info, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_PCI_HOT_RESET, DEC(vfio_pci_hot_reset, argsz),
	       FLAGS(vfio_pci_hot_reset, flags, no_flags), DEC(vfio_pci_hot_reset, count)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_IOEVENTFD, DEC(vfio_device_ioeventfd, argsz),
	       FLAGS(vfio_device_ioeventfd, flags, ioeventfd_flags),
	       HEX(vfio_device_ioeventfd, offset), HEX(vfio_device_ioeventfd, data),
	       SIGNED(vfio_device_ioeventfd, fd)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_FEATURE, DEC(vfio_device_feature, argsz),
	       FLAGS(vfio_device_feature, flags, feature_flags)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_BIND_IOMMUFD, DEC(vfio_device_bind_iommufd, argsz),
	       FLAGS(vfio_device_bind_iommufd, flags, bind_flags),
	       SIGNED(vfio_device_bind_iommufd, iommufd), DEC(vfio_device_bind_iommufd, out_devid),
	       HEX(vfio_device_bind_iommufd, token_uuid_ptr)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_ATTACH_IOMMUFD_PT, DEC(vfio_device_attach_iommufd_pt, argsz),
	       FLAGS(vfio_device_attach_iommufd_pt, flags, attach_flags),
	       DEC(vfio_device_attach_iommufd_pt, pt_id),
	       DEC(vfio_device_attach_iommufd_pt, pasid)),
	STRUCT(ABI_DEVICE, VFIO_DEVICE_DETACH_IOMMUFD_PT, DEC(vfio_device_detach_iommufd_pt, argsz),
	       FLAGS(vfio_device_detach_iommufd_pt, flags, attach_flags),
	       DEC(vfio_device_detach_iommufd_pt, pasid)),
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

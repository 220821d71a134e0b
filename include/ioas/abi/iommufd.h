/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ABI of /dev/iommu (iommufd): command numbers, structures and constants as Linux 7.3 has them.
 *
 * Names, numbers and layouts are the kernel's, so a program compiles against this file or against
 * <linux/iommufd.h> unchanged; the field types are the kernel's too (__u64 is an unsigned long
 * long), so that its format strings fit both. Of the two headers the one included first counts: if
 * the kernel's came first this one defines nothing, and this one sets the kernel's include guards,
 * as they stand in the kernel tree and as "make headers_install" writes them.
 *
 * In every structure `size` is sizeof(the structure) as the caller knows it; reserved fields are 0.
 * The static assertions at the end pin every size and offset.
 */
#ifndef IOAS_ABI_IOMMUFD_H
#define IOAS_ABI_IOMMUFD_H

#if !defined(_IOMMUFD_H) && !defined(_UAPI_IOMMUFD_H)
#define _IOMMUFD_H
#define _UAPI_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <stddef.h>

/* Commands. They carry no size and no direction: the word is just (type, number). */

#define IOMMUFD_TYPE (';')

enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

#define IOMMU_DESTROY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)
#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)
#define IOMMU_IOAS_ALLOW_IOVAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)
#define IOMMU_IOAS_COPY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)
#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)
#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)
#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)
#define IOMMU_OPTION _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)
#define IOMMU_VFIO_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)
#define IOMMU_HWPT_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)
#define IOMMU_GET_HW_INFO _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)
#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)
#define IOMMU_HWPT_GET_DIRTY_BITMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)
#define IOMMU_HWPT_INVALIDATE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)
#define IOMMU_FAULT_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)
#define IOMMU_IOAS_MAP_FILE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_FILE)
#define IOMMU_VIOMMU_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VIOMMU_ALLOC)
#define IOMMU_VDEVICE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VDEVICE_ALLOC)
#define IOMMU_IOAS_CHANGE_PROCESS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHANGE_PROCESS)
#define IOMMU_VEVENTQ_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VEVENTQ_ALLOC)
#define IOMMU_HW_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_ALLOC)
#define IOMMU_IOAS_NOIOMMU_GET_PA _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA)

/* Objects of any type: one number space of ids for each open of /dev/iommu. */

struct iommu_destroy {
	__u32 size;
	__u32 id;
};

/* Address spaces (IOAS). */

struct iommu_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_ioas_id;
};

/* An inclusive range; arrays of it are what `allowed_iovas` points at. */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

struct iommu_ioas_iova_ranges {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
};

struct iommu_ioas_allow_iovas {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
};

enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1,
	IOMMU_IOAS_MAP_WRITEABLE = 2,
	IOMMU_IOAS_MAP_READABLE = 4,
};

/* `iova` is input with FIXED_IOVA, output without. MAP, MAP_FILE and COPY share the flags. */
struct iommu_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 user_va;
	__aligned_u64 length;
	__aligned_u64 iova;
};

struct iommu_ioas_map_file {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__s32 fd;
	__aligned_u64 start;
	__aligned_u64 length;
	__aligned_u64 iova;
};

struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};

/* `length` returns the number of bytes removed. */
struct iommu_ioas_unmap {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
	__aligned_u64 length;
};

struct iommu_ioas_noiommu_get_pa {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 out_phys;
};

struct iommu_ioas_change_process {
	__u32 size;
	__u32 __reserved;
};

enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

struct iommu_option {
	__u32 size;
	__u32 option_id;
	__u16 op;
	__u16 __reserved;
	__u32 object_id;
	__aligned_u64 val64;
};

enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

struct iommu_vfio_ioas {
	__u32 size;
	__u32 ioas_id;
	__u16 op;
	__u16 __reserved;
};

/* Hardware page tables (HWPT). */

enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 2,
	IOMMU_HWPT_FAULT_ID_VALID = 4,
	IOMMU_HWPT_ALLOC_PASID = 8,
};

enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

struct iommu_hwpt_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 pt_id;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__u32 data_type;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 fault_id;
	__u32 __reserved2;
};

enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1,
	IOMMU_VTD_S1_EAFE = 2,
	IOMMU_VTD_S1_WPE = 4,
};

struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;
	__aligned_u64 pgtbl_addr;
	__u32 addr_width;
	__u32 __reserved;
};

/* The first two words of a stream table entry, little-endian. */
struct iommu_hwpt_arm_smmuv3 {
	__aligned_le64 ste[2];
};

/* A guest's device table entry. */
struct iommu_hwpt_amd_guest {
	__aligned_u64 dte[4];
};

enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 2,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 4,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 8,
};

enum iommufd_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1,
};

struct iommu_hw_info {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 data_len;
	__aligned_u64 data_uptr;
	union {
		__u32 in_data_type;
		__u32 out_data_type;
	};
	__u8 out_max_pasid_log2;
	__u8 __reserved[3];
	__aligned_u64 out_capabilities;
};

enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1,
};

struct iommu_hw_info_vtd {
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
};

enum iommu_hw_info_arm_smmuv3_flags {
	IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1,
};

struct iommu_hw_info_arm_smmuv3 {
	__u32 flags;
	__u32 __reserved;
	__u32 idr[6];
	__u32 iidr;
	__u32 aidr;
};

struct iommu_hw_info_tegra241_cmdqv {
	__u32 flags;
	__u8 version;
	__u8 log2vcmdqs;
	__u8 log2vsids;
	__u8 __reserved;
};

struct iommu_hw_info_amd {
	__aligned_u64 efr;
	__aligned_u64 efr2;
};

enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

struct iommu_hwpt_set_dirty_tracking {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
};

enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;
	__u32 hwpt_id;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};

enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

/* `entry_num` returns the number of entries handled. `hwpt_id` may name a vIOMMU. */
struct iommu_hwpt_invalidate {
	__u32 size;
	__u32 hwpt_id;
	__aligned_u64 data_uptr;
	__u32 data_type;
	__u32 entry_len;
	__u32 entry_num;
	__u32 __reserved;
};

enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1,
};

struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;
	__aligned_u64 npages;
	__u32 flags;
	__u32 __reserved;
};

/* One command of the SMMUv3's queue, little-endian. */
struct iommu_viommu_arm_smmuv3_invalidate {
	__aligned_le64 cmd[2];
};

/* Fault queues: records are read from the queue's file and answers are written to it. */

struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};

enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1,
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 2,
};

enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1,
	IOMMU_PGFAULT_PERM_WRITE = 2,
	IOMMU_PGFAULT_PERM_EXEC = 4,
	IOMMU_PGFAULT_PERM_PRIV = 8,
};

struct iommu_hwpt_pgfault {
	__u32 flags;
	__u32 dev_id;
	__u32 pasid;
	__u32 grpid;
	__u32 perm;
	__u32 __reserved;
	__aligned_u64 addr;
	__u32 length;
	__u32 cookie;
};

enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

struct iommu_hwpt_page_response {
	__u32 cookie;
	__u32 code;
};

/* Virtual IOMMUs, their devices, event queues and hardware queues. */

enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

struct iommu_viommu_alloc {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 dev_id;
	__u32 hwpt_id;
	__u32 out_viommu_id;
	__u32 data_len;
	__u32 __reserved;
	__aligned_u64 data_uptr;
};

struct iommu_viommu_tegra241_cmdqv {
	__aligned_u64 out_vintf_mmap_offset;
	__aligned_u64 out_vintf_mmap_length;
};

struct iommu_vdevice_alloc {
	__u32 size;
	__u32 viommu_id;
	__u32 dev_id;
	__u32 out_vdevice_id;
	__aligned_u64 virt_id;
};

enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

struct iommu_veventq_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 veventq_depth;
	__u32 out_veventq_id;
	__u32 out_veventq_fd;
	__u32 __reserved;
};

enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1u,
};

/* Stands before each event that is read from the queue's file; alone where events were lost. */
struct iommufd_vevent_header {
	__u32 flags;
	__u32 sequence;
};

struct iommu_vevent_arm_smmuv3 {
	__aligned_le64 evt[4];
};

struct iommu_vevent_tegra241_cmdqv {
	__aligned_le64 lvcmdq_err_map[2];
};

enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

struct iommu_hw_queue_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 index;
	__u32 out_hw_queue_id;
	__aligned_u64 nesting_parent_iova;
	__aligned_u64 length;
};

#ifdef __cplusplus
#define IOAS_ABI_ASSERT(expr) static_assert(expr, #expr)
#else
#define IOAS_ABI_ASSERT(expr) _Static_assert(expr, #expr)
#endif
#define IOAS_ABI_SIZE(type, bytes) IOAS_ABI_ASSERT(sizeof(struct type) == (bytes))
#define IOAS_ABI_AT(type, field, at) IOAS_ABI_ASSERT(offsetof(struct type, field) == (at))

IOAS_ABI_SIZE(iommu_destroy, 8);
IOAS_ABI_AT(iommu_destroy, size, 0);
IOAS_ABI_AT(iommu_destroy, id, 4);

IOAS_ABI_SIZE(iommu_ioas_alloc, 12);
IOAS_ABI_AT(iommu_ioas_alloc, size, 0);
IOAS_ABI_AT(iommu_ioas_alloc, flags, 4);
IOAS_ABI_AT(iommu_ioas_alloc, out_ioas_id, 8);

IOAS_ABI_SIZE(iommu_iova_range, 16);
IOAS_ABI_AT(iommu_iova_range, start, 0);
IOAS_ABI_AT(iommu_iova_range, last, 8);

IOAS_ABI_SIZE(iommu_ioas_iova_ranges, 32);
IOAS_ABI_AT(iommu_ioas_iova_ranges, size, 0);
IOAS_ABI_AT(iommu_ioas_iova_ranges, ioas_id, 4);
IOAS_ABI_AT(iommu_ioas_iova_ranges, num_iovas, 8);
IOAS_ABI_AT(iommu_ioas_iova_ranges, __reserved, 12);
IOAS_ABI_AT(iommu_ioas_iova_ranges, allowed_iovas, 16);
IOAS_ABI_AT(iommu_ioas_iova_ranges, out_iova_alignment, 24);

IOAS_ABI_SIZE(iommu_ioas_allow_iovas, 24);
IOAS_ABI_AT(iommu_ioas_allow_iovas, size, 0);
IOAS_ABI_AT(iommu_ioas_allow_iovas, ioas_id, 4);
IOAS_ABI_AT(iommu_ioas_allow_iovas, num_iovas, 8);
IOAS_ABI_AT(iommu_ioas_allow_iovas, __reserved, 12);
IOAS_ABI_AT(iommu_ioas_allow_iovas, allowed_iovas, 16);

IOAS_ABI_SIZE(iommu_ioas_map, 40);
IOAS_ABI_AT(iommu_ioas_map, size, 0);
IOAS_ABI_AT(iommu_ioas_map, flags, 4);
IOAS_ABI_AT(iommu_ioas_map, ioas_id, 8);
IOAS_ABI_AT(iommu_ioas_map, __reserved, 12);
IOAS_ABI_AT(iommu_ioas_map, user_va, 16);
IOAS_ABI_AT(iommu_ioas_map, length, 24);
IOAS_ABI_AT(iommu_ioas_map, iova, 32);

IOAS_ABI_SIZE(iommu_ioas_noiommu_get_pa, 40);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, size, 0);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, flags, 4);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, ioas_id, 8);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, __reserved, 12);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, iova, 16);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, length, 24);
IOAS_ABI_AT(iommu_ioas_noiommu_get_pa, out_phys, 32);

IOAS_ABI_SIZE(iommu_ioas_map_file, 40);
IOAS_ABI_AT(iommu_ioas_map_file, size, 0);
IOAS_ABI_AT(iommu_ioas_map_file, flags, 4);
IOAS_ABI_AT(iommu_ioas_map_file, ioas_id, 8);
IOAS_ABI_AT(iommu_ioas_map_file, fd, 12);
IOAS_ABI_AT(iommu_ioas_map_file, start, 16);
IOAS_ABI_AT(iommu_ioas_map_file, length, 24);
IOAS_ABI_AT(iommu_ioas_map_file, iova, 32);

IOAS_ABI_SIZE(iommu_ioas_copy, 40);
IOAS_ABI_AT(iommu_ioas_copy, size, 0);
IOAS_ABI_AT(iommu_ioas_copy, flags, 4);
IOAS_ABI_AT(iommu_ioas_copy, dst_ioas_id, 8);
IOAS_ABI_AT(iommu_ioas_copy, src_ioas_id, 12);
IOAS_ABI_AT(iommu_ioas_copy, length, 16);
IOAS_ABI_AT(iommu_ioas_copy, dst_iova, 24);
IOAS_ABI_AT(iommu_ioas_copy, src_iova, 32);

IOAS_ABI_SIZE(iommu_ioas_unmap, 24);
IOAS_ABI_AT(iommu_ioas_unmap, size, 0);
IOAS_ABI_AT(iommu_ioas_unmap, ioas_id, 4);
IOAS_ABI_AT(iommu_ioas_unmap, iova, 8);
IOAS_ABI_AT(iommu_ioas_unmap, length, 16);

IOAS_ABI_SIZE(iommu_option, 24);
IOAS_ABI_AT(iommu_option, size, 0);
IOAS_ABI_AT(iommu_option, option_id, 4);
IOAS_ABI_AT(iommu_option, op, 8);
IOAS_ABI_AT(iommu_option, __reserved, 10);
IOAS_ABI_AT(iommu_option, object_id, 12);
IOAS_ABI_AT(iommu_option, val64, 16);

IOAS_ABI_SIZE(iommu_vfio_ioas, 12);
IOAS_ABI_AT(iommu_vfio_ioas, size, 0);
IOAS_ABI_AT(iommu_vfio_ioas, ioas_id, 4);
IOAS_ABI_AT(iommu_vfio_ioas, op, 8);
IOAS_ABI_AT(iommu_vfio_ioas, __reserved, 10);

IOAS_ABI_SIZE(iommu_hwpt_vtd_s1, 24);
IOAS_ABI_AT(iommu_hwpt_vtd_s1, flags, 0);
IOAS_ABI_AT(iommu_hwpt_vtd_s1, pgtbl_addr, 8);
IOAS_ABI_AT(iommu_hwpt_vtd_s1, addr_width, 16);
IOAS_ABI_AT(iommu_hwpt_vtd_s1, __reserved, 20);

IOAS_ABI_SIZE(iommu_hwpt_arm_smmuv3, 16);
IOAS_ABI_AT(iommu_hwpt_arm_smmuv3, ste, 0);

IOAS_ABI_SIZE(iommu_hwpt_amd_guest, 32);
IOAS_ABI_AT(iommu_hwpt_amd_guest, dte, 0);

IOAS_ABI_SIZE(iommu_hwpt_alloc, 48);
IOAS_ABI_AT(iommu_hwpt_alloc, size, 0);
IOAS_ABI_AT(iommu_hwpt_alloc, flags, 4);
IOAS_ABI_AT(iommu_hwpt_alloc, dev_id, 8);
IOAS_ABI_AT(iommu_hwpt_alloc, pt_id, 12);
IOAS_ABI_AT(iommu_hwpt_alloc, out_hwpt_id, 16);
IOAS_ABI_AT(iommu_hwpt_alloc, __reserved, 20);
IOAS_ABI_AT(iommu_hwpt_alloc, data_type, 24);
IOAS_ABI_AT(iommu_hwpt_alloc, data_len, 28);
IOAS_ABI_AT(iommu_hwpt_alloc, data_uptr, 32);
IOAS_ABI_AT(iommu_hwpt_alloc, fault_id, 40);
IOAS_ABI_AT(iommu_hwpt_alloc, __reserved2, 44);

IOAS_ABI_SIZE(iommu_hw_info_vtd, 24);
IOAS_ABI_AT(iommu_hw_info_vtd, flags, 0);
IOAS_ABI_AT(iommu_hw_info_vtd, __reserved, 4);
IOAS_ABI_AT(iommu_hw_info_vtd, cap_reg, 8);
IOAS_ABI_AT(iommu_hw_info_vtd, ecap_reg, 16);

IOAS_ABI_SIZE(iommu_hw_info_arm_smmuv3, 40);
IOAS_ABI_AT(iommu_hw_info_arm_smmuv3, flags, 0);
IOAS_ABI_AT(iommu_hw_info_arm_smmuv3, __reserved, 4);
IOAS_ABI_AT(iommu_hw_info_arm_smmuv3, idr, 8);
IOAS_ABI_AT(iommu_hw_info_arm_smmuv3, iidr, 32);
IOAS_ABI_AT(iommu_hw_info_arm_smmuv3, aidr, 36);

IOAS_ABI_SIZE(iommu_hw_info_tegra241_cmdqv, 8);
IOAS_ABI_AT(iommu_hw_info_tegra241_cmdqv, flags, 0);
IOAS_ABI_AT(iommu_hw_info_tegra241_cmdqv, version, 4);
IOAS_ABI_AT(iommu_hw_info_tegra241_cmdqv, log2vcmdqs, 5);
IOAS_ABI_AT(iommu_hw_info_tegra241_cmdqv, log2vsids, 6);
IOAS_ABI_AT(iommu_hw_info_tegra241_cmdqv, __reserved, 7);

IOAS_ABI_SIZE(iommu_hw_info_amd, 16);
IOAS_ABI_AT(iommu_hw_info_amd, efr, 0);
IOAS_ABI_AT(iommu_hw_info_amd, efr2, 8);

IOAS_ABI_SIZE(iommu_hw_info, 40);
IOAS_ABI_AT(iommu_hw_info, size, 0);
IOAS_ABI_AT(iommu_hw_info, flags, 4);
IOAS_ABI_AT(iommu_hw_info, dev_id, 8);
IOAS_ABI_AT(iommu_hw_info, data_len, 12);
IOAS_ABI_AT(iommu_hw_info, data_uptr, 16);
IOAS_ABI_AT(iommu_hw_info, in_data_type, 24);
IOAS_ABI_AT(iommu_hw_info, out_data_type, 24);
IOAS_ABI_AT(iommu_hw_info, out_max_pasid_log2, 28);
IOAS_ABI_AT(iommu_hw_info, __reserved, 29);
IOAS_ABI_AT(iommu_hw_info, out_capabilities, 32);

IOAS_ABI_SIZE(iommu_hwpt_set_dirty_tracking, 16);
IOAS_ABI_AT(iommu_hwpt_set_dirty_tracking, size, 0);
IOAS_ABI_AT(iommu_hwpt_set_dirty_tracking, flags, 4);
IOAS_ABI_AT(iommu_hwpt_set_dirty_tracking, hwpt_id, 8);
IOAS_ABI_AT(iommu_hwpt_set_dirty_tracking, __reserved, 12);

IOAS_ABI_SIZE(iommu_hwpt_get_dirty_bitmap, 48);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, size, 0);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, hwpt_id, 4);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, flags, 8);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, __reserved, 12);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, iova, 16);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, length, 24);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, page_size, 32);
IOAS_ABI_AT(iommu_hwpt_get_dirty_bitmap, data, 40);

IOAS_ABI_SIZE(iommu_hwpt_vtd_s1_invalidate, 24);
IOAS_ABI_AT(iommu_hwpt_vtd_s1_invalidate, addr, 0);
IOAS_ABI_AT(iommu_hwpt_vtd_s1_invalidate, npages, 8);
IOAS_ABI_AT(iommu_hwpt_vtd_s1_invalidate, flags, 16);
IOAS_ABI_AT(iommu_hwpt_vtd_s1_invalidate, __reserved, 20);

IOAS_ABI_SIZE(iommu_viommu_arm_smmuv3_invalidate, 16);
IOAS_ABI_AT(iommu_viommu_arm_smmuv3_invalidate, cmd, 0);

IOAS_ABI_SIZE(iommu_hwpt_invalidate, 32);
IOAS_ABI_AT(iommu_hwpt_invalidate, size, 0);
IOAS_ABI_AT(iommu_hwpt_invalidate, hwpt_id, 4);
IOAS_ABI_AT(iommu_hwpt_invalidate, data_uptr, 8);
IOAS_ABI_AT(iommu_hwpt_invalidate, data_type, 16);
IOAS_ABI_AT(iommu_hwpt_invalidate, entry_len, 20);
IOAS_ABI_AT(iommu_hwpt_invalidate, entry_num, 24);
IOAS_ABI_AT(iommu_hwpt_invalidate, __reserved, 28);

IOAS_ABI_SIZE(iommu_hwpt_pgfault, 40);
IOAS_ABI_AT(iommu_hwpt_pgfault, flags, 0);
IOAS_ABI_AT(iommu_hwpt_pgfault, dev_id, 4);
IOAS_ABI_AT(iommu_hwpt_pgfault, pasid, 8);
IOAS_ABI_AT(iommu_hwpt_pgfault, grpid, 12);
IOAS_ABI_AT(iommu_hwpt_pgfault, perm, 16);
IOAS_ABI_AT(iommu_hwpt_pgfault, __reserved, 20);
IOAS_ABI_AT(iommu_hwpt_pgfault, addr, 24);
IOAS_ABI_AT(iommu_hwpt_pgfault, length, 32);
IOAS_ABI_AT(iommu_hwpt_pgfault, cookie, 36);

IOAS_ABI_SIZE(iommu_hwpt_page_response, 8);
IOAS_ABI_AT(iommu_hwpt_page_response, cookie, 0);
IOAS_ABI_AT(iommu_hwpt_page_response, code, 4);

IOAS_ABI_SIZE(iommu_fault_alloc, 16);
IOAS_ABI_AT(iommu_fault_alloc, size, 0);
IOAS_ABI_AT(iommu_fault_alloc, flags, 4);
IOAS_ABI_AT(iommu_fault_alloc, out_fault_id, 8);
IOAS_ABI_AT(iommu_fault_alloc, out_fault_fd, 12);

IOAS_ABI_SIZE(iommu_viommu_tegra241_cmdqv, 16);
IOAS_ABI_AT(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_offset, 0);
IOAS_ABI_AT(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_length, 8);

IOAS_ABI_SIZE(iommu_viommu_alloc, 40);
IOAS_ABI_AT(iommu_viommu_alloc, size, 0);
IOAS_ABI_AT(iommu_viommu_alloc, flags, 4);
IOAS_ABI_AT(iommu_viommu_alloc, type, 8);
IOAS_ABI_AT(iommu_viommu_alloc, dev_id, 12);
IOAS_ABI_AT(iommu_viommu_alloc, hwpt_id, 16);
IOAS_ABI_AT(iommu_viommu_alloc, out_viommu_id, 20);
IOAS_ABI_AT(iommu_viommu_alloc, data_len, 24);
IOAS_ABI_AT(iommu_viommu_alloc, __reserved, 28);
IOAS_ABI_AT(iommu_viommu_alloc, data_uptr, 32);

IOAS_ABI_SIZE(iommu_vdevice_alloc, 24);
IOAS_ABI_AT(iommu_vdevice_alloc, size, 0);
IOAS_ABI_AT(iommu_vdevice_alloc, viommu_id, 4);
IOAS_ABI_AT(iommu_vdevice_alloc, dev_id, 8);
IOAS_ABI_AT(iommu_vdevice_alloc, out_vdevice_id, 12);
IOAS_ABI_AT(iommu_vdevice_alloc, virt_id, 16);

IOAS_ABI_SIZE(iommu_ioas_change_process, 8);
IOAS_ABI_AT(iommu_ioas_change_process, size, 0);
IOAS_ABI_AT(iommu_ioas_change_process, __reserved, 4);

IOAS_ABI_SIZE(iommufd_vevent_header, 8);
IOAS_ABI_AT(iommufd_vevent_header, flags, 0);
IOAS_ABI_AT(iommufd_vevent_header, sequence, 4);

IOAS_ABI_SIZE(iommu_vevent_arm_smmuv3, 32);
IOAS_ABI_AT(iommu_vevent_arm_smmuv3, evt, 0);

IOAS_ABI_SIZE(iommu_vevent_tegra241_cmdqv, 16);
IOAS_ABI_AT(iommu_vevent_tegra241_cmdqv, lvcmdq_err_map, 0);

IOAS_ABI_SIZE(iommu_veventq_alloc, 32);
IOAS_ABI_AT(iommu_veventq_alloc, size, 0);
IOAS_ABI_AT(iommu_veventq_alloc, flags, 4);
IOAS_ABI_AT(iommu_veventq_alloc, viommu_id, 8);
IOAS_ABI_AT(iommu_veventq_alloc, type, 12);
IOAS_ABI_AT(iommu_veventq_alloc, veventq_depth, 16);
IOAS_ABI_AT(iommu_veventq_alloc, out_veventq_id, 20);
IOAS_ABI_AT(iommu_veventq_alloc, out_veventq_fd, 24);
IOAS_ABI_AT(iommu_veventq_alloc, __reserved, 28);

IOAS_ABI_SIZE(iommu_hw_queue_alloc, 40);
IOAS_ABI_AT(iommu_hw_queue_alloc, size, 0);
IOAS_ABI_AT(iommu_hw_queue_alloc, flags, 4);
IOAS_ABI_AT(iommu_hw_queue_alloc, viommu_id, 8);
IOAS_ABI_AT(iommu_hw_queue_alloc, type, 12);
IOAS_ABI_AT(iommu_hw_queue_alloc, index, 16);
IOAS_ABI_AT(iommu_hw_queue_alloc, out_hw_queue_id, 20);
IOAS_ABI_AT(iommu_hw_queue_alloc, nesting_parent_iova, 24);
IOAS_ABI_AT(iommu_hw_queue_alloc, length, 32);

#undef IOAS_ABI_AT
#undef IOAS_ABI_SIZE
#undef IOAS_ABI_ASSERT

#endif /* the kernel's header did not come first */
#endif /* IOAS_ABI_IOMMUFD_H */

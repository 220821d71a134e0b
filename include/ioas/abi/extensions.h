/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of /dev/iommu that Linux does not have: docs/abi-extensions.md. Their numbers lie far
 * from Linux's own (0x80 to 0x95); a kernel answers them with ENOTTY, which is how a program finds
 * out that it has to make single calls.
 */
#ifndef IOAS_ABI_EXTENSIONS_H
#define IOAS_ABI_EXTENSIONS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include <ioas/abi/iommufd.h>

enum {
	IOMMUFD_CMD_IOAS_MAP_ARRAY = 0xe0,
	IOMMUFD_CMD_IOAS_UNMAP_ARRAY = 0xe1,
	IOMMUFD_CMD_HW_QUEUE_KICK = 0xe2,
	IOMMUFD_CMD_SANITIZE = 0xe3,
};

/* One element of either array. */
struct iommu_ioas_range {
	__aligned_u64 user_va; /* map: of the first byte; unmap: not looked at */
	__aligned_u64 length;  /* bytes; unmap: receives the bytes that were unmapped */
	__aligned_u64 iova;    /* map: in with FIXED_IOVA, out without */
};

/*
 * As @count calls of IOMMU_IOAS_MAP or IOMMU_IOAS_UNMAP, one after the other, up to the first that
 * fails. @done receives how many were done, on failure too: what they did stays, and the error is
 * that of element @done.
 */
struct iommu_ioas_array {
	__u32 size;
	__u32 flags; /* map: those of IOMMU_IOAS_MAP, for all; unmap: 0 */
	__u32 ioas_id;
	__u32 count;
	__aligned_u64 ranges; /* struct iommu_ioas_range[count] */
	__u32 done;	      /* out */
	__u32 __reserved;
};
#define IOMMU_IOAS_MAP_ARRAY   _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_ARRAY)
#define IOMMU_IOAS_UNMAP_ARRAY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP_ARRAY)

/*
 * Which bytes of what is mapped devices are meant to touch, said to the DMA sanitizer (where there
 * is none, ENOTTY). Also a command of a container. <ioas/sanitize.h> makes the call.
 */
enum iommu_sanitize_flags {
	IOMMU_SANITIZE_NOT_MEANT = 1,
};
struct iommu_sanitize {
	__u32 size;
	__u32 flags;
	__u32 ioas_id; /* 0: a container's, or the compat IOAS */
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
};
#define IOMMU_SANITIZE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_SANITIZE)

/*
 * VT-d as a guest sees it: the engine reads the guest's root table and all that it leads to, and
 * consumes its invalidation queue. One number names each of the objects' types.
 */
#define IOMMU_IOAS_VTD 0x494f0001
enum {
	IOMMU_VIOMMU_TYPE_IOAS_VTD = IOMMU_IOAS_VTD,
	IOMMU_HWPT_DATA_IOAS_VTD = IOMMU_IOAS_VTD,
	IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_VTD = IOMMU_IOAS_VTD,
	IOMMU_HW_QUEUE_TYPE_IOAS_VTD = IOMMU_IOAS_VTD,
	IOMMU_VEVENTQ_TYPE_IOAS_VTD = IOMMU_IOAS_VTD,
};

/* VIOMMU_ALLOC: the first two are in, what the guest reads in CAP_REG and ECAP_REG. */
struct iommu_viommu_ioas_vtd {
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
	__aligned_u64 out_mmap_offset; /* of a page like VT-d's first register page */
	__aligned_u64 out_mmap_length;
};

/* HWPT_ALLOC: as the guest wrote RTADDR_REG; addresses are guest physical. */
struct iommu_hwpt_ioas_vtd {
	__aligned_u64 rtaddr;
};

/* vEVENTQ. */
enum iommu_vevent_ioas_vtd_kind {
	IOMMU_VEVENT_IOAS_VTD_FAULT = 1, /* record: as in a fault recording register */
	IOMMU_VEVENT_IOAS_VTD_QUEUE = 2, /* the queue stopped: FSTS_REG, IQERCD_REG */
	IOMMU_VEVENT_IOAS_VTD_DONE = 3,	 /* a wait descriptor with IF is complete */
};
struct iommu_vevent_ioas_vtd {
	__u32 kind;
	__u32 __reserved;
	__aligned_u64 record[2];
};

/*
 * Something was put into a HW queue that the engine consumes: look at it now. Never needed; for who
 * knows of it earlier than the engine finds out.
 */
struct iommu_hw_queue_kick {
	__u32 size;
	__u32 flags; /* 0 */
	__u32 hw_queue_id;
	__u32 __reserved;
};
#define IOMMU_HW_QUEUE_KICK _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_KICK)

/*
 * SMMUv3 as a guest sees it: the engine reads the guest's stream table and consumes its command
 * queue. One number names each of the objects' types.
 */
#define IOMMU_IOAS_SMMUV3 0x494f0003
enum {
	IOMMU_VIOMMU_TYPE_IOAS_SMMUV3 = IOMMU_IOAS_SMMUV3,
	IOMMU_HWPT_DATA_IOAS_SMMUV3 = IOMMU_IOAS_SMMUV3,
	IOMMU_HW_QUEUE_TYPE_IOAS_SMMUV3 = IOMMU_IOAS_SMMUV3,
	IOMMU_VEVENTQ_TYPE_IOAS_SMMUV3 = IOMMU_IOAS_SMMUV3,
};

/* VIOMMU_ALLOC: the first two are in, as the guest wrote SMMU_STRTAB_BASE and _CFG. */
struct iommu_viommu_ioas_smmuv3 {
	__aligned_u64 strtab_base;
	__u32 strtab_base_cfg;
	__u32 __reserved;
	__aligned_u64 out_mmap_offset; /* of a page like the SMMU's register page 0 */
	__aligned_u64 out_mmap_length;
};

/* HWPT_ALLOC: nothing is to be said, the guest's own tables say it. */
struct iommu_hwpt_ioas_smmuv3 {
	__aligned_u64 flags; /* 0 */
};

/* vEVENTQ: SMMU_GERROR has changed, or a CMD_SYNC asks for a wired interrupt. */
enum iommu_vevent_ioas_smmuv3_flags {
	IOMMU_VEVENT_IOAS_SMMUV3_GERROR = 1,
	IOMMU_VEVENT_IOAS_SMMUV3_SYNC = 2,
};
struct iommu_vevent_ioas_smmuv3 {
	__u32 flags;
	__u32 gerror;
};

/*
 * AMD's IOMMU as a guest sees it: the engine reads the guest's device table and consumes its command
 * buffer.
 */
#define IOMMU_IOAS_AMD 0x494f0002
enum {
	IOMMU_VIOMMU_TYPE_IOAS_AMD = IOMMU_IOAS_AMD,
	IOMMU_HWPT_DATA_IOAS_AMD = IOMMU_IOAS_AMD,
	IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_AMD = IOMMU_IOAS_AMD,
	IOMMU_HW_QUEUE_TYPE_IOAS_AMD = IOMMU_IOAS_AMD,
	IOMMU_VEVENTQ_TYPE_IOAS_AMD = IOMMU_IOAS_AMD,
};

/* VIOMMU_ALLOC: the device table, where the guest's Device Table Base Register says that it is. */
struct iommu_viommu_ioas_amd {
	__aligned_u64 devtab_base;
	__u32 devtab_length; /* bytes, whole pages */
	__u32 flags;	     /* 0 */
	__aligned_u64 out_mmap_offset; /* of a page with a HW queue's registers */
	__aligned_u64 out_mmap_length;
};

/* HWPT_ALLOC: nothing is to be said, the guest's own tables say it. */
struct iommu_hwpt_ioas_amd {
	__u32 flags; /* 0 */
	__u32 __reserved;
};

/* HWPT_INVALIDATE on a vIOMMU: a command as the guest's command buffer has it. */
struct iommu_viommu_invalidate_ioas_amd {
	__aligned_u64 cmd[2];
};

/* vEVENTQ. */
enum iommu_vevent_ioas_amd_log {
	IOMMU_VEVENT_IOAS_AMD_EVENT = 0,      /* an entry of the event log */
	IOMMU_VEVENT_IOAS_AMD_PPR = 1,	      /* an entry of the PPR log */
	IOMMU_VEVENT_IOAS_AMD_COMPLETION = 2, /* a HW queue's COMPLETION_WAIT with an interrupt */
};
struct iommu_vevent_ioas_amd {
	__u32 log;
	__u32 __reserved;
	__aligned_u64 entry[2];
};

/* HW queue: registers in the page of VIOMMU_ALLOC, 64 bits each; the bits are those of the MMIO registers. */
enum iommu_hw_queue_ioas_amd_registers {
	IOMMU_IOAS_AMD_COMMAND_HEAD = 0x00, /* MMIO offset 2000h */
	IOMMU_IOAS_AMD_COMMAND_TAIL = 0x08,
	IOMMU_IOAS_AMD_STATUS = 0x20,
};
#define IOMMU_IOAS_AMD_STATUS_COMWAIT_INT 0x04
#define IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN  0x10

#endif

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

#endif

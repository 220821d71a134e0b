/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware page tables (HWPT): paging ones, which show an IOAS, and nested ones, which a guest
 * writes. On both engines.
 */
#ifndef IOAS_HWPT_H
#define IOAS_HWPT_H

#include <ioas/types.h>

IOAS_BEGIN

enum ioas_hwpt_flags {
	IOAS_HWPT_NEST_PARENT = 1,    /* nested ones and vIOMMUs may be made from it */
	IOAS_HWPT_DIRTY_TRACKING = 2, /* ioas_hwpt_set_dirty_tracking() is possible */
	IOAS_HWPT_FAULT_ID = 4,	      /* page faults go to the queue @fault_id */
	IOAS_HWPT_PASID = 8,	      /* may be attached to a PASID */
};

struct ioas_hwpt_config {
	uint32_t dev_id; /* of a bound device: what its IOMMU must be able to walk */
	uint32_t pt_id;	 /* an IOAS: paging; a nest parent or a vIOMMU: nested */
	uint32_t flags;	 /* of enum ioas_hwpt_flags */
	uint32_t fault_id;
	/* Of a nested one: the make's, type and structure of <ioas/abi/iommufd.h>. */
	uint32_t data_type, data_len;
	const void *data;
};

/**
 * ioas_hwpt_alloc() - make a page table
 * @id: receives its id
 *
 * A paging one mirrors the IOAS from now on. -ENOENT: no such object; -EINVAL, -EOPNOTSUPP: what
 * this make does not have; -EADDRINUSE, -ENOMEM: as for ioas_map().
 */
IOAS_API int ioas_hwpt_alloc(struct ioas_context *c, const struct ioas_hwpt_config *cfg,
			     uint32_t *id);

/**
 * ioas_hwpt_invalidate() - the guest has changed its table, or commanded its IOMMU
 * @id: a nested HWPT, or a vIOMMU
 * @data_type: of enum iommu_hwpt_invalidate_data_type
 * @entries, @entry_len: an array of the make's structures; bytes of each
 * @n: in: how many; out: how many were done, on failure too
 *
 * In their order, up to the first that fails. When it returns no cache holds what was named.
 * -EINVAL, -EOPNOTSUPP: such entries are not the make's; -ENOENT; -EIO: the entry is wrong.
 */
IOAS_API int ioas_hwpt_invalidate(struct ioas_context *c, uint32_t id, uint32_t data_type,
				  const void *entries, uint32_t entry_len, uint32_t *n);

/**
 * ioas_hwpt_set_dirty_tracking() - begin, with every page clean, or end
 *
 * -EOPNOTSUPP, -EINVAL: it was made without; -ENOENT.
 */
IOAS_API int ioas_hwpt_set_dirty_tracking(struct ioas_context *c, uint32_t hwpt, bool on);

enum { IOAS_DIRTY_NO_CLEAR = 1 };

/* Which pages, and how. */
struct ioas_dirty {
	uint64_t iova, length; /* bytes, multiples of @page_size */
	uint64_t page_size;    /* of what one bit stands for: a power of two, at least that of the
				  table */
	uint32_t flags;	       /* IOAS_DIRTY_NO_CLEAR: they stay dirty */
	/* One bit for each page, lowest first, in 64-bit words; ORed into. Multiples of 8 bytes. */
	uint64_t *bitmap;
};

/**
 * ioas_hwpt_get_dirty() - the pages that devices have written since tracking began or they were
 * cleared
 *
 * No write is missed: what is not told now is told next time. Where one leaf of the table shows
 * several pages, all of them are told (IOAS_OPTION_HUGE_PAGES 0 gives each its own). -EINVAL:
 * @page_size, alignment, not tracked; -EOVERFLOW; -ENOENT.
 */
IOAS_API int ioas_hwpt_get_dirty(struct ioas_context *c, uint32_t hwpt, const struct ioas_dirty *d);

struct ioas_hw_info {
	uint32_t type;		/* in: 0 or the one wanted, out: of enum iommu_hw_info_type */
	uint32_t data_len;	/* in: room in @data, out: what the make has to say, in bytes */
	void *data;		/* the make's structure; may be NULL with data_len 0 */
	uint64_t capabilities;	/* out: of enum iommufd_hw_capabilities */
	uint8_t max_pasid_log2; /* out: 0: the device has no PASIDs */
};

/**
 * ioas_get_hw_info() - what the IOMMU of a bound device is
 *
 * -ENOENT; -EOPNOTSUPP: it is not of the wanted type; -EINVAL.
 */
IOAS_API int ioas_get_hw_info(struct ioas_context *c, uint32_t dev_id, struct ioas_hw_info *info);

IOAS_END
#endif

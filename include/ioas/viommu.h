/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual IOMMUs: the slice of one IOMMU that serves one VM; and the queues of page faults. On both
 * engines.
 *
 * The files of queues are read and written in whole records with ioas_file_read() and
 * ioas_file_write(), polled through ioas_file_poll_fd() and closed with ioas_file_close(); the
 * object is destroyed by its id afterwards.
 */
#ifndef IOAS_VIOMMU_H
#define IOAS_VIOMMU_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_fault_queue_alloc() - a queue of recoverable page faults
 * @id: for ioas_hwpt_config.fault_id
 * @file: gives struct iommu_hwpt_pgfault, takes struct iommu_hwpt_page_response
 *
 * -EMFILE.
 */
IOAS_API int ioas_fault_queue_alloc(struct ioas_context *c, uint32_t *id, int *file);

struct ioas_viommu_config {
	uint32_t type;	  /* of enum iommu_viommu_type */
	uint32_t dev_id;  /* a bound device behind the IOMMU */
	uint32_t hwpt_id; /* the nest parent that is its stage 2 */
	uint32_t data_len;
	void *data; /* in and out; the type's structure, or NULL */
};

/**
 * ioas_viommu_alloc() - make a vIOMMU
 *
 * -EOPNOTSUPP: the make has no such type; -ENOENT; -EINVAL: @hwpt_id is no nest parent of this
 * IOMMU.
 */
IOAS_API int ioas_viommu_alloc(struct ioas_context *c, const struct ioas_viommu_config *cfg,
			       uint32_t *id);

/**
 * ioas_vdevice_alloc() - a device's place in a vIOMMU
 * @virt_id: how the guest names it: vSID, vRID, vDeviceID
 *
 * -EEXIST: the name is taken, or the device has a place; -ENOENT; -EINVAL: behind another IOMMU.
 */
IOAS_API int ioas_vdevice_alloc(struct ioas_context *c, uint32_t viommu, uint32_t dev_id,
				uint64_t virt_id, uint32_t *id);

/**
 * ioas_veventq_alloc() - a queue of a vIOMMU's events
 * @type: of enum iommu_veventq_type; @depth: events it holds, at least 1
 * @file: gives struct iommufd_vevent_header, each with the type's event behind it
 *
 * -EOPNOTSUPP: no such type; -EINVAL; -EEXIST: the vIOMMU has one of this type; -ENOENT; -EMFILE.
 */
IOAS_API int ioas_veventq_alloc(struct ioas_context *c, uint32_t viommu, uint32_t type,
				uint32_t depth, uint32_t *id, int *file);

struct ioas_hw_queue_config {
	uint32_t type; /* of enum iommu_hw_queue_type */
	uint32_t index;
	uint64_t iova, length; /* in the nest parent, where the guest has the queue */
};

/**
 * ioas_hw_queue_alloc() - a queue in guest memory that the IOMMU itself consumes
 *
 * The memory is pinned, and cannot be unmapped, while it lives. -EOPNOTSUPP: no such type; -EINVAL,
 * -EOVERFLOW, -ENOENT.
 */
IOAS_API int ioas_hw_queue_alloc(struct ioas_context *c, uint32_t viommu,
				 const struct ioas_hw_queue_config *cfg, uint32_t *id);

IOAS_END
#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our own vIOMMU of a VT-d (docs/abi-extensions.md): the engine reads the guest's root table, by
 * the names that the guest has for its devices, and carries out the guest's own descriptors.
 *
 * A nested domain of it is one root table: as RTADDR_REG is set, a VMM makes another and attaches
 * the devices to it. What the guest sees as faults goes to the vEVENTQ; what only the VMM is to
 * blame for, memory that its second stage does not have, goes to the host.
 */
#ifndef IOAS_IOMMU_VTD_VIOMMU_H
#define IOAS_IOMMU_VTD_VIOMMU_H

#include "iommu/queue.h"
#include "iommu/vtd/descriptor.h"

struct vtd_queue;

struct vtd_viommu {
	struct viommu viommu;
	struct vtd_ids ids; /* what the guest was told that there is */
	char *page;	    /* registers of the queue, that the program maps */
	uint64_t offset;
	struct consumer consumer;
	pthread_mutex_t lock;
	struct vtd_queue *queue; /* there is one at most */
};

static inline struct vtd_viommu *vtd_viommu_of(struct viommu *v)
{
	return container_of(v, struct vtd_viommu, viommu);
}

/* The make's (struct iommu_make). */
const struct viommu_ops *vtd_viommu_type(struct requester *r, uint32_t type);

/* guest.c */
int vtd_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
		     struct domain **out);

/* invalidate.c */

/* Descriptors in one order: what was forgotten is over when vtd_batch_end() has returned. */
struct vtd_batch {
	struct vtd_viommu *v;
	bool posted;
};
/* Not VTD_QI_WAIT. */
void vtd_batch_add(struct vtd_batch *b, const struct vtd_descriptor *d);
void vtd_batch_end(struct vtd_batch *b);
/* struct viommu_ops. */
int vtd_viommu_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done);

/* queue.c: struct viommu_ops. */
size_t vtd_queue_size(const struct viommu *v, uint32_t type);
int vtd_queue_init(struct hw_queue *hw);
void vtd_queue_fini(struct hw_queue *hw);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A domain from the inside: how it translates and who uses it.
 *
 * A *paging* domain owns a page table that the engine writes. A *nested* domain has none: a guest
 * writes its tables, which lie in the address space of @parent. It is embedded in a structure of
 * the make's (iommu/viommu.h).
 */
#ifndef IOAS_IOMMU_DOMAIN_H
#define IOAS_IOMMU_DOMAIN_H

#include "iommu/iommu.h"

struct nested_ops;

struct domain {
	struct iommu *iommu; /* that made it; requesters of another of the same make may be attached
				too */
	struct pt *pt;	     /* NULL: nested */
	const struct nested_ops *nested;		    /* NULL: paging */
	struct domain *parent;				    /* of a nested one; it outlives this */
	uint64_t aperture_start, aperture_last, page_sizes; /* of a paging one */
	uint32_t flags;					    /* DOMAIN_ */
	bool only_writeable; /* of a paging one: domain_config */
	bool coherent;					    /* no-snoop is ignored */
	bool recoverable; /* faults go to a queue, and are answered */
	const void *space; /* domain_set_space() */
	struct lock lock;
	struct list attachments; /* struct attachment, iommu/requester.h */
	struct list under;	 /* of a parent: those to the nested domains on it */
};

/* ATT.8: may requesters of @i use @d? -EINVAL. */
int domain_check(const struct domain *d, const struct iommu *i);

#endif

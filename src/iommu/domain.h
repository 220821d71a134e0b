/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A domain from the inside: a page table and who uses it.
 */
#ifndef IOAS_IOMMU_DOMAIN_H
#define IOAS_IOMMU_DOMAIN_H

#include "iommu/iommu.h"

struct domain {
	struct iommu *iommu; /* that made it; requesters of another of the same make may be attached
				too */
	struct pt *pt;
	uint32_t flags; /* DOMAIN_ */
	bool coherent;	/* no-snoop is ignored */
	struct lock lock;
	struct list attachments; /* struct attachment, iommu/requester.h */
};

/* ATT.8: may requesters of @i use @d? -EINVAL. */
int domain_check(const struct domain *d, const struct iommu *i);

#endif

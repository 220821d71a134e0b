/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second look at a request that was translated: do the guest's structures and tables still say
 * what the caches said? For who looks for missing invalidations (observe/stale.h).
 *
 * It leaves no trace, as look.h does not, but is the DMA thread's, which need not lock what it is
 * attached to, and tells nothing of the way.
 * Whoever has changed an entry and is about to invalidate is found here too; how long that is no
 * bug is for the caller to say.
 */
#ifndef IOAS_IOMMU_NESTED_LOOK_H
#define IOAS_IOMMU_NESTED_LOOK_H

#include "iommu/look.h"

enum nested_verdict {
	NESTED_AGREES, /* or it is not behind a guest's tables */
	NESTED_STALE,
	NESTED_UNKNOWN, /* memory of the guest could not be read, or stage 2 has none there */
};

/* What the guest's structures say now, where that is not what was used. */
enum nested_now {
	NESTED_NOW_ELSEWHERE, /* another page */
	NESTED_NOW_ABSENT,
	NESTED_NOW_DENIED,    /* this access */
	NESTED_NOW_NO_CONFIG, /* the stream, or its PASID, is not to be translated at all */
};

struct nested_look {
	struct requester *r;
	uint32_t pasid;
	uint64_t iova;
	unsigned int access; /* enum iommu_access */
	const char *ptr;     /* where the bytes are that were used */

	/* Of NESTED_STALE. */
	enum nested_stale what;
	enum nested_now now;
	uint64_t gpa;		     /* of ELSEWHERE */
	const struct domain *parent; /* of the domain */
	uint32_t did, asid;	     /* of the tag that the translation has */
	char missing[160]; /* the command that was missing, as the specification calls it */
};

/* DMA thread, inside the section in which it was translated. */
enum nested_verdict nested_look(struct nested_look *l);
/* The same place: do requests with @pasid go by a guest's tables? */
bool nested_serves(struct requester *r, uint32_t pasid);

#endif

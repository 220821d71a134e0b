/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the table of a paging domain says of one address, and what memory is there: the translation
 * of a request that has no other stage, and stage 2 of one that has.
 */
#ifndef IOAS_IOMMU_LOOKUP_H
#define IOAS_IOMMU_LOOKUP_H

#include "iommu/requester.h"

struct lookup {
	struct requester *r;
	struct pt *pt;
	const struct iommu_region *clear_of; /* what no page may meet; NULL: nothing */
	uint64_t addr;
	unsigned int access; /* IOMMU_READ, IOMMU_WRITE */

	/* What was found. */
	const struct memory_slot *slot;
	char *ptr;   /* of the byte at addr; NULL: no memory but a BAR, whose PA is pa */
	uint64_t pa; /* of the same */
	/*
	 * The naturally aligned 2^lg2 bytes around addr are one piece of the slot. 12, 21 and 30
	 * are those that an IOTLB may keep, if there is a ptr.
	 */
	uint8_t lg2;
	unsigned int perms;		/* what may be done there without asking again */
	uint8_t leaf_lg2;		/* of the entry in the table */
	enum iommu_fault_reason reason; /* of a failure */
};

/* DMA thread, inside a section. False: refused. Sets accessed and dirty flags as the request wants.
 */
bool lookup(struct lookup *l);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOMMU of s390 PCI functions (zPCI), as Linux 7.3 uses it.
 *
 * A function tells where its DMA addresses begin and end, and which region tables it can do with
 * (CLP query); Linux offers of that as much as fits the largest of those tables. What lies outside
 * is reserved. There are no dirty flags, no nesting, no PASIDs and no interrupt window: messages go
 * to an address that no table is asked for.
 */
#ifndef IOAS_IOMMU_S390_S390_H
#define IOAS_IOMMU_S390_S390_H

#include "iommu/iommu.h"

/* Event codes of PCI error events. */
enum s390_event {
	S390_INVALID_SPACE = 0x1, /* no table was registered */
	S390_OUT_OF_RANGE = 0x2,  /* beyond the addresses that were registered */
	S390_PROTECTED = 0x4,
	S390_INVALID_ENTRY = 0x7,
};

struct s390 {
	uint64_t start_dma, end_dma;
	unsigned int levels; /* 3: from the region-third table on; 4; 5 */
};

/* What the options ask for. -EINVAL with a sentence in @why. */
int s390_init_caps(struct s390 *s, const struct options *o, char *why, size_t why_len);
/* The last address that the tables can hold. */
uint64_t s390_table_last(const struct s390 *s);
extern const struct option_key s390_options[];

extern const struct iommu_make s390_make;

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOMMU of POWER's PCI host bridges (IODA3): one window of translation control entries from bus
 * address 0 on.
 *
 * Linux serves it by its sPAPR containers alone: iommufd and type1 cannot map there. Here they can,
 * as on any other make, with what the tables hold: pages of one size, no dirty flags, no nesting,
 * no PASIDs, no reserved addresses.
 */
#ifndef IOAS_IOMMU_POWER_POWER_H
#define IOAS_IOMMU_POWER_POWER_H

#include "iommu/iommu.h"

/*
 * An error freezes the partitionable endpoint; its state (PEST A, upper half) says what kind of
 * transaction it was and no more.
 */
#define POWER_PESTA_FROZEN BIT(31)
#define POWER_PESTA_TYPE   FIELD(26, 24)
enum { POWER_TYPE_DMA_WRITE = 0, POWER_TYPE_MSI = 1, POWER_TYPE_DMA_READ = 2 };

struct power {
	const struct pt_ops *ops; /* for the size of its pages */
	unsigned int levels;
	unsigned int window_lg2;
};

/* The window that the options ask for. -EINVAL with a sentence in @why. */
int power_init_caps(struct power *p, const struct options *o, char *why, size_t why_len);
extern const struct option_key power_options[];

extern const struct iommu_make power_make;

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The makes of IOMMU that there are. A new one is a folder and a line here.
 */
#include <string.h>

#include "iommu/amd/amd.h"
#include "iommu/iommu.h"
#include "iommu/mock/mock.h"
#include "iommu/power/power.h"
#include "iommu/riscv/riscv.h"
#include "iommu/s390/s390.h"
#include "iommu/smmuv3/smmuv3.h"
#include "iommu/vtd/vtd.h"

const struct iommu_make *const iommu_makes[] = {
	&vtd_make,
	&amd_make,
	&smmuv3_make,
	&riscv_make,
	&s390_make,
	&power_make,
	&mock_make,
	NULL,
};

const struct iommu_make *iommu_make_find(const char *name)
{
	for (size_t n = 0; iommu_makes[n]; n++)
		if (!strcmp(iommu_makes[n]->name, name))
			return iommu_makes[n];
	return NULL;
}

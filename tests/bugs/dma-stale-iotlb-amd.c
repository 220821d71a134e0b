/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's kernel makes a page read-only for the device, and invalidates the page next to it.
 *
 *   ioas run --sanitize --iommu amd,nesting=on --device ioat -- dma-stale-iotlb-amd
 */
#include "vmm.h"

#define DOMAIN 5ull

/* The guest's device table entry leads to guest tables by a GCR3 table of one level. */
static void nest(struct vmm *v)
{
	const uint64_t gcr3 = CONFIG + 0x10000;
	struct iommu_hwpt_amd_guest entry = {
		.dte = {3ull << 61 | 3 | 1ull << 55 | 1ull << 54 | (gcr3 >> 12 & 7) << 58,
			DOMAIN | (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43}};

	v->table_bits = 7;
	v->read_bits = 5;
	v->write_bits = 7;
	*guest_word(v, gcr3) = TABLES | 1;
	vmm_viommu(v, IOMMU_HW_INFO_TYPE_AMD);
	v->nested = vmm_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_AMD_GUEST, &entry, sizeof(entry));
	vmm_attach(v, v->nested);
}

/* INVALIDATE_IOMMU_PAGES, GN. */
static void invalidate(struct vmm *v, uint64_t iova)
{
	const uint64_t command[2] = {3ull << 60 | DOMAIN << 32, iova | 4};

	vmm_invalidate(v, v->viommu, IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_AMD, command,
		       sizeof(command));
}

int main(void)
{
	struct vmm v;

	vmm_open(&v);
	nest(&v);
	guest_map(&v, IOVA_RING, RING, MAY_BOTH);
	guest_map(&v, IOVA_DONE, DONE, MAY_BOTH);
	guest_start(&v);

	guest_map(&v, IOVA_SRC, DATA(0), MAY_READ);
	guest_map(&v, IOVA_DST, DATA(1), MAY_WRITE);
	guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE);
	guest_map(&v, IOVA_DST, DATA(1), MAY_READ);
#ifdef FIXED
	invalidate(&v, IOVA_DST);
	guest_map(&v, IOVA_DST, DATA(1), MAY_WRITE);
#else
	invalidate(&v, IOVA_DST + PAGE);
#endif
	for (unsigned int n = 0; n < 3; n++) {
		guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE); /* BUG: dma-stale-iotlb */
		usleep(50000);
	}
	vmm_close(&v);
	return 0;
}

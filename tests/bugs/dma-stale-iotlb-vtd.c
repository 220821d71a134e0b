/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's kernel takes a page away from the device, and the VMM does not hand the invalidation of
 * the first-stage tables on: the device still writes there.
 *
 *   ioas run --sanitize --iommu vtd,nesting=on --device ioat -- dma-stale-iotlb-vtd
 */
#include "vmm.h"

static void nest(struct vmm *v)
{
	const struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = TABLES, .addr_width = 48};

	v->table_bits = 7;
	v->read_bits = 5;
	v->write_bits = 7;
	v->nested = vmm_hwpt(v, 0, v->parent, IOMMU_HWPT_DATA_VTD_S1, &s1, sizeof(s1));
	vmm_attach(v, v->nested);
}

static void invalidate(struct vmm *v, uint64_t iova)
{
	const struct iommu_hwpt_vtd_s1_invalidate page = {.addr = iova, .npages = 1};

	vmm_invalidate(v, v->nested, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &page, sizeof(page));
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
	*guest_entry(&v, IOVA_DST) = 0;
#ifdef FIXED
	invalidate(&v, IOVA_DST);
	guest_map(&v, IOVA_DST, DATA(2), MAY_WRITE);
#else
	(void)invalidate;
#endif
	for (unsigned int n = 0; n < 3; n++) {
		guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE); /* BUG: dma-stale-iotlb */
		usleep(50000);
	}
	vmm_close(&v);
	return 0;
}

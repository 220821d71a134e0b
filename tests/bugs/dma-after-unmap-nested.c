/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM unplugs a page of its guest's memory to which the guest's own tables still lead, and the
 * device is told to write there.
 *
 *   ioas run --sanitize --iommu vtd,nesting=on --device ioat -- dma-after-unmap-nested
 */
#include "vmm.h"

#define EXTRA (GPA + GUEST_SIZE + 0x100000)

static void nest(struct vmm *v)
{
	const struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = TABLES, .addr_width = 48};

	v->table_bits = 7;
	v->read_bits = 5;
	v->write_bits = 7;
	v->nested = vmm_hwpt(v, 0, v->parent, IOMMU_HWPT_DATA_VTD_S1, &s1, sizeof(s1));
	vmm_attach(v, v->nested);
}

static inline void plug(struct vmm *v, void *page)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = v->road.ioas,
				     .user_va = (uintptr_t)page,
				     .length = PAGE,
				     .iova = EXTRA};

	vmm_call(v, IOMMU_IOAS_MAP, &map, "IOMMU_IOAS_MAP"); /* MAP 0x40500000 0x40500fff rw */
}

static inline void unplug(struct vmm *v)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = v->road.ioas, .iova = EXTRA, .length = PAGE};

	vmm_call(v, IOMMU_IOAS_UNMAP, &unmap, "IOMMU_IOAS_UNMAP"); /* UNMAP */
}

static inline void guest_unmap(struct vmm *v, uint64_t iova)
{
	const struct iommu_hwpt_vtd_s1_invalidate page = {.addr = iova, .npages = 1};

	*guest_entry(v, iova) = 0;
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

	plug(&v, dma_pages(PAGE));
	guest_map(&v, IOVA_SRC, DATA(0), MAY_READ);
	guest_map(&v, IOVA_DST, EXTRA, MAY_WRITE);
	guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE); /* USED */
#ifdef FIXED
	guest_unmap(&v, IOVA_DST);
	unplug(&v);
#else
	unplug(&v);
	guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE); /* BUG: dma-after-unmap */
	guest_unmap(&v, IOVA_DST);
#endif
	vmm_close(&v);
	return 0;
}

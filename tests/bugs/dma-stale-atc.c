/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's kernel invalidates the SMMU's TLB and forgets the ATC_INV: the device keeps
 * translations of its own, and goes on with them.
 *
 *   ioas run --sanitize --iommu smmuv3 --device ioat,ats=on -- dma-stale-atc
 */
#include "vmm.h"

static void invalidate(struct vmm *v, uint64_t iova)
{
	smmu_command(v, 0x12 | SMMU_ASID << 48, iova | 1); /* TLBI_NH_VA, leaf */
#ifdef FIXED
	smmu_command(v, 0x40 | VSID << 32, iova); /* ATC_INV of one page */
#endif
}

int main(void)
{
	struct vmm v;

	vmm_open(&v);
	smmu_nest(&v, true);
	guest_map(&v, IOVA_RING, RING, MAY_BOTH);
	guest_map(&v, IOVA_DONE, DONE, MAY_BOTH);
	guest_start(&v);

	memset(guest_word(&v, DATA(0)), 0x11, PAGE);
	guest_map(&v, IOVA_SRC, DATA(0), MAY_READ);
	guest_map(&v, IOVA_DST, DATA(1), MAY_WRITE);
	guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE);
	guest_map(&v, IOVA_DST, DATA(2), MAY_WRITE);
	invalidate(&v, IOVA_DST);
	for (unsigned int n = 0; n < 3; n++) {
		guest_copy(&v, IOVA_DST, IOVA_SRC, PAGE); /* BUG: dma-stale-atc */
		usleep(50000);
	}
	printf("the data are in the %s page\n", *guest_word(&v, DATA(2)) ? "new" : "old");
	vmm_close(&v);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the type1 back end: its state, and what its files share.
 */
#ifndef IOAS_ABI_TYPE1_H
#define IOAS_ABI_TYPE1_H

#include <pthread.h>

#include "abi/vfio.h"
#include "base/range.h"
#include "space/space.h"

#define TYPE1_MAX_BITMAP (256ull << 20) /* bytes of a dirty bitmap: 11.5 */

/* One mapping, [iova, iova + size) in type1.dmas. */
struct dma {
	uint64_t iova, size, vaddr;
	uint32_t prot;	    /* VFIO_DMA_MAP_FLAG_READ, _WRITE */
	bool vaddr_invalid; /* UNMAP with VADDR took it away */
};

struct type1 {
	struct host *host;
	bool v2;
	pthread_mutex_t lock;
	struct space *space;
	struct space_mirror mirror;
	struct domain *domain; /* NULL: no group */
	unsigned int nr_groups;
	struct range_tree dmas;
	unsigned int avail; /* mappings that may still be made */
	uint64_t nr_vaddr_invalid;
	bool tracking; /* DIRTY_PAGES START */
	struct space_range *iovas;
	size_t nr_iovas;
};

/* With t->lock held. */
long type1_map_dma(struct type1 *t, uint64_t arg, struct caller *c);
long type1_unmap_dma(struct type1 *t, uint64_t arg, struct caller *c);
/* sanitize.c: IOMMU_SANITIZE, while somebody listens. */
long type1_sanitize(struct type1 *t, uint64_t arg, struct caller *c);
long type1_dirty_pages(struct type1 *t, uint64_t arg, struct caller *c);
/* Report the pages of @d as dirty in the bitmap of a request that begins at @iova. 0 or -EFAULT. */
int type1_report_dirty(struct type1 *t, const struct dma *d, uint64_t iova, uint64_t bitmap, struct caller *c);
/* T1U.3, GET 3: does the caller's bitmap fit @size bytes? */
int type1_check_bitmap(struct type1 *t, const char *rule, const struct vfio_bitmap *b, uint64_t size);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unmapping that reaches the page tables late (--inject unmap-late), as an IOMMU with lazy
 * invalidation would have it: the call has said yes and the area is gone, but devices go on
 * reaching its memory, which stays pinned, until the address space changes for the next time.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "space/private.h"

struct late_area {
	struct late_area *next;
	struct area area;
	uint64_t iova, last;
};

void late_finish(struct space *s)
{
	while (s->late) {
		struct late_area *l = s->late;

		s->late = l->next;
		clear_mirrors(s, l->iova, l->last);
		pages_unpin_put(l->area.pages, l->area.offset, l->last - l->iova + 1);
		ioas_free(l);
	}
}

bool late_keep(struct space *s, const struct range *r)
{
	struct late_area *l = ioas_malloc(sizeof(*l));

	if (!l)
		return false;
	*l = (struct late_area){s->late, area_of(r), r->start, r->last};
	s->late = l;
	return true;
}

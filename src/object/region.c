/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions of an iommufd that a program may mmap() (6.3): pages of a vIOMMU, at the lowest free
 * offset from the second page on.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/private.h"
#include "object/viommu.h"

/* The lowest place for @len bytes. Lock held. */
static int find_place(struct iommufd *ctx, uint64_t len, uint64_t *offset)
{
	uint64_t at = PAGE_SIZE;
	struct range r;

	for (bool more = range_first(&ctx->regions, &r); more && r.start < at + len;
	     more = range_next(&ctx->regions, &r))
		at = r.last + 1;
	if (at > INT64_MAX - len)
		return -ENOMEM;
	*offset = at;
	return 0;
}

int region_add(struct iommufd *ctx, struct object *owner, void *mem, size_t len, uint64_t *offset)
{
	struct region *region;
	int rc;

	if (!len || !is_aligned(len, PAGE_SIZE) || !is_aligned((uintptr_t)mem, PAGE_SIZE))
		return -EINVAL;
	region = ioas_malloc(sizeof(*region));
	if (!region)
		return -ENOMEM;
	*region = (struct region){.len = len, .mem = mem, .owner = owner};
	pthread_mutex_lock(&ctx->regions_lock);
	rc = find_place(ctx, len, &region->offset);
	if (!rc)
		rc = range_insert(&ctx->regions, region->offset, region->offset + len - 1, region);
	*offset = region->offset;
	pthread_mutex_unlock(&ctx->regions_lock);
	if (rc)
		ioas_free(region);
	return rc;
}

void region_remove(struct iommufd *ctx, uint64_t offset)
{
	struct range r;

	pthread_mutex_lock(&ctx->regions_lock);
	if (!range_erase(&ctx->regions, offset, &r))
		ioas_free(r.value);
	pthread_mutex_unlock(&ctx->regions_lock);
}

int iommufd_region_get(struct iommufd *ctx, uint64_t offset, uint64_t len, struct region *out)
{
	int rc = -ENXIO;
	struct range r;

	pthread_mutex_lock(&ctx->regions_lock);
	if (range_find(&ctx->regions, offset, &r) && r.start == offset &&
	    r.last - r.start + 1 == len) {
		*out = *(const struct region *)r.value;
		rc = object_try_hold(ctx, out->owner) ? 0 : -ENXIO;
	}
	pthread_mutex_unlock(&ctx->regions_lock);
	if (rc)
		return refuse(&ctx->host->sink, ENXIO, "FMMAP.4", "offset", offset,
			      "the place and length of a region that a vIOMMU handed out");
	return 0;
}

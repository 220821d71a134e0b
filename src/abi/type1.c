/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The type1 back end of a legacy container, v1 and v2: semantics 11.
 *
 * A mapping (struct dma) is one area of one address space, kept in a tree of its own because type1 knows of it what
 * the space does not: its VA's validity. All groups share one domain, which comes with the first group and goes with the
 * last. t->lock serialises every command.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include <ioas/abi/extensions.h>

#include "abi/chain.h"
#include "abi/type1.h"
#include "base/alloc.h"
#include "base/observe.h"

int type1_create(struct host *h, const void *container, bool v2, struct type1 **out)
{
	struct type1 *t = ioas_calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	rc = space_create(h->memory, &h->sink, &t->space);
	if (rc) {
		ioas_free(t);
		return rc;
	}
	t->host = h;
	t->v2 = v2;
	t->avail = h->dma_entry_limit;
	pthread_mutex_init(&t->lock, NULL);
	range_init(&t->dmas, NULL);
	OBSERVE(&h->sink, space_new, t->space, container, 0, true);
	*out = t;
	return 0;
}

static void free_dmas(struct type1 *t)
{
	struct range r;

	while (range_first(&t->dmas, &r)) {
		range_erase(&t->dmas, r.start, NULL);
		ioas_free(r.value);
		t->avail++;
	}
}

void type1_destroy(struct type1 *t)
{
	free_dmas(t);
	space_destroy(t->space);
	range_destroy(&t->dmas);
	ioas_free(t->iovas);
	pthread_mutex_destroy(&t->lock);
	ioas_free(t);
}

static void mirror_invalidate(struct space_mirror *m, uint64_t iova, uint64_t last, struct pt_gather *g)
{
	domain_invalidate(container_of(m, struct type1, mirror)->domain, iova, last, g);
}

static const struct space_mirror_ops type1_mirror_ops = {
	.invalidate = mirror_invalidate,
};

static int add_domain(struct type1 *t)
{
	struct iommu *iommu = t->host->iommu;
	int rc = domain_alloc(iommu, 0, &t->domain);

	if (rc)
		return rc;
	if (iommu->caps.enforce_coherency)
		domain_enforce_coherency(t->domain);
	t->mirror.ops = &type1_mirror_ops;
	domain_set_space(t->domain, t->space);
	t->mirror.pt = domain_pt(t->domain);
	t->mirror.page_sizes = domain_page_sizes(t->domain);
	domain_aperture(t->domain, &t->mirror.aperture_start, &t->mirror.aperture_last);
	rc = space_add_mirror(t->space, &t->mirror);
	if (rc) {
		domain_free(t->domain);
		t->domain = NULL;
	}
	return rc;
}

static void remove_domain(struct type1 *t)
{
	space_remove_mirror(t->space, &t->mirror);
	domain_free(t->domain);
	t->domain = NULL;
}

/* The valid IOVA list: the gaps between reserved ranges, within the aperture. */
static int refresh_iovas(struct type1 *t)
{
	struct space_range *all = NULL;
	uint64_t alignment;
	size_t n, kept = 0;

	n = space_iova_ranges(t->space, NULL, 0, &alignment);
	all = ioas_calloc(n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = space_iova_ranges(t->space, all, n, &alignment);
	for (size_t i = 0; i < n; i++) {
		struct space_range r = all[i];

		if (t->domain) {
			r.start = max_u64(r.start, t->mirror.aperture_start);
			r.last = min_u64(r.last, t->mirror.aperture_last);
		}
		if (r.start <= r.last)
			all[kept++] = r;
	}
	ioas_free(t->iovas);
	t->iovas = all;
	t->nr_iovas = kept;
	return 0;
}

static int reserve_regions(struct type1 *t, struct host_group *g)
{
	struct iommu *iommu = t->host->iommu;
	struct iommu_region regions[IOMMU_MAX_REGIONS];
	struct space_range ranges[IOMMU_MAX_REGIONS];
	const char *what[IOMMU_MAX_REGIONS];
	size_t n = iommu_regions(iommu, regions, IOMMU_MAX_REGIONS);

	for (size_t i = 0; i < n; i++) {
		ranges[i] = (struct space_range){regions[i].start, regions[i].last};
		what[i] = iommu_region_words(&regions[i]);
	}
	return space_reserve_named(t->space, ranges, what, n, g) == -EADDRINUSE ? -EINVAL : 0;
}

static int attach_locked(struct type1 *t, struct host_group *g)
{
	bool first = !t->domain;
	int rc;

	if (t->nr_vaddr_invalid)
		return refuse(&t->host->sink, EBUSY, "T1G.1", "group", g->id,
			      "mappings whose vaddr is valid: MAP with VADDR first");
	rc = reserve_regions(t, g);
	if (rc)
		return refuse(&t->host->sink, EINVAL, "T1G.3", "group", g->id,
			      "mappings outside the group's reserved regions");
	if (first)
		rc = add_domain(t);
	if (rc)
		goto out_release;
	pthread_mutex_lock(&g->lock);
	rc = host_group_attach(g, IOMMU_NO_PASID, t->domain);
	pthread_mutex_unlock(&g->lock);
	if (rc)
		goto out_domain;
	rc = refresh_iovas(t);
	if (rc)
		goto out_detach;
	t->nr_groups++;
	return 0;

out_detach:
	pthread_mutex_lock(&g->lock);
	host_group_attach(g, IOMMU_NO_PASID, NULL);
	pthread_mutex_unlock(&g->lock);
out_domain:
	if (first)
		remove_domain(t);
out_release:
	space_release(t->space, g);
	return rc == -EADDRINUSE ? -EINVAL : rc;
}

int type1_attach_group(struct type1 *t, struct host_group *g)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = attach_locked(t, g);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void type1_detach_group(struct type1 *t, struct host_group *g)
{
	uint64_t unmapped;

	pthread_mutex_lock(&t->lock);
	pthread_mutex_lock(&g->lock);
	host_group_attach(g, IOMMU_NO_PASID, NULL);
	pthread_mutex_unlock(&g->lock);
	space_release(t->space, g);
	if (--t->nr_groups == 0) {
		space_unmap_all(t->space, &unmapped);
		free_dmas(t);
		t->nr_vaddr_invalid = 0;
		remove_domain(t);
	}
	/* Out of memory: the list stays as narrow as it was, which refuses more and never maps what must not be. */
	refresh_iovas(t);
	pthread_mutex_unlock(&t->lock);
}

int type1_check_extension(struct host *h, struct type1 *t, uint64_t ext)
{
	switch (ext) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_UPDATE_VADDR:
		return t != NULL;
	case VFIO_DMA_CC_IOMMU:
		return t && t->domain && domain_enforces_coherency(t->domain);
	default:
		return 0;
	}
}

static int add_info_caps(struct type1 *t, struct chain *chain)
{
	const size_t header = sizeof(struct vfio_info_cap_header);
	const struct vfio_iommu_type1_info_cap_migration migration = {
		.pgsize_bitmap = PAGE_SIZE,
		.max_dirty_bitmap_size = TYPE1_MAX_BITMAP,
	};
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	size_t size = sizeof(*cap) + t->nr_iovas * sizeof(struct vfio_iova_range);
	uint32_t avail = t->avail;
	int rc;

	rc = chain_add(chain, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1, (const char *)&migration + header,
		       sizeof(migration) - header);
	if (!rc)
		rc = chain_add(chain, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, &avail, sizeof(avail));
	if (rc || !t->nr_iovas)
		return rc;
	cap = ioas_calloc(1, size);
	if (!cap)
		return -ENOMEM;
	cap->nr_iovas = t->nr_iovas;
	for (size_t i = 0; i < t->nr_iovas; i++)
		cap->iova_ranges[i] = (struct vfio_iova_range){t->iovas[i].start, t->iovas[i].last};
	rc = chain_add(chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, (char *)cap + header, size - header);
	ioas_free(cap);
	return rc;
}

/* 11.5. The caller's structure may end before cap_offset. */
static long get_info(struct type1 *t, uint64_t arg, struct caller *c)
{
	struct vfio_iommu_type1_info info = {0};
	struct chain chain;
	uint32_t user;
	int rc;

	rc = vfio_copy_in(c, &t->host->sink, "T1I.1", arg, &info,
			  offsetof(struct vfio_iommu_type1_info, cap_offset));
	if (rc)
		return rc;
	user = info.argsz;
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = space_page_sizes(t->space);
	chain_init(&chain, sizeof(info));
	rc = add_info_caps(t, &chain);
	if (rc)
		goto out;
	if (user < chain_total(&chain)) {
		info.argsz = chain_total(&chain);
	} else {
		info.cap_offset = chain.base;
		rc = vfio_copy_out(c, &t->host->sink, "T1I.1", arg + chain.base, chain.buf,
				   chain.len);
	}
	if (!rc)
		rc = vfio_copy_out(c, &t->host->sink, "T1I.1", arg, &info,
				   min_u64(user, sizeof(info)));
out:
	chain_free(&chain);
	return rc;
}

static long locked_ioctl(struct type1 *t, unsigned int cmd, uint64_t arg, struct caller *c)
{
	switch (cmd) {
	case VFIO_IOMMU_GET_INFO:
		return get_info(t, arg, c);
	case VFIO_IOMMU_MAP_DMA:
		return type1_map_dma(t, arg, c);
	case VFIO_IOMMU_UNMAP_DMA:
		return type1_unmap_dma(t, arg, c);
	case VFIO_IOMMU_DIRTY_PAGES:
		return type1_dirty_pages(t, arg, c);
	case IOMMU_SANITIZE:
		if (observe_annotations(&t->host->sink))
			return type1_sanitize(t, arg, c);
		/* fallthrough */
	default:
		return refuse(&t->host->sink, ENOTTY, "T1.0", "command", cmd, "a command of type1");
	}
}

long type1_ioctl(struct type1 *t, unsigned int cmd, uint64_t arg, struct caller *c)
{
	long rc;

	if (cmd == VFIO_CHECK_EXTENSION)
		return type1_check_extension(t->host, t, arg);
	pthread_mutex_lock(&t->lock);
	rc = locked_ioctl(t, cmd, arg, c);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void type1_view(const struct type1 *t, struct container_view *out)
{
	*out = (struct container_view){
		.space = t->space,
		.v2 = t->v2,
		.nr_dmas = range_count(&t->dmas),
		.available = t->avail,
		.nr_groups = t->nr_groups,
	};
}

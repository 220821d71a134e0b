/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MAP_DMA and UNMAP_DMA of type1: rules T1M and T1U.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include "abi/type1.h"
#include "base/alloc.h"
#include "base/observe.h"

#define no(t, err, rule, field, value, ...) refuse(&(t)->host->sink, err, rule, field, value, __VA_ARGS__)

#define PERMISSIONS (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static int check_map(struct type1 *t, const struct vfio_iommu_type1_dma_map *m)
{
	bool vaddr = m->flags & VFIO_DMA_MAP_FLAG_VADDR;
	uint64_t last;

	if (m->flags & ~(uint32_t)(PERMISSIONS | VFIO_DMA_MAP_FLAG_VADDR))
		return no(t, EINVAL, "T1M.1", "flags", m->flags, "READ 1, WRITE 2, VADDR 4");
	if (!m->size)
		return no(t, EINVAL, "T1M.3", "size", 0, "at least one page");
	if (__builtin_add_overflow(m->iova, m->size - 1, &last))
		return no(t, EOVERFLOW, "T1M.4", "iova", m->iova, "iova + size - 1 within 64 bits");
	if (__builtin_add_overflow(m->vaddr, m->size - 1, &last))
		return no(t, EOVERFLOW, "T1M.4", "vaddr", m->vaddr, "vaddr + size - 1 within 64 bits");
	if (vaddr == !!(m->flags & PERMISSIONS))
		return no(t, EINVAL, "T1M.5", "flags", m->flags,
			  "a permission, or VADDR alone");
	if (!is_aligned(m->iova | m->vaddr | m->size, PAGE_SIZE))
		return no(t, EINVAL, "T1M.6", "iova", m->iova,
			  "iova, vaddr and size in multiples of 4096; vaddr is %#llx, size %#llx",
			  (unsigned long long)m->vaddr, (unsigned long long)m->size);
	return 0;
}

static struct dma *dma_at(struct type1 *t, uint64_t iova)
{
	struct range r;

	return range_find(&t->dmas, iova, &r) ? r.value : NULL;
}

/* T1M.7-10. */
static void tell_vaddr(const struct type1 *t, const struct dma *d)
{
	OBSERVE(&t->host->sink, vaddr, t->space, d->iova, d->iova + d->size - 1, d->vaddr,
		!d->vaddr_invalid);
}

static int update_vaddr(struct type1 *t, const struct vfio_iommu_type1_dma_map *m)
{
	struct range r;
	struct dma *d;

	if (!range_first_overlap(&t->dmas, m->iova, m->iova + m->size - 1, &r))
		return no(t, ENOENT, "T1M.7", "iova", m->iova,
			  "a mapping that lost its vaddr; nothing is mapped there");
	d = r.value;
	if (!d->vaddr_invalid || d->iova != m->iova || d->size != m->size)
		return no(t, EINVAL, "T1M.8", "iova", m->iova,
			  "exactly a mapping that lost its vaddr; there is [%#llx, +%#llx)",
			  (unsigned long long)d->iova, (unsigned long long)d->size);
	d->vaddr = m->vaddr;
	d->vaddr_invalid = false;
	t->nr_vaddr_invalid--;
	tell_vaddr(t, d);
	return 0;
}

static bool iova_is_valid(const struct type1 *t, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < t->nr_iovas; i++)
		if (start >= t->iovas[i].start && last <= t->iovas[i].last)
			return true;
	return !t->nr_iovas;
}

/* Pages are charged to the process, whoever owns the container's file. */
static struct memory_payer payer_of(struct caller *c)
{
	struct memory_payer payer = {0};

	if (!c->ops->capable(c, CAP_IPC_LOCK))
		payer.account = c->ops->account(c, true);
	return payer;
}

static COLD int refuse_memory(struct type1 *t, const struct vfio_iommu_type1_dma_map *m,
			      struct pages *pages, int rc)
{
	char buf[REFUSE_TEXT] = "";
	struct text text = TEXT_IN(buf);

	if (refuse_heard(&t->host->sink))
		pages_explain(pages, 0, m->size, rc, &text);
	return no(t, -rc, "T1M.14", "vaddr", m->vaddr, "%s; %s",
		  rc == -EFAULT ? "memory that exists with the permission asked for"
				: "memory within RLIMIT_MEMLOCK",
		  buf);
}

static int fill_dma(struct type1 *t, const struct vfio_iommu_type1_dma_map *m, struct caller *c)
{
	struct memory_payer payer = payer_of(c);
	struct space_map map = {.length = m->size, .iova = m->iova, .fixed = true};
	int rc;

	map.prot = (m->flags & VFIO_DMA_MAP_FLAG_READ ? SPACE_READ : 0) |
		   (m->flags & VFIO_DMA_MAP_FLAG_WRITE ? SPACE_WRITE : 0);
	rc = pages_from_mm(t->host->memory, caller_memory(c), &payer, m->vaddr, m->size,
			   map.prot & SPACE_WRITE, true, &map.pages);
	if (rc)
		return rc;
	rc = space_map(t->space, &map);
	if (rc == -EFAULT || rc == -ENOMEM)
		refuse_memory(t, m, map.pages, rc);
	pages_put(map.pages);
	return rc;
}

static COLD int refuse_place(struct type1 *t, const struct vfio_iommu_type1_dma_map *m, int err,
			     const char *rule)
{
	char buf[REFUSE_TEXT] = "";
	struct text text = TEXT_IN(buf);

	if (refuse_heard(&t->host->sink))
		space_explain_place(t->space, m->iova, m->size, &text);
	return no(t, err, rule, "iova", m->iova, "%s", buf);
}

static int add_dma(struct type1 *t, const struct vfio_iommu_type1_dma_map *m, struct caller *c)
{
	uint64_t last = m->iova + m->size - 1;
	struct range r;
	struct dma *d;
	int rc;

	if (range_first_overlap(&t->dmas, m->iova, last, &r))
		return refuse_place(t, m, EEXIST, "T1M.11");
	if (!t->avail)
		return no(
			t, ENOSPC, "T1M.12", "iova", m->iova,
			"at most %u mappings, the dma_entry_limit of vfio_iommu_type1: there are %zu",
			t->host->dma_entry_limit, range_count(&t->dmas));
	if (!iova_is_valid(t, m->iova, last))
		return refuse_place(t, m, EINVAL, "T1M.13");
	d = ioas_malloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct dma){m->iova, m->size, m->vaddr, m->flags & PERMISSIONS, false};
	rc = range_insert(&t->dmas, m->iova, last, d);
	if (rc)
		goto out_free;
	rc = fill_dma(t, m, c);
	if (rc)
		goto out_erase;
	t->avail--;
	return 0;

out_erase:
	range_erase(&t->dmas, m->iova, NULL);
out_free:
	ioas_free(d);
	return rc;
}

long type1_map_dma(struct type1 *t, uint64_t arg, struct caller *c)
{
	struct vfio_iommu_type1_dma_map map;
	int rc;

	rc = vfio_copy_in(c, &t->host->sink, "T1M.1", arg, &map, sizeof(map));
	if (!rc)
		rc = check_map(t, &map);
	if (rc)
		return rc;
	return map.flags & VFIO_DMA_MAP_FLAG_VADDR ? update_vaddr(t, &map) : add_dma(t, &map, c);
}

/* struct vfio_iommu_type1_dma_unmap with the bitmap that may follow it. */
struct unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
	struct vfio_bitmap bitmap;
};

#define UNMAP_MIN offsetof(struct unmap, bitmap)
_Static_assert(UNMAP_MIN == sizeof(struct vfio_iommu_type1_dma_unmap), "the ABI's structure");

static int check_unmap_flags(struct type1 *t, struct unmap *u, uint64_t arg, struct caller *c)
{
	const uint32_t dirty = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	const uint32_t others = VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR;

	if (u->flags & ~(dirty | others))
		return no(t, EINVAL, "T1U.1", "flags", u->flags, "GET_DIRTY_BITMAP 1, ALL 2, VADDR 4");
	if (!(u->flags & dirty))
		return 0;
	if (u->flags & others)
		return no(t, EINVAL, "T1U.2", "flags", u->flags, "GET_DIRTY_BITMAP alone");
	if (u->argsz < UNMAP_MIN + sizeof(u->bitmap))
		return no(t, EINVAL, "T1U.3", "argsz", u->argsz, "%zu with a bitmap",
			  UNMAP_MIN + sizeof(u->bitmap));
	if (copy_in(c, &u->bitmap, arg + UNMAP_MIN, sizeof(u->bitmap)))
		return no(t, EFAULT, "T1U.3", "data", arg + UNMAP_MIN, "a readable structure");
	return type1_check_bitmap(t, "T1U.3", &u->bitmap, u->size);
}

static int check_unmap_range(struct type1 *t, struct unmap *u)
{
	uint64_t last;

	if (!is_aligned(u->iova, PAGE_SIZE))
		return no(t, EINVAL, "T1U.5", "iova", u->iova, "a multiple of 4096");
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (u->iova || u->size)
			return no(t, EINVAL, "T1U.6", "iova", u->iova, "iova 0 and size 0 with ALL");
		u->size = U64MAX;
		return 0;
	}
	if (!u->size || !is_aligned(u->size, PAGE_SIZE))
		return no(t, EINVAL, "T1U.7", "size", u->size, "a multiple of 4096, not 0");
	if (__builtin_add_overflow(u->iova, u->size - 1, &last))
		return no(t, EOVERFLOW, "T1U.8", "iova", u->iova, "iova + size - 1 within 64 bits");
	if ((u->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) &&
	    (!t->tracking || u->bitmap.pgsize != PAGE_SIZE))
		return no(t, EINVAL, "T1U.9", "pgsize", u->bitmap.pgsize,
			  "4096, and dirty tracking started");
	return 0;
}

/* T1U.10: v2 refuses to begin or end inside a mapping. */
static int check_edges(struct type1 *t, uint64_t start, uint64_t last)
{
	struct dma *d = dma_at(t, start);

	if (d && d->iova != start)
		return no(t, EINVAL, "T1U.10", "iova", start, "%#llx, where the mapping begins",
			  (unsigned long long)d->iova);
	d = dma_at(t, last);
	if (d && d->iova + d->size - 1 != last)
		return no(t, EINVAL, "T1U.10", "size", last - start + 1, "an end at %#llx, where the mapping ends",
			  (unsigned long long)(d->iova + d->size));
	return 0;
}

static void remove_dma(struct type1 *t, struct dma *d)
{
	uint64_t unmapped;

	space_unmap(t->space, d->iova, d->size, &unmapped);
	range_erase(&t->dmas, d->iova, NULL);
	if (d->vaddr_invalid)
		t->nr_vaddr_invalid--;
	t->avail++;
	ioas_free(d);
}

/* 11.3: v1 stops for good at a mapping that begins before the request, which is the first if it is any. */
static bool first_dma(struct type1 *t, uint64_t start, uint64_t last, struct range *r)
{
	return range_first_overlap(&t->dmas, start, last, r) && r->start >= start;
}

/* T1U.12: all or nothing. *@done becomes the bytes whose vaddr went. */
static int invalidate_vaddrs(struct type1 *t, uint64_t start, uint64_t last, uint64_t *done)
{
	struct range r;

	for (bool more = first_dma(t, start, last, &r); more; more = range_next_overlap(&t->dmas, last, &r))
		if (((struct dma *)r.value)->vaddr_invalid)
			return no(t, EINVAL, "T1U.12", "iova", r.start, "mappings with a valid vaddr");
	for (bool more = first_dma(t, start, last, &r); more; more = range_next_overlap(&t->dmas, last, &r)) {
		struct dma *d = r.value;

		d->vaddr_invalid = true;
		t->nr_vaddr_invalid++;
		tell_vaddr(t, d);
		*done += d->size;
	}
	return 0;
}

static int unmap_dmas(struct type1 *t, struct unmap *u, uint64_t last, struct caller *c, uint64_t *done)
{
	const bool dirty = u->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	struct range r;
	int rc = 0;

	for (bool more = range_first_overlap(&t->dmas, u->iova, last, &r); more && !rc;
	     more = range_next_overlap(&t->dmas, last, &r)) {
		struct dma *d = r.value;

		/* 11.3: v1 stops for good at a mapping that begins before the request. */
		if (!t->v2 && d->iova < u->iova)
			break;
		if (dirty)
			rc = type1_report_dirty(t, d, u->iova, (uint64_t)(uintptr_t)u->bitmap.data, c);
		if (rc)
			break;
		*done += d->size;
		remove_dma(t, d);
	}
	return rc;
}

long type1_unmap_dma(struct type1 *t, uint64_t arg, struct caller *c)
{
	struct unmap u = {0};
	uint64_t last, done = 0;
	int rc;

	rc = vfio_copy_in(c, &t->host->sink, "T1U.1", arg, &u, UNMAP_MIN);
	if (!rc)
		rc = check_unmap_flags(t, &u, arg, c);
	if (!rc)
		rc = check_unmap_range(t, &u);
	if (rc)
		return rc;
	last = u.flags & VFIO_DMA_UNMAP_FLAG_ALL ? U64MAX : u.iova + u.size - 1;
	if (t->v2 && !(u.flags & VFIO_DMA_UNMAP_FLAG_ALL))
		rc = check_edges(t, u.iova, last);
	if (rc)
		return rc;
	if (u.flags & VFIO_DMA_UNMAP_FLAG_VADDR)
		rc = invalidate_vaddrs(t, u.iova, last, &done);
	else
		rc = unmap_dmas(t, &u, last, c, &done);
	if (rc)
		return rc;
	if (!(u.flags & (VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR)) && done < u.size)
		OBSERVE(&t->host->sink, short_unmap, t->space, u.iova, u.size, done);
	u.size = done;
	return vfio_copy_out(c, &t->host->sink, "T1U.1", arg, &u, UNMAP_MIN);
}

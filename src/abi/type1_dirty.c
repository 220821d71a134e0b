/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DIRTY_PAGES of type1: semantics 11.4. No group here limits itself to pinned pages, so every page of a mapping counts as dirty.
 */
#include <errno.h>

#include "abi/type1.h"

#define no(t, err, rule, field, value, ...) refuse(&(t)->host->sink, err, rule, field, value, __VA_ARGS__)

#define USER_HALF	   BIT(47)
#define MAX_BITMAP_PAGES   INT32_MAX
#define BYTES_FOR(nr_bits) (((nr_bits) + 63) / 64 * 8)

int type1_check_bitmap(struct type1 *t, const char *rule, const struct vfio_bitmap *b, uint64_t size)
{
	uint64_t addr = (uint64_t)(uintptr_t)b->data;
	uint64_t end;

	if (__builtin_add_overflow(addr, b->size, &end) || end > USER_HALF)
		return no(t, EINVAL, rule, "bitmap.data", addr, "an address of user space");
	if (!b->pgsize || !is_pow2(b->pgsize))
		return no(t, EINVAL, rule, "bitmap.pgsize", b->pgsize, "4096");
	if (!(size / b->pgsize) || !b->size || b->size > TYPE1_MAX_BITMAP ||
	    b->size < BYTES_FOR(size / b->pgsize))
		return no(t, EINVAL, rule, "bitmap.size", b->size, "%llu to 268435456 bytes",
			  (unsigned long long)BYTES_FOR(size / b->pgsize));
	return 0;
}

static int write_ones(struct caller *c, uint64_t addr, uint64_t words)
{
	uint64_t ones[64];
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ones); i++)
		ones[i] = U64MAX;
	while (words && !rc) {
		uint64_t n = min_u64(words, ARRAY_SIZE(ones));

		rc = copy_out(c, addr, ones, n * 8);
		addr += n * 8;
		words -= n;
	}
	return rc;
}

/* Whole words are written: what stood before the mapping's first bit stays, what stands behind its last is cleared. */
int type1_report_dirty(struct type1 *t, const struct dma *d, uint64_t iova, uint64_t bitmap, struct caller *c)
{
	uint64_t first = (d->iova - iova) / PAGE_SIZE, end = first + d->size / PAGE_SIZE;
	uint64_t word = first / 64, last_word = (end - 1) / 64;
	uint64_t head = 0, bits;
	int rc = 0;

	if (first % 64) {
		if (copy_in(c, &head, bitmap + word * 8, 8))
			return no(t, EFAULT, "T1D.GET6", "bitmap.data", bitmap, "readable and writable memory");
		head &= MASK(first % 64);
	}
	for (; word <= last_word && !rc; word++) {
		uint64_t n = end - word * 64;

		bits = MASK(n > 64 ? 64 : n);
		if (word == first / 64)
			bits = (bits & ~MASK(first % 64)) | head;
		if (word > first / 64 && word < last_word) {
			rc = write_ones(c, bitmap + word * 8, last_word - word);
			word = last_word - 1;
			continue;
		}
		rc = copy_out(c, bitmap + word * 8, &bits, 8);
	}
	return rc ? no(t, EFAULT, "T1D.GET6", "bitmap.data", bitmap, "writable memory") : 0;
}

static int start_tracking(struct type1 *t)
{
	struct range r;

	if (t->tracking)
		return 0;
	for (bool more = range_first(&t->dmas, &r); more; more = range_next(&t->dmas, &r))
		if ((r.last - r.start + 1) / PAGE_SIZE > MAX_BITMAP_PAGES)
			return no(t, EINVAL, "T1D.START", "flags", VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
				  "mappings of at most %d pages", MAX_BITMAP_PAGES);
	t->tracking = true;
	return 0;
}

static int check_range(struct type1 *t, const struct vfio_iommu_type1_dirty_bitmap_get *g)
{
	uint64_t last;
	int rc;

	if (g->size && __builtin_add_overflow(g->iova, g->size - 1, &last))
		return no(t, EOVERFLOW, "T1D.GET2", "iova", g->iova, "iova + size - 1 within 64 bits");
	if (!g->size)
		return no(t, EINVAL, "T1D.GET2", "size", 0, "at least one page");
	rc = type1_check_bitmap(t, "T1D.GET3", &g->bitmap, g->size);
	if (rc)
		return rc;
	if (g->bitmap.pgsize != PAGE_SIZE)
		return no(t, EINVAL, "T1D.GET3", "pgsize", g->bitmap.pgsize, "4096");
	if (!is_aligned(g->iova | g->size, PAGE_SIZE))
		return no(t, EINVAL, "T1D.GET3", "iova", g->iova, "iova and size in multiples of 4096");
	if (!t->tracking)
		return no(t, EINVAL, "T1D.GET4", "flags", VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
			  "dirty tracking started");
	return 0;
}

/* GET 5: the range must not cut a mapping. */
static int check_edges(struct type1 *t, uint64_t start, uint64_t last)
{
	struct range r;

	if ((range_find(&t->dmas, start, &r) && r.start != start) ||
	    (range_find(&t->dmas, last, &r) && r.last != last))
		return no(t, EINVAL, "T1D.GET5", "iova", start, "whole mappings; there is [%#llx, %#llx]",
			  (unsigned long long)r.start, (unsigned long long)r.last);
	return 0;
}

static long get_bitmap(struct type1 *t, uint32_t argsz, uint64_t arg, struct caller *c)
{
	const size_t min = sizeof(struct vfio_iommu_type1_dirty_bitmap);
	struct vfio_iommu_type1_dirty_bitmap_get get;
	struct range r;
	uint64_t last;
	int rc;

	if (argsz < min + sizeof(get))
		return no(t, EINVAL, "T1D.GET1", "argsz", argsz, "at least %zu", min + sizeof(get));
	if (copy_in(c, &get, arg + min, sizeof(get)))
		return no(t, EFAULT, "T1D.GET1", "data", arg + min, "a readable structure");
	rc = check_range(t, &get);
	if (rc)
		return rc;
	last = get.iova + get.size - 1;
	rc = check_edges(t, get.iova, last);
	for (bool more = !rc && range_first_overlap(&t->dmas, get.iova, last, &r); more && !rc;
	     more = range_next_overlap(&t->dmas, last, &r))
		rc = type1_report_dirty(t, r.value, get.iova, (uint64_t)(uintptr_t)get.bitmap.data, c);
	return rc;
}

long type1_dirty_pages(struct type1 *t, uint64_t arg, struct caller *c)
{
	const uint32_t all = VFIO_IOMMU_DIRTY_PAGES_FLAG_START | VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP |
			     VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	struct vfio_iommu_type1_dirty_bitmap d;
	int rc;

	if (!t->v2)
		return no(t, EACCES, "T1D.1", "command", VFIO_IOMMU_DIRTY_PAGES, "a container of TYPE1v2");
	rc = vfio_copy_in(c, &t->host->sink, "T1D.2", arg, &d, sizeof(d));
	if (rc)
		return rc;
	if ((d.flags & ~all) || !is_pow2(d.flags))
		return no(t, EINVAL, "T1D.2", "flags", d.flags, "one of START 1, STOP 2, GET_BITMAP 4");
	if (d.flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START)
		return start_tracking(t);
	if (d.flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP)
		return get_bitmap(t, d.argsz, arg, c);
	t->tracking = false;
	return 0;
}

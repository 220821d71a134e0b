/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a DMA goes. The hit path is what every DMA of every device takes: it writes its result and
 * one counter.
 */
#include <errno.h>

#include "iommu/domain.h"
#include "iommu/requester.h"

/* One request that the IOTLB could not answer. */
struct miss {
	struct requester *r;
	struct binding *binding;
	uint64_t iova, len;
	enum iommu_access access;
	struct translation *out;
};

static int miss_fault(const struct miss *m, enum iommu_fault_reason reason)
{
	return iommu_report_fault(m->r, m->binding->pasid, m->iova, m->len, m->access, reason);
}

/*
 * The window of interrupt messages, which are not translated, whatever is attached (VT-d 3.14,
 * AMD 2.1.2); not every make has one. A request with a PASID is never one.
 */
static const struct iommu_region *messages_of(const struct miss *m)
{
	const struct iommu_region *window = &m->r->iommu->msi;

	return m->binding->pasid || window->start > window->last ? NULL : window;
}

static int miss_msi(const struct miss *m, const struct iommu_region *window)
{
	if (m->access != IOMMU_WRITE)
		return miss_fault(m, FAULT_MSI);
	*m->out = (struct translation){
		.pa = m->iova,
		.len = min_u64(m->len, window->last - m->iova + 1),
		.msi = true,
	};
	return 0;
}

/* Permissions first: a request that fails leaves no mark. -EAGAIN: the leaf changed under us. */
static int check_and_mark(const struct miss *m, struct pt *pt, struct pt_leaf *leaf)
{
	bool write = m->access & IOMMU_WRITE;

	if (write && !(leaf->prot & PT_WRITE))
		return miss_fault(m, FAULT_WRITE);
	if (m->access & IOMMU_READ && !(leaf->prot & PT_READ))
		return miss_fault(m, FAULT_READ);
	if (!pt_dirty_tracking(pt) || (write ? leaf->dirty : leaf->accessed))
		return 0;
	if (pt_mark(pt, m->iova, write))
		return -EAGAIN;
	leaf->accessed = true;
	leaf->dirty |= write;
	return 0;
}

/* The leaf for the request, marked as its access wants. 0 or a fault's -EFAULT. */
static int walk(const struct miss *m, struct pt *pt, struct pt_leaf *leaf)
{
	int rc;

	do {
		rc = pt_translate(pt, m->iova, leaf);
		if (rc)
			return miss_fault(m, rc == -ERANGE ? FAULT_ADDRESS : FAULT_NOT_PRESENT);
		rc = check_and_mark(m, pt, leaf);
	} while (rc == -EAGAIN);
	return rc;
}

/*
 * While writes are tracked, only a page that is marked dirty may be written without asking the
 * table again. (Whoever switches tracking on, or clears the marks, invalidates then.)
 */
static unsigned int cached_perms(const struct pt *pt, const struct pt_leaf *leaf)
{
	return leaf->prot &
	       (pt_dirty_tracking(pt) && !leaf->dirty ? IOMMU_READ : IOMMU_READ | IOMMU_WRITE);
}

/*
 * May the page of @size around the request be one entry? Then it lies within the leaf, clear of the
 * interrupt window (hits do not look for it), and all of it is still the program's.
 */
static bool fits(const struct miss *m, const struct pt_leaf *leaf, const struct memory_slot *slot,
		 enum iotlb_size size)
{
	const struct iommu_region *msi = messages_of(m);
	uint64_t bytes = BIT(iotlb_shift(size)), start = align_down(m->iova, bytes);

	if (leaf->lg2 < iotlb_shift(size))
		return false;
	if (msi && start <= msi->last && start + (bytes - 1) >= msi->start)
		return false;
	return !slot->has_stale || !memory_stale(m->r->memory, align_down(leaf->pa, bytes), bytes);
}

/* A leaf of less than a page is not cached. */
static int answer_small(const struct miss *m, const struct pt_leaf *leaf,
			const struct memory_slot *slot)
{
	uint64_t left = BIT(leaf->lg2) - (m->iova & MASK(leaf->lg2));

	if (slot->has_stale && memory_stale(m->r->memory, leaf->pa, 1))
		return miss_fault(m, FAULT_GONE);
	*m->out = (struct translation){
		.slot = slot,
		.ptr = slot->base + (leaf->pa & MEMORY_SLOT_MASK),
		.len = min_u64(m->len, left),
	};
	return 0;
}

/* The answer is one page of an IOTLB size, so that a miss and a hit answer alike. */
static int answer_memory(const struct miss *m, const struct pt *pt, const struct pt_leaf *leaf,
			 const struct memory_slot *slot)
{
	enum iotlb_size size = IOTLB_1G;
	uint64_t mask;
	char *page;

	if (unlikely(leaf->lg2 < iotlb_shift(IOTLB_4K)))
		return answer_small(m, leaf, slot);
	while (!fits(m, leaf, slot, size)) {
		if (size == IOTLB_4K)
			return miss_fault(m, FAULT_GONE);
		size--;
	}
	mask = MASK(iotlb_shift(size));
	page = slot->base + (leaf->pa & ~mask & MEMORY_SLOT_MASK);
	if (iotlb_can_hold(page))
		iotlb_fill(&m->r->iotlb, &m->binding->tlb, m->iova, size, page,
			   (uint16_t)(leaf->pa >> MEMORY_SLOT_SHIFT), cached_perms(pt, leaf));
	*m->out = (struct translation){
		.slot = slot,
		.ptr = page + (m->iova & mask),
		.len = min_u64(m->len, mask + 1 - (m->iova & mask)),
	};
	return 0;
}

/* A BAR is not cached: each access looks whether it still answers. */
static int answer_bar(const struct miss *m, const struct pt_leaf *leaf,
		      const struct memory_slot *slot)
{
	uint64_t left = BIT(leaf->lg2) - (m->iova & MASK(leaf->lg2));

	*m->out = (struct translation){
		.slot = slot,
		.pa = leaf->pa,
		.len = min_u64(m->len,
			       min_u64(left, MEMORY_SLOT_SIZE - (leaf->pa & MEMORY_SLOT_MASK))),
	};
	return 0;
}

static int translate_miss(const struct miss *m)
{
	const struct iommu_region *msi = messages_of(m);
	const struct memory_slot *slot;
	struct pt_leaf leaf;
	struct domain *d;
	int rc;

	stat_add(&m->r->stats.misses, 1);
	if (msi && m->iova >= msi->start && m->iova <= msi->last)
		return miss_msi(m, msi);
	d = __atomic_load_n(&m->binding->domain, __ATOMIC_ACQUIRE);
	if (!d)
		return miss_fault(m, FAULT_BLOCKED);
	if (domain_is_nested(d))
		return miss_fault(m, FAULT_NOT_PRESENT);
	rc = walk(m, d->pt, &leaf);
	if (rc)
		return rc;
	slot = memory_slot(m->r->memory, leaf.pa);
	switch ((enum memory_kind)slot->kind) {
	case MEMORY_PRIVATE:
	case MEMORY_REGISTERED:
	case MEMORY_SHARED:
	case MEMORY_FILE:
	case MEMORY_FOREIGN:
		return answer_memory(m, d->pt, &leaf, slot);
	case MEMORY_BAR:
		return answer_bar(m, &leaf, slot);
	case MEMORY_FREE:
	case MEMORY_TABLE:
	case MEMORY_GONE:
		break;
	}
	return miss_fault(m, FAULT_GONE);
}

/* From an entry that permits the access. */
static inline __attribute__((always_inline)) int answer_hit(struct requester *r, uint64_t iova,
							    uint64_t len, uint64_t val,
							    unsigned int shift,
							    struct translation *out)
{
	uint64_t bytes = BIT(shift), offset = iova & (bytes - 1);

	stat_add(&r->stats.hits, 1);
	out->slot = &r->slots[val >> 48];
	out->ptr = (char *)(uintptr_t)(val & IOTLB_PTR_MASK) + offset;
	out->len = min_u64(len, bytes - offset);
	out->msi = false;
	return 0;
}

/* Commands to apply, another page size than last time, or a miss. Apart, so that the common hit
 * saves no registers. */
static __attribute__((noinline)) int translate_slow(struct requester *r, struct binding *b,
						    uint64_t iova, uint64_t len,
						    enum iommu_access access,
						    struct translation *out)
{
	unsigned int shift;
	uint64_t val;

	requester_catch_up(r);
	val = iotlb_find(&r->iotlb, &b->tlb, iova, &shift);
	if ((val & access) == access)
		return answer_hit(r, iova, len, val, shift, out);
	return translate_miss(&(struct miss){r, b, iova, len, access, out});
}

int iommu_translate(struct requester *r, uint64_t iova, uint64_t len, enum iommu_access access,
		    struct translation *out)
{
	struct binding *b = &r->rid;
	unsigned int shift = b->tlb.recent_shift;
	uint64_t val;

	if (unlikely(requester_has_news(r)))
		return translate_slow(r, b, iova, len, access, out);
	val = iotlb_probe(&r->iotlb, &b->tlb, iova, shift, b->tlb.recent_name);
	if (unlikely((val & access) != access))
		return translate_slow(r, b, iova, len, access, out);
	return answer_hit(r, iova, len, val, shift, out);
}

int iommu_translate_pasid(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			  enum iommu_access access, struct translation *out)
{
	struct binding *b;
	uint64_t val;

	if (!pasid)
		return iommu_translate(r, iova, len, access, out);
	/* Before the table: what was detached has been forgotten when its binding serves another
	 * PASID. */
	requester_catch_up(r);
	b = pasid_find(r, pasid);
	if (unlikely(!b)) {
		stat_add(&r->stats.misses, 1);
		return iommu_report_fault(r, pasid, iova, len, access, FAULT_BLOCKED);
	}
	val = iotlb_probe(&r->iotlb, &b->tlb, iova, b->tlb.recent_shift, b->tlb.recent_name);
	if (unlikely((val & access) != access))
		return translate_slow(r, b, iova, len, access, out);
	return answer_hit(r, iova, len, val, b->tlb.recent_shift, out);
}

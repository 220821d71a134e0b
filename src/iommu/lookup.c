/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See lookup.h. A miss of the IOTLB spends its time here.
 */
#include "iommu/lookup.h"

#include <errno.h>

static bool no_way(struct lookup *l, enum iommu_fault_reason reason)
{
	l->reason = reason;
	return false;
}

/* Permissions first: a request that fails leaves no mark. */
static bool is_permitted(struct lookup *l, const struct pt_leaf *leaf)
{
	if (l->access & IOMMU_WRITE && !(leaf->prot & PT_WRITE))
		return no_way(l, FAULT_WRITE);
	if (l->access & IOMMU_READ && !(leaf->prot & PT_READ))
		return no_way(l, FAULT_READ);
	return true;
}

/* False: the leaf changed under us. */
static bool mark(const struct lookup *l, struct pt_leaf *leaf)
{
	bool write = l->access & IOMMU_WRITE;

	if (!pt_dirty_tracking(l->pt) || (write ? leaf->dirty : leaf->accessed))
		return true;
	if (pt_mark(l->pt, l->addr, write))
		return false;
	leaf->accessed = true;
	leaf->dirty |= write;
	return true;
}

/* The leaf for the request, marked as its access wants. */
static bool walk(struct lookup *l, struct pt_leaf *leaf)
{
	int rc;

	do {
		rc = pt_translate(l->pt, l->addr, leaf);
		if (rc)
			return no_way(l, rc == -ERANGE ? FAULT_ADDRESS : FAULT_NOT_PRESENT);
		if (!is_permitted(l, leaf))
			return false;
	} while (unlikely(!mark(l, leaf)));
	return true;
}

/*
 * While writes are tracked, only a page that is marked dirty may be written without asking the
 * table again. (Whoever switches tracking on, or clears the marks, invalidates then.)
 */
static unsigned int lasting_perms(const struct pt *pt, const struct pt_leaf *leaf)
{
	return leaf->prot &
	       (pt_dirty_tracking(pt) && !leaf->dirty ? IOMMU_READ : IOMMU_READ | IOMMU_WRITE);
}

/*
 * May the page of @size around the address be one? Then it lies within the leaf, clear of the
 * interrupt window (hits do not look for it), and all of it is still the program's.
 */
static bool fits(const struct lookup *l, const struct pt_leaf *leaf, enum iotlb_size size)
{
	uint64_t bytes = BIT(iotlb_shift(size)), start = align_down(l->addr, bytes);

	if (leaf->lg2 < iotlb_shift(size))
		return false;
	if (l->clear_of && start <= l->clear_of->last && start + (bytes - 1) >= l->clear_of->start)
		return false;
	return !memory_has_stale(l->slot) ||
	       !memory_stale(l->r->memory, align_down(leaf->pa, bytes), bytes);
}

/* The answer is one page of an IOTLB size, so that a miss and a hit answer alike; or a leaf that is
 * smaller. */
static bool found_memory(struct lookup *l, const struct pt_leaf *leaf)
{
	enum iotlb_size size = IOTLB_1G;

	l->ptr = l->slot->base + (leaf->pa & MEMORY_SLOT_MASK);
	if (unlikely(leaf->lg2 < iotlb_shift(IOTLB_4K))) {
		if (memory_has_stale(l->slot) && memory_stale(l->r->memory, leaf->pa, 1))
			return no_way(l, FAULT_GONE);
		l->lg2 = leaf->lg2;
		return true;
	}
	while (!fits(l, leaf, size)) {
		if (size == IOTLB_4K)
			return no_way(l, FAULT_GONE);
		size--;
	}
	l->lg2 = (uint8_t)iotlb_shift(size);
	return true;
}

bool lookup(struct lookup *l)
{
	struct pt_leaf leaf;

	if (!walk(l, &leaf))
		return false;
	l->pa = leaf.pa;
	l->perms = lasting_perms(l->pt, &leaf);
	l->leaf_lg2 = leaf.lg2;
	l->slot = memory_slot(l->r->memory, leaf.pa);
	switch ((enum memory_kind)l->slot->kind) {
	case MEMORY_PRIVATE:
	case MEMORY_REGISTERED:
	case MEMORY_SHARED:
	case MEMORY_FILE:
	case MEMORY_FOREIGN:
	case MEMORY_DIRECT:
		return found_memory(l, &leaf);
	case MEMORY_BAR:
		l->ptr = NULL;
		l->lg2 = (uint8_t)min_u64(leaf.lg2, MEMORY_SLOT_SHIFT);
		return true;
	case MEMORY_FREE:
	case MEMORY_TABLE:
	case MEMORY_GONE:
		break;
	}
	return no_way(l, FAULT_GONE);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a DMA goes. The hit path is what every DMA of every device takes: it writes its result and
 * one counter.
 */
#include <errno.h>

#include "iommu/domain.h"
#include "iommu/nested_cache.h"
#include "iommu/translate.h"

/* One request that the IOTLB could not answer. */
struct miss {
	struct requester *r;
	struct binding *binding;
	uint64_t iova, len;
	enum iommu_access access;
	struct translation *out;
	bool ats; /* a translation request */
};

static int miss_fault(const struct miss *m, enum iommu_fault_reason reason)
{
	if (m->ats)
		return -ENOENT;
	return iommu_report_fault(m->r, m->binding->pasid, m->iova, m->len, m->access, reason);
}

/* The answer, after keeping it for the next one where it is a page. */
static int answer(const struct miss *m, const struct lookup *l)
{
	uint64_t mask = BIT(l->lg2) - 1, offset = m->iova & mask;
	char *page;

	if (unlikely(!l->ptr)) { /* each access looks whether the BAR still answers */
		*m->out = (struct translation){
			.slot = l->slot, .pa = l->pa, .len = min_u64(m->len, mask + 1 - offset)};
		return 0;
	}
	page = l->ptr - offset;
	if (likely(l->lg2 >= PAGE_SHIFT) && iotlb_can_hold(page))
		iotlb_fill(&m->r->iotlb, &m->binding->own, m->iova, iotlb_size_of(l->lg2), page,
			   (uint16_t)(l->pa >> MEMORY_SLOT_SHIFT), l->perms);
	*m->out = (struct translation){
		.slot = l->slot, .ptr = l->ptr, .len = min_u64(m->len, mask + 1 - offset)};
	return 0;
}

static int translate_miss(const struct miss *m)
{
	const struct iommu_region *msi = messages_of(m->r, m->binding->pasid);
	struct lookup l; /* lookup() fills in what it found */
	struct domain *d = __atomic_load_n(&m->binding->domain, __ATOMIC_ACQUIRE);

	if (d && unlikely(d->nested != NULL))
		return nested_translate(&(struct nested_request){m->r, m->binding, d,
								 m->binding->pasid, m->iova, m->len,
								 m->access, m->ats},
					m->out);
	stat_add(&m->r->stats.misses, 1);
	if (msi && m->iova >= msi->start && m->iova <= msi->last)
		return translate_message(m->r, m->iova, m->len, m->access, m->out);
	if (!d)
		return miss_fault(m, FAULT_BLOCKED);
	l.r = m->r;
	l.pt = d->pt;
	l.clear_of = msi;
	l.addr = m->iova;
	l.access = m->access & (IOMMU_READ | IOMMU_WRITE);
	if (!lookup(&l))
		return miss_fault(m, l.reason);
	return answer(m, &l);
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
	val = iotlb_find(&r->iotlb, b->tlb, iova, &shift);
	if ((val & access) == access)
		return answer_hit(r, iova, len, val, shift, out);
	return translate_miss(&(struct miss){r, b, iova, len, access, out, false});
}

int iommu_translate(struct requester *r, uint64_t iova, uint64_t len, enum iommu_access access,
		    struct translation *out)
{
	struct binding *b = &r->rid;
	const struct iotlb_context *c = b->tlb;
	unsigned int shift = c->recent_shift;
	uint64_t val;

	if (unlikely(requester_has_news(r)))
		return translate_slow(r, b, iova, len, access, out);
	val = iotlb_probe(&r->iotlb, c, iova, shift, c->recent_name);
	if (unlikely((val & access) != access))
		return translate_slow(r, b, iova, len, access, out);
	return answer_hit(r, iova, len, val, shift, out);
}

/* A PASID that nobody attached: the guest's, where it has the PASID table of the RID's domain. */
static __attribute__((noinline)) int translate_unattached(struct requester *r, uint32_t pasid,
							  uint64_t iova, uint64_t len,
							  enum iommu_access access,
							  struct translation *out)
{
	struct binding *b = &r->rid;
	struct domain *d = __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE);
	struct nested_config *cfg;
	unsigned int shift;
	uint64_t val;

	if (!d || !d->nested || !d->nested->pasids) {
		stat_add(&r->stats.misses, 1);
		return iommu_report_fault(r, pasid, iova, len, access, FAULT_BLOCKED);
	}
	cfg = nested_config_find(r, b, pasid);
	if (cfg) {
		val = iotlb_find(&r->iotlb, &cfg->space->leaves, iova, &shift);
		if ((val & access) == access)
			return answer_hit(r, iova, len, val, shift, out);
	}
	return nested_translate(&(struct nested_request){r, b, d, pasid, iova, len, access}, out);
}

/* Apart, so that the other kind of request saves no registers. */
static __attribute__((noinline)) int translate_with_pasid(struct requester *r, uint32_t pasid,
							  uint64_t iova, uint64_t len,
							  enum iommu_access access,
							  struct translation *out)
{
	const struct iotlb_context *c;
	struct binding *b;
	uint64_t val;

	/* Before the table: what was detached has been forgotten when its binding serves another
	 * PASID. */
	requester_catch_up(r);
	b = pasid_find(r, pasid);
	if (unlikely(!b))
		return translate_unattached(r, pasid, iova, len, access, out);
	c = b->tlb;
	val = iotlb_probe(&r->iotlb, c, iova, c->recent_shift, c->recent_name);
	if (unlikely((val & access) != access))
		return translate_slow(r, b, iova, len, access, out);
	return answer_hit(r, iova, len, val, c->recent_shift, out);
}

int iommu_translate_pasid(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			  enum iommu_access access, struct translation *out)
{
	if (unlikely(pasid))
		return translate_with_pasid(r, pasid, iova, len, access, out);
	return iommu_translate(r, iova, len, access, out);
}

/* The binding that requests with @pasid go by, and the nested domain whose PASID it is if nobody
 * attached it. */
static struct binding *binding_of(struct requester *r, uint32_t pasid, struct domain **guest)
{
	struct binding *b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);
	struct domain *d;

	*guest = NULL;
	if (b)
		return b;
	d = __atomic_load_n(&r->rid.domain, __ATOMIC_ACQUIRE);
	if (d && d->nested && d->nested->pasids)
		*guest = d;
	return &r->rid;
}

struct domain *translate_domain(struct requester *r, uint32_t pasid, struct binding **b)
{
	struct domain *guest;

	*b = binding_of(r, pasid, &guest);
	if (guest)
		return guest;
	return (*b)->pasid == pasid ? __atomic_load_n(&(*b)->domain, __ATOMIC_ACQUIRE) : NULL;
}

int translate_request(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
		      enum iommu_access access, struct translation *out)
{
	struct domain *guest;
	struct binding *b = binding_of(r, pasid, &guest);

	if (guest)
		return nested_translate(
			&(struct nested_request){r, b, guest, pasid, iova, len, access, true}, out);
	if (b->pasid != pasid)
		return -ENOENT;
	return translate_miss(&(struct miss){r, b, iova, len, access, out, true});
}

uint64_t translate_peek(struct requester *r, uint32_t pasid, uint64_t iova, unsigned int *shift)
{
	struct domain *guest;
	struct binding *b = binding_of(r, pasid, &guest);
	struct nested_config *cfg = guest ? nested_config_find(r, b, pasid) : NULL;

	return iotlb_find(&r->iotlb, cfg ? &cfg->space->leaves : b->tlb, iova, shift);
}

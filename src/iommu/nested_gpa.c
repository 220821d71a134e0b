/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See nested_gpa.h. Whoever answered still holds the answer: the device's cache, the leaves of the
 * guest's space by the address as it came or as the make knows it, the global ones; or the walk,
 * where nothing may be kept.
 */
#include "iommu/nested_gpa.h"

#include "iommu/nested_cache.h"
#include "iommu/translate.h"

static bool in_leaves(const struct requester *r, const struct iotlb_context *c, uint64_t va,
		      const char *ptr, uint64_t *gpa)
{
	*gpa = iotlb_find_note(&r->iotlb, c, va, ptr);
	return *gpa != IOTLB_NO_NOTE;
}

static bool in_space(const struct requester *r, const struct domain *d,
		     const struct nested_config *cfg, uint64_t iova, const char *ptr, uint64_t *gpa)
{
	const struct nested_space *s = cfg->space;
	uint64_t va, within;

	if (cfg->ctx.bypass) {
		*gpa = iova;
		return true;
	}
	if (in_leaves(r, &s->leaves, iova, ptr, gpa))
		return true;
	if (!d->nested->select(&cfg->ctx, iova, &va, &within))
		return false;
	return (va != iova && in_leaves(r, &s->leaves, va, ptr, gpa)) ||
	       in_leaves(r, &s->global, va, ptr, gpa);
}

/* NULL: no guest's tables translate that, or there are no notes. */
static const struct nested_config *config_of(struct requester *r, uint32_t pasid,
					     const struct domain **d)
{
	struct binding *b;

	if (!__atomic_load_n(&r->nested, __ATOMIC_ACQUIRE) || !iotlb_has_notes(&r->iotlb))
		return NULL;
	*d = translate_domain(r, pasid, &b);
	if (!*d || !(*d)->nested || !(*d)->nested->resolve)
		return NULL;
	return nested_config_find(r, b, pasid);
}

bool nested_gpa_by_iotlb(struct requester *r, uint32_t pasid, uint64_t iova, const char *ptr,
			 uint64_t *gpa)
{
	const struct domain *d;
	const struct nested_config *cfg = config_of(r, pasid, &d);

	return cfg && in_space(r, d, cfg, iova, ptr, gpa);
}

static bool by_walk(const struct nested_walked *w, uint32_t pasid, uint64_t iova,
		    const struct translation *tr, uint64_t *gpa)
{
	*gpa = w->gpa;
	return w->pasid == pasid && w->iova == iova && w->ptr == tr->ptr &&
	       (tr->ptr || w->pa == tr->pa);
}

static bool by_atc(const struct requester *r, uint32_t pasid, uint64_t iova, const char *ptr,
		   uint64_t *gpa)
{
	*gpa = atc_find_note(r->atc, pasid, iova, ptr);
	return *gpa != IOTLB_NO_NOTE;
}

bool nested_find_gpa(struct requester *r, uint32_t pasid, uint64_t iova,
		     const struct translation *tr, uint64_t *gpa)
{
	const struct domain *d;
	const struct nested_config *cfg = config_of(r, pasid, &d);

	if (!cfg)
		return false;
	if (__atomic_load_n(&r->ats, __ATOMIC_RELAXED) && by_atc(r, pasid, iova, tr->ptr, gpa))
		return true;
	return in_space(r, d, cfg, iova, tr->ptr, gpa) ||
	       by_walk(&r->nested->walked, pasid, iova, tr, gpa);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nested domain that Linux has for VT-d: first-stage tables of a guest's, named by the VMM with
 * the few flags of a PASID table entry that are the guest's business, upon a second stage of the
 * VMM's. Each such domain has a domain ID of its own, and each PASID that it is attached to its own
 * entries in the caches (6.2.4). A guest's domain IDs and its configuration structures are not seen
 * here; its faults are told to the host only, since Linux has no queue for them.
 */
#include <errno.h>
#include <ioas/abi/iommufd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/look.h"
#include "iommu/requester.h"
#include "iommu/vtd/context.h"

struct vtd_nested {
	struct domain domain;
	struct iommu_hwpt_vtd_s1 wish;
	struct vtd_stage stage; /* once vtd_nested_check() agreed to the wish */
	uint32_t did;
};

static struct vtd_nested *nested_of(const struct domain *d)
{
	return container_of(d, struct vtd_nested, domain);
}

static void s1_free(struct domain *d)
{
	ioas_free(nested_of(d));
}

/* 6.5.2.5: what page-selective invalidation of [@addr, + @npages) covers, a naturally aligned
 * power of two of pages; as in Linux, half of all addresses and more are all of them. */
static void psi_range(uint64_t addr, uint64_t npages, uint64_t *first, uint64_t *last)
{
	const uint64_t end = addr + (npages << PAGE_SHIFT) - 1;
	const unsigned int lg2 = addr ^ end ? log2_floor(addr ^ end) + 1 : 0;

	*first = lg2 >= 64 ? 0 : addr & ~MASK(max_u64(lg2, PAGE_SHIFT));
	*last = lg2 >= 64 ? U64MAX : *first | MASK(max_u64(lg2, PAGE_SHIFT));
}

/* The device TLBs, once no older translation can be given to them any more. */
static void forget_atcs(struct domain *d, uint64_t first, uint64_t last)
{
	struct list *pos, *tmp;

	lock_acquire(&d->lock);
	list_for_each (pos, tmp, &d->attachments) {
		struct binding *b = list_entry(pos, struct attachment, link)->binding;

		requester_forget_atc(b->requester, b->pasid, first, last);
	}
	lock_release(&d->lock);
}

static int check_entry(const struct iommu_hwpt_vtd_s1_invalidate *e)
{
	if (e->flags & ~(uint32_t)IOMMU_VTD_INV_FLAGS_LEAF || e->__reserved)
		return -EOPNOTSUPP;
	if (!is_aligned(e->addr, PAGE_SIZE) || (e->npages == U64MAX && e->addr))
		return -EINVAL;
	return 0;
}

static int invalidate_one(struct vtd_nested *n, const struct user_array *a, uint32_t index,
			  struct iommu_hwpt_vtd_s1_invalidate *e)
{
	struct nested_match match = {.any_asid = true, .did = n->did, .regime = VTD_REGIME_FIRST};
	uint64_t first, last;
	int rc = user_get_entry(a, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, index, e, sizeof(*e),
				sizeof(*e));

	if (!rc)
		rc = check_entry(e);
	if (rc)
		return rc;
	match.keep_tables = e->flags & IOMMU_VTD_INV_FLAGS_LEAF;
	psi_range(e->addr, e->npages, &first, &last);
	nested_forget(n->domain.parent, &match, first, last);
	return 0;
}

/* A device TLB is flushed of all that the entries covered at once. */
static int s1_invalidate(struct domain *d, const struct user_array *a, uint32_t *done)
{
	struct vtd_nested *n = nested_of(d);
	struct iommu_hwpt_vtd_s1_invalidate e;
	int rc = a->type == IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 ? 0 : -EINVAL;
	uint64_t first, last, low = U64MAX, high = 0;

	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		rc = invalidate_one(n, a, k, &e);
		if (rc)
			break;
		psi_range(e.addr, e.npages, &first, &last);
		low = min_u64(low, first);
		high = max_u64(high, last);
		++*done;
	}
	if (*done) {
		nested_sync(d->parent);
		forget_atcs(d, low, high);
	}
	return rc;
}

/* The entry that stands for the VMM's wish, as far as it is one. */
static void tell_entry(const struct nested_request *q, const struct vtd_nested *n)
{
	const struct vtd_stage *s = &n->stage;
	const uint64_t words[8] = {
		VTD_PASID_P | field_prep(VTD_PASID_PGTT, VTD_PGTT_NESTED),
		field_prep(VTD_PASID1_DID, n->did),
		(s->sre ? VTD_PASID2_SRE : 0) | (s->wpe ? VTD_PASID2_WPE : 0) |
			(s->eafe ? VTD_PASID2_EAFE : 0) |
			field_prep(VTD_PASID2_FSPM, s->regime.levels == 5) | s->regime.root_pa,
	};

	look_tell_given(q, &vtd_pasid_kind, words);
}

static int s1_resolve(const struct nested_request *q, struct nested_context *ctx)
{
	const struct vtd_nested *n = nested_of(q->domain);

	if (unlikely(q->look != NULL))
		tell_entry(q, n);
	ctx->tag = (struct nested_tag){.parent = n->domain.parent,
				       .did = n->did,
				       .asid = q->pasid,
				       .regime = VTD_REGIME_FIRST};
	*nested_note(ctx, struct vtd_stage) = n->stage;
	return 0;
}

static const struct vtd_stage *stage_of(const struct nested_context *ctx)
{
	return (const struct vtd_stage *)(const void *)ctx->note;
}

static const struct pt_regime *s1_select(const struct nested_context *ctx, uint64_t iova,
					 uint64_t *va, uint64_t *within)
{
	*va = *within = iova;
	return &stage_of(ctx)->regime;
}

static unsigned int s1_permits(const struct nested_context *ctx, const struct pt_walk *w,
			       unsigned int access)
{
	return vtd_stage_permits(stage_of(ctx), w, access);
}

static uint64_t s1_marked(const struct nested_context *ctx, uint64_t raw, bool table, bool dirty)
{
	return vtd_stage_marked(stage_of(ctx), raw, table, dirty);
}

static int s1_fault(const struct nested_request *q, const struct nested_context *ctx,
		    const struct nested_fault *f)
{
	const struct vtd_reason r = vtd_stage_reason(stage_of(ctx), q, f, true);

	return nested_host_fault(q, f, r.reason, r.code);
}

/* The VMM hands on what its guest's descriptors say: a page, and with it the device TLBs. */
static void s1_missing(const struct nested_request *q, const struct nested_context *ctx,
		       enum nested_stale what, char *buf, size_t len)
{
	snprintf(buf, len,
		 "IOMMU_HWPT_INVALIDATE of address %#llx (VTD_S1: the guest's PASID-based-IOTLB "
		 "Invalidate Descriptor, PASID %u)",
		 (unsigned long long)(q->iova & ~PAGE_MASK), ctx->tag.asid);
}

static const struct nested_ops s1_ops = {
	.free = s1_free,
	.invalidate = s1_invalidate,
	.resolve = s1_resolve,
	.select = s1_select,
	.permits = s1_permits,
	.marked = s1_marked,
	.fault = s1_fault,
	.missing = s1_missing,
};

/*
 * As Linux sets up the PASID table entry: no flag makes it let requests execute, nor gives XD a
 * meaning (NXE). XD is no reserved bit all the same, since guests set it wherever their own PASID
 * table entry has NXE.
 */
static void set_stage(struct vtd_nested *n, const struct vtd *v)
{
	const uint64_t flags = n->wish.flags;
	const unsigned int levels = n->wish.addr_width == 57 ? 5 : 4;

	n->stage = (struct vtd_stage){
		.regime = vtd_first_stage_regime(n->wish.pgtbl_addr & ~PAGE_MASK, levels,
						 v->cap & VTD_CAP_FS1GP),
		.sre = flags & IOMMU_VTD_S1_SRE,
		.wpe = flags & IOMMU_VTD_S1_SRE && flags & IOMMU_VTD_S1_WPE,
		.eafe = flags & IOMMU_VTD_S1_EAFE,
	};
	n->stage.regime.flags |= PT_WALK_NX;
}

/* 4.3, VT-d S1, at allocation; what the structure says is looked at when it is attached. */
int vtd_alloc_nested(struct requester *r, struct domain *parent, uint32_t flags,
		     const struct user_data *data, struct domain **out)
{
	struct iommu *i = requester_iommu(r);
	struct vtd *v = i->make_data;
	struct vtd_nested *n;
	int rc;

	if (!vtd_nests(v) || flags & ~(uint32_t)DOMAIN_PASID)
		return -EOPNOTSUPP;
	if (data->type != IOMMU_HWPT_DATA_VTD_S1)
		return -EOPNOTSUPP;
	if (parent->pt->ops != &pt_vtd_ss || !(parent->flags & DOMAIN_NEST_PARENT))
		return -EINVAL;
	n = ioas_calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	rc = user_get(data, IOMMU_HWPT_DATA_VTD_S1, &n->wish, sizeof(n->wish), sizeof(n->wish));
	if (rc) {
		ioas_free(n);
		return rc;
	}
	domain_init_nested(&n->domain, i, parent, &s1_ops);
	n->domain.flags = flags;
	n->did = __atomic_fetch_add(&v->nr_nested, 1, __ATOMIC_RELAXED);
	set_stage(n, v);
	*out = &n->domain;
	return 0;
}

int vtd_nested_check(const struct domain *d, const struct vtd *v)
{
	const struct iommu_hwpt_vtd_s1 *wish = &nested_of(d)->wish;

	if (d->nested != &s1_ops)
		return 0;
	if (wish->addr_width != 48 && !(wish->addr_width == 57 && v->cap & VTD_CAP_FS5LP))
		return -EINVAL;
	if (wish->flags & IOMMU_VTD_S1_SRE && !(v->ecap & VTD_ECAP_SRS))
		return -EINVAL;
	return wish->flags & IOMMU_VTD_S1_EAFE && !(v->ecap & VTD_ECAP_EAFS) ? -EINVAL : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/look.h"

#include <errno.h>

#include "iommu/requester.h"
#include "iommu/translate.h"

/* A look into a guest's tables goes by these, of the binding of the RID or of a PASID. */
static struct binding *binding_of(struct requester *r, uint32_t pasid)
{
	struct binding *b = &r->rid;

	if (pasid == IOMMU_NO_PASID)
		return b;
	lock_acquire(&r->iommu->lock);
	b = pasid_find(r, pasid);
	lock_release(&r->iommu->lock);
	return b;
}

/* *of_guest: the PASID is nobody's but the guest's whose tables the RID goes by. */
static struct binding *find_binding(struct requester *r, uint32_t pasid, bool *of_guest)
{
	struct binding *b = binding_of(r, pasid);
	const struct domain *d = requester_domain(r);

	*of_guest = !b;
	if (b)
		return b;
	return d && d->nested && d->nested->pasids ? &r->rid : NULL;
}

struct domain *look_domain(struct requester *r, uint32_t pasid)
{
	bool of_guest;
	const struct binding *b = find_binding(r, pasid, &of_guest);

	return b ? __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE) : NULL;
}

/* ---- stage 2, and memory ---- */

static enum pt_fault fault_of_step(const struct pt_step *s)
{
	return s->fault ? (enum pt_fault)s->fault : PT_FAULT_ABSENT;
}

/* The engine's own table. False: out->fault says why. */
static bool walk_own(struct look *l, const struct pt *pt, uint64_t addr, struct pt_step *leaf)
{
	struct pt_step steps[PT_MAX_LEVELS];
	const size_t n = pt_explain(pt, addr, steps);

	for (size_t k = 0; k < n; k++)
		l->ops->entry(l->arg, 2, pt->ops, &steps[k]);
	if (!n) {
		l->out->fault = PT_FAULT_INPUT;
		return false;
	}
	*leaf = steps[n - 1];
	l->out->fault = leaf->kind == PT_STEP_LEAF ? PT_FAULT_NONE : fault_of_step(leaf);
	return leaf->kind == PT_STEP_LEAF;
}

static bool is_memory(const struct memory_slot *slot)
{
	switch ((enum memory_kind)slot->kind) {
	case MEMORY_PRIVATE:
	case MEMORY_SHARED:
	case MEMORY_FILE:
	case MEMORY_FOREIGN:
	case MEMORY_REGISTERED:
	case MEMORY_DIRECT:
		return true;
	default:
		return false;
	}
}

static bool is_gone(struct memory *m, uint64_t pa)
{
	const struct memory_slot *slot = memory_slot(m, pa);

	if (slot->kind == MEMORY_BAR)
		return false;
	return !is_memory(slot) || (memory_has_stale(slot) && memory_stale(m, pa, 1));
}

static bool stop(struct look *l, enum look_end end, bool fetch)
{
	l->out->end = end;
	l->out->fetch = fetch;
	return false;
}

static bool stage2(struct look *l, uint64_t gpa, bool fetch, uint64_t *pa, struct pt_step *leaf)
{
	if (!walk_own(l, l->stage2->pt, gpa, leaf))
		return stop(l, LOOK_STAGE2, fetch);
	*pa = leaf->pa | (gpa & MASK(leaf->lg2));
	if (is_gone(l->r->memory, *pa))
		return stop(l, LOOK_NO_MEMORY, fetch);
	return true;
}

static bool read_words(struct look *l, uint64_t gpa, uint64_t *words, size_t n)
{
	const struct memory_slot *slot;
	struct pt_step leaf;
	uint64_t pa;

	if (gpa % sizeof(uint64_t))
		return stop(l, LOOK_NO_MEMORY, true);
	if (!stage2(l, gpa, true, &pa, &leaf))
		return false;
	slot = memory_slot(l->r->memory, pa);
	for (size_t k = 0; k < n; k++)
		if (!is_memory(slot) ||
		    memory_read_word(
			    l->r->memory, slot,
			    (const uint64_t *)(const void *)(slot->base + (pa & MEMORY_SLOT_MASK)) +
				    k,
			    &words[k]))
			return stop(l, LOOK_NO_MEMORY, true);
	return true;
}

int look_read(struct look *l, uint64_t gpa, void *dst, size_t len, struct nested_fault *f)
{
	/* Structures are aligned to their size, at most 64 bytes: one page. */
	if (read_words(l, gpa, dst, len / sizeof(uint64_t)))
		return 0;
	l->refused = true;
	*f = (struct nested_fault){.stage = 2, .what = PT_FAULT_READ, .gpa = gpa};
	return -EFAULT;
}

int look_refuse(struct look *l, enum iommu_fault_reason reason, uint32_t code)
{
	if (!l->refused)
		l->out->end = LOOK_REFUSED;
	l->refused = true;
	l->out->reason = reason;
	l->out->code = code;
	return -EFAULT;
}

/* Behind the last stage. */
static void found(struct look *l, uint64_t pa, const struct pt_step *leaf, unsigned int prot)
{
	l->out->end = LOOK_FOUND;
	l->out->pa = pa;
	l->out->lg2 = leaf->lg2;
	l->out->prot = (uint8_t)(leaf->prot & prot & (PT_READ | PT_WRITE));
	l->out->kind = memory_slot(l->r->memory, pa)->kind;
}

static void finish(struct look *l, uint64_t addr, unsigned int prot)
{
	struct pt_step leaf;
	uint64_t pa;

	if (stage2(l, addr, false, &pa, &leaf))
		found(l, pa, &leaf, prot);
}

/* ---- stage 1 ---- */

static int walk_read(void *arg, uint64_t pa, uint64_t *entry)
{
	struct look *l = arg;

	l->refused = !read_words(l, pa, entry, 1);
	return l->refused;
}

struct stage1 {
	struct look *look;
	const struct pt_ops *format;
};

static void walk_step(void *arg, const struct pt_step *s)
{
	const struct stage1 *w = arg;

	w->look->ops->entry(w->look->arg, 1, w->format, s);
}

static bool is_message(const struct requester *r, uint64_t addr)
{
	const struct iommu_region *window = &r->iommu->msi;

	return window->start <= window->last && addr >= window->start && addr <= window->last;
}

static void walk_stage1(struct look *l, const struct nested_ops *ops,
			const struct nested_context *ctx, const struct pt_regime *from,
			uint64_t within)
{
	struct look_result *out = l->out;
	struct stage1 w = {.look = l, .format = from->ops};
	struct pt_regime regime = *from;
	struct pt_walk end;
	int rc;

	regime.read = walk_read;
	regime.arg = l;
	rc = pt_walk_foreign(&regime, within, &end, walk_step, &w);
	if (rc && l->refused)
		return;
	out->fault = (enum pt_fault)end.entry.fault;
	out->end = LOOK_STAGE1;
	if (rc)
		return;
	out->gpa = end.pa;
	out->stage1_lg2 = end.entry.lg2;
	out->stage1_prot = end.may;
	if (l->r->iommu->make->messages_after_stage1 && is_message(l->r, end.pa))
		out->end = LOOK_MESSAGE;
	else
		finish(l, end.pa, ops->permits(ctx, &end, IOMMU_READ | IOMMU_WRITE));
}

static void look_nested(struct look *l, struct binding *b, uint32_t pasid, uint64_t iova)
{
	struct domain *d = b->domain;
	const struct nested_request q = {
		.r = l->r,
		.binding = b,
		.domain = d,
		.pasid = pasid,
		.iova = iova,
		.len = 1,
		.access = IOMMU_READ,
		.look = l,
	};
	struct nested_context ctx = {0};
	const struct pt_regime *regime;
	uint64_t va, within;

	l->out->nested = true;
	l->stage2 = d->parent;
	if (!d->nested->resolve) {
		look_refuse(l, FAULT_NOT_PRESENT, 0);
		return;
	}
	if (d->nested->resolve(&q, &ctx)) {
		look_refuse(l, l->out->reason, l->out->code);
		return;
	}
	l->out->bypass = ctx.bypass;
	if (ctx.bypass) {
		l->out->gpa = iova;
		finish(l, iova, ~(unsigned int)ctx.denied);
		return;
	}
	regime = d->nested->select(&ctx, iova, &va, &within);
	if (regime) {
		walk_stage1(l, d->nested, &ctx, regime, within);
		return;
	}
	l->out->end = LOOK_STAGE1;
	l->out->fault = PT_FAULT_INPUT;
}

void look_translate(struct requester *r, uint32_t pasid, uint64_t iova, const struct look_ops *ops,
		    void *arg, struct look_result *out)
{
	bool of_guest;
	struct binding *b = find_binding(r, pasid, &of_guest);
	struct domain *d = b ? b->domain : NULL;
	struct look l = {.r = r, .stage2 = d, .ops = ops, .arg = arg, .out = out};

	*out = (struct look_result){.end = LOOK_BLOCKED};
	if (!r->iommu->make->messages_after_stage1 && pasid == IOMMU_NO_PASID &&
	    is_message(r, iova))
		out->end = LOOK_MESSAGE;
	else if (d && d->nested)
		look_nested(&l, b, pasid, iova);
	else if (d)
		finish(&l, iova, PT_READ | PT_WRITE);
}

/* ---- caches ---- */

void look_caches(struct requester *r, uint32_t pasid, uint64_t iova, struct look_cached *iotlb,
		 struct look_cached *atc, uint64_t *pending)
{
	bool of_guest;
	const struct binding *b = find_binding(r, pasid, &of_guest);
	unsigned int shift;
	uint64_t val;

	*iotlb = *atc = (struct look_cached){0};
	*pending = __atomic_load_n(&r->commands.posted, __ATOMIC_ACQUIRE) -
		   __atomic_load_n(&r->applied, __ATOMIC_RELAXED);
	if (b && !of_guest) {
		const struct iotlb_context *c = __atomic_load_n(&b->tlb, __ATOMIC_ACQUIRE);

		val = iotlb_peek(&r->iotlb, c, iova, &shift);
		*iotlb = (struct look_cached){true, val, (uint8_t)shift, val & IOTLB_PERMS};
	}
	if (r->atc) {
		val = atc_peek(r->atc, pasid, iova, &shift);
		*atc = (struct look_cached){true, val, (uint8_t)shift, val & IOTLB_PERMS};
	}
}

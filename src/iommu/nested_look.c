/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See nested_look.h. What a hit costs nothing is spent here: both stages are walked from the root,
 * by the configuration as it is now, and, if that says otherwise, by the one that is cached, which
 * tells whether a page or the configuration is out of date.
 */
#include "iommu/nested_look.h"

#include <stdio.h>

#include "iommu/nested_cache.h"
#include "iommu/translate.h"

/* What a walk of both stages ends at. */
enum found { FOUND_SAME, FOUND_OTHER, FOUND_UNKNOWN };

/* A look that only its end interests. */
struct glance {
	struct look look;
	struct look_result result;
	struct nested_request q;
	bool blind; /* a word could not be read: nothing is known */
};

static void pass_entry(void *arg, unsigned int stage, const struct pt_ops *format,
		       const struct pt_step *s)
{
}

static void pass_structure(void *arg, const struct look_structure *s)
{
}

static const struct look_ops passes = {pass_entry, pass_structure};

/* Where [gpa, ...) is; NULL: no memory, or not for now. */
static char *stage2_at(const struct nested_request *q, uint64_t gpa,
		       const struct memory_slot **slot)
{
	struct pt_leaf leaf;

	if (pt_translate(q->domain->parent->pt, gpa, &leaf))
		return NULL;
	*slot = memory_slot(q->r->memory, leaf.pa);
	switch ((enum memory_kind)(*slot)->kind) {
	case MEMORY_PRIVATE:
	case MEMORY_REGISTERED:
	case MEMORY_SHARED:
	case MEMORY_FILE:
	case MEMORY_FOREIGN:
	case MEMORY_DIRECT:
		break;
	case MEMORY_BAR:
	case MEMORY_FREE:
	case MEMORY_TABLE:
	case MEMORY_GONE:
		return NULL;
	}
	if (memory_has_stale(*slot) && memory_stale(q->r->memory, leaf.pa, 1))
		return NULL;
	return (*slot)->base + (leaf.pa & MEMORY_SLOT_MASK);
}

/* Of a table: without the steps of stage 2, which nobody wants to hear of. */
static int read_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	struct glance *g = arg;
	const struct memory_slot *slot;
	char *ptr = pa % sizeof(*entry) ? NULL : stage2_at(&g->q, pa, &slot);

	g->blind = !ptr ||
		   memory_read_word(g->q.r->memory, slot, (const uint64_t *)(void *)ptr, entry);
	return g->blind;
}

static enum found other(struct nested_look *l, enum nested_now now)
{
	l->now = now;
	return FOUND_OTHER;
}

/* Stage 1; FOUND_SAME: *gpa is what it leads to. A clear accessed flag is what a guest may leave
 * without an invalidation. */
static enum found walk_stage1(struct nested_look *l, struct glance *g,
			      const struct nested_context *ctx, uint64_t *gpa)
{
	const struct nested_request *q = &g->q;
	const struct nested_ops *ops = q->domain->nested;
	uint64_t va, within;
	const struct pt_regime *from = ops->select(ctx, q->iova, &va, &within);
	struct pt_regime regime;
	struct pt_walk end;

	if (!from)
		return other(l, NESTED_NOW_ABSENT);
	regime = *from;
	regime.read = read_entry;
	regime.arg = g;
	if (pt_walk_foreign(&regime, within, &end, NULL, NULL)) {
		if (g->blind || end.entry.fault == PT_FAULT_ACCESSED)
			return FOUND_UNKNOWN;
		return other(l, NESTED_NOW_ABSENT);
	}
	if (q->access & ~ops->permits(ctx, &end, q->access))
		return other(l, NESTED_NOW_DENIED);
	*gpa = end.pa;
	return FOUND_SAME;
}

static enum found walk(struct nested_look *l, struct glance *g, const struct nested_context *ctx)
{
	const struct memory_slot *slot;
	uint64_t gpa = l->iova;
	enum found found = FOUND_SAME;
	const char *ptr;

	if (!ctx->bypass)
		found = walk_stage1(l, g, ctx, &gpa);
	else if (l->access & ctx->denied)
		found = other(l, NESTED_NOW_DENIED);
	if (found != FOUND_SAME)
		return found;
	ptr = stage2_at(&g->q, gpa, &slot);
	if (!ptr)
		return FOUND_UNKNOWN;
	l->gpa = gpa;
	return ptr == l->ptr ? FOUND_SAME : other(l, NESTED_NOW_ELSEWHERE);
}

/* By the structures as they are. *ctx: what they say, if they say anything. */
static enum found walk_now(struct nested_look *l, struct glance *g, struct nested_context *ctx)
{
	if (!g->q.domain->nested->resolve(&g->q, ctx))
		return walk(l, g, ctx);
	return g->result.end == LOOK_REFUSED ? other(l, NESTED_NOW_NO_CONFIG) : FOUND_UNKNOWN;
}

static bool points_to(uint64_t val, uint64_t addr, unsigned int shift, const struct nested_look *l)
{
	return (val & l->access) == l->access &&
	       (const char *)(uintptr_t)(val & IOTLB_PTR_MASK) + (addr & MASK(shift)) == l->ptr;
}

/* Does the IOTLB hold the translation that was used? */
static bool in_iotlb(const struct nested_look *l, const struct nested_config *cfg)
{
	unsigned int shift = PAGE_SHIFT;
	uint64_t val = translate_peek(l->r, l->pasid, l->iova, &shift);

	if (points_to(val, l->iova, shift, l))
		return true;
	if (!cfg)
		return false;
	val = iotlb_find(&l->r->iotlb, &cfg->space->global, l->iova, &shift);
	return points_to(val, l->iova, shift, l);
}

/* What of all that is cached is out of date. The walk by the configuration that is cached must not
 * change what is told of the one by that of now. */
static enum nested_stale find_culprit(const struct nested_look *l, struct glance *g,
				      const struct nested_config *cfg)
{
	struct nested_look old = *l;

	if (cfg && walk(&old, g, &cfg->ctx) == FOUND_SAME)
		return NESTED_STALE_CONFIG;
	if (__atomic_load_n(&l->r->ats, __ATOMIC_RELAXED) && !in_iotlb(l, cfg))
		return NESTED_STALE_ATC;
	return NESTED_STALE_PAGE;
}

static void say_missing(struct nested_look *l, const struct nested_request *q,
			const struct nested_context *ctx)
{
	const struct nested_ops *ops = q->domain->nested;

	l->missing[0] = '\0';
	if (ops->missing)
		ops->missing(q, ctx, l->what, l->missing, sizeof(l->missing));
}

/* NULL: no nested domain translates this. */
static struct domain *nested_domain(struct requester *r, uint32_t pasid, struct binding **b)
{
	struct domain *d = translate_domain(r, pasid, b);

	return d && d->nested && d->nested->resolve ? d : NULL;
}

bool nested_serves(struct requester *r, uint32_t pasid)
{
	struct binding *b;

	return __atomic_load_n(&r->nested, __ATOMIC_ACQUIRE) && nested_domain(r, pasid, &b);
}

enum nested_verdict nested_look(struct nested_look *l)
{
	struct nested_context ctx = {0};
	const struct nested_config *cfg;
	struct glance g = {.blind = false};
	struct binding *b;
	struct domain *d = nested_domain(l->r, l->pasid, &b);

	if (!d)
		return NESTED_AGREES;
	g.look = (struct look){.r = l->r, .stage2 = d->parent, .ops = &passes, .out = &g.result};
	g.q = (struct nested_request){.r = l->r,
				      .binding = b,
				      .domain = d,
				      .pasid = l->pasid,
				      .iova = l->iova,
				      .len = 1,
				      .access = l->access,
				      .look = &g.look};
	switch (walk_now(l, &g, &ctx)) {
	case FOUND_SAME:
		return NESTED_AGREES;
	case FOUND_UNKNOWN:
		return NESTED_UNKNOWN;
	case FOUND_OTHER:
		break;
	}
	cfg = nested_config_find(l->r, b, l->pasid);
	l->parent = d->parent;
	l->what = find_culprit(l, &g, cfg);
	if (cfg && !cfg->ctx.bypass)
		ctx = cfg->ctx;
	l->did = ctx.tag.did;
	l->asid = ctx.tag.asid;
	say_missing(l, &g.q, &ctx);
	return NESTED_STALE;
}

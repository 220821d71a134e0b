/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two-dimensional walk: a guest's configuration, its tables, and the stage 2 under each look
 * into them (nested.h).
 */
#include "iommu/nested.h"

#include <errno.h>

#include "base/observe.h"
#include "iommu/domain.h"
#include "iommu/look.h"
#include "iommu/nested_cache.h"
#include "iommu/translate.h"

/* A guest may change an entry each time that its flags are to be set; so often we look again. */
#define MAX_ATTEMPTS 16

/* Stage 2 of one guest physical address. */
struct stage2 {
	const struct memory_slot *slot;
	char *ptr;   /* NULL: no memory but a BAR, or a message */
	uint64_t pa; /* of a BAR */
	uint8_t lg2; /* as lookup.lg2 */
	unsigned int perms;
	bool message;
};

/* One attempt to walk stage 1. */
struct walk {
	const struct nested_request *q;
	const struct nested_context *ctx;
	struct nested_space *space;
	uint64_t va;		   /* as the caches know it */
	bool stopped;		   /* stage 2, or the memory, said no: fault tells */
	struct nested_fault fault; /* of stage 2 */
	struct pt_walk end;
	unsigned int permitted; /* by its end, to a request like this one */
	/* The tables on the way. */
	unsigned int nr_tables;
	struct table {
		uint64_t entry_pa, raw, next;
		uint8_t level; /* of the table that the entry leads to */
		uint8_t may;   /* of the way to there */
	} table[PT_MAX_LEVELS];
};

static void count_loads(struct requester *r, unsigned int n)
{
	stat_add(&r->stats.loads, n);
}

/* Where the messages of this request are told by their address: before stage 1, or after it. */
static const struct iommu_region *window_before(const struct nested_request *q)
{
	return q->r->iommu->make->messages_after_stage1 ? NULL : messages_of(q->r, q->pasid);
}

static const struct iommu_region *window_after(const struct nested_request *q)
{
	const struct iommu_region *window = &q->r->iommu->msi;

	return q->r->iommu->make->messages_after_stage1 && window->start <= window->last ? window
											 : NULL;
}

static bool is_within(const struct iommu_region *window, uint64_t addr)
{
	return window && addr >= window->start && addr <= window->last;
}

static void stage2_refused(struct nested_fault *f, const struct lookup *l)
{
	*f = (struct nested_fault){.stage = 2, .gpa = l->addr};
	switch (l->reason) {
	case FAULT_ADDRESS:
		f->what = PT_FAULT_INPUT;
		break;
	case FAULT_NOT_PRESENT:
		f->what = PT_FAULT_ABSENT;
		break;
	case FAULT_READ:
		f->missing = IOMMU_READ;
		break;
	case FAULT_WRITE:
		f->missing = IOMMU_WRITE;
		break;
	default:
		f->what = PT_FAULT_READ;
		break;
	}
}

static void from_entry(const struct requester *r, uint64_t val, unsigned int shift, uint64_t gpa,
		       struct stage2 *out)
{
	*out = (struct stage2){
		.slot = &r->slots[val >> 48],
		.ptr = (char *)(uintptr_t)(val & IOTLB_PTR_MASK) + (gpa & MASK(shift)),
		.lg2 = (uint8_t)shift,
		.perms = val & IOTLB_PERMS,
	};
}

/* On the way to a leaf of that size. */
static unsigned int entries_read(const struct pt *pt, unsigned int leaf_lg2)
{
	unsigned int above = leaf_lg2 - pt->ops->page_lg2;

	return likely(!above) ? pt->levels : pt->levels - above / pt->ops->index_lg2;
}

/* What the IOTLB does not know, or not to permit @access. Apart, so that a hit saves no registers.
 */
static __attribute__((noinline)) bool stage2_walk(const struct nested_request *q,
						  struct nested_space *s, uint64_t gpa,
						  unsigned int access, struct stage2 *out,
						  struct nested_fault *f)
{
	struct requester *r = q->r;
	const struct iommu_region *window = window_after(q);
	struct lookup l; /* lookup() fills in what it found */

	if (is_within(window, gpa)) {
		*out = (struct stage2){.pa = gpa, .perms = IOMMU_WRITE, .message = true};
		return true;
	}
	l.r = r;
	l.pt = q->domain->parent->pt;
	l.clear_of = window;
	l.addr = gpa;
	l.access = access;
	if (!lookup(&l)) {
		stage2_refused(f, &l);
		return false;
	}
	count_loads(r, entries_read(l.pt, l.leaf_lg2));
	*out = (struct stage2){
		.slot = l.slot, .ptr = l.ptr, .pa = l.pa, .lg2 = l.lg2, .perms = l.perms};
	if (l.ptr && l.lg2 >= PAGE_SHIFT && iotlb_can_hold(l.ptr - (gpa & MASK(l.lg2))))
		iotlb_fill(&r->iotlb, &s->leaves, gpa, iotlb_size_of(l.lg2),
			   l.ptr - (gpa & MASK(l.lg2)), (uint16_t)(l.pa >> MEMORY_SLOT_SHIFT),
			   l.perms);
	if (unlikely(iotlb_has_notes(&r->iotlb)) && l.lg2 >= PAGE_SHIFT)
		iotlb_note(&r->iotlb, &s->leaves, gpa, iotlb_size_of(l.lg2),
			   align_down(gpa, BIT(l.lg2)));
	return true;
}

/* @access: IOMMU_READ, IOMMU_WRITE. False: *f tells why not. */
static bool stage2_find(const struct nested_request *q, uint64_t gpa, unsigned int access,
			struct stage2 *out, struct nested_fault *f)
{
	struct nested_space *s = nested_stage2(q->r, q->domain->parent);
	unsigned int shift;
	uint64_t val = iotlb_find(&q->r->iotlb, &s->leaves, gpa, &shift);

	if (likely((val & access) == access)) {
		from_entry(q->r, val, shift, gpa, out);
		return true;
	}
	return stage2_walk(q, s, gpa, access, out, f);
}

static bool no_memory(struct nested_fault *f, uint64_t gpa)
{
	*f = (struct nested_fault){.stage = 2, .what = PT_FAULT_READ, .gpa = gpa};
	return false;
}

/* Where one word of guest memory is. */
static bool find_word(const struct nested_request *q, uint64_t gpa, unsigned int access,
		      struct stage2 *out, struct nested_fault *f)
{
	if (gpa % sizeof(uint64_t))
		return no_memory(f, gpa);
	if (!stage2_find(q, gpa, access, out, f))
		return false;
	return out->ptr ? true : no_memory(f, gpa); /* device memory holds no tables */
}

static const struct guest_stand_in *stand_in(const struct nested_request *q)
{
	const struct sink *sink = q->r->iommu->sink;

	return sink ? sink->guest : NULL;
}

/* read_word(), unless somebody stands for the memory; told. Whole, so that the other one saves no
 * registers. */
static __attribute__((cold, noinline)) bool
read_observed(const struct nested_request *q, uint64_t gpa, uint64_t *word, struct nested_fault *f)
{
	const struct guest_stand_in *g = stand_in(q);
	struct stage2 s;
	int rc;

	if (!find_word(q, gpa, IOMMU_READ, &s, f))
		return false;
	count_loads(q->r, 1);
	rc = g ? g->read(g->arg, q, gpa, word)
	       : memory_read_word(q->r->memory, s.slot, (const uint64_t *)(void *)s.ptr, word);
	observe_guest_read(q->r->iommu->sink, &(struct event_guest_read){
						      .requester = q->r,
						      .parent = q->domain->parent,
						      .gpa = gpa,
						      .word = rc ? 0 : *word,
						      .rc = rc,
						      .rid = q->r->id,
					      });
	return rc ? no_memory(f, gpa) : true;
}

static bool read_word(const struct nested_request *q, uint64_t gpa, uint64_t *word,
		      struct nested_fault *f)
{
	struct stage2 s;

	if (observed())
		return read_observed(q, gpa, word, f);
	if (!find_word(q, gpa, IOMMU_READ, &s, f))
		return false;
	count_loads(q->r, 1);
	if (memory_read_word(q->r->memory, s.slot, (const uint64_t *)(void *)s.ptr, word))
		return no_memory(f, gpa);
	return true;
}

static __attribute__((cold, noinline)) int exchange_observed(const struct nested_request *q,
							     const struct stage2 *s, uint64_t gpa,
							     uint64_t is, uint64_t to)
{
	const struct guest_stand_in *g = stand_in(q);
	int rc =
		g ? g->exchange(g->arg, q, gpa, is, to)
		  : memory_exchange_word(q->r->memory, s->slot, (uint64_t *)(void *)s->ptr, is, to);

	observe_guest_mark(q->r->iommu->sink, &(struct event_guest_mark){
						      .requester = q->r,
						      .parent = q->domain->parent,
						      .gpa = gpa,
						      .is = is,
						      .to = to,
						      .rc = rc,
						      .rid = q->r->id,
					      });
	return rc;
}

int nested_read(const struct nested_request *q, uint64_t gpa, void *dst, size_t len,
		struct nested_fault *f)
{
	uint64_t *words = dst;

	if (unlikely(q->look != NULL))
		return look_read(q->look, gpa, dst, len, f);
	for (size_t n = 0; n < len / sizeof(uint64_t); n++) {
		if (read_word(q, gpa + n * sizeof(uint64_t), &words[n], f))
			continue;
		f->config = true;
		return -EFAULT;
	}
	return 0;
}

static int walk_read(void *arg, uint64_t pa, uint64_t *entry)
{
	struct walk *w = arg;

	w->stopped = !read_word(w->q, pa, entry, &w->fault);
	w->fault.walk = true;
	return w->stopped;
}

static void walk_step(void *arg, const struct pt_step *s)
{
	struct walk *w = arg;

	if (s->kind == PT_STEP_TABLE && !s->fault)
		w->table[w->nr_tables++] =
			(struct table){.entry_pa = s->table_pa + s->index * sizeof(uint64_t),
				       .raw = s->raw,
				       .next = s->pa,
				       .level = s->next,
				       .may = s->may};
}

/* What a table of level @n covers, as a power of two. */
static uint8_t table_covers(const struct pt_regime *r, unsigned int n)
{
	return (uint8_t)(r->ops->page_lg2 + (n + 1) * r->ops->index_lg2);
}

/*
 * Where the walk begins: at the lowest table that is cached. It is then a walk of fewer levels, of
 * the part of the address that such a table covers; *may is what the way to it permits.
 */
static void begin(struct walk *w, const struct pt_regime *from, struct pt_regime *r,
		  uint64_t *within, uint8_t *may)
{
	*r = *from;
	r->read = walk_read;
	r->arg = w;
	*may = PT_MAY_ALL;
	for (unsigned int n = 0; n < NESTED_TABLES && n + 1 < from->levels; n++) {
		uint8_t covers;
		uint64_t table = nested_table_find(w->q->r, w->space, n, w->va, may, &covers);

		if (covers != table_covers(from, n))
			continue;
		r->root_pa = table;
		r->levels = n + 1;
		r->ias = covers;
		r->flags |= PT_UNSIGNED;
		*within &= MASK(covers);
		return;
	}
}

static void remember_tables(struct walk *w, const struct pt_regime *from)
{
	for (unsigned int k = 0; k < w->nr_tables; k++) {
		const struct table *t = &w->table[k];
		unsigned int n = t->level;

		if (n < NESTED_TABLES && n + 1 < from->levels)
			nested_table_add(w->q->r, w->space, n, w->va, table_covers(from, n),
					 t->next, t->may);
	}
}

static uint64_t marked(const struct walk *w, const struct pt_regime *from, uint64_t raw, bool table,
		       bool dirty)
{
	const struct nested_ops *ops = w->q->domain->nested;

	return ops->marked ? ops->marked(w->ctx, raw, table, dirty) : from->ops->marked(raw, dirty);
}

/* 0; -EAGAIN: the entry has changed; -EFAULT. */
static int set_flags(struct walk *w, uint64_t entry_pa, uint64_t raw, uint64_t to)
{
	struct stage2 s;
	int rc;

	if (raw == to)
		return 0;
	if (!find_word(w->q, entry_pa, IOMMU_READ | IOMMU_WRITE, &s, &w->fault)) {
		w->fault.walk = true;
		return -EFAULT;
	}
	if (observed())
		rc = exchange_observed(w->q, &s, entry_pa, raw, to);
	else
		rc = memory_exchange_word(w->q->r->memory, s.slot, (uint64_t *)(void *)s.ptr, raw,
					  to);
	if (rc == -EFAULT)
		no_memory(&w->fault, entry_pa);
	return rc;
}

/* What hardware leaves in the entries that a permitted request used. */
static int mark_entries(struct walk *w, const struct pt_regime *from)
{
	bool dirty = w->q->access & IOMMU_WRITE && from->flags & PT_WALK_DIRTY;
	int rc = 0;

	for (unsigned int k = 0; k < w->nr_tables && from->flags & PT_WALK_TABLES && !rc; k++)
		rc = set_flags(w, w->table[k].entry_pa, w->table[k].raw,
			       marked(w, from, w->table[k].raw, true, false));
	if (!rc && (from->flags & PT_WALK_ACCESSED || dirty))
		rc = set_flags(w, w->end.entry_pa, w->end.raw,
			       marked(w, from, w->end.raw, false, dirty));
	w->end.entry.dirty |= dirty && !rc;
	return rc;
}

/* 0: w->end is a leaf that permits the request, marked. -EFAULT: w->fault; -EAGAIN. */
static int walk_once(struct walk *w, const struct pt_regime *from, uint64_t within)
{
	const struct nested_ops *ops = w->q->domain->nested;
	unsigned int wanted = w->q->access & ~(unsigned int)IOMMU_PRIV, missing;
	struct pt_regime regime;
	uint8_t may;
	int rc;

	w->nr_tables = 0;
	begin(w, from, &regime, &within, &may);
	/* The last table holds no others to remember. */
	rc = pt_walk_foreign(&regime, within, &w->end, regime.levels > 1 ? walk_step : NULL, w);
	w->end.may &= may;
	if (rc && w->stopped) {
		w->fault.level = w->end.level;
		return -EFAULT;
	}
	if (rc) {
		w->fault = (struct nested_fault){
			.stage = 1, .what = w->end.entry.fault, .level = w->end.level};
		return -EFAULT;
	}
	w->permitted = ops->permits(w->ctx, &w->end, w->q->access);
	missing = wanted & ~w->permitted;
	if (missing) {
		w->fault = (struct nested_fault){.stage = 1,
						 .level = w->end.level,
						 .missing = (uint8_t)missing,
						 .may = w->end.may};
		return -EFAULT;
	}
	return mark_entries(w, from);
}

static int walk_stage1(struct walk *w, const struct pt_regime *from, uint64_t within)
{
	int rc = -EAGAIN;

	for (int attempt = 0; attempt < MAX_ATTEMPTS && rc == -EAGAIN; attempt++)
		rc = walk_once(w, from, within);
	if (rc == -EAGAIN) {
		w->fault = (struct nested_fault){
			.stage = 1, .what = PT_FAULT_READ, .level = w->end.level};
		return -EFAULT;
	}
	if (!rc)
		remember_tables(w, from);
	return rc;
}

/* The largest page that both stages agree on, and that no interrupt window meets. */
static uint8_t common_size(const struct nested_request *q, uint64_t va, uint8_t lg2)
{
	const struct iommu_region *window;

	if (lg2 <= PAGE_SHIFT)
		return lg2;
	window = window_before(q);
	if (lg2 >= iotlb_shift(IOTLB_1G))
		lg2 = (uint8_t)iotlb_shift(IOTLB_1G);
	else if (lg2 >= iotlb_shift(IOTLB_2M))
		lg2 = (uint8_t)iotlb_shift(IOTLB_2M);
	else
		lg2 = PAGE_SHIFT;
	while (window && lg2 > PAGE_SHIFT && align_down(va, BIT(lg2)) <= window->last &&
	       (va | MASK(lg2)) >= window->start)
		lg2 = (uint8_t)(lg2 - 9);
	return lg2;
}

/* What may be done again without a walk; nothing for requests that are not of the common kind. */
static unsigned int lasting_perms(const struct walk *w, const struct pt_regime *from,
				  const struct stage2 *s)
{
	unsigned int perms;

	if (w->q->access & ~(unsigned int)(IOMMU_READ | IOMMU_WRITE))
		return 0;
	perms = w->permitted & s->perms;
	if (from->flags & PT_WALK_DIRTY && !w->end.entry.dirty)
		perms &= ~(unsigned int)IOMMU_WRITE;
	return perms & (IOMMU_READ | IOMMU_WRITE);
}

static int answer(const struct nested_request *q, const struct stage2 *s, uint8_t lg2,
		  struct translation *out)
{
	*out = (struct translation){
		.slot = s->slot,
		.ptr = s->ptr,
		.pa = s->pa,
		.len = min_u64(q->len, BIT(lg2) - (q->iova & MASK(lg2))),
		.msi = s->message,
	};
	return 0;
}

/* The tables said no. */
static int deny(const struct nested_request *q, const struct nested_context *ctx,
		const struct nested_fault *f)
{
	return q->ats ? -ENOENT : q->domain->nested->fault(q, ctx, f);
}

static int answer_message(const struct nested_request *q, const struct nested_context *ctx,
			  const struct stage2 *s, struct translation *out)
{
	if (q->access != IOMMU_WRITE)
		return q->domain->nested->fault(
			q, ctx,
			&(struct nested_fault){.stage = 2, .gpa = s->pa, .missing = IOMMU_READ});
	return answer(q, s, PAGE_SHIFT, out);
}

/* @c: where 2^@lg2 bytes around @va were kept; NULL: nowhere. */
static COLD void note_walk(const struct walk *w, const struct stage2 *s,
			   const struct iotlb_context *c, uint8_t lg2)
{
	struct requester *r = w->q->r;

	r->nested->walked = (struct nested_walked){.pasid = w->q->pasid,
						   .iova = w->q->iova,
						   .gpa = w->end.pa,
						   .pa = s->pa,
						   .ptr = s->ptr};
	if (c)
		iotlb_note(&r->iotlb, c, w->va, iotlb_size_of(lg2),
			   align_down(w->end.pa, BIT(lg2)));
}

/* By the whole way of both stages. */
static int translate_walk(const struct nested_request *q, struct nested_config *cfg, uint64_t va,
			  const struct pt_regime *from, uint64_t within, struct translation *out)
{
	struct walk w; /* not cleared: walk_once() fills in what it found */
	struct iotlb_context *c = NULL;
	struct stage2 s;
	unsigned int perms;
	uint8_t lg2;

	w.q = q;
	w.ctx = &cfg->ctx;
	w.space = cfg->space;
	w.va = va;
	w.stopped = false;
	w.fault = (struct nested_fault){0};
	if (walk_stage1(&w, from, within))
		return deny(q, w.ctx, &w.fault);
	if (!stage2_find(q, w.end.pa, q->access & (IOMMU_READ | IOMMU_WRITE), &s, &w.fault))
		return deny(q, w.ctx, &w.fault);
	if (unlikely(s.message))
		return answer_message(q, w.ctx, &s, out);
	lg2 = common_size(q, va, (uint8_t)min_u64(w.end.entry.lg2, s.lg2));
	perms = lasting_perms(&w, from, &s);
	if (perms && s.ptr && lg2 >= PAGE_SHIFT && iotlb_can_hold(s.ptr - (va & MASK(lg2)))) {
		c = w.end.entry.global ? &w.space->global : &w.space->leaves;
		iotlb_fill(&q->r->iotlb, c, va, iotlb_size_of(lg2), s.ptr - (va & MASK(lg2)),
			   (uint16_t)(s.slot - q->r->slots), perms);
	}
	if (unlikely(iotlb_has_notes(&q->r->iotlb)))
		note_walk(&w, &s, c, lg2);
	return answer(q, &s, lg2, out);
}

/* True: one of the guest's entries that are cached answered. The request was looked for in
 * @looked already. */
static bool translate_cached(const struct nested_request *q, struct nested_config *cfg, uint64_t va,
			     const struct iotlb_context *looked, struct translation *out)
{
	struct requester *r = q->r;
	unsigned int shift = 0;
	uint64_t val = 0;
	struct stage2 s;

	if (looked != &cfg->space->leaves || va != q->iova)
		val = iotlb_find(&r->iotlb, &cfg->space->leaves, va, &shift);
	if ((val & q->access) != q->access)
		val = iotlb_find(&r->iotlb, &cfg->space->global, va, &shift);
	if ((val & q->access) != q->access)
		return false;
	from_entry(r, val, shift, va, &s);
	stat_add(&r->stats.hits, 1);
	answer(q, &s, (uint8_t)shift, out);
	return true;
}

/* No stage 1: the address is a guest physical one, and the space is stage 2's own. */
static int translate_bypass(const struct nested_request *q, const struct nested_config *cfg,
			    struct translation *out)
{
	struct nested_fault f;
	struct stage2 s;

	stat_add(&q->r->stats.misses, 1);
	if (q->access & cfg->ctx.denied) {
		f = (struct nested_fault){.stage = 1, .missing = q->access & cfg->ctx.denied};
		return deny(q, &cfg->ctx, &f);
	}
	if (!stage2_find(q, q->iova, q->access & (IOMMU_READ | IOMMU_WRITE), &s, &f))
		return deny(q, &cfg->ctx, &f);
	if (unlikely(s.message))
		return answer_message(q, &cfg->ctx, &s, out);
	return answer(q, &s, s.lg2, out);
}

/* Apart, so that a miss of the leaves alone does not clear a context. */
static __attribute__((noinline)) int resolve_anew(const struct nested_request *q,
						  struct nested_config **out)
{
	struct nested_context ctx = {0};
	int rc = q->domain->nested->resolve(q, &ctx);

	if (!rc)
		*out = nested_config_add(q->r, q, &ctx);
	return rc;
}

static int resolve(const struct nested_request *q, struct nested_config **out)
{
	*out = nested_config_find(q->r, q->binding, q->pasid);
	return likely(*out != NULL) ? 0 : resolve_anew(q, out);
}

int nested_translate(const struct nested_request *q, struct translation *out)
{
	const struct nested_ops *ops = q->domain->nested;
	const struct iommu_region *window = window_before(q);
	const struct iotlb_context *looked = q->ats ? NULL : q->binding->tlb;
	const struct pt_regime *regime;
	struct nested_config *cfg;
	uint64_t va, within;
	int rc;

	if (!ops->resolve) {
		stat_add(&q->r->stats.misses, 1);
		return iommu_report_fault(q->r, q->pasid, q->iova, q->len,
					  (enum iommu_access)q->access, FAULT_NOT_PRESENT);
	}
	if (is_within(window, q->iova)) {
		stat_add(&q->r->stats.misses, 1);
		return translate_message(q->r, q->iova, q->len, q->access, out);
	}
	rc = resolve(q, &cfg);
	if (rc)
		return rc;
	if (cfg->ctx.bypass)
		return translate_bypass(q, cfg, out);
	regime = ops->select(&cfg->ctx, q->iova, &va, &within);
	if (!regime) {
		stat_add(&q->r->stats.misses, 1);
		return ops->fault(q, &cfg->ctx,
				  &(struct nested_fault){.stage = 1, .what = PT_FAULT_INPUT});
	}
	if (translate_cached(q, cfg, va, looked, out))
		return 0;
	stat_add(&q->r->stats.misses, 1);
	return translate_walk(q, cfg, va, regime, within, out);
}

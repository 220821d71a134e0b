/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spaces and configurations of one requester, and how commands make it forget them.
 */
#include "iommu/nested_cache.h"
#include "base/alloc.h"
#include "base/observe.h"

#include <stdlib.h>

/* @s: each space in use; @left is the loop's own. The body may free @s. */
#define for_each_space(c, s, left)                                                                 \
	for (left = (c)->taken; left && ((s) = &(c)->space[lowest_bit(left)], true);               \
	     left &= left - 1)

static void space_init(struct nested_space *s, uint32_t seed)
{
	iotlb_context_init(&s->leaves, seed);
	iotlb_context_init(&s->global, seed + 1);
	for (uint32_t n = 0; n < NESTED_TABLES; n++)
		iotlb_context_init(&s->tables[n], seed + 2 + n);
}

struct nested_cache *nested_cache_create(void)
{
	struct nested_cache *c = ioas_calloc(1, sizeof(*c));

	/* Seeds apart from those of the bindings (requester.seed), which count from 0. */
	for (uint32_t n = 0; c && n < NESTED_SPACES; n++)
		space_init(&c->space[n], BIT(20) + n * 8);
	return c;
}

void nested_cache_free(struct nested_cache *c)
{
	ioas_free(c);
}

static bool same_tag(const struct nested_tag *a, const struct nested_tag *b)
{
	return a->parent == b->parent && a->did == b->did && a->asid == b->asid &&
	       a->regime == b->regime;
}

static void drop_config(struct nested_config *cfg)
{
	struct binding *b = cfg->binding;

	if (b->tlb == &cfg->space->leaves && cfg->pasid == b->pasid)
		__atomic_store_n(&b->tlb, &b->own, __ATOMIC_RELAXED);
	cfg->binding = NULL;
}

static void forget_space(struct requester *r, struct nested_space *s)
{
	iotlb_forget_context(&r->iotlb, &s->leaves);
	iotlb_forget_context(&r->iotlb, &s->global);
	for (unsigned int n = 0; n < NESTED_TABLES; n++)
		iotlb_forget_context(&r->iotlb, &s->tables[n]);
}

static void free_space(struct requester *r, struct nested_space *s)
{
	struct nested_cache *c = r->nested;

	for (struct nested_config *cfg = c->config; cfg < c->config + NESTED_CONFIGS; cfg++)
		if (cfg->binding && cfg->space == s)
			drop_config(cfg);
	forget_space(r, s);
	c->taken &= ~BIT(s - c->space);
}

/* A free one, or that which was not used for longest. */
static struct nested_space *take_space(struct requester *r)
{
	struct nested_cache *c = r->nested;
	struct nested_space *oldest = c->space;

	if (~c->taken)
		return &c->space[lowest_bit(~c->taken)];
	for (struct nested_space *s = c->space; s < c->space + NESTED_SPACES; s++)
		if (s->used < oldest->used)
			oldest = s;
	free_space(r, oldest);
	return oldest;
}

static struct nested_space *find_space(struct requester *r, int kind, const struct nested_tag *tag)
{
	struct nested_cache *c = r->nested;
	struct nested_space *s;
	uint64_t left;

	for_each_space(c, s, left) if ((int)s->kind == kind && same_tag(&s->tag, tag)) return s;
	s = take_space(r);
	c->taken |= BIT(s - c->space);
	s->kind = kind;
	s->tag = *tag;
	for (unsigned int n = 0; n < NESTED_TABLES; n++)
		s->covers_lg2[n] = 0;
	return s;
}

struct nested_space *nested_stage2_find(struct requester *r, const struct domain *parent)
{
	r->nested->stage2 = find_space(r, SPACE_STAGE2, &(struct nested_tag){.parent = parent});
	return r->nested->stage2;
}

static struct nested_config *place_of(const struct requester *r, uint32_t pasid)
{
	return &r->nested->config[(uint32_t)(pasid * 0x9e3779b9u) >>
				  (32 - __builtin_ctz(NESTED_CONFIGS))];
}

struct nested_config *nested_config_find(struct requester *r, const struct binding *b,
					 uint32_t pasid)
{
	struct nested_config *cfg = place_of(r, pasid);

	if (cfg->binding != b || cfg->pasid != pasid)
		return NULL;
	cfg->space->used = ++r->nested->clock;
	return cfg;
}

struct nested_config *nested_config_add(struct requester *r, const struct nested_request *q,
					const struct nested_context *ctx)
{
	struct nested_config *cfg = place_of(r, q->pasid);
	struct nested_space *s = ctx->bypass ? nested_stage2(r, q->domain->parent)
					     : find_space(r, SPACE_STAGE1, &ctx->tag);

	if (cfg->binding)
		drop_config(cfg);
	s->used = ++r->nested->clock;
	cfg->binding = q->binding;
	cfg->pasid = q->pasid;
	cfg->space = s;
	cfg->ctx = *ctx;
	/* Translations that are found there are permitted by stage 2 alone. */
	if (q->pasid == q->binding->pasid && !ctx->denied)
		__atomic_store_n(&q->binding->tlb, &s->leaves, __ATOMIC_RELAXED);
	return cfg;
}

/* Entries for tables are pages of 4 KiB, one for each stretch that a table covers. */
static uint64_t table_key(const struct nested_space *s, unsigned int n, uint64_t va)
{
	return va >> s->covers_lg2[n] << PAGE_SHIFT;
}

/* In an entry's pointer: bits 47:12 the table, 6:2 PT_MAY_; bit 0 says that there is one. */
#define TABLE_PRESENT IOMMU_READ
#define TABLE_MAY     FIELD(6, 2)

uint64_t nested_table_find(struct requester *r, struct nested_space *s, unsigned int n, uint64_t va,
			   uint8_t *may, uint8_t *covers_lg2)
{
	struct iotlb_context *c = &s->tables[n];
	uint64_t val;

	*covers_lg2 = 0;
	if (!s->covers_lg2[n])
		return 0;
	val = iotlb_probe(&r->iotlb, c, table_key(s, n, va), PAGE_SHIFT, c->name[IOTLB_4K]);
	if (!val)
		return 0;
	*may = (uint8_t)field_get(TABLE_MAY, val);
	*covers_lg2 = s->covers_lg2[n];
	return val & IOTLB_PTR_MASK;
}

void nested_table_add(struct requester *r, struct nested_space *s, unsigned int n, uint64_t va,
		      uint8_t covers_lg2, uint64_t table, uint8_t may)
{
	if (table & ~IOTLB_PTR_MASK)
		return;
	/* A guest that gives one tag to tables of two granules. */
	if (s->covers_lg2[n] != covers_lg2) {
		iotlb_forget_context(&r->iotlb, &s->tables[n]);
		s->covers_lg2[n] = covers_lg2;
	}
	iotlb_fill(&r->iotlb, &s->tables[n], table_key(s, n, va), IOTLB_4K,
		   (const void *)(uintptr_t)table, 0,
		   (unsigned int)(field_prep(TABLE_MAY, may) | TABLE_PRESENT));
}

static void forget_tables(struct requester *r, struct nested_space *s, uint64_t first,
			  uint64_t last)
{
	for (unsigned int n = 0; n < NESTED_TABLES; n++)
		if (!first && last == UINT64_MAX)
			iotlb_forget_context(&r->iotlb, &s->tables[n]);
		else if (s->covers_lg2[n])
			iotlb_forget(&r->iotlb, &s->tables[n], table_key(s, n, first),
				     table_key(s, n, last) | MASK(PAGE_SHIFT));
}

/* Whatever the ASID: global entries are met through any. */
static bool meets(const struct nested_space *s, const struct command *cmd)
{
	const struct nested_match *m = &cmd->match;

	return s->kind == SPACE_STAGE1 && s->tag.parent == cmd->parent &&
	       (m->any_did || s->tag.did == m->did) &&
	       (m->any_regime || s->tag.regime == m->regime);
}

static void forget_stage1(struct requester *r, struct nested_space *s, const struct command *cmd)
{
	const struct nested_match *m = &cmd->match;

	if (!meets(s, cmd))
		return;
	if (!m->keep_global)
		iotlb_forget(&r->iotlb, &s->global, cmd->first, cmd->last);
	if (!m->any_asid && s->tag.asid != m->asid)
		return;
	iotlb_forget(&r->iotlb, &s->leaves, cmd->first, cmd->last);
	if (!m->keep_tables)
		forget_tables(r, s, cmd->first, cmd->last);
}

/* Combined entries do not tell what GPA they went through. */
static void forget_stage2(struct requester *r, struct nested_space *s, const struct command *cmd)
{
	if (s->tag.parent != cmd->parent)
		return;
	if (s->kind == SPACE_STAGE2) {
		iotlb_forget(&r->iotlb, &s->leaves, cmd->first, cmd->last);
	} else {
		iotlb_forget_context(&r->iotlb, &s->leaves);
		iotlb_forget_context(&r->iotlb, &s->global);
	}
}

/* The parent may go next, and another one take its address. */
static void forget_binding(struct requester *r, const struct command *cmd)
{
	struct nested_cache *c = r->nested;
	struct nested_space *s;
	uint64_t left;

	for (struct nested_config *cfg = c->config; cfg < c->config + NESTED_CONFIGS; cfg++)
		if (cfg->binding == cmd->binding)
			drop_config(cfg);
	for_each_space(c, s, left) if (cmd->parent && s->tag.parent == cmd->parent)
		free_space(r, s);
}

static void forget_config(struct requester *r, uint32_t pasid)
{
	struct nested_cache *c = r->nested;

	for (struct nested_config *cfg = c->config; cfg < c->config + NESTED_CONFIGS; cfg++)
		if (cfg->binding && (pasid == IOMMU_ALL_PASIDS || cfg->pasid == pasid))
			drop_config(cfg);
}

void nested_apply(struct requester *r, const struct command *cmd)
{
	struct nested_cache *c = r->nested;
	struct nested_space *s;
	uint64_t left;

	switch (cmd->kind) {
	case COMMAND_PAGES:
	case COMMAND_ATC:
		break;
	case COMMAND_BINDING:
		forget_binding(r, cmd);
		break;
	case COMMAND_PARENT:
		for_each_space(c, s, left) forget_stage2(r, s, cmd);
		break;
	case COMMAND_STAGE1:
		for_each_space(c, s, left) forget_stage1(r, s, cmd);
		break;
	case COMMAND_CONFIG:
		forget_config(r, cmd->match.asid);
		break;
	}
}

/* The IOTLB is empty already. */
void nested_forget_everything(struct requester *r)
{
	struct nested_cache *c = r->nested;
	struct nested_space *s;
	uint64_t left;

	for_each_space(c, s, left) free_space(r, s);
}

/* Parent's lock held: to every requester under it. */
static void post_each(struct domain *parent, const struct command *cmds, unsigned int n)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &parent->under)
		requester_post_commands(
			list_entry(pos, struct attachment, under_link)->binding->requester, cmds,
			n);
}

void nested_post(struct domain *parent, const struct command *cmd)
{
	post_each(parent, cmd, 1);
}

static void post_to_all(struct domain *parent, const struct command *cmds, unsigned int n)
{
	lock_acquire(&parent->lock);
	post_each(parent, cmds, n);
	lock_release(&parent->lock);
}

static struct command stage1_command(const struct domain *parent, const struct nested_range *range)
{
	return (struct command){.kind = COMMAND_STAGE1,
				.first = range->first,
				.last = range->last,
				.parent = parent,
				.match = range->match};
}

static __attribute__((cold, noinline)) void
tell_ranges(struct domain *parent, const struct nested_range *ranges, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++)
		observe_guest_invalidate(
			parent->iommu->sink,
			&(struct event_guest_invalidate){
				.parent = parent,
				.match = &ranges[k].match,
				.iova = ranges[k].first,
				.last = ranges[k].last,
				.rid = UINT32_MAX,
				.did = ranges[k].match.any_did ? UINT32_MAX : ranges[k].match.did,
				.asid = ranges[k].match.any_asid ? UINT32_MAX
								 : ranges[k].match.asid});
}

void nested_forget_ranges(struct domain *parent, const struct nested_range *ranges, unsigned int n)
{
	struct command cmds[NESTED_RANGES];

	if (observed())
		tell_ranges(parent, ranges, n);
	for (unsigned int some; n; n -= some, ranges += some) {
		some = (unsigned int)min_u64(n, NESTED_RANGES);
		for (unsigned int k = 0; k < some; k++)
			cmds[k] = stage1_command(parent, &ranges[k]);
		post_to_all(parent, cmds, some);
	}
}

void nested_forget(struct domain *parent, const struct nested_match *m, uint64_t first,
		   uint64_t last)
{
	nested_forget_ranges(parent, &(struct nested_range){*m, first, last}, 1);
}

void nested_forget_config(struct requester *r, uint32_t pasid)
{
	OBSERVE(r->iommu->sink, guest_invalidate, .requester = r, .last = U64MAX, .pasid = pasid,
		.rid = r->id, .did = UINT32_MAX, .asid = UINT32_MAX);
	requester_post_command(r, &(struct command){.kind = COMMAND_CONFIG, .match.asid = pasid});
}

void nested_forget_pasid_config(struct domain *parent, uint32_t pasid)
{
	const struct command cmd = {.kind = COMMAND_CONFIG, .match.asid = pasid};

	OBSERVE(parent->iommu->sink, guest_invalidate, .parent = parent, .last = U64MAX,
		.pasid = pasid, .rid = UINT32_MAX, .did = UINT32_MAX, .asid = UINT32_MAX);
	post_to_all(parent, &cmd, 1);
}

void nested_forget_all_config(struct domain *parent)
{
	nested_forget_pasid_config(parent, IOMMU_ALL_PASIDS);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one requester caches for nested translation (nested.h). Only its DMA thread touches any of
 * it; all is allocated once, so that no guest makes it grow.
 *
 * A *space* is a guest's address space, or the stage 2 of a parent. Its leaves are the whole way
 * from the guest's address to memory; they stand in the requester's IOTLB, each space with contexts
 * of its own there, as do the tables of the two lowest levels: an entry's pointer is then the
 * table's GPA, and its page number that of the address divided by what the table covers.
 *
 * While somebody listens (base/observe.h) each leaf is noted with the guest physical
 * address of its first byte (iotlb_note()), and the walk that was done last is kept: so the guest
 * physical address of what was just translated can be told (nested_gpa.c).
 *
 * Invariants. A config that is in use names a space that is in use. binding.tlb is the leaves of
 * the space of the config of the binding's own PASID, or binding.own when there is no such config,
 * or it denies what stage 2 does not.
 */
#ifndef IOAS_IOMMU_NESTED_CACHE_H
#define IOAS_IOMMU_NESTED_CACHE_H

#include "iommu/requester.h"

#define NESTED_SPACES  64 /* bits of nested_cache.taken */
#define NESTED_CONFIGS 64 /* a power of two */
#define NESTED_TABLES  2  /* levels of tables that are cached: the lowest, the next */

struct nested_space {
	struct nested_tag tag; /* stage 2: only parent */
	enum { SPACE_STAGE1, SPACE_STAGE2 } kind;
	uint64_t used; /* when last, by nested_cache.clock */
	struct iotlb_context leaves, global, tables[NESTED_TABLES];
	uint8_t covers_lg2[NESTED_TABLES]; /* what a table of each level covers; 0: none is cached
					    */
};

struct nested_config {
	struct binding *binding; /* NULL: not in use */
	uint32_t pasid;
	struct nested_space *space;
	struct nested_context ctx;
};

/* A walk that ended well. */
struct nested_walked {
	uint32_t pasid;
	uint64_t iova, gpa, pa;
	const char *ptr;
};

struct nested_cache {
	uint64_t clock;
	uint64_t taken;		     /* spaces in use, a bit for each: they are few */
	struct nested_space *stage2; /* that was asked for last */
	struct nested_space space[NESTED_SPACES];
	struct nested_config config[NESTED_CONFIGS];
	struct nested_walked walked; /* the last; while there are notes */
};

struct nested_cache *nested_cache_create(void); /* NULL: -ENOMEM */
void nested_cache_free(struct nested_cache *c);

/* The config of a request's (binding, PASID); NULL: not cached. */
struct nested_config *nested_config_find(struct requester *r, const struct binding *b,
					 uint32_t pasid);
/* Caches what was resolved, in the place of another. Never fails. */
struct nested_config *nested_config_add(struct requester *r, const struct nested_request *q,
					const struct nested_context *ctx);
/* The space of stage 2 of a parent. */
struct nested_space *nested_stage2_find(struct requester *r, const struct domain *parent);
static inline struct nested_space *nested_stage2(struct requester *r, const struct domain *parent)
{
	struct nested_cache *c = r->nested;
	struct nested_space *s = c->stage2;

	if (unlikely(!s || !(c->taken & BIT(s - c->space)) || s->kind != SPACE_STAGE2 ||
		     s->tag.parent != parent))
		s = nested_stage2_find(r, parent);
	s->used = ++c->clock;
	return s;
}

/* A table of the level @n of those that are cached, that covers @va; 0 in *covers: none. */
uint64_t nested_table_find(struct requester *r, struct nested_space *s, unsigned int n, uint64_t va,
			   uint8_t *may, uint8_t *covers_lg2);
void nested_table_add(struct requester *r, struct nested_space *s, unsigned int n, uint64_t va,
		      uint8_t covers_lg2, uint64_t table, uint8_t may);

/* requester_apply(). */
void nested_apply(struct requester *r, const struct command *cmd);
void nested_forget_everything(struct requester *r);
/* Parent's lock held: to every requester under it. */
void nested_post(struct domain *parent, const struct command *cmd);

#endif

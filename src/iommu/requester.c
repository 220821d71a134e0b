/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requesters: their life, their command slot, and what domain they are attached to.
 */
#include "iommu/requester.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "iommu/domain.h"
#include "iommu/nested_cache.h"

void binding_init(struct binding *b, struct requester *r, uint32_t pasid, uint32_t seed)
{
	*b = (struct binding){.requester = r, .pasid = pasid};
	iotlb_context_init(&b->own, seed);
	b->tlb = &b->own;
	for (size_t a = 0; a < ARRAY_SIZE(b->attachment); a++) {
		list_init(&b->attachment[a].link);
		list_init(&b->attachment[a].under_link);
		b->attachment[a].binding = b;
	}
}

int requester_create(struct iommu *i, uint32_t rid, struct requester **out)
{
	return requester_create_with(i, &(struct requester_config){.rid = rid}, out);
}

void requester_set_pasid_bits(struct requester *r, unsigned int bits)
{
	r->caps.max_pasid_log2 = (uint8_t)min_u64(r->iommu->caps.max_pasid_log2, bits);
}

int requester_create_with(struct iommu *i, const struct requester_config *cfg,
			  struct requester **out)
{
	struct requester *r = ioas_aligned_alloc(_Alignof(struct requester), sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	*r = (struct requester){
		.iommu = i,
		.memory = i->memory,
		.slots = memory_slot(i->memory, 0),
		.id = cfg->rid,
		.caps = cfg->caps ? *cfg->caps : i->caps,
		.make_data = cfg->make_data,
		.owner = cfg->owner,
	};
	if (!cfg->caps) {
		r->caps.ats = r->caps.pri = false; /* requester_add_ats() */
		requester_set_pasid_bits(r, cfg->pasid_bits);
	}
	rc = iotlb_init(&r->iotlb);
	if (rc) {
		ioas_free(r);
		return rc;
	}
	epoch_init(&r->epoch, i->epochs);
	lock_init(&r->commands.lock, LOCK_REQUESTER);
	r->commands.many_from = UINT64_MAX;
	binding_init(&r->rid, r, IOMMU_NO_PASID, 0);
	lock_acquire(&i->lock);
	list_add_tail(&i->requesters, &r->link);
	lock_release(&i->lock);
	*out = r;
	return 0;
}

void requester_destroy(struct requester *r)
{
	lock_acquire(&r->iommu->lock);
	list_del(&r->link);
	lock_release(&r->iommu->lock);
	pasid_free_all(r);
	iotlb_fini(&r->iotlb);
	ioas_free(r->commands.many);
	nested_cache_free(r->nested);
	atc_free(r->atc);
	ioas_free(r);
}

uint32_t requester_rid(const struct requester *r)
{
	return r->id;
}

struct iommu *requester_iommu(const struct requester *r)
{
	return r->iommu;
}

const struct iommu_caps *requester_caps(const struct requester *r)
{
	return &r->caps;
}

void *requester_make_data(const struct requester *r)
{
	return r->make_data;
}

void *requester_owner(const struct requester *r)
{
	return r->owner;
}

struct domain *requester_domain(struct requester *r)
{
	return __atomic_load_n(&r->rid.domain, __ATOMIC_ACQUIRE);
}

struct domain *requester_pasid_domain(struct requester *r, uint32_t pasid)
{
	const struct binding *b;
	struct domain *d;

	lock_acquire(&r->iommu->lock);
	b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);
	d = b ? b->domain : NULL;
	lock_release(&r->iommu->lock);
	return d;
}

struct epoch *requester_epoch(struct requester *r)
{
	return &r->epoch;
}

void requester_begin(struct requester *r)
{
	epoch_unpark(&r->epoch);
}

void requester_end(struct requester *r)
{
	epoch_park(&r->epoch);
}

/* About three microseconds, a third of what a barrier may take on a virtual machine: a DMA thread
 * takes nearly two to look through its whole IOTLB for a large range. */
#define SPINS_BEFORE_BARRIER 150

/* Has the DMA thread applied what is posted now, or parked since? */
static bool catches_up(const struct requester *r)
{
	uint64_t posted = __atomic_load_n(&r->commands.posted, __ATOMIC_RELAXED);

	for (int spins = 0; spins < SPINS_BEFORE_BARRIER; spins++) {
		if (__atomic_load_n(&r->applied, __ATOMIC_ACQUIRE) >= posted ||
		    !epoch_is_awake(&r->epoch))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

void quiesce_wait_awake(struct quiesce *q, const struct requester *r)
{
	/* One's own section is not waited for, and one's next translation needs no fence to see
	 * what one has done. */
	if (epoch_is_mine(&r->epoch))
		return;
	if (!q->fenced && !(q->posted && catches_up(r))) {
		epoch_barrier(q->epochs);
		q->fenced = true;
	}
	epoch_wait(&r->epoch);
}

void quiesce_one(struct requester *r, bool posted)
{
	struct quiesce q;

	quiesce_begin(&q, r->iommu->epochs, posted);
	quiesce_wait(&q, r);
}

void requester_quiesce(struct requester *r)
{
	quiesce_one(r, false);
}

void requester_get_stats(const struct requester *r, struct requester_stats *out)
{
	out->hits = __atomic_load_n(&r->stats.hits, __ATOMIC_RELAXED);
	out->misses = __atomic_load_n(&r->stats.misses, __ATOMIC_RELAXED);
	out->faults = __atomic_load_n(&r->stats.faults, __ATOMIC_RELAXED);
	out->invalidations = __atomic_load_n(&r->stats.invalidations, __ATOMIC_RELAXED);
	out->loads = __atomic_load_n(&r->stats.loads, __ATOMIC_RELAXED);
	out->atc_hits = __atomic_load_n(&r->stats.atc_hits, __ATOMIC_RELAXED);
	out->page_requests = __atomic_load_n(&r->stats.page_requests, __ATOMIC_RELAXED);
}

/* Commands' lock held: counts @n that were written into the ring, or a flush. */
static void publish(struct commands *c, unsigned int n)
{
	__atomic_store_n(&c->posted, c->posted + n, __ATOMIC_RELEASE);
}

static void post_flush(struct commands *c)
{
	__atomic_store_n(&c->flushed, c->posted + 1, __ATOMIC_RELAXED);
	publish(c, 1);
}

/* Where command @n is; the DMA thread, or the lock held. */
static struct command *place_of(struct commands *c, uint64_t n)
{
	if (n < __atomic_load_n(&c->many_from, __ATOMIC_ACQUIRE))
		return &c->few[n % COMMANDS];
	return &c->many[n % MANY_COMMANDS];
}

/* Commands' lock held: there is room for @n; false: they became a flush. */
static bool have_room(struct requester *r, unsigned int n)
{
	struct commands *c = &r->commands;
	uint64_t room = c->many ? MANY_COMMANDS : COMMANDS;

	/* Acquire: the DMA thread has read what is overwritten here. */
	if (c->posted + n - __atomic_load_n(&r->applied, __ATOMIC_ACQUIRE) <= room)
		return true;
	post_flush(c);
	return false;
}

void requester_post(struct binding *b, uint64_t first, uint64_t last)
{
	struct commands *c = &b->requester->commands;
	struct command *cmd;

	lock_acquire(&c->lock);
	if (have_room(b->requester, 1)) {
		cmd = place_of(c, c->posted);
		cmd->kind = COMMAND_PAGES;
		cmd->binding = b;
		cmd->first = first;
		cmd->last = last;
		publish(c, 1);
	}
	lock_release(&c->lock);
}

void requester_post_commands(struct requester *r, const struct command *cmds, unsigned int n)
{
	struct commands *c = &r->commands;

	lock_acquire(&c->lock);
	if (have_room(r, n)) {
		for (unsigned int k = 0; k < n; k++)
			*place_of(c, c->posted + k) = cmds[k];
		publish(c, n);
	}
	lock_release(&c->lock);
}

void requester_post_command(struct requester *r, const struct command *cmd)
{
	requester_post_commands(r, cmd, 1);
}

void requester_post_all(struct requester *r)
{
	lock_acquire(&r->commands.lock);
	post_flush(&r->commands);
	lock_release(&r->commands.lock);
}

/* What stands in few becomes a flush, so that nobody looks for it in many. */
static void keep_many(struct commands *c, struct command *many)
{
	lock_acquire(&c->lock);
	c->many = many;
	__atomic_store_n(&c->many_from, c->posted + 1, __ATOMIC_RELEASE);
	post_flush(c);
	lock_release(&c->lock);
}

int requester_prepare_nested(struct requester *r)
{
	struct nested_cache *cache;
	struct command *many;

	if (r->nested)
		return 0;
	cache = nested_cache_create();
	many = ioas_calloc(MANY_COMMANDS, sizeof(*many));
	if (!cache || !many) {
		nested_cache_free(cache);
		ioas_free(many);
		return -ENOMEM;
	}
	/* What observers lack without, they do without. */
	if (observed()) {
		(void)iotlb_keep_notes(&r->iotlb);
		atc_keep_notes(r->atc);
	}
	__atomic_store_n(&r->nested, cache, __ATOMIC_RELEASE);
	keep_many(&r->commands, many);
	return 0;
}

static void apply(struct requester *r, const struct command *cmd)
{
	if (unlikely(r->atc))
		atc_apply(r->atc, cmd);
	if (likely(cmd->kind == COMMAND_PAGES)) {
		iotlb_forget(&r->iotlb, &cmd->binding->own, cmd->first, cmd->last);
		return;
	}
	if (cmd->kind == COMMAND_BINDING)
		iotlb_forget_context(&r->iotlb, &cmd->binding->own);
	if (r->nested)
		nested_apply(r, cmd);
}

void requester_apply(struct requester *r)
{
	struct commands *c = &r->commands;
	uint64_t posted = __atomic_load_n(&c->posted, __ATOMIC_ACQUIRE);
	uint64_t flushed = __atomic_load_n(&c->flushed, __ATOMIC_RELAXED);
	uint64_t n = r->applied;

	stat_add(&r->stats.invalidations, posted - n);
	if (flushed > n) {
		iotlb_forget_all(&r->iotlb);
		if (r->atc)
			atc_forget_everything(r->atc);
		if (r->nested)
			nested_forget_everything(r);
		n = flushed;
	}
	/* flushed may be newer than posted: then nothing is left here, and the flush comes again
	 * next time. */
	for (; n < posted; n++)
		apply(r, place_of(c, n));
	__atomic_store_n(&r->applied, posted, __ATOMIC_RELEASE);
}

static void link_to(struct domain *d, struct attachment *a)
{
	lock_acquire(&d->lock);
	list_add_tail(&d->attachments, &a->link);
	lock_release(&d->lock);
	if (!d->parent)
		return;
	lock_acquire(&d->parent->lock);
	list_add_tail(&d->parent->under, &a->under_link);
	lock_release(&d->parent->lock);
}

static void unlink_from(struct domain *d, struct attachment *a)
{
	lock_acquire(&d->lock);
	list_del(&a->link);
	lock_release(&d->lock);
	if (!d->parent)
		return;
	lock_acquire(&d->parent->lock);
	list_del(&a->under_link);
	lock_release(&d->parent->lock);
}

/* What may_attach() found out. */
struct agreement {
	uint64_t virt_id;
};

/*
 * From link_to() to unlink_from() the requester hears of the changes of both domains; the one store
 * of b->domain is the switch. That it is W1 and the command W2 of requester.h makes the old domain
 * quiet at the end. A binding that nobody can find has no news, and nothing to be quiet.
 */
static void switch_domain(struct binding *b, struct domain *d, const struct agreement *a,
			  bool hidden)
{
	struct domain *old = b->domain;

	if (d)
		link_to(d, &b->attachment[!b->which]);
	__atomic_store_n(&b->virt_id, a->virt_id, __ATOMIC_RELAXED);
	__atomic_store_n(&b->domain, d, __ATOMIC_RELEASE);
	if (!hidden) {
		requester_post_command(b->requester,
				       &(struct command){.kind = COMMAND_BINDING,
							 .binding = b,
							 .parent = old ? old->parent : NULL});
		quiesce_one(b->requester, true);
	}
	if (old)
		unlink_from(old, &b->attachment[b->which]);
	b->which = !b->which;
	OBSERVE(b->requester->iommu->sink, attach, b->requester, b->pasid, d, old,
		b->requester->id);
}

/* ATT.8. iommu->lock held. */
static int may_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old,
		      struct agreement *a)
{
	const struct nested_ops *nested = d ? d->nested : NULL;
	int rc = d ? domain_check(d, r->iommu) : 0;

	*a = (struct agreement){0};
	if (!rc && r->iommu->make->attach)
		rc = r->iommu->make->attach(r, pasid, d, old);
	if (!rc && nested && nested->attach)
		rc = nested->attach(d, r, pasid, &a->virt_id);
	return !rc && nested && nested->resolve ? requester_prepare_nested(r) : rc;
}

int requester_attach(struct requester *r, struct domain *d)
{
	struct binding *b = &r->rid;
	struct agreement a;
	int rc = 0;

	lock_acquire(&r->iommu->lock);
	if (b->domain != d) {
		rc = may_attach(r, IOMMU_NO_PASID, d, b->domain, &a);
		if (!rc)
			switch_domain(b, d, &a, false);
	}
	lock_release(&r->iommu->lock);
	return rc;
}

static int attach_new_pasid(struct requester *r, uint32_t pasid, struct domain *d)
{
	struct agreement a;
	struct binding *b;
	int rc;

	rc = pasid_reserve(r, pasid, &b);
	if (rc)
		return rc;
	rc = may_attach(r, pasid, d, NULL, &a);
	if (rc) {
		pasid_recycle(r, b);
		return rc;
	}
	switch_domain(b, d, &a, true);
	pasid_publish(r, b);
	return 0;
}

static int change_pasid(struct requester *r, struct binding *b, struct domain *d)
{
	struct agreement a;
	int rc = may_attach(r, b->pasid, d, b->domain, &a);

	if (rc)
		return rc;
	if (!d)
		pasid_hide(r, b);
	switch_domain(b, d, &a, false);
	if (!d)
		pasid_recycle(r, b);
	return 0;
}

int requester_attach_pasid(struct requester *r, uint32_t pasid, struct domain *d)
{
	struct binding *b;
	int rc = 0;

	if (!r->iommu->make->pasids)
		return -EOPNOTSUPP;
	if (pasid == IOMMU_NO_PASID || !r->caps.max_pasid_log2 || pasid >> r->caps.max_pasid_log2)
		return -EINVAL;
	lock_acquire(&r->iommu->lock);
	b = pasid_find(r, pasid);
	if (b && b->domain != d)
		rc = change_pasid(r, b, d);
	else if (!b && d)
		rc = attach_new_pasid(r, pasid, d);
	lock_release(&r->iommu->lock);
	return rc;
}

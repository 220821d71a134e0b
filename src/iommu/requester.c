/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requesters: their life, their command slot, and what domain they are attached to.
 */
#include "iommu/requester.h"

#include <errno.h>
#include <stdlib.h>

#include "iommu/domain.h"

int requester_create(struct iommu *i, uint32_t rid, struct requester **out)
{
	return requester_create_with(i, &(struct requester_config){.rid = rid}, out);
}

int requester_create_with(struct iommu *i, const struct requester_config *cfg, struct requester **out)
{
	struct requester *r = aligned_alloc(_Alignof(struct requester), sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	*r = (struct requester){
		.iommu = i,
		.memory = i->memory,
		.slots = memory_slot(i->memory, 0),
		.rid = cfg->rid,
		.caps = cfg->caps ? *cfg->caps : i->caps,
		.make_data = cfg->make_data,
		.owner = cfg->owner,
	};
	rc = iotlb_init(&r->iotlb);
	if (rc) {
		free(r);
		return rc;
	}
	epoch_init(&r->epoch, i->epochs);
	lock_init(&r->commands.lock, LOCK_REQUESTER);
	for (size_t a = 0; a < ARRAY_SIZE(r->attachment); a++) {
		list_init(&r->attachment[a].link);
		r->attachment[a].requester = r;
	}
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
	iotlb_fini(&r->iotlb);
	free(r);
}

uint32_t requester_rid(const struct requester *r)
{
	return r->rid;
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
	return __atomic_load_n(&r->domain, __ATOMIC_ACQUIRE);
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

static void quiesce_one(struct requester *r, bool posted)
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
}

/* Commands' lock held: counts what was written into the ring, or a flush. */
static void publish(struct commands *c)
{
	__atomic_store_n(&c->posted, c->posted + 1, __ATOMIC_RELEASE);
}

static void post_flush(struct commands *c)
{
	__atomic_store_n(&c->flushed, c->posted + 1, __ATOMIC_RELAXED);
	publish(c);
}

void requester_post(struct requester *r, uint64_t iova, uint64_t last)
{
	struct commands *c = &r->commands;

	lock_acquire(&c->lock);
	/* Acquire: the DMA thread has read what is overwritten here. */
	if (c->posted - __atomic_load_n(&r->applied, __ATOMIC_ACQUIRE) < COMMANDS) {
		c->ring[c->posted % COMMANDS].iova = iova;
		c->ring[c->posted % COMMANDS].last = last;
		publish(c);
	} else {
		post_flush(c);
	}
	lock_release(&c->lock);
}

void requester_post_all(struct requester *r)
{
	lock_acquire(&r->commands.lock);
	post_flush(&r->commands);
	lock_release(&r->commands.lock);
}

void requester_apply(struct requester *r)
{
	const struct commands *c = &r->commands;
	uint64_t posted = __atomic_load_n(&c->posted, __ATOMIC_ACQUIRE);
	uint64_t flushed = __atomic_load_n(&c->flushed, __ATOMIC_RELAXED);
	uint64_t n = r->applied;

	stat_add(&r->stats.invalidations, posted - n);
	if (flushed > n) {
		iotlb_forget_all(&r->iotlb);
		n = flushed;
	}
	/* flushed may be newer than posted: then nothing is left here, and the flush comes again
	 * next time. */
	for (; n < posted; n++)
		iotlb_forget(&r->iotlb, c->ring[n % COMMANDS].iova, c->ring[n % COMMANDS].last);
	__atomic_store_n(&r->applied, posted, __ATOMIC_RELEASE);
}

static void link_to(struct domain *d, struct attachment *a)
{
	lock_acquire(&d->lock);
	list_add_tail(&d->attachments, &a->link);
	lock_release(&d->lock);
}

static void unlink_from(struct domain *d, struct attachment *a)
{
	lock_acquire(&d->lock);
	list_del(&a->link);
	lock_release(&d->lock);
}

/*
 * From link_to() to unlink_from() the requester hears of the changes of both domains; the one store
 * of r->domain is the switch. That it is W1 and the flush W2 of requester.h makes the old domain
 * quiet at the end.
 */
int requester_attach(struct requester *r, struct domain *d)
{
	struct iommu *i = r->iommu;
	struct domain *old;
	int rc = 0;

	lock_acquire(&i->lock);
	old = r->domain;
	if (old == d)
		goto out;
	rc = d ? domain_check(d, i) : 0;
	if (!rc && i->make->attach)
		rc = i->make->attach(r, IOMMU_NO_PASID, d, old);
	if (rc)
		goto out;
	if (d)
		link_to(d, &r->attachment[!r->which]);
	__atomic_store_n(&r->domain, d, __ATOMIC_RELEASE);
	requester_post_all(r);
	quiesce_one(r, true);
	if (old)
		unlink_from(old, &r->attachment[r->which]);
	r->which = !r->which;
out:
	lock_release(&i->lock);
	return rc;
}

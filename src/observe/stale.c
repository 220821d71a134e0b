/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See stale.h. A suspect is a page of a requester that was used and not found in the tables. What
 * clears it: a use that agrees with the tables, a command that covers it, another attachment, a
 * change of stage 2, which makes the caches forget all that came through it.
 *
 * Suspects are few, and in a table of fixed size under a lock that sections may take. Each is
 * looked at by its requester's DMA thread at every use, so none outlives what it stands for: where
 * the entry went unseen and came again, that was a use, and it agreed.
 */
#include "observe/stale.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "base/observe.h"
#include "dma/dma.h"
#include "iommu/nested_look.h"
#include "object/host.h"

#define SUSPECTS      64
#define GRACE_NS      20000000u
#define FORGOTTEN     10 /* times the grace time: without another use */
#define SKIP	      16 /* uses, before the clock is asked again */
#define LOOKS	      64
#define NS_PER_SECOND 1000000000ull

struct suspect {
	const struct requester *r; /* NULL: not in use */
	uint64_t page;		   /* IOVA */
	uint64_t since;
	bool told;
	/* Its first use, for a report when there is no other. */
	struct nested_look first;
	uint64_t len;
	stack_id device_now;
};

struct stale {
	struct stale_config cfg;
	struct lock lock; /* LOCK_OBSERVE */
	struct suspect suspect[SUSPECTS];
	unsigned int nr_waiting; /* not told yet; read atomically */
	unsigned int nr;	 /* the same */
	/* Of the looks at what is not suspected; atomic, and no matter if one is miscounted. */
	uint64_t tick;
	unsigned int left, skip;
	bool stopped; /* atomic */
};

/* A use. */
struct use {
	const struct event_dma_step *e;
	uint64_t iova;
	const char *ptr;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* ---- suspects, under the lock ---- */

static struct suspect *find(struct stale *s, const struct requester *r, uint32_t pasid,
			    uint64_t page)
{
	for (struct suspect *p = s->suspect; p < s->suspect + SUSPECTS; p++)
		if (p->r == r && p->first.pasid == pasid && p->page == page)
			return p;
	return NULL;
}

static void change_count(unsigned int *n, int by)
{
	__atomic_store_n(n, *n + (unsigned int)by, __ATOMIC_RELAXED);
}

static void drop(struct stale *s, struct suspect *p)
{
	change_count(&s->nr, -1);
	if (!p->told)
		change_count(&s->nr_waiting, -1);
	p->r = NULL;
}

/* A free place, or that of the oldest. */
static struct suspect *place(struct stale *s)
{
	struct suspect *oldest = s->suspect;

	for (struct suspect *p = s->suspect; p < s->suspect + SUSPECTS; p++) {
		if (!p->r)
			return p;
		if (p->since < oldest->since)
			oldest = p;
	}
	drop(s, oldest);
	return oldest;
}

static void suspect(struct stale *s, struct suspect *p, const struct suspect *now)
{
	if (p)
		drop(s, p);
	else
		p = place(s);
	*p = *now;
	change_count(&s->nr, 1);
	change_count(&s->nr_waiting, 1);
}

static void mark_told(struct stale *s, struct suspect *p)
{
	p->told = true;
	change_count(&s->nr_waiting, -1);
}

/* True: @use is to be told; use->since is then when it was first seen. */
static bool convict(struct stale *s, struct suspect *use)
{
	const uint64_t now = use->since;
	struct suspect *p;
	bool tell = false;

	lock_acquire(&s->lock);
	p = find(s, use->r, use->first.pasid, use->page);
	if (!p || p->first.ptr - (p->first.iova & PAGE_MASK) !=
			  use->first.ptr - (use->first.iova & PAGE_MASK)) {
		suspect(s, p, use);
	} else {
		p->first.what = use->first.what;
		use->since = p->since;
		tell = !p->told && now - p->since >= s->cfg.grace_ns;
		if (tell)
			mark_told(s, p);
	}
	lock_release(&s->lock);
	return tell;
}

/* One that was used once, and whose command has not come for so long that it will not come. */
static bool take_forgotten(struct stale *s, uint64_t now, struct suspect *out)
{
	bool found = false;

	lock_acquire(&s->lock);
	for (struct suspect *p = s->suspect; p < s->suspect + SUSPECTS && !found; p++) {
		if (!p->r || p->told || now - p->since < FORGOTTEN * s->cfg.grace_ns)
			continue;
		mark_told(s, p);
		*out = *p;
		found = true;
	}
	lock_release(&s->lock);
	return found;
}

static void acquit(struct stale *s, const struct requester *r, uint32_t pasid, uint64_t iova)
{
	struct suspect *p;

	if (!__atomic_load_n(&s->nr, __ATOMIC_RELAXED))
		return;
	lock_acquire(&s->lock);
	p = find(s, r, pasid, align_down(iova, PAGE_SIZE));
	if (p)
		drop(s, p);
	lock_release(&s->lock);
}

static bool is_waiting(struct stale *s, const struct requester *r, uint32_t pasid, uint64_t iova)
{
	const struct suspect *p;

	if (!__atomic_load_n(&s->nr_waiting, __ATOMIC_RELAXED))
		return false;
	lock_acquire(&s->lock);
	p = find(s, r, pasid, align_down(iova, PAGE_SIZE));
	lock_release(&s->lock);
	return p;
}

/* ---- words ---- */

static const char *now_words(const struct nested_look *l, char *buf, size_t len)
{
	switch (l->now) {
	case NESTED_NOW_ELSEWHERE:
		snprintf(buf, len, "lead to guest physical address %#llx now",
			 (unsigned long long)l->gpa);
		return buf;
	case NESTED_NOW_DENIED:
		return l->access & IOMMU_WRITE ? "permit no write any more"
					       : "permit no read any more";
	case NESTED_NOW_NO_CONFIG:
		return "have no valid configuration for it any more";
	case NESTED_NOW_ABSENT:
		break;
	}
	return "have nothing there any more";
}

static const char *const entry_words[] = {
	[NESTED_STALE_PAGE] = "a stale IOTLB entry",
	[NESTED_STALE_CONFIG] = "a stale configuration",
	[NESTED_STALE_ATC] = "a stale entry of its own cache (ATC)",
};
static const char *const iommu_words[] = {
	[NESTED_STALE_PAGE] = "translated it by its IOTLB",
	[NESTED_STALE_CONFIG] = "translated it by the configuration that it had cached",
	[NESTED_STALE_ATC] = "had translated it before, and was not asked again",
};

static void report(const struct stale *s, const struct suspect *p, uint64_t age)
{
	const struct nested_look *l = &p->first;
	const struct host_device *d = requester_owner(l->r);
	char text[400], advice[300], now[80];

	snprintf(text, sizeof(text),
		 "the device %s IOVA %#llx through %s: for %llu ms at least the guest's tables %s, "
		 "and no invalidation covered it",
		 l->access & IOMMU_WRITE ? "wrote to" : "read from", (unsigned long long)l->iova,
		 entry_words[l->what], (unsigned long long)(age / 1000000),
		 now_words(l, now, sizeof(now)));
	snprintf(advice, sizeof(advice), "missing: %s",
		 l->missing[0] ? l->missing : "the guest's invalidation");
	s->cfg.sink.report(s->cfg.sink.arg,
			   &(struct finding){
				   .kind = l->what == NESTED_STALE_ATC ? FINDING_DMA_STALE_ATC
								       : FINDING_DMA_STALE_IOTLB,
				   .device = d ? d->name : NULL,
				   .rid = requester_rid(l->r),
				   .pasid = l->pasid,
				   .iova = l->iova,
				   .len = p->len,
				   .access = (int)l->access,
				   .iommu = iommu_words[l->what],
				   .text = text,
				   .advice = advice,
				   .device_now = p->device_now,
			   });
}

static void report_forgotten(struct stale *s)
{
	struct suspect p;
	uint64_t now;

	if (!__atomic_load_n(&s->nr_waiting, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&s->stopped, __ATOMIC_RELAXED))
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	while (take_forgotten(s, now, &p))
		report(s, &p, now - p.since);
}

/* ---- events ---- */

/* Refilled when the clock has ticked, which is asked for when none is left, and then not at every
 * use: a quick device pays for a counter. */
static bool may_look(struct stale *s)
{
	const unsigned int left = __atomic_load_n(&s->left, __ATOMIC_RELAXED);
	const unsigned int skip = __atomic_load_n(&s->skip, __ATOMIC_RELAXED);
	uint64_t tick;

	if (left) {
		__atomic_store_n(&s->left, left - 1, __ATOMIC_RELAXED);
		return true;
	}
	if (skip) {
		__atomic_store_n(&s->skip, skip - 1, __ATOMIC_RELAXED);
		return false;
	}
	tick = clock_ns(CLOCK_MONOTONIC_COARSE);
	if (__atomic_exchange_n(&s->tick, tick, __ATOMIC_RELAXED) == tick) {
		__atomic_store_n(&s->skip, SKIP, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_store_n(&s->left, s->cfg.looks - 1, __ATOMIC_RELAXED);
	return true;
}

/* Apart, so that a use that is not looked at fills in nothing. */
static __attribute__((noinline)) void look(struct stale *s, const struct use *u)
{
	struct suspect now = {
		.r = u->e->port->requester,
		.page = align_down(u->iova, PAGE_SIZE),
		.len = u->e->len - (u->iova - u->e->iova),
		.first = {.r = u->e->port->requester,
			  .pasid = u->e->pasid,
			  .iova = u->iova,
			  .access = (unsigned int)u->e->access,
			  .ptr = u->ptr},
	};
	uint64_t when;

	switch (nested_look(&now.first)) {
	case NESTED_UNKNOWN:
		break;
	case NESTED_AGREES:
		acquit(s, now.r, now.first.pasid, u->iova);
		break;
	case NESTED_STALE:
		if (s->cfg.sink.device_stack)
			now.device_now = s->cfg.sink.device_stack(s->cfg.sink.arg, now.r);
		when = now.since = clock_ns(CLOCK_MONOTONIC);
		if (convict(s, &now))
			report(s, &now, when - now.since);
		break;
	}
}

static void consider(struct stale *s, const struct use *u)
{
	if (is_waiting(s, u->e->port->requester, u->e->pasid, u->iova) || may_look(s))
		look(s, u);
}

/* Nothing is waited for, and no look is left: most uses by a quick device. */
static bool skips(struct stale *s)
{
	const unsigned int skip = __atomic_load_n(&s->skip, __ATOMIC_RELAXED);

	if (!skip || __atomic_load_n(&s->left, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&s->nr_waiting, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&s->skip, skip - 1, __ATOMIC_RELAXED);
	return true;
}

/* Its first page, and its last where that is another one. */
static void dma_step(void *arg, const struct event_dma_step *e)
{
	struct stale *s = arg;
	const uint64_t behind = e->len - 1;

	if (likely(skips(s)))
		return;
	if (!e->tr->ptr || !nested_serves(e->port->requester, e->pasid) ||
	    __atomic_load_n(&s->stopped, __ATOMIC_RELAXED))
		return;
	report_forgotten(s);
	consider(s, &(struct use){e, e->iova, e->tr->ptr});
	if ((e->iova ^ (e->iova + behind)) & ~PAGE_MASK)
		consider(s, &(struct use){e, e->iova + behind, e->tr->ptr + behind});
}

static bool is_met(uint32_t named, uint32_t mine)
{
	return named == UINT32_MAX || named == mine;
}

/* Each kind of command takes what it can: a TLB invalidation leaves the configuration that brought
 * the entry there, and both leave what the device keeps. */
static bool covers(const struct event_guest_invalidate *e, const struct suspect *p)
{
	if ((e->requester && e->requester != p->r) || (e->parent && e->parent != p->first.parent))
		return false;
	if (!e->match && e->pasid != IOMMU_ALL_PASIDS && e->pasid != p->first.pasid)
		return false;
	if (e->last < p->page || e->iova > (p->page | PAGE_MASK))
		return false;
	if (e->atc)
		return p->first.what == NESTED_STALE_ATC;
	if (!e->match)
		return p->first.what == NESTED_STALE_CONFIG;
	return p->first.what == NESTED_STALE_PAGE && is_met(e->did, p->first.did) &&
	       is_met(e->asid, p->first.asid);
}

static void guest_invalidate(void *arg, const struct event_guest_invalidate *e)
{
	struct stale *s = arg;

	if (!__atomic_load_n(&s->nr, __ATOMIC_RELAXED))
		return;
	report_forgotten(s);
	lock_acquire(&s->lock);
	for (struct suspect *p = s->suspect; p < s->suspect + SUSPECTS; p++)
		if (p->r && covers(e, p))
			drop(s, p);
	lock_release(&s->lock);
}

static void drop_all(struct stale *s, const struct requester *r, const struct domain *parent)
{
	if (!__atomic_load_n(&s->nr, __ATOMIC_RELAXED))
		return;
	lock_acquire(&s->lock);
	for (struct suspect *p = s->suspect; p < s->suspect + SUSPECTS; p++)
		if (p->r && (p->r == r || p->first.parent == parent))
			drop(s, p);
	lock_release(&s->lock);
}

static void attach(void *arg, const struct event_attach *e)
{
	struct stale *s = arg;

	report_forgotten(s);
	drop_all(s, e->requester, NULL);
}

static void invalidate(void *arg, const struct event_invalidate *e)
{
	drop_all(arg, NULL, e->domain);
}

static const struct observer_ops stale_ops = {
	.dma_step = dma_step,
	.guest_invalidate = guest_invalidate,
	.attach = attach,
	.invalidate = invalidate,
};

int stale_create(struct sink *sink, const struct stale_config *cfg, struct stale **out)
{
	struct stale *s = ioas_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	if (!s->cfg.grace_ns)
		s->cfg.grace_ns = GRACE_NS;
	if (!s->cfg.looks)
		s->cfg.looks = LOOKS;
	lock_init(&s->lock, LOCK_OBSERVE);
	rc = observe_add(sink, &stale_ops, s);
	if (rc)
		goto out_free;
	*out = s;
	return 0;
out_free:
	ioas_free(s);
	return rc;
}

void stale_stop(struct stale *s)
{
	report_forgotten(s);
	__atomic_store_n(&s->stopped, true, __ATOMIC_RELAXED);
}

void stale_destroy(struct stale *s)
{
	ioas_free(s);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: made as the make wants them, and invalidated.
 */
#include "iommu/domain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "iommu/nested_cache.h"
#include "iommu/requester.h"
#include "iommu/viommu.h"

static void init_common(struct domain *d, struct iommu *i)
{
	d->iommu = i;
	lock_init(&d->lock, LOCK_DOMAIN);
	list_init(&d->attachments);
	list_init(&d->under);
}

static void set_limits(struct domain *d, const struct domain_config *cfg)
{
	const struct iommu_limits *l = &d->iommu->limits;

	d->aperture_start = cfg->aperture_start;
	d->aperture_last = cfg->aperture_last ? cfg->aperture_last : d->pt->input_last;
	d->page_sizes = cfg->page_sizes ? cfg->page_sizes : pt_page_sizes(d->pt);
	if (l->aperture)
		d->aperture_last = min_u64(d->aperture_last, MASK(l->aperture));
	if (l->page_sizes)
		d->page_sizes &= l->page_sizes;
}

static int alloc(struct iommu *i, struct requester *r, uint32_t flags, const struct user_data *data,
		 struct domain **out)
{
	struct domain_config cfg = {0};
	struct domain *d;
	int rc;

	rc = i->make->domain_config(i, r, flags, data, &cfg);
	if (rc)
		return rc;
	d = ioas_calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	rc = pt_create(i->tables, &cfg.pt, &d->pt);
	if (rc) {
		ioas_free(d);
		return rc;
	}
	init_common(d, i);
	set_limits(d, &cfg);
	d->flags = flags;
	d->coherent = cfg.pt.flags & PT_COHERENT;
	d->only_writeable = cfg.only_writeable;
	*out = d;
	return 0;
}

int domain_alloc(struct iommu *i, uint32_t flags, struct domain **out)
{
	return alloc(i, NULL, flags, NULL, out);
}

int domain_alloc_for(struct requester *r, uint32_t flags, const struct user_data *data,
		     struct domain **out)
{
	return alloc(r->iommu, r, flags, data, out);
}

void domain_init_nested(struct domain *d, struct iommu *i, struct domain *parent,
			const struct nested_ops *ops)
{
	init_common(d, i);
	d->nested = ops;
	d->parent = parent;
	d->coherent = parent->coherent;
}

void domain_free(struct domain *d)
{
	if (d->nested) {
		d->nested->free(d);
		return;
	}
	pt_destroy(d->pt);
	ioas_free(d);
}

struct pt *domain_pt(struct domain *d)
{
	return d->pt;
}

bool domain_is_nested(const struct domain *d)
{
	return d->nested;
}

void domain_set_recoverable(struct domain *d)
{
	d->recoverable = true;
}

struct iommu *domain_iommu(struct domain *d)
{
	return d->iommu;
}

void domain_set_space(struct domain *d, const void *space)
{
	d->space = space;
}

const void *domain_space(const struct domain *d)
{
	return d->parent ? d->parent->space : d->space;
}

void domain_aperture(const struct domain *d, uint64_t *start, uint64_t *last)
{
	*start = d->aperture_start;
	*last = d->aperture_last;
}

uint64_t domain_page_sizes(const struct domain *d)
{
	return d->page_sizes;
}

bool domain_only_writeable(const struct domain *d)
{
	return d->only_writeable;
}

bool domain_enforces_coherency(const struct domain *d)
{
	return d->coherent;
}

int domain_check(const struct domain *d, const struct iommu *i)
{
	const struct iommu_caps *caps = &i->caps;

	if (d->nested)
		return domain_check(d->parent, i);
	if (d->iommu == i)
		return 0;
	/* Tables, slots and epochs are the host's. */
	if (d->iommu->make != i->make || d->iommu->tables != i->tables ||
	    d->iommu->epochs != i->epochs)
		return -EINVAL;
	if ((d->flags & DOMAIN_DIRTY && !caps->dirty) || (d->coherent && !caps->enforce_coherency))
		return -EINVAL;
	if (d->pt->input_last > MASK(caps->ias) || pt_page_sizes(d->pt) & ~caps->page_sizes)
		return -EINVAL;
	/* The tables of a coherent walk are not flushed from the caches for one that is not. */
	return d->iommu->caps.coherent_walk && !caps->coherent_walk ? -EINVAL : 0;
}

/* Domain's lock held. */
static void post(struct domain *d, uint64_t iova, uint64_t last)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &d->attachments)
		requester_post(list_entry(pos, struct attachment, link)->binding, iova, last);
	if (likely(list_empty(&d->under)))
		return;
	nested_post(d, &(struct command){
			       .kind = COMMAND_PARENT, .parent = d, .first = iova, .last = last});
}

/* Domain's lock held, commands posted. */
static void wait_quiet(struct domain *d)
{
	struct list *pos, *tmp;
	struct quiesce q;

	if (list_empty(&d->attachments) && list_empty(&d->under))
		return;
	quiesce_begin(&q, d->iommu->epochs, true);
	list_for_each (pos, tmp, &d->attachments)
		quiesce_wait(&q, list_entry(pos, struct attachment, link)->binding->requester);
	list_for_each (pos, tmp, &d->under)
		quiesce_wait(&q,
			     list_entry(pos, struct attachment, under_link)->binding->requester);
}

/*
 * The lock is held while sections end, which is harmless because no section ever takes it
 * (iommu.fault says so to its listener too); without it a requester could be destroyed while it is
 * waited for.
 */
void domain_invalidate(struct domain *d, uint64_t iova, uint64_t last, struct pt_gather *g)
{
	lock_acquire(&d->lock);
	post(d, iova, last);
	wait_quiet(d);
	OBSERVE(d->iommu->sink, invalidate, d, iova, last);
	lock_release(&d->lock);
	if (g)
		pt_gather_free(d->iommu->tables, g);
}

void nested_sync(struct domain *parent)
{
	lock_acquire(&parent->lock);
	wait_quiet(parent);
	lock_release(&parent->lock);
}

int domain_enforce_coherency(struct domain *d)
{
	struct list *pos, *tmp;
	int rc = d->iommu->caps.enforce_coherency ? 0 : -EINVAL;

	if (domain_enforces_coherency(d))
		return 0;
	lock_acquire(&d->lock);
	list_for_each (pos, tmp, &d->attachments)
		if (!list_entry(pos, struct attachment, link)
			     ->binding->requester->iommu->caps.enforce_coherency)
			rc = -EINVAL;
	if (!rc)
		rc = pt_set_coherent(d->pt);
	d->coherent = !rc;
	lock_release(&d->lock);
	return rc;
}

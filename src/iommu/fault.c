/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults: recorded in the IOMMU's ring, counted, and told to whoever listens.
 */
#include <errno.h>

#include "base/observe.h"
#include "iommu/domain.h"
#include "iommu/look.h"
#include "iommu/requester.h"

static const char *const words[] = {
	[FAULT_BLOCKED] = "no address space is attached",
	[FAULT_BUS_MASTER] = "bus mastering is off",
	[FAULT_ADDRESS] = "beyond the IOMMU's input addresses",
	[FAULT_NOT_PRESENT] = "not mapped",
	[FAULT_READ] = "mapped without read permission",
	[FAULT_WRITE] = "mapped without write permission",
	[FAULT_MSI] = "no interrupt message",
	[FAULT_GONE] = "mapped, but the program has taken the memory away",
	[FAULT_NO_PEER] = "a BAR that does not answer",
};

const char *iommu_fault_words(enum iommu_fault_reason reason)
{
	return (size_t)reason < ARRAY_SIZE(words) ? words[reason] : "unknown";
}

static void record(struct iommu *i, const struct iommu_fault *f)
{
	lock_acquire(&i->fault_lock);
	i->fault_ring[i->nr_faults % IOMMU_FAULT_RING] = *f;
	__atomic_store_n(&i->nr_faults, i->nr_faults + 1, __ATOMIC_RELAXED);
	lock_release(&i->fault_lock);
}

/* Within a section, where whatever is attached stays. */
static const struct pt_ops *find_format(const struct requester *r, uint32_t pasid)
{
	const struct binding *b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);
	const struct domain *d = b ? __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE) : NULL;

	return d && d->pt ? d->pt->ops : NULL;
}

static __attribute__((cold, noinline)) void tell_observers(struct requester *r,
							   const struct iommu_fault *f, bool guest)
{
	observe_fault(r->iommu->sink, &(struct event_fault){.requester = r,
							    .fault = f,
							    .guest = guest,
							    .rid = f->rid,
							    .pasid = f->pasid,
							    .code = f->code,
							    .iova = f->iova,
							    .len = f->len,
							    .access = (int)f->access,
							    .reason = (int)f->reason});
}

/* @f without its code. */
static int count(struct requester *r, struct iommu_fault *f, uint32_t code, bool tell)
{
	struct iommu *i = r->iommu;

	f->code = code;
	stat_add(&r->stats.faults, 1);
	record(i, f);
	if (observed())
		tell_observers(r, f, !tell);
	if (tell && i->fault)
		i->fault(i->fault_arg, r, f);
	return -EFAULT;
}

/* @f without its format and code. */
static int report(struct requester *r, struct iommu_fault *f)
{
	const enum iommu_fault_reason reason = f->reason;

	if (reason == FAULT_ADDRESS || reason == FAULT_NOT_PRESENT || reason == FAULT_READ ||
	    reason == FAULT_WRITE || reason == FAULT_GONE)
		f->format = find_format(r, f->pasid);
	return count(r, f, r->iommu->make->fault_code(r->iommu, f), true);
}

static struct iommu_fault fault_of(const struct requester *r, uint32_t pasid, uint64_t iova,
				   uint64_t len, enum iommu_access access,
				   enum iommu_fault_reason reason)
{
	return (struct iommu_fault){
		.rid = r->id,
		.pasid = pasid,
		.iova = iova,
		.len = len,
		.access = access,
		.reason = reason,
	};
}

int iommu_report_fault(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
		       enum iommu_access access, enum iommu_fault_reason reason)
{
	struct iommu_fault f = fault_of(r, pasid, iova, len, access, reason);

	return report(r, &f);
}

int iommu_report_injected(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			  enum iommu_access access)
{
	struct iommu_fault f = fault_of(r, pasid, iova, len, access, FAULT_NOT_PRESENT);

	f.injected = true;
	return report(r, &f);
}

static enum iommu_fault_met met_by(const struct nested_fault *f)
{
	if (!f || f->stage != 2)
		return FAULT_MET_STAGE1;
	return f->config ? FAULT_MET_CONFIG : f->walk ? FAULT_MET_TABLE : FAULT_MET_DATA;
}

static struct iommu_fault nested_fault_of(const struct nested_request *q,
					  const struct nested_fault *f,
					  enum iommu_fault_reason reason)
{
	struct iommu_fault fault =
		fault_of(q->r, q->pasid, q->iova, q->len, (enum iommu_access)q->access, reason);

	fault.met = met_by(f);
	fault.gpa = f ? f->gpa : 0;
	return fault;
}

int nested_host_fault(const struct nested_request *q, const struct nested_fault *f,
		      enum iommu_fault_reason reason, uint32_t code)
{
	struct iommu_fault fault = nested_fault_of(q, f, reason);

	if (unlikely(q->look != NULL))
		return look_refuse(q->look, reason, code);
	return count(q->r, &fault, code, true);
}

int nested_guest_fault(const struct nested_request *q, const struct nested_fault *f,
		       enum iommu_fault_reason reason, uint32_t code)
{
	struct iommu_fault fault = nested_fault_of(q, f, reason);

	if (unlikely(q->look != NULL))
		return look_refuse(q->look, reason, code);
	return count(q->r, &fault, code, false);
}

uint64_t nested_virt_id(const struct nested_request *q)
{
	return __atomic_load_n(&q->binding->virt_id, __ATOMIC_RELAXED);
}

void iommu_tell_request(struct requester *r, const struct page_group *g)
{
	OBSERVE(r->iommu->sink, page_request, r, g, r->id, g->pasid, g->grpid,
		(uint32_t)g->nr_requests, g->nr_requests ? g->requests[0].addr : 0);
}

void iommu_request_pages(struct requester *r, struct page_group *g)
{
	struct iommu *i = r->iommu;

	if (i->page_request)
		i->page_request(i->page_request_arg, r, g);
	else
		g->respond(g, false);
}

size_t iommu_recent_faults(struct iommu *i, struct iommu_fault *out, size_t max)
{
	size_t n;

	lock_acquire(&i->fault_lock);
	n = min_u64(min_u64(i->nr_faults, IOMMU_FAULT_RING), max);
	for (size_t k = 0; k < n; k++)
		out[k] = i->fault_ring[(i->nr_faults - n + k) % IOMMU_FAULT_RING];
	lock_release(&i->fault_lock);
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions that wait for an answer, and what a device keeps of translations.
 */
#include <errno.h>

#include "iommu/domain.h"
#include "iommu/requester.h"

/* Whose queue a request is for: its PASID's domain, or the RID's where the guest has the PASIDs. */
static const struct domain *domain_of(const struct requester *r, uint32_t pasid)
{
	const struct binding *b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);

	if (!b)
		b = &r->rid;
	return __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE);
}

static void on_answer(struct page_group *g, bool success)
{
	struct stall *s = container_of(g, struct stall, group);

	s->success = success;
	sem_post(&s->answered);
}

/* PAGE REQUEST permissions, as the ABI of fault queues has them. */
#define REQUEST_READ  1u
#define REQUEST_WRITE 2u
#define REQUEST_EXEC  4u
#define REQUEST_PRIV  8u

static uint32_t request_perm(unsigned int access)
{
	return (access & IOMMU_READ ? REQUEST_READ : 0) |
	       (access & IOMMU_WRITE ? REQUEST_WRITE : 0) |
	       (access & IOMMU_EXEC ? REQUEST_EXEC : 0) | (access & IOMMU_PRIV ? REQUEST_PRIV : 0);
}

int requester_stall(struct requester *r, uint32_t pasid, uint64_t iova, enum iommu_access access,
		    uint32_t grpid)
{
	const struct domain *d = domain_of(r, pasid);
	struct stall *s = &r->stall;

	if (!d || !d->recoverable || !r->iommu->page_request)
		return -EFAULT;
	s->request = (struct page_request){.addr = iova, .perm = request_perm(access)};
	s->group = (struct page_group){.pasid = pasid,
				       .grpid = grpid,
				       .requests = &s->request,
				       .nr_requests = 1,
				       .respond = on_answer};
	s->waits = true;
	return -EAGAIN;
}

int requester_finish_stall(struct requester *r)
{
	struct stall *s = &r->stall;

	if (!s->waits)
		return -EFAULT;
	s->waits = false;
	iommu_request_pages(r, &s->group);
	while (sem_wait(&s->answered))
		;
	return s->success ? 0 : -EFAULT;
}

void requester_set_atc(struct requester *r, const struct atc_ops *ops, void *arg)
{
	r->atc = ops;
	r->atc_arg = arg;
}

void requester_forget_atc(struct requester *r, uint32_t pasid, uint64_t first, uint64_t last)
{
	if (r->atc)
		r->atc->forget(r->atc_arg, pasid, first, last);
}

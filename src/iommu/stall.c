/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA that waits for an answer: stalled transactions, and pages that a device asks for.
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
	struct asking *a = container_of(g, struct asking, group);

	a->success = success;
	sem_post(&a->answered);
}

/* Permissions of a page request, as the ABI of fault queues has them. */
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

static bool is_answered(const struct requester *r, uint32_t pasid)
{
	const struct domain *d = domain_of(r, pasid);

	return d && d->recoverable && r->iommu->page_request;
}

static void set_group(struct asking *a, uint32_t pasid, uint32_t grpid, size_t n)
{
	a->group = (struct page_group){.pasid = pasid,
				       .grpid = grpid,
				       .requests = a->requests,
				       .nr_requests = n,
				       .respond = on_answer};
}

/* Outside of sections, since whoever answers may wait for them. */
static int ask(struct requester *r)
{
	struct asking *a = &r->asking;

	stat_add(&r->stats.page_requests, a->group.nr_requests);
	iommu_request_pages(r, &a->group);
	while (sem_wait(&a->answered))
		; /* a signal */
	return a->success ? 0 : -EFAULT;
}

int requester_stall(struct requester *r, uint32_t pasid, uint64_t iova, enum iommu_access access,
		    uint32_t grpid)
{
	struct asking *a = &r->asking;

	if (!is_answered(r, pasid))
		return -EFAULT;
	a->requests[0] = (struct page_request){.addr = iova, .perm = request_perm(access)};
	set_group(a, pasid, grpid, 1);
	a->stalled = true;
	return -EAGAIN;
}

int requester_finish_stall(struct requester *r)
{
	if (!r->asking.stalled)
		return -EFAULT;
	r->asking.stalled = false;
	return ask(r);
}

/* PCIe 10.4.1: page request group indices have nine bits. */
#define GROUPS 512u

int requester_ask_pages(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			enum iommu_access access)
{
	uint64_t first = align_down(iova, PAGE_SIZE),
		 pages = ((iova + len - 1 - first) >> PAGE_SHIFT) + 1;
	struct asking *a = &r->asking;
	size_t n = min_u64(pages, IOMMU_MAX_PAGE_REQUESTS);

	if (!r->caps.pri)
		return -EFAULT;
	for (size_t k = 0; k < n; k++)
		a->requests[k] = (struct page_request){.addr = first + k * PAGE_SIZE,
						       .perm = request_perm(access)};
	set_group(a, pasid, a->next_group++ % GROUPS, n);
	return ask(r);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA that waits for an answer: stalled transactions, and pages that a device asks for.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/refuse.h"
#include "iommu/domain.h"
#include "iommu/nested.h"
#include "iommu/requester.h"

/* Whose queue a request is for: its PASID's domain, or the RID's where the guest has the PASIDs. */
static struct domain *domain_of(const struct requester *r, uint32_t pasid)
{
	const struct binding *b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);

	if (!b)
		b = &r->rid;
	return __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE);
}

/*
 * One asking. The group belongs to whoever takes it until the answer, however late, so that it
 * lives apart from the requester, which may stop waiting: two hold it.
 */
struct asking {
	struct page_group group;
	struct page_request requests[IOMMU_MAX_PAGE_REQUESTS];
	sem_t wake;
	unsigned int holders;	/* atomic */
	bool answered, success; /* answered is atomic, and success read after it */
};

static void put_asking(struct asking *a)
{
	if (__atomic_sub_fetch(&a->holders, 1, __ATOMIC_ACQ_REL))
		return;
	sem_destroy(&a->wake);
	ioas_free(a);
}

static void on_answer(struct page_group *g, bool success)
{
	struct asking *a = container_of(g, struct asking, group);

	a->success = success;
	__atomic_store_n(&a->answered, true, __ATOMIC_RELEASE);
	sem_post(&a->wake);
	put_asking(a);
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

static struct asking *new_asking(uint32_t pasid, uint32_t grpid, size_t n)
{
	struct asking *a = ioas_calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	sem_init(&a->wake, 0, 0);
	a->holders = 2;
	a->group = (struct page_group){.pasid = pasid,
				       .grpid = grpid,
				       .requests = a->requests,
				       .nr_requests = n,
				       .respond = on_answer};
	return a;
}

/* From here on requester_stop_asking() finds it. False: it is not to be asked. */
static bool show(struct requester *r, struct asking *a)
{
	bool may;

	lock_acquire(&r->commands.lock);
	may = !r->nr_stops;
	r->asking = may ? a : NULL;
	lock_release(&r->commands.lock);
	return may;
}

static void hide(struct requester *r)
{
	lock_acquire(&r->commands.lock);
	r->asking = NULL;
	lock_release(&r->commands.lock);
}

/* By a nested domain whose guest answers itself. */
static bool guest_takes(struct requester *r, struct page_group *g)
{
	struct domain *d;
	bool taken;

	lock_acquire(&r->iommu->lock);
	d = domain_of(r, g->pasid);
	taken = d && d->nested && d->nested->page_request && d->nested->page_request(d, r, g);
	lock_release(&r->iommu->lock);
	return taken;
}

static void await(const struct requester *r, struct asking *a)
{
	const struct sink *sink = r->iommu->sink;
	const struct guest_stand_in *g = sink ? sink->guest : NULL;

	if (g) {
		g->wait(g->arg);
		return;
	}
	while (sem_wait(&a->wake))
		; /* a signal */
}

/* Outside of sections, since whoever answers may wait for them. */
static int ask(struct requester *r, struct asking *a)
{
	bool success;

	if (!show(r, a)) {
		put_asking(a);
		put_asking(a);
		return -EFAULT;
	}
	stat_add(&r->stats.page_requests, a->group.nr_requests);
	iommu_tell_request(r, &a->group);
	if (!guest_takes(r, &a->group))
		iommu_request_pages(r, &a->group);
	await(r, a);
	hide(r);
	success = __atomic_load_n(&a->answered, __ATOMIC_ACQUIRE) && a->success;
	put_asking(a);
	return success ? 0 : -EFAULT;
}

void requester_stop_asking(struct requester *r, bool stop)
{
	lock_acquire(&r->commands.lock);
	r->nr_stops += stop ? 1 : -1;
	if (stop && r->asking)
		sem_post(&r->asking->wake);
	lock_release(&r->commands.lock);
}

int requester_stall(struct requester *r, uint32_t pasid, uint64_t iova, enum iommu_access access,
		    uint32_t grpid)
{
	if (!is_answered(r, pasid))
		return -EFAULT;
	r->stall = (struct stall){true, pasid, grpid, {.addr = iova, .perm = request_perm(access)}};
	return -EAGAIN;
}

int requester_finish_stall(struct requester *r)
{
	struct stall *s = &r->stall;
	struct asking *a = s->stalled ? new_asking(s->pasid, s->grpid, 1) : NULL;

	s->stalled = false;
	if (!a)
		return -EFAULT;
	a->requests[0] = s->request;
	return ask(r, a);
}

/* PCIe 10.4.1: page request group indices have nine bits. */
#define GROUPS 512u

int requester_ask_pages(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			enum iommu_access access)
{
	uint64_t first = align_down(iova, PAGE_SIZE),
		 pages = ((iova + len - 1 - first) >> PAGE_SHIFT) + 1;
	size_t n = min_u64(pages, IOMMU_MAX_PAGE_REQUESTS);
	struct asking *a = r->caps.pri ? new_asking(pasid, r->next_group++ % GROUPS, n) : NULL;

	if (!a)
		return -EFAULT;
	for (size_t k = 0; k < n; k++)
		a->requests[k] = (struct page_request){.addr = first + k * PAGE_SIZE,
						       .perm = request_perm(access)};
	return ask(r, a);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM whose guest has an SMMUv3 that stalls: what the guest's tables have no page for waits,
 * until the VMM has its answer. Half of the pages come, by ones and through a new table; for the
 * others there is none.
 *
 *   ioas run --iommu smmuv3,stall=on --device ioat -- smmuv3_stall
 */
#include <poll.h>
#include <pthread.h>

#include "../bugs/vmm.h"

#define PAGES 16u

struct answering {
	struct vmm *v;
	int fd;
	unsigned int answered;
};

/* Every other page is there. */
static bool is_missing(uint64_t iova)
{
	return iova >> 12 & 1;
}

static void answer(struct answering *a, const struct iommu_hwpt_pgfault *f)
{
	struct iommu_hwpt_page_response r = {.cookie = f->cookie,
					     .code = is_missing(f->addr)
							     ? IOMMUFD_PAGE_RESP_INVALID
							     : IOMMUFD_PAGE_RESP_SUCCESS};

	if (!is_missing(f->addr))
		guest_map(a->v, f->addr & ~(PAGE - 1), DATA(1), MAY_WRITE);
	if (write(a->fd, &r, sizeof(r)) != sizeof(r))
		err(1, "the answer");
	a->answered++;
}

/* Whoever reads too often finds nothing, which is no error. */
static void *answer_all(void *arg)
{
	struct pollfd p = {.fd = ((struct answering *)arg)->fd, .events = POLLIN};
	struct answering *a = arg;
	struct iommu_hwpt_pgfault f;

	while (a->answered < PAGES) {
		if (poll(&p, 1, 10000) != 1)
			errx(1, "nobody asks");
		while (read(a->fd, &f, sizeof(f)) == sizeof(f))
			answer(a, &f);
	}
	return NULL;
}

int main(void)
{
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	struct answering a = {0};
	unsigned int done = 0;
	pthread_t thread;
	struct vmm v;

	vmm_open(&v);
	vmm_call(&v, IOMMU_FAULT_QUEUE_ALLOC, &queue, "IOMMU_FAULT_QUEUE_ALLOC");
	v.queue = queue.out_fault_id;
	a.v = &v;
	a.fd = (int)queue.out_fault_fd;
	smmu_nest(&v, false);
	guest_map(&v, IOVA_RING, RING, MAY_BOTH);
	guest_map(&v, IOVA_DONE, DONE, MAY_BOTH);
	guest_map(&v, IOVA_SRC, DATA(0), MAY_READ);
	guest_start(&v);
	if (pthread_create(&thread, NULL, answer_all, &a))
		errx(1, "no thread");
	for (uint64_t n = 0; n < PAGES; n++) {
		/* Each pair by a table of its own. */
		uint64_t dst = IOVA_DST + (n / 2 << 21) + (n % 2) * PAGE;
		bool ok = engine_copy(&v.engine, dst, IOVA_SRC, PAGE);

		if (ok == is_missing(dst))
			errx(1, "the copy to %#llx: %d", (unsigned long long)dst, ok);
		done += ok;
		if (!ok)
			engine_start(&v.engine);
	}
	pthread_join(thread, NULL);
	printf("%u of %u copies went on, %u requests were answered\n", done, PAGES, a.answered);
	vmm_close(&v);
	close(a.fd);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small NVMe driver for tests that do real I/O on a device: an admin queue and one I/O queue pair, whose memory and registers
 * the test has mapped in its own way. NVM Express Base Specification 1.4; runs on any controller.
 */
#ifndef TESTS_ABI_NVME_USER_H
#define TESTS_ABI_NVME_USER_H

#include "vfio_fixture.h"

#define NVME_QUEUE_ENTRIES 16
#define NVME_DOORBELLS	   0x1000

/* Memory of the test's, as the device reaches it. */
struct nvme_memory {
	void *va;
	uint64_t iova;
};

struct nvme_user {
	volatile char *regs;  /* BAR 0 */
	volatile char *bells; /* its doorbells, mapped for themselves or within regs */
	unsigned int stride;
	struct {
		struct nvme_memory sq, cq; /* a page each */
		uint32_t tail, head, phase;
		uint16_t cid;
	} q[2];
	uint32_t block; /* bytes of a block of namespace 1 */
};

/* Disables, gives the admin queue (u->q[0], memory set), enables. */
bool nvme_enable(struct nvme_user *u);
bool nvme_disable(struct nvme_user *u);
/* The I/O queue (u->q[1], memory set), its completion queue with interrupts on @vector (-1: none); learns u->block from Identify
 * into @page. */
bool nvme_make_queue(struct nvme_user *u, int vector, const struct nvme_memory *page);

/* Reads or writes one page of blocks at page @at of namespace 1, waiting by polling; status, 0 for success, or -1 when the
 * completion did not come. */
int nvme_read_page(struct nvme_user *u, uint64_t at, const struct nvme_memory *page);
int nvme_write_page(struct nvme_user *u, uint64_t at, const struct nvme_memory *page);
/* The same with more than one page: @list has room for a PRP list, which this fills from @pages. */
int nvme_read_pages(struct nvme_user *u, uint64_t at, const struct nvme_memory *pages, unsigned int n, const struct nvme_memory *list);
int nvme_write_pages(struct nvme_user *u, uint64_t at, const struct nvme_memory *pages, unsigned int n,
		     const struct nvme_memory *list);

#endif

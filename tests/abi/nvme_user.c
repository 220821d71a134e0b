/* SPDX-License-Identifier: BSD-3-Clause */
/* See nvme_user.h. */
#include "nvme_user.h"

#include <time.h>

#define CAP  0x00
#define CC   0x14
#define CSTS 0x1c
#define AQA  0x24
#define ASQ  0x28
#define ACQ  0x30

#define CC_ENABLE  (1u | 6u << 16 | 4u << 20)
#define CSTS_READY 1u
#define CSTS_FATAL 2u

#define ADMIN_CREATE_SQ 0x01
#define ADMIN_CREATE_CQ 0x05
#define ADMIN_IDENTIFY	0x06
#define IO_WRITE	0x01
#define IO_READ		0x02

struct command {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid;
	uint64_t reserved, metadata, prp1, prp2;
	uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};
_Static_assert(sizeof(struct command) == 64, "a command is 64 bytes");

struct completion {
	uint32_t dw0, dw1;
	uint16_t head, sqid, cid, status;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t reg32(struct nvme_user *u, unsigned int at)
{
	return *(volatile uint32_t *)(u->regs + at);
}

static void set32(struct nvme_user *u, unsigned int at, uint32_t v)
{
	*(volatile uint32_t *)(u->regs + at) = v;
}

static void set64(struct nvme_user *u, unsigned int at, uint64_t v)
{
	*(volatile uint64_t *)(u->regs + at) = v;
}

static bool wait_ready(struct nvme_user *u, uint32_t want)
{
	const double end = now() + 10;

	while (now() < end) {
		if ((reg32(u, CSTS) & CSTS_READY) == want)
			return true;
		if (reg32(u, CSTS) & CSTS_FATAL)
			break;
		usleep(100);
	}
	return abi_true(false, "CSTS is %#x", reg32(u, CSTS));
}

static void ring(struct nvme_user *u, unsigned int doorbell, uint32_t value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile uint32_t *)(u->bells + doorbell * u->stride) = value;
}

bool nvme_disable(struct nvme_user *u)
{
	set32(u, CC, 0);
	return wait_ready(u, 0);
}

static void empty(struct nvme_user *u, unsigned int i)
{
	memset(u->q[i].sq.va, 0, PAGE);
	memset(u->q[i].cq.va, 0, PAGE);
	u->q[i].tail = u->q[i].head = u->q[i].cid = 0;
	u->q[i].phase = 1;
}

bool nvme_enable(struct nvme_user *u)
{
	if (!nvme_disable(u))
		return false;
	u->stride = 4u << (reg32(u, CAP + 4) & 0xf);
	empty(u, 0);
	set32(u, AQA, (NVME_QUEUE_ENTRIES - 1) << 16 | (NVME_QUEUE_ENTRIES - 1));
	set64(u, ASQ, u->q[0].sq.iova);
	set64(u, ACQ, u->q[0].cq.iova);
	set32(u, CC, CC_ENABLE);
	return wait_ready(u, CSTS_READY);
}

/* Status without the phase; -1: no completion. */
static int wait_completion(struct nvme_user *u, unsigned int i)
{
	volatile struct completion *c = (struct completion *)u->q[i].cq.va + u->q[i].head;
	const double end = now() + 10;
	int status;

	while ((__atomic_load_n(&c->status, __ATOMIC_ACQUIRE) & 1) != u->q[i].phase) {
		if (now() > end)
			return -1;
	}
	status = c->status >> 1;
	if (++u->q[i].head == NVME_QUEUE_ENTRIES) {
		u->q[i].head = 0;
		u->q[i].phase ^= 1;
	}
	ring(u, 2 * i + 1, u->q[i].head);
	return status;
}

static int run(struct nvme_user *u, unsigned int i, struct command *c)
{
	c->cid = u->q[i].cid++;
	((struct command *)u->q[i].sq.va)[u->q[i].tail] = *c;
	u->q[i].tail = (u->q[i].tail + 1) % NVME_QUEUE_ENTRIES;
	ring(u, 2 * i, u->q[i].tail);
	return wait_completion(u, i);
}

static bool identify_namespace(struct nvme_user *u, const struct nvme_memory *page)
{
	struct command c = { .opcode = ADMIN_IDENTIFY, .nsid = 1, .prp1 = page->iova };
	const uint8_t *d = page->va;
	uint32_t format;

	if (!abi_equal(run(u, 0, &c), 0))
		return false;
	memcpy(&format, d + 128 + 4 * (d[26] & 0xf), 4);
	u->block = 1u << (format >> 16 & 0xff);
	return abi_true(u->block >= 512 && u->block <= PAGE, "blocks of %u bytes", u->block);
}

bool nvme_make_queue(struct nvme_user *u, int vector, const struct nvme_memory *page)
{
	struct command cq = { .opcode = ADMIN_CREATE_CQ,
			      .prp1 = u->q[1].cq.iova,
			      .dw10 = (NVME_QUEUE_ENTRIES - 1) << 16 | 1,
			      .dw11 = vector < 0 ? 1 : (uint32_t)vector << 16 | 3 };
	struct command sq = { .opcode = ADMIN_CREATE_SQ,
			      .prp1 = u->q[1].sq.iova,
			      .dw10 = (NVME_QUEUE_ENTRIES - 1) << 16 | 1,
			      .dw11 = 1 << 16 | 1 };

	empty(u, 1);
	return identify_namespace(u, page) && abi_equal(run(u, 0, &cq), 0) && abi_equal(run(u, 0, &sq), 0);
}

/* One page needs no second PRP, two have it in the command, more have a list. */
static int transfer(struct nvme_user *u, uint8_t opcode, uint64_t at, const struct nvme_memory *pages, unsigned int n,
		    const struct nvme_memory *list)
{
	const uint64_t lba = at * (PAGE / u->block);
	struct command c = { .opcode = opcode,
			     .nsid = 1,
			     .prp1 = pages[0].iova,
			     .dw10 = (uint32_t)lba,
			     .dw11 = (uint32_t)(lba >> 32),
			     .dw12 = (uint32_t)(n * (PAGE / u->block) - 1) };

	if (n == 2)
		c.prp2 = pages[1].iova;
	for (unsigned int i = 1; n > 2 && i < n; i++)
		((uint64_t *)list->va)[i - 1] = pages[i].iova;
	if (n > 2)
		c.prp2 = list->iova;
	return run(u, 1, &c);
}

int nvme_read_page(struct nvme_user *u, uint64_t at, const struct nvme_memory *page)
{
	return transfer(u, IO_READ, at, page, 1, NULL);
}

int nvme_write_page(struct nvme_user *u, uint64_t at, const struct nvme_memory *page)
{
	return transfer(u, IO_WRITE, at, page, 1, NULL);
}

int nvme_read_pages(struct nvme_user *u, uint64_t at, const struct nvme_memory *pages, unsigned int n, const struct nvme_memory *list)
{
	return transfer(u, IO_READ, at, pages, n, list);
}

int nvme_write_pages(struct nvme_user *u, uint64_t at, const struct nvme_memory *pages, unsigned int n,
		     const struct nvme_memory *list)
{
	return transfer(u, IO_WRITE, at, pages, n, list);
}

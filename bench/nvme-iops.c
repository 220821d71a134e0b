/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random reads of 4 KiB from an NVMe controller (NVM Express base specification 1.4) by a driver
 * that knows the kernel's interface only and polls for completions. Run it as
 * `ioas run --device nvme,size=64M -- bench-nvme-iops`. It overwrites namespace 1: each 4 KiB
 * get their own number, by which each read is checked.
 *
 * A round puts as many commands into the queue as are to be under way, rings once, takes all
 * completions that it finds, rings once.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "vfio_road.h"

#define REG_CAP	  0x00 /* u64 */
#define REG_CC	  0x14
#define REG_CSTS  0x1c
#define REG_AQA	  0x24
#define REG_ASQ	  0x28 /* u64 */
#define REG_ACQ	  0x30 /* u64 */
#define REG_BELLS 0x1000
#define REGS_LEN  0x2000

#define CAP_DSTRD(cap) (((cap) >> 32) & 0xf)
#define CC_EN	       1u
#define CC_ENTRIES     (6u << 16 | 4u << 20) /* log2 of the queue entry sizes */
#define CSTS_RDY       1u
#define CSTS_CFS       2u

#define ADMIN_CREATE_SQ	 0x01
#define ADMIN_CREATE_CQ	 0x05
#define ADMIN_IDENTIFY	 0x06
#define QUEUE_CONTIGUOUS 1u
#define IO_WRITE	 0x01
#define IO_READ		 0x02

#define PAGE	4096u
#define ENTRIES 64u /* of each queue: a page of submissions */
#define DEPTH	32u
#define TIMEOUT 30 /* seconds without a completion */

struct sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid, cid, status; /* status: its lowest bit is the phase */
};

struct queue {
	unsigned int id;
	struct sqe *sq;
	volatile struct cqe *cq;
	uint64_t sq_iova, cq_iova;
	uint16_t tail, head, phase;
};

struct nvme {
	struct road road;
	volatile uint32_t *regs;
	uint64_t cap;
	struct queue admin, io;
	char *data; /* DEPTH pages, one for each command */
	uint64_t data_iova;
	uint64_t pages; /* of namespace 1 */
	uint32_t blocks_per_page;
	/* Of a run of reads or writes. */
	uint64_t asked[DEPTH]; /* which page a command is for */
	uint16_t free[DEPTH], nr_free;
	unsigned int depth;
	uint64_t rng;
};

static void reg_write64(struct nvme *n, unsigned int at, uint64_t value)
{
	n->regs[at / 4] = (uint32_t)value;
	n->regs[at / 4 + 1] = (uint32_t)(value >> 32);
}

static time_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void wait_ready(struct nvme *n, uint32_t ready)
{
	time_t until = seconds() + TIMEOUT;
	uint32_t csts;

	while (((csts = n->regs[REG_CSTS / 4]) & CSTS_RDY) != ready)
		if (csts & CSTS_CFS || seconds() > until)
			errx(1, "the controller is not %s: CSTS 0x%" PRIx32,
			     ready ? "ready" : "disabled", csts);
}

static void ring(struct nvme *n, unsigned int index, uint32_t value)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	n->regs[(REG_BELLS + index * (4u << CAP_DSTRD(n->cap))) / 4] = value;
}

static void push(struct queue *q, struct sqe cmd)
{
	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % ENTRIES;
}

/* The command that the next completion is for, or -1 if there is none yet. */
static int pop(struct queue *q)
{
	volatile struct cqe *c = &q->cq[q->head];
	uint16_t status = c->status;
	int cid = c->cid;

	if ((status & 1) != q->phase)
		return -1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	cid = c->cid;
	if (status >> 1)
		errx(1, "queue %u, command %d: status code type %u, code 0x%02x", q->id, cid,
		     (status >> 9) & 7, (status >> 1) & 0xff);
	q->head = (q->head + 1) % ENTRIES;
	q->phase ^= !q->head;
	return cid;
}

/* At least one command that has ended. */
static int pop_wait(struct queue *q)
{
	time_t until = 0;
	int cid;

	for (unsigned int i = 1; (cid = pop(q)) < 0; i++) {
		__builtin_ia32_pause();
		if (i % (1 << 20))
			continue;
		if (!until)
			until = seconds() + TIMEOUT;
		else if (seconds() > until)
			errx(1, "queue %u: no completion within %d seconds", q->id, TIMEOUT);
	}
	return cid;
}

static void admin(struct nvme *n, struct sqe cmd)
{
	push(&n->admin, cmd);
	ring(n, 0, n->admin.tail);
	pop_wait(&n->admin);
	ring(n, 1, n->admin.head);
}

static void queue_alloc(struct nvme *n, struct queue *q, unsigned int id)
{
	*q = (struct queue){.id = id, .phase = 1};
	q->sq = road_alloc(&n->road, ENTRIES * sizeof(*q->sq), &q->sq_iova);
	q->cq = road_alloc(&n->road, PAGE, &q->cq_iova);
}

static void identify(struct nvme *n)
{
	uint64_t blocks;
	uint8_t shift;

	admin(n, (struct sqe){.opcode = ADMIN_IDENTIFY, .nsid = 1, .prp1 = n->data_iova});
	memcpy(&blocks, n->data, sizeof(blocks));
	shift = (uint8_t)n->data[128 + 4 * (n->data[26] & 0xf) + 2];
	if (!blocks || shift > 12)
		errx(1, "namespace 1 has no blocks of at most %u bytes", PAGE);
	n->blocks_per_page = PAGE >> shift;
	n->pages = blocks / n->blocks_per_page;
}

static void controller_open(struct nvme *n)
{
	static const struct road_match nvme = {.class = 0x010802, .class_mask = 0xffffff};

	road_open(&n->road, true, NULL, &nvme);
	road_enable(&n->road);
	n->regs = road_bar_map(&n->road, 0, REGS_LEN);
	n->cap = n->regs[REG_CAP / 4] | (uint64_t)n->regs[REG_CAP / 4 + 1] << 32;
	if (REG_BELLS + 4 * (4u << CAP_DSTRD(n->cap)) > REGS_LEN)
		errx(1, "the controller's doorbells lie too far apart");
	n->regs[REG_CC / 4] = 0;
	wait_ready(n, 0);
	queue_alloc(n, &n->admin, 0);
	queue_alloc(n, &n->io, 1);
	n->data = road_alloc(&n->road, DEPTH * PAGE, &n->data_iova);
	n->regs[REG_AQA / 4] = (ENTRIES - 1) << 16 | (ENTRIES - 1);
	reg_write64(n, REG_ASQ, n->admin.sq_iova);
	reg_write64(n, REG_ACQ, n->admin.cq_iova);
	n->regs[REG_CC / 4] = CC_ENTRIES | CC_EN;
	wait_ready(n, CSTS_RDY);
	identify(n);
	admin(n, (struct sqe){.opcode = ADMIN_CREATE_CQ,
			      .prp1 = n->io.cq_iova,
			      .cdw10 = (ENTRIES - 1) << 16 | 1,
			      .cdw11 = QUEUE_CONTIGUOUS});
	admin(n, (struct sqe){.opcode = ADMIN_CREATE_SQ,
			      .prp1 = n->io.sq_iova,
			      .cdw10 = (ENTRIES - 1) << 16 | 1,
			      .cdw11 = 1 << 16 | QUEUE_CONTIGUOUS});
}

static void controller_close(struct nvme *n)
{
	n->regs[REG_CC / 4] = 0;
	wait_ready(n, 0);
	road_close(&n->road);
}

/* The page's number stands at its beginning and at its end. */
#define LAST_WORD (PAGE - sizeof(uint64_t))

static void submit(struct nvme *n, uint8_t opcode, uint64_t page)
{
	uint16_t cid = n->free[--n->nr_free];
	uint64_t block = page * n->blocks_per_page;
	char *data = n->data + cid * PAGE;

	n->asked[cid] = page;
	if (opcode == IO_WRITE) {
		memcpy(data, &page, sizeof(page));
		memcpy(data + LAST_WORD, &page, sizeof(page));
	}
	push(&n->io, (struct sqe){.opcode = opcode,
				  .cid = cid,
				  .nsid = 1,
				  .prp1 = n->data_iova + cid * PAGE,
				  .cdw10 = (uint32_t)block,
				  .cdw11 = (uint32_t)(block >> 32),
				  .cdw12 = n->blocks_per_page - 1});
}

static void complete(struct nvme *n, int cid)
{
	const char *data = n->data + (unsigned int)cid * PAGE;
	uint64_t begin, end;

	memcpy(&begin, data, sizeof(begin));
	memcpy(&end, data + LAST_WORD, sizeof(end));
	if (begin != n->asked[cid] || end != begin)
		errx(1, "page %" PRIu64 " was read as %" PRIu64 " and %" PRIu64, n->asked[cid],
		     begin, end);
	n->free[n->nr_free++] = (uint16_t)cid;
}

/* Takes what has ended, one command at least. */
static unsigned int reap(struct nvme *n)
{
	unsigned int done = 0;

	for (int cid = pop_wait(&n->io); cid >= 0; cid = pop(&n->io), done++)
		complete(n, cid);
	ring(n, 3, n->io.head);
	return done;
}

static void read_random(void *arg, uint64_t count)
{
	struct nvme *n = arg;

	for (uint64_t sent = 0, done = 0; done < count; done += reap(n)) {
		for (; sent < count && sent - done < n->depth; sent++)
			submit(n, IO_READ,
			       (unsigned __int128)bench_random(&n->rng) * n->pages >> 64);
		ring(n, 2, n->io.tail);
	}
}

static void write_all(struct nvme *n)
{
	for (uint64_t sent = 0, done = 0; done < n->pages; done += reap(n)) {
		for (; sent < n->pages && sent - done < DEPTH; sent++)
			submit(n, IO_WRITE, sent);
		ring(n, 2, n->io.tail);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		unsigned int depth;
		uint64_t n;
	} rows[] = {{1, 5000}, {4, 20000}, {32, 100000}};
	struct nvme n = {.rng = 1};
	struct bench_cost limit;
	struct bench b;

	bench_begin(&b, argc, argv);
	controller_open(&n);
	while (n.nr_free < DEPTH) {
		n.free[n.nr_free] = n.nr_free;
		n.nr_free++;
	}
	write_all(&n);
	limit = bench_sum(bench_memcpy(&b, PAGE, n.pages * PAGE), bench_ioctl(&b));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char name[80];

		n.depth = rows[i].depth;
		snprintf(name, sizeof(name), "NVMe random read of 4 KiB, queue depth %u", n.depth);
		bench_row(&b, name, bench_run(&b, read_random, &n, rows[i].n),
			  "memcpy + empty ioctl", limit);
	}
	controller_close(&n);
	return bench_end(&b);
}

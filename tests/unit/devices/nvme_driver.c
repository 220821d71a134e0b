/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_driver.h"

#include <string.h>

static uint64_t doorbell(uint16_t qid, bool completion)
{
	return NVME_DOORBELLS + 8ull * qid + (completion ? 4 : 0);
}

static void ring_init(struct nvme_host *h, uint16_t qid, uint32_t entries)
{
	h->q[qid] = (struct nvme_ring){
		.sq = arena_alloc(h->rig, entries * sizeof(struct nvme_sqe), 4096),
		.cq = arena_alloc(h->rig, entries * sizeof(struct nvme_cqe), 4096),
		.sq_size = entries,
		.cq_size = entries,
		.phase = true,
		.cqid = qid,
	};
}

void nvme_program(struct nvme_host *h, struct func *f, uint32_t entries, uint32_t cc)
{
	*h = (struct nvme_host){.f = f, .rig = f->rig};
	ring_init(h, 0, entries);
	reg_write(f, 0, NVME_AQA, 4, (entries - 1) << 16 | (entries - 1));
	reg_write(f, 0, NVME_ASQ, 8, iova_of(h->rig, h->q[0].sq));
	reg_write(f, 0, NVME_ACQ, 4, iova_of(h->rig, h->q[0].cq));
	reg_write(f, 0, NVME_ACQ + 4, 4, iova_of(h->rig, h->q[0].cq) >> 32);
	reg_write(f, 0, NVME_CC, 4, cc);
}

uint32_t nvme_csts(struct nvme_host *h)
{
	return (uint32_t)reg_read(h->f, 0, NVME_CSTS, 4);
}

void nvme_start(struct nvme_host *h, struct func *f, uint32_t entries)
{
	nvme_program(h, f, entries, NVME_CC_USUAL);
	WAIT_UNTIL(nvme_csts(h) & (RDY | CFS));
	assert_int_equal(nvme_csts(h), RDY);
}

void nvme_stop(struct nvme_host *h)
{
	reg_write(h->f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
	WAIT_UNTIL(!nvme_csts(h));
}

uint16_t nvme_put(struct nvme_host *h, uint16_t qid, const struct nvme_sqe *e)
{
	struct nvme_ring *q = &h->q[qid];
	struct nvme_sqe copy = *e;

	copy.cid = q->next_cid++;
	memcpy(&q->sq[q->tail], &copy, sizeof(copy));
	q->tail = (q->tail + 1) % q->sq_size;
	return copy.cid;
}

void nvme_ring_sq(struct nvme_host *h, uint16_t qid)
{
	reg_write(h->f, 0, doorbell(qid, false), 4, h->q[qid].tail);
}

uint16_t nvme_submit(struct nvme_host *h, uint16_t qid, const struct nvme_sqe *e)
{
	uint16_t cid = nvme_put(h, qid, e);

	nvme_ring_sq(h, qid);
	return cid;
}

bool nvme_peek(struct nvme_host *h, uint16_t cqid, struct nvme_cqe *out)
{
	struct nvme_ring *q = &h->q[cqid];
	uint64_t *at = (uint64_t *)(void *)&q->cq[q->head], words[2];

	words[1] = __atomic_load_n(&at[1], __ATOMIC_ACQUIRE);
	words[0] = __atomic_load_n(&at[0], __ATOMIC_RELAXED);
	memcpy(out, words, sizeof(*out));
	if ((out->status & 1) != q->phase)
		return false;
	q->head = (q->head + 1) % q->cq_size;
	if (!q->head)
		q->phase = !q->phase;
	return true;
}

void nvme_ring_cq(struct nvme_host *h, uint16_t cqid)
{
	reg_write(h->f, 0, doorbell(cqid, true), 4, h->q[cqid].head);
}

bool nvme_take(struct nvme_host *h, uint16_t cqid, struct nvme_cqe *out)
{
	if (!nvme_peek(h, cqid, out))
		return false;
	nvme_ring_cq(h, cqid);
	return true;
}

struct nvme_cqe nvme_wait(struct nvme_host *h, uint16_t cqid)
{
	struct nvme_cqe e;

	WAIT_UNTIL(nvme_take(h, cqid, &e));
	return e;
}

uint16_t nvme_do(struct nvme_host *h, uint16_t qid, struct nvme_sqe e, uint32_t *dw0)
{
	uint16_t cid = nvme_submit(h, qid, &e);
	struct nvme_cqe c = nvme_wait(h, h->q[qid].cqid);

	assert_int_equal(c.cid, cid);
	assert_int_equal(c.sqid, qid);
	if (dw0)
		*dw0 = c.dw0;
	return c.status >> 1 & 0x3fff;
}

struct nvme_sqe nvme_create_cq_cmd(uint16_t qid, uint32_t entries, uint64_t iova, int vector)
{
	return (struct nvme_sqe){
		.opcode = NVME_ADMIN_CREATE_CQ,
		.dptr = {iova},
		.cdw10 = (entries - 1) << 16 | qid,
		.cdw11 = vector < 0 ? 1 : (uint32_t)vector << 16 | 3,
	};
}

struct nvme_sqe nvme_create_sq_cmd(uint16_t qid, uint32_t entries, uint64_t iova, uint16_t cqid)
{
	return (struct nvme_sqe){
		.opcode = NVME_ADMIN_CREATE_SQ,
		.dptr = {iova},
		.cdw10 = (entries - 1) << 16 | qid,
		.cdw11 = (uint32_t)cqid << 16 | 1,
	};
}

struct nvme_sqe nvme_delete_cmd(uint8_t opcode, uint16_t qid)
{
	return (struct nvme_sqe){.opcode = opcode, .cdw10 = qid};
}

void nvme_add_queue(struct nvme_host *h, uint16_t qid, uint32_t entries, int vector)
{
	struct nvme_ring *q = &h->q[qid];

	ring_init(h, qid, entries);
	assert_int_equal(nvme_do(h, 0,
				 nvme_create_cq_cmd(qid, entries, iova_of(h->rig, q->cq), vector),
				 NULL),
			 0);
	assert_int_equal(
		nvme_do(h, 0, nvme_create_sq_cmd(qid, entries, iova_of(h->rig, q->sq), qid), NULL),
		0);
}

void nvme_set_prps(struct nvme_host *h, struct nvme_sqe *e, const void *p, uint32_t bytes)
{
	uint64_t at = iova_of(h->rig, p), end = at + bytes, next = align_up(at + 1, 4096), *list;

	e->dptr[0] = at;
	e->dptr[1] = 0;
	if (end <= next)
		return;
	if (end <= next + 4096) {
		e->dptr[1] = next;
		return;
	}
	list = arena_alloc(h->rig, ((end - next) / 4096 + 1) * 8, 4096);
	for (unsigned int i = 0; next + i * 4096ull < end; i++)
		list[i] = next + i * 4096ull;
	e->dptr[1] = iova_of(h->rig, list);
}

struct nvme_sqe nvme_rw_cmd(struct nvme_host *h, uint8_t opcode, uint32_t nsid, uint64_t slba,
			    uint32_t blocks, const void *p, uint32_t bytes)
{
	struct nvme_sqe e = {
		.opcode = opcode,
		.nsid = nsid,
		.cdw10 = (uint32_t)slba,
		.cdw11 = (uint32_t)(slba >> 32),
		.cdw12 = blocks - 1,
	};

	nvme_set_prps(h, &e, p, bytes);
	return e;
}

struct nvme_sqe nvme_identify_cmd(struct nvme_host *h, uint8_t cns, uint32_t nsid, const void *p)
{
	struct nvme_sqe e = {.opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns};

	nvme_set_prps(h, &e, p, 4096);
	return e;
}

struct nvme_sqe nvme_log_cmd(struct nvme_host *h, uint8_t id, uint64_t offset, uint32_t bytes,
			     const void *p)
{
	uint32_t dwords = bytes / 4 - 1;
	struct nvme_sqe e = {
		.opcode = NVME_ADMIN_GET_LOG_PAGE,
		.nsid = UINT32_MAX,
		.cdw10 = dwords << 16 | id,
		.cdw11 = dwords >> 16,
		.cdw12 = (uint32_t)offset,
		.cdw13 = (uint32_t)(offset >> 32),
	};

	nvme_set_prps(h, &e, p, bytes);
	return e;
}

struct nvme_sqe nvme_feature_cmd(uint8_t opcode, uint32_t cdw10, uint32_t cdw11)
{
	return (struct nvme_sqe){.opcode = opcode, .cdw10 = cdw10, .cdw11 = cdw11};
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small NVMe driver for tests: it polls, and asserts that what must work does.
 */
#ifndef TESTS_UNIT_DEVICES_NVME_DRIVER_H
#define TESTS_UNIT_DEVICES_NVME_DRIVER_H

#include "devices/nvme/spec.h"
#include "rig.h"

#define DRIVER_QUEUES 65
#define RDY	      1u
#define CFS	      2u

struct nvme_ring {
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint32_t sq_size, cq_size, tail, head;
	bool phase;
	uint16_t cqid;
	uint16_t next_cid;
};

struct nvme_host {
	struct func *f;
	struct rig *rig;
	struct nvme_ring q[DRIVER_QUEUES];
};

/* Enables with admin queues of @entries. */
void nvme_start(struct nvme_host *h, struct func *f, uint32_t entries);
/* The same without waiting or asserting: AQA, ASQ, ACQ and CC. */
void nvme_program(struct nvme_host *h, struct func *f, uint32_t entries, uint32_t cc);
#define NVME_CC_USUAL (BIT(0) | 6u << 16 | 4u << 20)
void nvme_stop(struct nvme_host *h);
uint32_t nvme_csts(struct nvme_host *h);

/* Puts a command into the queue, and rings. Returns its cid. */
uint16_t nvme_submit(struct nvme_host *h, uint16_t qid, const struct nvme_sqe *e);
/* Without ringing: nvme_ring_sq() does it for all. */
uint16_t nvme_put(struct nvme_host *h, uint16_t qid, const struct nvme_sqe *e);
void nvme_ring_sq(struct nvme_host *h, uint16_t qid);
/* Takes the next completion of @cqid, if there is one, and rings. */
bool nvme_take(struct nvme_host *h, uint16_t cqid, struct nvme_cqe *out);
/* The same without ringing. */
bool nvme_peek(struct nvme_host *h, uint16_t cqid, struct nvme_cqe *out);
void nvme_ring_cq(struct nvme_host *h, uint16_t cqid);
/* Waits for the next completion of @cqid. */
struct nvme_cqe nvme_wait(struct nvme_host *h, uint16_t cqid);

/* One command, and its status without phase and DNR; *dw0 may be NULL. */
uint16_t nvme_do(struct nvme_host *h, uint16_t qid, struct nvme_sqe e, uint32_t *dw0);

/* Queue pair @qid of @entries, its completion queue with interrupts on @vector (-1: none). */
void nvme_add_queue(struct nvme_host *h, uint16_t qid, uint32_t entries, int vector);
struct nvme_sqe nvme_create_cq_cmd(uint16_t qid, uint32_t entries, uint64_t iova, int vector);
struct nvme_sqe nvme_create_sq_cmd(uint16_t qid, uint32_t entries, uint64_t iova, uint16_t cqid);
struct nvme_sqe nvme_delete_cmd(uint8_t opcode, uint16_t qid);

/* A read, write or compare of @blocks at @slba of the buffer @p, which lies in the arena; PRPs of 4
 * KiB pages. */
struct nvme_sqe nvme_rw_cmd(struct nvme_host *h, uint8_t opcode, uint32_t nsid, uint64_t slba,
			    uint32_t blocks, const void *p, uint32_t bytes);
/* Sets the data pointer to @bytes at @p. Lists go into the arena. */
void nvme_set_prps(struct nvme_host *h, struct nvme_sqe *e, const void *p, uint32_t bytes);

struct nvme_sqe nvme_identify_cmd(struct nvme_host *h, uint8_t cns, uint32_t nsid, const void *p);
struct nvme_sqe nvme_log_cmd(struct nvme_host *h, uint8_t id, uint64_t offset, uint32_t bytes,
			     const void *p);
struct nvme_sqe nvme_feature_cmd(uint8_t opcode, uint32_t cdw10, uint32_t cdw11);

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}
static inline uint32_t get32(const void *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}
static inline uint64_t get64(const void *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

#endif

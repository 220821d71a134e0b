/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVMe controller: registers, enabling and shutting down, queues, the worker (setup.c makes it). NVM Express Base
 * Specification 1.4.
 *
 * A write to a register changes register values only; the worker acts on them. CSTS.RDY therefore
 * follows CC.EN when the worker has left the queues, as on hardware. A CC.EN that falls and rises
 * again before the worker looked is a reset all the same.
 *
 * Interrupts are sent once for the completions of a turn of a queue whose commands took no time (a
 * namespace in memory), and otherwise after each completion.
 */
#include "devices/nvme/nvme.h"

#include <endian.h>
#include <string.h>

#include "devices/models.h"

#define MAX_PAGE_LG2  16
#define DOORBELLS_END NVME_MSIX_TABLE
#define BATCH	      16 /* commands of one queue before the next has its turn */

struct nvme_namespace *nvme_ns(struct nvme *n, uint32_t nsid)
{
	if (!nsid || nsid > NVME_MAX_NAMESPACES || !n->ns[nsid - 1].exists)
		return NULL;
	return &n->ns[nsid - 1];
}

uint16_t nvme_no_ns(uint32_t nsid)
{
	bool inactive = nsid && nsid <= NVME_MAX_NAMESPACES;

	return (inactive ? NVME_INVALID_FIELD : NVME_INVALID_NAMESPACE) | NVME_DNR;
}

static void show_registers(struct nvme *n)
{
	uint32_t shutdown =
		n->shutdown_wanted ? (uint32_t)field_prep(NVME_CSTS_SHST, NVME_SHST_OCCURRING) : 0;
	struct pci_dev *dev = n->dev;

	pci_bar_store64(dev, 0, NVME_CAP, n->cap);
	pci_bar_store32(dev, 0, NVME_VS, 0x00010400);
	pci_bar_store32(dev, 0, NVME_INTMS, n->intm);
	pci_bar_store32(dev, 0, NVME_INTMC, n->intm);
	pci_bar_store32(dev, 0, NVME_AQA, n->aqa);
	pci_bar_store64(dev, 0, NVME_ASQ, n->asq);
	pci_bar_store64(dev, 0, NVME_ACQ, n->acq);
	pci_bar_store32(dev, 0, NVME_CC, n->cc);
	pci_bar_store32(dev, 0, NVME_CSTS, n->csts | shutdown);
}

/* Something is unread that wants an interrupt. All vectors are bit 0 of INTMS with the pin
 * (section 3.1.3). Lock held. */
static bool wants_pin(const struct nvme *n)
{
	for (unsigned int i = 0; i <= n->nr_queues && !(n->intm & 1); i++) {
		const struct nvme_cq *cq = &n->cq[i];

		if (cq->exists && cq->ien &&
		    __atomic_load_n(&cq->tail, __ATOMIC_RELAXED) !=
			    __atomic_load_n(&cq->head, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Lock held. */
static void update_intx(struct nvme *n)
{
	bool messages = pci_msix_enabled(n->dev) || pci_msi_enabled(n->dev);

	pci_set_intx(n->dev, !messages && wants_pin(n));
}

/* A message for what became pending while it was masked (section 7.5.1.1). Lock held. */
static void unmask_msi(struct nvme *n, uint32_t bits)
{
	uint32_t pending = 0;

	for (unsigned int i = 0; i <= n->nr_queues; i++)
		if (n->cq[i].exists && n->cq[i].ien && n->cq[i].vector < 32 &&
		    __atomic_load_n(&n->cq[i].tail, __ATOMIC_RELAXED) !=
			    __atomic_load_n(&n->cq[i].head, __ATOMIC_RELAXED))
			pending |= BIT(n->cq[i].vector);
	for (unsigned int i = 0; i < 32; i++)
		if (pending & bits & BIT(i))
			pci_raise(n->dev, i);
}

/* Lock held. */
static void drop_queues(struct nvme *n)
{
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	__atomic_store_n(&n->doorbell_errors, 0, __ATOMIC_RELAXED);
	nvme_events_reset(n);
}

/* What a controller reset puts back; AQA, ASQ and ACQ it leaves (section 7.3.2). Lock held. */
static void reset_controller(struct nvme *n)
{
	drop_queues(n);
	nvme_features_reset(n);
	n->csts = n->intm = 0;
	n->reset_wanted = false;
}

static void nvme_reset(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);

	reset_controller(n);
	n->cc = n->aqa = 0;
	n->asq = n->acq = 0;
	n->shutdown_wanted = false;
	__atomic_store_n(&n->changed, false, __ATOMIC_RELAXED);
	n->cap = field_prep(NVME_CAP_MQES, NVME_MAX_ENTRIES - 1) | NVME_CAP_CQR |
		 field_prep(NVME_CAP_TO, 10) | field_prep(NVME_CAP_CSS, 1) |
		 field_prep(NVME_CAP_MPSMAX, MAX_PAGE_LG2 - PAGE_SHIFT);
	show_registers(n);
}

static void write_cc(struct nvme *n, uint32_t val)
{
	if (field_get(NVME_CC_SHN, val) && !field_get(NVME_CC_SHN, n->cc))
		n->shutdown_wanted = true;
	if ((n->cc & NVME_CC_EN) && !(val & NVME_CC_EN))
		n->reset_wanted = true;
	n->cc = val;
	__atomic_store_n(&n->changed, true, __ATOMIC_RELEASE);
	pci_kick(n->dev);
}

static void bad_doorbell(struct nvme *n, unsigned int event)
{
	__atomic_fetch_or(&n->doorbell_errors, BIT(event), __ATOMIC_RELAXED);
}

/* Doorbells, section 3.1.24: submission queue y tail at 2y, completion queue y head at 2y + 1. A
 * bad one is an asynchronous event. */
static void doorbell(struct nvme *n, uint64_t index, uint32_t val)
{
	unsigned int qid = (unsigned int)(index / 2);
	bool completion = index & 1;

	if (!(n->csts & NVME_CSTS_RDY))
		return;
	if (qid > NVME_MAX_QUEUES || !(completion ? n->cq[qid].exists : n->sq[qid].exists)) {
		bad_doorbell(n, NVME_AE_INVALID_DOORBELL);
	} else if (val >= (completion ? n->cq[qid].size : n->sq[qid].size)) {
		bad_doorbell(n, NVME_AE_INVALID_DOORBELL_VALUE);
	} else if (completion) {
		__atomic_store_n(&n->cq[qid].head, val, __ATOMIC_RELEASE);
		update_intx(n);
	} else {
		__atomic_store_n(&n->sq[qid].tail, val, __ATOMIC_RELEASE);
	}
	pci_kick(n->dev);
}

static uint64_t merge32(uint64_t old, bool high, uint64_t val)
{
	return high ? (old & UINT32_MAX) | val << 32
		    : (old & ~(uint64_t)UINT32_MAX) | (uint32_t)val;
}

static void write_register(struct nvme *n, uint64_t off, unsigned int size, uint64_t val)
{
	switch (off) {
	case NVME_INTMS:
		n->intm |= (uint32_t)val;
		update_intx(n);
		break;
	case NVME_INTMC:
		if (pci_msi_enabled(n->dev))
			unmask_msi(n, n->intm & (uint32_t)val);
		n->intm &= ~(uint32_t)val;
		update_intx(n);
		break;
	case NVME_CC:
		write_cc(n, (uint32_t)val);
		break;
	case NVME_AQA:
		n->aqa = (uint32_t)val & 0x0fff0fff;
		break;
	case NVME_ASQ:
		n->asq = size == 8 ? val & ~0xfffull : merge32(n->asq, false, val & ~0xfffull);
		break;
	case NVME_ASQ + 4:
		n->asq = merge32(n->asq, true, val);
		break;
	case NVME_ACQ:
		n->acq = size == 8 ? val & ~0xfffull : merge32(n->acq, false, val & ~0xfffull);
		break;
	case NVME_ACQ + 4:
		n->acq = merge32(n->acq, true, val);
		break;
	}
	show_registers(n);
}

/* Registers are written whole (section 3.1): what is narrower than 32 bits changes nothing. */
static void nvme_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
		       uint64_t val)
{
	struct nvme *n = pci_model_data(dev);

	if (size == 8 && off != NVME_ASQ && off != NVME_ACQ) {
		nvme_write(dev, bar, off, 4, (uint32_t)val);
		nvme_write(dev, bar, off + 4, 4, val >> 32);
	} else if (size >= 4 && off >= NVME_DOORBELLS && off < DOORBELLS_END) {
		doorbell(n, (off - NVME_DOORBELLS) / 4, (uint32_t)val);
	} else if (size >= 4 && off < NVME_DOORBELLS) {
		write_register(n, off, size, val);
	}
}

/* Section 7.6.1: does CC ask for something that this controller has? */
static bool config_is_valid(const struct nvme *n)
{
	uint32_t sqs = (n->aqa & 0xfff) + 1, cqs = (n->aqa >> 16 & 0xfff) + 1;

	return field_get(NVME_CC_CSS, n->cc) == 0 && field_get(NVME_CC_AMS, n->cc) == 0 &&
	       field_get(NVME_CC_MPS, n->cc) + PAGE_SHIFT <= MAX_PAGE_LG2 && sqs >= 2 && cqs >= 2;
}

/* Lock held. */
static void enable(struct nvme *n)
{
	if (!config_is_valid(n)) {
		n->csts |= NVME_CSTS_CFS;
		return;
	}
	n->page_lg2 = PAGE_SHIFT + (unsigned int)field_get(NVME_CC_MPS, n->cc);
	n->sq[0] = (struct nvme_sq){.exists = true, .size = (n->aqa & 0xfff) + 1, .base = n->asq};
	n->cq[0] = (struct nvme_cq){.exists = true,
				    .ien = true,
				    .phase = true,
				    .size = (n->aqa >> 16 & 0xfff) + 1,
				    .nr_sqs = 1,
				    .base = n->acq};
	n->csts = NVME_CSTS_RDY;
}

static void flush_all(struct nvme *n)
{
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		if (n->ns[i].exists)
			nvme_ns_flush(&n->ns[i]);
}

/* Let CSTS follow CC. A shutdown makes everything durable, and no command is carried out after it
 * until the next reset. */
static void follow_config(struct nvme *n)
{
	bool shutdown;

	pci_lock(n->dev);
	__atomic_store_n(&n->changed, false, __ATOMIC_RELAXED);
	shutdown = n->shutdown_wanted;
	pci_unlock(n->dev);
	if (shutdown)
		flush_all(n);
	pci_lock(n->dev);
	if (shutdown) {
		n->csts |= field_prep(NVME_CSTS_SHST, NVME_SHST_COMPLETE);
		n->shutdown_wanted = false;
	}
	if (n->reset_wanted)
		reset_controller(n);
	if ((n->cc & NVME_CC_EN) && !(n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)))
		enable(n);
	update_intx(n);
	show_registers(n);
	pci_unlock(n->dev);
}

/* Section 9.5: the queues of the host cannot be reached any more. */
static void fatal(struct nvme *n)
{
	pci_lock(n->dev);
	n->csts |= NVME_CSTS_CFS;
	show_registers(n);
	pci_unlock(n->dev);
}

/* The interrupt for what was posted since the last one. */
static void notify(struct nvme *n, struct nvme_cq *cq)
{
	if (!cq->notify)
		return;
	cq->notify = false;
	if (pci_msix_enabled(n->dev)) {
		pci_raise(n->dev, cq->vector);
		return;
	}
	pci_lock(n->dev);
	if (pci_msi_enabled(n->dev) && !(cq->vector < 32 && (n->intm & BIT(cq->vector))))
		pci_raise(n->dev, cq->vector);
	update_intx(n);
	pci_unlock(n->dev);
}

void nvme_complete(struct nvme *n, uint16_t sqid, uint16_t cid, uint32_t dw0, uint16_t status)
{
	struct nvme_sq *sq = &n->sq[sqid];
	struct nvme_cq *cq = &n->cq[sq->cqid];
	struct nvme_cqe e = {
		.dw0 = htole32(dw0),
		.sqhd = htole16((uint16_t)sq->head),
		.sqid = htole16(sqid),
		.cid = htole16(cid),
		.status = htole16((uint16_t)(status << 1 | cq->phase)),
	};
	uint64_t at = cq->base + cq->tail * sizeof(e);

	/* The phase bit goes last, with the half that it lies in. */
	if (dma_write(pci_port(n->dev), at, &e, 8) ||
	    dma_write(pci_port(n->dev), at + 8, (char *)&e + 8, 8)) {
		fatal(n);
		return;
	}
	__atomic_store_n(&cq->tail, (cq->tail + 1) % cq->size, __ATOMIC_RELAXED);
	if (!cq->tail)
		cq->phase = !cq->phase;
	cq->notify = cq->ien;
}

void nvme_log_error(struct nvme *n, const struct nvme_cmd *cmd, uint16_t status)
{
	n->nr_errors++;
	n->errors[n->nr_errors % NVME_ERROR_ENTRIES] = (struct nvme_error_entry){
		.count = n->nr_errors,
		.sqid = cmd->sqid,
		.cid = cmd->e.cid,
		.status = (uint16_t)(status << 1),
		.location = 0xffff,
		.lba = cmd->sqid ? (uint64_t)cmd->e.cdw11 << 32 | cmd->e.cdw10 : 0,
		.nsid = cmd->e.nsid,
	};
}

static void to_host_order(struct nvme_sqe *e)
{
	e->cid = le16toh(e->cid);
	e->nsid = le32toh(e->nsid);
	e->mptr = le64toh(e->mptr);
	e->dptr[0] = le64toh(e->dptr[0]);
	e->dptr[1] = le64toh(e->dptr[1]);
	e->cdw10 = le32toh(e->cdw10);
	e->cdw11 = le32toh(e->cdw11);
	e->cdw12 = le32toh(e->cdw12);
	e->cdw13 = le32toh(e->cdw13);
	e->cdw14 = le32toh(e->cdw14);
	e->cdw15 = le32toh(e->cdw15);
}

static void execute(struct nvme *n, struct nvme_cmd *cmd)
{
	uint16_t status;

	if (cmd->e.flags & NVME_FLAGS_FUSE)
		status = NVME_INVALID_FIELD | NVME_DNR;
	else
		status = cmd->sqid ? nvme_io(n, cmd) : nvme_admin(n, cmd);
	if (status)
		nvme_log_error(n, cmd, status);
	if (!cmd->no_completion)
		nvme_complete(n, cmd->sqid, cmd->e.cid, cmd->dw0, status);
}

static bool may_run(const struct nvme *n)
{
	return (n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST)) == NVME_CSTS_RDY &&
	       !nvme_interrupted(n);
}

/* Commands that wait, lie one after the other, and can be completed: at most BATCH of them, in @e.
 */
static unsigned int fetch(struct nvme *n, const struct nvme_sq *sq, struct nvme_sqe *e)
{
	const struct nvme_cq *cq = &n->cq[sq->cqid];
	uint32_t tail = __atomic_load_n(&sq->tail, __ATOMIC_ACQUIRE);
	uint32_t head = __atomic_load_n(&cq->head, __ATOMIC_ACQUIRE);
	uint32_t room = (head + cq->size - cq->tail - 1) % cq->size;
	uint64_t nr = min_u64(tail < sq->head ? sq->size - sq->head : tail - sq->head,
			      min_u64(room, BATCH));

	if (nr &&
	    dma_read(pci_port(n->dev), sq->base + sq->head * sizeof(*e), e, nr * sizeof(*e))) {
		fatal(n);
		return 0;
	}
	return (unsigned int)nr;
}

/* Can this command keep the next one waiting? */
static bool is_slow(struct nvme *n, const struct nvme_cmd *cmd)
{
	const struct nvme_namespace *ns = nvme_ns(n, cmd->e.nsid);

	return !ns || !ns->ram;
}

/*
 * One queue's turn. True when anything was done. What was fetched but not carried out, because the
 * controller is to stop or an event took the place of its completion, stays in the queue.
 */
static bool serve_queue(struct nvme *n, uint16_t sqid)
{
	struct nvme_sq *sq = &n->sq[sqid];
	struct nvme_cq *cq = &n->cq[sq->cqid];
	struct nvme_sqe e[BATCH];
	unsigned int nr = sq->exists ? fetch(n, sq, e) : 0, i;

	for (i = 0; i < nr && may_run(n) && !nvme_cq_full(cq); i++) {
		struct nvme_cmd cmd = {.sqid = sqid, .e = e[i]};

		to_host_order(&cmd.e);
		sq->head = (sq->head + 1) % sq->size;
		execute(n, &cmd);
		if (is_slow(n, &cmd))
			notify(n, cq);
	}
	notify(n, cq);
	return i;
}

/* Of no command and no queue (figure 200). */
static void log_doorbell(struct nvme *n)
{
	const struct nvme_cmd none = {.sqid = 0xffff, .e.cid = 0xffff};

	nvme_log_error(n, &none, NVME_INVALID_FIELD);
}

static void report_doorbells(struct nvme *n)
{
	uint32_t errors;

	if (!__atomic_load_n(&n->doorbell_errors, __ATOMIC_RELAXED))
		return;
	errors = __atomic_exchange_n(&n->doorbell_errors, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; errors; i++, errors >>= 1) {
		if (!(errors & 1))
			continue;
		log_doorbell(n);
		nvme_event(n, NVME_AE_ERROR, i, NVME_LOG_ERROR);
	}
}

/* What the registers ask for beside commands; once in a round of the queues. */
static void look_around(struct nvme *n)
{
	if (__atomic_load_n(&n->changed, __ATOMIC_ACQUIRE))
		follow_config(n);
	if (!may_run(n))
		return;
	report_doorbells(n);
	nvme_events_deliver(n);
	notify(n, &n->cq[0]);
}

static bool nvme_work(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);
	bool more = false;

	look_around(n);
	for (uint16_t i = 0; i <= n->nr_queues && may_run(n); i++)
		more |= serve_queue(n, i);
	if (more || __atomic_load_n(&n->changed, __ATOMIC_ACQUIRE))
		return true;
	/* MSI-X may have been switched off: then the pin tells what is unread. */
	pci_lock(dev);
	update_intx(n);
	pci_unlock(dev);
	return false;
}

const struct pci_model nvme_model = {
	.name = "nvme",
	.summary = "NVM Express 1.4 controller 1b36:0010, on a file or on memory",
	.keys = nvme_keys,
	.create = nvme_create,
	.create_vf = nvme_create_vf,
	.destroy = nvme_destroy,
	.reset = nvme_reset,
	.bar_write = nvme_write,
	.work = nvme_work,
};

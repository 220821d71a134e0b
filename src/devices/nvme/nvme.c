/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVMe controller: registers, enabling and shutting down, queues, the worker. NVM Express Base Specification 1.4.
 *
 * A write to a register changes register values only; the worker acts on them. CSTS.RDY therefore follows CC.EN when the
 * worker has left the queues, as on hardware.
 */
#include "devices/nvme/nvme.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/models.h"

#define BAR_SIZE    0x4000
#define MSIX_TABLE  0x2000
#define MSIX_PBA    0x3000
#define MAX_PAGE_LG2 16
#define BATCH	    16 /* commands of one queue before the next has its turn */

static const struct option_key nvme_keys[] = {
	{"file", OPTION_STRING, NULL, 0, 0, "image of namespace 1; without one it is memory"},
	{"size", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 1; makes or lengthens the file (default for memory: 64M)"},
	{"file2", OPTION_STRING, NULL, 0, 0, "image of namespace 2"},
	{"size2", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 2"},
	{"file3", OPTION_STRING, NULL, 0, 0, "image of namespace 3"},
	{"size3", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 3"},
	{"file4", OPTION_STRING, NULL, 0, 0, "image of namespace 4"},
	{"size4", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 4"},
	{"readonly", OPTION_BOOL, "off", 0, 0, "write-protect every namespace"},
	{"lba", OPTION_NUMBER, "512", 512, 4096, "bytes of a logical block: 512 or 4096"},
	{"queues", OPTION_NUMBER, "16", 1, NVME_MAX_QUEUES, "I/O queue pairs"},
	{"serial", OPTION_STRING, NULL, 0, 0, "serial number, at most 20 characters"},
	{NULL},
};

#define DEFAULT_RAM (64ull << 20)

struct nvme_namespace *nvme_ns(struct nvme *n, uint32_t nsid)
{
	if (!nsid || nsid > NVME_MAX_NAMESPACES || !n->ns[nsid - 1].exists)
		return NULL;
	return &n->ns[nsid - 1];
}

static int open_namespaces(struct nvme *n, const struct options *o, char *why, size_t why_len)
{
	uint64_t lba = options_number(o, "lba");

	if (lba != 512 && lba != 4096) {
		snprintf(why, why_len, "nvme: lba=%llu: give 512 or 4096", (unsigned long long)lba);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++) {
		char file_key[8] = "file", size_key[8] = "size";
		const char *file;
		uint64_t size;
		int rc;

		if (i) {
			snprintf(file_key, sizeof(file_key), "file%u", i + 1);
			snprintf(size_key, sizeof(size_key), "size%u", i + 1);
		}
		file = options_string(o, file_key);
		size = options_number(o, size_key);
		if (!file && !size && i)
			continue;
		if (!file && !size)
			size = DEFAULT_RAM;
		rc = nvme_ns_open(n->dev, &n->ns[i], file, size, options_bool(o, "readonly"), why, why_len);
		if (rc)
			return rc;
		n->ns[i].lba_lg2 = log2_floor(lba);
	}
	return 0;
}

static void nvme_destroy(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);

	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++) {
		if (!n->ns[i].exists)
			continue;
		nvme_ns_flush(&n->ns[i]);
		nvme_ns_close(&n->ns[i]);
	}
	free(n->buffer);
	free(n->compare);
	free(n);
}

static int setup_function(struct pci_dev *dev, struct nvme *n)
{
	static const struct pci_ids ids = {
		.vendor = 0x1b36,
		.device = 0x0010,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x010802,
		.revision = 2,
		.pcie = true,
	};
	int rc;

	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, 0, BAR_SIZE, true, false);
	if (!rc)
		rc = pci_add_msix(dev, 0, n->nr_queues + 1, MSIX_TABLE, MSIX_PBA);
	pci_set_intx_pin(dev, 1);
	return rc;
}

static int nvme_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	struct nvme *n = calloc(1, sizeof(*n));
	const char *serial;
	int rc = -ENOMEM;

	if (!n)
		return -ENOMEM;
	n->dev = dev;
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		n->ns[i].fd = -1;
	pci_set_model_data(dev, n);
	n->buffer = malloc(NVME_MAX_TRANSFER);
	n->compare = malloc(NVME_MAX_TRANSFER);
	n->nr_queues = (unsigned int)options_number(o, "queues");
	if (!n->buffer || !n->compare)
		goto fail;
	serial = options_string(o, "serial");
	if (serial)
		snprintf(n->serial, sizeof(n->serial), "%s", serial);
	else
		snprintf(n->serial, sizeof(n->serial), "IOAS%04x", dev->cfg.rid);
	rc = setup_function(dev, n);
	if (!rc)
		rc = open_namespaces(n, o, why, why_len);
	if (!rc)
		return 0;
fail:
	nvme_destroy(dev);
	return rc;
}

static void show_registers(struct nvme *n)
{
	struct pci_dev *dev = n->dev;

	pci_bar_store64(dev, 0, NVME_CAP, n->cap);
	pci_bar_store32(dev, 0, NVME_VS, 0x00010400);
	pci_bar_store32(dev, 0, NVME_INTMS, n->intm);
	pci_bar_store32(dev, 0, NVME_INTMC, n->intm);
	pci_bar_store32(dev, 0, NVME_AQA, n->aqa);
	pci_bar_store64(dev, 0, NVME_ASQ, n->asq);
	pci_bar_store64(dev, 0, NVME_ACQ, n->acq);
	pci_bar_store32(dev, 0, NVME_CC, n->cc);
	pci_bar_store32(dev, 0, NVME_CSTS, n->csts);
}

/* Lock held. */
static void drop_queues(struct nvme *n)
{
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	n->doorbell_errors = 0;
	nvme_events_reset(n);
}

static void nvme_reset(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);

	if ((n->csts & NVME_CSTS_RDY) && field_get(NVME_CSTS_SHST, n->csts) != NVME_SHST_COMPLETE)
		n->smart.unsafe_shutdowns++;
	drop_queues(n);
	nvme_features_reset(n);
	n->cc = n->csts = n->intm = n->aqa = 0;
	n->asq = n->acq = 0;
	n->shutdown_wanted = false;
	n->cap = field_prep(NVME_CAP_MQES, NVME_MAX_ENTRIES - 1) | NVME_CAP_CQR | field_prep(NVME_CAP_TO, 10) |
		 field_prep(NVME_CAP_CSS, 1) | field_prep(NVME_CAP_MPSMAX, MAX_PAGE_LG2 - PAGE_SHIFT);
	show_registers(n);
}

static void write_cc(struct nvme *n, uint32_t val)
{
	if (field_get(NVME_CC_SHN, val) && !field_get(NVME_CC_SHN, n->cc))
		n->shutdown_wanted = true;
	n->cc = val;
}

/* Doorbells, section 3.1.24: submission queue y tail at 2y, completion queue y head at 2y + 1. A bad one is an asynchronous event. */
static void doorbell(struct nvme *n, uint64_t index, uint32_t val)
{
	unsigned int qid = (unsigned int)(index / 2);
	bool completion = index & 1;
	unsigned int error;

	if (!(n->csts & NVME_CSTS_RDY))
		return;
	if (qid > NVME_MAX_QUEUES || !(completion ? n->cq[qid].exists : n->sq[qid].exists)) {
		error = NVME_AE_INVALID_DOORBELL;
	} else if (val >= (completion ? n->cq[qid].size : n->sq[qid].size)) {
		error = NVME_AE_INVALID_DOORBELL_VALUE;
	} else {
		__atomic_store_n(completion ? &n->cq[qid].head : &n->sq[qid].tail, val, __ATOMIC_RELEASE);
		pci_kick(n->dev);
		return;
	}
	n->doorbell_errors |= BIT(error);
	pci_kick(n->dev);
}

static uint64_t merge32(uint64_t old, bool high, uint64_t val)
{
	return high ? (old & UINT32_MAX) | val << 32 : (old & ~(uint64_t)UINT32_MAX) | (uint32_t)val;
}

static void nvme_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size, uint64_t val)
{
	struct nvme *n = pci_model_data(dev);

	if (off >= NVME_DOORBELLS) {
		doorbell(n, (off - NVME_DOORBELLS) / 4, (uint32_t)val);
		if (size == 8)
			doorbell(n, (off - NVME_DOORBELLS) / 4 + 1, (uint32_t)(val >> 32));
		return;
	}
	switch (off) {
	case NVME_INTMS:
		n->intm |= (uint32_t)val;
		break;
	case NVME_INTMC:
		n->intm &= ~(uint32_t)val;
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
	/* The worker looks at what is shown, so it is woken after that. */
	show_registers(n);
	pci_kick(dev);
}

/* Section 7.6.1: does CC ask for something that this controller has? */
static bool config_is_valid(const struct nvme *n)
{
	uint32_t sqs = (n->aqa & 0xfff) + 1, cqs = (n->aqa >> 16 & 0xfff) + 1;

	return field_get(NVME_CC_CSS, n->cc) == 0 && field_get(NVME_CC_AMS, n->cc) == 0 &&
	       field_get(NVME_CC_MPS, n->cc) + PAGE_SHIFT <= MAX_PAGE_LG2 && sqs >= 2 && cqs >= 2 && n->asq && n->acq;
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
	n->cq[0] = (struct nvme_cq){
		.exists = true, .ien = true, .phase = true, .size = (n->aqa >> 16 & 0xfff) + 1, .nr_sqs = 1, .base = n->acq};
	n->smart.power_cycles++;
	n->csts = NVME_CSTS_RDY;
}

static void flush_all(struct nvme *n)
{
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		if (n->ns[i].exists)
			nvme_ns_flush(&n->ns[i]);
}

/* Let CSTS follow CC. */
static void follow_config(struct nvme *n)
{
	bool shutdown;

	pci_lock(n->dev);
	shutdown = n->shutdown_wanted;
	n->shutdown_wanted = false;
	pci_unlock(n->dev);
	if (shutdown)
		flush_all(n);
	pci_lock(n->dev);
	if (shutdown)
		n->csts |= field_prep(NVME_CSTS_SHST, NVME_SHST_COMPLETE);
	if (!(n->cc & NVME_CC_EN) && (n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS))) {
		drop_queues(n);
		nvme_features_reset(n);
		n->csts = 0;
	} else if ((n->cc & NVME_CC_EN) && !(n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS))) {
		enable(n);
	}
	show_registers(n);
	pci_unlock(n->dev);
}

static bool config_changed(struct nvme *n)
{
	uint32_t cc = pci_bar_load32(n->dev, 0, NVME_CC), csts = pci_bar_load32(n->dev, 0, NVME_CSTS);

	return __atomic_load_n(&n->shutdown_wanted, __ATOMIC_ACQUIRE) ||
	       (!(csts & NVME_CSTS_CFS) && !!(cc & NVME_CC_EN) != !!(csts & NVME_CSTS_RDY)) ||
	       ((csts & NVME_CSTS_CFS) && !(cc & NVME_CC_EN));
}

static bool cq_is_full(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size == __atomic_load_n(&cq->head, __ATOMIC_ACQUIRE);
}

/* The pin follows the completion queues: something is unread that wants an interrupt and is not masked. */
static void update_intx(struct nvme *n)
{
	bool level = false;

	if (pci_msix_enabled(n->dev))
		return;
	for (unsigned int i = 0; i <= n->nr_queues; i++) {
		const struct nvme_cq *cq = &n->cq[i];

		level |= cq->exists && cq->ien && cq->tail != __atomic_load_n(&cq->head, __ATOMIC_ACQUIRE) &&
			 !(__atomic_load_n(&n->intm, __ATOMIC_RELAXED) & 1);
	}
	pci_set_intx(n->dev, level);
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
	if (dma_write(pci_port(n->dev), at, &e, 8) || dma_write(pci_port(n->dev), at + 8, (char *)&e + 8, 8)) {
		pci_lock(n->dev);
		n->csts |= NVME_CSTS_CFS;
		show_registers(n);
		pci_unlock(n->dev);
		return;
	}
	cq->tail = (cq->tail + 1) % cq->size;
	if (!cq->tail)
		cq->phase = !cq->phase;
	if (!cq->ien)
		return;
	if (pci_msix_enabled(n->dev))
		pci_raise(n->dev, cq->vector);
	else
		update_intx(n);
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

static bool may_run(struct nvme *n)
{
	return !pci_stopping(n->dev) && !config_changed(n) && !(n->csts & NVME_CSTS_CFS);
}

/* One queue's turn. True when anything was done. */
static bool serve_queue(struct nvme *n, uint16_t sqid)
{
	struct nvme_sq *sq = &n->sq[sqid];
	bool any = false;

	for (unsigned int i = 0; i < BATCH && sq->exists && may_run(n); i++) {
		struct nvme_cmd cmd = {.sqid = sqid};

		if (sq->head == __atomic_load_n(&sq->tail, __ATOMIC_ACQUIRE) || cq_is_full(&n->cq[sq->cqid]))
			break;
		any = true;
		if (dma_read(pci_port(n->dev), sq->base + sq->head * sizeof(cmd.e), &cmd.e, sizeof(cmd.e))) {
			pci_lock(n->dev);
			n->csts |= NVME_CSTS_CFS;
			show_registers(n);
			pci_unlock(n->dev);
			break;
		}
		to_host_order(&cmd.e);
		sq->head = (sq->head + 1) % sq->size;
		execute(n, &cmd);
	}
	return any;
}

static void report_doorbells(struct nvme *n)
{
	uint32_t errors;

	pci_lock(n->dev);
	errors = n->doorbell_errors;
	n->doorbell_errors = 0;
	pci_unlock(n->dev);
	for (unsigned int i = 0; errors; i++, errors >>= 1)
		if (errors & 1)
			nvme_event(n, NVME_AE_ERROR, i, NVME_LOG_ERROR);
}

static bool nvme_work(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);
	bool more = false;

	if (config_changed(n))
		follow_config(n);
	if (!(n->csts & NVME_CSTS_RDY) || (n->csts & NVME_CSTS_CFS))
		return config_changed(n);
	report_doorbells(n);
	for (uint16_t i = 0; i <= n->nr_queues && may_run(n); i++)
		more |= serve_queue(n, i);
	update_intx(n);
	return more || config_changed(n);
}

const struct pci_model nvme_model = {
	.name = "nvme",
	.summary = "NVM Express 1.4 controller 1b36:0010, on a file or on memory",
	.keys = nvme_keys,
	.create = nvme_create,
	.destroy = nvme_destroy,
	.reset = nvme_reset,
	.bar_write = nvme_write,
	.work = nvme_work,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admin commands on queues, and the dispatcher: section 5.
 */
#include "devices/nvme/nvme.h"

/* The driver may set CC.IOSQES and CC.IOCQES after it has enabled the controller. */
static uint32_t config(const struct nvme *n)
{
	return pci_bar_load32(n->dev, 0, NVME_CC);
}

static uint16_t create_cq(struct nvme *n, const struct nvme_sqe *e)
{
	uint16_t qid = (uint16_t)e->cdw10, vector = (uint16_t)(e->cdw11 >> 16);
	uint32_t size = (e->cdw10 >> 16) + 1;

	if (!qid || qid > n->nr_queues || n->cq[qid].exists)
		return NVME_QID_INVALID | NVME_DNR;
	if (size < 2 || size > NVME_MAX_ENTRIES || field_get(NVME_CC_IOCQES, config(n)) != 4)
		return NVME_QUEUE_SIZE_INVALID | NVME_DNR;
	if (!(e->cdw11 & 1))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (e->dptr[0] & (BIT(n->page_lg2) - 1))
		return NVME_INVALID_PRP_OFFSET | NVME_DNR;
	if (vector > n->nr_queues)
		return NVME_VECTOR_INVALID | NVME_DNR;
	pci_lock(n->dev);
	n->cq[qid] = (struct nvme_cq){
		.exists = true,
		.phase = true,
		.ien = e->cdw11 & 2,
		.vector = vector,
		.size = size,
		.base = e->dptr[0],
	};
	pci_unlock(n->dev);
	return NVME_SUCCESS;
}

static uint16_t create_sq(struct nvme *n, const struct nvme_sqe *e)
{
	uint16_t qid = (uint16_t)e->cdw10, cqid = (uint16_t)(e->cdw11 >> 16);
	uint32_t size = (e->cdw10 >> 16) + 1;

	if (!cqid || cqid > n->nr_queues)
		return NVME_QID_INVALID | NVME_DNR;
	if (!n->cq[cqid].exists)
		return NVME_CQ_INVALID | NVME_DNR;
	if (!qid || qid > n->nr_queues || n->sq[qid].exists)
		return NVME_QID_INVALID | NVME_DNR;
	if (size < 2 || size > NVME_MAX_ENTRIES || field_get(NVME_CC_IOSQES, config(n)) != 6)
		return NVME_QUEUE_SIZE_INVALID | NVME_DNR;
	if (!(e->cdw11 & 1))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (e->dptr[0] & (BIT(n->page_lg2) - 1))
		return NVME_INVALID_PRP_OFFSET | NVME_DNR;
	pci_lock(n->dev);
	n->sq[qid] =
		(struct nvme_sq){.exists = true, .cqid = cqid, .size = size, .base = e->dptr[0]};
	n->cq[cqid].nr_sqs++;
	pci_unlock(n->dev);
	return NVME_SUCCESS;
}

/* Commands are carried out one at a time, so none of this queue is in flight; those not fetched yet
 * are forgotten. */
static uint16_t delete_sq(struct nvme *n, const struct nvme_sqe *e)
{
	uint16_t qid = (uint16_t)e->cdw10;

	if (!qid || qid > n->nr_queues || !n->sq[qid].exists)
		return NVME_QID_INVALID | NVME_DNR;
	pci_lock(n->dev);
	n->cq[n->sq[qid].cqid].nr_sqs--;
	n->sq[qid].exists = false;
	pci_unlock(n->dev);
	return NVME_SUCCESS;
}

static uint16_t delete_cq(struct nvme *n, const struct nvme_sqe *e)
{
	uint16_t qid = (uint16_t)e->cdw10;

	if (!qid || qid > n->nr_queues || !n->cq[qid].exists)
		return NVME_QID_INVALID | NVME_DNR;
	if (n->cq[qid].nr_sqs)
		return NVME_QUEUE_DELETION_INVALID | NVME_DNR;
	pci_lock(n->dev);
	n->cq[qid].exists = false;
	pci_unlock(n->dev);
	return NVME_SUCCESS;
}

/* Dword 0, bit 0: the command was not aborted. Nothing but event requests is ever outstanding when
 * this runs. */
static uint16_t abort_command(struct nvme *n, struct nvme_cmd *cmd)
{
	uint16_t sqid = (uint16_t)cmd->e.cdw10, cid = (uint16_t)(cmd->e.cdw10 >> 16);

	cmd->dw0 = sqid || !nvme_async_event_abort(n, cid);
	return NVME_SUCCESS;
}

uint16_t nvme_admin(struct nvme *n, struct nvme_cmd *cmd)
{
	switch (cmd->e.opcode) {
	case NVME_ADMIN_DELETE_SQ:
		return delete_sq(n, &cmd->e);
	case NVME_ADMIN_CREATE_SQ:
		return create_sq(n, &cmd->e);
	case NVME_ADMIN_GET_LOG_PAGE:
		return nvme_get_log_page(n, cmd);
	case NVME_ADMIN_DELETE_CQ:
		return delete_cq(n, &cmd->e);
	case NVME_ADMIN_CREATE_CQ:
		return create_cq(n, &cmd->e);
	case NVME_ADMIN_IDENTIFY:
		return nvme_identify(n, cmd);
	case NVME_ADMIN_ABORT:
		return abort_command(n, cmd);
	case NVME_ADMIN_SET_FEATURES:
		return nvme_set_features(n, cmd);
	case NVME_ADMIN_GET_FEATURES:
		return nvme_get_features(n, cmd);
	case NVME_ADMIN_ASYNC_EVENT:
		return nvme_async_event(n, cmd);
	case NVME_ADMIN_FORMAT:
		return nvme_format(n, cmd);
	default:
		return NVME_INVALID_OPCODE | NVME_DNR;
	}
}

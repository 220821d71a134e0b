/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asynchronous events, section 5.2: each outstanding request takes one event; an event type stays
 * masked until its log page is read.
 */
#include <string.h>

#include "devices/nvme/nvme.h"

static bool take_event(struct nvme *n, uint32_t *dw0)
{
	for (unsigned int i = 0; i < n->nr_events; i++) {
		unsigned int type = n->events[i] & 7;

		if (n->event_masked & BIT(type))
			continue;
		*dw0 = n->events[i];
		n->nr_events--;
		memmove(&n->events[i], &n->events[i + 1],
			(n->nr_events - i) * sizeof(n->events[0]));
		n->event_masked |= BIT(type);
		return true;
	}
	return false;
}

/* Between commands. */
void nvme_events_deliver(struct nvme *n)
{
	uint32_t dw0;

	while (n->nr_aer && !nvme_cq_full(&n->cq[0]) && take_event(n, &dw0))
		nvme_complete(n, 0, n->aer_cid[--n->nr_aer], dw0, NVME_SUCCESS);
}

void nvme_event(struct nvme *n, unsigned int type, unsigned int info, unsigned int log)
{
	uint32_t dw0 = type | info << 8 | log << 16;

	for (unsigned int i = 0; i < n->nr_events; i++)
		if (n->events[i] == dw0)
			return;
	if (n->nr_events < ARRAY_SIZE(n->events))
		n->events[n->nr_events++] = dw0;
}

uint16_t nvme_async_event(struct nvme *n, struct nvme_cmd *cmd)
{
	if (n->nr_aer == NVME_MAX_AER)
		return NVME_AER_LIMIT | NVME_DNR;
	cmd->no_completion = true;
	n->aer_cid[n->nr_aer++] = cmd->e.cid;
	return NVME_SUCCESS;
}

/* Its completion goes before that of the Abort command (section 5.1), for which there must be room
 * as well. */
bool nvme_async_event_abort(struct nvme *n, uint16_t cid)
{
	const struct nvme_cq *cq = &n->cq[0];
	uint32_t head = __atomic_load_n(&cq->head, __ATOMIC_ACQUIRE);

	if ((head + cq->size - cq->tail - 1) % cq->size < 2)
		return false;
	for (unsigned int i = 0; i < n->nr_aer; i++) {
		if (n->aer_cid[i] != cid)
			continue;
		n->aer_cid[i] = n->aer_cid[--n->nr_aer];
		nvme_complete(n, 0, cid, 0, NVME_ABORT_REQUESTED);
		return true;
	}
	return false;
}

void nvme_event_log_read(struct nvme *n, unsigned int log)
{
	if (log == NVME_LOG_ERROR)
		n->event_masked &= ~BIT(NVME_AE_ERROR);
	if (log == NVME_LOG_SMART)
		n->event_masked &= ~BIT(NVME_AE_SMART);
}

void nvme_events_reset(struct nvme *n)
{
	n->nr_aer = 0;
	n->nr_events = 0;
	n->event_masked = 0;
}

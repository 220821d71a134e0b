/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's command buffer (48882 revision 3.08, section 2.4), consumed by the engine.
 *
 * Its registers are in the page that the vIOMMU shows, which the program may write at any time:
 * what is read from there is masked, and the head is the engine's own from when it began to run
 * until it stops. It stops, with CmdBufRun clear, at a command that is none; who has seen to that
 * sets the flag again, and the head where it is to go on.
 */
#include <errno.h>

#include "iommu/amd/viommu.h"

/* 3.4.2: 2^8 to 2^15 entries; the base is that of a page. */
#define ENTRIES_MIN BIT(8)
#define ENTRIES_MAX BIT(15)

struct amd_queue {
	struct hw_queue hw;
	struct queue queue;
	struct amd_viommu *viommu;
	uint32_t head; /* of the next entry */
	bool runs;
};

static struct amd_queue *queue_of(struct queue *q)
{
	return container_of(q, struct amd_queue, queue);
}

static uint64_t *reg(const struct amd_queue *q, unsigned int offset)
{
	return &q->viommu->registers[offset / sizeof(uint64_t)];
}

static uint32_t index_at(const struct amd_queue *q, unsigned int offset)
{
	uint64_t value = __atomic_load_n(reg(q, offset), __ATOMIC_ACQUIRE);

	return (uint32_t)(value >> AMD_COMMAND_LG2) & (q->queue.nr_entries - 1);
}

static void show_head(const struct amd_queue *q)
{
	__atomic_store_n(reg(q, IOMMU_IOAS_AMD_COMMAND_HEAD), (uint64_t)q->head << AMD_COMMAND_LG2,
			 __ATOMIC_RELEASE);
}

static uint32_t pending(struct queue *queue, uint32_t *first)
{
	struct amd_queue *q = queue_of(queue);

	if (!(__atomic_load_n(reg(q, IOMMU_IOAS_AMD_STATUS), __ATOMIC_ACQUIRE) &
	      IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN)) {
		q->runs = false;
		return 0;
	}
	if (!q->runs)
		q->head = index_at(q, IOMMU_IOAS_AMD_COMMAND_HEAD);
	q->runs = true;
	*first = q->head;
	return (index_at(q, IOMMU_IOAS_AMD_COMMAND_TAIL) - q->head) & (queue->nr_entries - 1);
}

/* The command at the head cannot be carried out. */
static void stop(struct amd_queue *q, uint8_t code, uint64_t address)
{
	const struct amd_event e = {
		.code = code,
		.flags = code == AMD_EVENT_COMMAND_HARDWARE_ERROR ? AMD_FAULT_MASTER_ABORT : 0,
		.address = address};
	uint64_t entry[2];

	q->runs = false;
	__atomic_fetch_and(reg(q, IOMMU_IOAS_AMD_STATUS),
			   ~(uint64_t)IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN, __ATOMIC_ACQ_REL);
	amd_event_encode(&e, entry);
	amd_viommu_log(q->viommu, IOMMU_VEVENT_IOAS_AMD_EVENT, entry);
}

static uint64_t address_of_head(const struct amd_queue *q)
{
	return q->hw.iova + ((uint64_t)q->head << AMD_COMMAND_LG2);
}

/* What all before it has done is done: 2.4.1. */
static bool complete(struct amd_queue *q, const struct amd_command *c, const uint64_t raw[2])
{
	if (c->store &&
	    consumer_write(q->queue.consumer, c->store_at, &c->store_data, sizeof(c->store_data)))
		return false;
	if (c->interrupt) {
		__atomic_fetch_or(reg(q, IOMMU_IOAS_AMD_STATUS), IOMMU_IOAS_AMD_STATUS_COMWAIT_INT,
				  __ATOMIC_ACQ_REL);
		amd_viommu_log(q->viommu, IOMMU_VEVENT_IOAS_AMD_COMPLETION, raw);
	}
	return true;
}

/* False: the queue has stopped at it. */
static bool execute_one(struct amd_queue *q, const uint64_t raw[2])
{
	struct amd_command c;

	if (!amd_command_decode(raw, &c)) {
		stop(q, AMD_EVENT_ILLEGAL_COMMAND_ERROR, address_of_head(q));
		return false;
	}
	amd_execute(q->viommu, &c);
	if (c.op == AMD_COMPLETION_WAIT && !complete(q, &c, raw)) {
		stop(q, AMD_EVENT_COMMAND_HARDWARE_ERROR, c.store_at);
		return false;
	}
	return true;
}

static void execute(struct queue *queue, const void *entries, uint32_t n, uint32_t *done)
{
	struct amd_queue *q = queue_of(queue);
	const uint64_t(*commands)[2] = entries;

	pthread_mutex_lock(&q->viommu->order);
	while (*done < n && execute_one(q, commands[*done])) {
		q->head = (q->head + 1) & (queue->nr_entries - 1);
		++*done;
	}
	pthread_mutex_unlock(&q->viommu->order);
	show_head(q);
}

static void cannot_read(struct queue *queue)
{
	struct amd_queue *q = queue_of(queue);

	stop(q, AMD_EVENT_COMMAND_HARDWARE_ERROR, address_of_head(q));
	show_head(q);
}

static const struct queue_ops command_buffer_ops = {
	.pending = pending,
	.execute = execute,
	.unreadable = cannot_read,
};

size_t amd_hw_queue_size(const struct viommu *v, uint32_t type)
{
	return type == IOMMU_IOAS_AMD ? sizeof(struct amd_queue) : 0;
}

/* An IOMMU has one command buffer. */
static int take_place(struct amd_viommu *v, struct amd_queue *q)
{
	int rc = 0;

	pthread_mutex_lock(&v->lock);
	if (v->queue)
		rc = -EEXIST;
	else
		v->queue = q;
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static void leave_place(struct amd_viommu *v)
{
	pthread_mutex_lock(&v->lock);
	v->queue = NULL;
	pthread_mutex_unlock(&v->lock);
}

int amd_hw_queue_init(struct hw_queue *hw)
{
	struct amd_queue *q = container_of(hw, struct amd_queue, hw);
	const uint64_t entries = hw->len >> AMD_COMMAND_LG2;
	int rc;

	if (hw->index || hw->len & MASK(AMD_COMMAND_LG2) || !is_pow2(entries) ||
	    entries < ENTRIES_MIN || entries > ENTRIES_MAX || hw->iova & PAGE_MASK)
		return -EINVAL;
	q->viommu = amd_viommu_of(hw->viommu);
	rc = take_place(q->viommu, q);
	if (rc)
		return rc;
	q->queue.ops = &command_buffer_ops;
	q->queue.hw = hw;
	q->queue.entry_lg2 = AMD_COMMAND_LG2;
	q->queue.nr_entries = (uint32_t)entries;
	__atomic_store_n(reg(q, IOMMU_IOAS_AMD_COMMAND_HEAD), 0, __ATOMIC_RELAXED);
	__atomic_store_n(reg(q, IOMMU_IOAS_AMD_COMMAND_TAIL), 0, __ATOMIC_RELAXED);
	__atomic_store_n(reg(q, IOMMU_IOAS_AMD_STATUS), IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN,
			 __ATOMIC_RELEASE);
	rc = consumer_add(&q->viommu->consumer, &q->queue);
	if (rc)
		leave_place(q->viommu);
	return rc;
}

void amd_hw_queue_fini(struct hw_queue *hw)
{
	struct amd_queue *q = container_of(hw, struct amd_queue, hw);

	consumer_remove(&q->queue);
	leave_place(q->viommu);
}

void amd_hw_queue_kick(struct hw_queue *hw)
{
	consumer_kick(container_of(hw, struct amd_queue, hw)->queue.consumer);
}

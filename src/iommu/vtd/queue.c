/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's invalidation queue (6.5.1) in its own memory. The page that the program maps is laid
 * out as VT-d's registers (11.4), as far as they concern the queue; it is memory, so that whoever
 * acknowledges an error stores FSTS without IQE. What is the hardware's to write is kept beside the
 * page, which only shows it.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>

#include "iommu/vtd/viommu.h"

#define REG_GCMD   0x18
#define REG_GSTS   0x1c
#define REG_FSTS   0x34
#define REG_IQH	   0x80
#define REG_IQT	   0x88
#define REG_IQA	   0x90
#define REG_ICS	   0x9c
#define REG_IQERCD 0xb0

#define GCMD_QIE  BIT(26)
#define FSTS_IQE  BIT(4)
#define IQA_DW	  BIT(11)
#define ICS_IWC	  BIT(0)
#define IQT_INDEX FIELD(18, 4)

/* IQERCD.IQEI, 11.4.9.6. */
enum { IQEI_NONE = 0, IQEI_TAIL = 1, IQEI_READ = 2, IQEI_DESCRIPTOR = 3 };

#define MAX_LENGTH (PAGE_SIZE << 7) /* IQA.QS */

struct vtd_queue {
	struct hw_queue hw;
	struct queue queue;
	uint64_t head; /* in entries */
	bool enabled, failed;
};

static struct vtd_queue *queue_of(struct queue *q)
{
	return container_of(q, struct vtd_queue, queue);
}

static struct vtd_viommu *viommu_of(const struct vtd_queue *q)
{
	return vtd_viommu_of(q->hw.viommu);
}

static uint32_t *reg32(const struct vtd_viommu *v, size_t offset)
{
	return (uint32_t *)(void *)(v->page + offset);
}

static uint64_t *reg64(const struct vtd_viommu *v, size_t offset)
{
	return (uint64_t *)(void *)(v->page + offset);
}

static void tell(struct vtd_queue *q, uint32_t kind, uint64_t a, uint64_t b)
{
	const struct iommu_vevent_ioas_vtd e = {.kind = kind, .record = {a, b}};
	struct viommu *v = q->hw.viommu;

	v->up->event(v, IOMMU_VEVENTQ_TYPE_IOAS_VTD, &e, sizeof(e));
}

static void show_head(struct vtd_queue *q)
{
	__atomic_store_n(reg64(viommu_of(q), REG_IQH), q->head << q->queue.entry_lg2,
			 __ATOMIC_RELEASE);
}

/* 6.5.2.11: IQH stays at the descriptor; none is taken before the guest has cleared IQE. */
static void fail(struct vtd_queue *q, uint64_t iqei)
{
	struct vtd_viommu *v = viommu_of(q);
	uint32_t fsts;

	q->failed = true;
	show_head(q);
	__atomic_store_n(reg64(v, REG_IQERCD), iqei, __ATOMIC_RELAXED);
	fsts = __atomic_or_fetch(reg32(v, REG_FSTS), FSTS_IQE, __ATOMIC_RELEASE);
	tell(q, IOMMU_VEVENT_IOAS_VTD_QUEUE, fsts, iqei);
}

/* GCMD.QIE: a queue that is switched on begins with its first descriptor. */
static bool is_on(struct vtd_queue *q)
{
	struct vtd_viommu *v = viommu_of(q);
	const bool wish = __atomic_load_n(reg32(v, REG_GCMD), __ATOMIC_ACQUIRE) & GCMD_QIE;

	if (wish == q->enabled)
		return wish;
	q->enabled = wish;
	q->failed = false;
	q->head = 0;
	show_head(q);
	if (wish)
		__atomic_or_fetch(reg32(v, REG_GSTS), GCMD_QIE, __ATOMIC_RELEASE);
	else
		__atomic_and_fetch(reg32(v, REG_GSTS), ~(uint32_t)GCMD_QIE, __ATOMIC_RELEASE);
	return wish;
}

static bool is_failed(struct vtd_queue *q)
{
	q->failed = q->failed &&
		    __atomic_load_n(reg32(viommu_of(q), REG_FSTS), __ATOMIC_ACQUIRE) & FSTS_IQE;
	return q->failed;
}

static uint32_t vtd_pending(struct queue *queue, uint32_t *first)
{
	struct vtd_queue *q = queue_of(queue);
	uint64_t tail;

	if (!is_on(q) || is_failed(q))
		return 0;
	tail = __atomic_load_n(reg64(viommu_of(q), REG_IQT), __ATOMIC_ACQUIRE) & IQT_INDEX;
	if (tail & MASK(queue->entry_lg2) || tail >> queue->entry_lg2 >= queue->nr_entries) {
		fail(q, IQEI_TAIL);
		return 0;
	}
	*first = (uint32_t)q->head;
	return (uint32_t)((tail >> queue->entry_lg2) - q->head) & (queue->nr_entries - 1);
}

/*
 * The status before the interrupt, so that who is woken by it sees both. Where there is no memory
 * the write is lost, as on a bus.
 */
static void finish_wait(struct vtd_queue *q, struct vtd_batch *b, const struct vtd_descriptor *d)
{
	struct vtd_viommu *v = viommu_of(q);

	vtd_batch_end(b);
	show_head(q);
	if (d->writes)
		consumer_write(&v->consumer, d->status_addr, &d->status, sizeof(d->status));
	if (!d->interrupt)
		return;
	__atomic_or_fetch(reg32(v, REG_ICS), ICS_IWC, __ATOMIC_RELEASE);
	tell(q, IOMMU_VEVENT_IOAS_VTD_DONE, 0, 0);
}

static bool carry_out(struct vtd_queue *q, struct vtd_batch *b, const uint64_t *raw,
		      unsigned int words)
{
	struct vtd_descriptor d;

	if (!vtd_descriptor_decode(&viommu_of(q)->ids, raw, words, &d))
		return false;
	q->head = (q->head + 1) & (q->queue.nr_entries - 1);
	if (d.type == VTD_QI_WAIT)
		finish_wait(q, b, &d);
	else
		vtd_batch_add(b, &d);
	return true;
}

static void vtd_execute(struct queue *queue, const void *entries, uint32_t n, uint32_t *done)
{
	struct vtd_queue *q = queue_of(queue);
	struct vtd_batch b = {.v = viommu_of(q)};
	const unsigned int words = (1u << queue->entry_lg2) / sizeof(uint64_t);
	const uint64_t *raw = entries;

	while (*done < n && carry_out(q, &b, raw + (size_t)*done * words, words))
		++*done;
	vtd_batch_end(&b);
	if (*done < n)
		fail(q, IQEI_DESCRIPTOR);
	else
		show_head(q);
}

static void vtd_unreadable(struct queue *queue)
{
	fail(queue_of(queue), IQEI_READ);
}

static const struct queue_ops vtd_queue_ops = {
	.pending = vtd_pending,
	.execute = vtd_execute,
	.unreadable = vtd_unreadable,
};

size_t vtd_queue_size(const struct viommu *v, uint32_t type)
{
	const struct vtd_viommu *vv = container_of(v, struct vtd_viommu, viommu);

	return type == IOMMU_HW_QUEUE_TYPE_IOAS_VTD && vv->ids.ecap & VTD_ECAP_QI
		       ? sizeof(struct vtd_queue)
		       : 0;
}

static void reset(struct vtd_queue *q)
{
	struct vtd_viommu *v = viommu_of(q);

	__atomic_and_fetch(reg32(v, REG_GCMD), ~(uint32_t)GCMD_QIE, __ATOMIC_RELAXED);
	__atomic_and_fetch(reg32(v, REG_GSTS), ~(uint32_t)GCMD_QIE, __ATOMIC_RELAXED);
	__atomic_and_fetch(reg32(v, REG_FSTS), ~(uint32_t)FSTS_IQE, __ATOMIC_RELAXED);
	__atomic_store_n(reg64(v, REG_IQH), 0, __ATOMIC_RELAXED);
	__atomic_store_n(reg64(v, REG_IQT), 0, __ATOMIC_RELAXED);
	__atomic_store_n(reg64(v, REG_IQERCD), IQEI_NONE, __ATOMIC_RELEASE);
}

/* IQA.QS and .DW: wide descriptors where the guest has scalable mode. */
static int place(struct vtd_viommu *v, struct vtd_queue *q)
{
	const bool wide = __atomic_load_n(reg64(v, REG_IQA), __ATOMIC_ACQUIRE) & IQA_DW;
	const unsigned int entry_lg2 = wide ? 5 : 4;
	int rc;

	if (v->queue)
		return -EEXIST;
	if (!is_pow2(q->hw.len) || q->hw.len < PAGE_SIZE || q->hw.len > MAX_LENGTH ||
	    !is_aligned(q->hw.pa, PAGE_SIZE) || (wide && !(v->ids.ecap & VTD_ECAP_SMTS)))
		return -EINVAL;
	q->queue = (struct queue){
		.ops = &vtd_queue_ops,
		.hw = &q->hw,
		.entry_lg2 = entry_lg2,
		.nr_entries = (uint32_t)(q->hw.len >> entry_lg2),
	};
	reset(q);
	rc = consumer_add(&v->consumer, &q->queue);
	if (!rc)
		v->queue = q;
	return rc;
}

int vtd_queue_init(struct hw_queue *hw)
{
	struct vtd_queue *q = container_of(hw, struct vtd_queue, hw);
	struct vtd_viommu *v = vtd_viommu_of(hw->viommu);
	int rc;

	if (hw->index)
		return -EINVAL;
	pthread_mutex_lock(&v->lock);
	rc = place(v, q);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

void vtd_queue_fini(struct hw_queue *hw)
{
	struct vtd_queue *q = container_of(hw, struct vtd_queue, hw);
	struct vtd_viommu *v = vtd_viommu_of(hw->viommu);

	pthread_mutex_lock(&v->lock);
	consumer_remove(&q->queue);
	reset(q);
	v->queue = NULL;
	pthread_mutex_unlock(&v->lock);
}

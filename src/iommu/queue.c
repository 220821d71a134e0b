/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/queue.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/observe.h"
#include "base/thread.h"
#include "iommu/requester.h"

/* As a stream of the vIOMMU's own no device has this name. */
#define CONSUMER_RID UINT32_MAX

void consumer_init(struct consumer *c, struct viommu *v)
{
	pthread_condattr_t attr;

	*c = (struct consumer){.viommu = v};
	pthread_mutex_init(&c->life, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&c->queues);
}

void consumer_fini(struct consumer *c)
{
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->life);
}

/* ---- guest memory ---- */

/* Where the memory is promised to be there, a naturally aligned word is one store. */
static bool store_word(const struct memory_slot *slot, char *there, const void *buf, size_t len)
{
	uint64_t eight;
	uint32_t four;

	if (slot->kind != MEMORY_REGISTERED || (uintptr_t)there % len)
		return false;
	switch (len) {
	case sizeof(four):
		memcpy(&four, buf, len);
		__atomic_store_n((uint32_t *)(void *)there, four, __ATOMIC_RELEASE);
		return true;
	case sizeof(eight):
		memcpy(&eight, buf, len);
		__atomic_store_n((uint64_t *)(void *)there, eight, __ATOMIC_RELEASE);
		return true;
	default:
		return false;
	}
}

/* [pa, pa + len) of memory that the slot at @pa has, in a section. */
static int copy_run(struct memory *m, uint64_t pa, void *buf, size_t len, bool write)
{
	const struct memory_slot *slot = memory_slot(m, pa);
	char *there = slot->base + (pa & MEMORY_SLOT_MASK);

	if (memory_has_stale(slot) && memory_stale(m, pa, len))
		return -EFAULT;
	if (write && store_word(slot, there, buf, len))
		return 0;
	return write ? memory_copy_to(m, slot, there, buf, len)
		     : memory_copy_from(m, slot, buf, there, len);
}

/* Awake for a copy only: most of the time nobody needs to wait for the consumer. */
static void enter(struct consumer *c)
{
	requester_begin(c->requester);
	epoch_enter(requester_epoch(c->requester));
	requester_catch_up(c->requester);
}

static void leave(struct consumer *c)
{
	epoch_exit(requester_epoch(c->requester));
	requester_end(c->requester);
}

/* Pinned memory by its PA. */
static int copy_pa(struct consumer *c, uint64_t pa, void *buf, size_t len)
{
	int rc = 0;

	enter(c);
	for (size_t n; len && !rc; pa += n, buf = (char *)buf + n, len -= n) {
		n = min_u64(len, MEMORY_SLOT_SIZE - (pa & MEMORY_SLOT_MASK));
		rc = copy_run(c->viommu->iommu->memory, pa, buf, n, false);
	}
	leave(c);
	return rc;
}

/* In a section. */
static int copy_gpa(struct consumer *c, uint64_t gpa, void *buf, size_t len, bool write)
{
	struct pt *pt = c->viommu->parent->pt;
	struct pt_leaf leaf;
	int rc = 0;

	for (size_t n; len && !rc; gpa += n, buf = (char *)buf + n, len -= n) {
		if (pt_translate(pt, gpa, &leaf) || !(leaf.prot & (write ? PT_WRITE : PT_READ)))
			return -EFAULT;
		n = min_u64(len, BIT(leaf.lg2) - (gpa & MASK(leaf.lg2)));
		n = min_u64(n, MEMORY_SLOT_SIZE - (leaf.pa & MEMORY_SLOT_MASK));
		if (write && pt_dirty_tracking(pt) && !leaf.dirty && pt_mark(pt, gpa, true)) {
			n = 0; /* it has just changed: again */
			continue;
		}
		rc = copy_run(c->viommu->iommu->memory, leaf.pa, buf, n, write);
	}
	return rc;
}

static int guest_copy(struct consumer *c, uint64_t gpa, void *buf, size_t len, bool write)
{
	int rc;

	enter(c);
	rc = copy_gpa(c, gpa, buf, len, write);
	leave(c);
	return rc;
}

int consumer_write(struct consumer *c, uint64_t gpa, const void *src, size_t len)
{
	return guest_copy(c, gpa, (void *)(uintptr_t)src, len, true);
}

int consumer_read(struct consumer *c, uint64_t gpa, void *dst, size_t len)
{
	return guest_copy(c, gpa, dst, len, false);
}

/* ---- the loop ---- */

static void tell(struct queue *q, enum observed_queue what)
{
	OBSERVE(q->consumer->viommu->iommu->sink, guest_queue, .queue = q, .what = what);
}

/* @n of them, in the consumer's batch. */
static void execute(struct queue *q, uint32_t n, uint32_t *done)
{
	OBSERVE(q->consumer->viommu->iommu->sink, guest_queue, .queue = q, .what = QUEUE_TAKEN,
		.entries = q->consumer->batch, .bytes = (size_t)n << q->entry_lg2, .n = n);
	q->ops->execute(q, q->consumer->batch, n, done);
	tell(q, QUEUE_DONE);
}

/* False: nothing was done. */
static bool serve(struct consumer *c, struct queue *q)
{
	uint32_t first = 0, done = 0, n = q->ops->pending(q, &first);

	if (!n)
		return false;
	first &= q->nr_entries - 1;
	n = (uint32_t)min_u64(min_u64(n, QUEUE_BATCH), q->nr_entries - first);
	if (copy_pa(c, q->hw->pa + ((uint64_t)first << q->entry_lg2), c->batch,
		    (size_t)n << q->entry_lg2)) {
		q->ops->unreadable(q);
		return false;
	}
	execute(q, n, &done);
	return done;
}

static bool take_turn(struct consumer *c)
{
	struct list *pos, *tmp;
	bool any = false;

	list_for_each (pos, tmp, &c->queues)
		any |= serve(c, list_entry(pos, struct queue, link));
	return any;
}

static bool is_ending(const struct consumer *c)
{
	return __atomic_load_n(&c->ending, __ATOMIC_ACQUIRE);
}

/* Waits for a kick, or so long. Lock held. */
static void sleep_for(struct consumer *c, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	__atomic_store_n(&c->asleep, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->kicked, __ATOMIC_SEQ_CST) && !is_ending(c))
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
	__atomic_store_n(&c->asleep, false, __ATOMIC_RELAXED);
}

static void let_others_in(struct consumer *c)
{
	pthread_mutex_unlock(&c->lock);
	while (__atomic_load_n(&c->wanted, __ATOMIC_ACQUIRE) && !is_ending(c))
		__builtin_ia32_pause();
	pthread_mutex_lock(&c->lock);
}

static void *consumer_main(void *arg)
{
	struct consumer *c = arg;
	long sleep = CONSUMER_SLEEP_MIN_NS;
	unsigned int spins = 0;

	pthread_mutex_lock(&c->lock);
	while (!is_ending(c)) {
		__atomic_store_n(&c->kicked, false, __ATOMIC_SEQ_CST);
		if (take_turn(c)) {
			spins = 0;
			sleep = CONSUMER_SLEEP_MIN_NS;
		} else if (++spins < CONSUMER_SPINS) {
			__builtin_ia32_pause();
		} else {
			sleep_for(c, sleep);
			sleep = (long)min_u64(2 * (uint64_t)sleep, CONSUMER_SLEEP_MAX_NS);
		}
		if (__atomic_load_n(&c->wanted, __ATOMIC_ACQUIRE))
			let_others_in(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* The thread holds the lock nearly always: it is asked for it. */
static void lock_queues(struct consumer *c)
{
	__atomic_fetch_add(&c->wanted, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(&c->lock);
	__atomic_fetch_sub(&c->wanted, 1, __ATOMIC_ACQ_REL);
}

void consumer_kick(struct consumer *c)
{
	__atomic_store_n(&c->kicked, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->asleep, __ATOMIC_SEQ_CST))
		return;
	lock_queues(c);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

/* ---- life ---- */

/* Nothing is in a queue whose memory is not there. */
static bool is_stood_for(const struct consumer *c)
{
	const struct sink *sink = c->viommu->iommu->sink;

	return sink && sink->guest;
}

static int start(struct consumer *c)
{
	const struct requester_config cfg = {.rid = CONSUMER_RID};
	int rc = requester_create_with(c->viommu->iommu, &cfg, &c->requester);

	if (rc)
		return rc;
	rc = requester_attach(c->requester, c->viommu->parent);
	if (rc)
		goto out_destroy;
	__atomic_store_n(&c->ending, false, __ATOMIC_RELAXED);
	c->runs = !is_stood_for(c);
	if (!c->runs)
		return 0;
	rc = thread_start(&c->thread, "ioas-queues", consumer_main, c);
	if (!rc)
		return 0;
	requester_attach(c->requester, NULL);
out_destroy:
	requester_destroy(c->requester);
	return rc;
}

static void stop(struct consumer *c)
{
	__atomic_store_n(&c->ending, true, __ATOMIC_RELEASE);
	lock_queues(c);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->runs)
		pthread_join(c->thread, NULL);
	requester_attach(c->requester, NULL);
	requester_destroy(c->requester);
}

int consumer_add(struct consumer *c, struct queue *q)
{
	int rc = 0;

	if (!is_pow2(q->nr_entries) || q->entry_lg2 > QUEUE_ENTRY_MAX_LG2 ||
	    (uint64_t)q->nr_entries << q->entry_lg2 > q->hw->len)
		return -EINVAL;
	q->consumer = c;
	list_init(&q->link);
	pthread_mutex_lock(&c->life);
	if (list_empty(&c->queues))
		rc = start(c);
	if (!rc) {
		lock_queues(c);
		tell(q, QUEUE_ADDED);
		list_add_tail(&c->queues, &q->link);
		pthread_cond_signal(&c->wake);
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&c->life);
	return rc;
}

void consumer_remove(struct queue *q)
{
	struct consumer *c = q->consumer;

	pthread_mutex_lock(&c->life);
	lock_queues(c);
	list_del(&q->link);
	tell(q, QUEUE_REMOVED);
	pthread_mutex_unlock(&c->lock);
	if (list_empty(&c->queues))
		stop(c);
	pthread_mutex_unlock(&c->life);
}

void consumer_carry_out(struct queue *q, const void *entries, size_t bytes)
{
	struct consumer *c = q->consumer;
	uint32_t done = 0, n = (uint32_t)min_u64(bytes >> q->entry_lg2, QUEUE_BATCH);

	if (!n)
		return;
	lock_queues(c);
	memcpy(c->batch, entries, (size_t)n << q->entry_lg2);
	execute(q, n, &done);
	pthread_mutex_unlock(&c->lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues in guest memory that the IOMMU consumes itself: one loop for all makes.
 *
 * A vIOMMU has one *consumer*: a thread that runs while there is a queue, looks at each in turn,
 * copies what waits (once: the guest may change it meanwhile, to no effect), has the make carry it
 * out, and tells the guest. Registers, errors and what an entry means are the make's (struct
 * queue_ops).
 *
 * Who notices that the guest has put something in: the thread looks. While work comes it looks
 * without pause; then it sleeps, first for CONSUMER_SLEEP_MIN, each time twice as long, at most
 * CONSUMER_SLEEP_MAX. Whoever knows better calls consumer_kick(). docs/abi-extensions.md has the
 * figures.
 *
 * A turn takes at most QUEUE_BATCH entries of each queue, whatever its registers say, so that no
 * queue keeps the others, or who wants the thread out, from going on.
 */
#ifndef IOAS_IOMMU_QUEUE_H
#define IOAS_IOMMU_QUEUE_H

#include <pthread.h>

#include "iommu/viommu.h"

#define QUEUE_BATCH	    256 /* entries that are read at once */
#define QUEUE_ENTRY_MAX_LG2 5	/* their size at most */

#define CONSUMER_SPINS	      2000  /* looks in vain before it sleeps */
#define CONSUMER_SLEEP_MIN_NS 50000 /* what the kernel's timers round to */
#define CONSUMER_SLEEP_MAX_NS 2000000

struct queue;

/* All run on the consumer's thread, outside of sections, and may wait as nested_sync() does. */
struct queue_ops {
	/*
	 * How many entries wait, and in *first the index of the next: the registers read once, and
	 * judged. 0: nothing to do, since there is nothing, or the queue is off, or stopped at an
	 * error. More than the queue has count as all it has.
	 */
	uint32_t (*pending)(struct queue *q, uint32_t *first);
	/*
	 * Carries out @n entries, at least one, in order, and tells the guest how far it came.
	 * *done receives how many are done and complete: fewer than @n when one is bad (pending()
	 * answers 0 then until the guest has seen to it) or when the guest is better told before
	 * the next.
	 */
	void (*execute)(struct queue *q, const void *entries, uint32_t n, uint32_t *done);
	/* The entries cannot be read: the program took the memory away. Stops the queue. */
	void (*unreadable)(struct queue *q);
};

struct queue {
	const struct queue_ops *ops;
	struct hw_queue *hw;	/* where it lies */
	unsigned int entry_lg2; /* bytes of an entry; the consumer's, once added */
	uint32_t nr_entries;	/* a power of two; they lie within hw->len */

	struct consumer *consumer;
	struct list link;
};

/* Zeroed and consumer_init() makes one without queues, which has no thread. */
struct consumer {
	struct viommu *viommu;
	/*
	 * The vIOMMU's own accesses to guest memory: attached to the nest parent, so that whoever
	 * changes the address space waits for them too.
	 */
	struct requester *requester;
	pthread_mutex_t life; /* adding and removing; outside of lock */
	pthread_mutex_t lock; /* queues; held by the thread for a turn */
	pthread_cond_t wake;
	struct list queues;
	pthread_t thread;
	bool runs;	     /* there is a thread */
	unsigned int wanted; /* threads that want lock; atomic */
	bool kicked, ending; /* atomic */
	bool asleep;	     /* atomic */
	_Alignas(16) unsigned char batch[QUEUE_BATCH << QUEUE_ENTRY_MAX_LG2]; /* the thread's */
};

void consumer_init(struct consumer *c, struct viommu *v);
void consumer_fini(struct consumer *c); /* without queues */

/*
 * @q, with ops, hw, entry_lg2 and nr_entries set, is looked at from now on; it starts the thread.
 * -ENOMEM, -EAGAIN, -EINVAL (a size that does not fit hw).
 */
int consumer_add(struct consumer *c, struct queue *q);
/* Returns when nothing looks at @q any more. Not on the thread, nor with a lock that ops take. */
void consumer_remove(struct queue *q);
/*
 * Carries out whole entries of @q that were not taken from it: of a host that consumes none by
 * itself (struct guest_stand_in).
 */
void consumer_carry_out(struct queue *q, const void *entries, size_t bytes);
/* There is something to do. Any thread, at any time between init and fini. */
void consumer_kick(struct consumer *c);

/*
 * For execute(): a store into guest memory at @gpa, as a completion or a message makes it; of 4 or
 * 8 naturally aligned bytes it is one store where the memory is not guarded. 0 or -EFAULT.
 */
int consumer_write(struct consumer *c, uint64_t gpa, const void *src, size_t len);
/* The same the other way round. */
int consumer_read(struct consumer *c, uint64_t gpa, void *dst, size_t len);

#endif

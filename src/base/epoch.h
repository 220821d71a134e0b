/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiescence: how a writer learns that a reader has left what it was doing.
 *
 * Every reader (a requester's DMA thread) owns one epoch; only its owner writes the word. The reader
 * brackets each use of shared structures with epoch_enter() and epoch_exit(), which are plain stores: no fence, no
 * lock. A reader with nothing to do is *parked*, which a writer sees with one load.
 *
 * A writer first makes its change visible, then calls epoch_fence(), and, if any reader it cares about is awake,
 * epoch_barrier() once, then epoch_wait() for each. The barrier is membarrier(2), which puts the fence that the readers
 * left out into all of them; where the system call is missing the readers fence themselves (epoch_domain.fence).
 */
#ifndef IOAS_BASE_EPOCH_H
#define IOAS_BASE_EPOCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

/* Shared by the readers and writers of one host. */
struct epoch_domain {
	bool fence; /* membarrier is not available: readers fence */
};

/* word: bit 0 awake, bit 1 inside a section, bits 2.. count the sections. 0 when parked for the first time. */
struct epoch {
	uint64_t word;
	bool fence;
	pthread_t owner; /* valid while awake */
} __attribute__((aligned(64)));

#define EPOCH_AWAKE  1ull
#define EPOCH_INSIDE 2ull
#define EPOCH_COUNT  4ull

/* Registers the process for membarrier. Never fails: without it readers fence. */
void epoch_domain_init(struct epoch_domain *d);

static inline void epoch_init(struct epoch *e, const struct epoch_domain *d)
{
	e->word = 0;
	e->fence = d->fence;
}

/* Owner: begin a stretch of work. A full fence, so that a writer that saw us parked is seen by us. */
static inline void epoch_unpark(struct epoch *e)
{
	uint64_t w = __atomic_load_n(&e->word, __ATOMIC_RELAXED);

	__atomic_store_n(&e->owner, pthread_self(), __ATOMIC_RELAXED);
	__atomic_exchange_n(&e->word, w | EPOCH_AWAKE, __ATOMIC_SEQ_CST);
}

/* Owner: nothing to do for a while. Must be outside a section. */
static inline void epoch_park(struct epoch *e)
{
	uint64_t w = __atomic_load_n(&e->word, __ATOMIC_RELAXED);

	__atomic_store_n(&e->word, w & ~EPOCH_AWAKE, __ATOMIC_RELEASE);
}

/* Owner, awake: what is read from here to epoch_exit() stays valid. Sections do not nest. */
static inline void epoch_enter(struct epoch *e)
{
	uint64_t w = __atomic_load_n(&e->word, __ATOMIC_RELAXED);

	__atomic_store_n(&e->word, (w + EPOCH_COUNT) | EPOCH_INSIDE, __ATOMIC_RELAXED);
	if (unlikely(e->fence))
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void epoch_exit(struct epoch *e)
{
	uint64_t w = __atomic_load_n(&e->word, __ATOMIC_RELAXED);

	__atomic_store_n(&e->word, w & ~EPOCH_INSIDE, __ATOMIC_RELEASE);
}

/* Writer: orders its change before the loads of the readers' words. */
static inline void epoch_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Writer, after epoch_fence(): must this reader be waited for? */
static inline bool epoch_is_awake(const struct epoch *e)
{
	return __atomic_load_n(&e->word, __ATOMIC_ACQUIRE) & EPOCH_AWAKE;
}

/* Is the calling thread the reader that owns this (awake) epoch? */
static inline bool epoch_is_mine(const struct epoch *e)
{
	return __atomic_load_n(&e->owner, __ATOMIC_RELAXED) == pthread_self();
}

/* Writer: makes every awake reader's earlier stores visible and its later loads fresh. */
void epoch_barrier(const struct epoch_domain *d);

/*
 * Writer: returns when the section that was running at the call, if any, is over. Called by the
 * reader itself from inside its section it returns at once: one does not wait for oneself.
 */
void epoch_wait(const struct epoch *e);

#endif

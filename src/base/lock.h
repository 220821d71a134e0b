/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's lock: one atomic instruction when nobody contends, a futex when somebody does.
 *
 * To release it is a plain store: whether somebody sleeps is looked at afterwards, and the
 * processor may have looked before. A sleeper that is overlooked so wakes by itself a millisecond
 * later.
 *
 * Ranks: a thread that holds a lock takes only locks of a higher rank. This list is the order:
 */
#ifndef IOAS_BASE_LOCK_H
#define IOAS_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

enum lock_rank {
	LOCK_SPACE,	/* one IOAS: its areas, reserved and allowed ranges, mirrors; change-process
			   takes several */
	LOCK_IOMMU,	/* requesters of an IOMMU and what they are attached to; held while their
			   sections end */
	LOCK_DOMAIN,	/* a domain's attachments; held while their sections end */
	LOCK_VIOMMU,	/* a vIOMMU's devices; held while a command names one */
	LOCK_REQUESTER, /* writers of a command slot */
	LOCK_FAULT,	/* an IOMMU's fault ring */
	LOCK_OBSERVE, /* what an observer keeps; nobody waits under it, for sections take it */
	LOCK_MEMORY, /* slots, registered ranges, pins, pages objects; never held across a fault-in
		      */
	LOCK_TABLES,  /* free page-table memory; nothing is taken inside */
	LOCK_OBJECTS, /* ids and counts of a context; nothing is taken inside */
	LOCK_PASIDS,  /* a space of PASIDs and its sets; nothing is taken inside */
	LOCK_NR_RANKS
};

struct lock {
	uint32_t held; /* 0 or 1 */
	uint32_t sleepers;
	uint32_t rank;
};

void lock_wait(struct lock *l);
void lock_wake(struct lock *l);

#if SANITIZED
#define LOCK_CHECKED 1
void lock_check_acquire(const struct lock *l);
void lock_check_release(const struct lock *l);
#else
#define LOCK_CHECKED 0
static inline void lock_check_acquire(const struct lock *l)
{
}
static inline void lock_check_release(const struct lock *l)
{
}
#endif

static inline void lock_init(struct lock *l, enum lock_rank rank)
{
	*l = (struct lock){.rank = rank};
}

static inline void lock_acquire(struct lock *l)
{
	uint32_t expected = 0;

	lock_check_acquire(l);
	if (unlikely(!__atomic_compare_exchange_n(&l->held, &expected, 1, false, __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		lock_wait(l);
}

static inline void lock_release(struct lock *l)
{
	lock_check_release(l);
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
	if (unlikely(__atomic_load_n(&l->sleepers, __ATOMIC_RELAXED)))
		lock_wake(l);
}

#endif

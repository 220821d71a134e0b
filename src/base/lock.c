/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow side of base/lock.h, and the check of the order in sanitised builds.
 */
#include "base/lock.h"

#include <assert.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a lock guards takes well under a microsecond as a rule; sleeping and waking takes ten. */
#define SPINS_BEFORE_SLEEP 200

static bool try_acquire(struct lock *l)
{
	uint32_t expected = 0;

	return !__atomic_load_n(&l->held, __ATOMIC_RELAXED) &&
	       __atomic_compare_exchange_n(&l->held, &expected, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void lock_wait(struct lock *l)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
		if (try_acquire(l))
			return;
		__builtin_ia32_pause();
	}
	__atomic_fetch_add(&l->sleepers, 1, __ATOMIC_SEQ_CST);
	while (!try_acquire(l))
		syscall(SYS_futex, &l->held, FUTEX_WAIT_PRIVATE, 1, &ms, NULL, 0);
	__atomic_fetch_sub(&l->sleepers, 1, __ATOMIC_RELAXED);
}

void lock_wake(struct lock *l)
{
	syscall(SYS_futex, &l->held, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#if LOCK_CHECKED
/* How many locks of each rank this thread holds. */
static _Thread_local unsigned int mine[LOCK_NR_RANKS];

void lock_check_acquire(const struct lock *l)
{
	/* Several locks of one rank are taken in array order by one function only
	 * (space_change_payer). */
	for (unsigned int rank = l->rank + 1; rank < ARRAY_SIZE(mine); rank++)
		assert(!mine[rank]);
	assert(l->rank == LOCK_SPACE || !mine[l->rank]);
	mine[l->rank]++;
}

void lock_check_release(const struct lock *l)
{
	assert(mine[l->rank]);
	mine[l->rank]--;
}
#endif

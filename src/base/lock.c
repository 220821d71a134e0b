/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow side of base/lock.h, and the check of the order in sanitised builds.
 */
#include "base/lock.h"

#include <assert.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a lock guards takes well under a microsecond as a rule; sleeping and waking takes ten. */
#define SPINS_BEFORE_SLEEP 200

void lock_wait(struct lock *l)
{
	for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
		uint32_t expected = 0;

		if (!__atomic_load_n(&l->word, __ATOMIC_RELAXED) &&
		    __atomic_compare_exchange_n(&l->word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		__builtin_ia32_pause();
	}
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_wake(struct lock *l)
{
	syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#if LOCK_CHECKED
/* How many locks of each rank this thread holds. */
static _Thread_local unsigned int held[LOCK_NR_RANKS];

void lock_check_acquire(const struct lock *l)
{
	/* Several locks of one rank are taken in array order by one function only (space_change_payer). */
	for (unsigned int rank = l->rank + 1; rank < ARRAY_SIZE(held); rank++)
		assert(!held[rank]);
	assert(l->rank == LOCK_SPACE || !held[l->rank]);
	held[l->rank]++;
}

void lock_check_release(const struct lock *l)
{
	assert(held[l->rank]);
	held[l->rank]--;
}
#endif

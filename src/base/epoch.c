/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/epoch.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static long membarrier(int cmd)
{
	return syscall(__NR_membarrier, cmd, 0, 0);
}

void epoch_domain_init(struct epoch_domain *d)
{
	d->fence = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0;
}

void epoch_barrier(const struct epoch_domain *d)
{
	if (!d->fence)
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/* A section is at most one 64 KiB copy, so a short spin usually sees its end. */
#define SPINS_BEFORE_YIELD 2000

void epoch_wait(const struct epoch *e)
{
	uint64_t seen = __atomic_load_n(&e->word, __ATOMIC_ACQUIRE);
	unsigned int spins = 0;

	if (!(seen & EPOCH_INSIDE) || epoch_is_mine(e))
		return;
	while (__atomic_load_n(&e->word, __ATOMIC_ACQUIRE) == seen) {
		if (++spins < SPINS_BEFORE_YIELD)
			__builtin_ia32_pause();
		else
			sched_yield();
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who pays: the locked-memory counter of a user or of a process. Everything here is atomic and
 * takes no lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "memory/private.h"

struct memory_account {
	uint64_t locked; /* pages */
	uint32_t refs;
	uint64_t (*limit)(void *arg);
	void *arg;
	uint64_t bytes; /* the limit where there is no function; atomic */
};

int memory_account_create(uint64_t (*fn)(void *arg), void *arg, struct memory_account **out)
{
	struct memory_account *a = ioas_malloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct memory_account){.refs = 1, .limit = fn, .arg = arg};
	*out = a;
	return 0;
}

void memory_account_set_limit(struct memory_account *a, uint64_t bytes)
{
	__atomic_store_n(&a->bytes, bytes, __ATOMIC_RELAXED);
}

uint64_t memory_account_limit(const struct memory_account *a)
{
	return a->limit ? a->limit(a->arg) : __atomic_load_n(&a->bytes, __ATOMIC_RELAXED);
}

/* In pages. */
static uint64_t limit(const struct memory_account *a)
{
	return memory_account_limit(a) >> PAGE_SHIFT;
}

void memory_account_get(struct memory_account *a)
{
	__atomic_fetch_add(&a->refs, 1, __ATOMIC_RELAXED);
}

void memory_account_put(struct memory_account *a)
{
	if (a && __atomic_fetch_sub(&a->refs, 1, __ATOMIC_ACQ_REL) == 1)
		ioas_free(a);
}

uint64_t memory_account_locked(const struct memory_account *a)
{
	return __atomic_load_n(&a->locked, __ATOMIC_RELAXED);
}

bool memory_account_room(const struct memory_account *a, uint64_t n)
{
	uint64_t most = limit(a), locked = memory_account_locked(a);

	return locked <= most && n <= most - locked;
}

bool account_charge(struct memory_account *a, uint64_t n)
{
	uint64_t locked = __atomic_add_fetch(&a->locked, n, __ATOMIC_RELAXED);

	return locked <= limit(a);
}

void account_uncharge(struct memory_account *a, uint64_t n)
{
	__atomic_fetch_sub(&a->locked, n, __ATOMIC_RELAXED);
}

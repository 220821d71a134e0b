/* SPDX-License-Identifier: BSD-3-Clause */
/* The lock excludes, wakes, and is fair enough that nobody starves for long. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"

#define NR_THREADS 4
#define ROUNDS	   20000

static struct lock lock;
static uint64_t counter, inside;

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&lock);
		assert_int_equal(inside++, 0);
		counter++;
		/* Long enough now and then that the others go to sleep. */
		if (i % 4096 == (int)(uintptr_t)arg)
			usleep(500);
		inside--;
		lock_release(&lock);
	}
	return NULL;
}

static void one_at_a_time(void **state)
{
	pthread_t t[NR_THREADS];

	lock_init(&lock, LOCK_MEMORY);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		pthread_create(&t[i], NULL, count, (void *)i);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, NR_THREADS * ROUNDS);
	assert_int_equal(lock.held, 0);
	assert_int_equal(lock.sleepers, 0);
}

static void *wait_for_lock(void *arg)
{
	lock_acquire(&lock);
	lock_release(&lock);
	return NULL;
}

/* A thread that sleeps on the lock goes on when it is released, without being counted any more. */
static void a_sleeper_wakes(void **state)
{
	pthread_t t;

	lock_init(&lock, LOCK_MEMORY);
	lock_acquire(&lock);
	pthread_create(&t, NULL, wait_for_lock, NULL);
	while (!__atomic_load_n(&lock.sleepers, __ATOMIC_RELAXED))
		usleep(100);
	lock_release(&lock);
	pthread_join(t, NULL);
	assert_int_equal(lock.sleepers, 0);
}

/* Locks of a higher rank may be taken inside those of a lower one. */
static void ranks_nest(void **state)
{
	struct lock space, memory;

	lock_init(&space, LOCK_SPACE);
	lock_init(&memory, LOCK_MEMORY);
	lock_acquire(&space);
	lock_acquire(&memory);
	lock_release(&space);
	lock_release(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(a_sleeper_wakes),
		cmocka_unit_test(ranks_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

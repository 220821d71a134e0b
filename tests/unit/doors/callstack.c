/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks that are remembered are those that unwinding finds, also where frames grow and shrink
 * below the same stack pointer, on several threads, and from a signal handler.
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>
#include <cmocka.h>

#include "callstack_probe.h"

#define NOINLINE __attribute__((noinline))
#define ROUNDS	 20000

struct reference {
	unsigned int n;
	uint64_t pc[CALLSTACK_MAX];
};

static _Unwind_Reason_Code step(struct _Unwind_Context *ctx, void *arg)
{
	struct reference *r = arg;

	if (!_Unwind_GetIP(ctx) || r->n == CALLSTACK_MAX)
		return _URC_END_OF_STACK;
	r->pc[r->n++] = _Unwind_GetIP(ctx) - 1;
	return _URC_NO_REASON;
}

/* What is remembered, against what is there: but for the place in here they are the same. */
NOINLINE static stack_id compare(void)
{
	struct reference r = {0};
	const uint64_t *pc = NULL;
	stack_id id;
	unsigned int n;

	_Unwind_Backtrace(step, &r);
	id = probe_here();
	n = probe_frames(id, &pc);
	if (!id || n != r.n || memcmp(pc + 1, r.pc + 1, (n - 1) * sizeof(*pc)))
		abort();
	return id;
}

/* A thread's own randomness. */
static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void wander(uint32_t *seed, unsigned int depth);

NOINLINE static void left(uint32_t *seed, unsigned int depth)
{
	wander(seed, depth);
	__asm__ volatile("" : : : "memory");
}

/* Its frame is as large as it happens to be, so that what it calls lies where others lay. */
NOINLINE static void right(uint32_t *seed, unsigned int depth)
{
	volatile char *room = alloca(16 * (1 + draw(seed) % 8));

	room[0] = 1;
	wander(seed, depth);
	__asm__ volatile("" : : "r"(room) : "memory");
}

NOINLINE static void wander(uint32_t *seed, unsigned int depth)
{
	if (!depth) {
		compare();
		compare();
	} else if (draw(seed) % 2) {
		left(seed, depth - 1);
	} else {
		right(seed, depth - 1);
	}
	__asm__ volatile("" : : : "memory");
}

static void *walk(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++)
		wander(&seed, draw(&seed) % 6);
	return NULL;
}

static void test_wandering(void **state)
{
	(void)state;
	walk((void *)1);
}

static void test_threads(void **state)
{
	pthread_t t[3];

	(void)state;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, walk, (void *)(i + 2)), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

NOINLINE static stack_id one_place(void)
{
	const stack_id id = compare();

	__asm__ volatile("" : : : "memory");
	return id;
}

static void test_places(void **state)
{
	stack_id id[3];

	(void)state;
	for (volatile int i = 0; i < 3; i++)
		id[i] = one_place();
	assert_int_equal(id[0], id[1]);
	assert_int_equal(id[0], id[2]);
	assert_int_not_equal(one_place(), id[0]);
}

/* ---- traps ---- */

static stack_id trapped;
static uint64_t trap_pc;

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)info;
	trap_pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	trapped = probe_trapped(uc);
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

NOINLINE static stack_id trap(void)
{
	__asm__ volatile("ud2" : : : "memory");
	return trapped;
}

static void test_traps(void **state)
{
	struct sigaction act = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, old;
	struct reference r = {0};
	const uint64_t *pc;
	stack_id first, id;

	(void)state;
	assert_int_equal(sigaction(SIGILL, &act, &old), 0);
	first = trap();
	for (int i = 0; i < 2; i++) {
		id = trap();
		_Unwind_Backtrace(step, &r);
		assert_int_equal(probe_frames(id, &pc),
				 r.n + 1 < CALLSTACK_MAX ? r.n + 1 : CALLSTACK_MAX);
		assert_int_equal(pc[0], trap_pc);
		/* The call of trap() and what called us. */
		assert_memory_equal(pc + 2, r.pc + 1, (r.n - 1) * sizeof(*pc));
		r.n = 0;
	}
	assert_int_not_equal(first, id);
	sigaction(SIGILL, &old, NULL);
}

/* ---- the depot ---- */

#define MANY 200000

static void test_full(void **state)
{
	static stack_id id[MANY];
	uint64_t pc[8];
	const uint64_t *kept;
	unsigned int full = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		for (uint64_t k = 0; k < 8; k++)
			pc[k] = i * 8 + k;
		id[i] = probe_keep(pc, 8);
		full += !id[i];
	}
	assert_true(id[0] && full && full < MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		if (!id[i])
			continue;
		assert_int_equal(probe_frames(id[i], &kept), 8);
		assert_int_equal(kept[0], i * 8);
		assert_int_equal(kept[7], i * 8 + 7);
	}
	for (uint64_t k = 0; k < 8; k++)
		pc[k] = k;
	assert_int_equal(probe_keep(pc, 8), id[0]);
	assert_int_equal(probe_keep(pc, 0), 0);
	assert_int_equal(probe_frames(0, &kept), 0);
}

static int set_up(void **state)
{
	(void)state;
	return probe_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),	cmocka_unit_test(test_wandering),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_traps),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

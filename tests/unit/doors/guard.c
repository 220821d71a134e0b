/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guarded touches: every length and alignment, against memmove; and what happens at the edge of what is there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "doors/preload/guard.h"

#define PAGE 4096ul

static char *edge; /* two accessible pages, then one that is not */

static void land(int sig, siginfo_t *info, void *ctx)
{
	greg_t *rip = &((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP];
	const uintptr_t to = guard_landing((uintptr_t)*rip);

	(void)info;
	if (!to) {
		signal(sig, SIG_DFL);
		return;
	}
	*rip = (greg_t)to;
}

/* In each test: cmocka has handlers of its own, which it sets before. */
static void catch_faults(void)
{
	struct sigaction act = {.sa_sigaction = land, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGSEGV, &act, NULL) | sigaction(SIGBUS, &act, NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	edge = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return edge == MAP_FAILED ? -1 : mprotect(edge + 2 * PAGE, PAGE, PROT_NONE);
}

static void fill(char *p, size_t len, char seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(seed + i * 7);
}

static void test_lengths(void **state)
{
	static char from[1200], to[1200], want[1200];

	(void)state;
	fill(from, sizeof(from), 3);
	for (size_t len = 0; len < 600; len++) {
		for (size_t at = 0; at < 17; at++) {
			fill(to, sizeof(to), 99);
			memcpy(want, to, sizeof(to));
			memcpy(want + at, from + (at * 5) % 16, len);
			assert_int_equal(guard_copy(to + at, from + (at * 5) % 16, len), 0);
			assert_memory_equal(to, want, sizeof(to));
		}
	}
}

/* Nothing beyond what is there, and all of it before the edge, may be touched. */
static void test_edge(void **state)
{
	static char other[1024];
	char *end = edge + 2 * PAGE;

	(void)state;
	catch_faults();
	for (size_t len = 1; len < 600; len++) {
		assert_int_equal(guard_copy(end - len, other, len), 0);
		assert_int_equal(guard_copy(other, end - len, len), 0);
		assert_int_equal(guard_copy(end - len + 1, other, len), -14);
		assert_int_equal(guard_copy(other, end - len + 1, len), -14);
	}
	assert_int_equal(guard_copy(other, NULL, 8), -14);
	assert_int_equal(guard_copy(NULL, other, 8), -14);
	assert_int_equal(guard_copy(other, (void *)0x8000000000000000ul, 8), -14);
}

static void test_touch(void **state)
{
	(void)state;
	catch_faults();
	edge[17] = 5;
	assert_int_equal(guard_touch_read(edge, 2), 0);
	assert_int_equal(guard_touch_write(edge, 2), 0);
	assert_int_equal(guard_touch_read(edge, 3), -14);
	assert_int_equal(guard_touch_write(edge, 3), -14);
	assert_int_equal(guard_touch_read(edge + 2 * PAGE, 0), 0);
	assert_int_equal(edge[17], 5);
	assert_int_equal(mprotect(edge, PAGE, PROT_READ), 0);
	assert_int_equal(guard_touch_read(edge, 1), 0);
	assert_int_equal(guard_touch_write(edge, 1), -14);
	assert_int_equal(mprotect(edge, PAGE, PROT_READ | PROT_WRITE), 0);
}

/* A file that was cut short raises SIGBUS. */
static void test_bus_error(void **state)
{
	const int fd = memfd_create("cut", 0);
	char c, *p;

	(void)state;
	catch_faults();
	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(guard_copy(&c, p, 1), 0);
	assert_int_equal(guard_copy(&c, p + PAGE, 1), -14);
	assert_int_equal(guard_touch_write(p, 2), -14);
	munmap(p, 2 * PAGE);
	close(fd);
}

static void test_foreign_code(void **state)
{
	(void)state;
	assert_int_equal(guard_landing((uintptr_t)test_foreign_code), 0);
	assert_int_equal(guard_landing(0), 0);
	assert_int_not_equal(guard_landing((uintptr_t)guard_copy), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),	  cmocka_unit_test(test_edge),
		cmocka_unit_test(test_touch),	  cmocka_unit_test(test_bus_error),
		cmocka_unit_test(test_foreign_code),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

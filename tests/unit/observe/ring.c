/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of records: nothing is lost, torn or doubled while there is room, what finds none is
 * counted where it would have been, and a writer that dies in the middle loses that entry only.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/ring.h"

static struct ring writer, taker;
static uint8_t out[65536];

static int set_up(void **state)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, RING_FILE_SIZE), 0);
	assert_int_equal(ring_map(fd, &writer), 0);
	assert_int_equal(ring_map(fd, &taker), 0);
	close(fd);
	return 0;
}

/*
 * Threads of one process: ThreadSanitizer takes two addresses of one word for two words, so it
 * would miss that the taker's tail orders one writer's bytes before the next round's.
 */
static int set_up_one_mapping(void **state)
{
	set_up(state);
	ring_unmap(&taker);
	taker = writer;
	return 0;
}

static int tear_down(void **state)
{
	if (taker.data != writer.data)
		ring_unmap(&taker);
	ring_unmap(&writer);
	return 0;
}

static bool put(uint32_t thread, uint32_t number, size_t len)
{
	uint32_t entry[64];
	uint64_t position;
	void *to = ring_get(&writer, len, &position);

	if (!to)
		return false;
	for (size_t i = 0; i < len / 4; i++)
		entry[i] = thread << 24 | number;
	entry[0] = (uint32_t)len;
	memcpy(to, entry, len);
	ring_put(&writer, position, len, len);
	return true;
}

/* Entries of a multiple of 4 bytes, each word but the first the same. Calls @fn for each. */
static size_t take_all(bool dead, void (*fn)(uint32_t value))
{
	size_t n = 0, len;

	while ((len = ring_take(&taker, out, sizeof(out), dead)))
		for (size_t at = 0; at < len; n++) {
			uint32_t words[64];

			memcpy(words, out + at, 8);
			assert_in_range(words[0], 8, sizeof(words));
			memcpy(words, out + at, words[0]);
			for (size_t i = 2; i < words[0] / 4; i++)
				assert_int_equal(words[i], words[1]);
			fn(words[1]);
			at += words[0];
		}
	return n;
}

static uint32_t seen[8];

/* Each thread's entries are whole and in their order. */
static void in_order(uint32_t value)
{
	assert_int_equal(value & 0xffffff, seen[value >> 24]);
	seen[value >> 24]++;
}

#define EACH 300000u

static uint64_t refused;

static void *write_many(void *arg)
{
	uint32_t thread = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < EACH;)
		if (put(thread, i, 8 + 4 * (i * 7 % 50)))
			i++;
		else
			__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[3];
	size_t n = 0;
	uint64_t lost = 0;

	memset(seen, 0, sizeof(seen));
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
	while (n < 3 * EACH) {
		n += take_all(false, in_order);
		lost += ring_take_lost(&taker);
	}
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	/* A gap at the very end. */
	take_all(false, in_order);
	lost += ring_take_lost(&taker);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(seen[i], EACH);
	assert_true(lost <= refused);
}

static uint32_t first_of_run;

static void note_first(uint32_t value)
{
	if (first_of_run == UINT32_MAX)
		first_of_run = value;
}

/* What finds no room is counted, and the taker stops just there. */
static void test_full(void **state)
{
	uint32_t fit = 0, n;

	assert_int_equal(ring_take_lost(&taker), 0);
	while (put(0, fit, 128))
		fit++;
	assert_in_range(fit, RING_SIZE / 136 - 1, RING_SIZE / 136);
	for (unsigned int i = 0; i < 9; i++)
		assert_false(put(0, 0, 128));
	/* Not before what came before it was taken. */
	assert_int_equal(ring_take_lost(&taker), 0);
	first_of_run = UINT32_MAX;
	n = (uint32_t)ring_take(&taker, out, 1280, false) / 128;
	assert_int_equal(n, 10);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(put(1, i, 128));
	n += (uint32_t)take_all(false, note_first);
	assert_int_equal(n, fit);
	assert_int_equal(first_of_run, 10);
	assert_int_equal(ring_take_lost(&taker), 10);
	first_of_run = UINT32_MAX;
	assert_int_equal(take_all(false, note_first), 5);
	assert_int_equal(first_of_run, 1 << 24);
	assert_int_equal(ring_take_lost(&taker), 0);
}

/* An entry that is never finished holds up what follows, until its writer is known to be dead. */
static void test_unfinished(void **state)
{
	uint64_t position;

	assert_true(put(0, 1, 64));
	assert_non_null(ring_get(&writer, 100, &position));
	assert_true(put(0, 2, 64));
	first_of_run = UINT32_MAX;
	assert_int_equal(take_all(false, note_first), 1);
	assert_int_equal(first_of_run, 1);
	assert_int_equal(take_all(false, note_first), 0);
	first_of_run = UINT32_MAX;
	assert_int_equal(take_all(true, note_first), 1);
	assert_int_equal(first_of_run, 2);
}

/* The writer's memory may hold anything. */
static void test_hostile(void **state)
{
	uint64_t seed = 88172645463325252ull;

	for (unsigned int round = 0; round < 20000; round++) {
		uint64_t position;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		if (round % 3 == 0)
			writer.shared->head = writer.shared->tail + (seed & 0xffff8);
		if (round % 5 == 0)
			writer.shared->head = seed;
		if (round % 7 == 0)
			writer.shared->gap = seed >> 20;
		if (round % 11 == 0)
			writer.shared->tail = seed;
		if (ring_get(&writer, 40, &position))
			ring_put(&writer, position, seed % 70000, seed % 65536);
		assert_true(ring_take(&taker, out, sizeof(out), round % 2) <= sizeof(out));
		ring_take_lost(&taker);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_threads, set_up_one_mapping, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unfinished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

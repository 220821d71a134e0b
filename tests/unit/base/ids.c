/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The id table against a naive twin: an array of states.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/ids.h"

#define TWIN_MAX 400u

enum state { FREE, RESERVED, PUBLISHED, BURIED };

struct twin {
	enum state state[TWIN_MAX + 1];
	void *object[TWIN_MAX + 1];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}

static uint32_t twin_lowest(const struct twin *w)
{
	uint32_t id = 1;

	while (id <= TWIN_MAX && w->state[id] != FREE)
		id++;
	return id;
}

static void compare(const struct ids *t, const struct twin *w)
{
	uint32_t at = 0;

	for (uint32_t id = 1; id <= TWIN_MAX; id++) {
		void *expected = w->state[id] == PUBLISHED ? w->object[id] : NULL;

		assert_ptr_equal(ids_find(t, id), expected);
		if (expected) {
			assert_ptr_equal(ids_next(t, &at), expected);
			assert_int_equal(at, id);
		}
	}
	assert_null(ids_next(t, &at));
}

static void test_random_script(void **state)
{
	static struct twin w;
	uint64_t rnd = 42;
	struct ids t;

	ids_init(&t);
	for (unsigned int step = 0; step < 20000; step++) {
		uint32_t id = 1 + next_random(&rnd) % TWIN_MAX, got;
		unsigned int dice = next_random(&rnd) % 100;

		if (dice < (step / 2000 % 2 ? 25 : 55)) {
			id = twin_lowest(&w);
			if (id > TWIN_MAX)
				continue;
			assert_int_equal(ids_reserve(&t, &got), 0);
			assert_int_equal(got, id);
			w.state[id] = RESERVED;
		} else if (w.state[id] == RESERVED && dice < 80) {
			w.object[id] = &w.object[next_random(&rnd) % TWIN_MAX];
			ids_publish(&t, id, w.object[id]);
			w.state[id] = PUBLISHED;
		} else if (w.state[id] == PUBLISHED && dice < 70) {
			ids_hide(&t, id);
			w.state[id] = RESERVED;
		} else if (w.state[id] == PUBLISHED && dice == 99) {
			ids_bury(&t, id);
			w.state[id] = BURIED;
		} else if (w.state[id] == RESERVED || w.state[id] == PUBLISHED) {
			ids_erase(&t, id);
			w.state[id] = FREE;
		}
		if (step % 50 == 0)
			compare(&t, &w);
	}
	compare(&t, &w);
	ids_destroy(&t);
}

static void test_edges(void **state)
{
	struct ids t;
	uint32_t id = 0;

	ids_init(&t);
	assert_null(ids_find(&t, 0));
	assert_null(ids_find(&t, 1));
	assert_null(ids_find(&t, UINT32_MAX));
	assert_null(ids_next(&t, &id));
	assert_int_equal(id, 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_int_equal(ids_reserve(&t, &id), 0);
		assert_int_equal(id, i);
	}
	ids_bury(&t, 500);
	ids_erase(&t, 700);
	assert_int_equal(ids_reserve(&t, &id), 0);
	assert_int_equal(id, 700);
	assert_null(ids_find(&t, 500));
	ids_destroy(&t);
	assert_null(ids_find(&t, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_script),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

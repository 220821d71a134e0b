/* SPDX-License-Identifier: BSD-3-Clause */
/* Observers hear what they asked for, in the order in which they came, until their sink ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/observe.h"

struct ear {
	char name;
	char *heard; /* of all that hear the same sink: a letter for each event */
	struct event_map map;
	struct event_dma dma;
};

static void note(const struct ear *ear)
{
	ear->heard[strlen(ear->heard)] = ear->name;
}

static void hear_map(void *arg, const struct event_map *e)
{
	struct ear *ear = arg;

	ear->map = *e;
	note(ear);
}

static void hear_dma(void *arg, const struct event_dma *e)
{
	struct ear *ear = arg;

	ear->dma = *e;
	note(ear);
}

static const struct observer_ops maps = {.map = hear_map};
static const struct observer_ops everything = {
	.map = hear_map, .dma_begin = hear_dma, .dma_end = hear_dma};

static void each_hears_its_own(void **state)
{
	char heard[10] = "";
	struct ear a = {'a', heard, .map.iova = 0}, b = {'b', heard, .map.iova = 0};
	struct sink sink = {.fn = NULL};

	assert_false(observed());
	assert_int_equal(observe_add(&sink, &maps, &a), 0);
	assert_int_equal(observe_add(&sink, &everything, &b), 0);
#ifndef IOAS_NO_HOOKS
	assert_true(observed());
	OBSERVE(&sink, map, .iova = 0x1000, .last = 0x1fff, .prot = 3);
	OBSERVE_AS(&sink, dma_end, dma, .iova = 0x2000, .rc = -EFAULT);
	assert_string_equal(heard, "abb");
	assert_int_equal(a.map.iova, 0x1000);
	assert_int_equal(b.map.last, 0x1fff);
	assert_int_equal(b.map.prot, 3);
	assert_int_equal(b.dma.rc, -EFAULT);
	assert_null(b.map.pages);
#endif
	observe_end(&sink);
	assert_false(observed());
}

/* What nobody of this sink asked for goes nowhere: another's observers, another event, no sink. */
static void nobody_else_hears(void **state)
{
	char heard[10] = "";
	struct ear a = {'a', heard, .map.iova = 0};
	struct sink sink = {.fn = NULL}, other = {.fn = NULL};

	assert_int_equal(observe_add(&sink, &maps, &a), 0);
	OBSERVE(&other, map, .iova = 0x1000);
	OBSERVE((struct sink *)NULL, map, .iova = 0x1000);
	OBSERVE(&sink, unmap, .iova = 0x1000);
	OBSERVE_AS(&sink, dma_begin, dma, .iova = 0x1000);
	assert_string_equal(heard, "");
	observe_end(&sink);
	OBSERVE(&sink, map, .iova = 0x1000);
	observe_map(&sink, &(struct event_map){.iova = 0x1000});
	assert_string_equal(heard, "");
}

/* The word counts the observers of all sinks, and one that found no room is none. */
static void so_many(void **state)
{
	char heard[10] = "";
	struct ear ears[SINK_OBSERVERS + 1];
	struct sink sink = {.fn = NULL}, other = {.fn = NULL};

	for (size_t i = 0; i <= SINK_OBSERVERS; i++) {
		ears[i] = (struct ear){(char)('a' + i), heard, .map.iova = 0};
		assert_int_equal(observe_add(&sink, &maps, &ears[i]),
				 i < SINK_OBSERVERS ? 0 : -ENOSPC);
	}
	assert_int_equal(ioas_observed, SINK_OBSERVERS);
	observe_map(&sink, &(struct event_map){.iova = 0x1000});
	assert_int_equal(strlen(heard), SINK_OBSERVERS);
	assert_int_equal(observe_add(&other, &maps, &ears[0]), 0);
	assert_int_equal(ioas_observed, SINK_OBSERVERS + 1);
	observe_end(&sink);
	observe_end(&sink);
	assert_int_equal(ioas_observed, 1);
	observe_end(&other);
	assert_int_equal(ioas_observed, 0);
	assert_int_equal(observe_add(&sink, &maps, &ears[0]), 0);
	observe_end(&sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hears_its_own),
		cmocka_unit_test(nobody_else_hears),
		cmocka_unit_test(so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

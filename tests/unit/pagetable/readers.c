/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers translate and mark while a writer maps, cuts, unmaps and cleans. Whatever a reader finds
 * is right: page n of the window is only ever mapped to one PA. Every third 2 MiB never goes and is
 * always found.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "naive.h"

#define K4	0x1000ull
#define M2	(2ull << 20)
#define PARTS	36u
#define DELTA	(7ull << 30)
#define READERS 2
#define ENOUGH	200000u /* translations by each reader while the writer works */

struct shared {
	struct fixture fx;
	struct epoch_domain domain;
	struct epoch epoch[READERS];
	bool stop;
};

struct reader {
	struct shared *s;
	struct epoch *epoch;
	uint64_t rnd, found, wrong;
};

static bool stays(uint64_t iova)
{
	return (iova / M2) % 3 == 0;
}

static void read_once(struct reader *r)
{
	uint64_t iova = next_random(&r->rnd) % (PARTS * M2);
	struct pt *pt = r->s->fx.pt;
	struct pt_leaf leaf;
	int rc = pt_translate(pt, iova, &leaf);

	if (rc) {
		r->wrong += rc != -ENOENT || stays(iova);
		return;
	}
	__atomic_store_n(&r->found, r->found + 1, __ATOMIC_RELAXED);
	r->wrong +=
		leaf.pa != iova + DELTA || leaf.prot != 3 || !(pt_page_sizes(pt) & BIT(leaf.lg2));
	rc = pt_mark(pt, iova, iova & 1);
	r->wrong += rc && (rc != -ENOENT || stays(iova));
}

static void *read_all_the_time(void *arg)
{
	struct reader *r = arg;

	epoch_unpark(r->epoch);
	while (!__atomic_load_n(&r->s->stop, __ATOMIC_RELAXED)) {
		epoch_enter(r->epoch);
		for (unsigned int i = 0; i < 8; i++)
			read_once(r);
		epoch_exit(r->epoch);
	}
	epoch_park(r->epoch);
	return NULL;
}

static void release(struct shared *s, struct pt_gather *g)
{
	bool awake = false;

	epoch_fence();
	for (int i = 0; i < READERS; i++)
		awake |= epoch_is_awake(&s->epoch[i]);
	if (awake)
		epoch_barrier(&s->domain);
	for (int i = 0; i < READERS; i++)
		epoch_wait(&s->epoch[i]);
	pt_gather_free(s->fx.mem, g);
}

static int count_dirty(void *arg, uint64_t iova, uint64_t len)
{
	*(uint64_t *)arg += len;
	return 0;
}

/* A wait may last a scheduler's slice, hence one for many unmaps. */
#define GATHER_TABLES 16

static void write_once(struct shared *s, uint64_t *rnd, struct pt_gather *g, uint64_t *dirty)
{
	uint64_t iova = next_random(rnd) % PARTS * M2, len = M2, dice = next_random(rnd) % 8;

	if (stays(iova)) {
		if (dice == 0)
			assert_int_equal(pt_read_dirty(s->fx.pt, iova, iova + M2 - 1, true,
						       count_dirty, dirty),
					 0);
		else if (dice < 3)
			assert_int_equal(pt_cut(s->fx.pt, iova + next_random(rnd) % 512 * K4), 0);
		return;
	}
	if (dice & 1) {
		iova += next_random(rnd) % 512 * K4;
		len = next_random(rnd) % 32 * K4 + K4;
		len = min_u64(len, M2 - iova % M2);
	}
	if (dice < 5) {
		assert_in_range(-pt_map(s->fx.pt, iova, iova + DELTA, len, 3), 0, EEXIST);
		return;
	}
	assert_int_equal(pt_unmap(s->fx.pt, iova, len, g, NULL), 0);
	if (g->n >= GATHER_TABLES)
		release(s, g);
}

static bool readers_busy(const struct reader *reader)
{
	bool busy = true;

	for (int i = 0; i < READERS; i++)
		busy &= __atomic_load_n(&reader[i].found, __ATOMIC_RELAXED) >= ENOUGH;
	return busy;
}

static void run(const struct geometry *g, unsigned int steps)
{
	static struct shared s;
	struct reader reader[READERS];
	pthread_t thread[READERS];
	uint64_t rnd = 17, dirty = 0;
	struct pt_gather gather = {0};

	s.stop = false;
	epoch_domain_init(&s.domain);
	fixture_open(&s.fx, g);
	for (uint64_t iova = 0; iova < PARTS * M2; iova += M2)
		assert_int_equal(pt_map(s.fx.pt, iova, iova + DELTA, M2, 3), 0);
	for (int i = 0; i < READERS; i++) {
		epoch_init(&s.epoch[i], &s.domain);
		reader[i] = (struct reader){&s, &s.epoch[i], 5 + (uint64_t)i, 0, 0};
		assert_int_equal(pthread_create(&thread[i], NULL, read_all_the_time, &reader[i]),
				 0);
	}
	for (unsigned int step = 0; step < steps || !readers_busy(reader); step++)
		write_once(&s, &rnd, &gather, &dirty);
	release(&s, &gather);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(reader[i].wrong, 0);
	}
	assert_int_equal(pt_read_dirty(s.fx.pt, 0, PARTS * M2 - 1, true, count_dirty, &dirty), 0);
	assert_true(dirty > 0);
	fixture_close(&s.fx);
}

static void test_readers(void **state)
{
	for_each_plain (i)
		run(&geometries[i], 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The consumer of queues in guest memory: everything once and in order, whatever its registers
 * say; queues that come and go under load; memory that goes away.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bed.h"
#include "base/observe.h"
#include "iommu/queue.h"

#define GPA	0x40000000ull
#define LEN	0x10000ull
#define ENTRIES 64u
#define BAD	UINT64_MAX

/* An entry is a number, its complement beside it. */
struct entry {
	uint64_t n, not_n;
};

/* Registers count without bound. */
struct line {
	struct queue queue;
	struct hw_queue hw;
	struct entry *ring;
	uint32_t prod, cons; /* atomic */
	bool off;	     /* atomic */
	uint32_t absurd;     /* what pending() says instead; atomic */
	uint64_t next;	     /* that must come */
	unsigned int wrong, unreadable;
	uint32_t longest;
};

struct world {
	struct bed bed;
	struct domain *parent;
	struct bed_map map;
	char *mem;
	struct viommu viommu;
	struct consumer consumer;
};

static struct line *line_of(struct queue *q)
{
	return container_of(q, struct line, queue);
}

static uint32_t line_pending(struct queue *q, uint32_t *first)
{
	struct line *l = line_of(q);
	uint32_t absurd = __atomic_load_n(&l->absurd, __ATOMIC_RELAXED);

	if (__atomic_load_n(&l->off, __ATOMIC_ACQUIRE))
		return 0;
	*first = absurd ? absurd : l->cons;
	return absurd ? absurd : __atomic_load_n(&l->prod, __ATOMIC_ACQUIRE) - l->cons;
}

static void line_execute(struct queue *q, const void *entries, uint32_t n, uint32_t *done)
{
	const struct entry *e = entries;
	struct line *l = line_of(q);

	if (n > l->longest)
		l->longest = n;
	for (; *done < n; ++*done) {
		if (e[*done].n == BAD) {
			__atomic_store_n(&l->off, true, __ATOMIC_RELEASE);
			break;
		}
		l->wrong +=
			e[*done].n != ~e[*done].not_n ||
			(!__atomic_load_n(&l->absurd, __ATOMIC_RELAXED) && e[*done].n != l->next);
		l->next = e[*done].n + 1;
	}
	__atomic_store_n(&l->cons, l->cons + *done, __ATOMIC_RELEASE);
}

static void line_unreadable(struct queue *q)
{
	__atomic_store_n(&line_of(q)->unreadable, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&line_of(q)->off, true, __ATOMIC_RELEASE);
}

static const struct queue_ops line_ops = {line_pending, line_execute, line_unreadable};

static void world_begin(struct world *w)
{
	struct pt_leaf leaf;

	*w = (struct world){0};
	bed_create(&w->bed, "smmuv3", false);
	w->mem = bed_memory(LEN);
	assert_int_equal(domain_alloc(w->bed.iommu, DOMAIN_NEST_PARENT, &w->parent), 0);
	bed_map(&w->bed, &w->map, w->parent, GPA, w->mem, LEN, PT_READ | PT_WRITE);
	assert_int_equal(pt_translate(domain_pt(w->parent), GPA, &leaf), 0);
	w->viommu = (struct viommu){.iommu = w->bed.iommu, .parent = w->parent};
	viommu_setup(&w->viommu);
	consumer_init(&w->consumer, &w->viommu);
}

static void world_end(struct world *w)
{
	consumer_fini(&w->consumer);
	viommu_teardown(&w->viommu);
	bed_unmap(&w->bed, &w->map);
	domain_free(w->parent);
	munmap(w->mem, LEN);
	bed_destroy(&w->bed);
}

/* Queue @k of the world's memory. */
static void line_begin_with(struct world *w, struct line *l, unsigned int k,
			    const struct queue_ops *ops)
{
	uint64_t off = k * ENTRIES * sizeof(struct entry);
	struct pt_leaf leaf;

	assert_int_equal(pt_translate(domain_pt(w->parent), GPA + off, &leaf), 0);
	*l = (struct line){
		.ring = (struct entry *)(void *)(w->mem + off),
		.hw = {.viommu = &w->viommu, .pa = leaf.pa, .len = ENTRIES * sizeof(struct entry)},
		.queue = {.ops = ops, .entry_lg2 = 4, .nr_entries = ENTRIES},
	};
	l->queue.hw = &l->hw;
	assert_int_equal(consumer_add(&w->consumer, &l->queue), 0);
}

static void line_begin(struct world *w, struct line *l, unsigned int k)
{
	line_begin_with(w, l, k, &line_ops);
}

static void line_wait(struct line *l)
{
	for (int tries = 0; tries < 20000; tries++) {
		if (__atomic_load_n(&l->cons, __ATOMIC_ACQUIRE) == l->prod ||
		    __atomic_load_n(&l->off, __ATOMIC_ACQUIRE))
			return;
		usleep(100);
	}
	fail_msg("not consumed: %u of %u", l->cons, l->prod);
}

static void line_put(struct line *l, uint64_t n)
{
	while (l->prod - __atomic_load_n(&l->cons, __ATOMIC_ACQUIRE) == ENTRIES)
		sched_yield();
	l->ring[l->prod % ENTRIES] = (struct entry){n, ~n};
	__atomic_store_n(&l->prod, l->prod + 1, __ATOMIC_RELEASE);
}

static void test_order(void **state)
{
	static struct line lines[3];
	static struct world w;
	unsigned int seed = 7;

	world_begin(&w);
	for (unsigned int k = 0; k < 3; k++)
		line_begin(&w, &lines[k], k);
	for (uint64_t n = 0; n < 30000; n++) {
		for (unsigned int k = 0; k < 3; k++)
			line_put(&lines[k], n);
		if (!(rand_r(&seed) % 2000))
			usleep(300);
	}
	for (unsigned int k = 0; k < 3; k++) {
		line_wait(&lines[k]);
		consumer_remove(&lines[k].queue);
		assert_int_equal(lines[k].next, 30000);
		assert_int_equal(lines[k].wrong, 0);
		assert_true(lines[k].longest > 1);
	}
	world_end(&w);
}

/* A bad entry stops its queue, and only that; what came before is done. */
static void test_bad(void **state)
{
	static struct line bad, good;
	static struct world w;

	world_begin(&w);
	line_begin(&w, &bad, 0);
	line_begin(&w, &good, 1);
	for (uint64_t n = 0; n < 20; n++)
		line_put(&bad, n == 9 ? BAD : n);
	line_wait(&bad);
	assert_int_equal(bad.cons, 9);
	assert_int_equal(bad.next, 9);
	for (uint64_t n = 0; n < 20; n++)
		line_put(&good, n);
	line_wait(&good);
	assert_int_equal(good.next, 20);
	assert_int_equal(bad.next, 9);
	bad.ring[9] = (struct entry){9, ~9ull};
	__atomic_store_n(&bad.off, false, __ATOMIC_RELEASE);
	consumer_kick(&w.consumer);
	line_wait(&bad);
	assert_int_equal(bad.next, 20);
	assert_int_equal(bad.wrong, 0);
	consumer_remove(&bad.queue);
	consumer_remove(&good.queue);
	world_end(&w);
}

/* Registers that make no sense: never more than the queue, and never past it. */
static void test_absurd(void **state)
{
	static const uint32_t values[] = {UINT32_MAX, ENTRIES + 1, ENTRIES - 1, 0x80000000};
	static struct line absurd, good;
	static struct world w;

	world_begin(&w);
	line_begin(&w, &absurd, 0);
	line_begin(&w, &good, 1);
	for (uint64_t n = 0; n < ENTRIES; n++)
		absurd.ring[n] = (struct entry){n, ~n};
	for (uint64_t k = 0; k < ARRAY_SIZE(values); k++) {
		__atomic_store_n(&absurd.absurd, values[k], __ATOMIC_RELAXED);
		for (uint64_t n = 0; n < 100; n++)
			line_put(&good, k * 100 + n);
		line_wait(&good);
	}
	consumer_remove(&absurd.queue);
	assert_int_equal(absurd.wrong, 0);
	assert_true(absurd.longest <= ENTRIES);
	assert_int_equal(good.next, 400);
	consumer_remove(&good.queue);
	world_end(&w);
}

static void test_sizes(void **state)
{
	static struct world w;
	struct hw_queue hw = {.len = 256};
	struct queue q = {.ops = &line_ops, .hw = &hw, .entry_lg2 = 4, .nr_entries = 17};

	world_begin(&w);
	assert_int_equal(consumer_add(&w.consumer, &q), -EINVAL);
	q.nr_entries = 32;
	assert_int_equal(consumer_add(&w.consumer, &q), -EINVAL);
	q.nr_entries = 8;
	q.entry_lg2 = QUEUE_ENTRY_MAX_LG2 + 1;
	assert_int_equal(consumer_add(&w.consumer, &q), -EINVAL);
	world_end(&w);
}

struct churn {
	struct world *w;
	bool stop;
};

static void *churn_main(void *arg)
{
	struct churn *c = arg;
	struct line l;

	for (int n = 0; n < 200; n++) {
		line_begin(c->w, &l, 1);
		for (uint64_t k = 0; k < 5; k++)
			line_put(&l, k);
		if (n & 1)
			line_wait(&l);
		consumer_remove(&l.queue);
		assert_int_equal(l.wrong, 0);
		if (n & 1)
			assert_int_equal(l.next, 5);
	}
	__atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Queues come and go while another works, and while the address space changes. */
static void test_churn(void **state)
{
	static struct line l;
	static struct world w;
	struct churn c = {.w = &w};
	struct pt_gather g = {0};
	uint64_t n = 0;
	pthread_t t;

	world_begin(&w);
	line_begin(&w, &l, 0);
	assert_int_equal(pthread_create(&t, NULL, churn_main, &c), 0);
	while (!__atomic_load_n(&c.stop, __ATOMIC_ACQUIRE)) {
		line_put(&l, n++);
		if (!(n % 64))
			domain_invalidate(w.parent, GPA + LEN, GPA + LEN + 4095, &g);
	}
	pthread_join(t, NULL);
	line_wait(&l);
	assert_int_equal(l.next, n);
	assert_int_equal(l.wrong, 0);
	consumer_remove(&l.queue);
	world_end(&w);
}

/* The program takes the memory away: the queue stops, the thread lives. */
static void test_gone(void **state)
{
	static struct line l, good;
	static struct world w;

	world_begin(&w);
	line_begin(&w, &l, 0);
	line_begin(&w, &good, 4); /* beyond the first page */
	line_put(&l, 0);
	line_wait(&l);
	munmap(w.mem, 4096);
	__atomic_store_n(&l.prod, l.prod + 1, __ATOMIC_RELEASE);
	for (int n = 0; n < 20000 && !__atomic_load_n(&l.off, __ATOMIC_ACQUIRE); n++)
		usleep(100);
	assert_true(l.off);
	assert_int_equal(__atomic_load_n(&l.unreadable, __ATOMIC_RELAXED), 1);
	line_put(&good, 0);
	line_wait(&good);
	assert_int_equal(good.next, 1);
	consumer_remove(&l.queue);
	consumer_remove(&good.queue);
	assert_ptr_equal(mmap(w.mem, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 w.mem);
	world_end(&w);
}

/* What execute() does to guest memory. */
static uint64_t written, read_back;
static int beyond, holds;

static void write_execute(struct queue *q, const void *entries, uint32_t n, uint32_t *done)
{
	uint64_t val = 0x1122334455667788;

	holds = consumer_write(q->consumer, GPA + 0x8000, &val, 8);
	beyond = consumer_write(q->consumer, GPA + LEN - 4, &val, 8);
	holds |= consumer_read(q->consumer, GPA + 0x8000, &read_back, 8);
	*done = n;
	__atomic_store_n(&line_of(q)->cons, line_of(q)->cons + n, __ATOMIC_RELEASE);
}

static void test_write(void **state)
{
	static const struct queue_ops ops = {line_pending, write_execute, line_unreadable};
	static struct world w;
	static struct line l;

	world_begin(&w);
	line_begin_with(&w, &l, 0, &ops);
	line_put(&l, 0);
	line_wait(&l);
	consumer_remove(&l.queue);
	memcpy(&written, w.mem + 0x8000, 8);
	assert_int_equal(holds, 0);
	assert_int_equal(beyond, -EFAULT);
	assert_int_equal(written, 0x1122334455667788);
	assert_int_equal(read_back, 0x1122334455667788);
	world_end(&w);
}

static unsigned int told[4];
static uint64_t first_told;

static void on_queue(void *arg, const struct event_guest_queue *e)
{
	assert_int_equal(e->n * sizeof(struct entry), e->bytes);
	if (e->what == QUEUE_TAKEN && !told[QUEUE_TAKEN])
		memcpy(&first_told, e->entries, sizeof(first_told));
	told[e->what]++;
}

/* Where somebody stands for the guest's memory a queue is not looked at; what is handed in is
 * carried out. What is taken is told, in either case. */
static void test_stood_for(void **state)
{
	static const struct observer_ops listener = {.guest_queue = on_queue};
	static const struct guest_stand_in words;
	static struct world w;
	static struct line l;
	struct sink sink = {0};
	const struct entry entries[3] = {{0, ~0ull}, {1, ~1ull}, {2, ~2ull}};

	for (int stood_for = 0; stood_for < 2; stood_for++) {
		memset(told, 0, sizeof(told));
		world_begin(&w);
		w.bed.iommu->sink = &sink;
		sink.guest = stood_for ? &words : NULL;
		assert_int_equal(observe_add(&sink, &listener, NULL), 0);
		line_begin_with(&w, &l, 0, &line_ops);
		line_put(&l, 0);
		if (stood_for) {
			usleep(5000);
			assert_int_equal(l.next, 0);
			consumer_carry_out(&l.queue, entries, sizeof(entries) - 1);
			consumer_carry_out(&l.queue, entries, 15);
		} else {
			line_wait(&l);
		}
		consumer_remove(&l.queue);
		assert_int_equal(l.next, stood_for ? 2 : 1);
		assert_int_equal(l.wrong, 0);
		observe_end(&sink);
		w.bed.iommu->sink = NULL;
		world_end(&w);
		assert_int_equal(told[QUEUE_ADDED], 1);
		assert_int_equal(told[QUEUE_REMOVED], 1);
		assert_int_equal(told[QUEUE_TAKEN], 1);
		assert_int_equal(told[QUEUE_DONE], 1);
		assert_int_equal(first_told, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_absurd), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_churn),  cmocka_unit_test(test_gone),
		cmocka_unit_test(test_write),  cmocka_unit_test(test_stood_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

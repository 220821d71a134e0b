/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device with a cache of translations and page requests (ATS, PRI): what it keeps, what makes it
 * forget, and how a transfer goes on once its pages are there.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"
#include "dma/dma.h"

#define IOVA  0x40000000ull
#define PAGES 64u
#define SIZE  (PAGES * 4096u)

struct fixture {
	struct bed bed;
	struct domain *domain;
	struct requester *r;
	struct dma_port port;
	char *mem;
	struct bed_map maps[PAGES];

	/* Who answers page requests: another thread, as a program that reads a fault queue is. */
	pthread_t answerer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct page_group *asked;
	bool ending, refuse;
	unsigned int nr_groups;
	size_t largest;
};

static void map_one(struct fixture *f, unsigned int page)
{
	if (!f->maps[page].len)
		bed_map(&f->bed, &f->maps[page], f->domain, IOVA + page * 4096ull,
			f->mem + page * 4096ull, 4096, PT_READ | PT_WRITE);
}

static void on_request(void *arg, struct requester *r, struct page_group *g)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	assert_null(f->asked);
	f->asked = g;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* Every second page that is asked for is mapped, so that there is something to ask for again. */
static void *answer(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		struct page_group *g = f->asked;

		if (!g && f->ending)
			break;
		if (!g) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		f->asked = NULL;
		f->nr_groups++;
		f->largest = g->nr_requests > f->largest ? g->nr_requests : f->largest;
		for (size_t n = 0; n < g->nr_requests && !f->refuse; n += 2)
			map_one(f, (unsigned int)((g->requests[n].addr - IOVA) / 4096));
		g->respond(g, !f->refuse);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;

	*f = (struct fixture){.lock = PTHREAD_MUTEX_INITIALIZER,
			      .changed = PTHREAD_COND_INITIALIZER};
	bed_create(&f->bed, "amd", false);
	f->bed.iommu->caps.ats = f->bed.iommu->caps.pri = true;
	f->bed.iommu->page_request = on_request;
	f->bed.iommu->page_request_arg = f;
	assert_int_equal(domain_alloc(f->bed.iommu, 0, &f->domain), 0);
	domain_set_recoverable(f->domain);
	assert_int_equal(requester_create(f->bed.iommu, 3, &f->r), 0);
	assert_int_equal(requester_add_ats(f->r, true), 0);
	assert_int_equal(requester_attach(f->r, f->domain), 0);
	dma_port_init(&f->port, f->r, f->bed.memory);
	dma_set_bus_master(&f->port, true);
	dma_begin(&f->port);
	f->mem = bed_memory(SIZE);
	for (unsigned int n = 0; n < SIZE; n++)
		f->mem[n] = (char)(n * 7 + n / 4096);
	assert_int_equal(pthread_create(&f->answerer, NULL, answer, f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pthread_mutex_lock(&f->lock);
	f->ending = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->answerer, NULL);
	dma_end(&f->port);
	for (unsigned int n = 0; n < PAGES; n++)
		if (f->maps[n].len)
			bed_unmap(&f->bed, &f->maps[n]);
	assert_int_equal(requester_attach(f->r, NULL), 0);
	requester_destroy(f->r);
	domain_free(f->domain);
	bed_destroy(&f->bed);
	munmap(f->mem, SIZE);
	return 0;
}

static void test_kept_and_forgotten(void **state)
{
	struct fixture *f = *state;
	struct requester_stats before, after;
	uint64_t word;

	map_one(f, 0);
	assert_int_equal(dma_read(&f->port, IOVA, &word, 8), 0);
	requester_get_stats(f->r, &before);
	for (int n = 0; n < 5; n++)
		assert_int_equal(dma_read(&f->port, IOVA + 8, &word, 8), 0);
	requester_get_stats(f->r, &after);
	assert_int_equal(after.atc_hits - before.atc_hits, 5);
	assert_int_equal(after.hits, before.hits); /* the IOMMU was not asked */
	requester_forget_atc(f->r, IOMMU_ALL_PASIDS, IOVA, IOVA);
	assert_int_equal(dma_read(&f->port, IOVA + 8, &word, 8), 0);
	requester_get_stats(f->r, &before);
	assert_int_equal(after.atc_hits, before.atc_hits);
	/* What the host unmaps the device has forgotten when that returns. */
	f->refuse = true;
	bed_unmap(&f->bed, &f->maps[0]);
	f->maps[0] = (struct bed_map){0};
	assert_int_equal(dma_read(&f->port, IOVA, &word, 8), -EFAULT);
	assert_int_equal(f->nr_groups, 1);
	assert_int_equal(f->bed.nr_faults, 0); /* an answer of "nothing" is no fault */
}

static void test_pages_come(void **state)
{
	struct fixture *f = *state;
	static char buf[SIZE];

	assert_int_equal(dma_read(&f->port, IOVA + 100, buf, SIZE - 200), 0);
	assert_memory_equal(buf, f->mem + 100, SIZE - 200);
	assert_true(f->nr_groups > 1);
	assert_true(f->largest > 1 && f->largest <= IOMMU_MAX_PAGE_REQUESTS);
	assert_int_equal(f->bed.nr_faults, 0);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	char buf[3 * 4096];

	f->refuse = true;
	map_one(f, 0);
	memset(buf, 0x55, sizeof(buf));
	assert_int_equal(dma_read(&f->port, IOVA, buf, sizeof(buf)), -EFAULT);
	assert_memory_equal(buf, f->mem, 4096);
	for (size_t n = 4096; n < sizeof(buf); n++)
		assert_int_equal(buf[n], 0x55);
	assert_int_equal(f->nr_groups, 1);
}

/* Without ATS a missing page is a fault, as ever. */
static void test_off(void **state)
{
	struct fixture *f = *state;
	uint64_t word;

	requester_set_ats(f->r, false);
	assert_int_equal(dma_read(&f->port, IOVA, &word, 8), -EFAULT);
	assert_int_equal(f->nr_groups, 0);
	assert_int_equal(f->bed.nr_faults, 1);
	requester_set_ats(f->r, true);
	assert_int_equal(dma_read(&f->port, IOVA, &word, 8), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {CASE(test_kept_and_forgotten), CASE(test_pages_come),
					   CASE(test_refused), CASE(test_off)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

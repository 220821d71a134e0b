/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When it returns, it is over: one thread writes through translations as fast as it can while
 * another takes them away, in every way there is, and then asserts that the memory is left alone:
 * it makes it inaccessible (a late write is a crash), or writes it itself (a late write is seen;
 * ThreadSanitizer sees an unordered one too).
 *
 * And its price: who must not be waited for is not. epoch_barrier() and epoch_wait() are wrapped by
 * the linker and counted.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "bed.h"

#define IOVA  0x100000ull
#define PAGES 4
#define LEN   (PAGES * 4096ull)
#define WORDS (LEN / 8)

static unsigned int nr_barriers, nr_waits;

void __real_epoch_barrier(const struct epoch_domain *d);
void __wrap_epoch_barrier(const struct epoch_domain *d);
void __wrap_epoch_barrier(const struct epoch_domain *d)
{
	__atomic_fetch_add(&nr_barriers, 1, __ATOMIC_RELAXED);
	__real_epoch_barrier(d);
}

void __real_epoch_wait(const struct epoch *e);
void __wrap_epoch_wait(const struct epoch *e);
void __wrap_epoch_wait(const struct epoch *e)
{
	__atomic_fetch_add(&nr_waits, 1, __ATOMIC_RELAXED);
	__real_epoch_wait(e);
}

struct device {
	struct requester *r;
	pthread_t thread;
	bool stop;
	uint64_t writes; /* that went through, ever */
};

static void write_once(struct device *d, uint64_t n)
{
	struct translation t;

	epoch_enter(requester_epoch(d->r));
	if (!iommu_translate(d->r, IOVA + n % PAGES * 4096, 4096, IOMMU_WRITE, &t)) {
		for (uint64_t w = 0; w < t.len / 8; w++)
			((volatile uint64_t *)(void *)t.ptr)[w] = n;
		__atomic_store_n(&d->writes, d->writes + 1, __ATOMIC_RELAXED);
	}
	epoch_exit(requester_epoch(d->r));
}

static void *run_device(void *arg)
{
	struct device *d = arg;

	for (uint64_t n = 0; !__atomic_load_n(&d->stop, __ATOMIC_RELAXED);) {
		requester_begin(d->r);
		for (uint64_t end = n + n % 97; n <= end; n++)
			write_once(d, n);
		requester_end(d->r);
	}
	return NULL;
}

struct scene {
	struct bed bed;
	struct domain *domain, *empty;
	struct device device;
	struct bed_map map;
	uint64_t *mem;
};

static void scene_begin(struct scene *s, const char *make, bool fence)
{
	*s = (struct scene){0};
	bed_create(&s->bed, make, fence);
	assert_int_equal(domain_alloc(s->bed.iommu, 0, &s->domain), 0);
	assert_int_equal(domain_alloc(s->bed.iommu, 0, &s->empty), 0);
	assert_int_equal(requester_create(s->bed.iommu, 8, &s->device.r), 0);
	s->bed.iommu->fault = NULL;
	s->mem = (uint64_t *)(void *)bed_memory(LEN);
	memset(s->mem, 0, LEN);
	bed_map(&s->bed, &s->map, s->domain, IOVA, s->mem, LEN, PT_READ | PT_WRITE);
	assert_int_equal(requester_attach(s->device.r, s->domain), 0);
	assert_int_equal(pthread_create(&s->device.thread, NULL, run_device, &s->device), 0);
}

static void scene_end(struct scene *s)
{
	__atomic_store_n(&s->device.stop, true, __ATOMIC_RELAXED);
	pthread_join(s->device.thread, NULL);
	bed_unmap(&s->bed, &s->map);
	assert_int_equal(requester_attach(s->device.r, NULL), 0);
	requester_destroy(s->device.r);
	domain_free(s->domain);
	domain_free(s->empty);
	bed_destroy(&s->bed);
	munmap(s->mem, LEN);
}

/* Waits until the device has written since. */
static void let_it_write(struct device *d)
{
	uint64_t seen = __atomic_load_n(&d->writes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&d->writes, __ATOMIC_RELAXED) < seen + 3)
		sched_yield();
}

static void spin(unsigned int turns)
{
	while (turns--)
		__builtin_ia32_pause();
}

static void assert_left_alone(struct scene *s, uint64_t round)
{
	if (round % 2) {
		assert_int_equal(mprotect(s->mem, LEN, PROT_NONE), 0);
		spin(3000);
		assert_int_equal(mprotect(s->mem, LEN, PROT_READ | PROT_WRITE), 0);
		return;
	}
	for (uint64_t w = 0; w < WORDS; w++)
		s->mem[w] = ~round;
	spin(3000);
	for (uint64_t w = 0; w < WORDS; w++)
		assert_int_equal(s->mem[w], ~round);
}

static void take_by_unmap(struct scene *s)
{
	bed_unmap(&s->bed, &s->map);
}

static void give_by_map(struct scene *s)
{
	bed_map(&s->bed, &s->map, s->domain, IOVA, s->mem, LEN, PT_READ | PT_WRITE);
}

static void take_by_pages(struct scene *s)
{
	struct pt_gather g = {0};

	for (uint64_t n = 0; n < PAGES; n++) {
		assert_int_equal(pt_unmap(domain_pt(s->domain), IOVA + n * 4096, 4096, &g, NULL),
				 0);
		domain_invalidate(s->domain, IOVA + n * 4096, IOVA + n * 4096 + 4095, &g);
	}
	pages_unpin(s->map.pages, 0, LEN);
	pages_put(s->map.pages);
}

static void take_by_revoke(struct scene *s)
{
	struct pt_gather g = {0};

	assert_int_equal(pt_unmap(domain_pt(s->domain), IOVA, LEN, &g, NULL), 0);
	iommu_invalidate_all(s->bed.iommu);
	pt_gather_free(s->bed.tables, &g);
	pages_unpin(s->map.pages, 0, LEN);
	pages_put(s->map.pages);
}

static void take_by_detach(struct scene *s)
{
	assert_int_equal(requester_attach(s->device.r, NULL), 0);
}

static void take_by_replace(struct scene *s)
{
	assert_int_equal(requester_attach(s->device.r, s->empty), 0);
}

static void give_by_attach(struct scene *s)
{
	assert_int_equal(requester_attach(s->device.r, s->domain), 0);
}

static const struct way {
	void (*take)(struct scene *s);
	void (*give)(struct scene *s);
} ways[] = {
	{take_by_unmap, give_by_map},	   {take_by_pages, give_by_map},
	{take_by_revoke, give_by_map},	   {take_by_detach, give_by_attach},
	{take_by_replace, give_by_attach},
};

static void run_ways(const char *make, bool fence)
{
	struct scene s;

	scene_begin(&s, make, fence);
	for (uint64_t round = 0; round < 200; round++) {
		const struct way *way = &ways[round / 2 % ARRAY_SIZE(ways)];

		let_it_write(&s.device);
		way->take(&s);
		assert_left_alone(&s, round);
		way->give(&s);
	}
	scene_end(&s);
}

static void test_vtd(void **state)
{
	run_ways("vtd", false);
}

static void test_amd(void **state)
{
	run_ways("amd", false);
}

static void test_without_membarrier(void **state)
{
	run_ways("vtd", true);
}

/* Replacing leaves no window: the page is mapped in both domains, and no write ever fails. */
static void test_no_window(void **state)
{
	struct bed_map other;
	struct scene s;

	scene_begin(&s, "vtd", false);
	bed_map(&s.bed, &other, s.empty, IOVA, s.mem, LEN, PT_READ | PT_WRITE);
	for (int n = 0; n < 500; n++) {
		assert_int_equal(requester_attach(s.device.r, n % 2 ? s.domain : s.empty), 0);
		if (n % 64 == 0)
			let_it_write(&s.device);
	}
	assert_int_equal(__atomic_load_n(&s.bed.iommu->nr_faults, __ATOMIC_RELAXED), 0);
	assert_int_equal(requester_attach(s.device.r, s.domain), 0);
	bed_unmap(&s.bed, &other);
	scene_end(&s);
}

static int count_pages(void *arg, uint64_t iova, uint64_t len)
{
	bool *seen = arg;

	for (uint64_t n = (iova - IOVA) / 4096; n < (iova + len - IOVA) / 4096; n++)
		seen[n] = true;
	return 0;
}

static void read_dirty(struct scene *s, bool *seen)
{
	assert_int_equal(
		pt_read_dirty(domain_pt(s->domain), IOVA, IOVA + LEN - 1, true, count_pages, seen),
		0);
	domain_invalidate(s->domain, IOVA, IOVA + LEN - 1, NULL);
}

/* Readings while the device writes, then one when it cannot: together they know every page that
 * differs. */
static void test_dirty_misses_nothing(void **state)
{
	uint64_t copy[WORDS] = {0};
	struct scene s;

	scene_begin(&s, "vtd", false);
	assert_int_equal(requester_attach(s.device.r, NULL), 0);
	bed_unmap(&s.bed, &s.map);
	domain_free(s.domain);
	assert_int_equal(domain_alloc(s.bed.iommu, DOMAIN_DIRTY, &s.domain), 0);
	give_by_map(&s);
	assert_int_equal(pt_set_dirty_tracking(domain_pt(s.domain), true), 0);
	memcpy(copy, s.mem, LEN);
	give_by_attach(&s);
	for (int round = 0; round < 100; round++) {
		bool seen[PAGES] = {false};

		for (int n = 0; n < 3; n++) {
			let_it_write(&s.device);
			read_dirty(&s, seen);
		}
		take_by_detach(&s);
		read_dirty(&s, seen);
		for (uint64_t n = 0; n < PAGES; n++)
			if (memcmp(copy + n * 512, s.mem + n * 512, 4096))
				assert_true(seen[n]);
		memcpy(copy, s.mem, LEN);
		give_by_attach(&s);
	}
	scene_end(&s);
}

/* A thread that is awake for some requesters and translates nothing. */
struct awake {
	struct requester **r;
	size_t n;
	pthread_barrier_t turn;
};

static void *stay_awake(void *arg)
{
	struct awake *a = arg;

	for (size_t n = 0; n < a->n; n++)
		requester_begin(a->r[n]);
	pthread_barrier_wait(&a->turn);
	pthread_barrier_wait(&a->turn);
	for (size_t n = 0; n < a->n; n++)
		requester_end(a->r[n]);
	return NULL;
}

static void count_cost(struct domain *d, struct requester **r, size_t n, unsigned int barriers,
		       unsigned int waits)
{
	struct awake a = {.r = r, .n = n};
	pthread_t thread;

	pthread_barrier_init(&a.turn, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, stay_awake, &a), 0);
	pthread_barrier_wait(&a.turn);
	nr_barriers = nr_waits = 0;
	domain_invalidate(d, 0, 4095, NULL);
	assert_int_equal(nr_barriers, barriers);
	assert_int_equal(nr_waits, waits);
	pthread_barrier_wait(&a.turn);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&a.turn);
}

static void test_cost(void **state)
{
	struct domain *one, *two;
	struct requester *r[4];
	struct bed b;

	bed_create(&b, "vtd", false);
	assert_int_equal(domain_alloc(b.iommu, 0, &one), 0);
	assert_int_equal(domain_alloc(b.iommu, 0, &two), 0);
	for (uint32_t n = 0; n < 4; n++) {
		assert_int_equal(requester_create(b.iommu, n, &r[n]), 0);
		assert_int_equal(requester_attach(r[n], n < 3 ? one : two), 0);
	}
	count_cost(one, r, 0, 0, 0);
	count_cost(one, r + 3, 1, 0, 0); /* awake, but of another domain */
	count_cost(two, r + 3, 1, 1, 1);
	count_cost(one, r + 2, 2, 1, 1);
	count_cost(one, r, 4, 1, 3); /* one barrier for all */
	count_cost(one, r, 0, 0, 0);
	nr_barriers = 0;
	assert_int_equal(requester_attach(r[0], two), 0);
	assert_int_equal(requester_attach(r[0], NULL), 0);
	iommu_invalidate_all(b.iommu);
	assert_int_equal(nr_barriers, 0);
	requester_begin(r[1]); /* one's own needs none either */
	domain_invalidate(one, 0, 4095, NULL);
	assert_int_equal(nr_barriers, 0);
	requester_end(r[1]);
	for (uint32_t n = 0; n < 4; n++) {
		assert_int_equal(requester_attach(r[n], NULL), 0);
		requester_destroy(r[n]);
	}
	domain_free(one);
	domain_free(two);
	bed_destroy(&b);
}

/* A call from inside one's own section does not wait for itself, and what it forgot is forgotten by
 * its next section. */
static void test_own_section(void **state)
{
	struct pt_gather g = {0};
	struct translation t;
	struct bed_map map;
	struct requester *r;
	struct domain *d;
	struct bed b;
	char *mem;

	bed_create(&b, "vtd", false);
	assert_int_equal(domain_alloc(b.iommu, 0, &d), 0);
	assert_int_equal(requester_create(b.iommu, 1, &r), 0);
	assert_int_equal(requester_attach(r, d), 0);
	mem = bed_memory(4096);
	bed_map(&b, &map, d, IOVA, mem, 4096, PT_READ);
	requester_begin(r);
	epoch_enter(requester_epoch(r));
	assert_int_equal(iommu_translate(r, IOVA, 8, IOMMU_READ, &t), 0);
	assert_int_equal(pt_unmap(domain_pt(d), IOVA, 4096, &g, NULL), 0);
	domain_invalidate(d, IOVA, IOVA + 4095, NULL);
	epoch_exit(requester_epoch(r));
	assert_int_equal(bed_translate(r, IOVA, 8, IOMMU_READ, &t), -EFAULT);
	requester_end(r);
	domain_invalidate(d, IOVA, IOVA + 4095, &g);
	pages_unpin(map.pages, 0, 4096);
	pages_put(map.pages);
	assert_int_equal(requester_attach(r, NULL), 0);
	requester_destroy(r);
	domain_free(d);
	bed_destroy(&b);
	munmap(mem, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vtd),
		cmocka_unit_test(test_amd),
		cmocka_unit_test(test_without_membarrier),
		cmocka_unit_test(test_no_window),
		cmocka_unit_test(test_dirty_misses_nothing),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_own_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

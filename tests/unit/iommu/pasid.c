/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PASIDs: each has a domain of its own, and nothing of one is ever seen by another, whatever is
 * attached, replaced and detached meanwhile.
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

#include <cmocka.h>

#include "bed.h"

#define IOVA  0x10000ull
#define PAGES 16
#define LEN   (PAGES * 4096)

/* Domain n maps IOVA to memory that says n in every word. */
struct world {
	struct bed bed;
	struct requester *r;
	struct domain *domain[3];
	struct bed_map map[3];
	uint64_t *mem[3];
};

static void world_begin(struct world *w, uint8_t bits)
{
	*w = (struct world){0};
	bed_create(&w->bed, "vtd", false);
	assert_int_equal(requester_create_with(
				 w->bed.iommu,
				 &(struct requester_config){.rid = 8, .pasid_bits = bits}, &w->r),
			 0);
	for (uint64_t n = 0; n < 3; n++) {
		w->mem[n] = (uint64_t *)(void *)bed_memory(LEN);
		for (size_t k = 0; k < LEN / 8; k++)
			w->mem[n][k] = n;
		assert_int_equal(domain_alloc(w->bed.iommu, 0, &w->domain[n]), 0);
		bed_map(&w->bed, &w->map[n], w->domain[n], IOVA, w->mem[n], LEN,
			PT_READ | PT_WRITE);
	}
}

static void world_end(struct world *w)
{
	for (int n = 0; n < 3; n++) {
		bed_unmap(&w->bed, &w->map[n]);
		munmap(w->mem[n], LEN);
	}
	requester_destroy(w->r);
	for (int n = 0; n < 3; n++)
		domain_free(w->domain[n]);
	bed_destroy(&w->bed);
}

/* What a read with @pasid finds; -1: a fault. */
static int64_t look(struct requester *r, uint32_t pasid, uint64_t iova)
{
	struct translation t;
	int64_t found = -1;

	epoch_enter(requester_epoch(r));
	if (!iommu_translate_pasid(r, pasid, iova, 8, IOMMU_READ, &t))
		found = (int64_t)__atomic_load_n((uint64_t *)(void *)t.ptr, __ATOMIC_RELAXED);
	epoch_exit(requester_epoch(r));
	return found;
}

static void test_refusals(void **state)
{
	struct requester *none;
	struct world w;
	struct bed amd;

	world_begin(&w, 10);
	assert_int_equal(requester_caps(w.r)->max_pasid_log2, 10);
	assert_int_equal(requester_attach_pasid(w.r, 0, w.domain[0]), -EINVAL);
	assert_int_equal(requester_attach_pasid(w.r, 1024, w.domain[0]), -EINVAL);
	assert_int_equal(requester_attach_pasid(w.r, UINT32_MAX, w.domain[0]), -EINVAL);
	assert_int_equal(requester_attach_pasid(w.r, 1023, NULL), 0); /* was not attached */
	assert_int_equal(requester_attach_pasid(w.r, 1023, w.domain[0]), 0);
	assert_ptr_equal(requester_pasid_domain(w.r, 1023), w.domain[0]);
	assert_null(requester_pasid_domain(w.r, 1022));
	assert_null(requester_pasid_domain(w.r, 0));
	assert_int_equal(requester_attach_pasid(w.r, 1023, NULL), 0);
	assert_null(requester_pasid_domain(w.r, 1023));

	assert_int_equal(requester_create(w.bed.iommu, 1, &none), 0);
	assert_int_equal(requester_attach_pasid(none, 1, w.domain[0]), -EINVAL);
	requester_destroy(none);
	world_end(&w);

	bed_create(&amd, "amd", false);
	assert_int_equal(requester_create(amd.iommu, 1, &none), 0);
	assert_int_equal(requester_attach_pasid(none, 1, NULL), -EOPNOTSUPP);
	requester_destroy(none);
	bed_destroy(&amd);
}

static void test_each_its_own(void **state)
{
	struct world w;

	world_begin(&w, 20);
	requester_begin(w.r);
	assert_int_equal(requester_attach(w.r, w.domain[0]), 0);
	assert_int_equal(requester_attach_pasid(w.r, 1, w.domain[1]), 0);
	assert_int_equal(requester_attach_pasid(w.r, 0xfffff, w.domain[2]), 0);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(look(w.r, 0, IOVA), 0);
		assert_int_equal(look(w.r, 1, IOVA), 1);
		assert_int_equal(look(w.r, 0xfffff, IOVA), 2);
	}
	assert_int_equal(look(w.r, 2, IOVA), -1);
	assert_int_equal(w.bed.last_fault.reason, FAULT_BLOCKED);
	assert_int_equal(w.bed.last_fault.pasid, 2);
	assert_int_equal(look(w.r, 1, IOVA + LEN), -1);
	assert_int_equal(w.bed.last_fault.reason, FAULT_NOT_PRESENT);
	assert_int_equal(w.bed.last_fault.pasid, 1);

	/* Replaced: the others hear nothing of it. */
	assert_int_equal(requester_attach_pasid(w.r, 1, w.domain[2]), 0);
	assert_int_equal(look(w.r, 1, IOVA), 2);
	assert_int_equal(requester_attach_pasid(w.r, 0xfffff, NULL), 0);
	assert_int_equal(look(w.r, 0xfffff, IOVA), -1);
	assert_int_equal(look(w.r, 1, IOVA), 2);
	assert_int_equal(requester_attach(w.r, NULL), 0);
	assert_int_equal(look(w.r, 0, IOVA), -1);
	assert_int_equal(look(w.r, 1, IOVA), 2);
	assert_int_equal(requester_attach_pasid(w.r, 1, NULL), 0);
	requester_end(w.r);
	world_end(&w);
}

/* Address spaces of a request with a PASID have no interrupt window. */
static void test_no_messages(void **state)
{
	struct translation t;
	struct bed_map map;
	struct world w;

	world_begin(&w, 20);
	bed_map(&w.bed, &map, w.domain[1], 0xfee00000, w.mem[1], LEN, PT_READ | PT_WRITE);
	requester_begin(w.r);
	assert_int_equal(requester_attach(w.r, w.domain[1]), 0);
	assert_int_equal(requester_attach_pasid(w.r, 5, w.domain[1]), 0);
	epoch_enter(requester_epoch(w.r));
	assert_int_equal(iommu_translate_pasid(w.r, 0, 0xfee00000, 4, IOMMU_WRITE, &t), 0);
	assert_true(t.msi);
	assert_int_equal(iommu_translate_pasid(w.r, 5, 0xfee00000, 4, IOMMU_WRITE, &t), 0);
	assert_false(t.msi);
	assert_ptr_equal(t.ptr, w.mem[1]);
	epoch_exit(requester_epoch(w.r));
	assert_int_equal(look(w.r, 5, 0xfee00000), 1);
	requester_end(w.r);
	assert_int_equal(requester_attach_pasid(w.r, 5, NULL), 0);
	assert_int_equal(requester_attach(w.r, NULL), 0);
	bed_unmap(&w.bed, &map);
	world_end(&w);
}

/* An unmap reaches every PASID that shows the domain, and no other. */
static void test_unmap(void **state)
{
	struct world w;

	world_begin(&w, 20);
	requester_begin(w.r);
	assert_int_equal(requester_attach(w.r, w.domain[0]), 0);
	assert_int_equal(requester_attach_pasid(w.r, 1, w.domain[1]), 0);
	assert_int_equal(requester_attach_pasid(w.r, 2, w.domain[1]), 0);
	for (uint32_t pasid = 0; pasid < 3; pasid++)
		assert_int_equal(look(w.r, pasid, IOVA), pasid ? 1 : 0);
	bed_unmap(&w.bed, &w.map[1]);
	assert_int_equal(look(w.r, 0, IOVA), 0);
	assert_int_equal(look(w.r, 1, IOVA), -1);
	assert_int_equal(look(w.r, 2, IOVA), -1);
	bed_map(&w.bed, &w.map[1], w.domain[1], IOVA, w.mem[1], LEN, PT_READ);
	assert_int_equal(look(w.r, 2, IOVA), 1);
	requester_end(w.r);
	for (uint32_t pasid = 1; pasid < 3; pasid++)
		assert_int_equal(requester_attach_pasid(w.r, pasid, NULL), 0);
	assert_int_equal(requester_attach(w.r, NULL), 0);
	world_end(&w);
}

/* More than the cache has names for, detached in another order, bindings reused. */
static void test_many(void **state)
{
	enum { MANY = 3000 };
	struct world w;

	world_begin(&w, 20);
	requester_begin(w.r);
	for (int round = 0; round < 3; round++) {
		for (uint32_t n = 1; n <= MANY; n++)
			assert_int_equal(
				requester_attach_pasid(w.r, n * 37, w.domain[(n + round) % 3]), 0);
		for (uint32_t n = 1; n <= MANY; n++)
			assert_int_equal(look(w.r, n * 37, IOVA + n % PAGES * 4096),
					 (n + round) % 3);
		for (uint32_t n = MANY; n >= 1; n -= 2)
			assert_int_equal(requester_attach_pasid(w.r, n * 37, NULL), 0);
		for (uint32_t n = 1; n <= MANY; n++)
			assert_int_equal(look(w.r, n * 37, IOVA),
					 n % 2 ? (int64_t)(n + round) % 3 : -1);
		for (uint32_t n = 1; n <= MANY; n += 2)
			assert_int_equal(requester_attach_pasid(w.r, n * 37, NULL), 0);
	}
	requester_end(w.r);
	world_end(&w);
}

/* PASIDs 1 to 4 come, change and go; PASID 5 and the RID stay, and must never see anything but
 * theirs. */
struct storm {
	struct world w;
	pthread_t thread;
	bool stop;
	uint64_t wrong, looks;
};

static void *run_device(void *arg)
{
	struct storm *s = arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		requester_begin(s->w.r);
		for (int k = 0; k < 50; k++, n++) {
			uint64_t iova = IOVA + n % PAGES * 4096;

			s->wrong += look(s->w.r, 0, iova) != 0;
			s->wrong += look(s->w.r, 5, iova) != 2;
			s->wrong += look(s->w.r, 1 + n % 4, iova) == 2;
		}
		requester_end(s->w.r);
		__atomic_store_n(&s->looks, n, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_storm(void **state)
{
	static struct storm s;

	world_begin(&s.w, 20);
	s.w.bed.iommu->fault = NULL;
	assert_int_equal(requester_attach(s.w.r, s.w.domain[0]), 0);
	assert_int_equal(requester_attach_pasid(s.w.r, 5, s.w.domain[2]), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, run_device, &s), 0);
	for (uint32_t n = 0; n < 3000; n++) {
		uint32_t pasid = 1 + n * 7 % 4;

		assert_int_equal(
			requester_attach_pasid(s.w.r, pasid, n % 5 ? s.w.domain[n % 2] : NULL), 0);
		if (n % 64 == 0)
			sched_yield();
	}
	while (!__atomic_load_n(&s.looks, __ATOMIC_RELAXED))
		sched_yield();
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.wrong, 0);
	for (uint32_t pasid = 1; pasid < 6; pasid++)
		assert_int_equal(requester_attach_pasid(s.w.r, pasid, NULL), 0);
	assert_int_equal(requester_attach(s.w.r, NULL), 0);
	world_end(&s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_each_its_own),
		cmocka_unit_test(test_no_messages), cmocka_unit_test(test_unmap),
		cmocka_unit_test(test_many),	    cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOTLB against a naive twin: a list of everything that was ever filled and not forgotten
 * since. The cache may lose entries to make room; it must never know more than the twin, and never
 * forget what it was not told to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/iotlb.h"

#define TWIN_MAX 20000

/* One address space of a cache that may serve more. */
struct cache {
	struct iotlb *t;
	struct iotlb_context c;
};

struct twin_entry {
	uint64_t iova;
	enum iotlb_size size;
	uint64_t val;
	bool live, found;
};

struct twin {
	struct twin_entry e[TWIN_MAX];
	size_t n;
};

static uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t size_bytes(enum iotlb_size size)
{
	return 1ull << (12 + 9 * (int)size);
}

static struct twin_entry *twin_find(struct twin *t, uint64_t iova, enum iotlb_size size)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->e[i].live && t->e[i].size == size && t->e[i].iova == iova)
			return &t->e[i];
	return NULL;
}

static void twin_fill(struct twin *t, uint64_t iova, enum iotlb_size size, uint64_t val)
{
	struct twin_entry *e = twin_find(t, iova, size);

	if (!e) {
		assert_true(t->n < TWIN_MAX);
		e = &t->e[t->n++];
	}
	*e = (struct twin_entry){.iova = iova, .size = size, .val = val, .live = true};
}

static bool overlaps(const struct twin_entry *e, uint64_t iova, uint64_t last)
{
	return e->iova <= last && e->iova + (size_bytes(e->size) - 1) >= iova;
}

/* What the cache holds of exactly this page: looked up as if only its size were present. */
static uint64_t find_exact(const struct cache *k, uint64_t iova, enum iotlb_size size)
{
	struct iotlb_context only = k->c;
	unsigned int shift;

	only.present = k->c.present & 1u << size;
	return iotlb_find(k->t, &only, iova, &shift);
}

static uint64_t find(struct cache *k, uint64_t iova, unsigned int *shift)
{
	return iotlb_find(k->t, &k->c, iova, shift);
}

static void fill(struct cache *k, uint64_t iova, enum iotlb_size size, const void *ptr, uint16_t slot,
		 unsigned int perms)
{
	iotlb_fill(k->t, &k->c, iova, size, ptr, slot, perms);
}

static void forget(struct cache *k, uint64_t iova, uint64_t last)
{
	iotlb_forget(k->t, &k->c, iova, last);
}

static void cache_init(struct cache *k, struct iotlb *t, uint32_t seed)
{
	assert_int_equal(iotlb_init(t), 0);
	k->t = t;
	iotlb_context_init(&k->c, seed);
}

static void check_counts(const struct cache *k)
{
	const struct iotlb *t = k->t;
	uint32_t count[IOTLB_NR_SIZES] = {0};

	assert_true(!k->c.id || t->owners[k->c.id] == &k->c);

	for (size_t s = 0; s < IOTLB_SETS; s++)
		for (size_t w = 0; w < IOTLB_WAYS; w++)
			if (k->c.id && (t->sets[s].tag[w] & 1023) == k->c.id)
				count[(t->sets[s].tag[w] >> 10 & 3) - 1]++;
	for (size_t s = 0; s < IOTLB_NR_SIZES; s++) {
		assert_int_equal(count[s], k->c.count[s]);
		assert_int_equal(count[s] != 0, k->c.present >> s & 1);
	}
}

/* Every entry of the cache is the twin's; returns how many there are. */
static size_t check_known(const struct cache *k, struct twin *twin)
{
	size_t n = 0, total = k->c.count[0] + k->c.count[1] + k->c.count[2];

	for (size_t i = 0; i < twin->n; i++) {
		struct twin_entry *e = &twin->e[i];
		uint64_t val = e->live ? find_exact(k, e->iova, e->size) : 0;

		e->found = val != 0;
		n += e->found;
		if (val)
			assert_int_equal(val, e->val);
	}
	assert_int_equal(n, total);
	return n;
}

static void fill_one(struct cache *k, struct twin *twin, uint64_t *rng, uint64_t window)
{
	enum iotlb_size size = (enum iotlb_size)(random_u64(rng) % 8 ? 0 : 1 + random_u64(rng) % 2);
	uint64_t iova = random_u64(rng) % window & ~(size_bytes(size) - 1);
	uint64_t ptr = random_u64(rng) & 0x7ffffffff000;
	uint16_t slot = (uint16_t)random_u64(rng);
	unsigned int perms = 1 + (unsigned int)(random_u64(rng) % 3);
	uint64_t val = (uint64_t)slot << 48 | ptr | perms;

	fill(k, iova, size, (void *)(uintptr_t)ptr, slot, perms);
	twin_fill(twin, iova, size, val);
	assert_int_equal(find_exact(k, iova + random_u64(rng) % size_bytes(size), size), val);
}

static void forget_one(struct cache *k, struct twin *twin, uint64_t *rng, uint64_t window)
{
	static const uint64_t lengths[] = {1,	     0x1000,	 0x5000,     0x200000,
					   0x345678, 0x40000000, 0x123456789};
	uint64_t iova = random_u64(rng) % window;
	uint64_t last = iova + lengths[random_u64(rng) % ARRAY_SIZE(lengths)] - 1;

	check_known(k, twin);
	forget(k, iova, last);
	for (size_t i = 0; i < twin->n; i++) {
		struct twin_entry *e = &twin->e[i];

		if (!e->live)
			continue;
		if (overlaps(e, iova, last)) {
			assert_int_equal(find_exact(k, e->iova, e->size), 0);
			e->live = false;
		} else if (e->found) {
			assert_int_equal(find_exact(k, e->iova, e->size), e->val);
		}
	}
}

#define SPACES 3

static void step_one(struct cache *k, struct twin *twin, uint64_t *seed, uint64_t window)
{
	uint64_t what = random_u64(seed) % 256;

	if (what == 0) {
		iotlb_forget_context(k->t, &k->c);
		twin->n = 0;
	} else if (what < 8) {
		forget_one(k, twin, seed, window);
	} else {
		fill_one(k, twin, seed, window);
	}
}

/* Several address spaces in one cache: none ever sees another's entries. */
static void run_random(uint64_t seed, uint64_t window)
{
	struct twin *twins = calloc(SPACES, sizeof(*twins));
	struct cache k[SPACES];
	struct iotlb t;

	assert_non_null(twins);
	assert_int_equal(iotlb_init(&t), 0);
	for (uint32_t n = 0; n < SPACES; n++) {
		k[n].t = &t;
		iotlb_context_init(&k[n].c, n);
	}
	for (int step = 0; step < 4000; step++) {
		uint64_t n = random_u64(&seed) % SPACES;

		step_one(&k[n], &twins[n], &seed, window);
		if (random_u64(&seed) % 1024 == 0) {
			iotlb_forget_all(&t);
			for (n = 0; n < SPACES; n++)
				twins[n].n = 0;
		}
		for (n = 0; step % 64 == 0 && n < SPACES; n++) {
			check_counts(&k[n]);
			check_known(&k[n], &twins[n]);
		}
	}
	iotlb_fini(&t);
	free(twins);
}

static void test_random_small(void **state)
{
	run_random(1, 1ull << 22);
	run_random(2, 1ull << 31);
}

static void test_random_large(void **state)
{
	run_random(3, 1ull << 39);
	run_random(4, UINT64_MAX);
}

/* The last page of all: no wrap in the arithmetic. */
static void test_top(void **state)
{
	unsigned int shift;
	struct iotlb t;
	struct cache k;

	cache_init(&k, &t, 0);
	fill(&k, UINT64_MAX, IOTLB_4K, (void *)0x1000, 1, 3);
	fill(&k, 0, IOTLB_4K, (void *)0x2000, 1, 3);
	assert_int_equal(find(&k, UINT64_MAX, &shift) & IOTLB_PTR_MASK, 0x1000);
	assert_int_equal(shift, 12);
	forget(&k, UINT64_MAX - 10, UINT64_MAX);
	assert_int_equal(find(&k, UINT64_MAX, &shift), 0);
	assert_int_not_equal(find(&k, 0, &shift), 0);
	forget(&k, 0, UINT64_MAX);
	assert_int_equal(find(&k, 0, &shift), 0);
	iotlb_fini(&t);
}

/* Forgotten entries stay so when the contexts come round again. */
static void test_contexts(void **state)
{
	unsigned int shift;
	struct iotlb t;
	struct cache k;

	cache_init(&k, &t, 0);
	for (uint64_t n = 0; n < 3 * IOTLB_CONTEXTS; n++) {
		for (uint64_t old = n > 5 ? n - 5 : 0; old < n; old++)
			assert_int_equal(find(&k, old << 12, &shift), 0);
		assert_int_equal(find(&k, (n - IOTLB_CONTEXTS + 1) << 12, &shift), 0);
		fill(&k, n << 12, IOTLB_4K, (void *)0x1000, 1, 1);
		assert_int_not_equal(find(&k, n << 12, &shift), 0);
		iotlb_forget_context(&t, &k.c);
		check_counts(&k);
	}
	iotlb_fini(&t);
}

/* A fill of a page that is there replaces it: one entry, the new permissions. */
static void test_refill(void **state)
{
	unsigned int shift;
	struct iotlb t;
	struct cache k;

	cache_init(&k, &t, 0);
	fill(&k, 0x5000, IOTLB_4K, (void *)0x1000, 1, 1);
	fill(&k, 0x5000, IOTLB_4K, (void *)0x1000, 1, 3);
	assert_int_equal(find(&k, 0x5fff, &shift) & IOTLB_PERMS, 3);
	assert_int_equal(k.c.count[IOTLB_4K], 1);
	iotlb_fini(&t);
}

/* Half the capacity in neighbouring pages, or in pages 2 MiB apart, fits nearly whole. */
static void test_spread(void **state)
{
	for (int shift = 12; shift <= 21; shift += 9) {
		unsigned int found = 0, dummy;
		struct iotlb t;
		struct cache k;

		cache_init(&k, &t, 0);
		for (uint64_t n = 0; n < 2048; n++)
			fill(&k, n << shift, IOTLB_4K, (void *)0x1000, 1, 1);
		for (uint64_t n = 0; n < 2048; n++)
			found += find(&k, n << shift, &dummy) != 0;
		assert_true(found > 2048 * 95 / 100);
		iotlb_fini(&t);
	}
}

static void test_can_hold(void **state)
{
	assert_true(iotlb_can_hold((void *)0x7ffffffff000));
	assert_false(iotlb_can_hold((void *)0x7ffffffff008));
	assert_false(iotlb_can_hold((void *)0x1000000001000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_small), cmocka_unit_test(test_random_large),
		cmocka_unit_test(test_top),	     cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_refill),	     cmocka_unit_test(test_spread),
		cmocka_unit_test(test_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table memory for page tables of several formats at a time, whose tables are of several sizes:
 * no two share a byte, each lies at a multiple of its size, what is given back is used again, and
 * whoever had it before has left no trace.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"
#include "pagetable/table.h"

#define NR_TABLES 6
#define NR_PAGES  32

struct user {
	const struct pt_config *cfg;
	struct pt *pt;
	uint64_t pages[NR_PAGES]; /* mapped IOVAs; 0: none */
};

struct world {
	struct pt_mem *mem;
	struct user users[NR_TABLES];
	uint64_t rnd;
	uint8_t *taken; /* for each unit: whose table */
	uint8_t owner;
};

static const struct pt_config configs[] = {
	{.ops = &pt_vtd_ss, .levels = 4},
	{.ops = &pt_arm64_s1_64k, .levels = 3},
	{.ops = &pt_arm64_s2_16k, .levels = 2, .ias = 40},
	{.ops = &pt_riscv_s2, .levels = 3},
	{.ops = &pt_s390, .levels = 3},
	{.ops = &pt_power_4k, .levels = 1, .ias = 31},
};

static uint64_t below(struct world *w, uint64_t n)
{
	return (next_random(&w->rnd) >> 16) % n;
}

static uint64_t pa_of(const struct user *u, uint64_t iova)
{
	return (iova & (BIT(30) - 1)) + (uint64_t)(u->cfg - configs + 1) * BIT(31);
}

static void map_one(struct world *w, struct user *u)
{
	uint64_t page = BIT(u->cfg->ops->page_lg2), *slot = &u->pages[below(w, NR_PAGES)];
	struct pt_gather gather = {0};
	uint64_t unmapped;

	if (*slot) {
		assert_int_equal(pt_unmap(u->pt, *slot, page, &gather, &unmapped), 0);
		assert_int_equal(unmapped, page);
		pt_gather_free(w->mem, &gather);
		*slot = 0;
		return;
	}
	*slot = (below(w, (u->pt->input_last + 1) / page - 1) + 1) * page;
	for (size_t i = 0; i < NR_PAGES; i++) {
		if (&u->pages[i] != slot && u->pages[i] == *slot) {
			*slot = 0;
			return;
		}
	}
	assert_int_equal(pt_map(u->pt, *slot, pa_of(u, *slot), page, PT_READ | PT_WRITE), 0);
}

/* Everything back at once. */
static void clear(struct world *w, struct user *u)
{
	struct pt_gather gather = {0};
	uint64_t half = u->pt->input_last / 2 + 1;

	assert_int_equal(pt_unmap(u->pt, 0, half, &gather, NULL), 0);
	assert_int_equal(pt_unmap(u->pt, half, half, &gather, NULL), 0);
	pt_gather_free(w->mem, &gather);
	memset(u->pages, 0, sizeof(u->pages));
}

static void take(struct world *w, uint64_t pa, uint64_t bytes)
{
	uint64_t unit = (pa - *pt_mem_pa_base(w->mem)) / 4096;

	assert_int_equal(pa % (bytes < 4096 ? 4096 : bytes), 0);
	for (uint64_t i = 0; i < (bytes + 4095) / 4096; i++) {
		assert_int_equal(w->taken[unit + i], 0);
		w->taken[unit + i] = w->owner;
	}
}

static int take_table(void *arg, const struct pt_step *s)
{
	struct world *w = arg;
	const struct pt_ops *ops = w->users[w->owner - 1].cfg->ops;
	unsigned int lg2 =
		s->level == 1 && ops->leaf_index_lg2 ? ops->leaf_index_lg2 : ops->index_lg2;

	if (s->kind == PT_STEP_TABLE)
		take(w, s->pa, 8ull << lg2);
	return 0;
}

static void check(struct world *w)
{
	size_t used = 0;

	memset(w->taken, 0, 1 << 16);
	for (size_t i = 0; i < NR_TABLES; i++) {
		struct user *u = &w->users[i];
		size_t present = 0, expected = 0;

		w->owner = (uint8_t)(i + 1);
		take(w, pt_root_pa(u->pt), (u->pt->index_mask[u->pt->levels - 1] + 1ull) * 8);
		assert_int_equal(pt_dump(u->pt, take_table, w), 0);
		for (size_t k = 0; k < NR_PAGES; k++) {
			struct pt_leaf leaf;

			if (!u->pages[k])
				continue;
			expected++;
			assert_int_equal(pt_translate(u->pt, u->pages[k], &leaf), 0);
			present += leaf.pa == pa_of(u, u->pages[k]);
		}
		assert_int_equal(present, expected);
		assert_int_equal(pt_mapped_bytes(u->pt), expected << u->cfg->ops->page_lg2);
	}
	for (size_t i = 0; i < 1 << 16; i++)
		used += w->taken[i] != 0;
	assert_int_equal(pt_mem_tables(w->mem), used);
}

static void test_blocks(void **state)
{
	struct world w = {.rnd = 1};

	w.taken = malloc(1 << 16);
	assert_non_null(w.taken);
	assert_int_equal(pt_mem_create(&w.mem), 0);
	*pt_mem_pa_base(w.mem) = 5ull << 30;
	for (size_t i = 0; i < NR_TABLES; i++) {
		w.users[i].cfg = &configs[i];
		assert_int_equal(pt_create(w.mem, &configs[i], &w.users[i].pt), 0);
	}
	for (unsigned int step = 0; step < 6000; step++) {
		struct user *u = &w.users[below(&w, NR_TABLES)];

		if (below(&w, 100))
			map_one(&w, u);
		else
			clear(&w, u);
		if (step % 100 == 99)
			check(&w);
		if (step % 500 == 499) {
			pt_destroy(u->pt);
			memset(u->pages, 0, sizeof(u->pages));
			assert_int_equal(pt_create(w.mem, u->cfg, &u->pt), 0);
			check(&w);
		}
	}
	for (size_t i = 0; i < NR_TABLES; i++)
		pt_destroy(w.users[i].pt);
	assert_int_equal(pt_mem_tables(w.mem), 0);
	pt_mem_destroy(w.mem);
	free(w.taken);
}

/* The limit counts units of 4 KiB, whatever the tables' sizes. */
static void test_limit(void **state)
{
	const struct pt_config small = {.ops = &pt_vtd_ss, .levels = 3},
			       large = {.ops = &pt_arm64_s1_64k, .levels = 2};
	struct pt *pts[20], *one;
	struct pt_mem *mem;

	assert_int_equal(pt_mem_create(&mem), 0);
	*pt_mem_pa_base(mem) = 5ull << 30;
	pt_mem_set_limit(mem, 15);
	assert_int_equal(pt_create(mem, &large, &one), -ENOMEM);
	pt_mem_set_limit(mem, 16);
	assert_int_equal(pt_create(mem, &large, &one), 0);
	assert_int_equal(pt_mem_tables(mem), 16);
	assert_int_equal(pt_create(mem, &small, &pts[0]), -ENOMEM);
	pt_destroy(one);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(pt_create(mem, &small, &pts[i]), 0);
	assert_int_equal(pt_create(mem, &small, &pts[16]), -ENOMEM);
	for (size_t i = 0; i < 16; i++)
		pt_destroy(pts[i]);
	assert_int_equal(pt_create(mem, &large, &one), 0);
	pt_destroy(one);
	assert_int_equal(pt_mem_tables(mem), 0);
	pt_mem_destroy(mem);
}

/* When nothing is left that was never used, small blocks are made of a large one that is free, and
 * that of them again. */
static void test_split(void **state)
{
	struct pt_gather large = {0}, one = {0}, small = {0}, rest = {0};
	unsigned int order = TABLE_ORDERS - 1, n = 0;
	struct pt_mem *mem;

	assert_int_equal(pt_mem_create(&mem), 0);
	assert_int_equal(pt_mem_take(mem, 1, order, &one), 0);
	while (!pt_mem_take(mem, 1, order, &large))
		n++;
	assert_true(n > 0 && n < pt_mem_size(mem) >> (TABLE_LG2 + order));
	/* What its alignment left out, unit 0 excepted. */
	assert_int_equal(pt_mem_take(mem, (1u << order) - 1, 0, &rest), 0);
	assert_int_equal(pt_mem_take(mem, 1, 0, &small), -ENOMEM);
	pt_gather_free(mem, &one);
	assert_int_equal(pt_mem_take(mem, 3, 2, &small), 0);
	assert_int_equal(pt_mem_take(mem, (1u << order) - 12, 0, &small), 0);
	assert_int_equal(pt_mem_take(mem, 1, 0, &small), -ENOMEM);
	pt_gather_free(mem, &small);
	assert_int_equal(pt_mem_take(mem, 1, order, &one), 0);
	assert_int_equal(pt_mem_take(mem, 1, 0, &small), -ENOMEM);
	pt_gather_free(mem, &one);
	assert_int_equal(pt_mem_take(mem, 3, 2, &small), 0);
	pt_gather_free(mem, &small);
	pt_gather_free(mem, &rest);
	pt_gather_free(mem, &large);
	assert_int_equal(pt_mem_tables(mem), 0);
	pt_mem_destroy(mem);
}

/* Blocks of every size come and go, in any order: what was ever touched does not grow. (Blocks that
 * live for any time leave holes; without joining them it is more than four times what is used.) */
static void test_join(void **state)
{
	enum { BLOCKS = 400, UNITS = 4096 };
	struct pt_gather blocks[BLOCKS] = {0};
	uint64_t rnd = 1;
	struct pt_mem *mem;

	assert_int_equal(pt_mem_create(&mem), 0);
	for (unsigned int step = 0; step < 60000; step++) {
		struct pt_gather *b = &blocks[(next_random(&rnd) >> 16) % BLOCKS];
		/* One size after the other, that none finds what the last one has left. */
		unsigned int order = (step / 3000 * 7 + (next_random(&rnd) >> 60) / 6) % 10;

		if (b->n)
			pt_gather_free(mem, b);
		else if (pt_mem_tables(mem) + BIT(order) <= UNITS)
			assert_int_equal(pt_mem_take(mem, 1, order, b), 0);
	}
	if (mem->fresh > 3 * UNITS)
		fail_msg("%u units touched of which %u were used at a time", mem->fresh, UNITS);
	for (size_t i = 0; i < BLOCKS; i++)
		pt_gather_free(mem, &blocks[i]);
	assert_int_equal(pt_mem_tables(mem), 0);
	pt_mem_destroy(mem);
}

/* All of it back: whatever sizes it had, it is one block again. */
static void test_join_all(void **state)
{
	unsigned int order = TABLE_ORDERS - 1, used;
	struct pt_gather one = {0}, all = {0};
	struct pt_mem *mem;

	assert_int_equal(pt_mem_create(&mem), 0);
	assert_int_equal(pt_mem_take(mem, 1, order, &one), 0);
	used = mem->fresh;
	pt_gather_free(mem, &one);
	for (unsigned int o = 0; o < order; o++) {
		assert_int_equal(pt_mem_take(mem, 1u << (order - o), o, &all), 0);
		pt_gather_free(mem, &all);
		assert_int_equal(pt_mem_take(mem, 1, order, &one), 0);
		pt_gather_free(mem, &one);
		assert_int_equal(mem->fresh, used);
	}
	pt_mem_destroy(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),	 cmocka_unit_test(test_limit),
		cmocka_unit_test(test_split),	 cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

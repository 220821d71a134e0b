/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables case by case: leaf sizes, exact entries, refusals, failing allocations, kept tables,
 * looking.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"

#define K4 0x1000ull
#define M2 (2ull << 20)
#define G1 (1ull << 30)

/* Every leaf of a mapping is as large as it may be, and every entry exact. */
static void check_sizes(const struct geometry *g, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct pt_gather gather = {0};
	struct fixture fx;
	uint64_t done = 0, unmapped;

	fixture_open(&fx, g);
	assert_int_equal(pt_map(fx.pt, iova, pa, len, PT_READ | PT_WRITE), 0);
	while (done < len) {
		unsigned int lg2 = naive_choose(fx.pt, iova + done, pa + done, len - done);
		struct naive_leaf n = naive_walk(g, fx.mem, pt_root_pa(fx.pt), iova + done);
		struct pt_leaf leaf;

		assert_int_equal(pt_translate(fx.pt, iova + done, &leaf), 0);
		assert_int_equal(leaf.pa, pa + done);
		assert_int_equal(leaf.lg2, lg2);
		assert_int_equal(leaf.raw, naive_encode(g, pa + done, lg2, PT_READ | PT_WRITE));
		assert_true(n.present && n.pa == pa + done && n.lg2 == lg2);
		done += BIT(lg2);
	}
	assert_int_equal(done, len);
	assert_int_equal(pt_unmap(fx.pt, iova, len, &gather, &unmapped), 0);
	assert_int_equal(unmapped, len);
	pt_gather_free(fx.mem, &gather);
	fixture_close(&fx);
}

static void test_sizes(void **state)
{
	static const struct {
		uint64_t iova, pa, len;
	} rows[] = {
		{0, 7 * G1, K4},
		{K4, 7 * G1 + 2 * K4, 5 * K4},
		{0, 7 * G1, M2},
		{M2, 7 * G1 + K4, M2},
		{M2 - K4, 7 * G1 + M2 - K4, M2 + 2 * K4},
		{3 * K4, 7 * G1 + 3 * K4, 64 * K4},
		{G1 - M2 - K4, 8 * G1 - M2 - K4, G1 + 2 * M2 + 2 * K4},
		{0, 8 * G1, 3 * G1},
		{G1, 8 * G1 + M2, G1 + M2},
		{G1, 8 * G1 + 32 * K4, G1 + 13 * K4},
		{2 * G1, 2 * G1, G1},
		{4 * G1, 8 * G1, 20 * G1},
	};

	for_each_plain (i) {
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			check_sizes(&geometries[i], rows[k].iova, rows[k].pa, rows[k].len);
	}
}

/* Entries written out by hand, tables included. */
static void test_exact_entries(void **state)
{
	static const struct {
		const struct pt_ops *ops;
		uint64_t iova, pa, len;
		int prot;
		uint64_t entries[4]; /* from the root on */
	} rows[] = {
		{&pt_vtd_ss,
		 0,
		 0x1c0000000,
		 K4,
		 3,
		 {0x140002003, 0x140003003, 0x140004003, 0x1c0000003}},
		{&pt_vtd_ss,
		 0,
		 0x1c0001000,
		 K4,
		 1,
		 {0x140002003, 0x140003003, 0x140004003, 0x1c0001001}},
		{&pt_vtd_ss, 0, 0x1c0200000, M2, 2, {0x140002003, 0x140003003, 0x1c0200082}},
		{&pt_vtd_ss, 0, 0x1c0000000, G1, 3, {0x140002003, 0x1c0000083}},
		{&pt_amdv1,
		 0,
		 0x1c0000000,
		 K4,
		 3,
		 {0x6000000140002601, 0x6000000140003401, 0x6000000140004201, 0x60000001c0000001}},
		{&pt_amdv1,
		 0,
		 0x1c0002000,
		 2 * K4,
		 1,
		 {0x6000000140002601, 0x6000000140003401, 0x6000000140004201, 0x20000001c0002e01}},
		{&pt_amdv1,
		 0,
		 0x1c0008000,
		 8 * K4,
		 2,
		 {0x6000000140002601, 0x6000000140003401, 0x6000000140004201, 0x40000001c000be01}},
		{&pt_amdv1,
		 0,
		 0x1c0100000,
		 M2 / 2,
		 3,
		 {0x6000000140002601, 0x6000000140003401, 0x6000000140004201, 0x60000001c017fe01}},
		{&pt_amdv1,
		 0,
		 0x1c0200000,
		 M2,
		 3,
		 {0x6000000140002601, 0x6000000140003401, 0x60000001c0200001}},
		{&pt_amdv1,
		 0,
		 0x1c0400000,
		 2 * M2,
		 3,
		 {0x6000000140002601, 0x6000000140003401, 0x60000001c05ffe01}},
		{&pt_amdv1, 0, 0x1c0000000, G1, 0, {0x6000000140002601, 0x1c0000001}},
		{&pt_amdv1, 0, 0x200000000, 2 * G1, 3, {0x6000000140002601, 0x600000023ffffe01}},
		{&pt_mock,
		 0,
		 0x1c0000800,
		 K4 / 2,
		 3,
		 {0x6000000280004601, 0x6000000280006401, 0x6000000280008201, 0x6000000380001001}},
		{&pt_mock,
		 0,
		 0x1c0001000,
		 K4,
		 1,
		 {0x6000000280004601, 0x6000000280006401, 0x6000000280008201, 0x2000000380002e01}},
		{&pt_mock,
		 0,
		 0x1c0100000,
		 M2 / 2,
		 3,
		 {0x6000000280004601, 0x6000000280006401, 0x6000000380200001}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct geometry g = {.ops = rows[i].ops, .levels = 4};
		struct pt_step steps[PT_MAX_LEVELS];
		struct fixture fx;
		size_t n;

		fixture_open(&fx, &g);
		assert_int_equal(pt_root_pa(fx.pt), 0x140001000);
		assert_int_equal(pt_map(fx.pt, rows[i].iova, rows[i].pa, rows[i].len, rows[i].prot),
				 0);
		n = pt_explain(fx.pt, rows[i].iova, steps);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(steps[k].raw, rows[i].entries[k]);
			assert_int_equal(steps[k].level, 3 - k);
			assert_int_equal(steps[k].kind, k + 1 == n ? PT_STEP_LEAF : PT_STEP_TABLE);
		}
		assert_true(n == 4 || rows[i].entries[n] == 0);
		assert_int_equal(steps[n - 1].pa, rows[i].pa);
		assert_int_equal(BIT(steps[n - 1].lg2), rows[i].len);
		fixture_close(&fx);
	}
}

static void test_coherent(void **state)
{
	static const struct {
		const struct pt_ops *ops;
		uint64_t bit;
	} rows[] = {{&pt_vtd_ss, 1ull << 11}, {&pt_amdv1, 1ull << 60}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct geometry g = {.ops = rows[i].ops, .levels = 4};
		struct pt_leaf leaf;
		struct fixture fx;

		fixture_open(&fx, &g);
		assert_int_equal(pt_map(fx.pt, 0, 7 * G1, K4, 3), 0);
		assert_int_equal(pt_translate(fx.pt, 0, &leaf), 0);
		assert_int_equal(leaf.raw & rows[i].bit, 0);
		assert_int_equal(pt_set_coherent(fx.pt), -EBUSY);
		assert_int_equal(pt_unmap(fx.pt, 0, K4, &(struct pt_gather){0}, NULL), 0);
		assert_int_equal(pt_set_coherent(fx.pt), 0);
		assert_int_equal(pt_map(fx.pt, 0, 7 * G1, K4, 3), 0);
		assert_int_equal(pt_translate(fx.pt, 0, &leaf), 0);
		assert_int_equal(leaf.raw & rows[i].bit, rows[i].bit);
		fixture_close(&fx);
	}
}

static void test_refusals(void **state)
{
	struct pt_gather gather = {0};
	struct pt_leaf leaf;
	struct fixture fx;

	for_each_plain (i) {
		const struct geometry *g = &geometries[i];
		unsigned int page_lg2 = naive_page_lg2(g), bits = page_lg2 + 9 * g->levels;
		uint64_t most = 1ull << g->ops->max_oas, last, end;

		fixture_open(&fx, g);
		last = fx.pt->input_last;
		end = last + 1;
		assert_int_equal(last, MASK(bits > 64 ? 64 : bits));
		assert_int_equal(pt_map(fx.pt, 0, 0, 0, 3), -EINVAL);
		assert_int_equal(pt_map(fx.pt, 1, 0, K4, 3), -EINVAL);
		assert_int_equal(pt_map(fx.pt, 0, BIT(page_lg2 - 1), K4, 3), -EINVAL);
		assert_int_equal(pt_map(fx.pt, 0, 0, K4 + 1, 3), -EINVAL);
		assert_int_equal(pt_map(fx.pt, 0, 0, K4, 0), naive_prot(g, 0) < 0 ? -EINVAL : 0);
		assert_int_equal(pt_unmap(fx.pt, 0, K4, &gather, NULL), 0);
		assert_int_equal(pt_map(fx.pt, last - 0xfff, 0, 2 * K4, 3), -ERANGE);
		assert_int_equal(pt_map(fx.pt, last - 0xfff, 0, -K4, 3), -ERANGE);
		assert_int_equal(pt_map(fx.pt, 0, most, K4, 3), -ERANGE);
		assert_int_equal(pt_map(fx.pt, 0, most - K4, 2 * K4, 3), -ERANGE);
		assert_int_equal(pt_map(fx.pt, 0, most - K4, K4, 3), 0);
		assert_int_equal(pt_map(fx.pt, last - 0xfff, 0, K4, 3), 0);
		assert_int_equal(pt_translate(fx.pt, last, &leaf), 0);
		assert_int_equal(leaf.pa, 0xfff);
		assert_int_equal(pt_unmap(fx.pt, 0, 0, &gather, NULL), -EINVAL);
		assert_int_equal(pt_unmap(fx.pt, 0x10, K4, &gather, NULL), -EINVAL);
		assert_int_equal(pt_unmap(fx.pt, last - 0xfff, 2 * K4, &gather, NULL), -ERANGE);
		assert_int_equal(pt_cut(fx.pt, 7), -EINVAL);
		assert_int_equal(pt_cut(fx.pt, end), 0);
		if (end) {
			assert_int_equal(pt_map(fx.pt, end, 0, K4, 3), -ERANGE);
			assert_int_equal(pt_unmap(fx.pt, end, K4, &gather, NULL), -ERANGE);
			assert_int_equal(pt_translate(fx.pt, end, &leaf), -ERANGE);
			assert_int_equal(pt_mark(fx.pt, end, true), -ENOENT);
		}
		pt_gather_free(fx.mem, &gather);
		fixture_close(&fx);
	}
}

static void test_bad_geometry(void **state)
{
	static const struct pt_config bad[] = {
		{.ops = &pt_vtd_ss, .levels = 2},
		{.ops = &pt_vtd_ss, .levels = 6},
		{.ops = &pt_amdv1, .levels = 0},
		{.ops = &pt_amdv1, .levels = 7},
		{.ops = &pt_amdv1, .levels = 3, .page_sizes = M2},
		{.ops = &pt_amdv1, .levels = 3, .ias = 11},
		{.ops = &pt_amdv1, .levels = 3, .oas = 11},
		{.ops = &pt_mock, .levels = 6},
		{.ops = &pt_mock, .levels = 3, .page_sizes = BIT(20)},
	};
	struct pt_config narrow = {.ops = &pt_vtd_ss, .levels = 4, .ias = 40, .oas = 36};
	struct pt_mem *mem;
	struct pt *pt;

	assert_int_equal(pt_mem_create(&mem), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pt_create(mem, &bad[i], &pt), -EINVAL);
	assert_int_equal(pt_mem_tables(mem), 0);
	assert_int_equal(pt_create(mem, &narrow, &pt), 0);
	assert_int_equal(pt_map(pt, 1ull << 40, 0, K4, 3), -ERANGE);
	assert_int_equal(pt_map(pt, 0, 1ull << 36, K4, 3), -ERANGE);
	assert_int_equal(pt_map(pt, (1ull << 40) - K4, (1ull << 36) - K4, K4, 3), 0);
	assert_int_equal(pt_set_dirty_tracking(pt, true), -EOPNOTSUPP);
	assert_int_equal(pt_read_dirty(pt, 0, K4 - 1, true, NULL, NULL), -EOPNOTSUPP);
	pt_destroy(pt);
	pt_mem_set_limit(mem, 0);
	assert_int_equal(pt_create(mem, &narrow, &pt), -ENOMEM);
	pt_mem_destroy(mem);
}

/* Allow one table more each time until it succeeds: a failure leaves everything as it was. */
static unsigned int sweep_map(struct fixture *fx, uint64_t iova, uint64_t pa, uint64_t len)
{
	uint64_t hash = fixture_hash(fx->pt), bytes = pt_mapped_bytes(fx->pt);
	size_t used = pt_mem_tables(fx->mem);
	int rc;

	for (unsigned int more = 0;; more++) {
		pt_mem_set_limit(fx->mem, used + more);
		rc = pt_map(fx->pt, iova, pa, len, 3);
		pt_mem_set_limit(fx->mem, SIZE_MAX);
		if (!rc) {
			/* Not one more than it needs was asked for. */
			assert_int_equal(pt_mem_tables(fx->mem), used + more);
			return more;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(fixture_hash(fx->pt), hash);
		assert_int_equal(pt_mem_tables(fx->mem), used);
		assert_int_equal(pt_mapped_bytes(fx->pt), bytes);
	}
}

static unsigned int sweep_cut(struct fixture *fx, uint64_t iova)
{
	uint64_t hash = fixture_hash(fx->pt);
	size_t used = pt_mem_tables(fx->mem);
	int rc;

	for (unsigned int more = 0;; more++) {
		pt_mem_set_limit(fx->mem, used + more);
		rc = pt_cut(fx->pt, iova);
		pt_mem_set_limit(fx->mem, SIZE_MAX);
		if (!rc) {
			assert_int_equal(pt_mem_tables(fx->mem), used + more);
			return more;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(fixture_hash(fx->pt), hash);
		assert_int_equal(pt_mem_tables(fx->mem), used);
	}
}

static void check_all(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct pt_leaf leaf;

	for (uint64_t at = 0; at < len; at += K4) {
		assert_int_equal(pt_translate(pt, iova + at, &leaf), 0);
		assert_int_equal(leaf.pa, pa + at);
	}
}

static void test_allocation_failures(void **state)
{
	for_each_plain (i) {
		const struct geometry *g = &geometries[i];
		struct pt_gather gather = {0};
		unsigned int more = 0;
		struct fixture fx;
		uint64_t unmapped;
		size_t used;
		int rc;

		fixture_open(&fx, g);
		assert_int_equal(sweep_map(&fx, 0, 8 * G1, K4), g->levels - 1);
		assert_int_equal(sweep_map(&fx, K4, 9 * G1, K4), 0);
		assert_true(sweep_map(&fx, G1 - M2 - K4, 8 * G1 - M2 - K4, 2 * M2 + 2 * K4) >= 2);
		assert_true(sweep_map(&fx, 3 * G1 - K4, 7 * G1 - K4, G1 + 2 * K4) > 0);
		/* A lowest table holds 2 MiB, the mock's half of it. */
		assert_int_equal(sweep_map(&fx, 6 * G1 + K4, 16 * G1 + K4, M2 - 2 * K4),
				 g->ops == &pt_mock ? 3 : 2);
		sweep_cut(&fx, 3 * G1 + 5 * M2 + 9 * K4);
		assert_int_equal(sweep_cut(&fx, 3 * G1 + 5 * M2 + 9 * K4), 0);
		used = pt_mem_tables(fx.mem);
		do {
			pt_mem_set_limit(fx.mem, used + more++);
			rc = pt_unmap(fx.pt, 3 * G1 + M2 + K4, M2, &gather, &unmapped);
			if (rc) {
				assert_int_equal(rc, -ENOMEM);
				check_all(fx.pt, 3 * G1 + M2, 7 * G1 + M2, 2 * M2);
				assert_true(pt_gather_empty(&gather));
			}
		} while (rc);
		assert_int_equal(unmapped, M2);
		pt_gather_free(fx.mem, &gather);
		pt_mem_set_limit(fx.mem, SIZE_MAX);
		fixture_close(&fx);
	}
}

/* Large leaves that were there before only small ones were allowed are still cut and unmapped. */
static void test_fewer_page_sizes(void **state)
{
	for_each_plain (i) {
		struct pt_gather gather = {0};
		struct fixture fx;
		uint64_t unmapped;

		fixture_open(&fx, &geometries[i]);
		assert_int_equal(pt_map(fx.pt, 2 * G1, 8 * G1, 2 * G1, 3), 0);
		pt_set_page_sizes(fx.pt, K4);
		assert_int_equal(pt_cut(fx.pt, 2 * G1 + 5 * M2), 0);
		check_all(fx.pt, 2 * G1, 8 * G1, 2 * G1);
		assert_int_equal(pt_unmap(fx.pt, 2 * G1 + 3 * M2 + K4, M2, &gather, &unmapped), 0);
		assert_int_equal(unmapped, M2);
		assert_int_equal(pt_map(fx.pt, 2 * G1 + 3 * M2 + K4, 8 * G1 + 3 * M2 + K4, M2, 3),
				 0);
		check_all(fx.pt, 2 * G1, 8 * G1, 2 * G1);
		pt_gather_free(fx.mem, &gather);
		fixture_close(&fx);
	}
}

static void test_table_by_pa(void **state)
{
	struct fixture fx;
	uint64_t root;

	fixture_open(&fx, &geometries[0]);
	root = pt_root_pa(fx.pt);
	assert_ptr_equal(pt_mem_table(fx.mem, root), fx.pt->root);
	assert_null(pt_mem_table(fx.mem, root + 8));
	assert_null(pt_mem_table(fx.mem, *pt_mem_pa_base(fx.mem) - K4));
	assert_null(pt_mem_table(fx.mem, *pt_mem_pa_base(fx.mem) + pt_mem_size(fx.mem)));
	/* Never used, hence not accessible. */
	assert_null(pt_mem_table(fx.mem, *pt_mem_pa_base(fx.mem) + pt_mem_size(fx.mem) - K4));
	fixture_close(&fx);
}

/* One buffer mapped and unmapped for ever takes no tables; many of them leave a bounded number. */
static void test_kept_tables(void **state)
{
	for_each_plain (i) {
		struct pt_gather gather = {0};
		struct fixture fx;
		size_t used = 0;

		fixture_open(&fx, &geometries[i]);
		for (unsigned int k = 0; k < 100; k++) {
			assert_int_equal(pt_map(fx.pt, 0, 8 * G1, K4, 3), 0);
			assert_int_equal(pt_unmap(fx.pt, 0, K4, &gather, NULL), 0);
			assert_true(pt_gather_empty(&gather));
			if (!k)
				used = pt_mem_tables(fx.mem);
			assert_int_equal(pt_mem_tables(fx.mem), used);
		}
		for (uint64_t k = 0; k < 511; k++) {
			assert_int_equal(pt_map(fx.pt, k * G1, 8 * G1, K4, 3), 0);
			assert_int_equal(pt_unmap(fx.pt, k * G1, K4, &gather, NULL), 0);
		}
		assert_false(pt_gather_empty(&gather));
		pt_gather_free(fx.mem, &gather);
		assert_true(pt_mem_tables(fx.mem) <= 1 + PT_NR_KEPT * geometries[i].levels);
		/* A kept table does not stand in the way of a large mapping, and goes with it. */
		assert_int_equal(pt_map(fx.pt, 508 * G1, 8 * G1, 3 * G1, 3), 0);
		check_all(fx.pt, 510 * G1, 10 * G1, 3 * M2);
		assert_int_equal(pt_map(fx.pt, 510 * G1, 8 * G1, K4, 3), -EEXIST);
		assert_int_equal(pt_unmap(fx.pt, 508 * G1, 3 * G1, &gather, NULL), 0);
		pt_gather_free(fx.mem, &gather);
		assert_int_equal(pt_mapped_bytes(fx.pt), 0);
		fixture_close(&fx);
	}
}

static void test_batch(void **state)
{
	for_each_plain (i) {
		struct pt_leaf leaf, leaves[50];
		uint64_t iova[50], rnd = 7;
		size_t found = 0;
		struct fixture fx;

		fixture_open(&fx, &geometries[i]);
		for (uint64_t k = 0; k < 6; k += 2)
			assert_int_equal(
				pt_map(fx.pt, k * M2 + k * K4, 8 * G1 + k * K4, M2 - k * K4, 3), 0);
		for (size_t k = 0; k < 50; k++)
			iova[k] = next_random(&rnd) % (6 * M2);
		iova[49] = U64MAX;
		memset(leaves, 0xff, sizeof(leaves));
		for (size_t n = 0; n <= 50; n += 10) {
			found = 0;
			assert_in_range(pt_translate_batch(fx.pt, iova, n, leaves), 0, n);
			for (size_t k = 0; k < n; k++) {
				if (pt_translate(fx.pt, iova[k], &leaf)) {
					assert_int_equal(leaves[k].lg2, 0);
					continue;
				}
				found++;
				assert_int_equal(leaves[k].pa, leaf.pa);
				assert_int_equal(leaves[k].lg2, leaf.lg2);
				assert_ptr_equal(leaves[k].entry, leaf.entry);
			}
			assert_int_equal(pt_translate_batch(fx.pt, iova, n, leaves), found);
		}
		assert_in_range(found, 10, 40);
		fixture_close(&fx);
	}
}

struct dumped {
	size_t tables, leaves;
	uint64_t bytes, next;
	unsigned int stop;
};

static int count_step(void *arg, const struct pt_step *s)
{
	struct dumped *d = arg;

	assert_true(s->iova >= d->next || s->kind == PT_STEP_TABLE);
	if (s->kind == PT_STEP_TABLE) {
		d->tables++;
	} else {
		d->leaves++;
		d->bytes += BIT(s->lg2);
		d->next = s->iova + BIT(s->lg2);
	}
	return d->stop && !--d->stop ? 9 : 0;
}

static void test_dump(void **state)
{
	for_each_plain (i) {
		struct dumped d = {0};
		struct fixture fx;

		fixture_open(&fx, &geometries[i]);
		assert_int_equal(pt_dump(fx.pt, count_step, &d), 0);
		assert_int_equal(d.tables + d.leaves, 0);
		assert_int_equal(pt_map(fx.pt, M2 - K4, 8 * G1 - K4, M2 + 9 * K4, 3), 0);
		assert_int_equal(pt_map(fx.pt, 5 * G1, 8 * G1, K4, 3), 0);
		assert_int_equal(pt_dump(fx.pt, count_step, &d), 0);
		assert_int_equal(d.tables + 1, pt_mem_tables(fx.mem));
		assert_int_equal(d.bytes, M2 + 10 * K4);
		d = (struct dumped){.stop = 2};
		assert_int_equal(pt_dump(fx.pt, count_step, &d), 9);
		assert_int_equal(d.tables + d.leaves, 2);
		fixture_close(&fx);
	}
}

/* A table whose 65,536 entries are present is not empty: not when it is kept, not when the next ones
 * take its place among those kept. */
static void test_full_tables(void **state)
{
	const struct geometry g = {"", &pt_power_4k, NULL, 2, .ias = 46};
	const uint64_t table = K4 << 17, n = PT_NR_KEPT + 2;
	struct pt_gather gather = {0};
	struct pt_leaf leaf;
	struct fixture fx;

	fixture_open(&fx, &g);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(pt_map(fx.pt, i * table, 0, 65537 * K4, 3), 0);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(pt_unmap(fx.pt, i * table, K4, &gather, NULL), 0);
		assert_true(pt_gather_empty(&gather));
	}
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(pt_translate(fx.pt, i * table + 65536 * K4, &leaf), 0);
	assert_int_equal(pt_mapped_bytes(fx.pt), n * 65536 * K4);
	fixture_close(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_exact_entries),
		cmocka_unit_test(test_coherent),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bad_geometry),
		cmocka_unit_test(test_allocation_failures),
		cmocka_unit_test(test_kept_tables),
		cmocka_unit_test(test_full_tables),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_table_by_pa),
		cmocka_unit_test(test_fewer_page_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

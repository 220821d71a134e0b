/* SPDX-License-Identifier: BSD-3-Clause */
/* Dirty tracking: GDB.3 to GDB.10, SDT.4 and SDT.5, quirks Q4, Q5 and Q27. */
#include "world.h"

#define NR_BITS 4096

struct bits {
	bool set[NR_BITS];
	unsigned int calls;
	int answer;
};

static int note_bits(void *arg, uint64_t first, uint64_t n)
{
	struct bits *b = arg;

	b->calls++;
	assert_true(n && first + n <= NR_BITS);
	for (uint64_t i = first; i < first + n; i++)
		b->set[i] = true;
	return b->answer;
}

static int read_dirty(struct world *w, struct bits *b, uint64_t iova, uint64_t len,
		      uint64_t page_size, bool no_clear)
{
	struct space_dirty d = {iova, len, page_size, no_clear, true, note_bits, b};

	w->rule = NULL;
	*b = (struct bits){.answer = b->answer};
	return space_read_dirty(w->s, &w->mirror[0].m, &d);
}

static void write_at(struct world *w, uint64_t iova)
{
	assert_int_equal(pt_mark(w->mirror[0].m.pt, iova, true), 0);
}

static void assert_bits(const struct bits *b, const char *want)
{
	for (size_t i = 0; i < NR_BITS; i++)
		assert_int_equal(b->set[i], i < strlen(want) && want[i] == '1');
}

static void refusals(void **state)
{
	struct world *w = *state;
	const struct {
		int err;
		const char *rule;
		uint64_t iova, len, page_size;
	} rows[] = {
		{EINVAL, "GDB.3", 0x10000, 0, 0x1000},
		{EINVAL, "GDB.3", U64MAX, 0, 0x1000},
		{EOVERFLOW, "GDB.4", U64MAX - 0xfff, 0x2000, 0x1000},
		{EOVERFLOW, "GDB.4", U64MAX - 0x7ff, 0x2000, 0x1000},
		{EINVAL, "GDB.5", 0x10800, 0x1000, 0x1000},
		{EINVAL, "GDB.5", 0x10000, 0x1800, 0x1000},
		{EINVAL, "GDB.5", 0x10000, 0x1800, 0},
		{EINVAL, "GDB.6", 0x10000, 0x1000, 0},
		{EINVAL, "GDB.7", 0x11000, 0x2000, 0x2000},
		{EINVAL, "GDB.7", 0x10000, 0x3000, 0x2000},
		{EINVAL, "GDB.7", 0x10000, 0x1000,
		 0x1800}, /* not a power of two: what its bits less one say */
	};
	struct space_dirty d = {
		.iova = 0x10000, .length = 0x1000, .page_size = 0x2000, .set = note_bits};
	struct bits b = {0};

	mirror_add(w, 0, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(
			w, read_dirty(w, &b, rows[i].iova, rows[i].len, rows[i].page_size, false),
			rows[i].err, rows[i].rule);
	assert_int_equal(w->mirror[0].invalidations, 0);
	/* GDB.8, after GDB.7 */
	assert_refused(w, space_read_dirty(w->s, &w->mirror[0].m, &d), EINVAL, "GDB.7");
	d.page_size = 0x1000;
	assert_refused(w, space_read_dirty(w->s, &w->mirror[0].m, &d), EOPNOTSUPP, "GDB.8");
}

static void reads_and_clears(struct world *w)
{
	struct bits b = {0};

	/* Not congruent, so that all leaves are of one page. */
	assert_int_equal(map_arena(w, 1, 4, 0x10000), 0);
	assert_int_equal(map_arena(w, 9, 4, 0x14000), 0);
	write_at(w, 0x11000);
	write_at(w, 0x13fff);
	write_at(w, 0x14000);
	w->mirror[0].invalidations = 0;
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x8000, 0x1000, true), 0);
	assert_bits(&b, "01011000");
	assert_int_equal(w->mirror[0].invalidations, 0);
	/* A part of it; coarser; finer. */
	assert_int_equal(read_dirty(w, &b, 0x11000, 0x2000, 0x1000, true), 0);
	assert_bits(&b, "10");
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x8000, 0x2000, true), 0);
	assert_bits(&b, "1110");
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x2000, 0x400, true), 0);
	assert_bits(&b, "00001111");
	/* Q5: the lowest set bit of the page size counts. */
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x4000, 0x3000, true), 0);
	assert_bits(&b, "0101");
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x8000, 0x1000, false), 0);
	assert_bits(&b, "01011000");
	assert_int_equal(w->mirror[0].invalidations, 1);
	assert_int_equal(w->mirror[0].iova, 0x10000);
	assert_int_equal(w->mirror[0].last, 0x17fff);
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x8000, 0x1000, false), 0);
	assert_bits(&b, "");
	assert_int_equal(unmap_at(w, 0x10000, 0x8000), 0x8000);
}

static void both_formats(void **state)
{
	struct world *w = *state;

	mirror_add(w, 0, false);
	reads_and_clears(w);
	mirror_remove(w, 0);
	mirror_add(w, 0, true);
	reads_and_clears(w);
}

/* Q4: the first hole ends the walk, and 0 is the answer all the same (GDB.10). */
static void a_hole_ends_the_walk(void **state)
{
	struct world *w = *state;
	struct bits b = {0};

	mirror_add(w, 0, false);
	assert_int_equal(map_arena(w, 0, 2, 0x10000), 0);
	assert_int_equal(map_arena(w, 2, 2, 0x13000), 0);
	write_at(w, 0x11000);
	write_at(w, 0x13000);
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x5000, 0x1000, false), 0);
	assert_bits(&b, "01");
	assert_int_equal(read_dirty(w, &b, 0x12000, 0x3000, 0x1000, false), 0);
	assert_bits(&b, "");
	assert_int_equal(read_dirty(w, &b, 0x13000, 0x2000, 0x1000, false), 0);
	assert_bits(&b, "1");
}

/* Q27: the bitmap cannot be written, the flags are cleared, and 0 is the answer. */
static void a_bad_bitmap_loses_the_flags(void **state)
{
	struct world *w = *state;
	struct bits b = {.answer = -EFAULT};

	mirror_add(w, 0, false);
	assert_int_equal(map_arena(w, 0, 4, 0x10000), 0);
	write_at(w, 0x10000);
	write_at(w, 0x12000);
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x4000, 0x1000, false), 0);
	assert_int_equal(b.calls, 2);
	b.answer = 0;
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x4000, 0x1000, false), 0);
	assert_bits(&b, "");
}

static void a_large_leaf_sets_all_its_bits(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;
	struct bits b = {0};

	mirror_add(w, 0, false);
	assert_int_equal(memory_register(w->memory, va, 8 * MiB), 0);
	assert_int_equal(map_va(w, (void *)va, 8 * MiB, GiB, RW, NULL), 0);
	write_at(w, GiB + 2 * MiB + 5);
	assert_int_equal(read_dirty(w, &b, GiB, 8 * MiB, 0x1000, true), 0);
	for (size_t i = 0; i < NR_BITS; i++)
		assert_int_equal(b.set[i], i >= 512 && i < 1024);
}

/* What is read and cleared is a part of the leaf: the rest of it stays dirty. */
static void a_part_of_a_large_leaf(void **state)
{
	struct world *w = *state;
	const uint64_t va = 512 * GiB;
	struct bits b = {0};
	uint64_t tables;

	mirror_add(w, 0, false);
	assert_int_equal(memory_register(w->memory, va, 4 * MiB), 0);
	assert_int_equal(map_va(w, (void *)va, 4 * MiB, GiB, RW, NULL), 0);
	write_at(w, GiB + 5);
	/* Nothing can be split: then nothing is cleared. */
	tables = pt_mem_tables(w->tables);
	pt_mem_set_limit(w->tables, tables);
	assert_int_equal(read_dirty(w, &b, GiB + 0x2000, 0x4000, 0x1000, false), 0);
	assert_bits(&b, "1111");
	pt_mem_set_limit(w->tables, tables + 1);
	assert_int_equal(read_dirty(w, &b, GiB + 0x2000, 0x4000, 0x1000, false), 0);
	assert_bits(&b, "1111");
	assert_int_equal(read_dirty(w, &b, GiB, 0x8000, 0x1000, true), 0);
	assert_bits(&b, "11000011");
	assert_int_equal(read_dirty(w, &b, GiB, 4 * MiB, 0x1000, false), 0);
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(b.set[i], i < 512 && (i < 2 || i >= 6));
}

static void tracking(void **state)
{
	struct world *w = *state;
	struct pt *pt;
	struct bits b = {0};

	mirror_add(w, 0, true);
	pt = w->mirror[0].m.pt;
	assert_int_equal(map_arena(w, 1, 4, 0x10000), 0);
	assert_int_equal(map_arena(w, 4, 1, 0x20000), 0);
	write_at(w, 0x10000);
	write_at(w, 0x20000);
	w->mirror[0].invalidations = 0;
	assert_int_equal(space_set_dirty(w->s, &w->mirror[0].m, true), 0);
	assert_true(pt_dirty_tracking(pt));
	assert_int_equal(w->mirror[0].invalidations, 1);
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x4000, 0x1000, true), 0);
	assert_bits(&b, "");
	assert_int_equal(read_dirty(w, &b, 0x20000, 0x1000, 0x1000, true), 0);
	assert_bits(&b, "");
	/* SDT.5 */
	assert_int_equal(space_set_dirty(w->s, &w->mirror[0].m, true), 0);
	write_at(w, 0x11000);
	assert_int_equal(space_set_dirty(w->s, &w->mirror[0].m, false), 0);
	assert_int_equal(space_set_dirty(w->s, &w->mirror[0].m, false), 0);
	assert_false(pt_dirty_tracking(pt));
	/* Tracking need not be on to be read. */
	assert_int_equal(read_dirty(w, &b, 0x10000, 0x4000, 0x1000, true), 0);
	assert_bits(&b, "01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(refusals),
		WORLD_TEST(both_formats),
		WORLD_TEST(a_hole_ends_the_walk),
		WORLD_TEST(a_bad_bitmap_loses_the_flags),
		WORLD_TEST(a_large_leaf_sets_all_its_bits),
		WORLD_TEST(a_part_of_a_large_leaf),
		WORLD_TEST(tracking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

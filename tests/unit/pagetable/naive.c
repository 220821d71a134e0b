/* SPDX-License-Identifier: BSD-3-Clause */
#include "naive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}

unsigned int naive_shift(const struct geometry *g, unsigned int level)
{
	return g->naive->shift ? g->naive->shift(g, level) : 12 + 9 * level;
}

unsigned int naive_index_bits(const struct geometry *g, unsigned int level)
{
	return g->naive->index_bits ? g->naive->index_bits(g, level) : 9;
}

unsigned int naive_page_lg2(const struct geometry *g)
{
	return naive_shift(g, 0);
}

unsigned int naive_level(const struct geometry *g, unsigned int lg2)
{
	unsigned int level = 0;

	while (level + 1 < g->levels && naive_shift(g, level + 1) <= lg2)
		level++;
	return level;
}

int naive_prot(const struct geometry *g, int prot)
{
	return g->naive->prot ? g->naive->prot(prot) : prot;
}

bool naive_is_signed(const struct geometry *g)
{
	return g->ops->sign_extended && !(g->flags & PT_UNSIGNED);
}

bool naive_is_plain(const struct geometry *g)
{
	for (unsigned int level = 0; level < g->levels; level++) {
		if (naive_index_bits(g, level) != 9)
			return false;
	}
	return naive_page_lg2(g) <= 12 && g->flags & PT_DIRTY && !g->ias && !naive_is_signed(g);
}

uint64_t naive_encode(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot)
{
	return g->naive->leaf(g, pa, lg2, prot, naive_level(g, lg2));
}

uint64_t *naive_place(const struct geometry *g, const struct pt_mem *m, uint64_t table_pa,
		      uint64_t index)
{
	uint64_t pa = table_pa + 8 * index;
	const char *unit = (const char *)pt_mem_table(m, pa - pa % 4096);

	assert_non_null(unit);
	return (uint64_t *)(uintptr_t)(unit + pa % 4096);
}

uint64_t naive_load(const struct geometry *g, const uint64_t *place)
{
	const uint8_t *byte = (const uint8_t *)place;
	uint64_t e = 0;

	for (unsigned int i = 0; i < 8; i++)
		e |= (uint64_t)byte[i] << (g->naive->big_endian ? 56 - 8 * i : 8 * i);
	return e;
}

void naive_store(const struct geometry *g, uint64_t *place, uint64_t e)
{
	uint8_t *byte = (uint8_t *)place;

	for (unsigned int i = 0; i < 8; i++)
		byte[i] = (uint8_t)(e >> (g->naive->big_endian ? 56 - 8 * i : 8 * i));
}

static uint64_t index_of(const struct geometry *g, uint64_t iova, unsigned int level)
{
	return (iova >> naive_shift(g, level)) % (1ull << naive_index_bits(g, level));
}

static uint64_t naive_entry(const struct geometry *g, const struct pt_mem *m, uint64_t table_pa,
			    uint64_t iova, unsigned int level)
{
	return naive_load(g, naive_place(g, m, table_pa, index_of(g, iova, level)));
}

/* All entries of a run must be the same but for their flags, which count for all of it, and for their
 * address where each has its own. */
static void check_run(const struct geometry *g, const struct pt_mem *m, uint64_t table,
		      uint64_t iova, unsigned int level, struct naive_leaf *leaf)
{
	uint64_t size = 1ull << leaf->lg2, step = 1ull << naive_shift(g, level);
	uint64_t start = iova - iova % size, mask = ~g->naive->flags;
	uint64_t own = naive_entry(g, m, table, iova, level) & mask;

	if (g->naive->run_steps)
		own -= iova % size - iova % step;

	assert_in_range(leaf->lg2, naive_shift(g, level),
			naive_shift(g, level) + naive_index_bits(g, level));
	for (uint64_t at = start; at - start < size; at += step) {
		uint64_t e = naive_entry(g, m, table, at, level);
		struct naive_entry n = g->naive->decode(g, e, level);

		assert_int_equal(e & mask, own + (g->naive->run_steps ? at - start : 0));
		leaf->accessed |= n.accessed;
		leaf->dirty |= n.dirty;
	}
}

struct naive_leaf naive_walk(const struct geometry *g, const struct pt_mem *m, uint64_t root_pa,
			     uint64_t iova)
{
	uint64_t table = root_pa;

	for (unsigned int level = g->levels - 1;; level--) {
		uint64_t e = naive_entry(g, m, table, iova, level);
		struct naive_entry n = g->naive->decode(g, e, level);
		struct naive_leaf leaf = {.present = true, .lg2 = n.lg2, .prot = n.prot};

		if (n.kind == NAIVE_INVALID)
			fail_msg("%s: entry %#lx of level %u", g->name, (long)e, level);
		if (n.kind == NAIVE_EMPTY)
			return (struct naive_leaf){0};
		if (n.kind == NAIVE_TABLE) {
			assert_true(level > 0);
			table = n.pa;
			continue;
		}
		check_run(g, m, table, iova, level, &leaf);
		assert_int_equal(n.pa % (1ull << n.lg2), 0);
		leaf.pa = n.pa + iova % (1ull << n.lg2);
		return leaf;
	}
}

unsigned int naive_choose(const struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len)
{
	unsigned int best = pt->ops->page_lg2;

	for (unsigned int lg2 = best; lg2 < 64; lg2++) {
		uint64_t size = 1ull << lg2;

		if ((pt_page_sizes(pt) & size) && iova % size == 0 && pa % size == 0 && len >= size)
			best = lg2;
	}
	return best;
}

size_t naive_split(const struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot,
		   struct naive_map *out, size_t max)
{
	size_t n = 0;

	while (len) {
		unsigned int lg2 = naive_choose(pt, iova, pa, len);

		assert_true(n < max);
		out[n++] = (struct naive_map){.iova = iova, .pa = pa, .lg2 = lg2, .prot = prot};
		iova += 1ull << lg2;
		pa += 1ull << lg2;
		len -= 1ull << lg2;
	}
	return n;
}

/* The first map that ends beyond @iova, or NULL. */
static const struct naive_map *map_at(const struct naive_map *maps, size_t n, uint64_t iova)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (maps[mid].iova + ((1ull << maps[mid].lg2) - 1) >= iova)
			n = mid;
		else
			low = mid + 1;
	}
	return &maps[low];
}

struct image {
	const struct fixture *fx;
	const struct naive_map *maps;
	size_t n;
	bool empty; /* nothing may be in it */
};

static void compare_table(struct image *im, uint64_t table_pa, uint64_t base, unsigned int level);

/* The entry that covers [iova, last] at @place. */
static void compare_entry(struct image *im, const uint64_t *place, uint64_t iova, uint64_t last,
			  unsigned int level)
{
	const struct geometry *g = im->fx->g;
	const struct naive_map *m = map_at(im->maps, im->n, iova);
	bool none = im->empty || m == im->maps + im->n || m->iova > last;
	bool inner = !none && m->lg2 < naive_shift(g, level);
	uint64_t e = naive_load(g, place), expected = 0;
	struct naive_entry has = g->naive->decode(g, e, level);

	if (has.kind == NAIVE_TABLE && (inner || none)) {
		struct image below = *im;

		expected = g->naive->table(g, has.pa, level);
		below.empty = none;
		compare_table(&below, has.pa, iova, level - 1);
	} else if (none) {
		expected = g->naive->empty ? g->naive->empty(g, level) : 0;
	} else if (!inner) {
		expected = g->naive->leaf(
			g, g->naive->run_steps ? m->pa + (iova - m->iova) : m->pa, m->lg2, m->prot,
			level);
		if (m->lg2 > naive_shift(g, level))
			e &= ~g->naive->flags, expected &= ~g->naive->flags;
		else if (g->flags & PT_DIRTY)
			assert_true(has.accessed == m->accessed && has.dirty == m->dirty);
		if (g->flags & PT_DIRTY)
			e &= ~g->naive->flags, expected &= ~g->naive->flags;
	}
	if (e != expected)
		fail_msg("%s: iova %#lx level %u: %#lx, not %#lx", g->name, (long)iova, level,
			 (long)e, (long)expected);
}

static void compare_table(struct image *im, uint64_t table_pa, uint64_t base, unsigned int level)
{
	const struct geometry *g = im->fx->g;
	unsigned int shift = naive_shift(g, level);

	assert_int_equal(table_pa % (8ull << naive_index_bits(g, level)) & 4095, 0);
	for (uint64_t i = 0; i < 1ull << naive_index_bits(g, level); i++) {
		const uint64_t *place = naive_place(g, im->fx->mem, table_pa, i);
		uint64_t iova = base + (i << shift);

		if (naive_is_signed(g) && iova > im->fx->pt->input_last)
			iova |= ~im->fx->pt->input_last;
		compare_entry(im, place, iova, iova + ((1ull << shift) - 1), level);
	}
}

void naive_compare(const struct fixture *fx, const struct naive_map *maps, size_t n)
{
	struct image im = {.fx = fx, .maps = maps, .n = n};

	compare_table(&im, pt_root_pa(fx->pt), 0, fx->g->levels - 1);
}

void fixture_open(struct fixture *fx, const struct geometry *g)
{
	fx->g = g;
	fx->cfg = (struct pt_config){.ops = g->ops,
				     .levels = g->levels,
				     .page_sizes = g->page_sizes,
				     .flags = g->flags,
				     .ias = g->ias,
				     .oas = g->oas};
	assert_int_equal(pt_mem_create(&fx->mem), 0);
	*pt_mem_pa_base(fx->mem) = 5ull << 30;
	assert_int_equal(pt_create(fx->mem, &fx->cfg, &fx->pt), 0);
}

void fixture_close(struct fixture *fx)
{
	pt_destroy(fx->pt);
	assert_int_equal(pt_mem_tables(fx->mem), 0);
	pt_mem_destroy(fx->mem);
}

static int hash_step(void *arg, const struct pt_step *s)
{
	uint64_t *hash = arg;

	*hash = (*hash ^ s->iova ^ s->raw ^ (s->table_pa << 7)) * 0x9e3779b97f4a7c15ull;
	*hash ^= *hash >> 29;
	return 0;
}

uint64_t fixture_hash(const struct pt *pt)
{
	uint64_t hash = 1;

	assert_int_equal(pt_dump(pt, hash_step, &hash), 0);
	return hash;
}

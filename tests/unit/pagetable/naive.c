/* SPDX-License-Identifier: BSD-3-Clause */
#include "naive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define VTD_SIZES (BIT(12) | BIT(21) | BIT(30))

const struct geometry geometries[] = {
	{"vtd 3", &pt_vtd_ss, 3, 0, PT_DIRTY},
	{"vtd 4", &pt_vtd_ss, 4, 0, PT_DIRTY | PT_COHERENT},
	{"vtd 5", &pt_vtd_ss, 5, 0, PT_DIRTY},
	{"vtd 4, no 1G", &pt_vtd_ss, 4, BIT(12) | BIT(21), PT_DIRTY},
	{"vtd 4, 4K", &pt_vtd_ss, 4, 0, PT_DIRTY | PT_NO_HUGE},
	{"amd 3", &pt_amdv1, 3, 0, PT_DIRTY},
	{"amd 4", &pt_amdv1, 4, 0, PT_DIRTY | PT_COHERENT},
	{"amd 5", &pt_amdv1, 5, 0, PT_DIRTY},
	{"amd 6", &pt_amdv1, 6, 0, PT_DIRTY},
	{"amd 4, no runs", &pt_amdv1, 4, VTD_SIZES, PT_DIRTY},
	{"amd 4, 32K", &pt_amdv1, 4, BIT(12) | BIT(15), PT_DIRTY},
	{"mock 4", &pt_mock, 4, 0, PT_DIRTY},
	{"mock 5", &pt_mock, 5, 0, PT_DIRTY | PT_COHERENT},
	{"mock 4, huge", &pt_mock, 4, BIT(12) | BIT(20), PT_DIRTY},
};
const size_t nr_geometries = ARRAY_SIZE(geometries);

uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}

unsigned int naive_page_lg2(const struct geometry *g)
{
	return g->ops == &pt_mock ? 11 : 12;
}

/* D51397, table 32 and figures 9-x: R 0, W 1, PS 7 (leaf above the lowest level), SNP 11. */
static uint64_t vtd_encode(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot)
{
	uint64_t e = pa;

	if (prot & PT_READ)
		e += 0x1;
	if (prot & PT_WRITE)
		e += 0x2;
	if (lg2 > 12)
		e += 0x80;
	if (g->flags & PT_COHERENT)
		e += 0x800;
	return e;
}

/*
 * 48882, table 14: xxx0 at bit 12 is 8 KiB, xx01 16 KiB, x011 32 KiB, ... each under Next Level 7.
 * The mock's address field counts pages of 2 KiB.
 */
static uint64_t amd_encode(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot)
{
	unsigned int page = naive_page_lg2(g);
	uint64_t e = ((pa >> page) << 12) + 1;

	if (prot & PT_READ)
		e += 1ull << 61;
	if (prot & PT_WRITE)
		e += 1ull << 62;
	if (g->flags & PT_COHERENT)
		e += 1ull << 60;
	if ((lg2 - page) % 9 == 0)
		return e;
	for (unsigned int bit = page; bit < lg2 - 1; bit++)
		e += 1ull << (bit - page + 12);
	return e + (7 << 9);
}

uint64_t naive_encode(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot)
{
	return g->ops == &pt_vtd_ss ? vtd_encode(g, pa, lg2, prot) : amd_encode(g, pa, lg2, prot);
}

static uint64_t naive_entry(const struct geometry *g, const struct pt_mem *m, uint64_t table_pa,
			    uint64_t iova, unsigned int level)
{
	const uint64_t *table = pt_mem_table(m, table_pa);

	assert_non_null(table);
	return table[(iova >> (naive_page_lg2(g) + 9 * level)) % 512];
}

static struct naive_leaf vtd_walk(const struct geometry *g, const struct pt_mem *m, uint64_t table,
				  uint64_t iova)
{
	for (unsigned int level = g->levels - 1;; level--) {
		uint64_t e = naive_entry(g, m, table, iova, level), size = 1ull << (12 + 9 * level);
		uint64_t address = e & 0x000ffffffffff000ull;

		if (!(e & 3))
			return (struct naive_leaf){0};
		/* Reserved: everything above the address but TM, and EMT, IPAT, X as long as we use
		 * none. */
		assert_int_equal(e & 0xfff000000000047cull, 0);
		if (level && !(e & 0x80)) {
			assert_int_equal(e & 0xb83, 3);
			table = address;
			continue;
		}
		assert_int_equal(address % size, 0);
		assert_int_equal(!!(e & 0x80), level > 0);
		return (struct naive_leaf){.present = true,
					   .pa = address + iova % size,
					   .lg2 = 12 + 9 * level,
					   .prot = e & 3,
					   .accessed = e & 0x100,
					   .dirty = e & 0x200};
	}
}

/* All entries of a run must be the same but for their flags, and agree that it is aligned. */
static void amd_run(const struct geometry *g, const struct pt_mem *m, uint64_t table,
		    uint64_t iova, unsigned int level, struct naive_leaf *leaf)
{
	unsigned int page = naive_page_lg2(g);
	uint64_t size = 1ull << leaf->lg2, step = 1ull << (page + 9 * level),
		 start = iova - iova % size;
	uint64_t own = naive_entry(g, m, table, iova, level) & ~0x60ull;

	assert_in_range(leaf->lg2, page + 1 + 9 * level, page + 8 + 9 * level);
	for (uint64_t at = start; at - start < size; at += step) {
		uint64_t e = naive_entry(g, m, table, at, level);

		assert_int_equal(e & ~0x60ull, own);
		leaf->accessed |= !!(e & 0x20);
		leaf->dirty |= !!(e & 0x40);
	}
}

static struct naive_leaf amd_walk(const struct geometry *g, const struct pt_mem *m, uint64_t table,
				  uint64_t iova)
{
	unsigned int page = naive_page_lg2(g);

	for (unsigned int level = g->levels - 1;; level--) {
		uint64_t e = naive_entry(g, m, table, iova, level), next = (e >> 9) % 8;
		uint64_t address = ((e & 0x000ffffffffff000ull) >> 12) << page;
		struct naive_leaf leaf = {.present = true,
					  .lg2 = page + 9 * level,
					  .prot = (e >> 61) & 3,
					  .accessed = e & 0x20,
					  .dirty = e & 0x40};

		if (!(e & 1))
			return (struct naive_leaf){0};
		assert_int_equal(e & 0x8ff000000000019eull, 0);
		if (next && next != 7) {
			assert_int_equal(next, level);
			assert_int_equal(leaf.prot, 3);
			table = address;
			continue;
		}
		if (next == 7) {
			for (leaf.lg2 = page + 1; address & (1ull << (leaf.lg2 - 1)); leaf.lg2++)
				;
			amd_run(g, m, table, iova, level, &leaf);
			address &= ~((1ull << leaf.lg2) - 1);
		}
		assert_int_equal(address % (1ull << leaf.lg2), 0);
		leaf.pa = address + iova % (1ull << leaf.lg2);
		return leaf;
	}
}

struct naive_leaf naive_walk(const struct geometry *g, const struct pt_mem *m, uint64_t root_pa,
			     uint64_t iova)
{
	return g->ops == &pt_vtd_ss ? vtd_walk(g, m, root_pa, iova) : amd_walk(g, m, root_pa, iova);
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

void fixture_open(struct fixture *fx, const struct geometry *g)
{
	fx->cfg = (struct pt_config){
		.ops = g->ops, .levels = g->levels, .page_sizes = g->page_sizes, .flags = g->flags};
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

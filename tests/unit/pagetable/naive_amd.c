/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD I/O page tables, version 1 (48882, 2.2.3): PR 0, A 5, D 6, Next Level 11:9, FC 60, IR 61, IW
 * 62. Table 14: xxx0 at bit 12 is 8 KiB, xx01 16 KiB, x011 32 KiB, ... each under Next Level 7. The
 * mock's address field counts pages of 2 KiB.
 */
#include "naive.h"

static unsigned int mock_shift(const struct geometry *g, unsigned int level)
{
	return 11 + 9 * level;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return ((pa >> naive_page_lg2(g)) << 12) + level * 0x200 + 0x6000000000000001ull;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int prot,
		     unsigned int level)
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

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	unsigned int page = naive_page_lg2(g), next = (e >> 9) % 8;
	struct naive_entry n = {.kind = NAIVE_LEAF,
				.pa = ((e & 0x000ffffffffff000ull) >> 12) << page,
				.lg2 = page + 9 * level,
				.prot = (e >> 61) & 3,
				.accessed = e & 0x20,
				.dirty = e & 0x40};

	if (!(e & 1)) {
		n.kind = NAIVE_EMPTY;
	} else if (e & 0x8ff000000000019eull) {
		n.kind = NAIVE_INVALID;
	} else if (next && next != 7) {
		n.kind = next == level && n.prot == 3 ? NAIVE_TABLE : NAIVE_INVALID;
	} else if (next == 7) {
		for (n.lg2 = page + 1; n.pa & (1ull << (n.lg2 - 1)); n.lg2++)
			;
		n.pa &= ~((1ull << n.lg2) - 1);
		if (n.lg2 <= page + 9 * level || n.lg2 >= page + 9 * (level + 1))
			n.kind = NAIVE_INVALID;
	}
	return n;
}

static const struct naive_bad bad[] = {
	{0x1, 0, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{1ull << 52, 0, PT_IN_ALL, 0, PT_FAULT_RESERVED},
	{1ull << 58, 0, PT_IN_ALL, 0, PT_FAULT_RESERVED},
	{0},
};

const struct naive_format naive_amdv1 = {
	.dirty = true,
	.table = table,
	.leaf = leaf,
	.decode = decode,
	.bad = bad,
	.flags = 0x60,
};

const struct naive_format naive_mock = {
	.dirty = true,
	.shift = mock_shift,
	.table = table,
	.leaf = leaf,
	.decode = decode,
	.bad = bad,
	.flags = 0x60,
};

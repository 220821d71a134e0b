/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel VT-d (D51397) second-stage entries, table 32 and figures 9-x: R 0, W 1, PS 7 (leaf above
 * the lowest level), A 8, D 9, SNP 11.
 */
#include "naive.h"

static int prot(int wanted)
{
	return wanted & 3 ? wanted : -1;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return pa + 3;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	uint64_t e = pa;

	if (permitted & PT_READ)
		e += 0x1;
	if (permitted & PT_WRITE)
		e += 0x2;
	if (lg2 > 12)
		e += 0x80;
	if (g->flags & PT_COHERENT)
		e += 0x800;
	return e;
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	struct naive_entry n = {.kind = NAIVE_LEAF,
				.pa = e & 0x000ffffffffff000ull,
				.lg2 = 12 + 9 * level,
				.prot = e & 3,
				.accessed = e & 0x100,
				.dirty = e & 0x200};

	if (!(e & 3))
		n.kind = NAIVE_EMPTY;
	else if (e & 0xfff000000000047cull)
		/* Reserved: everything above the address but TM, and EMT, IPAT, X as long as we use
		 * none. */
		n.kind = NAIVE_INVALID;
	else if (level && !(e & 0x80))
		n.kind = (e & 0xb83) == 3 ? NAIVE_TABLE : NAIVE_INVALID;
	else if (!(e & 0x80) != !level || level > 2)
		n.kind = NAIVE_INVALID;
	return n;
}

static const struct naive_bad bad[] = {
	{0, 0x3, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{0x1000, 0, PT_IN_BLOCK, 1, PT_FAULT_RESERVED},
	{0x80, 0, PT_IN_TABLE, 3, PT_FAULT_RESERVED},
	{0},
};

const struct naive_format naive_vtd_ss = {
	.dirty = true,
	.prot = prot,
	.table = table,
	.leaf = leaf,
	.decode = decode,
	.bad = bad,
	.flags = 0x300,
};

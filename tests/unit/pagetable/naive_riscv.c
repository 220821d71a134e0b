/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RISC-V paging (Privileged Architecture 20240411, 11.4, figure 21; 12 Svnapot; 18.5 for x4): V 0,
 * R 1, W 2, X 3, U 4, G 5, A 6, D 7, the PPN from bit 10 on, N 63. Leaves are executable and for
 * U-mode. Where nobody tracks dirty pages they carry A, and those that can be written D, from the
 * start; tables carry V alone.
 */
#include "naive.h"

static bool second_stage(const struct geometry *g)
{
	return g->ops == &pt_riscv_s2;
}

static unsigned int index_bits(const struct geometry *g, unsigned int level)
{
	return second_stage(g) && level == g->levels - 1 ? 11 : 9;
}

static int prot(int wanted)
{
	return wanted ? wanted | PT_READ : -1;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return (pa / 4096) * 1024 + 1;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	uint64_t e = (pa / 4096) * 1024 + 0x1b;

	if (permitted & PT_WRITE)
		e += 0x4;
	if (lg2 == 16)
		e += (1ull << 63) + 8 * 1024;
	if (!(g->flags & PT_DIRTY))
		e += permitted & PT_WRITE ? 0xc0 : 0x40;
	return e;
}

/* X, U, G, and with Svpbmt the memory type in 62:61: 1 NC, 2 IO. */
static bool attributes(const struct geometry *g, uint64_t *e, int permitted)
{
	if (second_stage(g) && permitted & (PT_PRIVILEGED | PT_GLOBAL))
		return false;
	if (permitted & PT_NOEXEC)
		*e -= 0x8;
	if (permitted & PT_PRIVILEGED)
		*e -= 0x10;
	if (permitted & PT_GLOBAL)
		*e += 0x20;
	if (g->flags & PT_SVPBMT && permitted & PT_MMIO)
		*e += 2ull << 61;
	else if (g->flags & PT_SVPBMT && permitted & PT_UNCACHED)
		*e += 1ull << 61;
	return true;
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	uint64_t ppn = (e >> 10) & 0xfffffffffffull;
	struct naive_entry n = {.kind = NAIVE_LEAF,
				.lg2 = 12 + 9 * level,
				.prot = (e & 4 ? PT_WRITE : 0) | (e & 2 ? PT_READ : 0),
				.accessed = e & 0x40,
				.dirty = e & 0x80};

	if (e >> 63) {
		if (level || ppn % 16 != 8)
			n.kind = NAIVE_INVALID;
		n.lg2 = 16;
		ppn -= ppn % 16;
	}
	n.pa = ppn * 4096;
	if (!(e & 1))
		n.kind = NAIVE_EMPTY;
	else if (e & 0x7fc0000000000320ull)
		/* Reserved, memory types, RSW, G: none of ours. */
		n.kind = NAIVE_INVALID;
	else if (!(e & 0xe))
		n.kind = level && !(e & 0x80000000000000f0ull) ? NAIVE_TABLE : NAIVE_INVALID;
	else if ((e & 0x1b) != 0x1b)
		n.kind = NAIVE_INVALID;
	return n;
}

/* 54: reserved. 62:61: memory types, of which 3 is none. 63: only at the lowest level. A table has
 * none of D, A, U. A leaf's low PPN bits are 0. */
static const struct naive_bad bad[] = {
	{0x1, 0, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{1ull << 54, 0, PT_IN_ALL, 0, PT_FAULT_RESERVED},
	{3ull << 61, 0, PT_IN_ALL, 0, PT_FAULT_RESERVED},
	{1ull << 61, 0, PT_IN_TABLE, 1, PT_FAULT_RESERVED},
	{1ull << 63, 0, PT_IN_TABLE | PT_IN_BLOCK, 1, PT_FAULT_RESERVED},
	{0x80, 0, PT_IN_TABLE, 1, PT_FAULT_RESERVED},
	{0x40, 0, PT_IN_TABLE, 1, PT_FAULT_RESERVED},
	{0x10, 0, PT_IN_TABLE, 1, PT_FAULT_RESERVED},
	{0, 0xe, PT_IN_PAGE, 0, PT_FAULT_RESERVED},
	{0x400, 0, PT_IN_BLOCK, 1, PT_FAULT_ALIGN},
	{0},
};

const struct naive_format naive_riscv = {
	.dirty = true,
	.index_bits = index_bits,
	.prot = prot,
	.table = table,
	.leaf = leaf,
	.attributes = attributes,
	.decode = decode,
	.bad = bad,
	.flags = 0xc0,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * x86-64 paging (AMD 24593, 5.3.3; 48882, 2.2.6): P 0, R/W 1, U/S 2, A 5, D 6, PS 7, NX 63. Leaves
 * are for unprivileged requests and executable. Where nobody tracks dirty pages they carry A, and
 * those that can be written D, from the start; tables always carry A.
 */
#include "naive.h"

static int prot(int wanted)
{
	return wanted | PT_READ;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return pa + 0x27;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	uint64_t e = pa + 0x5;

	if (permitted & PT_WRITE)
		e += 0x2;
	if (lg2 > 12)
		e += 0x80;
	if (!(g->flags & PT_DIRTY))
		e += permitted & PT_WRITE ? 0x60 : 0x20;
	return e;
}

/* PWT 3, PCD 4, G 8; the PAT as it is after reset: 2 (PCD) is UC-, 3 (both) UC. */
static bool attributes(const struct geometry *g, uint64_t *e, int permitted)
{
	if (permitted & PT_NOEXEC)
		*e += 1ull << 63;
	if (permitted & PT_PRIVILEGED)
		*e -= 0x4;
	if (permitted & PT_MMIO)
		*e += 0x18;
	else if (permitted & PT_UNCACHED)
		*e += 0x10;
	if (permitted & PT_GLOBAL)
		*e += 0x100;
	return true;
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	struct naive_entry n = {.kind = NAIVE_LEAF,
				.pa = e & 0x000ffffffffff000ull,
				.lg2 = 12 + 9 * level,
				.prot = e & 2 ? 3 : 1,
				.accessed = e & 0x20,
				.dirty = e & 0x40};

	if (!(e & 1))
		n.kind = NAIVE_EMPTY;
	else if (e & 0xfff0000000000f18ull || !(e & 4))
		/* What no leaf or table of ours carries. */
		n.kind = NAIVE_INVALID;
	else if (level && !(e & 0x80))
		n.kind = (e & 0xfff) == 0x27 ? NAIVE_TABLE : NAIVE_INVALID;
	else if (level > 2 || !(e & 0x80) != !level)
		n.kind = NAIVE_INVALID;
	return n;
}

static const struct naive_bad bad[] = {
	{0x1, 0, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{0x2000, 0, PT_IN_BLOCK, 1, PT_FAULT_RESERVED},
	{0x80, 0, PT_IN_TABLE, 3, PT_FAULT_RESERVED},
	{0},
};

const struct naive_format naive_x86 = {
	.dirty = true,
	.prot = prot,
	.table = table,
	.leaf = leaf,
	.attributes = attributes,
	.decode = decode,
	.bad = bad,
	.flags = 0x60,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POWER TCEs (LoPAPR): bits 0:51 the page, 62:63 00 nothing, 01 read, 11 read and write. All tables
 * are of one size.
 */
#include "naive.h"

static unsigned int page_lg2(const struct geometry *g)
{
	if (g->ops == &pt_power_4k)
		return 12;
	if (g->ops == &pt_power_64k)
		return 16;
	return g->ops == &pt_power_2m ? 21 : 24;
}

/* So many entries of every table as the levels need for the window, 512 at least. */
static unsigned int entries_lg2(const struct geometry *g)
{
	unsigned int lg2 = 9;

	while (g->ias && page_lg2(g) + lg2 * g->levels < g->ias)
		lg2++;
	return lg2;
}

static unsigned int shift(const struct geometry *g, unsigned int level)
{
	return page_lg2(g) + entries_lg2(g) * level;
}

static unsigned int index_bits(const struct geometry *g, unsigned int level)
{
	return entries_lg2(g);
}

static int prot(int wanted)
{
	return wanted ? wanted | PT_READ : -1;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return pa + 3;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	return pa + (permitted & PT_WRITE ? 3 : 1);
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	struct naive_entry n = {.kind = level ? NAIVE_TABLE : NAIVE_LEAF,
				.pa = e & ~3ull,
				.lg2 = page_lg2(g),
				.prot = e & 3};

	if (!(e & 3))
		n.kind = e ? NAIVE_INVALID : NAIVE_EMPTY;
	else if (n.pa % (level ? 4096 : 1ull << n.lg2) || (level && n.prot != 3))
		n.kind = NAIVE_INVALID;
	return n;
}

static const struct naive_bad bad[] = {
	{0, 0x3, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{0},
};

const struct naive_format naive_power = {
	.big_endian = true,
	.shift = shift,
	.index_bits = index_bits,
	.prot = prot,
	.table = table,
	.leaf = leaf,
	.decode = decode,
	.bad = bad,
};

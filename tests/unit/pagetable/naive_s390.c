/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * s390 zPCI tables (SA22-7832, "translation tables"), by the architecture's own numbering: bit 0 is
 * the highest. Page table: I 53, P 54, 256 entries. Segment table: FC 53, P 54, I 58, TT 60:61 = 0.
 * Region tables: P 54, TF 56:57, I 58, TT 60:61 = 1 for third, 2 for second, 3 for first, TL 62:63.
 */
#include "naive.h"

#define AT(bit) (1ull << (63 - (bit)))

static unsigned int shift(const struct geometry *g, unsigned int level)
{
	static const unsigned int shifts[] = {12, 20, 31, 42, 53};

	return shifts[level];
}

static unsigned int index_bits(const struct geometry *g, unsigned int level)
{
	return level ? 11 : 8;
}

static int prot(int wanted)
{
	return wanted | PT_READ;
}

static uint64_t empty(const struct geometry *g, unsigned int level)
{
	return level ? AT(58) : AT(53);
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	static const uint64_t types[] = {0, 0, AT(61), AT(60), AT(60) + AT(61)};

	return pa + types[level] + (level > 1 ? AT(62) + AT(63) : 0);
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	return pa + (permitted & PT_WRITE ? 0 : AT(54)) + (level ? AT(53) : 0);
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	struct naive_entry n = {.prot = e & AT(54) ? 1 : 3};
	uint64_t align = level > 1 ? 1 << 14 : 1 << 11;

	if (e & (level ? AT(58) : AT(53))) {
		n.kind = NAIVE_EMPTY;
		return n;
	}
	if (!level || (level == 1 && e & AT(53))) {
		n.kind = NAIVE_LEAF;
		n.lg2 = level ? 20 : 12;
		n.pa = e & ~(e % (1ull << n.lg2));
		if (e - n.pa - (n.prot == 1 ? AT(54) : 0) != (level ? AT(53) : 0))
			n.kind = NAIVE_INVALID;
		return n;
	}
	n.kind = NAIVE_TABLE;
	n.pa = e / align * align;
	if (e != table(g, n.pa, level))
		n.kind = NAIVE_INVALID;
	return n;
}

static const struct naive_bad bad[] = {
	{AT(53), 0, PT_IN_PAGE, 0, PT_FAULT_ABSENT},
	{AT(58), 0, PT_IN_TABLE | PT_IN_BLOCK, 1, PT_FAULT_ABSENT},
	{AT(52), 0, PT_IN_PAGE, 0, PT_FAULT_RESERVED},
	{AT(61), 0, PT_IN_TABLE | PT_IN_BLOCK, 1, PT_FAULT_RESERVED},
	{AT(56) + AT(57) + AT(62) + AT(63), 0, PT_IN_TABLE, 2, PT_FAULT_RESERVED},
	/* Of the next table only the second and third quarters: not where the test looks. */
	{AT(57) + AT(63), 0, PT_IN_TABLE, 2, PT_FAULT_ABSENT},
	{0},
};

const struct naive_format naive_s390 = {
	.big_endian = true,
	.shift = shift,
	.index_bits = index_bits,
	.prot = prot,
	.empty = empty,
	.table = table,
	.leaf = leaf,
	.decode = decode,
	.bad = bad,
};

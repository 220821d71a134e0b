/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm VMSAv8-64 (DDI 0487 J.a, D8.3, tables D8-47 to D8-53 of the descriptors' fields). Leaves are
 * Normal write-back, inner shareable, executable, of the unprivileged and not global. Where nobody
 * tracks dirty pages AF is set from the start; else it is clear, and what can be written has DBM
 * and is read-only until it is dirty.
 */
#include "naive.h"

struct regime {
	const struct pt_ops *ops;
	unsigned int stage, page, bits; /* bits of addresses */
};

static struct regime regime(const struct geometry *g)
{
	const struct regime all[] = {
		{&pt_arm64_s1_4k, 1, 12, 48},	  {&pt_arm64_s1_16k, 1, 14, 48},
		{&pt_arm64_s1_64k, 1, 16, 52},	  {&pt_arm64_s1_4k_ds, 1, 12, 52},
		{&pt_arm64_s1_16k_ds, 1, 14, 52}, {&pt_arm64_s2_4k, 2, 12, 48},
		{&pt_arm64_s2_16k, 2, 14, 48},	  {&pt_arm64_s2_64k, 2, 16, 52},
		{&pt_arm64_s2_4k_ds, 2, 12, 52},  {&pt_arm64_s2_16k_ds, 2, 14, 52},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].ops == g->ops)
			return all[i];
	}
	return all[0];
}

static bool is_ds(struct regime r)
{
	return r.page < 16 && r.bits == 52;
}

static unsigned int shift(const struct geometry *g, unsigned int level)
{
	unsigned int page = regime(g).page;

	return page + level * (page - 3);
}

/* A root has as many entries as the input takes, if that says more than its level: stage 2's
 * concatenated tables. */
static unsigned int index_bits(const struct geometry *g, unsigned int level)
{
	struct regime r = regime(g);
	unsigned int ias = g->ias, most = r.page - 3;

	if (level < g->levels - 1)
		return most;
	if (r.stage == 2)
		most += 4;
	if (!ias)
		ias = r.bits;
	return ias - shift(g, level) < most ? ias - shift(g, level) : most;
}

static int prot_s1(int wanted)
{
	return wanted ? wanted | PT_READ : -1;
}

static int prot_s2(int wanted)
{
	return wanted ? wanted : -1;
}

static uint64_t address(struct regime r, uint64_t pa)
{
	uint64_t above48 = pa >> 48, above50 = pa >> 50;

	if (r.page == 16)
		return pa - (above48 << 48) + (above48 << 12);
	if (is_ds(r))
		return pa - (above50 << 50) + (above50 << 8);
	return pa;
}

static uint64_t pa_of(struct regime r, uint64_t e)
{
	uint64_t pa = e & 0x0000fffffffff000ull;

	if (r.page == 16)
		return (pa & ~0xf000ull) + ((e >> 12) % 16 << 48);
	if (is_ds(r))
		return (e & 0x0003fffffffff000ull) + ((e >> 8) % 4 << 50);
	return pa;
}

/* Table D8-94: 16 entries of 4 KiB and up, 128 of 16 KiB, 32 of others. */
static unsigned int contiguous(struct regime r, unsigned int level)
{
	if (r.page == 12)
		return 4;
	return r.page == 14 && level == 0 ? 7 : 5;
}

static uint64_t table(const struct geometry *g, uint64_t pa, unsigned int level)
{
	return address(regime(g), pa) + 3;
}

static uint64_t leaf(const struct geometry *g, uint64_t pa, unsigned int lg2, int permitted,
		     unsigned int level)
{
	struct regime r = regime(g);
	uint64_t e = address(r, pa) + (level ? 1 : 3);

	if (r.stage == 1)
		/* nG, AttrIndx 1, AP[1] */
		e += 0x800 + 0x4 + 0x40;
	else
		e += (g->flags & PT_S2FWB ? 0x6 : 0xf) << 2;
	if (!is_ds(r))
		e += 3 << 8;
	if (lg2 != shift(g, level))
		e += 1ull << 52;
	if (!(g->flags & PT_DIRTY))
		e += 1 << 10;
	else if (permitted & PT_WRITE)
		e += 1ull << 51;
	if (r.stage == 1 && (!(permitted & PT_WRITE) || g->flags & PT_DIRTY))
		e += 0x80;
	if (r.stage == 2) {
		e += permitted & PT_READ ? 0x40 : 0;
		e += permitted & PT_WRITE && !(g->flags & PT_DIRTY) ? 0x80 : 0;
	}
	return e;
}

/* Stage 1: AttrIndx 2 is device memory, 0 not cached; XNs, AP[1], nG. Stage 2: MemAttr 1 and 5; XN.
 * Neither is shared inside only: SH 2. */
static bool attributes(const struct geometry *g, uint64_t *e, int permitted)
{
	struct regime r = regime(g);
	bool device = permitted & PT_MMIO, other = device || permitted & PT_UNCACHED;

	if (r.stage == 2 && permitted & (PT_PRIVILEGED | PT_GLOBAL))
		return false;
	if (other && !is_ds(r))
		*e -= 1 << 8;
	if (other && r.stage == 1)
		*e += device ? 0x4 : -0x4ull;
	if (other && r.stage == 2)
		*e = (*e & ~0x3cull) + (device ? 0x4 : 0x14);
	if (permitted & PT_NOEXEC)
		*e += r.stage == 1 ? 3ull << 53 : 1ull << 54;
	if (permitted & PT_PRIVILEGED)
		*e -= 0x40;
	if (permitted & PT_GLOBAL)
		*e -= 0x800;
	return true;
}

static bool dbm(uint64_t e)
{
	return (e >> 51) % 2;
}

static void decode_s1(const struct geometry *g, uint64_t e, struct naive_entry *n)
{
	bool read_only = e & 0x80;

	n->prot = PT_READ | (dbm(e) || !read_only ? PT_WRITE : 0);
	n->dirty = dbm(e) && !read_only;
	if ((e & 0x87c) != 0x844)
		n->kind = NAIVE_INVALID;
	if (g->flags & PT_DIRTY ? !dbm(e) && !read_only : dbm(e))
		n->kind = NAIVE_INVALID;
}

static void decode_s2(const struct geometry *g, uint64_t e, struct naive_entry *n)
{
	bool writes = e & 0x80;

	n->prot = (e & 0x40 ? PT_READ : 0) | (dbm(e) || writes ? PT_WRITE : 0);
	n->dirty = dbm(e) && writes;
	if ((e & 0x83c) != (g->flags & PT_S2FWB ? 0x18 : 0x3c))
		n->kind = NAIVE_INVALID;
	if (g->flags & PT_DIRTY ? !dbm(e) && writes : dbm(e))
		n->kind = NAIVE_INVALID;
}

static struct naive_entry decode(const struct geometry *g, uint64_t e, unsigned int level)
{
	struct regime r = regime(g);
	struct naive_entry n = {.pa = pa_of(r, e), .lg2 = shift(g, level), .accessed = e & 0x400};

	if (!(e & 1))
		return n;
	if (e & 0xffe0000000000000ull) {
		n.kind = NAIVE_INVALID;
	} else if (level && e & 2) {
		n.kind = e == table(g, n.pa, level) ? NAIVE_TABLE : NAIVE_INVALID;
	} else {
		n.kind = !level && !(e & 2) ? NAIVE_INVALID : NAIVE_LEAF;
		if ((e >> 52) % 2)
			n.lg2 += contiguous(r, level);
		n.pa -= n.pa % (1ull << n.lg2);
		if (!is_ds(r) && (e >> 8) % 4 != 3)
			n.kind = NAIVE_INVALID;
		if (r.stage == 1)
			decode_s1(g, e, &n);
		else
			decode_s2(g, e, &n);
	}
	return n;
}

/* Invalid; and type 1, which is none of the last level's. */
static const struct naive_bad bad[] = {
	{0x1, 0, PT_IN_ALL, 0, PT_FAULT_ABSENT},
	{0x2, 0, PT_IN_PAGE, 0, PT_FAULT_ABSENT},
	{0},
};

#define FORMAT(number)                                                                             \
	const struct naive_format naive_arm64_s##number = {                                        \
		.dirty = true,                                                                     \
		.run_steps = true,                                                                 \
		.shift = shift,                                                                    \
		.index_bits = index_bits,                                                          \
		.prot = prot_s##number,                                                            \
		.table = table,                                                                    \
		.leaf = leaf,                                                                      \
		.attributes = attributes,                                                          \
		.decode = decode,                                                                  \
		.bad = bad,                                                                        \
		.flags = 0x480,                                                                    \
	}

FORMAT(1);
FORMAT(2);

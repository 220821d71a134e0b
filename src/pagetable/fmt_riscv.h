/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RISC-V tables Sv39, Sv48 and Sv57, and their second-stage (G-stage) forms Sv39x4, Sv48x4 and
 * Sv57x4 (Privileged Architecture, 20240411, 11.4 to 11.6 and 18.5; RISC-V IOMMU 1.0): 3 to 5
 * levels of 512 entries; a leaf of each level's size, and with Svnapot of 64 KiB at level 0: 16
 * equal entries. A second stage's root has 2048 entries and its input is not sign-extended.
 *
 * There is no write-only. As Linux does, A is set from the start, and D in writable leaves: but not
 * in a table with PT_DIRTY, where hardware sets them (Svadu).
 */
#ifndef IOAS_PAGETABLE_FMT_RISCV_H
#define IOAS_PAGETABLE_FMT_RISCV_H

#include "pagetable/walk.h"

#define RISCV_V	       BIT(0)
#define RISCV_R	       BIT(1)
#define RISCV_W	       BIT(2)
#define RISCV_X	       BIT(3)
#define RISCV_U	       BIT(4)
#define RISCV_G	       BIT(5)
#define RISCV_A	       BIT(6)
#define RISCV_D	       BIT(7)
#define RISCV_RSW      FIELD(9, 8)
#define RISCV_PPN      FIELD(53, 10)
#define RISCV_RESERVED FIELD(60, 54)
#define RISCV_PBMT     FIELD(62, 61) /* Svpbmt */
#define RISCV_PBMT_NC  BIT(61)
#define RISCV_PBMT_IO  BIT(62)
#define RISCV_N	       BIT(63) /* Svnapot */

/* Svnapot: the low bits of the PPN say the size; only 64 KiB is defined. */
#define RISCV_NAPOT	FIELD(13, 10)
#define RISCV_NAPOT_64K BIT(13)

enum { RISCV_PAGE_LG2 = 12, RISCV_INDEX_LG2 = 9, RISCV_NAPOT_LG2 = 16, RISCV_X4_LG2 = 2 };

static inline uint64_t riscv_ppn(uint64_t pa)
{
	return pa >> 2;
}

static inline bool riscv_present(uint64_t e)
{
	return e & RISCV_V;
}

static inline bool riscv_is_table(uint64_t e, unsigned int level)
{
	return level && (e & (RISCV_V | RISCV_R | RISCV_W | RISCV_X)) == RISCV_V;
}

static inline uint64_t riscv_table_pa(uint64_t e)
{
	return (e & RISCV_PPN) << 2;
}

static inline unsigned int riscv_leaf_lg2(uint64_t e, unsigned int level)
{
	return e & RISCV_N ? RISCV_NAPOT_LG2 : RISCV_PAGE_LG2 + level * RISCV_INDEX_LG2;
}

static inline uint64_t riscv_leaf_pa(uint64_t e, unsigned int level)
{
	return riscv_table_pa(e) & ~MASK(riscv_leaf_lg2(e, level));
}

static inline int riscv_prot(uint64_t e)
{
	int prot = 0;

	if (e & RISCV_R)
		prot |= PT_READ;
	if (e & RISCV_W)
		prot |= PT_WRITE;
	if (!(e & RISCV_X))
		prot |= PT_NOEXEC;
	if (!(e & RISCV_U))
		prot |= PT_PRIVILEGED;
	if (e & RISCV_G)
		prot |= PT_GLOBAL;
	if (e & RISCV_PBMT_IO)
		prot |= PT_MMIO;
	else if (e & RISCV_PBMT_NC)
		prot |= PT_UNCACHED;
	return prot;
}

_Static_assert(RISCV_R >> 1 == PT_READ && RISCV_W >> 1 == PT_WRITE, "shifted into place");

static inline int riscv_access(uint64_t e)
{
	return (int)(e >> 1) & (PT_READ | PT_WRITE);
}

static inline bool riscv_accessed(uint64_t e)
{
	return e & RISCV_A;
}

static inline bool riscv_dirty(uint64_t e)
{
	return e & RISCV_D;
}

static inline uint64_t riscv_mark(uint64_t e, bool dirty)
{
	return e | RISCV_A | (dirty ? RISCV_D : 0);
}

static inline uint64_t riscv_clean(uint64_t e)
{
	return e & ~RISCV_D;
}

static inline bool riscv_s1_expressible(int prot)
{
	return prot & (PT_READ | PT_WRITE);
}

/* 18.5.1: accesses by a second stage are checked as the unprivileged's. */
static inline bool riscv_s2_expressible(int prot)
{
	return riscv_s1_expressible(prot) && !(prot & (PT_PRIVILEGED | PT_GLOBAL));
}

static inline uint64_t riscv_make_table(uint64_t pa, unsigned int level)
{
	return riscv_ppn(pa) | RISCV_V;
}

static inline uint64_t riscv_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	uint64_t e = riscv_ppn(pa) | RISCV_V | RISCV_R;

	if (prot & PT_WRITE)
		e |= RISCV_W;
	if (!(prot & PT_NOEXEC))
		e |= RISCV_X;
	if (!(prot & PT_PRIVILEGED))
		e |= RISCV_U;
	if (prot & PT_GLOBAL)
		e |= RISCV_G;
	if (lg2 == RISCV_NAPOT_LG2)
		e |= RISCV_N | RISCV_NAPOT_64K;
	return e;
}

/* leaf_bits: A, and the memory types that may be said. */
static inline uint64_t riscv_bits(const struct pt *pt, int prot)
{
	uint64_t bits = pt->leaf_bits & RISCV_A;

	if (prot & PT_WRITE)
		bits |= pt->write_bits;
	if (prot & PT_MMIO)
		bits |= pt->leaf_bits & RISCV_PBMT_IO;
	else if (prot & PT_UNCACHED)
		bits |= pt->leaf_bits & RISCV_PBMT_NC;
	return bits;
}

/* 11.4.2, 11.3.2 step 3 to 5; 12 (Svnapot), 13 (Svpbmt). What a table must not have set is
 * reserved. */
static inline struct pt_entry riscv_decode(const struct pt_regime *r, uint64_t raw,
					   unsigned int level)
{
	struct pt_entry e = {.pa = riscv_table_pa(raw), .may = PT_MAY_ALL};
	uint64_t pbmt = raw & RISCV_PBMT;

	if (!riscv_present(raw)) {
		e.fault = PT_FAULT_ABSENT;
	} else if ((raw & (RISCV_R | RISCV_W)) == RISCV_W || raw & RISCV_RESERVED) {
		e.fault = PT_FAULT_RESERVED;
	} else if (!(raw & (RISCV_R | RISCV_W | RISCV_X))) {
		e.kind = PT_STEP_TABLE;
		if (!level || raw & (RISCV_D | RISCV_A | RISCV_U | RISCV_PBMT | RISCV_N))
			e.fault = PT_FAULT_RESERVED;
	} else {
		e.kind = PT_STEP_LEAF;
		e.lg2 = (uint8_t)riscv_leaf_lg2(raw, level);
		e.may = (uint8_t)(raw & RISCV_R ? PT_MAY_READ : 0);
		e.may |= raw & RISCV_W ? PT_MAY_WRITE : 0;
		e.may |= raw & RISCV_X ? PT_MAY_EXEC | PT_MAY_PRIVILEGED_EXEC : 0;
		e.may |= raw & RISCV_U ? PT_MAY_UNPRIVILEGED : 0;
		e.memory = (uint8_t)(pbmt >> 61);
		e.global = raw & RISCV_G;
		e.accessed = riscv_accessed(raw);
		e.dirty = riscv_dirty(raw);
		if (raw & RISCV_N && !level && (raw & RISCV_NAPOT) == RISCV_NAPOT_64K)
			e.pa &= ~MASK(RISCV_NAPOT_LG2);
		else if (raw & RISCV_N)
			e.fault = PT_FAULT_RESERVED;
		if (pbmt == RISCV_PBMT || (pbmt && !(r->flags & PT_SVPBMT)))
			e.fault = PT_FAULT_RESERVED;
		if (!e.fault && e.pa & MASK(e.lg2))
			e.fault = PT_FAULT_ALIGN;
		if (!e.fault && !e.accessed && !(r->flags & PT_WALK_ACCESSED))
			e.fault = PT_FAULT_ACCESSED;
	}
	return e;
}

static const struct pt_field riscv_fields[] = {
	{"V", RISCV_V, PT_IN_ALL},
	{"R", RISCV_R, PT_IN_LEAF},
	{"W", RISCV_W, PT_IN_LEAF},
	{"X", RISCV_X, PT_IN_LEAF},
	{"U", RISCV_U, PT_IN_LEAF},
	{"G", RISCV_G, PT_IN_ALL},
	{"A", RISCV_A, PT_IN_LEAF},
	{"D", RISCV_D, PT_IN_LEAF},
	{"RSW", RISCV_RSW, PT_IN_ALL},
	{"PPN", RISCV_PPN, PT_IN_ALL},
	{"PBMT", RISCV_PBMT, PT_IN_LEAF},
	{"N", RISCV_N, PT_IN_LEAF},
	{NULL, 0, 0},
};

#define RISCV_FORMAT(stage, extended, wide)                                                        \
	static const struct pt_format riscv_##stage##_format = {                                   \
		.page_lg2 = RISCV_PAGE_LG2,                                                        \
		.index_lg2 = RISCV_INDEX_LG2,                                                      \
		.max_levels = 5,                                                                   \
		.wide_root = wide,                                                                 \
		.sign_extended = extended,                                                         \
		.runs = true,                                                                      \
		.linear = true,                                                                    \
		.pa_right = 2,                                                                     \
		.present = riscv_present,                                                          \
		.is_table = riscv_is_table,                                                        \
		.table_pa = riscv_table_pa,                                                        \
		.leaf_lg2 = riscv_leaf_lg2,                                                        \
		.leaf_pa = riscv_leaf_pa,                                                          \
		.prot = riscv_prot,                                                                \
		.access = riscv_access,                                                            \
		.accessed = riscv_accessed,                                                        \
		.dirty = riscv_dirty,                                                              \
		.mark = riscv_mark,                                                                \
		.clean = riscv_clean,                                                              \
		.expressible = riscv_##stage##_expressible,                                        \
		.make_table = riscv_make_table,                                                    \
		.make_leaf = riscv_make_leaf,                                                      \
		.bits = riscv_bits,                                                                \
		.decode = riscv_decode,                                                            \
	}

RISCV_FORMAT(s1, true, false);
RISCV_FORMAT(s2, false, true);

/* Of every level, and of Svnapot. */
#define RISCV_SIZES (BIT(12) | BIT(16) | BIT(21) | BIT(30) | BIT(39) | BIT(48))

static inline void riscv_configure(struct pt *pt, unsigned int flags)
{
	if (flags & PT_SVPBMT)
		pt->leaf_bits |= RISCV_PBMT;
	if (flags & PT_DIRTY)
		return;
	pt->leaf_bits |= RISCV_A;
	pt->write_bits |= RISCV_D;
}

#endif

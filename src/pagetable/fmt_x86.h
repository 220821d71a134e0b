/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * x86-64 page tables of 4 or 5 levels as IOMMUs walk them: what guest tables of AMD's (48882
 * revision 3.08, section 2.2.6) and first-stage tables of Intel's (D51397 revision 4.1, section
 * 9.7) have in common. 512 entries; 4 KiB, 2 MiB and 1 GiB leaves. What is present can be read.
 *
 * A memory type is an index into the PAT: PWT is its bit 0, PCD bit 1, and PAT bit 2; with the PAT
 * as it is after reset 0 is write-back, 2 weakly uncacheable, 3 uncacheable.
 */
#ifndef IOAS_PAGETABLE_FMT_X86_H
#define IOAS_PAGETABLE_FMT_X86_H

#include "pagetable/walk.h"

#define X86_P	      BIT(0)
#define X86_RW	      BIT(1)
#define X86_US	      BIT(2) /* unprivileged requests may */
#define X86_PWT	      BIT(3)
#define X86_PCD	      BIT(4)
#define X86_A	      BIT(5)
#define X86_D	      BIT(6)
#define X86_PS	      BIT(7) /* a leaf above the lowest level */
#define X86_PAT_4K    BIT(7)
#define X86_G	      BIT(8)
#define X86_PAT_LARGE BIT(12)
#define X86_ADDR      FIELD(51, 12)
#define X86_XD	      BIT(63)

_Static_assert(X86_RW == PT_WRITE, "copied as it is");

enum { X86_PAGE_LG2 = 12, X86_INDEX_LG2 = 9, X86_LEAF_LEVELS = 3 };

static inline bool x86_present(uint64_t e)
{
	return e & X86_P;
}

static inline bool x86_is_table(uint64_t e, unsigned int level)
{
	return level && x86_present(e) && !(e & X86_PS);
}

static inline uint64_t x86_table_pa(uint64_t e)
{
	return e & X86_ADDR;
}

static inline unsigned int x86_leaf_lg2(uint64_t e, unsigned int level)
{
	return X86_PAGE_LG2 + level * X86_INDEX_LG2;
}

static inline uint64_t x86_leaf_pa(uint64_t e, unsigned int level)
{
	return e & X86_ADDR & ~MASK(x86_leaf_lg2(e, level));
}

static inline int x86_prot(uint64_t e)
{
	int prot = PT_READ;

	if (e & X86_RW)
		prot |= PT_WRITE;
	if (e & X86_XD)
		prot |= PT_NOEXEC;
	if (!(e & X86_US))
		prot |= PT_PRIVILEGED;
	if (e & X86_PCD)
		prot |= e & X86_PWT ? PT_MMIO : PT_UNCACHED;
	if (e & X86_G)
		prot |= PT_GLOBAL;
	return prot;
}

static inline int x86_access(uint64_t e)
{
	return PT_READ | (int)(e & X86_RW);
}

static inline bool x86_accessed(uint64_t e)
{
	return e & X86_A;
}

static inline bool x86_dirty(uint64_t e)
{
	return e & X86_D;
}

static inline uint64_t x86_mark(uint64_t e, bool dirty)
{
	return e | X86_A | (dirty ? X86_D : 0);
}

static inline uint64_t x86_clean(uint64_t e)
{
	return e & ~X86_D;
}

static inline bool x86_expressible(int prot)
{
	return true;
}

static inline uint64_t x86_make_table(uint64_t pa, unsigned int level)
{
	return pa | X86_P | X86_RW | X86_US | X86_A;
}

static inline uint64_t x86_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	uint64_t e = pa | X86_P | (level ? X86_PS : 0);

	if (prot & PT_WRITE)
		e |= X86_RW;
	if (prot & PT_NOEXEC)
		e |= X86_XD;
	if (!(prot & PT_PRIVILEGED))
		e |= X86_US;
	if (prot & (PT_MMIO | PT_UNCACHED))
		e |= X86_PCD | (prot & PT_MMIO ? X86_PWT : 0);
	if (prot & PT_GLOBAL)
		e |= X86_G;
	return e;
}

/*
 * Flags that nobody reads are set from the beginning, as Linux does, so that hardware need not set
 * them.
 */
static inline void x86_configure(struct pt *pt, unsigned int flags)
{
	if (flags & PT_DIRTY)
		return;
	pt->leaf_bits |= X86_A;
	pt->write_bits |= X86_D;
}

static inline uint64_t x86_bits(const struct pt *pt, int prot)
{
	return pt->leaf_bits | (prot & PT_WRITE ? pt->write_bits : 0);
}

/*
 * Of whatever @raw: PS where no leaf may be, a large leaf's low address bits but for PAT, and XD
 * where execution is not controlled are reserved.
 */
static inline struct pt_entry x86_decode(const struct pt_regime *r, uint64_t raw,
					 unsigned int level)
{
	struct pt_entry e = {.pa = raw & X86_ADDR,
			     .may = PT_MAY_READ,
			     .accessed = x86_accessed(raw),
			     .global = raw & X86_G};

	if (raw & X86_RW)
		e.may |= PT_MAY_WRITE;
	if (!(raw & X86_XD))
		e.may |= PT_MAY_EXEC | PT_MAY_PRIVILEGED_EXEC;
	if (raw & X86_US)
		e.may |= PT_MAY_UNPRIVILEGED;
	if (!x86_present(raw)) {
		e.fault = PT_FAULT_ABSENT;
	} else if (raw & X86_XD && !(r->flags & PT_WALK_NX)) {
		e.fault = PT_FAULT_RESERVED;
	} else if (x86_is_table(raw, level)) {
		e.kind = PT_STEP_TABLE;
	} else {
		e.kind = PT_STEP_LEAF;
		e.dirty = x86_dirty(raw);
		e.lg2 = (uint8_t)x86_leaf_lg2(raw, level);
		e.memory = (uint8_t)((raw & (X86_PWT | X86_PCD)) >> 3);
		if (raw & (level ? X86_PAT_LARGE : X86_PAT_4K))
			e.memory |= BIT(2);
		if (level >= X86_LEAF_LEVELS || (level && e.pa & MASK(e.lg2) & ~X86_PAT_LARGE))
			e.fault = PT_FAULT_RESERVED;
		e.pa &= ~MASK(e.lg2);
	}
	return e;
}

#define X86_FIELDS                                                                                 \
	{"P", X86_P, PT_IN_ALL}, {"RW", X86_RW, PT_IN_ALL}, {"US", X86_US, PT_IN_ALL},             \
		{"PWT", X86_PWT, PT_IN_ALL}, {"PCD", X86_PCD, PT_IN_ALL}, {"A", X86_A, PT_IN_ALL}, \
		{"D", X86_D, PT_IN_LEAF}, {"PS", X86_PS, PT_IN_BLOCK},                             \
		{"PAT", X86_PAT_4K, PT_IN_PAGE}, {"PAT", X86_PAT_LARGE, PT_IN_BLOCK},              \
		{"G", X86_G, PT_IN_LEAF}, {"XD", X86_XD, PT_IN_ALL},                               \
	{                                                                                          \
		"ADDR", X86_ADDR, PT_IN_ALL                                                        \
	}

#endif

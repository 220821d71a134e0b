/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POWER translation control entries (LoPAPR, "TCE definition"; IODA2 and IODA3 of POWER8 and later,
 * where a window's TVE says how many levels of what size there are, and the size of its pages).
 * Big-endian.
 *
 * All leaves of a table are of one size, hence a format for each: 4 KiB, 64 KiB, 2 MiB, 16 MiB.
 * 1 to 5 levels, whose tables are all of one size: as large as they must be for the window (as
 * Linux makes them, arch/powerpc/platforms/powernv), 4 KiB at least, the smallest that hardware
 * knows (a TVE's table size of 1), 128 MiB at most. The two lowest bits permit reading and writing;
 * without either an entry is not there. An indirect entry has the next table's address and both
 * bits. Nothing but the level tells it from a leaf. There are neither accessed nor dirty flags.
 */
#ifndef IOAS_PAGETABLE_FMT_POWER_H
#define IOAS_PAGETABLE_FMT_POWER_H

#include "pagetable/walk.h"

#define POWER_READ  BIT(0)
#define POWER_WRITE BIT(1)
#define POWER_RPN   FIELD(63, 12)

enum { POWER_INDEX_LG2 = 9, POWER_MAX_INDEX_LG2 = 24 };

_Static_assert(POWER_READ == PT_READ && POWER_WRITE == PT_WRITE,
	       "permissions are copied as they are");

static inline bool power_present(uint64_t e)
{
	return e & (POWER_READ | POWER_WRITE);
}

static inline bool power_is_table(uint64_t e, unsigned int level)
{
	return level && power_present(e);
}

static inline uint64_t power_table_pa(uint64_t e)
{
	return e & POWER_RPN;
}

static inline int power_prot(uint64_t e)
{
	return e & (POWER_READ | POWER_WRITE);
}

static inline bool power_no_flag(uint64_t e)
{
	return false;
}

static inline uint64_t power_mark(uint64_t e, bool dirty)
{
	return e;
}

static inline uint64_t power_clean(uint64_t e)
{
	return e;
}

/* Without either permission an entry is not present. */
static inline bool power_expressible(int prot)
{
	return prot & (PT_READ | PT_WRITE);
}

static inline uint64_t power_make_table(uint64_t pa, unsigned int level)
{
	return pa | POWER_READ | POWER_WRITE;
}

/* As Linux does, what may be written may be read. */
static inline uint64_t power_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot)
{
	return pa | POWER_READ | (prot & PT_WRITE ? POWER_WRITE : 0);
}

static inline struct pt_entry power_decode_page(uint64_t raw, unsigned int level,
						unsigned int page_lg2)
{
	struct pt_entry e = {.pa = raw & POWER_RPN,
			     .may = (uint8_t)(power_prot(raw) | (PT_MAY_ALL & ~3))};

	if (!power_present(raw)) {
		e.fault = PT_FAULT_ABSENT;
	} else if (level) {
		e.kind = PT_STEP_TABLE;
		e.may = PT_MAY_ALL; /* the leaf decides */
	} else {
		e.kind = PT_STEP_LEAF;
		e.lg2 = (uint8_t)page_lg2;
		e.pa &= ~MASK(page_lg2); /* not looked at */
	}
	return e;
}

static const struct pt_field power_fields[] = {
	{"R", POWER_READ, PT_IN_ALL},
	{"W", POWER_WRITE, PT_IN_ALL},
	{"RPN", POWER_RPN, PT_IN_ALL},
	{NULL, 0, 0},
};

/* The format NAME_format of pages of 2^lg2 bytes. */
#define POWER_FORMAT(name, lg2)                                                                    \
	static inline unsigned int name##_leaf_lg2(uint64_t e, unsigned int level)                 \
	{                                                                                          \
		return lg2;                                                                        \
	}                                                                                          \
	static inline uint64_t name##_leaf_pa(uint64_t e, unsigned int level)                      \
	{                                                                                          \
		return e & POWER_RPN & ~MASK(lg2);                                                 \
	}                                                                                          \
	static inline struct pt_entry name##_decode(const struct pt_regime *r, uint64_t raw,       \
						    unsigned int level)                            \
	{                                                                                          \
		return power_decode_page(raw, level, lg2);                                         \
	}                                                                                          \
	static const struct pt_format name##_format = {                                            \
		.page_lg2 = lg2,                                                                   \
		.index_lg2 = POWER_INDEX_LG2,                                                      \
		.max_levels = 5,                                                                   \
		.big_endian = true,                                                                \
		.linear = true,                                                                    \
		.present = power_present,                                                          \
		.is_table = power_is_table,                                                        \
		.table_pa = power_table_pa,                                                        \
		.leaf_lg2 = name##_leaf_lg2,                                                       \
		.leaf_pa = name##_leaf_pa,                                                         \
		.prot = power_prot,                                                                \
		.accessed = power_no_flag,                                                         \
		.dirty = power_no_flag,                                                            \
		.mark = power_mark,                                                                \
		.clean = power_clean,                                                              \
		.expressible = power_expressible,                                                  \
		.make_table = power_make_table,                                                    \
		.make_leaf = power_make_leaf,                                                      \
		.decode = name##_decode,                                                           \
	}

POWER_FORMAT(power_4k, 12);
POWER_FORMAT(power_64k, 16);
POWER_FORMAT(power_2m, 21);
POWER_FORMAT(power_16m, 24);

#endif

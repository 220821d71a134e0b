/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm's VMSAv8-64 tables, stage 1 and stage 2, as SMMUv3 walks them (DDI 0487, D8.3; IHI 0070, 3.4
 * and 3.13): granules of 4 KiB, 16 KiB and 64 KiB. What Arm calls level 3 is level 0 here.
 *
 * Output addresses have 48 bits; with 64 KiB granules 52, bits 51:48 standing in bits 15:12
 * (FEAT_LPA); and with smaller granules and DS (FEAT_LPA2) 52, bits 51:50 standing in place of the
 * shareability. Of a contiguous leaf each entry holds its own address.
 *
 * In a table with PT_DIRTY hardware manages flags (SMMUv3's HTTU): AF begins clear, and a writable
 * leaf as writable-clean: DBM set, and bit 7 (AP[2], S2AP[1]) such that writing is not allowed yet.
 * Hardware's dirty update flips that bit (D8.5.2). Otherwise AF is set from the start.
 *
 * Stage 1 cannot express write-only.
 */
#ifndef IOAS_PAGETABLE_FMT_ARM64_H
#define IOAS_PAGETABLE_FMT_ARM64_H

#include "pagetable/walk.h"

#define ARM64_VALID	BIT(0)
#define ARM64_TYPE	BIT(1) /* a table, or a page at level 0; not a block */
#define ARM64_ATTRINDX	FIELD(4, 2)
#define ARM64_NS	BIT(5)
#define ARM64_AP_UNPRIV BIT(6) /* AP[1] */
#define ARM64_AP_RO	BIT(7) /* AP[2] */
#define ARM64_SH	FIELD(9, 8)
#define ARM64_AF	BIT(10)
#define ARM64_NG	BIT(11)
#define ARM64_OA	FIELD(47, 12)
#define ARM64_DBM	BIT(51)
#define ARM64_CONT	BIT(52)
#define ARM64_PXN	BIT(53)
#define ARM64_UXN	BIT(54)
#define ARM64_PXNTABLE	BIT(59)
#define ARM64_UXNTABLE	BIT(60)
#define ARM64_APTABLE_U BIT(61) /* APTable[0]: nothing for the unprivileged */
#define ARM64_APTABLE_R BIT(62) /* APTable[1]: no writes */
#define ARM64_NSTABLE	BIT(63)
/* Stage 2 */
#define ARM64_MEMATTR FIELD(5, 2)
#define ARM64_S2AP_R  BIT(6)
#define ARM64_S2AP_W  BIT(7)
#define ARM64_S2XN    FIELD(54, 53)

/* What a dirty update flips: AP[2] and S2AP[1] are one bit. */
#define ARM64_WRITE_FLAG BIT(7)

/* Values of AttrIndx, for the MAIR that Linux writes: its bytes 0, 1 and 2 are Normal
 * non-cacheable, Normal write-back and Device-nGnRE. */
enum { ARM64_ATTR_UNCACHED = 0, ARM64_ATTR_CACHED = 1, ARM64_ATTR_DEVICE = 2 };
/* MemAttr (D8.6.6): the same; with FWB what is cached is forced to be write-back. */
enum {
	ARM64_MEM_DEVICE = 0x1,
	ARM64_MEM_UNCACHED = 0x5,
	ARM64_MEM_FWB = 0x6,
	ARM64_MEM_CACHED = 0xf,
};
enum { ARM64_SH_OUTER = 2, ARM64_SH_INNER = 3 };

enum arm64_stage { ARM64_STAGE1, ARM64_STAGE2 };

/* Addresses. */

static inline uint64_t arm64_encode_pa(uint64_t pa, unsigned int page_lg2, bool ds)
{
	if (page_lg2 == 16)
		return (pa & FIELD(47, 16)) | (pa >> 48 & 0xf) << 12;
	if (ds)
		return (pa & FIELD(49, 12)) | (pa >> 50 & 3) << 8;
	return pa & ARM64_OA;
}

static inline uint64_t arm64_decode_pa(uint64_t e, unsigned int page_lg2, bool ds)
{
	if (page_lg2 == 16)
		return (e & FIELD(47, 16)) | (e >> 12 & 0xf) << 48;
	if (ds)
		return (e & FIELD(49, 12) & ~MASK(page_lg2)) | (e >> 8 & 3) << 50;
	return e & ARM64_OA & ~MASK(page_lg2);
}

/* Table D8-93: so many entries may be contiguous. Not of the blocks that need 52 bits. */
static inline unsigned int arm64_cont_lg2(unsigned int page_lg2, unsigned int level)
{
	if (page_lg2 == 12)
		return 4;
	return page_lg2 == 14 && !level ? 7 : 5;
}

static inline unsigned int arm64_leaf_lg2(uint64_t e, unsigned int level, unsigned int page_lg2)
{
	unsigned int lg2 = page_lg2 + level * (page_lg2 - 3);

	return e & ARM64_CONT ? lg2 + arm64_cont_lg2(page_lg2, level) : lg2;
}

/* Entries of either stage. */

static inline bool arm64_present(uint64_t e)
{
	return e & ARM64_VALID;
}

static inline bool arm64_is_table(uint64_t e, unsigned int level)
{
	return level && (e & (ARM64_VALID | ARM64_TYPE)) == (ARM64_VALID | ARM64_TYPE);
}

static inline bool arm64_accessed(uint64_t e)
{
	return e & ARM64_AF;
}

static inline uint64_t arm64_table(uint64_t pa, unsigned int page_lg2, bool ds)
{
	return arm64_encode_pa(pa, page_lg2, ds) | ARM64_VALID | ARM64_TYPE;
}

/* What leaves of either stage have in common. */
static inline uint64_t arm64_leaf(uint64_t pa, unsigned int level, unsigned int lg2, int prot,
				  unsigned int page_lg2, bool ds)
{
	uint64_t e = arm64_encode_pa(pa, page_lg2, ds) | ARM64_VALID;

	if (!level)
		e |= ARM64_TYPE;
	if (lg2 != page_lg2 + level * (page_lg2 - 3))
		e |= ARM64_CONT;
	if (!ds)
		e |= (uint64_t)(prot & (PT_MMIO | PT_UNCACHED) ? ARM64_SH_OUTER : ARM64_SH_INNER)
		     << 8;
	return e;
}

/* leaf_bits: AF, and what FWB changes in what is cached. */
static inline uint64_t arm64_bits(const struct pt *pt, int prot)
{
	uint64_t bits = pt->leaf_bits & (prot & (PT_MMIO | PT_UNCACHED) ? ARM64_AF : U64MAX);

	return prot & PT_WRITE ? bits ^ pt->write_bits : bits;
}

/* Stage 1. */

static inline int arm64_s1_prot(uint64_t e)
{
	uint64_t attr = (e & ARM64_ATTRINDX) >> 2;
	int prot = PT_READ;

	if (!(e & ARM64_AP_RO) || e & ARM64_DBM)
		prot |= PT_WRITE;
	if (e & ARM64_UXN)
		prot |= PT_NOEXEC;
	if (!(e & ARM64_AP_UNPRIV))
		prot |= PT_PRIVILEGED;
	if (!(e & ARM64_NG))
		prot |= PT_GLOBAL;
	if (attr == ARM64_ATTR_DEVICE)
		prot |= PT_MMIO;
	else if (attr == ARM64_ATTR_UNCACHED)
		prot |= PT_UNCACHED;
	return prot;
}

static inline int arm64_s1_access(uint64_t e)
{
	return PT_READ | (int)((~e >> 7 | e >> 51) & 1) << 1;
}

static inline bool arm64_s1_dirty(uint64_t e)
{
	return (e & (ARM64_DBM | ARM64_AP_RO)) == ARM64_DBM;
}

static inline uint64_t arm64_s1_mark(uint64_t e, bool dirty)
{
	return (dirty && e & ARM64_DBM ? e & ~ARM64_AP_RO : e) | ARM64_AF;
}

static inline uint64_t arm64_s1_clean(uint64_t e)
{
	return e & ARM64_DBM ? e | ARM64_AP_RO : e;
}

static inline bool arm64_s1_expressible(int prot)
{
	return prot & (PT_READ | PT_WRITE);
}

static inline uint64_t arm64_s1_attributes(int prot)
{
	uint64_t e = 0;

	if (prot & PT_MMIO)
		e |= ARM64_ATTR_DEVICE << 2;
	else if (!(prot & PT_UNCACHED))
		e |= ARM64_ATTR_CACHED << 2;
	if (!(prot & PT_WRITE))
		e |= ARM64_AP_RO;
	if (!(prot & PT_PRIVILEGED))
		e |= ARM64_AP_UNPRIV;
	if (!(prot & PT_GLOBAL))
		e |= ARM64_NG;
	if (prot & PT_NOEXEC)
		e |= ARM64_PXN | ARM64_UXN;
	return e;
}

/* D8.4.1: what a table leaves of what is below it. */
static inline uint8_t arm64_s1_table_may(const struct pt_regime *r, uint64_t raw)
{
	uint8_t may = PT_MAY_ALL;

	if (r->flags & PT_WALK_FLAT)
		return may;
	if (raw & ARM64_APTABLE_U)
		may &= (uint8_t)~PT_MAY_UNPRIVILEGED;
	if (raw & ARM64_APTABLE_R)
		may &= (uint8_t)~PT_MAY_WRITE;
	if (raw & ARM64_UXNTABLE)
		may &= (uint8_t)~PT_MAY_EXEC;
	if (raw & ARM64_PXNTABLE)
		may &= (uint8_t)~PT_MAY_PRIVILEGED_EXEC;
	return may;
}

static inline void arm64_s1_decode_leaf(const struct pt_regime *r, uint64_t raw, struct pt_entry *e)
{
	e->may = PT_MAY_READ;
	if (!(raw & ARM64_AP_RO) || (raw & ARM64_DBM && r->flags & PT_WALK_DIRTY))
		e->may |= PT_MAY_WRITE;
	if (raw & ARM64_AP_UNPRIV)
		e->may |= PT_MAY_UNPRIVILEGED;
	if (!(raw & ARM64_UXN))
		e->may |= PT_MAY_EXEC;
	if (!(raw & ARM64_PXN))
		e->may |= PT_MAY_PRIVILEGED_EXEC;
	e->memory = (uint8_t)((raw & ARM64_ATTRINDX) >> 2);
	e->global = !(raw & ARM64_NG);
	e->dirty = arm64_s1_dirty(raw);
}

/* Stage 2. */

static inline int arm64_s2_prot(uint64_t e)
{
	uint64_t attr = (e & ARM64_MEMATTR) >> 2;
	int prot = 0;

	if (e & ARM64_S2AP_R)
		prot |= PT_READ;
	if (e & (ARM64_S2AP_W | ARM64_DBM))
		prot |= PT_WRITE;
	if (e & ARM64_UXN)
		prot |= PT_NOEXEC;
	if (attr == ARM64_MEM_DEVICE)
		prot |= PT_MMIO;
	else if (attr == ARM64_MEM_UNCACHED)
		prot |= PT_UNCACHED;
	return prot;
}

/* S2AP is PT_READ and PT_WRITE, six bits up. */
static inline int arm64_s2_access(uint64_t e)
{
	return (int)((e >> 6 & 3) | (e >> 51 & 1) << 1);
}

static inline bool arm64_s2_dirty(uint64_t e)
{
	return (e & (ARM64_DBM | ARM64_S2AP_W)) == (ARM64_DBM | ARM64_S2AP_W);
}

static inline uint64_t arm64_s2_mark(uint64_t e, bool dirty)
{
	return (dirty && e & ARM64_DBM ? e | ARM64_S2AP_W : e) | ARM64_AF;
}

static inline uint64_t arm64_s2_clean(uint64_t e)
{
	return e & ARM64_DBM ? e & ~ARM64_S2AP_W : e;
}

static inline bool arm64_s2_expressible(int prot)
{
	return prot & (PT_READ | PT_WRITE) && !(prot & (PT_PRIVILEGED | PT_GLOBAL));
}

static inline uint64_t arm64_s2_attributes(int prot)
{
	uint64_t e = (uint64_t)ARM64_MEM_CACHED << 2;

	if (prot & PT_MMIO)
		e = (uint64_t)ARM64_MEM_DEVICE << 2;
	else if (prot & PT_UNCACHED)
		e = (uint64_t)ARM64_MEM_UNCACHED << 2;
	if (prot & PT_READ)
		e |= ARM64_S2AP_R;
	if (prot & PT_WRITE)
		e |= ARM64_S2AP_W;
	if (prot & PT_NOEXEC)
		e |= ARM64_UXN;
	return e;
}

/* XN[1:0] as with FEAT_XNX: 0 all may execute, 1 the unprivileged, 2 none, 3 the privileged. */
static inline void arm64_s2_decode_leaf(const struct pt_regime *r, uint64_t raw, struct pt_entry *e)
{
	unsigned int xn = (unsigned int)((raw & ARM64_S2XN) >> 53);

	e->may = PT_MAY_UNPRIVILEGED;
	if (raw & ARM64_S2AP_R)
		e->may |= PT_MAY_READ;
	if (raw & ARM64_S2AP_W || (raw & ARM64_DBM && r->flags & PT_WALK_DIRTY))
		e->may |= PT_MAY_WRITE;
	if (xn < 2)
		e->may |= PT_MAY_EXEC;
	if (xn == 0 || xn == 3)
		e->may |= PT_MAY_PRIVILEGED_EXEC;
	e->memory = (uint8_t)((raw & ARM64_MEMATTR) >> 2);
	e->dirty = arm64_s2_dirty(raw);
}

/*
 * D8.3.1. Type 1 at the last level, and a block where none may be, are invalid, which Arm reports
 * as a translation fault: PT_FAULT_ABSENT here, PT_FAULT_RESERVED for a block of a size that is not
 * in page_sizes. The contiguous bit is a hint: not taking it is always right, whatever the
 * neighbours hold.
 */
static inline struct pt_entry arm64_decode(const struct pt_regime *r, uint64_t raw,
					   unsigned int level, unsigned int page_lg2, bool ds,
					   enum arm64_stage stage)
{
	struct pt_entry e = {.pa = arm64_decode_pa(raw, page_lg2, ds), .may = PT_MAY_ALL};

	if (!(raw & ARM64_VALID) || (!level && !(raw & ARM64_TYPE))) {
		e.fault = PT_FAULT_ABSENT;
	} else if (arm64_is_table(raw, level)) {
		e.kind = PT_STEP_TABLE;
		if (stage == ARM64_STAGE1)
			e.may = arm64_s1_table_may(r, raw);
	} else {
		e.kind = PT_STEP_LEAF;
		e.lg2 = (uint8_t)arm64_leaf_lg2(raw & ~ARM64_CONT, level, page_lg2);
		e.pa &= ~MASK(e.lg2);
		e.accessed = arm64_accessed(raw);
		e.share = (uint8_t)(ds ? 0 : (raw & ARM64_SH) >> 8);
		if (!e.accessed && !(r->flags & PT_WALK_ACCESSED))
			e.fault = PT_FAULT_ACCESSED;
		if (stage == ARM64_STAGE1)
			arm64_s1_decode_leaf(r, raw, &e);
		else
			arm64_s2_decode_leaf(r, raw, &e);
	}
	return e;
}

/* Formats: one for each stage, granule and width of addresses. */
#define ARM64_FORMAT(id, stage, number, page, is_ds, most)                                         \
	static inline uint64_t id##_table_pa(uint64_t e)                                           \
	{                                                                                          \
		return arm64_decode_pa(e, page, is_ds);                                            \
	}                                                                                          \
	static inline unsigned int id##_leaf_lg2(uint64_t e, unsigned int level)                   \
	{                                                                                          \
		return arm64_leaf_lg2(e, level, page);                                             \
	}                                                                                          \
	static inline uint64_t id##_leaf_pa(uint64_t e, unsigned int level)                        \
	{                                                                                          \
		return arm64_decode_pa(e, page, is_ds) & ~MASK(arm64_leaf_lg2(e, level, page));    \
	}                                                                                          \
	static inline uint64_t id##_make_table(uint64_t pa, unsigned int level)                    \
	{                                                                                          \
		return arm64_table(pa, page, is_ds);                                               \
	}                                                                                          \
	static inline uint64_t id##_make_leaf(uint64_t pa, unsigned int level, unsigned int lg2,   \
					      int prot)                                            \
	{                                                                                          \
		return arm64_leaf(pa, level, lg2, prot, page, is_ds) |                             \
		       arm64_##stage##_attributes(prot);                                           \
	}                                                                                          \
	static inline struct pt_entry id##_decode(const struct pt_regime *r, uint64_t raw,         \
						  unsigned int level)                              \
	{                                                                                          \
		return arm64_decode(r, raw, level, page, is_ds, ARM64_STAGE##number);              \
	}                                                                                          \
	static const struct pt_format id##_format = {                                              \
		.page_lg2 = page,                                                                  \
		.index_lg2 = page - 3,                                                             \
		.max_levels = most,                                                                \
		.wide_root = number == 2,                                                          \
		.runs = true,                                                                      \
		.run_steps = true,                                                                 \
		.linear = true,                                                                    \
		.linear_lg2 = page == 16 ? 48                                                      \
			      : is_ds	 ? 50                                                      \
					 : 0,                                                         \
		.present = arm64_present,                                                          \
		.is_table = arm64_is_table,                                                        \
		.table_pa = id##_table_pa,                                                         \
		.leaf_lg2 = id##_leaf_lg2,                                                         \
		.leaf_pa = id##_leaf_pa,                                                           \
		.prot = arm64_##stage##_prot,                                                      \
		.access = arm64_##stage##_access,                                                  \
		.accessed = arm64_accessed,                                                        \
		.dirty = arm64_##stage##_dirty,                                                    \
		.mark = arm64_##stage##_mark,                                                      \
		.clean = arm64_##stage##_clean,                                                    \
		.expressible = arm64_##stage##_expressible,                                        \
		.make_table = id##_make_table,                                                     \
		.make_leaf = id##_make_leaf,                                                       \
		.bits = arm64_bits,                                                                \
		.decode = id##_decode,                                                             \
	}

ARM64_FORMAT(arm64_s1_4k, s1, 1, 12, false, 4);
ARM64_FORMAT(arm64_s1_16k, s1, 1, 14, false, 4);
ARM64_FORMAT(arm64_s1_64k, s1, 1, 16, false, 3);
ARM64_FORMAT(arm64_s1_4k_ds, s1, 1, 12, true, 5);
ARM64_FORMAT(arm64_s1_16k_ds, s1, 1, 14, true, 4);
ARM64_FORMAT(arm64_s2_4k, s2, 2, 12, false, 4);
ARM64_FORMAT(arm64_s2_16k, s2, 2, 14, false, 4);
ARM64_FORMAT(arm64_s2_64k, s2, 2, 16, false, 3);
ARM64_FORMAT(arm64_s2_4k_ds, s2, 2, 12, true, 5);
ARM64_FORMAT(arm64_s2_16k_ds, s2, 2, 14, true, 4);

/* Leaf sizes: contiguous ones between those of the levels. The topmost only with 52 bits. */
#define ARM64_SIZES_4K	   (BIT(12) | BIT(16) | BIT(21) | BIT(25) | BIT(30) | BIT(34))
#define ARM64_SIZES_4K_DS  (ARM64_SIZES_4K | BIT(39))
#define ARM64_SIZES_16K	   (BIT(14) | BIT(21) | BIT(25) | BIT(30))
#define ARM64_SIZES_16K_DS (ARM64_SIZES_16K | BIT(36))
#define ARM64_SIZES_64K	   (BIT(16) | BIT(21) | BIT(29) | BIT(34) | BIT(42))

/* Stage 2: up to 16 tables side by side make the root (D8.2.2, concatenated translation tables). */
enum { ARM64_S2_ROOT_MORE_LG2 = 4 };

static inline void arm64_s1_configure(struct pt *pt, unsigned int flags)
{
	if (flags & PT_DIRTY)
		pt->write_bits = ARM64_DBM | ARM64_WRITE_FLAG;
	else
		pt->leaf_bits |= ARM64_AF;
	/* FEAT_LPA's blocks of 4 TiB. */
	if (pt->ops->page_lg2 == 16 && pt->output_last <= MASK(48))
		pt->page_sizes &= ~BIT(42);
}

static inline void arm64_s2_configure(struct pt *pt, unsigned int flags)
{
	arm64_s1_configure(pt, flags);
	if (flags & PT_S2FWB)
		pt->leaf_bits |= (uint64_t)(ARM64_MEM_CACHED ^ ARM64_MEM_FWB) << 2;
}

/* The struct pt_ops of a format whose instance and fields are there. */
#define ARM64_OPS(id, stage, text, page, most, bits, sizes, root_more)                             \
	const struct pt_ops pt_##id = {                                                            \
		.name = text,                                                                      \
		.min_levels = 1,                                                                   \
		.max_levels = most,                                                                \
		.page_lg2 = page,                                                                  \
		.index_lg2 = page - 3,                                                             \
		.root_more_lg2 = root_more,                                                        \
		.max_ias = bits,                                                                   \
		.max_oas = bits,                                                                   \
		.page_sizes = sizes,                                                               \
		.configure = arm64_##stage##_configure,                                            \
		.fields = arm64_##stage##_fields,                                                  \
		.marked = arm64_##stage##_mark,                                                    \
		WALK_INSTANCE(id##_format),                                                        \
	}

#endif

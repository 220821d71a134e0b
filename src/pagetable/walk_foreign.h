/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking tables that others built: a guest's, or any bytes at all. walk.h says how it is used.
 *
 * A format's decode() judges one entry; what is here only reads entries and goes down, at most once
 * for each level, so that no content makes it loop or read anywhere but where decode() pointed. Who
 * reaches tables in another way (through a second stage, say) calls decode() in a loop of its own.
 */
#ifndef IOAS_PAGETABLE_WALK_FOREIGN_H
#define IOAS_PAGETABLE_WALK_FOREIGN_H

#include "pagetable/walk.h"

/* Is @iova within the regime's input width? Sign-extended: its upper bits repeat the width's last.
 */
WALK bool walk_foreign_inside(const struct pt_format *f, const struct pt_regime *r, uint64_t iova)
{
	if (f->sign_extended && !(r->flags & PT_UNSIGNED))
		return iova + BIT(r->ias - 1) <= MASK(r->ias);
	return iova <= MASK(r->ias);
}

/* Where the entry for @iova in the table at @table_pa is. */
WALK unsigned int walk_foreign_index(const struct pt_format *f, const struct pt_regime *r,
				     uint64_t iova, unsigned int level)
{
	unsigned int lg2 = level || !f->leaf_index_lg2 ? f->index_lg2 : f->leaf_index_lg2;
	uint64_t mask = MASK(lg2);

	if (level == r->levels - 1 && (f->wide_root || r->ias < walk_shift(f, level) + lg2))
		mask = MASK(r->ias) >> walk_shift(f, level);
	return (unsigned int)((iova >> walk_shift(f, level)) & mask);
}

/* What decode() says in addition to what is true of every format. */
WALK struct pt_entry walk_judge(const struct pt_format *f, const struct pt_regime *r, uint64_t raw,
				unsigned int level)
{
	struct pt_entry e = f->decode(r, raw, level);
	bool sound = e.fault == PT_FAULT_NONE || e.fault == PT_FAULT_ACCESSED;

	if (!f->skips_levels)
		e.next = (uint8_t)(level - 1);
	if (sound && e.kind == PT_STEP_LEAF && !(r->page_sizes & BIT(e.lg2)))
		e.fault = PT_FAULT_RESERVED;
	else if (sound && e.kind == PT_STEP_TABLE && e.next >= level)
		e.fault = PT_FAULT_RESERVED;
	else if (sound && (e.pa | (e.kind == PT_STEP_LEAF ? MASK(e.lg2) : 0)) > MASK(r->oas))
		e.fault = PT_FAULT_OUTPUT;
	if (e.fault && e.fault != PT_FAULT_ACCESSED)
		e.kind = PT_STEP_EMPTY;
	return e;
}

/* From @level to a table of level @next: the bits of an address that no index looks at are 0. */
WALK bool walk_foreign_skips(const struct pt_format *f, uint64_t iova, unsigned int level,
			     unsigned int next)
{
	return iova & MASK(walk_shift(f, level)) & ~MASK(walk_shift(f, next + 1));
}

/* The entry that @out holds, to whoever wants each. */
WALK void walk_foreign_tell(const struct pt_format *f, const struct pt_walk *out, uint64_t iova,
			    uint64_t table, unsigned int index,
			    void (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	const unsigned int lg2 = walk_shift(f, out->level);
	const struct pt_step s = {
		.iova = align_down(iova, BIT(lg2)),
		.table_pa = table,
		.raw = out->raw,
		.index = index,
		.level = out->level,
		.kind = out->entry.kind,
		.fault = out->entry.fault,
		.pa = out->entry.pa,
		.lg2 = out->entry.kind == PT_STEP_LEAF ? out->entry.lg2 : (uint8_t)lg2,
		.prot = out->may & (PT_MAY_READ | PT_MAY_WRITE),
		.may = out->may,
		.next = out->entry.next,
	};

	cb(arg, &s);
}

WALK int walk_foreign(const struct pt_format *f, const struct pt_regime *r, uint64_t iova,
		      struct pt_walk *out, void (*cb)(void *arg, const struct pt_step *s),
		      void *arg)
{
	uint64_t table = r->root_pa;

	*out = (struct pt_walk){.may = PT_MAY_ALL, .level = (uint8_t)(r->levels - 1)};
	if (!walk_foreign_inside(f, r, iova)) {
		out->entry.fault = PT_FAULT_INPUT;
		return -EFAULT;
	}
	for (;; out->level = out->entry.next) {
		const unsigned int index = walk_foreign_index(f, r, iova, out->level);

		out->entry_pa = table + index * sizeof(uint64_t);
		out->raw = 0;
		if (r->read(r->arg, out->entry_pa, &out->raw))
			out->entry = (struct pt_entry){.fault = PT_FAULT_READ};
		else
			out->entry =
				walk_judge(f, r, out->raw = walk_swap(f, out->raw), out->level);
		if (f->reaches && out->entry.kind == PT_STEP_TABLE &&
		    !f->reaches(out->raw, out->level, iova))
			out->entry.fault = PT_FAULT_ABSENT;
		if (f->skips_levels && out->entry.kind == PT_STEP_TABLE &&
		    walk_foreign_skips(f, iova, out->level, out->entry.next))
			out->entry.fault = PT_FAULT_ABSENT;
		out->may &= out->entry.may;
		if (cb)
			walk_foreign_tell(f, out, iova, table, index, cb, arg);
		if (out->entry.fault)
			return -EFAULT;
		if (out->entry.kind == PT_STEP_LEAF) {
			out->pa = out->entry.pa | (iova & MASK(out->entry.lg2));
			return 0;
		}
		table = out->entry.pa;
	}
}

#endif

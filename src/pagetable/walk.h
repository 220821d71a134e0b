/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker: everything that is done to or read from a page table, written once for all formats.
 *
 * A format is a constant struct pt_format of small inline functions. Each fmt_*.c passes its own to
 * the functions below, which are always inlined, so that the compiler folds shifts and entry
 * layouts into straight code. The short *_fast() functions serve a request of smallest leaves that
 * stays within one table which is there; they answer WALK_SLOW, having changed nothing, for
 * whatever is not that simple, and the format's out-of-line instance of the full function does it.
 *
 * Words. Level 0 holds the smallest leaves. An entry of level l covers 2^walk_shift(l) bytes, a
 * table of level l one entry of level l + 1. A leaf may be a *run*: several entries that are one
 * larger leaf. A table's count, beside it, says how many of its entries are present.
 *
 * Order. A table is published by a release store after it was filled, and read by acquire loads.
 * Entries that readers can see are written by single atomic stores; an accessed or dirty flag is
 * set by compare and exchange, so that neither side brings back what the other took away.
 *
 * Empty tables. A table whose last leaf went is kept (pt.kept) because a driver that maps and
 * unmaps a buffer would otherwise pay for it each time. One that lies wholly within an unmapped
 * range goes at once, unread.
 */
#ifndef IOAS_PAGETABLE_WALK_H
#define IOAS_PAGETABLE_WALK_H

#include <errno.h>
#include <string.h>

#include "pagetable/table.h"

#define WALK static inline __attribute__((always_inline))

struct pt_format {
	/* As in struct pt_ops; max_levels and leaf_index_lg2 may be 0: no more, as the others. */
	unsigned int page_lg2, index_lg2, leaf_index_lg2, max_levels;
	bool wide_root;	    /* the root may have more entries than other tables */
	bool sign_extended; /* input addresses may be */
	bool runs;	    /* leaves may be larger than an entry */
	bool run_steps;	    /* the entries of a run each hold their own address */
	/* A leaf's address stands in one piece, so many bits further right: leaves that are alike
	 * differ by their distance, within a multiple of 2^linear_lg2 bytes (0: everywhere). */
	bool linear;
	unsigned int linear_lg2, pa_right;
	bool skips_levels; /* foreign tables may: decode() sets pt_entry.next */
	bool big_endian;   /* entries in memory; the functions below never see that */
	/* One of the two: present_at() where only the level tells. */
	bool (*present)(uint64_t e);
	bool (*present_at)(uint64_t e, unsigned int level);
	bool (*is_table)(uint64_t e, unsigned int level); /* present, and no leaf */
	/* Of a present entry: */
	uint64_t (*table_pa)(uint64_t e);
	unsigned int (*leaf_lg2)(uint64_t e, unsigned int level);
	uint64_t (*leaf_pa)(uint64_t e, unsigned int level); /* of the leaf's first byte */
	int (*prot)(uint64_t e);
	int (*access)(uint64_t e); /* of prot(), PT_READ and PT_WRITE; NULL: there is no more */
	bool (*accessed)(uint64_t e);
	bool (*dirty)(uint64_t e);
	uint64_t (*mark)(uint64_t e,
			 bool dirty);  /* with the accessed, and perhaps the dirty, flag */
	uint64_t (*clean)(uint64_t e); /* without the dirty flag */
	/* Making entries: */
	uint64_t (*empty)(unsigned int level); /* one that is not present; NULL: 0 */
	bool (*expressible)(int prot);
	uint64_t (*make_table)(uint64_t pa, unsigned int level);
	uint64_t (*make_leaf)(uint64_t pa, unsigned int level, unsigned int lg2, int prot);
	/* What is flipped in a leaf made for @pt; NULL: pt->leaf_bits. */
	uint64_t (*bits)(const struct pt *pt, int prot);
	/* Of tables that others built: as in struct pt_ops. Never follows anything. */
	struct pt_entry (*decode)(const struct pt_regime *r, uint64_t raw, unsigned int level);
	/* Has the table that @raw points at an entry for @iova? NULL: all tables are whole. */
	bool (*reaches)(uint64_t raw, unsigned int level, uint64_t iova);
};

enum { WALK_SLOW = 1, WALK_EMPTIED = 2 };

/* Small things. */

WALK unsigned int walk_shift(const struct pt_format *f, unsigned int level)
{
	if (f->leaf_index_lg2 && f->leaf_index_lg2 != f->index_lg2 && level)
		return f->page_lg2 + f->leaf_index_lg2 + (level - 1) * f->index_lg2;
	return f->page_lg2 + level * f->index_lg2;
}

/* The bytes that an entry of @level covers, less one. */
WALK uint64_t walk_low(const struct pt_format *f, unsigned int level)
{
	return BIT(walk_shift(f, level)) - 1;
}

/* The entries of a table of @level, less one. */
WALK uint64_t walk_mask(const struct pt_format *f, const struct pt *pt, unsigned int level)
{
	if (f->wide_root)
		return pt->index_mask[level];
	return MASK(level || !f->leaf_index_lg2 ? f->index_lg2 : f->leaf_index_lg2);
}

WALK unsigned int walk_entries(const struct pt_format *f, const struct pt *pt, unsigned int level)
{
	return (unsigned int)walk_mask(f, pt, level) + 1;
}

/* The level whose table holds a leaf of this size. */
WALK unsigned int walk_level(const struct pt_format *f, unsigned int lg2)
{
	unsigned int level0 = f->leaf_index_lg2 ? f->leaf_index_lg2 : f->index_lg2;

	if (level0 == f->index_lg2)
		return (lg2 - f->page_lg2) / f->index_lg2;
	return lg2 < f->page_lg2 + level0 ? 0 : (lg2 - f->page_lg2 - level0) / f->index_lg2 + 1;
}

WALK unsigned int walk_index(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			     unsigned int level)
{
	return (unsigned int)((iova >> walk_shift(f, level)) & walk_mask(f, pt, level));
}

/* The order of the block that a table of @level, which is no root, takes. */
WALK unsigned int walk_order(const struct pt_format *f, unsigned int level)
{
	unsigned int lg2 = level || !f->leaf_index_lg2 ? f->index_lg2 : f->leaf_index_lg2;

	return lg2 + 3 > TABLE_LG2 ? lg2 + 3 - TABLE_LG2 : 0;
}

/* Is every byte of [iova, iova + len), len not 0, within the input width? */
WALK bool walk_inside(const struct pt_format *f, const struct pt *pt, uint64_t iova, uint64_t len)
{
	uint64_t at = iova + pt->input_bias;

	if (!f->sign_extended)
		return iova <= pt->input_last && len - 1 <= pt->input_last - iova;
	return at <= pt->input_span && len - 1 <= pt->input_span - at && len - 1 <= U64MAX - iova;
}

/* The address that an index of the root stands for, from its low bits. */
WALK uint64_t walk_extend(const struct pt_format *f, const struct pt *pt, uint64_t iova)
{
	return f->sign_extended && iova & pt->input_bias ? iova | ~pt->input_span : iova;
}

/* Between the CPU's byte order and that of entries in memory. */
WALK uint64_t walk_swap(const struct pt_format *f, uint64_t v)
{
	return f->big_endian ? __builtin_bswap64(v) : v;
}

WALK uint64_t walk_get(const struct pt_format *f, const uint64_t *e)
{
	return walk_swap(f, __atomic_load_n(e, __ATOMIC_ACQUIRE));
}

WALK void walk_put(const struct pt_format *f, uint64_t *e, uint64_t v)
{
	__atomic_store_n(e, walk_swap(f, v), __ATOMIC_RELEASE);
}

/* Makes *e @v if it is *old; if not, *old is what it is. */
WALK bool walk_replace(const struct pt_format *f, uint64_t *e, uint64_t *old, uint64_t v)
{
	uint64_t was = walk_swap(f, *old);
	bool done = __atomic_compare_exchange_n(e, &was, walk_swap(f, v), false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE);

	*old = walk_swap(f, was);
	return done;
}

WALK uint64_t *walk_table(const struct pt_format *f, const struct pt *pt, uint64_t e)
{
	return (uint64_t *)(uintptr_t)(f->table_pa(e) + pt->to_ptr);
}

WALK uint64_t walk_pa(const struct pt *pt, const uint64_t *table)
{
	return (uintptr_t)table - pt->to_ptr;
}

/* The largest of @sizes at which an address with these low bits is aligned and which fits @len. */
WALK unsigned int walk_choose(uint64_t sizes, uint64_t address, uint64_t len)
{
	return log2_floor(sizes & (address ^ (address - 1)) & ((2ull << log2_floor(len)) - 1));
}

WALK int walk_check(const struct pt_format *f, const struct pt *pt, uint64_t iova, uint64_t len)
{
	if (unlikely(!len || ((iova | len) & walk_low(f, 0))))
		return -EINVAL;
	return likely(walk_inside(f, pt, iova, len)) ? 0 : -ERANGE;
}

WALK unsigned int walk_levels(const struct pt_format *f, const struct pt *pt)
{
	if (f->max_levels && pt->levels > f->max_levels)
		__builtin_unreachable();
	return pt->levels;
}

WALK uint64_t walk_empty(const struct pt_format *f, unsigned int level)
{
	return f->empty ? f->empty(level) : 0;
}

WALK bool walk_present(const struct pt_format *f, uint64_t e, unsigned int level)
{
	return f->present_at ? f->present_at(e, level) : f->present(e);
}

/* From a table of @level to the one below, if there is one. */
WALK bool walk_step(const struct pt_format *f, const struct pt *pt, uint64_t iova,
		    unsigned int level, uint64_t **table)
{
	uint64_t e = walk_get(f, &(*table)[walk_index(f, pt, iova, level)]);

	if (unlikely(!f->is_table(e, level)))
		return false;
	*table = walk_table(f, pt, e);
	return true;
}

/*
 * Goes down towards @iova as far as there are tables, to level @to at the most; returns the level
 * of *table. Spelt out, so that every level's shifts are constants.
 */
WALK unsigned int walk_down(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			    unsigned int to, uint64_t **table)
{
	*table = pt->root;
	switch (walk_levels(f, pt)) {
	case 6:
		if (to == 5 || !walk_step(f, pt, iova, 5, table))
			return 5;
		/* fall through */
	case 5:
		if (to == 4 || !walk_step(f, pt, iova, 4, table))
			return 4;
		/* fall through */
	case 4:
		if (to == 3 || !walk_step(f, pt, iova, 3, table))
			return 3;
		/* fall through */
	case 3:
		if (to == 2 || !walk_step(f, pt, iova, 2, table))
			return 2;
		/* fall through */
	case 2:
		if (to == 1 || !walk_step(f, pt, iova, 1, table))
			return 1;
		/* fall through */
	default:
		return 0;
	}
}

/* The lowest entry on the way to any IOVA, to be written soon. */
WALK void walk_prefetch(const struct pt_format *f, const struct pt *pt, uint64_t iova)
{
	uint64_t *table;
	unsigned int level = walk_down(f, pt, iova, 0, &table);

	__builtin_prefetch(&table[walk_index(f, pt, iova, level)], 1);
}

/* Reading. */

WALK int walk_access(const struct pt_format *f, uint64_t e)
{
	return f->access ? f->access(e) : f->prot(e);
}

WALK void walk_fill_leaf(const struct pt_format *f, uint64_t iova, uint64_t *entry, uint64_t e,
			 unsigned int level, struct pt_leaf *out)
{
	unsigned int lg2 = f->runs ? f->leaf_lg2(e, level) : walk_shift(f, level);

	out->pa = f->leaf_pa(e, level) | (iova & MASK(lg2));
	out->raw = e;
	out->entry = entry;
	out->lg2 = (uint8_t)lg2;
	out->prot = (uint8_t)walk_access(f, e);
	out->accessed = f->accessed(e);
	out->dirty = f->dirty(e);
}

enum { WALK_DOWN = 1 };

/* One level of a translation: its result, or WALK_DOWN and the next table. */
WALK int walk_translate_at(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			   unsigned int level, const uint64_t **table, struct pt_leaf *out)
{
	const uint64_t *entry = &(*table)[walk_index(f, pt, iova, level)];
	uint64_t e = walk_get(f, entry);

	if (f->is_table(e, level)) {
		*table = walk_table(f, pt, e);
		return WALK_DOWN;
	}
	if (unlikely(!walk_present(f, e, level)))
		return -ENOENT;
	walk_fill_leaf(f, iova, (uint64_t *)entry, e, level, out);
	return 0;
}

WALK int walk_translate(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			struct pt_leaf *out)
{
	const uint64_t *table = pt->root;
	int rc;

	if (unlikely(!walk_inside(f, pt, iova, 1)))
		return -ERANGE;
	switch (walk_levels(f, pt)) {
	case 6:
		rc = walk_translate_at(f, pt, iova, 5, &table, out);
		if (rc <= 0)
			return rc;
		/* fall through */
	case 5:
		rc = walk_translate_at(f, pt, iova, 4, &table, out);
		if (rc <= 0)
			return rc;
		/* fall through */
	case 4:
		rc = walk_translate_at(f, pt, iova, 3, &table, out);
		if (rc <= 0)
			return rc;
		/* fall through */
	case 3:
		rc = walk_translate_at(f, pt, iova, 2, &table, out);
		if (rc <= 0)
			return rc;
		/* fall through */
	case 2:
		rc = walk_translate_at(f, pt, iova, 1, &table, out);
		if (rc <= 0)
			return rc;
		/* fall through */
	default:
		return walk_translate_at(f, pt, iova, 0, &table, out);
	}
}

#define WALK_BATCH 16

/* At most WALK_BATCH walks level by level, so that their loads overlap. */
WALK size_t walk_translate_some(const struct pt_format *f, const struct pt *pt,
				const uint64_t *iova, size_t n, struct pt_leaf *out)
{
	const uint64_t *entry[WALK_BATCH];
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		out[i].lg2 = 0;
		entry[i] = walk_inside(f, pt, iova[i], 1)
				   ? &pt->root[walk_index(f, pt, iova[i], pt->levels - 1u)]
				   : NULL;
	}
	for (unsigned int level = pt->levels - 1u;; level--) {
		for (size_t i = 0; i < n; i++) {
			uint64_t e = entry[i] ? walk_get(f, entry[i]) : 0;

			if (!entry[i] || !walk_present(f, e, level)) {
				entry[i] = NULL;
			} else if (f->is_table(e, level)) {
				entry[i] = walk_table(f, pt, e) +
					   walk_index(f, pt, iova[i], level - 1);
				__builtin_prefetch(entry[i]);
			} else {
				walk_fill_leaf(f, iova[i], (uint64_t *)entry[i], e, level, &out[i]);
				entry[i] = NULL;
				found++;
			}
		}
		if (!level)
			return found;
	}
}

WALK size_t walk_translate_batch(const struct pt_format *f, const struct pt *pt,
				 const uint64_t *iova, size_t n, struct pt_leaf *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i += WALK_BATCH)
		found += walk_translate_some(f, pt, &iova[i], min_u64(n - i, WALK_BATCH), &out[i]);
	return found;
}

WALK int walk_mark(const struct pt_format *f, struct pt *pt, uint64_t iova, bool dirty)
{
	struct pt_leaf leaf;
	uint64_t want;
	int rc = walk_translate(f, pt, iova, &leaf);

	if (rc)
		return -ENOENT;
	for (;;) {
		if (dirty && !(walk_access(f, leaf.raw) & PT_WRITE))
			return -EACCES;
		want = f->mark(leaf.raw, dirty);
		if (want == leaf.raw || walk_replace(f, leaf.entry, &leaf.raw, want))
			return 0;
		rc = walk_translate(f, pt, iova, &leaf);
		if (rc)
			return -ENOENT;
	}
}

WALK void walk_fill_step(const struct pt_format *f, const struct pt *pt, const uint64_t *table,
			 unsigned int index, unsigned int level, uint64_t iova, struct pt_step *s)
{
	uint64_t e = walk_get(f, &table[index]);

	*s = (struct pt_step){.iova = iova,
			      .table_pa = walk_pa(pt, table),
			      .raw = e,
			      .index = index,
			      .level = (uint8_t)level,
			      .lg2 = (uint8_t)walk_shift(f, level)};
	if (!walk_present(f, e, level))
		return;
	if (f->is_table(e, level)) {
		s->kind = PT_STEP_TABLE;
		s->pa = f->table_pa(e);
		return;
	}
	s->kind = PT_STEP_LEAF;
	s->pa = f->leaf_pa(e, level);
	s->lg2 = (uint8_t)f->leaf_lg2(e, level);
	s->prot = (uint8_t)f->prot(e);
}

WALK size_t walk_explain(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			 struct pt_step *steps)
{
	const uint64_t *table = pt->root;
	size_t n = 0;

	if (!walk_inside(f, pt, iova, 1))
		return 0;
	for (unsigned int level = pt->levels - 1u;; level--) {
		struct pt_step *s = &steps[n++];

		walk_fill_step(f, pt, table, walk_index(f, pt, iova, level), level,
			       align_down(iova, BIT(walk_shift(f, level))), s);
		if (s->kind != PT_STEP_TABLE)
			return n;
		table = walk_table(f, pt, s->raw);
	}
}

WALK int walk_dump(const struct pt_format *f, const struct pt *pt,
		   int (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	const uint64_t *table[PT_MAX_LEVELS];
	unsigned int next[PT_MAX_LEVELS], top = pt->levels - 1u, level = top;
	uint64_t base[PT_MAX_LEVELS];

	table[level] = pt->root;
	next[level] = 0;
	base[level] = 0;
	for (;;) {
		unsigned int shift = walk_shift(f, level), i = next[level];
		struct pt_step s;
		int rc;

		if (i == walk_entries(f, pt, level)) {
			if (level++ == top)
				return 0;
			continue;
		}
		walk_fill_step(f, pt, table[level], i, level,
			       walk_extend(f, pt, base[level] + ((uint64_t)i << shift)), &s);
		next[level] = s.kind == PT_STEP_LEAF ? i + (1u << (s.lg2 - shift)) : i + 1;
		if (s.kind == PT_STEP_EMPTY)
			continue;
		rc = cb(arg, &s);
		if (rc)
			return rc;
		if (s.kind == PT_STEP_TABLE) {
			level--;
			table[level] = walk_table(f, pt, s.raw);
			next[level] = 0;
			base[level] = s.iova;
		}
	}
}

/* Dirty flags. */

/* Is a leaf of @n entries dirty? */
WALK bool walk_leaf_dirty(const struct pt_format *f, const uint64_t *entry, unsigned int n)
{
	bool dirty = false;

	for (unsigned int i = 0; i < n; i++)
		dirty |= f->dirty(walk_get(f, &entry[i]));
	return dirty;
}

WALK void walk_clean_leaf(const struct pt_format *f, uint64_t *entry, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t e = walk_get(f, &entry[i]);

		while (f->dirty(e) && !walk_replace(f, &entry[i], &e, f->clean(e)))
			;
	}
}

/* Adjacent dirty leaves are reported as one. */
struct walk_report {
	int (*cb)(void *arg, uint64_t iova, uint64_t len);
	void *arg;
	uint64_t iova, len;
};

WALK int walk_report_flush(struct walk_report *r)
{
	int rc = r->len ? r->cb(r->arg, r->iova, r->len) : 0;

	r->len = 0;
	return rc;
}

WALK int walk_report_add(struct walk_report *r, uint64_t iova, uint64_t len)
{
	int rc = 0;

	if (r->len && r->iova + r->len != iova)
		rc = walk_report_flush(r);
	if (!r->len)
		r->iova = iova;
	r->len += len;
	return rc;
}

WALK int walk_read_dirty(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t last,
			 bool clear, struct walk_report *report)
{
	unsigned int level, shift, lg2;
	uint64_t *table, *entry, e, end;
	bool done = false;
	int rc;

	if (!pt->can_dirty)
		return -EOPNOTSUPP;
	if (iova > last || !walk_inside(f, pt, iova, last - iova + 1))
		return -ERANGE;
	do {
		level = walk_down(f, pt, iova, 0, &table);
		shift = walk_shift(f, level);
		do {
			entry = &table[walk_index(f, pt, iova, level)];
			e = walk_get(f, entry);
			if (f->is_table(e, level))
				break;
			lg2 = walk_present(f, e, level) ? f->leaf_lg2(e, level) : shift;
			end = min_u64(iova | MASK(lg2), last);
			entry -= (iova & MASK(lg2)) >> shift;
			if (walk_present(f, e, level) &&
			    walk_leaf_dirty(f, entry, 1u << (lg2 - shift))) {
				rc = walk_report_add(report, iova, end - iova + 1);
				if (rc)
					return rc;
				if (clear)
					walk_clean_leaf(f, entry, 1u << (lg2 - shift));
			}
			done = end == last;
			iova = end + 1;
		} while (!done && walk_index(f, pt, iova, level));
	} while (!done);
	return walk_report_flush(report);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker's writing half: map, unmap, cut. walk.h says how it is used.
 *
 * All or nothing: whatever can fail (is the place empty, are there tables) is found out before the
 * first entry is written.
 */
#ifndef IOAS_PAGETABLE_WALK_WRITE_H
#define IOAS_PAGETABLE_WALK_WRITE_H

#include "pagetable/walk.h"

/* Tables reserved before the first entry is written: those of level 0, whose size may differ, and
 * the others. Formats whose tables are all of one size use the second only. */
struct walk_spare {
	struct pt_gather lists[2];
};

struct walk_need {
	uint32_t n[2];
};

WALK unsigned int walk_kind(const struct pt_format *f, unsigned int level)
{
	return level || walk_order(f, 0) == walk_order(f, 1);
}

WALK int walk_reserve(const struct pt_format *f, struct pt *pt, const struct walk_need *need,
		      struct walk_spare *spare)
{
	int rc = pt_mem_take(pt->mem, need->n[1], walk_order(f, 1), &spare->lists[1]);

	if (rc || walk_order(f, 0) == walk_order(f, 1))
		return rc;
	rc = pt_mem_take(pt->mem, need->n[0], walk_order(f, 0), &spare->lists[0]);
	if (rc)
		pt_gather_free(pt->mem, &spare->lists[1]);
	return rc;
}

/* A table that no reader sees yet, with arbitrary content if its flags do not say TABLE_ZERO. */
WALK uint64_t *walk_new_table(const struct pt_format *f, struct pt *pt, struct walk_spare *spare,
			      unsigned int level)
{
	uint64_t *table = gather_pop(pt->mem, &spare->lists[walk_kind(f, level)]);
	struct pt_table *d = table_desc(pt->mem, table);

	*d = (struct pt_table){.level = (uint8_t)level, .flags = d->flags & (uint8_t)~TABLE_KEPT};
	return table;
}

/* Before its first use, unless all of it is overwritten. */
WALK void walk_zero_table(const struct pt_format *f, struct pt *pt, uint64_t *table,
			  unsigned int level)
{
	struct pt_table *d = table_desc(pt->mem, table);

	for (unsigned int i = 0; f->empty && i < walk_entries(f, pt, level); i++)
		table[i] = walk_swap(f, f->empty(level));
	if (!f->empty && !(d->flags & TABLE_ZERO))
		memset(table, 0, TABLE_SIZE << table_order(d));
	d->flags &= (uint8_t)~TABLE_ZERO;
}

/* Leaves to write: n entries, at least 1, of one table from entry on. */
struct walk_run {
	uint64_t *entry;
	uint64_t iova, pa, n;
	int prot;
	unsigned int level;
};

WALK uint64_t walk_bits(const struct pt_format *f, const struct pt *pt, int prot)
{
	return f->bits ? f->bits(pt, prot) : pt->leaf_bits;
}

/* The leaf of 2^lg2 bytes that begins @distance after that of @first, otherwise the same. */
WALK uint64_t walk_leaf_at(const struct pt_format *f, const struct pt *pt, const struct walk_run *r,
			   uint64_t first, uint64_t distance, unsigned int lg2)
{
	if (f->linear)
		return first + (distance >> f->pa_right);
	return f->make_leaf(r->pa + distance, r->level, lg2, r->prot) ^ walk_bits(f, pt, r->prot);
}

/* The leaf of 2^lg2 bytes that @r begins with. */
WALK uint64_t walk_leaf_first(const struct pt_format *f, const struct pt *pt,
			      const struct walk_run *r, unsigned int lg2)
{
	return f->make_leaf(r->pa, r->level, lg2, r->prot) ^ walk_bits(f, pt, r->prot);
}

WALK void walk_fill_entries(const struct pt_format *f, const struct pt *pt,
			    const struct walk_run *r)
{
	unsigned int shift = walk_shift(f, r->level);
	uint64_t first = walk_leaf_first(f, pt, r, shift), distance = 0, n = r->n;
	uint64_t *entry = r->entry;

	do {
		walk_put(f, entry++, walk_leaf_at(f, pt, r, first, distance, shift));
		distance += BIT(shift);
	} while (--n);
}

/* As above, into a table that no reader sees. */
WALK void walk_fill_fresh(const struct pt_format *f, const struct pt *pt, const struct walk_run *r)
{
	unsigned int shift = walk_shift(f, r->level);
	uint64_t first = walk_leaf_first(f, pt, r, shift);
	uint64_t *entry = r->entry;

	for (uint64_t i = 0; i < r->n; i++)
		entry[i] = walk_swap(f, walk_leaf_at(f, pt, r, first, i << shift, shift));
}

/* With leaves that repeat: at each place the largest that @pt allows and that this level can hold.
 */
WALK void walk_fill_runs(const struct pt_format *f, const struct pt *pt, struct walk_run r)
{
	unsigned int shift = walk_shift(f, r.level);
	uint64_t sizes = (pt->page_sizes & MASK(walk_shift(f, r.level + 1))) | BIT(shift);

	if (r.n == 1) {
		walk_put(f, r.entry, walk_leaf_first(f, pt, &r, shift));
		return;
	}
	while (r.n) {
		unsigned int lg2 = walk_choose(sizes, r.iova | r.pa, r.n << shift);
		uint64_t larger = sizes & ~MASK(lg2 + 1), leaves = r.n >> (lg2 - shift), done = 0;
		uint64_t first = walk_leaf_first(f, pt, &r, lg2), len;

		larger &= -larger;
		if (larger && !((r.iova ^ r.pa) & (larger - 1)) && (r.iova & (larger - 1)))
			leaves = min_u64(leaves, (-r.iova & (larger - 1)) >> lg2);
		len = leaves << lg2;
		do {
			uint64_t own = align_down(done, f->run_steps ? BIT(shift) : BIT(lg2));

			walk_put(f, r.entry++, walk_leaf_at(f, pt, &r, first, own, lg2));
			done += BIT(shift);
		} while (done < len);
		r.n -= len >> shift;
		r.iova += len;
		r.pa += len;
	}
}

/* Leaves whose addresses are linear. */
WALK void walk_fill_piece(const struct pt_format *f, const struct pt *pt, const struct walk_run *r,
			  bool fresh)
{
	if (f->runs)
		walk_fill_runs(f, pt, *r);
	else if (fresh)
		walk_fill_fresh(f, pt, r);
	else
		walk_fill_entries(f, pt, r);
}

WALK void walk_fill(const struct pt_format *f, const struct pt *pt, const struct walk_run *r,
		    bool fresh)
{
	unsigned int shift = walk_shift(f, r->level);
	struct walk_run piece = *r;

	while (f->linear_lg2 && piece.n > 1) {
		uint64_t most = ((~piece.pa & MASK(f->linear_lg2)) >> shift) + 1, n = piece.n;

		if (n <= most)
			break;
		piece.n = most;
		walk_fill_piece(f, pt, &piece, fresh);
		piece.entry += most;
		piece.iova += most << shift;
		piece.pa += most << shift;
		piece.n = n - most;
	}
	walk_fill_piece(f, pt, &piece, fresh);
}

/* Mapping. */

/* All of the mapping goes into one table of level @want, if that is there and empty in this place.
 */
WALK int walk_map_at(const struct pt_format *f, struct pt *pt, struct walk_run r, uint64_t len,
		     unsigned int want)
{
	unsigned int index = walk_index(f, pt, r.iova, want);
	uint64_t *table, i = 0;

	r.n = len >> walk_shift(f, want);
	r.level = want;
	if (unlikely((want && (len & walk_low(f, want))) ||
		     index + r.n > walk_entries(f, pt, want) ||
		     walk_down(f, pt, r.iova, want, &table) != want))
		return WALK_SLOW;
	r.entry = &table[index];
	do {
		if (unlikely(walk_present(f, walk_get(f, &r.entry[i]), want)))
			return WALK_SLOW;
	} while (++i < r.n);
	walk_fill(f, pt, &r, false);
	table_desc(pt->mem, table)->count += (uint32_t)r.n;
	pt->nr_leaf_bytes += len;
	return 0;
}

WALK int walk_map_fast(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t pa,
		       uint64_t len, int prot)
{
	struct walk_run r = {.iova = iova, .pa = pa, .prot = prot};
	int rc = walk_check(f, pt, iova, len);

	if (unlikely(rc))
		return rc;
	if (unlikely((pa & walk_low(f, 0)) || !f->expressible(prot)))
		return -EINVAL;
	if (unlikely(pa > pt->output_last || len - 1 > pt->output_last - pa))
		return -ERANGE;
	if (f->runs ? len > BIT(f->page_lg2)
		    : len > walk_low(f, 1) && !((iova | pa) & walk_low(f, 1)))
		return WALK_SLOW;
	return walk_map_at(f, pt, r, f->runs ? BIT(f->page_lg2) : len, 0);
}

/* Adds how many tables [iova, last], congruent to @pa, takes below an absent entry of @level. */
WALK void walk_tables_needed(const struct pt_format *f, const struct pt *pt, uint64_t iova,
			     uint64_t last, uint64_t pa, unsigned int level, struct walk_need *need)
{
	uint64_t congruent = iova == pa ? U64MAX : MASK(lowest_bit(iova ^ pa) + 1);
	unsigned int most = walk_level(f, log2_floor(pt->page_sizes & congruent));

	for (unsigned int l = 0; l < level; l++) {
		uint32_t *n = &need->n[walk_kind(f, l)];
		unsigned int shift = walk_shift(f, l + 1);
		bool head = iova & MASK(shift), tail = (last + 1) & MASK(shift);
		uint64_t tables = (last >> shift) - (iova >> shift) + 1;

		if (l >= most)
			*n += (uint32_t)tables;
		else
			*n += tables == 1 ? head || tail : head + tail;
	}
}

/* Is [iova, last] empty? -EEXIST, or 0 and in *need how many tables it takes to map it to @pa. */
WALK int walk_survey(const struct pt_format *f, const struct pt *pt, uint64_t iova, uint64_t last,
		     uint64_t pa, struct walk_need *need)
{
	uint64_t delta = pa - iova, end;
	unsigned int level;
	bool done = false;

	*need = (struct walk_need){0};
	do {
		uint64_t *table;

		level = walk_down(f, pt, iova, 0, &table);
		do {
			uint64_t e = walk_get(f, &table[walk_index(f, pt, iova, level)]);

			if (f->is_table(e, level))
				break;
			if (walk_present(f, e, level))
				return -EEXIST;
			end = min_u64(iova | walk_low(f, level), last);
			walk_tables_needed(f, pt, iova, end, iova + delta, level, need);
			done = end == last;
			iova = end + 1;
		} while (!done && walk_index(f, pt, iova, level));
	} while (!done);
	return 0;
}

/* How many entries of a table, from @index on, [.., len) fills before it meets an (empty, kept)
 * table. */
WALK uint64_t walk_room(const struct pt_format *f, const struct pt *pt, const uint64_t *table,
			unsigned int index, unsigned int level, uint64_t len)
{
	uint64_t most = min_u64(walk_entries(f, pt, level) - index, len >> walk_shift(f, level)),
		 n = 1;

	if (!level)
		return most;
	while (n < most && !walk_present(f, walk_get(f, &table[index + n]), level))
		n++;
	return n;
}

/* The part of a mapping that goes into one table: made where it is missing, filled, published.
 * Returns its bytes. */
WALK uint64_t walk_build_one(const struct pt_format *f, struct pt *pt, struct walk_run r,
			     uint64_t len, struct walk_spare *spare)
{
	unsigned int want = walk_level(f, walk_choose(pt->page_sizes, r.iova | r.pa, len)), index;
	uint64_t *table = pt->root, *link = NULL, link_value = 0, *e;
	bool fresh = false;

	for (r.level = pt->levels - 1u;; r.level--) {
		index = walk_index(f, pt, r.iova, r.level);
		e = &table[index];
		if (r.level <= want && (fresh || !walk_present(f, walk_get(f, e), r.level)))
			break;
		if (walk_present(f, walk_get(f, e), r.level)) {
			table = walk_table(f, pt, walk_get(f, e));
			continue;
		}
		table_desc(pt->mem, table)->count++;
		table = walk_new_table(f, pt, spare, r.level - 1);
		fresh = r.level - 1 == want;
		if (!fresh)
			walk_zero_table(f, pt, table, r.level - 1);
		if (link) {
			*e = walk_swap(f, f->make_table(walk_pa(pt, table), r.level));
		} else {
			link = e;
			link_value = f->make_table(walk_pa(pt, table), r.level);
		}
	}
	if (fresh)
		r.n = min_u64(walk_entries(f, pt, r.level) - index, len >> walk_shift(f, r.level));
	else
		r.n = walk_room(f, pt, table, index, r.level, len);
	if (fresh && r.n < walk_entries(f, pt, r.level))
		walk_zero_table(f, pt, table, r.level);
	r.entry = &table[index];
	walk_fill(f, pt, &r, fresh);
	table_desc(pt->mem, table)->flags &= (uint8_t)~TABLE_ZERO;
	table_desc(pt->mem, table)->count += (uint32_t)r.n;
	if (link)
		walk_put(f, link, link_value);
	return r.n << walk_shift(f, r.level);
}

WALK int walk_map_full(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t pa,
		       uint64_t len, int prot)
{
	struct walk_run r = {.iova = iova, .pa = pa, .prot = prot};
	struct walk_spare spare = {0};
	struct walk_need need;
	uint64_t done = 0;
	int rc = walk_map_at(f, pt, r, len,
			     walk_level(f, walk_choose(pt->page_sizes, iova | pa, len)));

	if (rc != WALK_SLOW)
		return rc;
	rc = walk_survey(f, pt, iova, iova + (len - 1), pa, &need);
	if (!rc)
		rc = walk_reserve(f, pt, &need, &spare);
	if (rc)
		return rc;
	while (done < len) {
		uint64_t n = walk_build_one(f, pt, r, len - done, &spare);

		r.iova += n;
		r.pa += n;
		done += n;
	}
	pt->nr_leaf_bytes += len;
	pt_gather_free(pt->mem, &spare.lists[0]);
	pt_gather_free(pt->mem, &spare.lists[1]);
	return 0;
}

/* Cutting. */

/* What hardware noted of a leaf, gathered from its entries. */
struct walk_flags {
	bool accessed, dirty;
};

WALK void walk_flags_add(const struct pt_format *f, struct walk_flags *flags, uint64_t e)
{
	flags->accessed |= f->accessed(e);
	flags->dirty |= f->dirty(e);
}

/* Fills with leaves none of which straddles @cut, as far as this level can, and all of which are
 * flagged so. */
WALK void walk_fill_around(const struct pt_format *f, const struct pt *pt, struct walk_run r,
			   uint64_t cut, struct walk_flags flags)
{
	uint64_t entry = BIT(walk_shift(f, r.level)), left = align_down(cut, entry) - r.iova;
	uint64_t parts[] = {left >> walk_shift(f, r.level), is_aligned(cut, entry) ? 0 : 1, r.n};
	struct walk_run part = r;

	for (unsigned int i = 0; f->runs && i < 3; i++) {
		part.n = min_u64(parts[i], (uint64_t)(r.entry + r.n - part.entry));
		walk_fill_runs(f, pt, part);
		part.entry += part.n;
		part.iova += part.n * entry;
		part.pa += part.n * entry;
	}
	if (!f->runs)
		walk_fill_fresh(f, pt, &r);
	for (uint64_t i = 0; flags.accessed && i < r.n; i++)
		walk_put(f, &r.entry[i], f->mark(walk_get(f, &r.entry[i]), flags.dirty));
}

/* The run of 2^lg2 bytes around @iova becomes smaller runs, in the same table. */
WALK void walk_cut_run(const struct pt_format *f, struct pt *pt, uint64_t *table,
		       unsigned int level, uint64_t iova, unsigned int lg2)
{
	uint64_t start = align_down(iova, BIT(lg2)), new[TABLE_SIZE / sizeof(uint64_t)], old, want;
	uint64_t *entry = &table[walk_index(f, pt, start, level)];
	struct walk_flags flags = {0};
	struct walk_run r = {.entry = new,
			     .iova = start,
			     .n = BIT(lg2) >> walk_shift(f, level),
			     .pa = f->leaf_pa(walk_get(f, entry), level),
			     .prot = f->prot(walk_get(f, entry)),
			     .level = level};

	for (uint64_t i = 0; i < r.n; i++)
		walk_flags_add(f, &flags, walk_get(f, &entry[i]));
	walk_fill_around(f, pt, r, iova, flags);
	for (uint64_t i = 0; i < r.n; i++) {
		old = walk_swap(f, __atomic_exchange_n(&entry[i], new[i], __ATOMIC_ACQ_REL));
		walk_flags_add(f, &flags, old);
	}
	/* What a reader flagged meanwhile. */
	for (uint64_t i = 0; flags.accessed && i < r.n; i++) {
		old = walk_get(f, &entry[i]);
		do {
			want = f->mark(old, flags.dirty);
		} while (want != old && !walk_replace(f, &entry[i], &old, want));
	}
}

/* The leaf at @entry, which is no run, becomes a table. Returns that. */
WALK uint64_t *walk_cut_entry(const struct pt_format *f, struct pt *pt, uint64_t *entry,
			      unsigned int level, uint64_t iova, struct walk_spare *spare)
{
	uint64_t *table = walk_new_table(f, pt, spare, level - 1), e = walk_get(f, entry);
	struct pt_table *d = table_desc(pt->mem, table);
	struct walk_run r = {.entry = table,
			     .iova = align_down(iova, BIT(walk_shift(f, level))),
			     .n = walk_entries(f, pt, level - 1),
			     .pa = f->leaf_pa(e, level),
			     .prot = f->prot(e),
			     .level = level - 1};

	d->flags &= (uint8_t)~TABLE_ZERO;
	d->count = (uint32_t)r.n;
	do {
		struct walk_flags flags = {f->accessed(e), f->dirty(e)};

		walk_fill_around(f, pt, r, iova, flags);
	} while (!walk_replace(f, entry, &e, f->make_table(walk_pa(pt, table), level)));
	return table;
}

WALK int walk_cut(const struct pt_format *f, struct pt *pt, uint64_t iova)
{
	struct walk_spare spare = {0};
	struct walk_need need = {0};
	unsigned int level, lg2;
	uint64_t *table, e;
	int rc;

	if (iova & walk_low(f, 0))
		return -EINVAL;
	if (!walk_inside(f, pt, iova, 1))
		return 0;
	level = walk_down(f, pt, iova, 0, &table);
	e = walk_get(f, &table[walk_index(f, pt, iova, level)]);
	lg2 = walk_present(f, e, level) ? f->leaf_lg2(e, level) : 0;
	if (!(iova & MASK(lg2)))
		return 0;
	for (unsigned int l = level; l && (iova & walk_low(f, l)); l--)
		need.n[walk_kind(f, l - 1)]++;
	rc = walk_reserve(f, pt, &need, &spare);
	if (rc)
		return rc;
	if (lg2 > walk_shift(f, level))
		walk_cut_run(f, pt, table, level, iova, lg2);
	for (; level && (iova & walk_low(f, level)); level--)
		table = walk_cut_entry(f, pt, &table[walk_index(f, pt, iova, level)], level, iova,
				       &spare);
	return 0;
}

/* Unmapping. */

/* Moves a table that readers may still be in to @g. */
WALK void walk_retire(struct pt *pt, uint64_t *table, bool zero, struct pt_gather *g)
{
	struct pt_table *d = table_desc(pt->mem, table);

	d->flags &= (uint8_t) ~(TABLE_ZERO | TABLE_KEPT);
	d->flags |= zero ? TABLE_ZERO : 0;
	gather_push(pt->mem, g, table);
}

/* The bytes that a table of level 0 maps; none of the others. */
WALK uint64_t walk_bytes(const struct pt_format *f, const struct pt *pt, const uint64_t *table)
{
	const struct pt_table *d = table_desc(pt->mem, table);

	return d->level ? 0 : (uint64_t)d->count << f->page_lg2;
}

/* Retires a table, already unlinked, and all below it. Returns the bytes that were mapped. */
WALK uint64_t walk_drop(const struct pt_format *f, struct pt *pt, uint64_t *table,
			struct pt_gather *g)
{
	uint64_t bytes = walk_bytes(f, pt, table);
	struct pt_mem *m = pt->mem;

	walk_retire(pt, table, false, g);
	for (uint32_t i = g->last; i; i = m->tables[i].next) {
		unsigned int level = m->tables[i].level;

		table = table_at(m, i);
		for (unsigned int k = 0; level && k < walk_entries(f, pt, level); k++) {
			uint64_t e = walk_get(f, &table[k]), *below;

			if (!walk_present(f, e, level))
				continue;
			if (!f->is_table(e, level)) {
				bytes += BIT(walk_shift(f, level));
				continue;
			}
			below = walk_table(f, pt, e);
			bytes += walk_bytes(f, pt, below);
			walk_retire(pt, below, false, g);
		}
	}
	return bytes;
}

/* Does the whole block of a table without entries hold zeros? */
WALK bool walk_leaves_zeros(const struct pt_format *f, unsigned int level)
{
	unsigned int lg2 = level || !f->leaf_index_lg2 ? f->index_lg2 : f->leaf_index_lg2;

	return !f->empty && lg2 + 3 >= TABLE_LG2;
}

/* The tables on the way to an IOVA. */
struct walk_path {
	uint64_t *table[PT_MAX_LEVELS];
};

/* Takes out the table of @level on the path if it is empty, and what that leaves empty above it. */
WALK void walk_prune(const struct pt_format *f, struct pt *pt, const struct walk_path *p,
		     unsigned int level, uint64_t iova, struct pt_gather *g)
{
	while (level + 1 < pt->levels && !table_desc(pt->mem, p->table[level])->count) {
		uint64_t *parent = p->table[level + 1];

		walk_put(f, &parent[walk_index(f, pt, iova, level + 1)], walk_empty(f, level + 1));
		table_desc(pt->mem, parent)->count--;
		walk_retire(pt, p->table[level], walk_leaves_zeros(f, level), g);
		level++;
	}
}

/* Forgets one kept table: takes it out unless it is in use again or gone already. */
WALK void walk_evict(const struct pt_format *f, struct pt *pt, uint64_t kept, struct pt_gather *g)
{
	uint64_t iova = align_down(kept, BIT(f->page_lg2)), e;
	unsigned int level = (kept >> 1) & 7, l = pt->levels - 1u;
	struct walk_path p;

	p.table[l] = pt->root;
	for (; l > level; l--) {
		e = walk_get(f, &p.table[l][walk_index(f, pt, iova, l)]);
		if (!f->is_table(e, l))
			return;
		p.table[l - 1] = walk_table(f, pt, e);
	}
	table_desc(pt->mem, p.table[level])->flags &= (uint8_t)~TABLE_KEPT;
	walk_prune(f, pt, &p, level, iova, g);
}

/* The last leaf of the table that @iova leads to went: keeps it in the place of the one kept
 * longest. */
WALK void walk_keep(const struct pt_format *f, struct pt *pt, uint64_t iova, struct pt_gather *g)
{
	uint64_t *slot = &pt->kept[pt->next_kept % PT_NR_KEPT];
	struct pt_table *d;
	uint64_t *table, level = walk_down(f, pt, iova, 0, &table);

	d = table_desc(pt->mem, table);
	if (d->flags & TABLE_KEPT)
		return;
	d->flags |= TABLE_KEPT;
	if (*slot)
		walk_evict(f, pt, *slot, g);
	*slot = align_down(iova, BIT(f->page_lg2)) | level << 1 | 1;
	pt->next_kept++;
}

/* Is the entry, which is no table, part of a leaf larger than itself? */
WALK bool walk_is_run(const struct pt_format *f, uint64_t e, unsigned int level)
{
	return f->runs && walk_present(f, e, level) &&
	       f->leaf_lg2(e, level) != walk_shift(f, level);
}

/* May [entry, entry + n) be cleared: no tables, and no leaf that straddles an edge? */
WALK bool walk_clearable(const struct pt_format *f, const uint64_t *entry, uint64_t n,
			 unsigned int level, uint64_t iova, uint64_t len)
{
	uint64_t e = walk_get(f, entry);

	for (uint64_t i = 0; level && i < n; i++) {
		if (f->is_table(walk_get(f, &entry[i]), level))
			return false;
	}
	if (unlikely(walk_is_run(f, e, level)) && (iova & MASK(f->leaf_lg2(e, level))))
		return false;
	if (n > 1)
		e = walk_get(f, &entry[n - 1]);
	return likely(!walk_is_run(f, e, level)) || !((iova + len) & MASK(f->leaf_lg2(e, level)));
}

WALK int walk_unmap_at(const struct pt_format *f, struct pt *pt, uint64_t *table,
		       unsigned int level, uint64_t iova, uint64_t len, uint64_t *unmapped)
{
	unsigned int index = walk_index(f, pt, iova, level), shift = walk_shift(f, level), gone = 0;
	uint64_t *entry = &table[index], n = len >> shift, i = 0;
	struct pt_table *d;

	if (unlikely((level && ((iova | len) & walk_low(f, level))) ||
		     index + n > walk_entries(f, pt, level)))
		return WALK_SLOW;
	if (unlikely(n == walk_entries(f, pt, level) ||
		     !walk_clearable(f, entry, n, level, iova, len)))
		return WALK_SLOW;
	do {
		gone += walk_present(f, walk_get(f, &entry[i]), level);
		walk_put(f, &entry[i], walk_empty(f, level));
	} while (++i < n);
	d = table_desc(pt->mem, table);
	d->count -= gone;
	pt->nr_leaf_bytes -= (uint64_t)gone << shift;
	if (unmapped)
		*unmapped = (uint64_t)gone << shift;
	return !d->count && !(d->flags & TABLE_KEPT) && table != pt->root ? WALK_EMPTIED : 0;
}

/* WALK_EMPTIED: done, and walk_keep() is to be called. */
WALK int walk_unmap_fast(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t len,
			 uint64_t *unmapped)
{
	int rc = walk_check(f, pt, iova, len);
	uint64_t *table;

	if (unlikely(rc))
		return rc;
	if (walk_down(f, pt, iova, 0, &table))
		return WALK_SLOW;
	return walk_unmap_at(f, pt, table, 0, iova, len, unmapped);
}

/* Clears what lies in one table, or drops one. Returns the first IOVA not dealt with, less one;
 * adds to *bytes. */
WALK uint64_t walk_clear_one(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t last,
			     struct pt_gather *g, uint64_t *bytes)
{
	unsigned int level = pt->levels - 1u, shift, gone = 0;
	uint64_t *entry, e, end, first = iova;
	struct walk_path p;

	for (p.table[level] = pt->root;; level--) {
		shift = walk_shift(f, level);
		entry = &p.table[level][walk_index(f, pt, iova, level)];
		e = walk_get(f, entry);
		if (!f->is_table(e, level))
			break;
		if (is_aligned(iova, BIT(shift)) && last - iova >= walk_low(f, level)) {
			walk_put(f, entry, walk_empty(f, level));
			table_desc(pt->mem, p.table[level])->count--;
			*bytes += walk_drop(f, pt, walk_table(f, pt, e), g);
			walk_prune(f, pt, &p, level, iova, g);
			return iova | walk_low(f, level);
		}
		p.table[level - 1] = walk_table(f, pt, e);
	}
	do {
		end = iova | walk_low(f, level);
		gone += walk_present(f, e, level);
		walk_put(f, entry++, walk_empty(f, level));
		iova = end + 1;
		if (end >= last || !walk_index(f, pt, iova, level))
			break;
		e = walk_get(f, entry);
	} while (!f->is_table(e, level));
	*bytes += (uint64_t)gone << shift;
	table_desc(pt->mem, p.table[level])->count -= gone;
	if (gone && !table_desc(pt->mem, p.table[level])->count && p.table[level] != pt->root)
		walk_keep(f, pt, first, g);
	return end;
}

WALK int walk_unmap_full(const struct pt_format *f, struct pt *pt, uint64_t iova, uint64_t len,
			 struct pt_gather *g, uint64_t *unmapped)
{
	uint64_t last = iova + (len - 1), bytes = 0, end, *table;
	unsigned int level = walk_down(f, pt, iova, 0, &table);
	int rc = walk_unmap_at(f, pt, table, level, iova, len, unmapped);

	if (rc == WALK_EMPTIED)
		walk_keep(f, pt, iova, g);
	if (rc != WALK_SLOW)
		return 0;
	rc = walk_cut(f, pt, iova);
	if (!rc)
		rc = walk_cut(f, pt, last + 1);
	if (rc)
		return rc;
	do {
		end = walk_clear_one(f, pt, iova, last, g, &bytes);
		iova = end + 1;
	} while (end < last);
	pt->nr_leaf_bytes -= bytes;
	if (unmapped)
		*unmapped = bytes;
	return 0;
}

#endif

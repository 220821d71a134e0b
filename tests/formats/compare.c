/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page-table formats beside Linux's: the same mappings made by both, and every entry of every
 * table compared, bit for bit but for where the tables stand; then unmapped, translated, and dirty
 * flags read and cleared. Exit status 0: all equal.
 *   compare [--break]   one row only, with a bit of one entry flipped: must find that
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux.h"
#include "pagetable/pt.h"

#define PA_BASE	  (5ull << 30)
#define ROUNDS	  6
#define MOST_MAPS 24

struct row {
	const char *name;
	linux_open *open;
	const struct pt_ops *ops;
	unsigned int levels, ias, oas;
	unsigned int flags;
	int attributes;	   /* what may be added to a mapping's permissions */
	uint64_t address;  /* bits of a table's address in an entry */
	uint64_t accessed; /* a bit that Linux sets where hardware would, and we leave to it */
	uint64_t page_sizes;
};

#define X86_ADDRESS   FIELD(51, 12)
#define RISCV_ADDRESS FIELD(53, 10)
#define ARM_ADDRESS   FIELD(47, 12)
#define ARM_S1	      (PT_NOEXEC | PT_PRIVILEGED | PT_MMIO | PT_UNCACHED)
#define ARM_S2	      (PT_MMIO | PT_UNCACHED)
#define ARM_AF	      BIT(10)
#define SIZES_4K      (BIT(12) | BIT(21) | BIT(30))
#define SIZES_16K     (BIT(14) | BIT(25))
#define SIZES_64K     (BIT(16) | BIT(29))

static const struct row rows[] = {
	{"amdv1 2", linux_amdv1, &pt_amdv1, 2, 64, 52, PT_COHERENT | PT_DIRTY, 0, X86_ADDRESS},
	{"amdv1 4", linux_amdv1, &pt_amdv1, 4, 64, 52, PT_COHERENT | PT_DIRTY, 0, X86_ADDRESS},
	{"amdv1 6", linux_amdv1, &pt_amdv1, 6, 64, 52, PT_COHERENT | PT_DIRTY, 0, X86_ADDRESS},
	{"vtdss 3", linux_vtdss, &pt_vtd_ss, 3, 39, 52, PT_DIRTY, 0, X86_ADDRESS},
	{"vtdss 4", linux_vtdss, &pt_vtd_ss, 4, 48, 46, PT_COHERENT | PT_DIRTY, 0, X86_ADDRESS},
	{"vtdss 5", linux_vtdss, &pt_vtd_ss, 5, 57, 52, PT_DIRTY, 0, X86_ADDRESS},
	{"vtd first stage 4", linux_x86_64, &pt_vtd_fs, 4, 48, 52, 0, 0, X86_ADDRESS},
	{"vtd first stage 5", linux_x86_64, &pt_vtd_fs, 5, 57, 46, 0, 0, X86_ADDRESS},
	{"amdv2 4", linux_x86_64, &pt_amdv2, 4, 48, 52, 0, 0, X86_ADDRESS},
	{"amdv2 5, PASID 0", linux_x86_64, &pt_amdv2, 5, 56, 52, PT_UNSIGNED, 0, X86_ADDRESS},
	{"riscv Sv39", linux_riscv_64, &pt_riscv_s1, 3, 39, 56, 0, PT_NOEXEC, RISCV_ADDRESS},
	{"riscv Sv48", linux_riscv_64, &pt_riscv_s1, 4, 48, 56, 0, PT_NOEXEC, RISCV_ADDRESS, 0,
	 ~BIT(16)},
	{"riscv Sv48, Svpbmt", linux_riscv_64, &pt_riscv_s1, 4, 48, 56, PT_SVPBMT,
	 PT_NOEXEC | PT_MMIO | PT_UNCACHED, RISCV_ADDRESS},
	{"riscv Sv57", linux_riscv_64, &pt_riscv_s1, 5, 57, 50, 0, PT_NOEXEC, RISCV_ADDRESS},
	{"arm s1 4K 39", linux_arm64_s1, &pt_arm64_s1_4k, 3, 39, 40, 0, ARM_S1, ARM_ADDRESS, 0,
	 SIZES_4K},
	{"arm s1 4K 48", linux_arm64_s1, &pt_arm64_s1_4k, 4, 48, 48, PT_DIRTY, ARM_S1, ARM_ADDRESS,
	 ARM_AF, SIZES_4K},
	{"arm s1 16K 36", linux_arm64_s1, &pt_arm64_s1_16k, 2, 36, 36, PT_DIRTY, ARM_S1,
	 ARM_ADDRESS, ARM_AF, SIZES_16K},
	{"arm s1 16K 48", linux_arm64_s1, &pt_arm64_s1_16k, 4, 48, 48, 0, ARM_S1, ARM_ADDRESS, 0,
	 SIZES_16K},
	{"arm s1 64K 42", linux_arm64_s1, &pt_arm64_s1_64k, 2, 42, 44, 0, ARM_S1, ARM_ADDRESS, 0,
	 SIZES_64K},
	{"arm s1 64K 52", linux_arm64_s1, &pt_arm64_s1_64k, 3, 52, 52, PT_DIRTY, ARM_S1,
	 ARM_ADDRESS, ARM_AF, SIZES_64K | BIT(42)},
	{"arm s2 4K 32", linux_arm64_s2, &pt_arm64_s2_4k, 3, 32, 48, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_4K},
	{"arm s2 4K 40", linux_arm64_s2, &pt_arm64_s2_4k, 3, 40, 40, PT_S2FWB, ARM_S2, ARM_ADDRESS,
	 0, SIZES_4K},
	{"arm s2 4K 42", linux_arm64_s2, &pt_arm64_s2_4k, 3, 42, 42, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_4K},
	{"arm s2 4K 48", linux_arm64_s2, &pt_arm64_s2_4k, 4, 48, 48, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_4K},
	{"arm s2 16K 40", linux_arm64_s2, &pt_arm64_s2_16k, 2, 40, 40, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_16K},
	{"arm s2 16K 48", linux_arm64_s2, &pt_arm64_s2_16k, 3, 48, 48, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_16K},
	{"arm s2 64K 48", linux_arm64_s2, &pt_arm64_s2_64k, 3, 48, 48, PT_S2FWB, ARM_S2,
	 ARM_ADDRESS, 0, SIZES_64K},
	{"arm s2 64K 52", linux_arm64_s2, &pt_arm64_s2_64k, 3, 52, 52, 0, ARM_S2, ARM_ADDRESS, 0,
	 SIZES_64K | BIT(42)},
};

struct map {
	uint64_t iova, pa, len;
};

struct world {
	const struct row *row;
	struct pt_mem *mem;
	struct pt *pt;
	struct pt_regime regime; /* to decode entries of either by */
	struct linux_table *linux_pt;
	struct map maps[MOST_MAPS];
	size_t n;
	uint64_t rnd, entries;
};

static _Noreturn void fail(const struct world *w, const char *what, uint64_t iova, uint64_t ours,
			   uint64_t theirs)
{
	printf("%s: %s at iova 0x%" PRIx64 ": 0x%" PRIx64 ", Linux 0x%" PRIx64 "\n", w->row->name,
	       what, iova, ours, theirs);
	exit(1);
}

static void same(const struct world *w, const char *what, uint64_t iova, uint64_t ours,
		 uint64_t theirs)
{
	if (ours != theirs)
		fail(w, what, iova, ours, theirs);
}

static uint64_t below(struct world *w, uint64_t n)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return (w->rnd * 0x2545f4914f6cdd1dull >> 16) % n;
}

/* Comparing. */

static const uint64_t *our_table(const struct world *w, uint64_t pa)
{
	return (const uint64_t *)(const void *)(pt_mem_base(w->mem) + (pa - PA_BASE));
}

static uint64_t entries_of(const struct world *w, unsigned int level)
{
	unsigned int shift = w->pt->ops->page_lg2 + level * w->pt->ops->index_lg2;

	if (level == w->row->levels - 1 && w->row->ias < shift + w->pt->ops->index_lg2)
		return BIT(w->row->ias - shift);
	return w->pt->index_mask[level] + 1ull;
}

/* One of them may keep a table that holds nothing. */
static void compare_table(struct world *w, const uint64_t *ours, const uint64_t *theirs,
			  unsigned int level, uint64_t base)
{
	unsigned int shift = w->pt->ops->page_lg2 + level * w->pt->ops->index_lg2;

	for (uint64_t i = 0; i < entries_of(w, level); i++) {
		uint64_t a = ours ? ours[i] : 0, b = theirs ? theirs[i] : 0;
		uint64_t iova = base + (i << shift);
		struct pt_entry us, them;

		if (!a && !b)
			continue;
		us = w->regime.ops->decode(&w->regime, a, level);
		them = w->regime.ops->decode(&w->regime, b, level);
		if (us.kind != PT_STEP_TABLE && them.kind != PT_STEP_TABLE) {
			if (us.accessed != them.accessed)
				b &= ~w->row->accessed;
			same(w, "entry", iova, a, b);
			w->entries++;
			continue;
		}
		if (a && b)
			same(w, "table", iova, a & ~w->row->address, b & ~w->row->address);
		if ((a && us.kind != PT_STEP_TABLE) || (b && them.kind != PT_STEP_TABLE))
			fail(w, "kind", iova, a, b);
		compare_table(w, a ? our_table(w, us.pa) : NULL,
			      b ? (const uint64_t *)(uintptr_t)them.pa : NULL, level - 1, iova);
	}
}

static void compare(struct world *w)
{
	compare_table(w, our_table(w, pt_root_pa(w->pt)), w->linux_pt->root, w->row->levels - 1, 0);
}

/* The entry of Linux's that @iova leads to. */
static uint64_t *their_entry(const struct world *w, uint64_t iova)
{
	uint64_t *table = w->linux_pt->root, *entry;

	for (unsigned int level = w->row->levels - 1;; level--) {
		unsigned int shift = w->pt->ops->page_lg2 + level * w->pt->ops->index_lg2;
		struct pt_entry e;

		entry = &table[(iova >> shift) & (entries_of(w, level) - 1)];
		e = w->regime.ops->decode(&w->regime, *entry, level);
		if (e.kind != PT_STEP_TABLE)
			return entry;
		table = (uint64_t *)(uintptr_t)e.pa;
	}
}

static void translations(struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct map *m = &w->maps[i];
		uint64_t at[] = {0, m->len - 1, m->len, below(w, m->len)};

		for (size_t k = 0; k < ARRAY_SIZE(at); k++) {
			uint64_t iova = m->iova + at[k];
			struct pt_leaf leaf = {0};

			if (iova > w->pt->input_last)
				continue;
			if (pt_translate(w->pt, iova, &leaf))
				leaf.pa = 0;
			same(w, "translation", iova, leaf.pa,
			     w->linux_pt->translate(w->linux_pt, iova));
		}
	}
}

/* Mapping. */

static bool overlaps(const struct world *w, uint64_t iova, uint64_t len)
{
	for (size_t i = 0; i < w->n; i++) {
		if (iova < w->maps[i].iova + w->maps[i].len && w->maps[i].iova < iova + len)
			return true;
	}
	return false;
}

/* Small and large, at both ends and in the middle, aligned and not, congruent and not. */
static struct map some_map(struct world *w)
{
	unsigned int page = w->pt->ops->page_lg2, most = page + (unsigned int)below(w, 34 - page);
	uint64_t unit = BIT(page), last = w->pt->input_last;
	uint64_t len = (below(w, BIT(most - page)) + 1) << page, room, iova, pa;
	unsigned int align = page + (unsigned int)below(w, 20);

	if (!below(w, 3))
		len = BIT(log2_floor(len));
	/* Not of the smallest pages only: that many entries take long. */
	if (len > BIT(31) || (len > BIT(26) && below(w, 4)))
		align = 30;
	room = last - len + 1 < BIT(34) ? last - len + 1 : BIT(34);
	iova = align_down(below(w, room + 1), unit);
	if (below(w, 3) == 0)
		iova = last - len + 1 - iova;
	else if (below(w, 2) && last > BIT(40))
		iova += last / 2 + 1 - BIT(33);
	iova = align_down(iova, below(w, 2) ? BIT(align) : unit);
	pa = align_down(below(w, BIT(34)), unit);
	if (below(w, 3) || len > BIT(31))
		pa = align_down(pa, BIT(align)) | (iova & MASK(align));
	if (below(w, 2) && w->pt->output_last > BIT(40))
		pa += align_down(w->pt->output_last - BIT(36), BIT(30));
	return (struct map){iova, pa, len};
}

static void map(struct world *w)
{
	struct map m = some_map(w);
	int prot = 1 + (int)below(w, 3);

	prot |= below(w, 3) ? 0 : (int)(below(w, 64) & (unsigned int)w->row->attributes);
	if (m.iova > w->pt->input_last || m.len - 1 > w->pt->input_last - m.iova ||
	    m.pa + m.len - 1 > w->pt->output_last || overlaps(w, m.iova, m.len))
		return;
	same(w, "map", m.iova, (uint64_t)pt_map(w->pt, m.iova, m.pa, m.len, prot),
	     (uint64_t)w->linux_pt->map(w->linux_pt, m.iova, m.pa, m.len, linux_prot(prot)));
	w->maps[w->n++] = m;
}

static void unmap(struct world *w, size_t i)
{
	struct pt_gather gather = {0};
	uint64_t unmapped;

	if (pt_unmap(w->pt, w->maps[i].iova, w->maps[i].len, &gather, &unmapped))
		fail(w, "unmap", w->maps[i].iova, 0, 0);
	pt_gather_free(w->mem, &gather);
	same(w, "unmap", w->maps[i].iova, unmapped,
	     w->linux_pt->unmap(w->linux_pt, w->maps[i].iova, w->maps[i].len));
	w->maps[i] = w->maps[--w->n];
}

/* Dirty flags. */

/* A sum over every dirty page, in any order and of any length. */
struct dirty {
	uint64_t sum, bytes;
};

static void dirty_add(void *arg, uint64_t iova, uint64_t len)
{
	struct dirty *d = arg;

	d->bytes += len;
	d->sum += iova * len + len / 2 * (len - 1);
}

static int dirty_add_ours(void *arg, uint64_t iova, uint64_t len)
{
	dirty_add(arg, iova, len);
	return 0;
}

static void read_dirty(struct world *w, bool clear)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct map *m = &w->maps[i];
		struct dirty ours = {0}, theirs = {0};

		if (pt_read_dirty(w->pt, m->iova, m->iova + m->len - 1, clear, dirty_add_ours,
				  &ours) ||
		    w->linux_pt->read_dirty(w->linux_pt, m->iova, m->len, clear, dirty_add,
					    &theirs))
			fail(w, "dirty", m->iova, 0, 0);
		same(w, "dirty bytes", m->iova, ours.bytes, theirs.bytes);
		same(w, "dirty pages", m->iova, ours.sum, theirs.sum);
	}
}

/* Linux's Arm leaves begin dirty, ours begin clean. */
static void clean_theirs(struct world *w)
{
	struct dirty ignored = {0};

	for (size_t i = 0; i < w->n; i++)
		w->linux_pt->read_dirty(w->linux_pt, w->maps[i].iova, w->maps[i].len, true,
					dirty_add, &ignored);
}

/* A device writes: to our table by pt_mark(), to Linux's by what the format says. */
static void write_somewhere(struct world *w)
{
	const struct map *m = &w->maps[below(w, w->n)];
	uint64_t iova = m->iova + below(w, m->len);
	struct pt_leaf leaf;

	if (pt_translate(w->pt, iova, &leaf) || !(leaf.prot & PT_WRITE))
		return;
	if (pt_mark(w->pt, iova, true))
		fail(w, "mark", iova, 0, 0);
	*their_entry(w, iova) = w->regime.ops->marked(*their_entry(w, iova), true);
}

static void dirty(struct world *w)
{
	for (unsigned int i = 0; w->n && i < 50; i++)
		write_somewhere(w);
	compare(w);
	read_dirty(w, false);
	compare(w);
	read_dirty(w, true);
	compare(w);
	read_dirty(w, true);
}

static void open_world(struct world *w, const struct row *row, uint64_t seed)
{
	struct pt_config cfg = {.ops = row->ops,
				.levels = row->levels,
				.ias = row->ias,
				.oas = row->oas,
				.page_sizes = row->page_sizes,
				.flags = row->flags};
	struct linux_config theirs = {.levels = row->levels,
				      .ias = row->ias,
				      .oas = row->oas,
				      .dirty = row->flags & PT_DIRTY,
				      .coherent = row->flags & PT_COHERENT,
				      .unsign = row->flags & PT_UNSIGNED,
				      .svpbmt = row->flags & PT_SVPBMT,
				      .fwb = row->flags & PT_S2FWB};

	*w = (struct world){.row = row, .rnd = seed};
	if (pt_mem_create(&w->mem))
		fail(w, "memory", 0, 0, 0);
	*pt_mem_pa_base(w->mem) = PA_BASE;
	if (pt_create(w->mem, &cfg, &w->pt))
		fail(w, "pt_create", 0, 0, 0);
	theirs.page_sizes = pt_page_sizes(w->pt);
	theirs.napot = theirs.page_sizes & BIT(16);
	w->linux_pt = row->open(&theirs);
	if (!w->linux_pt)
		fail(w, "Linux refuses", 0, 0, 0);
	same(w, "page sizes", 0, pt_page_sizes(w->pt), w->linux_pt->page_sizes);
	w->regime = (struct pt_regime){.ops = row->ops,
				       .levels = row->levels,
				       .ias = row->ias,
				       .oas = 63,
				       .page_sizes = U64MAX,
				       .flags = PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_NX |
						(row->flags & PT_SVPBMT)};
}

static void close_world(struct world *w)
{
	w->linux_pt->close(w->linux_pt);
	same(w, "pages that Linux kept", 0, 0, shim_used());
	pt_destroy(w->pt);
	pt_mem_destroy(w->mem);
}

static uint64_t run(const struct row *row, uint64_t seed, bool broken)
{
	struct world w;

	open_world(&w, row, seed);
	for (unsigned int i = 0; i < MOST_MAPS; i++)
		map(&w);
	if (row->flags & PT_DIRTY)
		clean_theirs(&w);
	if (broken)
		*their_entry(&w, w.maps[0].iova) ^= 2;
	compare(&w);
	translations(&w);
	if (row->flags & PT_DIRTY)
		dirty(&w);
	while (w.n > MOST_MAPS / 4)
		unmap(&w, below(&w, w.n));
	compare(&w);
	translations(&w);
	while (w.n)
		unmap(&w, 0);
	compare(&w);
	close_world(&w);
	return w.entries;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--break")) {
		run(&rows[4], 1, true);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t entries = 0;

		for (uint64_t round = 1; round <= ROUNDS; round++)
			entries += run(&rows[i], 0x9e3779b97f4a7c15ull * (i + 1) + round, false);
		printf("%-20s %10" PRIu64 " entries equal\n", rows[i].name, entries);
	}
	return 0;
}

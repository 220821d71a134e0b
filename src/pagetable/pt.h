/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables in hardware's own formats: the engine's side.
 *
 * A table is real: entries hold PAs, tables included, so that what is built here could be handed to
 * the silicon. The walker is written once (walk.h) and compiled for each format (fmt_*.c).
 *
 * Threads. One writer for each struct pt at a time: the caller serialises pt_map(), pt_unmap(),
 * pt_cut(), pt_read_dirty() with clear, and the setters. pt_translate(), pt_mark(), pt_explain(),
 * pt_read_dirty() without clear run at any time beside it, without locks, from inside the reader's
 * epoch: what pt_unmap() takes out of the tree is gathered and must go back (pt_gather_free()) only
 * after caches were invalidated and readers have left. struct pt_mem is thread-safe.
 *
 * Addresses are in bytes. iova, pa and len are multiples of the smallest page size. Errors are
 * negative errnos.
 */
#ifndef IOAS_PAGETABLE_PT_H
#define IOAS_PAGETABLE_PT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

struct pt;
struct pt_ops;

/*
 * Table memory of one host: one large reservation of address space, handed out in units of
 * 4 KiB. A table is one unit, or 2^n of them, contiguous and aligned to their size; its PA is
 * pa_base plus its offset in the reservation. What is known about a table (how many entries are in
 * use) stands beside it, not in it.
 */
struct pt_mem;

/* -ENOMEM when not even the smallest reservation can be had. */
int pt_mem_create(struct pt_mem **out);
/* Every pt was destroyed and every gather freed. */
void pt_mem_destroy(struct pt_mem *m);
/* The reservation: 1 GiB aligned, a multiple of 1 GiB. */
char *pt_mem_base(const struct pt_mem *m);
size_t pt_mem_size(const struct pt_mem *m);
/* Where the PA of pt_mem_base() is to be written, once, before the first pt_create(). 1 GiB
 * aligned; 0 until then. */
uint64_t *pt_mem_pa_base(struct pt_mem *m);
/* Units of 4 KiB in use: tables live or gathered. */
size_t pt_mem_tables(struct pt_mem *m);
/* Let at most @n units be in use at a time; beyond, -ENOMEM. Initially what the reservation holds.
 */
void pt_mem_set_limit(struct pt_mem *m, size_t n);
/* The unit of 4 KiB at @pa, or NULL where the reservation has none. For walks by PA, as hardware
 * does them. */
const uint64_t *pt_mem_table(const struct pt_mem *m, uint64_t pa);

/* Tables taken out of a tree, not yet free. Begins as {0}; one struct pt_mem's only. */
struct pt_gather {
	uint32_t first, last; /* a list through the tables' descriptors */
	uint32_t n, units;
	uint16_t orders; /* those of its blocks, and perhaps others: a bitmap */
};

static inline bool pt_gather_empty(const struct pt_gather *g)
{
	return !g->n;
}

/* Gives them back and leaves *g empty. No cache refers to them and no reader is in them any more.
 */
void pt_gather_free(struct pt_mem *m, struct pt_gather *g);

/*
 * What a leaf permits, and what memory it says is there. A format widens what it cannot tell apart:
 * where there is no write-only, PT_WRITE brings PT_READ. Without any of those after PT_WRITE a leaf
 * is what Linux makes for an IOAS: cached, executable, of the unprivileged, not global.
 */
enum {
	PT_READ = BIT(0),
	PT_WRITE = BIT(1),
	PT_NOEXEC = BIT(2),
	PT_PRIVILEGED = BIT(3), /* not for requests of the unprivileged */
	PT_MMIO = BIT(4),	/* device memory */
	PT_UNCACHED = BIT(5),	/* memory, but not to be cached */
	PT_GLOBAL = BIT(6),	/* in every address space of the table's owner */
};

/* pt_config.flags */
#define PT_DIRTY    BIT(0) /* leaves may carry accessed and dirty flags; tracking starts off */
#define PT_COHERENT BIT(1) /* leaves force coherent (snooped) access whatever the device asks */
#define PT_NO_HUGE  BIT(2) /* leaves of the smallest size only */
#define PT_UNSIGNED BIT(3) /* input addresses are not sign-extended, though the format's may be */
#define PT_S2FWB    BIT(4) /* Arm stage 2: memory attributes as for STE.S2FWB */
#define PT_SVPBMT   BIT(5) /* RISC-V: leaves may carry memory types */

struct pt_config {
	const struct pt_ops *ops; /* the format */
	unsigned int levels;	  /* VT-d second stage 3..5, AMD v1 1..6 (the mode), ... */
	unsigned int ias,
		oas; /* input and output width in bits; 0: all that the levels, the format, hold */
	uint64_t page_sizes; /* leaf sizes allowed, a bitmap; 0: every one of the format's that fits
			      */
	unsigned int flags;
};

#define PT_MAX_LEVELS 6

/* Tables that became empty are kept for the next map until as many others did. */
#define PT_NR_KEPT 16

/* One page table. Read-only outside this room. */
struct pt {
	const struct pt_ops *ops;
	struct pt_mem *mem;
	uint64_t *root;
	uint64_t to_ptr;		  /* a table's address minus its PA */
	uint64_t page_sizes;		  /* leaf sizes that pt_map() uses */
	uint64_t input_last, output_last; /* sign-extended: of the lower half */
	/* Sign-extended: an address plus the bias is at most the span. */
	uint64_t input_bias, input_span;
	uint64_t leaf_bits;  /* what the flags change in every leaf, */
	uint64_t write_bits; /* and in writable ones: struct pt_format, bits */
	uint32_t index_mask[PT_MAX_LEVELS];
	uint8_t levels, index_lg2;
	bool can_dirty;
	bool dirty_tracking; /* read by readers */
	uint8_t next_kept;
	uint64_t nr_leaf_bytes;	   /* mapped */
	uint64_t kept[PT_NR_KEPT]; /* empty tables: an IOVA below, level << 1 | 1; 0: none */
};

/* -EINVAL: a geometry that the format does not know; -EOPNOTSUPP: PT_DIRTY, and leaves have no
 * dirty flag; -ENOMEM. */
int pt_create(struct pt_mem *m, const struct pt_config *cfg, struct pt **out);
/* Frees all tables at once: nothing caches or reads them any more. */
void pt_destroy(struct pt *pt);

/* What a context entry must point at. */
uint64_t pt_root_pa(const struct pt *pt);

static inline unsigned int pt_levels(const struct pt *pt)
{
	return pt->levels;
}

/* Bitmap of leaf sizes; the lowest bit is the alignment that it demands. */
static inline uint64_t pt_page_sizes(const struct pt *pt)
{
	return pt->page_sizes;
}

/*
 * Which leaf sizes pt_map() uses from now on: those that pt_page_sizes() told after pt_create(), or
 * only the smallest of them. Leaves that are there stay as they are.
 */
static inline void pt_set_page_sizes(struct pt *pt, uint64_t sizes)
{
	pt->page_sizes = sizes;
}

static inline uint64_t pt_mapped_bytes(const struct pt *pt)
{
	return pt->nr_leaf_bytes;
}

/* Where an IOVA leads. */
struct pt_leaf {
	uint64_t pa;	 /* of the IOVA itself */
	uint64_t raw;	 /* the entry as it was read */
	uint64_t *entry; /* valid until the reader's section ends */
	uint8_t lg2;	 /* size of the leaf, hence of what may be cached: 2^lg2 bytes, naturally
			    aligned */
	uint8_t prot;	 /* PT_READ | PT_WRITE */
	bool accessed, dirty; /* as pt_mark() left them */
};

enum pt_step_kind { PT_STEP_EMPTY, PT_STEP_TABLE, PT_STEP_LEAF };

/* What is wrong with an address or an entry, for who walks tables that others built. */
enum pt_fault {
	PT_FAULT_NONE,
	PT_FAULT_INPUT,	   /* the address is beyond the input width, or its sign is wrong */
	PT_FAULT_ABSENT,   /* not present */
	PT_FAULT_RESERVED, /* a reserved bit or encoding, or a leaf where none may be */
	PT_FAULT_ALIGN,	   /* the address of a leaf is not a multiple of its size */
	PT_FAULT_OUTPUT,   /* an address beyond the output width */
	PT_FAULT_ACCESSED, /* the accessed flag is clear and setting it is software's */
	PT_FAULT_READ,	   /* the table itself cannot be read */
};

/* What an entry permits; of the entries on the way all must. */
enum {
	PT_MAY_READ = BIT(0),
	PT_MAY_WRITE = BIT(1),
	PT_MAY_EXEC = BIT(2),		 /* unprivileged */
	PT_MAY_PRIVILEGED_EXEC = BIT(3), /* privileged */
	PT_MAY_UNPRIVILEGED = BIT(4),	 /* any unprivileged access */
	PT_MAY_ALL = MASK(5),
};

/* An entry decoded: a pure function of its bits, its level and how the hardware is set up. */
struct pt_entry {
	uint64_t pa;	/* of the next table or of the leaf's first byte */
	uint8_t kind;	/* enum pt_step_kind; only PT_STEP_EMPTY with a fault other than ACCESSED */
	uint8_t fault;	/* enum pt_fault */
	uint8_t next;	/* the level of the next table */
	uint8_t lg2;	/* of a leaf */
	uint8_t may;	/* PT_MAY_* */
	uint8_t memory; /* memory type, as the format encodes it (AttrIndx, MemAttr, PBMT, PAT) */
	uint8_t share;	/* Arm: SH */
	bool accessed, dirty, global;
};

/*
 * How hardware walks tables that are not a struct pt's. The tables may hold anything: a walk reads
 * at most one entry for each level, each once, and only through @read.
 */
struct pt_regime {
	const struct pt_ops *ops;
	uint64_t root_pa;
	unsigned int levels, ias, oas; /* as in struct pt_config, but none of them 0 */
	uint64_t page_sizes;	       /* leaf sizes that are there; others are reserved */
	unsigned int flags;	       /* PT_WALK_*, PT_UNSIGNED, PT_SVPBMT */
	/* The eight bytes at @pa, as they are: 0, or not 0 for PT_FAULT_READ. */
	int (*read)(void *arg, uint64_t pa, uint64_t *entry);
	void *arg;
};

/* pt_regime.flags */
#define PT_WALK_ACCESSED BIT(16) /* hardware sets accessed flags: a clear one is no fault */
#define PT_WALK_DIRTY	 BIT(17) /* and dirty ones: Arm's DBM makes writable */
#define PT_WALK_NX	 BIT(18) /* x86: XD is no reserved bit */
#define PT_WALK_FLAT	 BIT(19) /* Arm: tables do not restrict (HPD) */
#define PT_WALK_TABLES	 BIT(20) /* hardware sets accessed flags of tables too */

/* One entry on the way to an IOVA, or one of a dump. */
struct pt_step {
	uint64_t iova;	   /* first that the entry covers */
	uint64_t table_pa; /* of the table it stands in */
	uint64_t raw;
	uint64_t pa; /* of the next table or of the leaf */
	unsigned int index;
	uint8_t level; /* 0: that of the smallest leaves */
	uint8_t lg2;   /* bytes covered; the leaf's size for a leaf */
	uint8_t prot;
	uint8_t kind;  /* enum pt_step_kind */
	uint8_t fault; /* enum pt_fault */
	uint8_t may;   /* of a walk of foreign tables: PT_MAY_*, of the way so far */
	uint8_t next;  /* the same: of a table, its own level */
};

/* Where a walk of foreign tables ended. */
struct pt_walk {
	struct pt_entry entry;	/* of the leaf; its fault is the walk's */
	uint64_t pa;		/* of the IOVA */
	uint64_t raw, entry_pa; /* the last entry read, and where: to set its flags there */
	uint8_t level;		/* its level */
	uint8_t may;		/* what the whole way permits */
};

/* A field of an entry and when it means what its name says: for words. */
enum { PT_IN_TABLE = BIT(0), PT_IN_PAGE = BIT(1), PT_IN_BLOCK = BIT(2) };
struct pt_field {
	const char *name; /* NULL ends the list */
	uint64_t mask;
	uint8_t in; /* PT_IN_*: tables, leaves of level 0, leaves above it */
};
#define PT_IN_LEAF (PT_IN_PAGE | PT_IN_BLOCK)
#define PT_IN_ALL  (PT_IN_TABLE | PT_IN_LEAF)

/* What a format supplies; its functions are instantiated from walk.h. Call through those below. */
struct pt_ops {
	const char *name;
	unsigned int min_levels, max_levels;
	unsigned int page_lg2, index_lg2; /* smallest leaf; entries of a table */
	unsigned int leaf_index_lg2;	  /* entries of a table of level 0; 0: as the others */
	unsigned int max_index_lg2;	  /* not 0: all tables have as many entries, up to this,
					     as the levels need for the input */
	unsigned int root_more_lg2;	  /* by so much a root may have more entries, */
	bool root_whole;		  /* or has, however narrow the input */
	bool big_endian;		  /* entries in memory */
	bool sign_extended;		  /* input addresses; but for PT_UNSIGNED */
	bool no_dirty;			  /* leaves have no dirty flag */
	unsigned int max_ias, max_oas;	  /* bits */
	uint64_t
		page_sizes; /* leaf sizes with enough levels; the lowest of each level among them */
	uint64_t coherent_bits;		       /* set in a leaf for PT_COHERENT */
	uint64_t (*empty)(unsigned int level); /* an entry that is not present; NULL: 0 */
	/* Sets leaf_bits and write_bits from pt_config.flags; may be NULL. */
	void (*configure)(struct pt *pt, unsigned int flags);
	const struct pt_field *fields;
	int (*map)(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot);
	int (*unmap)(struct pt *pt, uint64_t iova, uint64_t len, struct pt_gather *g,
		     uint64_t *unmapped);
	int (*translate)(const struct pt *pt, uint64_t iova, struct pt_leaf *out);
	size_t (*translate_batch)(const struct pt *pt, const uint64_t *iova, size_t n,
				  struct pt_leaf *out);
	int (*mark)(struct pt *pt, uint64_t iova, bool dirty);
	int (*cut)(struct pt *pt, uint64_t iova);
	int (*read_dirty)(struct pt *pt, uint64_t iova, uint64_t last, bool clear,
			  int (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg);
	void (*prefetch)(const struct pt *pt, uint64_t iova);
	size_t (*explain)(const struct pt *pt, uint64_t iova, struct pt_step *steps);
	int (*dump)(const struct pt *pt, int (*cb)(void *arg, const struct pt_step *s), void *arg);
	/* Tables that others built: one entry of a table of @level; a walk; an entry's value with
	 * the accessed, and perhaps the dirty, flag set. */
	struct pt_entry (*decode)(const struct pt_regime *r, uint64_t raw, unsigned int level);
	int (*walk)(const struct pt_regime *r, uint64_t iova, struct pt_walk *out,
		    void (*cb)(void *arg, const struct pt_step *s), void *arg);
	uint64_t (*marked)(uint64_t e, bool dirty);
	/* Moves every table, the root included, to @g. */
	void (*gather_all)(struct pt *pt, struct pt_gather *g);
};

/* log2 of a table's entries (but for a root's, or a level 0's) where the input has @ias bits. */
static inline unsigned int pt_index_lg2(const struct pt_ops *ops, unsigned int levels,
					unsigned int ias)
{
	unsigned int bits = ias > ops->page_lg2 ? ias - ops->page_lg2 : 0;
	unsigned int each = (bits + levels - 1) / levels;

	return ops->max_index_lg2 && each > ops->index_lg2 ? each : ops->index_lg2;
}

extern const struct pt_ops pt_vtd_ss; /* Intel VT-d second stage */
extern const struct pt_ops pt_vtd_fs; /* Intel VT-d first stage */
extern const struct pt_ops pt_amdv1;  /* AMD I/O page tables, version 1 */
extern const struct pt_ops pt_amdv2;  /* AMD guest page tables, version 2: x86-64's */
extern const struct pt_ops pt_s390;   /* s390 zPCI: page, segment and region tables */
/* POWER TCEs, for each size of page. */
extern const struct pt_ops pt_power_4k, pt_power_64k, pt_power_2m, pt_power_16m;
extern const struct pt_ops pt_mock; /* AMD's with pages of 2 KiB (make mock) */

/* RISC-V Sv39, Sv48, Sv57, and Sv39x4, ...: 3 to 5 levels */
extern const struct pt_ops pt_riscv_s1, pt_riscv_s2;

/* Arm VMSAv8-64, by stage and granule; ds: addresses of 52 bits with the small granules (LPA2).
 * Stage 2: an input wider than the levels' makes a root of several tables. */
extern const struct pt_ops pt_arm64_s1_4k, pt_arm64_s1_16k, pt_arm64_s1_64k, pt_arm64_s1_4k_ds,
	pt_arm64_s1_16k_ds;
extern const struct pt_ops pt_arm64_s2_4k, pt_arm64_s2_16k, pt_arm64_s2_64k, pt_arm64_s2_4k_ds,
	pt_arm64_s2_16k_ds;

/**
 * pt_map() - map [iova, iova + len) to [pa, pa + len)
 *
 * Leaves are as large as page_sizes, congruence of iova and pa, and len allow. All or nothing.
 * -EEXIST: something is mapped there; -ENOMEM; -ERANGE: beyond the input or output width; -EINVAL:
 * len 0, misaligned, or permissions that the format cannot express (VT-d: none at all). Needs no
 * invalidation: nothing that was present changes.
 */
static inline int pt_map(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	return pt->ops->map(pt, iova, pa, len, prot);
}

/**
 * pt_unmap() - unmap whatever is mapped in [iova, iova + len)
 * @g: receives the tables that are no longer needed
 * @unmapped: receives the bytes that were mapped; may be NULL
 *
 * Leaves that straddle an edge are split first. All or nothing.
 * -ENOMEM: a split needed a table; -ERANGE, -EINVAL as pt_map(). The caller then invalidates
 * [iova, iova + len) everywhere; when @g is not empty also what is cached of upper levels, whatever
 * its IOVA; waits for readers; and calls pt_gather_free().
 */
static inline int pt_unmap(struct pt *pt, uint64_t iova, uint64_t len, struct pt_gather *g,
			   uint64_t *unmapped)
{
	return pt->ops->unmap(pt, iova, len, g, unmapped);
}

/* Brings the entry for @iova, if its table is there, nearer to a pt_map() or pt_unmap() to come. */
static inline void pt_prefetch(const struct pt *pt, uint64_t iova)
{
	pt->ops->prefetch(pt, iova);
}

/* Any IOVA, reader's side. 0, -ENOENT: not present, -ERANGE: beyond the input width. Permissions
 * are the caller's to check. */
static inline int pt_translate(const struct pt *pt, uint64_t iova, struct pt_leaf *out)
{
	return pt->ops->translate(pt, iova, out);
}

/*
 * As many translations, at once: faster for IOVAs far apart. Returns how many are present;
 * out[i].lg2 is 0 where none is.
 */
static inline size_t pt_translate_batch(const struct pt *pt, const uint64_t *iova, size_t n,
					struct pt_leaf *out)
{
	return pt->ops->translate_batch(pt, iova, n, out);
}

/**
 * pt_mark() - set the accessed flag, and the dirty one if @dirty, of the leaf at any IOVA, as
 * hardware would
 *
 * Reader's side, atomic: never brings back an entry that vanished. 0 when the flags are set;
 * -ENOENT when no leaf is there any more, -EACCES for @dirty on a leaf that may not be written: the
 * caller translates again.
 */
static inline int pt_mark(struct pt *pt, uint64_t iova, bool dirty)
{
	return pt->ops->mark(pt, iova, dirty);
}

/*
 * Split until no leaf straddles @iova: translations stay what they are, flags are kept (a dirty
 * leaf's pieces are all dirty). Cached copies of the larger leaf stay correct; an invalidation of a
 * part must drop them. -ENOMEM: nothing changed.
 */
static inline int pt_cut(struct pt *pt, uint64_t iova)
{
	return pt->ops->cut(pt, iova);
}

/**
 * pt_read_dirty() - call @cb for every run of dirty bytes in [iova, last], ascending
 * @clear: atomically clear the flags as they are read; the caller then invalidates [iova, last]
 *
 * A leaf that straddles an edge is reported as far as it lies inside, but cleared whole; who must
 * not lose the rest calls pt_cut() first. A nonzero return of @cb ends the walk and is returned
 * (what was passed to it, and no more, is cleared). -EOPNOTSUPP without PT_DIRTY.
 */
static inline int pt_read_dirty(struct pt *pt, uint64_t iova, uint64_t last, bool clear,
				int (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg)
{
	return pt->ops->read_dirty(pt, iova, last, clear, cb, arg);
}

/* Should readers mark what they write? -EOPNOTSUPP to switch it on without PT_DIRTY. Leaves are not
 * touched. */
int pt_set_dirty_tracking(struct pt *pt, bool on);

static inline bool pt_dirty_tracking(const struct pt *pt)
{
	return __atomic_load_n(&pt->dirty_tracking, __ATOMIC_RELAXED);
}

/* As PT_COHERENT from now on. -EBUSY when something is mapped. */
int pt_set_coherent(struct pt *pt);

/* The entries on the way to @iova from the root on, into steps[PT_MAX_LEVELS]; returns how many.
 * Reader's side. */
static inline size_t pt_explain(const struct pt *pt, uint64_t iova, struct pt_step *steps)
{
	return pt->ops->explain(pt, iova, steps);
}

/**
 * pt_words() - what an entry says, in words: "V R W PPN=0x80200", the specification's names
 *
 * As snprintf(): returns the length, writes at most @size bytes, the last of them 0.
 */
size_t pt_words(const struct pt_ops *ops, const struct pt_step *s, char *buf, size_t size);

/**
 * pt_walk_foreign() - translate @iova by tables that others built, as hardware would
 * @cb: called for each entry read, from the root on, with what it says; may be NULL
 *
 * 0: out->pa, out->may and out->entry are valid; permissions are the caller's to check. -EFAULT:
 * out->entry.fault says why, out->level where.
 */
static inline int pt_walk_foreign(const struct pt_regime *r, uint64_t iova, struct pt_walk *out,
				  void (*cb)(void *arg, const struct pt_step *s), void *arg)
{
	return r->ops->walk(r, iova, out, cb, arg);
}

/* Every present entry, a table before what it holds, runs once. A nonzero return of @cb ends it and
 * is returned. Reader's side. */
static inline int pt_dump(const struct pt *pt, int (*cb)(void *arg, const struct pt_step *s),
			  void *arg)
{
	return pt->ops->dump(pt, cb, arg);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware page tables behind one interface.
 *
 * One writer at a time (the caller serialises); pt_translate(), pt_mark() and the dump run beside it without locks, inside
 * their requester's epoch. A table page that unmapping emptied goes into a gather and is given back by pt_gather_free(), which
 * the writer calls after no reader can hold it any more.
 *
 * Tables are the specification's, bit for bit: an entry holds the physical address of the next table (pt_mem) or of the
 * page, in the host's physical space (memory/).
 */
#ifndef IOAS_PAGETABLE_PT_H
#define IOAS_PAGETABLE_PT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

/*
 * Table memory of one host: one reservation of address space, filled as needed. A table's physical address is pa_base + (pointer -
 * base), so that both conversions are one addition. Thread-safe.
 */
struct pt_mem;
int pt_mem_create(struct pt_mem **out); /* -ENOMEM */
void pt_mem_destroy(struct pt_mem *m);
char *pt_mem_base(const struct pt_mem *m);    /* 1 GiB aligned */
uint64_t pt_mem_size(const struct pt_mem *m); /* bytes reserved, a multiple of 1 GiB */
/* Where the reservation lies in the host's physical space; once, before the first pt_create(). */
void pt_mem_set_pa(struct pt_mem *m, uint64_t pa_base);
uint64_t pt_mem_in_use(const struct pt_mem *m); /* bytes of tables */

enum { PT_READ = 1, PT_WRITE = 2 };

/* pt_config.flags */
#define PT_DIRTY BIT(0) /* leaves carry dirty (and accessed) bits that the walker sets */
#define PT_SNOOP BIT(1) /* leaves force snooping */

struct pt_format; /* one const for each format: pt_vtd_ss, pt_amdv1 */
extern const struct pt_format pt_vtd_ss, pt_amdv1;

struct pt_config {
	const struct pt_format *format;
	unsigned int levels; /* of the root: 3 to 5 for VT-d; 1 to 6 for AMD v1 */
	unsigned int ias;    /* input bits, at most what the levels give */
	unsigned int oas;    /* output bits */
	uint64_t page_sizes; /* bitmap of leaf sizes to use; 0: all of the format's */
	uint32_t flags;
};

struct pt;
int pt_create(struct pt_mem *mem, const struct pt_config *cfg, struct pt **out); /* -EINVAL, -ENOMEM */
/* Frees every table. No reader may be left. */
void pt_destroy(struct pt *pt);
uint64_t pt_page_sizes(const struct pt *pt); /* bitmap of the leaf sizes it uses */
uint64_t pt_root(const struct pt *pt);	     /* physical address of the root table */
const struct pt_config *pt_get_config(const struct pt *pt);

/* Tables on their way back. Starts zeroed; a linked list through the pages themselves. */
struct pt_gather {
	void *tables;
	size_t nr;
};
void pt_gather_free(struct pt_mem *mem, struct pt_gather *g);

/**
 * pt_map() - map the physically contiguous run [pa, pa + len) at @iova
 * @page_sizes: leaf sizes allowed for this run (a subset of pt_page_sizes(); 0: all)
 *
 * iova, pa and len are multiples of the smallest page. The largest leaves that iova, pa and what is left
 * allow are used. Returns 0, -EEXIST, -ERANGE (outside the input or output width), -ENOMEM; nothing stays of a call that failed.
 */
int pt_map(struct pt *pt, uint64_t iova, uint64_t pa, uint64_t len, int prot, uint64_t page_sizes);

/*
 * Unmap [iova, iova + len): holes are fine. *unmapped (may be NULL) counts bytes. A leaf that straddles an edge is split first
 * (-ENOMEM possible, then nothing was done). Emptied tables go to @g.
 */
int pt_unmap(struct pt *pt, uint64_t iova, uint64_t len, struct pt_gather *g, uint64_t *unmapped);

/* Split so that no leaf straddles @iova. Translations do not change at any moment. -ENOMEM. */
int pt_cut(struct pt *pt, uint64_t iova);

struct pt_leaf {
	uint64_t pa;	 /* of iova */
	uint64_t *entry; /* for pt_mark() */
	uint64_t value;	 /* the entry as it was read */
	uint8_t size_lg2;
	uint8_t prot;
};
/* 0; -ENOENT: not present; -ERANGE: outside the input width. Lock-free. */
int pt_translate(const struct pt *pt, uint64_t iova, struct pt_leaf *out);

/*
 * A reader is about to access through @leaf: set accessed, and dirty if @write, as the format and tracking want. 0, or
 * -EAGAIN when the leaf changed: translate again.
 */
int pt_mark(const struct pt *pt, const struct pt_leaf *leaf, bool write);

/* Switch dirty tracking (only with PT_DIRTY). While it is off pt_mark() leaves dirty bits alone. */
void pt_set_dirty_tracking(struct pt *pt, bool on);
bool pt_dirty_tracking(const struct pt *pt);

/*
 * Call @fn for each dirty leaf that meets [iova, last], ascending, with the leaf's range; @clear it atomically. A
 * negative return of @fn ends the walk and is returned.
 */
typedef int (*pt_dirty_fn)(void *arg, uint64_t iova, uint64_t len);
int pt_read_dirty(struct pt *pt, uint64_t iova, uint64_t last, bool clear, pt_dirty_fn fn, void *arg);

/* The walk of one address, level by level, for tools: @fn gets each entry, root first. */
struct pt_step {
	unsigned int level, index;
	uint64_t entry_pa, entry;
	bool present, leaf;
};
void pt_explain(const struct pt *pt, uint64_t iova, void (*fn)(void *arg, const struct pt_step *s), void *arg);
/* Every present leaf, ascending. */
void pt_dump(const struct pt *pt, void (*fn)(void *arg, uint64_t iova, const struct pt_leaf *leaf), void *arg);

#endif

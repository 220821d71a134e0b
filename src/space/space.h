/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O address space (IOAS): a map from IOVA ranges to pages, shown by any number of mirrors.
 *
 * An *area* is one MAP: [iova, last] of a pages object from a byte offset on, with READ/WRITE.
 * Areas never merge. A *mirror* is one hardware page table that shows every area; without one
 * nothing is pinned (lazy pinning). Reserved ranges have an owner; the allowed list confines
 * automatic IOVA choice.
 *
 * The rules are those of the labels MAP, CPY, UNM, ALW, RNG, OPT, ACC, HWA.12-14, ATT.5: refusals are
 * reported here, through the space's sink.
 *
 * Every function takes space->lock itself unless it says otherwise, and may be called from any
 * thread.
 */
#ifndef IOAS_SPACE_SPACE_H
#define IOAS_SPACE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/refuse.h"
#include "base/text.h"
#include "memory/memory.h"
#include "pagetable/pt.h"

struct space;

enum { SPACE_READ = 1, SPACE_WRITE = 2 }; /* permissions of an area */

struct space_mirror;
struct space_mirror_ops {
	/*
	 * [iova, last] is no longer mapped, or was made less permissive or clean. Returns when no
	 * cache holds it and no access under the old translation runs; then gives the gathered
	 * tables back with pt_gather_free(). Called under space->lock.
	 */
	void (*invalidate)(struct space_mirror *m, uint64_t iova, uint64_t last,
			   struct pt_gather *g);
};

/* Embedded by whoever owns a page table; the fields are set before space_add_mirror(). */
struct space_mirror {
	const struct space_mirror_ops *ops;
	struct pt *pt;
	uint64_t aperture_start, aperture_last; /* IOVAs the table can hold */
	/* Leaf sizes, as pt_page_sizes() told after pt_create(); the lowest is the alignment that
	 * it demands. */
	uint64_t page_sizes;
	bool only_writeable; /* it takes no area that may only be read */
	struct list link;    /* space's */
};

int space_create(struct memory *m, const struct sink *sink, struct space **out);
/* Drops every area. No mirror may be left. */
void space_destroy(struct space *s);

struct space_map {
	struct pages *pages; /* or NULL: to be made of */
	const struct pages_source *source;
	uint64_t offset; /* of the first byte within pages */
	uint64_t length; /* bytes */
	uint64_t iova;	 /* in when fixed, out otherwise */
	int prot;	 /* SPACE_READ | SPACE_WRITE; 0 is allowed here (compat's quirk) */
	bool fixed;
	bool give; /* on success the caller's reference on pages becomes the area's, else it takes
		      one of its own */
};

/* MAP.6 to MAP.18, and CPY.10 between 14 and 15. */
int space_map(struct space *s, struct space_map *map);

/* CPY.5 to CPY.10; @dst may be @src. */
struct space_copy {
	uint64_t src_iova, length;
	uint64_t dst_iova; /* in when fixed, out otherwise */
	int prot;
	bool fixed;
};
int space_copy(struct space *dst, struct space *src, struct space_copy *copy);

/*
 * UNM.4 to UNM.11 (-EBUSY: UNM.7, -EDEADLK: UNM.9): whole areas within [iova, iova + length). *unmapped counts bytes, valid on
 * errors too. -ENOENT with 0 bytes may mean that nothing lies there or that the first area lies
 * there in part (space_is_free() tells).
 */
int space_unmap(struct space *s, uint64_t iova, uint64_t length, uint64_t *unmapped);
int space_unmap_all(struct space *s, uint64_t *unmapped); /* 0, also when empty */

/*
 * Cut the area that holds @iova, and does not begin there, in two of which the second begins at
 * @iova (9.5): 0 when there is none; -EINVAL when it cannot be cut. Linux cuts at the end of a
 * request first, then at its start.
 */
int space_cut(struct space *s, uint64_t iova);

/* One area, for those that look: -ENOENT when none lies at or after @iova. */
struct space_area {
	uint64_t iova, last;
	struct pages *pages; /* no reference taken */
	uint64_t offset;
	int prot;
};
int space_next_area(struct space *s, uint64_t iova, struct space_area *out);
uint64_t space_nr_areas(struct space *s);
/* From begin to end neither areas nor the tables that show them change; space_look_area() is
 * space_next_area() in between. */
void space_look_begin(struct space *s);
int space_look_area(struct space *s, uint64_t iova, struct space_area *out);
bool space_look_pinned(const struct space *s); /* every area is, as a whole */
void space_look_end(struct space *s);
/* No area meets [iova, iova + length); false when that wraps or is empty. */
bool space_is_free(struct space *s, uint64_t iova, uint64_t length);

/* HWA.12-14 and MAP.16-18: writes every area into the mirror's table. On failure nothing is left.
 */
int space_add_mirror(struct space *s, struct space_mirror *m);
void space_remove_mirror(struct space *s, struct space_mirror *m);
bool space_has_mirror(struct space *s);
/* Page sizes that all mirrors share; PAGE_SIZE and every larger power of two when there is none
 * (9.3). */
uint64_t space_page_sizes(struct space *s);

/*
 * ATT.5. Reserve @n ranges for @owner, all or nothing: -EADDRINUSE when one meets an area or the
 * allowed list. Ranges of several owners may overlap. space_release() takes back all that @owner
 * reserved by one call of reserve.
 */
struct space_range {
	uint64_t start, last;
};
int space_reserve(struct space *s, const struct space_range *r, size_t n, void *owner);
/* The same, with words for each that say what it is reserved for; they outlive the space. */
int space_reserve_named(struct space *s, const struct space_range *r, const char *const *what,
			size_t n, void *owner);
void space_release(struct space *s, void *owner);

/* ALW.4 to ALW.7. The ranges are copied. */
int space_allow(struct space *s, const struct space_range *r, size_t n);
/* ALW.4 and ALW.5 alone, for a list of which this is only the beginning. */
int space_check_allowed(struct space *s, const struct space_range *r, size_t n);

/*
 * RNG: the gaps between reserved ranges, ascending. Writes up to @max of them to @out, returns how
 * many there are; *alignment receives iova_alignment.
 */
size_t space_iova_ranges(struct space *s, struct space_range *out, size_t max, uint64_t *alignment);

/* OPT.8 to OPT.15, object HUGE_PAGES. */
bool space_huge_pages(struct space *s);
int space_set_huge_pages(struct space *s, uint64_t on);

/*
 * CHP: charge everything to @payer; covers all spaces of a context at once. CHP.2 to CHP.5. Locks
 * them in array order.
 */
int space_change_payer(struct space **spaces, size_t n, const struct memory_payer *payer);

/* GPA.7 to GPA.10 for a mirror of noiommu kind is not offered: no such mirror exists on a host with
 * an IOMMU. */

/*
 * GDB.3 to GDB.10, with the walk's quirks Q4, Q5 and Q27. @set is called for runs of dirty bits,
 * ascending: set bits [first, first + n) in the caller's bitmap; bits may be set twice. Afterwards
 * the mirror's invalidate ran once unless
 * @no_clear.
 */
struct space_dirty {
	uint64_t iova, length, page_size;
	bool no_clear;
	bool has_dirty; /* the mirror's domain was made with dirty tracking (GDB.8) */
	int (*set)(void *arg, uint64_t first,
		   uint64_t n); /* what it returns is not looked at (Q4, Q27) */
	void *arg;
};
int space_read_dirty(struct space *s, struct space_mirror *m, const struct space_dirty *d);
/* SDT.4 and 5: on clears every dirty flag, then switches pt_set_dirty_tracking(). The domain can
 * track (SDT.3). */
int space_set_dirty(struct space *s, struct space_mirror *m, bool on);

/*
 * Where @m leads @iova, as a device would be led there; with @write also marks it as written, if that
 * is tracked. -ENOENT: nowhere; -EACCES: it must not be written.
 */
int space_translate(struct space *s, struct space_mirror *m, uint64_t iova, bool write,
		    struct pt_leaf *out);

/*
 * Software users of a space (semantics 8), which pin or copy instead of translating. What one has pinned
 * is not unmapped: space_unmap() asks for it through unmap(), and goes on when nothing in the area is
 * pinned any more.
 */
struct space_access;
struct space_access_ops {
	/* Without space->lock, between get() and put(): unpin all that meets the range. */
	void (*unmap)(struct space_access *a, uint64_t iova, uint64_t length);
	/* Under space->lock: false when @a is about to go, and then it is not asked. */
	bool (*get)(struct space_access *a);
	void (*put)(struct space_access *a);
};
struct space_access {
	/* NULL: never asked; its pins lock the area (EBUSY, UNM.7). */
	const struct space_access_ops *ops;
	uint64_t alignment; /* that it demands of areas: 1 or the page */
	uint64_t number;    /* the space's, ascending */
	struct list link;   /* the space's */
};

/* -EADDRINUSE (@rule): an area is not aligned. */
int space_add_access(struct space *s, struct space_access *a, const char *rule);
void space_remove_access(struct space *s, struct space_access *a); /* its pins are gone */

/* ACC.3, ACC.9 (@rule): is [iova, iova + length) neither empty nor beyond 64 bits? Asked before the next three. */
int space_check_range(const struct sink *sink, const char *rule, uint64_t iova, uint64_t length);

/*
 * ACC.4 to ACC.7: [iova, iova + length) for @a; pas[n] receives the PA of the n-th page that it meets.
 * space_unpin() names exactly such a range (ACC.8).
 */
struct space_pin {
	uint64_t iova, length;
	bool write; /* as well as read */
	uint64_t *pas;
};
int space_pin(struct space *s, const struct space_access *a, const struct space_pin *pin);
int space_unpin(struct space *s, const struct space_access *a, uint64_t iova, uint64_t length);

/* ACC.9 to ACC.11. What lies before a hole has moved. */
struct space_rw {
	uint64_t iova, length;
	char *buf; /* the engine's */
	bool write, slow;
};
int space_rw(struct space *s, const struct space_rw *rw);

/*
 * For those that read: why [iova, iova + length), which does not wrap, cannot be had, and where
 * there is room. Looks at every gap.
 */
void space_explain_place(struct space *s, uint64_t iova, uint64_t length, struct text *t);

/* Statistics: areas, mapped bytes, maps and unmaps ever made. */
struct space_stats {
	uint64_t areas, bytes, maps, unmaps;
};
void space_get_stats(struct space *s, struct space_stats *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A naive twin of an IOAS: a list of pages of 1 KiB, in order, each with all that is to be known of
 * it, and every rule by the letter, page by page. Nothing here is quick and nothing is shared with
 * space/.
 *
 * It covers one window of IOVAs; what lies outside is the wall, where nothing may be mapped.
 */
#ifndef TEST_SPACE_TWIN_H
#define TEST_SPACE_TWIN_H

#include "world.h"

#define TWIN_PAGE    1024ull
#define TWIN_MIRRORS 3
#define TWIN_RANGES  4
#define TWIN_LONGEST (64 * 4) /* pages of one call */

struct twin_page {
	uint64_t area; /* number of the area that it belongs to; 0: none */
	uint64_t va;
	int prot;
	bool writable; /* as the first MAP said */
	bool dirty[TWIN_MIRRORS];
};

/* What is made wrong, to prove that the comparison sees it. */
enum twin_fault {
	TWIN_SOUND,
	TWIN_UNMAP_LEAVES_A_PAGE,
	TWIN_MAP_IS_OFF_BY_A_PAGE,
	TWIN_IGNORES_RESERVED,
	TWIN_ALLOWS_WRITING,
	TWIN_LOSES_A_DIRTY_PAGE,
	TWIN_CHOOSES_THE_NEXT_GAP,
	TWIN_FORGETS_ALIGNMENT,
	TWIN_FAULTS
};

struct twin {
	enum twin_fault fault;
	uint64_t base; /* the window's first IOVA */
	size_t n;      /* pages in it */
	struct twin_page *page;
	uint64_t next_area;
	struct space_range allowed[TWIN_RANGES], reserved[TWIN_RANGES];
	size_t nr_allowed;
	bool is_reserved[TWIN_RANGES];
	uint64_t mirror[TWIN_MIRRORS]; /* its smallest page; 0: there is none */
	/* Of the program's memory: [va, ro) may be written, [ro, hole) read, [hole, ...) is not
	 * there. */
	uint64_t ro, hole;
};

void twin_init(struct twin *t, uint64_t base, size_t n);
void twin_free(struct twin *t);

bool twin_has_mirror(const struct twin *t);
uint64_t twin_alignment(const struct twin *t);
/* The page that holds @iova, or NULL. */
struct twin_page *twin_at(const struct twin *t, uint64_t iova);

/* One piece of an area that is to be: bytes from @va on. */
struct twin_piece {
	uint64_t va, length;
	bool writable;
};
/* MAP.7 to MAP.18 for pieces placed one behind the other. */
int twin_place(struct twin *t, const struct twin_piece *pieces, size_t n, bool fixed, int prot,
	       uint64_t *iova);
int twin_unmap(struct twin *t, uint64_t iova, uint64_t length, uint64_t *unmapped);
/* What [iova, iova + length) is made of; -ENOENT. @pieces has room for TWIN_LONGEST. */
int twin_pieces(const struct twin *t, uint64_t iova, uint64_t length, struct twin_piece *pieces,
		size_t *n);
int twin_cut(struct twin *t, uint64_t iova);
int twin_allow(struct twin *t, const struct space_range *r, size_t n);
int twin_reserve(struct twin *t, size_t which, struct space_range r);
int twin_add_mirror(struct twin *t, unsigned int i, uint64_t page);
/* A device wrote to a leaf of @size bytes that holds @iova. */
int twin_mark(struct twin *t, unsigned int i, uint64_t iova, uint64_t size);
/* GDB.3 to GDB.10; a bit for each page_size in @bits. */
int twin_read_dirty(struct twin *t, unsigned int i, const struct space_dirty *d, bool *bits);

#endif

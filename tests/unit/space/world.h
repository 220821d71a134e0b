/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of space/ share: a space, page tables of either format that mirror it, and program
 * memory.
 */
#ifndef TEST_SPACE_WORLD_H
#define TEST_SPACE_WORLD_H

#include "../memory/common.h"
#include "space/space.h"

#define ARENA_PAGES 64
#define MIRRORS     3

struct mirror {
	struct space_mirror m;
	struct pt_mem *tables;
	unsigned int invalidations;
	uint64_t iova, last; /* of the last one */
};

struct world {
	struct memory *memory;
	struct pt_mem *tables;
	struct space *s;
	struct mirror mirror[MIRRORS];
	unsigned int revoked;
	char *arena;	  /* ARENA_PAGES pages, private, present, on a 2 MiB boundary */
	const char *rule; /* of the last refusal */
	int err;
	struct sink sink;
};

static inline void note_refusal(void *arg, const struct refusal *r)
{
	struct world *w = arg;

	w->rule = r->rule;
	w->err = r->err;
}

static inline void note_invalidation(struct space_mirror *sm, uint64_t iova, uint64_t last,
				     struct pt_gather *g)
{
	struct mirror *m = container_of(sm, struct mirror, m);

	m->invalidations++;
	m->iova = iova;
	m->last = last;
	pt_gather_free(m->tables, g);
}

static const struct space_mirror_ops mirror_ops = {.invalidate = note_invalidation};

/* A page table of 4 levels, not in the space yet. */
static inline void mirror_open_format(struct world *w, unsigned int i, const struct pt_ops *format)
{
	struct pt_config cfg = {.ops = format, .levels = 4, .flags = PT_DIRTY};
	struct mirror *m = &w->mirror[i];

	*m = (struct mirror){.tables = w->tables};
	assert_int_equal(pt_create(w->tables, &cfg, &m->m.pt), 0);
	m->m.ops = &mirror_ops;
	m->m.aperture_last = m->m.pt->input_last;
	m->m.page_sizes = pt_page_sizes(m->m.pt);
}

/* As VT-d (48 bits) or AMD (48 bits) makes it. */
static inline void mirror_open(struct world *w, unsigned int i, bool amd)
{
	mirror_open_format(w, i, amd ? &pt_amdv1 : &pt_vtd_ss);
}

static inline void mirror_close(struct world *w, unsigned int i)
{
	assert_int_equal(pt_mapped_bytes(w->mirror[i].m.pt), 0);
	pt_destroy(w->mirror[i].m.pt);
	w->mirror[i].m.pt = NULL;
}

static inline void mirror_add(struct world *w, unsigned int i, bool amd)
{
	mirror_open(w, i, amd);
	assert_int_equal(space_add_mirror(w->s, &w->mirror[i].m), 0);
}

static inline void mirror_remove(struct world *w, unsigned int i)
{
	space_remove_mirror(w->s, &w->mirror[i].m);
	mirror_close(w, i);
}

static inline char *map_aligned(void)
{
	char *all = map_anon(4 * MiB, MAP_PRIVATE | MAP_NORESERVE),
	     *p = (char *)align_up((uintptr_t)all, 2 * MiB);
	char *end = p + ARENA_PAGES * PAGE_SIZE;

	munmap(end, (size_t)(all + 4 * MiB - end));
	if (p != all)
		munmap(all, (size_t)(p - all));
	return p;
}

static inline struct world *world_open(void)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t pa;

	w->memory = make_memory(true, &w->revoked);
	assert_int_equal(pt_mem_create(&w->tables), 0);
	assert_int_equal(
		memory_add_tables(w->memory, pt_mem_base(w->tables), pt_mem_size(w->tables), &pa),
		0);
	*pt_mem_pa_base(w->tables) = pa;
	w->sink = (struct sink){note_refusal, w};
	assert_int_equal(space_create(w->memory, &w->sink, &w->s), 0);
	w->arena = map_aligned();
	memset(w->arena, 1, ARENA_PAGES * PAGE_SIZE);
	return w;
}

static inline void world_close(struct world *w)
{
	for (unsigned int i = 0; i < MIRRORS; i++)
		if (w->mirror[i].m.pt)
			mirror_remove(w, i);
	space_destroy(w->s);
	assert_int_equal(pt_mem_tables(w->tables), 0);
	munmap(w->arena, ARENA_PAGES * PAGE_SIZE);
	pt_mem_destroy(w->tables);
	memory_destroy(w->memory);
	free(w);
}

static inline int world_setup(void **state)
{
	*state = world_open();
	return 0;
}

static inline int world_teardown(void **state)
{
	world_close(*state);
	return 0;
}

#define RW (SPACE_READ | SPACE_WRITE)

/* MAP of @len bytes at @va; @iova U64MAX: automatic, else fixed. Returns as space_map(), the IOVA
 * in *out (may be NULL). */
static inline int map_va(struct world *w, const void *va, uint64_t len, uint64_t iova, int prot,
			 uint64_t *out)
{
	struct space_map map = {.length = len, .iova = iova, .prot = prot, .fixed = iova != U64MAX};
	int rc;

	w->rule = NULL;
	rc = pages_from_va(w->memory, NULL, (uintptr_t)va, len ? len : 1, prot & SPACE_WRITE, false,
			   &map.pages);
	assert_int_equal(rc, 0);
	rc = space_map(w->s, &map);
	pages_put(map.pages);
	if (out)
		*out = map.iova;
	return rc;
}

static inline int map_arena(struct world *w, uint64_t page, uint64_t n, uint64_t iova)
{
	return map_va(w, w->arena + page * PAGE_SIZE, n * PAGE_SIZE, iova, RW, NULL);
}

static inline uint64_t unmap_at(struct world *w, uint64_t iova, uint64_t len)
{
	uint64_t unmapped;

	assert_int_equal(space_unmap(w->s, iova, len, &unmapped), 0);
	return unmapped;
}

/* Refused with @err under @rule. */
static inline void assert_refused_at(struct world *w, int rc, int err, const char *rule,
				     const char *file, int line)
{
	_assert_int_equal(rc, -err, file, line);
	_assert_true(w->rule != NULL, "a refusal was reported", file, line);
	_assert_string_equal(w->rule, rule, file, line);
	_assert_int_equal(w->err, err, file, line);
	w->rule = NULL;
}
#define assert_refused(w, rc, err, rule) assert_refused_at(w, rc, err, rule, __FILE__, __LINE__)

/* A page table's answer at @iova: the process's byte there, or NULL. */
static inline char *translate(struct world *w, unsigned int mirror, uint64_t iova, int prot)
{
	struct pt_leaf leaf;

	if (pt_translate(w->mirror[mirror].m.pt, iova, &leaf) || (leaf.prot & prot) != prot)
		return NULL;
	return memory_slot(w->memory, leaf.pa)->base + (leaf.pa & MEMORY_SLOT_MASK);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif

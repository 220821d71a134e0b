/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of mappings, and the trees that find them.
 *
 * By VA most ranges are disjoint, or exactly the same (chained). What overlaps otherwise goes to
 * the first level where it does not; what fits into none is not found by VA, which counts as lost.
 */
#include "observe/shadow.h"

#include <errno.h>

#include "base/alloc.h"
#include "memory/memory.h"
#include "space/space.h"

/* So many of a chain are looked at where one of a kind is searched. */
#define MAX_LOOK 64

void shadow_init(struct shadow *s)
{
	*s = (struct shadow){.smallest = U64MAX};
	lock_init(&s->lock, LOCK_OBSERVE);
	list_init(&s->spaces);
	list_init(&s->free_spaces);
	pool_init(&s->maps, sizeof(struct shadow_map));
}

/* A sanitised build's pool holds what is not freed one by one. */
static void free_maps(struct shadow *s, struct shadow_space *sp)
{
	struct range r;

	shadow_free(s, sp);
	for (bool more = range_first(&sp->maps, &r); more; more = range_next(&sp->maps, &r))
		pool_free(&s->maps, r.value);
}

static void free_spaces(struct shadow *s, struct list *head)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, head) {
		struct shadow_space *sp = list_entry(pos, struct shadow_space, link);

		free_maps(s, sp);
		range_destroy(&sp->maps);
		range_destroy(&sp->meant);
		ioas_free(sp);
	}
}

void shadow_destroy(struct shadow *s)
{
	free_spaces(s, &s->spaces);
	free_spaces(s, &s->free_spaces);
	for (unsigned int n = 1; n < SHADOW_MEMORIES && s->memories[n]; n++) {
		for (unsigned int i = 0; i < SHADOW_LEVELS; i++)
			range_destroy(&s->memories[n]->level[i]);
		ioas_free(s->memories[n]);
	}
	pool_destroy(&s->maps);
	ioas_free(s->gone);
}

/* ---- spaces ---- */

static struct shadow_space **bucket(struct shadow *s, const struct space *space)
{
	return &s->buckets[((uintptr_t)space >> 6 ^ (uintptr_t)space >> 14) % SHADOW_BUCKETS];
}

static struct shadow_space *new_space(struct shadow *s)
{
	struct shadow_space *sp;

	if (!list_empty(&s->free_spaces)) {
		sp = list_entry(s->free_spaces.next, struct shadow_space, link);
		list_del(&sp->link);
		return sp;
	}
	sp = ioas_calloc(1, sizeof(*sp));
	if (!sp)
		return NULL;
	range_init(&sp->maps, NULL);
	range_init(&sp->meant, NULL);
	return sp;
}

int shadow_add_space(struct shadow *s, const struct shadow_space *like)
{
	struct shadow_space *sp, **head = bucket(s, like->space);

	lock_acquire(&s->lock);
	sp = new_space(s);
	if (sp) {
		sp->context = like->context;
		sp->id = like->id;
		sp->container = like->container;
		sp->number = ++s->next_number;
		sp->closing = false;
		sp->gone_first = U64MAX;
		sp->gone_last = 0;
		__atomic_store_n(&sp->nested, false, __ATOMIC_RELAXED);
		list_add_tail(&s->spaces, &sp->link);
		__atomic_store_n(&sp->next, *head, __ATOMIC_RELAXED);
		__atomic_store_n(&sp->space, like->space, __ATOMIC_RELAXED);
		__atomic_store_n(head, sp, __ATOMIC_RELEASE);
	}
	lock_release(&s->lock);
	return sp ? 0 : -ENOMEM;
}

void shadow_drop_space(struct shadow *s, struct shadow_space *sp)
{
	struct shadow_space **at;

	lock_acquire(&s->lock);
	for (at = bucket(s, sp->space); *at != sp; at = &(*at)->next)
		;
	__atomic_store_n(at, sp->next, __ATOMIC_RELEASE);
	__atomic_store_n(&sp->space, NULL, __ATOMIC_RELAXED);
	list_del(&sp->link);
	list_add_tail(&s->free_spaces, &sp->link);
	lock_release(&s->lock);
}

struct shadow_space *shadow_space_find(struct shadow *s, const struct space *space)
{
	struct shadow_space *sp = __atomic_load_n(bucket(s, space), __ATOMIC_ACQUIRE);

	while (sp && __atomic_load_n(&sp->space, __ATOMIC_RELAXED) != space)
		sp = __atomic_load_n(&sp->next, __ATOMIC_ACQUIRE);
	return sp;
}

/* One that was dropped and used again may have led the way into another bucket. */
struct shadow_space *shadow_space_of(struct shadow *s, const struct space *space)
{
	struct shadow_space *sp = shadow_space_find(s, space);

	if (likely(sp != NULL))
		return sp;
	lock_acquire(&s->lock);
	sp = shadow_space_find(s, space);
	lock_release(&s->lock);
	return sp;
}

struct shadow_space *shadow_space_number(struct shadow *s, uint32_t number)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->spaces) {
		struct shadow_space *sp = list_entry(pos, struct shadow_space, link);

		if (sp->number == number)
			return sp;
	}
	return NULL;
}

struct shadow_space *shadow_space_above(struct shadow *s, uint32_t number)
{
	struct shadow_space *best = NULL;
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->spaces) {
		struct shadow_space *sp = list_entry(pos, struct shadow_space, link);

		if (sp->number > number && (!best || sp->number < best->number))
			best = sp;
	}
	return best;
}

/* ---- by VA ---- */

/* The number of @mm's memory; 0: it has none. */
static uint8_t find_memory(const struct shadow *s, const struct memory_mm *mm)
{
	for (unsigned int n = 1; n < SHADOW_MEMORIES && s->memories[n]; n++)
		if (s->memories[n]->mm == mm)
			return (uint8_t)n;
	return 0;
}

static bool is_empty(const struct shadow_memory *mem)
{
	for (unsigned int i = 0; i < SHADOW_LEVELS; i++)
		if (range_count(&mem->level[i]))
			return false;
	return true;
}

/* A new one, or one of which nothing is mapped any more. */
static uint8_t new_memory(struct shadow *s)
{
	unsigned int n = 1;

	while (n < SHADOW_MEMORIES && s->memories[n] && !is_empty(s->memories[n]))
		n++;
	if (n == SHADOW_MEMORIES)
		return 0;
	if (s->memories[n])
		return (uint8_t)n;
	s->memories[n] = ioas_calloc(1, sizeof(*s->memories[n]));
	for (unsigned int i = 0; s->memories[n] && i < SHADOW_LEVELS; i++)
		range_init(&s->memories[n]->level[i], NULL);
	return s->memories[n] ? (uint8_t)n : 0;
}

static uint8_t need_memory(struct shadow *s, const struct memory_mm *mm)
{
	uint8_t n = find_memory(s, mm);

	if (likely(n))
		return n;
	n = new_memory(s);
	if (n)
		s->memories[n]->mm = mm;
	else
		s->lost = true;
	return n;
}

bool shadow_mm(struct shadow *s, const struct shadow_map *m, const struct memory_mm **mm)
{
	*mm = m->memory ? s->memories[m->memory]->mm : NULL;
	return m->memory;
}

static uint64_t va_last(const struct shadow_map *m)
{
	return m->va + (m->last - m->iova);
}

/* 0; -EEXIST: something else overlaps it on this level; -ENOMEM. */
static int insert_level(struct range_tree *t, struct shadow_map *m)
{
	struct range r;
	int rc = range_insert(t, m->va, va_last(m), m);

	if (rc != -EEXIST)
		return rc;
	if (!range_find(t, m->va, &r) || r.start != m->va || r.last != va_last(m))
		return -EEXIST;
	m->same = r.value;
	m->same->same_prev = m;
	return range_update(t, r.start, r.last, m);
}

/* Where it fits. */
static void insert_va(struct shadow *s, struct shadow_memory *mem, struct shadow_map *m)
{
	int rc = -EEXIST;

	m->same = m->same_prev = NULL;
	for (m->level = 0; m->level < SHADOW_LEVELS; m->level++) {
		rc = insert_level(&mem->level[m->level], m);
		if (rc != -EEXIST)
			break;
	}
	if (!rc)
		return;
	m->level = SHADOW_LEVELS;
	s->lost = true;
}

static void erase_va(struct shadow_memory *mem, struct shadow_map *m)
{
	if (m->level == SHADOW_LEVELS)
		return;
	if (m->same)
		m->same->same_prev = m->same_prev;
	if (m->same_prev)
		m->same_prev->same = m->same;
	else if (m->same)
		range_update(&mem->level[m->level], m->va, va_last(m), m->same);
	else
		range_erase(&mem->level[m->level], m->va, NULL);
}

void shadow_each_at(struct shadow *s, const struct memory_mm *mm, uint64_t va, uint64_t last,
		    bool (*cb)(void *arg, struct shadow_map *m), void *arg)
{
	const uint8_t n = find_memory(s, mm);
	struct shadow_memory *mem = s->memories[n];
	struct range r;

	for (unsigned int i = 0; n && i < SHADOW_LEVELS; i++)
		for (bool more = range_first_overlap(&mem->level[i], va, last, &r); more;
		     more = range_next_overlap(&mem->level[i], last, &r))
			for (struct shadow_map *m = r.value; m; m = m->same)
				if (!cb(arg, m))
					return;
}

/* ---- aliases ---- */

/*
 * Two mappings of a space that let devices write the same bytes, where nobody has said that this is
 * meant: by a copy, or by laying one right behind the other, which makes a ring of them.
 */
bool shadow_aliases(const struct shadow_map *a, const struct shadow_map *b)
{
	return a != b && a->space == b->space && a->memory == b->memory && a->memory &&
	       (a->prot & b->prot & SPACE_WRITE) && !((a->flags | b->flags) & SHADOW_COPY) &&
	       a->last + 1 != b->iova && b->last + 1 != a->iova;
}

struct alias_search {
	struct shadow_map *map;
	unsigned int left;
};

static bool flag_alias(void *arg, struct shadow_map *other)
{
	struct alias_search *a = arg;

	if (!shadow_aliases(a->map, other))
		return --a->left;
	shadow_flag(a->map, SHADOW_ALIAS);
	shadow_flag(other, SHADOW_ALIAS);
	return false;
}

/* Nothing on other levels, and alone in its place: it overlaps nothing. */
static bool is_alone(const struct shadow_memory *mem, const struct shadow_map *m)
{
	if (m->level || m->same)
		return false;
	for (unsigned int i = 1; i < SHADOW_LEVELS; i++)
		if (range_count(&mem->level[i]))
			return false;
	return true;
}

static void find_alias(struct shadow *s, struct shadow_memory *mem, struct shadow_map *m)
{
	struct alias_search a = {m, MAX_LOOK};

	if (likely(is_alone(mem, m)) || !(m->prot & SPACE_WRITE) || m->flags & SHADOW_COPY)
		return;
	shadow_each_at(s, mem->mm, m->va, va_last(m), flag_alias, &a);
}

/* ---- declared bytes: ranges that do not touch ---- */

static int meant_add(struct range_tree *t, uint64_t first, uint64_t last)
{
	const uint64_t from = first ? first - 1 : 0, to = last == U64MAX ? last : last + 1;
	struct range r;

	for (bool more = range_first_overlap(t, from, to, &r); more;
	     more = range_next_overlap(t, to, &r)) {
		first = min_u64(first, r.start);
		last = max_u64(last, r.last);
		range_erase(t, r.start, NULL);
	}
	return range_insert(t, first, last, NULL);
}

static int meant_remove(struct range_tree *t, uint64_t first, uint64_t last)
{
	struct range r;
	int rc = 0;

	for (bool more = range_first_overlap(t, first, last, &r); more && !rc;
	     more = range_next_overlap(t, last, &r)) {
		range_erase(t, r.start, NULL);
		if (r.start < first)
			rc = range_insert(t, r.start, first - 1, NULL);
		if (!rc && r.last > last)
			rc = range_insert(t, last + 1, r.last, NULL);
	}
	return rc;
}

/* ---- mappings ---- */

static uint8_t unit_of(uint64_t len_less_one)
{
	return len_less_one >> 32 ? (uint8_t)(log2_floor(len_less_one) - 31) : 0;
}

static struct shadow_map *new_map(struct shadow *s, const struct shadow_map *like)
{
	struct shadow_map *m = pool_alloc(&s->maps);

	if (!m)
		return NULL;
	*m = *like;
	m->shift = unit_of(m->last - m->iova);
	m->level = SHADOW_LEVELS;
	m->same = m->same_prev = NULL;
	return m;
}

static bool by_va(const struct shadow_map *m)
{
	return m->source != SOURCE_FILE && m->source != SOURCE_DMABUF;
}

bool shadow_insert(struct shadow *s, struct shadow_space *sp, const struct shadow_map *like,
		   const struct pages *pages)
{
	const uint8_t n = by_va(like) ? need_memory(s, pages_mm(pages)) : 0;
	struct shadow_map *m = new_map(s, like);

	if (!m)
		goto out_lost;
	m->space = sp->number;
	m->memory = n;
	if (range_insert(&sp->maps, m->iova, m->last, m))
		goto out_free;
	if (n) {
		insert_va(s, s->memories[n], m);
		find_alias(s, s->memories[n], m);
	}
	if (m->last - m->iova < s->smallest)
		__atomic_store_n(&s->smallest, m->last - m->iova + 1, __ATOMIC_RELAXED);
	return true;
out_free:
	pool_free(&s->maps, m);
out_lost:
	s->lost = true;
	return false;
}

/* Though DMA still counts its uses. */
static struct shadow_map copy_of(const struct shadow_map *m)
{
	return (struct shadow_map){
		.iova = m->iova,
		.last = __atomic_load_n(&m->last, __ATOMIC_RELAXED),
		.va = m->va,
		.made = m->made,
		.read = __atomic_load_n(&m->read, __ATOMIC_RELAXED),
		.wrote = __atomic_load_n(&m->wrote, __ATOMIC_RELAXED),
		.used = __atomic_load_n(&m->used, __ATOMIC_RELAXED),
		.same = m->same,
		.same_prev = m->same_prev,
		.space = m->space,
		.mapped_at = m->mapped_at,
		.uses = __atomic_load_n(&m->uses, __ATOMIC_RELAXED),
		.memory = m->memory,
		.flags = __atomic_load_n(&m->flags, __ATOMIC_RELAXED),
		.prot = m->prot,
		.source = m->source,
		.level = m->level,
		.shift = m->shift,
	};
}

static void remember(struct shadow *s, struct shadow_space *sp, const struct shadow_map *m,
		     uint64_t when, stack_id stack)
{
	if (!s->gone)
		s->gone = ioas_calloc(SHADOW_HISTORY, sizeof(*s->gone));
	if (!s->gone) {
		s->lost = true;
		return;
	}
	s->gone[s->nr_gone % SHADOW_HISTORY] =
		(struct shadow_gone){copy_of(m), when, sp->id, stack};
	__atomic_store_n(&s->nr_gone, s->nr_gone + 1, __ATOMIC_RELAXED);
	sp->gone_first = min_u64(sp->gone_first, m->iova);
	sp->gone_last = max_u64(sp->gone_last, shadow_last(m));
}

void shadow_remove(struct shadow *s, struct shadow_space *sp, struct shadow_map *m, uint64_t when,
		   stack_id stack)
{
	/* Before anything else: readers trust what they remember as long as this stands still. */
	__atomic_store_n(&sp->changes, sp->changes + 1, __ATOMIC_SEQ_CST);
	range_erase(&sp->maps, m->iova, NULL);
	if (m->memory)
		erase_va(s->memories[m->memory], m);
	if (m->flags & SHADOW_DECLARED && meant_remove(&sp->meant, m->iova, m->last))
		s->lost = true;
	remember(s, sp, m, when, stack);
	m->same = sp->dying;
	sp->dying = m;
	sp->nr_dying++;
}

void shadow_free(struct shadow *s, struct shadow_space *sp)
{
	struct shadow_map *m = sp->dying, *next;

	for (; m; m = next) {
		next = m->same;
		pool_free(&s->maps, m);
	}
	sp->dying = NULL;
	sp->nr_dying = 0;
}

/* The part of @extent of @m within bytes [from, to] of it, for a map that begins there. */
static uint64_t part_of(const struct shadow_map *m, uint64_t extent, uint64_t from,
			const struct shadow_map *to)
{
	uint64_t first, last;

	if (!shadow_extent(m, extent, &first, &last) || last < from)
		return EXTENT_EMPTY;
	first = first > from ? first - from : 0;
	last = min_u64(last - from, to->last - to->iova);
	return first > last ? EXTENT_EMPTY : first >> to->shift << 32 | last >> to->shift;
}

void shadow_cut(struct shadow *s, struct shadow_space *sp, uint64_t iova)
{
	struct shadow_map *m = shadow_find(sp, iova), *right, part;
	struct shadow_memory *mem;
	uint64_t left;

	if (!m || m->iova == iova)
		return;
	mem = s->memories[m->memory];
	left = iova - m->iova;
	part = *m;
	part.iova = iova;
	part.va += left;
	right = new_map(s, &part);
	if (right) {
		right->read = part_of(m, m->read, left, right);
		right->wrote = part_of(m, m->wrote, left, right);
	} else {
		s->lost = true;
	}
	__atomic_store_n(&sp->changes, sp->changes + 1, __ATOMIC_SEQ_CST);
	if (mem)
		erase_va(mem, m);
	__atomic_store_n(&m->last, iova - 1, __ATOMIC_RELAXED);
	range_update(&sp->maps, m->iova, iova - 1, m);
	if (mem)
		insert_va(s, mem, m);
	if (!right)
		return;
	if (range_insert(&sp->maps, iova, right->last, right)) {
		s->lost = true;
		pool_free(&s->maps, right);
	} else if (mem) {
		insert_va(s, mem, right);
	}
}

void shadow_move(struct shadow *s, struct shadow_map *m, uint64_t va, bool valid)
{
	struct shadow_memory *mem = s->memories[m->memory];
	const uint8_t clear = SHADOW_FREED | SHADOW_NO_VADDR;

	if (mem)
		erase_va(mem, m);
	m->va = va;
	if (mem)
		insert_va(s, mem, m);
	__atomic_store_n(&m->flags, (uint8_t)(m->flags & ~clear), __ATOMIC_RELAXED);
	if (!valid)
		shadow_flag(m, SHADOW_NO_VADDR);
}

struct shadow_map *shadow_next(struct shadow_space *sp, uint64_t iova)
{
	struct range r;

	return range_first_overlap(&sp->maps, iova, U64MAX, &r) ? r.value : NULL;
}

struct shadow_map *shadow_nearest(struct shadow_space *sp, uint64_t iova)
{
	struct range above = {.start = iova, .last = iova}, below = above;
	const bool has_above = range_first_overlap(&sp->maps, iova, U64MAX, &above),
		   has_below = range_prev(&sp->maps, &below);

	if (has_above && has_below)
		return above.start <= iova || above.start - iova < iova - below.last ? above.value
										     : below.value;
	return has_above ? above.value : has_below ? below.value : NULL;
}

const struct shadow_gone *shadow_history(const struct shadow *s, const struct shadow_space *sp,
					 uint64_t iova)
{
	const bool within = iova >= sp->gone_first && iova <= sp->gone_last;
	const uint64_t n = within ? min_u64(s->nr_gone, SHADOW_HISTORY) : 0;

	for (uint64_t i = 1; i <= n; i++) {
		const struct shadow_gone *g = &s->gone[(s->nr_gone - i) % SHADOW_HISTORY];

		if (g->map.space == sp->number && iova >= g->map.iova && iova <= g->map.last)
			return g;
	}
	return NULL;
}

uint64_t shadow_gone_number(const struct shadow *s, const struct shadow_gone *g)
{
	const uint64_t newest = s->nr_gone - 1;

	return newest - (newest - (uint64_t)(g - s->gone)) % SHADOW_HISTORY;
}

/* ---- what programs declare ---- */

static int declare(struct shadow_space *sp, struct shadow_map *m, uint64_t first, uint64_t last,
		   bool meant)
{
	int rc = 0;

	if (!(m->flags & SHADOW_DECLARED) && !meant)
		rc = meant_add(&sp->meant, m->iova, m->last);
	if (!rc)
		rc = meant ? meant_add(&sp->meant, first, last)
			   : meant_remove(&sp->meant, first, last);
	return rc;
}

void shadow_declare(struct shadow *s, struct shadow_space *sp, uint64_t iova, uint64_t last,
		    bool meant)
{
	struct range r;

	for (bool more = range_first_overlap(&sp->maps, iova, last, &r); more;
	     more = range_next_overlap(&sp->maps, last, &r)) {
		struct shadow_map *m = r.value;

		if (!declare(sp, m, max_u64(iova, r.start), min_u64(last, r.last), meant)) {
			shadow_flag(m, SHADOW_DECLARED);
			continue;
		}
		/* What is not known is not held against anybody. */
		__atomic_store_n(&m->flags, m->flags & ~SHADOW_DECLARED, __ATOMIC_RELAXED);
		s->lost = true;
	}
}

bool shadow_undeclared(struct shadow_space *sp, uint64_t iova, uint64_t last, uint64_t *bad,
		       uint64_t *bad_last)
{
	return range_gap(&sp->meant, iova, last, bad, bad_last);
}

/* ---- within sections ---- */

struct shadow_map *shadow_find(const struct shadow_space *sp, uint64_t iova)
{
	struct range r;

	return range_lookup(&sp->maps, iova, &r) ? r.value : NULL;
}

void shadow_touch(struct shadow_map *m, uint64_t iova, uint64_t last, bool write)
{
	uint64_t *extent = write ? &m->wrote : &m->read;
	uint64_t old = __atomic_load_n(extent, __ATOMIC_RELAXED), new;
	const uint64_t a = (iova - m->iova) >> m->shift, b = (last - m->iova) >> m->shift;

	do {
		new = min_u64(old >> 32, a) << 32 | max_u64(old & 0xffffffff, b);
	} while (unlikely(new != old) &&
		 !__atomic_compare_exchange_n(extent, &old, new, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

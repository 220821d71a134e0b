/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Map, copy, unmap, cut: the areas of a space.
 *
 * All of it runs under space->lock from beginning to end, so no area is ever seen half made (UNM.6
 * cannot happen).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/inject.h"
#include "base/observe.h"
#include "space/private.h"

bool areas_misaligned(struct space *s, uint64_t align, struct range *which)
{
	struct range r;

	for (bool more = range_first(&s->areas, &r); more; more = range_next(&s->areas, &r)) {
		struct area a = area_of(&r);
		uint64_t bits = r.start | (r.last + 1) | (area_address(&a) & PAGE_MASK);

		if (!is_aligned(bits, align)) {
			*which = r;
			return true;
		}
	}
	return false;
}

static COLD int refuse_taken(struct space *s, uint64_t iova, uint64_t last)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);
	struct range r;

	if (refuse_heard(s->sink) && range_first_overlap(&s->areas, iova, last, &r)) {
		explain_area(&r, &t);
		explain_room(s, iova, last - iova + 1, &t);
	}
	return refuse(s->sink, EEXIST, "MAP.14", "iova", iova, "%s", buf);
}

static COLD int refuse_reserved(struct space *s, uint64_t iova, uint64_t last)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(s->sink)) {
		explain_reserved(s, iova, last, &t);
		explain_room(s, iova, last - iova + 1, &t);
	}
	return refuse(s->sink, EINVAL, "MAP.13", "iova", iova, "%s", buf);
}

/* MAP.14; where the first of the areas is to stand. */
static int find_spot(struct space *s, uint64_t iova, uint64_t last, struct range_spot *spot)
{
	int rc = range_find_spot(&s->areas, iova, last, spot);

	return likely(rc != -EEXIST) ? rc : refuse_taken(s, iova, last);
}

/* MAP.11 to MAP.14. */
static int check_fixed(struct space *s, uint64_t iova, uint64_t length, struct range_spot *spot)
{
	uint64_t last;

	if (!is_aligned(iova, s->alignment))
		return refuse(s->sink, EINVAL, "MAP.11", "iova", iova, "a multiple of %llu",
			      (unsigned long long)s->alignment);
	if (__builtin_add_overflow(iova, length - 1, &last))
		return refuse(s->sink, EOVERFLOW, "MAP.12", "iova", iova,
			      "iova + length - 1 within 64 bits");
	if (list_meets(&s->blocked, iova, last))
		return refuse_reserved(s, iova, last);
	return find_spot(s, iova, last, spot);
}

/* CPY.10, MAP.15. */
static int check_piece(struct space *s, const struct piece *p, int prot)
{
	uint64_t in_page = (pages_start(p->pages) + p->offset) & PAGE_MASK;

	if ((prot & SPACE_WRITE) && !pages_writable(p->pages))
		return refuse(s->sink, EPERM, "CPY.10", "flags", (uint64_t)prot,
			      "no WRITEABLE: the source was mapped without");
	if (!is_aligned(in_page, s->alignment))
		return refuse(s->sink, EINVAL, "MAP.15",
			      pages_is_file(p->pages) ? "start" : "user_va",
			      pages_start(p->pages) + p->offset, "a multiple of %llu",
			      (unsigned long long)s->alignment);
	return 0;
}

/* What comes next touches the areas around @iova and its page-table entries: where both are far
 * from what was touched last, they are waited for at the same time. */
static void prefetch(struct space *s, uint64_t iova)
{
	struct list *pos, *tmp;

	if (likely(range_is_near(&s->areas, iova)))
		return;
	list_for_each (pos, tmp, &s->mirrors)
		pt_prefetch(list_entry(pos, struct space_mirror, link)->pt, iova);
}

static int check_placement(struct space *s, struct placement *p)
{
	const struct piece *first = &p->pieces[0];
	int rc;

	if (!is_aligned(p->length, s->alignment))
		return refuse(s->sink, EINVAL, "MAP.7", "length", p->length, "a multiple of %llu",
			      (unsigned long long)s->alignment);
	if (p->fixed)
		rc = check_fixed(s, p->iova, p->length, &p->spot);
	else
		rc = iova_choose(s, pages_start(first->pages) + first->offset, p->length, &p->iova);
	for (size_t i = 0; i < p->n && !rc; i++)
		rc = check_piece(s, &p->pieces[i], p->prot);
	return rc;
}

/* What stands for @a in space->areas. */
static int area_encode(struct space *s, const struct area *a, void **value)
{
	uintptr_t ref = (uintptr_t)a->pages | (uintptr_t)a->prot;
	struct far_area *far;

	*value = (void *)ref;
	if (!a->offset)
		return 0;
	far = pool_alloc(&s->far_areas);
	if (!far)
		return -ENOMEM;
	*far = (struct far_area){ref, a->offset};
	*value = (void *)((uintptr_t)far | AREA_FAR);
	return 0;
}

static void area_forget(struct space *s, void *value)
{
	if ((uintptr_t)value & AREA_FAR)
		pool_free(&s->far_areas, (void *)((uintptr_t)value - AREA_FAR));
}

static int add_area(struct space *s, const struct piece *p, uint64_t iova, int prot, bool give,
		    struct range_spot spot)
{
	struct area a = {p->pages, p->offset, prot};
	uint64_t last = iova + p->length - 1;
	void *value;
	int rc;

	rc = area_encode(s, &a, &value);
	if (rc)
		return rc;
	rc = range_insert_at(&s->areas, spot, iova, last, value);
	if (rc)
		goto out_forget;
	rc = fill_area(s, &a, iova, last);
	if (rc)
		goto out_erase;
	if (!give)
		pages_get(p->pages);
	s->bytes += p->length;
	return 0;
out_erase:
	range_erase(&s->areas, iova, NULL);
out_forget:
	area_forget(s, value);
	return rc;
}

/* An area that no mirror shows any more. */
static inline void drop_area(struct space *s, const struct range *r)
{
	struct area a = area_of(r);

	pinned_forget(s, r);
	range_erase(&s->areas, r->start, NULL);
	if (has_mirror(s))
		pages_unpin_put(a.pages, a.offset, range_bytes(r));
	else
		pages_put(a.pages);
	area_forget(s, r->value);
	s->bytes -= range_bytes(r);
}

/* The areas from @from on that end at or before @last; they are whole. */
static inline void remove_silently(struct space *s, const struct range *from, uint64_t last)
{
	struct range first = *from;
	bool more = true;

	clear_mirrors(s, first.start, last);
	while (more) {
		drop_area(s, &first);
		more = first.last < last && range_next(&s->areas, &first);
	}
}

/* The same, but devices are to lose them later: late.c. */
static void remove_late(struct space *s, const struct range *from, uint64_t last)
{
	struct range r = *from;
	bool more = true;

	while (more) {
		if (late_keep(s, &r)) {
			pinned_forget(s, &r);
			range_erase(&s->areas, r.start, NULL);
			area_forget(s, r.value);
			s->bytes -= range_bytes(&r);
		} else {
			clear_mirrors(s, r.start, r.last);
			drop_area(s, &r);
		}
		more = r.last < last && range_next(&s->areas, &r);
	}
}

/*
 * What tells observers stands beside the path, not in it: a value that only an event needs would
 * otherwise be kept in a register, and saved, whether or not somebody listens.
 */
static __attribute__((cold, noinline)) void
remove_and_tell(struct space *s, const struct range *first, uint64_t last)
{
	const uint64_t start = first->start;

	observe_unmap(s->sink, &(struct event_unmap){s, start, last});
	if (has_mirror(s) && inject_unmap_late(s->sink))
		remove_late(s, first, last);
	else
		remove_silently(s, first, last);
	observe_unmapped(s->sink, &(struct event_unmapped){s, start, last});
}

static __attribute__((noinline)) void remove_areas(struct space *s, const struct range *first,
						   uint64_t last)
{
	if (observed())
		remove_and_tell(s, first, last);
	else
		remove_silently(s, first, last);
}

static __attribute__((cold, noinline)) void tell_map(struct space *s, const struct placement *p,
						     size_t i, uint64_t iova)
{
	const struct piece *piece = &p->pieces[i];

	observe_map(s->sink,
		    &(struct event_map){.space = s,
					.iova = iova,
					.last = iova + piece->length - 1,
					.pages = piece->pages,
					.offset = piece->offset,
					.prot = p->prot,
					.copy = p->copy,
					.addr = pages_start(piece->pages) + piece->offset});
}

int areas_add(struct space *s, struct placement *p)
{
	uint64_t iova;
	int rc = check_placement(s, p);

	if (rc)
		return rc;
	iova = p->iova;
	for (size_t i = 0; i < p->n; i++) {
		rc = add_area(s, &p->pieces[i], iova, p->prot, p->give, p->spot);
		if (rc)
			goto out_undo;
		if (observed())
			tell_map(s, p, i, iova);
		p->spot = (struct range_spot){0};
		iova += p->pieces[i].length;
	}
	s->maps++;
	return 0;
out_undo:
	if (iova != p->iova) {
		struct range first;

		range_find(&s->areas, p->iova, &first);
		remove_areas(s, &first, iova - 1);
		late_finish(s);
	}
	return rc;
}

int space_map(struct space *s, struct space_map *map)
{
	struct piece piece = {map->pages, map->offset, map->length};
	struct placement p = {.pieces = &piece,
			      .n = 1,
			      .length = map->length,
			      .prot = map->prot,
			      .fixed = map->fixed,
			      .give = map->give || !map->pages,
			      .iova = map->iova};
	int rc = 0;

	if (!map->length || map->length > U64MAX - PAGE_SIZE)
		return refuse(s->sink, EINVAL, "MAP.6", "length", map->length,
			      "at least 1, less than 2^64-4096");
	lock_acquire(&s->lock);
	if (observed())
		late_finish(s);
	if (p.fixed)
		prefetch(s, p.iova);
	if (!map->pages)
		rc = pages_create(s->memory, map->source, has_mirror(s), &piece.pages);
	if (!rc)
		rc = areas_add(s, &p);
	lock_release(&s->lock);
	if (!rc)
		map->iova = p.iova;
	else if (!map->pages && piece.pages)
		pages_put(piece.pages);
	return rc;
}

/* Copy. */

static void put_pieces(struct piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pages_put(pieces[i].pages);
	ioas_free(pieces);
}

/* Nothing is mapped at @at. */
static COLD int refuse_hole(struct space *s, uint64_t at, uint64_t last)
{
	struct range r;

	if (range_first_overlap(&s->areas, at, last, &r))
		last = r.start - 1;
	return refuse(s->sink, ENOENT, "CPY.7", "src_iova", at,
		      "a range that is mapped without a hole; %#llx-%#llx is one",
		      (unsigned long long)at, (unsigned long long)last);
}

/* What [iova, last] is made of, with references. -ENOENT: not all of it is mapped. */
static int get_pieces(struct space *s, uint64_t iova, uint64_t last, struct piece **out, size_t *n)
{
	struct piece *pieces = NULL, *grown;
	struct range r;
	int rc = 0;

	*n = 0;
	for (uint64_t at = iova;; at = r.last + 1) {
		struct area a;

		if (!range_find(&s->areas, at, &r)) {
			rc = refuse_hole(s, at, last);
			break;
		}
		if (!*n || is_pow2(*n)) {
			grown = ioas_realloc(pieces, (*n ? *n * 2 : 1) * sizeof(*pieces));
			if (!grown) {
				rc = -ENOMEM;
				break;
			}
			pieces = grown;
		}
		a = area_of(&r);
		pages_get(a.pages);
		pieces[(*n)++] = (struct piece){a.pages, a.offset + (at - r.start),
						min_u64(r.last, last) - at + 1};
		if (r.last >= last)
			break;
	}
	if (rc) {
		put_pieces(pieces, *n);
		return rc;
	}
	*out = pieces;
	return 0;
}

int space_copy(struct space *dst, struct space *src, struct space_copy *copy)
{
	struct placement p = {.length = copy->length,
			      .prot = copy->prot,
			      .fixed = copy->fixed,
			      .copy = true,
			      .iova = copy->dst_iova};
	struct piece *pieces;
	uint64_t last;
	int rc;

	if (!copy->length)
		return refuse(src->sink, EINVAL, "CPY.5", "length", 0, "at least 1");
	if (__builtin_add_overflow(copy->src_iova, copy->length - 1, &last))
		return refuse(src->sink, EOVERFLOW, "CPY.6", "src_iova", copy->src_iova,
			      "src_iova + length - 1 within 64 bits");
	lock_acquire(&src->lock);
	rc = get_pieces(src, copy->src_iova, last, &pieces, &p.n);
	lock_release(&src->lock);
	if (rc)
		return rc;
	p.pieces = pieces;
	lock_acquire(&dst->lock);
	late_finish(dst);
	rc = areas_add(dst, &p);
	lock_release(&dst->lock);
	put_pieces(pieces, p.n);
	if (!rc)
		copy->dst_iova = p.iova;
	return rc;
}

/* Unmap. */

/* So often an access may be asked for an area without letting it go (UNM.9). */
#define UNMAP_TRIES 100

/* What stops an unmap at an area: 0, -EBUSY, -ENOENT, or -EAGAIN when its pins must go first. */
static int check_unmap(struct space *s, const struct range *r, uint64_t start, uint64_t last,
		       const struct pinned_area *pinned)
{
	if (pinned && pinned->locks)
		return refuse(s->sink, EBUSY, "UNM.7", "iova", r->start,
			      "no area in which a hardware queue lies");
	if (r->start < start || r->last > last)
		return refuse(s->sink, ENOENT, "UNM.8", r->start < start ? "iova" : "length",
			      r->start < start ? start : last - start + 1,
			      "whole mappings: %#llx-%#llx is one",
			      (unsigned long long)r->start, (unsigned long long)r->last);
	return pinned && pinned->pins ? -EAGAIN : 0;
}

/* The areas from *start on, up to the first that cannot go: that one is *r then. */
static int unmap_some(struct space *s, uint64_t start, uint64_t last, struct range *r)
{
	bool more = range_first_overlap(&s->areas, start, last, r), any = false;
	const struct range first = *r;
	uint64_t end = 0;
	int rc = 0;

	for (; more; more = r->last < last && range_next_overlap(&s->areas, last, r)) {
		rc = check_unmap(s, r, start, last, pinned_find(s, r));
		if (rc)
			break;
		any = true;
		end = r->last;
	}
	if (any) {
		remove_areas(s, &first, end);
		s->unmaps++;
	}
	return rc;
}

/* Leaves the lock while accesses are asked to unpin; what was unmapped by then is not looked at
 * again. */
static int unmap(struct space *s, uint64_t start, uint64_t last, uint64_t *unmapped)
{
	uint64_t before = s->bytes;
	unsigned int tries = 0;
	struct range r;
	int rc;

	*unmapped = 0;
	while ((rc = unmap_some(s, start, last, &r)) == -EAGAIN) {
		*unmapped += before - s->bytes;
		tries = r.start == start ? tries : 0;
		start = r.start;
		if (tries++ == UNMAP_TRIES)
			return refuse(s->sink, EDEADLK, "UNM.9", "iova", start,
				      "accesses that unpin what is unmapped");
		pinned_find(s, &r)->prevented = true;
		access_notify(s, r.start, range_bytes(&r));
		before = s->bytes;
	}
	*unmapped += before - s->bytes;
	return rc;
}

static COLD int refuse_nothing(struct space *s, uint64_t iova)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(s->sink)) {
		lock_acquire(&s->lock);
		explain_neighbours(s, iova, &t);
		lock_release(&s->lock);
	}
	return refuse(s->sink, ENOENT, "UNM.10", "iova", iova, "%s", buf);
}

int space_unmap(struct space *s, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t last;
	int rc;

	*unmapped = 0;
	if (!length)
		return refuse(s->sink, EINVAL, "UNM.4", "length", 0, "at least 1");
	if (__builtin_add_overflow(iova, length - 1, &last))
		return refuse(s->sink, EOVERFLOW, "UNM.5", "iova", iova,
			      "iova + length - 1 within 64 bits");
	lock_acquire(&s->lock);
	if (observed())
		late_finish(s);
	prefetch(s, iova);
	rc = unmap(s, iova, last, unmapped);
	lock_release(&s->lock);
	return !rc && !*unmapped ? refuse_nothing(s, iova) : rc;
}

int space_unmap_all(struct space *s, uint64_t *unmapped)
{
	int rc;

	lock_acquire(&s->lock);
	late_finish(s);
	rc = unmap(s, 0, U64MAX, unmapped);
	lock_release(&s->lock);
	return rc;
}

/* Cut (9.5). */

/* One pin of the whole becomes two of its parts. Nothing is looked at anew: all of it is pinned. */
static int cut_pin(const struct area *a, uint64_t left, uint64_t right)
{
	int rc = pages_pin(a->pages, a->offset, left);

	if (rc)
		return rc;
	rc = pages_pin(a->pages, a->offset + left, right);
	if (rc) {
		pages_unpin(a->pages, a->offset, left);
		return rc;
	}
	pages_unpin(a->pages, a->offset, left + right);
	return 0;
}

static void join_pin(const struct area *a, uint64_t left, uint64_t right)
{
	int rc = pages_pin(a->pages, a->offset, left + right);

	/* The parts are pinned, in tables that stay as long as they are. */
	assert(!rc);
	(void)rc;
	pages_unpin(a->pages, a->offset, left);
	pages_unpin(a->pages, a->offset + left, right);
}

static int cut_area(struct space *s, const struct range *r, uint64_t iova)
{
	uint64_t left = iova - r->start, right = r->last - iova + 1;
	struct area a = area_of(r), b = {a.pages, a.offset + left, a.prot};
	void *value;
	int rc;

	rc = area_encode(s, &b, &value);
	if (rc)
		return rc;
	if (has_mirror(s)) {
		rc = cut_pin(&a, left, right);
		if (rc)
			goto out_forget;
	}
	range_update(&s->areas, r->start, iova - 1, r->value);
	rc = range_insert(&s->areas, iova, r->last, value);
	if (rc)
		goto out_join;
	pages_get(b.pages);
	OBSERVE(s->sink, cut, s, iova);
	return 0;
out_join:
	range_update(&s->areas, r->start, r->last, r->value);
	if (has_mirror(s))
		join_pin(&a, left, right);
out_forget:
	area_forget(s, value);
	return rc;
}

static int cut(struct space *s, uint64_t iova)
{
	const char *rule = "COMPAT.UNMAP";
	struct range r;
	const struct pinned_area *pinned;
	struct area a;
	uint64_t bits;

	/* (quirk) A cut behind the first byte is not made. */
	if (!range_find(&s->areas, iova, &r) || iova - r.start < 2)
		return 0;
	pinned = pinned_find(s, &r);
	if (pinned && pinned->prevented)
		return refuse(s->sink, EBUSY, rule, "iova", iova, "no area that is being unmapped");
	a = area_of(&r);
	bits = iova | ((area_address(&a) + (iova - r.start)) & PAGE_MASK);
	if (!is_aligned(bits, s->alignment))
		return refuse(s->sink, EINVAL, rule, "iova", iova, "a multiple of %llu",
			      (unsigned long long)s->alignment);
	if (has_mirror(s) && s->huge)
		return refuse(s->sink, EINVAL, rule, "iova", iova,
			      "a whole area: huge pages are on");
	if (pinned)
		return refuse(s->sink, EINVAL, rule, "iova", iova,
			      "a whole area: an access has pinned it");
	return cut_area(s, &r, iova);
}

int space_cut(struct space *s, uint64_t iova)
{
	int rc;

	lock_acquire(&s->lock);
	late_finish(s);
	rc = cut(s, iova);
	lock_release(&s->lock);
	return rc;
}

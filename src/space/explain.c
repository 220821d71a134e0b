/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a person is told of a place that cannot be had: who is there, and where room is. Found out
 * only when somebody listens, since it looks at every gap there is.
 */
#include <inttypes.h>

#include "space/private.h"

struct room {
	uint64_t iova, length; /* what was asked for */
	uint64_t align;
	struct space_range largest;
	bool any;	  /* there is a gap at all */
	uint64_t nearest; /* where @length fits, as near to @iova as can be */
	bool fits;
};

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* [start, last] is free. */
static void consider(struct room *room, uint64_t start, uint64_t last)
{
	uint64_t low, high;

	if (!room->any || last - start > room->largest.last - room->largest.start)
		room->largest = (struct space_range){start, last};
	room->any = true;
	if (!room->length || last - start < room->length - 1 ||
	    __builtin_add_overflow(start, room->align - 1, &low))
		return;
	low = align_down(low, room->align);
	high = align_down(last - (room->length - 1), room->align);
	if (low > high)
		return;
	high = min_u64(max_u64(align_down(room->iova, room->align), low), high);
	if (!room->fits || distance(high, room->iova) < distance(room->nearest, room->iova))
		room->nearest = high;
	room->fits = true;
}

/* Gaps between the areas in [start, last], where nothing is reserved. */
static void look_in_span(struct space *s, struct room *room, uint64_t start, uint64_t last)
{
	uint64_t end;

	for (uint64_t from = start; range_gap(&s->areas, from, last, &from, &end); from = end + 1) {
		consider(room, from, end);
		if (end == last)
			break;
	}
}

static void look(struct space *s, struct room *room)
{
	uint64_t start = 0;

	for (size_t i = 0; i < s->blocked.n; i++) {
		const struct space_range *b = &s->blocked.r[i];

		if (b->start > start)
			look_in_span(s, room, start, b->start - 1);
		if (b->last == U64MAX)
			return;
		start = b->last + 1;
	}
	look_in_span(s, room, start, U64MAX);
}

static void add_range(struct text *t, uint64_t start, uint64_t last)
{
	text_add(t, "%#" PRIx64 "-%#" PRIx64, start, last);
}

static void add_gap(struct text *t, const struct room *room)
{
	const struct space_range *gap = &room->largest;

	if (!room->any) {
		text_add(t, "; nothing is free");
		return;
	}
	text_add(t, "; largest free gap ");
	add_range(t, gap->start, gap->last);
	if (gap->last - gap->start != U64MAX) {
		text_add(t, ", ");
		text_add_bytes(t, gap->last - gap->start + 1);
	}
}

void explain_room(struct space *s, uint64_t iova, uint64_t length, struct text *t)
{
	struct room room = {.iova = iova, .length = length, .align = s->alignment};

	look(s, &room);
	if (room.fits)
		text_add(t, "; %#" PRIx64 " is the nearest place where %#" PRIx64 " bytes fit",
			 room.nearest, length);
	add_gap(t, &room);
}

/* Reserved for a page table: what it cannot hold. */
static void add_aperture(const struct space_mirror *m, bool above, struct text *t)
{
	text_add(t, "%s the ", above ? "above" : "below");
	if (!m->aperture_start && is_pow2(m->aperture_last + 1))
		text_add(t, "%u-bit ", log2_floor(m->aperture_last + 1));
	text_add(t, "aperture ");
	add_range(t, m->aperture_start, m->aperture_last);
}

static const struct space_mirror *mirror_of(struct space *s, const void *owner)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->mirrors)
		if (list_entry(pos, struct space_mirror, link) == owner)
			return owner;
	return NULL;
}

void explain_reserved(struct space *s, uint64_t start, uint64_t last, struct text *t)
{
	for (size_t i = 0; i < s->nr_reserved; i++) {
		const struct reserved *r = &s->reserved[i];
		const struct space_mirror *m = mirror_of(s, r->owner);

		if (r->range.start > last || r->range.last < start)
			continue;
		if (m) {
			text_add(t, "not ");
			add_aperture(m, r->range.start > m->aperture_last, t);
		} else {
			text_add(t, "not in ");
			add_range(t, r->range.start, r->range.last);
			text_add(t, ", %s", r->what);
		}
		return;
	}
	text_add(t, "outside reserved ranges");
}

/* What is mapped at @r. */
void explain_area(const struct range *r, struct text *t)
{
	const struct area a = area_of(r);

	text_add(t, "a free range; ");
	add_range(t, r->start, r->last);
	text_add(t, " is mapped to %s %#" PRIx64,
		 pages_is_file(a.pages) ? "file offset" : "user_va", area_address(&a));
}

/* Unmapping what is not there: what is near. */
void explain_neighbours(struct space *s, uint64_t iova, struct text *t)
{
	struct range below = {.start = iova, .last = iova}, above = below;

	text_add(t, "a range in which something is mapped");
	if (range_prev(&s->areas, &below)) {
		text_add(t, "; below lies ");
		add_range(t, below.start, below.last);
	}
	if (range_next(&s->areas, &above)) {
		text_add(t, "; above lies ");
		add_range(t, above.start, above.last);
	}
	if (!range_count(&s->areas))
		text_add(t, "; nothing is mapped at all");
}

void space_explain_place(struct space *s, uint64_t iova, uint64_t length, struct text *t)
{
	const uint64_t last = iova + (length - 1);
	struct range r;

	lock_acquire(&s->lock);
	if (list_meets(&s->blocked, iova, last))
		explain_reserved(s, iova, last, t);
	else if (range_first_overlap(&s->areas, iova, last, &r))
		explain_area(&r, t);
	else
		text_add(t, "a free range");
	explain_room(s, iova, length, t);
	lock_release(&s->lock);
}

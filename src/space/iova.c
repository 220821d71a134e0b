/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Automatic choice of an IOVA (3.5): first fit, ascending, in the allowed list or in everything,
 * around reserved ranges and areas.
 *
 * The alignment wanted is that of the memory, so that large leaves are possible; the place keeps
 * the memory's offset in its page. Where both are less than a page Linux merely ORs the offset into
 * the aligned start of a gap, and takes no gap whose only fitting start is its last byte; so do we.
 */
#include <errno.h>

#include "space/private.h"

#define HUGE_PAGE (2ull << 20)

struct want {
	uint64_t length, align, in_page;
};

/* Where @w fits into the gap [start, last], if it does. */
static bool fits(const struct want *w, uint64_t start, uint64_t last, uint64_t *at)
{
	uint64_t low;

	if (__builtin_add_overflow(start, w->align - 1, &low))
		return false;
	low = align_down(low, w->align) | w->in_page;
	if (low >= last || last - low < w->length - 1)
		return false;
	*at = low;
	return true;
}

/* Among the areas in [start, last], where nothing is reserved. */
static bool find_in_hole(struct space *s, const struct want *w, uint64_t start, uint64_t last,
			 uint64_t *iova)
{
	struct range_fit fit = {.from = start, .last = last, .len = w->length, .align = w->align};
	uint64_t end;

	if (!w->in_page && w->length > 1)
		return !range_find_free(&s->areas, &fit, iova);
	for (uint64_t from = start; range_gap(&s->areas, from, last, &from, &end); from = end + 1) {
		if (fits(w, from, end, iova))
			return true;
		if (end == last)
			break;
	}
	return false;
}

/* Among reserved ranges and areas in [start, last]. */
static bool find_in_span(struct space *s, const struct want *w, uint64_t start, uint64_t last,
			 uint64_t *iova)
{
	for (size_t i = 0; i < s->blocked.n && start <= last; i++) {
		const struct space_range *b = &s->blocked.r[i];

		if (b->last < start)
			continue;
		if (b->start > last)
			break;
		if (b->start > start && find_in_hole(s, w, start, b->start - 1, iova))
			return true;
		if (b->last >= last)
			return false;
		start = b->last + 1;
	}
	return find_in_hole(s, w, start, last, iova);
}

static uint64_t wanted_alignment(uint64_t addr, uint64_t length)
{
	uint64_t align = length == 1 ? 1 : BIT(log2_floor(length - 1) + 1);

	if (addr)
		align = min_u64(align, BIT(lowest_bit(addr)));
	return min_u64(align, HUGE_PAGE);
}

static COLD int refuse_full(struct space *s, uint64_t length)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(s->sink)) {
		text_add(&t, "at most a gap's bytes");
		if (s->allowed.n)
			text_add(
				&t,
				" within the %zu ranges of ALLOW_IOVAS, the first of which is %#llx-%#llx",
				s->allowed.n, (unsigned long long)s->allowed.r[0].start,
				(unsigned long long)s->allowed.r[0].last);
		explain_room(s, 0, length, &t);
	}
	return refuse(s->sink, ENOSPC, "MAP.10", "length", length, "%s", buf);
}

int iova_choose(struct space *s, uint64_t addr, uint64_t length, uint64_t *iova)
{
	struct space_range everything = {0, U64MAX};
	struct range_list spans = s->allowed.n ? s->allowed : (struct range_list){&everything, 1};
	struct want w = {length, 0, addr & PAGE_MASK};

	if (length >= ULMAX / 2)
		return refuse(s->sink, EOVERFLOW, "MAP.8", "length", length,
			      "less than 2^63-1 without FIXED_IOVA");
	w.align = wanted_alignment(addr, length);
	if (w.align < s->alignment)
		return refuse(s->sink, EINVAL, "MAP.9", "user_va", addr, "a multiple of %#llx",
			      (unsigned long long)s->alignment);
	for (size_t i = 0; i < spans.n; i++) {
		uint64_t start = max_u64(spans.r[i].start, PAGE_SIZE),
			 last = min_u64(spans.r[i].last, ULMAX - PAGE_SIZE);

		if (start <= last && fits(&w, start, last, &start) &&
		    find_in_span(s, &w, start, last, iova))
			return 0;
	}
	return refuse_full(s, length);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges that nothing may be mapped in (reserved, each with an owner) and ranges that an automatic
 * IOVA must come from (allowed).
 *
 * Owners may reserve the same place, so what is asked on every map is kept beside them: their
 * union. It has room for as many ranges as there are reserved ones, so that a release cannot fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "space/private.h"

/* The first range of @l that ends at or behind @point. */
static size_t list_search(const struct range_list *l, uint64_t point)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->r[mid].last < point)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool list_meets(const struct range_list *l, uint64_t start, uint64_t last)
{
	size_t i = list_search(l, start);

	return i < l->n && l->r[i].start <= last;
}

/* Sorts l->r[0 .. n) and joins what overlaps or is adjacent. */
static int by_start(const void *a, const void *b)
{
	const struct space_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void list_normalise(struct range_list *l)
{
	size_t n = 0;

	if (!l->n)
		return;
	qsort(l->r, l->n, sizeof(*l->r), by_start);
	for (size_t i = 1; i < l->n; i++) {
		struct space_range *last = &l->r[n];

		if (last->last == U64MAX || l->r[i].start <= last->last + 1)
			last->last = max_u64(last->last, l->r[i].last);
		else
			l->r[++n] = l->r[i];
	}
	l->n = n + 1;
}

static void update_blocked(struct space *s)
{
	for (size_t i = 0; i < s->nr_reserved; i++)
		s->blocked.r[i] = s->reserved[i].range;
	s->blocked.n = s->nr_reserved;
	list_normalise(&s->blocked);
}

static int make_room(struct space *s, size_t n)
{
	struct reserved *reserved = ioas_realloc(s->reserved, (s->nr_reserved + n) * sizeof(*reserved));
	struct space_range *blocked;

	if (!reserved)
		return -ENOMEM;
	s->reserved = reserved;
	blocked = ioas_realloc(s->blocked.r, (s->nr_reserved + n) * sizeof(*blocked));
	if (!blocked)
		return -ENOMEM;
	s->blocked.r = blocked;
	return 0;
}

static const char *words(const struct reservation *v, size_t i)
{
	return v->what ? v->what[i] : "which is reserved";
}

static int check_reservable(struct space *s, const struct reservation *v, size_t i)
{
	const struct space_range *r = &v->r[i];
	struct range area;

	if (range_first_overlap(&s->areas, r->start, r->last, &area))
		return refuse(s->sink, EADDRINUSE, v->rule, "iova", area.start,
			      "no mapping in %#llx-%#llx, %s; %#llx-%#llx is one",
			      (unsigned long long)r->start, (unsigned long long)r->last,
			      words(v, i), (unsigned long long)area.start,
			      (unsigned long long)area.last);
	if (list_meets(&s->allowed, r->start, r->last))
		return refuse(s->sink, EADDRINUSE, v->rule, "allowed_iovas", r->start,
			      "nothing allowed in %#llx-%#llx, %s", (unsigned long long)r->start,
			      (unsigned long long)r->last, words(v, i));
	return 0;
}

int reserve(struct space *s, const struct reservation *v)
{
	int rc;

	if (!v->n)
		return 0;
	for (size_t i = 0; i < v->n; i++) {
		rc = check_reservable(s, v, i);
		if (rc)
			return rc;
	}
	rc = make_room(s, v->n);
	if (rc)
		return rc;
	for (size_t i = 0; i < v->n; i++)
		s->reserved[s->nr_reserved++] = (struct reserved){v->r[i], v->owner, words(v, i)};
	update_blocked(s);
	return 0;
}

void release(struct space *s, const void *owner)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nr_reserved; i++)
		if (s->reserved[i].owner != owner)
			s->reserved[kept++] = s->reserved[i];
	if (kept == s->nr_reserved)
		return;
	s->nr_reserved = kept;
	update_blocked(s);
}

int space_reserve_named(struct space *s, const struct space_range *r, const char *const *what,
			size_t n, void *owner)
{
	const struct reservation v = {r, what, n, owner, "ATT.5"};
	int rc;

	lock_acquire(&s->lock);
	rc = reserve(s, &v);
	lock_release(&s->lock);
	return rc;
}

int space_reserve(struct space *s, const struct space_range *r, size_t n, void *owner)
{
	return space_reserve_named(s, r, NULL, n, owner);
}

void space_release(struct space *s, void *owner)
{
	lock_acquire(&s->lock);
	release(s, owner);
	lock_release(&s->lock);
}

/* Element by element. */
int space_check_allowed(struct space *s, const struct space_range *r, size_t n)
{
	struct range_tree seen;
	int rc = 0;

	range_init(&seen, NULL);
	for (size_t i = 0; i < n && !rc; i++) {
		if (r[i].start >= r[i].last) {
			rc = refuse(s->sink, EINVAL, "ALW.4", "allowed_iovas.start", r[i].start,
				    "less than last %#llx", (unsigned long long)r[i].last);
			break;
		}
		rc = range_insert(&seen, r[i].start, r[i].last, NULL);
		if (rc == -EEXIST)
			rc = refuse(s->sink, EINVAL, "ALW.5", "allowed_iovas.start", r[i].start,
				    "a range that meets none before it");
	}
	range_destroy(&seen);
	return rc;
}

static COLD int refuse_allowed(struct space *s, const struct space_range *r)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(s->sink))
		explain_reserved(s, r->start, r->last, &t);
	return refuse(s->sink, EADDRINUSE, "ALW.6", "allowed_iovas.start", r->start, "%s", buf);
}

int space_allow(struct space *s, const struct space_range *r, size_t n)
{
	struct range_list list = {.n = n}, old;
	int rc;

	rc = space_check_allowed(s, r, n);
	if (rc)
		return rc;
	if (n) {
		list.r = ioas_malloc(n * sizeof(*list.r));
		if (!list.r)
			return -ENOMEM;
		memcpy(list.r, r, n * sizeof(*list.r));
		list_normalise(&list);
	}
	lock_acquire(&s->lock);
	for (size_t i = 0; i < list.n && !rc; i++)
		if (list_meets(&s->blocked, list.r[i].start, list.r[i].last))
			rc = refuse_allowed(s, &list.r[i]);
	old = list;
	if (!rc) {
		old = s->allowed;
		s->allowed = list;
	}
	lock_release(&s->lock);
	ioas_free(old.r);
	return rc;
}

size_t space_iova_ranges(struct space *s, struct space_range *out, size_t max, uint64_t *alignment)
{
	uint64_t start = 0;
	bool end = false; /* start wrapped */
	size_t n = 0;

	lock_acquire(&s->lock);
	for (size_t i = 0; i < s->blocked.n; i++) {
		const struct space_range *b = &s->blocked.r[i];

		if (b->start > start) {
			if (n < max)
				out[n] = (struct space_range){start, b->start - 1};
			n++;
		}
		end = b->last == U64MAX;
		start = b->last + 1;
	}
	if (!end) {
		if (n < max)
			out[n] = (struct space_range){start, U64MAX};
		n++;
	}
	*alignment = s->alignment;
	lock_release(&s->lock);
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space as a whole: creation, questions, and who pays for what is in it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "space/private.h"

int space_create(struct memory *m, const struct sink *sink, struct space **out)
{
	struct space *s = ioas_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	lock_init(&s->lock, LOCK_SPACE);
	s->memory = m;
	s->sink = sink;
	range_init(&s->areas, NULL);
	pool_init(&s->far_areas, sizeof(struct far_area));
	list_init(&s->mirrors);
	access_init(s);
	s->alignment = 1;
	s->huge = true;
	*out = s;
	return 0;
}

void space_destroy(struct space *s)
{
	uint64_t unmapped;

	assert(!has_mirror(s));
	space_unmap_all(s, &unmapped);
	OBSERVE(s->sink, space_gone, s);
	range_destroy(&s->areas);
	access_fini(s);
	pool_destroy(&s->far_areas);
	ioas_free(s->reserved);
	ioas_free(s->blocked.r);
	ioas_free(s->allowed.r);
	ioas_free(s);
}

/* Questions. */

int space_look_area(struct space *s, uint64_t iova, struct space_area *out)
{
	struct range r;
	struct area a;

	if (!range_first_overlap(&s->areas, iova, U64MAX, &r))
		return -ENOENT;
	a = area_of(&r);
	*out = (struct space_area){r.start, r.last, a.pages, a.offset, a.prot};
	return 0;
}

int space_next_area(struct space *s, uint64_t iova, struct space_area *out)
{
	int rc;

	lock_acquire(&s->lock);
	rc = space_look_area(s, iova, out);
	lock_release(&s->lock);
	return rc;
}

void space_look_begin(struct space *s)
{
	lock_acquire(&s->lock);
}

bool space_look_pinned(const struct space *s)
{
	return has_mirror(s);
}

void space_look_end(struct space *s)
{
	lock_release(&s->lock);
}

bool space_is_free(struct space *s, uint64_t iova, uint64_t length)
{
	uint64_t last;
	struct range r;
	bool meets;

	if (!length || __builtin_add_overflow(iova, length - 1, &last))
		return false;
	lock_acquire(&s->lock);
	meets = range_first_overlap(&s->areas, iova, last, &r);
	lock_release(&s->lock);
	return !meets;
}

void space_get_stats(struct space *s, struct space_stats *out)
{
	lock_acquire(&s->lock);
	*out = (struct space_stats){range_count(&s->areas), s->bytes, s->maps, s->unmaps};
	lock_release(&s->lock);
}

uint64_t space_nr_areas(struct space *s)
{
	struct space_stats stats;

	space_get_stats(s, &stats);
	return stats.areas;
}

/* Who pays. */

static int by_address(const void *a, const void *b)
{
	const struct pages *x = *(struct pages *const *)a, *y = *(struct pages *const *)b;

	return x < y ? -1 : x > y;
}

/* CHP.3; every pages object of @s, as often as it is mapped, behind the *n that are there. */
static int collect_pages(struct space *s, struct pages **all, size_t *n)
{
	struct range r;

	for (bool more = range_first(&s->areas, &r); more; more = range_next(&s->areas, &r)) {
		struct pages *p = area_of(&r).pages;

		if (!pages_is_file(p))
			return refuse(s->sink, EINVAL, "CHP.3", "iova", r.start,
				      "only areas made by MAP_FILE");
		all[(*n)++] = p;
	}
	return 0;
}

/* Keeps one of each; returns how many. */
static size_t unique_pages(struct pages **all, size_t n)
{
	size_t kept = 0;

	qsort(all, n, sizeof(struct pages *), by_address);
	for (size_t i = 0; i < n; i++)
		if (!i || all[i] != all[i - 1])
			all[kept++] = all[i];
	return kept;
}

/* CHP.4, CHP.5. What is not accounted at all stays so, but counts as another process's pin. */
static int move_charges(struct space *s, struct pages **all, size_t n,
			const struct memory_payer *payer)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < n; i++)
		if (pages_account(all[i]) && pages_account(all[i]) != payer->account)
			pages += pages_charged(all[i]);
	if (pages && payer->account && !memory_account_room(payer->account, pages))
		return refuse(s->sink, ENOMEM, "CHP.4", "process", pages,
			      "room for that many locked pages");
	for (size_t i = 0; i < n; i++)
		pages_set_payer(all[i], payer);
	return 0;
}

/* CHP.2 to CHP.5 with every space locked and @nr_areas areas, at least one, in them. */
static int change_payer(struct space **spaces, size_t n, size_t nr_areas,
			const struct memory_payer *payer)
{
	struct pages **all = ioas_malloc(nr_areas * sizeof(struct pages *));
	size_t nr_pages = 0;
	int rc = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		rc = collect_pages(spaces[i], all, &nr_pages);
	if (!rc)
		rc = move_charges(spaces[0], all, unique_pages(all, nr_pages), payer);
	ioas_free(all);
	return rc;
}

int space_change_payer(struct space **spaces, size_t n, const struct memory_payer *payer)
{
	size_t nr_areas = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		lock_acquire(&spaces[i]->lock);
		nr_areas += range_count(&spaces[i]->areas);
	}
	if (nr_areas)
		rc = change_payer(spaces, n, nr_areas, payer);
	for (size_t i = n; i > 0; i--)
		lock_release(&spaces[i - 1]->lock);
	return rc;
}

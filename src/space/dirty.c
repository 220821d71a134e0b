/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which IOVAs a device wrote: GET_DIRTY_BITMAP and SET_DIRTY_TRACKING (4.4, 4.5).
 */
#include <errno.h>

#include "space/private.h"

/* GDB.3 to GDB.7. The page size need not be a power of two (Q5). */
static int check_range(struct space *s, const struct space_dirty *d, uint64_t *last)
{
	if (!d->length)
		return refuse(s->sink, EINVAL, "GDB.3", "length", 0, "at least 1");
	if (__builtin_add_overflow(d->iova, d->length - 1, last))
		return refuse(s->sink, EOVERFLOW, "GDB.4", "iova", d->iova,
			      "iova + length - 1 within 64 bits");
	if (!is_aligned(d->iova | (*last + 1), s->alignment))
		return refuse(s->sink, EINVAL, "GDB.5", "iova", d->iova, "a range aligned to %llu",
			      (unsigned long long)s->alignment);
	if (!d->page_size)
		return refuse(s->sink, EINVAL, "GDB.6", "page_size", 0, "a power of two");
	if (!is_aligned(d->iova | (*last + 1), d->page_size))
		return refuse(s->sink, EINVAL, "GDB.7", "iova", d->iova,
			      "a range aligned to page_size %llu",
			      (unsigned long long)d->page_size);
	if (!d->has_dirty)
		return refuse(s->sink, EOPNOTSUPP, "GDB.8", "hwpt_id", 0,
			      "an HWPT made with DIRTY_TRACKING");
	return 0;
}

/* A run of dirty bytes becomes a run of bits. That the bitmap cannot be written does not keep the
 * walk from going on (Q27). */
static int report(void *arg, uint64_t iova, uint64_t len)
{
	const struct space_dirty *d = arg;
	unsigned int shift = lowest_bit(d->page_size);
	uint64_t first = (iova - d->iova) >> shift, last = (iova + len - 1 - d->iova) >> shift;

	d->set(d->arg, first, last - first + 1);
	return 0;
}

static void invalidate(struct space_mirror *m, uint64_t iova, uint64_t last)
{
	struct pt_gather g = {0};

	m->ops->invalidate(m, iova, last, &g);
}

/*
 * A leaf that reaches beyond the range would be clean afterwards where nobody looked, so it is split
 * at the edges first. Without memory for that nothing is cleared: what was reported is reported
 * again by the next call, and no write is ever missed.
 */
static bool may_clear(struct space_mirror *m, uint64_t iova, uint64_t last)
{
	if (pt_cut(m->pt, iova))
		return false;
	return last >= m->aperture_last || !pt_cut(m->pt, last + 1);
}

/* The first hole ends the walk, and nobody is told (Q4). */
static void walk(struct space *s, struct space_mirror *m, const struct space_dirty *d,
		 uint64_t last)
{
	bool clear = !d->no_clear && may_clear(m, d->iova, last);
	struct range r;

	for (uint64_t at = d->iova; range_find(&s->areas, at, &r); at = r.last + 1) {
		pt_read_dirty(m->pt, at, min_u64(r.last, last), clear, report, (void *)d);
		if (r.last >= last)
			break;
	}
	if (!d->no_clear)
		invalidate(m, d->iova, last);
}

int space_read_dirty(struct space *s, struct space_mirror *m, const struct space_dirty *d)
{
	uint64_t last;
	int rc;

	lock_acquire(&s->lock);
	late_finish(s);
	rc = check_range(s, d, &last);
	if (!rc)
		walk(s, m, d, last);
	lock_release(&s->lock);
	return rc;
}

static int ignore(void *arg, uint64_t iova, uint64_t len)
{
	return 0;
}

int space_set_dirty(struct space *s, struct space_mirror *m, bool on)
{
	struct range r;
	int rc = 0;

	lock_acquire(&s->lock);
	late_finish(s);
	for (bool more = on && range_first(&s->areas, &r); more && !rc;
	     more = range_next(&s->areas, &r))
		rc = pt_read_dirty(m->pt, r.start, r.last, true, ignore, NULL);
	if (!rc)
		rc = pt_set_dirty_tracking(m->pt, on);
	/* Whoever holds a translation from before does not mark what it writes. */
	if (on)
		invalidate(m, 0, U64MAX);
	lock_release(&s->lock);
	return rc;
}

int space_translate(struct space *s, struct space_mirror *m, uint64_t iova, bool write,
		    struct pt_leaf *out)
{
	int rc;

	lock_acquire(&s->lock);
	rc = pt_translate(m->pt, iova, out) ? -ENOENT : 0;
	if (!rc && write && !(out->prot & PT_WRITE))
		rc = -EACCES;
	if (!rc && write && pt_dirty_tracking(m->pt))
		rc = pt_mark(m->pt, iova, true);
	lock_release(&s->lock);
	return rc;
}

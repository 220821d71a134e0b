/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Areas into page tables and out of them.
 *
 * An area is pinned while the space has a mirror, once for all mirrors; every mirror shows it then.
 * What leaves a page table is invalidated before it is unpinned: no cache may hold a PA whose slot
 * could go.
 */
#include <assert.h>
#include <errno.h>

#include "space/private.h"

static void clear_mirror(struct space_mirror *m, uint64_t iova, uint64_t last)
{
	struct pt_gather g = {0};
	int rc = pt_unmap(m->pt, iova, last - iova + 1, &g, NULL);

	/* No leaf straddles an area, so nothing had to be split, and only that can fail. */
	assert(!rc);
	(void)rc;
	m->ops->invalidate(m, iova, last, &g);
}

void clear_mirrors(struct space *s, uint64_t iova, uint64_t last)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->mirrors)
		clear_mirror(list_entry(pos, struct space_mirror, link), iova, last);
}

/* A pinned area into one table; all or nothing. An area without any permission (quirk Q9) can exist,
 * but no table of Linux's takes it. */
static int write_mirror(struct space_mirror *m, const struct area *a, uint64_t iova, uint64_t last)
{
	const struct pages *pages = a->pages;
	int prot = a->prot, rc;
	uint64_t run, pa;

	if (!prot || (m->only_writeable && !(prot & SPACE_WRITE)))
		return -EINVAL;
	for (uint64_t done = 0; done <= last - iova; done += run) {
		pa = pages_pa(pages, a->offset + done, &run);
		run = min_u64(run, last - iova - done + 1);
		rc = pt_map(m->pt, iova + done, pa, run, prot);
		if (rc) {
			if (done)
				clear_mirror(m, iova, iova + done - 1);
			return rc;
		}
	}
	return 0;
}

/* HWA.14 where it is not a map that fails but the filling of a new mirror. */
static COLD int refuse_pin(struct space *s, const struct area *a, uint64_t length, int err,
			   bool map)
{
	const char *field = pages_is_file(a->pages) ? "start" : "user_va";
	uint64_t address = area_address(a);
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(s->sink))
		pages_explain(a->pages, a->offset, length, err, &t);
	switch (err) {
	case -EFAULT:
		return refuse(s->sink, EFAULT, map ? "MAP.16" : "HWA.14", field, address,
			      "memory that exists and permits what is asked for; %s", buf);
	case -EINVAL:
		return refuse(s->sink, EINVAL, map ? "MPF.7" : "HWA.14", field, address,
			      "within a file of shared memory or hugetlbfs; %s", buf);
	default:
		return refuse(s->sink, -err, map ? "MAP.17" : "HWA.14", field, address,
			      "memory within the limit of locked memory; %s", buf);
	}
}

int fill_area(struct space *s, const struct area *a, uint64_t iova, uint64_t last)
{
	struct list *pos, *tmp, *undo;
	int rc;

	if (!has_mirror(s))
		return 0;
	rc = pages_pin(a->pages, a->offset, last - iova + 1);
	if (rc)
		return refuse_pin(s, a, last - iova + 1, rc, true);
	list_for_each (pos, tmp, &s->mirrors) {
		rc = write_mirror(list_entry(pos, struct space_mirror, link), a, iova, last);
		if (rc)
			goto out_undo;
	}
	return 0;
out_undo:
	for (undo = s->mirrors.next; undo != pos; undo = undo->next)
		clear_mirror(list_entry(undo, struct space_mirror, link), iova, last);
	pages_unpin(a->pages, a->offset, last - iova + 1);
	return refuse(s->sink, -rc, "MAP.18", "iova", iova, "what the page table can hold");
}

/* Mirrors. */

static uint64_t smallest(uint64_t page_sizes)
{
	return page_sizes & -page_sizes;
}

uint64_t space_alignment(const struct space *s)
{
	uint64_t align = s->huge ? 1 : PAGE_SIZE;
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->mirrors)
		align = max_u64(align,
				smallest(list_entry(pos, struct space_mirror, link)->page_sizes));
	list_for_each (pos, tmp, &s->accesses)
		align = max_u64(align, list_entry(pos, struct space_access, link)->alignment);
	return align;
}

/* Without huge pages no leaf is larger than a page of the CPU's. */
static void limit_leaves(const struct space *s, struct space_mirror *m)
{
	uint64_t small = max_u64(smallest(m->page_sizes), PAGE_SIZE);

	pt_set_page_sizes(m->pt, m->page_sizes & (s->huge ? U64MAX : small | (small - 1)));
}

static int check_mirror(struct space *s, const struct space_mirror *m, uint64_t align)
{
	struct range r;

	if (align > PAGE_SIZE)
		return refuse(s->sink, EINVAL, "HWA.12", "page size", align, "at most %llu",
			      (unsigned long long)PAGE_SIZE);
	if (align > s->alignment && areas_misaligned(s, align, &r))
		return refuse(s->sink, EADDRINUSE, "HWA.13", "iova", r.start,
			      "areas aligned to %llu", (unsigned long long)align);
	return 0;
}

static int reserve_outside(struct space *s, struct space_mirror *m)
{
	static const char *const what[2] = {"outside a page table's aperture",
					    "outside a page table's aperture"};
	struct space_range r[2];
	size_t n = 0;

	if (m->aperture_start)
		r[n++] = (struct space_range){0, m->aperture_start - 1};
	if (m->aperture_last != U64MAX)
		r[n++] = (struct space_range){m->aperture_last + 1, U64MAX};
	return reserve(s, &(struct reservation){r, what, n, m, "HWA.13"});
}

/* Every area into @m, which is not in the list yet. */
static int fill_mirror(struct space *s, struct space_mirror *m)
{
	bool first = !has_mirror(s), more;
	uint64_t end = 0;
	struct range r;
	int rc = 0;

	for (more = range_first(&s->areas, &r); more; more = range_next(&s->areas, &r)) {
		const struct area a = area_of(&r);

		if (first) {
			rc = pages_pin(a.pages, a.offset, range_bytes(&r));
			if (rc) {
				rc = refuse_pin(s, &a, range_bytes(&r), rc, false);
				break;
			}
		}
		rc = write_mirror(m, &a, r.start, r.last);
		if (rc) {
			if (first)
				pages_unpin(a.pages, a.offset, range_bytes(&r));
			rc = refuse(s->sink, -rc, "HWA.14", "iova", r.start,
				    "what the page table can hold");
			break;
		}
		end = r.last;
	}
	if (!rc || !end)
		return rc;
	clear_mirror(m, m->aperture_start, end);
	for (more = first && range_first(&s->areas, &r); more && r.last <= end;
	     more = range_next(&s->areas, &r)) {
		const struct area a = area_of(&r);

		pages_unpin(a.pages, a.offset, range_bytes(&r));
	}
	return rc;
}

int space_add_mirror(struct space *s, struct space_mirror *m)
{
	uint64_t align;
	int rc;

	lock_acquire(&s->lock);
	late_finish(s);
	align = max_u64(s->alignment, smallest(m->page_sizes));
	rc = check_mirror(s, m, align);
	if (rc)
		goto out_unlock;
	rc = reserve_outside(s, m);
	if (rc)
		goto out_unlock;
	limit_leaves(s, m);
	rc = fill_mirror(s, m);
	if (rc) {
		release(s, m);
		goto out_unlock;
	}
	list_add_tail(&s->mirrors, &m->link);
	s->alignment = align;
out_unlock:
	lock_release(&s->lock);
	return rc;
}

void space_remove_mirror(struct space *s, struct space_mirror *m)
{
	struct range first, r;
	bool more;

	lock_acquire(&s->lock);
	late_finish(s);
	list_del(&m->link);
	if (range_first(&s->areas, &first) && range_last(&s->areas, &r))
		clear_mirror(m, first.start, r.last);
	for (more = !has_mirror(s) && range_first(&s->areas, &r); more;
	     more = range_next(&s->areas, &r)) {
		const struct area a = area_of(&r);

		pages_unpin(a.pages, a.offset, range_bytes(&r));
	}
	release(s, m);
	s->alignment = space_alignment(s);
	lock_release(&s->lock);
}

bool space_has_mirror(struct space *s)
{
	bool has;

	lock_acquire(&s->lock);
	has = has_mirror(s);
	lock_release(&s->lock);
	return has;
}

uint64_t space_page_sizes(struct space *s)
{
	uint64_t sizes = ~PAGE_MASK;
	struct list *pos, *tmp;

	lock_acquire(&s->lock);
	if (has_mirror(s))
		sizes = U64MAX;
	list_for_each (pos, tmp, &s->mirrors)
		sizes &= list_entry(pos, struct space_mirror, link)->page_sizes;
	lock_release(&s->lock);
	/* Smaller ones are of no use to a program that maps whole pages. */
	if (sizes & PAGE_MASK)
		sizes = (sizes & ~PAGE_MASK) | PAGE_SIZE;
	return sizes;
}

/* The option HUGE_PAGES. */

bool space_huge_pages(struct space *s)
{
	bool huge;

	lock_acquire(&s->lock);
	huge = s->huge;
	lock_release(&s->lock);
	return huge;
}

static int disable_huge_pages(struct space *s)
{
	struct range r;

	if (!s->huge)
		return 0;
	if (has_mirror(s) && range_count(&s->areas))
		return refuse(s->sink, EINVAL, "OPT.11", "val64", 0,
			      "an IOAS without mappings or without an HWPT");
	if (areas_misaligned(s, PAGE_SIZE, &r))
		return refuse(s->sink, EADDRINUSE, "OPT.12", "iova", r.start,
			      "areas aligned to %llu", (unsigned long long)PAGE_SIZE);
	s->huge = false;
	return 0;
}

int space_set_huge_pages(struct space *s, uint64_t on)
{
	struct list *pos, *tmp;
	int rc = 0;

	if (on > 1)
		return refuse(s->sink, EINVAL, "OPT.15", "val64", on, "0 or 1");
	lock_acquire(&s->lock);
	if (on)
		s->huge = true;
	else
		rc = disable_huge_pages(s);
	s->alignment = space_alignment(s);
	list_for_each (pos, tmp, &s->mirrors)
		limit_leaves(s, list_entry(pos, struct space_mirror, link));
	lock_release(&s->lock);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "twin.h"

void twin_init(struct twin *t, uint64_t base, size_t n)
{
	*t = (struct twin){.base = base, .n = n};
	t->page = calloc(n, sizeof(*t->page));
	assert_non_null(t->page);
}

void twin_free(struct twin *t)
{
	free(t->page);
}

static uint64_t iova_of(const struct twin *t, const struct twin_page *p)
{
	return t->base + (uint64_t)(p - t->page) * TWIN_PAGE;
}

struct twin_page *twin_at(const struct twin *t, uint64_t iova)
{
	if (iova < t->base || iova >= t->base + t->n * TWIN_PAGE)
		return NULL;
	return &t->page[(iova - t->base) / TWIN_PAGE];
}

bool twin_has_mirror(const struct twin *t)
{
	return t->mirror[0] || t->mirror[1] || t->mirror[2];
}

uint64_t twin_alignment(const struct twin *t)
{
	uint64_t align = 1;

	for (size_t i = 0; i < TWIN_MIRRORS; i++)
		if (t->mirror[i] > align)
			align = t->mirror[i];
	return align;
}

static bool in_ranges(const struct space_range *r, size_t n, uint64_t iova)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].start <= iova && iova <= r[i].last)
			return true;
	return false;
}

static bool is_reserved(const struct twin *t, uint64_t iova)
{
	if (!twin_at(t, iova))
		return true;
	for (size_t i = 0; i < TWIN_RANGES; i++)
		if (t->is_reserved[i] && in_ranges(&t->reserved[i], 1, iova))
			return true;
	return false;
}

static bool is_allowed(const struct twin *t, uint64_t iova)
{
	return !t->nr_allowed || in_ranges(t->allowed, t->nr_allowed, iova);
}

static bool is_mapped(const struct twin *t, uint64_t iova)
{
	const struct twin_page *p = twin_at(t, iova);

	return p && p->area;
}

/* Can it be pinned for an object that is @writable? */
static bool pinnable(const struct twin *t, uint64_t va, uint64_t length, bool writable)
{
	uint64_t end = va + length;

	return end <= t->hole && (!writable || end <= t->ro);
}

/* 3.5, automatic choice: gap by gap. */
static bool fits(uint64_t start, uint64_t end, uint64_t va, uint64_t align, uint64_t length,
		 uint64_t *at)
{
	*at = (start + align - 1) / align * align | va % PAGE_SIZE;
	return *at < end && end - *at >= length;
}

static bool is_gap(const struct twin *t, uint64_t iova)
{
	return twin_at(t, iova) && is_allowed(t, iova) && !is_reserved(t, iova) &&
	       !is_mapped(t, iova);
}

static int choose(const struct twin *t, uint64_t va, uint64_t length, uint64_t *iova)
{
	uint64_t align = 1, end = t->base + t->n * TWIN_PAGE, gap_end;
	bool skip = t->fault == TWIN_CHOOSES_THE_NEXT_GAP;

	while (align < length)
		align *= 2;
	while (va % align)
		align /= 2;
	if (align > 2 * MiB)
		align = 2 * MiB;
	if (align < twin_alignment(t))
		return -EINVAL;
	for (uint64_t at = t->base; at < end; at = gap_end + TWIN_PAGE) {
		for (gap_end = at; gap_end < end && is_gap(t, gap_end);)
			gap_end += TWIN_PAGE;
		if (gap_end > at && fits(at, gap_end, va, align, length, iova) && !skip)
			return 0;
		skip &= gap_end == at;
	}
	return -ENOSPC;
}

static int check_fixed(const struct twin *t, uint64_t iova, uint64_t length)
{
	if (iova % twin_alignment(t) && t->fault != TWIN_FORGETS_ALIGNMENT)
		return -EINVAL;
	for (uint64_t at = iova; at < iova + length; at += TWIN_PAGE)
		if (is_reserved(t, at) && t->fault != TWIN_IGNORES_RESERVED)
			return -EINVAL;
	for (uint64_t at = iova; at < iova + length; at += TWIN_PAGE)
		if (is_mapped(t, at))
			return -EEXIST;
	return 0;
}

static void put_piece(struct twin *t, const struct twin_piece *piece, uint64_t iova, int prot)
{
	uint64_t off = t->fault == TWIN_MAP_IS_OFF_BY_A_PAGE ? PAGE_SIZE : 0;

	t->next_area++;
	for (uint64_t done = 0; done < piece->length; done += TWIN_PAGE)
		*twin_at(t, iova + done) = (struct twin_page){.area = t->next_area,
							      .va = piece->va + done + off,
							      .prot = prot,
							      .writable = piece->writable};
}

int twin_place(struct twin *t, const struct twin_piece *pieces, size_t n, bool fixed, int prot,
	       uint64_t *iova)
{
	uint64_t length = 0, at;
	int rc;

	for (size_t i = 0; i < n; i++)
		length += pieces[i].length;
	if (length % twin_alignment(t))
		return -EINVAL;
	rc = fixed ? check_fixed(t, *iova, length) : choose(t, pieces[0].va, length, iova);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if ((prot & SPACE_WRITE) && !pieces[i].writable && t->fault != TWIN_ALLOWS_WRITING)
			return -EPERM;
		if (pieces[i].va % PAGE_SIZE % twin_alignment(t))
			return -EINVAL;
	}
	at = *iova;
	for (size_t i = 0; i < n && twin_has_mirror(t); i++) {
		if (!pinnable(t, pieces[i].va, pieces[i].length, pieces[i].writable))
			return -EFAULT;
		/* MAP.18: pieces of less than a page, which only a page table refuses. */
		if (prot && (at | pieces[i].length) % twin_alignment(t))
			return -EINVAL;
		at += pieces[i].length;
	}
	at = *iova;
	for (size_t i = 0; i < n; i++) {
		put_piece(t, &pieces[i], at, prot);
		at += pieces[i].length;
	}
	return 0;
}

static bool begins_area(const struct twin *t, const struct twin_page *p)
{
	return p == t->page || p[-1].area != p->area;
}

static bool ends_area(const struct twin *t, const struct twin_page *p)
{
	return p + 1 == t->page + t->n || p[1].area != p->area;
}

int twin_unmap(struct twin *t, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	struct twin_page *p = twin_at(t, iova), *end = p + length / TWIN_PAGE;
	int rc = 0;

	*unmapped = 0;
	while (p < end && !rc) {
		struct twin_page *last = p;

		if (!p->area) {
			p++;
			continue;
		}
		while (!ends_area(t, last))
			last++;
		if (!begins_area(t, p) || last >= end) {
			rc = -ENOENT;
			break;
		}
		*unmapped += (uint64_t)(last + 1 - p) * TWIN_PAGE;
		for (; p <= last; p++)
			if (p < last || t->fault != TWIN_UNMAP_LEAVES_A_PAGE)
				*p = (struct twin_page){0};
	}
	return rc || !*unmapped ? -ENOENT : 0;
}

int twin_pieces(const struct twin *t, uint64_t iova, uint64_t length, struct twin_piece *pieces,
		size_t *n)
{
	const struct twin_page *p = twin_at(t, iova);

	*n = 0;
	for (const struct twin_page *at = p; at < p + length / TWIN_PAGE; at++) {
		if (!at->area)
			return -ENOENT;
		if (at == p || begins_area(t, at))
			pieces[(*n)++] = (struct twin_piece){at->va, 0, at->writable};
		pieces[*n - 1].length += TWIN_PAGE;
	}
	return 0;
}

int twin_cut(struct twin *t, uint64_t iova)
{
	struct twin_page *p = twin_at(t, iova);
	uint64_t area = p->area;

	if (!area || begins_area(t, p))
		return 0;
	/* Huge pages are on. */
	if (iova % twin_alignment(t) || p->va % PAGE_SIZE % twin_alignment(t) || twin_has_mirror(t))
		return -EINVAL;
	t->next_area++;
	for (; p < t->page + t->n && p->area == area; p++)
		p->area = t->next_area;
	return 0;
}

int twin_allow(struct twin *t, const struct space_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (r[i].start >= r[i].last)
			return -EINVAL;
		for (size_t k = 0; k < i; k++)
			if (r[k].start <= r[i].last && r[i].start <= r[k].last)
				return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		for (uint64_t at = r[i].start; at <= r[i].last; at += TWIN_PAGE)
			if (is_reserved(t, at))
				return -EADDRINUSE;
	for (size_t i = 0; i < n; i++)
		t->allowed[i] = r[i];
	t->nr_allowed = n;
	return 0;
}

int twin_reserve(struct twin *t, size_t which, struct space_range r)
{
	for (uint64_t at = r.start; at <= r.last; at += TWIN_PAGE)
		if (is_mapped(t, at) || (t->nr_allowed && is_allowed(t, at)))
			return -EADDRINUSE;
	t->reserved[which] = r;
	t->is_reserved[which] = true;
	return 0;
}

int twin_add_mirror(struct twin *t, unsigned int i, uint64_t page)
{
	for (const struct twin_page *p = t->page; p < t->page + t->n; p++) {
		if (!p->area)
			continue;
		if (begins_area(t, p) && (iova_of(t, p) % page || p->va % PAGE_SIZE % page))
			return -EADDRINUSE;
		if (ends_area(t, p) && (iova_of(t, p) + TWIN_PAGE) % page)
			return -EADDRINUSE;
	}
	for (const struct twin_page *p = t->page; p < t->page + t->n && !twin_has_mirror(t); p++)
		if (p->area && !pinnable(t, p->va, TWIN_PAGE, p->writable))
			return -EFAULT;
	t->mirror[i] = page;
	for (struct twin_page *p = t->page; p < t->page + t->n; p++)
		p->dirty[i] = false;
	return 0;
}

int twin_mark(struct twin *t, unsigned int i, uint64_t iova, uint64_t size)
{
	struct twin_page *p = twin_at(t, iova);

	if (!p->prot)
		return -ENOENT;
	if (!(p->prot & SPACE_WRITE))
		return -EACCES;
	if (t->fault == TWIN_LOSES_A_DIRTY_PAGE && !(iova & 4096))
		return 0;
	for (uint64_t at = iova / size * size; at < iova / size * size + size; at += TWIN_PAGE)
		twin_at(t, at)->dirty[i] = true;
	return 0;
}

int twin_read_dirty(struct twin *t, unsigned int i, const struct space_dirty *d, bool *bits)
{
	uint64_t end = d->iova + d->length, bit = d->page_size & -d->page_size;

	if (!d->length)
		return -EINVAL;
	if (d->iova % twin_alignment(t) || end % twin_alignment(t) || !d->page_size)
		return -EINVAL;
	/* Q5: the page size need not be a power of two. */
	if ((d->iova | end) & (d->page_size - 1))
		return -EINVAL;
	for (uint64_t at = d->iova; at < end; at += TWIN_PAGE) {
		struct twin_page *p = twin_at(t, at);

		if (!p || !p->area) /* Q4 */
			break;
		for (uint64_t part = 0; part < TWIN_PAGE && p->dirty[i]; part += 512)
			bits[(at + part - d->iova) / bit] = true;
		if (!d->no_clear)
			p->dirty[i] = false;
	}
	return 0;
}

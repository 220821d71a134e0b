/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random scripts of every call, each compared with a naive twin that knows nothing but a state for
 * every byte of a small window of IOVAs: result, areas, and what both page tables say of every
 * page, after every step.
 */
#include "world.h"

#define WINDOW	   (48 * PAGE_SIZE)
#define MAX_AREAS  512
#define NR_RANGES  4
#define FIRST_RO   54 /* pages of the arena from here on may not be written, */
#define FIRST_HOLE 58 /* from here on are not there */

struct twin_area {
	uint64_t start, last, va;
	int prot;
	bool writable; /* the first MAP's */
};

struct twin {
	struct space *s;
	struct world *w;
	struct twin_area areas[MAX_AREAS];
	size_t n;
	struct space_range allowed[NR_RANGES], reserved[NR_RANGES];
	size_t nr_allowed;
	bool is_reserved[NR_RANGES];
	bool mirrored[2], huge;
};

static uint64_t seed;

static uint64_t pick(uint64_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 24) % n;
}

static bool has_mirrors(const struct twin *t)
{
	return t->mirrored[0] || t->mirrored[1];
}

static uint64_t alignment(const struct twin *t)
{
	return has_mirrors(t) || !t->huge ? PAGE_SIZE : 1;
}

static struct twin_area *area_at(struct twin *t, uint64_t iova)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->areas[i].start <= iova && iova <= t->areas[i].last)
			return &t->areas[i];
	return NULL;
}

static bool reserved_at(const struct twin *t, uint64_t iova)
{
	for (size_t i = 0; i < NR_RANGES; i++)
		if (t->is_reserved[i] && t->reserved[i].start <= iova &&
		    iova <= t->reserved[i].last)
			return true;
	return iova >= WINDOW;
}

static bool allowed_at(const struct twin *t, uint64_t iova)
{
	for (size_t i = 0; i < t->nr_allowed; i++)
		if (t->allowed[i].start <= iova && iova <= t->allowed[i].last)
			return true;
	return !t->nr_allowed;
}

/* Can the memory of [va, va + len) be pinned for an object that is @writable? */
static bool pinnable(const struct world *w, uint64_t va, uint64_t len, bool writable)
{
	uint64_t last_page = (va + len - 1 - (uintptr_t)w->arena) >> PAGE_SHIFT;

	return last_page < FIRST_HOLE && (!writable || last_page < FIRST_RO);
}

static void add(struct twin *t, struct twin_area a)
{
	size_t i = t->n++;

	assert_true(t->n <= MAX_AREAS);
	for (; i && t->areas[i - 1].start > a.start; i--)
		t->areas[i] = t->areas[i - 1];
	t->areas[i] = a;
}

static void drop(struct twin *t, struct twin_area *a)
{
	memmove(a, a + 1, (size_t)(t->areas + t->n - (a + 1)) * sizeof(*a));
	t->n--;
}

/* 3.5 by the letter: gap by gap, byte by byte. */
static int choose(struct twin *t, uint64_t va, uint64_t len, uint64_t *iova)
{
	uint64_t align = 1, low;

	while (align < len)
		align *= 2;
	while (va % align)
		align /= 2;
	align = min_u64(align, 2 * MiB);
	if (align < alignment(t))
		return -EINVAL;
	for (uint64_t from = PAGE_SIZE; from < WINDOW;) {
		uint64_t span_last = from, start;

		if (!allowed_at(t, from)) {
			from++;
			continue;
		}
		while (span_last + 1 < WINDOW && allowed_at(t, span_last + 1))
			span_last++;
		start = (from + align - 1) / align * align | va % PAGE_SIZE;
		from = span_last + 1;
		/* Without a list the span goes on behind the window. */
		if (t->nr_allowed && (start >= span_last || span_last - start < len - 1))
			continue;
		while (start <= span_last) {
			uint64_t last = start;

			if (reserved_at(t, start) || area_at(t, start)) {
				start++;
				continue;
			}
			while (last < span_last && !reserved_at(t, last + 1) &&
			       !area_at(t, last + 1))
				last++;
			low = (start + align - 1) / align * align | va % PAGE_SIZE;
			if (low < last && last - low >= len - 1) {
				*iova = low;
				return 0;
			}
			start = last + 1;
		}
	}
	return -ENOSPC;
}

static int fixed(struct twin *t, uint64_t iova, uint64_t len)
{
	if (iova % alignment(t))
		return -EINVAL;
	for (uint64_t i = iova; i < iova + len; i++)
		if (reserved_at(t, i))
			return -EINVAL;
	for (uint64_t i = iova; i < iova + len; i++)
		if (area_at(t, i))
			return -EEXIST;
	return 0;
}

/* MAP.7 on, for the @n pieces of an area or of a copy. */
static int place(struct twin *t, struct twin_area *pieces, size_t n, uint64_t len, bool automatic,
		 uint64_t *iova)
{
	uint64_t at;
	int rc;

	if (len % alignment(t))
		return -EINVAL;
	rc = automatic ? choose(t, pieces[0].va, len, iova) : fixed(t, *iova, len);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if ((pieces[i].prot & SPACE_WRITE) && !pieces[i].writable)
			return -EPERM;
		if (pieces[i].va % PAGE_SIZE % alignment(t))
			return -EINVAL;
	}
	for (size_t i = 0; i < n && has_mirrors(t); i++)
		if (!pinnable(t->w, pieces[i].va, pieces[i].last - pieces[i].start + 1,
			      pieces[i].writable))
			return -EFAULT;
	at = *iova;
	for (size_t i = 0; i < n; i++) {
		uint64_t size = pieces[i].last - pieces[i].start + 1;

		pieces[i].start = at;
		pieces[i].last = at + size - 1;
		at += size;
		add(t, pieces[i]);
	}
	return 0;
}

/* The calls, each made in both. */

static uint64_t pick_length(void)
{
	static const uint64_t odd[] = {1, 2, 0x10, 0x800, 0x1001, 0x1800};

	return pick(4) ? (1 + pick(8)) * PAGE_SIZE : odd[pick(ARRAY_SIZE(odd))];
}

static uint64_t pick_address(uint64_t pages)
{
	static const uint64_t odd[] = {1, 0x10, 0x123, 0x800, 0xfff};

	return pick(pages) * PAGE_SIZE + (pick(5) ? 0 : odd[pick(ARRAY_SIZE(odd))]);
}

static void do_map(struct twin *t)
{
	uint64_t len = pick_length(), va = (uintptr_t)t->w->arena + pick_address(ARENA_PAGES - 12);
	bool automatic = pick(2);
	uint64_t iova = pick_address(48), got;
	int prot = 1 + (int)pick(3);
	struct twin_area a = {0, len - 1, va, prot, prot & SPACE_WRITE};
	struct space *saved = t->w->s;
	int rc;

	t->w->s = t->s;
	rc = map_va(t->w, (void *)va, len, automatic ? U64MAX : iova, prot, &got);
	t->w->s = saved;
	assert_int_equal(rc, place(t, &a, 1, len, automatic, &iova));
	if (!rc)
		assert_int_equal(got, iova);
}

static void do_unmap(struct twin *t)
{
	uint64_t start = pick_address(48), len = pick(8) ? pick_length() : WINDOW, unmapped,
		 removed = 0;
	int rc = 0;

	for (size_t i = 0; i < t->n;) {
		struct twin_area *a = &t->areas[i];

		if (a->last < start || a->start > start + len - 1) {
			i++;
			continue;
		}
		if (a->start < start || a->last > start + len - 1) {
			rc = -ENOENT;
			break;
		}
		removed += a->last - a->start + 1;
		drop(t, a);
	}
	if (!removed)
		rc = -ENOENT;
	assert_int_equal(space_unmap(t->s, start, len, &unmapped), rc);
	assert_int_equal(unmapped, removed);
}

static void do_copy(struct twin *t, struct twin *from)
{
	struct space_copy c = {.src_iova = pick_address(48),
			       .length = pick_length(),
			       .dst_iova = pick_address(48)};
	struct twin_area pieces[MAX_AREAS];
	uint64_t iova = c.dst_iova;
	size_t n = 0;
	int rc = 0;

	c.prot = 1 + (int)pick(3);
	c.fixed = pick(2);
	for (uint64_t at = c.src_iova; at < c.src_iova + c.length;) {
		struct twin_area *a = area_at(from, at);
		uint64_t end;

		if (!a) {
			rc = -ENOENT;
			break;
		}
		end = min_u64(a->last + 1, c.src_iova + c.length);
		pieces[n++] = (struct twin_area){at, end - 1, a->va + (at - a->start), c.prot,
						 a->writable};
		at = end;
	}
	if (!rc)
		rc = place(t, pieces, n, c.length, !c.fixed, &iova);
	assert_int_equal(space_copy(t->s, from->s, &c), rc);
	if (!rc)
		assert_int_equal(c.dst_iova, iova);
}

static void do_cut(struct twin *t)
{
	uint64_t iova = pick_address(48);
	struct twin_area *a = area_at(t, iova), right;
	int rc = 0;

	if (a && iova - a->start >= 2) {
		if (iova % alignment(t) || (a->va + (iova - a->start)) % PAGE_SIZE % alignment(t) ||
		    (has_mirrors(t) && t->huge)) {
			rc = -EINVAL;
		} else {
			right = *a;
			right.va += iova - a->start;
			right.start = iova;
			a->last = iova - 1;
			add(t, right);
		}
	}
	assert_int_equal(space_cut(t->s, iova), rc);
}

static void do_allow(struct twin *t)
{
	struct space_range r[NR_RANGES];
	size_t n = pick(NR_RANGES + 1);
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		r[i].start = pick_address(48);
		r[i].last = r[i].start + pick(8) * PAGE_SIZE + pick(2) * PAGE_MASK;
	}
	for (size_t i = 0; i < n && !rc; i++) {
		rc = r[i].start >= r[i].last ? -EINVAL : 0;
		for (size_t k = 0; k < i && !rc; k++)
			rc = r[i].start <= r[k].last && r[k].start <= r[i].last ? -EINVAL : 0;
	}
	for (size_t i = 0; i < n && !rc; i++)
		for (uint64_t at = r[i].start; at <= r[i].last && !rc; at++)
			rc = reserved_at(t, at) ? -EADDRINUSE : 0;
	assert_int_equal(space_allow(t->s, r, n), rc);
	if (rc)
		return;
	memcpy(t->allowed, r, sizeof(r));
	t->nr_allowed = n;
}

static void do_reserve(struct twin *t)
{
	size_t i = pick(NR_RANGES);
	struct space_range r;
	int rc = 0;

	if (t->is_reserved[i]) {
		t->is_reserved[i] = false;
		space_release(t->s, &t->reserved[i]);
		return;
	}
	r.start = pick_address(48);
	r.last = min_u64(r.start + pick(6) * PAGE_SIZE + pick(PAGE_SIZE), WINDOW - 1);
	for (uint64_t at = r.start; at <= r.last && !rc; at++)
		rc = area_at(t, at) || (t->nr_allowed && allowed_at(t, at)) ? -EADDRINUSE : 0;
	assert_int_equal(space_reserve(t->s, &r, 1, &t->reserved[i]), rc);
	t->reserved[i] = r;
	t->is_reserved[i] = !rc;
}

static bool misaligned(const struct twin *t)
{
	for (size_t i = 0; i < t->n; i++)
		if ((t->areas[i].start | (t->areas[i].last + 1) | t->areas[i].va) & PAGE_MASK)
			return true;
	return false;
}

static void do_mirror(struct twin *t)
{
	unsigned int i = (unsigned int)pick(2);
	int rc = misaligned(t) ? -EADDRINUSE : 0;

	if (t->mirrored[i]) {
		mirror_remove(t->w, i);
		t->mirrored[i] = false;
		return;
	}
	for (size_t k = 0; k < t->n && !rc; k++)
		if (!pinnable(t->w, t->areas[k].va, t->areas[k].last - t->areas[k].start + 1,
			      t->areas[k].writable))
			rc = -EFAULT;
	mirror_open(t->w, i, i);
	assert_int_equal(space_add_mirror(t->s, &t->w->mirror[i].m), rc);
	t->mirrored[i] = !rc;
	if (rc)
		mirror_close(t->w, i);
}

static void do_huge(struct twin *t)
{
	uint64_t on = pick(2);
	int rc = 0;

	if (!on && t->huge) {
		if (has_mirrors(t) && t->n)
			rc = -EINVAL;
		else if (misaligned(t))
			rc = -EADDRINUSE;
	}
	assert_int_equal(space_set_huge_pages(t->s, on), rc);
	if (!rc)
		t->huge = on;
}

/* Comparison. */

static void check_areas(struct twin *t)
{
	struct space_area a;
	struct space_stats stats;
	uint64_t at = 0, bytes = 0;

	for (size_t i = 0; i < t->n; i++) {
		assert_int_equal(space_next_area(t->s, at, &a), 0);
		assert_int_equal(a.iova, t->areas[i].start);
		assert_int_equal(a.last, t->areas[i].last);
		assert_int_equal(a.prot, t->areas[i].prot);
		assert_int_equal(pages_start(a.pages) + a.offset, t->areas[i].va);
		assert_int_equal(pages_writable(a.pages), t->areas[i].writable);
		at = a.last + 1;
		bytes += a.last - a.iova + 1;
	}
	assert_int_equal(space_next_area(t->s, at, &a), -ENOENT);
	space_get_stats(t->s, &stats);
	assert_int_equal(stats.areas, t->n);
	assert_int_equal(stats.bytes, bytes);
}

static void check_table(struct twin *t, unsigned int i)
{
	uint64_t mapped = 0;

	for (uint64_t iova = 0; iova < WINDOW; iova += PAGE_SIZE) {
		const struct twin_area *a = area_at(t, iova);
		struct pt_leaf leaf;

		if (!a) {
			assert_int_equal(pt_translate(t->w->mirror[i].m.pt, iova, &leaf), -ENOENT);
			continue;
		}
		assert_ptr_equal(translate(t->w, i, iova, a->prot),
				 (char *)a->va + (iova - a->start));
		mapped += PAGE_SIZE;
	}
	assert_int_equal(pt_mapped_bytes(t->w->mirror[i].m.pt), mapped);
}

static void check_ranges(struct twin *t)
{
	struct space_range r[2 * NR_RANGES + 4];
	uint64_t align, at = 0;
	size_t n = space_iova_ranges(t->s, r, ARRAY_SIZE(r), &align);

	assert_int_equal(align, alignment(t));
	for (size_t i = 0; i < n; i++) {
		for (; at < r[i].start; at += 1 + pick(256))
			assert_true(reserved_at(t, at));
		assert_true(!r[i].start || reserved_at(t, r[i].start - 1));
		for (at = r[i].start; at <= r[i].last; at += 1 + pick(256))
			assert_false(reserved_at(t, at));
		assert_false(reserved_at(t, r[i].last));
		assert_true(reserved_at(t, r[i].last + 1));
		at = r[i].last + 1;
	}
}

static void run(struct world *w, int steps)
{
	struct space_range wall = {WINDOW, U64MAX};
	struct twin *t = calloc(2, sizeof(*t));

	t[0].s = w->s;
	assert_int_equal(space_create(w->memory, &w->sink, &t[1].s), 0);
	for (unsigned int i = 0; i < 2; i++) {
		t[i].w = w;
		t[i].huge = true;
		assert_int_equal(space_reserve(t[i].s, &wall, 1, &wall), 0);
	}
	for (int step = 0; step < steps; step++) {
		struct twin *x = &t[!pick(4)];

		switch (pick(24)) {
		case 0 ... 9:
			do_map(x);
			break;
		case 10 ... 14:
			do_unmap(x);
			break;
		case 15 ... 18:
			do_copy(x, &t[pick(2)]);
			break;
		case 19:
		case 20:
			do_cut(x);
			break;
		case 21:
			do_allow(x);
			break;
		case 22:
			do_reserve(x);
			break;
		default:
			if (pick(4))
				do_mirror(&t[0]);
			else
				do_huge(x);
		}
		check_areas(&t[0]);
		check_areas(&t[1]);
		for (unsigned int i = 0; i < 2; i++)
			if (t[0].mirrored[i])
				check_table(&t[0], i);
		check_ranges(x);
	}
	space_release(t[1].s, &wall);
	space_destroy(t[1].s);
	for (unsigned int i = 0; i < 2; i++)
		if (t[0].mirrored[i])
			mirror_remove(w, i);
	free(t);
}

static void agrees_with_its_twin(void **state)
{
	struct world *w = *state;
	const char *steps = getenv("MODEL_STEPS");

	munmap(w->arena + FIRST_HOLE * PAGE_SIZE, (ARENA_PAGES - FIRST_HOLE) * PAGE_SIZE);
	mprotect(w->arena + FIRST_RO * PAGE_SIZE, (FIRST_HOLE - FIRST_RO) * PAGE_SIZE, PROT_READ);
	w->sink.fn = NULL;
	seed = steps ? (uint64_t)atoi(steps) : 1;
	run(w, steps ? atoi(steps) : 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {WORLD_TEST(agrees_with_its_twin)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

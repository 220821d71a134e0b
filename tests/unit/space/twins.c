/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random calls, each made of an IOAS and of its naive twin (twin.h): what they answer is compared,
 * and every translation in and around the place of the call in every mirror; now and then all of
 * them. Alone, and by several threads in windows of their own while others translate anywhere.
 *
 * What the comparison is worth is tried with twins that are wrong on purpose, alone and by threads.
 */
#include <pthread.h>
#include <sched.h>

#include "twin.h"

#define BASE	 (64 * MiB)
#define WINDOW	 3072 /* pages of the twin */
#define MEMORY	 512  /* pages of the program's memory: */
#define RO	 440  /* from here on it may not be written, */
#define HOLE	 488  /* from here on it may not be touched, */
#define PROMISED 256  /* up to here it is registered */
#define THREADS	 3
#define READERS	 2

static const struct pt_ops *const formats[TWIN_MIRRORS] = {&pt_vtd_ss, &pt_amdv1, &pt_mock};

/* What all threads share. */
struct stage {
	struct world *w;
	char *memory;
	struct space_mirror_ops mirror_ops;
	/* Odd while that thread looks into a page table: an epoch that ThreadSanitizer can follow.
	 */
	uint64_t section[THREADS + READERS];
	bool stop;
};

/* An IOAS, or a window of one, and its twin. */
struct pair {
	struct stage *st;
	struct space *s;
	struct twin t;
	unsigned int thread;
	bool mirrored;	    /* the space that has mirrors */
	bool shared;	    /* with other threads: no call that reaches beyond the window */
	struct pair *other; /* where copies go and come from; may be itself */
	uint64_t seed, calls, nr;
	char differs[120]; /* the first difference */
	/* For readers: what is mapped, page by page; odd while that changes. */
	uint64_t version, *seen;
};

static uint64_t pick(struct pair *p, uint64_t n)
{
	p->seed = p->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (p->seed >> 24) % n;
}

static bool same(struct pair *p, const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return true;
	if (!p->differs[0])
		snprintf(p->differs, sizeof(p->differs), "call %llu: %s: %#llx, twin says %#llx",
			 (unsigned long long)p->calls, what, (unsigned long long)got,
			 (unsigned long long)want);
	return false;
}

/* Sections. */

static void enter(struct stage *st, unsigned int thread)
{
	__atomic_fetch_add(&st->section[thread], 1, __ATOMIC_SEQ_CST);
}

static void leave(struct stage *st, unsigned int thread)
{
	__atomic_fetch_add(&st->section[thread], 1, __ATOMIC_SEQ_CST);
}

static void wait_for_all(struct stage *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(st->section); i++) {
		uint64_t seen = __atomic_load_n(&st->section[i], __ATOMIC_SEQ_CST);

		while ((seen & 1) && __atomic_load_n(&st->section[i], __ATOMIC_SEQ_CST) == seen)
			sched_yield();
	}
}

static void invalidate(struct space_mirror *m, uint64_t iova, uint64_t last, struct pt_gather *g)
{
	struct stage *st = container_of(m->ops, struct stage, mirror_ops);

	wait_for_all(st);
	pt_gather_free(st->w->tables, g);
}

/* Translations. */

/* Where mirror @i leads from @iova: the program's address and the permissions in its low bits; 0:
 * nowhere. */
static uint64_t look(struct pair *p, unsigned int thread, unsigned int i, uint64_t iova)
{
	struct world *w = p->st->w;
	struct pt_leaf leaf;
	uint64_t out = 0;

	enter(p->st, thread);
	if (!pt_translate(w->mirror[i].m.pt, iova, &leaf))
		out = (uint64_t)(uintptr_t)(memory_slot(w->memory, leaf.pa)->base +
					    (leaf.pa & MEMORY_SLOT_MASK)) |
		      leaf.prot;
	leave(p->st, thread);
	return out;
}

static uint64_t wanted(const struct twin_page *page)
{
	return page->prot ? page->va | (uint64_t)page->prot : 0;
}

static bool compare_pages(struct pair *p, uint64_t iova, uint64_t length)
{
	bool ok = true;

	for (uint64_t at = iova; at < iova + length && ok; at += TWIN_PAGE) {
		const struct twin_page *page = twin_at(&p->t, at);

		for (unsigned int i = 0; i < TWIN_MIRRORS && page && ok; i++)
			if (p->t.mirror[i] && at % p->t.mirror[i] == 0)
				ok = same(p, "translation", look(p, p->thread, i, at),
					  wanted(page));
	}
	return ok;
}

static void compare_areas(struct pair *p)
{
	const struct twin *t = &p->t;
	struct space_stats stats;
	uint64_t pages = 0;

	for (const struct twin_page *page = t->page; page < t->page + t->n; page++) {
		uint64_t iova = t->base + (uint64_t)(page - t->page) * TWIN_PAGE, next = iova;
		struct space_area a;

		if (!page->area)
			continue;
		if (!same(p, "area", (uint64_t)(int64_t)space_next_area(p->s, iova, &a), 0) ||
		    !same(p, "area's IOVA", a.iova, iova) ||
		    !same(p, "area's permissions", (uint64_t)a.prot, (uint64_t)page->prot) ||
		    !same(p, "area's VA", pages_start(a.pages) + a.offset, page->va))
			return;
		for (; page + 1 < t->page + t->n && page[1].area == page->area; page++)
			next += TWIN_PAGE;
		if (!same(p, "area's last", a.last, next + TWIN_PAGE - 1))
			return;
		pages += (next + TWIN_PAGE - iova) / TWIN_PAGE;
	}
	space_get_stats(p->s, &stats);
	if (!p->shared)
		same(p, "mapped bytes", stats.bytes, pages * TWIN_PAGE);
}

static void compare_all(struct pair *p)
{
	compare_pages(p, p->t.base, p->t.n * TWIN_PAGE);
	compare_areas(p);
}

/* Calls. */

static uint64_t pick_iova(struct pair *p)
{
	uint64_t page = pick(p, p->t.n - TWIN_LONGEST);

	return p->t.base + (pick(p, 8) ? page & ~3ull : page) * TWIN_PAGE;
}

static uint64_t pick_length(struct pair *p)
{
	switch (pick(p, 8)) {
	case 0:
		return (1 + pick(p, 16)) * TWIN_PAGE;
	case 1:
		return (1 + pick(p, TWIN_LONGEST / 4)) * PAGE_SIZE;
	default:
		return (1 + pick(p, 8)) * PAGE_SIZE;
	}
}

static uint64_t pick_va(struct pair *p)
{
	uint64_t page = pick(p, MEMORY - TWIN_LONGEST / 4);

	/* Much that is not there would say little. */
	page = page % 8 ? page % (RO - 20) : RO - 16 + page % 64;
	return (uintptr_t)p->st->memory + page * PAGE_SIZE +
	       (pick(p, 12) ? 0 : pick(p, 4) * TWIN_PAGE);
}

static bool do_map(struct pair *p, uint64_t *iova, uint64_t *length)
{
	struct twin_piece piece = {pick_va(p), pick_length(p), false};
	struct space_map map = {
		.length = piece.length, .iova = pick_iova(p), .prot = (int)pick(p, 4)};
	uint64_t want = map.iova;
	int rc;

	map.prot = pick(p, 16) ? map.prot | SPACE_READ : SPACE_WRITE;
	map.fixed = p->shared || pick(p, 3);
	piece.writable = map.prot & SPACE_WRITE;
	assert_int_equal(pages_from_va(p->st->w->memory, NULL, piece.va, map.length, piece.writable,
				       false, &map.pages),
			 0);
	rc = space_map(p->s, &map);
	pages_put(map.pages);
	same(p, "map", (uint64_t)(int64_t)rc,
	     (uint64_t)(int64_t)twin_place(&p->t, &piece, 1, map.fixed, map.prot, &want));
	if (!rc)
		same(p, "map's IOVA", map.iova, want);
	*iova = map.iova;
	*length = map.length;
	return true;
}

static bool do_unmap(struct pair *p, uint64_t *iova, uint64_t *length)
{
	uint64_t got, want;
	const struct twin_page *page;
	int rc;

	*iova = pick_iova(p);
	*length = pick(p, 4) ? pick_length(p) : TWIN_LONGEST * TWIN_PAGE;
	page = twin_at(&p->t, *iova);
	/* Often exactly what is mapped there. */
	if (page->area && pick(p, 4)) {
		const struct twin_page *end = page;

		while (page > p->t.page && page[-1].area == page->area)
			page--;
		while (end < p->t.page + p->t.n && end->area == page->area)
			end++;
		*iova = p->t.base + (uint64_t)(page - p->t.page) * TWIN_PAGE;
		*length = (uint64_t)(end - page) * TWIN_PAGE;
	}
	rc = space_unmap(p->s, *iova, *length, &got);
	same(p, "unmap", (uint64_t)(int64_t)rc,
	     (uint64_t)(int64_t)twin_unmap(&p->t, *iova, *length, &want));
	same(p, "unmapped bytes", got, want);
	return true;
}

static bool do_copy(struct pair *p, uint64_t *iova, uint64_t *length)
{
	struct twin_piece pieces[TWIN_LONGEST];
	struct pair *from = p->other && pick(p, 2) ? p->other : p;
	struct space_copy c = {.src_iova = pick_iova(from), .dst_iova = pick_iova(p)};
	uint64_t want_iova = c.dst_iova;
	int rc, want;
	size_t n;

	c.length = min_u64(pick_length(p), TWIN_LONGEST * TWIN_PAGE);
	c.prot = 1 + (int)pick(p, 3);
	c.fixed = p->shared || pick(p, 2);
	want = twin_pieces(&from->t, c.src_iova, c.length, pieces, &n);
	if (!want)
		want = twin_place(&p->t, pieces, n, c.fixed, c.prot, &want_iova);
	rc = space_copy(p->s, from->s, &c);
	same(p, "copy", (uint64_t)(int64_t)rc, (uint64_t)(int64_t)want);
	if (!rc)
		same(p, "copy's IOVA", c.dst_iova, want_iova);
	*iova = c.dst_iova;
	*length = c.length;
	return true;
}

static bool do_cut(struct pair *p, uint64_t *iova, uint64_t *length)
{
	*iova = pick_iova(p);
	*length = PAGE_SIZE;
	same(p, "cut", (uint64_t)(int64_t)space_cut(p->s, *iova),
	     (uint64_t)(int64_t)twin_cut(&p->t, *iova));
	return true;
}

static struct space_range pick_range(struct pair *p)
{
	uint64_t start = pick_iova(p);

	return (struct space_range){start, start + pick(p, 64) * PAGE_SIZE / 4 * pick(p, 5) +
						   TWIN_PAGE - 1};
}

static bool do_allow(struct pair *p, uint64_t *iova, uint64_t *length)
{
	struct space_range r[TWIN_RANGES];
	size_t n = pick(p, TWIN_RANGES + 1);

	if (p->shared)
		return false;
	for (size_t i = 0; i < n; i++)
		r[i] = pick_range(p);
	if (pick(p, 2))
		n = 0;
	same(p, "allow", (uint64_t)(int64_t)space_allow(p->s, r, n),
	     (uint64_t)(int64_t)twin_allow(&p->t, r, n));
	return false;
}

static bool do_reserve(struct pair *p, uint64_t *iova, uint64_t *length)
{
	size_t i = pick(p, TWIN_RANGES);
	struct space_range r = pick_range(p);

	if (p->t.is_reserved[i]) {
		space_release(p->s, &p->t.reserved[i]);
		p->t.is_reserved[i] = false;
		return false;
	}
	same(p, "reserve", (uint64_t)(int64_t)space_reserve(p->s, &r, 1, &p->t.reserved[i]),
	     (uint64_t)(int64_t)twin_reserve(&p->t, i, r));
	return false;
}

static struct mirror *mirror_of(struct pair *p, unsigned int i)
{
	return &p->st->w->mirror[i];
}

static bool open_mirror(struct pair *p, unsigned int i)
{
	int rc, want;

	mirror_open_format(p->st->w, i, formats[i]);
	mirror_of(p, i)->m.ops = &p->st->mirror_ops;
	rc = space_add_mirror(p->s, &mirror_of(p, i)->m);
	want = twin_add_mirror(&p->t, i, 1ull << formats[i]->page_lg2);
	same(p, "mirror", (uint64_t)(int64_t)rc, (uint64_t)(int64_t)want);
	if (rc)
		mirror_close(p->st->w, i);
	return !rc;
}

static bool do_mirror(struct pair *p, uint64_t *iova, uint64_t *length)
{
	unsigned int i = (unsigned int)pick(p, TWIN_MIRRORS);
	uint64_t got, want;

	if (p->shared || !p->mirrored || pick(p, 32))
		return false;
	if (p->t.mirror[i] && !pick(p, 3)) {
		mirror_remove(p->st->w, i);
		p->t.mirror[i] = 0;
	} else if (!p->t.mirror[i]) {
		/* Much of what is mapped without any no page table can hold. */
		if (!twin_has_mirror(&p->t) && pick(p, 4)) {
			same(p, "unmap all", (uint64_t)(int64_t)space_unmap_all(p->s, &got), 0);
			twin_unmap(&p->t, p->t.base, p->t.n * TWIN_PAGE, &want);
			same(p, "bytes of all", got, want);
		}
		open_mirror(p, i);
	}
	compare_all(p);
	return false;
}

static bool do_mark(struct pair *p, uint64_t *iova, uint64_t *length)
{
	unsigned int i = (unsigned int)pick(p, TWIN_MIRRORS);
	uint64_t at = pick_iova(p), size = 0;
	struct pt_leaf leaf;
	int rc;

	if (!p->t.mirror[i])
		return false;
	enter(p->st, p->thread);
	rc = pt_mark(mirror_of(p, i)->m.pt, at, true);
	if (!rc && !pt_translate(mirror_of(p, i)->m.pt, at, &leaf))
		size = BIT(leaf.lg2);
	leave(p->st, p->thread);
	same(p, "a write", (uint64_t)(int64_t)rc,
	     (uint64_t)(int64_t)twin_mark(&p->t, i, at, size ? size : TWIN_PAGE));
	return false;
}

struct bits {
	bool set[TWIN_LONGEST * TWIN_PAGE / 512];
};

static int note_bits(void *arg, uint64_t first, uint64_t n)
{
	memset(((struct bits *)arg)->set + first, true, n);
	return 0;
}

static bool do_dirty(struct pair *p, uint64_t *iova, uint64_t *length)
{
	static const uint64_t sizes[] = {512, 1024, 2048, 4096, 4096, 4096, 8192, 16384, 0x3000, 0};
	unsigned int i = (unsigned int)pick(p, TWIN_MIRRORS);
	struct bits got = {0}, want = {0};
	struct space_dirty d = {.iova = pick_iova(p),
				.length = pick(p, TWIN_LONGEST) * TWIN_PAGE,
				.page_size = sizes[pick(p, ARRAY_SIZE(sizes))],
				.no_clear = pick(p, 2),
				.has_dirty = true,
				.set = note_bits,
				.arg = &got};

	if (!p->t.mirror[i])
		return false;
	if (pick(p, 8) && d.page_size) {
		uint64_t align = max_u64(PAGE_SIZE, d.page_size & -d.page_size);

		d.iova = align_down(d.iova, align);
		d.length = align_up(d.length, align);
	}
	same(p, "read dirty", (uint64_t)(int64_t)space_read_dirty(p->s, &mirror_of(p, i)->m, &d),
	     (uint64_t)(int64_t)twin_read_dirty(&p->t, i, &d, want.set));
	same(p, "dirty pages", (uint64_t)memcmp(&got, &want, sizeof(got)), 0);
	return false;
}

static bool (*const calls[])(struct pair *p, uint64_t *iova, uint64_t *length) = {
	do_map,	  do_map,  do_map,  do_map,   do_map,	  do_map,   do_unmap, do_unmap,
	do_unmap, do_copy, do_copy, do_dirty, do_dirty,	  do_mark,  do_mark,  do_mark,
	do_mark,  do_mark, do_cut,  do_allow, do_reserve, do_mirror};

/* What the readers may expect from now on. */
static void publish(struct pair *p, uint64_t iova, uint64_t length)
{
	for (uint64_t at = iova; at < iova + length; at += TWIN_PAGE) {
		const struct twin_page *page = twin_at(&p->t, at);

		if (page)
			__atomic_store_n(&p->seen[page - p->t.page], wanted(page),
					 __ATOMIC_RELAXED);
	}
}

static void step(struct pair *p)
{
	uint64_t iova = 0, length = 0;

	p->calls++;
	__atomic_fetch_add(&p->version, 1, __ATOMIC_SEQ_CST);
	if (calls[pick(p, ARRAY_SIZE(calls))](p, &iova, &length)) {
		publish(p, iova, length);
		compare_pages(p, iova - PAGE_SIZE, length + 2 * PAGE_SIZE);
	}
	__atomic_fetch_add(&p->version, 1, __ATOMIC_SEQ_CST);
	if (p->calls % 2048 == 0)
		compare_all(p);
}

static void pair_init(struct pair *p, struct stage *st, struct space *s, uint64_t base,
		      uint64_t seed)
{
	*p = (struct pair){.st = st, .s = s, .seed = seed};
	twin_init(&p->t, base, WINDOW);
	p->t.ro = (uintptr_t)st->memory + RO * PAGE_SIZE;
	p->t.hole = (uintptr_t)st->memory + HOLE * PAGE_SIZE;
	p->seen = calloc(WINDOW, sizeof(*p->seen));
	assert_non_null(p->seen);
}

static void pair_free(struct pair *p)
{
	twin_free(&p->t);
	free(p->seen);
}

static void stage_open(struct stage *st)
{
	*st = (struct stage){.w = world_open(), .mirror_ops = {invalidate}};
	st->w->sink.fn = NULL;
	st->memory = map_anon((MEMORY + TWIN_LONGEST) * PAGE_SIZE + 2 * MiB, MAP_PRIVATE);
	st->memory = (char *)align_up((uintptr_t)st->memory, 2 * MiB);
	mprotect(st->memory + RO * PAGE_SIZE, (HOLE - RO) * PAGE_SIZE, PROT_READ);
	mprotect(st->memory + HOLE * PAGE_SIZE, (MEMORY + TWIN_LONGEST - HOLE) * PAGE_SIZE,
		 PROT_NONE);
	assert_int_equal(
		memory_register(st->w->memory, (uintptr_t)st->memory, PROMISED * PAGE_SIZE), 0);
}

static void stage_close(struct stage *st)
{
	munmap(st->memory, (MEMORY + TWIN_LONGEST) * PAGE_SIZE);
	world_close(st->w);
}

static uint64_t nr_calls(uint64_t otherwise)
{
	const char *text = getenv("TWIN_CALLS");

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* One thread. */

/* @calls calls in a space with mirrors and in one without; what differed first, or "". */
static void run(enum twin_fault fault, uint64_t seed, uint64_t nr, char *differs, size_t size)
{
	struct space_range walls[2] = {{0, BASE - 1}, {BASE + WINDOW * TWIN_PAGE, U64MAX}};
	struct space *other;
	struct pair p[2];
	struct stage st;

	stage_open(&st);
	assert_int_equal(space_create(st.w->memory, &st.w->sink, &other), 0);
	pair_init(&p[0], &st, st.w->s, BASE, seed);
	pair_init(&p[1], &st, other, BASE, seed + 1);
	p[0].mirrored = true;
	for (unsigned int i = 0; i < 2; i++) {
		p[i].other = &p[!i];
		p[i].t.fault = fault;
		assert_int_equal(space_reserve(p[i].s, walls, 2, walls), 0);
	}
	open_mirror(&p[0], 0);
	for (uint64_t n = 0; n < nr && !p[0].differs[0] && !p[1].differs[0]; n++)
		step(&p[!pick(&p[0], 4)]);
	if (!fault) {
		compare_all(&p[0]);
		compare_all(&p[1]);
	}
	snprintf(differs, size, "%s%s", p[0].differs, p[1].differs);
	for (unsigned int i = 0; i < 2; i++) {
		space_release(p[i].s, walls);
		pair_free(&p[i]);
	}
	space_destroy(other);
	stage_close(&st);
}

static void agrees(void **state)
{
	char differs[256];

	run(TWIN_SOUND, 1, nr_calls(60000), differs, sizeof(differs));
	assert_string_equal(differs, "");
}

static void a_wrong_twin_is_found(void **state)
{
	char differs[256];

	for (enum twin_fault fault = TWIN_SOUND + 1; fault < TWIN_FAULTS; fault++) {
		run(fault, 1, 100000, differs, sizeof(differs));
		if (!differs[0])
			fail_msg("the twin's fault %d was not noticed", (int)fault);
	}
}

/* Several. */

static void *writer(void *arg)
{
	struct pair *p = arg;

	while (p->calls < p->nr && !p->differs[0])
		step(p);
	if (!p->t.fault)
		compare_all(p);
	return NULL;
}

struct reader {
	pthread_t thread;
	struct pair *pairs; /* THREADS of them */
	struct pair own;    /* its own differences */
	uint64_t found;	    /* translations compared that were there */
};

/* A translation counts when nothing changed in that window while it was made. */
static void *reader(void *arg)
{
	struct reader *r = arg;
	struct stage *st = r->own.st;
	uint64_t late = 0;

	/* On a busy machine the writers may be done before this thread's first turn: it then reads
	 * what they left. */
	while ((!__atomic_load_n(&st->stop, __ATOMIC_RELAXED) || (!r->found && ++late < 1000000)) &&
	       !r->own.differs[0]) {
		struct pair *p = &r->pairs[pick(&r->own, THREADS)];
		uint64_t page = pick(&r->own, WINDOW) & ~3ull, got, want;
		uint64_t version = __atomic_load_n(&p->version, __ATOMIC_SEQ_CST);

		got = look(&r->own, r->own.thread, (unsigned int)pick(&r->own, TWIN_MIRRORS),
			   p->t.base + page * TWIN_PAGE);
		want = __atomic_load_n(&p->seen[page], __ATOMIC_RELAXED);
		if ((version & 1) ||
		    __atomic_fetch_add(&p->version, 0, __ATOMIC_SEQ_CST) != version)
			continue;
		same(&r->own, "a reader's translation", got, want);
		r->found += !!got;
	}
	return NULL;
}

static void start_readers(struct stage *st, struct pair *p, struct reader *readers)
{
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.pairs = p, .own = {.st = st, .seed = i + 20}};
		readers[i].own.thread = THREADS + i;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, reader, &readers[i]), 0);
	}
}

/* @nr calls by all threads together; the twin of one of them has @fault. What differed first, or
 * "". */
static void run_threads(enum twin_fault fault, uint64_t nr, char *differs, size_t size)
{
	struct reader readers[READERS];
	pthread_t thread[THREADS];
	struct pair p[THREADS];
	struct stage st;

	stage_open(&st);
	for (unsigned int i = 0; i < THREADS; i++) {
		pair_init(&p[i], &st, st.w->s, BASE + i * WINDOW * TWIN_PAGE, i + 10);
		p[i].thread = i;
		p[i].shared = true;
		p[i].nr = nr / THREADS;
	}
	p[THREADS - 1].t.fault = fault;
	for (unsigned int m = 0; m < TWIN_MIRRORS; m++) {
		open_mirror(&p[0], m);
		for (unsigned int i = 1; i < THREADS; i++)
			p[i].t.mirror[m] = p[0].t.mirror[m];
	}
	start_readers(&st, p, readers);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, writer, &p[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&st.stop, true, __ATOMIC_RELAXED);
	*differs = 0;
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_true(fault || readers[i].found > 0);
		if (!*differs)
			snprintf(differs, size, "%s", readers[i].own.differs);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		if (!*differs)
			snprintf(differs, size, "%s", p[i].differs);
		pair_free(&p[i]);
	}
	stage_close(&st);
}

static void threads_agree(void **state)
{
	char differs[256];

	run_threads(TWIN_SOUND, nr_calls(24000), differs, sizeof(differs));
	assert_string_equal(differs, "");
}

/* Faults in what threads do not do at once, reserving and choosing an IOVA, cannot show. */
static void a_wrong_twin_is_found_by_threads(void **state)
{
	static const enum twin_fault faults[] = {TWIN_UNMAP_LEAVES_A_PAGE,
						 TWIN_MAP_IS_OFF_BY_A_PAGE, TWIN_ALLOWS_WRITING,
						 TWIN_LOSES_A_DIRTY_PAGE, TWIN_FORGETS_ALIGNMENT};
	char differs[256];

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		run_threads(faults[i], 24000, differs, sizeof(differs));
		if (!differs[0])
			fail_msg("the twin's fault %d was not noticed", (int)faults[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees),
					   cmocka_unit_test(a_wrong_twin_is_found),
					   cmocka_unit_test(threads_agree),
					   cmocka_unit_test(a_wrong_twin_is_found_by_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

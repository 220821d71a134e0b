/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What devices do with mappings: which transfer runs, what of a mapping is used, and what should
 * not be.
 *
 * All of it is on the path of every DMA: nothing here takes a lock or allocates but what is about
 * to become a finding, and what meets a requester for the first time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dma/dma.h"
#include "iommu/domain.h"
#include "iommu/nested_gpa.h"
#include "iommu/requester.h"
#include "iommu/translate.h"
#include "object/host.h"
#include "observe/sanitize_private.h"
#include "space/space.h"

/* ---- watchers ---- */

static size_t place_of(const struct requester *r, size_t mask)
{
	return (size_t)(((uintptr_t)r >> 6) * 0x9e3779b97f4a7c15ull >> 40) & mask;
}

static struct watcher *find_watcher(const struct watcher_table *t, const struct requester *r)
{
	struct watcher *w;

	for (size_t i = place_of(r, t->mask);; i = (i + 1) & t->mask) {
		w = __atomic_load_n(&t->slots[i], __ATOMIC_ACQUIRE);
		if (!w || w->requester == r)
			return w;
	}
}

static void put_watcher(struct watcher_table *t, struct watcher *w)
{
	size_t i = place_of(w->requester, t->mask);

	while (t->slots[i])
		i = (i + 1) & t->mask;
	__atomic_store_n(&t->slots[i], w, __ATOMIC_RELEASE);
}

/* Room for one more, at least half of the places stay empty. */
static struct watcher_table *need_table(struct sanitizer *s)
{
	struct watcher_table *old = s->watchers, *t;
	const size_t mask = old ? old->mask * 2 + 1 : 63;

	if (old && (s->nr_watchers + 1) * 2 <= old->mask)
		return old;
	t = ioas_calloc(1, sizeof(*t) + (mask + 1) * sizeof(t->slots[0]));
	if (!t)
		return NULL;
	t->mask = mask;
	t->older = old;
	for (struct watcher *w = s->all_watchers; w; w = w->link)
		put_watcher(t, w);
	__atomic_store_n(&s->watchers, t, __ATOMIC_RELEASE);
	return t;
}

static struct watcher *new_watcher(struct sanitizer *s, struct requester *r)
{
	struct watcher_table *t = need_table(s);
	struct watcher *w = t ? find_watcher(t, r) : NULL;

	if (!t || w)
		return w;
	w = ioas_aligned_alloc(64, sizeof(*w));
	if (!w)
		return NULL;
	*w = (struct watcher){.requester = r, .rid = requester_rid(r), .link = s->all_watchers};
	__atomic_store_n(&s->all_watchers, w, __ATOMIC_RELEASE);
	s->nr_watchers++;
	put_watcher(t, w);
	return w;
}

/* Another requester may lie where one lay before. */
static void name_watcher(struct watcher *w, struct requester *r)
{
	const struct host_device *d = requester_owner(r);

	w->rid = requester_rid(r);
	w->name[0] = '\0';
	if (d)
		snprintf(w->name, sizeof(w->name), "%s", d->name);
}

struct watcher *sanitizer_watcher(struct sanitizer *s, struct requester *r, bool make)
{
	struct watcher_table *t = __atomic_load_n(&s->watchers, __ATOMIC_ACQUIRE);
	struct watcher *w = t ? find_watcher(t, r) : NULL;

	if (likely(w != NULL) || !make)
		return w;
	lock_acquire(&s->shadow.lock);
	w = new_watcher(s, r);
	if (w)
		name_watcher(w, r);
	else
		s->shadow.lost = true;
	lock_release(&s->shadow.lock);
	return w;
}

/* Of who does DMA now: the port remembers it, which lives no longer than its requester. */
static inline struct watcher *watcher_of(struct sanitizer *s, struct dma_port *p)
{
	if (unlikely(!p->watcher))
		p->watcher = sanitizer_watcher(s, p->requester, true);
	return p->watcher;
}

void sanitizer_free_watchers(struct sanitizer *s)
{
	struct watcher_table *t = s->watchers, *older;
	struct watcher *w = s->all_watchers, *link;

	for (; t; t = older) {
		older = t->older;
		ioas_free(t);
	}
	for (; w; w = link) {
		link = w->link;
		ioas_free(w);
	}
}

void sanitizer_attach(void *arg, const struct event_attach *e)
{
	struct sanitizer *s = arg;
	struct watcher *w = sanitizer_watcher(s, e->requester, true);

	if (!w)
		return;
	lock_acquire(&s->shadow.lock);
	name_watcher(w, e->requester);
	lock_release(&s->shadow.lock);
}

/* ---- transfers ---- */

/*
 * Each store is a release and each load of another thread's an acquire, so that who sees the same
 * odd turn before and behind has seen what belongs to it.
 */
#define PUT(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELEASE)
#define GET(member)	   __atomic_load_n(&(member), __ATOMIC_ACQUIRE)

void sanitizer_dma_begin(void *arg, const struct event_dma *e)
{
	struct requester *r = e->port->requester;
	struct watcher *w = watcher_of(arg, e->port);

	if (!w || !e->len)
		return;
	PUT(w->begin, e->iova);
	PUT(w->at, e->iova);
	PUT(w->next, e->iova);
	PUT(w->last, e->iova + min_u64(e->len - 1, U64MAX - e->iova));
	PUT(w->until, w->last);
	PUT(w->access, e->access);
	PUT(w->step, 0);
	w->used = used_by(e->rid, sanitizer_device_stack(arg, r));
	PUT(w->space, NULL);
	PUT(w->turn, w->turn + 1);
}

void sanitizer_dma_end(void *arg, const struct event_dma *e)
{
	struct watcher *w = e->port->watcher;

	if (w && w->turn % 2)
		PUT(w->turn, w->turn + 1);
}

/*
 * What a program may take for the end of a transfer is the last byte that a device writes. So bytes
 * that a device writes count as done when they begin to move, and those that it reads when they
 * have: that one cannot be seen.
 */
static bool still_touches(const struct flight *f, uint64_t iova, uint64_t last)
{
	const uint64_t from = f->access & IOMMU_WRITE ? f->next : f->at;

	return from <= f->last && from <= last && f->last >= iova;
}

static bool look_at(const struct watcher *w, const struct shadow_space *sp, struct flight *out)
{
	const uint64_t steps = GET(w->steps);

	*out = (struct flight){.watcher = w, .turn = GET(w->turn)};
	if (out->turn % 2 == 0 || steps % 2 || GET(w->space) != sp)
		return false;
	out->at = GET(w->at);
	out->next = GET(w->next);
	out->last = GET(w->until);
	out->iova = GET(w->step_iova);
	out->access = GET(w->access);
	out->nested = GET(w->step);
	return GET(w->turn) == out->turn && GET(w->steps) == steps;
}

bool sanitizer_in_flight(struct sanitizer *s, const struct shadow_space *sp, uint64_t iova,
			 uint64_t last, struct flight *out)
{
	for (struct watcher *w = GET(s->all_watchers); w; w = w->link)
		if (look_at(w, sp, out) && still_touches(out, iova, last))
			return true;
	return false;
}

/* ---- steps ---- */

static struct domain *domain_of(struct requester *r, uint32_t pasid)
{
	const struct binding *b = pasid == IOMMU_NO_PASID ? &r->rid : pasid_find(r, pasid);

	return b ? __atomic_load_n(&b->domain, __ATOMIC_ACQUIRE) : NULL;
}

struct shadow_space *sanitizer_space_of(struct sanitizer *s, struct requester *r, uint32_t pasid,
					bool *nested)
{
	struct domain *d = domain_of(r, pasid);
	const struct space *space;
	struct binding *b;

	/* A PASID that is a guest's. */
	if (unlikely(!d) && pasid != IOMMU_NO_PASID)
		d = translate_domain(r, pasid, &b);
	space = d ? domain_space(d) : NULL;
	*nested = d && d->nested;
	return space ? shadow_space_of(&s->shadow, space) : NULL;
}

static struct shadow_map *map_at(struct watcher *w, struct shadow_space *sp, uint64_t iova)
{
	const uint64_t changes = __atomic_load_n(&sp->changes, __ATOMIC_ACQUIRE);
	struct range r;

	if (likely(iova >= w->map_iova && iova <= w->map_last && w->map_space == sp &&
		   w->map_changes == changes))
		return w->map;
	if (!range_lookup(&sp->maps, iova, &r))
		return NULL;
	w->map = r.value;
	w->map_space = sp;
	w->map_changes = changes;
	w->map_iova = r.start;
	w->map_last = r.last;
	return w->map;
}

/* One step of a transfer within one mapping. */
struct touch {
	struct sanitizer *s;
	struct requester *requester; /* NULL: the program itself */
	uint32_t pasid;
	int access;
	struct shadow_space *sp;
	struct shadow_map *m;
	uint64_t iova, last, used; /* behind a guest's tables: guest physical addresses, */
	uint64_t shift;		   /* which with this are the device's */
	bool nested;
};

static void fill_step(struct report *r, const struct touch *t, uint64_t iova, uint64_t last)
{
	r->program = !t->requester;
	if (t->requester)
		report_device(r, sanitizer_watcher(t->s, t->requester, false));
	r->f.pasid = t->pasid;
	r->f.iova = iova + t->shift;
	r->f.nested = t->nested;
	r->f.gpa = iova;
	r->f.len = last - iova + 1;
	r->f.access = t->access;
	fill_mapping(t->m, t->sp->id, sanitizer_now(t->s), &r->f.nearest);
}

static void send_step(struct report *r, const struct touch *t)
{
	r->f.now = sanitizer_stack(t->s);
	if (t->requester)
		r->f.device_now = sanitizer_device_stack(t->s, t->requester);
	report_send(t->s, r);
}

static void check_declared(const struct touch *t)
{
	uint64_t bad, bad_last;
	char who[64], len[32], place[PLACE_MAX];
	struct report r;
	struct range known;
	bool found;

	/* Who is in no section may not look without the lock. */
	if (t->requester && range_lookup(&t->sp->meant, t->iova, &known) && known.last >= t->last)
		return;
	report_init(&r, FINDING_DMA_IN_SLACK);
	lock_acquire(&t->s->shadow.lock);
	found = t->m->flags & SHADOW_DECLARED &&
		shadow_undeclared(t->sp, t->iova, t->last, &bad, &bad_last);
	if (found)
		fill_step(&r, t, bad, bad_last);
	lock_release(&t->s->shadow.lock);
	if (!found)
		return;
	r.f.va = t->m->va + (bad - t->m->iova);
	r.f.iommu = "let it through: the page is mapped";
	r.f.advice = "the transfer is longer than the buffer, or begins elsewhere than the program "
		     "meant: compare the lengths in the device's descriptors with the buffers'";
	report_text(
		&r,
		"%s %s %s at %s, which are mapped but not among the bytes that the program declared for "
		"this device's use",
		report_who(&r, who, sizeof(who)), t->access & IOMMU_WRITE ? "wrote" : "read",
		length_words(r.f.len, len, sizeof(len)), report_place(&r, place, sizeof(place)));
	send_step(&r, t);
}

struct alias_of {
	const struct touch *t;
	uint64_t va, last;
	struct shadow_map *other;
	unsigned int left;
};

/* Another mapping through which devices have written some of the same bytes. */
static bool wrote_same(void *arg, struct shadow_map *m)
{
	struct alias_of *a = arg;
	uint64_t first, last;

	if (shadow_aliases(a->t->m, m) &&
	    shadow_extent(m, __atomic_load_n(&m->wrote, __ATOMIC_RELAXED), &first, &last) &&
	    m->va + first <= a->last && m->va + last >= a->va)
		a->other = m;
	return !a->other && --a->left;
}

#define MAX_ALIASES 1024

static void check_alias(const struct touch *t)
{
	struct alias_of a = {
		.t = t,
		.va = t->m->va + (t->iova - t->m->iova),
		.last = t->m->va + (t->last - t->m->iova),
		.left = MAX_ALIASES,
	};
	const struct memory_mm *mm;
	char who[64], len[32], place[PLACE_MAX];
	struct report r;

	report_init(&r, FINDING_WRITE_ALIAS);
	lock_acquire(&t->s->shadow.lock);
	if (!(t->m->flags & SHADOW_ALIAS_TOLD) && shadow_mm(&t->s->shadow, t->m, &mm))
		shadow_each_at(&t->s->shadow, mm, a.va, a.last, wrote_same, &a);
	if (a.other) {
		shadow_flag(t->m, SHADOW_ALIAS_TOLD);
		shadow_flag(a.other, SHADOW_ALIAS_TOLD);
		fill_step(&r, t, t->iova, t->last);
		fill_mapping(a.other, t->sp->id, sanitizer_now(t->s), &r.f.other);
	}
	lock_release(&t->s->shadow.lock);
	if (!a.other)
		return;
	r.f.va = a.va;
	r.f.iommu = "let it through: both are mapped";
	r.f.advice = "unmap the first mapping before the memory is mapped again; an alias that is "
		     "meant is made by IOMMU_IOAS_COPY";
	report_text(&r,
		    "%s wrote %s at %s that devices also write at %s %#" PRIx64
		    ": the same memory is mapped twice, writable",
		    report_who(&r, who, sizeof(who)), length_words(r.f.len, len, sizeof(len)),
		    report_place(&r, place, sizeof(place)),
		    t->nested ? "guest physical address" : "IOVA",
		    r.f.other.iova + (a.va - r.f.other.va));
	send_step(&r, t);
}

_Static_assert((int)IOMMU_READ == (int)SPACE_READ && (int)IOMMU_WRITE == (int)SPACE_WRITE,
	       "forbidden() compares them");
/* What the mapping was not made for, though the IOMMU's tables may have no way to say so. */
static inline int forbidden(const struct touch *t)
{
	return t->access & ~t->m->prot & (SPACE_READ | SPACE_WRITE);
}

static void check_direction(const struct touch *t)
{
	const bool write = forbidden(t) & SPACE_WRITE;
	char who[64], len[32], place[PLACE_MAX];
	struct report r;
	bool told;

	report_init(&r, FINDING_DMA_DIRECTION);
	lock_acquire(&t->s->shadow.lock);
	told = t->m->flags & SHADOW_WAY_TOLD;
	if (!told) {
		shadow_flag(t->m, SHADOW_WAY_TOLD);
		fill_step(&r, t, t->iova, t->last);
	}
	lock_release(&t->s->shadow.lock);
	if (told)
		return;
	r.f.iommu = "let it through: its page tables cannot forbid it";
	r.f.advice = write ? "map it writable, or look why the device writes there"
			   : "map it readable, or look why the device reads there";
	report_text(&r,
		    "%s %s %s at %s in a mapping that permits %s only, which other IOMMUs block",
		    report_who(&r, who, sizeof(who)), write ? "wrote" : "read",
		    length_words(r.f.len, len, sizeof(len)), report_place(&r, place, sizeof(place)),
		    prot_words(t->m->prot));
	send_step(&r, t);
}

static __attribute__((cold, noinline)) void check(const struct touch *t, uint8_t flags)
{
	if (!sanitizer_reports(t->s) || sanitizer_is_ending(t->s))
		return;
	if (forbidden(t))
		check_direction(t);
	if (flags & SHADOW_DECLARED)
		check_declared(t);
	if (flags & SHADOW_ALIAS)
		check_alias(t);
}

static inline void mark_use(const struct touch *t)
{
	if (t->access & IOMMU_WRITE)
		shadow_touch(t->m, t->iova, t->last, true);
	if (t->access & IOMMU_READ)
		shadow_touch(t->m, t->iova, t->last, false);
}

static inline void count_use(const struct touch *t)
{
	const uint32_t uses = __atomic_load_n(&t->m->uses, __ATOMIC_RELAXED);

	if (likely(uses != UINT32_MAX))
		__atomic_store_n(&t->m->uses, uses + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&t->m->used, t->used, __ATOMIC_RELAXED);
}

static void touch(const struct touch *t)
{
	const bool write = t->access & IOMMU_WRITE;
	const uint8_t flags =
		shadow_flags(t->m) & (write ? SHADOW_DECLARED | SHADOW_ALIAS : SHADOW_DECLARED);

	mark_use(t);
	if (unlikely(flags | forbidden(t)))
		check(t, flags);
	/* What is reported has the uses before this one. */
	count_use(t);
}

/*
 * Its IOVAs are the guest's: which guest physical addresses move now. What a program may take for
 * the end of a write is its last byte, so what moves before that is not done with it. False: nobody
 * knows.
 */
static bool enter_nested(struct touch *t, struct watcher *w, const struct event_dma_step *e)
{
	const uint64_t len = e->tr->len;
	uint64_t gpa = e->iova;
	const bool known = nested_gpa(t->requester, t->pasid, e->iova, e->tr, &gpa);

	if (unlikely(!__atomic_load_n(&t->sp->nested, __ATOMIC_RELAXED)))
		__atomic_store_n(&t->sp->nested, true, __ATOMIC_RELAXED);
	if (!w->step)
		w->gone = shadow_nr_gone(&t->s->shadow);
	PUT(w->steps, w->steps + 1);
	PUT(w->space, known ? t->sp : NULL);
	PUT(w->at, gpa);
	PUT(w->next, e->iova + (len - 1) == w->last ? gpa + len : gpa);
	PUT(w->until, gpa + len - 1);
	PUT(w->step_iova, e->iova);
	PUT(w->step, known ? len : 0);
	PUT(w->steps, w->steps + 1);
	t->nested = true;
	t->iova = gpa;
	t->shift = e->iova - gpa;
	return known;
}

void sanitizer_dma_step(void *arg, const struct event_dma_step *e)
{
	struct requester *r = e->port->requester;
	struct watcher *w = watcher_of(arg, e->port);
	uint64_t last = e->iova + e->tr->len - 1;
	struct touch t = {
		.s = arg, .requester = r, .pasid = e->pasid, .access = e->access, .iova = e->iova};
	bool nested;

	if (unlikely(!w || e->tr->msi))
		return;
	t.sp = sanitizer_space_of(arg, r, e->pasid, &nested);
	if (unlikely(!t.sp))
		return;
	t.used = w->used;
	if (unlikely(nested)) {
		if (!enter_nested(&t, w, e))
			return;
		last -= t.shift;
	} else {
		PUT(w->at, e->iova);
		PUT(w->next, last == U64MAX ? last : last + 1);
		PUT(w->space, t.sp);
	}
	/* A cached translation may cover several mappings; what is not found is being unmapped. */
	while ((t.m = map_at(w, t.sp, t.iova)) != NULL) {
		t.last = min_u64(last, shadow_last(t.m));
		if (unlikely(t.last < t.iova))
			return;
		touch(&t);
		if (t.last == last)
			return;
		t.iova = t.last + 1;
	}
}

/* ---- software ---- */

/*
 * The space's lock, which is held, keeps the record. What is pinned is pages, of which nobody sees
 * which bytes are touched.
 */
void sanitizer_access(void *arg, const struct event_access *e)
{
	struct sanitizer *s = arg;
	struct touch t = {.s = s,
			  .access = e->write ? IOMMU_WRITE : IOMMU_READ,
			  .iova = e->iova,
			  .last = e->last,
			  .used = used_by(USED_BY_PROGRAM, sanitizer_stack(s))};

	t.sp = shadow_space_of(&s->shadow, e->space);
	if (!t.sp)
		return;
	if (e->rc) {
		sanitizer_refused(s, t.sp, e);
		return;
	}
	lock_acquire(&s->shadow.lock);
	t.m = shadow_find(t.sp, e->iova);
	lock_release(&s->shadow.lock);
	if (!t.m)
		return;
	if (!e->pin) {
		touch(&t);
		return;
	}
	mark_use(&t);
	count_use(&t);
}

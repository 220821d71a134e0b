/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs do with mappings, their memory and their contexts.
 */
#include "observe/sanitize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "memory/memory.h"
#include "object/host.h"
#include "observe/sanitize_private.h"
#include "observe/stale.h"
#include "space/space.h"

/* Where the addresses of a process end: a change up to there is one whose place is not known. */
#define VA_END (1ull << 47)

stack_id sanitizer_stack(const struct sanitizer *s)
{
	return s->cfg.sink.stack ? s->cfg.sink.stack(s->cfg.sink.arg) : 0;
}

stack_id sanitizer_device_stack(const struct sanitizer *s, const struct requester *r)
{
	const struct finding_sink *sink = &s->cfg.sink;

	return sink->device_stack ? sink->device_stack(sink->arg, r) : 0;
}

uint64_t sanitizer_now(const struct sanitizer *s)
{
	return host_now(s->host);
}

void sanitizer_say_lost(struct sanitizer *s)
{
	if (!__atomic_exchange_n(&s->noted, true, __ATOMIC_RELAXED) && s->cfg.note)
		s->cfg.note(s->cfg.sink.arg, "the DMA sanitizer ran out of memory or of room: it "
					     "does not know of every mapping and may miss bugs");
}

/* ---- spaces and mappings ---- */

static void space_new(void *arg, const struct event_space_new *e)
{
	struct sanitizer *s = arg;
	const struct shadow_space like = {
		.space = e->space, .context = e->context, .id = e->id, .container = e->container};

	if (shadow_add_space(&s->shadow, &like))
		sanitizer_say_lost(s);
}

static void space_gone(void *arg, const struct event_space_gone *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);

	if (sp)
		shadow_drop_space(&s->shadow, sp);
}

static uint8_t source_of(const struct pages *p, uint64_t offset)
{
	if (pages_is_dmabuf(p))
		return SOURCE_DMABUF;
	if (pages_is_file(p))
		return SOURCE_FILE;
	switch (pages_kind(p, offset)) {
	case MEMORY_PRIVATE:
	case MEMORY_FOREIGN:
		return SOURCE_ANONYMOUS;
	case MEMORY_SHARED:
		return SOURCE_SHARED;
	case MEMORY_BAR:
		return SOURCE_DEVICE;
	default:
		return SOURCE_MEMORY;
	}
}

static void map(void *arg, const struct event_map *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);
	const struct shadow_map like = {
		.iova = e->iova,
		.last = e->last,
		.va = pages_start(e->pages) + e->offset,
		.made = sanitizer_now(s),
		.read = EXTENT_EMPTY,
		.wrote = EXTENT_EMPTY,
		.mapped_at = sanitizer_stack(s),
		.flags = e->copy ? SHADOW_COPY : 0,
		.prot = (uint8_t)e->prot & 3,
		.source = source_of(e->pages, e->offset) & 7,
	};

	if (!sp)
		return;
	lock_acquire(&s->shadow.lock);
	shadow_insert(&s->shadow, sp, &like, e->pages);
	lock_release(&s->shadow.lock);
	sanitizer_look_lost(s);
}

static void report_in_flight(struct sanitizer *s, const struct shadow_space *sp,
			     const struct event_unmap *e, stack_id stack)
{
	const struct shadow_map *m;
	struct flight fl;
	struct report r;
	char who[64], len[32], place[PLACE_MAX];
	uint64_t at;

	if (!sanitizer_in_flight(s, sp, e->iova, e->last, &fl))
		return;
	__atomic_store_n(&((struct watcher *)fl.watcher)->told, fl.turn, __ATOMIC_RELAXED);
	report_init(&r, FINDING_UNMAP_IN_FLIGHT);
	lock_acquire(&s->shadow.lock);
	report_device(&r, fl.watcher);
	at = max_u64(fl.at, e->iova);
	r.f.iova = fl.nested ? fl.iova + (at - fl.at) : at;
	r.f.nested = fl.nested;
	r.f.gpa = at;
	r.f.len = min_u64(fl.last, e->last) - at + 1;
	m = shadow_find(sp, at);
	if (m)
		fill_mapping(m, sp->id, sanitizer_now(s), &r.f.nearest);
	lock_release(&s->shadow.lock);
	r.f.access = fl.access;
	r.f.now = r.f.nearest.unmapped_at = stack;
	r.f.iommu = "finishes what is under way, and blocks the rest";
	r.f.advice = "stop the device, or wait until it has completed the transfer, before the "
		     "memory is unmapped";
	report_text(&r,
		    "%s was in the middle of a transfer that still had to %s %s at %s when the "
		    "mapping was removed",
		    report_who(&r, who, sizeof(who)), fl.access & IOMMU_WRITE ? "write" : "read",
		    length_words(r.f.len, len, sizeof(len)),
		    report_place(&r, place, sizeof(place)));
	report_send(s, &r);
}

static void unmap(void *arg, const struct event_unmap *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);
	const uint64_t now = sanitizer_now(s);
	const stack_id stack = sanitizer_stack(s);
	struct range r;

	if (!sp)
		return;
	if (sanitizer_reports(s) && !sp->closing && !sanitizer_is_ending(s))
		report_in_flight(s, sp, e, stack);
	if (s->cfg.advice && sanitizer_reports(s))
		sanitizer_advise(s, sp, e->iova, e->last, stack);
	lock_acquire(&s->shadow.lock);
	shadow_free(&s->shadow, sp); /* of the call before this one */
	for (bool more = range_first_overlap(&sp->maps, e->iova, e->last, &r); more;
	     more = range_next_overlap(&sp->maps, e->last, &r))
		shadow_remove(&s->shadow, sp, r.value, now, stack);
	lock_release(&s->shadow.lock);
	sanitizer_look_lost(s);
}

/* Calls on one space come one after the other: a few records may wait for the next, which has the
 * lock anyway. */
#define MAY_WAIT 64

static void unmapped(void *arg, const struct event_unmapped *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);

	if (!sp || sp->nr_dying <= MAY_WAIT)
		return;
	lock_acquire(&s->shadow.lock);
	shadow_free(&s->shadow, sp);
	lock_release(&s->shadow.lock);
}

static void cut(void *arg, const struct event_cut *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);

	if (!sp)
		return;
	lock_acquire(&s->shadow.lock);
	shadow_cut(&s->shadow, sp, e->iova);
	lock_release(&s->shadow.lock);
	sanitizer_look_lost(s);
}

static void annotate(void *arg, const struct event_annotate *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);

	if (!sp)
		return;
	lock_acquire(&s->shadow.lock);
	shadow_declare(&s->shadow, sp, e->iova, e->last, e->meant);
	lock_release(&s->shadow.lock);
	sanitizer_look_lost(s);
}

static void vaddr(void *arg, const struct event_vaddr *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);
	struct shadow_map *m;

	if (!sp)
		return;
	lock_acquire(&s->shadow.lock);
	m = shadow_find(sp, e->iova);
	if (m)
		shadow_move(&s->shadow, m, e->va, e->valid);
	lock_release(&s->shadow.lock);
	sanitizer_look_lost(s);
}

static void short_unmap(void *arg, const struct event_short_unmap *e)
{
	struct sanitizer *s = arg;
	struct shadow_space *sp = shadow_space_of(&s->shadow, e->space);
	char space[24], len[32], done[32];
	struct shadow_map *m;
	struct report r;

	if (!sp || !sanitizer_reports(s) || sanitizer_is_ending(s))
		return;
	report_init(&r, FINDING_SHORT_UNMAP);
	r.f.iova = e->iova;
	r.f.len = e->length;
	lock_acquire(&s->shadow.lock);
	m = shadow_nearest(sp, e->iova);
	if (m)
		fill_mapping(m, sp->id, sanitizer_now(s), &r.f.nearest);
	space_words(sp, space, sizeof(space));
	lock_release(&s->shadow.lock);
	r.f.now = sanitizer_stack(s);
	r.f.advice = "look at the length that the call gives back; unmap exactly what was mapped";
	report_text(&r, "unmapping %s at IOVA %#" PRIx64 " of %s succeeded, but removed %s",
		    length_words(e->length, len, sizeof(len)), e->iova, space,
		    e->removed ? length_words(e->removed, done, sizeof(done)) : "nothing");
	report_send(s, &r);
}

/* ---- memory that goes ---- */

struct search {
	struct sanitizer *s;
	uint64_t va, last;
	bool whole;	   /* only what lies in it as a whole */
	bool private_only; /* what is shared stays */
	uint64_t n, first_va, first_len;
	struct finding_mapping first;
};

static uint64_t map_va_last(const struct shadow_map *m)
{
	return m->va + (m->last - m->iova);
}

static bool found_freed(void *arg, struct shadow_map *m)
{
	struct search *f = arg;
	const struct shadow_space *sp;

	if (f->private_only && m->source != SOURCE_ANONYMOUS)
		return true;
	if (m->flags & (SHADOW_FREED | SHADOW_NO_VADDR) ||
	    (f->whole && (m->va < f->va || map_va_last(m) > f->last)))
		return true;
	sp = shadow_space_number(&f->s->shadow, m->space);
	if (!sp || sp->closing)
		return true;
	shadow_flag(m, SHADOW_FREED);
	if (f->n++)
		return true;
	f->first_va = max_u64(m->va, f->va);
	f->first_len = min_u64(map_va_last(m), f->last) - f->first_va + 1;
	fill_mapping(m, sp->id, sanitizer_now(f->s), &f->first);
	return true;
}

/* @deed: what the program did. */
static void look_freed(struct search *f, const struct memory_mm *mm, const char *deed)
{
	struct sanitizer *s = f->s;
	struct report r;
	char more[64] = "", len[32];

	lock_acquire(&s->shadow.lock);
	shadow_each_at(&s->shadow, mm, f->va, f->last, found_freed, f);
	lock_release(&s->shadow.lock);
	if (!f->n)
		return;
	report_init(&r, FINDING_FREED_WHILE_MAPPED);
	r.f.va = f->first_va;
	r.f.iova = f->first.iova + (f->first_va - f->first.va);
	r.f.len = f->first_len;
	r.f.nearest = f->first;
	r.f.now = sanitizer_stack(s);
	r.f.advice = "unmap it from the IOAS first: until then a device can reach the memory, "
		     "whoever gets it next";
	if (f->n > 1)
		snprintf(more, sizeof(more), ", and so are %" PRIu64 " other mappings of it",
			 f->n - 1);
	report_text(&r,
		    "the program %s %s at %#" PRIx64
		    " that is still mapped for DMA at IOVA %#" PRIx64 "%s",
		    deed, length_words(r.f.len, len, sizeof(len)), r.f.va, r.f.iova, more);
	report_send(s, &r);
}

static void memory_change(void *arg, const struct event_memory_change *e)
{
	struct search f = {.s = arg, .va = e->va, .last = e->last, .private_only = e->private_only};

	if (sanitizer_reports(f.s) && !sanitizer_is_ending(f.s) && e->last < VA_END - 1)
		look_freed(&f, e->mm, "unmapped, moved or replaced");
}

void sanitizer_freed(struct sanitizer *s, const struct memory_mm *mm, uint64_t va, uint64_t len)
{
	struct search f = {.s = s, .va = va, .last = va + len - 1, .whole = true};

	if (len < __atomic_load_n(&s->shadow.smallest, __ATOMIC_RELAXED) || !sanitizer_reports(s) ||
	    sanitizer_is_ending(s) || f.last < va)
		return;
	look_freed(&f, mm, "freed a block with");
}

/* ---- what is left, and advice ---- */

struct leaks {
	const struct shadow_space *sp; /* of the first mapping */
	uint64_t n, bytes;
	struct finding_mapping first, second;
};

/* With the lock. */
static void count_space(struct sanitizer *s, struct shadow_space *sp, struct leaks *l)
{
	const uint64_t now = sanitizer_now(s);
	struct range r;

	for (bool more = range_first(&sp->maps, &r); more; more = range_next(&sp->maps, &r)) {
		if (!l->n)
			fill_mapping(r.value, sp->id, now, &l->first);
		else if (l->n == 1)
			fill_mapping(r.value, sp->id, now, &l->second);
		l->sp = l->n++ ? l->sp : sp;
		l->bytes += r.last - r.start + 1;
	}
}

/* With the lock. */
static void count_context(struct sanitizer *s, const void *context, struct leaks *l)
{
	struct list *pos, *tmp;

	*l = (struct leaks){0};
	list_for_each (pos, tmp, &s->shadow.spaces) {
		struct shadow_space *sp = list_entry(pos, struct shadow_space, link);

		if (sp->context == context)
			count_space(s, sp, l);
	}
}

static void describe_leaks(struct sanitizer *s, const struct leaks *l, enum finding_kind kind,
			   bool container, struct report *r)
{
	const bool at_exit = kind == FINDING_LEAK_AT_EXIT;
	char len[32];

	report_init(r, kind);
	r->f.iova = l->first.iova;
	r->f.len = l->bytes;
	r->f.nearest = l->first;
	r->f.other = l->second;
	/* Where a process ends says nothing of what it left. */
	r->f.now = at_exit ? 0 : sanitizer_stack(s);
	r->f.advice = "unmap what was mapped; the kernel drops it silently otherwise";
	report_text(r, "%s with %" PRIu64 " mapping%s (%s) left in its %s",
		    at_exit	? "the process ended"
		    : container ? "a container was closed"
				: "an iommufd context was closed",
		    l->n, l->n == 1 ? "" : "s", length_words(l->bytes, len, sizeof(len)),
		    container ? "container" : "IOAS");
}

static void report_leak_at_exit(struct sanitizer *s, const struct leaks *l, bool container)
{
	struct report r;

	describe_leaks(s, l, FINDING_LEAK_AT_EXIT, container, &r);
	report_send(s, &r);
}

/* With the lock: nothing of the context is looked at any more. */
static void close_spaces(struct sanitizer *s, const void *context)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->shadow.spaces) {
		struct shadow_space *sp = list_entry(pos, struct shadow_space, link);

		if (sp->context == context)
			sp->closing = true;
	}
}

/*
 * What was left when a context was closed is a leak if the process lives on: if it opens something
 * again, or ends much later. Closing all and ending is how many programs give everything back.
 */
#define LIVES_ON 1000000000ull /* ns */

struct left {
	struct left *next;
	uint64_t when;
	struct report report;
};

static void keep_left(struct sanitizer *s, const struct leaks *l, bool container)
{
	struct left *left = ioas_malloc(sizeof(*left));

	if (left)
		describe_leaks(s, l, FINDING_LEAK_AT_CLOSE, container, &left->report);
	lock_acquire(&s->shadow.lock);
	if (left) {
		left->when = sanitizer_now(s);
		left->next = s->left;
		__atomic_store_n(&s->left, left, __ATOMIC_RELAXED);
	} else {
		s->shadow.lost = true;
	}
	lock_release(&s->shadow.lock);
}

/* Of contexts that were closed at @until or before, the last one first. */
static void tell_left(struct sanitizer *s, uint64_t until)
{
	struct left *left, *next;

	lock_acquire(&s->shadow.lock);
	left = s->left;
	__atomic_store_n(&s->left, NULL, __ATOMIC_RELAXED);
	lock_release(&s->shadow.lock);
	for (; left; left = next) {
		next = left->next;
		if (left->when <= until)
			report_send(s, &left->report);
		ioas_free(left);
	}
}

void sanitizer_lives_on(struct sanitizer *s)
{
	if (unlikely(__atomic_load_n(&s->left, __ATOMIC_RELAXED)))
		tell_left(s, U64MAX);
}

/*
 * A container whose own file is open is not closed: that its mappings go with its last group is
 * what VFIO documents, and how programs give their devices back.
 */
static void context_close(void *arg, const struct event_context_close *e)
{
	struct sanitizer *s = arg;
	struct leaks l;
	bool container;

	lock_acquire(&s->shadow.lock);
	count_context(s, e->context, &l);
	container = l.sp && l.sp->container;
	close_spaces(s, e->context);
	sanitizer_forget_orphan(s, e->context);
	lock_release(&s->shadow.lock);
	if (!l.n || e->open || !sanitizer_reports(s) || sanitizer_is_ending(s))
		return;
	if (!s->cfg.dying || !s->cfg.dying(s->cfg.sink.arg))
		keep_left(s, &l, container);
	else if (s->cfg.leaks)
		report_leak_at_exit(s, &l, container);
}

void sanitizer_ending(struct sanitizer *s)
{
	__atomic_store_n(&s->ending, true, __ATOMIC_RELAXED);
	if (s->stale)
		stale_stop(s->stale);
}

/* One report for each context, by its first space that has mappings. */
static void report_leaks_at_exit(struct sanitizer *s)
{
	struct shadow_space *sp;
	struct leaks l;
	uint32_t number = 0;
	bool first;

	for (;;) {
		lock_acquire(&s->shadow.lock);
		sp = shadow_space_above(&s->shadow, number);
		if (sp) {
			number = sp->number;
			count_context(s, sp->context, &l);
		}
		first = sp && !sp->closing && l.sp == sp;
		lock_release(&s->shadow.lock);
		if (!sp)
			return;
		if (!first)
			continue;
		report_leak_at_exit(s, &l, sp->container);
	}
}

void sanitizer_exit(struct sanitizer *s)
{
	sanitizer_ending(s);
	if (!sanitizer_reports(s))
		return;
	tell_left(s, sanitizer_now(s) - LIVES_ON);
	if (s->cfg.advice)
		sanitizer_advise_all(s);
	if (!s->cfg.leaks)
		return;
	report_leaks_at_exit(s);
	sanitizer_stray_at_exit(s);
}

/* ---- questions ---- */

bool sanitizer_next_mapping(struct sanitizer *s, const struct space *space, uint64_t iova,
			    struct finding_mapping *out)
{
	struct shadow_space *sp;
	struct shadow_map *m;

	lock_acquire(&s->shadow.lock);
	sp = shadow_space_find(&s->shadow, space);
	m = sp ? shadow_next(sp, iova) : NULL;
	if (m)
		fill_mapping(m, sp->id, sanitizer_now(s), out);
	lock_release(&s->shadow.lock);
	return m;
}

bool sanitizer_mapping(struct sanitizer *s, const struct space *space, uint64_t iova,
		       struct finding_mapping *out)
{
	return sanitizer_next_mapping(s, space, iova, out) && out->iova <= iova;
}

/* ---- the observer ---- */

/* What --inject refuses is nobody's bug. */
static void fault(void *arg, const struct event_fault *e)
{
	if (!e->fault->injected)
		sanitizer_fault(arg, e);
}

static const struct observer_ops sanitizer_ops = {
	.call = sanitizer_call,
	.context_close = context_close,
	.space_new = space_new,
	.space_gone = space_gone,
	.map = map,
	.unmap = unmap,
	.unmapped = unmapped,
	.cut = cut,
	.short_unmap = short_unmap,
	.annotate = annotate,
	.memory_change = memory_change,
	.vaddr = vaddr,
	.attach = sanitizer_attach,
	.access = sanitizer_access,
	.fault = fault,
	.dma_begin = sanitizer_dma_begin,
	.dma_step = sanitizer_dma_step,
	.dma_end = sanitizer_dma_end,
};

int sanitizer_create(struct host *h, const struct sanitizer_config *cfg, struct sanitizer **out)
{
	struct sanitizer *s = ioas_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->host = h;
	s->cfg = *cfg;
	shadow_init(&s->shadow);
	rc = observe_add(&h->sink, &sanitizer_ops, s);
	if (rc) {
		shadow_destroy(&s->shadow);
		ioas_free(s);
		return rc;
	}
	if (sanitizer_reports(s) &&
	    stale_create(&h->sink, &(struct stale_config){.sink = cfg->sink}, &s->stale))
		s->shadow.lost = true;
	*out = s;
	return 0;
}

void sanitizer_destroy(struct sanitizer *s)
{
	if (s->stale)
		stale_destroy(s->stale);
	sanitizer_free_watchers(s);
	sanitizer_free_orphans(s);
	tell_left(s, 0);
	shadow_destroy(&s->shadow);
	ioas_free(s);
}

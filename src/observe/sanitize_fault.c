/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fault was about: the IOMMU knows that an address is not mapped, the shadow knows why.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "iommu/domain.h"
#include "observe/sanitize_private.h"
#include "space/space.h"

/* DMA so close behind a mapping is taken for one that ran over its end. */
#define BEHIND PAGE_SIZE

/* A fault, and what lies around it. All with the shadow's lock. */
struct scene {
	struct sanitizer *s;
	struct shadow_space *sp; /* NULL: nothing is attached, or unknown */
	const struct iommu_fault *fault;
	struct requester *requester;
	const struct watcher *watcher;
	bool nested, running;
	/* Where and how it met the mappings of sp: for a nested domain with a guest physical
	 * address, if one is known. */
	bool known;
	uint64_t at;
	int access;
	uint64_t start; /* of the transfer */
	uint64_t len;	/* from the fault to its end */
	uint64_t now;
	struct shadow_map *here, *below;
	const struct shadow_gone *gone;
};

/* Behind a guest's tables: at which address of its it was refused, and on what errand. */
static const char *errand_words(const struct scene *sc, char *buf, size_t len)
{
	const enum iommu_fault_met met = sc->fault->met;

	buf[0] = '\0';
	if (!sc->nested || !sc->known)
		return buf;
	if (met == FAULT_MET_TABLE || met == FAULT_MET_CONFIG)
		snprintf(buf, len,
			 ", and the IOMMU to %s the guest's %s for it at guest physical address "
			 "%#" PRIx64,
			 sc->access & IOMMU_WRITE ? "mark" : "read",
			 met == FAULT_MET_TABLE ? "table" : "configuration", sc->at);
	else
		snprintf(buf, len, " (guest physical address %#" PRIx64 ")", sc->at);
	return buf;
}

/* "tried to write 64 bytes to IOVA 0x1000" */
static const char *deed_words(const struct scene *sc, char *buf, size_t len)
{
	const bool write = sc->fault->access & IOMMU_WRITE;
	char bytes[32], errand[112];

	snprintf(buf, len, "tried to %s %s %s IOVA %#" PRIx64 "%s", write ? "write" : "read",
		 length_words(sc->len, bytes, sizeof(bytes)), write ? "to" : "from",
		 sc->fault->iova, errand_words(sc, errand, sizeof(errand)));
	return buf;
}

struct words {
	char who[64], deed[208], space[24], time[24], len[32];
};

static void say(const struct scene *sc, struct report *r, struct words *w)
{
	report_who(r, w->who, sizeof(w->who));
	deed_words(sc, w->deed, sizeof(w->deed));
	w->space[0] = '\0';
	if (sc->sp)
		space_words(sc->sp, w->space, sizeof(w->space));
}

static void set_nearest(const struct scene *sc, struct report *r, const struct shadow_map *m)
{
	if (m)
		fill_mapping(m, sc->sp->id, sc->now, &r->f.nearest);
}

static void no_domain(const struct scene *sc, struct report *r)
{
	struct words w;

	say(sc, r, &w);
	if (sc->fault->reason == FAULT_BUS_MASTER) {
		report_text(r, "%s %s while bus mastering is off", w.who, w.deed);
		r->f.advice = "set the Bus Master Enable bit of the PCI command register before "
			      "the device is given work";
	} else if (sc->fault->met == FAULT_MET_STAGE1) {
		report_text(r, "%s %s, but the guest's configuration does not let it through",
			    w.who, w.deed);
		r->f.advice = "look at the guest's structures (ioas walk): the device, or its "
			      "PASID, has no valid entry";
	} else {
		report_text(r, "%s %s, but no address space is attached%s", w.who, w.deed,
			    sc->fault->pasid ? " to the PASID" : "");
		r->f.advice = "attach the device to an IOAS or page table, or to a container, "
			      "before it is given work";
	}
}

static void to_freed(const struct scene *sc, struct report *r)
{
	struct words w;

	say(sc, r, &w);
	set_nearest(sc, r, sc->here);
	if (sc->here)
		r->f.va = sc->here->va + (sc->at - sc->here->iova);
	if (sc->fault->reason == FAULT_NO_PEER) {
		report_text(r,
			    "%s %s, which leads to another device's registers that do not "
			    "answer",
			    w.who, w.deed);
		r->f.advice = "memory decoding of the other device is off, or it is gone";
		return;
	}
	report_text(r, "%s %s, which is mapped, but the program has freed the memory behind it, or "
		    "closed it by mprotect()",
		    w.who, w.deed);
	r->f.advice = "unmap memory from the IOAS, after the device has stopped using it, before "
		      "it is given back";
}

static void direction(const struct scene *sc, struct report *r)
{
	const bool write = sc->access & IOMMU_WRITE;
	struct words w;

	say(sc, r, &w);
	if (sc->fault->met == FAULT_MET_STAGE1) {
		report_text(r, "%s %s, %s", w.who, w.deed,
			    sc->fault->reason == FAULT_WRITE
				    ? "which the guest's own tables permit no write to"
				    : "which the guest's own tables permit no such read of");
		r->f.advice = "look at the guest's entries (ioas walk): it has mapped the page "
			      "with other permissions than the device was given work with";
		return;
	}
	set_nearest(sc, r, sc->here);
	report_text(r, "%s %s in a mapping that permits %s only", w.who, w.deed,
		    prot_words(sc->here ? sc->here->prot
			       : write	? SPACE_READ
					: SPACE_WRITE));
	r->f.advice = write ? "map it writable, or look why the device writes there"
			    : "map it readable, or look why the device reads there";
}

static void after_unmap(const struct scene *sc, struct report *r)
{
	const uint64_t ago = sc->now > sc->gone->when ? sc->now - sc->gone->when : 0;
	struct words w;

	say(sc, r, &w);
	fill_gone(sc->gone, sc->now, &r->f.nearest);
	report_text(r, "%s %s in a mapping of %s that was removed %s before", w.who, w.deed,
		    w.space, time_words(ago, w.time, sizeof(w.time)));
	r->f.advice = sc->nested ? "take the page out of the guest's tables, or have the guest do "
				   "it, and invalidate, before it is unmapped from the nest parent"
				 : "wait until the device is done with the memory before it is "
				   "unmapped";
}

/* Behind a guest's tables nobody knew where the transfer would go. */
static void in_flight(const struct scene *sc, struct report *r)
{
	struct words w;

	say(sc, r, &w);
	fill_gone(sc->gone, sc->now, &r->f.nearest);
	report_text(r, "%s %s in a mapping of %s that was removed during the transfer", w.who,
		    w.deed, w.space);
	r->f.advice = "stop the device, or have the guest wait until it has completed the "
		      "transfer, before the memory is unmapped from the nest parent";
}

static void out_of_bounds(const struct scene *sc, struct report *r)
{
	const uint64_t gap = sc->at - sc->below->last - 1;
	struct words w;

	say(sc, r, &w);
	set_nearest(sc, r, sc->below);
	if (sc->running && !sc->nested && sc->start <= sc->below->last)
		report_text(r,
			    "%s %s: the transfer began at %#" PRIx64
			    " and ran over the end of the mapping, %#" PRIx64,
			    w.who, w.deed, sc->start, sc->below->last);
	else
		report_text(r, "%s %s, %s behind the end of a mapping", w.who, w.deed,
			    length_words(gap + 1, w.len, sizeof(w.len)));
	r->f.advice = sc->nested ? "the guest's tables lead beyond the memory that it has, or the "
				   "VMM has not mapped all of it"
				 : "the length or the address in the device's descriptor is beyond "
				   "the buffer";
}

static bool take_first(void *arg, struct shadow_map *m)
{
	*(struct shadow_map **)arg = m;
	return false;
}

/* The program's own address of mapped memory, given to the device in the place of its IOVA? */
static const struct shadow_map *map_at_va(const struct scene *sc)
{
	struct shadow_map *m = NULL;

	if (sc->sp && !sc->nested && !sc->here)
		shadow_each_at(&sc->s->shadow, NULL, sc->fault->iova, sc->fault->iova, take_first,
			       &m);
	return m && m->space == sc->sp->number ? m : NULL;
}

/* Nothing is known of where it led. */
static void not_translated(const struct scene *sc, struct report *r, const struct words *w)
{
	if (sc->fault->met == FAULT_MET_STAGE1) {
		report_text(r, "%s %s, which the guest's own tables do not map", w->who, w->deed);
		r->f.advice = "look at the guest's entries (ioas walk): the guest has not mapped "
			      "it, or the device was given another address";
		return;
	}
	report_text(r,
		    "%s %s, which is not mapped by the guest's own tables or by the nest parent "
		    "below them",
		    w->who, w->deed);
	r->f.advice = "walk both stages (ioas walk): the guest has not mapped it, names memory "
		      "that it does not have, or the VMM has not mapped all of it";
}

static bool is_message(const struct scene *sc)
{
	const struct iommu_region *window;

	if (!sc->nested || !sc->known)
		return sc->fault->reason == FAULT_MSI;
	window = &requester_iommu(sc->requester)->msi;
	return sc->fault->reason == FAULT_MSI ||
	       (sc->at >= window->start && sc->at <= window->last);
}

static const char *unmapped_advice(const struct scene *sc)
{
	if (sc->sp && !range_count(&sc->sp->maps))
		return "nothing at all is mapped there: map the buffers before the device is given "
		       "work";
	if (sc->nested)
		return "walk both stages (ioas walk): the guest names memory that it does not "
		       "have, or the VMM has not mapped all of it";
	return "map the buffer, or look which address the device was given";
}

static void unmapped(const struct scene *sc, struct report *r)
{
	const struct shadow_map *same;
	struct words w;

	say(sc, r, &w);
	if (sc->nested && !sc->known && !is_message(sc)) {
		not_translated(sc, r, &w);
		return;
	}
	same = map_at_va(sc);
	if (same) {
		set_nearest(sc, r, same);
		report_text(r,
			    "%s %s, which is the program's own address of what is mapped at "
			    "IOVA %#" PRIx64,
			    w.who, w.deed, same->iova + (sc->fault->iova - same->va));
		r->f.advice = "give the device the IOVA";
		return;
	}
	set_nearest(sc, r, sc->here ? sc->here : sc->known ? shadow_nearest(sc->sp, sc->at) : NULL);
	if (is_message(sc))
		report_text(r,
			    "%s %s, in the window of interrupt messages, where memory cannot "
			    "be reached",
			    w.who, w.deed);
	else if (sc->fault->reason == FAULT_ADDRESS)
		report_text(r, "%s %s, beyond the addresses that the IOMMU translates", w.who,
			    w.deed);
	else if (sc->here && sc->here->source == SOURCE_DEVICE)
		report_text(r, "%s %s, in a device's registers, where no table can be", w.who,
			    w.deed);
	else if (sc->here)
		report_text(r, "%s %s, which was not mapped yet", w.who, w.deed);
	else
		report_text(r, "%s %s, which was never mapped in %s", w.who, w.deed,
			    sc->sp ? w.space : "its address space");
	r->f.advice = unmapped_advice(sc);
}

static const struct {
	enum finding_kind kind;
	void (*describe)(const struct scene *sc, struct report *r);
} verdicts[] = {
	{FINDING_DMA_NO_DOMAIN, no_domain},   {FINDING_DMA_TO_FREED, to_freed},
	{FINDING_DMA_DIRECTION, direction},   {FINDING_DMA_AFTER_UNMAP, after_unmap},
	{FINDING_UNMAP_IN_FLIGHT, in_flight}, {FINDING_DMA_OUT_OF_BOUNDS, out_of_bounds},
	{FINDING_DMA_UNMAPPED, unmapped},
};

/* A transfer over mappings that were there together, of which one went, ran over no end. */
static bool ran_out(const struct scene *sc)
{
	const struct shadow_map *m = sc->below;

	if (!m || sc->at - m->last > BEHIND || is_message(sc))
		return false;
	if (!sc->gone)
		return true;
	return sc->running && !sc->nested && sc->start <= m->last && m->made > sc->gone->when;
}

static bool lacks(const struct shadow_map *m, int access)
{
	const int wanted =
		(access & IOMMU_READ ? SPACE_READ : 0) | (access & IOMMU_WRITE ? SPACE_WRITE : 0);

	return m && (m->prot & wanted) != wanted;
}

/* By what is mapped around it. */
static enum finding_kind classify_place(const struct scene *sc)
{
	if (lacks(sc->here, sc->access))
		return FINDING_DMA_DIRECTION;
	if (sc->here)
		return FINDING_DMA_UNMAPPED;
	if (ran_out(sc))
		return FINDING_DMA_OUT_OF_BOUNDS;
	return sc->gone ? FINDING_DMA_AFTER_UNMAP : FINDING_DMA_UNMAPPED;
}

/* Behind a guest's tables. A mapping that is there and permits it has no memory to give. */
static enum finding_kind classify_nested(const struct scene *sc)
{
	const enum iommu_fault_reason reason = sc->fault->reason;
	const bool refused = reason == FAULT_READ || reason == FAULT_WRITE;

	if (!sc->known)
		return refused && sc->fault->met == FAULT_MET_STAGE1 ? FINDING_DMA_DIRECTION
								     : FINDING_DMA_UNMAPPED;
	if (sc->gone && sc->running && sc->watcher->step &&
	    shadow_gone_number(&sc->s->shadow, sc->gone) >= sc->watcher->gone)
		return FINDING_UNMAP_IN_FLIGHT;
	if (sc->here && !lacks(sc->here, sc->access) && reason != FAULT_NOT_PRESENT)
		return sc->here->source == SOURCE_DEVICE && reason != FAULT_NO_PEER
			       ? FINDING_DMA_UNMAPPED
			       : FINDING_DMA_TO_FREED;
	return classify_place(sc);
}

static enum finding_kind classify(const struct scene *sc)
{
	if (sc->fault->reason == FAULT_BUS_MASTER)
		return FINDING_DMA_NO_DOMAIN;
	if (sc->fault->met >= FAULT_MET_DATA)
		return classify_nested(sc);
	switch (sc->fault->reason) {
	case FAULT_BLOCKED:
		return FINDING_DMA_NO_DOMAIN;
	case FAULT_GONE:
	case FAULT_NO_PEER:
		return sc->nested ? classify_nested(sc) : FINDING_DMA_TO_FREED;
	default:
		break;
	}
	if (sc->nested)
		return classify_nested(sc);
	return sc->sp ? classify_place(sc) : FINDING_DMA_UNMAPPED;
}

/* It was translated, and the bytes could not be moved. */
static bool has_stepped(const struct scene *sc)
{
	const struct watcher *w = sc->watcher;

	return sc->running && w->step && sc->fault->iova - w->step_iova < w->step;
}

/* Where it met the mappings of its space. */
static void locate(struct scene *sc)
{
	const struct iommu_fault *f = sc->fault;

	sc->at = f->iova;
	sc->access = (int)f->access;
	sc->known = sc->sp && !sc->nested;
	if (!sc->sp || !sc->nested)
		return;
	if (f->met == FAULT_MET_NOTHING && has_stepped(sc)) {
		sc->known = true;
		sc->at = sc->watcher->at + (f->iova - sc->watcher->step_iova);
	}
	if (f->met < FAULT_MET_DATA)
		return;
	sc->known = true;
	sc->at = f->gpa;
	if (f->met != FAULT_MET_DATA)
		sc->access = f->reason == FAULT_WRITE ? IOMMU_WRITE : IOMMU_READ;
}

static void look_around(struct scene *sc)
{
	struct range r = {.start = sc->at, .last = sc->at};

	if (!sc->known)
		return;
	sc->here = shadow_find(sc->sp, sc->at);
	if (range_prev(&sc->sp->maps, &r))
		sc->below = r.value;
	if (!sc->here)
		sc->gone = shadow_history(&sc->s->shadow, sc->sp, sc->at);
}

static void describe(struct scene *sc, struct report *r)
{
	const enum finding_kind kind = classify(sc);

	report_init(r, kind);
	report_device(r, sc->watcher);
	r->program = !sc->requester;
	if (!sc->watcher)
		r->f.rid = sc->fault->rid;
	r->f.pasid = sc->fault->pasid;
	r->f.iova = sc->fault->iova;
	r->f.len = sc->len;
	r->f.nested = sc->nested && sc->known;
	r->f.gpa = sc->at;
	r->f.access = sc->fault->access;
	if (sc->requester)
		report_iommu(r, sc->requester, sc->fault);
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (verdicts[i].kind == kind)
			verdicts[i].describe(sc, r);
}

/* Its own thread's view of the transfer that met the fault, if one did. */
static void look_at_transfer(struct scene *sc)
{
	const struct watcher *w = sc->watcher;

	sc->len = sc->fault->len;
	sc->running = w && w->turn % 2 && sc->fault->iova >= w->begin && sc->fault->iova <= w->last;
	if (!sc->running)
		return;
	sc->start = w->begin;
	sc->len = w->last - sc->fault->iova + 1;
}

/*
 * Not a bug: what an unmap in flight was reported for. Nor that a transfer which had begun ends
 * when bus mastering is switched off: that is how a driver stops a device.
 */
static bool is_known(const struct scene *sc)
{
	const struct watcher *w = sc->watcher;

	if (!sc->running)
		return false;
	return __atomic_load_n(&w->told, __ATOMIC_RELAXED) == w->turn ||
	       (sc->fault->reason == FAULT_BUS_MASTER && sc->fault->iova != sc->start);
}

/*
 * What the guest is told of is its own business, unless it met memory that it had: that the VMM has
 * unmapped it, or given it back, the guest's tables are no excuse for.
 */
static bool is_guests(const struct event_fault *e, const struct report *r)
{
	return e->guest && r->f.kind != FINDING_DMA_AFTER_UNMAP &&
	       r->f.kind != FINDING_UNMAP_IN_FLIGHT && r->f.kind != FINDING_DMA_TO_FREED;
}

void sanitizer_fault(void *arg, const struct event_fault *e)
{
	struct sanitizer *s = arg;
	struct scene sc = {.s = s, .fault = e->fault, .requester = e->requester};
	struct report r;

	if (!sanitizer_reports(s) || sanitizer_is_ending(s) ||
	    (e->guest && e->fault->met < FAULT_MET_DATA))
		return;
	sc.watcher = sanitizer_watcher(s, e->requester, true);
	look_at_transfer(&sc);
	if (is_known(&sc))
		return;
	sc.sp = sanitizer_space_of(s, e->requester, e->fault->pasid, &sc.nested);
	sc.now = sanitizer_now(s);
	locate(&sc);
	lock_acquire(&s->shadow.lock);
	look_around(&sc);
	describe(&sc, &r);
	lock_release(&s->shadow.lock);
	if (is_guests(e, &r))
		return;
	r.f.now = sanitizer_stack(s);
	r.f.device_now = sanitizer_device_stack(s, e->requester);
	report_send(s, &r);
}

void sanitizer_refused(struct sanitizer *s, struct shadow_space *sp, const struct event_access *e)
{
	const struct iommu_fault fault = {.iova = e->iova,
					  .len = e->last - e->iova + 1,
					  .access = e->write ? IOMMU_WRITE : IOMMU_READ,
					  .reason = e->rc != -EPERM ? FAULT_NOT_PRESENT
						    : e->write	    ? FAULT_WRITE
								    : FAULT_READ};
	struct scene sc = {.s = s,
			   .sp = sp,
			   .fault = &fault,
			   .running = true,
			   .start = e->start,
			   .len = fault.len};
	struct report r;

	if (!sanitizer_reports(s) || sanitizer_is_ending(s) ||
	    (e->rc != -ENOENT && e->rc != -EPERM))
		return;
	sc.now = sanitizer_now(s);
	locate(&sc);
	lock_acquire(&s->shadow.lock);
	look_around(&sc);
	describe(&sc, &r);
	lock_release(&s->shadow.lock);
	r.f.now = sanitizer_stack(s);
	r.f.iommu = "was not asked: the call was refused";
	report_send(s, &r);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a fault was about: the IOMMU knows that an address is not mapped, the shadow knows why.
 */
#include <inttypes.h>
#include <stdio.h>

#include "iommu/iommu.h"
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
	uint64_t start; /* of the transfer */
	uint64_t len;	/* from the fault to its end */
	uint64_t now;
	struct shadow_map *here, *below;
	const struct shadow_gone *gone;
};

/* "tried to write 64 bytes to IOVA 0x1000" */
static const char *deed_words(const struct scene *sc, char *buf, size_t len)
{
	const bool write = sc->fault->access & IOMMU_WRITE;
	char bytes[32];

	snprintf(buf, len, "tried to %s %s %s IOVA %#" PRIx64, write ? "write" : "read",
		 length_words(sc->len, bytes, sizeof(bytes)), write ? "to" : "from",
		 sc->fault->iova);
	return buf;
}

struct words {
	char who[64], deed[96], space[24], time[24], len[32];
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
		r->f.va = sc->here->va + (sc->fault->iova - sc->here->iova);
	if (sc->fault->reason == FAULT_NO_PEER) {
		report_text(r,
			    "%s %s, which leads to another device's registers that do not "
			    "answer",
			    w.who, w.deed);
		r->f.advice = "memory decoding of the other device is off, or it is gone";
		return;
	}
	report_text(r, "%s %s, which is mapped, but the program has freed the memory behind it",
		    w.who, w.deed);
	r->f.advice = "unmap memory from the IOAS, after the device has stopped using it, before "
		      "it is given back";
}

static void direction(const struct scene *sc, struct report *r)
{
	struct words w;

	say(sc, r, &w);
	set_nearest(sc, r, sc->here);
	report_text(r, "%s %s in a mapping that permits %s only", w.who, w.deed,
		    prot_words(sc->here				 ? sc->here->prot
			       : sc->fault->access & IOMMU_WRITE ? SPACE_READ
								 : SPACE_WRITE));
	r->f.advice = sc->fault->access & IOMMU_WRITE
			      ? "map it writable, or look why the device writes there"
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
	r->f.advice = "wait until the device is done with the memory before it is unmapped";
}

static void out_of_bounds(const struct scene *sc, struct report *r)
{
	const uint64_t gap = sc->fault->iova - sc->below->last - 1;
	struct words w;

	say(sc, r, &w);
	set_nearest(sc, r, sc->below);
	if (sc->running && sc->start <= sc->below->last)
		report_text(r,
			    "%s %s: the transfer began at %#" PRIx64
			    " and ran over the end of the mapping, %#" PRIx64,
			    w.who, w.deed, sc->start, sc->below->last);
	else
		report_text(r, "%s %s, %s behind the end of a mapping", w.who, w.deed,
			    length_words(gap + 1, w.len, sizeof(w.len)));
	r->f.advice = "the length or the address in the device's descriptor is beyond the buffer";
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

	if (sc->sp && !sc->here)
		shadow_each_at(&sc->s->shadow, NULL, sc->fault->iova, sc->fault->iova, take_first,
			       &m);
	return m && m->space == sc->sp->number ? m : NULL;
}

static void unmapped(const struct scene *sc, struct report *r)
{
	const struct shadow_map *same;
	struct words w;

	say(sc, r, &w);
	if (sc->nested) {
		report_text(r,
			    "%s %s, which is not mapped by the guest's own tables or by the nest "
			    "parent below them",
			    w.who, w.deed);
		r->f.advice = "walk both stages (ioas walk): the guest has not mapped it, names "
			      "memory that it does not have, or the VMM has not mapped all of it";
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
	set_nearest(sc, r,
		    sc->here ? sc->here
		    : sc->sp ? shadow_nearest(sc->sp, sc->fault->iova)
			     : NULL);
	if (sc->fault->reason == FAULT_MSI)
		report_text(r,
			    "%s %s, in the window of interrupt messages, where memory cannot "
			    "be reached",
			    w.who, w.deed);
	else if (sc->fault->reason == FAULT_ADDRESS)
		report_text(r, "%s %s, beyond the addresses that the IOMMU translates", w.who,
			    w.deed);
	else if (sc->here)
		report_text(r, "%s %s, which was not mapped yet", w.who, w.deed);
	else
		report_text(r, "%s %s, which was never mapped in %s", w.who, w.deed,
			    sc->sp ? w.space : "its address space");
	r->f.advice = sc->sp && !range_count(&sc->sp->maps)
			      ? "nothing at all is mapped there: map the buffers before the device "
				"is given work"
			      : "map the buffer, or look which address the device was given";
}

static const struct {
	enum finding_kind kind;
	void (*describe)(const struct scene *sc, struct report *r);
} verdicts[] = {
	{FINDING_DMA_NO_DOMAIN, no_domain},	    {FINDING_DMA_TO_FREED, to_freed},
	{FINDING_DMA_DIRECTION, direction},	    {FINDING_DMA_AFTER_UNMAP, after_unmap},
	{FINDING_DMA_OUT_OF_BOUNDS, out_of_bounds}, {FINDING_DMA_UNMAPPED, unmapped},
};

/* A transfer over mappings that were there together, of which one went, ran over no end. */
static bool ran_out(const struct scene *sc)
{
	const struct shadow_map *m = sc->below;

	if (!m || sc->fault->iova - m->last > BEHIND || sc->fault->reason == FAULT_MSI)
		return false;
	if (!sc->gone)
		return true;
	return sc->running && sc->start <= m->last && m->made > sc->gone->when;
}

static bool lacks(const struct shadow_map *m, int access)
{
	const int wanted =
		(access & IOMMU_READ ? SPACE_READ : 0) | (access & IOMMU_WRITE ? SPACE_WRITE : 0);

	return m && (m->prot & wanted) != wanted;
}

static enum finding_kind classify(const struct scene *sc)
{
	switch (sc->fault->reason) {
	case FAULT_BLOCKED:
	case FAULT_BUS_MASTER:
		return FINDING_DMA_NO_DOMAIN;
	case FAULT_GONE:
	case FAULT_NO_PEER:
		return sc->nested ? FINDING_DMA_UNMAPPED : FINDING_DMA_TO_FREED;
	default:
		break;
	}
	if (sc->nested || !sc->sp)
		return FINDING_DMA_UNMAPPED;
	if (lacks(sc->here, sc->fault->access))
		return FINDING_DMA_DIRECTION;
	if (sc->here)
		return FINDING_DMA_UNMAPPED;
	if (ran_out(sc))
		return FINDING_DMA_OUT_OF_BOUNDS;
	return sc->gone ? FINDING_DMA_AFTER_UNMAP : FINDING_DMA_UNMAPPED;
}

static void look_around(struct scene *sc)
{
	const uint64_t iova = sc->fault->iova;
	struct range r = {.start = iova, .last = iova};

	if (!sc->sp || sc->nested)
		return;
	sc->here = shadow_find(sc->sp, iova);
	if (range_prev(&sc->sp->maps, &r))
		sc->below = r.value;
	if (!sc->here)
		sc->gone = shadow_history(&sc->s->shadow, sc->sp, iova);
}

static void describe(struct scene *sc, struct report *r)
{
	const enum finding_kind kind = classify(sc);

	report_init(r, kind);
	report_device(r, sc->watcher);
	if (!sc->watcher)
		r->f.rid = sc->fault->rid;
	r->f.pasid = sc->fault->pasid;
	r->f.iova = sc->fault->iova;
	r->f.len = sc->len;
	r->f.access = sc->fault->access;
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

void sanitizer_fault(void *arg, const struct event_fault *e)
{
	struct sanitizer *s = arg;
	struct scene sc = {.s = s, .fault = e->fault, .requester = e->requester};
	struct report r;

	if (!sanitizer_reports(s) || e->guest || sanitizer_is_ending(s))
		return;
	sc.watcher = sanitizer_watcher(s, e->requester, true);
	look_at_transfer(&sc);
	if (is_known(&sc))
		return;
	sc.sp = sanitizer_space_of(s, e->requester, e->fault->pasid, &sc.nested);
	sc.now = sanitizer_now(s);
	lock_acquire(&s->shadow.lock);
	look_around(&sc);
	describe(&sc, &r);
	lock_release(&s->shadow.lock);
	r.f.now = sanitizer_stack(s);
	r.f.device_now = sanitizer_device_stack(s, e->requester);
	report_send(s, &r);
}

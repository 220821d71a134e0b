/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hands events to whoever listens: the observers of a sink, and tracers of the process.
 *
 * A probe is one `nop` and a note in the ELF file (sys/sdt.h). That all have one semaphore is what
 * makes one comparison enough for tracers and observers together.
 */
#include "base/observe.h"

#include <errno.h>

#ifdef IOAS_PROBES
#define _SDT_HAS_SEMAPHORES 1
#define SDT_USE_VARIADIC    1
#include <sys/sdt.h>
#define PROBE(name, ...) STAP_PROBEV(ioas, name, __VA_ARGS__)
#else
#define PROBE(name, ...) ((void)0)
#endif

unsigned short ioas_observed __attribute__((section(".probes")));

/* The names under which sys/sdt.h looks for it. */
#define SEMAPHORE(name, type)                                                                      \
	extern unsigned short ioas_##name##_semaphore                                              \
		__attribute__((alias("ioas_observed"), visibility("hidden")));
OBSERVE_EVENTS(SEMAPHORE)

int observe_add(struct sink *s, const struct observer_ops *ops, void *arg)
{
	for (size_t i = 0; i < SINK_OBSERVERS; i++)
		if (!s->observers[i].ops) {
			s->observers[i] = (struct observer){ops, arg};
			__atomic_fetch_add(&ioas_observed, 1, __ATOMIC_RELEASE);
			return 0;
		}
	return -ENOSPC;
}

bool observe_annotations(const struct sink *s)
{
	for (size_t i = 0; i < SINK_OBSERVERS && s->observers[i].ops; i++)
		if (s->observers[i].ops->annotate)
			return true;
	return false;
}

void observe_end(struct sink *s)
{
	for (size_t i = 0; i < SINK_OBSERVERS && s->observers[i].ops; i++) {
		__atomic_fetch_sub(&ioas_observed, 1, __ATOMIC_RELEASE);
		s->observers[i] = (struct observer){0};
	}
}

/* What each tells: docs/tracing.md. */
#define PROBE_call(e)	       PROBE(call, e->op, e->kind, e->cmd, e->arg, e->len, e->pos)
#define PROBE_answer(e)	       PROBE(answer, e->op, e->kind, e->cmd, e->arg, e->rc)
#define PROBE_context_close(e) PROBE(context_close, e->context)
#define PROBE_space_new(e)     PROBE(space_new, e->space, e->context, e->id)
#define PROBE_space_gone(e)    PROBE(space_gone, e->space)
#define PROBE_map(e)	       PROBE(map, e->space, e->iova, e->last, e->prot, e->addr, e->copy)
#define PROBE_unmap(e)	       PROBE(unmap, e->space, e->iova, e->last)
#define PROBE_unmapped(e)      PROBE(unmapped, e->space, e->iova, e->last)
#define PROBE_cut(e)	       PROBE(cut, e->space, e->iova)
#define PROBE_short_unmap(e)   PROBE(short_unmap, e->space, e->iova, e->length, e->removed)
#define PROBE_annotate(e)      PROBE(annotate, e->space, e->iova, e->last, e->meant)
#define PROBE_access(e)	       PROBE(access, e->space, e->iova, e->last, e->write, e->pin, e->rc)
#define PROBE_memory_change(e) PROBE(memory_change, e->va, e->last)
#define PROBE_vaddr(e)	       PROBE(vaddr, e->space, e->iova, e->last, e->va, e->valid)
#define PROBE_attach(e)	       PROBE(attach, e->rid, e->pasid, e->domain, e->old)
#define PROBE_invalidate(e)    PROBE(invalidate, e->domain, e->iova, e->last)
#define PROBE_guest_invalidate(e)                                                                  \
	PROBE(guest_invalidate, e->rid, e->pasid, e->iova, e->last, e->match != NULL, e->atc,      \
	      e->did, e->asid)
#define PROBE_guest_read(e)  PROBE(guest_read, e->rid, e->gpa, e->word, e->rc)
#define PROBE_guest_mark(e)  PROBE(guest_mark, e->rid, e->gpa, e->is, e->to, e->rc)
#define PROBE_guest_queue(e) PROBE(guest_queue, e->queue, e->what, e->n)
#define PROBE_fault(e)                                                                             \
	PROBE(fault, e->rid, e->pasid, e->iova, e->len, e->access, e->reason, e->code, e->guest)
#define PROBE_page_request(e) PROBE(page_request, e->rid, e->pasid, e->addr, e->n, e->grpid)
#define PROBE_dma_begin(e)    PROBE(dma_begin, e->rid, e->pasid, e->iova, e->len, e->access)
#define PROBE_dma_step(e)     PROBE(dma_step, e->rid, e->pasid, e->iova, e->len, e->access, e->pa)
#define PROBE_dma_end(e)      PROBE(dma_end, e->rid, e->pasid, e->iova, e->done, e->access, e->rc)
#define PROBE_interrupt(e)    PROBE(interrupt, e->name, e->index, e->vector)

#define OBSERVE_FUNCTION(name, type)                                                               \
	void observe_##name(const struct sink *s, const struct event_##type *e)                    \
	{                                                                                          \
		PROBE_##name(e);                                                                   \
		for (size_t i = 0; s && i < SINK_OBSERVERS && s->observers[i].ops; i++)            \
			if (s->observers[i].ops->name)                                             \
				s->observers[i].ops->name(s->observers[i].arg, e);                 \
	}
OBSERVE_EVENTS(OBSERVE_FUNCTION)

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
#include <sys/sdt.h>
#else
#define STAP_PROBE1(provider, name, a)		      ((void)0)
#define STAP_PROBE2(provider, name, a, b)	      ((void)0)
#define STAP_PROBE3(provider, name, a, b, c)	      ((void)0)
#define STAP_PROBE4(provider, name, a, b, c, d)	      ((void)0)
#define STAP_PROBE5(provider, name, a, b, c, d, e)    ((void)0)
#define STAP_PROBE6(provider, name, a, b, c, d, e, f) ((void)0)
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

#define PROBE_call(e)	       STAP_PROBE5(ioas, call, e->op, e->file, e->cmd, e->arg, e->len)
#define PROBE_answer(e)	       STAP_PROBE5(ioas, answer, e->op, e->file, e->cmd, e->arg, e->rc)
#define PROBE_context_close(e) STAP_PROBE1(ioas, context_close, e->context)
#define PROBE_space_new(e)     STAP_PROBE3(ioas, space_new, e->space, e->context, e->id)
#define PROBE_space_gone(e)    STAP_PROBE1(ioas, space_gone, e->space)
#define PROBE_map(e)	       STAP_PROBE4(ioas, map, e->space, e->iova, e->last, e->prot)
#define PROBE_unmap(e)	       STAP_PROBE3(ioas, unmap, e->space, e->iova, e->last)
#define PROBE_unmapped(e)      STAP_PROBE3(ioas, unmapped, e->space, e->iova, e->last)
#define PROBE_cut(e)	       STAP_PROBE2(ioas, cut, e->space, e->iova)
#define PROBE_short_unmap(e)                                                                       \
	STAP_PROBE4(ioas, short_unmap, e->space, e->iova, e->length, e->removed)
#define PROBE_annotate(e)      STAP_PROBE4(ioas, annotate, e->space, e->iova, e->last, e->meant)
#define PROBE_memory_change(e) STAP_PROBE2(ioas, memory_change, e->va, e->last)
#define PROBE_attach(e)	       STAP_PROBE4(ioas, attach, e->requester, e->pasid, e->domain, e->old)
#define PROBE_invalidate(e)    STAP_PROBE3(ioas, invalidate, e->domain, e->iova, e->last)
#define PROBE_guest_invalidate(e)                                                                  \
	STAP_PROBE5(ioas, guest_invalidate, e->parent, e->requester, e->iova, e->last, e->pasid)
#define PROBE_fault(e)	      STAP_PROBE3(ioas, fault, e->requester, e->fault, e->guest)
#define PROBE_page_request(e) STAP_PROBE2(ioas, page_request, e->requester, e->group)
#define PROBE_dma_begin(e)                                                                         \
	STAP_PROBE5(ioas, dma_begin, e->port, e->pasid, e->iova, e->len, e->access)
#define PROBE_dma_step(e) STAP_PROBE5(ioas, dma_step, e->port, e->pasid, e->iova, e->access, e->tr)
#define PROBE_dma_end(e)                                                                           \
	STAP_PROBE6(ioas, dma_end, e->port, e->pasid, e->iova, e->done, e->access, e->rc)
#define PROBE_interrupt(e) STAP_PROBE3(ioas, interrupt, e->device, e->index, e->vector)

#define OBSERVE_FUNCTION(name, type)                                                               \
	void observe_##name(const struct sink *s, const struct event_##type *e)                    \
	{                                                                                          \
		PROBE_##name(e);                                                                   \
		for (size_t i = 0; s && i < SINK_OBSERVERS && s->observers[i].ops; i++)            \
			if (s->observers[i].ops->name)                                             \
				s->observers[i].ops->name(s->observers[i].arg, e);                 \
	}
OBSERVE_EVENTS(OBSERVE_FUNCTION)

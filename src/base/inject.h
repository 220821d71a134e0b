/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults on purpose: `ioas run --inject WHAT[@WHERE[:HOW]]`.
 *
 * A host may have an injector, a table of rules made before the host and never changed. The engine
 * asks it at a few points, always behind observed(), so that it costs nothing where there is none.
 * Which of the occasions a rule strikes depends on their number, counted by the rule, and on the
 * seed; not on time. Occasions of several threads are counted in the order in which they ask.
 */
#ifndef IOAS_BASE_INJECT_H
#define IOAS_BASE_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/refuse.h"

/* The calls of programs, by what they are about. */
enum inject_call {
	INJECT_OPEN,
	INJECT_READ,
	INJECT_WRITE,
	INJECT_MMAP,
	INJECT_MAP,
	INJECT_UNMAP,
	INJECT_ALLOC,
	INJECT_DESTROY,
	INJECT_ATTACH,
	INJECT_DETACH,
	INJECT_BIND,
	INJECT_SET_CONTAINER,
	INJECT_SET_IOMMU,
	INJECT_GET_DEVICE,
	INJECT_GET_INFO,
	INJECT_IRQ,
	INJECT_RESET,
	INJECT_DIRTY,
	INJECT_INVALIDATE,
	INJECT_OTHER,
	INJECT_CALLS
};
/* As --inject has it, such as "map". */
const char *inject_call_name(enum inject_call call);

struct injector;

int injector_create(uint64_t seed, struct injector **out); /* -ENOMEM */
void injector_destroy(struct injector *i);		   /* NULL: nothing */
/* -EINVAL or -ENOMEM, with a sentence in @why. */
int injector_add(struct injector *i, const char *text, char *why, size_t why_len);
/* Does a rule go by chance, so that the seed matters? */
bool injector_is_random(const struct injector *i);
/* The requester ID in the @n-th rule; false: no such rule, or it is for every device. *more: there
 * is a rule. */
bool injector_device(const struct injector *i, size_t n, uint32_t *rid, bool *more);
/* @struck is called when a rule strikes, with its text, on the thread that it strikes; it must not
 * wait. */
void injector_listen(struct injector *i, void (*struck)(void *arg, const char *rule, bool call),
		     void *arg);

/* The sink of a host has it until inject_end(), which destroys it. */
void inject_begin(struct sink *s, struct injector *i);
void inject_end(struct sink *s); /* without one: nothing */

/* An error for this call, refused already: 0 or -errno. */
int inject_error(const struct sink *s, enum inject_call call);
/* What is unmapped goes on being reachable for devices until the next change of its address space.
 */
bool inject_unmap_late(const struct sink *s);
/* A DMA of @rid to [iova, iova + len) meets nothing there. */
bool inject_dma_fault(const struct sink *s, uint32_t rid, uint64_t iova, uint64_t len);
/* Microseconds that a transfer of @rid waits before it begins. */
unsigned int inject_dma_delay(const struct sink *s, uint32_t rid);
/* Are writes of @rid to be held back, for an interrupt that might overtake them? And this one, by
 * so many microseconds (0: no)? */
bool inject_holds_writes(const struct sink *s, uint32_t rid);
unsigned int inject_early_irq(const struct sink *s, uint32_t rid);

#endif

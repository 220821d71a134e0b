/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way in which the engine says no to a caller.
 *
 * Every error that a user can cause goes through refuse(): it names the rule (the labels are those of
 * docs/rules.md and of the ABI tests), the field, its value and what would have been legal. The
 * sink of the host receives it; who listens (`ioas run -v`, an embedder's callback, nobody) is not known here.
 */
#ifndef IOAS_BASE_REFUSE_H
#define IOAS_BASE_REFUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct refusal {
	int err;	   /* positive errno */
	const char *rule;  /* such as "MAP.14" */
	const char *field; /* the argument at fault, as the ABI names it */
	uint64_t value;	   /* what it was */
	const char *legal; /* what would have been legal, in words; valid during the callback only */
};

/* Room for the longest text, NUL included; what is longer is cut off. */
#define REFUSE_TEXT 400

struct injector;       /* base/inject.h */
struct guest_stand_in; /* iommu/nested.h */
struct observer_ops;
struct observer {
	const struct observer_ops *ops;
	void *arg;
};

/* Who hears what a host has to say: of refusals, and of events (base/observe.h). */
#define SINK_OBSERVERS 6
struct sink {
	void (*fn)(void *arg, const struct refusal *r); /* may be NULL; called on the refusing thread */
	void *arg;
	struct injector *inject;		   /* NULL: none */
	const struct guest_stand_in *guest;	   /* NULL: guests' memory is there */
	struct observer observers[SINK_OBSERVERS]; /* those without ops at the end; see observe_add() */
};

/**
 * refuse() - report a refusal and give the error back
 * @sink: the host's sink, may be NULL
 * @err: positive errno
 * @rule, @field, @value: as in struct refusal
 * the rest: printf format and arguments of what would have been legal
 *
 * Is -@err, which the compiler sees. Thread-safe as far as the sink's function is. The text is only formatted when
 * somebody listens.
 */
#define refuse(sink, err, ...) (refuse_report(sink, err, __VA_ARGS__), refused(err))

static inline int refused(int err)
{
	return -err;
}

/* Does anybody listen? The arguments of refuse() are evaluated in any case: what is dear to find
 * out is asked for after this. */
static inline bool refuse_heard(const struct sink *sink)
{
	return sink && sink->fn;
}

void refuse_report(const struct sink *sink, int err, const char *rule, const char *field, uint64_t value,
		   const char *legal, ...) __attribute__((format(printf, 6, 7)));

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What guests write, which is not there: the words that a translation reads are answered from the
 * recording, in their order, and what their queues held is carried out where it was.
 *
 * Which words a transfer reads is an answer like others: it tells what the caches knew. Where it
 * differs, the word is the next one recorded for that address, or else the last one that was seen
 * there, so that the transfer comes out as well as it can.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "iommu/queue.h"
#include "observe/replay_private.h"

#define IMAGE_MIN 1024u

/* ---- what was seen last ---- */

struct replay_word {
	const struct domain *parent; /* NULL: empty */
	uint64_t gpa, word;
};

/* Where it is, or would be. */
static struct replay_word *place_of(const struct replay_guest *g, const struct domain *parent,
				    uint64_t gpa)
{
	uint64_t hash = (gpa ^ (uintptr_t)parent << 20) * 0x9e3779b97f4a7c15;

	for (size_t n = hash >> 20;; n++) {
		struct replay_word *w = &g->image[n & (g->room - 1)];

		if (!w->parent || (w->parent == parent && w->gpa == gpa))
			return w;
	}
}

static bool grow(struct replay_guest *g)
{
	const struct replay_guest old = *g;
	const size_t room = old.room ? 2 * old.room : IMAGE_MIN;
	struct replay_word *image = ioas_calloc(room, sizeof(*image));

	if (!image)
		return false;
	g->image = image;
	g->room = room;
	for (size_t n = 0; n < old.room; n++)
		if (old.image[n].parent)
			*place_of(g, old.image[n].parent, old.image[n].gpa) = old.image[n];
	ioas_free(old.image);
	return true;
}

static void remember(struct replay_guest *g, const struct domain *parent, uint64_t gpa,
		     uint64_t word)
{
	struct replay_word *w;

	if (2 * (g->used + 1) > g->room && !grow(g))
		return;
	w = place_of(g, parent, gpa);
	g->used += !w->parent;
	*w = (struct replay_word){parent, gpa, word};
}

static int recall(const struct replay_guest *g, const struct domain *parent, uint64_t gpa,
		  uint64_t *word)
{
	const struct replay_word *w = g->room ? place_of(g, parent, gpa) : NULL;

	if (!w || !w->parent)
		return -EFAULT;
	*word = w->word;
	return 0;
}

/* ---- what a transfer looks at ---- */

static bool is_look(const struct part *p)
{
	return p->e.type == LOG_guest_read || p->e.type == LOG_guest_mark;
}

static const struct part *next_look(const struct part *p)
{
	while (p && !is_look(p))
		p = p->next;
	return p;
}

static uint64_t gpa_of(const struct part *p)
{
	return p->e.type == LOG_guest_read ? p->e.guest_read.gpa : p->e.guest_mark.gpa;
}

static const char *verb_of(enum log_type type)
{
	return type == LOG_guest_read ? "reads" : "sets flags in";
}

/* The first thing only: the others follow from it. */
static void __attribute__((format(printf, 2, 3)))
differs(struct replay_guest *g, const char *fmt, ...)
{
	va_list ap;

	if (g->text[0])
		return;
	va_start(ap, fmt);
	vsnprintf(g->text, sizeof(g->text), fmt, ap);
	va_end(ap);
}

/* The recorded look that this one is; NULL: there was none. */
static const struct part *take(struct replay_guest *g, enum log_type type, uint64_t gpa)
{
	const struct part *p = g->expected;

	if (!p || p->e.type != type || gpa_of(p) != gpa) {
		differs(g, "it %s the guest's 0x%llx, which it did not", verb_of(type),
			(unsigned long long)gpa);
		while (p && (p->e.type != type || gpa_of(p) != gpa))
			p = next_look(p->next);
	}
	if (p)
		g->expected = next_look(p->next);
	return p;
}

/* An error that memory may answer. */
static int error_of(int64_t rc)
{
	return !rc || rc == -EAGAIN ? (int)rc : -EFAULT;
}

static int answer_read(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t *word)
{
	struct replay_guest *g = &((struct replay *)arg)->guest;
	const struct part *p = take(g, LOG_guest_read, gpa);

	if (!p)
		return recall(g, q->domain->parent, gpa, word);
	if (p->e.guest_read.rc)
		return -EFAULT;
	*word = p->e.guest_read.word;
	remember(g, q->domain->parent, gpa, *word);
	return 0;
}

static int answer_exchange(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t is,
			   uint64_t to)
{
	struct replay_guest *g = &((struct replay *)arg)->guest;
	const struct part *p = take(g, LOG_guest_mark, gpa);
	const struct log_guest_mark *then = p ? &p->e.guest_mark : NULL;
	int rc = then ? error_of(then->rc) : 0;

	if (then && (then->is != is || then->to != to))
		differs(g, "it makes 0x%llx of 0x%llx in the guest's 0x%llx, and made 0x%llx of it",
			(unsigned long long)to, (unsigned long long)is, (unsigned long long)gpa,
			(unsigned long long)then->to);
	if (!rc)
		remember(g, q->domain->parent, gpa, to);
	return rc;
}

void replay_guest_init(struct replay *r)
{
	r->guest = (struct replay_guest){.stand_in = {.read = answer_read,
						      .exchange = answer_exchange,
						      .wait = replay_wait,
						      .arg = r}};
}

void replay_guest_fini(struct replay_guest *g)
{
	ioas_free(g->image);
}

void replay_guest_begin(struct replay_guest *g, const struct item *it)
{
	g->expected = next_look(it->parts.first);
	g->text[0] = '\0';
}

const char *replay_guest_end(struct replay *r, const struct item *it)
{
	struct replay_guest *g = &r->guest;

	for (const struct part *p = next_look(it->parts.first); p; p = next_look(p->next))
		r->result->answers++;
	if (g->expected)
		differs(g, "it no more %s the guest's 0x%llx", verb_of(g->expected->e.type),
			(unsigned long long)gpa_of(g->expected));
	g->expected = NULL;
	return g->text[0] ? g->text : NULL;
}

/* ---- whose caches may differ from the recorded ones ---- */

#define BITS 64u

void replay_guest_lose(struct replay_guest *g, uint64_t device)
{
	if (device / BITS < ARRAY_SIZE(g->lost))
		g->lost[device / BITS] |= BIT(device % BITS);
}

bool replay_guest_is_lost(const struct replay_guest *g, uint64_t device)
{
	return device / BITS < ARRAY_SIZE(g->lost) && g->lost[device / BITS] & BIT(device % BITS);
}

/* ---- queues ---- */

struct replay_queue {
	struct replay_queue *next;
	uint64_t number;
	struct queue *queue; /* NULL: no more */
};

static void add_queue(struct replay *r, struct queue *queue)
{
	struct part *p = r->item->parts.first;
	struct replay_queue *q;

	while (p && (p->e.type != LOG_guest_queue || p->used))
		p = p->next;
	q = p ? replay_alloc(r, sizeof(*q)) : NULL;
	if (!q)
		return;
	p->used = true;
	*q = (struct replay_queue){r->guest.queues, p->e.guest_queue.queue, queue};
	r->guest.queues = q;
}

void replay_saw_queue(void *arg, const struct event_guest_queue *e)
{
	struct replay *r = arg;

	if (e->what == QUEUE_ADDED)
		add_queue(r, e->queue);
	if (e->what != QUEUE_REMOVED)
		return;
	for (struct replay_queue *q = r->guest.queues; q; q = q->next)
		if (q->queue == e->queue)
			q->queue = NULL;
}

void replay_carry_out(struct replay *r, const struct log_guest_queue *taken)
{
	const struct replay_queue *q = r->guest.queues;

	while (q && (q->number != taken->queue || !q->queue))
		q = q->next;
	if (q)
		consumer_carry_out(q->queue, taken->data.at, taken->data.len);
}

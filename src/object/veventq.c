/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vEVENTQ (5.3, 6.2): what a vIOMMU has to tell its guest.
 *
 * Every event takes a sequence number. One that does not fit leaves its number in a header at the
 * tail of the queue that says that events were lost; the next event that fits takes the header's
 * place, so that the reader notices the loss by the jump.
 *
 * veventq.lock is a leaf: events come from DMA threads inside their sections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "object/private.h"
#include "object/viommu.h"

#define SEQUENCE_MAX INT32_MAX
#define LOST_EVENTS  1 /* 16.4 */

/* viommu_object.lock held. */
static struct veventq *find(struct viommu_object *v, uint32_t type)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &v->veventqs) {
		struct veventq *q = list_entry(pos, struct veventq, link);

		if (q->type == type)
			return q;
	}
	return NULL;
}

static int create(struct viommu_object *v, uint32_t type, uint32_t depth, struct veventq **out)
{
	struct veventq *q = ioas_calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->viommu = v;
	q->type = type;
	q->depth = depth;
	q->holders = 1;
	list_init(&q->queued);
	list_init(&q->lost.link);
	rc = object_reserve(v->ctx, &q->obj, OBJECT_VEVENTQ);
	if (rc) {
		ioas_free(q);
		return rc;
	}
	pthread_mutex_init(&q->lock, NULL);
	object_hold(v->ctx, &v->obj);
	list_add_tail(&v->veventqs, &q->link);
	*out = q;
	return 0;
}

int veventq_alloc(struct viommu_object *v, uint32_t type, uint32_t depth, struct veventq **out)
{
	int rc;

	pthread_mutex_lock(&v->lock);
	if (find(v, type))
		rc = refuse(&v->ctx->host->sink, EEXIST, "VEQ.4", "type", type,
			    "a type of which this vIOMMU has no queue yet");
	else
		rc = create(v, type, depth, out);
	if (rc)
		pthread_mutex_unlock(&v->lock);
	return rc;
}

static void free_events(struct veventq *q)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &q->queued) {
		struct vevent *e = list_entry(pos, struct vevent, link);

		if (e != &q->lost)
			ioas_free(e);
	}
}

void veventq_get(struct veventq *q)
{
	__atomic_fetch_add(&q->holders, 1, __ATOMIC_RELAXED);
}

void veventq_put(struct veventq *q)
{
	if (__atomic_sub_fetch(&q->holders, 1, __ATOMIC_ACQ_REL))
		return;
	free_events(q);
	pthread_mutex_destroy(&q->lock);
	ioas_free(q);
}

/* viommu_object.lock held. Where the call failed after its file was made, that is still to go. */
static void drop(struct veventq *q)
{
	list_del(&q->link);
	object_release(q->viommu->ctx, &q->viommu->obj);
	veventq_put(q);
}

int veventq_finish(struct veventq *q, int rc)
{
	struct viommu_object *v = q->viommu;

	if (rc) {
		object_abort(v->ctx, &q->obj);
		drop(q);
	} else {
		object_publish(v->ctx, &q->obj);
	}
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static void veventq_destroy(struct iommufd *ctx, struct object *obj)
{
	struct veventq *q = container_of(obj, struct veventq, obj);
	struct viommu_object *v = q->viommu;

	/* The queue holds the vIOMMU until drop(), which must not be the end of the lock that is
	 * held. */
	object_hold(ctx, &v->obj);
	pthread_mutex_lock(&v->lock);
	drop(q);
	pthread_mutex_unlock(&v->lock);
	object_release(ctx, &v->obj);
}

const struct object_type_ops veventq_type_ops = {
	.destroy = veventq_destroy,
};

/* Lock held. */
static void tell(struct veventq *q)
{
	if (q->changed)
		q->changed(q->changed_arg, !list_empty(&q->queued));
}

void veventq_watch(struct veventq *q, void (*changed)(void *arg, bool readable), void *arg)
{
	pthread_mutex_lock(&q->lock);
	q->changed = changed;
	q->changed_arg = arg;
	tell(q);
	pthread_mutex_unlock(&q->lock);
}

/* @e, which may be the header of losses, to the tail, where that was. Lock held. */
static void append(struct veventq *q, struct vevent *e)
{
	if (q->queued.prev == &q->lost.link)
		list_del(&q->lost.link);
	list_add_tail(&q->queued, &e->link);
	e->sequence = q->sequence;
	q->sequence = (q->sequence + 1) & SEQUENCE_MAX;
	tell(q);
}

static int add(struct veventq *q, const void *data, size_t len)
{
	struct vevent *e = ioas_malloc(sizeof(*e) + len);

	if (e) {
		list_init(&e->link);
		e->len = len;
		memcpy(e->data, data, len);
	}
	pthread_mutex_lock(&q->lock);
	if (e && q->nr_events < q->depth) {
		q->nr_events++;
		append(q, e);
		pthread_mutex_unlock(&q->lock);
		return 0;
	}
	append(q, &q->lost);
	pthread_mutex_unlock(&q->lock);
	ioas_free(e);
	return e ? 0 : -ENOMEM;
}

int veventq_event(struct viommu *v, uint32_t type, const void *data, size_t len)
{
	struct viommu_object *vo = v->owner;
	struct veventq *q;
	int rc = -EOPNOTSUPP;

	pthread_mutex_lock(&vo->lock);
	q = find(vo, type);
	if (q)
		rc = add(q, data, len);
	pthread_mutex_unlock(&vo->lock);
	return rc;
}

/* One item taken off the queue: an event, or a copy of the header of losses. */
struct taken {
	struct vevent *event; /* NULL: losses */
	uint32_t sequence;
};

static bool fetch(struct veventq *q, struct taken *t)
{
	struct vevent *e;
	bool any;

	pthread_mutex_lock(&q->lock);
	any = !list_empty(&q->queued);
	if (any) {
		e = list_entry(q->queued.next, struct vevent, link);
		list_del(&e->link);
		*t = (struct taken){e == &q->lost ? NULL : e, e->sequence};
	}
	pthread_mutex_unlock(&q->lock);
	return any;
}

/* Back to the head; what was lost only where nothing newer says so. */
static void restore(struct veventq *q, const struct taken *t)
{
	struct vevent *e = t->event;

	pthread_mutex_lock(&q->lock);
	if (!e && list_empty(&q->queued))
		e = &q->lost;
	if (e)
		list_add_tail(q->queued.next, &e->link);
	pthread_mutex_unlock(&q->lock);
}

static void done_with(struct veventq *q, const struct taken *t)
{
	pthread_mutex_lock(&q->lock);
	q->nr_events -= t->event != NULL;
	if (list_empty(&q->queued))
		tell(q);
	pthread_mutex_unlock(&q->lock);
	ioas_free(t->event);
}

ssize_t veventq_read(struct veventq *q, size_t room,
		     int (*emit)(void *arg, const struct veventq_item *item), void *arg)
{
	size_t done = 0;
	struct taken t;
	int rc = 0;

	while (fetch(q, &t)) {
		const struct veventq_item item = {
			.flags = t.event ? 0 : LOST_EVENTS,
			.sequence = t.sequence,
			.data = t.event ? t.event->data : NULL,
			.len = t.event ? t.event->len : 0,
		};
		size_t size = VEVENTQ_HEADER + item.len;

		if (size > room - done)
			rc = done ? 0 : -EINVAL;
		else
			rc = emit(arg, &item);
		if (rc || size > room - done) {
			restore(q, &t);
			break;
		}
		done_with(q, &t);
		done += size;
	}
	return done ? (ssize_t)done : rc;
}

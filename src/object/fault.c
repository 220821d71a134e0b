/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FAULT object: groups of page requests on their way to a program and their answers on the way back (6.1).
 *
 * A group is queued, then read and outstanding under its cookie, then answered; whoever takes it off a list answers it, outside
 * of the queue's lock, and never looks at it again. Each remembers the attachment and the device that it came by: when the
 * attachment changes or the device leaves it, what is left of it is answered with failure.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/private.h"

int fault_queue_alloc(struct iommufd *ctx, struct fault_queue **out)
{
	struct fault_queue *q = ioas_calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->ctx = ctx;
	q->holders = 1;
	pthread_mutex_init(&q->lock, NULL);
	list_init(&q->queued);
	list_init(&q->outstanding);
	ids_init(&q->cookies);
	rc = object_reserve(ctx, &q->obj, OBJECT_FAULT);
	if (rc) {
		pthread_mutex_destroy(&q->lock);
		ioas_free(q);
		return rc;
	}
	*out = q;
	return 0;
}

/* Lock held. */
static void tell(struct fault_queue *q)
{
	if (q->changed)
		q->changed(q->changed_arg, !list_empty(&q->queued));
}

void fault_queue_watch(struct fault_queue *q, void (*changed)(void *arg, bool readable), void *arg)
{
	pthread_mutex_lock(&q->lock);
	q->changed = changed;
	q->changed_arg = arg;
	tell(q);
	pthread_mutex_unlock(&q->lock);
}

static void add(struct fault_queue *q, struct page_group *g)
{
	pthread_mutex_lock(&q->lock);
	list_add_tail(&q->queued, &g->link);
	tell(q);
	pthread_mutex_unlock(&q->lock);
}

/* Under the group's lock: the queue of the HWPT that @g belongs to, if it has one. */
static struct fault_queue *queue_of(struct host_device *hdev, struct page_group *g)
{
	struct host_attach *at = attach_of_fault(hdev, g->pasid);
	struct idevice *idev = hdev->idev;
	struct hwpt *hwpt;

	if (!idev || !at || !attach_has(at, idev))
		return NULL;
	hwpt = at->hwpt;
	g->attach = at;
	g->device = idev;
	g->device_id = idev->obj.id;
	return hwpt->fault;
}

void fault_deliver(void *arg, struct requester *r, struct page_group *g)
{
	struct host_device *hdev = requester_owner(r);
	struct fault_queue *q = NULL;

	if (hdev) {
		pthread_mutex_lock(&hdev->group->lock);
		q = queue_of(hdev, g);
		if (q)
			add(q, g);
		pthread_mutex_unlock(&hdev->group->lock);
	}
	if (!q)
		g->respond(g, false);
}

/* Lock held: @g, which was the first, is read under a cookie. FLT.5, FLT.6. */
static int read_group(struct fault_queue *q, struct page_group *g,
		      int (*emit)(void *arg, const struct page_group *g), void *arg)
{
	int rc = ids_reserve(&q->cookies, &g->cookie);

	if (rc)
		return rc;
	rc = emit(arg, g);
	if (rc) {
		ids_erase(&q->cookies, g->cookie);
		return rc;
	}
	ids_publish(&q->cookies, g->cookie, g);
	list_del(&g->link);
	list_add_tail(&q->outstanding, &g->link);
	return 0;
}

ssize_t fault_queue_read(struct fault_queue *q, size_t max, int (*emit)(void *arg, const struct page_group *g),
			 void *arg)
{
	size_t done = 0;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	while (!rc && !list_empty(&q->queued)) {
		struct page_group *g = list_entry(q->queued.next, struct page_group, link);

		if (g->nr_requests > max - done) {
			rc = refuse(&q->ctx->host->sink, EINVAL, "FLT.3", "count", max,
				    "room for the %zu records of the next group", g->nr_requests);
			break;
		}
		rc = read_group(q, g, emit, arg);
		if (!rc)
			done += g->nr_requests;
	}
	if (done && list_empty(&q->queued))
		tell(q);
	pthread_mutex_unlock(&q->lock);
	return done ? (ssize_t)done : rc;
}

int fault_queue_answer(struct fault_queue *q, uint32_t cookie, bool success)
{
	struct page_group *g;

	pthread_mutex_lock(&q->lock);
	g = ids_find(&q->cookies, cookie);
	if (g) {
		ids_erase(&q->cookies, cookie);
		list_del(&g->link);
	}
	pthread_mutex_unlock(&q->lock);
	if (!g)
		return refuse(&q->ctx->host->sink, EINVAL, "FLT.11", "cookie", cookie,
			      "the cookie of a group that was read and not answered");
	g->respond(g, success);
	return 0;
}

static void take_matching(struct list *from, const struct host_attach *at, const struct idevice *idev,
			  struct list *to)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, from) {
		struct page_group *g = list_entry(pos, struct page_group, link);

		if (g->attach != at || (idev && g->device != idev))
			continue;
		list_del(pos);
		list_add_tail(to, pos);
	}
}

void fault_queue_take(struct fault_queue *q, const struct host_attach *at, const struct idevice *idev,
		      struct list *to)
{
	struct list outstanding, *pos, *tmp;

	list_init(&outstanding);
	pthread_mutex_lock(&q->lock);
	take_matching(&q->queued, at, idev, to);
	take_matching(&q->outstanding, at, idev, &outstanding);
	list_for_each(pos, tmp, &outstanding) {
		ids_erase(&q->cookies, list_entry(pos, struct page_group, link)->cookie);
		list_del(pos);
		list_add_tail(to, pos);
	}
	tell(q);
	pthread_mutex_unlock(&q->lock);
}

void fault_answer_all(struct list *groups)
{
	while (!list_empty(groups)) {
		struct page_group *g = list_entry(groups->next, struct page_group, link);

		list_del(&g->link);
		g->respond(g, false);
	}
}

void fault_queue_get(struct fault_queue *q)
{
	__atomic_fetch_add(&q->holders, 1, __ATOMIC_RELAXED);
}

void fault_queue_put(struct fault_queue *q)
{
	if (__atomic_sub_fetch(&q->holders, 1, __ATOMIC_ACQ_REL))
		return;
	ids_destroy(&q->cookies);
	pthread_mutex_destroy(&q->lock);
	ioas_free(q);
}

/* Every HWPT that used it is gone, and every attachment has taken its groups along. */
static void fault_destroy(struct iommufd *ctx, struct object *obj)
{
	fault_queue_put(container_of(obj, struct fault_queue, obj));
}

const struct object_type_ops fault_type_ops = {
	.destroy = fault_destroy,
};

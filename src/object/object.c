/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects of an iommufd context: ids, the two counts, destruction (semantics 2).
 *
 * ctx->lock guards the id table and every object's counts. It is a leaf: nothing is called under it.
 */
#include "object/iommufd.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "base/text.h"
#include "object/private.h"

/* DESTROY gives up on a command that does not end after this long (2.3). */
#define DESTROY_PATIENCE 60000000000ull /* nanoseconds of the host's clock, which may be anybody's: */
#define WAIT_SLICE	 1000000	/* so often, in real ones, it is looked at: a plain store may be overlooked (object_put()) */

static void other_destroy(struct iommufd *ctx, struct object *obj)
{
	struct other_object *o = container_of(obj, struct other_object, obj);

	o->destroy(ctx, o);
}

static const struct object_type_ops other_type_ops = {
	.destroy = other_destroy,
};

static const struct object_type_ops *const type_ops[OBJECT_TYPES] = {
	[OBJECT_ACCESS] = &access_type_ops,
	[OBJECT_DEVICE] = &idevice_type_ops,
	[OBJECT_FAULT] = &fault_type_ops,
	[OBJECT_HW_QUEUE] = &hw_queue_type_ops,
	[OBJECT_HWPT_NESTED] = &nested_type_ops,
	[OBJECT_HWPT_PAGING] = &hwpt_type_ops,
	[OBJECT_IOAS] = &ioas_type_ops,
	[OBJECT_OTHER] = &other_type_ops,
	[OBJECT_VDEVICE] = &vdevice_type_ops,
	[OBJECT_VEVENTQ] = &veventq_type_ops,
	[OBJECT_VIOMMU] = &viommu_type_ops,
};

int iommufd_create(struct host *h, bool process_mode, struct iommufd **out)
{
	struct iommufd *ctx = ioas_calloc(1, sizeof(*ctx));
	pthread_condattr_t clock;

	if (!ctx)
		return -ENOMEM;
	ids_init(&ctx->ids);
	range_init(&ctx->regions, NULL);
	lock_init(&ctx->lock, LOCK_OBJECTS);
	pthread_mutex_init(&ctx->idle_lock, NULL);
	pthread_mutex_init(&ctx->regions_lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&ctx->idle, &clock);
	pthread_condattr_destroy(&clock);
	host_get(h);
	ctx->host = h;
	ctx->process_mode = process_mode;
	ctx->refs = 1;
	host_context_add(h, &ctx->context, false);
	*out = ctx;
	return 0;
}

void iommufd_get(struct iommufd *ctx)
{
	__atomic_fetch_add(&ctx->refs, 1, __ATOMIC_RELAXED);
}

/* Children hold users of their parents, so each round frees at least the leaves. */
static void sweep(struct iommufd *ctx)
{
	bool progress = true;

	while (progress) {
		struct object *obj;
		uint32_t id = 0;

		progress = false;
		while ((obj = ids_next(&ctx->ids, &id)))
			if (obj->users == 1 && !object_destroy_id(ctx, id))
				progress = true;
	}
}

void iommufd_put(struct iommufd *ctx)
{
	if (__atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_ACQ_REL))
		return;
	host_context_remove(ctx->host, &ctx->context);
	OBSERVE(&ctx->host->sink, context_close, ctx, false);
	sweep(ctx);
	ids_destroy(&ctx->ids);
	range_destroy(&ctx->regions);
	pthread_mutex_destroy(&ctx->regions_lock);
	pthread_mutex_destroy(&ctx->idle_lock);
	pthread_cond_destroy(&ctx->idle);
	host_put(ctx->host);
	ioas_free(ctx);
}

int object_reserve(struct iommufd *ctx, struct object *obj, enum object_type type)
{
	int rc;

	obj->type = type;
	obj->users = 1;
	obj->only = 0;
	obj->begun = 0;
	obj->ended = 0;
	lock_acquire(&ctx->lock);
	rc = ids_reserve(&ctx->ids, &obj->id);
	lock_release(&ctx->lock);
	return rc;
}

void object_publish(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	ids_publish(&ctx->ids, obj->id, obj);
	lock_release(&ctx->lock);
}

void object_abort(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	ids_erase(&ctx->ids, obj->id);
	lock_release(&ctx->lock);
}

void object_abort_and_free(struct iommufd *ctx, struct object *obj)
{
	object_abort(ctx, obj);
	type_ops[obj->type]->destroy(ctx, obj);
}

struct object *object_get(struct iommufd *ctx, uint32_t id, enum object_type type)
{
	struct object *obj;

	lock_acquire(&ctx->lock);
	obj = ids_find(&ctx->ids, id);
	if (obj && type != OBJECT_ANY && obj->type != type)
		obj = NULL;
	if (obj)
		object_busy(obj);
	lock_release(&ctx->lock);
	return obj;
}

bool object_try_get(struct iommufd *ctx, struct object *obj)
{
	bool found;

	lock_acquire(&ctx->lock);
	found = ids_find(&ctx->ids, obj->id) == obj;
	if (found)
		object_busy(obj);
	lock_release(&ctx->lock);
	return found;
}

bool object_try_hold(struct iommufd *ctx, struct object *obj)
{
	bool found;

	lock_acquire(&ctx->lock);
	found = ids_find(&ctx->ids, obj->id) == obj;
	if (found)
		obj->users++;
	lock_release(&ctx->lock);
	return found;
}

static bool is_busy(const struct object *obj)
{
	return object_in_flight(obj) != 0;
}

/* A while, or until something is idle. With idle_lock. */
static void wait_slice(struct iommufd *ctx)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_SLICE;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&ctx->idle, &ctx->idle_lock, &until);
}

/* Waits for commands that still use @obj, until then by the host's clock (NULL: for ever); new ones no longer find it. Called
 * with ctx->lock, which is let go meanwhile. */
static int wait_idle(struct iommufd *ctx, struct object *obj, const uint64_t *until)
{
	int rc = 0;

	__atomic_fetch_add(&ctx->waiting, 1, __ATOMIC_SEQ_CST);
	lock_release(&ctx->lock);
	pthread_mutex_lock(&ctx->idle_lock);
	while (is_busy(obj) && !rc) {
		if (until && host_now(ctx->host) >= *until)
			rc = -EBUSY;
		else
			wait_slice(ctx);
	}
	pthread_mutex_unlock(&ctx->idle_lock);
	lock_acquire(&ctx->lock);
	__atomic_fetch_sub(&ctx->waiting, 1, __ATOMIC_RELAXED);
	return rc;
}

void object_bury(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	ids_bury(&ctx->ids, obj->id);
	wait_idle(ctx, obj, NULL);
	lock_release(&ctx->lock);
}

int object_get_page_table(struct iommufd *ctx, uint32_t id, struct object **out)
{
	struct object *obj;
	int rc = 0;

	lock_acquire(&ctx->lock);
	obj = ids_find(&ctx->ids, id);
	if (!obj)
		rc = -ENOENT;
	else if (obj->type != OBJECT_IOAS && obj->type != OBJECT_HWPT_PAGING && obj->type != OBJECT_HWPT_NESTED)
		rc = -EINVAL;
	else
		obj->users++;
	lock_release(&ctx->lock);
	*out = obj;
	return rc;
}

void object_put(struct iommufd *ctx, struct object *obj)
{
	/* Behind this @obj may be gone. */
	if (likely(__atomic_load_n(&obj->only, __ATOMIC_RELAXED) == pthread_self()))
		__atomic_store_n(&obj->only, 0, __ATOMIC_RELEASE);
	else
		__atomic_fetch_add(&obj->ended, 1, __ATOMIC_RELEASE);
	if (likely(!__atomic_load_n(&ctx->waiting, __ATOMIC_SEQ_CST)))
		return;
	pthread_mutex_lock(&ctx->idle_lock);
	pthread_cond_broadcast(&ctx->idle);
	pthread_mutex_unlock(&ctx->idle_lock);
}

void object_hold(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	obj->users++;
	lock_release(&ctx->lock);
}

void object_release(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	obj->users--;
	lock_release(&ctx->lock);
}

bool object_release_is_last(struct iommufd *ctx, struct object *obj)
{
	bool last;

	lock_acquire(&ctx->lock);
	last = --obj->users == 1;
	if (last)
		ids_erase(&ctx->ids, obj->id);
	lock_release(&ctx->lock);
	return last;
}

void object_wait_idle(struct iommufd *ctx, struct object *obj)
{
	lock_acquire(&ctx->lock);
	wait_idle(ctx, obj, NULL);
	lock_release(&ctx->lock);
}

static int refuse_held(struct iommufd *ctx, uint32_t id, enum object_type type, uint32_t users)
{
	static const struct {
		const char *rule, *legal;
	} why[OBJECT_TYPES] = {
		[OBJECT_ACCESS] = {"DEST.3", "an access goes by its owner's hand"},
		[OBJECT_DEVICE] = {"DEST.3", "a device goes by closing its VFIO file"},
		[OBJECT_FAULT] = {"DEST.7", "a fault queue whose file is closed and that no HWPT uses"},
		[OBJECT_HW_QUEUE] = {"DEST.9", "a queue that no higher one depends on and that is not mapped"},
		[OBJECT_HWPT_NESTED] = {"DEST.2", "an HWPT that nothing is attached to"},
		[OBJECT_HWPT_PAGING] = {"DEST.2", "an HWPT that nothing is attached to and nothing stands on"},
		[OBJECT_IOAS] = {"DEST.2", "an IOAS without HWPTs and accesses"},
		[OBJECT_OTHER] = {"DEST.2", "an object that nothing uses"},
		[OBJECT_VDEVICE] = {"DEST.11", "a vDEVICE that nothing uses"},
		[OBJECT_VEVENTQ] = {"DEST.8", "an event queue whose file is closed"},
		[OBJECT_VIOMMU] = {"DEST.10", "a vIOMMU without objects of its own, and not mapped"},
	};
	char buf[256] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(&ctx->host->sink))
		explain_users(ctx, id, &t);
	return refuse(&ctx->host->sink, EBUSY, why[type].rule, "id", id,
		      "%s; this one is held %u time%s%s", why[type].legal, users,
		      users == 1 ? "" : "s", buf);
}

/*
 * Takes @obj out of the table once no command uses it. It is invisible first, so that no new command begins to. A command
 * that was running may have made the object somebody's meanwhile: then it stays. Called with ctx->lock.
 */
static int take_out(struct iommufd *ctx, struct object *obj)
{
	uint64_t until;
	int rc;

	if (obj->users > 1)
		return -EBUSY;
	ids_hide(&ctx->ids, obj->id);
	until = is_busy(obj) ? host_now(ctx->host) + DESTROY_PATIENCE : 0;
	rc = wait_idle(ctx, obj, &until);
	if (!rc && obj->users > 1)
		rc = -EBUSY;
	if (rc)
		ids_publish(&ctx->ids, obj->id, obj);
	else
		ids_erase(&ctx->ids, obj->id);
	return rc;
}

int object_destroy_id(struct iommufd *ctx, uint32_t id)
{
	enum object_type type = OBJECT_ANY;
	uint32_t users = 0;
	struct object *obj;
	int rc = -ENOENT;

	lock_acquire(&ctx->lock);
	obj = ids_find(&ctx->ids, id);
	if (obj) {
		type = obj->type;
		rc = take_out(ctx, obj);
		users = rc ? obj->users - 1 + object_in_flight(obj) : 0;
	}
	lock_release(&ctx->lock);
	if (rc == -ENOENT)
		return object_refuse(ctx, ENOENT,
				     &(struct object_refusal){"DEST.1", "id", id, OBJECTS_ALL});
	if (rc)
		return refuse_held(ctx, id, type, users);
	type_ops[type]->destroy(ctx, obj);
	return 0;
}

uint64_t object_count(struct iommufd *ctx)
{
	uint64_t n = 0;
	uint32_t id = 0;

	lock_acquire(&ctx->lock);
	while (ids_next(&ctx->ids, &id))
		n++;
	lock_release(&ctx->lock);
	return n;
}

size_t object_list(struct iommufd *ctx, uint32_t after, struct object_brief *out, size_t max)
{
	const struct object *obj;
	uint32_t id = after;
	size_t n = 0;

	lock_acquire(&ctx->lock);
	while (n < max && (obj = ids_next(&ctx->ids, &id)))
		out[n++] = (struct object_brief){.id = id, .users = obj->users, .type = obj->type};
	lock_release(&ctx->lock);
	return n;
}
